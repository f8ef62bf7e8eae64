//! The windows over a step: the menu, the keys, details, questions.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    widgets::{Block, Clear, Widget},
};

use super::footer::shown_key;
use crate::{
    text::{Shown, columns},
    tui::{
        keymap,
        state::{
            key::Action,
            model::{Model, Overlay},
        },
        steps::{self, menu},
        views::{self, questions, resume},
        widgets::{
            layout::{MOST_COLUMNS, Page},
            theme::Tone,
        },
    },
};

/// The open window's heading, its lines as they are wrapped, and its box in the middle.
fn window_layout(model: &Model, area: Rect) -> (String, Vec<String>, Rect) {
    let width = area.width.saturating_sub(6).min(100);
    let room = usize::from(width.saturating_sub(4));
    let (title, lines) = window_words(model, room);
    let lines: Vec<String> = lines.iter().flat_map(|l| columns::wrap(l, room)).collect();
    let height = u16::try_from(lines.len() + 4).unwrap_or(u16::MAX).min(area.height.saturating_sub(4));
    let place = Rect {
        x: area.x + area.width.saturating_sub(width) / 2,
        y: area.y + area.height.saturating_sub(height) / 2,
        width,
        height,
    };
    (columns::fit(&title, room), lines, place)
}

/// How far the open window can be scrolled on the model's terminal.
pub(in crate::tui) fn most_scroll(model: &Model) -> usize {
    let (width, height) = model.size;
    let (_, lines, place) = window_layout(model, Rect::new(0, 0, width.min(MOST_COLUMNS), height));
    // the border, the empty line and the line of keys
    lines.len().saturating_sub(usize::from(place.height.saturating_sub(3)))
}

/// Draws the open window.
pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let (title, lines, place) = window_layout(model, area);
    Clear.render(place, buffer);
    let block = Block::bordered().title(format!(" {} ", title)).border_style(model.look.style(Tone::Strong));
    let inside = block.inner(place);
    block.render(place, buffer);
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    let mut page = Page::new(buffer, inside, model.look);
    let seen = page.left().saturating_sub(1);
    let picks = model.overlay == Some(Overlay::Menu);
    // the picked action has as many lines as it needs, every other one
    let spread = if picks { lines.len().saturating_sub(menu::entries(model).len()) } else { 0 };
    let first = match picks {
        true => (model.pick + spread + 1).saturating_sub(seen),
        false => model.scroll.min(lines.len().saturating_sub(seen)),
    };
    let hidden = lines.len().saturating_sub(first + seen);
    for (at, line) in lines.iter().enumerate().skip(first).take(seen) {
        let picked = picks && (model.pick..=model.pick + spread).contains(&at);
        let cursor = if picks && at == model.pick { "▸ " } else { "  " };
        match picks {
            true => page.say(&format!("{cursor}{line}"), if picked { Tone::Chosen } else { Tone::Plain }),
            false => page.say(line, Tone::Plain),
        }
    }
    while page.left() > 1 {
        page.gap();
    }
    let mut keys: Vec<ratatui::text::Span<'static>> = Vec::new();
    let scrolls = first > 0 || hidden > 0;
    let asks = keymap::bindings_for(model.place()).any(|b| b.action == Action::Decide);
    for binding in keymap::bindings_for(model.place())
        .filter(|b| !b.label.is_empty() && (scrolls || picks || b.action != Action::Up))
    {
        let label = match (model.overlay, binding.action) {
            (Some(Overlay::Unfinished), Action::Yes) => resume::key_words(model),
            _ => binding.label,
        };
        // the answer that Enter gives
        let answer = asks && (binding.action == if model.yes { Action::Yes } else { Action::Close });
        match answer {
            true => keys.push(page.span(format!("{} {label}", model.look.key("⏎")), Tone::Chosen)),
            false => {
                keys.push(page.span(format!("{} ", model.look.key(binding.show)), Tone::Strong));
                keys.push(page.span(label.to_string(), Tone::Plain));
            }
        }
        keys.push(page.span("   ", Tone::Plain));
    }
    if scrolls {
        let lines = if hidden == 1 { "line" } else { "lines" };
        keys.push(page.span(format!("{hidden} {lines} below"), Tone::Faint));
    }
    page.line(keys);
}

/// The open window's heading and lines.
pub(in crate::tui) fn window_words(model: &Model, room: usize) -> (String, Vec<String>) {
    match model.overlay {
        Some(Overlay::Menu) => (format!("What can be done on {}", model.step.title()), menu_words(model, room)),
        Some(Overlay::Help) => (format!("Keys on {}", model.step.title()), help(model, room)),
        Some(Overlay::Details) => views::details(model),
        Some(Overlay::Quit) => ("Quit?".into(), quit_words(model)),
        Some(Overlay::Unhashed) => questions::accept_words(model),
        Some(Overlay::Pasted) => questions::paste_words(model),
        Some(Overlay::Canary) => ("Write one key, and delete it again?".into(), questions::canary_words(model)),
        Some(Overlay::Start) => questions::start_words(model),
        Some(Overlay::Rehearse) => ("Dry run of this plan?".into(), questions::dry_run_words(model)),
        Some(Overlay::Unfinished) => resume::words(model),
        Some(Overlay::Token) => questions::token_words(model),
        Some(Overlay::Sure(action)) => steps::question(model, action)
            .unwrap_or_else(|| ("No longer needed".into(), vec!["What this question was about has ended.".into()])),
        Some(Overlay::Held(action)) => held_words(model, action),
        Some(Overlay::Stop) => (
            "Stop?".into(),
            vec![
                "Every host stops at its next safe point. What is built and verified waits in staging. What is \
                 installed stays. Your previous data is untouched or moved aside. Press t to resume later, or run \
                 requorum resume."
                    .into(),
            ],
        ),
        None => (String::new(), Vec::new()),
    }
}

