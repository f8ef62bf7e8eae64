//! Receives a snapshot into a hidden file that keeps the received bytes when the connection breaks; it is used only
//! if its SHA-256 matches the plan.
//!
//! In the depot it is `.requorum-snapshot-SHA.db.part` while incomplete and loses the `.part` when complete, SHA being
//! the first sixteen digits. Both are known by that name, and are only touched where they are regular files of this
//! user's without a second hard link, which no other user may write to ([`crate::engine::durable_fs`]): the depot may be open to
//! others.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::protocol::{CHUNK_BYTES, Have, Wanted};
use crate::{
    bbolt::PageBuffer,
    domain::preflight::space,
    engine::{
        durable_fs::{self, Dir, Disk, Locked, Trusted},
        progress::{Phase, ProgressFn},
        source::{creation_trouble, hex, io_trouble, step},
    },
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// The names of one snapshot in one directory: whole, and in part.
#[derive(Debug, Clone)]
struct Files {
    dir: Dir,
    whole: OsString,
    part: OsString,
}

impl Files {
    fn exist(&self) -> bool {
        [&self.whole, &self.part].into_iter().any(|name| !matches!(self.dir.entry_metadata(name), Ok(None)))
    }

    fn path(&self, name: &OsString) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens one of them; `None` if it does not exist and is not to be created.
    fn open(&self, name: &OsString, make: bool) -> Result<Option<File>> {
        let path = self.path(name);
        let found = if make { self.dir.trusted_or_new(name) } else { self.dir.trusted(name, false) };
        match found.map_err(|e| match make {
            true => creation_trouble("write", &path, &e),
            false => io_trouble("read", &path, &e),
        })? {
            Trusted::Ours(file) => Ok(Some(file)),
            Trusted::Absent => Ok(None),
            Trusted::Untrusted(why) => {
                Err(Error::new(ErrorKind::Failed, format!("{}: refusing to use this file", path.shown()))
                    .why(format!("it {why}"))
                    .hint("requorum stores received snapshots under this name. Inspect the file, then move it away."))
            }
        }
    }

    fn remove(&self, name: &OsString) -> Result<()> {
        self.dir.remove_file(name).map_err(|e| io_trouble("remove", &self.path(name), &e))
    }
}

impl Wanted {
    /// Where it may be, the deepest directory first. A deeper one may have been created between two attempts.
    fn places(&self) -> Vec<Files> {
        // Of another host's text only hex digits come to stand in a name.
        let digits: String = self.sha256.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        let name = format!(".requorum-snapshot-{digits}.db");
        let dirs = self.depot.ancestors().filter_map(|path| Disk::default().dir(path).ok());
        dirs.map(|dir| Files { dir, whole: name.clone().into(), part: format!("{name}.part").into() }).collect()
    }

    /// Where it is, or will be.
    fn files(&self) -> Result<Files> {
        let places = self.places();
        let found = places.iter().find(|files| files.exist()).or(places.first()).cloned();
        found.ok_or_else(|| Error::new(ErrorKind::Input, "no directory exists to receive the snapshot in"))
    }
}

/// Checks whether the snapshot is here: at the plan's path, or received before, complete or in part.
///
/// # Errors
/// When what has the name of a received one is not, or `watch` stops it.
pub fn look(wanted: &Wanted, watch: &mut ProgressFn<'_>) -> Result<Have> {
    if let Ok(file) = durable_fs::readable(&wanted.at)
        && file.metadata().is_ok_and(|meta| meta.len() == wanted.bytes)
        && sha256(&file, &wanted.at, wanted.bytes, watch)? == wanted.sha256
    {
        return Ok(Have::All(wanted.at.clone()));
    }
    if wanted.places().is_empty() {
        return Ok(Have::Nothing);
    }
    let files = wanted.files()?;
    if let Some(file) = files.open(&files.whole, false)? {
        let path = files.path(&files.whole);
        let right = sha256(&file, &path, wanted.bytes, watch)? == wanted.sha256;
        return match right {
            true => Ok(Have::All(path)),
            false => Err(Error::new(ErrorKind::Input, format!("{}: not the plan's snapshot", path.shown()))
                .why("it was received completely, but its SHA-256 has changed")
                .hint("The disk may be failing: check it. Then remove the file; the snapshot is sent again.")),
        };
    }
    Ok(match files.open(&files.part, false)? {
        None => Have::Nothing,
        Some(file) => Have::Part(length(&file, &files.path(&files.part))?.min(wanted.bytes)),
    })
}

/// Removes the received file, complete or in part. Files from elsewhere are not touched.
///
/// # Errors
/// When it cannot be removed.
pub fn forget(wanted: &Wanted) -> Result<()> {
    for files in wanted.places() {
        for name in [&files.whole, &files.part] {
            if files.open(name, false)?.is_some() {
                files.remove(name)?;
            }
        }
    }
    Ok(())
}

/// A snapshot being received.
#[derive(Debug)]
pub struct Incoming {
    wanted: Wanted,
    files: Files,
    file: Locked,
    at: u64,
}

impl Incoming {
    /// Starts or resumes at byte `from`.
    ///
    /// # Errors
    /// When less than that is there, another requorum receives the same, or on a system error.
    pub fn begin(wanted: Wanted, from: u64) -> Result<Incoming> {
        let files = wanted.files()?;
        let path = files.path(&files.part);
        let Some(file) = files.open(&files.part, true)?.map(Locked::new) else {
            return Err(Error::new(ErrorKind::Bug, format!("{}: file was not created", path.shown())));
        };
        if matches!(file.try_take(), Ok(false)) {
            return Err(Error::new(ErrorKind::Failed, format!("{}: already being received", path.shown()))
                .why("another requorum is sending the same snapshot to this host")
                .hint("Wait until it is done."));
        }
        if length(&file, &path)? < from {
            return Err(Error::new(ErrorKind::Failed, format!("{}: file is shorter than before", path.shown()))
                .hint("Try again."));
        }
        let placed = file.set_len(from).and_then(|()| (&*file).seek(SeekFrom::Start(from)));
        placed.map_err(|e| creation_trouble("write", &path, &e))?;
        let missing = wanted.bytes.saturating_sub(from);
        let free = files.dir.free().map_err(|e| io_trouble("look at", &path, &e))?;
        if missing > free && from == 0 {
            files.remove(&files.part)?;
        }
        space::check(&path, free, missing)
            .map_err(|error| error.hint("Free some space there and try again: the bytes already received are kept."))?;
        Ok(Incoming { wanted, files, file, at: from })
    }

    /// Writes the next bytes; returns true if these were the last.
    ///
    /// # Errors
    /// When they are more than the snapshot has, or cannot be written.
    pub fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        let path = &self.files.path(&self.files.part);
        let end = self.at.saturating_add(bytes.len() as u64);
        if end > self.wanted.bytes {
            return Err(Error::new(ErrorKind::Bug, "received more bytes than the snapshot has"));
        }
        (&*self.file).write_all(bytes).map_err(|e| match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::new(ErrorKind::Failed, format!("{}: cannot write", path.shown()))
                    .why(e)
                    .hint("Free some space and try again: the bytes already received are kept.")
                    .fault(Fault::NoSpace)
            }
            _ => creation_trouble("write", path, &e),
        })?;
        self.at = end;
        Ok(end == self.wanted.bytes)
    }

    /// Returns whether all bytes have been received.
    pub fn whole(&self) -> bool {
        self.at == self.wanted.bytes
    }

    /// Returns the number of bytes received.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Verifies the SHA-256 and renames the file; one that does not match is removed.
    ///
    /// # Errors
    /// Fails if `watch` stops it, or on a system error.
    pub fn finish(self, watch: &mut ProgressFn<'_>) -> Result<Have> {
        let files = self.files;
        let part = files.path(&files.part);
        let found = sha256(&self.file, &part, self.wanted.bytes, watch)?;
        if found != self.wanted.sha256 {
            files.remove(&files.part)?;
            return Ok(Have::Wrong(found));
        }
        self.file.sync_all().map_err(|e| io_trouble("make durable", &part, &e))?;
        let renamed = files.dir.rename(&files.part, &files.dir, &files.whole).and_then(|()| files.dir.sync());
        renamed.map_err(|e| io_trouble("rename", &part, &e))?;
        Ok(Have::All(files.path(&files.whole)))
    }
}

