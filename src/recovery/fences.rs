//! The fences around a plan, looked at through the world: old members at their URLs, directories, automation.

use crate::{
    etcd::membership::Id,
    plan::{
        Plan,
        facts::disk::DirFacts,
        fence::{self, Fence, Old, Seen},
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
    let doors = fence::doors(plan, &known);
    let heard = world.knock(&doors);
    let seen = Seen { doors: doors.into_iter().zip(heard).collect(), targets, configs, halted: halted.to_vec() };
    let fences = fence::fences(plan, &known, &seen);
    (seen, fences)
}

/// Asks everybody whose directories are on other hosts or are looked at there; `halted` are old members that are stopped
/// before anything is put in place.
pub fn ask(plan: &Plan, old: &Old, halted: Vec<Id>, world: &dyn World) -> Vec<Fence> {
    let doors = fence::doors(plan, old);
    let heard = world.knock(&doors);
    let seen = Seen { doors: doors.into_iter().zip(heard).collect(), halted, ..Seen::default() };
    fence::fences(plan, old, &seen)
}

/// What the plan's own snapshot tells of the old cluster, where nobody told more. A snapshot that cannot be read is for
/// the restore to refuse.
pub fn of_snapshot(plan: &Plan, endpoints: &[String], world: &dyn World) -> Old {
    let members = world.listed(&plan.source.path).unwrap_or_default();
    let content = crate::plan::facts::Content { members, ..Default::default() };
    Old::new(Some(&content), &[], endpoints)
}
