//! Work on one machine's files, synchronous: know what a file is, read its status, restore a data
//! directory from it. No terminal, no network, no clock it was not handed.

// Overflow and indices are checked where bytes of others are read; a test's own mistakes may panic.
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod aftermath;
pub mod archive;
pub mod bench;
pub mod byhand;
pub mod changes;
pub mod claim;
mod clients;
pub mod compare;
pub mod contents;
pub mod copy;
pub mod datadir;
pub mod durable_fs;
pub mod expected;
pub mod filetype;
pub mod genesis;
pub mod hashkv;
pub mod hole;
pub mod inspect;
pub mod keys;
pub mod kin;
pub mod kubernetes;
pub mod leftover;
pub mod leftovers;
pub mod live;
pub mod locks;
pub mod loss;
pub mod meaning;
pub mod outside;
pub mod owner;
pub mod prepared;
pub mod progress;
pub mod prove;
pub mod report;
pub mod restore;
pub mod roster;
pub mod scan;
pub mod seal;
pub mod source;
#[allow(clippy::arithmetic_side_effects, reason = "its one sum is a count of tries that ends at TRIES")]
pub mod stage;
pub mod status;
pub mod stored_rows;
pub mod swap;
pub mod v2keys;
pub mod words;
