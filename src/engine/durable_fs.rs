//! The only way in which the engine changes a disk: by handles of directories, each change passing one gate.
//!
//! **By handles.** requorum often runs as root in a directory that belongs to the service user, who can exchange any
//! entry of it between two of our calls. So a directory is opened once ([`Disk::dir`]), and everything in it is made,
//! renamed, removed, given away and synced through that handle by a single name, which is never followed where it is a
//! link. Paths are kept for messages and for the gate only.
//!
//! **By ownership, not by dropping rights.** What is built lies in a staging directory that is made here, belongs to the
//! effective user and has mode 0700 ([`Dir::make`] looks at what it opened). Whoever owns the place around it can rename
//! that directory, and nothing more: nobody reaches what is in it, so reading it back proves it, and it is given away last,
//! while it still cannot be reached. What remains are single calls in another user's directory, and none of them gives
//! that user more than the user has there already:
//! - a rename into it, out of staging: never over anything, and the inode is looked at again by the handle afterwards;
//! - a rename of what is there to a name beside it: both names lie in that directory, of which the user may rename all;
//! - the removal of a file of ours or of an empty directory by its name: the user may do that, too.
//!
//! Where what is found afterwards is not what was put there, that is an error with the name, and no success.
//!
//! **Reading.** What is in another user's directory is looked at before it is opened ([`readable`], [`Dir::read`]): a
//! pipe or a device that has the name of a file is never opened, and a link in place of a database leads to no file of
//! root's, whose content would be given away with what is restored from it.
//!
//! **Trust.** What an earlier run left (notes, markers, locks, journals, parts of downloads) counts only when it is ours:
//! see [`Untrusted`] for what speaks against it.
//!
//! A test may put a [`Gate`] before all acts: one that stops at the n-th act is a kill at that moment, one that writes the
//! acts down can tell what a power cut would have left, and one that exchanges things between two acts is an attacker.

mod dir;
mod file;
mod resolve;
mod trust;

use std::{
    ffi::OsString,
    fmt,
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};

pub use self::{
    dir::Dir,
    file::DiskFile,
    trust::{Trusted, Untrusted, is_private},
};

/// How many bytes are free on a filesystem for whom is not root.
pub fn free_bytes(stat: &rustix::fs::StatVfs) -> u64 {
    stat.f_bavail.saturating_mul(stat.f_frsize)
}