/// The lines of the menu: one for each action, and the picked one in full.
fn menu_words(model: &Model, room: usize) -> Vec<String> {
    let entries = menu::entries(model);
    let keys = entries.iter().map(|entry| columns::width(&shown_key(model, entry.binding))).max().unwrap_or(0);
    let labels = entries.iter().map(|entry| columns::width(entry.binding.label)).max().unwrap_or(0);
    let line = |entry: &menu::Entry| {
        let key = columns::pad(&shown_key(model, entry.binding), keys, columns::Align::Left);
        let label = columns::pad(entry.binding.label, labels, columns::Align::Left);
        let about = match &entry.why {
            Some(why) => format!("(not now: {why})"),
            None => entry.binding.help.to_string(),
        };
        (format!("{key}  {label}"), about)
    };
    // the cursor takes two columns
    let room = room.saturating_sub(2);
    let lines = |(at, entry): (usize, &menu::Entry)| {
        let (head, about) = line(entry);
        if at != model.pick {
            return vec![columns::fit(&format!("{head}  {about}"), room)];
        }
        let indent = columns::width(&head) + 2;
        let told = columns::wrap(&about, room.saturating_sub(indent)).into_iter().enumerate();
        told.map(|(at, words)| if at == 0 { format!("{head}  {words}") } else { " ".repeat(indent) + &words }).collect()
    };
    entries.iter().enumerate().flat_map(lines).collect()
}

/// What was asked for and waits, and what for.
fn held_words(model: &Model, action: Action) -> (String, Vec<String>) {
    match steps::held(model, action) {
        Ok(()) => {
            let binding = keymap::bindings_for(model.step.place()).find(|binding| binding.action == action);
            let (name, help) = binding.map_or(("continue", "do what was asked for"), |b| (b.label, b.help));
            let words = format!("This can be done now: {help}. Enter does it, Esc closes this window.");
            (format!("Ready: {name}"), vec![words])
        }
        Err(why) => {
            let keys = "Meanwhile other keys do nothing, so that typing ahead triggers no command. Esc closes this \
                        window.";
            ("Not yet".into(), vec![why, String::new(), keys.into()])
        }
    }
}

fn quit_words(model: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    if model.restore.running() {
        lines.push(
            "A restore is in progress. Quitting stops each host at its next safe point. What is built waits in \
             staging; start requorum again to resume."
                .into(),
        );
    } else if model.snapshot.saving.is_some() {
        lines.push("A snapshot is being saved. Quitting stops that and removes what was received.".into());
    } else if model.options.accompanied {
        lines.push("Pause the drill? The clock stops; b brings you back here.".into());
    } else if model.written.is_empty() && model.restore.rows.is_empty() {
        lines.push("Nothing has been written. What was typed here is not kept; a plan saved on Review is.".into());
    } else if model.written.is_empty() {
        lines.push("This session wrote nothing itself. What an earlier run installed stays.".into());
    } else {
        lines.push("What was written stays, and is listed after you quit:".into());
        lines.extend(model.written.iter().map(|(path, what)| format!("  {what}: {}", path.shown())));
    }
    lines
}

/// The help: every key of the place below, from the table.
fn help(model: &Model, room: usize) -> Vec<String> {
    const KEYS: usize = 10;
    let mut lines: Vec<String> = Vec::new();
    let named = |b: &&keymap::Binding| !b.help.is_empty() && (b.action != Action::Note || model.options.accompanied);
    for binding in keymap::bindings_for(model.step.place()).filter(named) {
        let mut about = columns::wrap(binding.help, room.saturating_sub(KEYS + 1));
        if let Err(why) = steps::can_in_step(model, binding.action) {
            about.extend(columns::wrap(&format!("Not now: {why}"), room.saturating_sub(KEYS + 1)));
        }
        for (i, line) in about.iter().enumerate() {
            let shown = if i == 0 { model.look.key(binding.show) } else { String::new() };
            lines.push(format!("{} {line}", columns::pad(&shown, KEYS, columns::Align::Left)));
        }
    }
    lines.push(String::new());
    lines.push(
        "While text is typed: arrows, Home, End, Backspace, Delete, Ctrl-U, Ctrl-K, Ctrl-W; Esc keeps the old value."
            .into(),
    );
    lines.push("The mouse is left to the terminal: select and copy as usual.".into());
    lines
}
