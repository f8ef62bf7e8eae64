//! A good cluster, what cannot be told of one, what is asked for, and what comes next.
#![allow(clippy::unwrap_used, missing_docs)]

mod alike;
mod clocks;
mod source;
mod stored;
mod wrong;

use super::{
    super::model::observations::{
        Alarm, Hashed, KnownMember, Read, Source,
        disk::{DirFacts, DirState, Held},
        rows::{ClockOffset, Part, RowKey, StoredRows},
        started::{Canary, EncryptedObjects, Kubernetes, Lease, PlannedHash, Process, Watched},
    },
    *,
};
use crate::{
    domain::{
        members::build_plan,
        model::{
            old_cluster::{Endpoint, EndpointKind, Old, ProbeResult},
            revisions::Client,
        },
    },
    etcd::membership::{cluster_id, member_id},
    text::Foreign,
};

type Change = fn(&Plan, &mut Observed);

pub(crate) const HASH: u32 = 0x9f3c_11aa;

pub(crate) fn plan() -> Plan {
    build_plan::build(&build_plan::tests::draft()).unwrap().plan
}

fn bumped() -> Plan {
    let mut draft = build_plan::tests::draft();
    (draft.bump_revision, draft.mark_compacted) = (1_000_000_000, true);
    build_plan::build(&draft).unwrap().plan
}

/// What a good cluster of this plan shows.
pub(crate) fn good(plan: &Plan) -> Observed {
    let known = |m: &Member| KnownMember {
        id: m.id,
        name: m.name.as_str().into(),
        peer_urls: m.peer_urls.iter().map(Foreign::from).collect(),
        client_urls: m.client_urls.iter().map(Foreign::from).collect(),
        is_learner: false,
    };
    let from = plan.expected_revision();
    let says = |m: &Member| MemberStatus {
        cluster_id: plan.cluster_id,
        member_id: m.id,
        version: "3.5.30".into(),
        revision: from,
        raft_term: 2,
        raft_index: 9,
        raft_applied: 9,
        leader: plan.members.get(1).unwrap_or(&plan.members[0]).id,
        db_bytes: 41 << 20,
        db_bytes_in_use: 38 << 20,
        quota_bytes: Some(2 << 30),
        cluster_version: "3.5.0".into(),
        members: plan.members.iter().map(known).collect(),
        read: Read::Served,
        local_read: Read::Served,
        hash: Hashed::Says { hash: HASH, revision: from, compacted: -1 },
        heard: vec![Source::Client],
        ..MemberStatus::default()
    };
    let seen = |m: &Member| ObservedMember {
        endpoint: m.client_urls[0].clone(),
        answer: Answer::Says(Box::new(says(m))),
        common: Hashed::NotAsked,
        stored: Queried::Is(stored_rows(plan, m)),
        stored_before: Vec::new(),
        level_before: None,
        advertised: Vec::new(),
        dir: None,
        process: None,
    };
    Observed {
        members: plan.members.iter().map(seen).collect(),
        alarms: Queried::Is(Vec::new()),
        planned: Queried::Is(PlannedHash { hash: HASH, compacted: -1 }),
        source: Queried::Is(source(plan)),
        since_made: Some(10),
        ..Observed::default()
    }
}

/// What a member of a good cluster stores besides keys.
fn stored_rows(plan: &Plan, member: &Member) -> StoredRows {
    let members = plan.members.iter().map(|m| (RowKey::Member(m.id), m.peer_urls.join(",")));
    let others = [
        (RowKey::Lease(0x1f2e), ""),
        (RowKey::LeaseTtl(0x1f2e), "60 s"),
        (RowKey::Lease(0x2a), ""),
        (RowKey::LeaseTtl(0x2a), "3600 s"),
        (RowKey::AuthEnabled, "enabled"),
        (RowKey::AuthRevision, "9"),
        (RowKey::User("root".into()), "root"),
        (RowKey::Password("root".into()), "d1"),
        (RowKey::User("app".into()), "reader"),
        (RowKey::Password("app".into()), "d2"),
        (RowKey::Role("reader".into()), "read /app/…"),
        (RowKey::ClusterVersion, "3.5.0"),
        (RowKey::Compacted, "50"),
    ];
    StoredRows {
        cluster_id: plan.cluster_id,
        member_id: member.id,
        from: 9,
        to: 9,
        committed: 9,
        rows: members.chain(others.map(|(row, value)| (row, value.to_string()))).collect(),
        parts: Part::ALL.into(),
        clock: Some(ClockOffset { least: -400, most: 700 }),
        ..StoredRows::default()
    }
}

