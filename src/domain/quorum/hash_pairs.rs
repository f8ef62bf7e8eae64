//! Which directories and snapshots can be compared with a serving member, and with which one.

use std::path::PathBuf;

use super::known::{Compared, KnownState, Match, NewerAt};
use crate::{
    domain::{
        model::observations::{
            Answer, EndpointFacts, KnownMember, MemberStatus, Read,
            disk::{DirFacts, DirState},
        },
        quorum::probe_rounds::at,
    },
    etcd::membership::Id,
    text::Shown,
};

/// A directory or snapshot, and the member to compare it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The directory or snapshot, as [`NewerAt`] names it.
    pub at: NewerAt,
    /// Its database.
    pub database: PathBuf,
    /// Its last revision.
    pub revision: i64,
    /// The client URL of the serving member with the highest raft index.
    pub endpoint: String,
}

impl Pair {
    /// Returns the comparison with this outcome.
    pub fn came_to(&self, outcome: Match) -> Compared {
        Compared { at: self.at.clone(), revision: self.revision, outcome }
    }

    /// Returns true where it was already compared with what serves, even if the answer is still pending.
    pub fn is_in(&self, compared: &[Compared]) -> bool {
        compared.iter().any(|c| (&c.at, c.revision) == (&self.at, self.revision))
    }
}

/// Returns what is at or below the revision of a member of the same cluster that serves, directories first, the newest
/// first. What a process has open, and what is beyond all serving members, is left out: the numbers are enough there.
pub fn pairs(facts: &[EndpointFacts], dirs: &[DirFacts], known: &[KnownState]) -> Vec<Pair> {
    let of_dir = |dir: &DirFacts| {
        let DirState::Whole(says) = &dir.state else { return None };
        let of_it = |s: &MemberStatus| s.cluster_id == says.cluster_id || shares_url(&says.members, &s.members);
        let reaches = |s: &MemberStatus| s.revision >= says.revision && of_it(s);
        let worth = !dir.held.is_held() && says.cluster_id != Id(0) && says.revision > 1;
        let endpoint = serves(facts, &reaches).filter(|_| worth)?;
        let at = NewerAt::Dir(dir.data_dir.shown().to_string());
        Some(Pair { at, database: says.database.path.clone(), revision: says.revision, endpoint: endpoint.into() })
    };
    let of_state = |state: &KnownState| {
        let reaches = |s: &MemberStatus| {
            let voters: Vec<Id> = s.members.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
            s.revision >= state.revision && s.cluster_id != Id(0) && state.is_of(s.cluster_id, &voters)
                || s.revision >= state.revision && shares_url(&state.members, &s.members)
        };
        let endpoint = serves(facts, &reaches).filter(|_| state.revision > 1)?;
        let (at, database) = (NewerAt::File(state.from.clone()), PathBuf::from(&state.from));
        Some(Pair { at, database, revision: state.revision, endpoint: endpoint.into() })
    };
    let mut of_dirs: Vec<Pair> = dirs.iter().filter_map(of_dir).collect();
    let mut of_files: Vec<Pair> = known.iter().filter_map(of_state).collect();
    of_dirs.sort_by_key(|pair| std::cmp::Reverse(pair.revision));
    of_files.sort_by_key(|pair| std::cmp::Reverse(pair.revision));
    of_dirs.append(&mut of_files);
    of_dirs
}

/// Whether a cluster has a member where the state has one: it may have been restored from it, under other IDs.
fn shares_url(state: &[KnownMember], members: &[KnownMember]) -> bool {
    members.iter().flat_map(|m| &m.client_urls).any(|url| state.iter().any(|m| at(m, url)))
}

/// Returns the serving member with the highest raft index.
fn serves<'a>(facts: &'a [EndpointFacts], reaches: &dyn Fn(&MemberStatus) -> bool) -> Option<&'a str> {
    let status = facts.iter().filter_map(|f| match &f.answer {
        Answer::Says(says) => Some((f.endpoint.as_str(), says.as_ref())),
        _ => None,
    });
    let able = status.filter(|(_, s)| s.read == Read::Served && s.closed.is_none() && reaches(s));
    able.max_by_key(|(_, s)| (s.raft_index, s.revision)).map(|(endpoint, _)| endpoint)
}
