//! The lab: a broken cluster in a temporary directory, and later the restored one.
//!
//! ```text
//! DIR/old/m2.etcd          a member's data directory; a simulated member answers from it
//! DIR/old/m2.wal           its WAL, if it has a WAL directory
//! DIR/backup/…             snapshots of the same history
//! DIR/restored/            where the new data directories go
//! ```
//! Everything follows from the scenario and its seed. [`actions`] changes the lab; [`workload`], [`datadir`] and [`backup`] make
//! its files.

pub mod actions;
pub mod backup;
pub mod datadir;
pub mod fingerprints;
pub mod lifecycle;
mod ports;
pub mod stale_dirs;
pub mod workload;

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use self::{
    datadir::{Cluster, Place},
    fingerprints::Fingerprints,
    lifecycle::{Restored, Running},
    ports::Ports,
    workload::{DatabaseMeta, History},
};
use super::{
    real_etcd::Etcd,
    scenario::{self, Damage, Scenario, State},
    simulated_member::Mode,
};
use crate::{
    domain::{members::inventory, model::plan::Plan},
    engine::source::{creation_trouble, io_trouble},
    error::{Error, ErrorKind, Result},
    system::DataDir,
};

/// A broken cluster to practise on; it is removed when this is dropped.
pub struct Lab {
    scenario: Scenario,
    cluster: Cluster,
    history: History,
    olds: Vec<Old>,
    /// Addresses for members that the old cluster did not have: name, peer URL, client URL.
    spares: Vec<(String, String, String)>,
    restored: Vec<Restored>,
    /// The etcd program, if members are real processes.
    real: Option<Arc<Etcd>>,
    /// How often real members were launched from a plan.
    launches: u32,
    /// True while a majority of real old members has a leader.
    led: bool,
    plan: Option<Plan>,
    error: Option<Error>,
    prints: Fingerprints,
    disk_full: bool,
    /// Held until the exercise ends.
    _ports: Option<Ports>,
    /// The lock that marks `dir` as in use.
    _mark: fs::File,
    dir: TempDir,
}

/// A member of the old cluster.
struct Old {
    name: String,
    peer: String,
    client: String,
    place: Place,
    state: State,
    /// Its data: the cluster's history, or one that differs.
    history: History,
    cluster: Cluster,
    revision: i64,
    log: i64,
    damage: Option<Damage>,
    running: Option<Running>,
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("root", &self.root()).finish_non_exhaustive()
    }
}

/// etcd's default token and peer URL: those of a member that was started without cluster flags.
const BARE: (&str, &str) = ("etcd-cluster", "http://localhost:2380");

impl Lab {
    /// Builds the cluster of `scenario` and breaks it.
    ///
    /// # Errors
    /// If the temporary directory cannot be made, or no loopback ports are free.
    pub fn build(scenario: Scenario) -> Result<Lab> {
        Lab::build_on(scenario, None)
    }

    /// Builds it with real processes as members, if an etcd is given.
    ///
    /// # Errors
    /// As [`Lab::build`]; if the scenario cannot run on that etcd, or etcd does not start.
    pub fn build_on(scenario: Scenario, real: Option<Arc<Etcd>>) -> Result<Lab> {
        let scenario = match &real {
            Some(etcd) => etcd.fit(scenario)?,
            None => scenario,
        };
        let temporary = std::env::temp_dir();
        let (dir, mark) = stale_dirs::make(&temporary).map_err(|e| io_trouble("write in", &temporary, &e))?;
        for sub in ["old", "backup", "restored"] {
            fs::create_dir(dir.path().join(sub)).map_err(|e| creation_trouble("make", &dir.path().join(sub), &e))?;
        }
        let history = history(&scenario, dir.path())?;
        let names =
            scenario.members.iter().map(|m| m.name.as_str()).chain(scenario.cluster.spares.iter().map(String::as_str));
        let names: Vec<String> = names.map(str::to_string).collect();
        let ports = Ports::take(seed(&scenario), 2 * names.len())?;
        let mut urls = names.iter().enumerate().map(|(n, name)| {
            let old = scenario.members.get(n).is_some();
            // each new host has its own address
            let host =
                if old { Ipv4Addr::LOCALHOST } else { Ipv4Addr::new(127, 0, 0, u8::try_from(n + 2).unwrap_or(2)) };
            let scheme = if scenario.cluster.tls { "https" } else { "http" };
            let peer = if scenario.cluster.by_name && old { "localhost".to_string() } else { host.to_string() };
            (
                name.clone(),
                format!("{scheme}://{peer}:{}", ports.get(2 * n + 1)),
                format!("http://{host}:{}", ports.get(2 * n)),
            )
        });
        let members: Vec<(String, String, String)> = urls.by_ref().take(scenario.members.len()).collect();
        let spares = urls.collect();
        let rows: Vec<datadir::Row<'_>> = scenario
            .members
            .iter()
            .zip(&members)
            .map(|(m, (name, peer, client))| (name.as_str(), peer.as_str(), client.as_str(), m.learner))
            .collect();
        let cluster = Cluster::new(&rows, &scenario.cluster.token, scenario.cluster.etcd);
        let olds = scenario
            .members
            .iter()
            .zip(members)
            .map(|(m, (name, peer, client))| {
                let data = dir.path().join(format!("old/{name}.etcd"));
                let wal = m.separate_wal.then(|| dir.path().join(format!("old/{name}.wal")));
                let own = m.differs_at.map_or_else(|| history.clone(), |at| history.clone().differing(at));
                let revision = m.revision.unwrap_or(history.last());
                let reset = m.state == State::Reset;
                let bare = || Cluster::new(&[(&name, BARE.1, &client, false)], BARE.0, scenario.cluster.etcd);
                Old {
                    cluster: if reset { bare() } else { cluster.clone() },
                    history: if reset { History::default() } else { own },
                    revision: if reset { 1 } else { revision },
                    log: if reset { 1 } else { m.log.unwrap_or(revision) },
                    damage: m.damage,
                    state: m.state,
                    place: Place { data, wal },
                    running: None,
                    name,
                    peer,
                    client,
                }
            })
            .collect();
        let mut lab = Lab {
            scenario,
            cluster,
            history,
            olds,
            spares,
            restored: Vec::new(),
            real,
            launches: 0,
            led: false,
            plan: None,
            error: None,
            prints: Fingerprints::default(),
            disk_full: false,
            _ports: Some(ports),
            _mark: mark,
            dir,
        };
        lab.set_up()?;
        Ok(lab)
    }

