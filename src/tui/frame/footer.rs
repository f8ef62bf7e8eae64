//! The foot of every step: its buttons in the rule, the open field, the status line, and the keys that work now.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    domain::sources::ranking::Place,
    text::columns,
    tui::{
        dialogs, keymap,
        selectors::{
            asked_keys,
            review::{Gate, begun, command_key, gate},
            snapshot::selected,
        },
        state::{
            key::{self, Action},
            members::Choice,
            model::{Focus, Model, Overlay},
            prompt::{Ask, Prompt},
            step::Step,
        },
        steps::{can, menu},
        views::resume,
        widgets::{layout::Page, theme::Tone},
    },
};

type Lines = Vec<Vec<ratatui::text::Span<'static>>>;

/// The lines below the step: notes and field, status, footer.
pub(super) fn lines(model: &Model, area: Rect) -> (Lines, Lines, Lines) {
    let mut scratch = Buffer::empty(Rect { height: 1, ..area });
    let page = Page::new(&mut scratch, Rect { height: 1, ..area }, model.look);
    let mut body: Lines = Vec::new();
    let notes = model.options.notes.iter().filter(|(s, _)| *s == model.step);
    if area.height >= 20 {
        for (_, note) in notes {
            body.extend(page.flow(" ", note, Tone::Faint, 3));
        }
    }
    if let Some(prompt) = &model.prompt {
        body.extend(field(model, prompt, &page));
    }
    if model.prompt.is_none() && !model.filter.is_empty() {
        let words = format!("Only lines with \u{201c}{}\u{201d} are shown. Esc shows all.", model.filter);
        body.extend(page.flow(" ", &words, Tone::Strong, 2));
    }
    let status = match &model.status {
        Some(status) => page.flow(" ", &status.text, status.tone, 3),
        None => Vec::new(),
    };
    let mut foot = vec![buttons(model, &page)];
    foot.extend(footer(model, &page));
    (body, status, foot)
}

