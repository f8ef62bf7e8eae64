//! Members' directories on this machine.

use std::path::{Path, PathBuf};

use super::{Local, service};
use crate::{
    domain::{
        members::{build_plan, table::Severity},
        preflight::stop::RunningEtcd,
    },
    engine::{
        install::{
            self, MemberRef, MemberState, Record, Renames, Swapped,
            run_lock::{self, NotClaimed, Run, RunLock},
        },
        progress::ProgressFn,
        restore::{RestoreSpec, Restored, expected::Expected, initial_log::InitialLog},
    },
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    system::member_ops::{MemberOps, PlannedMember},
};

impl Local {
    /// Passes a member's restore to `work`, as the plan has it, after validating the plan.
    fn job<T>(
        &self,
        work: &PlannedMember<'_>,
        then: impl FnOnce(&RestoreSpec<'_>, &MemberRef<'_>) -> Result<T>,
    ) -> Result<T> {
        let plan = work.plan;
        let errors: Vec<String> =
            build_plan::verify(plan).into_iter().filter(|p| p.severity == Severity::Error).map(|p| p.text).collect();
        if !errors.is_empty() {
            return Err(Error::new(ErrorKind::Refused, "plan: not carried out").why(errors.join("; ")));
        }
        let table = plan.members.iter().map(|m| (m.name.as_str(), m.peer_urls.as_slice()));
        self.member(work, |whose| {
            let genesis = InitialLog::new(table, &plan.token);
            then(
                &RestoreSpec {
                    source: &plan.source.path,
                    pinned_sha256: Some(&plan.source.sha256),
                    skip_hash_check: plan.source.skip_hash_check,
                    genesis: &genesis,
                    name: work.name,
                    data_dir: whose.data_dir,
                    wal_dir: whose.wal_dir,
                    target: plan.target.unwrap_or(Minor::V3_5),
                    bump_revision: plan.bump_revision,
                    options: &plan.options,
                },
                whose,
            )
        })
    }

    /// Passes a member's target to `then`, with what the plan expects there.
    fn member<T>(&self, work: &PlannedMember<'_>, then: impl FnOnce(&MemberRef<'_>) -> Result<T>) -> Result<T> {
        let (member, expected) = (work.member()?, Expected::from_plan(work.plan, work.name)?);
        let (data_dir, wal_dir) = (member.data_dir.as_path(), member.wal_dir.as_deref());
        then(&MemberRef { plan: work.plan_id, run: work.run, name: work.name, data_dir, wal_dir, expected: &expected })
    }
}

impl MemberOps for Local {
    fn claim(&self, run: &Run, targets: &[PathBuf]) -> std::result::Result<RunLock, NotClaimed> {
        RunLock::take(run, targets, self.within.as_deref())
    }

    fn journal(&self, target: &Path, plan: &str) -> PathBuf {
        run_lock::journal(target, plan, self.within.as_deref())
    }

    fn member_state(&self, work: &PlannedMember<'_>) -> Result<MemberState> {
        self.member(work, |whose| install::member_state(&self.tools.disk, whose))
    }

    fn stage(&self, work: &PlannedMember<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored> {
        self.job(work, |job, whose| install::build(job, whose, &self.tools, watch))
    }

    fn swap(&self, work: &PlannedMember<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped> {
        self.member(work, |whose| install::install(&self.tools.disk, whose, stamp, record))
    }

    fn undo(
        &self,
        work: &PlannedMember<'_>,
        swapped: &Swapped,
        stamp: &str,
        record: Record<'_, Renames>,
    ) -> Result<Renames> {
        self.member(work, |whose| install::roll_back(&self.tools.disk, whose, swapped, stamp, record))
    }

    fn discard(&self, work: &PlannedMember<'_>) -> Result<()> {
        self.member(work, |whose| install::discard(&self.tools.disk, whose))
    }

    fn halt(&self, halt: &RunningEtcd) -> Result<()> {
        service::halt(halt)
    }

    fn start(&self, work: &PlannedMember<'_>, commands: &[String], watch: &mut ProgressFn<'_>) -> Result<Option<u32>> {
        self.member(work, |whose| service::start(whose.data_dir, whose.wal_dir, commands, watch))
    }
}
