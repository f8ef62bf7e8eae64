//! `requorum plan`: writes the plan of a whole cluster; and what every command does with a plan file.

use crate::domain::{render::plan_steps, sources::known_revisions};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::cli::{
    absolute,
    args::plan_arg,
    note,
    output::{
        progress::{Meter, interruptible},
        question::{can_ask, offer_dir},
    },
    print_done, refuse_problems, warn,
};
use crate::{
    domain::{
        members::{
            build_plan::{self, Draft},
            cell::{Origin, Row},
            certificates, inventory, prefill,
            table::{self, About, Column, Problem, Severity},
            token::Shared,
        },
        model::{
            cluster_profile::Cluster,
            host_address,
            observations::{Answer, Content, EndpointFacts, KnownMember, disk::DirFacts},
            old_cluster::Old,
            plan::Plan,
            plan_yaml, revisions, source_ref,
        },
        sources::revision_bump::{self, Proposal},
    },
    engine::{
        restore::Restored,
        scan::examine,
        source::{Source, io_trouble},
    },
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    execute::resume,
    system::{Clock, Files, etcd_client::Members, journal, local::Local, probe::survey},
    text::{Foreign, Shown},
};

/// The flags that define a plan, which `--again` takes from the old plan.
const MAKES: [&str; 23] = [
    "snapshot",
    "initial_cluster",
    "inventory",
    "keep_learners",
    "client_urls",
    "hosts",
    "data_root",
    "label",
    "initial_cluster_token",
    "etcd_version",
    "skip_hash_check",
    "bump_revision",
    "mark_compacted",
    "etcd_flags",
    "clear_alarms",
    "finish_downgrade",
    "disable_auth",
    "set_version",
    "compact",
    "accept_damage",
    "owner",
    "mode",
    "like",
];

#[derive(Debug, clap::Args)]
#[command(after_help = "Then: requorum apply PLAN, and: requorum launch PLAN")]
pub(in crate::cli) struct MakeArgs {
    /// Snapshot that every member is restored from
    #[arg(long, required_unless_present = "again")]
    snapshot: Option<PathBuf>,
    /// Renew this plan with a new token, and so with new IDs
    ///
    /// A plan that was carried out cannot be carried out again, since members left from the first time could join.
    /// Everything else stays the same.
    #[arg(long, value_name = "FILE", conflicts_with_all = MAKES)]
    again: Option<PathBuf>,
    /// All members: NAME=PEER-URL,… [default: those of the snapshot]
    #[arg(long)]
    initial_cluster: Option<String>,
    /// Members of the new cluster, from a file
    ///
    /// A YAML or JSON list of {name, peerUrls, clientUrls, dataDir, walDir} or {name, host}, or an Ansible inventory
    /// with a group etcd.
    #[arg(long, value_name = "FILE", conflicts_with = "initial_cluster")]
    inventory: Option<PathBuf>,
    /// Make learners of the snapshot voters of the new cluster
    ///
    /// By default they are left out, and named in a warning.
    #[arg(long, conflicts_with_all = ["initial_cluster", "inventory"])]
    keep_learners: bool,
    /// Client URLs: NAME=CLIENT-URL,…
    ///
    /// The default is what the snapshot has for the same peer URLs, else the peer hosts with port 2379.
    #[arg(long)]
    client_urls: Option<String>,
    /// Hosts of the members: NAME=DESTINATION,… as for ssh
    ///
    /// `requorum apply` restores each member there; members without a destination are restored on this machine.
    #[arg(long, value_name = "NAME=DESTINATION,…")]
    hosts: Option<String>,
    /// Parent of the data directories, which are named NAME.etcd
    ///
    /// The default is the current directory.
    #[arg(long, value_name = "DIR")]
    data_root: Option<PathBuf>,
    /// Label of the cluster
    #[arg(long)]
    label: Option<String>,
    /// Cluster token [default: generated from label, time and random bits]
    #[arg(long)]
    initial_cluster_token: Option<String>,
    /// etcd version that will run on it: 3.4, 3.5, 3.6 or 3.7
    #[arg(long, value_name = "VERSION")]
    etcd_version: Option<Minor>,
    /// Accept a file without a SHA-256 trailer (a copy of member/snap/db)
    #[arg(long)]
    skip_hash_check: bool,
    /// Revision bump: start this many revisions later
    ///
    /// Clients that know later revisions then list again. The default is 1000000000 with --mark-compacted where the
    /// snapshot has data of clients that keep revisions (Kubernetes, Calico, Cilium, APISIX, flannel) and is not known
    /// to be the newest state; else 0.
    #[arg(long, value_name = "N")]
    bump_revision: Option<u64>,
    /// Mark all up to the bumped revision as compacted, so watchers relist
    #[arg(long)]
    mark_compacted: bool,
    #[command(flatten)]
    options: crate::cli::args::restore_args::OptionArgs,
    /// Additional etcd flag for every member; repeatable
    ///
    /// For example --etcd-flag=--cert-file=/etc/etcd/server.crt.
    #[arg(long = "etcd-flag", value_name = "FLAG", allow_hyphen_values = true)]
    etcd_flags: Vec<String>,
    /// Plan file to write
    #[arg(short, long, default_value = "plan.yaml", value_name = "FILE")]
    output: PathBuf,
    /// Override a refusal by the text that it names; repeatable
    ///
    /// Refused are IDs that are those of the old cluster, and revisions that would be reused.
    #[arg(long = "override", value_name = "TEXT")]
    overrides: Vec<String>,
    /// Survivors of the old cluster are asked at these endpoints for its IDs and its last revision
    #[command(flatten)]
    connect: crate::cli::args::connection_args::ConnectArgs,
}

