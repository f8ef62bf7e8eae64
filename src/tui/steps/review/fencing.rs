//! The fences on Review: asked when the step is entered and on demand, shown above the plan, lifted by typing.

use super::super::super::{
    app::{Effect, Model},
    messages::Orders,
    prompt::Ask,
    text,
    theme::Tone,
};
use crate::{
    plan::{
        Plan,
        fence::{self, Fence, Old, Seen},
    },
    recovery::journal,
};

/// What is known of the fences.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fences {
    /// The effect that asks, while it does.
    pub asking: Option<u64>,
    /// What was seen last.
    pub seen: Seen,
    /// What follows from it.
    pub found: Vec<Fence>,
    /// The texts that were typed.
    pub lifted: Vec<String>,
}

impl Fences {
    /// The first that is in the way.
    fn in_the_way(&self) -> Option<&Fence> {
        self.found.iter().find(|fence| fence.blocks(&self.lifted))
    }

    /// Lines for the screen: mark, sentence, tone.
    pub(super) fn lines(&self) -> Vec<(&'static str, String, Tone)> {
        if self.asking.is_some() {
            return vec![(" … ", "Asking whether anything of the old cluster still answers.".into(), Tone::Plain)];
        }
        let line = |fence: &Fence| {
            let what = text::sentence(&fence.sentence());
            match (&fence.typed, fence.blocks(&self.lifted)) {
                (_, true) => {
                    (" ✖ ", format!("{what} {}", fence.lift.replace("then ask again", "then r asks again")), Tone::Bad)
                }
                (Some(_), false) => (" ! ", format!("Overridden: {what}"), Tone::Warn),
                (None, _) => (" ! ", format!("{what} {}", fence.lift), Tone::Warn),
            }
        };
        self.found.iter().map(line).collect()
    }

    /// What was asked, where nothing of it is in the way.
    pub(super) fn summary(&self) -> Option<String> {
        (self.asking.is_none() && self.in_the_way().is_none())
            .then(|| text::sentence(&fence::summary(&self.seen, &self.found, &self.lifted)))
    }
}

/// What is known of the old cluster.
fn old(model: &Model) -> Old {
    Old::new(model.snapshot.content().as_ref(), &model.detect.facts(), &model.options.endpoints)
}

/// How the plan is to be carried out.
pub(in crate::tui::steps) fn orders(model: &Model, plan: &Plan) -> Orders {
    Orders {
        old: old(model),
        lifted: model.review.fences.lifted.clone(),
        journal: journal::of_plan(&model.options.journals, plan),
    }
}

/// Asks everybody who must not live on.
pub(in crate::tui) fn ask(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.review.plan.clone() else { return Vec::new() };
    let id = model.id();
    model.review.fences.asking = Some(id);
    vec![Effect::Fences { id, plan: Box::new(plan), old: old(model) }]
}

/// The answer to [`ask`].
pub(in crate::tui) fn fenced(model: &mut Model, id: u64, seen: Seen, found: Vec<Fence>) {
    let fences = &mut model.review.fences;
    if fences.asking != Some(id) {
        return;
    }
    // What was typed counts for what it was typed for.
    let lifted = fences.lifted.iter().filter(|t| found.iter().any(|f| f.typed.as_ref() == Some(t))).cloned().collect();
    *fences = Fences { asking: None, seen, found, lifted };
}

/// Opens the field that stands between the plan and its start: that of the first fence in the way, else the label's.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let fences = &model.review.fences;
    if fences.asking.is_some() {
        model.say(Tone::Warn, "The old members are still being asked; a moment.");
    } else if let Some(fence) = fences.in_the_way() {
        let (what, typed) = (text::sentence(&fence.what), fence.typed.clone().unwrap_or_default());
        model.ask(Ask::Override(typed), "");
        model.say(Tone::Bad, what);
    } else {
        model.ask(Ask::Confirm, "");
    }
    Vec::new()
}

/// The text of a fence was typed.
pub(in crate::tui) fn lift(model: &mut Model, typed: String) -> Vec<Effect> {
    model.review.fences.lifted.push(typed);
    open(model)
}
