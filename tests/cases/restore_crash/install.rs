//! A member that is built beside its place and exchanged for what is there: what it leaves, and what a kill leaves.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use requorum::{
    domain::model::{observations::disk::DirState, options::Options},
    engine::{
        datadir,
        durable_fs::Disk,
        install::{self, MemberRef, MemberState, Swapped, clear, discard, member_state},
        progress::Flow,
        restore::{
            RestoreSpec, Restored, Tools,
            expected::{Expected, Pinned},
            initial_log::InitialLog,
        },
        scan::row_scan::check_and_walk,
        source::Source,
    },
    error::{Fault, Result},
    etcd::version::Minor,
};

use super::{
    common::scratch,
    crash::{Killer, power_lost_below},
    support::{fixture, names},
};

pub const STAMP: &str = "20261122-031205";
pub const SOURCE: &str = "3.5.16-small.db";

pub fn genesis(plan: &str) -> InitialLog {
    let urls = vec!["http://127.0.0.1:2380".to_string()];
    InitialLog::new([("m1", urls.as_slice())], plan)
}

/// What a plan would say of m1.
pub fn expected(plan: &str) -> Expected {
    static HELD: std::sync::OnceLock<(String, i64, u64)> = std::sync::OnceLock::new();
    let (sha256, revision, keys) = HELD.get_or_init(|| {
        let source = Source::open(&fixture(SOURCE)).unwrap();
        let walk = check_and_walk(&source.view().unwrap(), &mut |_| Flow::Go).unwrap();
        (source.digest(&mut |_| Flow::Go).unwrap().file_sha256, walk.last.main, walk.keys)
    });
    let pinned = Pinned { sha256, revision: *revision, keys: *keys, bump: 0 };
    Expected::new(&genesis(plan), "m1", Minor::V3_5, pinned).unwrap()
}

/// A member that lives in `base`, its log perhaps elsewhere.
struct Case {
    base: tempfile::TempDir,
    wal: bool,
}

impl Case {
    fn new(wal: bool) -> Case {
        Case { base: scratch(), wal }
    }

    fn data(&self) -> PathBuf {
        self.base.path().join("lib/etcd")
    }

    fn wal(&self) -> Option<PathBuf> {
        self.wal.then(|| self.base.path().join("log/wal"))
    }

    /// Old directories with something in them.
    fn with_old(self) -> Case {
        fs::create_dir_all(self.data().join("member/snap")).unwrap();
        fs::write(self.data().join("member/snap/db"), b"old data").unwrap();
        fs::set_permissions(self.data(), fs::Permissions::from_mode(0o750)).unwrap();
        if let Some(wal) = self.wal() {
            fs::create_dir_all(&wal).unwrap();
            fs::write(wal.join("0.wal"), b"old log").unwrap();
        }
        self
    }

