//! What a killed run left behind: known by its marker, taken back or cleared by the next run.
//!
//! A staging directory `.requorum-XXXXXX` holds
//! ```text
//! requorum-staging   the marker; locked while its run lives
//! new                what is being built
//! promise            in the data directory's: the WAL files that were or will be placed before it
//! partner            in the WAL's: the path of the data directory's staging directory
//! staged             it is whole and proven, and waits to be put in place: no leftover, see super::swap
//! moves              it is being put in place by these renames
//! ```
//! The rename of `new` (or of `new/member`, where the target exists) out of the data directory's
//! staging is the commit. While it is still there, a WAL that the promise names belongs to nobody.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{disk::Disk, locks, stage::parent};

/// How the names of our staging directories begin.
pub const PREFIX: &str = ".requorum-";
/// The file in a staging directory that says whose it is; locked while the work goes on.
pub const MARKER: &str = "requorum-staging";
/// The file that says that what was built is whole and waits.
pub const STAGED: &str = "staged";
/// The file with the renames that put it in place.
pub const MOVES: &str = "moves";
/// A note that is being written.
const PART: &str = "note.part";
const PROMISE: &str = "promise";
const PARTNER: &str = "partner";
/// How much of a WAL file tells whether somebody wrote to it: a restore writes a few KiB.
const HEAD: u64 = 1 << 20;

/// Which WAL files are placed before the commit.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    placed: Vec<Entry>,
}

/// One WAL directory or file, with what tells it from every other.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Where it goes: a path need not be UTF-8.
    path: Vec<u8>,
    dev: u64,
    inode: u64,
    /// The file in it, where it is a directory.
    file: Option<Vec<u8>>,
    /// The file's length and the CRC-32C of its first MiB.
    bytes: u64,
    head: u32,
}

impl Promise {
    /// The promise to make these renames.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(moves: &[(PathBuf, PathBuf)]) -> io::Result<Promise> {
        let placed = moves.iter().map(|(from, to)| Entry::of(from, to)).collect::<io::Result<_>>()?;
        Ok(Promise { placed })
    }

    /// Writes it into a staging directory so that it lasts.
    ///
    /// # Errors
    /// As the system says.
    pub fn write(&self, disk: &Disk, shell: &Path) -> io::Result<()> {
        disk.write_new(&shell.join(PROMISE), &serde_json::to_vec(self)?, 0o600)?;
        disk.sync_dir(shell)
    }

    /// None also when it was not written to its end: then no rename had begun.
    fn read(shell: &Path) -> Option<Promise> {
        serde_json::from_slice(&fs::read(shell.join(PROMISE)).ok()?).ok()
    }
}

impl Entry {
    fn of(from: &Path, to: &Path) -> io::Result<Entry> {
        let meta = fs::symlink_metadata(from)?;
        let file = if meta.is_dir() { only_entry(from)? } else { None };
        let (bytes, head) = match &file {
            Some(name) => head(&from.join(name))?,
            None if meta.is_dir() => (0, 0),
            None => head(from)?,
        };
        Ok(Entry {
            path: to.as_os_str().as_bytes().to_vec(),
            dev: meta.dev(),
            inode: meta.ino(),
            file: file.map(OsString::into_vec),
            bytes,
            head,
        })
    }

    /// Removes it from its place if it is what was promised, nothing else is in it and nobody wrote to it or holds it.
    /// Whatever is not so stays: then it is no longer ours alone.
    fn take_back(&self, disk: &Disk) {
        let path = PathBuf::from(OsString::from_vec(self.path.clone()));
        let ours = fs::symlink_metadata(&path).is_ok_and(|meta| (meta.dev(), meta.ino()) == (self.dev, self.inode));
        if !ours {
            return;
        }
        let file = self.file.as_ref().map(|name| path.join(OsString::from_vec(name.clone())));
        let file = file.as_deref().unwrap_or(&path);
        if path.is_dir() {
            // An empty one was being taken back when that run was killed, too.
            match only_entry(&path) {
                Ok(None) => {
                    let _ = disk.remove_dir(&path);
                    return;
                }
                Ok(Some(name)) if Some(name.as_bytes()) == self.file.as_deref() => {}
                _ => return,
            }
        }
        let untouched = head(file).is_ok_and(|found| found == (self.bytes, self.head));
        if untouched && !locks::held(file) && disk.remove_tree(&path).is_ok() {
            let _ = disk.sync_dir(parent(&path));
        }
    }
}

/// The one entry of a directory, none if it is empty; an error if there are more.
fn only_entry(dir: &Path) -> io::Result<Option<OsString>> {
    let mut entries = fs::read_dir(dir)?;
    let first = entries.next().transpose()?.map(|entry| entry.file_name());
    if entries.next().is_some() { Err(io::Error::other("more than one entry")) } else { Ok(first) }
}

fn head(path: &Path) -> io::Result<(u64, u32)> {
    let mut bytes = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut bytes)?;
    Ok((fs::metadata(path)?.len(), crc32c::crc32c(&bytes)))
}

/// Puts a note of this name into a staging directory, whole or not at all.
///
/// # Errors
/// When one is there, or as the system says.
pub fn note(disk: &Disk, shell: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let part = shell.join(PART);
    if part.exists() {
        disk.remove_file(&part)?;
    }
    disk.write_new(&part, text, 0o600)?;
    disk.rename_new(&part, &shell.join(name))?;
    disk.sync_dir(shell)
}

