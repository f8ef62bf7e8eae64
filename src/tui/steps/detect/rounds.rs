//! Who is asked what, round after round: members, their peer ports, hashes, this machine; on demand, and from time to time
//! without a key.

use crate::{
    domain::{
        members::prefill,
        model::observations::{Answer, EndpointFacts, Hashed, MachineFacts},
        quorum::{
            hash_pairs::pairs,
            known::{Compared, Match, Unknown},
            probe_rounds::{self, Question},
        },
    },
    tui::state::{
        detect::{Asked, asked},
        messages::Effect,
        model::Model,
    },
};

/// Directories and snapshots that are held against who serves: each costs a member a reading of its whole store.
const MOST_COMPARED: usize = 8;

/// Asks everybody again; answers that are still on their way no longer count.
pub(in crate::tui) fn ask_all(model: &mut Model) -> Vec<Effect> {
    model.detect.passed = false;
    (model.detect.asked_at, model.detect.again) = (None, None);
    forget_compared(model);
    let mut effects = Vec::new();
    for at in 0..model.detect.rows.len() {
        let id = model.id();
        if let Some(row) = model.detect.rows.get_mut(at) {
            let again = Asked { id, gone: row.gone, ..asked(&row.facts.endpoint, row.discovered) };
            effects.push(Effect::Ask { id, endpoint: again.facts.endpoint.clone(), named: !again.discovered });
            *row = again;
        }
    }
    effects
}

pub(in crate::tui) fn answered(model: &mut Model, id: u64, answer: Answer) -> Vec<Effect> {
    let mine = |r: &Asked| r.id == id && r.facts.answer == Answer::Asking || r.peer == Some(id);
    let effects = in_round(model, mine, |model, shown| {
        let Some(row) = model.detect.rows.iter_mut().find(|row| mine(row)) else { return Vec::new() };
        if row.peer == Some(id) {
            row.peer = None;
            let before = std::mem::replace(&mut row.facts.answer, Answer::Asking);
            row.facts.answer = probe_rounds::with_peer(before, answer);
        } else {
            row.facts.answer = answer;
        }
        if model.detect.asking() > 0 {
            return Vec::new();
        }
        if let Some(shown) = shown {
            keep_hashes(shown, &mut model.detect.rows);
        }
        next_round(model)
    });
    model.propose_label();
    effects
}

/// Asks the members again without a key: the rows stay as they are until all have answered. What costs members
/// more than an answer, a hash above all, is not asked for again.
pub(in crate::tui) fn look_again(model: &mut Model) -> Vec<Effect> {
    if model.look_due_at().is_none_or(|at| at > model.now_ms) {
        return Vec::new();
    }
    let mut effects = Vec::new();
    let mut rows = Vec::new();
    for (endpoint, discovered) in
        model.detect.rows.iter().map(|row| (row.facts.endpoint.clone(), row.discovered)).collect::<Vec<_>>()
    {
        let id = model.id();
        rows.push(Asked { id, ..asked(&endpoint, discovered) });
        effects.push(Effect::Ask { id, endpoint, named: !discovered });
    }
    model.detect.again = Some(rows);
    effects
}

/// Does `act` on the members among whom one is `mine`: those that are shown, or those that are being asked again, with
/// the shown ones beside them. Those take their place once nothing is asked of them any more.
fn in_round(
    model: &mut Model,
    mine: impl Fn(&Asked) -> bool,
    act: impl FnOnce(&mut Model, Option<&[Asked]>) -> Vec<Effect>,
) -> Vec<Effect> {
    let Some(rows) = model.detect.again.take_if(|rows| rows.iter().any(&mine)) else {
        let effects = act(model, None);
        if !model.detect.rows.is_empty() && model.detect.asking() == 0 {
            model.detect.asked_at = Some(model.now_ms);
        }
        return effects;
    };
    let shown = std::mem::replace(&mut model.detect.rows, rows);
    let effects = act(model, Some(&shown));
    let ended = model.detect.asking() == 0 && model.detect.rows.iter().all(|row| row.hash.is_none());
    let rows = std::mem::replace(&mut model.detect.rows, shown);
    model.detect.again = Some(rows);
    if ended {
        show_again(model);
    }
    effects
}

/// The members that were asked again take the place of those that are shown. What the operator marked and selected
/// stays; that the label was typed, while the verdict is the same.
fn show_again(model: &mut Model) {
    let Some(mut rows) = model.detect.again.take() else { return };
    let before = model.detect.finding().verdict;
    let selected = model.detect.rows.get(model.detect.at).map(|row| row.facts.endpoint.clone());
    for row in &mut rows {
        row.gone = model.detect.rows.iter().any(|shown| shown.gone && shown.facts.endpoint == row.facts.endpoint);
    }
    model.detect.at = rows.iter().position(|row| Some(&row.facts.endpoint) == selected.as_ref()).unwrap_or(0);
    model.detect.rows = rows;
    model.detect.asked_at = Some(model.now_ms);
    model.detect.passed &= model.detect.finding().verdict == before;
}

/// Takes over the hashes that the shown members gave, where every member that could give one is who it was.
fn keep_hashes(shown: &[Asked], rows: &mut [Asked]) {
    let of = |row: &Asked| match &row.facts.answer {
        Answer::Says(says) if says.closed.is_none() && says.revision > 0 => Some(says.clone()),
        _ => None,
    };
    let known = |row: &Asked| {
        let says = of(row)?;
        let before = shown.iter().find(|shown| shown.facts.endpoint == row.facts.endpoint).and_then(of)?;
        let same = (before.cluster_id, before.member_id) == (says.cluster_id, says.member_id);
        (same && !matches!(before.hash, Hashed::NotAsked | Hashed::Asking)).then_some(before.hash)
    };
    if rows.iter().all(|row| of(row).is_none() || known(row).is_some()) {
        for row in rows {
            let hash = known(row);
            if let (Answer::Says(says), Some(hash)) = (&mut row.facts.answer, hash) {
                says.hash = hash;
            }
        }
    }
}

