//! Who works on a member's directories: one run at a time, known by a lock file beside them that says who, where and since
//! when. The lock ends with its process; the file goes with it, or is taken over by the next run.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, FlockOperation, OFlags, access, flock};
use serde::{Deserialize, Serialize};

use super::{leftovers::PREFIX, source::io_trouble, stage::parent};
use crate::trouble::{Kind, Trouble};

/// How often a lock file is opened again that somebody removed meanwhile.
const TRIES: u32 = 5;
/// No lock file is longer.
const TEXT: u64 = 4096;

/// One carrying out of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its ID: random hex digits.
    pub id: String,
    /// The plan's short ID.
    pub plan: String,
    /// What the cluster is called.
    pub label: String,
    /// Who: `anna@laptop`.
    pub operator: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// Directories that nobody else works on until this is dropped.
#[derive(Debug, Default)]
pub struct Claim(Vec<(PathBuf, File)>);

/// Why a claim was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotClaimed {
    /// The run that has the directory, where its lock says so.
    pub by: Option<Box<Run>>,
    /// The refusal, for people.
    pub trouble: Trouble,
}

impl From<Trouble> for NotClaimed {
    fn from(trouble: Trouble) -> Self {
        NotClaimed { by: None, trouble }
    }
}

impl From<NotClaimed> for Trouble {
    fn from(refused: NotClaimed) -> Self {
        refused.trouble
    }
}

impl Claim {
    /// Claims the directories that `targets` are or will be in. Above `within`, where it is given, nothing is looked at.
    ///
    /// # Errors
    /// `Refused` when another run has one of them, saying whose; or as the system says.
    pub fn take(run: &Run, targets: &[PathBuf], within: Option<&Path>) -> Result<Claim, NotClaimed> {
        let mut claim = Claim::default();
        for target in targets {
            let home = home(target);
            // A run that began before this directory was made has its lock further up.
            for above in up(&home, within).skip(1).filter(|dir| !claim.0.iter().any(|(path, _)| parent(path) == *dir)) {
                if let Ok(file) = open(&lock_in(above), false)
                    && flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
                    && covers(&file, target)
                {
                    return Err(taken(&file, target));
                }
            }
            if !claim.0.iter().any(|(path, _)| parent(path) == home) {
                let file = take(run, targets, &lock_in(&home), target)?;
                claim.0.push((lock_in(&home), file));
            }
        }
        Ok(claim)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        for (path, _) in &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

/// What stands in a lock file.
#[derive(Serialize, Deserialize)]
struct Held {
    run: Run,
    targets: Vec<PathBuf>,
}

fn lock_in(dir: &Path) -> PathBuf {
    dir.join(format!("{PREFIX}lock"))
}

fn take(run: &Run, targets: &[PathBuf], path: &Path, target: &Path) -> Result<File, NotClaimed> {
    let fail = |e: io::Error| io_trouble("write", path, &e);
    let held = Held { run: run.clone(), targets: targets.to_vec() };
    let text = serde_json::to_vec(&held).map_err(|e| fail(e.into()))?;
    for _ in 0..TRIES {
        let mut file = open(path, true).map_err(fail)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(taken(&file, target)),
            Err(e) => return Err(fail(e.into()).into()),
        }
        // The one before may have removed it between the two.
        let same =
            |meta: &fs::Metadata| file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (meta.dev(), meta.ino()));
        if fs::metadata(path).is_ok_and(|meta| same(&meta)) {
            file.set_len(0).and_then(|()| file.write_all(&text)).and_then(|()| file.sync_all()).map_err(fail)?;
            return Ok(file);
        }
    }
    Err(Trouble::new(Kind::Failed, format!("{} does not stay", path.display())).hint("Try again.").into())
}

fn open(path: &Path, make: bool) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new().read(true).write(true).create(make).mode(0o644).custom_flags(flags.bits() as i32).open(path)
}

