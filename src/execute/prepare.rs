//! Inspects every host, then prepares each: starts the program there, takes the run lock, and records the members'
//! states and the etcds that run.

use super::{
    events::{EventReporter, HostEvent},
    journal_seal,
    side_by_side::side_by_side,
    spec::{ExecutionSpec, Goal, Group, Placement},
};
use std::sync::{Mutex, PoisonError};

use crate::{
    agent::protocol::{Event, MemberRequest, Request},
    domain::{
        members::table::{Column, Problem, Severity},
        model::{
            observations::{
                config::ConfigFacts,
                disk::DirFacts,
                host::{HostFacts, PlaceState},
            },
            plan::Member,
        },
        preflight::{
            hosts,
            stop::{self, RunningEtcd},
        },
    },
    engine::{install::MemberState, progress::Flow, restore::Restored},
    error::{Error, ErrorKind, Remedy, Result},
    etcd::membership::Id,
    execute::{Cancel, second_run},
    system::{
        host_session::HostSession,
        ssh::{Programs, unexpected},
    },
    text::{Foreign, Shown, join::all, number::plural},
};

/// A host that is ready for its members.
pub(crate) struct PreparedHost<'w> {
    /// Its name in the plan.
    pub(crate) host: String,
    /// The indexes of its members in the plan.
    pub(crate) members: Vec<usize>,
    /// The connection.
    pub(crate) session: Box<dyn HostSession + 'w>,
    /// What this run built there, as the host reports it.
    pub(crate) built: Vec<Restored>,
    /// The state of each member, in their order.
    pub(crate) standing: Vec<MemberState>,
    /// Members whose directories already contain this very member, but not installed by a run of this plan.
    pub(crate) holds: Vec<String>,
    /// The etcd configurations found there.
    pub(crate) configs: Vec<ConfigFacts>,
    /// The etcds that run on members' directories, each with its member ID.
    pub(crate) halts: Vec<(RunningEtcd, Option<Id>)>,
}

impl PreparedHost<'_> {
    pub(crate) fn close(self) {
        self.session.close();
    }

    /// Returns the members with their states.
    pub(crate) fn rows<'p>(&self, job: &ExecutionSpec<'p>) -> Vec<(&'p Member, MemberState)> {
        let members = self.members.iter().filter_map(|at| job.plan.members.get(*at));
        members.zip(self.standing.iter().cloned()).collect()
    }

    pub(crate) fn subject(job: &ExecutionSpec<'_>, member: &Member) -> MemberRequest {
        MemberRequest { plan: Box::new(job.plan.clone()), name: member.name.clone() }
    }

    pub(crate) fn unexpected_response(&self, event: &Event) -> Error {
        unexpected(&self.host, event)
    }
}

/// Connects to all hosts and evaluates what is found. The connections stay open, one for each host.
///
/// # Errors
/// `Refused` when a host is not ready; `Stopped`.
pub(crate) fn look<'w>(
    job: &ExecutionSpec<'w>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<Vec<PreparedHost<'w>>> {
    connect(job, cancel, reporter, true)
}

/// Does the same for a rollback, which needs no free space.
///
/// # Errors
/// As [`look`].
pub(crate) fn look_for_undo<'w>(
    job: &ExecutionSpec<'w>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<Vec<PreparedHost<'w>>> {
    connect(job, cancel, reporter, false)
}

fn connect<'w>(
    job: &ExecutionSpec<'w>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
    room: bool,
) -> Result<Vec<PreparedHost<'w>>> {
    let names: Vec<String> = job.names.iter().filter(|name| !job.by_hand.contains_key(*name)).cloned().collect();
    let plan = &*job.located();
    let groups: Vec<Group> = hosts::groups(plan, &names);
    let programs = job.system.programs()?;
    let stop = || cancel.flow() == Flow::Stop;
    let looked = side_by_side(job.limit, groups.len(), |at| {
        let (host, members) = groups.get(at)?;
        Some(match job.system.open_session(host, &hosts::asked(plan, members), &stop) {
            Ok(session) => {
                if let (true, Err(error)) =
                    (room, vacant(job, members, session.facts(), |column, names| !hosts::is_members(column, names)))
                {
                    reporter.host(host, HostEvent::Failed(error.clone()));
                    return Some(Err(Some(error)));
                }
                let problems = match room {
                    true => hosts::evaluate(plan, members, programs.known(), session.facts()),
                    false => hosts::judge_program(host, programs.known(), session.facts()),
                };
                let bad = problems.iter().any(|p| p.severity == Severity::Error);
                reporter.host(host, HostEvent::Looked(Box::new(session.facts().clone()), problems));
                if bad { Err(None) } else { Ok(session) }
            }
            Err(error) => {
                reporter.host(host, HostEvent::Unreachable(error.clone()));
                Err(Some(error))
            }
        })
    });
    let (mut ready, mut bad) = (Vec::new(), Vec::new());
    for (looked, (host, members)) in looked.into_iter().zip(groups) {
        match looked {
            Some(Ok(session)) => {
                let (built, standing, holds) = (Vec::new(), Vec::new(), Vec::new());
                let (configs, halts) = (Vec::new(), Vec::new());
                ready.push(PreparedHost { host, members, session, built, standing, holds, configs, halts })
            }
            Some(Err(Some(error))) if matches!(error.kind, ErrorKind::Stopped | ErrorKind::Input) => {
                return Err(error);
            }
            _ => bad.push(host),
        }
    }
    not_ready(&bad)?;
    Ok(ready)
}

