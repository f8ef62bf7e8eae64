//! A restore killed before each of its acts, and a restore whose power fails after each of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use requorum::{
    engine::{
        datadir::file_locks,
        durable_fs::{Act, Disk, Gate, Locked},
        install::clear,
        restore::Tools,
    },
    error::{ErrorKind, Fault},
};

use super::{
    common::{keys_in, restore, scratch, whole},
    support::{fixture, names},
};

/// Where the data directory and the WAL go, and which of the two are there before, empty.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    wal: bool,
    data_there: bool,
    wal_there: bool,
}

pub const LAYOUTS: [Layout; 5] = [
    Layout { wal: false, data_there: false, wal_there: false },
    Layout { wal: false, data_there: true, wal_there: false },
    Layout { wal: true, data_there: false, wal_there: false },
    Layout { wal: true, data_there: false, wal_there: true },
    Layout { wal: true, data_there: true, wal_there: true },
];

const SOURCE: &str = "3.5.16-small.db";

impl Layout {
    fn data(self, base: &Path) -> PathBuf {
        if self.data_there { base.join("data") } else { base.join("made/data") }
    }

    fn wal(self, base: &Path) -> Option<PathBuf> {
        self.wal.then(|| base.join("logs/wal"))
    }

    fn prepare(self, base: &Path) {
        fs::create_dir_all(base.join("logs")).unwrap();
        if self.data_there {
            fs::create_dir(base.join("data")).unwrap();
        }
        if self.wal_there {
            fs::create_dir(base.join("logs/wal")).unwrap();
        }
    }

    fn run(self, base: &Path, disk: Disk) -> requorum::error::Result<()> {
        let tools = Tools { disk, ..Tools::default() };
        let options = Default::default();
        restore(&fixture(SOURCE), &self.data(base), self.wal(base).as_deref(), &options, &tools).map(|_| ())
    }

    /// The target must be absent or whole, and the next run must succeed, or be refused because it is
    /// whole; either way nothing of ours may be left over. Says which of the two it was.
    fn judge(self, base: &Path, keys: u64, moment: &str) -> bool {
        let (data, wal) = (self.data(base), self.wal(base));
        let stands = data.join("member").exists();
        if stands {
            whole(&data, wal.as_deref(), keys)
                .unwrap_or_else(|e| panic!("{self:?}, {moment}: neither absent nor whole: {e}"));
        }
        // A process that another test is just starting shares our locks until it has begun: a real kill leaves none.
        for segment in [Some(data.join("member/wal")), wal.clone()]
            .into_iter()
            .flatten()
            .flat_map(|dir| names(&dir).into_iter().map(move |name| dir.join(name)).collect::<Vec<_>>())
        {
            while file_locks::held(&segment) {
                std::thread::yield_now();
            }
        }
        let again = self.run(base, Disk::default());
        match again {
            Ok(()) => assert!(!stands, "{self:?}, {moment}: a whole target was written over"),
            Err(error) => {
                assert!(stands && error.fault == Some(Fault::Taken), "{self:?}, {moment}: {error}");
            }
        }
        whole(&data, wal.as_deref(), keys).unwrap_or_else(|e| panic!("{self:?}, {moment}: the next run: {e}"));
        for dir in [base, &base.join("made"), &base.join("logs"), &data, &base.join("logs/wal")] {
            let left: Vec<String> = names(dir).into_iter().filter(|name| name.starts_with(".requorum")).collect();
            assert!(left.is_empty(), "{self:?}, {moment}: {left:?} is left in {}", dir.display());
        }
        assert_eq!(names(&data), ["member"], "{self:?}, {moment}");
        stands
    }
}

/// Lets `left` acts happen and no more: what a kill does, since a killed process cleans nothing up.
pub struct Killer {
    left: AtomicU64,
}

impl Killer {
    pub fn after(acts: u64) -> Arc<Killer> {
        Arc::new(Killer { left: AtomicU64::new(acts) })
    }
}

impl Gate for Killer {
    fn pass(&self, _: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => run(),
            Err(_) => Err(io::Error::other("killed")),
        }
    }
}

/// Kills before every act, until the restore comes through.
pub fn killed_at_every_act(layout: Layout) {
    let keys = keys_in(&fixture(SOURCE));
    let (mut absent, mut stood) = (0, 0);
    for acts in 0.. {
        let dir = scratch();
        layout.prepare(dir.path());
        let outcome = layout.run(dir.path(), Disk::gated(Killer::after(acts)));
        match layout.judge(dir.path(), keys, &format!("killed before act {acts}")) {
            true => stood += 1,
            false => absent += 1,
        }
        // Acts after the commit only clear up; a kill there is no failure, so look for the run that is not cut at all.
        if outcome.is_ok() && stood > 8 {
            break;
        }
        assert!(acts < 300, "no end of acts");
    }
    assert!(absent > 25 && stood > 1, "too few moments: {absent} before the commit, {stood} after");
}

