//! Finds out which process has locked a file without trying to lock it: taking the lock, even for a moment, could keep an
//! etcd from starting.
//!
//! etcd holds `flock(LOCK_EX)` on `member/snap/db` and a write lock of the open file description
//! (`F_OFD_SETLK`) on its newest WAL segments. Source: bbolt `bolt_unix.go`, etcd
//! `client/pkg/fileutil/lock_linux.go`.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
};

use crate::domain::model::observations::disk::Held;

/// Returns whether a process holds a lock on `path` now. `false` if the system does not show it, and for a lock that cannot
/// be etcd's: every user who may read a file can lock it, and could block others indefinitely.
pub fn held(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| listed(meta.dev(), meta.ino()) && !only_read_by_others(path, &meta))
}

/// The initial PID namespace (`PROC_PID_INIT_INO`): a process in it sees all others.
const ALL_PROCESSES: &str = "pid:[4026531836]";

/// Returns whether all processes that have a file open are visible and none of them can be its etcd: each only reads it, and
/// runs neither as root nor as the owner.
fn only_read_by_others(path: &Path, meta: &fs::Metadata) -> bool {
    let own = rustix::process::geteuid();
    if !own.is_root() || fs::read_link("/proc/self/ns/pid").ok().is_none_or(|ns| ns.as_os_str() != ALL_PROCESSES) {
        return false;
    }
    let mut seen = false;
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // This process may have it open for reading.
        if pid == std::process::id() {
            continue;
        }
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().filter(|fd| {
            // Only files that may be it are examined: a socket or a dead mount could block.
            fs::read_link(fd.path()).is_ok_and(|to| to.file_name() == path.file_name())
                && fs::metadata(fd.path()).is_ok_and(|open| (open.dev(), open.ino()) == (meta.dev(), meta.ino()))
        });
        for fd in open {
            let user = process.metadata().map_or(0, |process| process.uid());
            if [0, meta.uid()].contains(&user) || for_writing(pid, &fd.file_name().to_string_lossy()) {
                return false;
            }
            seen = true;
        }
    }
    seen
}

/// Returns whether a process holds a lock on an open file.
pub fn held_file(file: &fs::File) -> bool {
    file.metadata().is_ok_and(|meta| held_meta(&meta))
}

/// Returns whether a process holds a lock on the file with this metadata.
pub fn held_meta(meta: &fs::Metadata) -> bool {
    listed(meta.dev(), meta.ino())
}

/// Returns whether a running etcd has this database open: it is locked, or the WAL in the same data directory is.
pub fn in_use_by_etcd(db: &Path) -> bool {
    let wal = db.parent().and_then(Path::parent).map(|member| member.join("wal"));
    let segments = wal.and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten().map(|entry| entry.path());
    held(db) || segments.filter(|path| path.extension().is_some_and(|x| x == "wal")).any(|path| held(&path))
}

/// Takes the lock that etcd holds on its WAL, until `log` is closed.
///
/// # Errors
/// If it is already locked, or the filesystem has no locks.
pub fn hold(log: &fs::File) -> std::io::Result<()> {
    set(log, libc::F_WRLCK)
}

fn set(log: &fs::File, kind: libc::c_int) -> std::io::Result<()> {
    let whole = libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(log, FcntlArg::F_OFD_SETLK(&whole)).map(|_| ()).map_err(std::io::Error::from)
}

/// A WAL segment that is locked as etcd locks it, until this is dropped.
#[derive(Debug)]
pub struct HeldLog(fs::File);

impl HeldLog {
    /// Locks it, if the filesystem has locks and no other process holds one.
    pub fn new(log: fs::File) -> HeldLog {
        let _ = hold(&log);
        HeldLog(log)
    }
}

impl Drop for HeldLog {
    /// Closing it would not be enough: a process that is being started has a copy until its `exec`, and an etcd does not
    /// wait for this lock.
    fn drop(&mut self) {
        let _ = set(&self.0, libc::F_UNLCK);
    }
}

/// Returns the process that holds a lock on one of `paths`, or has one open for writing as etcd does with its database
/// and WAL.
pub fn holder(paths: &[PathBuf]) -> Held {
    let files: Vec<(u64, u64)> =
        paths.iter().filter_map(|f| fs::metadata(f).ok()).map(|meta| (meta.dev(), meta.ino())).collect();
    if files.is_empty() {
        return Held::No;
    }
    let by = |pid: u32| {
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_string();
        Held::By { pid: Some(pid), program }
    };
    if let Some(pid) = writer(&files) {
        return by(pid);
    }
    // The holder may be another user's process, or run in a container of which only the locks are visible here.
    match fs::read_to_string("/proc/locks") {
        Ok(locks) if paths.iter().any(|path| may_be_etcds(&locks, path)) => {
            // It may have opened them between the two checks.
            writer(&files).map_or(Held::By { pid: None, program: String::new() }, by)
        }
        Ok(_) => Held::No,
        Err(e) => Held::Unknown(format!("/proc/locks cannot be read ({e})")),
    }
}

fn may_be_etcds(locks: &str, path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| is_listed(locks, &meta, None) && !only_read_by_others(path, &meta))
}

