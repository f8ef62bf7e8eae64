//! The events while a plan is carried out, and how that ended.

use crate::{
    domain::{members::table::Severity, preflight::host_report::Running},
    engine::{
        install::MemberState,
        progress::{Phase, Progress},
    },
    error::{Error, ErrorKind, Result as Outcome},
    execute::{
        RowEvent,
        events::{ExecutionEvent, HostEvent},
        executor::Goal,
    },
    tui::{
        state::{
            leaving::WrittenPath,
            messages::Effect,
            model::{Model, Overlay},
            restore::{Arrived, At, RowState, State},
            step::Step,
        },
        steps::{blockers::on_blockers, hosts, leaving::leave_when_safe, review},
        widgets::{progress_meter::Meter, theme::Tone},
    },
};

pub(in crate::tui) fn on_event(model: &mut Model, id: u64, told: ExecutionEvent) {
    let now_ms = model.now_ms;
    let state = &mut model.restore;
    let Some(plan) = state.plan.as_ref().filter(|_| state.id == Some(id)) else { return };
    let (host, event) = match told {
        ExecutionEvent::Host(host, event) => (host, event),
        ExecutionEvent::Blockers(found) => return on_blockers(model, found),
        ExecutionEvent::FinalCheck(text) => return state.barrier = Some(text),
    };
    let line = event.line(plan);
    if let Some(here) = state.hosts.iter_mut().find(|known| known.name == host) {
        if line.kind.is_some() {
            here.log.push((event.member().map(String::from), line.text));
        }
        if let Some(at) = whereabouts(&here.at, &event, now_ms) {
            here.at = at;
        }
        match &event {
            HostEvent::MemberState(..) => here.close = true,
            HostEvent::HadIt(path) => here.snapshot = Some(Arrived::Had(path.clone())),
            HostEvent::Sent(sent) => here.snapshot = Some(Arrived::Sent(*sent)),
            _ => {}
        }
    }
    state.acted |= matches!(
        event,
        HostEvent::Row(..)
            | HostEvent::Discarded(_)
            | HostEvent::Halting(_)
            | HostEvent::Placed(_)
            | HostEvent::Undone(..)
    );
    if let HostEvent::Runs(halt, member) = &event {
        state.runs.push((host, Running { halt: halt.clone(), member: *member }));
        let order = |host: &str| state.hosts.iter().position(|known| known.name == host);
        state.runs.sort_by_key(|(host, _)| order(host));
    }
    if let HostEvent::Placed(swapped) = &event {
        let name = &swapped.name;
        model.written.push((swapped.restored.data_dir.clone(), WrittenPath::DataDir(name.clone())));
        let aside = swapped.aside().into_iter().map(|(_, aside)| (aside, WrittenPath::Before(name.clone())));
        model.written.extend(aside);
    }
    if let HostEvent::Undone(name, went) = &event {
        for (from, to) in went {
            // The previous data is back in its place, and nothing of ours.
            let ours = model.written.iter().any(|(path, made)| path == from && matches!(made, WrittenPath::DataDir(_)));
            model.written.retain(|(path, _)| path != from);
            if ours {
                model.written.push((to.clone(), WrittenPath::TakenBack(name.clone())));
            }
        }
    }
    stands(model, event, now_ms);
}

/// What an event means for its host as a whole.
fn whereabouts(before: &At, event: &HostEvent, now_ms: u64) -> Option<At> {
    let meter = |step: Progress| match before {
        At::Program(meter) | At::Snapshot(meter) => {
            let mut meter = *meter;
            meter.step(step, now_ms);
            meter
        }
        _ => Meter::new(step, now_ms),
    };
    Some(match event {
        HostEvent::Unreachable(error) | HostEvent::Failed(error) => At::Failed(error.clone()),
        HostEvent::Looked(_, problems) => match problems.iter().find(|p| p.severity == Severity::Error) {
            Some(problem) => {
                At::Failed(Error::new(ErrorKind::Refused, problem.text.clone()).remedies(&problem.remedies))
            }
            None => At::Ready,
        },
        HostEvent::Program(done, total) => {
            At::Program(meter(Progress { phase: Phase::Receive, done: *done, total: *total }))
        }
        HostEvent::Step(step) => At::Snapshot(meter(*step)),
        HostEvent::Halting(halt) => At::Halts(halt.clone()),
        HostEvent::Automation(_) | HostEvent::Runs(..) => return None,
        _ => At::Ready,
    })
}

