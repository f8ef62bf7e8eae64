//! How an etcd is, or would be, started on this machine: running processes, systemd units, kubeadm's static pods, files
//! in their usual places. Everything is only read; secrets are left out where they are read.

mod flags;
mod on_host;
mod pods;
mod process;
mod program;
mod systemd;
mod tree;
mod units;
mod yaml;

use std::path::{Path, PathBuf};

use self::tree::Tree;
use crate::{
    engine::source::io_trouble,
    plan::{
        facts::config::{ConfigFacts, ConfigKind, Origin},
        launch::flags::is_known,
    },
    trouble::{Kind, Result, Trouble},
};

/// Files of `ETCD_…` variables where distributions and kubespray put them.
const ENVIRONMENT_FILES: [&str; 5] =
    ["/etc/default/etcd", "/etc/sysconfig/etcd", "/etc/etcd/etcd.conf", "/etc/etcd.env", "/etc/etcd/etcd.env"];
/// etcd's own YAML configuration where its documentation and distributions put it.
const CONFIG_FILES: [&str; 6] = [
    "/etc/etcd/etcd.conf.yml",
    "/etc/etcd/etcd.conf.yaml",
    "/etc/etcd/etcd.yml",
    "/etc/etcd/etcd.yaml",
    "/etc/etcd/config.yaml",
    "/etc/etcd.conf.yml",
];

/// All configurations below `root`, which is `/` but in tests: what runs first, then what would be started, then files
/// that nothing found here names.
pub fn discover(root: &Path) -> Vec<ConfigFacts> {
    let tree = Tree(root);
    let (mut found, mut read) = process::find(tree);
    for unit in units::find(tree) {
        read.extend(unit.reads);
        found.push(unit.facts);
    }
    found.extend(pods::find(tree));
    let unread = |path: &&str| !read.iter().any(|read| read == Path::new(path));
    found.extend(ENVIRONMENT_FILES.iter().copied().filter(unread).filter_map(|path| environment_file(tree, path)));
    found.extend(CONFIG_FILES.iter().copied().filter(unread).filter_map(|path| config_file(tree, path)));
    found
}

/// One configuration by its file: a unit, a static pod's manifest, a file of `ETCD_…` variables, or etcd's own YAML. A copy
/// of another host's is taken for the file in its usual place there.
///
/// # Errors
/// `Input` where it cannot be read, or starts no etcd.
pub fn one(path: &Path) -> Result<ConfigFacts> {
    let wrong = |why: &str| {
        Trouble::new(Kind::Input, format!("{} does not say how an etcd is started", path.display())).why(why)
    };
    let name = path.to_str().ok_or_else(|| wrong("its name is no UTF-8"))?;
    let tree = Tree(Path::new("/"));
    let text = tree.text(path).map_err(|e| io_trouble("read", path, &e))?;
    let base = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (found, usual) = if base.ends_with(".service") {
        (units::alone(tree, path, &text), format!("/etc/systemd/system/{base}"))
    } else if let Some(pod) = pods::read(tree, path, true).filter(|pod| !pod.flags.is_empty()) {
        (Some(pod), "/etc/kubernetes/manifests/etcd.yaml".into())
    } else if let Some(file) = environment_file(tree, name) {
        (Some(file), ENVIRONMENT_FILES.first().map(ToString::to_string).unwrap_or_default())
    } else {
        (
            config_file(tree, name).filter(|file| file.flags.iter().any(|s| is_known(&s.flag))),
            CONFIG_FILES.first().map(ToString::to_string).unwrap_or_default(),
        )
    };
    let mut facts = found.ok_or_else(|| wrong("it has no flags of etcd in a form that is known"))?;
    if !path.starts_with("/etc") {
        facts.origin = Origin::File(usual.into());
    }
    Ok(facts)
}

/// A file by itself does not say where etcd is started: only an absolute directory is one.
fn alone(path: &str, kind: ConfigKind, flags: Vec<crate::plan::facts::config::Setting>) -> ConfigFacts {
    let (data_dir, wal_dir) = on_host::dirs(&flags, Path::new(""), &[]);
    let absolute = |dir: Option<PathBuf>| dir.filter(|dir| dir.is_absolute());
    ConfigFacts {
        origin: Origin::File(path.into()),
        kind,
        flags,
        data_dir: absolute(data_dir),
        wal_dir: absolute(wal_dir),
        automation: Vec::new(),
        notes: Vec::new(),
    }
}

fn environment_file(tree: Tree<'_>, path: &str) -> Option<ConfigFacts> {
    let mut variables = systemd::Variables::new();
    systemd::environment_file(&tree.text(Path::new(path)).ok()?, path, &mut variables);
    let named = variables.iter().map(|(name, (value, from))| (name.as_str(), value.as_str(), from.as_str()));
    let flags = flags::of_variables(named);
    (!flags.is_empty()).then(|| alone(path, ConfigKind::EnvironmentFile, flags))
}

fn config_file(tree: Tree<'_>, path: &str) -> Option<ConfigFacts> {
    let text = tree.text(Path::new(path)).ok()?;
    match yaml::parse(&text) {
        Ok(document) => {
            let flags = flags::of_file(&document, path);
            (!flags.is_empty()).then(|| alone(path, ConfigKind::ConfigFile, flags))
        }
        Err(why) => {
            let mut facts = alone(path, ConfigKind::ConfigFile, Vec::new());
            facts.notes.push(why);
            Some(facts)
        }
    }
}

#[cfg(test)]
mod tests;
