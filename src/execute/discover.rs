//! Asks the hosts of a plan for their addresses and for how their etcds were started, so that their members can be
//! started the same way.

use std::{net::IpAddr, path::PathBuf};

use super::{Cancel, side_by_side::side_by_side};
use crate::{
    agent::protocol::{Event, Request},
    domain::{
        model::{observations::MachineFacts, plan::Plan},
        preflight::hosts,
        render::start::HostKnown,
    },
    engine::progress::Flow,
    error::{Error, Result},
    system::{
        Hosts,
        ssh::{Programs, unexpected},
    },
};

/// What was found, and what failed, by host name.
#[derive(Debug, Default)]
pub struct Learned {
    /// What the hosts reported.
    pub hosts: Vec<HostKnown>,
    /// Why a host reported nothing, or only a part.
    pub troubles: Vec<(String, Error)>,
}

/// Asks the hosts of these members, a few at a time. Nothing is written except the program, which is removed again.
///
/// # Errors
/// When this program's own file cannot be read.
pub fn known(plan: &Plan, names: &[String], system: &dyn Hosts, cancel: &Cancel) -> Result<Learned> {
    let groups = hosts::groups(plan, names);
    let programs = system.programs()?;
    let asked =
        side_by_side(5, groups.len(), |at| groups.get(at).map(|(host, _)| ask(host, system, &programs, cancel)));
    let mut learned = Learned::default();
    for ((host, _), (facts, error)) in groups.into_iter().zip(asked.into_iter().flatten()) {
        learned.troubles.extend(error.map(|error| (host, error)));
        learned.hosts.extend(facts);
    }
    Ok(learned)
}

/// Returns what one host reports, and the error if it is not all.
fn ask(host: &str, system: &dyn Hosts, programs: &Programs, cancel: &Cancel) -> (Option<HostKnown>, Option<Error>) {
    let (addresses, around) = match around(host, Vec::new(), system, programs, cancel) {
        Ok(told) => told,
        Err(error) => return (None, Some(error)),
    };
    let mut known = HostKnown { host: host.into(), configs: Vec::new(), adopt: true, addresses };
    match around {
        Ok(around) => {
            known.addresses.extend(around.addresses);
            known.configs = around.configs;
            (Some(known), None)
        }
        Err(error) => (Some(known), Some(error)),
    }
}

/// Returns a host's addresses, from a shell there, and what the program finds on the host, including these directories.
///
/// # Errors
/// When the host cannot be reached.
pub(crate) fn around(
    host: &str,
    dirs: Vec<(PathBuf, Option<PathBuf>)>,
    system: &dyn Hosts,
    programs: &Programs,
    cancel: &Cancel,
) -> Result<(Vec<IpAddr>, Result<MachineFacts>)> {
    let stop = || cancel.flow() == Flow::Stop;
    let mut session = system.open_session(host, &[], &stop)?;
    let addresses = session.facts().addresses.clone();
    let chosen = programs.choose(host, session.facts());
    let looked = chosen
        .and_then(|(program, way)| session.start(program, &way, &stop, &mut |_| {}))
        .and_then(|()| session.ask(&Request::LookAround { dirs }, &stop, &mut |_| {}));
    session.close();
    let around = looked.and_then(|event| match event {
        Event::Around(around) => Ok(*around),
        other => Err(unexpected(host, &other)),
    });
    Ok((addresses, around))
}
