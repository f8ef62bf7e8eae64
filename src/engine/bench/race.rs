//! Runs commands in turn and measures their time and peak memory.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::fs::{Advice, fadvise};
use wait4::Wait4;

use super::{
    failed,
    report::{Role, Run},
};
use crate::{
    bbolt::PageBuffer,
    engine::{
        durable_fs::Disk,
        progress::{Phase, ProgressFn},
        source::{io_trouble, step},
    },
    error::Result,
    text::Shown,
};

/// A program with its arguments, in one or more calls.
#[derive(Debug, Clone)]
pub(super) struct Entrant {
    pub name: String,
    pub role: Role,
    program: PathBuf,
    calls: Vec<Vec<String>>,
}

/// Programs that do the same work on the same file.
#[derive(Debug, Clone)]
pub(super) struct Race {
    /// The work, in a word or two.
    pub work: &'static str,
    /// The snapshot.
    pub file: PathBuf,
    /// Whether the file is dropped from the page cache before each run.
    pub cold: bool,
    /// What must run once before.
    pub before: Option<Entrant>,
    pub entrants: Vec<Entrant>,
    /// The directories that they create, removed after each run.
    pub made: Vec<PathBuf>,
}

impl Entrant {
    pub fn new(name: &str, role: Role, program: &Path, calls: Vec<Vec<String>>) -> Self {
        Self { name: name.into(), role, program: program.into(), calls }
    }

    fn run(&self) -> Result<Run> {
        let mut run = Run::default();
        for call in &self.calls {
            let mut command = Command::new(&self.program);
            command.args(call).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            let ended = command.spawn().and_then(|mut child| child.wait4()).map_err(|e| failed(&self.name, e))?;
            run.seconds += start.elapsed().as_secs_f64();
            run.cpu_seconds += ended.rusage.utime.saturating_add(ended.rusage.stime).as_secs_f64();
            run.peak_bytes = run.peak_bytes.max(ended.rusage.maxrss);
            if !ended.status.success() {
                let call = call.join(" ");
                return Err(failed(&self.name, format!("{} {call}: {}", self.program.shown(), ended.status)));
            }
        }
        Ok(run)
    }
}

impl Race {
    /// Runs rounds in which each entrant runs once, in turn: at least one, and as many as `patience` allows.
    pub fn rounds(&self, most: usize, patience: Duration, watch: &mut ProgressFn<'_>) -> Result<Vec<Vec<Run>>> {
        self.before.iter().try_for_each(|before| before.run().map(|_| ()))?;
        let (mut rounds, begun, mut longest) = (Vec::new(), Instant::now(), Duration::ZERO);
        while rounds.is_empty() || (rounds.len() < most && begun.elapsed().saturating_add(longest) <= patience) {
            let (start, mut round) = (Instant::now(), Vec::new());
            for entrant in &self.entrants {
                step(watch, Phase::Check, rounds.len() as u64, 0)?;
                self.prepare()?;
                let run = entrant.run();
                for dir in self.made.iter().filter(|dir| dir.exists()) {
                    Disk::default().remove_tree(dir).map_err(|e| io_trouble("remove", dir, &e))?;
                }
                round.push(run?);
            }
            longest = longest.max(start.elapsed());
            rounds.push(round);
        }
        Ok(rounds)
    }

    /// Reads the file into the page cache, or drops it from there.
    fn prepare(&self) -> Result<()> {
        let prepared = (|| {
            let mut file = File::open(&self.file)?;
            if self.cold {
                // Dirty pages cannot be dropped.
                file.sync_all()?;
                return Ok(fadvise(&file, 0, None, Advice::DontNeed)?);
            }
            let mut buffer = PageBuffer::new(1 << 20);
            while file.read(&mut buffer)? > 0 {}
            Ok(())
        })();
        prepared.map_err(|e| io_trouble("read", &self.file, &e))
    }
}
