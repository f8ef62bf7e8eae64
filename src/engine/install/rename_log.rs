//! The rename log: a list of renames that is durable before the first of them, so that a later run can see which are
//! done and resume or roll back.
//!
//! A log is used only if this user wrote it and every path in it belongs to this member's directories
//! ([`RenameLog::fits`]). Each rename is done between two open directories ([`OpenDirs`]), and what is renamed is
//! identified by its inode.

use std::{
    ffi::OsString,
    io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    MemberRef, Swapped,
    open_dirs::{OLD, OpenDirs, UNDONE, is_aside, is_shell},
};
use crate::{
    engine::{
        durable_fs::{Dir, Disk, Identity},
        install::{
            staging::{parent, replaced},
            staging_recovery::{self, Content, MOVES, Shell},
        },
        source::{creation_trouble, io_trouble},
    },
    error::{Error, ErrorKind, Fault, Remedy, Result},
    text::Shown,
};

/// One rename and the identity of the renamed entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rename {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) identity: Identity,
    /// The content at the time of the rename, where a rollback needs to know that it was not written to since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Content>,
}

impl Rename {
    /// Returns the rename of `from` into the directory `into`, under its own name.
    pub(super) fn new(dirs: &OpenDirs<'_>, from: &Path, into: &Path) -> Result<Rename> {
        let identity = dirs.identity(from).map_err(|e| io_trouble("read", from, &e))?;
        let to = into.join(from.file_name().unwrap_or_default());
        Ok(Rename { from: from.into(), to, identity, content: None })
    }

    fn is_at(&self, dirs: &OpenDirs<'_>, path: &Path) -> bool {
        dirs.identity(path).is_ok_and(|found| found == self.identity)
    }

    fn done(&self, dirs: &OpenDirs<'_>) -> bool {
        self.is_at(dirs, &self.to)
    }

    /// Records the content of the entry.
    pub(super) fn with_content(self, dirs: &OpenDirs<'_>) -> Result<Rename> {
        let content = dirs.entry(&self.from).and_then(|(dir, name)| Content::of(&dir, &name));
        let content = content.map_err(|e| io_trouble("read", &self.from, &e))?;
        Ok(Rename { content: Some(content), ..self })
    }

    /// Returns whether the entry is unchanged and not in use since the rename.
    fn untouched(&self, dirs: &OpenDirs<'_>) -> bool {
        let still = |content: &Content| dirs.entry(&self.to).is_ok_and(|(dir, name)| content.is_still(&dir, &name));
        self.content.as_ref().is_none_or(still)
    }

    /// Does the rename unless it is already done.
    fn settle(&self, dirs: &OpenDirs<'_>) -> Result<()> {
        if self.done(dirs) {
            return Ok(());
        }
        if !self.is_at(dirs, &self.from) {
            return Err(Error::new(ErrorKind::Failed, format!("{}: no longer where it was", self.from.shown()))
                .why("another process moved it in the meantime"));
        }
        self.rename(dirs, &self.from, &self.to)
    }

    fn rename(&self, dirs: &OpenDirs<'_>, from: &Path, to: &Path) -> Result<()> {
        let renamed = dirs.entry(from).and_then(|(dir, name)| {
            let (into, new) = dirs.entry(to)?;
            dir.rename(name, &into, new)
        });
        renamed.map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Failed, format!("{}: already exists", to.shown()))
                .fault(Fault::Taken)
                .why("it appeared while directories were being renamed"),
            _ => io_trouble("rename", from, &e),
        })?;
        if !self.is_at(dirs, to) {
            return Err(replaced(to));
        }
        [parent(from), parent(to)].into_iter().try_for_each(|dir| dirs.sync(dir))
    }
}

/// The result once all renames are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant, reason = "there is only one at a time")]
pub(super) enum Outcome {
    /// A member is installed.
    Swapped(Swapped),
    /// A member is rolled back.
    Undone,
}

/// The whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RenameLog {
    pub(super) plan: String,
    pub(super) run: String,
    pub(super) name: String,
    /// Directories to create before the renames.
    makes: Vec<PathBuf>,
    pub(super) renames: Vec<Rename>,
    /// Directories of ours that are empty afterwards and are removed.
    pub(super) empty: Vec<PathBuf>,
    /// Staging directories to remove afterwards, in addition to the one that holds this log.
    pub(super) shells: Vec<PathBuf>,
    pub(super) outcome: Outcome,
    /// Whether it belongs to a restore without a plan: no journal exists to resume it from, so the next run rolls it
    /// back.
    #[serde(default)]
    pub(super) once: bool,
}

