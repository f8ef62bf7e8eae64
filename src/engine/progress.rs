//! How long work tells where it stands, and how it is stopped.

use serde::{Deserialize, Serialize};

/// What is being done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Receiving a snapshot from a member.
    Receive,
    /// Unpacking an archive.
    Unpack,
    /// Reading the snapshot and hashing it.
    Hash,
    /// Walking every page and row.
    Check,
    /// Comparing the rows of two databases.
    Compare,
    /// Copying the database beside its place.
    Copy,
    /// Writing membership, WAL and `.snap`.
    Write,
    /// Reading the result back with the independent reader.
    Prove,
    /// Renaming it into place.
    Place,
    /// Waiting for an earlier run to let go.
    Wait,
}

impl Phase {
    /// The phase in the words of a progress line.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Receive => "receiving",
            Phase::Unpack => "unpacking the archive",
            Phase::Hash => "hashing the snapshot",
            Phase::Check => "checking every page",
            Phase::Compare => "comparing the rows",
            Phase::Copy => "copying the database",
            Phase::Write => "writing members and log",
            Phase::Prove => "reading it back",
            Phase::Place => "putting it in place",
            Phase::Wait => "waiting for an earlier run to let go",
        }
    }
}

/// One step forward. `total` is 0 where the amount is not known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes done in this phase.
    pub done: u64,
    /// Bytes that this phase will take.
    pub total: u64,
}

/// What the watcher answers to a step: go on, or stop at this safe point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Go,
    /// Stop here; what was made so far is removed.
    Stop,
}

/// Hears of every step and may stop the work. Called at least once for each 4 MiB.
pub type ProgressFn<'a> = dyn FnMut(Progress) -> Flow + 'a;
