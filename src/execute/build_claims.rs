//! Compares what hosts report as built with the plan on this machine: an outdated, faulty or malicious host stops the
//! run before anything is installed anywhere.

use super::{prepare::PreparedHost, spec::ExecutionSpec};
use crate::{
    domain::model::plan::Member,
    engine::{
        install::MemberState,
        restore::{Restored, expected::Expected},
    },
    error::{Error, ErrorKind, Remedy, Result},
    text::Shown,
};

/// Refuses what a host reports for a member if it differs from the plan.
///
/// # Errors
/// `Refused`, naming the member and the host, with the first difference.
pub(crate) fn fits(job: &ExecutionSpec<'_>, host: &str, member: &Member, claim: &Restored) -> Result<()> {
    let expected = Expected::from_plan(job.plan, &member.name)?;
    let differs = expected.differs(claim).or_else(|| {
        let (found, planned) = (claim.data_dir.shown(), member.data_dir.shown());
        (claim.data_dir != member.data_dir).then(|| format!("its directory is {found}, the plan has {planned}"))
    });
    match differs {
        None => Ok(()),
        Some(why) => Err(Error::new(ErrorKind::Refused, format!("{host}: {} was not built as planned", member.name))
            .why(why)
            .hint("Nothing is installed. Inspect that host, and remove what is in staging there.")
            .remedies(&[Remedy::Undo])),
    }
}

/// Checks all members of all hosts; a member without a report is refused as well.
///
/// # Errors
/// The first member that differs.
pub(crate) fn all(job: &ExecutionSpec<'_>, ready: &[PreparedHost<'_>]) -> Result<()> {
    for host in ready {
        for (member, standing) in host.rows(job) {
            let built = host.built.iter().find(|built| built.name == member.name);
            let claim = match &standing {
                MemberState::Staged(restored) | MemberState::Moving(restored) => Some(restored),
                MemberState::InPlace(swapped) => Some(&swapped.restored),
                MemberState::Nothing | MemberState::Undoing => built,
            };
            let claim = claim.ok_or_else(|| {
                Error::new(ErrorKind::Refused, format!("{}: no report that {} is built", host.host, member.name))
            })?;
            fits(job, &host.host, member, claim)?;
        }
    }
    Ok(())
}
