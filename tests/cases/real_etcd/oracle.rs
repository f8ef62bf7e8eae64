//! What `requorum` writes and prints, held against etcd's own tool on the same input.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use requorum::bbolt::{Bucket, View};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    all_fixtures, fixture, json, requorum,
    servers::{Server, boltcheck},
    succeed,
};

/// Three members, one with two URLs, and one member alone.
const CLUSTERS: [(&str, &str, &str); 2] = [
    (
        "m2",
        "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://[fd00::3]:2380,m2=https://b.example:12380",
        "http://10.0.0.2:2380,https://b.example:12380",
    ),
    ("only", "only=http://localhost:2380", "http://localhost:2380"),
];

/// Snapshots of every version, page size and shape; all the others say little more.
const SNAPSHOTS: [&str; 8] = [
    "3.4.23-auth.db",
    "3.4.23-removed.db",
    "3.5.16-empty.db",
    "3.5.16-lease.db",
    "3.6-ps16384-small.db",
    "3.6-ps65536-small.db",
    "3.6.14-tree.db",
    "3.7.1-multipeer.db",
];

/// The write-ahead log byte for byte, the `.snap` too where etcdutl makes the same twice, all rows
/// of all buckets, file names and modes.
pub fn same_files(server: &Server) {
    compare(server, &[]);
}

/// The same with revisions bumped.
pub fn same_files_bumped(server: &Server) {
    compare(server, &["--bump-revision", "1000000000", "--mark-compacted"]);
}

fn compare(server: &Server, flags: &[&str]) {
    // etcdutl 3.6 makes a directory of it on which etcd 3.6 does not start; requorum refuses that.
    let starts = |name: &&str| !(server.minor == "3.6" && name.starts_with("3.7"));
    for snapshot in SNAPSHOTS.iter().filter(|name| starts(name)).map(|name| fixture(name)) {
        for (name, cluster, urls) in CLUSTERS {
            let dir = TempDir::new().unwrap();
            let (theirs, ours) = (dir.path().join("theirs"), dir.path().join("ours"));
            let add = |mut command: Command, data_dir: &Path| {
                command.args(["--name", name, "--initial-cluster", cluster, "--initial-advertise-peer-urls", urls]);
                command.args(["--initial-cluster-token", "compared", "--data-dir"]).arg(data_dir).args(flags);
                command
            };
            let mut etcdutl = server.etcdutl().unwrap();
            etcdutl.args(["snapshot", "restore"]).arg(&snapshot);
            succeed(&mut add(etcdutl, &theirs));
            let mut requorum = requorum(["snapshot", "restore", "--etcd-version", server.minor]);
            requorum.arg(&snapshot);
            succeed(&mut add(requorum, &ours));

            // From 3.6 on etcdutl writes the members into the .snap in random order.
            let fixed = |file: &Path| {
                let is_snap = file.extension().is_some_and(|e| e == "snap");
                !(is_db(file) || is_snap && server.minor != "3.5" && name != "only")
            };
            assert_same_tree(&theirs, &ours, fixed);
            let (theirs, ours) = (theirs.join("member/snap/db"), ours.join("member/snap/db"));
            assert_same_rows(&theirs, &ours);
            // Its hash covers every bucket, and before it answers it has bbolt check all pages.
            let status = |db: &Path| {
                let mut etcdutl = server.etcdutl().unwrap();
                json(etcdutl.args(["snapshot", "status", "-w", "json"]).arg(db))
            };
            let (their_status, our_status) = (status(&theirs), status(&ours));
            for field in ["hash", "revision", "totalKey", "version"] {
                assert_eq!(their_status[field], our_status[field], "{field} of {}", snapshot.display());
            }
            // Go's own bbolt checks the pages and prints the rows.
            if let (Some(mut check), Some(mut again)) = (boltcheck(), boltcheck()) {
                assert_eq!(succeed(check.arg(&theirs)), succeed(again.arg(&ours)), "rows by bbolt itself");
            }
        }
    }
}

