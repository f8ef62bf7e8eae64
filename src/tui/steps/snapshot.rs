//! Snapshot: which source loses least, and can it be trusted? Files are found, then read through
//! one after another in the background; a survivor can be asked for a new one.

use std::path::{Path, PathBuf};

use super::{
    super::{
        app::{Effect, Model, Overlay, leave_when_safe, moved, trouble_said},
        keys::Action,
        prompt::Ask,
        theme::Tone,
    },
    detect::{Asked, says},
    meter::Meter,
};
use crate::{
    engine::progress::Progress,
    plan::facts::{Content, FileFacts, Health},
    trouble::{Kind, Result as Outcome, Trouble},
};

/// A piece of work on one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The effect whose messages count.
    pub id: u64,
    /// The file.
    pub path: PathBuf,
    /// How far it is, once it said so.
    pub meter: Option<Meter>,
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The files, newest first.
    pub files: Vec<FileFacts>,
    /// The searches under way.
    pub searching: Vec<(u64, PathBuf)>,
    /// Places that could not be searched, in sentences.
    pub unsearched: Vec<String>,
    /// The file being read through.
    pub reading: Option<Work>,
    /// The snapshot being saved.
    pub saving: Option<Work>,
    /// The selected line.
    pub at: usize,
    /// The file to restore from.
    pub chosen: Option<PathBuf>,
    /// Files that the operator takes without a checksum.
    pub agreed: Vec<PathBuf>,
    /// The search that was typed: what it finds is selected.
    pub opened: Option<u64>,
    /// True once the places were searched.
    pub entered: bool,
}

impl State {
    /// True while something is read, saved or searched.
    pub fn busy(&self) -> bool {
        self.reading.is_some() || self.saving.is_some() || !self.searching.is_empty()
    }

    /// The effect that saves a snapshot now.
    pub fn saving_id(&self) -> Option<u64> {
        self.saving.as_ref().map(|w| w.id)
    }

    /// The chosen file.
    pub fn source(&self) -> Option<&FileFacts> {
        let chosen = self.chosen.as_ref()?;
        self.files.iter().find(|f| &f.path == chosen)
    }

    /// What the chosen file holds.
    pub fn content(&self) -> Option<Content> {
        self.source().and_then(|s| s.content.clone())
    }

    fn has(&self, path: &Path) -> bool {
        self.files.iter().any(|f| f.path == path)
    }
}

/// A line of the list.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// A member that answers: a snapshot can be saved from it.
    Member(&'a Asked),
    /// A file.
    File(&'a FileFacts),
}

/// The lines of the list: members that answer, then files.
pub fn choices(model: &Model) -> Vec<Choice<'_>> {
    let members = model.detect.rows.iter().filter(|r| says(&r.facts).is_some()).map(Choice::Member);
    members.chain(model.snapshot.files.iter().map(Choice::File)).collect()
}

/// The selected line.
pub fn selected(model: &Model) -> Option<Choice<'_>> {
    choices(model).get(model.snapshot.at).copied()
}

fn selected_file(model: &Model) -> Option<&FileFacts> {
    match selected(model) {
        Some(Choice::File(file)) => Some(file),
        _ => None,
    }
}

pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    if model.snapshot.entered {
        return Vec::new();
    }
    model.snapshot.entered = true;
    let mut places = model.options.places.clone();
    if let Some(plan) = &model.options.plan {
        let path = plan.source.path.clone();
        if plan.source.skip_hash_check {
            model.snapshot.agreed.push(path.clone());
        }
        model.snapshot.chosen = Some(path.clone());
        places.push(path);
    }
    if places.is_empty() { Vec::new() } else { search(model, places) }
}

/// Searches places, each by itself so that one that cannot be read does not hide the others.
pub(in crate::tui) fn search(model: &mut Model, places: Vec<PathBuf>) -> Vec<Effect> {
    let mut effects = Vec::new();
    for place in places {
        let id = model.id();
        model.snapshot.searching.push((id, place.clone()));
        effects.push(Effect::Find { id, places: vec![place] });
    }
    effects
}

pub(in crate::tui) fn found(model: &mut Model, id: u64, result: Outcome<Vec<FileFacts>>) -> Vec<Effect> {
    let state = &mut model.snapshot;
    let Some(at) = state.searching.iter().position(|(s, _)| *s == id) else { return Vec::new() };
    let (_, place) = state.searching.remove(at);
    match result {
        Ok(files) => {
            let none = files.is_empty();
            let first = files.first().map(|f| f.path.clone());
            let new: Vec<FileFacts> = files.into_iter().filter(|f| !state.has(&f.path)).collect();
            state.files.extend(new);
            state.files.sort_by_key(|f| std::cmp::Reverse(f.modified));
            if state.opened.take_if(|o| *o == id).is_some()
                && let Some(path) = first
            {
                select(model, &path);
            }
            let state = &mut model.snapshot;
            if none {
                state.unsearched.push(format!("{} holds no file that may be a snapshot.", place.display()));
            }
        }
        Err(trouble) => {
            let text = trouble.to_string().replace("\n  ", "; ");
            model.snapshot.unsearched.push(text);
        }
    }
    model.snapshot.unsearched.dedup();
    read_next(model)
}

