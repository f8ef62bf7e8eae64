//! Members asked over loopback: answers, silence in every form, TLS, snapshots good and bad.

#![allow(clippy::unwrap_used, clippy::panic)]

mod named;
mod pages;
mod saving;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::Duration,
};

use etcd_client::proto::{PbMember, PbMemberListResponse, PbRangeResponse, PbResponseHeader, PbStatusResponse};
use tonic::{
    Status,
    transport::{Identity, ServerTlsConfig},
};

use super::{
    connection::Target,
    testing::{Ca, Script, Served, snapshot_of},
    *,
};
use crate::{
    domain::model::observations::OwnHealth,
    engine::progress::{Flow, Progress},
};

/// Deadlines short enough for tests; what is asserted never depends on how long something took.
fn quick() -> Connect {
    Connect {
        dial_timeout: Duration::from_millis(1500),
        command_timeout: Duration::from_millis(700),
        idle_timeout: Duration::from_millis(700),
        ..Connect::default()
    }
}

/// Deadlines that a busy machine does not reach, for what must come to its end before them.
fn patient() -> Connect {
    Connect { dial_timeout: Duration::from_secs(20), ..Connect::default() }
}

/// Asks an endpoint that the operator named.
fn ask(connect: Connect, endpoint: &str) -> Answer {
    let members = Members::new(connect).unwrap();
    members.name_endpoints(&[endpoint.to_owned()]);
    members.member_status(endpoint)
}

fn silent(answer: Answer) -> (String, String) {
    match answer {
        Answer::Silent { why, details } => (why.into(), details),
        other => panic!("expected silence, got {other:?}"),
    }
}

