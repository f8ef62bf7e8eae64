//! Applying the entries of a merged log to the state that a database holds.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use super::{
    apply::{ApplyError, Kind, Outcome, Refusal, Rules, State, buckets::Buckets, leases::Leases, writes},
    choose::Start,
    log::{LogError, slice},
    merge::Merged,
    sources::{Dir, stopped},
    store::{Base, Store, StoreError},
};
use crate::{
    engine::progress::{Flow, Phase, Progress, ProgressFn},
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    raft::message::Entry,
    text::Shown,
};

/// What became of the entries of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// Those that changed the store.
    pub changed: u64,
    /// Those that were accepted and changed nothing.
    pub unchanged: u64,
    /// Those that etcd refuses, by reason.
    pub refused: BTreeMap<Refusal, u64>,
}

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Applied {
    /// The first entry; 0 without one.
    pub first: u64,
    /// The last entry; 0 without one.
    pub last: u64,
    /// The term of the last entry.
    pub term: u64,
    /// Entries by kind.
    pub kinds: BTreeMap<Kind, Count>,
    /// Entries that changed keys: puts, deletions, transactions and ends of leases.
    pub writes: u64,
    /// Those of them that no member recorded as committed.
    pub undecided_writes: u64,
    /// Entries that no member recorded as committed.
    pub undecided: u64,
    /// Revisions that they made.
    pub revisions: u64,
}

/// Reads the state that a database holds.
///
/// # Errors
/// If it cannot be read; `Stopped`.
pub fn begin(
    base: Option<&Arc<Base>>,
    (minor, patch): (Minor, Option<u32>),
    scratch: std::fs::File,
    watch: &mut ProgressFn<'_>,
) -> Result<State> {
    let total = base.map_or(0, |base| base.used_bytes());
    let mut step = |done: u64| watch(Progress { phase: Phase::Index, done: done.min(total), total }) == Flow::Go;
    let fail = |e: StoreError| match e {
        StoreError::Stopped => stopped(Phase::Index),
        e => Error::new(ErrorKind::Input, "the database cannot be read").why(e),
    };
    let mut rules = Rules { patch, ..Rules::new(minor) };
    let store = Store::begin(base.cloned(), scratch, &mut step).map_err(fail)?;
    let (mut leases, mut buckets) = (Leases::default(), Buckets::default());
    if let Some(base) = base {
        leases = Leases::read(base, &store, rules.least_ttl).map_err(fail)?;
        buckets = Buckets::read(base).map_err(|e| fail(e.into()))?;
    }
    rules.persist_checkpoints = leases.any_checkpoint();
    Ok(State::new(rules, store, leases, buckets))
}

/// Applies the entries from a start to its end.
///
/// # Errors
/// If an entry cannot be applied as etcd would; the sentence names it. `Stopped`.
pub fn run(
    state: &mut State,
    dirs: &[Dir],
    merged: &Merged,
    start: Start,
    watch: &mut ProgressFn<'_>,
) -> Result<Applied> {
    let mut applied = Applied::default();
    let entries = start.reached.saturating_sub(start.index).max(1);
    // Progress is in bytes, and entries are nearly alike.
    let total = dirs.get(merged.chosen).and_then(|dir| dir.log.as_ref().ok()).map_or(0, |log| log.bytes);
    let before = state.store.revision();
    for run in slice(&merged.runs, start.index.saturating_add(1), start.reached) {
        let Some((dir, log)) = dirs.get(run.log).and_then(|dir| Some((dir, dir.log.as_ref().ok()?))) else {
            return Err(Error::new(ErrorKind::Bug, "a run of entries has no log"));
        };
        let mut each = |entry: Entry| -> std::result::Result<(), RunError> {
            let index = entry.index.unwrap_or_default();
            let (kind, outcome) = state.apply(&entry).map_err(|e| RunError::Entry(index, e))?;
            let undecided = index > merged.commit;
            applied.take(&entry, kind, outcome, undecided);
            // Entries are small; a step for each would take longer than the entry.
            let nth = index.saturating_sub(start.index);
            let done = u128::from(total).saturating_mul(nth.into()).checked_div(entries.into()).unwrap_or(0);
            let done = u64::try_from(done).unwrap_or(total);
            if nth.is_multiple_of(256) && watch(Progress { phase: Phase::Replay, done, total }) == Flow::Stop {
                return Err(RunError::Stopped);
            }
            Ok(())
        };
        log.each(&run, &mut each).map_err(|e| match e {
            RunError::Stopped => stopped(Phase::Replay),
            RunError::Log(e) => Error::new(ErrorKind::Input, format!("{}: cannot read its log", dir.path.shown())).why(e),
            RunError::Entry(_, ApplyError::Store(e)) => Error::new(ErrorKind::Failed, "cannot apply the log").why(e),
            RunError::Entry(index, ApplyError::Entry(why)) => {
                let what = format!("{}: entry {index} of its log cannot be applied", dir.path.shown());
                Error::new(ErrorKind::Input, what).why(why).hint(
                    "Whatever it does would be lost silently, and every later revision could be wrong. A later version of \
                     requorum may know it.",
                )
            }
        })?;
    }
    applied.revisions = u64::try_from(state.store.revision().saturating_sub(before)).unwrap_or(0);
    if applied.last > 0 {
        state.applied(applied.last, applied.term);
    }
    Ok(applied)
}

impl Applied {
    fn take(&mut self, entry: &Entry, kind: Kind, outcome: Outcome, undecided: bool) {
        let index = entry.index.unwrap_or_default();
        if self.first == 0 {
            self.first = index;
        }
        (self.last, self.term) = (index, entry.term.unwrap_or_default());
        let count = self.kinds.entry(kind).or_default();
        let more = match outcome {
            Outcome::Changed => &mut count.changed,
            Outcome::Unchanged => &mut count.unchanged,
            Outcome::Refused(refusal) => count.refused.entry(refusal).or_default(),
        };
        *more = more.saturating_add(1);
        let write = u64::from(outcome == Outcome::Changed && writes(kind));
        self.writes = self.writes.saturating_add(write);
        self.undecided = self.undecided.saturating_add(undecided.into());
        self.undecided_writes = self.undecided_writes.saturating_add(if undecided { write } else { 0 });
    }

    /// How many entries were applied.
    pub fn entries(&self) -> u64 {
        let all = self.kinds.values().map(|count| {
            count
                .refused
                .values()
                .fold(count.changed.saturating_add(count.unchanged), |sum, more| sum.saturating_add(*more))
        });
        all.fold(0, u64::saturating_add)
    }

    /// How many of them etcd refuses.
    pub fn refused(&self) -> u64 {
        self.kinds.values().flat_map(|count| count.refused.values()).fold(0, |sum, more| sum.saturating_add(*more))
    }
}

/// Why applying a log ended.
#[derive(Debug)]
enum RunError {
    Stopped,
    Log(LogError),
    Entry(u64, ApplyError),
}

impl From<LogError> for RunError {
    fn from(error: LogError) -> RunError {
        RunError::Log(error)
    }
}
