//! The debrief of an exercise: objectives, each with its evidence; writes lost compared with the best possible; time in each
//! step; unsafe acts; the trainee's path and the expert's. No points. It comes from what was observed, never from what was
//! intended.

pub mod print;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::session::{State, What};

/// The outcome of an exercise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debrief {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The seed from which it was made.
    pub seed: u64,
    /// True if every objective is met and nothing unsafe was done.
    pub passed: bool,
    /// The kind of members: `simulated members, read by requorum itself`, or `real etcd 3.6.14`.
    pub members: String,
    /// True if real etcd members answered: only that is proof.
    pub proven: bool,
    /// The objectives.
    pub objectives: Vec<Objective>,
    /// What was done that was unsafe and cannot be undone.
    pub unsafe_acts: Vec<String>,
    /// Writes compared with the best possible; none if nothing was restored.
    pub writes: Option<Writes>,
    /// Total seconds, without pauses.
    pub seconds: u64,
    /// Seconds in each step of the wizard, in the order in which the steps were first reached.
    pub phases: Vec<Phase>,
    /// Hints that were shown because of a mistake.
    pub hints: Vec<String>,
    /// Hints that the trainee asked for.
    pub asked_for: Vec<String>,
    /// Blockers that were overridden, with what was typed.
    pub overrides: Vec<String>,
    /// Everything that happened, with the time in seconds.
    pub own_path: Vec<Moment>,
    /// The expert's path.
    pub expert_path: Vec<Leg>,
    /// The lesson.
    pub learnt: String,
    /// Links to real incidents.
    pub links: Vec<String>,
}

/// An objective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// The description.
    pub says: String,
    /// Whether it is met.
    pub met: bool,
    /// The evidence.
    pub evidence: String,
}

/// Writes compared with the best possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// The last revision of the restored data, without the revision bump.
    pub restored: i64,
    /// The newest recoverable revision.
    pub best: i64,
    /// How many writes were lost.
    pub lost: i64,
}

/// The time spent in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The step.
    pub step: String,
    /// Seconds.
    pub seconds: u64,
}

/// A line of the trainee's path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since the start.
    pub at: u64,
    /// Its kind.
    pub what: What,
    /// Its text.
    pub text: String,
}

/// A part of the expert's path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// What is done.
    #[serde(rename = "do")]
    pub act: Vec<String>,
    /// Why.
    pub why: String,
}

/// Returns the debrief as of now.
pub fn debrief(state: &State) -> Debrief {
    let scenario = state.lab.scenario();
    // texts of the scenario name paths and URLs by placeholders
    let full = |text: &str| state.lab.expand(text);
    let objectives = objectives(state);
    let restored = state.lab.plan().map(|plan| plan.source.revision);
    let best = state.lab.best();
    let texts =
        |what: What| state.timeline.iter().filter(|h| h.what == what).map(|h| full(&h.text)).collect::<Vec<_>>();
    let mut asked_for = texts(What::Tip);
    asked_for.dedup();
    Debrief {
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        seed: scenario.cluster.seed,
        passed: objectives.iter().all(|o| o.met) && state.failed.is_empty(),
        members: state.lab.members_are(),
        proven: state.lab.is_real() && !state.lab.restored().is_empty(),
        objectives,
        unsafe_acts: state.failed.iter().map(|act| full(act)).collect(),
        writes: restored.map(|restored| Writes { restored, best, lost: (best - restored).max(0) }),
        seconds: state.clock.elapsed().as_secs(),
        phases: phases(state),
        hints: texts(What::Hint),
        asked_for,
        overrides: texts(What::Override),
        own_path: state
            .timeline
            .iter()
            .map(|h| Moment { at: h.at_ms / 1000, what: h.what, text: full(&h.text) })
            .collect(),
        expert_path: scenario
            .path
            .iter()
            .map(|leg| Leg {
                act: leg.strides.iter().map(|stride| full(&stride.to_string())).collect(),
                why: full(&leg.why),
            })
            .collect(),
        learnt: full(scenario.debrief.trim()),
        links: scenario.links.clone(),
    }
}

/// Returns the objectives as of now.
pub fn objectives(state: &State) -> Vec<Objective> {
    let goals = &state.lab.scenario().goals;
    goals
        .iter()
        .map(|goal| {
            // the evidence is that of the facts that fail, else of all
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
            Objective { says: state.lab.expand(&goal.says), met, evidence: words.collect::<Vec<_>>().join("; ") }
        })
        .collect()
}

/// Returns the time spent in each step.
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
