//! Launch: the start of each member in the format of the place where it is pasted, and what to know about the order.

use std::path::PathBuf;

use crate::{
    domain::render::{
        runbook,
        start::{self, StartFormat},
    },
    text::join,
    tui::{
        keymap::moved,
        selectors::launch::{commands, form, known, shown},
        state::{
            key::Action,
            messages::{Clipboard, Effect},
            model::{Model, Overlay},
            prompt::Ask,
        },
        steps::launch_start,
        widgets::theme::Tone,
    },
};

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
                let what = format!("{}'s {what}", launch.member);
                let id = model.id();
                model.launch.copying = Some((id, what));
                return vec![Effect::Copy { id, text: shown.copy }];
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
            model.below = 0;
        }
        action => model.launch.at = moved(model.launch.at, action, commands(model).len()),
    }
    Vec::new()
}

/// It was copied.
pub(in crate::tui) fn copied(model: &mut Model, id: u64, to: Clipboard) {
    let Some((_, what)) = model.launch.copying.take_if(|(copying, _)| *copying == id) else { return };
    let words = match to {
        Clipboard::Tmux => format!(
            "{what}: in tmux's paste buffer (prefix ]), and sent to your terminal's clipboard by tmux. If pasting \
             outside of tmux gives nothing, press w to save a file."
        ),
        Clipboard::Terminal => format!(
            "{what}: sent to your terminal's clipboard (OSC 52). If pasting gives nothing, press w to save a file."
        ),
        Clipboard::Lines => format!("{what} is printed above, to be selected there. w saves it to a file."),
    };
    model.say(Tone::Good, words);
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
