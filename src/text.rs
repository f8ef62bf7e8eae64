//! Foreign text, and how values are printed: what a member, host, file, process, store or environment returned is
//! shown escaped and cut, and all output of this program leaves by one module.
//!
//! [`number`] prints numbers and sizes.
//!
//! [`Foreign`] is such a text, made safe where it comes in. [`escape`] has the rules, [`stdio`] is the only way to
//! standard output and standard error: foreign text that got there as a plain string is escaped there. [`columns`]
//! measures, cuts and pads text.

pub mod columns;
pub mod confusables;
pub mod escape;
mod foreign;
#[cfg(test)]
pub(crate) mod messages;
pub mod number;
pub mod phrase;
pub mod stdio;
pub mod time;
pub mod value;

pub use self::foreign::{Foreign, Shown, path};
