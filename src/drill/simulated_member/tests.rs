//! Simulated members, asked over loopback by the same client code as real ones.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use etcd_client::{Client, ConnectOptions, GetOptions, SortOrder, SortTarget};
use tonic::Code;

use super::*;
use crate::{
    domain::model::observations::{Answer, Hashed, MemberStatus, Read},
    drill::mvcc_store::Identity,
    engine::{
        install::restore,
        progress::Flow,
        restore::{RestoreSpec, initial_log::InitialLog},
    },
    etcd::version::Minor,
    system::etcd_client::{Connect, Members},
};

const WHO: Identity = Identity { cluster: Id(0xc1), member: Id(0xa1), raft_term: 7, raft_index: 99 };

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snapshots").join(name)
}

fn member(name: &str, mode: Mode) -> Member {
    let store = Arc::new(Store::from_file(&fixture(name), WHO).unwrap());
    // no patience: a test waits for no timeout
    Member::start(store, Options { mode, patience: Duration::ZERO, ..Options::default() }).unwrap()
}

const SERVING: Mode = Mode::Serving { leader: Id(0xa1) };

fn ask(member: &Member) -> MemberStatus {
    match Members::new(Connect::default()).unwrap().member_status(&member.endpoint()) {
        Answer::Says(says) => *says,
        other => panic!("{other:?}"),
    }
}

fn talk<T>(member: &Member, talk: impl AsyncFnOnce(Client) -> T) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { talk(Client::connect([member.endpoint()], None).await.unwrap()).await })
}

fn refused<T>(answer: std::result::Result<T, etcd_client::Error>) -> (Code, String) {
    match answer {
        Err(etcd_client::Error::GRpcStatus(status)) => (status.code(), status.message().to_owned()),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was answered"),
    }
}

#[test]
fn a_lone_member_says_it_is_simulated() {
    let member = member("3.6.14-small.db", Mode::Lone);
    let says = ask(&member);
    assert_eq!((says.cluster_id, says.member_id, says.leader), (WHO.cluster, WHO.member, Id(0)));
    assert_eq!((says.raft_term, says.raft_index, says.version.as_str()), (7, 99, "3.5.30"));
    assert_eq!(says.revision, member.store().revision());
    assert_eq!(says.errors, ["etcdserver: no leader", SIMULATED]);
    assert_eq!(says.read, Read::NotAsked);
    let (seen, stored) = (&says.members[0], &member.store().members()[0]);
    assert_eq!((seen.id, &*seen.name), (Id(stored.id), stored.name.as_str()));
    assert_eq!(seen.peer_urls, stored.peer_urls);
}

#[test]
fn a_serving_member_serves_a_linearizable_read() {
    let member = member("3.6.14-small.db", SERVING);
    let says = ask(&member);
    assert_eq!((says.leader, says.read), (Id(0xa1), Read::Served));
    assert_eq!(says.errors, [SIMULATED]);
    member.set_mode(Mode::Lone);
    assert_eq!(ask(&member).leader, Id(0), "and loses its quorum at a word");
}

#[test]
fn a_hash_exists_at_every_kept_revision() {
    let member = member("seed-3.5.16.db", Mode::Lone);
    let members = Members::new(Connect::default()).unwrap();
    let hash = |revision| members.hash_kv(&member.endpoint(), revision);
    // the numbers that real servers gave of this fixture
    assert_eq!(hash(12), Hashed::Says { hash: 727_828_197, revision: 12, compacted: 4 });
    assert_eq!(hash(8), Hashed::Says { hash: 625_665_420, revision: 8, compacted: 4 });
    assert_eq!(hash(99), Hashed::Failed("etcdserver: mvcc: required revision is a future revision".into()));
}

/// A fixture is itself a snapshot copy: what a member over it streams must be the same bytes.
#[test]
fn the_streamed_snapshot_equals_etcds() {
    let dir = tempfile::tempdir().unwrap();
    let members = Members::new(Connect::default()).unwrap();
    for name in ["3.4.23-empty.db", "3.5.16-lease.db", "3.6.14-tree.db", "3.6-ps16384-small.db", "3.6-ps65536-small.db"]
    {
        let member = member(name, Mode::Lone);
        let into = dir.path().join(name);
        let bytes = members.save_snapshot(&member.endpoint(), &into, &mut |_| Flow::Go).unwrap();
        let (saved, expected) = (std::fs::read(&into).unwrap(), std::fs::read(fixture(name)).unwrap());
        assert_eq!(bytes, expected.len() as u64);
        assert!(saved == expected, "{name} differs");
    }
}

