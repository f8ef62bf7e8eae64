//! Certificates read from this machine's disk, and which CA vouches for which: the facts that
//! [`domain::members::certificates`](crate::domain::members::certificates) judges. Only paths and what is public leaves this file; a key
//! is read to be held against its certificate, and dropped.

#[cfg(test)]
mod tests;

use std::{
    io::{ErrorKind, Read},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio_rustls::rustls::{
    CertificateError, Error, InconsistentKeys, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::WebPkiClientVerifier,
    sign::CertifiedKey,
};
use x509_parser::{extensions::GeneralName, prelude::FromDer, prelude::X509Certificate};

use super::net::tls::provider;
use crate::{
    domain::members::certificates::{Cert, CertificateFacts, Distrust, Files, Key, Named, Unread},
    engine::durable_fs,
};

/// No certificate file is longer; a whole system's CA bundle has a quarter of it.
const MAX_BYTES: u64 = 1 << 20;

/// Reads all files that are named, each once, and tries every CA on every certificate.
pub(super) fn read(named: &[Named]) -> CertificateFacts {
    let chains: Vec<Result<Vec<CertificateDer<'static>>, Unread>> = named.iter().map(|n| chain(&n.cert)).collect();
    let mut cas: Vec<(&PathBuf, Result<Vec<CertificateDer<'static>>, Unread>)> = Vec::new();
    for path in named.iter().filter_map(|n| n.ca.as_ref()) {
        if !cas.iter().any(|(known, _)| *known == path) {
            cas.push((path, chain(path)));
        }
    }
    let mut seen = CertificateFacts::default();
    for (named, chain) in named.iter().zip(&chains) {
        let cert = chain.as_ref().map_err(Clone::clone).and_then(|chain| facts(chain));
        let ca =
            named.ca.as_ref().and_then(|path| cas.iter().find(|(known, _)| *known == path)?.1.as_ref().err().cloned());
        let key = match (&named.key, chain) {
            (Some(path), Ok(chain)) => key(path, chain),
            _ => Key::Unjudged,
        };
        seen.files.push(Files { named: named.clone(), cert, key, ca });
    }
    for (ca, roots) in &cas {
        let Ok(roots) = roots else { continue };
        for (named, (chain, files)) in named.iter().zip(chains.iter().zip(&seen.files)) {
            let told = seen.distrust.iter().any(|d| d.ca == **ca && d.cert == named.cert);
            let (Ok(chain), Ok(cert), false) = (chain, &files.cert, told) else { continue };
            if let Some(why) = distrust(roots, chain, cert) {
                seen.distrust.push(Distrust { ca: (*ca).clone(), cert: named.cert.clone(), why });
            }
        }
    }
    seen
}

/// A file's bytes; a relative path is relative to where etcd will be started, which nobody knows.
fn bytes(path: &Path) -> Result<Vec<u8>, Unread> {
    if path.is_relative() {
        return Err(Unread::Elsewhere("the path is relative to where etcd will be started".into()));
    }
    let fail = |e: std::io::Error| {
        Unread::Elsewhere(match e.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => "it is not on this machine".into(),
            ErrorKind::PermissionDenied => "it may not be read by the user who runs requorum".into(),
            _ => format!("it cannot be read here ({e})"),
        })
    };
    // A pipe or a device would keep us waiting, a pipe even when it is opened.
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(Unread::Wrong("it is not a file".into()));
    }
    let file = durable_fs::regular(path).map_err(fail)?;
    let mut out = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut out).map_err(fail)?;
    match out.len() as u64 {
        0 => Err(Unread::Wrong("it is empty".into())),
        1..=MAX_BYTES => Ok(out),
        _ => Err(Unread::Wrong("it is longer than any file of certificates".into())),
    }
}

/// All certificates of a PEM file, at least one.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unread> {
    let bytes = bytes(path)?;
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certs {
        Ok(certs) if certs.is_empty() => Err(Unread::Wrong("it holds no certificate in PEM form".into())),
        Ok(certs) => Ok(certs),
        Err(e) => Err(Unread::Wrong(format!("it cannot be read as PEM ({e})"))),
    }
}

