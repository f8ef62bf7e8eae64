//! Compares directories and snapshots with a live member: the hash of each at its own revision with the member's hash
//! at the same revision. Revisions and raft indexes cannot distinguish a cluster that was started with an empty
//! directory once it was written past the old state; the data can. Where one of the two was compacted past the other,
//! hashes cannot be compared: then the keys show whether the member wrote since.

use super::{Cluster, Files};
use crate::domain::{
    model::observations::{EndpointFacts, Hashed, disk::DirFacts},
    quorum::{
        hash_pairs::{Pair, pairs},
        known::{Compared, KnownState, Match, Unknown},
    },
};

/// A larger file is not hashed.
const MOST_BYTES: u64 = 1_000_000_000;

/// Compares all directories and snapshots with the live members, where possible.
pub fn with_members(
    system: &(impl Cluster + Files + ?Sized),
    facts: &[EndpointFacts],
    dirs: &[DirFacts],
    known: &[KnownState],
) -> Vec<Compared> {
    each(system, &pairs(facts, dirs, known))
}

/// Compares each of these with its member, one after the other: for a hash the member reads its whole store.
pub fn each(system: &(impl Cluster + Files + ?Sized), pairs: &[Pair]) -> Vec<Compared> {
    pairs.iter().map(|pair| pair.came_to(held_against(system, pair))).collect()
}

fn held_against(system: &(impl Cluster + Files + ?Sized), pair: &Pair) -> Match {
    if std::fs::metadata(&pair.database).is_ok_and(|meta| meta.len() > MOST_BYTES) {
        return Match::Unknown(Unknown::TooLarge);
    }
    let (theirs, at, compacted) = match system.hash_kv(&pair.endpoint, pair.revision) {
        Hashed::Says { hash, revision, compacted } => (hash, revision, compacted),
        Hashed::Compacted(_) => return by_keys(system, pair, Unknown::Compacted),
        Hashed::Failed(why) => return Match::Unknown(Unknown::Failed(why)),
        Hashed::NotAsked | Hashed::Asking => return Match::Unknown(Unknown::NotAsked),
    };
    match system.hash_database(&pair.database, pair.revision, compacted) {
        Hashed::Says { hash, revision: own, compacted: own_compacted } if own == at && own_compacted == compacted => {
            if hash == theirs {
                Match::Same
            } else {
                Match::Differs
            }
        }
        Hashed::Says { compacted: own, .. } => by_keys(system, pair, Unknown::OwnCompacted(own)),
        Hashed::Failed(why) | Hashed::Compacted(why) => Match::Unknown(Unknown::Failed(why)),
        Hashed::NotAsked | Hashed::Asking => Match::Unknown(Unknown::NotAsked),
    }
}

/// Compares keys where hashes cannot be compared, for the given reason: a key that the member wrote last at or before
/// the revision must be in the database, written at the same revision and with the same value.
fn by_keys(system: &(impl Cluster + Files + ?Sized), pair: &Pair, why: Unknown) -> Match {
    let theirs = match system.old_keys(&pair.endpoint, pair.revision) {
        Ok(theirs) if theirs.is_empty() => return Match::Unknown(why),
        Ok(theirs) => theirs,
        Err(why) => return Match::Unknown(Unknown::Failed(why.into())),
    };
    match system.has_keys(&pair.database, pair.revision, &theirs) {
        Ok(true) => Match::Same,
        Ok(false) => Match::Differs,
        Err(error) => Match::Unknown(Unknown::Failed(error.to_string().into())),
    }
}
