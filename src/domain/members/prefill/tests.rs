//! Which members are proposed, from where each cell comes, labels and tokens.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::domain::members::{table::Severity, validate::check};

fn member(id: u64, name: &str, peer: &str, client: &str) -> KnownMember {
    let list = |text: &str| text.split(',').filter(|t| !t.is_empty()).map(Into::into).collect();
    KnownMember { id: Id(id), name: name.into(), peer_urls: list(peer), client_urls: list(client), is_learner: false }
}

fn answer(index: u64, members: Vec<KnownMember>) -> EndpointFacts {
    let says = MemberStatus { cluster_id: Id(0x4f1c_aaaa), raft_index: index, members, ..MemberStatus::default() };
    EndpointFacts { endpoint: format!("http://e{index}:2379"), answer: Answer::Says(Box::new(says)) }
}

fn snapshot(members: Vec<KnownMember>) -> Content {
    Content { members, ..Content::default() }
}

fn texts(rows: &[Row], column: Column) -> Vec<(&str, Origin)> {
    rows.iter().map(|r| (r.text(column), r.cell(column).origin)).collect()
}

const BASE: &str = "/var/lib/etcd";

#[test]
fn snapshot_and_answers_together_in_natural_order() {
    let content = snapshot(vec![
        member(10, "m10", "http://10.0.0.10:2380", "http://10.0.0.10:2379"),
        member(2, "m2", "http://10.0.0.2:2380", ""),
        member(1, "m1", "http://old:2380", "http://old:2379"),
    ]);
    let newer = answer(9, vec![member(1, "m1", "https://new:2380", "")]);
    let older = answer(8, vec![member(1, "m1", "https://between:2380", "https://between:2379")]);
    let rows = rows(Some(&content), &[newer, older], Path::new(BASE));
    use Origin::{Answer, Proposed, Snapshot};
    assert_eq!(texts(&rows, Column::Name), [("m1", Answer), ("m2", Snapshot), ("m10", Snapshot)]);
    assert_eq!(
        texts(&rows, Column::Peer),
        [("https://new:2380", Answer), ("http://10.0.0.2:2380", Snapshot), ("http://10.0.0.10:2380", Snapshot)]
    );
    assert_eq!(
        texts(&rows, Column::Client),
        [("https://between:2379", Answer), ("http://10.0.0.2:2379", Proposed), ("http://10.0.0.10:2379", Snapshot)]
    );
    assert_eq!(texts(&rows, Column::DataDir)[2], ("/var/lib/etcd/m10.etcd", Proposed));
    assert_eq!(texts(&rows, Column::Flags)[0].0, "");
}

fn flags(origin: &str, list: &[(&str, &str)]) -> Vec<Flag> {
    list.iter().map(|(n, v)| Flag { origin: origin.into(), name: (*n).into(), value: (*v).into() }).collect()
}

fn filled(
    content: Option<&Content>,
    answers: &[EndpointFacts],
    config: &[Flag],
    inventory: &[InventoryHost],
) -> Filled {
    fill(&Sources {
        content,
        cluster: None,
        keep_learners: false,
        answers,
        config,
        inventory,
        base_dir: Path::new(BASE),
    })
}

#[test]
fn sources_that_disagree_stand_side_by_side() {
    let content =
        snapshot(vec![member(1, "m1", "http://old:2380", "http://a:2379"), member(2, "m2", "http://b:2380", "")]);
    let answers = [answer(9, vec![member(1, "m1", "http://new:2380", "http://a:2379")])];
    let config = flags(
        "/etc/etcd.conf",
        &[("name", "m1"), ("initial-advertise-peer-urls", "http://conf:2380"), ("data-dir", "/var/lib/etcd")],
    );
    let rows = filled(Some(&content), &answers, &config, &[]).rows;
    let cell = rows[0].cell(Column::Peer);
    let choices: Vec<(&str, Vec<&str>)> = cell.choices().into_iter().map(|(c, from)| (c.text.as_str(), from)).collect();
    assert_eq!(
        choices,
        [
            ("http://new:2380", vec!["http://e9:2379's answer"]),
            ("http://old:2380", vec!["the snapshot"]),
            ("http://conf:2380", vec!["/etc/etcd.conf"]),
        ]
    );
    assert!(cell.disputed() && cell.text == "http://new:2380");
    assert!(!rows[0].cell(Column::Client).disputed() && !rows[1].cell(Column::Peer).disputed());
    // The old data directory is a choice, and no dispute: a proposal is no source.
    let dir = rows[0].cell(Column::DataDir);
    assert_eq!((dir.text.as_str(), dir.disputed()), ("/var/lib/etcd/m1.etcd", false));
    assert_eq!(dir.other().map(|c| c.text.as_str()), Some("/var/lib/etcd"));
}

