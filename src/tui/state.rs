//! What the wizard knows and what can happen to it, as plain data below the steps.

pub mod detect;
pub mod hosts;
pub mod key;
pub mod launch;
pub mod launch_start;
pub mod leaving;
pub mod members;
pub mod messages;
pub mod model;
pub mod options;
pub mod prompt;
pub mod restore;
pub mod resume;
pub mod review;
pub mod snapshot;
pub mod step;
pub mod verify;
