//! Identifies a directory that was specified instead of a snapshot by the names in it.

use std::{fs, io::Read, path::Path};

use super::{is_database, quoted};
use crate::{
    engine::durable_fs,
    text::{
        join::{all, natural},
        number::count,
    },
};

/// The most entries that are read.
const MOST: usize = 10_000;
/// The most names that are shown.
const SHOWN: usize = 3;

/// Returns what it is, as a phrase, and what to do.
pub fn identify(path: &Path) -> (String, String) {
    let mut names: Vec<String> = fs::read_dir(path).map_or_else(
        |_| Vec::new(),
        |entries| entries.flatten().take(MOST).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
    );
    names.sort_by(|a, b| natural(a, b));
    let has = |name: &str| names.iter().any(|n| n == name);
    let ends = |end: &str| names.iter().any(|n| n.ends_with(end));
    let above = |levels: usize| path.ancestors().nth(levels).filter(|dir| !dir.as_os_str().is_empty());
    let name = |dir: Option<&Path>| match dir {
        Some(dir) => format!("Specify the data directory: {}", quoted(dir)),
        None => "Specify the data directory that contains it.".to_string(),
    };
    if has("snap") && has("wal") {
        return ("the member directory of a data directory".into(), name(above(1)));
    }
    if has("db") && (ends(".snap") || path.ends_with("snap")) {
        return (
            "the snap directory of a member".into(),
            format!("Specify the database in it ({}), or the data directory.", quoted(&path.join("db"))),
        );
    }
    if ends(".wal") && names.iter().all(|n| n.ends_with(".wal") || n.ends_with(".tmp")) {
        return ("the WAL directory of a member, which is not a database".into(), name(above(2)));
    }
    if has("data") && has("keys") && has("snapshots") && has("config") {
        let hint = format!("Extract the snapshot from it: restic -r {} restore latest --target DIR", quoted(path));
        return ("a restic repository".into(), hint);
    }
    if has("data") && has("config") && begins(&path.join("config")).starts_with(b"[repository]") {
        let hint =
            format!("Extract the snapshot from it: borg list {0}, then: borg extract {0}::ARCHIVE", quoted(path));
        return ("a Borg repository".into(), hint);
    }
    if has("CURRENT") && names.iter().any(|n| n.starts_with("MANIFEST-")) {
        let engine = if names.iter().any(|n| n.starts_with("OPTIONS-")) { "RocksDB" } else { "LevelDB" };
        return (format!("a {engine} database, which is not etcd's"), "Specify the snapshot file.".into());
    }
    let listed = |found: &[&String]| {
        let shown: Vec<String> = found.iter().take(SHOWN).map(|name| quoted(&path.join(name))).collect();
        match found.len().saturating_sub(SHOWN) {
            0 => all(&shown),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    };
    let dirs: Vec<&String> = names.iter().filter(|name| path.join(name).join("member/snap/db").exists()).collect();
    if !dirs.is_empty() {
        let what =
            format!("a directory that contains {}", count(dirs.len() as u64, "data directory", "data directories"));
        return (what, format!("Specify one: {}", listed(&dirs)));
    }
    let files: Vec<&String> = names.iter().filter(|name| begins_as_database(&path.join(name))).collect();
    match files.is_empty() {
        true => ("a directory".into(), "Specify the snapshot file in it.".into()),
        false => ("a directory".into(), format!("Specify the snapshot file in it: {}", listed(&files))),
    }
}

fn begins_as_database(path: &Path) -> bool {
    is_database(&begins(path))
}

/// Reads the first bytes of a regular file; empty if it cannot be read.
fn begins(path: &Path) -> Vec<u8> {
    let mut head = Vec::new();
    let read = durable_fs::regular(path).and_then(|file| file.take(32).read_to_end(&mut head));
    if read.is_ok() { head } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn directories_are_identified_by_their_entries() {
        let root = tempfile::tempdir().unwrap();
        let make = |names: &[&str]| {
            for name in names {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                let text = if name.ends_with("borg/config") { "[repository]\nversion = 1\n" } else { "x" };
                fs::write(path, text).unwrap();
            }
        };
        make(&["etcd/member/snap/db", "etcd/member/snap/1-2.snap", "etcd/member/wal/0-0.wal", "empty/README"]);
        make(&["restic/config", "restic/data/x", "restic/keys/x", "restic/snapshots/x"]);
        make(&["borg/config", "borg/data/0/1", "level/CURRENT", "level/MANIFEST-000001"]);
        make(&["rocks/CURRENT", "rocks/MANIFEST-000004", "rocks/OPTIONS-000005"]);
        fs::create_dir(root.path().join("backups")).unwrap();
        fs::write(root.path().join("backups/a.db"), b"\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\xed\xda\x0c\xed").unwrap();
        let mut messages = Vec::new();
        for (dir, path) in [
            ("etcd/member", "/etcd"),
            ("etcd/member/snap", "/etcd/member/snap/db"),
            ("etcd/member/wal", "/etcd"),
            ("", "/etcd"),
            ("restic", ""),
            ("borg", ""),
            ("level", ""),
            ("rocks", ""),
            ("backups", "/backups/a.db"),
            ("empty", ""),
        ] {
            let found = identify(&root.path().join(dir));
            assert!(found.1.contains(path), "{dir}: {found:?}");
            messages
                .push((dir, format!("{}\n{}", found.0, found.1).replace(&root.path().display().to_string(), "DIR")));
        }
        crate::text::messages::hold("filetype-directories", &messages);
    }
}
