//! What the tests against real etcd servers stand on: the servers that this machine has, clusters
//! of them on loopback, what a cluster holds, and runs of the `requorum` binary.
// Each test crate that says `mod support` uses a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod cluster;
pub mod contents;
pub mod servers;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

/// Asks `ready` again and again until it gives something; panics with the last reason when that
/// took longer than `limit`.
pub fn wait_until<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + limit;
    loop {
        match ready() {
            Ok(value) => return value,
            Err(why) if Instant::now() > end => panic!("waited {limit:?} for {what} in vain: {why}"),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A snapshot under `tests/fixtures/snapshots`.
pub fn fixture(name: &str) -> PathBuf {
    fixtures().join(name)
}

/// Every snapshot under `tests/fixtures/snapshots`, in the order of their names.
pub fn all_fixtures() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixtures()).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension() == Some(OsStr::new("db")));
    files.sort();
    assert!(!files.is_empty(), "no snapshots under {}", fixtures().display());
    files
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots")
}

/// A run of `requorum` without any of the caller's `ETCDCTL_…` and `REQUORUM_…` variables.
pub fn requorum<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_requorum"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("ETCD") || n.starts_with("REQUORUM")) {
            command.env_remove(name);
        }
    }
    command.args(args);
    command
}

/// Runs `command` to its end and gives what it printed; panics with all of it when it failed.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\nended with {status}\n{out}{err}");
    out.into_owned()
}

/// [`succeed`] for a command that prints one JSON value.
pub fn json(command: &mut Command) -> serde_json::Value {
    let text = succeed(command);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command:?} printed no JSON ({e}):\n{text}"))
}
