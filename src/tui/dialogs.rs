//! The one text field that can be open: what it asks for, and what Enter does with the text.

use std::path::{Path, PathBuf};

use crate::{
    domain::{
        members::table::Column,
        model::source_ref::{Download, SourceRef},
    },
    tui::{
        selectors::{
            filter,
            members::cell_words,
            review::{CONSENT, Gate, command_key, consent_words, gate},
            revision_bump::bump_words,
        },
        state::{
            key::Action,
            messages::Effect,
            model::Model,
            prompt::{Ask, Prompt},
            step::Step,
        },
        steps::{LOOKS, blockers, detect, launch, members, review, snapshot_tasks},
        views::restore,
        widgets::theme::Tone,
    },
};

/// The field's heading and the line below it.
pub fn words(model: &Model, prompt: &Prompt) -> (String, String) {
    let label = &model.label;
    match &prompt.ask {
        Ask::Endpoints => (
            "Client URLs to ask, separated by commas".into(),
            "for example https://10.0.0.1:2379,https://10.0.0.2:2379".into(),
        ),
        Ask::Label => (
            "What do you call this cluster?".into(),
            "A word unique to this cluster; you type it again before anything is written.".into(),
        ),
        Ask::Gone(endpoint) => (
            format!("Is {endpoint} gone for good, disk too? Then type {}", detect::gone_word(model, endpoint)),
            "This changes only the verdict. If its disk may be intact, check that first.".into(),
        ),
        Ask::Gate => (format!("To continue towards a restore anyway, type the label: {label}"), armed(model, prompt)),
        Ask::Confirm => (format!("To restore, type the cluster label: {label}"), armed(model, prompt)),
        Ask::Consent => (format!("To run this just before the install, type: {CONSENT}"), armed(model, prompt)),
        Ask::Override(text) => (format!("To override it, type: {text}"), armed(model, prompt)),
        Ask::Reason(text) => {
            (format!("Why override {text}?"), "One line, recorded in the journal. Esc cancels the override.".into())
        }
        Ask::Undo => {
            let who = restore::taken_back(&model.restore);
            (format!("To roll back {who}, type the cluster label: {label}"), armed(model, prompt))
        }
        Ask::OpenFile => {
            ("Path of a snapshot or a directory to search, or s3://BUCKET/PREFIX".into(), "It is only read.".into())
        }
        Ask::SaveFrom(Download::Object(url)) => (
            format!("Download {} to", url.as_str()),
            "A new file. An interrupted download resumes next time; the content is verified.".into(),
        ),
        Ask::SaveFrom(Download::Member(endpoint)) => (
            format!("Save a snapshot from {endpoint} to"),
            "A new file; the data comes over the network and its checksum is verified.".into(),
        ),
        Ask::PlanFile => ("Save the plan to".into(), "A new file without secrets; `requorum launch` reads it.".into()),
        Ask::SheetFile => ("Save all launch commands to".into(), "A new file.".into()),
        Ask::RunbookFile => ("Save the runbook to".into(), "A new file, in Markdown.".into()),
        Ask::Cell(row, column) => {
            let (name, about) = cell_words(model, *row, *column);
            (format!("{} of {name}", column.heading()), about)
        }
        Ask::Token => (
            "Cluster token".into(),
            "Must be new for each attempt; otherwise members of two attempts could mix.".into(),
        ),
        Ask::Filter => ("Show only the lines that contain".into(), "Enter keeps the filter; empty shows all.".into()),
        Ask::Bump => ("Skip how many revisions?".into(), bump_words(model, prompt.text())),
        Ask::Cluster => (
            "--initial-cluster".into(),
            "m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380 … replaces names and peer URLs (u undoes)".into(),
        ),
    }
}

/// What a confirming field expects, in a sentence.
fn wanted<'a>(model: &'a Model, ask: &'a Ask) -> &'a str {
    match ask {
        Ask::Override(text) => text,
        Ask::Consent => CONSENT,
        _ => &model.label,
    }
}

fn armed(model: &Model, prompt: &Prompt) -> String {
    let wanted = wanted(model, &prompt.ask);
    if prompt.ask == Ask::Confirm {
        match gate(model) {
            Gate::Label => {}
            Gate::Asking(why) => return format!("{why} What you type here is kept."),
            Gate::Shut(why) | Gate::Consent(why) | Gate::Override(_, why) => {
                return format!("Blocked: {why} Enter shows what to do.");
            }
        }
    }
    match (prompt.text(), &prompt.ask) {
        ("", Ask::Override(_)) => format!(
            "It is recorded in the journal. Better: Esc, resolve the blocker, then {} to check again.",
            command_key(model, 'r')
        ),
        (text, Ask::Consent) if text != wanted => {
            let state =
                if wanted.starts_with(text) { "Nothing is run before that." } else { "That is a different word." };
            format!("{state} Commands: {}", consent_words(model))
        }
        ("", Ask::Undo) => match restore::halts(&model.restore).as_slice() {
            [] => "The new directories are moved aside under a dated name, with everything written since. The \
                   previous ones are put back."
                .into(),
            halts => format!("These commands run first: {}", halts.join("; ")),
        },
        ("", _) => "Nothing is written before that. Esc goes back.".into(),
        (text, _) if text != wanted && wanted.starts_with(text) => "Not complete yet.".into(),
        (text, _) if text != wanted => format!("That is not {wanted}."),
        _ if !prompt.armed(model.now_ms) => "…".into(),
        (_, Ask::Confirm) => "Right. Enter starts writing.".into(),
        (_, Ask::Undo) => "Right. Enter rolls back.".into(),
        (_, Ask::Consent) => "Right. Enter agrees; nothing is run until every member is verified.".into(),
        _ => "Right. Enter continues; this writes nothing.".into(),
    }
}

