//! A list of renames that is written down before the first one: whoever finds it can tell which of them are done, go on,
//! or roll them back.
//!
//! It counts only where it is ours and everything in it lies where this member's directories lie ([`RenameLog::fits`]). Each
//! rename is done between two directories that are open ([`Ground`]), and what is renamed is known by its inode.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{MemberRef, Swapped};
use crate::{
    engine::{
        durable_fs::{Dir, Disk, Identity},
        install::{
            staging::{exchanged, parent},
            staging_recovery::{self, Content, MOVES, PREFIX, Shell},
        },
        source::{creation_trouble, io_trouble},
    },
    error::{Error, ErrorKind, Remedy, Result},
    text::Shown,
};

/// How directories are called in a mounted one that hold what was there before, and what was taken out again.
const OLD: &str = "requorum-old";
const UNDONE: &str = "requorum-undone";

/// The directories between which things are renamed: each opened once, and held.
pub(super) struct Ground<'a> {
    disk: &'a Disk,
    open: RefCell<BTreeMap<PathBuf, Dir>>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(disk: &'a Disk) -> Ground<'a> {
        Ground { disk, open: RefCell::default() }
    }

    /// Opens a directory. One that is ours by its name has to be ours, and what is in it is reached through it.
    pub(super) fn dir(&self, path: &Path) -> io::Result<Dir> {
        if let Some(known) = self.open.borrow().get(path) {
            return Ok(known.clone());
        }
        let name = path.file_name().unwrap_or_default();
        let dir = if is_shell(name) || is_aside(name) {
            self.dir(parent(path))?.open_private(name)?
        } else if parent(path).file_name().is_some_and(is_shell) {
            self.dir(parent(path))?.open(name)?
        } else {
            self.disk.dir(path)?
        };
        self.open.borrow_mut().insert(path.into(), dir.clone());
        Ok(dir)
    }

    fn entry(&self, path: &Path) -> io::Result<(Dir, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.dir(parent(path))?, name.into()))
    }

    /// What tells the entry at `path` from every other.
    pub(super) fn identity(&self, path: &Path) -> io::Result<Identity> {
        let (dir, name) = self.entry(path)?;
        dir.entry_identity(name)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync(&self, path: &Path) -> Result<()> {
        self.dir(path).and_then(|dir| dir.sync()).map_err(|e| io_trouble("make durable", path, &e))
    }
}

fn is_shell(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes())
}

fn is_aside(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    [OLD, UNDONE].iter().any(|word| bytes.strip_prefix(word.as_bytes()).is_some_and(|rest| rest.starts_with(b"-")))
}

/// One rename, and what is renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rename {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) identity: Identity,
    /// What it holds, where whoever rolls it back has to know that nobody wrote to it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Content>,
}

impl Rename {
    /// Of `from` into the directory `into`, by its own name.
    pub(super) fn new(ground: &Ground<'_>, from: &Path, into: &Path) -> Result<Rename> {
        let identity = ground.identity(from).map_err(|e| io_trouble("look at", from, &e))?;
        let to = into.join(from.file_name().unwrap_or_default());
        Ok(Rename { from: from.into(), to, identity, content: None })
    }

    fn is_at(&self, ground: &Ground<'_>, path: &Path) -> bool {
        ground.identity(path).is_ok_and(|found| found == self.identity)
    }

    fn done(&self, ground: &Ground<'_>) -> bool {
        self.is_at(ground, &self.to)
    }

    /// Notes what it holds.
    pub(super) fn with_content(self, ground: &Ground<'_>) -> Result<Rename> {
        let content = ground.entry(&self.from).and_then(|(dir, name)| Content::of(&dir, &name));
        let content = content.map_err(|e| io_trouble("read", &self.from, &e))?;
        Ok(Rename { content: Some(content), ..self })
    }

    /// Whether nobody used what was renamed since.
    fn untouched(&self, ground: &Ground<'_>) -> bool {
        let still = |content: &Content| ground.entry(&self.to).is_ok_and(|(dir, name)| content.is_still(&dir, &name));
        self.content.as_ref().is_none_or(still)
    }

    /// Does it, unless it is done.
    fn settle(&self, ground: &Ground<'_>) -> Result<()> {
        if self.done(ground) {
            return Ok(());
        }
        if !self.is_at(ground, &self.from) {
            return Err(Error::new(ErrorKind::Failed, format!("{} is not where it was", self.from.shown()))
                .why("somebody else moved it meanwhile"));
        }
        self.rename(ground, &self.from, &self.to)
    }

