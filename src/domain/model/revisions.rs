//! Revisions that an old cluster gave out and a restored one gives out again: which clients are harmed by that, what is
//! known of the old cluster's last revision, and what a plan risks.
//!
//! A client that keeps a revision asks for what came after it. A restored cluster that begins below that revision stays
//! silent until it has passed it, and then continues another history: the client's cache holds objects that do not
//! exist and lacks some that do, until the client is restarted (kubernetes/kubernetes#107457, etcd-io/etcd#16028; tried
//! with real API servers and informers). A cluster that begins above it and is marked as compacted answers "compacted",
//! and the client lists again.

pub use super::revision_clients::{Client, DOCUMENTED, KnownRevision, Revisions, data_of};
pub(crate) use super::revision_clients::{KUBE_SYSTEM, KUBERNETES_PREFIXES, KUBERNETES_VALUES};
use super::{observations::Content, plan::Plan};
use crate::text::number::{plural, thousands};

/// The clients whose data a snapshot holds.
pub fn clients(content: &Content) -> Vec<Client> {
    let mut found = content.clients.clone();
    if content.kubernetes && !found.contains(&Client::Kubernetes) {
        found.push(Client::Kubernetes);
    }
    found.sort_unstable();
    found
}

/// Those of `clients` of which deleted history alone is left in a snapshot.
///
/// They count for the bump as the others do. That no key lives does not say that no client does: an API server whose keys
/// were all deleted by mistake runs on with its watch cache and its informers, which is what such a snapshot is restored
/// for, and history is kept for minutes where something compacts (an API server does every 5). Where it is older, a bump does
/// no harm.
pub fn past(content: &Content) -> Vec<Client> {
    content.past_clients.clone()
}

/// What a plan risks with clients that keep revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Risk {
    /// Nothing, as far as is known: there is no such client, or the cluster begins above all that can have been given out.
    None,
    /// The cluster begins below what the old one may have given out; how far that came is not known.
    Unknown,
    /// The old cluster is known to have given out so many revisions at or above the first one that the new cluster writes.
    Twice {
        /// The newest of them.
        newest: KnownRevision,
        /// How many.
        count: u64,
    },
}

/// What `plan` risks with `clients`.
pub fn risk(plan: &Plan, clients: &[Client]) -> Risk {
    if clients.is_empty() {
        return Risk::None;
    }
    if let Some(newest) = &plan.revisions.newest
        && let Some(count) = twice(plan, newest.revision)
    {
        return Risk::Twice { newest: newest.clone(), count };
    }
    match plan.revisions.complete || plan.bump_revision >= DOCUMENTED {
        true => Risk::None,
        false => Risk::Unknown,
    }
}

/// How many revisions up to `known` the restored cluster gives out again; none where it begins at or above it.
pub fn twice(plan: &Plan, known: i64) -> Option<u64> {
    known.checked_sub(plan.expected_revision()).filter(|count| *count > 0).map(i64::unsigned_abs)
}

/// `cp2 is at 17,284: 6,780 revisions would be given out twice`.
pub fn twice_words(from: &str, revision: i64, count: u64) -> String {
    format!(
        "{from} is at {}: {} {} would be given out twice",
        thousands(revision.unsigned_abs()),
        thousands(count),
        plural(usize::try_from(count).unwrap_or(usize::MAX), "revision", "revisions")
    )
}

/// What must be typed to give revisions out twice all the same. It holds for the plan's first revision.
pub fn override_text(plan: &Plan) -> String {
    format!("reuse-revisions@{}", plan.expected_revision())
}

/// What it means to give revisions out twice, and what prevents it.
pub fn consequence(clients: &[Client]) -> String {
    format!(
        "{} clients that keep running can serve objects that do not exist, and miss others, until each of them is \
         restarted; a revision bump of {DOCUMENTED}, with the skipped revisions marked compacted, makes them list again",
        Client::names(clients)
    )
}

