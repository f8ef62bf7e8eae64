//! Staging directories on the disk: how ours are recognised, what they contain, and how they are removed.
//!
//! A staging directory `.requorum-XXXXXX` contains
//! ```text
//! requorum-staging   the marker; locked while its run is alive
//! new                what is being built
//! partner            in that of the WAL directory: the path of that of the data directory
//! staged             it is built and verified, and is to be installed by its plan, see super::install
//! moves              in that of the data directory: the renames that install it
//! ```
//! Any user who can write next to a target can create such a directory. So one is used only if it, its marker and each
//! note in it belong to this user ([`crate::engine::durable_fs`]). Any other is left alone; in a target it counts as an
//! ordinary entry. What a killed run left is rolled back and removed by [`super::clear`].

use crate::text::Shown;
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::engine::{
    datadir::file_locks,
    durable_fs::{Dir, Disk, Trusted, is_private, parent},
};

/// The name prefix of our staging directories.
pub const PREFIX: &str = ".requorum-";
/// The file that marks a staging directory as ours; locked while its run is alive.
pub const MARKER: &str = "requorum-staging";
/// The note that what was built is complete and is to be installed.
pub const STAGED: &str = "staged";
/// The rename log.
pub const MOVES: &str = "moves";
/// A note that is being written.
const PART: &str = "note.part";
/// A note of earlier versions, which the rename log replaced.
const PROMISE: &str = "promise";
const PARTNER: &str = "partner";
/// How many bytes of a WAL file are compared to see whether it was written to: a restore writes a few KiB.
const HEAD: u64 = 1 << 20;
/// The longest note that is read, in bytes.
const NOTE: u64 = 4 << 20;
/// The longest path that is read, in bytes.
const PATH: u64 = 4096;

/// A staging directory that is ours.
#[derive(Debug, Clone)]
pub struct Shell {
    /// Its parent directory.
    pub place: Dir,
    /// Its name there.
    pub name: OsString,
    /// The directory itself.
    pub dir: Dir,
}

impl Shell {
    /// Returns the entry `name` of `place` if it is a staging directory of ours; it may be empty, as it is briefly
    /// after it is created.
    pub fn find(place: &Dir, name: &OsStr) -> Option<Shell> {
        if !name.as_bytes().starts_with(PREFIX.as_bytes()) {
            return None;
        }
        let dir = place.open_private(name).ok()?;
        let shell = Shell { place: place.clone(), name: name.into(), dir };
        (shell.marker().is_some() || shell.is_empty()).then_some(shell)
    }

    /// Returns the staging directory at `path`.
    pub fn at(disk: &Disk, path: &Path) -> Option<Shell> {
        let (place, name) = disk.above(path).ok()?;
        Shell::find(&place, &name)
    }

    /// Returns all staging directories in a directory.
    pub fn all(place: &Dir) -> Vec<Shell> {
        place.names().unwrap_or_default().iter().filter_map(|name| Shell::find(place, name)).collect()
    }

    /// Returns those that may belong to a target: next to it, and inside it if it exists.
    pub fn around(disk: &Disk, target: &Path) -> Vec<Shell> {
        let places = [parent(target), target].into_iter().filter_map(|place| disk.dir(place).ok());
        places.flat_map(|place| Shell::all(&place)).collect()
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Opens its marker.
    pub fn marker(&self) -> Option<File> {
        self.dir.trusted(MARKER, false).ok()?.ours()
    }

    fn is_empty(&self) -> bool {
        self.dir.names().is_ok_and(|names| names.is_empty())
    }

    /// Reads a note in it, if it exists and is ours.
    pub fn note(&self, name: &str) -> Option<Vec<u8>> {
        self.dir.read_trusted(name, NOTE).ok()?.ours()
    }

    /// Returns whether a note of this name is in it, ours or not.
    pub fn has(&self, name: &str) -> bool {
        !matches!(self.dir.entry_metadata(name), Ok(None))
    }

    /// Returns whether it still contains something to install.
    pub fn waits(&self) -> bool {
        self.dir.open("new/member").is_ok()
    }

    /// Returns the path of the data directory's staging directory, as noted in that of the WAL directory.
    pub fn partner(&self) -> Option<PathBuf> {
        let bytes = self.dir.read_trusted(PARTNER, PATH).ok()?.ours()?;
        Some(PathBuf::from(OsString::from_vec(bytes)))
    }

    /// Writes a note of this name into it, atomically.
    ///
    /// # Errors
    /// If it exists already, or cannot be written.
    pub fn put(&self, name: &str, text: &[u8]) -> io::Result<()> {
        if self.has(PART) {
            self.dir.remove_file(PART)?;
        }
        self.dir.write_new(PART, text, 0o600)?;
        self.dir.rename(PART, &self.dir, name)?;
        self.dir.sync()
    }

    /// Notes the path of the data directory's staging directory, which contains the rename log, in that of the WAL.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn refer(&self, partner: &Shell) -> io::Result<()> {
        let partner = std::path::absolute(partner.path())?;
        self.dir.write_new(PARTNER, partner.as_os_str().as_bytes(), 0o600)?;
        self.dir.sync()
    }

