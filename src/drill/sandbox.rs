//! The system of an exercise: any other, confined to the exercise's directory and members.
//!
//! It differs from the real one in the surroundings of the wizard: the lab's hosts have configurations and running members,
//! the clock is the exercise's, the disk may be full, and once every member of a plan is installed, members start on the new
//! directories as real ones would with their launch commands. What is done through it is recorded in the exercise.

mod bounds;
mod cluster;
mod files;
mod hosts;
mod member_ops;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

pub use bounds::Bounds;

use super::session::{Exercise, What};
use crate::{
    domain::{
        model::plan::Plan,
        preflight::space::{self, Needed},
    },
    error::Result,
    system::{System, member_ops::PlannedMember},
};

/// The free space on the lab's disk while it is full, in bytes.
const FREE_OF_A_FULL_DISK: u64 = 12_000_000;

/// A system within the bounds of an exercise.
#[derive(Debug)]
pub struct Sandbox<W> {
    inner: Arc<W>,
    bounds: Bounds,
    exercise: Arc<Exercise>,
}

impl<W: System> Sandbox<W> {
    /// Creates the sandbox of `exercise` around `inner`: nothing outside `bounds` is read, written or asked.
    pub fn new(inner: Arc<W>, bounds: Bounds, exercise: Arc<Exercise>) -> Sandbox<W> {
        Sandbox { inner, bounds, exercise }
    }

    /// Refuses a member whose directories are outside.
    fn may_build(&self, work: &PlannedMember<'_>) -> Result<()> {
        let member = work.member()?;
        let dirs = [Some(&member.data_dir), member.wal_dir.as_ref()];
        dirs.into_iter().flatten().try_for_each(|dir| self.bounds.build(dir))
    }

    /// Records that a member's directory is about to be built.
    ///
    /// # Errors
    /// If the exercise's disk is full.
    fn begins(&self, plan: &Plan, name: &str) -> Result<()> {
        let mut exercise = self.exercise.lock();
        exercise.begun();
        let place = plan.member(name)?.data_dir.clone();
        if !exercise.lab.disk_is_full() || !place.starts_with(exercise.lab.base_dir()) {
            return Ok(());
        }
        exercise.note(What::Restore, format!("{name} could not be built: the disk is full"));
        space::check(&place, FREE_OF_A_FULL_DISK, Needed::of_plan(plan).total())
    }

    /// Records that a member is installed; once all members of a plan are, they start.
    fn record_installed(&self, plan: &Plan, name: &str) {
        let mut exercise = self.exercise.lock();
        if exercise.installed.0 != plan.token {
            exercise.installed = (plan.token.clone(), BTreeSet::new());
        }
        exercise.installed.1.insert(name.to_string());
        exercise.note(What::Restore, format!("{name} installed and verified"));
        let all = plan.members.iter().all(|m| exercise.installed.1.contains(&m.name));
        let rising = if all { exercise.lab.bring_up(plan) } else { None };
        exercise.run_due_injects();
        drop(exercise);
        // real members take time to start, and the coach continues meanwhile
        if let Some(rising) = rising {
            let risen = rising.wait();
            let mut exercise = self.exercise.lock();
            exercise.lab.came_up(risen);
            exercise.run_due_injects();
        }
    }
}
