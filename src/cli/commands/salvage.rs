//! `requorum salvage`: a snapshot from the files of dead members, where etcd does not start and no good backup exists.

use std::path::PathBuf;

use crate::cli::{
    Format, absolute,
    output::progress::{Meter, interruptible},
    print_done, print_json, typed_dir,
};
use crate::{
    engine::{
        durable_fs::Disk,
        salvage::{self, REPORT, Spec, write::joined},
    },
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    text::{Shown, size::size},
};

const AFTER: &str = "\
What it reads:
  Each DIR is the data directory of a member (it contains member/). A separate WAL directory, or a directory with a
  database alone, is given as a DIR of its own. Give all that you have: learners' and removed members' too.
  Nothing in them is changed. An etcd that runs on one must be stopped first.

What it does:
  It takes the database from which the log leads furthest, or none where the log has every entry, and applies the log
  to it as etcd does. Of several logs it follows the one that raft would elect, and fills gaps from the others.
  A flipped bit is repaired by the checksum; a damaged record is passed over where nothing after it depends on it.

What you get:
  OUT.db, an ordinary snapshot with its SHA-256: plan, apply and verify work on it unchanged.
  OUT.db.report, what it holds, from where, and what is missing (also as OUT.db.report.json, and with -w json).

Examples:
  requorum salvage /var/lib/etcd -o rescued.db
  requorum salvage m1/ m2/ m3/ -o rescued.db           three directories prove that no acknowledged write is missing
  requorum salvage m1/ --older-snapshot weekly.db -o rescued.db
                                                       the database is gone; a backup is rolled forward by the log

Next steps:
  requorum snapshot inspect OUT.db
  requorum plan --help";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Args {
    /// Data directories or WAL directories of members of one cluster
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// The snapshot to create
    #[arg(short, long, value_name = "OUT.db")]
    output: PathBuf,
    /// An older snapshot of the same cluster to apply the log to; repeatable
    #[arg(long, value_name = "FILE")]
    older_snapshot: Vec<PathBuf>,
    /// Leave out entries that no member recorded as committed
    ///
    /// They may have been acknowledged: the record of what is committed lags. Without this flag they are kept.
    #[arg(long)]
    committed_only: bool,
    /// Patch version of the etcd that wrote the logs, such as 3.5.21
    ///
    /// No file records it. It matters only where the report says so.
    #[arg(long, value_name = "X.Y.Z")]
    etcd_version: Option<String>,
}

/// Parses `3.5.21`.
fn version(text: &str) -> Result<(Minor, u32)> {
    let patch =
        text.rsplit_once('.').filter(|(minor, _)| minor.contains('.')).and_then(|(_, patch)| patch.parse().ok());
    let wrong = |why: &str| Error::new(ErrorKind::Usage, "--etcd-version: invalid value").why(why);
    let minor = text.parse().map_err(|why: String| wrong(&why))?;
    Ok((minor, patch.ok_or_else(|| wrong("a patch version is needed, such as 3.5.21"))?))
}

pub(in crate::cli) fn run(args: &Args, format: Format) -> Result<()> {
    let mut dirs = Vec::new();
    for dir in &args.dirs {
        let dir = typed_dir(dir, "DIR")?;
        if dirs.contains(&dir) {
            return Err(Error::new(ErrorKind::Usage, format!("{}: given twice", dir.shown())));
        }
        dirs.push(dir);
    }
    let older = args.older_snapshot.iter().map(|file| absolute(file)).collect::<Result<_>>()?;
    let output = absolute(&args.output)?;
    if let Some(dir) = dirs.iter().find(|dir| output.starts_with(dir)) {
        return Err(Error::new(ErrorKind::Usage, format!("{}: inside {}", output.shown(), dir.shown()))
            .why("what is salvaged from is only read")
            .hint("Choose another directory for the snapshot."));
    }
    let version = args.etcd_version.as_deref().map(version).transpose()?;
    let spec = Spec { dirs, older, output, committed_only: args.committed_only, version };
    let report = interruptible(|cancel| {
        let mut meter = Meter::new(cancel.clone());
        let report = salvage::salvage(&spec, &Disk::default(), &mut |step| meter.step("", step));
        meter.done();
        report
    })?;
    if format == Format::Json {
        return print_json(&(serde_json::to_string(&report).unwrap_or_default() + "\n"));
    }
    let paper = PathBuf::from(joined(report.file.as_os_str(), REPORT));
    print_done(&format!(
        "{}\nSnapshot: {} ({}, SHA-256 verified)\nReport:   {}\n",
        report.text(),
        report.file.shown(),
        size(report.bytes),
        paper.shown()
    ))
}