/// With another data directory than the killed run's, a WAL directory that it had placed is free all the same.
pub fn wal_taken_back_for_another_data_dir() {
    let layout = LAYOUTS[2];
    let mut placed = 0;
    for acts in 0..200 {
        let dir = scratch();
        layout.prepare(dir.path());
        let _ = layout.run(dir.path(), Disk::gated(Killer::after(acts)));
        let (data, wal) = (layout.data(dir.path()), layout.wal(dir.path()).unwrap());
        if data.exists() {
            break;
        }
        placed += u32::from(wal.exists());
        let other = dir.path().join("other");
        restore(&fixture(SOURCE), &other, Some(&wal), &Default::default(), &Tools::default())
            .unwrap_or_else(|e| panic!("killed before act {acts}: {e}"));
        whole(&other, Some(&wal), keys_in(&fixture(SOURCE))).unwrap();
    }
    assert!(placed > 0, "no kill fell between the WAL's rename and the data directory's");
}

/// A run that was killed after it had installed the WAL and before the data directory: `.requorum-…` of both, and the WAL.
fn killed_between(dir: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let layout = LAYOUTS[2];
    for acts in 0..200 {
        let base = dir.join(acts.to_string());
        fs::create_dir(&base).unwrap();
        layout.prepare(&base);
        let _ = layout.run(&base, Disk::gated(Killer::after(acts)));
        let wal = layout.wal(&base).unwrap();
        if wal.exists() {
            let ours = |dir: &Path| names(dir).into_iter().find(|name| name.starts_with(".requorum")).unwrap();
            return (
                base.join("made").join(ours(&base.join("made"))),
                base.join("logs").join(ours(&base.join("logs"))),
                wal,
            );
        }
    }
    panic!("no kill fell between the WAL's rename and the data directory's");
}

/// What a killed run installed goes by the next one, found from the WAL as from the data directory; not while the run lives,
/// and nothing that somebody used since.
pub fn what_was_used_since_stays() {
    let segment = "0000000000000000-0000000000000000.wal";
    let dir = scratch();
    let (data, log, wal) = killed_between(dir.path());
    let living = Locked::new(fs::File::open(data.join("requorum-staging")).unwrap());
    assert!(living.try_take().unwrap());
    clear(&Disk::default(), &wal);
    assert!(data.exists() && log.exists() && wal.exists(), "a living run's are left alone");
    drop(living);
    clear(&Disk::default(), &wal);
    assert!(!data.exists() && !log.exists() && !wal.exists());

    type Change = fn(&Path, &Path, &Path);
    let changes: [Change; 6] = [
        |_, _, wal| fs::write(wal.join("0000000000000000-0000000000000000.wal"), b"log and more").unwrap(),
        |_, _, wal| fs::write(wal.join("1.wal"), b"").unwrap(),
        |data, _, _| fs::remove_dir_all(data.join("new/member")).unwrap(),
        |data, _, _| fs::write(data.join("moves"), b"{\"pla").unwrap(),
        // Nothing of ours lies beside what is to be rolled back, or it is another's.
        |_, log, _| fs::remove_dir_all(log).unwrap(),
        |_, log, _| fs::write(log.join("partner"), b"/nowhere/.requorum-x").unwrap(),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let dir = scratch();
        let (data, log, wal) = killed_between(dir.path());
        change(&data, &log, &wal);
        clear(&Disk::default(), &data.with_file_name("data"));
        assert!(wal.join(segment).exists(), "change {at}");
        assert_eq!(
            data.exists(),
            at == 3,
            "change {at}: only a list that cannot be read is left for somebody to look at"
        );
    }
}

/// Something that happens at the first rename to this path, and what fails from then on.
struct OnRename {
    to: PathBuf,
    happens: fn(&Path),
    fails: Option<PathBuf>,
    seen: AtomicU64,
}

impl Gate for OnRename {
    fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        match act {
            Act::SyncDir(path) if self.seen.load(Ordering::SeqCst) > 0 && Some(*path) == self.fails.as_deref() => {
                return Err(rustix::io::Errno::IO.into());
            }
            Act::Rename { to, .. } if **to == self.to && self.seen.fetch_add(1, Ordering::SeqCst) == 0 => {
                (self.happens)(&self.to);
            }
            _ => {}
        }
        run()
    }
}

