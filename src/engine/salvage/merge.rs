//! One log of several members': the one that raft would elect, and its gaps filled from the others.
//!
//! What raft guarantees: entries with the same index and term are the same in all members, and so are all before them; an entry
//! at or below any member's commit index is never replaced; an entry that was acknowledged is in a majority of the logs, so the
//! log with the highest last term, and of these the longest, has it if a majority is here.

use serde::Serialize;

use super::log::{MemberLog, Run, find, slice};

/// Entries of a log that are in another's place, or beyond it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The log, by position.
    pub log: usize,
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// The term of the last.
    pub term: u64,
}

/// Entries that another log gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// The log, by position.
    pub log: usize,
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

/// The merged log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// Its runs, in the order of their indices, each with the log to read it from.
    pub runs: Vec<Run>,
    /// The log that was chosen, by position.
    pub chosen: usize,
    /// The highest index that any member knew to be committed.
    pub commit: u64,
    /// Gaps that other logs filled.
    pub filled: Vec<Filled>,
    /// Tails of other logs that were never committed.
    pub dropped: Vec<Dropped>,
}

/// Two logs have different entries where both know them to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disagreement {
    /// The index.
    pub index: u64,
    /// The logs, by position, each with the term of its entry.
    pub logs: [(usize, u64); 2],
}

/// Merges logs. `None` without any.
///
/// # Errors
/// If two of them contradict each other where both are committed.
pub fn merge(logs: &[(usize, &MemberLog)]) -> Result<Option<Merged>, Disagreement> {
    for (at, (a, first)) in logs.iter().enumerate() {
        for (b, second) in logs.iter().skip(at.saturating_add(1)) {
            let until = first.commit.min(second.commit);
            if let Some((index, one, other)) = difference(first.runs(), second.runs(), until) {
                return Err(Disagreement { index, logs: [(*a, one), (*b, other)] });
            }
        }
    }
    let commit = logs.iter().map(|(_, log)| log.commit).max().unwrap_or(0);
    // What is committed must be in the log that is chosen, as far as any log tells its term.
    let term = logs.iter().filter(|(_, log)| log.commit == commit).find_map(|(_, log)| log.term_at(commit));
    let has = |log: &MemberLog| match (term, log.term_at(commit)) {
        (Some(term), Some(own)) => term == own,
        (Some(_), None) => log.last().1 > commit,
        (None, _) => true,
    };
    let eligible = logs.iter().filter(|(_, log)| has(log)).max_by_key(|(_, log)| log.last());
    let Some((chosen, log)) = eligible.or_else(|| logs.iter().max_by_key(|(_, log)| log.last())) else {
        return Ok(None);
    };
    let own =
        |(at, log): (usize, &MemberLog)| -> Vec<Run> { log.runs().iter().map(|run| Run { log: at, ..*run }).collect() };
    let mut merged = Merged { runs: own((*chosen, log)), chosen: *chosen, commit, ..Merged::default() };
    let others: Vec<(usize, &MemberLog)> = logs.iter().filter(|(at, _)| at != chosen).copied().collect();
    // Until nothing more can be filled: what one log gives may show that another's entries fit.
    let mut more = true;
    while more {
        more = false;
        for (first, last) in gaps(&merged.runs) {
            for (at, other) in &others {
                let after = last.checked_add(1);
                let same = after.is_some_and(|after| {
                    let own = find(&merged.runs, after).map(|run| run.term);
                    own.is_some() && own == other.term_at(after)
                });
                let until = if same { last } else { last.min(other.commit) };
                let found = slice(&own((*at, other)), first, until);
                if found.is_empty() {
                    continue;
                }
                for run in &found {
                    merged.filled.push(Filled { log: *at, first: run.first, last: run.last });
                }
                merged.runs.extend(found);
                merged.runs.sort_by_key(|run| run.first);
                more = true;
                break;
            }
            if more {
                break;
            }
        }
    }
    for (at, other) in others {
        let (term, last) = other.last();
        let first = first_of_tail(&merged.runs, other.runs());
        if let Some(first) = first.filter(|first| *first <= last) {
            merged.dropped.push(Dropped { log: at, first, last, term });
        }
    }
    Ok(Some(merged))
}

/// The gaps of a log, the one before its first entry included.
fn gaps(runs: &[Run]) -> Vec<(u64, u64)> {
    let (mut next, mut gaps) = (1u64, Vec::new());
    for run in runs {
        if run.first > next {
            gaps.push((next, run.first.saturating_sub(1)));
        }
        next = run.last.saturating_add(1);
    }
    gaps
}

/// The first index up to `until` where both have an entry, of different terms.
fn difference(first: &[Run], second: &[Run], until: u64) -> Option<(u64, u64, u64)> {
    for run in first.iter().take_while(|run| run.first <= until) {
        for other in slice(second, run.first, run.last.min(until)) {
            if other.term != run.term {
                return Some((other.first, run.term, other.term));
            }
        }
    }
    None
}

/// The first entry of `other` that is not in `runs`, with none after it that is.
fn first_of_tail(runs: &[Run], other: &[Run]) -> Option<u64> {
    let mut first = None;
    for run in other.iter().rev() {
        let same = slice(runs, run.first, run.last).into_iter().rev().find(|own| own.term == run.term);
        match same {
            None => first = Some(run.first),
            Some(own) if own.last < run.last => return Some(own.last.saturating_add(1)),
            Some(_) => return first,
        }
    }
    first
}
