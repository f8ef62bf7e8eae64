//! `requorum plan|restore`: a whole cluster by way of a plan file.

use crate::domain::{render::plan_steps, sources::known_revisions};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::cli::{
    absolute,
    args::plan_arg,
    output::progress::{Meter, interruptible},
    print_done, refuse_problems, warn,
};
use crate::{
    domain::{
        members::{
            build_plan::{self, Draft},
            cell::{Origin, Row},
            certificates, inventory, prefill,
            table::{self, About, Column, Problem, Severity},
        },
        model::{
            observations::{Answer, Content, EndpointFacts, KnownMember, disk::DirFacts},
            plan::Plan,
            plan_yaml, revisions, source_ref,
        },
        preflight::{old_cluster::Old, token::Shared},
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
    system::{World, etcd_client::Members, journal, local::Local, probe::survey},
    text::{Foreign, Shown},
};

/// What says how a plan is made, which `--again` takes from the plan.
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
    /// The snapshot that every member is restored from.
    #[arg(long, required_unless_present = "again")]
    snapshot: Option<PathBuf>,
    /// Make the plan in this file again with a new token, so with new IDs: a plan that was carried out is not carried out a
    /// second time, since members that are left from the first time could join. All else stays as it is.
    #[arg(long, value_name = "FILE", conflicts_with_all = MAKES)]
    again: Option<PathBuf>,
    /// All members: NAME=PEER-URL,NAME=PEER-URL,… [default: the members in the snapshot]
    #[arg(long)]
    initial_cluster: Option<String>,
    /// Who shall be in the new cluster, from a file: a YAML or JSON list of {name, peerUrls, clientUrls,
    /// dataDir, walDir} or {name, host}, or an Ansible inventory with a group etcd.
    #[arg(long, value_name = "FILE", conflicts_with = "initial_cluster")]
    inventory: Option<PathBuf>,
    /// Make learners of the snapshot voters of the new cluster, too [default: they are left out, and named]
    #[arg(long, conflicts_with_all = ["initial_cluster", "inventory"])]
    keep_learners: bool,
    /// Their client URLs: NAME=CLIENT-URL,… [default: what the snapshot has for the same peer URLs, else
    /// the peer hosts with port 2379]
    #[arg(long)]
    client_urls: Option<String>,
    /// Where they are restored by `requorum apply`: NAME=DESTINATION,… with what ssh takes; the others on this machine.
    #[arg(long, value_name = "NAME=DESTINATION,…")]
    hosts: Option<String>,
    /// Where the data directories go, as NAME.etcd in it.
    #[arg(long, default_value = ".", value_name = "DIR")]
    data_root: PathBuf,
    /// What you call the cluster.
    #[arg(long)]
    label: Option<String>,
    /// The cluster's token [default: made from the label, the time and chance]
    #[arg(long)]
    initial_cluster_token: Option<String>,
    /// The etcd that will run on it: 3.4, 3.5, 3.6 or 3.7.
    #[arg(long, value_name = "VERSION")]
    etcd_version: Option<Minor>,
    /// Take a file without a SHA-256 trailer (a copy of member/snap/db).
    #[arg(long)]
    skip_hash_check: bool,
    /// Start this many revisions later, so that clients which know older ones list again [default: 1000000000 with
    /// --mark-compacted where the snapshot holds data of clients that keep revisions (Kubernetes, Calico, Cilium, APISIX,
    /// flannel) and is not known to be the newest state; else 0].
    #[arg(long, value_name = "N")]
    bump_revision: Option<u64>,
    /// Mark everything up to the bumped revision as compacted, so that watchers relist.
    #[arg(long)]
    mark_compacted: bool,
    #[command(flatten)]
    options: crate::cli::args::restore_args::OptionArgs,
    /// A further etcd flag for every member, such as --cert-file=…; may be repeated.
    #[arg(long = "etcd-flag", value_name = "FLAG", allow_hyphen_values = true)]
    etcd_flags: Vec<String>,
    /// The plan file to write.
    #[arg(short, long, default_value = "plan.yaml", value_name = "FILE")]
    output: PathBuf,
    /// Make the plan although its IDs are those of the old cluster, or revisions are given out twice: the text that the
    /// refusal names, exactly. May be repeated.
    #[arg(long = "override", value_name = "TEXT")]
    overrides: Vec<String>,
    /// Survivors of the old cluster are asked at these endpoints for its IDs and its last revision.
    #[command(flatten)]
    connect: crate::cli::args::connection_args::ConnectArgs,
}

