//! Files that are a snapshot and more, a database with a hole, and damage of a part that holds no rows: every command says

//! the same of one file, and restores from it what is sound, once that was accepted where it has to be.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use crate::support::{fixture, messages, requorum, said};
use prost::Message;
use requorum::{
    bbolt::{Build, Edit, View, check},
    etcd::{
        proto::{KeyValue, Lease, User},
        revision::Revision,
    },
};
use sha2::{Digest, Sha256};

const MARK: usize = 20_480;
const PAGE: usize = 4096;

fn good() -> Vec<u8> {
    fs::read(fixture("seed-3.5.16.db")).unwrap()
}

fn signed(body: &[u8]) -> Vec<u8> {
    [body, &Sha256::digest(body)[..]].concat()
}

fn status(file: &Path) -> (i32, serde_json::Value, String) {
    let output = requorum(["snapshot", "status", "-w", "json"]).arg(file).output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), json, said(&output))
}

fn restore(file: &Path, dir: &Path, flags: &[&str]) -> Output {
    let url = "http://127.45.9.1:2380";
    requorum(["snapshot", "restore", "--name=m1", "--initial-cluster-token=t"])
        .arg(format!("--initial-cluster=m1={url}"))
        .arg(format!("--initial-advertise-peer-urls={url}"))
        .arg(format!("--data-dir={}", dir.join("m1.etcd").display()))
        .args(flags)
        .arg(file)
        .output()
        .unwrap()
}

#[track_caller]
fn restores(file: &Path, flags: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let output = restore(file, dir.path(), flags);
    assert!(output.status.success(), "{}: {}", file.display(), said(&output));
    let made = dir.path().join("m1.etcd");
    assert!(said(&requorum(["hashkv"]).arg(&made).output().unwrap()).contains("727828197, 12, 4\n"));
    let (code, json, said) = status(&made);
    assert_eq!((code, &json["revision"]), (0, &12.into()), "{said}");
    assert!(json["problems"].is_null(), "{said}");
}

#[track_caller]
fn refuses(file: &Path, flags: &[&str], code: i32) -> String {
    let dir = tempfile::tempdir().unwrap();
    let output = restore(file, dir.path(), flags);
    assert_eq!(output.status.code(), Some(code), "{}: {}", file.display(), said(&output));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    said(&output)
}

#[track_caller]
fn plan(file: &Path, dir: &Path, flags: &[&str]) -> (bool, String) {
    let yaml = dir.join("plan.yaml");
    let output = requorum(["plan", "--initial-cluster=m1=http://127.45.9.1:2380", "--initial-cluster-token=t"])
        .args([Path::new("--snapshot"), file, Path::new("--output"), &yaml, Path::new("--data-root"), dir])
        .args(flags)
        .output()
        .unwrap();
    (output.status.success(), said(&output) + &fs::read_to_string(yaml).unwrap_or_default())
}

/// A directory with the files of this test in it.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Files(tempfile::tempdir().unwrap())
    }
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

