//! `requorum apply`, `restore`, `resume` and `undo`: a plan on its hosts, or all of it on this one; and `requorum agent`, what
//! runs on them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use super::plan;
use crate::cli::{
    Format,
    args::{
        connection_args,
        plan_arg::{self, PlanArg},
    },
    output::progress::{interruptible, rate},
    print, print_done, print_json, warn,
};
use crate::{
    domain::{
        members::{
            build_plan, certificates,
            table::{Problem, Severity},
        },
        model::{host_address, plan::Plan},
        preflight::blockers::Blocker,
    },
    engine::{
        install::{run_lock, staging},
        progress::Progress,
        source::io_trouble,
    },
    error::{Error, ErrorKind, Remedy, Result},
    execute::{
        RowEvent, blocker_checks,
        events::{ExecutionEvent, HostEvent},
        executor::{self, Consent, ExecutionSpec, Goal, Placement},
        resume::{self, Unfinished},
    },
    system::{World, agent_server, etcd_client::Members, journal, local::Local, ssh::Ssh},
    text::{Foreign, Shown, stdio},
};

/// How often one host tells that it goes on.
const PACE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every host is looked at before anything is written on any of them. Members are built and proven beside their places; \
only when all of them are, and the old cluster was asked again, are old directories moved aside under a dated name and \
the new ones renamed in. After an interruption the same command, or `requorum resume`, goes on where it stood; \
`requorum undo` puts the old directories back.")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// Build and prove every member beside its place, ask the old cluster again, and remove what was built.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: leave what was built, so that it need not be built again.
    #[arg(long, requires = "dry_run")]
    keep: bool,
    /// Only look at every host, and say what is wrong.
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It is an apply on this machine: members are built in staging and verified; only when all of them are, and the old cluster \
was asked again, are they installed. Nothing is moved aside: a directory that is not empty is refused. After an \
interruption the same command, or `requorum resume PLAN`, goes on; `requorum undo PLAN` rolls it back, `requorum report \
PLAN` says what was done.")]
pub(in crate::cli) struct RestoreArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Only this member; may be repeated [default: all of them, on this machine].
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
    /// Go on although an old member still answers or a directory is held: the text that the refusal names, exactly.
    /// May be repeated; it is written to the journal beside the plan file.
    #[arg(long = "override", value_name = "TEXT")]
    overrides: Vec<String>,
    /// Why, for the journal.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The journal says where the run stood and what it was to do; the hosts are looked at again, and it goes on at the first \
