//! The owner of a process, and whether it counts as an etcd of this host: any user may start something called etcd.
//!
//! It counts if its user is root or owns the data directory that it names, and it has that directory's lock. The
//! arguments of a process with more privileges than its starter's (setuid) come from the starter.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::root_fs::Tree;
use crate::{engine::datadir::file_locks, text::Shown};

/// The user of a process and what is known of its lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// The user ID.
    pub uid: u32,
    /// The same in words: `root`, `etcd (uid 997)`, `uid 1001`.
    pub called: String,
}

/// Whether a process has the lock of its data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    Held,
    NotHeld,
    /// Permission denied, or the system does not list locks.
    Unknown,
}

/// Returns the owner of process `pid`; `None` if that is unknown, or if its starter is not the user that it runs as.
pub(super) fn owner_of(tree: Tree<'_>, pid: u32) -> Option<Owner> {
    let status = tree.text(&PathBuf::from(format!("/proc/{pid}/status"))).ok()?;
    let uid = user(&status)?;
    let passwd = tree.text(Path::new("/etc/passwd")).unwrap_or_default();
    Some(Owner { uid, called: user_name(uid, &passwd) })
}

/// Returns the user in a `/proc/PID/status`, if the real, the effective and the saved one are the same.
fn user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let ids: Vec<u32> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
    let [real, effective, saved, ..] = ids.as_slice() else { return None };
    (real == effective && real == saved).then_some(*real)
}

fn user_name(uid: u32, passwd: &str) -> String {
    let id = uid.to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&id));
    match (uid, line.and_then(|line| line.split(':').next())) {
        (0, _) => "root".into(),
        (_, Some(name)) if !name.is_empty() => format!("{name} (uid {uid})"),
        _ => format!("uid {uid}"),
    }
}

/// Returns whether the process may speak for `data`: its user is root or the directory's owner. For a directory that
/// was removed while its etcd runs, the owner of the files that are still open counts.
pub(super) fn may_have(tree: Tree<'_>, pid: u32, owner: &Owner, data: &Path) -> bool {
    let owns = |meta: fs::Metadata| meta.uid() == owner.uid;
    owner.uid == 0
        || match fs::metadata(tree.real(data)) {
            Ok(meta) => meta.is_dir() && owns(meta),
            Err(e) if e.kind() == io::ErrorKind::NotFound => removed(tree, pid, data).is_some_and(owns),
            Err(_) => false,
        }
}

/// Returns whether process `pid` has the lock of the data directory `data` with its WAL in `wal`.
pub(super) fn lock(tree: Tree<'_>, pid: u32, data: &Path, wal: Option<&Path>) -> Lock {
    let member = tree.real(data).join("member");
    let logs = wal.map_or_else(|| member.join("wal"), |wal| tree.real(wal));
    let closed = |e: &io::Error| e.kind() == io::ErrorKind::PermissionDenied;
    let mut hidden = false;
    let mut files = Vec::new();
    match fs::metadata(member.join("snap/db")) {
        Ok(meta) => files.push(meta),
        Err(e) => hidden |= closed(&e),
    }
    match fs::read_dir(logs) {
        Ok(entries) => {
            let paths =
                entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|x| x == "wal"));
            files.extend(paths.filter_map(|path| fs::metadata(path).ok()));
        }
        Err(e) => hidden |= closed(&e),
    }
    let Ok(listed) = tree.text(Path::new("/proc/locks")) else { return Lock::Unknown };
    let held: Vec<&fs::Metadata> = files.iter().filter(|meta| file_locks::is_listed(&listed, meta, None)).collect();
    if held.iter().any(|meta| file_locks::is_listed(&listed, meta, Some(pid))) {
        return Lock::Held;
    }
    // The lock of an open file description, as of the WAL, is listed without its process.
    match fs::read_dir(tree.real(&PathBuf::from(format!("/proc/{pid}/fd")))) {
        Ok(open) => {
            let mut open = open.flatten().filter_map(|entry| fs::metadata(entry.path()).ok());
            if open.any(|meta| held.iter().any(|file| (file.dev(), file.ino()) == (meta.dev(), meta.ino()))) {
                return Lock::Held;
            }
        }
        Err(e) if closed(&e) => hidden |= !held.is_empty(),
        Err(_) => {}
    }
    if removed(tree, pid, data).is_some_and(|meta| file_locks::is_listed(&listed, &meta, None)) {
        return Lock::Held;
    }
    if hidden { Lock::Unknown } else { Lock::NotHeld }
}

/// Returns the database of `data` that the process still has open after it was removed.
fn removed(tree: Tree<'_>, pid: u32, data: &Path) -> Option<fs::Metadata> {
    let wanted = format!("{}/member/snap/db (deleted)", data.shown());
    let open = fs::read_dir(tree.real(&PathBuf::from(format!("/proc/{pid}/fd")))).ok()?.flatten();
    let mut open = open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str()));
    fs::metadata(open.next()?.path()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whose_a_process_is() {
        for (status, expected) in [
            ("Name:\tetcd\nUid:\t0\t0\t0\t0\n", Some(0)),
            ("Uid:\t997\t997\t997\t997\n", Some(997)),
            // A setuid program: its arguments are its starter's.
            ("Uid:\t1001\t0\t0\t0\n", None),
            ("Uid:\t0\t1001\t0\t1001\n", None),
            ("Uid:\t1001\t1001\t0\t1001\n", None),
            // A name cannot add a line: the kernel escapes it.
            ("Name:\tetcd\\nUid:\t0\nUid:\t5\t5\t5\t5\n", Some(5)),
            ("Uid:\t0\n", None),
            ("Uid:\tx\tx\tx\tx\n", None),
            ("", None),
        ] {
            assert_eq!(user(status), expected, "{status:?}");
        }
        let passwd = "root:x:0:0::/:\netcd:x:997:997::/:\n:x:5:5::/:\n";
        for (uid, expected) in [(0, "root"), (997, "etcd (uid 997)"), (5, "uid 5"), (1001, "uid 1001")] {
            assert_eq!(user_name(uid, passwd), expected);
        }
    }
}
