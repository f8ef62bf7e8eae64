//! Go's own bbolt on files that we wrote: are they sound to it, does it read the same rows, can it write to them?
//!
//! Needs the checker: `(cd tests/tools/boltcheck && CGO_ENABLED=0 go build -o ../../../target/tools/boltcheck .)`, or

//! its path in `REQUORUM_BOLTCHECK`. Without it the cases show as ignored.

use libtest_mimic::{Completion, Failed, Trial};
use requorum::bbolt::{Build, Edit, View, check};
use requorum::domain::model::options::Options;
use requorum::engine::{
    install::restore,
    progress::Flow,
    restore::{RestoreSpec, initial_log::InitialLog},
    scan::status::status,
};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

type Rows = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;
type Outcome = Result<(), Failed>;
/// Given the checker and where the database file is to be.
type Case = Box<dyn Fn(&Path, &Path) -> Outcome + Send>;

/// The cases.
pub fn trials(_: bool) -> Vec<Trial> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checker =
        std::env::var_os("REQUORUM_BOLTCHECK").map_or_else(|| root.join("target/tools/boltcheck"), PathBuf::from);
    let mut trials = Vec::new();
    let mut add = |name: String, case: Case| {
        let checker = checker.clone();
        let run = move || {
            if !checker.is_file() {
                return Ok(Completion::ignored_with("no checker here; the head of tests/cases/bolt_go.rs builds it"));
            }
            let dir = tempfile::tempdir()?;
            case(&checker, &dir.path().join("db")).map(|()| Completion::Completed)
        };
        trials.push(Trial::ignorable_test(format!("bolt_go::{name}"), run));
    };
    for page_size in [512, 1024, 4096, 16384, 65536] {
        add(format!("build_{page_size}"), Box::new(move |checker, db| built(checker, db, page_size)));
        add(format!("edit_{page_size}"), Box::new(move |checker, db| edited(checker, db, page_size)));
    }
    for snapshot in ["3.4.23-binary", "3.5.16-lease", "3.6.14-tree", "3.7.1-auth", "3.6-ps65536-small"] {
        let source = root.join(format!("tests/fixtures/snapshots/{snapshot}.db"));
        add(format!("snapshot_{snapshot}"), Box::new(move |checker, db| restored(checker, db, &source)));
    }
    for damage in ["newer meta page", "freelist"] {
        let source = root.join("tests/fixtures/snapshots/3.6.14-tree.db");
        let name = format!("accepted_{}", damage.replace(' ', "_"));
        add(name, Box::new(move |checker, db| accepted_damage(checker, db, &source, damage)));
    }
    trials
}

/// A restore from a file of which a part without rows is damaged: what is made is sound to bbolt, and has all rows.
fn accepted_damage(checker: &Path, db: &Path, source: &Path, part: &str) -> Outcome {
    let mut bytes = std::fs::read(source)?;
    bytes.truncate(bytes.len() - 32);
    std::fs::write(db, &bytes)?;
    let mut want = read(db)?;
    let page = View::open(&*bytes)?.page_size() as usize;
    let metas: &[usize] = if part == "newer meta page" { &[0] } else { &[0, page] };
    for meta in metas {
        // A freelist that is a page of the tree; where the checksum does not fit, the meta page is not valid.
        bytes[meta + 48..meta + 56].copy_from_slice(&4u64.to_le_bytes());
        let sum = bytes[meta + 16..meta + 72]
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
        let wrong = u64::from(part == "newer meta page");
        bytes[meta + 72..meta + 80].copy_from_slice(&(sum ^ wrong).to_le_bytes());
    }
    let file = db.with_extension("damaged");
    std::fs::write(&file, &bytes)?;
    let revision = status(&file, &mut |_| Flow::Go)?.acceptable_revision.ok_or("it cannot be accepted")?;
    let urls = ["http://127.0.0.1:2380".to_string()];
    let genesis = InitialLog::new([("m1", &urls[..])], "t");
    let made = db.with_extension("etcd");
    let job = RestoreSpec {
        source: &file,
        pinned_sha256: None,
        skip_hash_check: true,
        genesis: &genesis,
        name: "m1",
        data_dir: &made,
        wal_dir: None,
        target: requorum::etcd::version::Minor::V3_5,
        bump_revision: 0,
        options: &Options { accept_damage: Some(revision), ..Options::default() },
    };
    restore(&job, &mut |_| Flow::Go)?;
    let made = made.join("member/snap/db");
    let got = read(&made)?;
    for bucket in ["members", "members_removed", "meta"] {
        let rows = got.get(bucket.as_bytes()).cloned().unwrap_or_default();
        want.insert(bucket.into(), rows);
    }
    if View::open(File::open(&made)?)?.keeps_free_list() {
        return Err("it keeps the freelist".into());
    }
    accepted(checker, &made, &want)
}

