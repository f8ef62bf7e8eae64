//! The content of etcd's files: protobuf messages, bucket names, revision keys, membership JSON
//! and the derivation of IDs. Bytes in, values out; no file access.
//!
//! ```
//! use requorum::etcd::{
//!     membership::{Id, member_id},
//!     revision::{Revision, RevisionKey},
//! };
//!
//! // the IDs of a restored cluster are known beforehand
//! let id = member_id(&["http://127.0.0.31:2380".into()], "spec-token");
//! assert_eq!(id, Id(0xcfa0_1bbb_22ab_cc1b));
//!
//! let row = Revision { main: 12, sub: 0 }.to_bytes();
//! assert_eq!(RevisionKey::parse(&row).map(|key| (key.revision.main, key.tombstone)), Some((12, false)));
//! ```

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod membership;
pub mod proto;
pub mod raft_request;
pub mod revision;
pub mod schema;
pub mod server_error;
pub mod v2store;
pub mod version;
