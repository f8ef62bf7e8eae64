//! A world of made-up members and files for the wizard's tests: nothing is touched, everything
//! answers at once, and each failure is there to be asked for.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "test support, used in part by each test file")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use requorum::{
    agent::protocol::{Have, Wanted},
    domain::{
        members::certificates,
        model::{
            observations::{
                Alarm, Answer, Content, FileFacts, Hashed, Health, KnownMember, MemberStatus, Read, Source,
                config::{Automation, ConfigFacts, ConfigKind, Origin, Setting},
                disk::{DataDirState, DirFacts, DirState, Held},
                host::{HostFacts, Place, PlaceState, Root},
                rows::{ClockOffset, Part, RowKey, StoredRows},
                started::{Canary, Data, Kubernetes, Lease, PlannedHash, Queried, Watched},
            },
            old_cluster::{Endpoint, EndpointKind as DoorKind, ProbeResult},
            plan::{Member, Plan},
            revisions::Client,
            source_ref::ObjectUrl,
        },
        preflight::stop::RunningEtcd,
        quorum::known::OldKey,
        sources::data_loss::{Difference, History},
    },
    engine::{
        install::{
            MemberState, Record, Renames, Swapped,
            run_lock::{NotClaimed, Run, RunLock},
        },
        progress::{Flow, Phase, Progress, ProgressFn},
        restore::{Restored, expected::Expected},
    },
    error::{Error, ErrorKind, Result},
    etcd::{membership::Id, version::Minor},
    system::{
        Clock, Cluster, Files, Hosts,
        host_session::{HostSession, LocalHost},
        journal::{Record as JournalRecord, verify},
        member_ops::{MemberOps, PlannedMember},
        ssh::Stop,
    },
    tui::Options,
};

/// 2026-11-22 03:12:00 UTC
pub const NOW: i64 = 1_795_317_120;
pub const CLUSTER: Id = Id(0x4f1c_09aa_3b7d_e201);

/// What is odd about a host.
type Odd = fn(&mut HostFacts);

/// How the made-up machines behave. What is set before a run is set by [`MockSystem::builder`].
#[derive(Default)]
pub struct MockSystem {
    /// Every member answers and a read is served.
    healthy: bool,
    /// A quorum answers; m3 is dead, m1 is out of space, and its data are not those of m2.
    degraded: bool,
    /// What is claimed to be built is not what was planned.
    lies: bool,
    /// m1 answers at its peer port.
    peers: bool,
    /// Nobody answers.
    silent: bool,
    /// m1 answers for an empty cluster of its own, under the old IDs.
    reborn: bool,
    /// m2's endpoint answers for an empty cluster with etcd's default IDs.
    default_ids: bool,
    /// Restores of these members fail, as long as they are listed.
    pub failing: Mutex<BTreeSet<String>>,
    /// The clock panics: the event loop itself breaks down, with the terminal taken.
    clock_panics: bool,
    /// Asking panics: a defect.
    panics: bool,
    /// The snapshots hold Kubernetes data.
    kubernetes: bool,
    /// Certificates that are named are for this address alone, whoever names them.
    certificates_for: Option<std::net::IpAddr>,
    /// Old members of these names still answer.
    pub answers: Mutex<BTreeSet<String>>,
    /// Hosts that cannot be reached.
    pub unreachable: Mutex<BTreeSet<String>>,
    /// Hosts that are not as the others: what is changed in what is seen of each.
    pub odd: Mutex<BTreeMap<String, Odd>>,
    /// Directories that an etcd runs on.
    pub held: Mutex<BTreeSet<PathBuf>>,
    /// Whether m3 still runs cannot be told.
    unclear: bool,
    /// How many restores were done.
    pub restored: Mutex<Vec<String>>,
    /// Restored members have a unit on their directory.
    units: bool,
    /// Members that were started, each by its commands.
    pub started: Mutex<Vec<(String, Vec<String>)>>,
    /// Members that are in place.
    pub placed: Mutex<Vec<String>>,
    /// What was written.
    pub written: Mutex<Vec<(PathBuf, String)>>,
    /// What was added to files.
    pub journals: Mutex<BTreeMap<PathBuf, String>>,
    /// The plan whose members were restored last: those that are not in `down` run.
    pub plan: Mutex<Option<Plan>>,
    /// Restored members of these names were not started.
    pub down: Mutex<BTreeSet<String>>,
    /// Restored members of these names hold other data.
    pub mixed: Mutex<BTreeSet<String>>,
    /// The log goes on while restored members are read.
    indices: bool,
    /// Restored members of these names lack a lease.
    pub lacks_lease: Mutex<BTreeSet<String>>,
    /// The canaries that were sent out.
    pub canaries: Mutex<Vec<String>>,
    /// How long was waited for what.
    pub waited: Mutex<Duration>,
    /// The members are only played.
    simulated: bool,
    /// Directories of processes on this machine: the path, the cluster, and the last entry of the log.
    around: Vec<(PathBuf, Id, u64)>,
    /// Names of snapshots that an earlier start saved into the data root, which is not there otherwise.
    saved: Vec<String>,
}

