//! One connection to one member: the endpoint's parts, TCP, TLS, and a record of the bytes received, so
//! that a refusal can be explained.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, ClientConfig, pki_types::ServerName},
};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

pub(in crate::system) use super::target::Target;
use super::{
    Connect,
    errors::{self, ConnectError},
    target::WireObservations,
};
use crate::{
    domain::model::url::CLIENT_PORT,
    system::net::{resolve::lookup_host, tls},
};

/// How long the other side may take to show which protocol it speaks, once it is known that it
/// is not ours.
const PROBE: Duration = Duration::from_secs(1);

impl Target {
    /// Parses an endpoint like etcdctl: without a scheme it is `http`, unless certificates or
    /// `--insecure-transport=false` were given. A path is ignored.
    pub(super) fn parse(endpoint: &str, connect: &Connect) -> Result<Target, ConnectError> {
        let endpoint = endpoint.trim();
        let bad = |details: String| ConnectError::new("not an endpoint", details);
        let (scheme, rest) = match endpoint.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, endpoint),
        };
        let tls = match scheme.as_deref() {
            None => connect.wants_tls(),
            Some("http") => false,
            Some("https") => true,
            Some("unix" | "unixs") => {
                return Err(bad(format!(
                    "{endpoint} is a Unix socket; requorum needs TCP: give the client URL with host and port."
                )));
            }
            Some(other) => {
                return Err(bad(format!(
                    "{endpoint} has the scheme {other}; an endpoint begins with http:// or https://."
                )));
            }
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        if host.is_empty() || bracketed.is_none() && host.contains([':', '[', ']', '@', ' ']) {
            return Err(bad(format!(
                "{endpoint} has no valid host; an endpoint looks like https://10.0.0.1:2379 or http://[::1]:2379."
            )));
        }
        let Some(port) = port else {
            return Err(bad(format!(
                "{endpoint} has no port; members listen for clients on {CLIENT_PORT}: {endpoint}:{CLIENT_PORT}?"
            )));
        };
        match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Target { host: bracketed.unwrap_or(host).to_owned(), port, tls }),
            _ => Err(bad(format!("{endpoint} has the port {port}; a port is a number from 1 to 65535."))),
        }
    }
}

/// [`WireObservations`], shared with the connection.
pub(super) type Ears = Arc<Mutex<WireObservations>>;

pub(in crate::system) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection that records [`WireObservations`], and limits the bytes received.
struct Listening {
    wire: Box<dyn Wire>,
    ears: Ears,
    /// How many bytes may still be received.
    left: u64,
}

impl Listening {
    fn note(&self, note: impl FnOnce(&mut WireObservations)) {
        note(&mut self.ears.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl AsyncRead for Listening {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let (room, mut length) = (buf.remaining(), 0);
        let polled = Pin::new(&mut self.wire).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) => self.note(|heard| {
                let came = buf.filled().get(before..).unwrap_or_default();
                length = came.len() as u64;
                heard.ended |= came.is_empty() && room > 0;
                let space = WireObservations::ENOUGH.saturating_sub(heard.first.len());
                heard.first.extend(came.iter().take(space));
            }),
            Poll::Ready(Err(error)) => self.note(|heard| heard.error(error)),
            Poll::Pending => {}
        }
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other("the answer is too large"))),
        }
        polled
    }
}

