//! Work on one machine's files, synchronous: know what a file is, read its status, restore a data
//! directory from it. No terminal, no network, no clock it was not handed.

// Overflow and indices are checked where bytes of others are read; a test's own mistakes may panic.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod bench;
pub mod datadir;
pub mod durable_fs;
pub mod install;
pub mod post_restore;
pub mod progress;
pub mod restore;
pub mod scan;
pub mod source;
