//! An observer, such as a drill's coach: sees what happens, and supplies sentences for the foot of the steps. It cannot
//! press a key. Most wizards have none.

use crate::tui::state::{messages::Msg, model::Model, step::Step};

/// What is shown at the foot of each step.
pub type Notes = Vec<(Step, String)>;

/// An observer of the wizard.
pub trait Observer: Send {
    /// Called after each message with the model as it is then. What it returns is shown at the foot of the steps from
    /// now on; `None` keeps what is there.
    fn saw(&mut self, model: &Model, msg: &Msg) -> Option<Notes>;

    /// The operator asks for the next sentence.
    fn asked(&mut self, model: &Model) -> Option<Notes>;

    /// True once the wizard is to be left.
    fn ends(&self) -> bool {
        false
    }
}
