//! What Snapshot knows: the files and directories that were found, what is being done with them, and what was chosen.

use std::path::{Path, PathBuf};

use crate::{
    domain::{
        model::{
            observations::{Content, FileFacts, disk::DirFacts},
            source_ref::Download,
        },
        sources::{
            data_loss::Difference,
            ranking::{HistoryMatch, List, Place, Saved, Source},
        },
    },
    tui::widgets::progress_meter::Meter,
};

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
    /// The file that is to be compared with the next one.
    pub marked: Option<PathBuf>,
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
