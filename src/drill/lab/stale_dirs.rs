//! Directories of exercises: each is locked as long as its exercise runs, so that those of killed exercises can be recognised
//! and removed. Only directories with our name and lock file that belong to this user are considered.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use tempfile::TempDir;

/// The prefix of the directories' names.
const PREFIX: &str = "requorum-drill-";
/// The file that is locked.
const MARK: &str = "in-use";

/// Makes a directory in `temporary` and locks it.
///
/// # Errors
/// If it cannot be made.
pub(super) fn make(temporary: &Path) -> io::Result<(TempDir, File)> {
    // whatever the umask: no other user may reach its sockets and files
    let own = fs::Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().prefix(PREFIX).permissions(own).tempdir_in(temporary)?;
    // locked before it has its name: until then the directory must not look like a killed exercise's
    let unnamed = dir.path().join("in-use.new");
    let mark = File::create_new(&unnamed)?;
    mark.lock()?;
    fs::rename(&unnamed, dir.path().join(MARK))?;
    Ok((dir, mark))
}

/// Removes the directories of this user's killed exercises in `temporary`. Returns how many; errors are ignored.
pub fn sweep(temporary: &Path) -> usize {
    let own = |dir: &Path| {
        let named = dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        let ours = |found: fs::Metadata| found.is_dir() && found.uid() == rustix::process::getuid().as_raw();
        named && fs::symlink_metadata(dir).is_ok_and(ours)
    };
    let entries = fs::read_dir(temporary).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|dir| own(dir) && is_stale(dir) && fs::remove_dir_all(dir).is_ok()).count()
}

/// Returns whether it has a lock file that no process has locked.
fn is_stale(dir: &Path) -> bool {
    let mark = dir.join(MARK);
    fs::symlink_metadata(&mark).is_ok_and(|found| found.is_file())
        && File::open(&mark).is_ok_and(|mark| mark.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn held_unmarked_or_renamed_directories_stay() {
        let temporary = tempfile::tempdir().unwrap();
        let at = |name: &str| temporary.path().join(name);
        let (held, _mark) = make(temporary.path()).unwrap();
        let (left, mark) = make(temporary.path()).unwrap();
        let mode = fs::metadata(held.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "whatever the umask");
        drop(mark);
        let left = left.keep();
        fs::write(left.join("some.db"), "x").unwrap();
        fs::create_dir(at("requorum-drill-mine")).unwrap();
        fs::create_dir(at("other")).unwrap();
        fs::write(at("other").join(MARK), "").unwrap();
        std::os::unix::fs::symlink(at("other"), at("requorum-drill-link")).unwrap();
        assert_eq!(sweep(temporary.path()), 1);
        assert!(!left.exists() && held.path().exists());
        for stays in ["requorum-drill-mine", "other", "requorum-drill-link"] {
            assert!(at(stays).exists(), "{stays}");
        }
        assert!(at("other").join(MARK).exists());
    }
}
