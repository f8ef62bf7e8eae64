//! What must not be taken for the cluster: begun with an empty directory, restored under the old IDs, or not the one that
//! was asked for.

use super::*;
use crate::etcd::membership::cluster_id;

/// The cluster of all that follows, which m1, m2 and m3 founded.
pub(super) fn own() -> Id {
    cluster_id(&[Id(1), Id(2), Id(3)])
}

fn of(n: u64, list: &[KnownMember], (term, index): (u64, u64), revision: i64) -> MemberStatus {
    MemberStatus {
        cluster_id: own(),
        member_id: Id(n),
        revision,
        raft_term: term,
        raft_index: index,
        raft_applied: index,
        members: list.to_vec(),
        ..MemberStatus::default()
    }
}

fn at(n: u64, says: MemberStatus) -> EndpointFacts {
    EndpointFacts { endpoint: format!("http://10.0.0.{n}:2379"), answer: Answer::Says(Box::new(says)) }
}

pub(super) fn served(n: u64, leader: u64, list: &[KnownMember], log: (u64, u64), revision: i64) -> EndpointFacts {
    at(n, MemberStatus { leader: Id(leader), read: Read::Served, ..of(n, list, log, revision) })
}

pub(super) fn unled(n: u64, list: &[KnownMember], log: (u64, u64), revision: i64) -> EndpointFacts {
    at(n, of(n, list, log, revision))
}

/// A directory that an etcd could start on, with its log's end; all of it committed and applied.
pub(super) fn holds(n: u64, list: &[KnownMember], (term, index): (u64, u64), revision: i64) -> DirFacts {
    let mut made = dir(n, DirState::Whole, Held::No);
    if let DirState::Whole(says) = &mut made.state {
        (says.cluster_id, says.members) = (own(), list.to_vec());
        (says.term, says.last_term, says.last_index, says.revision) = (term, term, index, revision);
        (says.commit, says.consistent_index, says.first_index) = (index, index, u64::from(index > 0));
    }
    made
}

pub(super) fn judge(facts: &[EndpointFacts], dirs: &[DirFacts]) -> QuorumReport {
    judged(facts, dirs, &BTreeSet::new())
}

/// The directories on which etcd is to be started first.
fn starts(finding: &QuorumReport) -> Vec<&str> {
    finding.advised(Act::Start)
}

/// The directories that are not to be started for what they lack.
fn lacks(finding: &QuorumReport) -> Vec<(&str, Lack)> {
    let lack = |advice: &'_ Advice| match advice.act {
        Act::DoNotStart(lack) => Some(lack),
        _ => None,
    };
    finding.advice.iter().filter_map(|a| Some((a.on.as_str(), lack(a)?))).collect()
}

/// The members of [`listed`], of whom some never joined.
fn joined(voters: u64, those: &[u64]) -> Vec<KnownMember> {
    let mut list = listed(voters, 0);
    list.iter_mut().filter(|m| !those.contains(&m.id.0)).for_each(|m| m.client_urls.clear());
    list
}

#[test]
fn an_empty_directory_is_never_whole() {
    let m = listed(3, 0);
    let serving = [served(1, 2, &m, (2, 18), 11), served(2, 2, &m, (2, 18), 11), silent(3)];
    let lost = [unled(1, &m, (2, 18), 11), silent(2), silent(3)];
    for (name, dir, counts) in [
        ("0/0", holds(3, &[], (0, 0), 0), false),
        ("state new", holds(3, &m, (1, 3), 0), false),
        ("restored from a snapshot", holds(3, &m, (1, 3), 11), false),
        ("begun anew, and led since", holds(3, &m, (2, 7), 1), false),
        ("it lags", holds(3, &m, (2, 12), 6), true),
        ("it ends where the others end", holds(3, &m, (2, 18), 11), true),
        ("it has what was never committed", holds(3, &m, (2, 18), 11), true),
    ] {
        let finding = judge(&serving, std::slice::from_ref(&dir));
        assert_eq!(finding.verdict, QuorumVerdict::Degraded, "{name}: {}", finding.sentence);
        assert!(finding.keep, "{name}: the cluster serves, and nothing is newer");
        assert_eq!(starts(&finding) == ["/var/lib/m3"], counts, "{name}: {:?}", finding.advice);
        let lacking = lacks(&finding);
        assert_eq!(matches!(lacking[..], [("/var/lib/m3", _)]), !counts, "{name}: {:?}", finding.advice);
        let finding = judge(&lost, std::slice::from_ref(&dir));
        assert_eq!(finding.verdict, QuorumVerdict::LostForNow, "{name}");
        let back: &[&str] = if counts { &["m2", "m3"] } else { &["m2"] };
        assert_eq!(finding.may_come_back, back, "{name}: {}", finding.sentence);
        assert_eq!(starts(&finding) == ["/var/lib/m3"], counts, "{name}");
        // with m2 gone nothing is left that could bring a quorum back
        let finding = judged(&lost, std::slice::from_ref(&dir), &marks([2]));
        let wanted = if counts { QuorumVerdict::LostForNow } else { QuorumVerdict::LostForGood };
        assert_eq!(finding.verdict, wanted, "{name}: {}", finding.sentence);
    }
}

