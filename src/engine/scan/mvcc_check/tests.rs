//! Histories as etcd makes them are found whole; the same with rows lost are not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use proptest::prelude::*;

use super::*;
use crate::{
    engine::{progress::Flow, scan::row_scan::inspect},
    etcd::proto::KeyValue,
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;
/// Keys and values as they stand in a bucket.
type RawRows = Vec<(Vec<u8>, Vec<u8>)>;

fn findings(rows: &Rows, scheduled: Option<i64>, finished: Option<i64>) -> Findings {
    let marks = MetaRows { scheduled, finished, consistent_index: Some(9), ..MetaRows::default() };
    let mut checker = Checker::new(marks);
    schema::ALL.into_iter().for_each(|name| checker.bucket(name));
    for (key, value) in rows {
        checker.key_row(RevisionKey::parse(key).unwrap(), &KeyValueRef::parse(value).unwrap());
    }
    checker.finish().0
}

/// A store that keeps rows as etcd does.
#[derive(Debug, Default, Clone)]
struct Store {
    rows: Rows,
    live: BTreeMap<u8, (i64, i64)>,
    history: BTreeMap<u8, Vec<(Revision, bool)>>,
    revision: i64,
    compacted: Option<i64>,
}

impl Store {
    fn new() -> Store {
        Store { revision: 1, ..Store::default() }
    }

    /// One transaction: puts and deletions, each key at most once; without a change no revision.
    fn write(&mut self, changes: &BTreeMap<u8, bool>) {
        let (main, mut sub) = (self.revision + 1, 0);
        for (key, put) in changes {
            let at = Revision { main, sub };
            let (row, value) = match (*put, self.live.get(key)) {
                (true, before) => {
                    let (create, version) = before.map_or((main, 1), |(create, version)| (*create, version + 1));
                    self.live.insert(*key, (create, version));
                    let key = vec![*key];
                    let kv =
                        KeyValue { key, create_revision: create, mod_revision: main, version, ..KeyValue::default() };
                    (at.to_bytes().to_vec(), kv)
                }
                (false, Some(_)) => {
                    self.live.remove(key);
                    ([&at.to_bytes()[..], b"t"].concat(), KeyValue { key: vec![*key], ..KeyValue::default() })
                }
                (false, None) => continue,
            };
            self.history.entry(*key).or_default().push((at, !put));
            self.rows.insert(row, value.encode_to_vec());
            sub += 1;
        }
        if sub > 0 {
            self.revision = main;
        }
    }

    /// A compaction that removes superseded rows from the oldest on, and is cut off after `most` of them.
    fn compact(&mut self, at: i64, most: usize) {
        self.compacted = self.compacted.max(Some(at));
        let keep: BTreeSet<Revision> = self
            .history
            .values()
            .filter_map(|rows| rows.iter().rfind(|(revision, _)| revision.main <= at))
            .filter(|(_, tombstone)| !tombstone)
            .map(|(revision, _)| *revision)
            .collect();
        let gone = |row: &Vec<u8>| RevisionKey::parse(row).unwrap().revision;
        let drop: Vec<Vec<u8>> = self
            .rows
            .keys()
            .filter(|row| gone(row).main <= at && !keep.contains(&gone(row)))
            .take(most)
            .cloned()
            .collect();
        for row in drop {
            self.rows.remove(&row);
        }
    }
}

fn store() -> impl Strategy<Value = Store> {
    let change = prop::collection::btree_map(1u8..8, prop::bool::weighted(0.7), 0..4);
    prop::collection::vec((change, prop::option::weighted(0.1, (0.0..1.0, 0usize..40))), 2..60).prop_map(|steps| {
        let mut store = Store::new();
        for (changes, compaction) in steps {
            store.write(&changes);
            if let Some((part, most)) = compaction {
                let at = (store.revision as f64 * part) as i64;
                if at > store.compacted.unwrap_or(0) {
                    store.compact(at, most);
                }
            }
        }
        store
    })
}

proptest! {
    #[test]
    fn what_etcd_writes_is_never_an_error(store in store()) {
        let found = findings(&store.rows, store.compacted, None);
        prop_assert_eq!(found.errors, Vec::<String>::new());
        prop_assert_eq!(found.warnings, Vec::<String>::new());
    }

    /// Whole revisions lost above the compaction mark, and not at the end, never pass.
    #[test]
    fn lost_revisions_never_pass(store in store(), from in 0.0..1.0, length in 1i64..9) {
        let first = store.compacted.unwrap_or(1).max(1) + 1;
        let room = store.revision - first;
        prop_assume!(room > 0);
        let from = first + (room as f64 * from) as i64;
        let to = (from + length).min(store.revision);
        let mut rows = store.rows.clone();
        rows.retain(|row, _| !(from..to).contains(&RevisionKey::parse(row).unwrap().revision.main));
        let found = findings(&rows, store.compacted, store.compacted);
        prop_assert!(!found.errors.is_empty(), "{} to {} of {}", from, to, store.revision);
        prop_assert!(found.proven.is_empty());
    }
}

fn row(main: i64, sub: i64, key: &[u8], create: i64, version: i64) -> (Vec<u8>, Vec<u8>) {
    let kv =
        KeyValue { key: key.to_vec(), create_revision: create, mod_revision: main, version, ..KeyValue::default() };
    (Revision { main, sub }.to_bytes().to_vec(), kv.encode_to_vec())
}

#[test]
fn each_inconsistency_has_its_sentence() {
    let tombstone = |main: i64| {
        let row = [&Revision { main, sub: 0 }.to_bytes()[..], b"t"].concat();
        (row, KeyValue { key: b"a".to_vec(), ..KeyValue::default() }.encode_to_vec())
    };
    let moved = (row(3, 0, b"a", 2, 2).0, row(4, 0, b"a", 2, 2).1);
    let cases: [(&str, RawRows); 9] = [
        ("a gap", vec![row(2, 0, b"a", 2, 1), row(5, 0, b"b", 5, 1)]),
        ("a lost start", vec![row(3, 0, b"a", 3, 1)]),
        ("a lost sub", vec![row(2, 1, b"a", 2, 1)]),
        ("a moved row", vec![row(2, 0, b"a", 2, 1), moved]),
        ("a wrong version", vec![row(2, 0, b"a", 2, 7)]),
        ("a skipped version", vec![row(2, 0, b"a", 2, 1), row(3, 0, b"b", 3, 1), row(4, 0, b"a", 2, 3)]),
        ("a lost past", vec![row(2, 0, b"b", 2, 1), row(3, 0, b"a", 2, 2)]),
        ("a lost deletion", vec![row(2, 0, b"a", 2, 1), row(3, 0, b"a", 3, 1)]),
        ("a deletion of nothing", vec![tombstone(2)]),
    ];
    let mut messages = Vec::new();
    for (name, rows) in cases {
        let found = findings(&rows.into_iter().collect(), None, None);
        assert!(!found.errors.is_empty(), "{name}");
        messages.push((name, found.errors.join("\n")));
    }
    crate::text::messages::hold("engine-history-errors", &messages);
}

#[test]
fn numbers_at_the_end_of_their_range() {
    let ends = [i64::MIN, i64::MIN + 1, -1, 0, 1, 2, i64::MAX - 1, i64::MAX];
    for compacted in ends {
        for main in [0, 1, 2, i64::MAX - 1, i64::MAX] {
            for (create, version) in ends.into_iter().flat_map(|create| ends.map(|version| (create, version))) {
                let rows = [row(2, 0, b"b", 2, 1), row(main, i64::MAX, b"a", create, version)].into_iter().collect();
                let found = findings(&rows, Some(compacted), None);
                assert!(compacted < i64::MAX || found.proven.is_empty(), "{main} {create} {version}: {found:?}");
            }
        }
    }
}

#[test]
fn a_bumped_revision_and_later_writes_are_valid() {
    let bump = (Revision { main: 1_000_000_003, sub: 0 }.to_bytes().to_vec(), Vec::new());
    let mut rows: Rows = [row(2, 0, b"a", 2, 1), row(3, 0, b"a", 2, 2), bump].into_iter().collect();
    assert_eq!(findings(&rows, Some(1_000_000_003), None).errors, Vec::<String>::new());
    rows.extend([row(1_000_000_004, 0, b"a", 2, 3)]);
    assert_eq!(findings(&rows, Some(1_000_000_003), Some(1_000_000_003)).errors, Vec::<String>::new());
    assert!(!findings(&rows, None, None).errors.is_empty(), "a bump without its compaction mark is a gap");
}

#[test]
fn leases_users_buckets_and_marks() {
    let mut checker = Checker::new(MetaRows { finished: Some(7), scheduled: Some(5), ..MetaRows::default() });
    schema::ALL.into_iter().filter(|name| *name != schema::LEASE).for_each(|name| checker.bucket(name));
    let leased = |main: i64, key: &'static [u8], lease: i64| {
        let kv = KeyValueRef { key, create_revision: main, mod_revision: main, version: 1, value: b"", lease };
        (RevisionKey { revision: Revision { main, sub: 0 }, tombstone: false }, kv)
    };
    for (at, kv) in [leased(8, b"a", 0x10), leased(9, b"b", 0x11)] {
        checker.key_row(at, &kv);
    }
    checker.other_row(
        schema::LEASE,
        &0x10i64.to_be_bytes(),
        &Lease { id: 0x10, ttl: 5, remaining_ttl: 0 }.encode_to_vec(),
    );
    checker.other_row(schema::LEASE, b"x", b"\xff");
    checker.other_row(schema::AUTH, schema::AUTH_ENABLED, &[1]);
    let user = User { name: b"bob".to_vec(), roles: vec!["gone".into(), "root".into()] };
    checker.other_row(schema::AUTH_USERS, b"bob", &user.encode_to_vec());
    let (found, _) = checker.finish();
    assert_eq!((found.errors.len(), found.warnings.len()), (2, 5), "{found:?}");
    // etcd has the role root without a row
    let messages = [("errors", found.errors.join("\n")), ("warnings", found.warnings.join("\n"))];
    crate::text::messages::hold("engine-other-rows", &messages);
}

