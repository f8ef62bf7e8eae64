//! What a restore with options writes, read back without a server.

use std::{fs, os::unix::fs::MetadataExt};

use requorum::{
    bbolt::View,
    domain::model::options::Options,
    engine::{
        progress::Flow,
        restore::{Tools, snap_files},
        scan::row_scan::check_and_walk,
    },
    error::{ErrorKind, Fault},
    etcd::version::Minor,
};

use super::{
    common::{allocated, change, keys_in, make_snapshot, restore, scratch, sign, whole},
    support::{fixture, messages, names, requorum, said},
};

/// A database whose pages are half free costs its live pages only, keeps its page numbers and its rows.
pub fn free_pages_become_holes() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("half.db");
    make_snapshot(&source, 8_000, true);
    let keys = keys_in(&source);
    assert_eq!(keys, 4_000);
    for (name, options) in [("holes", Options::default()), ("compact", Options { compact: true, ..Options::default() })]
    {
        let data = dir.path().join(name);
        restore(&source, &data, None, &options, &Tools::default()).unwrap();
        whole(&data, None, keys).unwrap();
        let db = data.join("member/snap/db");
        let (length, blocks) = (fs::metadata(&db).unwrap().len(), allocated(&db));
        let full = fs::metadata(&source).unwrap().len();
        assert!(blocks < full * 6 / 10, "{name}: {blocks} bytes on the disk of {full}");
        assert!(
            if options.compact { length < full * 6 / 10 } else { length >= full - 32 },
            "{name}: {length} of {full}"
        );
    }
    let full = dir.path().join("full.db");
    make_snapshot(&full, 4_000, false);
    let data = dir.path().join("nothing-free");
    restore(&full, &data, None, &Options::default(), &Tools::default()).unwrap();
    assert!(allocated(&data.join("member/snap/db")) >= fs::metadata(&full).unwrap().len() - 32);
}

/// The members of a plan are restored from one reading; a file that was written to is read again.
pub fn one_reading_serves_all_members() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("s.db");
    fs::copy(fixture("3.6.14-tree.db"), &source).unwrap();
    let tools = Tools::default();
    let hashed = |name: &str| {
        let mut hashed = false;
        let genesis = super::common::genesis();
        let job = requorum::engine::restore::RestoreSpec {
            source: &source,
            pinned_sha256: None,
            skip_hash_check: false,
            genesis: &genesis,
            name: "m1",
            data_dir: &dir.path().join(name),
            wal_dir: None,
            target: requorum::etcd::version::Minor::V3_5,
            bump_revision: 0,
            options: &Options::default(),
        };
        requorum::engine::install::restore_with(&job, &tools, &mut |at| {
            use requorum::engine::progress::Phase;
            hashed |= at.phase == Phase::Hash || at.phase == Phase::Check;
            Flow::Go
        })
        .unwrap();
        hashed
    };
    assert!(hashed("one") && !hashed("two") && !hashed("three"));
    let bytes = fs::read(&source).unwrap();
    fs::write(&source, &bytes[..bytes.len() - 32]).unwrap();
    change(&source, |edit| edit.put(b"cluster", b"clusterVersion", b"3.6.0").unwrap());
    sign(&source);
    assert!(hashed("four"), "the file was changed and not read again");
    let dbs = ["one", "two", "three"].map(|name| fs::read(dir.path().join(name).join("member/snap/db")).unwrap());
    assert!(dbs[0] == dbs[1] && dbs[1] == dbs[2] && !dbs[0].is_empty());
}

/// A source that changes between the hash and the copy is caught, and leaves nothing behind.
pub fn a_source_that_changes_is_caught() {
    for phase in ["copy", "before the second member"] {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("s.db");
        make_snapshot(&source, 3_000, false);
        let tools = Tools::default();
        if phase != "copy" {
            restore(&source, &dir.path().join("first"), None, &Options::default(), &tools).unwrap();
            // The same length and times: only the content tells.
            flip(&source);
            let outcome = restore(&source, &dir.path().join("second"), None, &Options::default(), &tools);
            assert!(outcome.is_err() && !dir.path().join("second").exists());
            continue;
        }
        let genesis = super::common::genesis();
        let data = dir.path().join("data");
        let job = requorum::engine::restore::RestoreSpec {
            source: &source,
            pinned_sha256: None,
            skip_hash_check: false,
            genesis: &genesis,
            name: "m1",
            data_dir: &data,
            wal_dir: None,
            target: requorum::etcd::version::Minor::V3_5,
            bump_revision: 0,
            options: &Options::default(),
        };
        let mut flipped = false;
        let outcome = requorum::engine::install::restore_with(&job, &tools, &mut |at| {
            if at.phase == requorum::engine::progress::Phase::Write && !flipped {
                flipped = true;
                let staging = names(dir.path()).into_iter().find(|name| name.starts_with(".requorum")).unwrap();
                flip(&dir.path().join(staging).join("new/member/snap/db"));
            }
            Flow::Go
        });
        let refused = outcome.unwrap_err();
        assert!(flipped && refused.fault == Some(Fault::Changed), "{refused}");
        assert_eq!(names(dir.path()), ["s.db"]);
    }
}

