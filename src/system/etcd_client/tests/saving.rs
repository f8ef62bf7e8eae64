//! Snapshots that a member streams: whole ones, cut ones, and what is never written over.

use etcd_client::proto::PbSnapshotResponse;

use super::*;
use crate::error::Fault;

fn save(script: Script, into: &Path, watch: &mut ProgressFn<'_>) -> Result<u64> {
    save_by(quick(), script, into, watch)
}

fn save_by(connect: Connect, script: Script, into: &Path, watch: &mut ProgressFn<'_>) -> Result<u64> {
    let served = Served::start(script, None);
    Members::new(connect).unwrap().save_snapshot(&served.http(), into, watch)
}

/// A database, and pages that it does not use behind it.
fn data() -> Vec<u8> {
    let mut data = include_bytes!("../../../../tests/fixtures/snapshots/3.6.14-small.db").to_vec();
    data.truncate(data.len() - 32);
    data.extend((0..3_000_000_u32).map(|i| (i % 251) as u8));
    data
}

fn left_behind(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

/// The error without the directory and the port of this run.
fn plain(error: &Error, dir: &Path) -> String {
    let text = error.to_string().replace(&dir.display().to_string(), "DIR");
    let mut pieces = text.split("127.0.0.1:");
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |all, piece| format!("{all}127.0.0.1:PORT{}", piece.trim_start_matches(char::is_numeric)))
}

#[test]
fn a_snapshot_is_saved_whole() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("snap.db");
    let mut steps: Vec<Progress> = Vec::new();
    let bytes = save(Script { snapshot: snapshot_of(&data()), ..member(0) }, &into, &mut |step| {
        steps.push(step);
        Flow::Go
    })
    .unwrap();
    let saved = fs::read(&into).unwrap();
    assert_eq!(bytes, saved.len() as u64);
    assert_eq!(saved.len(), data().len() + 32);
    assert!(saved.starts_with(&data()));
    assert_eq!(fs::metadata(&into).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(left_behind(dir.path()), ["snap.db"]);
    assert!(steps.windows(2).all(|w| w[1].done >= w[0].done && w[1].done - w[0].done <= 4 << 20));
    let last = steps.last().unwrap();
    assert_eq!((last.done, last.total, steps.len() >= 3), (bytes, bytes, true));
}

#[test]
fn an_incomplete_snapshot_is_refused_and_removed() {
    let whole = || snapshot_of(&data());
    let mut flipped = whole();
    flipped.last_mut().unwrap().as_mut().unwrap().blob[0] ^= 1;
    let mut short = whole();
    short.pop();
    let mut hole = whole();
    drop(hole.remove(10));
    let mut long = whole();
    long.push(long[0].clone());
    let mut cut = whole();
    cut.truncate(20);
    cut.push(Err(Status::unavailable("transport is closing")));
    let refused = vec![Err(Status::permission_denied("etcdserver: permission denied"))];
    let mut messages = Vec::new();
    for (snapshot, hangs, kind, what) in [
        (flipped, false, ErrorKind::Input, "a changed byte"),
        (short, false, ErrorKind::Input, "a piece is missing at the end"),
        (hole, false, ErrorKind::Input, "a piece is missing inside"),
        (long, false, ErrorKind::Input, "a piece more"),
        (Vec::new(), false, ErrorKind::Input, "nothing"),
        (cut, false, ErrorKind::Failed, "cut"),
        (whole().into_iter().take(5).collect(), true, ErrorKind::Failed, "hung"),
        (vec![Err(Status::unknown("auth: user name is empty"))], false, ErrorKind::Failed, "no user"),
        (refused, false, ErrorKind::Failed, "permission denied"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let script = Script { snapshot, hangs, ..member(0) };
        let error = save(script, &dir.path().join("snap.db"), &mut |_| Flow::Go).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(left_behind(dir.path()), Vec::<String>::new(), "{error}");
        messages.push((what, plain(&error, dir.path())));
    }
    crate::text::messages::hold("etcd-client-saving", &messages);
}

#[test]
fn nothing_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("snap.db");
    let script = Script { snapshot: snapshot_of(&data()), ..member(0) };
    fs::write(&into, "mine").unwrap();
    let error = save(script.clone(), &into, &mut |_| Flow::Go).unwrap_err();
    assert_eq!((error.kind, fs::read_to_string(&into).unwrap().as_str()), (ErrorKind::Refused, "mine"));
    fs::remove_file(&into).unwrap();

    // it appears while the stream runs
    let error = save(script.clone(), &into, &mut |_| {
        fs::write(&into, "mine").unwrap();
        Flow::Go
    })
    .unwrap_err();
    assert_eq!((error.kind, fs::read_to_string(&into).unwrap().as_str()), (ErrorKind::Refused, "mine"));
    assert_eq!(left_behind(dir.path()), ["snap.db"]);
    fs::remove_file(&into).unwrap();

    let part = dir.path().join("snap.db.part");
    fs::write(&part, "another's").unwrap();
    let error = save(script, &into, &mut |_| Flow::Go).unwrap_err();
    assert_eq!((error.kind, fs::read_to_string(&part).unwrap().as_str()), (ErrorKind::Refused, "another's"));
    assert_eq!(left_behind(dir.path()), ["snap.db.part"]);
}