#[test]
fn calls_fail_without_quorum_as_in_etcd() {
    let member = member("seed-3.5.16.db", Mode::Lone);
    talk(&member, async |mut client| {
        let timed_out = (Code::Unavailable, "etcdserver: request timed out".to_owned());
        assert_eq!(refused(client.get("a", None).await), timed_out);
        let deadline = (Code::DeadlineExceeded, "context deadline exceeded".to_owned());
        assert_eq!(refused(client.put("a", "b", None).await), deadline);
        assert_eq!(refused(client.delete("a", None).await), deadline);
        let local = GetOptions::new().with_serializable().with_all_keys();
        assert_eq!(client.get("", Some(local)).await.unwrap().count(), 8);
        assert_eq!(client.hash_kv(0).await.unwrap().hash(), 727_828_197);
    });
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = ConnectOptions::new().with_require_leader(true);
        let mut client = Client::connect([member.endpoint()], Some(options)).await.unwrap();
        let local = GetOptions::new().with_serializable();
        let answer = refused(client.get("a", Some(local)).await);
        assert_eq!(answer, (Code::Unavailable, "etcdserver: no leader".to_owned()));
    });
}

#[test]
fn a_serving_member_refuses_writes_with_reason() {
    let member = member("seed-3.5.16.db", SERVING);
    let (code, words) = talk(&member, async |mut client| refused(client.put("a", "b", None).await));
    assert_eq!(code, Code::FailedPrecondition);
    crate::text::messages::hold("drill-member", &[("a put", words)]);
}

#[test]
fn ranges_are_answered_as_asked() {
    let member = member("3.6.14-tree.db", SERVING);
    talk(&member, async |mut client| {
        let all = client.get("", Some(GetOptions::new().with_all_keys())).await.unwrap();
        assert_eq!((all.count(), all.kvs().len(), all.more()), (2200, 2200, false));
        assert!(all.kvs().windows(2).all(|w| w[0].key() < w[1].key()));
        assert_eq!(all.header().unwrap().revision(), 129);

        let some = client.get("", Some(GetOptions::new().with_all_keys().with_limit(10))).await.unwrap();
        assert_eq!((some.count(), some.more(), some.kvs().len()), (2200, true, 10));
        assert!(some.kvs().iter().zip(all.kvs()).all(|(a, b)| a.key() == b.key() && a.value() == b.value()));
        let exact = client.get("", Some(GetOptions::new().with_all_keys().with_limit(2200))).await.unwrap();
        assert_eq!((exact.kvs().len(), exact.more()), (2200, false));
        let count = client.get("", Some(GetOptions::new().with_all_keys().with_count_only())).await.unwrap();
        assert_eq!((count.count(), count.kvs().len(), count.more()), (2200, 0, false));
        let keys = client.get("", Some(GetOptions::new().with_all_keys().with_keys_only())).await.unwrap();
        assert!(keys.kvs().iter().all(|kv| kv.value().is_empty()));
        assert!(keys.kvs().iter().zip(all.kvs()).all(|(a, b)| a.key() == b.key()));

        let newest = GetOptions::new().with_all_keys().with_sort(SortTarget::Mod, SortOrder::Descend).with_limit(5);
        let newest = client.get("", Some(newest)).await.unwrap();
        let top = all.kvs().iter().map(|kv| kv.mod_revision()).max().unwrap();
        assert_eq!((newest.kvs()[0].mod_revision(), newest.kvs().len(), newest.more()), (top, 5, true));
        let since = GetOptions::new().with_all_keys().with_min_mod_revision(top);
        let since = client.get("", Some(since)).await.unwrap();
        assert_eq!(since.kvs().len(), all.kvs().iter().filter(|kv| kv.mod_revision() == top).count());

        let past = client.get("", Some(GetOptions::new().with_all_keys().with_revision(2))).await.unwrap();
        assert_eq!(past.count(), 20, "the first transaction put 20 keys");
        let future = client.get("a", Some(GetOptions::new().with_revision(130))).await;
        assert_eq!(refused(future).0, Code::OutOfRange);
        assert_eq!(refused(client.get("", None).await).1, "etcdserver: key is not provided");
    });
}

