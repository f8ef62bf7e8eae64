//! What can be chosen now, as a numbered list: the lines of the step and the cells of its table, and the keys that work,
//! from the one table of keys.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{
    domain::members::table::Column,
    tui::{
        frame::footer,
        keymap,
        selectors::{
            launch::commands,
            members::{draft, place_words, problems},
        },
        state::{
            key::{Action, Place},
            members::Choice as Below,
            model::Model,
            step::Step,
        },
        steps::can,
    },
};

/// What a choice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// Select a line of the step.
    Line(usize),
    /// Edit a cell of the selected row.
    Cell(usize, usize),
    /// Put the correction into a cell.
    Fix(usize, usize),
    /// Put the next source's value into a cell.
    Other(usize, usize),
    /// Press a key.
    Key(KeyEvent),
}

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// What it does.
    pub(super) deed: Deed,
    /// What it does, in words.
    pub(super) words: String,
    /// What can be typed in place of its number; empty where there is nothing.
    pub(super) key: String,
}

impl Choice {
    fn new(deed: Deed, words: String) -> Choice {
        Choice { deed, words, key: String::new() }
    }

    /// The choice as it is listed.
    pub(super) fn line(&self, number: usize) -> String {
        let key = if self.key.is_empty() { String::new() } else { format!(" ({})", self.key) };
        format!("{number:>3}. {}{key}", self.words)
    }
}

/// Everything that can be chosen now; nothing while a text is asked for.
pub(super) fn choices(model: &Model) -> Vec<Choice> {
    let place = model.place();
    if place == Place::Field {
        return Vec::new();
    }
    let mut out = Vec::new();
    if model.overlay.is_none() {
        let (selected, lines) = lines(model);
        let select = |(at, name): (usize, &String)| {
            (at != selected).then(|| Choice::new(Deed::Line(at), format!("select {name}")))
        };
        out.extend(lines.iter().enumerate().filter_map(select));
        if model.step == Step::Members {
            out.extend(cells(model));
        }
    }
    let on_row = model.step == Step::Members && model.overlay.is_none() && model.members.at < model.members.rows.len();
    let cell = |action| matches!(action, Action::Open | Action::TakeFix | Action::Other);
    let keys = keymap::bindings_for(place)
        .filter(|binding| !binding.help.is_empty() && listed(model, binding.action))
        .filter(|binding| !(on_row && cell(binding.action)) && can(model, binding.action).is_ok());
    out.extend(keys.filter_map(|binding| {
        let key = binding.keys.first()?.event();
        if for_the_eye(key) {
            return None;
        }
        let label = match footer::label(model, binding) {
            label if label.is_empty() => binding.help.to_string(),
            label => format!("{label}: {}", binding.help),
        };
        Some(Choice { deed: Deed::Key(key), words: label, key: key_name(key) })
    }));
    out
}

/// Whether an action is a choice of its own: what only moves a selection or a page is not.
fn listed(model: &Model, action: Action) -> bool {
    match action {
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last | Action::Left => {
            false
        }
        // the next start format
        Action::Right => model.step == Step::Launch,
        Action::Step(_) | Action::Interrupt | Action::Suspend => false,
        _ => true,
    }
}

/// Whether a key is of no use where everything is printed: it moves a focus, opens a list of what is listed here anyway, or
/// narrows a list.
pub(super) fn for_the_eye(key: KeyEvent) -> bool {
    matches!(key.code, KeyCode::Tab | KeyCode::BackTab | KeyCode::Char(' ' | '/'))
}

/// How a key is typed on a line.
pub(super) fn key_name(key: KeyEvent) -> String {
    match key.code {
        KeyCode::Char(c) => c.to_string(),
        KeyCode::Enter => "enter".into(),
        KeyCode::Esc => "esc".into(),
        KeyCode::Right => "right".into(),
        _ => String::new(),
    }
}