fn read(file: &File) -> Option<Held> {
    let mut text = Vec::new();
    file.take(TEXT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Whether a lock further up is about this directory.
fn covers(file: &File, target: &Path) -> bool {
    file.try_clone().ok().and_then(|file| read(&file)).is_some_and(|held| held.targets.iter().any(|one| one == target))
}

fn taken(file: &File, target: &Path) -> NotClaimed {
    use std::io::Seek;
    let mut again = file;
    let _ = again.rewind();
    let trouble = Trouble::new(Kind::Refused, format!("somebody else works on {}", target.display()));
    let by = read(file).map(|held| Box::new(held.run));
    let trouble = match &by {
        Some(run) => trouble
            .why(format!(
                "{} has restored {} there since {}, by plan {}, run {}",
                run.operator, run.label, run.since, run.plan, run.id
            ))
            .hint("Talk to each other. When that run has ended, run the same again."),
        None => trouble.why("another requorum has it locked").hint("Wait until it has ended, then run the same again."),
    };
    NotClaimed { by, trouble }
}

/// Where what belongs to a directory's recovery is kept: the directory that it is or will be in, or, where nothing may be
/// written there, itself. Of a path that does not exist yet the deepest part that does.
pub fn home(target: &Path) -> PathBuf {
    let above = target.ancestors().skip(1).find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
    let may = |dir: &Path| access(dir, Access::WRITE_OK).is_ok();
    if !may(above) && target.is_dir() && may(target) { target.into() } else { above.into() }
}

/// The journal of a plan on this machine: one that is there, in the directory or above, or the one to be made.
pub fn journal(target: &Path, plan: &str, within: Option<&Path>) -> PathBuf {
    let name = format!("{PREFIX}{plan}.journal");
    let known = up(target, within).map(|dir| dir.join(&name)).find(|path| path.is_file());
    known.unwrap_or_else(|| home(target).join(name))
}

/// The way up from a path, as far as it is `within`.
fn up<'a>(path: &'a Path, within: Option<&'a Path>) -> impl Iterator<Item = &'a Path> {
    path.ancestors().take_while(move |dir| within.is_none_or(|within| dir.starts_with(within)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn run(operator: &str) -> Run {
        Run {
            id: "9f3c2a11".into(),
            plan: "77aa02c1".into(),
            label: "prod-eu".into(),
            operator: operator.into(),
            since: "2026-11-22T03:12:05Z".into(),
        }
    }

    #[test]
    fn the_second_is_told_who_and_since_when() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("lib/etcd/m1");
        let first = Claim::take(&run("anna@laptop"), std::slice::from_ref(&target), None).unwrap();
        // Made meanwhile, as the first would make it.
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let refused = Claim::take(&run("ben@desk"), std::slice::from_ref(&target), None).unwrap_err();
        assert_eq!(refused.by.as_deref(), Some(&run("anna@laptop")), "whose it is, is a value");
        let refused = refused.trouble.to_string();
        for word in ["somebody else works on", "anna@laptop", "since 2026-11-22T03:12:05Z", "plan 77aa02c1"] {
            assert!(refused.contains(word), "{word:?} is not in {refused}");
        }
        // Another directory below the same one is free.
        let other = Claim::take(&run("ben@desk"), &[dir.path().join("lib/etcd/m9"), target.clone()], None);
        assert!(other.is_err());
        let other = Claim::take(&run("ben@desk"), &[dir.path().join("lib/etcd/m9")], None).unwrap();
        drop((first, other));
        Claim::take(&run("ben@desk"), &[target], None).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["lib"], "lock files go with their run");
    }

    #[test]
    fn a_lock_file_that_a_kill_left_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(lock_in(dir.path()), b"{\"run\":").unwrap();
        let target = dir.path().join("m1");
        let claim = Claim::take(&run("anna@laptop"), &[target.clone(), dir.path().join("m2")], None).unwrap();
        assert_eq!(claim.0.len(), 1);
        assert!(Claim::take(&run("ben@desk"), &[target], None).unwrap_err().trouble.why.contains("anna@laptop"));
    }

    #[test]
    fn a_journal_stays_where_it_was_begun() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("lib/etcd");
        let first = journal(&target, "77aa02c1", None);
        assert_eq!(first, dir.path().join(".requorum-77aa02c1.journal"));
        fs::write(&first, b"").unwrap();
        fs::create_dir_all(&target).unwrap();
        assert_eq!(journal(&target, "77aa02c1", None), first);
        assert_eq!(journal(&target, "00000000", None), dir.path().join("lib/.requorum-00000000.journal"));
    }
}