/// Sets how the made-up machines behave.
#[derive(Default)]
pub struct Builder(MockSystem);

impl MockSystem {
    /// A cluster that lost its quorum: m2 alone answers, and backups are there.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Every member answers and a read is served.
    pub fn healthy(mut self) -> Builder {
        self.0.healthy = true;
        self
    }

    /// A quorum answers; m3 is dead, m1 is out of space, and its data are not those of m2.
    pub fn degraded(mut self) -> Builder {
        self.0.degraded = true;
        self
    }

    /// What is claimed to be built is not what was planned.
    pub fn lies(mut self) -> Builder {
        self.0.lies = true;
        self
    }

    /// m1 answers at its peer port.
    pub fn peers(mut self) -> Builder {
        self.0.peers = true;
        self
    }

    /// Nobody answers.
    pub fn silent(mut self) -> Builder {
        self.0.silent = true;
        self
    }

    /// m1 answers for an empty cluster of its own, under the old IDs.
    pub fn reborn(mut self) -> Builder {
        self.0.reborn = true;
        self
    }

    /// m2's endpoint answers for an empty cluster with etcd's default IDs.
    pub fn default_ids(mut self) -> Builder {
        self.0.default_ids = true;
        self
    }

    /// Asking panics: a defect.
    pub fn panics(mut self) -> Builder {
        self.0.panics = true;
        self
    }

    /// The clock panics: the event loop itself breaks down, with the terminal taken.
    pub fn clock_panics(mut self) -> Builder {
        self.0.clock_panics = true;
        self
    }

    /// The snapshots hold Kubernetes data.
    pub fn kubernetes(mut self) -> Builder {
        self.0.kubernetes = true;
        self
    }

    /// Whether m3 still runs cannot be told.
    pub fn unclear(mut self) -> Builder {
        self.0.unclear = true;
        self
    }

    /// Restored members have a unit on their directory.
    pub fn units(mut self) -> Builder {
        self.0.units = true;
        self
    }

    /// The log goes on while restored members are read.
    pub fn indices(mut self) -> Builder {
        self.0.indices = true;
        self
    }

    /// The members are only played.
    pub fn simulated(mut self) -> Builder {
        self.0.simulated = true;
        self
    }

    /// Certificates that are named are for this address alone, whoever names them.
    pub fn certificates_for(mut self, address: &str) -> Builder {
        self.0.certificates_for = Some(address.parse().unwrap());
        self
    }

    /// Directories of processes on this machine: the path, the cluster, and the last entry of the log.
    pub fn around(mut self, dirs: Vec<(PathBuf, Id, u64)>) -> Builder {
        self.0.around = dirs;
        self
    }

    /// Names of snapshots that an earlier start saved into the data root, which is not there otherwise.
    pub fn saved(mut self, name: &str) -> Builder {
        self.0.saved = vec![name.into()];
        self
    }

    /// The machines.
    pub fn build(self) -> MockSystem {
        self.0
    }
}

/// What a member of an empty cluster of one answers.
fn alone(cluster_id: Id, member: KnownMember) -> Answer {
    Answer::Says(Box::new(MemberStatus {
        cluster_id,
        member_id: member.id,
        version: "3.5.30".into(),
        revision: 1,
        raft_term: 2,
        raft_index: 4,
        leader: member.id,
        db_bytes: 20 << 10,
        db_bytes_in_use: 16 << 10,
        cluster_version: "3.5.0".into(),
        members: vec![member],
        read: Read::Served,
        local_read: Read::Served,
        heard: vec![Source::Client],
        ..MemberStatus::default()
    }))
}

/// HashKV of the data that the made-up snapshots hold.
const HASH: u32 = 0x9f3c_11aa;

impl MockSystem {
    /// The restored member at `endpoint`, once all of the plan are restored.
    fn restored_at(&self, endpoint: &str) -> Option<(Plan, usize)> {
        let plan = self.plan.lock().unwrap().clone()?;
        let restored = self.restored.lock().unwrap();
        let all = plan.members.iter().all(|m| restored.contains(&m.name));
        let at = plan.members.iter().position(|m| m.client_urls.iter().any(|url| url == endpoint))?;
        all.then_some((plan, at))
    }

