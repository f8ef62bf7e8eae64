//! Certificates that our rules pass or refuse, shown to real members: by one who connects, and by one who is connected to.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use requorum::domain::members::certificates::{Admission, Cert, admit, evaluate};
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use crate::support::{
    cluster::{Member, Place},
    servers::Server,
    wait_until,
};

struct Pki {
    dir: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Pki {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("ca.crt"), ca.pem()).unwrap();
        Pki { dir, ca }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes NAME.crt and NAME.key with these names, an address among the DNS names staying one.
    fn leaf(&self, name: &str, dns: &[&str], ips: &[&str]) -> Cert {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "127.0.0.1");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = dns
            .iter()
            .map(|name| SanType::DnsName((*name).try_into().unwrap()))
            .chain(ips.iter().map(|ip| SanType::IpAddress(ip.parse().unwrap())))
            .collect();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.ca).unwrap();
        fs::write(self.path(&format!("{name}.crt")), cert.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        Cert {
            dns: dns.iter().map(ToString::to_string).collect(),
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            server_auth: true,
            client_auth: true,
            ..Cert::default()
        }
    }

    fn tls(&self, name: &str) -> String {
        let file = |name: String| self.path(&name).display().to_string();
        format!(
            "--peer-cert-file={} --peer-key-file={} --peer-trusted-ca-file={} --peer-client-cert-auth",
            file(format!("{name}.crt")),
            file(format!("{name}.key")),
            file("ca.crt".into())
        )
    }
}

/// A member by itself, whose peers show each other certificates.
fn alone(server: &Server, pki: &Pki, place: &Place, cert: &str, host: &str) -> Member {
    let (client, peer) = (place.client_url(), format!("https://{host}:2380"));
    let data = pki.path(&format!("{}-{cert}.etcd", place.name));
    let line = format!(
        "etcd --name m1 --data-dir {} --listen-client-urls {client} --advertise-client-urls {client} --listen-peer-urls \
         https://{}:2380 --initial-advertise-peer-urls {peer} --initial-cluster m1={peer} {}",
        data.display(),
        place.host(),
        pki.tls(cert)
    );
    let mut member = Member::start(server, place, &data, &line, &[]);
    member.wait_ready(None);
    member
}

/// By one who connects: a member that is to join asks the one there for its members, with etcd's own TLS.
pub fn as_judged(server: &Server) {
    let pki = Pki::new();
    pki.leaf("joins", &[], &["127.0.0.1"]);
    let place = Place::take(1).remove(0);
    let ip = place.host();
    for (name, dns, ips) in [
        ("address", &[][..], &[ip.as_str()][..]),
        ("as-name", &[ip.as_str()], &[]),
        ("other", &["etcd.example.com"], &["10.9.9.9"]),
        ("nameless", &[], &[]),
        ("wildcard", &["*.0.0.1", "*"], &[]),
    ] {
        let cert = pki.leaf(name, dns, ips);
        let mut member = alone(server, &pki, &place, name, &ip);
        let heard = joins(server, &pki, &ip);
        let refused = heard.contains("x509") || heard.contains("certificate");
        assert_eq!(evaluate(&cert, &ip).holds(), !refused, "{name}: {:?}, and etcd: {heard}", evaluate(&cert, &ip));
        member.stop();
    }

    // By one who is connected to: the address counts that the connection comes from, here 127.0.0.1.
    let server_cert = pki.leaf("server", &[], &[&ip]);
    assert!(evaluate(&server_cert, &ip).holds());
    let mut member = alone(server, &pki, &place, "server", &ip);
    for (name, dns, ips) in [
        ("no-names", &[][..], &[][..]),
        ("its-address", &[], &["127.0.0.1"]),
        ("address-as-name", &["127.0.0.1"], &[]),
        ("wildcards", &["*.example.com"], &[]),
        ("wildcards-and-another", &["*.example.com"], &["10.9.9.9"]),
        ("two-wildcards", &["*.example.com", "*.example.org"], &[]),
        ("a-name", &["localhost"], &[]),
    ] {
        let cert = pki.leaf(name, dns, ips);
        let answered = answers(&pki, &ip, name);
        match admit(&cert, &["127.0.0.1".to_string()]) {
            Admission::Nameless | Admission::Address => assert!(answered, "{name}"),
            Admission::ReverseOnly(_) => assert!(!answered, "{name}"),
            Admission::Resolved => assert!(answered, "{name}: localhost resolves to 127.0.0.1"),
        }
    }
    assert!(member.log().contains("DNSNames"), "{}", member.log());
    member.stop();
    drop(pki);
}

/// What a member says that is to join and does not belong: whether it could ask is all that counts.
fn joins(server: &Server, pki: &Pki, ip: &str) -> String {
    let mine = Place::take(1).remove(0);
    let (client, peer) = (mine.client_url(), format!("https://{}:2380", mine.host()));
    let data = pki.path(&format!("joins-{}.etcd", mine.host()));
    let mut command = Command::new(server.dir().join("etcd"));
    command.args(["--name", "m2", "--initial-cluster-state", "existing", "--data-dir"]).arg(&data).env_clear();
    command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    command.args(["--initial-cluster", &format!("m1=https://{ip}:2380,m2={peer}")]);
    let tls = pki.tls("joins");
    let out = command.args(tls.split(' ')).output().unwrap();
    assert!(!out.status.success(), "it is no member");
    format!("{}{}", String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout))
        .lines()
        .filter(|line| line.contains("cluster") || line.contains("x509"))
        .filter(|line| !line.contains("starting with peer TLS") && !line.contains("cert-file"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether the peers' port answers one who shows this certificate.
fn answers(pki: &Pki, ip: &str, name: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let pem = |path: &Path| fs::read(path).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem(&pki.path("ca.crt"))).unwrap()).unwrap();
        let cert = CertificateDer::from_pem_slice(&pem(&pki.path(&format!("{name}.crt")))).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&pem(&pki.path(&format!("{name}.key")))).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![cert], key)
            .unwrap();
        let server = ServerName::try_from(ip.to_string()).unwrap();
        let socket = TcpStream::connect((ip, 2380))?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), server).unwrap(), socket);
        stream.write_all(b"GET /version HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n")?;
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    wait_until("an answer or an end", Duration::from_secs(60), || {
        ask().map(|text| text.contains("etcdserver")).or_else(|e| match e.kind() {
            std::io::ErrorKind::ConnectionRefused => Err(e.to_string()),
            _ => Ok(false),
        })
    })
}
