//! What files and plans say about a cluster besides its members' answers, and which states are newer than what serves.

use crate::{
    domain::model::observations::{FileFacts, KnownMember},
    etcd::membership::{Id, cluster_id},
    text::{Foreign, Shown, number::thousands},
};

/// The cluster ID of an etcd started without flags; unrelated clusters share it (etcd
/// `server/embed/config.go`, 3.4 to 3.7).
pub const DEFAULT_CLUSTER: Id = Id(0xcdf8_1819_4e3a_8c32);

/// With more members than this, the initial members of a cluster are not searched for.
const MOST_FOUNDERS: usize = 12;

/// A state of a cluster, read from a snapshot or named by a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownState {
    /// Where it was read, in words: a path.
    pub from: String,
    /// Its cluster, where that is known; a snapshot file does not name it.
    pub cluster_id: Option<Id>,
    /// Its members.
    pub members: Vec<KnownMember>,
    /// Its last revision.
    pub revision: i64,
}

impl KnownState {
    /// Returns the state that a file holds; none where its content was not read.
    pub fn from_file(file: &FileFacts) -> Option<KnownState> {
        let content = file.content.as_ref()?;
        let from = file.path.shown().to_string();
        Some(KnownState { from, cluster_id: None, members: content.members.clone(), revision: content.revision })
    }

    /// Returns true where it is shown to be a state of this cluster, whose members are `voters`: by its ID, by members that
    /// founded it (a cluster's ID is the hash of their IDs), or by the same members.
    pub fn is_of(&self, cluster: Id, voters: &[Id]) -> bool {
        if let Some(id) = self.cluster_id {
            return id == cluster;
        }
        let mut ids: Vec<Id> = self.members.iter().map(|m| m.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut own: Vec<Id> = self.members.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
        let mut theirs = voters.to_vec();
        own.sort_unstable();
        theirs.sort_unstable();
        (!own.is_empty() && own == theirs) || founded(cluster, &ids)
    }
}

/// Whether some of these members founded the cluster.
fn founded(cluster: Id, ids: &[Id]) -> bool {
    if ids.is_empty() || ids.len() > MOST_FOUNDERS {
        return false;
    }
    (1_u32..1 << ids.len()).any(|some| {
        let chosen = ids.iter().zip(0_u32..).filter(|(_, bit)| some & (1 << bit) != 0).map(|(id, _)| *id);
        cluster_id(&chosen.collect::<Vec<_>>()) == cluster
    })
}

/// A directory or snapshot, held against what a member hashes at the same revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The directory or snapshot, as [`NewerAt`] names it.
    pub at: NewerAt,
    /// Its last revision, at which both were hashed.
    pub revision: i64,
    /// What came of it.
    pub outcome: Match,
}

/// Whether two states share one history: by their hashes at one revision over one compact revision or, where these are
/// not available, by the keys that were not written since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// They do: up to that revision, what serves has the same history.
    Same,
    /// They do not: two histories, or damage.
    Differs,
    /// It was not shown, for this reason.
    Unknown(Unknown),
}

/// Why two states could not be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// The comparison is in progress.
    Asking,
    /// No member was asked.
    NotAsked,
    /// The file is too large to be hashed.
    TooLarge,
    /// The revision is compacted away in what serves, and every key there was written since.
    Compacted,
    /// It was compacted up to this revision, what serves was not, and every key there was written since.
    OwnCompacted(i64),
    /// The hash or the keys could not be read, for this reason.
    Failed(Foreign),
}

impl Unknown {
    /// The reason in a clause.
    pub fn words(&self) -> String {
        match self {
            Unknown::Asking => "they are being compared".into(),
            Unknown::NotAsked => "they were not compared".into(),
            Unknown::TooLarge => "the file is larger than 1 GB".into(),
            Unknown::Compacted => {
                "that revision is compacted on the serving members, and every key there was written since".into()
            }
            Unknown::OwnCompacted(at) => format!(
                "it was compacted up to revision {}, the serving members were not, and every key there was written since",
                thousands(at.max(&0).unsigned_abs())
            ),
            Unknown::Failed(why) => why.to_string(),
        }
    }
}

/// A key of a member, as it was written last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldKey {
    /// The key.
    pub key: Vec<u8>,
    /// The revision at which it was created.
    pub create_revision: i64,
    /// The revision at which it was written last.
    pub mod_revision: i64,
    /// How often it was written since it was created.
    pub version: i64,
    /// Its value, where it was asked for.
    pub value: Option<Vec<u8>>,
}

/// Where a newer state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewerAt {
    /// A member answers with it, at this client URL.
    Member(String),
    /// A data directory holds it.
    Dir(String),
    /// A snapshot holds it.
    File(String),
}

/// A state that goes on past what serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// Where it is.
    pub at: NewerAt,
    /// The member it belongs to, where that is known.
    pub member: Option<Id>,
    /// Its revision; 0 where it is not known.
    pub revision: i64,
    /// Its committed raft index; 0 where it is not known.
    pub index: u64,
    /// True where it shows that what serves went back; false where the two may be of two histories, of which either may be
    /// the right one.
    pub certain: bool,
    /// What shows that it is no part of what serves.
    pub by: By,
}

/// What shows that a state is no part of what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Its revision or its committed raft index is beyond that of the serving members.
    Beyond,
    /// The last entry of its log is of this term, later than the one in which the cluster serves.
    Term(u64),
    /// Its data up to its own revision differs from that of the serving members.
    Hash,
}
