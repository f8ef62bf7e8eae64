//! Runs that were begun and did not end as they were to: shown at the start, to go on with or to leave.

use std::path::PathBuf;

use super::{
    super::{
        app::{Effect, Model, Overlay},
        theme::Tone,
    },
    Step, restore, review,
};
use crate::{
    recovery::resume::{self, Unfinished},
    trouble::Result,
    tui::text,
    world::journal::Record,
};

/// What is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The effect that reads the journals.
    reading: Option<u64>,
    /// Each with its journal, the one begun last first.
    pub runs: Vec<(PathBuf, Unfinished)>,
}

/// Reads the journals.
pub(in crate::tui) fn look(model: &mut Model) -> Option<Effect> {
    let dir = model.options.journals.clone();
    if dir.as_os_str().is_empty() {
        return None;
    }
    let id = model.id();
    model.unfinished.reading = Some(id);
    Some(Effect::Journals { id, dir })
}

/// What they tell. The question stands over nothing else: once the operator is on the way, a key on Detect shows it.
pub(in crate::tui) fn found(model: &mut Model, id: u64, found: Vec<(PathBuf, Result<Vec<Record>>)>) {
    if model.unfinished.reading != Some(id) {
        return;
    }
    model.unfinished.reading = None;
    let mut runs = Vec::new();
    for (path, records) in found {
        match records {
            Ok(records) => runs.extend(resume::standing(&records).map(|run| (path, run))),
            Err(trouble) => {
                let words = format!("{}: {}", trouble.what, trouble.why);
                model.say(Tone::Warn, text::sentence(&words));
            }
        }
    }
    runs.sort_by(|a: &(PathBuf, Unfinished), b| b.1.since.cmp(&a.1.since));
    model.unfinished.runs = runs;
    let idle = model.step == Step::Detect && model.overlay.is_none() && model.prompt.is_none();
    if idle && !model.unfinished.runs.is_empty() {
        model.open(Overlay::Unfinished);
    }
}

/// Goes on with the run begun last.
pub(in crate::tui) fn go_on(model: &mut Model) -> Vec<Effect> {
    let Some((_, run)) = model.unfinished.runs.first().cloned() else { return Vec::new() };
    if !run.undoes() {
        return review::go_on(model, run.plan);
    }
    model.label.clone_from(&run.plan.label);
    model.label_settled = true;
    restore::taking_back(model, run.plan);
    Vec::new()
}

/// The question's heading and lines.
pub(in crate::tui) fn words(model: &Model) -> (String, Vec<String>) {
    let title = "A restore was begun and is not complete".to_string();
    let Some((path, run)) = model.unfinished.runs.first() else { return (title, Vec::new()) };
    let what = if run.undoes() { "was being taken back" } else { "was begun" };
    let mut lines = vec![format!(
        "Plan {} of {} {what} by {}, {} UTC.",
        run.plan.short_id(),
        run.plan.label,
        run.who,
        run.since.replace('T', " ").trim_end_matches('Z')
    )];
    lines.push(match &run.ended {
        Some(text) => format!("It ended: {text}."),
        None => "How it ended is not written down: it was cut off, or is still at work somewhere else.".into(),
    });
    lines.push(String::new());
    for (name, last) in &run.members {
        let last = last.as_deref().and_then(|text| text.lines().next()).unwrap_or("nothing is written down of it");
        lines.push(format!("{name}  {last}"));
    }
    lines.push(String::new());
    lines.push(match run.undoes() {
        true => "Going on takes its members out of their places, after you typed the label.".into(),
        false => {
            "Going on looks at every host again and begins at the first act whose result is not there; nothing is done \
             before you typed the label."
                .to_string()
        }
    });
    lines.push(format!("Its journal: {}", path.display()));
    match model.unfinished.runs.len() {
        1 => {}
        2 => lines.push("1 other run is not complete; requorum resume goes on with it.".into()),
        many => lines.push(format!("{} other runs are not complete; requorum resume goes on with them.", many - 1)),
    }
    (title, lines)
}
