//! The blockers of a plan, evaluated through the world: old members at their URLs, directories, automation. Only what
//! was evaluated here gives a [`SafetyClearance`], and nothing is installed without one.

use crate::domain::model::old_cluster;
use crate::{
    domain::{
        model::{
            observations::disk::DirFacts,
            old_cluster::{Endpoint, Old, ProbeResult},
            plan::Plan,
            revisions::{self, Client},
        },
        preflight::blockers::{self, Blocker, Observations},
    },
    engine::progress::Flow,
    error::{Error, ErrorKind, Remedy, Result},
    etcd::membership::Id,
    system::{Cluster, Files, System},
};

/// The blockers and warnings that were found: made by evaluating a plan, only in this module.
#[derive(Debug)]
pub struct Blockers(Vec<Blocker>);

impl Blockers {
    /// Returns everything that was found, for display.
    pub fn all(&self) -> &[Blocker] {
        &self.0
    }

    /// Returns the same as a list.
    pub fn into_vec(self) -> Vec<Blocker> {
        self.0
    }

    /// Puts these blockers before all others.
    #[must_use]
    pub fn after(mut self, first: impl IntoIterator<Item = Blocker>) -> Blockers {
        self.0.splice(0..0, first);
        self
    }

    /// Returns the clearance if every blocker is overridden by one of `overrides`, the texts that were typed.
    ///
    /// # Errors
    /// `Refused`, naming the host or directory; the hint says what resolves each blocker.
    pub fn cleared(self, overrides: &[String]) -> Result<SafetyClearance> {
        SafetyClearance(Vec::new()).with(self.0, overrides)
    }
}

/// Proof that a plan's blockers were evaluated and none remains: installing takes one, building in staging takes none.
#[derive(Debug)]
pub struct SafetyClearance(Vec<Blocker>);

impl SafetyClearance {
    /// Returns the blockers that were overridden by a typed text.
    pub fn overridden(&self) -> impl Iterator<Item = &Blocker> {
        self.0.iter().filter(|fence| fence.typed.is_some())
    }

    /// Adds what was found later.
    ///
    /// # Errors
    /// As [`Blockers::cleared`].
    pub fn with(mut self, found: Vec<Blocker>, overrides: &[String]) -> Result<SafetyClearance> {
        let blocking: Vec<&Blocker> = found.iter().filter(|fence| fence.blocks(overrides)).collect();
        let Some(first) = blocking.first() else {
            self.0.extend(found);
            return Ok(self);
        };
        let more = blocking.iter().skip(1).map(|f| format!("also: {}.", f.sentence()));
        let (mut lifts, mut remedies): (Vec<String>, Vec<Remedy>) = (Vec::new(), Vec::new());
        for fence in &blocking {
            let lift = fence.lift.to_string();
            if !lifts.contains(&lift) {
                lifts.push(lift);
            }
            for remedy in fence.lift.remedies() {
                if !remedies.contains(remedy) {
                    remedies.push(remedy.clone());
                }
            }
        }
        let hint: Vec<String> = more.chain(lifts).collect();
        Err(Error::new(ErrorKind::Refused, first.what.clone())
            .why(first.evidence.join("; "))
            .hint(hint.join("\n  "))
            .remedies(&remedies))
    }
}

/// Evaluates the blockers of restoring the members `names`: asks every old member and inspects every directory and
/// configuration on this machine. `halted` are old members that are stopped before anything is installed. Read-only:
/// nothing is written or locked, and no request changes anything.
pub fn look(plan: &Plan, names: &[String], old: &Old, halted: &[Id], system: &dyn System) -> (Observations, Blockers) {
    let members = plan.members.iter().filter(|m| names.contains(&m.name));
    let targets: Vec<DirFacts> = members.map(|m| system.inspect_data_dir(&m.data_dir, m.wal_dir.as_deref())).collect();
    let mut known = old.clone();
    let mut configs = Vec::new();
    for config in system.discover_configs() {
        known.configured(&config);
        let dir = config.data_dir.as_ref().map(|dir| system.inspect_data_dir(dir, config.wal_dir.as_deref()));
        configs.push((config, dir));
    }
    let dirs = targets.iter().chain(configs.iter().filter_map(|(_, dir)| dir.as_ref()));
    // A directory of another cluster says nothing about the old one.
    let alike = |cluster: Id, member: Id| cluster == plan.cluster_id || plan.members.iter().any(|m| m.id == member);
    for says in dirs.filter_map(|dir| dir.state.says()).filter(|says| alike(says.cluster_id, says.member_id)) {
        known.in_dir(says, plan.made());
    }
    let placed = |dir: &DirFacts| dir.state.says().is_some_and(|says| says.cluster_id == plan.cluster_id);
    let fresh = names.len() == plan.members.len() && !targets.iter().any(placed);
    let doors = probe_endpoints(plan, &mut known, fresh, system);
    let mut seen = Observations { doors, targets, configs, halted: halted.to_vec(), clients: Vec::new() };
    seen.clients = clients(plan, &seen.doors, system);
    let found = blockers::fences(plan, &known, &seen);
    (seen, Blockers(found))
}

