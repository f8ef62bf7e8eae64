//! The seven steps, one file each: its part of `update`. Here: which keys can be used, and the way from one step to the
//! next.

pub(crate) mod blockers;
pub mod detect;
pub mod hosts;
pub mod launch;
pub(crate) mod launch_start;
pub(in crate::tui) mod leaving;
pub mod members;
pub mod menu;
pub mod restore;
pub mod resume;
pub mod review;
pub mod snapshot;
pub mod snapshot_tasks;
pub mod verify;

use crate::tui::{
    selectors::{
        filter,
        review::{Gate, begun, gate},
    },
    state::{
        key::Action,
        messages::Effect,
        model::{Model, Overlay},
        prompt::Ask,
        step::Step,
    },
    widgets::theme::Tone,
};

/// Whether `action` can be done now, or why not. The footer shows the keys that can.
///
/// # Errors
/// The reason, a sentence.
pub fn can(model: &Model, action: Action) -> Result<(), String> {
    if model.overlay.is_some() {
        return Ok(());
    }
    match action {
        Action::SubmitNext | Action::TakeFixTyping => members::can_typing(model, action),
        _ if model.prompt.is_some() => Ok(()),
        Action::Note if model.options.accompanied => Ok(()),
        Action::Note => Err("No coach is connected.".into()),
        action => can_in_step(model, action),
    }
}

/// Why a wizard that was started with `--look` does not do something.
pub(in crate::tui) const LOOKS: &str = "Look only: this writes something, and requorum was started with --look.";

/// Whether `action` writes something, or leads to nothing but that.
fn writes(model: &Model, action: Action) -> bool {
    match (model.step, action) {
        (Step::Snapshot, Action::Open) => snapshot::saves(model),
        (Step::Review, Action::Open | Action::Next) => !begun(model),
        (Step::Review, Action::Rehearse | Action::Closer | Action::SavePlan)
        | (Step::Restore, Action::Retry | Action::Undo)
        | (Step::Launch, Action::WriteSheet | Action::Runbook | Action::StartMember)
        | (Step::Proof, Action::Canary) => true,
        _ => false,
    }
}

/// What acts on the selected line of a list.
const ON_A_LINE: [Action; 6] =
    [Action::Open, Action::Gone, Action::Details, Action::Compare, Action::Agree, Action::Toggle];

/// True where a filter hides every line of the list, so that what is selected is out of sight.
fn nothing_seen(model: &Model) -> bool {
    matches!(model.step, Step::Detect | Step::Snapshot) && !model.filter.is_empty() && filter::seen(model).is_empty()
}

/// Whether `action` can be done in the model's step now.
pub(super) fn can_in_step(model: &Model, action: Action) -> Result<(), String> {
    match action {
        action if model.options.look_only && writes(model, action) => Err(LOOKS.into()),
        Action::Back if model.step == Step::Restore && model.restore.running() => {
            Err("The restore is running. c stops it at the next safe point; then Back works again.".into())
        }
        Action::Step(_) if model.restore.running() => Err("The restore is running. c stops it first.".into()),
        action if ON_A_LINE.contains(&action) && nothing_seen(model) => {
            Err("No line has the text of the filter. Esc shows all.".into())
        }
        action => match model.step {
            _ if action == Action::Back && !model.filter.is_empty() => Ok(()),
            Step::Detect => detect::can(model, action),
            Step::Snapshot => snapshot::can(model, action),
            Step::Members => members::can(model, action),
            Step::Review => review::can(model, action),
            Step::Restore => restore::can(model, action),
            Step::Launch => launch::can(model, action),
            Step::Proof => verify::can(model, action),
        },
    }
}

/// True when `action` is refused only because of something under way, which ends by itself.
pub(super) fn awaits(model: &Model, action: Action) -> bool {
    match model.step {
        _ if ON_A_LINE.contains(&action) && nothing_seen(model) => false,
        Step::Detect => detect::awaits(model, action),
        Step::Snapshot => snapshot::awaits(model, action),
        Step::Members => false,
        Step::Review => action == Action::Rehearse && model.hosts.asking(),
        // Next and going on again ask for nothing that is typed, and the step's own keys are wanted meanwhile
        Step::Restore => action == Action::Undo && model.restore.running(),
        Step::Launch => action == Action::StartMember && launch_start::is_busy(model),
        Step::Proof => action == Action::Canary && model.proof.writing_id().is_some(),
    }
}

/// Whether what waits in a window can be done now, or what it waits for.
pub(super) fn held(model: &Model, action: Action) -> Result<(), String> {
    match (model.step, gate(model)) {
        (Step::Review, Gate::Asking(why)) if action == Action::Next => Err(why),
        _ => can_in_step(model, action),
    }
}

/// What is asked before `action` is done, where something would be lost or another plan meant by it: a heading and
/// lines.
pub(super) fn question(model: &Model, action: Action) -> Option<(String, Vec<String>)> {
    match model.step {
        Step::Detect => detect::question(model, action),
        Step::Snapshot => snapshot::question(model, action),
        Step::Restore => restore::question(model, action),
        _ => None,
    }
}

/// Does `action` in the model's step.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if action == Action::Filter {
        let text = model.filter.clone();
        model.ask(Ask::Filter, text);
        return Vec::new();
    }
    match model.step {
        Step::Detect => detect::act(model, action),
        Step::Snapshot => snapshot::act(model, action),
        Step::Members => members::act(model, action),
        Step::Review => review::act(model, action),
        Step::Restore => restore::act(model, action),
        Step::Launch => launch::act(model, action),
        Step::Proof => verify::act(model, action),
    }
}

/// Goes to the next step; the step confirmed before that this can be done.
pub(super) fn next(model: &mut Model) -> Vec<Effect> {
    match model.step {
        Step::Detect if detect::gated(model) => {
            model.label_settled = true;
            model.ask(Ask::Gate, "");
            Vec::new()
        }
        Step::Review => review::next(model),
        step => step.after().map_or_else(Vec::new, |after| enter(model, after)),
    }
}

/// Goes to a step, with what that brings with it.
pub(super) fn enter(model: &mut Model, step: Step) -> Vec<Effect> {
    model.step = step;
    match step {
        Step::Snapshot => snapshot::enter(model),
        Step::Members => {
            members::enter(model);
            Vec::new()
        }
        Step::Review => review::enter(model),
        Step::Proof => verify::enter(model),
        Step::Launch => launch_start::enter(model),
        Step::Detect | Step::Restore => Vec::new(),
    }
}

/// Goes back to a step; from a plan that an earlier run began, which has no table here, out of it.
pub(super) fn go_back(model: &mut Model, goal: Step) {
    match model.review.pinned && goal < Step::Review {
        true => review::leave(model),
        false => model.step = goal,
    }
}

/// Goes back to a step, or forward as far as each step on the way lets through.
pub(super) fn jump(model: &mut Model, number: u8) -> Vec<Effect> {
    let Some(goal) = Step::ALL.into_iter().find(|s| s.number() == number) else { return Vec::new() };
    if goal <= model.step {
        go_back(model, goal);
        return Vec::new();
    }
    let mut effects = Vec::new();
    while model.step < goal && model.prompt.is_none() {
        if let Err(why) = can_in_step(model, Action::Next) {
            if awaits(model, Action::Next) {
                model.open(Overlay::Held(Action::Next));
            }
            model.say(Tone::Warn, why);
            break;
        }
        let before = model.step;
        effects.extend(next(model));
        if model.step == before {
            break;
        }
    }
    effects
}
