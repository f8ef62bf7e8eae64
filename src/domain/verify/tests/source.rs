//! What all members alike hold otherwise than the snapshot, and who of several is right by it.

use super::*;

fn all(seen: &mut Observed, change: impl Fn(&mut StoredRows)) {
    for member in &mut seen.members {
        if let Queried::Is(rows) = &mut member.stored {
            change(rows);
        }
    }
}

fn set(seen: &mut Observed, row: &RowKey, value: &str) {
    all(seen, |rows| drop(rows.rows.insert(row.clone(), value.into())));
}

fn unset(seen: &mut Observed, row: &RowKey) {
    all(seen, |rows| drop(rows.rows.remove(row)));
}

fn user(name: &str) -> RowKey {
    RowKey::User(name.into())
}

/// So many log entries since the restore are in what members serve.
fn entries(seen: &mut Observed, count: u64) {
    // an entry for each member, the leader's, and one with which each published itself
    let genesis = 2 * seen.members.len() as u64 + 1;
    for at in 0..seen.members.len() {
        let applied = genesis + count;
        (said(seen, at).raft_applied, said(seen, at).raft_index) = (applied, applied);
    }
    all(seen, |rows| (rows.from, rows.to, rows.committed) = (genesis + count, genesis + count, genesis + count));
}

