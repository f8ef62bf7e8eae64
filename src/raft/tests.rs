//! Logs of several segments, torn, flipped and followed by garbage: what reads is what was written, or a beginning of
//! it that is called torn, or an error.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::{
    message::{ConfState, Entry, HardState, Metadata, RaftSnapshot, SnapshotMetadata, WalSnapshot},
    record::{Encoder, RecordKind},
    snap,
    wal::{self, Log},
};

const WHOSE: Metadata = Metadata { node_id: Some(7), cluster_id: Some(9) };

/// A log with an entry for each size, cut into a new segment before each entry in `cuts`, as etcd cuts: every segment
/// begins with the checksum, the metadata and the hard state.
fn log(sizes: &[usize], cuts: &[usize]) -> (Log, Vec<Vec<u8>>) {
    let mut encoder = Encoder::begin();
    encoder.record(RecordKind::Metadata, &WHOSE);
    encoder.record(RecordKind::Snapshot, &WalSnapshot { index: Some(0), term: Some(0), conf_state: None });
    let mut segments = Vec::new();
    let mut log = Log { node_id: 7, cluster_id: 9, ..Log::default() };
    log.snapshots.push(WalSnapshot { index: Some(0), term: Some(0), conf_state: None });
    for (at, size) in sizes.iter().enumerate() {
        if cuts.contains(&at) && at > 0 {
            segments.push(encoder.cut());
            encoder.record(RecordKind::Metadata, &WHOSE);
            encoder.record(RecordKind::State, &log.hard_state);
        }
        let index = at as u64 + 1;
        let data = (*size > 0).then(|| vec![at as u8 | 1; *size]);
        let entry = Entry { kind: Some(0), term: Some(2 + index / 5), index: Some(index), data };
        encoder.record(RecordKind::Entry, &entry);
        log.hard_state = HardState { term: entry.term, vote: Some(7), commit: Some(index) };
        encoder.record(RecordKind::State, &log.hard_state);
        log.entries.push(entry);
    }
    segments.push(encoder.into_bytes());
    (log, segments)
}

fn parse(segments: &[Vec<u8>]) -> Result<Log, super::Error> {
    wal::parse(&segments.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// What was read of `whole` after damage: all of it, or its beginning with the reason why it ends there.
fn honest(read: &Log, whole: &Log) -> Result<(), TestCaseError> {
    prop_assert!(whole.entries.starts_with(&read.entries), "{:?}", read.entries);
    prop_assert!(whole.snapshots.starts_with(&read.snapshots), "{:?}", read.snapshots);
    prop_assert_eq!((read.node_id, read.cluster_id), (7, 9));
    let commit = read.hard_state.commit.unwrap_or_default();
    prop_assert!(commit <= read.entries.len() as u64, "committed {commit} of {}", read.entries.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn segments_read_as_one_log(sizes in prop::collection::vec(0usize..900, 1..12), cuts in prop::collection::vec(1usize..12, 0..4), zeros in 0usize..3000) {
        let (whole, mut segments) = log(&sizes, &cuts);
        let end = segments.last_mut().unwrap();
        end.resize(end.len() + zeros / 8 * 8, 0);
        prop_assert_eq!(parse(&segments).unwrap(), whole.clone());
        // The same from files.
        let dir = tempfile::tempdir().unwrap();
        for (sequence, bytes) in segments.iter().enumerate() {
            std::fs::write(dir.path().join(wal::file_name(sequence as u64, 0)), bytes).unwrap();
        }
        prop_assert_eq!(wal::read(dir.path()).unwrap(), whole.clone());
        // One out of order, or missing in the middle, is an error, not another log.
        if segments.len() > 1 {
            segments.swap(0, 1);
            prop_assert!(parse(&segments).is_err());
        }
        if segments.len() > 2 {
            segments.swap(0, 1);
            segments.remove(1);
            prop_assert!(parse(&segments).is_err());
        }
    }

    #[test]
    fn garbage_behind_the_end_adds_nothing(sizes in prop::collection::vec(0usize..300, 1..6), garbage in prop::collection::vec(any::<u8>(), 1..200)) {
        let (whole, mut segments) = log(&sizes, &[2]);
        segments.last_mut().unwrap().extend(garbage);
        if let Ok(read) = parse(&segments) {
            prop_assert_eq!(read.entries, whole.entries);
        }
    }

    #[test]
    fn any_snapshot_survives_its_file(data in prop::collection::vec(any::<u8>(), 1..60), index: u64, term: u64, voters: Vec<u64>) {
        let conf_state = Some(ConfState { voters, auto_leave: Some(false), ..ConfState::default() });
        let metadata = Some(SnapshotMetadata { conf_state, index: Some(index), term: Some(term) });
        let snapshot = RaftSnapshot { data: Some(data), metadata };
        prop_assert_eq!(snap::decode(&snap::encode(&snapshot)), Ok(snapshot));
    }

    #[test]
    fn any_bytes_end_in_a_value(bytes: Vec<u8>) {
        let _ = snap::decode(&bytes);
        let _ = wal::parse(&[&bytes]);
    }
}

#[test]
fn a_log_cut_anywhere_is_a_reported_prefix() {
    let (whole, segments) = log(&[40, 0, 300, 7, 600], &[2]);
    let last = segments.last().unwrap();
    // Where a record ends the log is whole, only shorter: nothing more can be known of a file that was never
    // preallocated. (The first two records are the segment's header, without which it is not a segment.)
    let mut ends = vec![0];
    while let Some(field) = last.get(ends[ends.len() - 1]..).and_then(|rest| rest.first_chunk::<8>()) {
        let frame = super::record::Frame::parse(*field).unwrap();
        ends.push(ends[ends.len() - 1] + 8 + (frame.record + frame.padding) as usize);
    }
    ends.drain(..2);
    for cut in 0..last.len() {
        let mut torn = segments.clone();
        torn.last_mut().unwrap().truncate(cut);
        let read = parse(&torn).unwrap();
        honest(&read, &whole).unwrap();
        assert_eq!(read.torn.is_some(), !ends.contains(&cut), "cut at {cut}: {:?}", read.torn);
    }
    // A segment that is not the last one cannot be torn.
    for cut in 0..segments[0].len() {
        assert!(parse(&[segments[0][..cut].to_vec(), segments[1].clone()]).is_err(), "the first cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_never_makes_another_log() {
    let (whole, segments) = log(&[40, 0, 30, 7], &[2]);
    for segment in 0..segments.len() {
        for bit in 0..segments[segment].len() * 8 {
            let mut segments = segments.clone();
            segments[segment][bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = parse(&segments) {
                honest(&read, &whole).unwrap();
                assert!(read.torn.is_some() || read == whole, "segment {segment}, byte {}, bit {}", bit / 8, bit % 8);
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_makes_another_snapshot() {
    let metadata = Some(SnapshotMetadata { conf_state: None, index: Some(3), term: Some(1) });
    let whole = RaftSnapshot { data: Some(b"{\"Root\":{}}".to_vec()), metadata };
    let bytes = snap::encode(&whole);
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Bits of the checksum beyond 32 have no meaning.
        match snap::decode(&bytes) {
            Ok(read) => assert_eq!(read, whole, "bit {bit}"),
            Err(why) => assert!(why.len() > 10, "bit {bit}: {why}"),
        }
    }
    for cut in 0..bytes.len() {
        assert!(snap::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}
