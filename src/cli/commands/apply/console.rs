//! The events of a run as lines on standard output and standard error.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    cli::{
        Format,
        output::{progress::rate, remedies},
        print_json, print_sentences, warn,
    },
    domain::{
        members::table::{Problem, Severity},
        model::plan::Plan,
        preflight::blockers::Blocker,
    },
    engine::{install::MemberState, progress::Progress},
    error::Error,
    execute::{
        RowEvent,
        events::{ExecutionEvent, HostEvent},
    },
    text::stdio::{self, Detail},
};

/// The least time between two progress lines of one host.
const PACE: Duration = Duration::from_secs(2);

/// One phase on one host.
struct Passing {
    phase: String,
    begun: Instant,
    /// When it was last printed.
    told: Instant,
}

/// Prints the events of a run, a line each.
pub(in crate::cli) struct ConsoleReporter<'a> {
    plan: &'a Plan,
    overridden: &'a [String],
    json: bool,
    /// Whether members are rolled back rather than installed.
    undoes: bool,
    /// Whether blockers were evaluated, and those found that may be overridden.
    pub(super) found: Mutex<(bool, Vec<Blocker>)>,
    /// The current phase on each host.
    told: Mutex<BTreeMap<String, Passing>>,
}

impl<'a> ConsoleReporter<'a> {
    pub(in crate::cli) fn new(plan: &'a Plan, overridden: &'a [String], format: Format) -> ConsoleReporter<'a> {
        let json = format == Format::Json;
        ConsoleReporter { plan, overridden, json, undoes: false, told: Mutex::default(), found: Mutex::default() }
    }

    /// The same for a rollback, in its own words.
    pub(in crate::cli) fn undoing(self) -> ConsoleReporter<'a> {
        ConsoleReporter { undoes: true, ..self }
    }

    pub(in crate::cli) fn tell(&self, told: ExecutionEvent) {
        // One at a time: hosts report from threads of their own.
        let mut last = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let ExecutionEvent::Blockers(fences) = &told {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            found.0 = true;
            let known = &mut found.1;
            for fence in fences.iter().filter(|f| f.typed.is_some()).cloned() {
                if !known.iter().any(|k| k.typed == fence.typed) {
                    known.push(fence);
                }
            }
        }
        match told {
            ExecutionEvent::Host(host, event) => self.host(&host, &event, &mut last),
            ExecutionEvent::Blockers(fences) if self.json => {
                let fences: Vec<_> = fences
                    .iter()
                    .map(|f| json!({"what": f.sentence(), "lift": lift(f), "override": f.typed, "blocks": f.blocks(self.overridden)}))
                    .collect();
                let _ = print_json(&format!("{}\n", json!({"event": "fences", "fences": fences})));
            }
            ExecutionEvent::Blockers(fences) => fences.iter().filter(|f| !f.blocks(self.overridden)).for_each(passed),
            ExecutionEvent::FinalCheck(text) if self.json => {
                let _ = print_json(&format!("{}\n", json!({"event": "barrier", "text": text})));
            }
            ExecutionEvent::FinalCheck(text) => {
                let _ = print_sentences(&format!("All members are verified. {text}.\n"));
            }
        }
    }

    fn host(&self, host: &str, event: &HostEvent, last: &mut BTreeMap<String, Passing>) {
        let mut line = event.line(self.plan);
        if let Some((phase, step)) = passing(event) {
            if !self.json && stdio::detail() == Detail::Least {
                return;
            }
            let now = Instant::now();
            let known = last.get(host).filter(|known| known.phase == phase);
            if known.is_some_and(|known| now - known.told < PACE) {
                return;
            }
            let begun = known.map_or(now, |known| known.begun);
            line.text += &step.map(|step| rate(step, now - begun)).unwrap_or_default();
            last.insert(host.into(), Passing { phase, begun, told: now });
        }
        if self.json {
            let mut all = line.on(host);
            all["event"] = json!(line.event);
            // A closed pipe is reported at the end.
            let _ = print_json(&format!("{all}\n"));
            return;
        }
        match event {
            HostEvent::Unreachable(_) | HostEvent::Failed(_) | HostEvent::Automation(_) | HostEvent::Runs(..) => {
                line.text.lines().for_each(|text| warn(&format!("{host}: {text}")));
                if let HostEvent::Unreachable(error) | HostEvent::Failed(error) = event {
                    advise(host, error);
                }
            }
            HostEvent::Row(_, RowEvent::Failed(error)) => {
                warn(&format!("{host}: {}", line.text));
                advise(host, error);
            }
            HostEvent::MemberState(..) if line.kind.is_none() => {}
            HostEvent::MemberState(name, MemberState::InPlace(_)) if self.undoes => {
                let _ = print_sentences(&format!("{host}: {name} is installed; it is rolled back\n"));
            }
            // what is at the members' places matters to what is installed there
            HostEvent::Looked(..) if self.undoes => {
                let _ = print_sentences(&format!("{host}: {}\n", line.text.lines().next().unwrap_or_default()));
            }
            _ => {
                let _ = print_sentences(&format!("{host}: {}\n", line.text));
            }
        }
        if let HostEvent::Looked(_, problems) = event {
            problems.iter().for_each(|problem| warn(&format!("{host}: {}", self.placed(problem))));
        }
    }

    /// Returns a problem prefixed with its member's name.
    fn placed(&self, problem: &Problem) -> String {
        let warning = if problem.severity == Severity::Warning { "Warning: " } else { "" };
        match problem.row.and_then(|row| self.plan.members.get(row)) {
            Some(member) => format!("{warning}{}: {}", member.name, remedies::problem(problem)),
            None => format!("{warning}{}", remedies::problem(problem)),
        }
    }
}

/// Returns the phase of a progress event, which recurs, and how far it is.
fn passing(event: &HostEvent) -> Option<(String, Option<Progress>)> {
    match event {
        HostEvent::Program(..) => Some(("program".into(), None)),
        HostEvent::Step(step) => Some((format!("snapshot {:?}", step.phase), Some(*step))),
        HostEvent::Row(name, RowEvent::Step(step)) => Some((format!("{name} {:?}", step.phase), Some(*step))),
        _ => None,
    }
}

fn passed(fence: &Blocker) {
    match fence.typed {
        Some(_) => warn(&format!("Warning: overridden: {}.", fence.sentence())),
        None => warn(&format!("Warning: {}.\n  {}", fence.sentence(), lift(fence))),
    }
}

/// Prints what to do about an error, where its own text does not have it.
fn advise(host: &str, error: &Error) {
    if !error.remedies.is_empty() {
        warn(&format!("{host}:   {}", remedies::advised("", &error.remedies)));
    }
}

/// Returns how a blocker is resolved.
fn lift(fence: &Blocker) -> String {
    remedies::advised(&fence.lift.to_string(), fence.lift.remedies())
}