#[test]
fn a_member_that_never_joined_has_lost_nothing() {
    let m = joined(3, &[1, 2]);
    let lost = [unled(1, &m, (2, 18), 11), silent(2), silent(3)];
    let finding = judge(&lost, &[holds(3, &[], (0, 0), 0)]);
    assert_eq!((finding.verdict, finding.may_come_back.len()), (QuorumVerdict::LostForNow, 2));
    assert_eq!((starts(&finding), finding.advised(Act::BringsNothing)), (vec![], vec!["/var/lib/m3"]));
}

/// Restored with the old token, and never started: the snapshot lists it under the ID that it had before.
#[test]
fn a_restored_unstarted_member_is_started() {
    let m = joined(3, &[1, 2]);
    let facts = [served(1, 1, &m, (2, 30), 5_020), served(2, 1, &m, (2, 30), 5_020), silent(3)];
    let known = [KnownState { from: "a.db".into(), cluster_id: None, members: listed(3, 0), revision: 5_000 }];
    let dirs = [holds(3, &m, (1, 3), 5_000)];
    let seen =
        Evidence { facts: &facts, given: &[], dirs: &dirs, known: &known, compared: &[], gone: &BTreeSet::new() };
    let finding = super::super::verdict(&seen);
    assert_eq!(finding.verdict, QuorumVerdict::Degraded, "{}", finding.sentence);
    assert_eq!(starts(&finding), ["/var/lib/m3"], "{:?}", finding.advice);
}

#[test]
fn the_newer_of_two_copies_counts() {
    let m = listed(3, 0);
    let lost = [unled(1, &m, (2, 18), 11), silent(2), silent(3)];
    let mut older = holds(3, &m, (2, 12), 6);
    older.data_dir = "/old/m3".into();
    for dirs in [[older.clone(), holds(3, &m, (2, 17), 10)], [holds(3, &m, (2, 17), 10), older.clone()]] {
        let finding = judge(&lost, &dirs);
        assert_eq!((finding.advice[0].act, finding.advice[0].on.as_str()), (Act::Start, "/var/lib/m3"));
    }
}

#[test]
fn directories_short_of_the_commit_are_not_started() {
    let m = listed(3, 0);
    let silent = [silent(1), silent(2), silent(3)];
    let stopped = |second: (u64, u64), third: (u64, u64)| {
        judge(&silent, &[holds(1, &m, (2, 18), 11), holds(2, &m, second, 5), holds(3, &m, third, 5)])
    };
    let finding = stopped((2, 12), (2, 12));
    assert_eq!((finding.verdict, finding.gone.len()), (QuorumVerdict::LostForGood, 2), "{:?}", finding.advice);
    let finding = stopped((2, 18), (2, 12));
    assert_eq!((finding.verdict, finding.may_come_back.len()), (QuorumVerdict::Unknown, 3), "{:?}", finding.advice);
}

