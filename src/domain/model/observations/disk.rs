//! What a member's directories hold, as far as it was read without touching them: who this member is, how far its log
//! and its database got. Plain data without judgement.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{FileFacts, Health, KnownMember};
use crate::{
    etcd::{membership::Id, version::Minor},
    text::number::thousands,
};

/// One data directory: its path, what uses it, what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirFacts {
    /// `--data-dir`: the directory that holds `member/`.
    pub data_dir: PathBuf,
    /// `--wal-dir`, where the log is elsewhere than in `member/wal`.
    pub wal_dir: Option<PathBuf>,
    /// Where it was learned of, in words: `/etc/systemd/system/etcd.service`, `process 812`; empty when it was named by
    /// the operator.
    pub learned_from: String,
    /// Whether a process holds it.
    pub held: Held,
    /// What it is.
    pub state: DirState,
}

impl DirFacts {
    /// Returns its state, in a clause.
    pub fn words(&self) -> String {
        let held = match &self.held {
            Held::No => "not in use".to_string(),
            Held::By { pid: Some(pid), program } => format!("in use by {program} (process {pid})"),
            Held::By { pid: None, .. } => "in use by a process".into(),
            Held::Unknown(_) => "unknown whether it is in use".into(),
        };
        match &self.state {
            DirState::Whole(says) => {
                let name = says.members.iter().find(|m| m.id == says.member_id && !m.name.is_empty());
                let member = name.map_or_else(|| format!("member {}", says.member_id), |m| m.name.to_string());
                let beyond = match says.entries_beyond() {
                    0 => String::new(),
                    1 => ", 1 log entry beyond its database".into(),
                    n => format!(", {} log entries beyond its database", thousands(n)),
                };
                let revision = thousands(says.revision.unsigned_abs());
                let what = match (&says.database.health, says.last_term) {
                    (Health::Limited(damage), _) => format!("etcd would start on it, but {}; it is", damage.why),
                    (_, 0 | 1) if says.holds_nothing() => "no data yet,".into(),
                    // as every restore leaves it, and the first start does not
                    (_, 0 | 1) => "restored from a snapshot and not started since,".into(),
                    _ if says.revision <= 1 => "intact, with an empty store,".into(),
                    _ => "intact,".into(),
                };
                format!(
                    "{what} of {member} of cluster {}, revision {revision}, log up to {}/{}{beyond}; {held}",
                    says.cluster_id, says.last_term, says.last_index
                )
            }
            DirState::Broken { why, part, says } => match &says.database.health {
                Health::Limited(damage) if *part != BrokenPart::Database => format!("broken: {why}; {}", damage.why),
                _ => format!("broken: {why}"),
            },
            DirState::Empty => "empty".into(),
            DirState::Absent => "does not exist".into(),
            DirState::NotADataDir(why) | DirState::Unreadable(why) => why.clone(),
        }
    }
}

/// Whether a process holds a directory's locks. It was asked, never tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Held {
    /// None does, as far as this machine shows.
    No,
    /// A process does: an etcd runs on it.
    By {
        /// Its process ID, where this user may see it.
        pid: Option<u32>,
        /// The program's name, where it may be seen: `etcd`.
        program: String,
    },
    /// The system does not show it, for this reason.
    Unknown(String),
}

impl Held {
    /// True when a process is known to hold it.
    pub fn is_held(&self) -> bool {
        matches!(self, Held::By { .. })
    }
}

/// The part of a data directory that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokenPart {
    /// The log is lost or damaged, or it and the database do not belong together.
    Log,
    /// The database is missing or damaged.
    Database,
    /// The files are whole, and etcd refuses their member.
    Member,
}

/// What a directory is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DirState {
    /// An etcd could start on it; a torn end of the log, which etcd cuts off by itself, is no hindrance
    /// ([`DataDirState::torn`]).
    Whole(Box<DataDirState>),
    /// It is a member's and an etcd would not start on it, or would start without a part of it; the sentence says why.
    Broken {
        /// What is wrong, in a sentence that names the file.
        why: String,
        /// In which part of it.
        part: BrokenPart,
        /// What could still be read; fields of unreadable parts are zero or empty.
        says: Box<DataDirState>,
    },
    /// It is there and nothing is in it.
    Empty,
    /// It does not exist.
    Absent,
    /// It is there and no member's; the sentence says what is missing.
    NotADataDir(String),
    /// It could not be looked at; the sentence says why.
    Unreadable(String),
}

