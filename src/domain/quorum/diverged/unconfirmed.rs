//! A cluster that serves and is not shown to be the one asked for.

use super::DEFAULT_WORDS;
use crate::{
    domain::quorum::{
        act::{Act, Advice},
        known::DEFAULT_CLUSTER,
        tally::Count,
    },
    error::Remedy,
    text::{Foreign, join::all, number::plural},
};

impl Count<'_> {
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
                Advice::new(Act::WhoseCluster, "", "Did your cluster have data or more members? A member started with an empty data directory and only itself in --initial-cluster (as kubeadm starts its first one) answers the same way. Query the others too, and give a snapshot or an old data directory; stop this member before clients write to it.")
                    .by(Remedy::AskMore),
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
}
