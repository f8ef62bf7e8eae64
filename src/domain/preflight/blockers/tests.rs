//! Whom to ask, and what follows from what was heard.
#![allow(clippy::unwrap_used, missing_docs)]

use super::*;
use crate::domain::model::old_cluster::{MOST_DOORS, doors};
use crate::domain::{
    members::build_plan,
    model::observations::{
        Answer, Content, EndpointFacts, KnownMember, MemberStatus,
        config::{Automation, Setting},
        disk::{DataDirState, DirState},
    },
};

const OLD: Id = Id(0x4f1c);

fn plan() -> Plan {
    build_plan::build(&build_plan::tests::draft()).unwrap().plan
}

/// The members of the plan, as the old cluster had them: other IDs at the same places.
fn member(n: u64) -> KnownMember {
    KnownMember {
        id: Id(n),
        name: format!("m{n}").into(),
        peer_urls: vec![format!("http://127.0.0.3{n}:2380").into()],
        client_urls: vec![format!("http://127.0.0.3{n}:2379").into()],
        is_learner: false,
    }
}

fn old() -> Old {
    Old {
        members: (1..=3).map(member).collect(),
        clusters: vec![OLD],
        endpoints: Vec::new(),
        removed: Vec::new(),
        newest: None,
    }
}

/// Knocks with `heard` at those doors whose URL contains the first word; nobody is at the others.
fn heard(plan: &Plan, old: &Old, said: &[(&str, ProbeResult)]) -> Observations {
    let answer = |door: &Endpoint| {
        said.iter().find(|(part, _)| door.url.contains(part)).map_or(ProbeResult::Refused, |(_, heard)| heard.clone())
    };
    Observations {
        doors: doors(plan, old).into_iter().map(|d| (d.clone(), answer(&d))).collect(),
        ..Observations::default()
    }
}

fn etcd(cluster: Id) -> ProbeResult {
    ProbeResult::Etcd { cluster: Some(cluster), member: Some(Id(2)), version: "3.5.30".into(), revision: None }
}

#[test]
fn every_old_and_planned_url_is_probed_once() {
    let mut plan = plan();
    plan.members[2].client_urls = vec!["http://127.0.0.99:2379".into()];
    let mut old = old();
    old.members[0].name = "".into();
    old.members[1].name = "m\u{1b}[2J".into();
    old.members[0].peer_urls.push("unix:///run/etcd.sock".into());
    old.endpoints = vec!["127.0.0.31:2379".into(), "127.0.0.77:2379".into()];
    let asked = doors(&plan, &old);
    let urls: Vec<(&str, &str, bool)> = asked.iter().map(|d| (d.url.as_str(), d.whose.as_str(), d.old)).collect();
    assert_eq!(
        urls,
        [
            ("http://127.0.0.31:2379", "1", true),
            ("http://127.0.0.31:2380", "1", true),
            ("http://127.0.0.32:2379", "2", true),
            ("http://127.0.0.32:2380", "2", true),
            ("http://127.0.0.33:2379", "m3", true),
            ("http://127.0.0.33:2380", "m3", true),
            ("127.0.0.77:2379", "127.0.0.77:2379", true),
            ("http://127.0.0.99:2379", "m3", false),
        ]
    );
    let distant = |n: u64| KnownMember {
        id: Id(n),
        client_urls: vec![format!("http://h{n}:2379").into()],
        ..KnownMember::default()
    };
    let crowd = Old { members: (1..5000).map(distant).collect(), ..Old::default() };
    assert_eq!(doors(&plan, &crowd).len(), MOST_DOORS);
}

