//! Carrying out a plan: the fences looked at, then each member restored through the world, every step reported as it
//! is seen and written to the journal.

pub mod fences;
pub mod hosts;
pub mod report;
pub mod resume;
pub mod twice;
pub mod verify;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;

pub use crate::world::journal;
use crate::world::journal::{Event, Journal};

use crate::{
    engine::{
        progress::{Flow, Progress},
        restore::Restored,
    },
    plan::{Plan, fence::Fence},
    text::Shown,
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

/// Fences that were looked at, none of which is in the way: nothing is restored without.
#[derive(Debug)]
pub struct Passed(Vec<Fence>);

impl Passed {
    /// Those that were lifted by a text that was typed.
    pub fn overridden(&self) -> impl Iterator<Item = &Fence> {
        self.0.iter().filter(|fence| fence.typed.is_some())
    }

    /// Lets through where nothing is in the way that is not in `lifted`, the texts that were typed.
    ///
    /// # Errors
    /// `Refused`, naming the host or directory, with what lifts each fence as the hint.
    pub fn new(fences: Vec<Fence>, lifted: &[String]) -> Result<Passed> {
        let blocking: Vec<&Fence> = fences.iter().filter(|fence| fence.blocks(lifted)).collect();
        let Some(first) = blocking.first() else { return Ok(Passed(fences)) };
        let more = blocking.iter().skip(1).map(|f| format!("also: {}.", f.sentence()));
        let mut lifts: Vec<String> = Vec::new();
        for fence in &blocking {
            let lift = fence.lift.to_string();
            if !lifts.contains(&lift) {
                lifts.push(lift);
            }
        }
        let hint: Vec<String> = more.chain(lifts).collect();
        Err(Trouble::new(Kind::Refused, first.what.clone()).why(first.evidence.join("; ")).hint(hint.join("\n  ")))
    }
}

/// Restores the members named in `names` and writes to the journal at `journal` what was overridden, begun, made and
/// ended.
///
/// # Errors
/// When the journal cannot be written although a fence was overridden; the first failure of a member, after the rest
/// was tried.
pub fn carry_out(
    plan: &Plan,
    names: &[String],
    passed: &Passed,
    journal: &Path,
    world: &dyn World,
    cancel: &Cancel,
    on: &mut dyn FnMut(&str, RowEvent),
) -> Result<()> {
    recorded(plan, names, passed, journal, world, |journal| {
        execute(plan, names, world, cancel, &mut |name, event| {
            note(journal, plan, name, &event);
            on(name, event);
        })
    })
}

/// Does `work` with the journal at `journal`, which says before it what was begun and overridden, and after it how it
/// ended. `work` writes to it what becomes of each member ([`note`]).
///
/// # Errors
/// When the journal cannot be written although a fence was overridden; else those of `work`.
pub fn recorded(
    plan: &Plan,
    names: &[String],
    passed: &Passed,
    journal: &Path,
    world: &dyn World,
    work: impl FnOnce(&Journal<'_>) -> Result<()>,
) -> Result<()> {
    let journal = Journal::at(world, journal);
    let overridden: Vec<&Fence> = passed.overridden().collect();
    let id = plan.short_id();
    let begun = format!("plan {id} of {}: restoring {}", plan.label, names.join(", "));
    let data = json!({
        "plan": id, "label": plan.label, "members": names, "cluster_id": plan.cluster_id,
        "source": plan.source.path, "sha256": plan.source.sha256, "revision": plan.source.revision,
    });
    // Without an override a journal that cannot be had must not keep a cluster from coming back.
    match journal.add(Event::Begun, &begun, data) {
        Err(trouble) if !overridden.is_empty() => return Err(trouble),
        Err(_) | Ok(()) => {}
    }
    for fence in overridden {
        let data = json!({"plan": id, "typed": fence.typed, "evidence": fence.evidence});
        journal.add(Event::Override, &format!("overridden: {}", fence.sentence()), data)?;
    }
    let outcome = work(&journal);
    let end = match &outcome {
        Ok(()) => "every member asked for stands".to_string(),
        Err(trouble) => format!("not complete: {}", trouble.what),
    };
    let fault = outcome.as_ref().err().and_then(|trouble| trouble.fault);
    let data = json!({"plan": id, "complete": outcome.is_ok(), "fault": fault});
    let _ = journal.add(Event::Ended, &format!("plan {id}: {end}"), data);
    outcome
}

/// Writes down what became of a member. A journal that cannot be written does not stop a restore that was begun.
pub fn note(journal: &Journal<'_>, plan: &Plan, name: &str, event: &RowEvent) {
    let id = plan.short_id();
    let _ = match event {
        RowEvent::Step(_) => Ok(()),
        RowEvent::Done(r) => journal.add(
            Event::Restored,
            &format!("{name} restored in {}, read back", r.data_dir.shown()),
            json!({
                "plan": id, "name": name, "member_id": r.member_id, "cluster_id": r.cluster_id,
                "data_dir": r.data_dir, "revision": r.revision, "keys": r.keys,
            }),
        ),
        RowEvent::Failed(t) => journal.add(
            Event::Failed,
            &format!("{name} not restored: {}", t.what),
            json!({"plan": id, "name": name, "why": t.why, "fault": t.fault}),
        ),
    };
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
