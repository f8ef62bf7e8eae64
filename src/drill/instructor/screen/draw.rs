//! Draws the instructor's screen: the exercise and its state, the timeline or a page, the injects, the line being typed.

use crate::text::columns;
use ratatui::{Frame, buffer::Buffer, layout::Rect};

use super::{
    super::{print, tame},
    Model,
};
use crate::{
    drill::session::What,
    tui::widgets::{layout::Page, theme::Tone},
};

/// The maximum number of injects that are listed; `scene` shows all.
const INJECTS: usize = 5;
/// Wider lines are hard to read.
const MOST_COLUMNS: u16 = 140;

/// Draws the model.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    picture(model, frame.buffer_mut(), Rect { width: area.width.min(MOST_COLUMNS), ..area });
    model.look.finish(frame.buffer_mut());
}

fn picture(model: &Model, buffer: &mut Buffer, area: Rect) {
    let injects: Vec<String> = injects(model).into_iter().take(INJECTS).collect();
    let foot = u16::try_from(injects.len()).unwrap_or(0) + 5;
    let middle = Rect { y: area.y + 4, height: area.height.saturating_sub(4 + foot), ..area };
    header(model, &mut Page::new(buffer, Rect { height: 4.min(area.height), ..area }, model.look));
    match &model.page {
        Some(lines) => read(model, lines, &mut Page::new(buffer, middle, model.look)),
        None => timeline(model, &mut Page::new(buffer, middle, model.look)),
    }
    let bottom = Rect { y: middle.bottom(), height: area.bottom().saturating_sub(middle.bottom()), ..area };
    let mut page = Page::new(buffer, bottom, model.look);
    rule(&mut page, if injects.is_empty() { "no injects" } else { "injects" });
    injects.iter().for_each(|line| page.say(line, Tone::Plain));
    typing(model, &mut page);
}

fn header(model: &Model, page: &mut Page<'_>) {
    let title = model.scene.as_ref().map_or("waiting for the drill", |scene| scene.title.as_str());
    let clock = model.now.as_ref().map_or_else(String::new, |now| {
        format!("  {}{} ", print::clock(now.at_ms), if now.paused { ", paused" } else { "" })
    });
    let room = page.width().saturating_sub(columns::width(&clock) + 10);
    page.line(vec![
        page.span(
            columns::pad(&format!(" requorum   instructor   {}", tame(title)), room, columns::Align::Left),
            Tone::Bar,
        ),
        page.span(" DRILL ", Tone::Chosen),
        page.span(clock, Tone::Bar),
    ]);
    let Some(now) = &model.now else {
        page.gap();
        page.gap();
        return page.say(&"─".repeat(page.width()), Tone::Faint);
    };
    let step = now.step.as_deref().unwrap_or("the story");
    let chosen = now.chosen.as_deref().map_or("no source chosen".into(), |path| format!("chosen: {}", tame(path)));
    let runs = if now.run.is_empty() { "no old member".into() } else { now.run.join(" ") };
    page.say(&format!(" The trainee is at {step}; {chosen}. Running: {runs}."), Tone::Strong);
    let (mistakes, asked) = now.hints;
    match now.failed.last() {
        Some(failed) => page.say(&format!(" ✖ Unsafe, cannot be undone: {}", tame(failed)), Tone::Bad),
        None => page.say(&format!(" Hints: {mistakes} for mistakes, {asked} asked for."), Tone::Faint),
    }
    rule(page, if model.page.is_some() { "Esc goes back to the timeline" } else { "timeline" });
}

fn rule(page: &mut Page<'_>, words: &str) {
    let begins = format!("── {words} ");
    let rest = page.width().saturating_sub(columns::width(&begins));
    page.say(&format!("{begins}{}", "─".repeat(rest)), Tone::Faint);
}

/// Draws the timeline, the newest line at the bottom.
fn timeline(model: &Model, page: &mut Page<'_>) {
    let room = page.left();
    let mut lines = Vec::new();
    for happened in &model.timeline {
        let tone = match happened.what {
            What::Hint | What::Override => Tone::Warn,
            What::Step => Tone::Strong,
            What::Inject | What::Note | What::Pause | What::End => Tone::Faint,
            _ => Tone::Plain,
        };
        let kind = columns::pad(print::kind(happened.what), print::KIND, columns::Align::Left);
        let mark = format!(" {}  {kind}  ", print::clock(happened.at_ms));
        lines.push(page.flow(&mark, &tame(&happened.text), tone, 2));
    }
    let end = lines.len().saturating_sub(model.scrolled);
    let lines: Vec<_> = lines.into_iter().take(end).flatten().collect();
    let from = lines.len().saturating_sub(room);
    lines.into_iter().skip(from).for_each(|line| page.line(line));
}

fn read(model: &Model, lines: &[String], page: &mut Page<'_>) {
    let width = page.width().saturating_sub(2);
    let flowing: Vec<String> = lines.iter().flat_map(|line| columns::wrap(line, width)).collect();
    // the end stays visible
    let from = model.scrolled.min(flowing.len().saturating_sub(page.left()));
    let more = flowing.len().saturating_sub(from) > page.left();
    let shown = page.left().saturating_sub(usize::from(more));
    flowing.iter().skip(from).take(shown).for_each(|line| page.say(&format!(" {line}"), Tone::Plain));
    if more {
        page.say(" … PgDn", Tone::Faint);
    }
}

fn injects(model: &Model) -> Vec<String> {
    let Some(scene) = &model.scene else { return Vec::new() };
    let triggered = model.now.as_ref().map_or(&[][..], |now| &now.triggered);
    let line = |inject: &super::super::Inject| match triggered.contains(&inject.name) {
        true => format!(" ✔ {}: happened", tame(&inject.name)),
        false => format!("   {}", print::inject(inject)),
    };
    scene.injects.iter().map(line).collect()
}

/// Draws the result of the last command, the line being typed, and the commands.
fn typing(model: &Model, page: &mut Page<'_>) {
    match &model.message {
        Some((tone, words)) => page.flow(" ", words, *tone, 2).into_iter().for_each(|line| page.line(line)),
        None => page.gap(),
    }
    // two lines are reserved for the message
    while page.left() > 2 {
        page.gap();
    }
    let (shown, cursor) = model.field.window(page.width().saturating_sub(5));
    let mut column = 0;
    let mut spans = vec![page.span(" > ", Tone::Strong)];
    for c in shown.chars().chain([' ']) {
        let tone = if column == cursor { Tone::Chosen } else { Tone::Plain };
        spans.push(page.span(c.to_string(), tone));
        column += columns::of_char(c);
    }
    page.line(spans);
    let keys = [
        ("note", "TEXT"),
        ("inject", "NAME"),
        ("act", "ACT"),
        ("goals", ""),
        ("scene", ""),
        ("end", ""),
        ("quit", ""),
        ("help", ""),
        ("PgUp", "scroll"),
    ];
    let mut line = vec![page.span(" ", Tone::Plain)];
    for (word, rest) in keys {
        line.push(page.span(word, Tone::Strong));
        line.push(page.span(format!(" {rest}{}", if rest.is_empty() { "" } else { "  " }), Tone::Plain));
        if rest.is_empty() {
            line.push(page.span(" ", Tone::Plain));
        }
    }
    page.line(line);
}
