//! Directories that are created and damaged here; what a real etcd does with the same is in `tests/cases/real_etcd/datadir.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use tempfile::TempDir;

use super::*;
use crate::{
    bbolt::Build,
    etcd::schema,
    raft::{
        message::{ConfState, Entry, HardState, Metadata, RaftSnapshot, SnapshotMetadata, WalSnapshot},
        record::{Encoder, RecordKind as Record},
        snap,
    },
};

const METADATA: Metadata = Metadata { node_id: Some(0xa1), cluster_id: Some(0xc1) };

/// A directory whose log has `entries` (index, term), cut into a new segment before each index in `cuts`, and whose
/// database has applied `applied`.
fn made(entries: &[(u64, u64)], cuts: &[u64], commit: u64, snapshots: &[(u64, u64)], applied: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (snap, wal) = (dir.path().join("member/snap"), dir.path().join("member/wal"));
    fs::create_dir_all(&snap).unwrap();
    fs::create_dir_all(&wal).unwrap();
    let state = HardState { term: Some(2), vote: Some(0xa1), commit: Some(commit) };
    let mut log = Encoder::begin();
    let mut segment = (0, 0);
    log.record(Record::Metadata, &METADATA);
    let record = |index, term| WalSnapshot { index: Some(index), term: Some(term), conf_state: None };
    log.record(Record::Snapshot, &record(0, 0));
    let snap_records = |log: &mut Encoder, after: u64| {
        for (index, term) in snapshots.iter().filter(|(index, _)| *index == after) {
            log.record(Record::Snapshot, &record(*index, *term));
        }
    };
    for (index, term) in entries {
        if cuts.contains(index) {
            fs::write(wal.join(wal::file_name(segment.0, segment.1)), log.cut()).unwrap();
            segment = (segment.0 + 1, *index);
            log.record(Record::Metadata, &METADATA);
            log.record(Record::State, &state);
        }
        snap_records(&mut log, index - 1);
        let data = Some(vec![b'"'; 700]);
        log.record(Record::Entry, &Entry { kind: Some(0), term: Some(*term), index: Some(*index), data });
    }
    snap_records(&mut log, entries.last().map_or(0, |(index, _)| *index));
    log.record(Record::State, &state);
    fs::write(wal.join(wal::file_name(segment.0, segment.1)), log.into_bytes()).unwrap();
    database(&snap.join("db"), applied);
    dir
}

fn database(path: &Path, applied: u64) {
    let mut build = Build::begin(fs::File::create(path).unwrap(), 4096).unwrap();
    for bucket in schema::ALL {
        build.bucket(bucket).unwrap();
        if bucket == schema::META {
            build.put(schema::CONSISTENT_INDEX, &applied.to_be_bytes()).unwrap();
        }
    }
    build.finish(1).unwrap();
}

fn snap_file(dir: &Path, term: u64, index: u64) -> PathBuf {
    let json = crate::etcd::v2store::json::genesis_json(&[(Id(0xa1), vec!["http://a:2380".into()])], Minor::V3_5);
    let conf_state = Some(ConfState { voters: vec![0xa1], ..ConfState::default() });
    let metadata = Some(SnapshotMetadata { conf_state, index: Some(index), term: Some(term) });
    let path = dir.join("member/snap").join(snap::file_name(term, index));
    fs::write(&path, snap::encode(&RaftSnapshot { data: Some(json.into_bytes()), metadata })).unwrap();
    path
}

fn whole(dir: &Path) -> DataDirState {
    match inspect(dir, None).state {
        DirState::Whole(says) => *says,
        other => panic!("{other:#?}"),
    }
}

fn broken(dir: &Path) -> (String, DataDirState) {
    match inspect(dir, None).state {
        DirState::Broken { why, says, .. } => (why, *says),
        other => panic!("{other:#?}"),
    }
}

fn upto(last: u64) -> Vec<(u64, u64)> {
    (1..=last).map(|index| (index, 2)).collect()
}

