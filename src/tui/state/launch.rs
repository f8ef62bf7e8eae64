//! What Launch knows: what is selected and how it is shown.

use super::launch_start;
use crate::domain::render::start::StartFormat;

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The selected member.
    pub at: usize,
    /// The start format that was chosen; none for the one that fits how the member was started until now.
    pub form: Option<StartFormat>,
    /// The effect that writes a file, and what that is.
    pub writing: Option<(u64, &'static str)>,
    /// The effect that copies something, and what that is.
    pub copying: Option<(u64, String)>,
    /// What other hosts reported, and what became of starting members there.
    pub started: launch_start::State,
}

impl State {
    /// The effect that starts a member now.
    pub fn starting_id(&self) -> Option<u64> {
        self.started.starting_id()
    }
}
