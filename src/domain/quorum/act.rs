//! One piece of advice: what it asks for, of what, and the sentence that says so.

use std::{borrow::Borrow, fmt, ops::Deref};

use serde::{Serialize, Serializer};

use super::history::Lack;

/// What a piece of advice asks for. What is to be decided or tested is decided and tested by this; the sentence may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Wait for answers, or ask the same members again.
    Wait,
    /// Leave the cluster as it is, and do not restore; a member that is missing may be started or replaced.
    Keep,
    /// The cluster serves, and something else is known, too: save from it before anything is restored or started.
    SaveFirst,
    /// Start etcd on this member's data, before any other.
    Start,
    /// Start etcd on this member's data, after the first.
    AlsoStart,
    /// Start a member again of whose disk nothing is known.
    StartIfWhole,
    /// Do not start etcd on this directory, for this reason.
    DoNotStart(Lack),
    /// Do not start etcd on this directory: what serves is of another history.
    OtherHistory,
    /// Do not start etcd on this directory before it is shown that it is of what serves.
    ShowFirst,
    /// Show by a comparison whether this file or member is of what serves.
    Show,
    /// A comparison is under way.
    Comparing,
    /// This directory holds nothing yet, nor did its member ever join.
    BringsNothing,
    /// Do not start etcd on this directory: it is an older copy of a member's data.
    OlderCopy,
    /// Replace the member rather than start etcd on this directory: it is whole, and older than the broken one.
    ReplaceNotOlder,
    /// Stop the process that has an older copy than this directory.
    NewerCopy,
    /// This directory holds the same data as another of its member: start one of the two only.
    SameCopy,
    /// Find out how far this directory goes before the other one is started.
    UnknownCopy,
    /// A process has this directory, and yet its member does not answer.
    Held,
    /// A process has this directory, and its member was not asked.
    AskHeld,
    /// This member's disk is broken.
    Broken,
    /// Ask members or addresses that were not asked.
    Ask,
    /// Ask from another machine.
    AskElsewhere,
    /// Look at what keeps members from hearing each other, or from answering.
    Look,
    /// This member lives, and its client port is shut.
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
    /// Restore from here, if this holds what is missed.
    RestoreIf,
    /// Go on to a restore; with the member whose data is proposed, if any.
    GoOn,
    /// What serves may be meant so: then leave it.
    MaybeMeant,
    /// What serves may not be the cluster that was asked for: find out what was started there.
    WhoseCluster,
    /// Another cluster answers at this member's client URL.
    Misplaced,
    /// This silent endpoint is no URL of a member.
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
}

impl Advice {
    pub(crate) fn new(act: Act, on: impl fmt::Display, text: impl Into<String>) -> Self {
        Advice { act, on: on.to_string(), text: text.into() }
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

/// In JSON it is its sentence.
impl Serialize for Advice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