fn not_ready(bad: &[String]) -> Result<()> {
    if bad.is_empty() {
        return Ok(());
    }
    let what = format!("plan not started: {} {} ready", all(bad), plural(bad.len(), "is not", "are not"));
    Err(Error::new(ErrorKind::Refused, what).hint("Nothing was written on any host."))
}

/// Starts the program on each host, locks the members' directories, and finds out their states and which etcds run
/// there.
///
/// # Errors
/// `Refused` when another run has the lock, the WAL is in another place than the plan says, or an etcd runs that must
/// be stopped without consent.
pub(crate) fn ready<'w>(
    job: &ExecutionSpec<'w>,
    mut looked: Vec<PreparedHost<'w>>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<Vec<PreparedHost<'w>>> {
    let programs = job.system.programs()?;
    let outcomes = each(job.limit, &mut looked, |host| {
        let outcome = prepare(job, host, &programs, cancel, reporter);
        if let Err(error) = &outcome {
            reporter.host(&host.host, HostEvent::Failed(error.clone()));
        }
        outcome
    });
    outcomes.into_iter().flatten().collect::<Result<()>>()?;
    consented(job, &looked)?;
    Ok(looked)
}

fn prepare(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    programs: &Programs,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<()> {
    let stop = || cancel.flow() == Flow::Stop;
    let (program, way) = programs.choose(&host.host, host.session.facts())?;
    let name = host.host.clone();
    host.session.start(program, &way, &stop, &mut |at| reporter.host(&name, HostEvent::Program(at, program.bytes)))?;
    let members: Vec<&Member> = host.members.iter().filter_map(|at| job.plan.members.get(*at)).collect();
    let targets = members.iter().flat_map(|m| hosts::dirs(m).map(|(_, dir)| dir.clone())).collect();
    let on = &mut |step| reporter.host(&name, HostEvent::Step(step));
    journal_seal::claim(job, (&name, &mut *host.session), targets, reporter, &stop, on)?;
    for member in &members {
        match host.session.ask(&Request::Standing(PreparedHost::subject(job, member)), &stop, &mut |_| {})? {
            Event::Standing(standing) => {
                reporter.host(&name, HostEvent::MemberState(member.name.clone(), standing.clone()));
                host.standing.push(standing);
            }
            other => return Err(host.unexpected_response(&other)),
        }
    }
    let dirs = members.iter().map(|m| (m.data_dir.clone(), m.wal_dir.clone())).collect();
    let around = match host.session.ask(&Request::LookAround { dirs }, &stop, &mut |_| {})? {
        Event::Around(around) => *around,
        other => return Err(host.unexpected_response(&other)),
    };
    host.configs = around.configs;
    let active: Vec<_> = host.configs.iter().flat_map(|c| &c.automation).filter(|a| a.active).cloned().collect();
    if !active.is_empty() {
        reporter.host(&name, HostEvent::Automation(active));
    }
    let held = |m: &&&Member| around.dirs.iter().any(|d| d.data_dir == m.data_dir && second_run::holds(job.plan, m, d));
    host.holds = members.iter().filter(held).map(|member| member.name.clone()).collect();
    elsewhere(job, host)?;
    for dir in around.dirs.iter().filter(|dir| members.iter().any(|m| m.data_dir == dir.data_dir)) {
        runs(job, host, dir, reporter)?;
    }
    Ok(())
}

/// Refuses a directory that is not empty if nothing is moved aside. A member of this plan that is installed, or partly
/// installed, is accepted.
///
/// # Errors
/// `Input` for the first one.
pub(crate) fn all_vacant(job: &ExecutionSpec<'_>, ready: &[PreparedHost<'_>]) -> Result<()> {
    let open = |standing: &MemberState| matches!(standing, MemberState::Nothing | MemberState::Staged(_));
    ready.iter().try_for_each(|host| {
        let rows = host.members.iter().zip(&host.standing);
        let open: Vec<usize> = rows.filter(|(_, standing)| open(standing)).map(|(at, _)| *at).collect();
        vacant(job, &open, host.session.facts(), |_, _| true)
    })
}

