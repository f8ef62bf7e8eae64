//! Staging directories: a dropped one leaves nothing, and nothing existing is replaced.
#![allow(clippy::unwrap_used)]
use std::{fs, os::unix::fs::DirBuilderExt};

use super::*;
use crate::engine::install::clear;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn begin(target: &Path) -> StagingDir {
    StagingDir::begin(&Disk::default(), target).unwrap()
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
fn an_empty_target_is_built_in() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    assert!(free(dir.path()).unwrap());
    let stage = begin(dir.path());
    assert!(stage.inside() && free(dir.path()).unwrap(), "our own staging does not count");
    drop(stage);
    fs::create_dir(dir.path().join("member")).unwrap();
    let refused = free(dir.path()).unwrap_err().to_string().replace(&dir.path().display().to_string(), "DIR");
    crate::text::messages::hold("engine-target-used", &[("a member directory", refused)]);
}

#[test]
fn only_leftovers_of_killed_runs_are_cleared() {
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
    clear(&Disk::default(), &dir.path().join("two"));
    let second = begin(&dir.path().join("two"));
    assert!(!leftover.exists() && stranger.exists() && live.content().path().exists());
    drop((second, live));
    assert_eq!(names(dir.path()), [".requorum-notes"]);
}

#[test]
fn files_and_dangling_links_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    let refused = |path: &Path| free(path).unwrap_err().to_string().replace(&dir.path().display().to_string(), "DIR");
    let mut messages = vec![("a file", refused(&file))];
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    messages.push(("a dangling link", refused(&link)));
    crate::text::messages::hold("engine-target-no-directory", &messages);
}