#[test]
fn bytes_after_a_snapshot_are_left_out() {
    let files = Files::new();
    let many = vec![0x1a; 1024 - (MARK + 32) % 1024];
    let whole = vec![7; 512];
    let large: Vec<u8> = (0..70_000u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let cases: [(&str, &[u8]); 10] = [
        ("newline.db", b"\n"),
        ("crlf.db", b"\r\n\r\n"),
        ("xmodem.db", &many),
        ("message.db", b"Snapshot saved at /tmp/s.db\n"),
        ("zeros.db", &[0; 96]),
        ("zero.db", &[0]),
        ("padded.db", &[0; PAGE - 32]),
        // The length is once more that of a snapshot with its SHA-256.
        ("sector.db", &whole),
        ("pages.db", &large),
        ("twice.db", &good()),
    ];
    let mut table = Vec::new();
    for (name, more) in cases {
        let bytes = [&good()[..], more].concat();
        let file = files.put(name, &bytes);
        let (code, json, text) = status(&file);
        assert_eq!((code, &json["trailer"], &json["snapshotBytes"]), (0, &"ok".into(), &20_512.into()), "{text}");
        let kind = json["kind"].as_str().unwrap();
        table.push((name, kind.to_string()));
        assert!(text.contains(kind), "{name}: {text}");
        assert_eq!(json["sha256"], support_hex(&bytes), "{name}: a plan pins the whole file");
        let inspected = said(&requorum(["snapshot", "inspect"]).arg(&file).output().unwrap());
        assert!(inspected.contains(kind), "{inspected}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
    messages::hold("cli-bytes-after", &table);
    let file = files.put("again.db", &[&good()[..], b"\n"].concat());
    restores(&file, &[]);
    let (made, text) = plan(&file, files.0.path(), &[]);
    assert!(made && text.contains("snapshot_bytes: 20512") && text.contains("skip_hash_check: false"), "{text}");
    let output = requorum(["restore", "--plan"]).arg(files.0.path().join("plan.yaml")).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let (_, json, text) = status(&files.0.path().join("m1.etcd"));
    assert_eq!(json["revision"], 12, "{text}");
}

fn support_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Pages that were never in use may be there between the pages in use and the SHA-256.
#[test]
fn free_pages_before_the_trailer_are_of_it() {
    let files = Files::new();
    let body = [&good()[..MARK], &[0; 3 * PAGE]].concat();
    let file = files.put("grown.db", &[&signed(&body)[..], b"bye\n"].concat());
    let (code, json, text) = status(&file);
    assert_eq!((code, &json["trailer"], &json["snapshotBytes"]), (0, &"ok".into(), &(MARK + 3 * PAGE + 32).into()));
    assert!(text.contains("\"bye\""), "{text}");
    restores(&file, &[]);
}

#[test]
fn bytes_after_an_unhashed_database_are_distinguished() {
    let files = Files::new();
    let body = good()[..MARK].to_vec();
    let cases: [(&str, Vec<u8>); 3] = [
        ("line.db", [&body[..], b"\n"].concat()),
        ("text.db", [&body[..], b"one two three four five six seven eight nine ten\n"].concat()),
        ("live.db", [&body[..], &[0; 2 * PAGE], b"\r\n"].concat()),
    ];
    let mut table = Vec::new();
    for (name, bytes) in cases {
        let file = files.put(name, &bytes);
        let (code, json, text) = status(&file);
        assert_eq!((code, &json["trailer"]), (0, &"missing".into()), "{name}: {text}");
        table.push((name.to_string(), json["trailerProblem"].as_str().unwrap().to_string()));
        refuses(&file, &[], 1);
    }
    for cut in [31, 1, 20] {
        let (code, json, text) = status(&files.put("cut.db", &good()[..MARK + cut]));
        let problem = json["trailerProblem"].as_str().unwrap();
        assert_eq!((code, &json["trailer"]), (0, &"missing".into()), "{text}");
        table.push((format!("cut to {cut} of 32"), problem.to_string()));
    }
    messages::hold("cli-trailer-missing", &table);
}

#[test]
fn a_transfer_in_text_mode_is_named() {
    let files = Files::new();
    let crlf: Vec<u8> =
        good().iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    let lossy = String::from_utf8_lossy(&good()).into_owned().into_bytes();
    let cases: [(&str, Vec<u8>); 4] = [
        ("crlf.db", crlf),
        ("utf8.db", lossy),
        ("bom.db", [b"\xef\xbb\xbf", &good()[..]].concat()),
        ("zero.db", vec![0; MARK]),
    ];
    let mut table = Vec::new();
    for (name, bytes) in cases {
        let file = files.put(name, &bytes);
        for command in ["status", "inspect", "keys"] {
            let output = requorum(["snapshot", command]).arg(&file).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{name}");
            table.push((format!("{name}: {command}"), messages::error(&said(&output))));
        }
        table.push((format!("{name}: restore"), messages::error(&refuses(&file, &["--skip-hash-check"], 1))));
        let (made, text) = plan(&file, files.0.path(), &[]);
        assert!(!made, "{name}: {text}");
        table.push((format!("{name}: plan"), messages::error(&text)));
    }
    messages::hold("cli-text-mode", &table);
}

/// The hole is not read: it would take minutes, and of 15 TiB hours.
#[test]
fn holes_of_sparse_files_are_not_read() {
    let files = Files::new();
    for (name, bytes, trailer) in [("signed.db", good(), "ok"), ("bare.db", good()[..MARK].to_vec(), "missing")] {
        for (length, words) in
            [(64u64 << 30, "68,719,476,736"), (15 << 40, "16,492,674,416,640"), ((64 << 30) + 32, "68,719,476,768")]
        {
            let file = files.put(name, &bytes);
            if fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length).is_err() {
                continue; // not on this filesystem
            }
            let (code, json, text) = status(&file);
            assert_eq!((code, &json["trailer"], &json["revision"]), (0, &trailer.into(), &12.into()), "{text}");
            let warned = json["warnings"].to_string();
            assert!(warned.contains(words), "its apparent size is named: {warned}");
            let (made, text) = plan(&file, files.0.path(), &["--skip-hash-check"]);
            let cut = if trailer == "ok" { "head -c 20512" } else { "head -c 20480" };
            assert!(!made && text.contains(cut), "{text}");
            restores(&file, if trailer == "ok" { &[] } else { &["--skip-hash-check"] });
        }
    }
    // Something after the hole is data, and is said to be.
    let file = files.put("tail.db", &good());
    let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    if std::os::unix::fs::FileExt::write_all_at(&open, b"end", 1 << 40).is_ok() {
        let (code, json, text) = status(&file);
        assert_eq!((code, &json["trailer"]), (0, &"ok".into()), "{text}");
        assert!(!json["warnings"].as_array().unwrap().is_empty(), "{text}");
    }
}

/// Where the list of free pages is put.
const LIST: usize = MARK + 3 * PAGE;

/// The pages of the snapshot that are in use, without the meta pages, and those that are free.
fn pages() -> (Vec<u64>, Vec<u64>) {
    let view = View::open(good()[..MARK].to_vec()).unwrap();
    let report = check(&view, &mut |_, _| true).unwrap();
    (2..(MARK / PAGE) as u64).partition(|page| report.in_use.has(*page))
}

/// A file that keeps a list of free pages: the pages that are free, three further ones, and the list.
fn listed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = good()[..MARK].to_vec();
    let hwm = (MARK / PAGE) as u64;
    body.resize(MARK + 4 * PAGE, 0xee);
    body[LIST..].fill(0);
    body[LIST..LIST + 8].copy_from_slice(&(hwm + 3).to_le_bytes());
    let free = [pages().1, vec![hwm, hwm + 1, hwm + 2]].concat();
    list(&mut body, &free);
    set(&mut body, 48, hwm + 3);
    set(&mut body, 56, hwm + 4);
    change(&mut body);
    signed(&body)
}

/// Writes the list.
fn list(body: &mut [u8], ids: &[u64]) {
    body[LIST + 8..LIST + 12].copy_from_slice(&[0x10, 0, ids.len() as u8, 0]);
    for (n, id) in ids.iter().enumerate() {
        body[LIST + 16 + 8 * n..LIST + 24 + 8 * n].copy_from_slice(&id.to_le_bytes());
    }
}

/// Sets a field of both meta pages, with checksums that fit.
fn set(body: &mut [u8], field: usize, value: u64) {
    for meta in [0, PAGE] {
        body[meta + field..meta + field + 8].copy_from_slice(&value.to_le_bytes());
        let sum = body[meta + 16..meta + 72]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        body[meta + 72..meta + 80].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Each damage of a part without rows: the rows are all there.
fn limited() -> Vec<(&'static str, Vec<u8>)> {
    let (used, free) = pages();
    let hwm = (MARK / PAGE) as u64;
    let with = |ids: &[u64]| listed(|body| list(body, &[&free[..], ids].concat()));
    let body = good()[..MARK].to_vec();
    let meta = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = body.clone();
        change(&mut bytes);
        signed(&bytes)
    };
    vec![
        ("list-zeroed.db", listed(|b| b[LIST..].fill(0))),
        ("list-noise.db", listed(|b| b[LIST..LIST + 64].fill(0x5a))),
        ("list-is-a-leaf.db", listed(|b| set(b, 48, used[0]))),
        ("list-is-meta.db", listed(|b| set(b, 48, 0))),
        ("list-beyond.db", listed(|b| set(b, 48, 1 << 40))),
        ("list-too-long.db", listed(|b| b[LIST + 10..LIST + 12].fill(0xfe))),
        ("list-overflows.db", listed(|b| b[LIST + 12] = 9)),
        ("list-twice.db", with(&[hwm, hwm, hwm + 2])),
        ("list-out-of-bounds.db", with(&[hwm, hwm + 1, hwm + 4])),
        ("list-has-a-used-page.db", listed(|b| list(b, &(2..hwm + 3).collect::<Vec<_>>()))),
        ("list-too-short.db", with(&[hwm, hwm + 1])),
        ("newer-sum.db", meta(&|b| b[72] ^= 1)),
        ("newer-magic.db", meta(&|b| b[16] ^= 1)),
        ("newer-version.db", meta(&|b| b[20] = 9)),
        ("newer-zeroed.db", meta(&|b| b[..PAGE].fill(0))),
        ("older-sum.db", meta(&|b| b[PAGE + 72] ^= 1)),
        ("older-zeroed.db", meta(&|b| b[PAGE..2 * PAGE].fill(0))),
    ]
}

#[test]
fn damage_without_rows_is_restored_once_accepted() {
    let files = Files::new();
    let mut table = Vec::new();
    for (n, (name, bytes)) in limited().into_iter().enumerate() {
        let file = files.put(name, &bytes);
        let (code, json, text) = status(&file);
        assert_eq!(
            (code, &json["acceptableRevision"], &json["revision"]),
            (1, &12.into(), &12.into()),
            "{name}: {text}"
        );
        // every command names it in the same words
        let damage = json["problems"][0].as_str().unwrap();
        table.push((name, damage.to_string()));
        assert!(text.contains("--accept-damage=12"), "{name}: {text}");
        for command in [&["snapshot", "inspect"][..], &["snapshot", "keys"], &["hashkv"]] {
            let output = requorum(command).arg(&file).output().unwrap();
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{name}: {text}");
            assert!(text.contains(damage) && output.stdout.len() > 10, "{name}: {command:?}: {text}");
        }
        let compare = ["snapshot", "compare", "-w", "json"];
        let compared = requorum(compare).args([&file, &fixture("seed-3.5.16.db")]).output().unwrap();
        let compared_json: serde_json::Value = serde_json::from_slice(&compared.stdout).unwrap_or_default();
        assert_eq!(compared_json["summary"]["history"]["is"], "same", "{name}: {}", said(&compared));
        assert!(refuses(&file, &[], 1).contains(damage));
        assert!(refuses(&file, &["--skip-hash-check"], 1).contains("--accept-damage=12"));
        assert!(refuses(&file, &["--accept-damage=11"], 1).contains("--accept-damage=12"));
        let (made, text) = plan(&file, files.0.path(), &[]);
        assert!(!made && text.contains(damage) && text.contains("--accept-damage=12"), "{name}: {text}");
        // Each restore writes a log of 64 MB.
        if n % 4 == 0 {
            restores(&file, &["--accept-damage=12"]);
        }
    }
    messages::hold("cli-damage-without-rows", &table);
}

/// What etcd leaves behind where a commit's last page did not reach the disk: the state before it is whole.
#[test]
fn the_older_state_is_named_by_revision() {
    let files = Files::new();
    let mut table = Vec::new();
    for name in ["seed-3.5.16.db", "3.6.14-tree.db", "3.5.16-lease.db"] {
        let bytes = fs::read(fixture(name)).unwrap();
        let file = files.put("db", &bytes[..bytes.len() - 32]);
        let (_, before, _) = status(&file);
        let revision = before["revision"].as_i64().unwrap();
        // Two transactions, as the second one's meta page is in the place of the first one's predecessor.
        for main in [revision + 1, revision + 2] {
            let open = fs::OpenOptions::new().read(true).write(true).open(&file).unwrap();
            let mut edit = Edit::begin(open).unwrap();
            let key = format!("new{main}").into_bytes();
            let row =
                KeyValue { key, create_revision: main, mod_revision: main, version: 1, value: vec![7; 99], lease: 0 };
            edit.put(b"key", &Revision { main, sub: 0 }.to_bytes(), &row.encode_to_vec()).unwrap();
            edit.commit().unwrap();
        }
        let whole = fs::read(&file).unwrap();
        let (code, json, text) = status(&file);
        assert_eq!((code, &json["revision"]), (0, &(revision + 2).into()), "{text}");
        let txid = |bytes: &[u8], meta: usize| u64::from_le_bytes(bytes[meta + 64..meta + 72].try_into().unwrap());
        let (newer, older) = if txid(&whole, 0) > txid(&whole, PAGE) { (0, PAGE) } else { (PAGE, 0) };
        for (meta, at, what) in [(newer, revision + 1, "the newer"), (older, revision + 2, "the older")] {
            let mut torn = whole.clone();
            torn[meta + 72] ^= 1;
            let file = files.put("torn.db", &torn);
            let (code, json, text) = status(&file);
            assert_eq!((code, &json["acceptableRevision"]), (1, &at.into()), "{name}: {text}");
            let damage = json["problems"][0].as_str().unwrap();
            table.push((format!("{name}, {what} meta page"), damage.to_string()));
            assert!(text.contains(damage), "{name}: {text}");
            let accept = format!("--accept-damage={at}");
            let dir = tempfile::tempdir().unwrap();
            let output = restore(&file, dir.path(), &[&accept, "--skip-hash-check"]);
            assert!(output.status.success(), "{}", said(&output));
            let (_, json, _) = status(&dir.path().join("m1.etcd"));
            assert_eq!(json["revision"], at);
        }
    }
    messages::hold("cli-damage-older-state", &table);
}

#[test]
fn devices_and_pipes_are_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.db");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut told = Vec::new();
    for (what, path) in [("a device", Path::new("/dev/zero")), ("a pipe", &pipe)] {
        let (code, _, text) = status(path);
        assert_eq!(code, 1, "{text}");
        told.push((what, text));
        told.push(("restored", refuses(path, &["--skip-hash-check"], 1)));
    }
    messages::hold("cli-file-special", &told);
}

#[test]
fn a_plan_carries_the_accepted_damage() {
    let files = Files::new();
    let file = files.put("list.db", &listed(|b| b[LIST..].fill(0)));
    let (made, text) = plan(&file, files.0.path(), &["--accept-damage=12"]);
    assert!(made && text.contains("accept_damage: 12") && text.contains("skip_hash_check: false"), "{text}");
    let yaml = files.0.path().join("plan.yaml");
    let output = requorum(["restore", "--plan"]).arg(&yaml).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&requorum(["hashkv"]).arg(files.0.path().join("m1.etcd")).output().unwrap()).contains("727828197, 12, 4")
    );
}

