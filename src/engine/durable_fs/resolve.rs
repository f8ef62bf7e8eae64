//! Resolves paths so that no other user can redirect us.
//!
//! A link of root's or of our own is followed. One of another user's is followed only to a directory of that same user:
//! its owner could change everything in it without us. A link in a directory of another user's counts as that user's,
//! whoever created it: its owner may rename it.
//!
//! A file is resolved in the same way for reading: the owner of the link may become the owner of what root read.

use crate::text::Shown;
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStringExt, fs::MetadataExt},
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstatfs, openat, openat2, readlinkat},
    io::Errno,
};

use super::Identity;

/// The most links in a path, the same limit as the kernel's.
const LINKS: u32 = 40;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a directory.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if path.as_os_str().is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // Usually there is no link, and one call is enough.
    match openat2(CWD, path, OPEN, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
        other => return Ok(other?.into()),
    }
    let resolved = walk(path, false)?;
    let dir: File = openat(&resolved.at, ".", OPEN, Mode::empty())?.into();
    resolved.check_links(&dir)?;
    Ok(dir)
}

/// Resolves a path; of one that does not exist, the part that does.
pub(super) fn real(path: &Path) -> io::Result<PathBuf> {
    let resolved = walk(&std::path::absolute(path)?, true)?;
    resolved.check_links(&resolved.at)?;
    // The entry is going to be renamed, which changes its parent directory.
    if let Some(above) = resolved.path.parent().filter(|_| !resolved.foreign_links.is_empty() && !resolved.missing) {
        resolved.check_links(&openat(CWD, above, OPEN | OFlags::NOFOLLOW, Mode::empty())?.into())?;
    }
    Ok(resolved.path)
}

/// Opens a regular file for reading. Only root can read what the owner of a link cannot.
pub(super) fn readable(path: &Path) -> io::Result<File> {
    let resolved = walk(path, false)?;
    if rustix::process::geteuid().is_root() {
        resolved.check_links(&resolved.at)?;
    }
    reopen(&resolved.at, OFlags::RDONLY, || {
        let no_links = ResolveFlags::NO_SYMLINKS;
        Ok(openat2(CWD, &resolved.path, OFlags::RDONLY | REOPEN, Mode::empty(), no_links)?.into())
    })
}

/// Opens a regular file for reading and follows all links.
pub(super) fn regular(path: &Path) -> io::Result<File> {
    let at: File = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?.into();
    reopen(&at, OFlags::RDONLY, || Ok(openat(CWD, path, OFlags::RDONLY | REOPEN, Mode::empty())?.into()))
}

const REOPEN: OFlags = OFlags::NONBLOCK.union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// Opens an `O_PATH` handle if it is a regular file: opening a device may have effects, and opening a pipe may block.
/// Without /proc it is opened by its name, by `named`, and its identity is compared.
pub(super) fn reopen(at: &File, flags: OFlags, named: impl FnOnce() -> io::Result<File>) -> io::Result<File> {
    let meta = at.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    match openat(CWD, format!("/proc/self/fd/{}", at.as_raw_fd()), flags | REOPEN, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => {
            let file = named()?;
            match Identity::from_metadata(&file.metadata()?) == Identity::from_metadata(&meta) {
                true => Ok(file),
                false => Err(io::Error::other("it was replaced meanwhile")),
            }
        }
        other => Ok(other?.into()),
    }
}

/// A resolved path.
struct ResolvedPath {
    at: File,
    path: PathBuf,
    /// Whether its last part does not exist.
    missing: bool,
    /// Links of other users, each with its owner.
    foreign_links: Vec<(PathBuf, u32)>,
}

impl ResolvedPath {
    fn check_links(&self, end: &File) -> io::Result<()> {
        let owner = end.metadata()?.uid();
        match self.foreign_links.iter().find(|(_, user)| *user != owner) {
            None => Ok(()),
            Some((link, user)) => Err(io::Error::other(format!(
                "the symbolic link {} is not followed: user {user} may change it, and its target belongs to user {owner}; \
                 specify the target",
                link.shown()
            ))),
        }
    }
}

fn step(at: &File, name: &OsStr) -> io::Result<File> {
    Ok(openat(at, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?.into())
}

fn parts(path: &Path) -> (bool, VecDeque<OsString>) {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    (path.is_absolute(), names.map(|part| part.as_os_str().to_os_string()).collect())
}

fn start(root: bool) -> io::Result<(File, PathBuf)> {
    let path = if root { "/" } else { "." };
    let at = openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok((at.into(), if root { "/".into() } else { PathBuf::new() }))
}

/// Resolves the whole path; if it may be `missing`, the deepest part that exists.
fn walk(path: &Path, missing: bool) -> io::Result<ResolvedPath> {
    let own = rustix::process::geteuid().as_raw();
    let (root, mut left) = parts(path);
    let ((mut at, mut whole), mut foreign_links, mut links) = (start(root)?, Vec::new(), 0u32);
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at = step(&at, &name)?;
            whole.pop();
            continue;
        }
        let next = match step(&at, &name) {
            Err(e) if missing && e.kind() == io::ErrorKind::NotFound && !left.iter().any(|part| part == "..") => {
                let path = left.into_iter().fold(whole.join(name), |path, part| path.join(part));
                return Ok(ResolvedPath { at, path, missing: true, foreign_links });
            }
            other => other?,
        };
        let meta = next.metadata()?;
        if !meta.is_symlink() {
            (at, whole) = (next, whole.join(name));
            continue;
        }
        links = links.saturating_add(1);
        if links > LINKS {
            return Err(Errno::LOOP.into());
        }
        // The owner of the link, and the user who may replace it.
        let users = [meta.uid(), at.metadata()?.uid()];
        foreign_links
            .extend(users.into_iter().filter(|user| ![0, own].contains(user)).map(|user| (whole.join(&name), user)));
        // An open file or working directory of a process is reached by its handle: the text of such a link is not a valid path.
        if fstatfs(&at)?.f_type == PROC_SUPER_MAGIC {
            at = openat(&at, &name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?.into();
            whole.push(name);
            continue;
        }
        let target = PathBuf::from(OsString::from_vec(readlinkat(&next, "", Vec::new())?.into_bytes()));
        let (root, more) = parts(&target);
        if root {
            (at, whole) = start(true)?;
        }
        more.into_iter().rev().for_each(|name| left.push_front(name));
    }
    Ok(ResolvedPath { at, path: whole, missing: false, foreign_links })
}