/// A sync that fails after the last rename, or before it: it is a failure, and the target is free or, where even that cannot
/// be rolled back, free for the next run.
pub fn a_sync_that_fails_is_rolled_back() {
    for (layout, place, to) in [
        (LAYOUTS[2], "made", "made/data"),
        (LAYOUTS[4], "data", "data/member"),
        (LAYOUTS[2], "logs", "logs/wal"),
        (LAYOUTS[0], "made", "made/data"),
    ] {
        let dir = scratch();
        layout.prepare(dir.path());
        let fails = Some(dir.path().join(place));
        let gate = OnRename { to: dir.path().join(to), happens: |_| {}, fails, seen: AtomicU64::new(0) };
        let error = layout.run(dir.path(), Disk::gated(Arc::new(gate))).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        assert!(error.remedies.is_empty(), "nothing is to be resumed without a plan: {error}");
        assert!(!layout.data(dir.path()).join("member").exists(), "{to}: {error}");
        layout.judge(dir.path(), keys_in(&fixture(SOURCE)), to);
    }
}

/// What appears in the middle is not replaced, and the WAL that was installed before it is rolled back.
pub fn what_appears_meanwhile_is_not_replaced() {
    let layout = LAYOUTS[2];
    let dir = scratch();
    layout.prepare(dir.path());
    let data = layout.data(dir.path());
    let gate =
        OnRename { to: data.clone(), happens: |to| fs::create_dir(to).unwrap(), fails: None, seen: AtomicU64::new(0) };
    let error = layout.run(dir.path(), Disk::gated(Arc::new(gate))).unwrap_err();
    assert_eq!(error.fault, Some(Fault::Taken), "{error}");
    assert_eq!((names(&dir.path().join("made")), names(&dir.path().join("logs"))), (vec!["data".into()], vec![]));
    assert!(names(&data).is_empty());
}

/// One act that happened, with what it wrote.
#[derive(Debug)]
enum Done {
    Make { path: PathBuf, inode: u64, dir: bool },
    Write { path: PathBuf, offset: u64, bytes: Vec<u8> },
    Resize { path: PathBuf, length: u64 },
    SyncFile(PathBuf),
    SyncDir(PathBuf),
    Rename { from: PathBuf, to: PathBuf },
    Remove(PathBuf),
    Nothing,
}

/// Writes down what happens.
#[derive(Default)]
struct Recorder(Mutex<Vec<Done>>);

impl Gate for Recorder {
    fn pass(&self, act: &Act<'_>, run: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        run()?;
        let inode = |path: &Path| fs::symlink_metadata(path).map(|meta| meta.ino());
        let done = match *act {
            Act::MakeDir(path) => Done::Make { path: path.into(), inode: inode(path)?, dir: true },
            Act::Create(path) => Done::Make { path: path.into(), inode: inode(path)?, dir: false },
            Act::Write { path, offset, length } => {
                // Blocks that the filesystem would not share are not there.
                let mut bytes = vec![0; length as usize];
                if fs::File::open(path)?.read_exact_at(&mut bytes, offset).is_err() {
                    bytes.clear();
                }
                Done::Write { path: path.into(), offset, bytes }
            }
            Act::Resize { path, length } => Done::Resize { path: path.into(), length },
            Act::SyncFile(path) => Done::SyncFile(path.into()),
            Act::SyncDir(path) => Done::SyncDir(path.into()),
            Act::Rename { from, to } => Done::Rename { from: from.into(), to: to.into() },
            Act::RemoveFile(path) | Act::RemoveDir(path) => Done::Remove(path.into()),
            Act::Own(_) => Done::Nothing,
        };
        self.0.lock().unwrap().push(done);
        Ok(())
    }
}

/// A file's content: its length and what was written where.
#[derive(Debug, Clone, Default)]
struct Content {
    length: u64,
    writes: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct Node {
    dir: bool,
    /// The number that it had when the acts happened.
    inode: u64,
    content: Content,
    synced: Content,
}

/// Changes of directory entries that last together or not at all, as a filesystem's journal has them.
#[derive(Debug)]
struct Entries {
    changes: Vec<(usize, String, Option<usize>)>,
    synced: bool,
}

/// What a disk holds, and what of it would outlast a power cut.
#[derive(Debug, Default)]
struct Model {
    base: PathBuf,
    nodes: Vec<Node>,
    start: BTreeMap<(usize, String), usize>,
    entries: Vec<Entries>,
}

/// What of the changes that were not synced outlasts the cut.
#[derive(Debug, Clone, Copy)]
enum Luck {
    /// Nothing.
    None,
    /// All directory entries, and no content: a file that has its name and is empty.
    Names,
    /// As many directory entries, in their order, as the seed says, and some content.
    First(u64),
    /// Any directory entries, in any order, and some content.
    Some(u64),
}

/// xorshift: the same moments in every run.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

impl Model {
    fn of(base: &Path) -> Model {
        let mut model =
            Model { base: base.into(), nodes: vec![Node { dir: true, ..Node::default() }], ..Model::default() };
        model.scan(base, 0);
        model
    }

