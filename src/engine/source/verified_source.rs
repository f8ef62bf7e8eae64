//! A source that was hashed and checked once, for all members that are restored from it.
//!
//! Two reads run in parallel, each on a core: the hash of the whole file, and the check of its pages followed by the work
//! of the caller. The file's trailer and its change time show that both saw the same bytes; a file without a trailer is
//! hashed first and checked afterwards, so that a change in between is found when the copy is compared.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Body, Digest, Source, io_trouble, step};
use crate::engine::{
    datadir::file_locks,
    progress::{Flow, Phase, Progress, ProgressFn},
    scan::row_scan::{RowScan, ScanError, check_and_accept},
};
use crate::{
    bbolt::View,
    domain::model::observations::LimitedDamage,
    error::{Error, ErrorKind, Fault, Remedy, Result},
    text::Shown,
};

/// The interval for polling the hash when there is nothing else to do.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Identifies the file and version that was read: any write changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    dev: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn from_metadata(meta: &Metadata) -> Stamp {
        Stamp {
            dev: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }
}

/// The conditions on which a file is accepted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// SHA-256 of the whole file, hex, if a plan pins it.
    pub pinned_sha256: Option<&'a str>,
    /// Accept a file without a trailer, or with one that does not match.
    pub skip_hash_check: bool,
    /// The revision at which damage of a meta page or of the freelist is accepted.
    pub accept_damage: Option<i64>,
}

impl Trust<'_> {
    /// Checks whether this file may be restored from: its pinned SHA-256 must match, and its trailer unless that is skipped.
    ///
    /// # Errors
    /// `Refused` if it is not the file of the plan, `Input` if the trailer is missing or does not match.
    pub fn evaluate(&self, source: &Source, digest: &Digest) -> Result<()> {
        if let Some(pinned) = self.pinned_sha256.filter(|pinned| !pinned.eq_ignore_ascii_case(&digest.file_sha256)) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{}: not the file that the plan was made for", source.path.shown()),
            )
            .why(format!("the plan pins SHA-256 {pinned}, but the file has {}", digest.file_sha256))
            .hint("Use the file of the plan, or make a new plan from this one."));
        }
        match digest.verified() {
            Err(why) if !self.skip_hash_check => {
                let hint = match digest.trailer {
                    None if digest.is_wrong() => {
                        "Take another copy. If it is a copy of member/snap/db of a stopped etcd, and these bytes were appended to \
                         it, the check can be skipped, at your own risk; the pages are checked either way."
                    }
                    None => {
                        "If etcd was stopped when it was copied, the check can be skipped; the pages are checked either way."
                    }
                    // The place of the SHA-256 is uncertain, so there is no well-founded reason to skip it.
                    Some(_) if digest.extra.is_some() => "Take another copy of it, or another snapshot.",
                    Some(_) => {
                        "Take another copy. The check can be skipped, at your own risk; the pages are checked either way."
                    }
                };
                let skip: &[Remedy] =
                    if digest.trailer.is_some() && digest.extra.is_some() { &[] } else { &[Remedy::AcceptUnhashed] };
                Err(Error::new(ErrorKind::Input, format!("{}: hash check failed", source.path.shown()))
                    .why(why)
                    .hint(hint)
                    .remedies(skip))
            }
            _ => Ok(()),
        }
    }

    /// Does what [`check_and_accept`] does, for a file that was read before.
    ///
    /// # Errors
    /// If it has damage that is not accepted.
    pub fn accepts(&self, checked: &Checked) -> Result<()> {
        match checked.walk.acceptable(false) {
            Some(LimitedDamage { why, revision, .. }) if self.accept_damage != Some(revision) => {
                Err(ScanError::Limited { why, revision }.into_trouble(&checked.source))
            }
            _ => Ok(()),
        }
    }
}

/// A source whose pages and rows were checked; its hash may not be finished.
#[derive(Debug)]
pub struct Checked {
    /// The file.
    pub source: Arc<Source>,
    /// The database in it.
    pub view: View<Body>,
    /// The result of the check.
    pub walk: RowScan,
    stamp: Stamp,
}

/// A source that was hashed and checked.
#[derive(Debug)]
pub struct VerifiedSource {
    /// Its pages and rows.
    pub checked: Checked,
    /// Its hashes.
    pub digest: Digest,
}

