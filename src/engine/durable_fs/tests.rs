//! Handles in directories that another user may change.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink},
};

use super::*;

/// The ID of an ordinary user that does not exist here.
const EVE: u32 = 61_234;

fn disk() -> Disk {
    Disk::default()
}

/// A directory for tests that need to be root to play another user; none elsewhere.
fn as_root() -> Option<tempfile::TempDir> {
    rustix::process::geteuid().is_root().then(|| tempfile::tempdir().unwrap())
}

#[test]
fn only_single_names_are_accepted() {
    let base = tempfile::tempdir().unwrap();
    let dir = disk().dir(base.path()).unwrap();
    for name in ["", ".", "..", "a/b", "../a", "/a", "a/", "./a"] {
        assert!(dir.make(name).is_err() && dir.create(name, 0o600).is_err(), "{name:?}");
        assert!(dir.remove_tree(name).is_err() && dir.rename(name, &dir, "b").is_err(), "{name:?}");
        assert!(dir.rename("b", &dir, name).is_err() && dir.entry_metadata(name).is_err(), "{name:?}");
    }
    assert!(dir.names().unwrap().is_empty());
}

#[test]
fn opens_below_with_and_without_openat2() {
    let base = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), b"x").unwrap();
    fs::create_dir_all(base.path().join("a/b")).unwrap();
    fs::write(base.path().join("a/b/file"), b"x").unwrap();
    symlink(outside.path(), base.path().join("a/out")).unwrap();
    symlink("b/file", base.path().join("a/link")).unwrap();
    let dir = disk().dir(base.path()).unwrap();
    let read = rustix::fs::OFlags::RDONLY;
    for (below, there) in
        [("a/b/file", true), ("a/out/file", false), ("a/link", false), ("a/../../x", false), ("nowhere", false)]
    {
        assert_eq!(dir.read(below).is_ok(), there, "{below}");
        assert_eq!(dir.step_by_step(Path::new(below), read).is_ok(), there, "{below}");
    }
    assert!(dir.read("a/b").is_err(), "no regular file");
}

#[test]
fn removal_follows_no_links_nor_exchanged_directories() {
    let base = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), b"x").unwrap();
    fs::create_dir_all(base.path().join("tree/a/b")).unwrap();
    symlink(outside.path(), base.path().join("tree/a/link")).unwrap();
    symlink(outside.path().join("precious"), base.path().join("tree/file")).unwrap();
    disk().dir(base.path()).unwrap().remove_tree("tree").unwrap();
    assert!(!base.path().join("tree").exists() && outside.path().join("precious").exists());

    // Replaced at each operation in turn.
    struct Exchange(std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>);
    impl Gate for Exchange {
        fn pass(&self, _: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
            if let Some(exchange) = self.0.lock().unwrap().take() {
                exchange();
            }
            run()
        }
    }
    let tree = base.path().join("again");
    fs::create_dir_all(tree.join("a")).unwrap();
    for name in ["precious", "b"] {
        fs::write(tree.join("a").join(name), b"x").unwrap();
    }
    let (from, to, victim) = (tree.join("a"), tree.join("away"), outside.path().to_path_buf());
    let exchange = move || {
        fs::rename(&from, &to).unwrap();
        symlink(&victim, &from).unwrap();
    };
    let gated = Disk::gated(Arc::new(Exchange(std::sync::Mutex::new(Some(Box::new(exchange))))));
    let _ = gated.dir(base.path()).unwrap().remove_tree("again");
    assert!(outside.path().join("precious").exists());
}

