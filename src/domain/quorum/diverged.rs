//! Messages about what must not be mistaken for the cluster: an empty or older state that serves under its IDs, a cluster
//! not shown to be the one asked for, and data directories that lack writes their member acknowledged.

mod apart;
mod forked;
mod lacking;
mod unconfirmed;

use super::{
    history::Serving,
    known::{By, Newer, NewerAt},
    tally::Count,
    verdict::QuorumVerdict,
};
use crate::{
    domain::model::observations::MemberStatus,
    text::{
        join::all,
        number::{plural, thousands},
    },
};

/// `revision 11 at raft index 18`.
fn point(revision: i64, index: u64) -> String {
    let revision = thousands(revision.max(0).unsigned_abs());
    match index {
        0 => format!("revision {revision}"),
        index => format!("revision {revision} at raft index {}", thousands(index)),
    }
}

/// Returns the evidence, where the two numbers are not enough.
fn by_words(by: By, serving: u64) -> String {
    match by {
        By::Beyond => String::new(),
        By::Term(term) => {
            format!(", and its last log entry is of term {term}, later than the serving term {serving}")
        }
        By::Hash => ", with different data up to that revision (compared by HashKV, or key by key)".into(),
    }
}

impl Count<'_> {
    fn group_names(&self, group: &Serving<'_>) -> Vec<String> {
        let mut names: Vec<String> = group.says.iter().map(|(e, s)| self.name(e, s)).collect();
        names.sort_by(|a, b| crate::text::join::natural(a, b));
        names
    }

    /// Returns its name in its own member list, else its endpoint.
    fn name_by_itself(&self, endpoint: &str, says: &MemberStatus) -> String {
        let own = says.members.iter().find(|m| m.id == says.member_id && !m.name.is_empty());
        own.map_or_else(|| self.name(endpoint, says), |m| m.name.to_string())
    }

    /// `m2 and m3 serve revision 1 at raft index 7`, with an `s` for one.
    fn group_words(&self, group: &Serving<'_>) -> String {
        let names = self.group_names(group);
        format!("{} {} {}", all(&names), plural(names.len(), "serves", "serve"), point(group.revision, group.commit))
    }

    /// `/var/lib/etcd (m1)`, `c2`, `backup.db`.
    fn place_words(&self, newer: &Newer) -> String {
        let name = newer.member.and_then(|id| self.name_of(id));
        match (&newer.at, name) {
            (NewerAt::Member(endpoint), name) => name.unwrap_or_else(|| endpoint.clone()),
            (NewerAt::Dir(dir), Some(name)) => format!("{name}'s data directory {dir}"),
            (NewerAt::Dir(dir), None) => format!("data directory {dir}"),
            (NewerAt::File(file), _) => format!("snapshot {file}"),
        }
    }

    /// Returns the endpoints of the members to stop, in the order in which they answered.
    pub(crate) fn to_stop(&self, verdict: QuorumVerdict) -> Vec<String> {
        let ends = |groups: &[&Serving<'_>]| {
            groups.iter().flat_map(|g| &g.says).map(|(e, _)| e.to_string()).collect::<Vec<_>>()
        };
        match (verdict, &self.history.serving) {
            (QuorumVerdict::Forked, Some(serving)) if self.surely_behind() => {
                let mut groups = vec![serving];
                groups.extend(&self.history.apart);
                ends(&groups)
            }
            (QuorumVerdict::Degraded, _) => ends(&self.history.apart.iter().collect::<Vec<_>>()),
            _ => Vec::new(),
        }
    }

    /// Returns the endpoints to ask once more, where what serves seems to lag: a state that was read later may just be later.
    pub(crate) fn ask_again(&self) -> Vec<String> {
        let history = &self.history;
        let Some(serving) = &history.serving else { return Vec::new() };
        let (apart, rivals) = (&history.apart, &history.rivals);
        if history.newer.is_empty() && history.odd.is_empty() && apart.is_empty() && rivals.is_empty() {
            return Vec::new();
        }
        let groups = [serving].into_iter().chain(apart).chain(rivals);
        groups.flat_map(|g| &g.says).filter(|(_, s)| s.closed.is_none()).map(|(e, _)| e.to_string()).collect()
    }

    /// Returns the silent endpoints that are no member's URL, where there are too many to be other names of silent members.
    pub(crate) fn more_than_missing(&self) -> Vec<String> {
        let more = self.unmatched.len() > self.missing;
        if more { self.unmatched.iter().map(|e| e.to_string()).collect() } else { Vec::new() }
    }
}

/// What [`DEFAULT_CLUSTER`] is.
const DEFAULT_WORDS: &str = "the ID of every etcd started without flags";
