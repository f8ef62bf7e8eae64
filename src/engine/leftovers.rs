//! What a killed run left behind: known by its marker, taken back or cleared by the next run.
//!
//! A staging directory `.requorum-XXXXXX` holds
//! ```text
//! requorum-staging   the marker; locked while its run lives
//! new                what is being built
//! promise            in the data directory's: the WAL files that were or will be placed before it
//! partner            in the WAL's: the path of the data directory's staging directory
//! staged             it is whole and proven, and waits to be put in place: no leftover, see super::swap
//! moves              it is being put in place by these renames
//! ```
//! The rename of `new` (or of `new/member`, where the target exists) out of the data directory's
//! staging is the commit. While it is still there, a WAL that the promise names belongs to nobody.
//!
//! Anybody who may write beside a target can make such a directory. So one counts only when it, its marker and each note
//! in it are this user's own ([`super::durable_fs`]), and a promise only about a place beside which a staging directory of
//! ours refers back to it. What does not count is left alone; in a target it is an entry as any other.

use crate::text::Shown;
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    durable_fs::{Dir, Disk, Identity, Locked, Trusted, is_private},
    locks,
    stage::parent,
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

    /// Where it was found.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn marker(&self) -> Option<File> {
        self.dir.trusted(MARKER, false).ok()?.ours()
    }

    fn is_empty(&self) -> bool {
        self.dir.names().is_ok_and(|names| names.is_empty())
    }

    /// A note in it, if there is one that is ours.
    pub fn note(&self, name: &str) -> Option<Vec<u8>> {
        self.dir.read_trusted(name, NOTE).ok()?.ours()
    }

    fn has(&self, name: &str) -> bool {
        !matches!(self.dir.look(name), Ok(None))
    }

    /// Whether something is still in it that is to be put in place.
    pub fn waits(&self) -> bool {
        self.dir.open("new/member").is_ok()
    }

    fn partner(&self) -> Option<PathBuf> {
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

    /// Notes in the WAL's staging directory where the promise about it lies.
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

/// Which WAL files are placed before the commit.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    placed: Vec<Entry>,
}

/// One WAL directory or file, with what tells it from every other.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Where it goes: a path need not be UTF-8.
    path: Vec<u8>,
    #[serde(flatten)]
    identity: Identity,
    /// The file in it, where it is a directory.
    file: Option<Vec<u8>>,
    /// The file's length and the CRC-32C of its first MiB.
    bytes: u64,
    head: u32,
}

impl Promise {
    /// The promise to make these renames: an entry of a directory, and where it goes.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn of(moves: &[(Dir, OsString, PathBuf)]) -> io::Result<Promise> {
        let placed = moves.iter().map(|(dir, name, to)| Entry::of(dir, name, to)).collect::<io::Result<_>>()?;
        Ok(Promise { placed })
    }

    /// Writes it into a staging directory so that it lasts.
    ///
    /// # Errors
    /// As the system says.
    pub fn write(&self, shell: &Shell) -> io::Result<()> {
        shell.dir.write_new(PROMISE, &serde_json::to_vec(self)?, 0o600)?;
        shell.dir.sync()
    }

    /// None also when it was not written to its end: then no rename had begun.
    fn read(shell: &Shell) -> Option<Promise> {
        serde_json::from_slice(&shell.note(PROMISE)?).ok()
    }
}

impl Entry {
    fn of(dir: &Dir, name: &OsStr, to: &Path) -> io::Result<Entry> {
        let meta = dir.look(name)?.ok_or(io::ErrorKind::NotFound)?;
        let (file, (bytes, head)) = match meta.is_dir() {
            false => (None, head(dir.read(name)?)?),
            true => {
                let inner = dir.open(name)?;
                let only = only_entry(&inner)?;
                let head = only.as_ref().map_or(Ok((0, 0)), |file| head(inner.read(file)?))?;
                (only, head)
            }
        };
        Ok(Entry {
            path: to.as_os_str().as_bytes().to_vec(),
            identity: Identity::of(&meta),
            file: file.map(OsString::into_vec),
            bytes,
            head,
        })
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(self.path.clone()))
    }

    /// Removes it from its place if it is what was promised, nothing else is in it and nobody wrote to it or holds it.
    /// Whatever is not so stays: then it is no longer ours alone.
    fn take_back(&self, disk: &Disk) -> io::Result<()> {
        let (place, name) = disk.above(&self.path())?;
        let Some(meta) = place.look(&name)?.filter(|meta| Identity::of(meta) == self.identity) else { return Ok(()) };
        let untouched = |file: File| -> io::Result<bool> {
            let held = locks::held_file(&file);
            Ok(!held && head(file)? == (self.bytes, self.head))
        };
        if meta.is_dir() {
            let inner = place.open(&name)?;
            if inner.identity()? != self.identity {
                return Ok(());
            }
            // An empty one was being taken back when that run was killed, too.
            if let Some(only) = only_entry(&inner)? {
                if Some(only.as_bytes()) != self.file.as_deref() || !untouched(inner.read(&only)?)? {
                    return Ok(());
                }
                inner.remove_file(&only)?;
            }
            place.remove_dir(&name)?;
        } else if untouched(place.read(&name)?)? {
            place.remove_file(&name)?;
        }
        place.sync()
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
    let Ok(Some(meta)) = dir.look(name) else { return false };
    match meta.is_dir() {
        true => Shell::find(dir, name).is_some(),
        false => (bytes.ends_with(b".journal") || bytes.ends_with(b"lock")) && is_private(&meta),
    }
}

