//! The answers, counted by what the rule needs, and the rule.

use super::{
    evidence::{Evidence, QuorumVerdict},
    hash_mismatch::{Disagreement, disagreement},
    history::{History, Lack, Serving, bootstrap_only, voters},
    known::{DEFAULT_CLUSTER, Match, NewerAt, Unknown},
    misplaced::Misplaced,
};
use crate::{
    domain::{
        model::{
            observations::{
                Alarm, Answer, EndpointFacts, KnownMember, MemberStatus, Read,
                disk::{DirFacts, DirState},
            },
            url,
        },
        quorum::{
            newest_dir::{self, Age},
            probe_rounds::at,
        },
    },
    etcd::membership::Id,
    text::{Foreign, Shown, join::natural},
};

/// The answers, counted by what the rule needs.
pub(crate) struct Count<'a> {
    /// Every member that answered, each once, with the endpoint it answered at.
    pub says: Vec<(&'a str, &'a MemberStatus)>,
    /// The newest member list, where one was read.
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
    /// How what answers relates to all that is known.
    pub history: History<'a>,
    /// Silent endpoints that are no URL of a member.
    pub unmatched: Vec<&'a str>,
    /// How many members do not answer and may be meant by one of those endpoints.
    pub missing: usize,
    /// Endpoints that were given and at which a member answers.
    pub confirmed: usize,
    /// Endpoints that answer as one member, and are two servers or more: each with its answer.
    pub twins: Vec<(&'a str, &'a MemberStatus)>,
    /// Endpoints on several hosts or ports that answer as one member of a cluster of one, by the IDs of an etcd without
    /// flags.
    pub alike: Vec<&'a str>,
    /// What belongs to another cluster than the serving one and lists one of its endpoints as its own member's, or belongs to
    /// the same one and lists more members: the endpoint, and the place.
    pub elsewhere: Vec<(&'a str, String)>,
    /// Client URLs of members at which another cluster answers.
    pub misplaced: Vec<Misplaced>,
    /// Learners that do not answer.
    pub learners: Vec<Silent<'a>>,
    /// True where an empty cluster of one member is all that answers, and there is nothing else to compare it with.
    pub empty_alone: bool,
}

/// A voter that does not answer.
pub(crate) struct Silent<'a> {
    /// Its name, its ID, or its endpoint.
    pub name: String,
    /// Its ID, where a list names it.
    pub id: Option<Id>,
    pub fate: Fate<'a>,
    /// Its other directories that were looked at, each as it compares with the one that decided its fate.
    pub copies: Vec<(&'a DirFacts, Age)>,
    /// False where its client URL was not asked: it may well answer.
    pub asked: bool,
}

