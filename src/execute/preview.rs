//! What a run would change, before it is agreed to: each host is looked at, each member's state there, and the etcds that
//! run on its directories. Nothing is written, locked or recorded.

use std::path::PathBuf;

use super::{
    Cancel, prepare,
    side_by_side::side_by_side,
    spec::{ExecutionSpec, Goal, Placement},
};
use crate::{
    agent::protocol::{Event, Request},
    domain::{
        members::table::Severity,
        model::{
            observations::{MachineFacts, host::PlaceState},
            plan::{Member, Plan},
        },
        preflight::{
            hosts,
            stop::{self, RunningEtcd},
        },
    },
    engine::{
        install::{MemberState, Renames},
        progress::Flow,
    },
    error::{Error, ErrorKind, Result},
    system::{
        host_session::HostSession,
        ssh::{Programs, unexpected},
    },
    text::Shown,
};

/// What would happen to one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is built, verified and installed; of its directories these exist and are moved aside.
    Install {
        /// Its data directory.
        into: PathBuf,
        /// Existing directories with content.
        aside: Vec<PathBuf>,
    },
    /// It is installed already; nothing is done.
    Installed,
    /// Its installation was interrupted and is completed.
    Finish,
    /// It is rolled back: its directories are moved away, and the previous ones back.
    RollBack {
        /// The restored directories, each with the name under which it is kept.
        away: Renames,
        /// The previous directories, from where they are to where they were.
        back: Renames,
    },
    /// Its rollback was interrupted and is completed.
    FinishRollBack,
    /// It was only built in staging; that is removed.
    Discard,
    /// Its installation was interrupted, so that it cannot be rolled back yet.
    HalfInstalled,
    /// There is nothing to roll back.
    Nothing,
}

impl Change {
    /// Returns whether something is done.
    pub fn acts(&self) -> bool {
        !matches!(self, Change::Installed | Change::HalfInstalled | Change::Nothing)
    }
}

/// What would happen on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPreview {
    /// The host as the plan names it.
    pub host: String,
    /// Its members, in the plan's order.
    pub members: Vec<(String, Change)>,
    /// The etcds that have to be stopped for that.
    pub runs: Vec<RunningEtcd>,
}

/// Returns what a run with this goal would change, host by host.
///
/// # Errors
/// `Refused` where a host is not ready for it; `Stopped`.
pub fn preview(job: &ExecutionSpec<'_>, cancel: &Cancel) -> Result<Vec<HostPreview>> {
    let names: Vec<String> = job.names.iter().filter(|name| !job.by_hand.contains_key(*name)).cloned().collect();
    let plan = &*job.located();
    let groups = hosts::groups(plan, &names);
    let programs = job.system.programs()?;
    let looked = side_by_side(job.limit, groups.len(), |at| {
        let (host, members) = groups.get(at)?;
        Some(one(job, plan, (host, members), &programs, cancel))
    });
    looked.into_iter().flatten().collect()
}

fn one(
    job: &ExecutionSpec<'_>,
    plan: &Plan,
    (host, members): (&String, &Vec<usize>),
    programs: &Programs,
    cancel: &Cancel,
) -> Result<HostPreview> {
    let stop = || cancel.flow() == Flow::Stop;
    let undoes = job.until == Goal::Undone;
    let not_ready = |why: &str| {
        Error::new(ErrorKind::Refused, format!("plan not started: {host} is not ready"))
            .why(why)
            .hint("Nothing was written on any host.")
    };
    let mut session = job.system.open_session(host, &hosts::asked(plan, members), &stop)?;
    let problems = match undoes {
        false => hosts::evaluate(plan, members, programs.known(), session.facts()),
        true => hosts::judge_program(host, programs.known(), session.facts()),
    };
    if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        return Err(not_ready(&problem.text));
    }
    let (program, way) = programs.choose(host, session.facts())?;
    session.start(program, &way, &stop, &mut |_| {})?;
    let mut out = HostPreview { host: host.clone(), members: Vec::new(), runs: Vec::new() };
    let own: Vec<&Member> = members.iter().filter_map(|at| job.plan.members.get(*at)).collect();
    let mut settled: Vec<&PathBuf> = Vec::new();
    for member in &own {
        let request = Request::Standing(prepare::PreparedHost::subject(job, member));
        let state = match session.ask(&request, &stop, &mut |_| {})? {
            Event::Standing(state) => state,
            other => return Err(unexpected(host, &other)),
        };
        if matches!(state, MemberState::InPlace(_)) && !undoes {
            settled.push(&member.data_dir);
        }
        out.members.push((member.name.clone(), change(job, member, state, session.as_ref())));
    }
    let dirs = own.iter().map(|m| (m.data_dir.clone(), m.wal_dir.clone())).collect();
    let around: MachineFacts = match session.ask(&Request::LookAround { dirs }, &stop, &mut |_| {})? {
        Event::Around(around) => *around,
        other => return Err(unexpected(host, &other)),
    };
    session.close();
    if job.placement == Placement::Here && !undoes {
        // nothing is moved aside, so nothing is stopped
        return Ok(out);
    }
    let theirs = |dir: &PathBuf| own.iter().any(|m| m.data_dir == *dir) && !settled.contains(&dir);
    for dir in around.dirs.iter().filter(|dir| theirs(&dir.data_dir)) {
        let found = stop::halt(dir, &around.configs).map_err(|why| {
            Error::new(ErrorKind::Refused, format!("{} on {host}: cannot be replaced", dir.data_dir.shown())).why(why)
        })?;
        out.runs.extend(found);
    }
    Ok(out)
}

/// Returns what would happen to a member in this state.
fn change(job: &ExecutionSpec<'_>, member: &Member, state: MemberState, session: &dyn HostSession) -> Change {
    let stamp = prepare::stamp(job);
    match (state, job.until == Goal::Undone) {
        (MemberState::InPlace(_), false) => Change::Installed,
        (MemberState::Moving(_), false) => Change::Finish,
        (MemberState::Nothing | MemberState::Staged(_) | MemberState::Undoing, false) => {
            let full = |path: &PathBuf| {
                let place = session.facts().places.iter().find(|place| place.path == *path);
                place.is_some_and(|place| !matches!(&place.state, PlaceState::Absent) && !is_empty(&place.state))
            };
            let aside = hosts::dirs(member).map(|(_, dir)| dir).filter(|dir| full(dir)).cloned().collect();
            Change::Install { into: member.data_dir.clone(), aside }
        }
        (MemberState::InPlace(swapped), true) => {
            let kept = |target: &PathBuf| {
                let name = target.file_name().unwrap_or_default().to_string_lossy();
                target.with_file_name(format!("{name}.undone-{stamp}"))
            };
            let away = swapped.places.iter().map(|place| (place.target.clone(), kept(&place.target))).collect();
            let back = swapped.aside().into_iter().map(|(target, aside)| (aside, target)).collect();
            Change::RollBack { away, back }
        }
        (MemberState::Undoing, true) => Change::FinishRollBack,
        (MemberState::Staged(_), true) => Change::Discard,
        (MemberState::Moving(_), true) => Change::HalfInstalled,
        (MemberState::Nothing, true) => Change::Nothing,
    }
}

fn is_empty(state: &PlaceState) -> bool {
    matches!(state, PlaceState::Dir(names) if hosts::strangers(names).next().is_none())
}
