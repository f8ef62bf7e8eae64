//! Benchmarks requorum against etcdutl on one machine, in one run.
//!
//! Both run as whole processes, alternating, so that a machine that slows down slows both; medians and the ratios of
//! adjacent runs are compared. A probe that only reads, or only hashes and copies, shows what the disk and the CPU allow.

pub mod generate;
pub mod probe;
mod race;
pub mod report;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use generate::Shape;
use probe::Probe;
use race::{Entrant, Race};
use report::{RaceReport, Role, heading, lines};

use super::{
    durable_fs::Disk,
    progress::{Phase, ProgressFn},
    source::io_trouble,
};
use crate::error::{Error, ErrorKind, Result};

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
    /// Sizes of the snapshots in bytes.
    pub sizes: Vec<u64>,
    /// The most rounds of each race.
    pub rounds: usize,
    /// The time for each race: no round starts that would end later.
    pub patience: Duration,
}

/// Generates the snapshots and runs the races. Passes each part of the table to `show` as soon as it is known.
///
/// # Errors
/// If something cannot be written or run. `Stopped`, between two runs, if `watch` returns stop.
pub fn bench(
    options: &Options,
    show: &mut dyn FnMut(&str) -> Result<()>,
    watch: &mut ProgressFn<'_>,
) -> Result<Vec<RaceReport>> {
    show(&heading())?;
    let mut reports = Vec::new();
    for (shape, size) in Shape::ALL.into_iter().flat_map(|shape| options.sizes.iter().map(move |size| (shape, *size))) {
        let file = options.dir.join(shape.as_str());
        generate::generate(shape, size, &file, watch)?;
        for race in races(options, shape, &file) {
            let done = reports.len() as u64;
            let mut watch = |_| watch(super::progress::Progress { phase: Phase::Check, done, total: 0 });
            let rounds = race.rounds(options.rounds, options.patience, &mut watch)?;
            let entrants: Vec<(String, Role)> = race.entrants.iter().map(|e| (e.name.clone(), e.role)).collect();
            let report = RaceReport::new((race.work, shape.as_str(), size, race.cold), &entrants, &rounds);
            show(&lines(&report))?;
            reports.push(report);
        }
        for file in [&file, &options.dir.join(PLAN)].into_iter().filter(|file| file.exists()) {
            Disk::default().remove_file(file).map_err(|e| io_trouble("remove", file, &e))?;
        }
    }
    Ok(reports)
}

fn races(options: &Options, shape: Shape, file: &Path) -> Vec<Race> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let ours = |args: Vec<String>| Entrant::new("requorum", Role::Requorum, &options.requorum, vec![args]);
    let probe = |name: &str, role: Role, probe: Probe, more: &[String]| {
        let args = ["bench".into(), "--probe".into(), probe.as_str().into(), text(file)];
        Entrant::new(name, role, &options.requorum, vec![args.into_iter().chain(more.iter().cloned()).collect()])
    };
    let theirs = |commands: Vec<Vec<String>>| {
        options.etcdutl.iter().map(move |path| Entrant::new("etcdutl", Role::Etcdutl, path, commands.clone()))
    };
    let read_once = || probe("floor: read it once", Role::Floor, Probe::Read, &[]);
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();

    let status = words(&["snapshot", "status", &text(file), "-w", "json"]);
    let status_race = |cold: bool| Race {
        work: "status",
        file: file.into(),
        cold,
        before: None,
        entrants: [ours(status.clone()), probe("requorum, no SHA-256", Role::Part, Probe::Walk, &[])]
            .into_iter()
            .chain(theirs(vec![status.clone()]))
            .chain([read_once()])
            .collect(),
        made: Vec::new(),
    };
    // What else reads the whole file; etcdutl has only one of them.
    let reads = |work: &'static str, own: &[&str], other: Option<&[&str]>| Race {
        work,
        file: file.into(),
        cold: false,
        before: None,
        entrants: [ours(words(own))]
            .into_iter()
            .chain(other.into_iter().flat_map(|args| theirs(vec![words(args)])))
            .chain([read_once()])
            .collect(),
        made: Vec::new(),
    };
    let path = text(file);
    let inspect = || reads("inspect", &["snapshot", "inspect", &path, "-w", "json"], None);
    let hashkv = || reads("hashkv", &["hashkv", &path, "-w", "json"], Some(&["hashkv", &path, "-w", "json"]));
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
                (Some(ours(args)), vec![words(&["restore", &plan])])
            }
        };
        Race {
            work: if count == 1 { "restore x1" } else { "restore x3" },
            file: file.into(),
            cold: false,
            before,
            entrants: [Entrant::new("requorum", Role::Requorum, &options.requorum, own)]
                .into_iter()
                .chain(theirs(commands))
                .chain([probe("floor: hash, copy, fsync", Role::Floor, Probe::Copy, &copies)])
                .collect(),
            made: made.clone(),
        }
    };
    match shape {
        Shape::BigValues => vec![status_race(false), status_race(true), inspect(), hashkv(), restores(1), restores(3)],
        Shape::SmallKeys => vec![status_race(false), status_race(true), inspect(), hashkv(), restores(1)],
        Shape::HalfFree => vec![status_race(false), restores(1)],
    }
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

    /// With `true` in place of both programs: the races, their order and the table.
    #[test]
    fn the_table_is_complete_and_files_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options {
            requorum: "/bin/true".into(),
            etcdutl: Some("/bin/true".into()),
            dir: dir.path().into(),
            sizes: vec![1 << 20],
            rounds: 2,
            patience: Duration::from_secs(5),
        };
        let mut table = String::new();
        let mut show = |part: &str| {
            table += part;
            Ok(())
        };
        let reports = bench(&options, &mut show, &mut |_| Flow::Go).unwrap();
        let done: Vec<(&str, &str, bool)> =
            reports.iter().map(|race| (race.work.as_str(), race.shape.as_str(), race.cold)).collect();
        for race in [
            ("status", "big-values", true),
            ("restore x3", "big-values", false),
            ("status", "small-keys", false),
            ("restore x1", "half-free", false),
        ] {
            assert!(done.contains(&race), "{race:?} is not in {done:?}");
        }
        let with = |role| reports.iter().filter(|race| race.entrants.iter().any(|e| e.role == role)).count();
        assert_eq!((with(Role::Requorum), with(Role::Etcdutl), with(Role::Floor)), (13, 11, 13));
        let lines = reports.iter().map(|race| race.entrants.len()).sum::<usize>();
        assert_eq!(table.lines().count(), lines + 1, "{table}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let wrong = Options { requorum: "/bin/false".into(), ..options };
        let trouble = bench(&wrong, &mut |_| Ok(()), &mut |_| Flow::Go).unwrap_err();
        assert!(trouble.kind == ErrorKind::Failed, "{trouble}");
    }
}
