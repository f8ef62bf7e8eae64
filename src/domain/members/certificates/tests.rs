//! The rules by a table, with made-up facts; real certificates are read in `system/certificates`.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::members::{cell::Origin, table::Severity};

const NOW: i64 = 1_795_317_120;

fn cert(dns: &[&str], ips: &[&str]) -> Cert {
    Cert {
        subject: "CN=etcd".into(),
        issuer: "CN=ca".into(),
        dns: dns.iter().map(|d| (*d).to_string()).collect(),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        not_before: NOW - 100 * 86_400,
        not_after: NOW + 100 * 86_400,
        server_auth: true,
        client_auth: true,
    }
}

#[test]
fn hosts_are_matched_as_go_matches_them() {
    let cert = cert(
        &[
            "host1",
            "*.etcd.example.com",
            "Big.Example",
            "dotted.example.",
            "10.0.0.9",
            "*",
            "m2:2380",
            "https://m3",
            "a b",
            "x_y",
        ],
        &["10.0.0.1", "2001:db8::1", "::ffff:10.0.0.4"],
    );
    let as_name = |name: &str| Match::AddressAsName(name.into());
    let url = |name: &str| Match::UrlAsName(name.into());
    let labels = || Match::OtherLabels("*.etcd.example.com".into());
    for (host, wanted) in [
        ("host1", Match::Name),
        ("HOST1.", Match::Name),
        ("big.example", Match::Name),
        ("a.etcd.example.com", Match::Wildcard),
        ("A.ETCD.example.com.", Match::Wildcard),
        ("a.b.etcd.example.com", labels()),
        ("etcd.example.com", labels()),
        ("xetcd.example.com", Match::No),
        ("host11", Match::No),
        ("dotted.example", Match::No),
        ("dotted.example.", Match::Name),
        ("10.0.0.1", Match::Address),
        ("10.0.0.4", Match::Address),
        ("::ffff:10.0.0.1", Match::Address),
        ("10.0.0.9", as_name("10.0.0.9")),
        ("2001:DB8:0::1", Match::Address),
        ("10.0.0.2", Match::No),
        ("etcd", Match::No),
        ("m2", url("m2:2380")),
        ("m3", url("https://m3")),
        ("a b", Match::Name),
        ("x_y", Match::Name),
    ] {
        assert_eq!(evaluate(&cert, host), wanted, "{host}");
        assert_eq!(covers(&cert, host), wanted.holds(), "{host}");
    }
}

#[test]
fn addresses_among_dns_names_are_recognized() {
    for (name, host, wanted) in [
        ("10.0.0.1", "10.0.0.1", true),
        ("10.0.0.1:2380", "10.0.0.1", true),
        ("https://10.0.0.1:2380", "10.0.0.1", true),
        ("2001:db8::1", "2001:db8::1", true),
        ("[2001:db8::1]:2380", "2001:db8:0::1", true),
        ("10.0.0.2", "10.0.0.1", false),
        ("host", "10.0.0.1", false),
    ] {
        let found = evaluate(&cert(&[name], &[]), host);
        assert_eq!(matches!(found, Match::AddressAsName(_)), wanted, "{name} for {host}: {found:?}");
        assert!(!found.holds(), "an address is none of Go's names");
    }
}

#[test]
fn dialled_members_check_the_address() {
    let only = |names: &[&str]| Admission::ReverseOnly(names.iter().map(ToString::to_string).collect());
    for (dns, ips, hosts, wanted) in [
        (&[][..], &[][..], &["10.0.0.1"][..], Admission::Nameless),
        (&[], &["10.0.0.1"], &["10.0.0.1"], Admission::Address),
        (&["10.0.0.1"], &[], &["10.0.0.1"], Admission::Address),
        (&["*.example.com"], &[], &["m1.example.com"], only(&["*.example.com"])),
        (&["*.example.com", "localhost"], &["127.0.0.1"], &["m1.example.com"], only(&["*.example.com"])),
        (&["*.a.example", "*.b.example"], &[], &["m1.a.example"], only(&["*.a.example", "*.b.example"])),
        (&["*.example.com"], &["10.0.0.9"], &["10.0.0.1"], only(&["*.example.com"])),
        // Its address may be among these, and its name may resolve to it.
        (&["*.example.com"], &["10.0.0.9"], &["m1.example.com"], Admission::Resolved),
        (&["*.example.com", "m1.example.com"], &[], &["m1.example.com"], Admission::Resolved),
        (&["m1"], &[], &["m1"], Admission::Resolved),
        (&[], &["10.0.0.9"], &["10.0.0.1"], Admission::Resolved),
    ] {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(admit(&cert(dns, ips), &hosts), wanted, "{dns:?} {ips:?} for {hosts:?}");
    }
}

