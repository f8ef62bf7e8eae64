//! Streams a snapshot from a member into a new file: counted, hashed, synced, and only then renamed to its
//! final name.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use etcd_client::SnapshotStreaming;
use rustix::fs::fstatvfs;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::{
    CallError, Members, NoToken, answered, client,
    connection::{Connection, DATABASE, Target},
    errors,
};
use crate::{
    bbolt::View,
    domain::preflight::space,
    engine::{
        durable_fs::{Dir, Disk, Identity, free_bytes},
        install::staging::replaced,
        progress::{Flow, Phase, Progress, ProgressFn},
    },
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// Bytes of the SHA-256 that ends every saved snapshot.
pub(super) const TRAILER: u64 = 32;

/// How often stop requests are checked while nothing is received.
const TICK: Duration = Duration::from_millis(200);

/// See [`Members::save_snapshot`].
pub(super) async fn save(members: &Members, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<u64> {
    // checked before anything is asked; the rename at the end is what makes it safe
    if into.symlink_metadata().is_ok() {
        return Err(exists(into));
    }
    let Opened { target, line, token, mut stream } = watched(open(members, endpoint), watch).await?;
    let refused = |refusal| no_snapshot(endpoint, refusal);

    let mut part = Part::create(into)?;
    let bytes = match receive(members, endpoint, &mut stream, &mut part, watch).await {
        Ok(bytes) => bytes,
        Err(Cut::Trouble(error)) => return Err(error),
        Err(Cut::Miss(miss)) if miss.is_auth() => return Err(not_root(endpoint, &miss, token)),
        Err(Cut::Miss(miss)) if part.bytes == 0 => return Err(refused(members.silence(&target, &line, miss).await)),
        Err(Cut::Miss(miss)) => {
            return Err(Error::new(
                ErrorKind::Failed,
                format!("{endpoint}: snapshot interrupted after {}", crate::text::size::byte_count(part.bytes)),
            )
            .why(miss.words())
            .hint("What was received is removed. See the member's log and try again, or use another member."));
        }
    };
    part.place(into)?;
    Ok(bytes)
}

fn no_snapshot(endpoint: &str, refusal: errors::ConnectError) -> Error {
    Error::new(ErrorKind::NoAnswer, format!("{endpoint}: no snapshot: {}", refusal.why)).hint(refusal.details)
}

/// A member that has started to send.
struct Opened {
    target: Target,
    line: Connection,
    /// Why there is no token, where one was wanted.
    token: Option<NoToken>,
    stream: SnapshotStreaming,
}

/// Waits, as long as no stop is requested.
async fn watched<T>(work: impl Future<Output = Result<T>>, watch: &mut ProgressFn<'_>) -> Result<T> {
    let mut work = std::pin::pin!(work);
    loop {
        step(watch, 0, 0)?;
        if let Ok(done) = timeout(TICK, &mut work).await {
            return done;
        }
    }
}

async fn open(members: &Members, endpoint: &str) -> Result<Opened> {
    let refused = |refusal| no_snapshot(endpoint, refusal);
    let (target, line) = members.dial(endpoint, DATABASE).await.map_err(refused)?;
    let mut client = client(&line, false).await.map_err(refused)?;
    let token = members.authenticate_if_led(&line, &mut client).await;
    let token = token.err();
    // the head of the answer is received when the member starts to send, which a large database may delay
    match answered(members.connect.idle_timeout, client.maintenance_client().snapshot()).await {
        Ok(stream) => Ok(Opened { target, line, token, stream }),
        Err(miss) if miss.is_auth() => Err(not_root(endpoint, &miss, token)),
        Err(miss) => Err(refused(members.silence(&target, &line, miss).await)),
    }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Refused, format!("{}: file exists", path.shown()))
        .hint("Nothing is overwritten. Choose another name, or move that file aside.")
}

fn not_root(endpoint: &str, miss: &CallError, token: Option<NoToken>) -> Error {
    let why = match token {
        Some(token) => format!("{}; no token for the given user: {}", miss.words(), token.words()),
        None => miss.words().into(),
    };
    Error::new(ErrorKind::Failed, format!("{endpoint}: no snapshot: authentication is enabled, root is required"))
        .why(why)
        .hint(
            "Give --user root and its password; a token needs quorum, though. Without quorum a client certificate \
             with CN root works if --client-cert-auth is on; else stop the member and use its file \
             member/snap/db, which has no checksum.",
        )
}

enum Cut {
    /// A complete error.
    Trouble(Error),
    /// The stream's own error.
    Miss(CallError),
}

/// Receives everything into `part` and verifies it; returns the bytes written.
async fn receive(
    members: &Members,
    endpoint: &str,
    stream: &mut SnapshotStreaming,
    part: &mut Part,
    watch: &mut ProgressFn<'_>,
) -> std::result::Result<u64, Cut> {
    let mut sum = Sum::default();
    let mut total = None;
    let (mut last, idle) = (Instant::now(), members.connect.idle_timeout);
    loop {
        let message = match timeout(TICK.min(idle), stream.message()).await {
            Ok(Ok(Some(message))) => message,
            Ok(Ok(None)) => break,
            Ok(Err(etcd_client::Error::GRpcStatus(status))) => return Err(Cut::Miss(CallError::Status(status))),
            Ok(Err(other)) => return Err(Cut::Miss(CallError::Other(other.to_string().into()))),
            Err(_) if last.elapsed() >= idle => return Err(Cut::Miss(CallError::Late(idle))),
            Err(_) => {
                step(watch, part.bytes, total.unwrap_or_default()).map_err(Cut::Trouble)?;
                continue;
            }
        };
        let blob = message.blob();
        let expected = match total {
            Some(expected) => expected,
            None => {
                let announced = message.remaining_bytes().saturating_add(blob.len() as u64).saturating_add(TRAILER);
                part.has_room(announced).map_err(Cut::Trouble)?;
                *total.insert(announced)
            }
        };
        // with every message, so that a stop takes effect before another byte is written
        step(watch, part.bytes, expected).map_err(Cut::Trouble)?;
        // messages without bytes count as silence, however many they are
        match blob.is_empty() {
            false => last = Instant::now(),
            true if last.elapsed() >= idle => return Err(Cut::Miss(CallError::Late(idle))),
            true => continue,
        }
        if part.bytes.saturating_add(blob.len() as u64) > expected {
            return Err(Cut::Trouble(wrong(
                endpoint,
                format!(
                    "{} announced, but more were received",
                    crate::text::number::count(expected, "byte was", "bytes were")
                ),
            )));
        }
        part.write(blob).map_err(Cut::Trouble)?;
        sum.add(blob);
    }
    let expected = total.unwrap_or_default();
    if part.bytes != expected || part.bytes <= TRAILER {
        return Err(Cut::Trouble(wrong(
            endpoint,
            format!(
                "{} announced, but {} received",
                crate::text::number::count(expected, "byte was", "bytes were"),
                crate::text::number::thousands(part.bytes)
            ),
        )));
    }
    if !sum.matches() {
        return Err(Cut::Trouble(wrong(
            endpoint,
            "its SHA-256 does not match: it was damaged in transfer or in the member".to_owned(),
        )));
    }
    step(watch, part.bytes, expected).map_err(Cut::Trouble)?;
    part.is_database(endpoint).map_err(Cut::Trouble)?;
    Ok(part.bytes)
}

fn wrong(endpoint: &str, why: String) -> Error {
    Error::new(ErrorKind::Input, format!("{endpoint}: the snapshot is incomplete or damaged"))
        .why(why)
        .hint("What was received is removed. Try again, or use another member.")
}

fn step(watch: &mut ProgressFn<'_>, done: u64, total: u64) -> Result<()> {
    match watch(Progress { phase: Phase::Receive, done, total }) {
        Flow::Go => Ok(()),
        Flow::Stop => {
            Err(Error::new(ErrorKind::Stopped, "snapshot stopped on request").hint("What was received is removed."))
        }
    }
}

/// Computes the SHA-256 of all but the last 32 bytes, which are held back as the trailer.
#[derive(Default)]
pub(super) struct Sum {
    hash: Sha256,
    tail: Vec<u8>,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let sure = self.tail.len().saturating_sub(TRAILER as usize);
        self.hash.update(self.tail.get(..sure).unwrap_or_default());
        self.tail.drain(..sure);
    }

    pub(super) fn matches(self) -> bool {
        self.hash.finalize().as_slice() == self.tail.as_slice()
    }
}

