//! Whether a file is ours: in a directory that others may write to, another user may have put it there.

use std::{
    fmt,
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
};

/// What was found where a file of ours may be.
#[derive(Debug)]
pub enum Trusted<T> {
    /// Nothing.
    Absent,
    /// It is ours.
    Ours(T),
    /// It does not count, and why.
    Untrusted(Untrusted),
}

impl<T> Trusted<T> {
    /// Returns what is ours, if anything.
    pub fn ours(self) -> Option<T> {
        match self {
            Trusted::Ours(found) => Some(found),
            Trusted::Absent | Trusted::Untrusted(_) => None,
        }
    }
}

/// Why a file does not count as ours. Displays as a clause after its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untrusted {
    /// A symbolic link.
    Link,
    /// A directory, a pipe or a device: not a regular file.
    Kind,
    /// Not a directory.
    NoDirectory,
    /// It belongs to this user.
    Owner(u32),
    /// It has this number of hard links.
    Names(u64),
    /// Its mode lets others write to it.
    Writable(u32),
    /// It is longer than any file of this kind.
    Long,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Untrusted::Link => f.write_str("is a symbolic link"),
            Untrusted::Kind => f.write_str("is not a regular file"),
            Untrusted::NoDirectory => f.write_str("is not a directory"),
            Untrusted::Owner(user) => write!(f, "belongs to user {user}"),
            Untrusted::Names(2) => f.write_str("has a second hard link"),
            Untrusted::Names(names) => write!(f, "has {names} hard links"),
            Untrusted::Writable(mode) => write!(f, "is writable by others (mode {mode:04o})"),
            Untrusted::Long => f.write_str("is longer than any file that requorum writes there"),
        }
    }
}

impl Untrusted {
    /// Returns why a file does not count as ours.
    pub fn file(meta: &Metadata) -> Option<Untrusted> {
        Untrusted::file_owned_by(meta, &[])
    }

    /// Returns why a file does not count, if it may also belong to one of these users.
    pub fn file_owned_by(meta: &Metadata, owners: &[u32]) -> Option<Untrusted> {
        match () {
            () if meta.is_symlink() => Some(Untrusted::Link),
            () if !meta.is_file() => Some(Untrusted::Kind),
            () if meta.nlink() != 1 => Some(Untrusted::Names(meta.nlink())),
            () => wrong_owner_or_mode(meta, owners),
        }
    }

    /// Returns why a directory does not count as ours.
    pub fn directory(meta: &Metadata) -> Option<Untrusted> {
        match () {
            () if meta.is_symlink() => Some(Untrusted::Link),
            () if !meta.is_dir() => Some(Untrusted::NoDirectory),
            () => wrong_owner_or_mode(meta, &[]),
        }
    }
}

fn wrong_owner_or_mode(meta: &Metadata, owners: &[u32]) -> Option<Untrusted> {
    if meta.uid() != rustix::process::geteuid().as_raw() && !owners.contains(&meta.uid()) {
        return Some(Untrusted::Owner(meta.uid()));
    }
    // With an access control list the group bits are its mask, so that a writer by the list shows here too.
    (meta.mode() & 0o022 != 0).then_some(Untrusted::Writable(meta.mode() & 0o7777))
}

/// Returns whether only this user may change a file.
pub fn is_private(meta: &Metadata) -> bool {
    Untrusted::file(meta).is_none()
}

pub(super) fn file(file: File, owners: &[u32]) -> io::Result<Trusted<File>> {
    Ok(match Untrusted::file_owned_by(&file.metadata()?, owners) {
        Some(why) => Trusted::Untrusted(why),
        None => Trusted::Ours(file),
    })
}
