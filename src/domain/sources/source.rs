//! One source that a restore could begin from, and all that was seen when sources are ranked: the values.

use std::{collections::BTreeSet, path::PathBuf};

use super::data_loss::{Entries, History, Horizon, Loss};
use crate::{
    domain::{
        model::observations::{FileFacts, KnownMember, LimitedDamage, MemberStatus, disk::DirFacts},
        quorum::scope::Scope,
    },
    etcd::membership::Id,
};

/// A member that answers and from which a snapshot can be saved.
#[derive(Debug, Clone)]
pub struct Survivor<'a> {
    /// What it is called.
    pub name: String,
    /// The client URL at which it answers.
    pub endpoint: &'a str,
    /// What it says.
    pub says: &'a MemberStatus,
}

/// A file that was saved from a member in this session: its member is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// The member's name.
    pub member: String,
    /// The cluster that it answered for.
    pub cluster_id: Id,
}

/// What a look into two files side by side showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryMatch {
    /// The files, in any order.
    pub files: [PathBuf; 2],
    /// Whether they tell one history.
    pub history: History,
}

/// Survivors whose hashes at a common revision differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// Who holds what, in a sentence.
    pub sentence: String,
    /// Their endpoints.
    pub endpoints: BTreeSet<String>,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub struct Observed<'a> {
    /// Members that answer.
    pub survivors: Vec<Survivor<'a>>,
    /// Members that are heard only on other ports than their client ports (authentication is enabled, or they wait for
    /// a quorum): no source, but they say which cluster is meant.
    pub closed: Vec<Survivor<'a>>,
    /// Files, among them the databases of `dirs` once they were read.
    pub files: &'a [FileFacts],
    /// Data directories that were looked at.
    pub dirs: &'a [DirFacts],
    /// Which of the files were saved from members here.
    pub saved: &'a [Saved],
    /// Which files were compared.
    pub kin: &'a [HistoryMatch],
    /// Survivors that hold different data.
    pub differing: Option<Differing>,
    /// Which cluster is meant.
    pub scope: Scope,
    /// Seconds since 1970.
    pub now: i64,
}

pub(super) const UNMEASURED: Loss =
    Loss { revisions: None, seconds: None, entries: Entries::None, horizon: Horizon::Files };

/// Whether a source is of this cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// It is; the sentence is the proof.
    Same(String),
    /// It lists members of this cluster, which a new cluster with the same names and token would, too.
    SharesMembers(String),
    /// Nothing tells; the sentence says what was looked at.
    CannotTell(String),
    /// It is not; the sentence is the proof.
    Other(String),
}

impl Relation {
    /// True where something speaks for it and nothing against it.
    pub fn ours(&self) -> bool {
        matches!(self, Relation::Same(_) | Relation::SharesMembers(_))
    }

    /// The reason, a sentence without a full stop.
    pub fn words(&self) -> &str {
        match self {
            Relation::Same(why) | Relation::SharesMembers(why) | Relation::CannotTell(why) | Relation::Other(why) => {
                why
            }
        }
    }

    pub(crate) fn class(&self) -> u8 {
        match self {
            Relation::Same(_) | Relation::SharesMembers(_) => 0,
            Relation::CannotTell(_) => 1,
            Relation::Other(_) => 2,
        }
    }
}

/// What a source is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A member, by its client URL.
    Member(String),
    /// A file, by its path.
    File(PathBuf),
}

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// A member that answers: a snapshot is saved from it over the network.
    Survivor,
    /// A file.
    File,
    /// The database of a data directory.
    DataDir,
}

/// Whether a source can be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceState {
    /// A member: what is saved from it will be hashed.
    ToSave,
    /// Its checksum is right and its pages are sound.
    Whole,
    /// It carries no checksum; its pages are sound.
    Sound,
    /// It is in an object store, and must be downloaded first.
    Remote,
    /// It was not read through yet.
    Unread,
    /// It is inside an archive; the sentence says how to get it out.
    Packed(String),
    /// It is damaged where no row is affected, and can be taken once that is accepted.
    Limited(LimitedDamage),
    /// An etcd runs on it; the sentence says what to do instead.
    Held(String),
    /// It cannot be restored; the sentence says why.
    Broken(String),
    /// It could not be read; the sentence says why.
    Unreadable(String),
}

impl SourceState {
    /// True for one that a restore can begin from now.
    pub fn usable(&self) -> bool {
        self.class() == 0
    }

    /// A broken source never ranks above an intact one.
    pub(super) fn class(&self) -> u8 {
        match self {
            SourceState::ToSave | SourceState::Whole | SourceState::Sound => 0,
            SourceState::Remote | SourceState::Unread => 1,
            SourceState::Packed(_) | SourceState::Limited(_) => 2,
            SourceState::Held(_) => 3,
            SourceState::Broken(_) | SourceState::Unreadable(_) => 4,
        }
    }
}

/// One source of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is found by.
    pub place: Place,
    /// What it is.
    pub kind: SourceKind,
    /// What it is called: `m2, over the network`, or its path.
    pub name: String,
    /// The same without what kind of source it is: `m2`, or the path of the file or directory.
    pub bare_name: String,
    /// Whether it can be taken.
    pub standing: SourceState,
    /// Whether it is of this cluster, with the proof.
    pub relation: Relation,
    /// Its last revision, where it is known.
    pub revision: Option<i64>,
    /// When its state was written, seconds since 1970, as far as file times tell; now for a survivor.
    pub at: Option<i64>,
    /// What restoring it loses.
    pub loss: Loss,
    /// True for one that holds other data than another source of this cluster at a common revision.
    pub disagrees: bool,
    /// What else to know, each a sentence.
    pub warnings: Vec<String>,
    /// What to do rather than take a database that lacks what its log holds, a sentence.
    pub(super) better: Option<String>,
    /// The cluster that it names, or that it was saved from.
    pub(super) cluster: Option<Id>,
    /// The last entry of a data directory's log.
    pub(super) log: Option<LogEnd>,
    pub(super) members: Vec<KnownMember>,
}

impl Source {
    /// What restoring it loses, in sentences; what to do instead first.
    pub fn loses(&self, newest: Option<&Newest>) -> Vec<String> {
        self.loss.sentences(newest.map(|n| n.words.as_str()), self.better.as_deref())
    }
}

/// How far a log goes: compared only between directories of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogEnd {
    pub(super) cluster: u64,
    pub(super) term: u64,
    pub(super) index: u64,
}

/// The newest state known from anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Its revision.
    pub revision: i64,
    /// When it was written.
    pub at: Option<i64>,
    /// Who has it.
    pub place: Place,
    /// In words: `revision 84,211 (m2 answers with it)`.
    pub words: String,
}
