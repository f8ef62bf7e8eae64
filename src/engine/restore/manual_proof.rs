//! The code at the end of a manual restore (`domain::render::manual`): it proves that the sheet was followed to its end
//! with the plan's snapshot, and that the log is that of this member.

use sha2::{Digest, Sha256};

use super::initial_log::InitialLog;
use crate::engine::source::hex;
use crate::{
    domain::{
        model::plan::{Member, Plan},
        render::manual,
    },
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
};

/// Returns the code of a member for the plan's own etcd version.
///
/// # Errors
/// `Usage` if the plan has no such member.
pub fn expected_code(plan: &Plan, name: &str) -> Result<String> {
    let member = plan.member(name)?;
    Ok(code(plan, member, plan.target.unwrap_or(Minor::V3_5)))
}

/// Verifies a code, and returns a sentence on what it proves.
///
/// # Errors
/// `Input` if it does not prove the member, with what it proves instead if that is known; `Usage` if the plan has no
/// such member.
pub fn verify_code(plan: &Plan, name: &str, typed: &str) -> Result<String> {
    let member = plan.member(name)?;
    let is = |member: &Member, form: Minor| manual::same_code(typed, &code(plan, member, form));
    let own = plan.target.unwrap_or(Minor::V3_5);
    let allowed = || manual::tools(plan).iter().copied().chain([own]);
    if allowed().any(|form| is(member, form)) {
        return Ok(format!(
            "{name} is as planned: built from the snapshot of plan {}, member {} of cluster {}",
            plan.short_id(),
            member.id,
            plan.cluster_id
        ));
    }
    let wrong =
        |why: String, hint: &str| Err(Error::new(ErrorKind::Input, format!("{name}: wrong code")).why(why).hint(hint));
    let others = plan.members.iter().filter(|other| other.name != name);
    if let Some(other) = others.into_iter().find(|other| allowed().any(|form| is(other, form))) {
        return wrong(
            format!("it is the code of {}", other.name),
            "Perhaps the sheet of that member was followed on this host. Each host needs its own.",
        );
    }
    if Minor::ALL.into_iter().any(|form| is(member, form)) {
        let tools: Vec<String> = manual::tools(plan).iter().map(ToString::to_string).collect();
        return wrong(
            "the log was written by a tool of another etcd version".into(),
            &format!("Follow the sheet again with requorum, or with a tool of etcd {}.", tools.join(", ")),
        );
    }
    wrong(
        format!("plan {} has no such code", plan.short_id()),
        "Check that the whole code was copied and that the sheet has the ID of this plan. Otherwise follow the sheet again.",
    )
}

fn code(plan: &Plan, member: &Member, form: Minor) -> String {
    let table = plan.members.iter().map(|m| (m.name.as_str(), m.peer_urls.as_slice()));
    let records = InitialLog::new(table, &plan.token).wal(member.id, form);
    // The file is preallocated, so zeros follow; its start has all records.
    let mut begin = vec![0; manual::LOG_BYTES.max(records.len())];
    for (byte, record) in begin.iter_mut().zip(&records) {
        *byte = *record;
    }
    manual::code(plan, &hex(&Sha256::digest(begin)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::members::build_plan;

    #[test]
    fn a_code_proves_one_member_of_one_plan() {
        let mut plan = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
        let own = expected_code(&plan, "m2").unwrap();
        assert_eq!((own.len(), own.matches('-').count()), (19, 3), "{own}");
        assert!(verify_code(&plan, "m2", &format!(" {} ", own.replace('-', "").to_uppercase())).is_ok());
        let mut messages = vec![("its own", verify_code(&plan, "m2", &own).unwrap())];
        for (typed, what) in [
            (expected_code(&plan, "m1").unwrap(), "of another member"),
            (code(&plan, &plan.members[1], Minor::V3_7), "of a later version"),
            (code(&plan, &plan.members[1], Minor::V3_4), "of an earlier version"),
            (own[..18].to_string(), "cut"),
            (String::new(), "nothing"),
        ] {
            let refused = verify_code(&plan, "m2", &typed).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Input, "{typed}: {refused}");
            messages.push((what, refused.to_string()));
        }
        crate::text::messages::hold("sheet-codes", &messages);
        assert_eq!(expected_code(&plan, "m9").unwrap_err().kind, ErrorKind::Usage);
        // Formats of earlier tools are valid for later servers, and only those.
        plan.target = Some(Minor::V3_7);
        assert!(verify_code(&plan, "m2", &code(&plan, &plan.members[1], Minor::V3_5)).is_ok());
        assert!(verify_code(&plan, "m2", &expected_code(&plan, "m2").unwrap()).is_ok());
        assert!(verify_code(&plan, "m2", &own).is_err(), "the code of the previous plan");
    }
}