/// What is rebuilt from damage, or comes from a file with bytes after its SHA-256, fits its plan on the whole way: built by
/// one run, taken over and put in place by the next, and undone.
#[test]
fn a_plan_of_such_files_is_applied() {
    let damaged = listed(|b| b[LIST..].fill(0));
    let longer = [good(), b"\r\n".to_vec()].concat();
    let bump = "--bump-revision=1000";
    for (bytes, flags, revision) in [
        (&damaged, vec!["--accept-damage=12"], 12),
        (&damaged, vec!["--accept-damage=12", bump, "--mark-compacted"], 1012),
        (&damaged, vec!["--accept-damage=12", "--compact"], 12),
        (&longer, vec![], 12),
        (&longer, vec![bump, "--mark-compacted"], 1012),
    ] {
        let files = Files::new();
        let file = files.put("source.db", bytes);
        let (made, text) = plan(&file, files.0.path(), &flags);
        assert!(made, "{flags:?}: {text}");
        let run = |args: &[&str]| {
            let mut command = requorum(args.iter().copied());
            command.arg(files.0.path().join("plan.yaml")).env("HOME", files.0.path());
            let output = command.env("XDG_STATE_HOME", files.0.path()).output().unwrap();
            assert!(output.status.success(), "{flags:?} {args:?}: {}", said(&output));
        };
        run(&["apply", "--dry-run", "--keep"]);
        run(&["apply"]);
        let (code, json, said) = status(&files.0.path().join("m1.etcd"));
        assert_eq!((code, &json["revision"]), (0, &revision.into()), "{flags:?}: {said}");
        assert!(json["problems"].is_null(), "{flags:?}: {said}");
        run(&["undo"]);
        assert!(!files.0.path().join("m1.etcd").exists(), "{flags:?}");
    }
}

