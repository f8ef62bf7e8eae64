//! This machine and the members that it can reach: the system of real recoveries.

mod files;
mod host_report;
mod journal_file;
mod member_ops;
mod service;
mod snapshot_search;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, TcpListener},
    path::{Path, PathBuf},
    sync::LazyLock,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

pub use journal_file::strange_journal;

use super::{
    Clock, Cluster, Hosts,
    discovery::discover,
    etcd_client::Members,
    host_session::{HostSession, LocalHost},
    member_ops::MemberOps,
    net::resolve::lookup,
    ssh::{Programs, Ssh, Stop},
};
use crate::{
    domain::{
        model::{
            host_address,
            observations::{
                Alarm, Answer, FileFacts, Hashed, KnownMember,
                config::ConfigFacts,
                host::HostFacts,
                rows::StoredRows,
                started::{Canary, Queried, Watched},
            },
            old_cluster::{Endpoint, ProbeResult},
        },
        quorum::known::OldKey,
    },
    engine::{progress::ProgressFn, restore::Tools, scan::examine},
    error::Result,
};

/// This machine.
#[derive(Debug)]
pub struct Local {
    members: Members,
    /// How other hosts are reached.
    ssh: Ssh,
    /// The root directory for configurations.
    root: PathBuf,
    /// The directory that the inspection of this machine is limited to; see [`Local::within`].
    within: Option<PathBuf>,
    /// The snapshot that was read last: the members of a plan are restored from one reading.
    tools: Tools,
}

impl Local {
    /// Creates this machine's system with these members, other hosts by plain `ssh`.
    pub fn new(members: Members) -> Local {
        Local { members, ssh: Ssh::default(), root: "/".into(), within: None, tools: Tools::default() }
    }

    /// Searches configurations below `root`, as if it were `/`.
    #[must_use]
    pub fn below(self, root: PathBuf) -> Local {
        Local { root, ..self }
    }

    /// Keeps run locks and journals of members no higher than `dir`, and inspects neither this machine's users nor the etcds
    /// that run on it.
    #[must_use]
    pub fn within(self, dir: PathBuf) -> Local {
        Local { within: Some(dir), ..self }
    }

    /// Reaches other hosts by this `ssh`.
    #[must_use]
    pub fn by(self, ssh: Ssh) -> Local {
        Local { ssh, ..self }
    }
}

impl Cluster for Local {
    fn trust_endpoints(&self, endpoints: &[String]) {
        self.members.name_endpoints(endpoints);
    }

    fn member_status(&self, endpoint: &str) -> Answer {
        self.members.member_status(endpoint)
    }

    fn peer_status(&self, _endpoint: &str, member: &KnownMember) -> Answer {
        self.members.peer_status(member)
    }

    fn hash_kv(&self, endpoint: &str, revision: i64) -> Hashed {
        self.members.hash_kv(endpoint, revision)
    }

    fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String> {
        self.members.old_keys(endpoint, revision)
    }

    fn alarms(&self, endpoint: &str) -> Queried<Vec<Alarm>> {
        self.members.alarms(endpoint)
    }

    fn stored_rows(
        &self,
        endpoint: &str,
        most: u64,
        watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String> {
        self.members.stored_rows(endpoint, most, watch)
    }

    fn watch_from(&self, endpoint: &str, revision: i64) -> Watched {
        self.members.watch_from(endpoint, revision)
    }

    fn write_canary(&self, endpoints: &[String], key: &str, value: &str) -> Canary {
        self.members.write_canary(endpoints, key, value)
    }

    fn probe_endpoints(&self, endpoints: &[Endpoint]) -> Vec<ProbeResult> {
        self.members.probe_endpoints(endpoints)
    }

    fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        self.members.save_snapshot(endpoint, into, watch)?;
        examine::examine(into, watch)
    }
}

impl Hosts for Local {
    fn operator(&self) -> String {
        // The user who called sudo says more than root.
        let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        let user = user.unwrap_or_else(|| host_report::name_of(rustix::process::getuid().as_raw(), "/etc/passwd"));
        format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
        let ip = |address: nix::sys::socket::SockaddrStorage| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        };
        interfaces.filter_map(|interface| ip(interface.address?)).collect()
    }

    fn is_this_machine(&self, host: &str) -> bool {
        // Only this machine's own addresses can be bound.
        lookup(host, 0).is_ok_and(|addresses| TcpListener::bind(addresses.as_slice()).is_ok())
    }

    fn discover_configs(&self) -> Vec<ConfigFacts> {
        discover(&self.root)
    }

    fn member_ops(&self) -> &dyn MemberOps {
        self
    }

    fn programs(&self) -> Result<Programs> {
        Programs::find(&self.ssh.agents)
    }

    fn open_session(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Box<dyn HostSession + '_>> {
        if !host_address::is_local(host) {
            return Ok(Box::new(self.ssh.open(host, dirs, stop)?));
        }
        let facts = HostFacts { addresses: self.addresses(), ..host_report::look(dirs, self.within.is_none()) };
        Ok(Box::new(LocalHost::new(self, facts)))
    }
}

impl Clock for Local {
    fn now(&self) -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|t| i64::try_from(t.as_secs()).ok()).unwrap_or(0)
    }

    fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }

    fn random_suffix(&self) -> String {
        let mut bytes = [0u8; 4];
        // The kernel's generator does not fail once it is up; before that the clock is good enough.
        if rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty()).is_err() {
            bytes = std::process::id().to_be_bytes();
        }
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}
