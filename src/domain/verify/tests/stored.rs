//! What members store besides keys: every difference by member and cause, none that is only under way, and nothing that
//! was not compared is called the same.

use super::*;
use crate::error::Remedy;

/// What a member stores in this case.
fn rows(seen: &mut Observed, at: usize) -> &mut StoredRows {
    match &mut seen.members[at].stored {
        Queried::Is(rows) => rows,
        _ => unreachable!(),
    }
}

fn set(seen: &mut Observed, at: usize, row: RowKey, value: &str) {
    rows(seen, at).rows.insert(row, value.into());
}

fn unset(seen: &mut Observed, at: usize, row: &RowKey) {
    assert!(rows(seen, at).rows.remove(row).is_some());
}

/// As single calls tell it of a 3.5.
fn by_calls(seen: &mut Observed) {
    for at in 0..3 {
        let rows = rows(seen, at);
        rows.too_large = true;
        rows.parts = [Part::Leases, Part::AuthEnabled, Part::AuthRevision, Part::Users, Part::Roles].into();
        let parts = rows.parts.clone();
        rows.rows.retain(|row, _| parts.contains(&row.part()));
    }
}

#[test]
fn each_difference_is_named_by_member_and_cause() {
    let cases: Vec<(&str, Change, Topic, &[&str])> = vec![
        (
            "a lease is missing",
            |_, s| {
                unset(s, 2, &RowKey::Lease(0x1f2e));
                unset(s, 2, &RowKey::LeaseTtl(0x1f2e));
            },
            Topic::Leases,
            &["m3"],
        ),
        (
            "all leases are missing",
            |_, s| rows(s, 1).rows.retain(|row, _| !matches!(row, RowKey::Lease(_) | RowKey::LeaseTtl(_))),
            Topic::Leases,
            &["m2"],
        ),
        ("a lease of its own", |_, s| set(s, 0, RowKey::Lease(7), ""), Topic::Leases, &["m1"]),
        ("another TTL", |_, s| set(s, 2, RowKey::LeaseTtl(0x1f2e), "30 s"), Topic::Leases, &["m3"]),
        ("no authentication", |_, s| set(s, 2, RowKey::AuthEnabled, "disabled"), Topic::Auth, &["m3"]),
        ("a user of its own", |_, s| set(s, 2, RowKey::User("eve".into()), "root"), Topic::Auth, &["m3"]),
        ("a user is missing", |_, s| unset(s, 1, &RowKey::User("app".into())), Topic::Auth, &["m2"]),
        ("other roles", |_, s| set(s, 2, RowKey::User("app".into()), "reader, root"), Topic::Auth, &["m3"]),
        ("another password", |_, s| set(s, 2, RowKey::Password("app".into()), "d9"), Topic::Auth, &["m3"]),
        (
            "a role of its own",
            |_, s| set(s, 0, RowKey::Role("backdoor".into()), "read and write everything"),
            Topic::Auth,
            &["m1"],
        ),
        (
            "another permission",
            |_, s| set(s, 2, RowKey::Role("reader".into()), "read and write /app/…"),
            Topic::Auth,
            &["m3"],
        ),
        ("another auth revision", |_, s| set(s, 2, RowKey::AuthRevision, "8"), Topic::Auth, &["m3"]),
        ("an alarm on one", |_, s| set(s, 2, RowKey::Alarm("NOSPACE of member 7".into()), ""), Topic::Rows, &["m3"]),
        (
            "another peer URL in its table",
            |p, s| set(s, 2, RowKey::Member(p.members[0].id), "http://10.9.9.9:2380"),
            Topic::Rows,
            &["m3"],
        ),
        (
            "a member more in its table",
            |_, s| set(s, 2, RowKey::Member(Id(5)), "http://a:1, learner"),
            Topic::Rows,
            &["m3"],
        ),
        ("another compaction", |_, s| set(s, 2, RowKey::Compacted, "70000"), Topic::Rows, &["m3"]),
        ("no compaction", |_, s| unset(s, 2, &RowKey::Compacted), Topic::Rows, &["m3"]),
        ("another cluster version", |_, s| set(s, 2, RowKey::ClusterVersion, "3.4.0"), Topic::Rows, &["m3"]),
        (
            "a downgrade on one",
            |_, s| set(s, 2, RowKey::Downgrade, "{\"target-version\":\"3.4.0\"}"),
            Topic::Rows,
            &["m3"],
        ),
        (
            "every member another",
            |_, s| (0..3).for_each(|at| set(s, at, RowKey::AuthRevision, &at.to_string())),
            Topic::Auth,
            &["m1", "m2", "m3"],
        ),
        (
            "by calls alone",
            |_, s| {
                by_calls(s);
                set(s, 2, RowKey::User("eve".into()), "no role");
            },
            Topic::Auth,
            &["m3"],
        ),
        ("a log that is longer than its leader's", |_, s| said(s, 2).raft_index = 30, Topic::Revision, &["m3"]),
        (
            "another member answers, too",
            |_, s| {
                rows(s, 2).cluster_id = Id(9);
                rows(s, 2).member_id = Id(7);
            },
            Topic::Identity,
            &["m3"],
        ),
        (
            "other keys since the restore",
            |_, s| {
                for at in 0..3 {
                    said(s, at).revision = 83_805;
                    (said(s, at).raft_applied, said(s, at).raft_index) = (20, 20);
                    (rows(s, at).from, rows(s, at).to, rows(s, at).committed) = (20, 20, 20);
                }
                level(s, 83_805);
                s.members[2].common = Hashed::Says { hash: 0x9999, revision: 83_805, compacted: -1 };
            },
            Topic::Hash,
            &["m3"],
        ),
        ("another quota", |_, s| said(s, 2).quota_bytes = Some(100 << 20), Topic::Quota, &["m3"]),
        ("another minor version", |_, s| said(s, 2).version = "3.6.14".into(), Topic::Version, &["m3"]),
    ];
    let mut messages = Vec::new();
    for (name, change, topic, who) in cases {
        let plan = plan();
        let mut seen = good(&plan);
        change(&plan, &mut seen);
        let proof = check(&plan, &seen, &Queried::Not);
        assert_eq!((proof.verdict, proof.verdict.exit_code()), (VerifyResult::Failed, 16), "{name}: {proof:#?}");
        let found = proof.check(topic).unwrap();
        assert_eq!(
            (found.outcome, &found.who[..]),
            (Outcome::Fail, &who.iter().map(|w| w.to_string()).collect::<Vec<_>>()[..]),
            "{name}"
        );
        assert!(!found.todo.is_empty(), "{name}: what is to be done?");
        assert!(proof.settled(), "{name} is worth no waiting");
        assert!(!serde_json::to_string(&proof).unwrap().contains("d9"), "{name}: of a password nothing is shown");
        for stand in proof.members.iter().filter(|stand| who.contains(&stand.name.as_str())) {
            assert_eq!(stand.outcome, Outcome::Fail, "{name}");
        }
        messages.push((name, format!("{}\n{}", found.words, found.todo.join("\n"))));
    }
    crate::text::messages::hold("plan-check-different", &messages);
}