#[test]
fn serving_older_than_a_directory_is_another_cluster() {
    let m = listed(3, 0);
    let reborn = |revision| [silent(1), served(2, 3, &m, (2, 7), revision), served(3, 3, &m, (2, 7), revision)];
    let old = holds(1, &m, (2, 18), 11);
    let finding = judge(&reborn(1), std::slice::from_ref(&old));
    assert_eq!((finding.verdict, finding.exit_code(), finding.gate()), (QuorumVerdict::Forked, 18, Gate::Open));
    assert!(finding.surely_behind() && !finding.keep && !finding.verdict.serves());
    assert_eq!(finding.stop, ["http://10.0.0.2:2379", "http://10.0.0.3:2379"]);
    assert_eq!(finding.ask_again, finding.stop, "before it is believed");
    assert_eq!(finding.newer[0].at, NewerAt::Dir("/var/lib/m1".into()));
    assert_eq!((finding.newer[0].revision, finding.newer[0].index), (11, 18));
    let first: Vec<_> = finding.advice[..2].iter().map(|a| (a.act, a.on.as_str())).collect();
    assert_eq!(first, [(Act::Stop, "m2 and m3"), (Act::OtherHistory, "/var/lib/m1")]);
    assert!(judge(&reborn(5), &[old]).surely_behind(), "an older state");
    // the directory that m2 itself had, moved aside
    let mut aside = holds(2, &m, (2, 18), 11);
    assert_eq!(judge(&reborn(1), std::slice::from_ref(&aside)).verdict, QuorumVerdict::Forked);
    // one that another process than m2's has is ahead of all that m2 says; who answers later is asked once more
    aside.held = Held::By { pid: Some(7), program: "etcd".into() };
    assert_eq!(judge(&reborn(1), &[aside]).verdict, QuorumVerdict::Forked);
    // the term of an entry does not go back either
    assert_eq!(judge(&reborn(20), &[holds(1, &m, (3, 6), 20)]).verdict, QuorumVerdict::Forked);
    // and what lags, or was never committed, shows nothing
    let mut uncommitted = holds(1, &m, (2, 9), 1);
    if let DirState::Whole(says) = &mut uncommitted.state {
        (says.commit, says.consistent_index) = (6, 6);
    }
    for dir in [holds(1, &m, (2, 6), 1), uncommitted] {
        assert_eq!(judge(&reborn(1), &[dir]).verdict, QuorumVerdict::Degraded);
    }
}

/// kubeadm's first member: begun with itself alone, it has the old cluster's ID and its own old one.
#[test]
fn a_reinitialized_first_member_holds_no_quorum() {
    let all = listed(3, 0);
    let alone = &all[..1];
    let reborn = served(1, 1, alone, (2, 4), 1);
    let finding = judge(&[reborn.clone(), unled(2, &all, (3, 14), 6), silent(3)], &[]);
    assert_eq!((finding.verdict, finding.exit_code()), (QuorumVerdict::Forked, 18), "{}", finding.sentence);
    assert_eq!(finding.stop, ["http://10.0.0.1:2379"]);
    assert_eq!(finding.newer[0].at, NewerAt::Member("http://10.0.0.2:2379".into()));
    assert_eq!((finding.advice[0].act, finding.advice[0].on.as_str()), (Act::Save, "http://10.0.0.2:2379"));
    // its own hash agrees where both were asked at revision 1
    let hashed = |mut fact: EndpointFacts, hash| {
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        says.hash = Hashed::Says { hash, revision: 1, compacted: -1 };
        fact
    };
    let same = [hashed(reborn.clone(), 7), hashed(unled(2, &all, (3, 14), 6), 7)];
    assert_eq!(judge(&same, &[]).verdict, QuorumVerdict::Forked);
    // an API server wrote to it until it is ahead by its numbers: then the hashes tell
    let ahead = served(1, 1, alone, (2, 400), 390);
    let differ = [hashed(ahead.clone(), 7), hashed(unled(2, &all, (3, 14), 6), 8)];
    let finding = judge(&differ, &[]);
    assert_eq!((finding.verdict, finding.gate()), (QuorumVerdict::Forked, Gate::TypeLabel), "{}", finding.sentence);
    assert!(!finding.surely_behind() && finding.stop.is_empty(), "which is right is not known");
    // one that was removed has the same data up to where it came
    let removed = [hashed(ahead, 7), hashed(unled(2, &all, (3, 14), 6), 7)];
    let finding = judge(&removed, &[]);
    assert_eq!((finding.verdict, finding.keep), (QuorumVerdict::Degraded, false), "{}", finding.sentence);
    // the survivor was started again: only its peer port tells who it is
    let shut = at(2, MemberStatus { closed: Some("no answer in 3 s".into()), ..of(2, &all, (0, 0), 0) });
    for revision in [1, 300] {
        let facts = [served(1, 1, alone, (2, 4), revision), shut.clone(), silent(3)];
        let finding = judge(&facts, &[]);
        assert_eq!((finding.verdict, finding.keep), (QuorumVerdict::Forked, false), "{}", finding.sentence);
        // what speaks against it is the list of m2 alone
        assert!(!finding.surely_behind() && finding.newer.is_empty() && finding.disagreement.is_none());
        // and where its directory is here, that shows it
        let mut dir = holds(2, &all, (3, 14), 301);
        dir.held = Held::By { pid: Some(7), program: "etcd".into() };
        assert!(judge(&facts, &[dir]).surely_behind());
    }
    // its directory, when it is stopped
    let finding = judge(&[silent(1), unled(2, &all, (3, 14), 6), silent(3)], &[holds(1, alone, (2, 4), 1)]);
    assert_eq!(finding.may_come_back, ["m3"], "{:?}", finding.advice);
}

