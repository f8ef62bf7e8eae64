//! Work on one machine's files, synchronous: know what a file is, read its status, restore a data
//! directory from it. No terminal, no network, no clock it was not handed.

pub mod genesis;
pub mod inspect;
pub mod progress;
pub mod prove;
pub mod restore;
pub mod source;
pub mod stage;
pub mod status;
