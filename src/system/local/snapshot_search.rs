//! Files that may be snapshots, found in a directory by name and first bytes.

use std::{fs, io, io::Read, path::Path, time::UNIX_EPOCH};

use crate::{
    domain::model::observations::{FileFacts, Health},
    engine::{
        durable_fs,
        source::{archive::Archive, io_trouble},
    },
    error::Result,
};

/// bbolt's magic number, as it follows the first page's header.
pub(super) const BOLT_MAGIC: [u8; 4] = [0xed, 0xda, 0x0c, 0xed];

/// Searches `place`: itself if it is a file; its files, its own `member/snap/db` and those of the
/// data directories directly in it if it is a directory.
pub(super) fn look_in(place: &Path, found: &mut Vec<FileFacts>) -> Result<()> {
    let fail = |e: io::Error| io_trouble("look in", place, &e);
    let meta = fs::metadata(place).map_err(fail)?;
    if !meta.is_dir() {
        add(place, found);
        return Ok(());
    }
    let mut paths = vec![place.join("member/snap/db")];
    for entry in fs::read_dir(place).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        match path.is_dir() {
            true => paths.push(path.join("member/snap/db")),
            false if has_the_looks(&path) => paths.push(path),
            false => {}
        }
    }
    paths.sort();
    for path in paths.iter().filter(|p| p.is_file()) {
        add(path, found);
    }
    Ok(())
}

fn add(path: &Path, found: &mut Vec<FileFacts>) {
    let Ok(meta) = fs::metadata(path) else { return };
    if found.iter().any(|f| f.path == path) {
        return;
    }
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    found.push(FileFacts {
        path: path.into(),
        bytes: meta.len(),
        modified: modified.and_then(|t| i64::try_from(t.as_secs()).ok()),
        health: Health::Unread,
        content: None,
    });
}

/// Returns whether a file begins like a bbolt database, or has a usual name of snapshots: a damaged or
/// compressed one should be listed with its reason, not be missing. An archive can have any
/// content, so its name must say more.
fn has_the_looks(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if [".db", ".db.part", ".db.gz", ".db.zst", ".db.zip", ".snapshot", ".etcd-backup"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return true;
    }
    let mut head = Vec::new();
    let read = durable_fs::regular(path).and_then(|file| file.take(20).read_to_end(&mut head));
    let of_snapshots = [".db", "etcd", "snap", "backup", "full-"].iter().any(|word| name.contains(word));
    read.is_ok() && (head.get(16..20) == Some(&BOLT_MAGIC) || (of_snapshots && Archive::from_head(&head).is_some()))
}