/// The key of that name.
pub(super) fn named(name: &str) -> Option<KeyEvent> {
    let code = match name.to_ascii_lowercase().as_str() {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "right" => KeyCode::Right,
        "left" => KeyCode::Left,
        _ => return None,
    };
    Some(KeyEvent::new(code, KeyModifiers::NONE))
}

/// The lines of the step that can be selected, by name, and which of them is.
fn lines(model: &Model) -> (usize, Vec<String>) {
    match model.step {
        Step::Detect => {
            let detect = &model.detect;
            let name = |facts: &crate::domain::model::observations::EndpointFacts| {
                format!("{} at {}", detect.name(facts), facts.endpoint)
            };
            (detect.at, detect.rows.iter().map(|row| name(&row.facts)).collect())
        }
        Step::Snapshot => {
            let state = &model.snapshot;
            let sources = &state.list.sources;
            let at = sources.iter().position(|source| Some(&source.place) == state.selected.as_ref());
            (at.unwrap_or(usize::MAX), sources.iter().map(|source| source.name.clone()).collect())
        }
        Step::Members => {
            let state = &model.members;
            let rows = (0..state.rows.len()).map(|row| row_name(model, row));
            let below = state.choices.iter().map(|choice| below_name(*choice).to_string());
            (state.at, rows.chain(below).collect())
        }
        Step::Restore => (model.restore.at, model.restore.rows.iter().map(|row| row.name.clone()).collect()),
        Step::Launch => (model.launch.at, commands(model).into_iter().map(|launch| launch.member).collect()),
        // their lines are only read
        Step::Review | Step::Proof => (0, Vec::new()),
    }
}

fn below_name(choice: Below) -> &'static str {
    use crate::tui::state::members::Extra;
    match choice {
        Below::Token => "the token",
        Below::Target => "the etcd version",
        Below::Bump => "the revision bump",
        Below::Compacted => "mark compacted",
        Below::Learners => "the learners",
        Below::Extra(Extra::Alarms) => "clear alarms",
        Below::Extra(Extra::Downgrade) => "end downgrade",
        Below::Extra(Extra::Auth) => "disable auth",
        Below::Extra(Extra::Versions) => "set versions",
        Below::Extra(Extra::Compact) => "compact",
    }
}

fn row_name(model: &Model, row: usize) -> String {
    let name = model.members.rows.get(row).map(|row| row.text(Column::Name)).unwrap_or_default();
    if name.is_empty() { format!("row {}", row + 1) } else { format!("row {} ({name})", row + 1) }
}

/// The cells of the selected row, and the corrections and other values for all of them.
fn cells(model: &Model) -> Vec<Choice> {
    let state = &model.members;
    let mut out = Vec::new();
    if state.at < state.rows.len() {
        let name = row_name(model, state.at);
        out.extend(Column::ALL.iter().enumerate().map(|(at, column)| {
            Choice::new(Deed::Cell(state.at, at), format!("edit the {} of {name}", column.heading()))
        }));
    }
    let draft = draft(model);
    let column_at = |column: Column| Column::ALL.iter().position(|other| *other == column);
    let mut fixed = Vec::new();
    for problem in problems(&draft) {
        let (Some(row), Some(column), Some(fix)) = (problem.row, problem.column.and_then(column_at), &problem.fix)
        else {
            continue;
        };
        // the first is what the key takes
        if !fixed.contains(&(row, column)) {
            fixed.push((row, column));
            let words = format!("take the correction of {}: {fix}", place_words(&draft, &problem));
            out.push(Choice::new(Deed::Fix(row, column), words));
        }
    }
    for (at, row) in draft.rows.iter().enumerate() {
        for (column_at, column) in Column::ALL.iter().enumerate() {
            let cell = row.cell(*column);
            let Some(other) = cell.other().filter(|_| cell.disputed()) else { continue };
            let words =
                format!("take {} of {} as the {} of {}", other.text, other.from, column.heading(), row_name(model, at));
            out.push(Choice::new(Deed::Other(at, column_at), words));
        }
    }
    out
}
