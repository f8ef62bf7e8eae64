//! The run lock: one run at a time on a member's directories, by a lock file next to them that names the operator, the
//! directories and the start time. The lock ends with its process; the file is removed, or reused by the next run.
//!
//! In a directory that others can write to, any user can create such a file and lock it. A lock file is valid only if
//! it belongs to this user, to root or to the owner of the locked directory, and no other user can open it, which is
//! all that locking takes. If an invalid one has the name, ours gets another (`names`).

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

/// How many times a lock file that was removed in the meantime is opened again.
const TRIES: u32 = 5;
/// The longest lock file that is read, in bytes.
const TEXT: u64 = 4096;

/// One execution of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its ID: random hex digits.
    pub id: String,
    /// The plan's short ID.
    pub plan: String,
    /// The cluster's label.
    pub label: String,
    /// The operator: `anna@laptop`.
    pub operator: String,
    /// The start time, RFC 3339 in UTC.
    pub since: String,
}

/// The locks on a run's directories; released on drop.
#[derive(Debug, Default)]
pub struct RunLock(Vec<Lock>);

/// A locked lock file and its name in its directory.
#[derive(Debug)]
struct Lock {
    home: PathBuf,
    dir: Dir,
    name: OsString,
    file: Locked,
}

/// Why the run lock was not acquired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotClaimed {
    /// The run that holds the lock, if its lock file names it.
    pub by: Option<Box<Run>>,
    /// The error to show.
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
    /// Locks the directories that contain, or will contain, `targets`. If `within` is given, no directory above it is
    /// read.
    ///
    /// # Errors
    /// `Refused` if another run holds one of the locks, naming that run; `Failed` if a lock file cannot be written.
    pub fn take(run: &Run, targets: &[PathBuf], within: Option<&Path>) -> Result<RunLock, NotClaimed> {
        let mut claim = RunLock::default();
        for target in targets {
            let (home, owner) = (home(target), owner(target));
            // A run that started before this directory was created has its lock further up.
            for above in up(&home, within).skip(1).filter(|dir| !claim.0.iter().any(|lock| lock.home == **dir)) {
                let found = Disk::default().dir(above).map(|dir| valid_locks(&dir, owner)).unwrap_or_default();
                if let Some(file) = found.iter().filter_map(Other::file).find(|f| is_held(f) && covers(f, target)) {
                    return Err(taken(Some(file), target));
                }
            }
            if !claim.0.iter().any(|lock| lock.home == home) {
                let lock = take(run, targets, &home, target)?;
                // Of two runs that create different names at the same time, each sees the other's.
                let other = |other: &Other| !lock.is(other) && other.is_held();
                if let Some(other) = valid_locks(&lock.dir, owner).iter().find(|found| other(found)) {
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

/// A valid lock file of another run; open if this user may open it.
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

/// Returns the owner (user ID) of a directory, or of its deepest ancestor that exists.
fn owner(target: &Path) -> u32 {
    let mut found = target.ancestors().filter_map(|path| std::fs::symlink_metadata(path).ok());
    found.find(Metadata::is_dir).map_or(0, |meta| meta.uid())
}

fn is_lock(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes()) && name.as_bytes().ends_with(b"lock")
}

/// Returns the valid lock files in a directory.
fn valid_locks(dir: &Dir, owner: u32) -> Vec<Other> {
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

/// The content of a lock file.
#[derive(Serialize, Deserialize)]
struct Held {
    run: Run,
    targets: Vec<PathBuf>,
}

/// Returns the names that our lock file may have; each is tried if the ones before are in use by something invalid. The
/// last ones are random: in a world-writable directory any user can create a name that can be guessed.
fn names() -> impl Iterator<Item = String> {
    let known = [format!("{PREFIX}lock"), format!("{PREFIX}{}-lock", rustix::process::geteuid().as_raw())];
    let random = std::iter::repeat_with(|| {
        let mut random = [0u8; 8];
        let _ = rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty());
        format!("{PREFIX}{}-lock", hex(&random))
    });
    known.into_iter().chain(random.take(TRIES as usize))
}

/// Returns whether a file may contain a lock's text, perhaps cut short by a kill. Anything else with that name was put
/// there by another user and is not overwritten.
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
                strange.push(format!("{} is not a lock file", path.shown()));
                break;
            }
            // Whoever can open it can lock it: an earlier version left it readable for all.
            let open = file.metadata().is_ok_and(|meta| meta.mode() & 0o077 != 0);
            match file.try_take().map_err(fail)? {
                true => {}
                false if open => {
                    strange.push(format!("{} is locked, and other users can open it", path.shown()));
                    break;
                }
                false => return Err(taken(Some(&file), target)),
            }
            // The previous holder may have removed it between opening and locking.
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
    let what = format!("{}: cannot create a lock file", home.shown());
    Err(Error::new(ErrorKind::Failed, what)
        .why(strange.join("; "))
        .hint("Remove or rename those files, then try again.")
        .into())
}

fn read(file: &File) -> Option<Held> {
    let mut text = Vec::new();
    file.take(TEXT).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Returns whether a lock file further up names this directory.
fn covers(file: &File, target: &Path) -> bool {
    file.try_clone().ok().and_then(|file| read(&file)).is_some_and(|held| held.targets.iter().any(|one| one == target))
}

/// Text from a lock file, which another process wrote.
fn shown(text: &str) -> Foreign {
    Foreign::new(text)
}

fn taken(file: Option<&File>, target: &Path) -> NotClaimed {
    use std::io::Seek;
    if let Some(mut again) = file {
        let _ = again.rewind();
    }
    let trouble = Error::new(ErrorKind::Refused, format!("{}: locked by another run", target.shown()));
    let by = file.and_then(read).map(|held| Box::new(held.run));
    let trouble = match &by {
        Some(run) => trouble
            .why(format!(
                "{} is restoring {} there since {}, plan {}, run {}",
                shown(&run.operator),
                shown(&run.label),
                shown(&run.since),
                shown(&run.plan),
                shown(&run.id)
            ))
            .hint("Agree on who continues. When that run has ended, run the same command again."),
        None => trouble
            .why("another requorum process holds the lock")
            .hint("Wait until it has ended, then run the same command again."),
    };
    NotClaimed { by, trouble }
}

/// Returns the directory for the lock file and the journal of a target: its parent directory, or the target itself if
/// the parent is not writable. For a path that does not exist yet, its deepest ancestor that exists.
pub fn home(target: &Path) -> PathBuf {
    let above = target.ancestors().skip(1).find(|dir| dir.is_dir()).unwrap_or(Path::new("/"));
    let may = |dir: &Path| access(dir, Access::WRITE_OK).is_ok();
    if !may(above) && target.is_dir() && may(target) { target.into() } else { above.into() }
}

/// Returns the path of a plan's journal on this machine: that of an existing one, in the directory or above, otherwise
/// that of the one to create. A file of that name that is not ours does not count.
pub fn journal(target: &Path, plan: &str, within: Option<&Path>) -> PathBuf {
    let name = format!("{PREFIX}{plan}.journal");
    let ours = |dir: &&Path| {
        let found = Disk::default().dir(dir).and_then(|dir| dir.trusted(&name, false));
        matches!(found, Ok(Trusted::Ours(_)))
    };
    let known = up(target, within).find(ours);
    known.map_or_else(|| home(target), Path::to_path_buf).join(name)
}

/// Returns a path and its ancestors, as far as they are `within`.
fn up<'a>(path: &'a Path, within: Option<&'a Path>) -> impl Iterator<Item = &'a Path> {
    path.ancestors().take_while(move |dir| within.is_none_or(|within| dir.starts_with(within)))
}

#[cfg(test)]
mod tests;
