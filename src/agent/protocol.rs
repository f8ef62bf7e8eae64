//! The protocol between two requorum processes over one pipe.
//!
//! The agent on the host with the data ([`crate::system::agent_server`]) reads requests on its standard input and writes events on its
//! standard output, one JSON object on each line; the bytes of a [`Request::Chunk`] follow its line as they are. Each
//! request is answered by [`Event::Progress`] lines, where it takes long, and then by one last event; a chunk by none. While
//! it works on one, an [`Event::Heartbeat`] line comes every few seconds: the client treats a host that sends nothing at
//! all as dead. The end of the input means: stop at the next safe point.

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

/// The protocol version; any other one is rejected.
pub const PROTOCOL: u32 = 5;
/// No chunk holds more bytes, packed or not.
pub const CHUNK_BYTES: usize = 1 << 20;

/// A snapshot, identified by its content, and where it may be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// SHA-256 of the whole file, hex.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// A file that may be the snapshot.
    pub at: PathBuf,
    /// The directory that it is received in: of this path the deepest part that exists. Empty where it is not sent.
    pub depot: PathBuf,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The first request. Answered by [`Event::Hello`].
    Hello {
        /// [`PROTOCOL`] of the client.
        protocol: u32,
    },
    /// Look at this machine's configurations and data directories, after those of `dirs`. Answered by [`Event::Around`].
    LookAround {
        /// Data directories, each with its WAL directory if that is elsewhere.
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
        /// Offset of the first chunk; not past the bytes already received.
        from: u64,
    },
    /// The next bytes of the snapshot; they follow this line.
    Chunk {
        /// How many follow.
        length: u32,
        /// Number of bytes after decompression, if they are compressed with zlib.
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
    /// Query this member's state. Answered by [`Event::Standing`].
    Standing(MemberRequest),
    /// Build one member in staging, from the snapshot that was found or received. Answered by [`Event::Restored`].
    Stage(MemberRequest),
    /// Install a member that was built. Answered by [`Event::Swapped`].
    Swap {
        /// The member.
        of: MemberRequest,
        /// The date in the name under which the old directory is kept: `20261122-031205`.
        stamp: String,
    },
    /// Roll back a member: restore the previous directory. Answered by [`Event::Undone`].
    Undo {
        /// The member.
        of: MemberRequest,
        /// The date in the name under which the new directory is kept.
        stamp: String,
    },
    /// Remove a member's staging directory. Answered by [`Event::Done`].
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
    /// The client is still connected. Not answered: an agent that receives nothing for long treats the connection as dead.
    Still,
    /// The end of the session.
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

/// A response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The agent is ready.
    Hello {
        /// Its [`PROTOCOL`].
        protocol: u32,
        /// Its version.
        version: String,
    },
    /// The agent is still working on the request, and has no progress to report.
    Heartbeat,
    /// Progress.
    Progress(Progress),
    /// What was found.
    Around(Box<MachineFacts>),
    /// What was found.
    Configs(Vec<ConfigFacts>),
    /// How much of the snapshot is here.
    Snapshot(Have),
    /// The member's state.
    Standing(MemberState),
    /// The member is built, as read back.
    Restored(Restored),
    /// The member is installed, as verified.
    Swapped(Swapped),
    /// The member is rolled back: which paths were moved where.
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
    /// The request failed.
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
    /// It was received with a wrong SHA-256, and was removed.
    Wrong(String),
}