    fn runs(&self, plan: &Plan, at: usize) -> Answer {
        let member = &plan.members[at];
        if self.down.lock().unwrap().contains(&member.name) {
            return Answer::Silent { why: "connection refused".into(), details: String::new() };
        }
        let known = plan.members.iter().map(|m| KnownMember {
            id: m.id,
            name: m.name.as_str().into(),
            peer_urls: m.peer_urls.iter().map(Into::into).collect(),
            client_urls: m.client_urls.iter().map(Into::into).collect(),
            is_learner: false,
        });
        Answer::Says(Box::new(MemberStatus {
            cluster_id: plan.cluster_id,
            member_id: member.id,
            version: "3.5.30".into(),
            revision: plan.expected_revision(),
            raft_term: 2,
            raft_index: 9,
            raft_applied: 9,
            leader: plan.members[1].id,
            db_bytes: 41 << 20,
            db_bytes_in_use: 38 << 20,
            quota_bytes: Some(2 << 30),
            cluster_version: "3.5.0".into(),
            members: known.collect(),
            read: Read::Served,
            local_read: Read::Served,
            heard: vec![Source::Client, Source::Metrics],
            ..MemberStatus::default()
        }))
    }
}

/// The three members of the made-up cluster.
pub fn members() -> Vec<KnownMember> {
    [("m1", 0x1a2b_3c4d_5e6f_7081_u64, 1), ("m2", 0x3c50_5846_437b_a852, 2), ("m3", 0xbdbc_0424_5f59_4d01, 3)]
        .into_iter()
        .map(|(name, id, n)| KnownMember {
            id: Id(id),
            name: name.into(),
            peer_urls: vec![format!("https://10.0.0.{n}:2380").into()],
            client_urls: vec![format!("https://10.0.0.{n}:2379").into()],
            is_learner: false,
        })
        .collect()
}

/// What a verified snapshot holds.
pub fn content(revision: i64) -> Content {
    Content {
        sha256: format!("{:064x}", revision * 7919),
        hash: 0x9f3c_11aa,
        revision,
        keys: 4112,
        rows: 5230,
        total_bytes: 41 << 20,
        cluster_version: "3.5.0".into(),
        members: members().into_iter().map(|m| KnownMember { client_urls: Vec::new(), ..m }).collect(),
        leases: 3,
        users: 2,
        auth_enabled: true,
        ..Content::default()
    }
}

impl Cluster for MockSystem {
    fn trust_endpoints(&self, _endpoints: &[String]) {}

    fn member_status(&self, endpoint: &str) -> Answer {
        assert!(!self.panics, "the made-up defect");
        if let Some((plan, at)) = self.restored_at(endpoint) {
            return self.runs(&plan, at);
        }
        let silent = |why: &str, details: &str| Answer::Silent { why: why.into(), details: details.into() };
        let at = members().iter().position(|m| m.client_urls.iter().any(|u| u == endpoint));
        match at {
            Some(0) if self.reborn => alone(CLUSTER, members()[0].clone()),
            Some(1) if self.default_ids => {
                let at_home = |port: u16| vec![format!("http://localhost:{port}").into()];
                let member = KnownMember {
                    id: Id(0x8e9e_05c5_2164_694d),
                    name: "default".into(),
                    peer_urls: at_home(2380),
                    client_urls: at_home(2379),
                    is_learner: false,
                };
                alone(Id(0xcdf8_1819_4e3a_8c32), member)
            }
            Some(at) if self.healthy || (at == 1 && !self.silent) || self.degraded && at == 0 => {
                let serves = self.healthy || self.degraded;
                let leader = if serves { members()[0].id } else { Id(0) };
                let alarm = Alarm { member: members()[0].id, kind: "NOSPACE".into() };
                Answer::Says(Box::new(MemberStatus {
                    cluster_id: CLUSTER,
                    member_id: members()[at].id,
                    version: "3.5.30".into(),
                    revision: 84_211,
                    raft_term: 7,
                    raft_index: 90_114,
                    leader,
                    db_bytes: 41 << 20,
                    db_bytes_in_use: 38 << 20,
                    quota_bytes: Some(2 << 30),
                    cluster_version: "3.5.0".into(),
                    alarms: if self.degraded { vec![alarm] } else { Vec::new() },
                    errors: if serves { Vec::new() } else { vec!["etcdserver: no leader".into()] },
                    members: members(),
                    read: if serves { Read::Served } else { Read::NotAsked },
                    local_read: Read::Served,
                    heard: vec![Source::Client, Source::Metrics],
                    ..MemberStatus::default()
                }))
            }
            Some(0) => silent("connection refused", "Nothing listens on 10.0.0.1:2379: etcd is not running there."),
            _ => silent("no answer in 3 s", "The host does not answer: it is down, or a firewall drops the packets."),
        }
    }

