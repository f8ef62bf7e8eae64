//! What is known of an old cluster, the endpoints at which its members may still answer, and what
//! probing one showed.

use crate::{
    domain::model::{
        observations::{
            Answer, Content, EndpointFacts, KnownMember, MemberStatus, config::ConfigFacts, disk::DataDirState,
        },
        plan::Plan,
        revisions::KnownRevision,
        url,
    },
    etcd::membership::{Id, cluster_id},
    text::Foreign,
};

/// No more endpoints are probed: no cluster has that many members.
pub(crate) const MOST_DOORS: usize = 200;

/// What a URL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointKind {
    /// Clients are served there.
    Client,
    /// Other members are served there.
    Peer,
}

/// A URL at which the old cluster may still answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The URL.
    pub url: String,
    /// What it is for.
    pub kind: EndpointKind,
    /// Its member: the name, or a substitute for a member without one.
    pub whose: String,
    /// True for a URL of the old cluster; false for one that only the plan has.
    pub old: bool,
}

/// The result of probing an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// The connection was refused: nothing listens.
    Refused,
    /// It is unknown from here, for this reason: `no answer in 2 s`.
    Unclear(String),
    /// Something other than etcd answers, as described.
    Stranger(String),
    /// An etcd answers.
    Etcd {
        /// Its cluster, where it reported one.
        cluster: Option<Id>,
        /// Its member ID, where it reported one.
        member: Option<Id>,
        /// Its version, empty where it reported none.
        version: String,
        /// Its store's revision, where it reported one.
        revision: Option<i64>,
    },
    /// The connection is accepted without identification; what was received, in a few words.
    Unidentified(String),
}

/// What an old cluster is known by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Old {
    /// Its members, as the snapshot, survivors and configurations list them.
    pub members: Vec<KnownMember>,
    /// Its IDs: one, and more where sources differ.
    pub clusters: Vec<Id>,
    /// Further client URLs at which it was asked.
    pub endpoints: Vec<String>,
    /// IDs of members that were removed from it.
    pub removed: Vec<Id>,
    /// The newest revision at which its members were seen when the plan was executed.
    pub newest: Option<KnownRevision>,
}

impl Old {
    /// Returns what snapshot, survivors and the endpoints that were asked show of the old cluster.
    pub fn new(content: Option<&Content>, answers: &[EndpointFacts], endpoints: &[String]) -> Old {
        let mut old = Old { endpoints: endpoints.to_vec(), ..Old::default() };
        for facts in answers {
            if let Answer::Says(says) = &facts.answer {
                old.clusters.push(says.cluster_id);
                says.members.iter().for_each(|member| old.knows(member));
            }
        }
        let members = content.map(|c| c.members.as_slice()).unwrap_or_default();
        members.iter().for_each(|member| old.knows(member));
        old.removed = content.map(|c| c.removed.clone()).unwrap_or_default();
        let voters: Vec<Id> = members.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
        if !voters.is_empty() {
            // its own, unless members were added since
            old.clusters.push(cluster_id(&voters));
        }
        old.tidy();
        old
    }

    /// What a data directory adds that was last written before `made`, when the plan was made: a later one may be this
    /// plan's own.
    pub fn in_dir(&mut self, says: &DataDirState, made: Option<i64>) {
        if says.written.zip(made).is_none_or(|(written, made)| written >= made) {
            return;
        }
        self.clusters.push(says.cluster_id);
        let names_itself = says.members.iter().any(|m| m.id == says.member_id);
        if !names_itself && says.member_id != Id(0) {
            self.knows(&KnownMember { id: says.member_id, ..KnownMember::default() });
        }
        says.members.iter().for_each(|member| self.knows(member));
        self.tidy();
    }

    fn tidy(&mut self) {
        self.clusters.retain(|id| *id != Id(0));
        self.clusters.sort_unstable();
        self.clusters.dedup();
    }

