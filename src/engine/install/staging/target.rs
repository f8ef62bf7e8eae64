//! The place that a staged directory is for: whether it is free, what is mounted there, and the directory that holds it.

use std::{fs, io, path::Path};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::super::staging_recovery;
pub use crate::engine::durable_fs::parent;
use crate::engine::{durable_fs::Disk, source::io_trouble};
use crate::{
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// Whether `target` may be made: `false` when it does not exist, `true` when it is an empty
/// directory (`lost+found` and our own staging don't count).
///
/// # Errors
/// When something is there.
pub fn free(target: &Path) -> Result<bool> {
    let taken = |why: String| {
        Error::new(ErrorKind::Input, format!("{} is taken", target.shown()))
            .fault(Fault::Taken)
            .why(why)
            .hint("requorum never writes over anything. Name another directory, or move this one aside yourself.")
    };
    match fs::symlink_metadata(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(io_trouble("look at", target, &e)),
        Ok(_) => {}
    }
    let strange = |e: &io::Error| match e.kind() {
        io::ErrorKind::NotADirectory => taken("it is a file".into()),
        io::ErrorKind::NotFound => taken("it is a symbolic link that leads nowhere".into()),
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
        [one] => Err(taken(format!("the directory is not empty, it holds {one}"))),
        [one, rest @ ..] => Err(taken(format!("the directory is not empty, it holds {one} and {} more", rest.len()))),
    }
}

/// Whether what is to be exchanged for `target` is built in it: in an empty directory, and in one that cannot be renamed
/// because something is mounted there.
///
/// # Errors
/// When it is there and no directory.
pub fn inside(target: &Path) -> Result<bool> {
    match fs::metadata(target) {
        Ok(meta) if meta.is_dir() => Ok(is_mount(target) || free(target).is_ok()),
        _ => free(target),
    }
}

/// Whether a filesystem, or a part of one, is mounted at `path`.
pub fn is_mount(path: &Path) -> bool {
    let look = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    look.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Makes a directory's entries last.
///
/// # Errors
/// As the system says.
pub fn sync_dir(path: &Path) -> Result<()> {
    Disk::default().sync_dir(path).map_err(|e| io_trouble("make durable", path, &e))
}
