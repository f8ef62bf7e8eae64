//! `requorum bench`: measures status and restore on this machine, compared with etcdutl.

use std::{
    env,
    fs::{self, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use crate::cli::{
    absolute, note,
    output::progress::{Meter, interruptible},
    print, warn,
};
use crate::{
    engine::{
        bench::{
            Options, bench,
            generate::{Shape, generate},
            probe::{Probe, fits},
            report::{Report, regressions},
        },
        source::io_trouble,
    },
    error::{Error, ErrorKind, Result},
    text::{Shown, number::count},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Runs alternate; ratios are medians over adjacent runs. All files made for it are removed at the end."
)]
pub(in crate::cli) struct BenchArgs {
    /// Size of the generated snapshots: bytes, or with suffix K, M or G
    ///
    /// 1G is 10^9 bytes. With several, separated by commas, everything is measured at each of them in turn.
    #[arg(long, default_value = "1G", value_name = "BYTES", value_parser = size, value_delimiter = ',')]
    size: Vec<u64>,
    /// Working directory; needs six times the largest size in free space
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The etcdutl to compare with [default: the one in PATH, if any]
    #[arg(long, value_name = "PATH")]
    etcdutl: Option<PathBuf>,
    /// Runs of each program in each comparison
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds after which a comparison ends with fewer runs
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    patience: u64,
    /// Print the report as one JSON value instead of the table
    #[arg(long)]
    json: bool,
    /// Append the report to FILE and show regressions against earlier ones
    ///
    /// FILE has one JSON value a line. Only reports of the same machine are compared, by the ratio to etcdutl where there is one. What
    /// is more than a tenth above the median of the earlier reports is a regression.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    history: Option<PathBuf>,
    /// Only write one snapshot to FILE: big-values, small-keys, half-free
    #[arg(long, value_name = "SHAPE", requires = "files")]
    generate: Option<Shape>,
    /// Only do one part of the work with FILE: read, walk or copy
    ///
    /// copy writes to the directories named after FILE.
    #[arg(long, value_name = "PROBE", requires = "files", conflicts_with = "generate", hide = true)]
    probe: Option<Probe>,
    /// The file for --generate
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(in crate::cli) fn run(args: &BenchArgs) -> Result<()> {
    match (args.generate, args.probe, args.files.as_slice()) {
        (Some(shape), _, [file]) => interruptible(|cancel| {
            let mut meter = Meter::new(cancel.clone());
            let size = args.size.first().copied().unwrap_or_default();
            let made = generate(shape, size, file, &mut |step| meter.step("", step));
            meter.done();
            made
        }),
        (None, Some(probe), [file, targets @ ..]) => {
            fits(probe, targets)?;
            probe.run(file, targets)
        }
        (None, None, []) => race(args),
        _ => Err(Error::new(ErrorKind::Usage, "FILE: exactly one is required, and only with --generate")),
    }
}

fn race(args: &BenchArgs) -> Result<()> {
    let etcdutl = args.etcdutl.clone().or_else(|| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).map(|dir| dir.join("etcdutl")).find(|file| file.is_file())
    });
    if etcdutl.is_none() {
        note("no etcdutl in PATH; name one with --etcdutl to compare with it.");
    }
    let parent = absolute(&args.dir)?;
    let made = tempfile::Builder::new().prefix("requorum-bench-").tempdir_in(&parent);
    let dir = made.map_err(|e| io_trouble("write to", &parent, &e))?;
    let options = Options {
        requorum: env::current_exe()
            .map_err(|e| Error::new(ErrorKind::Failed, "requorum: cannot find its own executable").why(e))?,
        etcdutl: etcdutl.map(|path| absolute(&path)).transpose()?,
        dir: dir.path().into(),
        sizes: args.size.clone(),
        rounds: args.runs,
        patience: Duration::from_secs(args.patience),
    };
    // Read first: a history that cannot be read or written is known before minutes of measuring.
    let earlier = args.history.as_deref().map(read_history).transpose()?.unwrap_or_default();
    let mut show = |part: &str| if args.json { Ok(()) } else { print(part) };
    let races = interruptible(|cancel| bench(&options, &mut show, &mut |_| cancel.flow()))?;
    let report = Report {
        version: 1,
        time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        requorum: env!("CARGO_PKG_VERSION").into(),
        etcdutl: options.etcdutl.as_deref().and_then(etcdutl_version),
        machine: machine(),
        races,
    };
    let line = serde_json::to_string(&report).map_err(|e| Error::new(ErrorKind::Bug, "the report").why(e))?;
    if args.json {
        print(&format!("{line}\n"))?;
    }
    if let Some(path) = &args.history {
        append(path, &line)?;
        regressions(&report, &earlier).iter().for_each(|found| warn(&found.line()));
    }
    Ok(())
}

/// The reports of earlier runs; none where the file does not exist yet, which is created then.
fn read_history(path: &Path) -> Result<Vec<Report>> {
    let mut text = String::new();
    let open = OpenOptions::new().read(true).append(true).create(true).open(path);
    open.and_then(|mut file| file.read_to_string(&mut text)).map_err(|e| io_trouble("read", path, &e))?;
    let wrong = |number: usize, why: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Input, format!("{}: line {number} is not a report of bench", path.shown())).why(why)
    };
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| match serde_json::from_str::<Report>(line) {
            Ok(report) if report.version == 1 => Ok(report),
            Ok(report) => Err(wrong(number, &format!("its format is version {}", report.version))),
            Err(e) => Err(wrong(number, &e)),
        })
        .collect()
}

fn append(path: &Path, line: &str) -> Result<()> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| writeln!(file, "{line}")).map_err(|e| io_trouble("write to", path, &e))
}

/// The first line of `etcdutl version`.
fn etcdutl_version(etcdutl: &Path) -> Option<String> {
    let output = Command::new(etcdutl).arg("version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_string)
}

/// The processor and the number of its cores that this process may use.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {}", count(cores as u64, "core", "cores"))
}

/// Parses a size: `1G`, `300M`, `64K` or plain bytes.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match text.get(digits.len()..) {
        Some("K") => 1000,
        Some("M") => 1_000_000,
        Some("G") => 1_000_000_000,
        Some("") => 1,
        _ => return Err("the only suffixes are K, M and G".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "not a whole number")?;
    number.checked_mul(unit).ok_or_else(|| "number too large".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("1G", 1_000_000_000), ("64K", 64_000), ("512", 512), ("0", 0)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for wrong in ["", "G", "1GG", "1T", "-1", "1.5G", "99999999999G"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