/// The plan's risk in a sentence without a full stop, and the text that must be typed to accept it where that is needed.
pub fn warning(plan: &Plan) -> Option<(String, Option<String>)> {
    let clients = &plan.revisions.clients;
    let data = match plan.revisions.past.is_empty() {
        true => format!("{} data", Client::names(clients)),
        false => data_of(clients, &plan.revisions.past),
    };
    let are = if plan.revisions.past.is_empty() || clients.len() == plan.revisions.past.len() { "is" } else { "are" };
    let words = match risk(plan, clients) {
        Risk::None => return None,
        Risk::Twice { newest, count } => {
            format!("{}; {}", twice_words(&newest.from, newest.revision, count), consequence(clients))
        }
        Risk::Unknown if plan.bump_revision == 0 => format!(
            "{data} {are} restored without a revision bump, and it is not known how far the old cluster came: {}",
            consequence(clients)
        ),
        Risk::Unknown => {
            return Some((
                format!(
                    "{data} {are} restored with a revision bump of {}, and it is not known how far the old cluster came: \
                     clients that know a revision up to {} list again, and one above it would be given out twice",
                    thousands(plan.bump_revision),
                    thousands(plan.expected_revision().unsigned_abs())
                ),
                None,
            ));
        }
    };
    Some((words, Some(override_text(plan))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::members::build_plan;

    fn plan(bump: u64, clients: &[Client], newest: Option<i64>, complete: bool) -> Plan {
        let mut plan = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
        (plan.source.revision, plan.bump_revision, plan.mark_compacted) = (10_504, bump, bump > 0);
        let newest = newest.map(|revision| KnownRevision { revision, from: "cp2".into() });
        plan.revisions = Revisions { clients: clients.to_vec(), newest, complete, ..Revisions::default() };
        plan
    }

    #[test]
    fn clients_are_known_by_keys_and_values() {
        let rows: [(&[u8], &[u8], &[Client]); 12] = [
            (b"/registry/pods/default/web", b"k8s\0\n", &[Client::Kubernetes]),
            (b"/registry/cilium.io/ciliumnodes/n", b"{}", &[Client::Kubernetes]),
            (b"/kubernetes.io/pods/default/web", b"k8s\0\n", &[Client::Kubernetes]),
            (b"/openshift.io/routes/default/web", b"{}", &[Client::Kubernetes]),
            (b"/clusters/a/namespaces/kube-system", b"{}", &[Client::Kubernetes]),
            (b"any/secrets/default/a", b"k8s:enc:aescbc:v1:key1:", &[Client::Kubernetes]),
            (b"/calico/v1/host/n1", b"{}", &[Client::Calico]),
            (b"cilium/state/nodes/v1/default/n1", b"{}", &[Client::Cilium]),
            (b"/apisix/routes/1", b"{}", &[Client::Apisix]),
            (b"/coreos.com/network/subnets/10.0.0.0-24", b"{}", &[Client::Flannel]),
            (b"/service/batman/leader", b"pg1", &[]),
            (b"/registryx/a", b"k8", &[]),
        ];
        for (key, value, wanted) in rows {
            let found: Vec<Client> = Client::ALL.into_iter().filter(|client| client.wrote(key, value)).collect();
            assert_eq!(found, wanted, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn risk_follows_from_bump_and_what_is_known() {
        use Client::{Calico, Kubernetes};
        let twice = |count| Some((true, count));
        // bump, clients, newest known, complete -> (blocks, revisions twice), None for no risk
        for (bump, clients, newest, complete, wanted) in [
            (0, &[][..], None, false, None),
            (0, &[], Some(17_284), false, None),
            (0, &[Kubernetes], None, false, Some((true, 0))),
            (0, &[Kubernetes], None, true, None),
            (0, &[Calico], Some(17_284), false, twice(6_780)),
            (0, &[Kubernetes], Some(17_284), true, twice(6_780)),
            (1_000, &[Kubernetes], Some(17_284), false, twice(5_780)),
            (1_000, &[Kubernetes], None, false, Some((false, 0))),
            (6_780, &[Kubernetes], Some(17_284), false, Some((false, 0))),
            (DOCUMENTED, &[Kubernetes], Some(17_284), false, None),
            (DOCUMENTED, &[Kubernetes], Some(2_000_000_000), false, twice(999_989_496)),
            (DOCUMENTED, &[Kubernetes], None, false, None),
        ] {
            let plan = plan(bump, clients, newest, complete);
            let count = match risk(&plan, clients) {
                Risk::Twice { count, .. } => count,
                _ => 0,
            };
            let found = warning(&plan).map(|(_, lift)| (lift.is_some(), count));
            assert_eq!(found, wanted, "{bump} {clients:?} {newest:?} {complete}");
        }
        let words = warning(&plan(0, &[Kubernetes], Some(17_284), false)).unwrap();
        crate::text::messages::hold("plan-revisions", &[("revisions twice", words.0.clone())]);
        assert_eq!(words.1.as_deref(), Some("reuse-revisions@10504"));
    }

    #[test]
    fn plans_without_what_is_known_keep_their_form() {
        let old = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
        assert!(old.revisions.is_unknown() && !serde_json::to_string(&old).unwrap().contains("revisions"));
    }
}
