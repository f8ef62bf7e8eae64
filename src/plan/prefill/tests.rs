//! Which members are proposed, from where each cell comes, labels and tokens.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::plan::table::{Severity, check};

fn member(id: u64, name: &str, peer: &str, client: &str) -> KnownMember {
    let list = |text: &str| text.split(',').filter(|t| !t.is_empty()).map(String::from).collect();
    KnownMember { id: Id(id), name: name.into(), peer_urls: list(peer), client_urls: list(client), is_learner: false }
}

fn answer(index: u64, members: Vec<KnownMember>) -> EndpointFacts {
    let says = MemberSays { cluster_id: Id(0x4f1c_aaaa), raft_index: index, members, ..MemberSays::default() };
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

#[test]
fn learners_stay_out_and_the_nameless_get_a_free_name() {
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
fn a_promotion_and_a_replacement_since_the_snapshot_count() {
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
fn the_label_is_given_or_taken_from_the_cluster_id() {
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
    fn any_label_makes_a_token_that_the_table_takes(label in "\\PC{0,12}", now: i64) {
        let rows = vec![Row::default().with(Column::Name, "m1", Origin::Typed).with(Column::Peer, "http://a:2380", Origin::Typed)
            .with(Column::Client, "http://a:2379", Origin::Typed).with(Column::DataDir, "/d", Origin::Typed)];
        prop_assert_eq!(check(&rows, &token(&label, now, "7f3a")), []);
    }
}
