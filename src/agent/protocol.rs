//! What two requorums say to each other over one pipe, and how a snapshot is received.
//!
//! The one beside the data ([`crate::system::agent_server`]) reads requests on its standard input and writes events on its
//! standard output, one JSON object on each line; the bytes of a [`Request::Chunk`] follow its line as they are. Each
//! request is answered by [`Event::Progress`] lines, where it takes long, and then by one last event; a chunk by none. While
//! it works on one, an [`Event::Heartbeat`] line comes every few seconds: whoever asked takes a host that sends nothing at
//! all for dead. The end of the input means: stop at the next safe point.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        model::{
            observations::{MachineFacts, config::ConfigFacts},
            plan::Plan,
        },
        preflight::stop::RunningEtcd,
    },
    engine::{
        install::{MemberState, Renames, Swapped, run_lock::Run},
        progress::Progress,
        restore::Restored,
    },
    error::Error,
};

/// The form of what is said here; another one is not understood.
pub const PROTOCOL: u32 = 5;
/// No chunk holds more bytes, packed or not.
pub const CHUNK_BYTES: usize = 1 << 20;

/// A snapshot by its content, and where it may lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// SHA-256 of the whole file, hex.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// A file that may be it.
    pub at: PathBuf,
    /// The directory that it is received in: of this path the deepest part that exists. Empty where it is not sent.
    pub depot: PathBuf,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The first one. Answered by [`Event::Hello`].
    Hello {
        /// [`PROTOCOL`] of the one who asks.
        protocol: u32,
    },
    /// Look at this machine's configurations and data directories, after those of `dirs`. Answered by [`Event::Around`].
    LookAround {
        /// Data directories, each with its WAL directory where that lies elsewhere.
        dirs: Vec<(PathBuf, Option<PathBuf>)>,
    },
    /// Find how an etcd is, or would be, started. Answered by [`Event::Configs`].
    DiscoverConfigs,
    /// Is the snapshot here? Answered by [`Event::Snapshot`].
    HaveSnapshot(Wanted),
    /// Chunks of the snapshot are to follow, from byte `from` on. Answered by [`Event::Snapshot`] at once, and, where that
    /// is a part, a second time when all have come.
    Receive {
        /// The snapshot.
        snapshot: Wanted,
        /// Where the first chunk belongs; not behind what is there already.
        from: u64,
    },
    /// The next bytes of the snapshot; they follow this line.
    Chunk {
        /// How many follow.
        length: u32,
        /// How many they are unpacked, where they are packed with zlib.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unpacked: Option<u32>,
    },
    /// Keep other runs away from these directories until the end. What changes anything is refused before. Answered by
    /// [`Event::Claimed`].
    Claim {
        /// The run.
        run: Run,
        /// The directories.
        targets: Vec<PathBuf>,
        /// With what the plan's journal on this machine begins, where it is made.
        seal: String,
        /// Whether one that is there has to begin with it.
        bound: bool,
    },
    /// How far is this member? Answered by [`Event::Standing`].
    Standing(MemberRequest),
    /// Build one member beside its place, from the snapshot that was found or received. Answered by [`Event::Restored`].
    Stage(MemberRequest),
    /// Put a member that was built in place. Answered by [`Event::Swapped`].
    Swap {
        /// The member.
        of: MemberRequest,
        /// The date in the name under which the old directory is kept: `20261122-031205`.
        stamp: String,
    },
    /// Take a member out of its place, and put back what was there. Answered by [`Event::Undone`].
    Undo {
        /// The member.
        of: MemberRequest,
        /// The date in the name under which the new directory is kept.
        stamp: String,
    },
    /// Remove what was built beside a member's place. Answered by [`Event::Done`].
    Discard(MemberRequest),
    /// Stop an etcd by these commands. Answered by [`Event::Done`].
    Halt(RunningEtcd),
    /// Start a member that is in place by these commands. Answered by [`Event::Started`].
    Start {
        /// The member.
        of: MemberRequest,
        /// The commands, as a shell takes them.
        commands: Vec<String>,
    },
    /// Remove the snapshot that was received. Answered by [`Event::Done`].
    Forget(Wanted),
    /// The one who asks is still there. Answered by nothing: whoever hears nothing for long takes the connection for dead.
    Still,
    /// That was all.
    Bye,
}

/// One member of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    /// The plan.
    pub plan: Box<Plan>,
    /// The member's name.
    pub name: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The one beside the data is there.
    Hello {
        /// Its [`PROTOCOL`].
        protocol: u32,
        /// Its version.
        version: String,
    },
    /// It still works on what it was asked, and has no step to report.
    Heartbeat,
    /// A step forward.
    Progress(Progress),
    /// What was found.
    Around(Box<MachineFacts>),
    /// What was found.
    Configs(Vec<ConfigFacts>),
    /// How much of the snapshot is here.
    Snapshot(Have),
    /// How far the member is.
    Standing(MemberState),
    /// The member is built, as read back.
    Restored(Restored),
    /// The member is in place, as looked at again.
    Swapped(Swapped),
    /// The member is out of its place: from where to where things went.
    Undone(Renames),
    /// The directories are claimed.
    Claimed {
        /// With what the plan's journal on this machine begins.
        seal: String,
    },
    /// An etcd holds the member's directory.
    Started {
        /// Its process, where that may be seen.
        pid: Option<u32>,
        /// True where it did before, so that nothing was done.
        already: bool,
    },
    /// Done.
    Done,
    /// It was not done.
    Failed(Error),
}

/// How much of a snapshot a host has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Have {
    /// All of it, with the right SHA-256, in this file.
    All(PathBuf),
    /// The first bytes, by their number alone.
    Part(u64),
    /// Nothing of it.
    Nothing,
    /// It arrived, and was another: it is removed again.
    Wrong(String),
}
