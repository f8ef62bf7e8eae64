//! The rule by a table, its words, and what it must never say by properties.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const LEADER: Id = Id(1);

fn list(voters: u64, learners: u64) -> Vec<KnownMember> {
    (1..=voters + learners)
        .map(|n| KnownMember { id: Id(n), name: format!("m{n}"), is_learner: n > voters, ..KnownMember::default() })
        .collect()
}

fn says(n: u64, members: &[KnownMember], leader: Id, read: Read) -> EndpointFacts {
    let is_learner = members.iter().any(|m| m.id == Id(n) && m.is_learner);
    let says = MemberSays {
        cluster_id: Id(0xc1),
        member_id: Id(n),
        revision: 84_211,
        raft_term: 7,
        raft_index: 100 + n,
        leader,
        is_learner,
        members: members.to_vec(),
        read,
        ..MemberSays::default()
    };
    EndpointFacts { endpoint: format!("http://10.0.0.{n}:2379"), answer: Answer::Says(Box::new(says)) }
}

fn silent(n: u64) -> EndpointFacts {
    let answer = Answer::Silent { why: "connection refused".into(), details: String::new() };
    EndpointFacts { endpoint: format!("http://10.0.0.{n}:2379"), answer }
}

fn asking(n: u64) -> EndpointFacts {
    EndpointFacts { endpoint: format!("http://10.0.0.{n}:2379"), answer: Answer::Asking }
}

#[test]
fn one_of_three_is_lost_in_these_words() {
    let m = list(3, 0);
    let finding = verdict(&[silent(1), says(2, &m, Id(0), Read::NotAsked), silent(3)]);
    assert_eq!(
        finding.sentence,
        "Quorum is lost as far as this machine can see: 1 of 3 voting members answers and knows no leader; 2 are needed"
    );
    assert_eq!((finding.verdict, finding.voters, finding.needed, finding.answering), (Verdict::Lost, 3, 2, 1));
    assert!(!finding.sentence.contains("not asked"));
    assert_eq!(finding.advice[0], "Is the disk of m1 or m3 whole? Start etcd there again; one is enough.");
    let mut by_id = m.clone();
    by_id.reverse();
    let listed_otherwise = verdict(&[silent(1), says(2, &by_id, Id(0), Read::NotAsked), silent(3)]);
    assert_eq!(listed_otherwise.advice[0], finding.advice[0], "names are listed as people count them");
    assert!(finding.advice.last().unwrap().contains("m2's own data is the newest that answers (revision 84,211)"));
    assert_eq!((finding.gate(), finding.exit_code()), (Gate::Open, 10));
}

#[test]
fn two_of_five_are_lost_in_the_plural() {
    let m = list(5, 0);
    let none = |n| says(n, &m, Id(0), Read::NotAsked);
    let finding = verdict(&[none(1), none(2), silent(3), silent(4), silent(5)]);
    assert!(finding.sentence.ends_with("2 of 5 voting members answer and know no leader; 3 are needed"));
    assert!(finding.advice[0].ends_with("one is enough."));
    let finding = verdict(&[none(1), silent(2)]);
    assert_eq!(finding.voters, 5, "the member list counts, not the endpoints that were given");
    assert_eq!(
        finding.advice[1],
        "Are the disks of m2, m3, m4 and m5 whole? Start etcd there again; 2 of them are enough."
    );
}

#[test]
fn a_member_that_was_not_asked_is_named_before_it_is_given_up() {
    let mut m = list(3, 0);
    for (member, n) in m.iter_mut().zip(1..) {
        member.client_urls = vec![format!("https://10.0.0.{n}:2379")];
    }
    let one = says(2, &m, Id(0), Read::NotAsked);
    let finding = verdict(&[one.clone(), silent(1)]);
    assert!(finding.sentence.ends_with("2 are needed; m3 was not asked"), "{}", finding.sentence);
    assert_eq!(finding.advice[0], "Ask m3 too (https://10.0.0.3:2379): nobody knows yet whether they answer.");
    // Spelled by name, but as many as are silent: nothing is claimed.
    let named = |n: u64| EndpointFacts { endpoint: format!("host{n}:2379"), ..silent(n) };
    assert!(!verdict(&[one.clone(), named(1), named(3)]).sentence.contains("not asked"));
    let bare = EndpointFacts { endpoint: "10.0.0.1:2379".into(), ..silent(1) };
    assert!(verdict(&[one, bare]).sentence.ends_with("; m3 was not asked"));
}

