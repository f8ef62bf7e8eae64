//! Who works on a member's directories: one run at a time, known by a lock file beside them that says who, where and since
//! when. The lock ends with its process; the file goes with it, or is taken over by the next run.
//!
//! In a directory that others may write to, anybody may leave such a file and hold it. One counts only when it belongs to
//! this user, to root or to the owner of what is claimed, and nobody else can open it, which takes as much as to lock it.
//! Where one that does not count has the name, ours gets another (`names`).

use std::{
    ffi::{OsStr, OsString},
    fs::{File, Metadata},
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use super::staging_recovery::PREFIX;
use crate::engine::{
    datadir::file_locks,
    durable_fs::{Dir, Disk, Identity, Locked, Trusted},
    source::{creation_trouble, hex},
};
use crate::{
    error::{Error, ErrorKind},
    text::{Foreign, Shown},
};

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
pub struct RunLock(Vec<Lock>);

/// A lock file that is held, and its name in its directory.
#[derive(Debug)]
struct Lock {
    home: PathBuf,
    dir: Dir,
    name: OsString,
    file: Locked,
}

/// Why a claim was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotClaimed {
    /// The run that has the directory, where its lock says so.
    pub by: Option<Box<Run>>,
    /// The refusal, for people.
    pub trouble: Error,
}

impl From<Error> for NotClaimed {
    fn from(trouble: Error) -> Self {
        NotClaimed { by: None, trouble }
    }
}

impl From<NotClaimed> for Error {
    fn from(refused: NotClaimed) -> Self {
        refused.trouble
    }
}

impl RunLock {
    /// Claims the directories that `targets` are or will be in. Above `within`, where it is given, nothing is looked at.
    ///
    /// # Errors
    /// `Refused` when another run has one of them, saying whose; or as the system says.
    pub fn take(run: &Run, targets: &[PathBuf], within: Option<&Path>) -> Result<RunLock, NotClaimed> {
        let mut claim = RunLock::default();
        for target in targets {
            let (home, owner) = (home(target), owner(target));
            // A run that began before this directory was made has its lock further up.
            for above in up(&home, within).skip(1).filter(|dir| !claim.0.iter().any(|lock| lock.home == **dir)) {
                let found = Disk::default().dir(above).map(|dir| counting(&dir, owner)).unwrap_or_default();
                if let Some(file) = found.iter().filter_map(Other::file).find(|f| is_held(f) && covers(f, target)) {
                    return Err(taken(Some(file), target));
                }
            }
            if !claim.0.iter().any(|lock| lock.home == home) {
                let lock = take(run, targets, &home, target)?;
                // Of two that took different names at the same time, each sees the other.
                let other = |other: &Other| !lock.is(other) && other.is_held();
                if let Some(other) = counting(&lock.dir, owner).iter().find(|found| other(found)) {
                    return Err(taken(other.file(), target));
                }
                claim.0.push(lock);
            }
        }
        Ok(claim)
    }
}

impl Lock {
    fn is(&self, other: &Other) -> bool {
        self.file.metadata().is_ok_and(|meta| Identity::from_metadata(&meta) == Identity::from_metadata(&other.meta))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if is_still(&self.dir, &self.name, &self.file) {
            let _ = self.dir.remove_file(&self.name);
        }
    }
}

/// A lock file that counts; open where this user may open it.
struct Other {
    meta: Metadata,
    file: Option<File>,
}

impl Other {
    fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    fn is_held(&self) -> bool {
        self.file.as_ref().map_or_else(|| file_locks::held_meta(&self.meta), is_held)
    }
}

fn is_held(file: &File) -> bool {
    file.try_clone().is_ok_and(|file| !Locked::new(file).try_take().unwrap_or(true))
}

/// The user whom a directory belongs to, or the deepest part of its way that exists.
fn owner(target: &Path) -> u32 {
    let mut found = target.ancestors().filter_map(|path| std::fs::symlink_metadata(path).ok());
    found.find(Metadata::is_dir).map_or(0, |meta| meta.uid())
}

fn is_lock(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes()) && name.as_bytes().ends_with(b"lock")
}

/// The lock files in a directory that count.
fn counting(dir: &Dir, owner: u32) -> Vec<Other> {
    let own = rustix::process::geteuid().as_raw();
    let names = dir.names().unwrap_or_default().into_iter().filter(|name| is_lock(name));
    let look = |name: OsString| {
        let file = dir.read(&name).ok();
        let meta = file.as_ref().map_or_else(|| dir.entry_metadata(&name).ok()?, |file| file.metadata().ok())?;
        let counts = [own, 0, owner].contains(&meta.uid()) && meta.mode() & 0o077 == 0 && meta.nlink() == 1;
        (counts && meta.is_file()).then_some(Other { meta, file })
    };
    names.filter_map(look).collect()
}

