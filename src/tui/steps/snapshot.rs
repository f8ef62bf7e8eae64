//! Snapshot: which source loses least, and can it be trusted? Survivors, data directories and files are in one list,
//! ranked by [`crate::domain::sources::ranking`]; here are the step's state and its keys. What goes on in the
//! background is in [`super::snapshot_tasks`].

mod actions;
mod choice;

use std::path::Path;

pub(in crate::tui) use self::choice::{agree, asked};
pub(super) use self::{
    actions::{act, awaits, can, question},
    choice::{cluster_of_chosen, loss_warning},
};
use super::{
    super::{app::Model, messages::Effect, state::detect::heard},
    snapshot_tasks::{search, search_own, take_dirs},
};
use crate::domain::{
    model::observations::{FileFacts, Health},
    quorum::{hash_mismatch::disagreement, known::KnownState},
    sources::ranking::{self, Differing, Observed, Place, Source, Survivor},
};
use crate::tui::state::snapshot::State;

/// Puts everything that is known into one ranked list. Until the operator selects a line, the best one is selected.
pub(in crate::tui) fn relist(model: &mut Model) {
    let rows = model.detect.rows.iter().filter_map(|r| Some((r, heard(&r.facts)?)));
    let (survivors, closed) = rows
        .map(|(r, says)| {
            let name = model.detect.name(&r.facts);
            let name = if name == "?" { r.facts.endpoint.clone() } else { name };
            Survivor { name, endpoint: &r.facts.endpoint, says }
        })
        .partition(|survivor| survivor.says.closed.is_none());
    let state = &model.snapshot;
    let seen = Observed {
        survivors,
        closed,
        files: &state.files,
        dirs: &state.dirs,
        saved: &state.saved,
        kin: &state.kin,
        differing: differing(model),
        scope: model.detect.scope(),
        now: model.now(),
    };
    let list = ranking::list(&seen);
    model.detect.known = known(&model.snapshot);
    let state = &mut model.snapshot;
    let there = state.selected.as_ref().is_some_and(|place| list.get(place).is_some());
    if !there || !state.held_selection {
        state.selected = list.pick.clone().or_else(|| list.sources.first().map(|s| s.place.clone()));
        state.held_selection = false;
    }
    state.list = list;
}

/// What the files show about a cluster. What was saved from a member here is that member's own state, and directories
/// are judged by themselves.
fn known(state: &State) -> Vec<KnownState> {
    let own = |file: &&FileFacts| state.saved.iter().any(|s| s.path == file.path) || state.dir(&file.path).is_some();
    let sound = |file: &&FileFacts| matches!(file.health, Health::Verified | Health::Unhashed);
    state.files.iter().filter(|f| sound(f) && !own(f)).filter_map(KnownState::from_file).collect()
}

/// Survivors whose hashes at a common revision differ, as Detect learnt it.
fn differing(model: &Model) -> Option<Differing> {
    let facts = model.detect.facts();
    let found = disagreement(&facts)?;
    let name = |endpoint: &str| {
        let fact = facts.iter().find(|f| f.endpoint == endpoint);
        fact.map_or_else(|| endpoint.to_string(), |fact| model.detect.name(fact))
    };
    let endpoints = found.parts.iter().flat_map(|(_, who)| who).cloned().collect();
    Some(Differing { sentence: found.words(name), endpoints })
}

/// The selected source.
pub fn selected(model: &Model) -> Option<&Source> {
    model.snapshot.list.sources.get(model.snapshot.at())
}

fn selected_path(model: &Model) -> Option<&Path> {
    match &selected(model)?.place {
        Place::File(path) => Some(path),
        Place::Member(_) => None,
    }
}

pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    if model.snapshot.entered {
        return Vec::new();
    }
    model.snapshot.entered = true;
    let mut places = model.options.places.clone();
    if let Some(plan) = &model.options.plan {
        let path = plan.source.path.clone();
        if plan.source.skip_hash_check || plan.options.accept_damage.is_some() {
            model.snapshot.agreed.push(path.clone());
        }
        model.snapshot.chosen = Some(path.clone());
        places.push(path);
    }
    let mut effects = search(model, places);
    effects.extend(search_own(model));
    effects.extend(take_dirs(model));
    relist(model);
    effects
}
