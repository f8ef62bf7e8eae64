//! The fences around a plan, looked at through the world: old members at their URLs, directories, automation.

use crate::{
    engine::progress::Flow,
    etcd::membership::Id,
    plan::{
        Plan,
        facts::disk::DirFacts,
        fence::{self, Door, Fence, Heard, Old, Seen},
        revisions::{self, Client},
    },
    world::World,
};

/// Asks everybody, and looks everywhere that has to do with restoring the members `names`; `halted` are old members that
/// are stopped before anything is put in place. Nothing is written, locked or sent that could change anything.
pub fn look(plan: &Plan, names: &[String], old: &Old, halted: &[Id], world: &dyn World) -> (Seen, Vec<Fence>) {
    let members = plan.members.iter().filter(|m| names.contains(&m.name));
    let targets: Vec<DirFacts> = members.map(|m| world.look_at_dir(&m.data_dir, m.wal_dir.as_deref())).collect();
    let mut known = old.clone();
    let mut configs = Vec::new();
    for config in world.discover() {
        known.configured(&config);
        let dir = config.data_dir.as_ref().map(|dir| world.look_at_dir(dir, config.wal_dir.as_deref()));
        configs.push((config, dir));
    }
    let dirs = targets.iter().chain(configs.iter().filter_map(|(_, dir)| dir.as_ref()));
    // Only a directory of these very IDs says something of them; another cluster's is none of the old one.
    let alike = |cluster: Id, member: Id| cluster == plan.cluster_id || plan.members.iter().any(|m| m.id == member);
    for says in dirs.filter_map(|dir| dir.state.says()).filter(|says| alike(says.cluster_id, says.member_id)) {
        known.in_dir(says, plan.made());
    }
    let placed = |dir: &DirFacts| dir.state.says().is_some_and(|says| says.cluster_id == plan.cluster_id);
    let fresh = names.len() == plan.members.len() && !targets.iter().any(placed);
    let doors = knock(plan, &mut known, fresh, world);
    let mut seen = Seen { doors, targets, configs, halted: halted.to_vec(), clients: Vec::new() };
    seen.clients = clients(plan, &seen.doors, world);
    let fences = fence::fences(plan, &known, &seen);
    (seen, fences)
}

/// Asks everybody whose directories are on other hosts or are looked at there; `halted` are old members that are stopped
/// before anything is put in place, and `fresh` says that no member of the plan was put in place anywhere yet.
pub fn ask(plan: &Plan, old: &Old, halted: Vec<Id>, fresh: bool, world: &dyn World) -> Vec<Fence> {
    let mut known = old.clone();
    let doors = knock(plan, &mut known, fresh, world);
    let clients = clients(plan, &doors, world);
    let seen = Seen { doors, halted, clients, ..Seen::default() };
    fence::fences(plan, &known, &seen)
}

/// Knocks at all doors. While no member of the plan is in place, whoever answers with the planned cluster's ID is of the
/// old cluster, which the snapshot need not tell: it may have been saved before that cluster was restored itself.
fn knock(plan: &Plan, known: &mut Old, fresh: bool, world: &dyn World) -> Vec<(Door, Heard)> {
    let doors = fence::doors(plan, known);
    let heard = world.knock(&doors);
    let is_new = |heard: &Heard| matches!(heard, Heard::Etcd { cluster, .. } if *cluster == Some(plan.cluster_id));
    if fresh && heard.iter().any(is_new) && !known.clusters.contains(&plan.cluster_id) {
        known.clusters.push(plan.cluster_id);
    }
    doors.into_iter().zip(heard).collect()
}

/// The clients that keep revisions, as the plan knows them. A plan that knows of none may be of an earlier version: where it
/// matters, the snapshot is read for them.
fn clients(plan: &Plan, doors: &[(Door, Heard)], world: &dyn World) -> Vec<Client> {
    let beyond =
        |heard: &Heard| matches!(heard, Heard::Etcd { revision: Some(r), .. } if revisions::twice(plan, *r).is_some());
    match doors.iter().any(|(door, heard)| door.old && beyond(heard)) {
        true => clients_of(plan, world),
        false => plan.revisions.clients.clone(),
    }
}

/// The clients that keep revisions and have data in the plan's snapshot.
pub fn clients_of(plan: &Plan, world: &dyn World) -> Vec<Client> {
    match plan.revisions.is_unknown() {
        true => world.aftermath(plan, &mut |_| Flow::Go).map(|data| data.clients).unwrap_or_default(),
        false => plan.revisions.clients.clone(),
    }
}

/// What the plan's own snapshot tells of the old cluster, where nobody told more. A snapshot that cannot be read is for
/// the restore to refuse.
pub fn of_snapshot(plan: &Plan, endpoints: &[String], world: &dyn World) -> Old {
    let members = world.listed(&plan.source.path).unwrap_or_default();
    let removed = world.removed(&plan.source.path);
    let content = crate::plan::facts::Content { members, removed, ..Default::default() };
    Old::new(Some(&content), &[], endpoints)
}