#[test]
fn entries_only_in_the_log_are_counted() {
    let dir = made(&upto(9), &[4], 7, &[], 5);
    let says = whole(dir.path());
    assert_eq!((says.member_id, says.cluster_id, says.vote), (Id(0xa1), Id(0xc1), Id(0xa1)));
    assert_eq!((says.first_index, says.last_index, says.last_term, says.commit, says.term), (1, 9, 2, 7, 2));
    assert_eq!((says.entries_beyond(), says.committed_beyond(), says.undecided_beyond()), (4, 2, 2));
    assert!(says.log_reaches_database() && says.written.is_some());
    // The database may be ahead of the recorded commit.
    let says = whole(made(&upto(9), &[], 7, &[], 8).path());
    assert_eq!((says.entries_beyond(), says.committed_beyond(), says.undecided_beyond()), (1, 0, 1));
}

#[test]
fn directories_of_no_member_are_recognized() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| inspect(&dir.path().join(name), None).state;
    for sub in ["empty", "mount/lost+found", "new/member", "inner/snap", "proxy/proxy", "other/x", "log/member/wal"] {
        fs::create_dir_all(dir.path().join(sub)).unwrap();
    }
    fs::write(dir.path().join("file"), b"").unwrap();
    assert_eq!(
        (at("absent"), at("empty"), at("mount"), at("new")),
        (DirState::Absent, DirState::Empty, DirState::Empty, DirState::Empty)
    );
    let mut messages = Vec::new();
    for name in ["file", "inner", "proxy", "other"] {
        let DirState::NotADataDir(why) = at(name) else { panic!("{name}: {:?}", at(name)) };
        messages.push((name, why));
    }
    hold("engine-datadir-none", &[dir.path()], &messages);
    let DirState::Broken { why, says, .. } = at("log") else { panic!("{:?}", at("log")) };
    assert_eq!(says.last_index, 0, "{why}");
    hold("engine-datadir-no-log", &[dir.path()], &[("no log", why)]);
}

#[test]
fn damage_is_named_and_the_readable_is_reported() {
    let segments = |dir: &Path| wal::list(&dir.join("member/wal")).unwrap();
    // A torn end loses nothing that was committed.
    let dir = made(&upto(9), &[4], 7, &[], 5);
    let last = segments(dir.path())[1].2.clone();
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() - 400]).unwrap();
    let says = whole(dir.path());
    // The segment began with the hard state; the one after the entries was torn off.
    assert_eq!((says.last_index, says.commit, says.torn.is_some()), (8, 7, true));
    // One that loses committed entries keeps etcd from starting.
    fs::write(&last, &bytes[..bytes.len() - 3000]).unwrap();
    let (why, says) = broken(dir.path());
    let mut messages = vec![("cut before what was committed", why)];
    assert_eq!((says.last_index, says.commit), (4, 7));
    let mut places = vec![dir];
    let dir = places[0].path();
    // Damage elsewhere: what follows it still shows the member and the last index.
    let mut first = fs::read(&segments(dir)[0].2).unwrap();
    first[500] ^= 1;
    fs::write(&last, &bytes).unwrap();
    fs::write(&segments(dir)[0].2, &first).unwrap();
    let (why, says) = broken(dir);
    messages.push(("a flipped bit", why));
    assert_eq!((says.member_id, says.first_index, says.last_index), (Id(0xa1), 4, 9));
    // A segment missing.
    let dir = made(&upto(9), &[3, 6], 7, &[], 5);
    fs::remove_file(&segments(dir.path())[1].2).unwrap();
    let (why, says) = broken(dir.path());
    assert!(why.contains("0000000000000001"), "{why}");
    messages.push(("a segment is missing", why));
    places.push(dir);
    assert_eq!((says.first_index, says.last_index, says.log_reaches_database()), (6, 9, true));
    // Two with one number, the last one that there is among them.
    for number in [1, u64::MAX] {
        let dir = made(&upto(9), &[3, 6], 7, &[], 5);
        for (at, (.., path)) in (0..).zip(segments(dir.path()).iter().skip(1)) {
            fs::rename(path, dir.path().join("member/wal").join(wal::file_name(number, at))).unwrap();
        }
        let (why, says) = broken(dir.path());
        assert!(why.contains(&format!("{number:016x}")), "{why}");
        assert_eq!((says.first_index, says.last_index), (6, 9));
    }
    // The database cut, missing, ahead of the log.
    let cases = [("a cut database", Some(8192)), ("no database", None), ("one ahead of its log", Some(usize::MAX))];
    for (what, bytes) in cases {
        let dir = made(&upto(9), &[], 7, &[], 50);
        let db = dir.path().join("member/snap/db");
        let whole = fs::read(&db).unwrap();
        fs::remove_file(&db).unwrap();
        if let Some(bytes) = bytes {
            fs::write(&db, &whole[..bytes.min(whole.len())]).unwrap();
        }
        let (why, says) = broken(dir.path());
        messages.push((what, why));
        assert_eq!(says.last_index, 9);
        places.push(dir);
    }
    let places: Vec<&Path> = places.iter().map(|dir| dir.path()).collect();
    hold("engine-datadir-broken", &places, &messages);
}