/// Rows of many sizes: some buckets inline, some with several levels, some with values of several pages.
fn rows() -> Rows {
    let mut all = Rows::new();
    for (bucket, count, size) in [("empty", 0, 0), ("inline", 3, 10), ("key", 9000, 40), ("large", 40, 20_000)] {
        let rows = (0..count).map(|n: u32| {
            // Spread, so that later edits hit the middle of the tree.
            let key = n.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
            (key, vec![n as u8; (n as usize * 7) % (size + 1)])
        });
        all.insert(bucket.into(), rows.collect());
    }
    all
}

fn built(checker: &Path, db: &Path, page_size: u32) -> Outcome {
    let want = rows();
    write(db, &want, page_size)?;
    accepted(checker, db, &want)
}

fn write(db: &Path, rows: &Rows, page_size: u32) -> Outcome {
    let mut build = Build::begin(File::create(db)?, page_size)?;
    for (name, rows) in rows {
        build.bucket(name)?;
        for (key, value) in rows {
            build.put(key, value)?;
        }
    }
    build.finish(5)?;
    Ok(())
}

fn edited(checker: &Path, db: &Path, page_size: u32) -> Outcome {
    let mut want = rows();
    write(db, &want, page_size)?;
    for round in 1..4u32 {
        let mut edit = Edit::begin(open(db)?)?;
        let bucket = format!("new{round}").into_bytes();
        edit.create_bucket(&bucket)?;
        want.insert(bucket.clone(), BTreeMap::new());
        let keys: Vec<_> = want[&b"key"[..]].keys().cloned().collect();
        // A long run goes as a whole, so that branches lose all their leaves; elsewhere every fifth row goes.
        for (at, key) in keys.iter().enumerate() {
            if (1000..3000).contains(&at) || at % 5 == 0 {
                edit.delete(b"key", key)?;
                want.get_mut(&b"key"[..]).map(|rows| rows.remove(key));
            }
        }
        for n in 0..800u32 {
            let (key, value) = ((n * 5_000_011).to_be_bytes().to_vec(), vec![round as u8; n as usize]);
            for bucket in [&b"key"[..], &bucket] {
                edit.put(bucket, &key, &value)?;
                want.get_mut(bucket).map(|rows| rows.insert(key.clone(), value.clone()));
            }
        }
        if round == 2 {
            edit.clear_bucket(b"large")?;
            want.insert(b"large".to_vec(), BTreeMap::new());
            edit.delete_bucket(b"new1")?;
            want.remove(&b"new1"[..]);
        }
        edit.commit()?;
    }
    accepted(checker, db, &want)
}

/// What a restore does to a snapshot.
fn restored(checker: &Path, db: &Path, source: &Path) -> Outcome {
    let bytes = std::fs::read(source)?;
    let len = bytes.len() - bytes.len() % 512;
    std::fs::write(db, &bytes[..len])?;
    let mut want = read(db)?;
    let mut edit = Edit::begin(open(db)?)?;
    for bucket in [&b"members"[..], b"members_removed"] {
        edit.clear_bucket(bucket)?;
        want.insert(bucket.to_vec(), BTreeMap::new());
    }
    for (bucket, key, value) in [
        (&b"members"[..], &b"8e9e05c52164694d"[..], &br#"{"id":10276657743932975437}"#[..]),
        (b"meta", b"consistent_index", &[0, 0, 0, 0, 0, 0, 0, 1]),
        (b"key", &[0x7f; 17], b"bump"),
    ] {
        edit.put(bucket, key, value)?;
        want.entry(bucket.to_vec()).or_default().insert(key.to_vec(), value.to_vec());
    }
    edit.commit()?;
    accepted(checker, db, &want)
}

fn open(db: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(db)
}

fn read(db: &Path) -> Result<Rows, Failed> {
    let view = View::open(File::open(db)?)?;
    let report = check(&view, &mut |_, _| true)?;
    if let Some(problem) = report.problems.first() {
        return Err(format!("our own check: {problem}").into());
    }
    let mut all = Rows::new();
    for (name, bucket) in view.buckets()? {
        let rows = all.entry(name).or_default();
        let mut cursor = view.cursor(&bucket);
        while let Some(row) = cursor.next()? {
            rows.insert(row.key.to_vec(), row.value.to_vec());
        }
    }
    Ok(all)
}

/// Both read the rows that were wanted; bbolt writes to it, checks it again, and then we still find it sound.
fn accepted(checker: &Path, db: &Path, want: &Rows) -> Outcome {
    if read(db)? != *want {
        return Err("we read other rows than were written".into());
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut lines = String::new();
    for (name, rows) in want {
        lines += &format!("{} - -\n", hex(name));
        for (key, value) in rows {
            lines += &format!("{} {} {}\n", hex(name), hex(key), hex(value));
        }
    }
    for mode in [None, Some("write")] {
        let out = Command::new(checker).arg(db).args(mode).output()?;
        if !out.status.success() {
            return Err(format!("bbolt ({mode:?}): {}", String::from_utf8_lossy(&out.stderr)).into());
        }
        if String::from_utf8_lossy(&out.stdout) != lines {
            return Err(format!("bbolt ({mode:?}) reads other rows than were written").into());
        }
    }
    read(db).map(drop)
}
