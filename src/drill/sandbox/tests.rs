//! Where a sandbox ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{
    domain::model::observations::{Answer, Hashed, disk::DirState},
    drill::{Drill, scenario::library},
    error::ErrorKind,
};

#[test]
fn a_sandbox_ends_at_its_directory_and_its_members() {
    let drill = Drill::set_up(library::find(library::FIRST, None).unwrap(), Default::default()).unwrap();
    let root = drill.exercise.lock().lab.root().to_path_buf();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), root.join("way-out")).unwrap();
    let system = drill.system();
    assert!(system.write_new(&root.join("plan.yaml"), "x").is_ok());
    for path in
        [outside.path().join("x"), root.join("way-out/x"), root.join("../not-there"), root.join("no/../../not-there")]
    {
        let error = system.write_new(&path, "x").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Input, "{path:?}: {error}");
        assert!(!path.exists());
    }
    assert!(
        matches!(system.member_status("http://127.0.0.1:2"), Answer::Silent { why, .. } if why.to_string() == "outside this exercise")
    );
    assert!(system.find_snapshots(&[outside.path().into()]).is_err());
    assert!(matches!(system.hash_database(&outside.path().join("db"), 0, 0), Hashed::Failed(_)));
    assert!(system.inspect_machine(&[]).addresses.is_empty(), "this machine is not part of the exercise");
    assert!(matches!(system.inspect_data_dir(&root, None).state, DirState::NotADataDir(_)));
    let mut messages = Vec::new();
    for (data, wal) in [(outside.path(), None), (root.as_path(), Some(outside.path()))] {
        let facts = system.inspect_data_dir(data, wal);
        let DirState::Unreadable(why) = &facts.state else { panic!("{facts:?}") };
        let why = why.replace(&outside.path().display().to_string(), "OUTSIDE");
        let why = why.replace(&root.display().to_string(), "DRILL");
        messages.push(if wal.is_some() { ("its log", why) } else { ("its data", why) });
    }
    crate::text::messages::hold("drill-sandbox", &messages);
}