#[test]
fn members_of_two_that_differ_are_both_named() {
    let mut plan = plan();
    plan.members.truncate(2);
    let mut seen = good(&plan);
    seen.source = Queried::Failed("no such file".into());
    unset(&mut seen, 1, &RowKey::Lease(0x1f2e));
    let proof = check(&plan, &seen, &Queried::Not);
    let found = proof.check(Topic::Leases).unwrap();
    assert_eq!((found.outcome, found.who.len()), (Outcome::Fail, 2), "{found:?}");
    assert!(found.words.contains("m2") && found.words.contains("1f2e"), "{}", found.words);
}

/// A reading up to this index of a lease that is there or not.
fn reading(plan: &Plan, at: usize, index: u64, there: bool) -> StoredRows {
    let mut rows = stored_rows(plan, &plan.members[at]);
    (rows.from, rows.to) = (index, index + 2);
    if there {
        rows.rows.insert(RowKey::Lease(7), String::new());
    }
    rows
}

#[test]
fn changes_during_reading_are_no_difference() {
    // by readings of m1 and m2 (index, whether the lease is there), what is to come out
    type Readings<'a> = &'a [(u64, bool)];
    let cases: [(&str, Readings<'_>, Readings<'_>, Outcome); 10] = [
        ("granted between", &[(100, false)], &[(101, true)], Outcome::NotYet),
        (
            "granted between, and there in the next round",
            &[(100, false), (150, true)],
            &[(101, true), (151, true)],
            Outcome::Pass,
        ),
        (
            "revoked between, and another moves",
            &[(100, true), (150, false)],
            &[(101, false), (151, true)],
            Outcome::Pass,
        ),
        (
            "the same before, and another since",
            &[(100, false), (150, false)],
            &[(101, false), (151, true)],
            Outcome::Pass,
        ),
        (
            "two rounds do not order overlapping readings",
            &[(100, true), (150, true)],
            &[(101, false), (151, false)],
            Outcome::NotYet,
        ),
        (
            "before and after",
            &[(100, true), (150, true), (200, true)],
            &[(101, false), (151, false), (201, false)],
            Outcome::Fail,
        ),
        ("a member that lags by far", &[(500, true), (600, true)], &[(100, false), (101, false)], Outcome::NotYet),
        ("there for a while in between", &[(100, false), (300, false)], &[(50, false), (200, true)], Outcome::Pass),
        ("there for a while, and no more", &[(100, false), (300, false)], &[(200, true), (350, false)], Outcome::Pass),
        ("one after the other, twice", &[(100, true), (300, true)], &[(50, false), (200, false)], Outcome::Fail),
    ];
    let plan = plan();
    for (name, first, second, outcome) in cases {
        let mut seen = good(&plan);
        for (at, readings) in [(0, first), (1, second)] {
            let (now, before) = readings.split_last().unwrap();
            seen.members[at].stored = Queried::Is(reading(&plan, at, now.0, now.1));
            seen.members[at].stored_before = before.iter().map(|r| reading(&plan, at, r.0, r.1)).collect();
        }
        // the third stays out of it
        let third = reading(&plan, 2, 10_000, false);
        seen.members[2].stored = Queried::Is(StoredRows { parts: Default::default(), denied: true, ..third });
        let found = check(&plan, &seen, &Queried::Not).check(Topic::Leases).unwrap().clone();
        let expected = if outcome == Outcome::Pass { Outcome::Unknown } else { outcome };
        // with the third untold a pass is "not compared"; nothing is asserted
        match outcome {
            Outcome::NotYet => assert_ne!(found.outcome, Outcome::Fail, "{name}: {found:?}"),
            _ => assert_eq!(found.outcome, expected, "{name}: {found:?}"),
        }
        seen.members[2].stored = Queried::Is(reading(&plan, 2, 10_000, first.last().unwrap().1));
        if outcome != Outcome::Fail {
            seen.members[2].stored = seen.members[0].stored.clone();
            if let Queried::Is(rows) = &mut seen.members[2].stored {
                rows.member_id = plan.members[2].id;
            }
            seen.members[2].stored_before = seen.members[0].stored_before.clone();
            let found = check(&plan, &seen, &Queried::Not).check(Topic::Leases).unwrap().clone();
            assert_eq!(found.outcome, outcome, "{name}: {found:?}");
        }
    }
}

