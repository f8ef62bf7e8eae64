//! What to ask next, beyond the round in which every member reports its status: hashes, the alarm list, a watch from
//! before the bump and, where allowed, the canary last.

use super::{Case, Check, Outcome, check, data, urls};
use crate::domain::model::{
    observations::{
        Answer, Hashed,
        started::{Canary, Level, Observed, ObservedMember, PlannedHash, Queried, Watched},
    },
    plan::Plan,
};

/// So many earlier readings of what a member stores are kept: one before and one after another member's show that a row
/// was there all the time.
const READINGS: usize = 2;

/// So many URLs of one member are asked at.
const URLS: usize = 8;

/// A question; members are named by their index in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The hash of a member at the plan's revision.
    Hash(usize),
    /// The hash of a member at this revision, the newest that all have.
    Common(usize, i64),
    /// What a member stores besides keys.
    Stored(usize),
    /// Which member answers at a client URL that a member advertises and the plan does not have.
    Advertised(usize, String),
    /// The snapshot's own hash, for members that are compacted up to this revision.
    Planned(i64),
    /// What the snapshot holds besides keys.
    Source,
    /// The list of alarms, through this endpoint.
    Alarms(String),
    /// A watch from this revision, through this endpoint.
    Watch(String, i64),
    /// The canary, through these endpoints.
    Canary(Vec<String>),
}

/// The questions that what is known makes worth asking; each answer takes its question away.
pub fn questions(plan: &Plan, seen: &Observed) -> Vec<Question> {
    let plan = &*super::with_seen(plan, seen);
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
    for (at, (member, seen)) in case.members().enumerate() {
        let urls = urls::unplanned(case, member).into_iter();
        let new = urls.filter(|url| !seen.advertised.iter().any(|(known, _)| known == url));
        out.extend(new.take(URLS).map(|url| Question::Advertised(at, url)));
    }
    // What was written since the restore is in no hash at the plan's revision.
    let newest = data::newest(case);
    if whole && (newest > plan.expected_revision() || ours.iter().any(|(_, _, says)| data::passed_by(says))) {
        let older = |hash: &Hashed| match hash {
            Hashed::NotAsked => true,
            Hashed::Says { revision, .. } => *revision < newest,
            _ => false,
        };
        for (member, ..) in ours.iter().filter(|(_, seen, _)| older(&seen.common)) {
            out.extend(place(&member.name).map(|at| Question::Common(at, newest)));
        }
    }
    let compacted = ours.iter().find_map(|(_, _, says)| match says.hash {
        Hashed::Says { compacted, .. } => Some(compacted),
        _ => None,
    });
    if let Some(compacted) = compacted {
        match &seen.planned {
            Queried::Failed(_) => {}
            Queried::Is(PlannedHash { compacted: known, .. }) if *known == compacted => {}
            // the snapshot's own is the least that there can be
            Queried::Is(PlannedHash { compacted: known, .. }) if *known > compacted => {}
            Queried::Is(_) | Queried::Not => out.push(Question::Planned(compacted)),
        }
    }
    if !ours.is_empty() && seen.source == Queried::Not {
        out.push(Question::Source);
    }
    if let Some((_, seen, _)) =
        ours.iter().find(|(_, _, says)| says.has_leader()).filter(|_| case.seen.alarms == Queried::Not)
    {
        out.push(Question::Alarms(seen.endpoint.clone()));
    }
    let bumped = plan.bump_revision > 0 && plan.mark_compacted && seen.old_watch == Watched::NotAsked;
    if let Some((_, seen, _)) = ours.first().filter(|_| bumped && whole) {
        out.push(Question::Watch(seen.endpoint.clone(), plan.last_known_revision()));
    }
    // It costs more than the rest, so it waits until only that is open.
    if out.is_empty() && whole && nothing_else_is_open(plan, seen) {
        let not_yet = |m: &ObservedMember| m.stored == Queried::Not;
        let members = seen.members.iter().enumerate().filter(|(_, member)| not_yet(member));
        out.extend(members.map(|(at, _)| Question::Stored(at)));
    }
    if out.is_empty() && seen.canary == Canary::Waits && all_else_is_right(plan, seen) {
        out.push(Question::Canary(ours.iter().map(|(_, seen, _)| seen.endpoint.clone()).collect()));
    }
    out
}

/// Whether nothing that is needed, beyond what members store and the canary, may still come.
fn nothing_else_is_open(plan: &Plan, seen: &Observed) -> bool {
    use super::Topic;
    // hashes that do not compare, for other compactions, are explained by what is stored
    let last = [
        Topic::Canary,
        Topic::Leases,
        Topic::Auth,
        Topic::Rows,
        Topic::Clock,
        Topic::Settings,
        Topic::Hash,
        Topic::Snapshot,
    ];
    let checks: Vec<Check> = check(plan, seen, &Queried::Not).checks;
    let mut others = checks.iter().filter(|check| !last.contains(&check.topic));
    others.all(|check| !check.needed || check.outcome != Outcome::NotYet)
}

fn all_else_is_right(plan: &Plan, seen: &Observed) -> bool {
    let checks: Vec<Check> = check(plan, seen, &Queried::Not).checks;
    let mut others = checks.iter().filter(|check| check.topic != super::Topic::Canary);
    others.all(|check| check.outcome != Outcome::Fail && (!check.needed || check.outcome == Outcome::Pass))
}

/// Returns what is asked again in the next round: every member's status is in `answers`, what failed is retried, and an
/// answer of a member that is still the same is kept.
pub fn again(seen: &mut Observed, answers: Vec<(String, Answer)>) {
    seen.alarms = Queried::Not;
    if matches!(seen.old_watch, Watched::Failed(_)) {
        seen.old_watch = Watched::NotAsked;
    }
    let common: Vec<&Hashed> = seen.members.iter().map(|m| &m.common).collect();
    let level = common.windows(2).all(|pair| alike(pair.first(), pair.last()));
    // a compaction between two calls leaves hashes that compare with none: they are asked for again
    let planned = seen.members.iter().filter_map(|m| match &m.answer {
        Answer::Says(says) => match says.hash {
            Hashed::Says { compacted, .. } => Some(compacted),
            _ => None,
        },
        _ => None,
    });
    let planned: Vec<i64> = planned.collect();
    let compacted_alike = planned.windows(2).all(|pair| pair.first() == pair.last());
    for (member, (endpoint, mut answer)) in seen.members.iter_mut().zip(answers) {
        let before = match &member.answer {
            Answer::Says(says) => Some((says.cluster_id, says.member_id, says.hash.clone())),
            _ => None,
        };
        let read = match &member.answer {
            Answer::Says(says) => Some(Level { revision: says.revision, raft_applied: says.raft_applied }),
            _ => None,
        };
        let mut same = false;
        if let (Answer::Says(says), Some((cluster, id, hash))) = (&mut answer, before) {
            same = (says.cluster_id, says.member_id) == (cluster, id);
            let compacted = matches!(&hash, Hashed::Compacted(_));
            if same && (compacted || compacted_alike && matches!(hash, Hashed::Says { .. })) {
                says.hash = hash;
            }
        }
        if !same || !level {
            member.common = Hashed::NotAsked;
        }
        if let Queried::Is(stored) = std::mem::take(&mut member.stored) {
            member.stored_before.push(stored);
            let older = member.stored_before.len().saturating_sub(READINGS);
            member.stored_before.drain(..older);
        }
        if !same {
            member.stored_before.clear();
        }
        member.level_before = read.filter(|_| same);
        member.advertised.clear();
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
