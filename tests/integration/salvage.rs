//! `requorum salvage` on the directories of real members, held against what their clusters came to.

mod golden;
mod scene;

use std::fs;

use golden::{differences, summary};
use requorum::{
    engine::{
        durable_fs::Disk,
        progress::Flow,
        salvage::{
            REPORT, REPORT_JSON, Spec,
            log::FaultKind,
            report::{Because, Certainty, Stop},
            salvage,
        },
    },
    error::ErrorKind,
};
use scene::{ALL, Scene};

use crate::support::{requorum, succeed};

fn equals_golden(scene: &Scene) {
    let golden = scene.golden();
    let wrong = differences(&summary(&scene.out(), &golden), &golden);
    assert!(wrong.is_empty(), "{}:\n{}", scene.name, wrong.join("\n"));
}

#[test]
fn database_and_log_equal_the_cluster() {
    for name in ALL {
        let scene = Scene::new(name);
        let report = scene.salvage().unwrap();
        assert!(report.base.is_some(), "{name}");
        equals_golden(&scene);
    }
}

#[test]
fn the_log_alone_equals_the_cluster() {
    for name in ALL {
        let scene = Scene::new(name);
        fs::remove_file(scene.db()).unwrap();
        let report = scene.salvage().unwrap();
        assert!(report.base.is_none() && report.applied.first == 1, "{name}");
        equals_golden(&scene);
    }
}

/// Every write that a client was told of is in the rows, unless a compaction may have taken them.
fn has_acknowledged(scene: &Scene) -> u64 {
    use prost::Message;
    use requorum::etcd::{proto::KeyValue, revision::RevisionKey};
    use sha2::Digest;
    let rows: std::collections::BTreeSet<(i64, Vec<u8>, String)> = golden::buckets(&scene.out())["key"]
        .iter()
        .map(|(at, row)| {
            let (at, kv) = (RevisionKey::parse(at).unwrap(), KeyValue::decode(&**row).unwrap());
            let hash = requorum::engine::source::hex(&sha2::Sha256::digest(&kv.value))[..12].to_string();
            (at.revision.main, kv.key, hash)
        })
        .collect();
    let compact = scene.golden()["compact"].as_i64().unwrap();
    let mut found = 0;
    for line in scene.ack_log().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let ["ack", _, "put" | "del", key, hash, revision] = words[..] else { continue };
        let Ok(revision) = revision.parse::<i64>() else { continue };
        if revision <= compact {
            continue;
        }
        let row = (revision, key.as_bytes().to_vec(), hash.to_string());
        assert!(rows.contains(&row), "{}: {line}", scene.name);
        found += 1;
    }
    found
}

#[test]
fn no_acknowledged_write_is_missing() {
    for name in ALL {
        let scene = Scene::new(name);
        scene.salvage().unwrap();
        assert!(has_acknowledged(&scene) > 10, "{name}");
    }
}

/// A bit anywhere in the log is found by the checksum, and nothing is lost.
#[test]
fn a_flipped_bit_in_the_log_is_repaired() {
    let name = "3.7.3-mix";
    let scene = Scene::new(name);
    fs::remove_file(scene.db()).unwrap();
    let whole = fs::read(scene.wal()).unwrap();
    let end = scene.log_end() as usize;
    // In the length of a frame, in the head of a record, in its data, in its padding or end; from the first record to the last.
    for (nth, at) in (0..24).map(|nth| (nth, 64 + nth * (end - 200) / 24)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (nth % 8);
        fs::write(scene.wal(), &bytes).unwrap();
        let report = scene.salvage().unwrap();
        let faults = &report.sources[0].log.as_ref().unwrap().faults;
        let padding = faults.is_empty();
        assert!(padding || matches!(faults[0].kind, FaultKind::BitFlip { .. }), "byte {at}: {faults:?}");
        equals_golden(&scene);
        for end in ["", REPORT, REPORT_JSON] {
            fs::remove_file(format!("{}{end}", scene.out().display())).unwrap();
        }
    }
}

