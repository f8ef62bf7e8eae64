//! Who holds a file: asked, never tried. Taking a lock to see whether it is free would, for that
//! moment, keep an etcd from starting.
//!
//! etcd holds `flock(LOCK_EX)` on `member/snap/db` and a write lock of the open file description
//! (`F_OFD_SETLK`) on its newest WAL segments. Source: bbolt `bolt_unix.go`, etcd
//! `client/pkg/fileutil/lock_linux.go`.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// Whether a process holds a lock on `path` now. No where the system does not tell.
pub fn held(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| listed(meta.dev(), meta.ino()))
}

/// Whether a running etcd has this database: it is locked, or the WAL beside it is.
pub fn served(db: &Path) -> bool {
    let wal = db.parent().and_then(Path::parent).map(|member| member.join("wal"));
    let segments = wal.and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten().map(|entry| entry.path());
    held(db) || segments.filter(|path| path.extension().is_some_and(|x| x == "wal")).any(|path| held(&path))
}

/// Looks the file up in `/proc/locks`: the only place that tells of `flock` without taking it. OFD
/// locks are listed there whichever container their holder runs in, so the WAL tells on an etcd
/// whose `flock` is hidden from here.
fn listed(dev: u64, inode: u64) -> bool {
    let device = format!("{:02x}:{:02x}:{inode}", rustix::fs::major(dev), rustix::fs::minor(dev));
    fs::read_to_string("/proc/locks").is_ok_and(|locks| names(&locks, &device))
}

/// `1: FLOCK  ADVISORY  WRITE 1234 fd:00:5678 0 EOF`: the sixth word is device and inode.
fn names(locks: &str, device: &str) -> bool {
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A line with `->` is somebody who waits for the lock of the line above.
        words.contains(&"WRITE") && words.contains(&device) && !words.contains(&"->")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::File;

    #[test]
    fn a_lock_is_seen_and_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        fs::write(&path, b"x").unwrap();
        assert!(!held(&path) && !held(&dir.path().join("absent")));
        let holder = File::open(&path).unwrap();
        rustix::fs::flock(&holder, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(held(&path));
        drop(holder);
        assert!(!held(&path));
    }

    #[test]
    fn lines_of_proc_locks() {
        let locks = "1: FLOCK  ADVISORY  WRITE 1234 fd:00:5678 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 1 fd:00:9 0 EOF\n\
                     2: POSIX  ADVISORY  READ 99 fd:00:77 0 EOF\n3: OFDLCK ADVISORY  WRITE -1 fe:01:42 0 EOF\n";
        for (device, expected) in
            [("fd:00:5678", true), ("fd:00:9", false), ("fd:00:77", false), ("fe:01:42", true), ("fd:00:567", false)]
        {
            assert_eq!(names(locks, device), expected, "{device}");
        }
    }
}
