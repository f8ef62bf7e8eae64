//! A running exercise: the lab, the clock, the timeline, and the injects still to come. The sandbox, the coach and the
//! instructor share one.

pub mod clock;
pub mod objectives;
pub mod screen_facts;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Sender},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use self::{clock::Clock, screen_facts::ScreenFacts};
use super::{
    lab::Lab,
    sandbox::Bounds,
    scenario::{Act, Condition, Fact, Inject},
};
use crate::{
    error::{Error, ErrorKind, Result},
    system::local::Local,
    tui::Step,
};

/// The kind of a timeline line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The wizard went to another step.
    Step,
    /// Members were probed.
    Asked,
    /// A source was chosen, or a snapshot saved.
    Source,
    /// The trainee had something done at a host.
    #[serde(alias = "hand")]
    Action,
    /// An inject happened.
    Inject,
    /// The instructor sent a message.
    Note,
    /// A hint was shown because of a mistake.
    Hint,
    /// The trainee asked for a hint.
    Tip,
    /// A blocker was overridden.
    Override,
    /// A restore was started, or a member was installed, or could not be built.
    Restore,
    /// The wizard finished a verification.
    Proof,
    /// The exercise was paused or resumed.
    Pause,
    /// The exercise was ended.
    End,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// Milliseconds on the exercise's clock.
    pub at_ms: u64,
    /// Its kind.
    pub what: What,
    /// Its text.
    pub text: String,
}

/// Receives every line of the timeline.
pub trait Listener: Send + std::fmt::Debug {
    /// Is called for every new line.
    fn on_line(&self, happened: &Happened);
}

/// What reaches the trainee outside the wizard: in the pause menu, or while the story is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraineeInput {
    /// A typed line, without its end.
    Typed(String),
    /// The terminal is closed, or a signal asks to end.
    Hung,
    /// A message from the instructor or of an inject.
    Told(String),
    /// The instructor ended the exercise.
    Ended,
}

/// A running exercise.
#[derive(Debug)]
pub struct Exercise(Mutex<State>);

/// The state of an exercise.
#[derive(Debug)]
pub struct State {
    /// The lab.
    pub lab: Lab,
    /// This machine.
    pub system: Arc<Local>,
    /// What of it the exercise may touch.
    pub bounds: Bounds,
    /// The clock.
    pub clock: Clock,
    /// What the wizard shows.
    pub seen: ScreenFacts,
    /// Everything that happened, in order.
    pub timeline: Vec<Happened>,
    /// When each step was first reached.
    pub reached: BTreeMap<Step, Duration>,
    /// Names of the injects that happened.
    pub triggered: BTreeSet<String>,
    /// Unsafe acts, which cannot be undone.
    pub failed: Vec<String>,
    /// The last message to the trainee and its time, until it was read.
    pub heard: Option<(Duration, String)>,
    /// Hints that were shown, in order.
    pub hinted: Vec<String>,
    /// How many hints were asked for at each step.
    pub tips: BTreeMap<Step, usize>,
    /// How often the members were probed.
    pub asked: u32,
    /// True once the old members were probed before the restore.
    pub probed: bool,
    /// True once a snapshot was saved from a member.
    pub saved: bool,
    /// Names of the old members that ran when a restore was started; none before that.
    pub ran_at_begin: Option<Vec<String>>,
    /// Override texts that were typed.
    pub overridden: Vec<String>,
    /// The token of the plan that is being executed, and the names of its installed members.
    pub installed: (String, BTreeSet<String>),
    /// True once the instructor ended it.
    pub ended: bool,
    /// True if no person is waiting: pauses move the clock forward instead.
    pub hurried: bool,
    /// Receives every line of the timeline.
    pub listener: Option<Box<dyn Listener>>,
    /// Where messages go while the trainee is outside the wizard.
    pub desk: Option<Sender<TraineeInput>>,
}

impl Exercise {
    /// Begins one on a lab, with `bounds` around it.
    pub fn begin(lab: Lab, system: Arc<Local>, bounds: Bounds) -> Exercise {
        Exercise(Mutex::new(State {
            lab,
            system,
            bounds,
            clock: Clock::default(),
            seen: ScreenFacts::default(),
            timeline: Vec::new(),
            reached: BTreeMap::new(),
            triggered: BTreeSet::new(),
            failed: Vec::new(),
            heard: None,
            hinted: Vec::new(),
            tips: BTreeMap::new(),
            asked: 0,
            probed: false,
            saved: false,
            ran_at_begin: None,
            overridden: Vec::new(),
            installed: Default::default(),
            ended: false,
            hurried: false,
            listener: None,
            desk: None,
        }))
    }

