//! `requorum bench`: how fast is it here, side by side with etcdutl?

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
    after_help = "Runs alternate; ratios are medians over runs that stood beside each other. Everything made is removed again."
)]
pub(in crate::cli) struct BenchArgs {
    /// How big the made-up snapshots are: bytes, or with K, M or G behind (1G is 10^9 bytes).
    #[arg(long, default_value = "1G", value_name = "BYTES", value_parser = size)]
    size: u64,
    /// Where to work; six times the size has to be free there.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// The etcdutl to run beside it [default: the one in PATH, if there is one].
    #[arg(long, value_name = "PATH")]
    etcdutl: Option<PathBuf>,
    /// Runs of each program in each race.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Seconds after which a race ends with fewer runs.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    patience: u64,
    /// Only write one snapshot to FILE: big-values, small-keys or half-free.
    #[arg(long, value_name = "SHAPE", requires = "files")]
    generate: Option<Shape>,
    /// Only do one part of the work with FILE: read, walk, or copy to the directories named after it.
    #[arg(long, value_name = "PROBE", requires = "files", conflicts_with = "generate", hide = true)]
    probe: Option<Probe>,
    /// The file for --generate.
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
        _ => Err(Error::new(ErrorKind::Usage, "FILE goes with --generate, and there is one of it")),
    }
}

fn race(args: &BenchArgs) -> Result<()> {
    let etcdutl = args.etcdutl.clone().or_else(|| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).map(|dir| dir.join("etcdutl")).find(|file| file.is_file())
    });
    if etcdutl.is_none() {
        warn("Note: no etcdutl in PATH; name one with --etcdutl to have it beside.");
    }
    let parent = absolute(&args.dir)?;
    let made = tempfile::Builder::new().prefix("requorum-bench-").tempdir_in(&parent);
    let dir = made.map_err(|e| io_trouble("write to", &parent, &e))?;
    let options = Options {
        requorum: env::current_exe().map_err(|e| Error::new(ErrorKind::Failed, "cannot find this program").why(e))?,
        etcdutl: etcdutl.map(|path| absolute(&path)).transpose()?,
        dir: dir.path().into(),
        size: args.size,
        rounds: args.runs,
        patience: Duration::from_secs(args.patience),
    };
    let table = interruptible(|cancel| bench(&options, &mut |_| cancel.flow()))?;
    print(&table)
}

/// `1G`, `300M`, `64K` or plain bytes.
fn size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match text.get(digits.len()..) {
        Some("K") => 1000,
        Some("M") => 1_000_000,
        Some("G") => 1_000_000_000,
        Some("") => 1,
        _ => return Err("one of K, M and G may stand behind the number".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "it has to be a whole number")?;
    number.checked_mul(unit).ok_or_else(|| "it is too large".into())
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
