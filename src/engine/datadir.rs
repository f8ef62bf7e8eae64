//! Reads a member's directories: which member it is, how far its WAL and its database reach, and whether etcd would start
//! on them. This is the evidence for a member that does not answer.
//!
//! Sources: etcd `server/etcdserver/bootstrap.go`, `server/storage/backend.go` (`RecoverSnapshotBackend`), 3.4 to 3.7.

mod db;
pub mod file_locks;
pub mod log;
pub mod v2keys;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

pub use self::db::last_revision;
use self::{
    db::BackendState,
    log::{MemberLog, apply},
};
use super::{progress::ProgressFn, scan::examine, source::io_trouble};
use crate::text::number::count;
use crate::{
    domain::model::observations::{
        FileFacts, Health, KnownMember,
        disk::{BrokenPart, DataDirState, DirFacts, DirState, Held},
    },
    error::Result,
    etcd::{
        membership::{Id, Member},
        v2store::state::Store,
        version::Minor,
    },
    raft::{Error, wal},
    text::{Foreign, Shown},
};

/// Inspects a data directory and, if it is a separate one, its WAL directory. Reads a few rows of the database and the
/// whole WAL; [`check`] reads the whole database.
pub fn inspect(data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
    let paths = MemberPaths::new(data_dir, wal_dir);
    let held = file_locks::holder(&paths.locked());
    let state = match paths.not_a_member() {
        Some(state) => state,
        None => evaluate(&paths, &held),
    };
    DirFacts {
        data_dir: data_dir.into(),
        wal_dir: wal_dir.map(Path::to_path_buf),
        learned_from: String::new(),
        held,
        state,
    }
}

/// Returns which process holds a member's database or WAL, if any.
pub fn held(data_dir: &Path, wal_dir: Option<&Path>) -> Held {
    file_locks::holder(&MemberPaths::new(data_dir, wal_dir).locked())
}

/// Reads the whole database of an inspected directory, every page and row, and fills in its health and content.
///
/// # Errors
/// Only `Stopped`.
pub fn check(facts: &mut DirFacts, watch: &mut ProgressFn<'_>) -> Result<()> {
    let state = std::mem::replace(&mut facts.state, DirState::Empty);
    let (why, mut says) = match state {
        DirState::Whole(says) => (None, says),
        DirState::Broken { why, part, says } => (Some((part, why)), says),
        other => {
            facts.state = other;
            return Ok(());
        }
    };
    let examined = examine::examine(&says.database.path, watch);
    if let Ok(file) = &examined {
        says.database = file.clone();
    }
    let damage = match &says.database.health {
        // A running server keeps writing while it is read: what looks like damage may be none.
        Health::Broken(why) if !facts.held.is_held() => Some(database_damage(&says.database, why, "")),
        // The inspection has reported the rest.
        Health::Limited(damage) if !facts.held.is_held() && !damage.parts.iter().all(|part| part.etcd_starts()) => {
            Some(database_damage(&says.database, &damage.why, ""))
        }
        _ => None,
    };
    facts.state = match why.or(damage) {
        Some((part, why)) => DirState::Broken { why, part, says },
        None => DirState::Whole(says),
    };
    examined.map(|_| ())
}

/// The paths of a member.
struct MemberPaths {
    data_dir: PathBuf,
    snap: PathBuf,
    wal: PathBuf,
    /// The default WAL directory.
    default_wal: PathBuf,
}

impl MemberPaths {
    fn new(data_dir: &Path, wal_dir: Option<&Path>) -> MemberPaths {
        let default_wal = data_dir.join("member/wal");
        let wal = wal_dir.map_or_else(|| default_wal.clone(), Path::to_path_buf);
        MemberPaths { data_dir: data_dir.into(), snap: data_dir.join("member/snap"), wal, default_wal }
    }

    fn db(&self) -> PathBuf {
        self.snap.join("db")
    }

    fn locked(&self) -> Vec<PathBuf> {
        let segments = wal::list(&self.wal).unwrap_or_default().into_iter().map(|(.., path)| path);
        std::iter::once(self.db()).chain(segments).collect()
    }