pub(in crate::cli) fn make(
    args: MakeArgs,
    outer: &crate::cli::args::connection_args::ConnectArgs,
    cluster: Option<Cluster>,
) -> Result<()> {
    let args = completed(args, cluster);
    let connect = args.connect.clone().or(outer);
    let system = Local::new(match connect.endpoints().is_empty() {
        // No member is asked, so the connection flags need no check.
        true => Members::new(Default::default())?,
        false => connect.members()?,
    });
    let Some(snapshot) = &args.snapshot else { return again(&args, &system) };
    let snapshot = absolute(source_ref::local(snapshot)?)?;
    Source::open(&snapshot)?;
    super::inspect::what_lies_beside(&snapshot, true);
    let facts = interruptible(|cancel| {
        let mut meter = Meter::new(cancel.clone());
        let facts = examine::examine(&snapshot, &mut |step| meter.step("", step));
        meter.done();
        facts
    })?;
    let data_root = absolute(args.data_root.as_deref().unwrap_or(Path::new(".")))?;
    // A plan is UTF-8 text: it would name another directory.
    if data_root.to_str().is_none() {
        return Err(Error::new(ErrorKind::Input, "--data-root: not UTF-8")
            .why(format!("{} cannot be written to a plan file", data_root.shown()))
            .hint("Choose another --data-root, or restore each member with requorum snapshot restore --data-dir."));
    }
    let content = facts.content.as_ref();
    let mut rows = match &args.initial_cluster {
        None => {
            let inventory = args.inventory.as_deref().map_or_else(|| Ok(Vec::new()), inventory)?;
            let sources = prefill::Sources {
                content,
                cluster: None,
                keep_learners: args.keep_learners,
                answers: &[],
                config: &[],
                inventory: &inventory,
                base_dir: &data_root,
            };
            let filled = prefill::fill(&sources);
            filled.notes.iter().for_each(|note| warn(&format!("Warning: {note}")));
            filled.rows
        }
        Some(text) => {
            let rows = table::parse_initial_cluster(text).map_err(|p| {
                let error = Error::new(ErrorKind::Input, "--initial-cluster: invalid value").why(&p);
                p.fix.iter().fold(error, |t, fix| t.hint(format!("Probably meant: {fix}")))
            })?;
            for name in table::repeated_names(text) {
                warn(&format!(
                    "Warning: --initial-cluster: {name} appears more than once; etcd treats that as one member with several \
                     URLs, and so does the plan."
                ));
            }
            rows
        }
    };
    let clients = match &args.client_urls {
        None => Vec::new(),
        Some(text) => table::parse_initial_cluster(text)
            .map_err(|p| Error::new(ErrorKind::Input, "--client-urls: invalid value").why(p))?,
    };
    for at in 0..rows.len() {
        let proposed = table::proposed_clients(&rows, at);
        let Some(row) = rows.get_mut(at) else { continue };
        let name = row.text(Column::Name).to_string();
        if row.cell(Column::DataDir).origin != Origin::Inventory {
            row.set(Column::DataDir, prefill::default_dir(&data_root, &name).to_string_lossy(), Origin::Proposed);
        }
        let given = clients.iter().find(|c| c.text(Column::Name) == name).map(|c| c.text(Column::Peer).to_string());
        if let Some(client) = given {
            row.set(Column::Client, client, Origin::Typed);
        } else if row.text(Column::Client).is_empty() {
            match known_client(row.text(Column::Peer), content) {
                Some(client) => row.set(Column::Client, client, Origin::Snapshot),
                None => row.set(Column::Client, proposed, Origin::Proposed),
            }
        }
        row.set(Column::Flags, crate::text::quote::quoted_line(&args.etcd_flags), Origin::Typed);
    }
    if let Some(stray) = clients.iter().find(|c| !rows.iter().any(|r| r.text(Column::Name) == c.text(Column::Name))) {
        return Err(Error::new(ErrorKind::Input, "--client-urls: invalid value")
            .why(format!("no member is called {:?}", stray.text(Column::Name))));
    }
    place(&mut rows, args.hosts.as_deref())?;
    let here =
        |row: &Row| host_address::is_local(row.host()) && Path::new(row.text(Column::DataDir)).starts_with(&data_root);
    if rows.iter().any(here) && data_root.symlink_metadata().is_err() {
        // in scripts only the plan is written: `apply` creates the directory
        let there = can_ask() && offer_dir("--data-root", &data_root, &system)?;
        if !there {
            note(&format!("--data-root: {} does not exist yet; `requorum apply` creates it.", data_root.shown()));
        }
    }
    let label = prefill::label(args.label.as_deref(), &[], content);
    let now = system.now();
    let answers = survey(&system, &connect.endpoints(), false, &mut |_| {});
    silent(&answers);
    let dirs = own_dir(&snapshot, &system);
    let known = known_revisions::known(&facts, &[], &answers, &dirs, now);
    let (bump, why) = default_bump(&args, known.as_ref());
    let draft = Draft {
        token: args
            .initial_cluster_token
            .clone()
            .unwrap_or_else(|| prefill::token(&label, now, &system.random_suffix())),
        label,
        created: timestamp(now),
        target: args.etcd_version,
        source: Some(facts),
        skip_hash_check: args.skip_hash_check,
        bump_revision: bump,
        mark_compacted: args.mark_compacted || args.bump_revision.is_none() && bump > 0,
        options: args.options.options()?,
        old: Old::new(None, &answers, &[]),
        revisions: known.as_ref().map(known_revisions::revisions).unwrap_or_default(),
        certs: system.read_certificates(&certificates::named(&rows)),
        now,
        rows,
    };
    let names: Vec<&str> = draft.rows.iter().map(|row| row.text(Column::Name)).collect();
    let built = match build_plan::build(&draft) {
        Ok(built) => built,
        Err(problems) => return refuse_problems("plan not written", &first_causes(problems), &names),
    };
    overridden("plan not written", &built.warnings, &args.overrides, &names)?;
    if let Some(words) = known.as_ref().and_then(|known| revision_bump::too_small(known, bump)) {
        warn(&format!("Warning: {words}"));
    }
    let output = absolute(&args.output)?;
    system.write_new(&output, &plan_yaml::to_yaml(&built.plan))?;
    let mut text = format!("Plan {} written to {}\n", built.plan.short_id(), output.shown());
    for sentence in plan_steps::sentences(&built.plan, &Shared::of_plan(&built.plan, &build_plan::old(&draft))) {
        text += &format!("  {sentence}\n");
    }
    if let Some(why) = why {
        let without = Plan { bump_revision: 0, ..built.plan.clone() };
        let lift = crate::text::quote::shell_word(&revisions::override_text(&without)).into_owned();
        text += &format!("  {why}; to leave it out: --bump-revision 0 --override {lift}\n");
    }
    if !answers.iter().any(|fact| matches!(fact.answer, Answer::Says(_))) {
        text += "  How much the old cluster wrote after the snapshot is unknown: no member answered (--endpoints)\n";
    }
    let file = plan_arg::word(&output);
    text += &format!("Next: requorum apply {file}\n");
    print_done(&text)
}

