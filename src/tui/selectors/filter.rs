//! The filter of a step's list: which of its lines contain the text that was typed.

use crate::{
    domain::{members::table::Column, model::observations::Answer},
    tui::{
        keymap,
        state::{detect::Asked, key::Action, model::Model, prompt::Ask, step::Step},
    },
};

/// The text that the list is filtered by, as it is typed; none for all lines.
pub(in crate::tui) fn text(model: &Model) -> Option<String> {
    let typed = model.prompt.as_ref().filter(|prompt| prompt.ask == Ask::Filter).map(|prompt| prompt.text());
    Some(typed.unwrap_or(&model.filter).to_lowercase()).filter(|text| !text.is_empty())
}

/// Whether one of a line's texts contains the filter's.
pub(in crate::tui) fn keeps<'a>(filter: Option<&str>, texts: impl IntoIterator<Item = &'a str>) -> bool {
    filter.is_none_or(|filter| texts.into_iter().any(|text| text.to_lowercase().contains(filter)))
}

/// The lines of the step's list that are seen, by their place in it.
pub(in crate::tui) fn seen(model: &Model) -> Vec<usize> {
    let filter = text(model);
    let filter = filter.as_deref();
    match model.step {
        Step::Detect => {
            let row = |row: &Asked| {
                let name = model.detect.name(&row.facts);
                keeps(filter, [name.as_str(), &row.facts.endpoint, &says(&row.facts.answer)])
            };
            places(model.detect.rows.iter().map(row))
        }
        Step::Snapshot => places(model.snapshot.list.sources.iter().map(|s| keeps(filter, [s.name.as_str()]))),
        Step::Members => {
            let rows = model.members.rows.iter().map(|row| keeps(filter, Column::ALL.iter().map(|c| row.text(*c))));
            // the options stay in sight
            places(rows.chain(model.members.choices.iter().map(|_| true)))
        }
        _ => Vec::new(),
    }
}

/// What the table shows of an answer.
fn says(answer: &Answer) -> String {
    match answer {
        Answer::Asking => String::new(),
        Answer::Silent { why, .. } => why.to_string(),
        Answer::Says(says) => says.leader_words(),
    }
}

fn places(kept: impl Iterator<Item = bool>) -> Vec<usize> {
    kept.enumerate().filter_map(|(at, kept)| kept.then_some(at)).collect()
}

/// Where a selection lands among the lines that are seen.
pub(in crate::tui) fn moved(model: &Model, at: usize, action: Action) -> usize {
    let seen = seen(model);
    let now = seen.iter().position(|line| *line >= at).unwrap_or(seen.len().saturating_sub(1));
    seen.get(keymap::moved(now, action, seen.len())).copied().unwrap_or(at)
}

/// What is selected in the model's step.
pub(in crate::tui) fn selection(model: &Model) -> usize {
    match model.step {
        Step::Detect => model.detect.at,
        Step::Snapshot => model.snapshot.at(),
        Step::Members => model.members.at,
        Step::Review => model.review.at,
        Step::Restore => model.restore.at,
        Step::Launch => model.launch.at,
        Step::Proof => 0,
    }
}
