//! `requorum apply`, `restore`, `resume` and `undo`: carry a plan out on its hosts, or all of it on this machine; and
//! `requorum agent`, which runs on the hosts.

mod announce;
mod args;
mod console;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use serde_json::{Value, json};

use super::plan;
use crate::cli::{
    Format,
    args::{connection_args, plan_arg, ssh_args::SshArgs},
    output::{
        progress::interruptible,
        question::{agreed, can_ask},
    },
    print_done, print_json, print_sentences, warn,
};
use crate::{
    cli::output::remedies,
    domain::{
        members::{build_plan, certificates},
        model::{host_address, plan::Plan},
        preflight::blockers::Blocker,
    },
    engine::{
        install::{run_lock, staging},
        source::io_trouble,
    },
    error::{Error, ErrorKind, Remedy, Result},
    execute::{
        blocker_checks,
        executor::{self, Consent, ExecutionSpec, Goal, Placement},
        prepare,
        preview::{HostPreview, preview},
        resume::{self, Unfinished},
    },
    system::{Clock, Files, agent_server, etcd_client::Members, journal, local::Local},
    text::{
        Foreign, Shown,
        stdio::{self, Detail},
    },
};

use args::How;
pub(in crate::cli) use args::{Args, RestoreArgs, ResumeArgs, UndoArgs};
pub(in crate::cli) use console::ConsoleReporter;

