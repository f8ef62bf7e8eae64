//! How each step is drawn, and what its windows say.

pub mod detect;
pub(in crate::tui) mod launch;
pub mod members;
pub(in crate::tui) mod questions;
pub mod restore;
pub(in crate::tui) mod resume;
pub(in crate::tui) mod review;
pub mod snapshot;
pub mod verify;

use crate::tui::{
    state::{model::Model, step::Step},
    widgets::layout::Page,
};

/// What the details window shows in this step: a heading and lines.
pub(super) fn details(model: &Model) -> (String, Vec<String>) {
    match model.step {
        Step::Detect => detect::details(model),
        Step::Snapshot => snapshot::details(model),
        Step::Members => members::details(model),
        Step::Review => review::details(model),
        Step::Restore => restore::details(model),
        Step::Launch => launch::details(model),
        Step::Proof => verify::details(model),
    }
}

/// Draws the model's step.
pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
    match model.step {
        Step::Detect => detect::draw(model, page),
        Step::Snapshot => snapshot::draw(model, page),
        Step::Members => members::draw(model, page),
        Step::Review => review::draw(model, page),
        Step::Restore => restore::draw(model, page),
        Step::Launch => launch::draw(model, page),
        Step::Proof => verify::draw(model, page),
    }
}