    fn rename(&self, ground: &Ground<'_>, from: &Path, to: &Path) -> Result<()> {
        let renamed = ground.entry(from).and_then(|(dir, name)| {
            let (into, new) = ground.entry(to)?;
            dir.rename(name, &into, new)
        });
        renamed.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Failed, format!("{} is taken", to.shown()))
                .why("something appeared there in the middle of the exchange"),
            _ => io_trouble("rename", from, &e),
        })?;
        if !self.is_at(ground, to) {
            return Err(exchanged(to));
        }
        [parent(from), parent(to)].into_iter().try_for_each(|dir| ground.sync(dir))
    }
}

/// What stands when all of them are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "there is one of them at a time")]
pub(super) enum Outcome {
    /// A member is in place.
    Swapped(Swapped),
    /// It is out of its place again.
    Undone,
}

/// The whole list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RenameLog {
    pub(super) plan: String,
    pub(super) run: String,
    pub(super) name: String,
    /// Directories that are made before.
    makes: Vec<PathBuf>,
    pub(super) renames: Vec<Rename>,
    /// Directories of ours that are empty afterwards, and go.
    pub(super) empty: Vec<PathBuf>,
    /// Staging directories that go afterwards, besides the one that this lies in.
    pub(super) shells: Vec<PathBuf>,
    pub(super) outcome: Outcome,
    /// Whether it is of a restore without a plan: there is no journal to resume it by, so the next run rolls it back.
    #[serde(default)]
    pub(super) once: bool,
}

impl RenameLog {
    pub(super) fn new(whose: &MemberRef<'_>, outcome: Outcome) -> RenameLog {
        let (plan, run, name) = (whose.plan.into(), whose.run.into(), whose.name.into());
        let (makes, renames, empty, shells) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        RenameLog { plan, run, name, makes, renames, empty, shells, outcome, once: false }
    }

    /// Adds the rename of a whole directory to a dated name beside it, which is returned.
    pub(super) fn aside_whole(
        &mut self,
        ground: &Ground<'_>,
        target: &Path,
        word: &str,
        stamp: &str,
    ) -> Result<PathBuf> {
        let fail = |e: io::Error| io_trouble("look at", target, &e);
        let identity = ground.identity(target).map_err(fail)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let beside = ground.dir(parent(target)).map_err(fail)?;
        let to = parent(target).join(free_name(&beside, &format!("{name}.{word}-{stamp}")));
        self.renames.push(Rename { from: target.into(), to: to.clone(), identity, content: None });
        Ok(to)
    }

    /// Adds the renames of a directory's entries into a dated directory in it, which is returned; none where it has none.
    pub(super) fn aside_entries(
        &mut self,
        ground: &Ground<'_>,
        target: &Path,
        undone: bool,
        stamp: &str,
    ) -> Result<Option<PathBuf>> {
        let dir = ground.dir(target).map_err(|e| io_trouble("read", target, &e))?;
        let old = entries(&dir)?;
        if old.is_empty() {
            return Ok(None);
        }
        let word = if undone { UNDONE } else { OLD };
        let to = target.join(free_name(&dir, &format!("{word}-{stamp}")));
        for name in old {
            self.renames.push(Rename::new(ground, &target.join(name), &to)?);
        }
        self.makes.push(to.clone());
        Ok(Some(to))
    }

