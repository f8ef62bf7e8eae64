//! A place beside the target where a directory is built, and the rename that puts it there.
//!
//! Where the target does not exist, the new directory is built in `.requorum-XXXXXX/new` beside it
//! and renamed to its name. Where it exists and is empty (often a mount point) it is kept, with
//! its owner and mode: the new entries are built in `.requorum-XXXXXX/new` inside it and renamed
//! up. Either way source and target of the rename lie on one filesystem, and the rename refuses to
//! replace anything. Dropped before [`Stage::place`], a stage removes all that it made and nothing
//! else.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use tempfile::TempDir;

use super::source::io_trouble;
use crate::trouble::{Kind, Result, Trouble};

/// How the names of our staging directories begin.
pub const PREFIX: &str = ".requorum-";
/// The file in a staging directory that says whose it is; locked while the work goes on.
const MARKER: &str = "requorum-staging";

/// A directory under construction.
#[derive(Debug)]
pub struct Stage {
    target: PathBuf,
    inside: bool,
    content: PathBuf,
    // Dropped in this order: the lock last, so that nobody takes the directory for a leftover.
    _staging: TempDir,
    parents: Parents,
    _lock: File,
}

impl Stage {
    /// Begins a directory that is to become `target`.
    ///
    /// # Errors
    /// When `target` exists and is not an empty directory, or nothing can be made there.
    pub fn begin(target: &Path) -> Result<Stage> {
        let inside = free(target)?;
        let parents = if inside { Parents::default() } else { Parents::make(target)? };
        let place = if inside { target } else { parent(target) };
        clear_leftovers(place);
        let make = |e: &io::Error| io_trouble("write in", place, e);
        let staging = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place).map_err(|e| make(&e))?;
        let marker = File::create_new(staging.path().join(MARKER)).map_err(|e| make(&e))?;
        // The lock only tells other runs that this one lives; where locks don't work, nothing is cleared.
        let _ = flock(&marker, FlockOperation::NonBlockingLockExclusive);
        let content = staging.path().join("new");
        make_dir(&content)?;
        Ok(Stage { target: target.into(), inside, content, _staging: staging, parents, _lock: marker })
    }

    /// The directory to build in: it stands for the target.
    pub fn content(&self) -> &Path {
        &self.content
    }

    /// The path of `entry` once it is placed.
    pub fn placed(&self, entry: &Path) -> PathBuf {
        entry.strip_prefix(&self.content).map_or_else(|_| entry.into(), |rest| self.target.join(rest))
    }

    /// Renames what was built to its place, and makes that durable.
    ///
    /// # Errors
    /// When something appeared there meanwhile, or the system refuses; then nothing was placed.
    pub fn place(mut self) -> Result<Placed> {
        sync_dir(&self.content)?;
        let mut placed = Vec::new();
        if self.inside {
            let read = |e: io::Error| io_trouble("read", &self.content, &e);
            for entry in fs::read_dir(&self.content).map_err(read)? {
                let entry = entry.map_err(read)?;
                let to = self.target.join(entry.file_name());
                rename_new(&entry.path(), &to)?;
                placed.push(to);
            }
            sync_dir(&self.target)?;
        } else {
            rename_new(&self.content, &self.target)?;
            placed.push(self.target.clone());
            sync_dir(parent(&self.target))?;
        }
        let parents = std::mem::take(&mut self.parents);
        Ok(Placed { paths: placed, parents, keep: false })
    }
}

/// What a stage put into place. It is taken back again unless [`Placed::keep`] is called: where a
/// separate WAL directory is placed first, a failure after that must not leave it behind.
#[derive(Debug)]
#[must_use]
pub struct Placed {
    paths: Vec<PathBuf>,
    parents: Parents,
    keep: bool,
}

