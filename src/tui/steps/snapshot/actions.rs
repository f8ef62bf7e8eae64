//! The keys of Snapshot: which can be used now, what is asked before, and what each does.

use std::path::{Path, PathBuf};

use crate::{
    domain::{
        model::{
            observations::{FileFacts, Health},
            source_ref::{Download, SourceRef},
        },
        sources::ranking::{Place, SourceState},
    },
    text::Shown,
    tui::{
        selectors::{
            filter,
            snapshot::{selected, selected_path},
        },
        state::{
            key::Action,
            messages::Effect,
            model::{Model, Overlay},
            prompt::Ask,
        },
        steps::{
            detect,
            snapshot::{choice::choose, list::relist},
            snapshot_tasks::{compare, search, search_own},
        },
        widgets::theme::Tone,
    },
};

/// The files that the selected one can be compared with.
fn partners<'a>(model: &'a Model, path: &Path) -> Vec<&'a Path> {
    let usable = model.snapshot.list.sources.iter().filter(|s| s.standing.usable());
    let other = usable.filter_map(|s| match &s.place {
        Place::File(other) if other != path => Some(other.as_path()),
        _ => None,
    });
    other.collect()
}

/// Compares the marked file with the selected one; marks the selected one where there is a choice of others.
fn compare_or_mark(model: &mut Model) -> Vec<Effect> {
    let Some(path) = selected_path(model).map(Path::to_path_buf) else { return Vec::new() };
    let others: Vec<PathBuf> = partners(model, &path).into_iter().map(Path::to_path_buf).collect();
    let marked = model.snapshot.marked.take();
    match (marked, others.as_slice()) {
        (Some(marked), _) if marked == path => {
            model.say(Tone::Plain, "No longer marked for comparison.");
            Vec::new()
        }
        (Some(marked), others) if others.contains(&marked) => vec![compare(model, [marked, path])],
        (_, [only]) => vec![compare(model, [path, only.clone()])],
        _ => {
            model.say(
                Tone::Plain,
                format!("{} is marked (d). Select the file to compare with, then press d.", path.shown()),
            );
            model.snapshot.marked = Some(path);
            Vec::new()
        }
    }
}

pub(in crate::tui::steps) fn can(model: &Model, action: Action) -> Result<(), String> {
    let state = &model.snapshot;
    let empty = "The list is empty. Press o to open a file or directory, or Esc and then e to ask members.";
    match (action, selected(model)) {
        (Action::Open | Action::Details | Action::Agree | Action::Compare, None) => Err(empty.into()),
        (Action::Open, Some(source)) => match &source.standing {
            SourceState::ToSave | SourceState::Remote if state.saving.is_some() => {
                Err("One snapshot is being saved already; c stops that.".into())
            }
            SourceState::Unread => Err(format!("{} is not fully read yet.", source.name)),
            SourceState::Held(why) => Err(format!("It cannot be used: {why}.")),
            SourceState::Packed(why) | SourceState::Broken(why) | SourceState::Unreadable(why) => {
                Err(format!("It cannot be restored: {why}"))
            }
            SourceState::ToSave
            | SourceState::Remote
            | SourceState::Whole
            | SourceState::Sound
            | SourceState::Limited(_) => Ok(()),
        },
        (Action::Agree, Some(source)) => match &source.standing {
            SourceState::Sound | SourceState::Limited(_) => Ok(()),
            SourceState::ToSave | SourceState::Remote => Err("What comes over the network carries a checksum.".into()),
            SourceState::Whole => Err("This file has a valid checksum; Enter chooses it.".into()),
            SourceState::Unread => Err("It is not fully read yet.".into()),
            SourceState::Held(why) | SourceState::Packed(why) => Err(format!("It cannot be used as it is: {why}.")),
            SourceState::Broken(why) | SourceState::Unreadable(why) => {
                Err(format!("It cannot be restored, with or without a checksum: {why}"))
            }
        },
        (Action::Compare, Some(source)) => match &source.place {
            _ if state.comparing.is_some() => Err("Two files are being compared already; c stops that.".into()),
            Place::Member(_) => Err("A member's keys can be compared once a snapshot is saved from it (Enter).".into()),
            Place::File(_) if !matches!(source.standing, SourceState::Whole | SourceState::Sound) => {
                Err("Only files that were fully read and are intact can be compared.".into())
            }
            Place::File(path) if partners(model, path).is_empty() => {
                Err("There is no other readable file to compare it with.".into())
            }
            Place::File(_) => Ok(()),
        },
        (Action::StopWork, _) if state.saving.is_none() && state.comparing.is_none() => {
            Err("Nothing is being saved or compared.".into())
        }
        (Action::AskAgain, _)
            if model.options.places.is_empty() && state.dirs.is_empty() && state.journaled.is_empty() =>
        {
            Err("No place to search was given; press o to enter one.".into())
        }
        (Action::Next, _) => next(model),
        _ => Ok(()),
    }
}

/// Whether Enter on the selected source saves it to a file first.
pub(in crate::tui::steps) fn saves(model: &Model) -> bool {
    selected(model).is_some_and(|source| matches!(source.standing, SourceState::ToSave | SourceState::Remote))
}