    fn does<T>(&self, plan: &str, work: impl FnOnce(&MemberRef<'_>) -> T) -> T {
        let (data, wal) = (self.data(), self.wal());
        let expected = expected(plan);
        work(&MemberRef {
            plan,
            run: "run1",
            name: "m1",
            data_dir: &data,
            wal_dir: wal.as_deref(),
            expected: &expected,
        })
    }

    fn stage_by(&self, disk: Disk, plan: &str) -> Result<Restored> {
        self.does(plan, |whose| {
            let job = RestoreSpec {
                source: &fixture(SOURCE),
                pinned_sha256: None,
                skip_hash_check: false,
                genesis: &genesis(plan),
                name: "m1",
                data_dir: whose.data_dir,
                wal_dir: whose.wal_dir,
                target: Minor::V3_5,
                bump_revision: 0,
                options: &Options::default(),
            };
            install::build(&job, whose, &Tools { disk, ..Tools::default() }, &mut |_| Flow::Go)
        })
    }

    fn stage(&self, plan: &str) -> Restored {
        self.stage_by(Disk::default(), plan).unwrap()
    }

    fn swap(&self, disk: &Disk) -> Result<Swapped> {
        self.does("p1", |whose| install::install(disk, whose, STAMP, &mut |_| Ok(())))
    }

    fn undo(&self, disk: &Disk, swapped: &Swapped) -> Result<Vec<(PathBuf, PathBuf)>> {
        self.does("p1", |whose| install::roll_back(disk, whose, swapped, STAMP, &mut |_| Ok(())))
    }

    fn member_state(&self) -> MemberState {
        self.does("p1", |whose| member_state(&Disk::default(), whose)).unwrap()
    }

    fn old_is_in_place(&self) -> bool {
        let log = self.wal().is_none_or(|wal| fs::read(wal.join("0.wal")).is_ok_and(|bytes| bytes == b"old log"));
        log && fs::read(self.data().join("member/snap/db")).is_ok_and(|bytes| bytes == b"old data")
    }

    /// Names beside the directories, ours among them.
    fn around(&self) -> Vec<String> {
        ["lib", "log"].iter().flat_map(|dir| names(&self.base.path().join(dir))).collect()
    }
}

pub fn what_waits_outlives_its_run_and_is_exchanged_for_what_is_there() {
    for wal in [false, true] {
        let case = Case::new(wal).with_old();
        let restored = case.stage("p1");
        assert_eq!(case.member_state(), MemberState::Staged(restored.clone()));
        assert!(case.old_is_in_place());
        // Another restore beside it takes it for no leftover, and a second try takes it as it is.
        clear(&Disk::default(), &case.data());
        let before = case.around();
        assert_eq!((case.stage("p1"), case.around()), (restored, before), "it was built again");

        let swapped = case.swap(&Disk::default()).unwrap();
        assert!(swapped.still() && !case.old_is_in_place());
        let old = case.base.path().join(format!("lib/etcd.old-{STAMP}"));
        assert_eq!(swapped.aside()[0], (case.data(), old.clone()));
        assert_eq!(fs::read(old.join("member/snap/db")).unwrap(), b"old data");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&old), mode(&case.data())), (0o750, 0o750), "the new one has the old one's mode");
        assert_eq!(case.member_state(), MemberState::Nothing, "only a journal tells");
        assert_eq!(case.around().len(), if wal { 4 } else { 2 }, "{:?}", case.around());

        case.undo(&Disk::default(), &swapped).unwrap();
        assert!(case.old_is_in_place() && !swapped.still());
        let undone = case.base.path().join(format!("lib/etcd.undone-{STAMP}"));
        assert!(undone.join("member").is_dir() && !old.exists());
        let again = case.undo(&Disk::default(), &swapped).unwrap_err();
        assert_eq!(again.fault, Some(Fault::Changed), "{again}");
    }
}

/// Whom the old directory belongs to, and what SELinux calls its files, the new one takes over.
pub fn owner_and_context() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let case = Case::new(true).with_old();
    let (etcd, flags) = (65_534, rustix::fs::XattrFlags::empty());
    let label = |path: &Path, value: &str| rustix::fs::lsetxattr(path, "security.selinux", value.as_bytes(), flags);
    for path in [case.data(), case.data().join("member"), case.wal().unwrap()] {
        std::os::unix::fs::chown(&path, Some(etcd), Some(etcd)).unwrap();
    }
    // Where the filesystem has no such attributes there is nothing to take over.
    let labels = label(&case.data(), "system_u:object_r:container_var_lib_t:s0").is_ok();
    if labels {
        label(&case.data().join("member/snap/db"), "system_u:object_r:etcd_db_t:s0").unwrap();
        label(&case.wal().unwrap(), "system_u:object_r:container_log_t:s0").unwrap();
    }
    case.stage("p1");
    case.swap(&Disk::default()).unwrap();
    let context = |path: &Path| {
        let mut buffer = [0; 99];
        let length = rustix::fs::lgetxattr(path, "security.selinux", &mut buffer[..]).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let db = case.data().join("member/snap/db");
    for path in
        [case.data(), db.clone(), case.wal().unwrap(), case.wal().unwrap().join(names(&case.wal().unwrap())[0].clone())]
    {
        assert_eq!(fs::metadata(&path).unwrap().uid(), etcd, "{}", path.display());
    }
    if labels {
        assert_eq!(context(&case.data().join("member")), "system_u:object_r:container_var_lib_t:s0");
        assert_eq!(context(&db), "system_u:object_r:etcd_db_t:s0");
        assert_eq!(context(&case.wal().unwrap()), "system_u:object_r:container_log_t:s0");
    }
}

