//! Hosts: this machine's addresses, its operator and how etcd is started on it, sessions on other hosts, and the acts on
//! members' directories here.

use std::{net::IpAddr, path::PathBuf};

use super::{
    host_session::HostSession,
    member_ops::MemberOps,
    ssh::{Programs, Stop},
};
use crate::{domain::model::observations::config::ConfigFacts, error::Result};

/// This machine as a host, and the hosts that it can reach. All calls block, and may be made from several threads at once.
pub trait Hosts: Send + Sync {
    /// Returns who operates requorum here, for run locks and journals: `anna@laptop`.
    fn operator(&self) -> String;

    /// Returns this machine's own addresses; none where they cannot be read.
    fn addresses(&self) -> Vec<IpAddr>;

    /// Returns true if a name or address, as written in a URL, is this machine.
    fn is_this_machine(&self, host: &str) -> bool;

    /// Returns how etcd is, or would be, started on this machine.
    fn discover_configs(&self) -> Vec<ConfigFacts>;

    /// Returns the acts on members' directories on this machine.
    fn member_ops(&self) -> &dyn MemberOps;

    /// Returns the programs that do the work on hosts: the running one, unless a system has others.
    ///
    /// # Errors
    /// When the running program cannot be read, or a build that the operator named cannot be used.
    fn programs(&self) -> Result<Programs> {
        Programs::running_only()
    }

    /// Opens a session on a host and inspects it and `dirs` there. Nothing is written.
    ///
    /// # Errors
    /// `NoAnswer` when it cannot be reached or its answer is incomplete; `Stopped` when `stop` says so.
    fn open_session(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Box<dyn HostSession + '_>>;
}
