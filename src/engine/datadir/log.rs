//! A member's log as etcd would read it at its start: the newest `.snap` file that the WAL vouches for, and every entry
//! behind it, followed for what they say of members, cluster version and v2 keys. Nothing is kept of other entries.
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

/// No `.snap` file is longer: it holds the v2 store, which is all in memory, and mostly of a few KB.
const SNAP_BYTES: u64 = 512 << 20;

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    /// The raft index.
    pub index: u64,
    /// The term of that index.
    pub term: u64,
}

/// What a member's log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberLog {
    /// The log without its entries.
    pub outline: Outline,
    /// The `.snap` file that a start of etcd up to 3.6 begins from; zero where there is none.
    pub base: At,
    /// The newest snapshot record that counts: where 3.7 begins.
    pub record: At,
    /// The v2 store at the end of the log; none where something before it is missing.
    pub store: Option<Store>,
    /// Entries behind `base` that change members or the cluster version, in order.
    pub of_members: Vec<Entry>,
    /// The raft indices of the entries behind `base` that may make a revision, in order.
    pub writes: Vec<u64>,
    /// Why the log cannot be read through, in a sentence.
    pub problem: Option<String>,
    /// What is odd and no hindrance.
    pub warnings: Vec<String>,
}

impl MemberLog {
    /// The last index that the log knows, of an entry or of a snapshot.
    pub fn last(&self) -> At {
        let entry = At { index: self.outline.last, term: self.outline.last_term };
        [entry, self.base, self.record].into_iter().max_by_key(|at| at.index).unwrap_or_default()
    }

    /// The first entry that leads to the last index without a gap; 0 where none does.
    pub fn first(&self) -> u64 {
        if self.outline.last >= self.last().index { self.outline.first } else { 0 }
    }

    /// The highest index known to be committed.
    pub fn commit(&self) -> u64 {
        self.outline.hard_state.commit.unwrap_or_default()
    }
}

/// Reads the log in `wal_dir`, beginning from the `.snap` files in `snap_dir`.
///
/// # Errors
/// When the directory cannot be listed or there is no segment in it. All else is told in the result.
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
            let of = raft.metadata.as_ref().map(|m| (m.index.unwrap_or_default(), m.term.unwrap_or_default()));
            match of == Some((at.index, at.term)) {
                true => Store::from_json(&raft.data.unwrap_or_default()),
                false => Err("its name and its content speak of different places in the log".into()),
            }
        });
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let store = match store {
            Ok(store) => store,
            Err(why) => {
                warnings.push(format!("{name} is passed over: {why}"));
                continue;
            }
        };
        let log = follow(&segments, *at, &store);
        let vouched = log.outline.snapshots.iter().any(|s| (s.index, s.term) == (Some(at.index), Some(at.term)));
        if (vouched && at.index <= log.commit()) || log.problem.is_some() {
            return Ok(MemberLog { warnings, ..log });
        }
        warnings.push(format!("{name} is passed over: the log does not say that it is finished"));
    }
    let log = follow(&segments, At::default(), &Store::default());
    Ok(MemberLog { warnings, ..log })
}

/// All of a `.snap` file, which may be anything in another user's directory.
fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    durable_fs::readable(path)?.take(SNAP_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SNAP_BYTES {
        return Err(io::Error::other("it is longer than any that etcd writes"));
    }
    Ok(bytes)
}

/// The `.snap` files, the newest first, as etcd sorts them: by name.
fn snap_files(dir: &Path) -> Vec<(At, PathBuf)> {
    let paths = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<(At, PathBuf)> = paths
        .filter_map(|path| {
            let (term, index) = path.file_name()?.to_str()?.strip_suffix(".snap")?.split_once('-')?;
            let hex = |s: &str| (s.len() == 16).then(|| u64::from_str_radix(s, 16).ok()).flatten();
            Some((At { term: hex(term)?, index: hex(index)? }, path))
        })
        .collect();
    files.sort_by_key(|(at, _)| std::cmp::Reverse((at.term, at.index)));
    files
}

/// Follows the log from `base` on, with the v2 store as it was there.
fn follow(segments: &[(u64, u64, PathBuf)], base: At, store: &Store) -> MemberLog {
    let paths: Vec<PathBuf> = segments.iter().map(|(.., path)| path.clone()).collect();
    let mut problem = None;
    let mut from = 0;
    // What lies behind a missing segment is a log of its own: it says who wrote it and how far, if not from where.
    for (at, pair) in segments.windows(2).enumerate() {
        if let [(before, ..), (next, ..)] = pair
            && before.checked_add(1) != Some(*next)
        {
            from = at.saturating_add(1);
            problem = Some(match before.checked_add(1).filter(|_| next != before) {
                Some(missing) => format!("of the log the segment {missing:016x} is missing"),
                None => format!("two segments of the log have the number {before:016x}"),
            });
        }
    }
    loop {
        let whole = problem.is_none();
        let mut state = Following {
            base,
            pending: VecDeque::new(),
            store: store.clone(),
            of_members: Vec::new(),
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
        // An empty log is one from its beginning.
        let complete =
            outline.last <= base.index || (outline.first > 0 && outline.first.saturating_sub(1) <= base.index);
        let (store, of_members, writes) = state.finish();
        let store = Some(store).filter(|_| whole && complete);
        let commit = outline.hard_state.commit.unwrap_or_default();
        let record = outline.snapshots.iter().filter(|s| s.index.unwrap_or_default() <= commit).max_by_key(|s| s.index);
        let record = record
            .map_or(At::default(), |s| At { index: s.index.unwrap_or_default(), term: s.term.unwrap_or_default() });
        return MemberLog { outline, base, record, store, of_members, writes, problem, warnings: Vec::new() };
    }
}

struct Following {
    base: At,
    /// Entries behind the commit, which a new leader may still have dropped.
    pending: VecDeque<Entry>,
    store: Store,
    of_members: Vec<Entry>,
    writes: Vec<u64>,
}

impl Following {
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
                Applied::Members => self.of_members.push(entry),
                Applied::Write => self.writes.push(entry.index.unwrap_or_default()),
                Applied::Other => {}
            }
        }
    }

    /// With the entries that nobody knows to be committed: where a client was answered, they are.
    fn finish(mut self) -> (Store, Vec<Entry>, Vec<u64>) {
        self.settle(u64::MAX);
        (self.store, self.of_members, self.writes)
    }
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// Members or the cluster version.
    Members,
    /// Keys of the v3 store.
    Write,
    /// Anything else.
    Other,
}

/// Carries out what an entry asks of the v2 store, and says what it is about.
pub fn apply(store: &mut Store, entry: &Entry) -> Applied {
    let data = entry.data.as_deref().unwrap_or_default();
    if entry.kind == Some(1) {
        conf_change(store, data);
        return Applied::Members;
    }
    match Asked::decode(data) {
        Asked::V2(request) => {
            store.apply(&request);
            if request.path.starts_with(b"/0/") { Applied::Members } else { Applied::Other }
        }
        Asked::ClusterVersion(version) => {
            store.set_version(&version);
            Applied::Members
        }
        Asked::Attributes(id, attributes) => {
            store.publish(Id(id), &attributes);
            Applied::Members
        }
        Asked::Write => Applied::Write,
        Asked::Other => Applied::Other,
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