#[test]
fn rows_that_etcd_never_writes_are_errors() {
    let check = |bucket: &[u8], key: &[u8], value: &[u8], version: &[u8]| {
        let mut checker = Checker::new(MetaRows { consistent_index: Some(9), ..MetaRows::default() });
        schema::ALL.into_iter().for_each(|name| checker.bucket(name));
        checker.other_row(bucket, key, value);
        checker.other_row(schema::META, schema::STORAGE_VERSION, version);
        let (found, _) = checker.finish();
        (found.errors, found.warnings)
    };
    let bob = User { name: b"bob".to_vec(), roles: Vec::new() }.encode_to_vec();
    for (bucket, key, value, sound) in [
        (schema::MEMBERS_REMOVED, &b"1f"[..], &b"removed"[..], true),
        (schema::MEMBERS_REMOVED, b"1f", b"remove", false),
        (schema::MEMBERS_REMOVED, b"1fremoved", b"", false),
        (schema::AUTH_USERS, b"bob", &bob, true),
        (schema::AUTH_USERS, b"bo", &bob, false),
        (schema::ALARM, b"\x08\x01\x10\x01", b"", true),
        (schema::ALARM, b"\x08\x01", b"\x10\x01", false),
        (schema::AUTH, schema::AUTH_REVISION, b"12345678", true),
        (schema::AUTH, b"authRevisio", b"n12345678", false),
        (schema::META, schema::CONF_STATE, b"{}", true),
        (schema::CLUSTER, b"", b"", false),
    ] {
        let (errors, warnings) = check(bucket, key, value, b"3.6.0");
        assert_eq!(errors.is_empty(), sound, "{} {}: {errors:?}", bucket.escape_ascii(), key.escape_ascii());
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    // Additional rows of a later etcd are not damage.
    let (errors, warnings) = check(schema::META, b"news", b"", b"3.9.0");
    assert!(errors.is_empty() && warnings.iter().any(|w| w.contains("news")), "{errors:?} {warnings:?}");
}

fn fixtures() -> impl Iterator<Item = (String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots");
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "db")).map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), bytes[..bytes.len() - 32].to_vec())
    })
}