/// Carries a plan out on its hosts.
pub(in crate::cli) fn run(args: Args, outer: &connection_args::ConnectArgs, format: Format) -> Result<()> {
    let until = match (args.check, args.dry_run, args.keep) {
        (true, ..) => Goal::Looked,
        (_, true, false) => Goal::DryRun,
        (_, true, true) => Goal::Built,
        _ => Goal::InPlace,
    };
    let made = plan::read(args.plan.path())?;
    let journal = plan::journal_of(args.plan.path())?;
    let what = What {
        made: &made,
        file: args.plan.path(),
        journal: &journal,
        until,
        placement: Placement::OnHosts,
        consent: if until == Goal::InPlace && !args.yes { Ask::First } else { Ask::Never },
    };
    carry(&what, args.how, outer, format)?;
    if format == Format::Json {
        return Ok(());
    }
    let file = args.plan.word();
    print_done(&match until {
        Goal::Looked => {
            format!("Preflight passed on every host; nothing was written.\nNext: requorum apply {file} --dry-run\n")
        }
        Goal::DryRun => format!(
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
    .map_err(|error| Error { kind: ErrorKind::Refused, ..error })?;
    let journal = writable(plan::journal_of(args.plan.path())?, &made);
    let RestoreArgs { plan: path, member, overrides, reason, connect } = args;
    let how =
        How { member, limit: 1, by_hand: Vec::new(), stop: false, ssh: SshArgs::default(), overrides, reason, connect };
    let until = Goal::InPlace;
    carry(
        &What {
            made: &made,
            file: path.path(),
            journal: &journal,
            until,
            placement: Placement::Here,
            consent: Ask::Never,
        },
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
    let file = crate::text::quote::shell_word(&journal.to_string_lossy()).into_owned();
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
        return print_sentences(&format!("Nothing to resume: {} has no unfinished run.\n", journal.shown()));
    };
    if format != Format::Json || args.show {
        print_sentences(&state_of(&open))?;
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
    // it continues what was agreed to
    let consent = Ask::Never;
    let what = What { made: &open.plan, file: args.plan.path(), journal: &journal, until, placement, consent };
    carry(&what, how, outer, format)?;
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
    let consent = match (args.dry_run, args.yes) {
        (true, _) => Ask::ShowOnly,
        (_, true) => Ask::Never,
        _ => Ask::First,
    };
    let what = What { made: &made, file: args.plan.path(), journal: &journal, until, placement, consent };
    let some = carry(&what, how, outer, format)?;
    if format == Format::Json || args.dry_run {
        Ok(())
    } else if !some {
        print_sentences("Nothing to undo: every member was rolled back before.\n")
    } else {
        print_done(
            "Rolled back: the previous directories are restored, where there were any. Data written to the new cluster since the \
             restore is only in the directories that were moved away; they are kept.\n",
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
    consent: Ask,
}

/// Whether the operator sees what will be done before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// No.
    Never,
    /// It is shown and asked, where there is a terminal.
    First,
    /// It is only shown.
    ShowOnly,
}

/// Carries it out; returns false where nothing was left to do.
fn carry(what: &What<'_>, how: How, outer: &connection_args::ConnectArgs, format: Format) -> Result<bool> {
    let What { made, file, journal, until, placement, consent } = *what;
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
        overridden: &how.overrides,
        reason: &how.reason,
        decisions: &[],
        run: &run,
        journal,
    };
    let decisions = match consent {
        Ask::Never => Vec::new(),
        Ask::First if !can_ask() => Vec::new(),
        _ => {
            let shown = can_ask() && stdio::detail() != Detail::Least;
            if shown {
                stdio::status("looking at the hosts");
            }
            let hosts = interruptible(|cancel| preview(&job, cancel));
            if shown {
                stdio::status("");
            }
            let hosts = hosts?;
            if consent == Ask::ShowOnly {
                let stops = how.stop;
                match format {
                    Format::Json => print_json(&announce::json_lines(&hosts))?,
                    _ => print_sentences(&announce::text(made, until, &hosts, stops))?,
                }
                return Ok(true);
            }
            asked(&job, &hosts, &how)?
        }
    };
    let job = ExecutionSpec { decisions: &decisions, ..job };
    let reporter = ConsoleReporter::new(made, &how.overrides, format);
    let reporter = if until == Goal::Undone { reporter.undoing() } else { reporter };
    let hear = |told| reporter.tell(told);
    let outcome = interruptible(|cancel| match until {
        Goal::Undone => executor::undo(&job, cancel, &hear),
        _ => executor::apply(&job, cancel, &hear).map(|()| true),
    });
    let (told, fences) = reporter.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let stray = |text: &&String| told && !fences.iter().any(|fence| fence.typed.as_ref() == Some(text));
    for text in how.overrides.iter().filter(stray) {
        let text = crate::text::quote::shell_word(text);
        warn(&format!("Warning: --override {text} matches no blocker."));
    }
    let fences: Vec<Blocker> = fences.into_iter().filter(|fence| fence.blocks(&how.overrides)).collect();
    if outcome.is_ok() && !matches!(until, Goal::InPlace | Goal::Undone) {
        // Nothing was to be installed, so it blocked nothing.
        for fence in &fences {
            let lift = remedies::advised(&fence.lift.to_string(), fence.lift.remedies());
            warn(&format!("Warning: this would block the install: {}.\n  {lift}", fence.sentence()));
        }
    }
    let mut blocking: Vec<String> = fences.into_iter().filter_map(|fence| fence.typed).collect();
    blocking.dedup();
    let file = plan_arg::word(file);
    outcome.map_err(|error| {
        let error = if until == Goal::InPlace { lifts(error, &blocking, reasoned) } else { error };
        let error = if error.kind == ErrorKind::Stopped { stopped(error, until) } else { error };
        // With the file, so that it can be copied.
        Error { hint: remedies::advice(&error, Some(&file)), remedies: Vec::new(), ..error }
    })
}

/// Shows what will be done and asks; returns the decision for the journal. Where nothing will be done, the run reports that
/// itself.
///
/// # Errors
/// `Stopped` where the operator does not agree; `Refused` where an etcd would have to be stopped without consent.
fn asked(job: &ExecutionSpec<'_>, hosts: &[HostPreview], how: &How) -> Result<Vec<(String, Value)>> {
    if !hosts.iter().flat_map(|host| &host.members).any(|(_, change)| change.acts()) {
        return Ok(Vec::new());
    }
    let runs: Vec<_> = hosts.iter().flat_map(|host| host.runs.iter().map(|run| (&host.host, run))).collect();
    if !how.stop && !runs.is_empty() {
        return Err(prepare::running(job.until, &runs));
    }
    let (what, question) = match job.until {
        Goal::Undone => ("rollback", "Roll back? [y/N] "),
        _ => ("restore", "Restore? [y/N] "),
    };
    warn(&announce::text(job.plan, job.until, hosts, how.stop));
    if agreed(question)? {
        let text = format!("the {what} was agreed to (asked on the terminal)");
        return Ok(vec![(text, json!({"agreed": what, "by": "asked on the terminal"}))]);
    }
    Err(Error::new(ErrorKind::Stopped, format!("{what} not started: you did not agree"))
        .hint("Nothing was changed. --yes starts it without the question."))
}

/// Adds what is left of a stopped run, and how to resume or roll it back.
fn stopped(error: Error, until: Goal) -> Error {
    const BUILT: &str = "Members that were already built stay in staging.";
    match until {
        Goal::Looked => error,
        Goal::Undone => error.remedies(&[Remedy::Resume]),
        _ => {
            let hint = if error.hint.is_empty() { BUILT.into() } else { format!("{}\n  {BUILT}", error.hint) };
            error.hint(hint).remedies(&[Remedy::Resume, Remedy::Undo])
        }
    }
}

/// Adds the flags that override the blockers.
fn lifts(error: Error, blocking: &[String], reasoned: bool) -> Error {
    if blocking.is_empty() {
        return error;
    }
    let flags: Vec<String> =
        blocking.iter().map(|text| format!("--override {}", crate::text::quote::shell_word(text))).collect();
    let reason = if reasoned { " --reason WHY" } else { "" };
    let hint = format!("{}\n  To override: {}{reason}", error.hint, flags.join(" "));
    error.hint(hint)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_etcds_are_refused_in_the_words_of_the_command() {
        let run = crate::domain::preflight::stop::RunningEtcd {
            data_dir: "/var/lib/etcd".into(),
            wal_dir: None,
            pid: Some(8),
            commands: vec!["systemctl stop etcd".into()],
            resume: Vec::new(),
        };
        let (a, b) = ("h1".to_string(), "h2".to_string());
        for (until, open, words) in [
            (Goal::Undone, &[(&a, &run)][..], "it locks the directory that would be rolled back"),
            (Goal::Undone, &[(&a, &run), (&b, &run)], "they lock the directories that would be rolled back"),
            (Goal::InPlace, &[(&a, &run)], "it locks the directory that would be moved aside"),
        ] {
            let error = prepare::running(until, open);
            assert_eq!((error.kind, error.why.as_str()), (ErrorKind::Refused, words));
            assert_eq!(error.remedies, [Remedy::StopEtcds]);
            assert!(error.hint.contains("h1: systemctl stop etcd"), "{error}");
        }
    }

    #[test]
    fn a_stopped_run_names_leftovers_and_remedies() {
        let before = || Error::new(ErrorKind::Stopped, "stopped on request").hint("What was under way is removed.");
        let error = stopped(before(), Goal::InPlace);
        assert_eq!(error.remedies, [Remedy::Resume, Remedy::Undo]);
        assert_eq!(error.hint.lines().next(), Some(before().hint.as_str()), "what was under way");
        assert_eq!(error.hint.lines().count(), 2, "and what stays");
        assert_eq!(stopped(before(), Goal::Undone).remedies, [Remedy::Resume]);
        assert_eq!(stopped(before(), Goal::Looked), before(), "a look leaves nothing to go on with");
    }
}
