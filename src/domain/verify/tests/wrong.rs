//! Each way to be wrong, by a table: which check says so.

use super::*;
use crate::domain::preflight::blockers::tests::of_member;

#[test]
fn each_way_to_be_wrong_is_named() {
    let from = plan().expected_revision();
    assert_eq!(from, 83_799);
    let cases: Vec<(&str, Change, Topic)> = vec![
        (
            "another snapshot",
            |_, s| said(s, 2).hash = Hashed::Says { hash: 0x77aa_02c1, revision: 83_799, compacted: -1 },
            Topic::Hash,
        ),
        (
            "the majority is wrong",
            |_, s| {
                for at in [1, 2] {
                    said(s, at).hash = Hashed::Says { hash: 0x77aa_02c1, revision: 83_799, compacted: -1 };
                }
            },
            Topic::Hash,
        ),
        (
            "all are wrong",
            |_, s| (0..3).for_each(|at| said(s, at).hash = Hashed::Says { hash: 1, revision: 83_799, compacted: -1 }),
            Topic::Snapshot,
        ),
        (
            "older",
            |_, s| {
                said(s, 2).revision = 80_000;
                said(s, 2).hash = Hashed::NotAsked
            },
            Topic::Revision,
        ),
        (
            "empty",
            |_, s| {
                said(s, 2).revision = 1;
                said(s, 2).hash = Hashed::NotAsked
            },
            Topic::Revision,
        ),
        (
            "empty, and written since",
            |_, s| {
                for at in 0..3 {
                    (said(s, at).raft_applied, said(s, at).raft_index) = (60, 60);
                    said(s, at).revision += 40;
                }
                said(s, 2).revision = 41;
            },
            Topic::Revision,
        ),
        ("newer", |_, s| said(s, 2).revision += 100, Topic::Revision),
        ("a little newer", |_, s| said(s, 2).revision += 1, Topic::Revision),
        (
            "the old cluster",
            |p, s| {
                s.old = Old {
                    members: vec![KnownMember { id: Id(7), name: "m3".into(), ..KnownMember::default() }],
                    ..Old::default()
                };
                (said(s, 2).cluster_id, said(s, 2).member_id) = (Id(9), Id(7));
                let _ = p;
            },
            Topic::Identity,
        ),
        (
            "old log",
            |p, s| {
                s.old = Old { clusters: vec![Id(9)], ..Old::default() };
                (said(s, 2).cluster_id, said(s, 2).member_id) = (Id(9), Id(7));
                s.members[2].dir = Some(dir(p, 2, held()));
                s.members[2].process = Some(Process {
                    pid: 812,
                    data_dir: p.members[2].data_dir.clone(),
                    wal_dir: Some("/old/wal".into()),
                });
            },
            Topic::Identity,
        ),
        (
            "old directory",
            |p, s| {
                s.old = Old { clusters: vec![Id(9)], ..Old::default() };
                (said(s, 2).cluster_id, said(s, 2).member_id) = (Id(9), Id(7));
                let state = of_member(Id(9), Id(7));
                s.members[2].dir = Some(DirFacts { state, ..dir(p, 2, held()) });
            },
            Topic::Identity,
        ),
        (
            "default token",
            |p, s| said(s, 2).cluster_id_from(&[member_id(&p.members[2].peer_urls, "etcd-cluster"), Id(1)]),
            Topic::Identity,
        ),
        (
            "defaults",
            |_, s| said(s, 2).cluster_id_from(&[member_id(&["http://localhost:2380".into()], "etcd-cluster")]),
            Topic::Identity,
        ),
        ("alone", |p, s| said(s, 2).cluster_id_from(&[p.members[2].id]), Topic::Identity),
        ("another table", |p, s| said(s, 2).cluster_id_from(&[p.members[2].id, Id(5)]), Topic::Identity),
        (
            "another token",
            |p, s| said(s, 2).cluster_id_from(&[member_id(&p.members[2].peer_urls, "x"), Id(5)]),
            Topic::Identity,
        ),
        (
            "a stranger",
            |_, s| {
                said(s, 2).members.clear();
                (said(s, 2).cluster_id, said(s, 2).member_id) = (Id(9), Id(7))
            },
            Topic::Identity,
        ),
        (
            "by the peer port",
            |_, s| {
                let says = said(s, 2);
                (says.cluster_id, says.heard, says.closed) =
                    (Id(9), vec![Source::Peer], Some("connection refused".into()));
                says.members[2].id = Id(7);
            },
            Topic::Identity,
        ),
        ("mixed up", |p, s| said(s, 2).member_id = p.members[0].id, Topic::Identity),
        (
            "an old URL",
            |_, s| {
                s.doors = vec![(
                    Endpoint {
                        url: "http://10.0.0.9:2379".into(),
                        kind: EndpointKind::Client,
                        whose: "m9".into(),
                        old: true,
                    },
                    ProbeResult::Etcd {
                        cluster: Some(Id(9)),
                        member: Some(Id(7)),
                        version: "3.5.9".into(),
                        revision: None,
                    },
                )]
            },
            Topic::Old,
        ),
        ("a learner", |_, s| said(s, 0).members[2].is_learner = true, Topic::Members),
        ("another name", |_, s| said(s, 0).members[2].name = "default".into(), Topic::Members),
        (
            "another peer URL",
            |_, s| said(s, 0).members[2].peer_urls = vec!["http://10.9.9.9:2380".into()],
            Topic::Members,
        ),
        (
            "a member more",
            |_, s| {
                said(s, 1).members.push(KnownMember {
                    id: Id(5),
                    peer_urls: vec!["http://a:1".into()],
                    ..KnownMember::default()
                })
            },
            Topic::Members,
        ),
        (
            "a member less",
            |_, s| {
                said(s, 1).members.pop();
            },
            Topic::Members,
        ),
        (
            "an old alarm",
            |_, s| said(s, 0).alarms = vec![Alarm { member: Id(7), kind: "NOSPACE".into() }],
            Topic::Alarms,
        ),
        (
            "an alarm that only the quorum lists",
            |p, s| s.alarms = Queried::Is(vec![Alarm { member: p.members[0].id, kind: "CORRUPT".into() }]),
            Topic::Alarms,
        ),
        ("full", |_, s| said(s, 0).quota_bytes = Some(1 << 20), Topic::Quota),
        (
            "another directory",
            |p, s| {
                s.members[2].dir = Some(dir(p, 2, Held::No));
                s.members[2].process = Some(Process { pid: 812, data_dir: "/mistyped".into(), wal_dir: None });
            },
            Topic::Directories,
        ),
        (
            "a failed canary",
            |_, s| s.canary = Canary::Failed { key: "requorum/canary/x".into(), why: "put: no".into(), left: true },
            Topic::Canary,
        ),
        (
            "a deaf watch",
            |_, s| s.canary = Canary::Done { key: "k".into(), revision: 1, read: Vec::new(), watched: false },
            Topic::Canary,
        ),
    ];
    let mut messages = Vec::new();
    for (name, change, topic) in cases {
        let plan = plan();
        let mut seen = good(&plan);
        change(&plan, &mut seen);
        let proof = check(&plan, &seen, &Queried::Not);
        assert_eq!((proof.verdict, proof.verdict.exit_code()), (VerifyResult::Failed, 16), "{name}: {proof:#?}");
        let found = proof.check(topic).unwrap();
        let told = format!("{}\n{}", found.words, found.todo.join("\n"));
        assert_eq!(found.outcome, Outcome::Fail, "{name}: {told}");
        messages.push((name, told));
        assert!(proof.settled() || name == "by the peer port" || name == "mixed up", "{name} is worth no waiting");
        assert!(!found.todo.is_empty() || topic == Topic::Members, "{name}: what is to be done?");
        for stand in proof.members.iter().filter(|stand| found.who.contains(&stand.name)) {
            assert_eq!(stand.outcome, Outcome::Fail, "{name}: {stand:?}");
        }
        let about_one =
            matches!(topic, Topic::Identity | Topic::Hash | Topic::Snapshot | Topic::Revision | Topic::Directories);
        assert_eq!(!found.who.is_empty(), about_one, "{name}: {:?}", found.who);
    }
    crate::text::messages::hold("verify-wrong", &messages);
}

impl MemberStatus {
    /// As the first of these members, in a cluster of them, as it would say itself.
    fn cluster_id_from(&mut self, ids: &[Id]) {
        (self.cluster_id, self.member_id) = (cluster_id(ids), ids[0]);
    }
}
