//! The answers, sorted by what the rule asks for, and the rule.

use std::collections::BTreeSet;

use super::{Disagreement, Verdict, disagreement};
use crate::{
    etcd::membership::Id,
    plan::{
        copies::{self, Age},
        facts::{
            Alarm, Answer, EndpointFacts, KnownMember, MemberSays, Read,
            disk::{DirFacts, DirState},
        },
        survey::at,
        words::natural,
    },
};

/// The answers, sorted by what the rule asks for.
pub(super) struct Count<'a> {
    /// Everybody who answered, each member once, with the endpoint it answered at.
    pub says: Vec<(&'a str, &'a MemberSays)>,
    /// The newest member list, where one could be had.
    pub list: Option<&'a [KnownMember]>,
    pub voters: usize,
    pub needed: usize,
    pub answering: usize,
    /// Endpoints that were asked.
    pub asked: usize,
    /// Those of them that are still being asked.
    pub asking: usize,
    /// Voters that do not answer.
    pub silent: Vec<Silent<'a>>,
    pub unasked: Unasked,
    pub alarms: Vec<Alarm>,
    pub disagreement: Option<Disagreement>,
}

/// A voter that does not answer.
pub(super) struct Silent<'a> {
    /// Its name, its ID, or its endpoint.
    pub name: String,
    /// Its ID, where a list names it.
    pub id: Option<Id>,
    pub fate: Fate<'a>,
    /// Its other directories that were looked at, each as it compares with the one that decided its fate.
    pub copies: Vec<(&'a DirFacts, Age)>,
    /// False where nobody was asked at its client URL: it may well answer.
    pub asked: bool,
}