impl AsyncWrite for Listening {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

/// A channel over one connection, and what is received on it. A lost connection is not reopened: the
/// next call fails, and its error comes from what was received.
pub(super) struct Connection {
    /// The other end.
    pub target: Target,
    pub channel: Channel,
    pub ears: Ears,
}

/// The size of all answers about a member on one connection: status, members, a hash, alarms. In memory they take a
/// hundred times as much at worst.
pub(super) const ANSWERS: u64 = 512 << 10;
/// No limit, for a database, whose reader has its own.
pub(super) const DATABASE: u64 = u64::MAX;

/// Connects within `limit` (name, TCP and TLS together), in plain or with `config`. At most `most` bytes are received.
pub(super) async fn dial(
    target: &Target,
    config: &Arc<ClientConfig>,
    limit: Duration,
    most: u64,
) -> Result<Connection, ConnectError> {
    let wire: Box<dyn Wire> = match timeout(limit, wire(target, config)).await {
        Err(_) => {
            return Err(ConnectError::new(
                format!("no answer in {}", errors::span(limit)),
                format!(
                    "{} did not accept the connection in {}: its host is down, cut off from here, or hung. \
                     Ask from another host, or raise the limit with --dial-timeout.",
                    target.url(),
                    errors::span(limit)
                ),
            )
            .afar());
        }
        Ok(Err(Failure::Resolve(error))) => return Err(errors::resolve(&error, target)),
        Ok(Err(Failure::Tcp(error))) => return Err(errors::tcp(&error, target)),
        Ok(Err(Failure::Tls(error))) => return Err(tls_refused(&error, target).await),
        Ok(Err(Failure::Words(refusal))) => return Err(refusal),
        Ok(Ok(wire)) => wire,
    };
    let ears = Ears::default();
    let only = Mutex::new(Some(Listening { wire, ears: ears.clone(), left: most }));
    let connector = service_fn(move |_| {
        let next = only.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { next.map(TokioIo::new).ok_or_else(|| io::Error::other("the connection was lost")) }
    });
    // TLS is below this already, so the scheme here is http in both cases
    let endpoint = Endpoint::from_shared(format!("http://{}", target.authority())).map_err(|e| {
        ConnectError::new("not an endpoint", format!("{} cannot be used as an endpoint: {e}.", target.url()))
    })?;
    match endpoint.connect_with_connector(connector).await {
        Ok(channel) => Ok(Connection { target: target.clone(), channel, ears }),
        Err(error) => Err(ConnectError::new(
            "no HTTP/2",
            format!("{} accepted the connection, but HTTP/2 failed: {}.", target.url(), errors::innermost(&error)),
        )),
    }
}

/// Why there is no connection.
pub(in crate::system) enum Failure {
    Resolve(io::Error),
    Tcp(io::Error),
    Tls(io::Error),
    Words(ConnectError),
}

/// Connects to `target`, by TLS with `config` if needed.
pub(in crate::system) async fn wire(target: &Target, config: &Arc<ClientConfig>) -> Result<Box<dyn Wire>, Failure> {
    let addresses = lookup_host(&target.host, target.port).await.map_err(Failure::Resolve)?;
    let tcp = TcpStream::connect(addresses.as_slice()).await.map_err(Failure::Tcp)?;
    // small questions and answers: Nagle's algorithm would only delay them
    let _ = tcp.set_nodelay(true);
    if !target.tls {
        return Ok(Box::new(tcp));
    }
    let name = ServerName::try_from(target.host.clone()).map_err(|_| {
        Failure::Words(ConnectError::new(
            "not a host name",
            format!("{} is not a valid name for a certificate, so TLS cannot be used with it.", target.host),
        ))
    })?;
    Ok(Box::new(TlsConnector::from(config.clone()).connect(name, tcp).await.map_err(Failure::Tls)?))
}

/// After a TLS failure, finds out whether the other side speaks plain HTTP/2: Go's servers just close the connection
/// on what they do not understand.
async fn tls_refused(error: &io::Error, target: &Target) -> ConnectError {
    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let unclear = rustls.is_none_or(|e| matches!(e, rustls::Error::InvalidMessage(_)));
    if unclear && speaks_plain(target).await {
        return errors::speaks_plain(target);
    }
    match rustls {
        Some(error) => errors::tls(error, target),
        None => ConnectError::new(
            "TLS refused",
            format!("{} closed the TLS handshake: {error}. See the member's own log.", target.url()),
        ),
    }
}

/// Returns true if a plain HTTP/2 preface is answered with HTTP (a SETTINGS frame, or HTTP/1 text).
async fn speaks_plain(target: &Target) -> bool {
    let probe = async {
        let addresses = lookup_host(&target.host, target.port).await.ok()?;
        let mut tcp = TcpStream::connect(addresses.as_slice()).await.ok()?;
        // the client preface of RFC 9113, 3.4, with empty SETTINGS
        tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.ok()?;
        let mut head = [0_u8; 9];
        tcp.read_exact(&mut head).await.ok()?;
        Some(head.starts_with(b"HTTP/") || head.get(3) == Some(&4))
    };
    timeout(PROBE, probe).await.ok().flatten().unwrap_or(false)
}

/// Returns true if a TLS handshake is answered with TLS, even an alert.
pub(super) async fn speaks_tls(target: &Target) -> bool {
    let probe = async {
        let name = ServerName::try_from(target.host.clone()).ok()?;
        let addresses = lookup_host(&target.host, target.port).await.ok()?;
        let tcp = TcpStream::connect(addresses.as_slice()).await.ok()?;
        Some(match TlsConnector::from(tls::probe()?).connect(name, tcp).await {
            Ok(_) => true,
            Err(error) => error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .is_some_and(|e| !matches!(e, rustls::Error::InvalidMessage(_))),
        })
    };
    timeout(PROBE, probe).await.ok().flatten().unwrap_or(false)
}

/// Returns the TLS error with which the other side ends a silent connection. In TLS 1.3 a client
/// certificate is refused only after the handshake; a client that writes at once may find the connection
/// closed before it reads the reason.
pub(super) async fn alert(target: &Target, config: &Arc<ClientConfig>) -> Option<rustls::Error> {
    let ears = Ears::default();
    let probe = async {
        let mut line = Listening { wire: wire(target, config).await.ok()?, ears: ears.clone(), left: ANSWERS };
        line.read(&mut [0]).await.ok()
    };
    let _ = timeout(PROBE, probe).await;
    ears.lock().unwrap_or_else(PoisonError::into_inner).tls.clone()
}
