//! The run lock: one run at a time, and only locks that no other user can take are valid.
#![allow(clippy::unwrap_used)]
use std::fs;

use super::*;

fn run(operator: &str) -> Run {
    Run {
        id: "9f3c2a11".into(),
        plan: "77aa02c1".into(),
        label: "prod-eu".into(),
        operator: operator.into(),
        since: "2026-11-22T03:12:05Z".into(),
    }
}

#[test]
fn the_refusal_names_the_other_run() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("lib/etcd/m1");
    let first = RunLock::take(&run("anna@laptop"), std::slice::from_ref(&target), None).unwrap();
    // Created in the meantime, as the first run would do.
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    let refused = RunLock::take(&run("ben@desk"), std::slice::from_ref(&target), None).unwrap_err();
    assert_eq!(refused.by.as_deref(), Some(&run("anna@laptop")), "the other run is a value");
    let refused = refused.trouble.to_string();
    let refused = refused.replace(&dir.path().display().to_string(), "DIR");
    crate::text::messages::hold("engine-run-lock", &[("another run", refused)]);
    // Another directory below the same one is free.
    let other = RunLock::take(&run("ben@desk"), &[dir.path().join("lib/etcd/m9"), target.clone()], None);
    assert!(other.is_err());
    let other = RunLock::take(&run("ben@desk"), &[dir.path().join("lib/etcd/m9")], None).unwrap();
    drop((first, other));
    RunLock::take(&run("ben@desk"), &[target], None).unwrap();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["lib"], "lock files go with their run");
}

#[test]
fn a_lock_file_after_a_kill_is_reused() {
    let dir = tempfile::tempdir().unwrap();
    // As an earlier version left it: readable for all.
    let path = dir.path().join(".requorum-lock");
    fs::write(&path, b"{\"run\":").unwrap();
    let target = dir.path().join("m1");
    let claim = RunLock::take(&run("anna@laptop"), &[target.clone(), dir.path().join("m2")], None).unwrap();
    assert_eq!((claim.0.len(), fs::metadata(&path).unwrap().mode() & 0o777), (1, 0o600));
    assert!(RunLock::take(&run("ben@desk"), &[target], None).unwrap_err().trouble.why.contains("anna@laptop"));
}

/// A lock that any user can take is ignored; those of root and of the directory's owner are valid.
#[test]
fn only_a_lock_closed_to_others_is_valid() {
    use std::os::unix::fs::{PermissionsExt, chown};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    const EVE: u32 = 61_234;
    for (owner, mode, counts) in [
        (EVE, 0o600, false),
        (EVE, 0o666, false),
        // As an earlier version left it after a SIGKILL: any user may lock it.
        (0, 0o644, false),
        (0, 0o600, true),
        (EVE + 1, 0o600, true),
    ] {
        for name in [".requorum-lock", ".requorum-7-lock"] {
            let dir = tempfile::tempdir().unwrap();
            let (path, target) = (dir.path().join(name), dir.path().join("m1"));
            fs::create_dir(&target).unwrap();
            chown(&target, Some(EVE + 1), None).unwrap();
            let text = serde_json::to_vec(&Held { run: run("eve@evil"), targets: vec![target.clone()] }).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            chown(&path, Some(owner), None).unwrap();
            let held = Locked::new(File::open(&path).unwrap());
            assert!(held.try_take().unwrap());
            let claimed = RunLock::take(&run("anna@laptop"), std::slice::from_ref(&target), None);
            match (counts, &claimed) {
                (true, Err(refused)) => assert_eq!(refused.trouble.kind, ErrorKind::Refused),
                (false, Ok(_)) => {
                    // The next run still sees ours.
                    let second = RunLock::take(&run("ben@desk"), std::slice::from_ref(&target), None).unwrap_err();
                    assert_eq!(second.by.as_deref(), Some(&run("anna@laptop")), "{second:?}");
                }
                _ => panic!("{owner} {mode:o} {name}: {claimed:?}"),
            }
            drop(claimed);
            let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            left.sort();
            assert_eq!(left, [name, "m1"], "ours is removed, and what is not ours is left alone");
        }
    }
    // A symbolic link or a pipe of that name is neither waited for nor written through.
    let dir = tempfile::tempdir().unwrap();
    let (lock, victim) = (dir.path().join(".requorum-lock"), dir.path().join("victim"));
    std::os::unix::fs::symlink(&victim, &lock).unwrap();
    drop(RunLock::take(&run("anna@laptop"), &[dir.path().join("m1")], None).unwrap());
    assert!(!victim.exists());
    fs::remove_file(&lock).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &lock, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    drop(RunLock::take(&run("anna@laptop"), &[dir.path().join("m1")], None).unwrap());
}

#[test]
fn a_journal_stays_where_it_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("lib/etcd");
    let first = journal(&target, "77aa02c1", None);
    assert_eq!(first, dir.path().join(".requorum-77aa02c1.journal"));
    fs::write(&first, b"").unwrap();
    fs::create_dir_all(&target).unwrap();
    assert_eq!(journal(&target, "77aa02c1", None), first);
    assert_eq!(journal(&target, "00000000", None), dir.path().join("lib/.requorum-00000000.journal"));
}
