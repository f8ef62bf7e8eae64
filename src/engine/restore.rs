//! Builds one member's data directory from a snapshot in staging and verifies it; [`super::install`] installs it.
//!
//! The result is that of `etcdutl snapshot restore` (the same WAL, `.snap` and bucket contents, byte for byte), and it
//! is durable once it is built:
//! ```text
//! DATA-DIR/member/snap/db                      the snapshot, with the new membership in it
//! DATA-DIR/member/snap/TERM-INDEX.snap         the membership again, for 3.4 and 3.5
//! DATA-DIR/member/wal/0…0-0…0.wal              the membership as the first entries of the log
//! ```
//! The steps: read the source, hash it, check every page and row, and copy at the same time; edit the copy; write the
//! log; sync; compare the copy with what was hashed, and everything new with the plan. On failure all of it is removed.
//! A source that was read for one member is not read again for the next.
//!
//! ```
//! use requorum::{
//!     domain::model::options::Options,
//!     engine::{install, progress::Flow, restore::{RestoreSpec, initial_log::InitialLog}},
//!     etcd::version::Minor,
//! };
//!
//! let place = tempfile::tempdir().unwrap();
//! let urls = ["http://10.0.0.1:2380".to_string()];
//! let spec = RestoreSpec {
//!     source: "tests/fixtures/snapshots/seed-3.5.16.db".as_ref(),
//!     pinned_sha256: None,
//!     skip_hash_check: false,
//!     genesis: &InitialLog::new([("m1", &urls[..])], "a-new-token"),
//!     name: "m1",
//!     data_dir: &place.path().join("m1.etcd"),
//!     wal_dir: None,
//!     target: Minor::V3_5,
//!     bump_revision: 0,
//!     options: &Options::default(),
//! };
//! let restored = install::restore(&spec, &mut |_| Flow::Go)?;
//! assert_eq!((restored.revision, restored.keys), (12, 8));
//! # Ok::<(), requorum::error::Error>(())
//! ```

pub mod db_copy;
pub mod expected;
pub mod initial_log;
pub mod manual_proof;
pub mod ownership;
pub mod readback;
pub mod restore_edits;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use serde::{Deserialize, Serialize};

use super::{
    datadir::file_locks::HeldLog,
    durable_fs::{Dir, Disk, DiskFile, Flusher, SyncedLater},
    install::staging::{self, StagingDir},
    progress::{Phase, ProgressFn},
    restore::{initial_log::InitialLog, ownership::Owner, restore_edits::Change},
    scan::row_scan::RowScan,
    source::{
        creation_trouble, io_trouble, step,
        verified_source::{Checked, SourceCache, Trust, VerifiedSource},
    },
};
use crate::{
    bbolt::WriteAt,
    domain::{
        members::{build_plan, table::Severity},
        model::options::Options,
        preflight::space::{self, Needed},
    },
    error::{Error, ErrorKind, Result},
    etcd::{membership::Id, revision::Revision, version::Minor},
    raft::wal,
    text::Shown,
};

/// What to restore, and as which member.
#[derive(Debug, Clone)]
pub struct RestoreSpec<'a> {
    /// The snapshot file.
    pub source: &'a Path,
    /// SHA-256 of the whole file, hex, if a plan pins it.
    pub pinned_sha256: Option<&'a str>,
    /// Accept a file without a trailer, or with a wrong one. Its pages and rows are still checked.
    pub skip_hash_check: bool,
    /// All members of the new cluster, with their IDs.
    pub genesis: &'a InitialLog,
    /// The name of the member to restore.
    pub name: &'a str,
    /// `--data-dir`.
    pub data_dir: &'a Path,
    /// `--wal-dir`, if it is not inside the data directory.
    pub wal_dir: Option<&'a Path>,
    /// The etcd version whose formats are written.
    pub target: Minor,
    /// The number of revisions that are skipped; 0 for none.
    pub bump_revision: u64,
    /// Options beyond a plain restore.
    pub options: &'a Options,
}

