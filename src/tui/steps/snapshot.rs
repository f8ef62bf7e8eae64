//! Snapshot: which source loses least, and can it be trusted? Survivors, data directories and files are in one list,
//! ranked by [`crate::domain::sources::ranking`]; here are the step's state and its keys. What goes on in the
//! background is in [`super::snapshot_tasks`].

mod actions;
mod choice;

use std::path::{Path, PathBuf};

pub(in crate::tui) use self::choice::{agree, asked};
pub(super) use self::{
    actions::{act, awaits, can, question},
    choice::{cluster_of_chosen, loss_warning},
};
use super::{
    super::{app::Model, messages::Effect},
    detect::heard,
    snapshot_tasks::{search, search_own, take_dirs},
};
use crate::domain::{
    model::{
        observations::{Content, FileFacts, Health, disk::DirFacts},
        source_ref::Download,
    },
    quorum::{hash_mismatch::disagreement, known::KnownState},
    sources::{
        data_loss::Difference,
        ranking::{self, Differing, HistoryMatch, List, Observed, Place, Saved, Source, Survivor},
    },
};
use crate::tui::widgets::progress_meter::Meter;

/// A piece of work on one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTask {
    /// The effect whose messages count.
    pub id: u64,
    /// The file.
    pub path: PathBuf,
    /// How far it is, once that is known.
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
    /// What brief looks at two files showed.
    pub kin: Vec<HistoryMatch>,
    /// What comparing two files whole showed.
    pub compared: Vec<Compared>,
    /// All sources, ranked: made again by `relist` when something was learnt.
    pub list: List,
    /// The searches under way.
    pub searching: Vec<(u64, PathBuf)>,
    /// Those of them in the place where the wizard saves: it may not exist yet, and new data directories in it are no
    /// source.
    pub own_searches: Vec<u64>,
    /// What earlier runs restored from, the latest first.
    pub journaled: Vec<Journaled>,
    /// The directories being looked at.
    pub looking: Vec<(u64, PathBuf)>,
    /// Places that were searched and held no file that may be a snapshot: one may be saved there since.
    pub empty: Vec<PathBuf>,
    /// Places that could not be searched, in sentences.
    pub unsearched: Vec<String>,
    /// The file being read through.
    pub reading: Option<FileTask>,
    /// The snapshot being saved.
    pub saving: Option<FileTask>,
    /// What it is saved from.
    pub saving_from: Option<Download>,
    /// The two files being glanced at.
    pub relating: Option<(u64, [PathBuf; 2])>,
    /// The file being compared with another.
    pub comparing: Option<FileTask>,
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
    let seen = Observed {
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
    let list = ranking::list(&seen);
    model.detect.known = known(&model.snapshot);
    let state = &mut model.snapshot;
    let there = state.selected.as_ref().is_some_and(|place| list.get(place).is_some());
    if !there || !state.held_selection {
        state.selected = list.pick.clone().or_else(|| list.sources.first().map(|s| s.place.clone()));
        state.held_selection = false;
    }
    state.list = list;
}

/// What the files show about a cluster. What was saved from a member here is that member's own state, and directories
/// are judged by themselves.
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
