//! Logs made up record by record: several members', with different tails, gaps and terms; and entries of any bytes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{fs, path::PathBuf};

use proptest::prelude::*;
use prost::Message;

use super::{
    REPORT, REPORT_JSON, Spec,
    apply::{Rules, State, buckets::Buckets, leases::Leases},
    log::MemberLog,
    report::{Because, Certainty, Report, Stop},
    salvage,
    store::Store,
};
use crate::{
    engine::{durable_fs::Disk, progress::Flow},
    error::{ErrorKind, Result},
    etcd::{
        membership::Member,
        proto::KeyValue,
        raft_request::encode::{Write, writes},
        version::Minor,
    },
    raft::{
        message::{ConfChange, Entry, HardState, Metadata, WalSnapshot},
        record::{Encoder, RecordKind},
        wal,
    },
};

const CLUSTER: u64 = 9;
const VOTERS: [u64; 3] = [1, 2, 3];

/// An entry of a made-up cluster: the first three add its members, each other puts a key of its index and term.
fn entry(index: u64, term: u64) -> Entry {
    let (kind, data) = match VOTERS.get(index as usize - 1) {
        Some(id) => {
            let member = Member { id: *id, peer_urls: vec![format!("http://127.0.0.1:{id}")], ..Member::default() };
            let context = Some(member.to_json().into_bytes());
            let change = ConfChange { id: Some(0), kind: Some(0), node_id: Some(*id), context };
            (1, change.encode_to_vec())
        }
        None => {
            let key = format!("key-{index}-{term}").into_bytes();
            (0, writes(index, &[Write::Put(KeyValue { key, value: vec![7; 40], ..KeyValue::default() })]))
        }
    };
    Entry { kind: Some(kind), term: Some(term), index: Some(index), data: Some(data) }
}

struct Members {
    temp: tempfile::TempDir,
    dirs: Vec<PathBuf>,
}

impl Members {
    fn new() -> Members {
        Members { temp: tempfile::tempdir().unwrap(), dirs: Vec::new() }
    }

    /// Adds a member's directory: its entries by index and term, and what it records as committed.
    fn add(&mut self, node: u64, entries: &[(u64, u64)], commit: u64) -> PathBuf {
        self.add_of(CLUSTER, node, entries, commit)
    }

    fn add_of(&mut self, cluster: u64, node: u64, entries: &[(u64, u64)], commit: u64) -> PathBuf {
        let mut log = Encoder::begin();
        log.record(RecordKind::Metadata, &Metadata { node_id: Some(node), cluster_id: Some(cluster) });
        log.record(RecordKind::Snapshot, &WalSnapshot { index: Some(0), term: Some(0), conf_state: None });
        for (index, term) in entries {
            log.record(RecordKind::Entry, &entry(*index, *term));
        }
        let term = entries.last().map(|(_, term)| *term);
        log.record(RecordKind::State, &HardState { term, vote: Some(1), commit: Some(commit) });
        let dir = self.temp.path().join(format!("m{}", self.dirs.len()));
        fs::create_dir_all(dir.join("member/wal")).unwrap();
        let mut bytes = log.into_bytes();
        bytes.resize(bytes.len() + 4096, 0);
        fs::write(dir.join("member/wal").join(wal::file_name(0, 0)), bytes).unwrap();
        self.dirs.push(dir.clone());
        dir
    }

    fn salvage(&self, committed_only: bool) -> Result<Report> {
        let output = self.temp.path().join("out.db");
        for end in ["", REPORT, REPORT_JSON] {
            let _ = fs::remove_file(format!("{}{end}", output.display()));
        }
        let spec = Spec { dirs: self.dirs.clone(), older: Vec::new(), output, committed_only, version: None };
        salvage(&spec, &Disk::default(), &mut |_| Flow::Go)
    }
}

/// Entries of one term.
fn run(term: u64, first: u64, last: u64) -> Vec<(u64, u64)> {
    (first..=last).map(|index| (index, term)).collect()
}

#[test]
fn a_majority_proves_and_the_later_term_wins() {
    let mut members = Members::new();
    // A former leader with a longer log of an older term, and one that a later leader overwrote.
    members.add(1, &[run(1, 1, 3), run(2, 4, 30)].concat(), 10);
    let alone = members.salvage(false).unwrap();
    assert_eq!((alone.index, alone.acknowledged.verdict), (30, Certainty::Likely));
    assert_eq!((alone.applied.undecided, alone.acknowledged.because), (20, Because::Minority));
    members.add(2, &[run(1, 1, 3), run(2, 4, 12), run(4, 13, 20)].concat(), 11);
    let both = members.salvage(false).unwrap();
    assert_eq!((both.index, both.term, both.keys), (20, 4, 17));
    assert_eq!((both.acknowledged.verdict, both.acknowledged.read), (Certainty::Proven, 2));
    let [dropped] = both.dropped.as_slice() else { panic!("{:?}", both.dropped) };
    assert_eq!((dropped.log, dropped.first, dropped.last, dropped.term), (0, 13, 30, 2));
    let committed = members.salvage(true).unwrap();
    assert_eq!((committed.index, committed.stopped), (11, Some(Stop::CommittedOnly { left_out: 9 })));
    assert_eq!(committed.acknowledged.verdict, Certainty::Unknown);
    // The same directory twice is one member.
    let mut twice = Members::new();
    twice.add(1, &run(1, 1, 9), 9);
    twice.add(1, &run(1, 1, 9), 9);
    assert_eq!(twice.salvage(false).unwrap().acknowledged.verdict, Certainty::Likely);
    // So is one of a member that was removed, or never was.
    let mut stranger = Members::new();
    stranger.add(7, &run(1, 1, 9), 9);
    assert_eq!(stranger.salvage(false).unwrap().acknowledged.because, Because::NoVoter);
}

