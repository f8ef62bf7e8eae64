//! Synchronous work on one machine's files: identify a file, read its status, restore a data directory from it. Uses no
//! terminal and no network, and no clock that is not passed in.

// Untrusted bytes are read here, so overflow and indexing are linted; tests may panic.
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