act whose result is not there. Flags that it was begun with (--stop, --by-hand, --override) are given again.")]
pub(in crate::cli) struct ResumeArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Only show where it stood.
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct UndoArgs {
    #[command(flatten)]
    plan: PlanArg,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    /// Only this member; may be repeated [default: all of them].
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
    /// How many hosts are worked on at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    limit: usize,
    /// A member that is built by hand on its host, and the code that its sheet (`requorum sheet`) printed there; may be
    /// repeated.
    #[arg(long, value_name = "NAME=CODE")]
    by_hand: Vec<String>,
    /// Run the commands that stop an etcd on a directory that is to be moved; without it they are only shown.
    #[arg(long)]
    stop: bool,
    /// The configuration file for ssh, as its -F.
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// Go on although something is in the way: the text that its refusal names; may be repeated. It is written to the
    /// journal.
    #[arg(long = "override", value_name = "TEXT", requires = "reason")]
    overrides: Vec<String>,
    /// Why, for the journal.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

/// Carries out a plan on its hosts.
pub(in crate::cli) fn run(args: Args, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let until = match (args.check, args.dry_run, args.keep) {
        (true, ..) => Goal::Looked,
        (_, true, false) => Goal::Rehearsed,
        (_, true, true) => Goal::Built,
        _ => Goal::InPlace,
    };
    let made = plan::read(args.plan.path())?;
    let journal = plan::journal_of(args.plan.path())?;
    let what = What { made: &made, file: args.plan.path(), journal: &journal, until, placement: Placement::OnHosts };
    carry(&what, args.how, outer, format)?;
    if format == Format::Json {
        return Ok(());
    }
    let file = args.plan.word();
    print_done(&match until {
        Goal::Looked => format!("Every host is ready; nothing was written. Next: requorum apply {file} --dry-run\n"),
        Goal::Rehearsed => format!(
            "Rehearsed: every member can be built. What was built is removed again.\n\
             Next: requorum apply {file}\n"
        ),
        Goal::Built => format!("Every member is built and proven, and waits. Next: requorum apply {file}\n"),
        Goal::InPlace | Goal::Undone => next(&file, &journal),
    })
}

/// Restores a plan's members on this machine.
pub(in crate::cli) fn restore(args: RestoreArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let made = plan::read(args.plan.path())?;
    plan::chosen(&made, &args.member)?;
    let file = args.plan.word();
    // Named, it is what somebody wants who stands on that host.
    let elsewhere = made.members.iter().find(|m| args.member.is_empty() && !host_address::is_local(&m.host));
    if let Some(member) = elsewhere {
        return Err(Error::new(ErrorKind::Usage, format!("{} belongs on {}", member.name, member.host))
            .why("restore works on this machine")
            .hint(format!(
                "For all hosts: requorum apply {file}; for those that belong here, name them with --member."
            )));
    }
    let world = Local::real(Members::new(Default::default())?);
    let all: Vec<&str> = made.members.iter().map(|m| m.name.as_str()).collect();
    let certificates = world.certificates(&certificates::named(&build_plan::rows(&made)));
    crate::cli::refuse_problems(
        &format!("the plan {} is not carried out", args.plan.path().shown()),
        &certificates::check(&build_plan::rows(&made), &certificates, world.now()),
        &all,
    )
    .map_err(|trouble| Error { kind: ErrorKind::Refused, ..trouble })?;
    let journal = writable(plan::journal_of(args.plan.path())?, &made);
    let RestoreArgs { plan: path, member, overrides, reason, connect } = args;
    let how = How { member, limit: 1, by_hand: Vec::new(), stop: false, ssh_config: None, overrides, reason, connect };
    let until = Goal::InPlace;
    carry(
        &What { made: &made, file: path.path(), journal: &journal, until, placement: Placement::Here },
        how,
        outer,
        format,
    )?;
    match format {
        Format::Json => Ok(()),
        _ => print_done(&next(&file, &journal)),
    }
}

/// What comes after members are installed.
fn next(file: &str, journal: &Path) -> String {
    format!("Next: requorum launch {file}\nThe way back: requorum undo {file}\nJournal: {}\n", journal.shown())
}

/// The journal beside the plan file; where nothing can be written there, as on a medium that is read-only, one beside the
/// first member's data directory.
fn writable(beside: PathBuf, made: &Plan) -> PathBuf {
    let may = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    if may(if beside.exists() { &beside } else { staging::parent(&beside) }) {
        return beside;
    }
    let home = made.members.first().map(|m| run_lock::home(&m.data_dir)).unwrap_or_default();
    let journal = home.join(beside.file_name().unwrap_or_default());
    let file = crate::text::phrase::shell_word(&journal.to_string_lossy()).into_owned();
    warn(&format!(
        "Warning: nothing can be written beside the plan, so the journal is {}. For resume, undo and report name that: \
         requorum undo {file}",
        journal.shown()
    ));
    journal
}

/// Shows where a run stood that did not end as it was to, and goes on with it.
pub(in crate::cli) fn resume(args: ResumeArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let beside = journal::path_next_to(args.plan.path());
    let journal = crate::cli::absolute(if beside.is_file() { beside.as_path() } else { args.plan.path() })?;
    if !journal.exists() && !args.plan.path().exists() {
        return Err(io_trouble("read", &journal, &io::ErrorKind::NotFound.into())
            .hint("Name the plan file of the run that was cut off, or its journal."));
    }
    let world = Local::real(Members::new(Default::default())?);
    let records = journal::Journal::at(&world, &journal).read()?;
    let Some(open) = resume::standing(&records) else {
        return print(&format!("Nothing to resume: every run that {} records has ended.\n", journal.shown()));
    };
    if format != Format::Json || args.show {
        print(&stood(&open))?;
    }
    if args.show {
        return Ok(());
    }
    let until = open.goal()?;
    let mut how = args.how;
    if how.member.is_empty() {
        how.member = open.names;
    }
    let placement = open.placement;
    carry(&What { made: &open.plan, file: args.plan.path(), journal: &journal, until, placement }, how, outer, format)?;
    let file = args.plan.word();
    match format {
        Format::Json => Ok(()),
        _ => print_done(&format!("It is at its end now. What was done: requorum report {file}\n")),
    }
}

/// Where a run stood, in a few lines.
fn stood(open: &Unfinished) -> String {
    let end = Foreign::new(open.ended.as_deref().unwrap_or("cut off, or still at work elsewhere"));
    let mut text = format!(
        "Plan {} of {}, begun by {} at {} (run {}): {end}.\n",
        open.plan.short_id(),
        Foreign::new(&open.plan.label),
        Foreign::new(&open.who),
        Foreign::new(&open.since),
        Foreign::new(&open.run)
    );
    for (name, last) in &open.members {
        let last = last.as_deref().unwrap_or("nothing was written down");
        text += &format!("  {}: {}\n", Foreign::new(name), Foreign::new(last));
    }
    text
}

/// Takes a plan's members out of their places again.
pub(in crate::cli) fn undo(args: UndoArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let made = plan::read(args.plan.path())?;
    let journal = plan::journal_of(args.plan.path())?;
    let world = Local::real(Members::new(Default::default())?);
    let (mut how, mut placement) = (args.how, Placement::OnHosts);
    if let Some(names) = resume::installed_here(&journal::Journal::at(&world, &journal).read()?) {
        placement = Placement::Here;
        if how.member.is_empty() {
            how.member = names;
        }
    }
    let until = Goal::Undone;
    let what = What { made: &made, file: args.plan.path(), journal: &journal, until, placement };
    let some = carry(&what, how, outer, format)?;
    if format == Format::Json {
        Ok(())
    } else if !some {
        print("There is nothing to undo: every member was taken out of its place before.\n")
    } else {
        print_done(
            "What was there before is in place again. What was written to the new cluster since lies only in the directories \
             that were moved out; they are kept.\n",
        )
    }
}

/// What is carried out, how far and where.
struct What<'a> {
    made: &'a Plan,
    /// The file that was named: of the plan, or of a journal.
    file: &'a Path,
    journal: &'a Path,
    until: Goal,
    placement: Placement,
}