    /// A member more, or further URLs of one that is known: old ones may still be listened on.
    pub fn knows(&mut self, member: &KnownMember) {
        match self.members.iter_mut().find(|m| m.id == member.id && member.id != Id(0)) {
            None => self.members.push(member.clone()),
            Some(known) => {
                for (urls, more) in
                    [(&mut known.peer_urls, &member.peer_urls), (&mut known.client_urls, &member.client_urls)]
                {
                    urls.extend(more.iter().filter(|url| !urls.contains(url)).cloned().collect::<Vec<_>>());
                }
                if known.name.is_empty() {
                    known.name.clone_from(&member.name);
                }
            }
        }
    }

    /// What a configuration on this machine adds: the URLs under which its member is known to others. Only one that
    /// shares a URL with the cluster is its own.
    pub fn configured(&mut self, config: &ConfigFacts) {
        let urls = |flag: &str| -> Vec<Foreign> {
            config
                .get(flag)
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .filter(|u| !u.is_empty())
                .map(Foreign::from)
                .collect()
        };
        let (peers, clients) = (urls("initial-advertise-peer-urls"), urls("advertise-client-urls"));
        let shares = |m: &&mut KnownMember| {
            m.peer_urls.iter().any(|u| peers.contains(u)) || m.client_urls.iter().any(|u| clients.contains(u))
        };
        if let Some(known) = self.members.iter_mut().find(shares) {
            let id = known.id;
            self.knows(&KnownMember { id, peer_urls: peers, client_urls: clients, ..KnownMember::default() });
        }
    }

    pub(crate) fn has_member(&self, id: Id) -> bool {
        self.members.iter().any(|m| m.id == id)
    }
}

/// Whether who answers may be a member that was restored from this very plan and started: it is of the plan's cluster,
/// and the plan's revision leads to its own by way of the log that it applied since.
pub fn may_be_of(plan: &Plan, says: &MemberStatus) -> bool {
    let genesis = plan.members.len() as u64;
    let since = says.revision.checked_sub(plan.expected_revision()).and_then(|n| u64::try_from(n).ok());
    says.cluster_id == plan.cluster_id
        && since.is_some_and(|n| says.raft_applied == 0 || n <= says.raft_applied.saturating_sub(genesis))
}

/// Returns the endpoints to probe: every URL of the old cluster, then those that only the plan has. Socket files are
/// left out.
pub fn doors(plan: &Plan, old: &Old) -> Vec<Endpoint> {
    let mut out: Vec<Endpoint> = Vec::new();
    let mut add = |url: &str, kind, whose: &str, old| {
        if url::place(url).is_some() && !out.iter().any(|d| d.url == url && d.kind == kind) && out.len() < MOST_DOORS {
            out.push(Endpoint { url: url.to_string(), kind, whose: whose.to_string(), old });
        }
    };
    for m in &old.members {
        // A name that cannot be typed, or had to be escaped, is none here.
        let plain = !m.name.is_empty() && m.name.chars().all(|c| c.is_ascii_graphic()) && !m.name.contains("\\u{");
        let whose = if plain { m.name.to_string() } else { m.id.to_string() };
        m.client_urls.iter().for_each(|url| add(url, EndpointKind::Client, &whose, true));
        m.peer_urls.iter().for_each(|url| add(url, EndpointKind::Peer, &whose, true));
    }
    let known: Vec<_> = old.members.iter().flat_map(|m| &m.client_urls).filter_map(|u| url::place(u)).collect();
    for endpoint in &old.endpoints {
        if let Some((host, port)) = url::place(endpoint).filter(|at| !known.contains(at)) {
            add(endpoint, EndpointKind::Client, &format!("{host}:{port}"), true);
        }
    }
    for m in &plan.members {
        m.client_urls.iter().for_each(|url| add(url, EndpointKind::Client, &m.name, false));
        m.peer_urls.iter().for_each(|url| add(url, EndpointKind::Peer, &m.name, false));
    }
    out
}
