//! The member table as whole lines: each row with all of its cells, none of them cut, and what is below it.

use super::{choices, host, problem_at, under};
use crate::{
    domain::members::{
        build_plan::Draft,
        cell::Origin,
        table::{Column, Problem, Severity},
    },
    tui::{
        state::model::Model,
        widgets::{layout::Page, theme::Tone},
    },
};

fn from(origin: Origin) -> &'static str {
    match origin {
        Origin::Typed => "typed",
        Origin::Snapshot => "from the snapshot",
        Origin::Answer => "from a survivor",
        Origin::Config => "from a configuration",
        Origin::Inventory => "from the inventory",
        Origin::Proposed => "proposed",
    }
}

pub(super) fn rows(model: &Model, draft: &Draft, problems: &[Problem], page: &mut Page<'_>) {
    for (at, row) in draft.rows.iter().enumerate() {
        let cells = Column::ALL.iter().filter(|column| !row.text(**column).is_empty()).map(|column| {
            let cell = row.cell(*column);
            let differs = if cell.disputed() { ", sources differ" } else { "" };
            let wrong = match problem_at(problems, at, *column).map(|problem| problem.severity) {
                Some(Severity::Error) => ", wrong",
                Some(Severity::Warning) => ", see below",
                None => "",
            };
            format!("{} {} ({}{differs}{wrong})", column.heading(), cell.text, from(cell.origin))
        });
        let mark = if at == model.members.at { "▸ " } else { "  " };
        let words = cells.collect::<Vec<_>>().join("; ");
        page.line(vec![page.span(format!("{mark}row {}: {words}", at + 1), Tone::Plain)]);
        let (errors, others) = under(model, problems, at, page);
        let lines = errors.into_iter().chain(choices(model, row, at, page)).chain(host(model, row, at, page));
        lines.chain(others).for_each(|line| page.line(line));
    }
}