    /// Returns what it is if it is not a member's directory.
    fn not_a_member(&self) -> Option<DirState> {
        let dir = &self.data_dir;
        let unreadable = |e: &io::Error| DirState::Unreadable(io_trouble("read", dir, e).on_one_line());
        let names = match fs::read_dir(dir) {
            Ok(entries) => entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Some(DirState::Absent),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
                return Some(DirState::NotADataDir(format!("{} is a file, not a directory", dir.shown())));
            }
            Err(e) => return Some(unreadable(&e)),
        };
        if names.iter().any(|name| name == "member") {
            return match fs::read_dir(dir.join("member")).map(Iterator::count) {
                Ok(0) => Some(DirState::Empty),
                Ok(_) => None,
                Err(e) => Some(DirState::Unreadable(io_trouble("read", &dir.join("member"), &e).on_one_line())),
            };
        }
        let has = |name: &str| names.iter().any(|n| n == name);
        let shown = dir.shown();
        // A new filesystem has only lost+found.
        if names.iter().all(|name| name == "lost+found") {
            return Some(DirState::Empty);
        }
        Some(DirState::NotADataDir(if has("snap") || has("wal") {
            let above = dir.parent().unwrap_or(dir).shown();
            format!("{shown} is the member directory of a data directory; specify {above}")
        } else if has("proxy") {
            format!("{shown} is the directory of an etcd proxy, which stores no data")
        } else {
            format!("{shown} has no member/ directory, so it is not the data directory of an etcd member")
        }))
    }
}

fn database_damage(file: &FileFacts, why: &str, more: &str) -> (BrokenPart, String) {
    (BrokenPart::Database, format!("{}: {why}{more}", file.path.shown()))
}

fn evaluate(paths: &MemberPaths, held: &Held) -> DirState {
    // The database first: one that is still being written must not seem to be ahead of its WAL.
    let (mut file, mut backend) = match db::read(&paths.db()) {
        Ok(found) => found,
        Err(trouble) => return DirState::Unreadable(trouble.on_one_line()),
    };
    let mut log = match log::read(&paths.snap, &paths.wal) {
        Ok(log) => Some(log),
        Err(Error::Io { path, source }) if source.kind() == io::ErrorKind::PermissionDenied => {
            return DirState::Unreadable(io_trouble("read", &path, &source).on_one_line());
        }
        Err(_) => None,
    };
    if held.is_held()
        && let Some(log) = &mut log
    {
        // The end of a WAL that is being written is neither torn nor damaged.
        (log.problem, log.outline.torn) = (None, None);
    }
    if held.is_held() && matches!(file.health, Health::Limited(_)) {
        file.health = Health::Unread;
    }
    let received = log.as_ref().and_then(|log| received_db(paths, log, backend.as_ref()));
    if let Some((_, path)) = &received
        && let Ok((received_file, Some(received_backend))) = db::read(path)
    {
        (file, backend) = (received_file, Some(received_backend));
    }
    let mut says = data_dir_state(paths, file, backend.as_ref(), log.as_ref());
    says.received_db = received.map(|(index, _)| index);
    let why = why_broken(paths, &says, backend.as_ref(), log.as_ref(), held);
    match why {
        Some((part, why)) => DirState::Broken { why, part, says: Box::new(says) },
        None => DirState::Whole(Box::new(says)),
    }
}

/// Returns a database that the leader sent, if the WAL begins after the end of the current one: etcd would install it.
fn received_db(paths: &MemberPaths, log: &MemberLog, backend: Option<&BackendState>) -> Option<(u64, PathBuf)> {
    let start = log.base.index.max(log.record.index);
    if start <= backend.map_or(0, |backend| backend.consistent_index) {
        return None;
    }
    let path = paths.snap.join(format!("{start:016x}.snap.db"));
    path.is_file().then_some((start, path))
}