    /// Removes it: the notes first and the marker last, so that the next run still recognises what a kill in between
    /// left.
    pub fn remove(&self) {
        let gone = |name: &str| !self.has(name) || self.dir.remove_tree(name).is_ok();
        // Synced, since after a power cut the marker might otherwise be gone before the rest.
        if [STAGED, MOVES, PART, PROMISE, PARTNER, "new"].into_iter().all(gone)
            && self.dir.sync().is_ok()
            && gone(MARKER)
        {
            self.vanish();
        }
    }

    /// Removes it if it is empty and still has its name.
    pub fn vanish(&self) {
        if self.dir.identity().is_ok_and(|own| self.place.is(&self.name, own)) {
            let _ = self.place.remove_dir(&self.name);
        }
    }
}

/// The content of a WAL directory or file as a restore wrote it; it differs once anything writes to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The name of its only file, if it is a directory.
    file: Option<Vec<u8>>,
    /// The file's length and the CRC-32C of its first MiB.
    bytes: u64,
    head: u32,
}

impl Content {
    /// Reads the content of the entry `name`.
    ///
    /// # Errors
    /// If it is a directory with more than one entry, or cannot be read.
    pub fn of(dir: &Dir, name: &OsStr) -> io::Result<Content> {
        let meta = dir.entry_metadata(name)?.ok_or(io::ErrorKind::NotFound)?;
        let (file, (bytes, head)) = match meta.is_dir() {
            false => (None, head(dir.read(name)?)?),
            true => {
                let inner = dir.open(name)?;
                let only = only_entry(&inner)?;
                let head = only.as_ref().map_or(Ok((0, 0)), |file| head(inner.read(file)?))?;
                (only, head)
            }
        };
        Ok(Content { file: file.map(OsString::into_vec), bytes, head })
    }

    /// Returns whether the entry `name` still has this content, and no process has it locked.
    pub fn is_still(&self, dir: &Dir, name: &OsStr) -> bool {
        let file = match &self.file {
            None => dir.read(name),
            Some(file) => dir.open(name).and_then(|inner| inner.read(OsStr::from_bytes(file))),
        };
        file.is_ok_and(|file| !file_locks::held_file(&file)) && Content::of(dir, name).is_ok_and(|now| now == *self)
    }
}

/// Returns the only entry of a directory, `None` if it is empty; an error if there are more.
fn only_entry(dir: &Dir) -> io::Result<Option<OsString>> {
    let mut names = dir.names()?.into_iter();
    let first = names.next();
    if names.next().is_some() { Err(io::Error::other("more than one entry")) } else { Ok(first) }
}

fn head(file: File) -> io::Result<(u64, u32)> {
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.take(HEAD).read_to_end(&mut bytes)?;
    Ok((length, crc32c::crc32c(&bytes)))
}

/// Returns whether an entry is ours: a staging directory (marked, or still empty), a journal or a lock file.
pub fn is_ours(dir: &Dir, name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    if !bytes.starts_with(PREFIX.as_bytes()) {
        return false;
    }
    let Ok(Some(meta)) = dir.entry_metadata(name) else { return false };
    match meta.is_dir() {
        true => Shell::find(dir, name).is_some(),
        false => (bytes.ends_with(b".journal") || bytes.ends_with(b"lock")) && is_private(&meta),
    }
}

/// Returns why a note cannot be trusted, with its path, if it exists and is not ours (see [`Trusted`]).
pub fn strange(shell: &Shell, name: &str) -> Option<String> {
    match shell.dir.read_trusted(name, NOTE) {
        Ok(Trusted::Untrusted(why)) => Some(format!("{} {why}", shell.path().join(name).shown())),
        _ => None,
    }
}