fn length(file: &File, path: &Path) -> Result<u64> {
    file.metadata().map(|meta| meta.len()).map_err(|e| io_trouble("look at", path, &e))
}

/// SHA-256 of the whole file, hex; `total` is what it should have, for the progress.
pub fn sha256(mut file: &File, path: &Path, total: u64, watch: &mut ProgressFn<'_>) -> Result<String> {
    let fail = |e: io::Error| io_trouble("read", path, &e);
    file.seek(SeekFrom::Start(0)).map_err(fail)?;
    let (mut sha, mut buffer, mut done) = (Sha256::new(), PageBuffer::new(CHUNK_BYTES), 0u64);
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&sha.finalize())),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(fail(e)),
        };
        sha.update(buffer.get(..n).unwrap_or_default());
        done = done.saturating_add(n as u64);
        step(watch, Phase::Hash, done, total)?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;
    use crate::engine::progress::Flow;

    fn wanted(depot: &Path, bytes: &[u8]) -> Wanted {
        Wanted {
            sha256: hex(&Sha256::digest(bytes)),
            bytes: bytes.len() as u64,
            at: "/nowhere/at/all.db".into(),
            depot: depot.join("not/yet"),
        }
    }

    fn part(wanted: &Wanted) -> PathBuf {
        let files = wanted.files().unwrap();
        files.path(&files.part)
    }

    fn names(dir: &Path) -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_came_stays_when_the_connection_breaks() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = wanted(dir.path(), b"0123456789");
        let watch: &mut ProgressFn<'_> = &mut |_| Flow::Go;
        assert_eq!(look(&snapshot, watch).unwrap(), Have::Nothing);
        let mut first = Incoming::begin(snapshot.clone(), 0).unwrap();
        assert!(!first.take(b"0123").unwrap());
        let second = Incoming::begin(snapshot.clone(), 0).unwrap_err();
        assert_eq!(second.kind, ErrorKind::Failed, "another receives it: {second}");
        drop(first);
        assert_eq!(look(&snapshot, watch).unwrap(), Have::Part(4));
        // It is found again when a member's restore has made a deeper directory meanwhile.
        fs::create_dir(dir.path().join("not")).unwrap();
        assert_eq!(look(&snapshot, watch).unwrap(), Have::Part(4));
        fs::remove_dir(dir.path().join("not")).unwrap();
        let refused = Incoming::begin(snapshot.clone(), 5).unwrap_err();
        let refused = refused.to_string().replace(&dir.path().display().to_string(), "DIR");
        crate::text::messages::hold("agent-upload", &[("from beyond its end", refused)]);
        let mut again = Incoming::begin(snapshot.clone(), 4).unwrap();
        assert!(again.take(b"456789").unwrap() && again.at() == 10);
        assert!(again.take(b"x").is_err(), "more than the snapshot has");
        let Have::All(path) = again.finish(watch).unwrap() else { panic!("it is not whole") };
        assert_eq!((fs::read(&path).unwrap(), names(dir.path()).len()), (b"0123456789".to_vec(), 1));
        assert_eq!(look(&snapshot, watch).unwrap(), Have::All(path.clone()));
        fs::write(&path, b"0123456780").unwrap();
        assert!(
            matches!(look(&snapshot, watch), Err(error) if error.kind == ErrorKind::Input),
            "its SHA-256 is another"
        );
        forget(&snapshot).unwrap();
        assert!(names(dir.path()).is_empty());
    }

    /// What is announced is held against the free space before a byte is taken.
    #[test]
    fn what_does_not_fit_is_not_begun() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [1 << 62, u64::MAX] {
            let snapshot = Wanted { bytes, ..wanted(dir.path(), b"x") };
            let refused = Incoming::begin(snapshot, 0).unwrap_err();
            assert_eq!((refused.kind, refused.fault), (ErrorKind::Failed, Some(Fault::NoSpace)));
            assert!(names(dir.path()).is_empty());
        }
    }

    #[test]
    fn a_wrong_upload_is_removed_a_right_reused() {
        let dir = tempfile::tempdir().unwrap();
        let mut snapshot = wanted(dir.path(), b"right");
        let mut incoming = Incoming::begin(snapshot.clone(), 0).unwrap();
        assert!(incoming.take(b"wrong").unwrap());
        assert!(matches!(incoming.finish(&mut |_| Flow::Go).unwrap(), Have::Wrong(sha) if sha.len() == 64));
        assert!(names(dir.path()).is_empty());
        snapshot.at = dir.path().join("copy.db");
        fs::write(&snapshot.at, b"wrong").unwrap();
        assert_eq!(look(&snapshot, &mut |_| Flow::Go).unwrap(), Have::Nothing);
        fs::write(&snapshot.at, b"right").unwrap();
        assert_eq!(look(&snapshot, &mut |_| Flow::Go).unwrap(), Have::All(snapshot.at.clone()));
        forget(&snapshot).unwrap();
        assert!(snapshot.at.exists(), "what requorum did not make is not removed");
    }

    #[test]
    fn traps_are_not_walked_into() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = wanted(dir.path(), b"right");
        let victim = dir.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        std::os::unix::fs::symlink(&victim, part(&snapshot)).unwrap();
        assert_eq!(Incoming::begin(snapshot.clone(), 0).unwrap_err().kind, ErrorKind::Failed, "a symbolic link");
        assert!(forget(&snapshot).is_err());
        fs::remove_file(part(&snapshot)).unwrap();
        fs::hard_link(&victim, part(&snapshot)).unwrap();
        assert_eq!(
            Incoming::begin(snapshot.clone(), 0).unwrap_err().kind,
            ErrorKind::Failed,
            "a file with a second name"
        );
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        let rude = Wanted { sha256: "../../etc/x".into(), ..snapshot };
        assert_eq!(part(&rude).parent(), Some(dir.path()));
    }
}
