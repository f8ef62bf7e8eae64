//! Reads certificates from this machine's disk and finds out which CA signed which: the facts that
//! [`domain::members::certificates`](crate::domain::members::certificates) evaluates. Only paths and public data leave
//! this module; a private key is compared with its certificate and dropped.

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

/// The largest certificate file that is read; a system's complete CA bundle has a quarter of it.
const MAX_BYTES: u64 = 1 << 20;

/// Reads every named file once, and verifies every certificate against every CA.
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

/// Reads a file; a relative path is relative to where etcd will be started, which is not known.
fn bytes(path: &Path) -> Result<Vec<u8>, Unread> {
    if path.is_relative() {
        return Err(Unread::Elsewhere("the path is relative to where etcd will be started".into()));
    }
    let fail = |e: std::io::Error| {
        Unread::Elsewhere(match e.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => "it does not exist on this machine".into(),
            ErrorKind::PermissionDenied => "permission denied for the user who runs requorum".into(),
            _ => format!("it cannot be read ({e})"),
        })
    };
    // A pipe or a device would block; a pipe even when it is opened.
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return Err(Unread::Wrong("it is not a file".into()));
    }
    let file = durable_fs::regular(path).map_err(fail)?;
    let mut out = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut out).map_err(fail)?;
    match out.len() as u64 {
        0 => Err(Unread::Wrong("it is empty".into())),
        1..=MAX_BYTES => Ok(out),
        _ => Err(Unread::Wrong("it is too large for a certificate file".into())),
    }
}

/// Parses all certificates of a PEM file, at least one.
fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unread> {
    let bytes = bytes(path)?;
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certs {
        Ok(certs) if certs.is_empty() => Err(Unread::Wrong("it has no PEM certificate".into())),
        Ok(certs) => Ok(certs),
        Err(e) => Err(Unread::Wrong(format!("it is not valid PEM ({e})"))),
    }
}

/// Returns the facts of the first certificate of a chain; the others are its signers.
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
    // Without the extension a certificate is valid for every use.
    if let Some(usage) = cert.extended_key_usage().map_err(|_| damaged())? {
        out.server_auth = usage.value.any || usage.value.server_auth;
        out.client_auth = usage.value.any || usage.value.client_auth;
    }
    Ok(out)
}

/// Escapes text of a file for display.
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
        return wrong("it has no PEM private key, or an encrypted one, which etcd cannot read");
    };
    let Ok(signing) = provider().key_provider.load_private_key(private) else {
        return wrong("the type of its private key is not supported");
    };
    match CertifiedKey::new(chain.to_vec(), signing).keys_match() {
        Ok(()) => Key::Matches,
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Key::Differs,
        Err(_) => Key::Unjudged,
    }
}

/// Returns why these CAs do not verify a chain; `None` where they do. Dates and key usage of the certificate
/// itself are checked elsewhere; what cannot be decided counts as valid.
fn distrust(roots: &[CertificateDer<'static>], chain: &[CertificateDer<'static>], cert: &Cert) -> Option<String> {
    let (leaf, more) = chain.split_first()?;
    // Go trusts a certificate that is itself among the CAs, whatever it is.
    if roots.contains(leaf) {
        return None;
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    if store.is_empty() {
        return Some("no certificate in it can be used as a CA".into());
    }
    // At a time when the certificate itself is valid, so that only its signers can be expired.
    let seconds = u64::try_from(cert.not_before.midpoint(cert.not_after)).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    match verdict(Arc::new(store), provider(), leaf, more, cert, now)? {
        CertificateError::UnknownIssuer => Some("no CA in it signed it".into()),
        CertificateError::BadSignature => Some("it has a CA of the right name, but with another key".into()),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Some("an intermediate CA has expired".into())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some("an intermediate CA is not valid yet".into())
        }
        _ => None,
    }
}

/// Returns the rustls error for a chain; `None` where it is valid.
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
        // The name is checked after the chain, and no certificate has this one.
        let name = ServerName::try_from("requorum.invalid").ok()?;
        verifier.verify_server_cert(leaf, more, &name, &[], now).map(|_| ())
    };
    match outcome {
        Err(Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    }
}
