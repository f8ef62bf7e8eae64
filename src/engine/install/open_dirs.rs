//! The open directories between which entries are renamed, and the names that requorum gives to its own directories.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::engine::{
    durable_fs::{Dir, Disk, Identity},
    install::{staging::parent, staging_recovery::PREFIX},
    source::io_trouble,
};
use crate::error::Result;

/// Name prefix of the backup directories inside a mount point with the previous content.
pub(super) const OLD: &str = "requorum-old";
/// Name prefix of those with content that was rolled back.
pub(super) const UNDONE: &str = "requorum-undone";

/// The directories between which entries are renamed: each is opened once and kept open.
pub(super) struct OpenDirs<'a> {
    disk: &'a Disk,
    open: RefCell<BTreeMap<PathBuf, Dir>>,
}

impl<'a> OpenDirs<'a> {
    pub(super) fn new(disk: &'a Disk) -> OpenDirs<'a> {
        OpenDirs { disk, open: RefCell::default() }
    }

    /// Opens a directory. One that has one of our names must belong to this user; its entries are opened through it.
    pub(super) fn dir(&self, path: &Path) -> io::Result<Dir> {
        if let Some(known) = self.open.borrow().get(path) {
            return Ok(known.clone());
        }
        let name = path.file_name().unwrap_or_default();
        let dir = if is_shell(name) || is_aside(name) {
            self.dir(parent(path))?.open_private(name)?
        } else if parent(path).file_name().is_some_and(is_shell) {
            self.dir(parent(path))?.open(name)?
        } else {
            self.disk.dir(path)?
        };
        self.open.borrow_mut().insert(path.into(), dir.clone());
        Ok(dir)
    }

    pub(super) fn entry(&self, path: &Path) -> io::Result<(Dir, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.dir(parent(path))?, name.into()))
    }

    /// Returns the identity (device and inode) of the entry at `path`.
    pub(super) fn identity(&self, path: &Path) -> io::Result<Identity> {
        let (dir, name) = self.entry(path)?;
        dir.entry_identity(name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn sync(&self, path: &Path) -> Result<()> {
        self.dir(path).and_then(|dir| dir.sync()).map_err(|e| io_trouble("sync", path, &e))
    }
}

/// Returns whether a directory has the name of a staging directory.
pub(super) fn is_shell(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes())
}

/// Returns whether a directory has the name of a backup inside a mount point.
pub(super) fn is_aside(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    [OLD, UNDONE].iter().any(|word| bytes.strip_prefix(word.as_bytes()).is_some_and(|rest| rest.starts_with(b"-")))
}
