//! Builds a host's members in staging: the snapshot is sent once, then each member is built from it.

use super::{
    build_claims,
    events::{EventReporter, HostEvent},
    prepare::PreparedHost,
    snapshot_source::Source,
    spec::ExecutionSpec,
};
use crate::{
    agent::protocol::{Event, Have, Request, Wanted},
    domain::preflight::hosts,
    engine::{
        install::MemberState,
        progress::{Flow, Progress},
    },
    error::{Error, ErrorKind, Remedy, Result},
    execute::{Cancel, RowEvent},
    system::ssh::Stop,
};

/// Builds the members that are not built yet. A failure of one member does not stop the others on its host.
///
/// # Errors
/// The first failure; the snapshot stays on the host for the next attempt.
pub(crate) fn build(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    source: &Source<'_>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<()> {
    let outcome = all(job, host, source, cancel, reporter);
    if let Err(error) = &outcome {
        reporter.host(&host.host, HostEvent::Failed(error.clone()));
    }
    outcome
}

fn all(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    source: &Source<'_>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<()> {
    let stop = || cancel.flow() == Flow::Stop;
    if stop() {
        return Err(Error::new(ErrorKind::Stopped, format!("{}: not started, stopped on request", host.host)));
    }
    let rows = host.rows(job);
    if let Some((member, _)) = rows.iter().find(|(_, standing)| *standing == MemberState::Undoing) {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} on {}: rollback is not complete", member.name, host.host),
        )
        .why("an earlier undo was interrupted")
        .hint("Finish the undo with the same plan first, then apply.")
        .remedies(&[Remedy::Undo]));
    }
    if rows.iter().all(|(_, standing)| *standing != MemberState::Nothing) {
        return forget(job, host, &stop);
    }
    snapshot(job, host, source, cancel, reporter)?;
    let mut first = None;
    for (member, _) in rows.iter().filter(|(_, standing)| *standing == MemberState::Nothing) {
        let name = host.host.clone();
        let row = |event| reporter.host(&name, HostEvent::Row(member.name.clone(), event));
        let request = Request::Stage(PreparedHost::subject(job, member));
        match host.session.ask(&request, &stop, &mut |step| row(RowEvent::Step(step))) {
            Ok(Event::Restored(restored)) => match build_claims::fits(job, &name, member, &restored) {
                Ok(()) => {
                    host.built.push(restored.clone());
                    row(RowEvent::Done(restored));
                }
                Err(error) => {
                    row(RowEvent::Failed(error.clone()));
                    first.get_or_insert(error);
                }
            },
            Ok(other) => return Err(host.unexpected_response(&other)),
            Err(error) => {
                row(RowEvent::Failed(error.clone()));
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) => Err(error),
        None => forget(job, host, &stop),
    }
}

/// Removes the snapshot that was sent; it is no longer needed.
fn forget(job: &ExecutionSpec<'_>, host: &mut PreparedHost<'_>, stop: Stop<'_>) -> Result<()> {
    host.session.ask(&Request::Forget(wanted(job, host)), stop, &mut |_| {}).map(|_| ())
}

/// Removes what was built, as after a dry run.
///
/// # Errors
/// When the host cannot remove it.
pub(crate) fn discard(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<()> {
    let stop = || cancel.flow() == Flow::Stop;
    for (member, _) in host.rows(job) {
        host.session.ask(&Request::Discard(PreparedHost::subject(job, member)), &stop, &mut |_| {})?;
        reporter.host(&host.host, HostEvent::Discarded(member.name.clone()));
    }
    Ok(())
}

fn wanted(job: &ExecutionSpec<'_>, host: &PreparedHost<'_>) -> Wanted {
    let source = &job.plan.source;
    Wanted {
        sha256: source.sha256.clone(),
        bytes: source.bytes,
        at: source.path.clone(),
        depot: hosts::depot(&job.located(), &host.members).unwrap_or_default(),
    }
}

/// Makes sure that the host has the snapshot: sends nothing, the missing rest, or, if the host's part is not the
/// beginning of this snapshot, all of it.
fn snapshot(
    job: &ExecutionSpec<'_>,
    host: &mut PreparedHost<'_>,
    source: &Source<'_>,
    cancel: &Cancel,
    reporter: &EventReporter<'_>,
) -> Result<()> {
    let (stop, wanted, name) = (|| cancel.flow() == Flow::Stop, wanted(job, host), host.host.clone());
    let mut step = |step: Progress| reporter.host(&name, HostEvent::Step(step));
    let mut from = match host.session.ask(&Request::HaveSnapshot(wanted.clone()), &stop, &mut step)? {
        Event::Snapshot(Have::All(path)) => {
            reporter.host(&name, HostEvent::HadIt(path));
            return Ok(());
        }
        Event::Snapshot(Have::Part(there)) => there,
        Event::Snapshot(Have::Nothing | Have::Wrong(_)) => 0,
        other => return Err(host.unexpected_response(&other)),
    };
    let file = source.open(&mut |_| cancel.flow())?;
    loop {
        let (have, sent) = host.session.send(&wanted, &file, from, &stop, &mut step)?;
        match have {
            Have::All(_) => {
                reporter.host(&name, HostEvent::Sent(sent));
                return Ok(());
            }
            _ if from > 0 => from = 0,
            _ => {
                return Err(Error::new(ErrorKind::Failed, format!("{name}: the snapshot was damaged in transfer"))
                    .why("its SHA-256 does not match on the host; the copy was removed")
                    .hint("Check that nothing is writing to the snapshot, then try again."));
            }
        }
    }
}