/// A list of free pages that is sound in itself and lacks a page that looks like a part of a tree: where nothing proves that
/// the trees lost it, they are what can be accepted. Damaged rows never are.
#[test]
fn an_incomplete_freelist_passes_damaged_rows_do_not() {
    let files = Files::new();
    let (used, free) = pages();
    let hwm = (MARK / PAGE) as u64;
    let lost = |body: &mut Vec<u8>| {
        let leaf = used[0] as usize * PAGE;
        body.copy_within(leaf..leaf + PAGE, MARK);
        body[MARK..MARK + 8].copy_from_slice(&hwm.to_le_bytes());
        list(body, &[&free[..], &[hwm + 1, hwm + 2]].concat());
    };
    let both = |body: &mut Vec<u8>| {
        body[LIST..].fill(0);
        body[used[0] as usize * PAGE + 8] = 0x40;
    };
    let file = files.put("lost.db", &listed(lost));
    let (code, json, text) = status(&file);
    assert_eq!((code, &json["acceptableRevision"]), (1, &12.into()), "{text}");
    refuses(&file, &[], 1);
    restores(&file, &["--accept-damage=12"]);
    let file = files.put("both.db", &listed(both));
    let (code, json, text) = status(&file);
    assert!(code == 1 && json["acceptableRevision"].is_null() && !text.contains("--accept-damage"), "{text}");
    refuses(&file, &["--accept-damage=12"], 1);
}

