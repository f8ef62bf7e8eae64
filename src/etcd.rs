//! What etcd keeps in its files: protobuf messages, bucket names, revision keys, membership JSON
//! and the derivation of IDs. Bytes in, values out; no file access.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod membership;
pub mod proto;
pub mod raft_request;
pub mod revision;
pub mod schema;
pub mod server_error;
pub mod v2store;
pub mod version;