/// Returns the flags, completed by what the configuration has for the cluster.
fn completed(args: MakeArgs, cluster: Option<Cluster>) -> MakeArgs {
    let Some(cluster) = cluster.filter(|_| args.again.is_none()) else { return args };
    let inventory = args.inventory.or(cluster.hosts.filter(|_| args.initial_cluster.is_none() && !args.keep_learners));
    MakeArgs {
        inventory,
        label: args.label.or(Some(cluster.label)),
        data_root: args.data_root.or(cluster.data_root),
        ..args
    }
}

/// Writes the same plan with a new token.
fn again(args: &MakeArgs, system: &Local) -> Result<()> {
    let before = read(args.again.as_deref().unwrap_or(&args.output))?;
    let now = system.now();
    let token = prefill::token(&before.label, now, &system.random_suffix());
    let plan = build_plan::renewed(&before, token, timestamp(now));
    let output = absolute(&args.output)?;
    system.write_new(&output, &plan_yaml::to_yaml(&plan))?;
    let file = plan_arg::word(&output);
    print_done(&format!(
        "Plan {} written to {}\n  It is plan {} with a new token, and so with new member IDs; everything else is the same\n\
         Next: requorum apply {file}\n",
        plan.short_id(),
        output.shown(),
        before.short_id(),
    ))
}

