//! What starts a member, and each reason why it cannot.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    domain::{
        members::build_plan,
        model::observations::{
            FileFacts, Health,
            config::{Automation, Origin, Setting},
            disk::{BrokenPart, DataDirState},
        },
    },
    etcd::membership::Id,
};

fn plan() -> Plan {
    build_plan::build(&build_plan::tests::draft()).unwrap().plan
}

/// The directory of the plan's first member, as it was put there.
fn dir(plan: &Plan, held: Held) -> DirFacts {
    let member = &plan.members[0];
    let path = member.data_dir.join("member/snap/db");
    let database = FileFacts { path, bytes: 4096, modified: None, health: Health::Unread, content: None };
    let says = DataDirState {
        cluster_id: plan.cluster_id,
        member_id: member.id,
        term: 1,
        vote: Id(0),
        commit: 3,
        first_index: 1,
        last_index: 3,
        last_term: 1,
        torn: None,
        snap_index: 3,
        consistent_index: 3,
        consistent_term: Some(1),
        writes_beyond: None,
        revision: 80,
        database,
        received_db: None,
        members: Vec::new(),
        v2_keys: 0,
        etcd: None,
        written: None,
        warnings: Vec::new(),
    };
    let state = DirState::Whole(Box::new(says));
    DirFacts { data_dir: member.data_dir.clone(), wal_dir: None, learned_from: String::new(), held, state }
}

fn config(kind: ConfigKind, place: &str, flags: &[(&str, &str)], resume: &str) -> ConfigFacts {
    let get = |flag: &str| flags.iter().find(|(name, _)| *name == flag).map(|(_, value)| (*value).into());
    let automation = Automation {
        what: "it".into(),
        names_file: false,
        active: false,
        pause: String::new(),
        resume: resume.to_string(),
    };
    ConfigFacts {
        origin: Origin::File(place.into()),
        kind,
        flags: flags
            .iter()
            .map(|(f, v)| Setting { flag: (*f).into(), value: (*v).into(), from: place.into() })
            .collect(),
        data_dir: get("data-dir"),
        wal_dir: get("wal-dir"),
        automation: Some(automation).filter(|a| !a.resume.is_empty()).into_iter().collect(),
        notes: Vec::new(),
        runs: Default::default(),
    }
}

/// Flags of the first member, as the plan has them.
const FLAGS: &[(&str, &str)] = &[
    ("name", "m1"),
    ("data-dir", "/var/lib/etcd/m1.etcd"),
    ("listen-peer-urls", "http://127.0.0.31:2380"),
    ("initial-advertise-peer-urls", "http://127.0.0.31:2380"),
    ("listen-client-urls", "http://127.0.0.31:2379,http://localhost:2379"),
    ("advertise-client-urls", "http://127.0.0.31:2379"),
    ("initial-cluster-state", "new"),
];

const UNIT: &str = "/etc/systemd/system/etcd.service";
const RESUME: &str = "systemctl start --no-block etcd.service";

fn unit(change: &[(&str, &str)]) -> ConfigFacts {
    let mut flags: Vec<(&str, &str)> =
        FLAGS.iter().filter(|(flag, _)| !change.iter().any(|(new, _)| new == flag)).copied().collect();
    flags.extend(change.iter().filter(|(_, value)| !value.is_empty()));
    config(ConfigKind::Unit, UNIT, &flags, RESUME)
}

fn around(plan: &Plan, configs: Vec<ConfigFacts>) -> MachineFacts {
    MachineFacts { configs, dirs: vec![dir(plan, Held::No)], addresses: Vec::new() }
}

fn by(command: &str) -> Result<Start, String> {
    Ok(Start::By(vec![command.to_string()]))
}