/// Finds a process that has one of `files` open for writing, as far as this user may read the descriptors of others.
fn writer(files: &[(u64, u64)]) -> Option<u32> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| !is_child_of_ours(*pid)).find(|pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            // Only files that may be it are examined: a socket or a dead mount could block.
            let name = target.file_name()?.to_str()?;
            (name == "db" || name.ends_with(".wal")).then_some(entry)
        })
        .any(|entry| {
            let same = fs::metadata(entry.path()).is_ok_and(|meta| files.contains(&(meta.dev(), meta.ino())));
            same && for_writing(*pid, &entry.file_name().to_string_lossy())
        })
    })
}

/// Returns whether `pid` is a child of this process that runs the same program. Until its `exec`, a child has copies of
/// every file that is open here: it is not an etcd.
fn is_child_of_ours(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|parent| parent.trim().parse().ok()) == Some(std::process::id())
        && fs::read_link(format!("/proc/{pid}/exe"))
            .is_ok_and(|exe| fs::read_link("/proc/self/exe").is_ok_and(|own| own == exe))
}

/// Returns whether a descriptor is open for writing: `flags:` in `fdinfo` is octal, its lowest two bits are the access mode.
fn for_writing(pid: u32, fd: &str) -> bool {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).map(str::trim);
    flags.and_then(|flags| u64::from_str_radix(flags, 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

/// Looks up the file in `/proc/locks`, which shows an `flock` without taking it. OFD locks are listed there whichever
/// container their holder runs in, so the WAL reveals an etcd whose `flock` is not visible here.
fn listed(dev: u64, inode: u64) -> bool {
    fs::read_to_string("/proc/locks").is_ok_and(|locks| names(&locks, &device(dev, inode)))
}

/// Returns whether `locks`, the content of `/proc/locks`, lists a write lock on the file with this metadata, held by `pid`
/// if one is given. Locks of an open file description are listed without their process.
pub(crate) fn is_listed(locks: &str, meta: &fs::Metadata, pid: Option<u32>) -> bool {
    let file = device(meta.dev(), meta.ino());
    let pid = pid.map(|pid| pid.to_string());
    let its = |line: &&str| pid.as_deref().is_none_or(|pid| line.split_whitespace().nth(4) == Some(pid));
    locks.lines().filter(its).any(|line| names(line, &file))
}

/// Formats device and inode as `/proc/locks` does.
fn device(dev: u64, inode: u64) -> String {
    format!("{:02x}:{:02x}:{inode}", rustix::fs::major(dev), rustix::fs::minor(dev))
}

/// Returns whether a line lists a held write lock on `device`: `1: FLOCK  ADVISORY  WRITE 1234 fd:00:5678 0 EOF`: the sixth word is device and inode.
fn names(locks: &str, device: &str) -> bool {
    locks.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A line with `->` is a process that waits for the lock of the line above.
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
        // given back by name: a process that another test is starting has this description for a moment, too
        rustix::fs::flock(&holder, rustix::fs::FlockOperation::Unlock).unwrap();
        assert!(!held(&path));
    }

    /// As two etcds meet: each description has its own lock, within one process, too.
    #[test]
    fn a_log_is_locked_until_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.wal");
        fs::write(&path, b"x").unwrap();
        let open = || fs::OpenOptions::new().write(true).open(&path).unwrap();
        let first = open();
        hold(&first).unwrap();
        assert!(hold(&open()).is_err() && held(&path));
        // A lock of the process would be gone by now, as soon as any description of the file was closed.
        assert!(hold(&open()).is_err());
        drop(first);
        // a process that another test is starting has that description for a moment, too
        let end = std::time::Instant::now() + std::time::Duration::from_secs(50);
        while hold(&open()).is_err() {
            assert!(std::time::Instant::now() < end, "the lock is given back");
            std::thread::yield_now();
        }
    }

    /// Another process may have a copy of its descriptor.
    #[test]
    fn a_held_log_is_free_once_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.wal");
        fs::write(&path, b"x").unwrap();
        let open = || fs::OpenOptions::new().write(true).open(&path).unwrap();
        let log = HeldLog::new(open());
        let _copy = log.0.try_clone().unwrap();
        assert!(hold(&open()).is_err());
        drop(log);
        hold(&open()).unwrap();
    }

    #[test]
    fn a_lock_holder_is_named_where_visible() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("db"), dir.path().join("absent.wal")];
        assert_eq!(holder(&paths), Held::No);
        fs::write(&paths[0], b"x").unwrap();
        // Who only reads holds nothing.
        let reader = File::open(&paths[0]).unwrap();
        assert_eq!(holder(&paths), Held::No);
        rustix::fs::flock(&reader, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(holder(&paths), Held::By { pid: None, program: String::new() });
        let _writer = File::options().write(true).open(&paths[0]).unwrap();
        assert!(matches!(holder(&paths), Held::By { pid: Some(pid), .. } if pid == std::process::id()));
    }

    /// It has copies of what is open here until its `exec`; here for longer, as the same program goes on.
    #[test]
    fn a_child_that_is_being_started_holds_nothing() {
        const FIFO: &str = "REQUORUM_TEST_FIFO";
        if let Some(fifo) = std::env::var_os(FIFO) {
            // The child: here until its parent opens the other end.
            File::open(fifo).unwrap();
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (db, fifo) = (dir.path().join("db"), dir.path().join("fifo"));
        fs::write(&db, b"x").unwrap();
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let name = "engine::datadir::file_locks::tests::a_child_that_is_being_started_holds_nothing";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(FIFO, &fifo)
            .stdin(File::options().write(true).open(&db).unwrap())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let held = holder(&[db]);
        // Opens once the child reads.
        File::options().write(true).open(&fifo).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(held, Held::No);
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
