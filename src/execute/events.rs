//! The events of carrying out a plan, and what of them the journal records.

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

/// The longest journal line that a host can cause, in bytes, so that a flood of data does not make the journal
/// unreadable.
const LINE_BYTES: usize = 64 << 10;

/// Returns the data of a line or, if that is too long for a journal, what the line is about and how long the data was.
fn bounded(data: Value) -> Value {
    let bytes = data.to_string().len();
    match bytes <= LINE_BYTES {
        true => data,
        false => json!({"host": data.get("host"), "member": data.get("member"), "left_out_bytes": bytes}),
    }
}

/// What happened during a run.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "nearly all events are of the large variant")]
pub enum ExecutionEvent {
    /// On one host.
    Host(String, HostEvent),
    /// Old members, and what would start them again, were checked.
    Blockers(Vec<Blocker>),
    /// All members are verified, and the final check of the old cluster is done: its result.
    FinalCheck(String),
}

/// Receives events, from several threads.
pub type EventSink<'a> = &'a (dyn Fn(ExecutionEvent) + Sync);

/// What happened on one host.
#[derive(Debug, Clone, PartialEq)]
pub enum HostEvent {
    /// It was inspected: its facts, and its problems with this plan.
    Looked(Box<HostFacts>, Vec<Problem>),
    /// It could not be inspected.
    Unreachable(Error),
    /// Progress of sending the program: bytes sent, bytes in total.
    Program(u64, u64),
    /// Automation that starts an etcd there again, or that would undo changes of its files.
    Automation(Vec<Automation>),
    /// The state of a member when this run reached it.
    MemberState(String, MemberState),
    /// An etcd runs on a member's directory, and these commands stop it before the directory is replaced; its member
    /// ID, if the directory has it.
    Runs(RunningEtcd, Option<Id>),
    /// The snapshot was already present, in this file.
    HadIt(PathBuf),
    /// Progress of finding or sending the snapshot, or of waiting for an earlier run.
    Step(Progress),
    /// The snapshot was sent and verified.
    Sent(Sent),
    /// Progress of one of its members.
    Row(String, RowEvent),
    /// What was built for a member was removed from staging.
    Discarded(String),
    /// These commands are being run.
    Halting(RunningEtcd),
    /// The etcd is stopped.
    Halted(RunningEtcd),
    /// A member was installed.
    Placed(Swapped),
    /// A member was rolled back: its renames.
    Undone(String, Renames),
    /// A member had been rolled back before: its renames then.
    UndoneBefore(String, Renames),
    /// A member was built there by hand, and its code proves it, as a sentence.
    ByHand(String, String),
    /// A member that was built by hand is to be installed by hand now.
    HandOver(String),
    /// A member is being started by these commands.
    Starting(String, Vec<String>),
    /// An etcd has locked a member's data directory.
    Started {
        /// The member.
        member: String,
        /// Its process ID, if visible.
        pid: Option<u32>,
        /// True if it was running before, so that nothing was done.
        already: bool,
    },
    /// The host failed; its remaining steps are skipped.
    Failed(Error),
}

/// Reports events to the caller and records them in the operator's journal.
pub(crate) struct EventReporter<'a> {
    job: &'a ExecutionSpec<'a>,
    hear: EventSink<'a>,
    /// When each host's last line was written: steps on a host are sequential, so the next one began then.
    last: Mutex<BTreeMap<String, Instant>>,
}

impl<'a> EventReporter<'a> {
    pub(crate) fn new(job: &'a ExecutionSpec<'a>, hear: EventSink<'a>) -> EventReporter<'a> {
        EventReporter { job, hear, last: Mutex::default() }
    }

    /// Runs `work` between the journal lines for its decisions and its beginning and the line for its end.
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
            (Err(error), _) => (false, format!("incomplete: {}", error.what)),
            (Ok(()), Goal::InPlace | Goal::Undone) => (true, "complete on every host".to_string()),
            (Ok(()), _) => (false, "complete as requested; nothing is installed".to_string()),
        };
        let failed = outcome.as_ref().err();
        let data = json!({
            "plan": run.plan, "run": run.id, "complete": complete, "why": failed.map(|error| &error.why),
            "fault": failed.and_then(|error| error.fault),
        });
        // The failure is returned even if the journal cannot be written.
        let written = self.note(Event::Ended, &format!("plan {}: {end}", run.plan), data);
        outcome.and(written)
    }

    /// Records the decisions.
    pub(crate) fn decided(&self) -> Result<()> {
        self.job.decisions.iter().try_for_each(|(text, data)| self.note(Event::Decided, text, data.clone()))
    }

    /// Adds a line to the journal.
    pub(crate) fn note(&self, kind: Event, text: &str, data: Value) -> Result<()> {
        Journal::at(self.job.system, self.job.journal).add(kind, text, data)
    }

    /// Records which blockers were overridden, and why.
    pub(crate) fn overridden(&self, clearance: &SafetyClearance) -> Result<()> {
        for fence in clearance.overridden() {
            let data = json!({"typed": fence.typed, "evidence": fence.evidence, "reason": self.job.reason});
            self.note(Event::Override, &format!("overridden: {}", fence.sentence()), data)?;
        }
        Ok(())
    }

    /// Reports an event that is not about a host.
    pub(crate) fn tell(&self, told: ExecutionEvent) {
        if let ExecutionEvent::Blockers(fences) = &told {
            for fence in fences.iter().filter(|fence| fence.typed.is_none()) {
                let _ = self.note(Event::Warned, &fence.sentence(), json!({"lift": fence.lift}));
            }
        }
        (self.hear)(told);
    }

    /// Reports an event on a host. Progress is not recorded. A journal line that cannot be written does not stop the
    /// host, which has its own journal.
    pub(crate) fn host(&self, host: &str, event: HostEvent) {
        let line = event.line(self.job.plan);
        if let Some(kind) = line.kind {
            let mut data = line.on(host);
            let before = self.last.lock().unwrap_or_else(PoisonError::into_inner).insert(host.into(), Instant::now());
            if let Some(before) = before.filter(|_| matches!(kind, Event::Done | Event::Restored | Event::Failed)) {
                data["took_ms"] = json!(u64::try_from(before.elapsed().as_millis()).unwrap_or(u64::MAX));
            }
            let data = bounded(data);
            // The lines after the first are for the screen.
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