#[test]
fn what_was_not_compared_is_said() {
    let plan = plan();
    let mut seen = good(&plan);
    by_calls(&mut seen);
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(proof.verdict, VerifyResult::Proven, "{proof:#?}");
    for part in [Part::LeaseTtls, Part::Passwords, Part::Members, Part::Compaction] {
        assert!(proof.sentence.contains(part.words()), "{part:?}: {}", proof.sentence);
    }
    let unknown = |topic| proof.checks.iter().any(|c| c.topic == topic && c.outcome == Outcome::Unknown);
    assert!(unknown(Topic::Leases) && unknown(Topic::Auth) && unknown(Topic::Rows), "{proof:#?}");
    let mut messages = vec![("by calls", proof.sentence.clone())];
    messages.extend(
        proof.checks.iter().filter(|c| c.outcome == Outcome::Unknown).map(|c| (c.topic.title(), c.words.clone())),
    );

    // who may not read users has proven nothing of them
    let mut seen = good(&plan);
    by_calls(&mut seen);
    for at in 0..3 {
        let rows = rows(&mut seen, at);
        rows.parts = [Part::Leases, Part::AuthEnabled].into();
        (rows.denied, rows.missing) = (true, vec!["etcdserver: permission denied".into()]);
    }
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!((proof.verdict, proof.settled()), (VerifyResult::Unproven, true), "{proof:#?}");
    let found = proof.check(Topic::Auth).unwrap();
    assert_eq!(found.outcome, Outcome::Unknown);
    assert_eq!(found.remedies, [Remedy::LogIn]);
    messages.push(("permission denied", found.words.clone()));
    assert_eq!(proof.check(Topic::Leases).unwrap().outcome, Outcome::Pass);

    // what failed may go well the next time
    let mut seen = good(&plan);
    seen.members[1].stored = Queried::Failed("no answer in 3 s".into());
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!((proof.verdict, proof.settled()), (VerifyResult::Waiting, false));
    seen.over = true;
    assert_eq!(check(&plan, &seen, &Queried::Not).verdict, VerifyResult::Unproven);

    // one member has nobody to be compared with
    let mut plan = plan.clone();
    plan.members.truncate(1);
    plan.cluster_id = cluster_id(&[plan.members[0].id]);
    let mut seen = good(&plan);
    said(&mut seen, 0).leader = plan.members[0].id;
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(proof.verdict, VerifyResult::Proven, "{proof:#?}");
    messages.push(("one member", proof.check(Topic::Leases).unwrap().words.clone()));
    crate::text::messages::hold("plan-check-not-compared", &messages);
}

