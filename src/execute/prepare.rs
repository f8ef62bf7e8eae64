//! Every host looked at, then each made ready: the program there, nobody else at work, and what runs and what stands
//! already known.

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
            hosts::{self, BinarySource},
            stop::{self, RunningEtcd},
        },
    },
    engine::{install::MemberState, progress::Flow, restore::Restored},
    error::{Error, ErrorKind, Result},
    etcd::membership::Id,
    execute::{Cancel, second_run},
    system::{
        host_session::HostSession,
        ssh::{Program, unexpected},
    },
    text::{
        Foreign, Shown,
        phrase::{all, plural},
    },
};

/// A host that can take its members.
pub(crate) struct PreparedHost<'w> {
    /// As the plan calls it.
    pub(crate) host: String,
    /// Its members' places in the plan.
    pub(crate) members: Vec<usize>,
    /// The connection.
    pub(crate) hand: Box<dyn HostSession + 'w>,
    /// What this run built there, as the host says.
    pub(crate) built: Vec<Restored>,
    /// How far each member is, in their order.
    pub(crate) standing: Vec<MemberState>,
    /// Members whose directories hold this very member, though not as a run of this plan put it there.
    pub(crate) holds: Vec<String>,
    /// How etcds are started there.
    pub(crate) configs: Vec<ConfigFacts>,
    /// The etcds that run on members' directories, each with its member ID.
    pub(crate) halts: Vec<(RunningEtcd, Option<Id>)>,
}

impl PreparedHost<'_> {
    pub(crate) fn close(self) {
        self.hand.close();
    }

    /// The members with how far they are.
    pub(crate) fn rows<'p>(&self, job: &ExecutionSpec<'p>) -> Vec<(&'p Member, MemberState)> {
        let members = self.members.iter().filter_map(|at| job.plan.members.get(*at));
        members.zip(self.standing.iter().cloned()).collect()
    }

    pub(crate) fn subject(job: &ExecutionSpec<'_>, member: &Member) -> MemberRequest {
        MemberRequest { plan: Box::new(job.plan.clone()), name: member.name.clone() }
    }

    pub(crate) fn odd(&self, event: &Event) -> Error {
        unexpected(&self.host, event)
    }
}

/// Connects to all, and judges what is seen. The connections stay open: one for each host.
///
/// # Errors
/// `Refused` when one is not ready; `Stopped`.
pub(crate) fn look<'w>(
    job: &ExecutionSpec<'w>,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
) -> Result<Vec<PreparedHost<'w>>> {
    connect(job, cancel, teller, true)
}

/// The same for taking members out of their places, for which no room is needed.
///
/// # Errors
/// As [`look`].
pub(crate) fn look_for_undo<'w>(
    job: &ExecutionSpec<'w>,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
) -> Result<Vec<PreparedHost<'w>>> {
    connect(job, cancel, teller, false)
}