/// Compares the wording, without the names of the directories.
fn hold(what: &str, places: &[&Path], messages: &[(&str, String)]) {
    let anonymous = |message: &String| {
        places.iter().fold(message.clone(), |text, place| text.replace(&place.display().to_string(), "DIR"))
    };
    let messages: Vec<(&str, String)> = messages.iter().map(|(what, message)| (*what, anonymous(message))).collect();
    crate::text::messages::hold(what, &messages);
}

#[test]
fn snapshots_lead_up_to_where_the_log_begins() {
    let dir = made(&upto(9), &[4, 7], 9, &[(3, 2), (6, 2)], 8);
    let (old, new) = (snap_file(dir.path(), 2, 3), snap_file(dir.path(), 2, 6));
    let oldest = wal::list(&dir.path().join("member/wal")).unwrap()[0].2.clone();
    fs::remove_file(oldest).unwrap();
    let says = whole(dir.path());
    assert_eq!((says.snap_index, says.first_index, says.last_index, says.members.len()), (6, 4, 9, 1));
    // The newest is damaged: the one before it is used, with a warning.
    fs::write(&new, b"broken").unwrap();
    let says = whole(dir.path());
    assert!(says.warnings[0].contains(&*new.file_name().unwrap().to_string_lossy()), "{:?}", says.warnings);
    let mut messages = vec![("a damaged one", says.warnings.join("\n"))];
    fs::remove_file(old).unwrap();
    messages.push(("no older one", broken(dir.path()).0));
    let first = dir;
    // One without a snapshot record in the WAL is ignored too.
    let dir = made(&upto(9), &[], 9, &[], 8);
    snap_file(dir.path(), 2, 5);
    let says = whole(dir.path());
    assert_eq!(says.warnings.len(), 1, "{:?}", says.warnings);
    messages.push(("one without a snapshot record", says.warnings.join("\n")));
    hold("engine-datadir-snap", &[first.path(), dir.path()], &messages);
}

#[test]
fn a_leaders_snapshot_leaves_no_real_gap() {
    let mut entries = upto(4);
    entries.extend([(21, 2), (22, 2)]);
    let dir = made(&entries, &[], 22, &[(20, 2)], 3);
    snap_file(dir.path(), 2, 20);
    // The database ends before the log goes on …
    let (why, _) = broken(dir.path());
    assert!(why.contains("0000000000000014.snap.db"), "{why}");
    // … but for the one that the leader sent.
    database(&dir.path().join("member/snap/0000000000000014.snap.db"), 20);
    let says = whole(dir.path());
    assert_eq!((says.received_db, says.consistent_index, says.first_index, says.last_index), (Some(20), 20, 21, 22));
    assert_eq!(says.entries_beyond(), 2);
}

