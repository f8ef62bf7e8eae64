//! The place in staging where a directory is built.
//!
//! Where the target does not exist, the new directory is built in `.requorum-XXXXXX/new` beside it. Where it exists and is
//! empty (often a mount point) it is kept, with its owner and mode: the new entries are built in `.requorum-XXXXXX/new`
//! inside it. Either way the renames that install it ([`super`]) stay on one filesystem. Dropped, a stage removes all
//! that it made and nothing else; one that is [kept](StagingDir::keep) waits for its plan.

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

/// How often another name is tried when a second requorum cleared ours away as an empty leftover.
const TRIES: u32 = 5;

/// A directory under construction.
#[derive(Debug)]
pub struct StagingDir {
    target: PathBuf,
    inside: bool,
    /// With the directory whose entries the renames change.
    shell: Shell,
    content: Dir,
    parents: Vec<NewDir>,
    kept: bool,
    // Closed last, so that nobody takes the directory for a leftover before it is gone.
    _lock: Locked,
}

/// A directory that was made for the target to lie in.
type NewDir = (Dir, OsString);

impl StagingDir {
    /// Begins a directory that is to become `target`, or to be exchanged for what is there.
    ///
    /// # Errors
    /// When something is there that is no directory, or nothing can be made there.
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
                Err(io_trouble("write in", place, &e))
            }
        }
    }

    /// The directory to build in: it stands for the target.
    pub fn content(&self) -> &Dir {
        &self.content
    }

    /// The target.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether the target is an empty directory that was there before and is kept.
    pub fn inside(&self) -> bool {
        self.inside
    }

    /// Its staging directory.
    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    /// Makes what was built last.
    ///
    /// # Errors
    /// As the system says.
    pub fn sync(&self) -> Result<()> {
        self.content.sync().map_err(|e| io_trouble("make durable", self.content.path(), &e))
    }

    /// Leaves what was built where it is, with `note` to tell what it is by; it outlives this run. The directory that
    /// holds it.
    ///
    /// # Errors
    /// As the system says; then it is removed.
    pub fn keep(self, note: &[u8]) -> Result<PathBuf> {
        let kept = self.content.sync().and_then(|()| self.shell.put(staging_recovery::STAGED, note));
        kept.map_err(|e| io_trouble("write in", self.shell.path(), &e))?;
        let path = self.shell.path().into();
        self.leave();
        Ok(path)
    }

    /// Leaves all as it is.
    pub fn leave(mut self) {
        self.kept = true;
    }
}

/// Somebody who may write around the target did so.
pub fn exchanged(path: &Path) -> Error {
    Error::new(ErrorKind::Failed, format!("{} is not what was put there", path.shown()))
        .why("a user who may write in the directory around it exchanged it at that moment")
        .hint("Look at who may write there and what that user is doing, then try again.")
}

impl Drop for StagingDir {
    /// Removes what was made.
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.shell.remove();
        remove_empty(&self.parents);
    }
}

/// Makes and locks a staging directory in `place`, marked as ours before anything else is in it.
///
/// # Errors
/// As the system says.
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
        // The lock only tells other runs that this one lives; where locks don't work, nothing is cleared.
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
    let mut at = disk.dir(parent(first)).map_err(|e| creation_trouble("make", first, &e))?;
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
                return Err(creation_trouble("make", dir, &e));
            }
        }
    }
    Ok(made)
}

/// Removes the directories that are empty, the deepest first.
fn remove_empty(dirs: &[NewDir]) {
    for (above, name) in dirs.iter().rev() {
        let _ = above.remove_dir(name);
    }
}

#[cfg(test)]
mod tests;