/// One change of the disk, or the order to make changes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// A new directory.
    MakeDir(&'a Path),
    /// A new, empty file.
    Create(&'a Path),
    /// Bytes written or copied into a file.
    Write {
        /// The file.
        path: &'a Path,
        /// From here on.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Another length.
    Resize {
        /// The file.
        path: &'a Path,
        /// Its length from now on.
        length: u64,
    },
    /// Another owner, mode or label.
    Own(&'a Path),
    /// What is in the file shall last.
    SyncFile(&'a Path),
    /// What the directory lists shall last.
    SyncDir(&'a Path),
    /// A new name, in place of none.
    Rename {
        /// The old name.
        from: &'a Path,
        /// The new one.
        to: &'a Path,
    },
    /// A file goes.
    RemoveFile(&'a Path),
    /// An empty directory goes.
    RemoveDir(&'a Path),
}

/// Stands before every act of a [`Disk`].
pub trait Gate: Send + Sync {
    /// Lets the act happen by calling `run`, or does not.
    ///
    /// # Errors
    /// What the one who acts shall be told: `run`'s own error, or the gate's.
    fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()>;
}

/// The disk of this machine; clones share the gate.
#[derive(Clone, Default)]
pub struct Disk(Option<Arc<dyn Gate>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Disk(gated)" } else { "Disk" })
    }
}

/// What tells a file or directory from every other on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of what was looked at.
    pub fn from_metadata(meta: &Metadata) -> Identity {
        Identity { device: meta.dev(), inode: meta.ino() }
    }
}

impl Disk {
    /// A disk whose every act passes `gate`.
    pub fn gated(gate: Arc<dyn Gate>) -> Disk {
        Disk(Some(gate))
    }

    pub(in crate::engine) fn act<T>(&self, act: Act<'_>, mut run: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let Some(gate) = &self.0 else { return run() };
        let mut made = None;
        gate.pass(&act, &mut || run().map(|value| made = Some(value)))?;
        made.ok_or_else(|| io::Error::other("the gate let nothing happen"))
    }

    /// Opens a directory. Symbolic links on the way are followed only where nobody can gain by them: those of root and of
    /// this user, and another user's only to a directory of that same user.
    ///
    /// # Errors
    /// As the system says, and for a link that is not followed.
    pub fn dir(&self, path: &Path) -> io::Result<Dir> {
        Ok(Dir::new(self.clone(), resolve::open(path)?, path.into()))
    }

    /// Opens the directory that holds `path`, and gives its name there.
    ///
    /// # Errors
    /// As [`Disk::dir`]; `InvalidInput` for a path without a name.
    pub fn above(&self, path: &Path) -> io::Result<(Dir, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.dir(super::install::staging::parent(path))?, name.into()))
    }

    /// Makes a new file, open for reading and writing.
    ///
    /// # Errors
    /// When it exists, or as the system says.
    pub fn create(&self, path: &Path, mode: u32) -> io::Result<DiskFile> {
        let (above, name) = self.above(path)?;
        above.create(name, mode)
    }

    /// Makes one directory, mode 0700, as etcd makes its own.
    ///
    /// # Errors
    /// When it exists, or as the system says.
    pub fn make_dir(&self, path: &Path) -> io::Result<Dir> {
        let (above, name) = self.above(path)?;
        above.make(name)
    }

    /// Makes a directory and those that are missing on its way, each with mode 0700; nothing where it is there.
    ///
    /// # Errors
    /// As [`Disk::dir`], where something else has the name of one, or as the system says.
    pub fn make_dirs(&self, path: &Path) -> io::Result<()> {
        let path = real(path)?;
        let there = path.ancestors().find(|dir| dir.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
        let mut at = self.dir(there)?;
        for name in path.strip_prefix(there).unwrap_or(Path::new("")).iter() {
            at = match at.make(name) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => at.open(name)?,
                other => other?,
            };
        }
        Ok(())
    }

    /// Makes what a directory lists last.
    ///
    /// # Errors
    /// As the system says.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.dir(path)?.sync()
    }

    /// Renames, and never replaces.
    ///
    /// # Errors
    /// `AlreadyExists` when `to` is there, or as the system says.
    pub fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from, name), (to, new)) = (self.above(from)?, self.above(to)?);
        from.rename(name, &to, new)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        above.remove_file(name)
    }

    /// Removes a directory with all that is in it, or a file. Links are removed, not followed.
    ///
    /// # Errors
    /// At the first thing that cannot be removed.
    pub fn remove_tree(&self, path: &Path) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        above.remove_tree(name)
    }
}

/// Where a path really leads: all links followed, as far as [`Disk::dir`] follows them; of what does not exist yet, as far
/// as the path does.
///
/// # Errors
/// When a link of another user's leads to what is not that user's, or as the system says.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    resolve::real(path)
}

/// Opens a regular file to be read, whoever owns it; neither a pipe nor a device is opened. For root, a link of another
/// user's is followed only to a file of that same user: what is read may be given to that user in the end.
///
/// # Errors
/// When it is no regular file, for a link that is not followed, or as the system says.
pub fn readable(path: &Path) -> io::Result<File> {
    resolve::readable(path)
}

/// The same, all links followed: for what is only shown, or is the operator's own.
///
/// # Errors
/// When it is no regular file, or as the system says.
pub fn regular(path: &Path) -> io::Result<File> {
    resolve::regular(path)
}

/// A file in this directory that has no name there, so that nobody else can open it and nothing is left of it.
///
/// # Errors
/// As the system says.
pub fn unnamed(dir: &Path) -> io::Result<File> {
    tempfile::tempfile_in(dir)
}

/// Takes the lock of an open file without waiting; false where another has it.
///
/// # Errors
/// Where the filesystem has no locks.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// An open file that is locked, or was tried to be. The lock ends when this is dropped: it is given back by name and not by
/// the closing alone, since a process that another thread is about to start has a copy of the descriptor until it runs.
#[derive(Debug)]
pub struct Locked(File);

impl Locked {
    /// The file, not locked yet.
    pub fn new(file: File) -> Locked {
        Locked(file)
    }

    /// Takes the lock without waiting; false where another has it.
    ///
    /// # Errors
    /// Where the filesystem has no locks.
    pub fn try_take(&self) -> io::Result<bool> {
        try_lock(&self.0)
    }
}

impl std::ops::Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Of a lock that was not taken nothing is given back: it belongs to another open file description.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests;

/// The directory that holds `path`; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