/// Flips a bit of a value in the middle of the file.
fn flip(path: &std::path::Path) {
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let at = file.metadata().unwrap().len() / 8192 * 4096 + 2000;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// A database that an etcd has open is refused as a source, with the way out.
pub fn a_live_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("live");
    restore(&fixture("s35.db"), &data, None, &Options::default(), &Tools::default()).unwrap();
    let db = data.join("member/snap/db");
    let again = dir.path().join("again");
    let raw = || {
        let genesis = super::common::genesis();
        let job = requorum::engine::restore::RestoreSpec {
            source: &db,
            pinned_sha256: None,
            skip_hash_check: true,
            genesis: &genesis,
            name: "m1",
            data_dir: &again,
            wal_dir: None,
            target: requorum::etcd::version::Minor::V3_5,
            bump_revision: 0,
            options: &Options::default(),
        };
        requorum::engine::install::restore(&job, &mut |_| Flow::Go)
    };
    let held = fs::File::open(&db).unwrap();
    held.lock().unwrap();
    let refused = raw().unwrap_err();
    assert_eq!((refused.kind, refused.fault), (ErrorKind::Refused, Some(Fault::InUse)), "{refused}");
    assert!(!refused.hint.is_empty(), "with the way out: {refused}");
    assert!(!again.exists());
    drop(held);
    raw().unwrap();
}

/// Owner and mode: as given, as another directory has them, and as an empty target has them.
pub fn owner_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture("s35.db");
    let old = dir.path().join("old");
    fs::create_dir(&old).unwrap();
    fs::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
    let like = Options { like: Some(old.clone()), ..Options::default() };
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777;
    restore(&source, &dir.path().join("like"), None, &like, &Tools::default()).unwrap();
    let given = Options { mode: Some("0755".into()), ..Options::default() };
    restore(&source, &dir.path().join("given"), None, &given, &Tools::default()).unwrap();
    restore(&source, &dir.path().join("plain"), None, &Options::default(), &Tools::default()).unwrap();
    restore(&source, &old, None, &given, &Tools::default()).unwrap();
    assert_eq!((mode("like"), mode("given"), mode("plain"), mode("old")), (0o750, 0o755, 0o700, 0o750));
    assert_eq!(mode("given/member/snap/db"), 0o600);

    let nobody = Options { owner: Some("65534:65533".into()), ..Options::default() };
    let outcome =
        restore(&source, &dir.path().join("nobody"), Some(&dir.path().join("wal")), &nobody, &Tools::default());
    if fs::metadata(dir.path()).unwrap().uid() != 0 {
        // Nobody but root gives files away.
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Failed);
        return;
    }
    outcome.unwrap();
    let snap = snap_files(&dir.path().join("nobody/member/snap")).unwrap();
    for path in ["nobody", "nobody/member/snap/db", "wal", "wal/0000000000000000-0000000000000000.wal"]
        .map(|name| dir.path().join(name))
        .iter()
        .chain(&snap)
    {
        let meta = fs::metadata(path).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (65534, 65533), "{}", path.display());
    }
    let mount = dir.path().join("mount");
    fs::create_dir(&mount).unwrap();
    std::os::unix::fs::chown(&mount, Some(4321), Some(4322)).unwrap();
    restore(&source, &mount, None, &Options::default(), &Tools::default()).unwrap();
    let meta = fs::metadata(mount.join("member/snap/db")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (4321, 4322));
}

