//! The only way in which the engine changes a disk: through directory handles, with every change passing one gate.
//!
//! **Handles.** requorum often runs as root in a directory that belongs to the service user, who can replace any entry of
//! it between two of our calls. So a directory is opened once ([`Disk::dir`]), and everything in it is created, renamed,
//! removed, chowned and synced through that handle by a single name, which is never followed if it is a link. Paths are
//! kept for messages and for the gate only.
//!
//! **Ownership instead of dropping privileges.** Members are built in a staging directory that is created here, belongs to
//! the effective user and has mode 0700 ([`Dir::make`] checks what it opened). The owner of its parent can rename that
//! directory, and nothing more: no other user can reach its content, so reading it back verifies it, and ownership is
//! changed last, while it still cannot be reached. What remains are single calls in another user's directory, and none of
//! them gives that user more rights than before:
//! - a rename into it, out of staging: never replacing anything, and the inode is checked again by the handle afterwards;
//! - a rename of an entry to another name there: both names are in that directory, where the user may rename everything;
//! - the removal of a file of ours or of an empty directory by its name: the user may do that too.
//!
//! If what is found afterwards is not what was put there, that is an error with the name.
//!
//! **Reading.** What is in another user's directory is checked before it is opened ([`readable`], [`Dir::read`]): a pipe
//! or a device with the name of a file is never opened, and a link in place of a database is not followed to a file of
//! root's, whose content would become readable with what is restored from it.
//!
//! **Trust.** What an earlier run left (notes, markers, locks, journals, partial downloads) counts only if it is ours: see
//! [`Untrusted`] for the reasons against it.
//!
//! A test may install a [`Gate`]: one that fails at the n-th operation simulates a kill at that moment, one that records
//! the operations shows what a power failure would have left, and one that replaces entries between two operations is an
//! attacker.

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
    file::{DiskFile, Flusher, SyncedLater},
    trust::{Trusted, Untrusted, is_private},
};

/// Returns the bytes of a filesystem that are available to a user other than root.
pub fn free_bytes(stat: &rustix::fs::StatVfs) -> u64 {
    stat.f_bavail.saturating_mul(stat.f_frsize)
}