#[test]
fn one_reinitialized_member_is_stopped_the_rest_serves() {
    let all = listed(3, 0);
    let facts = [served(1, 1, &all[..1], (2, 4), 1), served(2, 2, &all, (3, 14), 6), served(3, 2, &all, (3, 14), 6)];
    for facts in [facts.to_vec(), facts.iter().rev().cloned().collect()] {
        let finding = judge(&facts, &[]);
        assert_eq!((finding.verdict, finding.answering), (QuorumVerdict::Degraded, 2), "{}", finding.sentence);
        assert_eq!(finding.stop, ["http://10.0.0.1:2379"]);
        assert_eq!((finding.advice[1].act, finding.advice[1].on.as_str()), (Act::Stop, "m1"));
        assert!(finding.keep);
    }
    // two that serve, and the bigger one is behind: nobody knows
    let overtaken =
        [served(1, 1, &all[..1], (2, 40), 30), served(2, 2, &all, (3, 14), 6), served(3, 2, &all, (3, 14), 6)];
    let finding = judge(&overtaken, &[]);
    assert_eq!((finding.verdict, finding.keep), (QuorumVerdict::Forked, false), "{}", finding.sentence);
    assert!(!finding.surely_behind());
}

#[test]
fn serving_older_than_a_snapshot_is_another_cluster() {
    let m = listed(3, 0);
    let all = |revision| [1, 2, 3].map(|n| served(n, 1, &m, (2, 40), revision));
    let judge = |facts: &[EndpointFacts], known: &[KnownState]| {
        super::super::verdict(&Evidence { facts, given: &[], dirs: &[], known, compared: &[], gone: &BTreeSet::new() })
    };
    let file = |cluster_id, members: &[KnownMember], revision| KnownState {
        from: "/backup/a.db".into(),
        cluster_id,
        members: members.to_vec(),
        revision,
    };
    let mut later = listed(5, 0);
    later.iter_mut().skip(3).for_each(|m| m.id = Id(m.id.0 + 70));
    let strangers = vec![KnownMember { id: Id(77), ..KnownMember::default() }];
    for (state, wanted) in [
        (file(None, &m, 50), QuorumVerdict::Forked),
        (file(None, &m, 40), QuorumVerdict::Healthy),
        (file(None, &m, 30), QuorumVerdict::Healthy),
        // members were added since: those who founded it are among them
        (file(None, &later, 50), QuorumVerdict::Forked),
        (file(None, &strangers, 50), QuorumVerdict::Healthy),
        (file(None, &[], 50), QuorumVerdict::Healthy),
        (file(Some(own()), &strangers, 50), QuorumVerdict::Forked),
        // its members are at the same URLs
        (file(Some(Id(5)), &m, 50), QuorumVerdict::Unconfirmed),
    ] {
        let finding = judge(&all(40), std::slice::from_ref(&state));
        assert_eq!(finding.verdict, wanted, "{state:?}: {}", finding.sentence);
        assert_eq!(finding.keep, wanted == QuorumVerdict::Healthy);
        if wanted == QuorumVerdict::Forked {
            assert_eq!(finding.advised(Act::Restore), ["/backup/a.db"], "{:?}", finding.advice);
        }
    }
}

/// A member that joined with a snapshot's store applied the log a second time.
#[test]
fn a_store_its_log_contradicts_is_not_newer() {
    let m = listed(3, 0);
    let serving = [served(1, 1, &m, (3, 30), 21), served(2, 1, &m, (3, 30), 21), silent(3)];
    let finding = judge(&serving, &[holds(3, &m, (3, 30), 32)]);
    assert_eq!((finding.verdict, finding.keep), (QuorumVerdict::Degraded, false), "{}", finding.sentence);
    assert_eq!((starts(&finding), lacks(&finding)), (vec![], vec![("/var/lib/m3", Lack::OtherData)]));
}