/// What the plan's snapshot holds besides keys.
fn source(plan: &Plan) -> StoredRows {
    let mut rows = stored_rows(plan, &plan.members[0]);
    rows.rows.retain(|row, _| !matches!(row.part(), Part::Members | Part::Versions | Part::Compaction));
    rows.parts.retain(|part| !matches!(part, Part::Members | Part::Versions | Part::Compaction));
    StoredRows { rows: rows.rows, parts: rows.parts, ..StoredRows::default() }
}

fn said(seen: &mut Observed, at: usize) -> &mut MemberStatus {
    match &mut seen.members[at].answer {
        Answer::Says(says) => says,
        _ => unreachable!(),
    }
}

fn dir(plan: &Plan, at: usize, held: Held) -> DirFacts {
    let data_dir = plan.members[at].data_dir.clone();
    DirFacts { data_dir, wal_dir: None, learned_from: String::new(), held, state: DirState::Absent }
}

fn held() -> Held {
    Held::By { pid: Some(812), program: "etcd".into() }
}

fn silent(seen: &mut Observed, at: usize) {
    seen.members[at].answer = Answer::Silent { why: "connection refused".into(), details: String::new() };
}

/// The members give the same hash at this revision, too.
fn level(seen: &mut Observed, revision: i64) {
    for member in &mut seen.members {
        member.common = Hashed::Says { hash: 0x1234, revision, compacted: -1 };
    }
}

#[test]
fn a_good_cluster_is_proven() {
    let plan = plan();
    let mut seen = good(&plan);
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(
        (proof.verdict, proof.verdict.exit_code(), proof.settled()),
        (VerifyResult::Proven, 0, true),
        "{proof:#?}"
    );
    let mut messages = vec![("proven", proof.sentence), ("a member", proof.members[1].words.clone())];
    seen.canary =
        Canary::Done { key: "requorum/canary/x".into(), revision: 83_800, read: vec![String::new(); 3], watched: true };
    assert_eq!(questions(&plan, &seen), [0, 1, 2].map(|at| Question::Common(at, 83_800)), "asked again after it");
    level(&mut seen, 83_800);
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!((proof.verdict, proof.check(Topic::Canary).unwrap().outcome), (VerifyResult::Proven, Outcome::Pass));
    messages.push(("proven, with a write", proof.sentence));
    seen.simulated = true;
    messages.push(("simulated", check(&plan, &seen, &Queried::Not).sentence));
    let mut seen = good(&bumped());
    seen.old_watch = Watched::Compacted(1_000_083_799);
    let proof = check(&bumped(), &seen, &Queried::Not);
    messages.push(("proven, with a bump", proof.sentence.clone()));
    messages.push(("the watch after a bump", proof.check(Topic::Watch).unwrap().words.clone()));
    crate::text::messages::hold("plan-check-proven", &messages);
}

#[test]
fn simulated_members_agree_and_prove_nothing() {
    let plan = plan();
    let mut seen = good(&plan);
    seen.simulated = true;
    seen.alarms = Queried::Failed("takes no writes".into());
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!((proof.verdict, proof.verdict.exit_code()), (VerifyResult::Agree, 0));
    let checks = proof.checks.iter().map(|check| format!("\n{}", check.words)).collect::<String>();
    crate::text::messages::hold("plan-check-simulated", &[("all agree", proof.sentence + &checks)]);
    said(&mut seen, 2).hash = Hashed::Says { hash: 1, revision: 83_799, compacted: -1 };
    assert_eq!(check(&plan, &seen, &Queried::Not).verdict, VerifyResult::Failed, "wrong is wrong in an exercise, too");
}

