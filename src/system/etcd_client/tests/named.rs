//! User and password go to endpoints that were named or verified, and to no others.

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

use super::*;
use crate::{
    domain::model::observations::{EndpointFacts, Hashed, Withheld},
    system::{Cluster, local::Local, probe::survey},
};

const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";

fn root() -> Connect {
    Connect { user: Some("root".into()), password: Some("hush".into()), guess_ports: false, ..patient() }
}

fn authenticated(script: &Script) -> bool {
    script.paths.lock().unwrap().iter().any(|path| path == AUTHENTICATE)
}

/// A member with a leader that answers all and lists `other` as the second of the cluster.
fn listing(id: u64, other: &str) -> Script {
    let mut script = Script { paths: Default::default(), asked: Default::default(), ..member(0xa1) };
    if let Some(Ok(status)) = &mut script.status {
        status.header.as_mut().unwrap().member_id = id;
    }
    if let Some(Ok(list)) = &mut script.members {
        // nobody outside this machine is asked
        let first = &mut list.members[0];
        (first.client_ur_ls, first.peer_ur_ls) = (Vec::new(), Vec::new());
        let second = PbMember { id: 0xb2, client_ur_ls: vec![other.to_owned()], ..list.members[0].clone() };
        list.members.push(second);
    }
    script
}

fn of<'a>(facts: &'a [EndpointFacts], endpoint: &str) -> &'a MemberStatus {
    match &facts.iter().find(|fact| fact.endpoint == endpoint).unwrap().answer {
        Answer::Says(says) => says,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_named_endpoints_see_the_password() {
    let second = listing(0xb2, "http://127.0.0.1:1");
    let stranger = Served::start(second.clone(), None);
    let first = listing(0xa1, &stranger.http());
    let named = Served::start(first.clone(), None);
    let system = Local::new(Members::new(root()).unwrap());
    let facts = survey(&system, &[named.http()], true, &mut |_| {});
    assert!(authenticated(&first), "it was named");
    assert_eq!(of(&facts, &named.http()).withheld, None);
    // the other is asked, answers, and has seen no credentials
    let says = of(&facts, &stranger.http());
    assert_eq!((says.member_id, says.read.clone()), (Id(0xb2), Read::Served));
    assert_eq!(says.withheld, Some(Withheld::NotNamed));
    assert!(says.errors.iter().any(|error| error.contains("--endpoints")), "{:?}", says.errors);
    assert_ne!(says.hash, Hashed::NotAsked, "the hash was asked for as well");
    assert!(!authenticated(&second), "{:?}", second.paths);

    // whatever else is asked of it
    let into = tempfile::tempdir().unwrap();
    let _ = system.save_snapshot(&stranger.http(), &into.path().join("s.db"), &mut |_| Flow::Go);
    let _ = system.stored_rows(&stranger.http(), 0, &mut |_| Flow::Go);
    let _ = system.alarms(&stranger.http());
    let _ = system.watch_from(&stranger.http(), 1);
    let _ = system.write_canary(&[stranger.http()], "key", "value");
    assert!(!authenticated(&second), "{:?}", second.paths);
    // once it is named it is another matter
    survey(&system, &[stranger.http()], false, &mut |_| {});
    assert!(authenticated(&second));
}

#[test]
fn no_password_over_http_once_https_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new(dir.path(), "ca.pem", "etcd CA");
    let plain = listing(0xb2, "http://127.0.0.1:1");
    let http = Served::start(plain.clone(), None);
    let first = listing(0xa1, &http.http());
    let identity = ca.sign("127.0.0.1", |_| {});
    let https = Served::start(first.clone(), Some(ServerTlsConfig::new().identity(identity)));
    let connect = Connect { cacert: Some(dir.path().join("ca.pem")), ..root() };
    let system = Local::new(Members::new(connect).unwrap());
    // even where it is named itself
    let facts = survey(&system, &[https.https(), http.http()], false, &mut |_| {});
    assert!(authenticated(&first));
    assert!(!authenticated(&plain), "{:?}", plain.paths);
    assert_eq!(of(&facts, &http.http()).withheld, Some(Withheld::Plaintext));
}

#[test]
fn a_given_ca_needs_a_checked_name() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new(dir.path(), "ca.pem", "etcd CA");
    for (insecure_skip_tls_verify, expected) in [(false, None), (true, Some(Withheld::NotNamed))] {
        let script = listing(0xa1, "http://127.0.0.1:1");
        let tls = ServerTlsConfig::new().identity(ca.sign("127.0.0.1", |_| {}));
        let served = Served::start(script.clone(), Some(tls));
        let cacert = Some(dir.path().join("ca.pem"));
        let members = Members::new(Connect { cacert, insecure_skip_tls_verify, ..root() }).unwrap();
        assert_eq!(spoken(members.member_status(&served.https())).withheld, expected);
        assert_eq!(authenticated(&script), expected.is_none());
    }
}

#[test]
fn no_core_dump_while_holding_a_password() {
    let _members = Members::new(root()).unwrap();
    assert_eq!(getrlimit(Resource::Core).current, Some(0));
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}
