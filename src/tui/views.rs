//! How each step is drawn.

pub mod detect;
pub mod frame;
pub mod hosts;
pub mod members;
pub mod restore;
pub mod snapshot;
pub mod verify;
