//! The selected source, and what is known of the chosen one.

use std::path::Path;

use crate::{
    domain::sources::{
        cluster_match::Relation,
        data_loss::Lost,
        ranking::{Place, Source},
    },
    etcd::membership::Id,
    tui::state::model::Model,
};

/// The selected source.
pub fn selected(model: &Model) -> Option<&Source> {
    model.snapshot.list.sources.get(model.snapshot.at())
}

pub(in crate::tui) fn selected_path(model: &Model) -> Option<&Path> {
    match &selected(model)?.place {
        Place::File(path) => Some(path),
        Place::Member(_) => None,
    }
}

/// The cluster that the chosen file is of, where its origin or its history shows it.
pub(in crate::tui) fn cluster_of_chosen(model: &Model) -> Option<Id> {
    let state = &model.snapshot;
    let path = state.chosen.as_ref()?;
    let saved = state.saved.iter().find(|saved| saved.path == *path).map(|saved| saved.cluster_id);
    let of_dir = || state.dir(path)?.state.says().map(|says| says.cluster_id);
    let listed = || match state.list.get(&Place::File(path.clone()))?.relation {
        Relation::Same(_) => model.detect.scope().id(),
        _ => None,
    };
    saved.or_else(of_dir).or_else(listed).filter(|id| *id != Id(0))
}

/// What Review shows about what the chosen snapshot loses; none where it is shown to lose nothing.
pub(in crate::tui) fn loss_warning(model: &Model) -> Option<String> {
    let state = &model.snapshot;
    let source = state.list.get(&Place::File(state.chosen.clone()?))?;
    if source.loss.lost() == Lost::Exactly(0) {
        return None;
    }
    let sentences = match source.loses(state.list.newest.as_ref()) {
        none if none.is_empty() => "It is not known.".to_string(),
        some => some.join(" "),
    };
    Some(format!("data loss: {}", sentences.trim_end_matches('.')))
}
