//! How Launch is drawn: the selected member's start, and what to know about it.

use crate::{
    domain::{model::host_address, render::start::StartFormat},
    text::{join, shell_fold},
    tui::{
        selectors::launch::{commands, form, selected, shown},
        state::model::Model,
        widgets::{layout::Page, theme::Tone},
    },
};

pub(in crate::tui) fn draw(model: &Model, page: &mut Page<'_>) {
    let Some(plan) = &model.restore.plan else { return };
    let list = commands(model);
    page.sentence(
        " ",
        &format!(
            "Start every member with its command, all within a minute. The first waits for the others; that is normal. \
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
    if list.len() > 1 && !page.is_plain() {
        tabs.push(page.span("  ↑↓ member".to_string(), Tone::Strong));
    }
    tabs.push(page.span(format!("  plan {}", plan.short_id()), Tone::Faint));
    page.line(tabs);
    let chosen = form(model);
    let mut tabs = vec![page.span(" ", Tone::Plain)];
    for form in StartFormat::all() {
        let name = form.as_str();
        let words = if form == chosen { format!("[{name}]") } else { format!(" {name} ") };
        tabs.push(page.span(words, if form == chosen { Tone::Chosen } else { Tone::Plain }));
    }
    page.line(tabs);
    if let Some((words, tone)) = words(model) {
        page.sentence(" ", &words, tone, 3);
    }
    page.gap();
    let Some(shown) = shown(model) else { return };
    // from the first column to the last: what is selected here with a mouse is the command and nothing else
    let folded = shell_fold::fold(&shown.text, page.width(), true);
    let mut lines = Vec::new();
    // as lines it is printed as it is
    if !page.is_plain() {
        lines.extend(folded.lines.into_iter().map(|line| vec![page.span(line, Tone::Plain)]));
        lines.push(Vec::new());
    }
    if !folded.selectable {
        let words = "Lines of a file in it are wider than this screen: do not select it with the mouse here. y copies it, w \
                     saves it.";
        lines.extend(page.flow(" ! ", words, Tone::Warn, 3));
    }
    for note in &shown.notes {
        lines.extend(page.flow(" · ", &join::sentence(note), Tone::Plain, 6));
    }
    let keep = "y copies this to the terminal's clipboard, w saves the commands of all members, p saves the runbook. \
                The commands are also printed when you quit.";
    lines.extend(page.flow(" · ", keep, Tone::Faint, 3));
    page.text(lines, model.below);
}

/// The notes and the command, for the details window.
pub(in crate::tui) fn details(model: &Model) -> (String, Vec<String>) {
    let list = commands(model);
    let (Some(launch), Some(shown)) = (list.get(model.launch.at), shown(model)) else {
        return (String::new(), Vec::new());
    };
    let mut lines: Vec<String> = shown.notes.iter().map(|n| format!("· {}", join::sentence(n))).collect();
    lines.push(String::new());
    lines.push("The command in whole lines is on the screen below and in what y copies and w saves.".into());
    (format!("{}'s command", launch.member), lines)
}

/// What is shown about the selected member, and its tone.
fn words(model: &Model) -> Option<(String, Tone)> {
    let (_, member) = selected(model)?;
    let state = &model.launch.started;
    if let Some((_, name)) = state.starting.as_ref().filter(|(_, name)| *name == member.name) {
        return Some((
            format!("{name} is being started; this ends when a process holds its data directory."),
            Tone::Plain,
        ));
    }
    if let Some((_, words, tone)) = state.ended.iter().find(|(name, ..)| *name == member.name) {
        return Some((join::sentence(words), *tone));
    }
    if host_address::is_local(&member.host) {
        return None;
    }
    if state.asking.is_some() {
        let words = "Asking the hosts for their addresses and how their etcds were started before.";
        return Some((words.into(), Tone::Faint));
    }
    let (_, error) = state.troubles.iter().find(|(host, _)| host.is_empty() || *host == member.host)?;
    let words = format!("It is not known how its etcd was started before: {}", error.what);
    Some((join::sentence(&words), Tone::Warn))
}
