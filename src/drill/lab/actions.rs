//! Changes to the lab during an exercise: by the trainee's actions at the hosts, by injects, by the instructor. Simulated
//! members elect a leader here: a running majority has a leader and the newest data.

use std::{fs, sync::Arc};

use super::{Lab, Old, backup, datadir, lifecycle::Running};
use crate::{
    drill::{
        mvcc_store::Store,
        scenario::{Act, Damage, State, library},
        simulated_member::{Member, Mode, Options},
    },
    engine::source::io_trouble,
    error::{Error, ErrorKind, Result},
    etcd::membership::Id,
};

impl Lab {
    /// Does an act.
    ///
    /// # Errors
    /// If it is not possible now; then nothing was done.
    pub fn act(&mut self, act: &Act) -> Result<()> {
        match act {
            Act::Start(name) => {
                let at = self.at(name)?;
                if self.olds.get(at).is_some_and(|old| old.running.is_some()) {
                    return Ok(());
                }
                if self.olds.get(at).is_some_and(|old| old.state == State::Gone) {
                    // reported lost, but its disk is still there
                    self.write_directory(at)?;
                }
                if !self.is_real() {
                    self.replayed(at)?;
                }
                self.run(at)
            }
            Act::Stop(name) => {
                let at = self.at(name)?;
                self.end(at)?;
                self.elect()
            }
            Act::Replay(name) => {
                let at = self.at(name)?;
                self.replayed(at)
            }
            Act::Lose(name) => {
                let at = self.at(name)?;
                if let Some(old) = self.olds.get_mut(at) {
                    old.end();
                    old.state = State::Gone;
                    for dir in [Some(&old.place.data), old.place.wal.as_ref()].into_iter().flatten() {
                        let _ = fs::remove_dir_all(dir);
                        self.prints.take(dir)?;
                    }
                }
                self.elect()
            }
            Act::Place(name) => self.place(name),
            Act::Unpack(name) => {
                let scenario = self.scenario.clone();
                let Some(packed) = scenario.backups.iter().find(|b| b.file == *name) else { return Err(absent(name)) };
                let (history, cluster) = self.whose(packed.of.as_deref());
                let meta = self.meta(&cluster, packed.revision);
                let path = backup::unpack(&self.root().join("backup"), packed, &history, &meta)?;
                self.prints.take(&path)
            }
            Act::FillDisk => {
                self.disk_full = true;
                Ok(())
            }
            Act::FreeDisk => {
                self.disk_full = false;
                Ok(())
            }
        }
    }

    fn at(&self, name: &str) -> Result<usize> {
        self.olds.iter().position(|old| old.name == name).ok_or_else(|| absent(name))
    }

    /// Stops a member; its files as they are then count as unchanged.
    fn end(&mut self, at: usize) -> Result<()> {
        let Some(old) = self.olds.get_mut(at) else { return Ok(()) };
        old.end();
        old.state = State::Stopped;
        for dir in [Some(&old.place.data), old.place.wal.as_ref()].into_iter().flatten().filter(|_| self.real.is_some())
        {
            self.prints.take(dir)?;
        }
        Ok(())
    }

    /// Places a backup, a disk or a file.
    pub(super) fn place(&mut self, name: &str) -> Result<()> {
        let scenario = self.scenario.clone();
        let backups = self.root().join("backup");
        let path = if let Some(one) = scenario.backups.iter().find(|b| b.file == name) {
            if backups.join(name).exists() {
                return Ok(());
            }
            let (history, cluster) = self.whose(one.of.as_deref());
            backup::make(&backups, one, &history, &self.meta(&cluster, one.revision))?
        } else if let Some(disk) = scenario.disks.iter().find(|d| d.name == name) {
            let data = self.root().join("old").join(name);
            if data.exists() {
                return Ok(());
            }
            let id = self.cluster.id_of(&disk.of).ok_or_else(|| absent(&disk.of))?;
            let place = datadir::Place { data: data.clone(), wal: None };
            let reset = self.olds.iter().find(|old| disk.reset && old.name == disk.of);
            let (history, cluster) = reset.map_or((&self.history, &self.cluster), |old| (&old.history, &old.cluster));
            let id = cluster.id_of(&disk.of).unwrap_or(id);
            let meta = self.meta(cluster, disk.revision);
            cluster.directory(&place, id, history, disk.revision, disk.revision, &meta)?;
            data
        } else {
            // of several files with one path, the last one replaces the first
            let mut of_path = scenario.files.iter().filter(|f| f.path == name);
            let first = of_path.next().ok_or_else(|| absent(name))?;
            let path = self.root().join(name);
            let file = if path.exists() { of_path.next_back().unwrap_or(first) } else { first };
            let text = file.text.as_deref().or_else(|| library::asset(file.from.as_deref()?)).unwrap_or_default();
            datadir::write(&path, self.expand(text).as_bytes())?;
            path
        };
        self.prints.take(&path)
    }

