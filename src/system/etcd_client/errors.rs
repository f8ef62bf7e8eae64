//! Why a member did not answer: in a few words for the table, and as a sentence with what to do for the
//! details.

use std::{error::Error, io, time::Duration};

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};
use tonic::{Code, Status};

use super::target::{Target, WireObservations};
use crate::{
    domain::model::observations::{Answer, NoAnswer},
    etcd::server_error::ServerError,
    text::Foreign,
};

/// Why a member gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::system) struct ConnectError {
    /// Short enough for a table cell.
    pub why: NoAnswer,
    /// The full explanation, with what to do.
    pub details: String,
    /// True if not even its host was reached, so that its other ports need not be tried.
    pub afar: bool,
}

impl ConnectError {
    pub(super) fn new(why: impl Into<NoAnswer>, details: impl Into<String>) -> Self {
        ConnectError { why: why.into(), details: details.into(), afar: false }
    }

    /// Creates the error of a member that answers only with a token.
    pub(super) fn password(details: impl Into<String>) -> Self {
        ConnectError::new(NoAnswer::Password, details)
    }

    /// Marks that its host was not reached.
    pub(super) fn afar(self) -> Self {
        ConnectError { afar: true, ..self }
    }
}

impl From<ConnectError> for Answer {
    fn from(refusal: ConnectError) -> Self {
        Answer::Silent { why: refusal.why, details: refusal.details }
    }
}

