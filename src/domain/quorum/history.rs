//! Is what serves the continuation of what is known of the cluster? A committed raft index, the term of a log entry and
//! a revision never go back within one cluster, so a state that goes on past what serves shows that what serves began
//! with an empty directory, or with an older state. A served read proves a quorum only of the member list of who served
//! it.
//!
//! All this holds for answers that came after the other states were read: whoever asks sees to that
//! ([`Finding::ask_again`](super::Finding::ask_again)).

use serde::Serialize;

use super::known::{By, Compared, DEFAULT_CLUSTER, KnownState, Match, Newer, NewerAt, Unknown};
use crate::{
    domain::model::observations::{
        KnownMember, MemberStatus, Read,
        disk::{DataDirState, DirFacts, DirState},
    },
    etcd::membership::Id,
    text::Shown,
};

/// How many revisions a busy member may make between reporting its index and its revision.
const SLACK: u64 = 1_000;

/// Members that serve together: with one leader, or by one member list.
pub(crate) struct Serving<'a> {
    pub leader: Id,
    pub says: Vec<(&'a str, &'a MemberStatus)>,
    pub list: &'a [KnownMember],
    /// The highest revision, committed and applied index, and term among them; 0 where none is reported.
    pub revision: i64,
    pub commit: u64,
    pub applied: u64,
    pub term: u64,
}

impl<'a> Serving<'a> {
    fn joined_by(&self, says: &MemberStatus) -> bool {
        let same_leader = says.leader != Id(0) && says.leader == self.leader;
        let no_word = says.leader == Id(0) && says.members.is_empty();
        same_leader || no_word || !self.list.is_empty() && voters(self.list) == voters(&says.members)
    }

    fn take(&mut self, endpoint: &'a str, says: &'a MemberStatus) {
        if self.leader == Id(0) {
            self.leader = says.leader;
        }
        if self.list.is_empty() || says.raft_index > self.commit {
            self.list = if says.members.is_empty() { self.list } else { &says.members };
        }
        self.revision = self.revision.max(says.revision);
        self.commit = self.commit.max(says.raft_index);
        self.applied = self.applied.max(says.raft_applied);
        self.term = self.term.max(says.raft_term);
        self.says.push((endpoint, says));
    }

    /// Returns true where nothing was ever written to it.
    pub fn is_empty(&self) -> bool {
        self.revision == 1
    }

    /// Returns true where several report the same revision and index, and nothing waits to be applied.
    fn is_quiet(&self) -> bool {
        let same = |(_, s): &(&str, &MemberStatus)| {
            (s.revision, s.raft_index, s.raft_applied) == (self.revision, self.commit, self.commit)
        };
        self.says.len() > 1 && self.says.iter().all(same)
    }

    pub fn has(&self, endpoint: &str) -> bool {
        self.says.iter().any(|(e, _)| *e == endpoint)
    }
}

/// What a directory lacks on which an etcd could start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Its log ends with the bootstrap, and the store is empty: it was started with an empty directory.
    Everything,
    /// Its log ends with the bootstrap, and the store is not empty: it was restored from a snapshot.
    Restored,
    /// The store is empty while the cluster's is not: started with an empty directory, or stopped before the first
    /// write.
    Keys,
    /// More members than the cluster could miss end before an index that was committed.
    Acknowledged,
    /// Its store is at a higher revision than the members' at the same index: the data is different.
    OtherData,
    /// Another directory of the same member holds more of its log.
    OlderCopy,
    /// Its log is not that of what serves, which made more revisions since than its log has entries.
    OtherLog,
}

/// How what answers relates to everything else that is known.
pub(crate) struct History<'a> {
    pub cluster: Option<Id>,
    /// The members that serve the newest state.
    pub serving: Option<Serving<'a>>,
    /// Members that serve an older state under the same cluster ID, separate from `serving`.
    pub apart: Vec<Serving<'a>>,
    /// Members that serve another state under the same cluster ID, where it is unknown which one is right.
    pub rivals: Vec<Serving<'a>>,
    /// What goes on past what serves, the newest first.
    pub newer: Vec<Newer>,
    /// Directories whose store is ahead of what serves by its revision, though not by its log.
    pub odd: Vec<&'a DirFacts>,
    says: Vec<(&'a str, &'a MemberStatus)>,
    dirs: &'a [DirFacts],
    known: &'a [KnownState],
    compared: &'a [Compared],
}

pub(crate) fn voters(list: &[KnownMember]) -> Vec<Id> {
    let mut ids: Vec<Id> = list.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
    ids.sort_unstable();
    ids
}

