//! The combined check and scan, compared with a check of each row on its own.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::domain::model::observations::Health;
use crate::engine::progress::Flow;
use crate::engine::scan::examine::examine;
use crate::engine::source::Source;

/// Row by row and key by key, as etcdutl does it.
fn plainly<R: ReadAt>(view: &View<R>) -> (u32, u64, u64) {
    let (mut hash, mut rows, mut live) = (0, 0, std::collections::HashSet::new());
    for (name, bucket) in view.buckets().unwrap() {
        hash = crc32c::crc32c_append(hash, &name);
        let mut cursor = view.cursor(&bucket);
        while let Some(row) = cursor.next().unwrap() {
            hash = crc32c::crc32c_append(crc32c::crc32c_append(hash, row.key), row.value);
            rows += 1;
            if name == schema::KEY {
                let key = KeyValueRef::parse(row.value).unwrap().key.to_vec();
                if RevisionKey::parse(row.key).unwrap().tombstone {
                    live.remove(&key)
                } else {
                    live.insert(key)
                };
            }
        }
    }
    (hash, rows, live.len() as u64)
}

#[test]
fn combined_check_and_walk_equal_separate_ones() {
    let mut seen = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/snapshots")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(Ok(view)) = Source::open(&path).map(|source| source.view()) else { continue };
        let Ok(fused) = check_and_walk(&view, &mut |_| Flow::Go) else { continue };
        assert_eq!((fused.hash, fused.rows, fused.keys), plainly(&view), "{}", path.display());
        let plain = walk(&view, &mut |_| Flow::Go).unwrap();
        let of_pages = RowScan { in_use: fused.in_use.clone(), pages: fused.pages, ..plain };
        let warnings = fused.findings.warnings.clone(); // may also mention free pages
        let findings = Findings { warnings, ..of_pages.findings.clone() };
        assert_eq!(fused, RowScan { findings, ..of_pages }, "{}", path.display());
        seen += 1;
    }
    assert!(seen > 30);
}

#[test]
fn unreadable_files_are_not_called_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let circle = dir.path().join("circle.db");
    std::os::unix::fs::symlink(&circle, &circle).unwrap();
    let health = |path: &std::path::Path| examine(path, &mut |_| Flow::Go).unwrap().health;
    let Health::Unreadable(why) = health(&circle) else { panic!("the file was read") };
    assert!(!why.is_empty(), "{why}");
    let empty = dir.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    let found = health(&empty);
    let Health::Broken(why) = found else { panic!("{found:?}") };
    crate::text::messages::hold("engine-empty-file", &[("no bytes", why)]);
}
