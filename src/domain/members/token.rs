//! A token that was used before: member and cluster IDs follow from peer URLs and token, so with the old ones the new
//! cluster has the old cluster's IDs, and an old member that comes back with its old data joins it.
//!
//! Sources: etcd `server/etcdserver/api/membership/{member,cluster}.go` for the IDs; `rafthttp` refuses a peer only by
//! its cluster ID, the same in 3.4 to 3.7.

use crate::{
    domain::model::{old_cluster::Old, plan::Plan},
    etcd::membership::Id,
    text::{join::all, number::plural},
};

/// What the IDs of a new cluster have in common with those of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    /// Nothing of the old cluster's IDs is known.
    Unknown,
    /// They differ: none of the old cluster's known members can join.
    None,
    /// The cluster's own ID is that of the old one.
    Cluster(Id),
    /// These members have IDs of old ones; the cluster's own ID is another, or is not known of the old one.
    Members {
        /// Each with its name.
        members: Vec<(String, Id)>,
        /// The new cluster's ID.
        cluster: Id,
    },
}

impl Shared {
    /// Compares the IDs of a new cluster and its members with what is known of the old one.
    ///
    /// An old cluster's ID follows from the members that it began with. Those that joined later have IDs of their own, so
    /// where no planned ID is one of its members' or removed members', the cluster's ID is not its either.
    pub fn find(members: &[(String, Id)], cluster: Id, old: &Old) -> Shared {
        let used = |id: Id| id != Id(0) && (old.has_member(id) || old.removed.contains(&id));
        if old.clusters.contains(&cluster) {
            return Shared::Cluster(cluster);
        }
        let shared: Vec<(String, Id)> = members.iter().filter(|(_, id)| used(*id)).cloned().collect();
        match (shared.is_empty(), old.members.is_empty()) {
            (false, _) => Shared::Members { members: shared, cluster },
            (true, false) => Shared::None,
            (true, true) => Shared::Unknown,
        }
    }

    /// The same for a plan.
    pub fn of_plan(plan: &Plan, old: &Old) -> Shared {
        let members: Vec<(String, Id)> = plan.members.iter().map(|m| (m.name.clone(), m.id)).collect();
        Shared::find(&members, plan.cluster_id, old)
    }

    /// Returns the problem, a sentence without a full stop; `None` where the IDs differ or nothing is known.
    pub fn sentence(&self) -> Option<String> {
        match self {
            Shared::Unknown | Shared::None => None,
            Shared::Cluster(cluster) => Some(format!(
                "cluster {cluster} and its members are those of the old cluster: the token is the old one; a member that \
                 comes back with its old data joins the new cluster; use a new token"
            )),
            Shared::Members { members, .. } => {
                let names: Vec<String> = members.iter().map(|(name, id)| format!("{name} ({id})")).collect();
                let count = members.len();
                Some(format!(
                    "{} {} the member {} of the old cluster: the token is the old one; a member that comes back with its \
                     old data can join the new cluster; use a new token",
                    all(&names),
                    plural(count, "has", "have"),
                    plural(count, "ID", "IDs"),
                ))
            }
        }
    }

    /// Returns the text to type to use these IDs anyway.
    pub fn override_text(&self) -> Option<String> {
        match self {
            Shared::Unknown | Shared::None => None,
            Shared::Cluster(cluster) | Shared::Members { cluster, .. } => Some(format!("old-token@{cluster}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::model::observations::{Content, KnownMember},
        etcd::membership::{cluster_id, member_id},
    };

    fn id(n: u64, token: &str) -> Id {
        member_id(&[format!("http://10.0.0.{n}:2380")], token)
    }

    /// An old cluster of the members 1 to 3 with the token `prod`.
    fn content(ids: &[Id], removed: &[Id]) -> Content {
        let member = |id: &Id| KnownMember { id: *id, name: format!("m-{id}").into(), ..KnownMember::default() };
        Content { members: ids.iter().map(member).collect(), removed: removed.to_vec(), ..Content::default() }
    }

    fn find(planned: &[Id], content: &Content) -> Shared {
        let members: Vec<(String, Id)> = planned.iter().map(|id| (format!("n-{id}"), *id)).collect();
        Shared::find(&members, cluster_id(planned), &Old::new(Some(content), &[], &[]))
    }

    #[test]
    fn old_ids_are_found_also_among_removed() {
        let old: Vec<Id> = (1..4).map(|n| id(n, "prod")).collect();
        let new: Vec<Id> = (1..4).map(|n| id(n, "prod-2")).collect();
        let (grown, replaced) = (id(9, "joined later"), id(8, "joined later"));
        let cluster = cluster_id(&old);
        assert_eq!(find(&old, &content(&old, &[])), Shared::Cluster(cluster));
        assert_eq!(find(&new, &content(&old, &[])), Shared::None);
        // A cluster that grew still has the ID of those that it began with.
        assert!(
            matches!(find(&old, &content(&[old[0], old[1], old[2], grown], &[])), Shared::Members { members, .. } if members.len() == 3)
        );
        assert!(
            matches!(find(&old[..1], &content(&[old[0], grown], &[])), Shared::Members { members, .. } if members.len() == 1)
        );
        assert_eq!(find(&old[..1], &content(&old[..1], &[])), Shared::Cluster(cluster_id(&old[..1])));
        // All were replaced one by one: the ID is that of members which are gone.
        assert!(
            matches!(find(&old, &content(&[grown, replaced], &old)), Shared::Members { members, .. } if members.len() == 3)
        );
        // One more URL, or another host for two of three.
        assert!(
            matches!(find(&[old[0], new[1], new[2]], &content(&old, &[])), Shared::Members { members, .. } if members.len() == 1)
        );
        assert_eq!(find(&old, &content(&[], &[])), Shared::Unknown);
    }

    #[test]
    fn every_shared_id_is_named_and_overridable() {
        let old: Vec<Id> = (1..4).map(|n| id(n, "prod")).collect();
        let whole = find(&old, &content(&old, &[]));
        let cluster = cluster_id(&old);
        assert_eq!(
            whole.sentence(),
            Some(format!(
                "cluster {cluster} and its members are those of the old cluster: the token is the old one; a member that \
                 comes back with its old data joins the new cluster; use a new token"
            ))
        );
        assert_eq!(whole.override_text(), Some(format!("old-token@{cluster}")));
        let part = find(&old[..1], &content(&old, &[]));
        assert!(part.sentence().is_some() && part.override_text().is_some());
        for silent in [Shared::Unknown, Shared::None] {
            assert_eq!((silent.sentence(), silent.override_text()), (None, None));
        }
    }
}