/// Combines what the files contain.
fn data_dir_state(
    paths: &MemberPaths,
    database: FileFacts,
    backend: Option<&BackendState>,
    log: Option<&MemberLog>,
) -> DataDirState {
    let empty = BackendState::default();
    let known = backend.unwrap_or(&empty);
    let store = log.and_then(|log| log.store.as_ref());
    let etcd = etcd_version(known, backend.is_some(), log);
    let (members, mut warnings) = members(etcd, known, log);
    warnings.extend(log.into_iter().flat_map(|log| log.warnings.clone()));
    if paths.wal != paths.default_wal && wal::list(&paths.default_wal).is_ok_and(|segments| !segments.is_empty()) {
        warnings.push(format!(
            "there is also a WAL in {}; etcd reads only the one in its --wal-dir",
            paths.default_wal.shown()
        ));
    }
    let metadata = log.and_then(|log| log.outline.metadata).unwrap_or_default();
    let hard = log.map(|log| log.outline.hard_state).unwrap_or_default();
    let last = log.map(MemberLog::last).unwrap_or_default();
    DataDirState {
        cluster_id: Id(metadata.cluster_id.unwrap_or_default()),
        member_id: Id(metadata.node_id.unwrap_or_default()),
        term: hard.term.unwrap_or_default(),
        vote: Id(hard.vote.unwrap_or_default()),
        commit: hard.commit.unwrap_or_default(),
        first_index: log.map_or(0, MemberLog::first),
        last_index: last.index,
        last_term: last.term,
        torn: log.and_then(|log| log.outline.torn.clone()),
        snap_index: log.map_or(0, |log| log.base.index.max(log.record.index)),
        consistent_index: known.consistent_index,
        consistent_term: known.term,
        revision: known.revision,
        writes_beyond: log.map(|log| {
            let beyond = log.writes.iter().filter(|index| **index > known.consistent_index);
            beyond.count() as u64
        }),
        written: written(paths, &database),
        database,
        received_db: None,
        members,
        v2_keys: store.map_or(0, Store::user_keys),
        etcd,
        warnings,
    }
}

/// Returns when the database or the newest segment was last modified, seconds since 1970.
fn written(paths: &MemberPaths, database: &FileFacts) -> Option<i64> {
    let newest = wal::list(&paths.wal).ok()?.pop().map(|(.., path)| path);
    let changed = newest.and_then(|path| fs::metadata(path).ok()?.modified().ok());
    let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).and_then(|at| at.as_secs().try_into().ok());
    database.modified.max(changed)
}

/// Returns the highest version recorded in the files, otherwise the one that their format shows.
fn etcd_version(backend: &BackendState, has_backend: bool, log: Option<&MemberLog>) -> Option<Minor> {
    let in_log = log.and_then(|log| log.store.as_ref()?.cluster_version());
    let named = [Some(backend.cluster_version.as_str()), Some(&backend.storage_version), in_log];
    let named = named.into_iter().flatten().filter_map(|text| text.parse().ok()).max();
    let by_format = || match log {
        _ if backend.term.is_some() => Some(Minor::V3_5),
        Some(log) if log.outline.snapshots.iter().any(|s| s.conf_state.is_some()) => Some(Minor::V3_5),
        Some(_) if has_backend => Some(Minor::V3_4),
        _ => None,
    };
    named.or_else(by_format)
}

/// Returns the members as that version would read them: from the v2 store up to 3.5, from the database from 3.6 on, each
/// with the later changes in the WAL.
fn members(etcd: Option<Minor>, backend: &BackendState, log: Option<&MemberLog>) -> (Vec<KnownMember>, Vec<String>) {
    let in_log = log.and_then(|log| log.store.as_ref()).map(Store::members).filter(|members| !members.is_empty());
    let mut in_db = Store::of_members(&backend.members);
    for entry in log.map(|log| log.membership_entries.as_slice()).unwrap_or_default() {
        if entry.index.unwrap_or_default() > backend.consistent_index {
            apply(&mut in_db, entry);
        }
    }
    let in_db = if backend.members.is_empty() { None } else { Some(in_db.members()) };
    let ids = |members: &[Member]| members.iter().map(|m| m.id).collect::<Vec<_>>();
    let mut warnings = Vec::new();
    if let (Some(log), Some(db)) = (&in_log, &in_db) {
        let extra: Vec<String> =
            ids(db).iter().filter(|id| !ids(log).contains(id)).map(|id| Id(*id).to_string()).collect();
        if !extra.is_empty() {
            warnings.push(format!(
                "the database lists {} not in the WAL: {}; etcd 3.6 and later would count them",
                count(extra.len() as u64, "member", "members"),
                extra.join(", ")
            ));
        }
    }
    let taken = if etcd < Some(Minor::V3_6) { in_log.or(in_db) } else { in_db.or(in_log) };
    let known = |m: Member| KnownMember {
        id: Id(m.id),
        name: m.name.into(),
        peer_urls: m.peer_urls.into_iter().map(Foreign::from).collect(),
        client_urls: m.client_urls.into_iter().map(Foreign::from).collect(),
        is_learner: m.is_learner,
    };
    (taken.unwrap_or_default().into_iter().map(known).collect(), warnings)
}

