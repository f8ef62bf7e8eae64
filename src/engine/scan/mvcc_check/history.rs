//! The check that each key's rows are consistent with one another, in the order of their revisions: the expensive part
//! of the check, since every row looks up its key in a large table. It runs in its own thread once there is enough to
//! do.

use std::{
    ops::Range,
    panic::resume_unwind,
    sync::mpsc::{Receiver, SendError, SyncSender, channel, sync_channel},
    thread::{self, JoinHandle},
};

use crate::{
    engine::scan::live_keys::{Live, Past},
    etcd::revision::Revision,
    text::value::brief,
};

/// Changes in one batch for the thread.
const BATCH: usize = 1024;
/// The most batches that are queued for it.
const AHEAD: usize = 4;
/// Keys that are looked up together, so that their memory latencies overlap.
const TOGETHER: usize = 64;

/// A kind of inconsistency in the rows of `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inconsistency {
    NoKey,
    ModRevision,
    Numbers,
    Sub,
    Twice,
    History,
    NoPast,
    NoDeletion,
    DeletesNothing,
    Early,
}

impl Inconsistency {
    pub(super) const ALL: [Inconsistency; 10] = [
        Inconsistency::NoKey,
        Inconsistency::ModRevision,
        Inconsistency::Numbers,
        Inconsistency::Sub,
        Inconsistency::Twice,
        Inconsistency::History,
        Inconsistency::NoPast,
        Inconsistency::NoDeletion,
        Inconsistency::DeletesNothing,
        Inconsistency::Early,
    ];

    /// Returns what is wrong with such rows.
    pub(super) fn words(self) -> &'static str {
        match self {
            Inconsistency::NoKey => "rows with an empty key",
            Inconsistency::ModRevision => "rows whose mod_revision is not their revision",
            Inconsistency::Numbers => "rows whose create_revision, mod_revision and version are inconsistent",
            Inconsistency::Sub => "transactions that lack some of their rows, so rows are lost",
            Inconsistency::Twice => "two rows at the same revision",
            Inconsistency::History => {
                "rows that do not match the previous row of their key, so rows are lost or changed"
            }
            Inconsistency::NoPast => "changes of keys whose previous row is lost",
            Inconsistency::NoDeletion => "keys created although they existed, so their deletion is lost",
            Inconsistency::DeletesNothing => "deletions of keys whose previous row is lost",
            Inconsistency::Early => "rows at revision 0 or 1, which no client write has",
        }
    }
}

/// The inconsistencies by kind: their number and the first one.
#[derive(Debug, Clone, Default)]
pub(super) struct Slips([(u64, String); Inconsistency::ALL.len()]);

impl Slips {
    /// Adds one.
    pub fn note(&mut self, slip: Inconsistency, at: Revision, key: &[u8]) {
        let Some((count, first)) = self.0.get_mut(slip as usize) else { return };
        if *count == 0 {
            *first = format!("revision {}.{} of key \"{}\"", at.main, at.sub, brief(key, 60));
        }
        *count = count.saturating_add(1);
    }

    /// Returns these and those of `other`; no kind is in both.
    pub fn with(self, other: Slips) -> impl Iterator<Item = (Inconsistency, u64, String)> {
        let both = self.0.into_iter().zip(other.0).map(|(a, b)| if a.0 > 0 { a } else { b });
        Inconsistency::ALL
            .into_iter()
            .zip(both)
            .filter(|(_, (count, _))| *count > 0)
            .map(|(slip, (count, first))| (slip, count, first))
    }
}

/// A change of a key.
#[derive(Debug, Clone)]
struct Change {
    at: Revision,
    /// The resulting row; `None` for a deletion.
    put: Option<Past>,
    /// The position of its key in the names of its batch.
    name: Range<usize>,
}

#[derive(Debug, Default)]
struct Batch {
    changes: Vec<Change>,
    names: Vec<u8>,
}

/// The state after the rows so far.
#[derive(Debug)]
pub(super) struct History {
    compacted: i64,
    /// The live keys.
    pub live: Live,
    /// The inconsistencies found.
    pub slips: Slips,
}

impl History {
    fn follow(&mut self, batch: &Batch) {
        let name = |change: &Change| batch.names.get(change.name.clone()).unwrap_or_default();
        let mut ids = Vec::with_capacity(TOGETHER);
        for changes in batch.changes.chunks(TOGETHER) {
            ids.clear();
            ids.extend(changes.iter().map(|change| self.live.id(name(change))));
            // The processor loads all of these in parallel; in the loop below it would load one after the other.
            std::hint::black_box(ids.iter().fold(0, |all, id| all ^ self.live.touch(*id)));
            for (change, id) in changes.iter().zip(&ids) {
                let kept = change.at.main > self.compacted;
                let past = match change.put {
                    Some(put) => self.live.insert(*id, put),
                    None => self.live.remove(*id),
                };
                let slip = match (change.put, past) {
                    (None, None) if kept => Inconsistency::DeletesNothing,
                    (Some(put), Some(_)) if kept && put.create == change.at.main => Inconsistency::NoDeletion,
                    (Some(put), Some(past))
                        if kept && (past.create != put.create || past.version.saturating_add(1) != put.version) =>
                    {
                        Inconsistency::History
                    }
                    (Some(put), None) if kept && put.create < change.at.main => Inconsistency::NoPast,
                    _ => continue,
                };
                self.slips.note(slip, change.at, name(change));
            }
        }
    }
}

