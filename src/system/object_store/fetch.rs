//! Downloads an object into a file: resumed if interrupted, from one state of the object, and only then renamed to its
//! final name.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use hyper::{
    Response,
    body::{Bytes, Incoming},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Store;
use crate::{
    domain::{model::source_ref::ObjectUrl, preflight::space},
    engine::{
        durable_fs::{Dir, Disk, Identity, Trusted, Untrusted},
        install::staging::replaced,
        progress::{Flow, Phase, Progress, ProgressFn},
        source::{creation_trouble, io_trouble},
    },
    error::{Error, ErrorKind, Remedy, Result},
    text::Shown,
};

/// How often a lost connection is reopened without receiving anything.
const TRIES: u32 = 4;
/// How long nothing may be received.
const IDLE: Duration = Duration::from_secs(30);
/// How often stop requests are checked while nothing is received.
const TICK: Duration = Duration::from_millis(200);

/// The object that a `.part` belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct From {
    url: String,
    /// The object's state, as the store names it.
    etag: String,
    bytes: u64,
}

/// The longest state of an object, in bytes.
const ETAG: usize = 1024;
/// The largest note, in bytes.
const NOTE: u64 = 64 << 10;

/// The unfinished file, and the note next to it. Both count only if they are this user's own and no other user may
/// write to them: in a directory that others may write to, any user may have created them.
struct Part {
    dir: Dir,
    name: OsString,
    note: OsString,
    file: File,
    path: PathBuf,
    bytes: u64,
    from: Option<From>,
    /// How often the download was started.
    begun: u32,
}

fn ending(name: &OsString, ending: &str) -> OsString {
    let mut name = name.clone();
    name.push(ending);
    name
}

impl Part {
    /// Creates a new one, or opens that of an earlier download of the same URL.
    fn open(url: &str, into: &Path) -> Result<Part> {
        let (dir, whole) = Disk::default().above(into).map_err(|e| creation_trouble("write", into, &e))?;
        let (name, note) = (ending(&whole, ".part"), ending(&whole, ".part.from"));
        let (path, note_path) = (dir.path().join(&name), dir.path().join(&note));
        let taken = |path: &Path, why: String| {
            Error::new(ErrorKind::Refused, format!("{}: file exists", path.shown()))
                .why(why)
                .hint("Nothing is overwritten. Choose another name, or move that file aside.")
        };
        let strange = |path: &Path, why: Untrusted| taken(path, format!("it {why}"));
        let from: Option<From> = match dir.trusted(&note, false).map_err(|e| io_trouble("read", &note_path, &e))? {
            Trusted::Untrusted(why) => return Err(strange(&note_path, why)),
            Trusted::Absent => None,
            Trusted::Ours(file) => {
                let mut text = Vec::new();
                file.take(NOTE).read_to_end(&mut text).map_err(|e| io_trouble("read", &note_path, &e))?;
                serde_json::from_slice(&text).ok()
            }
        };
        let exists = match dir.entry_metadata(&name).map_err(|e| io_trouble("read", &path, &e))? {
            None => false,
            Some(_) if from.as_ref().is_some_and(|from| from.url == url) => true,
            // nothing was received yet: a download that ended before its first byte
            Some(meta) if meta.is_file() && meta.len() == 0 => false,
            Some(_) => return Err(taken(&path, format!("it is not an unfinished download of {url}"))),
        };
        let file = match dir.trusted_or_new(&name).map_err(|e| creation_trouble("write", &path, &e))? {
            Trusted::Ours(file) => file,
            Trusted::Untrusted(why) => return Err(strange(&path, why)),
            Trusted::Absent => return Err(creation_trouble("write", &path, &io::ErrorKind::NotFound.into())),
        };
        let bytes = file.metadata().map_err(|e| io_trouble("read", &path, &e))?.len();
        Ok(Part { dir, name, note, file, path, bytes, from: from.filter(|_| exists && bytes > 0), begun: 0 })
    }

