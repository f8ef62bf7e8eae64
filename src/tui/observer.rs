//! Somebody who looks over the operator's shoulder: sees what happens, and has sentences for the foot of the steps. It
//! cannot press a key. Most wizards have none.

use super::{app::Model, messages::Msg, steps::Step};

/// What stands at the foot of each step.
pub type Notes = Vec<(Step, String)>;

/// Somebody who looks on.
pub trait Observer: Send {
    /// Called after each message with the model as it is then. What comes back stands at the foot of the steps from now
    /// on; nothing, where that stays as it is.
    fn saw(&mut self, model: &Model, msg: &Msg) -> Option<Notes>;

    /// The operator asks for the next sentence.
    fn asked(&mut self, model: &Model) -> Option<Notes>;

    /// True once the wizard is to be left.
    fn ends(&self) -> bool {
        false
    }
}