    fn peer_status(&self, _endpoint: &str, member: &KnownMember) -> Answer {
        if self.peers && member.name == "m1" {
            let heard = vec![Source::Peer];
            let says = MemberStatus {
                cluster_id: CLUSTER,
                member_id: member.id,
                members: members(),
                heard,
                ..MemberStatus::default()
            };
            return Answer::Says(Box::new(says));
        }
        Answer::Silent { why: "silent".into(), details: "Its peer port does not answer either.".into() }
    }

    fn hash_kv(&self, endpoint: &str, revision: i64) -> Hashed {
        if let Some((plan, at)) = self.restored_at(endpoint) {
            let mixed = self.mixed.lock().unwrap().contains(&plan.members[at].name);
            return Hashed::Says { hash: if mixed { 0x77aa_02c1 } else { HASH }, revision, compacted: 83_000 };
        }
        let other = self.degraded && endpoint.contains("10.0.0.1");
        Hashed::Says { hash: if other { 0x77aa_02c1 } else { HASH }, revision, compacted: 83_000 }
    }

    fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String> {
        Err(format!("{endpoint} was not asked for keys from before revision {revision}"))
    }

    fn alarms(&self, _endpoint: &str) -> Queried<Vec<Alarm>> {
        Queried::Is(Vec::new())
    }

