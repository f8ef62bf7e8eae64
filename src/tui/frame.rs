//! The frame around every step: header, stepper, notes, field, status line, footer, windows.
//! Drawing reads the model and changes nothing.

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    widgets::{Block, Clear, Widget},
};

use crate::{
    domain::{model::plan::Plan, sources::ranking::Place, verify::VerifyResult},
    execute::executor::Goal,
    text::{Shown, columns},
    tui::{
        dialogs, keymap,
        selectors::{
            asked_keys,
            review::{Gate, begun, command_key, gate},
            snapshot::selected,
        },
        state::{
            key::{self, Action},
            leaving::Leaving,
            members::Choice,
            model::{Focus, Model, Overlay},
            prompt::{Ask, Prompt},
            restore::RowState,
            step::Step,
        },
        steps::{self, can, menu},
        views::{self, questions, resume},
        widgets::{
            layout::{Page, Scrolls},
            theme::Tone,
        },
    },
};

/// Below this nothing useful fits.
const LEAST: (u16, u16) = (60, 16);
/// Wider lines than this are hard to follow with the eye.
const MOST_COLUMNS: u16 = 140;

/// Draws the model.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    picture(model, frame.buffer_mut(), area);
    model.look.finish(frame.buffer_mut());
}

/// How far the text of the model's step can be scrolled on its terminal.
pub(in crate::tui) fn text_scrolls(model: &Model) -> Scrolls {
    let area = Rect::new(0, 0, model.size.0, model.size.1);
    picture(model, &mut Buffer::empty(area), area)
}

fn picture(model: &Model, buffer: &mut Buffer, area: Rect) -> Scrolls {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let words = format!(
            "Make the window larger: {}x{} now, {}x{} needed. Keys still work.",
            area.width, area.height, LEAST.0, LEAST.1
        );
        let mut page = Page::new(buffer, area, model.look);
        for line in columns::wrap(&words, page.width().max(1)) {
            page.say(&line, Tone::Strong);
        }
        return Scrolls::default();
    }
    let area = Rect { width: area.width.min(MOST_COLUMNS), ..area };
    let (body, status, keys) = footer_lines(model, area);
    let foot = u16::try_from(body.len() + status.len() + keys.len()).unwrap_or(u16::MAX);
    let head = Rect { height: 3, ..area };
    header(model, &mut Page::new(buffer, head, model.look));
    let middle = Rect { y: area.y + 3, height: area.height.saturating_sub(3 + foot), ..area };
    let mut page = Page::new(buffer, middle, model.look);
    views::draw(model, &mut page);
    let scrolls = page.scrolls();
    let bottom = Rect { y: middle.bottom(), height: area.height.saturating_sub(3 + middle.height), ..area };
    let mut page = Page::new(buffer, bottom, model.look);
    for line in body.into_iter().chain(status).chain(keys) {
        page.line(line);
    }
    if model.overlay.is_some() {
        window(model, buffer, area);
    }
    scrolls
}

/// What the wizard acts on, and what it is doing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    /// Real machines, nothing being written.
    Real,
    /// Real machines or those of a practice run, while something is written.
    Writing,
    /// A practice run.
    Practice,
    /// Nothing can be written.
    Looking,
}

impl World {
    fn of(model: &Model) -> World {
        match () {
            () if model.restore.running() => World::Writing,
            () if model.options.look_only => World::Looking,
            () if !model.is_practice() => World::Real,
            () => World::Practice,
        }
    }

    /// The rule below the header, which differs at a glance.
    fn rule(self) -> &'static str {
        match self {
            World::Real => "──",
            World::Writing => "══",
            World::Practice => "─ ",
            World::Looking => "· ",
        }
    }
}

/// What was written so far, in the header's words.
pub(in crate::tui) fn written(model: &Model) -> String {
    match () {
        () if model.options.look_only => "nothing is written".into(),
        () if model.leaving == Leaving::WhenSafe => "STOPPING".into(),
        () if model.restore.running() => match model.restore.until {
            Some(Goal::DryRun) => "DRY RUN".into(),
            Some(Goal::Undone) => "ROLLING BACK".into(),
            _ => "WRITING DATA DIRECTORIES".into(),
        },
        () if model.restore.complete() => "data directories installed".into(),
        () if model.restore.placed() > 0 => "partly installed".into(),
        () if model.restore.until == Some(Goal::Undone) && model.restore.failed.is_none() => "rolled back".into(),
        () if model.restore.built() => "built, nothing installed".into(),
        () if model.snapshot.saving.is_some() => "saving a snapshot".into(),
        // what an earlier run wrote counts, too
        () if model.unfinished.in_place().is_some() => {
            let id = model.unfinished.in_place().map(Plan::short_id).unwrap_or_default();
            format!("plan {id} restored, not verified")
        }
        () if model.unfinished.any() => "an earlier restore is not complete".into(),
        () => match model.written.as_slice() {
            [] => "nothing written yet".into(),
            [(_, what)] => format!("only {what} written"),
            files => format!("only {} files written", files.len()),
        },
    }
}