/// Asks those who serve once more where something that was read meanwhile seems newer: their answers may just be older
/// than that.
pub(in crate::tui) fn confirm(model: &mut Model) -> Vec<Effect> {
    let state = &model.detect;
    if state.asking() > 0 || state.looking.is_some() || state.rows.iter().any(|row| row.hash.is_some()) {
        return Vec::new();
    }
    let finding = state.finding();
    if finding.newer.iter().all(|newer| state.confirmed.contains(newer)) {
        return Vec::new();
    }
    model.detect.confirmed = finding.newer;
    let mut effects = Vec::new();
    for endpoint in finding.ask_again {
        let id = model.id();
        if let Some(row) = model.detect.rows.iter_mut().find(|row| row.facts.endpoint == endpoint) {
            (row.id, row.facts.answer) = (id, Answer::Asking);
            effects.push(Effect::Ask { id, endpoint, named: !row.discovered });
        }
    }
    effects
}

/// Holds directories and snapshots against who serves, in the background, where that was not done yet.
pub(in crate::tui) fn compare(model: &mut Model) -> Vec<Effect> {
    let state = &model.detect;
    let waits = state.asking() > 0 || state.looking.is_some() || state.rows.iter().any(|row| row.hash.is_some());
    if waits || state.comparing.is_some() {
        return Vec::new();
    }
    let scope = state.scope();
    let (facts, dirs) = (scope.facts(&state.facts(), true), scope.dirs(&state.dirs));
    let mut pairs = pairs(&facts, &dirs, &state.known);
    pairs.truncate(MOST_COMPARED);
    pairs.retain(|pair| !pair.is_in(&state.compared));
    if pairs.is_empty() {
        return Vec::new();
    }
    let id = model.id();
    let state = &mut model.detect;
    state.comparing = Some(id);
    state.compared.retain(|known| pairs.iter().all(|pair| pair.at != known.at));
    state.compared.extend(pairs.iter().map(|pair| pair.came_to(Match::Unknown(Unknown::Asking))));
    vec![Effect::HoldAgainst { id, pairs }]
}

pub(in crate::tui) fn held_against(model: &mut Model, id: u64, found: Vec<Compared>) {
    let state = &mut model.detect;
    if state.comparing == Some(id) {
        state.comparing = None;
        for compared in found {
            state.compared.retain(|known| known.at != compared.at);
            state.compared.push(compared);
        }
    }
}

/// What was compared is compared again: who serves may be another by now.
pub(in crate::tui) fn forget_compared(model: &mut Model) {
    model.detect.comparing = None;
    model.detect.compared.clear();
}

/// Looks for configurations and data directories on this machine.
pub(in crate::tui) fn look_around(model: &mut Model) -> Effect {
    let id = model.id();
    model.detect.looking = Some(id);
    Effect::LookAround { id, named: model.options.data_dirs.clone() }
}

pub(in crate::tui) fn looked_around(model: &mut Model, id: u64, around: MachineFacts) {
    if model.detect.looking == Some(id) {
        model.detect.looking = None;
        model.members.config = prefill::flags(&around.configs);
        model.detect.addresses = around.addresses;
        (model.detect.dirs, model.detect.configs) = (around.dirs, around.configs);
    }
}

pub(in crate::tui) fn hashed(model: &mut Model, id: u64, hash: Hashed) {
    let mine = |row: &Asked| row.hash == Some(id);
    in_round(model, mine, |model, _| {
        let row = model.detect.rows.iter_mut().find(|row| mine(row));
        if let Some(Asked { facts: EndpointFacts { answer: Answer::Says(says), .. }, hash: waits, .. }) = row {
            says.hash = hash;
            *waits = None;
        }
        Vec::new()
    });
}

/// What the answers make worth asking: members that were not typed, peer ports of the silent, hashes.
fn next_round(model: &mut Model) -> Vec<Effect> {
    let rows = &model.detect.rows;
    let typed = rows.iter().filter(|r| !r.discovered).count();
    let peered = rows.iter().filter(|r| r.peered).map(|r| r.facts.endpoint.clone()).collect();
    let mut effects = Vec::new();
    for question in probe_rounds::next(&model.detect.facts(), typed, &peered) {
        let id = model.id();
        effects.push(match question {
            Question::Ask(endpoint) => {
                model.detect.rows.push(Asked { id, ..asked(&endpoint, true) });
                Effect::Ask { id, endpoint, named: false }
            }
            Question::Peer { endpoint, member } => {
                if let Some(row) = model.detect.rows.iter_mut().find(|r| r.facts.endpoint == endpoint) {
                    (row.peer, row.peered) = (Some(id), true);
                }
                Effect::AskPeer { id, endpoint, member }
            }
            Question::Hash { endpoint, revision } => {
                let row = model.detect.rows.iter_mut().find(|r| r.facts.endpoint == endpoint);
                if let Some(Asked { facts: EndpointFacts { answer: Answer::Says(says), .. }, hash, .. }) = row {
                    says.hash = Hashed::Asking;
                    *hash = Some(id);
                }
                Effect::Hash { id, endpoint, revision }
            }
        });
    }
    effects
}