fn spoken(answer: Answer) -> MemberStatus {
    match answer {
        Answer::Says(says) => *says,
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn member(leader: u64) -> Script {
    Script {
        status: Some(Ok(PbStatusResponse {
            header: Some(PbResponseHeader { cluster_id: 0xc1, member_id: 0xa1, revision: 42, raft_term: 7 }),
            version: "3.5.30".into(),
            db_size: 8192,
            db_size_in_use: 4096,
            leader,
            raft_index: 99,
            raft_term: 7,
            ..Default::default()
        })),
        members: Some(Ok(PbMemberListResponse {
            members: vec![PbMember {
                id: 0xa1,
                name: "m1".into(),
                peer_ur_ls: vec!["http://10.0.0.1:2380".into()],
                client_ur_ls: vec!["http://10.0.0.1:2379".into()],
                is_learner: false,
            }],
            ..Default::default()
        })),
        range: Some(Ok(PbRangeResponse::default())),
        ..Script::default()
    }
}

#[test]
fn a_leaderless_member_is_not_asked_to_read() {
    let script = member(0);
    let served = Served::start(script.clone(), None);
    let says = spoken(ask(quick(), &served.http()));
    assert_eq!((says.cluster_id, says.member_id, says.leader), (Id(0xc1), Id(0xa1), Id(0)));
    assert_eq!((says.version.as_str(), says.revision, says.raft_term, says.raft_index), ("3.5.30", 42, 7, 99));
    assert_eq!((says.db_bytes, says.db_bytes_in_use, says.quota_bytes), (8192, 4096, None));
    assert_eq!(says.members[0].peer_urls, ["http://10.0.0.1:2380"]);
    assert_eq!(says.read, Read::NotAsked);
    let mut asked = script.asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["members", "range, serializable", "status"], "none of them needs quorum");
}

#[test]
fn a_leader_is_tested_by_a_linearizable_read() {
    let script = member(0xa1);
    let served = Served::start(script.clone(), None);
    let authority = served.at.to_string();
    assert_eq!(spoken(ask(quick(), &authority)).read, Read::Served, "without a scheme it is http");
    assert!(script.asked.lock().unwrap().contains(&"range".to_owned()), "and not a serializable one");

    let hung = Served::start(Script { range: None, ..member(0xa1) }, None);
    assert_eq!(spoken(ask(quick(), &hung.http())).read, Read::Failed("no answer in 700 ms".into()));

    let lost = Script { range: Some(Err(Status::unavailable("etcdserver: request timed out"))), ..member(0xa1) };
    let lost = Served::start(lost, None);
    assert_eq!(spoken(ask(quick(), &lost.http())).read, Read::Failed("etcdserver: request timed out".into()));
}

#[test]
fn a_refusal_after_consensus_proves_the_quorum() {
    for refusal in [
        Status::invalid_argument("etcdserver: user name is empty"),
        Status::permission_denied("etcdserver: permission denied"),
        Status::unauthenticated("etcdserver: invalid auth token"),
    ] {
        let served = Served::start(Script { range: Some(Err(refusal)), ..member(0xa1) }, None);
        assert_eq!(spoken(ask(quick(), &served.http())).read, Read::Served);
    }
}

#[test]
fn a_learner_is_not_asked_for_a_read() {
    let mut script = member(0xa2);
    script.status = script.status.map(|s| s.map(|s| PbStatusResponse { is_learner: true, ..s }));
    script.members = Some(Err(Status::unavailable("etcdserver: rpc not supported for learner")));
    let served = Served::start(script, None);
    let says = spoken(ask(quick(), &served.http()));
    assert_eq!(says.read, Read::NotAsked);
    assert_eq!(says.errors, ["member list unknown: etcdserver: rpc not supported for learner"]);
}

#[test]
fn authenticated_reads_still_show_quorum() {
    let refused = || Status::invalid_argument("etcdserver: user name is empty");
    let header = PbResponseHeader { cluster_id: 0xc1, member_id: 0xa1, revision: 42, raft_term: 7 };
    let stranger = Script {
        status: Some(Err(refused())),
        members: Some(Err(refused())),
        range: Some(Err(refused())),
        watch: Some(header),
        ..Script::default()
    };
    let asked = |script: &Script| ask(quick(), &Served::start(script.clone(), None).http());
    let says = spoken(asked(&stranger));
    assert_eq!((says.read, says.cluster_id, says.member_id), (Read::Served, Id(0xc1), Id(0xa1)));
    assert_eq!(says.errors, ["status refused: etcdserver: user name is empty"]);

    // without a leader, a refused watch still tells who it is
    let lost = Script { range: Some(Err(Status::unavailable("etcdserver: no leader"))), ..stranger };
    let says = spoken(asked(&lost));
    assert_eq!((says.leader, says.read), (Id(0), Read::NotAsked));
    assert_eq!((says.cluster_id, says.member_id, says.revision, says.raft_term), (Id(0xc1), Id(0xa1), 42, 7));
    assert_eq!(says.errors[1], "etcdserver: no leader");

    // who is not known, or whether there is a leader, is not made up
    let timeout = Status::unavailable("etcdserver: request timed out");
    let mut messages = Vec::new();
    for script in [Script { watch: None, ..lost.clone() }, Script { range: Some(Err(timeout)), ..lost.clone() }] {
        let (why, details) = silent(asked(&script));
        assert_eq!(why, "wants a password");
        // the port is another one each time
        let (_, rest) = details.split_once(' ').unwrap();
        messages.push((if script.watch.is_none() { "who it is" } else { "whether it has a leader" }, rest.to_string()));
    }
    crate::text::messages::hold("etcd-client-closed", &messages);
}

#[test]
fn credentials_without_token_are_reported_probing_continues() {
    // this server has no Auth service: the token cannot be had
    let served = Served::start(member(0xa1), None);
    let connect = Connect { user: Some("root:hush".into()), ..quick() };
    let says = spoken(ask(connect, &served.http()));
    assert_eq!(says.read, Read::Served);
    crate::text::messages::hold("etcd-client-token", &[("no Auth service", says.errors[0].to_string())]);
    assert!(!format!("{says:?}").contains("hush"));

    // and without a leader nobody is asked for one
    let served = Served::start(member(0), None);
    let connect = Connect { user: Some("root".into()), password: Some("hush".into()), ..quick() };
    assert_eq!(spoken(ask(connect, &served.http())).errors, [NO_TOKEN]);
}

/// A server that does `answer` with each connection, for the life of the test's process.
fn raw(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream);
        }
    });
    at
}

