//! A list of renames that is written down before the first one: whoever finds it can tell which of them are done, go on,
//! or take them back.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Swapped, Whose};
use crate::{
    engine::{
        disk::Disk,
        leftovers::{self, MOVES},
        source::io_trouble,
        stage::parent,
    },
    trouble::{Kind, Remedy, Result, Trouble},
};

/// What tells a file or directory from every other on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Identity> {
        fs::symlink_metadata(path).map(|meta| Identity { device: meta.dev(), inode: meta.ino() })
    }
}

/// One rename, and what is renamed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rename {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) identity: Identity,
}

impl Rename {
    /// Of `from` into the directory `into`, by its own name.
    pub(super) fn new(from: &Path, into: &Path) -> Result<Rename> {
        let identity = Identity::of(from).map_err(|e| io_trouble("look at", from, &e))?;
        Ok(Rename { from: from.into(), to: into.join(from.file_name().unwrap_or_default()), identity })
    }

    fn is_at(&self, path: &Path) -> bool {
        Identity::of(path).is_ok_and(|found| found == self.identity)
    }

    fn done(&self) -> bool {
        self.is_at(&self.to)
    }

    /// Does it, unless it is done.
    fn settle(&self, disk: &Disk) -> Result<()> {
        if self.done() {
            return Ok(());
        }
        if !self.is_at(&self.from) {
            return Err(Trouble::new(Kind::Failed, format!("{} is not where it was", self.from.display()))
                .why("somebody else moved it meanwhile"));
        }
        self.rename(disk, &self.from, &self.to)
    }

    fn rename(&self, disk: &Disk, from: &Path, to: &Path) -> Result<()> {
        disk.rename_new(from, to).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Trouble::new(Kind::Failed, format!("{} is taken", to.display()))
                .why("something appeared there in the middle of the exchange"),
            _ => io_trouble("rename", from, &e),
        })?;
        for dir in [parent(from), parent(to)] {
            disk.sync_dir(dir).map_err(|e| io_trouble("make durable", dir, &e))?;
        }
        Ok(())
    }
}

/// What stands when all of them are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// A member is in place.
    Swapped(Swapped),
    /// It is out of its place again.
    Undone,
}

/// The whole list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moves {
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
}

impl Moves {
    pub(super) fn new(whose: &Whose<'_>, outcome: Outcome) -> Moves {
        let (plan, run, name) = (whose.plan.into(), whose.run.into(), whose.name.into());
        let (makes, renames, empty, shells) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Moves { plan, run, name, makes, renames, empty, shells, outcome }
    }

    /// Adds the rename of a whole directory to a dated name beside it, which is returned.
    pub(super) fn aside_whole(&mut self, target: &Path, word: &str, stamp: &str) -> Result<PathBuf> {
        let identity = Identity::of(target).map_err(|e| io_trouble("look at", target, &e))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let to = free_name(parent(target), &format!("{name}.{word}-{stamp}"));
        self.renames.push(Rename { from: target.into(), to: to.clone(), identity });
        Ok(to)
    }

    /// Adds the renames of a directory's entries into a dated directory in it, which is returned; none where it has none.
    pub(super) fn aside_entries(&mut self, target: &Path, word: &str, stamp: &str) -> Result<Option<PathBuf>> {
        let old = entries(target)?;
        if old.is_empty() {
            return Ok(None);
        }
        let to = free_name(target, &format!("{word}-{stamp}"));
        for from in old {
            self.renames.push(Rename::new(&from, &to)?);
        }
        self.makes.push(to.clone());
        Ok(Some(to))
    }

    pub(super) fn write(&self, disk: &Disk, shell: &Path) -> Result<()> {
        let text =
            serde_json::to_vec(self).map_err(|e| Trouble::new(Kind::Input, "a path cannot be written down").why(e))?;
        let written = leftovers::note(disk, shell, MOVES, &text);
        written.map_err(|e| io_trouble("write in", shell, &e))
    }

    /// The list in a staging directory.
    pub(super) fn read(shell: &Path) -> Option<Moves> {
        serde_json::from_slice(&fs::read(shell.join(MOVES)).ok()?).ok()
    }

    /// Whether it moves this directory, or something in it.
    pub(super) fn touches(&self, target: &Path) -> bool {
        self.renames.iter().any(|rename| rename.from.starts_with(target) || rename.to.starts_with(target))
    }

    /// Whether one of them is done.
    pub(super) fn begun(&self) -> bool {
        self.renames.iter().any(Rename::done)
    }

    /// Does all that is not done yet.
    ///
    /// # Errors
    /// When one cannot be done; all of them are taken back then.
    pub(super) fn carry(&self, disk: &Disk, shell: &Path) -> Result<()> {
        let outcome = self
            .makes
            .iter()
            .try_for_each(|dir| made(disk, dir))
            .and_then(|()| self.renames.iter().try_for_each(|rename| rename.settle(disk)));
        outcome.or_else(|trouble| {
            self.take_back(disk, shell)
                .map_err(|worse| Trouble { what: format!("{}, and then {}", trouble.what, worse.what), ..worse })?;
            Err(trouble.hint("All is where it was before. Look at it, then try again."))
        })
    }

    /// Takes back what is done, and forgets the list.
    pub(super) fn take_back(&self, disk: &Disk, shell: &Path) -> Result<()> {
        for rename in self.renames.iter().rev().filter(|rename| rename.done()) {
            rename.rename(disk, &rename.to, &rename.from).map_err(|trouble| {
                let (to, from) = (rename.to.display(), rename.from.display());
                let hint = match rename.is_at(&rename.from) {
                    true => format!("{from} is back in its place; only the sync after that failed."),
                    false => format!("What belongs at {from} is at {to}."),
                };
                trouble.hint(hint).remedies(&[Remedy::Resume])
            })?;
        }
        for dir in &self.makes {
            let _ = disk.remove_dir(dir);
        }
        let gone = disk.remove_file(&shell.join(MOVES)).and_then(|()| disk.sync_dir(shell));
        gone.map_err(|e| io_trouble("write in", shell, &e))?;
        if matches!(self.outcome, Outcome::Undone) {
            leftovers::remove(disk, shell);
        }
        Ok(())
    }

    /// Removes what is empty of ours; the list last, so that a kill in between leaves what the next run knows.
    pub(super) fn clear(&self, disk: &Disk, shell: &Path) {
        for dir in &self.empty {
            let _ = disk.remove_dir(dir);
        }
        for other in self.shells.iter().filter(|other| *other != shell && leftovers::is_ours(other)) {
            leftovers::remove(disk, other);
        }
        leftovers::remove(disk, shell);
    }
}

fn made(disk: &Disk, dir: &Path) -> Result<()> {
    let fail = |e: io::Error| io_trouble("make", dir, &e);
    match disk.make_dir(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(fail(e)),
        _ => disk.sync_dir(parent(dir)).map_err(fail),
    }
}

/// A name that nothing has: this one, or with a number behind it.
fn free_name(dir: &Path, name: &str) -> PathBuf {
    let taken = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
    let names = std::iter::once(dir.join(name)).chain((2..).map(|n| dir.join(format!("{name}-{n}"))));
    names.into_iter().find(|path| !taken(path)).unwrap_or_else(|| dir.join(name))
}

/// The entries of a directory that are etcd's or somebody's: not the filesystem's own, ours, or those put aside before.
///
/// # Errors
/// As the system says.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let fail = |e: io::Error| io_trouble("read", dir, &e);
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let passed = name == "lost+found" || name.starts_with("requorum-old-") || name.starts_with("requorum-undone-");
        if !passed && !leftovers::is_ours(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
