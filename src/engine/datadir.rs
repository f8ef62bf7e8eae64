//! A member's directories, only read: who this member is, how far its log and its database got, and whether an etcd
//! would start on them. What lies here is the evidence of a member that does not answer.
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
    db::Book,
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

/// Looks at a data directory and, where the log lies elsewhere, its WAL directory. A few rows of the database are read
/// and the whole log; [`check`] reads the database through.
pub fn look(data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
    let places = Places::new(data_dir, wal_dir);
    let held = file_locks::holder(&places.locked());
    let state = match places.strange() {
        Some(state) => state,
        None => evaluate(&places, &held),
    };
    DirFacts {
        data_dir: data_dir.into(),
        wal_dir: wal_dir.map(Path::to_path_buf),
        learned_from: String::new(),
        held,
        state,
    }
}

/// Who holds a member's database or log, if anybody.
pub fn held(data_dir: &Path, wal_dir: Option<&Path>) -> Held {
    file_locks::holder(&Places::new(data_dir, wal_dir).locked())
}

/// Reads the database of a directory that was looked at through, page by page and row by row: its health and content
/// are known then.
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
        // A server writes on while it is read: what looks like damage there is none.
        Health::Broken(why) if !facts.held.is_held() => Some(of_database(&says.database, why, "")),
        // The quick look has said the rest.
        Health::Limited(damage) if !facts.held.is_held() && !damage.parts.iter().all(|part| part.etcd_starts()) => {
            Some(of_database(&says.database, &damage.why, ""))
        }
        _ => None,
    };
    facts.state = match why.or(damage) {
        Some((part, why)) => DirState::Broken { why, part, says },
        None => DirState::Whole(says),
    };
    examined.map(|_| ())
}

/// Where things lie.
struct Places {
    data_dir: PathBuf,
    snap: PathBuf,
    wal: PathBuf,
    /// Where the log would lie if it were not elsewhere.
    inner_wal: PathBuf,
}

impl Places {
    fn new(data_dir: &Path, wal_dir: Option<&Path>) -> Places {
        let inner_wal = data_dir.join("member/wal");
        let wal = wal_dir.map_or_else(|| inner_wal.clone(), Path::to_path_buf);
        Places { data_dir: data_dir.into(), snap: data_dir.join("member/snap"), wal, inner_wal }
    }

    fn db(&self) -> PathBuf {
        self.snap.join("db")
    }

    fn locked(&self) -> Vec<PathBuf> {
        let segments = wal::list(&self.wal).unwrap_or_default().into_iter().map(|(.., path)| path);
        std::iter::once(self.db()).chain(segments).collect()
    }

    /// What it is, if it is no member's directory.
    fn strange(&self) -> Option<DirState> {
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
        // A filesystem of its own has lost+found when it is new.
        if names.iter().all(|name| name == "lost+found") {
            return Some(DirState::Empty);
        }
        Some(DirState::NotADataDir(if has("snap") || has("wal") {
            let above = dir.parent().unwrap_or(dir).shown();
            format!("{shown} is the inside of a data directory; name {above}")
        } else if has("proxy") {
            format!("{shown} is the directory of an etcd proxy, which keeps no data")
        } else {
            format!("{shown} holds no member/, so no etcd member ever ran on it")
        }))
    }
}

fn of_database(file: &FileFacts, why: &str, more: &str) -> (BrokenPart, String) {
    (BrokenPart::Database, format!("{}: {why}{more}", file.path.shown()))
}

