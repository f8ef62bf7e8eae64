//! The protobuf messages of WAL and `.snap` files, written by hand from etcd's `.proto` files.
//!
//! Every scalar is optional here, though etcd declares them so or not depending on the version:
//! 3.4 to 3.6 write a zero in full, 3.7 leaves it out, and readers of all versions take an absent
//! field for zero. With `Some(0)` and `None` both forms can be written byte for byte.

use prost::Message;

/// `walpb.Record`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Record {
    /// One of the types in [`super::record::RecordKind`].
    #[prost(int64, optional, tag = "1")]
    pub kind: Option<i64>,
    /// CRC-32C over the data of all records so far.
    #[prost(uint32, optional, tag = "2")]
    pub crc: Option<u32>,
    /// The payload; absent in a crc record.
    #[prost(bytes = "vec", optional, tag = "3")]
    pub data: Option<Vec<u8>>,
}

/// `etcdserverpb.Metadata`, the first record of each segment: the member and cluster of the log.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Metadata {
    /// The member's ID.
    #[prost(uint64, optional, tag = "1")]
    pub node_id: Option<u64>,
    /// The cluster's ID.
    #[prost(uint64, optional, tag = "2")]
    pub cluster_id: Option<u64>,
}

/// `walpb.Snapshot`: a snapshot was taken at this point.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WalSnapshot {
    /// The raft index it covers.
    #[prost(uint64, optional, tag = "1")]
    pub index: Option<u64>,
    /// The term of that index.
    #[prost(uint64, optional, tag = "2")]
    pub term: Option<u64>,
    /// The voters at that point (3.5 and later).
    #[prost(message, optional, tag = "3")]
    pub conf_state: Option<ConfState>,
}

/// `raftpb.Entry`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Entry {
    /// 0 normal, 1 configuration change.
    #[prost(int32, optional, tag = "1")]
    pub kind: Option<i32>,
    /// The term in which it was proposed.
    #[prost(uint64, optional, tag = "2")]
    pub term: Option<u64>,
    /// Its raft index.
    #[prost(uint64, optional, tag = "3")]
    pub index: Option<u64>,
    /// The request.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub data: Option<Vec<u8>>,
}

/// `raftpb.HardState`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct HardState {
    /// The current term.
    #[prost(uint64, optional, tag = "1")]
    pub term: Option<u64>,
    /// The member that this member voted for in that term.
    #[prost(uint64, optional, tag = "2")]
    pub vote: Option<u64>,
    /// The highest index known to be committed.
    #[prost(uint64, optional, tag = "3")]
    pub commit: Option<u64>,
}

/// `raftpb.ConfState`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConfState {
    /// IDs of the voting members.
    #[prost(uint64, repeated, packed = "false", tag = "1")]
    pub voters: Vec<u64>,
    /// IDs of the learners.
    #[prost(uint64, repeated, packed = "false", tag = "2")]
    pub learners: Vec<u64>,
    /// Joint consensus; etcd never writes it.
    #[prost(uint64, repeated, packed = "false", tag = "3")]
    pub voters_outgoing: Vec<u64>,
    /// Joint consensus; etcd never writes it.
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    pub learners_next: Vec<u64>,
    /// Joint consensus; always false.
    #[prost(bool, optional, tag = "5")]
    pub auto_leave: Option<bool>,
}

/// `raftpb.ConfChange`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConfChange {
    /// The request's ID; 0 in a restore.
    #[prost(uint64, optional, tag = "1")]
    pub id: Option<u64>,
    /// 0 add, 1 remove, 2 update, 3 add as learner.
    #[prost(int32, optional, tag = "2")]
    pub kind: Option<i32>,
    /// The member.
    #[prost(uint64, optional, tag = "3")]
    pub node_id: Option<u64>,
    /// The member's JSON.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub context: Option<Vec<u8>>,
}

/// `snappb.Snapshot`, the outer message of a `.snap` file.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SnapFile {
    /// CRC-32C of `data`.
    #[prost(uint32, optional, tag = "1")]
    pub crc: Option<u32>,
    /// A [`RaftSnapshot`].
    #[prost(bytes = "vec", optional, tag = "2")]
    pub data: Option<Vec<u8>>,
}

/// `raftpb.Snapshot`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RaftSnapshot {
    /// The v2 store as JSON.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub data: Option<Vec<u8>>,
    /// Its position in the log.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<SnapshotMetadata>,
}

/// `raftpb.SnapshotMetadata`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SnapshotMetadata {
    /// The voters at that point.
    #[prost(message, optional, tag = "1")]
    pub conf_state: Option<ConfState>,
    /// The raft index it covers.
    #[prost(uint64, optional, tag = "2")]
    pub index: Option<u64>,
    /// The term of that index.
    #[prost(uint64, optional, tag = "3")]
    pub term: Option<u64>,
}
