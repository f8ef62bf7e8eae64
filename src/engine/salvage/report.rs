//! The paper of a salvage: what was read, what was applied, what was passed over, and whether the writes that were acknowledged
//! are in it. How it is printed is in [`super::report_text`].

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    apply::{Doubt, Doubts},
    choose::Verdict,
    log::{Fault, MemberLog},
    merge::{Dropped, Filled, Merged},
    replay::Applied,
    sources::{Database, DatabaseKind, Dir},
    write::joined,
};
use crate::{
    domain::sources::data_loss::Difference,
    engine::durable_fs,
    etcd::{
        membership::{Id, Member},
        version::Minor,
    },
};

/// What the name of the report adds to the name of the snapshot.
pub const REPORT: &str = ".report";
/// As [`REPORT`], for programs.
pub const REPORT_JSON: &str = ".report.json";

/// The report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The file that was made.
    pub file: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// The minor version of the etcd that wrote the log.
    pub etcd: Minor,
    /// The last revision in it.
    pub revision: i64,
    /// The keys that are alive in it.
    pub keys: u64,
    /// The raft index up to which the log is in it.
    pub index: u64,
    /// The term of that index; 0 where it is not known.
    pub term: u64,
    /// What was given.
    pub sources: Vec<SourceReport>,
    /// The database that the replay began from; none where it began with the first entry of the log.
    pub base: Option<BaseReport>,
    /// The directory whose log was followed; none without a log.
    pub chosen: Option<PathBuf>,
    /// The highest index that any member recorded as committed.
    pub commit: u64,
    /// Gaps of that log that others filled.
    pub filled: Vec<Filled>,
    /// Tails of other logs that are not part of it.
    pub dropped: Vec<Dropped>,
    /// What was applied.
    pub applied: Applied,
    /// Where the replay ended before the end of the log.
    pub stopped: Option<Stop>,
    /// Whether acknowledged writes are included.
    pub acknowledged: Acknowledged,
    /// What the result depends on and no file records.
    pub doubts: Vec<DoubtReport>,
    /// What the best of the given databases lacks; none if none can be read.
    pub plain: Option<Plain>,
}

/// What was read of a directory or snapshot.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// Its path.
    pub path: PathBuf,
    /// The member that wrote it; none of a snapshot, and where no log says it.
    pub member: Option<Id>,
    /// Its cluster.
    pub cluster: Option<Id>,
    /// What it is in the last configuration.
    pub role: Role,
    /// Its log.
    pub log: Option<LogReport>,
    /// Why there is no log.
    pub no_log: Option<String>,
    /// Its databases.
    pub databases: Vec<DatabaseReport>,
}

/// What a member is in the last configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It votes.
    Voter,
    /// It is a learner.
    Learner,
    /// It is not a member any more.
    Removed,
    /// It is not known.
    Unknown,
}

/// What was read of a log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogReport {
    /// The directory.
    pub dir: PathBuf,
    /// Its segments.
    pub segments: usize,
    /// Bytes of records.
    pub bytes: u64,
    /// The first entry.
    pub first: u64,
    /// The last entry.
    pub last: u64,
    /// The term of the last entry.
    pub last_term: u64,
    /// The highest index that it records as committed.
    pub commit: u64,
    /// Entries that a later leader replaced.
    pub rewritten: u64,
    /// What is damaged.
    pub faults: Vec<Fault>,
}

/// What became of a database.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseReport {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: DatabaseKind,
    /// Whether its state before the last transaction is meant.
    pub before_last_transaction: bool,
    /// The raft index up to which the log is applied in it; none if it cannot be read.
    pub index: Option<u64>,
    /// Its last revision.
    pub revision: Option<i64>,
    /// Whether it was used, and why not.
    pub state: DatabaseState,
    /// Why it was rejected.
    pub why: Option<String>,
}

/// Whether a database was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// The replay began from it.
    Chosen,
    /// It was not needed, and not checked.
    NotNeeded,
    /// It is damaged, or not of this cluster.
    Rejected,
}