#[test]
fn by_its_unit_as_it_was_switched_off() {
    let plan = plan();
    let start = |configs: Vec<ConfigFacts>, halted: &[RunningEtcd]| {
        super::start(&plan, &plan.members[0], &around(&plan, configs), halted)
    };
    assert_eq!(start(vec![unit(&[])], &[]), by(RESUME));
    let halt = |data_dir: &str, resume: &str| RunningEtcd {
        data_dir: data_dir.into(),
        wal_dir: None,
        pid: None,
        commands: vec!["systemctl stop etcd.service && systemctl disable etcd.service".into()],
        resume: vec![resume.into()],
    };
    // What was disabled to stop it is enabled again; what was stopped on another directory has no say.
    let halted = [
        halt("/var/lib/etcd/m1.etcd", "systemctl enable --now --no-block etcd.service"),
        halt("/srv/other", "systemctl start other.service"),
    ];
    assert_eq!(start(vec![unit(&[])], &halted), by("systemctl enable --now --no-block etcd.service"));
    assert_eq!(start(vec![unit(&[])], &halted[1..]), by(RESUME));
    // The same unit by two names is one; a process and files are none.
    let process = config(ConfigKind::Process, "/proc/7", FLAGS, "");
    assert_eq!(start(vec![process, unit(&[]), unit(&[])], &[]), by(RESUME));
}

#[test]
fn by_the_manifest_that_was_parked() {
    let plan = plan();
    let back = "mv /etc/kubernetes/etcd.yaml.parked /etc/kubernetes/manifests/etcd.yaml";
    let pod = |kind, place: &str, resume: &str| config(kind, place, FLAGS, resume);
    let parked = pod(ConfigKind::ParkedPod, "/etc/kubernetes/etcd.yaml.parked", back);
    let copy = pod(ConfigKind::ParkedPod, "/etc/kubernetes/tmp/b/etcd.yaml", "");
    let forced = pod(ConfigKind::StaticPod, "/etc/kubernetes/manifests/etcd.yaml", "mv a b");
    let mut messages = Vec::new();
    for (configs, wanted) in [
        (vec![copy.clone(), parked.clone()], Ok(back)),
        (vec![parked, forced], Err("a pod that is back")),
        (vec![copy], Err("a copy without a way back")),
    ] {
        let found = start(&plan, &plan.members[0], &around(&plan, configs), &[]);
        match wanted {
            Ok(command) => assert_eq!(found, by(command)),
            Err(what) => messages.push((what, found.unwrap_err())),
        }
    }
    crate::text::messages::hold("plan-start-parked", &messages);
}

#[test]
fn unit_differences_are_named_with_both_values() {
    let mut plan = plan();
    plan.members[0].etcd_flags = vec!["--quota-backend-bytes=8589934592".into(), "--client-cert-auth".into()];
    let quota = [("quota-backend-bytes", "8589934592"), ("client-cert-auth", "true")];
    let mut messages = Vec::new();
    for (change, wanted) in [
        (&[][..], None),
        (&[("listen-peer-urls", "http://0.0.0.0:2380"), ("listen-client-urls", "http://[::]:2379")], None),
        (&[("name", "old-1")], Some("--name is old-1 there, but m1 in the plan")),
        (&[("name", "")], Some("--name is default there, but m1 in the plan")),
        (&[("wal-dir", "/wal")], Some("--wal-dir is /wal there, but not set in the plan")),
        (
            &[("initial-advertise-peer-urls", "http://10.9.9.9:2380")],
            Some("--initial-advertise-peer-urls is http://10.9.9.9:2380 there, but http://127.0.0.31:2380 in the plan"),
        ),
        (
            &[("advertise-client-urls", "")],
            Some("--advertise-client-urls is http://localhost:2379 there, but http://127.0.0.31:2379 in the plan"),
        ),
        (
            &[("listen-peer-urls", "http://127.0.0.31:9999")],
            Some("--listen-peer-urls is http://127.0.0.31:9999 there, which does not serve http://127.0.0.31:2380"),
        ),
        (
            &[("listen-client-urls", "https://0.0.0.0:2379")],
            Some("--listen-client-urls is https://0.0.0.0:2379 there, which does not serve http://127.0.0.31:2379"),
        ),
        (&[("quota-backend-bytes", "1")], Some("--quota-backend-bytes is 1 there, but 8589934592 in the plan")),
        (&[("client-cert-auth", "")], Some("--client-cert-auth is not set there, but true in the plan")),
        (&[("force-new-cluster", "true")], Some("--force-new-cluster=true is set there")),
        (&[("force-new-cluster", "false"), ("proxy", "off")], None),
        (&[("proxy", "on")], Some("--proxy=on is set there")),
    ] {
        let mut all = quota.to_vec();
        all.retain(|(flag, _)| !change.iter().any(|(new, _)| new == flag));
        all.extend(change);
        let found = start(&plan, &plan.members[0], &around(&plan, vec![unit(&all)]), &[]);
        match wanted {
            None => assert_eq!(found, by(RESUME), "{change:?}"),
            Some(words) => {
                let why = found.unwrap_err();
                assert!(!why.contains(';'), "more than one thing is wrong: {why}");
                messages.push((words, why));
            }
        }
    }
    // Where it listens is the plan's word where the plan says so, as behind a translation of addresses.
    plan.members[0].etcd_flags = vec!["--listen-peer-urls=http://10.0.0.9:2380".into()];
    let found =
        |listen| start(&plan, &plan.members[0], &around(&plan, vec![unit(&[("listen-peer-urls", listen)])]), &[]);
    assert_eq!(found("http://10.0.0.9:2380"), by(RESUME));
    messages.push(("listen-peer-urls of the plan", found("http://127.0.0.31:2380").unwrap_err()));
    crate::text::messages::hold("plan-start-mismatch", &messages);
}