fn connect<'w>(
    job: &ExecutionSpec<'w>,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
    room: bool,
) -> Result<Vec<PreparedHost<'w>>> {
    let names: Vec<String> = job.names.iter().filter(|name| !job.by_hand.contains_key(*name)).cloned().collect();
    let plan = &*job.located();
    let groups: Vec<Group> = hosts::groups(plan, &names);
    let own = Program::running()?.own;
    let stop = || cancel.flow() == Flow::Stop;
    let looked = side_by_side(job.limit, groups.len(), |at| {
        let (host, members) = groups.get(at)?;
        Some(match job.system.open_session(host, &hosts::asked(plan, members), &stop) {
            Ok(hand) => {
                if let (true, Err(trouble)) =
                    (room, vacant(job, members, hand.facts(), |column, names| !hosts::is_members(column, names)))
                {
                    teller.host(host, HostEvent::Failed(trouble.clone()));
                    return Some(Err(Some(trouble)));
                }
                let judge = |own, facts| match room {
                    true => hosts::evaluate(plan, members, own, facts),
                    false => hosts::judge_program(own, facts),
                };
                let problems = judge(&own, hand.facts());
                let bad = problems.iter().any(|p| p.severity == Severity::Error);
                teller.host(host, HostEvent::Looked(Box::new(hand.facts().clone()), problems));
                if bad { Err(None) } else { Ok(hand) }
            }
            Err(trouble) => {
                teller.host(host, HostEvent::Unreachable(trouble.clone()));
                Err(Some(trouble))
            }
        })
    });
    let (mut ready, mut bad) = (Vec::new(), Vec::new());
    for (looked, (host, members)) in looked.into_iter().zip(groups) {
        match looked {
            Some(Ok(hand)) => {
                let (built, standing, holds) = (Vec::new(), Vec::new(), Vec::new());
                let (configs, halts) = (Vec::new(), Vec::new());
                ready.push(PreparedHost { host, members, hand, built, standing, holds, configs, halts })
            }
            Some(Err(Some(trouble))) if matches!(trouble.kind, ErrorKind::Stopped | ErrorKind::Input) => {
                return Err(trouble);
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
    let what = format!("the plan is not carried out: {} {} ready", all(bad), plural(bad.len(), "is not", "are not"));
    Err(Error::new(ErrorKind::Refused, what).hint("Nothing was written on any host."))
}

/// Starts the program on each host, claims the members' directories, and finds out what stands and what runs there.
///
/// # Errors
/// `Refused` when somebody else is at work, a log lies where the plan does not look, or an etcd runs that nobody consented
/// to stop.
pub(crate) fn ready<'w>(
    job: &ExecutionSpec<'w>,
    mut looked: Vec<PreparedHost<'w>>,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
) -> Result<Vec<PreparedHost<'w>>> {
    let program = Program::running()?;
    let outcomes = each(job.limit, &mut looked, |host| {
        let outcome = prepare(job, host, &program, cancel, teller);
        if let Err(trouble) = &outcome {
            teller.host(&host.host, HostEvent::Failed(trouble.clone()));
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
    program: &Program,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
) -> Result<()> {
    let stop = || cancel.flow() == Flow::Stop;
    let way = hosts::way(&program.own, host.hand.facts()).unwrap_or(BinarySource::Send);
    let name = host.host.clone();
    host.hand.start(program, &way, &stop, &mut |at| teller.host(&name, HostEvent::Program(at, program.bytes)))?;
    let members: Vec<&Member> = host.members.iter().filter_map(|at| job.plan.members.get(*at)).collect();
    let targets = members.iter().flat_map(|m| hosts::dirs(m).map(|(_, dir)| dir.clone())).collect();
    let on = &mut |step| teller.host(&name, HostEvent::Step(step));
    journal_seal::claim(job, (&name, &mut *host.hand), targets, teller, &stop, on)?;
    for member in &members {
        match host.hand.ask(&Request::Standing(PreparedHost::subject(job, member)), &stop, &mut |_| {})? {
            Event::Standing(standing) => {
                teller.host(&name, HostEvent::Standing(member.name.clone(), standing.clone()));
                host.standing.push(standing);
            }
            other => return Err(host.odd(&other)),
        }
    }
    let dirs = members.iter().map(|m| (m.data_dir.clone(), m.wal_dir.clone())).collect();
    let around = match host.hand.ask(&Request::LookAround { dirs }, &stop, &mut |_| {})? {
        Event::Around(around) => *around,
        other => return Err(host.odd(&other)),
    };
    host.configs = around.configs;
    let active: Vec<_> = host.configs.iter().flat_map(|c| &c.automation).filter(|a| a.active).cloned().collect();
    if !active.is_empty() {
        teller.host(&name, HostEvent::Automation(active));
    }
    let held = |m: &&&Member| around.dirs.iter().any(|d| d.data_dir == m.data_dir && second_run::holds(job.plan, m, d));
    host.holds = members.iter().filter(held).map(|member| member.name.clone()).collect();
    elsewhere(job, host)?;
    for dir in around.dirs.iter().filter(|dir| members.iter().any(|m| m.data_dir == dir.data_dir)) {
        runs(job, host, dir, teller)?;
    }
    Ok(())
}

/// Refuses a directory that is not empty where nothing is moved aside. A member of this plan is no stranger where it is in
/// place already, or on its way.
///
/// # Errors
/// `Input` for the first one.
pub(crate) fn all_vacant(job: &ExecutionSpec<'_>, ready: &[PreparedHost<'_>]) -> Result<()> {
    let open = |standing: &MemberState| matches!(standing, MemberState::Nothing | MemberState::Staged(_));
    ready.iter().try_for_each(|host| {
        let rows = host.members.iter().zip(&host.standing);
        let open: Vec<usize> = rows.filter(|(_, standing)| open(standing)).map(|(at, _)| *at).collect();
        vacant(job, &open, host.hand.facts(), |_, _| true)
    })
}

/// The same of these members, as far as `strange` says that what is there is meant.
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
                hosts::strangers(names).next().map(|first| format!("the directory is not empty, it holds {first}"))
            }
            _ => None,
        };
        if let Some(why) = why {
            return Err(Error::new(ErrorKind::Input, format!("{} is taken", path.shown())).why(why).hint(
                "restore never moves anything. Move it aside yourself; `requorum apply` moves an old member's directory \
                 aside under a dated name.",
            ));
        }
    }
    Ok(())
}

