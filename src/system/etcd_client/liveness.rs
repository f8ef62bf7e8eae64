//! Finds out whether an old cluster still answers at its endpoints. No request changes anything there.
//!
//! A peer URL serves `/members` without authentication, with the cluster's ID in a header; a client URL serves
//! `/version` over HTTP/1.1 unless it is for gRPC only. Source: etcd
//! `server/etcdserver/api/etcdhttp/{peer,version}.go`, the same in 3.4 to 3.7.

#[cfg(test)]
mod tests;

use std::{
    io, net,
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::rustls;

use super::{
    Connect, Members,
    connection::{self, Target},
    errors,
    http_probes::{self, Page, Version},
};
use crate::{
    domain::model::old_cluster::{Endpoint, EndpointKind, ProbeResult},
    etcd::membership::Id,
    system::net::{
        http::HttpError,
        resolve::{lookup, lookup_host},
    },
};

impl Members {
    /// Returns the endpoints that accept a TCP connection within `limit`, all tried in parallel. [`Members::probe_endpoints`]
    /// would hear nothing from the others; to find that out takes neither certificates nor a runtime.
    pub fn listening(doors: Vec<Endpoint>, limit: Duration) -> Vec<Endpoint> {
        let (tell, told) = channel();
        let mut open = vec![false; doors.len()];
        for ((at, door), open) in doors.iter().enumerate().zip(&mut open) {
            let Ok(Target { host, port, .. }) = Target::parse(&door.url, &Connect::default()) else { continue };
            let tell = tell.clone();
            let connect = move || {
                let accepts = |address: &net::SocketAddr| net::TcpStream::connect_timeout(address, limit).is_ok();
                let _ = tell.send((at, lookup(&host, port).is_ok_and(|all| all.iter().any(accepts))));
            };
            // Without a thread it is unknown, and left to `probe_endpoints`.
            *open = thread::Builder::new().spawn(connect).is_err();
        }
        drop(tell);
        let until = Instant::now() + limit;
        // An endpoint that is still silent at the end does not listen; the thread ends by itself.
        while let Ok((at, accepts)) = told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(open) = open.get_mut(at) {
                *open = accepts;
            }
        }
        doors.into_iter().zip(open).filter_map(|(door, open)| open.then_some(door)).collect()
    }

    /// Probes all endpoints in parallel; returns the results in their order. Each takes at most the time limits of a
    /// connection, of [`Members::member_status`], and of one more answer.
    pub fn probe_endpoints(&self, doors: &[Endpoint]) -> Vec<ProbeResult> {
        let all = join_all(doors.iter().map(|door| self.heard(door)));
        self.block_on(all)
            .unwrap_or_else(|| vec![ProbeResult::Unclear("requorum is shutting down".into()); doors.len()])
    }

    async fn heard(&self, door: &Endpoint) -> ProbeResult {
        let target = match Target::parse(&door.url, &self.connect) {
            Ok(target) => target,
            Err(refusal) => return ProbeResult::Unclear(refusal.why.into()),
        };
        if let Err(heard) = self.listened(&target).await {
            return heard;
        }
        match door.kind {
            EndpointKind::Peer => self.peer(&target).await,
            EndpointKind::Client => match self.facts(&door.url).await {
                Ok(says) => ProbeResult::Etcd {
                    cluster: Some(says.cluster_id).filter(|id| *id != Id(0)),
                    member: Some(says.member_id).filter(|id| *id != Id(0)),
                    version: says.version.into(),
                    revision: Some(says.revision).filter(|revision| *revision > 0),
                },
                Err(refusal) => self.client(&target, refusal.why.into()).await,
            },
        }
    }

    /// Checks whether a connection is accepted there.
    async fn listened(&self, target: &Target) -> Result<(), ProbeResult> {
        let limit = self.connect.dial_timeout;
        let connect = async {
            let found = lookup_host(&target.host, target.port).await;
            let addresses = found.map_err(|e| ProbeResult::Unclear(errors::resolve(&e, target).why.into()))?;
            match TcpStream::connect(addresses.as_slice()).await {
                Ok(_) => Ok(()),
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Err(ProbeResult::Refused),
                Err(e) => Err(ProbeResult::Unclear(errors::tcp(&e, target).why.into())),
            }
        };
        match timeout(limit, connect).await {
            Ok(result) => result,
            Err(_) => Err(ProbeResult::Unclear(no_answer(limit))),
        }
    }

    async fn peer(&self, target: &Target) -> ProbeResult {
        match http_probes::page(self, target, http_probes::MEMBERS).await {
            Ok(Page { cluster: Some(id), .. }) => {
                ProbeResult::Etcd { cluster: Some(id), member: None, version: String::new(), revision: None }
            }
            Ok(page) if spoken_to_tls(target, page.status) => ProbeResult::Unidentified("with TLS only".into()),
            Ok(page) => ProbeResult::Stranger(format!("an HTTP server ({})", page.status)),
            Err(miss) => self.without_http(target, miss).await,
        }
    }

    /// Probes a client URL whose member sent no status, for this reason.
    async fn client(&self, target: &Target, why: String) -> ProbeResult {
        let Page { status, text, .. } = match http_probes::page(self, target, http_probes::VERSION).await {
            Ok(page) => page,
            Err(miss) => {
                return match self.without_http(target, miss).await {
                    ProbeResult::Unidentified(_) => ProbeResult::Unidentified(why),
                    heard => heard,
                };
            }
        };
        let version: Option<Version> = text.ok().and_then(|text| serde_json::from_str(&text).ok());
        match version.filter(|version| !version.etcdserver.is_empty()) {
            Some(version) => {
                let version = version.etcdserver.chars().take(20).collect();
                ProbeResult::Etcd { cluster: None, member: None, version, revision: None }
            }
            None if spoken_to_tls(target, status) => ProbeResult::Unidentified(why),
            None => ProbeResult::Stranger(format!("an HTTP server ({status})")),
        }
    }

    /// Returns the result if the connection was accepted, but HTTP/1.1 failed.
    async fn without_http(&self, target: &Target, miss: HttpError) -> ProbeResult {
        match miss {
            HttpError::Late(limit) => ProbeResult::Unidentified(format!("but sends {}", no_answer(limit))),
            HttpError::NoHttp(why) => ProbeResult::Unidentified(format!("but does not speak HTTP: {why}")),
            HttpError::Wire(connection::Failure::Tls(error)) if !connection::speaks_tls(target).await => {
                match tls_error(&error) {
                    Some(rustls::Error::InvalidMessage(_)) => {
                        ProbeResult::Unidentified("but does not speak TLS".into())
                    }
                    _ => hangs_up(),
                }
            }
            // A server that requires another certificate, or presents an untrusted one, is alive all the same.
            HttpError::Wire(_) => ProbeResult::Unidentified("but the TLS handshake fails".into()),
            // Like a proxy without its backend. A member that requires TLS answers when it is offered.
            HttpError::HungUp if target.tls || connection::speaks_tls(target).await => {
                ProbeResult::Unidentified("with TLS only, and closes them without an answer".into())
            }
            HttpError::HungUp => hangs_up(),
        }
    }
}

/// Returns whether this is the answer of Go's TLS servers to plain HTTP.
fn spoken_to_tls(target: &Target, status: u16) -> bool {
    !target.tls && status == 400
}

fn hangs_up() -> ProbeResult {
    ProbeResult::Unclear("accepts the connection and closes it, like a proxy without a backend".into())
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn no_answer(limit: Duration) -> String {
    format!("no answer in {}", errors::span(limit))
}
