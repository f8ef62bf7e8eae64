//! What members advertise, how they were started, and what could not be compared.

use super::{super::super::model::observations::started::Reached, *};
use crate::error::Remedy;

fn says(seen: &mut Observed, at: usize) -> &mut MemberStatus {
    match &mut seen.members[at].answer {
        Answer::Says(says) => says,
        other => panic!("{other:?}"),
    }
}

fn stored(seen: &mut Observed, at: usize) -> &mut StoredRows {
    match &mut seen.members[at].stored {
        Queried::Is(rows) => rows,
        other => panic!("{other:?}"),
    }
}

/// Every member lists m3 with this client URL.
fn advertising(url: &str) -> (Plan, Observed) {
    let plan = plan();
    let mut seen = good(&plan);
    for at in 0..3 {
        says(&mut seen, at).members[2].client_urls = vec![url.into()];
    }
    (plan, seen)
}

#[test]
fn what_a_member_advertises_leads_to_it() {
    let url = "http://elsewhere:2379";
    let other = |id| Reached::Other { member: id, cluster: plan().cluster_id };
    for (reached, outcome, code) in [
        (Reached::Itself, Outcome::Pass, 0),
        (other(plan().members[0].id), Outcome::Fail, 16),
        (Reached::Other { member: Id(7), cluster: Id(8) }, Outcome::Fail, 16),
        (Reached::Silent("connection refused".into()), Outcome::Unknown, 17),
    ] {
        let (plan, mut seen) = advertising(url);
        let asked = questions(&plan, &seen);
        assert!(asked.contains(&Question::Advertised(2, url.into())), "{asked:?}");
        seen.members[2].advertised.push((url.into(), reached.clone()));
        assert!(!questions(&plan, &seen).iter().any(|q| matches!(q, Question::Advertised(..))));
        let proof = check(&plan, &seen, &Queried::Not);
        let found = proof.check(Topic::Urls).unwrap();
        assert_eq!((found.outcome, proof.verdict.exit_code()), (outcome, code), "{reached:?}: {}", proof.sentence);
        assert!(found.words.contains("m3") && found.words.contains(url), "{}", found.words);
        assert_eq!(found.who.is_empty(), code == 0);
    }
    // as planned, or only written otherwise
    let planned = plan().members[2].client_urls[0].clone();
    for url in [planned.clone(), format!("{planned}/")] {
        let (plan, seen) = advertising(&url);
        assert_eq!(check(&plan, &seen, &Queried::Not).check(Topic::Urls), None, "{url}");
    }
}

#[test]
fn members_that_were_started_otherwise_are_named() {
    let line = |flags: &[&str]| -> Vec<String> {
        ["/usr/bin/etcd", "--name", "m"].iter().chain(flags).map(|word| word.to_string()).collect()
    };
    for (m1, m3, enabled, outcome) in [
        (&[][..], &[][..], true, None),
        (&["--auto-compaction-retention=8"], &["-auto-compaction-retention", "8"], true, None),
        (&[], &["--auto-compaction-mode=revision"], true, Some(Outcome::Unknown)),
        (&[], &["--heartbeat-interval", "500"], true, Some(Outcome::Unknown)),
        (&["--max-txn-ops=128"], &["--max-txn-ops=2"], true, Some(Outcome::Unknown)),
        (&[], &["--auth-token=jwt,pub-key=/a"], true, Some(Outcome::Fail)),
        (&[], &["--auth-token=jwt,pub-key=/a"], false, Some(Outcome::Unknown)),
        (&["--auth-token=jwt,pub-key=/a"], &["--auth-token=jwt,pub-key=/b"], true, Some(Outcome::Unknown)),
        // what is in a file is not known
        (&["--config-file=/etc/etcd.yml"], &["--auto-compaction-mode=revision"], true, None),
        // what is no setting of the cluster
        (&["--data-dir=/a"], &["--data-dir=/b", "--log-level=debug"], true, None),
    ] {
        let plan = plan();
        let mut seen = good(&plan);
        for at in 0..3 {
            let rows = stored(&mut seen, at);
            rows.command = line(if at == 2 { m3 } else { m1 });
            let value = if enabled { "enabled" } else { "disabled" };
            rows.rows.insert(RowKey::AuthEnabled, value.into());
        }
        let proof = check(&plan, &seen, &Queried::Not);
        let found = proof.check(Topic::Settings);
        if m1.iter().any(|word| word.starts_with("--auth-token")) {
            // the files of one key may be named otherwise on each host
            assert_eq!(found, None, "{m3:?}");
            continue;
        }
        assert_eq!(found.map(|check| check.outcome), outcome, "{m1:?} {m3:?}");
        assert_eq!(found.map(|check| check.who.clone()), outcome.map(|_| vec!["m3".to_string()]), "{m1:?} {m3:?}");
        if outcome.is_some() {
            assert_ne!(proof.verdict, VerifyResult::Proven);
        }
    }
    // one that does not tell
    let plan = plan();
    let mut seen = good(&plan);
    stored(&mut seen, 2).command = line(&["--auto-compaction-mode=revision"]);
    assert_eq!(check(&plan, &seen, &Queried::Not).check(Topic::Settings), None);
}

