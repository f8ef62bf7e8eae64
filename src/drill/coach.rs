//! The coach: observes the wizard and supplies the notes at the foot of its steps. Its notes follow from the scenario and
//! from what the screen shows; it presses no key.

use std::{sync::Arc, time::Duration};

use super::{
    scenario::StepName,
    session::{Exercise, State, What, screen_facts::ScreenFacts},
};
use crate::{
    text::Shown,
    tui::{Model, Msg, Observer, Step, observer::Notes},
};

/// Observes one exercise.
#[derive(Debug)]
pub struct Coach {
    exercise: Arc<Exercise>,
    shown: Notes,
}

impl Coach {
    /// Makes the coach of `exercise`.
    pub fn new(exercise: Arc<Exercise>) -> Coach {
        Coach { exercise, shown: Vec::new() }
    }

    fn news(&mut self, notes: Notes) -> Option<Notes> {
        (notes != self.shown).then(|| {
            self.shown.clone_from(&notes);
            notes
        })
    }
}

impl Observer for Coach {
    fn saw(&mut self, model: &Model, msg: &Msg) -> Option<Notes> {
        let notes = {
            let mut state = self.exercise.lock();
            observe(&mut state, model, msg);
            state.run_due_injects();
            notes(&mut state, model.step)
        };
        self.news(notes)
    }

    fn asked(&mut self, model: &Model) -> Option<Notes> {
        let notes = {
            let mut state = self.exercise.lock();
            if tip(&mut state, model.step).is_none() {
                state.show("There are no more hints for this step.");
            }
            notes(&mut state, model.step)
        };
        self.news(notes)
    }

    fn ends(&self) -> bool {
        self.exercise.lock().ended
    }
}

/// Records what the screen shows now.
fn observe(state: &mut State, model: &Model, msg: &Msg) {
    let before = state.seen.clone();
    let now = state.clock.elapsed();
    let key_at = if matches!(msg, Msg::Key(_) | Msg::Paste(_)) { now } else { before.key_at };
    let seen = ScreenFacts::from_model(model, key_at);
    if seen.step != before.step {
        state.reached.entry(model.step).or_insert(now);
        state.note(What::Step, model.step.title());
    }
    if seen.asking && !before.asking {
        state.asked += 1;
        state.note(What::Asked, "the members were probed");
    }
    if seen.chosen != before.chosen
        && let Some(path) = &seen.chosen
    {
        let name = path.strip_prefix(state.lab.root()).unwrap_or(path).shown().to_string();
        state.note(What::Source, format!("chosen: {name}"));
    }
    if let Some(proof) = seen.proof.as_ref().filter(|proof| before.proof.as_ref() != Some(proof)) {
        state.note(What::Proof, proof.as_str());
    }
    for text in seen.overridden.iter().filter(|text| !before.overridden.contains(text)) {
        state.overridden.push(text.clone());
        state.note(What::Override, format!("a blocker was overridden with: {text}"));
    }
    state.seen = seen;
    // a key after a moment means that the message was read
    if state.heard.as_ref().is_some_and(|(at, _)| state.seen.key_at > *at + READ) {
        state.heard = None;
    }
}

/// Gives the next hint of a step, if there is one left.
pub(super) fn tip(state: &mut State, step: Step) -> Option<String> {
    let tips = state.lab.scenario().tips.get(&StepName(step)).cloned().unwrap_or_default();
    let given = state.tips.entry(step).or_insert(0);
    let tip = tips.get(*given)?.clone();
    *given += 1;
    let tip = state.lab.expand(&tip);
    state.note(What::Tip, tip.clone());
    Some(tip)
}

/// Returns the notes at the foot of `step`, the most important first.
fn notes(state: &mut State, step: Step) -> Notes {
    let scenario = state.lab.scenario().clone();
    let mut lines: Vec<String> =
        state.heard.iter().map(|(_, words)| format!("note: {}", state.lab.expand(words))).collect();
    let coach = |state: &State, words: &str| format!("coach: {}", state.lab.expand(words));
    let wrong: Vec<String> =
        scenario.hints.iter().filter(|hint| state.holds(&hint.when)).map(|h| h.says.clone()).collect();
    for says in &wrong {
        if !state.hinted.contains(says) {
            state.hinted.push(says.clone());
            state.note(What::Hint, says.clone());
        }
    }
    lines.extend(wrong.iter().map(|says| coach(state, says)));
    let tips = scenario.tips.get(&StepName(step)).map_or(&[][..], Vec::as_slice);
    let given = state.tips.get(&step).copied().unwrap_or(0);
    lines.extend(given.checked_sub(1).and_then(|at| tips.get(at)).map(|tip| coach(state, tip)));
    let note = match is_obeyed(state, step) {
        true => scenario.after.get(&StepName(step)),
        false => scenario.notes.get(&StepName(step)),
    };
    lines.extend(note.map(|note| coach(state, note)));
    lines.truncate(MOST);
    let seconds = state.clock.elapsed().as_secs();
    let more = if given < tips.len() { "! gives a hint; " } else { "" };
    lines.push(format!("clock: {:02}:{:02} of practice; {more}q pauses the drill.", seconds / 60, seconds % 60));
    Step::ALL.iter().flat_map(|at| lines.iter().map(|line| (*at, line.clone()))).filter(|(at, _)| *at == step).collect()
}

/// Whether what a step's note asks for is done.
fn is_obeyed(state: &State, step: Step) -> bool {
    let seen = &state.seen;
    match step {
        Step::Snapshot => seen.chosen.is_some() && seen.loses.unwrap_or(0) == 0,
        Step::Review => seen.ready,
        Step::Restore => seen.installed,
        Step::Proof => seen.proof.is_some(),
        Step::Detect | Step::Members | Step::Launch => false,
    }
}

/// The maximum number of notes at a step's foot, in addition to the clock.
const MOST: usize = 2;

/// The minimum time that a message is shown.
const READ: Duration = Duration::from_secs(2);
