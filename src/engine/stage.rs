//! A place beside the target where a directory is built, and the renames that put it there.
//!
//! Where the target does not exist, the new directory is built in `.requorum-XXXXXX/new` beside it
//! and renamed to its name. Where it exists and is empty (often a mount point) it is kept, with
//! its owner and mode: the new entries are built in `.requorum-XXXXXX/new` inside it and renamed
//! up. Either way source and target of the rename lie on one filesystem, and the rename refuses to
//! replace anything. Dropped before [`place`], a stage removes all that it made and nothing else;
//! what a killed run left is known by its marker, see [`super::leftovers`]. What is to be exchanged for an old directory
//! later ([`super::swap`]) is [kept](Stage::keep).

mod target;

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

pub use self::target::{free, inside, is_mount, parent, sync_dir};
use super::{
    durable_fs::{Dir, Disk, Locked},
    leftovers::{self, MARKER, PREFIX, Promise, Shell},
    source::io_trouble,
};
use crate::{
    text::Shown,
    trouble::{Kind, Result, Trouble},
};

/// How often another name is tried when a second requorum cleared ours away as an empty leftover.
const TRIES: u32 = 5;

/// A directory under construction.
#[derive(Debug)]
pub struct Stage {
    disk: Disk,
    target: PathBuf,
    inside: bool,
    /// With the directory whose entries the renames change.
    shell: Shell,
    content: Dir,
    parents: Vec<Made>,
    kept: bool,
    // Closed last, so that nobody takes the directory for a leftover before it is gone.
    _lock: Locked,
}

/// A directory that was made for the target to lie in.
type Made = (Dir, OsString);

impl Stage {
    /// Begins a directory that is to become `target`, after clearing what a killed run left there.
    ///
    /// # Errors
    /// When `target` exists and is not an empty directory, or nothing can be made there.
    pub fn begin(disk: &Disk, target: &Path) -> Result<Stage> {
        leftovers::clear(disk, target);
        Stage::at(disk, target, free(target)?)
    }

    /// Begins a directory that is to be exchanged for what is at `target`, if anything.
    ///
    /// # Errors
    /// When something is there that is no directory, or nothing can be made there.
    pub fn beside(disk: &Disk, target: &Path) -> Result<Stage> {
        leftovers::clear(disk, target);
        Stage::at(disk, target, inside(target)?)
    }

    fn at(disk: &Disk, target: &Path, inside: bool) -> Result<Stage> {
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
                let (disk, target) = (disk.clone(), target.into());
                Ok(Stage { disk, target, inside, shell, content, parents, kept: false, _lock })
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

    /// Leaves what was built where it is, with `note` to tell what it is by; it outlives this run. The directory that
    /// holds it.
    ///
    /// # Errors
    /// As the system says; then it is removed.
    pub fn keep(mut self, note: &[u8]) -> Result<PathBuf> {
        let kept = self.content.sync().and_then(|()| self.shell.put(leftovers::STAGED, note));
        kept.map_err(|e| io_trouble("write in", self.shell.path(), &e))?;
        self.kept = true;
        Ok(self.shell.path().into())
    }

    /// What is renamed, and to which name in its place.
    fn moves(&self) -> io::Result<Vec<(Dir, OsString, OsString)>> {
        if !self.inside {
            let name = self.target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            return Ok(vec![(self.shell.dir.clone(), "new".into(), name.into())]);
        }
        let names = self.content.names()?.into_iter();
        Ok(names.map(|name| (self.content.clone(), name.clone(), name)).collect())
    }

    /// Whether what was built has its name.
    fn is_placed(&self) -> bool {
        let (from, old, new) = match (self.inside, self.target.file_name()) {
            (true, _) => (&self.content, OsStr::new("member"), OsStr::new("member")),
            (false, Some(name)) => (&self.shell.dir, OsStr::new("new"), name),
            (false, None) => return false,
        };
        matches!(from.look(old), Ok(None)) && matches!(self.shell.place.look(new), Ok(Some(_)))
    }

    fn rename(&self) -> Result<()> {
        let place = &self.shell.place;
        for (from, name, new) in self.moves().map_err(|e| io_trouble("read", self.content.path(), &e))? {
            let to = place.path().join(&new);
            let identity = from.identity_of(&name).map_err(|e| io_trouble("look at", &to, &e))?;
            from.rename(&name, place, &new).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => Trouble::new(Kind::Input, format!("{} is taken", to.shown()))
                    .why("something appeared there while the restore was running")
                    .hint("It was left as it is. Name another directory."),
                _ => io_trouble("rename into place", &to, &e),
            })?;
            if !identity.is_some_and(|identity| place.is(&new, identity)) {
                return Err(exchanged(&to));
            }
        }
        place.sync().map_err(|e| io_trouble("make durable", place.path(), &e))?;
        // The place is held by its handle. Does its path still lead there?
        let led = self.disk.dir(place.path()).and_then(|again| Ok(again.identity()? == place.identity()?));
        if led.unwrap_or(false) { Ok(()) } else { Err(exchanged(place.path())) }
    }
}