#[test]
fn a_wildcard_only_peer_certificate_is_a_warning() {
    let wild = |rows: &[Row]| {
        let files = named(rows).into_iter().map(|named| {
            let ip = named.cert.to_string_lossy().chars().find(char::is_ascii_digit).unwrap_or('1');
            let peer = named.cert.to_string_lossy().starts_with("/p");
            let own = cert(&[], &[&format!("10.0.0.{ip}")]);
            Files {
                named,
                cert: Ok(if peer { cert(&["*.example.com"], &[]) } else { own }),
                key: Key::Matches,
                ca: None,
            }
        });
        let seen = CertificateFacts { files: files.collect(), distrust: Vec::new() };
        check(rows, &seen, NOW)
    };
    let rows = |change: fn(String) -> String| -> Vec<Row> {
        let of = |n: usize| {
            let row = row(n);
            let flags = change(row.text(Column::Flags).to_string());
            let peer = format!("https://m{n}.example.com:2380");
            row.with(Column::Peer, peer, Origin::Typed).with(Column::Flags, flags, Origin::Typed)
        };
        vec![of(1), of(2)]
    };
    let problems = wild(&rows(|flags| flags));
    let told: Vec<_> = problems.iter().map(|p| (p.row, p.severity)).collect();
    assert_eq!(told, [(Some(0), Severity::Warning), (Some(1), Severity::Warning)], "{problems:#?}");
    assert!(problems[0].text.contains("*.example.com") && problems[0].text.contains(" .example.com"), "{problems:#?}");
    // Where nobody asks for it, where the names are skipped, and where another certificate is shown.
    for change in [
        (|flags: String| flags.replace("--peer-trusted-ca-file=/ca.crt", "")) as fn(String) -> String,
        |flags| format!("{flags} --peer-skip-client-san-verification"),
        |flags| format!("{flags} --experimental-peer-skip-client-san-verification=true"),
        |flags| format!("{flags} --peer-client-cert-file=/other.crt --peer-client-key-file=/other.key"),
    ] {
        assert_eq!(wild(&rows(change)), []);
    }
    assert_eq!(wild(&rows(|flags| flags)[..1]), [], "one member connects to no other");
}

fn row(n: usize) -> Row {
    let flags = format!(
        "--peer-cert-file=/p{n}.crt --peer-key-file=/p{n}.key --peer-trusted-ca-file=/ca.crt --cert-file /c{n}.crt --key-file=/c{n}.key"
    );
    Row::default()
        .with(Column::Name, format!("m{n}"), Origin::Typed)
        .with(Column::Peer, format!("https://10.0.0.{n}:2380"), Origin::Typed)
        .with(Column::Client, format!("https://10.0.0.{n}:2379"), Origin::Typed)
        .with(Column::Flags, flags, Origin::Typed)
}

fn good() -> (Vec<Row>, CertificateFacts) {
    let rows = vec![row(1), row(2)];
    let files = named(&rows).into_iter().map(|named| {
        let n = if named.cert.to_string_lossy().contains('1') { 1 } else { 2 };
        Files { named, cert: Ok(cert(&[], &[&format!("10.0.0.{n}")])), key: Key::Matches, ca: None }
    });
    let seen = CertificateFacts { files: files.collect(), distrust: Vec::new() };
    (rows, seen)
}

#[test]
fn certificate_paths_are_found_in_every_flag_form() {
    let (rows, seen) = good();
    let paths: Vec<&Path> = seen.files.iter().map(|f| f.named.cert.as_path()).collect();
    assert_eq!(paths, [Path::new("/p1.crt"), Path::new("/c1.crt"), Path::new("/p2.crt"), Path::new("/c2.crt")]);
    assert_eq!(seen.files[0].named.ca, Some("/ca.crt".into()));
    assert_eq!((seen.files[1].named.ca.clone(), seen.files[1].named.key.clone()), (None, Some("/c1.key".into())));
    assert_eq!(check(&rows, &seen, NOW), []);
    assert_eq!(check(&rows, &CertificateFacts::default(), NOW), [], "not read yet");
    assert_eq!(named(&[row(1), row(1)]).len(), 2);
}

