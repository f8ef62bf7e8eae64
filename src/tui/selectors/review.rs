//! What is between the plan and its start, and what is to be typed for it.

use crate::{
    domain::{model::old_cluster::Old, preflight::stop::RunningEtcd},
    text::{Shown, join::sentence},
    tui::{selectors::revision_bump::seen, state::model::Model},
};

/// What is typed to agree to the commands that stop an etcd.
pub(in crate::tui) const CONSENT: &str = "stop";

/// What is known of the old cluster.
pub(in crate::tui) fn old(model: &Model) -> Old {
    Old::new(model.snapshot.content().as_ref(), &seen(model), &model.options.endpoints)
}

/// The commands that were not agreed to yet.
pub(in crate::tui) fn unagreed(model: &Model) -> Vec<(String, RunningEtcd)> {
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
        Some(fence) => Gate::Override(fence.typed.clone().unwrap_or_default(), sentence(&fence.what)),
        None => Gate::Label,
    }
}

/// True where nothing but the label is between the plan and its start.
pub fn asks_for_label(model: &Model) -> bool {
    model.review.plan.is_some() && gate(model) == Gate::Label
}

/// The commands that the field for consent is about, in one line.
pub(in crate::tui) fn consent_words(model: &Model) -> String {
    let each: Vec<String> =
        unagreed(model).iter().map(|(host, halt)| format!("{host}: {}", halt.commands.join(" && "))).collect();
    each.join("; ")
}

/// True when this very plan was begun already.
pub(in crate::tui) fn begun(model: &Model) -> bool {
    model.review.plan.is_some() && model.restore.plan == model.review.plan && model.restore.begun()
}

/// What is to be typed now: a field that is asked for opens with its first character.
pub(in crate::tui) fn wanted(model: &Model) -> Option<String> {
    if model.review.plan.is_none() || begun(model) || model.options.look_only {
        return None;
    }
    match gate(model) {
        Gate::Label | Gate::Asking(_) => Some(model.label.clone()),
        Gate::Consent(_) => Some(CONSENT.to_string()),
        Gate::Override(typed, _) => Some(typed),
        Gate::Shut(_) => None,
    }
}

/// Whether a character begins what is to be typed now.
pub(in crate::tui) fn begins_answer(model: &Model, letter: char) -> bool {
    wanted(model).is_some_and(|text| text.starts_with(letter))
}

/// Whether a character begins what was asked for before, while it is not known yet whether that is asked for again.
pub(in crate::tui) fn may_begin_answer(model: &Model, letter: char) -> bool {
    matches!(gate(model), Gate::Asking(_))
        && model.review.asked.iter().any(|text| text.starts_with(letter))
        && !begins_answer(model, letter)
}

/// The key of a command, where its letter may begin what is to be typed.
pub(in crate::tui) fn command_key(model: &Model, letter: char) -> String {
    if begins_answer(model, letter) { format!("Alt-{letter}") } else { letter.to_string() }
}
