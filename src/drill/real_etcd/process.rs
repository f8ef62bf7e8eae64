//! One real etcd process of an exercise. It never outlives the exercise: a keeper holds the end of a pipe, and when that
//! closes, by a drop, a panic, a signal or a kill of requorum itself, the keeper ends it by its process ID.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Etcd, allowed_flags};
use crate::{
    engine::source::creation_trouble,
    error::{Error, ErrorKind, Result},
};

/// Starts what follows, says its process ID, and waits for its end or for the pipe's. A process of its own, because
/// nothing inside this program would be left to act when it is killed.
const KEEPER: &str = r#"exec 3<&0
"$@" </dev/null >&2 3<&- & etcd=$!
echo "$etcd"
{ read -r _ <&3; kill -9 "$etcd"; } >/dev/null 2>&1 & reader=$!
exec 3<&- </dev/null
wait "$etcd"; code=$?
kill "$reader" 2>/dev/null
exit "$code""#;

/// So long an etcd has to end by itself.
const GRACE: Duration = Duration::from_secs(8);

/// A running etcd; it is ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    keeper: Mutex<(Child, Option<ChildStdin>)>,
    pid: u32,
    log: PathBuf,
    endpoint: String,
    argv: Vec<String>,
}

impl Process {
    /// Starts `argv`, whose first word stands for the program, in the exercise's directory `root`; `endpoint` is where it
    /// will answer.
    ///
    /// # Errors
    /// When a word leads out of the exercise, or the process cannot be started.
    pub fn start(etcd: &Etcd, name: &str, argv: &[String], endpoint: &str, root: &Path) -> Result<Process> {
        if let Some(word) = allowed_flags::outside(argv, root) {
            return Err(Error::new(ErrorKind::Refused, format!("{name} was not started: {word}"))
                .why("a drill runs on loopback and inside its own directory"));
        }
        let dir = root.join("real");
        fs::create_dir_all(&dir).map_err(|e| creation_trouble("make", &dir, &e))?;
        let log = dir.join(format!("{name}.log"));
        let opened = File::options().create(true).append(true).open(&log);
        let opened = opened.map_err(|e| creation_trouble("write", &log, &e))?;
        let failed = |e: std::io::Error| Error::new(ErrorKind::Failed, format!("{name} cannot be started")).why(e);
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "requorum-drill"])
            .arg(&etcd.path)
            .args(argv.iter().skip(1))
            .env_clear()
            .current_dir(root)
            // Ctrl-C in the terminal is requorum's to answer
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(opened)
            .spawn()
            .map_err(failed)?;
        let line = keeper.stdin.take();
        let mut told = String::new();
        if let Some(out) = keeper.stdout.take() {
            BufReader::new(out).read_line(&mut told).map_err(failed)?;
        }
        let pid =
            told.trim().parse().map_err(|_| Error::new(ErrorKind::Failed, format!("{name} cannot be started")))?;
        let (endpoint, argv) = (endpoint.to_string(), argv.to_vec());
        Ok(Process { keeper: Mutex::new((keeper, line)), pid, log, endpoint, argv })
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The client URL at which it answers.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The command, `etcd` first.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// Once it has ended: the last that it said.
    pub fn ended(&self) -> Option<String> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let over = keeper.0.try_wait().is_ok_and(|status| status.is_some());
        over.then(|| {
            let log = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
            log.lines().next_back().unwrap_or_default().to_string()
        })
    }

    /// Asks it to end, as a service manager does, and sees to it that it has.
    pub fn stop(&self) {
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
            && self.ended().is_none()
        {
            let _ = kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + GRACE;
        while self.ended().is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    fn kill(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.1 = None;
        let _ = keeper.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