/// The disk, cache and settings of a restore.
#[derive(Debug, Default)]
pub struct Tools {
    /// The disk.
    pub disk: Disk,
    /// The cache that keeps a source that was read for the next member.
    pub shelf: SourceCache,
    /// Skip the comparison of the whole copy with what was hashed. What is new is still read back.
    pub skip_proof: bool,
}

/// A restored member, as read back from the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The member's name.
    pub name: String,
    /// The member's ID, from the WAL that was written.
    pub member_id: Id,
    /// The cluster's ID, from the WAL that was written.
    pub cluster_id: Id,
    /// The data directory.
    pub data_dir: PathBuf,
    /// The last revision in the restored database.
    pub revision: i64,
    /// Live keys in the restored database.
    pub keys: u64,
    /// The length of the database in bytes.
    pub bytes: u64,
    /// The IDs of all members in the restored database, ascending.
    #[serde(default)]
    pub members: Vec<Id>,
    /// SHA-256 of the whole snapshot, hex, as this machine read it.
    #[serde(default)]
    pub source_sha256: String,
    /// SHA-256 of the start of the log, hex, see [`super::restore::expected::log_sha256`].
    #[serde(default)]
    pub log_sha256: String,
}

/// Builds one member in staging and verifies it. Existing directories are not changed.
///
/// # Errors
/// If the source is damaged, nothing can be built there, or the system refuses; nothing is left in staging then.
/// `Stopped` if `watch` requests it.
pub fn build(job: &RestoreSpec<'_>, tools: &Tools, watch: &mut ProgressFn<'_>) -> Result<Built> {
    let member = job.genesis.id_of(job.name).ok_or_else(|| {
        let names: Vec<&str> = job.genesis.members.iter().map(|m| m.name.as_str()).collect();
        Error::new(ErrorKind::Input, format!("unknown member {:?}", job.name))
            .why(format!("the members are {}", names.join(", ")))
    })?;
    // Checked before the source is read, so that a target that is not free is reported at once.
    [Some(job.data_dir), job.wal_dir]
        .into_iter()
        .flatten()
        .try_for_each(|target| staging::inside(target).map(|_| ()))?;
    let owner = Owner::from_options(job.options)?;
    let trust = Trust {
        pinned_sha256: job.pinned_sha256,
        skip_hash_check: job.skip_hash_check,
        accept_damage: job.options.accept_damage,
    };
    let (prepared, laid) = match tools.shelf.find(job.source) {
        Some(prepared) => {
            trust.evaluate(&prepared.checked.source, &prepared.digest)?;
            trust.accepts(&prepared.checked)?;
            let laid = StagedFiles::create(job, tools, &prepared.checked, watch)?;
            prepared.unchanged()?;
            (prepared, laid)
        }
        None => {
            let (prepared, laid) = VerifiedSource::read(job.source, &trust, watch, |checked, watch| {
                StagedFiles::create(job, tools, checked, watch)
            })?;
            (Arc::new(prepared), laid)
        }
    };
    tools.shelf.keep(&prepared);
    laid.finish(job, tools, member, &owner, &prepared, watch)
}

/// A directory under construction, with the database's pages in it.
struct StagedFiles {
    data: StagingDir,
    wal: Option<StagingDir>,
    member: Dir,
    snap_dir: Dir,
    wal_dir: Dir,
    db: DiskFile,
    flusher: Option<Flusher>,
    bump: Option<Revision>,
}

