//! What is printed: progress and questions on standard error, what to do next, and the last line of a panic.

pub(crate) mod panic;
pub(crate) mod progress;
pub(crate) mod question;
pub(crate) mod remedies;