/// Does it; false where there was nothing left to do.
fn carry(what: &What<'_>, how: How, outer: &connection_args::ConnectArgs, format: Format) -> Result<bool> {
    let What { made, file, journal, until, placement } = *what;
    let reasoned = placement == Placement::OnHosts;
    if reasoned && !how.overrides.is_empty() && how.reason.trim().is_empty() {
        return Err(Error::new(ErrorKind::Usage, "--override needs a --reason").hint("It is kept in the journal."));
    }
    let names = plan::chosen(made, &how.member)?;
    let by_hand = by_hand(made, &how.by_hand)?;
    let connect = how.connect.clone().or(outer);
    let ssh = Ssh { config: how.ssh_config.as_deref().map(crate::cli::absolute).transpose()? };
    let world = Local::real(connect.members()?).by(ssh);
    let old = blocker_checks::of_snapshot(made, &connect.endpoints(), &world);
    let run = executor::run(made, &world);
    let job = ExecutionSpec {
        plan: made,
        names: &names,
        placement,
        by_hand: &by_hand,
        world: &world,
        limit: how.limit,
        until,
        consent: if how.stop { Consent::All } else { Consent::No },
        old: &old,
        lifted: &how.overrides,
        reason: &how.reason,
        decisions: &[],
        run: &run,
        journal,
    };
    let teller = ConsoleReporter::new(made, &how.overrides, format);
    let hear = |told| teller.tell(told);
    let outcome = interruptible(|cancel| match until {
        Goal::Undone => executor::undo(&job, cancel, &hear),
        _ => executor::apply(&job, cancel, &hear).map(|()| true),
    });
    let (told, fences) = teller.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let stray = |text: &&String| told && !fences.iter().any(|fence| fence.typed.as_ref() == Some(text));
    for text in how.overrides.iter().filter(stray) {
        let text = crate::text::phrase::shell_word(text);
        warn(&format!("Warning: nothing is in the way that --override {text} lifts."));
    }
    let fences: Vec<Blocker> = fences.into_iter().filter(|fence| fence.blocks(&how.overrides)).collect();
    if outcome.is_ok() && !matches!(until, Goal::InPlace | Goal::Undone) {
        // Nothing was put in place, so it stopped nothing.
        for fence in &fences {
            warn(&format!(
                "Warning: this is in the way of putting it in place: {}.\n  {}",
                fence.sentence(),
                fence.lift
            ));
        }
    }
    let mut blocking: Vec<String> = fences.into_iter().filter_map(|fence| fence.typed).collect();
    blocking.dedup();
    let file = plan_arg::word(file);
    outcome.map_err(|trouble| {
        let trouble = if until == Goal::InPlace { lifts(trouble, &blocking, reasoned) } else { trouble };
        let trouble = if trouble.kind == ErrorKind::Stopped { stopped(trouble, until) } else { trouble };
        // With the file, so that it can be copied.
        let hint = trouble.advice(|way| match way {
            Remedy::Resume => format!("`requorum resume {file}`"),
            Remedy::Undo => format!("`requorum undo {file}`"),
            Remedy::FinishOther => "`requorum resume` with that plan's journal".into(),
        });
        Error { hint, remedies: Vec::new(), ..trouble }
    })
}

