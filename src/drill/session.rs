//! An exercise under way: the range, the clock that can stand still, what happened so far, and what is still to come.
//! Everybody who has a part in it (the world, the coach, a game master) shares one.

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

/// What a line of the timeline is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The wizard came to another step.
    Step,
    /// Members were asked.
    Asked,
    /// A source was chosen, or a snapshot saved.
    Source,
    /// The trainee had something done at a host.
    Hand,
    /// Something happened.
    Inject,
    /// The game master said something.
    Note,
    /// The coach said something because a mistake showed.
    Hint,
    /// The trainee asked the coach.
    Tip,
    /// A fence was overridden.
    Override,
    /// A restore was begun, or a member stands, or could not be built.
    Restore,
    /// The wizard says whether what came up is as planned.
    Proof,
    /// The clock stood still, or went on.
    Pause,
    /// The exercise was ended.
    End,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// Milliseconds of the exercise's clock.
    pub at_ms: u64,
    /// What it is about.
    pub what: What,
    /// In words.
    pub text: String,
}

/// Somebody who hears every line of the timeline as it is written.
pub trait Listener: Send + std::fmt::Debug {
    /// A line was written.
    fn hears(&self, happened: &Happened);
}

/// What reaches the trainee away from the wizard, at the coach's desk or over the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraineeInput {
    /// What was typed, without its end.
    Typed(String),
    /// The terminal is gone, or a signal asks to end.
    Hung,
    /// Somebody says something.
    Told(String),
    /// The exercise was ended from outside.
    Ended,
}

/// An exercise under way.
#[derive(Debug)]
pub struct Exercise(Mutex<State>);

/// All that it knows.
#[derive(Debug)]
pub struct State {
    /// The range.
    pub range: Lab,
    /// This machine.
    pub system: Arc<Local>,
    /// What of it the exercise may touch.
    pub bounds: Bounds,
    /// Its clock.
    pub clock: Clock,
    /// What the wizard showed last.
    pub seen: ScreenFacts,
    /// Everything that happened, in order.
    pub timeline: Vec<Happened>,
    /// When each step was reached first.
    pub reached: BTreeMap<Step, Duration>,
    /// Names of the injects that came.
    pub came: BTreeSet<String>,
    /// What cannot be undone and happened.
    pub failed: Vec<String>,
    /// The sentence that the trainee heard last, and when, until it was read.
    pub heard: Option<(Duration, String)>,
    /// Hints that were shown, in order.
    pub hinted: Vec<String>,
    /// How many tips were given at each step.
    pub tips: BTreeMap<Step, usize>,
    /// How often the members were asked, all at once.
    pub asked: u32,
    /// True once it was asked whether an old member still answers.
    pub knocked: bool,
    /// True once a snapshot was saved from a member.
    pub saved: bool,
    /// Names of the old members that ran when a restore was begun; none before that.
    pub ran_at_begin: Option<Vec<String>>,
    /// Texts that were typed to lift fences.
    pub overridden: Vec<String>,
    /// The token of the plan that is being carried out, and who of it stands.
    pub standing: (String, BTreeSet<String>),
    /// True once it was ended from outside.
    pub ended: bool,
    /// True where nobody watches: waiting puts the clock forward instead.
    pub hurried: bool,
    /// Who hears of every line.
    pub listener: Option<Box<dyn Listener>>,
    /// Where the trainee listens while away from the wizard.
    pub desk: Option<Sender<TraineeInput>>,
}

impl Exercise {
    /// Begins one on a range, with `bounds` around it.
    pub fn begin(range: Lab, system: Arc<Local>, bounds: Bounds) -> Exercise {
        Exercise(Mutex::new(State {
            range,
            system,
            bounds,
            clock: Clock::default(),
            seen: ScreenFacts::default(),
            timeline: Vec::new(),
            reached: BTreeMap::new(),
            came: BTreeSet::new(),
            failed: Vec::new(),
            heard: None,
            hinted: Vec::new(),
            tips: BTreeMap::new(),
            asked: 0,
            knocked: false,
            saved: false,
            ran_at_begin: None,
            overridden: Vec::new(),
            standing: Default::default(),
            ended: false,
            hurried: false,
            listener: None,
            desk: None,
        }))
    }

    /// All that it knows, nobody else at it meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Milliseconds of its clock.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes a line of the timeline.
    pub fn note(&mut self, what: What, text: impl Into<String>) {
        let happened = Happened { at_ms: self.now_ms(), what, text: text.into() };
        if let Some(listener) = &self.listener {
            listener.hears(&happened);
        }
        self.timeline.push(happened);
    }

