//! Probes besides gRPC: `/health`, `/version` and `/metrics` on the client port, the metrics port, and `/members` on
//! the peer port. None of them needs a token, and all but `/health` of a member with a leader answer without quorum.
//! So they work for members with authentication enabled while no token can be issued, and for those that were restarted
//! without a quorum: their client port stays closed until they have published themselves, which takes quorum.

use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::{
    Members,
    connection::{Failure, Target},
    errors::{self, ConnectError},
    metrics::Metrics,
    rpc::{MOST_MEMBERS, MOST_URLS, too_many},
};
use crate::{
    domain::model::{
        observations::{KnownMember, MemberStatus, OwnHealth, Read, Source},
        url::PEER_PORT,
    },
    etcd::membership::Id,
    system::net::http::{self, HttpError},
    text::Foreign,
};

/// The port on which kubeadm has `--listen-metrics-urls`.
const METRICS_PORT: u16 = 2381;

/// Prometheus's text.
const METRICS: &str = "/metrics";

/// The linearizable read of `/health` is needed, not its view of alarms: those come from the status.
const HEALTH: &str = "/health?exclude=NOSPACE&exclude=CORRUPT";

/// The largest metrics that are read, in bytes. They take 150 to 200 kB, more with labels for many clients.
const METRICS_BYTES: usize = 8 << 20;
/// The largest JSON page that is read, in bytes; parsed it takes many times as much memory.
const JSON_BYTES: usize = 512 << 10;

/// The content of a page. The head of an answer is useful even if its body is not received.
pub(super) struct Page {
    /// The HTTP status.
    pub status: u16,
    /// `X-Etcd-Cluster-ID`, which the peer port sends.
    pub cluster: Option<Id>,
    /// The body, as text.
    pub text: Result<String, HttpError>,
}

/// The page of members on a peer port.
pub(super) const MEMBERS: &str = "/members";

/// The page of versions on a client port.
pub(super) const VERSION: &str = "/version";

/// Gets `path`, which begins with a slash. All HTTP requests to members go through here.
pub(super) async fn page(members: &Members, target: &Target, path: &str) -> Result<Page, HttpError> {
    let most = if path == METRICS { METRICS_BYTES } else { JSON_BYTES };
    let (dial, limit) = (members.connect.dial_timeout, members.connect.answer_timeout());
    // head and body share the time limit of an answer: a slow sender must not double it
    let until = Instant::now() + dial + limit;
    let head = http::get(target, &members.tls_http, path, &[("connection", "close")], dial, limit);
    let answer = timeout_at(until, head).await.map_err(|_| HttpError::Late(limit))??;
    let status = answer.status().as_u16();
    let cluster = answer.headers().get("X-Etcd-Cluster-ID").and_then(|id| id.to_str().ok()?.parse().ok());
    let text = timeout_at(until, http::text(answer, most, limit)).await.unwrap_or(Err(HttpError::Late(limit)));
    Ok(Page { status, cluster, text })
}

/// The answers of the client port over HTTP.
#[derive(Debug, Default)]
pub(super) struct ClientPortPages {
    health: OwnHealth,
    version: Option<Version>,
    metrics: Option<Metrics>,
}

/// `/version`, as etcd 3.4 to 3.7 give it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Version {
    pub etcdserver: Foreign,
    etcdcluster: Foreign,
    storage: Foreign,
}

/// `/health`, as etcd 3.4 to 3.7 give it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Health {
    health: String,
    reason: Foreign,
}

/// Asks the client port for its pages, all at once.
pub(super) async fn client_port_pages(members: &Members, target: &Target) -> ClientPortPages {
    let (health, version, metrics) =
        tokio::join!(page(members, target, HEALTH), page(members, target, VERSION), page(members, target, METRICS),);
    let text = |page: Result<Page, HttpError>| page.ok()?.text.ok();
    let health = text(health).and_then(|text| serde_json::from_str::<Health>(&text).ok());
    ClientPortPages {
        health: health.map_or(OwnHealth::Untold, |said| match said.health.as_str() {
            "true" => OwnHealth::Good,
            "false" => OwnHealth::Bad(said.reason),
            _ => OwnHealth::Untold,
        }),
        version: text(version).and_then(|text| serde_json::from_str(&text).ok()),
        metrics: text(metrics).and_then(|text| Metrics::parse(&text)),
    }
}

