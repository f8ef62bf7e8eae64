//! `requorum snapshot save|list|fetch|status|inspect|keys|compare|restore`: etcdctl's and etcdutl's commands with their flags.

use crate::domain::members::{cell, validate};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{inspect, plan::overridden};
use crate::cli::{
    Format, absolute,
    args::connection_args,
    detail, note,
    output::progress::{Meter, interruptible},
    print, print_done, print_json, refuse_problems, typed_dir, warn,
};
use crate::{
    cli::output::remedies,
    domain::{
        members::{
            build_plan::brought,
            cell::Row,
            table::{self, Column, Problem},
            token::Shared,
        },
        model::{
            observations::{Content, FileFacts, Health},
            old_cluster::{Endpoint, EndpointKind as DoorKind, Old, ProbeResult},
            revisions,
            source_ref::ObjectUrl,
        },
        sources::revision_bump::DOCUMENTED,
    },
    engine::{
        install,
        progress::Phase,
        restore::{RestoreSpec, Tools, initial_log::InitialLog},
        scan::{row_scan::accept_hint, snapshot_members},
        source::trailer::Extra,
    },
    error::{Error, ErrorKind, Remedy, Result},
    etcd::{membership::Id, version::Minor},
    system::{etcd_client::Members, object_store},
    text::{
        Shown,
        columns::{self, Align},
        join::all,
        size::size,
    },
};

