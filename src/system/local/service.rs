//! An etcd that is stopped or started, by the commands that were consented to.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    domain::{model::observations::disk::Held, preflight::stop::RunningEtcd},
    engine::{
        datadir,
        progress::{Flow, Phase, Progress, ProgressFn},
    },
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// How long an etcd may take to end: it hands its leadership over and syncs.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one may take to open its directory: the kubelet looks every 20 s, and an image may have to be fetched.
const PATIENCE_TO_START: Duration = Duration::from_secs(90);
const GLANCE: Duration = Duration::from_millis(100);

/// Runs the commands one after the other, and waits until nobody holds the directory.
///
/// # Errors
/// What a command said, or who still holds it.
pub(super) fn halt(halt: &RunningEtcd) -> Result<()> {
    let held = || datadir::held(&halt.data_dir, halt.wal_dir.as_deref());
    // A process ID may be somebody else's by now.
    if let (Held::By { pid: Some(now), .. }, Some(then)) = (held(), halt.pid)
        && now != then
    {
        return Err(Error::new(ErrorKind::Refused, format!("{} is held by another process", halt.data_dir.shown()))
            .why(format!("it was process {then}, and is {now} now: something starts it again"))
            .hint("Look what starts it, and pause that; then go on."));
    }
    if held() == Held::No {
        return Ok(());
    }
    for command in &halt.commands {
        run(command).map_err(|why| {
            Error::new(ErrorKind::Failed, format!("{command} did not stop it"))
                .why(why)
                .hint("Stop it by hand, so that nothing starts it again; then go on.")
        })?;
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if !held().is_held() {
            return Ok(());
        }
        // The system tells no event of a lock that is given back.
        thread::sleep(GLANCE);
    }
    Err(Error::new(ErrorKind::Failed, format!("an etcd still runs on {}", halt.data_dir.shown()))
        .why(format!("{} s after {}", PATIENCE.as_secs(), halt.commands.join("; ")))
        .hint("Stop it by hand, so that nothing starts it again; then go on."))
}

/// Runs the commands one after the other, and waits until somebody holds the directory: its process ID, where it may be
/// seen.
///
/// # Errors
/// What a command said, or that nobody holds it; `Stopped`, when `watch` says so: then it may still come up.
pub(super) fn start(
    data_dir: &Path,
    wal_dir: Option<&Path>,
    commands: &[String],
    watch: &mut ProgressFn<'_>,
) -> Result<Option<u32>> {
    for command in commands {
        run(command).map_err(|why| {
            Error::new(ErrorKind::Failed, format!("{command} did not start it"))
                .why(why)
                .hint("Start it by hand, as `requorum launch` prints it.")
        })?;
    }
    let deadline = Instant::now() + PATIENCE_TO_START;
    while Instant::now() < deadline {
        if let Held::By { pid, .. } = datadir::held(data_dir, wal_dir) {
            return Ok(pid);
        }
        if watch(Progress { phase: Phase::Wait, done: 0, total: 0 }) == Flow::Stop {
            return Err(Error::new(ErrorKind::Stopped, "stopped on request while an etcd was waited for")
                .why("it was told to start, and may still come up"));
        }
        // The system tells no event of a lock that is taken.
        thread::sleep(GLANCE);
    }
    Err(Error::new(ErrorKind::Failed, format!("no etcd runs on {}", data_dir.shown()))
        .why(format!("{} s after {}", PATIENCE_TO_START.as_secs(), commands.join("; ")))
        .hint("Look what it says: journalctl of its unit, or the logs of its pod. Or start it as `requorum launch` prints it."))
}

/// Runs a command in a shell.
///
/// # Errors
/// What it said last.
fn run(command: &str) -> std::result::Result<(), String> {
    let output = Command::new("/bin/sh").arg("-c").arg(command).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("it cannot be run ({e})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing").to_string())
}