/// One change of the disk, or a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Create a directory.
    MakeDir(&'a Path),
    /// Create an empty file.
    Create(&'a Path),
    /// Write or copy bytes into a file.
    Write {
        /// The file.
        path: &'a Path,
        /// The first byte.
        offset: u64,
        /// The number of bytes.
        length: u64,
    },
    /// Change the length of a file.
    Resize {
        /// The file.
        path: &'a Path,
        /// Its new length in bytes.
        length: u64,
    },
    /// Change owner, mode or an extended attribute.
    Own(&'a Path),
    /// Sync a file.
    SyncFile(&'a Path),
    /// Sync a directory.
    SyncDir(&'a Path),
    /// Rename to a name that does not exist.
    Rename {
        /// The old name.
        from: &'a Path,
        /// The new one.
        to: &'a Path,
    },
    /// Remove a file.
    RemoveFile(&'a Path),
    /// Remove an empty directory.
    RemoveDir(&'a Path),
}

/// Receives every operation of a [`Disk`] before it happens.
pub trait Gate: Send + Sync {
    /// Performs the operation by calling `run`, or does not.
    ///
    /// # Errors
    /// The error that the caller gets: that of `run`, or the gate's own.
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

/// Identifies a file or directory on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Returns the identity of the file with this metadata.
    pub fn from_metadata(meta: &Metadata) -> Identity {
        Identity { device: meta.dev(), inode: meta.ino() }
    }
}

impl Disk {
    /// Creates a disk with every operation passing `gate`.
    pub fn gated(gate: Arc<dyn Gate>) -> Disk {
        Disk(Some(gate))
    }

    pub(in crate::engine) fn act<T>(&self, act: Act<'_>, mut run: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let Some(gate) = &self.0 else { return run() };
        let mut made = None;
        gate.pass(&act, &mut || run().map(|value| made = Some(value)))?;
        made.ok_or_else(|| io::Error::other("the gate did not perform the operation"))
    }

    /// Opens a directory. Symbolic links on the path are followed only if no other user can gain access by them: those of
    /// root and of this user, and another user's only to a directory of that same user.
    ///
    /// # Errors
    /// System errors, and for a link that is not followed.
    pub fn dir(&self, path: &Path) -> io::Result<Dir> {
        Ok(Dir::new(self.clone(), resolve::open(path)?, path.into()))
    }

    /// Opens the directory that contains `path`, and returns it with the name of the entry.
    ///
    /// # Errors
    /// As [`Disk::dir`]; `InvalidInput` for a path without a name.
    pub fn above(&self, path: &Path) -> io::Result<(Dir, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.dir(super::install::staging::parent(path))?, name.into()))
    }

    /// Creates a file, open for reading and writing.
    ///
    /// # Errors
    /// If it exists, and system errors.
    pub fn create(&self, path: &Path, mode: u32) -> io::Result<DiskFile> {
        let (above, name) = self.above(path)?;
        above.create(name, mode)
    }

    /// Creates one directory with mode 0700, as etcd does.
    ///
    /// # Errors
    /// If it exists, and system errors.
    pub fn make_dir(&self, path: &Path) -> io::Result<Dir> {
        let (above, name) = self.above(path)?;
        above.make(name)
    }

    /// Creates a directory and its missing parents, each with mode 0700; does nothing if it exists.
    ///
    /// # Errors
    /// As [`Disk::dir`], if something else has the name of one, and system errors.
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

    /// Syncs a directory.
    ///
    /// # Errors
    /// System errors.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.dir(path)?.sync()
    }

    /// Renames, and never replaces.
    ///
    /// # Errors
    /// `AlreadyExists` if `to` exists, and system errors.
    pub fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from, name), (to, new)) = (self.above(from)?, self.above(to)?);
        from.rename(name, &to, new)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// System errors.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        above.remove_file(name)
    }

    /// Removes a directory with its content, or a file. Links are removed, not followed.
    ///
    /// # Errors
    /// At the first entry that cannot be removed.
    pub fn remove_tree(&self, path: &Path) -> io::Result<()> {
        let (above, name) = self.above(path)?;
        above.remove_tree(name)
    }
}

/// Resolves a path: all links are followed as far as [`Disk::dir`] follows them; of a path that does not exist yet, the
/// part that does.
///
/// # Errors
/// If a link of another user's leads to what is not that user's, and system errors.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    resolve::real(path)
}

/// Opens a regular file for reading, whoever owns it; neither a pipe nor a device is opened. For root, a link of another
/// user's is followed only to a file of that same user: that user may become the owner of what is restored from it.
///
/// # Errors
/// If it is not a regular file, for a link that is not followed, and system errors.
pub fn readable(path: &Path) -> io::Result<File> {
    resolve::readable(path)
}

/// Opens a regular file for reading and follows all links: for files that are only shown, or are the operator's own.
///
/// # Errors
/// If it is not a regular file, and system errors.
pub fn regular(path: &Path) -> io::Result<File> {
    resolve::regular(path)
}

/// Creates a file in this directory without a name, so that no other process can open it and nothing is left of it.
///
/// # Errors
/// System errors.
pub fn unnamed(dir: &Path) -> io::Result<File> {
    tempfile::tempfile_in(dir)
}

/// Locks an open file without waiting; returns false if it is locked by another.
///
/// # Errors
/// If the filesystem has no locks.
pub fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// An open file that can be locked. The lock ends when this is dropped: it is released explicitly and not only by closing,
/// since a process that another thread is about to start has a copy of the descriptor until its `exec`.
#[derive(Debug)]
pub struct Locked(File);

impl Locked {
    /// Wraps a file, not locked yet.
    pub fn new(file: File) -> Locked {
        Locked(file)
    }

    /// Takes the lock without waiting; returns false if it is locked by another.
    ///
    /// # Errors
    /// If the filesystem has no locks.
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
        // Has no effect if the lock was not taken: it belongs to another open file description.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests;

/// Returns the directory that contains `path`; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