/// The index up to which a directory knows the log to be committed.
fn committed(says: &DataDirState) -> u64 {
    says.commit.max(says.consistent_index)
}

/// Whether the log holds nothing but its initial members: elections come later, and raise the term (etcd
/// `server/etcdserver/bootstrap.go`; etcdutl writes a restored member's log the same way).
pub(crate) fn bootstrap_only(says: &DataDirState) -> bool {
    says.last_term <= 1
}

impl<'a> History<'a> {
    pub(crate) fn new(
        says: &[(&'a str, &'a MemberStatus)],
        dirs: &'a [DirFacts],
        known: &'a [KnownState],
        compared: &'a [Compared],
    ) -> History<'a> {
        let named = says.iter().map(|(_, s)| s.cluster_id).find(|id| *id != Id(0));
        let newest = || {
            let read = dirs.iter().filter_map(|d| d.state.says()).filter(|s| s.cluster_id != Id(0));
            read.max_by_key(|s| (s.last_term, s.last_index)).map(|s| s.cluster_id)
        };
        let mut history = History {
            cluster: named.or_else(newest),
            serving: None,
            apart: Vec::new(),
            rivals: Vec::new(),
            newer: Vec::new(),
            odd: Vec::new(),
            says: says.to_vec(),
            dirs,
            known,
            compared,
        };
        history.group();
        history.compare();
        history
    }

    /// Sorts who serves into groups; normally there is one.
    fn group(&mut self) {
        let mut groups: Vec<Serving<'a>> = Vec::new();
        let all = self.says.clone();
        for (endpoint, says) in all.iter().filter(|(_, s)| s.read == Read::Served) {
            match groups.iter_mut().find(|g| g.joined_by(says)) {
                Some(group) => group.take(endpoint, says),
                None => {
                    let (list, leader): (&[KnownMember], Id) = (&says.members, says.leader);
                    let mut group =
                        Serving { leader, says: Vec::new(), list, revision: 0, commit: 0, applied: 0, term: 0 };
                    group.take(endpoint, says);
                    groups.push(group);
                }
            }
        }
        for (endpoint, says) in all.iter().filter(|(_, s)| s.read != Read::Served && s.has_leader()) {
            let led_by = |g: &&mut Serving<'a>| says.leader == Id(0) || g.leader == says.leader;
            if let Some(group) = groups.iter_mut().find(led_by) {
                group.says.push((endpoint, says));
            }
        }
        groups.sort_by_key(|g| (g.commit, g.revision));
        let Some(best) = groups.pop() else { return };
        for other in groups {
            let smaller = voters(other.list).len() <= voters(best.list).len();
            let older = other.revision <= best.revision && other.commit > 0;
            if smaller && older { self.apart.push(other) } else { self.rivals.push(other) }
        }
        self.serving = Some(best);
    }

    /// Finds what goes on past what serves.
    fn compare(&mut self) {
        let (Some(serving), Some(cluster)) = (&self.serving, self.cluster) else { return };
        let sure = cluster != DEFAULT_CLUSTER;
        let log_beyond = |index: u64| serving.commit > 0 && index > serving.commit;
        let revision_beyond = |revision: i64| serving.revision > 0 && revision > serving.revision;
        let mut newer = Vec::new();
        for (endpoint, says) in &self.says {
            let grouped = [&self.apart, &self.rivals].into_iter().flatten().any(|g| g.has(endpoint));
            if grouped || serving.has(endpoint) {
                continue;
            }
            let by_log = log_beyond(says.raft_index);
            if by_log || revision_beyond(says.revision) {
                newer.push(Newer {
                    at: NewerAt::Member(endpoint.to_string()),
                    member: Some(says.member_id),
                    revision: says.revision,
                    index: says.raft_index,
                    certain: sure && by_log,
                    by: By::Beyond,
                });
            }
        }
        let mut odd = Vec::new();
        for (dir, says) in self.dirs_of(cluster) {
            let by_log = log_beyond(committed(says));
            // one history has no two members of which one serves at an earlier term than the other's last entry
            let by_term = serving.term > 0 && says.last_term > serving.term;
            let at = NewerAt::Dir(dir.data_dir.shown().to_string());
            let differs = self.outcome(&at) == Some(&Match::Differs);
            // each log entry makes at most one revision, so more revisions than entries came from elsewhere
            let own = u64::try_from(says.revision).unwrap_or(0) <= says.last_index.max(says.consistent_index) + 1;
            let beyond = by_log || revision_beyond(says.revision) && (own || serving.is_empty());
            if beyond || by_term || differs {
                let older = serving.commit <= committed(says) || serving.revision < says.revision;
                newer.push(Newer {
                    at,
                    member: Some(says.member_id),
                    revision: says.revision,
                    index: committed(says),
                    certain: sure && (by_log || by_term && older || beyond && serving.is_empty()),
                    by: match (beyond, by_term) {
                        (true, _) => By::Beyond,
                        (_, true) => By::Term(says.last_term),
                        _ => By::Hash,
                    },
                });
            } else if revision_beyond(says.revision) {
                odd.push(dir);
            }
        }
        for state in self.states_of(cluster) {
            let at = NewerAt::File(state.from.clone());
            let beyond = revision_beyond(state.revision);
            if beyond || self.outcome(&at) == Some(&Match::Differs) {
                let by = if beyond { By::Beyond } else { By::Hash };
                newer.push(Newer { at, member: None, revision: state.revision, index: 0, certain: sure && beyond, by });
            }
        }
        newer.sort_by_key(|n| std::cmp::Reverse((n.certain, n.revision, n.index)));
        (self.newer, self.odd) = (newer, odd);
    }

    /// Returns the outcome of comparing this state with what serves.
    pub(crate) fn outcome(&self, at: &NewerAt) -> Option<&'a Match> {
        self.compared.iter().find(|c| c.at == *at).map(|c| &c.outcome)
    }

    /// Returns why it is not known whether a directory shares the history of what serves, where that was compared.
    pub(crate) fn not_known(&self, dir: &DirFacts) -> Option<&'a Unknown> {
        match self.outcome(&NewerAt::Dir(dir.data_dir.shown().to_string())) {
            Some(Match::Unknown(why)) => Some(why),
            _ => None,
        }
    }

    /// Returns the directories and snapshots not shown to share the history of what serves.
    pub(crate) fn not_shown(&self) -> impl Iterator<Item = &'a Compared> + use<'a> {
        self.compared.iter().filter(|c| matches!(c.outcome, Match::Unknown(_)))
    }

    /// The members that the directories list.
    pub(crate) fn in_dirs(&self) -> impl Iterator<Item = &'a KnownMember> + use<'a> {
        self.dirs.iter().filter_map(|d| d.state.says()).flat_map(|s| &s.members)
    }

    fn dirs_of(&self, cluster: Id) -> impl Iterator<Item = (&'a DirFacts, &'a DataDirState)> + use<'a> {
        let read = self.dirs.iter().filter_map(|d| Some((d, d.state.says()?)));
        read.filter(move |(_, s)| s.cluster_id == cluster)
    }

    fn states_of(&self, cluster: Id) -> impl Iterator<Item = &'a KnownState> + use<'a> {
        let answered = self.says.iter().max_by_key(|(_, s)| s.raft_index).map(|(_, s)| s.members.as_slice());
        let read = || self.dirs_of(cluster).map(|(_, s)| s).max_by_key(|s| s.last_index).map(|s| s.members.as_slice());
        let theirs = voters(answered.or_else(read).unwrap_or_default());
        self.known.iter().filter(move |state| state.is_of(cluster, &theirs))
    }

    /// Returns true where a directory or snapshot is at a higher revision, or its log at a higher committed index, than
    /// all who answer.
    pub(crate) fn beyond_answers(&self) -> bool {
        let Some(cluster) = self.cluster else { return false };
        let index = self.says.iter().map(|(_, s)| s.raft_index).max().unwrap_or(0);
        let revision = self.says.iter().map(|(_, s)| s.revision).max().unwrap_or(0);
        let dir = self.dirs_of(cluster).any(|(_, s)| s.revision > revision || committed(s) > index);
        dir || self.states_of(cluster).any(|s| s.revision > revision)
    }

    fn answers(&self, member: Id) -> bool {
        self.says.iter().any(|(_, s)| s.member_id == member)
    }

    /// Returns true where a member joined its cluster at some time: then it published its client URLs. Answers are
    /// the best evidence; a snapshot may predate a restore. Unknown counts as joined.
    pub(crate) fn joined(&self, member: Id) -> bool {
        let cluster = self.cluster.unwrap_or_default();
        let answered: Vec<&[KnownMember]> = self.says.iter().map(|(_, s)| s.members.as_slice()).collect();
        let read = self.dirs_of(cluster).map(|(_, s)| s.members.as_slice()).collect();
        let known = self.states_of(cluster).map(|s| s.members.as_slice()).collect();
        let published = |m: &&KnownMember| !m.client_urls.is_empty();
        for lists in [answered, read, known] {
            let mut all = lists.into_iter().flatten().filter(published).peekable();
            if all.peek().is_some() {
                return all.any(|m| m.id == member);
            }
        }
        true
    }

    /// Returns what a silent voter's directory lacks; `None` where nothing shows that it lacks anything. `voters`
    /// and `needed` are the cluster's.
    pub(crate) fn lack(
        &self,
        dir: &'a DirFacts,
        says: &DataDirState,
        list: &[KnownMember],
        needed: usize,
    ) -> Option<Lack> {
        let cluster = self.cluster?;
        let others = || self.dirs_of(cluster).filter(|(other, _)| !std::ptr::eq(*other, dir));
        let older = others().any(|(other, s)| {
            let newer = (s.last_term, s.last_index) > (says.last_term, says.last_index);
            s.member_id == says.member_id && matches!(other.state, DirState::Whole(_)) && newer
        });
        let index = self.says.iter().map(|(_, s)| s.raft_index).chain(others().map(|(_, s)| s.last_index)).max();
        let revision = self.says.iter().map(|(_, s)| s.revision).chain(others().map(|(_, s)| s.revision));
        let revision = revision.chain(self.states_of(cluster).map(|s| s.revision)).max().unwrap_or(0);
        if bootstrap_only(says) {
            let beyond = index.unwrap_or(0) > says.last_index || revision > says.revision.max(1);
            let lack = if says.revision > 1 { Lack::Restored } else { Lack::Everything };
            return (beyond && self.joined(says.member_id)).then_some(lack);
        }
        if older {
            return Some(Lack::OlderCopy);
        }
        // what was not yet put into the database is in the log
        if says.revision <= 1 && revision > 1 && says.writes_beyond.unwrap_or(0) == 0 {
            return Some(Lack::Keys);
        }
        let other_data = self.serving.as_ref().is_some_and(|serving| {
            let reached = serving.applied > 0 && says.consistent_index <= serving.applied;
            serving.revision > 0 && says.revision > serving.revision && reached && self.odd.contains(&dir)
        });
        if other_data {
            return Some(Lack::OtherData);
        }
        if self.other_log(says) {
            return Some(Lack::OtherLog);
        }
        self.misses_committed(says, list, needed, cluster).then_some(Lack::Acknowledged)
    }

    /// Whether the log is not of the cluster that answers: an entry makes at most one revision, so from the directory's
    /// index to that of a member the revision cannot have gone further than the index. It does where one of the two was
    /// begun with an empty directory or restored from a snapshot under the same IDs.
    fn other_log(&self, says: &DataDirState) -> bool {
        let ends = says.revision_at_end().map(|end| {
            // entries not known to be committed may have been replaced in the end
            (end, says.last_index, says.undecided_beyond())
        });
        let database = (says.revision > 0).then_some((says.revision, says.consistent_index.max(1), 0));
        // a status reads its revision a little later than its index: both are exact only while there are no writes
        let serving = self.serving.as_ref().map(|s| (s.revision, s.applied, if s.is_quiet() { 0 } else { SLACK }));
        let unled = self.says.iter().filter(|_| serving.is_none()).map(|(_, s)| (s.revision, s.raft_applied, 0));
        serving.into_iter().chain(unled).filter(|(revision, applied, _)| *revision > 0 && *applied > 0).any(
            |(revision, applied, slack)| {
                [ends, database].into_iter().flatten().any(|(end, index, open)| {
                    let revisions = u64::try_from(revision.saturating_sub(end)).unwrap_or(0);
                    let entries = applied.checked_sub(index);
                    entries.is_some_and(|entries| revisions > entries.saturating_add(slack).saturating_add(open))
                })
            },
        )
    }

    /// What was committed is in the logs of a majority. Where too many logs end before it, some of them lost it.
    fn misses_committed(&self, says: &DataDirState, list: &[KnownMember], needed: usize, cluster: Id) -> bool {
        let ids = voters(list);
        let by_answers = self.says.iter().map(|(_, s)| s.raft_index);
        let top = by_answers.chain(self.dirs_of(cluster).map(|(_, s)| committed(s))).max().unwrap_or(0);
        // whose own list is another one may have ended before these members were voters
        let ends_before = |id: &&Id| {
            let mut own = self.dirs_of(cluster).filter(|(_, s)| s.member_id == **id).peekable();
            own.peek().is_some()
                && !self.answers(**id)
                && own.all(|(_, s)| s.last_index < top && voters(&s.members) == ids)
        };
        let before = ids.iter().filter(ends_before).count();
        says.last_index < top && voters(&says.members) == ids && ids.len().saturating_sub(before) < needed
    }
}