/// Somebody who may write around the target did so.
pub fn exchanged(path: &Path) -> Trouble {
    Trouble::new(Kind::Failed, format!("{} is not what was put there", path.shown()))
        .why("a user who may write in the directory around it exchanged it at that moment")
        .hint("Look at who may write there and what that user is doing, then try again.")
}

impl Drop for Stage {
    /// Removes what was made and not placed; after placing, only the empty staging directory.
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.shell.remove();
        remove_empty(&self.parents);
    }
}

/// Renames what was built to its place and makes that last: the WAL first, then the data
/// directory, whose rename is the commit. Until then a failure takes the WAL back, and a kill
/// leaves a written promise by which the next run does.
///
/// # Errors
/// When something appeared there meanwhile, or the system refuses: then nothing was placed. When the last sync fails: then
/// all is in place, and the error says so.
pub fn place(mut data: Stage, mut wal: Option<Stage>) -> Result<()> {
    for stage in wal.iter().chain([&data]) {
        stage.content.sync().map_err(|e| io_trouble("make durable", stage.content.path(), &e))?;
    }
    if let Some(wal) = &wal {
        let promised = wal.moves().and_then(|moves| {
            let to = |(dir, name, new): (Dir, OsString, OsString)| (dir, name, wal.shell.place.path().join(new));
            Promise::of(&moves.into_iter().map(to).collect::<Vec<_>>())?.write(&data.shell)?;
            wal.shell.refer(&data.shell)
        });
        promised.map_err(|e| io_trouble("write in", data.shell.path(), &e))?;
    }
    let placed = wal.as_ref().map_or(Ok(()), Stage::rename).and_then(|()| data.rename());
    if placed.is_err() && data.shell.waits() {
        leftovers::take_back(&data.disk, &data.shell);
    } else {
        data.parents.clear();
        if let Some(wal) = &mut wal {
            wal.parents.clear();
        }
    }
    let placed = placed.map_err(|trouble| if data.is_placed() { in_place(&data.target, trouble) } else { trouble });
    // The WAL's staging directory refers to the data's, so it goes first.
    drop(wal);
    drop(data);
    placed
}

/// The failure of a sync after the rename.
fn in_place(target: &Path, trouble: Trouble) -> Trouble {
    let sync = if trouble.why.is_empty() { trouble.what } else { format!("{}: {}", trouble.what, trouble.why) };
    Trouble::new(Kind::Failed, format!("{} is in place and whole, and may not survive a power failure", target.shown()))
        .why(sync)
        .hint("Do not restore it again: look at the disk (dmesg), then run `sync`.")
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
        let name = OsString::from(format!("{PREFIX}{}", super::source::hex(&random)));
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
        let swept = matches!(locked, Ok(false)) || matches!(shell.dir.look(MARKER), Ok(None));
        if !swept || tries == TRIES {
            return Ok((shell, marker));
        }
    }
}

fn make_parents(disk: &Disk, target: &Path) -> Result<Vec<Made>> {
    let missing: Vec<&Path> =
        target.ancestors().skip(1).take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    let mut made: Vec<Made> = Vec::new();
    let Some(first) = missing.last() else { return Ok(made) };
    let mut at = disk.dir(parent(first)).map_err(|e| io_trouble("make", first, &e))?;
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
                return Err(io_trouble("make", dir, &e));
            }
        }
    }
    Ok(made)
}

/// Removes the directories that are empty, the deepest first.
fn remove_empty(dirs: &[Made]) {
    for (above, name) in dirs.iter().rev() {
        let _ = above.remove_dir(name);
    }
}

#[cfg(test)]
mod tests;
