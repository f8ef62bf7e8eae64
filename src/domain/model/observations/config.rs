//! How an etcd is, or would be, started on this machine, as its unit, manifest, files or process tell. Plain data
//! without judgement, and without secrets: those are taken out where they are read.

use crate::text::Shown;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One configuration of an etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFacts {
    /// Where it was read.
    pub origin: Origin,
    /// What kind of configuration it is.
    pub kind: ConfigKind,
    /// The flags that are in effect, each once, in the order in which they were found. Where a `--config-file` is given
    /// it is the only source, as for etcd; otherwise a flag goes before its `ETCD_…` variable.
    pub flags: Vec<Setting>,
    /// The data directory on this machine, absolute, with the place where etcd would be started and a pod's mounts taken
    /// into account; none where that is not known.
    pub data_dir: Option<PathBuf>,
    /// The same for `--wal-dir`; none where the log is in the data directory.
    pub wal_dir: Option<PathBuf>,
    /// What starts this etcd again, or fights with whoever changes its files.
    pub automation: Vec<Automation>,
    /// What could not be read or was passed over, each a sentence.
    pub notes: Vec<String>,
    /// What its command runs.
    #[serde(default)]
    pub runs: Runs,
}

/// What the command of a configuration runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Runs {
    /// Not known.
    #[default]
    Untold,
    /// This program, by its absolute path.
    Program(String),
    /// A container, by this runtime: `docker`.
    Container(String),
}

/// Where a configuration was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// This file.
    File(PathBuf),
    /// This running process.
    Process(u32),
}

/// What kind of configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigKind {
    /// A running etcd.
    Process,
    /// A systemd unit with its drop-ins and environment files.
    Unit,
    /// kubeadm's static pod, where the kubelet looks.
    StaticPod,
    /// A copy of the static pod, where the kubelet does not look.
    ParkedPod,
    /// A file of `ETCD_…` variables that no unit found here names.
    EnvironmentFile,
    /// etcd's own YAML configuration that nothing found here names.
    ConfigFile,
}

/// One flag and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// The flag without its dashes: `initial-advertise-peer-urls`.
    pub flag: String,
    /// Its value; [`WITHHELD`] for a secret.
    pub value: String,
    /// Where it came from, in words: `ExecStart of /etc/systemd/system/etcd.service`.
    pub from: String,
}

/// The replacement for a secret.
pub const WITHHELD: &str = "(withheld)";

/// Something that starts an etcd again without being asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// What it does, a sentence without a full stop: `systemd starts etcd.service again whenever it ends`.
    pub what: String,
    /// True where that sentence names the file itself.
    #[serde(default)]
    pub names_file: bool,
    /// True when it would act now or at the next boot; false when it is already paused.
    pub active: bool,
    /// The command that pauses it; empty where it is paused already.
    pub pause: String,
    /// The command that takes the pause back.
    pub resume: String,
}

impl ConfigFacts {
    /// A flag's value.
    pub fn get(&self, flag: &str) -> Option<&str> {
        self.flags.iter().find(|s| s.flag == flag).map(|s| s.value.as_str())
    }

    /// Where it was read, for people: a path, or `process 812`.
    pub fn place(&self) -> String {
        match &self.origin {
            Origin::File(path) => path.shown().to_string(),
            Origin::Process(pid) => format!("process {pid}"),
        }
    }
}
