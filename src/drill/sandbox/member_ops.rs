//! Members' directories in the exercise: the disk may be full, and once every member of a plan is installed, members run.

use std::path::{Path, PathBuf};

use super::Sandbox;
use crate::{
    agent::protocol::{Have, Wanted},
    domain::preflight::stop::RunningEtcd,
    drill::{scenario::Act, session::What},
    engine::{
        install::{
            MemberState, Record, Renames, Swapped,
            run_lock::{NotClaimed, Run, RunLock},
        },
        progress::ProgressFn,
        restore::Restored,
    },
    error::Result,
    system::{
        System,
        member_ops::{MemberOps, PlannedMember},
    },
};

impl<W: System> MemberOps for Sandbox<W> {
    fn claim(&self, run: &Run, targets: &[PathBuf]) -> std::result::Result<RunLock, NotClaimed> {
        targets.iter().try_for_each(|dir| self.bounds.build(dir))?;
        self.inner.member_ops().claim(run, targets)
    }

    fn journal(&self, target: &Path, plan: &str) -> PathBuf {
        self.inner.member_ops().journal(target, plan)
    }

    fn member_state(&self, work: &PlannedMember<'_>) -> Result<MemberState> {
        self.may_build(work)?;
        self.inner.member_ops().member_state(work)
    }

    fn have(&self, wanted: &Wanted, watch: &mut ProgressFn<'_>) -> Result<Have> {
        self.inner.member_ops().have(wanted, watch)
    }

    fn stage(&self, work: &PlannedMember<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored> {
        self.bounds.path(&work.plan.source.path)?;
        self.may_build(work)?;
        self.begins(work.plan, work.name)?;
        self.inner.member_ops().stage(work, watch)
    }

    fn swap(&self, work: &PlannedMember<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped> {
        self.may_build(work)?;
        let swapped = self.inner.member_ops().swap(work, stamp, record)?;
        self.record_installed(work.plan, work.name);
        Ok(swapped)
    }

    fn undo(
        &self,
        work: &PlannedMember<'_>,
        swapped: &Swapped,
        stamp: &str,
        record: Record<'_, Renames>,
    ) -> Result<Renames> {
        self.may_build(work)?;
        let mut exercise = self.exercise.lock();
        exercise.installed.1.remove(work.name);
        exercise.lab.take_down();
        exercise.note(What::Restore, format!("{} rolled back", work.name));
        drop(exercise);
        self.inner.member_ops().undo(work, swapped, stamp, record)
    }

    fn discard(&self, work: &PlannedMember<'_>) -> Result<()> {
        self.may_build(work)?;
        self.inner.member_ops().discard(work)
    }

    fn halt(&self, halt: &RunningEtcd) -> Result<()> {
        // no command is run in an exercise: its members are not run by a service manager
        let mut exercise = self.exercise.lock();
        match exercise.lab.runner_of(&halt.data_dir) {
            Some(name) => exercise.lab.act(&Act::Stop(name)),
            None => Ok(()),
        }
    }

    fn start(&self, work: &PlannedMember<'_>, commands: &[String], watch: &mut ProgressFn<'_>) -> Result<Option<u32>> {
        self.may_build(work)?;
        self.inner.member_ops().start(work, commands, watch)
    }
}