#[test]
fn configurations_fill_what_nobody_else_told() {
    let content = snapshot(vec![member(1, "m1", "https://a:2380", ""), member(2, "m2", "https://b:2380", "")]);
    let mut config = flags(
        "a:/etc/etcd.conf.yml",
        &[
            ("name", "default"),
            ("initial-advertise-peer-urls", "https://a:2380"),
            ("advertise-client-urls", "https://a:2379"),
            ("listen-client-urls", "https://0.0.0.0:2379"),
            ("initial-cluster", "m1=https://a:2380,gone=https://gone:2380"),
            ("cert-file", "/pki/a b.crt"),
            ("--peer-key-file", "/pki/p.key"),
            ("force-new-cluster", "true"),
        ],
    );
    let filled_rows = filled(Some(&content), &[], &config, &[]).rows;
    assert_eq!(texts(&filled_rows, Column::Name), [("m1", Origin::Snapshot), ("m2", Origin::Snapshot)]);
    assert_eq!(
        texts(&filled_rows, Column::Client),
        [("https://a:2379", Origin::Config), ("https://b:2379", Origin::Proposed)]
    );
    assert_eq!(
        texts(&filled_rows, Column::Flags)[0],
        (
            "--listen-client-urls=https://0.0.0.0:2379 '--cert-file=/pki/a b.crt' --peer-key-file=/pki/p.key",
            Origin::Config
        )
    );
    // Without snapshot and answers, configurations say who there is.
    config.extend(flags("b:/etc/etcd.conf.yml", &[("name", "m2"), ("initial-advertise-peer-urls", "https://b:2380")]));
    let alone = filled(None, &[], &config, &[]).rows;
    assert_eq!(texts(&alone, Column::Name), [("gone", Origin::Config), ("m1", Origin::Config), ("m2", Origin::Config)]);
    assert_eq!(alone[2].text(Column::DataDir), "/var/lib/etcd/m2.etcd");
}

#[test]
fn the_inventory_names_the_new_members() {
    let content = snapshot(vec![
        member(1, "m1", "https://10.0.0.1:2380", "https://10.0.0.1:2379"),
        member(2, "m2", "https://10.0.0.2:2381", "https://10.0.0.2:2379"),
        member(3, "m3", "https://10.0.0.3:2380", ""),
    ]);
    let entry =
        |name: &str, host: &str| InventoryHost { name: name.into(), host: host.into(), ..InventoryHost::default() };
    let list = [
        InventoryHost { data_dir: "/disk/m2".into(), ..entry("m2", "10.0.0.22") },
        InventoryHost { host_name_only: true, ..entry("node1", "10.0.0.1") },
        InventoryHost { peer_urls: "https://h9:2380".into(), ..entry("m9", "") },
        entry("m10", "h10"),
    ];
    let filled = filled(Some(&content), &[], &[], &list);
    assert_eq!(filled.notes, ["m3 is not in the inventory and is left out of the table"]);
    use Origin::{Inventory, Proposed, Snapshot};
    assert_eq!(
        texts(&filled.rows, Column::Name),
        [("m2", Inventory), ("m1", Snapshot), ("m9", Inventory), ("m10", Inventory)]
    );
    assert_eq!(
        texts(&filled.rows, Column::Peer),
        [
            ("https://10.0.0.22:2381", Inventory),
            ("https://10.0.0.1:2380", Snapshot),
            ("https://h9:2380", Inventory),
            ("https://h10:2380", Inventory)
        ]
    );
    assert_eq!(
        texts(&filled.rows, Column::Client),
        [
            ("https://10.0.0.22:2379", Inventory),
            ("https://10.0.0.1:2379", Snapshot),
            ("https://h9:2379", Proposed),
            ("https://h10:2379", Inventory)
        ]
    );
    assert_eq!(texts(&filled.rows, Column::DataDir)[0], ("/disk/m2", Inventory));
    assert_eq!(texts(&filled.rows, Column::DataDir)[1], ("/var/lib/etcd/m1.etcd", Proposed));
    assert!(filled.rows[0].cell(Column::Peer).disputed(), "the snapshot still says another host");
    // With nothing known of the scheme, the table asks.
    let bare = self::filled(None, &[], &[], &list[3..]);
    assert_eq!(bare.rows[0].text(Column::Peer), "h10");
}

