//! Reads a member's WAL as etcd would at its start: from the newest `.snap` file with a matching snapshot record in the
//! WAL, every later entry is applied as far as it concerns members, cluster version and v2 keys; of other entries nothing
//! is kept but the index of writes.
//!
//! Sources: etcd `server/storage/wal/wal.go` (`ValidSnapshotEntries`, `ReadAll`),
//! `server/etcdserver/api/snap/snapshotter.go` (`LoadNewestAvailable`), 3.4 to 3.7.

use std::{
    collections::VecDeque,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use prost::Message;

use crate::{
    engine::durable_fs,
    etcd::{
        membership::{Id, Member},
        raft_request::decode::Asked,
        v2store::state::Store,
    },
    raft::{
        Error,
        message::{ConfChange, Entry},
        snap,
        wal::{self, Change, Outline},
    },
};

/// The limit for a `.snap` file: it contains the v2 store, which etcd keeps in memory, and mostly has a few KB.
const SNAP_BYTES: u64 = 512 << 20;

/// A position in the raft log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPosition {
    /// The raft index.
    pub index: u64,
    /// The term of that index.
    pub term: u64,
}

/// The content of a member's WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberLog {
    /// The WAL without its entries.
    pub outline: Outline,
    /// The `.snap` file from which etcd up to 3.6 starts; zero without one.
    pub base: LogPosition,
    /// The newest valid snapshot record, from which etcd 3.7 starts.
    pub record: LogPosition,
    /// The v2 store at the end of the WAL; `None` if entries before it are missing.
    pub store: Option<Store>,
    /// Entries after `base` that change members or the cluster version, in order.
    pub membership_entries: Vec<Entry>,
    /// The raft indices of the entries after `base` that may create a revision, in order.
    pub writes: Vec<u64>,
    /// Why the WAL cannot be read completely, as a sentence.
    pub problem: Option<String>,
    /// Oddities that do not prevent a start.
    pub warnings: Vec<String>,
}

impl MemberLog {
    /// Returns the last position in the WAL, of an entry or of a snapshot.
    pub fn last(&self) -> LogPosition {
        let entry = LogPosition { index: self.outline.last, term: self.outline.last_term };
        [entry, self.base, self.record].into_iter().max_by_key(|at| at.index).unwrap_or_default()
    }

    /// Returns the first entry from which the last index is reached without a gap; 0 without one.
    pub fn first(&self) -> u64 {
        if self.outline.last >= self.last().index { self.outline.first } else { 0 }
    }

    /// Returns the highest index known to be committed.
    pub fn commit(&self) -> u64 {
        self.outline.hard_state.commit.unwrap_or_default()
    }
}

/// Reads the WAL in `wal_dir`, starting from the `.snap` files in `snap_dir`.
///
/// # Errors
/// If the directory cannot be listed or has no segment. Everything else is reported in the result.
pub fn read(snap_dir: &Path, wal_dir: &Path) -> Result<MemberLog, Error> {
    let segments = wal::list(wal_dir)?;
    if segments.is_empty() {
        return Err(Error::NoLog { path: wal_dir.into(), what: "no WAL segment found".into() });
    }
    let mut warnings = Vec::new();
    let files = snap_files(snap_dir);
    for (at, path) in &files {
        let decoded = whole(path).map_err(|e| e.to_string()).and_then(|bytes| snap::decode(&bytes));
        let store = decoded.and_then(|raft| {
            let position = raft.metadata.as_ref().map(|m| (m.index.unwrap_or_default(), m.term.unwrap_or_default()));
            match position == Some((at.index, at.term)) {
                true => Store::from_json(&raft.data.unwrap_or_default()),
                false => Err("its name and its content have different raft indices or terms".into()),
            }
        });
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let store = match store {
            Ok(store) => store,
            Err(why) => {
                warnings.push(format!("{name} is ignored: {why}"));
                continue;
            }
        };
        let log = replay(&segments, *at, &store);
        let vouched = log.outline.snapshots.iter().any(|s| (s.index, s.term) == (Some(at.index), Some(at.term)));
        if (vouched && at.index <= log.commit()) || log.problem.is_some() {
            return Ok(MemberLog { warnings, ..log });
        }
        warnings.push(format!("{name} is ignored: the WAL has no snapshot record for it, or not a committed one"));
    }
    let log = replay(&segments, LogPosition::default(), &Store::default());
    Ok(MemberLog { warnings, ..log })
}

/// Reads a whole `.snap` file; in another user's directory it may be anything, so its length is limited.
fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    durable_fs::readable(path)?.take(SNAP_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SNAP_BYTES {
        return Err(io::Error::other("it is larger than any that etcd writes"));
    }
    Ok(bytes)
}

/// Returns the `.snap` files, the newest first, as etcd sorts them: by name.
fn snap_files(dir: &Path) -> Vec<(LogPosition, PathBuf)> {
    let paths = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<(LogPosition, PathBuf)> = paths
        .filter_map(|path| {
            let (term, index) = path.file_name()?.to_str()?.strip_suffix(".snap")?.split_once('-')?;
            let hex = |s: &str| (s.len() == 16).then(|| u64::from_str_radix(s, 16).ok()).flatten();
            Some((LogPosition { term: hex(term)?, index: hex(index)? }, path))
        })
        .collect();
    files.sort_by_key(|(at, _)| std::cmp::Reverse((at.term, at.index)));
    files
}

