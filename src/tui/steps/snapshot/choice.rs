//! Which source is restored from: what choosing it means, what is asked before it is taken, and what it loses.

use std::path::{Path, PathBuf};

use crate::{
    domain::sources::{cluster_match::Relation, ranking::Place},
    text::Shown,
    tui::{
        selectors::snapshot::selected_path,
        state::{messages::Effect, model::Model},
        widgets::theme::Tone,
    },
};

/// The operator takes the selected file without a checksum.
pub(in crate::tui) fn agree(model: &mut Model) -> Vec<Effect> {
    let Some(path) = selected_path(model).map(Path::to_path_buf) else { return Vec::new() };
    if !model.snapshot.agreed.contains(&path) {
        model.snapshot.agreed.push(path.clone());
    }
    choose(model, path);
    Vec::new()
}

pub(super) fn choose(model: &mut Model, path: PathBuf) {
    let source = model.snapshot.list.get(&Place::File(path.clone()));
    let against = source.and_then(|source| match &source.relation {
        Relation::Other(why) => Some(format!("It belongs to another cluster: {why}.")),
        _ if source.disagrees => Some("It holds different data than another source of this cluster.".to_string()),
        _ => None,
    });
    let chosen = format!("Chosen: {}.", path.shown());
    match against {
        Some(words) => model.say(Tone::Warn, format!("{chosen} {words}")),
        None if model.snapshot.list.differing.is_some() => {
            model.say(Tone::Warn, format!("{chosen} Sources hold different data: compare (d) before you go on."));
        }
        None => model.say(Tone::Good, format!("{chosen} Press n for Members.")),
    }
    model.snapshot.selected = Some(Place::File(path.clone()));
    model.snapshot.held_selection = true;
    model.snapshot.chosen = Some(path);
    model.propose_label();
}
