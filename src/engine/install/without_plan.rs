//! A restore without a plan: one member is built and installed at once, and never over anything.

use super::{
    MemberRef, as_planned,
    by_plan::{refer, renames_to_install},
    leftovers,
    open_dirs::OpenDirs,
    real,
    rename_log::Outcome,
    staging,
    staging_recovery::{MOVES, Shell},
};
use crate::{
    engine::{
        durable_fs::Disk,
        progress::{Phase, ProgressFn},
        restore::{
            self, Built, RestoreSpec, Restored, Tools,
            expected::{Expected, Pinned},
        },
        source::step,
    },
    error::{Error, ErrorKind, Result},
};

/// Restores one member to a directory that does not exist or is empty: builds, verifies and installs it, without a
/// plan.
///
/// # Errors
/// As [`restore_with`].
pub fn restore(job: &RestoreSpec<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored> {
    restore_with(job, &Tools::default(), watch)
}

/// As [`restore()`], with these tools.
///
/// # Errors
/// If the source is damaged, the target is not free, or the system refuses; nothing is left in staging then. `Stopped`
/// if `watch` requests it.
pub fn restore_with(job: &RestoreSpec<'_>, tools: &Tools, watch: &mut ProgressFn<'_>) -> Result<Restored> {
    let disk = &tools.disk;
    // Checked before the source is read, so that a target that is not free is reported at once.
    let (data_dir, wal_dir) = (real(job.data_dir)?, job.wal_dir.map(real).transpose()?);
    [Some(&data_dir), wal_dir.as_ref()]
        .into_iter()
        .flatten()
        .try_for_each(|target| leftovers::prepare(disk, target))?;
    [Some(job.data_dir), job.wal_dir].into_iter().flatten().try_for_each(|target| staging::free(target).map(|_| ()))?;
    let here = RestoreSpec { data_dir: &data_dir, wal_dir: wal_dir.as_deref(), ..job.clone() };
    let built = restore::build(&here, tools, watch)?;
    let restored = Restored { data_dir: job.data_dir.into(), ..built.restored.clone() };
    let pinned = Pinned {
        sha256: &restored.source_sha256,
        revision: restored.revision.saturating_sub_unsigned(job.bump_revision),
        keys: restored.keys.saturating_sub(u64::from(job.bump_revision > 0)),
        bump: job.bump_revision,
    };
    let expected = Expected::new(job.genesis, job.name, job.target, pinned)
        .ok_or_else(|| Error::new(ErrorKind::Bug, format!("{}: not in its own member table", job.name)))?;
    let (data_dir, wal_dir) = (job.data_dir, job.wal_dir);
    let member = MemberRef { plan: "", run: "", name: job.name, data_dir, wal_dir, expected: &expected };
    step(watch, Phase::Place, 0, 0)?;
    install(disk, &member, built, &restored)?;
    Ok(restored)
}

/// Installs what was built without a plan; rolls back if a rename or the verification fails.
fn install(disk: &Disk, member: &MemberRef<'_>, built: Built, restored: &Restored) -> Result<()> {
    let _log = built.hold_log()?;
    let dirs = OpenDirs::new(disk);
    let stages: Vec<_> = [Some(&built.data), built.wal.as_ref()].into_iter().flatten().collect();
    stages.iter().try_for_each(|stage| stage.sync())?;
    let shells: Vec<Shell> = stages.into_iter().map(|stage| stage.shell().clone()).collect();
    let (Some(shell), log) = (shells.first(), shells.get(1)) else { return Ok(()) };
    let moves = renames_to_install(&dirs, member, &shells, restored.clone(), None)?;
    log.map_or(Ok(()), |log| refer(log, shell))?;
    moves.write(shell)?;
    let Outcome::Swapped(swapped) = &moves.outcome else { return Ok(()) };
    let installed = moves.execute(&dirs, shell).and_then(|()| {
        as_planned(disk, member, swapped).or_else(|trouble| moves.roll_back(&dirs, shell).and(Err(trouble)))
    });
    if installed.is_ok() {
        moves.clear(&dirs, shell);
    }
    // If the rename log is still there, the next run finishes it.
    if installed.is_ok() || shell.has(MOVES) {
        built.leave();
    }
    installed
}
