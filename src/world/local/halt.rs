//! An etcd that is stopped, by the commands that were consented to.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    engine::datadir,
    plan::{facts::disk::Held, halt::Halt},
    trouble::{Kind, Result, Trouble},
};

/// How long an etcd may take to end: it hands its leadership over and syncs.
const PATIENCE: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(100);

/// Runs the commands one after the other, and waits until nobody holds the directory.
///
/// # Errors
/// What a command said, or who still holds it.
pub(super) fn halt(halt: &Halt) -> Result<()> {
    let held = || datadir::held(&halt.data_dir, halt.wal_dir.as_deref());
    // A process ID may be somebody else's by now.
    if let (Held::By { pid: Some(now), .. }, Some(then)) = (held(), halt.pid)
        && now != then
    {
        return Err(Trouble::new(Kind::Refused, format!("{} is held by another process", halt.data_dir.display()))
            .why(format!("it was process {then}, and is {now} now: something starts it again"))
            .hint("Look what starts it, and pause that; then go on."));
    }
    if held() == Held::No {
        return Ok(());
    }
    for command in &halt.commands {
        let output = Command::new("/bin/sh").arg("-c").arg(command).stdin(Stdio::null()).output();
        let output = output.map_err(|e| Trouble::new(Kind::Failed, format!("cannot run {command}")).why(e))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said =
                said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it said nothing").to_string();
            return Err(Trouble::new(Kind::Failed, format!("{command} did not stop it"))
                .why(said)
                .hint("Stop it by hand, so that nothing starts it again; then go on."));
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if !held().is_held() {
            return Ok(());
        }
        // The system tells no event of a lock that is given back.
        thread::sleep(GLANCE);
    }
    Err(Trouble::new(Kind::Failed, format!("an etcd still runs on {}", halt.data_dir.display()))
        .why(format!("{} s after {}", PATIENCE.as_secs(), halt.commands.join("; ")))
        .hint("Stop it by hand, so that nothing starts it again; then go on."))
}
