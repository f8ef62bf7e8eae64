//! Carries out a plan: blockers are evaluated, members are built in staging, the old cluster is checked once more,
//! members are installed; every step is reported as it happens and recorded in the journal. The one executor is
//! [`executor`].

pub mod blocker_checks;
pub(crate) mod build;
pub(crate) mod build_claims;
pub(crate) mod discover;
pub(crate) mod event_format;
pub mod events;
pub mod executor;
pub(crate) mod install;
pub(crate) mod journal_seal;
pub(crate) mod preflight;
pub(crate) mod prepare;
pub mod preview;
pub mod report;
pub mod resume;
pub mod second_run;
pub(crate) mod side_by_side;
pub(crate) mod snapshot_source;
pub mod spec;
pub(crate) mod start;
pub mod verify;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

pub use self::blocker_checks::SafetyClearance;
pub use crate::system::journal;
use crate::{
    engine::{
        progress::{Flow, Progress},
        restore::Restored,
    },
    error::Error,
};

/// A request to stop, shared by its clones.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Requests a stop at the next safe point.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns `Stop` once a stop was requested.
    pub fn flow(&self) -> Flow {
        if self.0.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Go }
    }
}

/// What happened to one member of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowEvent {
    /// Progress.
    Step(Progress),
    /// Built in staging and verified.
    Done(Restored),
    /// Building it failed; what was made for it is removed.
    Failed(Error),
}
