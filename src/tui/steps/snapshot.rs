//! Snapshot: which source loses least, and can it be trusted? Survivors, data directories and files are in one list,
//! ranked by [`crate::domain::sources::ranking`]; here is how the step is entered. What goes on in the background is in
//! [`super::snapshot_tasks`].

mod actions;
mod choice;
mod list;

use crate::tui::{
    state::{messages::Effect, model::Model},
    steps::snapshot_tasks::{search, search_own, take_dirs},
};

pub(super) use self::actions::{act, awaits, can, question, saves};
pub(in crate::tui) use self::{choice::agree, list::relist};

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
