#![allow(clippy::unwrap_used)]
use std::path::Path;

use super::{allowed_flags::outside, *};
use crate::drill::scenario::{library, parse};

#[test]
fn no_word_of_a_command_leads_out() {
    let root = Path::new("/tmp/requorum-drill-x");
    let leads = |word: &str| outside(&["etcd".to_string(), word.to_string()], root).is_some();
    for inside in [
        "--name=m1",
        "--data-dir=/tmp/requorum-drill-x/restored/m1.etcd",
        "--listen-peer-urls=http://127.0.0.1:21001,http://localhost:21001",
        "--initial-cluster=m1=http://127.0.0.1:21001,m2=https://127.0.0.3:21003",
        "--initial-cluster-state=existing",
        "--auto-compaction-retention=5m",
        "--peer-auto-tls",
        "--quota-backend-bytes=8589934592",
    ] {
        assert!(!leads(inside), "{inside}");
    }
    for out in [
        "--data-dir=/var/lib/etcd",
        "--data-dir=/tmp/requorum-drill-x/../y",
        "--data-dir=/tmp/requorum-drill-xy",
        "--log-outputs=../etcd.log",
        "/etc/passwd",
        "--listen-client-urls=http://127.0.0.1:2379,http://0.0.0.0:2379",
        "--listen-client-urls=http://10.0.0.1:2379",
        "--listen-client-urls=http://etcd.example:2379",
        "--listen-client-urls=unix://sock:1",
        "--initial-cluster=m1=http://127.0.0.1:21001,m2=http://10.0.0.2:2380",
        "--distributed-tracing-address=10.0.0.1:4317",
        "--discovery-srv=example.com",
        "--config-file=etcd.yaml",
    ] {
        assert!(leads(out), "{out}");
    }
}

fn etcd(version: &str) -> Etcd {
    let minor = version.parse().unwrap();
    Etcd {
        path: "/nowhere/etcd".into(),
        version: version.into(),
        minor,
        members: Members::new(Default::default()).unwrap(),
    }
}

#[test]
fn states_impossible_for_real_etcd_are_refused() {
    let first = library::find(library::FIRST, None).unwrap();
    assert_eq!(etcd("3.6.14").fit(first).unwrap().cluster.etcd, Minor::V3_6);

    let ghosts = library::find("ghosts", None).unwrap();
    let refused = etcd("3.5.30").fit(ghosts.clone()).unwrap_err().to_string();
    let mut messages = vec![("ghosts", refused)];
    assert!(etcd("3.6.14").fit(ghosts).is_ok());

    for name in ["game-day", "new-hosts", "torn-pages"] {
        let refused = etcd("3.6.14").fit(library::find(name, None).unwrap()).unwrap_err();
        messages.push((name, refused.to_string()));
    }
    let text = library::BUILT_IN.iter().find(|(name, _)| name.contains("first-night")).unwrap().1;
    for (what, from, to) in [
        ("a damaged page", "m2, state: alone", "m2, state: alone, damage: page"),
        ("TLS", "  etcd: \"3.5\"", "  etcd: \"3.5\"\n  tls: true"),
        ("another version", "  etcd: \"3.5\"", "  etcd: \"3.5\"\n  target: \"3.6\""),
    ] {
        let scenario = parse("x.yaml", &text.replacen(from, to, 1)).unwrap();
        messages.push((what, etcd("3.6.14").fit(scenario).unwrap_err().to_string()));
    }
    crate::text::messages::hold("drill-real", &messages);
}
