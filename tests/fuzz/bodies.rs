//! What each fuzz target does with its bytes: the fuzzer and the replaying test call the same.
//!
//! A body panics when a promise is broken: a parser panics, reads without end, or disagrees with itself.

use std::{cell::Cell, io};

use prost::Message;
use requorum::{
    bolt::{ReadAt, View, check},
    etcd::{
        membership::Member,
        proto::{KeyValue, KeyValueRef},
        revision::RevisionKey,
    },
    plan::{build::verify, file, slips, table, url},
    raft::{
        message::{ConfChange, Entry, HardState, Metadata, SnapFile, WalSnapshot},
        record::{Encoder, Kind},
        snap, wal,
    },
};

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("bolt", bolt),
    ("wal", wal),
    ("snap", snap),
    ("key_value", key_value),
    ("member", member),
    ("plan", plan),
    ("url", url),
    ("initial_cluster", initial_cluster),
];

/// Counts what is read.
struct Counted<'b>(&'b [u8], Cell<u64>);

impl ReadAt for Counted<'_> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.set(self.1.get() + buf.len() as u64);
        self.0.read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

/// A database file: as it is, and with both meta pages summed up anew, which a fuzzer would not hit upon.
pub fn bolt(data: &[u8]) {
    look(data);
    let mut summed = data.to_vec();
    let second = data.get(24..28).map_or(0, |size| u32::from_le_bytes(size.try_into().unwrap()) as usize);
    for meta in [0, second] {
        let Some(body) = meta.checked_add(72).and_then(|end| summed.get(meta + 16..end)) else { continue };
        let sum: u64 =
            body.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        if let Some(place) = summed.get_mut(meta + 72..meta + 80) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
    }
    look(&summed);
}

fn look(data: &[u8]) {
    let source = Counted(data, Cell::new(0));
    let Ok(view) = View::open(&source) else { return };
    let report = check(&view, &mut |_, _| true).expect("nobody stopped it");
    let clean = report.problems.is_empty();
    assert!(report.problems.len() <= 100);
    let size = data.len() as u64;
    assert!(source.1.get() <= 4 * size + 65536, "the check read {} bytes of {size}", source.1.get());
    let buckets = view.buckets();
    assert!(!clean || buckets.is_ok(), "a clean file's buckets: {buckets:?}");
    for (name, bucket) in buckets.unwrap_or_default() {
        source.1.set(0);
        let (mut cursor, mut bytes, mut last) = (view.cursor(&bucket), 0u64, None);
        loop {
            match cursor.next() {
                Ok(Some(row)) => {
                    bytes += (row.key.len() + row.value.len()) as u64;
                    last = Some(row.key.to_vec());
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!clean, "a clean file's rows: {error}");
                    break;
                }
            }
        }
        assert!(source.1.get() <= 2 * size + 65536 && bytes <= 2 * size, "a walk is bounded by the file");
        let found = view.bucket(&name);
        if clean {
            assert_eq!(found.expect("it was listed").as_ref(), Some(&bucket));
            let key = view.last(&bucket).expect("it was walked over").map(|(key, _)| key);
            assert_eq!(key, last);
        }
    }
}

/// The records of a log: as one segment, and as two.
pub fn wal(data: &[u8]) {
    let whole = wal::parse(&[data]);
    let (first, second) = data.split_at(data.len() / 16 * 8);
    let _ = wal::parse(&[first, second]);
    let _ = (Entry::decode(data), HardState::decode(data), WalSnapshot::decode(data), ConfChange::decode(data));
    let Ok(log) = whole else { return };
    let indices: Vec<u64> = log.entries.iter().map(|entry| entry.index.unwrap_or_default()).collect();
    assert!(
        indices.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1])),
        "entries without a gap: {indices:?}"
    );
    let mut encoder = Encoder::begin();
    encoder.record(Kind::Metadata, &Metadata { node_id: Some(log.node_id), cluster_id: Some(log.cluster_id) });
    log.snapshots.iter().for_each(|snapshot| encoder.record(Kind::Snapshot, snapshot));
    log.entries.iter().for_each(|entry| encoder.record(Kind::Entry, entry));
    encoder.record(Kind::State, &log.hard_state);
    let again = wal::parse(&[&encoder.into_bytes()]).expect("what was read can be written");
    assert_eq!(again, wal::Log { torn: None, ..log });
}

/// A `.snap` file: as it is, and as the content of one with the right checksum.
pub fn snap(data: &[u8]) {
    let wrapped = SnapFile { crc: Some(crc(data)), data: Some(data.to_vec()) }.encode_to_vec();
    for bytes in [data, &wrapped] {
        let Ok(snapshot) = snap::decode(bytes) else { continue };
        let again = snap::encode(&snapshot);
        // An empty snapshot has no content, and is refused as etcd refuses it.
        assert!(snapshot.encoded_len() == 0 || snap::decode(&again) == Ok(snapshot));
    }
}

/// CRC-32C, bit by bit: the test's own.
fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 })
    })
}

/// A row of the `key` bucket, key or value.
pub fn key_value(data: &[u8]) {
    if let Some(at) = RevisionKey::parse(data) {
        assert_eq!(at.revision.to_bytes(), data[..17]);
        assert_eq!(at.tombstone, data.len() == 18);
    }
    let Some(ours) = KeyValueRef::parse(data) else { return };
    // prost refuses what we pass over in fields that etcd does not have; what both take must be the same.
    if let Ok(theirs) = KeyValue::decode(data) {
        let numbers = (theirs.create_revision, theirs.mod_revision, theirs.version, theirs.lease);
        assert_eq!((ours.key, ours.value), (&*theirs.key, &*theirs.value));
        assert_eq!((ours.create_revision, ours.mod_revision, ours.version, ours.lease), numbers);
    }
}

/// A row of the `members` bucket.
pub fn member(data: &[u8]) {
    if let Ok(member) = Member::from_json(data) {
        assert_eq!(Member::from_json(member.to_json().as_bytes()), Ok(member));
    }
}

/// A plan file.
pub fn plan(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(plan) = file::from_yaml(text) {
        let _ = verify(&plan);
        let again = file::from_yaml(&file::to_yaml(&plan));
        assert_eq!(again.as_ref(), Ok(&plan));
    }
}

/// A URL as it is typed.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match url::parse(text) {
        Ok(url) => {
            let again = url::parse(url.as_str()).map(|again| again.as_str().to_string());
            assert_eq!(again.as_deref().ok(), Some(url.as_str()), "{text:?}");
            let _ = (url.ip(), url.place());
        }
        Err(slip) => {
            if let Some(fix) = slip.fix {
                // A cell holds several URLs, and so may its correction.
                let each = fix.split(',').all(|fix| url::parse(fix).is_ok());
                assert!(each, "{text:?}: the correction {fix:?} is none");
            }
        }
    }
}

/// The value of `--initial-cluster`.
pub fn initial_cluster(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(rows) = table::parse_initial_cluster(text) {
        let _ = slips::check(&rows, "token");
        let _ = table::ids(&rows, "token");
    }
}
