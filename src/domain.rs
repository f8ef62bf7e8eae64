//! The decisions: pure functions of what was observed and what the operator chose. No file, socket, process, clock or randomness.

pub mod members;
pub mod model;
pub mod preflight;
pub mod quorum;
pub mod render;
pub mod sources;
pub mod verify;