    pub(super) fn write(&self, shell: &Shell) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|e| Error::new(ErrorKind::Input, "a path cannot be written down").why(e))?;
        shell.put(MOVES, &text).map_err(|e| io_trouble("write in", shell.path(), &e))
    }

    /// The list in a staging directory of ours.
    pub(super) fn read(shell: &Shell) -> Option<RenameLog> {
        serde_json::from_slice(&shell.note(MOVES)?).ok()
    }

    /// Whether it moves this directory, or something in it.
    pub(super) fn touches(&self, target: &Path) -> bool {
        self.renames.iter().any(|rename| rename.from.starts_with(target) || rename.to.starts_with(target))
    }

    /// Whether everything in it lies where a member with these directories has it, and is what the plan says.
    ///
    /// # Errors
    /// The first thing that is not so, in a clause.
    pub(super) fn fits(&self, whose: &MemberRef<'_>, targets: &[PathBuf]) -> std::result::Result<(), String> {
        let renames = self.renames.iter().flat_map(|rename| [&rename.from, &rename.to]);
        let mut all = renames.chain(&self.makes).chain(&self.empty).chain(&self.shells);
        if let Some(outside) = all.find(|path| !within(targets, path)) {
            return Err(format!("{} is no place of {}", outside.shown(), whose.name));
        }
        match &self.outcome {
            Outcome::Swapped(swapped) => {
                swapped.is_of(targets)?;
                whose.expected.differs(&swapped.restored).map_or(Ok(()), Err)
            }
            Outcome::Undone => Ok(()),
        }
    }

    /// Whether one of them is done.
    pub(super) fn begun(&self, ground: &Ground<'_>) -> bool {
        self.renames.iter().any(|rename| rename.done(ground))
    }

    /// Does all that is not done yet.
    ///
    /// # Errors
    /// When one cannot be done; all of them are taken back then.
    pub(super) fn carry(&self, ground: &Ground<'_>, shell: &Shell) -> Result<()> {
        let outcome = self
            .makes
            .iter()
            .try_for_each(|dir| made(ground, dir))
            .and_then(|()| self.renames.iter().try_for_each(|rename| rename.settle(ground)));
        outcome.or_else(|trouble| {
            self.take_back(ground, shell)
                .map_err(|worse| Error { what: format!("{}, and then {}", trouble.what, worse.what), ..worse })?;
            Err(trouble.hint("All is where it was before. Look at it, then try again."))
        })
    }

    /// Rolls back what is done, and forgets the list.
    ///
    /// # Errors
    /// The first rename that cannot be rolled back, after the rest was tried; then the list stays.
    pub(super) fn take_back(&self, ground: &Ground<'_>, shell: &Shell) -> Result<()> {
        let done: Vec<&Rename> = self.renames.iter().rev().filter(|rename| rename.done(ground)).collect();
        let failed = done.into_iter().map(|rename| self.back(ground, rename)).filter_map(Result::err);
        if let Some(trouble) = failed.collect::<Vec<_>>().into_iter().next() {
            return Err(trouble);
        }
        for dir in &self.makes {
            let _ = ground.entry(dir).and_then(|(above, name)| above.remove_dir(name));
        }
        let gone = shell.dir.remove_file(MOVES).and_then(|()| shell.dir.sync());
        gone.map_err(|e| io_trouble("write in", shell.path(), &e))?;
        if matches!(self.outcome, Outcome::Undone) {
            shell.remove();
        }
        Ok(())
    }

    fn back(&self, ground: &Ground<'_>, rename: &Rename) -> Result<()> {
        rename.rename(ground, &rename.to, &rename.from).map_err(|trouble| {
            let (to, from) = (rename.to.shown(), rename.from.shown());
            let hint = match (rename.is_at(ground, &rename.from), self.once) {
                (true, _) => format!("{from} is back in its place; only the sync after that failed."),
                (false, true) => format!("{to} is removed by the next restore there."),
                (false, false) => format!("What belongs at {from} is at {to}."),
            };
            let trouble = trouble.hint(hint);
            if self.once { trouble } else { trouble.remedies(&[Remedy::Resume]) }
        })
    }

    /// Settles the list of a restore without a plan whose run was killed: where its last rename is done, all that it was to
    /// do is done; else what nobody used since is rolled back. Then all of it goes.
    pub(super) fn settle(&self, disk: &Disk, shell: &Shell) {
        let ground = Ground::new(disk);
        if !self.is_around(disk, shell) {
            return shell.remove();
        }
        if shell.waits() {
            let done = self.renames.iter().rev().filter(|rename| rename.done(&ground) && rename.untouched(&ground));
            if done.map(|rename| self.back(&ground, rename)).filter_map(Result::err).count() > 0 {
                return;
            }
        }
        self.clear(&ground, shell);
    }

    /// Whether all that it moves belongs to targets beside which it lies: each has a staging directory of ours beside it,
    /// this one or one that refers to this one.
    fn is_around(&self, disk: &Disk, shell: &Shell) -> bool {
        let Outcome::Swapped(swapped) = &self.outcome else { return false };
        let targets: Vec<PathBuf> = swapped.places.iter().map(|place| place.target.clone()).collect();
        let own = shell.dir.identity().ok();
        let leads_here = |other: &Shell| {
            let led = other.partner().and_then(|path| Shell::at(disk, &path));
            [Some(other), led.as_ref()].into_iter().flatten().any(|s| s.dir.identity().ok() == own && own.is_some())
        };
        let renames = self.renames.iter().flat_map(|rename| [&rename.from, &rename.to]);
        targets.iter().all(|target| Shell::around(disk, target).iter().any(leads_here))
            && self.makes.is_empty()
            && self.empty.is_empty()
            && renames.chain(&self.shells).all(|path| within(&targets, path))
    }

    /// Removes what is empty of ours; the list last, so that a kill in between leaves what the next run knows.
    pub(super) fn clear(&self, ground: &Ground<'_>, shell: &Shell) {
        for dir in &self.empty {
            let _ = ground.entry(dir).and_then(|(above, name)| above.remove_dir(name));
        }
        for other in self.shells.iter().filter(|other| *other != shell.path()) {
            let other = ground.entry(other).ok().and_then(|(place, name)| Shell::find(&place, &name));
            other.iter().for_each(Shell::remove);
        }
        shell.remove();
    }
}

