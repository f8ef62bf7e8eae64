//! The v2 store against rules that its source states; that it agrees with a server is shown with a real one.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;
use crate::etcd::{v2store::json::genesis_json, version::Minor};

fn put(path: &str, value: &str) -> V2Request {
    V2Request { method: "PUT".into(), path: path.into(), value: value.into(), ..V2Request::default() }
}

fn users(store: &Store) -> Vec<(String, String, u64, u64)> {
    store
        .users()
        .map(|(path, n)| (path.into(), if n.dir { "dir".into() } else { n.value.clone() }, n.created, n.modified))
        .collect()
}

fn row(path: &str, value: &str, created: u64, modified: u64) -> (String, String, u64, u64) {
    (path.into(), value.into(), created, modified)
}

#[test]
fn sets_updates_and_comparisons() {
    let mut store = Store::default();
    store.apply(&put("/1/a/b", "1"));
    store.apply(&put("/1/a/b", "2"));
    // A set creates the node again; an update and a compare-and-swap keep its creation index.
    assert_eq!(users(&store), [row("/a", "dir", 1, 1), row("/a/b", "2", 2, 2)]);
    store.apply(&V2Request { prev_exist: Some(true), ..put("/1/a/b", "3") });
    store.apply(&V2Request { prev_value: "no".into(), ..put("/1/a/b", "4") });
    store.apply(&V2Request { prev_index: 3, ..put("/1/a/b", "5") });
    assert_eq!(users(&store)[1], row("/a/b", "5", 2, 4));
    // None of these is allowed, and none counts.
    for refused in [
        put("/1/a", "a directory"),
        put("/1/a/b/c", "below a key"),
        put("/1", "read-only"),
        V2Request { prev_exist: Some(false), ..put("/1/a/b", "x") },
        V2Request { prev_exist: Some(true), ..put("/1/none", "x") },
        V2Request { prev_index: 9, ..put("/1/a/b", "x") },
        V2Request { refresh: Some(true), ..put("/1/none", "") },
        V2Request { method: "DELETE".into(), ..put("/1/a", "") },
        V2Request { method: "DELETE".into(), dir: true, ..put("/1/a", "") },
        V2Request { method: "QGET".into(), ..put("/1/a", "") },
    ] {
        let before = store.clone();
        store.apply(&refused);
        assert_eq!(store, before, "{refused:?}");
    }
    store.apply(&V2Request { method: "POST".into(), ..put("/1/queue/", "first") });
    assert_eq!(users(&store)[3], row("/queue/00000000000000000005", "first", 5, 5));
    store.apply(&V2Request { method: "DELETE".into(), recursive: true, ..put("/1/a/", "") });
    assert_eq!((store.user_keys(), store.index), (1, 6));
}

#[test]
fn keys_expire_when_the_leader_says_so() {
    let mut store = Store::default();
    let second = 1_000_000_000_000_000_000;
    store.apply(&V2Request { expiration: second, ..put("/1/short", "") });
    store.apply(&V2Request { expiration: 2 * second, ..put("/1/long", "") });
    store.apply(&V2Request { expiration: 5, ..put("/1/a-broken-clock", "") });
    store.apply(&V2Request {
        prev_exist: Some(true),
        refresh: Some(true),
        expiration: 3 * second,
        ..put("/1/long", "")
    });
    store.apply(&V2Request { method: "SYNC".into(), time: 2 * second, ..V2Request::default() });
    let left: Vec<_> = store.users().map(|(path, node)| (path, node.expires)).collect();
    assert_eq!(left, [("/a-broken-clock", None), ("/long", Some(3 * second))]);
    assert_eq!(store.index, 5);
}