/// A hole in one log is filled from another only where raft guarantees that the entries are the same.
#[test]
fn gaps_are_filled_where_the_entries_must_be_the_same() {
    let all = [run(1, 1, 3), run(2, 4, 60)].concat();
    let mut members = Members::new();
    let first = members.add(1, &all, 20);
    let segment = first.join("member/wal").join(wal::file_name(0, 0));
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle..middle + 700].fill(0xee);
    fs::write(&segment, &bytes).unwrap();
    let log = MemberLog::read(&first.join("member/wal"), &mut |_| true).unwrap();
    assert_eq!((log.runs().len(), log.faults.len()), (3, 1), "{:?}", log.faults);
    let hole = (log.runs()[1].last + 1, log.runs()[2].first - 1);
    let alone = members.salvage(false).unwrap();
    assert_eq!(alone.stopped, Some(Stop::Gap { first: hole.0, last: hole.1, after: 61 - log.runs()[2].first }));
    assert_eq!(alone.acknowledged.verdict, Certainty::Unknown);
    // Its log is shorter and has the hole's entries, of the same term after it.
    members.add(2, &all[..50], 10);
    let both = members.salvage(false).unwrap();
    assert_eq!((both.index, both.keys, both.stopped), (60, 57, None));
    assert_eq!((both.filled[0].first, both.filled[0].last), hole);
    // Another history, which none of them knew to be committed: not taken.
    let mut other = Members::new();
    other.dirs.push(first);
    other.add(3, &[run(1, 1, 3), run(3, 4, 50)].concat(), 3);
    let report = other.salvage(false).unwrap();
    assert!(report.filled.is_empty());
    // And one that contradicts what is committed.
    let mut wrong = Members::new();
    wrong.add(1, &all, 30);
    wrong.add(2, &[run(1, 1, 3), run(3, 4, 60)].concat(), 30);
    assert_eq!(wrong.salvage(false).unwrap_err().kind, ErrorKind::Input);
    let mut clusters = Members::new();
    clusters.add(1, &all, 30);
    clusters.add_of(8, 2, &all, 30);
    assert_eq!(clusters.salvage(false).unwrap_err().kind, ErrorKind::Input);
}

fn state() -> State {
    let store = Store::begin(None, tempfile::tempfile().unwrap(), &mut |_| true).unwrap();
    State::new(Rules::new(Minor::V3_5), store, Leases::default(), Buckets::default())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any bytes as an entry end in a value, and revisions only grow.
    #[test]
    fn any_entry_ends_in_a_value(entries in prop::collection::vec((0i32..3, prop::collection::vec(any::<u8>(), 0..40), 4u64..9, any::<usize>(), 0u8..8), 1..40)) {
        let mut state = state();
        let mut before = state.store.revision();
        for (kind, mut data, at, flip, bit) in entries {
            if data.len() % 2 == 0 {
                // Near to a real one.
                data = entry(at, 2).data.unwrap();
                let at = flip % data.len();
                data[at] ^= 1 << bit;
            }
            let _ = state.apply(&Entry { kind: Some(kind), term: Some(1), index: Some(1), data: Some(data) });
            prop_assert!(state.store.revision() >= before);
            before = state.store.revision();
        }
    }

    /// Any damage of a log ends in a value, and what it gives is what was written: an entry is never made up.
    #[test]
    fn any_damage_ends_in_a_value(at in 0usize..3000, length in 1usize..900, fill: u8, flip in any::<bool>()) {
        let mut members = Members::new();
        let dir = members.add(1, &[run(1, 1, 3), run(2, 4, 40)].concat(), 20);
        let segment = dir.join("member/wal").join(wal::file_name(0, 0));
        let mut bytes = fs::read(&segment).unwrap();
        let at = at % bytes.len();
        if flip {
            bytes[at] ^= 1 << (fill % 8);
        } else {
            let end = (at + length).min(bytes.len());
            bytes[at..end].fill(fill);
        }
        fs::write(&segment, &bytes).unwrap();
        let Ok(log) = MemberLog::read(&dir.join("member/wal"), &mut |_| true) else { return Ok(()) };
        for own in log.runs() {
            log.each::<super::log::LogError>(own, &mut |read| {
                assert_eq!(read, entry(read.index.unwrap(), read.term.unwrap()));
                Ok(())
            }).unwrap();
        }
        if flip {
            prop_assert_eq!(log.last().1, 40, "{:?}", log.faults);
        }
    }
}