impl ClientPortPages {
    /// Adds to `says` what it does not have itself. Metrics of another member (through a balancer) are left out.
    pub(super) fn fill(self, says: &mut MemberStatus) {
        if let Some(metrics) = self.metrics {
            fill_metrics(metrics, says);
        }
        if let Some(version) = self.version {
            says.heard.push(Source::Version);
            or(&mut says.version, version.etcdserver);
            or(&mut says.cluster_version, version.etcdcluster);
            or(&mut says.storage_version, version.storage);
        }
        if self.health != OwnHealth::Untold {
            says.heard.push(Source::Health);
        }
        // its handler makes a linearizable read (etcd `etcdhttp/metrics.go` in 3.4, `health.go` later)
        if self.health == OwnHealth::Good && says.read != Read::Served {
            says.read = Read::Served;
        }
        says.health = self.health;
    }
}

fn fill_metrics(metrics: Metrics, says: &mut MemberStatus) {
    if metrics.member_id.is_some_and(|id| says.member_id != Id(0) && id != says.member_id) {
        return;
    }
    says.heard.push(Source::Metrics);
    says.has_leader = metrics.has_leader;
    says.quota_bytes = says.quota_bytes.or(metrics.quota_bytes);
    or(&mut says.version, metrics.version);
    or(&mut says.cluster_version, metrics.cluster_version);
    if says.heard.contains(&Source::Client) {
        return;
    }
    // no status was received: this is all there is
    says.revision = says.revision.max(metrics.revision);
    says.raft_index = metrics.committed;
    says.raft_applied = metrics.applied;
    says.is_learner = metrics.is_learner;
    (says.db_bytes, says.db_bytes_in_use) = (metrics.db_bytes, metrics.db_bytes_in_use);
    if metrics.is_leader {
        says.leader = metrics.member_id.unwrap_or_default();
    }
}

fn or(mine: &mut Foreign, other: Foreign) {
    if mine.is_empty() {
        *mine = other;
    }
}

/// `/members` on the peer port, as etcd 3.4 to 3.7 give it (`etcdhttp/peer.go`).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Listed {
    id: u64,
    name: Foreign,
    #[serde(rename = "peerURLs")]
    peer_urls: Vec<Foreign>,
    #[serde(rename = "clientURLs")]
    client_urls: Vec<Foreign>,
    #[serde(rename = "isLearner")]
    is_learner: bool,
}

/// The answer of a peer port: the cluster's ID if it sends it, and the members.
struct PeerSays {
    cluster: Id,
    members: Vec<KnownMember>,
}

async fn peer(members: &Members, target: &Target) -> Result<PeerSays, String> {
    let page = page(members, target, MEMBERS).await.map_err(missed)?;
    let not_etcd = |why: String| format!("not an etcd peer port: {}", Foreign::new(why));
    if page.status != 200 {
        return Err(not_etcd(format!("HTTP status {}", page.status)));
    }
    let text = page.text.map_err(missed)?;
    let listed: Vec<Listed> = serde_json::from_str(&text).map_err(|e| not_etcd(e.to_string()))?;
    if listed.len() > MOST_MEMBERS {
        return Err(too_many(listed.len()));
    }
    let known = |m: Listed| KnownMember {
        id: Id(m.id),
        name: m.name,
        peer_urls: m.peer_urls.into_iter().take(MOST_URLS).collect(),
        client_urls: m.client_urls.into_iter().take(MOST_URLS).collect(),
        is_learner: m.is_learner,
    };
    Ok(PeerSays { cluster: page.cluster.unwrap_or_default(), members: listed.into_iter().map(known).collect() })
}

/// Returns why there is no page, in a few words.
fn missed(miss: HttpError) -> String {
    match miss {
        HttpError::Wire(Failure::Resolve(e) | Failure::Tcp(e) | Failure::Tls(e)) => errors::innermost(&e),
        HttpError::Wire(Failure::Words(refusal)) => refusal.why.into(),
        HttpError::Late(limit) => format!("no answer in {}", errors::span(limit)),
        HttpError::HungUp => "the connection was closed without an answer".into(),
        HttpError::NoHttp(why) => why,
    }
}