#[test]
fn a_cluster_not_asked_for_proves_nothing() {
    let default = |revision| {
        let member = KnownMember {
            id: Id(0x8e9e_05c5_2164_694d),
            name: "default".into(),
            peer_urls: vec!["http://localhost:2380".into()],
            client_urls: vec!["http://localhost:2379".into()],
            ..KnownMember::default()
        };
        let says = MemberStatus {
            cluster_id: DEFAULT_CLUSTER,
            member_id: member.id,
            leader: member.id,
            members: vec![member],
            read: Read::Served,
            raft_index: 4,
            revision,
            ..MemberStatus::default()
        };
        at(2, says)
    };
    let finding = judge(&[silent(1), default(1), silent(3)], &[]);
    assert_eq!(
        (finding.verdict, finding.exit_code(), finding.gate()),
        (QuorumVerdict::Unconfirmed, 19, Gate::TypeLabel)
    );
    assert_eq!(finding.unmatched, ["http://10.0.0.1:2379", "http://10.0.0.3:2379"]);
    assert!(!finding.keep && !finding.verdict.serves());
    assert_eq!(judge(&[silent(1), default(80), silent(3)], &[]).verdict, QuorumVerdict::Unconfirmed);
    assert_eq!(judge(&[silent(1), default(80)], &[]).verdict, QuorumVerdict::Unconfirmed);
    // asked alone it is what it is; whether there was more, nobody knows
    let alone = judge(&[default(1)], &[]);
    assert_eq!((alone.verdict, alone.keep), (QuorumVerdict::Unconfirmed, false), "{}", alone.sentence);
    assert!(!alone.verdict.serves(), "{}", alone.sentence);
    assert!(judge(&[default(2)], &[]).keep);
    // still asked: nothing is said yet
    assert_eq!(judge(&[asking(1), default(1), silent(3)], &[]).verdict, QuorumVerdict::Asking);
}

#[test]
fn members_by_other_names_are_still_members() {
    let m = listed(3, 0);
    let named = |n: u64, fact: EndpointFacts| EndpointFacts { endpoint: format!("node{n}:2379"), ..fact };
    let answers = |n| served(n, 1, &m, (2, 40), 30);
    let given = ["node1:2379", "node2:2379", "node3:2379"].map(String::from);
    let judge = |facts: &[EndpointFacts], given: &[String]| {
        super::super::verdict(&Evidence { facts, given, dirs: &[], known: &[], compared: &[], gone: &BTreeSet::new() })
    };
    let all = [1, 2, 3].map(|n| named(n, answers(n)));
    assert_eq!(judge(&all, &given).verdict, QuorumVerdict::Healthy, "who answers is known, however it is spelled");
    // node3 may be m3, which is silent at its own URL too
    let two = [named(1, answers(1)), named(2, answers(2)), named(3, silent(3)), silent(3)];
    let finding = judge(&two, &given);
    assert_eq!((finding.verdict, finding.unmatched.len()), (QuorumVerdict::Degraded, 0), "{}", finding.sentence);
    assert_eq!(finding.advised(Act::OtherName), ["node3:2379"], "{:?}", finding.advice);
    // at the host of a silent member it is that member's
    let port = EndpointFacts { endpoint: "10.0.0.3:32379".into(), ..silent(3) };
    assert_eq!(judge(&[answers(1), answers(2), port], &[]).advised(Act::OtherName), [] as [&str; 0]);
    // a load balancer that is down, beside three members that answer
    let vip = EndpointFacts { endpoint: "vip:2379".into(), ..silent(9) };
    let finding = judge(&[answers(1), answers(2), answers(3), vip.clone()], &[]);
    assert_eq!((finding.verdict, finding.unmatched.len(), finding.keep), (QuorumVerdict::Degraded, 1, true));
    // a cluster of three found through one endpoint, while the other endpoints given say nothing
    let given = ["http://10.0.0.1:2379", "old2:2379", "old3:2379"].map(String::from);
    let strange = [2, 3].map(|n| EndpointFacts { endpoint: format!("old{n}:2379"), ..silent(9) });
    let [old2, old3] = strange;
    let finding = judge(&[answers(1), old2, old3, answers(2), answers(3)], &given);
    assert_eq!(finding.verdict, QuorumVerdict::Unconfirmed, "{}", finding.sentence);
    // the proxy that the members are behind answers as one of them
    let through = EndpointFacts { endpoint: "vip:2379".into(), ..answers(2) };
    assert_eq!(judge(&[answers(1), through, answers(3)], &[]).verdict, QuorumVerdict::Healthy);
}

