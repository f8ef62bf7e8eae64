//! One piece of advice: the action, its object, and the sentence.

use crate::error::Remedy;
use std::{borrow::Borrow, fmt, ops::Deref};

use serde::{Serialize, Serializer};

use super::history::Lack;

/// What a piece of advice asks for. Code and tests decide by this; the sentence may change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Wait for answers, or ask the same members again.
    Wait,
    /// Leave the cluster as it is, and do not restore; a member that is missing may be started or replaced.
    Keep,
    /// The cluster serves, but other states are known: save a snapshot from it before anything is restored or started.
    SaveFirst,
    /// Start etcd on this member's data, before any other.
    Start,
    /// Start etcd on this member's data, after the first.
    AlsoStart,
    /// Start a member again whose disk state is not known.
    StartIfWhole,
    /// Do not start etcd on this directory, for this reason.
    DoNotStart(Lack),
    /// Do not start etcd on this directory: what serves has another history.
    OtherHistory,
    /// Do not start etcd on this directory before it is shown to share the history of what serves.
    ShowFirst,
    /// Find out by a comparison whether this file or member shares the history of what serves.
    Show,
    /// A comparison is in progress.
    Comparing,
    /// This directory holds nothing yet, nor did its member ever join.
    BringsNothing,
    /// Do not start etcd on this directory: it is an older copy of a member's data.
    OlderCopy,
    /// Replace the member rather than start etcd on this directory: it is intact, but older than the damaged one.
    ReplaceNotOlder,
    /// Stop the process that has an older copy than this directory.
    NewerCopy,
    /// This directory holds the same data as another of its member: start one of the two only.
    SameCopy,
    /// Find out how far this directory goes before the other one is started.
    UnknownCopy,
    /// A process uses this directory, but its member does not answer.
    Held,
    /// A process uses this directory, and its member was not asked.
    AskHeld,
    /// This member's data directory is damaged.
    Broken,
    /// Ask members or addresses that were not asked.
    Ask,
    /// Ask from another machine.
    AskElsewhere,
    /// Check what keeps members from reaching each other, or from answering.
    Look,
    /// This member runs, but its client port does not answer.
    Shut,
    /// Stop etcd on these members.
    Stop,
    /// Save a snapshot from this endpoint before anything else.
    Save,
    /// Save a snapshot from each side and compare them.
    Compare,
    /// Find out which of two sides holds the data, then replace the other.
    ReplaceOne,
    /// An alarm of this member.
    Alarm,
    /// Restore from here.
    Restore,
    /// Restore from here, if this holds the missing data.
    RestoreIf,
    /// Continue to a restore; with the member whose data is proposed, if any.
    GoOn,
    /// What serves may be intended: then leave it.
    MaybeMeant,
    /// What serves may not be the cluster that was asked for: find out what was started there.
    WhoseCluster,
    /// Another cluster answers at this member's client URL.
    Misplaced,
    /// This silent endpoint is not a URL of any member.
    OtherName,
    /// A learner does not answer.
    StartLearner,
}

/// One piece of advice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it asks for.
    pub act: Act,
    /// The member, directory, endpoint or file that it is about; empty where it is about all.
    pub on: String,
    /// The sentence.
    pub text: String,
    /// How it is done with requorum, for the front ends to word.
    pub remedies: Vec<Remedy>,
}

impl Advice {
    pub(crate) fn new(act: Act, on: impl fmt::Display, text: impl Into<String>) -> Self {
        Advice { act, on: on.to_string(), text: text.into(), remedies: Vec::new() }
    }

    /// Adds how it is done with requorum.
    #[must_use]
    pub(crate) fn by(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }
}

impl Deref for Advice {
    type Target = str;
    fn deref(&self) -> &str {
        &self.text
    }
}

impl Borrow<str> for Advice {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Serializes as the sentence.
impl Serialize for Advice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