/// What is known of a voter that does not answer.
pub(super) enum Fate<'a> {
    /// Nothing that would keep it from coming back.
    Open,
    /// Its data directory is whole, and no process has it.
    Whole(&'a DirFacts),
    /// A process has its data directory, and yet it does not answer.
    Held(&'a DirFacts),
    /// Its data directory is broken, for this reason.
    Broken(&'a str),
    /// The operator says that it will not come back.
    Marked,
}

impl Fate<'_> {
    fn gone(&self) -> bool {
        matches!(self, Fate::Broken(_) | Fate::Marked)
    }
}

/// Voters that no endpoint stands for.
pub(super) struct Unasked {
    pub count: usize,
    /// Their names, where it can be told which they are.
    pub names: Vec<String>,
    /// Their client URLs, where they are named.
    pub urls: Vec<String>,
}

impl<'a> Count<'a> {
    pub(super) fn of(facts: &'a [EndpointFacts], dirs: &'a [DirFacts], marks: &BTreeSet<String>) -> Self {
        let mut says: Vec<(&str, &MemberSays)> = Vec::new();
        let mut twice = 0;
        for fact in facts {
            let Answer::Says(member) = &fact.answer else { continue };
            // One member behind two endpoints is one voter; the better of its answers counts.
            match says.iter_mut().find(|(_, s)| (s.cluster_id, s.member_id) == (member.cluster_id, member.member_id)) {
                Some(same) => {
                    twice += 1;
                    let worth = |s: &MemberSays| (s.read == Read::Served, s.led(), s.closed.is_none());
                    if worth(member) > worth(same.1) {
                        *same = (&fact.endpoint, member);
                    }
                }
                None => says.push((&fact.endpoint, member)),
            }
        }
        let list = newest_list(&says, dirs);
        let answering = says.iter().filter(|(_, s)| votes(list, s)).count();
        let voters = match list {
            Some(list) => list.iter().filter(|m| !m.is_learner).count(),
            None => facts.len().saturating_sub(twice + (says.len() - answering)),
        };
        let missing: Vec<&KnownMember> = list
            .unwrap_or_default()
            .iter()
            .filter(|m| !m.is_learner && !says.iter().any(|(_, s)| s.member_id == m.id))
            .collect();
        let mute = |f: &&EndpointFacts| matches!(f.answer, Answer::Silent { .. });
        // where nobody answers, the directory that lists the members tells which cluster they are of
        let of_list =
            || dirs.iter().filter_map(|d| d.state.says()).find(|d| list.is_some_and(|l| std::ptr::eq(l, &*d.members)));
        let cluster = says.iter().map(|(_, s)| s.cluster_id).find(|id| *id != Id(0));
        let cluster = cluster.or_else(|| of_list().map(|d| d.cluster_id));
        let marked: Vec<_> = facts.iter().filter(mute).filter(|f| marks.contains(&f.endpoint)).collect();
        let unasked = Unasked::of(facts, &missing);
        let mut silent: Vec<Silent<'_>> = match list {
            Some(_) => missing
                .iter()
                .map(|m| {
                    let said_gone = marked.iter().any(|f| at(m, &f.endpoint));
                    let (fate, copies) = fate(m.id, cluster, dirs, said_gone);
                    // one that is spelled otherwise than the member's own URL is asked, too
                    let asked = unasked.count == 0 || facts.iter().filter(mute).any(|f| at(m, &f.endpoint));
                    Silent { name: called(m), id: Some(m.id), fate, copies, asked }
                })
                .collect(),
            None => facts
                .iter()
                .filter(mute)
                .map(|f| {
                    let fate = if marks.contains(&f.endpoint) { Fate::Marked } else { Fate::Open };
                    Silent { name: f.endpoint.clone(), id: None, fate, copies: Vec::new(), asked: true }
                })
                .collect(),
        };
        silent.sort_by(|a, b| natural(&a.name, &b.name));
        let mut alarms: Vec<Alarm> = says.iter().flat_map(|(_, s)| s.alarms.clone()).collect();
        alarms.sort();
        alarms.dedup();
        let asking = facts.iter().filter(|f| f.answer == Answer::Asking).count();
        Count {
            unasked,
            disagreement: disagreement(facts),
            needed: voters / 2 + 1,
            says,
            list,
            voters,
            answering,
            asked: facts.len(),
            asking,
            silent,
            alarms,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let votes = |says: &MemberSays| votes(self.list, says) || !says.is_learner;
        let mut clusters = self.says.iter().map(|(_, s)| s.cluster_id).filter(|id| *id != Id(0));
        let first = clusters.next();
        if clusters.any(|id| Some(id) != first) {
            Verdict::Split
        } else if self.says.iter().any(|(_, s)| s.read == Read::Served) {
            self.served()
        } else if self.asking > 0 {
            Verdict::Asking
        } else if self.says.iter().any(|(_, s)| votes(s) && s.led()) {
            Verdict::Unsettled
        } else if self.voters > 0 && self.answering >= self.needed {
            Verdict::NoLeader
        } else if self.lost_for_good() {
            Verdict::LostForGood
        } else if self.says.is_empty() {
            Verdict::Unknown
        } else {
            Verdict::LostForNow
        }
    }

    /// Quorum holds; a voter still being asked makes nothing worse yet.
    fn served(&self) -> Verdict {
        let waits = self.asking > 0;
        let amiss = !self.alarms.is_empty()
            || self.disagreement.is_some()
            || self.says.iter().any(|(_, s)| s.closed.is_some() || votes(self.list, s) && !s.led())
            || !waits && !self.silent.is_empty();
        if amiss { Verdict::Degraded } else { Verdict::Healthy }
    }

    /// Too few would be left even if everybody came back of whom it is not known that he will not.
    fn lost_for_good(&self) -> bool {
        let gone = self.silent.iter().filter(|s| s.fate.gone()).count();
        gone > 0 && self.voters.saturating_sub(gone) < self.needed
    }

    pub(super) fn may_come_back(&self) -> Vec<String> {
        self.silent.iter().filter(|s| !s.fate.gone()).map(|s| s.name.clone()).collect()
    }

    pub(super) fn gone(&self) -> Vec<String> {
        self.silent.iter().filter(|s| s.fate.gone()).map(|s| s.name.clone()).collect()
    }

    /// A member's name in the newest list, else its endpoint.
    pub(super) fn name(&self, endpoint: &str, says: &MemberSays) -> String {
        self.name_of(says.member_id).unwrap_or_else(|| endpoint.to_string())
    }

    pub(super) fn name_of(&self, id: Id) -> Option<String> {
        let list = self.list.unwrap_or_default();
        list.iter().find(|m| m.id == id && !m.name.is_empty()).map(|m| m.name.clone())
    }

    /// The name of whoever answered at an endpoint.
    pub(super) fn name_at(&self, endpoint: &str) -> String {
        let who = self.says.iter().find(|(e, _)| *e == endpoint);
        who.map_or_else(|| endpoint.to_string(), |(e, s)| self.name(e, s))
    }
}

impl Unasked {
    /// An endpoint may be spelled otherwise than the member's own URL: how many were not asked is certain, which ones
    /// only where the spelling leaves no other choice.
    fn of(facts: &[EndpointFacts], missing: &[&KnownMember]) -> Unasked {
        let mute = facts.iter().filter(|f| matches!(f.answer, Answer::Silent { .. })).count();
        let count = missing.len().saturating_sub(mute);
        let missed: Vec<_> = missing.iter().filter(|m| !facts.iter().any(|f| at(m, &f.endpoint))).collect();
        let named = if missed.len() == count { missed } else { Vec::new() };
        Unasked {
            count,
            names: named.iter().map(|m| called(m)).collect(),
            urls: named.iter().flat_map(|m| m.client_urls.clone()).collect(),
        }
    }
}

/// The list of the answer that is newest by term and index; where nobody answers with one, that of the data directory
/// whose log is newest.
fn newest_list<'a>(says: &[(&'a str, &'a MemberSays)], dirs: &'a [DirFacts]) -> Option<&'a [KnownMember]> {
    let usable = |list: &[KnownMember]| list.iter().any(|m| !m.is_learner);
    let said = says.iter().filter(|(_, s)| usable(&s.members)).max_by_key(|(_, s)| (s.raft_term, s.raft_index));
    if let Some((_, said)) = said {
        return Some(&said.members);
    }
    if !says.is_empty() {
        return None;
    }
    let read = dirs.iter().filter_map(|d| d.state.says()).filter(|d| usable(&d.members));
    read.max_by_key(|d| (d.last_term, d.last_index)).map(|d| d.members.as_slice())
}

