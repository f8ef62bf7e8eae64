//! What one member stores besides keys, as it was read from that member alone: leases, users, roles, alarms, the member
//! table. Plain data without judgement.

use std::collections::{BTreeMap, BTreeSet};

use crate::etcd::membership::Id;

/// A part of what a member stores, which can be read or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Which leases there are.
    Leases,
    /// How long each lease was granted for.
    LeaseTtls,
    /// Whether authentication is enabled.
    AuthEnabled,
    /// The auth revision, which counts every change of users, roles and permissions.
    AuthRevision,
    /// Users with their roles.
    Users,
    /// Password hashes. They are compared and never shown.
    Passwords,
    /// Roles with their permissions.
    Roles,
    /// The member table of the database.
    Members,
    /// Alarms.
    Alarms,
    /// Cluster version and downgrade.
    Versions,
    /// The revision up to which the store is compacted.
    Compaction,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 11] = [
        Part::Leases,
        Part::LeaseTtls,
        Part::AuthEnabled,
        Part::AuthRevision,
        Part::Users,
        Part::Passwords,
        Part::Roles,
        Part::Members,
        Part::Alarms,
        Part::Versions,
        Part::Compaction,
    ];

    /// What it is called in a list.
    pub fn words(self) -> &'static str {
        match self {
            Part::Leases => "leases",
            Part::LeaseTtls => "TTLs of leases",
            Part::AuthEnabled => "whether authentication is enabled",
            Part::AuthRevision => "the auth revision",
            Part::Users => "users",
            Part::Passwords => "passwords",
            Part::Roles => "roles",
            Part::Members => "the member table",
            Part::Alarms => "alarms",
            Part::Versions => "the cluster version",
            Part::Compaction => "the compact revision",
        }
    }
}

/// A row that can be held against the same row of another member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKey {
    /// A lease, by ID. Its value is empty.
    Lease(u64),
    /// What a lease was granted for: `60 s`.
    LeaseTtl(u64),
    /// `enabled` or `disabled`.
    AuthEnabled,
    /// A number.
    AuthRevision,
    /// A user, by name: its roles.
    User(String),
    /// A digest of a user's password hash.
    Password(String),
    /// A role, by name: its permissions.
    Role(String),
    /// A member, by ID: its peer URLs, and whether it is a learner.
    Member(Id),
    /// An alarm in words. Its value is empty.
    Alarm(String),
    /// `3.5.0`.
    ClusterVersion,
    /// The row of a downgrade, as it is.
    Downgrade,
    /// A revision.
    Compacted,
}

/// The seconds in a value of [`RowKey::LeaseTtl`].
pub fn seconds(ttl: &str) -> Option<i64> {
    ttl.strip_suffix(" s")?.parse().ok()
}

impl RowKey {
    /// The part that it belongs to.
    pub fn part(&self) -> Part {
        match self {
            RowKey::Lease(_) => Part::Leases,
            RowKey::LeaseTtl(_) => Part::LeaseTtls,
            RowKey::AuthEnabled => Part::AuthEnabled,
            RowKey::AuthRevision => Part::AuthRevision,
            RowKey::User(_) => Part::Users,
            RowKey::Password(_) => Part::Passwords,
            RowKey::Role(_) => Part::Roles,
            RowKey::Member(_) => Part::Members,
            RowKey::Alarm(_) => Part::Alarms,
            RowKey::ClusterVersion | RowKey::Downgrade => Part::Versions,
            RowKey::Compacted => Part::Compaction,
        }
    }
}

/// How far a clock is from this machine's, as far as a date in whole seconds and the time of the call tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// The least, in milliseconds; positive where the member's clock is ahead.
    pub least: i64,
    /// The most.
    pub most: i64,
}

/// What a member stores, read from it at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredRows {
    /// The cluster whose member answered.
    pub cluster_id: Id,
    /// The member that answered.
    pub member_id: Id,
    /// Every log entry up to this index is in the rows.
    pub from: u64,
    /// No log entry above this index is in them.
    pub to: u64,
    /// The member's committed index after they were read.
    pub committed: u64,
    /// The rows.
    pub rows: BTreeMap<RowKey, String>,
    /// The parts that were read whole.
    pub parts: BTreeSet<Part>,
    /// Why the other parts were not read, each reason once.
    pub missing: Vec<String>,
    /// True where a part is missing for want of a right.
    pub denied: bool,
    /// True where the database was not streamed because of its size alone.
    pub too_large: bool,
    /// True where passwords are salted by each member for itself: those that were set since the restore differ then.
    pub salted: bool,
    /// The clock; none where the member's answers have no date.
    pub clock: Option<ClockOffset>,
    /// The command line that its etcd runs with; empty where it does not tell.
    pub command: Vec<String>,
}