    /// What is there before, and has long been written.
    fn scan(&mut self, dir: &Path, node: usize) {
        for name in names(dir) {
            let path = dir.join(&name);
            let meta = fs::metadata(&path).unwrap();
            let bytes = if meta.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            let content = Content { length: bytes.len() as u64, writes: vec![(0, bytes)] };
            let (dir, inode, synced) = (meta.is_dir(), meta.ino(), content.clone());
            self.nodes.push(Node { dir, inode, content, synced });
            let child = self.nodes.len() - 1;
            self.start.insert((node, name), child);
            if dir {
                self.scan(&path, child);
            }
        }
    }

    fn map(&self, lasts: impl Fn(usize, &Entries) -> bool) -> BTreeMap<(usize, String), usize> {
        let mut map = self.start.clone();
        for (at, entries) in self.entries.iter().enumerate().filter(|(at, e)| lasts(*at, e)) {
            let _ = at;
            for (dir, name, node) in &entries.changes {
                match node {
                    Some(node) => map.insert((*dir, name.clone()), *node),
                    None => map.remove(&(*dir, name.clone())),
                };
            }
        }
        map
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let map = self.map(|_, _| true);
        let below = path.strip_prefix(&self.base).ok()?;
        below.iter().try_fold(0, |dir, name| map.get(&(dir, name.to_string_lossy().into_owned())).copied())
    }

    fn place(&self, path: &Path) -> (usize, String) {
        (self.find(path.parent().unwrap()).unwrap(), path.file_name().unwrap().to_string_lossy().into_owned())
    }

    fn enter(&mut self, changes: Vec<(usize, String, Option<usize>)>) {
        self.entries.push(Entries { changes, synced: false });
    }

    fn apply(&mut self, done: &Done) {
        match done {
            Done::Make { path, inode, dir } => {
                let (parent, name) = self.place(path);
                self.nodes.push(Node { dir: *dir, inode: *inode, ..Node::default() });
                let node = self.nodes.len() - 1;
                self.enter(vec![(parent, name, Some(node))]);
            }
            Done::Write { path, offset, bytes } => {
                let node = self.find(path).unwrap();
                let content = &mut self.nodes[node].content;
                content.length = content.length.max(offset + bytes.len() as u64);
                content.writes.push((*offset, bytes.clone()));
            }
            Done::Resize { path, length } => {
                let node = self.find(path).unwrap();
                self.nodes[node].content.length = *length;
            }
            Done::SyncFile(path) => {
                let node = self.find(path).unwrap();
                self.nodes[node].synced = self.nodes[node].content.clone();
            }
            Done::SyncDir(path) => {
                let dir = self.find(path).unwrap();
                for entries in self.entries.iter_mut().filter(|e| e.changes.iter().any(|(d, ..)| *d == dir)) {
                    entries.synced = true;
                }
            }
            Done::Rename { from, to } => {
                let node = self.find(from).unwrap();
                let ((old, old_name), (new, new_name)) = (self.place(from), self.place(to));
                self.enter(vec![(old, old_name, None), (new, new_name, Some(node))]);
            }
            Done::Remove(path) => {
                let (dir, name) = self.place(path);
                self.enter(vec![(dir, name, None)]);
            }
            Done::Nothing => {}
        }
    }

