//! Who answers without being part of the cluster.

use super::{DEFAULT_WORDS, point};
use crate::{
    domain::quorum::{
        act::{Act, Advice},
        known::DEFAULT_CLUSTER,
        tally::{Count, display_name},
    },
    error::Remedy,
    text::{join::all, number::plural},
};

impl Count<'_> {
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
                "{}: removed from the cluster but still running? Or was the cluster that serves started with an empty data directory? Save a snapshot from each and compare them before you stop either.",
                all(&strangers)
            );
            advice.push(Advice::new(Act::Compare, all(&strangers), text).by(Remedy::CompareSnapshots));
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
}