#[test]
fn a_separate_wal_directory_is_read() {
    let dir = made(&upto(9), &[], 9, &[], 9);
    let own = tempfile::tempdir().unwrap();
    let facts = inspect(dir.path(), Some(own.path()));
    assert!(matches!(&facts.state, DirState::Broken { says, .. } if says.last_index == 0), "{facts:?}");
    for (.., segment) in wal::list(&dir.path().join("member/wal")).unwrap() {
        fs::copy(&segment, own.path().join(segment.file_name().unwrap())).unwrap();
    }
    let facts = inspect(dir.path(), Some(own.path()));
    let says = facts.state.says().unwrap();
    assert!(
        matches!(facts.state, DirState::Whole(_)) && says.warnings.len() == 1,
        "the WAL at the default place: {says:?}"
    );
}

/// etcd starts from the other meta page, and its WAL has the rest; with an unreadable freelist it does not start.
#[test]
fn an_inspection_finds_damage_without_rows() {
    use crate::domain::model::observations::DamagedPart::{FreeList, MetaPage, NewerMetaPage};
    let go = &mut |_| crate::engine::progress::Flow::Go;
    let list = |bytes: &mut [u8]| {
        for meta in [0, 4096] {
            bytes[meta + 48..meta + 56].copy_from_slice(&2u64.to_le_bytes());
            let body = bytes[meta + 16..meta + 72].iter();
            let sum =
                body.fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
            bytes[meta + 72..meta + 80].copy_from_slice(&sum.to_le_bytes());
        }
    };
    type Change<'c> = &'c dyn Fn(&mut [u8]);
    let cases: [(Change<'_>, _, bool); 5] = [
        // In a copy both meta pages name the same root: no transaction is lost with the newer one.
        (&|bytes| bytes[72] ^= 1, MetaPage, true),
        (&|bytes| bytes[32] ^= 1, NewerMetaPage, true),
        (&|bytes| bytes[..4096].fill(0), MetaPage, true),
        (&|bytes| bytes[4096 + 72] ^= 1, MetaPage, true),
        (&list, FreeList, false),
    ];
    for (change, part, starts) in cases {
        let dir = made(&upto(9), &[], 9, &[], 9);
        let db = dir.path().join("member/snap/db");
        let mut bytes = fs::read(&db).unwrap();
        change(&mut bytes);
        fs::write(&db, &bytes).unwrap();
        let mut facts = inspect(dir.path(), None);
        for checked in [false, true] {
            assert_eq!(matches!(facts.state, DirState::Whole(_)), starts, "{part:?} {checked}: {facts:#?}");
            let Health::Limited(damage) = &facts.state.says().unwrap().database.health else { panic!("{facts:#?}") };
            assert_eq!(damage.parts, [part]);
            assert!(!facts.words().starts_with("whole") && facts.words().contains("damaged"), "{}", facts.words());
            check(&mut facts, go).unwrap();
        }
    }
}

#[test]
fn a_check_reads_the_database_through() {
    let dir = made(&upto(9), &[], 9, &[], 9);
    let db = dir.path().join("member/snap/db");
    let go = &mut |_| crate::engine::progress::Flow::Go;
    let mut facts = inspect(dir.path(), None);
    assert_eq!(facts.state.says().unwrap().database.health, Health::Unread);
    check(&mut facts, go).unwrap();
    assert_eq!(facts.state.says().unwrap().database.health, Health::Unhashed);
    // A page that an inspection does not read.
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/snapshots/3.5.16-multipeer.db");
    let mut bytes = fs::read(fixture).unwrap();
    let marked = bytes.windows(4).position(|four| four == b"\x10\x02\x18\x02").unwrap();
    bytes[marked - 1] ^= 0xff;
    bytes[marked] = 0x13;
    fs::write(&db, &bytes).unwrap();
    let mut facts = inspect(dir.path(), None);
    check(&mut facts, go).unwrap();
    assert!(matches!(&facts.state, DirState::Broken { why, .. } if why.contains("member/snap/db")), "{facts:#?}");
}