/// The answers of the usual peer port and metrics port of a host; whose they are is not decided yet.
#[derive(Default)]
pub(super) struct GuessedPorts {
    peer: Option<PeerSays>,
    metrics: Option<Metrics>,
}

/// Asks the usual peer port and the usual metrics port of the target's host, both at once.
pub(super) async fn guessed_ports(members: &Members, target: &Target) -> GuessedPorts {
    if !members.connect.guess_ports {
        return GuessedPorts::default();
    }
    let at = |port, tls| Target { port, tls, ..target.clone() };
    let (same, other) = (at(PEER_PORT, target.tls), at(PEER_PORT, !target.tls));
    let metrics = at(METRICS_PORT, false);
    let (same, other, metrics) =
        tokio::join!(peer(members, &same), peer(members, &other), metrics_at(members, &metrics));
    GuessedPorts { peer: same.or(other).ok(), metrics }
}

async fn metrics_at(members: &Members, target: &Target) -> Option<Metrics> {
    Metrics::parse(&page(members, target, METRICS).await.ok()?.text.ok()?)
}

/// Returns the member whose client URL `target` is.
fn whose<'a>(members: &'a [KnownMember], target: &Target) -> Option<&'a KnownMember> {
    members.iter().find(|m| m.client_urls.iter().any(|url| url.trim_end_matches('/') == target.url()))
}

impl GuessedPorts {
    /// Adds to `says` the member list and the metrics, if it lacks them.
    pub(super) fn fill(self, says: &mut MemberStatus) {
        if let Some(peer) = self.peer
            && says.members.is_empty()
            && [peer.cluster, Id(0)].contains(&says.cluster_id)
            && peer.members.iter().any(|m| m.id == says.member_id)
        {
            says.members = peer.members;
            says.heard.push(Source::Peer);
        }
        if let Some(metrics) = self.metrics.filter(|m| m.member_id == Some(says.member_id))
            && !says.heard.contains(&Source::Metrics)
        {
            fill_metrics(metrics, says);
        }
    }
}

/// Returns what the other ports report about a member whose client port was silent.
///
/// # Errors
/// The client port's own error, if they report nothing that is certainly this member's.
pub(super) fn by_others(
    target: &Target,
    refusal: ConnectError,
    aside: ClientPortPages,
    beside: GuessedPorts,
) -> Result<MemberStatus, ConnectError> {
    let listed = beside.peer.as_ref().and_then(|peer| whose(&peer.members, target));
    let Some(id) = aside.metrics.as_ref().and_then(|m| m.member_id).or(listed.map(|m| m.id)) else {
        return Err(refusal);
    };
    let cluster = beside.peer.as_ref().filter(|peer| peer.members.iter().any(|m| m.id == id)).map(|p| p.cluster);
    let mut says = MemberStatus {
        cluster_id: cluster.unwrap_or_default(),
        member_id: id,
        is_learner: listed.is_some_and(|m| m.is_learner),
        closed: Some(refusal.why),
        errors: vec![refusal.details],
        ..MemberStatus::default()
    };
    aside.fill(&mut says);
    beside.fill(&mut says);
    Ok(says)
}

/// Asks a member's peer URLs in turn, as its cluster lists them.
///
/// # Errors
/// Why none of them answers.
pub(super) async fn by_peer_urls(members: &Members, member: &KnownMember) -> Result<MemberStatus, ConnectError> {
    let mut refusals = Vec::new();
    for url in &member.peer_urls {
        let target = Target::parse(url, &members.connect)?;
        match peer(members, &target).await {
            Ok(peer) => {
                let mut says = MemberStatus {
                    cluster_id: peer.cluster,
                    member_id: member.id,
                    is_learner: member.is_learner,
                    members: peer.members,
                    heard: vec![Source::Peer],
                    ..MemberStatus::default()
                };
                if members.connect.guess_ports {
                    let metrics = metrics_at(members, &Target { port: METRICS_PORT, tls: false, ..target }).await;
                    GuessedPorts { peer: None, metrics }.fill(&mut says);
                }
                return Ok(says);
            }
            Err(why) => refusals.push(format!("{url}: {why}")),
        }
    }
    Err(ConnectError::new("silent", format!("Its peer port does not answer either ({}).", refusals.join("; "))))
}