/// What stays of a run that was stopped, and the ways on and back.
fn stopped(trouble: Error, until: Goal) -> Error {
    const BUILT: &str = "Members that were built already stay in staging.";
    match until {
        Goal::Looked => trouble,
        Goal::Undone => trouble.remedies(&[Remedy::Resume]),
        _ => {
            let hint = if trouble.hint.is_empty() { BUILT.into() } else { format!("{}\n  {BUILT}", trouble.hint) };
            trouble.hint(hint).remedies(&[Remedy::Resume, Remedy::Undo])
        }
    }
}

/// How to go on in spite of what is in the way.
fn lifts(trouble: Error, blocking: &[String], reasoned: bool) -> Error {
    if blocking.is_empty() {
        return trouble;
    }
    let flags: Vec<String> =
        blocking.iter().map(|text| format!("--override {}", crate::text::phrase::shell_word(text))).collect();
    let reason = if reasoned { " --reason WHY" } else { "" };
    let hint = format!("{}\n  To go on all the same: {}{reason}", trouble.hint, flags.join(" "));
    trouble.hint(hint)
}

/// The codes of members that are built by hand.
fn by_hand(made: &Plan, typed: &[String]) -> Result<BTreeMap<String, String>> {
    let mut codes = BTreeMap::new();
    for text in typed {
        let (name, code) = text.split_once('=').ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("--by-hand {text} has no \"=\"")).hint("It is NAME=CODE.")
        })?;
        plan::chosen(made, &[name.to_string()])?;
        codes.insert(name.to_string(), code.to_string());
    }
    Ok(codes)
}

/// Answers requests on standard input until it ends.
pub(in crate::cli) fn agent() -> Result<()> {
    let world = Local::real(Members::new(Default::default())?);
    agent_server::serve(&world, io::stdin(), stdio::stdout())
}

/// One phase at one host.
struct Passing {
    phase: String,
    begun: Instant,
    /// When it was told last.
    told: Instant,
}

/// Prints what happens, a line at a time.
pub(in crate::cli) struct ConsoleReporter<'a> {
    plan: &'a Plan,
    lifted: &'a [String],
    json: bool,
    /// Whether what is in the way was evaluated, and all that was found and may be overridden.
    found: Mutex<(bool, Vec<Blocker>)>,
    /// What goes on at each host.
    told: Mutex<BTreeMap<String, Passing>>,
}

