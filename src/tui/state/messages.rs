//! What can happen to the wizard, and what it asks for: plain data, so that a run can be written
//! down, compared and replayed.

mod effect;

use std::path::PathBuf;

use crossterm::event::KeyEvent;

pub use self::effect::{Effect, Orders};
use super::step::Step;
use crate::{
    domain::{
        members::certificates,
        model::observations::{Answer, FileFacts, Hashed, MachineFacts, disk::DirFacts},
        preflight::{
            blockers::{Blocker, Observations},
            host_report::Look,
        },
        quorum::known::Compared,
        render::start::HostKnown,
        sources::data_loss::{Difference, History},
        verify::Verification,
    },
    engine::progress::Progress,
    error::{Error, Result},
    execute::{events::ExecutionEvent, start::StartOption},
    system::journal::Record,
};

/// Where text that was copied is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clipboard {
    /// In tmux's paste buffer, and sent to the terminal around it.
    Tmux,
    /// Sent to the terminal, which may or may not have a clipboard (OSC 52).
    Terminal,
    /// Printed as lines, to be selected there.
    Lines,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// The first message: the world's clock in seconds since 1970, and its fresh digits.
    Start {
        /// Seconds since 1970.
        now: i64,
        /// Random hex digits for the token.
        fresh: String,
    },
    /// It is time to ask the members again, without a key.
    LookAgain,
    /// A wizard that was left is opened again: what was under way then is not any more.
    Returned,
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal's columns and lines: at the start, and when they change.
    Resized(u16, u16),
    /// Milliseconds since the start.
    Tick(u64),
    /// The terminal went away or the system asked us to end.
    Terminated,
    /// To [`Effect::Ask`] and [`Effect::AskPeer`].
    Answered {
        /// The effect's ID.
        id: u64,
        /// The member's answer.
        answer: Answer,
    },
    /// To [`Effect::Hash`].
    Hashed {
        /// The effect's ID.
        id: u64,
        /// The hash, or why there is none.
        hash: Hashed,
    },
    /// To [`Effect::HoldAgainst`].
    HeldAgainst {
        /// The effect's ID.
        id: u64,
        /// What came of each.
        compared: Vec<Compared>,
    },
    /// To [`Effect::Find`].
    Found {
        /// The effect's ID.
        id: u64,
        /// The files.
        result: Result<Vec<FileFacts>>,
    },
    /// To [`Effect::Look`].
    Looked {
        /// The effect's ID.
        id: u64,
        /// What the directory is.
        facts: Box<DirFacts>,
    },
    /// To [`Effect::Relate`].
    Related {
        /// The effect's ID.
        id: u64,
        /// Whether the two files have one history.
        result: Result<History>,
    },
    /// To [`Effect::Compare`].
    Compared {
        /// The effect's ID.
        id: u64,
        /// What the older file lacks; true where the second one is the newer.
        result: Result<(Difference, bool)>,
    },
    /// A step forward of [`Effect::Inspect`], [`Effect::Save`] or [`Effect::Compare`].
    Stepped {
        /// The effect's ID.
        id: u64,
        /// How far it is.
        progress: Progress,
    },
    /// To [`Effect::Inspect`].
    Inspected {
        /// The effect's ID.
        id: u64,
        /// What the file is.
        result: Result<FileFacts>,
    },
    /// To [`Effect::Save`].
    Saved {
        /// The effect's ID.
        id: u64,
        /// The new file.
        result: Result<FileFacts>,
    },
    /// One host of [`Effect::LookAtHosts`].
    HostSeen {
        /// The effect's ID.
        id: u64,
        /// What was seen.
        look: Box<Look>,
    },
    /// [`Effect::LookAtHosts`] is over.
    HostsSeen {
        /// The effect's ID.
        id: u64,
    },
    /// To [`Effect::Here`].
    Here {
        /// The effect's ID.
        id: u64,
        /// Those that are this machine.
        here: Vec<String>,
    },
    /// To [`Effect::Journals`].
    Journals {
        /// The effect's ID.
        id: u64,
        /// The journals that were found.
        found: Vec<(PathBuf, Result<Vec<Record>>)>,
    },
    /// Something happened in [`Effect::Apply`].
    Told {
        /// The effect's ID.
        id: u64,
        /// What happened.
        told: Box<ExecutionEvent>,
    },
    /// [`Effect::Apply`] is over.
    ApplyEnded {
        /// The effect's ID.
        id: u64,
        /// The first failure.
        result: Result<()>,
    },
    /// To [`Effect::Fences`].
    Fenced {
        /// The effect's ID.
        id: u64,
        /// All that was seen.
        seen: Observations,
        /// What follows from it.
        fences: Vec<Blocker>,
    },
    /// A round of [`Effect::Verify`] is over.
    Seen {
        /// The effect's ID.
        id: u64,
        /// What is known.
        proof: Box<Verification>,
    },
    /// [`Effect::Verify`] is over.
    Verified {
        /// The effect's ID.
        id: u64,
        /// What it came to.
        result: Result<Box<Verification>>,
    },
    /// To [`Effect::Write`].
    Written {
        /// The effect's ID.
        id: u64,
        /// The file.
        path: PathBuf,
        /// How it went.
        result: Result<()>,
    },
    /// To [`Effect::Copy`].
    Copied {
        /// The effect's ID.
        id: u64,
        /// Where the text is now.
        to: Clipboard,
    },
    /// To [`Effect::Certificates`].
    Certificates {
        /// The effect's ID.
        id: u64,
        /// What was read.
        seen: certificates::CertificateFacts,
    },
    /// To [`Effect::LookAround`].
    LookedAround {
        /// The effect's ID.
        id: u64,
        /// What was found.
        around: MachineFacts,
    },
    /// What is shown at the foot of the steps from now on.
    Noted(Vec<(Step, String)>),
    /// To [`Effect::KnowHosts`].
    HostsKnown {
        /// The effect's ID.
        id: u64,
        /// What they reported.
        hosts: Vec<HostKnown>,
        /// Why some reported nothing, or not all, with the host's name.
        troubles: Vec<(String, Error)>,
    },
    /// To [`Effect::Offer`].
    Offered {
        /// The effect's ID.
        id: u64,
        /// How the member would be started.
        result: Result<Vec<StartOption>>,
    },
    /// To [`Effect::Start`].
    Started {
        /// The effect's ID.
        id: u64,
        /// What was seen then, in a clause.
        result: Result<String>,
    },
    /// To [`Effect::Fresh`].
    Fresh {
        /// The effect's ID.
        id: u64,
        /// Seconds since 1970.
        now: i64,
        /// Random hex digits.
        fresh: String,
    },
}