#[test]
fn every_mistake_is_told_with_its_reason() {
    use crate::domain::members::table::Severity::{Error, Warning};
    fn of<'a>(seen: &'a mut CertificateFacts, path: &str) -> &'a mut Files {
        seen.files.iter_mut().find(|f| f.named.cert == Path::new(path)).unwrap()
    }
    type Change = fn(&mut Cert);
    let mut messages = Vec::new();
    let on_cert: [(&str, Change, Severity, &str); 11] = [
        (
            "/p2.crt",
            |c| (c.dns, c.ips) = (vec!["10.0.0.2".into()], Vec::new()),
            Error,
            "the address as a DNS name of the peer",
        ),
        (
            "/c2.crt",
            |c| (c.dns, c.ips) = (vec!["10.0.0.2:2379".into()], Vec::new()),
            Error,
            "the address and the port as a DNS name",
        ),
        ("/p2.crt", |c| c.ips.clear(), Error, "no name at all"),
        ("/p2.crt", |c| c.ips = vec!["10.0.0.7".parse().unwrap()], Error, "another address"),
        ("/c2.crt", |c| c.ips.clear(), Error, "no name at all, of clients"),
        ("/p2.crt", |c| c.not_after = NOW - 3 * 86_400, Error, "expired"),
        ("/p2.crt", |c| c.not_before = NOW + 7_200, Error, "not valid yet"),
        ("/p2.crt", |c| c.not_after = NOW + 13 * 86_400, Warning, "expires soon"),
        ("/c2.crt", |c| c.server_auth = false, Error, "clients: no serverAuth"),
        ("/p2.crt", |c| c.client_auth = false, Error, "peers: no clientAuth"),
        ("/p2.crt", |c| c.server_auth = false, Error, "peers: no serverAuth"),
    ];
    for (path, change, severity, what) in on_cert {
        let (rows, mut seen) = good();
        change(of(&mut seen, path).cert.as_mut().unwrap());
        let problems = check(&rows, &seen, NOW);
        assert_eq!(problems.len(), 1, "{what}: {problems:?}");
        let p = &problems[0];
        assert_eq!((p.row, p.column, p.severity), (Some(1), Some(Column::Flags), severity), "{what}");
        assert!(!p.text.ends_with('.'), "{:?}", p.text);
        messages.push((what, p.text.clone()));
    }
    type Harm = fn(&mut Files);
    let on_files: [(Harm, Severity, &str); 5] = [
        (|f| f.key = Key::Differs, Error, "another key"),
        (|f| f.key = Key::Unread(Unread::Elsewhere("it is not here".into())), Warning, "a key on another machine"),
        (
            |f| f.cert = Err(Unread::Elsewhere("it is not on this machine".into())),
            Warning,
            "a certificate on another machine",
        ),
        (|f| f.cert = Err(Unread::Wrong("it has no PEM certificate".into())), Error, "a file without a certificate"),
        (|f| f.ca = Some(Unread::Wrong("it has no PEM certificate".into())), Error, "a CA file without a certificate"),
    ];
    for (change, severity, what) in on_files {
        let (rows, mut seen) = good();
        change(of(&mut seen, "/p2.crt"));
        let problems = check(&rows, &seen, NOW);
        assert!(problems.len() == 1 && problems[0].severity == severity, "{what}: {problems:?}");
        messages.push((what, problems[0].text.clone()));
    }
    crate::text::messages::hold("plan-certificates-wrong", &messages);
}

#[test]
fn each_pair_must_trust_each_other() {
    let (rows, mut seen) = good();
    seen.distrust.push(Distrust { ca: "/ca.crt".into(), cert: "/p2.crt".into(), why: "no CA in it signed it".into() });
    let problems = check(&rows, &seen, NOW);
    assert_eq!(problems.len(), 1);
    assert_eq!(
        (problems[0].row, problems[0].text.as_str()),
        (
            Some(1),
            "m1 does not trust the certificate /p2.crt (CN=etcd), signed by CN=ca: no CA in it signed it (CA file /ca.crt)"
        )
    );
    // One member has nobody to be trusted by.
    assert_eq!(check(&rows[1..], &seen, NOW), []);
}

#[test]
fn one_path_may_be_a_file_per_host() {
    let mut rows = vec![row(1), row(2)];
    for row in &mut rows {
        row.set(Column::Flags, "--peer-cert-file=/pki/peer.crt", Origin::Typed);
    }
    let files =
        |ip: &str| Files { named: named(&rows)[0].clone(), cert: Ok(cert(&[], &[ip])), key: Key::Unjudged, ca: None };
    let here = CertificateFacts { files: vec![files("10.0.0.1")], distrust: vec![] };
    let problems = check(&rows, &here, NOW);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].severity, Severity::Warning);
    crate::text::messages::hold("plan-certificates-path", &[("one path on two hosts", problems[0].text.clone())]);
    let nowhere = CertificateFacts { files: vec![files("10.0.0.9")], distrust: vec![] };
    let problems = check(&rows, &nowhere, NOW);
    assert_eq!(
        problems.iter().map(|p| (p.row, p.severity)).collect::<Vec<_>>(),
        [(Some(0), Severity::Error), (Some(1), Severity::Error)]
    );
}

#[test]
fn uses_count_only_where_etcd_needs_them() {
    let (mut rows, mut seen) = good();
    for files in &mut seen.files {
        files.cert.as_mut().unwrap().client_auth = false;
    }
    // No CA: peers are not asked for a certificate. Without --client-cert-auth neither are clients.
    for row in &mut rows {
        let flags = row.text(Column::Flags).replace("--peer-trusted-ca-file=/ca.crt ", "");
        row.set(Column::Flags, flags, Origin::Typed);
    }
    for files in &mut seen.files {
        files.named.ca = None;
    }
    assert_eq!(check(&rows, &seen, NOW), []);
    let flags = format!("{} --client-cert-auth", rows[0].text(Column::Flags));
    rows[0].set(Column::Flags, flags, Origin::Typed);
    let problems = check(&rows, &seen, NOW);
    assert!(problems.len() == 1 && problems[0].severity == Severity::Warning);
    crate::text::messages::hold("plan-certificates-use", &[("no client use", problems[0].text.clone())]);
}