#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Save a snapshot from one member; no quorum is needed
    Save {
        /// The new file
        file: PathBuf,
        #[command(flatten)]
        connect: connection_args::ConnectArgs,
    },
    /// List the snapshots in an object store
    ///
    /// Credentials come from the variables and profiles of the AWS command line.
    List {
        /// s3://BUCKET/PREFIX
        url: String,
    },
    /// Download a snapshot from an object store and verify it
    ///
    /// An interrupted download is resumed.
    Fetch {
        /// s3://BUCKET/KEY
        url: String,
        /// The new file
        file: PathBuf,
    },
    /// Print what snapshot files hold and whether they are intact
    ///
    /// Every page and row is read.
    Status {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// List what a file holds: members, leases, users, keys by prefix
    Inspect(inspect::InspectArgs),
    /// List the keys in a file
    Keys(inspect::KeysArgs),
    /// Compare two files: whether they share a history, which keys differ
    Compare(inspect::CompareArgs),
    /// Restore one member's data directory from a snapshot
    Restore(Box<RestoreArgs>),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Restore every member from the same file, with the same --initial-cluster and \
--initial-cluster-token. To restore all members at once, write a plan: requorum plan --help")]
pub(in crate::cli) struct RestoreArgs {
    /// The snapshot
    file: PathBuf,
    /// Name of the member
    #[arg(long, default_value = "default")]
    name: String,
    /// All members: NAME=PEER-URL,NAME=PEER-URL,…
    #[arg(long, default_value = "default=http://localhost:2380")]
    initial_cluster: String,
    /// Cluster token: the same on every host, new for each attempt
    #[arg(long)]
    initial_cluster_token: Option<String>,
    /// Peer URLs of the member
    #[arg(long, default_value = "http://localhost:2380")]
    initial_advertise_peer_urls: String,
    /// Data directory to create [default: NAME.etcd]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// WAL directory, if separate [default: DATA-DIR/member/wal]
    #[arg(long)]
    wal_dir: Option<PathBuf>,
    /// Accept a file whose SHA-256 trailer is missing or wrong
    ///
    /// For example a copy of member/snap/db.
    #[arg(long)]
    skip_hash_check: bool,
    /// Revision bump: start this many revisions later
    ///
    /// Clients that know later revisions then list again.
    #[arg(long, default_value_t = 0, value_name = "N")]
    bump_revision: u64,
    /// Mark all up to the bumped revision as compacted, so watchers relist
    #[arg(long)]
    mark_compacted: bool,
    /// Accepted for compatibility with etcdutl; has no effect
    #[arg(long, hide = true, default_value_t = 0)]
    initial_memory_map_size: u64,
    /// etcd version that will run on it: 3.4, 3.5, 3.6 or 3.7
    ///
    /// The default is the format of 3.5, which 3.4 to 3.7 can start from.
    #[arg(long, value_name = "VERSION")]
    etcd_version: Option<Minor>,
    #[command(flatten)]
    options: crate::cli::args::restore_args::OptionArgs,
    /// Override a refusal by the text that it names; repeatable
    ///
    /// Refused are IDs of the snapshot's own cluster, and of a cluster that answers at the peer URLs.
    #[arg(long = "override", value_name = "TEXT")]
    overrides: Vec<String>,
    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

pub(in crate::cli) fn run(command: Command, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    match command {
        Command::Save { file, connect } => save(&file, &connect.or(outer)),
        Command::List { url } => list(&url, format),
        Command::Fetch { url, file } => fetch(&url, &file),
        Command::Status { files } => inspect::status(&files, format),
        Command::Inspect(args) => inspect::inspect(&args, format),
        Command::Keys(args) => inspect::keys(&args, format),
        Command::Compare(args) => inspect::compare(&args, format),
        Command::Restore(args) => restore_one(&args, &args.connect.clone().or(outer)),
    }
}

/// How long a member may be silent before that is reported.
const QUIET: Duration = Duration::from_secs(2);

fn save(file: &std::path::Path, connect: &connection_args::ConnectArgs) -> Result<()> {
    let endpoints = connect.endpoints();
    let endpoint = match endpoints.as_slice() {
        [] => connection_args::DEFAULT_ENDPOINT.to_string(),
        [one] => one.clone(),
        many => {
            return Err(Error::new(ErrorKind::Usage, format!("--endpoints: {} were given", many.len()))
                .why("a snapshot is one member's state")
                .hint("Choose one with --endpoints; `requorum probe` shows which has the highest revision."));
        }
    };
    let members: Members = connect.members()?;
    // the default is this machine, which is what is meant where nothing else is named
    members.name_endpoints(std::slice::from_ref(&endpoint));
    detail(&format!("asking {endpoint} for its snapshot"));
    let limit = members.idle_timeout();
    let facts = interruptible(|cancel| {
        let mut meter = Meter::new(cancel.clone());
        let mut wait = Some(Instant::now());
        let facts = members
            .save_snapshot(&endpoint, file, &mut |step| {
                let silent = step.phase == Phase::Receive && step.done == 0;
                if silent && wait.is_some_and(|since| since.elapsed() > QUIET) {
                    wait = None;
                    meter.done();
                    note(&format!("{endpoint} has sent nothing yet; waiting for it at most {} s.", limit.as_secs()));
                }
                meter.step("", step)
            })
            .and_then(|_| crate::engine::scan::examine::examine(file, &mut |step| meter.step("", step)));
        meter.done();
        facts
    })?;
    let what = trusted(file, &facts, "saved", "The file is as the member sent it. Try another member.")?;
    print_done(&format!("Snapshot saved at {} ({}, {what})\n", file.shown(), size(facts.bytes)))
}

/// Returns what was verified of a file that was received; `came` is how.
fn trusted<'a>(file: &std::path::Path, facts: &'a FileFacts, came: &str, hint: &str) -> Result<&'a str> {
    match &facts.health {
        Health::Verified => Ok("SHA-256 and pages verified"),
        Health::Unhashed => Ok("no SHA-256 trailer; pages verified"),
        Health::Unread => Ok("not read"),
        Health::Packed(how) => Ok(how.as_str()),
        Health::Limited(damage) => Err(Error::new(ErrorKind::Input, format!("{}: {came}, but damaged", file.shown()))
            .why(&damage.why)
            .hint(accept_hint(damage.revision))
            .remedies(&[Remedy::AcceptDamage { revision: damage.revision }])),
        Health::Broken(why) | Health::Unreadable(why) => {
            Err(Error::new(ErrorKind::Input, format!("{}: {came}, but verification failed", file.shown()))
                .why(why)
                .hint(hint))
        }
    }
}

