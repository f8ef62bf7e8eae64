//! Directories and snapshots held against a member that serves: the hash of each at its own revision, and the member's at
//! the same one. Revisions and raft indexes do not tell a cluster that was begun with an empty directory once it was
//! written past the old state; the data do.

use std::path::{Path, PathBuf};

use super::World;
use crate::{
    etcd::membership::Id,
    plan::{
        facts::{
            Answer, EndpointFacts, Hashed, KnownMember, MemberSays, Read,
            disk::{DirFacts, DirState},
        },
        survey::at,
        verdict::{Compared, KnownState, Match, NewerAt},
        words::thousands,
    },
};

/// A larger file is not hashed.
const MOST_BYTES: u64 = 1 << 30;

/// Hashes what is at or below the revision of a member of the same cluster that serves. What a process has open, and what
/// is beyond all who serve, is passed over: the numbers say enough of it.
pub fn with_members(
    world: &dyn World,
    facts: &[EndpointFacts],
    dirs: &[DirFacts],
    known: &[KnownState],
) -> Vec<Compared> {
    let mut compared = Vec::new();
    for dir in dirs.iter().filter(|dir| !dir.held.is_held()) {
        let DirState::Whole(says) = &dir.state else { continue };
        let reaches = |s: &MemberSays| s.cluster_id == says.cluster_id && s.revision >= says.revision;
        if says.cluster_id != Id(0)
            && says.revision > 1
            && let Some(endpoint) = serves(facts, &reaches)
        {
            let at = NewerAt::Dir(dir.data_dir.display().to_string());
            let outcome = held_against(world, endpoint, (&says.database.path, says.database.bytes), says.revision);
            compared.push(Compared { at, revision: says.revision, outcome });
        }
    }
    for state in known.iter().filter(|state| state.revision > 1) {
        let reaches = |s: &MemberSays| {
            let voters: Vec<Id> = s.members.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
            s.revision >= state.revision && s.cluster_id != Id(0) && state.is_of(s.cluster_id, &voters)
                || s.revision >= state.revision && shares_url(&state.members, &s.members)
        };
        if let Some(endpoint) = serves(facts, &reaches) {
            let path = PathBuf::from(&state.from);
            let bytes = std::fs::metadata(&path).map_or(0, |meta| meta.len());
            let outcome = held_against(world, endpoint, (&path, bytes), state.revision);
            compared.push(Compared { at: NewerAt::File(state.from.clone()), revision: state.revision, outcome });
        }
    }
    compared
}

/// Whether a cluster has a member where the state has one: it may have been restored from it, under other IDs.
fn shares_url(state: &[KnownMember], members: &[KnownMember]) -> bool {
    members.iter().flat_map(|m| &m.client_urls).any(|url| state.iter().any(|m| at(m, url)))
}

/// The one that went furthest of those that serve.
fn serves<'a>(facts: &'a [EndpointFacts], reaches: &dyn Fn(&MemberSays) -> bool) -> Option<&'a str> {
    let told = facts.iter().filter_map(|f| match &f.answer {
        Answer::Says(says) => Some((f.endpoint.as_str(), says.as_ref())),
        _ => None,
    });
    let able = told.filter(|(_, s)| s.read == Read::Served && s.closed.is_none() && reaches(s));
    able.max_by_key(|(_, s)| (s.raft_index, s.revision)).map(|(endpoint, _)| endpoint)
}

fn held_against(world: &dyn World, endpoint: &str, (database, bytes): (&Path, u64), revision: i64) -> Match {
    if bytes > MOST_BYTES {
        return Match::Unknown("the file is larger than 1 GiB".into());
    }
    let (theirs, at, compacted) = match world.hash_at(endpoint, revision) {
        Hashed::Says { hash, revision, compacted } => (hash, revision, compacted),
        Hashed::Compacted(_) => return Match::Unknown("it is compacted away in what serves".into()),
        Hashed::Failed(why) => return Match::Unknown(why.into()),
        Hashed::NotAsked | Hashed::Asking => return Match::Unknown("the member was not asked".into()),
    };
    match world.hash_of(database, revision, compacted) {
        Hashed::Says { hash, revision: own, compacted: own_compacted } if own == at && own_compacted == compacted => {
            if hash == theirs {
                Match::Same
            } else {
                Match::Differs
            }
        }
        Hashed::Says { compacted: own, .. } => Match::Unknown(format!(
            "it was compacted up to revision {}, and what serves was not",
            thousands(own.max(0).unsigned_abs())
        )),
        Hashed::Failed(why) | Hashed::Compacted(why) => Match::Unknown(why.into()),
        Hashed::NotAsked | Hashed::Asking => Match::Unknown("it was not hashed".into()),
    }
}