/// Returns the revision bump, and the reason where it is the default.
fn default_bump(args: &MakeArgs, known: Option<&revision_bump::Known>) -> (u64, Option<String>) {
    if let Some(revisions) = args.bump_revision {
        return (revisions, None);
    }
    match known.map(revision_bump::propose) {
        Some(Proposal { revisions, why }) if revisions > 0 => {
            (revisions, Some(format!("The revision bump is the default, because {why}")))
        }
        _ => (0, None),
    }
}

/// Warns of endpoints that did not answer.
fn silent(answers: &[EndpointFacts]) {
    for facts in answers {
        if let Answer::Silent { why, .. } = &facts.answer {
            warn(&format!("Warning: {}: no answer ({why})", facts.endpoint));
        }
    }
}

/// Returns the data directory whose database the snapshot is.
fn own_dir(snapshot: &Path, system: &Local) -> Vec<DirFacts> {
    let root = snapshot.ends_with("member/snap/db").then(|| snapshot.ancestors().nth(3)).flatten();
    root.map(|root| system.inspect_data_dir(root, None)).into_iter().collect()
}

/// Prints the warnings among `problems` and what was overridden; a blocker that was not overridden is a refusal that
/// names the texts.
pub(in crate::cli) fn overridden(what: &str, problems: &[Problem], overrides: &[String], names: &[&str]) -> Result<()> {
    let (mut open, mut rest): (Vec<&Problem>, Vec<Problem>) = (Vec::new(), Vec::new());
    for problem in problems {
        match &problem.lift {
            Some(text) if overrides.contains(text) => {
                rest.push(Problem::warning(problem.row, problem.column, format!("overridden: {}", problem.text)));
            }
            Some(_) => open.push(problem),
            None => rest.push(problem.clone()),
        }
    }
    refuse_problems(what, &rest, names)?;
    let known = |text: &&String| !problems.iter().any(|problem| problem.lift.as_ref() == Some(text));
    for text in overrides.iter().filter(known) {
        warn(&format!("Warning: --override {} matches no blocker.", crate::text::quote::shell_word(text)));
    }
    let Some((first, more)) = open.split_first() else { return Ok(()) };
    let also = more.iter().map(|problem| format!("also: {}", problem.text));
    let flags: Vec<String> = open
        .iter()
        .filter_map(|problem| problem.lift.as_ref())
        .map(|text| format!("--override {}", crate::text::quote::shell_word(text)))
        .collect();
    let hint: Vec<String> = also.chain([format!("To override: {}", flags.join(" "))]).collect();
    Err(Error::new(ErrorKind::Refused, what).why(&first.text).hint(hint.join("\n  ")))
}

