//! This machine and the members that it can reach: the world of real recoveries and, confined to
//! one directory and a few loopback ports, of drills.

mod host_report;
mod member_ops;
mod service;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{IpAddr, TcpListener},
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    World,
    discovery::discover,
    etcd_client::Members,
    host_session::{HostSession, LocalHost},
    journal::{self, Journal, Record},
    member_ops::MemberOps,
    object_store,
    ssh::{Ssh, Stop},
};
use crate::{
    bbolt::WriteAt,
    domain::{
        members::certificates,
        model::{
            host_address,
            observations::{
                Alarm, Answer, FileFacts, Hashed, Health, KnownMember,
                config::ConfigFacts,
                disk::{DirFacts, DirState, Held},
                host::HostFacts,
                rows::StoredRows,
                started::{Canary, Data, PlannedHash, Queried, Watched},
            },
            plan::Plan,
            source_ref::{ObjectUrl, SourceRef},
        },
        preflight::blockers::{Endpoint, ProbeResult},
        quorum::known::OldKey,
        sources::data_loss::{Difference, History},
    },
    engine::{
        datadir,
        durable_fs::{self, Disk, Trusted, Untrusted},
        install::{staging, staging_recovery::PREFIX},
        post_restore,
        progress::{Flow, ProgressFn},
        restore::Tools,
        scan::{
            examine,
            hashkv::{After, HashKv, hash_kv_after},
            key_loss, keys, same_history, snapshot_members,
        },
        source::{Source, archive::Archive, creation_trouble, io_trouble},
    },
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// bbolt's magic number, as it follows the first page's header.
const BOLT_MAGIC: [u8; 4] = [0xed, 0xda, 0x0c, 0xed];

/// The largest text file that requorum writes, in bytes.
const TEXT: u64 = journal::MOST_BYTES;

/// This machine.
#[derive(Debug)]
pub struct Local {
    label: String,
    members: Members,
    /// How other hosts are reached.
    ssh: Ssh,
    /// What a drill is confined to: its directory and its members' URLs.
    fence: Option<Confinement>,
    /// The root directory for configurations.
    root: PathBuf,
    /// The snapshot that was read last: the members of a plan are restored from one reading.
    tools: Tools,
}

#[derive(Debug)]
struct Confinement {
    root: PathBuf,
    /// The same path as it was given, where links lead to it.
    named: PathBuf,
    endpoints: Vec<String>,
}

impl Local {
    /// Creates the real world.
    pub fn real(members: Members) -> Local {
        Local::new("REAL", members, None)
    }

    fn new(label: &str, members: Members, fence: Option<Confinement>) -> Local {
        let root = "/".into();
        Local { label: label.into(), members, ssh: Ssh::default(), fence, root, tools: Tools::default() }
    }

    /// Searches configurations below `root`, as if it were `/`.
    #[must_use]
    pub fn below(self, root: PathBuf) -> Local {
        Local { root, ..self }
    }

    /// Reaches other hosts by this `ssh`.
    #[must_use]
    pub fn by(self, ssh: Ssh) -> Local {
        Local { ssh, ..self }
    }

    /// Confines the world to `root` and `endpoints`: nothing outside is read, written or asked.
    ///
    /// # Errors
    /// When `root` does not exist.
    pub fn fenced(label: &str, members: Members, root: &Path, endpoints: Vec<String>) -> Result<Local> {
        let real = root.canonicalize().map_err(|e| io_trouble("look at", root, &e))?;
        let fence = Some(Confinement { root: real, named: root.into(), endpoints });
        // a guessed port could be another cluster's
        let members = members.without_guesses();
        Ok(Local::new(label, members, fence))
    }

    /// Refuses a path outside the confinement, symbolic links followed.
    fn inside(&self, path: &Path) -> Result<()> {
        let Some(fence) = &self.fence else { return Ok(()) };
        let outside = || {
            Error::new(ErrorKind::Input, format!("{}: outside this exercise", path.shown()))
                .why(format!("a drill uses nothing but {}", fence.root.shown()))
                .hint("Choose a path in that directory; for real work leave the drill and start requorum.")
        };
        let absolute = std::path::absolute(path).map_err(|e| io_trouble("look at", path, &e))?;
        // An obviously outside path is not even accessed.
        let near = [&fence.root, &fence.named].iter().any(|root| absolute.starts_with(root));
        if !near || absolute.components().any(|c| c == Component::ParentDir) {
            return Err(outside());
        }
        // The deepest existing part shows where the rest would be created.
        let existing = absolute.ancestors().find_map(|p| p.canonicalize().ok());
        if existing.is_some_and(|real| real.starts_with(&fence.root)) { Ok(()) } else { Err(outside()) }
    }

    /// Refuses a path whose staging directory would be outside the confinement.
    fn may_build(&self, dir: &Path) -> Result<()> {
        self.inside(dir)?;
        self.inside(staging::parent(dir))
    }

    fn may_ask(&self, endpoint: &str) -> Result<()> {
        match &self.fence {
            Some(fence) if !fence.endpoints.iter().any(|e| e == endpoint) => {
                Err(Error::new(ErrorKind::Input, format!("{endpoint}: outside this exercise"))
                    .why("a drill asks only its own members")
                    .hint(format!("Its members are {}.", fence.endpoints.join(", "))))
            }
            _ => Ok(()),
        }
    }
}

impl World for Local {
    fn label(&self) -> &str {
        &self.label
    }

    fn now(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|t| i64::try_from(t.as_secs()).ok()).unwrap_or(0)
    }

    fn fresh(&self) -> String {
        let mut bytes = [0u8; 4];
        // The kernel's generator does not fail once it is up; before that the clock is good enough.
        if rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty()).is_err() {
            bytes = std::process::id().to_be_bytes();
        }
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn operator(&self) -> String {
        // The user who called sudo says more than root.
        let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        let user = user.unwrap_or_else(|| host_report::name_of(rustix::process::getuid().as_raw(), "/etc/passwd"));
        format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
    }

    fn name_endpoints(&self, endpoints: &[String]) {
        self.members.name_endpoints(endpoints);
    }

    fn ask(&self, endpoint: &str) -> Answer {
        match self.may_ask(endpoint) {
            Ok(()) => self.members.ask(endpoint),
            Err(trouble) => Answer::Silent { why: "outside this exercise".into(), details: trouble.to_string() },
        }
    }

    fn ask_peer(&self, _endpoint: &str, member: &KnownMember) -> Answer {
        // a peer URL from a database is not an address of an exercise
        match member.peer_urls.iter().try_for_each(|url| self.may_ask(url)) {
            Ok(()) => self.members.ask_peer(member),
            Err(_) => Answer::Silent {
                why: "outside this exercise".into(),
                details: "Its peer port is not part of this exercise.".into(),
            },
        }
    }

    fn hash_at(&self, endpoint: &str, revision: i64) -> Hashed {
        match self.may_ask(endpoint) {
            Ok(()) => self.members.hash_at(endpoint, revision),
            Err(trouble) => Hashed::Failed(trouble.to_string().into()),
        }
    }

    fn hash_of(&self, database: &Path, revision: i64, compacted: i64) -> Hashed {
        let hashed = || {
            let source = Source::open(database)?;
            let after = After { bump: None, compacted };
            hash_kv_after(&source.view()?, revision, after, &mut |_| Flow::Go)
                .map_err(|refused| refused.into_trouble(database))
        };
        match hashed() {
            Ok(HashKv { hash, revision, compacted }) => Hashed::Says { hash, revision, compacted },
            Err(trouble) => Hashed::Failed(trouble.to_string().into()),
        }
    }

    fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String> {
        self.may_ask(endpoint).map_err(|trouble| trouble.to_string())?;
        self.members.old_keys(endpoint, revision)
    }

    fn has_keys(&self, database: &Path, revision: i64, keys: &[OldKey]) -> Result<bool> {
        self.inside(database)?;
        keys::are_in(database, revision, keys)
    }

    fn alarms(&self, endpoint: &str) -> Queried<Vec<Alarm>> {
        match self.may_ask(endpoint) {
            Ok(()) => self.members.alarms(endpoint),
            Err(trouble) => Queried::Failed(trouble.to_string()),
        }
    }

    fn stored_rows(
        &self,
        endpoint: &str,
        most: u64,
        watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String> {
        self.may_ask(endpoint).map_err(|trouble| trouble.to_string())?;
        self.members.stored_rows(endpoint, most, watch)
    }

    fn watch_from(&self, endpoint: &str, revision: i64) -> Watched {
        match self.may_ask(endpoint) {
            Ok(()) => self.members.watch_from(endpoint, revision),
            Err(trouble) => Watched::Failed(trouble.to_string()),
        }
    }

    fn canary(&self, endpoints: &[String], key: &str, value: &str) -> Canary {
        match endpoints.iter().try_for_each(|endpoint| self.may_ask(endpoint)) {
            Ok(()) => self.members.canary(endpoints, key, value),
            Err(trouble) => Canary::Failed { key: key.into(), why: trouble.to_string(), left: false },
        }
    }

    fn planned_hash(&self, plan: &Plan, compacted: i64, watch: &mut ProgressFn<'_>) -> Result<PlannedHash> {
        self.inside(&plan.source.path)?;
        post_restore::planned_hash(plan, compacted, watch)
    }

    fn planned_rows(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<StoredRows> {
        self.inside(&plan.source.path)?;
        post_restore::planned_rows(plan, watch)
    }

    fn aftermath(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<Data> {
        self.inside(&plan.source.path)?;
        post_restore::data(plan, watch)
    }

    fn knock(&self, doors: &[Endpoint]) -> Vec<ProbeResult> {
        let may: Vec<Endpoint> = doors.iter().filter(|door| self.may_ask(&door.url).is_ok()).cloned().collect();
        let mut heard = self.members.knock(&may).into_iter();
        let outside = || ProbeResult::Unclear("it is outside this exercise".into());
        let answer = |door: &Endpoint| if self.may_ask(&door.url).is_ok() { heard.next() } else { None };
        doors.iter().map(answer).map(|heard| heard.unwrap_or_else(outside)).collect()
    }

    fn removed(&self, snapshot: &Path) -> Vec<crate::etcd::membership::Id> {
        self.inside(snapshot).and_then(|()| snapshot_members::removed(snapshot)).unwrap_or_default()
    }

    fn listed(&self, snapshot: &Path) -> Result<Vec<KnownMember>> {
        self.inside(snapshot)?;
        snapshot_members::read(snapshot)
    }

    fn find(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>> {
        let mut found = Vec::new();
        for place in places {
            self.inside(place)?;
            match SourceRef::from_path(place).object() {
                Some(url) => found.extend(
                    object_store::Store::from_environment()?.list(url)?.into_iter().map(object_store::Object::facts),
                ),
                None => look_in(place, &mut found)?,
            }
        }
        Ok(found)
    }

    fn inspect(&self, path: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        self.inside(path)?;
        match SourceRef::from_path(path).object() {
            Some(url) => object_store::Store::from_environment()?.object(url).map(object_store::Object::facts),
            None => examine::examine(path, watch),
        }
    }

    fn look_at_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
        let outside = [Some(data_dir), wal_dir].into_iter().flatten().find_map(|path| self.inside(path).err());
        match outside {
            None => datadir::look(data_dir, wal_dir),
            Some(trouble) => DirFacts {
                data_dir: data_dir.into(),
                wal_dir: wal_dir.map(Path::to_path_buf),
                learned_from: String::new(),
                held: Held::Unknown("it is outside this exercise".into()),
                state: DirState::Unreadable(trouble.on_one_line()),
            },
        }
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
        let ip = |address: nix::sys::socket::SockaddrStorage| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        };
        interfaces.filter_map(|interface| ip(interface.address?)).collect()
    }

    fn discover(&self) -> Vec<ConfigFacts> {
        // A drill ignores this machine's own etcds.
        if self.fence.is_some() { Vec::new() } else { discover(&self.root) }
    }

    fn same_history(&self, first: &Path, second: &Path) -> Result<History> {
        self.inside(first)?;
        self.inside(second)?;
        let sources = [Source::open(first)?, Source::open(second)?];
        let views = [sources[0].view()?, sources[1].view()?];
        same_history::compare_histories([&views[0], &views[1]])
            .map_err(|(file, refused)| refused.into_trouble(if file == 0 { first } else { second }))
    }

    fn compare(&self, first: &Path, second: &Path, watch: &mut ProgressFn<'_>) -> Result<(Difference, bool)> {
        self.inside(first)?;
        self.inside(second)?;
        key_loss::difference(first, second, watch)
    }

    fn make_dir(&self, dir: &Path) -> Result<()> {
        self.inside(dir)?;
        self.tools
            .disk
            .make_dirs(dir)
            .map_err(|e| Error::new(ErrorKind::Failed, format!("{}: cannot create directory", dir.shown())).why(e))
    }

    fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        self.may_ask(endpoint)?;
        self.inside(into)?;
        self.members.save_snapshot(endpoint, into, watch)?;
        examine::examine(into, watch)
    }

    fn fetch(&self, url: &ObjectUrl, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        self.inside(Path::new(url.as_str()))?;
        self.inside(into)?;
        object_store::Store::from_environment()?.fetch(url, into, watch)?;
        examine::examine(into, watch)
    }

    fn site(&self) -> &dyn MemberOps {
        self
    }

    fn open(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Box<dyn HostSession + '_>> {
        if !host_address::is_local(host) {
            if self.fence.is_some() {
                return Err(Error::new(ErrorKind::Input, format!("{host}: outside this exercise")));
            }
            return Ok(Box::new(self.ssh.open(host, dirs, stop)?));
        }
        dirs.iter().try_for_each(|dir| self.inside(dir))?;
        // A drill ignores this machine's users and own etcds.
        let facts = HostFacts { addresses: self.addresses(), ..host_report::look(dirs, self.fence.is_none()) };
        Ok(Box::new(LocalHost::new(self, facts)))
    }

    fn certificates(&self, named: &[certificates::Named]) -> certificates::CertificateFacts {
        let inside = |n: &certificates::Named| {
            [Some(&n.cert), n.key.as_ref(), n.ca.as_ref()].into_iter().flatten().all(|path| self.inside(path).is_ok())
        };
        let may: Vec<certificates::Named> = named.iter().filter(|n| inside(n)).cloned().collect();
        super::certificates::read(&may)
    }

    fn is_here(&self, host: &str) -> bool {
        // Only this machine's own addresses can be bound.
        self.fence.is_some() || TcpListener::bind((host, 0)).is_ok()
    }

    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        self.inside(path)?;
        let mut text = String::new();
        let journal = || -> io::Result<Trusted<File>> {
            let path = journal_path(path)?;
            let (above, name) = self.tools.disk.above(&path)?;
            above.trusted_of(&name, false, &owners(&path))
        };
        let opened = match is_journal(path).then(journal) {
            Some(Ok(Trusted::Strange(why))) => return Err(not_ours(path, why)),
            Some(Ok(Trusted::Absent)) => return Ok(None),
            Some(Ok(Trusted::Ours(file))) => Ok(file),
            Some(Err(e)) => Err(e),
            None => durable_fs::regular(path),
        };
        match opened.and_then(|file| file.take(TEXT + 1).read_to_string(&mut text)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_trouble("read", path, &e)),
            Ok(length) if length as u64 > TEXT => {
                Err(Error::new(ErrorKind::Input, format!("{}: not read", path.shown()))
                    .why("it is larger than any file that requorum writes"))
            }
            Ok(_) => Ok(Some(text)),
        }
    }

    fn journals(&self, dir: &Path) -> Vec<(PathBuf, Result<Vec<Record>>)> {
        if self.inside(dir).is_err() {
            return Vec::new();
        }
        let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "journal")).collect();
        paths.sort();
        paths.into_iter().map(|path| (path.clone(), Journal::at(self, &path).read())).collect()
    }

    fn write_new(&self, path: &Path, text: &str) -> Result<()> {
        self.inside(path)?;
        let fail = |e: io::Error| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::new(ErrorKind::Input, format!("{}: file exists", path.shown()))
                .why("requorum never overwrites a file")
                .hint("Name another file, or move this one aside yourself."),
            _ => creation_trouble("write", path, &e),
        };
        let (above, name) = self.tools.disk.above(path).map_err(fail)?;
        let file = above.create(&name, 0o600).map_err(fail)?;
        // A file that was not created is not removed either: without free descriptors nothing checks whether the name
        // is taken.
        if let Err(e) = file.write_all_at(text.as_bytes(), 0).and_then(|()| file.sync()) {
            if file.identity().is_ok_and(|own| above.is(&name, own)) {
                let _ = above.remove_file(&name);
            }
            return Err(fail(e));
        }
        above.sync().map_err(|e| io_trouble("make durable", above.path(), &e))
    }

    fn append(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()> {
        self.inside(path)?;
        let fail = |e: io::Error| creation_trouble("write", path, &e);
        let home = staging::parent(path);
        self.tools.disk.make_dirs(home).map_err(|e| creation_trouble("make", home, &e))?;
        let place = journal_path(path).map_err(fail)?;
        let (above, name) = self.tools.disk.above(&place).map_err(fail)?;
        let mut file = match above.trusted_or_new_of(&name, &owners(&place)).map_err(fail)? {
            Trusted::Ours(file) => file,
            Trusted::Strange(why) => return Err(not_ours(path, why)),
            Trusted::Absent => return Err(fail(io::ErrorKind::NotFound.into())),
        };
        // Released when the file is closed.
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|e| fail(e.into()))?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|e| io_trouble("read", path, &e))?;
        let line = line(&text)?;
        let before = text.len() as u64;
        // The content that was read ends where the new line begins.
        if let Err(e) = file.write_all(line.as_bytes()).and_then(|()| file.sync_all()) {
            let _ = file.set_len(before);
            return Err(fail(e));
        }
        above.sync().map_err(|e| io_trouble("make durable", home, &e))
    }
}