#[test]
fn rows_are_read_last_and_each_round() {
    let plan = plan();
    let mut seen = good(&plan);
    for member in &mut seen.members {
        member.stored = Queried::Not;
    }
    seen.canary = Canary::Waits;
    assert_eq!(questions(&plan, &seen), [0, 1, 2].map(Question::Stored), "the canary waits for it");
    assert_eq!(check(&plan, &seen, &Queried::Not).verdict, VerifyResult::Waiting);
    silent(&mut seen, 1);
    assert!(!questions(&plan, &seen).iter().any(|q| matches!(q, Question::Stored(_))), "not while one is down");

    let mut seen = good(&plan);
    let fresh: Vec<_> = good(&plan).members.into_iter().map(|m| (m.endpoint, m.answer)).collect();
    for _ in 0..4 {
        again(&mut seen, fresh.clone());
        seen.members[0].stored = good(&plan).members[0].stored.clone();
    }
    assert_eq!(seen.members[0].stored_before.len(), 2);
    assert_eq!(seen.members[1].stored, Queried::Not);
    let mut others = fresh.clone();
    if let Answer::Says(says) = &mut others[0].1 {
        says.member_id = Id(7);
    }
    again(&mut seen, others);
    assert!(seen.members[0].stored_before.is_empty(), "another member's rows are none of its own");
}

