//! What keeps the plan from starting: hosts that are not ready, etcds that have to be stopped, old members that still
//! answer. Asked when the step is entered and on demand, shown above the plan; consent and overrides are typed.

use crate::{
    domain::{
        model::plan::Plan,
        preflight::blockers::{Blocker, Observations},
    },
    execute::executor::Goal,
    system::journal,
    tui::{
        audit_entries::decisions,
        selectors::review::{CONSENT, Gate, gate, old, unagreed},
        state::{
            messages::{Effect, Orders},
            model::Model,
            prompt::Ask,
        },
        steps::LOOKS,
        widgets::theme::Tone,
    },
};

/// How the plan is to be carried out; `first` for its beginning, before which the journal says what was decided.
pub(super) fn orders(model: &Model, plan: &Plan, until: Goal, first: bool) -> Orders {
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
pub(super) fn ask_fences(model: &mut Model) -> Vec<Effect> {
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
pub(super) fn on_blockers(model: &mut Model, found: Vec<Blocker>) {
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

/// Opens the field that is between the plan and its start: consent, the first blocker, else the label. The label's
/// field opens while something is still being looked at, too: what is typed then is text, and Enter waits in it.
pub(in crate::tui) fn open(model: &mut Model) -> Vec<Effect> {
    if model.options.look_only {
        model.say(Tone::Warn, LOOKS);
        return Vec::new();
    }
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
