//! The protobuf messages that etcd keeps in its buckets, written by hand from etcd's `.proto` files
//! (`mvccpb/kv.proto`, `leasepb/lease.proto`, `rpc.proto`).

use prost::Message;

/// `mvccpb.KeyValue`: a row of the `key` bucket. A tombstone holds only the key.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct KeyValue {
    /// The user's key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The revision at which it was created.
    #[prost(int64, tag = "2")]
    pub create_revision: i64,
    /// The revision of this change.
    #[prost(int64, tag = "3")]
    pub mod_revision: i64,
    /// Its version: the number of changes since it was created, this one included.
    #[prost(int64, tag = "4")]
    pub version: i64,
    /// The value.
    #[prost(bytes = "vec", tag = "5")]
    pub value: Vec<u8>,
    /// The lease that it is attached to, 0 for none.
    #[prost(int64, tag = "6")]
    pub lease: i64,
}

/// `leasepb.Lease`: a row of the `lease` bucket.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Lease {
    /// The lease's ID.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// Time to live in seconds, from the moment a leader takes over.
    #[prost(int64, tag = "2")]
    pub ttl: i64,
    /// Remaining seconds at the last checkpoint, 0 for none.
    #[prost(int64, tag = "3")]
    pub remaining_ttl: i64,
}

/// `etcdserverpb.AlarmMember`: a key of the `alarm` bucket.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct AlarmMember {
    /// The member that raised it.
    #[prost(uint64, tag = "1")]
    pub member_id: u64,
    /// 1 NOSPACE, 2 CORRUPT.
    #[prost(int32, tag = "2")]
    pub alarm: i32,
}

impl AlarmMember {
    /// `NOSPACE of member 1f2e…`.
    pub fn words(&self) -> String {
        let name = match self.alarm {
            1 => "NOSPACE".to_string(),
            2 => "CORRUPT".to_string(),
            n => format!("alarm {n}"),
        };
        format!("{name} of member {:x}", self.member_id)
    }
}

/// `authpb.User`: a row of the `authUsers` bucket. The password's hash is left unread.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct User {
    /// The user's name.
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
    /// The roles it has.
    #[prost(string, repeated, tag = "3")]
    pub roles: Vec<String>,
}

/// `authpb.Role`: a row of the `authRoles` bucket.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Role {
    /// The role's name.
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
    /// Its permissions.
    #[prost(message, repeated, tag = "2")]
    pub permissions: Vec<Permission>,
}

/// `authpb.Permission`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Permission {
    /// 0 read, 1 write, 2 both.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// The key, or where the range begins.
    #[prost(bytes = "vec", tag = "2")]
    pub key: Vec<u8>,
    /// Where the range ends: empty for the one key, one zero byte for everything from `key` on.
    #[prost(bytes = "vec", tag = "3")]
    pub range_end: Vec<u8>,
}

/// A [`KeyValue`] that borrows from the row it was read from: what a walk over millions of rows
/// needs without copying each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyValueRef<'a> {
    /// The user's key.
    pub key: &'a [u8],
    /// The revision at which it was created.
    pub create_revision: i64,
    /// The revision of this change.
    pub mod_revision: i64,
    /// Its version: the number of changes since it was created, this one included.
    pub version: i64,
    /// The value.
    pub value: &'a [u8],
    /// The lease that it is attached to, 0 for none.
    pub lease: i64,
}

impl<'a> KeyValueRef<'a> {
    /// Reads a row's value; `None` when it is not a `KeyValue`. Unknown fields are skipped, as
    /// protobuf asks for.
    pub fn parse(mut row: &'a [u8]) -> Option<Self> {
        let mut kv = KeyValueRef::default();
        while !row.is_empty() {
            let tag = varint(&mut row)?;
            match (tag >> 3, tag & 7) {
                (0, _) => return None,
                (1, 2) => kv.key = bytes(&mut row)?,
                (2, 0) => kv.create_revision = varint(&mut row)?.cast_signed(),
                (3, 0) => kv.mod_revision = varint(&mut row)?.cast_signed(),
                (4, 0) => kv.version = varint(&mut row)?.cast_signed(),
                (5, 2) => kv.value = bytes(&mut row)?,
                (6, 0) => kv.lease = varint(&mut row)?.cast_signed(),
                (1..=6, _) => return None,
                (_, 0) => {
                    varint(&mut row)?;
                }
                (_, 1) => row = row.get(8..)?,
                (_, 2) => {
                    bytes(&mut row)?;
                }
                (_, 5) => row = row.get(4..)?,
                _ => return None,
            }
        }
        Some(kv)
    }
}

fn varint(row: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = row.split_first()?;
        *row = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn bytes<'a>(row: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(row)?).ok()?;
    let (bytes, rest) = row.split_at_checked(length)?;
    *row = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_as_etcd_writes_them() {
        let row = b"\x0a\x03foo\x10\x02\x18\x03\x20\x02\x2a\x04bar2";
        let kv = KeyValueRef::parse(row).unwrap();
        assert_eq!((kv.key, kv.create_revision, kv.mod_revision, kv.version), (&b"foo"[..], 2, 3, 2));
        assert_eq!((kv.value, kv.lease), (&b"bar2"[..], 0));
        assert_eq!(KeyValueRef::parse(b""), Some(KeyValueRef::default()));
        for bad in
            [&b"\x0a\x04foo"[..], b"\x0a", b"\x08\x01", b"\x00", b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]
        {
            assert_eq!(KeyValueRef::parse(bad), None, "{bad:x?}");
        }
    }

    proptest! {
        /// The borrowing reader agrees with prost on everything that prost takes.
        #[test]
        fn agrees_with_prost(key: Vec<u8>, value: Vec<u8>, create: i64, modified: i64, version: i64, lease: i64) {
            let kv = KeyValue { key, create_revision: create, mod_revision: modified, version, value, lease };
            let row = kv.encode_to_vec();
            let read = KeyValueRef::parse(&row).unwrap();
            prop_assert_eq!((read.key, read.value), (&*kv.key, &*kv.value));
            prop_assert_eq!((read.create_revision, read.mod_revision), (create, modified));
            prop_assert_eq!((read.version, read.lease), (version, lease));
        }

        /// A row with a flipped bit reads as prost reads it, or not at all.
        #[test]
        fn agrees_with_prost_on_flipped_rows(key: Vec<u8>, value: Vec<u8>, create: i64, version: i64, lease: i64, at: usize, bit in 0u8..8) {
            let kv = KeyValue { key, create_revision: create, mod_revision: 7, version, value, lease };
            let mut row = kv.encode_to_vec();
            let at = at % row.len();
            row[at] ^= 1 << bit;
            if let (Some(ours), Ok(theirs)) = (KeyValueRef::parse(&row), KeyValue::decode(&*row)) {
                prop_assert_eq!((ours.key, ours.value), (&*theirs.key, &*theirs.value));
                prop_assert_eq!((ours.create_revision, ours.mod_revision), (theirs.create_revision, theirs.mod_revision));
                prop_assert_eq!((ours.version, ours.lease), (theirs.version, theirs.lease));
            }
        }

        #[test]
        fn any_bytes_end_in_a_value(row: Vec<u8>) {
            let ours = KeyValueRef::parse(&row);
            if KeyValue::decode(&*row).is_ok() {
                // prost also checks unknown groups, which etcd never writes; all else must agree
                prop_assert!(ours.is_some() || row.iter().any(|b| b & 7 == 3 || b & 7 == 4));
            }
        }
    }
}
