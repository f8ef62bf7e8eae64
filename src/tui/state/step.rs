//! The seven steps: their order, names and numbers.

use super::key::Place;

/// A step of the wizard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Is quorum lost, and must I restore?
    Detect,
    /// Which source loses least, and can it be trusted?
    Snapshot,
    /// Who will the new cluster be?
    Members,
    /// Exactly what will happen?
    Review,
    /// What is being done now?
    Restore,
    /// What do I paste where?
    Launch,
    /// Did it work?
    Proof,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Step; 7] =
        [Step::Detect, Step::Snapshot, Step::Members, Step::Review, Step::Restore, Step::Launch, Step::Proof];

    /// Its name in the stepper.
    pub fn title(self) -> &'static str {
        match self {
            Step::Detect => "Detect",
            Step::Snapshot => "Snapshot",
            Step::Members => "Members",
            Step::Review => "Review",
            Step::Restore => "Restore",
            Step::Launch => "Launch",
            Step::Proof => "Proof",
        }
    }

    /// Its number, from 1.
    pub fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Where its keys are looked up.
    pub fn place(self) -> Place {
        match self {
            Step::Detect => Place::Detect,
            Step::Snapshot => Place::Snapshot,
            Step::Members => Place::Members,
            Step::Review => Place::Review,
            Step::Restore => Place::Restore,
            Step::Launch => Place::Launch,
            Step::Proof => Place::Proof,
        }
    }

    /// The step before it.
    pub fn before(self) -> Option<Step> {
        Step::ALL.into_iter().rev().find(|s| *s < self)
    }

    /// The step after it.
    pub fn after(self) -> Option<Step> {
        Step::ALL.into_iter().find(|s| *s > self)
    }
}
