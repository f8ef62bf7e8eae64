//! What the members' answers mean: is quorum lost, and what should be done first?

pub(crate) mod act;
pub(crate) mod advice;
pub(crate) mod diverged;
pub mod evidence;
pub(crate) mod hash_mismatch;
pub(crate) mod hash_pairs;
pub(crate) mod history;
pub mod known;
pub(crate) mod messages;
pub(crate) mod misplaced;
pub mod newest_dir;
pub mod probe_rounds;
pub mod scope;
pub(crate) mod tally;
pub mod verdict;
