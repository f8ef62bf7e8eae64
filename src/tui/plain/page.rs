//! What is shown, as lines: drawn by the same views as the screens, on a page that is wide and high enough to cut nothing.

use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    text::{columns, join, shell_fold},
    tui::{
        dialogs,
        frame::{header, window},
        selectors::launch,
        state::{
            key::Place,
            model::{Model, Status},
            step::Step,
        },
        views,
        widgets::{
            layout::{Page, disarm},
            theme::{self, Tone},
        },
    },
};

/// The page that views draw on.
pub(super) const WIDE: u16 = 600;
pub(super) const HIGH: u16 = 300;

/// Everything that is shown at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The step and where in it the keyboard is.
    pub(super) place: Option<(Step, Place)>,
    /// Where we are, on one line, and then the step's own lines.
    pub(super) body: Vec<String>,
    /// What the coach says, or what is to be kept in mind.
    pub(super) notes: Vec<String>,
    /// The answer to what was typed last.
    pub(super) status: Option<String>,
    /// The open window, or the open field: its heading and its lines.
    pub(super) window: Vec<String>,
}

/// What the model shows now.
pub(super) fn shown(model: &Model) -> Shown {
    let say = |line: String| words(&line, model.look.ascii);
    let drawn = drawn(model).into_iter().map(say).filter(|line| !line.is_empty());
    let mut body: Vec<String> = [say(heading(model))].into_iter().chain(drawn).collect();
    body.extend(script(model));
    Shown {
        place: Some((model.step, model.place())),
        body,
        notes: notes(model),
        status: model.status.as_ref().map(|status| say(said(status))),
        window: window(model).into_iter().map(say).collect(),
    }
}

/// What the coach says at this step, or what is to be kept in mind.
pub(super) fn notes(model: &Model) -> Vec<String> {
    let notes = model.options.notes.iter().filter(|(step, _)| *step == model.step);
    notes.map(|(_, note)| words(note, model.look.ascii)).collect()
}

fn heading(model: &Model) -> String {
    let step = model.step;
    let written = header::written(model);
    let (first, rest) = written.split_at(written.chars().next().map_or(0, char::len_utf8));
    let label = if model.label.is_empty() { "not named yet" } else { &model.label };
    format!(
        "Step {} of {}: {}. Cluster {label}. {}. {}",
        step.number(),
        Step::ALL.len(),
        step.title(),
        header::environment(model),
        join::sentence(&format!("{}{rest}", first.to_uppercase()))
    )
}

/// The commands that start the selected member, exactly as they are to be pasted.
fn script(model: &Model) -> Vec<String> {
    let shown = if model.step == Step::Launch { launch::shown(model) } else { None };
    let Some(shown) = shown else { return Vec::new() };
    let gap = String::new();
    [gap.clone()].into_iter().chain(folded(model, &shown.text)).chain([gap]).collect()
}

/// A script as it can be selected on the terminal.
pub(super) fn folded(model: &Model, script: &str) -> Vec<String> {
    match model.size.0 {
        WIDE => script.lines().map(str::to_string).collect(),
        columns => shell_fold::fold(script, usize::from(columns), false).lines,
    }
}

/// The step's own lines.
fn drawn(model: &Model) -> Vec<String> {
    let area = Rect::new(0, 0, WIDE, HIGH);
    let mut buffer = Buffer::empty(area);
    views::draw(model, &mut Page::new(&mut buffer, area, model.look));
    disarm(&mut buffer);
    let rows = buffer.content.chunks(usize::from(WIDE)).map(|row| {
        let mut line = String::new();
        let mut covered = 0_usize;
        for cell in row {
            // a wide character covers the cell after it
            if covered == 0 {
                line.push_str(cell.symbol());
                covered = columns::as_typed(cell.symbol());
            }
            covered = covered.saturating_sub(1);
        }
        line.trim_end().to_string()
    });
    rows.collect()
}

fn said(status: &Status) -> String {
    match status.tone {
        Tone::Bad => format!("Problem: {}", status.text),
        Tone::Warn => format!("Note: {}", status.text),
        _ => status.text.clone(),
    }
}

fn window(model: &Model) -> Vec<String> {
    if model.overlay.is_some() {
        let (title, lines) = window::window_words(model, usize::from(WIDE));
        return [title].into_iter().chain(lines).collect();
    }
    let Some(prompt) = &model.prompt else { return Vec::new() };
    let (title, about) = dialogs::words(model, prompt);
    let mut lines = vec![join::sentence(&title)];
    lines.extend(Some(about).filter(|about| !about.is_empty()));
    lines
}

/// The marks that a line begins with, in words.
const MARKS: [(&str, &str); 8] = [
    ("✔", "OK:"),
    ("✖", "Problem:"),
    ("!", "Warning:"),
    ("?", "Unknown:"),
    ("…", "Waiting:"),
    ("·", "-"),
    ("→", "To do:"),
    ("▸", "Selected:"),
];

/// A line without what only an eye understands: marks become words, what is drawn is left out, and so are the blanks that
/// make columns.
fn words(line: &str, ascii: bool) -> String {
    let (indent, text) = line.split_at(line.len() - line.trim_start().len());
    // what is set to the right
    let indent = indent.get(..6).unwrap_or(indent);
    let marked = MARKS.iter().find_map(|(mark, word)| {
        let rest = text.strip_prefix(mark).filter(|rest| rest.starts_with(' '))?;
        Some(format!("{word} {}", rest.trim_start()))
    });
    let text = marked.as_deref().unwrap_or(text);
    let mut out = String::from(indent);
    for c in text.chars() {
        match c {
            ' ' if out.ends_with(' ') && out.len() > indent.len() => {}
            '\u{2500}'..='\u{259f}' | '✔' | '▸' | '←' | '→' | '↑' | '↓' | '↕' => {}
            '⏎' => out.push_str("Enter"),
            '✖' => out.push_str("failed:"),
            '≠' => out.push_str("differs"),
            '≥' => out.push_str("at least"),
            '…' => out.push_str("..."),
            c if ascii && !c.is_ascii() => out.push_str(theme::ascii(c)),
            c => out.push(c),
        }
    }
    if out.chars().any(char::is_alphanumeric) { out.trim_end().to_string() } else { String::new() }
}

/// A line without its figures: two that differ in them only are the same news.
pub(super) fn gist(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars() {
        match c.is_ascii_digit() {
            true if out.ends_with('0') => {}
            true => out.push('0'),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_words() {
        for (line, wanted) in [
            (" ✔ All is well.", " OK: All is well."),
            ("     ✖ peer URL: no port", "     Problem: peer URL: no port"),
            ("▸ member m1; says leader", "Selected: member m1; says leader"),
            ("────────", ""),
            ("▁▂ ░░██ 3 of 5", "3 of 5"),
            ("(⏎ lists them)", "(Enter lists them)"),
            ("phase ✔ installed", "phase installed"),
            ("checks ✖ broken; loses ≥ 34", "checks failed: broken; loses at least 34"),
            ("  token           prod-eu", "  token prod-eu"),
            ("!important", "!important"),
        ] {
            assert_eq!(words(line, false).trim_start(), wanted.trim_start(), "{line}");
        }
        assert!(words("é … – m1", true).is_ascii());
    }

    #[test]
    fn figures_are_no_news() {
        assert_eq!(gist("00:12 of practice, 1,204 keys"), gist("11:59 of practice, 9,999 keys"));
        assert_ne!(gist("m1 answers"), gist("m1 is silent"));
    }
}