/// What keeps a proof from being one: members that are not up, else the checks that did not pass.
fn open(proof: &Verification) -> (Vec<&str>, Vec<Topic>) {
    let down = proof.members.iter().filter(|stand| stand.outcome != Outcome::Pass);
    let down: Vec<&str> = down.map(|stand| stand.name.as_str()).collect();
    let open = proof.checks.iter().filter(|check| check.needed && check.outcome != Outcome::Pass);
    let topics = if down.is_empty() { open.map(|check| check.topic).collect() } else { Vec::new() };
    (down, topics)
}

#[test]
fn what_is_missing_is_awaited_then_named() {
    let cases: Vec<(&str, Change, &[&str], &[Topic])> = vec![
        ("never started", |_, s| silent(s, 2), &["m3"], &[]),
        (
            "not settled",
            |_, s| (0..3).for_each(|at| (said(s, at).leader, said(s, at).read) = (Id(0), Read::NotAsked)),
            &["m1", "m2", "m3"],
            &[],
        ),
        ("two leaders", |p, s| said(s, 2).leader = p.members[0].id, &[], &[Topic::Leader]),
        (
            "alive at its peer port",
            |_, s| {
                (said(s, 2).closed, said(s, 2).heard) = (Some("connection refused".into()), vec![Source::Peer]);
            },
            &["m3"],
            &[],
        ),
        (
            "passwords",
            |_, s| {
                let says = said(s, 2);
                (says.version, says.leader, says.raft_term) = (Foreign::default(), Id(0), 0);
                says.errors = vec!["status refused: etcdserver: user name is empty".into()];
                says.list_refused = true;
                (0..2).for_each(|at| said(s, at).list_refused = true);
            },
            &["m3"],
            &[],
        ),
        (
            "passwords, and metrics are open",
            |_, s| {
                said(s, 0).list_refused = true;
                for at in 1..3 {
                    let says = said(s, at);
                    (says.leader, says.has_leader, says.members) = (Id(0), Some(true), Vec::new());
                    says.errors = vec!["status refused: etcdserver: user name is empty".into()];
                    says.list_refused = true;
                }
            },
            &[],
            &[Topic::Members, Topic::Leader],
        ),
        ("no read", |_, s| said(s, 1).read = Read::Failed("no answer in 3 s".into()), &[], &[Topic::Reads]),
        (
            "a snapshot on its way",
            |_, s| {
                (said(s, 2).revision, said(s, 2).raft_applied) = (1, 0);
                said(s, 2).hash = Hashed::NotAsked
            },
            &[],
            &[Topic::Revision, Topic::Hash],
        ),
        ("not published", |_, s| said(s, 0).members[2].name = Foreign::default(), &[], &[Topic::Members]),
        (
            "hashes over other compactions",
            |_, s| said(s, 2).hash = Hashed::Says { hash: 1, revision: 83_799, compacted: 50 },
            &[],
            &[Topic::Hash],
        ),
        (
            "a hash that failed",
            |_, s| said(s, 2).hash = Hashed::Failed("no answer in 30 s".into()),
            &[],
            &[Topic::Hash],
        ),
        ("no list of alarms", |_, s| s.alarms = Queried::Failed("no answer in 3 s".into()), &[], &[Topic::Alarms]),
        ("canary", |_, s| s.canary = Canary::Waits, &[], &[Topic::Canary]),
    ];
    let mut messages = Vec::new();
    for (name, change, down, topics) in cases {
        let plan = plan();
        let mut seen = good(&plan);
        change(&plan, &mut seen);
        let proof = check(&plan, &seen, &Queried::Not);
        assert_eq!((proof.verdict, proof.settled()), (VerifyResult::Waiting, false), "{name}: {proof:#?}");
        let (not_up, missing) = open(&proof);
        assert_eq!(not_up, down, "{name}: {proof:#?}");
        assert!(topics.iter().all(|topic| missing.contains(topic)), "{name}: {missing:?}");
        messages.push((name, proof.sentence));
        seen.over = true;
        let proof = check(&plan, &seen, &Queried::Not);
        assert_eq!(
            (proof.verdict, proof.verdict.exit_code(), proof.settled()),
            (VerifyResult::Unproven, 17, true),
            "{name}"
        );
        let (not_up, missing) = open(&proof);
        assert_eq!(not_up, down, "{name}: {proof:#?}");
        assert!(topics.iter().all(|topic| missing.contains(topic)), "{name}: {missing:?}");
        messages.push((name, proof.sentence));
    }
    crate::text::messages::hold("plan-check-waiting", &messages);
}