/// Removes consequences: a missing client URL, where it could not be derived from an invalid peer URL.
fn first_causes(mut problems: Vec<Problem>) -> Vec<Problem> {
    let wrong = |p: &Problem, column| p.severity == Severity::Error && p.column == Some(column);
    let peers: Vec<_> = problems.iter().filter(|p| wrong(p, Column::Peer)).map(|p| p.row).collect();
    problems.retain(|p| !(wrong(p, Column::Client) && p.about == About::Missing && peers.contains(&p.row)));
    problems
}

/// Sets each member's host, as `--hosts` says.
fn place(rows: &mut [Row], hosts: Option<&str>) -> Result<()> {
    let wrong = |why: String| {
        Error::new(ErrorKind::Input, "--hosts: invalid value")
            .why(why)
            .hint("The format is NAME=DESTINATION,NAME=DESTINATION.")
    };
    for item in table::items(hosts.unwrap_or_default()) {
        let Some((name, host)) = item.split_once('=') else {
            return Err(wrong(format!("{item:?}: \"=\" is missing")));
        };
        let Some(row) = rows.iter_mut().find(|row| row.text(Column::Name) == name) else {
            return Err(wrong(format!("no member is called {name:?}")));
        };
        row.set(Column::Host, host, Origin::Typed);
    }
    Ok(())
}

/// Returns the client URLs that the snapshot has for the member with these peer URLs.
fn known_client(peer: &str, content: Option<&Content>) -> Option<String> {
    let mut urls: Vec<&str> = table::items(peer).collect();
    urls.sort_unstable();
    let same = |member: &&KnownMember| {
        let mut theirs: Vec<&str> = member.peer_urls.iter().map(Foreign::as_str).collect();
        theirs.sort_unstable();
        !theirs.is_empty() && theirs == urls && !member.client_urls.is_empty()
    };
    content?.members.iter().find(same).map(|member| member.client_urls.join(","))
}

/// Formats a time as RFC 3339 in UTC, to the second.
pub(in crate::cli) fn timestamp(now: i64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.max(0).unsigned_abs());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Returns the journal of a plan file: the file next to it, or the journal that was given instead of a plan.
pub(in crate::cli) fn journal_of(file: &Path) -> Result<PathBuf> {
    let file = absolute(file)?;
    Ok(if is_journal(&file) { file } else { journal::path_next_to(&file) })
}

fn is_journal(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "journal")
}