    fn stored_rows(
        &self,
        endpoint: &str,
        _most: u64,
        _watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String> {
        let (plan, at) = self.restored_at(endpoint).ok_or("nobody answers")?;
        let lacks = self.lacks_lease.lock().unwrap().contains(&plan.members[at].name);
        let lease = (!lacks).then(|| (RowKey::Lease(0x1f2e), String::new()));
        let to = if self.indices { 12 } else { 9 };
        Ok(StoredRows {
            cluster_id: plan.cluster_id,
            member_id: plan.members[at].id,
            from: 9,
            to,
            committed: to,
            rows: lease.into_iter().chain([(RowKey::AuthEnabled, "disabled".into())]).collect(),
            parts: Part::ALL.into(),
            clock: Some(ClockOffset { least: -400, most: 700 }),
            ..StoredRows::default()
        })
    }

    fn watch_from(&self, endpoint: &str, revision: i64) -> Watched {
        match self.plan.lock().unwrap().as_ref().map(|plan| (plan.mark_compacted, plan.expected_revision())) {
            Some((true, first)) if revision <= first => Watched::Compacted(first),
            Some(_) => Watched::Open,
            None => Watched::Failed(format!("{endpoint} is not restored")),
        }
    }

    fn write_canary(&self, endpoints: &[String], key: &str, _value: &str) -> Canary {
        self.canaries.lock().unwrap().push(key.into());
        Canary::Done { key: key.into(), revision: 83_800, read: endpoints.to_vec(), watched: true }
    }

    fn probe_endpoints(&self, doors: &[Endpoint]) -> Vec<ProbeResult> {
        let heard = |door: &Endpoint| match (self.answers.lock().unwrap().contains(&door.whose), door.kind) {
            (true, DoorKind::Client) => ProbeResult::Etcd {
                cluster: Some(CLUSTER),
                member: members().iter().find(|m| m.name == door.whose).map(|m| m.id),
                version: "3.5.30".into(),
                revision: Some(84_211),
            },
            (true, DoorKind::Peer) => {
                ProbeResult::Etcd { cluster: Some(CLUSTER), member: None, version: String::new(), revision: None }
            }
            (false, _) if door.url.contains("10.0.0.3") && self.unclear => {
                ProbeResult::Unclear("no answer in 2 s".into())
            }
            (false, _) => ProbeResult::Refused,
        };
        doors.iter().map(heard).collect()
    }

    fn save_snapshot(&self, _endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        for done in [0, 20 << 20, 41 << 20] {
            if watch(Progress { phase: Phase::Receive, done, total: 0 }) == Flow::Stop {
                return Err(Error::new(ErrorKind::Stopped, "stopped"));
            }
        }
        self.inspect_snapshot(into, watch)
    }

    fn is_simulated(&self) -> bool {
        self.simulated
    }
}

impl Files for MockSystem {
    fn find_snapshots(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>> {
        if places.iter().any(|p| p.ends_with("nowhere")) {
            return Err(Error::new(ErrorKind::Input, "/nowhere cannot be searched")
                .why("No such file or directory")
                .hint("Check the spelling"));
        }
        let file = |name: &str, bytes: u64, age: i64| FileFacts {
            path: Path::new("/backup").join(name),
            bytes,
            modified: Some(NOW - age),
            health: Health::Unread,
            content: None,
        };
        if places.iter().any(|p| p.ends_with("etcd-new")) {
            let saved = self.saved.iter().map(|name| {
                let path = Path::new("/var/lib/etcd-new").join(name);
                FileFacts { path, ..file(name, 41 << 20, 600) }
            });
            return match self.saved.as_slice() {
                [] => Err(Error::new(ErrorKind::Input, "/var/lib/etcd-new cannot be searched")),
                _ => Ok(saved.collect()),
            };
        }
        Ok(vec![
            file("etcd-0200.db", 41 << 20, 4320),
            file("etcd-0100.db.part", 3 << 20, 7920),
            file("m2/member/snap/db", 41 << 20, 40),
        ])
    }

    fn inspect_snapshot(&self, path: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        watch(Progress { phase: Phase::Hash, done: 20 << 20, total: 41 << 20 });
        let mut facts = self.find_snapshots(&[])?.into_iter().find(|f| f.path == path).unwrap_or(FileFacts {
            path: path.into(),
            bytes: 41 << 20,
            modified: Some(NOW - 5),
            health: Health::Unread,
            content: None,
        });
        let name = path.to_string_lossy();
        if name.ends_with(".part") {
            facts.health = Health::Broken("incomplete: page 768 is missing, the file ends at 3 MB of 9 MB".into());
        } else if name.ends_with("member/snap/db") {
            facts.health = Health::Unhashed;
            facts.content = Some(Content { kubernetes: self.kubernetes, ..content(84_152) });
        } else {
            facts.health = Health::Verified;
            let revision = if name.contains("0200") { 83_799 } else { 84_211 };
            facts.content = Some(Content { kubernetes: self.kubernetes, ..content(revision) });
        }
        Ok(facts)
    }

    fn snapshot_members(&self, _snapshot: &Path) -> Result<Vec<KnownMember>> {
        Ok(members())
    }

    fn removed_members(&self, _snapshot: &Path) -> Vec<Id> {
        Vec::new()
    }

    fn fetch_object(&self, url: &ObjectUrl, _into: &Path, _watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        Err(Error::new(ErrorKind::Input, format!("{} is in no store", url.as_str())))
    }

    fn inspect_data_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
        let database = data_dir.join("member/snap/db");
        let plan = self.plan.lock().unwrap().clone().filter(|_| self.units);
        let new = plan.and_then(|p| Some((p.cluster_id, p.members.iter().find(|m| m.data_dir == data_dir)?.id)));
        let around = self.around.iter().find(|(path, ..)| path == data_dir);
        let file = self
            .find_snapshots(&[])
            .unwrap()
            .into_iter()
            .find(|f| f.path == database || new.is_some() || around.is_some());
        let file = file.map(|file| if around.is_some() { FileFacts { path: database.clone(), ..file } } else { file });
        let says = file.map(|database| DataDirState {
            cluster_id: new.map(|(cluster, _)| cluster).or(around.map(|(_, id, _)| *id)).unwrap_or(CLUSTER),
            member_id: new.map_or(members()[1].id, |(_, member)| member),
            term: 7,
            vote: Id(0),
            commit: 90_062,
            first_index: 85_001,
            last_index: around.map_or(90_088, |(_, _, end)| *end),
            last_term: 7,
            torn: None,
            snap_index: 80_000,
            consistent_index: 90_050,
            consistent_term: Some(7),
            writes_beyond: None,
            revision: 84_152,
            database,
            received_db: None,
            members: members(),
            v2_keys: 0,
            etcd: Some(Minor::V3_5),
            written: Some(NOW - 40),
            warnings: Vec::new(),
        });
        DirFacts {
            data_dir: data_dir.into(),
            wal_dir: wal_dir.map(Path::to_path_buf),
            learned_from: String::new(),
            held: match self.held.lock().unwrap().contains(data_dir) {
                true => Held::By { pid: Some(812), program: "etcd".into() },
                false => Held::No,
            },
            state: says
                .filter(|_| new.is_some() || self.plan.lock().unwrap().is_none())
                .map_or(DirState::Absent, |says| DirState::Whole(Box::new(says))),
        }
    }

