//! What is in the directories that are given: a member's log and its databases, and snapshots besides. Only read.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{
    log::{LogError, MemberLog},
    store::Base,
};
use crate::{
    bbolt::{self, Part, ReadAt, View},
    domain::model::observations::disk::Held,
    engine::{
        datadir::{file_locks, last_revision},
        progress::{Flow, Phase, Progress, ProgressFn},
        scan::{
            row_scan::{self, ScanError},
            walker,
        },
        source::{Source, step},
    },
    error::{Error, ErrorKind, Remedy, Result},
    etcd::{
        membership::{Id, Member},
        schema,
        version::Minor,
    },
    raft::wal,
    text::Shown,
};

/// A directory that is given.
#[derive(Debug)]
pub struct Dir {
    /// Its path.
    pub path: PathBuf,
    /// Its log; none with the reason.
    pub log: std::result::Result<MemberLog, String>,
    /// Where its databases are.
    snap: Option<PathBuf>,
}

/// What a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseKind {
    /// `member/snap/db`.
    Own,
    /// A database that a leader sent and that was not put in place (`….snap.db`).
    Received,
    /// A snapshot file, or a database from elsewhere.
    Snapshot,
}

/// A database that a replay may begin from.
#[derive(Debug)]
pub struct Database {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: DatabaseKind,
    /// The directory that it is in, by position; none of a snapshot.
    pub dir: Option<usize>,
    /// Whether its state before the last transaction is meant, which its other meta page leads to.
    pub older: bool,
    /// Whether the newer meta page is damaged, so that the file leads to no other state.
    pub fell_back: bool,
    /// What its meta rows say; none with the reason.
    pub facts: std::result::Result<Facts, String>,
}

/// What a database says of itself in a few rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The raft index up to which the log is applied in it.
    pub consistent_index: u64,
    /// The term of that index (3.5 and later).
    pub term: Option<u64>,
    /// Its last revision.
    pub revision: i64,
    /// The cluster version in it.
    pub cluster_version: Option<String>,
    /// The storage version in it (3.6 and later).
    pub storage_version: Option<String>,
    /// The members in it.
    pub members: Vec<Member>,
}

impl Dir {
    /// Reads a directory: a data directory, its `member` directory, or a WAL directory or one with a database alone.
    ///
    /// # Errors
    /// If it is something else, if an etcd runs on it, or `watch` stops it.
    pub fn read(path: &Path, watch: &mut ProgressFn<'_>) -> Result<Dir> {
        let (snap, wal) = locate(path)?;
        refuse_running(path, snap.as_deref(), wal.as_deref())?;
        let mut log = Err("there is no WAL in it".to_string());
        if let Some(wal) = &wal {
            let segments = wal::list(wal).unwrap_or_default();
            let bytes = |path: &PathBuf| fs::metadata(path).map_or(0, |meta| meta.len());
            let total = segments.iter().map(|(.., path)| bytes(path)).fold(0, u64::saturating_add);
            let mut each = |done: u64| watch(Progress { phase: Phase::ReadLog, done, total }) == Flow::Go;
            log = match MemberLog::read(wal, &mut each) {
                Err(LogError::Stopped) => return Err(stopped(Phase::ReadLog)),
                read => read.map_err(|e| e.to_string()),
            };
        }
        Ok(Dir { path: path.into(), log, snap })
    }

    /// The databases in it.
    pub fn databases(&self, position: usize) -> Vec<Database> {
        let Some(snap) = &self.snap else { return Vec::new() };
        let mut found = Vec::new();
        let own = snap.join("db");
        if own.exists() {
            found.push((own, DatabaseKind::Own));
        }
        let received = fs::read_dir(snap).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_received = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".snap.db"));
            name.is_some_and(|name| name.len() == 16 && u64::from_str_radix(name, 16).is_ok())
        };
        found.extend(received.filter(is_received).map(|path| (path, DatabaseKind::Received)));
        found.into_iter().flat_map(|(path, kind)| Database::states(&path, kind, Some(position))).collect()
    }
}

impl Database {
    /// A snapshot file that is given.
    pub fn snapshot(path: &Path) -> Database {
        let facts = facts(path).map(|(newest, _)| newest);
        Database {
            path: path.into(),
            kind: DatabaseKind::Snapshot,
            dir: None,
            older: false,
            fell_back: fell_back(path),
            facts,
        }
    }

