//! A plan that installs members that an earlier run had already installed. Their IDs follow from peer URLs and
//! token, so those of both runs are the same: a member that is left from the first joins the second with a log of its own,
//! where indices and terms may agree and entries do not. No etcd notices (3.4 to 3.7, tried).

use std::collections::BTreeSet;

use super::blockers::{Blocker, Lift};
use crate::{
    domain::model::plan::Plan,
    error::Remedy,
    text::{join::all, number::plural},
};

/// A member to be installed although it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Its name.
    pub name: String,
    /// What is known of the first time.
    pub before: Before,
}

/// What is known of the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// It was installed at this time, its directory has changed since, and no rollback is recorded.
    Lost(String),
    /// It was rolled back; these of the same run were not, and may have run with it.
    Left(Vec<String>),
    /// Its directory holds this member of this cluster, which this plan's journals do not have.
    There,
}

/// Returns the blocker against installing these again.
pub fn fence(plan: &Plan, found: &[Again]) -> Option<Blocker> {
    if found.is_empty() {
        return None;
    }
    let names: Vec<String> = found.iter().map(|again| again.name.clone()).collect();
    let mut evidence: Vec<String> = Vec::new();
    let lost: Vec<(&str, &str)> = found.iter().filter_map(lost).collect();
    let times: BTreeSet<&str> = lost.iter().map(|(_, at)| *at).collect();
    for time in times {
        let who: Vec<String> = lost.iter().filter(|(_, at)| *at == time).map(|(name, _)| (*name).to_string()).collect();
        evidence.push(format!(
            "{} {} installed at {time}, the content there has changed since, and the journal records no rollback",
            all(&who),
            plural(who.len(), "was", "were")
        ));
    }
    let left: BTreeSet<&String> = found.iter().flat_map(left).collect();
    if !left.is_empty() {
        let left: Vec<String> = left.into_iter().cloned().collect();
        evidence.push(format!(
            "{} of the earlier run {} not rolled back, according to the journal",
            all(&left),
            plural(left.len(), "was", "were")
        ));
    }
    let there: Vec<String> =
        found.iter().filter(|again| again.before == Before::There).map(|again| again.name.clone()).collect();
    if !there.is_empty() {
        let directory = plural(there.len(), "the directory", "the directories");
        evidence.push(format!(
            "{directory} of {} already {} this plan's member, installed by another run",
            all(&there),
            plural(there.len(), "holds", "hold")
        ));
    }
    Some(Blocker {
        what: format!(
            "plan {} was executed before, and {} would be installed a second time with the same {}: a member left from the first \
             run can join those of the second with different data, and etcd does not notice",
            plan.short_id(),
            all(&names),
            plural(names.len(), "ID", "IDs"),
        ),
        evidence,
        lift: Lift::from(
            "Is this plan's cluster already running, and was one of its members lost? Then replace that member: etcdctl member \
             remove, member add, and an empty directory. Else make the plan again with a new token, so with new IDs, and \
             apply that plan.",
        )
        .by(Remedy::RenewPlan),
        typed: Some(override_text(plan)),
    })
}

/// Returns the text to type to execute it a second time.
pub fn override_text(plan: &Plan) -> String {
    format!("twice@{}", plan.short_id())
}

fn lost(again: &Again) -> Option<(&str, &str)> {
    match &again.before {
        Before::Lost(at) => Some((&again.name, at)),
        _ => None,
    }
}

fn left(again: &Again) -> Vec<&String> {
    match &again.before {
        Before::Left(names) => names.iter().collect(),
        _ => Vec::new(),
    }
}
