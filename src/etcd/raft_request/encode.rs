//! The content that a leader writes into a raft entry: the write side of `etcdserverpb.InternalRaftRequest`, as far as a log that is
//! made up for an exercise needs it. What is read of entries is in [`super::decode`].
//!
//! Source: etcd `etcdserverpb/raft_internal.proto`, `rpc.proto`, `membershippb/membership.proto`, the same in 3.5 to 3.7.

use prost::Message;

use super::decode::{Attributes, AttributesSet};
use crate::etcd::proto::KeyValue;

/// `etcdserverpb.InternalRaftRequest`.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, optional, tag = "4")]
    put: Option<Put>,
    #[prost(message, optional, tag = "5")]
    delete: Option<Delete>,
    #[prost(message, optional, tag = "6")]
    txn: Option<Txn>,
    #[prost(message, optional, tag = "100")]
    header: Option<Header>,
    #[prost(message, optional, tag = "1301")]
    attributes: Option<AttributesSet>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Header {
    #[prost(uint64, tag = "1")]
    id: u64,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Put {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
    #[prost(int64, tag = "3")]
    lease: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Delete {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Txn {
    #[prost(message, repeated, tag = "2")]
    success: Vec<Op>,
}

#[derive(Clone, PartialEq, Message)]
struct Op {
    #[prost(message, optional, tag = "2")]
    put: Option<Put>,
    #[prost(message, optional, tag = "3")]
    delete: Option<Delete>,
}

/// One change of a key: what is put, or, for a tombstone, the key that is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// The row after the change.
    Put(KeyValue),
    /// The key that is deleted.
    Delete(Vec<u8>),
}

impl Write {
    fn op(&self) -> Op {
        match self {
            Write::Put(kv) => {
                let put = Put { key: kv.key.clone(), value: kv.value.clone(), lease: kv.lease };
                Op { put: Some(put), delete: None }
            }
            Write::Delete(key) => Op { put: None, delete: Some(Delete { key: key.clone() }) },
        }
    }
}

/// The entry's data that makes these changes at one revision; `id` is the request's.
pub fn writes(id: u64, changes: &[Write]) -> Vec<u8> {
    let mut request = Request { header: Some(Header { id }), ..Request::default() };
    match changes {
        [one] => {
            let op = one.op();
            (request.put, request.delete) = (op.put, op.delete);
        }
        many => request.txn = Some(Txn { success: many.iter().map(Write::op).collect() }),
    }
    request.encode_to_vec()
}

/// The entry's data with which a member publishes its name and client URLs.
pub fn attributes(id: u64, member: u64, name: &str, client_urls: &[String]) -> Vec<u8> {
    let attributes = Attributes { name: name.into(), client_urls: client_urls.to_vec() };
    let set = AttributesSet { member_id: member, attributes: Some(attributes) };
    Request { header: Some(Header { id }), attributes: Some(set), ..Request::default() }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::raft_request::decode::Asked;

    #[test]
    fn what_is_written_is_read_as_that() {
        let put = |key: &[u8]| Write::Put(KeyValue { key: key.into(), value: b"v".into(), ..KeyValue::default() });
        // As etcd 3.5 writes a put of "a" (without its request ID, which etcd leaves out where a header has it).
        assert_eq!(writes(7, &[put(b"a")]), b"\x22\x06\x0a\x01a\x12\x01v\xa2\x06\x02\x08\x07");
        for changes in [vec![put(b"a")], vec![Write::Delete(b"a".into())], vec![put(b"a"), Write::Delete(b"b".into())]]
        {
            assert_eq!(Asked::decode(&writes(7, &changes)), Asked::Write, "{changes:?}");
        }
        let urls = vec!["http://127.0.0.1:2379".to_string()];
        let Asked::Attributes(member, told) = Asked::decode(&attributes(8, 0x51, "m1", &urls)) else { panic!() };
        assert_eq!((member, told.name.as_str(), told.client_urls), (0x51, "m1", urls));
    }
}
