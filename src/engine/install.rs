//! How a member that was built in staging is installed, rolled back, and what a killed run left is cleared: the one way,
//! with a plan and without.
//!
//! What is built is whole and verified ([`super::restore`]) and lies in a staging directory beside its place
//! ([`super::install::staging`]). By a plan it is marked with plan, run and name and outlives the run that made it; without one it is
//! installed at once. Either way one list of renames is on the disk before the first of them (`rename_log`):
//! ```text
//! DATA-DIR                       → DATA-DIR.old-STAMP     what is there, by a plan alone
//! WAL-DIR                        → WAL-DIR.old-STAMP
//! …/.requorum-XXXXXXXX/new       → WAL-DIR
//! …/.requorum-XXXXXXXX/new       → DATA-DIR               last: until then there is none, and no etcd finds half of it
//! ```
//! In a directory that cannot be renamed because something is mounted there, its entries go to `requorum-old-STAMP` in it.
//! Nothing is replaced, and nothing is removed but staging directories. A list whose run was killed is resumed or undone by
//! its plan; one without a plan is rolled back by the next run there ([`clear`]).

mod rename_log;
pub mod run_lock;
#[allow(clippy::arithmetic_side_effects, reason = "its one sum is a count of tries that ends at TRIES")]
pub mod staging;
pub mod staging_recovery;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::rename_log::{Ground, Outcome, Rename, RenameLog, entries, within};
use super::{
    datadir,
    durable_fs::{self, Disk, Identity, Locked},
    install::{
        staging::{exchanged, parent},
        staging_recovery::{MOVES, STAGED, Shell},
    },
    progress::{Phase, ProgressFn},
    restore::{
        self, Built, RestoreSpec, Restored, Tools,
        expected::{Expected, Pinned},
    },
    source::{io_trouble, step},
};
use crate::{
    domain::model::observations::disk::Held,
    error::{Error, ErrorKind, Remedy, Result},
    text::Shown,
};

/// Which member of which plan, and where it belongs.
#[derive(Debug, Clone, Copy)]
pub struct MemberRef<'a> {
    /// The plan's short ID.
    pub plan: &'a str,
    /// The ID of the run that works on it.
    pub run: &'a str,
    /// The member's name.
    pub name: &'a str,
    /// `--data-dir`.
    pub data_dir: &'a Path,
    /// `--wal-dir`, where it is not inside the data directory.
    pub wal_dir: Option<&'a Path>,
    /// What it has to be: what is found of it counts only where it is that.
    pub expected: &'a Expected,
}

/// From where to where things went.
pub type Renames = Vec<(PathBuf, PathBuf)>;

/// Writes down what came of an exchange before its last trace goes.
pub type Record<'a, T> = &'a mut dyn FnMut(&T) -> Result<()>;

/// The note in a staging directory whose content is whole and proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    plan: String,
    run: String,
    name: String,
    /// The directory that it is built for, links followed.
    target: PathBuf,
    /// What was read back; none for a WAL directory of its own.
    restored: Option<Restored>,
}

/// How far a member of a plan is on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// Nothing of it is here.
    Nothing,
    /// It is built and proven, and waits beside its place.
    Staged(Restored),
    /// It was being put in place when its run ended.
    Moving(Restored),
    /// It was being taken out of its place again when that ended.
    Undoing,
    /// It is in place.
    InPlace(Swapped),
}

/// A member that was put in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swapped {
    /// The member's name.
    pub name: String,
    /// What was read back of it.
    pub restored: Restored,
    /// Its data directory, and its WAL directory where that lies elsewhere.
    pub places: Vec<Place>,
}

impl Swapped {
    /// Where what was there before lies now, each with where it was.
    pub fn aside(&self) -> Renames {
        self.places.iter().filter_map(|place| Some((place.target.clone(), place.aside.clone()?))).collect()
    }

    /// Whether its directories are still the ones that were put there.
    pub fn still(&self) -> bool {
        self.places.iter().all(|place| identity(&place.target) == Some(place.identity))
    }

    /// Whether its places are these directories and lie beside or in them.
    fn is_of(&self, targets: &[PathBuf]) -> std::result::Result<(), String> {
        for (at, place) in self.places.iter().enumerate() {
            if targets.get(at) != Some(&place.target) {
                return Err(format!("{} is no directory of {}", place.target.shown(), self.name));
            }
            let own = std::slice::from_ref(&place.target);
            if let Some(aside) = place.aside.as_ref().filter(|aside| **aside == place.target || !within(own, aside)) {
                return Err(format!("what was there before cannot be at {}", aside.shown()));
            }
        }
        if self.places.len() == targets.len() { Ok(()) } else { Err("it has other directories".into()) }
    }
}

