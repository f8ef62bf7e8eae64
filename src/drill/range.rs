//! The practice range: a broken cluster in a temporary directory, and the restored one afterwards.
//!
//! ```text
//! DIR/old/m2.etcd          the survivor's data directory; a simulated member answers from it
//! DIR/backup/…             older snapshots of the same history
//! DIR/restored/            where the new data directories go
//! ```
//! The survivor's directory is made by the same engine that the operator will use. Backups are the
//! survivor's database without the revisions that came later, built anew and signed as
//! `snapshot save` signs them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    member::{Member, Mode, Options},
    scenario::{self, Backup, Scenario, State},
    store::Store,
};
use crate::{
    bolt,
    engine::{
        genesis::Genesis,
        progress::Flow,
        restore::{self, Job},
        source::{Source, io_trouble},
    },
    etcd::{membership::Id, revision::RevisionKey, schema},
    plan::Plan,
    trouble::{Kind, Result, Trouble},
};

/// A broken cluster to practise on; it is gone when this is dropped.
pub struct Range {
    scenario: Scenario,
    /// Of all members of the old cluster, in the order of the scenario.
    endpoints: Vec<String>,
    /// Their peer URLs, at which nobody ever listens.
    peers: Vec<String>,
    survivors: Vec<Member>,
    restored: Vec<Member>,
    trouble: Option<Trouble>,
    best: Arc<Store>,
    dir: TempDir,
}

impl std::fmt::Debug for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Range").field("root", &self.root()).finish_non_exhaustive()
    }
}

impl Range {
    /// Builds the cluster of `scenario` and breaks it.
    ///
    /// # Errors
    /// When the temporary directory or the loopback ports cannot be had.
    pub fn build(scenario: Scenario) -> Result<Range> {
        let dir = tempfile::Builder::new()
            .prefix("requorum-drill-")
            .tempdir()
            .map_err(|e| io_trouble("write in", &std::env::temp_dir(), &e))?;
        for sub in ["old", "backup", "restored"] {
            fs::create_dir(dir.path().join(sub)).map_err(|e| io_trouble("make", &dir.path().join(sub), &e))?;
        }
        let database = scenario::database(&scenario.cluster.database).unwrap_or_default();
        let base = dir.path().join("old/cluster.db");
        fs::write(&base, database).map_err(|e| io_trouble("write", &base, &e))?;

        let ports = ports(2 * scenario.members.len())?;
        let (peers, clients) = ports.split_at(scenario.members.len());
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let endpoints: Vec<String> = clients.iter().map(url).collect();
        let peer_urls: Vec<Vec<String>> = peers.iter().map(|port| vec![url(port)]).collect();
        let table = scenario.members.iter().zip(&peer_urls).map(|(m, urls)| (m.name.as_str(), urls.as_slice()));
        let genesis = Genesis::new(table, &scenario.cluster.token);
        let client_urls: Vec<(Id, Vec<String>)> = scenario
            .members
            .iter()
            .zip(&endpoints)
            .filter_map(|(m, url)| Some((genesis.id_of(&m.name)?, vec![url.clone()])))
            .collect();

        let mut survivors = Vec::new();
        for (member, port) in scenario.members.iter().zip(clients).filter(|(m, _)| m.state == State::Alone) {
            let data_dir = dir.path().join(format!("old/{}.etcd", member.name));
            let job = Job {
                source: &base,
                pinned_sha256: None,
                skip_hash_check: false,
                genesis: &genesis,
                name: &member.name,
                data_dir: &data_dir,
                wal_dir: None,
                target: scenario.cluster.etcd,
                bump_revision: 0,
                options: &Default::default(),
            };
            restore::restore(&job, &mut |_| Flow::Go)?;
            let store = Arc::new(Store::open(&data_dir, None)?);
            let options =
                Options { port: *port, mode: Mode::Lone, client_urls: client_urls.clone(), ..Options::default() };
            survivors.push(Member::start(store, options)?);
        }
        fs::remove_file(&base).map_err(|e| io_trouble("remove", &base, &e))?;
        let Some((best, db)) = survivors.first().map(|m| m.shared_store()).zip(
            scenario
                .members
                .iter()
                .find(|m| m.state == State::Alone)
                .map(|m| format!("old/{}.etcd/member/snap/db", m.name)),
        ) else {
            return Err(Trouble::new(Kind::Bug, format!("the scenario {} has no survivor", scenario.name)));
        };
        for backup in &scenario.backups {
            make_backup(&dir.path().join(&db), &dir.path().join("backup"), backup)?;
        }
        Ok(Range {
            scenario,
            endpoints,
            peers: peer_urls.concat(),
            survivors,
            restored: Vec::new(),
            trouble: None,
            best,
            dir,
        })
    }