/// A damaged snapshot with more after it is never taken for a copy of a database that is sound.
#[test]
fn a_wrong_hash_precedes_further_bytes() {
    let files = Files::new();
    let mut page = good();
    page[5000] ^= 1;
    let mut hash = good();
    hash[MARK + 31] ^= 1;
    let mut flat = good();
    flat[MARK..].fill(1);
    for (name, damaged) in [("page.db", page), ("hash.db", hash), ("flat.db", flat)] {
        for more in [&b"\n"[..], b"\r\n", b"Snapshot saved at s.db\n", &[0x1a; 96]] {
            let file = files.put(name, &[&damaged[..], more].concat());
            let (code, json, text) = status(&file);
            if code == 1 && json.is_null() {
                // The page's own damage was found before the hash was asked.
                continue;
            }
            assert_eq!((code, &json["trailer"]), (1, &"wrong".into()), "{name}: {text}");
            assert!(!text.contains("--skip-hash-check"), "{name}: {text}");
            let text = refuses(&file, &[], 1);
            assert!(!text.contains("--skip-hash-check"), "{name}: {text}");
        }
    }
    // What is shown of two hashes tells them apart.
    let mut last = good();
    last[MARK + 31] ^= 1;
    let (_, json, _) = status(&files.put("last.db", &last));
    assert!(json["trailerProblem"].as_str().unwrap().contains(&support_hex(&good()[..MARK])), "{json}");
    // A text is no hash, and neither is a line end.
    for more in [&b"\n"[..], b"command terminated with exit code 137\n"] {
        let (code, json, text) = status(&files.put("raw.db", &[&good()[..MARK], more].concat()));
        assert_eq!((code, &json["trailer"]), (0, &"missing".into()), "{text}");
    }
}