#[test]
fn an_unexplained_difference_from_the_snapshot_is_wrong() {
    use Outcome::{Fail, Pass, Unknown};
    type Case = (&'static str, fn(&mut Observed), Topic, Outcome);
    let cases: Vec<Case> = vec![
        ("as in the snapshot", |_| {}, Topic::Leases, Pass),
        ("as in the snapshot", |_| {}, Topic::Auth, Pass),
        ("a lease that cannot have expired", |s| unset(s, &RowKey::Lease(0x2a)), Topic::Leases, Unknown),
        (
            "and no log entry that revoked it",
            |s| {
                unset(s, &RowKey::Lease(0x2a));
                entries(s, 0);
            },
            Topic::Leases,
            Fail,
        ),
        (
            "a lease that may have expired",
            |s| {
                unset(s, &RowKey::Lease(0x1f2e));
                s.since_made = Some(60);
            },
            Topic::Leases,
            Pass,
        ),
        (
            "when the plan was made is not known",
            |s| {
                unset(s, &RowKey::Lease(0x1f2e));
                s.since_made = None;
            },
            Topic::Leases,
            Pass,
        ),
        ("a lease granted since", |s| set(s, &RowKey::Lease(7), ""), Topic::Leases, Pass),
        (
            "more leases than entries",
            |s| {
                (0..9).for_each(|id| set(s, &RowKey::Lease(100 + id), ""));
            },
            Topic::Leases,
            Fail,
        ),
        ("another TTL", |s| set(s, &RowKey::LeaseTtl(0x2a), "9 s"), Topic::Leases, Unknown),
        ("authentication off", |s| set(s, &RowKey::AuthEnabled, "disabled"), Topic::Auth, Fail),
        (
            "authentication off by a command",
            |s| {
                set(s, &RowKey::AuthEnabled, "disabled");
                set(s, &RowKey::AuthRevision, "10");
            },
            Topic::Auth,
            Unknown,
        ),
        (
            "authentication on, off by the plan",
            |s| {
                if let Queried::Is(rows) = &mut s.source {
                    rows.rows.insert(RowKey::AuthEnabled, "disabled".into());
                }
            },
            Topic::Auth,
            Unknown,
        ),
        (
            "without users and roles, of before",
            |s| {
                all(s, |rows| {
                    rows.rows.retain(|row, _| !matches!(row.part(), Part::Users | Part::Passwords | Part::Roles));
                });
                set(s, &RowKey::AuthRevision, "1");
            },
            Topic::Auth,
            Fail,
        ),
        ("a lower auth revision alone", |s| set(s, &RowKey::AuthRevision, "8"), Topic::Auth, Fail),
        ("another user, and the auth revision", |s| set(s, &user("eve"), "root"), Topic::Auth, Fail),
        (
            "another password, and the auth revision",
            |s| set(s, &RowKey::Password("app".into()), "d7"),
            Topic::Auth,
            Fail,
        ),
        ("other roles, and the auth revision", |s| set(s, &user("app"), "root"), Topic::Auth, Fail),
        (
            "a user added since",
            |s| {
                set(s, &user("eve"), "root");
                set(s, &RowKey::AuthRevision, "11");
            },
            Topic::Auth,
            Unknown,
        ),
        (
            "a user added in more changes than entries",
            |s| {
                set(s, &user("eve"), "root");
                set(s, &RowKey::AuthRevision, "900");
            },
            Topic::Auth,
            Fail,
        ),
        (
            "an old snapshot without an auth revision",
            |s| {
                set(s, &RowKey::AuthRevision, "1");
                if let Queried::Is(rows) = &mut s.source {
                    rows.rows.insert(RowKey::AuthRevision, "0".into());
                }
            },
            Topic::Auth,
            Pass,
        ),
        ("no snapshot here", |s| s.source = Queried::Failed("no such file".into()), Topic::Auth, Pass),
    ];
    for lone in [false, true] {
        for (name, change, topic, outcome) in &cases {
            let mut plan = plan();
            if lone {
                plan.members.truncate(1);
                plan.cluster_id = cluster_id(&[plan.members[0].id]);
            }
            let mut seen = good(&plan);
            if lone {
                said(&mut seen, 0).leader = plan.members[0].id;
                entries(&mut seen, 4);
            }
            change(&mut seen);
            let proof = check(&plan, &seen, &Queried::Not);
            let found = proof.check(*topic).unwrap();
            assert_eq!(found.outcome, *outcome, "{name}, lone: {lone}: {found:?}");
            let code = match outcome {
                Outcome::Pass => 0,
                Outcome::Fail => 16,
                _ => 17,
            };
            assert_eq!(proof.verdict.exit_code(), code, "{name}, lone: {lone}: {proof:#?}");
            assert_eq!(found.who.len(), if code == 16 { plan.members.len() } else { 0 }, "{name}");
            assert_eq!(found.todo.is_empty(), code == 0, "{name}: what is to be done?");
        }
    }
    let plan = plan();
    let mut seen = good(&plan);
    seen.source = Queried::Failed("no such file".into());
    let proof = check(&plan, &seen, &Queried::Not);
    let leases = proof.check(Topic::Leases).unwrap();
    crate::text::messages::hold("plan-check-no-source", &[("leases", leases.words.clone())]);
}

/// Two of three are wrong, and the third is right: the snapshot decides, or nobody is accused.
#[test]
fn the_snapshot_says_which_member_is_wrong() {
    type Of = fn(&mut StoredRows);
    let lease: Of = |rows| {
        rows.rows.remove(&RowKey::Lease(0x2a));
        rows.rows.remove(&RowKey::LeaseTtl(0x2a));
    };
    let users: Of = |rows| {
        rows.rows.remove(&user("app"));
        rows.rows.insert(RowKey::AuthRevision, "7".into());
    };
    let off: Of = |rows| drop(rows.rows.insert(RowKey::AuthEnabled, "disabled".into()));
    let eve: Of = |rows| {
        rows.rows.insert(user("eve"), "root".into());
        rows.rows.insert(RowKey::AuthRevision, "12".into());
    };
    for (name, change, at, topic, wrong) in [
        ("two lack a lease", lease, &[0, 1][..], Topic::Leases, Some(&["m1", "m2"][..])),
        ("one lacks a lease", lease, &[2], Topic::Leases, Some(&["m3"])),
        ("two lack a user", users, &[0, 1], Topic::Auth, Some(&["m1", "m2"])),
        ("authentication is off on two", off, &[0, 1], Topic::Auth, Some(&["m1", "m2"])),
        ("one has a user more", eve, &[2], Topic::Auth, Some(&["m3"])),
        ("two have a user more", eve, &[0, 1], Topic::Auth, None),
    ] {
        let plan = plan();
        for readable in [true, false] {
            let mut seen = good(&plan);
            for at in at {
                if let Queried::Is(rows) = &mut seen.members[*at].stored {
                    change(rows);
                }
            }
            if !readable {
                seen.source = Queried::Failed("no such file".into());
            }
            let proof = check(&plan, &seen, &Queried::Not);
            let found = proof.check(topic).unwrap();
            assert_eq!((found.outcome, proof.verdict.exit_code()), (Outcome::Fail, 16), "{name}: {found:?}");
            let expected = wrong.filter(|_| readable).unwrap_or(&["m1", "m2", "m3"]);
            assert_eq!(found.who, expected, "{name}, readable: {readable}: {found:?}");
            let accused = found.todo.iter().any(|todo| todo == data::STOP);
            assert_eq!(accused, readable && wrong.is_some(), "{name}: {found:?}");
        }
    }
}

#[test]
fn authentication_on_one_member_alone_is_wrong() {
    for (enabled, wrong) in
        [(Some("enabled"), &["m1", "m2"][..]), (Some("disabled"), &["m3"]), (None, &["m1", "m2", "m3"])]
    {
        let plan = plan();
        let mut seen = good(&plan);
        (said(&mut seen, 2).list_refused, said(&mut seen, 2).members) = (true, Vec::new());
        match (enabled, &mut seen.source) {
            (Some(enabled), Queried::Is(rows)) => drop(rows.rows.insert(RowKey::AuthEnabled, enabled.into())),
            (_, source) => *source = Queried::Failed("no such file".into()),
        }
        let proof = check(&plan, &seen, &Queried::Not);
        let found = proof.check(Topic::Auth).unwrap();
        let mut who = found.who.clone();
        who.sort();
        assert_eq!(
            (found.outcome, proof.verdict.exit_code(), who.as_slice()),
            (Outcome::Fail, 16, &wrong.iter().map(ToString::to_string).collect::<Vec<_>>()[..])
        );
        for at in 0..2 {
            (said(&mut seen, at).list_refused, said(&mut seen, at).members) = (true, Vec::new());
        }
        assert_ne!(check(&plan, &seen, &Queried::Not).verdict, VerifyResult::Failed, "all of them ask for one");
    }
}
