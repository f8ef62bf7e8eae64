//! The ranked list of sources, made again whenever something was learnt.

use crate::{
    domain::{
        model::observations::{FileFacts, Health},
        quorum::{hash_mismatch::disagreement, known::KnownState},
        sources::ranking::{self, Differing, Observed, Survivor},
    },
    tui::state::{detect::heard, model::Model, snapshot::State},
};

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
