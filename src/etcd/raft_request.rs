//! The requests in raft entries, as etcd's servers propose and apply them.

pub mod decode;
pub mod encode;
pub mod request;
