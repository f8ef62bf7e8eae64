//! The target of a staging directory: whether it is free, and whether it is a mount point.

use std::{fs, io, path::Path};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::super::staging_recovery;
pub use crate::engine::durable_fs::parent;
use crate::engine::{durable_fs::Disk, source::io_trouble};
use crate::{
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// Checks that `target` can be created: returns `false` if it does not exist, `true` if it is an empty directory
/// (`lost+found` and our own staging directories do not count).
///
/// # Errors
/// If it exists and is not an empty directory.
pub fn free(target: &Path) -> Result<bool> {
    let taken = |why: String| {
        Error::new(ErrorKind::Input, format!("{}: already exists", target.shown()))
            .fault(Fault::Taken)
            .why(why)
            .hint("requorum never overwrites anything. Name another directory, or move this one away yourself.")
    };
    match fs::symlink_metadata(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(io_trouble("read", target, &e)),
        Ok(_) => {}
    }
    let strange = |e: &io::Error| match e.kind() {
        io::ErrorKind::NotADirectory => taken("it is a file".into()),
        io::ErrorKind::NotFound => taken("it is a dangling symbolic link".into()),
        _ => io_trouble("read", target, e),
    };
    let dir = Disk::default().dir(target).map_err(|e| strange(&e))?;
    let mut names = Vec::new();
    for name in dir.names().map_err(|e| io_trouble("read", target, &e))? {
        if name != "lost+found" && !staging_recovery::is_ours(&dir, &name) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    match names.as_slice() {
        [] => Ok(true),
        [one] => Err(taken(format!("the directory is not empty: it contains {one}"))),
        [one, rest @ ..] => {
            Err(taken(format!("the directory is not empty: it contains {one} and {} more", rest.len())))
        }
    }
}

/// Returns whether the replacement of `target` is built inside it: in an empty directory, and in a mount point, which
/// cannot be renamed.
///
/// # Errors
/// If it exists and is not a directory.
pub fn inside(target: &Path) -> Result<bool> {
    match fs::metadata(target) {
        Ok(meta) if meta.is_dir() => Ok(is_mount(target) || free(target).is_ok()),
        _ => free(target),
    }
}

/// Returns whether a filesystem, or a part of one, is mounted at `path`.
pub fn is_mount(path: &Path) -> bool {
    let look = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    look.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Syncs a directory.
///
/// # Errors
/// If the system refuses.
pub fn sync_dir(path: &Path) -> Result<()> {
    Disk::default().sync_dir(path).map_err(|e| io_trouble("sync", path, &e))
}