#[test]
fn the_unknown_is_never_taken_for_right() {
    let plan = plan();
    let mut seen = good(&plan);
    seen.planned = Queried::Failed("/backup/etcd-0200.db cannot be read".into());
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!((proof.verdict, proof.settled()), (VerifyResult::Unproven, true));
    assert_eq!(open(&proof), (vec![], vec![Topic::Snapshot]));
    let mut messages = vec![("no snapshot to compare with", proof.sentence)];

    let mut seen = good(&plan);
    for at in 0..3 {
        said(&mut seen, at).hash = Hashed::Compacted("etcdserver: mvcc: required revision has been compacted".into());
        seen.members[at].common = Hashed::Says { hash: 5, revision: 83_900, compacted: 83_850 };
    }
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(proof.verdict, VerifyResult::Unproven);
    let hash = proof.check(Topic::Hash).unwrap();
    assert_eq!(hash.outcome, Outcome::Pass);
    messages.push(("compacted since: the hash", hash.words.clone()));
    assert_eq!(open(&proof), (vec![], vec![Topic::Snapshot]));
    messages.push(("compacted since", proof.sentence));
    seen.members[1].common = Hashed::Says { hash: 6, revision: 83_900, compacted: 83_850 };
    let found = check(&plan, &seen, &Queried::Not);
    let hash = found.check(Topic::Hash).unwrap();
    assert_eq!((hash.outcome, &hash.who[..]), (Outcome::Fail, &["m2".to_string()][..]), "{found:#?}");
    messages.push(("another snapshot", hash.words.clone()));
    crate::text::messages::hold("plan-check-unproven", &messages);

    let mut seen = good(&plan);
    let why = "http://127.0.0.31:2379: put: etcdserver: permission denied".to_string();
    seen.canary = Canary::Denied { key: "requorum/canary/x".into(), why };
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(
        (proof.verdict, proof.check(Topic::Canary).unwrap().outcome),
        (VerifyResult::Unproven, Outcome::Unknown)
    );

    // what is welcome but not needed keeps no proof from being one
    let mut seen = good(&plan);
    for at in 0..3 {
        said(&mut seen, at).quota_bytes = None;
        seen.members[at].dir = Some(dir(&plan, at, Held::Unknown("not root".into())));
    }
    let door =
        Endpoint { url: "http://10.0.0.9:2379".into(), kind: EndpointKind::Client, whose: "m9".into(), old: true };
    seen.doors = vec![(door, ProbeResult::Unclear("no answer in 2 s".into()))];
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(proof.verdict, VerifyResult::Proven, "{proof:#?}");
    for topic in [Topic::Quota, Topic::Directories, Topic::Old, Topic::Canary] {
        assert_eq!(proof.check(topic).unwrap().outcome, Outcome::Unknown, "{topic:?}");
    }
}