fn list(url: &str, format: Format) -> Result<()> {
    let objects = object_store::Store::from_environment()?.list(&ObjectUrl::new(url)?)?;
    let when = |object: &object_store::Object| object.modified.map(super::plan::timestamp).unwrap_or_default();
    if format == Format::Json {
        let list: Vec<serde_json::Value> = objects
            .iter()
            .map(|o| serde_json::json!({"url": o.url, "bytes": o.bytes, "modified": o.modified.map(super::plan::timestamp)}))
            .collect();
        return print_json(&format!("{}\n", serde_json::Value::from(list)));
    }
    let rows: Vec<[String; 3]> = objects.iter().map(|o| [size(o.bytes), when(o), o.url.clone()]).collect();
    print(&columns::rows(&rows, [Align::Right, Align::Left, Align::Left]))
}

fn fetch(url: &str, file: &std::path::Path) -> Result<()> {
    let from = ObjectUrl::new(url)?;
    let store = object_store::Store::from_environment()?;
    let facts = interruptible(|cancel| {
        let mut meter = Meter::new(cancel.clone());
        let facts = store
            .fetch(&from, file, &mut |step| meter.step("", step))
            .and_then(|_| crate::engine::scan::examine::examine(file, &mut |step| meter.step("", step)));
        meter.done();
        facts
    })?;
    let what = trusted(file, &facts, "downloaded", "The file is as the store has it. Try another snapshot.")?;
    print_done(&format!("Downloaded {} to {} ({}, {what})\n", from.as_str(), file.shown(), size(facts.bytes)))
}

