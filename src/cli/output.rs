//! What is printed: progress on standard error, and the last line of a panic.

pub(crate) mod panic;
pub(crate) mod progress;
