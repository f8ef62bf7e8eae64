//! What Review knows: the plan, what is worth a look in it, what blocks it and what was typed.

use crate::domain::{
    members::table::Problem,
    model::plan::Plan,
    preflight::{
        blockers::{Blocker, Observations},
        stop::RunningEtcd,
    },
};

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The plan that is reviewed; the very value that is carried out.
    pub plan: Option<Plan>,
    /// What is worth a look in it.
    pub warnings: Vec<Problem>,
    /// The line that is kept in sight.
    pub at: usize,
    /// The effect that writes the plan.
    pub writing: Option<u64>,
    /// What blocks the restore.
    pub fences: Fences,
    /// The commands that may be run to stop an etcd, each on its host.
    pub consent: Vec<(String, RunningEtcd)>,
    /// True for a plan that an earlier run began: it is resumed as recorded.
    pub pinned: bool,
    /// What was asked to be typed for this plan, besides the label.
    pub asked: Vec<String>,
}

impl State {
    /// True while old members are being asked.
    pub fn asking(&self) -> bool {
        self.fences.asking.is_some()
    }
}

/// What is known of the blockers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fences {
    /// The effect that asks, while it does.
    pub asking: Option<u64>,
    /// What was seen last.
    pub seen: Observations,
    /// What follows from it.
    pub found: Vec<Blocker>,
    /// The texts that were typed.
    pub overridden: Vec<String>,
    /// Why, for each of them.
    pub reasons: Vec<String>,
}

impl Fences {
    /// The first that is in the way.
    pub(in crate::tui) fn in_the_way(&self) -> Option<&Blocker> {
        self.found.iter().find(|fence| fence.blocks(&self.overridden))
    }

    /// The texts that were typed, each with its reason.
    pub fn overrides(&self) -> impl Iterator<Item = (&String, &String)> {
        self.overridden.iter().zip(&self.reasons)
    }
}