/// Every fixture, plain and compacted, bumped and not: the same rows but for those that a restore changes.
pub fn every_fixture_plain_and_compacted() {
    let dir = scratch();
    let genesis = super::common::genesis();
    for name in names(&fixture("")).into_iter().filter(|name| name.ends_with(".db")) {
        let source = fixture(&name);
        let bytes = fs::read(&source).unwrap();
        let before =
            check_and_walk(&View::open(bytes[..bytes.len() - 32].to_vec()).unwrap(), &mut |_| Flow::Go).unwrap();
        let tools = Tools::default();
        for (compact, bump) in [(false, 0), (true, 0), (false, 1000), (true, 1000)] {
            let case = format!("{name} {compact} {bump}");
            let data = dir.path().join(case.replace(' ', "-"));
            let job = requorum::engine::restore::RestoreSpec {
                source: &source,
                pinned_sha256: None,
                skip_hash_check: false,
                genesis: &genesis,
                name: "m3",
                data_dir: &data,
                wal_dir: None,
                target: if name.contains("3.7") { Minor::V3_7 } else { Minor::V3_6 },
                bump_revision: bump,
                options: &Options { compact, ..Options::default() },
            };
            let restored = requorum::engine::install::restore_with(&job, &tools, &mut |_| Flow::Go)
                .unwrap_or_else(|e| panic!("{case}: {e}"));
            let view = View::open(fs::File::open(data.join("member/snap/db")).unwrap()).unwrap();
            let after = check_and_walk(&view, &mut |_| Flow::Go).unwrap();
            let edited: &[&str] = if bump > 0 {
                &["key", "members", "members_removed", "meta"]
            } else {
                &["members", "members_removed", "meta"]
            };
            for bucket in before.buckets.iter().filter(|b| !edited.iter().any(|name| name.as_bytes() == b.name)) {
                assert!(after.buckets.contains(bucket), "{case}");
            }
            let expected = (before.last.main + bump as i64, before.keys + u64::from(bump > 0));
            assert_eq!((after.last.main, after.keys), expected, "{case}");
            assert_eq!((restored.revision, restored.keys), expected, "{case}");
            fs::remove_dir_all(&data).unwrap();
        }
    }
}

/// The flags on the command line and in a plan: what applies is warned of until it is asked away.
pub fn flags_and_plans() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = requorum(args).current_dir(dir.path()).output().unwrap();
        (output.status.code().unwrap(), said(&output))
    };
    let source = fixture("3.6.14-auth.db");
    let source = source.to_str().unwrap();
    let one = ["snapshot", "restore", source, "--initial-cluster-token=t", "--data-dir"];
    let restore = |more: &[&str]| run(&[&one, more].concat());
    let (code, said) = restore(&["a"]);
    assert!(code == 0 && messages::warnings(&said).contains("--disable-auth"), "{said}");
    let (code, said) = restore(&["b", "--disable-auth"]);
    assert!(code == 0 && !said.contains("--disable-auth"), "{said}");
    assert_eq!(auth_enabled(&dir.path().join("a")), Some(vec![1]));
    assert_eq!(auth_enabled(&dir.path().join("b")), Some(vec![0]));
    for (flags, code, words) in [
        (&["c", "--set-version"][..], 2, "--set-version: --etcd-version is missing"),
        (&["c", "--owner=no-such-user"], 1, "no user \"no-such-user\""),
        (&["c", "--mode=644"], 1, "not one from 0700 to 0777"),
        (&["c", "--like=absent"], 1, "does not exist"),
    ] {
        let (found, said) = restore(flags);
        assert!(found == code && said.contains(words), "{flags:?}: {found} {said}");
    }
    assert_eq!(names(dir.path()), ["a", "b"]);

    let cluster = "--initial-cluster=m1=http://10.0.0.1:2380,m2=http://10.0.0.2:2380";
    let (code, said) = run(&["plan", "--snapshot", source, cluster, "--label=care", "--disable-auth", "--compact"]);
    assert_eq!(code, 0, "{said}");
    let yaml = fs::read_to_string(dir.path().join("plan.yaml")).unwrap();
    assert!(yaml.contains("\noptions:\n  disable_auth: true\n  compact: true\n"), "{yaml}");
    let (code, said) = run(&["restore", "--plan=plan.yaml"]);
    assert!(code == 0, "{said}");
    assert_eq!(auth_enabled(&dir.path().join("m2.etcd")), Some(vec![0]));
}

fn auth_enabled(data: &std::path::Path) -> Option<Vec<u8>> {
    let view = View::open(fs::File::open(data.join("member/snap/db")).unwrap()).unwrap();
    let bucket = view.bucket(b"auth").unwrap()?;
    view.get(&bucket, b"authEnabled").unwrap()
}
