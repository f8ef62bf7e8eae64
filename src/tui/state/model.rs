//! Everything that the wizard knows.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    detect, hosts,
    key::{Action, Place},
    launch,
    leaving::{Leaving, WrittenPath},
    members,
    options::Options,
    prompt::{Ask, Prompt},
    restore, resume, review, snapshot,
    step::Step,
    verify,
};
use crate::{
    domain::model::observations::Answer,
    error::Error,
    tui::widgets::remedies,
    tui::widgets::{
        text_input::Field,
        theme::{Look, Tone},
    },
};

/// What the header says of a wizard that acts on real machines.
pub const REAL: &str = "REAL";

/// A window over the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// The keys of the place below.
    Help,
    /// The details of what is selected in the step below.
    Details,
    /// Leave?
    Quit,
    /// Take the selected file although it carries no checksum?
    Unhashed,
    /// Stop the restore?
    Stop,
    /// Write a key?
    Canary,
    /// Start a member?
    Start,
    /// Replace the table by what was pasted?
    Pasted,
    /// Dry run of the plan?
    Rehearse,
    /// Resume an earlier run?
    Unfinished,
    /// Make a new token?
    Token,
    /// Do this, although something would be lost or another plan meant by it?
    Sure(Action),
    /// All actions of the step, in a list.
    Menu,
    /// This was asked for and waits for something that is under way. No other key acts meanwhile: what is typed ahead
    /// is not taken for commands.
    Held(Action),
}

/// What the arrows, Enter and Tab act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Focus {
    /// The step itself.
    #[default]
    Body,
    /// A button at its foot, from the left.
    Button(usize),
}

/// A line above the footer: the answer to the last key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How it looks.
    pub tone: Tone,
    /// What it says, a sentence.
    pub text: String,
    /// The keys that it names.
    pub keys: Vec<Action>,
}

/// Everything the wizard knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What it was started from.
    pub options: Options,
    /// `REAL` or `DRILL`.
    pub environment: String,
    /// How it is drawn.
    pub look: Look,
    /// Where we are.
    pub step: Step,
    /// The window over it, if any.
    pub overlay: Option<Overlay>,
    /// How far the window is scrolled.
    pub scroll: usize,
    /// The selected line of the menu.
    pub pick: usize,
    /// True while the answer of a question that acts is the selected one.
    pub yes: bool,
    /// What the arrows and Enter act on in the step.
    pub focus: Focus,
    /// How far the step's text is scrolled.
    pub below: usize,
    /// The text that the step's list is filtered by; empty for all.
    pub filter: String,
    /// The terminal's columns and lines, for the bounds of scrolling only.
    pub size: (u16, u16),
    /// The open text field, if any.
    pub prompt: Option<Prompt>,
    /// The answer to the last key.
    pub status: Option<Status>,
    /// Milliseconds since the start.
    pub now_ms: u64,
    /// When it was started, seconds since 1970.
    pub started: i64,
    /// What the operator calls the cluster.
    pub label: String,
    /// True once the label is the operator's, or in use: proposals no longer change it.
    pub label_settled: bool,
    /// Step 1.
    pub detect: detect::State,
    /// Step 2.
    pub snapshot: snapshot::State,
    /// Step 3.
    pub members: members::State,
    /// The hosts of the table.
    pub hosts: hosts::State,
    /// Step 4.
    pub review: review::State,
    /// Step 5.
    pub restore: restore::State,
    /// Step 6.
    pub launch: launch::State,
    /// Step 7.
    pub proof: verify::State,
    /// Runs that were begun earlier.
    pub unfinished: resume::State,
    /// What was written so far, a path and what it is.
    pub written: Vec<(PathBuf, WrittenPath)>,
    /// How far leaving has come.
    pub leaving: Leaving,
    /// The effects that have not answered yet.
    pub(in crate::tui) under_way: BTreeSet<u64>,
    /// The last ID given to an effect.
    last_id: u64,
}

impl Model {
    /// The wizard before its first message. `environment` is what the header says all the time.
    pub fn new(options: Options, environment: &str) -> Self {
        let given = options.label.clone().or_else(|| options.plan.as_ref().map(|p| p.label.clone()));
        let mut model = Model {
            look: Look { mono: options.mono, ascii: options.ascii, plain: options.plain },
            environment: environment.to_string(),
            step: Step::Detect,
            overlay: None,
            scroll: 0,
            pick: 0,
            yes: false,
            focus: Focus::Body,
            below: 0,
            filter: String::new(),
            size: (80, 24),
            prompt: None,
            status: None,
            now_ms: 0,
            started: 0,
            label_settled: given.is_some(),
            label: given.unwrap_or_default(),
            detect: detect::State::new(&options.endpoints, &options.data_dirs),
            snapshot: snapshot::State::default(),
            members: members::State::new(&options),
            hosts: hosts::State::default(),
            review: review::State::default(),
            restore: restore::State::default(),
            launch: launch::State::default(),
            proof: verify::State::default(),
            unfinished: resume::State::default(),
            written: Vec::new(),
            leaving: Leaving::No,
            under_way: BTreeSet::new(),
            last_id: 0,
            options,
        };
        model.propose_label();
        model
    }

