//! What was seen: the answers of members, the content of files. Plain data without judgement.

pub mod config;
pub mod disk;
pub mod host;
mod leader;
pub mod rows;
pub mod started;

use std::{net::IpAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use leader::LeaderState;

use super::revision_clients;
use crate::{etcd::membership::Id, text::Foreign};

/// What was found on a machine without asking any member: how an etcd is started there, and what its directories hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFacts {
    /// Configurations.
    pub configs: Vec<config::ConfigFacts>,
    /// Data directories: those that were named, then those of the configurations.
    pub dirs: Vec<disk::DirFacts>,
    /// The machine's own addresses.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

/// The answer of one endpoint, or why it did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointFacts {
    /// The client URL that was asked, as given.
    pub endpoint: String,
    /// What came back.
    pub answer: Answer,
}

/// What came back from one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Still being asked.
    Asking,
    /// It answered.
    Says(Box<MemberStatus>),
    /// It did not, and this is the reason in a few words: "connection refused", "no answer in 3 s".
    Silent {
        /// The reason.
        why: NoAnswer,
        /// The whole story for the details pane, with the way out where one is known.
        details: String,
    },
}

/// What a member says of itself and of its cluster; all of it answers without quorum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberStatus {
    /// The cluster's ID.
    pub cluster_id: Id,
    /// The member's own ID.
    pub member_id: Id,
    /// The server's version, `3.5.30`.
    pub version: Foreign,
    /// The store's revision.
    pub revision: i64,
    /// The raft term.
    pub raft_term: u64,
    /// The committed raft index.
    pub raft_index: u64,
    /// The raft index up to which it has applied the log; 0 where it does not tell.
    pub raft_applied: u64,
    /// The leader that it names; `Id(0)` for none.
    pub leader: Id,
    /// What its metrics say: whether it has a leader. They do not say who.
    pub has_leader: Option<bool>,
    /// True for a member that does not vote.
    pub is_learner: bool,
    /// Bytes of the database file.
    pub db_bytes: u64,
    /// Bytes of it that are in use.
    pub db_bytes_in_use: u64,
    /// The quota in bytes, where the server reports it (its status from 3.6 on, its metrics in all versions).
    pub quota_bytes: Option<u64>,
    /// The cluster's version, `3.5.0`; empty where it was not reported.
    pub cluster_version: Foreign,
    /// The version of the files' forms, `3.6.0`; empty before 3.6.
    pub storage_version: Foreign,
    /// The alarms that are raised, as its status reports them: to ask for them would take a quorum.
    pub alarms: Vec<Alarm>,
    /// The server's other complaints (`etcdserver: no leader`), and what could not be learnt and why.
    pub errors: Vec<String>,
    /// True where the list of members was refused because authentication is enabled and no user was given.
    pub list_refused: bool,
    /// Why user and password were not sent to it, where some were given.
    pub withheld: Option<Withheld>,
    /// Why its client port says nothing, where what is known comes from its metrics or its peer port.
    pub closed: Option<NoAnswer>,
    /// The members that it knows, empty where the list could not be had.
    pub members: Vec<KnownMember>,
    /// How a linearizable read through this member went; only asked where it names a leader. Its `/health`, which
    /// makes such a read, counts as one where it is good.
    pub read: Read,
    /// How a serializable read went, which the member serves from what it has, without a quorum.
    pub local_read: Read,
    /// What it says of its own health under `/health`.
    pub health: OwnHealth,
    /// HashKV at the revision that all who answer have.
    pub hash: Hashed,
    /// Where all this was learnt.
    pub heard: Vec<Source>,
    /// True where another endpoint had answered as the same member, the only one of its cluster, with a later state
    /// before this was asked: one server does not go back, so there are two.
    pub went_back: bool,
}

/// Why user and password were not sent to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// The operator did not name the endpoint, and no CA given verifies it: it is only known from a member list.
    NotNamed,
    /// It is asked over http, and an endpoint that the operator named uses https.
    Plaintext,
}

