//! The rule by a table, its words, and what it must never say by properties.
#![allow(clippy::unwrap_used)]

mod fork;
mod messages;
mod newer;

use proptest::prelude::*;

use super::*;
use crate::domain::model::observations::{
    disk::{BrokenPart, DataDirState, DirFacts, DirState, Held},
    *,
};
use crate::etcd::membership::Id;
use std::collections::BTreeSet;

const LEADER: Id = Id(1);

/// The answers alone.
fn verdict(facts: &[EndpointFacts]) -> QuorumReport {
    judged(facts, &[], &BTreeSet::new())
}

/// The answers, the directories, and what the operator says is gone.
fn judged(facts: &[EndpointFacts], dirs: &[DirFacts], gone: &BTreeSet<String>) -> QuorumReport {
    super::verdict(&Evidence { facts, given: &[], dirs, known: &[], compared: &[], gone })
}

fn list(voters: u64, learners: u64) -> Vec<KnownMember> {
    (1..=voters + learners)
        .map(|n| KnownMember {
            id: Id(n),
            name: format!("m{n}").into(),
            is_learner: n > voters,
            ..KnownMember::default()
        })
        .collect()
}

fn says(n: u64, members: &[KnownMember], leader: Id, read: Read) -> EndpointFacts {
    let is_learner = members.iter().any(|m| m.id == Id(n) && m.is_learner);
    let says = MemberStatus {
        cluster_id: Id(0xc1),
        member_id: Id(n),
        revision: 84_211,
        raft_term: 7,
        raft_index: 100,
        leader,
        is_learner,
        members: members.to_vec(),
        read,
        ..MemberStatus::default()
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
fn one_of_three_is_lost_for_now() {
    let m = list(3, 0);
    let finding = verdict(&[silent(1), says(2, &m, Id(0), Read::NotAsked), silent(3)]);
    assert_eq!(
        (finding.verdict, finding.voters, finding.needed, finding.answering),
        (QuorumVerdict::LostForNow, 3, 2, 1)
    );
    assert_eq!(finding.may_come_back, ["m1", "m3"]);
    assert_eq!((finding.advice[0].act, finding.advised(Act::Ask)), (Act::StartIfWhole, vec![]), "all were asked");
    assert_eq!(finding.advice[0].on, "m1 and m3");
    let mut by_id = m.clone();
    by_id.reverse();
    let listed_otherwise = verdict(&[silent(1), says(2, &by_id, Id(0), Read::NotAsked), silent(3)]);
    assert_eq!(listed_otherwise.advice[0], finding.advice[0], "names are listed as people count them");
    let last = finding.advice.last().unwrap();
    assert_eq!((last.act, last.on.as_str()), (Act::GoOn, "m2"), "its data is the newest that answers");
    assert_eq!((finding.gate(), finding.exit_code()), (Gate::Open, 10));
}

#[test]
fn all_voters_of_the_list_are_counted() {
    let m = list(5, 0);
    let none = |n| says(n, &m, Id(0), Read::NotAsked);
    let finding = verdict(&[none(1), none(2), silent(3), silent(4), silent(5)]);
    assert_eq!(
        (finding.verdict, finding.voters, finding.needed, finding.answering),
        (QuorumVerdict::LostForNow, 5, 3, 2)
    );
    assert_eq!(finding.advised(Act::StartIfWhole), ["m3, m4 and m5"]);
    let finding = verdict(&[none(1), silent(2)]);
    assert_eq!(finding.voters, 5, "the member list counts, not the endpoints that were given");
    assert_eq!(finding.advised(Act::StartIfWhole), ["m2, m3, m4 and m5"]);
}

#[test]
fn unprobed_members_are_named_before_giving_up() {
    let mut m = list(3, 0);
    for (member, n) in m.iter_mut().zip(1..) {
        member.client_urls = vec![format!("https://10.0.0.{n}:2379").into()];
    }
    let one = says(2, &m, Id(0), Read::NotAsked);
    let finding = verdict(&[one.clone(), silent(1)]);
    assert_eq!(finding.may_come_back, ["m1", "m3"]);
    assert_eq!((finding.advice[0].act, finding.advice[0].on.as_str()), (Act::Ask, "m3"));
    assert!(finding.advice[0].contains("https://10.0.0.3:2379"), "its URL is named: {:?}", finding.advice);
    // Spelled by name, but as many as are silent: nothing is claimed.
    let named = |n: u64| EndpointFacts { endpoint: format!("host{n}:2379"), ..silent(n) };
    assert_eq!(verdict(&[one.clone(), named(1), named(3)]).advised(Act::Ask), [] as [&str; 0]);
    let bare = EndpointFacts { endpoint: "10.0.0.1:2379".into(), ..silent(1) };
    assert_eq!(verdict(&[one, bare]).advised(Act::Ask), ["m3"]);
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
    let led = |n| says(n, &m, LEADER, Read::Served);
    let failed = || says(1, &m, LEADER, Read::Failed("timed out".into()));
    for (facts, wanted, gate, code) in [
        (vec![served(), silent(2), silent(3)], QuorumVerdict::Degraded, Gate::TypeLabel, 15),
        (vec![served(), led(2), led(3)], QuorumVerdict::Healthy, Gate::TypeLabel, 0),
        (vec![served(), led(2), none(3)], QuorumVerdict::Degraded, Gate::TypeLabel, 15),
        (vec![served(), asking(2), silent(3)], QuorumVerdict::Healthy, Gate::TypeLabel, 0),
        (vec![failed(), silent(2), silent(3)], QuorumVerdict::Unsettled, Gate::TypeLabel, 12),
        (vec![says(1, &m, LEADER, Read::NotAsked)], QuorumVerdict::Unsettled, Gate::TypeLabel, 12),
        (vec![failed(), asking(2)], QuorumVerdict::Asking, Gate::TypeLabel, 5),
        (vec![none(1), silent(2), silent(3)], QuorumVerdict::LostForNow, Gate::Open, 10),
        (vec![none(1), asking(2), silent(3)], QuorumVerdict::Asking, Gate::TypeLabel, 5),
        (vec![none(1), none(2), silent(3)], QuorumVerdict::NoLeader, Gate::TypeLabel, 11),
        (vec![none(1), none(2), asking(3)], QuorumVerdict::Asking, Gate::TypeLabel, 5),
        (vec![none(1), other.clone()], QuorumVerdict::Split, Gate::TypeLabel, 13),
        (vec![served(), other], QuorumVerdict::Split, Gate::TypeLabel, 13),
        (vec![silent(1), silent(2)], QuorumVerdict::Unknown, Gate::Open, 5),
        (vec![asking(1), silent(2)], QuorumVerdict::Asking, Gate::TypeLabel, 5),
        (vec![], QuorumVerdict::Unknown, Gate::Open, 5),
        // one member behind two endpoints is one voter
        (vec![none(1), none(1), silent(3)], QuorumVerdict::LostForNow, Gate::Open, 10),
        // a learner that answers makes no majority
        (vec![none(1), none(4)], QuorumVerdict::LostForNow, Gate::Open, 10),
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
    assert_eq!((finding.verdict, finding.answering), (QuorumVerdict::LostForNow, 0));
    let both = verdict(&[learner(4), learner(5)]);
    assert_eq!((both.verdict, both.answering), (QuorumVerdict::LostForNow, 0));
    let stranger = verdict(&[says(9, &m, Id(0), Read::NotAsked)]);
    assert_eq!((stranger.verdict, stranger.answering), (QuorumVerdict::LostForNow, 0));
}

#[test]
fn the_newest_list_counts() {
    let (old, new) = (list(3, 0), list(5, 0));
    let mut late = says(1, &old, Id(0), Read::NotAsked);
    let mut next = says(2, &new, Id(0), Read::NotAsked);
    if let Answer::Says(says) = &mut next.answer {
        says.raft_index = 101;
    }
    if let Answer::Says(says) = &mut late.answer {
        // a term grows with every election that fails
        says.raft_term = 80;
    }
    assert_eq!(verdict(&[late.clone(), next.clone()]).voters, 5);
    if let Answer::Says(says) = &mut late.answer {
        says.raft_index = 102;
    }
    assert_eq!(verdict(&[late, next]).voters, 3);
}

#[test]
fn without_a_list_the_endpoints_count() {
    let finding = verdict(&[says(1, &[], Id(0), Read::NotAsked), silent(2), silent(3)]);
    assert_eq!((finding.verdict, finding.voters), (QuorumVerdict::LostForNow, 3));
    assert_eq!(finding.advised(Act::StartIfWhole), ["http://10.0.0.2:2379 and http://10.0.0.3:2379"]);
}

#[test]
fn a_learner_is_no_quorum_of_one() {
    let m = list(1, 1);
    let lost = verdict(&[says(2, &m, Id(0), Read::NotAsked), silent(1)]);
    assert_eq!((lost.verdict, lost.voters, lost.needed, lost.answering), (QuorumVerdict::LostForNow, 1, 1, 0));
    assert_eq!(lost.advised(Act::StartIfWhole), ["m1"]);
}

fn dir(n: u64, state: impl FnOnce(Box<DataDirState>) -> DirState, held: Held) -> DirFacts {
    let says = DataDirState {
        cluster_id: Id(0xc1),
        member_id: Id(n),
        term: 7,
        vote: Id(0),
        commit: 90,
        first_index: 1,
        last_index: 90 + n,
        last_term: 7,
        torn: None,
        snap_index: 0,
        consistent_index: 90,
        consistent_term: None,
        writes_beyond: None,
        revision: 84_000,
        database: FileFacts { path: "db".into(), bytes: 1, modified: None, health: Health::Unread, content: None },
        received_db: None,
        members: list(3, 0),
        v2_keys: 0,
        etcd: None,
        written: None,
        warnings: Vec::new(),
    };
    let data_dir = format!("/var/lib/m{n}").into();
    DirFacts { data_dir, wal_dir: None, learned_from: String::new(), held, state: state(Box::new(says)) }
}

fn broken(n: u64) -> DirFacts {
    dir(
        n,
        |says| DirState::Broken { why: "the log is cut off at its head".into(), part: BrokenPart::Log, says },
        Held::No,
    )
}

fn marks(of: impl IntoIterator<Item = u64>) -> BTreeSet<String> {
    of.into_iter().map(|n| format!("http://10.0.0.{n}:2379")).collect()
}

/// A list whose members can be told from their endpoints.
fn listed(voters: u64, learners: u64) -> Vec<KnownMember> {
    let mut list = list(voters, learners);
    for (member, n) in list.iter_mut().zip(1..) {
        member.client_urls = vec![format!("http://10.0.0.{n}:2379").into()];
    }
    list
}

#[test]
fn loss_for_good_needs_evidence_or_consent() {
    let m = listed(3, 0);
    let facts = [says(2, &m, Id(0), Read::NotAsked), silent(1), silent(3)];
    let judge = |dirs: &[DirFacts], gone: &BTreeSet<String>| judged(&facts, dirs, gone);
    let whole = |n| dir(n, DirState::Whole, Held::No);
    for (dirs, gone, wanted, back) in [
        (vec![], marks([]), QuorumVerdict::LostForNow, vec!["m1", "m3"]),
        (vec![], marks([1]), QuorumVerdict::LostForNow, vec!["m3"]),
        (vec![], marks([1, 3]), QuorumVerdict::LostForGood, vec![]),
        (vec![broken(1)], marks([3]), QuorumVerdict::LostForGood, vec![]),
        (vec![broken(1), broken(3)], marks([]), QuorumVerdict::LostForGood, vec![]),
        // a whole disk counts for more than a word, and than a broken copy of it
        (vec![whole(1)], marks([1, 3]), QuorumVerdict::LostForNow, vec!["m1"]),
        (vec![broken(1), whole(1)], marks([3]), QuorumVerdict::LostForNow, vec!["m1"]),
        // who answers is not gone, and a word on nobody says nothing
        (vec![], marks([2, 9]), QuorumVerdict::LostForNow, vec!["m1", "m3"]),
    ] {
        let finding = judge(&dirs, &gone);
        assert_eq!(
            (finding.verdict, finding.may_come_back.clone()),
            (wanted, back.iter().map(|s| s.to_string()).collect())
        );
        assert_eq!(finding.gate(), Gate::Open);
    }
    let finding = judge(&[broken(1)], &marks([3]));
    assert_eq!((finding.gone.as_slice(), finding.needed), (&["m1".to_string(), "m3".to_string()][..], 2));
    assert_eq!((finding.advice[0].act, finding.advice[0].on.as_str()), (Act::Broken, "m1"));
    assert_eq!(finding.exit_code(), 14);
}

#[test]
fn a_dead_member_with_intact_disk_starts_first() {
    let m = listed(3, 0);
    let facts = [says(2, &m, Id(0), Read::NotAsked), silent(1), silent(3)];
    let judge = |dirs: &[DirFacts]| judged(&facts, dirs, &BTreeSet::new());
    let finding = judge(&[dir(3, DirState::Whole, Held::No)]);
    let first: Vec<_> = finding.advice[..2].iter().map(|a| (a.act, a.on.as_str())).collect();
    assert_eq!(first, [(Act::Start, "/var/lib/m3"), (Act::StartIfWhole, "m1")]);
    let held = dir(3, DirState::Whole, Held::By { pid: Some(7), program: "etcd".into() });
    let held = judge(&[held]);
    assert_eq!((held.advice[0].act, held.advice[0].on.as_str()), (Act::Held, "/var/lib/m3"));
    let mut other = dir(3, DirState::Whole, Held::No);
    if let DirState::Whole(says) = &mut other.state {
        says.cluster_id = Id(0xc2);
    }
    assert!(!judge(&[other]).advice[0].contains("/var/lib/m3"), "another cluster's data bring nobody back");
    // nobody answers: the directories tell who votes
    let alone = judged(&[silent(1)], &[dir(1, DirState::Whole, Held::No)], &BTreeSet::new());
    assert_eq!((alone.verdict, alone.voters), (QuorumVerdict::Unknown, 3));
    assert_eq!((alone.advice[0].act, alone.advice[0].on.as_str()), (Act::Start, "/var/lib/m1"));
}

/// m3's directory, ending with entry `end` of term 7; 0 where its end cannot be read.
fn copy(path: &str, end: u64, whole: bool, held: bool) -> DirFacts {
    let held = if held { Held::By { pid: Some(7), program: "etcd".into() } } else { Held::No };
    let mut made = match whole {
        true => dir(3, DirState::Whole, held),
        false => dir(
            3,
            |says| DirState::Broken { why: "the log is cut off at its head".into(), part: BrokenPart::Log, says },
            held,
        ),
    };
    made.data_dir = path.into();
    if let DirState::Whole(says) | DirState::Broken { says, .. } = &mut made.state {
        (says.last_index, says.last_term) = (end, if end > 0 { 7 } else { 0 });
    }
    made
}

#[test]
fn the_newest_copy_decides_whatever_the_order() {
    let m = listed(3, 0);
    let facts = [says(2, &m, Id(0), Read::NotAsked), silent(1), silent(3)];
    let start = |path| (Act::Start, path);
    let held = (Act::Held, "/b");
    let broken = (Act::Broken, "m3");
    for (what, a, b, first, other) in [
        (
            "two whole ones",
            copy("/a", 80, true, false),
            copy("/b", 90, true, false),
            start("/b"),
            (Act::OlderCopy, "/a"),
        ),
        ("equal ones", copy("/a", 90, true, false), copy("/b", 90, true, false), start("/a"), (Act::SameCopy, "/b")),
        (
            "an older broken one",
            copy("/a", 80, false, false),
            copy("/b", 90, true, false),
            start("/b"),
            (Act::OlderCopy, "/a"),
        ),
        (
            "a newer broken one",
            copy("/a", 80, true, false),
            copy("/b", 90, false, false),
            broken,
            (Act::ReplaceNotOlder, "/a"),
        ),
        (
            "a broken one without an end",
            copy("/a", 0, false, false),
            copy("/b", 90, true, false),
            start("/b"),
            (Act::UnknownCopy, "/a"),
        ),
        ("two broken ones", copy("/a", 80, false, false), copy("/b", 90, false, false), broken, (Act::OlderCopy, "/a")),
        (
            "an older one in reserve",
            copy("/a", 80, true, false),
            copy("/b", 90, true, true),
            held,
            (Act::OlderCopy, "/a"),
        ),
        (
            "an etcd on the older one",
            copy("/a", 90, true, false),
            copy("/b", 80, true, true),
            held,
            (Act::NewerCopy, "/a"),
        ),
        (
            "an etcd on a broken one",
            copy("/a", 90, true, false),
            copy("/b", 80, false, true),
            held,
            (Act::NewerCopy, "/a"),
        ),
    ] {
        for dirs in [[a.clone(), b.clone()], [b.clone(), a.clone()]] {
            let finding = judged(&facts, &dirs, &BTreeSet::new());
            let has = |(act, on): (Act, &str)| finding.advised(act) == [on];
            assert!(has(first) && has(other), "{what}: {:#?}", finding.advice);
            let starts = finding.advised(Act::Start).len() + finding.advised(Act::AlsoStart).len();
            assert!(starts <= 1, "{what}: {:#?}", finding.advice);
        }
    }
}

#[test]
fn unprobed_members_are_not_called_silent() {
    let m = listed(3, 0);
    let held = dir(3, DirState::Whole, Held::By { pid: Some(7), program: "etcd".into() });
    for (facts, act) in [
        (vec![says(2, &m, Id(0), Read::NotAsked), silent(1), silent(3)], Act::Held),
        (vec![says(2, &m, Id(0), Read::NotAsked)], Act::AskHeld),
        (vec![says(2, &m, Id(0), Read::NotAsked), silent(1)], Act::AskHeld),
    ] {
        let finding = judged(&facts, std::slice::from_ref(&held), &BTreeSet::new());
        assert_eq!(finding.advised(act), ["/var/lib/m3"], "{:#?}", finding.advice);
    }
}

#[test]
fn each_problem_comes_with_its_remedy() {
    let m = listed(3, 0);
    let mut first = says(1, &m, LEADER, Read::Served);
    let mut second = says(2, &m, LEADER, Read::Served);
    for (fact, hash) in [(&mut first, 0x9f3c_11aa), (&mut second, 0x9f3c_11aa)] {
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        says.hash = Hashed::Says { hash, revision: 84_000, compacted: 80_000 };
        says.alarms = vec![Alarm { member: Id(2), kind: "NOSPACE".into() }];
    }
    let finding = verdict(&[first.clone(), second.clone(), silent(3)]);
    assert_eq!((finding.verdict, finding.answering, finding.keep), (QuorumVerdict::Degraded, 2, true));
    assert_eq!(finding.advice[0].act, Act::Keep);
    assert_eq!((finding.advice[1].act, finding.advice[1].on.as_str()), (Act::Alarm, "m2"));
    // etcd itself found that m2's data are others
    let Answer::Says(said) = &mut second.answer else { unreachable!() };
    said.hash = Hashed::Says { hash: 0x77aa_02c1, revision: 84_000, compacted: 80_000 };
    said.alarms = vec![Alarm { member: Id(2), kind: "CORRUPT".into() }];
    let corrupt = verdict(&[first.clone(), second.clone(), silent(3)]);
    let differ = corrupt.disagreement.as_ref().unwrap();
    assert_eq!((differ.revision, differ.parts.len()), (84_000, 2));
    assert_eq!(corrupt.advised(Act::Compare).len(), 1, "none is picked: {:?}", corrupt.advice);
    // over another compact revision a hash says nothing
    let Answer::Says(said) = &mut second.answer else { unreachable!() };
    said.hash = Hashed::Says { hash: 1, revision: 84_000, compacted: 83_000 };
    assert_eq!(disagreement(&[first.clone(), second]), None);
    // where quorum is lost, no survivor is proposed over the other
    let lost = |mut fact: EndpointFacts| {
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        (says.leader, says.read) = (Id(0), Read::NotAsked);
        fact
    };
    let m = listed(5, 0);
    let survivors = [(1, 5), (2, 6)].map(|(n, hash)| {
        let mut fact = lost(says(n, &m, LEADER, Read::Served));
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        says.hash = Hashed::Says { hash, revision: 9, compacted: -1 };
        fact
    });
    let finding = verdict(&[survivors[0].clone(), survivors[1].clone(), silent(3), silent(4), silent(5)]);
    assert_eq!(finding.verdict, QuorumVerdict::LostForNow);
    let last = finding.advice.last().unwrap();
    assert_eq!((last.act, last.on.as_str()), (Act::GoOn, ""), "no member is proposed");
}

#[test]
fn who_lives_beside_its_client_port_is_counted() {
    let m = listed(3, 0);
    let mut shut = says(2, &m, Id(0), Read::NotAsked);
    if let Answer::Says(says) = &mut shut.answer {
        (says.closed, says.revision) = (Some(NoAnswer::Because("no answer in 3 s".into())), 0);
    }
    let finding = verdict(&[silent(1), shut.clone(), silent(3)]);
    assert_eq!((finding.verdict, finding.answering), (QuorumVerdict::LostForNow, 1));
    assert_eq!(finding.advised(Act::Shut), ["m2"]);
    let last = finding.advice.last().unwrap();
    assert_eq!((last.act, last.on.as_str()), (Act::GoOn, "m2"), "its file, since it gives no snapshot");
    assert_eq!(verdict(&[says(1, &m, Id(0), Read::NotAsked), shut, silent(3)]).verdict, QuorumVerdict::NoLeader);
}

#[test]
fn alarms_are_read_however_they_are_spaced() {
    let alarm = |kind: &str| Some(Alarm { member: Id(123), kind: kind.into() });
    assert_eq!(Alarm::parse("memberID:123 alarm:NOSPACE "), alarm("NOSPACE"));
    assert_eq!(Alarm::parse("memberID:123  alarm: CORRUPT"), alarm("CORRUPT"));
    for text in [
        "etcdserver: no leader",
        "memberID: alarm:NOSPACE",
        "memberID:1 alarm:",
        "memberID:99999999999999999999 alarm:X",
    ] {
        assert_eq!(Alarm::parse(text), None, "{text}");
    }
}

prop_compose! {
    fn cluster()(voters in 1u64..6, learners in 0u64..3)
        (kinds in prop::collection::vec(0u8..6, (voters + learners) as usize), voters in Just(voters), learners in Just(learners))
        -> (u64, Vec<(u8, EndpointFacts)>) {
        let m = listed(voters, learners);
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

prop_compose! {
    /// A directory of any member, of this cluster or not, in any state.
    fn any_dir()(n in 1u64..8, kind in 0u8..5, ours in any::<bool>()) -> DirFacts {
        let mut made = match kind {
            0 => dir(n, DirState::Whole, Held::No),
            1 => dir(n, DirState::Whole, Held::By { pid: None, program: "etcd".into() }),
            2 => dir(n, |_| DirState::Empty, Held::No),
            _ => broken(n),
        };
        if let DirState::Whole(says) | DirState::Broken { says, .. } = &mut made.state && !ours {
            says.cluster_id = Id(0xc2);
        }
        made
    }
}

proptest! {
    /// Whatever disks and the operator say: no restore while a majority of the voters answers, a voter names a leader,
    /// or a read was served; and for good only where too few are left.
    #[test]
    fn no_disk_and_no_word_makes_it_lost(
        (voters, facts) in cluster(),
        dirs in prop::collection::vec(any_dir(), 0..5),
        gone in prop::collection::btree_set(1u64..8, 0..8),
    ) {
        let plain: Vec<EndpointFacts> = facts.iter().map(|(_, f)| f.clone()).collect();
        let finding = judged(&plain, &dirs, &marks(gone.clone()));
        let listed = facts.iter().any(|(k, _)| [2, 4, 5].contains(k));
        let kinds: Vec<u8> = facts.iter().take(voters as usize).map(|(kind, _)| *kind).collect();
        let answering = kinds.iter().filter(|k| **k >= 2).count();
        let reason = listed && answering > voters as usize / 2
            || kinds.iter().any(|k| *k >= 4)
            || facts.iter().any(|(k, _)| *k == 5);
        prop_assert!(!reason || finding.gate() == Gate::TypeLabel, "{}", finding.sentence);
        prop_assert!(!reason || !finding.verdict.lost(), "{}", finding.sentence);
        if finding.verdict == QuorumVerdict::LostForGood {
            prop_assert!(finding.answering + finding.may_come_back.len() < finding.needed, "{}", finding.sentence);
            prop_assert!(!finding.gone.is_empty());
        }
        prop_assert!(!finding.sentence.ends_with('.') && !finding.advice.is_empty() && !finding.rule.is_empty());
    }

    #[test]
    fn never_lost_while_a_majority_answers_or_serves((voters, facts) in cluster()) {
        let plain: Vec<EndpointFacts> = facts.iter().map(|(_, f)| f.clone()).collect();
        let finding = verdict(&plain);
        let by_voters = || facts.iter().take(voters as usize).map(|(kind, _)| *kind);
        let served = facts.iter().any(|(kind, _)| *kind == 5);
        // Kind 3 brings no list, so where nobody has one every endpoint counts as a voter.
        let listed = facts.iter().any(|(k, _)| [2, 4, 5].contains(k));
        let answering = by_voters().filter(|k| *k >= 2).count();
        let majority = listed && answering > voters as usize / 2;
        let open = finding.verdict.lost() || finding.verdict == QuorumVerdict::Unknown;
        prop_assert!(!(served || majority) || !open, "{}", finding.sentence);
        prop_assert_eq!(served, finding.verdict.serves());
        prop_assert_eq!(finding.gate() == Gate::Open, open);
        prop_assert!(!open || facts.iter().all(|(k, _)| *k != 1), "settled while somebody is still asked");
        prop_assert!(finding.verdict != QuorumVerdict::LostForNow || finding.answering < finding.needed);
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
