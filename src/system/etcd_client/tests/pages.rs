//! Members that tell of themselves by their pages alone, and by their peer port.

use super::*;

/// A web server that knows these pages, each for one GET on a connection of its own.
fn pages(known: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut asked = [0; 4096];
                let length = stream.read(&mut asked).unwrap_or(0);
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                let path = asked.split([' ', '?']).nth(1).unwrap_or_default();
                let (status, body) = match known.iter().find(|(p, _)| *p == path) {
                    Some((_, body)) => ("200 OK", *body),
                    None => ("404 Not Found", ""),
                };
                let head =
                    format!("HTTP/1.1 {status}\r\nX-Etcd-Cluster-ID: c1\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
                // Closed with something unread, the connection would be reset, and the answer lost with it.
                let _ = stream.shutdown(Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            });
        }
    });
    at
}

const METRICS: &str = "etcd_server_has_leader 0\netcd_server_id{server_id=\"a1\"} 1\n\
    etcd_debugging_mvcc_current_revision 42\netcd_server_version{server_version=\"3.5.30\"} 1\n";

#[test]
fn a_silent_grpc_member_is_known_by_http() {
    let at = pages(&[
        ("/metrics", METRICS),
        ("/version", r#"{"etcdserver":"3.5.30","etcdcluster":"3.5.0"}"#),
        ("/health", r#"{"health":"false","reason":"RAFT NO LEADER"}"#),
    ]);
    let says = spoken(ask(quick(), &at.to_string()));
    assert_eq!((says.member_id, says.revision, says.has_leader), (Id(0xa1), 42, Some(false)));
    assert_eq!((says.version.as_str(), says.cluster_version.as_str()), ("3.5.30", "3.5.0"));
    assert_eq!(says.health, OwnHealth::Bad("RAFT NO LEADER".into()));
    assert_eq!(says.closed, Some("speaks HTTP/1, not gRPC".into()));
    assert_eq!(says.read, Read::NotAsked);

    let good = pages(&[("/metrics", METRICS), ("/health", r#"{"health":"true"}"#)]);
    assert_eq!(spoken(ask(quick(), &good.to_string())).read, Read::Served, "/health makes a linearizable read");
    // pages of something else say nothing
    let other = pages(&[("/metrics", "go_goroutines 9\n"), ("/health", r#"{"health":"true"}"#)]);
    assert_eq!(silent(ask(quick(), &other.to_string())).0, "speaks HTTP/1, not gRPC");
}

#[test]
fn a_peer_port_tells_who_lives() {
    let at = pages(&[(
        "/members",
        r#"[{"id":161,"name":"m1","peerURLs":["http://10.0.0.1:2380"],"clientURLs":[]},
        {"id":162,"name":"m2","isLearner":true,"peerURLs":["http://10.0.0.2:2380"]}]"#,
    )]);
    let member = |at: SocketAddr| KnownMember {
        id: Id(0xa1),
        peer_urls: vec![format!("http://{at}").into()],
        ..KnownMember::default()
    };
    let members = Members::new(quick()).unwrap().without_guesses();
    let says = spoken(members.peer_status(&member(at)));
    assert_eq!((says.cluster_id, says.member_id, says.members.len()), (Id(0xc1), Id(0xa1), 2));
    assert!(says.members[1].is_learner);
    let other = pages(&[("/members", "<html>")]);
    let (_, details) = silent(members.peer_status(&member(other)));
    crate::text::messages::hold("etcd-client-pages", &[("a web page", details.replace(&other.to_string(), "ADDRESS"))]);
    let shut = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(silent(members.peer_status(&member(shut))).1.contains("Connection refused"));
}
