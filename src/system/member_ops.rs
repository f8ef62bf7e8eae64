//! What is done on the machine where members live: a member built beside its place, put there, taken out again.

use std::path::{Path, PathBuf};

use crate::{
    agent::{
        protocol::{Have, Wanted},
        snapshot_upload,
    },
    domain::{
        model::plan::{Member, Plan},
        preflight::stop::RunningEtcd,
    },
    engine::{
        install::{
            MemberState, Record, Renames, Swapped,
            run_lock::{NotClaimed, Run, RunLock},
        },
        progress::ProgressFn,
        restore::Restored,
    },
    error::Result,
};

/// One member of a plan, and the run that works on it.
#[derive(Debug, Clone, Copy)]
pub struct PlannedMember<'a> {
    /// The plan; its source is where the snapshot lies on this machine.
    pub plan: &'a Plan,
    /// The plan's short ID, as its operator has it.
    pub plan_id: &'a str,
    /// The member's name.
    pub name: &'a str,
    /// The run's ID.
    pub run: &'a str,
}

impl<'a> PlannedMember<'a> {
    /// The member's row.
    ///
    /// # Errors
    /// When the plan has none of that name.
    pub fn member(&self) -> Result<&'a Member> {
        self.plan.member(self.name)
    }
}

/// A machine with members' directories. All calls block.
pub trait MemberOps: Send + Sync {
    /// Keeps others away from these directories until the claim is dropped.
    ///
    /// # Errors
    /// `Refused`, saying who has one of them, where and since when.
    fn claim(&self, run: &Run, targets: &[PathBuf]) -> std::result::Result<RunLock, NotClaimed>;

    /// The journal of this plan on this machine.
    fn journal(&self, target: &Path, plan: &str) -> PathBuf;

    /// How much of a snapshot is here.
    ///
    /// # Errors
    /// When what is here cannot be read; `Stopped`.
    fn have(&self, wanted: &Wanted, watch: &mut ProgressFn<'_>) -> Result<Have> {
        snapshot_upload::look(wanted, watch)
    }

    /// How far a member is, as far as its directories tell.
    fn standing(&self, work: &PlannedMember<'_>) -> Result<MemberState>;

    /// Builds a member beside its place and proves it.
    ///
    /// # Errors
    /// In a sentence; what was made is removed and what was there stays.
    fn stage(&self, work: &PlannedMember<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored>;

    /// Puts a staged member in place, and what is there aside under a name with `stamp`.
    ///
    /// # Errors
    /// In a sentence; what was there is in place again.
    fn swap(&self, work: &PlannedMember<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped>;

    /// Takes a member out of its place again, and puts back what was there.
    ///
    /// # Errors
    /// In a sentence; all is as it was.
    fn undo(
        &self,
        work: &PlannedMember<'_>,
        swapped: &Swapped,
        stamp: &str,
        record: Record<'_, Renames>,
    ) -> Result<Renames>;

    /// Removes what was staged for a member.
    ///
    /// # Errors
    /// When the member is not in the plan.
    fn discard(&self, work: &PlannedMember<'_>) -> Result<()>;

    /// Runs the commands that stop an etcd, and waits until nobody holds its directory.
    ///
    /// # Errors
    /// What a command said, or who still holds it.
    fn halt(&self, halt: &RunningEtcd) -> Result<()>;

    /// Runs the commands that start a member, and waits until a process holds its directory: that one's ID, where it may be
    /// seen.
    ///
    /// # Errors
    /// What a command said, or that nobody holds it after so long; `Stopped`.
    fn start(&self, work: &PlannedMember<'_>, commands: &[String], watch: &mut ProgressFn<'_>) -> Result<Option<u32>>;
}