impl<'a> ConsoleReporter<'a> {
    pub(in crate::cli) fn new(plan: &'a Plan, lifted: &'a [String], format: Format) -> ConsoleReporter<'a> {
        let json = format == Format::Json;
        ConsoleReporter { plan, lifted, json, told: Mutex::default(), found: Mutex::default() }
    }

    pub(in crate::cli) fn tell(&self, told: ExecutionEvent) {
        // One at a time: hosts speak from threads of their own.
        let mut last = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let ExecutionEvent::Fences(fences) = &told {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0 = true;
            let known = &mut found.1;
            for fence in fences.iter().filter(|f| f.typed.is_some()).cloned() {
                if !known.iter().any(|k| k.typed == fence.typed) {
                    known.push(fence);
                }
            }
        }
        match told {
            ExecutionEvent::Host(host, event) => self.host(&host, &event, &mut last),
            ExecutionEvent::Fences(fences) if self.json => {
                let fences: Vec<_> = fences
                    .iter()
                    .map(|f| json!({"what": f.sentence(), "lift": f.lift, "override": f.typed, "blocks": f.blocks(self.lifted)}))
                    .collect();
                let _ = print_json(&format!("{}\n", json!({"event": "fences", "fences": fences})));
            }
            ExecutionEvent::Fences(fences) => fences.iter().filter(|f| !f.blocks(self.lifted)).for_each(passed),
            ExecutionEvent::Barrier(text) if self.json => {
                let _ = print_json(&format!("{}\n", json!({"event": "barrier", "text": text})));
            }
            ExecutionEvent::Barrier(text) => {
                let _ = print(&format!("All members are proven. {text}.\n"));
            }
        }
    }

    fn host(&self, host: &str, event: &HostEvent, last: &mut BTreeMap<String, Passing>) {
        let mut line = event.line(self.plan);
        if let Some((phase, step)) = passing(event) {
            let now = Instant::now();
            let known = last.get(host).filter(|known| known.phase == phase);
            if known.is_some_and(|known| now - known.told < PACE) {
                return;
            }
            let begun = known.map_or(now, |known| known.begun);
            line.text += &step.map(|step| rate(step, now - begun)).unwrap_or_default();
            last.insert(host.into(), Passing { phase, begun, told: now });
        }
        if self.json {
            let mut all = line.on(host);
            all["event"] = json!(line.event);
            // A reader that went away is met at the end.
            let _ = print_json(&format!("{all}\n"));
            return;
        }
        match event {
            HostEvent::Unreachable(_) | HostEvent::Failed(_) | HostEvent::Automation(_) | HostEvent::Runs(..) => {
                line.text.lines().for_each(|text| warn(&format!("{host}: {text}")));
            }
            HostEvent::Row(_, RowEvent::Failed(_)) => warn(&format!("{host}: {}", line.text)),
            HostEvent::Standing(..) if line.kind.is_none() => {}
            _ => {
                let _ = print(&format!("{host}: {}\n", line.text));
            }
        }
        if let HostEvent::Looked(_, problems) = event {
            problems.iter().for_each(|problem| warn(&format!("{host}: {}", self.placed(problem))));
        }
    }

    /// A problem with the member that it is about.
    fn placed(&self, problem: &Problem) -> String {
        let warning = if problem.severity == Severity::Warning { "Warning: " } else { "" };
        match problem.row.and_then(|row| self.plan.members.get(row)) {
            Some(member) => format!("{warning}{}: {problem}", member.name),
            None => format!("{warning}{problem}"),
        }
    }
}

/// What is told again and again: by what it is known as the same, and how far it is.
fn passing(event: &HostEvent) -> Option<(String, Option<Progress>)> {
    match event {
        HostEvent::Program(..) => Some(("program".into(), None)),
        HostEvent::Step(step) => Some((format!("snapshot {:?}", step.phase), Some(*step))),
        HostEvent::Row(name, RowEvent::Step(step)) => Some((format!("{name} {:?}", step.phase), Some(*step))),
        _ => None,
    }
}

fn passed(fence: &Blocker) {
    match fence.typed {
        Some(_) => warn(&format!("Warning: overridden: {}.", fence.sentence())),
        None => warn(&format!("Warning: {}.\n  {}", fence.sentence(), fence.lift)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stops_a_run_is_told_what_waits_and_the_ways_on_and_back() {
        let trouble = || Error::new(ErrorKind::Stopped, "stopped on request").hint("What was under way is removed.");
        let said = stopped(trouble(), Goal::InPlace);
        assert_eq!(said.remedies, [Remedy::Resume, Remedy::Undo]);
        for word in ["under way is removed", "stay in staging", "`requorum resume`", "`requorum undo`"] {
            assert!(said.to_string().contains(word), "{said}");
        }
        assert_eq!(stopped(trouble(), Goal::Undone).remedies, [Remedy::Resume]);
        assert_eq!(stopped(trouble(), Goal::Looked), trouble(), "a look leaves nothing to go on with");
    }
}
