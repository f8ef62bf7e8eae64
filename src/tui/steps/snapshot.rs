//! Snapshot: which source loses least, and can it be trusted? Survivors, data directories and files stand in one list,
//! ranked by [`crate::plan::sources`]; here are the step's state and its keys. What goes on in the background is in
//! [`super::snapshot_work`].

use std::path::{Path, PathBuf};

use super::{
    super::{
        app::{Effect, Model, Overlay, moved},
        keys::Action,
        prompt::Ask,
        text::sentence,
        theme::Tone,
    },
    detect::heard,
    meter::Meter,
    snapshot_work::{compare, search, search_own, take_dirs},
};
use crate::etcd::membership::Id;
use crate::plan::{
    facts::{Content, FileFacts, Health, disk::DirFacts},
    ledger::{Difference, Lost},
    sources::{self, Differing, Kin, Kind, List, Place, Relation, Saved, Seen, Source, Standing, Survivor},
    verdict::{KnownState, disagreement},
};
use crate::text::Shown;

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

/// What came of comparing two files whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The newer file.
    pub newer: PathBuf,
    /// The older file.
    pub older: PathBuf,
    /// What the older one lacks.
    pub difference: Difference,
}

/// The source of a plan that an earlier run carried out, or began to, as its journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journaled {
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the whole file, hex, when the plan was made.
    pub sha256: String,
    /// Its revision.
    pub revision: i64,
    /// The plan's short ID.
    pub plan: String,
    /// When it was begun, RFC 3339 in UTC.
    pub at: String,
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The files, newest first; the databases of `dirs` are among them.
    pub files: Vec<FileFacts>,
    /// The data directories that were looked at.
    pub dirs: Vec<DirFacts>,
    /// Files that were saved from members here.
    pub saved: Vec<Saved>,
    /// What glances at two files showed.
    pub kin: Vec<Kin>,
    /// What comparing two files whole showed.
    pub compared: Vec<Compared>,
    /// All sources, ranked: made anew by [`relist`] when something was learnt.
    pub list: List,
    /// The searches under way.
    pub searching: Vec<(u64, PathBuf)>,
    /// Those of them in the place where the wizard saves: it may not exist yet, and new data directories in it are no source.
    pub own_searches: Vec<u64>,
    /// What earlier runs restored from, the latest first.
    pub journaled: Vec<Journaled>,
    /// The directories being looked at.
    pub looking: Vec<(u64, PathBuf)>,
    /// Places that could not be searched, in sentences.
    pub unsearched: Vec<String>,
    /// The file being read through.
    pub reading: Option<Work>,
    /// The snapshot being saved.
    pub saving: Option<Work>,
    /// The endpoint that it is saved from.
    pub saving_from: String,
    /// The two files being glanced at.
    pub relating: Option<(u64, [PathBuf; 2])>,
    /// The file being compared with another.
    pub comparing: Option<Work>,
    /// The two files being compared whole.
    pub comparing_files: [PathBuf; 2],
    /// The selected source.
    pub selected: Option<Place>,
    /// True once the operator selected it: then it stays selected wherever the list moves it.
    pub held_selection: bool,
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
    /// True while something is read, saved, searched or compared.
    pub fn busy(&self) -> bool {
        self.reading.is_some() || self.saving.is_some() || self.comparing.is_some() || self.is_searching()
    }

    /// True while files and directories are being found.
    pub fn is_searching(&self) -> bool {
        !self.searching.is_empty() || !self.looking.is_empty()
    }

    /// The effect that saves a snapshot now.
    pub fn saving_id(&self) -> Option<u64> {
        self.saving.as_ref().map(|w| w.id)
    }

    /// The chosen file.
    pub fn source(&self) -> Option<&FileFacts> {
        self.file(self.chosen.as_ref()?)
    }

    /// What the chosen file holds.
    pub fn content(&self) -> Option<Content> {
        self.source().and_then(|s| s.content.clone())
    }

    /// What is known of a file.
    pub fn file(&self, path: &Path) -> Option<&FileFacts> {
        self.files.iter().find(|f| f.path == path)
    }

    /// The directory whose database a file is.
    pub fn dir(&self, database: &Path) -> Option<&DirFacts> {
        self.dirs.iter().find(|d| d.state.says().is_some_and(|s| s.database.path == database))
    }

    /// The selected line.
    pub fn at(&self) -> usize {
        let selected = |s: &Source| Some(&s.place) == self.selected.as_ref();
        self.list.sources.iter().position(selected).unwrap_or(0)
    }

    /// Selects a source for good.
    pub(in crate::tui) fn select(&mut self, place: Place) {
        self.selected = Some(place);
        self.held_selection = true;
    }
}