/// What is known of the silent member `id`, by the newest of its directories, and how the others compare with that one.
/// Where a process has one of them, that one decides: a second etcd of the same member must not be started. A whole disk
/// counts for more than a word, and than a broken copy of it, unless the broken one is known to go further: what the
/// member acknowledged is in that one.
fn fate<'a>(id: Id, cluster: Option<Id>, dirs: &'a [DirFacts], marked: bool) -> (Fate<'a>, Vec<(&'a DirFacts, Age)>) {
    let found = copies::of_member(id, cluster, dirs);
    let held = found.iter().find(|dir| dir.held.is_held());
    let whole = found.iter().find(|dir| matches!(dir.state, DirState::Whole(_)));
    let further = |dir: &&&DirFacts| whole.is_none_or(|whole| copies::compare(dir, whole) == Age::Newer);
    let broken = found.iter().filter(further).find_map(|dir| match &dir.state {
        DirState::Broken { why, .. } => Some((*dir, why.as_str())),
        _ => None,
    });
    let (decides, fate) = match (held, broken, whole) {
        (Some(dir), _, _) => (*dir, Fate::Held(dir)),
        (None, Some((dir, why)), _) => (dir, Fate::Broken(why)),
        (None, None, Some(dir)) => (*dir, Fate::Whole(dir)),
        (None, None, None) => return (if marked { Fate::Marked } else { Fate::Open }, Vec::new()),
    };
    let others = found.into_iter().filter(|dir| dir.data_dir != decides.data_dir);
    (fate, others.map(|dir| (dir, copies::compare(dir, decides))).collect())
}

/// A member's name, else its ID.
pub(super) fn called(member: &KnownMember) -> String {
    if member.name.is_empty() { member.id.to_string() } else { member.name.clone() }
}

/// Whether this member votes: by the newest list, else by what it says of itself.
pub(super) fn votes(list: Option<&[KnownMember]>, says: &MemberSays) -> bool {
    match list {
        Some(list) => list.iter().any(|m| m.id == says.member_id && !m.is_learner),
        None => !says.is_learner,
    }
}