    /// Locks the state.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the milliseconds on the clock.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Adds a line to the timeline.
    pub fn note(&mut self, what: What, text: impl Into<String>) {
        let happened = Happened { at_ms: self.now_ms(), what, text: text.into() };
        if let Some(listener) = &self.listener {
            listener.on_line(&happened);
        }
        self.timeline.push(happened);
    }

    /// Shows a message from outside: at the foot of the wizard, or in the pause menu.
    pub fn announce(&mut self, text: &str) {
        self.show(text);
        let words = self.lab.expand(text);
        self.send_outside(TraineeInput::Told(words));
    }

    /// Ends the exercise on the instructor's request.
    pub fn end(&mut self, text: &str) {
        self.note(What::End, text);
        self.ended = true;
        self.send_outside(TraineeInput::Ended);
    }

    fn send_outside(&self, line: TraineeInput) {
        if let Some(desk) = &self.desk {
            // if the trainee is back in the wizard, it is shown there
            let _ = desk.send(line);
        }
    }

    /// Shows the trainee a message, without a line in the timeline.
    pub fn show(&mut self, text: &str) {
        self.heard = Some((self.clock.elapsed(), text.into()));
    }

    /// Does something at a host for the trainee. Returns the answer.
    ///
    /// # Errors
    /// If it is not among the scenario's actions, or fails.
    pub fn act_at_host(&mut self, act: &Act) -> Result<String> {
        let actions = &self.lab.scenario().actions;
        let Some(action) = actions.iter().find(|action| action.act == *act).cloned() else {
            let all: Vec<String> = actions.iter().map(|action| action.act.to_string()).collect();
            let hint = match all.is_empty() {
                true => "This exercise has no actions at the hosts.".into(),
                false => format!("Possible actions: {}.", all.join("; ")),
            };
            return Err(Error::new(ErrorKind::Usage, format!("\"{act}\": not possible in this exercise")).hint(hint));
        };
        if !action.no_effect {
            self.lab.act(&action.act)?;
        }
        self.note(What::Action, format!("{}: {}", action.act, action.gives));
        self.show(&action.gives);
        self.run_due_injects();
        Ok(action.gives)
    }

    /// Triggers an inject now.
    ///
    /// # Errors
    /// If no inject has that name, or it fails.
    pub fn inject(&mut self, name: &str) -> Result<()> {
        let Some(inject) = self.lab.scenario().injects.iter().find(|i| i.name == name).cloned() else {
            let all: Vec<String> = self.lab.scenario().injects.iter().map(|i| i.name.clone()).collect();
            return Err(Error::new(ErrorKind::Usage, format!("{name:?}: no such inject"))
                .hint(format!("Injects: {}.", all.join(", "))));
        };
        self.trigger(&inject)
    }

    fn trigger(&mut self, inject: &Inject) -> Result<()> {
        if !self.triggered.insert(inject.name.clone()) {
            return Ok(());
        }
        for act in &inject.acts {
            self.lab.act(act)?;
        }
        let shown = if inject.says.is_empty() { "the trainee is not told" } else { &inject.says };
        self.note(What::Inject, format!("{}: {shown}", inject.name));
        if !inject.says.is_empty() {
            self.announce(&inject.says);
        }
        Ok(())
    }

    /// Triggers the injects that are due and records unsafe acts. To be called after every event.
    pub fn run_due_injects(&mut self) {
        if self.clock.is_stopped() {
            return;
        }
        let scenario = self.lab.scenario().clone();
        for inject in &scenario.injects {
            let due = !self.triggered.contains(&inject.name) && self.holds(&inject.when);
            if due && let Err(error) = self.trigger(inject) {
                self.note(What::Inject, format!("{} failed: {error}", inject.name));
            }
        }
        for fail in &scenario.fails {
            if !self.failed.contains(&fail.says) && self.holds(&fail.when) {
                self.failed.push(fail.says.clone());
            }
        }
    }

    /// Records that a restore is started.
    pub fn begun(&mut self) {
        if self.ran_at_begin.is_some() {
            return;
        }
        let names = self.lab.scenario().members.iter().map(|m| m.name.clone());
        let ran: Vec<String> = names.filter(|name| self.lab.runs(name)).collect();
        let words = if ran.is_empty() { String::new() } else { format!("; {} still running", ran.join(", ")) };
        self.note(What::Restore, format!("a restore was started{words}"));
        self.ran_at_begin = Some(ran);
        self.run_due_injects();
    }

    /// Returns whether a condition is true now.
    pub fn holds(&self, condition: &Condition) -> bool {
        condition.facts.iter().all(|(fact, wanted)| self.fact(fact).0 == *wanted)
    }

    /// Returns whether a fact is true, with the evidence.
    pub fn fact(&self, fact: &Fact) -> (bool, String) {
        objectives::fact(self, fact)
    }
}