#[test]
fn learners_stay_out_and_nameless_members_get_names() {
    let mut learner = member(4, "m4", "http://d:2380", "");
    learner.is_learner = true;
    let content = snapshot(vec![
        member(1, "m1", "http://a:2380", ""),
        member(2, "", "http://b:2380,http://[::2]:2380", ""),
        member(3, "m3", "http://c:2380", ""),
        learner,
    ]);
    let rows = rows(Some(&content), &[], Path::new(BASE));
    assert_eq!(
        texts(&rows, Column::Name),
        [("m1", Origin::Snapshot), ("m2", Origin::Proposed), ("m3", Origin::Snapshot)]
    );
    assert_eq!(rows[1].text(Column::Client), "http://b:2379,http://[::2]:2379");
    assert!(!check(&rows, "tok").iter().any(|p| p.severity == Severity::Error));
}

#[test]
fn learners_are_named_and_kept_on_request() {
    let learner =
        |id, name: &str, n: u64| KnownMember { is_learner: true, ..member(id, name, &format!("http://d{n}:2380"), "") };
    let content = snapshot(vec![member(1, "m1", "http://a:2380", ""), learner(4, "m4", 4), learner(5, "", 5)]);
    let of = |keep_learners, inventory: &[InventoryHost]| {
        fill(&Sources {
            content: Some(&content),
            cluster: None,
            keep_learners,
            answers: &[],
            config: &[],
            inventory,
            base_dir: Path::new(BASE),
        })
    };
    let names = |rows: &[Row]| rows.iter().map(|r| r.text(Column::Name).to_string()).collect::<Vec<_>>();
    let (left, kept) = (of(false, &[]), of(true, &[]));
    assert_eq!((names(&left.rows), names(&left.learners)), (vec!["m1".into()], vec!["m2".into(), "m4".into()]));
    assert_eq!(names(&kept.rows), ["m1", "m2", "m4"]);
    assert!(!check(&kept.rows, "tok").iter().any(|p| p.severity == Severity::Error), "each with all its cells");
    // an inventory that names one has what the snapshot knows of it
    let inventory = ["m1", "m4"].map(|name| InventoryHost { name: name.into(), ..InventoryHost::default() });
    let named = of(false, &inventory).rows;
    assert_eq!((names(&named), named[1].text(Column::Peer)), (vec!["m1".into(), "m4".into()], "http://d4:2380"));
    for (rows, wanted) in [
        (&left.rows, vec!["m4".to_string(), Id(5).to_string()]),
        (&kept.rows, vec![]),
        (&named, vec![Id(5).to_string()]),
    ] {
        assert_eq!(left_out(&content, rows), wanted);
    }
    assert_eq!(left_out(&snapshot(vec![member(1, "m1", "", "")]), &[]), Vec::<String>::new());
}

/// The snapshot's m2 against what answers for m2 elsewhere: who fills the cell.
#[test]
fn only_answers_of_the_snapshots_cluster_fill_cells() {
    const THERE: &str = "http://10.0.0.2:2380";
    let content =
        snapshot([1, 2, 3].map(|n| member(n, &format!("m{n}"), &format!("http://10.0.0.{n}:2380"), "")).into());
    let ours = cluster_id(&[Id(1), Id(2), Id(3)]);
    let answers = |cluster: Id, ids: &[u64], peer: &str| {
        let members = ids.iter().map(|id| member(*id, &format!("m{id}"), peer, "")).collect();
        let says = MemberStatus { cluster_id: cluster, raft_term: 99, members, ..MemberStatus::default() };
        EndpointFacts { endpoint: format!("http://{cluster}:2379"), answer: Answer::Says(Box::new(says)) }
    };
    let (new, local) = ("http://new:2380", "http://localhost:2380");
    for (what, cluster, answering, peer, notes) in [
        ("nobody", None, vec![], THERE, 0),
        ("its own cluster", None, vec![answers(ours, &[2], new)], new, 0),
        ("its own, whose ID no longer follows from its members", None, vec![answers(Id(7), &[2], new)], new, 0),
        ("one with other members", None, vec![answers(Id(7), &[8], local)], THERE, 1),
        ("another one, as the source tells", Some(Id(5)), vec![answers(Id(7), &[2], local)], THERE, 1),
        ("the source's own", Some(Id(7)), vec![answers(Id(7), &[9, 2], new)], new, 0),
        (
            "a reset member beside the old ones",
            None,
            vec![answers(Id(7), &[2], local), answers(ours, &[1, 2], new)],
            new,
            1,
        ),
        ("the one that shares more", None, vec![answers(Id(7), &[2], local), answers(Id(6), &[1, 2], new)], new, 1),
        ("two that share as much", None, vec![answers(Id(7), &[2], local), answers(Id(6), &[2], new)], THERE, 2),
    ] {
        let answering: Vec<EndpointFacts> = answering;
        for turned in [answering.clone(), answering.into_iter().rev().collect()] {
            let filled = fill(&Sources {
                content: Some(&content),
                cluster,
                keep_learners: false,
                answers: &turned,
                config: &[],
                inventory: &[],
                base_dir: Path::new(BASE),
            });
            let m2 = filled.rows.iter().find(|row| row.text(Column::Name) == "m2").unwrap();
            assert_eq!((m2.text(Column::Peer), filled.notes.len()), (peer, notes), "{what}: {:?}", filled.notes);
        }
    }
}