#[test]
fn what_is_heard_blocks_warns_or_is_nothing() {
    let (plan, old) = (plan(), old());
    let new = plan.cluster_id;
    let unidentified = || ProbeResult::Unidentified("but gives no answer in 3 s".into());
    let unclear = || ProbeResult::Unclear("no answer in 2 s".into());
    // what is heard at m2's client URL and at its peer URL; what must be typed, or only said
    let cases: [(ProbeResult, ProbeResult, Option<Option<&str>>); 12] = [
        (ProbeResult::Refused, ProbeResult::Refused, None),
        (etcd(OLD), etcd(OLD), Some(Some("m2@127.0.0.32"))),
        (etcd(OLD), ProbeResult::Refused, Some(Some("m2@127.0.0.32"))),
        (ProbeResult::Refused, etcd(OLD), Some(Some("m2@127.0.0.32"))),
        (ProbeResult::Refused, unidentified(), Some(Some("m2@127.0.0.32"))),
        (etcd(Id(0x777)), ProbeResult::Refused, Some(Some("m2@127.0.0.32"))),
        (
            ProbeResult::Etcd { cluster: None, member: None, version: "3.5.1".into(), revision: None },
            ProbeResult::Refused,
            Some(Some("m2@127.0.0.32")),
        ),
        (unclear(), ProbeResult::Refused, Some(None)),
        (ProbeResult::Refused, ProbeResult::Stranger("an HTTP server (404)".into()), Some(None)),
        (etcd(new), etcd(new), None),
        (etcd(new), unidentified(), None),
        (etcd(new), etcd(OLD), Some(Some("m2@127.0.0.32"))),
    ];
    for (client, peer, expected) in cases {
        let said = [("32:2379", client.clone()), ("32:2380", peer.clone())];
        let found = fences(&plan, &old, &heard(&plan, &old, &said));
        let typed: Vec<Option<&str>> = found.iter().map(|f| f.typed.as_deref()).collect();
        assert_eq!(typed, expected.into_iter().collect::<Vec<_>>(), "{client:?} {peer:?}");
        if let [fence] = &found[..] {
            assert!(fence.sentence().contains("m2"), "{fence:?}");
            assert_eq!(fence.blocks(&[]), fence.typed.is_some());
            assert!(!fence.blocks(&["m2@127.0.0.32".into()]));
            assert_eq!(fence.blocks(&["y".into(), "m1@127.0.0.31".into()]), fence.typed.is_some());
        }
    }
}

#[test]
fn an_id_proves_nothing_under_the_old_token() {
    let plan = plan();
    for old in [
        Old { clusters: vec![plan.cluster_id], ..old() },
        Old { members: vec![KnownMember { id: plan.members[1].id, ..member(2) }], ..Old::default() },
    ] {
        let found = fences(&plan, &old, &heard(&plan, &old, &[("32:", etcd(plan.cluster_id))]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|fence| fence.blocks(&[])));
        // The old token is in the way by itself, whether or not unidentified answers.
        let quiet = fences(&plan, &old, &heard(&plan, &old, &[]));
        assert_eq!(quiet.len(), 1, "{quiet:?}");
        assert_eq!(quiet[0].typed, Some(format!("old-token@{}", plan.cluster_id)));
    }
}

#[test]
fn revisions_of_old_members_are_not_reused() {
    let mut plan = plan();
    let first = plan.expected_revision();
    let at = |cluster, revision| ProbeResult::Etcd {
        cluster: Some(cluster),
        member: Some(Id(2)),
        version: "3.5.30".into(),
        revision: Some(revision),
    };
    let words = || revisions::twice_words("m2", 90_579, 6_780);
    let text = Some(format!("reuse-revisions@{first}"));
    let found = |plan: &Plan, clients: &[revisions::Client], heard_at: ProbeResult| {
        let seen = Observations { clients: clients.to_vec(), ..heard(plan, &old(), &[("32:2379", heard_at)]) };
        let found = fences(plan, &old(), &seen);
        let twice = |fence: &Blocker| fence.typed == text || fence.what == words();
        found.into_iter().find(twice).map(|fence| (fence.what.clone(), fence.typed))
    };
    let kubernetes = [revisions::Client::Kubernetes];
    assert_eq!(first + 6_780, 90_579);
    assert_eq!(found(&plan, &kubernetes, at(OLD, first + 6_780)), Some((words(), text.clone())));
    assert_eq!(found(&plan, &[], at(OLD, first + 6_780)), Some((words(), None)), "without such clients it only warns");
    assert_eq!(found(&plan, &kubernetes, at(OLD, first)), None);
    assert_eq!(found(&plan, &kubernetes, at(plan.cluster_id, first + 6_780)), None, "a member of this plan");
    plan.bump_revision = 6_780;
    assert_eq!(found(&plan, &kubernetes, at(OLD, first + 6_780)), None);
    // What the plan knows counts, too, when nobody answers any more.
    plan.bump_revision = 0;
    plan.revisions.newest = Some(revisions::KnownRevision { revision: first + 6_780, from: "m2".into() });
    assert_eq!(found(&plan, &kubernetes, ProbeResult::Refused), Some((words(), text)));
}