pub(in crate::cli) fn make(args: MakeArgs, outer: &crate::cli::args::connection_args::ConnectArgs) -> Result<()> {
    let connect = args.connect.clone().or(outer);
    let world = Local::real(match connect.endpoints().is_empty() {
        // Nobody is asked, so nothing about asking can be wrong.
        true => Members::new(Default::default())?,
        false => connect.members()?,
    });
    let Some(snapshot) = &args.snapshot else { return again(&args, &world) };
    let snapshot = absolute(source_ref::local(snapshot)?)?;
    Source::open(&snapshot)?;
    super::inspect::what_lies_beside(&snapshot, true);
    let facts = interruptible(|cancel| {
        let mut meter = Meter::new(cancel.clone());
        let facts = examine::examine(&snapshot, &mut |step| meter.step("", step));
        meter.done();
        facts
    })?;
    let data_root = absolute(&args.data_root)?;
    // A plan is text: another directory would stand in it.
    if data_root.to_str().is_none() {
        return Err(Error::new(ErrorKind::Input, "no plan can be made")
            .why(format!("the path of the data directories, {}, is not UTF-8", data_root.shown()))
            .hint("Give another --data-root, or restore each member with requorum snapshot restore --data-dir."));
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
        Some(text) => table::parse_initial_cluster(text).map_err(|p| {
            let trouble = Error::new(ErrorKind::Input, "--initial-cluster is not right").why(&p);
            p.fix.iter().fold(trouble, |t, fix| t.hint(format!("Probably meant: {fix}")))
        })?,
    };
    let clients = match &args.client_urls {
        None => Vec::new(),
        Some(text) => table::parse_initial_cluster(text)
            .map_err(|p| Error::new(ErrorKind::Input, "--client-urls is not right").why(p))?,
    };
    for row in &mut rows {
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
                None => row.set(Column::Client, table::default_clients(row.text(Column::Peer)), Origin::Proposed),
            }
        }
        row.set(Column::Flags, crate::text::phrase::quoted_line(&args.etcd_flags), Origin::Typed);
    }
    if let Some(stray) = clients.iter().find(|c| !rows.iter().any(|r| r.text(Column::Name) == c.text(Column::Name))) {
        return Err(Error::new(ErrorKind::Input, "--client-urls is not right")
            .why(format!("no member is called {:?}", stray.text(Column::Name))));
    }
    place(&mut rows, args.hosts.as_deref())?;
    let label = prefill::label(args.label.as_deref(), &[], content);
    let now = world.now();
    let answers = survey(&world, &connect.endpoints(), false, &mut |_| {});
    silent(&answers);
    let dirs = own_dir(&snapshot, &world);
    let known = known_revisions::known(&facts, &[], &answers, &dirs, now);
    let (bump, why) = default_bump(&args, known.as_ref());
    let draft = Draft {
        token: args.initial_cluster_token.clone().unwrap_or_else(|| prefill::token(&label, now, &world.fresh())),
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
        certs: world.certificates(&certificates::named(&rows)),
        now,
        rows,
    };
    let names: Vec<&str> = draft.rows.iter().map(|row| row.text(Column::Name)).collect();
    let built = match build_plan::build(&draft) {
        Ok(built) => built,
        Err(problems) => return refuse_problems("no plan can be made", &first_causes(problems), &names),
    };
    overridden("no plan is made", &built.warnings, &args.overrides, &names)?;
    if let Some(words) = known.as_ref().and_then(|known| revision_bump::too_small(known, bump)) {
        warn(&format!("Warning: {words}"));
    }
    let output = absolute(&args.output)?;
    world.write_new(&output, &plan_yaml::to_yaml(&built.plan))?;
    let mut text = format!("Plan {} written to {}\n", built.plan.short_id(), output.shown());
    for sentence in plan_steps::sentences(&built.plan, &Shared::of_plan(&built.plan, &build_plan::old(&draft))) {
        text += &format!("  {sentence}\n");
    }
    if let Some(why) = why {
        let without = Plan { bump_revision: 0, ..built.plan.clone() };
        let lift = crate::text::phrase::shell_word(&revisions::override_text(&without)).into_owned();
        text += &format!("  {why}; --bump-revision 0 --override {lift} leaves it out\n");
    }
    if !answers.iter().any(|fact| matches!(fact.answer, Answer::Says(_))) {
        text +=
            "  How much the old cluster wrote after that is not known: no member of it answered here (--endpoints)\n";
    }
    let file = plan_arg::word(&output);
    text += &format!("Carry it out with: requorum apply {file}\n");
    print_done(&text)
}

