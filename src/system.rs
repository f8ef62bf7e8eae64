//! The one door to the outside: members asked over the network, files read and written, the clock.
//!
//! The wizard, the command line and the drill all act through [`World`]; which maker they were
//! given is the only difference between practice and 3 a.m. A world acts and reports; it decides
//! nothing.

pub mod agent_server;
mod certificates;
pub mod discovery;
pub mod etcd_client;
pub mod hash_compare;
pub mod host_session;
pub mod journal;
pub mod local;
pub mod member_ops;
pub mod net;
pub mod object_store;
pub mod probe;
mod secrets;
pub mod ssh;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use self::{host_session::HostSession, journal::Record, member_ops::MemberOps, ssh::Stop};
use crate::{
    domain::{
        members::certificates as judged,
        model::{
            observations::{
                Alarm, Answer, FileFacts, Hashed, KnownMember, MachineFacts,
                config::ConfigFacts,
                disk::DirFacts,
                rows::StoredRows,
                started::{Canary, Data, PlannedHash, Queried, Watched},
            },
            plan::Plan,
            source_ref::ObjectUrl,
        },
        preflight::blockers::{Endpoint, ProbeResult},
        quorum::known::OldKey,
        sources::data_loss::{Difference, History},
    },
    engine::progress::ProgressFn,
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// A data directory as it was named, `DIR` or `DIR:WAL-DIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// `--data-dir`.
    pub data: PathBuf,
    /// `--wal-dir`, where the log lies elsewhere.
    pub wal: Option<PathBuf>,
}

impl FromStr for DataDir {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let (data, wal) = text.split_once(':').map_or((text, None), |(data, wal)| (data, Some(wal)));
        let absolute = |path: &str| std::path::absolute(path).unwrap_or_else(|_| path.into());
        Ok(DataDir { data: absolute(data), wal: wal.map(absolute) })
    }
}

/// Everything that can be asked of or done to the outside. All calls block, and may be made from
/// several threads at once.
pub trait World: Send + Sync {
    /// What the frame says about this world: `REAL`, or `DRILL`.
    fn label(&self) -> &str;

    /// Seconds since 1970.
    fn now(&self) -> i64;

    /// A few random hex digits that no other attempt will have, for the cluster token.
    fn fresh(&self) -> String;

    /// Who works here, for locks and journals: `anna@laptop`.
    fn operator(&self) -> String {
        "somebody".into()
    }

    /// Notes that the operator named these client URLs: user and password go to no others, but those that the given CA
    /// verifies. A world without credentials has nothing to note.
    fn name_endpoints(&self, _endpoints: &[String]) {}

    /// Asks one member everything that answers without quorum, and, where it names a leader, one
    /// linearizable read. Returns within the configured deadlines, whatever the member does.
    fn ask(&self, endpoint: &str) -> Answer;

    /// Asks whether `member`, which says nothing at its client URL `endpoint`, is alive at the peer URLs that its
    /// cluster lists. Returns within the configured deadlines.
    fn ask_peer(&self, endpoint: &str, member: &KnownMember) -> Answer {
        let details = format!("The peer port of {} ({endpoint}) was not asked.", member.name);
        Answer::Silent { why: "not asked".into(), details }
    }

    /// Asks a member for the hash of its keys up to `revision`; 0 means the newest, which the answer names. It reads the
    /// member's whole store, and may take longer than an answer.
    fn hash_at(&self, endpoint: &str, revision: i64) -> Hashed {
        Hashed::Failed(format!("{endpoint} was not asked for a hash at revision {revision}").into())
    }

    /// The hash of a database file up to `revision`, as of a member that was compacted up to `compacted`. It reads the
    /// whole file.
    fn hash_of(&self, database: &Path, revision: i64, compacted: i64) -> Hashed {
        let _ = compacted;
        Hashed::Failed(format!("{} was not hashed at revision {revision}", database.shown()).into())
    }

    /// Asks a member for keys that it wrote last at or before `revision`, from what it has, a part of them with their
    /// values; not all of them where there are many.
    ///
    /// # Errors
    /// Why there is no answer, in a few words.
    fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String> {
        Err(format!("{endpoint} was not asked for keys from before revision {revision}"))
    }

