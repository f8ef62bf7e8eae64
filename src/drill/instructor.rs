//! The instructor: a person at a second terminal who follows an exercise live, triggers injects, sends messages, and ends it.
//!
//! The drill listens on a socket in its user's state directory, which no other user can open. The protocol is one line of
//! JSON for each [`Message`] from the drill and each [`Command`] to it. The exercise continues with or without an instructor.

pub mod client;
pub mod print;
pub mod screen;

pub mod command;
pub mod server;

use crate::text::Shown;
use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};

use super::{
    debrief::{Debrief, Objective},
    scenario::Act,
    session::{Happened, State},
};

/// The longest line that either side reads, in bytes.
pub const LONGEST: u64 = 1 << 20;
/// The longest message, in characters: it must fit at the foot of a small terminal.
pub const LONGEST_NOTE: usize = 240;

/// A command from the instructor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Show the story again: answered by [`Message::Scene`].
    Scene,
    /// Show the current state: answered by [`Message::Now`].
    Look,
    /// Show the objectives: answered by [`Message::Goals`].
    Goals,
    /// Send the trainee this message.
    Note(String),
    /// Trigger an inject of the scenario, by its name.
    Inject(String),
    /// Do something that is not in the scenario, as an act: `stop m2`.
    Act(String),
    /// End the exercise.
    End,
}

/// A message from the drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// An exercise starts, or an instructor connects.
    Scene(Box<Scene>),
    /// A line of the timeline.
    Happened(Happened),
    /// The current state.
    Now(Box<Now>),
    /// The objectives as of now.
    Goals(Vec<Objective>),
    /// A command was executed.
    Done(String),
    /// A command was refused, and why.
    Refused(String),
    /// The exercise is over: its debrief.
    Over(Box<Debrief>),
}

/// The exercise as the instructor needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The seed.
    pub seed: u64,
    /// The story that the trainee sees.
    pub brief: String,
    /// The kind of members: simulated, or a real etcd.
    pub members_are: String,
    /// The old members' names.
    pub members: Vec<String>,
    /// The injects.
    pub injects: Vec<Inject>,
    /// The expert's path, part by part.
    pub path: Vec<String>,
    /// True if it is sent because an exercise starts, maybe after a reset.
    pub begins: bool,
    /// How many instructors are connected.
    #[serde(alias = "lookers")]
    pub instructors: usize,
    /// What happened so far.
    pub timeline: Vec<Happened>,
}

/// An inject that can be triggered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inject {
    /// Its name.
    pub name: String,
    /// What it does.
    pub does: Vec<String>,
    /// What the trainee is shown; may be nothing.
    pub says: String,
    /// When it is triggered automatically; `never` if only the instructor triggers it.
    pub when: String,
}

/// The current state of an exercise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Milliseconds on the exercise's clock.
    pub at_ms: u64,
    /// True while the clock is stopped: the trainee reads the story or is in the pause menu.
    #[serde(alias = "stands")]
    pub paused: bool,
    /// The wizard's step.
    pub step: Option<String>,
    /// The chosen source, relative to the exercise's directory.
    pub chosen: Option<String>,
    /// The old members that are running.
    pub run: Vec<String>,
    /// The injects that happened.
    #[serde(alias = "came")]
    pub triggered: Vec<String>,
    /// Unsafe acts, which cannot be undone.
    pub failed: Vec<String>,
    /// How many hints were shown for mistakes, and how many were asked for.
    pub hints: (usize, usize),
}

impl Scene {
    fn new(state: &State, instructors: usize, begins: bool) -> Scene {
        let scenario = state.lab.scenario();
        let inject = |inject: &super::scenario::Inject| Inject {
            name: inject.name.clone(),
            does: inject.acts.iter().map(Act::to_string).collect(),
            says: state.lab.expand(&inject.says),
            when: inject.when.to_string(),
        };
        Scene {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            seed: scenario.cluster.seed,
            brief: state.lab.expand(scenario.brief.trim()),
            members_are: state.lab.members_are(),
            members: scenario.members.iter().map(|m| m.name.clone()).collect(),
            injects: scenario.injects.iter().map(inject).collect(),
            path: scenario.path.iter().map(|leg| leg.why.clone()).collect(),
            begins,
            instructors,
            timeline: state.timeline.clone(),
        }
    }
}

impl Now {
    fn from_state(state: &State) -> Now {
        let chosen = state.seen.chosen.as_ref();
        Now {
            at_ms: state.now_ms(),
            paused: state.clock.is_stopped(),
            step: state.seen.step.map(|step| step.title().to_string()),
            chosen: chosen.map(|p| p.strip_prefix(state.lab.root()).unwrap_or(p).shown().to_string()),
            run: state.lab.scenario().members.iter().map(|m| m.name.clone()).filter(|n| state.lab.runs(n)).collect(),
            triggered: state.triggered.iter().cloned().collect(),
            failed: state.failed.clone(),
            hints: (state.hinted.len(), state.tips.values().sum()),
        }
    }
}

/// Reads the next line as a value; `None` at the end of the stream.
///
/// # Errors
/// If it cannot be read, is longer than [`LONGEST`], or does not parse.
fn read<T: serde::de::DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let length = from.take(LONGEST).read_until(b'\n', &mut line)?;
    if length == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long or truncated"));
    }
    serde_json::from_slice(&line).map(Some).map_err(io::Error::other)
}

/// Serializes a value as a line.
fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Returns text that is safe for a terminal: one line without control characters.
pub fn tame(text: &str) -> String {
    crate::text::quote::comment(text)
}
