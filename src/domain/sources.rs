//! What a restore can start from, and what each choice loses.

pub(crate) mod catch_up;
pub mod cluster_match;
pub mod data_loss;
pub mod known_revisions;
pub(crate) mod loss;
pub mod ranking;
pub mod revision_bump;
pub mod source;
