//! What another user plants where root reads, appends or locks: links to what she may not read, pipes, devices and files
//! without an end in a member's directory, the operator's journal, and every name of a lock.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use requorum::engine::{
    datadir,
    install::run_lock::{self, RunLock},
};

use super::{
    eve::{EVE, Shell, World, word},
    hostile::in_time,
    install::SOURCE,
    support::{fixture, messages, requorum, said},
};

/// A snapshot that only root may read.
fn secret(world: &World) -> PathBuf {
    let secret = world.path("roots/secret.db");
    fs::copy(fixture(SOURCE), &secret).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    secret
}

/// Her own copy of a data directory.
fn data_dir(world: &World, name: &str) -> PathBuf {
    let (from, to) = (fixture("../datadirs/3.4-v2"), world.path(name));
    let mut left = vec![PathBuf::new()];
    while let Some(below) = left.pop() {
        let at = from.join(&below);
        if at.is_dir() {
            fs::create_dir_all(to.join(&below)).unwrap();
            left.extend(fs::read_dir(&at).unwrap().map(|entry| below.join(entry.unwrap().file_name())));
        } else {
            fs::copy(&at, to.join(&below)).unwrap();
        }
        chown(to.join(&below), Some(EVE), Some(EVE)).unwrap();
    }
    to
}

