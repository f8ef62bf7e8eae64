//! What Review knows: the plan, what is worth a look in it, what blocks it and what was typed.

use std::collections::BTreeSet;

use crate::domain::{
    members::table::Problem,
    model::plan::Plan,
    preflight::{
        blockers::{Blocker, Observations},
        stop::RunningEtcd,
    },
};

/// What a sentence of the review is about. The first are open, the last are folded until they are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// What keeps the plan from starting.
    Blocks,
    /// What is moved aside or stopped.
    Moves,
    /// What is worth a look.
    Warnings,
    /// Everything that is done, in order.
    Steps,
    /// What stays untouched, how it is rolled back, where it is recorded.
    Rest,
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The plan that is reviewed; the very value that is carried out.
    pub plan: Option<Plan>,
    /// What is worth a look in it.
    pub warnings: Vec<Problem>,
    /// The selected sentence.
    pub at: usize,
    /// Groups of sentences that the operator folded, where they are open else, or opened.
    pub turned: BTreeSet<Group>,
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
    /// True while all sentences of a group are seen.
    pub fn is_open(&self, group: Group) -> bool {
        matches!(group, Group::Blocks | Group::Moves | Group::Warnings) != self.turned.contains(&group)
    }

    /// Opens a group that is folded, folds one that is open.
    pub(in crate::tui) fn turn(&mut self, group: Group) {
        if !self.turned.remove(&group) {
            self.turned.insert(group);
        }
    }

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