/// Reads the plan of a journal's last run: all that is left where the wizard made a plan that was not saved.
fn of_journal(path: &Path) -> Result<Plan> {
    let system = Local::new(Members::new(Default::default())?);
    let path = absolute(path)?;
    fs::metadata(&path).map_err(|e| io_trouble("read", &path, &e))?;
    resume::last_plan(&journal::Journal::at(&system, &path).read()?).ok_or_else(|| {
        Error::new(ErrorKind::Input, format!("{}: the journal has no run", path.shown())).hint("Name the plan file.")
    })
}

/// Reads a plan file and validates it as the wizard validates the same table.
pub(in crate::cli) fn read(path: &Path) -> Result<Plan> {
    read_without(path, None)
}

/// Reads as [`read`] does, without the warnings about what is checked later.
pub(in crate::cli) fn read_without(path: &Path, later: Option<About>) -> Result<Plan> {
    let plan = if is_journal(path) { of_journal(path)? } else { of_file(path)? };
    let names: Vec<&str> = plan.members.iter().map(|m| m.name.as_str()).collect();
    let is_later = |problem: &Problem| problem.severity == Severity::Warning && Some(problem.about) == later;
    let problems: Vec<Problem> = build_plan::verify(&plan).into_iter().filter(|p| !is_later(p)).collect();
    refuse_problems(&format!("{}: plan refused", path.shown()), &problems, &names)
        .map_err(|error| Error { kind: ErrorKind::Refused, ..error })?;
    Ok(plan)
}

fn of_file(path: &Path) -> Result<Plan> {
    let length = fs::metadata(path).map_err(|e| io_trouble("read", path, &e))?.len();
    if length > plan_yaml::MAX_BYTES as u64 {
        return Err(Error::new(ErrorKind::Input, format!("{}: not a plan", path.shown())).why(format!(
            "its size is {}; the limit is {} bytes",
            crate::text::size::byte_count(length),
            plan_yaml::MAX_BYTES
        )));
    }
    let text = text_of(path, "a plan")?;
    plan_yaml::from_yaml(&text).map_err(|error| Error { what: format!("{}: {}", path.shown(), error.what), ..error })
}

/// Reads a text file.
fn text_of(path: &Path, wanted: &str) -> Result<String> {
    let no = |why: &str| Error::new(ErrorKind::Input, format!("{}: not {wanted}", path.shown())).why(why);
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(no("it is empty")),
        Ok(text) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(no("it is not text")),
        Err(e) if e.kind() == io::ErrorKind::IsADirectory => Err(no("it is a directory")),
        Err(e) => Err(io_trouble("read", path, &e)),
    }
}

/// Reads an inventory file.
pub(in crate::cli) fn inventory(path: &Path) -> Result<Vec<inventory::InventoryHost>> {
    let length = fs::metadata(path).map_err(|e| io_trouble("read", path, &e))?.len();
    if length > plan_yaml::MAX_BYTES as u64 {
        return Err(Error::new(ErrorKind::Input, format!("{}: not an inventory", path.shown())).why(format!(
            "its size is {}; the limit is {} bytes",
            crate::text::size::byte_count(length),
            plan_yaml::MAX_BYTES
        )));
    }
    let text = text_of(path, "an inventory")?;
    inventory::read(&text).map_err(|error| Error { what: format!("{}: {}", path.shown(), error.what), ..error })
}

pub(in crate::cli) fn chosen(plan: &Plan, wanted: &[String]) -> Result<Vec<String>> {
    wanted.iter().try_for_each(|name| plan.member(name).map(drop))?;
    Ok(match wanted {
        [] => plan.members.iter().map(|m| m.name.clone()).collect(),
        wanted => wanted.to_vec(),
    })
}

pub(in crate::cli) fn restored_line(restored: &Restored) -> String {
    format!(
        "{}: restored to {}, revision {}, {} keys, member {} of cluster {}; verified\n",
        restored.name,
        restored.data_dir.shown(),
        restored.revision,
        restored.keys,
        restored.member_id,
        restored.cluster_id
    )
}