/// Selects the line of a file.
fn select(model: &mut Model, path: &Path) {
    let at = choices(model).iter().position(|c| matches!(c, Choice::File(f) if f.path == path));
    model.snapshot.at = at.unwrap_or(model.snapshot.at);
}

/// Opens a file or directory that was typed.
pub(in crate::tui) fn open(model: &mut Model, path: PathBuf) -> Vec<Effect> {
    let effects = search(model, vec![path]);
    model.snapshot.opened = model.snapshot.searching.last().map(|(id, _)| *id);
    effects
}

/// Reads the next unread file through, if none is being read.
fn read_next(model: &mut Model) -> Vec<Effect> {
    if model.snapshot.reading.is_some() {
        return Vec::new();
    }
    // the one that is waited for goes first
    let chosen = model.snapshot.chosen.clone();
    let unread = || model.snapshot.files.iter().filter(|f| f.health == Health::Unread);
    let next = unread().find(|f| Some(&f.path) == chosen.as_ref()).or_else(|| unread().next());
    let Some(path) = next.map(|f| f.path.clone()) else { return Vec::new() };
    let id = model.id();
    model.snapshot.reading = Some(Work { id, path: path.clone(), meter: None });
    vec![Effect::Inspect { id, path }]
}

pub(in crate::tui) fn stepped(model: &mut Model, id: u64, progress: Progress) {
    let now_ms = model.now_ms;
    let state = &mut model.snapshot;
    for work in [&mut state.reading, &mut state.saving].into_iter().flatten() {
        if work.id == id {
            match &mut work.meter {
                Some(meter) => meter.step(progress, now_ms),
                None => work.meter = Some(Meter::new(progress, now_ms)),
            }
        }
    }
}

pub(in crate::tui) fn inspected(model: &mut Model, id: u64, result: Outcome<FileFacts>) -> Vec<Effect> {
    let Some(work) = model.snapshot.reading.take_if(|w| w.id == id) else { return Vec::new() };
    let facts = result.unwrap_or_else(|trouble| {
        let old = model.snapshot.files.iter().find(|f| f.path == work.path).cloned();
        let broken = Health::Broken(trouble.to_string().replace("\n  ", "; "));
        match old {
            Some(file) => FileFacts { health: broken, content: None, ..file },
            None => FileFacts { path: work.path.clone(), bytes: 0, modified: None, health: broken, content: None },
        }
    });
    put(model, &work.path, facts);
    model.propose_label();
    read_next(model)
}

/// Puts what is known of the file at `path` in the place of what was known before.
fn put(model: &mut Model, path: &Path, facts: FileFacts) {
    let unusable = matches!(facts.health, Health::Broken(_));
    match model.snapshot.files.iter_mut().find(|f| f.path == path) {
        // under the path by which it was found, whatever the reader calls it
        Some(file) => *file = FileFacts { path: path.to_path_buf(), ..facts },
        None => model.snapshot.files.insert(0, FileFacts { path: path.to_path_buf(), ..facts }),
    }
    if unusable && model.snapshot.chosen.as_deref() == Some(path) {
        model.snapshot.chosen = None;
    }
}

/// Begins to save a snapshot from a member.
pub(in crate::tui) fn save(model: &mut Model, endpoint: String, into: PathBuf) -> Vec<Effect> {
    let id = model.id();
    model.snapshot.saving = Some(Work { id, path: into.clone(), meter: None });
    vec![Effect::Save { id, endpoint, into }]
}

pub(in crate::tui) fn saved(model: &mut Model, id: u64, result: Outcome<FileFacts>) -> Vec<Effect> {
    let Some(work) = model.snapshot.saving.take_if(|w| w.id == id) else { return Vec::new() };
    match result {
        Ok(facts) => {
            let sound = facts.health == Health::Verified;
            model.written.push((work.path.clone(), "a snapshot".into()));
            put(model, &work.path, facts);
            if sound {
                model.snapshot.chosen = Some(work.path.clone());
                model.say(Tone::Good, format!("Saved and chosen: {}. n goes on to Members.", work.path.display()));
            }
            select(model, &work.path);
            model.propose_label();
        }
        Err(Trouble { kind: Kind::Stopped, .. }) => {
            model.say(Tone::Warn, "Saving was stopped; what was received is removed.");
        }
        Err(trouble) => trouble_said(model, &trouble),
    }
    let mut effects = leave_when_safe(model);
    effects.extend(read_next(model));
    effects
}

