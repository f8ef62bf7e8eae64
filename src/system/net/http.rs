//! HTTP/1.1 over one connection: a request and its answer, limited in time and size.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use crate::system::etcd_client::connection::{self, Failure, Target};

/// Why there is no answer.
pub(in crate::system) enum HttpError {
    /// Not connected.
    Wire(Failure),
    /// Not within this time.
    Late(Duration),
    /// The connection was closed without an answer.
    HungUp,
    /// The answer was not HTTP/1.1, as described.
    NoHttp(String),
}

impl From<hyper::Error> for HttpError {
    fn from(error: hyper::Error) -> Self {
        // Closing with an unread request resets the connection.
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        let reset = source.is_some_and(|e| matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        if reset || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            return HttpError::HungUp;
        }
        HttpError::NoHttp(crate::system::etcd_client::errors::innermost(&error))
    }
}

/// Sends a GET for `path` (with its query) with these headers, `host` among them or the target's own; returns when the
/// answer's head was received. Connecting may take `dial`, answering `limit`. `tls` offers no HTTP/2 (see
/// [`super::tls::for_http`]).
pub(in crate::system) async fn get(
    target: &Target,
    tls: &Arc<ClientConfig>,
    path: &str,
    headers: &[(&str, &str)],
    dial: Duration,
    limit: Duration,
) -> Result<Response<Incoming>, HttpError> {
    let wire = timeout(dial, connection::wire(target, tls)).await.map_err(|_| HttpError::Late(dial))?;
    let wire = wire.map_err(HttpError::Wire)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
    tokio::spawn(connection);
    let mut request = Request::get(path).header("user-agent", "requorum");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", target.authority());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| HttpError::NoHttp(e.to_string()))?;
    Ok(timeout(limit, sender.send_request(request)).await.map_err(|_| HttpError::Late(limit))??)
}

/// Returns the whole body, of at most `most` bytes.
pub(in crate::system) async fn text(
    answer: Response<Incoming>,
    most: usize,
    limit: Duration,
) -> Result<String, HttpError> {
    let whole = Limited::new(answer.into_body(), most).collect();
    let whole = timeout(limit, whole)
        .await
        .map_err(|_| HttpError::Late(limit))?
        .map_err(|e| HttpError::NoHttp(e.to_string()))?;
    Ok(String::from_utf8_lossy(&whole.to_bytes()).into_owned())
}