impl RenameLog {
    pub(super) fn new(member: &MemberRef<'_>, outcome: Outcome) -> RenameLog {
        let (plan, run, name) = (member.plan.into(), member.run.into(), member.name.into());
        let (makes, renames, empty, shells) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        RenameLog { plan, run, name, makes, renames, empty, shells, outcome, once: false }
    }

    /// Adds the rename of a whole directory to a dated name next to it, and returns that path.
    pub(super) fn aside_whole(
        &mut self,
        dirs: &OpenDirs<'_>,
        target: &Path,
        word: &str,
        stamp: &str,
    ) -> Result<PathBuf> {
        let fail = |e: io::Error| io_trouble("read", target, &e);
        let identity = dirs.identity(target).map_err(fail)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let above = dirs.dir(parent(target)).map_err(fail)?;
        let to = parent(target).join(free_name(&above, &format!("{name}.{word}-{stamp}")));
        self.renames.push(Rename { from: target.into(), to: to.clone(), identity, content: None });
        Ok(to)
    }

    /// Adds the renames of a directory's entries into a dated directory inside it, and returns that path; `None` if it
    /// has no entries.
    pub(super) fn aside_entries(
        &mut self,
        dirs: &OpenDirs<'_>,
        target: &Path,
        undone: bool,
        stamp: &str,
    ) -> Result<Option<PathBuf>> {
        let dir = dirs.dir(target).map_err(|e| io_trouble("read", target, &e))?;
        let old = entries(&dir)?;
        if old.is_empty() {
            return Ok(None);
        }
        let word = if undone { UNDONE } else { OLD };
        let to = target.join(free_name(&dir, &format!("{word}-{stamp}")));
        for name in old {
            self.renames.push(Rename::new(dirs, &target.join(name), &to)?);
        }
        self.makes.push(to.clone());
        Ok(Some(to))
    }