impl Withheld {
    /// How programs call it.
    pub fn name(self) -> &'static str {
        match self {
            Withheld::NotNamed => "not-named",
            Withheld::Plaintext => "plaintext",
        }
    }
}

/// An alarm that is raised in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    /// Whose alarm it is.
    pub member: Id,
    /// `NOSPACE`, `CORRUPT`.
    pub kind: String,
}

impl Alarm {
    /// Reads an alarm among the errors of a status: `memberID:123 alarm:NOSPACE `, a protobuf text whose spaces differ
    /// between versions (etcd `v3rpc/maintenance.go`, 3.4 to 3.7).
    pub fn parse(text: &str) -> Option<Alarm> {
        let after = |word: &str| text.split_once(word).map(|(_, rest)| rest.trim_start());
        let id: String = after("memberID:")?.chars().take_while(char::is_ascii_digit).collect();
        let kind: String = after("alarm:")?.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        (!kind.is_empty()).then_some(())?;
        Some(Alarm { member: Id(id.parse().ok()?), kind })
    }

    /// Returns true where etcd found that a member's data differ from the others'.
    pub fn is_corrupt(&self) -> bool {
        self.kind == "CORRUPT"
    }
}

/// Why a client port does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// Authentication is enabled, no user was given, and without quorum no token can be issued.
    Password,
    /// For this reason, short enough for a table cell: "connection refused", "no answer in 3 s".
    Because(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NoAnswer::Password => "wants a password",
            NoAnswer::Because(why) => why,
        })
    }
}

impl From<String> for NoAnswer {
    fn from(why: String) -> Self {
        NoAnswer::Because(why)
    }
}

impl From<&str> for NoAnswer {
    fn from(why: &str) -> Self {
        NoAnswer::Because(why.into())
    }
}

impl From<NoAnswer> for String {
    fn from(why: NoAnswer) -> String {
        why.to_string()
    }
}

/// A door through which a member was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// gRPC on the client port.
    Client,
    /// The header of a call that it refused.
    Header,
    /// `/health` on the client port.
    Health,
    /// `/version` on the client port.
    Version,
    /// `/metrics` on the client port, or on a metrics port.
    Metrics,
    /// `/members` on the peer port.
    Peer,
}

/// What a member says of its own health.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum OwnHealth {
    /// It did not say.
    #[default]
    Untold,
    /// It is healthy; it could serve a linearizable read.
    Good,
    /// It is not, for this reason; empty where none is given.
    Bad(Foreign),
}

/// What HashKV came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hashed {
    /// It was not asked for.
    #[default]
    NotAsked,
    /// It is being computed.
    Asking,
    /// The hash of the keys up to a revision.
    Says {
        /// The hash.
        hash: u32,
        /// The revision up to which it counts.
        revision: i64,
        /// The member's compact revision; hashes compare only where it is the same.
        compacted: i64,
    },
    /// It could not be had, for this reason.
    Failed(Foreign),
    /// The revision is compacted away there, in etcd's words.
    Compacted(Foreign),
}

/// How a read went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Read {
    /// It was not tried.
    #[default]
    NotAsked,
    /// It succeeded; a linearizable one proves that quorum holds.
    Served,
    /// It did not, for this reason.
    Failed(Foreign),
}

/// A member as another member, or a snapshot, lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KnownMember {
    /// Its ID.
    pub id: Id,
    /// Its name; empty where it never started.
    pub name: Foreign,
    /// Its peer URLs.
    pub peer_urls: Vec<Foreign>,
    /// Its client URLs.
    pub client_urls: Vec<Foreign>,
    /// True for a member that does not vote.
    pub is_learner: bool,
}

/// A file that may be restored from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its path.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// When it was last changed, seconds since 1970, where the filesystem records it.
    pub modified: Option<i64>,
    /// What it is, and whether it can be trusted.
    pub health: Health,
    /// What it holds; absent while it was not read or cannot be.
    pub content: Option<Content>,
}

