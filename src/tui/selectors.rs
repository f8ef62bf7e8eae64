//! What follows from the model: pure functions of it that several steps and views share.

mod asked_keys;
pub(in crate::tui) mod filter;
pub mod hosts;
pub(in crate::tui) mod launch;
pub mod members;
pub(in crate::tui) mod restore;
pub mod review;
pub(in crate::tui) mod revision_bump;
pub(in crate::tui) mod snapshot;

pub(in crate::tui) use asked_keys::asked_keys;
