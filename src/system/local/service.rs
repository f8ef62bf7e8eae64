//! Stops or starts an etcd by the commands that the operator agreed to.

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
    error::{Error, ErrorKind, Remedy, Result},
    text::Shown,
};

/// How long an etcd may take to exit: it transfers its leadership and syncs.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one may take to open its directory: the kubelet looks every 20 s, and an image may have to be pulled.
const PATIENCE_TO_START: Duration = Duration::from_secs(90);
const GLANCE: Duration = Duration::from_millis(100);

/// Runs the commands one after the other, and waits until the directory is unlocked.
///
/// # Errors
/// The output of a failed command, or which process still has the lock.
pub(super) fn halt(halt: &RunningEtcd) -> Result<()> {
    let held = || datadir::held(&halt.data_dir, halt.wal_dir.as_deref());
    // The process ID may have been reused by now.
    if let (Held::By { pid: Some(now), .. }, Some(then)) = (held(), halt.pid)
        && now != then
    {
        return Err(Error::new(ErrorKind::Refused, format!("{}: in use by another process", halt.data_dir.shown()))
            .why(format!("it was process {then}, and is {now} now: something restarts it"))
            .hint("Find out what starts it, and pause that; then continue."));
    }
    if held() == Held::No {
        return Ok(());
    }
    for command in &halt.commands {
        run(command).map_err(|why| {
            Error::new(ErrorKind::Failed, format!("{command}: failed to stop it"))
                .why(why)
                .hint("Stop it by hand, so that nothing restarts it; then continue.")
        })?;
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if !held().is_held() {
            return Ok(());
        }
        // There is no event for the release of a lock.
        thread::sleep(GLANCE);
    }
    Err(Error::new(ErrorKind::Failed, format!("{}: an etcd is still running on it", halt.data_dir.shown()))
        .why(format!("{} s after {}", PATIENCE.as_secs(), halt.commands.join("; ")))
        .hint("Stop it by hand, so that nothing restarts it; then continue."))
}

/// Runs the commands one after the other, and waits until a process locks the directory: returns its process ID, if
/// visible.
///
/// # Errors
/// The output of a failed command, or that no process locked it in time; `Stopped` on request: then it may still come
/// up.
pub(super) fn start(
    data_dir: &Path,
    wal_dir: Option<&Path>,
    commands: &[String],
    watch: &mut ProgressFn<'_>,
) -> Result<Option<u32>> {
    for command in commands {
        run(command).map_err(|why| {
            Error::new(ErrorKind::Failed, format!("{command}: failed to start it"))
                .why(why)
                .remedies(&[Remedy::StartByHand])
        })?;
    }
    let deadline = Instant::now() + PATIENCE_TO_START;
    while Instant::now() < deadline {
        if let Held::By { pid, .. } = datadir::held(data_dir, wal_dir) {
            return Ok(pid);
        }
        if watch(Progress { phase: Phase::Wait, done: 0, total: 0 }) == Flow::Stop {
            return Err(Error::new(ErrorKind::Stopped, "stopped on request while waiting for etcd")
                .why("its start was requested, and it may still come up"));
        }
        // There is no event for taking a lock.
        thread::sleep(GLANCE);
    }
    Err(Error::new(ErrorKind::Failed, format!("{}: no etcd is running on it", data_dir.shown()))
        .why(format!("{} s after {}", PATIENCE_TO_START.as_secs(), commands.join("; ")))
        .hint("Check the log of its unit or pod.")
        .remedies(&[Remedy::StartByHand]))
}

/// Runs a command in a shell.
///
/// # Errors
/// The last line that it printed.
fn run(command: &str) -> std::result::Result<(), String> {
    let output = Command::new("/bin/sh").arg("-c").arg(command).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("it cannot be run ({e})"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no output").to_string())
}
