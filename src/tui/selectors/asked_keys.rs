//! Which keys the text on the screen asks for: the footer names them whatever else it has to leave out.

use crate::{
    domain::verify::VerifyResult,
    tui::{
        selectors::{
            members::{draft, offered_fix, problems},
            revision_bump::proposal,
        },
        state::{
            key::Action,
            members::Choice,
            model::{Focus, Model},
            step::Step,
        },
    },
};

/// The actions whose keys the step's text names as it is now.
pub(in crate::tui) fn asked_keys(model: &Model) -> Vec<Action> {
    let mut asked = match model.step {
        Step::Detect => detect(model),
        Step::Snapshot => snapshot(model),
        Step::Members => members(model),
        Step::Review => review(model),
        Step::Restore => vec![Action::Retry, Action::Details, Action::StopWork, Action::Undo],
        Step::Launch => vec![Action::Copy, Action::WriteSheet, Action::Runbook],
        Step::Proof => match model.proof.proof.as_ref().map(|proof| proof.verdict) {
            Some(VerifyResult::Proven | VerifyResult::Agree) | None => vec![Action::Canary],
            Some(_) => vec![Action::AskAgain],
        },
    };
    asked.extend(model.status.iter().flat_map(|status| status.keys.iter().copied()));
    if matches!(model.focus, Focus::Button(_)) {
        asked.push(Action::Open);
    }
    asked
}

fn detect(model: &Model) -> Vec<Action> {
    let mut asked = vec![Action::AskAgain];
    if model.detect.rows.is_empty() {
        asked.push(Action::Endpoints);
    }
    if model.detect.scope().sentence().is_some() {
        asked.push(Action::Cluster);
    }
    if model.unfinished.any() {
        asked.push(Action::Unfinished);
    }
    if model.detect.rows.get(model.detect.at).is_some_and(|row| row.gone) {
        asked.push(Action::Gone);
    }
    asked
}

fn snapshot(model: &Model) -> Vec<Action> {
    let state = &model.snapshot;
    let mut asked = Vec::new();
    if state.saving.is_some() || state.comparing.is_some() {
        asked.push(Action::StopWork);
    }
    if state.list.sources.is_empty() {
        asked.push(Action::OpenFile);
    }
    if state.list.differing.is_some() || state.marked.is_some() {
        asked.push(Action::Compare);
    }
    asked
}

fn members(model: &Model) -> Vec<Action> {
    let state = &model.members;
    let problems = problems(&draft(model));
    let mut asked = Vec::new();
    let bump = state.choice() == Some(Choice::Bump) && proposal(model).is_some();
    if bump || offered_fix(model, &problems).is_some() {
        asked.push(Action::TakeFix);
    }
    let other = state.rows.get(state.at).is_some_and(|row| row.cell(state.column()).other().is_some());
    if other {
        asked.push(Action::Other);
    }
    if problems.iter().any(|problem| problem.lift.is_some()) {
        asked.push(Action::FreshToken);
    }
    if state.rows.is_empty() {
        asked.extend([Action::Add, Action::PasteCluster]);
    }
    asked
}

fn review(model: &Model) -> Vec<Action> {
    let mut asked = vec![Action::AskAgain];
    if !model.hosts.unclear().is_empty() {
        asked.push(Action::Closer);
    }
    asked
}
