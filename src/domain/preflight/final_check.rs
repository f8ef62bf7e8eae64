//! The final check before anything is installed: has the old cluster come back, or been written to, since the
//! snapshot was taken?

use crate::domain::model::old_cluster::may_be_of;
use crate::domain::{
    model::{
        observations::{Answer, EndpointFacts, MemberStatus},
        plan::Plan,
        revisions::{KnownRevision, twice},
    },
    quorum::verdict::{QuorumReport, QuorumVerdict},
};
use crate::etcd::membership::Id;

/// One member of the old cluster, as it was asked at its client URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The client URL.
    pub url: String,
    /// Its answer.
    pub answer: Answer,
}

impl Asked {
    fn says(&self, new: Id) -> Option<&MemberStatus> {
        match &self.answer {
            // One that was restored and started by an earlier run of the same plan is not an old one.
            Answer::Says(says) if says.cluster_id != new => Some(says),
            _ => None,
        }
    }

    /// Its committed raft index, where it reported one.
    pub fn raft_index(&self, new: Id) -> Option<u64> {
        self.says(new).map(|says| says.raft_index).filter(|index| *index > 0)
    }
}

/// Returns the answers of the old cluster; `new` is the ID of the planned one.
pub fn old_facts(now: &[Asked], new: Id) -> Vec<EndpointFacts> {
    let old = |asked: &&Asked| !matches!(&asked.answer, Answer::Says(says) if says.cluster_id == new);
    let fact = |asked: &Asked| EndpointFacts { endpoint: asked.url.clone(), answer: asked.answer.clone() };
    now.iter().filter(old).map(fact).collect()
}

/// Judges what old members report now; `before` are the raft indexes that they reported when the first run began, by client URL,
/// `new` is the ID of the planned cluster, `old` those that are known of the old one, and `finding` is the verdict on [`old_facts`], the same as that of the wizard and
/// of `probe`: members that serve an empty or older state under the old ID are not the old cluster coming back.
///
/// # Errors
/// A sentence that names the member, when the plan must not continue.
pub fn evaluate(
    before: &[(String, u64)],
    now: &[Asked],
    new: Id,
    old: &[Id],
    finding: &QuorumReport,
) -> Result<(), String> {
    let behind = |url: &String| finding.surely_behind() && finding.stop.contains(url);
    for asked in now.iter().filter(|asked| !behind(&asked.url)) {
        let Some(says) = asked.says(new) else { continue };
        if says.has_leader() && finding.verdict == QuorumVerdict::Forked {
            return Err(finding.sentence.clone());
        }
        if says.has_leader() && !old.is_empty() && !old.contains(&says.cluster_id) {
            // it may have been made from the old one since the snapshot was taken, and hold newer data than that
            return Err(format!(
                "cluster {} serves at {}, where the old cluster {} had a member: whether it holds data that the snapshot \
                 lacks is not known",
                says.cluster_id,
                asked.url,
                old.iter().map(Id::to_string).collect::<Vec<_>>().join(" or ")
            ));
        }
        if says.has_leader() {
            return Err(format!(
                "the old member at {} has a leader again: the old cluster may be serving, and writes to it since would be lost",
                asked.url
            ));
        }
        let known = before.iter().find(|(url, _)| *url == asked.url);
        if let Some((_, index)) = known.filter(|(_, index)| says.raft_index > *index) {
            return Err(format!(
                "the raft index of the old member at {} went from {index} to {}: it was written to since",
                asked.url, says.raft_index
            ));
        }
    }
    Ok(())
}

/// The newest revision that an old member has now, where the plan issues revisions up to it again.
pub fn beyond(plan: &Plan, now: &[Asked]) -> Option<KnownRevision> {
    newest(plan, now).filter(|known| twice(plan, known.revision).is_some())
}

/// The newest revision that an old member has now.
pub fn newest(plan: &Plan, now: &[Asked]) -> Option<KnownRevision> {
    let says = now.iter().filter_map(|asked| match &asked.answer {
        Answer::Says(says) if !may_be_of(plan, says) => Some((asked, says)),
        _ => None,
    });
    let (asked, newest) = says.max_by_key(|(_, says)| says.revision)?;
    let own = newest.members.iter().find(|m| m.id == newest.member_id).map(|m| m.name.as_str());
    let from = own.filter(|name| !name.is_empty()).unwrap_or(&asked.url).to_string();
    Some(KnownRevision { revision: newest.revision, from })
}

