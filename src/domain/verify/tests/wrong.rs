//! Each way to be wrong, by a table: which check says so, and in which words.

use super::*;
use crate::domain::preflight::blockers::tests::of_member;

#[test]
fn each_way_to_be_wrong_is_named() {
    let from = plan().expected_revision();
    assert_eq!(from, 83_799);
    let cases: Vec<(&str, Change, Topic, &str)> = vec![
        (
            "another snapshot",
            |_, s| said(s, 2).hash = Hashed::Says { hash: 0x77aa_02c1, revision: 83_799, compacted: -1 },
            Topic::Hash,
            "m3 was restored from another snapshot (HashKV at revision 83,799: m1 and m2 9f3c11aa, m3 77aa02c1)",
        ),
        (
            "the majority is wrong",
            |_, s| {
                for at in [1, 2] {
                    said(s, at).hash = Hashed::Says { hash: 0x77aa_02c1, revision: 83_799, compacted: -1 };
                }
            },
            Topic::Hash,
            "m2 and m3 were restored from another snapshot",
        ),
        (
            "all are wrong",
            |_, s| (0..3).for_each(|at| said(s, at).hash = Hashed::Says { hash: 1, revision: 83_799, compacted: -1 }),
            Topic::Snapshot,
            "m1, m2 and m3 do not hold the plan's snapshot /backup/etcd-0200.db (its HashKV is 9f3c11aa)",
        ),
        (
            "older",
            |_, s| {
                said(s, 2).revision = 80_000;
                said(s, 2).hash = Hashed::NotAsked
            },
            Topic::Revision,
            "m3 was restored from another, older snapshot: it is at revision 80,000, and the plan begins at 83,799",
        ),
        (
            "empty",
            |_, s| {
                said(s, 2).revision = 1;
                said(s, 2).hash = Hashed::NotAsked
            },
            Topic::Revision,
            "m3 was started on an empty data directory and holds none of the snapshot's data",
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
            "m3 was started on an empty data directory",
        ),
        (
            "newer",
            |_, s| said(s, 2).revision += 100,
            Topic::Revision,
            "m3 was restored from another, newer snapshot: it is at revision 83,899, to which 6 log entries since the restore cannot lead",
        ),
        (
            "a little newer",
            |_, s| said(s, 2).revision += 1,
            Topic::Revision,
            "m3 was restored from another snapshot or left from another run of the plan: after the same log m3 at revision 83,800, m1 at revision 83,799 and m2 at revision 83,799",
        ),
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
            "m3's place is taken by the old cluster: member 7 of cluster 9 answers at http://127.0.0.33:2379",
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
            "is in use with an old log, /old/wal: --wal-dir was left as it was",
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
            "holds the old cluster's data and is in use",
        ),
        (
            "default token",
            |p, s| said(s, 2).cluster_id_from(&[member_id(&p.members[2].peer_urls, "etcd-cluster"), Id(1)]),
            Topic::Identity,
            "m3 was restored with etcd's default token etcd-cluster, not the plan's spec-token",
        ),
        (
            "defaults",
            |_, s| said(s, 2).cluster_id_from(&[member_id(&["http://localhost:2380".into()], "etcd-cluster")]),
            Topic::Identity,
            "m3 was restored with etcd's defaults (member 8e9e05c52164694d of cluster cdf818194e3a8c32)",
        ),
        (
            "alone",
            |p, s| said(s, 2).cluster_id_from(&[p.members[2].id]),
            Topic::Identity,
            "m3 was restored with itself alone in --initial-cluster",
        ),
        (
            "another table",
            |p, s| said(s, 2).cluster_id_from(&[p.members[2].id, Id(5)]),
            Topic::Identity,
            "m3 was restored with another --initial-cluster than the plan's",
        ),
        (
            "another token",
            |p, s| said(s, 2).cluster_id_from(&[member_id(&p.members[2].peer_urls, "x"), Id(5)]),
            Topic::Identity,
            "m3 was restored with another token than the plan's spec-token",
        ),
        (
            "a stranger",
            |_, s| {
                said(s, 2).members.clear();
                (said(s, 2).cluster_id, said(s, 2).member_id) = (Id(9), Id(7))
            },
            Topic::Identity,
            "another cluster answers at m3's URL http://127.0.0.33:2379: member 7 of cluster 9",
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
            "m3 was restored with another token than the plan's spec-token (member 7 of cluster 9)",
        ),
        (
            "mixed up",
            |p, s| said(s, 2).member_id = p.members[0].id,
            Topic::Identity,
            "m1, member cfa01bbb22abcc1b of cluster e88e3c40b93f9f54, answers at m3's URL",
        ),
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
            "m9 of the old cluster still answers on 10.0.0.9",
        ),
        (
            "a learner",
            |_, s| said(s, 0).members[2].is_learner = true,
            Topic::Members,
            "m3 is a learner and has no vote",
        ),
        (
            "another name",
            |_, s| said(s, 0).members[2].name = "default".into(),
            Topic::Members,
            "m3 calls itself default",
        ),
        (
            "another peer URL",
            |_, s| said(s, 0).members[2].peer_urls = vec!["http://10.9.9.9:2380".into()],
            Topic::Members,
            "m3 is listed at http://10.9.9.9:2380, not at http://127.0.0.33:2380",
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
            "member 5 at http://a:1 is not in the plan",
        ),
        (
            "a member less",
            |_, s| {
                said(s, 1).members.pop();
            },
            Topic::Members,
            "m2 does not list m3",
        ),
        (
            "an old alarm",
            |_, s| said(s, 0).alarms = vec![Alarm { member: Id(7), kind: "NOSPACE".into() }],
            Topic::Alarms,
            "NOSPACE is raised for member 7, which no longer exists: it came with the snapshot",
        ),
        (
            "an alarm that only the quorum lists",
            |p, s| s.alarms = Queried::Is(vec![Alarm { member: p.members[0].id, kind: "CORRUPT".into() }]),
            Topic::Alarms,
            "CORRUPT is raised for m1",
        ),
        (
            "full",
            |_, s| said(s, 0).quota_bytes = Some(1 << 20),
            Topic::Quota,
            "the database of m1 has reached its quota",
        ),
        (
            "another directory",
            |p, s| {
                s.members[2].dir = Some(dir(p, 2, Held::No));
                s.members[2].process = Some(Process { pid: 812, data_dir: "/mistyped".into(), wal_dir: None });
            },
            Topic::Directories,
            "m3 (process 812) runs on /mistyped, not on its restored directory /var/lib/etcd/m3.etcd",
        ),
        (
            "a failed canary",
            |_, s| s.canary = Canary::Failed { key: "requorum/canary/x".into(), why: "put: no".into(), left: true },
            Topic::Canary,
            "writing requorum/canary/x failed: put: no",
        ),
        (
            "a deaf watch",
            |_, s| s.canary = Canary::Done { key: "k".into(), revision: 1, read: Vec::new(), watched: false },
            Topic::Canary,
            "a watch opened before did not see it",
        ),
    ];
    for (name, change, topic, words) in cases {
        let plan = plan();
        let mut seen = good(&plan);
        change(&plan, &mut seen);
        let proof = check(&plan, &seen, &Queried::Not);
        assert_eq!((proof.verdict, proof.verdict.exit_code()), (VerifyResult::Failed, 16), "{name}: {proof:#?}");
        let found = proof.check(topic).unwrap();
        let told = format!("{} {}", found.words, found.todo.join(" "));
        assert!(found.outcome == Outcome::Fail && told.contains(words), "{name}: {words:?} is not in {told:?}");
        assert!(proof.settled() || name == "by the peer port" || name == "mixed up", "{name} is worth no waiting");
        assert!(!found.todo.is_empty() || topic == Topic::Members, "{name}: what is to be done?");
        for stand in proof.members.iter().filter(|stand| found.who.contains(&stand.name)) {
            assert_eq!(stand.outcome, Outcome::Fail, "{name}: {stand:?}");
        }
        let about_one =
            matches!(topic, Topic::Identity | Topic::Hash | Topic::Snapshot | Topic::Revision | Topic::Directories);
        assert_eq!(!found.who.is_empty(), about_one, "{name}: {:?}", found.who);
    }
}

impl MemberStatus {
    /// As the first of these members, in a cluster of them, as it would say itself.
    fn cluster_id_from(&mut self, ids: &[Id]) {
        (self.cluster_id, self.member_id) = (cluster_id(ids), ids[0]);
    }
}