    fn hash_database(&self, database: &Path, revision: i64, _compacted: i64) -> Hashed {
        Hashed::Failed(format!("{} was not hashed at revision {revision}", database.display()).into())
    }

    fn has_keys(&self, database: &Path, _revision: i64, _keys: &[OldKey]) -> Result<bool> {
        Err(Error::new(ErrorKind::Input, format!("{} is not read here", database.display())))
    }

    fn same_history(&self, _first: &Path, _second: &Path) -> Result<History> {
        Ok(History::Same { rows: 32, until: 83_799 })
    }

    fn compare_databases(
        &self,
        first: &Path,
        _second: &Path,
        watch: &mut ProgressFn<'_>,
    ) -> Result<(Difference, bool)> {
        watch(Progress { phase: Phase::Check, done: 0, total: 0 });
        let lost = [("deployments", 3), ("pods", 96)].map(|(kind, n)| (kind.to_string(), n));
        let difference = Difference {
            history: History::Same { rows: 4112, until: 83_799 },
            newer: 84_152,
            older: 83_799,
            seconds: Some(4280),
            lost: lost.into(),
            back: 88,
        };
        Ok((difference, first.ends_with("etcd-0200.db")))
    }

    fn planned_hash(&self, _plan: &Plan, compacted: i64, _watch: &mut ProgressFn<'_>) -> Result<PlannedHash> {
        Ok(PlannedHash { hash: HASH, compacted })
    }

    fn planned_rows(&self, _plan: &Plan, _watch: &mut ProgressFn<'_>) -> Result<StoredRows> {
        let rows = [
            (RowKey::Lease(0x1f2e), String::new()),
            (RowKey::LeaseTtl(0x1f2e), "3600 s".into()),
            (RowKey::AuthEnabled, "disabled".into()),
        ];
        Ok(StoredRows { rows: rows.into(), parts: Part::ALL.into(), ..StoredRows::default() })
    }

    fn post_restore(&self, _plan: &Plan, _watch: &mut ProgressFn<'_>) -> Result<Data> {
        let lease =
            |id: &str, seconds, key: &str| Lease { id: id.into(), seconds, keys: 1, first_keys: vec![key.into()] };
        let kubernetes = self.kubernetes.then(|| Kubernetes {
            prefix: "/registry/".into(),
            nodes: vec!["m1".into(), "node-1".into()],
            api_servers: vec!["10.0.0.1".into(), "10.0.0.9".into()],
            service_accounts: 41,
            sealed: Vec::new(),
        });
        let leases = vec![lease("1f2e", 15, "/locks/leader"), lease("2a", 3600, "/jobs/nightly")];
        let clients = kubernetes.iter().map(|_| Client::Kubernetes).collect();
        Ok(Data { leases, kubernetes, clients })
    }

    fn read_certificates(&self, named: &[certificates::Named]) -> certificates::CertificateFacts {
        let Some(ip) = self.certificates_for else { return certificates::CertificateFacts::default() };
        let cert = |n: &certificates::Named| certificates::Cert {
            subject: format!("CN={}", n.cert.file_stem().unwrap_or_default().to_string_lossy()),
            ips: vec![ip],
            not_before: NOW - 86_400,
            not_after: NOW + 9 * 86_400,
            server_auth: true,
            client_auth: true,
            ..certificates::Cert::default()
        };
        let files = named.iter().map(|n| certificates::Files {
            named: n.clone(),
            cert: Ok(cert(n)),
            key: certificates::Key::Matches,
            ca: None,
        });
        certificates::CertificateFacts { files: files.collect(), distrust: Vec::new() }
    }

    fn create_dir(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }

    fn write_new(&self, path: &Path, text: &str) -> Result<()> {
        let mut written = self.written.lock().unwrap();
        if written.iter().any(|(p, _)| p == path) {
            return Err(Error::new(ErrorKind::Input, format!("{} exists already", path.display()))
                .hint("Give it another name; nothing is written over"));
        }
        written.push((path.into(), text.into()));
        Ok(())
    }

    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.journals.lock().unwrap().get(path).cloned())
    }

    fn journals(&self, dir: &Path) -> Vec<(PathBuf, Result<Vec<JournalRecord>>)> {
        let journals = self.journals.lock().unwrap();
        let here = journals.iter().filter(|(path, _)| path.starts_with(dir));
        let read =
            |text: &str| verify(text).map_err(|why| Error::new(ErrorKind::Input, "the journal is not whole").why(why));
        here.map(|(path, text)| (path.clone(), read(text))).collect()
    }

    fn append_line(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()> {
        let mut journals = self.journals.lock().unwrap();
        let text = journals.entry(path.into()).or_default();
        let line = line(text)?;
        text.push_str(&line);
        Ok(())
    }
}

