//! Staging directories: nothing is left of a dropped one, and nothing that was there is replaced.
#![allow(clippy::unwrap_used)]
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::io::Errno;

use super::*;
use crate::engine::durable_fs::{Act, Gate};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn begin(target: &Path) -> Stage {
    Stage::begin(&Disk::default(), target).unwrap()
}

#[test]
fn a_dropped_stage_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a/b/etcd");
    let stage = begin(&target);
    fs::write(stage.content().path().join("member"), b"x").unwrap();
    assert!(target.parent().unwrap().exists());
    drop(stage);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_missing_target_is_renamed_in_whole() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("a/etcd");
    let stage = begin(&target);
    fs::create_dir(stage.content().path().join("member")).unwrap();
    place(stage, None).unwrap();
    assert_eq!(names(&target), ["member"]);
    assert_eq!(names(target.parent().unwrap()), ["etcd"]);
}

#[test]
fn an_empty_target_is_kept_and_filled() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    assert!(free(dir.path()).unwrap());
    let stage = begin(dir.path());
    fs::create_dir(stage.content().path().join("member")).unwrap();
    assert!(free(dir.path()).unwrap(), "our own staging does not count");
    place(stage, None).unwrap();
    assert_eq!(names(dir.path()), ["lost+found", "member"]);
    assert!(free(dir.path()).unwrap_err().to_string().contains("it holds member"));
}

/// Fails the sync of one directory as soon as something was renamed into it.
struct NoSync(PathBuf, AtomicBool);

impl NoSync {
    fn of(dir: PathBuf) -> Disk {
        Disk::gated(Arc::new(NoSync(dir, AtomicBool::new(false))))
    }
}

impl Gate for NoSync {
    fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        match act {
            Act::SyncDir(path) if *path == self.0 && self.1.load(Ordering::SeqCst) => Err(Errno::IO.into()),
            Act::Rename { to, .. } => {
                self.1.fetch_or(parent(to) == self.0, Ordering::SeqCst);
                run()
            }
            _ => run(),
        }
    }
}

#[test]
fn a_sync_that_fails_after_the_rename_is_told_as_that() {
    for inside in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (target, wal) = (dir.path().join("a/etcd"), dir.path().join("b/wal"));
        if inside {
            fs::create_dir_all(&target).unwrap();
        }
        let synced = if inside { target.clone() } else { dir.path().join("a") };
        let disk = NoSync::of(synced);
        let (data, log) = (Stage::begin(&disk, &target).unwrap(), Stage::begin(&disk, &wal).unwrap());
        fs::create_dir(data.content().path().join("member")).unwrap();
        fs::write(log.content().path().join("0.wal"), b"x").unwrap();
        let trouble = place(data, Some(log)).unwrap_err();
        assert_eq!(trouble.kind, Kind::Failed);
        assert!(trouble.what.contains("is in place"), "{trouble}");
        assert_eq!((names(&target), names(&wal)), (vec!["member".into()], vec!["0.wal".to_string()]));
    }
    // before the commit it is a failure, and nothing is there
    let dir = tempfile::tempdir().unwrap();
    let disk = NoSync::of(dir.path().join("b"));
    let (target, wal) = (dir.path().join("a/etcd"), dir.path().join("b/wal"));
    let (data, log) = (Stage::begin(&disk, &target).unwrap(), Stage::begin(&disk, &wal).unwrap());
    fs::create_dir(data.content().path().join("member")).unwrap();
    fs::write(log.content().path().join("0.wal"), b"x").unwrap();
    let trouble = place(data, Some(log)).unwrap_err();
    assert!(trouble.kind == Kind::Failed && !trouble.what.contains("is in place"), "{trouble}");
    assert!(!target.exists() && !wal.exists());
}

#[test]
fn what_appears_meanwhile_is_not_replaced_and_the_wal_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("etcd");
    let (data, wal) = (begin(&target), begin(&dir.path().join("new/wal")));
    fs::create_dir(data.content().path().join("member")).unwrap();
    fs::write(wal.content().path().join("0.wal"), b"x").unwrap();
    fs::create_dir(&target).unwrap();
    assert!(place(data, Some(wal)).unwrap_err().to_string().contains("appeared"));
    assert_eq!(names(dir.path()), ["etcd"]);
}

#[test]
fn leftovers_of_a_killed_run_are_cleared_and_strangers_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let leftover = dir.path().join(".requorum-dead");
    let private = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path).unwrap();
    private(&leftover);
    fs::write(leftover.join(MARKER), b"").unwrap();
    private(&dir.path().join(".requorum-justmade"));
    let stranger = dir.path().join(".requorum-notes");
    fs::create_dir(&stranger).unwrap();
    fs::write(stranger.join("mine"), b"").unwrap();
    let live = begin(&dir.path().join("one"));
    let second = begin(&dir.path().join("two"));
    assert!(!leftover.exists() && stranger.exists() && live.content().path().exists());
    drop((second, live));
    assert_eq!(names(dir.path()), [".requorum-notes"]);
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