/// Returns the first reason why etcd would not start, or would start without all that was written.
fn why_broken(
    paths: &MemberPaths,
    says: &DataDirState,
    backend: Option<&BackendState>,
    log: Option<&MemberLog>,
    held: &Held,
) -> Option<(BrokenPart, String)> {
    let wal_damage = |why: String| Some((BrokenPart::Log, why));
    let Some(log) = log else {
        return wal_damage(format!(
            "there is no WAL in {}: it is elsewhere (--wal-dir) or lost; etcd started like this would start as a new member",
            paths.wal.shown()
        ));
    };
    if held.is_held() {
        return None;
    }
    if let Some(problem) = &log.problem {
        return wal_damage(problem.clone());
    }
    if log.outline.metadata.is_none() {
        return wal_damage(format!(
            "the WAL in {} has no metadata record, so its member is unknown",
            paths.wal.shown()
        ));
    }
    let from_start = if log.first() == 1 { "; the WAL has every entry from the first on" } else { "" };
    match &says.database.health {
        Health::Broken(_) | Health::Unreadable(_) if !says.database.path.exists() => {
            return Some((BrokenPart::Database, format!("{} is missing{from_start}", says.database.path.shown())));
        }
        Health::Broken(why) | Health::Unreadable(why) => {
            return Some(database_damage(&says.database, why, from_start));
        }
        Health::Limited(damage) if !damage.parts.iter().all(|part| part.etcd_starts()) => {
            return Some(database_damage(&says.database, &damage.why, from_start));
        }
        _ => {}
    }
    let (last, start) = (says.last_index, says.snap_index);
    if log.store.is_none() && says.etcd < Some(Minor::V3_7) {
        return wal_damage(format!(
            "the WAL begins with entry {}, and no .snap file covers the entries before it",
            log.outline.first
        ));
    }
    if start > says.consistent_index {
        return wal_damage(format!(
            "the database ends at raft index {}, the WAL begins after {start}, and {start:016x}.snap.db, which would \
             close the gap, is missing",
            says.consistent_index
        ));
    }
    if last > start && log.first().saturating_sub(start) > 1 {
        return wal_damage(format!("the WAL begins with entry {}, but the database ends at {start}", log.first()));
    }
    if says.commit > last {
        return wal_damage(format!(
            "the WAL ends at entry {last}, but entry {} was committed: its end is lost",
            says.commit
        ));
    }
    if says.consistent_index > last {
        return wal_damage(format!(
            "the database has applied entry {0}, but the WAL ends at {last}: they do not belong together, or the end of \
             the WAL is lost; etcd would not start, or would drop every write before entry {0}",
            says.consistent_index
        ));
    }
    let own = says.member_id.to_string();
    let gone_in_log = log.store.as_ref().is_some_and(|store| store.is_removed(says.member_id));
    if gone_in_log || (says.etcd >= Some(Minor::V3_6) && backend.is_some_and(|backend| backend.removed.contains(&own)))
    {
        let why = format!("member {own} was removed from its cluster; etcd refuses to start it again");
        return Some((BrokenPart::Member, why));
    }
    None
}

#[cfg(test)]
mod tests;