impl Hosts for MockSystem {
    fn operator(&self) -> String {
        "somebody".into()
    }

    fn addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }

    fn is_this_machine(&self, host: &str) -> bool {
        host == "10.0.0.2"
    }

    fn discover_configs(&self) -> Vec<ConfigFacts> {
        let plan = self.plan.lock().unwrap().clone().filter(|_| self.units);
        let process = |(at, (path, ..)): (usize, &(PathBuf, Id, u64))| ConfigFacts {
            origin: Origin::Process(800 + u32::try_from(at).unwrap()),
            kind: ConfigKind::Process,
            flags: Vec::new(),
            data_dir: Some(path.clone()),
            wal_dir: None,
            automation: Vec::new(),
            notes: Vec::new(),
            runs: Default::default(),
        };
        let around = self.around.iter().enumerate().map(process);
        plan.iter().flat_map(|plan| &plan.members).map(unit).chain(around).collect()
    }

    fn member_ops(&self) -> &dyn MemberOps {
        self
    }

    fn open_session(&self, host: &str, dirs: &[PathBuf], _stop: Stop<'_>) -> Result<Box<dyn HostSession + '_>> {
        if self.unreachable.lock().unwrap().contains(host) {
            return Err(Error::new(ErrorKind::NoAnswer, format!("{host}: cannot be reached by ssh"))
                .why("connection refused: nothing listens on its ssh port")
                .hint("Check that sshd is running there, and on which port."));
        }
        let place = |path: &PathBuf| Place {
            path: path.clone(),
            state: PlaceState::Absent,
            there: "/var/lib".into(),
            owner: "root:root".into(),
            writable: true,
            mount: "/".into(),
            read_only: false,
            free: Some(40 << 30),
        };
        let mut facts = HostFacts {
            system: "Linux".into(),
            machine: std::env::consts::ARCH.into(),
            user: "root".into(),
            root: Root::Is,
            places: dirs.iter().map(place).collect(),
            ..HostFacts::default()
        };
        if let Some(change) = self.odd.lock().unwrap().get(host) {
            change(&mut facts);
        }
        Ok(Box::new(LocalHost::new(self, facts)))
    }
}

impl Clock for MockSystem {
    fn now(&self) -> i64 {
        assert!(!self.clock_panics, "the made-up clock broke");
        NOW
    }

    fn monotonic(&self) -> Duration {
        *self.waited.lock().unwrap()
    }

    fn sleep(&self, time: Duration) {
        *self.waited.lock().unwrap() += time;
    }

    fn random_suffix(&self) -> String {
        "7f3a".into()
    }
}

/// A unit that starts a member as the plan has it; m3's is still as it was before.
fn unit(member: &Member) -> ConfigFacts {
    let name = if member.name == "m3" { "old-3" } else { &member.name };
    let mut flags: Vec<(String, String)> = [
        ("name", name.to_string()),
        ("initial-advertise-peer-urls", member.peer_urls.join(",")),
        ("advertise-client-urls", member.client_urls.join(",")),
        ("listen-peer-urls", "https://0.0.0.0:2380".into()),
        ("listen-client-urls", "https://0.0.0.0:2379".into()),
    ]
    .map(|(flag, value)| (flag.to_string(), value))
    .into();
    let own = member.etcd_flags.iter().filter_map(|flag| flag.trim_start_matches('-').split_once('='));
    flags.extend(own.map(|(flag, value)| (flag.to_string(), value.to_string())));
    let service = format!("etcd-{}.service", member.name);
    let from = format!("/etc/systemd/system/{service}");
    ConfigFacts {
        origin: Origin::File(from.clone().into()),
        kind: ConfigKind::Unit,
        flags: flags.into_iter().map(|(flag, value)| Setting { flag, value, from: from.clone() }).collect(),
        data_dir: Some(member.data_dir.clone()),
        wal_dir: member.wal_dir.clone(),
        automation: vec![Automation {
            names_file: false,
            what: format!("systemd starts {service} only on request"),
            active: false,
            pause: String::new(),
            resume: format!("systemctl start --no-block {service}"),
        }],
        notes: Vec::new(),
        runs: Default::default(),
    }
}

impl MemberOps for MockSystem {
    fn claim(&self, _run: &Run, _targets: &[PathBuf]) -> std::result::Result<RunLock, NotClaimed> {
        Ok(RunLock::default())
    }