    /// The directory that holds everything.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// What is practised.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The client URLs of the old members, the dead ones among them.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Everything of the old cluster that may be asked: client and peer URLs.
    pub fn urls(&self) -> Vec<String> {
        [self.endpoints.as_slice(), &self.peers].concat()
    }

    /// Stops what is left of the old cluster.
    pub fn stop_survivors(&mut self) {
        self.survivors.clear();
    }

    /// Where snapshots are to be looked for.
    pub fn places(&self) -> Vec<PathBuf> {
        vec![self.root().join("backup"), self.root().join("old")]
    }

    /// Where the new data directories go.
    pub fn base_dir(&self) -> PathBuf {
        self.root().join("restored")
    }

    /// The best that could be had: the survivor's state.
    pub fn best(&self) -> &Store {
        &self.best
    }

    /// The members that came up from restored directories.
    pub fn restored(&self) -> &[Member] {
        &self.restored
    }

    /// Why the restored members did not come up, where they did not.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// Stops what is left of the old cluster and lets simulated members answer from the restored
    /// directories, at the client URLs of the plan where these are on loopback.
    pub fn bring_up(&mut self, plan: &Plan) {
        self.survivors.clear();
        self.restored.clear();
        self.trouble = self.start(plan).err();
    }

    fn start(&mut self, plan: &Plan) -> Result<()> {
        let Some(leader) = plan.members.iter().map(|m| m.id).min() else { return Ok(()) };
        let client_urls: Vec<(Id, Vec<String>)> = plan.members.iter().map(|m| (m.id, m.client_urls.clone())).collect();
        for member in &plan.members {
            let store = Arc::new(Store::open(&member.data_dir, member.wal_dir.as_deref())?);
            let port = member.client_urls.iter().find_map(|url| loopback_port(url)).unwrap_or(0);
            let options = Options {
                port,
                mode: Mode::Serving { leader },
                client_urls: client_urls.clone(),
                ..Options::default()
            };
            self.restored.push(Member::start(store, options)?);
        }
        Ok(())
    }
}

/// Ports on 127.0.0.1 that nobody listens on. All are held at once, so that they differ.
fn ports(count: usize) -> Result<Vec<u16>> {
    let fail = |e: io::Error| Trouble::new(Kind::Failed, "no free ports on 127.0.0.1").why(e);
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<io::Result<_>>().map_err(fail)?;
    held.iter().map(|l| l.local_addr().map(|a| a.port()).map_err(fail)).collect()
}

fn loopback_port(url: &str) -> Option<u16> {
    let url = crate::plan::url::parse(url).ok()?;
    url.ip().is_some_and(|ip| ip == Ipv4Addr::LOCALHOST).then_some(url.port)
}

/// Writes the database as it was at the backup's revision, with its SHA-256 behind it.
fn make_backup(db: &Path, into: &Path, backup: &Backup) -> Result<()> {
    let path = into.join(&backup.file);
    let source = Source::open(db)?;
    let view = source.view()?;
    let broken = |e: bolt::Error| source.damaged(&e);
    let fail = |e: io::Error| io_trouble("write", &path, &e);
    let out = OpenOptions::new().read(true).write(true).create_new(true).open(&path).map_err(fail)?;
    let mut build = bolt::Build::begin(out, view.page_size()).map_err(broken)?;
    for (name, bucket) in view.buckets().map_err(broken)? {
        build.bucket(&name).map_err(broken)?;
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next().map_err(broken)? {
            let later = name == schema::KEY
                && RevisionKey::parse(row.key).is_some_and(|key| key.revision.main > backup.revision);
            if !later {
                build.put(row.key, row.value).map_err(broken)?;
            }
        }
    }
    build.finish(2).map_err(broken)?;
    let bytes = fs::read(&path).map_err(fail)?;
    let mut out = OpenOptions::new().append(true).open(&path).map_err(fail)?;
    out.write_all(&Sha256::digest(&bytes)).map_err(fail)?;
    if let Some(length) = backup.cut_to {
        out.set_len(length).map_err(fail)?;
    }
    age(&out, backup.minutes_old).map_err(fail)
}

fn age(file: &File, minutes: u64) -> io::Result<()> {
    let then = SystemTime::now().checked_sub(Duration::from_secs(60 * minutes));
    then.map_or(Ok(()), |then| file.set_modified(then))
}
