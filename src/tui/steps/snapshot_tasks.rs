//! The background work of the Snapshot step: places are searched, directories looked at, files read through one after
//! another and then glanced at in pairs; a snapshot is saved, two files are compared.

use std::path::{Path, PathBuf};

use crate::{
    domain::{
        model::{
            observations::{
                FileFacts, Health,
                disk::{DirFacts, DirState},
            },
            source_ref::{Download, is_object},
        },
        sources::{
            data_loss::{Difference, History},
            ranking::{HistoryMatch, Place, Saved},
        },
    },
    engine::progress::Progress,
    error::{Error, ErrorKind, Result as Outcome},
    execute::resume,
    system::journal::{Event, Record},
    text::Shown,
    tui::widgets::remedies,
    tui::{
        state::{
            detect::says,
            leaving::WrittenPath,
            messages::Effect,
            model::Model,
            snapshot::{Compared, FileTask, Journaled},
        },
        steps::{leaving::leave_when_safe, snapshot::relist},
        widgets::{progress_meter::Meter, theme::Tone},
    },
};

/// The path of the database in a data directory.
const DATABASE: &str = "member/snap/db";

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

/// Searches where the wizard saves, and for what earlier runs restored from: both are sources after a new start, too.
pub(super) fn search_own(model: &mut Model) -> Vec<Effect> {
    let covered = |model: &Model, path: &Path| {
        let options = &model.options;
        options.places.iter().any(|place| place == path || path.parent() == Some(place.as_path()))
    };
    let base = model.options.base_dir.clone();
    let mut effects = Vec::new();
    if !base.as_os_str().is_empty() && !model.options.places.contains(&base) {
        effects = search(model, vec![base.clone()]);
        model.snapshot.own_searches.extend(model.snapshot.searching.last().map(|(id, _)| *id));
    }
    let mut files: Vec<PathBuf> = model.snapshot.journaled.iter().map(|j| j.path.clone()).collect();
    files.retain(|path| !covered(model, path) && path.parent() != Some(base.as_path()));
    files.retain(|path| model.snapshot.file(path).is_none() && !is_object(path));
    effects.extend(search(model, files));
    effects
}

/// Takes in what the journals of earlier runs say of their sources: those of a plan with this label, or whose members
/// were at the endpoints that are asked. They are looked for once Snapshot was entered.
pub(in crate::tui) fn journaled(model: &mut Model, found: &[(PathBuf, Outcome<Vec<Record>>)]) -> Vec<Effect> {
    let endpoints: Vec<String> = model.detect.rows.iter().map(|row| row.facts.endpoint.clone()).collect();
    let mut sources: Vec<Journaled> = Vec::new();
    for records in found.iter().filter_map(|(_, records)| records.as_ref().ok()) {
        let Some(plan) = resume::last_plan(records) else { continue };
        let place = |text: &str| crate::domain::model::url::place(text).unwrap_or_else(|| (text.to_string(), 0));
        let urls: Vec<_> = plan.members.iter().flat_map(|m| &m.client_urls).map(|url| place(url)).collect();
        let at_endpoint = endpoints.iter().any(|endpoint| urls.contains(&place(endpoint)));
        let same_label = model.label_settled && model.label == plan.label;
        if !at_endpoint && !same_label {
            continue;
        }
        let begun = records.iter().rev().find(|record| record.kind == Event::Begun);
        sources.push(Journaled {
            path: plan.source.path.clone(),
            sha256: plan.source.sha256.clone(),
            revision: plan.source.revision,
            plan: plan.short_id(),
            at: begun.map(|record| record.at.clone()).unwrap_or_default(),
        });
    }
    sources.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.plan.cmp(&b.plan)));
    model.snapshot.journaled = sources;
    if model.snapshot.entered { search_own(model) } else { Vec::new() }
}