#[test]
fn a_listener_at_a_new_url_blocks() {
    let plan = plan();
    let nobody_known = Old::default();
    let found = fences(&plan, &nobody_known, &heard(&plan, &nobody_known, &[("33:2380", etcd(OLD))]));
    assert_eq!(found[0].what, "something already answers on 127.0.0.33, where m3 is to listen");
    let dark = heard(&plan, &nobody_known, &[("33:2380", ProbeResult::Unclear("no route to host".into()))]);
    assert_eq!(fences(&plan, &nobody_known, &dark), []);
}

fn dir(path: &str, held: Held, state: DirState) -> DirFacts {
    DirFacts { data_dir: path.into(), wal_dir: None, learned_from: String::new(), held, state }
}

fn by(pid: Option<u32>) -> Held {
    Held::By { pid, program: "etcd".into() }
}

/// A whole directory of this member.
pub(crate) fn of_member(cluster: Id, member: Id) -> DirState {
    DirState::Whole(Box::new(DataDirState {
        cluster_id: cluster,
        member_id: member,
        term: 2,
        vote: Id(0),
        commit: 9,
        first_index: 1,
        last_index: 9,
        last_term: 2,
        torn: None,
        snap_index: 0,
        consistent_index: 9,
        consistent_term: None,
        writes_beyond: None,
        revision: 4,
        database: crate::domain::model::observations::FileFacts {
            path: "/db".into(),
            bytes: 1,
            modified: None,
            health: crate::domain::model::observations::Health::Unread,
            content: None,
        },
        received_db: None,
        members: Vec::new(),
        v2_keys: 0,
        etcd: None,
        written: None,
        warnings: Vec::new(),
    }))
}

fn config(kind: ConfigKind, active: bool) -> ConfigFacts {
    ConfigFacts {
        origin: Origin::File("/etc/systemd/system/etcd.service".into()),
        kind,
        flags: Vec::new(),
        data_dir: Some("/var/lib/etcd".into()),
        wal_dir: None,
        automation: vec![Automation {
            names_file: false,
            what: "systemd starts etcd.service again whenever it ends (Restart=always)".into(),
            active,
            pause: "systemctl stop etcd.service".into(),
            resume: String::new(),
        }],
        notes: Vec::new(),
        runs: Default::default(),
    }
}