#[test]
fn every_real_snapshot_is_consistent() {
    let mut seen = 0;
    for (name, bytes) in fixtures() {
        let walk = inspect(&View::open(bytes).unwrap(), &mut |_| Flow::Go).unwrap();
        assert_eq!(walk.damage(), None, "{name}");
        let odd = walk.findings.warnings.iter().find(|warning| !warning.contains("consistent_index"));
        assert_eq!(odd, None, "{name}");
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}

/// The damage that bbolt's own check passes: the bucket's root is set to one leaf of its tree.
#[test]
fn a_root_pointing_at_a_leaf_fails() {
    let (_, bytes) = fixtures().find(|(name, _)| name == "3.6.14-tree.db").unwrap();
    let page = |id: u64| id as usize * 4096;
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let root = page(View::open(bytes.clone()).unwrap().meta().root);
    // the header of bucket `key` is its value in the root page: the tree's first page, then zeros
    let tree = View::open(bytes.clone()).unwrap().bucket(schema::KEY).unwrap().unwrap().root_page().unwrap();
    let needle = [b"key".as_slice(), &tree.to_le_bytes()].concat();
    let place = root + bytes[root..root + 4096].windows(11).position(|at| at == needle).unwrap() + 3;
    let branch = page(tree);
    assert_eq!(bytes[branch + 8], 1, "the tree has branches");
    let children = u16::from_le_bytes([bytes[branch + 10], bytes[branch + 11]]);
    let mut messages = Vec::new();
    for child in 0..usize::from(children) {
        let leaf = u64_at(branch + 16 + child * 16 + 8);
        let mut cut = bytes.clone();
        cut[place..place + 8].copy_from_slice(&leaf.to_le_bytes());
        let walk = inspect(&View::open(cut.clone()).unwrap(), &mut |_| Flow::Go).unwrap();
        assert!(walk.keys < 2200);
        let errors = walk.findings.errors.join("\n");
        // After the first leaf no revision is missing, but the branch that was the root still refers to the rest.
        if child < 2 {
            messages.push((if child == 0 { "the first leaf" } else { "the second leaf" }, errors.clone()));
        }
        assert!(walk.damage().is_some() && walk.findings.proven.is_empty(), "leaf {leaf}: {errors}");
    }
    crate::text::messages::hold("engine-root-at-leaf", &messages);
}