#[test]
fn a_stop_works_between_bytes_and_in_silence() {
    let all = snapshot_of(&data());
    for (snapshot, hangs) in [(all.clone(), false), (all.into_iter().take(2).collect(), true)] {
        let dir = tempfile::tempdir().unwrap();
        let mut calls = 0;
        let error = save(Script { snapshot, hangs, ..member(0) }, &dir.path().join("snap.db"), &mut |_| {
            calls += 1;
            if calls > 1 { Flow::Stop } else { Flow::Go }
        })
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Stopped);
        assert_eq!(left_behind(dir.path()), Vec::<String>::new());
    }
}

#[test]
fn a_matching_hash_does_not_make_a_database() {
    let meta_only = data().into_iter().take(8192).collect();
    for body in [vec![0; 3_000_000], vec![0; 100], (0..3_000_000_u32).map(|i| (i % 251) as u8).collect(), meta_only] {
        let dir = tempfile::tempdir().unwrap();
        let script = Script { snapshot: snapshot_of(&body), ..member(0) };
        let error = save(script, &dir.path().join("snap.db"), &mut |_| Flow::Go).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Input, "{error}");
        assert!(error.kind == ErrorKind::Input, "{error}");
        assert_eq!(left_behind(dir.path()), Vec::<String>::new());
    }
}

#[test]
fn an_announced_size_is_compared_with_free_space() {
    for remaining_bytes in [1 << 62, u64::MAX, 1 << 55] {
        let dir = tempfile::tempdir().unwrap();
        let first = PbSnapshotResponse { remaining_bytes, blob: vec![7; 4096], ..Default::default() };
        // bytes without end: only the announcement can be what ends it
        let script = Script { endless: Some(first), ..member(0) };
        let error = save_by(patient(), script, &dir.path().join("snap.db"), &mut |step| {
            assert_eq!(step.done, 0, "refused before anything is written");
            Flow::Go
        })
        .unwrap_err();
        assert_eq!((error.kind, error.fault), (ErrorKind::Failed, Some(Fault::NoSpace)), "{error}");
        assert_eq!(left_behind(dir.path()), Vec::<String>::new());
    }
}

#[test]
fn an_endless_database_is_cut_while_reading() {
    let blob = PbSnapshotResponse { remaining_bytes: 1, blob: vec![7; 1 << 20], ..Default::default() };
    let served = Served::start(Script { endless: Some(blob), ..member(0) }, None);
    let mut most = 0;
    let rows = Members::new(patient()).unwrap().stored_rows(&served.http(), u64::MAX, &mut |step| {
        most = most.max(step.done);
        Flow::Go
    });
    let rows = rows.unwrap();
    assert!(!rows.missing.is_empty(), "{:?}", rows.missing);
    assert!(most <= 2 * 8192 + (16 << 20), "{most}");
}

#[test]
fn messages_without_bytes_are_silence() {
    let empty = PbSnapshotResponse { remaining_bytes: 4096, ..Default::default() };
    let tiny = PbSnapshotResponse { blob: vec![7], remaining_bytes: 1 << 20, ..Default::default() };
    // a stop is heard in a flood of them, and of such with next to no bytes
    for message in [empty.clone(), tiny] {
        let dir = tempfile::tempdir().unwrap();
        let mut calls = 0;
        let script = Script { endless: Some(message), ..member(0) };
        let error = save_by(patient(), script, &dir.path().join("snap.db"), &mut |_| {
            calls += 1;
            if calls > 3 { Flow::Stop } else { Flow::Go }
        })
        .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Stopped, "{error}");
        assert_eq!(left_behind(dir.path()), Vec::<String>::new());
    }
    // and without one they end as silence does
    let dir = tempfile::tempdir().unwrap();
    let script = Script { endless: Some(empty), ..member(0) };
    let error = save(script, &dir.path().join("snap.db"), &mut |_| Flow::Go).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Failed | ErrorKind::NoAnswer), "{error}");
    assert_eq!(left_behind(dir.path()), Vec::<String>::new());
}