/// Once a reborn cluster was written past the old state, only the data tell.
#[test]
fn another_history_is_told_by_its_hash() {
    let m = listed(3, 0);
    let facts = [silent(1), served(2, 3, &m, (2, 44), 37), served(3, 3, &m, (2, 44), 37)];
    let dirs = [holds(1, &m, (2, 21), 14)];
    let known = [KnownState { from: "a.db".into(), cluster_id: Some(own()), members: m.clone(), revision: 11 }];
    let judge = |dirs: &[DirFacts], known: &[KnownState], at: NewerAt, outcome: Match| {
        let compared = [Compared { at, revision: 11, outcome }];
        super::super::verdict(&Evidence {
            facts: &facts,
            given: &[],
            dirs,
            known,
            compared: &compared,
            gone: &BTreeSet::new(),
        })
    };
    let dir = || NewerAt::Dir("/var/lib/m1".into());
    let same = judge(&dirs, &[], dir(), Match::Same);
    assert_eq!((same.verdict, same.keep), (QuorumVerdict::Degraded, true));
    assert_eq!(starts(&same), ["/var/lib/m1"], "{:?}", same.advice);
    for why in [Unknown::Compacted, Unknown::OwnCompacted(9), Unknown::TooLarge, Unknown::Asking] {
        let unknown = judge(&dirs, &[], dir(), Match::Unknown(why.clone()));
        assert_eq!((unknown.verdict, unknown.keep), (QuorumVerdict::Degraded, false), "{}", unknown.sentence);
        assert!(starts(&unknown).is_empty() && unknown.advised(Act::Keep).is_empty(), "{:?}", unknown.advice);
        let shows = unknown.advised(Act::ShowFirst) == ["/var/lib/m1"];
        assert_eq!(shows, why != Unknown::Asking, "{:?}", unknown.advice);
    }
    // a snapshot is not started: the cluster that serves stays what it is
    let file = judge(&dirs, &known, NewerAt::File("a.db".into()), Match::Unknown(Unknown::Compacted));
    assert_eq!((file.verdict, file.keep), (QuorumVerdict::Degraded, true), "{}", file.sentence);
    for finding in
        [judge(&dirs, &[], dir(), Match::Differs), judge(&[], &known, NewerAt::File("a.db".into()), Match::Differs)]
    {
        assert_eq!((finding.verdict, finding.exit_code(), finding.keep), (QuorumVerdict::Forked, 18, false));
        assert_eq!((finding.newer[0].by, finding.surely_behind()), (By::Hash, false));
        assert_eq!(starts(&finding), [] as [&str; 0], "{:?}", finding.advice);
    }
}

/// The term of a log's last entry shows another history, and not which of them is older.
#[test]
fn later_term_at_lower_revision_means_two_histories() {
    let m = listed(3, 0);
    let facts = [silent(1), served(2, 3, &m, (2, 44), 41), served(3, 3, &m, (2, 44), 41)];
    let finding = judge(&facts, &[holds(1, &m, (5, 17), 11)]);
    assert_eq!((finding.verdict, finding.surely_behind()), (QuorumVerdict::Forked, false));
    assert_eq!(finding.newer[0].by, By::Term(5));
}

/// Servers that were each begun without flags have one identity.
#[test]
fn servers_under_one_identity_are_not_one_member() {
    let lone = |host: u64, revision, went_back| {
        let mut member = listed(1, 0)[0].clone();
        member.client_urls = vec!["http://localhost:2379".into()];
        let list = [member];
        let mut fact = served(1, 1, &list, (2, 4), revision);
        fact.endpoint = format!("http://10.0.0.{host}:2379");
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        (says.cluster_id, says.went_back) = (DEFAULT_CLUSTER, went_back);
        fact
    };
    let finding = judge(&[lone(1, 6, false), lone(2, 1, true)], &[]);
    assert_eq!((finding.verdict, finding.keep), (QuorumVerdict::Split, false), "{}", finding.sentence);
    let alike = judge(&[lone(1, 6, false), lone(2, 6, false)], &[]);
    assert_eq!((alike.verdict, alike.keep), (QuorumVerdict::Unconfirmed, false), "{}", alike.sentence);
    assert_eq!(judge(&[lone(1, 6, false)], &[]).verdict, QuorumVerdict::Healthy);
    // a cluster of its own name behind two addresses is one
    let named = [lone(1, 6, false), lone(2, 6, false)].map(|mut fact| {
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        says.cluster_id = own();
        fact
    });
    assert_eq!(judge(&named, &[]).verdict, QuorumVerdict::Healthy);
}

#[test]
fn one_member_is_not_a_larger_snapshots_cluster() {
    let m = listed(3, 0);
    let facts = [served(1, 1, &m[..1], (2, 40), 60)];
    let known = [KnownState { from: "a.db".into(), cluster_id: Some(own()), members: m, revision: 11 }];
    for (outcome, wanted) in
        [(Match::Same, QuorumVerdict::Healthy), (Match::Unknown(Unknown::Compacted), QuorumVerdict::Unconfirmed)]
    {
        let compared = [Compared { at: NewerAt::File("a.db".into()), revision: 11, outcome }];
        let finding = super::super::verdict(&Evidence {
            facts: &facts,
            given: &[],
            dirs: &[],
            known: &known,
            compared: &compared,
            gone: &BTreeSet::new(),
        });
        assert_eq!(finding.verdict, wanted, "{}", finding.sentence);
    }
}