/// `probe` and `status` name the same of a data directory's database.
#[test]
fn probe_says_what_status_says() {
    for (name, bytes) in limited() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("m1.etcd");
        assert!(restore(&fixture("seed-3.5.16.db"), dir.path(), &[]).status.success());
        let restored = fs::read(data.join("member/snap/db")).unwrap();
        assert!(restored.len() > MARK);
        // The log is that of a restore; what counts is the database in its place.
        fs::write(data.join("member/snap/db"), &bytes[..bytes.len() - 32]).unwrap();
        let probed = requorum(["probe", "--no-discover", "--endpoints=127.0.0.1:1", "--data-dir"]).arg(&data).output();
        let text = said(&probed.unwrap());
        let (code, json, status) = status(&data);
        let damage = json["problems"][0].as_str().unwrap();
        assert!(code == 1 && status.contains(damage), "{name}: {status}");
        // the damage with its first page; what follows from it is another matter for a member than for a source
        let damage = damage.split(')').next().and_then(|first| first.split(" (and").next()).unwrap();
        assert!(text.contains(damage), "{name}: {text}");
        if name != "list-zeroed.db" && name != "newer-sum.db" {
            continue;
        }
        assert!(refuses(&data.join("member/snap/db"), &["--accept-damage=12"], 1).contains("no SHA-256"));
        restores(&data.join("member/snap/db"), &["--accept-damage=12", "--skip-hash-check"]);
    }
}

/// Less than a SHA-256 after all pages: the beginning of the right one, of another one, or bytes of something else.
#[test]
fn a_cut_trailer_is_told_from_further_bytes() {
    let files = Files::new();
    let body = &good()[..MARK];
    let hash = good()[MARK..].to_vec();
    let mut other = body.to_vec();
    other[MARK - 1] ^= 1;
    let cases: Vec<(&str, Vec<u8>, i32, &str)> = vec![
        ("right", [body, &hash[..20]].concat(), 0, "missing"),
        ("right-one", [body, &hash[..1]].concat(), 0, "missing"),
        ("changed", [&other[..], &hash[..31]].concat(), 1, "wrong"),
        ("changed-short", [&other[..], &hash[..9]].concat(), 1, "wrong"),
        ("another", [body, &[0xf1, 2, 0x83]].concat(), 1, "wrong"),
        ("one", [body, &[0xff]].concat(), 1, "wrong"),
        ("text", [body, b"bye"].concat(), 0, "missing"),
        ("letter", [body, b"x"].concat(), 0, "missing"),
        ("zeros", [body, &[0; 31]].concat(), 0, "missing"),
        ("xmodem", [body, &[0x1a; 12]].concat(), 0, "missing"),
    ];
    let mut table = Vec::new();
    for (name, bytes, wanted, trailer) in cases {
        let file = files.put(&format!("{name}.db"), &bytes);
        let (code, json, text) = status(&file);
        assert_eq!((code, &json["trailer"]), (wanted, &trailer.into()), "{name}: {text}");
        table.push((name, json["trailerProblem"].as_str().unwrap().to_string()));
        refuses(&file, &[], 1);
        let out = tempfile::tempdir().unwrap();
        let (made, text) = plan(&file, out.path(), &["--skip-hash-check"]);
        assert_eq!(made, wanted == 0, "{name}: {text}");
        if name == "one" {
            restores(&file, &["--skip-hash-check"]);
        }
    }
    messages::hold("cli-trailer-cut", &table);
}

