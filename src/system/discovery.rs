//! How an etcd is, or would be, started on this machine: running processes, systemd units, kubeadm's static pods, files
//! in their usual places. Read-only; secrets are dropped as they are read.

mod command_line;
mod flags;
mod host_names;
mod inspected;
mod owner;
mod path_mapping;
mod pods;
mod process;
mod root_fs;
mod shell;
mod single_file;
mod systemd;
mod units;
mod wrappers;
mod yaml;

use std::path::{Path, PathBuf};

pub use self::single_file::{NotOne, one};
use self::{host_names::Host, root_fs::Tree};
use crate::domain::model::observations::config::{ConfigFacts, ConfigKind, Origin};

/// Files of `ETCD_…` variables, where distributions and kubespray put them.
const ENVIRONMENT_FILES: [&str; 5] =
    ["/etc/default/etcd", "/etc/sysconfig/etcd", "/etc/etcd/etcd.conf", "/etc/etcd.env", "/etc/etcd/etcd.env"];
/// etcd's own YAML configuration, where its documentation and distributions put it.
const CONFIG_FILES: [&str; 6] = [
    "/etc/etcd/etcd.conf.yml",
    "/etc/etcd/etcd.conf.yaml",
    "/etc/etcd/etcd.yml",
    "/etc/etcd/etcd.yaml",
    "/etc/etcd/config.yaml",
    "/etc/etcd.conf.yml",
];

/// Returns all configurations below `root`, which is `/` except in tests: running processes first, then what would be
/// started, then files that no other configuration names.
pub fn discover(root: &Path) -> Vec<ConfigFacts> {
    let tree = Tree(root);
    let host = Host::this(tree);
    let (mut found, mut read) = process::find(tree, &host);
    for unit in units::find(tree, &host) {
        read.extend(unit.reads);
        found.push(unit.facts);
    }
    found.extend(pods::find(tree, &host));
    let unread = |path: &&str| !read.iter().any(|read| read == Path::new(path));
    found.extend(ENVIRONMENT_FILES.iter().copied().filter(unread).filter_map(|path| environment_file(tree, path)));
    found.extend(CONFIG_FILES.iter().copied().filter(unread).filter_map(|path| config_file(tree, path)));
    found
}

/// Returns the running etcds by process ID: those that count, see [`owner`].
pub(super) fn running(root: &Path) -> Vec<u32> {
    let tree = Tree(root);
    let (found, _) = process::find(tree, &Host::this(tree));
    let pid = |config: ConfigFacts| if let Origin::Process(pid) = config.origin { Some(pid) } else { None };
    found.into_iter().filter_map(pid).collect()
}

/// A file by itself does not say where etcd is started: only an absolute directory is known.
fn alone(
    path: &str,
    kind: ConfigKind,
    flags: Vec<crate::domain::model::observations::config::Setting>,
    mut notes: Vec<String>,
) -> ConfigFacts {
    let (data_dir, wal_dir) = path_mapping::dirs(&flags, Path::new(""), &[]);
    let absolute = |dir: Option<PathBuf>| dir.filter(|dir| dir.is_absolute());
    ConfigFacts {
        origin: Origin::File(path.into()),
        kind,
        flags: flags::settled(flags, &mut notes),
        data_dir: absolute(data_dir),
        wal_dir: absolute(wal_dir),
        automation: Vec::new(),
        notes,
        runs: Default::default(),
    }
}

fn environment_file(tree: Tree<'_>, path: &str) -> Option<ConfigFacts> {
    let text = tree.text(Path::new(path)).ok()?;
    // A file that only has flags for a command (DAEMON_ARGS) is shown with its contents, too.
    variables_in(&text, path)
}

/// Reads a file of variables. systemd takes their values literally; what a shell would substitute is not known.
fn variables_in(text: &str, path: &str) -> Option<ConfigFacts> {
    let mut variables = systemd::Variables::new();
    systemd::shell_file(text, path, &mut variables);
    let named = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || "({_".contains(c));
    let for_shells = |value: &str| value.contains('`') || value.split('$').skip(1).any(named);
    for (value, _) in variables.values_mut().filter(|(value, _)| for_shells(value)) {
        value.insert(0, host_names::OPEN);
    }
    let named = variables.iter().map(|(name, (value, from))| (name.as_str(), value.as_str(), from.as_str()));
    let mut notes = Vec::new();
    let flags = flags::of_variables(named, &mut notes);
    notes.extend(flags::in_text(variables.iter().map(|(name, (value, _))| (name.as_str(), value.as_str()))));
    (!flags.is_empty() || !notes.is_empty()).then(|| alone(path, ConfigKind::EnvironmentFile, flags, notes))
}

fn config_file(tree: Tree<'_>, path: &str) -> Option<ConfigFacts> {
    let text = tree.text(Path::new(path)).ok()?;
    let mut notes = Vec::new();
    match yaml::parse(&text) {
        Ok(document) => {
            let flags = flags::of_file(&document, path, &mut notes);
            (!flags.is_empty()).then(|| alone(path, ConfigKind::ConfigFile, flags, notes))
        }
        Err(why) => Some(alone(path, ConfigKind::ConfigFile, Vec::new(), vec![why])),
    }
}

#[cfg(test)]
mod tests;
