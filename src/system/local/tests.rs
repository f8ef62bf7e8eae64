//! What this machine shows, and what a fenced world does not.

use super::*;

#[test]
fn files_that_look_like_snapshots_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut bolt = vec![0; 16];
    bolt.extend(BOLT_MAGIC);
    fs::create_dir_all(dir.path().join("m1.etcd/member/snap")).unwrap();
    for (name, bytes) in [
        ("a.db", &b""[..]),
        ("nightly", &bolt),
        ("notes.txt", b"hello"),
        ("b.db.part", b"x"),
        ("etcd-snapshot-1.zip", b"PK\x03\x04"),
        ("nightly.db.zst", b"\x28\xb5\x2f\xfd"),
        ("messages.1.gz", b"\x1f\x8b"),
        ("etcd.log", b"hello"),
        ("m1.etcd/member/snap/db", b"y"),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    // A pipe among them is not waited for.
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("backup"), rustix::fs::FileType::Fifo, 0o666.into(), 0)
        .unwrap();
    let mut found = Vec::new();
    look_in(dir.path(), &mut found).unwrap();
    let names: Vec<_> = found.iter().map(|f| f.path.strip_prefix(dir.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(
        names,
        ["a.db", "b.db.part", "etcd-snapshot-1.zip", "m1.etcd/member/snap/db", "nightly", "nightly.db.zst"]
    );
}

#[test]
fn a_sandbox_ends_at_its_directory_and_members() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("way-out")).unwrap();
    let endpoints = vec!["http://127.0.0.1:1".to_string()];
    let world = Local::fenced("DRILL", Members::new(Default::default()).unwrap(), dir.path(), endpoints).unwrap();
    assert!(world.write_new(&dir.path().join("plan.yaml"), "x").is_ok());
    for path in [
        outside.path().join("x"),
        dir.path().join("way-out/x"),
        dir.path().join("../not-there"),
        dir.path().join("no/../../not-there"),
    ] {
        let error = world.write_new(&path, "x").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Input, "{path:?}: {error}");
        assert!(!path.exists());
    }
    assert!(
        matches!(world.ask("http://127.0.0.1:2"), Answer::Silent { why, .. } if why.to_string() == "outside this exercise")
    );
    assert!(world.find(&[outside.path().into()]).is_err());
    assert_eq!(world.discover(), []);
    assert_eq!(
        world.look_at_dir(dir.path(), None).state,
        DirState::NotADataDir(format!("{} holds no member/, so no etcd member ever ran on it", dir.path().display()))
    );
    for (data, wal) in [(outside.path(), None), (dir.path(), Some(outside.path()))] {
        let facts = world.look_at_dir(data, wal);
        assert!(matches!(&facts.state, DirState::Unreadable(why) if why.contains("outside")), "{facts:?}");
    }
}

#[test]
fn a_file_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let world = Local::fenced("DRILL", Members::new(Default::default()).unwrap(), dir.path(), Vec::new()).unwrap();
    let path = dir.path().join("plan.yaml");
    world.write_new(&path, "first").unwrap();
    assert_eq!(world.write_new(&path, "second").unwrap_err().kind, ErrorKind::Input);
    assert_eq!(fs::read_to_string(&path).unwrap(), "first");
}

/// Where nothing could be made, what has the name stays: with no file handle left nobody looks whether it is taken.
#[test]
fn what_could_not_be_made_is_not_removed() {
    use crate::engine::durable_fs::{Act, Disk, Gate};
    struct NoHandles;
    impl Gate for NoHandles {
        fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
            match act {
                Act::Create(_) => Err(io::Error::from_raw_os_error(nix::libc::ENFILE)),
                _ => run(),
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.yaml");
    fs::write(&path, "mine").unwrap();
    let mut world = Local::real(Members::new(Default::default()).unwrap());
    world.tools.disk = Disk::gated(std::sync::Arc::new(NoHandles));
    assert!(world.write_new(&path, "another").is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}
