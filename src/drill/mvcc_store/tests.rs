//! Stores over the fixture snapshots: figures that real etcd servers gave, and a naive replay.

#![allow(clippy::unwrap_used, clippy::panic)]

use sha2::{Digest, Sha256};

use super::*;
use crate::engine::source::hex;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots").join(name)
}

fn store(name: &str) -> Store {
    Store::from_file(&fixture(name), Identity::default()).unwrap()
}

/// HashKV of running servers over the same files: (revision, hash) with the compact revision.
#[test]
fn hash_kv_is_that_of_real_servers() {
    for (name, compacted, hashes) in [
        ("s35.db", 3, &[(0, 1_775_236_578), (8, 1_775_236_578), (6, 4_099_578_167), (3, 2_299_395_573)][..]),
        ("seed-3.4.23.db", 4, &[(0, 4_011_816_883), (5, 2_481_320_837), (6, 8_699_225), (8, 625_665_420)]),
        ("seed-3.5.16.db", 4, &[(0, 727_828_197), (5, 2_481_320_837), (6, 8_699_225), (8, 625_665_420)]),
        ("seed-3.6.14.db", 4, &[(0, 4_094_240_244), (5, 2_481_320_837), (6, 8_699_225), (8, 625_665_420)]),
        ("seed-3.7.1.db", 4, &[(0, 2_339_511_365), (5, 2_481_320_837), (6, 8_699_225), (8, 625_665_420)]),
    ] {
        let store = store(name);
        assert_eq!(store.compacted(), compacted, "{name}");
        for (at, hash) in hashes {
            let revision = if *at == 0 { store.revision() } else { *at };
            assert_eq!(store.hash_kv(*at), Ok(HashKv { hash: *hash, revision, compacted }), "{name} at {at}");
        }
    }
}

/// SHA-256 over keys, values, revisions and leases, as it was taken from the real servers.
fn sum(rows: &[PbKeyValue]) -> String {
    let mut sum = Sha256::new();
    for row in rows {
        for bytes in [&row.key, &row.value] {
            sum.update(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            sum.update(bytes);
        }
        for number in [row.create_revision, row.mod_revision, row.version, row.lease] {
            sum.update(number.to_le_bytes());
        }
    }
    hex(&sum.finalize())
}

#[test]
fn every_fixture_has_its_counted_keys_and_members() {
    let expected = std::fs::read_to_string(fixture("expected.jsonl")).unwrap();
    let mut seen = 0;
    for line in expected.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let (Some(file), Some(keys), Some(revision), Some(members)) = (
            line["file"].as_str(),
            line["live_keys"].as_u64(),
            line["max_revision"].as_i64(),
            line["members"].as_object(),
        ) else {
            continue;
        };
        let store = store(file);
        let found = store.range(b"\0", b"\0", 0, usize::MAX).unwrap();
        assert_eq!((found.count as u64, found.rows.len() as u64), (keys, keys), "{file}");
        assert_eq!(sum(&found.rows), line["keyset_sha256"].as_str().unwrap(), "{file}");
        assert_eq!(store.revision(), revision.max(1), "{file}");
        assert_eq!(store.leases().len() as u64, line["rows"]["lease"].as_u64().unwrap(), "{file}");
        let ids: Vec<String> = store.members().iter().map(|m| format!("{:x}", m.id)).collect();
        assert_eq!(ids, members.keys().cloned().collect::<Vec<_>>(), "{file}");
        seen += 1;
    }
    assert!(seen > 25, "{seen} fixtures were looked at");
}

