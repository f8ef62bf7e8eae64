//! Members put in place, host by host, and taken out again: what runs there is stopped by consent first.

use super::{
    build_claims,
    events::{EventReporter, HostEvent},
    prepare::{PreparedHost, stamp},
    spec::ExecutionSpec,
};
use crate::{
    agent::protocol::{Event, Request},
    engine::{install::MemberState, progress::Flow},
    error::{Error, ErrorKind, Remedy, Result},
    execute::{Cancel, SafetyClearance},
};

/// Puts every member in place that is not. One host after the other, so that a failure leaves the rest as it was.
///
/// # Errors
/// The first failure, with what is in place and what is not.
pub(crate) fn exchange(
    job: &ExecutionSpec<'_>,
    ready: &mut [PreparedHost<'_>],
    _clearance: &SafetyClearance,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
) -> Result<()> {
    let stamp = stamp(job);
    let mut placed: Vec<String> = Vec::new();
    for host in ready.iter_mut() {
        let outcome = stopping(cancel, &host.host).and_then(|()| one(job, host, &stamp, cancel, teller, &mut placed));
        if let Err(trouble) = outcome {
            teller.host(&host.host, HostEvent::Failed(trouble.clone()));
            let so_far = match placed.as_slice() {
                [] => "Nothing is in place yet".to_string(),
                some => format!("In place: {}", some.join(", ")),
            };
            let first = if trouble.hint.is_empty() { String::new() } else { format!("{}\n  ", trouble.hint) };
            return Err(trouble.hint(format!("{first}{so_far}.")).remedies(&[Remedy::Resume, Remedy::Undo]));
        }
    }
    Ok(())
}

fn one(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    stamp: &str,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
    placed: &mut Vec<String>,
) -> Result<()> {
    halt(host, cancel, teller)?;
    let stop = || cancel.flow() == Flow::Stop;
    for (member, standing) in host.rows(job) {
        if !matches!(standing, MemberState::InPlace(_)) {
            let request = Request::Swap { of: PreparedHost::subject(job, member), stamp: stamp.into() };
            match host.hand.ask(&request, &stop, &mut |_| {})? {
                Event::Swapped(swapped) => {
                    build_claims::fits(job, &host.host, member, &swapped.restored)?;
                    teller.host(&host.host, HostEvent::Placed(swapped));
                }
                other => return Err(host.odd(&other)),
            }
        }
        placed.push(member.name.clone());
    }
    Ok(())
}

/// Takes every member out of its place that is there by this plan. False where there was nothing to do, since all of them
/// were taken out before.
///
/// # Errors
/// The first failure; `Refused` where no member was ever put in place or built.
pub(crate) fn undo(
    job: &ExecutionSpec<'_>,
    ready: &mut [PreparedHost<'_>],
    cancel: &Cancel,
    teller: &EventReporter<'_>,
) -> Result<bool> {
    let stamp = stamp(job);
    let stop = || cancel.flow() == Flow::Stop;
    let mut some = false;
    for host in ready.iter_mut() {
        stopping(cancel, &host.host)?;
        let there = |standing: &MemberState| matches!(standing, MemberState::InPlace(_) | MemberState::Undoing);
        if let Some((member, _)) = host.rows(job).iter().find(|(_, s)| matches!(s, MemberState::Moving(_))) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("{} is being put in place on {}", member.name, host.host),
            )
            .why("an earlier run was cut off there")
            .hint("Finish that first, then roll it back.")
            .remedies(&[Remedy::Resume]));
        }
        if host.rows(job).iter().any(|(_, standing)| there(standing)) {
            halt(host, cancel, teller)?;
        }
        for (member, _) in host.rows(job).iter().filter(|(_, standing)| there(standing)) {
            let request = Request::Undo { of: PreparedHost::subject(job, member), stamp: stamp.clone() };
            match host.hand.ask(&request, &stop, &mut |_| {})? {
                Event::Undone(went) => teller.host(&host.host, HostEvent::Undone(member.name.clone(), went)),
                other => return Err(host.odd(&other)),
            }
            some = true;
        }
        // What only waits beside its place goes, too.
        for (member, _) in host.rows(job).iter().filter(|(_, standing)| matches!(standing, MemberState::Staged(_))) {
            host.hand.ask(&Request::Discard(PreparedHost::subject(job, member)), &stop, &mut |_| {})?;
            teller.host(&host.host, HostEvent::Discarded(member.name.clone()));
            some = true;
        }
    }
    if some || out_already(job, ready, &stamp, cancel, teller)? {
        return Ok(some);
    }
    Err(Error::new(ErrorKind::Refused, "there is nothing to take back")
        .why("no member of this plan is in place or built on these hosts"))
}

/// Whether the journals of all hosts say that their members were taken out of their places before; an undo that was cut
/// off between that and its own journal did not hear it.
fn out_already(
    job: &ExecutionSpec<'_>,
    ready: &mut [PreparedHost<'_>],
    stamp: &str,
    cancel: &Cancel,
    teller: &EventReporter<'_>,
) -> Result<bool> {
    let stop = || cancel.flow() == Flow::Stop;
    let mut all = !ready.is_empty();
    for host in ready.iter_mut() {
        for (member, _) in host.rows(job) {
            let request = Request::Undo { of: PreparedHost::subject(job, member), stamp: stamp.into() };
            match host.hand.ask(&request, &stop, &mut |_| {}) {
                Ok(Event::Undone(went)) => {
                    teller.host(&host.host, HostEvent::UndoneBefore(member.name.clone(), went));
                }
                Ok(other) => return Err(host.odd(&other)),
                Err(trouble) if trouble.kind == ErrorKind::Refused => all = false,
                Err(trouble) => return Err(trouble),
            }
        }
    }
    Ok(all)
}

fn stopping(cancel: &Cancel, host: &str) -> Result<()> {
    match cancel.flow() {
        Flow::Go => Ok(()),
        Flow::Stop => Err(Error::new(ErrorKind::Stopped, format!("{host} was not begun: stopped on request"))),
    }
}

/// Stops what runs on this host's members' directories.
fn halt(host: &mut PreparedHost<'_>, cancel: &Cancel, teller: &EventReporter<'_>) -> Result<()> {
    for (halt, _) in host.halts.clone() {
        teller.host(&host.host, HostEvent::Halting(halt.clone()));
        host.hand.ask(&Request::Halt(halt.clone()), &|| cancel.flow() == Flow::Stop, &mut |_| {})?;
        teller.host(&host.host, HostEvent::Halted(halt));
    }
    Ok(())
}
