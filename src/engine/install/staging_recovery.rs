//! Staging directories: how one of ours is known, what is in it, and how it is removed.
//!
//! A staging directory `.requorum-XXXXXX` holds
//! ```text
//! requorum-staging   the marker; locked while its run lives
//! new                what is being built
//! partner            in the WAL's: the path of the data directory's staging directory
//! staged             it is built and verified, and waits to be installed by its plan, see super::swap
//! moves              in the data directory's: the renames by which it is being installed
//! ```
//! Anybody who may write beside a target can make such a directory. So one counts only when it, its marker and each note
//! in it are this user's own ([`crate::engine::durable_fs`]). What does not count is left alone; in a target it is an entry as any
//! other. What a killed run left is rolled back and cleared by [`super::clear`].

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

/// How the names of our staging directories begin.
pub const PREFIX: &str = ".requorum-";
/// The file in a staging directory that says whose it is; locked while the work goes on.
pub const MARKER: &str = "requorum-staging";
/// The file that says that what was built is whole and waits.
pub const STAGED: &str = "staged";
/// The file with the renames that put it in place.
pub const MOVES: &str = "moves";
/// A note that is being written.
const PART: &str = "note.part";
/// A note of earlier versions, which the moves took the place of.
const PROMISE: &str = "promise";
const PARTNER: &str = "partner";
/// How much of a WAL file tells whether somebody wrote to it: a restore writes a few KiB.
const HEAD: u64 = 1 << 20;
/// No note is longer.
const NOTE: u64 = 4 << 20;
/// No path is.
const PATH: u64 = 4096;

/// A staging directory that is ours.
#[derive(Debug, Clone)]
pub struct Shell {
    /// The directory that it lies in.
    pub place: Dir,
    /// Its name there.
    pub name: OsString,
    /// Itself.
    pub dir: Dir,
}

impl Shell {
    /// The one called `name` in `place`, if it is a staging directory and ours; it may be empty, as it is for a moment.
    pub fn find(place: &Dir, name: &OsStr) -> Option<Shell> {
        if !name.as_bytes().starts_with(PREFIX.as_bytes()) {
            return None;
        }
        let dir = place.open_private(name).ok()?;
        let shell = Shell { place: place.clone(), name: name.into(), dir };
        (shell.marker().is_some() || shell.is_empty()).then_some(shell)
    }

    /// The one at `path`.
    pub fn at(disk: &Disk, path: &Path) -> Option<Shell> {
        let (place, name) = disk.above(path).ok()?;
        Shell::find(&place, &name)
    }

    /// Those in a directory.
    pub fn all(place: &Dir) -> Vec<Shell> {
        place.names().unwrap_or_default().iter().filter_map(|name| Shell::find(place, name)).collect()
    }

    /// Those that may be a target's: beside it, and in it where it exists.
    pub fn around(disk: &Disk, target: &Path) -> Vec<Shell> {
        let places = [parent(target), target].into_iter().filter_map(|place| disk.dir(place).ok());
        places.flat_map(|place| Shell::all(&place)).collect()
    }

    /// Where it was found.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Its marker.
    pub fn marker(&self) -> Option<File> {
        self.dir.trusted(MARKER, false).ok()?.ours()
    }

    fn is_empty(&self) -> bool {
        self.dir.names().is_ok_and(|names| names.is_empty())
    }

    /// A note in it, if there is one that is ours.
    pub fn note(&self, name: &str) -> Option<Vec<u8>> {
        self.dir.read_trusted(name, NOTE).ok()?.ours()
    }

    /// Whether a note of this name is in it, whosever it is.
    pub fn has(&self, name: &str) -> bool {
        !matches!(self.dir.entry_metadata(name), Ok(None))
    }

    /// Whether something is still in it that is to be put in place.
    pub fn waits(&self) -> bool {
        self.dir.open("new/member").is_ok()
    }

    /// The data directory's staging directory, as the WAL's names it.
    pub fn partner(&self) -> Option<PathBuf> {
        let bytes = self.dir.read_trusted(PARTNER, PATH).ok()?.ours()?;
        Some(PathBuf::from(OsString::from_vec(bytes)))
    }

    /// Puts a note of this name into it, whole or not at all.
    ///
    /// # Errors
    /// When one is there, or as the system says.
    pub fn put(&self, name: &str, text: &[u8]) -> io::Result<()> {
        if self.has(PART) {
            self.dir.remove_file(PART)?;
        }
        self.dir.write_new(PART, text, 0o600)?;
        self.dir.rename(PART, &self.dir, name)?;
        self.dir.sync()
    }

    /// Notes in the WAL's staging directory where the data directory's is, which holds the renames.
    ///
    /// # Errors
    /// As the system says.
    pub fn refer(&self, partner: &Shell) -> io::Result<()> {
        let partner = std::path::absolute(partner.path())?;
        self.dir.write_new(PARTNER, partner.as_os_str().as_bytes(), 0o600)?;
        self.dir.sync()
    }

    /// Removes it. What is told of what goes before it, and the marker last, so that a kill in between leaves what the
    /// next run still knows.
    pub fn remove(&self) {
        let gone = |name: &str| !self.has(name) || self.dir.remove_tree(name).is_ok();
        // Synced, since after a power cut the marker's end might otherwise come before the others'.
        if [STAGED, MOVES, PART, PROMISE, PARTNER, "new"].into_iter().all(gone)
            && self.dir.sync().is_ok()
            && gone(MARKER)
        {
            self.vanish();
        }
    }

    /// Removes it where it is empty, if it still has its name.
    pub fn vanish(&self) {
        if self.dir.identity().is_ok_and(|own| self.place.is(&self.name, own)) {
            let _ = self.place.remove_dir(&self.name);
        }
    }
}

/// What is in a WAL directory or file that a restore made: whoever wrote to it since made it another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The file in it, where it is a directory.
    file: Option<Vec<u8>>,
    /// The file's length and the CRC-32C of its first MiB.
    bytes: u64,
    head: u32,
}

impl Content {
    /// That of the entry `name`.
    ///
    /// # Errors
    /// When more than one entry is in it, or as the system says.
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

    /// Whether the entry `name` still has it, and nobody holds it.
    pub fn is_still(&self, dir: &Dir, name: &OsStr) -> bool {
        let file = match &self.file {
            None => dir.read(name),
            Some(file) => dir.open(name).and_then(|inner| inner.read(OsStr::from_bytes(file))),
        };
        file.is_ok_and(|file| !file_locks::held_file(&file)) && Content::of(dir, name).is_ok_and(|now| now == *self)
    }
}

/// The one entry of a directory, none if it is empty; an error if there are more.
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

/// Whether an entry is ours: a staging directory, marked, or named so and empty, as it is for a moment; a journal or a
/// lock.
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

/// What was found of a note that decides: as [`Trusted`], with the path for a message.
pub fn strange(shell: &Shell, name: &str) -> Option<String> {
    match shell.dir.read_trusted(name, NOTE) {
        Ok(Trusted::Untrusted(why)) => Some(format!("{} {why}", shell.path().join(name).shown())),
        _ => None,
    }
}
