//! The commands that only read: what a file is, what it holds, how two differ. Whatever it is, it is

//! said in a sentence, and the file is left as it was.

use std::{fs, io::Write, path::Path, process::Output};

use crate::support::{fixture, requorum, said};
use sha2::{Digest, Sha256};

fn run(args: &[&str], files: &[&Path]) -> Output {
    requorum(args).args(files).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn fine(args: &[&str], files: &[&Path]) -> String {
    let output = run(args, files);
    assert!(output.status.success(), "{args:?} {files:?}\n{}{}", out(&output), err(&output));
    out(&output)
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn signed(body: &[u8]) -> Vec<u8> {
    [body, &Sha256::digest(body)[..]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Each file with its name, the exit code of `snapshot status`, and the words it must be called by.
#[test]
fn what_a_file_is_comes_first() {
    let good = fs::read(fixture("seed-3.5.16.db")).unwrap();
    let body = &good[..good.len() - 32];
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let mut live = body.to_vec();
    live.resize(body.len() + 8192, 0);
    let mut older = body.to_vec();
    older[16 + 56] ^= 1; // the checksum of the newer meta page
    let mut second = body.to_vec();
    second[4096 + 16 + 56] ^= 1;
    let cut_gzip = gzip(&good)[..600].to_vec();
    let cases: Vec<(&str, Vec<u8>, i32, Vec<&str>)> = vec![
        (
            "good.db",
            good.clone(),
            0,
            vec!["a saved snapshot with a matching SHA-256 trailer", "5cf3503d, 12, 8, 20 kB"],
        ),
        ("wrong.db", wrong.clone(), 1, vec!["WRONG SHA-256 trailer", "5cf3503d, 12, 8, 20 kB", "verification failed"]),
        (
            "bare.db",
            body.to_vec(),
            0,
            vec!["a database without a SHA-256: either a copy of member/snap/db or", "Note:"],
        ),
        ("live.db", live, 0, vec!["a database as etcd runs on it (member/snap/db)", "5cf3503d, 12, 8, 20 kB"]),
        ("cut.db", good[..12_000].to_vec(), 1, vec!["truncated: it needs 20,480 bytes, but has 12,000"]),
        ("stub.db", good[..100].to_vec(), 1, vec!["too short to be a database: it has 100 bytes"]),
        (
            "a.db.part",
            good[..12_288].to_vec(),
            1,
            vec!["left over from a `snapshot save`", "needs 20,480 bytes, but has 12,288"],
        ),
        ("b.db.part", body.to_vec(), 1, vec!["left over from a `snapshot save`"]),
        ("c.db.part", good.clone(), 0, vec!["matching SHA-256 trailer; it is"]),
        (
            "a.gz",
            gzip(&good),
            0,
            vec!["a gzip archive; its content is a saved snapshot with a matching SHA-256 trailer", "5cf3503d, 12"],
        ),
        (
            "b.gz",
            [gzip(&good[..9000]), gzip(&good[9000..])].concat(),
            0,
            vec!["a gzip archive; its content", "5cf3503d, 12"],
        ),
        ("f.gz", [&gzip(&good)[..], b"\x1a\x1a\n"].concat(), 0, vec!["a matching SHA-256 trailer", "5cf3503d, 12"]),
        ("g.gz", gzip(&[&good[..], b"\n"].concat()), 0, vec!["1 further byte (a line end)", "5cf3503d, 12"]),
        ("c.gz", cut_gzip, 1, vec!["gzip archive, but it is truncated"]),
        ("d.gz", gzip(b"hello"), 1, vec!["gzip archive, and its content is text; it begins with \"hello\""]),
        ("e.gz", gzip(&wrong), 1, vec!["a gzip archive; its content is a saved snapshot with a WRONG SHA-256 trailer"]),
        ("a.zst", zstd(&good), 0, vec!["a zstd archive; its content is a saved snapshot", "5cf3503d, 12, 8"]),
        ("b.zst", zstd(&good)[..3000].to_vec(), 1, vec!["zstd archive, but"]),
        (
            "a.zip",
            zip(&[("readme", b"x"), ("s/snap.db", &good)]),
            0,
            vec!["a zip archive; its content (s/snap.db) is a saved", "5cf3503d"],
        ),
        ("b.zip", zip(&[("readme", b"x")]), 1, vec!["the only file in it is not a snapshot"]),
        ("c.zip", zip(&[("a", &good), ("b", &good)]), 1, vec!["contains more than one snapshot: a and b"]),
        ("k3s.db", b"SQLite format 3\0........".to_vec(), 1, vec!["it is an SQLite database"]),
        ("empty.db", Vec::new(), 1, vec!["it is empty (0 bytes)"]),
        ("zeros.db", vec![0; 20_480], 1, vec!["nothing but zeros, 20,480 bytes"]),
        ("older.db", signed(&older), 1, vec!["5cf3503d, 12, 8", "the newer of its two meta pages is damaged (page 0"]),
        ("second.db", signed(&second), 1, vec!["5cf3503d, 12, 8", "page 1: checksum mismatch"]),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes, code, words) in cases {
        let file = dir.path().join(name);
        fs::write(&file, &bytes).unwrap();
        let output = run(&["snapshot", "status"], &[&file]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        for word in words {
            assert!(said.contains(word), "{name}: {word:?} is not in:\n{said}");
        }
        assert_eq!(fs::read(&file).unwrap(), bytes, "{name} was changed");
    }
}

#[test]
fn a_data_directory_stands_for_its_database() {
    let good = fs::read(fixture("seed-3.5.16.db")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("member/snap")).unwrap();
    fs::write(dir.path().join("member/snap/db"), &good[..good.len() - 32]).unwrap();
    for command in ["status", "inspect", "keys"] {
        let output = run(&["snapshot", command], &[dir.path()]);
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(fine(&["hashkv"], &[dir.path()]), "727828197, 12, 4\n");
}

/// What running servers, and etcdutl where it can, said of the same files.
#[test]
fn hashkv_is_that_of_real_servers() {
    for (name, rev, hash) in [
        ("s35.db", "0", "1775236578, 8, 3\n"),
        ("s35.db", "6", "4099578167, 6, 3\n"),
        ("seed-3.4.23.db", "0", "4011816883, 12, 4\n"),
        ("seed-3.6.14.db", "5", "2481320837, 5, 4\n"),
        ("seed-3.7.1.db", "8", "625665420, 8, 4\n"),
    ] {
        assert_eq!(fine(&["hashkv", "--rev", rev], &[&fixture(name)]), hash, "{name}");
    }
    let file = fixture("s35.db");
    assert_eq!(
        fine(&["hashkv", "-w", "json"], &[&file]),
        "{\"hash\":1775236578,\"hashRevision\":8,\"compactRevision\":3}\n"
    );
    let output = run(&["hashkv", "--rev", "2"], &[&file]);
    assert_eq!(output.status.code(), Some(1), "compacted up to 3: {}", err(&output));
    let output = run(&["hashkv", "--rev", "9"], &[&file]);
    assert_eq!(output.status.code(), Some(1), "its newest is 8: {}", err(&output));
}

/// Figures that were counted when the fixtures were made.
#[test]
fn inspect_counts_what_was_counted() {
    let expected = fs::read_to_string(fixture("expected.jsonl")).unwrap();
    let mut seen = 0;
    for line in expected.lines().map(json) {
        let (Some(file), Some(keys)) = (line["file"].as_str(), line["live_keys"].as_u64()) else { continue };
        let found = json(&fine(&["snapshot", "inspect", "-w", "json"], &[&fixture(file)]));
        assert_eq!(found["keys"], keys, "{file}");
        assert_eq!(found["page_size"], line["page_size"], "{file}");
        assert_eq!(found["sha256"], line["sha256"], "{file}");
        assert_eq!(found["buckets"], line["rows"], "{file}");
        let ids: Vec<&str> = found["members"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
        assert_eq!(ids, line["members"].as_object().unwrap().keys().collect::<Vec<_>>(), "{file}");
        let spread: u64 = found["tree"].as_array().unwrap().iter().map(|b| b["keys"].as_u64().unwrap()).sum();
        assert_eq!(spread, keys, "{file}");
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn inspect_says_who_and_what_is_in_it() {
    let said = fine(&["snapshot", "inspect"], &[&fixture("3.5.16-auth.db")]);
    for line in [
        "  revision          2, never compacted\n",
        "  authentication    on\n",
        "  m1 7ba5f4582a669e28 peers http://127.0.0.1:33546\n",
        "  bob: reader\n",
        "  reader: read /registry/…\n",
        "  /registry/k/ 100 keys, 8.5 kB\n",
        "  whether anything was written after revision 2\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    let said = fine(&["snapshot", "inspect", "--depth", "1"], &[&fixture("3.6.14-lease.db")]);
    for line in [
        "  1001 (3600 s) 10 keys: lease/01/0, lease/01/1, lease/01/2, …\n",
        "  1012 (64800 s) 0 keys\n",
        "  lease/ 190 keys, 3.0 kB\n",
        "  nolease/ 50 keys, 540 B\n",
        "  storage version   3.6.0\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in:\n{said}");
    }
    let table = fine(&["snapshot", "inspect", "-w", "table"], &[&fixture("s35.db")]);
    assert!(table.contains("CLIENT ADDRS") && table.contains("|   PREFIX   | KEYS | SIZE |"), "{table}");
    assert!(fine(&["snapshot", "inspect", "-w", "fields"], &[&fixture("s35.db")]).contains("\"Revision\" : 8\n"));
}

#[test]
fn keys_at_a_revision_and_safe_to_print() {
    let file = fixture("seed-3.5.16.db");
    assert_eq!(
        fine(&["snapshot", "keys", "--revision", "5", "--values"], &[&file]),
        "k1\tv1\nk2\tv2\nk3\tv3\nk4\tv4\n"
    );
    assert_eq!(fine(&["snapshot", "keys", "--prefix", "le"], &[&file]), "leased\n");
    let line = "{\"create_revision\":2,\"key\":\"k1\",\"mod_revision\":12,\"value\":\"vv1\",\"version\":2}\n";
    assert_eq!(fine(&["snapshot", "keys", "--prefix", "k1", "--values", "-w", "json"], &[&file]), line);
    let output = run(&["snapshot", "keys", "--revision", "3"], &[&file]);
    assert_eq!(output.status.code(), Some(1), "compacted up to 4: {}", err(&output));

    let binary = fixture("3.6.14-binary.db");
    let text = fine(&["snapshot", "keys", "--values"], &[&binary]);
    assert_eq!(text.lines().count(), 349);
    assert!(!text.bytes().any(|byte| byte < 0x20 && byte != b'\n' && byte != b'\t' || byte == 0x7f));
    let lines = fine(&["snapshot", "keys", "--values", "-w", "json"], &[&binary]);
    assert_eq!(
        lines.lines().map(json).filter(|line| line["key"].is_string() ^ line["key_base64"].is_string()).count(),
        349
    );
    assert!(lines.contains("key_base64"));
}

/// What `compare -w json` ends with.
fn summary(first: &Path, second: &Path) -> serde_json::Value {
    let lines = fine(&["snapshot", "compare", "-w", "json"], &[first, second]);
    json(lines.lines().last().unwrap())["summary"].clone()
}

/// Keys that were added, changed and deleted, and those that are equal.
fn sums(summary: &serde_json::Value) -> [u64; 4] {
    ["added", "changed", "deleted", "equal"].map(|what| summary["keys"][what].as_u64().unwrap())
}

#[test]
fn compare_tells_the_history_and_every_key() {
    let (old, new) = (fixture("s35.db"), fixture("seed-3.5.16.db"));
    let found = summary(&old, &old);
    assert_eq!((&found["history"]["is"], sums(&found)), (&"same".into(), [0, 0, 0, 4]), "{found}");
    let found = summary(&new, &old);
    assert_eq!((&found["history"]["is"], &found["history"]["at"]), (&"parts".into(), &3.into()), "{found}");
    assert_eq!(sums(&found), [3, 1, 7, 0], "{found}");
    let said = fine(&["snapshot", "compare", "--keys"], &[&new, &old]);
    assert!(said.lines().any(|line| line.starts_with("- k8 ")), "{said}");
    let lines = fine(&["snapshot", "compare", "-w", "json", "--values"], &[&new, &old]);
    let lines: Vec<serde_json::Value> = lines.lines().map(json).collect();
    assert_eq!(lines.len(), 12, "11 keys and the sum");
    let gone = lines.iter().find(|line| line["key"] == "k8").unwrap();
    assert_eq!((&gone["change"], &gone["before"]["value"], gone.get("after")), (&"deleted".into(), &"v8".into(), None));
    assert_eq!(lines.last().unwrap()["summary"]["keys"]["deleted"], 7);
}

/// A bumped and a plain restore of one snapshot share its history.
#[test]
fn a_restored_directory_has_the_snapshots_history() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (fixture("seed-3.5.16.db"), dir.path().join("m1.etcd"));
    let flags = ["--name=m1", "--initial-cluster=m1=http://10.0.0.1:2380", "--initial-cluster-token=t"];
    let more = ["--initial-advertise-peer-urls=http://10.0.0.1:2380", "--bump-revision=1000000000", "--mark-compacted"];
    let target = format!("--data-dir={}", data.display());
    let args = [&["snapshot", "restore"][..], &flags, &more, &[&target]].concat();
    fine(&args, &[&file]);
    let found = summary(&file, &data);
    assert_eq!((&found["history"]["is"], sums(&found)), (&"same".into(), [0, 0, 0, 8]), "{found}");
    assert_eq!(found["second"], serde_json::json!({ "compacted": 1_000_000_012, "revision": 1_000_000_012 }));
    assert_eq!(fine(&["hashkv"], &[&data]), "315261034, 1000000012, 1000000012\n");
}