/// What was cut, zeroed or overwritten before the database's index is of no consequence; behind it the replay ends there.
#[test]
fn damage_of_the_log_costs_what_it_must() {
    let name = "3.6.16-members";
    type Damage = fn(&mut Vec<u8>, usize);
    let cases: [(&str, Damage); 5] = [
        ("two bits of one record", |bytes, end| {
            bytes[end / 2] ^= 1;
            bytes[end / 2 + 1] ^= 1;
        }),
        ("a sector of zeros", |bytes, end| bytes[end / 2 / 512 * 512..][..512].fill(0)),
        ("four KiB of noise", |bytes, end| {
            for (n, byte) in bytes[end / 2 / 4096 * 4096..][..4096].iter_mut().enumerate() {
                *byte = (n * 31 % 251) as u8;
            }
        }),
        ("the start", |bytes, _| bytes[..4096].fill(0)),
        ("the start, noise", |bytes, _| bytes[..4096].fill(0xa5)),
    ];
    for (what, damage) in cases {
        let scene = Scene::new(name);
        let mut bytes = fs::read(scene.wal()).unwrap();
        damage(&mut bytes, scene.log_end() as usize);
        fs::write(scene.wal(), &bytes).unwrap();
        let report = scene.salvage().unwrap();
        assert!(!report.sources[0].log.as_ref().unwrap().faults.is_empty(), "{what}");
        assert_eq!(report.stopped, None, "{what}");
        equals_golden(&scene);
        // Without the database nothing after the gap can be applied, or nothing at all.
        fs::remove_file(scene.db()).unwrap();
        fs::remove_file(scene.out()).unwrap();
        fs::remove_file(format!("{}{REPORT}", scene.out().display())).unwrap();
        fs::remove_file(format!("{}{REPORT_JSON}", scene.out().display())).unwrap();
        match scene.salvage() {
            Ok(report) => {
                let Some(Stop::Gap { first, last, after }) = report.stopped else {
                    panic!("{what}: {:?}", report.stopped)
                };
                assert!(first <= last && after > 0 && report.applied.last + 1 == first, "{what}");
                assert_eq!(report.acknowledged.verdict, Certainty::Unknown);
            }
            Err(error) => assert!(what.starts_with("the start") && error.kind == ErrorKind::Input, "{what}: {error}"),
        }
    }
}

/// A tail that was cut or torn ends the log there; the rest is applied.
#[test]
fn a_torn_tail_ends_the_log() {
    for cut in [1usize, 9, 40, 700] {
        let scene = Scene::new("3.5.35-auth");
        let end = scene.log_end() as usize - cut;
        let bytes = fs::read(scene.wal()).unwrap();
        fs::write(scene.wal(), &bytes[..end]).unwrap();
        let report = scene.salvage().unwrap();
        assert_eq!(report.stopped, None);
        fs::remove_file(scene.db()).unwrap();
        let again = scene.salvage_with(|spec| spec.output = scene.temp.path().join("again.db")).unwrap();
        assert!(again.applied.last > 1900 && again.applied.last < 1967, "{cut}: {}", again.applied.last);
    }
}

#[test]
fn an_older_snapshot_is_rolled_forward() {
    let scene = Scene::new("3.7.3-mix");
    // The state somewhere in the log, as a backup would have it.
    let older = scene.temp.path().join("older.db");
    let bytes = fs::read(scene.wal()).unwrap();
    fs::write(scene.wal(), &bytes[..scene.log_end() as usize / 3]).unwrap();
    let db = scene.temp.path().join("db");
    fs::rename(scene.db(), &db).unwrap();
    let early = scene.salvage_with(|spec| spec.output = older.clone()).unwrap();
    // And a log that does not go back to its first entry: its start is lost.
    let mut bytes = bytes;
    bytes[..8192].fill(0);
    fs::write(scene.wal(), &bytes).unwrap();
    assert_eq!(scene.salvage().unwrap_err().kind, ErrorKind::Input);
    let report = scene.salvage_with(|spec| spec.older.push(older.clone())).unwrap();
    assert_eq!(report.base.unwrap().index, early.index);
    equals_golden(&scene);
    // One of another cluster is refused.
    let other = Scene::new("3.6.16-members");
    fs::remove_file(scene.out()).unwrap();
    for end in [REPORT, REPORT_JSON] {
        fs::remove_file(format!("{}{end}", scene.out().display())).unwrap();
    }
    assert_eq!(scene.salvage_with(|spec| spec.older.push(other.db())).unwrap_err().kind, ErrorKind::Input);
    assert_eq!(scene.salvage_with(|spec| spec.dirs.push(other.dir.clone())).unwrap_err().kind, ErrorKind::Input);
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left() {
    let scene = Scene::new("3.4.23-traps");
    let before: Vec<_> =
        [scene.db(), scene.wal()].iter().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect();
    for end in ["", REPORT, REPORT_JSON] {
        let taken = format!("{}{end}", scene.out().display());
        fs::write(&taken, "mine").unwrap();
        assert_eq!(scene.salvage().unwrap_err().kind, ErrorKind::Input);
        assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
        fs::remove_file(taken).unwrap();
    }
    // Stopped at every step.
    let mut stops = 0;
    loop {
        let mut left = stops;
        let spec = Spec {
            dirs: vec![scene.dir.clone()],
            older: vec![],
            output: scene.out(),
            committed_only: false,
            version: None,
        };
        let done = salvage(&spec, &Disk::default(), &mut |_| {
            left -= 1;
            if left < 0 { Flow::Stop } else { Flow::Go }
        });
        let names: Vec<_> = fs::read_dir(scene.temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        match done {
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Stopped, "{error}");
                assert_eq!(names, ["m"], "after {stops} steps");
            }
            Ok(report) => {
                assert_eq!(names.len(), 4, "{names:?}");
                let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(scene.out()).unwrap().permissions());
                assert_eq!(mode & 0o777, 0o600);
                assert_eq!(
                    report.sha256,
                    requorum::engine::source::hex(&sha2::Digest::finalize(sha2::Digest::chain_update(
                        <sha2::Sha256 as sha2::Digest>::new(),
                        fs::read(scene.out()).unwrap()
                    ),))
                );
                break;
            }
        }
        stops += 1;
    }
    assert!(stops > 3);
    let after: Vec<_> =
        [scene.db(), scene.wal()].iter().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect();
    assert_eq!(before, after);
}

