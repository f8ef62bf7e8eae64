//! What is told while a plan is carried out, and what of it the journal keeps.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use serde_json::{Value, json};

use super::spec::{ExecutionSpec, Goal};
use crate::{
    domain::{
        members::table::Problem,
        model::observations::{config::Automation, host::HostFacts},
        preflight::{blockers::Blocker, stop::RunningEtcd},
    },
    engine::{
        install::{MemberState, Renames, Swapped},
        progress::Progress,
    },
    error::{Error, Result},
    etcd::membership::Id,
    execute::{RowEvent, SafetyClearance},
    system::{
        journal::{Event, Journal},
        ssh::Sent,
    },
};

/// No line that a host fills is longer in the journal, in bytes: one that floods it must not make it too long to be read.
const LINE_BYTES: usize = 64 << 10;

/// A line's data, or, where that is too long for a journal, what it is about and how long it was.
fn bounded(data: Value) -> Value {
    let bytes = data.to_string().len();
    match bytes <= LINE_BYTES {
        true => data,
        false => json!({"host": data.get("host"), "member": data.get("member"), "left_out_bytes": bytes}),
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly all of them are the large one")]
pub enum ExecutionEvent {
    /// On one host.
    Host(String, HostEvent),
    /// Old members and what would start them again were looked at.
    Fences(Vec<Blocker>),
    /// All members are proven, and the old cluster was asked again: what came of it.
    Barrier(String),
}

/// Where events go, from several threads.
pub type EventSink<'a> = &'a (dyn Fn(ExecutionEvent) + Sync);

/// What happened on one host.
#[derive(Debug, Clone, PartialEq)]
pub enum HostEvent {
    /// It was looked at: what it is, and what is wrong with it for this plan.
    Looked(Box<HostFacts>, Vec<Problem>),
    /// It could not be looked at.
    Unreachable(Error),
    /// The program was sent there: so many of its bytes, of so many.
    Program(u64, u64),
    /// What starts an etcd there again, or fights with whoever changes its files.
    Automation(Vec<Automation>),
    /// How far a member was when this run came to it.
    Standing(String, MemberState),
    /// An etcd runs on a member's directory, and these commands stop it before that is exchanged; its member ID, where
    /// the directory tells it.
    Runs(RunningEtcd, Option<Id>),
    /// The snapshot was there already, in this file.
    HadIt(PathBuf),
    /// The snapshot is being looked for, or sent; or an earlier run waited for.
    Step(Progress),
    /// The snapshot was sent, and is right there.
    Sent(Sent),
    /// One of its members went on.
    Row(String, RowEvent),
    /// What was built for a member was removed again.
    Discarded(String),
    /// These commands are run now.
    Halting(RunningEtcd),
    /// The etcd is stopped.
    Halted(RunningEtcd),
    /// A member is in place.
    Placed(Swapped),
    /// A member is out of its place again: from where to where things went.
    Undone(String, Renames),
    /// A member was taken out of its place before: from where to where things went then.
    UndoneBefore(String, Renames),
    /// A member is built there by hand, and its code proves it, in a sentence.
    ByHand(String, String),
    /// A member that was built by hand is now to be put in place by hand.
    HandOver(String),
    /// A member is being started by these commands.
    Starting(String, Vec<String>),
    /// An etcd holds a member's directory.
    Started {
        /// The member.
        member: String,
        /// Its process, where it may be seen.
        pid: Option<u32>,
        /// True where it did before, so that nothing was done.
        already: bool,
    },
    /// It could not be gone on with.
    Failed(Error),
}

/// Tells, and writes to the operator's journal.
pub(crate) struct EventReporter<'a> {
    job: &'a ExecutionSpec<'a>,
    hear: EventSink<'a>,
    /// When each host's last line was written: its acts follow each other, so that is when the next one began.
    last: Mutex<BTreeMap<String, Instant>>,
}

impl<'a> EventReporter<'a> {
    pub(crate) fn new(job: &'a ExecutionSpec<'a>, hear: EventSink<'a>) -> EventReporter<'a> {
        EventReporter { job, hear, last: Mutex::default() }
    }

    /// Does `work` between the lines that say what was decided and begun, and how it ended.
    pub(crate) fn run(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let ExecutionSpec { plan, names, run, .. } = self.job;
        self.decided()?;
        let begun = format!("plan {} of {}: {}", run.plan, plan.label, names.join(", "));
        self.note(
            Event::Begun,
            &begun,
            json!({
                "plan": run.plan, "run": run.id, "operator": run.operator, "members": names,
                "until": self.job.until, "placement": self.job.placement, "whole_plan": plan,
            }),
        )?;
        let outcome = work();
        let (complete, end) = match (&outcome, self.job.until) {
            (Err(trouble), _) => (false, format!("not complete: {}", trouble.what)),
            (Ok(()), Goal::InPlace | Goal::Undone) => (true, "done on every host".to_string()),
            (Ok(()), _) => (false, "done as far as was asked for; nothing is in place".to_string()),
        };
        let failed = outcome.as_ref().err();
        let data = json!({
            "plan": run.plan, "run": run.id, "complete": complete, "why": failed.map(|trouble| &trouble.why),
            "fault": failed.and_then(|trouble| trouble.fault),
        });
        // What failed is said all the same.
        let written = self.note(Event::Ended, &format!("plan {}: {end}", run.plan), data);
        outcome.and(written)
    }

    /// Writes down what was decided.
    pub(crate) fn decided(&self) -> Result<()> {
        self.job.decisions.iter().try_for_each(|(text, data)| self.note(Event::Decided, text, data.clone()))
    }

    /// Writes a line to the journal.
    pub(crate) fn note(&self, kind: Event, text: &str, data: Value) -> Result<()> {
        Journal::at(self.job.system, self.job.journal).add(kind, text, data)
    }

    /// Writes down which fences were overridden, and why.
    pub(crate) fn overridden(&self, clearance: &SafetyClearance) -> Result<()> {
        for fence in clearance.overridden() {
            let data = json!({"typed": fence.typed, "evidence": fence.evidence, "reason": self.job.reason});
            self.note(Event::Override, &format!("overridden: {}", fence.sentence()), data)?;
        }
        Ok(())
    }

    /// Tells, without a host.
    pub(crate) fn tell(&self, told: ExecutionEvent) {
        if let ExecutionEvent::Fences(fences) = &told {
            for fence in fences.iter().filter(|fence| fence.typed.is_none()) {
                let _ = self.note(Event::Warned, &fence.sentence(), json!({"lift": fence.lift}));
            }
        }
        (self.hear)(told);
    }

    /// Tells what happened on a host. What only goes on is not written down; and a line that cannot be written stops no
    /// act on a host, which has its own journal.
    pub(crate) fn host(&self, host: &str, event: HostEvent) {
        let line = event.line(self.job.plan);
        if let Some(kind) = line.kind {
            let mut data = line.on(host);
            let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(host.into(), Instant::now());
            if let Some(before) = before.filter(|_| matches!(kind, Event::Done | Event::Restored | Event::Failed)) {
                data["took_ms"] = json!(u64::try_from(before.elapsed().as_millis()).unwrap_or(u64::MAX));
            }
            let data = bounded(data);
            // What follows the first line of it is for the screen.
            let text = line.text.lines().next().unwrap_or_default();
            let _ = self.note(kind, &format!("{host}: {text}"), data);
        }
        (self.hear)(ExecutionEvent::Host(host.to_string(), event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_does_not_flood_the_journal() {
        let line = |count: usize| {
            let active = vec![json!({"what": "x".repeat(400), "active": true}); count];
            json!({"host": "far1", "automation": active})
        };
        assert_eq!(bounded(line(9)), line(9));
        let cut = bounded(line(5000));
        assert_eq!(cut.get("host"), Some(&json!("far1")));
        assert!(cut.to_string().len() < 200 && cut.get("left_out_bytes").is_some(), "{cut}");
    }
}
