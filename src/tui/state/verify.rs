//! What Proof knows.

use crate::domain::verify::Verification;

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The effect that watches now.
    pub(in crate::tui) id: Option<u64>,
    /// True while a key may be written by it.
    pub(in crate::tui) canary: bool,
    /// What is known.
    pub proof: Option<Box<Verification>>,
}

impl State {
    /// True while members are being watched.
    pub fn running(&self) -> bool {
        self.id.is_some()
    }

    /// The effect that may be writing a key, which is let finish before leaving.
    pub fn writing_id(&self) -> Option<u64> {
        self.id.filter(|_| self.canary)
    }
}