    /// A new ID for an effect.
    pub(in crate::tui) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The time now, seconds since 1970.
    pub fn now(&self) -> i64 {
        self.started.saturating_add(i64::try_from(self.now_ms / 1000).unwrap_or(0))
    }

    /// True where the machines are not real ones.
    pub fn is_practice(&self) -> bool {
        self.environment != REAL
    }

    /// Where the keyboard is.
    pub fn place(&self) -> Place {
        match self.overlay {
            Some(Overlay::Help) => Place::Help,
            Some(Overlay::Details) => Place::Details,
            Some(Overlay::Quit) => Place::AskQuit,
            Some(Overlay::Unhashed) => Place::AskUnhashed,
            Some(Overlay::Stop) => Place::AskStop,
            Some(Overlay::Canary) => Place::AskCanary,
            Some(Overlay::Start) => Place::AskStart,
            Some(Overlay::Pasted) => Place::AskPaste,
            Some(Overlay::Rehearse) => Place::AskRehearse,
            Some(Overlay::Unfinished) => Place::AskUnfinished,
            Some(Overlay::Token) => Place::AskToken,
            Some(Overlay::Held(_)) => Place::Held,
            Some(Overlay::Menu) => Place::Menu,
            Some(Overlay::Sure(_)) => Place::AskSure,
            None if self.prompt.is_some() => Place::Field,
            None => self.step.place(),
        }
    }

    /// When Detect asks the members again, in milliseconds as [`now_ms`](Self::now_ms); none in the other steps, and while
    /// something is asked, typed or awaited.
    pub fn look_due_at(&self) -> Option<u64> {
        let state = &self.detect;
        let quiet = self.overlay.is_none() && self.prompt.is_none() && !state.is_looking() && state.again.is_none();
        let at = state.asked_at.filter(|_| quiet && self.step == Step::Detect && self.leaving == Leaving::No)?;
        Some(at.saturating_add(detect::AGAIN_MS))
    }

    /// True while something on the screen changes by itself, so that ticks are wanted.
    pub fn animates(&self) -> bool {
        self.detect.asking() > 0
            || self.snapshot.busy()
            || self.restore.running()
            || self.proof.running()
            || self.hosts.asking()
            || self.review.asking()
            || self.prompt.as_ref().is_some_and(|p| p.ask.confirms() && !p.armed(self.now_ms))
    }

    /// True when nothing will change before the next key: no effect is under way, and nothing on the screen moves.
    pub fn at_rest(&self) -> bool {
        self.under_way.is_empty() && !self.animates()
    }

    /// Puts a sentence above the footer.
    pub(in crate::tui) fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.status = Some(Status { tone, text: text.into(), keys: Vec::new() });
    }

    /// Names these keys in the footer as long as the sentence above it is shown, which speaks of them.
    pub(in crate::tui) fn with_keys(&mut self, keys: &[Action]) {
        if let Some(status) = &mut self.status {
            status.keys = keys.to_vec();
        }
    }

    /// Shows an error above the footer.
    pub(in crate::tui) fn say_error(&mut self, error: &Error) {
        self.say(Tone::Bad, remedies::on_one_line(error));
    }

    /// Opens a text field with `text` in it.
    pub(in crate::tui) fn ask(&mut self, ask: Ask, text: impl Into<String>) {
        self.prompt = Some(Prompt { ask, field: Field::new(text), touched_ms: self.now_ms });
    }

    /// Opens a window.
    pub(in crate::tui) fn open(&mut self, overlay: Overlay) {
        self.overlay = Some(overlay);
        (self.scroll, self.pick, self.yes) = (0, 0, false);
    }

    /// Proposes a label from what is known, until it is the operator's own or in use.
    pub(in crate::tui) fn propose_label(&mut self) {
        if !self.label_settled {
            let content = self.snapshot.content();
            let facts = self.detect.facts();
            let answered = facts.iter().filter_map(|facts| match &facts.answer {
                Answer::Says(says) => Some(says.cluster_id),
                _ => None,
            });
            let ids: Vec<_> = answered.collect();
            let sha256 = content.as_ref().map(|content| content.sha256.as_str());
            let given = self.options.label.as_deref().or_else(|| self.unfinished.label(&ids, sha256));
            self.label = crate::domain::members::prefill::label(given, &facts, content.as_ref());
        }
    }
}