impl StagedFiles {
    /// Creates the directories and copies the pages.
    fn create(
        job: &RestoreSpec<'_>,
        tools: &Tools,
        checked: &Checked,
        watch: &mut ProgressFn<'_>,
    ) -> Result<StagedFiles> {
        check_start(job, &checked.walk)?;
        let bump = bumped_revision(&checked.walk, job.bump_revision)?;
        let disk = &tools.disk;
        let data = StagingDir::begin(disk, job.data_dir)?;
        let wal = job.wal_dir.map(|dir| StagingDir::begin(disk, dir)).transpose()?;
        enough_space(&data, db_copy::live_bytes(checked), rewritten(job, &checked.walk), wal.as_ref())?;

        let make =
            |dir: &Dir, name: &str| dir.make(name).map_err(|e| creation_trouble("create", &dir.path().join(name), &e));
        let member = make(data.content(), "member")?;
        let snap_dir = make(&member, "snap")?;
        let wal_dir = match &wal {
            Some(stage) => stage.content().clone(),
            None => make(&member, "wal")?,
        };
        let db =
            snap_dir.create("db", 0o600).map_err(|e| creation_trouble("write", &snap_dir.path().join("db"), &e))?;
        // Locked as etcd does it; without working locks there is no etcd to keep out.
        let _ = db.flock();
        let flusher = match rewritten(job, &checked.walk) {
            true => db_copy::compact(checked, &db, watch).map(|()| None)?,
            false => Some(db_copy::copy(checked, &db, watch)?),
        };
        Ok(StagedFiles { data, wal, member, snap_dir, wal_dir, db, flusher, bump })
    }

    /// Edits the database, writes the log and verifies all of it.
    fn finish(
        self,
        job: &RestoreSpec<'_>,
        tools: &Tools,
        member: Id,
        owner: &Owner,
        prepared: &VerifiedSource,
        watch: &mut ProgressFn<'_>,
    ) -> Result<Built> {
        let StagedFiles { data, wal, member: member_dir, snap_dir, wal_dir, db, flusher, bump } = self;
        let disk = &tools.disk;
        step(watch, Phase::Write, 0, 0)?;
        let view = &prepared.checked.view;
        let list = restore_edits::changes(view, job.genesis, job.options, job.target, bump);
        let list: Vec<Change> = list.map_err(|e| prepared.checked.source.damaged(&e))?;
        restore_edits::apply(&list, SyncedLater(&db)).map_err(|e| {
            Error::new(ErrorKind::Failed, format!("{}: cannot write the new members", db.path().shown())).why(e)
        })?;
        let (snap_name, snap_bytes) = job.genesis.snap(job.target);
        snap_dir
            .write_new(&snap_name, &snap_bytes, 0o666)
            .map_err(|e| creation_trouble("write", &snap_dir.path().join(&snap_name), &e))?;
        let segment = wal::file_name(0, 0);
        let log = write_wal(&wal_dir, &segment, &job.genesis.wal(member, job.target))
            .map_err(|e| creation_trouble("write", &wal_dir.path().join(&segment), &e))?;
        for stage in wal.iter().chain([&data]) {
            owner.apply(disk, stage)?;
        }
        let sync = || {
            flusher.map_or(Ok(()), Flusher::finish).map_err(|e| creation_trouble("write", db.path(), &e))?;
            for file in [&log, &db] {
                file.sync().map_err(|e| creation_trouble("write", file.path(), &e))?;
            }
            for dir in [&wal_dir, &snap_dir, &member_dir] {
                dir.sync().map_err(|e| io_trouble("sync", dir.path(), &e))?;
            }
            Ok(())
        };
        let made =
            readback::BuiltMember { db: &db, snap_dir: &snap_dir, wal_dir: &wal_dir, member, bump, changes: &list };
        // While the disk writes, the processor compares: nothing changes the files any more.
        let (synced, restored) = thread::scope(|scope| {
            let syncing = thread::Builder::new().spawn_scoped(scope, sync);
            let restored = readback::verify(job, &made, prepared, tools.skip_proof, watch);
            let synced = syncing.map_err(|e| Error::new(ErrorKind::Failed, "cannot start a thread").why(e));
            let panicked = |_| Err(Error::new(ErrorKind::Bug, "the sync ended in a panic"));
            (synced.and_then(|syncing| syncing.join().unwrap_or_else(panicked)), restored)
        });
        synced?;
        let mut restored = restored?;
        restored.data_dir = job.data_dir.into();
        Ok(Built { data, wal, wal_dir, segment: segment.into(), restored, _db: db })
    }
}

