//! What the wizard knows and what can happen to it, as plain data below the steps.

pub mod key;
pub mod leaving;
pub mod messages;
pub mod prompt;
pub mod step;
