//! Messages about what must not be mistaken for the cluster: an empty or older state that serves under its IDs, a cluster
//! not shown to be the one asked for, and data directories that lack writes their member acknowledged.

use super::{
    act::{Act, Advice},
    history::{Lack, Serving, voters},
    known::{By, DEFAULT_CLUSTER, Match, Newer, NewerAt, Unknown},
    tally::{Count, Fate, Silent, display_name},
    verdict::QuorumVerdict,
};
use crate::{
    domain::model::observations::{
        MemberStatus,
        disk::{DirFacts, DirState},
    },
    etcd::membership::Id,
    text::{
        Foreign, Shown,
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

    pub(crate) fn forked_sentence(&self) -> String {
        let (Some(serving), Some(cluster)) = (&self.history.serving, self.history.cluster) else {
            return String::new();
        };
        let serves = self.group_words(serving);
        if self.surely_behind()
            && let Some(newest) = self.history.newer.first()
        {
            let what = if serving.is_empty() { "An empty cluster" } else { "An older state" };
            return format!(
                "{what} serves under this cluster's ID {cluster} without its data: {serves}, while {} has {}{}",
                self.place_words(newest),
                point(newest.revision, newest.index),
                by_words(newest.by, serving.term)
            );
        }
        if self.two_states() && self.history.rivals.is_empty() && self.history.newer.is_empty() {
            let serving = all(&self.group_names(serving));
            let differ = self.disagreement_words().unwrap_or_default();
            return format!(
                "Two states under one cluster ID {cluster}: {differ}, and {serving} serve reads. Which one is yours cannot be determined from here"
            );
        }
        let other = match (self.history.rivals.last(), self.history.newer.first()) {
            (Some(rival), _) => self.group_words(rival),
            (None, Some(newer)) => {
                format!(
                    "{} has {}{}",
                    self.place_words(newer),
                    point(newer.revision, newer.index),
                    by_words(newer.by, serving.term)
                )
            }
            (None, None) if !self.untold().is_empty() => {
                let untold = self.untold();
                let names: Vec<String> = untold.iter().map(|(e, s)| self.name_by_itself(e, s)).collect();
                let size = untold.iter().map(|(_, s)| voters(&s.members).len()).max().unwrap_or(0);
                format!(
                    "{} {} {size} voting members and {} a revision",
                    all(&names),
                    plural(names.len(), "lists", "list"),
                    plural(names.len(), "does not report", "do not report"),
                )
            }
            (None, None) => {
                let differ = self.disagreement.as_ref().map_or(0, |d| d.revision);
                let names: Vec<String> = self.strangers().iter().map(|(e, s)| self.name_by_itself(e, s)).collect();
                format!(
                    "{} {} different data at revision {}",
                    all(&names),
                    plural(names.len(), "holds", "hold"),
                    thousands(differ.unsigned_abs())
                )
            }
        };
        format!(
            "Two histories under one cluster ID {cluster}: {serves}, and {other}. Which one is yours cannot be determined from here"
        )
    }

    pub(crate) fn forked_rule(&self) -> String {
        if self.two_states() && self.history.rivals.is_empty() && self.history.newer.is_empty() {
            return "members that share a history return the same HashKV at the same revision".into();
        }
        let list = self.history.serving.as_ref().map_or(0, |s| s.list.iter().filter(|m| !m.is_learner).count());
        format!(
            "committed raft index and revision never decrease within a cluster; a successful read proves quorum only for the \
             {list} voting {} in the server's own member list",
            plural(list, "member", "members")
        )
    }

    pub(crate) fn forked_advice(&self) -> Vec<Advice> {
        let Some(serving) = &self.history.serving else { return Vec::new() };
        let mut advice = Vec::new();
        let names = all(&self.group_names(serving));
        let (sure, newest) = (self.surely_behind(), self.history.newer.first());
        // a member that holds the data is not stopped before it is saved from
        if let Some(Newer { at: NewerAt::Member(endpoint), revision, .. }) = newest.filter(|_| sure) {
            let name = self.name_at(endpoint);
            let text = format!(
                "{name} holds the newest state known ({}): save it before anything else: requorum snapshot save FILE --endpoints {endpoint}",
                point(*revision, 0)
            );
            advice.push(Advice::new(Act::Save, endpoint, text));
        }
        advice.push(if sure {
            Advice::new(Act::Stop, &names, format!(
                "Stop etcd on {names}: writes there do not reach your data, and reads there do not see it."
            ))
        } else {
            Advice::new(Act::Compare, &names, format!(
                "Before anything else, keep clients from writing to {names} and save a snapshot from each side; requorum snapshot compare shows the differences."
            ))
        });
        for newer in &self.history.newer {
            if let NewerAt::Dir(dir) = &newer.at {
                let name = newer.member.and_then(|id| self.name_of(id)).unwrap_or_else(|| "any member".into());
                advice.push(Advice::new(Act::OtherHistory, dir, format!(
                    "Do not start etcd on {dir} ({name}): it would join the cluster that serves, which does not have its log, and would stop or lose its data."
                )));
            }
        }
        match newest.filter(|_| sure) {
            Some(newest @ Newer { at: NewerAt::Dir(at) | NewerAt::File(at), .. }) => {
                let text =
                    format!("Continue, and restore from {} ({}).", self.place_words(newest), point(newest.revision, 0));
                advice.push(Advice::new(Act::Restore, at, text));
            }
            Some(newest) => {
                let place = self.place_words(newest);
                let text = format!("Continue, and restore from the data of {place}.");
                advice.push(Advice::new(Act::Restore, place, text));
            }
            None => {}
        }
        if let Some(other) = newest.filter(|n| !sure && !matches!(n.at, NewerAt::Member(_))) {
            let text = format!(
                "Are your missing keys in {} ({})? Then what serves was started with an empty data directory or an older state: stop etcd on {names} and restore from there.",
                self.place_words(other),
                point(other.revision, 0)
            );
            advice.push(Advice::new(Act::RestoreIf, self.place_words(other), text));
        }
        if self.two_states() {
            let differ = self.disagreement.iter().flat_map(|d| &d.parts);
            let side = |(_, who): &(u32, Vec<String>)| all(&who.iter().map(|e| self.name_at(e)).collect::<Vec<_>>());
            let sides: Vec<String> = differ.map(side).collect();
            let text = format!(
                "{}: one of them was started on an old, copied or restored data directory, or its data is damaged. Restore nothing and remove no member until you know which one holds your data; then replace the others one by one: etcdctl member remove ID, member add, and start each with an empty data directory.",
                crate::text::join::either(&sides)
            );
            advice.push(Advice::new(Act::ReplaceOne, "", text));
        }
        advice.extend(self.not_shown());
        if !serving.is_empty() && !self.two_states() {
            advice.push(Advice::new(
                Act::MaybeMeant,
                "",
                "Was an older snapshot restored here on purpose, with the old token? Then this cluster is the right one: do not restore again, and never start etcd on the old data directories.",
            ));
        }
        if self.history.cluster == Some(DEFAULT_CLUSTER) {
            let text = format!("This cluster ID is {DEFAULT_WORDS}: unrelated clusters share it, too.");
            advice.push(Advice::new(Act::WhoseCluster, "", text));
        }
        // those of another history are named above
        let named = |at: &str| self.history.newer.iter().any(|n| matches!(&n.at, NewerAt::Dir(dir) if dir == at));
        advice.extend(self.lacking_but(&named));
        advice.extend(self.misplaced_advice());
        advice
    }

    pub(crate) fn twins_sentence(&self) -> String {
        let each = self.twins.iter().map(|(e, s)| format!("{e} ({})", point(s.revision, s.raft_index)));
        let each: Vec<String> = each.collect();
        let member = self.twins.first().map_or(Id(0), |(_, s)| s.member_id);
        format!("Several servers answer as one member {member}: {}", all(&each))
    }

    /// Returns where another cluster answers at a member's client URL, one clause each.
    pub(crate) fn misplaced_words(&self) -> Vec<String> {
        let each = self.misplaced.iter().map(|found| {
            format!(
                "at {}, the client URL of {} (cluster {}), {} answers (ID {})",
                found.endpoint,
                display_name(&found.member),
                found.cluster,
                if found.revision == 1 { "another, empty cluster" } else { "another cluster" },
                found.other
            )
        });
        each.collect()
    }

    /// What to do about them.
    pub(crate) fn misplaced_advice(&self) -> Vec<Advice> {
        let each = self.misplaced.iter().map(|found| {
            let default = if found.other == DEFAULT_CLUSTER { format!(" ({DEFAULT_WORDS})") } else { String::new() };
            let text = format!(
                "At {}, the client URL of {}, cluster {}{default} answers. Was etcd started there with an empty data directory, different flags, or a restored directory? Its clients do not see the data of cluster {}: stop it before they write to it, unless it is the cluster you want.",
                found.endpoint,
                display_name(&found.member),
                found.other,
                found.cluster
            );
            Advice::new(Act::Misplaced, &found.endpoint, text)
        });
        each.collect()
    }

    /// Returns why what serves may not be the cluster: it answers where another cluster has its member, or several do as one.
    fn doubtful(&self) -> Option<String> {
        let serving = self.history.serving.as_ref()?;
        let cluster = self.history.cluster.unwrap_or_default();
        if let Some((endpoint, place)) = self.elsewhere.first() {
            let empty = if serving.is_empty() { "an empty cluster" } else { "a cluster" };
            let size = serving.list.len();
            return Some(format!(
                "Not confirmed to be your cluster: {endpoint} answers for {empty} of {size} {} (ID {cluster}), but {place} lists a cluster with other members",
                plural(size, "member", "members")
            ));
        }
        let alike: Vec<String> = self.alike.iter().map(|e| e.to_string()).collect();
        if alike.is_empty() && self.empty_alone {
            let name = all(&self.group_names(serving));
            return Some(format!(
                "Not confirmed to be your cluster: {name} answers for an empty cluster of 1 member (ID {cluster}, revision 1), and there is nothing else to compare it with"
            ));
        }
        (!alike.is_empty()).then(|| {
            format!(
                "Not confirmed to be one cluster: {} answer as the same member of a 1-member cluster (ID {cluster}, {DEFAULT_WORDS}): one server with several addresses, or several servers",
                all(&alike)
            )
        })
    }

    fn doubtful_advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        if let Some((endpoint, place)) = self.elsewhere.first() {
            advice.push(Advice::new(Act::WhoseCluster, endpoint, format!(
                "Do not mistake {endpoint} for the cluster of {place}: it is not known whether it holds that data. Was etcd started there with an empty data directory or different flags? Stop it before clients write to it."
            )));
            if self.history.serving.as_ref().is_some_and(|serving| !serving.is_empty()) {
                advice.push(Advice::new(
                    Act::MaybeMeant,
                    "",
                    "Was a snapshot restored here on purpose, with a new token? Then this cluster is the right one: do not restore again, and never start etcd on an old data directory.",
                ));
            }
        }
        if self.elsewhere.is_empty() && self.alike.is_empty() && self.empty_alone {
            advice.extend([
                Advice::new(Act::MaybeMeant, "", "Is it a new cluster that nothing was written to yet? Then nothing is wrong."),
                Advice::new(Act::WhoseCluster, "", "Did your cluster have data or more members? A member started with an empty data directory and only itself in --initial-cluster (as kubeadm starts its first one) answers the same way. Query the others too (--endpoints), and give a snapshot (--snapshot) or an old data directory (--data-dir); stop this member before clients write to it."),
            ]);
        }
        if !self.alike.is_empty() {
            advice.push(Advice::new(
                Act::WhoseCluster,
                "",
                "Write nothing yet. Is this one server with several addresses? Then query only one of them. Otherwise each was started without its flags: stop them before clients write to them, and look for the old data directories.",
            ));
        }
        advice
    }

    pub(crate) fn unconfirmed_sentence(&self) -> String {
        let Some(serving) = &self.history.serving else { return String::new() };
        if let Some(doubtful) = self.doubtful() {
            return doubtful;
        }
        let ends: Vec<String> = serving.says.iter().map(|(e, _)| e.to_string()).collect();
        let size = serving.list.len();
        let cluster = self.history.cluster.unwrap_or_default();
        let empty = if serving.is_empty() { "an empty cluster" } else { "a cluster" };
        let silent: Vec<String> = self.unmatched.iter().map(|e| e.to_string()).collect();
        let default = if cluster == DEFAULT_CLUSTER { format!(", {DEFAULT_WORDS}") } else { String::new() };
        format!(
            "Not confirmed to be your cluster: {} {} for {empty} of {size} {} (ID {cluster}{default}), and {} {} answer and {} among its members",
            all(&ends),
            plural(ends.len(), "answers", "answer"),
            plural(size, "member", "members"),
            all(&silent),
            plural(silent.len(), "does not", "do not"),
            plural(silent.len(), "is not", "are not"),
        )
    }

    /// Returns what speaks against each of several clusters that answer: it is empty, or has the IDs of an etcd without flags.
    pub(crate) fn split_advice(&self) -> Vec<Advice> {
        let odd = self.says.iter().filter(|(_, s)| s.revision == 1 || s.cluster_id == DEFAULT_CLUSTER);
        let each = odd.map(|(endpoint, says)| {
            let empty = if says.revision == 1 { "an empty cluster" } else { "a cluster" };
            let default = if says.cluster_id == DEFAULT_CLUSTER { format!(", {DEFAULT_WORDS}") } else { String::new() };
            let text = format!(
                "{endpoint} answers for {empty} (ID {}{default}): was etcd started there with an empty data directory?",
                says.cluster_id
            );
            Advice::new(Act::WhoseCluster, endpoint, text)
        });
        each.collect()
    }

    pub(crate) fn unconfirmed_advice(&self) -> Vec<Advice> {
        let Some(serving) = &self.history.serving else { return Vec::new() };
        let names = all(&self.group_names(serving));
        let silent: Vec<String> = self.unmatched.iter().map(|e| e.to_string()).collect();
        let mut advice = self.doubtful_advice();
        if !advice.is_empty() {
            advice.extend(self.lacking());
            return advice;
        }
        let text = format!(
            "Which cluster is {names} part of? If yours has more members, etcd was started there with an empty data directory or without its flags: stop it before clients write to it."
        );
        advice = vec![Advice::new(Act::WhoseCluster, names, text)];
        let urls: Vec<String> =
            serving.list.iter().flat_map(|m| m.client_urls.iter().map(Foreign::to_string)).collect();
        let at = if urls.is_empty() { String::new() } else { format!(": {}", urls.join(",")) };
        let text = format!(
            "Are {} other names of the same members (DNS, a load balancer, localhost)? Use the client URLs that the members advertise{at}",
            all(&silent)
        );
        advice.push(Advice::new(Act::Ask, all(&silent), text));
        let text = format!(
            "Nothing is known here about {}: run this on a host that can reach {}.",
            all(&silent),
            plural(silent.len(), "it", "them")
        );
        advice.push(Advice::new(Act::AskElsewhere, all(&silent), text));
        advice.extend(self.lacking());
        advice
    }

    /// Returns what is wrong with those that answer but are not part of the cluster, one clause each.
    pub(crate) fn apart_words(&self) -> Vec<String> {
        let mut out = Vec::new();
        for group in &self.history.apart {
            let names = self.group_names(group);
            let what = if group.is_empty() { "an empty cluster" } else { "an older state" };
            out.push(format!(
                "{} {} {what} of its own under the same ID ({})",
                all(&names),
                plural(names.len(), "serves", "serve"),
                point(group.revision, group.commit)
            ));
        }
        let strangers: Vec<String> = self.strangers().iter().map(|(e, _)| e.to_string()).collect();
        if !strangers.is_empty() {
            out.push(format!(
                "{} {} under the same cluster ID and {} in the member list",
                all(&strangers),
                plural(strangers.len(), "answers", "answer"),
                plural(strangers.len(), "is not", "are not")
            ));
        }
        out.extend(self.misplaced_words());
        let more = self.more_than_missing();
        if !more.is_empty() {
            out.push(format!(
                "{} {} answer and {} a URL of a member",
                all(&more),
                plural(more.len(), "does not", "do not"),
                plural(more.len(), "is not", "are not")
            ));
        }
        out
    }

    pub(crate) fn apart_advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        for group in &self.history.apart {
            let names = self.group_names(group);
            let ids: Vec<String> = group.says.iter().map(|(_, s)| s.member_id.to_string()).collect();
            let text = format!(
                "Stop etcd on {} first: it was started with an empty or older data directory, is not part of this cluster, and its clients read that data. Then etcdctl member remove {}, member add, and start it with an empty data directory and --initial-cluster-state=existing.",
                all(&names),
                ids.join(" and ")
            );
            advice.push(Advice::new(Act::Stop, all(&names), text));
        }
        advice.extend(self.misplaced_advice());
        let strangers: Vec<String> = self.strangers().iter().map(|(e, _)| e.to_string()).collect();
        if !strangers.is_empty() {
            let text = format!(
                "{}: removed from the cluster but still running? Or was the cluster that serves started with an empty data directory? Save a snapshot from each and compare them before you stop either: requorum snapshot compare.",
                all(&strangers)
            );
            advice.push(Advice::new(Act::Compare, all(&strangers), text));
        }
        advice
    }

    /// Returns the endpoints that may be silent members under other names.
    pub(crate) fn other_names(&self) -> Option<Advice> {
        if self.unmatched.is_empty() || self.history.serving.is_none() || self.unmatched.len() > self.missing {
            return None;
        }
        let ends: Vec<String> = self.unmatched.iter().map(|e| e.to_string()).collect();
        let text = format!(
            "{} {} not a URL of any member; it is not known whether a silent member is meant.",
            all(&ends),
            plural(ends.len(), "is", "are")
        );
        Some(Advice::new(Act::OtherName, all(&ends), text))
    }

    /// Returns the directories and snapshots not shown to share the history of what serves, each with the reason and with
    /// what would show it.
    pub(crate) fn not_shown(&self) -> Vec<Advice> {
        let served = self.history.serving.iter().flat_map(|s| &s.says).next();
        let from = served.map_or_else(|| "URL".to_string(), |(endpoint, _)| endpoint.to_string());
        let each = self.history.not_shown().filter_map(|compared| {
            let Match::Unknown(why) = &compared.outcome else { return None };
            let (NewerAt::Dir(at) | NewerAt::File(at) | NewerAt::Member(at)) = &compared.at;
            let what = format!(
                "it is not known yet whether {at} shares the history of the serving cluster: at its revision {}, {}",
                thousands(compared.revision.max(0).unsigned_abs()),
                why.words()
            );
            if *why == Unknown::Asking {
                return Some(Advice::new(Act::Comparing, at, capital(&what) + "."));
            }
            let database = match compared.at {
                NewerAt::Dir(_) => format!("{at}/member/snap/db"),
                _ => at.clone(),
            };
            let show = format!(
                "requorum snapshot save FILE --endpoints {from}, then requorum snapshot compare FILE {}",
                crate::text::quote::shell_word(&database)
            );
            let silent = self.unknown_dirs().find(|(_, dir, _)| dir.data_dir.shown() == *at);
            let act = if silent.is_some() { Act::ShowFirst } else { Act::Show };
            let text = match silent {
                Some((silent, ..)) => format!(
                    "Do not start etcd on {at} ({}) until you know: {what}. To find out: {show}. If they share one history, start it; otherwise replace {}: {}",
                    silent.name,
                    silent.name,
                    self.replace_words(silent)
                ),
                None => format!("{}. To find out: {show}.", capital(&what)),
            };
            Some(Advice::new(act, at, text))
        });
        each.collect()
    }

    /// Returns the learners that do not answer and on whose data directory etcd may be started.
    pub(crate) fn silent_learners(&self) -> Vec<Advice> {
        let comes = |s: &&Silent<'_>| matches!(s.fate, Fate::Open | Fate::Whole(_) | Fate::Held(_));
        let open = self.learners.iter().filter(|s| s.asked).filter(comes);
        let open = open.filter(|s| !self.unknown_dirs().any(|(unknown, ..)| unknown.id == s.id));
        open.map(|silent| {
            let text = format!(
                "{}, a learner, does not answer: start it again; it has no vote and does not count towards quorum.",
                silent.name
            );
            Advice::new(Act::StartLearner, &silent.name, text)
        })
        .collect()
    }

    /// Returns how to replace a member by one with an empty data directory.
    fn replace_words(&self, silent: &Silent<'_>) -> String {
        let id = silent.id.map_or_else(|| "ID".to_string(), |id: Id| id.to_string());
        let add = if self.learners.iter().any(|s| s.id == silent.id) { "member add --learner" } else { "member add" };
        format!(
            "etcdctl member remove {id}, then {add}, and start it with an empty data directory and --initial-cluster-state=existing."
        )
    }

    /// Returns the data directories on which etcd must not be started, each with the reason and what to do instead.
    pub(crate) fn lacking(&self) -> Vec<Advice> {
        self.lacking_but(&|_| false)
    }

    fn lacking_but(&self, named: &dyn Fn(&str) -> bool) -> Vec<Advice> {
        let lacking = self.silent.iter().chain(&self.learners).filter_map(|s| match s.fate {
            Fate::Lacks(dir, _) if named(&dir.data_dir.to_string_lossy()) => None,
            Fate::Lacks(dir, lack) => {
                Some(Advice::new(Act::DoNotStart(lack), dir.data_dir.shown(), self.lack_words(s, dir, lack)))
            }
            Fate::Blank(dir) => {
                let place = dir.data_dir.shown();
                let text = format!(
                    "{}'s data directory {place} holds nothing yet (log up to {}): starting etcd on it brings no data.",
                    s.name,
                    log_end(dir)
                );
                Some(Advice::new(Act::BringsNothing, place, text))
            }
            _ => None,
        });
        lacking.collect()
    }

    fn lack_words(&self, silent: &Silent<'_>, dir: &DirFacts, lack: Lack) -> String {
        let (name, path) = (&silent.name, dir.data_dir.shown());
        let log = log_end(dir);
        let revision = dir.state.says().map_or(0, |s| s.revision);
        let revision = thousands(revision.max(0).unsigned_abs());
        let why = match lack {
            Lack::Everything => format!(
                "it is empty (log up to {log}), so {name} was started with an empty data directory, without the writes it had acknowledged"
            ),
            Lack::Restored => format!(
                "its log ends at the bootstrap ({log}) and its store is at revision {revision}, so it was restored from a snapshot, without the writes {name} had acknowledged"
            ),
            Lack::Keys => format!(
                "it holds no keys (revision {revision}, log up to {log}) while the cluster has some: it was started with an empty data directory, or stopped before the first write"
            ),
            Lack::Acknowledged => format!(
                "its log ends ({log}) before what the cluster had committed, and so do too many others: some of them lost acknowledged writes"
            ),
            Lack::OtherData => format!(
                "its store is at revision {revision}, while the serving members are at a lower one at the same raft index: it holds different data"
            ),
            Lack::OtherLog => format!(
                "its log is not the serving cluster's: since its revision {revision} (log up to {log}) that cluster made more revisions than log entries, so it was restored or started from other data, and etcd continuing from this log would hold different data than the other members"
            ),
            Lack::OlderCopy => {
                format!("another data directory of {name} holds more of its log: this one is an older copy")
            }
        };
        let way = if lack == Lack::OlderCopy {
            String::new()
        } else if self.history.serving.is_some() {
            format!(" Replace {name}: {}", self.replace_words(silent))
        } else {
            " Starting it does not regain quorum.".into()
        };
        let do_not = if dir.held.is_held() { "Stop etcd on" } else { "Do not start etcd on" };
        format!("{do_not} {path} ({name}): {why}.{way}")
    }
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// What [`DEFAULT_CLUSTER`] is.
const DEFAULT_WORDS: &str = "the ID of every etcd started without flags";

fn log_end(dir: &DirFacts) -> String {
    match &dir.state {
        DirState::Whole(says) | DirState::Broken { says, .. } => format!("{}/{}", says.last_term, says.last_index),
        _ => "0/0".into(),
    }
}