/// Starts again what was under way when the wizard was left.
pub(in crate::tui) fn again(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.snapshot;
    (state.reading, state.relating, state.comparing, state.saving) = (None, None, None, None);
    let places: Vec<PathBuf> = state.searching.drain(..).map(|(_, place)| place).collect();
    let dirs: Vec<PathBuf> = state.looking.drain(..).map(|(_, dir)| dir).collect();
    let mut effects = search(model, places);
    effects.extend(dirs.into_iter().map(|dir| look(model, dir, None)).collect::<Vec<_>>());
    if model.snapshot.entered {
        effects.extend(read_next(model));
    }
    effects
}

/// Takes the data directories that Detect found on this machine into the list, once the step was entered.
pub(in crate::tui) fn take_dirs(model: &mut Model) -> Vec<Effect> {
    if !model.snapshot.entered {
        return Vec::new();
    }
    for dir in model.detect.dirs.clone() {
        take_in(model, dir);
    }
    read_next(model)
}

fn look(model: &mut Model, data_dir: PathBuf, wal_dir: Option<PathBuf>) -> Effect {
    let id = model.id();
    model.snapshot.looking.push((id, data_dir.clone()));
    Effect::Look { id, data_dir, wal_dir }
}

pub(in crate::tui) fn found(model: &mut Model, id: u64, result: Outcome<Vec<FileFacts>>) -> Vec<Effect> {
    let state = &mut model.snapshot;
    let Some(at) = state.searching.iter().position(|(s, _)| *s == id) else { return Vec::new() };
    let (_, place) = state.searching.remove(at);
    let own = state.own_searches.iter().position(|own| *own == id).map(|at| state.own_searches.remove(at)).is_some();
    let mut effects = Vec::new();
    match result {
        // it is made with the first snapshot
        Err(_) if own => {}
        Ok(mut files) => {
            if own {
                files.retain(|file| dir_of(&file.path).is_none());
            }
            let none = files.is_empty() && !own;
            let first = files.first().map(|f| f.path.clone());
            let new: Vec<FileFacts> = files.into_iter().filter(|f| state.file(&f.path).is_none()).collect();
            let dirs: Vec<PathBuf> = new.iter().filter_map(|f| Some(dir_of(&f.path)?.to_path_buf())).collect();
            state.files.extend(new);
            state.files.sort_by_key(|f| std::cmp::Reverse(f.modified));
            if state.opened.take_if(|o| *o == id).is_some()
                && let Some(path) = first
            {
                state.select(Place::File(path));
            }
            if none {
                state.empty.push(place);
            }
            for dir in dirs {
                let state = &model.snapshot;
                let known =
                    state.dirs.iter().any(|d| d.data_dir == dir) || state.looking.iter().any(|(_, d)| *d == dir);
                if !known {
                    effects.push(look(model, dir, None));
                }
            }
        }
        Err(error) => {
            let text = remedies::on_one_line(&error);
            let journaled = model.snapshot.journaled.iter().find(|j| j.path == place);
            model.snapshot.unsearched.push(match journaled {
                Some(j) => format!("Plan {} was made from revision {}: {text}", j.plan, j.revision),
                None => text,
            });
        }
    }
    model.snapshot.unsearched.dedup();
    model.snapshot.empty.dedup();
    effects.extend(read_next(model));
    effects
}

/// The data directory whose database is at `path`.
fn dir_of(path: &Path) -> Option<&Path> {
    path.ends_with(DATABASE).then(|| path.ancestors().nth(3)).flatten()
}

pub(in crate::tui) fn looked(model: &mut Model, id: u64, facts: DirFacts) -> Vec<Effect> {
    let state = &mut model.snapshot;
    let Some(at) = state.looking.iter().position(|(l, _)| *l == id) else { return Vec::new() };
    state.looking.remove(at);
    // The verdict counts it, too.
    if facts.state.says().is_some() && !model.detect.dirs.iter().any(|d| d.data_dir == facts.data_dir) {
        model.detect.dirs.push(facts.clone());
    }
    take_in(model, facts);
    read_next(model)
}