/// Replays the WAL after `base`, with the v2 store as it was there.
fn replay(segments: &[(u64, u64, PathBuf)], base: LogPosition, store: &Store) -> MemberLog {
    let paths: Vec<PathBuf> = segments.iter().map(|(.., path)| path.clone()).collect();
    let mut problem = None;
    let mut from = 0;
    // What follows a missing segment still shows which member wrote it and how far.
    for (at, pair) in segments.windows(2).enumerate() {
        if let [(before, ..), (next, ..)] = pair
            && before.checked_add(1) != Some(*next)
        {
            from = at.saturating_add(1);
            problem = Some(match before.checked_add(1).filter(|_| next != before) {
                Some(missing) => format!("WAL segment {missing:016x} is missing"),
                None => format!("two WAL segments have the number {before:016x}"),
            });
        }
    }
    loop {
        let complete_segments = problem.is_none();
        let mut state = Replay {
            base,
            pending: VecDeque::new(),
            store: store.clone(),
            membership_entries: Vec::new(),
            writes: Vec::new(),
        };
        let mut outline = Outline::default();
        let rest = paths.get(from..).unwrap_or_default();
        let read = wal::follow(rest, &durable_fs::readable, &mut outline, &mut |outline, change| {
            state.change(outline, change)
        });
        let failed = read.err().map(|error| {
            let path = match &error {
                Error::Io { path, .. } | Error::Damaged { path, .. } | Error::NoLog { path, .. } => path.clone(),
            };
            problem.get_or_insert(error.to_string());
            rest.iter().position(|segment| *segment == path).map_or(rest.len(), |at| at.saturating_add(1))
        });
        match failed {
            Some(after) if after < rest.len() => {
                from = from.saturating_add(after);
                continue;
            }
            _ => {}
        }
        // An empty WAL counts as complete.
        let complete =
            outline.last <= base.index || (outline.first > 0 && outline.first.saturating_sub(1) <= base.index);
        let (store, membership_entries, writes) = state.finish();
        let store = Some(store).filter(|_| complete_segments && complete);
        let commit = outline.hard_state.commit.unwrap_or_default();
        let record = outline.snapshots.iter().filter(|s| s.index.unwrap_or_default() <= commit).max_by_key(|s| s.index);
        let record = record.map_or(LogPosition::default(), |s| LogPosition {
            index: s.index.unwrap_or_default(),
            term: s.term.unwrap_or_default(),
        });
        return MemberLog { outline, base, record, store, membership_entries, writes, problem, warnings: Vec::new() };
    }
}

struct Replay {
    base: LogPosition,
    /// Entries after the commit index, which a new leader may have discarded.
    pending: VecDeque<Entry>,
    store: Store,
    membership_entries: Vec<Entry>,
    writes: Vec<u64>,
}

impl Replay {
    fn change(&mut self, outline: &Outline, change: Change) {
        match change {
            Change::Entry(entry) => {
                let index = entry.index.unwrap_or_default();
                if outline.first == index {
                    self.pending.clear();
                }
                while self.pending.back().is_some_and(|last| last.index.unwrap_or_default() >= index) {
                    self.pending.pop_back();
                }
                if index > self.base.index {
                    self.pending.push_back(entry);
                }
            }
            Change::Committed(commit) => self.settle(commit),
        }
    }

    fn settle(&mut self, until: u64) {
        while self.pending.front().is_some_and(|first| first.index.unwrap_or_default() <= until) {
            let Some(entry) = self.pending.pop_front() else { break };
            match apply(&mut self.store, &entry) {
                EntryEffect::Members => self.membership_entries.push(entry),
                EntryEffect::Write => self.writes.push(entry.index.unwrap_or_default()),
                EntryEffect::Other => {}
            }
        }
    }

    /// Applies the entries that are not known to be committed too: they are, if a client got a response.
    fn finish(mut self) -> (Store, Vec<Entry>, Vec<u64>) {
        self.settle(u64::MAX);
        (self.store, self.membership_entries, self.writes)
    }
}

/// What an entry changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryEffect {
    /// Members or the cluster version.
    Members,
    /// Keys of the v3 store.
    Write,
    /// Anything else.
    Other,
}

/// Applies an entry to the v2 store, and returns what it changes.
pub fn apply(store: &mut Store, entry: &Entry) -> EntryEffect {
    let data = entry.data.as_deref().unwrap_or_default();
    if entry.kind == Some(1) {
        conf_change(store, data);
        return EntryEffect::Members;
    }
    match Asked::decode(data) {
        Asked::V2(request) => {
            store.apply(&request);
            if request.path.starts_with(b"/0/") { EntryEffect::Members } else { EntryEffect::Other }
        }
        Asked::ClusterVersion(version) => {
            store.set_version(&version);
            EntryEffect::Members
        }
        Asked::Attributes(id, attributes) => {
            store.publish(Id(id), &attributes);
            EntryEffect::Members
        }
        Asked::Write => EntryEffect::Write,
        Asked::Other => EntryEffect::Other,
    }
}

fn conf_change(store: &mut Store, data: &[u8]) {
    let Ok(change) = ConfChange::decode(data) else { return };
    let id = change.node_id.unwrap_or_default();
    let context = change.context.unwrap_or_default();
    let member = Member::from_json(&context).unwrap_or_default();
    let promote = serde_json::from_slice::<serde_json::Value>(&context)
        .is_ok_and(|json| json.get("isPromote").and_then(|v| v.as_bool()).unwrap_or_default());
    match change.kind.unwrap_or_default() {
        0 | 3 => store.add_member(&Member { id, ..member }, promote),
        1 => store.remove_member(Id(id)),
        2 => store.update_member(Id(id), member.peer_urls),
        _ => {}
    }
}
