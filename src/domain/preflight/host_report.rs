//! The preflight report of one host, and what follows from it for the plan's members there.

use std::path::{Path, PathBuf};

use super::super::{
    members::table::{Problem, Severity},
    model::{
        observations::{config::Automation, disk::DirFacts, host::HostFacts},
        plan::Plan,
    },
    preflight::stop::RunningEtcd,
};
use crate::{
    domain::{
        members::table::Column,
        model::observations::host::{Place, PlaceState},
    },
    error::{Error, ErrorKind, Result},
    etcd::membership::Id,
    text::Foreign,
};

/// One host of a plan, as observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Its name in the plan.
    pub host: String,
    /// Its members' places in the plan.
    pub members: Vec<usize>,
    /// Its facts, or why they are unknown.
    pub facts: Result<HostFacts>,
    /// What is wrong with it; rows are places in the plan.
    pub problems: Vec<Problem>,
    /// Whether it was inspected on the host itself: only then the rest is known.
    pub close: bool,
    /// Its members' directories.
    pub found: Vec<DirFacts>,
    /// Etcds that run on them.
    pub runs: Vec<Running>,
    /// What starts an etcd again there.
    pub automation: Vec<Automation>,
}

/// An etcd that runs on a member's directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// How it is stopped.
    pub halt: RunningEtcd,
    /// Its member ID, where its directory shows it.
    pub member: Option<Id>,
}

impl Look {
    /// Returns a host that was not inspected yet.
    pub fn new(plan: &Plan, members: &[usize]) -> Look {
        let host = members.first().and_then(|at| plan.members.get(*at)).map(|m| m.host.clone()).unwrap_or_default();
        Look {
            facts: Err(Error::new(ErrorKind::Stopped, format!("{host} was not inspected"))),
            host,
            members: members.to_vec(),
            problems: Vec::new(),
            close: false,
            found: Vec::new(),
            runs: Vec::new(),
            automation: Vec::new(),
        }
    }

    /// Its members' directories, as they are asked about.
    pub fn dirs(&self, plan: &Plan) -> Vec<(PathBuf, Option<PathBuf>)> {
        let members = self.members.iter().filter_map(|at| plan.members.get(*at));
        members.map(|m| (m.data_dir.clone(), m.wal_dir.clone())).collect()
    }

    /// Whether it can take its members.
    pub fn ready(&self) -> bool {
        self.facts.is_ok() && self.errors().next().is_none()
    }

    /// What keeps it from that, when it was reached.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// True where an etcd runs on the host and it is not known yet whether it is a member's, and how that would be stopped.
    pub fn unclear(&self) -> bool {
        !self.close && self.facts.as_ref().is_ok_and(|facts| !facts.etcds.is_empty())
    }

    /// Returns the state of a directory.
    pub fn place(&self, dir: &Path) -> Option<&Place> {
        self.facts.as_ref().ok()?.places.iter().find(|place| place.path == dir)
    }

    /// Returns true where its content is an old member's.
    pub fn is_old(&self, column: Column, dir: &Path) -> bool {
        match self.place(dir).map(|place| &place.state) {
            Some(PlaceState::Dir(names)) => is_members(column, names),
            _ => false,
        }
    }
}

/// Whether a directory with these entries is an old member's, to be moved aside.
pub fn is_members(column: Column, names: &[Foreign]) -> bool {
    match column {
        Column::WalDir => names.iter().any(|name| name.ends_with(".wal")),
        _ => names.iter().any(|name| name == "member"),
    }
}