    /// Starts over, with another state of the object.
    ///
    /// # Errors
    /// When it cannot be written, or was started too often: a store may report another object each time.
    fn begin(&mut self, from: From) -> Result<()> {
        self.begun += 1;
        if self.begun > TRIES {
            return Err(Error::new(ErrorKind::Input, format!("{}: cannot be downloaded", from.url))
                .why(format!(
                    "it was started {TRIES} times: the object changes each time, or the store sends no part of it"
                ))
                .hint("Check whether it is being written to, and use one that is not."));
        }
        if from.etag.len() > ETAG {
            return Err(Error::new(ErrorKind::Input, format!("{}: cannot be downloaded", from.url))
                .why(format!("its ETag has {} bytes, which is too long", from.etag.len())));
        }
        self.file.set_len(0).map_err(|e| creation_trouble("write", &self.path, &e))?;
        self.bytes = 0;
        let text = serde_json::to_vec(&from).unwrap_or_default();
        if let Ok(Trusted::Ours(_)) = self.dir.trusted(&self.note, false) {
            let _ = self.dir.remove_file(&self.note);
        }
        let path = self.dir.path().join(&self.note);
        self.dir.write_new(&self.note, &text, 0o600).map_err(|e| creation_trouble("write", &path, &e))?;
        self.from = Some(from);
        Ok(())
    }

    fn write(&mut self, bytes: &Bytes) -> Result<()> {
        self.file.write_all_at(bytes, self.bytes).map_err(|e| creation_trouble("write", &self.path, &e))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Compares the rest of the object with the free space.
    fn has_room(&self, bytes: u64) -> Result<()> {
        let free = self.dir.free().map_err(|e| io_trouble("look at", self.dir.path(), &e))?;
        space::check(&self.path, free, bytes)
            .map_err(|error| error.hint("Free some space there, or download it to another filesystem."))
    }

    /// Renames it to its final name, never over another file.
    fn place(self, into: &Path) -> Result<u64> {
        self.file.sync_all().map_err(|e| creation_trouble("write", &self.path, &e))?;
        let own = self.file.metadata().map_err(|e| io_trouble("read", &self.path, &e))?;
        let name = into.file_name().unwrap_or_default();
        self.dir.rename(&self.name, &self.dir, name).map_err(|e| io_trouble("put in place", into, &e))?;
        if !self.dir.is(name, Identity::from_metadata(&own)) {
            return Err(replaced(into));
        }
        let _ = self.dir.remove_file(&self.note);
        self.dir.sync().map_err(|e| io_trouble("make durable", self.dir.path(), &e))?;
        // The directory is held by its handle. Does its path still lead there?
        let led = Disk::default().above(into).is_ok_and(|(dir, name)| dir.is(name, Identity::from_metadata(&own)));
        if led { Ok(self.bytes) } else { Err(replaced(into)) }
    }

    fn remove(&self) {
        let _ = self.dir.remove_file(&self.name).and_then(|()| self.dir.remove_file(&self.note));
    }
}

/// See [`Store::fetch`].
pub(super) async fn fetch(store: &Store, url: &ObjectUrl, into: &Path, watch: &mut ProgressFn<'_>) -> Result<u64> {
    let (name, key) = url.parts()?;
    let url = url.as_str();
    if key.is_empty() || key.ends_with('/') {
        return Err(Error::new(ErrorKind::Usage, format!("{url}: not a single object"))
            .remedies(&[Remedy::ListObjects { url: Some(url.to_string()) }]));
    }
    if into.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorKind::Refused, format!("{}: file exists", into.shown()))
            .hint("Nothing is overwritten. Choose another name, or move that file aside."));
    }
    let bucket = store.bucket(name)?;
    let mut part = Part::open(url, into)?;
    let mut tries = 0;
    loop {
        let before = part.bytes;
        let at = Progress {
            phase: Phase::Receive,
            done: part.bytes,
            total: part.from.as_ref().map_or(0, |from| from.bytes),
        };
        let asked = watched(ask(store, &bucket, key, url, &mut part), at, watch).await;
        let outcome = match asked {
            Ok(Some(answer)) => receive(answer, &mut part, watch).await,
            // the object has changed: from the beginning
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        let whole = part.from.as_ref().is_some_and(|from| from.bytes == part.bytes);
        match outcome {
            Ok(()) if whole => return part.place(into),
            Err(error) if error.kind != ErrorKind::NoAnswer => {
                return Err(kept(error, &part));
            }
            Ok(()) | Err(_) => {
                tries = if part.bytes > before { 0 } else { tries + 1 };
                if tries >= TRIES {
                    let lost = Error::new(
                        ErrorKind::NoAnswer,
                        format!("{url}: download interrupted after {}", crate::text::size::byte_count(part.bytes)),
                    );
                    return Err(kept(outcome.err().map_or(lost.clone(), |t| lost.why(t.why)), &part));
                }
            }
        }
    }
}

/// Waits for an answer, which a store may never send, as long as no stop is requested.
async fn watched<T>(work: impl Future<Output = Result<T>>, at: Progress, watch: &mut ProgressFn<'_>) -> Result<T> {
    let mut work = std::pin::pin!(work);
    loop {
        if watch(at) == Flow::Stop {
            return Err(stopped());
        }
        if let Ok(done) = timeout(TICK, &mut work).await {
            return done;
        }
    }
}