/// The operator takes the selected file without a checksum.
pub(in crate::tui) fn agree(model: &mut Model) -> Vec<Effect> {
    let Some(path) = selected_file(model).map(|f| f.path.clone()) else { return Vec::new() };
    if !model.snapshot.agreed.contains(&path) {
        model.snapshot.agreed.push(path.clone());
    }
    choose(model, path);
    Vec::new()
}

fn choose(model: &mut Model, path: PathBuf) {
    model.say(Tone::Good, format!("Chosen: {}. n goes on to Members.", path.display()));
    model.snapshot.chosen = Some(path);
    model.propose_label();
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let state = &model.snapshot;
    match (action, selected(model)) {
        (Action::Open | Action::Details | Action::Agree, None) => {
            Err("The list is empty. o opens a file or directory; Esc and e ask members.".into())
        }
        (Action::Open, Some(Choice::Member(_))) if state.saving.is_some() => {
            Err("One snapshot is being saved already; c stops that.".into())
        }
        (Action::Open, Some(Choice::File(file))) => match &file.health {
            Health::Unread => Err(format!("{} is not read through yet.", file.path.display())),
            Health::Broken(why) => Err(format!("It cannot be restored: {why}")),
            _ => Ok(()),
        },
        (Action::Agree, Some(Choice::Member(_))) => Err("A snapshot saved over the network carries a checksum.".into()),
        (Action::Agree, Some(Choice::File(file))) => match &file.health {
            Health::Unhashed => Ok(()),
            Health::Verified => Err("This file carries a checksum and it is right; Enter chooses it.".into()),
            Health::Unread => Err("It is not read through yet.".into()),
            Health::Broken(why) => Err(format!("It cannot be restored, with or without a checksum: {why}")),
        },
        (Action::StopWork, _) if state.saving.is_none() => Err("No snapshot is being saved.".into()),
        (Action::AskAgain, _) if model.options.places.is_empty() => {
            Err("No place was given to search; o types one.".into())
        }
        (Action::Next, _) => next(model),
        _ => Ok(()),
    }
}

fn next(model: &Model) -> Result<(), String> {
    let state = &model.snapshot;
    match state.source().map(|s| &s.health) {
        _ if state.saving.is_some() => Err("Next waits for the snapshot that is being saved; c stops that.".into()),
        None if state.chosen.is_some() => Err("Next waits for the plan's snapshot to be found and read.".into()),
        None => Err("Next waits for a choice: select a source and press Enter.".into()),
        Some(Health::Unread) => Err("Next waits for the chosen file to be read through.".into()),
        Some(Health::Broken(why)) => Err(format!("The chosen file cannot be restored: {why}")),
        Some(Health::Verified | Health::Unhashed) => Ok(()),
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => match selected(model) {
            Some(Choice::Member(asked)) => {
                let endpoint = asked.facts.endpoint.clone();
                let proposed = proposed_file(model);
                model.ask(Ask::SaveFrom(endpoint), proposed.to_string_lossy());
            }
            Some(Choice::File(file)) => {
                let (path, hashed) = (file.path.clone(), file.health == Health::Verified);
                if hashed || model.snapshot.agreed.contains(&path) {
                    choose(model, path);
                } else {
                    model.open(Overlay::Unhashed);
                }
            }
            None => {}
        },
        Action::Agree => model.open(Overlay::Unhashed),
        Action::Details => model.open(Overlay::Details),
        Action::OpenFile => model.ask(Ask::OpenFile, ""),
        Action::StopWork => return model.snapshot.saving_id().map(|id| Effect::Cancel { id }).into_iter().collect(),
        Action::AskAgain => {
            model.snapshot.unsearched.clear();
            // what was read stays; unread, broken and vanished files are looked at anew
            model.snapshot.files.retain(|f| matches!(f.health, Health::Verified | Health::Unhashed));
            let places = model.options.places.clone();
            return search(model, places);
        }
        action => model.snapshot.at = moved(model.snapshot.at, action, choices(model).len()),
    }
    Vec::new()
}

/// `LABEL-20261122-0312.db` in the base directory.
fn proposed_file(model: &Model) -> PathBuf {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(model.now()).unwrap_or(0));
    let stamp: String = humantime::format_rfc3339_seconds(at).to_string();
    let stamp = stamp.replace(['-', ':'], "").replace('T', "-");
    let name = format!("{}-{}.db", model.label, stamp.get(..15).unwrap_or("snapshot"));
    model.options.base_dir.join(name)
}