/// Returns the result in one sentence: `2 client URLs … asked again: 1 member answers, has no leader, raft index unchanged`.
pub fn summary(now: &[Asked], new: Id, finding: &QuorumReport) -> String {
    if finding.surely_behind() {
        return finding.sentence.clone();
    }
    let still = now.iter().filter(|asked| asked.says(new).is_some()).count();
    let asked = match now.len() {
        0 => return "No client URL of the old cluster is known".into(),
        1 => "1 client URL of the old cluster was".to_string(),
        many => format!("{many} client URLs of the old cluster were"),
    };
    match still {
        0 => format!("{asked} asked again: no member of the old cluster answers"),
        1 => format!("{asked} asked again: 1 member answers, has no leader, raft index unchanged"),
        many => format!("{asked} asked again: {many} members answer, have no leader, raft indexes unchanged"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::{
        model::observations::{KnownMember, Read},
        quorum::{
            known::KnownState,
            verdict::{Evidence, verdict},
        },
    };

    const NEW: Id = Id(9);

    fn asked(cluster: u64, index: u64, leader: u64) -> Asked {
        let says =
            MemberStatus { cluster_id: Id(cluster), raft_index: index, leader: Id(leader), ..MemberStatus::default() };
        Asked { url: "http://m2:2379".into(), answer: Answer::Says(Box::new(says)) }
    }

    fn finding(now: &[Asked], known: &[KnownState]) -> QuorumReport {
        let facts = old_facts(now, NEW);
        verdict(&Evidence { facts: &facts, given: &[], dirs: &[], known, compared: &[], gone: &BTreeSet::new() })
    }

    fn judged(before: &[(String, u64)], now: &[Asked]) -> Result<(), String> {
        evaluate(before, now, NEW, &[Id(1)], &finding(now, &[]))
    }

    #[test]
    fn a_leader_or_moved_index_stops_silence_passes() {
        let before = [("http://m2:2379".to_string(), 90_114)];
        let silent = Asked {
            url: "http://m1:2379".into(),
            answer: Answer::Silent { why: "connection refused".into(), details: String::new() },
        };
        let mut messages = Vec::new();
        for (now, refused) in [
            (asked(1, 90_114, 0), None),
            (asked(1, 80_000, 0), None),
            (silent, None),
            (asked(9, 99_999, 7), None),
            (asked(1, 90_115, 0), Some("a higher raft index")),
            (asked(1, 90_114, 7), Some("a leader")),
            // another cluster is not called the old one, and stops the run all the same
            (asked(3, 5, 7), Some("another cluster with a leader")),
        ] {
            let judged = judged(&before, &[now]);
            match refused {
                None => assert_eq!(judged, Ok(())),
                Some(what) => messages.push((what, judged.unwrap_err())),
            }
        }
        crate::text::messages::hold("preflight-final-check", &messages);
        // One that was not known before has nothing to be measured by.
        assert_eq!(judged(&[], &[asked(1, 5, 0)]), Ok(()));
    }

    #[test]
    fn old_revisions_are_compared_with_the_plan() {
        let mut plan = crate::domain::members::build_plan::build(&crate::domain::members::build_plan::tests::draft())
            .unwrap()
            .plan;
        (plan.source.revision, plan.bump_revision) = (10_504, 0);
        let at = |cluster: Id, name: &str, revision, applied| {
            let member = KnownMember { id: Id(2), name: name.into(), ..KnownMember::default() };
            let says = MemberStatus {
                cluster_id: cluster,
                member_id: Id(2),
                revision,
                raft_applied: applied,
                members: vec![member],
                ..MemberStatus::default()
            };
            Asked { url: "http://m2:2379".into(), answer: Answer::Says(Box::new(says)) }
        };
        let found = |plan: &Plan, now: &[Asked]| beyond(plan, now).map(|known| (known.from, known.revision));
        let old = Id(1);
        assert_eq!(found(&plan, &[at(old, "cp2", 17_284, 20_000)]), Some(("cp2".into(), 17_284)));
        assert_eq!(found(&plan, &[at(old, "", 17_284, 20_000)]), Some(("http://m2:2379".into(), 17_284)));
        assert_eq!(found(&plan, &[at(old, "cp2", 17_284, 0), at(old, "cp1", 17_290, 0)]), Some(("cp1".into(), 17_290)));
        assert_eq!(found(&plan, &[at(old, "cp2", 10_504, 20_000)]), None);
        // A member that this plan made and that was written to since is no old one; one that its log cannot have led there is.
        assert_eq!(found(&plan, &[at(plan.cluster_id, "cp2", 10_600, 120)]), None);
        assert_eq!(found(&plan, &[at(plan.cluster_id, "cp2", 17_284, 120)]), Some(("cp2".into(), 17_284)));
        plan.bump_revision = 6_780;
        assert_eq!(found(&plan, &[at(old, "cp2", 17_284, 20_000)]), None);
        assert_eq!(found(&plan, &[]), None);
    }

    #[test]
    fn in_a_sentence() {
        let summary = |now: &[Asked]| summary(now, NEW, &finding(now, &[]));
        assert_eq!(
            summary(&[asked(9, 1, 1)]),
            "1 client URL of the old cluster was asked again: no member of the old cluster answers"
        );
        let two = summary(&[asked(1, 1, 0), asked(9, 1, 0)]);
        crate::text::messages::hold("plan-barrier", &[("none", summary(&[])), ("one answers", two)]);
    }

    /// The wizard and `probe` lead to a restore there, so this must not send them back.
    #[test]
    fn an_empty_cluster_is_no_returned_old_cluster() {
        let member = KnownMember { id: Id(7), name: "m2".into(), ..KnownMember::default() };
        let serves = |revision| MemberStatus {
            cluster_id: Id(1),
            member_id: Id(7),
            revision,
            raft_index: 7,
            leader: Id(7),
            read: Read::Served,
            members: vec![member.clone()],
            ..MemberStatus::default()
        };
        let at = |revision| [Asked { url: "http://m2:2379".into(), answer: Answer::Says(Box::new(serves(revision))) }];
        let known =
            [KnownState { from: "a.db".into(), cluster_id: Some(Id(1)), members: vec![member.clone()], revision: 11 }];
        let before = [("http://m2:2379".to_string(), 5)];
        for (revision, goes_on) in [(1, true), (10, true), (11, false), (12, false)] {
            let now = at(revision);
            let finding = finding(&now, &known);
            assert_eq!(
                evaluate(&before, &now, NEW, &[], &finding).is_ok(),
                goes_on,
                "{revision}: {}",
                finding.sentence
            );
            assert_eq!(finding.verdict == QuorumVerdict::Forked, goes_on);
        }
    }
}