    /// Returns the history and cluster of a member, else those of the cluster.
    fn whose(&self, name: Option<&str>) -> (super::History, super::Cluster) {
        let old = name.and_then(|name| self.olds.iter().find(|old| old.name == name));
        old.map_or_else(|| (self.history.clone(), self.cluster.clone()), |o| (o.history.clone(), o.cluster.clone()))
    }

    /// Writes a member's directory, replacing an existing one.
    pub(super) fn write_directory(&mut self, at: usize) -> Result<()> {
        let Some(old) = self.olds.get(at) else { return Ok(()) };
        for dir in [Some(&old.place.data), old.place.wal.as_ref()].into_iter().flatten().filter(|dir| dir.exists()) {
            fs::remove_dir_all(dir).map_err(|e| io_trouble("remove", dir, &e))?;
        }
        let id = old.cluster.id_of(&old.name).ok_or_else(|| absent(&old.name))?;
        let meta = self.meta(&old.cluster, old.revision);
        old.cluster.directory(&old.place, id, &old.history, old.revision, old.log, &meta)?;
        if let Some(damage) = old.damage {
            let db = old.place.data.join("member/snap/db");
            let mut bytes = fs::read(&db).map_err(|e| io_trouble("read", &db, &e))?;
            backup::damage(&mut bytes, damage);
            datadir::write(&db, &bytes)?;
        }
        for dir in [Some(old.place.data.clone()), old.place.wal.clone()].into_iter().flatten() {
            self.prints.take(&dir)?;
        }
        Ok(())
    }

    /// Lets a member apply what its log holds, as it does when it starts.
    fn replayed(&mut self, at: usize) -> Result<()> {
        if let Some(etcd) = self.real.clone() {
            let done = self.replay(at, &etcd);
            return self.end(at).and(done);
        }
        let Some(old) = self.olds.get_mut(at) else { return Ok(()) };
        // bbolt opens with the intact meta page, and rewrites the other one
        let mended = old.damage == Some(Damage::FirstMeta);
        if old.log == old.revision && !mended {
            return Ok(());
        }
        old.revision = old.log;
        old.damage = old.damage.filter(|_| !mended);
        self.write_directory(at)
    }

    /// Starts a member on a directory, and then elects a leader.
    pub(super) fn run(&mut self, at: usize) -> Result<()> {
        let client_urls: Vec<(Id, Vec<String>)> = self
            .olds
            .iter()
            .filter_map(|old| Some((old.cluster.id_of(&old.name)?, vec![old.client.clone()])))
            .collect();
        let version = super::version(self.scenario.cluster.etcd);
        if let Some(etcd) = self.real.clone() {
            self.run_real(at, &etcd)?;
            if let Some(old) = self.olds.get_mut(at).filter(|old| old.state != State::Reset) {
                old.state = State::Alone;
            }
            return self.elect();
        }
        let Some(old) = self.olds.get_mut(at) else { return Ok(()) };
        let store = Arc::new(Store::open(&old.place.data, old.place.wal.as_deref())?);
        let own = store.identity().member;
        // a cluster of one has quorum by itself
        let mode = if old.state == State::Reset { Mode::Serving { leader: own } } else { Mode::Lone };
        let (_, port) = super::loopback(&old.client).ok_or_else(|| absent(&old.client))?;
        let options = Options { port, mode, client_urls, version, ..Options::default() };
        old.running = Some(Running::Simulated(Member::start(store, options)?));
        if old.state != State::Reset {
            old.state = State::Alone;
        }
        self.elect()
    }

    /// Elects a leader if a majority of voters runs, and brings all running members to the newest data.
    fn elect(&mut self) -> Result<()> {
        let voter = |n: usize| self.scenario.members.get(n).is_some_and(|m| !m.learner);
        let voters = (0..self.olds.len()).filter(|n| voter(*n)).count();
        let runs = |old: &Old| old.running.is_some() && old.state != State::Reset;
        let up: Vec<usize> = self.olds.iter().enumerate().filter(|(_, old)| runs(old)).map(|(n, _)| n).collect();
        let majority = up.iter().filter(|n| voter(**n)).count() > voters / 2;
        if let Some(etcd) = self.real.clone() {
            self.led = majority && self.wait_for_leader(&etcd, &up)?;
            return Ok(());
        }
        let newest = up.iter().filter_map(|n| self.olds.get(*n)).map(|old| old.revision).max().unwrap_or(1);
        let leader = up.iter().filter_map(|n| self.olds.get(*n)).find(|old| old.revision == newest);
        let leader = leader.and_then(|old| old.cluster.id_of(&old.name));
        for at in up {
            let outdated = self.olds.get(at).is_some_and(|old| old.revision < newest);
            if majority && outdated {
                if let Some(old) = self.olds.get_mut(at) {
                    (old.running, old.revision, old.log) = (None, newest, newest);
                }
                self.write_directory(at)?;
                return self.run(at);
            }
            let mode = leader.filter(|_| majority).map_or(Mode::Lone, |leader| Mode::Serving { leader });
            if let Some(Running::Simulated(member)) = self.olds.get(at).and_then(|old| old.running.as_ref()) {
                member.set_mode(mode);
            }
        }
        Ok(())
    }
}

fn absent(name: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{name}: not in this exercise"))
}
