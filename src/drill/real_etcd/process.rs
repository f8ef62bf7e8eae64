//! One real etcd process of an exercise. It never outlives the exercise: a keeper process holds the end of a pipe, and when the
//! pipe closes, by a drop, a panic, a signal or a kill of requorum itself, the keeper kills etcd by its process ID.

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

/// Starts its arguments, prints the process ID, and waits for the end of the process or of the pipe. A separate process, because
/// nothing in this one can act when it is killed.
const KEEPER: &str = r#"exec 3<&0
"$@" </dev/null >&2 3<&- & etcd=$!
echo "$etcd"
{ read -r _ <&3; kill -9 "$etcd"; } >/dev/null 2>&1 & reader=$!
exec 3<&- </dev/null
wait "$etcd"; code=$?
kill "$reader" 2>/dev/null
exit "$code""#;

/// How long etcd has to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(8);

/// A running etcd; it is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    keeper: Mutex<(Child, Option<ChildStdin>)>,
    pid: u32,
    log: PathBuf,
    endpoint: String,
    argv: Vec<String>,
}

impl Process {
    /// Starts `argv`, with the given etcd as program, in the exercise's directory `root`; `endpoint` is its client URL.
    ///
    /// # Errors
    /// If an argument leads out of the exercise, or the process cannot be started.
    pub fn start(etcd: &Etcd, name: &str, argv: &[String], endpoint: &str, root: &Path) -> Result<Process> {
        if let Some(word) = allowed_flags::outside(argv, root) {
            return Err(Error::new(ErrorKind::Refused, format!("{name}: not started, because of the argument {word}"))
                .why("a drill uses only loopback and its own directory"));
        }
        let dir = root.join("real");
        fs::create_dir_all(&dir).map_err(|e| creation_trouble("make", &dir, &e))?;
        let log = dir.join(format!("{name}.log"));
        let opened = File::options().create(true).append(true).open(&log);
        let opened = opened.map_err(|e| creation_trouble("write", &log, &e))?;
        let failed = |e: std::io::Error| Error::new(ErrorKind::Failed, format!("{name}: failed to start etcd")).why(e);
        let mut keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "requorum-drill"])
            .arg(&etcd.path)
            .args(argv.iter().skip(1))
            .env_clear()
            .current_dir(root)
            // Ctrl-C in the terminal is handled by requorum
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(opened)
            .spawn()
            .map_err(failed)?;
        let line = keeper.stdin.take();
        let mut printed = String::new();
        if let Some(out) = keeper.stdout.take() {
            BufReader::new(out).read_line(&mut printed).map_err(failed)?;
        }
        let pid = printed
            .trim()
            .parse()
            .map_err(|_| Error::new(ErrorKind::Failed, format!("{name}: failed to start etcd")))?;
        let (endpoint, argv) = (endpoint.to_string(), argv.to_vec());
        Ok(Process { keeper: Mutex::new((keeper, line)), pid, log, endpoint, argv })
    }

    /// Returns the process ID.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the client URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns the command, `etcd` first.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// Returns the last log line, once it has ended.
    pub fn ended(&self) -> Option<String> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let over = keeper.0.try_wait().is_ok_and(|status| status.is_some());
        over.then(|| {
            let log = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned();
            log.lines().next_back().unwrap_or_default().to_string()
        })
    }

    /// Stops it with SIGTERM, and with SIGKILL after a grace period.
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