#[test]
fn held_directories_block_and_automation_is_listed() {
    let (plan, old) = (plan(), old());
    let unit =
        |kind, active, facts| Observations { configs: vec![(config(kind, active), facts)], ..Observations::default() };
    let target = |held, state| Observations {
        targets: vec![dir("/var/lib/etcd/m1.etcd", held, state)],
        ..Observations::default()
    };
    let lives = |cluster| Some(dir("/var/lib/etcd", by(Some(812)), of_member(cluster, Id(99))));
    let mut messages = Vec::new();
    for (seen, typed, what) in [
        (target(by(Some(812)), DirState::Empty), Some("/var/lib/etcd/m1.etcd"), "in use"),
        (target(by(None), DirState::Empty), Some("/var/lib/etcd/m1.etcd"), "in use by an unseen process"),
        (target(Held::No, DirState::Empty), None, ""),
        (target(Held::Unknown("it cannot be read".into()), DirState::Empty), None, "in use or not is unknown"),
        (target(Held::Unknown("it cannot be read".into()), DirState::Absent), None, ""),
        (unit(ConfigKind::Unit, true, None), None, "a unit"),
        (unit(ConfigKind::Unit, false, None), None, ""),
        // a running process is its own fence, by its URLs and its directory
        (unit(ConfigKind::Process, true, None), None, ""),
        (unit(ConfigKind::Process, true, lives(OLD)), Some("/var/lib/etcd"), "a process of the old cluster"),
        (unit(ConfigKind::Unit, true, lives(Id(0x777))), None, ""),
        (unit(ConfigKind::Unit, true, lives(plan.cluster_id)), None, ""),
    ] {
        let found = fences(&plan, &old, &seen);
        let told: Vec<(Option<&str>, String)> = found.iter().map(|f| (f.typed.as_deref(), f.sentence())).collect();
        match (what, &told[..]) {
            ("", told) => assert_eq!(told, [], "{seen:?}"),
            (what, [(text, sentence)]) => {
                assert_eq!(*text, typed, "{what}: {told:?}");
                messages.push((what, sentence.clone()));
            }
            (what, told) => panic!("{what}: {told:?}"),
        }
    }
    crate::text::messages::hold("preflight-fences", &messages);
    let mut one = heard(
        &plan,
        &old,
        &[(
            "32:2379",
            ProbeResult::Etcd { cluster: Some(OLD), member: Some(Id(99)), version: String::new(), revision: None },
        )],
    );
    one.configs = unit(ConfigKind::Process, true, lives(OLD)).configs;
    let one = fences(&plan, &old, &one);
    assert!(one.len() == 1 && one[0].evidence[1].contains("812"), "{one:?}");
    let both = fences(&plan, &old, &unit(ConfigKind::Unit, true, lives(OLD)));
    let texts: Vec<Option<&str>> = both.iter().map(|f| f.typed.as_deref()).collect();
    assert_eq!(texts, [Some("/var/lib/etcd"), None], "what blocks comes first");
    assert_eq!(both[1].lift.to_string(), "Pause it: `systemctl stop etcd.service`");
}

#[test]
fn the_old_cluster_combines_all_sources() {
    let content =
        Content { members: vec![KnownMember { client_urls: vec![], ..member(1) }, member(2)], ..Content::default() };
    let says = MemberStatus { cluster_id: OLD, members: vec![member(2), member(3)], ..MemberStatus::default() };
    let answer = EndpointFacts { endpoint: "x".into(), answer: Answer::Says(Box::new(says)) };
    let mut old = Old::new(Some(&content), &[answer], &["http://127.0.0.31:2379".into()]);
    let names = |old: &Old| old.members.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&old), ["m2", "m3", "m1"]);
    assert_eq!((old.clusters.len(), old.clusters.contains(&OLD)), (2, true));
    let setting = |flag: &str, value: &str| Setting { flag: flag.into(), value: value.into(), from: String::new() };
    let mut known = config(ConfigKind::Unit, true);
    known.flags = vec![
        setting("initial-advertise-peer-urls", "http://127.0.0.31:2380"),
        setting("advertise-client-urls", "http://127.0.0.31:4001"),
    ];
    old.configured(&known);
    assert_eq!(old.members[2].client_urls, ["http://127.0.0.31:4001"]);
    let mut strange = known.clone();
    strange.flags = vec![setting("advertise-client-urls", "http://10.9.9.9:2379")];
    let before = old.clone();
    old.configured(&strange);
    assert_eq!(old, before, "another cluster's etcd on this machine adds nothing");
}