/// Notes in the WAL's staging directory where the promise about it lies.
///
/// # Errors
/// As the system says.
pub fn refer(disk: &Disk, shell: &Path, partner: &Path) -> io::Result<()> {
    let partner = std::path::absolute(partner)?;
    disk.write_new(&shell.join(PARTNER), partner.as_os_str().as_bytes(), 0o600)?;
    disk.sync_dir(shell)
}

/// Whether this is ours: a staging directory, marked, or named so and empty, as it is for a moment; a journal or a lock.
pub fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    if !name.starts_with(PREFIX.as_bytes()) {
        return false;
    }
    if meta.is_file() {
        return name.ends_with(b".journal") || name.ends_with(b"-lock");
    }
    meta.is_dir() && (path.join(MARKER).is_file() || fs::read_dir(path).is_ok_and(|mut found| found.next().is_none()))
}

/// Clears what killed runs left where `target` is to be: beside it, and in it where it exists.
/// What cannot be removed, and what a living run holds, is left alone.
pub fn clear(disk: &Disk, target: &Path) {
    for place in [parent(target), target] {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            clear_shell(disk, &entry.path(), true);
        }
    }
}

/// Clears one staging directory; false when a living run holds it.
fn clear_shell(disk: &Disk, shell: &Path, follow: bool) -> bool {
    if !is_ours(shell) {
        return true;
    }
    let Ok(marker) = File::open(shell.join(MARKER)) else {
        let _ = disk.remove_dir(shell);
        return true;
    };
    if flock(&marker, FlockOperation::NonBlockingLockExclusive).is_err() {
        return false;
    }
    if [STAGED, MOVES].iter().any(|name| shell.join(name).exists()) {
        return true;
    }
    // Whose WAL this was has to be settled before its staging directory goes.
    let partner = fs::read(shell.join(PARTNER)).ok().map(|path| PathBuf::from(OsString::from_vec(path)));
    if partner.is_some_and(|partner| follow && !clear_shell(disk, &partner, false)) {
        return false;
    }
    if shell.join("new/member").exists() {
        take_back(disk, shell);
    }
    remove(disk, shell);
    true
}

/// Takes back what was placed on this staging directory's promise.
pub fn take_back(disk: &Disk, shell: &Path) {
    for entry in Promise::read(shell).into_iter().flat_map(|promise| promise.placed) {
        entry.take_back(disk);
    }
}

/// Removes a staging directory. What is told of what goes before it, and the marker last, so
/// that a kill in between leaves what the next run still knows.
pub fn remove(disk: &Disk, shell: &Path) {
    let gone = |name: &str| {
        let path = shell.join(name);
        fs::symlink_metadata(&path).is_err() || disk.remove_tree(&path).is_ok()
    };
    // Synced, since after a power cut the marker's end might otherwise come before the others'.
    if [STAGED, MOVES, PART, PROMISE, PARTNER, "new"].into_iter().all(gone)
        && disk.sync_dir(shell).is_ok()
        && gone(MARKER)
    {
        let _ = disk.remove_dir(shell);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A WAL directory as a killed run would have placed it, and its staging directory.
    fn killed(dir: &Path) -> (PathBuf, PathBuf) {
        let (shell, wal, made) = (dir.join(".requorum-1"), dir.join("wal"), dir.join("made"));
        fs::create_dir_all(shell.join("new/member")).unwrap();
        fs::write(shell.join(MARKER), b"").unwrap();
        fs::create_dir(&made).unwrap();
        fs::write(made.join("0.wal"), b"log").unwrap();
        Promise::of(&[(made.clone(), wal.clone())]).unwrap().write(&Disk::default(), &shell).unwrap();
        fs::rename(made, &wal).unwrap();
        (shell, wal)
    }

    #[test]
    fn a_placed_wal_without_its_data_directory_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let (shell, wal) = killed(dir.path());
        clear(&Disk::default(), &dir.path().join("etcd"));
        assert!(!shell.exists() && !wal.exists());
    }

    #[test]
    fn what_somebody_used_or_committed_stays() {
        type Change = fn(&Path, &Path);
        let changes: [Change; 4] = [
            |_, wal| fs::write(wal.join("0.wal"), b"log and more").unwrap(),
            |_, wal| fs::write(wal.join("1.wal"), b"").unwrap(),
            |shell, _| fs::remove_dir(shell.join("new/member")).unwrap(),
            |shell, _| fs::write(shell.join(PROMISE), b"{\"pla").unwrap(),
        ];
        for change in changes {
            let dir = tempfile::tempdir().unwrap();
            let (shell, wal) = killed(dir.path());
            change(&shell, &wal);
            clear(&Disk::default(), &dir.path().join("etcd"));
            assert!(!shell.exists() && wal.join("0.wal").exists());
        }
    }

    #[test]
    fn the_wals_own_staging_leads_to_the_promise() {
        let dir = tempfile::tempdir().unwrap();
        let (shell, wal) = killed(dir.path());
        let other = dir.path().join("elsewhere/.requorum-2");
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join(MARKER), b"").unwrap();
        refer(&Disk::default(), &other, &shell).unwrap();
        let living = File::open(shell.join(MARKER)).unwrap();
        flock(&living, FlockOperation::NonBlockingLockExclusive).unwrap();
        clear(&Disk::default(), &dir.path().join("elsewhere/wal"));
        assert!(other.exists() && wal.exists(), "a living run's are left alone");
        drop(living);
        clear(&Disk::default(), &dir.path().join("elsewhere/wal"));
        assert!(!other.exists() && !shell.exists() && !wal.exists());
    }
}