/// The same plan with a new token.
fn again(args: &MakeArgs, world: &Local) -> Result<()> {
    let before = read(args.again.as_deref().unwrap_or(&args.output))?;
    let now = world.now();
    let token = prefill::token(&before.label, now, &world.fresh());
    let plan = build_plan::renewed(&before, token, timestamp(now));
    let output = absolute(&args.output)?;
    world.write_new(&output, &plan_yaml::to_yaml(&plan))?;
    let file = plan_arg::word(&output);
    print_done(&format!(
        "Plan {} written to {}\n  It is plan {} with another token, so its members have other IDs; all else is the same\n\
         Carry it out with: requorum apply {file}\n",
        plan.short_id(),
        output.shown(),
        before.short_id(),
    ))
}

/// The revision bump, and why it is the one that was not asked for.
fn default_bump(args: &MakeArgs, known: Option<&revision_bump::Known>) -> (u64, Option<String>) {
    if let Some(revisions) = args.bump_revision {
        return (revisions, None);
    }
    match known.map(revision_bump::propose) {
        Some(Proposal { revisions, why }) if revisions > 0 => {
            (revisions, Some(format!("The bump is the default, because {why}")))
        }
        _ => (0, None),
    }
}

/// Says of whom nothing was learnt.
fn silent(answers: &[EndpointFacts]) {
    for facts in answers {
        if let Answer::Silent { why, .. } = &facts.answer {
            warn(&format!("Warning: {} was asked and did not answer ({why})", facts.endpoint));
        }
    }
}

/// The data directory whose own database the snapshot is.
fn own_dir(snapshot: &Path, world: &Local) -> Vec<DirFacts> {
    let root = snapshot.ends_with("member/snap/db").then(|| snapshot.ancestors().nth(3)).flatten();
    root.map(|root| world.look_at_dir(root, None)).into_iter().collect()
}

/// Prints the warnings among `problems` and what was overridden; what is in the way and was not is a refusal that names the
/// texts.
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
        warn(&format!(
            "Warning: nothing is in the way that --override {} lifts.",
            crate::text::phrase::shell_word(text)
        ));
    }
    let Some((first, more)) = open.split_first() else { return Ok(()) };
    let also = more.iter().map(|problem| format!("also: {}", problem.text));
    let flags: Vec<String> = open
        .iter()
        .filter_map(|problem| problem.lift.as_ref())
        .map(|text| format!("--override {}", crate::text::phrase::shell_word(text)))
        .collect();
    let hint: Vec<String> = also.chain([format!("To go on all the same: {}", flags.join(" "))]).collect();
    Err(Error::new(ErrorKind::Refused, what).why(&first.text).hint(hint.join("\n  ")))
}

/// Without what only follows: a client URL that nobody typed is missing where none could be made of a wrong peer URL.
fn first_causes(mut problems: Vec<Problem>) -> Vec<Problem> {
    let wrong = |p: &Problem, column| p.severity == Severity::Error && p.column == Some(column);
    let peers: Vec<_> = problems.iter().filter(|p| wrong(p, Column::Peer)).map(|p| p.row).collect();
    problems.retain(|p| !(wrong(p, Column::Client) && p.about == About::Missing && peers.contains(&p.row)));
    problems
}

