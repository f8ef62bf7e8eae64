//! A source that was read through: hashed, checked and walked over once, for every member that is
//! restored from it.
//!
//! Two readings run at the same time, one on each of two cores: the hash over the whole file, and
//! the check of its pages with whatever the caller does next with them. That both saw the same
//! bytes is shown by the file's trailer and by its change time; a file without a trailer is hashed
//! first and checked after, so that a change between the two is met when the copy is compared.

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
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// How often the end of the hash is looked for when there is nothing else to do.
const GLANCE: Duration = Duration::from_millis(5);

/// What makes a file the one that was read: any write changes it.
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

/// On which word a file is taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trust<'a> {
    /// SHA-256 of the whole file, hex, where a plan pins it.
    pub pinned_sha256: Option<&'a str>,
    /// Take a file without a trailer, or with a wrong one.
    pub skip_hash_check: bool,
    /// The revision at which damage of a meta page or of the freelist is accepted.
    pub accept_damage: Option<i64>,
}

impl Trust<'_> {
    /// May this file be restored from? Its pin must hold, and its trailer, unless that is passed over.
    ///
    /// # Errors
    /// `Refused` for another file than the plan's, `Input` for a trailer that is missing or wrong.
    pub fn judge(&self, source: &Source, digest: &Digest) -> Result<()> {
        if let Some(pinned) = self.pinned_sha256.filter(|pinned| !pinned.eq_ignore_ascii_case(&digest.file_sha256)) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{} is not the file that the plan was made for", source.path.shown()),
            )
            .why(format!("the plan pins SHA-256 {pinned}, the file has {}", digest.file_sha256))
            .hint("Bring the right file, or make a new plan from this one."));
        }
        match digest.verified() {
            Err(why) if !self.skip_hash_check => {
                let hint = match digest.trailer {
                    None if digest.is_wrong() => {
                        "Take another copy. If it is a copy of member/snap/db of a stopped etcd, and these bytes were appended to \
                         it, --skip-hash-check passes over them, at your own risk; its pages are checked either way."
                    }
                    None => {
                        "If etcd was stopped when it was copied, say so with --skip-hash-check; its pages are checked either way."
                    }
                    // Where a SHA-256 is cannot be told for sure, so it is not one that may be passed over for a reason.
                    Some(_) if digest.extra.is_some() => "Take another copy of it, or another snapshot.",
                    Some(_) => {
                        "Take another copy. --skip-hash-check passes over it, at your own risk; its pages are checked either way."
                    }
                };
                Err(Error::new(ErrorKind::Input, format!("{} cannot be trusted", source.path.shown()))
                    .why(why)
                    .hint(hint))
            }
            _ => Ok(()),
        }
    }

    /// As [`check_and_accept`], of a file that was read before.
    ///
    /// # Errors
    /// For damage that is not accepted.
    pub fn accepts(&self, checked: &Checked) -> Result<()> {
        match checked.walk.acceptable(false) {
            Some(LimitedDamage { why, revision, .. }) if self.accept_damage != Some(revision) => {
                Err(ScanError::Limited { why, revision }.into_trouble(&checked.source))
            }
            _ => Ok(()),
        }
    }
}

/// A source whose pages and rows were found sound; its hash may still be on its way.
#[derive(Debug)]
pub struct Checked {
    /// The file.
    pub source: Arc<Source>,
    /// The database in it.
    pub view: View<Body>,
    /// What the walk found.
    pub walk: RowScan,
    stamp: Stamp,
}

/// A source that was read through.
#[derive(Debug)]
pub struct VerifiedSource {
    /// Its pages and rows.
    pub checked: Checked,
    /// Its hashes.
    pub digest: Digest,
}