#[test]
fn a_restored_directory_answers_as_its_plan_says() {
    let dir = tempfile::tempdir().unwrap();
    let urls: Vec<[String; 1]> = (1..=3).map(|i| [format!("http://10.0.0.{i}:2380")]).collect();
    let genesis = InitialLog::new(["m1", "m2", "m3"].into_iter().zip(urls.iter().map(|u| &u[..])), "drill-token");
    let data_dir = dir.path().join("m2.etcd");
    let source = fixture("seed-3.5.16.db");
    let job = RestoreSpec {
        source: &source,
        pinned_sha256: None,
        skip_hash_check: false,
        genesis: &genesis,
        name: "m2",
        data_dir: &data_dir,
        wal_dir: None,
        target: Minor::V3_5,
        bump_revision: 0,
        options: &Default::default(),
    };
    restore(&job, &mut |_| Flow::Go).unwrap();

    let store = Arc::new(Store::open(&data_dir, None).unwrap());
    let own = genesis.id_of("m2").unwrap();
    let options = Options {
        mode: Mode::Serving { leader: own },
        client_urls: vec![(own, vec!["http://127.0.0.1:2379".into()])],
        ..Options::default()
    };
    let member = Member::start(store, options).unwrap();
    let says = ask(&member);
    assert_eq!((says.member_id, says.cluster_id, says.leader), (own, genesis.cluster_id, own));
    assert_eq!((says.revision, says.read), (12, Read::Served));
    let names: Vec<&str> = says.members.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names.len(), 3);
    let me = says.members.iter().find(|m| m.id == own).unwrap();
    assert_eq!((me.name.as_str(), me.client_urls.as_slice()), ("m2", &["http://127.0.0.1:2379".into()][..]));
    assert_eq!(talk(&member, async |mut c| c.hash_kv(12).await.unwrap().hash()), 727_828_197, "all keys are back");
}

#[test]
fn a_stopped_member_frees_its_port() {
    let first = member("3.6.14-small.db", Mode::Lone);
    let port = first.address().port();
    let store = Arc::new(Store::from_file(&fixture("3.6.14-small.db"), WHO).unwrap());
    let again = || Member::start(store.clone(), Options { port, ..Options::default() });
    let error = again().unwrap_err();
    assert!(error.what.contains(&port.to_string()) && !error.hint.is_empty(), "{error}");
    let endpoint = first.endpoint();
    drop(first);
    let answer = Members::new(Connect::default()).unwrap().member_status(&endpoint);
    assert!(matches!(&answer, Answer::Silent { why, .. } if *why == "connection refused".into()), "{answer:?}");
    assert_eq!(ask(&again().unwrap()).version, "3.5.30");
}

/// Two members that share a log.
fn pair() -> (Member, Member) {
    let store = || Arc::new(Store::from_file(&fixture("3.6.14-small.db"), WHO).unwrap());
    let stores = vec![store(), store()];
    let sequencer = Arc::new(sequencer::Sequencer::new(stores.clone()));
    let start = |store: &Arc<Store>| {
        let options = Options { mode: SERVING, sequencer: Some(sequencer.clone()), ..Options::default() };
        Member::start(store.clone(), options).unwrap()
    };
    (start(&stores[0]), start(&stores[1]))
}

#[test]
fn writes_are_seen_through_the_other_member() {
    use etcd_client::{Compare, CompareOp, Txn, TxnOp};
    let (one, other) = pair();
    let before = one.store().revision();
    let mut watch = None;
    talk(&other, async |client| {
        let mut stream = client.watch_client().watch("made", None).await.unwrap();
        assert!(stream.message().await.unwrap().unwrap().created());
        watch = Some(());
        talk_to(&one, async |client: Client| {
            let put = client.kv_client().put("made", "1", None).await.unwrap();
            assert_eq!(put.header().unwrap().revision(), before + 1);
            let txn = |version, value: &str| {
                Txn::new()
                    .when([Compare::version("made", CompareOp::Equal, version)])
                    .and_then([TxnOp::put("made", value, None)])
                    .or_else([TxnOp::get("made", None)])
            };
            assert!(client.kv_client().txn(txn(1, "2")).await.unwrap().succeeded());
            assert!(!client.kv_client().txn(txn(1, "3")).await.unwrap().succeeded(), "its version is 2 by now");
        })
        .await;
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let told = stream.message().await.unwrap().unwrap();
            seen.extend(told.events().iter().map(|e| String::from_utf8_lossy(e.kv().unwrap().value()).into_owned()));
        }
        assert_eq!(seen, ["1", "2"]);
        let got = client.kv_client().get("made", None).await.unwrap();
        let kv = &got.kvs()[0];
        assert_eq!((kv.value(), kv.version(), kv.mod_revision()), (&b"2"[..], 2, before + 2));
        assert_eq!(client.kv_client().delete("made", None).await.unwrap().deleted(), 1);
        assert!(client.kv_client().get("made", None).await.unwrap().kvs().is_empty());
        // the old state can still be asked for, on both
        let then = Some(GetOptions::new().with_revision(before + 1));
        assert_eq!(client.kv_client().get("made", then).await.unwrap().kvs()[0].value(), b"1");
    });
    assert!(watch.is_some());
    assert_eq!((one.store().revision(), other.store().revision()), (before + 3, before + 3));
    let hash = |member: &Member, at| member.store().hash_kv(at).unwrap();
    assert_eq!(hash(&one, 0), hash(&other, 0));
    assert_ne!(hash(&one, 0).hash, hash(&one, before).hash);
}

async fn talk_to<T>(member: &Member, talk: impl AsyncFnOnce(Client) -> T) -> T {
    talk(Client::connect([member.endpoint()], None).await.unwrap()).await
}