    /// The states that a database file holds: the newest, and the one before the last transaction if it has both.
    pub fn states(path: &Path, kind: DatabaseKind, dir: Option<usize>) -> Vec<Database> {
        let (newest, older) = match facts(path) {
            Ok((newest, older)) => (Ok(newest), older),
            Err(why) => (Err(why), None),
        };
        let fell_back = fell_back(path);
        let state = |older, facts| Database { path: path.into(), kind, dir, older, fell_back, facts };
        let mut states = vec![state(false, newest)];
        states.extend(older.map(|older| state(true, Ok(older))));
        states
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// If it is not a database, or is truncated.
    pub fn open(&self) -> Result<Base> {
        let source = Source::open(&self.path)?;
        let view = View::open(Arc::new(source.body()) as Arc<dyn ReadAt + Send + Sync>);
        let view = view.map_err(|e| source.damaged(&e))?;
        if !self.older {
            return Ok(view);
        }
        let changed = || Error::new(ErrorKind::Input, format!("{}: changed while it was read", self.path.shown()));
        view.older().ok_or_else(changed)
    }

    /// As [`Database::damage`], for the state before the last transaction: newer pages outside its tree are expected.
    fn damage_of_older(&self, watch: &mut ProgressFn<'_>) -> Result<Option<String>> {
        let view = match self.open() {
            Ok(view) => view,
            Err(e) => return Ok(Some(e.sentence())),
        };
        let page = u64::from(view.page_size());
        let mut step = |done: u64, of: u64| {
            let (done, total) = (done.saturating_mul(page), of.saturating_mul(page));
            watch(Progress { phase: Phase::Check, done, total }) == Flow::Go
        };
        match bbolt::check(&view, &mut step) {
            Err(bbolt::Error::Stopped) => return Err(stopped(Phase::Check)),
            Err(e) => return Ok(Some(e.to_string())),
            Ok(report) => {
                if let Some(first) = report.about(Part::Tree).next() {
                    return Ok(Some(first.to_string()));
                }
            }
        }
        Ok(match row_scan::walk(&view, watch) {
            Ok(walk) => walk.findings.errors.first().cloned(),
            Err(ScanError::Stopped(e)) => return Err(e),
            Err(ScanError::Damaged(why) | ScanError::Foreign(why) | ScanError::Limited { why, .. }) => Some(why),
        })
    }

    /// Reads all of it, and returns why a replay cannot begin from it; none if every page and row is intact.
    ///
    /// # Errors
    /// Only `Stopped`.
    pub fn damage(&self, watch: &mut ProgressFn<'_>) -> Result<Option<String>> {
        if self.older {
            return self.damage_of_older(watch);
        }
        let source = match Source::open(&self.path) {
            Ok(source) => source,
            Err(e) => return Ok(Some(e.sentence())),
        };
        let walk = match walker::scan(&source, false, watch) {
            Ok((digest, walk)) if digest.is_wrong() => {
                drop(walk);
                return Ok(Some(digest.verified().err().unwrap_or_else(|| "its SHA-256 is wrong".into())));
            }
            Ok((_, walk)) => walk,
            Err(e) if e.kind == ErrorKind::Stopped => return Err(e),
            Err(e) => return Ok(Some(e.sentence())),
        };
        Ok(match walk {
            // A damaged meta page or freelist leaves every row readable.
            Ok(walk) if walk.findings.errors.is_empty() => None,
            Ok(walk) => walk.damage(),
            Err(ScanError::Stopped(e)) => return Err(e),
            Err(ScanError::Damaged(why) | ScanError::Foreign(why) | ScanError::Limited { why, .. }) => Some(why),
        })
    }
}

impl Database {
    /// Whether it is a state before a transaction. The transaction after that may have overwritten pages of it, which no check
    /// shows.
    pub fn unproven(&self) -> bool {
        self.older || self.fell_back
    }
}

/// Returns whether a file leads to the state before its last transaction only.
fn fell_back(path: &Path) -> bool {
    Source::open(path)
        .and_then(|source| source.view())
        .is_ok_and(|view| view.fell_back() && !view.damaged_meta_agrees())
}

impl Facts {
    /// The version of the etcd that wrote it, as far as it says.
    pub fn version(&self) -> Option<Minor> {
        let named = [&self.cluster_version, &self.storage_version];
        let named = named.into_iter().flatten().filter_map(|text| text.parse::<Minor>().ok()).max();
        named.or(self.term.map(|_| Minor::V3_5))
    }
}

/// Finds the directories with the database and with the WAL.
fn locate(path: &Path) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    let refused = |why: &str| {
        Error::new(ErrorKind::Input, format!("{}: not a member's directory", path.shown()))
            .why(why)
            .hint("Give data directories (which contain member/), WAL directories (which contain .wal files), or both.")
    };
    if !path.exists() {
        return Err(refused("it does not exist"));
    }
    if !path.is_dir() {
        return Err(refused("it is a file").hint("Snapshot files are given with --older-snapshot."));
    }
    let member = path.join("member");
    let root = if member.is_dir() { member } else { path.into() };
    let dir = |name: &str| Some(root.join(name)).filter(|dir| dir.is_dir());
    let (snap, wal) = (dir("snap"), dir("wal"));
    if snap.is_some() || wal.is_some() {
        return Ok((snap, wal));
    }
    let wal = wal::list(path).is_ok_and(|segments| !segments.is_empty()).then(|| path.to_path_buf());
    let snap = path.join("db").is_file().then(|| path.to_path_buf());
    match (snap, wal) {
        (None, None) => Err(refused("it has neither a database nor a WAL")),
        found => Ok(found),
    }
}

