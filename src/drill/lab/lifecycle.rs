//! The running members of an exercise: those of the old cluster and, once every member of a plan is installed, those of the
//! new one, simulated or as real processes.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{BARE, Lab, Old, datadir::Place, loopback, version};
use crate::{
    domain::{
        model::{
            observations::{MemberStatus, Read},
            plan::Plan,
        },
        render::start,
    },
    drill::{
        mvcc_store::{Identity, Store},
        real_etcd::{Etcd, PATIENCE, process::Process},
        scenario::State,
        simulated_member::{Member, Mode, Options, sequencer::Sequencer},
    },
    engine::source::io_trouble,
    error::{Error, ErrorKind, Result},
    etcd::membership::Id,
};

/// A running member.
#[derive(Debug)]
pub enum Running {
    /// A simulated member in this process.
    Simulated(Member),
    /// A real etcd process.
    Real(Arc<Process>),
}

/// A member that runs on a restored directory.
pub struct Restored {
    /// What it serves: for a simulated member its directory, for a real one the snapshot that was saved when it came up.
    pub store: Arc<Store>,
    /// The running member.
    pub runs: Running,
}

impl Restored {
    /// Returns what it serves.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

/// Real members that are starting; to be waited for without the exercise's lock.
pub struct StartingMembers {
    etcd: Arc<Etcd>,
    members: Vec<(Arc<Process>, PathBuf)>,
}

/// The members that serve, and the first error.
pub type StartedMembers = (Vec<Restored>, Option<Error>);

impl StartingMembers {
    /// Waits until each serves a linearizable read, and saves a snapshot from each.
    pub fn wait(self) -> StartedMembers {
        let (mut up, mut error) = (Vec::new(), None);
        for (process, copy) in &self.members {
            match self.one(process, copy) {
                Ok(store) => {
                    up.push(Restored { store: Arc::new(store), runs: Running::Real(Arc::clone(process)) });
                }
                Err(why) => error = error.or(Some(why)),
            }
        }
        (up, error)
    }

    fn one(&self, process: &Process, copy: &Path) -> Result<Store> {
        // its client port must answer, with its member ID
        let serves =
            |says: &MemberStatus| says.read == Read::Served && says.closed.is_none() && says.member_id != Id(0);
        let serves = self.etcd.wait(process.endpoint(), &|| process.ended(), &serves)?;
        self.etcd.members.save_snapshot(process.endpoint(), copy, &mut |_| crate::engine::progress::Flow::Go)?;
        let identity = Identity {
            cluster: serves.cluster_id,
            member: serves.member_id,
            raft_term: serves.raft_term,
            raft_index: serves.raft_index,
        };
        Store::from_file(copy, identity)
    }
}

/// The description of simulated members.
const SIMULATED: &str = "simulated members, read by requorum itself";

impl Lab {
    /// Returns the kind of members, for debriefs.
    pub fn members_are(&self) -> String {
        self.real.as_ref().map_or_else(|| SIMULATED.into(), |etcd| format!("real etcd {}", etcd.version))
    }

    /// Returns whether the members are real processes.
    pub fn is_real(&self) -> bool {
        self.real.is_some()
    }

    /// Returns the running processes: of old members, then of restored ones.
    pub fn processes(&self) -> Vec<Arc<Process>> {
        let olds = self.olds.iter().filter_map(|old| old.running.as_ref());
        let all = olds.chain(self.restored.iter().map(|up| &up.runs)).filter_map(|running| match running {
            Running::Real(process) => Some(Arc::clone(process)),
            Running::Simulated(_) => None,
        });
        all.collect()
    }

    /// Stops the members that run on restored directories.
    pub fn take_down(&mut self) {
        for up in self.restored.drain(..) {
            if let Running::Real(process) = up.runs {
                process.stop();
            }
        }
        self.plan = None;
    }

