//! Real certificates, made for the test, read and judged.
#![allow(clippy::unwrap_used)]

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P521_SHA512, date_time_ymd,
};

use super::*;
use crate::domain::members::{
    cell::{Origin, Row},
    certificates::{check, named},
    table::{Column, Problem, Severity},
};

const NOW: i64 = 1_795_317_120;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn ca(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Place(tempfile::TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes `NAME.crt` and `NAME.key` for these hosts.
    fn leaf(&self, name: &str, hosts: &[&str], ca: &Ca, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(hosts.iter().map(|h| (*h).to_string()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, ca).unwrap();
        fs::write(self.path(&format!("{name}.crt")), cert.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn rows(&self) -> Vec<Row> {
        (1..=2)
            .map(|n| {
                let file = |kind: &str| self.path(&format!("m{n}.{kind}")).display().to_string();
                let (crt, key, ca) = (file("crt"), file("key"), self.path("ca.crt").display().to_string());
                Row::default()
                    .with(Column::Name, format!("m{n}"), Origin::Typed)
                    .with(Column::Peer, format!("https://10.0.0.{n}:2380"), Origin::Typed)
                    .with(
                        Column::Flags,
                        format!("--peer-cert-file={crt} --peer-key-file={key} --peer-trusted-ca-file={ca}"),
                        Origin::Typed,
                    )
            })
            .collect()
    }

    fn judged(&self) -> Vec<Problem> {
        let rows = self.rows();
        check(&rows, &read(&named(&rows)), NOW)
    }
}

/// Two members of one CA without a mistake.
fn place() -> (Place, Ca) {
    let place = Place(tempfile::tempdir().unwrap());
    let ca = ca("etcd-ca");
    fs::write(place.path("ca.crt"), ca.pem()).unwrap();
    place.leaf("m1", &["10.0.0.1", "host1"], &ca, |_| {});
    place.leaf("m2", &["10.0.0.2"], &ca, |_| {});
    (place, ca)
}

#[test]
fn good_certificates_pass_and_their_facts_are_read() {
    let (place, _) = place();
    assert_eq!(place.judged(), []);
    let seen = read(&named(&place.rows()));
    let cert = seen.files[0].cert.as_ref().unwrap();
    assert_eq!(
        (cert.dns.as_slice(), cert.ips.as_slice()),
        (&["host1".to_string()][..], &["10.0.0.1".parse().unwrap()][..])
    );
    assert!(cert.subject.contains("CN=m1") && cert.issuer.contains("CN=etcd-ca"), "{cert:?}");
    assert!(cert.server_auth && cert.client_auth && cert.not_before < NOW && cert.not_after > NOW);
    assert_eq!(seen.files[0].key, Key::Matches);
}

#[test]
fn wrong_certificates_are_found_out_on_the_disk() {
    type Harm = fn(&Place, &Ca);
    let cases: [(Harm, Severity, &str); 10] = [
        (|p, ca| p.leaf("m2", &["10.0.0.3"], ca, |_| {}), Severity::Error, "another address"),
        (
            |p, ca| {
                p.leaf("m2", &["10.0.0.2"], ca, |c| c.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])
            },
            Severity::Error,
            "no clientAuth",
        ),
        (
            |p, ca| {
                p.leaf("m2", &["10.0.0.2"], ca, |c| c.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
            },
            Severity::Error,
            "no serverAuth",
        ),
        (
            |p, ca| p.leaf("m2", &["10.0.0.2"], ca, |c| c.not_after = date_time_ymd(2026, 11, 1)),
            Severity::Error,
            "expired",
        ),
        (
            |p, ca| p.leaf("m2", &["10.0.0.2"], ca, |c| c.not_before = date_time_ymd(2027, 1, 1)),
            Severity::Error,
            "not valid yet",
        ),
        (
            |p, ca| p.leaf("m2", &["10.0.0.2"], ca, |c| c.not_after = date_time_ymd(2026, 11, 25)),
            Severity::Warning,
            "expires soon",
        ),
        (|p, _| p.leaf("m2", &["10.0.0.2"], &ca("other-ca"), |_| {}), Severity::Error, "of another CA"),
        (
            |p, _| {
                fs::copy(p.path("m1.key"), p.path("m2.key")).unwrap();
            },
            Severity::Error,
            "another key",
        ),
        (|p, _| fs::write(p.path("m2.crt"), "hello").unwrap(), Severity::Error, "no certificate in its file"),
        (|p, _| fs::write(p.path("m2.key"), "hello").unwrap(), Severity::Error, "no key in its file"),
    ];
    let mut messages = Vec::new();
    for (harm, severity, what) in cases {
        let (place, ca) = place();
        harm(&place, &ca);
        let problems = place.judged();
        assert_eq!(problems.len(), 1, "{what}: {problems:#?}");
        assert_eq!((problems[0].severity, problems[0].row), (severity, Some(1)), "{what}: {problems:#?}");
        messages.push((what, problems[0].text.replace(&place.0.path().display().to_string(), "DIR")));
    }
    crate::text::messages::hold("certificates-wrong", &messages);
}

#[test]
fn certificates_on_other_hosts_stop_nothing() {
    let (place, _) = place();
    for file in ["m2.crt", "m2.key", "ca.crt"] {
        fs::remove_file(place.path(file)).unwrap();
    }
    let problems = place.judged();
    assert!(!problems.is_empty() && problems.iter().all(|p| p.severity == Severity::Warning), "{problems:#?}");
    assert!(problems.iter().any(|p| p.text.contains("m2.crt")));
    let relative = [Named { cert: "pki/peer.crt".into(), ..Named::default() }];
    assert!(matches!(&read(&relative).files[0].cert, Err(Unread::Elsewhere(_))));
    let device = [Named { cert: "/dev/zero".into(), ..Named::default() }];
    assert!(matches!(&read(&device).files[0].cert, Err(Unread::Wrong(_))));
}

#[test]
fn chains_and_self_signed_cas_count() {
    // An intermediate beside the leaf leads to the root.
    let (place, root) = place();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "between");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    place.leaf("m2", &["10.0.0.2"], &between, |_| {});
    assert_eq!(place.judged().len(), 1, "the chain is missing");
    let both = fs::read_to_string(place.path("m2.crt")).unwrap() + &between.pem();
    fs::write(place.path("m2.crt"), both).unwrap();
    assert_eq!(place.judged(), []);
    // etcd's own --peer-auto-tls and `openssl req -x509` sign themselves, on P-521 at that.
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
    let own = CertificateParams::new(vec!["10.0.0.1".into(), "10.0.0.2".into()]).unwrap().self_signed(&key).unwrap();
    for name in ["m1", "m2", "ca"] {
        fs::write(place.path(&format!("{name}.crt")), own.pem()).unwrap();
        fs::write(place.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    assert_eq!(place.judged(), []);
}
