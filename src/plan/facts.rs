//! What was seen: which member said what, which file holds what. Plain data without judgement.

pub mod config;
pub mod disk;

use std::path::PathBuf;

use crate::etcd::membership::Id;

/// What one endpoint said, or why it said nothing.
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
    Says(Box<MemberSays>),
    /// It did not, and this is the reason in a few words: "connection refused", "no answer in 3 s".
    Silent {
        /// The reason, short enough for a table cell.
        why: String,
        /// The whole story for the details pane, with the way out where one is known.
        details: String,
    },
}

/// What a member says of itself and of its cluster; all of it answers without quorum.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberSays {
    /// The cluster's ID.
    pub cluster_id: Id,
    /// The member's own ID.
    pub member_id: Id,
    /// The server's version, `3.5.30`.
    pub version: String,
    /// The store's revision.
    pub revision: i64,
    /// The raft term.
    pub raft_term: u64,
    /// The committed raft index.
    pub raft_index: u64,
    /// The leader that it names; `Id(0)` for none.
    pub leader: Id,
    /// True for a member that does not vote.
    pub is_learner: bool,
    /// Bytes of the database file.
    pub db_bytes: u64,
    /// Bytes of it that are in use.
    pub db_bytes_in_use: u64,
    /// The quota in bytes, where the server tells (3.6 and later).
    pub quota_bytes: Option<u64>,
    /// The server's own complaints: `etcdserver: no leader`, alarms.
    pub errors: Vec<String>,
    /// The members that it knows, empty where the list could not be had.
    pub members: Vec<KnownMember>,
    /// How a linearizable read through this member went; only asked where it names a leader.
    pub read: Read,
}

/// How a linearizable read went: the one question that only a quorum can answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Read {
    /// It was not tried: the member names no leader.
    #[default]
    NotAsked,
    /// It succeeded: quorum holds.
    Served,
    /// It did not, for this reason.
    Failed(String),
}

/// A member as another member, or a snapshot, lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KnownMember {
    /// Its ID.
    pub id: Id,
    /// Its name; empty where it never started.
    pub name: String,
    /// Its peer URLs.
    pub peer_urls: Vec<String>,
    /// Its client URLs.
    pub client_urls: Vec<String>,
    /// True for a member that does not vote.
    pub is_learner: bool,
}

/// A file that may be restored from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// When it was last changed, seconds since 1970, where the filesystem tells.
    pub modified: Option<i64>,
    /// What it is, and whether it can be trusted.
    pub health: Health,
    /// What it holds; absent while it was not read or cannot be.
    pub content: Option<Content>,
}

/// What a file is, and whether it can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Found, not read yet.
    Unread,
    /// A saved snapshot whose SHA-256 trailer is right and whose pages are sound.
    Verified,
    /// A database without a trailer (a copy of `member/snap/db`), whose pages are sound.
    Unhashed,
    /// Not restorable; the sentence says why.
    Broken(String),
}

/// What a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// True when an API server of Kubernetes kept its data in it.
    pub kubernetes: bool,
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
}
