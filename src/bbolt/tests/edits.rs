//! Edits against a model: whatever is done, the file says the same, and at no moment less than before.

use super::*;
use proptest::{prelude::*, test_runner::FileFailurePersistence};

/// What once failed is tried first, always.
const SEEDS: FileFailurePersistence =
    FileFailurePersistence::Direct(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/regressions/bolt-edits.txt"));

#[derive(Debug, Clone)]
enum Op {
    Put(u8, Vec<u8>, Vec<u8>),
    Delete(u8, usize),
    DeleteRange(u8, usize, usize),
    Create(u8),
    Drop(u8),
    Clear(u8),
}

/// Keys that are often close together, values from nothing to several pages.
fn op() -> impl Strategy<Value = Op> {
    let bucket = 0..4u8;
    let key = prop_oneof![
        8 => prop::collection::vec(0..4u8, 1..6),
        4 => prop::collection::vec(any::<u8>(), 1..40),
        1 => prop::collection::vec(any::<u8>(), 400..700),
    ];
    let value = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..60),
        2 => (any::<u8>(), 100..600usize).prop_map(|(byte, len)| vec![byte; len]),
        1 => (any::<u8>(), 600..9000usize).prop_map(|(byte, len)| vec![byte; len]),
    ];
    prop_oneof![
        60 => (bucket.clone(), key, value).prop_map(|(b, k, v)| Op::Put(b, k, v)),
        12 => (bucket.clone(), any::<usize>()).prop_map(|(b, at)| Op::Delete(b, at)),
        3 => (bucket.clone(), any::<usize>(), 1..80usize).prop_map(|(b, at, n)| Op::DeleteRange(b, at, n)),
        2 => bucket.clone().prop_map(Op::Create),
        1 => bucket.clone().prop_map(Op::Drop),
        1 => bucket.prop_map(Op::Clear),
    ]
}

fn apply(edit: &mut Edit<&Mem>, model: &mut Model, op: &Op) {
    let name = |b: &u8| vec![b'b', *b];
    match op {
        Op::Put(b, key, value) => match model.get_mut(&name(b)) {
            Some(rows) => {
                edit.put(&name(b), key, value).unwrap();
                rows.insert(key.clone(), value.clone());
            }
            None => assert!(matches!(edit.put(&name(b), key, value), Err(Error::Refused { .. }))),
        },
        Op::Delete(b, at) => delete(edit, model, &name(b), *at, 1),
        Op::DeleteRange(b, at, n) => delete(edit, model, &name(b), *at, *n),
        Op::Create(b) => {
            edit.create_bucket(&name(b)).unwrap();
            model.entry(name(b)).or_default();
        }
        Op::Drop(b) => assert_eq!(edit.delete_bucket(&name(b)).unwrap(), model.remove(&name(b)).is_some()),
        Op::Clear(b) => match model.get_mut(&name(b)) {
            Some(rows) => {
                edit.clear_bucket(&name(b)).unwrap();
                rows.clear();
            }
            None => assert!(edit.clear_bucket(&name(b)).is_err()),
        },
    }
}

fn delete(edit: &mut Edit<&Mem>, model: &mut Model, name: &[u8], at: usize, n: usize) {
    let Some(rows) = model.get_mut(name) else { return };
    let doomed: Vec<_> = rows.keys().skip(at % rows.len().max(1)).take(n).cloned().collect();
    for key in doomed {
        assert!(edit.delete(name, &key).unwrap());
        assert!(!edit.delete(name, &key).unwrap());
        rows.remove(&key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: Some(Box::new(SEEDS)), ..ProptestConfig::default() })]

    #[test]
    fn edits_equal_the_model(
        page_size in prop::sample::select(vec![512u32, 1024, 4096]),
        commits in prop::collection::vec(prop::collection::vec(op(), 1..120), 1..5),
    ) {
        let file = Mem::new(empty_db(page_size));
        let mut model = Model::new();
        let mut edit = Edit::begin(&file).unwrap();
        for b in 0..3 {
            apply(&mut edit, &mut model, &Op::Create(b));
        }
        edit.commit().unwrap();
        for ops in commits {
            let mut edit = Edit::begin(&file).unwrap();
            for op in &ops {
                apply(&mut edit, &mut model, op);
            }
            let before = file.bytes.borrow().clone();
            file.log.borrow_mut().clear();
            edit.commit().unwrap();
            let view = View::open(&file).unwrap();
            prop_assert_eq!(read_all(&view).unwrap(), model.clone());
            sound(&view);
            assert_safe_at_every_moment(&before, &file.log.borrow());
        }
    }
}

/// Whenever the power fails, what is on the disk reads as before or as after.
fn assert_safe_at_every_moment(before: &[u8], log: &[Act]) {
    let old = View::open(before).unwrap();
    let old_meta = *old.meta();
    let Some(last_write) = log.iter().rposition(|act| matches!(act, Act::Write(..))) else { return };
    assert_eq!(log.last(), Some(&Act::Sync));
    assert_eq!(log[last_write - 1], Act::Sync, "the pages are on the disk before the meta page is written");
    let mut synced = before.to_vec();
    for (at, act) in log.iter().enumerate() {
        let Act::Write(offset, bytes) = act else { continue };
        if at < last_write {
            assert!(*offset >= old.used_bytes(), "a page in use was overwritten");
            let end = *offset as usize + bytes.len();
            synced.resize(synced.len().max(end), 0);
            synced[*offset as usize..end].copy_from_slice(bytes);
            continue;
        }
        // A meta page torn at any offset: the previous state is still there.
        let page = *offset as usize;
        for torn in [20, 40, 60, 72] {
            let mut disk = synced.clone();
            disk[page..page + torn].copy_from_slice(&bytes[..torn]);
            let view = View::open(disk.as_slice()).unwrap();
            assert_eq!((view.meta().root, view.meta().hwm), (old_meta.root, old_meta.hwm));
        }
    }
}

