//! What hosts claim to have built, held against the plan on this side: a host that is stale, confused or worse stops
//! everything before anything is put in place anywhere.

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

/// Refuses what a host claims of a member where that is not what the plan says.
///
/// # Errors
/// `Refused`, naming the member and the host, with the first thing that differs.
pub(crate) fn fits(job: &ExecutionSpec<'_>, host: &str, member: &Member, claim: &Restored) -> Result<()> {
    let expected = Expected::from_plan(job.plan, &member.name)?;
    let differs = expected.differs(claim).or_else(|| {
        let (found, planned) = (claim.data_dir.shown(), member.data_dir.shown());
        (claim.data_dir != member.data_dir).then(|| format!("its directory is {found}, planned is {planned}"))
    });
    match differs {
        None => Ok(()),
        Some(why) => {
            Err(Error::new(ErrorKind::Refused, format!("what {host} says of {} is not what was planned", member.name))
                .why(why)
                .hint("Nothing is put in place. Look at that host, and remove what waits there.")
                .remedies(&[Remedy::Undo]))
        }
    }
}

/// The same for all members of all hosts: none may be without a claim, either.
///
/// # Errors
/// The first that does not fit.
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
                Error::new(ErrorKind::Refused, format!("{} has not said that {} is built", host.host, member.name))
            })?;
            fits(job, &host.host, member, claim)?;
        }
    }
    Ok(())
}