/// What the first certificate of a chain says; the others are its signers.
fn facts(chain: &[CertificateDer<'_>]) -> Result<Cert, Unread> {
    let damaged = || Unread::Wrong("its certificate cannot be decoded".into());
    let (_, cert) = X509Certificate::from_der(chain.first().ok_or_else(damaged)?).map_err(|_| damaged())?;
    let mut out = Cert {
        subject: readable(&cert.subject().to_string()),
        issuer: readable(&cert.issuer().to_string()),
        not_before: cert.validity().not_before.timestamp(),
        not_after: cert.validity().not_after.timestamp(),
        server_auth: true,
        client_auth: true,
        ..Cert::default()
    };
    if let Some(names) = cert.subject_alternative_name().map_err(|_| damaged())? {
        for name in &names.value.general_names {
            match name {
                GeneralName::DNSName(name) => out.dns.push(readable(name)),
                GeneralName::IPAddress(octets) => out.ips.extend(address(octets)),
                _ => {}
            }
        }
    }
    // Without the extension a certificate is good for everything.
    if let Some(usage) = cert.extended_key_usage().map_err(|_| damaged())? {
        out.server_auth = usage.value.any || usage.value.server_auth;
        out.client_auth = usage.value.any || usage.value.client_auth;
    }
    Ok(out)
}

/// Text of a file as it may stand on a screen.
fn readable(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    v4.or_else(|| <[u8; 16]>::try_from(octets).ok().map(IpAddr::from))
}

fn key(path: &Path, chain: &[CertificateDer<'static>]) -> Key {
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(why) => return Key::Unread(why),
    };
    let wrong = |why: &str| Key::Unread(Unread::Wrong(why.into()));
    let Ok(private) = PrivateKeyDer::from_pem_slice(&bytes) else {
        return wrong("it holds no private key in PEM form, or one behind a password, which etcd cannot open");
    };
    let Ok(signing) = provider().key_provider.load_private_key(private) else {
        return wrong("its private key is of a kind that cannot be used");
    };
    match CertifiedKey::new(chain.to_vec(), signing).keys_match() {
        Ok(()) => Key::Matches,
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Key::Differs,
        Err(_) => Key::Unjudged,
    }
}

/// Why these CAs do not vouch for a chain, where they do not. Dates and uses of the certificate
/// itself are judged elsewhere; what cannot be decided is not held against it.
fn distrust(roots: &[CertificateDer<'static>], chain: &[CertificateDer<'static>], cert: &Cert) -> Option<String> {
    let (leaf, more) = chain.split_first()?;
    // For Go a certificate that is itself among the CAs is trusted, whatever it is.
    if roots.contains(leaf) {
        return None;
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    if store.is_empty() {
        return Some("no certificate in it can be used as a CA".into());
    }
    // Within the certificate's own time, so that only its signers can be too late.
    let seconds = u64::try_from(cert.not_before.midpoint(cert.not_after)).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    match verdict(Arc::new(store), provider(), leaf, more, cert, now)? {
        CertificateError::UnknownIssuer => Some("no CA in it signed it".into()),
        CertificateError::BadSignature => Some("a CA of the right name is in it, but with another key".into()),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Some("a CA between them is no longer valid".into())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some("a CA between them is not valid yet".into())
        }
        _ => None,
    }
}

/// What rustls says of a chain; `None` where it is sound.
fn verdict(
    store: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    leaf: &CertificateDer<'static>,
    more: &[CertificateDer<'static>],
    cert: &Cert,
    now: UnixTime,
) -> Option<CertificateError> {
    let outcome = if cert.client_auth {
        let verifier = WebPkiClientVerifier::builder_with_provider(store, provider).build().ok()?;
        verifier.verify_client_cert(leaf, more, now).map(|_| ())
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(store, provider).build().ok()?;
        // The name is checked after the chain, and this one is nobody's.
        let name = ServerName::try_from("requorum.invalid").ok()?;
        verifier.verify_server_cert(leaf, more, &name, &[], now).map(|_| ())
    };
    match outcome {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}
