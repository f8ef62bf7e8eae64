//! Benchmarks requorum against etcdutl on one machine, in one run.
//!
//! Both run as whole processes, alternating, so that a machine that slows down slows both; medians and the ratios of
//! adjacent runs are compared. A probe that only reads, or only hashes and copies, shows what the disk and the CPU allow.

pub mod generate;
pub mod probe;
mod race;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use generate::Shape;
use probe::Probe;
use race::{Entrant, Race};

use super::{
    durable_fs::Disk,
    progress::{Phase, ProgressFn},
    source::io_trouble,
};
use crate::{
    error::{Error, ErrorKind, Result},
    text::size::size,
};

/// The plan file for restoring several members.
const PLAN: &str = "plan.yaml";

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// The requorum binary.
    pub requorum: PathBuf,
    /// The etcdutl binary, if there is one.
    pub etcdutl: Option<PathBuf>,
    /// A directory for the snapshots and the restored members; the caller removes it.
    pub dir: PathBuf,
    /// Size of the snapshots in bytes.
    pub size: u64,
    /// The most rounds of each race.
    pub rounds: usize,
    /// The time for each race: no round starts that would end later.
    pub patience: Duration,
}

/// Generates the snapshots, runs the races, and returns the table.
///
/// # Errors
/// If something cannot be written or run. `Stopped`, between two runs, if `watch` returns stop.
pub fn bench(options: &Options, watch: &mut ProgressFn<'_>) -> Result<String> {
    let mut table = format!(
        "{:<38} {:<28} {:>3} {:>28} {:>8} {:>8} {:>11}\n",
        "", "", "n", "seconds, median [min..max]", "/etcdutl", "/floor", "peak memory"
    );
    let mut done = 0;
    for shape in Shape::ALL {
        let file = options.dir.join(shape.as_str());
        generate::generate(shape, options.size, &file, watch)?;
        for race in races(options, shape, &file) {
            table += &race
                .run(options, &mut |_| watch(super::progress::Progress { phase: Phase::Check, done, total: 0 }))?;
            done = done.saturating_add(1);
        }
        for file in [&file, &options.dir.join(PLAN)].into_iter().filter(|file| file.exists()) {
            Disk::default().remove_file(file).map_err(|e| io_trouble("remove", file, &e))?;
        }
    }
    Ok(table)
}

fn races(options: &Options, shape: Shape, file: &Path) -> Vec<Race> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let ours = |name: &str, args: Vec<String>| Entrant::new(name, &options.requorum, vec![args]);
    let probe = |name: &str, probe: Probe, more: &[String]| {
        let args = ["bench".into(), "--probe".into(), probe.as_str().into(), text(file)];
        ours(name, args.into_iter().chain(more.iter().cloned()).collect())
    };
    let theirs = |commands: Vec<Vec<String>>| {
        options.etcdutl.iter().map(move |path| Entrant::new("etcdutl", path, commands.clone()))
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();

    let status = words(&["snapshot", "status", &text(file), "-w", "json"]);
    let status_race = |cold: bool| Race {
        name: format!("status, {}, {}", shape.as_str(), if cold { "cold" } else { "warm" }),
        file: file.into(),
        cold,
        before: None,
        entrants: [ours("requorum", status.clone()), probe("requorum, no SHA-256", Probe::Walk, &[])]
            .into_iter()
            .chain(theirs(vec![status.clone()]))
            .chain([probe("floor: read it once", Probe::Read, &[])])
            .collect(),
        made: Vec::new(),
    };
    let made: Vec<PathBuf> = (1..=3).map(|n| options.dir.join(format!("m{n}.etcd"))).collect();
    let one = |n: usize, dir: &Path| {
        let url = format!("http://10.0.0.{n}:2380");
        let cluster = format!("m{n}={url}");
        let mut args = words(&["snapshot", "restore", &text(file), "--data-dir", &text(dir)]);
        args.extend(words(&["--name", &format!("m{n}"), "--initial-cluster", &cluster]));
        args.extend(words(&["--initial-advertise-peer-urls", &url, "--initial-cluster-token", "bench"]));
        args
    };
    let restores = |count: usize| {
        let targets = made.iter().take(count);
        let commands: Vec<Vec<String>> = targets.clone().zip(1..).map(|(dir, n)| one(n, dir)).collect();
        let copies: Vec<String> = targets.map(|dir| text(dir)).collect();
        // Several members are one plan; etcdutl has no plans and is run once for each.
        let (before, own) = match count {
            1 => (None, commands.clone()),
            _ => {
                let plan = text(&options.dir.join(PLAN));
                let cluster: Vec<String> = (1..=count).map(|n| format!("m{n}=http://10.0.0.{n}:2380")).collect();
                let mut args = words(&["plan", "--snapshot", &text(file), "--data-root", &text(&options.dir)]);
                args.extend(words(&["--initial-cluster", &cluster.join(","), "--label", "bench", "-o", &plan]));
                (Some(ours("requorum plan", args)), vec![words(&["restore", &plan])])
            }
        };
        Race {
            name: format!("restore x{count}, {}, warm", shape.as_str()),
            file: file.into(),
            cold: false,
            before,
            entrants: [Entrant::new("requorum", &options.requorum, own)]
                .into_iter()
                .chain(theirs(commands))
                .chain([probe("floor: hash, copy, fsync", Probe::Copy, &copies)])
                .collect(),
            made: made.clone(),
        }
    };
    match shape {
        Shape::BigValues => vec![status_race(false), status_race(true), restores(1), restores(3)],
        Shape::SmallKeys => vec![status_race(false), status_race(true), restores(1)],
        Shape::HalfFree => vec![status_race(false), restores(1)],
    }
}