    /// What the power cut leaves: directories and files by path.
    fn left(&self, luck: Luck) -> BTreeMap<PathBuf, (u64, Option<Content>)> {
        let mut seed = match luck {
            Luck::First(seed) | Luck::Some(seed) => seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            _ => 1,
        };
        let open: Vec<usize> = (0..self.entries.len()).filter(|at| !self.entries[*at].synced).collect();
        let lucky: BTreeSet<usize> = match luck {
            Luck::None => BTreeSet::new(),
            Luck::Names => open.into_iter().collect(),
            Luck::First(_) => {
                let count = next(&mut seed) as usize % (open.len() + 1);
                open.into_iter().take(count).collect()
            }
            Luck::Some(_) => open.into_iter().filter(|_| next(&mut seed).is_multiple_of(2)).collect(),
        };
        let map = self.map(|at, entries| entries.synced || lucky.contains(&at));
        let mut left = BTreeMap::new();
        let mut waiting = vec![(0, self.base.clone())];
        while let Some((dir, path)) = waiting.pop() {
            for ((_, name), node) in map.iter().filter(|((d, _), _)| *d == dir) {
                let (path, found) = (path.join(name), &self.nodes[*node]);
                if found.dir {
                    left.insert(path.clone(), (found.inode, None));
                    waiting.push((*node, path));
                    continue;
                }
                let content = match luck {
                    Luck::None | Luck::Names => found.synced.clone(),
                    _ => match next(&mut seed) % 3 {
                        0 => found.synced.clone(),
                        1 => found.content.clone(),
                        _ => {
                            // The length, and every other write that was not synced.
                            let mut torn = found.content.clone();
                            let synced = found.synced.writes.len();
                            let mut at = 0;
                            torn.writes.retain(|_| {
                                at += 1;
                                at <= synced || next(&mut seed).is_multiple_of(2)
                            });
                            torn
                        }
                    },
                };
                left.insert(path, (found.inode, Some(content)));
            }
        }
        left
    }
}

/// Puts on the disk what a power cut left.
fn materialise(base: &Path, left: &BTreeMap<PathBuf, (u64, Option<Content>)>) {
    fs::remove_dir_all(base).unwrap();
    fs::create_dir(base).unwrap();
    let mut now: BTreeMap<u64, u64> = BTreeMap::new();
    for (path, (inode, content)) in left {
        match content {
            None => fs::create_dir(path).unwrap(),
            Some(content) => {
                let file = fs::File::create_new(path).unwrap();
                for (offset, bytes) in &content.writes {
                    file.write_all_at(bytes, *offset).unwrap();
                }
                file.set_len(content.length).unwrap();
            }
        }
        now.insert(*inode, fs::symlink_metadata(path).unwrap().ino());
    }
    // Notes tell files by their inode, which a real power cut would have kept.
    let note = |path: &&PathBuf| path.ends_with("moves");
    for path in left.keys().filter(note) {
        let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&fs::read(path).unwrap()) else { continue };
        renumber(&mut json, &now);
        fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
    }
}

fn renumber(json: &mut serde_json::Value, now: &BTreeMap<u64, u64>) {
    match json {
        serde_json::Value::Array(all) => all.iter_mut().for_each(|one| renumber(one, now)),
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                match value.as_u64() {
                    Some(inode) if name == "inode" => *value = now.get(&inode).copied().unwrap_or(inode).into(),
                    _ => renumber(value, now),
                }
            }
        }
        _ => {}
    }
}

/// Records what `run` does below `base`, cuts the power after every act, and shows each thing that may be left to `judge`
/// with words for the moment; the last one is what was left after the end, whatever the luck.
pub fn power_lost_below(base: &Path, run: impl FnOnce(Disk), judge: &mut dyn FnMut(&str)) {
    let mut model = Model::of(base);
    let recorder = Arc::new(Recorder::default());
    run(Disk::gated(recorder.clone()));
    let acts = std::mem::take(&mut *recorder.0.lock().unwrap());
    let mut seen = BTreeSet::new();
    for (at, act) in acts.iter().enumerate() {
        model.apply(act);
        let seed = at as u64 + 1;
        for luck in [Luck::None, Luck::Names, Luck::First(seed), Luck::Some(seed), Luck::Some(seed + 1000)] {
            let left = model.left(luck);
            // Many moments leave the same.
            if !seen.insert(format!("{left:?}")) {
                continue;
            }
            materialise(base, &left);
            let what: String = format!("{act:?}").chars().take(120).collect();
            judge(&format!("power lost after act {at} ({what}), {luck:?}"));
        }
    }
    materialise(base, &model.left(Luck::None));
    judge("power lost after the end");
}

/// Cuts the power after every act, with different luck for what was not synced.
pub fn power_lost_at_every_act(layout: Layout) {
    let keys = keys_in(&fixture(SOURCE));
    let dir = scratch();
    // The path must be the same for each moment: the WAL's staging directory names the data's.
    let base = dir.path().join("base");
    fs::create_dir(&base).unwrap();
    layout.prepare(&base);
    let (mut absent, mut stood, mut last) = (0, 0, false);
    let run = |disk: Disk| layout.run(&base, disk).unwrap();
    power_lost_below(&base, run, &mut |moment| {
        last = layout.judge(&base, keys, moment);
        if last { stood += 1 } else { absent += 1 }
    });
    assert!(absent > 15 && stood > 1, "too few moments: {absent} before the commit, {stood} after");
    // Once the restore has said that it is done, no luck is needed.
    assert!(last, "what was reported as done did not last");
}
