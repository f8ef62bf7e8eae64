//! Leaving the wizard: asked for once, and done when what is being written has reached a safe point.

use crate::tui::{
    state::{
        leaving::Leaving,
        messages::Effect,
        model::{Model, Overlay},
    },
    widgets::theme::Tone,
};

/// Ctrl-C: asks once, then goes.
pub(in crate::tui) fn interrupt(model: &mut Model) -> Vec<Effect> {
    if model.overlay == Some(Overlay::Quit) || model.leaving != Leaving::No {
        model.overlay = None;
        return leave(model);
    }
    model.open(Overlay::Quit);
    Vec::new()
}

/// Leaves: at once where nothing is being written, else when what runs has reached a safe point. A
/// second wish to leave goes at once.
pub(in crate::tui) fn leave(model: &mut Model) -> Vec<Effect> {
    let busy = [model.snapshot.saving_id(), model.restore.id(), model.launch.starting_id(), model.proof.writing_id()];
    let mut effects: Vec<Effect> = busy.into_iter().flatten().map(|id| Effect::Cancel { id }).collect();
    if effects.is_empty() || model.leaving != Leaving::No {
        model.leaving = Leaving::Now;
        effects.push(Effect::Quit);
    } else {
        model.leaving = Leaving::WhenSafe;
        model.say(Tone::Warn, "Stopping at the next safe point, then quitting. Press Ctrl-C again to quit at once.");
    }
    effects
}

pub(in crate::tui) fn terminated(model: &mut Model) -> Vec<Effect> {
    model.overlay = None;
    // it may come more than once, as a signal and as the terminal's end: only the first counts
    if model.leaving == Leaving::No { leave(model) } else { Vec::new() }
}

/// Called when work ended: leaves, if that was what it waited for.
pub(in crate::tui) fn leave_when_safe(model: &mut Model) -> Vec<Effect> {
    let busy = [model.snapshot.saving_id(), model.launch.starting_id(), model.proof.writing_id()];
    let safe = busy.iter().all(Option::is_none) && !model.restore.running();
    if model.leaving == Leaving::WhenSafe && safe {
        model.leaving = Leaving::Now;
        return vec![Effect::Quit];
    }
    Vec::new()
}