pub fn nothing_there_before_and_an_empty_directory() {
    for empty in [false, true] {
        let case = Case::new(true);
        if empty {
            fs::create_dir_all(case.data()).unwrap();
            fs::create_dir_all(case.wal().unwrap()).unwrap();
        }
        case.stage("p1");
        let swapped = case.swap(&Disk::default()).unwrap();
        assert_eq!((swapped.aside(), swapped.places[0].inside), (Vec::new(), empty));
        assert!(case.data().join("member/snap/db").exists());
        case.undo(&Disk::default(), &swapped).unwrap();
        assert!(!case.data().join("member").exists());
        assert_eq!(case.data().exists(), empty);
    }
}

pub fn another_plans_work_gives_way_and_its_own_can_be_discarded() {
    let case = Case::new(true).with_old();
    case.stage("p0");
    case.stage("p1");
    assert_eq!(case.does("p0", |whose| member_state(&Disk::default(), whose)).unwrap(), MemberState::Nothing);
    assert_eq!(case.around().iter().filter(|name| name.starts_with(".requorum")).count(), 2);
    case.does("p0", |whose| discard(&Disk::default(), whose)).unwrap();
    assert!(matches!(case.member_state(), MemberState::Staged(_)));
    case.does("p1", |whose| discard(&Disk::default(), whose)).unwrap();
    assert_eq!((case.member_state(), case.around().len()), (MemberState::Nothing, 2));
    let refused = case.swap(&Disk::default()).unwrap_err();
    assert_eq!(refused.fault, Some(Fault::NotBuilt), "{refused}");
    assert!(case.old_is_in_place());
}

pub fn a_link_stays_and_what_it_leads_to_is_exchanged() {
    let case = Case::new(false).with_old();
    let elsewhere = case.base.path().join("disk2");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(case.data(), elsewhere.join("etcd")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("etcd"), case.data()).unwrap();
    case.stage("p1");
    let swapped = case.swap(&Disk::default()).unwrap();
    assert!(fs::symlink_metadata(case.data()).unwrap().is_symlink());
    assert_eq!(swapped.aside()[0].1, elsewhere.join(format!("etcd.old-{STAMP}")));
}

