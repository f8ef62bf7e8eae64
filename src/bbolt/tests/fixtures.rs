//! Real snapshots of etcd 3.4 to 3.7: what is read is what etcd's own tools counted.

use super::*;

#[test]
fn real_snapshots_have_the_rows_that_etcd_counted() {
    let table = std::fs::read_to_string(snapshots().join("expected.jsonl")).unwrap();
    let mut counted = 0;
    for line in table.lines() {
        let want: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = want["file"].as_str().unwrap();
        if want["page_size"].is_null() {
            continue; // a seed for drills, not described further
        }
        counted += 1;
        let view = View::open(std::fs::File::open(snapshots().join(file)).unwrap()).unwrap();
        assert_eq!(Some(u64::from(view.page_size())), want["page_size"].as_u64(), "{file}");
        assert_eq!(Some(view.used_bytes()), want["status_etcdutl_3.6"]["totalSize"].as_u64(), "{file}");
        assert!(!view.fell_back(), "{file}");
        let buckets = view.buckets().unwrap();
        let counts = want["rows"].as_object().unwrap();
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0), "{file}");
        for (name, count) in counts {
            let bucket = view.bucket(name.as_bytes()).unwrap().unwrap_or_else(|| panic!("{file}: no bucket {name}"));
            let rows = rows(&view, &bucket).unwrap();
            assert_eq!(Some(rows.len() as u64), count.as_u64(), "{file} {name}");
            assert_eq!(view.last(&bucket).unwrap(), rows.last().cloned(), "{file} {name}");
            for (key, value) in rows.iter().step_by(1 + rows.len() / 50) {
                assert_eq!(view.get(&bucket, key).unwrap().as_ref(), Some(value), "{file} {name}");
            }
        }
        assert_eq!(buckets.len(), counts.len(), "{file}: buckets that etcd's tools do not know");
    }
    assert!(counted > 30, "{counted} snapshots are described");
}

#[test]
fn seek_finds_the_first_row_not_less() {
    let view = View::open(std::fs::read(snapshots().join("3.6.14-tree.db")).unwrap()).unwrap();
    let bucket = view.bucket(b"key").unwrap().unwrap();
    assert!(bucket.root_page().is_some());
    let rows = rows(&view, &bucket).unwrap();
    let mut cursor = view.cursor(&bucket);
    for at in (0..rows.len()).step_by(37) {
        let mut just_above = rows[at].0.clone();
        just_above.push(0);
        for (target, want) in [(&rows[at].0, rows.get(at)), (&just_above, rows.get(at + 1))] {
            cursor.seek(target).unwrap();
            assert_eq!(cursor.next().unwrap().map(|row| row.key.to_vec()), want.map(|row| row.0.clone()));
        }
    }
    cursor.seek(&[]).unwrap();
    assert_eq!(cursor.next().unwrap().unwrap().key, rows[0].0);
    cursor.seek(&[0xff; 20]).unwrap();
    assert_eq!(cursor.next().unwrap(), None);
    assert_eq!(cursor.next().unwrap(), None);
}

#[test]
fn either_meta_page_is_enough() {
    for (name, intact) in all_snapshots() {
        let page_size = View::open(&intact).unwrap().page_size() as usize;
        for (at, newer) in [(0, true), (page_size, false)] {
            let mut bytes = intact.clone();
            bytes[at + 72] ^= 1;
            let view = View::open(&bytes).unwrap();
            assert_eq!(view.page_size() as usize, page_size, "{name}");
            assert_eq!(view.fell_back(), newer, "{name}: snapshots have the newer meta page first");
            assert!(view.metas()[usize::from(!newer)].is_err(), "{name}");
            assert_eq!(view.buckets().unwrap(), View::open(&intact).unwrap().buckets().unwrap(), "{name}");
        }
        let mut bytes = intact.clone();
        bytes[72] ^= 1;
        bytes[page_size + 72] ^= 1;
        assert!(matches!(View::open(&bytes), Err(Error::NoMeta { .. })), "{name}");
        let used = View::open(&intact).unwrap().used_bytes();
        let cut = View::open(&intact[..used as usize - 1]);
        assert!(matches!(cut, Err(Error::Truncated { needs, has }) if needs == used && has == used - 1), "{name}");
        assert!(matches!(View::open(&intact[..4095]), Err(Error::Short { has: 4095 })), "{name}");
    }
}
