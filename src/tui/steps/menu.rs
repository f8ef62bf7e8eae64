//! The buttons at the foot of every step, and the menu of its actions: arrows, Tab, Enter, Esc and Space reach
//! everything, letters are shortcuts.

use crate::{
    domain::members::table::Column,
    tui::{
        keymap::{self, Binding},
        selectors::review::{Gate, begun, gate},
        state::{
            key::Action,
            model::{Focus, Model},
            step::Step,
        },
        steps::can_in_step,
    },
};

/// A button at the foot of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What it does.
    pub action: Action,
    /// What it says.
    pub label: String,
    /// False while that is not possible yet; it says why when it is used.
    pub ready: bool,
}

/// The buttons of the model's step, from the left.
pub fn buttons(model: &Model) -> Vec<Button> {
    let onward = match model.step.after() {
        Some(after) => Button {
            action: Action::Next,
            label: format!("Next: {}", after.title()),
            ready: can_in_step(model, Action::Next).is_ok()
                && (model.step != Step::Review || begun(model) || matches!(gate(model), Gate::Label)),
        },
        None => Button { action: Action::Quit, label: "Quit".into(), ready: true },
    };
    vec![onward, Button { action: Action::Menu, label: "Menu".into(), ready: true }]
}

/// A line of the menu.
#[derive(Debug)]
pub struct Entry {
    /// Its key and what it does.
    pub binding: &'static Binding,
    /// Why it cannot be done now.
    pub why: Option<String>,
}

/// All that can be done in the model's step, what is possible now before what is not.
pub fn entries(model: &Model) -> Vec<Entry> {
    let listed = keymap::bindings_for(model.step.place())
        .filter(|b| !b.label.is_empty() && !matches!(b.action, Action::Up | Action::Left | Action::Right))
        .filter(|b| b.action != Action::Note || model.options.accompanied);
    let (can, cannot): (Vec<Entry>, Vec<Entry>) = listed
        .map(|binding| Entry { binding, why: can_in_step(model, binding.action).err() })
        .partition(|entry| entry.why.is_none());
    can.into_iter().chain(cannot).collect()
}

/// What a key does while a button has the focus.
pub(in crate::tui) enum OnButton {
    /// The button's own action.
    Does(Action),
    /// The focus moved.
    Moved,
    /// What it does everywhere in the step.
    Passes,
}

/// What `action` does while a button has the focus; moves the focus where it does that.
pub(in crate::tui) fn on_button(model: &mut Model, action: Action) -> OnButton {
    let Focus::Button(at) = model.focus else { return OnButton::Passes };
    if model.overlay.is_some() || model.prompt.is_some() {
        return OnButton::Passes;
    }
    let buttons = buttons(model);
    let last = buttons.len().saturating_sub(1);
    let at = at.min(last);
    model.focus = match action {
        Action::Open => return buttons.get(at).map_or(OnButton::Passes, |button| OnButton::Does(button.action)),
        Action::Left => Focus::Button(at.saturating_sub(1)),
        Action::Right => Focus::Button((at + 1).min(last)),
        Action::FocusNext if at < last => Focus::Button(at + 1),
        Action::FocusBefore if at > 0 => Focus::Button(at - 1),
        // a key that is held down ends here
        Action::Down => Focus::Button(at),
        Action::FocusNext | Action::FocusBefore | Action::Up => Focus::Body,
        _ => return OnButton::Passes,
    };
    OnButton::Moved
}

/// Tab and Shift-Tab in the step itself: to its buttons, on Members from cell to cell before.
pub(in crate::tui) fn leave_body(model: &mut Model, action: Action) {
    let state = &mut model.members;
    let on_row = model.step == Step::Members && state.at < state.rows.len();
    match action {
        Action::FocusNext if on_row && state.column + 1 < Column::ALL.len() => state.column += 1,
        Action::FocusBefore if on_row && state.column > 0 => state.column -= 1,
        Action::FocusNext => model.focus = Focus::Button(0),
        _ => model.focus = Focus::Button(buttons(model).len().saturating_sub(1)),
    }
}
