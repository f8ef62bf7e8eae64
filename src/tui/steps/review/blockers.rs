//! What keeps the plan from starting: hosts that are not ready, etcds that have to be stopped, old members that still
//! answer. Asked when the step is entered and on demand, shown above the plan; consent and overrides are typed.

use super::super::{
    super::{
        app::Model,
        dialogs::Ask,
        messages::{Effect, Orders},
        widgets::theme::Tone,
    },
    members,
};
use crate::tui::audit_entries::decisions;
use crate::{
    domain::{
        model::{old_cluster::Old, plan::Plan},
        preflight::{
            blockers::{self, Blocker, Observations},
            stop::RunningEtcd,
        },
    },
    execute::executor::Goal,
    system::journal,
    text::{Shown, join},
};

/// What is typed to agree to the commands that stop an etcd.
pub(in crate::tui) const CONSENT: &str = "stop";

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
    fn in_the_way(&self) -> Option<&Blocker> {
        self.found.iter().find(|fence| fence.blocks(&self.overridden))
    }

    /// The texts that were typed, each with its reason.
    pub fn overrides(&self) -> impl Iterator<Item = (&String, &String)> {
        self.overridden.iter().zip(&self.reasons)
    }

    /// Lines for the screen: mark, sentence, tone; `again` is the key that asks again.
    pub(super) fn lines(&self, again: &str) -> Vec<(&'static str, String, Tone)> {
        if self.asking.is_some() {
            return vec![(" … ", "Asking whether anything of the old cluster still answers.".into(), Tone::Plain)];
        }
        let again = format!("{again} asks again");
        let line = |fence: &Blocker| {
            let what = join::sentence(&fence.sentence());
            match (&fence.typed, fence.blocks(&self.overridden)) {
                (_, true) => (" ✖ ", format!("{what} {}", fence.lift.words(&again)), Tone::Bad),
                (Some(_), false) => (" ! ", format!("Overridden: {what}"), Tone::Warn),
                (None, _) => (" ! ", format!("{what} {}", fence.lift.words(&again)), Tone::Warn),
            }
        };
        self.found.iter().map(line).collect()
    }

    /// What was asked, where nothing of it is in the way.
    pub(super) fn summary(&self) -> Option<String> {
        (self.asking.is_none() && !self.seen.doors.is_empty() && self.in_the_way().is_none())
            .then(|| join::sentence(&blockers::summary(&self.seen, &self.found, &self.overridden)))
    }
}

/// What is known of the old cluster.
pub(in crate::tui::steps) fn old(model: &Model) -> Old {
    Old::new(model.snapshot.content().as_ref(), &members::seen(model), &model.options.endpoints)
}

/// How the plan is to be carried out; `first` for its beginning, before which the journal says what was decided.
pub(in crate::tui::steps) fn orders(model: &Model, plan: &Plan, until: Goal, first: bool) -> Orders {
    let fences = &model.review.fences;
    // What runs on new members is known from this plan's own run, and was shown when the label was typed.
    let shown = || model.restore.runs.iter().map(|(host, running)| (host.clone(), running.halt.clone())).collect();
    Orders {
        until,
        old: old(model),
        consent: if until == Goal::Undone { shown() } else { model.review.consent.clone() },
        overridden: fences.overridden.clone(),
        reason: fences.reasons.join("; "),
        decisions: if first { decisions(model) } else { Vec::new() },
        journal: journal::of_plan(&model.options.journals, plan),
    }
}

/// Asks the old members that must not run any more; members that are stopped before are not in the way.
pub(in crate::tui::steps) fn ask_fences(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.review.plan.clone() else { return Vec::new() };
    let id = model.id();
    model.review.fences.asking = Some(id);
    let halted = model.hosts.runs().filter_map(|(_, running)| running.member).collect();
    let journal = journal::of_plan(&model.options.journals, &plan);
    vec![Effect::Fences { id, plan: Box::new(plan), old: old(model), halted, journal }]
}

/// The answer to [`ask_fences`].
pub(in crate::tui) fn fenced(model: &mut Model, id: u64, seen: Observations, found: Vec<Blocker>) {
    if model.review.fences.asking == Some(id) {
        model.review.fences.asking = None;
        model.review.fences.seen = seen;
        on_blockers(model, found);
    }
}