#[test]
fn only_our_own_private_files_count() {
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let dir = disk().dir(base.path()).unwrap();
    let path = |name: &str| base.path().join(name);
    let strange = |name: &str| match dir.read_trusted(name, 4).unwrap() {
        Trusted::Untrusted(why) => Some(why),
        Trusted::Ours(_) => None,
        Trusted::Absent => panic!("{name} is not there"),
    };
    fs::write(path("note"), b"1234").unwrap();
    assert_eq!(strange("note"), None);
    assert!(matches!(dir.read_trusted("absent", 4).unwrap(), Trusted::Absent));
    fs::write(path("long"), b"12345").unwrap();
    assert_eq!(strange("long"), Some(Untrusted::Long));
    symlink("note", path("link")).unwrap();
    assert_eq!(strange("link"), Some(Untrusted::Link));
    fs::create_dir(path("dir")).unwrap();
    assert_eq!(strange("dir"), Some(Untrusted::Kind));
    rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(strange("pipe"), Some(Untrusted::Kind));
    fs::write(path("open"), b"1").unwrap();
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(strange("open"), Some(Untrusted::Writable(_))));
    fs::hard_link(path("note"), path("second")).unwrap();
    assert_eq!((strange("note"), strange("second")), (Some(Untrusted::Names(2)), Some(Untrusted::Names(2))));
    fs::remove_file(path("second")).unwrap();
    // The same file in a directory that is writable by others.
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(strange("note"), Some(Untrusted::Writable(_))));
    if as_root().is_some() {
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o700)).unwrap();
        chown(path("note"), Some(EVE), None).unwrap();
        assert_eq!(strange("note"), Some(Untrusted::Owner(EVE)));
        chown(path("note"), Some(0), None).unwrap();
        chown(base.path(), Some(EVE), None).unwrap();
        assert_eq!(strange("note"), Some(Untrusted::Owner(EVE)));
    }
}

#[test]
fn users_links_are_followed_only_to_their_files() {
    let Some(base) = as_root() else { return };
    let path = |name: &str| base.path().join(name);
    for (name, owner) in [("roots", 0), ("eves", EVE), ("others", EVE + 1)] {
        fs::create_dir(path(name)).unwrap();
        fs::create_dir(path(name).join("etcd")).unwrap();
        chown(path(name), Some(owner), None).unwrap();
        chown(path(name).join("etcd"), Some(owner), None).unwrap();
    }
    for (link, owner, target, led) in [
        ("own", 0, "roots", true),
        ("own-to-eve", 0, "eves", true),
        ("eve-to-root", EVE, "roots", false),
        ("eve-to-eve", EVE, "eves", true),
        ("eve-to-other", EVE, "others", false),
    ] {
        symlink(path(target), path(link)).unwrap();
        std::os::unix::fs::lchown(path(link), Some(owner), None).unwrap();
        assert_eq!(disk().dir(&path(link)).is_ok(), led, "{link}");
        assert_eq!(disk().dir(&path(link).join("etcd")).is_ok(), led, "{link}");
        assert_eq!(real(&path(link).join("etcd")).ok(), led.then(|| path(target).join("etcd")), "{link}");
    }
    // Its target would be renamed in a directory of root's.
    let inner = path("roots").join("of-eve");
    fs::create_dir(&inner).unwrap();
    chown(&inner, Some(EVE), None).unwrap();
    symlink(&inner, path("to-inner")).unwrap();
    std::os::unix::fs::lchown(path("to-inner"), Some(EVE), None).unwrap();
    assert!(disk().dir(&path("to-inner")).is_ok() && real(&path("to-inner")).is_err());
}

/// The owner of a directory may rename its entries: a link that root created there counts as that user's.
#[test]
fn roots_links_in_user_directories_are_foreign() {
    let Some(base) = as_root() else { return };
    let path = |name: &str| base.path().join(name);
    for (name, owner) in [("roots", 0), ("hers", EVE), ("hers/data", EVE)] {
        fs::create_dir(path(name)).unwrap();
        chown(path(name), Some(owner), None).unwrap();
    }
    fs::write(path("roots/file"), b"x").unwrap();
    fs::write(path("hers/file"), b"x").unwrap();
    chown(path("hers/file"), Some(EVE), None).unwrap();
    for (target, may) in [("roots", false), ("hers/data", true)] {
        let link = path("hers/link");
        symlink(path(target), &link).unwrap();
        assert_eq!((disk().dir(&link).is_ok(), real(&link).is_ok()), (may, may), "{target}");
        fs::remove_file(&link).unwrap();
    }
    for (target, may) in [("roots/file", false), ("hers/file", true)] {
        let link = path("hers/link");
        symlink(path(target), &link).unwrap();
        assert_eq!((readable(&link).is_ok(), regular(&link).is_ok()), (may, true), "{target}");
        fs::remove_file(&link).unwrap();
    }
}