impl DirState {
    /// What was read, of a whole directory and of a broken one.
    pub fn says(&self) -> Option<&DataDirState> {
        match self {
            DirState::Whole(says) | DirState::Broken { says, .. } => Some(says),
            _ => None,
        }
    }
}

/// What a member's directories say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataDirState {
    /// The cluster's ID, from the log's metadata.
    pub cluster_id: Id,
    /// The member's ID, from the log's metadata.
    pub member_id: Id,
    /// The raft term in the last hard state.
    pub term: u64,
    /// The member it voted for in that term; `Id(0)` for none.
    pub vote: Id,
    /// The highest raft index that the last hard state calls committed. It lags: acknowledged entries may come after
    /// it.
    pub commit: u64,
    /// The first entry that the log still holds without a gap up to the last; 0 where it holds none.
    pub first_index: u64,
    /// The last entry of the log; where it holds none, the snapshot that it begins with.
    pub last_index: u64,
    /// The term of that entry.
    pub last_term: u64,
    /// Where and why the log ends before its time, if it does; etcd cuts such a tail off.
    pub torn: Option<String>,
    /// The raft index of the newest snapshot (`.snap`, or its record in the log) that a start would begin from.
    pub snap_index: u64,
    /// The raft index up to which the database has applied the log.
    pub consistent_index: u64,
    /// The term of that index, where the database keeps it (3.5 and later).
    pub consistent_term: Option<u64>,
    /// The database's last revision; 0 where it could not be read.
    pub revision: i64,
    /// Entries of the log beyond [`DataDirState::consistent_index`] that write keys: each makes one revision at most.
    /// None where the log could not be read.
    pub writes_beyond: Option<u64>,
    /// `member/snap/db`. [`Health::Unread`] after a quick look that found nothing wrong.
    pub database: FileFacts,
    /// A database that came from a leader and was not yet put in place (`….snap.db`): the raft index it covers.
    pub received_db: Option<u64>,
    /// The members, as this etcd version would take them at its start.
    pub members: Vec<KnownMember>,
    /// The users' keys in the v2 store, which no restore of a v3 snapshot carries over.
    pub v2_keys: u64,
    /// The cluster version, or what the file formats show of it; the etcd that wrote this is of that minor version
    /// or, in the middle of an upgrade, of the next.
    pub etcd: Option<Minor>,
    /// When the log or the database was last written, seconds since 1970, where the filesystem records it.
    pub written: Option<i64>,
    /// What is odd about it and yet no damage, each a sentence.
    pub warnings: Vec<String>,
}

impl DataDirState {
    /// True where an etcd was begun on it and nothing else: its log holds no entry beyond the members it was begun
    /// with, whose term is 1, and its store is empty.
    pub fn holds_nothing(&self) -> bool {
        self.last_term <= 1 && self.revision <= 1
    }

    /// Entries of the log that are not in the database: restoring the database alone loses them.
    pub fn entries_beyond(&self) -> u64 {
        self.last_index.saturating_sub(self.consistent_index)
    }

    /// The last revision that a start of etcd on it can come to by itself; none where its log does not tell.
    pub fn revision_at_end(&self) -> Option<i64> {
        let writes = self.writes_beyond.filter(|_| self.log_reaches_database())?;
        Some(self.revision.max(1).saturating_add(i64::try_from(writes).unwrap_or(i64::MAX)))
    }

    /// Those of [`DataDirState::entries_beyond`] that the member knew to be committed.
    pub fn committed_beyond(&self) -> u64 {
        self.commit.min(self.last_index).saturating_sub(self.consistent_index)
    }

    /// Those of [`DataDirState::entries_beyond`] after the recorded commit: acknowledged to a client, or never decided.
    pub fn undecided_beyond(&self) -> u64 {
        self.entries_beyond() - self.committed_beyond()
    }

    /// True when every entry between the database and the end of the log is in the log.
    pub fn log_reaches_database(&self) -> bool {
        self.entries_beyond() == 0
            || (self.first_index > 0 && self.first_index <= self.consistent_index.saturating_add(1))
    }
}
