//! An empty or older state that serves under the cluster's IDs, and several servers that answer as one member.

use super::{DEFAULT_WORDS, by_words, point};
use crate::{
    domain::quorum::{
        act::{Act, Advice},
        history::voters,
        known::{DEFAULT_CLUSTER, Newer, NewerAt},
        tally::Count,
    },
    error::Remedy,
    etcd::membership::Id,
    text::{
        join::all,
        number::{plural, thousands},
    },
};

impl Count<'_> {
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
            let text =
                format!("{name} holds the newest state known ({}): save it before anything else.", point(*revision, 0));
            let save = Remedy::SaveSnapshot { from: Some(endpoint.to_string()) };
            advice.push(Advice::new(Act::Save, endpoint, text).by(save));
        }
        advice.push(if sure {
            Advice::new(Act::Stop, &names, format!(
                "Stop etcd on {names}: writes there do not reach your data, and reads there do not see it."
            ))
        } else {
            Advice::new(Act::Compare, &names, format!(
                "Before anything else, keep clients from writing to {names} and save a snapshot from each side, and compare them."
            ))
            .by(Remedy::CompareSnapshots)
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
}