/// What an event means for a member.
fn stands(model: &mut Model, event: HostEvent, now_ms: u64) {
    let (name, stand) = match event {
        HostEvent::MemberState(name, standing) => {
            let stand = match standing {
                MemberState::Nothing => RowState::Waits,
                MemberState::Staged(restored) => RowState::Built(restored),
                MemberState::Moving(_) => RowState::Moving,
                MemberState::Undoing => RowState::Undoing,
                MemberState::InPlace(swapped) => RowState::Placed(swapped),
            };
            (name, stand)
        }
        HostEvent::Row(name, RowEvent::Step(step)) => {
            let before = model.restore.rows.iter().find(|row| row.name == name).map(|row| &row.stand);
            let meter = match before {
                Some(RowState::Works(meter)) => {
                    let mut meter = *meter;
                    meter.step(step, now_ms);
                    meter
                }
                _ => Meter::new(step, now_ms),
            };
            (name, RowState::Works(meter))
        }
        HostEvent::Row(name, RowEvent::Done(restored)) => (name, RowState::Built(restored)),
        HostEvent::Row(name, RowEvent::Failed(error)) => (name, RowState::Failed(error)),
        HostEvent::Discarded(name) => (name, RowState::Discarded),
        HostEvent::Placed(swapped) => (swapped.name.clone(), RowState::Placed(swapped)),
        HostEvent::Undone(name, went) | HostEvent::UndoneBefore(name, went) => (name, RowState::Out(went)),
        _ => return,
    };
    if let Some(row) = model.restore.rows.iter_mut().find(|row| row.name == name) {
        row.stand = stand;
    }
}

pub(in crate::tui) fn ended(model: &mut Model, id: u64, result: Outcome<()>) -> Vec<Effect> {
    if model.restore.id != Some(id) {
        return Vec::new();
    }
    let state = &mut model.restore;
    (state.id, state.stopping) = (None, false);
    if model.overlay == Some(Overlay::Stop) {
        model.overlay = None;
    }
    hosts::learnt(model);
    let state = &mut model.restore;
    if let Err(error) = &result
        && !state.acted
        && matches!(state.until, Some(Goal::InPlace | Goal::DryRun))
    {
        return not_let_through(model, error);
    }
    state.failed = result.as_ref().err().cloned();
    // Whatever has no result of its own yet shares the whole's fate, a defect of ours included.
    let fate = result.err().unwrap_or_else(|| Error::new(ErrorKind::Bug, "it ended without a result for this"));
    for row in state.rows.iter_mut().filter(|row| matches!(row.stand, RowState::Works(_))) {
        row.stand = RowState::Failed(fate.clone());
    }
    for host in &mut state.hosts {
        if matches!(host.at, At::Program(_) | At::Snapshot(_) | At::Halts(_)) {
            host.at = At::Failed(fate.clone());
        }
    }
    match (state.until, &state.failed) {
        (Some(Goal::InPlace), _) if state.complete() => model.say(
            Tone::Good,
            "Every member is installed and was checked again in its place. Press n for the commands that start them, \
             u to roll back.",
        ),
        (Some(Goal::Undone), Some(error)) => {
            let error = error.clone();
            model.say_error(&undo_hint(model, error));
        }
        _ => {}
    }
    let state = &mut model.restore;
    if let Some(at) = state.rows.iter().position(|row| state.error(row).is_some()) {
        state.at = at;
    }
    leave_when_safe(model)
}

/// Nothing was changed by this run: what blocks it is checked again on Review.
fn not_let_through(model: &mut Model, error: &Error) -> Vec<Effect> {
    let state = &mut model.restore;
    state.until = None;
    if state.rows.iter().all(|row| matches!(row.stand, RowState::Waits | RowState::Discarded)) {
        *state = State::default();
    }
    model.step = Step::Review;
    let effects = review::ask(model);
    // Its hint is about the command line; what to do here is shown on Review.
    model.say_error(&Error { hint: String::new(), ..error.clone() });
    let leaving = leave_when_safe(model);
    if leaving.is_empty() { effects } else { leaving }
}

/// Where etcds run that have to be stopped first, the way on is a key.
fn undo_hint(model: &Model, error: Error) -> Error {
    match model.restore.runs.is_empty() {
        true => error,
        false => Error { hint: "u shows what stops it, and asks for your consent".into(), ..error },
    }
}