/// The database that a replay began from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BaseReport {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: DatabaseKind,
    /// Whether its state before the last transaction was used.
    pub before_last_transaction: bool,
    /// The raft index up to which the log is applied in it.
    pub index: u64,
    /// Its last revision.
    pub revision: i64,
}

/// Why a replay ended before the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Stop {
    /// Entries are missing: what follows would have wrong revisions.
    Gap {
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
        /// Entries after it that were read and not applied.
        after: u64,
    },
    /// Only what is known to be committed was asked for.
    CommittedOnly {
        /// Entries that were left out.
        left_out: u64,
    },
}

/// Whether acknowledged writes are included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledged {
    /// The verdict.
    pub verdict: Certainty,
    /// Why it is not better.
    pub because: Because,
    /// Members with a vote in the last configuration.
    pub voters: usize,
    /// Those of them whose log was read without loss.
    pub read: usize,
}

/// Whether every acknowledged write is in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// It is shown.
    Proven,
    /// Nothing speaks against it.
    Likely,
    /// It is not known.
    Unknown,
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// A majority of the logs was read to the end.
    Majority,
    /// Fewer than a majority were read.
    Minority,
    /// No log of a member with a vote was read without loss.
    NoVoter,
    /// The replay ended before the end of the log.
    Stopped,
    /// The replay began from the state before a database's last transaction.
    UnprovenBase,
    /// There is no log.
    NoLog,
    /// The result depends on what no file records.
    Doubts,
    /// Only what is known to be committed was asked for.
    CommittedOnly,
}

/// A doubt that was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoubtReport {
    /// Which.
    pub doubt: Doubt,
    /// The first entry that it is about.
    pub first_entry: u64,
    /// How many entries it is about.
    pub entries: u64,
}

/// What the best of the given databases lacks.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plain {
    /// The database.
    pub path: PathBuf,
    /// Its last revision.
    pub revision: i64,
    /// Revisions that the result has and it lacks.
    pub writes: u64,
    /// What they are, by kind; none if it was not compared.
    #[serde(skip)]
    pub difference: Option<Difference>,
    /// The same in a clause.
    pub lacks: Option<String>,
}

impl Doubt {
    /// Returns whether revisions may be wrong because of it.
    pub fn decides_revisions(self) -> bool {
        matches!(
            self,
            Doubt::TxnPermissions | Doubt::Reads | Doubt::RootLease | Doubt::NestedPuts | Doubt::UncheckedWhileAlarmed
        )
    }
}

/// What the report next to a salvaged file says of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Marker {
    /// The SHA-256 of the file that was made.
    pub sha256: String,
    /// Whether acknowledged writes are included.
    pub acknowledged: MarkerVerdict,
}

/// The part of [`Acknowledged`] that a marker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct MarkerVerdict {
    /// The verdict.
    pub verdict: Certainty,
}

/// The longest report that is read as a marker.
const MARKER_BYTES: u64 = 16 << 20;