/// Refuses a directory that an etcd runs on: its files change while they are read.
fn refuse_running(path: &Path, snap: Option<&Path>, wal: Option<&Path>) -> Result<()> {
    let segments = wal.and_then(|wal| wal::list(wal).ok()).unwrap_or_default().into_iter().map(|(.., path)| path);
    let files: Vec<PathBuf> = snap.map(|snap| snap.join("db")).into_iter().chain(segments).collect();
    let Held::By { pid, program } = file_locks::holder(&files) else { return Ok(()) };
    let by = match (pid, program.as_str()) {
        (Some(pid), "") => format!("process {pid} has its files open"),
        (Some(pid), program) => format!("{program} (process {pid}) has its files open"),
        (None, _) => "a process has locked its files".to_string(),
    };
    Err(Error::new(ErrorKind::Refused, format!("{}: in use", path.shown()))
        .why(by)
        .hint("Stop that etcd first.")
        .remedies(&[Remedy::SaveSnapshot { from: None }]))
}

/// What a database records of itself, now and before its last transaction. Damage may be in the newer state alone.
fn facts(path: &Path) -> std::result::Result<(Facts, Option<Facts>), String> {
    let source = Source::open(path).map_err(|e| e.sentence())?;
    let newest = source.view().map_err(|e| e.sentence())?;
    let own = read_facts(&newest).map_err(|e| e.to_string());
    let older = newest.older().and_then(|view| read_facts(&view).ok());
    match (own, older) {
        (Ok(own), older) => Ok((own, older)),
        // As if it were of index 0: it is read, found damaged and named.
        (Err(_), Some(older)) => Ok((Facts::default(), Some(older))),
        (Err(why), None) => Err(why),
    }
}

/// Reads what a database says of itself.
///
/// # Errors
/// If a page on the way cannot be read.
pub fn read_facts<R: ReadAt>(view: &View<R>) -> std::result::Result<Facts, bbolt::Error> {
    let mut facts = Facts { revision: last_revision(view)?, ..Facts::default() };
    let number = |row: Vec<u8>| row.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
    let text = |row: Vec<u8>| String::from_utf8_lossy(&row).into_owned();
    if let Some(meta) = view.bucket(schema::META)? {
        facts.consistent_index = view.get(&meta, schema::CONSISTENT_INDEX)?.and_then(number).unwrap_or_default();
        facts.term = view.get(&meta, schema::TERM)?.and_then(number);
        facts.storage_version = view.get(&meta, schema::STORAGE_VERSION)?.map(text);
    }
    if let Some(cluster) = view.bucket(schema::CLUSTER)? {
        facts.cluster_version = view.get(&cluster, schema::CLUSTER_VERSION)?.map(text);
    }
    if let Some(bucket) = view.bucket(schema::MEMBERS)? {
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next()? {
            facts.members.extend(Member::from_json(row.value));
        }
    }
    Ok(facts)
}

/// The error of work that was stopped on request.
pub fn stopped(phase: Phase) -> Error {
    match step(&mut |_| Flow::Stop, phase, 0, 0) {
        Err(e) => e,
        Ok(()) => Error::new(ErrorKind::Stopped, "stopped on request"),
    }
}

/// Refuses logs of different clusters.
///
/// # Errors
/// If two of them have different cluster IDs.
pub fn one_cluster(dirs: &[Dir]) -> Result<()> {
    let ids: Vec<(&Dir, u64)> = dirs.iter().filter_map(|dir| Some((dir, dir.log.as_ref().ok()?.cluster))).collect();
    let Some((first, id)) = ids.first() else { return Ok(()) };
    if let Some((dir, _)) = ids.iter().find(|(_, id)| *id == 0 && ids.len() > 1) {
        return Err(Error::new(ErrorKind::Input, format!("{}: its cluster is unknown", dir.path.shown()))
            .why("the start of its log, which names member and cluster, is lost; entries of another cluster would be mixed in")
            .hint("Salvage it on its own, and the others without it.")
            .remedies(&[Remedy::CompareSnapshots]));
    }
    match ids.iter().find(|(_, other)| other != id) {
        None => Ok(()),
        Some((dir, other)) => Err(Error::new(ErrorKind::Input, "the directories belong to different clusters")
            .why(format!(
                "{} is of cluster {}, {} of cluster {}",
                first.path.shown(),
                Id(*id),
                dir.path.shown(),
                Id(*other)
            ))
            .hint("Salvage each cluster on its own.")),
    }
}