    /// Makes the directories and files, and starts the members that run.
    fn set_up(&mut self) -> Result<()> {
        for at in 0..self.olds.len() {
            let state = self.olds.get(at).map(|old| old.state);
            if state != Some(State::Gone) {
                self.write_directory(at)?;
            }
            let runs = matches!(state, Some(State::Alone | State::Reset));
            if runs && (self.real.is_none() || state == Some(State::Reset)) {
                self.run(at)?;
            }
        }
        if let Some(etcd) = self.real.clone() {
            self.orphan(&etcd)?;
        }
        let scenario = self.scenario.clone();
        for backup in scenario.backups.iter().filter(|b| !b.later) {
            self.place(&backup.file)?;
        }
        for disk in scenario.disks.iter().filter(|d| !d.later) {
            self.place(&disk.name)?;
        }
        for file in scenario.files.iter().filter(|f| !f.later) {
            self.place(&file.path)?;
        }
        self.prints = Fingerprints::record(self.root(), &["old", "backup"])?;
        Ok(())
    }

    /// Stops all members and removes the directory. A thread that still holds the lab, waiting for an answer, no longer uses
    /// it.
    pub fn clear(&mut self) {
        self.take_down();
        self.olds.iter_mut().for_each(Old::end);
        self._ports = None;
        // a thread may be creating a file in it at this moment; a missing directory then ends it
        for _ in 0..3 {
            match fs::remove_dir_all(self.root()) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {}
                _ => break,
            }
        }
    }

    /// Returns the directory of the exercise.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Returns the history of the old cluster.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Returns the newest recoverable revision.
    pub fn best(&self) -> i64 {
        self.scenario.cluster.best.unwrap_or(self.history.last())
    }

    /// Returns the client URLs of all old members, including lost ones.
    pub fn endpoints(&self) -> Vec<String> {
        self.olds.iter().map(|old| old.client.clone()).collect()
    }

    /// Returns all URLs that may be contacted: client and peer URLs, by address and by name.
    pub fn urls(&self) -> Vec<String> {
        let all =
            self.olds.iter().map(|old| (&old.peer, &old.client)).chain(self.spares.iter().map(|(_, p, c)| (p, c)));
        let both = all.flat_map(|(peer, client)| [peer.clone(), client.clone()]);
        both.flat_map(|url| [url.replace("//127.0.0.1:", "//localhost:"), url.replace("//localhost:", "//127.0.0.1:")])
            .collect()
    }

    /// Returns the data directories that the wizard starts with, as given by an operator with `--data-dir`.
    pub fn data_dirs(&self) -> Vec<DataDir> {
        let there = self.olds.iter().filter(|old| old.state == State::Stopped || old.place.wal.is_some());
        let there = there.filter(|old| old.state != State::Gone);
        there.map(|old| DataDir { data: old.place.data.clone(), wal: old.place.wal.clone() }).collect()
    }

    /// Returns the old member that runs on this directory.
    pub fn runner_of(&self, data_dir: &Path) -> Option<String> {
        let runs = |old: &&Old| old.running.is_some() && old.place.data == data_dir;
        self.olds.iter().find(runs).map(|old| old.name.clone())
    }

    /// Returns whether an old member runs.
    pub fn runs(&self, name: &str) -> bool {
        self.olds.iter().any(|old| old.name == name && old.running.is_some())
    }

    /// Returns whether a majority of the old members runs and has a leader.
    pub fn has_quorum(&self) -> bool {
        let serves = |old: &&Old| match &old.running {
            Some(Running::Simulated(member)) => matches!(member.mode(), Mode::Serving { .. }),
            Some(Running::Real(_)) => self.led,
            None => false,
        };
        self.olds.iter().filter(|old| old.state != State::Reset).any(|old| serves(&old))
    }

    /// Returns whether the disk of the new directories is full.
    pub fn disk_is_full(&self) -> bool {
        self.disk_full
    }

    /// Returns the inventory, as typed.
    pub fn inventory(&self) -> Vec<inventory::InventoryHost> {
        let entries = self.scenario.inventory.iter().map(|entry| inventory::InventoryHost {
            name: self.expand(&entry.name),
            peer_urls: self.expand(&entry.peer),
            client_urls: self.expand(&entry.client),
            data_dir: self.expand(&entry.dir),
            ..inventory::InventoryHost::default()
        });
        entries.collect()
    }

    /// Returns the directories to search for snapshots.
    pub fn places(&self) -> Vec<PathBuf> {
        vec![self.root().join("backup"), self.root().join("old")]
    }

    /// Returns the parent of the new data directories.
    pub fn base_dir(&self) -> PathBuf {
        self.root().join("restored")
    }

    /// Replaces the placeholders `{dir}`, `{m1.peer}` and `{m1.client}`, which are known once the lab is built.
    pub fn expand(&self, text: &str) -> String {
        let mut text = text.replace("{dir}", &self.root().to_string_lossy());
        let olds = self.olds.iter().map(|old| (&old.name, &old.peer, &old.client));
        for (name, peer, client) in olds.chain(self.spares.iter().map(|(n, p, c)| (n, p, c))) {
            for (what, url) in [("peer", peer), ("client", client)] {
                let bare = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                let port = bare.rsplit_once(':').map_or("", |(_, port)| port);
                text = text
                    .replace(&format!("{{{name}.{what}}}"), url)
                    .replace(&format!("{{{name}.{what}.host}}"), bare)
                    .replace(&format!("{{{name}.{what}.port}}"), port);
            }
        }
        text
    }

    /// Returns the members that run on restored directories.
    pub fn restored(&self) -> &[Restored] {
        &self.restored
    }

    /// Returns the plan whose members are all installed.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Returns why the restored members did not come up, if so.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Returns the original files that were changed, other than by the lab itself.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn touched(&self) -> Result<Vec<PathBuf>> {
        // a running etcd changes its own directory
        let own = |path: &PathBuf| {
            self.olds.iter().any(|old| {
                let dirs = [Some(&old.place.data), old.place.wal.as_ref()];
                matches!(old.running, Some(Running::Real(_)))
                    && dirs.into_iter().flatten().any(|dir| path.starts_with(dir))
            })
        };
        Ok(self.prints.changed()?.into_iter().filter(|path| !own(path)).collect())
    }

    fn meta(&self, cluster: &Cluster, revision: i64) -> DatabaseMeta {
        let mut meta = cluster.meta(revision);
        meta.nospace = self.scenario.cluster.nospace.iter().filter_map(|name| cluster.id_of(name)).collect();
        for zombie in &self.scenario.cluster.zombies {
            let urls = vec![zombie.peer.clone()];
            meta.members.push(crate::etcd::membership::Member {
                id: crate::etcd::membership::member_id(&urls, "the cluster before").0,
                peer_urls: urls,
                is_learner: false,
                name: zombie.name.clone(),
                client_urls: vec![zombie.client.clone()],
            });
        }
        meta
    }
}