    pub(super) fn write(&self, shell: &Shell) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|e| Error::new(ErrorKind::Input, "cannot record a path that is not UTF-8").why(e))?;
        shell.put(MOVES, &text).map_err(|e| io_trouble("write to", shell.path(), &e))
    }

    /// Reads the log in a staging directory of ours.
    pub(super) fn read(shell: &Shell) -> Option<RenameLog> {
        serde_json::from_slice(&shell.note(MOVES)?).ok()
    }

    /// Returns whether it renames this directory, or something in it.
    pub(super) fn touches(&self, target: &Path) -> bool {
        self.renames.iter().any(|rename| rename.from.starts_with(target) || rename.to.starts_with(target))
    }

    /// Checks that every path in it belongs to a member with these directories, and that the member is as planned.
    ///
    /// # Errors
    /// A clause that names the first difference.
    pub(super) fn fits(&self, member: &MemberRef<'_>, targets: &[PathBuf]) -> std::result::Result<(), String> {
        let renames = self.renames.iter().flat_map(|rename| [&rename.from, &rename.to]);
        let mut all = renames.chain(&self.makes).chain(&self.empty).chain(&self.shells);
        if let Some(outside) = all.find(|path| !within(targets, path)) {
            return Err(format!("{} does not belong to {}", outside.shown(), member.name));
        }
        match &self.outcome {
            Outcome::Swapped(swapped) => {
                swapped.is_of(targets)?;
                member.expected.differs(&swapped.restored).map_or(Ok(()), Err)
            }
            Outcome::Undone => Ok(()),
        }
    }

    /// Returns whether at least one rename is done.
    pub(super) fn begun(&self, dirs: &OpenDirs<'_>) -> bool {
        self.renames.iter().any(|rename| rename.done(dirs))
    }

    /// Does all renames that are not done yet.
    ///
    /// # Errors
    /// If one fails; all of them are rolled back then.
    pub(super) fn execute(&self, dirs: &OpenDirs<'_>, shell: &Shell) -> Result<()> {
        let outcome = self
            .makes
            .iter()
            .try_for_each(|dir| made(dirs, dir))
            .and_then(|()| self.renames.iter().try_for_each(|rename| rename.settle(dirs)));
        outcome.or_else(|trouble| {
            self.roll_back(dirs, shell).map_err(|worse| Error {
                what: format!("{}; rolling back also failed: {}", trouble.what, worse.what),
                ..worse
            })?;
            Err(trouble.hint("All directories are back where they were. Resolve the cause, then try again."))
        })
    }

    /// Rolls back the renames that are done and removes the log.
    ///
    /// # Errors
    /// The first rename that cannot be rolled back, after all others were tried; the log is kept then.
    pub(super) fn roll_back(&self, dirs: &OpenDirs<'_>, shell: &Shell) -> Result<()> {
        let done: Vec<&Rename> = self.renames.iter().rev().filter(|rename| rename.done(dirs)).collect();
        let failed = done.into_iter().map(|rename| self.back(dirs, rename)).filter_map(Result::err);
        if let Some(trouble) = failed.collect::<Vec<_>>().into_iter().next() {
            return Err(trouble);
        }
        for dir in &self.makes {
            let _ = dirs.entry(dir).and_then(|(above, name)| above.remove_dir(name));
        }
        let gone = shell.dir.remove_file(MOVES).and_then(|()| shell.dir.sync());
        gone.map_err(|e| io_trouble("write to", shell.path(), &e))?;
        if matches!(self.outcome, Outcome::Undone) {
            shell.remove();
        }
        Ok(())
    }

    fn back(&self, dirs: &OpenDirs<'_>, rename: &Rename) -> Result<()> {
        rename.rename(dirs, &rename.to, &rename.from).map_err(|trouble| {
            let (to, from) = (rename.to.shown(), rename.from.shown());
            let hint = match (rename.is_at(dirs, &rename.from), self.once) {
                (true, _) => format!("{from} is restored; only the sync after the rename failed."),
                (false, true) => format!("The next restore there removes {to}."),
                (false, false) => format!("The content of {from} is at {to}."),
            };
            let trouble = trouble.hint(hint);
            if self.once { trouble } else { trouble.remedies(&[Remedy::Resume]) }
        })
    }

    /// Finishes the log of a killed restore without a plan: if its last rename is done, so are all others; otherwise
    /// the renames whose entries were not used since are rolled back. Then the staging directories are removed.
    pub(super) fn settle(&self, disk: &Disk, shell: &Shell) {
        let dirs = OpenDirs::new(disk);
        if !self.is_around(disk, shell) {
            return shell.remove();
        }
        if shell.waits() {
            let done = self.renames.iter().rev().filter(|rename| rename.done(&dirs) && rename.untouched(&dirs));
            if done.map(|rename| self.back(&dirs, rename)).filter_map(Result::err).count() > 0 {
                return;
            }
        }
        self.clear(&dirs, shell);
    }

    /// Returns whether all its paths belong to targets that this log is next to: each has a staging directory of ours
    /// next to it, either this one or one that refers to this one.
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

    /// Removes our empty directories; the log last, so that the next run recognises what a kill in between left.
    pub(super) fn clear(&self, dirs: &OpenDirs<'_>, shell: &Shell) {
        for dir in &self.empty {
            let _ = dirs.entry(dir).and_then(|(above, name)| above.remove_dir(name));
        }
        for other in self.shells.iter().filter(|other| *other != shell.path()) {
            let other = dirs.entry(other).ok().and_then(|(place, name)| Shell::find(&place, &name));
            other.iter().for_each(Shell::remove);
        }
        shell.remove();
    }
}

/// Returns whether a path in a log can belong to a member with these directories.
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
        let next_to = target.parent().and_then(below).is_some_and(|parts| match parts.as_slice() {
            [one] if dated(one) => true,
            other => in_shell(other),
        });
        inside || next_to
    })
}

fn made(dirs: &OpenDirs<'_>, dir: &Path) -> Result<()> {
    let fail = |e: io::Error| creation_trouble("create", dir, &e);
    let (above, name) = dirs.entry(dir).map_err(fail)?;
    match above.make(&name) {
        // An existing one must be ours: that is checked when it is opened to move something into it.
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(fail(e)),
        _ => above.sync().map_err(fail),
    }
}

/// Returns a name that is not in use: this one, or this one with a number appended.
fn free_name(dir: &Dir, name: &str) -> String {
    let names = std::iter::once(name.to_string()).chain((2..).map(|n| format!("{name}-{n}")));
    names.into_iter().find(|name| matches!(dir.entry_metadata(name), Ok(None) | Err(_))).unwrap_or_else(|| name.into())
}

/// Returns the entries of a directory, sorted, without `lost+found`, our own and earlier backups.
///
/// # Errors
/// If the directory cannot be read.
pub(super) fn entries(dir: &Dir) -> Result<Vec<OsString>> {
    let mut names = dir.names().map_err(|e| io_trouble("read", dir.path(), &e))?;
    names.retain(|name| name != "lost+found" && !is_aside(name) && !staging_recovery::is_ours(dir, name));
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
