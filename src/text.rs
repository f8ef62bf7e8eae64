//! Foreign text, and how values are printed: what a member, host, file, process, store or environment returned is
//! shown escaped and cut, and all output of this program leaves by one module.
//!
//! [`Foreign`] is such a text, made safe where it comes in. [`escape`] has the rules, [`stdio`] is the only way to
//! standard output and standard error: foreign text that got there as a plain string is escaped there. [`columns`]
//! measures, cuts and pads text, [`flow`] wraps sentences.
//!
//! How values are printed, once for all: [`number`], [`size`], [`time`], [`join`] (lists and sentences), [`quote`] (for a
//! shell), [`shell_fold`] (for a shell, by way of a screen), [`value`] (keys and values), [`table`]. [`nearest`] finds what
//! a mistyped name was meant to be, [`template`] what was not filled in.

pub mod columns;
pub mod confusables;
pub mod escape;
pub mod flow;
mod foreign;
pub mod join;
#[cfg(test)]
pub(crate) mod messages;
pub mod nearest;
pub mod number;
pub mod quote;
pub mod shell_fold;
pub mod size;
pub mod stdio;
pub mod table;
pub mod template;
pub mod time;
pub mod value;

pub use self::foreign::{Foreign, Shown, path};
