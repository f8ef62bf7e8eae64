//! Which of two directories of one member is the newer one, in every combination and order.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::domain::model::observations::{FileFacts, Health, disk::Held};

/// m1's directory in cluster 9, whose log ends with this entry.
fn dir(path: &str, end: (u64, u64), revision: i64) -> DirFacts {
    let database = FileFacts { path: path.into(), bytes: 1, modified: None, health: Health::Unread, content: None };
    let says = DataDirState {
        cluster_id: Id(9),
        member_id: Id(1),
        term: end.0,
        vote: Id(0),
        commit: end.1,
        first_index: 1,
        last_index: end.1,
        last_term: end.0,
        torn: None,
        snap_index: 0,
        consistent_index: end.1,
        consistent_term: None,
        writes_beyond: None,
        revision,
        database,
        received_db: None,
        members: Vec::new(),
        v2_keys: 0,
        etcd: None,
        written: None,
        warnings: Vec::new(),
    };
    DirFacts {
        data_dir: path.into(),
        wal_dir: None,
        learned_from: String::new(),
        held: Held::No,
        state: DirState::Whole(Box::new(says)),
    }
}

#[test]
fn term_and_index_count_before_the_revision() {
    for (a, b, age) in [
        (dir("/a", (7, 90), 50), dir("/b", (7, 91), 50), Age::Older),
        (dir("/a", (7, 90), 60), dir("/b", (7, 91), 50), Age::Older),
        (dir("/a", (6, 99), 50), dir("/b", (7, 90), 50), Age::Older),
        (dir("/a", (7, 90), 49), dir("/b", (7, 90), 50), Age::Older),
        (dir("/a", (7, 90), 50), dir("/b", (7, 90), 50), Age::Same),
        (dir("/a", (0, 0), 50), dir("/b", (7, 90), 50), Age::Unknown),
        (dir("/a", (0, 0), 0), dir("/b", (0, 0), 0), Age::Same),
        (dir("/a", (0, 0), 1), dir("/b", (7, 90), 50), Age::Older),
    ] {
        assert_eq!(compare(&a, &b), age, "{a:?} {b:?}");
        let back = match age {
            Age::Older => Age::Newer,
            other => other,
        };
        assert_eq!(compare(&b, &a), back, "{b:?} {a:?}");
        for dirs in [[a.clone(), b.clone()], [b.clone(), a.clone()]] {
            assert_eq!((among(&a, &dirs), among(&b, &dirs)), (Some(age), Some(back)));
            assert_eq!(newer(&a, &dirs).map(|dir| &dir.data_dir), (age == Age::Older).then_some(&b.data_dir));
            assert_eq!(newer(&b, &dirs), None);
            let sorted: Vec<_> = of_member(Id(1), Some(Id(9)), &dirs).into_iter().map(|d| &d.data_dir).collect();
            let best = if age == Age::Same || sorted[0] == &a.data_dir && age == Age::Newer { &a } else { &b };
            assert!(sorted[0] == &best.data_dir || age == Age::Unknown, "{sorted:?}");
        }
    }
}

#[test]
fn copies_share_one_member_and_cluster() {
    let own = dir("/a", (7, 90), 50);
    let of = |member: u64, cluster: u64| {
        let mut other = dir("/b", (7, 91), 50);
        let DirState::Whole(says) = &mut other.state else { unreachable!() };
        (says.member_id, says.cluster_id) = (Id(member), Id(cluster));
        other
    };
    for (other, age) in [(of(1, 9), Some(Age::Older)), (of(2, 9), None), (of(1, 8), None), (own.clone(), None)] {
        assert_eq!(among(&own, &[own.clone(), other.clone()]), age, "{other:?}");
    }
    let nobody = DirFacts { state: DirState::Empty, ..own.clone() };
    assert_eq!((among(&nobody, std::slice::from_ref(&own)), clause(&own, &[nobody])), (None, String::new()));
}