/// An old copy was started among members of another history: it follows their leader, and its data are others.
#[test]
fn members_that_serve_different_data_are_two_states() {
    let m = listed(3, 0);
    let hashed = |n: u64, hash, alarm: Option<&str>| {
        let mut fact = served(n, 3, &m, (2, 46), 37 - i64::from(n == 1));
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        says.hash = Hashed::Says { hash, revision: 36, compacted: 30 };
        says.alarms.extend(alarm.map(|kind| Alarm { member: Id(1), kind: kind.into() }));
        fact
    };
    let all = [hashed(1, 7, None), hashed(2, 8, None), hashed(3, 8, None)];
    for facts in [all.to_vec(), all[..2].to_vec(), all.iter().rev().cloned().collect()] {
        let finding = judge(&facts, &[]);
        assert_eq!((finding.verdict, finding.keep, finding.exit_code()), (QuorumVerdict::Forked, false, 18));
        assert!(finding.stop.is_empty() && finding.gate() == Gate::TypeLabel);
        let differ = finding.disagreement.as_ref().unwrap();
        assert!(differ.parts.contains(&(7, vec!["http://10.0.0.1:2379".into()])), "{differ:?}");
        assert_eq!(finding.advised(Act::Keep), [] as [&str; 0], "{:?}", finding.advice);
    }
    // alike, it is one cluster; where etcd itself found the damage, it is named by its alarm
    assert_eq!(
        judge(&[hashed(1, 8, None), hashed(2, 8, None), hashed(3, 8, None)], &[]).verdict,
        QuorumVerdict::Healthy
    );
    let corrupt = judge(&[hashed(1, 7, None), hashed(2, 8, Some("CORRUPT")), hashed(3, 8, None)], &[]);
    assert_eq!(corrupt.verdict, QuorumVerdict::Degraded, "{}", corrupt.sentence);
}

/// A member that is killed has up to 100 ms of writes in its log only.
#[test]
fn keys_only_in_the_log_are_not_missing() {
    let m = listed(3, 0);
    let facts = [served(1, 2, &m, (2, 28), 21), served(2, 2, &m, (2, 28), 21), silent(3)];
    for (index, applied, writes, whole) in [
        (28, 8, 20, true),
        (27, 0, 19, true),
        (7, 0, 0, false),
        (7, 7, 0, false),
        (20, 20, 0, false),
        // alarms and health checks that were asked for make a log longer, and hold no key
        (26, 0, 0, false),
        (28, 0, 0, false),
        // from 26 to 28 there is no room for 15 revisions
        (26, 0, 5, false),
    ] {
        let mut dir = holds(3, &m, (2, index), 0);
        let DirState::Whole(says) = &mut dir.state else { unreachable!() };
        (says.consistent_index, says.commit) = (applied, index);
        (says.first_index, says.writes_beyond) = (1, Some(writes));
        let finding = judge(&facts, &[dir]);
        let not = matches!(lacks(&finding)[..], [("/var/lib/m3", _)]);
        let what = format!("{index} {applied} {writes}: {:?}", finding.advice);
        assert_eq!((starts(&finding) == ["/var/lib/m3"], not), (whole, !whole), "{what}");
    }
}

#[test]
fn a_reinitialized_learner_is_named_not_started() {
    let m = listed(3, 1);
    let serving = [1, 2, 3].map(|n| served(n, 2, &m, (2, 23), 14));
    let facts: Vec<EndpointFacts> = serving.into_iter().chain([silent(4)]).collect();
    for (what, dir, counts) in [
        ("empty", holds(4, &[], (0, 0), 0), false),
        ("restored", holds(4, &m, (1, 3), 11), false),
        ("it lags", holds(4, &m, (2, 20), 11), true),
    ] {
        let finding = judge(&facts, &[dir]);
        assert_eq!((finding.verdict, finding.keep), (QuorumVerdict::Healthy, true), "{what}: {}", finding.sentence);
        let not = matches!(lacks(&finding)[..], [("/var/lib/m4", _)]);
        let start = finding.advised(Act::StartLearner) == ["m4"];
        assert_eq!((not, start), (!counts, counts), "{what}: {:?}", finding.advice);
        // it is added as what it was: without the flag it would become a voter
        let replaced = finding.advice.iter().find(|a| matches!(a.act, Act::DoNotStart(_)));
        assert!(replaced.is_none_or(|a| a.contains("member add --learner")), "{what}: {:?}", finding.advice);
    }
    // without a quorum, it is named, too
    let lost = [unled(1, &m, (2, 23), 14), silent(2), silent(3), silent(4)];
    assert_eq!(lacks(&judge(&lost, &[holds(4, &[], (0, 0), 0)])), [("/var/lib/m4", Lack::Everything)]);
}

