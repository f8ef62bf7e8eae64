//! The one door to the outside, in four traits: [`Cluster`] asks members, [`Files`] reads and writes this machine's files,
//! [`Hosts`] reaches hosts, [`Clock`] keeps the time.
//!
//! The wizard and the command line act through them; which implementation they were given is the only difference between
//! a rehearsal and 3 a.m. An implementation acts and reports; it decides nothing.

pub mod agent_server;
mod certificates;
mod clock;
mod cluster;
pub mod cluster_profiles;
pub mod discovery;
pub mod etcd_client;
mod files;
pub mod hash_compare;
pub mod host_session;
mod hosts;
pub mod journal;
mod journal_record;
pub mod local;
pub mod member_ops;
pub mod net;
pub mod object_store;
pub mod probe;
mod secrets;
pub mod ssh;

use std::{path::PathBuf, str::FromStr};

pub use clock::Clock;
pub use cluster::Cluster;
pub use files::Files;
pub use hosts::Hosts;

use crate::domain::model::observations::{MachineFacts, disk::DirFacts};

/// A data directory as given, `DIR` or `DIR:WAL-DIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// `--data-dir`.
    pub data: PathBuf,
    /// `--wal-dir`, if it is elsewhere.
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

/// All four at once, for what needs them all: whatever implements them is one.
pub trait System: Cluster + Files + Hosts + Clock {
    /// Returns this machine's configurations and the data directories that they and the operator name (`named`, first),
    /// each inspected once.
    fn inspect_machine(&self, named: &[DataDir]) -> MachineFacts {
        let mut around =
            MachineFacts { configs: self.discover_configs(), dirs: Vec::new(), addresses: self.addresses() };
        for dir in named {
            around.dirs.push(self.inspect_data_dir(&dir.data, dir.wal.as_deref()));
        }
        for config in &around.configs {
            let Some(data) = config.data_dir.as_deref() else { continue };
            match around.dirs.iter_mut().find(|dir| dir.data_dir == data) {
                Some(known) if known.learned_from.is_empty() => known.learned_from = config.place(),
                Some(_) => {}
                None => {
                    let seen = self.inspect_data_dir(data, config.wal_dir.as_deref());
                    around.dirs.push(DirFacts { learned_from: config.place(), ..seen });
                }
            }
        }
        around
    }
}

impl<T: Cluster + Files + Hosts + Clock + ?Sized> System for T {}
