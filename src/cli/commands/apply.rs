//! `requorum apply`, `restore`, `resume` and `undo`: carry a plan out on its hosts, or all of it on this machine; and
//! `requorum agent`, which runs on the hosts.

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
        ssh_args::SshArgs,
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
    system::{Clock, Files, agent_server, etcd_client::Members, journal, local::Local},
    text::{Foreign, Shown, stdio},
};

/// The least time between two progress lines of one host.
const PACE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The preflight covers every host before anything is written on any of them. Members are built in staging and verified; \
only when all of them are, and the final check of the old cluster has passed, are old directories renamed to a dated \
name and the new ones installed. After an interruption run the same command again, or `requorum resume PLAN`; \
`requorum undo PLAN` restores the previous directories.")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// Build and verify every member, but install nothing
    ///
    /// The final check of the old cluster is made too; what was built is removed at the end.
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: keep what was built, so that apply can reuse it
    #[arg(long, requires = "dry_run")]
    keep: bool,
    /// Run only the preflight of every host; write nothing
    #[arg(long, conflicts_with = "dry_run")]
    check: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
This is an apply on this machine: members are built in staging and verified; only when all of them are, and the final \
check of the old cluster has passed, are they installed. Existing directories are not moved: one that is not empty is \
refused. After an interruption run the same command again, or `requorum resume PLAN`; `requorum undo PLAN` rolls it back, \
`requorum report PLAN` prints what was done.")]
pub(in crate::cli) struct RestoreArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Restore only this member; repeatable [default: all]
    ///
    /// Without it every member of the plan must belong to this machine.
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
    /// Override a blocker by the text that the refusal names; repeatable
    ///
    /// A blocker is, for example, an old member that still answers or a directory in use. The override is recorded in
    /// the journal next to the plan file.
    #[arg(long = "override", value_name = "TEXT")]
    overrides: Vec<String>,
    /// Reason for the override, recorded in the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The journal records the goal of the run and its last step. The hosts are examined again, and the run continues from the \
first incomplete step. Repeat the flags that it was started with (--stop, --by-hand, --override).")]
pub(in crate::cli) struct ResumeArgs {
    #[command(flatten)]
    plan: PlanArg,
    /// Only show how far the run got
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
    /// Work on only this member; repeatable [default: all]
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
    /// Number of hosts worked on in parallel
    #[arg(long, default_value_t = 5, value_name = "N")]
    limit: usize,
    /// Member that was restored by hand, with the code printed there
    ///
    /// The code is printed by the sheet of `requorum sheet`. Repeatable.
    #[arg(long, value_name = "NAME=CODE")]
    by_hand: Vec<String>,
    /// Run the commands that stop etcd on a data directory to be moved
    ///
    /// Without it the commands are only shown.
    #[arg(long)]
    stop: bool,
    #[command(flatten)]
    ssh: SshArgs,
    /// Override a blocker by the text that the refusal names; repeatable
    ///
    /// The override is recorded in the journal.
    #[arg(long = "override", value_name = "TEXT", requires = "reason")]
    overrides: Vec<String>,
    /// Reason for the override, recorded in the journal
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

/// Carries a plan out on its hosts.
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
        Goal::Looked => {
            format!("Preflight passed on every host; nothing was written.\nNext: requorum apply {file} --dry-run\n")
        }
        Goal::Rehearsed => format!(
            "Dry run passed: every member was built and verified; what was built is removed.\n\
             Next: requorum apply {file}\n"
        ),
        Goal::Built => format!("Every member is built and verified in staging.\nNext: requorum apply {file}\n"),
        Goal::InPlace | Goal::Undone => next(&file, &journal),
    })
}