fn evaluate(places: &Places, held: &Held) -> DirState {
    // The database first: one that goes on being written must not seem to be ahead of its log.
    let (mut file, mut book) = match db::look(&places.db()) {
        Ok(found) => found,
        Err(trouble) => return DirState::Unreadable(trouble.on_one_line()),
    };
    let mut log = match log::read(&places.snap, &places.wal) {
        Ok(log) => Some(log),
        Err(Error::Io { path, source }) if source.kind() == io::ErrorKind::PermissionDenied => {
            return DirState::Unreadable(io_trouble("read", &path, &source).on_one_line());
        }
        Err(_) => None,
    };
    if held.is_held()
        && let Some(log) = &mut log
    {
        // The end of a log that is being written is neither torn nor damaged.
        (log.problem, log.outline.torn) = (None, None);
    }
    if held.is_held() && matches!(file.health, Health::Limited(_)) {
        file.health = Health::Unread;
    }
    let received = log.as_ref().and_then(|log| received_db(places, log, book.as_ref()));
    if let Some((_, path)) = &received
        && let Ok((received_file, Some(received_book))) = db::look(path)
    {
        (file, book) = (received_file, Some(received_book));
    }
    let mut says = tell(places, file, book.as_ref(), log.as_ref());
    says.received_db = received.map(|(index, _)| index);
    let why = why_broken(places, &says, book.as_ref(), log.as_ref(), held);
    match why {
        Some((part, why)) => DirState::Broken { why, part, says: Box::new(says) },
        None => DirState::Whole(Box::new(says)),
    }
}

/// A database that a leader sent, where the log begins behind the end of the one in place: etcd puts it there.
fn received_db(places: &Places, log: &MemberLog, book: Option<&Book>) -> Option<(u64, PathBuf)> {
    let start = log.base.index.max(log.record.index);
    if start <= book.map_or(0, |book| book.consistent_index) {
        return None;
    }
    let path = places.snap.join(format!("{start:016x}.snap.db"));
    path.is_file().then_some((start, path))
}