/// Puts each member on its host, as `--hosts` says.
fn place(rows: &mut [Row], hosts: Option<&str>) -> Result<()> {
    let wrong = |why: String| {
        Error::new(ErrorKind::Input, "--hosts is not right").why(why).hint("It is NAME=DESTINATION,NAME=DESTINATION.")
    };
    for item in table::items(hosts.unwrap_or_default()) {
        let Some((name, host)) = item.split_once('=') else {
            return Err(wrong(format!("{item:?} has no \"=\"")));
        };
        let Some(row) = rows.iter_mut().find(|row| row.text(Column::Name) == name) else {
            return Err(wrong(format!("no member is called {name:?}")));
        };
        row.set(Column::Host, host, Origin::Typed);
    }
    Ok(())
}

/// The client URLs that the snapshot has for the member at these peer URLs.
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

/// RFC 3339 in UTC, to the second.
pub(in crate::cli) fn timestamp(now: i64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.max(0).unsigned_abs());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Where what is done by this plan file is written down: beside it, or in the journal that was named in its stead.
pub(in crate::cli) fn journal_of(file: &Path) -> Result<PathBuf> {
    let file = absolute(file)?;
    Ok(if is_journal(&file) { file } else { journal::path_next_to(&file) })
}

fn is_journal(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "journal")
}

/// The plan that a journal's last run carried out: all that is left of it where the wizard made it and it was not saved.
fn of_journal(path: &Path) -> Result<Plan> {
    let world = Local::real(Members::new(Default::default())?);
    let path = absolute(path)?;
    fs::metadata(&path).map_err(|e| io_trouble("read", &path, &e))?;
    resume::last_plan(&journal::Journal::at(&world, &path).read()?).ok_or_else(|| {
        Error::new(ErrorKind::Input, format!("{} records no run", path.shown())).hint("Name the plan file.")
    })
}

/// Reads a plan file and judges it as the wizard would judge the same table.
pub(in crate::cli) fn read(path: &Path) -> Result<Plan> {
    read_without(path, None)
}

/// [`read`], without the warnings about what is judged later.
pub(in crate::cli) fn read_without(path: &Path, later: Option<About>) -> Result<Plan> {
    let plan = if is_journal(path) { of_journal(path)? } else { of_file(path)? };
    let names: Vec<&str> = plan.members.iter().map(|m| m.name.as_str()).collect();
    let is_later = |problem: &Problem| problem.severity == Severity::Warning && Some(problem.about) == later;
    let problems: Vec<Problem> = build_plan::verify(&plan).into_iter().filter(|p| !is_later(p)).collect();
    refuse_problems(&format!("the plan {} is not carried out", path.shown()), &problems, &names)
        .map_err(|trouble| Error { kind: ErrorKind::Refused, ..trouble })?;
    Ok(plan)
}

fn of_file(path: &Path) -> Result<Plan> {
    let length = fs::metadata(path).map_err(|e| io_trouble("read", path, &e))?.len();
    if length > plan_yaml::MAX_BYTES as u64 {
        return Err(Error::new(ErrorKind::Input, format!("{} is not a plan", path.shown())).why(format!(
            "it has {}; a plan has at most {}",
            crate::text::number::byte_count(length),
            plan_yaml::MAX_BYTES
        )));
    }
    let text = text_of(path, "a plan")?;
    plan_yaml::from_yaml(&text)
        .map_err(|trouble| Error { what: format!("{}: {}", path.shown(), trouble.what), ..trouble })
}

/// A file's text, where it is one.
fn text_of(path: &Path, wanted: &str) -> Result<String> {
    let no = |why: &str| Error::new(ErrorKind::Input, format!("{} is not {wanted}", path.shown())).why(why);
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
        return Err(Error::new(ErrorKind::Input, format!("{} is not an inventory", path.shown())).why(format!(
            "it has {}; one has at most {}",
            crate::text::number::byte_count(length),
            plan_yaml::MAX_BYTES
        )));
    }
    let text = text_of(path, "an inventory")?;
    inventory::read(&text).map_err(|trouble| Error { what: format!("{}: {}", path.shown(), trouble.what), ..trouble })
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
        "{}: restored in {}, revision {}, {} keys, member {} of cluster {}, read back and right\n",
        restored.name,
        restored.data_dir.shown(),
        restored.revision,
        restored.keys,
        restored.member_id,
        restored.cluster_id
    )
}
