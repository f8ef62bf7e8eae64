//! Text of others: what a member, host, file, process, store or environment said is shown escaped and cut, and all that
//! this program prints leaves by one door.
//!
//! [`number`] prints numbers and sizes.
//!
//! [`Foreign`] is such a text, made safe where it comes in. [`escape`] holds the rules, [`stdio`] is the only way to
//! standard output and standard error: what slipped through as a plain string is escaped there. [`columns`] says how wide a
//! text is, and cuts and fills it.

pub mod columns;
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
