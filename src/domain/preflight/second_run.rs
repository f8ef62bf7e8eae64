//! A plan that puts members in place that an earlier run had put in place already. Their IDs follow from peer URLs and
//! token, so those of both runs are the same: a member that is left from the first joins the second with a log of its own,
//! where indices and terms may agree and entries do not. No etcd notices (3.4 to 3.7, tried).

use std::collections::BTreeSet;

use super::blockers::Blocker;
use crate::{
    domain::model::plan::Plan,
    text::phrase::{all, plural},
};

/// A member that is to be put in place although it was before.
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
    /// It was put in place at this time, what is there now is not that, and no undo is written down.
    Lost(String),
    /// It was undone; these of the same run were not, and may have run with it.
    Left(Vec<String>),
    /// Its directory holds this member of this cluster, which this plan's journals do not have.
    There,
}

/// What is in the way of putting these in place again.
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
            "{} {} put in place at {time}, what is there now is not that, and no undo is in the journal",
            all(&who),
            plural(who.len(), "was", "were")
        ));
    }
    let left: BTreeSet<&String> = found.iter().flat_map(left).collect();
    if !left.is_empty() {
        let left: Vec<String> = left.into_iter().cloned().collect();
        evidence.push(format!(
            "{} of the earlier run {} not undone, as far as the journal says",
            all(&left),
            plural(left.len(), "was", "were")
        ));
    }
    let there: Vec<String> =
        found.iter().filter(|again| again.before == Before::There).map(|again| again.name.clone()).collect();
    if !there.is_empty() {
        let directory = plural(there.len(), "the directory", "the directories");
        evidence.push(format!(
            "{directory} of {} {} this plan's member already, put there by another run",
            all(&there),
            plural(there.len(), "holds", "hold")
        ));
    }
    Some(Blocker {
        what: format!(
            "plan {} was carried out before, and {} would be put in place a second time with the same {}: a member that is \
             left from the first time can join those of the second with other data, and no etcd notices",
            plan.short_id(),
            all(&names),
            plural(names.len(), "ID", "IDs"),
        ),
        evidence,
        lift: "Does this plan's cluster run already, and a member of it was lost? Then replace that one: etcdctl member remove, \
               member add, and an empty directory. Else make the plan again: `requorum plan --again PLAN -o NEW-PLAN` makes the same one with a new token, so with new \
               IDs; in the wizard g on Members does. Then carry out that one."
            .into(),
        typed: Some(override_text(plan)),
    })
}

/// What must be typed to carry it out a second time all the same.
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
