//! What Detect knows: who was asked, what came back, and what was found on this machine.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf};

use crate::{
    domain::{
        model::observations::{Answer, EndpointFacts, MemberStatus, config::ConfigFacts, disk::DirFacts},
        quorum::{
            known::{Compared, KnownState, Newer},
            probe_rounds,
            scope::{self, Belongs, Scope},
            verdict::{Evidence, QuorumReport, verdict},
        },
    },
    etcd::membership::Id,
    system::DataDir,
};

/// How long after the members were asked they are asked again by themselves, in milliseconds.
pub const AGAIN_MS: u64 = 8000;

/// One member that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The effect whose answer counts.
    pub id: u64,
    /// The URL, and what came back.
    pub facts: EndpointFacts,
    /// True where another member named this URL.
    pub discovered: bool,
    /// The effect that asks its peer port, as long as it is under way.
    pub(in crate::tui) peer: Option<u64>,
    /// True once its peer port was asked.
    pub(in crate::tui) peered: bool,
    /// The effect that asks for its hash.
    pub(in crate::tui) hash: Option<u64>,
    /// The operator says that this member is gone for good.
    pub gone: bool,
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Who was asked.
    pub rows: Vec<Asked>,
    /// The selected one.
    pub at: usize,
    /// The data directories that were looked at.
    pub dirs: Vec<DirFacts>,
    /// The configurations that were found.
    pub configs: Vec<ConfigFacts>,
    /// This machine's own addresses.
    pub addresses: Vec<IpAddr>,
    /// Data directories that the operator named: they say which cluster is meant.
    pub named: Vec<PathBuf>,
    /// The cluster that the operator chose among several.
    pub meant: Option<Id>,
    /// The effect that looks for them.
    pub(in crate::tui) looking: Option<u64>,
    /// What the snapshots of the next step show about a cluster.
    pub known: Vec<KnownState>,
    /// States that seemed newer than what serves, for which who serves was asked once more.
    pub(in crate::tui) confirmed: Vec<Newer>,
    /// Directories and snapshots as they were held against who serves.
    pub(in crate::tui) compared: Vec<Compared>,
    /// The effect that does it.
    pub(in crate::tui) comparing: Option<u64>,
    /// When all had answered last, in milliseconds since the start.
    pub asked_at: Option<u64>,
    /// The members as they are asked again by themselves: they take the place of the rows once all have answered.
    pub(in crate::tui) again: Option<Vec<Asked>>,
    /// True once the label was typed to continue although quorum is not clearly lost.
    pub passed: bool,
}

impl State {
    pub(in crate::tui) fn new(endpoints: &[String], named: &[DataDir]) -> Self {
        let rows = endpoints.iter().map(|e| asked(e, false)).collect();
        State { rows, named: named.iter().map(|dir| dir.data.clone()).collect(), ..State::default() }
    }

    /// Which cluster is meant, of those that were seen.
    pub fn scope(&self) -> Scope {
        Scope::new(&scope::Evidence {
            facts: &self.facts(),
            typed: true,
            given: &self.given(),
            dirs: &self.dirs,
            configs: &self.configs,
            addresses: &self.addresses,
            named: &self.named,
            chosen: self.meant,
        })
    }

    /// What was seen, for the pure rooms.
    pub fn facts(&self) -> Vec<EndpointFacts> {
        self.rows.iter().map(|r| r.facts.clone()).collect()
    }

    /// Endpoints of members that are gone for good, as the operator says.
    pub fn gone(&self) -> BTreeSet<String> {
        self.rows.iter().filter(|r| r.gone).map(|r| r.facts.endpoint.clone()).collect()
    }

    /// How many are still being asked, be it at their peer port.
    pub fn asking(&self) -> usize {
        self.rows.iter().filter(|r| r.waits()).count()
    }

    /// The verdict on what was seen. Who is still being asked at its peer port is not called silent yet.
    pub fn finding(&self) -> QuorumReport {
        let mut facts = self.facts();
        for (fact, _) in facts.iter_mut().zip(&self.rows).filter(|(_, row)| row.peer.is_some()) {
            fact.answer = Answer::Asking;
        }
        let scope = self.scope();
        verdict(&Evidence {
            facts: &scope.facts(&facts, true),
            given: &self.given(),
            dirs: &scope.dirs(&self.dirs),
            known: &self.known,
            compared: &self.compared,
            gone: &self.gone(),
        })
    }

    /// The endpoints that were not found in an answer.
    fn given(&self) -> Vec<String> {
        self.rows.iter().filter(|row| !row.discovered).map(|row| row.facts.endpoint.clone()).collect()
    }

    /// The directories that may be of this cluster, and where each belongs: those of another one are shown in the
    /// details only.
    pub fn own_dirs(&self) -> Vec<&DirFacts> {
        let scope = self.scope();
        self.dirs.iter().filter(|dir| scope.of_dir(dir) != Belongs::Other).collect()
    }

    /// The client URLs that configurations on this machine name, for members of the cluster that is meant.
    pub fn configured(&self) -> Vec<String> {
        let scope = self.scope();
        let own = |config: &&ConfigFacts| {
            scope::dir_of(config, &self.dirs).is_none_or(|dir| scope.of_dir(dir) != Belongs::Other)
        };
        let urls = self
            .configs
            .iter()
            .filter(own)
            .filter_map(|config| config.get("advertise-client-urls").or_else(|| config.get("listen-client-urls")));
        let mut out: Vec<String> = Vec::new();
        for url in urls.flat_map(|urls| urls.split(',')).map(|url| url.trim().to_string()) {
            let any = url.contains("://0.0.0.0") || url.contains("://[::]");
            if !url.is_empty() && !any && !out.contains(&url) {
                out.push(url);
            }
        }
        out
    }

    /// True while members are asked, their hashes or this machine, because the operator asked for it.
    pub(in crate::tui) fn is_looking(&self) -> bool {
        self.asking() > 0 || self.looking.is_some() || self.rows.iter().any(|row| row.hash.is_some())
    }

    fn says(&self) -> impl Iterator<Item = &MemberStatus> {
        self.rows.iter().filter_map(|r| heard(&r.facts))
    }

    /// The name of the member behind an endpoint: as it says itself, else as another member lists
    /// that URL.
    pub fn name(&self, facts: &EndpointFacts) -> String {
        let own = heard(facts).and_then(|s| s.members.iter().find(|m| m.id == s.member_id));
        let listed = || self.says().flat_map(|s| &s.members).find(|m| probe_rounds::at(m, &facts.endpoint));
        own.or_else(listed).map(|m| m.name.to_string()).filter(|n| !n.is_empty()).unwrap_or_else(|| "?".into())
    }
}

impl Asked {
    pub(in crate::tui) fn waits(&self) -> bool {
        self.id != 0 && self.facts.answer == Answer::Asking || self.peer.is_some()
    }
}

/// A member that is to be asked.
pub(in crate::tui) fn asked(endpoint: &str, discovered: bool) -> Asked {
    let facts = EndpointFacts { endpoint: endpoint.to_string(), answer: Answer::Asking };
    Asked { id: 0, facts, discovered, peer: None, peered: false, hash: None, gone: false }
}

/// The member's answer at its client port, if it gave one.
pub fn says(facts: &EndpointFacts) -> Option<&MemberStatus> {
    heard(facts).filter(|says| says.closed.is_none())
}

/// What is known from the member itself, be it from its metrics or its peer port.
pub(in crate::tui) fn heard(facts: &EndpointFacts) -> Option<&MemberStatus> {
    match &facts.answer {
        Answer::Says(says) => Some(says),
        _ => None,
    }
}