/// The state at each revision, by replaying all rows in order without any index.
#[test]
fn ranges_agree_with_a_replay_at_every_revision() {
    let store = store("3.6.14-tree.db");
    let bucket = store.view.bucket(schema::KEY).unwrap().unwrap();
    let mut state: BTreeMap<Vec<u8>, PbKeyValue> = BTreeMap::new();
    let mut rows = store.view.cursor(&bucket);
    let mut done = 1;
    let compare = |state: &BTreeMap<Vec<u8>, PbKeyValue>, at: i64| {
        let all = store.range(b"\0", b"\0", at, usize::MAX).unwrap();
        assert_eq!(all.rows, state.values().cloned().collect::<Vec<_>>(), "at {at}");
        let Some((middle, row)) = state.iter().nth(state.len() / 2) else { return };
        let one = store.range(middle, b"", at, usize::MAX).unwrap();
        assert_eq!((one.count, one.rows), (1, vec![row.clone()]));
        let below = store.range(b"\0", middle, at, 3).unwrap();
        let expected: Vec<_> = state.range::<Vec<u8>, _>(..middle).map(|(_, row)| row.clone()).collect();
        assert_eq!((below.count, below.rows.as_slice()), (expected.len(), &expected[..expected.len().min(3)]));
        assert_eq!(store.range(middle, b"\0", at, 0).unwrap().count, state.len() - expected.len());
    };
    while let Some(row) = rows.next().unwrap() {
        let key = RevisionKey::parse(row.key).unwrap();
        if key.revision.main > done {
            // each revision by its count, every tenth by its rows: debug builds are slow
            assert_eq!(store.range(b"\0", b"\0", done, 0).unwrap().count, state.len(), "at {done}");
            if done % 10 == 0 {
                compare(&state, done);
            }
            done = key.revision.main;
        }
        let kv = PbKeyValue::decode(row.value).unwrap();
        if key.tombstone {
            state.remove(&kv.key)
        } else {
            state.insert(kv.key.clone(), kv)
        };
    }
    compare(&state, done);
    assert_eq!((done, state.len()), (129, 2200));
}

#[test]
fn revisions_out_of_reach_are_refused() {
    let store = store("seed-3.5.16.db");
    assert_eq!((store.revision(), store.compacted()), (12, 4));
    for (at, expected) in [(3, Err(Refused::Compacted)), (13, Err(Refused::Future)), (4, Ok(())), (12, Ok(()))] {
        assert_eq!(store.range(b"a", b"", at, 1).map(|_| ()), expected, "range at {at}");
        assert_eq!(store.hash_kv(at).map(|_| ()), expected, "hash at {at}");
    }
    assert_eq!(store.range(b"b", b"a", 0, 9), Ok(Found::default()), "an end before its beginning");
}

#[test]
fn what_is_no_store_is_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let Err(error) = Store::open(dir.path(), None) else { panic!("an empty directory") };
    let message = error.to_string().replace(&dir.path().display().to_string(), "DIR");
    crate::text::messages::hold("drill-store", &[("an empty directory", message)]);
    let db = dir.path().join("db");
    std::fs::write(&db, vec![7; 8192]).unwrap();
    assert!(Store::from_file(&db, Identity::default()).is_err());
}

/// What is written in memory hashes as if it had been in the file.
#[test]
fn hash_kv_goes_on_over_what_was_written() {
    use crate::{
        drill::{
            lab::workload::{DatabaseMeta, History},
            scenario::Writes,
        },
        etcd::raft_request::encode::Write,
    };
    let dir = tempfile::tempdir().unwrap();
    let asset = dir.path().join("asset.db");
    std::fs::write(&asset, crate::drill::scenario::library::database("first-night.db").unwrap()).unwrap();
    let mut history = History::read(&asset).unwrap();
    let first = history.last();
    history.grow(&[Writes { count: 9, prefix: "/made/".into(), keys: Some(4), value: "v".into() }], 3);
    let file = |until: i64| {
        let path = dir.path().join(format!("{until}.db"));
        history.database(until, &DatabaseMeta::default(), &path).unwrap();
        Store::from_file(&path, Identity::default()).unwrap()
    };
    let (store, whole) = (file(first), file(history.last()));
    for (_, writes) in history.writes(first + 1, history.last()) {
        let changes: Vec<written::Change> = writes
            .into_iter()
            .map(|write| match write {
                Write::Put(kv) => written::Change::Put { key: kv.key, value: kv.value, lease: kv.lease },
                Write::Delete(key) => written::Change::Delete { key },
            })
            .collect();
        store.write(&changes).unwrap();
    }
    assert_eq!(store.revision(), whole.revision());
    for at in first - 3..=history.last() {
        assert_eq!(store.hash_kv(at).unwrap(), whole.hash_kv(at).unwrap(), "at {at}");
    }
    let all = |store: &Store| store.range(&[0], &[0], 0, usize::MAX).unwrap();
    assert_eq!(all(&store), all(&whole));
}
