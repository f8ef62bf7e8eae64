//! Where a member is reached, and what was received: the values that a connection and its errors share.

use std::io;

use tokio_rustls::rustls;

/// Where an endpoint is, and by which scheme it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::system) struct Target {
    /// Name or address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// True for TLS.
    pub tls: bool,
}

impl Target {
    /// Returns `host:port`, IPv6 in brackets.
    pub(in crate::system) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Returns the endpoint with its scheme.
    pub(in crate::system) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// What was received on the connection, as far as it helps to explain a failure.
#[derive(Debug, Default)]
pub(super) struct WireObservations {
    /// The first bytes, at most [`WireObservations::ENOUGH`].
    pub first: Vec<u8>,
    /// The other side closed the connection.
    pub ended: bool,
    /// The TLS error that ended it (in TLS 1.3 a refused client certificate shows only here).
    pub tls: Option<rustls::Error>,
}

impl WireObservations {
    /// Enough to tell HTTP/1 and TLS from HTTP/2.
    pub(super) const ENOUGH: usize = 8;

    pub(super) fn error(&mut self, error: &io::Error) {
        self.ended = true;
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            self.tls = Some(tls.clone());
        }
    }
}
