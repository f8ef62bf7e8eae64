//! Salvage: what the files of dead members still hold, made into an ordinary snapshot.

pub mod apply;
pub mod key_index;
pub mod log;
pub mod store;