/// Restores a plan's members on this machine.
pub(in crate::cli) fn restore(args: RestoreArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let made = plan::read(args.plan.path())?;
    plan::chosen(&made, &args.member)?;
    let file = args.plan.word();
    // A member that is named is restored here whatever its host: the operator may be on that host.
    let elsewhere = made.members.iter().find(|m| args.member.is_empty() && !host_address::is_local(&m.host));
    if let Some(member) = elsewhere {
        return Err(Error::new(
            ErrorKind::Usage,
            format!("{}: its host is {}, not this machine", member.name, member.host),
        )
        .why("restore works on this machine only")
        .hint(format!("For all hosts: requorum apply {file}; for members of this machine, name them with --member.")));
    }
    let system = Local::new(Members::new(Default::default())?);
    let all: Vec<&str> = made.members.iter().map(|m| m.name.as_str()).collect();
    let certificates = system.read_certificates(&certificates::named(&build_plan::rows(&made)));
    crate::cli::refuse_problems(
        &format!("{}: plan refused", args.plan.path().shown()),
        &certificates::check(&build_plan::rows(&made), &certificates, system.now()),
        &all,
    )
    .map_err(|trouble| Error { kind: ErrorKind::Refused, ..trouble })?;
    let journal = writable(plan::journal_of(args.plan.path())?, &made);
    let RestoreArgs { plan: path, member, overrides, reason, connect } = args;
    let how =
        How { member, limit: 1, by_hand: Vec::new(), stop: false, ssh: SshArgs::default(), overrides, reason, connect };
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

/// Returns the next steps after an install.
fn next(file: &str, journal: &Path) -> String {
    format!("Next: requorum launch {file}\nTo roll back: requorum undo {file}\nJournal: {}\n", journal.shown())
}

/// Returns the journal next to the plan file; where nothing can be written there, as on a read-only medium, one next
/// to the first member's data directory.
fn writable(journal: PathBuf, made: &Plan) -> PathBuf {
    let may = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    if may(if journal.exists() { &journal } else { staging::parent(&journal) }) {
        return journal;
    }
    let home = made.members.first().map(|m| run_lock::home(&m.data_dir)).unwrap_or_default();
    let journal = home.join(journal.file_name().unwrap_or_default());
    let file = crate::text::phrase::shell_word(&journal.to_string_lossy()).into_owned();
    warn(&format!(
        "Warning: the directory of the plan is not writable, so the journal is {}. Use it for resume, undo and report: \
         requorum undo {file}",
        journal.shown()
    ));
    journal
}

/// Shows how far an unfinished run got, and resumes it.
pub(in crate::cli) fn resume(args: ResumeArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let next_to = journal::path_next_to(args.plan.path());
    let journal = crate::cli::absolute(if next_to.is_file() { next_to.as_path() } else { args.plan.path() })?;
    if !journal.exists() && !args.plan.path().exists() {
        return Err(io_trouble("read", &journal, &io::ErrorKind::NotFound.into())
            .hint("Name the plan file of the interrupted run, or its journal."));
    }
    let system = Local::new(Members::new(Default::default())?);
    let records = journal::Journal::at(&system, &journal).read()?;
    let Some(open) = resume::standing(&records) else {
        return print(&format!("Nothing to resume: {} has no unfinished run.\n", journal.shown()));
    };
    if format != Format::Json || args.show {
        print(&state_of(&open))?;
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
        _ => print_done(&format!("The run is complete. What was done: requorum report {file}\n")),
    }
}

/// Returns how far a run got, in a few lines.
fn state_of(open: &Unfinished) -> String {
    let end = Foreign::new(open.ended.as_deref().unwrap_or("interrupted, or still running elsewhere"));
    let mut text = format!(
        "Plan {} of {}, started by {} at {} (run {}): {end}.\n",
        open.plan.short_id(),
        Foreign::new(&open.plan.label),
        Foreign::new(&open.who),
        Foreign::new(&open.since),
        Foreign::new(&open.run)
    );
    for (name, last) in &open.members {
        let last = last.as_deref().unwrap_or("no step recorded");
        text += &format!("  {}: {}\n", Foreign::new(name), Foreign::new(last));
    }
    text
}

/// Rolls the installed members of a plan back.
pub(in crate::cli) fn undo(args: UndoArgs, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let made = plan::read(args.plan.path())?;
    let journal = plan::journal_of(args.plan.path())?;
    let system = Local::new(Members::new(Default::default())?);
    let (mut how, mut placement) = (args.how, Placement::OnHosts);
    if let Some(names) = resume::installed_here(&journal::Journal::at(&system, &journal).read()?) {
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
        print("Nothing to undo: every member was rolled back before.\n")
    } else {
        print_done(
            "Rolled back: the previous directories are restored. Data written to the new cluster since then is only in the \
             directories that were moved away; they are kept.\n",
        )
    }
}

/// What to carry out: the plan, the goal and the place.
struct What<'a> {
    made: &'a Plan,
    /// The file that was given: a plan or a journal.
    file: &'a Path,
    journal: &'a Path,
    until: Goal,
    placement: Placement,
}