/// Puts a directory into the list.
fn take_in(model: &mut Model, facts: DirFacts) {
    let state = &mut model.snapshot;
    let inner = facts.data_dir.join(DATABASE);
    if let Some(says) = facts.state.says() {
        let database = says.database.clone();
        // a database that a leader sent replaces the one in place, which is older
        match state.files.iter_mut().find(|f| f.path == inner || f.path == database.path) {
            Some(file) if file.path == database.path => {}
            Some(file) => *file = database,
            None => state.files.push(database),
        }
        state.dirs.retain(|d| d.data_dir != facts.data_dir);
        state.dirs.push(facts);
    } else if let DirState::Unreadable(why) = &facts.state {
        let text = format!("{} cannot be read: {}", facts.data_dir.shown(), why);
        state.unsearched.push(text);
    }
}

/// Opens a file or directory that was typed.
pub(in crate::tui) fn open(model: &mut Model, path: PathBuf) -> Vec<Effect> {
    let effects = search(model, vec![path]);
    model.snapshot.opened = model.snapshot.searching.last().map(|(id, _)| *id);
    effects
}

/// Reads the next unread file through, if none is being read; when all were, glances at pairs of them. A database that
/// an etcd writes to is left alone.
fn read_next(model: &mut Model) -> Vec<Effect> {
    let state = &model.snapshot;
    if state.reading.is_some() {
        return Vec::new();
    }
    let waits = |f: &FileFacts| {
        let held = state.dir(&f.path).is_some_and(|d| d.held.is_held());
        held || dir_of(&f.path).is_some_and(|dir| state.looking.iter().any(|(_, d)| d == dir))
    };
    // the one that is waited for goes first
    // An object is read once it was fetched.
    let far = |f: &FileFacts| is_object(&f.path);
    let unread = || state.files.iter().filter(|f| f.is_unread() && !far(f) && !waits(f));
    let next = unread().find(|f| Some(&f.path) == state.chosen.as_ref()).or_else(|| unread().next());
    let Some(path) = next.map(|f| f.path.clone()) else { return relate_next(model) };
    let id = model.id();
    model.snapshot.reading = Some(FileTask { id, path: path.clone(), meter: None });
    vec![Effect::Inspect { id, path }]
}

/// Glances at the best file and another whole one that it was not yet compared with.
fn relate_next(model: &mut Model) -> Vec<Effect> {
    if model.snapshot.relating.is_some() {
        return Vec::new();
    }
    relist(model);
    let state = &model.snapshot;
    let mut whole = state.list.sources.iter().filter(|s| s.standing.usable()).filter_map(|s| match &s.place {
        Place::File(path) => Some(path),
        Place::Member(_) => None,
    });
    let Some(best) = whole.next() else { return Vec::new() };
    let open = |path: &&PathBuf| !state.kin.iter().any(|k| k.files.contains(best) && k.files.contains(path));
    let Some(other) = whole.find(open) else { return Vec::new() };
    let files = [best.clone(), other.clone()];
    let id = model.id();
    model.snapshot.relating = Some((id, files.clone()));
    vec![Effect::Relate { id, files }]
}

pub(in crate::tui) fn related(model: &mut Model, id: u64, result: Outcome<History>) -> Vec<Effect> {
    let Some((_, files)) = model.snapshot.relating.take_if(|(r, _)| *r == id) else { return Vec::new() };
    // one that cannot be read was shown as broken, or will be when it is chosen
    let history = result.unwrap_or(History::Unknown);
    model.snapshot.kin.push(HistoryMatch { files, history });
    read_next(model)
}

/// Compares two files whole.
pub(super) fn compare(model: &mut Model, files: [PathBuf; 2]) -> Effect {
    let id = model.id();
    model.snapshot.comparing = Some(FileTask { id, path: files[0].clone(), meter: None });
    model.snapshot.comparing_files = files.clone();
    Effect::Compare { id, files }
}