/// Checks changes in the order of their revisions.
#[derive(Debug)]
pub(super) struct KeyHistoryChecker {
    batch: Batch,
    /// The state, while the work is done on this thread.
    here: Option<Box<History>>,
    /// The thread that does it, once a batch was full.
    there: Option<Worker>,
}

/// A thread with channels for batches and for their reusable memory.
#[derive(Debug)]
struct Worker {
    to: SyncSender<Batch>,
    back: Receiver<Batch>,
    end: JoinHandle<Option<Box<History>>>,
}

impl KeyHistoryChecker {
    /// Creates a checker for a store with this compacted revision, -1 for none.
    pub fn new(compacted: i64) -> KeyHistoryChecker {
        let history = History { compacted, live: Live::default(), slips: Slips::default() };
        KeyHistoryChecker { batch: Batch::default(), here: Some(Box::new(history)), there: None }
    }

    /// Adds the next change: the resulting row, `None` for a deletion.
    pub fn change(&mut self, at: Revision, key: &[u8], put: Option<Past>) {
        let start = self.batch.names.len();
        self.batch.names.extend_from_slice(key);
        let name = start..self.batch.names.len();
        self.batch.changes.push(Change { at, put, name });
        if self.batch.changes.len() == BATCH {
            if let Some(history) = self.here.take() {
                // If no thread can be started, the work stays on this one.
                (self.there, self.here) = Worker::begin(history);
            }
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.batch = match (&self.there, &mut self.here) {
            (Some(worker), _) => worker.take(batch),
            (None, Some(history)) => {
                history.follow(&batch);
                batch
            }
            (None, None) => batch,
        };
        self.batch.changes.clear();
        self.batch.names.clear();
    }

    /// Returns the state after all changes.
    pub fn finish(mut self) -> History {
        self.hand_over();
        let history = match self.there {
            Some(Worker { to, end, .. }) => {
                drop(to);
                end.join().unwrap_or_else(|panic| resume_unwind(panic))
            }
            None => self.here,
        };
        history.map_or_else(|| KeyHistoryChecker::new(-1).finish(), |history| *history)
    }
}

impl Worker {
    /// Starts the thread; returns the history if that fails.
    fn begin(history: Box<History>) -> (Option<Worker>, Option<Box<History>>) {
        let (give, given) = channel::<Box<History>>();
        let (to, batches) = sync_channel::<Batch>(AHEAD);
        let (done, back) = channel();
        let work = move || {
            let mut history = given.recv().ok()?;
            while let Ok(batch) = batches.recv() {
                history.follow(&batch);
                // The other side may have ended already.
                let _ = done.send(batch);
            }
            Some(history)
        };
        match thread::Builder::new().name("requorum-history".into()).spawn(work) {
            Ok(end) => match give.send(history) {
                Ok(()) => (Some(Worker { to, back, end }), None),
                Err(SendError(history)) => (None, Some(history)),
            },
            Err(_) => (None, Some(history)),
        }
    }

    /// Sends a batch and returns an empty one.
    fn take(&self, batch: Batch) -> Batch {
        // The thread ends early only by a panic, which `finish` passes on.
        let _ = self.to.send(batch);
        self.back.try_recv().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that are put and deleted in turn, with every so often one that does not follow.
    fn changes() -> impl Iterator<Item = (Revision, Vec<u8>, Option<Past>)> {
        (2..20_000i64).map(|main| {
            let (key, turn) = (main % 700, main / 700);
            let put = (turn % 3 < 2).then_some(Past {
                create: if main % 1009 == 0 { 1 } else { main - turn % 3 * 700 },
                version: turn % 3 + 1,
                lease: 0,
            });
            (Revision { main, sub: 0 }, format!("key {key}").into_bytes(), put)
        })
    }

    #[test]
    fn the_thread_finds_what_is_found_without_it() {
        let mut apart = KeyHistoryChecker::new(3000);
        let mut here = KeyHistoryChecker::new(3000).finish();
        for (at, key, put) in changes() {
            apart.change(at, &key, put);
            let name = 0..key.len();
            here.follow(&Batch { changes: vec![Change { at, put, name }], names: key });
        }
        assert!(apart.there.is_some() && apart.here.is_none());
        let apart = apart.finish();
        assert_eq!(apart.live.count(), here.live.count());
        let slips = |history: History| history.slips.with(Slips::default()).collect::<Vec<_>>();
        let (apart, here) = (slips(apart), slips(here));
        assert!(apart.iter().any(|(slip, count, _)| *slip == Inconsistency::History && *count > 3), "{apart:?}");
        assert_eq!(apart, here);
    }

    #[test]
    fn little_work_needs_no_thread() {
        let mut follower = KeyHistoryChecker::new(-1);
        changes().take(BATCH - 1).for_each(|(at, key, put)| follower.change(at, &key, put));
        assert!(follower.there.is_none());
        assert_eq!(follower.finish().live.count(), 700);
    }
}