#[test]
fn later_promotions_and_replacements_count() {
    let mut learner = member(4, "m4", "http://d:2380", "");
    learner.is_learner = true;
    let content = snapshot(vec![learner, member(3, "m3", "http://c:2380", ""), member(5, "m5", "http://e:2380", "")]);
    let now = answer(
        1,
        vec![
            member(4, "m4", "http://d:2380", ""),
            member(7, "m3", "http://c2:2380", ""),
            member(8, "", "http://e:2380", ""),
        ],
    );
    let rows = rows(Some(&content), &[now], Path::new(BASE));
    let peers: Vec<&str> = texts(&rows, Column::Peer).into_iter().map(|(t, _)| t).collect();
    assert_eq!(peers, ["http://e:2380", "http://c2:2380", "http://d:2380"]);
}

#[test]
fn nothing_seen_is_an_empty_table() {
    let silent = EndpointFacts { endpoint: "x".into(), answer: Answer::Asking };
    assert_eq!(rows(None, &[silent], Path::new(BASE)), []);
}

#[test]
fn the_label_is_given_or_the_cluster_id() {
    let content = snapshot(vec![member(0xcfa0_1bbb_22ab_cc1b, "m1", "", "")]);
    assert_eq!(label(Some(" prod-eu "), &[answer(1, vec![])], None), "prod-eu");
    assert_eq!(label(Some(" "), &[answer(1, vec![])], Some(&content)), "4f1c");
    let id = cluster_id(&[Id(0xcfa0_1bbb_22ab_cc1b)]).to_string();
    assert_eq!(label(None, &[], Some(&content)), id[..4]);
    assert_eq!(label(None, &[], Some(&snapshot(vec![]))), "etcd");
    assert_eq!(label(None, &[], None), "etcd");
}

#[test]
fn tokens_bear_label_date_and_time() {
    for (label, now, wanted) in [
        ("prod-eu", 1_795_317_120, "prod-eu-20261122-0312-7f3a"),
        ("a b,c=d", 0, "a-b-c-d-19700101-0000-7f3a"),
        ("", 951_782_399, "etcd-20000228-2359-7f3a"),
        ("x", 951_782_400, "x-20000229-0000-7f3a"),
        ("x", 4_107_542_400, "x-21000301-0000-7f3a"),
        ("x", -1, "x-19691231-2359-7f3a"),
    ] {
        assert_eq!(token(label, now, "7f3a"), wanted);
    }
}

proptest! {
    #[test]
    fn days_follow_each_other(day in -1_000_000i64..1_000_000) {
        let ((y, m, d), next) = (civil(day), civil(day + 1));
        let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        let length = match m { 2 if leap => 29, 2 => 28, 4 | 6 | 9 | 11 => 30, _ => 31 };
        let wanted = if d < length { (y, m, d + 1) } else if m < 12 { (y, m + 1, 1) } else { (y + 1, 1, 1) };
        prop_assert_eq!(next, wanted);
    }

    #[test]
    fn any_label_makes_a_valid_token(label in "\\PC{0,12}", now: i64) {
        let rows = vec![Row::default().with(Column::Name, "m1", Origin::Typed).with(Column::Peer, "http://a:2380", Origin::Typed)
            .with(Column::Client, "http://a:2379", Origin::Typed).with(Column::DataDir, "/d", Origin::Typed)];
        prop_assert_eq!(check(&rows, &token(&label, now, "7f3a")), []);
    }
}