#[test]
fn members_come_publish_and_go() {
    let one = Member { id: 0xa1, peer_urls: vec!["http://a:2380".into()], ..Member::default() };
    let two = Member { id: 0xb2, peer_urls: vec!["http://b:2380".into()], is_learner: true, ..Member::default() };
    let json = genesis_json(&[(Id(one.id), one.peer_urls.clone())], Minor::V3_5);
    let mut store = Store::from_json(json.as_bytes()).unwrap();
    assert_eq!((store.members(), store.index, store.user_keys()), (vec![one.clone()], 1, 0));
    store.add_member(&two, false);
    store.add_member(&Member { id: 3, ..one.clone() }, false);
    store.apply(&put("/0/members/a1/attributes", r#"{"name":"m1","clientURLs":["http://a:2379"]}"#));
    store.publish(Id(0xb2), &Attributes { name: "m2".into(), client_urls: Vec::new() });
    store.apply(&put(VERSION, "3.5.0"));
    let named = Member { name: "m1".into(), client_urls: vec!["http://a:2379".into()], ..one };
    let second = Member { name: "m2".into(), ..two };
    assert_eq!(store.members(), [named.clone(), second.clone()]);
    store.add_member(&second, true);
    store.update_member(Id(0xb2), vec!["http://c:2380".into()]);
    assert_eq!(store.members()[1].peer_urls, ["http://c:2380"]);
    assert!(!store.members()[1].is_learner);
    store.remove_member(Id(0xb2));
    store.add_member(&second, false);
    assert_eq!((store.members(), store.cluster_version()), (vec![named], Some("3.5.0")));
}

#[test]
fn what_is_no_store_is_refused() {
    let deep = format!("{}{}", r#"{"Root":"#.repeat(300), "}".repeat(300));
    let mut messages = Vec::new();
    for (what, bad) in [
        ("nothing", ""),
        ("an empty object", "{}"),
        ("a list", "[]"),
        ("an empty root", r#"{"Root":{},"CurrentIndex":1}"#),
        ("too deep", &deep),
    ] {
        messages.push((what, Store::from_json(bad.as_bytes()).unwrap_err()));
    }
    crate::text::messages::hold("etcd-v2-store", &messages);
}

proptest! {
    /// Whatever is asked for: every node lies in a directory, and only successes count.
    #[test]
    fn the_tree_hangs_together(requests in prop::collection::vec(
        ("(PUT|POST|DELETE|SYNC)", "/1(/[ab]){0,3}", "[xy]?", any::<bool>(), prop::option::of(any::<bool>()), 0u64..4, any::<bool>(), 0i64..3), 0..40)) {
        let mut store = Store::default();
        for (method, path, value, dir, prev_exist, prev_index, recursive, expiration) in requests {
            let before = store.clone();
            let (expiration, time) = (expiration * 1_000_000_000_000_000_000, 1_500_000_000_000_000_000);
            store.apply(&V2Request { method, path: path.into(), value: value.into(), dir, prev_exist, prev_index, recursive, expiration, time, ..V2Request::default() });
            prop_assert!(store.index > before.index || store.nodes == before.nodes);
            for (path, _) in store.nodes.iter().filter(|(path, _)| *path != "/") {
                let above = path.rsplit_once('/').map(|(above, _)| if above.is_empty() { "/" } else { above }).unwrap();
                prop_assert!(store.nodes[above].dir, "{above}");
            }
            let expiring: BTreeSet<_> = store.nodes.iter().filter_map(|(p, n)| n.expires.map(|at| (at, p.clone()))).collect();
            prop_assert_eq!(&expiring, &store.expiring);
        }
    }
}

/// A saved store of somebody else's may say any index: Go's counter goes round, and so does ours.
#[test]
fn an_index_at_its_end_goes_round() {
    let never = "0001-01-01T00:00:00Z";
    let root = format!(
        r#"{{"Path":"/","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"{never}","Value":"","Children":{{"1":{{"Path":"/1","CreatedIndex":0,"ModifiedIndex":0,"ExpireTime":"{never}","Value":"","Children":{{}}}}}}}}"#
    );
    let json = format!(r#"{{"Root":{root},"CurrentIndex":{}}}"#, u64::MAX);
    let mut store = Store::from_json(json.as_bytes()).unwrap();
    store.apply(&put("/1/a", "1"));
    store.apply(&V2Request { method: "POST".into(), ..put("/1/q", "2") });
    store.apply(&V2Request { method: "DELETE".into(), ..put("/1/a", "") });
    assert!(users(&store).iter().any(|(_, value, created, _)| value == "2" && *created == 1));
}