/// Formats a time limit: `3 s`, `250 ms`.
pub(in crate::system) fn span(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// Returns the message at the end of an error's chain, which is the specific one.
pub(in crate::system) fn innermost(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Returns the error for a name that cannot be resolved.
pub(super) fn resolve(error: &io::Error, target: &Target) -> ConnectError {
    ConnectError::new(
        "name not found",
        format!(
            "The name {} could not be resolved: {error}. Check the spelling, or give the member's IP address.",
            target.host
        ),
    )
    .afar()
}

/// Returns the error for a refused or failed TCP connection.
pub(super) fn tcp(error: &io::Error, target: &Target) -> ConnectError {
    let url = target.url();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::new(
            "connection refused",
            format!(
                "{url}: the host is up, but nothing listens on port {}. The member is not running, or its \
                 --listen-client-urls name another port or address.",
                target.port
            ),
        ),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ConnectError::new(
            "no route to host",
            format!("{url} cannot be reached from here: {error}. Check the network, or ask from another host."),
        )
        .afar(),
        io::ErrorKind::TimedOut => ConnectError::new(
            "no answer",
            format!("{url} did not accept the connection: its host is down or a firewall drops the packets."),
        )
        .afar(),
        _ => ConnectError::new("not reachable", format!("connecting to {url} failed: {error}.")),
    }
}

/// Returns the error for `https` with a member that speaks plain HTTP.
pub(super) fn speaks_plain(target: &Target) -> ConnectError {
    ConnectError::new(
        "speaks http, not https",
        format!("{} answers without TLS. Give it as http://{}.", target.url(), target.authority()),
    )
}

/// Returns the error for `http` with a member that speaks TLS.
pub(super) fn speaks_tls(target: &Target) -> ConnectError {
    ConnectError::new(
        "speaks https, not http",
        format!(
            "{} expects TLS. Give it as https://{}, with --cacert (and --cert and --key if it requires a client \
             certificate).",
            target.url(),
            target.authority()
        ),
    )
}

/// Returns the error for TLS that one of the two sides refused.
pub(super) fn tls(error: &rustls::Error, target: &Target) -> ConnectError {
    let url = target.url();
    match error {
        rustls::Error::InvalidCertificate(error) => certificate(error, target),
        rustls::Error::AlertReceived(alert) => alert_words(*alert, &url),
        rustls::Error::InvalidMessage(_) => ConnectError::new(
            "no TLS there",
            format!("{url} answered with something that is not TLS. Is it http://{}?", target.authority()),
        ),
        other => ConnectError::new("TLS failed", format!("{url}: the TLS handshake failed: {other}.")),
    }
}

fn certificate(error: &CertificateError, target: &Target) -> ConnectError {
    let url = target.url();
    let skip = "To skip this check: --insecure-skip-tls-verify";
    match error {
        CertificateError::UnknownIssuer => ConnectError::new(
            "certificate of unknown issuer",
            format!(
                "{url} presents a certificate that is not signed by a known CA. Give the cluster's CA with --cacert \
                 (etcd's own --trusted-ca-file). With --auto-tls that is the file fixtures/client/cert.pem in its data \
                 directory. {skip}."
            ),
        ),
        // the issuer's name is known, but with another key
        CertificateError::BadSignature => ConnectError::new(
            "certificate of unknown issuer",
            format!(
                "{url} presents a certificate that is signed by another CA of the same name: was the cluster's CA \
                 recreated? Give the one in use with --cacert. {skip}."
            ),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => ConnectError::new(
            "certificate expired",
            format!(
                "{url}: {error}. The member runs, but clients and peers reject it: this alone can cost a quorum, and \
                 new certificates restore it without a restore. {skip}."
            ),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => ConnectError::new(
            "certificate not valid yet",
            format!("{url}: {error}. Compare this machine's clock with the member's."),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => ConnectError::new(
            "certificate for another name",
            format!("{url}: {error}. Use a name or address that is in its certificate. {skip}."),
        ),
        // rustls passes webpki's own error on as another error
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => ConnectError::new(
            "CA certificate as server certificate",
            format!(
                "{url} presents a CA's own certificate as its server certificate, which strict TLS clients such as \
                 this one reject (etcdctl accepts it). {skip}."
            ),
        ),
        other => ConnectError::new(
            "certificate refused",
            format!("{url} presents a certificate that cannot be accepted: {other}. {skip}."),
        ),
    }
}

fn alert_words(alert: AlertDescription, url: &str) -> ConnectError {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::AccessDenied => ConnectError::new(
            "requires a client certificate",
            format!(
                "{url} requires a client certificate, and got none that it accepts (TLS alert {alert:?}). Give --cert \
                 and --key, signed by the member's --trusted-ca-file."
            ),
        ),
        AlertDescription::UnknownCA
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::DecryptError => ConnectError::new(
            "client certificate refused",
            format!(
                "{url} rejects the client certificate (TLS alert {alert:?}). Give one with --cert and --key that \
                 the member's --trusted-ca-file has signed, valid today and for client authentication."
            ),
        ),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => ConnectError::new(
            "no common TLS version",
            format!(
                "{url} and this client share no TLS version or cipher suite (TLS alert {alert:?}); TLS 1.2 with ECDHE \
                 or 1.3 is needed. See the member's --cipher-suites and --tls-min-version."
            ),
        ),
        other => ConnectError::new("TLS refused", format!("{url} ended the TLS handshake (TLS alert {other:?}).")),
    }
}

/// Returns what broke after connecting, as far as the received bytes show it; `None` if they show nothing.
pub(super) fn heard(heard: &WireObservations, target: &Target) -> Option<ConnectError> {
    if let Some(error) = &heard.tls {
        return Some(tls(error, target));
    }
    if heard.first.starts_with(b"HTTP/1") {
        return Some(ConnectError::new(
            "speaks HTTP/1, not gRPC",
            format!(
                "{} is a web server without gRPC: a proxy, a metrics port (--listen-metrics-urls) or another \
                 service. Give the member's client URL, usually port 2379.",
                target.url()
            ),
        ));
    }
    // a TLS alert record
    if !target.tls && heard.first.starts_with(&[0x15, 0x03]) {
        return Some(speaks_tls(target));
    }
    None
}

/// Returns the error for an error status of the call itself.
pub(super) fn status(status: &Status, target: &Target) -> ConnectError {
    let url = target.url();
    match status.code() {
        Code::Unimplemented => ConnectError::new(
            "not an etcd member",
            format!("{url} speaks gRPC, but not etcd's version 3 API: {}.", said(status)),
        ),
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument => ConnectError::new(
            "authentication required",
            format!(
                "{url} refuses the request: {}. Give --user and --password, or a client certificate.",
                said(status)
            ),
        ),
        _ => ConnectError::new("answered with an error", format!("{url} answered with an error: {}.", said(status))),
    }
}

/// Returns the message of a status: etcd's own, or the end of the chain of causes.
pub(super) fn said(status: &Status) -> Foreign {
    // A status with a cause was made on this side; one from the wire has none.
    if status.source().is_some() {
        return innermost(status).into();
    }
    if status.message().is_empty() { format!("{:?}", status.code()).into() } else { status.message().into() }
}

/// Returns true for etcd's answers with authentication enabled if the caller has no token, a
/// stale one, or one without the permission.
pub(super) fn is_auth(status: &Status) -> bool {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => true,
        Code::InvalidArgument => {
            matches!(
                ServerError::from_message(status.message()),
                Some(ServerError::NoUser | ServerError::OldAuthRevision)
            )
        }
        // streams of 3.4 pass the auth store's own errors on
        Code::Unknown => ServerError::from_message(status.message()) == Some(ServerError::AuthStore),
        _ => false,
    }
}
