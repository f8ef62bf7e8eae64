//! What must hold of any cluster, directories and snapshots: nothing newer is passed over, nothing empty is counted.

use super::{
    fork::{holds, judge, own, served, unled},
    *,
};

prop_compose! {
    /// A cluster in which each member serves, answers without a leader, or is silent, with a directory, each at any point
    /// of the history; and snapshots of it.
    fn states()(
        kinds in prop::collection::vec((0u8..3, 1u64..40, any::<bool>()), 1..5),
        dirs in prop::collection::vec((1u64..6, 1u64..40, any::<bool>()), 0..4),
        files in prop::collection::vec(1i64..40, 0..3),
        lone in any::<bool>(),
    ) -> (Vec<EndpointFacts>, Vec<DirFacts>, Vec<KnownState>) {
        let m = listed(kinds.len() as u64, 0);
        let facts: Vec<EndpointFacts> = kinds.iter().zip(1u64..).map(|((kind, index, far), n)| {
            let revision = if *far { *index as i64 } else { 1 };
            let list = if lone && n == 1 { &m[..1] } else { &m[..] };
            match kind {
                0 => silent(n),
                1 => unled(n, list, (2, *index), revision),
                _ => served(n, if list.len() == 1 { n } else { 2 }, list, (2, *index), revision),
            }
        }).collect();
        let dirs = dirs.iter().map(|(n, index, far)| holds(*n, &m, (2, *index), if *far { *index as i64 } else { 1 })).collect();
        let known = files.iter().map(|revision| KnownState {
            from: "a.db".into(), cluster_id: Some(own()), members: m.clone(), revision: *revision,
        }).collect();
        (facts, dirs, known)
    }
}

proptest! {
    /// No facts in which something newer of the same cluster is known make it say "do not restore".
    #[test]
    fn nothing_newer_is_ever_passed_over((facts, dirs, known) in states()) {
        let finding = super::super::verdict(
            &Evidence { facts: &facts, given: &[], dirs: &dirs, known: &known, compared: &[], gone: &BTreeSet::new() });
        let says: Vec<&MemberStatus> = facts.iter().filter_map(|f| match &f.answer {
            Answer::Says(says) => Some(says.as_ref()),
            Answer::Silent { .. } | Answer::Asking => None,
        }).collect();
        // what the best of those who serve have, who are one or follow one leader; without any, what all have who answer
        let serve: Vec<&&MemberStatus> = says.iter().filter(|s| s.read == Read::Served).collect();
        let lists: BTreeSet<usize> = serve.iter().map(|s| s.members.len()).collect();
        let of = |groups: Vec<&&MemberStatus>| {
            (groups.iter().map(|s| s.raft_index).max().unwrap_or(0), groups.iter().map(|s| s.revision).max().unwrap_or(0))
        };
        let (index, revision) = if serve.is_empty() { of(says.iter().collect()) } else { of(serve.clone()) };
        let newer = says.iter().any(|s| s.raft_index > index || s.revision > revision)
            || dirs.iter().filter_map(|d| d.state.says()).any(|d| d.commit > index || d.revision > revision)
            || known.iter().any(|k| k.revision > revision);
        let forbids = !finding.advised(Act::Keep).is_empty();
        prop_assert_eq!(forbids, finding.keep, "the advice follows the field: {:?}", finding.advice);
        prop_assert!(!newer || !finding.keep, "{} {:?}", finding.sentence, finding.advice);
        prop_assert!(!finding.surely_behind() || newer || lists.len() > 1, "{}", finding.sentence);
        // and what serves with nothing newer known is never called forked
        prop_assert!(newer || lists.len() > 1 || finding.verdict != QuorumVerdict::Forked, "{}", finding.sentence);
        prop_assert!(!finding.sentence.is_empty() && !finding.sentence.ends_with('.') && !finding.advice.is_empty());
    }

    /// A directory that is not known to hold what its member acknowledged never counts.
    #[test]
    fn an_empty_directory_never_counts(n in 1u64..4, kind in 0u8..3, index in 8u64..40) {
        let m = listed(3, 0);
        let facts: Vec<EndpointFacts> =
            (1..=3).map(|k| if k == n % 3 + 1 { unled(k, &m, (2, index), 5) } else { silent(k) }).collect();
        let empty = match kind {
            0 => holds(n, &[], (0, 0), 0),
            1 => holds(n, &m, (1, 3), 1),
            _ => holds(n, &m, (2, 7), 1),
        };
        let finding = judge(&facts, &[empty]);
        prop_assert!(!finding.may_come_back.contains(&format!("m{n}")), "{}", finding.sentence);
        prop_assert!(finding.advised(Act::Start).is_empty(), "{:?}", finding.advice);
    }
}