/// Seen with etcd 3.5, authentication on and a writer: three right members, of which one's revision was read early.
#[test]
fn revisions_read_during_writes_prove_nothing() {
    let at = |levels: [(i64, u64); 3]| {
        let mut members = good(&plan()).members;
        for (member, (revision, applied)) in members.iter_mut().zip(levels) {
            let Answer::Says(says) = &mut member.answer else { unreachable!() };
            (says.revision, says.raft_applied, says.raft_index) = (83_799 + revision, 9 + applied, 9 + applied);
        }
        members
    };
    let outcome = |rounds: &[[(i64, u64); 3]]| {
        let mut seen = good(&plan());
        for round in rounds {
            again(&mut seen, at(*round).into_iter().map(|m| (m.endpoint, m.answer)).collect());
        }
        check(&plan(), &seen, &Queried::Not).check(Topic::Revision).unwrap().outcome
    };
    let early = [(98, 100), (100, 100), (100, 100)];
    for (rounds, wanted) in [
        // clients write: the round before explains it
        (vec![[(60, 60), (60, 60), (60, 60)], early], Outcome::Pass),
        // a revision that was given out before its entry counted as applied
        (vec![[(61, 60), (60, 60), (60, 60)], early], Outcome::Pass),
        // an early reading in the round before
        (vec![[(58, 60), (60, 60), (60, 60)], [(100, 100); 3]], Outcome::Pass),
        // nothing was written between two rounds
        (vec![early, early], Outcome::Fail),
        // written or not, no log leads from one to the other
        (vec![[(60, 60), (60, 60), (90, 60)], [(62, 62), (62, 62), (92, 62)]], Outcome::Fail),
    ] {
        assert_eq!(outcome(&rounds), wanted, "{rounds:?}");
    }
}

#[test]
fn another_bump_is_named() {
    let plan = bumped();
    let mut messages = Vec::new();
    for (what, revision) in [
        ("without the bump", 83_799),
        ("an older snapshot", 1_000_003_799),
        ("a newer snapshot, or another bump", 2_000_083_799),
    ] {
        let mut seen = good(&plan);
        said(&mut seen, 2).revision = revision;
        said(&mut seen, 2).hash = Hashed::NotAsked;
        let proof = check(&plan, &seen, &Queried::Not);
        let found = proof.check(Topic::Revision).unwrap();
        assert_eq!((found.outcome, found.who.as_slice()), (Outcome::Fail, ["m3".to_string()].as_slice()), "{revision}");
        messages.push((what, found.words.clone()));
    }
    crate::text::messages::hold("plan-check-bump", &messages);
}

#[test]
fn an_alarm_listed_once_is_the_members_own() {
    let plan = plan();
    let mut seen = good(&plan);
    let alarm = Alarm { member: plan.members[0].id, kind: "NOSPACE".into() };
    said(&mut seen, 2).alarms = vec![alarm.clone()];
    let words = |seen: &Observed| check(&plan, seen, &Queried::Not).check(Topic::Alarms).unwrap().words.clone();
    assert_eq!(words(&seen), "NOSPACE is raised for m1 (only m3 lists it)");
    for at in 0..2 {
        said(&mut seen, at).alarms = vec![alarm.clone()];
    }
    assert_eq!(words(&seen), "NOSPACE is raised for m1");
}

#[test]
fn different_quotas_pass_only_as_planned() {
    let flag = |bytes: u64| vec![format!("--quota-backend-bytes={bytes}")];
    let two = vec!["-quota-backend-bytes".to_string(), (2u64 << 30).to_string()];
    for (flags, outcome) in [
        ([vec![], vec![], flag(100 << 20)], Outcome::Fail),
        ([two.clone(), vec![], flag(100 << 20)], Outcome::Fail),
        ([two.clone(), flag(2 << 30), flag(200 << 20)], Outcome::Fail),
        ([two, flag(2 << 30), flag(100 << 20)], Outcome::Pass),
    ] {
        let mut plan = plan();
        for (member, flags) in plan.members.iter_mut().zip(&flags) {
            member.etcd_flags.clone_from(flags);
        }
        let mut seen = good(&plan);
        said(&mut seen, 2).quota_bytes = Some(100 << 20);
        let proof = check(&plan, &seen, &Queried::Not);
        let found = proof.check(Topic::Quota).unwrap();
        assert_eq!(found.outcome, outcome, "{flags:?}: {proof:#?}");
        assert!(found.words.contains("m3 ") && found.words.contains("105 MB"), "which has which: {}", found.words);
    }
}
