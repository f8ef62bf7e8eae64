//! Revision keys of the `key` bucket: `u64be main | '_' | u64be sub`, followed by `t` for a
//! tombstone.
//!
//! Source: etcd `server/storage/mvcc/revision.go`.

/// A revision: `main` counts transactions, `sub` the changes inside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision {
    /// The transaction.
    pub main: i64,
    /// The change inside it, from 0.
    pub sub: i64,
}

/// A row's key in the `key` bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevisionKey {
    /// The revision.
    pub revision: Revision,
    /// True when the row marks a deletion.
    pub tombstone: bool,
}

impl Revision {
    /// Returns the 17-byte key of a row that is not a tombstone.
    pub fn to_bytes(self) -> [u8; 17] {
        let mut out = [b'_'; 17];
        let (main, rest) = out.split_at_mut(8);
        main.copy_from_slice(&self.main.to_be_bytes());
        if let Some(sub) = rest.get_mut(1..) {
            sub.copy_from_slice(&self.sub.to_be_bytes());
        }
        out
    }
}

impl RevisionKey {
    /// Reads a row's key; `None` when it is not one, or a part of it is negative.
    pub fn parse(key: &[u8]) -> Option<RevisionKey> {
        let (main, rest) = key.split_first_chunk::<8>()?;
        let (b'_', rest) = rest.split_first()? else { return None };
        let (sub, mark) = rest.split_first_chunk::<8>()?;
        let tombstone = match mark {
            [] => false,
            [b't'] => true,
            _ => return None,
        };
        let revision = Revision { main: i64::from_be_bytes(*main), sub: i64::from_be_bytes(*sub) };
        (revision.main >= 0 && revision.sub >= 0).then_some(RevisionKey { revision, tombstone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// bbolt sorts rows by their bytes: that must be the order of the revisions, tombstones behind.
        #[test]
        fn bytes_sort_as_revisions(a in (0..i64::MAX, 0..i64::MAX), b in (0..i64::MAX, 0..i64::MAX), same: bool) {
            let a = Revision { main: a.0, sub: a.1 };
            let b = Revision { main: if same { a.main } else { b.0 }, sub: b.1 };
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            let tombstone = [&a.to_bytes()[..], b"t"].concat();
            prop_assert_eq!(RevisionKey::parse(&tombstone), Some(RevisionKey { revision: a, tombstone: true }));
            prop_assert_eq!(RevisionKey::parse(&a.to_bytes()), Some(RevisionKey { revision: a, tombstone: false }));
        }

        /// What reads as a revision is written as the same bytes.
        #[test]
        fn any_bytes_end_in_a_value(bytes: Vec<u8>, main: i64, mark: u8, tail in prop::collection::vec(any::<u8>(), 7..11)) {
            for key in [bytes, [&main.to_be_bytes()[..], &[mark], &tail].concat(), [&main.to_be_bytes()[..], b"_", &tail].concat()] {
                if let Some(at) = RevisionKey::parse(&key) {
                    let again = [&at.revision.to_bytes()[..], if at.tombstone { b"t" } else { b"" }].concat();
                    prop_assert_eq!(again, key);
                }
            }
        }
    }

    #[test]
    fn keys_round_trip_and_strangers_are_refused() {
        let revision = Revision { main: 1_000_000_012, sub: 3 };
        let bytes = revision.to_bytes();
        assert_eq!(RevisionKey::parse(&bytes), Some(RevisionKey { revision, tombstone: false }));
        let tombstone = [&bytes[..], b"t"].concat();
        assert_eq!(RevisionKey::parse(&tombstone), Some(RevisionKey { revision, tombstone: true }));
        let mut negative = bytes;
        negative[0] = 0xff;
        for bad in [&bytes[..16], &tombstone[..0], b"alarm", &[&bytes[..], b"x"].concat(), &negative] {
            assert_eq!(RevisionKey::parse(bad), None);
        }
    }
}
