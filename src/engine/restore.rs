//! (being built)

use std::path::PathBuf;

use crate::etcd::membership::Id;

/// What stands on the disk after a restore, as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The member's name.
    pub name: String,
    /// The member's ID, from the WAL that was written.
    pub member_id: Id,
    /// The cluster's ID, from the WAL that was written.
    pub cluster_id: Id,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The last revision in the restored database.
    pub revision: i64,
    /// Live keys in the restored database.
    pub keys: u64,
    /// Bytes of the database file.
    pub bytes: u64,
}