    fn journal(&self, _target: &Path, plan: &str) -> PathBuf {
        format!("/var/lib/.requorum-{plan}.journal").into()
    }

    fn have(&self, wanted: &Wanted, _watch: &mut ProgressFn<'_>) -> Result<Have> {
        Ok(Have::All(wanted.at.clone()))
    }

    fn member_state(&self, work: &PlannedMember<'_>) -> Result<MemberState> {
        if self.placed.lock().unwrap().iter().any(|name| name == work.name) {
            let restored = self.read_back(work.plan, work.name);
            return Ok(MemberState::InPlace(Swapped { name: work.name.into(), restored, places: Vec::new() }));
        }
        let built = self.restored.lock().unwrap().iter().any(|name| name == work.name);
        Ok(if built { MemberState::Staged(self.read_back(work.plan, work.name)) } else { MemberState::Nothing })
    }

    fn stage(&self, work: &PlannedMember<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored> {
        self.restore(work.plan, work.name, watch)
    }

    fn swap(&self, work: &PlannedMember<'_>, _stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped> {
        let restored = self.read_back(work.plan, work.name);
        let swapped = Swapped { name: work.name.into(), restored, places: Vec::new() };
        self.placed.lock().unwrap().push(work.name.into());
        record(&swapped)?;
        Ok(swapped)
    }

    fn undo(
        &self,
        work: &PlannedMember<'_>,
        _swapped: &Swapped,
        stamp: &str,
        record: Record<'_, Renames>,
    ) -> Result<Renames> {
        let dir = &work.member()?.data_dir;
        let went = vec![(dir.clone(), format!("{}.undone-{stamp}", dir.display()).into())];
        self.placed.lock().unwrap().retain(|name| name != work.name);
        self.restored.lock().unwrap().retain(|name| name != work.name);
        record(&went)?;
        Ok(went)
    }

    fn discard(&self, work: &PlannedMember<'_>) -> Result<()> {
        self.restored.lock().unwrap().retain(|name| name != work.name);
        Ok(())
    }

    fn halt(&self, _halt: &RunningEtcd) -> Result<()> {
        Ok(())
    }

    fn start(&self, work: &PlannedMember<'_>, commands: &[String], _watch: &mut ProgressFn<'_>) -> Result<Option<u32>> {
        self.started.lock().unwrap().push((work.name.into(), commands.to_vec()));
        Ok(Some(4711))
    }
}

impl MockSystem {
    /// Builds a member.
    pub fn restore(&self, plan: &Plan, name: &str, watch: &mut ProgressFn<'_>) -> Result<Restored> {
        let member = plan.members.iter().find(|m| m.name == name).expect("a member of the plan");
        for (phase, total) in [(Phase::Copy, 41 << 20), (Phase::Prove, 41 << 20)] {
            for done in [0, total / 2, total] {
                if watch(Progress { phase, done, total }) == Flow::Stop {
                    return Err(Error::new(ErrorKind::Stopped, format!("{name} was stopped")));
                }
            }
            if self.failing.lock().unwrap().contains(name) {
                return Err(Error::new(ErrorKind::Failed, format!("{} cannot be written", member.data_dir.display()))
                    .why("no space: 12 MB free, 140 MB needed")
                    .hint("Free 128 MB there, or give this member another data directory on Members"));
            }
        }
        self.restored.lock().unwrap().push(name.to_string());
        *self.plan.lock().unwrap() = Some(plan.clone());
        Ok(self.read_back(plan, name))
    }

    fn read_back(&self, plan: &Plan, name: &str) -> Restored {
        let member = plan.members.iter().find(|m| m.name == name).expect("a member of the plan");
        let expected = Expected::from_plan(plan, name).unwrap();
        Restored {
            name: name.into(),
            member_id: member.id,
            cluster_id: plan.cluster_id,
            data_dir: member.data_dir.clone(),
            revision: if self.lies { 1 } else { plan.expected_revision() },
            keys: expected.keys,
            bytes: 41 << 20,
            members: expected.members,
            source_sha256: expected.source_sha256,
            log_sha256: expected.log_sha256,
        }
    }
}

/// The wizard's start on the made-up cluster.
pub fn options() -> Options {
    Options {
        endpoints: ["https://10.0.0.2:2379", "https://10.0.0.1:2379", "https://10.0.0.3:2379"].map(String::from).into(),
        places: vec!["/backup".into()],
        label: Some("prod-eu".into()),
        base_dir: "/var/lib/etcd-new".into(),
        here: "/root".into(),
        journals: "/root/.local/state/requorum".into(),
        ..Options::default()
    }
}