#[test]
fn silence_has_its_reason() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // accepted by the kernel, never read
    let hung = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = raw(|mut s| {
        let _ = s.read(&mut [0; 1024]);
        let _ = s.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = s.read_to_end(&mut Vec::new());
    });
    let closing = raw(|mut s| {
        let _ = s.read(&mut [0; 1024]);
    });
    let wrong =
        Served::start(Script { status: Some(Err(Status::unimplemented("unknown service"))), ..member(0) }, None);
    let mut messages = Vec::new();
    for (endpoint, expected, what) in [
        (format!("http://{refusing}"), "connection refused", "nothing listens"),
        (format!("http://{}", hung.local_addr().unwrap()), "no answer in 700 ms", "hung"),
        (format!("https://{}", hung.local_addr().unwrap()), "no answer in 1500 ms", "hung, over TLS"),
        (format!("http://{web}"), "speaks HTTP/1, not gRPC", "a web server"),
        (format!("http://{closing}"), "closed the connection", "closed at once"),
        (wrong.http(), "not an etcd member", "another gRPC server"),
        ("http://no-such-host.invalid:2379".into(), "name not found", "no such host"),
        ("http://127.0.0.1".into(), "not an endpoint", "no port"),
        ("ftp://127.0.0.1:2379".into(), "not an endpoint", "another scheme"),
        ("http://127.0.0.1:0".into(), "not an endpoint", "port 0"),
        (String::new(), "not an endpoint", "nothing"),
    ] {
        let (why, details) = silent(ask(quick(), &endpoint));
        assert_eq!(why, expected, "{endpoint}: {details}");
        assert!(details.ends_with(['.', '?']), "a sentence: {details}");
        // the port is the kernel's choice, and why a name is not found is the system's text
        let port = endpoint.rsplit(':').next().filter(|port| port.len() > 4 && port.parse::<u16>().is_ok());
        let shown = port.map_or_else(|| details.clone(), |port| details.replace(port, "PORT"));
        messages.push((what, shown.split(": failed to lookup").next().unwrap_or_default().to_string()));
    }
    crate::text::messages::hold("etcd-client-silent", &messages);
}

#[test]
fn an_endpoint_is_read_as_etcdctl_reads_it() {
    let secure = Connect { insecure_transport: false, ..quick() };
    let certs = Connect { cacert: Some("ca.pem".into()), ..quick() };
    for (text, connect, url) in [
        ("127.0.0.1:2379", &quick(), "http://127.0.0.1:2379"),
        ("127.0.0.1:2379", &secure, "https://127.0.0.1:2379"),
        ("127.0.0.1:2379", &certs, "https://127.0.0.1:2379"),
        ("http://h:1/", &certs, "http://h:1"),
        ("HTTPS://[::1]:2379/x", &quick(), "https://[::1]:2379"),
    ] {
        assert_eq!(Target::parse(text, connect).unwrap().url(), url);
    }
    for text in ["h", "::1:2379", "[::1]", "http://:2379", "h:99999", "h:x", "unix:///run/etcd.sock", "a b:1"] {
        let refusal = Target::parse(text, &quick()).unwrap_err();
        assert_eq!(refusal.why, "not an endpoint".into(), "{text}");
    }
}

#[test]
fn debug_never_shows_a_password() {
    for connect in [
        Connect { user: Some("root".into()), password: Some("hush".into()), ..quick() },
        Connect { user: Some("root:hush".into()), ..quick() },
    ] {
        let shown = format!("{connect:?} {:?}", Members::new(connect.clone()).unwrap());
        assert!(shown.contains("root") && !shown.contains("hush"), "{shown}");
        assert_eq!(connect.credentials(), Some(("root".into(), "hush".into())));
    }
}

fn tls_server(identity: Identity) -> Served {
    Served::start(member(0), Some(ServerTlsConfig::new().identity(identity)))
}

