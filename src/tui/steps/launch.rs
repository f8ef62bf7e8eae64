//! Launch: the lines to paste, one command for each member, and what to know about their order.

use std::path::PathBuf;

use super::super::{
    app::{Effect, Model, Overlay, moved},
    keys::Action,
    page::Page,
    prompt::Ask,
    text,
    theme::Tone,
};
use crate::plan::launch::{self, Launch};

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The selected member.
    pub at: usize,
    /// How far the selected command is scrolled.
    pub scroll: usize,
    /// The effect that writes the sheet.
    pub writing: Option<u64>,
}

fn commands(model: &Model) -> Vec<Launch> {
    model.restore.plan.as_ref().map_or_else(Vec::new, launch::commands)
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    match action {
        Action::Open | Action::Copy | Action::WriteSheet if model.restore.plan.is_none() => {
            Err("There is no restored plan to launch.".into())
        }
        _ => Ok(()),
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => model.open(Overlay::Details),
        Action::Copy => {
            let list = commands(model);
            if let Some(launch) = list.get(model.launch.at) {
                let words = format!(
                    "{}'s command was sent to the terminal; whether it reached a clipboard is the terminal's word.",
                    launch.member
                );
                model.say(Tone::Good, words);
                return vec![Effect::Copy { text: launch.command.clone() }];
            }
        }
        Action::WriteSheet => {
            let id = model.restore.plan.as_ref().map_or_else(String::new, crate::plan::Plan::short_id);
            let path = model.options.here.join(format!("launch-{}-{id}.txt", model.label));
            model.ask(Ask::SheetFile, path.to_string_lossy());
        }
        Action::PageUp | Action::PageDown => {
            // some lines more than the command has: its notes and what is wrapped
            let lines =
                commands(model).get(model.launch.at).map_or(0, |l| l.pretty.lines().count() + 3 * l.notes.len());
            model.launch.scroll = moved(model.launch.scroll, action, lines);
        }
        action => {
            model.launch.at = moved(model.launch.at, action, commands(model).len());
            model.launch.scroll = 0;
        }
    }
    Vec::new()
}

pub(in crate::tui) fn write(model: &mut Model, path: PathBuf) -> Result<Vec<Effect>, String> {
    let Some(plan) = &model.restore.plan else { return Err("There is no restored plan to launch.".into()) };
    let sheet = launch::sheet(plan);
    let id = model.id();
    model.launch.writing = Some(id);
    Ok(vec![Effect::Write { id, path, text: sheet }])
}

pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
    let Some(plan) = &model.restore.plan else { return };
    let list = commands(model);
    page.sentence(
        " ",
        &format!(
            "Start every member with its command, all within a minute: the first waits for the others, that is normal. \
             {} of {} must run before the cluster serves.",
            plan.quorum(),
            plan.members.len()
        ),
        Tone::Strong,
        3,
    );
    page.gap();
    let mut tabs = vec![page.span(" ", Tone::Plain)];
    for (i, launch) in list.iter().enumerate() {
        let chosen = i == model.launch.at;
        let words = if chosen { format!("[{}]", launch.member) } else { format!(" {} ", launch.member) };
        tabs.push(page.span(words, if chosen { Tone::Chosen } else { Tone::Plain }));
        tabs.push(page.span(" ", Tone::Plain));
    }
    tabs.push(page.span(format!("  plan {}", plan.short_id()), Tone::Faint));
    page.line(tabs);
    page.gap();
    let Some(launch) = list.get(model.launch.at) else { return };
    let mut lines = Vec::new();
    for line in launch.pretty.lines() {
        for (i, piece) in pieces(line, page.width().saturating_sub(2)).into_iter().enumerate() {
            let indent = if i == 0 { "  " } else { "" };
            lines.push(vec![page.span(format!("{indent}{piece}"), Tone::Plain)]);
        }
    }
    lines.push(Vec::new());
    for note in &launch.notes {
        lines.extend(page.flow(" · ", &text::sentence(note), Tone::Plain, 6));
    }
    let keep = "y sends this command to the terminal's clipboard, w writes all of them to a file; they are also printed \
                when you leave.";
    lines.extend(page.flow(" · ", keep, Tone::Faint, 3));
    let room = page.left();
    // the last line that is to be seen
    let focus = (model.launch.scroll + room).saturating_sub(1);
    page.list(lines, focus..focus, room);
}

/// The notes and the command, for the details window.
pub(super) fn details(model: &Model) -> (String, Vec<String>) {
    let list = commands(model);
    let Some(launch) = list.get(model.launch.at) else { return (String::new(), Vec::new()) };
    let mut lines: Vec<String> = launch.notes.iter().map(|n| format!("· {}", text::sentence(n))).collect();
    lines.push(String::new());
    lines.push("In one line:".into());
    lines.push(launch.command.clone());
    (format!("{}'s command", launch.member), lines)
}

/// A line that is too long, cut into pieces without adding to it.
fn pieces(line: &str, columns: usize) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    chars.chunks(columns.max(1)).map(|c| c.iter().collect()).collect()
}
