//! Progress reports of long work, and the answer that stops it.

use serde::{Deserialize, Serialize};

/// A phase of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Receiving a snapshot from a member.
    Receive,
    /// Unpacking an archive.
    Unpack,
    /// Reading the snapshot and hashing it.
    Hash,
    /// Checking every page and row.
    Check,
    /// Comparing the rows of two databases.
    Compare,
    /// Copying the database into staging.
    Copy,
    /// Writing membership, WAL and `.snap`.
    Write,
    /// Reading the result back with an independent reader.
    Prove,
    /// Renaming it into place.
    Place,
    /// Waiting for an earlier run to release its lock.
    Wait,
    /// Reading a member's WAL.
    ReadLog,
    /// Reading the database that a replay begins from.
    Index,
    /// Applying the entries of a log.
    Replay,
}

impl Phase {
    /// Returns how many phases of building a member come before it.
    pub fn order(self) -> u64 {
        match self {
            Phase::Receive | Phase::Unpack | Phase::Hash | Phase::Wait => 0,
            // of a salvage, which builds no member
            Phase::ReadLog | Phase::Index | Phase::Replay => 0,
            Phase::Check | Phase::Compare => 1,
            Phase::Copy => 2,
            Phase::Write => 3,
            Phase::Prove | Phase::Place => 4,
        }
    }

    /// Returns the text for a progress line.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Receive => "receiving",
            Phase::Unpack => "unpacking the archive",
            Phase::Hash => "hashing the snapshot",
            Phase::Check => "checking every page",
            Phase::Compare => "comparing the rows",
            Phase::Copy => "copying the database",
            Phase::Write => "writing membership and WAL",
            Phase::Prove => "verifying the result",
            Phase::Place => "installing",
            Phase::Wait => "waiting for an earlier run to release its lock",
            Phase::ReadLog => "reading the log",
            Phase::Index => "reading the database",
            Phase::Replay => "applying the log",
        }
    }
}

/// One progress report. `total` is 0 if the amount is not known in advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes done in this phase.
    pub done: u64,
    /// Bytes in this phase.
    pub total: u64,
}

/// The answer to a progress report: continue, or stop at this safe point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Continue.
    Go,
    /// Stop here; what was created so far is removed.
    Stop,
}

/// Receives progress reports and may stop the work. Called at least once for each 4 MiB.
pub type ProgressFn<'a> = dyn FnMut(Progress) -> Flow + 'a;