/// A member that is built and verified in staging; removed on drop.
#[derive(Debug)]
pub struct Built {
    /// The data directory.
    pub data: StagingDir,
    /// The WAL directory, if it is not in the data directory.
    pub wal: Option<StagingDir>,
    wal_dir: Dir,
    segment: OsString,
    /// What was read back.
    pub restored: Restored,
    // Locked as etcd does it, until it is installed.
    _db: DiskFile,
}

impl Built {
    /// Keeps all of it as it is.
    pub fn leave(self) {
        self.data.leave();
        self.wal.into_iter().for_each(StagingDir::leave);
    }

    /// Locks its log as etcd does until the result is dropped: an etcd that is started too early waits or fails.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn hold_log(&self) -> Result<HeldLog> {
        let log = self.wal_dir.write(&self.segment);
        let log = log.map_err(|e| io_trouble("lock", &self.wal_dir.path().join(&self.segment), &e))?;
        Ok(HeldLog::new(log))
    }
}

/// Returns whether the database is rebuilt from its rows: to compact it, or because a part of the file is damaged,
/// which a copy of its pages would keep.
pub fn rewritten(job: &RestoreSpec<'_>, walk: &RowScan) -> bool {
    job.options.compact || !walk.limited.is_empty()
}

/// Checks that the etcd version that is written for would start on the snapshot.
///
/// # Errors
/// `Refused` with the first problem.
fn check_start(job: &RestoreSpec<'_>, walk: &RowScan) -> Result<()> {
    let problems = build_plan::brought(&walk.content, Some(job.target), job.options);
    match problems.into_iter().find(|problem| problem.severity == Severity::Error) {
        Some(problem) => Err(Error::new(ErrorKind::Refused, "cannot restore the snapshot as it is")
            .why(problem.text)
            .remedies(&problem.remedies)),
        None => Ok(()),
    }
}

/// Returns the revision of the bump row; `None` without a bump.
///
/// # Errors
/// If the revision would exceed int64.
fn bumped_revision(walk: &RowScan, bump: u64) -> Result<Option<Revision>> {
    if bump == 0 {
        return Ok(None);
    }
    let main =
        i64::try_from(bump).ok().and_then(|bump| walk.last.main.checked_add(bump)).filter(|main| *main < i64::MAX);
    let main = main.ok_or_else(|| {
        Error::new(ErrorKind::Input, format!("cannot bump the revision by {bump}"))
            .why(format!("the last revision is {}, the highest possible is {}", walk.last.main, i64::MAX))
            .hint("The usual amount is 1000000000.")
    })?;
    Ok(Some(Revision { main, sub: 0 }))
}

fn enough_space(data: &StagingDir, live: u64, compact: bool, wal: Option<&StagingDir>) -> Result<()> {
    let needed = Needed::new(live, compact);
    let needs = match wal {
        None => vec![(data, needed.total())],
        Some(wal) => vec![(data, needed.data), (wal, needed.wal)],
    };
    needs.into_iter().try_for_each(|(stage, needed)| {
        let place = stage.content();
        let free = place.free().map_err(|e| io_trouble("read", place.path(), &e))?;
        space::check(stage.target(), free, needed)
    })
}

/// Writes the WAL segment with the size that etcd preallocates; it is not synced yet.
fn write_wal(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<DiskFile> {
    let file = dir.create(name, 0o600)?;
    file.reserve(wal::SEGMENT_BYTES)?;
    file.write_all_at(bytes, 0)?;
    Ok(file)
}

/// Returns the paths of the `.snap` files in a directory, sorted.
///
/// # Errors
/// If the directory cannot be read.
pub fn snap_files(snap_dir: &Path) -> Result<Vec<PathBuf>> {
    let read = |e: io::Error| io_trouble("read", snap_dir, &e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(snap_dir).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|x| x == "snap") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
