//! What etcd keeps in its files: protobuf messages, bucket names, revision keys, membership JSON
//! and the derivation of IDs. Bytes in, values out; no file access.

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod membership;
#[path = "etcd/raft_request/encode.rs"]
pub mod proposal;
pub mod proto;
#[path = "etcd/raft_request/decode.rs"]
pub mod request;
pub mod revision;
pub mod schema;
pub mod server_error;
#[path = "etcd/v2store/state.rs"]
pub mod v2keys;
#[path = "etcd/v2store/json.rs"]
pub mod v2store;
pub mod version;