fn stopped() -> Error {
    Error::new(ErrorKind::Stopped, "download stopped on request")
}

/// Adds to the hint what stays for the next time, if anything.
fn kept(error: Error, part: &Part) -> Error {
    if part.bytes == 0 {
        part.remove();
        return error;
    }
    let hint = format!(
        "{} in {}; run the same command again to resume.",
        crate::text::number::count(part.bytes, "byte stays", "bytes stay"),
        part.path.shown()
    );
    Error { hint: if error.hint.is_empty() { hint } else { format!("{}\n  {hint}", error.hint) }, ..error }
}

/// Requests what is missing. `None` if the unfinished file is of another state of the object.
async fn ask(
    store: &Store,
    bucket: &rusty_s3::Bucket,
    key: &str,
    url: &str,
    part: &mut Part,
) -> Result<Option<Response<Incoming>>> {
    let action = bucket.get_object(None, key);
    let range = format!("bytes={}-", part.bytes);
    let begun = part.from.clone();
    if begun.as_ref().is_some_and(|from| from.bytes == part.bytes) {
        // Everything is there, only the name is missing: one byte shows that the object has not changed.
        part.bytes = part.bytes.saturating_sub(1);
        part.file.set_len(part.bytes).map_err(|e| creation_trouble("write", &part.path, &e))?;
        return Box::pin(ask(store, bucket, key, url, part)).await;
    }
    let headers: Vec<(&str, &str)> = match &begun {
        Some(from) => vec![("range", &range), ("if-match", &from.etag)],
        None => Vec::new(),
    };
    let answer = store.get(&action, &headers, url).await?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let etag = header("etag").to_string();
    match (answer.status().as_u16(), begun) {
        (412 | 416, Some(_)) => {
            part.from = None;
            part.file.set_len(0).map_err(|e| creation_trouble("write", &part.path, &e))?;
            part.bytes = 0;
            Ok(None)
        }
        (206, Some(from)) => {
            let expected = format!("bytes {}-{}/{}", part.bytes, from.bytes - 1, from.bytes);
            if header("content-range") != expected || etag != from.etag {
                return Err(Error::new(ErrorKind::Input, format!("{url}: cannot resume the download"))
                    .why(format!("the store sends {:?} instead of {expected:?}", header("content-range")))
                    .hint(format!("Remove {} and start again.", part.path.shown())));
            }
            part.has_room(from.bytes.saturating_sub(part.bytes))?;
            Ok(Some(answer))
        }
        (200, _) => {
            let bytes = header("content-length").parse().map_err(|_| {
                Error::new(ErrorKind::Input, format!("{url}: cannot be downloaded"))
                    .why("the store does not report its length")
            })?;
            part.begin(From { url: url.into(), etag, bytes })?;
            part.has_room(bytes)?;
            Ok(Some(answer))
        }
        (status, _) => Err(Error::new(ErrorKind::Input, format!("{url}: cannot be downloaded"))
            .why(format!("the store says {status}"))),
    }
}

