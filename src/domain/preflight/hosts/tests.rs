//! Hosts that can take their members, and hosts that cannot, each with its sentence.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::{
    members::{build_plan, cell::Origin, table::Severity},
    model::build_version::BuildVersion,
};

fn plan() -> Plan {
    let mut draft = build_plan::tests::draft();
    for (row, host) in draft.rows.iter_mut().zip(["root@a", "b", "root@a"]) {
        row.set(Column::Host, host, Origin::Typed);
    }
    build_plan::build(&draft).unwrap().plan
}

fn own() -> Programs {
    let version = BuildVersion { number: "0.1.0".into(), commit: None };
    Programs::only(Own { sha256: "5a".repeat(32), version, machine: "x86_64".into(), stays: None })
}

fn place(path: &Path) -> Place {
    Place {
        path: path.into(),
        state: PlaceState::Absent,
        there: "/var/lib".into(),
        owner: "root:root".into(),
        writable: true,
        mount: "/".into(),
        read_only: false,
        free: Some(1 << 40),
    }
}

fn facts(plan: &Plan, members: &[usize]) -> HostFacts {
    HostFacts {
        system: "Linux".into(),
        machine: "x86_64".into(),
        user: "ops".into(),
        places: asked(plan, members).iter().map(|path| place(path)).collect(),
        ..HostFacts::default()
    }
}

#[test]
fn members_are_grouped_by_host() {
    let mut plan = plan();
    let names = |plan: &Plan| plan.members.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    let all = names(&plan);
    assert_eq!(groups(&plan, &all), [("root@a".to_string(), vec![0, 2]), ("b".to_string(), vec![1])]);
    assert_eq!(groups(&plan, &all[1..2]), [("b".to_string(), vec![1])]);
    plan.members[1].host = String::new();
    assert_eq!(groups(&plan, &all[1..2]), [("local".to_string(), vec![1])]);
    assert_eq!((depot(&plan, &[1]), depot(&plan, &[0, 2])), (None, Some("/var/lib/etcd".into())));
}

#[test]
fn the_same_directory_on_two_hosts_is_valid() {
    let mut plan = plan();
    plan.members.iter_mut().for_each(|m| m.data_dir = "/var/lib/etcd".into());
    let errors: Vec<String> = build_plan::verify(&plan).into_iter().map(|p| p.text).collect();
    assert_eq!(errors, ["this is already the data dir of m1"], "m1 and m3 share a host, m2 has its own");
    plan.members[2].host = "-oProxyCommand=x".into();
    let errors = build_plan::verify(&plan);
    assert!(matches!(&errors[..], [one] if one.column == Some(Column::Host)), "{errors:?}");
}

#[test]
fn this_machine_needs_no_program() {
    let plan = plan();
    let facts = HostFacts { machine: "riscv64".into(), ..facts(&plan, &[0]) };
    assert_eq!(judge_program("local", &own(), &facts), []);
    assert_eq!(judge_program("b", &own(), &facts).len(), 1);
}

#[test]
fn what_keeps_a_host_from_its_members() {
    let plan = plan();
    let members = [0, 2];
    let fine = facts(&plan, &members);
    assert_eq!(evaluate(&plan, &members, &own(), &fine), []);
    let short = 3 * 143_392 + 2 * Needed::new(0, false).total() - 1;
    let mounts = |f: &mut HostFacts| {
        f.places[1].free = Some(9);
        f.places.iter_mut().for_each(|p| p.mount = p.path.display().to_string().into());
    };
    type Change<'c> = &'c dyn Fn(&mut HostFacts);
    let cases: [(&str, Change<'_>, Severity); 16] = [
        ("a file", &|f| f.places[0].state = PlaceState::File, Severity::Error),
        ("not readable", &|f| f.places[0].state = PlaceState::Closed, Severity::Error),
        ("not empty", &|f| f.places[1].state = PlaceState::Dir(vec!["photos".into()]), Severity::Error),
        ("mounted read-only", &|f| f.places[0].read_only = true, Severity::Error),
        ("not writable", &|f| f.places[0].writable = false, Severity::Error),
        ("not writable as root", &|f| (f.places[0].writable, f.root) = (false, Root::Sudo), Severity::Error),
        ("no place for the snapshot", &|f| f.places[2].writable = false, Severity::Error),
        ("places are missing", &|f| f.places.truncate(1), Severity::Error),
        ("another processor", &|f| f.machine = "armv7l".into(), Severity::Error),
        ("another system", &|f| f.system = "FreeBSD".into(), Severity::Error),
        ("a clock behind", &|f| f.skew = -7, Severity::Warning),
        ("an etcd", &|f| f.etcds = vec![(812, "etcd".into())], Severity::Warning),
        ("two etcds", &|f| f.etcds = vec![(812, "etcd".into()), (9, "etcd".into())], Severity::Warning),
        // All are on one filesystem, whose first place counts.
        ("little space at a second place", &|f| f.places[1].free = Some(9), Severity::Warning),
        ("little space on a second filesystem", &mounts, Severity::Error),
        // Two members and the snapshot: three times the file, two logs.
        ("a byte too few", &|f| f.places[2].free = Some(short), Severity::Error),
    ];
    let mut messages = Vec::new();
    for (what, change, severity) in cases {
        let mut facts = fine.clone();
        change(&mut facts);
        let found = evaluate(&plan, &members, &own(), &facts);
        assert!(found.iter().all(|p| p.severity == severity), "{what}: {found:?}");
        assert_eq!(found.is_empty(), what == "little space at a second place", "{what}");
        let text: Vec<&str> = found.iter().map(|p| p.text.as_str()).collect();
        let text =
            text.join("\n").replace(env!("CARGO_PKG_VERSION"), "VERSION").replace(std::env::consts::ARCH, "ARCH");
        messages.push((what, text));
    }
    crate::text::messages::hold("plan-hosts", &messages);
    // An old member's is moved aside.
    for names in [vec![], vec!["lost+found".into()], vec![".requorum-1f2e".into()], vec!["member".into(), "x".into()]] {
        let mut facts = fine.clone();
        facts.places[0].state = PlaceState::Dir(names);
        assert_eq!(evaluate(&plan, &members, &own(), &facts), []);
    }
}

#[test]
fn a_log_that_lies_elsewhere_is_not_overlooked() {
    let mut plan = plan();
    let config = |wal_dir: Option<&str>| ConfigFacts {
        origin: crate::domain::model::observations::config::Origin::File("/etc/systemd/system/etcd.service".into()),
        kind: crate::domain::model::observations::config::ConfigKind::Unit,
        flags: Vec::new(),
        data_dir: Some(plan.members[1].data_dir.clone()),
        wal_dir: wal_dir.map(Into::into),
        automation: Vec::new(),
        notes: Vec::new(),
        runs: Default::default(),
    };
    let (inside, outside) = (config(None), config(Some("/var/wal")));
    let told = |plan: &Plan, config: &ConfigFacts| logs_elsewhere(plan, &[0, 1], &[config.clone(), config.clone()]);
    assert_eq!(told(&plan, &inside), []);
    let found = told(&plan, &outside);
    assert!(matches!(found.as_slice(), [one] if one.row == Some(1) && one.text.contains("/var/wal")), "{found:?}");
    plan.members[1].wal_dir = Some("/var/wal".into());
    assert_eq!(told(&plan, &outside), []);
}