/// An open file is reached by its handle, whatever has its name now.
#[test]
fn a_proc_handle_opens_its_file() {
    use std::{io::Read, os::fd::AsRawFd};
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("file");
    fs::write(&path, b"held").unwrap();
    let held = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"another").unwrap();
    let mut text = String::new();
    let mut again = readable(&PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()))).unwrap();
    again.read_to_string(&mut text).unwrap();
    assert_eq!(text, "held");
}

/// A pipe and a device are not even opened: opening alone may have effects.
#[test]
fn pipes_and_devices_are_not_opened() {
    use rustix::fs::{CWD, FileType, inotify, makedev, mknodat};
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let dir = disk().dir(base.path()).unwrap();
    let opened = |name: &str, open: &dyn Fn() -> bool| {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, base.path().join(name), inotify::WatchFlags::OPEN).unwrap();
        assert!(!open(), "{name}");
        rustix::io::read(&watch, &mut [0u8; 256]).is_ok()
    };
    mknodat(CWD, base.path().join("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut names = vec!["pipe"];
    if as_root().is_some() {
        let zero = mknodat(CWD, base.path().join("zero"), FileType::CharacterDevice, 0o600.into(), makedev(1, 5));
        names.extend(zero.is_ok().then_some("zero"));
    }
    for name in names {
        let path = base.path().join(name);
        assert!(!opened(name, &|| dir.read(name).is_ok()));
        assert!(!opened(name, &|| dir.write(name).is_ok()));
        assert!(!opened(name, &|| dir.read_trusted(name, 4).unwrap().ours().is_some()));
        assert!(!opened(name, &|| readable(&path).is_ok() || regular(&path).is_ok()));
        assert!(!opened(name, &|| dir.attribute(Path::new(name), "user.x").is_some()));
    }
}

/// Missing directories are created only through links that are followed.
#[test]
fn no_directories_are_created_through_users_links() {
    let Some(base) = as_root() else { return };
    let path = |name: &str| base.path().join(name);
    fs::create_dir(path("roots")).unwrap();
    symlink(path("roots"), path("own")).unwrap();
    disk().make_dirs(&path("own/a/b")).unwrap();
    disk().make_dirs(&path("own/a/b")).unwrap();
    assert!(path("roots/a/b").is_dir());
    symlink(path("roots"), path("hers")).unwrap();
    std::os::unix::fs::lchown(path("hers"), Some(EVE), None).unwrap();
    assert!(disk().make_dirs(&path("hers/c/d")).is_err() && !path("roots/c").exists());
}

#[test]
fn a_missing_path_resolves_to_its_last_parent() {
    let base = tempfile::tempdir().unwrap();
    let home = base.path().canonicalize().unwrap();
    symlink(home.join("disk/etcd"), home.join("data")).unwrap();
    fs::create_dir(home.join("disk")).unwrap();
    for (path, led) in [("data", "disk/etcd"), ("data/member", "disk/etcd/member"), ("x/y", "x/y"), ("disk", "disk")] {
        assert_eq!(real(&home.join(path)).unwrap(), home.join(led), "{path}");
    }
    fs::create_dir(home.join("disk/etcd")).unwrap();
    assert_eq!(real(&home.join("data")).unwrap(), home.join("disk/etcd"));
    symlink("circle", home.join("circle")).unwrap();
    assert!(real(&home.join("circle")).is_err());
}

#[test]
fn created_directories_are_checked() {
    let base = tempfile::tempdir().unwrap();
    /// Replaces a directory right after it was created.
    struct Swapper(fn(&Path));
    impl Gate for Swapper {
        fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
            run()?;
            if let Act::MakeDir(path) = act {
                fs::rename(path, path.with_extension("away")).unwrap();
                (self.0)(path);
            }
            Ok(())
        }
    }
    let swappers: [fn(&Path); 4] = [
        |path| symlink("/etc", path).unwrap(),
        |path| fs::write(path, b"").unwrap(),
        |path| {
            fs::DirBuilder::new()
                .mode(0o777)
                .create(path)
                .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o777)))
                .unwrap()
        },
        |path| {
            fs::DirBuilder::new().mode(0o700).create(path).unwrap();
            fs::write(path.join("planted"), b"").unwrap();
        },
    ];
    for (at, swapper) in swappers.into_iter().enumerate() {
        let gated = Disk::gated(Arc::new(Swapper(swapper)));
        assert!(gated.dir(base.path()).unwrap().make(format!("made-{at}")).is_err(), "{at}");
    }
}