/// Where it acts, and whether it acts at all: the word that must never be overlooked.
pub(in crate::tui) fn environment(model: &Model) -> &str {
    if model.options.look_only { "LOOK ONLY" } else { &model.environment }
}

/// The same as the header shows it: each is another shape, so that no colour is needed to tell them apart.
fn badge(model: &Model) -> (String, Tone) {
    let words = environment(model);
    match (model.options.look_only, model.is_practice()) {
        (true, _) => (format!("[{words}]"), Tone::Looks),
        (false, true) => (format!("<{words}>"), Tone::Practice),
        (false, false) => (format!(" {words} "), Tone::Chosen),
    }
}

fn header(model: &Model, page: &mut Page<'_>) {
    let tone = if model.restore.running() { Tone::BarLive } else { Tone::Bar };
    let label = if model.label.is_empty() { "not named yet" } else { &model.label };
    let (badge, badge_tone) = badge(model);
    let left = format!(" requorum   cluster {label}");
    let right = format!("  {} ", written(model));
    let room = page.width().saturating_sub(columns::width(&right) + columns::width(&badge) + 1);
    page.line(vec![
        page.span(format!("{} ", columns::pad(&left, room, columns::Align::Left)), tone),
        page.span(badge, badge_tone),
        page.span(right, tone),
    ]);
    stepper(model, page);
    let world = World::of(model);
    let rule: String = world.rule().chars().cycle().take(page.width()).collect();
    page.say(rule.trim_end(), if world == World::Writing { Tone::Strong } else { Tone::Faint });
}

fn stepper(model: &Model, page: &mut Page<'_>) {
    let furthest = furthest(model);
    let failed = |step: Step| match step {
        Step::Restore => {
            model.restore.failed.is_some() || model.restore.rows.iter().any(|r| matches!(r.stand, RowState::Failed(_)))
        }
        Step::Proof => model.proof.proof.as_ref().is_some_and(|proof| proof.verdict == VerifyResult::Failed),
        _ => false,
    };
    // where there is no room for every name, the steps that are not selected are numbers
    let narrow = page.width() < 74;
    let mut line = vec![page.span(" ", Tone::Plain)];
    for step in Step::ALL {
        if step != Step::Detect {
            line.push(page.span("──", Tone::Faint));
        }
        let name = |number: String| if narrow { number } else { format!("{number} {}", step.title()) };
        let number = step.number().to_string();
        let mark = if failed(step) { "✖" } else { "✔" };
        let (words, tone) = match () {
            () if step == model.step => (format!("[{} {}]", step.number(), step.title()), Tone::Chosen),
            () if failed(step) && step <= furthest => {
                (name(if narrow { format!("{mark}{number}") } else { mark.into() }), Tone::Bad)
            }
            () if step < furthest => (name(if narrow { format!("{mark}{number}") } else { mark.into() }), Tone::Plain),
            () => (name(number), Tone::Faint),
        };
        line.push(page.span(words, tone));
    }
    page.line(line);
}

/// The first step that is not settled yet.
fn furthest(model: &Model) -> Step {
    match () {
        () if model.restore.complete() => model.step.max(Step::Launch),
        () if model.restore.begun() => Step::Restore,
        () => model.step.max(match () {
            () if model.review.plan.is_some() => Step::Review,
            () if model.snapshot.source().is_some() => Step::Members,
            () if model.snapshot.entered => Step::Snapshot,
            () => Step::Detect,
        }),
    }
}

type Lines = Vec<Vec<ratatui::text::Span<'static>>>;

/// The lines below the step: notes and field, status, footer.
fn footer_lines(model: &Model, area: Rect) -> (Lines, Lines, Lines) {
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
fn window(model: &Model, buffer: &mut Buffer, area: Rect) {
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
