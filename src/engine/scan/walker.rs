//! One read of a whole file that computes its checksums and scans its rows in parallel, at the speed of the disk.
//!
//! A thread reads the file from start to end with readahead, a second one hashes what it read. Meanwhile the caller's
//! thread follows the trees through the same file and finds its pages in the page cache; where it would get ahead of
//! the reader it waits, so that the disk reads sequentially.

use std::{
    io,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread,
};

use super::row_scan::{RowScan, ScanError, inspect};
use crate::engine::{
    progress::{Phase, ProgressFn},
    source::{Body, Digest, PIECE_BYTES, Source, Sums, io_trouble, step, trailer::Sealer},
};
use crate::{
    bbolt::{PageBuffer, ReadAt, View},
    error::{Error, ErrorKind, Result},
};

/// The most pieces that are read and not yet hashed.
const BUFFERS: usize = 4;
/// Pieces that are requested from the disk ahead of the reader.
const AHEAD: u64 = 32;

/// Reads `source` once and returns its checksums and the result of its scan. The checksums of its
/// blocks are left out unless `blocks` is set.
///
/// # Errors
/// As [`Source::digest`] and [`Source::view`]; damage is in the second part of the result.
pub fn scan(
    source: &Source,
    blocks: bool,
    watch: &mut ProgressFn<'_>,
) -> Result<(Digest, std::result::Result<RowScan, ScanError>)> {
    let (front, body) = (Front::default(), source.body());
    let (full, to_hash) = sync_channel(BUFFERS);
    let (empty, to_fill) = channel();
    let (hashed, progress) = channel();
    let no_thread = |e| Error::new(ErrorKind::Failed, "cannot start a thread").why(e);
    thread::scope(|scope| {
        let reader = Reader { source, blocks, front: &front, to: Some((to_fill, full)) };
        let begun = thread::Builder::new().spawn_scoped(scope, move || reader.run()).map_err(no_thread)?;
        let hashing = thread::Builder::new().spawn_scoped(scope, move || hash(source, &to_hash, &empty, &hashed));
        let walked = hashing.map_err(no_thread).and_then(|hashing| {
            let view = View::open(Paced { body: &body, front: &front }).map_err(|e| source.damaged(&e))?;
            let walk = match inspect(&view, watch) {
                Err(ScanError::Stopped(trouble)) => return Err(trouble),
                walk => walk,
            };
            follow(source, &progress, watch)?;
            Ok((hashing, walk))
        });
        if walked.is_err() {
            front.stopped.store(true, Ordering::Relaxed);
        }
        let broken = |_| Error::new(ErrorKind::Bug, "the thread that reads the file ended early");
        let blocks = begun.join().map_err(broken)?;
        let (hashing, walk) = walked?;
        let digest = hashing.join().map_err(broken)??;
        Ok((Digest { blocks, ..digest }, walk))
    })
}

/// As [`scan`], without any checksum of the file.
///
/// # Errors
/// As [`Source::view`]; damage is in the inner result.
pub fn walk_through(source: &Source, watch: &mut ProgressFn<'_>) -> Result<std::result::Result<RowScan, ScanError>> {
    let (front, body) = (Front::default(), source.body());
    thread::scope(|scope| {
        let reader = Reader { source, blocks: false, front: &front, to: None };
        let reading = thread::Builder::new().spawn_scoped(scope, move || reader.run());
        reading.map_err(|e| Error::new(ErrorKind::Failed, "cannot start a thread").why(e))?;
        let view = View::open(Paced { body: &body, front: &front }).map_err(|e| source.damaged(&e));
        let walk = view.map(|view| inspect(&view, watch));
        front.stopped.store(true, Ordering::Relaxed);
        match walk? {
            Err(ScanError::Stopped(trouble)) => Err(trouble),
            walk => Ok(walk),
        }
    })
}