#[test]
fn names_are_heard_where_they_may_lead() {
    let url = |text: &str| url::parse(text).unwrap();
    for (on, at, wanted) in [
        ("http://10.0.0.1:2380", "http://10.0.0.1:2380", true),
        ("http://10.0.0.1:2380", "http://etcd-1.example:2380", true),
        ("http://127.0.0.1:2380", "http://etcd-1.example:2380", false),
        ("http://127.0.0.1:2380", "http://localhost:2380", true),
        ("http://localhost:2380", "http://127.0.0.1:2380", true),
        ("http://10.0.0.1:2380", "http://localhost:2380", false),
        ("http://0.0.0.0:2380", "http://[2001:db8::1]:2380", false),
        ("http://[::]:2380", "http://10.0.0.1:2380", true),
        ("http://0.0.0.0:2380", "http://etcd-1.example:2380", true),
        ("http://10.0.0.1:2380", "http://10.0.0.2:2380", false),
    ] {
        assert_eq!(hears(&url(on), &url(at)), wanted, "{on} {at}");
    }
}

#[test]
fn only_the_planned_member_is_started_once() {
    let plan = plan();
    let found = |change: &dyn Fn(&mut MachineFacts)| {
        let mut around = around(&plan, vec![unit(&[])]);
        change(&mut around);
        start(&plan, &plan.members[0], &around, &[])
    };
    let says = |around: &mut MachineFacts, change: &dyn Fn(&mut DataDirState)| {
        let DirState::Whole(says) = &mut around.dirs[0].state else { panic!() };
        change(says);
    };
    let held = |held: Held| move |around: &mut MachineFacts| around.dirs[0].held = held.clone();
    assert_eq!(found(&held(Held::By { pid: Some(812), program: "etcd".into() })), Ok(Start::Runs(Some(812))));
    let mut messages = Vec::new();
    for (change, what) in [
        (&held(Held::Unknown("no /proc".into())) as &dyn Fn(&mut MachineFacts), "unknown whether in use"),
        (&|around| around.dirs.clear(), "not inspected"),
        (&|around| around.dirs[0].state = DirState::Absent, "absent"),
        (&|around| says(around, &|says| says.cluster_id = Id(9)), "of another cluster"),
        (&|around| says(around, &|says| says.member_id = Id(9)), "another member"),
        (
            &|around| {
                let DirState::Whole(says) = around.dirs[0].state.clone() else { panic!() };
                around.dirs[0].state = DirState::Broken { why: "the log is torn".into(), part: BrokenPart::Log, says };
            },
            "damaged",
        ),
        (&|around| around.configs.clear(), "nothing starts it"),
        (&|around| around.configs = vec![unit(&[("data-dir", "/srv/m1")])], "a unit on another directory"),
        (&|around| around.configs.push(unit(&[("log-level", "debug")])), "2 units"),
    ] {
        messages.push((what, found(change).unwrap_err()));
    }
    crate::text::messages::hold("plan-start-refused", &messages);
}