#[test]
fn the_command_prints_and_refuses() {
    let scene = Scene::new("3.6.16-members");
    let json = succeed(requorum(["salvage", "-w", "json"]).arg(&scene.dir).arg("-o").arg(scene.out()));
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((report["revision"].as_i64(), report["acknowledged"]["verdict"].as_str()), (Some(2066), Some("likely")));
    let paper = fs::read_to_string(format!("{}{REPORT}", scene.out().display())).unwrap();
    assert!(paper.starts_with("# Salvaged snapshot"), "{paper}");
    let written: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(format!("{}{REPORT_JSON}", scene.out().display())).unwrap()).unwrap();
    assert_eq!(written, report);
    let status = succeed(requorum(["snapshot", "status"]).arg(scene.out()));
    assert!(status.contains("2066"), "{status}");
    // The report shows that it is a salvaged file, as long as it is that file.
    let notes = |file: &std::path::Path| {
        String::from_utf8(requorum(["snapshot", "inspect"]).arg(file).output().unwrap().stderr).unwrap()
    };
    assert!(notes(&scene.out()).contains(REPORT));
    let other = scene.temp.path().join("other.db");
    fs::copy(scene.db(), &other).unwrap();
    fs::copy(format!("{}{REPORT_JSON}", scene.out().display()), format!("{}{REPORT_JSON}", other.display())).unwrap();
    assert!(!notes(&other).contains(REPORT));
    let run = |args: &[&std::ffi::OsStr]| requorum(["salvage"]).args(args).output().unwrap().status.code();
    let (dir, out, inside) = (scene.dir.as_os_str(), scene.out(), scene.dir.join("out.db"));
    assert_eq!(run(&[dir, "-o".as_ref(), out.as_os_str()]), Some(1));
    assert_eq!(run(&[dir, "-o".as_ref(), inside.as_os_str()]), Some(2));
    assert_eq!(run(&[dir, dir, "-o".as_ref(), inside.as_os_str()]), Some(2));
    assert_eq!(
        run(&[scene.temp.path().join("none").as_os_str(), "-o".as_ref(), scene.temp.path().join("x").as_os_str()]),
        Some(1)
    );
}

/// A database whose last transaction is damaged still has the state before it, from which the log leads on.
#[test]
fn the_state_before_the_last_transaction_is_used() {
    use requorum::bbolt::View;
    let scene = Scene::new("3.7.3-mix");
    // A log that does not go back to its first entry, so that the database is needed.
    let mut log = fs::read(scene.wal()).unwrap();
    log[4096..8192].fill(0);
    fs::write(scene.wal(), &log).unwrap();
    let bytes = fs::read(scene.db()).unwrap();
    let view = View::open(bytes.clone()).unwrap();
    let (newest, size) = (*view.meta(), view.page_size() as usize);
    let Some(older) = view.older() else { panic!("the fixture has one state only") };
    assert_ne!(older.meta().root, newest.root);
    // The newest root is gone.
    let mut broken = bytes;
    let at = newest.root as usize * size;
    broken[at..at + size].fill(0);
    fs::write(scene.db(), &broken).unwrap();
    let report = scene.salvage().unwrap();
    assert!(report.base.unwrap().before_last_transaction);
    // Later transactions reuse the pages of that state: here some are gone, and nothing in the file shows it.
    assert_eq!(report.acknowledged.verdict, Certainty::Unknown);
    assert_eq!(report.acknowledged.because, Because::UnprovenBase);
    // With the whole log it is not needed.
    let whole = Scene::new("3.7.3-mix");
    fs::write(whole.db(), &broken).unwrap();
    assert!(whole.salvage().unwrap().base.is_none());
    equals_golden(&whole);
}