/// An entry of the log makes at most one revision.
#[test]
fn a_log_that_does_not_continue_stays_stopped() {
    let m = listed(3, 0);
    let serving = |index, revision| [served(1, 1, &m, (2, index), revision), served(2, 1, &m, (2, index), revision)];
    for (what, index, revision, other) in [
        ("all writes", 50, 43, false),
        ("writes and more", 60, 43, false),
        ("restored at 500, and written to", 50, 530, true),
        ("by one", 50, 44, true),
    ] {
        let facts: Vec<EndpointFacts> = serving(index, revision).into_iter().chain([silent(3)]).collect();
        let finding = judge(&facts, &[holds(3, &m, (2, 18), 11)]);
        assert_eq!(finding.verdict, QuorumVerdict::Degraded, "{what}: {}", finding.sentence);
        let not = lacks(&finding) == [("/var/lib/m3", Lack::OtherLog)];
        assert_eq!((not, starts(&finding) == ["/var/lib/m3"]), (other, !other), "{what}: {:?}", finding.advice);
    }
    // one that writes tells its revision later than its index
    let busy = [served(1, 1, &m, (2, 50), 44), served(2, 1, &m, (2, 49), 43), silent(3)];
    assert_eq!(starts(&judge(&busy, &[holds(3, &m, (2, 18), 11)])), ["/var/lib/m3"]);
}

/// A foreign etcd at the client URL of a member.
#[test]
fn another_cluster_at_a_members_url_is_named() {
    let m = listed(3, 0);
    let foreign = |n: u64, list: &[KnownMember]| {
        let mut fact = served(n, n, list, (2, 4), 1);
        let Answer::Says(says) = &mut fact.answer else { unreachable!() };
        (says.cluster_id, says.member_id) = (Id(0xf0), Id(0xf1));
        fact
    };
    let judge = |facts: &[EndpointFacts], given: &[u64]| {
        let given: Vec<String> = given.iter().map(|n| format!("http://10.0.0.{n}:2379")).collect();
        super::super::verdict(&Evidence {
            facts,
            given: &given,
            dirs: &[],
            known: &[],
            compared: &[],
            gone: &BTreeSet::new(),
        })
    };
    let named = |finding: &QuorumReport| {
        let each = finding.misplaced.iter().map(|m| (m.endpoint.clone(), m.member.name.to_string(), m.other));
        each.collect::<Vec<_>>()
    };
    let itself = [KnownMember { id: Id(0xf1), ..KnownMember::default() }];
    let third = || vec![("http://10.0.0.3:2379".to_string(), "m3".to_string(), Id(0xf0))];
    let facts = [served(1, 2, &m, (2, 18), 11), served(2, 2, &m, (2, 18), 11), foreign(3, &itself)];
    // found in the member list: it is about the cluster that was asked for, of which m3 does not answer
    let found = judge(&facts, &[1]);
    assert_eq!((found.verdict, found.answering, found.keep), (QuorumVerdict::Degraded, 2, true), "{}", found.sentence);
    assert_eq!(named(&found), third());
    assert_eq!(found.advised(Act::Misplaced), ["http://10.0.0.3:2379"], "{:?}", found.advice);
    // what it lists in turn is none of this cluster's
    let mut more = facts.to_vec();
    more.push(EndpointFacts { endpoint: "http://10.9.9.9:2379".into(), ..silent(9) });
    assert_eq!(judge(&more, &[1]).unmatched, [] as [String; 0]);
    // no quorum left
    let lost = [unled(1, &m, (2, 18), 11), silent(2), foreign(3, &itself)];
    let lost = judge(&lost, &[1]);
    assert_eq!((lost.verdict, named(&lost)), (QuorumVerdict::LostForNow, third()), "{}", lost.sentence);
    // given by the operator, the answers are of two clusters; it is named all the same
    for given in [&[][..], &[1, 2, 3]] {
        let split = judge(&facts, given);
        assert_eq!((split.verdict, named(&split)), (QuorumVerdict::Split, third()), "{}", split.sentence);
    }
    // each has its member at the other's URL: nothing tells which is in the wrong place
    let both = [served(1, 2, &m, (2, 18), 11), served(2, 2, &m, (2, 18), 11), foreign(3, &m)];
    assert_eq!(named(&judge(&both, &[1, 2, 3])), []);
    // only the foreign one was given, and it lists nobody: what it does not know is not asked
    assert_eq!(judge(&[foreign(3, &itself)], &[3]).misplaced, []);
}