pub fn what_an_etcd_holds_is_not_moved() {
    let case = Case::new(false).with_old();
    case.stage("p1");
    let db = fs::File::open(case.data().join("member/snap/db")).unwrap();
    rustix::fs::flock(&db, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    let refused = case.swap(&Disk::default()).unwrap_err();
    assert_eq!(refused.fault, Some(Fault::InUse), "{refused}");
    assert!(case.old_is_in_place());
    drop(db);
    case.swap(&Disk::default()).unwrap();
}

pub fn dated_names_are_never_taken_twice() {
    let case = Case::new(false).with_old();
    fs::create_dir(case.base.path().join(format!("lib/etcd.old-{STAMP}"))).unwrap();
    case.stage("p1");
    let swapped = case.swap(&Disk::default()).unwrap();
    assert!(swapped.aside()[0].1.ends_with(format!("etcd.old-{STAMP}-2")));
}

/// Killed before every act of building, exchanging and taking back: the old is there or the new, never half of either, and
/// the next run ends it.
pub fn killed_at_every_act() {
    for (wal, old) in [(false, true), (true, true), (true, false)] {
        let case = || if old { Case::new(wal).with_old() } else { Case::new(wal) };
        let mut moments = 0;
        for acts in 0.. {
            let case = case();
            let killed = case.stage_by(Disk::gated(Killer::after(acts)), "p1").is_err();
            assert_eq!(case.old_is_in_place(), old, "building, act {acts}");
            case.stage("p1");
            assert!(case.around().iter().filter(|name| name.starts_with(".requorum")).count() <= 2);
            case.swap(&Disk::default()).unwrap();
            if !killed {
                break;
            }
            moments += 1;
        }
        for acts in 0.. {
            let case = case();
            case.stage("p1");
            let killed = case.swap(&Disk::gated(Killer::after(acts))).is_err();
            let new = case.data().join("member/snap").is_dir() && !case.old_is_in_place();
            let whole = datadir::inspect(&case.data(), case.wal().as_deref()).state;
            assert!(case.old_is_in_place() || !case.data().exists() || new, "exchanging, act {acts}: {whole:?}");
            assert!(!new || matches!(whole, DirState::Whole(_)), "exchanging, act {acts}: {whole:?}");
            // What a killed run had renamed it has not taken back: the next one goes on.
            if !matches!(case.member_state(), MemberState::Nothing) {
                case.swap(&Disk::default()).unwrap();
            }
            let swapped = datadir::inspect(&case.data(), case.wal().as_deref()).state;
            assert!(matches!(swapped, DirState::Whole(_)), "exchanged after act {acts}: {swapped:?}");
            assert!(
                !case
                    .around()
                    .iter()
                    .any(|name| name.starts_with(".requorum") && case.member_state() != MemberState::Nothing)
            );
            if !killed {
                break;
            }
            moments += 1;
        }
        for acts in 0.. {
            let case = case();
            case.stage("p1");
            let swapped = case.swap(&Disk::default()).unwrap();
            let killed = case.undo(&Disk::gated(Killer::after(acts)), &swapped).is_err();
            if killed {
                case.undo(&Disk::default(), &swapped).unwrap();
            }
            assert_eq!(case.old_is_in_place(), old, "taken back after act {acts}");
            if !killed {
                break;
            }
            moments += 1;
        }
        assert!(moments > 50, "{moments}");
    }
}

/// What another plan's killed exchange left is not built over: its list alone tells where the old directory went.
pub fn another_plans_exchange_is_finished_first() {
    let mut met = 0;
    for acts in 0.. {
        let case = Case::new(false).with_old();
        case.stage("p1");
        let killed = case.swap(&Disk::gated(Killer::after(acts))).is_err();
        if matches!(case.member_state(), MemberState::Moving(_)) {
            met += 1;
            let refused = case.stage_by(Disk::default(), "p2").unwrap_err();
            assert_eq!(refused.fault, Some(Fault::OtherRun), "{refused}");
            case.swap(&Disk::default()).unwrap();
            case.stage("p2");
        }
        if !killed {
            break;
        }
    }
    assert!(met > 3, "{met}");
}

/// Power is cut after every act of building and exchanging: the old directory is there, in its place or aside, what is in
/// the place is whole, and the next run ends it.
pub fn power_lost_at_every_act() {
    for (wal, old) in [(false, true), (true, true), (true, false)] {
        let case = if old { Case::new(wal).with_old() } else { Case::new(wal) };
        for dir in ["lib", "log"] {
            fs::create_dir_all(case.base.path().join(dir)).unwrap();
        }
        let (mut before, mut after) = (0, 0);
        let run = |disk: Disk| {
            case.stage_by(disk.clone(), "p1").unwrap();
            case.swap(&disk).unwrap();
        };
        power_lost_below(case.base.path(), run, &mut |moment| {
            let aside = |dir: &str, name: &str| {
                let home = case.base.path().join(dir);
                names(&home)
                    .into_iter()
                    .filter(|n| n.starts_with(&format!("{name}.old-")))
                    .map(|n| home.join(n))
                    .collect::<Vec<_>>()
            };
            let is_old = |dir: &Path, file: &str| dir.join(file).exists();
            let kept = |place: &Path, asides: &[PathBuf], file: &str| {
                usize::from(is_old(place, file)) + asides.iter().filter(|dir| is_old(dir, file)).count()
            };
            let old_db = |dir: &Path| fs::read(dir.join("member/snap/db")).is_ok_and(|bytes| bytes == b"old data");
            let all: Vec<PathBuf> = aside("lib", "etcd").into_iter().chain([case.data()]).collect();
            assert_eq!(all.iter().filter(|dir| old_db(dir)).count(), usize::from(old), "{wal}, {moment}");
            if let Some(wal) = case.wal().filter(|_| old) {
                assert_eq!(kept(&wal, &aside("log", "wal"), "0.wal"), 1, "{moment}");
            }
            let in_place = case.data().join("member").exists() && !old_db(&case.data());
            let look = || datadir::inspect(&case.data(), case.wal().as_deref()).state;
            if in_place {
                assert!(matches!(look(), DirState::Whole(_)), "{wal}, {old}, {moment}: {:?}", look());
                after += 1;
            } else {
                before += 1;
            }
            match case.member_state() {
                MemberState::Nothing if in_place => {}
                MemberState::Nothing => {
                    case.stage("p1");
                    case.swap(&Disk::default()).unwrap();
                }
                _ => drop(case.swap(&Disk::default()).unwrap_or_else(|e| panic!("{wal}, {old}, {moment}: {e}"))),
            }
            assert!(matches!(look(), DirState::Whole(_)), "{wal}, {old}, {moment}, the next run: {:?}", look());
        });
        assert!(before > 15 && after > 1, "{before}, {after}");
    }
}