fn restore_one(args: &RestoreArgs, outer: &connection_args::ConnectArgs) -> Result<()> {
    if (args.bump_revision > 0) != args.mark_compacted {
        return Err(Error::new(ErrorKind::Usage, "--bump-revision and --mark-compacted must be used together")
            .why("without both, watchers would wait for revisions that never come"));
    }
    let token = args.initial_cluster_token.as_deref().unwrap_or_else(|| {
        warn(
            "Warning: no --initial-cluster-token: with etcd's default \"etcd-cluster\" a leftover member of the old cluster \
             could join the new one. Use the same new token on every host.",
        );
        "etcd-cluster"
    });
    let genesis = judged_table(args, token)?;
    if !outer.endpoints().is_empty() {
        note(
            "--endpoints is not used: a restore reads the file, and asks only at the peer URLs whether the cluster is up.",
        );
    }
    let data_dir = typed_dir(args.data_dir.as_deref().unwrap_or(format!("{}.etcd", args.name).as_ref()), "--data-dir")?;
    let wal_dir = args.wal_dir.as_deref().map(|dir| typed_dir(dir, "--wal-dir")).transpose()?;
    // etcdutl's users may name the default directory.
    let wal_dir = wal_dir.filter(|dir| *dir != data_dir.join("member/wal"));
    if let Some(wal) = wal_dir.as_ref().filter(|wal| wal.starts_with(&data_dir) || data_dir.starts_with(wal)) {
        return Err(Error::new(ErrorKind::Usage, "--wal-dir: one of it and --data-dir is inside the other")
            .why(format!("{} and {}", wal.shown(), data_dir.shown()))
            .hint("Omit --wal-dir, here and when etcd is started: the WAL is then in DATA-DIR/member/wal."));
    }
    let options = args.options.options()?;
    if options.set_version && args.etcd_version.is_none() {
        return Err(Error::new(ErrorKind::Usage, "--set-version: --etcd-version is missing")
            .why("it sets the versions of the etcd that will run"));
    }
    super::inspect::what_lies_beside(&args.file, true);
    let problems = identity(args, &genesis, outer)?;
    overridden("member not restored", &problems, &args.overrides, &[])?;
    let tools = Tools::default();
    let restored = interruptible(|cancel| {
        let mut meter = Meter::new(cancel.clone());
        let job = RestoreSpec {
            source: &args.file,
            pinned_sha256: None,
            skip_hash_check: args.skip_hash_check,
            genesis: &genesis,
            name: &args.name,
            data_dir: &data_dir,
            wal_dir: wal_dir.as_deref(),
            target: args.etcd_version.unwrap_or(Minor::V3_5),
            bump_revision: args.bump_revision,
            options: &options,
        };
        let restored = install::restore_with(&job, &tools, &mut |step| meter.step("", step));
        meter.done();
        restored
    })?;
    if let Some(prepared) = tools.shelf.find(&args.file) {
        let source = &prepared.checked.source;
        let beyond = prepared.digest.extra.as_ref().filter(|_| prepared.digest.trailer.is_some());
        let hole = source.hole.map(|hole| hole.words(source));
        for words in beyond.map(Extra::sentence).into_iter().chain(hole) {
            warn(&format!("Warning: {}: {words}.", source.path.shown()));
        }
        if let Some(damage) = prepared.checked.walk.damage() {
            warn(&format!("Warning: {}: damage accepted: {damage}.", source.path.shown()));
        }
        let content = &prepared.checked.walk.content;
        for problem in brought(content, args.etcd_version, &options) {
            warn(&format!("Warning: {}", remedies::problem(&problem)));
        }
        let clients = revisions::clients(content);
        if !clients.is_empty() && args.bump_revision < DOCUMENTED {
            warn(&format!(
                "Warning: the snapshot has {}, and it is unknown whether it is the newest state of its cluster: {} (--bump-revision \
                 {DOCUMENTED} --mark-compacted)",
                revisions::data_of(&clients, &revisions::past(content)),
                revisions::consequence(&clients)
            ));
        }
    }
    print_done(&super::plan::restored_line(&restored))
}

/// Returns the problems of the IDs that the member will have: those of the snapshot's own cluster, where an old member
/// that comes back would join; and a cluster that answers at the peer URLs with them, which this member would join
/// with a shorter log.
fn identity(args: &RestoreArgs, genesis: &InitialLog, outer: &connection_args::ConnectArgs) -> Result<Vec<Problem>> {
    let source = absolute(&args.file)?;
    // A file that cannot be read is refused below, with the reason.
    let members = snapshot_members::read(&source).unwrap_or_default();
    let content =
        Content { members, removed: snapshot_members::removed(&source).unwrap_or_default(), ..Content::default() };
    let ids: Vec<(String, Id)> = genesis.members.iter().map(|m| (m.name.clone(), Id(m.id))).collect();
    let shared = Shared::find(&ids, genesis.cluster_id, &Old::new(Some(&content), &[], &[]));
    let mut out: Vec<Problem> = shared
        .sentence()
        .map(|text| Problem::error(None, None, text).lifted_by(shared.override_text()))
        .into_iter()
        .collect();
    let doors: Vec<Endpoint> = genesis
        .members
        .iter()
        .flat_map(|m| m.peer_urls.iter().map(|url| (m.name.clone(), url.clone())))
        .map(|(whose, url)| Endpoint { url, kind: DoorKind::Peer, whose, old: false })
        .collect();
    // Usually nothing listens there, and no client needs to be set up.
    let doors = Members::listening(doors, outer.brief_dial());
    // An endpoint that cannot be asked counts as silent, whatever the reason.
    let heard = match doors.as_slice() {
        [] => Vec::new(),
        doors => outer.brief_members().map(|members| members.probe_endpoints(doors)).unwrap_or_default(),
    };
    let serves = |heard: &ProbeResult| matches!(heard, ProbeResult::Etcd { cluster, .. } if *cluster == Some(genesis.cluster_id));
    let at: Vec<String> =
        doors.iter().zip(&heard).filter(|(_, heard)| serves(heard)).map(|(door, _)| door.url.clone()).collect();
    if !at.is_empty() {
        let text = format!(
            "cluster {} already answers at {}: {} would join it with a shorter log; unless these are other members of this same \
             restore, stop it or use a new token",
            genesis.cluster_id,
            all(&at),
            args.name,
        );
        out.push(Problem::error(None, None, text).lifted_by(Some(format!("join@{}", genesis.cluster_id))));
    }
    Ok(out)
}