/// Reports the progress of the hash until it is complete.
fn follow(source: &Source, progress: &Receiver<u64>, watch: &mut ProgressFn<'_>) -> Result<()> {
    while let Ok(done) = progress.recv() {
        let done = progress.try_iter().last().unwrap_or(done);
        step(watch, Phase::Hash, done, source.body_bytes())?;
    }
    Ok(())
}

/// A piece of the file, or why it cannot be read.
type Piece = io::Result<PageBuffer>;

/// Reads the file from start to end.
struct Reader<'s> {
    source: &'s Source,
    blocks: bool,
    front: &'s Front,
    /// Where memory comes from and where it goes, filled; none if it is enough that the file is in the page cache.
    to: Option<(Receiver<PageBuffer>, SyncSender<Piece>)>,
}

impl Reader<'_> {
    /// Returns the checksums of the blocks if they are requested. Ends early if the hash did, or on a stop.
    fn run(self) -> Vec<u32> {
        let _opened = Opened(self.front);
        let (body, total, size) = (self.source.body(), self.source.body_bytes(), PIECE_BYTES as u64);
        let mut sums = Sums::default();
        body.will_need(0, size.saturating_mul(AHEAD));
        let (mut made, mut offset) = (0usize, 0u64);
        while offset < total && !self.front.stopped.load(Ordering::Relaxed) {
            body.will_need(offset.saturating_add(size.saturating_mul(AHEAD)), size);
            let Some((empty, full)) = &self.to else {
                // Only for the walk, which reads the pages itself: once the last byte is in the page cache, all are on their way.
                offset = offset.saturating_add(size).min(total);
                let read = body.read_exact_at(&mut [0], offset.saturating_sub(1));
                self.front.advance(offset);
                if read.is_err() {
                    break;
                }
                continue;
            };
            let used = if made < BUFFERS { empty.try_recv().ok() } else { empty.recv().ok() };
            made = made.saturating_add(used.is_none().into());
            let mut piece: PageBuffer = used.unwrap_or_default();
            piece.reset(total.saturating_sub(offset).min(size) as usize);
            let read = body.read_exact_at(&mut piece, offset);
            let (failed, from) = (read.is_err(), offset);
            offset = offset.saturating_add(piece.len() as u64);
            self.front.advance(offset);
            if self.blocks {
                sums.add(from, &piece);
            }
            if full.send(read.map(|()| piece)).is_err() || failed {
                break;
            }
        }
        sums.0
    }
}

/// Hashes what the reader sends, and hands the memory back to it.
fn hash(source: &Source, full: &Receiver<Piece>, empty: &Sender<PageBuffer>, hashed: &Sender<u64>) -> Result<Digest> {
    let mut sealer = Sealer::new(source);
    let mut done = 0u64;
    while let Ok(piece) = full.recv() {
        let piece = piece.map_err(|e| io_trouble("read", &source.path, &e))?;
        sealer.update(&piece);
        done = done.saturating_add(piece.len() as u64);
        // Either side may be gone: the reader at the end of the file, the receiver after a stop.
        let _ = (empty.send(piece), hashed.send(done));
    }
    sealer.finish()
}

/// The position of the reader.
#[derive(Default)]
struct Front {
    read: AtomicU64,
    /// The reader has ended: nothing has to wait for it.
    open: AtomicBool,
    /// The reader is to stop.
    stopped: AtomicBool,
    /// Bytes that were read ahead of the reader.
    leapt: Mutex<u64>,
    moved: Condvar,
}

impl Front {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.leapt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn advance(&self, read: u64) {
        let _held = self.lock();
        self.read.store(read, Ordering::Release);
        self.moved.notify_all();
    }