/// A setting that the plan has for each member as it runs is the operator's own.
#[test]
fn planned_settings_may_differ() {
    let mut plan = plan();
    for (at, member) in plan.members.iter_mut().enumerate() {
        member.etcd_flags.push(format!("--heartbeat-interval={}", 100 * (at + 1)));
    }
    let mut seen = good(&plan);
    for at in 0..3 {
        stored(&mut seen, at).command = vec!["etcd".into(), format!("--heartbeat-interval={}", 100 * (at + 1))];
    }
    assert_eq!(check(&plan, &seen, &Queried::Not).check(Topic::Settings), None);
    stored(&mut seen, 1).command[1] = "--heartbeat-interval=900".into();
    assert!(check(&plan, &seen, &Queried::Not).check(Topic::Settings).is_some());
}

/// Where passwords are salted on each member, those that differ tell nothing, and those that do not are the same.
#[test]
fn salted_passwords_are_compared_where_they_can_be() {
    let plan = plan();
    let root = RowKey::Password("root".into());
    let salted = |change: &dyn Fn(usize) -> &'static str| {
        let mut seen = good(&plan);
        for at in 0..3 {
            let rows = stored(&mut seen, at);
            rows.salted = true;
            rows.rows.insert(root.clone(), change(at).into());
        }
        check(&plan, &seen, &Queried::Not)
    };
    let rows = |proof: &Verification| -> Vec<Outcome> {
        proof.checks.iter().filter(|check| check.topic == Topic::Auth).map(|check| check.outcome).collect()
    };
    let same = salted(&|_| "d1");
    assert_eq!((rows(&same), same.verdict), (vec![Outcome::Pass], VerifyResult::Proven));
    // set since, which the auth revision shows
    let mut seen = good(&plan);
    for at in 0..3 {
        let rows = stored(&mut seen, at);
        rows.salted = true;
        rows.rows.insert(root.clone(), format!("d{at}"));
    }
    let proof = check(&plan, &seen, &Queried::Not);
    assert!(!rows(&proof).contains(&Outcome::Fail) || proof.check(Topic::Auth).unwrap().who.len() == 3, "{proof:?}");
    let words = &proof.check(Topic::Auth).unwrap().words;
    crate::text::messages::hold("plan-check-salted", &[("each has another hash", words.clone())]);
}

/// What takes the whole database and was not streamed is said to be unknown, in a row of its own.
#[test]
fn what_was_not_streamed_is_no_silent_pass() {
    let plan = plan();
    let mut seen = good(&plan);
    for at in 0..3 {
        let rows = stored(&mut seen, at);
        rows.too_large = true;
        for part in [Part::LeaseTtls, Part::Passwords, Part::Compaction] {
            rows.parts.remove(&part);
            rows.rows.retain(|row, _| row.part() != part);
        }
    }
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(proof.verdict, VerifyResult::Proven, "{}", proof.sentence);
    for (topic, part) in [(Topic::Leases, Part::LeaseTtls), (Topic::Auth, Part::Passwords)] {
        let of: Vec<&Check> = proof.checks.iter().filter(|check| check.topic == topic).collect();
        let outcomes: Vec<Outcome> = of.iter().map(|check| check.outcome).collect();
        assert_eq!(outcomes, [Outcome::Pass, Outcome::Unknown]);
        assert!(of[1].words.contains(part.words()), "{}", of[1].words);
        assert!(proof.sentence.contains(part.words()), "{}", proof.sentence);
    }
    let remedies: Vec<&Remedy> = proof.checks.iter().flat_map(|check| &check.remedies).collect();
    assert_eq!(remedies, [&Remedy::ReadWhole], "once for all");
}

#[test]
fn a_lagging_member_is_named_with_evidence() {
    let plan = plan();
    let mut seen = good(&plan);
    says(&mut seen, 2).closed = Some("no answer in 3 s".into());
    let waits = check(&plan, &seen, &Queried::Not);
    assert_eq!(waits.verdict, VerifyResult::Waiting, "it may still come");
    let mut messages = vec![("it may still come", waits.sentence)];
    seen.over = true;
    let proof = check(&plan, &seen, &Queried::Not);
    assert_eq!(proof.verdict, VerifyResult::Unproven);
    messages.push(("the others have a leader", proof.sentence));
    // with no quorum among the others nothing follows
    says(&mut seen, 1).closed = Some("no answer in 3 s".into());
    messages.push(("the others have none", check(&plan, &seen, &Queried::Not).sentence));
    crate::text::messages::hold("plan-check-lagging", &messages);
}

#[test]
fn a_member_that_lists_itself_alone_was_forced() {
    let plan = plan();
    let mut seen = good(&plan);
    says(&mut seen, 2).members.retain(|member| member.id == plan.members[2].id);
    let proof = check(&plan, &seen, &Queried::Not);
    let found = proof.check(Topic::Members).unwrap();
    assert_eq!((found.outcome, found.who.as_slice()), (Outcome::Fail, &["m3".to_string()][..]));
    assert!(found.words.contains("--force-new-cluster"), "{}", found.words);
}