/// Root restores nothing from a file that she may not read herself, only because a link of hers leads there: what is
/// restored is given to her.
pub fn a_link_of_hers_is_no_source() {
    let Some(world) = World::new() else { return };
    let (mut eve, secret) = (Shell::new(), secret(&world));
    let dir = data_dir(&world, "hers/m1");
    eve.can(&format!("ln -s {} {}", word(&secret), word(&world.path("hers/backup.db"))));
    eve.can(&format!("cd {} && rm member/snap/db && ln -s {} member/snap/db", word(&dir), word(&secret)));
    // One that root made, and she gave the name.
    symlink(&secret, world.path("hers/of-root")).unwrap();
    eve.can(&format!("mv {} {}", word(&world.path("hers/of-root")), word(&world.path("hers/renamed.db"))));
    assert!(!eve.run(&format!("cat {}", word(&world.path("hers/backup.db")))), "she may read it");
    for source in ["backup.db", "m1/member/snap/db", "renamed.db"] {
        for verb in ["status", "restore"] {
            let mut command = requorum(["snapshot", verb]);
            command.arg(world.path("hers").join(source));
            if verb == "restore" {
                command.args(["--initial-cluster-token=t", "--owner", &EVE.to_string(), "--data-dir"]);
                command.arg(world.path("hers/new"));
            }
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(4), "{source}: {}", said(&output));
            assert!(!world.path("hers/new").exists());
        }
    }
    // Her own file behind her own link is one, and so is root's behind root's.
    fs::copy(&secret, world.path("hers/own.db")).unwrap();
    chown(world.path("hers/own.db"), Some(EVE), Some(EVE)).unwrap();
    eve.can(&format!("cd {} && ln -sf own.db backup.db", word(&world.path("hers"))));
    symlink(&secret, world.path("roots/latest.db")).unwrap();
    for source in ["hers/backup.db", "roots/latest.db"] {
        let output = requorum(["snapshot", "status"]).arg(world.path(source)).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// Her directory is looked at without waiting for a pipe, opening a device or reading what has no end.
pub fn a_members_directory_keeps_nobody_waiting() {
    let Some(world) = World::new() else { return };
    let mut eve = Shell::new();
    let (wal, snap) =
        ("member/wal/0000000000000000-0000000000000000.wal", "member/snap/0000000000000002-0000000000000028.snap");
    let mut at = 0;
    for file in [wal, snap, "member/snap/db"] {
        for plant in ["mkfifo FILE", "ln -s /dev/zero FILE", "truncate -s 3T FILE", "mkdir FILE"] {
            at += 1;
            let dir = data_dir(&world, &format!("hers/m{at}"));
            let command = plant.replace("FILE", file);
            eve.can(&format!("cd {} && rm {file} && {command}", word(&dir)));
            in_time(command, move || datadir::inspect(&dir, None));
        }
    }
    let dir = data_dir(&world, "hers/more");
    eve.can(&format!("truncate -s 3T {}/member/wal/0000000000000001-0000000000000031.wal", word(&dir)));
    eve.can(&format!("truncate -s 3T {}/member/snap/0000000000000003-0000000000000031.snap", word(&dir)));
    in_time("more files".into(), move || datadir::inspect(&dir, None));
}

/// A plan of root's in a directory that is open to all.
fn plan(world: &World) -> PathBuf {
    let plan = world.path("tmp/plan.yaml");
    let output = requorum(["plan", "--label=l", "--initial-cluster-token=t", "--snapshot"])
        .arg(fixture(SOURCE))
        .args(["--initial-cluster", "m1=http://127.0.0.1:1", "--data-root"])
        .arg(world.path("roots"))
        .arg("-o")
        .arg(&plan)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    plan
}

fn rehearse(plan: &Path, sudo: Option<u32>) -> std::process::Output {
    let mut command = requorum(["apply", "--dry-run"]);
    if let Some(user) = sudo {
        command.env("SUDO_UID", user.to_string());
    }
    command.arg(plan).output().unwrap()
}

/// The operator's journal decides what is undone, and holds the secrets of the hosts' journals: nobody else's is gone by or
/// written to.
pub fn a_planted_journal_is_not_the_operators() {
    let Some(world) = World::new() else { return };
    let (mut eve, plan) = (Shell::new(), plan(&world));
    let (journal, made) = (world.path("tmp/plan.yaml.journal"), world.path("roots/nologin"));
    let victim = world.path("roots/precious");
    let before = world.roots();
    for plant in [
        format!("ln -s {} JOURNAL", word(&made)),
        format!("ln -s {} JOURNAL", word(&victim)),
        "ln -s /dev/zero JOURNAL".into(),
        ": >JOURNAL && chmod 666 JOURNAL".into(),
        "(umask 077; : >JOURNAL)".into(),
        "mkfifo JOURNAL".into(),
        "mkdir JOURNAL".into(),
        "truncate -s 3T JOURNAL".into(),
    ] {
        eve.can(&plant.replace("JOURNAL", &word(&journal)));
        for verb in ["apply", "resume", "undo"] {
            let mut command = requorum([verb]);
            command.args((verb == "apply").then_some("--dry-run")).arg(&plan);
            let output = in_time(format!("{verb}: {plant}"), move || command.output().unwrap());
            assert!(!output.status.success(), "{verb}, {plant}: {}", said(&output));
            assert_eq!(world.roots(), before, "{plant}");
        }
        let meta = fs::symlink_metadata(&journal).unwrap();
        assert!(!meta.is_file() || meta.blocks() == 0, "it was written to");
        eve.can(&format!("rm -r {}", word(&journal)));
    }
    // Who reads a report is told that the journal is not the operator's.
    eve.can(&format!(": >{}", word(&journal)));
    let report = || said(&requorum(["report"]).arg(&plan).output().unwrap());
    assert!(messages::warnings(&report()).contains(journal.to_str().unwrap()), "{}", report());
    fs::remove_file(&journal).unwrap();
    // A second name of a file of root's, as where fs.protected_hardlinks is off.
    fs::hard_link(&victim, &journal).unwrap();
    assert!(!rehearse(&plan, None).status.success());
    fs::remove_file(&journal).unwrap();

    // That of an operator who is root by now, and one behind root's own link.
    let empty = |owner: u32| {
        fs::write(&journal, "").unwrap();
        fs::set_permissions(&journal, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&journal, Some(owner), None).unwrap();
    };
    let right = |sudo| {
        let output = rehearse(&plan, sudo);
        assert!(output.status.success(), "{}", said(&output));
        fs::remove_file(&journal).unwrap();
    };
    empty(EVE);
    right(Some(EVE));
    chown(&plan, Some(EVE + 1), None).unwrap();
    empty(EVE + 1);
    right(None);
    chown(&plan, Some(0), None).unwrap();
    symlink(world.path("roots/kept.journal"), &journal).unwrap();
    right(None);
    assert!(fs::metadata(world.path("roots/kept.journal")).unwrap().len() > 0);
}

fn run() -> run_lock::Run {
    run_lock::Run {
        id: "9f3c2a11".into(),
        plan: "77aa02c1".into(),
        label: "l".into(),
        operator: "anna@desk".into(),
        since: "2026-11-22T03:12:05Z".into(),
    }
}

/// In a directory that is open to all, nobody keeps root from work by taking the names of its locks; and what she gives such
/// a name is not written over.
pub fn no_name_of_a_lock_is_taken_for_good() {
    let Some(world) = World::new() else { return };
    let mut eve = Shell::new();
    eve.can(&format!("cd {} && : >.requorum-lock && mkfifo .requorum-0-lock", word(&world.path("tmp"))));
    let target = world.path("tmp/m1");
    let first = RunLock::take(&run(), std::slice::from_ref(&target), None).unwrap();
    let refused = RunLock::take(&run(), std::slice::from_ref(&target), None).unwrap_err();
    assert_eq!(refused.by.as_deref(), Some(&run()), "the next one sees it under whatever name");
    drop(first);
    assert_eq!(fs::read_dir(world.path("tmp")).unwrap().count(), 2, "its file goes with it");

    // In her own directory she may give root's journal the name of a lock.
    let journal = world.path("hers/.requorum-77aa02c1.journal");
    fs::write(&journal, "{\"at\":\"2026\"}\n").unwrap();
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o600)).unwrap();
    let lock = world.path("hers/.requorum-lock");
    eve.can(&format!("mv {} {}", word(&journal), word(&lock)));
    drop(RunLock::take(&run(), &[world.path("hers/m1")], None).unwrap());
    assert_eq!(fs::read_to_string(&lock).unwrap(), "{\"at\":\"2026\"}\n");
}

/// Who may only read a copy of a database can lock it all the same, and is no etcd that runs on it.
pub fn the_lock_of_a_mere_reader_is_no_etcds() {
    let Some(world) = World::new() else { return };
    let mut eve = Shell::new();
    let copy = world.path("roots/db");
    let bytes = fs::read(fixture(SOURCE)).unwrap();
    fs::write(&copy, &bytes[..bytes.len() - 32]).unwrap();
    eve.can(&format!("exec 9<{} && flock -n 9", word(&copy)));
    let restore = |data: &str| {
        let mut command =
            requorum(["snapshot", "restore", "--skip-hash-check", "--initial-cluster-token=t", "--data-dir"]);
        command.arg(world.path(data)).arg(&copy).output().unwrap()
    };
    let output = restore("roots/new");
    assert!(output.status.success(), "{}", said(&output));
    eve.can("exec 9<&-");
    // One who may write to it could be the etcd.
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o666)).unwrap();
    eve.can(&format!("exec 9<>{} && flock -n 9", word(&copy)));
    assert_eq!(restore("roots/other").status.code(), Some(3));
}
