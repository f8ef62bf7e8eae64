//! TLS with members: certificates read once, the rustls configuration, and the verifier for
//! `--insecure-skip-tls-verify`.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use crate::system::etcd_client::Connect;
use crate::{
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// Where Linux distributions keep the system's CA certificates; the first that exists is used,
/// like etcdctl (Go's `crypto/x509`) does without `--cacert`.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The crypto provider is named everywhere instead of relying on the process's default: aws-lc
/// supports the P-521 keys of etcd's `--auto-tls`.
pub(in crate::system) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Builds the client configuration for `https` endpoints from the certificates in `connect`.
///
/// # Errors
/// When a certificate or key cannot be read or they do not match; the error names the file
/// and the flag.
pub(in crate::system) fn config(connect: &Connect) -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::new(ErrorKind::Bug, "failed to set up TLS").why(e))?;
    let builder = if connect.insecure_skip_tls_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider())))
    } else {
        builder.with_root_certificates(roots(connect.cacert.as_deref())?)
    };
    let mut config = match (&connect.cert, &connect.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            let private = PrivateKeyDer::from_pem_slice(&read("--key", key)?).map_err(|e| {
                Error::new(ErrorKind::Input, format!("--key {}: no private key", key.shown()))
                    .why(e)
                    .hint("It must be a PEM file with a section BEGIN PRIVATE KEY, not encrypted.")
            })?;
            builder.with_client_auth_cert(certificates("--cert", cert)?, private).map_err(|e| {
                Error::new(ErrorKind::Input, format!("--cert {} and --key {} do not match", cert.shown(), key.shown()))
                    .why(e)
                    .hint("Give the private key of this certificate.")
            })?
        }
        (Some(_), None) => return Err(alone("--cert", "--key")),
        (None, Some(_)) => return Err(alone("--key", "--cert")),
    };
    config.alpn_protocols.push(b"h2".to_vec());
    Ok(Arc::new(config))
}

/// Returns the same configuration for HTTP/1, which Go's servers speak only if it is requested.
pub(in crate::system) fn for_http(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Returns a configuration that trusts any certificate, only to find out whether the other side speaks TLS at all;
/// nothing is sent over it.
pub(in crate::system) fn probe() -> Option<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().ok()?;
    let config = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider())));
    Some(Arc::new(config.with_no_client_auth()))
}

fn alone(there: &str, missing: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{there}: {missing} is missing"))
        .hint("A client certificate needs both its certificate file and its key file.")
}

fn roots(cacert: Option<&Path>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    if let Some(path) = cacert {
        for cert in certificates("--cacert", path)? {
            store.add(cert).map_err(|e| {
                Error::new(ErrorKind::Input, format!("--cacert {}: cannot be used as a CA", path.shown())).why(e)
            })?;
        }
    } else if let Some(bundle) = SYSTEM_ROOTS.iter().find_map(|path| std::fs::read(path).ok()) {
        // a system's bundle may have old certificates that rustls does not accept; the others still count
        store.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).filter_map(std::result::Result::ok));
    }
    Ok(store)
}

fn certificates(flag: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certs: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(flag, path)?).collect();
    match certs {
        Ok(certs) if !certs.is_empty() => Ok(certs),
        Ok(_) => Err(Error::new(ErrorKind::Input, format!("{flag} {}: no certificate", path.shown()))
            .hint("It must be a PEM file with at least one section BEGIN CERTIFICATE.")),
        Err(e) => Err(Error::new(ErrorKind::Input, format!("{flag} {}: not valid PEM", path.shown())).why(e)),
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|e| Error::new(ErrorKind::Input, format!("{flag} {}: cannot be read", path.shown())).why(e))
}

/// Accepts any server certificate; the handshake's signatures are still verified, so that the
/// connection is at least encrypted to the holder of that certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
