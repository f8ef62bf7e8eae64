//! `requorum v2 list|export`: the keys of the v2 store, which no snapshot holds.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::cli::{Format, note, print, print_json, typed_dir, warn};
use crate::{
    bbolt::WriteAt,
    engine::{datadir::v2keys, durable_fs::Disk, install::staging, source::creation_trouble},
    error::{Error, ErrorKind, Result},
    text::Shown,
};

const ABOUT: &str = "\
etcd up to 3.5 may have two stores: the v3 store, which snapshots hold, and, with --enable-v2, the v2 store, which they \
do not. What clients wrote to /v2/keys is lost in a restore unless it is exported first, from the data directory of a \
member that had it.";

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List the keys of the v2 store, one per line
    #[command(long_about = ABOUT)]
    List(Args),
    /// Export the v2 store's keys and values, one JSON object per line
    #[command(long_about = ABOUT, after_help = EXPORT)]
    Export {
        #[command(flatten)]
        args: Args,
        /// The new file [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

const EXPORT: &str = "\
Each line has key, value (or dir), createdIndex, modifiedIndex and, where the key expires, expiration. This writes one \
back to a new cluster that still has the v2 store; only the two indexes are lost:

  curl http://HOST:2379/v2/keys/KEY -XPUT --data-urlencode value=VALUE -d ttl=SECONDS

The directory is only read. It may belong to a running etcd; the export may then be a moment old.";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Data directory of a member, which contains member/
    data_dir: PathBuf,
    /// WAL directory, if etcd was started with --wal-dir
    #[arg(long, value_name = "DIR")]
    wal_dir: Option<PathBuf>,
}

pub(in crate::cli) fn run(command: &Command, format: Format) -> Result<()> {
    let (args, output) = match command {
        Command::List(args) => (args, None),
        Command::Export { args, output } => (args, output.as_deref()),
    };
    typed_dir(&args.data_dir, "the data directory")?;
    args.wal_dir.as_deref().map_or(Ok(()), |dir| typed_dir(dir, "--wal-dir").map(|_| ()))?;
    let keys = v2keys::read(&args.data_dir, args.wal_dir.as_deref())?;
    if let Some(torn) = &keys.torn {
        note(&format!("the last WAL record is incomplete and is ignored, as etcd does ({torn})."));
    }
    warn(&format!("{}: {}", args.data_dir.shown(), keys.summary()));
    match (command, output) {
        (Command::List(_), _) if format != Format::Json => print(&keys.list()),
        (_, None) => print_json(&keys.json_lines()),
        (_, Some(path)) => write_new(path, &keys.json_lines()),
    }
}

/// Writes a new file that only its owner may read: values may be secrets.
fn write_new(path: &Path, text: &str) -> Result<()> {
    let disk = Disk::default();
    let file = disk.create(path, 0o600).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Input, format!("{}: file exists", path.shown()))
            .why("requorum never overwrites a file")
            .hint("Choose another name, or move the file away."),
        _ => creation_trouble("write", path, &e),
    })?;
    let written = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.sync_data());
    if let Err(e) = written {
        // Half a list would look like a whole one.
        let _ = disk.remove_file(path);
        return Err(creation_trouble("write", path, &e));
    }
    staging::sync_dir(staging::parent(path))
}