impl Placed {
    /// It stays.
    pub fn keep(mut self) {
        self.keep = true;
        self.parents.0.clear();
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for path in &self.paths {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

/// Directories above the target that had to be made; removed again, if still empty, on drop.
#[derive(Debug, Default)]
struct Parents(Vec<PathBuf>);

impl Parents {
    fn make(target: &Path) -> Result<Parents> {
        let mut made = Parents::default();
        let missing: Vec<&Path> =
            target.ancestors().skip(1).take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
        for dir in missing.into_iter().rev() {
            make_dir(dir)?;
            made.0.push(dir.into());
        }
        for dir in &made.0 {
            sync_dir(parent(dir))?;
        }
        Ok(made)
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        for dir in self.0.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Whether `target` may be made: `false` when it does not exist, `true` when it is an empty
/// directory (`lost+found` and our own staging don't count).
///
/// # Errors
/// When something is there.
pub fn free(target: &Path) -> Result<bool> {
    let taken = |why: String| {
        Trouble::new(Kind::Input, format!("{} is taken", target.display()))
            .why(why)
            .hint("requorum never writes over anything. Name another directory, or move this one aside yourself.")
    };
    match fs::symlink_metadata(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(io_trouble("look at", target, &e)),
        Ok(_) => {}
    }
    let entries = match fs::read_dir(target) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Err(taken("it is a file".into())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(taken("it is a symbolic link that leads nowhere".into()));
        }
        Err(e) => return Err(io_trouble("read", target, &e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| io_trouble("read", target, &e))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "lost+found" && !is_ours(&entry.path(), &name) {
            names.push(name);
        }
    }
    names.sort();
    match names.as_slice() {
        [] => Ok(true),
        [one] => Err(taken(format!("the directory is not empty, it holds {one}"))),
        [one, rest @ ..] => Err(taken(format!("the directory is not empty, it holds {one} and {} more", rest.len()))),
    }
}

fn is_ours(path: &Path, name: &str) -> bool {
    name.starts_with(PREFIX) && path.join(MARKER).is_file()
}

/// Removes staging directories of runs that were killed: ours by their marker, and nobody holds
/// its lock. What can't be removed is left alone.
fn clear_leftovers(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_ours(&path, &entry.file_name().to_string_lossy()) {
            continue;
        }
        let Ok(marker) = File::open(path.join(MARKER)) else { continue };
        if flock(&marker, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// The directory that holds `path`; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes one directory as etcd makes its own, mode 0700.
///
/// # Errors
/// As the system says.
pub fn make_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path).map_err(|e| io_trouble("make", path, &e))
}

/// Makes a directory's entries durable.
///
/// # Errors
/// As the system says.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| io_trouble("make durable", path, &e))
}

/// Renames, and never replaces.
///
/// # Errors
/// When `to` exists, or as the system says.
pub fn rename_new(from: &Path, to: &Path) -> Result<()> {
    let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some filesystems (NFS) know no NOREPLACE; then the look before the rename must do.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => match fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        other => other.map_err(io::Error::from),
    };
    renamed.map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => Trouble::new(Kind::Input, format!("{} is taken", to.display()))
            .why("something appeared there while the restore was running")
            .hint("It was left as it is. Name another directory."),
        _ => io_trouble("rename into place", to, &e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_dropped_stage_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a/b/etcd");
        let stage = Stage::begin(&target).unwrap();
        fs::write(stage.content().join("member"), b"x").unwrap();
        assert!(target.parent().unwrap().exists());
        drop(stage);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_missing_target_is_renamed_in_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a/etcd");
        let stage = Stage::begin(&target).unwrap();
        fs::create_dir(stage.content().join("member")).unwrap();
        assert_eq!(stage.placed(&stage.content().join("member")), target.join("member"));
        stage.place().unwrap().keep();
        assert_eq!(names(&target), ["member"]);
        assert_eq!(names(target.parent().unwrap()), ["etcd"]);
    }

    #[test]
    fn an_empty_target_is_kept_and_filled() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        assert!(free(dir.path()).unwrap());
        let stage = Stage::begin(dir.path()).unwrap();
        fs::create_dir(stage.content().join("member")).unwrap();
        assert!(free(dir.path()).unwrap(), "our own staging does not count");
        stage.place().unwrap().keep();
        assert_eq!(names(dir.path()), ["lost+found", "member"]);
        assert!(free(dir.path()).unwrap_err().to_string().contains("it holds member"));
    }

    #[test]
    fn what_appears_meanwhile_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("etcd");
        let stage = Stage::begin(&target).unwrap();
        fs::create_dir(&target).unwrap();
        assert!(stage.place().unwrap_err().to_string().contains("appeared"));
        assert_eq!(names(dir.path()), ["etcd"]);
    }

    #[test]
    fn what_is_not_kept_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("new/wal");
        let stage = Stage::begin(&target).unwrap();
        drop(stage.place().unwrap());
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn leftovers_of_a_killed_run_are_cleared_and_strangers_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let leftover = dir.path().join(".requorum-dead");
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join(MARKER), b"").unwrap();
        let stranger = dir.path().join(".requorum-notes");
        fs::create_dir(&stranger).unwrap();
        let live = Stage::begin(&dir.path().join("one")).unwrap();
        let second = Stage::begin(&dir.path().join("two")).unwrap();
        assert!(!leftover.exists() && stranger.exists() && live.content().exists());
        drop(second);
    }

    #[test]
    fn files_and_dangling_links_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(free(&file).unwrap_err().to_string().contains("it is a file"));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
        assert!(free(&link).unwrap_err().to_string().contains("leads nowhere"));
    }
}
