//! Why a member did not answer, in words: a few for the table, a sentence with the way out for the
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

/// Why nothing was learnt from a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::system) struct ConnectError {
    /// Few enough words for a table cell.
    pub why: NoAnswer,
    /// The whole story with the way out.
    pub details: String,
    /// True where not even its host was reached, so that no other port of it need be tried.
    pub afar: bool,
}

impl ConnectError {
    pub(super) fn new(why: impl Into<NoAnswer>, details: impl Into<String>) -> Self {
        ConnectError { why: why.into(), details: details.into(), afar: false }
    }

    /// Of a member that tells nothing to who has not logged in.
    pub(super) fn password(details: impl Into<String>) -> Self {
        ConnectError::new(NoAnswer::Password, details)
    }

    /// The same, and its host was not reached.
    pub(super) fn afar(self) -> Self {
        ConnectError { afar: true, ..self }
    }
}

impl From<ConnectError> for Answer {
    fn from(refusal: ConnectError) -> Self {
        Answer::Silent { why: refusal.why, details: refusal.details }
    }
}

/// A time as a person says it: `3 s`, `250 ms`.
pub(in crate::system) fn span(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// The message at the bottom of an error's chain, which is the one that says something.
pub(in crate::system) fn innermost(error: &dyn Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// The name was not found.
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

/// TCP was refused.
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
            format!("{url} did not take the connection: its host is down or a firewall drops the packets."),
        )
        .afar(),
        _ => ConnectError::new("not reachable", format!("{url} could not be connected to: {error}.")),
    }
}

/// `https` was asked for, and the member speaks plain HTTP.
pub(super) fn speaks_plain(target: &Target) -> ConnectError {
    ConnectError::new(
        "speaks http, not https",
        format!("{} answers without TLS. Give it as http://{}.", target.url(), target.authority()),
    )
}

/// `http` was asked for, and the member speaks TLS.
pub(super) fn speaks_tls(target: &Target) -> ConnectError {
    ConnectError::new(
        "speaks https, not http",
        format!(
            "{} expects TLS. Give it as https://{}, with --cacert (and --cert and --key where it asks for a client \
             certificate).",
            target.url(),
            target.authority()
        ),
    )
}

/// TLS was refused by one of the two sides.
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
    let skip = "For a look without that check there is --insecure-skip-tls-verify";
    match error {
        CertificateError::UnknownIssuer => ConnectError::new(
            "certificate of unknown issuer",
            format!(
                "{url} shows a certificate that no known CA has signed. Give the cluster's CA with --cacert (etcd's own \
                 --trusted-ca-file). With --auto-tls that is the file \
                 fixtures/client/cert.pem in its data directory. {skip}."
            ),
        ),
        // the issuer's name is known, its key is another
        CertificateError::BadSignature => ConnectError::new(
            "certificate of unknown issuer",
            format!(
                "{url} shows a certificate that another CA of the same name has signed: was the cluster's CA made anew? \
                 Give the one in use with --cacert. {skip}."
            ),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => ConnectError::new(
            "certificate expired",
            format!(
                "{url}: {error}. The member runs, but clients and peers refuse it: this alone can cost a quorum, and new \
                 certificates bring it back without a restore. {skip}."
            ),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => ConnectError::new(
            "certificate not valid yet",
            format!("{url}: {error}. Compare this machine's clock with the member's."),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => ConnectError::new(
            "certificate for another name",
            format!("{url}: {error}. Ask it by a name or address that its certificate bears. {skip}."),
        ),
        // rustls hands webpki's own words through as another error
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => ConnectError::new(
            "a CA certificate as server",
            format!(
                "{url} shows a CA's own certificate as its server certificate, which strict TLS clients such as this one \
                 refuse (etcdctl takes it). {skip}."
            ),
        ),
        other => ConnectError::new(
            "certificate refused",
            format!("{url} shows a certificate that cannot be accepted: {other}. {skip}."),
        ),
    }
}

fn alert_words(alert: AlertDescription, url: &str) -> ConnectError {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::AccessDenied => ConnectError::new(
            "wants a client certificate",
            format!(
                "{url} asks for a client certificate, and got none that it takes (TLS alert {alert:?}). Give --cert and \
                 --key, signed by the member's --trusted-ca-file."
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
                "{url} does not take the client certificate (TLS alert {alert:?}). Give one with --cert and --key that \
                 the member's --trusted-ca-file has signed, valid today and for client use."
            ),
        ),
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => ConnectError::new(
            "no TLS in common",
            format!(
                "{url} and this client share no TLS version or cipher suite (TLS alert {alert:?}); TLS 1.2 with ECDHE or \
                 1.3 is needed. See the member's --cipher-suites and --tls-min-version."
            ),
        ),
        other => ConnectError::new("TLS refused", format!("{url} ended the TLS handshake (TLS alert {other:?}).")),
    }
}

/// What broke after the connection stood, as far as the wire tells; `None` where it tells nothing.
pub(super) fn heard(heard: &WireObservations, target: &Target) -> Option<ConnectError> {
    if let Some(error) = &heard.tls {
        return Some(tls(error, target));
    }
    if heard.first.starts_with(b"HTTP/1") {
        return Some(ConnectError::new(
            "speaks HTTP/1, not gRPC",
            format!(
                "{} is a web server that knows no gRPC: a proxy, a metrics port (--listen-metrics-urls) or another \
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

/// An answer that is an error of the call itself.
pub(super) fn status(status: &Status, target: &Target) -> ConnectError {
    let url = target.url();
    match status.code() {
        Code::Unimplemented => ConnectError::new(
            "not an etcd member",
            format!("{url} speaks gRPC, but not etcd's version 3 API: {}.", said(status)),
        ),
        Code::Unauthenticated | Code::PermissionDenied | Code::InvalidArgument => ConnectError::new(
            "refused: who asks?",
            format!(
                "{url} refuses the question: {}. Give --user and --password, or a client certificate.",
                said(status)
            ),
        ),
        _ => ConnectError::new("answered with an error", format!("{url} answered with an error: {}.", said(status))),
    }
}

/// What a status says: etcd's own message, or the bottom of the chain of causes.
pub(super) fn said(status: &Status) -> Foreign {
    // What has a cause was made on this side; what came over the wire has none.
    if status.source().is_some() {
        return innermost(status).into();
    }
    if status.message().is_empty() { format!("{:?}", status.code()).into() } else { status.message().into() }
}

/// True for the answers that etcd gives where passwords are on and the caller bears no token, a
/// stale one, or one without the right.
pub(super) fn is_auth(status: &Status) -> bool {
    match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => true,
        Code::InvalidArgument => {
            matches!(
                ServerError::from_message(status.message()),
                Some(ServerError::NoUser | ServerError::OldAuthRevision)
            )
        }
        // streams of 3.4 hand the auth store's own errors through
        Code::Unknown => ServerError::from_message(status.message()) == Some(ServerError::AuthStore),
        _ => false,
    }
}