    /// Somebody outside says something: it stands at the foot of the wizard, and at the desk it is printed at once.
    pub fn call(&mut self, text: &str) {
        self.hears(text);
        let words = self.range.expand(text);
        self.at_desk(TraineeInput::Told(words));
    }

    /// Ends the exercise from outside.
    pub fn end(&mut self, text: &str) {
        self.note(What::End, text);
        self.ended = true;
        self.at_desk(TraineeInput::Ended);
    }

    fn at_desk(&self, line: TraineeInput) {
        if let Some(desk) = &self.desk {
            // who left it meanwhile reads it in the wizard
            let _ = desk.send(line);
        }
    }

    /// The trainee hears a sentence; the timeline does not tell of it.
    pub fn hears(&mut self, text: &str) {
        self.heard = Some((self.clock.elapsed(), text.into()));
    }

    /// Something is said to the trainee.
    pub fn tell(&mut self, what: What, text: &str) {
        self.note(what, text);
        self.hears(text);
    }

    /// The trainee has something done at a host; what came of it comes back.
    ///
    /// # Errors
    /// When it is none of the scenario's hands, or cannot be done.
    pub fn hand(&mut self, act: &Act) -> Result<String> {
        let Some(hand) = self.range.scenario().hands.iter().find(|hand| hand.act == *act).cloned() else {
            let all: Vec<String> = self.range.scenario().hands.iter().map(|hand| hand.act.to_string()).collect();
            let hint = if all.is_empty() { "Nothing can.".into() } else { format!("There is: {}.", all.join("; ")) };
            return Err(Error::new(ErrorKind::Usage, format!("\"{act}\" cannot be done here")).hint(hint));
        };
        if !hand.in_vain {
            self.range.act(&hand.act)?;
        }
        self.note(What::Hand, format!("{}: {}", hand.act, hand.gives));
        self.hears(&hand.gives);
        self.stir();
        Ok(hand.gives)
    }

    /// Lets an inject come now.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be done.
    pub fn inject(&mut self, name: &str) -> Result<()> {
        let Some(inject) = self.range.scenario().injects.iter().find(|i| i.name == name).cloned() else {
            let all: Vec<String> = self.range.scenario().injects.iter().map(|i| i.name.clone()).collect();
            return Err(Error::new(ErrorKind::Usage, format!("there is no inject called {name:?}"))
                .hint(format!("There is: {}.", all.join(", "))));
        };
        self.let_come(&inject)
    }

    fn let_come(&mut self, inject: &Inject) -> Result<()> {
        if !self.came.insert(inject.name.clone()) {
            return Ok(());
        }
        for act in &inject.acts {
            self.range.act(act)?;
        }
        let said = if inject.says.is_empty() { "the trainee hears nothing of it" } else { &inject.says };
        self.note(What::Inject, format!("{}: {said}", inject.name));
        if !inject.says.is_empty() {
            self.call(&inject.says);
        }
        Ok(())
    }

    /// Looks whether something is due: injects, and what cannot be undone. Called after everything that happens.
    pub fn stir(&mut self) {
        if self.clock.stands() {
            return;
        }
        let scenario = self.range.scenario().clone();
        for inject in &scenario.injects {
            let due = !self.came.contains(&inject.name) && self.holds(&inject.when);
            if due && let Err(trouble) = self.let_come(inject) {
                self.note(What::Inject, format!("{} did not come: {trouble}", inject.name));
            }
        }
        for fail in &scenario.fails {
            if !self.failed.contains(&fail.says) && self.holds(&fail.when) {
                self.failed.push(fail.says.clone());
            }
        }
    }

    /// A restore is begun.
    pub fn begun(&mut self) {
        if self.ran_at_begin.is_some() {
            return;
        }
        let names = self.range.scenario().members.iter().map(|m| m.name.clone());
        let ran: Vec<String> = names.filter(|name| self.range.runs(name)).collect();
        let words = if ran.is_empty() { String::new() } else { format!("; {} still ran", ran.join(", ")) };
        self.note(What::Restore, format!("a restore was begun{words}"));
        self.ran_at_begin = Some(ran);
        self.stir();
    }

    /// Whether a condition holds now.
    pub fn holds(&self, condition: &Condition) -> bool {
        condition.facts.iter().all(|(fact, wanted)| self.fact(fact).0 == *wanted)
    }

    /// What is true of a fact, with what shows it.
    pub fn fact(&self, fact: &Fact) -> (bool, String) {
        objectives::fact(self, fact)
    }
}