fn next(model: &Model) -> Result<(), String> {
    let state = &model.snapshot;
    let held = state.chosen.as_ref().and_then(|path| match &state.list.get(&Place::File(path.clone()))?.standing {
        SourceState::Held(why) => Some(why.clone()),
        _ => None,
    });
    match state.source().map(|s| &s.health) {
        _ if state.saving.is_some() => Err("Next waits for the snapshot that is being saved; c stops that.".into()),
        None if state.chosen.is_some() => Err("Next waits for the plan's snapshot to be found and read.".into()),
        None => Err("Next waits for a choice: select a source and press Enter.".into()),
        Some(_) if held.is_some() => Err(format!("The chosen file cannot be used: {}.", held.unwrap_or_default())),
        Some(Health::Unread) => Err("Next waits for the chosen file to be read.".into()),
        Some(Health::Packed(why) | Health::Broken(why) | Health::Unreadable(why)) => {
            Err(format!("The chosen file cannot be restored: {why}"))
        }
        Some(Health::Limited(_)) if !state.chosen.as_ref().is_some_and(|path| state.agreed.contains(path)) => {
            Err("The chosen file is damaged; select it and press Enter to decide whether to accept it.".into())
        }
        Some(Health::Verified | Health::Unhashed | Health::Limited(_)) => Ok(()),
    }
}

/// Whether `action` waits for a file that is being saved or read.
pub(in crate::tui::steps) fn awaits(model: &Model, action: Action) -> bool {
    let state = &model.snapshot;
    let selected = selected(model).map(|source| &source.standing);
    match action {
        Action::Open => match selected {
            Some(SourceState::ToSave | SourceState::Remote) => state.saving.is_some(),
            Some(SourceState::Unread) => state.busy(),
            _ => false,
        },
        Action::Agree => selected == Some(&SourceState::Unread) && state.busy(),
        // Next asks for nothing that is typed; c, which its refusal names, is wanted meanwhile
        _ => false,
    }
}

/// What is asked before an action: what was received of a snapshot is removed when its saving is stopped. A download
/// from an object store continues where it was cut off, so nothing of it is lost.
pub(in crate::tui::steps) fn question(model: &Model, action: Action) -> Option<(String, Vec<String>)> {
    let state = &model.snapshot;
    let is_kept = matches!(state.saving_from, Some(Download::Object(_)));
    let saving = state.saving.as_ref().filter(|_| action == Action::StopWork && !is_kept)?;
    let done = saving.meter.map(|meter| format!(" ({})", meter.words(model.now_ms))).unwrap_or_default();
    Some((
        "Stop saving the snapshot?".into(),
        vec![format!(
            "What was received so far for {}{done} is removed. The member and its data are untouched.",
            saving.path.shown()
        )],
    ))
}

pub(in crate::tui::steps) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => match selected(model).map(|s| (s.place.clone(), s.standing == SourceState::Whole)) {
            Some((Place::Member(endpoint), _)) => {
                let proposed = proposed_file(model, &endpoint);
                model.ask(Ask::SaveFrom(Download::Member(endpoint)), proposed.to_string_lossy());
            }
            Some((Place::File(path), hashed)) => match SourceRef::from_path(&path) {
                SourceRef::Object(url) => {
                    let proposed = model.options.base_dir.join(url.file_name());
                    model.ask(Ask::SaveFrom(Download::Object(url)), proposed.to_string_lossy());
                }
                SourceRef::File(path) if hashed || model.snapshot.agreed.contains(&path) => choose(model, path),
                SourceRef::File(path) => {
                    model.snapshot.select(Place::File(path));
                    model.open(Overlay::Unhashed);
                }
            },
            None => {}
        },
        Action::Agree => model.open(Overlay::Unhashed),
        Action::Details => model.open(Overlay::Details),
        Action::OpenFile => model.ask(Ask::OpenFile, ""),
        Action::Compare => return compare_or_mark(model),
        Action::StopWork => {
            let work = model.snapshot.saving.as_ref().or(model.snapshot.comparing.as_ref());
            return work.map(|w| Effect::Cancel { id: w.id }).into_iter().collect();
        }
        Action::AskAgain => {
            let state = &mut model.snapshot;
            state.unsearched.clear();
            state.empty.clear();
            state.kin.clear();
            state.compared.clear();
            // what was read stays; unread, broken and vanished files and all directories are read again
            let dirs = std::mem::take(&mut state.dirs);
            let in_dir = |f: &FileFacts| dirs.iter().any(|d| f.path.starts_with(&d.data_dir));
            let kept = |f: &FileFacts| matches!(f.health, Health::Verified | Health::Unhashed | Health::Limited(_));
            state.files.retain(|f| kept(f) && !in_dir(f));
            let places = model.options.places.clone();
            let mut effects = search(model, places);
            effects.extend(search_own(model));
            effects.push(detect::look_around(model));
            relist(model);
            return effects;
        }
        action => {
            let state = &model.snapshot;
            let to = filter::moved(model, state.at(), action);
            if let Some(place) = state.list.sources.get(to).map(|s| s.place.clone()) {
                model.snapshot.select(place);
            }
        }
    }
    Vec::new()
}

/// `LABEL-MEMBER-20261122-031204.db` in the base directory.
fn proposed_file(model: &Model, endpoint: &str) -> PathBuf {
    let row = model.detect.rows.iter().find(|row| row.facts.endpoint == endpoint);
    let name = row.map(|row| model.detect.name(&row.facts)).filter(|name| name != "?" && is_plain(name));
    let name = name.map(|name| format!("-{name}")).unwrap_or_default();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(model.now()).unwrap_or(0));
    let stamp: String = humantime::format_rfc3339_seconds(at).to_string();
    let stamp = stamp.replace(['-', ':'], "").replace('T', "-");
    let name = format!("{}{name}-{}.db", model.label, stamp.get(..15).unwrap_or("snapshot"));
    model.options.base_dir.join(name)
}

/// Whether a name can be part of a file's name as it is.
fn is_plain(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) && name.len() <= 40
}
