//! The staging directory in which a new directory is built.
//!
//! If the target does not exist, the new directory is built in `.requorum-XXXXXX/new` next to it. If it exists and is
//! empty (often a mount point) it is kept, with its owner and mode: the new entries are built in `.requorum-XXXXXX/new`
//! inside it. Either way the renames that install it ([`super`]) stay on one filesystem. On drop a staging directory
//! removes everything that it created and nothing else; one that is [kept](StagingDir::keep) is installed later by its
//! plan.

mod target;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

pub use self::target::{free, inside, is_mount, parent, sync_dir};
use super::staging_recovery::{self, MARKER, PREFIX, Shell};
use crate::engine::{
    durable_fs::{Dir, Disk, Locked},
    source::{creation_trouble, io_trouble},
};
use crate::{
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// How many names are tried when another requorum removes ours as an empty leftover.
const TRIES: u32 = 5;

/// A directory under construction.
#[derive(Debug)]
pub struct StagingDir {
    target: PathBuf,
    inside: bool,
    /// The staging directory, with its parent directory.
    shell: Shell,
    content: Dir,
    parents: Vec<NewDir>,
    kept: bool,
    // Closed last, so that no other run removes the directory as a leftover while it still exists.
    _lock: Locked,
}

/// A parent directory of the target that was created, by its own parent and name.
type NewDir = (Dir, OsString);

impl StagingDir {
    /// Creates the staging directory for a directory that is to become `target`, or to replace it.
    ///
    /// # Errors
    /// If `target` exists and is not a directory, or nothing can be created there.
    pub fn begin(disk: &Disk, target: &Path) -> Result<StagingDir> {
        let inside = inside(target)?;
        let place = if inside { target } else { parent(target) };
        let parents = if inside { Vec::new() } else { make_parents(disk, target)? };
        let begun = disk.dir(place).and_then(|place| {
            let (shell, lock) = shell(&place)?;
            place.sync()?;
            let content = shell.dir.make("new").inspect_err(|_| shell.remove())?;
            Ok((shell, lock, content))
        });
        match begun {
            Ok((shell, _lock, content)) => {
                let target = target.into();
                Ok(StagingDir { target, inside, shell, content, parents, kept: false, _lock })
            }
            Err(e) => {
                remove_empty(&parents);
                Err(io_trouble("write to", place, &e))
            }
        }
    }

    /// Returns the directory to build in: it becomes the target.
    pub fn content(&self) -> &Dir {
        &self.content
    }

    /// Returns the target.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Returns whether the target is an existing empty directory, which is kept.
    pub fn inside(&self) -> bool {
        self.inside
    }

    /// Returns the staging directory itself.
    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    /// Syncs the directory in which the target is built.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn sync(&self) -> Result<()> {
        self.content.sync().map_err(|e| io_trouble("sync", self.content.path(), &e))
    }

    /// Keeps what was built beyond this run, with `note` to identify it, and returns the path of the staging directory.
    ///
    /// # Errors
    /// If the note cannot be written; what was built is removed then.
    pub fn keep(self, note: &[u8]) -> Result<PathBuf> {
        let kept = self.content.sync().and_then(|()| self.shell.put(staging_recovery::STAGED, note));
        kept.map_err(|e| io_trouble("write to", self.shell.path(), &e))?;
        let path = self.shell.path().into();
        self.leave();
        Ok(path)
    }

    /// Keeps everything as it is.
    pub fn leave(mut self) {
        self.kept = true;
    }
}

/// Returns the error for a path that another user replaced after it was put there.
pub fn replaced(path: &Path) -> Error {
    Error::new(ErrorKind::Failed, format!("{}: replaced by another process", path.shown()))
        .why("it is not the file or directory that requorum put there; another user may write in its parent directory")
        .hint("Check who can write in that directory and what they are running, then try again.")
}

impl Drop for StagingDir {
    /// Removes what was created.
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.shell.remove();
        remove_empty(&self.parents);
    }
}

/// Creates and locks a staging directory in `place`; its marker is written before anything else.
///
/// # Errors
/// If it cannot be created.
pub fn shell(place: &Dir) -> io::Result<(Shell, Locked)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut random = [0u8; 4];
        rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())?;
        let name = OsString::from(format!("{PREFIX}{}", crate::engine::source::hex(&random)));
        let dir = match place.make(&name) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && tries < TRIES => continue,
            Err(e) if e.kind() == io::ErrorKind::NotFound && tries < TRIES => continue,
            other => other?,
        };
        let shell = Shell { place: place.clone(), name, dir };
        let marked = shell.dir.write_new(MARKER, b"", 0o600).and_then(|_| shell.dir.sync());
        match marked {
            Err(e) if e.kind() == io::ErrorKind::NotFound && tries < TRIES => continue,
            Err(e) => {
                shell.remove();
                return Err(e);
            }
            Ok(()) => {}
        }
        let marker = Locked::new(shell.dir.read(MARKER)?);
        // The lock only shows other runs that this one is alive; where locks do not work, nothing is cleared.
        let locked = marker.try_take();
        let swept = matches!(locked, Ok(false)) || matches!(shell.dir.entry_metadata(MARKER), Ok(None));
        if !swept || tries == TRIES {
            return Ok((shell, marker));
        }
    }
}

fn make_parents(disk: &Disk, target: &Path) -> Result<Vec<NewDir>> {
    let missing: Vec<&Path> =
        target.ancestors().skip(1).take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    let mut made: Vec<NewDir> = Vec::new();
    let Some(first) = missing.last() else { return Ok(made) };
    let mut at = disk.dir(parent(first)).map_err(|e| creation_trouble("create", first, &e))?;
    for dir in missing.into_iter().rev() {
        let done = dir.file_name().ok_or_else(|| io::ErrorKind::InvalidInput.into()).and_then(|name| {
            let new = at.make(name)?;
            made.push((at.clone(), name.into()));
            at.sync()?;
            Ok(new)
        });
        match done {
            Ok(new) => at = new,
            Err(e) => {
                remove_empty(&made);
                return Err(creation_trouble("create", dir, &e));
            }
        }
    }
    Ok(made)
}

/// Removes those directories that are empty, deepest first.
fn remove_empty(dirs: &[NewDir]) {
    for (above, name) in dirs.iter().rev() {
        let _ = above.remove_dir(name);
    }
}

#[cfg(test)]
mod tests;