/// Returns the whole history: that of the database, and the generated writes after it.
fn history(scenario: &Scenario, dir: &Path) -> Result<History> {
    let bytes = scenario::library::database(&scenario.cluster.database)
        .ok_or_else(|| Error::new(ErrorKind::Bug, format!("no database is named {}", scenario.cluster.database)))?;
    let path = dir.join("history.db");
    fs::write(&path, bytes).map_err(|e| creation_trouble("write", &path, &e))?;
    let history = History::read(&path);
    fs::remove_file(&path).map_err(|e| io_trouble("remove", &path, &e))?;
    let mut history = history?;
    history.grow(&scenario.cluster.writes, scenario.cluster.seed);
    Ok(history)
}

/// Returns where the search for ports starts: by name and seed, so that concurrent exercises do not collide.
fn seed(scenario: &Scenario) -> u64 {
    scenario.name.bytes().fold(scenario.cluster.seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

fn version(etcd: crate::etcd::version::Minor) -> String {
    use crate::etcd::version::Minor;
    let patch = match etcd {
        Minor::V3_4 => 44,
        Minor::V3_5 => 30,
        Minor::V3_6 => 14,
        Minor::V3_7 => 1,
    };
    format!("{etcd}.{patch}")
}

fn loopback(url: &str) -> Option<(IpAddr, u16)> {
    let url = crate::domain::model::url::parse(url).ok()?;
    url.ip().filter(IpAddr::is_loopback).map(|ip| (ip, url.port))
}