/// etcdutl takes our database as a source, and Go's bbolt writes to it.
pub fn restored_again(server: &Server) {
    for snapshot in SNAPSHOTS.map(fixture) {
        let dir = TempDir::new().unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        succeed(requorum(["snapshot", "restore", "--data-dir"]).arg(&first).arg(&snapshot));
        let ours = first.join("member/snap/db");
        let mut etcdutl = server.etcdutl().unwrap();
        succeed(etcdutl.args(["snapshot", "restore", "--skip-hash-check", "--data-dir"]).arg(&second).arg(&ours));
        // The same members with the same token once more: nothing may change.
        assert_same_rows(&ours, &second.join("member/snap/db"));
    }
}

/// `snapshot status -w json` says what etcdutl says.
pub fn same_status(server: &Server) {
    for snapshot in all_fixtures() {
        let mut etcdutl = server.etcdutl().unwrap();
        let theirs = json(etcdutl.args(["snapshot", "status", "-w", "json"]).arg(&snapshot));
        let ours = json(requorum(["snapshot", "status", "-w", "json"]).arg(&snapshot));
        for field in ["hash", "revision", "totalKey", "totalSize", "version"] {
            assert_ne!(theirs[field], Value::Null, "etcdutl says nothing of {field}");
            assert_eq!(theirs[field], ours[field], "{field} of {}", snapshot.display());
        }
    }
}

/// The same files with the same modes and lengths on both sides, and the same bytes in those that
/// `byte_for_byte` names; databases may differ in length.
pub fn assert_same_tree(left: &Path, right: &Path, byte_for_byte: impl Fn(&Path) -> bool) {
    let (theirs, ours) = (tree(left), tree(right));
    let names = |tree: &BTreeMap<PathBuf, u32>| -> Vec<String> {
        tree.iter().map(|(path, mode)| format!("{mode:o} {}", path.display())).collect()
    };
    assert_eq!(names(&theirs), names(&ours), "the files of {} and {}", left.display(), right.display());
    assert!(theirs.keys().any(|p| is_db(p)) && theirs.keys().any(|p| p.extension().is_some_and(|e| e == "wal")));
    for path in theirs.keys().filter(|p| left.join(p).is_file() && !is_db(p) | byte_for_byte(p)) {
        let (theirs, ours) = (fs::read(left.join(path)).unwrap(), fs::read(right.join(path)).unwrap());
        assert_eq!(theirs.len(), ours.len(), "length of {}", path.display());
        if byte_for_byte(path) && theirs != ours {
            let differs = theirs.iter().zip(&ours).position(|(a, b)| a != b);
            panic!("{} differs, first at byte {differs:?}", path.display());
        }
    }
}

/// Every path below `dir`, from there, with its mode.
fn tree(dir: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display())) {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            found.insert(path.strip_prefix(dir).unwrap().to_path_buf(), meta.permissions().mode() & 0o7777);
            if meta.is_dir() {
                todo.push(path);
            }
        }
    }
    found
}

fn is_db(path: &Path) -> bool {
    path.ends_with("snap/db")
}

/// The same rows in all buckets of two databases.
fn assert_same_rows(left: &Path, right: &Path) {
    let (theirs, ours) = (rows(left), rows(right));
    let names =
        |all: &[(Vec<u8>, _)]| -> Vec<String> { all.iter().map(|(name, _)| name.escape_ascii().to_string()).collect() };
    assert_eq!(names(&theirs), names(&ours), "buckets of {} and {}", left.display(), right.display());
    for ((name, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        let name = name.escape_ascii();
        for (a, b) in theirs.iter().zip(ours) {
            assert_eq!(show(a), show(b), "a row of bucket {name}");
        }
        assert_eq!(theirs.len(), ours.len(), "rows in bucket {name}");
    }
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn rows(db: &Path) -> Vec<(Vec<u8>, Rows)> {
    let view = View::open(fs::File::open(db).unwrap()).unwrap();
    let all = |bucket: &Bucket| {
        let mut rows = Rows::new();
        let mut cursor = view.cursor(bucket);
        while let Some(row) = cursor.next().unwrap() {
            assert!(!row.is_bucket, "etcd has no nested buckets");
            rows.push((row.key.to_vec(), row.value.to_vec()));
        }
        rows
    };
    view.buckets().unwrap().iter().map(|(name, bucket)| (name.clone(), all(bucket))).collect()
}

fn show((key, value): &(Vec<u8>, Vec<u8>)) -> String {
    format!("{} = {}", key.escape_ascii(), value.escape_ascii())
}
