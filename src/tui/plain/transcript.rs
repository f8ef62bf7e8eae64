//! What is printed: what changed since the last time, as whole lines. Nothing that was printed is erased.

use super::{
    answer::asks,
    choices::{Choice, choices},
    page::{Shown, gist, notes, shown},
};
use crate::tui::state::{key::Place, model::Model};

/// What was printed last.
#[derive(Default)]
pub(super) struct Transcript {
    shown: Shown,
    offered: Vec<Choice>,
    /// True while the last line is a question, without an end.
    asking: bool,
}

/// How a wizard of lines is used; its first lines.
const INTRO: &str = "requorum in plain lines. Answer with a number, or with the key in parentheses, and Enter. An empty line \
                     reads everything again.";

/// What made it look.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The operator typed something.
    Asked,
    /// Something happened, or is under way.
    Happened,
}

impl Transcript {
    /// The choices that were listed last.
    pub(super) fn offered(&self) -> &[Choice] {
        &self.offered
    }

    /// Whether where the keyboard is was printed: what is typed answers what can be read.
    pub(super) fn is_current(&self, model: &Model) -> bool {
        self.shown.place == Some((model.step, model.place()))
    }

    /// Forgets what was printed, so that all of it is printed again.
    pub(super) fn forget(&mut self) {
        let place = self.shown.place;
        self.shown = Shown { place, ..Shown::default() };
        self.offered.clear();
    }

    /// The line was ended by the operator, or by what was typed for him.
    pub(super) fn answered(&mut self) {
        self.asking = false;
        // the same refusal twice is news twice
        self.shown.status = None;
    }

    /// Whether the notes of the step are others than those that were printed.
    pub(super) fn hears(&self, model: &Model) -> bool {
        let now = notes(model);
        now.iter().any(|note| !self.shown.notes.iter().any(|old| gist(old) == gist(note)))
    }

    /// A sentence of its own.
    pub(super) fn say(&mut self, words: &str) -> String {
        let begun = if self.asking { "\n" } else { "" };
        self.asking = false;
        format!("{begun}{words}\n")
    }

    /// What is printed of the model now; nothing where that is nothing new. `settled` where nothing is under way.
    pub(super) fn news(&mut self, model: &Model, cause: Cause, settled: bool) -> String {
        let now = shown(model);
        let mut out = Vec::new();
        if self.shown.place.is_none() {
            out.push(INTRO.to_string());
        }
        let step = |shown: &Shown| shown.place.map(|(step, _)| step);
        if step(&now) != step(&self.shown) {
            out.push(String::new());
            out.extend(now.body.iter().cloned());
        } else {
            let new = fresh(&self.shown.body, &now.body);
            // what looks again by itself and sees other figures says so when it is asked
            let figures = cause == Cause::Happened && settled && same_gist(&self.shown.body, &now.body);
            if !figures {
                out.extend(new);
            }
        }
        let (was, is): (Vec<String>, Vec<String>) =
            (self.shown.notes.iter().map(|n| gist(n)).collect(), now.notes.iter().map(|n| gist(n)).collect());
        out.extend(now.notes.iter().zip(is).filter(|(_, gist)| !was.contains(gist)).map(|(note, _)| note.clone()));
        if now.status != self.shown.status {
            out.extend(now.status.clone());
        }
        if now.place != self.shown.place && !now.window.is_empty() {
            out.push(String::new());
            out.extend(now.window.iter().cloned());
        } else {
            out.extend(fresh(&self.shown.window, &now.window));
        }
        let offered = choices(model);
        if offered != self.offered && closes_itself(model).is_none() {
            out.extend(offered.iter().enumerate().map(|(at, choice)| choice.line(at + 1)));
            self.offered = offered;
        }
        let kept = out.iter().any(|line| !line.is_empty());
        self.shown = now;
        if !kept && (cause == Cause::Happened || self.asking) {
            return String::new();
        }
        let begun = if self.asking && kept { "\n" } else { "" };
        let lines: String = if kept { out.iter().map(|line| format!("{line}\n")).collect() } else { String::new() };
        self.asking = closes_itself(model).is_none();
        let question = if self.asking { asks(model, &self.offered) } else { String::new() };
        format!("{begun}{lines}{question}")
    }
}

/// A window that is only read: it is closed as soon as it was printed.
pub(super) fn closes_itself(model: &Model) -> Option<()> {
    matches!(model.place(), Place::Help | Place::Details).then_some(())
}

/// The lines that were not there before.
fn fresh(before: &[String], now: &[String]) -> Vec<String> {
    let mut before: Vec<&String> = before.iter().collect();
    let is_new = |line: &&String| match before.iter().position(|old| old == line) {
        Some(at) => {
            before.remove(at);
            false
        }
        None => true,
    };
    now.iter().filter(is_new).cloned().collect::<Vec<_>>()
}

/// Whether two pages differ in figures only.
fn same_gist(before: &[String], now: &[String]) -> bool {
    before.len() == now.len() && before.iter().zip(now).all(|(before, now)| gist(before) == gist(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::{
        state::step::Step,
        tests::{at_members, at_review, press, started},
    };
    use crossterm::event::KeyCode;

    #[test]
    fn only_what_changed_is_printed() {
        let (mut model, _) = started();
        model.look.plain = true;
        let mut transcript = Transcript::default();
        let first = transcript.news(&model, Cause::Happened, true);
        assert!(first.starts_with("requorum in plain lines") && first.contains("Step 1 of 7: Detect."), "{first}");
        transcript.answered();
        assert_eq!(transcript.news(&model, Cause::Asked, true).lines().count(), 1, "only the question");
        assert_eq!(transcript.news(&model, Cause::Happened, true), "", "nothing new");
        transcript.answered();
        press(&mut model, KeyCode::Char('t'));
        let refused = transcript.news(&model, Cause::Asked, true);
        transcript.answered();
        press(&mut model, KeyCode::Char('t'));
        assert_eq!(transcript.news(&model, Cause::Asked, true), refused, "a refusal is printed each time");
        transcript.forget();
        assert!(transcript.is_current(&model));
        assert!(transcript.news(&model, Cause::Asked, true).contains("Step 1 of 7: Detect."));
        press(&mut model, KeyCode::Char('q'));
        assert!(!transcript.is_current(&model), "the question was not printed yet");
        transcript.news(&model, Cause::Asked, true);
        assert!(transcript.is_current(&model));
    }

    #[test]
    fn a_note_is_printed_once() {
        let (mut model, _) = started();
        let note = |words: &str| vec![(Step::Detect, words.to_string())];
        model.options.notes = note("00:01 of practice, look around");
        let mut transcript = Transcript::default();
        assert!(transcript.news(&model, Cause::Happened, true).contains("look around"));
        transcript.answered();
        model.options.notes = note("00:59 of practice, look around");
        assert!(!transcript.hears(&model), "only the clock");
        assert!(!transcript.news(&model, Cause::Asked, true).contains("look around"));
        model.options.notes = note("00:59 of practice, look elsewhere");
        assert!(transcript.hears(&model));
        assert!(transcript.news(&model, Cause::Happened, true).contains("look elsewhere"));
    }

    #[test]
    fn lines_have_no_boxes_and_nothing_is_cut() {
        for mut model in [started().0, at_members(), at_review()] {
            model.look.plain = true;
            let text = Transcript::default().news(&model, Cause::Happened, true);
            assert!(!text.contains(['─', '│', '▸', '↓', '✔', '✖', '…']), "{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
    }
}