impl VerifiedSource {
    /// Reads a file through, and runs `meanwhile` once its pages and rows are known to be sound. What that makes counts
    /// only when this returns `Ok`: the hash may come out wrong after it.
    ///
    /// # Errors
    /// When the file is not a whole snapshot, cannot be trusted, changes meanwhile, or a running etcd has it.
    pub fn read<T>(
        path: &Path,
        trust: &Trust<'_>,
        watch: &mut ProgressFn<'_>,
        meanwhile: impl FnOnce(&Checked, &mut ProgressFn<'_>) -> Result<T>,
    ) -> Result<(VerifiedSource, T)> {
        let source = Arc::new(Source::open(path)?);
        if !source.has_trailer && file_locks::served(path) {
            return Err(Error::new(ErrorKind::Refused, format!("{} is in use", path.shown()))
                .fault(Fault::InUse)
                .why("etcd runs on it, and a copy of a database that is written to is torn")
                .hint("Save a snapshot from that member instead: requorum snapshot save FILE --endpoints=URL"));
        }
        let stamp = Stamp::from_metadata(&source.file().metadata().map_err(|e| io_trouble("look at", path, &e))?);
        let view = source.view()?;
        let (prepared, made) = if source.has_trailer {
            let hashing = Hashing::default();
            thread::scope(|scope| {
                let hash = scope.spawn(|| hashing.run(&source, trust));
                let mut both = |own: Progress| hashing.beside(own, &mut *watch);
                let walked = check_and_accept(&view, trust.accept_damage, &mut both);
                let done = walked.map_err(|halt| (!matches!(halt, ScanError::Stopped(_)), halt.into_trouble(&source)));
                let done = done.and_then(|walk| {
                    let checked = Checked { source: Arc::clone(&source), view, walk, stamp };
                    let made = meanwhile(&checked, &mut both).map_err(|trouble| (false, trouble))?;
                    Ok((checked, made))
                });
                // A damage waits for the hash: where the trailer is wrong, that is the first thing to say.
                if let Err((false, _)) = done {
                    hashing.stop.store(true, Ordering::Relaxed);
                }
                let waited = hashing.wait(&hash, watch);
                let digest =
                    hash.join().unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "the hash ended in a panic")));
                match (digest, done) {
                    // A hash that was only stopped has nothing to say about why.
                    (Err(trouble), Ok(_)) if trouble.kind == ErrorKind::Stopped => Err(waited.err().unwrap_or(trouble)),
                    (Err(trouble), _) if trouble.kind != ErrorKind::Stopped => Err(trouble),
                    (_, Err((_, trouble))) => Err(trouble),
                    (Err(trouble), _) => Err(trouble),
                    (Ok(digest), Ok((checked, made))) => Ok((VerifiedSource { checked, digest }, made)),
                }
            })?
        } else {
            let digest = source.digest(watch)?;
            trust.judge(&source, &digest)?;
            let walk = check_and_accept(&view, trust.accept_damage, watch);
            let walk = walk.map_err(|halt| halt.into_trouble(&source))?;
            let checked = Checked { source, view, walk, stamp };
            let made = meanwhile(&checked, watch)?;
            (VerifiedSource { checked, digest }, made)
        };
        prepared.unchanged()?;
        Ok((prepared, made))
    }

    /// Is the file what it was when it was read?
    ///
    /// # Errors
    /// When it was written to since.
    pub fn unchanged(&self) -> Result<()> {
        let Checked { source, stamp, .. } = &self.checked;
        let meta = source.file().metadata().map_err(|e| io_trouble("look at", &source.path, &e))?;
        if Stamp::from_metadata(&meta) == *stamp { Ok(()) } else { Err(changed(&source.path)) }
    }

    fn is(&self, path: &Path) -> bool {
        self.checked.source.path == path
            && std::fs::metadata(path).is_ok_and(|meta| Stamp::from_metadata(&meta) == self.checked.stamp)
    }
}

/// The failure of a file that is not what it was a moment before.
pub fn changed(path: &Path) -> Error {
    Error::new(ErrorKind::Input, format!("{} changed while it was being read", path.shown()))
        .fault(Fault::Changed)
        .why("the copy is not what was hashed a moment before")
        .hint(
            "Something still writes to it. Use a file at rest: a saved snapshot, or the database of a stopped member.",
        )
}

/// The hash on its way, beside the check.
#[derive(Default)]
struct Hashing {
    done: AtomicU64,
    total: AtomicU64,
    over: AtomicBool,
    stop: AtomicBool,
    /// The file is not to be trusted: what is done meanwhile is in vain.
    refused: AtomicBool,
}

impl Hashing {
    fn run(&self, source: &Source, trust: &Trust<'_>) -> Result<Digest> {
        let digest = source.digest(&mut |at| {
            self.done.store(at.done, Ordering::Relaxed);
            self.total.store(at.total, Ordering::Relaxed);
            if self.stop.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Go }
        });
        let judged = digest.and_then(|digest| trust.judge(source, &digest).map(|()| digest));
        self.refused.store(judged.is_err(), Ordering::Relaxed);
        self.over.store(true, Ordering::Relaxed);
        judged
    }

    /// Reports the hash while it lasts, then the work beside it.
    fn beside(&self, own: Progress, watch: &mut ProgressFn<'_>) -> Flow {
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
        let mut told = Ok(());
        while !hash.is_finished() {
            let at = self.progress();
            if let (Err(trouble), true) = (step(watch, at.phase, at.done, at.total), told.is_ok()) {
                self.stop.store(true, Ordering::Relaxed);
                told = Err(trouble);
            }
            thread::sleep(GLANCE);
        }
        told
    }
}

/// The source that was read last, for the next member that is restored from it.
#[derive(Debug, Default)]
pub struct SourceCache(Mutex<Option<Arc<VerifiedSource>>>);

impl SourceCache {
    /// The file at `path`, if it is the one that was read last and was not written to since.
    pub fn find(&self, path: &Path) -> Option<Arc<VerifiedSource>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|prepared| prepared.is(path)).map(Arc::clone)
    }

    /// Keeps this one, in place of the one before.
    pub fn keep(&self, prepared: &Arc<VerifiedSource>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(prepared));
    }
}
