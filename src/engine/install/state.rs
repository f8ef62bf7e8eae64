//! The state of a plan's member on this machine, as its own directories show it: nothing, staged, or in the middle of
//! being installed or rolled back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    MemberRef, Swapped,
    rename_log::{Outcome, RenameLog},
    staging_recovery::{self, MOVES, STAGED, Shell},
    targets,
};
use crate::{
    engine::{durable_fs::Disk, restore::Restored},
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// The note in a staging directory whose content is complete and verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) plan: String,
    pub(super) run: String,
    pub(super) name: String,
    /// The directory that it is built for, symbolic links resolved.
    pub(super) target: PathBuf,
    /// What was read back; `None` for a separate WAL directory.
    pub(super) restored: Option<Restored>,
}

/// The state of a plan's member on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// Nothing of it exists here.
    Nothing,
    /// It is built and verified in staging.
    Staged(Restored),
    /// Its installation was interrupted.
    Moving(Restored),
    /// Its rollback was interrupted.
    Undoing,
    /// It is installed.
    InPlace(Swapped),
}

/// Returns a member's state as its directories show it; [`MemberState::InPlace`] is known only from the journal.
///
/// # Errors
/// If a rename log of ours is there that cannot be this member's.
pub fn member_state(disk: &Disk, member: &MemberRef<'_>) -> Result<MemberState> {
    Ok(match find(disk, member)? {
        Some(Found::Staged(_, Note { restored: Some(restored), .. })) => MemberState::Staged(restored),
        Some(Found::Unfinished(_, RenameLog { outcome: Outcome::Swapped(swapped), .. })) => {
            MemberState::Moving(swapped.restored)
        }
        Some(Found::Unfinished(_, _)) => MemberState::Undoing,
        _ => MemberState::Nothing,
    })
}

/// Removes what was staged for this member of this plan.
///
/// # Errors
/// If the symbolic links of its directories cannot be resolved.
pub fn discard(disk: &Disk, member: &MemberRef<'_>) -> Result<()> {
    for target in targets(member)? {
        for (shell, note) in notes(disk, &target) {
            if (note.plan.as_str(), note.name.as_str()) == (member.plan, member.name) && shell.note(MOVES).is_none() {
                shell.remove();
            }
        }
    }
    Ok(())
}

/// Returns the staging directories around a target that have a note, with it.
pub(super) fn notes(disk: &Disk, target: &Path) -> Vec<(Shell, Note)> {
    let note = |shell: &Shell| serde_json::from_slice(&shell.note(STAGED)?).ok();
    Shell::around(disk, target).into_iter().filter_map(|shell| Some((shell.clone(), note(&shell)?))).collect()
}

/// What was found of a member: built and staged, or with a rename log that is not finished.
pub(super) enum Found {
    Staged(Shell, Note),
    Unfinished(Shell, RenameLog),
}

pub(super) fn find(disk: &Disk, member: &MemberRef<'_>) -> Result<Option<Found>> {
    let targets = targets(member)?;
    let Some(target) = targets.first() else { return Ok(None) };
    let mine = |plan: &str, name: &str| (plan, name) == (member.plan, member.name);
    for shell in Shell::around(disk, target) {
        let refused = |why: String| {
            Error::new(ErrorKind::Refused, format!("{}: its rename log is not used", shell.path().shown()))
                .why(why)
                .hint("Nothing was changed. Find out who created that directory, and move it away.")
        };
        if let Some(why) = staging_recovery::strange(&shell, MOVES) {
            return Err(refused(why));
        }
        if let Some(moves) = RenameLog::read(&shell).filter(|moves| mine(&moves.plan, &moves.name)) {
            moves.fits(member, &targets).map_err(refused)?;
            return Ok(Some(Found::Unfinished(shell, moves)));
        }
    }
    let mut notes = notes(disk, target).into_iter();
    let found = notes.find(|(shell, note)| {
        let fits = |restored| member.expected.differs(restored).is_none();
        mine(&note.plan, &note.name)
            && note.target == *target
            && note.restored.as_ref().is_some_and(fits)
            && shell.waits()
    });
    Ok(found.map(|(shell, note)| Found::Staged(shell, note)))
}