    /// Whether all these keys are in a database file at `revision` as they were written last.
    ///
    /// # Errors
    /// When the file cannot be read, or was compacted past the revision.
    fn has_keys(&self, database: &Path, revision: i64, keys: &[OldKey]) -> Result<bool> {
        let _ = (revision, keys);
        Err(Error::new(ErrorKind::Input, format!("{} is not read here", database.shown())))
    }

    /// True where the members are only played, so that what they say is no proof of anything.
    fn simulated(&self) -> bool {
        false
    }

    /// Time that only goes on, for deadlines.
    fn clock(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    /// Waits for so long.
    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Asks for the list of alarms through a member; only a quorum gives it.
    fn alarms(&self, endpoint: &str) -> Queried<Vec<Alarm>> {
        Queried::Failed(format!("{endpoint} was not asked"))
    }

    /// Reads what a member stores besides keys, from that member alone, and by how much its clock is off. Its database is
    /// streamed where that is not longer than `most`; else what single calls tell is all.
    ///
    /// # Errors
    /// Why nothing could be asked, in a few words.
    fn stored_rows(
        &self,
        endpoint: &str,
        _most: u64,
        _watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String> {
        Err(format!("{endpoint} was not asked"))
    }

    /// Opens a watch from `revision` on, and says how it is answered.
    fn watch_from(&self, endpoint: &str, revision: i64) -> Watched {
        Watched::Failed(format!("{endpoint} was not asked for a watch from revision {revision}"))
    }

    /// Puts `key` through the first of `endpoints`, reads it through each, and deletes it through the last. The only
    /// thing that is ever written to a cluster; for those who were told to.
    fn canary(&self, _endpoints: &[String], key: &str, _value: &str) -> Canary {
        Canary::Failed { key: key.into(), why: "nothing is written in this world".into(), left: false }
    }

    /// HashKV at the plan's revision as the plan's snapshot tells it, for a store that was compacted up to `compacted`.
    ///
    /// # Errors
    /// When the snapshot is not here, not the plan's, or cannot tell.
    fn planned_hash(&self, plan: &Plan, _compacted: i64, _watch: &mut ProgressFn<'_>) -> Result<PlannedHash> {
        Err(Error::new(ErrorKind::Input, format!("{} is not read here", plan.source.path.shown())))
    }

    /// What the plan's snapshot holds besides keys, as the plan's restore puts it there.
    ///
    /// # Errors
    /// When the snapshot is not here, not the plan's, or cannot tell.
    fn planned_rows(&self, plan: &Plan, _watch: &mut ProgressFn<'_>) -> Result<StoredRows> {
        Err(Error::new(ErrorKind::Input, format!("{} is not read here", plan.source.path.shown())))
    }

    /// What the data of the plan's snapshot will make happen once it is served again.
    ///
    /// # Errors
    /// When the snapshot is not here, or not the plan's.
    fn aftermath(&self, plan: &Plan, _watch: &mut ProgressFn<'_>) -> Result<Data> {
        Err(Error::new(ErrorKind::Input, format!("{} is not read here", plan.source.path.shown())))
    }

    /// Knocks at all these doors at once: whether somebody still answers there. Returns within the configured
    /// deadlines, what was heard in the order of the doors.
    fn knock(&self, doors: &[Endpoint]) -> Vec<ProbeResult>;

    /// The members that a snapshot lists, without reading it through.
    ///
    /// # Errors
    /// When the file cannot be read or is none.
    fn listed(&self, snapshot: &Path) -> Result<Vec<KnownMember>>;

    /// The IDs of members that were removed from a snapshot's cluster; none where it cannot be read.
    fn removed(&self, _snapshot: &Path) -> Vec<crate::etcd::membership::Id> {
        Vec::new()
    }

    /// Lists the files below `places` (each a file or a directory, not searched deeper than a data
    /// directory's `member/snap/db`) that may be snapshots, unread; of a place `s3://bucket/prefix` its objects, whose
    /// path is their URL.
    ///
    /// # Errors
    /// When a place cannot be read; the sentence names it.
    fn find(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>>;

    /// Reads one file through: its hash, its pages, what it holds. A damaged file is a fact
    /// ([`Health::Broken`](crate::domain::model::observations::Health::Broken)), not an error. An object in a store stays unread: it has
    /// to be [fetched](World::fetch) first.
    ///
    /// # Errors
    /// Only `Stopped`, when `watch` said so.
    fn inspect(&self, path: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts>;

    /// Looks at a member's data directory and, where its log lies elsewhere, its WAL directory: whose they are, how far
    /// they got, whether somebody holds them. Nothing is written or locked; whatever is wrong is a fact.
    fn look_at_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts;

    /// Finds how an etcd is, or would be, started on this machine.
    fn discover(&self) -> Vec<ConfigFacts>;

    /// This machine's own addresses; none where they cannot be told.
    fn addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }

    /// Finds configurations and looks at their data directories, after those of `named` (with their WAL directories,
    /// where these lie elsewhere). A directory is looked at once.
    fn look_around(&self, named: &[DataDir]) -> MachineFacts {
        let mut around = MachineFacts { configs: self.discover(), dirs: Vec::new(), addresses: self.addresses() };
        for dir in named {
            around.dirs.push(self.look_at_dir(&dir.data, dir.wal.as_deref()));
        }
        for config in &around.configs {
            let Some(data) = config.data_dir.as_deref() else { continue };
            match around.dirs.iter_mut().find(|dir| dir.data_dir == data) {
                Some(known) if known.learned_from.is_empty() => known.learned_from = config.place(),
                Some(_) => {}
                None => {
                    let seen = self.look_at_dir(data, config.wal_dir.as_deref());
                    around.dirs.push(DirFacts { learned_from: config.place(), ..seen });
                }
            }
        }
        around
    }

    /// Whether two database files tell one history, by a glance at a few of their rows.
    ///
    /// # Errors
    /// When one of them cannot be read; the sentence names it.
    fn same_history(&self, first: &Path, second: &Path) -> Result<History>;

    /// Compares two database files whole: what the older one lacks. True where `second` is the newer one.
    ///
    /// # Errors
    /// As for [`World::same_history`], and `Stopped`, when `watch` said so.
    fn compare(&self, first: &Path, second: &Path, watch: &mut ProgressFn<'_>) -> Result<(Difference, bool)>;

    /// Makes a directory that is the tool's own to write to, for its owner alone, where it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or is not this world's to make.
    fn make_dir(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }

    /// Saves a snapshot from a member into the new file `into` (by way of `into.part`).
    ///
    /// # Errors
    /// When the member does not answer, the hash is wrong, or the file cannot be written; nothing
    /// is left behind.
    fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts>;

    /// Downloads an object (`s3://bucket/key`) into the new file `into`, by way of `into.part`, which a later call goes
    /// on with when it was stopped or cut off; then reads it through as [`World::inspect`] does. A world without
    /// networks has none.
    ///
    /// # Errors
    /// When the store does not answer or refuses, the object changed, or the file cannot be written.
    fn fetch(&self, url: &ObjectUrl, _into: &Path, _watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        Err(Error::new(ErrorKind::Input, format!("{} is outside this exercise", url.as_str())))
    }

    /// What is done to members' directories on this machine.
    fn site(&self) -> &dyn MemberOps;

    /// Takes a host in hand, after a look at it and at `dirs` there. Nothing is written.
    ///
    /// # Errors
    /// `NoAnswer` when it cannot be reached or does not say what it must; `Stopped` when `stop` says so.
    fn open(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Box<dyn HostSession + '_>>;

    /// Reads the certificates of these paths and tries them on each other. Nothing of a key is handed
    /// on. A world without files has read none.
    fn certificates(&self, _named: &[judged::Named]) -> judged::CertificateFacts {
        judged::CertificateFacts::default()
    }

    /// Whether a name or address, as it stands in a URL, is this machine. A world without networks is all of one machine.
    fn is_here(&self, _host: &str) -> bool {
        true
    }

    /// Writes a new file; never over an existing one.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    fn write_new(&self, path: &Path, text: &str) -> Result<()>;

    /// What stands in a text file; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than any that requorum writes.
    fn read_text(&self, path: &Path) -> Result<Option<String>>;

    /// The journals (`*.journal`) in a directory, each with its checked lines or why it is not whole; none where there is
    /// no such directory.
    fn journals(&self, _dir: &Path) -> Vec<(PathBuf, Result<Vec<Record>>)> {
        Vec::new()
    }

    /// Adds a line to a file, which is made where there is none: `line` is given all that stands in it, with nobody
    /// else writing meanwhile, and what it returns is on the disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be read or written; nothing of the line stands in it then. What `line` itself says.
    fn append(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()>;
}
