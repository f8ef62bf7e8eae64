//! What was written to a simulated member since its file was made: in memory only, and gone with the exercise.

use std::{collections::BTreeMap, ops::Bound};

use etcd_client::proto::{PbEvent, PbKeyValue};
use prost::Message;

use super::Change as At;
use crate::etcd::revision::Revision;

/// A change that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key gets a value.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// The lease, 0 for none.
        lease: i64,
    },
    /// A key goes.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

impl Change {
    /// The key.
    pub fn key(&self) -> &[u8] {
        match self {
            Change::Put { key, .. } | Change::Delete { key } => key,
        }
    }
}

/// All that came after a file.
#[derive(Debug, Default)]
pub(super) struct Written {
    rows: BTreeMap<(i64, i64), (bool, PbKeyValue)>,
    index: BTreeMap<Vec<u8>, Vec<At>>,
    revisions: u64,
}

impl Written {
    /// The newest revision; none where nothing was written.
    pub fn last(&self) -> Option<i64> {
        self.rows.last_key_value().map(|((main, _), _)| *main)
    }

    /// How many revisions.
    pub fn count(&self) -> u64 {
        self.revisions
    }

    /// Adds a revision: each change with the row before it.
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
            // a watch is told at which revision a key went; the row itself holds only the key
            let told = if tombstone { PbKeyValue { mod_revision: main, ..kv.clone() } } else { kv.clone() };
            events.push(PbEvent { r#type: i32::from(tombstone), kv: Some(told), prev_kv: before });
            self.rows.insert((main, sub), (tombstone, kv));
        }
        events
    }

    /// The last change of each key within `bounds` up to revision `at`.
    pub fn changes(&self, bounds: (Bound<&[u8]>, Bound<&[u8]>), at: i64) -> impl Iterator<Item = (&[u8], At)> {
        self.index.range::<[u8], _>(bounds).filter_map(move |(key, changes)| {
            Some((key.as_slice(), *changes.iter().rev().find(|change| change.at.main <= at)?))
        })
    }

    /// The row of a revision.
    pub fn row(&self, at: Revision) -> Option<&PbKeyValue> {
        self.rows.get(&(at.main, at.sub)).map(|(_, kv)| kv)
    }

    /// Goes on with HashKV over the rows up to revision `at`.
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
