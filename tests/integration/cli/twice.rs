//! A plan that was carried out is not carried out a second time unseen: by `restore`, by `apply`, and what makes it again.

use std::{fs, path::Path, process::Output};

use requorum::domain::model::{plan::Plan, plan_yaml};

use crate::support::{ended, fixture, requorum};

const THREE: &str = "m1=http://127.45.8.1:2380,m2=http://127.45.8.2:2380,m3=http://127.45.8.3:2380";

fn plan(dir: &Path) -> Plan {
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--label=prod", "--snapshot"]);
    command.arg(fixture("s35.db")).arg("--data-root").arg(dir).arg("-o").arg(dir.join("p.yaml"));
    ended(&command.output().unwrap(), 0, &[]);
    read(&dir.join("p.yaml"))
}

fn read(path: &Path) -> Plan {
    plan_yaml::from_yaml(&fs::read_to_string(path).unwrap()).unwrap()
}

fn run(dir: &Path, args: &[&str], more: &[&str]) -> Output {
    requorum(args).arg(dir.join("p.yaml")).args(more).output().unwrap()
}

fn aside(dir: &Path, name: &str) {
    let to = (1..).map(|n| dir.join(format!("{name}-{n}"))).find(|to| !to.exists()).unwrap();
    fs::rename(dir.join(format!("{name}.etcd")), to).unwrap();
}

#[test]
fn restore_installs_no_member_a_second_time() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, plan) = (dir.path(), plan(dir.path()));
    let typed = format!("twice@{}", plan.short_id());
    let restore = |name: &str, more: &[&str]| run(dir, &["restore", "--member", name, "--plan"], more);
    // one by one is the usual way
    ended(&restore("m1", &[]), 0, &[]);
    ended(&restore("m2", &[]), 0, &[]);
    aside(dir, "m1");
    let words = ["m1", "a second time", "same ID", "requorum plan --again", &format!("--override {typed}")];
    ended(&restore("m1", &[]), 3, &words);
    assert!(!dir.join("m1.etcd").exists());
    ended(&restore("m1", &["--override", "twice@00000000"]), 3, &words);
    ended(&restore("m3", &[]), 0, &[]);
    ended(&restore("m1", &["--override", &typed]), 0, &["Warning: overridden: plan"]);
    // what is in place by this plan is left alone; anything else is refused, and not moved
    ended(&restore("m1", &[]), 0, &["m1 is already installed"]);
    fs::rename(dir.join("m1-1"), dir.join("theirs")).unwrap();
    fs::rename(dir.join("m1.etcd"), dir.join("m1-1")).unwrap();
    fs::rename(dir.join("theirs"), dir.join("m1.etcd")).unwrap();
    ended(&restore("m1", &["--override", &typed]), 1, &["m1.etcd: already in use", "not empty"]);
    let journal = fs::read_to_string(dir.join("p.yaml.journal")).unwrap();
    assert!(journal.contains(&typed), "{journal}");
}

#[test]
fn apply_resumes_and_rolls_back_but_not_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, plan) = (dir.path(), plan(dir.path()));
    let typed = format!("twice@{}", plan.short_id());
    let apply = |more: &[&str]| run(dir, &["apply"], more);
    let undo = |more: &[&str]| run(dir, &["undo"], more);
    ended(&apply(&["--member", "m1"]), 0, &[]);
    ended(&apply(&[]), 0, &[]);
    ended(&apply(&[]), 0, &["is already installed"]);
    ended(&undo(&[]), 0, &[]);
    ended(&apply(&[]), 0, &[]);
    // one that is taken back while the others stay
    ended(&undo(&["--member", "m2"]), 0, &[]);
    ended(&apply(&[]), 3, &["m2 would be installed a second time", "m1 and m3", &format!("--override {typed}")]);
    ended(&undo(&[]), 0, &[]);
    ended(&apply(&[]), 0, &[]);
    // one that somebody moved
    aside(dir, "m3");
    let words = ["m3 would be installed a second time", &format!("--override {typed}")];
    ended(&apply(&[]), 3, &words);
    ended(&apply(&["--dry-run"]), 0, &["a second time"]);
    assert!(!dir.join("m3.etcd").exists());
    ended(&apply(&["--override", &typed, "--reason", "the host was made anew"]), 0, &[]);
    assert!(dir.join("m3.etcd").exists());
}

#[test]
fn a_repeated_plan_differs_in_ids_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, first) = (dir.path(), plan(dir.path()));
    ended(&run(dir, &["apply"], &[]), 0, &[]);
    let again = |more: &[&str]| {
        let mut command = requorum(["plan", "--again"]);
        command.arg(dir.join("p.yaml")).arg("-o").arg(dir.join("q.yaml")).args(more).output().unwrap()
    };
    ended(&again(&["--label", "other"]), 2, &["--again"]);
    ended(&again(&[]), 0, &["requorum apply", &first.short_id()]);
    ended(&again(&[]), 1, &["exists"]);
    let second = read(&dir.join("q.yaml"));
    assert_ne!((second.token.clone(), second.cluster_id), (first.token.clone(), first.cluster_id));
    assert!(first.members.iter().zip(&second.members).all(|(a, b)| a.id != b.id));
    let mut same = second.clone();
    (same.token, same.created, same.cluster_id) = (first.token.clone(), first.created.clone(), first.cluster_id);
    same.members.iter_mut().zip(&first.members).for_each(|(member, before)| member.id = before.id);
    assert_eq!(same, first);
    // the first plan's members are moved aside, and no text is asked for
    ended(&requorum(["apply"]).arg(dir.join("q.yaml")).output().unwrap(), 0, &[]);
}

/// Who is on a host restores that host's member there, whatever the plan calls the host; nothing goes by ssh, neither back.
#[test]
fn a_named_member_is_restored_and_undone_here() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut command = requorum(["plan", "--initial-cluster", THREE, "--label=prod", "--snapshot"]);
    command.arg(fixture("s35.db")).args(["--hosts", "m1=nowhere.invalid,m2=nowhere.invalid", "--data-root"]);
    ended(&command.arg(dir).arg("-o").arg(dir.join("p.yaml")).output().unwrap(), 0, &[]);
    ended(&run(dir, &["restore", "--plan"], &[]), 2, &["m1: its host is nowhere.invalid", "requorum apply"]);
    let old = dir.join("m1.etcd/member");
    fs::create_dir_all(&old).unwrap();
    ended(
        &run(dir, &["restore", "--member", "m1", "--plan"], &[]),
        1,
        &["m1.etcd: already in use", "it contains member"],
    );
    assert!(old.is_dir());
    fs::remove_dir_all(dir.join("m1.etcd")).unwrap();
    ended(&run(dir, &["restore", "--member", "m1", "--plan"], &[]), 0, &["m1: installed"]);
    ended(&run(dir, &["restore", "--member", "m2", "--plan"], &[]), 0, &["requorum undo"]);
    ended(&run(dir, &["resume"], &[]), 0, &["Nothing to resume"]);
    ended(&run(dir, &["undo", "--member", "m2"], &[]), 0, &[]);
    assert!(dir.join("m1.etcd").exists() && !dir.join("m2.etcd").exists() && !dir.join("m3.etcd").exists());
    ended(&run(dir, &["undo"], &[]), 0, &["m1"]);
    assert!(!dir.join("m1.etcd").exists());
}
