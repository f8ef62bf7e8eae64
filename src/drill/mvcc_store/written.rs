//! Writes to a simulated member after its file was made: in memory only, for the duration of the exercise.

use std::{collections::BTreeMap, ops::Bound};

use etcd_client::proto::{PbEvent, PbKeyValue};
use prost::Message;

use super::Change as At;
use crate::etcd::revision::Revision;

/// A requested change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Puts a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// The lease, 0 for none.
        lease: i64,
    },
    /// Deletes a key.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

impl Change {
    /// Returns the key.
    pub fn key(&self) -> &[u8] {
        match self {
            Change::Put { key, .. } | Change::Delete { key } => key,
        }
    }
}

/// All writes after a file.
#[derive(Debug, Default)]
pub(super) struct Written {
    rows: BTreeMap<(i64, i64), (bool, PbKeyValue)>,
    index: BTreeMap<Vec<u8>, Vec<At>>,
    revisions: u64,
}

impl Written {
    /// Returns the newest revision; none if nothing was written.
    pub fn last(&self) -> Option<i64> {
        self.rows.last_key_value().map(|((main, _), _)| *main)
    }

    /// Returns the number of revisions.
    pub fn count(&self) -> u64 {
        self.revisions
    }

    /// Adds a revision: each change with the row before it. Returns the events.
    pub fn add(&mut self, main: i64, changes: Vec<(Change, Option<PbKeyValue>)>) -> Vec<PbEvent> {
        self.revisions += 1;
        let mut events = Vec::new();
        for (sub, (change, before)) in (0i64..).zip(changes) {
            let key = change.key().to_vec();
            let (tombstone, kv) = match change {
                Change::Put { key, value, lease } => {
                    let (create_revision, version) =
                        before.as_ref().map_or((main, 1), |b| (b.create_revision, b.version + 1));
                    (false, PbKeyValue { key, value, lease, create_revision, mod_revision: main, version })
                }
                Change::Delete { key } => (true, PbKeyValue { key, ..PbKeyValue::default() }),
            };
            self.index.entry(key).or_default().push(At { at: Revision { main, sub }, tombstone });
            // a watch event has the revision of the deletion; the row itself has only the key
            let seen = if tombstone { PbKeyValue { mod_revision: main, ..kv.clone() } } else { kv.clone() };
            events.push(PbEvent { r#type: i32::from(tombstone), kv: Some(seen), prev_kv: before });
            self.rows.insert((main, sub), (tombstone, kv));
        }
        events
    }

    /// Returns the last change of each key within `bounds` up to revision `at`.
    pub fn changes(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>), at: i64) -> impl Iterator<Item = (&[u8], At)> {
        self.index.range::<[u8], _>(bounds).filter_map(move |(key, changes)| {
            Some((key.as_slice(), *changes.iter().rev().find(|change| change.at.main <= at)?))
        })
    }

    /// Returns the row of a revision.
    pub fn row(&self, at: Revision) -> Option<&PbKeyValue> {
        self.rows.get(&(at.main, at.sub)).map(|(_, kv)| kv)
    }

    /// Continues a HashKV over the rows up to revision `at`.
    pub fn hash(&self, before: u32, at: i64) -> u32 {
        self.rows.iter().take_while(|((main, _), _)| *main <= at).fold(
            before,
            |hash, ((main, sub), (tombstone, kv))| {
                let mut key = Revision { main: *main, sub: *sub }.to_bytes().to_vec();
                if *tombstone {
                    key.push(b't');
                }
                crc32c::crc32c_append(crc32c::crc32c_append(hash, &key), &kv.encode_to_vec())
            },
        )
    }
}