fn is_still(dir: &Dir, name: &OsStr, file: &File) -> bool {
    file.metadata().is_ok_and(|meta| dir.is(name, Identity::from_metadata(&meta)))
}

/// What stands in a lock file.
#[derive(Serialize, Deserialize)]
struct Held {
    run: Run,
    targets: Vec<PathBuf>,
}

/// The names that our lock file may have, each where something that does not count has those before it. The last ones are
/// chance: in a directory that is open to all anybody may take a name that can be guessed.
fn names() -> impl Iterator<Item = String> {
    let known = [format!("{PREFIX}lock"), format!("{PREFIX}{}-lock", rustix::process::geteuid().as_raw())];
    let chance = std::iter::repeat_with(|| {
        let mut random = [0u8; 8];
        let _ = rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty());
        format!("{PREFIX}{}-lock", hex(&random))
    });
    known.into_iter().chain(chance.take(TRIES as usize))
}

/// Whether what is in a file may be a lock's text, of which a kill may have left the beginning: what else has the name was
/// given it by somebody who may rename here, and is not written over.
fn may_be_lock(file: &File) -> bool {
    const BEGIN: &[u8] = b"{\"run\":";
    let mut head = [0; BEGIN.len()];
    match file.read_at(&mut head, 0) {
        Ok(length) => head.iter().zip(BEGIN).take(length).all(|(found, wanted)| found == wanted),
        Err(_) => false,
    }
}