#[test]
fn tls_refusals_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| Some(dir.path().join(name));
    let ca = Ca::new(dir.path(), "ca.pem", "etcd CA");
    let other = Ca::new(dir.path(), "other.pem", "another CA");
    Ca::new(dir.path(), "renewed.pem", "etcd CA");
    let trusting = Connect { cacert: at("ca.pem"), ..quick() };
    let good = tls_server(ca.sign("127.0.0.1", |_| {}));
    spoken(ask(trusting.clone(), &good.https()));
    spoken(ask(Connect { insecure_skip_tls_verify: true, ..quick() }, &good.https()));

    let elsewhere = tls_server(ca.sign("elsewhere.example", |_| {}));
    let expired = tls_server(ca.sign("127.0.0.1", |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1)));
    let own = fs::read(dir.path().join("other.pem")).unwrap();
    let selfish = tls_server(Identity::from_pem(own, fs::read(dir.path().join("other.pem.key")).unwrap()));
    let plain = Served::start(member(0), None);
    let trusting_other = Connect { cacert: at("other.pem"), ..quick() };
    for (connect, endpoint, expected) in [
        (&trusting_other, good.https(), "certificate of unknown issuer"),
        (&Connect { cacert: at("renewed.pem"), ..quick() }, good.https(), "certificate of unknown issuer"),
        (&quick(), good.https(), "certificate of unknown issuer"),
        (&trusting, elsewhere.https(), "certificate for another name"),
        (&trusting, expired.https(), "certificate expired"),
        (&trusting_other, selfish.https(), "CA certificate as server certificate"),
        (&trusting, plain.https(), "speaks http, not https"),
        (&trusting, good.http(), "speaks https, not http"),
    ] {
        let (why, details) = silent(ask(connect.clone(), &endpoint));
        assert_eq!(why, expected, "{details}");
    }
    // certificates are for https endpoints only: a mixed list of endpoints works
    spoken(ask(trusting.clone(), &plain.http()));

    let wants = ServerTlsConfig::new().identity(ca.sign("127.0.0.1", |_| {})).client_ca_root(ca.certificate());
    let wants = Served::start(member(0), Some(wants));
    let (why, details) = silent(ask(trusting.clone(), &wants.https()));
    assert_eq!(why, "requires a client certificate", "{details}");
    ca.sign("client", |_| {});
    other.sign("stranger", |_| {});
    let with =
        |name: &str| Connect { cert: at(&format!("{name}.crt")), key: at(&format!("{name}.key")), ..trusting.clone() };
    spoken(ask(with("client"), &wants.https()));
    let (why, details) = silent(ask(with("stranger"), &wants.https()));
    assert!(
        ["client certificate refused", "requires a client certificate"].contains(&why.as_str()),
        "{why}: {details}"
    );
}

#[test]
fn bad_certificate_files_are_named_before_connecting() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new(dir.path(), "ca.pem", "etcd CA");
    ca.sign("a", |_| {});
    ca.sign("b", |_| {});
    fs::write(dir.path().join("empty"), "").unwrap();
    let at = |name: &str| Some(dir.path().join(name));
    let mut messages = Vec::new();
    for (connect, what) in [
        (Connect { cacert: at("missing"), ..quick() }, "a missing CA file"),
        (Connect { cacert: at("empty"), ..quick() }, "an empty CA file"),
        (Connect { cert: at("a.crt"), ..quick() }, "a certificate without a key"),
        (Connect { key: at("a.key"), ..quick() }, "a key without a certificate"),
        (Connect { cert: at("a.crt"), key: at("empty"), ..quick() }, "an empty key file"),
        (Connect { cert: at("a.crt"), key: at("b.key"), ..quick() }, "another key"),
    ] {
        let error = Members::new(connect).unwrap_err();
        messages.push((what, error.to_string().replace(&dir.path().display().to_string(), "DIR")));
    }
    crate::text::messages::hold("etcd-client-files", &messages);
}

#[test]
fn several_members_are_asked_at_once() {
    let served = Served::start(member(0xa1), None);
    let members = Members::new(quick()).unwrap();
    thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| members.member_status(&served.http()))).collect();
        for answer in asked {
            assert_eq!(spoken(answer.join().unwrap()).read, Read::Served);
        }
    });
}
