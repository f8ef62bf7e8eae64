//! The names of etcd's buckets and of the rows that requorum reads or writes in them.
//!
//! Source: etcd `server/storage/schema/bucket.go` and the other files there.

/// Revision → `mvccpb.KeyValue`.
pub const KEY: &[u8] = b"key";
/// Rows about the store as a whole.
pub const META: &[u8] = b"meta";
/// Lease ID → `leasepb.Lease`.
pub const LEASE: &[u8] = b"lease";
/// `AlarmMember` → nothing.
pub const ALARM: &[u8] = b"alarm";
/// Whether authentication is enabled.
pub const AUTH: &[u8] = b"auth";
/// User name → `authpb.User`.
pub const AUTH_USERS: &[u8] = b"authUsers";
/// Role name → `authpb.Role`.
pub const AUTH_ROLES: &[u8] = b"authRoles";
/// Member ID in hex → JSON.
pub const MEMBERS: &[u8] = b"members";
/// Member ID in hex → `removed`.
pub const MEMBERS_REMOVED: &[u8] = b"members_removed";
/// Cluster version and downgrade.
pub const CLUSTER: &[u8] = b"cluster";

/// The ten buckets of every etcd database, in the order of their names.
pub const ALL: [&[u8]; 10] = [ALARM, AUTH, AUTH_ROLES, AUTH_USERS, CLUSTER, KEY, LEASE, MEMBERS, MEMBERS_REMOVED, META];

/// In `meta`: the last applied raft index, u64be.
pub const CONSISTENT_INDEX: &[u8] = b"consistent_index";
/// In `meta`: the term of that index, u64be (3.5 and later).
pub const TERM: &[u8] = b"term";
/// In `meta`: the revision up to which a compaction was ordered.
pub const SCHEDULED_COMPACT: &[u8] = b"scheduledCompactRev";
/// In `meta`: the revision up to which one was finished.
pub const FINISHED_COMPACT: &[u8] = b"finishedCompactRev";
/// In `meta`: `3.6.0` (3.6 and later).
pub const STORAGE_VERSION: &[u8] = b"storageVersion";
/// In `cluster`: `3.5.0`.
pub const CLUSTER_VERSION: &[u8] = b"clusterVersion";
/// In `cluster`: JSON of a downgrade (3.5 and later).
pub const DOWNGRADE: &[u8] = b"downgrade";
/// In `auth`: one byte, 1 when authentication is enabled.
pub const AUTH_ENABLED: &[u8] = b"authEnabled";

/// In `auth`: the auth revision, u64be.
pub const AUTH_REVISION: &[u8] = b"authRevision";

/// In `meta`: the raft configuration as JSON (3.5 and later).
pub const CONF_STATE: &[u8] = b"confState";

/// Whether etcd 3.4 to 3.7 writes a row of this name there: in `auth`, `cluster` and `meta` all names are known.
pub fn is_row(bucket: &[u8], key: &[u8]) -> bool {
    match bucket {
        AUTH => [AUTH_ENABLED, AUTH_REVISION].contains(&key),
        CLUSTER => [CLUSTER_VERSION, DOWNGRADE].contains(&key),
        META => {
            [CONSISTENT_INDEX, TERM, CONF_STATE, STORAGE_VERSION, SCHEDULED_COMPACT, FINISHED_COMPACT].contains(&key)
        }
        _ => true,
    }
}

/// Returns whether etcd has a bucket of this name.
pub fn is_known(bucket: &[u8]) -> bool {
    ALL.contains(&bucket)
}
