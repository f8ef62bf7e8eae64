//! Installs members, host by host, and rolls them back; etcds on their directories are stopped first, by consent.

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

/// Installs every member that is not installed yet, one host at a time, so that a failure leaves the others as they
/// were.
///
/// # Errors
/// The first failure, with the members that are installed so far.
pub(crate) fn exchange(
    job: &ExecutionSpec<'_>,
    ready: &mut [PreparedHost<'_>],
    _clearance: &SafetyClearance,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<()> {
    let stamp = stamp(job);
    let mut placed: Vec<String> = Vec::new();
    for host in ready.iter_mut() {
        let outcome = stopping(cancel, &host.host).and_then(|()| one(job, host, &stamp, cancel, reporter, &mut placed));
        if let Err(error) = outcome {
            reporter.host(&host.host, HostEvent::Failed(error.clone()));
            let so_far = match placed.as_slice() {
                [] => "Nothing is installed yet".to_string(),
                some => format!("Installed so far: {}", some.join(", ")),
            };
            let first = if error.hint.is_empty() { String::new() } else { format!("{}\n  ", error.hint) };
            return Err(error.hint(format!("{first}{so_far}.")).remedies(&[Remedy::Resume, Remedy::Undo]));
        }
    }
    Ok(())
}

fn one(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    stamp: &str,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
    placed: &mut Vec<String>,
) -> Result<()> {
    halt(host, cancel, reporter)?;
    let stop = || cancel.flow() == Flow::Stop;
    for (member, standing) in host.rows(job) {
        if !matches!(standing, MemberState::InPlace(_)) {
            let request = Request::Swap { of: PreparedHost::subject(job, member), stamp: stamp.into() };
            match host.session.ask(&request, &stop, &mut |_| {})? {
                Event::Swapped(swapped) => {
                    build_claims::fits(job, &host.host, member, &swapped.restored)?;
                    reporter.host(&host.host, HostEvent::Placed(swapped));
                }
                other => return Err(host.unexpected_response(&other)),
            }
        }
        placed.push(member.name.clone());
    }
    Ok(())
}

/// Rolls back every member that this plan installed. Returns false if there was nothing to do because all of them were
/// rolled back before.
///
/// # Errors
/// The first failure; `Refused` if no member was ever installed or built.
pub(crate) fn undo(
    job: &ExecutionSpec<'_>,
    ready: &mut [PreparedHost<'_>],
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
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
                format!("{} on {}: installation is not complete", member.name, host.host),
            )
            .why("an earlier run was interrupted")
            .hint("Resume that run first, then roll back.")
            .remedies(&[Remedy::Resume]));
        }
        if host.rows(job).iter().any(|(_, standing)| there(standing)) {
            halt(host, cancel, reporter)?;
        }
        for (member, _) in host.rows(job).iter().filter(|(_, standing)| there(standing)) {
            let request = Request::Undo { of: PreparedHost::subject(job, member), stamp: stamp.clone() };
            match host.session.ask(&request, &stop, &mut |_| {})? {
                Event::Undone(went) => reporter.host(&host.host, HostEvent::Undone(member.name.clone(), went)),
                other => return Err(host.unexpected_response(&other)),
            }
            some = true;
        }
        // Members in staging are removed as well.
        for (member, _) in host.rows(job).iter().filter(|(_, standing)| matches!(standing, MemberState::Staged(_))) {
            host.session.ask(&Request::Discard(PreparedHost::subject(job, member)), &stop, &mut |_| {})?;
            reporter.host(&host.host, HostEvent::Discarded(member.name.clone()));
            some = true;
        }
    }
    if some || out_already(job, ready, &stamp, cancel, reporter)? {
        return Ok(some);
    }
    Err(Error::new(ErrorKind::Refused, "nothing to roll back")
        .why("no member of this plan is installed or built on these hosts"))
}

/// Returns whether the journals of all hosts say that their members were rolled back before. An undo that was
/// interrupted between a host's journal and the operator's does not know it.
fn out_already(
    job: &ExecutionSpec<'_>,
    ready: &mut [PreparedHost<'_>],
    stamp: &str,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<bool> {
    let stop = || cancel.flow() == Flow::Stop;
    let mut all = !ready.is_empty();
    for host in ready.iter_mut() {
        for (member, _) in host.rows(job) {
            let request = Request::Undo { of: PreparedHost::subject(job, member), stamp: stamp.into() };
            match host.session.ask(&request, &stop, &mut |_| {}) {
                Ok(Event::Undone(went)) => {
                    reporter.host(&host.host, HostEvent::UndoneBefore(member.name.clone(), went));
                }
                Ok(other) => return Err(host.unexpected_response(&other)),
                Err(error) if error.kind == ErrorKind::Refused => all = false,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(all)
}

fn stopping(cancel: &Cancel, host: &str) -> Result<()> {
    match cancel.flow() {
        Flow::Go => Ok(()),
        Flow::Stop => Err(Error::new(ErrorKind::Stopped, format!("{host}: not started, stopped on request"))),
    }
}

/// Stops the etcds that run on this host's member directories.
fn halt(host: &mut PreparedHost<'_>, cancel: &Cancel, reporter: &EventReporter<'_>) -> Result<()> {
    for (halt, _) in host.halts.clone() {
        reporter.host(&host.host, HostEvent::Halting(halt.clone()));
        host.session.ask(&Request::Halt(halt.clone()), &|| cancel.flow() == Flow::Stop, &mut |_| {})?;
        reporter.host(&host.host, HostEvent::Halted(halt));
    }
    Ok(())
}