/// The unfinished file; removed when it is dropped before it was renamed. Its directory is kept open: another user who
/// may write around it could replace the directory, or put a link there, meanwhile.
struct Part {
    dir: Dir,
    name: OsString,
    path: PathBuf,
    file: File,
    bytes: u64,
    placed: bool,
}

impl Part {
    fn create(into: &Path) -> Result<Self> {
        let mut name = into.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        let path = into.with_file_name(&name);
        // locked while it is created: one that is abandoned meanwhile would not be recorded
        let mut under_way = under_way();
        // never over an existing file, not even one of an earlier attempt
        let made = Disk::default().above(into).and_then(|(dir, _)| Ok((dir.create(&name, 0o600)?.into_file(), dir)));
        match made {
            Ok((file, dir)) => {
                if let Ok(meta) = file.metadata() {
                    under_way.push((path.clone(), dir.clone(), Identity::from_metadata(&meta)));
                }
                Ok(Part { dir, name, path, file, bytes: 0, placed: false })
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::new(ErrorKind::Refused, format!("{}: file exists", path.shown())).hint(
                    "Another save is writing it, or an earlier one was killed. If none is running, remove it or \
                     choose another name.",
                ))
            }
            Err(e) => {
                let error = Error::new(ErrorKind::Failed, format!("{}: cannot be created", path.shown())).why(e);
                let missing = path.parent().filter(|dir| !dir.as_os_str().is_empty() && !dir.exists());
                Err(match missing.and_then(|dir| Some((dir, dir.ancestors().find(|above| above.is_dir())?))) {
                    Some((dir, above)) => error.hint(format!(
                        "The directory {} does not exist; the nearest existing one is {}.",
                        dir.shown(),
                        above.shown()
                    )),
                    None => error,
                })
            }
        }
    }

    /// Compares the announced size with the free space.
    fn has_room(&self, announced: u64) -> Result<()> {
        let place = || self.path.parent().unwrap_or(Path::new(".")).shown();
        let stat = fstatvfs(&self.file).map_err(|e| self.error(&e.into()))?;
        space::check(&self.path, free_bytes(&stat), announced)
            .map_err(|error| error.hint(format!("Free some space in {}, or save to another filesystem.", place())))
    }

    /// Opens what was received as a database. The hash only shows that it arrived as the member sent it.
    fn is_database(&self, endpoint: &str) -> Result<()> {
        let file = self.file.try_clone().map_err(|e| self.error(&e))?;
        match View::open(file) {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::new(ErrorKind::Input, format!("{endpoint}: the snapshot is not a database"))
                .why(error)
                .hint("What was received is removed. Use another member.")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| self.error(&e))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn error(&self, error: &io::Error) -> Error {
        let failed = Error::new(
            ErrorKind::Failed,
            format!(
                "{}: writing the snapshot failed after {}",
                self.path.shown(),
                crate::text::size::byte_count(self.bytes)
            ),
        );
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => failed
                .why("no space left on device")
                .hint("What was written is removed. A snapshot needs as much space as the member's DB size.")
                .fault(Fault::NoSpace),
            _ => failed.why(error).hint("What was written is removed."),
        }
    }

    /// Syncs it, renames it to `into` (never over an existing file), and syncs the rename.
    fn place(mut self, into: &Path) -> Result<()> {
        self.file.sync_all().map_err(|e| self.error(&e))?;
        let own = self.file.metadata().map_err(|e| self.error(&e))?;
        let name = into.file_name().unwrap_or_default();
        match self.dir.rename(&self.name, &self.dir, name) {
            Ok(()) => self.placed = true,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(exists(into)),
            Err(e) => return Err(self.error(&e)),
        }
        self.dir.sync().map_err(|e| {
            let dir = self.dir.path().shown();
            Error::new(ErrorKind::Failed, format!("{}: saved, but {dir} could not be synced", into.shown())).why(e)
        })?;
        // The directory is held by its handle. Does its path still lead there, and the name to what was saved?
        let led = Disk::default().above(into).is_ok_and(|(dir, name)| dir.is(name, Identity::from_metadata(&own)));
        if led { Ok(()) } else { Err(replaced(into)) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed {
            // nothing better can be done here; the name shows what it is
            let own = self.file.metadata().map(|meta| Identity::from_metadata(&meta));
            if own.is_ok_and(|own| self.dir.is(&self.name, own)) {
                let _ = self.dir.remove_file(&self.name);
            }
        }
        under_way().retain(|(path, ..)| *path != self.path);
    }
}