/// Returns whether a file of this name is one that requorum keeps where others may write.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
}

/// Returns whether a file of this name is a journal: its content decides what is done, and no other user's file is
/// written to.
fn is_journal(path: &Path) -> bool {
    is_hidden(path) || path.extension().is_some_and(|end| end == "journal")
}

/// Returns where a journal really is: the operator's own link is followed, another user's is not. A host's journal is
/// no link.
fn journal_path(path: &Path) -> io::Result<PathBuf> {
    if is_hidden(path) { Ok(path.into()) } else { durable_fs::real(path) }
}

/// Returns who else may own an operator's journal: the user who called sudo, and whoever may change its plan or, if it
/// is not next to its plan, the directory that was named for it. A host's journal must be this user's own.
fn owners(path: &Path) -> Vec<u32> {
    if is_hidden(path) {
        return Vec::new();
    }
    let meta = |path: &Path| fs::symlink_metadata(path).ok();
    let plan = meta(&path.with_extension("")).filter(fs::Metadata::is_file);
    let of = plan.or_else(|| meta(staging::parent(path)).filter(|dir| dir.mode() & 0o022 == 0));
    let sudo = rustix::process::geteuid().is_root().then(|| std::env::var("SUDO_UID").ok()?.parse().ok()).flatten();
    of.map(|meta| meta.uid()).into_iter().chain(sudo).collect()
}