/// Does the same for these members; `strange` decides whether a directory's names count as foreign.
///
/// # Errors
/// `Input` for the first one.
fn vacant(
    job: &ExecutionSpec<'_>,
    members: &[usize],
    facts: &HostFacts,
    strange: impl Fn(Column, &[Foreign]) -> bool,
) -> Result<()> {
    if job.placement != Placement::Here {
        return Ok(());
    }
    let members = members.iter().filter_map(|at| job.plan.members.get(*at));
    for (column, path) in members.flat_map(hosts::dirs) {
        let state = facts.places.iter().find(|place| place.path == *path).map(|place| &place.state);
        let why = match state {
            Some(PlaceState::File) => Some("it is not a directory".to_string()),
            Some(PlaceState::Dir(names)) if strange(column, names) => {
                hosts::strangers(names).next().map(|first| format!("the directory is not empty: it contains {first}"))
            }
            _ => None,
        };
        if let Some(why) = why {
            return Err(Error::new(ErrorKind::Input, format!("{}: already in use", path.shown()))
                .why(why)
                .hint("Existing data is never moved here. Move it aside yourself.")
                .remedies(&[Remedy::MoveAside]));
        }
    }
    Ok(())
}

/// Refuses if an etcd's WAL is in another place than the plan says.
fn elsewhere(job: &ExecutionSpec<'_>, host: &PreparedHost<'_>) -> Result<()> {
    let problems: Vec<Problem> = hosts::logs_elsewhere(job.plan, &host.members, &host.configs);
    let Some(first) = problems.into_iter().next() else { return Ok(()) };
    let member = first.row.and_then(|at| job.plan.members.get(at)).map(|m| m.name.clone()).unwrap_or_default();
    Err(Error::new(ErrorKind::Refused, format!("{member} on {}: not restored", host.host)).why(first.text))
}

/// Records an etcd that runs on a member's directory. One that runs on what this plan installed is left alone.
fn runs(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    dir: &DirFacts,
    reporter: &EventReporter<'_>,
) -> Result<()> {
    let at = host.members.iter().position(|at| job.plan.members.get(*at).is_some_and(|m| m.data_dir == dir.data_dir));
    let in_place = at.and_then(|at| host.standing.get(at)).is_some_and(|s| matches!(s, MemberState::InPlace(_)));
    // If nothing is moved aside, nothing is stopped: a process that has locked the directory is a blocker then.
    if (in_place || job.placement == Placement::Here) && job.until != Goal::Undone {
        return Ok(());
    }
    let found = stop::halt(dir, &host.configs).map_err(|why| {
        Error::new(ErrorKind::Refused, format!("{} on {}: cannot be replaced", dir.data_dir.shown(), host.host))
            .why(why)
    })?;
    if let Some(halt) = found {
        let member = dir.state.says().map(|says| says.member_id);
        reporter.host(&host.host, HostEvent::Runs(halt.clone(), member));
        host.halts.push((halt, member));
    }
    Ok(())
}

/// Refuses if an etcd has to be stopped without consent.
fn consented(job: &ExecutionSpec<'_>, looked: &[PreparedHost<'_>]) -> Result<()> {
    if matches!(job.until, Goal::DryRun | Goal::Built) {
        return Ok(());
    }
    let all = looked.iter().flat_map(|host| host.halts.iter().map(|(halt, _)| (&host.host, halt)));
    let open: Vec<(&String, &RunningEtcd)> = all.filter(|(host, halt)| !job.consent.covers(host, halt)).collect();
    match open.is_empty() {
        true => Ok(()),
        false => Err(running(job.until, &open)),
    }
}

/// Returns the refusal for etcds that would have to be stopped, each with its host.
pub(crate) fn running(until: Goal, open: &[(&String, &RunningEtcd)]) -> Error {
    let lines: Vec<String> =
        open.iter().map(|(host, halt)| format!("{host}: {}", halt.commands.join(" && "))).collect();
    let one = lines.len() == 1;
    let first = open.first().map(|(host, _)| host.as_str()).unwrap_or_default();
    let what = match one {
        true => format!("{first}: an etcd is running on the data directory of a member"),
        false => format!("etcds are running on the data directories of {} members", lines.len()),
    };
    let (it, dirs) = if one { ("it locks", "directory") } else { ("they lock", "directories") };
    let fate = match until {
        Goal::Undone => "rolled back",
        _ => "moved aside",
    };
    let commands = if one { "The command that stops it" } else { "The commands that stop them" };
    Error::new(ErrorKind::Refused, what)
        .why(format!("{it} the {dirs} that would be {fate}"))
        .hint(format!("{commands}:\n    {}", lines.join("\n    ")))
        .remedies(&[Remedy::StopEtcds])
}

/// Returns the timestamp for the names of what is moved aside, from the start of the run: `20261122-031205`.
pub(crate) fn stamp(job: &ExecutionSpec<'_>) -> String {
    let digits: String = job.run.since.chars().filter(char::is_ascii_digit).collect();
    match digits.split_at_checked(8) {
        Some((day, time)) => format!("{day}-{time}"),
        None => digits,
    }
}

/// Runs `work` on each host, at most `limit` at a time; returns the results in order.
pub(super) fn each<'w>(
    limit: usize,
    ready: &mut [PreparedHost<'w>],
    work: impl Fn(&mut PreparedHost<'w>) -> Result<()> + Sync,
) -> Vec<Option<Result<()>>> {
    let slots: Vec<Mutex<&mut PreparedHost<'w>>> = ready.iter_mut().map(Mutex::new).collect();
    side_by_side(limit, slots.len(), |at| {
        let mut host = slots.get(at)?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(work(&mut host))
    })
}
