//! Whether what was found is ours: in a directory that others may write to, anybody may have put it there.

use std::{
    fmt,
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
};

/// What was found where something of ours may be.
#[derive(Debug)]
pub enum Trusted<T> {
    /// Nothing.
    Absent,
    /// What is ours.
    Ours(T),
    /// Something that does not count, and why.
    Strange(Untrusted),
}

impl<T> Trusted<T> {
    /// What is ours, if anything.
    pub fn ours(self) -> Option<T> {
        match self {
            Trusted::Ours(found) => Some(found),
            Trusted::Absent | Trusted::Strange(_) => None,
        }
    }
}

/// Why something is not taken for ours. As text it follows the thing's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untrusted {
    /// A symbolic link.
    Link,
    /// A directory, a pipe, a device: no regular file.
    Kind,
    /// No directory.
    NoDirectory,
    /// It belongs to this other user.
    Owner(u32),
    /// It has so many names.
    Names(u64),
    /// Its mode lets others write to it.
    Writable(u32),
    /// It is longer than anything of the kind.
    Long,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Untrusted::Link => f.write_str("is a symbolic link"),
            Untrusted::Kind => f.write_str("is not a regular file"),
            Untrusted::NoDirectory => f.write_str("is not a directory"),
            Untrusted::Owner(user) => write!(f, "belongs to user {user}"),
            Untrusted::Names(2) => f.write_str("has a second name"),
            Untrusted::Names(names) => write!(f, "has {names} names"),
            Untrusted::Writable(mode) => write!(f, "may be written by others (mode {mode:04o})"),
            Untrusted::Long => f.write_str("is longer than anything that requorum writes there"),
        }
    }
}

impl Untrusted {
    /// What speaks against a file.
    pub fn file(meta: &Metadata) -> Option<Untrusted> {
        Untrusted::file_of(meta, &[])
    }

    /// The same for a file that may also belong to one of these users.
    pub fn file_of(meta: &Metadata, owners: &[u32]) -> Option<Untrusted> {
        match () {
            () if meta.is_symlink() => Some(Untrusted::Link),
            () if !meta.is_file() => Some(Untrusted::Kind),
            () if meta.nlink() != 1 => Some(Untrusted::Names(meta.nlink())),
            () => others(meta, owners),
        }
    }

    /// What speaks against a directory.
    pub fn directory(meta: &Metadata) -> Option<Untrusted> {
        match () {
            () if meta.is_symlink() => Some(Untrusted::Link),
            () if !meta.is_dir() => Some(Untrusted::NoDirectory),
            () => others(meta, &[]),
        }
    }
}

fn others(meta: &Metadata, owners: &[u32]) -> Option<Untrusted> {
    if meta.uid() != rustix::process::geteuid().as_raw() && !owners.contains(&meta.uid()) {
        return Some(Untrusted::Owner(meta.uid()));
    }
    // With an access control list the group's bits are its mask, so that one who may write by it shows here, too.
    (meta.mode() & 0o022 != 0).then_some(Untrusted::Writable(meta.mode() & 0o7777))
}

/// Whether nobody but this user may change a file.
pub fn is_private(meta: &Metadata) -> bool {
    Untrusted::file(meta).is_none()
}

pub(super) fn file(file: File, owners: &[u32]) -> io::Result<Trusted<File>> {
    Ok(match Untrusted::file_of(&file.metadata()?, owners) {
        Some(why) => Trusted::Strange(why),
        None => Trusted::Ours(file),
    })
}
