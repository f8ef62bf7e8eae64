//! A plan's member: built in staging, installed, and rolled back, each resumed where an earlier run was killed.

use std::path::{Path, PathBuf};

use super::{
    MemberRef, Place, Record, Renames, Swapped, as_planned, half, identity, leftovers,
    open_dirs::OpenDirs,
    real,
    rename_log::{Outcome, Rename, RenameLog, entries},
    staging::{self, parent},
    staging_recovery::Shell,
    state::{Found, Note, find, notes},
    targets,
};
use crate::{
    domain::model::observations::disk::Held,
    engine::{
        datadir,
        durable_fs::Disk,
        progress::ProgressFn,
        restore::{self, RestoreSpec, Restored, Tools},
        source::io_trouble,
    },
    error::{Error, ErrorKind, Fault, Result},
    text::Shown,
};

/// Builds a member in staging and verifies it; what an earlier run of the same plan built is used, what was built for
/// another plan is removed.
///
/// # Errors
/// As [`restore::build`]; nothing is left in staging then. `Refused` if an earlier installation or rollback is not
/// finished.
pub fn build(
    job: &RestoreSpec<'_>,
    member: &MemberRef<'_>,
    tools: &Tools,
    watch: &mut ProgressFn<'_>,
) -> Result<Restored> {
    let disk = &tools.disk;
    let (data_dir, wal_dir) = (real(job.data_dir)?, job.wal_dir.map(real).transpose()?);
    match find(disk, member)? {
        Some(Found::Staged(_, Note { restored: Some(restored), .. })) => return Ok(restored),
        Some(Found::Unfinished(_, _)) => return Err(half(member)),
        _ => {}
    }
    for target in [Some(&data_dir), wal_dir.as_ref()].into_iter().flatten() {
        leftovers::prepare(disk, target)?;
        for (shell, _) in notes(disk, target).into_iter().filter(|(_, note)| note.target == *target) {
            shell.remove();
        }
    }
    let job = RestoreSpec { data_dir: &data_dir, wal_dir: wal_dir.as_deref(), ..job.clone() };
    let built = restore::build(&job, tools, watch)?;
    let restored = Restored { data_dir: member.data_dir.into(), ..built.restored };
    if let Some(why) = member.expected.differs(&restored) {
        return Err(Error::new(ErrorKind::Failed, format!("{}: differs from the plan", member.name)).why(why).hint(
            "What was built is removed. If the plan file was edited by hand, make a new plan from the same snapshot.",
        ));
    }
    let note = |target: &Path, restored: Option<Restored>| {
        let note = Note {
            plan: member.plan.into(),
            run: member.run.into(),
            name: member.name.into(),
            target: target.into(),
            restored,
        };
        serde_json::to_vec(&note)
            .map_err(|e| Error::new(ErrorKind::Input, "cannot record a path that is not UTF-8").why(e))
    };
    // The data directory's note comes last: it means that everything is there.
    if let (Some(wal), Some(dir)) = (built.wal, &wal_dir) {
        refer(wal.shell(), built.data.shell())?;
        wal.keep(&note(dir, None)?)?;
    }
    built.data.keep(&note(&data_dir, Some(restored.clone()))?)?;
    Ok(restored)
}

