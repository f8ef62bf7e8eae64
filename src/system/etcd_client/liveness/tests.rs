//! What listeners of several kinds are taken for. Real members are knocked at in `tests/cases/real_etcd/old_member.rs`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    thread,
};

use super::*;
use crate::system::etcd_client::Connect;

#[test]
fn only_what_accepts_a_connection_is_listening() {
    let door = |url: String| Endpoint { url, kind: EndpointKind::Peer, whose: "m1".into(), old: false };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let urls = [
        format!("http://{closed}"),
        listener(None),
        "no endpoint".into(),
        listener(Some("")).replace("http://", "https://"),
        "unix:///run/etcd".into(),
    ];
    let found = Members::listening(urls.iter().cloned().map(door).collect(), Duration::from_secs(5));
    assert_eq!(found.iter().map(|door| &door.url).collect::<Vec<_>>(), [&urls[1], &urls[3]]);
    assert_eq!(Members::listening(Vec::new(), Duration::from_secs(5)).len(), 0);
}

/// What a listener does with each connection: says this when it was spoken to, then hangs up; or nothing at all.
fn listener(says: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            match says {
                None => silent.push(stream),
                Some("") => {}
                Some(text) => {
                    thread::spawn(move || {
                        // The first connection may only look whether anybody listens.
                        if stream.read(&mut [0; 4096]).unwrap_or(0) > 0 {
                            let _ = stream.write_all(text.as_bytes());
                        }
                        // Closed with something unread, it would be reset, and the words lost with it.
                        let _ = stream.shutdown(Shutdown::Write);
                        let _ = std::io::copy(&mut stream, &mut std::io::sink());
                    });
                }
            }
        }
    });
    format!("http://{at}")
}

/// A port at which nothing listens: one that the kernel hands out, as another test may get it at any moment, would not do.
fn nobody() -> String {
    "http://127.0.0.1:1".into()
}

#[test]
fn who_answers_is_told_from_who_does_not() {
    const MEMBERS: &str = "HTTP/1.1 200 OK\r\nX-Etcd-Cluster-ID: 4f1c\r\nContent-Length: 2\r\n\r\n[]";
    const VERSION: &str =
        "HTTP/1.1 200 OK\r\nContent-Length: 48\r\n\r\n{\"etcdserver\":\"3.5.30\",\"etcdcluster\":\"3.5.0\"}     ";
    const STRANGER: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    // Go's answer to plain HTTP where TLS is wanted
    const TLS: &str = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    let quick = Duration::from_millis(300);
    let connect = Connect { dial_timeout: Duration::from_secs(2), command_timeout: quick, ..Connect::default() };
    let members = Members::new(connect).unwrap();
    let cases = [
        (nobody(), EndpointKind::Peer, "refused"),
        (nobody(), EndpointKind::Client, "refused"),
        (listener(None), EndpointKind::Peer, "unidentified"),
        (listener(None), EndpointKind::Client, "unidentified"),
        (listener(Some("")), EndpointKind::Peer, "unclear"),
        (listener(Some("")), EndpointKind::Client, "unclear"),
        (listener(Some(STRANGER)), EndpointKind::Peer, "stranger"),
        (listener(Some(STRANGER)), EndpointKind::Client, "stranger"),
        (listener(Some(MEMBERS)), EndpointKind::Peer, "etcd 4f1c"),
        (listener(Some(VERSION)), EndpointKind::Client, "etcd 3.5.30"),
        (listener(Some(TLS)), EndpointKind::Peer, "unidentified"),
        (listener(Some("SSH-2.0-OpenSSH\r\n")), EndpointKind::Peer, "unidentified"),
        ("http://no.such.name.invalid:2380".into(), EndpointKind::Peer, "unclear"),
        ("unix:///run/etcd.sock".into(), EndpointKind::Peer, "unclear"),
    ];
    let doors: Vec<Endpoint> = cases
        .iter()
        .map(|(url, kind, _)| Endpoint { url: url.clone(), kind: *kind, whose: "m1".into(), old: true })
        .collect();
    for ((url, kind, expected), heard) in cases.iter().zip(members.probe_endpoints(&doors)) {
        let told = match &heard {
            ProbeResult::Refused => "refused".to_string(),
            ProbeResult::Unclear(_) => "unclear".into(),
            ProbeResult::Stranger(_) => "stranger".into(),
            ProbeResult::Unidentified(_) => "unidentified".into(),
            ProbeResult::Etcd { cluster: Some(id), .. } => format!("etcd {id}"),
            ProbeResult::Etcd { version, .. } => format!("etcd {version}"),
        };
        assert_eq!(&told, expected, "{url} {kind:?}: {heard:?}");
    }
}