    /// Starts members on the restored directories, at the client URLs of the plan. Real ones are started with their launch
    /// commands; the result is to be waited for, and then passed to [`Lab::came_up`].
    pub fn bring_up(&mut self, plan: &Plan) -> Option<StartingMembers> {
        self.take_down();
        self.plan = Some(plan.clone());
        let Some(etcd) = self.real.clone() else {
            self.error = self.simulate(plan).err();
            return None;
        };
        match self.launch(plan, &etcd) {
            Ok(members) => {
                self.error = None;
                Some(StartingMembers { etcd, members })
            }
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }

    /// Adds the real members that came up.
    pub fn came_up(&mut self, (up, error): StartedMembers) {
        (self.restored, self.error) = (up, error);
    }

    fn launch(&mut self, plan: &Plan, etcd: &Etcd) -> Result<Vec<(Arc<Process>, PathBuf)>> {
        self.launches += 1;
        let commands = start::commands(plan);
        let members = plan.members.iter().zip(&commands).map(|(member, launch)| {
            let endpoint = member.client_urls.first().cloned().unwrap_or_default();
            let name = format!("new-{}", member.name);
            let copy = self.root().join("real").join(format!("{name}-{}.db", self.launches));
            Ok((Arc::new(Process::start(etcd, &name, &launch.argv, &endpoint, self.root())?), copy))
        });
        members.collect()
    }

    fn simulate(&mut self, plan: &Plan) -> Result<()> {
        let Some(leader) = plan.members.iter().map(|m| m.id).min() else { return Ok(()) };
        let client_urls: Vec<(Id, Vec<String>)> = plan.members.iter().map(|m| (m.id, m.client_urls.clone())).collect();
        let stores = plan.members.iter().map(|m| Store::open(&m.data_dir, m.wal_dir.as_deref()).map(Arc::new));
        let stores: Vec<Arc<Store>> = stores.collect::<Result<_>>()?;
        let sequencer = Arc::new(Sequencer::new(stores.clone()));
        for (member, store) in plan.members.iter().zip(stores) {
            let at = member.client_urls.iter().find_map(|url| loopback(url)).unwrap_or((Ipv4Addr::LOCALHOST.into(), 0));
            let options = Options {
                address: at.0,
                port: at.1,
                mode: Mode::Serving { leader },
                client_urls: client_urls.clone(),
                sequencer: Some(Arc::clone(&sequencer)),
                version: version(plan.target.unwrap_or(self.scenario.cluster.etcd)),
                ..Options::default()
            };
            let runs = Running::Simulated(Member::start(Arc::clone(&store), options)?);
            self.restored.push(Restored { store, runs });
        }
        Ok(())
    }

    /// Starts a real etcd on a member's directory. Without a majority it opens only its peer port, like every etcd that starts
    /// and finds no leader.
    pub(super) fn run_real(&mut self, at: usize, etcd: &Etcd) -> Result<()> {
        let (root, together) = (self.root().to_path_buf(), self.together());
        let Some(old) = self.olds.get_mut(at) else { return Ok(()) };
        let process = old.process(etcd, &root, &together)?;
        old.running = Some(Running::Real(Arc::clone(&process)));
        if old.state == State::Reset {
            return etcd.wait(&old.client, &|| process.ended(), &|says| says.read == Read::Served).map(|_| ());
        }
        let port = loopback(&old.peer.replace("localhost", "127.0.0.1")).map(SocketAddr::from);
        let open = || port.is_none_or(|port| TcpStream::connect(port).is_ok());
        poll(&format!("{}: etcd does not start", old.name), || open() || process.ended().is_some())?;
        match process.ended() {
            Some(why) => Err(Error::new(ErrorKind::Failed, format!("{}: etcd does not start", old.name)).why(why)),
            None => Ok(()),
        }
    }

    /// Starts the members in state `alone` together with enough others for a majority, then kills the others: an etcd answers
    /// without a leader only if it had one.
    pub(super) fn orphan(&mut self, etcd: &Etcd) -> Result<()> {
        let (root, together) = (self.root().to_path_buf(), self.together());
        let voter = |at: usize| self.scenario.members.get(at).is_some_and(|m| !m.learner);
        let alone: Vec<usize> = (0..self.olds.len()).filter(|at| self.is_alone(*at)).collect();
        let Some(first) = alone.first().and_then(|at| self.olds.get(*at)) else { return Ok(()) };
        let (revision, log) = (first.revision, first.log);
        let voters = (0..self.olds.len()).filter(|at| voter(*at)).count();
        let wanted = (voters / 2 + 1).saturating_sub(alone.iter().filter(|at| voter(**at)).count());
        let mut others = Vec::new();
        for at in (0..self.olds.len()).filter(|at| voter(*at) && !alone.contains(at)).take(wanted) {
            let Some(old) = self.olds.get(at) else { continue };
            let data = root.join("real").join(format!("{}.etcd", old.name));
            let other = Old {
                place: Place { data, wal: None },
                running: None,
                name: old.name.clone(),
                peer: old.peer.clone(),
                client: old.client.clone(),
                history: self.history.clone(),
                cluster: self.cluster.clone(),
                state: State::Alone,
                damage: None,
                revision,
                log,
            };
            if let Some(id) = self.cluster.id_of(&other.name) {
                let meta = self.meta(&self.cluster, revision);
                self.cluster.directory(&other.place, id, &self.history, revision, log, &meta)?;
            }
            others.push((other.process(etcd, &root, &together)?, other.place.data));
        }
        for at in &alone {
            if let Some(old) = self.olds.get_mut(*at) {
                old.running = Some(Running::Real(old.process(etcd, &root, &together)?));
            }
        }
        self.wait_for(etcd, &alone, &|says| says.read == Read::Served)?;
        for (process, data) in others {
            drop(process);
            fs::remove_dir_all(&data).map_err(|e| io_trouble("remove", &data, &e))?;
        }
        self.wait_for(etcd, &alone, &|says| says.leader == Id(0))
    }

    /// Returns whether the member runs without a leader from the start.
    fn is_alone(&self, at: usize) -> bool {
        self.scenario.members.get(at).is_some_and(|member| member.state == State::Alone)
    }

    /// Waits until the answer of each of these members is as required.
    fn wait_for(&self, etcd: &Etcd, all: &[usize], enough: &dyn Fn(&MemberStatus) -> bool) -> Result<()> {
        for old in all.iter().filter_map(|at| self.olds.get(*at)) {
            if let Some(Running::Real(process)) = &old.running {
                etcd.wait(&old.client, &|| process.ended(), enough)?;
            }
        }
        Ok(())
    }

    fn together(&self) -> String {
        let each: Vec<String> = self.olds.iter().map(|old| format!("{}={}", old.name, old.peer)).collect();
        each.join(",")
    }

    /// Lets a real etcd apply a member's log, and stops it.
    pub(super) fn replay(&mut self, at: usize, etcd: &Etcd) -> Result<()> {
        self.run_real(at, etcd)?;
        let Some(old) = self.olds.get_mut(at) else { return Ok(()) };
        let applied =
            || Store::open(&old.place.data, old.place.wal.as_deref()).is_ok_and(|store| store.revision() >= old.log);
        poll(&format!("{}: etcd does not apply its log", old.name), applied)?;
        old.revision = old.log;
        Ok(())
    }

    /// Waits until each of these, a majority, has a leader.
    ///
    /// # Errors
    /// If one has none before the timeout.
    pub(super) fn wait_for_leader(&self, etcd: &Etcd, up: &[usize]) -> Result<bool> {
        self.wait_for(etcd, up, &|says| says.read == Read::Served).map(|()| true)
    }
}

/// Polls for what has no event to wait for.
fn poll(what: &str, mut is: impl FnMut() -> bool) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !is() {
        if Instant::now() > until {
            return Err(Error::new(ErrorKind::Failed, what).why(format!("timeout after {} s", PATIENCE.as_secs())));
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

impl Old {
    /// Stops the member, if it runs.
    pub(super) fn end(&mut self) {
        if let Some(Running::Real(process)) = self.running.take() {
            process.stop();
        }
    }

    fn process(&self, etcd: &Etcd, root: &Path, together: &str) -> Result<Arc<Process>> {
        Ok(Arc::new(Process::start(etcd, &self.name, &self.command(together), &self.client, root)?))
    }

    /// Returns the command that starts it.
    fn command(&self, together: &str) -> Vec<String> {
        let reset = self.state == State::Reset;
        let advertised = if reset { BARE.1 } else { &self.peer };
        let alone = format!("{}={}", self.name, BARE.1);
        let mut argv = vec!["etcd".to_string()];
        let mut flag = |name: &str, value: &str| argv.push(format!("--{name}={value}"));
        flag("name", &self.name);
        flag("data-dir", &self.place.data.to_string_lossy());
        if let Some(wal) = &self.place.wal {
            flag("wal-dir", &wal.to_string_lossy());
        }
        flag("listen-peer-urls", &self.peer);
        flag("listen-client-urls", &self.client);
        flag("initial-advertise-peer-urls", advertised);
        flag("advertise-client-urls", &self.client);
        flag("initial-cluster", if reset { &alone } else { together });
        flag("initial-cluster-state", "existing");
        argv
    }
}
