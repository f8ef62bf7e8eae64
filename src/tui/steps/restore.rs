//! Restore: what is being done now, host by host and member by member; stop it, resume it, roll it back. The same
//! screen shows a dry run.

mod events;

pub(in crate::tui) use self::events::{ended, on_event};
use crate::{
    domain::model::plan::Plan,
    engine::install::Swapped,
    execute::executor::Goal,
    tui::{
        keymap::moved,
        selectors::restore::selected,
        state::{
            key::Action,
            launch,
            messages::Effect,
            model::{Model, Overlay},
            prompt::Ask,
            restore::{At, RowState, State},
            step::Step,
        },
        steps::{LOOKS, blockers::orders, verify},
        widgets::theme::Tone,
    },
};

/// Begins the reviewed plan. Called from one place: the label typed on Review.
pub(in crate::tui) fn begin(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.review.plan.clone() else { return Vec::new() };
    model.launch = launch::State::default();
    let stale = verify::begin_anew(model);
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
    match model.options.look_only {
        true => model.say(Tone::Warn, LOOKS),
        false => model.ask(Ask::Undo, ""),
    }
}

/// Shows a plan that an earlier run installed, as its journal says.
pub(super) fn in_place(model: &mut Model, plan: Plan, placed: Vec<Swapped>) {
    model.restore = State { until: Some(Goal::InPlace), ..State::new(plan) };
    for swapped in placed {
        if let Some(row) = model.restore.rows.iter_mut().find(|row| row.name == swapped.name) {
            row.stand = RowState::Placed(swapped);
        }
    }
    model.launch = launch::State::default();
}

/// Rolls the plan back, and stops what runs on its members' directories as it was shown. Called from one place: the
/// label typed on this step.
pub(in crate::tui) fn undo(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.restore.plan.clone() else { return Vec::new() };
    run(model, plan, Goal::Undone, false)
}

fn run(model: &mut Model, plan: Plan, until: Goal, first: bool) -> Vec<Effect> {
    let id = model.id();
    let orders = Box::new(orders(model, &plan, until, first));
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