/// Padding hides the SHA-256 of a snapshot that was changed: its length is that of a database once more.
#[test]
fn a_hash_in_the_padding_is_found() {
    let files = Files::new();
    let mut changed = good();
    changed[MARK - 1] ^= 1;
    let pad = |bytes: &[u8], fill: u8, pages: usize| [bytes, &vec![fill; pages * PAGE - 32]].concat();
    for (name, bytes, trailer) in [
        ("changed.db", pad(&changed, 0, 1), "wrong"),
        ("changed-long.db", pad(&changed, 0, 5), "wrong"),
        ("changed-xmodem.db", pad(&changed, 0x1a, 1), "wrong"),
        ("right.db", pad(&good(), 0, 1), "ok"),
        // Pages that were never in use, and one that was and is no more.
        ("grown.db", [&good()[..MARK], &[0; 4 * PAGE]].concat(), "missing"),
        ("used.db", [&good()[..MARK], &good()[2 * PAGE..3 * PAGE]].concat(), "missing"),
    ] {
        let file = files.put(name, &bytes);
        let (code, json, text) = status(&file);
        assert_eq!((code, &json["trailer"]), (i32::from(trailer == "wrong"), &trailer.into()), "{name}: {text}");
        match trailer {
            "wrong" => drop(refuses(&file, &[], 1)),
            "ok" => restores(&file, &[]),
            _ => restores(&file, &["--skip-hash-check"]),
        }
    }
}

/// A file of 10 GiB in which hardly anything is: it is named by what is allocated, and its holes are not read.
#[test]
fn a_sparse_file_without_database_is_recognized() {
    use std::os::unix::fs::FileExt;
    let files = Files::new();
    for (name, islands, words) in [
        ("hole.db", vec![], "it holds no data"),
        ("short.db", vec![], "it holds no data"),
        ("islands.db", vec![5u64 << 30, 7 << 30], "where a database begins, are a hole"),
    ] {
        let file = files.put(name, b"");
        let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
        let length = if name == "short.db" { 1 << 20 } else { 10u64 << 30 };
        if open.set_len(length).is_err() {
            continue; // not on this filesystem
        }
        islands.iter().for_each(|at| open.write_all_at(b"x", *at).unwrap());
        let (code, _, text) = status(&file);
        assert!(code == 1 && text.contains(words), "{name}: {text}");
        assert!(refuses(&file, &["--skip-hash-check"], 1).contains(words), "{name}");
        let (made, text) = plan(&file, files.0.path(), &[]);
        assert!(!made && text.contains(words), "{name}: {text}");
    }
    // Data islands after a database, whatever they hold.
    let file = files.put("after.db", &good());
    let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    if open.set_len(10 << 30).is_ok() {
        (1..10u64).for_each(|n| open.write_all_at(&[7; 5000], n << 30).unwrap());
        let (code, json, text) = status(&file);
        assert_eq!((code, &json["trailer"], &json["revision"]), (0, &"ok".into(), &12.into()), "{text}");
        assert!(text.contains("10,737,418,240") && !json["warnings"].as_array().unwrap().is_empty(), "{text}");
        restores(&file, &[]);
    }
}

/// A leaf page of its own with these rows, at the first page that was never in use; the list of free pages lacks it.
fn with_stray(rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (_, free) = pages();
    let hwm = (MARK / PAGE) as u64;
    listed(|body| {
        let page = &mut body[MARK..MARK + PAGE];
        page.fill(0);
        page[..8].copy_from_slice(&hwm.to_le_bytes());
        page[8..12].copy_from_slice(&[2, 0, rows.len() as u8, 0]);
        let mut at = 16 + 16 * rows.len();
        for (n, (key, value)) in rows.iter().enumerate() {
            let element = 16 + 16 * n;
            for (field, value) in [(4, at - element), (8, key.len()), (12, value.len())] {
                page[element + field..element + field + 4].copy_from_slice(&(value as u32).to_le_bytes());
            }
            page[at..at + key.len()].copy_from_slice(key);
            at += key.len();
            page[at..at + value.len()].copy_from_slice(value);
            at += value.len();
        }
        list(body, &[&free[..], &[hwm + 1, hwm + 2]].concat());
    })
}

fn key_row(main: i64, sub: i64) -> (Vec<u8>, Vec<u8>) {
    let row = KeyValue {
        key: b"stray".to_vec(),
        create_revision: main,
        mod_revision: main,
        version: 1,
        value: vec![7; 9],
        lease: 0,
    };
    (Revision { main, sub }.to_bytes().to_vec(), row.encode_to_vec())
}