/// The engine changes the disk only through this module: nothing else in it may write by paths.
#[test]
fn nothing_else_in_the_engine_writes() {
    let words = [
        "fs::write",
        "fs::create_dir",
        "DirBuilder",
        "fs::rename",
        "fs::remove",
        "fs::copy",
        "fs::set_permissions",
        "fs::hard_link",
        "symlink(",
        "chown",
        "OpenOptions",
        "File::create",
        "File::options",
        "renameat",
        "unlinkat",
        "mkdirat",
        "chmod",
        "setxattr",
        "ftruncate",
        "use std::fs::*",
        "remove_dir_all(",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
    let (mut dirs, mut seen, mut found) = (vec![root.clone()], 0, Vec::new());
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() && !entry.ends_with("durable_fs") {
                dirs.push(entry);
                continue;
            }
            let own = entry.ends_with("durable_fs") || entry.ends_with("durable_fs.rs") || entry.ends_with("tests.rs");
            if own || entry.extension().is_none_or(|x| x != "rs") {
                continue;
            }
            seen += 1;
            let text = fs::read_to_string(&entry).unwrap();
            // Tests are at the end of a file, and may write.
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let writes = lines.filter(|line| words.iter().any(|word| line.contains(word)));
            found.extend(writes.map(|line| format!("{}: {}", entry.display(), line.trim())));
        }
    }
    assert!(seen > 40, "{seen}");
    assert_eq!(found, [""; 0]);
}

/// The descriptors that a starting child process inherits do not keep a lock.
#[test]
fn a_lock_ends_with_its_owner_despite_copies() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    fs::write(&path, "").unwrap();
    let open = || Locked::new(File::open(&path).unwrap());
    let first = open();
    assert!(first.try_take().unwrap());
    let copy = first.try_clone().unwrap();
    let second = open();
    assert!(!second.try_take().unwrap());
    drop(second);
    assert!(!open().try_take().unwrap(), "a lock that was not taken is not released");
    drop(first);
    assert!(open().try_take().unwrap());
    drop(copy);
}

/// The system reports an error of writing once for each open file, so it must not be lost in the thread.
#[test]
fn a_flushers_error_reaches_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = Disk::default().create(&dir.path().join("db"), 0o600).unwrap();
    let flusher = Flusher::start(&file).unwrap();
    crate::bbolt::WriteAt::write_all_at(&file, &[7; 4096], 0).unwrap();
    flusher.flush();
    assert!(flusher.finish().is_ok());
    // A device that cannot be synced.
    let device = File::options().write(true).open("/dev/full").unwrap();
    let device = super::file::DiskFile::new(Disk::default(), device, "/dev/full".into());
    let flusher = Flusher::start(&device).unwrap();
    flusher.flush();
    assert!(flusher.finish().is_err());
}