    /// Waits until the reader has passed `end`, or until a jump over `bytes` costs little: branch pages may be far
    /// after the pages that they refer to, but they are few.
    fn wait(&self, end: u64, bytes: u64) {
        let passed = || self.read.load(Ordering::Acquire) >= end || self.open.load(Ordering::Acquire);
        if passed() {
            return;
        }
        let mut leapt = self.lock();
        while !passed() {
            let (all, allowed) = (leapt.saturating_add(bytes), self.read.load(Ordering::Acquire) / 32);
            if all <= allowed.saturating_add(1 << 20) {
                *leapt = all;
                return;
            }
            leapt = self.moved.wait(leapt).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Releases those who wait when it is dropped, also on a panic.
struct Opened<'f>(&'f Front);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        let _held = self.0.lock();
        self.0.open.store(true, Ordering::Release);
        self.0.moved.notify_all();
    }
}

/// The file, for a scan that stays after the reader.
struct Paced<'s> {
    body: &'s Body,
    front: &'s Front,
}

impl ReadAt for Paced<'_> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.front.wait(offset.saturating_add(buf.len() as u64), buf.len() as u64);
        self.body.read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.body.len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::progress::Flow;
    use std::path::Path;

    /// What the readings one after the other say, and what the one reading says.
    fn both(path: &Path) -> [Result<(Digest, String)>; 2] {
        let shown = |walk: std::result::Result<RowScan, ScanError>| format!("{walk:?}");
        let source = Source::open(path).unwrap();
        let apart = (|| {
            let view = source.view()?;
            let digest = source.digest(&mut |_| Flow::Go)?;
            Ok((digest, shown(inspect(&view, &mut |_| Flow::Go))))
        })();
        let together = scan(&source, true, &mut |_| Flow::Go).map(|(digest, walk)| (digest, shown(walk)));
        [apart, together]
    }

    #[test]
    fn one_reading_says_what_several_do() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots");
        let dir = tempfile::tempdir().unwrap();
        let cut = dir.path().join("cut");
        let mut whole = 0;
        for entry in std::fs::read_dir(fixtures).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ext| ext != "db") {
                continue;
            }
            let [apart, together] = both(&path);
            assert_eq!(apart, together, "{}", path.display());
            let unhashed = walk_through(&Source::open(&path).unwrap(), &mut |_| Flow::Go);
            assert_eq!(format!("{:?}", unhashed.unwrap()), together.unwrap().1, "{}", path.display());
            let (_, walk) = apart.unwrap();
            whole += usize::from(walk.starts_with("Ok"));
            // A byte changed in the middle, and the second half gone.
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2 / 4096 * 4096;
            bytes[middle + 10] ^= 0x40;
            std::fs::write(&cut, &bytes).unwrap();
            let [apart, together] = both(&cut);
            assert_eq!(apart, together, "{} with a byte changed", path.display());
            std::fs::write(&cut, &bytes[..middle]).unwrap();
            let [apart, together] = both(&cut);
            assert_eq!(apart, together, "half of {}", path.display());
        }
        assert!(whole > 30);
    }

    #[test]
    fn it_stops_wherever_it_is_asked_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let shape = crate::engine::bench::generate::Shape::SmallKeys;
        crate::engine::bench::generate::generate(shape, 12 << 20, &path, &mut |_| Flow::Go).unwrap();
        let source = Source::open(&path).unwrap();
        let (mut steps, mut furthest) = (0, 0);
        let whole = scan(&source, false, &mut |step| {
            steps += 1;
            assert!(step.done <= step.total && step.done <= furthest + (4 << 20), "{step:?} after {furthest}");
            furthest = if step.phase == Phase::Check { step.done } else { step.total };
            Flow::Go
        });
        assert!(whole.unwrap().1.is_ok() && steps >= 12);
        for stop in 1..=steps.min(12) {
            let mut left = stop;
            let stopped = scan(&source, false, &mut |_| {
                left -= 1;
                if left == 0 { Flow::Stop } else { Flow::Go }
            });
            assert!(stopped.is_err_and(|trouble| trouble.kind == ErrorKind::Stopped), "at step {stop}");
        }
    }
}