/// Puts everything that is known into one ranked list. Until the operator selects a line, the best one is selected.
pub(in crate::tui) fn relist(model: &mut Model) {
    let rows = model.detect.rows.iter().filter_map(|r| Some((r, heard(&r.facts)?)));
    let (survivors, closed) = rows
        .map(|(r, says)| {
            let name = model.detect.name(&r.facts);
            let name = if name == "?" { r.facts.endpoint.clone() } else { name };
            Survivor { name, endpoint: &r.facts.endpoint, says }
        })
        .partition(|survivor| survivor.says.closed.is_none());
    let state = &model.snapshot;
    let seen = Seen {
        survivors,
        closed,
        files: &state.files,
        dirs: &state.dirs,
        saved: &state.saved,
        kin: &state.kin,
        differing: differing(model),
        scope: model.detect.scope(),
        now: model.now(),
    };
    let list = sources::list(&seen);
    model.detect.known = known(&model.snapshot);
    let state = &mut model.snapshot;
    let there = state.selected.as_ref().is_some_and(|place| list.get(place).is_some());
    if !there || !state.held_selection {
        state.selected = list.pick.clone().or_else(|| list.sources.first().map(|s| s.place.clone()));
        state.held_selection = false;
    }
    state.list = list;
}

/// What the files tell of a cluster. What was saved from a member here is that member's own state, and directories are
/// judged by themselves.
fn known(state: &State) -> Vec<KnownState> {
    let own = |file: &&FileFacts| state.saved.iter().any(|s| s.path == file.path) || state.dir(&file.path).is_some();
    let sound = |file: &&FileFacts| matches!(file.health, Health::Verified | Health::Unhashed);
    state.files.iter().filter(|f| sound(f) && !own(f)).filter_map(KnownState::from_file).collect()
}

/// Survivors whose hashes at a common revision differ, as Detect learnt it.
fn differing(model: &Model) -> Option<Differing> {
    let facts = model.detect.facts();
    let found = disagreement(&facts)?;
    let name = |endpoint: &str| {
        let fact = facts.iter().find(|f| f.endpoint == endpoint);
        fact.map_or_else(|| endpoint.to_string(), |fact| model.detect.name(fact))
    };
    let endpoints = found.parts.iter().flat_map(|(_, who)| who).cloned().collect();
    Some(Differing { sentence: found.words(name), endpoints })
}

/// The selected source.
pub fn selected(model: &Model) -> Option<&Source> {
    model.snapshot.list.sources.get(model.snapshot.at())
}

fn selected_path(model: &Model) -> Option<&Path> {
    match &selected(model)?.place {
        Place::File(path) => Some(path),
        Place::Member(_) => None,
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
        if plan.source.skip_hash_check || plan.options.accept_damage.is_some() {
            model.snapshot.agreed.push(path.clone());
        }
        model.snapshot.chosen = Some(path.clone());
        places.push(path);
    }
    let mut effects = search(model, places);
    effects.extend(search_own(model));
    effects.extend(take_dirs(model));
    relist(model);
    effects
}

/// The cluster that the chosen file is of, where its origin or its history tells.
pub(super) fn cluster_of_chosen(model: &Model) -> Option<Id> {
    let state = &model.snapshot;
    let path = state.chosen.as_ref()?;
    let saved = state.saved.iter().find(|saved| saved.path == *path).map(|saved| saved.cluster_id);
    let of_dir = || state.dir(path)?.state.says().map(|says| says.cluster_id);
    let listed = || match state.list.get(&Place::File(path.clone()))?.relation {
        Relation::Same(_) => model.detect.scope().id(),
        _ => None,
    };
    saved.or_else(of_dir).or_else(listed).filter(|id| *id != Id(0))
}

/// What is to be said on Review of what the chosen snapshot loses; none where it is shown to lose nothing.
pub(super) fn loss_warning(model: &Model) -> Option<String> {
    let state = &model.snapshot;
    let source = state.list.get(&Place::File(state.chosen.clone()?))?;
    if source.loss.lost() == Lost::Exactly(0) {
        return None;
    }
    let sentences = match source.loses(state.list.newest.as_ref()) {
        none if none.is_empty() => "It is not known.".to_string(),
        some => some.join(" "),
    };
    Some(format!("data loss: {}", sentences.trim_end_matches('.')))
}

/// The operator takes the selected file without a checksum.
pub(in crate::tui) fn agree(model: &mut Model) -> Vec<Effect> {
    let Some(path) = selected_path(model).map(Path::to_path_buf) else { return Vec::new() };
    if !model.snapshot.agreed.contains(&path) {
        model.snapshot.agreed.push(path.clone());
    }
    choose(model, path);
    Vec::new()
}

