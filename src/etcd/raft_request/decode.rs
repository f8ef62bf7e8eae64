//! The content of a raft entry, as far as requorum reads it: the v2 store's requests, and who the members are.
//!
//! Sources: etcd `etcdserverpb/etcdserver.proto` (`Request`), `raft_internal.proto`, `membershippb/membership.proto`.

use prost::Message;

/// `etcdserverpb.Request`: a request to the v2 store. 3.4 and 3.5 store the members' names and the cluster version this way,
/// and, with `--enable-v2`, their users' v2 keys.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct V2Request {
    /// The request's ID.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// `PUT`, `POST`, `DELETE`, `QGET` or `SYNC`.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The node, `/1/…` for users' keys. Like the values any bytes; etcd does not ask for UTF-8.
    #[prost(bytes = "vec", tag = "3")]
    pub path: Vec<u8>,
    /// The value.
    #[prost(bytes = "vec", tag = "4")]
    pub value: Vec<u8>,
    /// Whether a directory is meant.
    #[prost(bool, tag = "5")]
    pub dir: bool,
    /// The value that it must have had; empty for any.
    #[prost(bytes = "vec", tag = "6")]
    pub prev_value: Vec<u8>,
    /// The index at which it must have been modified; 0 for any.
    #[prost(uint64, tag = "7")]
    pub prev_index: u64,
    /// Whether it must have existed.
    #[prost(bool, optional, tag = "8")]
    pub prev_exist: Option<bool>,
    /// When it expires, nanoseconds since 1970; 0 for never.
    #[prost(int64, tag = "9")]
    pub expiration: i64,
    /// Used in reads only. It is declared because `POST` and `SYNC` would otherwise decode as a message in which it is a group.
    #[prost(bool, tag = "10")]
    pub wait: bool,
    /// Whether a directory is deleted with what is in it.
    #[prost(bool, tag = "12")]
    pub recursive: bool,
    /// In `SYNC`: everything that expires up to then is gone, nanoseconds since 1970.
    #[prost(int64, tag = "15")]
    pub time: i64,
    /// Whether only the expiry changes.
    #[prost(bool, optional, tag = "17")]
    pub refresh: Option<bool>,
}

/// `etcdserverpb.InternalRaftRequest`; of what changes keys only that it is there.
#[derive(Clone, PartialEq, Eq, Message)]
struct Internal {
    #[prost(message, optional, tag = "2")]
    v2: Option<V2Request>,
    #[prost(bytes = "vec", optional, tag = "4")]
    put: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    delete_range: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "6")]
    txn: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "9")]
    lease_revoke: Option<Vec<u8>>,
    #[prost(message, optional, tag = "1300")]
    cluster_version: Option<ClusterVersion>,
    #[prost(message, optional, tag = "1301")]
    attributes: Option<AttributesSet>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ClusterVersion {
    #[prost(string, tag = "1")]
    version: String,
}

/// `membershippb.ClusterMemberAttrSetRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::etcd) struct AttributesSet {
    /// The member's ID.
    #[prost(uint64, tag = "1")]
    pub member_id: u64,
    /// The attributes.
    #[prost(message, optional, tag = "2")]
    pub attributes: Option<Attributes>,
}

/// `membershippb.Attributes`: what a member publishes of itself.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Attributes {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its client URLs.
    #[prost(string, repeated, tag = "2")]
    pub client_urls: Vec<String>,
}

/// The request of a normal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A change of the v2 store.
    V2(V2Request),
    /// A new cluster version, such as `3.6.0`.
    ClusterVersion(String),
    /// A member's name and client URLs.
    Attributes(u64, Attributes),
    /// A put, a deletion, a transaction or the end of a lease: it may make one revision, and no more than one.
    Write,
    /// Something else, or nothing at all.
    Other,
}

impl Asked {
    /// Reads the data of a normal entry. A request to the v2 store may be stored without a wrapper; its method is not a message, so
    /// the two cannot be confused.
    pub fn decode(data: &[u8]) -> Asked {
        if let Ok(internal) = Internal::decode(data) {
            return match internal {
                Internal { cluster_version: Some(set), .. } => Asked::ClusterVersion(set.version),
                Internal { attributes: Some(set), .. } => {
                    Asked::Attributes(set.member_id, set.attributes.unwrap_or_default())
                }
                Internal { v2: Some(request), .. } => Asked::V2(request),
                Internal { put: Some(_), .. }
                | Internal { delete_range: Some(_), .. }
                | Internal { txn: Some(_), .. }
                | Internal { lease_revoke: Some(_), .. } => Asked::Write,
                _ => Asked::Other,
            };
        }
        V2Request::decode(data).map_or(Asked::Other, Asked::V2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bare_v2_request_differs_from_v3() {
        for method in ["PUT", "POST", "DELETE", "QGET", "SYNC"] {
            let request = V2Request { id: 7, method: method.into(), path: "/1/a".into(), ..V2Request::default() };
            assert_eq!(Asked::decode(&request.encode_to_vec()), Asked::V2(request.clone()), "{method}");
            let inside = Internal { v2: Some(request.clone()), ..Internal::default() };
            assert_eq!(Asked::decode(&inside.encode_to_vec()), Asked::V2(request));
        }
        // A put of key "a" (field 4 of the request) as etcd 3.5 writes it.
        assert_eq!(Asked::decode(b"\x08\x07\x22\x06\x0a\x01a\x12\x01b\xa2\x06\x02\x08\x07"), Asked::Write);
        // an alarm that is asked for (field 10), as a status of etcdctl does
        assert_eq!(Asked::decode(b"\x08\x07\x52\x00\xa2\x06\x02\x08\x07"), Asked::Other);
        assert_eq!(Asked::decode(b""), Asked::Other);
        let version =
            Internal { cluster_version: Some(ClusterVersion { version: "3.6.0".into() }), ..Internal::default() };
        assert_eq!(Asked::decode(&version.encode_to_vec()), Asked::ClusterVersion("3.6.0".into()));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_value(bytes: Vec<u8>) {
            let _ = Asked::decode(&bytes);
        }
    }
}
