//! Launch: the start of each member in the format of the place where it is pasted, and what to know about the order.

use crate::{domain::render::runbook, text::join};
use std::path::PathBuf;

use super::{
    super::{
        app::{Model, Overlay, moved},
        dialogs::Ask,
        keymap::Action,
        messages::Effect,
        widgets::{layout::Page, theme::Tone},
    },
    launch_start,
};
use crate::domain::{
    model::{
        host_address,
        observations::{Answer, config::ConfigFacts},
    },
    quorum::scope::Belongs,
    render::start::{self, HostKnown, Known, Launch, StartFormat},
};

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The selected member.
    pub at: usize,
    /// The start format that was chosen; none for the one that fits how the member was started until now.
    pub form: Option<StartFormat>,
    /// How far the selected command is scrolled.
    pub scroll: usize,
    /// The effect that writes a file, and what that is.
    pub writing: Option<(u64, &'static str)>,
    /// What other hosts reported, and what became of starting members there.
    pub started: launch_start::State,
}

impl State {
    /// The effect that starts a member now.
    pub fn starting_id(&self) -> Option<u64> {
        self.started.starting_id()
    }
}

fn commands(model: &Model) -> Vec<Launch> {
    model.restore.plan.as_ref().map_or_else(Vec::new, |plan| start::commands_on(plan, &known(model)))
}

/// What the first step found on this machine, and what other hosts reported. The table was filled from it, so its flags
/// are not added once more.
pub(in crate::tui) fn known(model: &Model) -> Known {
    // a member of another cluster may have the same name
    let scope = model.detect.scope();
    let peers = || model.restore.plan.iter().flat_map(|plan| &plan.members).flat_map(|m| &m.peer_urls);
    let own = |config: &&ConfigFacts| {
        let at = config.get("initial-advertise-peer-urls").unwrap_or_default();
        let in_place = config.data_dir.as_ref().is_some_and(|dir| {
            model.restore.plan.iter().flat_map(|plan| &plan.members).any(|member| member.data_dir == *dir)
        });
        in_place
            || scope.of_config(config, &model.detect.dirs) != Belongs::Other
            || peers().any(|url| at.split(',').any(|own| own.trim() == url))
    };
    let configs = model.detect.configs.iter().filter(own).cloned().collect();
    let addresses = model.detect.addresses.clone();
    let version = model.detect.rows.iter().find_map(|row| match &row.facts.answer {
        Answer::Says(says) => says.version.parse().ok(),
        _ => None,
    });
    let here = HostKnown { host: host_address::LOCAL.into(), configs, adopt: false, addresses };
    let hosts = std::iter::once(here).chain(model.launch.started.known.clone()).collect();
    Known { version, hosts, ..Known::default() }
}

/// The start format in which the selected member is shown.
fn form(model: &Model) -> StartFormat {
    let fitting = || {
        let plan = model.restore.plan.as_ref()?;
        Some(StartFormat::fitting(plan, &plan.members.get(model.launch.at)?.name, &known(model)))
    };
    model.launch.form.or_else(fitting).unwrap_or(StartFormat::Shell)
}

/// The selected member in its start format.
struct Shown {
    /// What is seen.
    text: String,
    /// What is copied.
    copy: String,
    /// What to know, sentences without a full stop.
    notes: Vec<String>,
}

fn shown(model: &Model) -> Option<Shown> {
    let list = commands(model);
    let command = list.get(model.launch.at)?;
    let form = form(model);
    if form == StartFormat::Shell {
        let notes = command.notes.iter().chain(&command.changes).cloned().collect();
        return Some(Shown { text: command.pretty.clone(), copy: command.command.clone(), notes });
    }
    let plan = model.restore.plan.as_ref()?;
    Some(match start::page(plan, &command.member, form, &known(model)) {
        Ok(page) => Shown { text: page.start.clone(), copy: page.text(), notes: page.notes },
        Err(why) => {
            let text = format!("# {}", join::sentence(&why));
            Shown { copy: text.clone(), text, notes: Vec::new() }
        }
    })
}