impl Msg {
    /// The effect that this message is the last of; none where more will come, or where no effect was asked for it.
    pub fn settles(&self) -> Option<u64> {
        match self {
            Msg::Answered { id, .. }
            | Msg::Hashed { id, .. }
            | Msg::HeldAgainst { id, .. }
            | Msg::Found { id, .. }
            | Msg::Looked { id, .. }
            | Msg::Related { id, .. }
            | Msg::Compared { id, .. }
            | Msg::Inspected { id, .. }
            | Msg::Saved { id, .. }
            | Msg::HostsSeen { id }
            | Msg::Here { id, .. }
            | Msg::Journals { id, .. }
            | Msg::ApplyEnded { id, .. }
            | Msg::Fenced { id, .. }
            | Msg::Verified { id, .. }
            | Msg::Written { id, .. }
            | Msg::Copied { id, .. }
            | Msg::Certificates { id, .. }
            | Msg::LookedAround { id, .. }
            | Msg::HostsKnown { id, .. }
            | Msg::Offered { id, .. }
            | Msg::Started { id, .. }
            | Msg::Fresh { id, .. } => Some(*id),
            Msg::Stepped { .. } | Msg::HostSeen { .. } | Msg::Told { .. } | Msg::Seen { .. } => None,
            Msg::Start { .. }
            | Msg::Returned
            | Msg::LookAgain
            | Msg::Key(_)
            | Msg::Paste(_)
            | Msg::Resized(..)
            | Msg::Tick(_)
            | Msg::Terminated
            | Msg::Noted(_) => None,
        }
    }
}
