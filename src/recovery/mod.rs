//! Carrying out a plan: each member restored through the world, every step reported as it is seen.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    engine::{
        progress::{Flow, Progress},
        restore::Restored,
    },
    plan::Plan,
    trouble::{Kind, Result, Trouble},
    world::World,
};

/// The operator's hand on the brake; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks the work to stop at its next safe point.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What the work's watcher answers.
    pub fn flow(&self) -> Flow {
        if self.0.load(Ordering::Relaxed) { Flow::Stop } else { Flow::Go }
    }
}

/// What happened to one member of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowEvent {
    /// A step forward.
    Step(Progress),
    /// It stands, as read back.
    Done(Restored),
    /// It does not; what was made for it is removed.
    Failed(Trouble),
}

/// Restores the members named in `names`, one after the other, and reports through `on` by member
/// name. One member's failure does not keep the others from being tried; a stop does.
///
/// # Errors
/// The first failure, after the rest was tried.
pub fn execute(
    plan: &Plan,
    names: &[String],
    world: &dyn World,
    cancel: &Cancel,
    on: &mut dyn FnMut(&str, RowEvent),
) -> Result<()> {
    let mut first = None;
    for name in names {
        let outcome = if cancel.flow() == Flow::Stop {
            Err(Trouble::new(Kind::Stopped, format!("{name} was not begun: stopped on request")))
        } else {
            world.restore(plan, name, &mut |step| {
                on(name, RowEvent::Step(step));
                cancel.flow()
            })
        };
        match outcome {
            Ok(restored) => on(name, RowEvent::Done(restored)),
            Err(trouble) => {
                on(name, RowEvent::Failed(trouble.clone()));
                first.get_or_insert(trouble);
            }
        }
    }
    first.map_or(Ok(()), Err)
}