/// Evaluates the blockers that need no directory of this machine; `halted` are old members that are stopped before
/// anything is installed, and `fresh` is true if no member of the plan was installed anywhere yet.
pub fn ask(plan: &Plan, old: &Old, halted: Vec<Id>, fresh: bool, system: &(impl Cluster + Files + ?Sized)) -> Blockers {
    let mut known = old.clone();
    let doors = probe_endpoints(plan, &mut known, fresh, system);
    let clients = clients(plan, &doors, system);
    let seen = Observations { doors, halted, clients, ..Observations::default() };
    Blockers(blockers::fences(plan, &known, &seen))
}

/// Probes all endpoints. While no member of the plan is installed, an answer with the planned cluster's ID comes from
/// the old cluster. The snapshot may not have this ID: it may have been saved before that cluster was itself restored.
fn probe_endpoints(
    plan: &Plan,
    known: &mut Old,
    fresh: bool,
    cluster: &(impl Cluster + ?Sized),
) -> Vec<(Endpoint, ProbeResult)> {
    let doors = old_cluster::doors(plan, known);
    let heard = cluster.probe_endpoints(&doors);
    let is_new =
        |heard: &ProbeResult| matches!(heard, ProbeResult::Etcd { cluster, .. } if *cluster == Some(plan.cluster_id));
    if fresh && heard.iter().any(is_new) && !known.clusters.contains(&plan.cluster_id) {
        known.clusters.push(plan.cluster_id);
    }
    doors.into_iter().zip(heard).collect()
}

/// Returns the clients that store revisions, as the plan has them. A plan without any may come from an earlier version;
/// where it matters, they are read from the snapshot.
fn clients(plan: &Plan, doors: &[(Endpoint, ProbeResult)], files: &(impl Files + ?Sized)) -> Vec<Client> {
    let beyond = |heard: &ProbeResult| matches!(heard, ProbeResult::Etcd { revision: Some(r), .. } if revisions::twice(plan, *r).is_some());
    match doors.iter().any(|(door, heard)| door.old && beyond(heard)) {
        true => clients_of(plan, files),
        false => plan.revisions.clients.clone(),
    }
}

/// Returns the clients that store revisions and have data in the plan's snapshot.
pub fn clients_of(plan: &Plan, files: &(impl Files + ?Sized)) -> Vec<Client> {
    match plan.revisions.is_unknown() {
        true => files.post_restore(plan, &mut |_| Flow::Go).map(|data| data.clients).unwrap_or_default(),
        false => plan.revisions.clients.clone(),
    }
}

/// Returns what the plan's own snapshot says about the old cluster, for callers that know no more. An unreadable
/// snapshot is reported by the restore.
pub fn of_snapshot(plan: &Plan, endpoints: &[String], files: &dyn Files) -> Old {
    let members = files.snapshot_members(&plan.source.path).unwrap_or_default();
    let removed = files.removed_members(&plan.source.path);
    let content = crate::domain::model::observations::Content { members, removed, ..Default::default() };
    Old::new(Some(&content), &[], endpoints)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(typed: &str) -> Blocker {
        let typed = (!typed.is_empty()).then(|| typed.to_string());
        Blocker { what: "m3 still answers".into(), evidence: vec!["here".into()], lift: "Stop it.".into(), typed }
    }

    #[test]
    fn a_clearance_needs_every_blocker_overridden() {
        let overrides = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (all, typed, overridden) in [
            (vec![], vec![], Some(0)),
            (vec![""], vec![], Some(0)),
            (vec!["m3@h", ""], vec!["m3@h"], Some(1)),
            (vec!["m3@h"], vec![], None),
            (vec!["m3@h"], vec!["m3"], None),
            (vec!["m3@h", "m4@h"], vec!["m3@h"], None),
        ] {
            let blockers = || Blockers(all.iter().map(|typed| found(typed)).collect());
            let cleared = blockers().cleared(&overrides(&typed));
            assert_eq!(cleared.as_ref().ok().map(|c| c.overridden().count()), overridden, "{all:?} {typed:?}");
            assert!(cleared.is_ok() || cleared.unwrap_err().kind == ErrorKind::Refused);
            // what is found later counts as well
            let late = Blockers(Vec::new()).cleared(&[]).unwrap().with(blockers().into_vec(), &overrides(&typed));
            assert_eq!(late.ok().map(|c| c.overridden().count()), overridden, "{all:?} {typed:?}");
        }
    }
}
