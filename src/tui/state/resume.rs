//! What earlier runs left to do, as their journals say.

use std::path::PathBuf;

use crate::{
    domain::model::plan::Plan,
    etcd::membership::Id,
    execute::resume::{Unfinished, Unverified},
};

/// What is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The effect that reads the journals.
    pub(in crate::tui) reading: Option<u64>,
    /// Those that are not complete, each with its journal, the one begun last first.
    pub runs: Vec<(PathBuf, Unfinished)>,
    /// Those that are installed and not verified, each with its journal, the one begun last first.
    pub unverified: Vec<(PathBuf, Unverified)>,
}

/// What is left to do of one plan.
#[derive(Debug, Clone, Copy)]
pub(in crate::tui) enum Left<'a> {
    /// Resume it: its journal and how far it came.
    Resume(&'a PathBuf, &'a Unfinished),
    /// Launch and verify it: its journal and what is installed.
    Verify(&'a PathBuf, &'a Unverified),
}

impl State {
    /// True where an earlier run left something to do.
    pub fn any(&self) -> bool {
        self.first().is_some()
    }

    /// The plan that is installed according to its journal, where that is what was done last.
    pub fn in_place(&self) -> Option<&Plan> {
        match self.first()? {
            Left::Verify(_, left) => Some(&left.plan),
            Left::Resume(..) => None,
        }
    }

    /// What the journals call the cluster with one of these IDs, or that of this snapshot; where neither is known, the
    /// one of what was begun last.
    pub fn label(&self, ids: &[Id], sha256: Option<&str>) -> Option<&str> {
        let runs = self.runs.iter().map(|(_, run)| &run.plan);
        let plans = || runs.clone().chain(self.unverified.iter().map(|(_, left)| &left.plan));
        let last = self.first().map(|left| match left {
            Left::Resume(_, run) => &run.plan,
            Left::Verify(_, left) => &left.plan,
        });
        let is_it = |plan: &&Plan| ids.contains(&plan.cluster_id) || sha256 == Some(plan.source.sha256.as_str());
        let plan = plans().find(is_it).or(last.filter(|_| ids.is_empty() && sha256.is_none()))?;
        Some(&plan.label)
    }

    /// What was begun last.
    pub(in crate::tui) fn first(&self) -> Option<Left<'_>> {
        let resume = self.runs.first().map(|(path, run)| (&run.since, Left::Resume(path, run)));
        let verify = self.unverified.first().map(|(path, left)| (&left.since, Left::Verify(path, left)));
        resume.into_iter().chain(verify).max_by_key(|(since, _)| *since).map(|(_, left)| left)
    }

    pub(in crate::tui) fn count(&self) -> usize {
        self.runs.len() + self.unverified.len()
    }
}