impl VerifiedSource {
    /// Reads a whole file, and runs `meanwhile` once its pages and rows are checked. What that creates is valid only if this
    /// returns `Ok`: the hash check may fail later.
    ///
    /// # Errors
    /// If the file is not an intact snapshot, its hash check fails, it changes meanwhile, or a running etcd uses it.
    pub fn read<T>(
        path: &Path,
        trust: &Trust<'_>,
        watch: &mut ProgressFn<'_>,
        meanwhile: impl FnOnce(&Checked, &mut ProgressFn<'_>) -> Result<T>,
    ) -> Result<(VerifiedSource, T)> {
        let source = Arc::new(Source::open(path)?);
        if !source.has_trailer && file_locks::in_use_by_etcd(path) {
            return Err(Error::new(ErrorKind::Refused, format!("{}: in use", path.shown()))
                .fault(Fault::InUse)
                .why("a running etcd has it open, and a copy of a database that is being written is inconsistent")
                .hint("Save a snapshot from that member instead.")
                .remedies(&[Remedy::SaveSnapshot { from: None }]));
        }
        let stamp = Stamp::from_metadata(&source.file().metadata().map_err(|e| io_trouble("look at", path, &e))?);
        let view = source.view()?;
        let (verified, made) = if source.has_trailer {
            let hashing = BackgroundHash::default();
            thread::scope(|scope| {
                let hash = scope.spawn(|| hashing.run(&source, trust));
                let mut both = |own: Progress| hashing.report(own, &mut *watch);
                let walked = check_and_accept(&view, trust.accept_damage, &mut both);
                let done = walked.map_err(|halt| (!matches!(halt, ScanError::Stopped(_)), halt.into_trouble(&source)));
                let done = done.and_then(|walk| {
                    let checked = Checked { source: Arc::clone(&source), view, walk, stamp };
                    let made = meanwhile(&checked, &mut both).map_err(|trouble| (false, trouble))?;
                    Ok((checked, made))
                });
                // An error about damage waits for the hash: a wrong trailer is reported first.
                if let Err((false, _)) = done {
                    hashing.stop.store(true, Ordering::Relaxed);
                }
                let waited = hashing.wait(&hash, watch);
                let digest =
                    hash.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "the hash thread panicked")));
                match (digest, done) {
                    // A hash that was only stopped does not know the reason.
                    (Err(trouble), Ok(_)) if trouble.kind == ErrorKind::Stopped => Err(waited.err().unwrap_or(trouble)),
                    (Err(trouble), _) if trouble.kind != ErrorKind::Stopped => Err(trouble),
                    (_, Err((_, trouble))) => Err(trouble),
                    (Err(trouble), _) => Err(trouble),
                    (Ok(digest), Ok((checked, made))) => Ok((VerifiedSource { checked, digest }, made)),
                }
            })?
        } else {
            let digest = source.digest(watch)?;
            trust.evaluate(&source, &digest)?;
            let walk = check_and_accept(&view, trust.accept_damage, watch);
            let walk = walk.map_err(|halt| halt.into_trouble(&source))?;
            let checked = Checked { source, view, walk, stamp };
            let made = meanwhile(&checked, watch)?;
            (VerifiedSource { checked, digest }, made)
        };
        verified.unchanged()?;
        Ok((verified, made))
    }

    /// Checks that the file is unchanged since it was read.
    ///
    /// # Errors
    /// If it was written since.
    pub fn unchanged(&self) -> Result<()> {
        let Checked { source, stamp, .. } = &self.checked;
        let meta = source.file().metadata().map_err(|e| io_trouble("look at", &source.path, &e))?;
        if Stamp::from_metadata(&meta) == *stamp { Ok(()) } else { Err(changed(&source.path)) }
    }

    fn matches(&self, path: &Path) -> bool {
        self.checked.source.path == path
            && std::fs::metadata(path).is_ok_and(|meta| Stamp::from_metadata(&meta) == self.checked.stamp)
    }
}

/// Returns the error for a file that changed while it was being read.
pub fn changed(path: &Path) -> Error {
    Error::new(ErrorKind::Input, format!("{}: changed while it was being read", path.shown()))
        .fault(Fault::Changed)
        .why("the copy differs from what was hashed before")
        .hint(
            "A process is still writing to it. Use a file that no process writes: a saved snapshot, or the database of a stopped member.",
        )
}

/// The hash that is computed while the pages are checked.
#[derive(Default)]
struct BackgroundHash {
    done: AtomicU64,
    total: AtomicU64,
    over: AtomicBool,
    stop: AtomicBool,
    /// The hash check failed: what is done meanwhile is useless.
    refused: AtomicBool,
}

impl BackgroundHash {
    fn run(&self, source: &Source, trust: &Trust<'_>) -> Result<Digest> {
        let digest = source.digest(&mut |at| {
            self.done.store(at.done, Ordering::Relaxed);
            self.total.store(at.total, Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Go }
        });
        let judged = digest.and_then(|digest| trust.evaluate(source, &digest).map(|()| digest));
        self.refused.store(judged.is_err(), Ordering::Relaxed);
        self.over.store(true, Ordering::Relaxed);
        judged
    }

    /// Reports the progress of the hash until it ends, then that of the other work.
    fn report(&self, own: Progress, watch: &mut ProgressFn<'_>) -> Flow {
        if self.refused.load(Ordering::Relaxed) {
            return Flow::Stop;
        }
        watch(if self.over.load(Ordering::Relaxed) { own } else { self.progress() })
    }

    fn progress(&self) -> Progress {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        Progress { phase: Phase::Hash, done, total }
    }

    fn wait<T>(&self, hash: &thread::ScopedJoinHandle<'_, T>, watch: &mut ProgressFn<'_>) -> Result<()> {
        let mut stopped = Ok(());
        while !hash.is_finished() {
            let at = self.progress();
            if let (Err(trouble), true) = (step(watch, at.phase, at.done, at.total), stopped.is_ok()) {
                self.stop.store(true, Ordering::Relaxed);
                stopped = Err(trouble);
            }
            thread::sleep(POLL_INTERVAL);
        }
        stopped
    }
}

/// Caches the source that was read last, for the next member that is restored from it.
#[derive(Debug, Default)]
pub struct SourceCache(Mutex<Option<Arc<VerifiedSource>>>);

impl SourceCache {
    /// Returns the file at `path` if it was read last and is unchanged since.
    pub fn find(&self, path: &Path) -> Option<Arc<VerifiedSource>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|verified| verified.matches(path)).map(Arc::clone)
    }

    /// Replaces the cached source.
    pub fn keep(&self, verified: &Arc<VerifiedSource>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(verified));
    }
}