/// What is known of a voter that does not answer.
pub(crate) enum Fate<'a> {
    /// Nothing that would keep it from coming back.
    Open,
    /// Its data directory is intact, and no process uses it.
    Whole(&'a DirFacts),
    /// A process uses its data directory, but it does not answer.
    Held(&'a DirFacts),
    /// Its data directory is damaged, for this reason.
    Broken(&'a str),
    /// An etcd could start on its data directory, which does not hold what the member had acknowledged.
    Lacks(&'a DirFacts, Lack),
    /// Its data directory holds nothing, and nothing shows that there was anything.
    Blank(&'a DirFacts),
    /// The operator says that it will not come back.
    Marked,
}

impl Fate<'_> {
    fn gone(&self) -> bool {
        matches!(self, Fate::Broken(_) | Fate::Marked | Fate::Lacks(..))
    }
}

/// Voters that no endpoint represents.
pub(crate) struct Unasked {
    pub count: usize,
    /// Their names, where it is known which they are.
    pub names: Vec<String>,
    /// Their client URLs, where they are named.
    pub urls: Vec<String>,
}

impl<'a> Count<'a> {
    pub(crate) fn new(seen: &Evidence<'a>, misplaced: Vec<Misplaced>) -> Self {
        let (facts, dirs, marks) = (seen.facts, seen.dirs, seen.gone);
        let mut says: Vec<(&str, &MemberStatus)> = Vec::new();
        let mut twice = 0;
        for fact in facts {
            let Answer::Says(member) = &fact.answer else { continue };
            // One member with two endpoints is one voter; the better of its answers counts.
            match says.iter_mut().find(|(_, s)| (s.cluster_id, s.member_id) == (member.cluster_id, member.member_id)) {
                Some(same) => {
                    twice += 1;
                    let worth = |s: &MemberStatus| (s.read == Read::Served, s.has_leader(), s.closed.is_none());
                    if worth(member) > worth(same.1) {
                        *same = (&fact.endpoint, member);
                    }
                }
                None => says.push((&fact.endpoint, member)),
            }
        }
        let twins = twins(facts);
        let alike = alike(facts);
        let history = History::new(&says, dirs, seen.known, seen.compared);
        let list = newest_list(&says, dirs);
        // Who serves an older state apart is no voter that could be counted on.
        let apart = |e: &str| history.apart.iter().any(|g| g.has(e));
        let answering = says.iter().filter(|(e, s)| votes(list, s) && !apart(e)).count();
        let count = match list {
            Some(list) => list.iter().filter(|m| !m.is_learner).count(),
            None => facts.len().saturating_sub(twice + (says.len() - answering)),
        };
        let needed = count / 2 + 1;
        let missing: Vec<&KnownMember> = list
            .unwrap_or_default()
            .iter()
            .filter(|m| !m.is_learner && !says.iter().any(|(_, s)| s.member_id == m.id))
            .collect();
        let mute = |f: &&EndpointFacts| matches!(f.answer, Answer::Silent { .. });
        let marked: Vec<_> = facts.iter().filter(mute).filter(|f| marks.contains(&f.endpoint)).collect();
        let unasked = Unasked::new(facts, &missing);
        let mut silent: Vec<Silent<'_>> = match list {
            Some(list) => missing
                .iter()
                .map(|m| {
                    let said_gone = marked.iter().any(|f| at(m, &f.endpoint));
                    let (fate, copies) = fate(m.id, dirs, &history, said_gone, (list, needed));
                    // one that is spelled otherwise than the member's own URL is asked, too
                    let asked = unasked.count == 0 || facts.iter().filter(mute).any(|f| at(m, &f.endpoint));
                    Silent { name: display_name(m), id: Some(m.id), fate, copies, asked }
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
        let learners = list.unwrap_or_default().iter().filter(|m| m.is_learner);
        let learners = learners.filter(|m| !says.iter().any(|(_, s)| s.member_id == m.id)).map(|m| {
            let said_gone = marked.iter().any(|f| at(m, &f.endpoint));
            // it has no vote, so that it acknowledged nothing towards a majority: how many logs end early says nothing
            let (fate, copies) = fate(m.id, dirs, &history, said_gone, (&[], 0));
            let asked = facts.iter().filter(mute).any(|f| at(m, &f.endpoint));
            Silent { name: display_name(m), id: Some(m.id), fate, copies, asked }
        });
        let mut learners: Vec<Silent<'_>> = learners.collect();
        learners.sort_by(|a, b| natural(&a.name, &b.name));
        let lone = history.serving.as_ref().is_some_and(|s| s.list.len() == 1 && s.is_empty());
        let empty_alone = lone && says.len() == 1 && seen.known.is_empty() && !facts.iter().any(|f| mute(&f));
        let mut alarms: Vec<Alarm> = says.iter().flat_map(|(_, s)| s.alarms.clone()).collect();
        alarms.sort();
        alarms.dedup();
        let asking = facts.iter().filter(|f| f.answer == Answer::Asking).count();
        let all_missing: Vec<&KnownMember> =
            list.unwrap_or_default().iter().filter(|m| !says.iter().any(|(_, s)| s.member_id == m.id)).collect();
        let given = |endpoint: &str| seen.given.is_empty() || seen.given.iter().any(|g| g == endpoint);
        let is_member = |s: &MemberStatus| list.is_some_and(|list| list.iter().any(|m| m.id == s.member_id));
        let (unmatched, open) = unmatched(facts, list.unwrap_or_default(), &all_missing);
        let confirmed = facts.iter().filter(|f| match &f.answer {
            Answer::Says(s) => given(&f.endpoint) && is_member(s),
            _ => false,
        });
        let elsewhere = elsewhere(seen, &history);
        Count {
            twins,
            alike,
            elsewhere,
            misplaced,
            learners,
            empty_alone,
            unasked,
            disagreement: disagreement(facts),
            confirmed: confirmed.count(),
            missing: open,
            unmatched,
            history,
            needed,
            says,
            list,
            voters: count,
            answering,
            asked: facts.len(),
            asking,
            silent,
            alarms,
        }
    }

    pub(crate) fn verdict(&self) -> QuorumVerdict {
        let votes = |says: &MemberStatus| votes(self.list, says) || !says.is_learner;
        let mut clusters = self.says.iter().map(|(_, s)| s.cluster_id).filter(|id| *id != Id(0));
        let first = clusters.next();
        if clusters.any(|id| Some(id) != first) || !self.twins.is_empty() {
            QuorumVerdict::Split
        } else if self.history.serving.is_some() {
            if self.forked() {
                QuorumVerdict::Forked
            } else if self.unconfirmed() {
                // who is still asked may turn out to be a member
                if self.asking > 0 { QuorumVerdict::Asking } else { QuorumVerdict::Unconfirmed }
            } else {
                self.served()
            }
        } else if self.asking > 0 {
            QuorumVerdict::Asking
        } else if self.says.iter().any(|(_, s)| votes(s) && s.has_leader()) {
            QuorumVerdict::Unsettled
        } else if self.voters > 0 && self.answering >= self.needed {
            QuorumVerdict::NoLeader
        } else if self.lost_for_good() {
            QuorumVerdict::LostForGood
        } else if self.says.is_empty() {
            QuorumVerdict::Unknown
        } else {
            QuorumVerdict::LostForNow
        }
    }

    /// Quorum holds; a voter still being asked makes nothing worse yet.
    fn served(&self) -> QuorumVerdict {
        let waits = self.asking > 0;
        let amiss = !self.alarms.is_empty()
            || self.disagreement.is_some()
            || !self.history.apart.is_empty()
            || !self.strangers().is_empty()
            || self.unmatched.len() > self.missing
            || self.says.iter().any(|(_, s)| s.closed.is_some() || votes(self.list, s) && !s.has_leader())
            || !waits && !self.silent.is_empty();
        if amiss { QuorumVerdict::Degraded } else { QuorumVerdict::Healthy }
    }

    /// What serves is not the continuation of what is known of the same cluster.
    fn forked(&self) -> bool {
        !self.history.newer.is_empty()
            || !self.history.rivals.is_empty()
            || self.strangers_differ()
            || !self.untold().is_empty()
            || self.two_states()
    }

    /// Whether members that serve together hold different data, and etcd itself does not say which of them is damaged.
    pub(crate) fn two_states(&self) -> bool {
        let (Some(serving), Some(differ)) = (&self.history.serving, &self.disagreement) else { return false };
        let corrupt = self.alarms.iter().any(|alarm| alarm.is_corrupt());
        !corrupt && differ.parts.iter().filter(|(_, who)| who.iter().any(|e| serving.has(e))).count() > 1
    }

    /// Members that are not listed, report no revision, and list more voters than those that serve: such as a restarted
    /// survivor of the old cluster, which does not open its client port.
    pub(crate) fn untold(&self) -> Vec<(&'a str, &'a MemberStatus)> {
        let serving = self.history.serving.as_ref().map_or(0, |s| voters(s.list).len());
        let mut strangers = self.strangers();
        strangers.retain(|(_, s)| s.raft_index == 0 && voters(&s.members).len() > serving);
        strangers
    }

    /// True where that is shown, and not only that there are two histories.
    pub(crate) fn surely_behind(&self) -> bool {
        self.history.newer.first().is_some_and(|n| n.certain)
    }

    /// A cluster serves, and as many of the endpoints as answer for it are not URLs of its members.
    fn unconfirmed(&self) -> bool {
        let strange = self.unmatched.len() > self.missing && self.unmatched.len() >= self.confirmed;
        strange || !self.alike.is_empty() || !self.elsewhere.is_empty() || self.empty_alone
    }

    /// Members that answer under the cluster's ID and are not in the serving members' list.
    pub(crate) fn strangers(&self) -> Vec<(&'a str, &'a MemberStatus)> {
        let Some(serving) = self.history.serving.as_ref().filter(|s| !s.list.is_empty()) else { return Vec::new() };
        let apart = |e: &str| self.history.apart.iter().chain(&self.history.rivals).any(|g| g.has(e));
        let listed = |id: Id| serving.list.iter().any(|m| m.id == id);
        self.says.iter().filter(|(e, s)| !listed(s.member_id) && !apart(e)).copied().collect()
    }

    /// Whether such a one holds other data: had it been removed, its data would be the same up to its revision.
    fn strangers_differ(&self) -> bool {
        let strangers = self.strangers();
        self.disagreement.as_ref().is_some_and(|differ| {
            differ.parts.iter().flat_map(|(_, who)| who).any(|e| strangers.iter().any(|(s, _)| s == e))
        })
    }

    /// Returns true where a serving cluster may be left as it is: nothing newer is known anywhere, and it
    /// is the one that was asked for.
    pub(crate) fn keep(&self, verdict: QuorumVerdict) -> bool {
        let empty = self.history.serving.as_ref().is_some_and(Serving::is_empty);
        let unsure = !self.history.odd.is_empty() || !self.strangers().is_empty() || self.unknown_dir();
        match verdict {
            QuorumVerdict::Healthy | QuorumVerdict::Degraded => !empty && !unsure && !self.ahead(),
            QuorumVerdict::NoLeader => !self.ahead(),
            _ => false,
        }
    }

    /// Whether it is not known of some directory that it is of the history that serves.
    pub(crate) fn unknown_dir(&self) -> bool {
        self.history.not_shown().any(|compared| matches!(compared.at, NewerAt::Dir(_)))
    }

    /// Silent members whose directory is not known to be of the history that serves, with the reason.
    pub(crate) fn unknown_dirs(&self) -> impl Iterator<Item = (&Silent<'a>, &'a DirFacts, &'a Unknown)> {
        self.silent.iter().chain(&self.learners).filter_map(|silent| match silent.fate {
            Fate::Whole(dir) => Some((silent, dir, self.history.not_known(dir)?)),
            _ => None,
        })
    }

    /// Whether a directory, a snapshot or another member is ahead of all who serve, or where none serves, of all who answer.
    fn ahead(&self) -> bool {
        !self.history.newer.is_empty() || self.history.serving.is_none() && self.history.beyond_answers()
    }

    /// Too few would be left even if every member not known to be lost came back.
    fn lost_for_good(&self) -> bool {
        let gone = self.silent.iter().filter(|s| s.fate.gone()).count();
        gone > 0 && self.voters.saturating_sub(gone) < self.needed
    }

    pub(crate) fn may_come_back(&self) -> Vec<String> {
        self.silent.iter().filter(|s| !s.fate.gone()).map(|s| s.name.clone()).collect()
    }

    pub(crate) fn gone(&self) -> Vec<String> {
        self.silent.iter().filter(|s| s.fate.gone()).map(|s| s.name.clone()).collect()
    }

    /// A member's name in the newest list, else its endpoint.
    pub(crate) fn name(&self, endpoint: &str, says: &MemberStatus) -> String {
        self.name_of(says.member_id).unwrap_or_else(|| endpoint.to_string())
    }

    pub(crate) fn name_of(&self, id: Id) -> Option<String> {
        let list = self.list.unwrap_or_default();
        // one that was not started since is listed without a name; its directory has it
        let mut known = list.iter().chain(self.history.in_dirs()).filter(|m| m.id == id && !m.name.is_empty());
        known.next().map(|m| m.name.to_string())
    }

    /// Returns the name of the member that answered at an endpoint.
    pub(crate) fn name_at(&self, endpoint: &str) -> String {
        let who = self.says.iter().find(|(e, _)| *e == endpoint);
        who.map_or_else(|| endpoint.to_string(), |(e, s)| self.name(e, s))
    }
}

/// Endpoints that answer as one member, where one of them showed that they are not one server.
fn twins(facts: &[EndpointFacts]) -> Vec<(&str, &MemberStatus)> {
    let says = || {
        facts.iter().filter_map(|f| match &f.answer {
            Answer::Says(says) => Some((f.endpoint.as_str(), says.as_ref())),
            _ => None,
        })
    };
    let back: Vec<(Id, Id)> = says().filter(|(_, s)| s.went_back).map(|(_, s)| (s.cluster_id, s.member_id)).collect();
    says().filter(|(_, s)| back.contains(&(s.cluster_id, s.member_id))).collect()
}

/// Endpoints at several hosts or ports that answer for a cluster of one which has the IDs of an etcd without flags. They
/// may be one server or several: each such etcd reports the same IDs.
fn alike(facts: &[EndpointFacts]) -> Vec<&str> {
    let same = facts.iter().filter_map(|f| match &f.answer {
        Answer::Says(s) if s.cluster_id == DEFAULT_CLUSTER && s.members.len() == 1 => Some(f.endpoint.as_str()),
        _ => None,
    });
    let here = |host: String| match host.parse::<std::net::IpAddr>() {
        Ok(ip) if ip.is_loopback() => "localhost".to_string(),
        _ => host,
    };
    let mut places: Vec<(String, u16)> = Vec::new();
    let mut ends: Vec<&str> = Vec::new();
    for endpoint in same {
        let Some((host, port)) = url::place(endpoint) else { continue };
        let place = (here(host), port);
        if !places.contains(&place) {
            places.push(place);
            ends.push(endpoint);
        }
    }
    if ends.len() > 1 { ends } else { Vec::new() }
}

/// Directories and snapshots that have a member at an endpoint at which another cluster serves, and snapshots of a cluster
/// of several members of which one serves alone; what was shown to share the history is not among them.
fn elsewhere<'a>(seen: &Evidence<'a>, history: &History<'a>) -> Vec<(&'a str, String)> {
    let (Some(serving), Some(cluster)) = (&history.serving, history.cluster) else { return Vec::new() };
    let ends: Vec<&str> = serving.says.iter().map(|(e, _)| *e).collect();
    let lists = |members: &[KnownMember]| ends.iter().copied().find(|e| members.iter().any(|m| at(m, e)));
    let ids = voters(serving.list);
    let mut found = Vec::new();
    for dir in seen.dirs {
        let other = dir.state.says().filter(|s| s.cluster_id != cluster && s.cluster_id != Id(0));
        // a cluster of one, where a directory of its ID lists more members and is not known to be of its history
        let same = dir.state.says().filter(|s| s.cluster_id == cluster && voters(&s.members).len() > 1);
        let more = same.filter(|_| ids.len() == 1 && history.not_known(dir).is_some()).and(ends.first().copied());
        // what was restored from it under other IDs holds its data
        let shown = history.outcome(&NewerAt::Dir(dir.data_dir.shown().to_string())) == Some(&Match::Same);
        if let Some(endpoint) = other.filter(|_| !shown).and_then(|s| lists(&s.members)).or(more) {
            found.push((endpoint, format!("data directory {}", dir.data_dir.shown())));
        }
    }
    for state in seen.known {
        let same = state.is_of(cluster, &ids);
        let shown = history.outcome(&NewerAt::File(state.from.clone())) == Some(&Match::Same);
        let more = same && !shown && ids.len() == 1 && voters(&state.members).len() > 1;
        let endpoint = if more { ends.first().copied() } else { lists(&state.members).filter(|_| !same && !shown) };
        found.extend(endpoint.map(|endpoint| (endpoint, format!("snapshot {}", state.from))));
    }
    found
}

impl Unasked {
    /// An endpoint may be spelled otherwise than the member's own URL: how many were not asked is certain, which ones
    /// only where the spelling leaves no other choice.
    fn new(facts: &[EndpointFacts], missing: &[&KnownMember]) -> Unasked {
        let mute = facts.iter().filter(|f| matches!(f.answer, Answer::Silent { .. })).count();
        let count = missing.len().saturating_sub(mute);
        let missed: Vec<_> = missing.iter().filter(|m| !facts.iter().any(|f| at(m, &f.endpoint))).collect();
        let named = if missed.len() == count { missed } else { Vec::new() };
        Unasked {
            count,
            names: named.iter().map(|m| display_name(m)).collect(),
            urls: named.iter().flat_map(|m| m.client_urls.iter().map(Foreign::to_string)).collect(),
        }
    }
}

/// Silent endpoints that are no URL of a member, and how many members that do not answer are left for them. An endpoint
/// may be spelled otherwise than a member's URL, so one at the host of a silent member counts as that member's.
fn unmatched<'a>(facts: &'a [EndpointFacts], list: &[KnownMember], missing: &[&KnownMember]) -> (Vec<&'a str>, usize) {
    if list.is_empty() {
        return (Vec::new(), 0);
    }
    let mute = facts.iter().filter(|f| matches!(f.answer, Answer::Silent { .. }));
    let open: Vec<&EndpointFacts> = mute.filter(|f| !list.iter().any(|m| at(m, &f.endpoint))).collect();
    let host = |url: &str| url::place(url).map(|(host, _)| host);
    let mut left: Vec<&KnownMember> = missing.to_vec();
    let mut out = Vec::new();
    for fact in open {
        let asked = host(&fact.endpoint);
        let there = |m: &&KnownMember| {
            let mut urls = m.client_urls.iter().chain(&m.peer_urls);
            asked.is_some() && urls.any(|url| host(url) == asked)
        };
        match left.iter().position(there) {
            Some(at) => {
                left.remove(at);
            }
            None => out.push(fact.endpoint.as_str()),
        }
    }
    (out, left.len())
}

/// The list of the answer that is newest by index and term; where no answer has one, that of the data directory
/// whose log is newest. A term alone says little: it grows with every election that fails.
fn newest_list<'a>(says: &[(&'a str, &'a MemberStatus)], dirs: &'a [DirFacts]) -> Option<&'a [KnownMember]> {
    let usable = |list: &[KnownMember]| list.iter().any(|m| !m.is_learner);
    let answered = says.iter().filter(|(_, s)| usable(&s.members)).max_by_key(|(_, s)| (s.raft_index, s.raft_term));
    if let Some((_, answered)) = answered {
        return Some(&answered.members);
    }
    if !says.is_empty() {
        return None;
    }
    let read = dirs.iter().filter_map(|d| d.state.says()).filter(|d| usable(&d.members));
    read.max_by_key(|d| (d.last_term, d.last_index)).map(|d| d.members.as_slice())
}

/// What is known of the silent member `id`, by the newest of its directories, and how the others compare with that one.
/// Where a process has one of them, that one decides: a second etcd of the same member must not be started. An intact disk
/// outweighs the operator's statement, and a damaged copy of it, unless the damaged one is known to go further: what the
/// member acknowledged is in that one. One that does not hold what its member acknowledged never counts as whole.
fn fate<'a>(
    id: Id,
    dirs: &'a [DirFacts],
    history: &History<'a>,
    marked: bool,
    (list, needed): (&[KnownMember], usize),
) -> (Fate<'a>, Vec<(&'a DirFacts, Age)>) {
    let found = newest_dir::of_member(id, history.cluster, dirs);
    let (mut whole, mut lacking, mut blank, mut broken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for &dir in &found {
        let Some(says) = dir.state.says() else { continue };
        match &dir.state {
            DirState::Broken { why, .. } => broken.push((dir, why.as_str())),
            _ => match history.lack(dir, says, list, needed) {
                Some(lack) => lacking.push((dir, lack)),
                None if bootstrap_only(says) && says.revision <= 1 => blank.push(dir),
                None => whole.push(dir),
            },
        }
    }
    let best = whole.first().copied();
    let further = |dir: &DirFacts| best.is_some_and(|best| newest_dir::compare(dir, best) == Age::Newer);
    let lacks = |dir: &DirFacts| lacking.iter().any(|(lacking, _)| lacking.data_dir == dir.data_dir);
    // One that lacks something because it is the older of two is reported as that.
    let held = found.iter().copied().find(|dir| dir.held.is_held() && (best.is_some() || !lacks(dir)));
    let torn = broken.iter().copied().find(|(dir, _)| further(dir));
    let lack = lacking.first().copied();
    let (decides, fate) = match (held, torn, best, lack, broken.first().copied()) {
        (Some(dir), ..) => (dir, Fate::Held(dir)),
        (_, Some((dir, why)), ..) => (dir, Fate::Broken(why)),
        (_, _, Some(dir), ..) => (dir, Fate::Whole(dir)),
        (_, _, _, Some((dir, lack)), _) => (dir, Fate::Lacks(dir, lack)),
        (.., Some((dir, why))) => (dir, Fate::Broken(why)),
        _ if marked => return (Fate::Marked, Vec::new()),
        _ => match blank.first() {
            Some(&dir) => (dir, Fate::Blank(dir)),
            None => return (Fate::Open, Vec::new()),
        },
    };
    let others = found.into_iter().filter(|dir| dir.data_dir != decides.data_dir);
    (fate, others.map(|dir| (dir, newest_dir::compare(dir, decides))).collect())
}

/// A member's name, else its ID.
pub(crate) fn display_name(member: &KnownMember) -> String {
    if member.name.is_empty() { member.id.to_string() } else { member.name.to_string() }
}

/// Whether this member votes: by the newest list, else by what it reports of itself.
pub(crate) fn votes(list: Option<&[KnownMember]>, says: &MemberStatus) -> bool {
    match list {
        Some(list) => list.iter().any(|m| m.id == says.member_id && !m.is_learner),
        None => !says.is_learner,
    }
}