/// Carries it out; returns false where nothing was left to do.
fn carry(what: &What<'_>, how: How, outer: &connection_args::ConnectArgs, format: Format) -> Result<bool> {
    let What { made, file, journal, until, placement } = *what;
    let reasoned = placement == Placement::OnHosts;
    if reasoned && !how.overrides.is_empty() && how.reason.trim().is_empty() {
        return Err(Error::new(ErrorKind::Usage, "--override: --reason is missing")
            .hint("The reason is recorded in the journal."));
    }
    let names = plan::chosen(made, &how.member)?;
    let by_hand = by_hand(made, &how.by_hand)?;
    let connect = how.connect.clone().or(outer);
    let ssh = how.ssh.ssh()?;
    let system = Local::new(connect.members()?).by(ssh);
    let old = blocker_checks::of_snapshot(made, &connect.endpoints(), &system);
    let run = executor::run(made, &system);
    let job = ExecutionSpec {
        plan: made,
        names: &names,
        placement,
        by_hand: &by_hand,
        system: &system,
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
        warn(&format!("Warning: --override {text} matches no blocker."));
    }
    let fences: Vec<Blocker> = fences.into_iter().filter(|fence| fence.blocks(&how.overrides)).collect();
    if outcome.is_ok() && !matches!(until, Goal::InPlace | Goal::Undone) {
        // Nothing was to be installed, so it blocked nothing.
        for fence in &fences {
            warn(&format!("Warning: this would block the install: {}.\n  {}", fence.sentence(), fence.lift));
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

/// Adds what is left of a stopped run, and how to resume or roll it back.
fn stopped(trouble: Error, until: Goal) -> Error {
    const BUILT: &str = "Members that were already built stay in staging.";
    match until {
        Goal::Looked => trouble,
        Goal::Undone => trouble.remedies(&[Remedy::Resume]),
        _ => {
            let hint = if trouble.hint.is_empty() { BUILT.into() } else { format!("{}\n  {BUILT}", trouble.hint) };
            trouble.hint(hint).remedies(&[Remedy::Resume, Remedy::Undo])
        }
    }
}

/// Adds the flags that override the blockers.
fn lifts(trouble: Error, blocking: &[String], reasoned: bool) -> Error {
    if blocking.is_empty() {
        return trouble;
    }
    let flags: Vec<String> =
        blocking.iter().map(|text| format!("--override {}", crate::text::phrase::shell_word(text))).collect();
    let reason = if reasoned { " --reason WHY" } else { "" };
    let hint = format!("{}\n  To override: {}{reason}", trouble.hint, flags.join(" "));
    trouble.hint(hint)
}

/// Parses the codes of members that were restored by hand.
fn by_hand(made: &Plan, typed: &[String]) -> Result<BTreeMap<String, String>> {
    let mut codes = BTreeMap::new();
    for text in typed {
        let (name, code) = text.split_once('=').ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("--by-hand {text}: \"=\" is missing")).hint("The format is NAME=CODE.")
        })?;
        plan::chosen(made, &[name.to_string()])?;
        codes.insert(name.to_string(), code.to_string());
    }
    Ok(codes)
}

/// Serves requests from standard input until it is closed.
pub(in crate::cli) fn agent() -> Result<()> {
    let system = Local::new(Members::new(Default::default())?);
    agent_server::serve(&system, io::stdin(), stdio::stdout())
}

/// One phase on one host.
struct Passing {
    phase: String,
    begun: Instant,
    /// When it was last printed.
    told: Instant,
}

/// Prints the events of a run, a line each.
pub(in crate::cli) struct ConsoleReporter<'a> {
    plan: &'a Plan,
    lifted: &'a [String],
    json: bool,
    /// Whether blockers were evaluated, and those found that may be overridden.
    found: Mutex<(bool, Vec<Blocker>)>,
    /// The current phase on each host.
    told: Mutex<BTreeMap<String, Passing>>,
}

impl<'a> ConsoleReporter<'a> {
    pub(in crate::cli) fn new(plan: &'a Plan, lifted: &'a [String], format: Format) -> ConsoleReporter<'a> {
        let json = format == Format::Json;
        ConsoleReporter { plan, lifted, json, told: Mutex::default(), found: Mutex::default() }
    }

    pub(in crate::cli) fn tell(&self, told: ExecutionEvent) {
        // One at a time: hosts report from threads of their own.
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
                let _ = print(&format!("All members are verified. {text}.\n"));
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
            // A closed pipe is reported at the end.
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

    /// Returns a problem prefixed with its member's name.
    fn placed(&self, problem: &Problem) -> String {
        let warning = if problem.severity == Severity::Warning { "Warning: " } else { "" };
        match problem.row.and_then(|row| self.plan.members.get(row)) {
            Some(member) => format!("{warning}{}: {problem}", member.name),
            None => format!("{warning}{problem}"),
        }
    }
}

/// Returns the phase of a progress event, which recurs, and how far it is.
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
    fn a_stopped_run_names_leftovers_and_remedies() {
        let trouble = || Error::new(ErrorKind::Stopped, "stopped on request").hint("What was under way is removed.");
        let error = stopped(trouble(), Goal::InPlace);
        assert_eq!(error.remedies, [Remedy::Resume, Remedy::Undo]);
        for word in ["under way is removed", "stay in staging", "`requorum resume`", "`requorum undo`"] {
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(stopped(trouble(), Goal::Undone).remedies, [Remedy::Resume]);
        assert_eq!(stopped(trouble(), Goal::Looked), trouble(), "a look leaves nothing to go on with");
    }
}