/// Returns what the report next to a file says, if it is about this very file.
pub fn marker(file: &Path, sha256: &str) -> Option<Marker> {
    let path = joined(file.as_os_str(), REPORT_JSON);
    let mut text = Vec::new();
    durable_fs::regular(Path::new(&path)).ok()?.take(MARKER_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice::<Marker>(&text).ok().filter(|marker| marker.sha256 == sha256)
}

/// Renders the doubts.
pub fn doubts(doubts: &Doubts) -> Vec<DoubtReport> {
    let report = |(doubt, (first_entry, entries)): (&Doubt, &(u64, u64))| DoubtReport {
        doubt: *doubt,
        first_entry: *first_entry,
        entries: *entries,
    };
    doubts.iter().map(report).collect()
}

/// Renders what was given.
pub fn sources(dirs: &[Dir], databases: &[Database], verdicts: &[Verdict], members: &[Member]) -> Vec<SourceReport> {
    let database = |(database, verdict): (&Database, &Verdict)| DatabaseReport {
        path: database.path.clone(),
        kind: database.kind,
        before_last_transaction: database.older,
        index: database.facts.as_ref().ok().map(|facts| facts.consistent_index),
        revision: database.facts.as_ref().ok().map(|facts| facts.revision),
        state: match verdict {
            Verdict::Chosen => DatabaseState::Chosen,
            Verdict::NotNeeded => DatabaseState::NotNeeded,
            Verdict::Rejected(_) => DatabaseState::Rejected,
        },
        why: match verdict {
            Verdict::Rejected(why) => Some(why.clone()),
            _ => None,
        },
    };
    let of = |dir: Option<usize>| databases.iter().zip(verdicts).filter(move |(database, _)| database.dir == dir);
    let mut reports: Vec<SourceReport> = dirs
        .iter()
        .enumerate()
        .map(|(at, dir)| {
            let log = dir.log.as_ref().ok();
            let member = log.map(|log| log.node).filter(|node| *node != 0);
            SourceReport {
                path: dir.path.clone(),
                member: member.map(Id),
                cluster: log.map(|log| Id(log.cluster)).filter(|id| id.0 != 0),
                role: member.map_or(Role::Unknown, |node| role(node, members)),
                log: log.map(log_report),
                no_log: dir.log.as_ref().err().cloned(),
                databases: of(Some(at)).map(database).collect(),
            }
        })
        .collect();
    reports.extend(of(None).map(|pair| SourceReport {
        path: pair.0.path.clone(),
        member: None,
        cluster: None,
        role: Role::Unknown,
        log: None,
        no_log: None,
        databases: vec![database(pair)],
    }));
    reports
}

fn role(node: u64, members: &[Member]) -> Role {
    match members.iter().find(|member| member.id == node) {
        Some(member) if member.is_learner => Role::Learner,
        Some(_) => Role::Voter,
        None if members.is_empty() => Role::Unknown,
        None => Role::Removed,
    }
}

fn log_report(log: &MemberLog) -> LogReport {
    let (last_term, last) = log.last();
    LogReport {
        dir: log.dir.clone(),
        segments: log.segments(),
        bytes: log.bytes,
        first: log.runs().first().map_or(0, |run| run.first),
        last,
        last_term,
        commit: log.commit,
        rewritten: log.rewritten(),
        faults: log.faults.clone(),
    }
}

/// Judges whether acknowledged writes are included.
///
/// The rule: a write is acknowledged when a majority of the voters has its entry on disk. So if the logs of a majority were read
/// without loss, the one that raft would elect of them has every acknowledged entry.
pub fn acknowledged(
    dirs: &[Dir],
    merged: &Merged,
    members: &[Member],
    stop: Option<Stop>,
    unproven_base: bool,
    doubts: &[DoubtReport],
) -> Acknowledged {
    let voters: Vec<u64> = members.iter().filter(|member| !member.is_learner).map(|member| member.id).collect();
    let whole = |log: &MemberLog| log.faults.iter().all(|fault| !fault.loses());
    let mut read: Vec<u64> =
        dirs.iter().filter_map(|dir| dir.log.as_ref().ok()).filter(|log| whole(log)).map(|log| log.node).collect();
    read.retain(|node| voters.contains(node));
    read.sort_unstable();
    read.dedup();
    let majority = !voters.is_empty() && read.len().saturating_mul(2) > voters.len();
    let (verdict, because) = match stop {
        _ if unproven_base => (Certainty::Unknown, Because::UnprovenBase),
        _ if merged.runs.is_empty() => (Certainty::Unknown, Because::NoLog),
        Some(Stop::Gap { .. }) => (Certainty::Unknown, Because::Stopped),
        Some(Stop::CommittedOnly { .. }) => (Certainty::Unknown, Because::CommittedOnly),
        None if read.is_empty() => (Certainty::Unknown, Because::NoVoter),
        None if doubts.iter().any(|doubt| doubt.doubt.decides_revisions()) => (Certainty::Likely, Because::Doubts),
        None if majority => (Certainty::Proven, Because::Majority),
        None => (Certainty::Likely, Because::Minority),
    };
    Acknowledged { verdict, because, voters: voters.len(), read: read.len() }
}