impl Race {
    /// Runs it and returns its lines of the table.
    fn run(&self, options: &Options, watch: &mut ProgressFn<'_>) -> Result<String> {
        let runs = self.rounds(options.rounds, options.patience, watch)?;
        let column = |prefix: &str| self.entrants.iter().position(|entrant| entrant.name.starts_with(prefix));
        let mut lines = String::new();
        for (at, entrant) in self.entrants.iter().enumerate() {
            let seconds = |at: usize| runs.iter().filter_map(move |round| Some(round.get(at)?.wall.as_secs_f64()));
            let ratio = |to: Option<usize>| match to.filter(|to| *to != at) {
                Some(to) => format!("{:.2}", median(seconds(at).zip(seconds(to)).map(|(a, b)| a / b).collect())),
                None => String::new(),
            };
            let (least, most) = seconds(at).fold((f64::MAX, 0f64), |(least, most), s| (least.min(s), most.max(s)));
            let peak = runs.iter().filter_map(|round| round.get(at)).map(|run| run.peak).max().unwrap_or_default();
            let time = format!("{:.2} [{least:.2}..{most:.2}]", median(seconds(at).collect()));
            let (first, n) = (if at == 0 { self.name.as_str() } else { "" }, runs.len());
            let _ = writeln!(
                lines,
                "{first:<38} {:<28} {n:>3} {time:>28} {:>8} {:>8} {:>11}",
                entrant.name,
                ratio(column("etcdutl")),
                ratio(column("floor")),
                size(peak),
            );
        }
        Ok(lines)
    }
}

/// Returns the median; of an even number of values, the mean of the middle two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |at: usize| values.get(at).copied().unwrap_or_default();
    f64::midpoint(at(values.len().saturating_sub(1) / 2), at(values.len() / 2))
}

/// Returns the error for a command that failed.
fn failed(name: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, format!("{name}: benchmark failed")).why(why)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::progress::Flow;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    /// With `true` in place of both programs: the races, their order and the table.
    #[test]
    fn the_table_is_complete_and_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            requorum: "/bin/true".into(),
            etcdutl: Some("/bin/true".into()),
            dir: dir.path().into(),
            size: 1 << 20,
            rounds: 2,
            patience: Duration::from_secs(5),
        };
        let table = bench(&options, &mut |_| Flow::Go).unwrap();
        for line in [
            "status, big-values, cold",
            "restore x3, big-values, warm",
            "status, small-keys, warm",
            "restore x1, half-free",
        ] {
            assert!(table.contains(line), "{line} is not in\n{table}");
        }
        assert_eq!(table.lines().filter(|line| line.contains(" etcdutl ")).count(), 9, "{table}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let wrong = Options { requorum: "/bin/false".into(), ..options };
        let trouble = bench(&wrong, &mut |_| Flow::Go).unwrap_err();
        assert!(trouble.kind == ErrorKind::Failed, "{trouble}");
    }
}
