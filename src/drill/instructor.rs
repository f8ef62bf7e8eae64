//! The game master: somebody at a second terminal who follows an exercise live, lets things happen, says something, and
//! ends it.
//!
//! The drill listens on a socket in its user's directory for state, which nobody else can open; what goes over it is a
//! line of JSON for each [`Word`] of the drill and each [`Order`] to it. The trainee goes on whether anybody looks on
//! or not.

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
/// The longest note, in characters: it stands at the foot of a small terminal.
pub const LONGEST_NOTE: usize = 240;

/// What a game master wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The story once more: answered by [`Word::Scene`].
    Scene,
    /// How things stand: answered by [`Word::Now`].
    Look,
    /// What is reached so far: answered by [`Word::Goals`].
    Goals,
    /// The trainee reads this.
    Note(String),
    /// An inject of the scenario, by its name.
    Inject(String),
    /// Something that the scenario does not foresee, in the words of its acts: `stop m2`.
    Act(String),
    /// The exercise is over.
    End,
}

/// What a drill says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// An exercise begins, or somebody begins to look on.
    Scene(Box<Scene>),
    /// A line of the timeline.
    Happened(Happened),
    /// How things stand.
    Now(Box<Now>),
    /// What is reached so far.
    Goals(Vec<Objective>),
    /// An order was carried out.
    Done(String),
    /// It was not, and why.
    Refused(String),
    /// The exercise is over; how it went.
    Over(Box<Debrief>),
}

/// What is practised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scene {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The seed.
    pub seed: u64,
    /// What the trainee was told.
    pub brief: String,
    /// What the members are: simulated, or a real etcd.
    pub members_are: String,
    /// The old members' names.
    pub members: Vec<String>,
    /// What can be let happen.
    pub injects: Vec<Inject>,
    /// The expert's path, leg by leg.
    pub path: Vec<String>,
    /// True where it is told because an exercise begins, anew maybe.
    pub begins: bool,
    /// How many look on.
    pub lookers: usize,
    /// What happened so far.
    pub timeline: Vec<Happened>,
}

/// Something that can be let happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inject {
    /// What it is called.
    pub name: String,
    /// What happens.
    pub does: Vec<String>,
    /// What the trainee hears of it; may be nothing.
    pub says: String,
    /// When it comes by itself; `never` where only a game master lets it come.
    pub when: String,
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Milliseconds of the exercise's clock.
    pub at_ms: u64,
    /// True while the clock stands still: the story is being read, or the trainee sits at the coach's desk.
    pub stands: bool,
    /// The wizard's step.
    pub step: Option<String>,
    /// The chosen source, as seen from the exercise's directory.
    pub chosen: Option<String>,
    /// The old members that run.
    pub run: Vec<String>,
    /// Injects that came.
    pub came: Vec<String>,
    /// What cannot be undone and happened.
    pub failed: Vec<String>,
    /// How many hints were given because a mistake showed, and how many were asked for.
    pub hints: (usize, usize),
}

impl Scene {
    fn new(state: &State, lookers: usize, begins: bool) -> Scene {
        let scenario = state.range.scenario();
        let inject = |inject: &super::scenario::Inject| Inject {
            name: inject.name.clone(),
            does: inject.acts.iter().map(Act::to_string).collect(),
            says: state.range.expand(&inject.says),
            when: inject.when.to_string(),
        };
        Scene {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            seed: scenario.cluster.seed,
            brief: state.range.expand(scenario.brief.trim()),
            members_are: state.range.members_are(),
            members: scenario.members.iter().map(|m| m.name.clone()).collect(),
            injects: scenario.injects.iter().map(inject).collect(),
            path: scenario.path.iter().map(|leg| leg.why.clone()).collect(),
            begins,
            lookers,
            timeline: state.timeline.clone(),
        }
    }
}

impl Now {
    fn from_state(state: &State) -> Now {
        let chosen = state.seen.chosen.as_ref();
        Now {
            at_ms: state.now_ms(),
            stands: state.clock.stands(),
            step: state.seen.step.map(|step| step.title().to_string()),
            chosen: chosen.map(|p| p.strip_prefix(state.range.root()).unwrap_or(p).shown().to_string()),
            run: state
                .range
                .scenario()
                .members
                .iter()
                .map(|m| m.name.clone())
                .filter(|n| state.range.runs(n))
                .collect(),
            came: state.came.iter().cloned().collect(),
            failed: state.failed.clone(),
            hints: (state.hinted.len(), state.tips.values().sum()),
        }
    }
}

/// The next line as a value; nothing at the end of what is sent.
///
/// # Errors
/// When it cannot be read, is longer than [`LONGEST`], or is no such value.
fn read<T: serde::de::DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let length = from.take(LONGEST).read_until(b'\n', &mut line)?;
    if length == 0 {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long, or cut off"));
    }
    serde_json::from_slice(&line).map(Some).map_err(io::Error::other)
}

/// A value as a line.
fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Text as it may stand on a terminal: one line, nothing that moves the cursor.
pub fn tame(text: &str) -> String {
    crate::text::phrase::comment(text)
}
