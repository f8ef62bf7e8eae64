//! One segment written and damaged by hand: what is told, what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::raft::record::Encoder;

fn entry(index: u64, term: u64) -> Entry {
    Entry { kind: Some(0), term: Some(term), index: Some(index), data: Some(vec![index as u8 + 1; 700]) }
}

fn encoder() -> Encoder {
    let mut log = Encoder::begin();
    log.record(RecordKind::Metadata, &Metadata { node_id: Some(7), cluster_id: Some(9) });
    log.record(RecordKind::Snapshot, &WalSnapshot { index: Some(0), term: Some(0), conf_state: None });
    log
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(file_name(0, 0));
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

#[test]
fn rewritten_entries_are_dropped() {
    let mut log = encoder();
    for e in [entry(1, 1), entry(2, 1), entry(3, 1), entry(2, 2)] {
        log.record(RecordKind::Entry, &e);
    }
    log.record(RecordKind::State, &HardState { term: Some(2), vote: Some(7), commit: Some(2) });
    let mut bytes = log.into_bytes();
    bytes.resize(bytes.len() + 4096, 0);
    let (dir, _) = written(&bytes);
    let log = read(dir.path()).unwrap();
    assert_eq!((log.node_id, log.cluster_id, log.torn.clone()), (7, 9, None));
    assert_eq!(log.entries, [entry(1, 1), entry(2, 2)]);
    assert_eq!(log.hard_state.commit, Some(2));
}

#[test]
fn a_gap_in_the_entries_is_named() {
    let mut log = encoder();
    log.record(RecordKind::Entry, &entry(1, 1));
    log.record(RecordKind::Entry, &entry(3, 1));
    let (dir, _) = written(&log.into_bytes());
    let gap = read(dir.path()).unwrap_err();
    assert!(matches!(gap, Error::Damaged { .. }), "{gap}");
    hold("raft-gap", dir.path(), &[("a gap", gap.to_string())]);
}

#[test]
fn torn_tails_are_reported_other_damage_is_refused() {
    let mut log = encoder();
    log.record(RecordKind::Entry, &entry(1, 1));
    log.record(RecordKind::Entry, &entry(2, 1));
    let bytes = log.into_bytes();

    let (dir, path) = written(&bytes[..bytes.len() - 37]);
    let log = read(dir.path()).unwrap();
    assert_eq!(log.entries, [entry(1, 1)]);
    let mut messages = vec![("torn", log.torn.unwrap())];

    let mut zeroed = bytes.clone();
    zeroed[1024..].fill(0);
    fs::write(&path, &zeroed).unwrap();
    let log = read(dir.path()).unwrap();
    assert_eq!((log.entries.len(), log.torn.is_some()), (1, true));

    let mut flipped = bytes.clone();
    flipped[400] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let flipped = read(dir.path()).unwrap_err();
    assert!(matches!(flipped, Error::Damaged { .. }), "{flipped}");
    messages.push(("a flipped bit", flipped.to_string()));
    hold("raft-damage", dir.path(), &messages);
}

/// The wording, without the directory's name.
fn hold(what: &str, dir: &Path, messages: &[(&str, String)]) {
    let dir = dir.display().to_string();
    let messages: Vec<(&str, String)> = messages.iter().map(|(what, m)| (*what, m.replace(&dir, "DIR"))).collect();
    crate::text::messages::hold(what, &messages);
}

#[test]
fn every_cut_or_flipped_byte_returns() {
    let mut log = encoder();
    log.record(RecordKind::Entry, &entry(1, 1));
    let bytes = log.into_bytes();
    let (dir, path) = written(&bytes);
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let _ = read(dir.path());
        let mut flipped = bytes.clone();
        flipped[cut] ^= 0x80;
        fs::write(&path, &flipped).unwrap();
        if let Ok(log) = read(dir.path()) {
            assert!(log.entries.is_empty() || log.entries == [entry(1, 1)], "byte {cut}");
        }
    }
}

#[test]
fn missing_segments_and_strangers() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("0.tmp"), b"").unwrap();
    let none = read(dir.path()).unwrap_err();
    assert!(matches!(none, Error::NoLog { .. }), "{none}");
    fs::write(dir.path().join(file_name(0, 0)), encoder().into_bytes()).unwrap();
    fs::write(dir.path().join(file_name(2, 9)), b"").unwrap();
    let missing = read(dir.path()).unwrap_err();
    assert!(matches!(&missing, Error::NoLog { what, .. } if what.contains("0000000000000001")), "{missing}");
    hold("raft-segments", dir.path(), &[("none", none.to_string()), ("one is missing", missing.to_string())]);
    assert_eq!(parse_file_name("0000000000000001-000000000000000a.wal"), Some((1, 10)));
    assert_eq!(parse_file_name("0000000000000001-000000000000000a.wal.broken"), None);
}

/// A file of terabytes that was never written is not read to its end.
#[test]
fn files_longer_than_segments_are_not_read() {
    let (dir, path) = written(&encoder().into_bytes());
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(3 << 40).unwrap();
    assert!(matches!(read(dir.path()), Err(Error::Damaged { .. })));
}