/// What the entry at `path` is; none where there is nothing.
fn identity(path: &Path) -> Option<Identity> {
    let (above, name) = Disk::default().above(path).ok()?;
    above.entry_identity(name).ok()?
}

/// One directory that was exchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The directory, links followed.
    pub target: PathBuf,
    /// Whether it stayed and only its entries were exchanged.
    pub inside: bool,
    /// Where what was there before lies; none where nothing was.
    pub aside: Option<PathBuf>,
    identity: Identity,
}

/// Builds a member beside its place and proves it; what was built by an earlier run of the same plan is taken, what was
/// built for another plan is removed.
///
/// # Errors
/// As [`restore::build`]; nothing of it is left then.
pub fn stage(
    job: &RestoreSpec<'_>,
    whose: &MemberRef<'_>,
    tools: &Tools,
    watch: &mut ProgressFn<'_>,
) -> Result<Restored> {
    let disk = &tools.disk;
    let (data_dir, wal_dir) = (real(job.data_dir)?, job.wal_dir.map(real).transpose()?);
    match find(disk, whose)? {
        Some(Found::Waits(_, Note { restored: Some(restored), .. })) => return Ok(restored),
        Some(Found::Moves(_, _)) => return Err(half(whose)),
        _ => {}
    }
    for target in [Some(&data_dir), wal_dir.as_ref()].into_iter().flatten() {
        prepare(disk, target)?;
        for (shell, _) in notes(disk, target).into_iter().filter(|(_, note)| note.target == *target) {
            shell.remove();
        }
    }
    let job = RestoreSpec { data_dir: &data_dir, wal_dir: wal_dir.as_deref(), ..job.clone() };
    let built = restore::build(&job, tools, watch)?;
    let restored = Restored { data_dir: whose.data_dir.into(), ..built.restored };
    if let Some(why) = whose.expected.differs(&restored) {
        return Err(Error::new(ErrorKind::Failed, format!("{} is not as planned", whose.name))
            .why(why)
            .hint("What was built is removed. Was the plan changed by hand? Make a new one from the same snapshot."));
    }
    let note = |target: &Path, restored: Option<Restored>| {
        let note = Note {
            plan: whose.plan.into(),
            run: whose.run.into(),
            name: whose.name.into(),
            target: target.into(),
            restored,
        };
        serde_json::to_vec(&note).map_err(|e| Error::new(ErrorKind::Input, "a path cannot be written down").why(e))
    };
    // The data directory's note comes last: it says that all is there.
    if let (Some(wal), Some(dir)) = (built.wal, &wal_dir) {
        refer(wal.shell(), built.data.shell())?;
        wal.keep(&note(dir, None)?)?;
    }
    built.data.keep(&note(&data_dir, Some(restored.clone()))?)?;
    Ok(restored)
}

