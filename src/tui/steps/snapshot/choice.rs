//! Which source is restored from: what choosing it means, what is asked before it is taken, and what it loses.

use std::path::{Path, PathBuf};

use super::{selected, selected_path};
use crate::{
    domain::sources::{
        cluster_match::Relation,
        data_loss::Lost,
        ranking::{Place, SourceKind, SourceState},
    },
    etcd::membership::Id,
    text::{Shown, join::sentence},
    tui::{app::Model, messages::Effect, widgets::theme::Tone},
};

/// The cluster that the chosen file is of, where its origin or its history shows it.
pub(in crate::tui::steps) fn cluster_of_chosen(model: &Model) -> Option<Id> {
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
pub(in crate::tui::steps) fn loss_warning(model: &Model) -> Option<String> {
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
        None => model.say(Tone::Good, format!("{chosen} Press n for Members.")),
    }
    model.snapshot.selected = Some(Place::File(path.clone()));
    model.snapshot.held_selection = true;
    model.snapshot.chosen = Some(path);
    model.propose_label();
}

/// What the operator accepts with the selected file, besides the missing checksum.
pub(in crate::tui) fn risks(model: &Model) -> Vec<String> {
    let Some(source) = selected(model) else { return Vec::new() };
    let damage = match &source.standing {
        SourceState::Limited(damage) => vec![sentence(&damage.why)],
        _ => Vec::new(),
    };
    let mut lines = match source.kind {
        SourceKind::DataDir => source.loses(model.snapshot.list.newest.as_ref()),
        _ => Vec::new(),
    };
    lines.splice(..0, damage);
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// What the selected file is asked about: the title, and what accepting it means.
pub(in crate::tui) fn asked(model: &Model) -> (String, Vec<String>) {
    let unhashed = [
        "A saved snapshot ends with its own SHA-256. This file has none, like a copy of member/snap/db.",
        "Its pages were checked and are sound. A value changed on disk would still go unnoticed, and a copy taken \
         while etcd was writing may hold an older state than its age suggests.",
        "",
        "The plan will carry skip_hash_check, as `etcdutl snapshot restore --skip-hash-check` does.",
    ];
    let Some(SourceState::Limited(damage)) = selected(model).map(|source| &source.standing) else {
        let lines = risks(model).into_iter().chain(unhashed.map(String::from)).collect();
        return ("Accept this file without a checksum?".into(), lines);
    };
    let mut lines = risks(model);
    if !damage.hashed {
        lines.extend(unhashed.map(String::from));
    }
    lines.push(format!(
        "The plan will carry accept_damage: {}, and each member's database is rebuilt from the rows.",
        damage.revision
    ));
    ("Accept this damaged file?".into(), lines)
}
