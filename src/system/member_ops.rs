//! Operations on the machine of a member: build it in staging, install it, roll it back.

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
    /// The plan; its source has the path of the snapshot on this machine.
    pub plan: &'a Plan,
    /// The plan's short ID, as its operator has it.
    pub plan_id: &'a str,
    /// The member's name.
    pub name: &'a str,
    /// The run's ID.
    pub run: &'a str,
}

impl<'a> PlannedMember<'a> {
    /// Returns the member's row.
    ///
    /// # Errors
    /// When the plan has no member of that name.
    pub fn member(&self) -> Result<&'a Member> {
        self.plan.member(self.name)
    }
}

/// A machine with members' directories. All calls block.
pub trait MemberOps: Send + Sync {
    /// Locks these directories until the lock is dropped.
    ///
    /// # Errors
    /// `Refused`, with the holder of one of them, where it runs and since when.
    fn claim(&self, run: &Run, targets: &[PathBuf]) -> std::result::Result<RunLock, NotClaimed>;

    /// Returns the path of this plan's journal on this machine.
    fn journal(&self, target: &Path, plan: &str) -> PathBuf;

    /// Returns how much of a snapshot is present.
    ///
    /// # Errors
    /// When what is present cannot be read; `Stopped`.
    fn have(&self, wanted: &Wanted, watch: &mut ProgressFn<'_>) -> Result<Have> {
        snapshot_upload::look(wanted, watch)
    }

    /// Returns the state of a member, as far as its directories show it.
    fn member_state(&self, work: &PlannedMember<'_>) -> Result<MemberState>;

    /// Builds a member in staging and verifies it.
    ///
    /// # Errors
    /// In a sentence; what was built is removed and existing data stays.
    fn stage(&self, work: &PlannedMember<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored>;

    /// Installs a staged member, and moves what was there aside under a name with `stamp`.
    ///
    /// # Errors
    /// In a sentence; what was there before is in place again.
    fn swap(&self, work: &PlannedMember<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped>;

    /// Rolls a member back, and restores what was there before.
    ///
    /// # Errors
    /// In a sentence; nothing was changed.
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

    /// Runs the commands that stop an etcd, and waits until its directory is unlocked.
    ///
    /// # Errors
    /// The output of a failed command, or which process still has the lock.
    fn halt(&self, halt: &RunningEtcd) -> Result<()>;

    /// Runs the commands that start a member, and waits until a process locks its directory: returns the process ID, if
    /// visible.
    ///
    /// # Errors
    /// The output of a failed command, or that no process locked it in time; `Stopped`.
    fn start(&self, work: &PlannedMember<'_>, commands: &[String], watch: &mut ProgressFn<'_>) -> Result<Option<u32>>;
}
