//! What was seen of a cluster that was started from a plan, and what its data will ask for next. Plain data without
//! judgement.

use std::path::PathBuf;

use super::{Alarm, Answer, Hashed, disk::DirFacts, rows::StoredRows};
use crate::domain::model::{
    old_cluster::{Endpoint, Old, ProbeResult},
    revision_clients::Client,
};
use crate::etcd::membership::Id;

/// All that was seen of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Each member of the plan, in the plan's order.
    pub members: Vec<ObservedMember>,
    /// The list of alarms, which only a quorum gives.
    pub alarms: Queried<Vec<Alarm>>,
    /// HashKV of the plan's snapshot as it is restored, and the compact revision that was reckoned with.
    pub planned: Queried<PlannedHash>,
    /// What the plan's snapshot holds besides keys, as the restore puts it there.
    pub source: Queried<StoredRows>,
    /// Seconds since the plan was made, before which none of its members started; none where that is not known.
    pub since_made: Option<i64>,
    /// What became of the canary.
    pub canary: Canary,
    /// A watch from the last revision known of the old cluster, which a bump makes compacted.
    pub old_watch: Watched,
    /// The old cluster's URLs that the plan does not have, and what was heard there.
    pub doors: Vec<(Endpoint, ProbeResult)>,
    /// What the snapshot shows of the old cluster.
    pub old: Old,
    /// True where the members are only played.
    pub simulated: bool,
    /// True when no more questions will be asked.
    pub over: bool,
}

/// One member of the plan, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedMember {
    /// The client URL that was asked.
    pub endpoint: String,
    /// What came back, from its peer port where the client port is shut. The hash in it is that at the plan's revision.
    pub answer: Answer,
    /// The hash at the newest revision that all have, where that is not the plan's.
    pub common: Hashed,
    /// What it stores besides keys, as of this round.
    pub stored: Queried<StoredRows>,
    /// The same as of the rounds before, the newest last.
    pub stored_before: Vec<StoredRows>,
    /// Its revision and applied index as of the round before.
    pub level_before: Option<Level>,
    /// Client URLs that it advertises and the plan does not have, each with who answers there.
    pub advertised: Vec<(String, Reached)>,
    /// Its data directory, where the plan has it on this machine.
    pub dir: Option<DirFacts>,
    /// The process on this machine that runs under its name and peer URL.
    pub process: Option<Process>,
}

/// How far a member was at one reading. A server reads the two one after the other while it applies its log, so that they
/// fit each other only while nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The store's revision.
    pub revision: i64,
    /// The raft index up to which the log was applied.
    pub raft_applied: u64,
}

/// A running etcd, as its flags tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process ID.
    pub pid: u32,
    /// `--data-dir`, as this machine sees it.
    pub data_dir: PathBuf,
    /// `--wal-dir`, where the log is elsewhere.
    pub wal_dir: Option<PathBuf>,
}

/// Who answers at a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reached {
    /// The member that advertises it.
    Itself,
    /// Another member.
    Other {
        /// Its ID.
        member: Id,
        /// Its cluster.
        cluster: Id,
    },
    /// No server that identifies itself, for this reason.
    Silent(String),
}

/// Something that was asked for once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Queried<T> {
    /// It was not asked for, or not yet.
    #[default]
    Not,
    /// It is this.
    Is(T),
    /// It could not be had, for this reason.
    Failed(String),
}

/// HashKV of the plan's snapshot at the plan's revision, with the plan's bump counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedHash {
    /// The hash.
    pub hash: u32,
    /// The compact revision that it holds for; -1 for none.
    pub compacted: i64,
}

/// A key that is put, read and deleted again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Canary {
    /// It was not allowed.
    #[default]
    NotAsked,
    /// It is agreed to and not done yet.
    Waits,
    /// It was put, read back by a linearizable read through each of these endpoints, and deleted.
    Done {
        /// The key.
        key: String,
        /// The revision of the put.
        revision: i64,
        /// Through whom it was read.
        read: Vec<String>,
        /// Whether a watch that was opened before saw both.
        watched: bool,
    },
    /// Something of it failed, in a sentence.
    Failed {
        /// The key.
        key: String,
        /// What failed, and why.
        why: String,
        /// True where it may still be there.
        left: bool,
    },
    /// The user may not write, or no user was given; nothing was written.
    Denied {
        /// The key.
        key: String,
        /// What was refused, in etcd's words.
        why: String,
    },
}

/// How a watch from an old revision was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Watched {
    /// It was not tried.
    #[default]
    NotAsked,
    /// Cancelled: the store is compacted up to this revision, so the client lists again.
    Compacted(i64),
    /// Taken, as if nothing had happened.
    Open,
    /// It could not be had, for this reason.
    Failed(String),
}

/// What the restored data itself makes happen after the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    /// The leases that have keys.
    pub leases: Vec<Lease>,
    /// What Kubernetes keeps in it.
    pub kubernetes: Option<Kubernetes>,
    /// Clients that keep revisions and have data in it.
    pub clients: Vec<Client>,
}

/// A lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lease {
    /// Its ID in hex, as etcdctl shows it.
    pub id: String,
    /// Seconds that it lives once its cluster has a leader; those of its last checkpoint where it has one.
    pub seconds: i64,
    /// Live keys on it.
    pub keys: u64,
    /// The first of them, with control characters escaped.
    pub first_keys: Vec<String>,
}

/// What Kubernetes keeps in etcd, as far as a restore disturbs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kubernetes {
    /// The prefix of its keys: `/registry/`.
    pub prefix: String,
    /// Nodes, by name.
    pub nodes: Vec<String>,
    /// API servers that have a row under `/registry/masterleases/`: the last part of its key, an address.
    pub api_servers: Vec<String>,
    /// How many service accounts there are.
    pub service_accounts: u64,
    /// What is encrypted, by key.
    pub sealed: Vec<EncryptedObjects>,
}

/// Objects that one key encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncryptedObjects {
    /// `aescbc`, `aesgcm`, `secretbox`, `kms`.
    pub provider: String,
    /// `v1`, `v2`.
    pub version: String,
    /// The key's name in the encryption configuration.
    pub key: String,
    /// How many objects.
    pub objects: u64,
    /// Their kinds.
    pub kinds: Vec<String>,
}
