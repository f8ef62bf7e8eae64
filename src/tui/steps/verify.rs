//! Proof: the members of the restored plan watched as they come up, and the result of their verification.

use crate::{
    domain::verify::{Outcome, Topic, Verification, VerifyResult},
    error::Result as Outcomes,
    system::journal,
    tui::{
        selectors::review::old,
        state::{
            key::Action,
            messages::Effect,
            model::{Model, Overlay},
            verify::State,
        },
        steps::leaving::leave_when_safe,
        widgets::theme::Tone,
    },
};

/// Watches, unless that is under way or there is nothing more to see.
pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    let proven =
        model.proof.proof.as_ref().is_some_and(|p| matches!(p.verdict, VerifyResult::Proven | VerifyResult::Agree));
    if model.proof.running() || proven { Vec::new() } else { watch(model, false) }
}

/// Forgets the verification of an earlier plan, and the watch for it.
pub(super) fn begin_anew(model: &mut Model) -> Vec<Effect> {
    let stale = std::mem::take(&mut model.proof);
    stale.id.map(|id| Effect::Cancel { id }).into_iter().collect()
}

fn watch(model: &mut Model, canary: bool) -> Vec<Effect> {
    let Some(plan) = model.restore.plan.clone() else { return Vec::new() };
    let before = model.proof.id.map(|id| Effect::Cancel { id });
    let id = model.id();
    model.proof.id = Some(id);
    model.proof.canary = canary;
    let old = old(model);
    let journal = journal::of_plan(&model.options.journals, &plan);
    let records = !model.options.look_only;
    before.into_iter().chain([Effect::Verify { id, plan: Box::new(plan), old, canary, journal, records }]).collect()
}

/// A round is over.
pub(in crate::tui) fn seen(model: &mut Model, id: u64, proof: Box<Verification>) {
    if model.proof.id == Some(id) {
        model.proof.proof = Some(proof);
    }
}

/// The watch is over.
pub(in crate::tui) fn verified(model: &mut Model, id: u64, result: Outcomes<Box<Verification>>) -> Vec<Effect> {
    if model.proof.id != Some(id) {
        return Vec::new();
    }
    model.proof.id = None;
    match result {
        Ok(proof) => {
            if matches!(proof.verdict, VerifyResult::Proven | VerifyResult::Agree) {
                // it is in the journal now, so that a later start does not offer it either
                let plan = model.restore.plan.clone();
                model.unfinished.unverified.retain(|(_, left)| Some(&left.plan) != plan.as_ref());
            }
            model.proof.proof = Some(proof);
            if model.proof.canary && written(&model.proof) {
                model.say(Tone::Good, "The key was put, read and deleted.");
            }
        }
        Err(error) => model.say_error(&error),
    }
    leave_when_safe(model)
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let state = &model.proof;
    let verdict = state.proof.as_ref().map(|proof| proof.verdict);
    match action {
        Action::AskAgain if state.running() => {
            Err("The members are being watched; they are asked again every second.".into())
        }
        Action::Canary if state.writing_id().is_some() => {
            Err("A key is written as soon as everything else is right.".into())
        }
        Action::Canary if verdict == Some(VerifyResult::Failed) => {
            Err("Nothing is written into the cluster while something is wrong.".into())
        }
        Action::Canary if state.proof.as_ref().is_none_or(|proof| proof.serving() == 0) => {
            Err("No member of the new cluster serves yet.".into())
        }
        Action::Canary if written(state) => Err("A key was put, read and deleted already.".into()),
        Action::Open if state.proof.is_none() => Err("Nothing is known yet.".into()),
        _ => Ok(()),
    }
}

fn written(state: &State) -> bool {
    let check = state.proof.as_ref().and_then(|proof| proof.check(Topic::Canary));
    check.is_some_and(|check| check.outcome == Outcome::Pass)
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => model.open(Overlay::Details),
        Action::AskAgain => return watch(model, false),
        Action::Canary => model.open(Overlay::Canary),
        _ => {}
    }
    Vec::new()
}

/// The operator agreed to a key being written.
pub(in crate::tui) fn agree(model: &mut Model) -> Vec<Effect> {
    model.say(Tone::Plain, "A key is put, read through each member and deleted, once all else is right.");
    watch(model, true)
}
