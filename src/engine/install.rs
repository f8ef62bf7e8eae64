//! How a member that was built in staging is installed and rolled back, and how leftovers of killed runs are removed:
//! one way for restores with and without a plan.
//!
//! What was built is complete and verified ([`super::restore`]) and is in a staging directory next to its target
//! ([`super::install::staging`]). A plan's staging directory is marked with plan, run and member name and is kept after
//! the run that created it; without a plan the member is installed at once. Either way one list of renames is durable
//! before the first rename (`rename_log`):
//! ```text
//! DATA-DIR                       → DATA-DIR.old-STAMP     the existing directory, only with a plan
//! WAL-DIR                        → WAL-DIR.old-STAMP
//! …/.requorum-XXXXXXXX/new       → WAL-DIR
//! …/.requorum-XXXXXXXX/new       → DATA-DIR               last: until then it does not exist, so no etcd finds half of one
//! ```
//! A mount point cannot be renamed: its entries are moved to `requorum-old-STAMP` inside it. Nothing is overwritten,
//! and nothing is removed except staging directories. If a run is killed, its list is resumed or rolled back by its
//! plan; a list without a plan is rolled back by the next run there ([`clear`]).

mod by_plan;
mod leftovers;
mod open_dirs;
mod rename_log;
pub mod run_lock;
#[allow(clippy::arithmetic_side_effects, reason = "its one sum is a count of tries that ends at TRIES")]
pub mod staging;
pub mod staging_recovery;
mod state;
mod without_plan;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::rename_log::within;
pub use self::{
    by_plan::{build, install, roll_back},
    leftovers::clear,
    state::{MemberState, discard, member_state},
    without_plan::{restore, restore_with},
};
use super::{
    durable_fs::{self, Disk, Identity},
    install::staging::replaced,
    restore::{Restored, expected::Expected},
    source::io_trouble,
};
use crate::{
    error::{Error, ErrorKind, Remedy, Result},
    text::Shown,
};

/// A member of a plan and its directories.
#[derive(Debug, Clone, Copy)]
pub struct MemberRef<'a> {
    /// The plan's short ID.
    pub plan: &'a str,
    /// The ID of the run.
    pub run: &'a str,
    /// The member's name.
    pub name: &'a str,
    /// `--data-dir`.
    pub data_dir: &'a Path,
    /// `--wal-dir`, if it is not inside the data directory.
    pub wal_dir: Option<&'a Path>,
    /// The member as planned: what is found on the disk is used only if it is equal.
    pub expected: &'a Expected,
}

/// Renames that were done: from, to.
pub type Renames = Vec<(PathBuf, PathBuf)>;

/// Records the result of an installation or a rollback before its rename log is removed.
pub type Record<'a, T> = &'a mut dyn FnMut(&T) -> Result<()>;

/// A member that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swapped {
    /// The member's name.
    pub name: String,
    /// What was read back after it was built.
    pub restored: Restored,
    /// Its data directory, and its WAL directory if that is separate.
    pub places: Vec<Place>,
}

impl Swapped {
    /// Returns the previous directories: where each was, and where it is now.
    pub fn aside(&self) -> Renames {
        self.places.iter().filter_map(|place| Some((place.target.clone(), place.aside.clone()?))).collect()
    }

    /// Returns whether its directories are still the ones that were installed.
    pub fn still(&self) -> bool {
        self.places.iter().all(|place| identity(&place.target) == Some(place.identity))
    }

    /// Checks that its directories are `targets`, and that each backup is next to or inside its own.
    fn is_of(&self, targets: &[PathBuf]) -> std::result::Result<(), String> {
        for (at, place) in self.places.iter().enumerate() {
            if targets.get(at) != Some(&place.target) {
                return Err(format!("{} is not a directory of {}", place.target.shown(), self.name));
            }
            let own = std::slice::from_ref(&place.target);
            if let Some(aside) = place.aside.as_ref().filter(|aside| **aside == place.target || !within(own, aside)) {
                return Err(format!("the previous content cannot be at {}", aside.shown()));
            }
        }
        if self.places.len() == targets.len() { Ok(()) } else { Err("the number of directories differs".into()) }
    }
}

/// Returns the identity of the entry at `path`; `None` if it does not exist or cannot be read.
fn identity(path: &Path) -> Option<Identity> {
    let (above, name) = Disk::default().above(path).ok()?;
    above.entry_identity(name).ok()?
}

/// One directory that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The directory, symbolic links resolved.
    pub target: PathBuf,
    /// Whether the directory was kept and only its entries were replaced.
    pub inside: bool,
    /// The path of the previous content; `None` if there was none.
    pub aside: Option<PathBuf>,
    identity: Identity,
}

/// Checks what was installed: that the paths resolve to it, and, through its open directories, that it is as planned.
fn as_planned(disk: &Disk, member: &MemberRef<'_>, swapped: &Swapped) -> Result<()> {
    let named = [Some(member.data_dir), member.wal_dir].into_iter().flatten();
    let mut dirs = Vec::new();
    for (path, place) in named.zip(&swapped.places) {
        let dir = disk.dir(path).map_err(|e| io_trouble("read", path, &e))?;
        if dir.identity().ok() != Some(place.identity) {
            return Err(replaced(path));
        }
        dirs.push(dir);
    }
    let (data, log) = (dirs.first(), dirs.get(1));
    let read_back =
        data.map_or_else(|| Err("the directory is missing".into()), |data| member.expected.read_back(data, log));
    read_back.map_err(|why| {
        Error::new(ErrorKind::Failed, format!("{}: verification failed after installing", member.name))
            .why(why)
            .hint("It was rolled back to the previous state. Check whether the disk is failing, then try again.")
    })
}

fn half(member: &MemberRef<'_>) -> Error {
    Error::new(ErrorKind::Refused, format!("{}: an earlier installation or rollback is not finished", member.name))
        .why(format!("a run was killed while renaming directories next to {}", member.data_dir.shown()))
        .hint("Finish it first: resume it, or roll it back.")
        .remedies(&[Remedy::Resume, Remedy::Undo])
}

/// Returns the path of a directory with symbolic links resolved: the link is kept, and its target is replaced.
///
/// # Errors
/// If a symbolic link of another user points to what that user does not own.
pub fn real(path: &Path) -> Result<PathBuf> {
    durable_fs::real(path).map_err(|e| io_trouble("read", path, &e))
}

/// Returns the directories of a member, the data directory first.
fn targets(member: &MemberRef<'_>) -> Result<Vec<PathBuf>> {
    [Some(member.data_dir), member.wal_dir].into_iter().flatten().map(real).collect()
}