/// Parses and validates the three flags that make the table, in etcdutl's order.
fn judged_table(args: &RestoreArgs, token: &str) -> Result<InitialLog> {
    let wrong = |what: &str| Error::new(ErrorKind::Input, what.to_string());
    let own = Row::default().with(Column::Peer, &args.initial_advertise_peer_urls, cell::Origin::Typed);
    refuse_problems(
        "--initial-advertise-peer-urls: invalid value",
        // Problems of the table as a whole are reported once, below.
        &validate::check(std::slice::from_ref(&own), token)
            .into_iter()
            .filter(|p| p.column == Some(Column::Peer))
            .collect::<Vec<_>>(),
        &[],
    )?;
    let rows = table::parse_initial_cluster(&args.initial_cluster).map_err(|p| {
        let error = wrong("--initial-cluster: invalid value").why(&p);
        p.fix.iter().fold(error, |t, fix| t.hint(format!("Probably meant: {fix}")))
    })?;
    let names: Vec<&str> = rows.iter().map(|row| row.text(Column::Name)).collect();
    refuse_problems(
        "--initial-cluster: invalid value",
        // The missing token was reported already.
        &named(&validate::check(&rows, token), &[Column::Name, Column::Peer])
            .into_iter()
            .filter(|p| {
                args.initial_cluster_token.is_some()
                    || p.severity == table::Severity::Error
                    || p.about != table::About::Token
            })
            .collect::<Vec<_>>(),
        &names,
    )?;
    let urls = rows.iter().map(|row| table::items(row.text(Column::Peer)).count()).sum::<usize>();
    if urls != rows.len() {
        warn(&format!(
            "Warning: --initial-cluster: a name occurs more than once: {urls} URLs, {} members.",
            rows.len()
        ));
    }
    let printed = |row: &Row| -> Vec<String> {
        table::urls(row.text(Column::Peer)).unwrap_or_default().iter().map(|u| u.as_str().to_string()).collect()
    };
    let Some(row) = rows.iter().find(|row| row.text(Column::Name) == args.name) else {
        return Err(wrong(&format!("--initial-cluster: no member called {:?}", args.name))
            .why(format!("it names {}", names.join(", ")))
            .hint("--name must be one of them."));
    };
    let (mut advertised, mut listed) = (printed(&own), printed(row));
    advertised.sort();
    listed.sort();
    if advertised != listed {
        return Err(wrong(&format!("{}: advertised peer URLs differ from those in --initial-cluster", args.name))
            .why(format!(
                "--initial-advertise-peer-urls={}, --initial-cluster has {}",
                advertised.join(","),
                listed.join(",")
            ))
            .hint("Member IDs are derived from the text of these URLs, so both must be identical on every host."));
    }
    let tables: Vec<(&str, Vec<String>)> = rows.iter().map(|row| (row.text(Column::Name), printed(row))).collect();
    Ok(InitialLog::new(tables.iter().map(|(name, urls)| (*name, urls.as_slice())), token))
}

/// Returns the problems of these columns and of the table as a whole: the other columns have no flag here.
fn named(problems: &[table::Problem], columns: &[Column]) -> Vec<table::Problem> {
    problems.iter().filter(|p| p.column.is_none_or(|c| columns.contains(&c))).cloned().collect()
}
