//! The selected member.

use crate::tui::state::{model::Model, restore::Row};

pub(in crate::tui) fn selected(model: &Model) -> Option<&Row> {
    model.restore.rows.get(model.restore.at)
}