/// An unfinished file: its path, its directory, and what distinguishes it from every other file.
type UnderWay = (PathBuf, Dir, Identity);

/// The unfinished files of this process, for [`abandon`].
static UNDER_WAY: Mutex<Vec<UnderWay>> = Mutex::new(Vec::new());

fn under_way() -> MutexGuard<'static, Vec<UnderWay>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the unfinished snapshots of this process: for an exit that does not wait for a safe point, as the
/// next save is refused while one exists. A file that took its place by now stays. No further unfinished file can be
/// created in this process after that.
pub fn abandon() {
    let mut parts = under_way();
    remove(&parts);
    parts.clear();
    std::mem::forget(parts);
}

fn remove(parts: &[UnderWay]) {
    for (path, dir, identity) in parts {
        let name = path.file_name().unwrap_or_default();
        if dir.is(name, *identity) {
            let _ = dir.remove_file(name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn only_an_abandoned_part_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("x.db");
        let part = Part::create(&into).unwrap();
        let listed = || under_way().iter().filter(|(path, ..)| *path == part.path).cloned().collect::<Vec<_>>();
        let known = listed();
        assert_eq!(known.len(), 1);
        // another file has its name by now, or a link
        fs::rename(&part.path, dir.path().join("aside")).unwrap();
        fs::write(&part.path, "mine").unwrap();
        remove(&known);
        assert_eq!(fs::read_to_string(&part.path).unwrap(), "mine");
        fs::remove_file(&part.path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("aside"), &part.path).unwrap();
        remove(&known);
        assert!(part.path.is_symlink());
        // it is still there
        fs::rename(dir.path().join("aside"), &part.path).unwrap();
        remove(&known);
        assert!(!part.path.exists());
        let path = part.path.clone();
        drop(part);
        assert!(!under_way().iter().any(|(other, ..)| *other == path), "a save that ended is none under way");
    }

    /// Whoever may write around the directory puts a link in its place while the snapshot comes in.
    #[test]
    fn a_directory_that_is_exchanged_meanwhile_leads_nowhere() {
        for placed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            fs::create_dir(at("hers")).unwrap();
            fs::create_dir(at("roots")).unwrap();
            fs::write(at("roots/x.db.part"), "another save").unwrap();
            let part = Part::create(&at("hers/x.db")).unwrap();
            fs::rename(at("hers"), at("away")).unwrap();
            std::os::unix::fs::symlink(at("roots"), at("hers")).unwrap();
            if placed {
                assert_eq!(part.place(&at("hers/x.db")).unwrap_err().kind, ErrorKind::Failed);
                assert!(at("away/x.db").exists());
            } else {
                drop(part);
                assert!(!at("away/x.db.part").exists());
            }
            assert_eq!(fs::read_to_string(at("roots/x.db.part")).unwrap(), "another save");
            assert!(!at("roots/x.db").exists());
        }
    }
}