/// Clears what killed runs left where `target` is to be: beside it, and in it where it exists.
/// What cannot be removed, what a living run holds, and what is not ours is left alone.
pub fn clear(disk: &Disk, target: &Path) {
    for place in [parent(target), target].into_iter().filter_map(|place| disk.dir(place).ok()) {
        for shell in Shell::all(&place) {
            clear_shell(disk, &shell, true);
        }
    }
}

/// Clears one staging directory; false when a living run holds it.
fn clear_shell(disk: &Disk, shell: &Shell, follow: bool) -> bool {
    let Some(marker) = shell.marker().map(Locked::new) else {
        shell.vanish();
        return true;
    };
    if !marker.try_take().unwrap_or(false) {
        return false;
    }
    if [STAGED, MOVES].iter().any(|name| shell.has(name)) {
        return true;
    }
    // Whose WAL this was has to be settled before its staging directory goes.
    let partner = shell.partner().and_then(|path| Shell::at(disk, &path));
    if partner.is_some_and(|partner| follow && !clear_shell(disk, &partner, false)) {
        return false;
    }
    if shell.waits() {
        take_back(disk, shell);
    }
    shell.remove();
    true
}

/// Takes back what was placed on this staging directory's promise.
pub fn take_back(disk: &Disk, shell: &Shell) {
    for entry in Promise::read(shell).into_iter().flat_map(|promise| promise.placed) {
        if referred(disk, shell, &entry.path()) {
            let _ = entry.take_back(disk);
        }
    }
}

/// Whether beside this place lies a staging directory of ours that refers to this one: then it was ours to fill.
fn referred(disk: &Disk, shell: &Shell, to: &Path) -> bool {
    let Ok(own) = shell.dir.identity() else { return false };
    let refers = |other: &Shell| {
        let partner = other.partner().and_then(|path| Shell::at(disk, &path));
        partner.is_some_and(|partner| partner.dir.identity().is_ok_and(|found| found == own))
    };
    let beside = disk.dir(parent(to)).ok();
    beside.is_some_and(|beside| Shell::all(&beside).iter().any(refers))
}

/// What was found of a note that decides: as [`Trusted`], with the path for a message.
pub fn strange(shell: &Shell, name: &str) -> Option<String> {
    match shell.dir.read_trusted(name, NOTE) {
        Ok(Trusted::Strange(why)) => Some(format!("{} {why}", shell.path().join(name).shown())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    fn private(dir: &Path) {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir_all(dir).unwrap();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    }

    fn shell(path: &Path) -> Shell {
        private(path);
        fs::write(path.join(MARKER), b"").unwrap();
        Shell::at(&Disk::default(), path).unwrap()
    }

    /// A WAL directory as a killed run would have placed it, its staging directory, and that of the data.
    fn killed(dir: &Path) -> (PathBuf, PathBuf) {
        let (data, wal, made) = (dir.join(".requorum-1"), dir.join("wal"), dir.join("made"));
        let (data, log) = (shell(&data), shell(&dir.join(".requorum-2")));
        fs::create_dir_all(data.path().join("new/member")).unwrap();
        fs::create_dir(&made).unwrap();
        fs::write(made.join("0.wal"), b"log").unwrap();
        let place = Disk::default().dir(dir).unwrap();
        Promise::of(&[(place, "made".into(), wal.clone())]).unwrap().write(&data).unwrap();
        log.refer(&data).unwrap();
        fs::rename(made, &wal).unwrap();
        (data.path().into(), wal)
    }

    #[test]
    fn a_placed_wal_without_its_data_directory_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let (shell, wal) = killed(dir.path());
        clear(&Disk::default(), &dir.path().join("etcd"));
        assert!(!shell.exists() && !wal.exists());
    }

    #[test]
    fn what_somebody_used_or_committed_stays() {
        type Change = fn(&Path, &Path);
        let changes: [Change; 5] = [
            |_, wal| fs::write(wal.join("0.wal"), b"log and more").unwrap(),
            |_, wal| fs::write(wal.join("1.wal"), b"").unwrap(),
            |shell, _| fs::remove_dir(shell.join("new/member")).unwrap(),
            |shell, _| fs::write(shell.join(PROMISE), b"{\"pla").unwrap(),
            // Nothing of ours lies beside what it promises to remove.
            |shell, _| fs::remove_dir_all(shell.with_file_name(".requorum-2")).unwrap(),
        ];
        for change in changes {
            let dir = tempfile::tempdir().unwrap();
            let (shell, wal) = killed(dir.path());
            change(&shell, &wal);
            clear(&Disk::default(), &dir.path().join("etcd"));
            assert!(!shell.exists() && wal.join("0.wal").exists());
        }
    }

    #[test]
    fn the_wals_own_staging_leads_to_the_promise() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("data");
        fs::create_dir(&place).unwrap();
        let (data, _) = killed(&place);
        let elsewhere = dir.path().join("elsewhere");
        private(&elsewhere);
        let (wal, log) = (elsewhere.join("wal"), elsewhere.join(".requorum-3"));
        fs::rename(place.join("wal"), &wal).unwrap();
        fs::rename(place.join(".requorum-2"), &log).unwrap();
        let mut promise: serde_json::Value = serde_json::from_slice(&fs::read(data.join(PROMISE)).unwrap()).unwrap();
        promise["placed"][0]["path"] = wal.as_os_str().as_bytes().into();
        fs::write(data.join(PROMISE), promise.to_string()).unwrap();
        let living = Locked::new(File::open(data.join(MARKER)).unwrap());
        assert!(living.try_take().unwrap());
        clear(&Disk::default(), &wal);
        assert!(log.exists() && wal.exists(), "a living run's are left alone");
        drop(living);
        clear(&Disk::default(), &wal);
        assert!(!log.exists() && !data.exists() && !wal.exists());
    }
}
