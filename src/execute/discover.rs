//! What the hosts of a plan tell of themselves, so that their members are started as before: addresses, and how their etcds
//! were started.

use std::{net::IpAddr, path::PathBuf};

use super::{Cancel, side_by_side::side_by_side};
use crate::{
    agent::protocol::{Event, Request},
    domain::{
        model::{observations::MachineFacts, plan::Plan},
        preflight::hosts::{self, BinarySource},
        render::start::HostKnown,
    },
    engine::progress::Flow,
    error::{Error, Result},
    system::{
        Hosts,
        ssh::{Program, unexpected},
    },
};

/// What could be learned, and what could not, with the host's name.
#[derive(Debug, Default)]
pub struct Learned {
    /// What the hosts told.
    pub hosts: Vec<HostKnown>,
    /// Why some told nothing, or not all.
    pub troubles: Vec<(String, Error)>,
}

/// Asks these members' hosts, a few at a time; nothing is written but the program, which is removed again.
///
/// # Errors
/// When this program cannot be read.
pub fn known(plan: &Plan, names: &[String], system: &dyn Hosts, cancel: &Cancel) -> Result<Learned> {
    let groups = hosts::groups(plan, names);
    let program = Program::running()?;
    let asked = side_by_side(5, groups.len(), |at| groups.get(at).map(|(host, _)| ask(host, system, &program, cancel)));
    let mut learned = Learned::default();
    for ((host, _), (facts, trouble)) in groups.into_iter().zip(asked.into_iter().flatten()) {
        learned.troubles.extend(trouble.map(|trouble| (host, trouble)));
        learned.hosts.extend(facts);
    }
    Ok(learned)
}

/// What one host tells, as far as it does.
fn ask(host: &str, system: &dyn Hosts, program: &Program, cancel: &Cancel) -> (Option<HostKnown>, Option<Error>) {
    let (addresses, around) = match around(host, Vec::new(), system, program, cancel) {
        Ok(told) => told,
        Err(trouble) => return (None, Some(trouble)),
    };
    let mut known = HostKnown { host: host.into(), configs: Vec::new(), adopt: true, addresses };
    match around {
        Ok(around) => {
            known.addresses.extend(around.addresses);
            known.configs = around.configs;
            (Some(known), None)
        }
        Err(trouble) => (Some(known), Some(trouble)),
    }
}

/// A host's addresses, as a shell there tells them, and what the program finds beside the data, these directories among it.
///
/// # Errors
/// When the host cannot be reached.
pub(crate) fn around(
    host: &str,
    dirs: Vec<(PathBuf, Option<PathBuf>)>,
    system: &dyn Hosts,
    program: &Program,
    cancel: &Cancel,
) -> Result<(Vec<IpAddr>, Result<MachineFacts>)> {
    let stop = || cancel.flow() == Flow::Stop;
    let mut hand = system.open_session(host, &[], &stop)?;
    let addresses = hand.facts().addresses.clone();
    let way = hosts::way(&program.own, hand.facts()).unwrap_or(BinarySource::Send);
    let looked = hand
        .start(program, &way, &stop, &mut |_| {})
        .and_then(|()| hand.ask(&Request::LookAround { dirs }, &stop, &mut |_| {}));
    hand.close();
    let around = looked.and_then(|event| match event {
        Event::Around(around) => Ok(*around),
        other => Err(unexpected(host, &other)),
    });
    Ok((addresses, around))
}