/// Enter in the field.
pub fn submit(model: &mut Model) -> Vec<Effect> {
    let Some(prompt) = model.prompt.take() else { return Vec::new() };
    let text = prompt.text().to_string();
    if prompt.ask.confirms() {
        return confirm(model, prompt, &text);
    }
    let kept = prompt.clone();
    let outcome = match prompt.ask {
        Ask::Endpoints => detect::set_endpoints(model, &text),
        Ask::Gone(endpoint) => detect::mark_gone(model, &endpoint, &text).map(|()| Vec::new()),
        Ask::Label => set_label(model, &text).map(|()| Vec::new()),
        Ask::OpenFile if text.is_empty() => Err("A path is needed.".into()),
        Ask::OpenFile => {
            let path = match SourceRef::from_path(Path::new(&text)) {
                SourceRef::File(path) => absolute(model, &path.to_string_lossy()),
                SourceRef::Object(url) => url.as_str().into(),
            };
            Ok(snapshot_tasks::open(model, path))
        }
        Ask::SaveFrom(from) => path(model, &text).map(|into| snapshot_tasks::save(model, from, into)),
        Ask::PlanFile => path(model, &text).and_then(|p| review::write(model, p)),
        Ask::SheetFile => path(model, &text).and_then(|p| launch::write(model, p)),
        Ask::RunbookFile => path(model, &text).and_then(|p| launch::write_runbook(model, p)),
        Ask::Cell(row, column) => {
            members::set_cell(model, row, column, &text);
            Ok(Vec::new())
        }
        Ask::Reason(typed) => blockers::lift_for(model, typed, &text),
        Ask::Token => members::set_token(model, &text).map(|()| Vec::new()),
        Ask::Bump => members::set_bump(model, &text).map(|()| Vec::new()),
        Ask::Filter => {
            model.filter = text;
            select_seen(model);
            Ok(Vec::new())
        }
        Ask::Cluster => members::set_cluster(model, &text).map(|()| Vec::new()),
        // handled above
        Ask::Gate | Ask::Confirm | Ask::Consent | Ask::Override(_) | Ask::Undo => Ok(Vec::new()),
    };
    outcome.unwrap_or_else(|why| {
        model.prompt = Some(kept);
        model.say(Tone::Bad, why);
        Vec::new()
    })
}

/// Enter in a cell, which then opens the next one.
pub(in crate::tui) fn submit_next(model: &mut Model) -> Vec<Effect> {
    let effects = submit(model);
    model.members.column = (model.members.column + 1) % Column::ALL.len();
    members::edit(model);
    effects
}

/// Enter in a field that confirms: only the right text counts, and only as an Enter of its own.
fn confirm(model: &mut Model, prompt: Prompt, text: &str) -> Vec<Effect> {
    if model.options.look_only && prompt.ask != Ask::Gate {
        model.say(Tone::Warn, LOOKS);
        return Vec::new();
    }
    if prompt.ask == Ask::Confirm {
        // the field may have opened before this was known
        match gate(model) {
            Gate::Label => {}
            Gate::Asking(why) => {
                model.prompt = Some(prompt);
                model.say(Tone::Warn, format!("{why} Press Enter again when it has finished."));
                return Vec::new();
            }
            _ => return blockers::open(model),
        }
    }
    let wanted = wanted(model, &prompt.ask).to_string();
    if text != wanted || text.is_empty() {
        let what = match prompt.ask {
            Ask::Override(_) => "text",
            Ask::Consent => "word",
            _ => "label",
        };
        model.prompt = Some(prompt);
        model.say(Tone::Warn, format!("That is not the {what}. Type {wanted} to confirm, or cancel."));
        return Vec::new();
    }
    if !prompt.armed(model.now_ms) {
        model.prompt = Some(prompt);
        model.say(Tone::Warn, "That Enter came with the text, as in a paste. Press Enter once more.");
        return Vec::new();
    }
    match prompt.ask {
        Ask::Override(text) => blockers::lift(model, text),
        Ask::Consent => blockers::consent(model),
        Ask::Undo => super::steps::restore::undo(model),
        Ask::Confirm => {
            model.label_settled = true;
            super::steps::restore::begin(model)
        }
        _ => {
            model.label_settled = true;
            model.detect.passed = true;
            super::steps::enter(model, Step::Snapshot)
        }
    }
}

/// The selection stays on a line that is seen.
fn select_seen(model: &mut Model) {
    model.below = 0;
    if model.step == Step::Review || !filter::seen(model).contains(&filter::selection(model)) {
        super::steps::act(model, Action::First);
    }
}

fn set_label(model: &mut Model, text: &str) -> Result<(), String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err("A label must be a single word.".into());
    }
    model.label = text.to_string();
    model.label_settled = true;
    members::label_changed(model);
    Ok(())
}

fn path(model: &Model, text: &str) -> Result<PathBuf, String> {
    if text.is_empty() || text.ends_with('/') {
        return Err("A file name is needed.".into());
    }
    Ok(absolute(model, text))
}

/// Relative paths are meant from the directory in which the program was started.
fn absolute(model: &Model, text: &str) -> PathBuf {
    model.options.here.join(text)
}
