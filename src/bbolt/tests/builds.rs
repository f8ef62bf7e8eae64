//! Bulk builds: what goes in comes out, whatever the page size.

use super::*;
use proptest::prelude::*;

const SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_built_file_has_its_rows(
        page_size in prop::sample::select(SIZES.to_vec()),
        model in prop::collection::btree_map(
            prop::collection::vec(any::<u8>(), 1..20),
            prop::collection::btree_map(
                prop_oneof![9 => prop::collection::vec(any::<u8>(), 1..30), 1 => prop::collection::vec(any::<u8>(), 300..900)],
                prop_oneof![9 => prop::collection::vec(any::<u8>(), 0..90), 1 => prop::collection::vec(any::<u8>(), 900..3000)],
                0..120,
            ),
            0..6,
        ),
    ) {
        let bytes = build(&model, page_size);
        let view = View::open(&bytes).unwrap();
        prop_assert_eq!(read_all(&view).unwrap(), model);
        prop_assert_eq!(bytes.len() as u64, view.used_bytes().max(4096));
        prop_assert_eq!(view.meta().txid, 7);
        sound(&view);
        let report = check(&view, &mut |_, _| true).unwrap();
        prop_assert_eq!(report.free, 0, "a compacted file has no free pages");
    }
}

#[test]
fn trees_of_several_levels_are_whole() {
    // 512-byte pages: four levels and more; long keys: branches with overflow.
    for (rows, key_len) in [(1, 4), (7, 4), (9, 4), (200, 4), (8_000, 4), (300, 700), (61, 30_000)] {
        let rows = (0..rows).map(|n: u32| {
            let mut key = n.to_be_bytes().to_vec();
            key.resize(key_len, 0);
            (key, vec![n as u8; 20])
        });
        let model = Model::from([(b"key".to_vec(), rows.collect())]);
        let bytes = build(&model, 512);
        let view = View::open(&bytes).unwrap();
        assert_eq!(read_all(&view).unwrap(), model);
        sound(&view);
    }
}

#[test]
fn real_snapshots_survive_rebuild_and_edits() {
    for (name, bytes) in all_snapshots() {
        let model = read_all(&View::open(&bytes).unwrap()).unwrap();
        for page_size in [512, 65536] {
            let built = Mem::new(build(&model, page_size));
            assert_eq!(read_all(&View::open(&built).unwrap()).unwrap(), model, "{name}");
            let mut edit = Edit::begin(&built).unwrap();
            edit.put(b"key", b"new", b"row").unwrap();
            edit.commit().unwrap();
            let mut model = model.clone();
            model.get_mut(&b"key"[..]).unwrap().insert(b"new".to_vec(), b"row".to_vec());
            assert_eq!(read_all(&View::open(&built).unwrap()).unwrap(), model, "{name}");
            sound(&View::open(&built).unwrap());
        }
    }
}

#[test]
fn rows_out_of_order_are_refused() {
    let mut build = Build::begin(Mem::default(), 4096).unwrap();
    assert!(build.put(b"k", b"v").is_err(), "no bucket yet");
    build.bucket(b"b").unwrap();
    build.put(b"k", b"v").unwrap();
    assert!(build.put(b"k", b"v").is_err());
    assert!(build.put(b"j", b"v").is_err());
    assert!(build.put(b"", b"v").is_err());
    assert!(build.bucket(b"b").is_err());
    assert!(build.bucket(b"a").is_err());
    assert!(build.bucket(b"c").is_ok());
    build.put(b"a", b"v").unwrap();
    assert!(matches!(build.finish(0), Err(Error::Damaged { fault: Fault::Txid, .. })));
    for size in [0, 256, 1000, 131_072] {
        assert!(Build::begin(Mem::default(), size).is_err());
    }
}

#[test]
fn an_unfinished_build_is_no_database() {
    let file = Mem::default();
    let mut build = Build::begin(&file, 512).unwrap();
    build.bucket(b"b").unwrap();
    for n in 0..200_000u32 {
        build.put(&n.to_be_bytes(), &[1; 10]).unwrap();
    }
    drop(build);
    assert!(ReadAt::len(&file).unwrap() > 1 << 20);
    assert!(matches!(View::open(&file), Err(Error::NoMeta { .. })));
}
