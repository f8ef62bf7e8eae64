//! Synchronous work on the files of one machine: identify a file, read its status, restore a data directory from it. No
//! terminal, no network, no clock except one that is passed in.

// Overflow and indices are checked, since untrusted bytes are read; tests may panic.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod bench;
pub mod datadir;
pub mod durable_fs;
pub mod install;
pub mod post_restore;
pub mod progress;
pub mod restore;
pub mod salvage;
pub mod scan;
pub mod source;
