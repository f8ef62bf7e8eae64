//! What is worth asking next, beyond the round in which every member says who it is: hashes, the list of alarms, a watch
//! from before the bump, and last, where it is agreed to, the canary.

use super::{Case, Check, Outcome, check, data};
use crate::plan::{
    Plan,
    facts::{
        Answer, Hashed,
        started::{Canary, Observed, PlannedHash, Told, Watched},
    },
};

/// A question; members are told by their place in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The hash of a member at the plan's revision.
    Hash(usize),
    /// The hash of a member at this revision, the newest that all have.
    Common(usize, i64),
    /// The snapshot's own hash, for members that are compacted up to this revision.
    Planned(i64),
    /// The list of alarms, through this endpoint.
    Alarms(String),
    /// A watch from this revision, through this endpoint.
    Watch(String, i64),
    /// The canary, through these endpoints.
    Canary(Vec<String>),
}

/// The questions that what is known makes worth asking; each answer takes its question away.
pub fn questions(plan: &Plan, seen: &Observed) -> Vec<Question> {
    let case = Case { plan, seen };
    let ours = case.ours();
    let whole = case.passed() == Outcome::Pass;
    let place = |name: &str| plan.members.iter().position(|m| m.name == name);
    let mut out = Vec::new();
    for (member, _, says) in &ours {
        if says.hash == Hashed::NotAsked && says.revision >= plan.expected_revision() {
            out.extend(place(&member.name).map(Question::Hash));
        }
    }
    if whole && ours.iter().any(|(_, _, says)| data::passed_by(says)) {
        let newest = ours.iter().map(|(_, _, says)| says.revision).min().unwrap_or_default();
        for (member, seen, _) in ours.iter().filter(|(_, seen, _)| seen.common == Hashed::NotAsked) {
            let _ = seen;
            out.extend(place(&member.name).map(|at| Question::Common(at, newest)));
        }
    }
    let compacted = ours.iter().find_map(|(_, _, says)| match says.hash {
        Hashed::Says { compacted, .. } => Some(compacted),
        _ => None,
    });
    if let Some(compacted) = compacted {
        match &seen.planned {
            Told::Failed(_) => {}
            Told::Is(PlannedHash { compacted: known, .. }) if *known == compacted => {}
            // the snapshot's own is the least that there can be
            Told::Is(PlannedHash { compacted: known, .. }) if *known > compacted => {}
            Told::Is(_) | Told::Not => out.push(Question::Planned(compacted)),
        }
    }
    if let Some((_, seen, _)) = ours.iter().find(|(_, _, says)| says.led()).filter(|_| case.seen.alarms == Told::Not) {
        out.push(Question::Alarms(seen.endpoint.clone()));
    }
    let bumped = plan.bump_revision > 0 && plan.mark_compacted && seen.old_watch == Watched::NotAsked;
    if let Some((_, seen, _)) = ours.first().filter(|_| bumped && whole) {
        out.push(Question::Watch(seen.endpoint.clone(), plan.last_known_revision()));
    }
    if out.is_empty() && seen.canary == Canary::Waits && all_else_is_right(plan, seen) {
        out.push(Question::Canary(ours.iter().map(|(_, seen, _)| seen.endpoint.clone()).collect()));
    }
    out
}

fn all_else_is_right(plan: &Plan, seen: &Observed) -> bool {
    let checks: Vec<Check> = check(plan, seen, &Told::Not).checks;
    let mut others = checks.iter().filter(|check| check.topic != super::Topic::Canary);
    others.all(|check| check.outcome != Outcome::Fail && (!check.needed || check.outcome == Outcome::Pass))
}

/// What is asked for anew in the next round: what every member says of itself is in `answers`, what failed may go well
/// now, and what was answered by a member that is still the same stands.
pub fn again(seen: &mut Observed, answers: Vec<(String, Answer)>) {
    seen.alarms = Told::Not;
    if matches!(seen.old_watch, Watched::Failed(_)) {
        seen.old_watch = Watched::NotAsked;
    }
    let common: Vec<&Hashed> = seen.members.iter().map(|m| &m.common).collect();
    let level = common.windows(2).all(|pair| alike(pair.first(), pair.last()));
    for (member, (endpoint, mut answer)) in seen.members.iter_mut().zip(answers) {
        let before = match &member.answer {
            Answer::Says(says) => Some((says.cluster_id, says.member_id, says.hash.clone())),
            _ => None,
        };
        let mut same = false;
        if let (Answer::Says(says), Some((cluster, id, hash))) = (&mut answer, before) {
            same = (says.cluster_id, says.member_id) == (cluster, id);
            let compacted = matches!(&hash, Hashed::Failed(why) if why.contains("compacted"));
            if same && (compacted || matches!(hash, Hashed::Says { .. })) {
                says.hash = hash;
            }
        }
        if !same || !level {
            member.common = Hashed::NotAsked;
        }
        (member.endpoint, member.answer) = (endpoint, answer);
    }
}

/// Whether two hashes are of the same revision over the same compaction.
fn alike(a: Option<&&Hashed>, b: Option<&&Hashed>) -> bool {
    match (a, b) {
        (
            Some(Hashed::Says { revision: r, compacted: c, .. }),
            Some(Hashed::Says { revision: other, compacted: others, .. }),
        ) => (r, c) == (other, others),
        _ => false,
    }
}
