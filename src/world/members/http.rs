//! One HTTP/1 question on a connection of its own, bounded in time and size. The pages of etcd that are not gRPC
//! (`/health`, `/version`, `/metrics`, and `/members` on the peer port) answer without a quorum and without a token.

use std::time::Duration;

use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{
    Members,
    dial::{self, Failure, Target},
    words,
};

/// The most that is read of a page. Metrics take 150 to 200 kB, more where many clients are told apart.
const MOST: usize = 8 << 20;

/// What a page held.
pub(super) struct Page {
    /// The HTTP status.
    pub status: u16,
    /// `X-Etcd-Cluster-ID`, which the peer port sends, in hex.
    pub cluster: Option<String>,
    /// The body, as text.
    pub text: String,
}

/// Gets `path`, which begins with a slash.
///
/// # Errors
/// Why there is no page, in a few words.
pub(super) async fn get(members: &Members, target: &Target, path: &str, limit: Duration) -> Result<Page, String> {
    let dial = members.connect.dial_timeout;
    let wire = timeout(dial, dial::wire(target, &members.tls_http)).await.map_err(|_| late(dial))?;
    let wire = wire.map_err(|failure| match failure {
        Failure::Resolve(e) | Failure::Tcp(e) | Failure::Tls(e) => words::innermost(&e),
        Failure::Words(refusal) => refusal.why,
    })?;
    let talk = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(said)?;
        let request = Request::get(path)
            .header(header::HOST, target.authority())
            .header(header::CONNECTION, "close")
            .body(Empty::<&'static [u8]>::new())
            .map_err(|e| e.to_string())?;
        let page = std::pin::pin!(async {
            let (head, body) = sender.send_request(request).await.map_err(said)?.into_parts();
            let body = Limited::new(body, MOST).collect().await.map_err(|e| e.to_string())?.to_bytes();
            let cluster = head.headers.get("X-Etcd-Cluster-ID").and_then(|v| v.to_str().ok()).map(str::to_owned);
            Ok(Page { status: head.status.as_u16(), cluster, text: String::from_utf8_lossy(&body).into_owned() })
        });
        match select(page, std::pin::pin!(connection)).await {
            Either::Left((page, _)) => page,
            // the connection may end before the last of the page was taken from it
            Either::Right((_, page)) => page.await,
        }
    };
    timeout(limit, talk).await.map_err(|_| late(limit))?
}

fn late(limit: Duration) -> String {
    format!("no answer in {}", words::span(limit))
}

fn said(error: hyper::Error) -> String {
    words::innermost(&error)
}