/// Returns why a journal may contain another user's text; `None` if it cannot.
pub fn strange_journal(path: &Path) -> Option<String> {
    let look = || -> io::Result<Trusted<File>> {
        let path = journal_path(path)?;
        let (above, name) = Disk::default().above(&path)?;
        above.trusted_of(&name, false, &owners(&path))
    };
    match look() {
        Ok(Trusted::Strange(why)) => Some(format!("it {why}")),
        Ok(Trusted::Ours(_) | Trusted::Absent) => None,
        Err(e) => Some(e.to_string()),
    }
}

/// The error for a journal that another user may have written.
fn not_ours(path: &Path, why: Untrusted) -> Error {
    Error::new(ErrorKind::Refused, format!("{}: journal not trusted", path.shown()))
        .why(format!("it {why}"))
        .hint("Check the file and who created it, then move it away.")
}

/// Searches `place`: itself if it is a file; its files, its own `member/snap/db` and those of the
/// data directories directly in it if it is a directory.
fn look_in(place: &Path, found: &mut Vec<FileFacts>) -> Result<()> {
    let fail = |e: io::Error| io_trouble("look in", place, &e);
    let meta = fs::metadata(place).map_err(fail)?;
    if !meta.is_dir() {
        add(place, found);
        return Ok(());
    }
    let mut paths = vec![place.join("member/snap/db")];
    for entry in fs::read_dir(place).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        match path.is_dir() {
            true => paths.push(path.join("member/snap/db")),
            false if has_the_looks(&path) => paths.push(path),
            false => {}
        }
    }
    paths.sort();
    for path in paths.iter().filter(|p| p.is_file()) {
        add(path, found);
    }
    Ok(())
}

fn add(path: &Path, found: &mut Vec<FileFacts>) {
    let Ok(meta) = fs::metadata(path) else { return };
    if found.iter().any(|f| f.path == path) {
        return;
    }
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    found.push(FileFacts {
        path: path.into(),
        bytes: meta.len(),
        modified: modified.and_then(|t| i64::try_from(t.as_secs()).ok()),
        health: Health::Unread,
        content: None,
    });
}

/// Returns whether a file begins like a bbolt database, or has a usual name of snapshots: a damaged or
/// compressed one should be listed with its reason, not be missing. An archive can have any
/// content, so its name must say more.
fn has_the_looks(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if [".db", ".db.part", ".db.gz", ".db.zst", ".db.zip", ".snapshot", ".etcd-backup"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return true;
    }
    let mut head = Vec::new();
    let read = durable_fs::regular(path).and_then(|file| file.take(20).read_to_end(&mut head));
    let of_snapshots = [".db", "etcd", "snap", "backup", "full-"].iter().any(|word| name.contains(word));
    read.is_ok() && (head.get(16..20) == Some(&BOLT_MAGIC) || (of_snapshots && Archive::from_head(&head).is_some()))
}