/// Installs a staged member and renames the existing directories to a name with `stamp`; resumes where an earlier run
/// was killed. The installed directories are then verified, and `record` records the result before the rename log is
/// removed.
///
/// # Errors
/// If nothing is staged, an etcd runs on the existing directory, or the system refuses; the previous directories are
/// restored then. The error of `record`; the next run records the result then.
pub fn install(disk: &Disk, member: &MemberRef<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped> {
    let dirs = OpenDirs::new(disk);
    let (shell, moves) = match find(disk, member)? {
        Some(Found::Unfinished(shell, moves)) => (shell, moves),
        Some(Found::Staged(shell, Note { restored: Some(restored), .. })) => {
            let shells = staged(disk, member, &shell)?;
            let moves = renames_to_install(&dirs, member, &shells, restored, Some(stamp))?;
            moves.write(&shell)?;
            (shell, moves)
        }
        _ => {
            return Err(Error::new(ErrorKind::Failed, format!("{}: not built yet", member.name))
                .fault(Fault::NotBuilt)
                .why(format!("nothing of plan {} is staged next to {}", member.plan, member.data_dir.shown()))
                .hint("Apply the plan again: that builds it."));
        }
    };
    let Outcome::Swapped(swapped) = &moves.outcome else { return Err(half(member)) };
    free_of_etcd(&dirs, &moves, member)?;
    moves.execute(&dirs, &shell)?;
    if let Err(trouble) = as_planned(disk, member, swapped) {
        moves.roll_back(&dirs, &shell)?;
        return Err(trouble);
    }
    record(swapped)?;
    moves.clear(&dirs, &shell);
    Ok(swapped.clone())
}

/// Rolls back an installed member: renames its directories to a name with `stamp` and restores the previous ones;
/// resumes where an earlier run was killed. `record` records the renames, as in [`install`].
///
/// # Errors
/// If the installed directories are no longer that member's, the previous ones are gone, an etcd runs on them, or the
/// system refuses; everything is as before then. The error of `record`.
pub fn roll_back(
    disk: &Disk,
    member: &MemberRef<'_>,
    swapped: &Swapped,
    stamp: &str,
    record: Record<'_, Renames>,
) -> Result<Renames> {
    let dirs = OpenDirs::new(disk);
    let (shell, moves) = match find(disk, member)? {
        Some(Found::Unfinished(shell, moves)) if matches!(moves.outcome, Outcome::Undone) => (shell, moves),
        Some(Found::Unfinished(_, _)) => return Err(half(member)),
        _ => {
            let moves = renames_to_roll_back(&dirs, member, swapped, stamp)?;
            let Some(first) = swapped.places.first() else { return Ok(Vec::new()) };
            let place = if first.inside { &first.target } else { parent(&first.target) };
            let made = dirs.dir(place).and_then(|place| staging::shell(&place));
            let (shell, _lock) = made.map_err(|e| io_trouble("write to", place, &e))?;
            moves.write(&shell)?;
            (shell, moves)
        }
    };
    free_of_etcd(&dirs, &moves, member)?;
    moves.execute(&dirs, &shell)?;
    let renamed: Vec<_> = moves.renames.iter().map(|rename| (rename.from.clone(), rename.to.clone())).collect();
    record(&renamed)?;
    moves.clear(&dirs, &shell);
    Ok(renamed)
}

/// Returns the staging directories of a staged member in the order of its targets; `data` is the first.
fn staged(disk: &Disk, member: &MemberRef<'_>, data: &Shell) -> Result<Vec<Shell>> {
    let mut shells = vec![data.clone()];
    for target in targets(member)?.into_iter().skip(1) {
        let mine =
            |note: &Note| (note.plan.as_str(), note.name.as_str(), &note.target) == (member.plan, member.name, &target);
        let found = notes(disk, &target).into_iter().find(|(_, note)| mine(note));
        shells.push(found.map(|(shell, _)| shell).ok_or_else(|| {
            Error::new(ErrorKind::Failed, format!("{}: its WAL is no longer staged", member.name))
                .why(format!("nothing of this plan is staged next to {}", target.shown()))
                .hint("Apply the plan again: that rebuilds it.")
        })?);
    }
    Ok(shells)
}

/// Returns the renames that install what is in these staging directories, one for each target. Existing directories are
/// renamed to a name with the stamp; without a stamp there may be none.
pub(super) fn renames_to_install(
    dirs: &OpenDirs<'_>,
    member: &MemberRef<'_>,
    shells: &[Shell],
    restored: Restored,
    stamp: Option<&str>,
) -> Result<RenameLog> {
    let mut moves = RenameLog::new(member, Outcome::Undone);
    moves.once = stamp.is_none();
    let (mut places, mut ins) = (Vec::new(), Vec::new());
    for (at, (target, shell)) in targets(member)?.into_iter().zip(shells).enumerate() {
        let inside = staging::inside(&target)?;
        let content = shell.path().join("new");
        let aside = match (inside, stamp) {
            (_, None) => staging::free(&target)
                .map(|_| None)
                .map_err(|trouble| trouble.why("it appeared while the restore was running"))?,
            (true, Some(stamp)) => moves.aside_entries(dirs, &target, false, stamp)?,
            (false, Some(stamp)) if target.exists() => Some(moves.aside_whole(dirs, &target, "old", stamp)?),
            (false, Some(_)) => None,
        };
        let identity = if inside { dirs.dir(&target).and_then(|dir| dir.identity()) } else { dirs.identity(&content) };
        let identity = identity.map_err(|e| io_trouble("read", &content, &e))?;
        let mut new = match inside {
            true => {
                let dir = dirs.dir(&content).map_err(|e| io_trouble("read", &content, &e))?;
                let names = entries(&dir)?.into_iter();
                names.map(|name| Rename::new(dirs, &content.join(name), &target)).collect::<Result<Vec<_>>>()?
            }
            false => vec![Rename { from: content, to: target.clone(), identity, content: None }],
        };
        if at > 0 && moves.once {
            new = new.into_iter().map(|rename| rename.with_content(dirs)).collect::<Result<Vec<_>>>()?;
        }
        // The data directory last.
        new.append(&mut ins);
        ins = new;
        places.push(Place { target, inside, aside, identity });
        // The WAL's is cleared first: a staged member is found through that of the data directory.
        moves.shells.insert(0, shell.path().into());
    }
    moves.renames.extend(ins);
    moves.outcome = Outcome::Swapped(Swapped { name: member.name.into(), restored, places });
    Ok(moves)
}

/// Returns the renames that roll back an installed member.
fn renames_to_roll_back(
    dirs: &OpenDirs<'_>,
    member: &MemberRef<'_>,
    swapped: &Swapped,
    stamp: &str,
) -> Result<RenameLog> {
    let mut moves = RenameLog::new(member, Outcome::Undone);
    let mut back = Vec::new();
    let changed = |target: &Path, why: &str| {
        Error::new(ErrorKind::Refused, format!("{}: cannot roll back {}", member.name, target.shown()))
            .fault(Fault::Changed)
            .why(why)
            .hint("Nothing was changed. Check what is there, and move the directories by hand.")
    };
    // A journal that another user wrote may name any directory of this machine.
    swapped.is_of(&targets(member)?).map_err(|why| {
        changed(member.data_dir, &format!("the journal on this machine is wrong: {why}")).fault(Fault::NotItsPlace)
    })?;
    for place in &swapped.places {
        if identity(&place.target) != Some(place.identity) {
            return Err(changed(&place.target, "it is not the directory that requorum installed"));
        }
        let exists = |aside: &PathBuf| dirs.dir(aside).is_ok();
        if place.aside.as_ref().is_some_and(|aside| !exists(aside)) {
            return Err(changed(&place.target, "the previous directory is no longer where it was moved"));
        }
        match (place.inside, &place.aside) {
            (true, aside) => {
                moves.aside_entries(dirs, &place.target, true, stamp)?;
                if let Some(aside) = aside {
                    let dir = dirs.dir(aside).map_err(|e| io_trouble("read", aside, &e))?;
                    for name in entries(&dir)? {
                        back.push(Rename::new(dirs, &aside.join(name), &place.target)?);
                    }
                }
                moves.empty.extend(aside.clone());
            }
            (false, aside) => {
                moves.aside_whole(dirs, &place.target, "undone", stamp)?;
                if let Some(from) = aside {
                    let identity = dirs.identity(from).map_err(|e| io_trouble("read", from, &e))?;
                    back.push(Rename { from: from.clone(), to: place.target.clone(), identity, content: None });
                }
            }
        }
    }
    // The data directory last, so that no etcd finds half of it.
    back.reverse();
    moves.renames.extend(back);
    Ok(moves)
}

/// Notes the path of the data directory's staging directory in that of the WAL.
pub(super) fn refer(log: &Shell, data: &Shell) -> Result<()> {
    log.refer(data).map_err(|e| io_trouble("write to", log.path(), &e))
}

/// Checks that no etcd uses what is to be renamed.
///
/// # Errors
/// `Refused`, with the process if it is visible.
fn free_of_etcd(dirs: &OpenDirs<'_>, moves: &RenameLog, member: &MemberRef<'_>) -> Result<()> {
    if moves.begun(dirs) {
        return Ok(());
    }
    match datadir::held(&real(member.data_dir)?, member.wal_dir.map(real).transpose()?.as_deref()) {
        Held::By { pid, program } => {
            let who = match pid {
                Some(pid) => format!("{program} (pid {pid}) has it locked"),
                None => "a process that this user cannot see has it locked".into(),
            };
            Err(Error::new(ErrorKind::Refused, format!("{}: in use", member.data_dir.shown()))
                .fault(Fault::InUse)
                .why(who)
                .hint("Stop that etcd so that nothing restarts it, then try again."))
        }
        Held::No | Held::Unknown(_) => Ok(()),
    }
}