/// Writes what is received.
async fn receive(answer: Response<Incoming>, part: &mut Part, watch: &mut ProgressFn<'_>) -> Result<()> {
    let mut body = answer.into_body();
    let total = part.from.as_ref().map_or(0, |from| from.bytes);
    let mut last = Instant::now();
    loop {
        if watch(Progress { phase: Phase::Receive, done: part.bytes, total }) == Flow::Stop {
            return Err(stopped());
        }
        let frame = match timeout(TICK, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(()),
            Ok(Some(Err(e))) => return Err(Error::new(ErrorKind::NoAnswer, "the connection was lost").why(e)),
            Err(_) if last.elapsed() < IDLE => continue,
            Err(_) => return Err(Error::new(ErrorKind::NoAnswer, "the download stalled").why("no data for 30 s")),
        };
        last = Instant::now();
        if let Some(bytes) = frame.data_ref() {
            if part.bytes + bytes.len() as u64 > total {
                return Err(Error::new(ErrorKind::Input, "the store sends more bytes than the object has"));
            }
            part.write(bytes)?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        fs,
        os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    };

    use super::*;

    const URL: &str = "s3://backups/a.db";
    const EVE: u32 = 61_234;

    fn note(url: &str) -> String {
        serde_json::to_string(&From { url: url.into(), etag: "\"e\"".into(), bytes: 9 }).unwrap()
    }

    /// What is in a directory: names, owners, modes, targets of links, content of files.
    fn all(dir: &Path) -> Vec<String> {
        let mut all: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let meta = path.symlink_metadata().unwrap();
                let text = if meta.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
                let link = fs::read_link(&path).ok();
                format!("{} {} {:o} {} {link:?} {text}", path.display(), meta.uid(), meta.mode(), meta.nlink())
            })
            .collect();
        all.sort();
        all
    }

    /// What has the name of a part or of its note and could be somebody else's is not taken, and nothing is changed.
    #[test]
    fn parts_others_may_have_planted_are_not_used() {
        type Plant = fn(&Path, &str);
        let plants: [(&str, bool, Plant); 7] = [
            ("link", false, |path, text| {
                let victim = path.parent().unwrap().join("victim");
                fs::write(&victim, text).unwrap();
                symlink(&victim, path).unwrap();
            }),
            ("link to nothing", false, |path, _| symlink(path.with_file_name("nowhere"), path).unwrap()),
            ("second name", false, |path, text| {
                let victim = path.parent().unwrap().join("victim");
                fs::write(&victim, text).unwrap();
                fs::hard_link(&victim, path).unwrap();
            }),
            ("pipe", false, |path, _| {
                rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
            }),
            ("directory", false, |path, _| fs::create_dir(path).unwrap()),
            ("open to all", false, |path, text| {
                fs::write(path, text).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
            }),
            ("another user's", true, |path, text| {
                fs::write(path, text).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
                chown(path, Some(EVE), Some(EVE)).unwrap();
            }),
        ];
        for (what, root, plant) in plants {
            if root && !rustix::process::geteuid().is_root() {
                continue;
            }
            for as_note in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let (part, from) = (dir.path().join("a.db.part"), dir.path().join("a.db.part.from"));
                match as_note {
                    true => {
                        fs::write(&part, "begun").unwrap();
                        fs::set_permissions(&part, fs::Permissions::from_mode(0o600)).unwrap();
                        plant(&from, &note(URL));
                    }
                    false => {
                        fs::write(&from, note(URL)).unwrap();
                        fs::set_permissions(&from, fs::Permissions::from_mode(0o600)).unwrap();
                        plant(&part, "begun");
                    }
                }
                let before = all(dir.path());
                let opened = Part::open(URL, &dir.path().join("a.db")).map(|part| part.bytes);
                assert_eq!(opened.map_err(|error| error.kind), Err(ErrorKind::Refused), "{what}, as note: {as_note}");
                assert_eq!(all(dir.path()), before, "{what}, as note: {as_note}");
            }
        }
    }

    /// Our own is gone on with, a foreign directory around it or not; another URL's is not.
    #[test]
    fn our_own_part_is_gone_on_with() {
        for (url, bytes) in [(URL, Ok(5)), ("s3://backups/b.db", Err(ErrorKind::Refused))] {
            let dir = tempfile::tempdir().unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
            for (name, text) in [("a.db.part", "begun"), ("a.db.part.from", &note(url))] {
                fs::write(dir.path().join(name), text).unwrap();
                fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
            }
            let opened = Part::open(URL, &dir.path().join("a.db")).map(|part| part.bytes);
            assert_eq!(opened.map_err(|error| error.kind), bytes, "{url}");
        }
    }

    /// A store that has another object each time, or that names its state by a text without end, leads nowhere.
    #[test]
    fn a_download_is_not_begun_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = Part::open(URL, &dir.path().join("a.db")).unwrap();
        let from = |etag: &str| From { url: URL.into(), etag: etag.into(), bytes: 9 };
        assert_eq!(part.begin(from(&"e".repeat(ETAG + 1))).unwrap_err().kind, ErrorKind::Input);
        let begun = (0..20).take_while(|n| part.begin(from(&format!("{n}"))).is_ok()).count();
        assert!(begun as u32 <= TRIES);
    }

    /// What was exchanged while it came is not said to be fetched, and nothing is written through it.
    #[test]
    fn an_exchange_meanwhile_shows() {
        let dir = tempfile::tempdir().unwrap();
        let (into, victim) = (dir.path().join("a.db"), dir.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        let mut part = Part::open(URL, &into).unwrap();
        part.begin(From { url: URL.into(), etag: "\"e\"".into(), bytes: 5 }).unwrap();
        fs::rename(dir.path().join("a.db.part"), dir.path().join("away")).unwrap();
        symlink(&victim, dir.path().join("a.db.part")).unwrap();
        part.write(&Bytes::from_static(b"whole")).unwrap();
        assert!(part.place(&into).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(fs::read_to_string(dir.path().join("away")).unwrap(), "whole");
    }
}
