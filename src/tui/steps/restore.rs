//! Restore: what is being done now, host by host and member by member; stop it, resume it, roll it back. The same
//! screen shows a dry run.

mod events;

use std::path::PathBuf;

pub(in crate::tui) use self::events::{ended, on_event};
use super::{
    super::{
        app::{Model, Overlay, moved},
        dialogs::Ask,
        keymap::Action,
        messages::Effect,
    },
    Step, review,
};
use crate::tui::widgets::progress_meter::Meter;
use crate::{
    domain::{
        model::plan::Plan,
        preflight::{host_report::Running, hosts as groups, stop::RunningEtcd},
    },
    engine::{install::Swapped, restore::Restored},
    error::Error,
    execute::executor::Goal,
    system::ssh::Sent,
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
    id: Option<u64>,
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
    acted: bool,
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

    fn can_be_taken_back(&self) -> bool {
        let there = |row: &Row| {
            matches!(row.stand, RowState::Built(_) | RowState::Moving | RowState::Placed(_) | RowState::Undoing)
        };
        self.rows.iter().any(there)
    }
}

/// Begins the reviewed plan. Called from one place: the label typed on Review.
pub(in crate::tui) fn begin(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.review.plan.clone() else { return Vec::new() };
    model.launch = super::launch::State::default();
    let stale = super::verify::begin_anew(model);
    stale.into_iter().chain(run(model, plan, Goal::InPlace, true)).collect()
}

/// Starts a dry run of the reviewed plan.
pub(in crate::tui) fn rehearse(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.review.plan.clone() else { return Vec::new() };
    run(model, plan, Goal::DryRun, false)
}

/// Shows a plan whose rollback was interrupted.
pub(super) fn taking_back(model: &mut Model, plan: Plan) {
    model.restore = State { until: Some(Goal::Undone), ..State::new(plan) };
    for row in &mut model.restore.rows {
        row.stand = RowState::Undoing;
    }
    model.step = Step::Restore;
    model.ask(Ask::Undo, "");
}

/// Shows a plan that an earlier run installed, as its journal says.
pub(super) fn in_place(model: &mut Model, plan: Plan, placed: Vec<Swapped>) {
    model.restore = State { until: Some(Goal::InPlace), ..State::new(plan) };
    for swapped in placed {
        if let Some(row) = model.restore.rows.iter_mut().find(|row| row.name == swapped.name) {
            row.stand = RowState::Placed(swapped);
        }
    }
    model.launch = super::launch::State::default();
}

/// Rolls the plan back, and stops what runs on its members' directories as it was shown. Called from one place: the
/// label typed on this step.
pub(in crate::tui) fn undo(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.restore.plan.clone() else { return Vec::new() };
    run(model, plan, Goal::Undone, false)
}

fn run(model: &mut Model, plan: Plan, until: Goal, first: bool) -> Vec<Effect> {
    let id = model.id();
    let orders = Box::new(review::orders(model, &plan, until, first));
    let before = std::mem::take(&mut model.restore);
    // Of the same plan it is still known how far its members are.
    let same = before.plan.as_ref() == Some(&plan);
    let mut state = if same { before } else { State::new(plan.clone()) };
    for row in &mut state.rows {
        let past = match row.stand {
            RowState::Failed(_) => true,
            RowState::Discarded | RowState::Out(_) => until != Goal::Undone,
            _ => false,
        };
        if past {
            row.stand = RowState::Waits;
        }
    }
    for host in &mut state.hosts {
        host.at = At::Waits;
    }
    (state.runs, state.barrier, state.failed) = (Vec::new(), None, None);
    (state.stopping, state.acted, state.id, state.until) = (false, false, Some(id), Some(until));
    model.restore = state;
    model.step = Step::Restore;
    vec![Effect::Apply { id, plan: Box::new(plan), orders }]
}

/// The operator confirmed stopping.
pub(in crate::tui) fn stop(model: &mut Model) -> Vec<Effect> {
    let Some(id) = model.restore.id else { return Vec::new() };
    model.restore.stopping = true;
    vec![Effect::Cancel { id }]
}

pub(crate) fn selected(model: &Model) -> Option<&Row> {
    model.restore.rows.get(model.restore.at)
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let state = &model.restore;
    let working = |what: &str| Err(format!("{what} waits until the current run has ended; c stops it."));
    match action {
        Action::Next if state.running() => Err("Next waits for the members that are being restored.".into()),
        Action::Next if state.until == Some(Goal::DryRun) => {
            Err("That was a dry run. Esc goes back to Review, where the label starts the restore.".into())
        }
        Action::Next if state.until == Some(Goal::Undone) => {
            Err("It was rolled back. Esc goes to Review, where the label starts it again.".into())
        }
        Action::Next if !state.complete() => {
            let missing: Vec<&str> = state
                .rows
                .iter()
                .filter(|r| !matches!(r.stand, RowState::Placed(_)))
                .map(|r| r.name.as_str())
                .collect();
            Err(format!("Next waits for {}: t resumes, Esc goes back to the plan.", missing.join(", ")))
        }
        Action::StopWork if !state.running() => Err("Nothing is running.".into()),
        Action::StopWork if state.stopping => Err("It is stopping already, at the next safe point.".into()),
        Action::Retry if state.running() => working("Resuming"),
        Action::Retry if state.complete() => Err("Every member is installed.".into()),
        Action::Retry if !state.begun() => Err("There is nothing to resume; Esc goes back to Review.".into()),
        Action::Undo if state.running() => working("Rolling back"),
        Action::Undo if !state.can_be_taken_back() => Err("Nothing of this plan is installed or built.".into()),
        Action::Details => match selected(model).and_then(|row| state.error(row)) {
            Some(_) => Ok(()),
            None => Err("Nothing went wrong with the selected member.".into()),
        },
        _ => Ok(()),
    }
}

/// What is asked before an action: going on is about the plan that was begun, which may not be the one on Review.
pub(super) fn question(model: &Model, action: Action) -> Option<(String, Vec<String>)> {
    let begun = model.restore.plan.as_ref().filter(|_| action == Action::Retry)?;
    let other = model.review.plan.as_ref().filter(|plan| *plan != begun)?;
    Some((
        format!("Resume plan {}?", begun.short_id()),
        vec![
            format!("Review shows plan {}, which was not started.", other.short_id()),
            format!(
                "This resumes plan {}, the one that was started: its members are installed, and what is in their \
                 places now is moved aside under a dated name.",
                begun.short_id()
            ),
            "To carry out the plan on Review instead, roll this one back first (u), then confirm the other on Review."
                .into(),
        ],
    ))
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open | Action::Details => model.open(Overlay::Details),
        Action::StopWork => model.open(Overlay::Stop),
        Action::Retry => {
            if let Some(plan) = model.restore.plan.clone() {
                return run(model, plan, Goal::InPlace, false);
            }
        }
        Action::Undo => model.ask(Ask::Undo, ""),
        action => model.restore.at = moved(model.restore.at, action, model.restore.rows.len()),
    }
    Vec::new()
}