pub(in crate::tui) fn compared(model: &mut Model, id: u64, result: Outcome<(Difference, bool)>) {
    if model.snapshot.comparing.take_if(|w| w.id == id).is_none() {
        return;
    }
    let [first, second] = std::mem::take(&mut model.snapshot.comparing_files);
    match result {
        Ok((difference, second_is_newer)) => {
            let (older, newer) = if second_is_newer { (first, second) } else { (second, first) };
            let same = |c: &Compared| (&c.newer, &c.older) == (&newer, &older);
            model.snapshot.compared.retain(|c| !same(c));
            model.snapshot.compared.push(Compared { newer, older, difference });
        }
        Err(Error { kind: ErrorKind::Stopped, .. }) => model.say(Tone::Warn, "Comparing was stopped."),
        Err(error) => model.say_error(&error),
    }
}

pub(in crate::tui) fn stepped(model: &mut Model, id: u64, progress: Progress) {
    let now_ms = model.now_ms;
    let state = &mut model.snapshot;
    for work in [&mut state.reading, &mut state.saving, &mut state.comparing].into_iter().flatten() {
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
    let facts = result.unwrap_or_else(|error| {
        let old = model.snapshot.file(&work.path).cloned();
        let broken = Health::Broken(remedies::on_one_line(&error));
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
    let unusable = matches!(facts.health, Health::Broken(_) | Health::Unreadable(_) | Health::Packed(_));
    match model.snapshot.files.iter_mut().find(|f| f.path == path) {
        // under the path by which it was found, whatever the reader calls it
        Some(file) => *file = FileFacts { path: path.to_path_buf(), ..facts },
        None => model.snapshot.files.insert(0, FileFacts { path: path.to_path_buf(), ..facts }),
    }
    if unusable && model.snapshot.chosen.as_deref() == Some(path) {
        model.snapshot.chosen = None;
    }
}

/// Begins to save a snapshot from a member, or to fetch one from an object store.
pub(in crate::tui) fn save(model: &mut Model, from: Download, into: PathBuf) -> Vec<Effect> {
    let id = model.id();
    model.snapshot.saving = Some(FileTask { id, path: into.clone(), meter: None });
    model.snapshot.saving_from = Some(from.clone());
    let makes_dir = into.parent() == Some(model.options.base_dir.as_path());
    vec![Effect::Save { id, from, into, makes_dir }]
}

pub(in crate::tui) fn saved(model: &mut Model, id: u64, result: Outcome<FileFacts>) -> Vec<Effect> {
    let Some(work) = model.snapshot.saving.take_if(|w| w.id == id) else { return Vec::new() };
    match result {
        Ok(facts) => {
            let sound = facts.health == Health::Verified;
            model.written.push((work.path.clone(), WrittenPath::Snapshot));
            put(model, &work.path, facts);
            let from = match &model.snapshot.saving_from {
                Some(Download::Member(endpoint)) => model.detect.rows.iter().find(|r| r.facts.endpoint == *endpoint),
                _ => None,
            };
            if let Some((row, says)) = from.and_then(|r| Some((r, says(&r.facts)?))) {
                let member = model.detect.name(&row.facts);
                let saved = Saved { path: work.path.clone(), member, cluster_id: says.cluster_id };
                model.snapshot.saved.push(saved);
            }
            if sound {
                model.snapshot.chosen = Some(work.path.clone());
                let (tone, next) = match model.snapshot.list.differing {
                    None => (Tone::Good, "Press n for Members."),
                    Some(_) => (Tone::Warn, "Sources hold different data: compare (d) before you go on."),
                };
                model.say(tone, format!("Saved and chosen: {}. {next}", work.path.shown()));
            }
            model.snapshot.select(Place::File(work.path.clone()));
            model.propose_label();
        }
        Err(Error { kind: ErrorKind::Stopped, .. }) => {
            model.say(Tone::Warn, "Saving was stopped; what was received is removed.");
        }
        Err(error) => model.say_error(&error),
    }
    let mut effects = leave_when_safe(model);
    effects.extend(read_next(model));
    effects
}