#[test]
fn writes_since_the_start_are_no_difference() {
    let plan = plan();
    let mut seen = good(&plan);
    // one after the other is asked, and every log entry may be a write
    for (at, more) in [(0, 10), (1, 12), (2, 15)] {
        let says = said(&mut seen, at);
        says.revision += more;
        says.raft_applied += u64::try_from(more).unwrap();
        says.raft_index = says.raft_applied;
    }
    for member in &mut seen.members {
        let Queried::Is(rows) = &mut member.stored else { unreachable!() };
        (rows.from, rows.to, rows.committed) = (24, 24, 24);
    }
    let newest = plan.expected_revision() + 10;
    assert_eq!(questions(&plan, &seen), [0, 1, 2].map(|at| Question::Common(at, newest)));
    level(&mut seen, newest);
    assert_eq!(check(&plan, &seen, &Queried::Not).verdict, VerifyResult::Proven);
}

#[test]
fn a_bump_is_asked_about() {
    let plan = bumped();
    let mut seen = good(&plan);
    let asked = questions(&plan, &seen);
    let watch = Question::Watch("http://127.0.0.31:2379".into(), 83_799);
    assert_eq!(asked, [watch]);
    assert_eq!(check(&plan, &seen, &Queried::Not).check(Topic::Watch).unwrap().outcome, Outcome::NotYet);
    seen.old_watch = Watched::Compacted(1_000_083_799);
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(proof.verdict, VerifyResult::Proven, "{}", proof.sentence);
    assert_eq!(proof.check(Topic::Watch).unwrap().outcome, Outcome::Pass);
    seen.old_watch = Watched::Open;
    assert_eq!(check(&plan, &seen, &Queried::Not).verdict, VerifyResult::Failed);
    assert!(check(&super::tests::plan(), &good(&super::tests::plan()), &Queried::Not).check(Topic::Watch).is_none());
}

#[test]
fn questions_follow_from_what_is_known_and_end() {
    let plan = plan();
    let mut seen = good(&plan);
    seen.canary = Canary::Waits;
    let ends: Vec<String> = seen.members.iter().map(|m| m.endpoint.clone()).collect();
    assert_eq!(questions(&plan, &seen), [Question::Canary(ends.clone())]);
    seen.alarms = Queried::Not;
    seen.planned = Queried::Not;
    said(&mut seen, 2).hash = Hashed::NotAsked;
    let asked = questions(&plan, &seen);
    assert_eq!(
        asked,
        [Question::Hash(2), Question::Planned(-1), Question::Alarms(ends[0].clone())],
        "the canary waits"
    );
    let mut seen = good(&plan);
    seen.planned = Queried::Is(PlannedHash { hash: 1, compacted: -1 });
    said(&mut seen, 0).hash = Hashed::Says { hash: 1, revision: 83_799, compacted: 70 };
    assert_eq!(questions(&plan, &seen), [Question::Planned(70)], "a compaction changes what is to be expected");
    // with something wrong nothing is written
    let mut seen = good(&plan);
    seen.canary = Canary::Waits;
    said(&mut seen, 2).revision = 1;
    assert_eq!(questions(&plan, &seen), []);
    let gone = Hashed::Compacted("etcdserver: mvcc: required revision has been compacted".into());
    let mut seen = good(&plan);
    (0..3).for_each(|at| said(&mut seen, at).hash = gone.clone());
    assert_eq!(questions(&plan, &seen), [0, 1, 2].map(|at| Question::Common(at, 83_799)));
}

#[test]
fn a_hash_holds_while_its_member_is_unchanged() {
    let plan = plan();
    let fresh = |plan: &Plan| {
        let mut seen = good(plan);
        (0..3).for_each(|at| said(&mut seen, at).hash = Hashed::NotAsked);
        seen.members.into_iter().map(|m| (m.endpoint, m.answer)).collect::<Vec<_>>()
    };
    let mut seen = good(&plan);
    silent(&mut seen, 1);
    again(&mut seen, fresh(&plan));
    assert!(seen.alarms == Queried::Not, "asked anew in each round");
    let asked = questions(&plan, &seen);
    assert!(asked.contains(&Question::Hash(1)) && !asked.contains(&Question::Hash(0)), "{asked:?}");
    let mut others = fresh(&plan);
    if let Answer::Says(says) = &mut others[2].1 {
        says.member_id = Id(7);
    }
    again(&mut seen, others);
    assert_eq!(said(&mut seen, 2).hash, Hashed::NotAsked, "another member's hash is none of its own");
}