impl FileFacts {
    /// Whether it was found and not read through: of one that a quick look found damaged, no content is known.
    pub fn is_unread(&self) -> bool {
        match self.health {
            Health::Unread => true,
            Health::Limited(_) => self.content.is_none(),
            _ => false,
        }
    }
}

/// What a file is, and whether it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Found, not read yet.
    Unread,
    /// A saved snapshot whose SHA-256 trailer is right and whose pages are sound.
    Verified,
    /// A database without a trailer (a copy of `member/snap/db`), whose pages are sound.
    Unhashed,
    /// Whole, but inside an archive or a file with a hole; the sentence says how to get it out.
    Packed(String),
    /// Damaged where no row is affected: all that can be read is sound. It may be restored once the operator accepts
    /// that.
    Limited(LimitedDamage),
    /// Not restorable; the sentence says why.
    Broken(String),
    /// Not read: what is wrong is not the file but reading it; the sentence says why.
    Unreadable(String),
}

/// Damage that leaves every row of one state readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitedDamage {
    /// What is damaged.
    pub parts: Vec<DamagedPart>,
    /// The last revision of the state that can be read: what is typed to accept it (`--accept-damage`).
    pub revision: i64,
    /// Whether it ends in its own SHA-256, and that is right.
    pub hashed: bool,
    /// What is damaged and what is sound, a sentence.
    pub why: String,
}

/// A part of a database file that holds no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DamagedPart {
    /// The newer of the two meta pages: what can be read is the state before the last transaction.
    NewerMetaPage,
    /// One of the two meta pages; the one that is read is not known to be the older.
    MetaPage,
    /// The freelist: etcd stops at it, or overwrites pages in use.
    FreeList,
    /// The freelist: it lacks pages, or has them out of order, and etcd starts with it.
    LeakedPages,
}

impl DamagedPart {
    /// Whether an etcd comes up on such a file: bbolt reads the other meta page, and stops at a list that it cannot
    /// read.
    pub fn etcd_starts(self) -> bool {
        self != DamagedPart::FreeList
    }
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// SHA-256 of the whole file, hex.
    pub sha256: String,
    /// etcdutl's status hash.
    pub hash: u32,
    /// The last revision.
    pub revision: i64,
    /// Live keys, as etcdutl 3.6 and later count.
    pub keys: u64,
    /// Rows of all buckets together, as etcdutl up to 3.5 counts keys.
    pub rows: u64,
    /// Bytes of the database in use by pages: high-water mark times page size.
    pub total_bytes: u64,
    /// `meta/storageVersion`, written by 3.6 and later; empty otherwise.
    pub storage_version: String,
    /// `cluster/clusterVersion`; empty where it was never set.
    pub cluster_version: String,
    /// The members in it.
    pub members: Vec<KnownMember>,
    /// IDs of members that were removed from the cluster.
    #[serde(default)]
    pub removed: Vec<Id>,
    /// True when an API server of Kubernetes keeps its data in it.
    pub kubernetes: bool,
    /// Clients that keep revisions and have data in it, live keys or history.
    #[serde(default)]
    pub clients: Vec<revision_clients::Client>,
    /// Those of them of which no key lives: deleted history is all that is left.
    #[serde(default)]
    pub past_clients: Vec<revision_clients::Client>,
    /// Leases in it.
    pub leases: u64,
    /// Users in it.
    pub users: u64,
    /// True when authentication is switched on in it.
    pub auth_enabled: bool,
    /// Alarms in it, in words: `NOSPACE of member 1f2e…`.
    pub alarms: Vec<String>,
    /// True when a downgrade is in progress in it.
    pub downgrading: bool,
    /// What is odd about it and yet no damage, each a sentence.
    pub warnings: Vec<String>,
    /// How many bytes of the file are the snapshot with its SHA-256, where others follow that do not belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_bytes: Option<u64>,
}