/// Refuses where an etcd's log lies elsewhere than the plan says.
fn elsewhere(job: &ExecutionSpec<'_>, host: &PreparedHost<'_>) -> Result<()> {
    let problems: Vec<Problem> = hosts::logs_elsewhere(job.plan, &host.members, &host.configs);
    let Some(first) = problems.into_iter().next() else { return Ok(()) };
    let member = first.row.and_then(|at| job.plan.members.get(at)).map(|m| m.name.clone()).unwrap_or_default();
    Err(Error::new(ErrorKind::Refused, format!("{member} is not restored on {}", host.host)).why(first.text))
}

/// Notes an etcd that runs on a member's directory. One that runs on what this plan put there is left alone.
fn runs(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    dir: &DirFacts,
    teller: &EventReporter<'_>,
) -> Result<()> {
    let at = host.members.iter().position(|at| job.plan.members.get(*at).is_some_and(|m| m.data_dir == dir.data_dir));
    let in_place = at.and_then(|at| host.standing.get(at)).is_some_and(|s| matches!(s, MemberState::InPlace(_)));
    // Where nothing is moved aside nothing is stopped for it: who holds a directory there is a blocker.
    if (in_place || job.placement == Placement::Here) && job.until != Goal::Undone {
        return Ok(());
    }
    let found = stop::halt(dir, &host.configs).map_err(|why| {
        Error::new(ErrorKind::Refused, format!("{} cannot be exchanged on {}", dir.data_dir.shown(), host.host))
            .why(why)
    })?;
    if let Some(halt) = found {
        let member = dir.state.says().map(|says| says.member_id);
        teller.host(&host.host, HostEvent::Runs(halt.clone(), member));
        host.halts.push((halt, member));
    }
    Ok(())
}

/// Refuses where an etcd has to be stopped and nobody said that it may be.
fn consented(job: &ExecutionSpec<'_>, looked: &[PreparedHost<'_>]) -> Result<()> {
    if matches!(job.until, Goal::Rehearsed | Goal::Built) {
        return Ok(());
    }
    let all = looked.iter().flat_map(|host| host.halts.iter().map(|(halt, _)| (&host.host, halt)));
    let open: Vec<(&String, &RunningEtcd)> = all.filter(|(host, halt)| !job.consent.covers(host, halt)).collect();
    let lines: Vec<String> =
        open.iter().map(|(host, halt)| format!("{host}: {}", halt.commands.join(" && "))).collect();
    let Some((first, _)) = open.first() else { return Ok(()) };
    let what = match lines.len() {
        1 => format!("an etcd runs on {first} where a member is to be put"),
        many => format!("etcds run on {many} directories where members are to be put"),
    };
    Err(Error::new(ErrorKind::Refused, what)
        .why("they hold what is to be moved aside")
        .hint(format!("To have these commands run just before: --stop\n    {}", lines.join("\n    "))))
}

/// The time in the names of what is moved aside, from the run's beginning: `20261122-031205`.
pub(crate) fn stamp(job: &ExecutionSpec<'_>) -> String {
    let digits: String = job.run.since.chars().filter(char::is_ascii_digit).collect();
    match digits.split_at_checked(8) {
        Some((day, time)) => format!("{day}-{time}"),
        None => digits,
    }
}

/// Does `work` on each host, at most `limit` at a time; what came of each, in order.
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