/// Restores one member where nothing is: builds it, reads it back and installs it, without a plan.
///
/// # Errors
/// As [`restore_with`].
pub fn restore(job: &RestoreSpec<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored> {
    restore_with(job, &Tools::default(), watch)
}

/// The same with these tools.
///
/// # Errors
/// When the source is not whole, the target is taken, or the machine refuses; nothing is left behind then. `Stopped` when
/// `watch` says so.
pub fn restore_with(job: &RestoreSpec<'_>, tools: &Tools, watch: &mut ProgressFn<'_>) -> Result<Restored> {
    let disk = &tools.disk;
    // Looked at before the source is read through, so that a taken target is said at once.
    let (data_dir, wal_dir) = (real(job.data_dir)?, job.wal_dir.map(real).transpose()?);
    [Some(&data_dir), wal_dir.as_ref()].into_iter().flatten().try_for_each(|target| prepare(disk, target))?;
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
        .ok_or_else(|| Error::new(ErrorKind::Bug, format!("{} is no member of its table", job.name)))?;
    let (data_dir, wal_dir) = (job.data_dir, job.wal_dir);
    let whose = MemberRef { plan: "", run: "", name: job.name, data_dir, wal_dir, expected: &expected };
    step(watch, Phase::Place, 0, 0)?;
    install(disk, &whose, built, &restored)?;
    Ok(restored)
}

/// Installs what was built without a plan. Until its last rename it is rolled back where it fails.
fn install(disk: &Disk, whose: &MemberRef<'_>, built: Built, restored: &Restored) -> Result<()> {
    let _log = built.hold_log()?;
    let ground = Ground::new(disk);
    let stages: Vec<_> = [Some(&built.data), built.wal.as_ref()].into_iter().flatten().collect();
    stages.iter().try_for_each(|stage| stage.sync())?;
    let shells: Vec<Shell> = stages.into_iter().map(|stage| stage.shell().clone()).collect();
    let (Some(shell), log) = (shells.first(), shells.get(1)) else { return Ok(()) };
    let moves = plan_install(&ground, whose, &shells, restored.clone(), None)?;
    log.map_or(Ok(()), |log| refer(log, shell))?;
    moves.write(shell)?;
    let Outcome::Swapped(swapped) = &moves.outcome else { return Ok(()) };
    let installed = moves.carry(&ground, shell).and_then(|()| {
        as_planned(disk, whose, swapped).or_else(|trouble| moves.take_back(&ground, shell).and(Err(trouble)))
    });
    if installed.is_ok() {
        moves.clear(&ground, shell);
    }
    // Where the list is still there, the next run settles it.
    if installed.is_ok() || shell.has(MOVES) {
        built.leave();
    }
    installed
}

/// Clears what killed runs left around `target`. What a living run holds, what waits for its plan and what is not ours is
/// left alone.
pub fn clear(disk: &Disk, target: &Path) {
    for shell in Shell::around(disk, target) {
        clear_shell(disk, &shell, true);
    }
}

/// Clears one staging directory; false when a living run holds it.
fn clear_shell(disk: &Disk, shell: &Shell, follow: bool) -> bool {
    let Some(marker) = shell.marker().map(Locked::new) else {
        shell.vanish();
        return true;
    };
    if !marker.try_take().unwrap_or(false) {
        return false;
    }
    // Whose WAL this was has to be settled before its staging directory goes.
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

/// Clears what killed runs left around a target, and refuses where something is in the middle of being installed there.
fn prepare(disk: &Disk, target: &Path) -> Result<()> {
    clear(disk, target);
    let own = Shell::around(disk, target);
    let led = own.iter().filter_map(|shell| Shell::at(disk, &shell.partner()?)).collect::<Vec<_>>();
    match own.iter().chain(&led).filter_map(RenameLog::read).find(|moves| moves.touches(target)) {
        Some(other) => Err(cut_off(target, &other)),
        None => Ok(()),
    }
}

/// Notes in the WAL's staging directory where the data directory's is.
fn refer(log: &Shell, data: &Shell) -> Result<()> {
    log.refer(data).map_err(|e| io_trouble("write in", log.path(), &e))
}

/// How far a member is, as far as its own directories tell: [`MemberState::InPlace`] is for the journal to know.
///
/// # Errors
/// When what was left there is ours and cannot be this member's.
pub fn standing(disk: &Disk, whose: &MemberRef<'_>) -> Result<MemberState> {
    Ok(match find(disk, whose)? {
        Some(Found::Waits(_, Note { restored: Some(restored), .. })) => MemberState::Staged(restored),
        Some(Found::Moves(_, RenameLog { outcome: Outcome::Swapped(swapped), .. })) => {
            MemberState::Moving(swapped.restored)
        }
        Some(Found::Moves(_, _)) => MemberState::Undoing,
        _ => MemberState::Nothing,
    })
}

/// Removes what was staged for this member of this plan.
///
/// # Errors
/// When it cannot be told where its directories lie.
pub fn discard(disk: &Disk, whose: &MemberRef<'_>) -> Result<()> {
    for target in targets(whose)? {
        for (shell, note) in notes(disk, &target) {
            if (note.plan.as_str(), note.name.as_str()) == (whose.plan, whose.name) && shell.note(MOVES).is_none() {
                shell.remove();
            }
        }
    }
    Ok(())
}

/// Puts a staged member in place and what is there aside, under a name with `stamp`; goes on where an earlier run was
/// killed. What is there then is looked at again, and `record` writes down what came of it before the last trace goes by
/// which another run could tell.
///
/// # Errors
/// When nothing is staged, somebody runs on what is there, or the system refuses; then the old is in place again. What
/// `record` says; then the next run records it.
pub fn swap(disk: &Disk, whose: &MemberRef<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped> {
    let ground = Ground::new(disk);
    let (shell, moves) = match find(disk, whose)? {
        Some(Found::Moves(shell, moves)) => (shell, moves),
        Some(Found::Waits(shell, Note { restored: Some(restored), .. })) => {
            let shells = staged(disk, whose, &shell)?;
            let moves = plan_install(&ground, whose, &shells, restored, Some(stamp))?;
            moves.write(&shell)?;
            (shell, moves)
        }
        _ => {
            return Err(Error::new(ErrorKind::Failed, format!("{} is not built yet", whose.name))
                .why(format!("nothing of plan {} waits beside {}", whose.plan, whose.data_dir.shown()))
                .hint("Apply the plan again: it is built then."));
        }
    };
    let Outcome::Swapped(swapped) = &moves.outcome else { return Err(half(whose)) };
    free_of_etcd(&ground, &moves, whose)?;
    moves.carry(&ground, &shell)?;
    if let Err(trouble) = as_planned(disk, whose, swapped) {
        moves.take_back(&ground, &shell)?;
        return Err(trouble);
    }
    record(swapped)?;
    moves.clear(&ground, &shell);
    Ok(swapped.clone())
}

/// Takes a member that was put in place out again, under a name with `stamp`, and puts back what was there before; goes
/// on where an earlier run was killed. `record` writes down from where to where things went, as in [`swap`].
///
/// # Errors
/// When what is in place is no longer that member's, what was there before is gone, somebody runs on it, or the system
/// refuses; then all is as it was. What `record` says.
pub fn undo(
    disk: &Disk,
    whose: &MemberRef<'_>,
    swapped: &Swapped,
    stamp: &str,
    record: Record<'_, Renames>,
) -> Result<Renames> {
    let ground = Ground::new(disk);
    let (shell, moves) = match find(disk, whose)? {
        Some(Found::Moves(shell, moves)) if matches!(moves.outcome, Outcome::Undone) => (shell, moves),
        Some(Found::Moves(_, _)) => return Err(half(whose)),
        _ => {
            let moves = plan_undo(&ground, whose, swapped, stamp)?;
            let Some(first) = swapped.places.first() else { return Ok(Vec::new()) };
            let place = if first.inside { &first.target } else { parent(&first.target) };
            let made = ground.dir(place).and_then(|place| staging::shell(&place));
            let (shell, _lock) = made.map_err(|e| io_trouble("write in", place, &e))?;
            moves.write(&shell)?;
            (shell, moves)
        }
    };
    free_of_etcd(&ground, &moves, whose)?;
    moves.carry(&ground, &shell)?;
    let went: Vec<_> = moves.renames.iter().map(|rename| (rename.from.clone(), rename.to.clone())).collect();
    record(&went)?;
    moves.clear(&ground, &shell);
    Ok(went)
}

/// The staging directories of a member that waits, in the order of its targets; `data` is the first.
fn staged(disk: &Disk, whose: &MemberRef<'_>, data: &Shell) -> Result<Vec<Shell>> {
    let mut shells = vec![data.clone()];
    for target in targets(whose)?.into_iter().skip(1) {
        let mine =
            |note: &Note| (note.plan.as_str(), note.name.as_str(), &note.target) == (whose.plan, whose.name, &target);
        let waits = notes(disk, &target).into_iter().find(|(_, note)| mine(note));
        shells.push(waits.map(|(shell, _)| shell).ok_or_else(|| {
            Error::new(ErrorKind::Failed, format!("the log of {} is not built any more", whose.name))
                .why(format!("nothing waits beside {}", target.shown()))
                .hint("Apply the plan again: it is then built again.")
        })?);
    }
    Ok(shells)
}

/// The list of renames that installs what is in these staging directories, one for each target. What is there goes aside
/// under a name with the stamp; without one nothing may be there.
fn plan_install(
    ground: &Ground<'_>,
    whose: &MemberRef<'_>,
    shells: &[Shell],
    restored: Restored,
    stamp: Option<&str>,
) -> Result<RenameLog> {
    let mut moves = RenameLog::new(whose, Outcome::Undone);
    moves.once = stamp.is_none();
    let (mut places, mut ins) = (Vec::new(), Vec::new());
    for (at, (target, shell)) in targets(whose)?.into_iter().zip(shells).enumerate() {
        let inside = staging::inside(&target)?;
        let content = shell.path().join("new");
        let aside = match (inside, stamp) {
            (_, None) => staging::free(&target)
                .map(|_| None)
                .map_err(|trouble| trouble.why("something appeared there while the restore was running"))?,
            (true, Some(stamp)) => moves.aside_entries(ground, &target, false, stamp)?,
            (false, Some(stamp)) if target.exists() => Some(moves.aside_whole(ground, &target, "old", stamp)?),
            (false, Some(_)) => None,
        };
        let identity =
            if inside { ground.dir(&target).and_then(|dir| dir.identity()) } else { ground.identity(&content) };
        let identity = identity.map_err(|e| io_trouble("look at", &content, &e))?;
        let mut new = match inside {
            true => {
                let dir = ground.dir(&content).map_err(|e| io_trouble("read", &content, &e))?;
                let names = entries(&dir)?.into_iter();
                names.map(|name| Rename::new(ground, &content.join(name), &target)).collect::<Result<Vec<_>>>()?
            }
            false => vec![Rename { from: content, to: target.clone(), identity, content: None }],
        };
        if at > 0 && moves.once {
            new = new.into_iter().map(|rename| rename.with_content(ground)).collect::<Result<Vec<_>>>()?;
        }
        // The data directory last.
        new.append(&mut ins);
        ins = new;
        places.push(Place { target, inside, aside, identity });
        // The first to be cleared is the log's: what waits is found by the data directory's.
        moves.shells.insert(0, shell.path().into());
    }
    moves.renames.extend(ins);
    moves.outcome = Outcome::Swapped(Swapped { name: whose.name.into(), restored, places });
    Ok(moves)
}

/// The list of renames that takes a member out of its place again.
fn plan_undo(ground: &Ground<'_>, whose: &MemberRef<'_>, swapped: &Swapped, stamp: &str) -> Result<RenameLog> {
    let mut moves = RenameLog::new(whose, Outcome::Undone);
    let mut back = Vec::new();
    let changed = |target: &Path, why: &str| {
        Error::new(ErrorKind::Refused, format!("{} is not taken out of {}", whose.name, target.shown()))
            .why(why)
            .hint("Nothing was changed. Look at it, and move what is there by hand.")
    };
    // A journal that was written by somebody else may name any directory of this machine.
    swapped
        .is_of(&targets(whose)?)
        .map_err(|why| changed(whose.data_dir, &format!("the journal here is wrong: {why}")))?;
    for place in &swapped.places {
        if identity(&place.target) != Some(place.identity) {
            return Err(changed(&place.target, "what is there now is not what requorum put there"));
        }
        let there = |aside: &PathBuf| ground.dir(aside).is_ok();
        if place.aside.as_ref().is_some_and(|aside| !there(aside)) {
            return Err(changed(&place.target, "what was there before is gone from where it was moved"));
        }
        match (place.inside, &place.aside) {
            (true, aside) => {
                moves.aside_entries(ground, &place.target, true, stamp)?;
                if let Some(aside) = aside {
                    let dir = ground.dir(aside).map_err(|e| io_trouble("read", aside, &e))?;
                    for name in entries(&dir)? {
                        back.push(Rename::new(ground, &aside.join(name), &place.target)?);
                    }
                }
                moves.empty.extend(aside.clone());
            }
            (false, aside) => {
                moves.aside_whole(ground, &place.target, "undone", stamp)?;
                if let Some(from) = aside {
                    let identity = ground.identity(from).map_err(|e| io_trouble("look at", from, &e))?;
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

/// Refuses where an etcd holds what is to be moved.
fn free_of_etcd(ground: &Ground<'_>, moves: &RenameLog, whose: &MemberRef<'_>) -> Result<()> {
    if moves.begun(ground) {
        return Ok(());
    }
    match datadir::held(&real(whose.data_dir)?, whose.wal_dir.map(real).transpose()?.as_deref()) {
        Held::By { pid, program } => {
            let who = match pid {
                Some(pid) => format!("{program}, process {pid}, holds it"),
                None => "a process that this user may not see holds it".into(),
            };
            Err(Error::new(ErrorKind::Refused, format!("{} is in use", whose.data_dir.shown()))
                .why(who)
                .hint("Stop that etcd, so that nothing starts it again; then go on."))
        }
        Held::No | Held::Unknown(_) => Ok(()),
    }
}

/// Looks at what was put in place: that the paths lead to it, and, by its handles, that it is what the plan says.
fn as_planned(disk: &Disk, whose: &MemberRef<'_>, swapped: &Swapped) -> Result<()> {
    let named = [Some(whose.data_dir), whose.wal_dir].into_iter().flatten();
    let mut dirs = Vec::new();
    for (path, place) in named.zip(&swapped.places) {
        let dir = disk.dir(path).map_err(|e| io_trouble("look at", path, &e))?;
        if dir.identity().ok() != Some(place.identity) {
            return Err(exchanged(path));
        }
        dirs.push(dir);
    }
    let (data, log) = (dirs.first(), dirs.get(1));
    let read_back = data.map_or_else(|| Err("nothing is there".into()), |data| whose.expected.read_back(data, log));
    read_back.map_err(|why| {
        Error::new(ErrorKind::Failed, format!("{} is not right in its place", whose.name))
            .why(why)
            .hint("What was there before is in its place again. Look whether the disk is failing, then try again.")
    })
}

/// Another plan's exchange that was killed here: its list alone tells what went where. Or a restore that is at work.
fn cut_off(target: &Path, other: &RenameLog) -> Error {
    if other.once {
        return Error::new(ErrorKind::Refused, format!("{} is being restored by another run", target.shown()))
            .hint("Wait until it has ended, then run the same again.");
    }
    Error::new(ErrorKind::Refused, format!("{} is in the middle of another exchange", target.shown()))
        .why(format!("a run of plan {} was killed at putting {} there", other.plan, other.name))
        .remedies(&[Remedy::FinishOther])
}

fn half(whose: &MemberRef<'_>) -> Error {
    Error::new(ErrorKind::Refused, format!("the directories of {} are in the middle of being exchanged", whose.name))
        .why(format!("an earlier run was killed at it, beside {}", whose.data_dir.shown()))
        .hint("Finish that first, be it putting it in place or taking it back.")
        .remedies(&[Remedy::Resume, Remedy::Undo])
}

/// Where a directory really is: a link to it stays, and what it leads to is exchanged.
///
/// # Errors
/// When a link of another user's leads to what is not that user's.
pub fn real(path: &Path) -> Result<PathBuf> {
    durable_fs::real(path).map_err(|e| io_trouble("look at", path, &e))
}

/// The directories of a member, the data directory first.
fn targets(whose: &MemberRef<'_>) -> Result<Vec<PathBuf>> {
    [Some(whose.data_dir), whose.wal_dir].into_iter().flatten().map(real).collect()
}

/// Those with something that waits in them.
fn notes(disk: &Disk, target: &Path) -> Vec<(Shell, Note)> {
    let note = |shell: &Shell| serde_json::from_slice(&shell.note(STAGED)?).ok();
    Shell::around(disk, target).into_iter().filter_map(|shell| Some((shell.clone(), note(&shell)?))).collect()
}

/// What there is of a member.
enum Found {
    Waits(Shell, Note),
    Moves(Shell, RenameLog),
}

fn find(disk: &Disk, whose: &MemberRef<'_>) -> Result<Option<Found>> {
    let targets = targets(whose)?;
    let Some(target) = targets.first() else { return Ok(None) };
    let mine = |plan: &str, name: &str| (plan, name) == (whose.plan, whose.name);
    for shell in Shell::around(disk, target) {
        let refused = |why: String| {
            Error::new(ErrorKind::Refused, format!("the list of renames in {} is not gone by", shell.path().shown()))
                .why(why)
                .hint("Nothing was changed. Look at who made it, and move that directory away.")
        };
        if let Some(why) = staging_recovery::strange(&shell, MOVES) {
            return Err(refused(why));
        }
        if let Some(moves) = RenameLog::read(&shell).filter(|moves| mine(&moves.plan, &moves.name)) {
            moves.fits(whose, &targets).map_err(refused)?;
            return Ok(Some(Found::Moves(shell, moves)));
        }
    }
    let mut notes = notes(disk, target).into_iter();
    let found = notes.find(|(shell, note)| {
        let fits = |restored| whose.expected.differs(restored).is_none();
        mine(&note.plan, &note.name)
            && note.target == *target
            && note.restored.as_ref().is_some_and(fits)
            && shell.waits()
    });
    Ok(found.map(|(shell, note)| Found::Waits(shell, note)))
}