#[test]
fn each_verdict_has_its_gate_and_code() {
    let m = list(3, 1);
    let none = |n| says(n, &m, Id(0), Read::NotAsked);
    let mut other = none(3);
    if let Answer::Says(says) = &mut other.answer {
        says.cluster_id = Id(0xc2);
    }
    let served = || says(1, &m, LEADER, Read::Served);
    let failed = || says(1, &m, LEADER, Read::Failed("timed out".into()));
    for (facts, wanted, gate, code) in [
        (vec![served(), silent(2), silent(3)], Verdict::Holds, Gate::TypeLabel, 0),
        (vec![served(), asking(2), silent(3)], Verdict::Holds, Gate::TypeLabel, 0),
        (vec![failed(), silent(2), silent(3)], Verdict::Unsettled, Gate::TypeLabel, 12),
        (vec![says(1, &m, LEADER, Read::NotAsked)], Verdict::Unsettled, Gate::TypeLabel, 12),
        (vec![failed(), asking(2)], Verdict::Asking, Gate::TypeLabel, 5),
        (vec![none(1), silent(2), silent(3)], Verdict::Lost, Gate::Open, 10),
        (vec![none(1), asking(2), silent(3)], Verdict::Asking, Gate::TypeLabel, 5),
        (vec![none(1), none(2), silent(3)], Verdict::NoLeader, Gate::TypeLabel, 11),
        (vec![none(1), none(2), asking(3)], Verdict::Asking, Gate::TypeLabel, 5),
        (vec![none(1), other.clone()], Verdict::Split, Gate::TypeLabel, 13),
        (vec![served(), other], Verdict::Split, Gate::TypeLabel, 13),
        (vec![silent(1), silent(2)], Verdict::Unknown, Gate::Open, 5),
        (vec![asking(1), silent(2)], Verdict::Asking, Gate::TypeLabel, 5),
        (vec![], Verdict::Unknown, Gate::Open, 5),
        // one member behind two endpoints is one voter
        (vec![none(1), none(1), silent(3)], Verdict::Lost, Gate::Open, 10),
        // a learner that answers makes no majority
        (vec![none(1), none(4)], Verdict::Lost, Gate::Open, 10),
    ] {
        let finding = verdict(&facts);
        assert_eq!(
            (finding.verdict, finding.gate(), finding.exit_code()),
            (wanted, gate, code),
            "{}",
            finding.sentence
        );
        assert!(!finding.rule.is_empty() && !finding.advice.is_empty() && !finding.sentence.ends_with('.'));
    }
}

#[test]
fn learners_and_strangers_have_no_vote() {
    let m = list(3, 2);
    let learner = |n| says(n, &m, LEADER, Read::NotAsked);
    let finding = verdict(&[silent(1), learner(4)]);
    assert_eq!((finding.verdict, finding.answering), (Verdict::Lost, 0));
    assert!(finding.sentence.contains("none of 3 voting members answers, only a learner does"), "{}", finding.sentence);
    assert!(verdict(&[learner(4), learner(5)]).sentence.contains("only 2 learners do"));
    let stranger = verdict(&[says(9, &m, Id(0), Read::NotAsked)]);
    assert_eq!((stranger.verdict, stranger.answering), (Verdict::Lost, 0));
    assert!(stranger.sentence.contains("only members that have no vote"));
}

