//! The program itself, killed with SIGKILL while it restores.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    common::{keys_in, make_snapshot, whole},
    support::{names, requorum},
};

/// What has to be seen in the staging directory before the kill.
const SIGNS: [&str; 6] = [
    "",
    "requorum-staging",
    "new/member/snap/db",
    "new/member/snap/0000000000000001-0000000000000003.snap",
    "moves",
    "new/0000000000000000-0000000000000000.wal",
];

fn command(source: &Path, dir: &Path) -> Command {
    let mut command = requorum(["snapshot", "restore", "--name=m2", "--initial-cluster-token=care"]);
    command.arg("--initial-cluster=m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380,m3=http://10.0.0.3:2380");
    command.args(["--initial-advertise-peer-urls=http://10.0.0.2:2380", "--data-dir"]).arg(dir.join("m2.etcd"));
    command.arg("--wal-dir").arg(dir.join("wal")).arg(source).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Kills at the first sight of each sign, and at moments spread over the time that a restore takes.
pub fn at_many_moments() {
    let home = tempfile::tempdir().unwrap();
    let source = home.path().join("big.db");
    make_snapshot(&source, 20_000, false);
    let keys = keys_in(&source);

    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    assert!(command(&source, dir.path()).status().unwrap().success());
    let takes = began.elapsed();
    let spread = (1..=8u32).map(|part| (None, takes * part / 9));
    let mut killed = 0;
    for (sign, after) in SIGNS.map(|sign| (Some(sign), Duration::ZERO)).into_iter().chain(spread) {
        let dir = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let mut child = command(&source, dir.path()).spawn().unwrap();
        // Waiting for what is to be seen; the spread moments are what they are, so that none is missed.
        while child.try_wait().unwrap().is_none() {
            let seen = match sign {
                None => began.elapsed() >= after,
                Some(sign) => names(dir.path())
                    .iter()
                    .any(|name| name.starts_with(".requorum") && dir.path().join(name).join(sign).exists()),
            };
            if seen {
                break;
            }
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        killed += u32::from(!child.wait().unwrap().success());
        let (data, wal) = (dir.path().join("m2.etcd"), dir.path().join("wal"));
        let stands = data.exists();
        if stands {
            whole(&data, Some(&wal), keys)
                .unwrap_or_else(|e| panic!("{sign:?} {after:?}: neither absent nor whole: {e}"));
        }
        let again = command(&source, dir.path()).status().unwrap();
        assert_eq!(again.success(), !stands, "{sign:?} {after:?}");
        whole(&data, Some(&wal), keys).unwrap_or_else(|e| panic!("{sign:?} {after:?}: the next run: {e}"));
        assert_eq!(names(dir.path()), ["m2.etcd", "wal"], "{sign:?} {after:?}");
        fs::remove_dir_all(dir.path()).unwrap();
    }
    assert!(killed >= 6, "only {killed} kills came before the end");
}