#[test]
fn a_real_snapshot_is_edited_like_etcdutl_does() {
    for (name, bytes) in all_snapshots() {
        let cut = bytes.len() - bytes.len() % 512;
        let file = Mem::new(bytes[..cut].to_vec());
        let mut want = read_all(&View::open(&bytes).unwrap()).unwrap();
        for round in 0..3u8 {
            let mut edit = Edit::begin(&file).unwrap();
            for bucket in ["members", "members_removed"] {
                edit.clear_bucket(bucket.as_bytes()).unwrap();
                want.get_mut(bucket.as_bytes()).unwrap().clear();
            }
            let (big, huge) = ([round; 30].to_vec(), vec![round; 20_000]);
            for (bucket, key, value) in [
                ("members", b"8e9e05c52164694d".to_vec(), big),
                ("meta", b"consistent_index".to_vec(), 3u64.to_be_bytes().to_vec()),
                ("key", [0x7f, round].to_vec(), huge),
            ] {
                edit.put(bucket.as_bytes(), &key, &value).unwrap();
                want.get_mut(bucket.as_bytes()).unwrap().insert(key, value);
            }
            let before = file.bytes.borrow().clone();
            file.log.borrow_mut().clear();
            let txid = edit.before().meta().txid;
            edit.commit().unwrap();
            assert_safe_at_every_moment(&before, &file.log.borrow());
            let view = View::open(&file).unwrap();
            assert_eq!(read_all(&view).unwrap(), want, "{name}");
            assert_eq!(view.meta().txid, txid + 1, "{name}");
            assert_eq!(ReadAt::len(&file).unwrap(), view.used_bytes(), "{name}");
            sound(&view);
        }
    }
}

#[test]
fn no_branch_keeps_a_single_child() {
    // bbolt panics when it deletes below such a branch.
    let file = Mem::new(empty_db(512));
    let mut edit = Edit::begin(&file).unwrap();
    edit.create_bucket(b"b").unwrap();
    let key = |n: u32| n.to_be_bytes();
    for n in 0..3000 {
        edit.put(b"b", &key(n), &[7; 50]).unwrap();
    }
    edit.commit().unwrap();
    for keep in [3, 400, 2999] {
        let copy = Mem::new(file.bytes.borrow().clone());
        let mut edit = Edit::begin(&copy).unwrap();
        for n in (0..3000).filter(|n| *n != keep && *n > 20) {
            edit.delete(b"b", &key(n)).unwrap();
        }
        edit.commit().unwrap();
        let view = View::open(&copy).unwrap();
        let want: Vec<_> = (0..3000).filter(|n| *n == keep || *n <= 20).map(|n| key(n).to_vec()).collect();
        let bucket = view.bucket(b"b").unwrap().unwrap();
        assert_eq!(rows(&view, &bucket).unwrap().into_iter().map(|row| row.0).collect::<Vec<_>>(), want);
        sound(&view);
    }
}

#[test]
fn a_lone_meta_page_is_never_overwritten() {
    // Page 0 is gone. Page 1 normally has an odd number and the next one goes to page 0; in a snapshot page 1 can
    // have an even one, and bbolt's rule would write the next one over it.
    for (txid, next) in [(1, 2), (2, 4)] {
        let mut bytes = empty_db(4096);
        bytes[72] ^= 1;
        let meta = Meta { txid, ..*View::open(&bytes).unwrap().meta() };
        bytes[4096..8192].copy_from_slice(&meta.encode(1));
        let file = Mem::new(bytes.clone());
        let mut edit = Edit::begin(&file).unwrap();
        edit.create_bucket(b"a").unwrap();
        edit.commit().unwrap();
        assert_eq!(View::open(&file).unwrap().meta().txid, next);
        assert_safe_at_every_moment(&bytes, &file.log.borrow());
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let file = Mem::new(empty_db(4096));
    let mut edit = Edit::begin(&file).unwrap();
    edit.create_bucket(b"b").unwrap();
    assert!(matches!(edit.put(b"b", b"", b"v"), Err(Error::Refused { .. })));
    assert!(matches!(edit.put(b"b", &[1; 32769], b"v"), Err(Error::Refused { .. })));
    assert!(matches!(edit.put(b"c", b"k", b"v"), Err(Error::Refused { .. })));
    assert!(matches!(edit.create_bucket(b""), Err(Error::Refused { .. })));
    assert!(!edit.delete_bucket(b"c").unwrap());
    let before = Mem::new(file.bytes.borrow().clone());
    Edit::begin(&before).unwrap().commit().unwrap();
    assert!(before.log.borrow().is_empty(), "nothing to change, nothing written");
    let mut last = *View::open(&file).unwrap().meta();
    last.txid = u64::MAX;
    let mut bytes = file.bytes.borrow().clone();
    bytes[4096..8192].copy_from_slice(&last.encode(1));
    let full = Mem::new(bytes);
    let mut edit = Edit::begin(&full).unwrap();
    edit.create_bucket(b"b").unwrap();
    assert!(matches!(edit.commit(), Err(Error::Damaged { fault: Fault::Txid, .. })));
    assert!(full.log.borrow().iter().all(|act| matches!(act, Act::Write(at, _) if *at >= 3 * 4096)));
}
