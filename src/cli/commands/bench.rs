//! `requorum bench`: measures status and restore on this machine, compared with etcdutl.

use std::{env, path::PathBuf, time::Duration};

use crate::cli::{
    absolute,
    output::progress::{Meter, interruptible},
    print, warn,
};
use crate::{
    engine::{
        bench::{
            Options, bench,
            generate::{Shape, generate},
            probe::{Probe, fits},
        },
        source::io_trouble,
    },
    error::{Error, ErrorKind, Result},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Runs alternate; ratios are medians over adjacent runs. All files made for it are removed at the end."
)]
pub(in crate::cli) struct BenchArgs {
    /// Size of the generated snapshots: bytes, or with suffix K, M or G
    ///
    /// 1G is 10^9 bytes.
    #[arg(long, default_value = "1G", value_name = "BYTES", value_parser = size)]
    size: u64,
    /// Working directory; needs six times the size in free space
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
            let made = generate(shape, args.size, file, &mut |step| meter.step("", step));
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
        warn("Note: no etcdutl in PATH; name one with --etcdutl to compare with it.");
    }
    let parent = absolute(&args.dir)?;
    let made = tempfile::Builder::new().prefix("requorum-bench-").tempdir_in(&parent);
    let dir = made.map_err(|e| io_trouble("write to", &parent, &e))?;
    let options = Options {
        requorum: env::current_exe()
            .map_err(|e| Error::new(ErrorKind::Failed, "requorum: cannot find its own executable").why(e))?,
        etcdutl: etcdutl.map(|path| absolute(&path)).transpose()?,
        dir: dir.path().into(),
        size: args.size,
        rounds: args.runs,
        patience: Duration::from_secs(args.patience),
    };
    let table = interruptible(|cancel| bench(&options, &mut |_| cancel.flow()))?;
    print(&table)
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