fn take(run: &Run, targets: &[PathBuf], home: &Path, target: &Path) -> Result<Lock, NotClaimed> {
    let fail = |e: io::Error| creation_trouble("write", &home.join(format!("{PREFIX}lock")), &e);
    let held = Held { run: run.clone(), targets: targets.to_vec() };
    let text = serde_json::to_vec(&held).map_err(|e| fail(e.into()))?;
    let dir = Disk::default().dir(home).map_err(fail)?;
    let mut strange = Vec::new();
    for name in names() {
        let path = home.join(&name);
        for _ in 0..TRIES {
            let file = match dir.trusted_or_new(&name).map_err(fail)? {
                Trusted::Ours(file) => Locked::new(file),
                Trusted::Absent => continue,
                Trusted::Untrusted(why) => {
                    strange.push(format!("{} {why}", path.shown()));
                    break;
                }
            };
            if !may_be_lock(&file) {
                strange.push(format!("{} holds something else than a lock", path.shown()));
                break;
            }
            // Who can open it can hold it: an earlier version left it readable for all.
            let open = file.metadata().is_ok_and(|meta| meta.mode() & 0o077 != 0);
            match file.try_take().map_err(fail)? {
                true => {}
                false if open => {
                    strange.push(format!("{} is held, and may be opened by others", path.shown()));
                    break;
                }
                false => return Err(taken(Some(&file), target)),
            }
            // The one before may have removed it between the two.
            if !is_still(&dir, OsStr::new(&name), &file) {
                continue;
            }
            if open {
                let _ = dir.remove_file(&name);
                continue;
            }
            file.set_len(0).and_then(|()| (&*file).write_all(&text)).and_then(|()| file.sync_all()).map_err(fail)?;
            return Ok(Lock { home: home.into(), dir, name: name.into(), file });
        }
    }
    let what = format!("no lock file can be kept in {}", home.shown());
    Err(Error::new(ErrorKind::Failed, what)
        .why(strange.join("; "))
        .hint("Look at what is there, and try again.")
        .into())
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

/// Text of a lock file, which another wrote.
fn shown(text: &str) -> Foreign {
    Foreign::new(text)
}

fn taken(file: Option<&File>, target: &Path) -> NotClaimed {
    use std::io::Seek;
    if let Some(mut again) = file {
        let _ = again.rewind();
    }
    let trouble = Error::new(ErrorKind::Refused, format!("another run works on {}", target.shown()));
    let by = file.and_then(read).map(|held| Box::new(held.run));
    let trouble = match &by {
        Some(run) => trouble
            .why(format!(
                "{} has restored {} there since {}, by plan {}, run {}",
                shown(&run.operator),
                shown(&run.label),
                shown(&run.since),
                shown(&run.plan),
                shown(&run.id)
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

/// The journal of a plan on this machine: one that is there, in the directory or above, or the one to be made. What only
/// has its name does not count.
pub fn journal(target: &Path, plan: &str, within: Option<&Path>) -> PathBuf {
    let name = format!("{PREFIX}{plan}.journal");
    let ours = |dir: &&Path| {
        let found = Disk::default().dir(dir).and_then(|dir| dir.trusted(&name, false));
        matches!(found, Ok(Trusted::Ours(_)))
    };
    let known = up(target, within).find(ours);
    known.map_or_else(|| home(target), Path::to_path_buf).join(name)
}

/// The way up from a path, as far as it is `within`.
fn up<'a>(path: &'a Path, within: Option<&'a Path>) -> impl Iterator<Item = &'a Path> {
    path.ancestors().take_while(move |dir| within.is_none_or(|within| dir.starts_with(within)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

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
        let first = RunLock::take(&run("anna@laptop"), std::slice::from_ref(&target), None).unwrap();
        // Made meanwhile, as the first would make it.
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let refused = RunLock::take(&run("ben@desk"), std::slice::from_ref(&target), None).unwrap_err();
        assert_eq!(refused.by.as_deref(), Some(&run("anna@laptop")), "whose it is, is a value");
        let refused = refused.trouble.to_string();
        for word in ["another run works on", "anna@laptop", "since 2026-11-22T03:12:05Z", "plan 77aa02c1"] {
            assert!(refused.contains(word), "{word:?} is not in {refused}");
        }
        // Another directory below the same one is free.
        let other = RunLock::take(&run("ben@desk"), &[dir.path().join("lib/etcd/m9"), target.clone()], None);
        assert!(other.is_err());
        let other = RunLock::take(&run("ben@desk"), &[dir.path().join("lib/etcd/m9")], None).unwrap();
        drop((first, other));
        RunLock::take(&run("ben@desk"), &[target], None).unwrap();
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["lib"], "lock files go with their run");
    }

    #[test]
    fn a_lock_file_after_a_kill_is_reused() {
        let dir = tempfile::tempdir().unwrap();
        // As a version before this one left it: readable for all.
        let path = dir.path().join(".requorum-lock");
        fs::write(&path, b"{\"run\":").unwrap();
        let target = dir.path().join("m1");
        let claim = RunLock::take(&run("anna@laptop"), &[target.clone(), dir.path().join("m2")], None).unwrap();
        assert_eq!((claim.0.len(), fs::metadata(&path).unwrap().mode() & 0o777), (1, 0o600));
        assert!(RunLock::take(&run("ben@desk"), &[target], None).unwrap_err().trouble.why.contains("anna@laptop"));
    }

    /// One that anybody may hold refuses nobody; those of root and of the directory's owner count.
    #[test]
    fn only_a_lock_closed_to_others_counts() {
        use std::os::unix::fs::{PermissionsExt, chown};
        if !rustix::process::geteuid().is_root() {
            return;
        }
        const EVE: u32 = 61_234;
        for (owner, mode, counts) in [
            (EVE, 0o600, false),
            (EVE, 0o666, false),
            // As a version before this one left it after a SIGKILL: any user may hold it.
            (0, 0o644, false),
            (0, 0o600, true),
            (EVE + 1, 0o600, true),
        ] {
            for name in [".requorum-lock", ".requorum-7-lock"] {
                let dir = tempfile::tempdir().unwrap();
                let (path, target) = (dir.path().join(name), dir.path().join("m1"));
                fs::create_dir(&target).unwrap();
                chown(&target, Some(EVE + 1), None).unwrap();
                let text = serde_json::to_vec(&Held { run: run("eve@evil"), targets: vec![target.clone()] }).unwrap();
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                chown(&path, Some(owner), None).unwrap();
                let held = Locked::new(File::open(&path).unwrap());
                assert!(held.try_take().unwrap());
                let claimed = RunLock::take(&run("anna@laptop"), std::slice::from_ref(&target), None);
                match (counts, &claimed) {
                    (true, Err(refused)) => assert_eq!(refused.trouble.kind, ErrorKind::Refused),
                    (false, Ok(_)) => {
                        // And the next one is told of us all the same.
                        let second = RunLock::take(&run("ben@desk"), std::slice::from_ref(&target), None).unwrap_err();
                        assert_eq!(second.by.as_deref(), Some(&run("anna@laptop")), "{second:?}");
                    }
                    _ => panic!("{owner} {mode:o} {name}: {claimed:?}"),
                }
                drop(claimed);
                let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
                left.sort();
                assert_eq!(left, [name, "m1"], "ours is gone, and what is not ours is left alone");
            }
        }
        // A link and a pipe of that name are nothing to wait for, nor to write through.
        let dir = tempfile::tempdir().unwrap();
        let (lock, victim) = (dir.path().join(".requorum-lock"), dir.path().join("victim"));
        std::os::unix::fs::symlink(&victim, &lock).unwrap();
        drop(RunLock::take(&run("anna@laptop"), &[dir.path().join("m1")], None).unwrap());
        assert!(!victim.exists());
        fs::remove_file(&lock).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &lock, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
        drop(RunLock::take(&run("anna@laptop"), &[dir.path().join("m1")], None).unwrap());
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