fn choose(model: &mut Model, path: PathBuf) {
    let source = model.snapshot.list.get(&Place::File(path.clone()));
    let against = source.and_then(|source| match &source.relation {
        Relation::Other(why) => Some(format!("It is of another cluster: {why}.")),
        _ if source.disagrees => Some("It holds other data than another source of this cluster.".to_string()),
        _ => None,
    });
    let chosen = format!("Chosen: {}.", path.shown());
    match against {
        Some(words) => model.say(Tone::Warn, format!("{chosen} {words}")),
        None => model.say(Tone::Good, format!("{chosen} n goes on to Members.")),
    }
    model.snapshot.selected = Some(Place::File(path.clone()));
    model.snapshot.held_selection = true;
    model.snapshot.chosen = Some(path);
    model.propose_label();
}

/// What the operator takes upon himself with the selected file, beside the missing checksum.
pub(in crate::tui) fn risks(model: &Model) -> Vec<String> {
    let Some(source) = selected(model) else { return Vec::new() };
    let damage = match &source.standing {
        Standing::Limited(damage) => vec![sentence(&damage.why)],
        _ => Vec::new(),
    };
    let mut lines = match source.kind {
        Kind::DataDir => source.loses(model.snapshot.list.newest.as_ref()),
        _ => Vec::new(),
    };
    lines.splice(..0, damage);
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// What the selected file is asked about: the title, and what accepting it means.
pub(in crate::tui) fn asked(model: &Model) -> (String, Vec<String>) {
    let unhashed = [
        "A saved snapshot ends in a SHA-256 of itself; this file does not, as a copy of member/snap/db does not.",
        "Its pages were walked and are sound. A value that changed on the disk would still not be noticed, and a \
         copy taken while etcd was writing may hold an older state than its age says.",
        "",
        "The plan will carry skip_hash_check, as `etcdutl snapshot restore --skip-hash-check` does.",
    ];
    let Some(Standing::Limited(damage)) = selected(model).map(|source| &source.standing) else {
        let lines = risks(model).into_iter().chain(unhashed.map(String::from)).collect();
        return ("Take this file without a checksum?".into(), lines);
    };
    let mut lines = risks(model);
    if !damage.hashed {
        lines.extend(unhashed.map(String::from));
    }
    lines.push(format!(
        "The plan will carry accept_damage: {}, and each member's database is written anew from the rows.",
        damage.revision
    ));
    ("Take this damaged file?".into(), lines)
}

/// The best file that the selected one can be compared with.
fn partner<'a>(model: &'a Model, path: &Path) -> Option<&'a Path> {
    model.snapshot.list.sources.iter().filter(|s| s.standing.usable()).find_map(|s| match &s.place {
        Place::File(other) if other != path => Some(other.as_path()),
        _ => None,
    })
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let state = &model.snapshot;
    let empty = "The list is empty. o opens a file or directory; Esc and e ask members.";
    match (action, selected(model)) {
        (Action::Open | Action::Details | Action::Agree | Action::Compare, None) => Err(empty.into()),
        (Action::Open, Some(source)) => match &source.standing {
            Standing::ToSave | Standing::Remote if state.saving.is_some() => {
                Err("One snapshot is being saved already; c stops that.".into())
            }
            Standing::Unread => Err(format!("{} is not read through yet.", source.name)),
            Standing::Held(why) => Err(format!("It cannot be taken: {why}.")),
            Standing::Packed(why) | Standing::Broken(why) | Standing::Unreadable(why) => {
                Err(format!("It cannot be restored: {why}"))
            }
            Standing::ToSave | Standing::Remote | Standing::Whole | Standing::Sound | Standing::Limited(_) => Ok(()),
        },
        (Action::Agree, Some(source)) => match &source.standing {
            Standing::Sound | Standing::Limited(_) => Ok(()),
            Standing::ToSave | Standing::Remote => Err("What comes over the network carries a checksum.".into()),
            Standing::Whole => Err("This file carries a checksum and it is right; Enter chooses it.".into()),
            Standing::Unread => Err("It is not read through yet.".into()),
            Standing::Held(why) | Standing::Packed(why) => Err(format!("It cannot be taken as it is: {why}.")),
            Standing::Broken(why) | Standing::Unreadable(why) => {
                Err(format!("It cannot be restored, with or without a checksum: {why}"))
            }
        },
        (Action::Compare, Some(source)) => match &source.place {
            _ if state.comparing.is_some() => Err("Two files are being compared already; c stops that.".into()),
            Place::Member(_) => Err("A member's keys can be compared once a snapshot is saved from it (Enter).".into()),
            Place::File(_) if !matches!(source.standing, Standing::Whole | Standing::Sound) => {
                Err("Only files that were read through and are whole can be compared.".into())
            }
            Place::File(path) if partner(model, path).is_none() => {
                Err("There is no other file that can be read to compare it with.".into())
            }
            Place::File(_) => Ok(()),
        },
        (Action::StopWork, _) if state.saving.is_none() && state.comparing.is_none() => {
            Err("Nothing is being saved or compared.".into())
        }
        (Action::AskAgain, _)
            if model.options.places.is_empty() && state.dirs.is_empty() && state.journaled.is_empty() =>
        {
            Err("No place was given to search; o types one.".into())
        }
        (Action::Next, _) => next(model),
        _ => Ok(()),
    }
}

