//! The rounds in which members of a plan are watched, on a clock that is only played: when they end, what is written and

//! what is not.

use std::time::Duration;

use crate::mock_system::MockSystem;
use requorum::{
    domain::{
        model::plan::{Plan, Source},
        verify::{Check, Outcome, Topic, Verification, VerifyResult},
    },
    error::ErrorKind,
    execute::{
        Cancel,
        verify::{VerifySpec, verify},
    },
};

/// A plan for the made-up members, all of them restored.
fn restored(world: &MockSystem) -> Plan {
    let members = crate::mock_system::members().into_iter().map(|m| requorum::domain::model::plan::Member {
        host: "local".into(),
        id: m.id,
        peer_urls: m.peer_urls.into_iter().map(Into::into).collect(),
        client_urls: m.client_urls.into_iter().map(Into::into).collect(),
        data_dir: format!("/var/lib/etcd-new/{}.etcd", m.name).into(),
        wal_dir: None,
        etcd_flags: Vec::new(),
        name: m.name.into(),
    });
    let members: Vec<_> = members.collect();
    let ids: Vec<_> = members.iter().map(|m| m.id).collect();
    let plan = Plan {
        version: 1,
        label: "prod-eu".into(),
        token: "t".into(),
        created: "2026-11-22T03:12:00Z".into(),
        target: None,
        source: Source {
            path: "/backup/etcd-0200.db".into(),
            bytes: 1,
            sha256: "0".repeat(64),
            revision: 83_799,
            keys: 4112,
            skip_hash_check: false,
            snapshot_bytes: None,
        },
        bump_revision: 0,
        mark_compacted: false,
        revisions: Default::default(),
        options: Default::default(),
        cluster_id: requorum::etcd::membership::cluster_id(&ids),
        members,
    };
    for member in &plan.members {
        world.restore(&plan, &member.name, &mut |_| requorum::engine::progress::Flow::Go).unwrap();
    }
    plan
}

fn run(world: &MockSystem, plan: &Plan, seconds: u64, canary: bool, on: &mut dyn FnMut(&Verification)) -> Verification {
    let old = Default::default();
    let job = VerifySpec { plan, old: &old, timeout: Duration::from_secs(seconds), canary, deep: false };
    verify(&job, world, &Cancel::default(), on).unwrap()
}

/// The members that are not up, by name.
fn not_up(proof: &Verification) -> Vec<&str> {
    let missing = proof.members.iter().filter(|member| member.outcome != Outcome::Pass);
    missing.map(|member| member.name.as_str()).collect()
}

#[test]
fn a_good_cluster_verifies_once_without_writing() {
    let world = MockSystem::default();
    let plan = restored(&world);
    let mut rounds = 0;
    let proof = run(&world, &plan, 120, false, &mut |_| rounds += 1);
    assert_eq!((proof.verdict, rounds), (VerifyResult::Proven, 1), "{proof:#?}");
    assert_eq!(*world.waited.lock().unwrap(), Duration::ZERO);
    assert!(world.canaries.lock().unwrap().is_empty());
    assert!(proof.next.iter().any(|n| n.what.contains("/locks/leader")), "{:?}", proof.next);
}

#[test]
fn a_member_that_comes_late_is_waited_for() {
    let world = MockSystem::default();
    let plan = restored(&world);
    world.down.lock().unwrap().insert("m3".into());
    let (mut rounds, mut first) = (0, None);
    let proof = run(&world, &plan, 120, true, &mut |proof| {
        first.get_or_insert_with(|| proof.clone());
        rounds += 1;
        if rounds == 5 {
            assert!(world.canaries.lock().unwrap().is_empty(), "nothing is written before all else is right");
            world.down.lock().unwrap().clear();
        }
    });
    assert_eq!(proof.verdict, VerifyResult::Proven);
    let first: Verification = first.unwrap();
    assert_eq!((first.verdict, not_up(&first)), (VerifyResult::Waiting, vec!["m3"]), "{first:#?}");
    let canaries = world.canaries.lock().unwrap();
    assert_eq!(canaries.len(), 1);
    assert!(canaries[0].starts_with(&format!("requorum/canary/{}-", plan.short_id())), "{canaries:?}");
    assert_eq!(proof.check(Topic::Canary).unwrap().outcome, Outcome::Pass);
}

#[test]
fn at_the_deadline_the_missing_is_named() {
    let world = MockSystem::default();
    let plan = restored(&world);
    world.down.lock().unwrap().insert("m3".into());
    let proof = run(&world, &plan, 120, false, &mut |_| {});
    assert_eq!((proof.verdict, proof.verdict.exit_code()), (VerifyResult::Unproven, 17));
    assert_eq!(not_up(&proof), ["m3"], "{proof:#?}");
    assert!(*world.waited.lock().unwrap() >= Duration::from_secs(120));
}

#[test]
fn a_failure_seen_twice_ends_the_rounds() {
    let world = MockSystem::default();
    let plan = restored(&world);
    world.mixed.lock().unwrap().insert("m3".into());
    let mut rounds = 0;
    let proof = run(&world, &plan, 120, true, &mut |_| rounds += 1);
    assert_eq!((proof.verdict, rounds), (VerifyResult::Failed, 2));
    let fails: Vec<&Check> = proof.checks.iter().filter(|check| check.outcome == Outcome::Fail).collect();
    assert!(!fails.is_empty() && fails.iter().all(|check| check.who == ["m3"]), "{fails:#?}");
    assert!(world.canaries.lock().unwrap().is_empty(), "nothing is written into a cluster with other data");
}

#[test]
fn a_missing_lease_fails_twice_without_writing() {
    let world = MockSystem::default();
    let plan = restored(&world);
    world.lacks_lease.lock().unwrap().insert("m3".into());
    let mut rounds = 0;
    let proof = run(&world, &plan, 120, true, &mut |_| rounds += 1);
    assert_eq!((proof.verdict, rounds), (VerifyResult::Failed, 2));
    assert_eq!(proof.check(Topic::Leases).unwrap().who, ["m3"], "{proof:#?}");
    assert!(world.canaries.lock().unwrap().is_empty());
}

#[test]
fn a_lease_arriving_during_reads_is_awaited() {
    let world = MockSystem::builder().indices().build();
    let plan = restored(&world);
    world.lacks_lease.lock().unwrap().insert("m3".into());
    let mut rounds = 0;
    let proof = run(&world, &plan, 120, true, &mut |proof| {
        rounds += 1;
        assert_ne!(proof.verdict, VerifyResult::Failed, "{proof:#?}");
        world.lacks_lease.lock().unwrap().clear();
    });
    assert_eq!((proof.verdict, rounds), (VerifyResult::Proven, 2));
}

#[test]
fn stops_end_it_and_simulated_members_agree() {
    let world = MockSystem::builder().simulated().build();
    let plan = restored(&world);
    assert_eq!(run(&world, &plan, 120, false, &mut |_| {}).verdict, VerifyResult::Agree);
    world.down.lock().unwrap().insert("m3".into());
    let cancel = Cancel::default();
    let old = Default::default();
    let job = VerifySpec { plan: &plan, old: &old, timeout: Duration::from_secs(120), canary: false, deep: false };
    let stopped = verify(&job, &world, &cancel, &mut |_| cancel.stop()).unwrap_err();
    assert_eq!(stopped.kind, ErrorKind::Stopped);
    assert!(*world.waited.lock().unwrap() < Duration::from_secs(2));
}
