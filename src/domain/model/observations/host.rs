//! What a host is, as one inspection over a connection reported, before anything is written there. Plain data.

use std::{net::IpAddr, path::PathBuf};

use crate::text::Foreign;

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFacts {
    /// `uname -s`: `Linux`.
    pub system: Foreign,
    /// `uname -m`: `x86_64`, `aarch64`.
    pub machine: String,
    /// Who one is there.
    pub user: Foreign,
    /// Whether files of others may be written: as root, or by `sudo` without a password.
    pub root: Root,
    /// Its clock less ours, in seconds.
    pub skew: i64,
    /// Its addresses, as it reports them itself.
    pub addresses: Vec<IpAddr>,
    /// Etcds that run there: the process ID and the command line.
    pub etcds: Vec<(u32, Foreign)>,
    /// A requorum on the PATH there.
    pub installed: Option<Installed>,
    /// The directories that were asked about, in that order.
    pub places: Vec<Place>,
}

/// How the work is done on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Root {
    /// The user is root.
    Is,
    /// `sudo -n` works.
    Sudo,
    /// Neither.
    #[default]
    No,
}

/// A program on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its path.
    pub path: String,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// What `--version` says.
    pub version: Foreign,
}

/// One directory to be created, and its filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub path: PathBuf,
    /// What is there.
    pub state: PlaceState,
    /// The deepest directory on its way that exists: itself, where it does.
    pub there: PathBuf,
    /// `USER:GROUP` of that one; empty where it does not tell.
    pub owner: Foreign,
    /// Whether one may write there.
    pub writable: bool,
    /// Where its filesystem is mounted.
    pub mount: Foreign,
    /// Whether that is mounted read-only.
    pub read_only: bool,
    /// Bytes that are free there.
    pub free: Option<u64>,
}

/// What is at the path where a directory is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceState {
    /// Nothing.
    Absent,
    /// A directory with these entries.
    Dir(Vec<Foreign>),
    /// A directory that may not be listed.
    Closed,
    /// Something else.
    File,
}
