//! What came of an exercise: objectives met, with what shows it; writes lost against the best possible; where the time
//! went; what was unsafe; the expert's path beside one's own. No points. Asked of what stands and read from what lies
//! there, never taken from what was intended.

pub mod print;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    scenario::Stride,
    session::{State, What},
};

/// The outcome of an exercise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debrief {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The seed from which it was made.
    pub seed: u64,
    /// True when every objective is met and nothing unsafe was done.
    pub passed: bool,
    /// What the members were: `simulated members, read by requorum itself`, or `real etcd 3.6.14`.
    pub members: String,
    /// True where a real etcd answered: only that is proof.
    pub proven: bool,
    /// The objectives.
    pub objectives: Vec<Objective>,
    /// What was done that cannot be undone.
    pub unsafe_acts: Vec<String>,
    /// Writes against the best possible; none where nothing was restored.
    pub writes: Option<Writes>,
    /// Seconds of the whole, the clock's standing still left out.
    pub seconds: u64,
    /// Seconds in each step of the wizard, in the order in which they were first reached.
    pub phases: Vec<Phase>,
    /// Hints that the coach gave because a mistake showed.
    pub hints: Vec<String>,
    /// Hints that were asked for.
    pub asked_for: Vec<String>,
    /// Fences that were overridden, with what was typed.
    pub overrides: Vec<String>,
    /// Everything that happened, with its time in seconds.
    pub own_path: Vec<Moment>,
    /// The expert's path.
    pub expert_path: Vec<Leg>,
    /// What is to be learnt.
    pub learnt: String,
    /// Where it really happened.
    pub links: Vec<String>,
}

/// An objective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// What was to be reached.
    pub says: String,
    /// Whether it was.
    pub met: bool,
    /// What shows it.
    pub evidence: String,
}

/// Writes against the best possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// The revision that the restored data ends with, a bump left out.
    pub restored: i64,
    /// The newest revision that could be had.
    pub best: i64,
    /// How many were lost.
    pub lost: i64,
}

/// The time in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The step.
    pub step: String,
    /// Seconds.
    pub seconds: u64,
}

/// A moment of the trainee's path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since the beginning.
    pub at: u64,
    /// What it is about.
    pub what: What,
    /// In words.
    pub text: String,
}

/// A leg of the expert's path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// What is done.
    #[serde(rename = "do")]
    pub act: Vec<String>,
    /// Why.
    pub why: String,
}

/// Looks at what stands now.
pub fn debrief(state: &State) -> Debrief {
    let scenario = state.range.scenario();
    let objectives = objectives(state);
    let restored = state.range.plan().map(|plan| plan.source.revision);
    let best = state.range.best();
    let texts =
        |what: What| state.timeline.iter().filter(|h| h.what == what).map(|h| h.text.clone()).collect::<Vec<_>>();
    let mut asked_for = texts(What::Tip);
    asked_for.dedup();
    Debrief {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        seed: scenario.cluster.seed,
        passed: objectives.iter().all(|o| o.met) && state.failed.is_empty(),
        members: state.range.members_are(),
        proven: state.range.is_real() && !state.range.restored().is_empty(),
        objectives,
        unsafe_acts: state.failed.clone(),
        writes: restored.map(|restored| Writes { restored, best, lost: (best - restored).max(0) }),
        seconds: state.clock.elapsed().as_secs(),
        phases: phases(state),
        hints: texts(What::Hint),
        asked_for,
        overrides: texts(What::Override),
        own_path: state
            .timeline
            .iter()
            .map(|h| Moment { at: h.at_ms / 1000, what: h.what, text: h.text.clone() })
            .collect(),
        expert_path: scenario
            .path
            .iter()
            .map(|leg| Leg { act: leg.strides.iter().map(Stride::to_string).collect(), why: leg.why.clone() })
            .collect(),
        learnt: scenario.debrief.trim().to_string(),
        links: scenario.links.clone(),
    }
}

/// The objectives, as they stand now.
pub fn objectives(state: &State) -> Vec<Objective> {
    let goals = &state.range.scenario().goals;
    goals
        .iter()
        .map(|goal| {
            // what shows it is what the first fact that fails says, else what all say
            let seen: Vec<(bool, String)> = goal
                .when
                .facts
                .iter()
                .map(|(fact, wanted)| {
                    let (holds, words) = state.fact(fact);
                    (holds == *wanted, words)
                })
                .collect();
            let met = seen.iter().all(|(met, _)| *met);
            let words = seen.into_iter().filter(|(m, _)| met || !m).map(|(_, words)| words);
            Objective { says: goal.says.clone(), met, evidence: words.collect::<Vec<_>>().join("; ") }
        })
        .collect()
}

/// Where the time went.
fn phases(state: &State) -> Vec<Phase> {
    let end = state.now_ms();
    let steps: Vec<(u64, &str)> =
        state.timeline.iter().filter(|h| h.what == What::Step).map(|h| (h.at_ms, h.text.as_str())).collect();
    let ends = steps.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let mut spent: BTreeMap<&str, u64> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for ((begin, step), end) in steps.iter().zip(ends) {
        *spent.entry(step).or_default() += end.saturating_sub(*begin);
        if !order.contains(step) {
            order.push(step);
        }
    }
    let phase = |step: &str| Phase { step: step.into(), seconds: spent.get(step).copied().unwrap_or(0) / 1000 };
    order.into_iter().map(phase).collect()
}