#[test]
fn what_comes_next_is_told_from_the_data() {
    let plan = plan();
    let mut seen = good(&plan);
    seen.old.members = vec![KnownMember { name: "cp-3".into(), ..KnownMember::default() }];
    let lease = |id: &str, seconds, keys| Lease { id: id.into(), seconds, keys, first_keys: vec![format!("/a/{id}")] };
    let data = Data {
        leases: vec![lease("2a", 3600, 4), lease("1f", 15, 1)],
        clients: vec![Client::Kubernetes],
        kubernetes: Some(Kubernetes {
            prefix: "/registry/".into(),
            nodes: vec!["cp-1".into(), "cp-3".into()],
            api_servers: vec!["127.0.0.31".into(), "10.9.9.9".into()],
            service_accounts: 7,
            sealed: vec![EncryptedObjects {
                provider: "aescbc".into(),
                version: "v1".into(),
                key: "key1".into(),
                objects: 12,
                kinds: vec!["secrets".into()],
            }],
        }),
    };
    let next = check(&plan, &seen, &Queried::Is(data)).next;
    let unread = check(&plan, &seen, &Queried::Failed("no such file".into())).next;
    let bumped = check(&bumped(), &good(&bumped()), &Queried::Not).next;
    let told = |next: &[Next]| next.iter().map(|n| format!("{}\n  {}\n", n.what, n.command)).collect::<String>();
    let messages = [("Kubernetes", told(&next)), ("data not read", told(&unread)), ("a bump", told(&bumped))];
    crate::text::messages::hold("plan-check-next", &messages);
}

/// Only etcd's own word for it: a build may be called anything.
#[test]
fn an_undecided_cluster_version_is_reported_as_such() {
    let plan = plan();
    for (version, outcome) in [
        ("not_decided", Outcome::NotYet),
        ("3.5.0", Outcome::Pass),
        ("3.5.0-notls", Outcome::Pass),
        ("", Outcome::Pass),
    ] {
        let mut seen = good(&plan);
        for at in 0..3 {
            said(&mut seen, at).cluster_version = version.into();
        }
        let found = check(&plan, &seen, &Queried::Not).check(Topic::Version).unwrap().outcome;
        assert_eq!(found, outcome, "{version:?}");
        if version == "not_decided" {
            said(&mut seen, 0).cluster_version = "3.5.0".into();
            let found = check(&plan, &seen, &Queried::Not).check(Topic::Version).unwrap().outcome;
            assert_eq!(found, outcome, "one of them has not heard of it yet");
        }
    }
}

#[test]
fn each_result_has_its_exit_code() {
    let table = [
        (VerifyResult::Proven, 0, '✔'),
        (VerifyResult::Agree, 0, '✔'),
        (VerifyResult::Failed, 16, '✖'),
        (VerifyResult::Waiting, 17, '…'),
        (VerifyResult::Unproven, 17, '!'),
    ];
    for (result, code, mark) in table {
        // a new one does not compile before it has a row
        match result {
            VerifyResult::Proven
            | VerifyResult::Agree
            | VerifyResult::Failed
            | VerifyResult::Waiting
            | VerifyResult::Unproven => {}
        }
        assert_eq!((result.exit_code(), result.mark()), (code, mark), "{result:?}");
        assert_eq!(code == 0, matches!(result, VerifyResult::Proven | VerifyResult::Agree), "{result:?}");
    }
    use crate::error::ErrorKind::{Bug, Failed, Input, NoAnswer, Refused, Stopped, Usage};
    for kind in [Bug, Failed, Input, NoAnswer, Refused, Stopped, Usage] {
        assert!(table.iter().all(|(_, code, _)| *code != kind.exit_code()), "{kind:?}");
    }
}
