//! Leftovers of killed runs around a target: cleared where no run needs them, and refused where a list of renames is
//! not finished.

use std::path::Path;

use super::{
    rename_log::RenameLog,
    staging_recovery::{MOVES, STAGED, Shell},
};
use crate::{
    engine::durable_fs::{Disk, Locked},
    error::{Error, ErrorKind, Fault, Remedy, Result},
    text::Shown,
};

/// Clears what killed runs left around `target`. Whatever belongs to a running process, is staged for a plan or is not
/// ours is left alone.
pub fn clear(disk: &Disk, target: &Path) {
    for shell in Shell::around(disk, target) {
        clear_shell(disk, &shell, true);
    }
}

/// Clears one staging directory; returns false if a running process holds it.
fn clear_shell(disk: &Disk, shell: &Shell, follow: bool) -> bool {
    let Some(marker) = shell.marker().map(Locked::new) else {
        shell.vanish();
        return true;
    };
    if !marker.try_take().unwrap_or(false) {
        return false;
    }
    // The staging directory of the data directory is cleared first: its list may still refer to this WAL.
    let partner = shell.partner().and_then(|path| Shell::at(disk, &path));
    if partner.is_some_and(|partner| follow && !clear_shell(disk, &partner, false)) {
        return false;
    }
    match RenameLog::read(shell) {
        Some(moves) if moves.once => moves.settle(disk, shell),
        _ if [STAGED, MOVES].iter().any(|name| shell.has(name)) => {}
        _ => shell.remove(),
    }
    true
}

/// Clears what killed runs left around a target.
///
/// # Errors
/// `Refused` if another installation there is not finished.
pub(super) fn prepare(disk: &Disk, target: &Path) -> Result<()> {
    clear(disk, target);
    let own = Shell::around(disk, target);
    let led = own.iter().filter_map(|shell| Shell::at(disk, &shell.partner()?)).collect::<Vec<_>>();
    match own.iter().chain(&led).filter_map(RenameLog::read).find(|moves| moves.touches(target)) {
        Some(other) => Err(cut_off(target, &other)),
        None => Ok(()),
    }
}

/// Returns the error for another plan's killed run, whose list is the only record of its renames, or for a restore that
/// is still running.
fn cut_off(target: &Path, other: &RenameLog) -> Error {
    if other.once {
        return Error::new(ErrorKind::Refused, format!("{}: another restore is running", target.shown()))
            .hint("Wait until it has ended, then run the same command again.");
    }
    Error::new(ErrorKind::Refused, format!("{}: an earlier installation or rollback is not finished", target.shown()))
        .fault(Fault::OtherRun)
        .why(format!("a run of plan {} was killed while renaming directories of {}", other.plan, other.name))
        .remedies(&[Remedy::FinishOther])
}