fn next(model: &Model) -> Result<(), String> {
    let state = &model.snapshot;
    let held = state.chosen.as_ref().and_then(|path| match &state.list.get(&Place::File(path.clone()))?.standing {
        Standing::Held(why) => Some(why.clone()),
        _ => None,
    });
    match state.source().map(|s| &s.health) {
        _ if state.saving.is_some() => Err("Next waits for the snapshot that is being saved; c stops that.".into()),
        None if state.chosen.is_some() => Err("Next waits for the plan's snapshot to be found and read.".into()),
        None => Err("Next waits for a choice: select a source and press Enter.".into()),
        Some(_) if held.is_some() => Err(format!("The chosen file cannot be taken: {}.", held.unwrap_or_default())),
        Some(Health::Unread) => Err("Next waits for the chosen file to be read through.".into()),
        Some(Health::Packed(why) | Health::Broken(why) | Health::Unreadable(why)) => {
            Err(format!("The chosen file cannot be restored: {why}"))
        }
        Some(Health::Limited(_)) if !state.chosen.as_ref().is_some_and(|path| state.agreed.contains(path)) => {
            Err("The chosen file is damaged; select it and press Enter to decide whether to take it.".into())
        }
        Some(Health::Verified | Health::Unhashed | Health::Limited(_)) => Ok(()),
    }
}

/// Whether `action` waits for a file that is being saved or read.
pub(super) fn awaits(model: &Model, action: Action) -> bool {
    let state = &model.snapshot;
    let selected = selected(model).map(|source| &source.standing);
    match action {
        Action::Open => match selected {
            Some(Standing::ToSave | Standing::Remote) => state.saving.is_some(),
            Some(Standing::Unread) => state.busy(),
            _ => false,
        },
        Action::Agree => selected == Some(&Standing::Unread) && state.busy(),
        // Next asks for nothing that is typed; c, which its refusal names, is wanted meanwhile
        _ => false,
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => match selected(model).map(|s| (s.place.clone(), s.standing == Standing::Whole)) {
            Some((Place::Member(endpoint), _)) => {
                let proposed = proposed_file(model);
                model.ask(Ask::SaveFrom(endpoint), proposed.to_string_lossy());
            }
            Some((Place::File(path), _)) if path.starts_with("s3:") => {
                let name = path.file_name().unwrap_or_default();
                let proposed = model.options.base_dir.join(name);
                model.ask(Ask::SaveFrom(path.to_string_lossy().into_owned()), proposed.to_string_lossy());
            }
            Some((Place::File(path), hashed)) => {
                if hashed || model.snapshot.agreed.contains(&path) {
                    choose(model, path);
                } else {
                    model.snapshot.select(Place::File(path));
                    model.open(Overlay::Unhashed);
                }
            }
            None => {}
        },
        Action::Agree => model.open(Overlay::Unhashed),
        Action::Details => model.open(Overlay::Details),
        Action::OpenFile => model.ask(Ask::OpenFile, ""),
        Action::Compare => {
            let files = selected_path(model).and_then(|path| Some([path.into(), partner(model, path)?.into()]));
            return files.map(|files| compare(model, files)).into_iter().collect();
        }
        Action::StopWork => {
            let work = model.snapshot.saving.as_ref().or(model.snapshot.comparing.as_ref());
            return work.map(|w| Effect::Cancel { id: w.id }).into_iter().collect();
        }
        Action::AskAgain => {
            let state = &mut model.snapshot;
            state.unsearched.clear();
            state.kin.clear();
            state.compared.clear();
            // what was read stays; unread, broken and vanished files and all directories are looked at anew
            let dirs = std::mem::take(&mut state.dirs);
            let in_dir = |f: &FileFacts| dirs.iter().any(|d| f.path.starts_with(&d.data_dir));
            let kept = |f: &FileFacts| matches!(f.health, Health::Verified | Health::Unhashed | Health::Limited(_));
            state.files.retain(|f| kept(f) && !in_dir(f));
            let places = model.options.places.clone();
            let mut effects = search(model, places);
            effects.extend(search_own(model));
            effects.push(super::detect::look_around(model));
            relist(model);
            return effects;
        }
        action => {
            let state = &model.snapshot;
            let to = moved(state.at(), action, state.list.sources.len());
            if let Some(place) = state.list.sources.get(to).map(|s| s.place.clone()) {
                model.snapshot.select(place);
            }
        }
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