#[test]
fn the_newest_list_counts() {
    let (old, new) = (list(3, 0), list(5, 0));
    let mut late = says(1, &old, Id(0), Read::NotAsked);
    let next = says(2, &new, Id(0), Read::NotAsked);
    assert_eq!(verdict(&[late.clone(), next.clone()]).voters, 5);
    if let Answer::Says(says) = &mut late.answer {
        says.raft_term = 8;
    }
    assert_eq!(verdict(&[late, next]).voters, 3);
}

#[test]
fn without_a_list_the_endpoints_count_and_the_sentence_says_so() {
    let finding = verdict(&[says(1, &[], Id(0), Read::NotAsked), silent(2), silent(3)]);
    assert_eq!((finding.verdict, finding.voters), (Verdict::Lost, 3));
    assert!(finding.sentence.contains("no member list could be had"), "{}", finding.sentence);
    assert!(finding.advice[0].contains("http://10.0.0.2:2379 or http://10.0.0.3:2379"));
}

#[test]
fn a_single_voter_is_counted_in_the_singular() {
    let m = list(1, 1);
    let lost = verdict(&[says(2, &m, Id(0), Read::NotAsked), silent(1)]);
    assert!(lost.sentence.contains("none of 1 voting member answers, only a learner does"), "{}", lost.sentence);
    assert!(lost.sentence.contains("; 1 is needed"));
    assert_eq!(lost.advice[0], "Is the disk of m1 whole? Start etcd there again; that is enough.");
    assert!(verdict(&[silent(1)]).sentence.contains("the endpoint asked does not answer"));
}

prop_compose! {
    fn cluster()(voters in 1u64..6, learners in 0u64..3)
        (kinds in prop::collection::vec(0u8..6, (voters + learners) as usize), voters in Just(voters), learners in Just(learners))
        -> (u64, Vec<(u8, EndpointFacts)>) {
        let m = list(voters, learners);
        let facts = kinds.iter().zip(1u64..).map(|(kind, n)| (*kind, match kind {
            0 => silent(n),
            1 => asking(n),
            2 => says(n, &m, Id(0), Read::NotAsked),
            3 => says(n, &[], Id(0), Read::NotAsked),
            4 => says(n, &m, LEADER, Read::Failed("x".into())),
            _ => says(n, &m, LEADER, Read::Served),
        })).collect();
        (voters, facts)
    }
}

proptest! {
    #[test]
    fn never_lost_while_a_majority_answers_or_a_read_was_served((voters, facts) in cluster()) {
        let plain: Vec<EndpointFacts> = facts.iter().map(|(_, f)| f.clone()).collect();
        let finding = verdict(&plain);
        let by_voters = || facts.iter().take(voters as usize).map(|(kind, _)| *kind);
        let served = by_voters().any(|k| k == 5);
        // Kind 3 brings no list, so where nobody has one every endpoint counts as a voter.
        let listed = facts.iter().any(|(k, _)| [2, 4, 5].contains(k));
        let answering = by_voters().filter(|k| *k >= 2).count();
        let majority = listed && answering > voters as usize / 2;
        let open = [Verdict::Lost, Verdict::Unknown].contains(&finding.verdict);
        prop_assert!(!(served || majority) || !open, "{}", finding.sentence);
        prop_assert_eq!(served, finding.verdict == Verdict::Holds);
        prop_assert_eq!(finding.gate() == Gate::Open, open);
        prop_assert!(!open || facts.iter().all(|(k, _)| *k != 1), "settled while somebody is still asked");
        prop_assert!(finding.verdict != Verdict::Lost || finding.answering < finding.needed);
        if listed {
            prop_assert_eq!((finding.voters, finding.answering), (voters as usize, answering));
        }
    }

    #[test]
    fn the_order_of_the_endpoints_does_not_matter((_, facts) in cluster()) {
        let forth: Vec<EndpointFacts> = facts.into_iter().map(|(_, f)| f).collect();
        let back: Vec<EndpointFacts> = forth.iter().rev().cloned().collect();
        let (a, b) = (verdict(&forth), verdict(&back));
        prop_assert_eq!((a.verdict, a.voters, a.answering), (b.verdict, b.voters, b.answering));
    }
}
