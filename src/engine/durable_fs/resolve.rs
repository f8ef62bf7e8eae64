//! The way to a directory, walked so that no other user leads us elsewhere.
//!
//! A link of root's or of our own is followed. One of another user's is followed only to a directory of that same user:
//! there is nothing in it that its owner could not change without us. A link in a directory of another user's counts as
//! that user's, whoever made it: its owner may give any name to it.
//!
//! A file that is read is found in the same way: what root reads may be given to the owner of the link afterwards.

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

/// How many links a path may have, as the kernel counts.
const LINKS: u32 = 40;

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens a directory.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if path.as_os_str().is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // Mostly there is no link, and one call tells.
    match openat2(CWD, path, OPEN, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
        other => return Ok(other?.into()),
    }
    let walked = walk(path, false)?;
    let dir: File = openat(&walked.at, ".", OPEN, Mode::empty())?.into();
    walked.may(&dir)?;
    Ok(dir)
}

/// Where a path really leads; of one that does not exist, as far as it does.
pub(super) fn real(path: &Path) -> io::Result<PathBuf> {
    let walked = walk(&std::path::absolute(path)?, true)?;
    walked.may(&walked.at)?;
    // What lies there is to be renamed, which is a change of the directory around it.
    if let Some(above) = walked.path.parent().filter(|_| !walked.led.is_empty() && !walked.missing) {
        walked.may(&openat(CWD, above, OPEN | OFlags::NOFOLLOW, Mode::empty())?.into())?;
    }
    Ok(walked.path)
}

/// Opens a regular file to be read. Only root reads what the owner of a link could not read itself.
pub(super) fn readable(path: &Path) -> io::Result<File> {
    let walked = walk(path, false)?;
    if rustix::process::geteuid().is_root() {
        walked.may(&walked.at)?;
    }
    reopen(&walked.at, OFlags::RDONLY, || {
        let no_links = ResolveFlags::NO_SYMLINKS;
        Ok(openat2(CWD, &walked.path, OFlags::RDONLY | REOPEN, Mode::empty(), no_links)?.into())
    })
}

/// The same, all links followed.
pub(super) fn regular(path: &Path) -> io::Result<File> {
    let at: File = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?.into();
    reopen(&at, OFlags::RDONLY, || Ok(openat(CWD, path, OFlags::RDONLY | REOPEN, Mode::empty())?.into()))
}

const REOPEN: OFlags = OFlags::NONBLOCK.union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// Opens what is held as a mere place (`O_PATH`), where it is a regular file: a device may act on being opened, and a pipe
/// lets wait. Where /proc is missing it is opened by its name, by `named`, and held against what was looked at.
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
                false => Err(io::Error::other("it was exchanged meanwhile")),
            }
        }
        other => Ok(other?.into()),
    }
}

/// A way that was walked to its end.
struct Walked {
    at: File,
    path: PathBuf,
    /// Whether the end of it does not exist.
    missing: bool,
    /// Links of other users, each with its owner.
    led: Vec<(PathBuf, u32)>,
}

impl Walked {
    fn may(&self, end: &File) -> io::Result<()> {
        let owner = end.metadata()?.uid();
        match self.led.iter().find(|(_, user)| *user != owner) {
            None => Ok(()),
            Some((link, user)) => Err(io::Error::other(format!(
                "the symbolic link {} is not followed: user {user} may change it, and it leads to what belongs to user \
                 {owner}; name what it leads to",
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

/// Walks to the end; where it may be `missing`, to the deepest part that is there.
fn walk(path: &Path, missing: bool) -> io::Result<Walked> {
    let own = rustix::process::geteuid().as_raw();
    let (root, mut left) = parts(path);
    let ((mut at, mut whole), mut led, mut links) = (start(root)?, Vec::new(), 0u32);
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at = step(&at, &name)?;
            whole.pop();
            continue;
        }
        let next = match step(&at, &name) {
            Err(e) if missing && e.kind() == io::ErrorKind::NotFound && !left.iter().any(|part| part == "..") => {
                let path = left.into_iter().fold(whole.join(name), |path, part| path.join(part));
                return Ok(Walked { at, path, missing: true, led });
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
        // Who made it, and who may give its name to another.
        let users = [meta.uid(), at.metadata()?.uid()];
        led.extend(users.into_iter().filter(|user| ![0, own].contains(user)).map(|user| (whole.join(&name), user)));
        // What a process has open, or is in, is reached by its handle: the text of such a link is no way to it.
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
    Ok(Walked { at, path: whole, missing: false, led })
}