/// The rule above the keys, with the step's buttons in it.
fn buttons(model: &Model, page: &Page<'_>) -> Vec<ratatui::text::Span<'static>> {
    let mut line = vec![page.span("─", Tone::Faint)];
    let mut used = 1;
    if model.prompt.is_none() && model.overlay.is_none() {
        for (at, button) in menu::buttons(model).into_iter().enumerate() {
            let here = model.focus == Focus::Button(at);
            let key =
                keymap::bindings_for(model.step.place()).find(|b| b.action == button.action && !b.show.is_empty());
            let key = key.map_or_else(String::new, |b| format!("{} ", shown_key(model, b)));
            let not_yet = if button.ready { "" } else { ", not yet" };
            let words = format!("[{}{key}{}{not_yet} ]", if here { "▸" } else { " " }, button.label);
            let tone = match (here, button.ready) {
                (true, _) => Tone::Chosen,
                (false, true) => Tone::Strong,
                (false, false) => Tone::Plain,
            };
            used += columns::width(&words) + 2;
            line.extend([page.span(words, tone), page.span("──", Tone::Faint)]);
        }
    }
    line.push(page.span("─".repeat(page.width().saturating_sub(used)), Tone::Faint));
    line
}

/// The open field: its heading, the text with its cursor, the line below.
fn field(model: &Model, prompt: &Prompt, page: &Page<'_>) -> Lines {
    let (title, about) = dialogs::words(model, prompt);
    let rule = format!("── {} ", columns::fit(&title, page.width().saturating_sub(6)));
    let rest = page.width().saturating_sub(columns::width(&rule));
    let room = page.width().saturating_sub(6);
    let (shown, cursor) = prompt.field.window(room);
    let (cut_before, cut_after) = prompt.field.hidden(room);
    let mut before = String::new();
    let mut under = String::from(" ");
    let mut after = String::new();
    let mut column = 0;
    for c in shown.chars() {
        match column.cmp(&cursor) {
            std::cmp::Ordering::Less => before.push(c),
            std::cmp::Ordering::Equal => under = c.to_string(),
            std::cmp::Ordering::Greater => after.push(c),
        }
        column += columns::of_char(c);
    }
    let mut lines = vec![
        vec![page.span(format!("{rule}{}", "─".repeat(rest)), Tone::Strong)],
        vec![
            page.span(if cut_before { " >‹" } else { " > " }, Tone::Strong),
            page.span(before, Tone::Plain),
            page.span(under, Tone::Chosen),
            page.span(after, Tone::Plain),
            page.span(if cut_after { "›" } else { "" }, Tone::Strong),
        ],
    ];
    let weight = if prompt.ask.confirms() { Tone::Strong } else { Tone::Faint };
    lines.extend(page.flow("   ", &about, weight, 3));
    lines
}

/// The keys that work now, as many as fit: first those that the text on the screen asks for; help and quit always. What
/// the buttons do is written on them, and the menu has all of it.
fn footer(model: &Model, page: &Page<'_>) -> Lines {
    let place = model.place();
    let at_step = model.prompt.is_none() && model.overlay.is_none();
    let on_button = match model.focus {
        Focus::Button(at) if at_step => menu::buttons(model).into_iter().nth(at),
        _ => None,
    };
    let shown: Vec<(String, String, Action)> = keymap::bindings_for(place)
        .filter(|b| !(b.label.is_empty() || at_step && b.action == Action::Next))
        .filter(|b| can(model, b.action).is_ok() || b.action == Action::Open && on_button.is_some())
        .map(|b| {
            let label = match &on_button {
                Some(button) if b.action == Action::Open => button_label(model, button),
                _ => label(model, b),
            };
            (shown_key(model, b), label, b.action)
        })
        .collect();
    let size = |k: &(String, String, Action)| columns::width(&k.0) + columns::width(&k.1) + 3;
    let asked = asked_keys(model);
    // the brake and what is asked for are always named, arrows only where there is room
    let rank = |a: Action| match a {
        Action::Help | Action::Quit | Action::StopWork => 0,
        a if asked.contains(&a) => 0,
        Action::Back | Action::Open => 1,
        Action::Up | Action::Left | Action::Note => 3,
        _ => 2,
    };
    let mut room = page.width().saturating_sub(1);
    let mut kept = vec![false; shown.len()];
    for wanted in 0..4 {
        for (key, kept) in shown.iter().zip(&mut kept).filter(|(k, _)| rank(k.2) == wanted) {
            if let Some(rest) = room.checked_sub(size(key)) {
                room = rest;
                *kept = true;
            }
        }
    }
    let mut line = vec![page.span(" ", Tone::Plain)];
    for (key, _) in shown.iter().zip(kept).filter(|(_, kept)| *kept) {
        line.push(page.span(format!("{} ", key.0), Tone::Strong));
        line.push(page.span(format!("{}  ", key.1), Tone::Plain));
    }
    vec![line]
}

/// What a key does, in the footer's words.
pub(in crate::tui) fn label(model: &Model, binding: &keymap::Binding) -> String {
    let asks = model.step == Step::Review && !begun(model);
    match (binding.action, model.step.after()) {
        (Action::Next, Some(_)) if asks => {
            let button = menu::buttons(model).into_iter().find(|button| button.action == Action::Next);
            button.map_or_else(String::new, |button| button_label(model, &button))
        }
        (Action::Next, Some(after)) => format!("next: {}", after.title()),
        (Action::Open, _) => open_label(model).unwrap_or(binding.label).to_string(),
        (Action::Submit, _) => submit_label(model).to_string(),
        (Action::Back, _) if !model.filter.is_empty() => "show all".into(),
        (Action::Yes, _) if model.overlay == Some(Overlay::Unfinished) => resume::key_words(model).to_string(),
        _ => binding.label.to_string(),
    }
}

/// What Enter does on a button.
fn button_label(model: &Model, button: &menu::Button) -> String {
    match (button.action, model.step, gate(model)) {
        (Action::Next, Step::Review, Gate::Consent(_)) => "agree to stop".into(),
        (Action::Next, Step::Review, Gate::Override(..)) => "override".into(),
        (Action::Next, Step::Review, Gate::Shut(_)) => "what to do".into(),
        (Action::Next, Step::Review, _) if !begun(model) => "type label".into(),
        _ => button.label.clone(),
    }
}

/// A key as the footer names it: where its letter begins what is to be typed, the command works with Alt.
pub(in crate::tui) fn shown_key(model: &Model, binding: &keymap::Binding) -> String {
    let mut letters = binding.show.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) if model.place() == key::Place::Review && binding.is_letter(letter) => {
            command_key(model, letter)
        }
        _ => model.look.key(binding.show),
    }
}

/// What Enter does in the open field.
fn submit_label(model: &Model) -> &'static str {
    match model.prompt.as_ref().map(|p| &p.ask) {
        Some(Ask::Confirm) if gate(model) != Gate::Label => "not yet",
        Some(Ask::Confirm) => "start the restore",
        Some(Ask::Undo) => "roll back",
        Some(Ask::Consent) => "agree",
        Some(Ask::Gate) => "continue anyway",
        Some(Ask::Filter) => "filter",
        Some(Ask::Endpoints) => "ask them",
        Some(Ask::OpenFile) => "open",
        Some(Ask::SaveFrom(_) | Ask::PlanFile | Ask::SheetFile | Ask::RunbookFile) => "save",
        _ => "accept",
    }
}

/// What Enter does, where that depends on what is selected.
fn open_label(model: &Model) -> Option<&'static str> {
    match model.step {
        Step::Snapshot => match selected(model)?.place {
            Place::Member(_) => Some("save snapshot"),
            Place::File(_) => Some("choose"),
        },
        Step::Members => match model.members.choice()? {
            Choice::Target | Choice::Compacted | Choice::Extra(_) => Some("change"),
            _ => Some("edit"),
        },
        _ => None,
    }
}