/// Pages that the trees and the list lack may be what the trees lost: the consent names what is in them, and rows that are
/// shown to be lost are refused.
#[test]
fn rows_outside_the_trees_are_named_or_refused() {
    let files = Files::new();
    let lease = (0x1234_i64.to_be_bytes().to_vec(), Lease { id: 0x1234, ttl: 60, remaining_ttl: 0 }.encode_to_vec());
    let user = (b"eve".to_vec(), User { name: b"eve".to_vec(), roles: vec!["root".into()] }.encode_to_vec());
    let member = (b"8e9e05c52164694d".to_vec(), b"removed".to_vec());
    type Row = (Vec<u8>, Vec<u8>);
    let cases: Vec<(&str, Vec<Row>, bool)> = vec![
        ("lease", vec![lease.clone()], true),
        ("user", vec![user.clone()], true),
        ("both", vec![lease, user], true),
        ("member", vec![member], true),
        ("old", vec![key_row(3, 9)], true),
        ("lost", vec![key_row(8, 9)], false),
        ("newer", vec![key_row(13, 0)], false),
    ];
    let mut table = Vec::new();
    for (name, rows, accepted) in cases {
        let file = files.put(&format!("{name}.db"), &with_stray(&rows));
        let (code, json, text) = status(&file);
        let damage = json["problems"][0].as_str().unwrap();
        table.push((name.to_string(), damage.to_string()));
        assert!(code == 1 && text.contains(damage), "{name}: {text}");
        assert_eq!(json["acceptableRevision"].as_i64(), accepted.then_some(12), "{name}: {text}");
        if accepted {
            let dir = tempfile::tempdir().unwrap();
            let output = restore(&file, dir.path(), &["--accept-damage=12"]);
            assert!(output.status.success() && said(&output).contains(damage), "{name}: {}", said(&output));
        } else {
            table.push((format!("{name}, restored"), messages::error(&refuses(&file, &["--accept-damage=12"], 1))));
        }
        let (made, text) = plan(&file, tempfile::tempdir().unwrap().path(), &[]);
        assert!(!made, "{name}: {text}");
        table.push((format!("{name}, planned"), messages::error(&text)));
    }
    messages::hold("cli-damage-strays", &table);
}

#[test]
fn an_encrypted_zip_archive_is_named() {
    let files = Files::new();
    let file = files.put("s.db", &good());
    let zip = files.0.path().join("s.db.zip");
    let mut command = std::process::Command::new("zip");
    let made = command.args(["-q", "-j", "-P", "secret"]).args([&zip, &file]).output();
    // Without the program, an archive's head will do: the flag says that it is encrypted.
    if !made.is_ok_and(|output| output.status.success()) {
        return;
    }
    for command in ["status", "inspect"] {
        let output = requorum(["snapshot", command]).arg(&zip).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("7z x ") && text.contains("unzip "), "{text}");
    }
    let text = refuses(&zip, &[], 1);
    assert!(text.contains("7z x "), "{text}");
}

/// A tar archive with these members.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in members {
        let mut header = vec![0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend(header);
        out.extend(*bytes);
        out.resize(out.len().div_ceil(512) * 512, 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

#[test]
fn what_is_in_an_archive_is_named() {
    let files = Files::new();
    let db = good();
    let one = tar(&[("README", b"hello"), ("backup/etcd/s 1.db", &db)]);
    let gz = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("one.tar", one.clone()),
        ("two.tar", tar(&[("a.db", &db), ("b.db", &db)])),
        ("none.tar", tar(&[("README", b"hello")])),
        ("one.tgz", gz(&one)),
        ("twice.db.gz", gz(&gz(&db))),
        ("velero.tar.gz", gz(&tar(&[("metadata/version", b"1")]))),
        ("cut.db.gz", gz(&db)[..300].to_vec()),
        ("x.tar.xz", b"\xfd7zXZ\0\0\x04".to_vec()),
    ];
    let mut table = Vec::new();
    for (name, bytes) in cases {
        let file = files.put(name, &bytes);
        let (code, _, text) = status(&file);
        assert_eq!(code, 1, "{name}: {text}");
        table.push((name, messages::error(&text)));
    }
    messages::hold("cli-archives", &table);
    let out = files.0.path().join("NEW.db");
    let command = format!("tar -xOf {} 'backup/etcd/s 1.db'", files.put("one.tar", &one).display());
    let unpacked = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    fs::write(&out, &unpacked.stdout).unwrap();
    assert_eq!(fs::read(&out).unwrap(), db);
}

/// A bbolt database of another program is not called damaged.
#[test]
fn a_database_of_another_program_is_called_one() {
    let files = Files::new();
    let mut told = Vec::new();
    for bucket in ["v1", "logs", "mine"] {
        let file = files.put(&format!("{bucket}.db"), b"");
        let open = fs::OpenOptions::new().read(true).write(true).open(&file).unwrap();
        let mut build = Build::begin(open, 4096).unwrap();
        build.bucket(bucket.as_bytes()).unwrap();
        build.put(b"a", b"b").unwrap();
        build.finish(1).unwrap();
        let (code, _, text) = status(&file);
        assert_eq!(code, 1, "{text}");
        told.push((bucket, text));
        refuses(&file, &["--skip-hash-check"], 1);
    }
    messages::hold("cli-file-other-program", &told);
}