/// Whether a path in a list is one that a member with these directories may have there.
pub(super) fn within(targets: &[PathBuf], path: &Path) -> bool {
    let below = |base: &Path| -> Option<Vec<OsString>> {
        let parts = path.strip_prefix(base).ok()?.components();
        parts.map(|part| if let Component::Normal(name) = part { Some(name.into()) } else { None }).collect()
    };
    targets.iter().any(|target| {
        let in_shell = |parts: &[OsString]| match parts {
            [shell] => is_shell(shell),
            [shell, new] | [shell, new, _] => is_shell(shell) && new == "new",
            _ => false,
        };
        let inside = below(target).is_some_and(|parts| match parts.as_slice() {
            [] | [_] => true,
            [aside, _] if is_aside(aside) => true,
            other => in_shell(other),
        });
        let name = target.file_name().unwrap_or_default().as_bytes();
        let dated = |found: &OsString| {
            let rest = found.as_bytes().strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(b".old-") || rest.starts_with(b".undone-"))
        };
        let beside = target.parent().and_then(below).is_some_and(|parts| match parts.as_slice() {
            [one] if dated(one) => true,
            other => in_shell(other),
        });
        inside || beside
    })
}

fn made(ground: &Ground<'_>, dir: &Path) -> Result<()> {
    let fail = |e: io::Error| creation_trouble("make", dir, &e);
    let (above, name) = ground.entry(dir).map_err(fail)?;
    match above.make(&name) {
        // One that an earlier run made has to be ours: it is opened so when something goes into it.
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(fail(e)),
        _ => above.sync().map_err(fail),
    }
}

/// A name that nothing has: this one, or with a number behind it.
fn free_name(dir: &Dir, name: &str) -> String {
    let names = std::iter::once(name.to_string()).chain((2..).map(|n| format!("{name}-{n}")));
    names.into_iter().find(|name| matches!(dir.entry_metadata(name), Ok(None) | Err(_))).unwrap_or_else(|| name.into())
}

/// The entries of a directory that are etcd's or somebody's: not the filesystem's own, ours, or those put aside before.
///
/// # Errors
/// As the system says.
pub(super) fn entries(dir: &Dir) -> Result<Vec<OsString>> {
    let mut names = dir.names().map_err(|e| io_trouble("read", dir.path(), &e))?;
    names.retain(|name| name != "lost+found" && !is_aside(name) && !staging_recovery::is_ours(dir, name));
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_of_the_member_are_within() {
        let targets = [PathBuf::from("/var/lib/etcd/m1"), "/log/wal".into()];
        for right in [
            "/var/lib/etcd/m1",
            "/var/lib/etcd/m1.old-20261122-031205",
            "/var/lib/etcd/m1.undone-20261122-031205-2",
            "/var/lib/etcd/m1/member",
            "/var/lib/etcd/m1/requorum-old-2026/member",
            "/var/lib/etcd/.requorum-0a1b2c3d",
            "/var/lib/etcd/.requorum-0a1b2c3d/new",
            "/var/lib/etcd/m1/.requorum-0a1b2c3d/new/member",
            "/log/.requorum-0a1b2c3d/new",
            "/log/wal/0.wal",
        ] {
            assert!(within(&targets, Path::new(right)), "{right}");
        }
        for wrong in [
            "/etc/passwd",
            "/var/lib/etcd",
            "/var/lib/etcd/m2",
            "/var/lib/etcd/m10",
            "/var/lib/etcd/m1x.old-1",
            "/var/lib/etcd/m1/member/snap",
            "/var/lib/etcd/m1/../../../../etc/passwd",
            "/var/lib/etcd/m1/..",
            "/var/lib/etcd/.requorum-0a1b2c3d/old",
            "/var/lib/etcd/.requorum-0a1b2c3d/../passwd",
            "/var/lib/etcd/.requorum-0a1b2c3d/new/a/b",
            "/var/lib/.requorum-0a1b2c3d/new",
            "var/lib/etcd/m1",
            "",
        ] {
            assert!(!within(&targets, Path::new(wrong)), "{wrong}");
        }
    }
}
