//! What files and plans tell of a cluster beside its members' answers, and what was found to be newer than what serves.

use crate::{
    etcd::membership::{Id, cluster_id},
    plan::facts::{FileFacts, KnownMember},
    text::Shown,
};

/// The ID of the cluster that an etcd makes which is started without flags; unrelated clusters share it (etcd
/// `server/embed/config.go`, 3.4 to 3.7).
pub const DEFAULT_CLUSTER: Id = Id(0xcdf8_1819_4e3a_8c32);

/// More members than this are not tried for those that founded a cluster.
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

/// Whether two states hash the same at one revision, over one compact revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// They do: up to that revision, what serves is the same history.
    Same,
    /// They do not: two histories, or damage.
    Differs,
    /// It was not shown, for this reason.
    Unknown(String),
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
    /// Whose it is, where that is known.
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
    /// Its revision or its committed raft index is beyond that of who serves.
    Beyond,
    /// The last entry of its log is of this term, later than the one in which the cluster serves.
    Term(u64),
    /// It hashes otherwise at its own revision than who serves.
    Hash,
}
