//! What Restore knows: where each member and each host of the plan that was begun is.

use std::path::PathBuf;

use crate::{
    domain::{
        model::plan::Plan,
        preflight::{host_report::Running, hosts as groups, stop::RunningEtcd},
    },
    engine::{install::Swapped, restore::Restored},
    error::Error,
    execute::executor::Goal,
    system::ssh::Sent,
    tui::widgets::progress_meter::Meter,
};

/// Where one member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowState {
    /// Its turn has not come.
    Waits,
    /// It is being built in staging.
    Works(Meter),
    /// It is built and verified, and waits in staging.
    Built(Restored),
    /// It was being installed when an earlier run ended.
    Moving,
    /// It is installed.
    Placed(Swapped),
    /// It was being rolled back when an earlier run ended.
    Undoing,
    /// It is rolled back: from where to where things were moved.
    Out(Vec<(PathBuf, PathBuf)>),
    /// What was built for it is removed again.
    Discarded,
    /// It could not be built.
    Failed(Error),
}

/// One member of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its host.
    pub host: String,
    /// Its data directory.
    pub dir: String,
    /// Where it is.
    pub stand: RowState,
}

/// What is done on a host that is not about one of its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At {
    /// Nothing yet.
    Waits,
    /// It was reached, and nothing of its own is done there now.
    Ready,
    /// The program is sent.
    Program(Meter),
    /// The snapshot is looked for, or sent; or an earlier run waited for.
    Snapshot(Meter),
    /// An etcd is being stopped.
    Halts(RunningEtcd),
    /// It could not continue.
    Failed(Error),
}

/// How the snapshot came to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrived {
    /// It was there, in this file.
    Had(PathBuf),
    /// It was sent.
    Sent(Sent),
}

/// One host of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// As the plan calls it.
    pub name: String,
    /// What is done there.
    pub at: At,
    /// How the snapshot came there, once it did.
    pub snapshot: Option<Arrived>,
    /// True once it was checked from the host itself.
    pub close: bool,
    /// Its log, with the member that each line is about.
    pub log: Vec<(Option<String>, String)>,
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The effect that runs now.
    pub(in crate::tui) id: Option<u64>,
    /// The plan that was begun.
    pub plan: Option<Plan>,
    /// How far it is carried out; none before, and when it was not let through.
    pub until: Option<Goal>,
    /// Its members.
    pub rows: Vec<Row>,
    /// Its hosts.
    pub hosts: Vec<Host>,
    /// Etcds that were found running on members' directories, each with its host.
    pub runs: Vec<(String, Running)>,
    /// What the final check found about the old cluster.
    pub barrier: Option<String>,
    /// Why the last run ended before its time.
    pub failed: Option<Error>,
    /// The selected member.
    pub at: usize,
    /// True once the operator asked to stop.
    pub stopping: bool,
    /// True once this run changed something.
    pub(in crate::tui) acted: bool,
}

impl State {
    /// A plan of which nothing is known yet.
    pub fn new(plan: Plan) -> Self {
        let rows = plan.members.iter().map(|m| Row {
            name: m.name.clone(),
            host: m.host.clone(),
            dir: m.data_dir.to_string_lossy().into_owned(),
            stand: RowState::Waits,
        });
        let rows: Vec<Row> = rows.collect();
        let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        let hosts = groups::groups(&plan, &names).into_iter();
        let hosts = hosts
            .map(|(name, _)| Host { name, at: At::Waits, snapshot: None, close: false, log: Vec::new() })
            .collect();
        State { rows, hosts, plan: Some(plan), ..State::default() }
    }

    /// The effect that runs now.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// True while something is being done on hosts.
    pub fn running(&self) -> bool {
        self.id.is_some()
    }

    /// True when every member is installed.
    pub fn complete(&self) -> bool {
        !self.rows.is_empty() && self.placed() == self.rows.len()
    }

    /// True for a plan that is to be installed, and that is resumed here and not on Review.
    pub fn begun(&self) -> bool {
        self.until == Some(Goal::InPlace)
    }

    /// How many members are installed.
    pub fn placed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.stand, RowState::Placed(_))).count()
    }

    /// How many are built and verified, or further.
    pub fn proven(&self) -> usize {
        let proven = |row: &&Row| matches!(row.stand, RowState::Built(_) | RowState::Placed(_) | RowState::Discarded);
        self.rows.iter().filter(proven).count()
    }

    /// True where a member is built and waits in staging.
    pub fn built(&self) -> bool {
        self.rows.iter().any(|row| matches!(row.stand, RowState::Built(_)))
    }

    /// The host of a member.
    pub fn host_of(&self, row: &Row) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == row.host)
    }

    /// Why a member is not further, where its host or itself failed.
    pub fn error<'a>(&'a self, row: &'a Row) -> Option<&'a Error> {
        match (&row.stand, self.host_of(row).map(|host| &host.at)) {
            (RowState::Failed(error), _) => Some(error),
            (RowState::Placed(_) | RowState::Out(_) | RowState::Discarded, _) => None,
            // A host ends with the failure of a member, which is no other member's.
            (_, Some(At::Failed(error))) => (!self.is_members(error)).then_some(error),
            _ => None,
        }
    }

    fn is_members(&self, error: &Error) -> bool {
        self.rows.iter().any(|row| matches!(&row.stand, RowState::Failed(own) if own == error))
    }

    pub(in crate::tui) fn can_be_taken_back(&self) -> bool {
        let there = |row: &Row| {
            matches!(row.stand, RowState::Built(_) | RowState::Moving | RowState::Placed(_) | RowState::Undoing)
        };
        self.rows.iter().any(there)
    }
}