/// What was found to be in the way, here or by a run.
pub(in crate::tui::steps) fn on_blockers(model: &mut Model, found: Vec<Blocker>) {
    let fences = &mut model.review.fences;
    // What was typed counts for what it was typed for.
    let kept = fences.overrides().filter(|(text, _)| found.iter().any(|f| f.typed.as_ref() == Some(text)));
    let kept = kept.map(|(text, reason)| (text.clone(), reason.clone()));
    let (overridden, reasons): (Vec<String>, Vec<String>) = kept.unzip();
    (fences.found, fences.overridden, fences.reasons) = (found, overridden, reasons);
    note_asked(model);
}

/// Keeps in mind what is asked to be typed now.
pub(in crate::tui) fn note_asked(model: &mut Model) {
    let asked = match gate(model) {
        Gate::Consent(_) => CONSENT.to_string(),
        Gate::Override(typed, _) => typed,
        _ => return,
    };
    if !model.review.asked.contains(&asked) {
        model.review.asked.push(asked);
    }
}

/// The commands that were not agreed to yet.
fn unagreed(model: &Model) -> Vec<(String, RunningEtcd)> {
    model.hosts.halts().into_iter().filter(|halt| !model.review.consent.contains(halt)).collect()
}

/// What is between the plan and its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) enum Gate {
    /// Something is still being looked at, in a sentence; it ends by itself.
    Asking(String),
    /// Something has to be done first, in a sentence.
    Shut(String),
    /// Consent to stop the etcds that run, in a sentence.
    Consent(String),
    /// This text overrides the first blocker, which is named in a sentence.
    Override(String, String),
    /// The label.
    Label,
}

/// What is between the plan and its start now.
pub(in crate::tui) fn gate(model: &Model) -> Gate {
    let open = unagreed(model);
    if model.hosts.asking() {
        return Gate::Asking("The hosts are still being checked.".into());
    }
    if let Some(why) = model.hosts.in_the_way() {
        return Gate::Shut(why);
    }
    if let Some(look) = model.hosts.unclear().first() {
        let words = format!("Next waits: it is not known how to stop the etcd on {}. c looks closer.", look.host);
        return Gate::Shut(words);
    }
    if let Some((host, halt)) = open.first() {
        let more = if open.len() > 1 { format!(", and {} more", open.len() - 1) } else { String::new() };
        return Gate::Consent(format!(
            "Next waits for your consent to stop the etcd on {} on {host}{more}. Or stop it yourself; r checks again.",
            halt.data_dir.shown()
        ));
    }
    if model.review.fences.asking.is_some() {
        return Gate::Asking("The old members are still being asked.".into());
    }
    match model.review.fences.in_the_way() {
        Some(fence) => Gate::Override(fence.typed.clone().unwrap_or_default(), join::sentence(&fence.what)),
        None => Gate::Label,
    }
}

/// Opens the field that is between the plan and its start: consent, the first blocker, else the label. The label's
/// field opens while something is still being looked at, too: what is typed then is text, and Enter waits in it.
pub(in crate::tui) fn open(model: &mut Model) -> Vec<Effect> {
    match gate(model) {
        Gate::Shut(why) => model.say(Tone::Warn, why),
        Gate::Consent(words) => {
            model.say(Tone::Warn, words);
            model.ask(Ask::Consent, "");
        }
        Gate::Override(typed, what) => {
            model.ask(Ask::Override(typed), "");
            model.say(Tone::Bad, what);
        }
        Gate::Asking(_) | Gate::Label => model.ask(Ask::Confirm, ""),
    }
    Vec::new()
}

/// The commands that the field for consent is about, in one line.
pub(in crate::tui) fn consent_words(model: &Model) -> String {
    let each: Vec<String> =
        unagreed(model).iter().map(|(host, halt)| format!("{host}: {}", halt.commands.join(" && "))).collect();
    each.join("; ")
}

/// The word for consent was typed: it holds for the commands as they are shown.
pub(in crate::tui) fn consent(model: &mut Model) -> Vec<Effect> {
    let open = unagreed(model);
    model.review.consent.extend(open);
    open_next(model)
}

/// The text of a blocker was typed: the reason is asked next.
pub(in crate::tui) fn lift(model: &mut Model, typed: String) -> Vec<Effect> {
    model.ask(Ask::Reason(typed), "");
    Vec::new()
}

/// The reason was typed.
pub(in crate::tui) fn lift_for(model: &mut Model, typed: String, reason: &str) -> Result<Vec<Effect>, String> {
    if reason.is_empty() {
        return Err("A one-line reason is needed; it is recorded in the journal.".into());
    }
    model.review.fences.overridden.push(typed);
    model.review.fences.reasons.push(reason.to_string());
    Ok(open_next(model))
}

fn open_next(model: &mut Model) -> Vec<Effect> {
    model.status = None;
    open(model)
}