/// Puts together what the files say.
fn tell(places: &Places, database: FileFacts, book: Option<&Book>, log: Option<&MemberLog>) -> DataDirState {
    let empty = Book::default();
    let known = book.unwrap_or(&empty);
    let store = log.and_then(|log| log.store.as_ref());
    let etcd = etcd_of(known, book.is_some(), log);
    let (members, mut warnings) = members(etcd, known, log);
    warnings.extend(log.into_iter().flat_map(|log| log.warnings.clone()));
    if places.wal != places.inner_wal && wal::list(&places.inner_wal).is_ok_and(|segments| !segments.is_empty()) {
        warnings.push(format!(
            "there is a log in {} too; etcd reads only the one that its --wal-dir names",
            places.inner_wal.shown()
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
        written: written(places, &database),
        database,
        received_db: None,
        members,
        v2_keys: store.map_or(0, Store::user_keys),
        etcd,
        warnings,
    }
}

/// When the database or the newest segment was last changed.
fn written(places: &Places, database: &FileFacts) -> Option<i64> {
    let newest = wal::list(&places.wal).ok()?.pop().map(|(.., path)| path);
    let changed = newest.and_then(|path| fs::metadata(path).ok()?.modified().ok());
    let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).and_then(|at| at.as_secs().try_into().ok());
    database.modified.max(changed)
}

/// The highest version that anything in the files names; else what their forms tell.
fn etcd_of(book: &Book, has_book: bool, log: Option<&MemberLog>) -> Option<Minor> {
    let in_log = log.and_then(|log| log.store.as_ref()?.cluster_version());
    let named = [Some(book.cluster_version.as_str()), Some(&book.storage_version), in_log];
    let named = named.into_iter().flatten().filter_map(|text| text.parse().ok()).max();
    let formed = || match log {
        _ if book.term.is_some() => Some(Minor::V3_5),
        Some(log) if log.outline.snapshots.iter().any(|s| s.conf_state.is_some()) => Some(Minor::V3_5),
        Some(_) if has_book => Some(Minor::V3_4),
        _ => None,
    };
    named.or_else(formed)
}

/// The members as that version would take them: from the v2 store up to 3.5, from the database from 3.6 on, each with
/// what the log says behind it.
fn members(etcd: Option<Minor>, book: &Book, log: Option<&MemberLog>) -> (Vec<KnownMember>, Vec<String>) {
    let in_log = log.and_then(|log| log.store.as_ref()).map(Store::members).filter(|members| !members.is_empty());
    let mut in_db = Store::of_members(&book.members);
    for entry in log.map(|log| log.of_members.as_slice()).unwrap_or_default() {
        if entry.index.unwrap_or_default() > book.consistent_index {
            apply(&mut in_db, entry);
        }
    }
    let in_db = if book.members.is_empty() { None } else { Some(in_db.members()) };
    let ids = |members: &[Member]| members.iter().map(|m| m.id).collect::<Vec<_>>();
    let mut warnings = Vec::new();
    if let (Some(log), Some(db)) = (&in_log, &in_db) {
        let extra: Vec<String> =
            ids(db).iter().filter(|id| !ids(log).contains(id)).map(|id| Id(*id).to_string()).collect();
        if !extra.is_empty() {
            warnings.push(format!(
                "the database lists {} that the log does not know: {}; etcd 3.6 and later would count them",
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

/// What would keep an etcd from starting, or from having all that it wrote; the first thing that is found.
fn why_broken(
    places: &Places,
    says: &DataDirState,
    book: Option<&Book>,
    log: Option<&MemberLog>,
    held: &Held,
) -> Option<(BrokenPart, String)> {
    let of_log = |why: String| Some((BrokenPart::Log, why));
    let Some(log) = log else {
        return of_log(format!(
            "there is no log in {}: it lies elsewhere (--wal-dir), or is lost; an etcd started so would begin anew",
            places.wal.shown()
        ));
    };
    if held.is_held() {
        return None;
    }
    if let Some(problem) = &log.problem {
        return of_log(problem.clone());
    }
    if log.outline.metadata.is_none() {
        return of_log(format!("the log in {} does not say whose it is", places.wal.shown()));
    }
    let from_start = if log.first() == 1 { "; the log holds every entry from the first on" } else { "" };
    match &says.database.health {
        Health::Broken(_) | Health::Unreadable(_) if !says.database.path.exists() => {
            return Some((BrokenPart::Database, format!("{} is missing{from_start}", says.database.path.shown())));
        }
        Health::Broken(why) | Health::Unreadable(why) => {
            return Some(of_database(&says.database, why, from_start));
        }
        Health::Limited(damage) if !damage.parts.iter().all(|part| part.etcd_starts()) => {
            return Some(of_database(&says.database, &damage.why, from_start));
        }
        _ => {}
    }
    let (last, start) = (says.last_index, says.snap_index);
    if log.store.is_none() && says.etcd < Some(Minor::V3_7) {
        return of_log(format!("the log begins with entry {}, and no .snap file leads up to it", log.outline.first));
    }
    if start > says.consistent_index {
        return of_log(format!(
            "the database ends at raft index {}, the log begins behind {start}, and {start:016x}.snap.db, which would \
             lie between them, is missing",
            says.consistent_index
        ));
    }
    if last > start && log.first().saturating_sub(start) > 1 {
        return of_log(format!("the log begins with entry {}, the database ends at {start}", log.first()));
    }
    if says.commit > last {
        return of_log(format!("the log ends at entry {last}, though {} was committed: its end is lost", says.commit));
    }
    if says.consistent_index > last {
        return of_log(format!(
            "the database has applied entry {0}, the log ends at {last}: they do not belong together, or the log lost \
             its end; an etcd on them would not come up, or drop every write before entry {0}",
            says.consistent_index
        ));
    }
    let own = says.member_id.to_string();
    let gone_in_log = log.store.as_ref().is_some_and(|store| store.is_removed(says.member_id));
    if gone_in_log || (says.etcd >= Some(Minor::V3_6) && book.is_some_and(|book| book.removed.contains(&own))) {
        let why = format!("member {own} was removed from its cluster; etcd refuses to start it again");
        return Some((BrokenPart::Member, why));
    }
    None
}

#[cfg(test)]
mod tests;