/// All members in the start format that is shown.
fn sheet(model: &Model) -> Option<String> {
    let plan = model.restore.plan.as_ref()?;
    let known = known(model);
    let form = form(model);
    if form == StartFormat::Shell {
        return Some(start::sheet_on(plan, &known));
    }
    let page = |name: &str| match start::page(plan, name, form, &known) {
        Ok(page) => page.text(),
        Err(why) => format!("# {name}: {}\n", join::sentence(&why)),
    };
    Some(plan.members.iter().map(|m| page(&m.name)).collect::<Vec<_>>().join("\n"))
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    match action {
        Action::Open | Action::Copy | Action::WriteSheet | Action::Runbook if model.restore.plan.is_none() => {
            Err("There is no restored plan to launch.".into())
        }
        Action::StartMember => launch_start::can(model),
        _ => Ok(()),
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => model.open(Overlay::Details),
        Action::Copy => {
            let list = commands(model);
            if let (Some(launch), Some(shown)) = (list.get(model.launch.at), shown(model)) {
                let what = match form(model) {
                    StartFormat::Shell => "command",
                    form => form.title(),
                };
                let words = format!(
                    "{}'s {what} was sent to your terminal's clipboard. If pasting gives nothing, press w to save a \
                     file.",
                    launch.member
                );
                model.say(Tone::Good, words);
                return vec![Effect::Copy { text: shown.copy }];
            }
        }
        Action::WriteSheet => {
            let id = model.restore.plan.as_ref().map_or_else(String::new, crate::domain::model::plan::Plan::short_id);
            let path = model.options.here.join(format!("launch-{}-{id}.txt", model.label));
            model.ask(Ask::SheetFile, path.to_string_lossy());
        }
        Action::Runbook => {
            let id = model.restore.plan.as_ref().map_or_else(String::new, crate::domain::model::plan::Plan::short_id);
            let path = model.options.here.join(format!("runbook-{}-{id}.md", model.label));
            model.ask(Ask::RunbookFile, path.to_string_lossy());
        }
        Action::StartMember => return launch_start::ask(model),
        Action::Left | Action::Right => {
            let forms: Vec<StartFormat> = StartFormat::all().collect();
            let at = forms.iter().position(|f| *f == form(model)).unwrap_or(0);
            let step = if action == Action::Right { 1 } else { forms.len() - 1 };
            model.launch.form = forms.get((at + step) % forms.len()).copied();
            model.launch.scroll = 0;
        }
        Action::PageUp | Action::PageDown => {
            // some lines more than the command has: its notes and what is wrapped
            let lines = shown(model).map_or(0, |shown| shown.text.lines().count() + 3 * shown.notes.len());
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
    let text = sheet(model);
    save(model, path, text, "the launch commands")
}

/// Saves the runbook. Its stamp is the plan's own time, so that it is the same whenever it is written.
pub(in crate::tui) fn write_runbook(model: &mut Model, path: PathBuf) -> Result<Vec<Effect>, String> {
    let text = model.restore.plan.as_ref().map(|plan| {
        let stamp: String = plan.created.chars().filter(char::is_ascii_alphanumeric).collect();
        runbook::runbook(plan, model.launch.form, &known(model), &stamp)
    });
    save(model, path, text, "the runbook")
}

fn save(model: &mut Model, path: PathBuf, text: Option<String>, what: &'static str) -> Result<Vec<Effect>, String> {
    let text = text.ok_or("There is no restored plan to launch.")?;
    let id = model.id();
    model.launch.writing = Some((id, what));
    Ok(vec![Effect::Write { id, path, text }])
}

pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
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
    if let Some((words, tone)) = launch_start::words(model) {
        page.sentence(" ", &words, tone, 3);
    }
    page.gap();
    let Some(shown) = shown(model) else { return };
    let mut lines = Vec::new();
    for line in shown.text.lines() {
        for (i, piece) in pieces(line, page.width().saturating_sub(2)).into_iter().enumerate() {
            let indent = if i == 0 { "  " } else { "" };
            lines.push(vec![page.span(format!("{indent}{piece}"), Tone::Plain)]);
        }
    }
    lines.push(Vec::new());
    for note in &shown.notes {
        lines.extend(page.flow(" · ", &join::sentence(note), Tone::Plain, 6));
    }
    let keep = "y copies this to the terminal's clipboard, w saves the commands of all members, p saves the runbook. \
                The commands are also printed when you quit.";
    lines.extend(page.flow(" · ", keep, Tone::Faint, 3));
    let room = page.left();
    // the last line that is to be seen
    let focus = (model.launch.scroll + room).saturating_sub(1);
    page.list(lines, focus..focus, room);
}

/// The notes and the command, for the details window.
pub(super) fn details(model: &Model) -> (String, Vec<String>) {
    let list = commands(model);
    let (Some(launch), Some(shown)) = (list.get(model.launch.at), shown(model)) else {
        return (String::new(), Vec::new());
    };
    let mut lines: Vec<String> = shown.notes.iter().map(|n| format!("· {}", join::sentence(n))).collect();
    lines.push(String::new());
    lines.push("On one line:".into());
    lines.push(launch.command.clone());
    (format!("{}'s command", launch.member), lines)
}

/// A line that is too long, cut into pieces without adding to it.
fn pieces(line: &str, columns: usize) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    chars.chunks(columns.max(1)).map(|c| c.iter().collect()).collect()
}
