//! Inspects every host of a plan before a run: the wizard shows the results next to the table and on Review.

use std::path::PathBuf;

use super::side_by_side::side_by_side;
use crate::{
    agent::protocol::{Event, Request},
    domain::{
        members::table::Problem,
        model::{
            host_address,
            observations::{MachineFacts, host::HostFacts},
            plan::{Member, Plan},
        },
        preflight::{
            host_report::{Look, Running},
            hosts::{self, BinarySource},
            stop,
        },
    },
    engine::progress::Flow,
    error::Result,
    execute::Cancel,
    system::{
        Hosts,
        host_session::HostSession,
        ssh::{Program, Programs, unexpected},
    },
};

/// Inspects all hosts in parallel; `hear` receives each result as soon as it is known. Nothing is written; but with
/// `closer` the program is sent, for the duration of the inspection, to hosts that lack it and run an etcd: only the
/// program can find out how that etcd is stopped.
pub fn preflight(
    plan: &Plan,
    closer: bool,
    limit: usize,
    system: &dyn Hosts,
    cancel: &Cancel,
    hear: &(dyn Fn(Look) + Sync),
) {
    let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
    let groups = hosts::groups(plan, &names);
    let programs = system.programs();
    side_by_side(limit, groups.len(), |at| {
        let (host, members) = groups.get(at)?;
        let mut look = Look { host: host.clone(), ..Look::new(plan, members) };
        match &programs {
            Ok(programs) => one(plan, &mut look, closer, programs, system, cancel),
            Err(error) => look.facts = Err(error.clone()),
        }
        hear(look);
        Some(())
    });
}

fn one(plan: &Plan, look: &mut Look, closer: bool, programs: &Programs, system: &dyn Hosts, cancel: &Cancel) {
    let stop = || cancel.flow() == Flow::Stop;
    let mut session = match system.open_session(&look.host, &hosts::asked(plan, &look.members), &stop) {
        Ok(session) => session,
        Err(error) => return look.facts = Err(error),
    };
    let facts = session.facts().clone();
    look.problems = hosts::evaluate(plan, &look.members, programs.known(), &facts);
    if let Some((program, way)) = close_by(look, programs, &facts, closer) {
        match around(&look.host, session.as_mut(), look.dirs(plan), program, &way, &stop) {
            Ok(around) => closely(plan, look, around),
            Err(error) => look.problems.push(Problem::error(None, None, error.sentence())),
        }
    }
    look.facts = Ok(facts);
    session.close();
}

/// Returns how the program gets to a host, if it may: on this machine, if the same version is there, else on request.
fn close_by<'p>(
    look: &Look,
    programs: &'p Programs,
    facts: &HostFacts,
    closer: bool,
) -> Option<(&'p Program, BinarySource)> {
    let (program, way) = programs.choose(&look.host, facts).ok()?;
    let written = way == BinarySource::Send && !host_address::is_local(&look.host);
    (!written || (closer && !facts.etcds.is_empty())).then_some((program, way))
}

fn around(
    host: &str,
    session: &mut dyn HostSession,
    dirs: Vec<(PathBuf, Option<PathBuf>)>,
    program: &Program,
    way: &BinarySource,
    stop: &(dyn Fn() -> bool + Sync),
) -> Result<MachineFacts> {
    session.start(program, way, stop, &mut |_| {})?;
    match session.ask(&Request::LookAround { dirs }, stop, &mut |_| {})? {
        Event::Around(around) => Ok(*around),
        other => Err(unexpected(host, &other)),
    }
}

/// Adds what only the program on the host can find out.
fn closely(plan: &Plan, look: &mut Look, around: MachineFacts) {
    look.problems.extend(hosts::logs_elsewhere(plan, &look.members, &around.configs));
    let here: Vec<(usize, &Member)> =
        look.members.iter().filter_map(|at| Some((*at, plan.members.get(*at)?))).collect();
    for (at, member) in here {
        let Some(dir) = around.dirs.iter().find(|dir| dir.data_dir == member.data_dir) else { continue };
        // A member that this plan installed and that was started since is left alone.
        let says = dir.state.says();
        if says.is_some_and(|says| says.cluster_id == plan.cluster_id) {
            continue;
        }
        match stop::halt(dir, &around.configs) {
            Ok(None) => {}
            Ok(Some(halt)) => look.runs.push(Running { halt, member: says.map(|says| says.member_id) }),
            Err(why) => look.problems.push(Problem::error(Some(at), None, why)),
        }
        look.found.push(dir.clone());
    }
    let active = around.configs.iter().flat_map(|config| &config.automation).filter(|a| a.active);
    look.automation = active.cloned().collect();
    look.close = true;
}
