//! Running etcds, from `/proc`; processes that only use the name are left out.

use std::path::{Path, PathBuf};

use super::{
    command_line::{self, Reading},
    flags,
    host_names::Host,
    owner::{self, Lock},
    path_mapping,
    root_fs::Tree,
};
use crate::domain::model::observations::config::{ConfigFacts, ConfigKind, Origin};

/// Returns all of them, by process ID, and the files that they read.
pub(super) fn find(tree: Tree<'_>, host: &Host) -> (Vec<ConfigFacts>, Vec<PathBuf>) {
    let mut pids: Vec<u32> = tree.names(Path::new("/proc")).iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    let mut reads = Vec::new();
    let found = pids.into_iter().filter_map(|pid| read(tree, host, pid, &mut reads)).collect();
    (found, reads)
}

fn read(tree: Tree<'_>, host: &Host, pid: u32, reads: &mut Vec<PathBuf>) -> Option<ConfigFacts> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let line = tree.text(&proc.join("cmdline")).ok()?;
    let mut words = line.split_terminator('\0').map(String::from);
    if !command_line::is_etcd(super::wrappers::base(&words.next()?)) {
        return None;
    }
    let words: Vec<String> = words.collect();
    // `etcd gateway` and `etcd grpc-proxy` are not members.
    if words.first().is_some_and(|word| !word.starts_with('-')) {
        return None;
    }
    let owner = owner::owner_of(tree, pid)?;
    let mut notes = Vec::new();
    let environment = tree.text(&proc.join("environ")).unwrap_or_else(|e| {
        notes.push(format!("its ETCD_ variables cannot be read ({e})"));
        String::new()
    });
    let place = format!("process {pid} of {}", owner.called);
    let (arguments, variables) = (format!("arguments of {place}"), format!("environment of {place}"));
    let named = environment.split('\0').filter_map(|pair| pair.split_once('='));
    let named = named.map(|(name, value)| (name, value, variables.as_str()));
    let variables = flags::of_variables(named, &mut notes);
    let here = tree.link(&proc.join("cwd")).unwrap_or_else(|| {
        notes.push("its working directory cannot be read; relative paths are taken from /".into());
        "/".into()
    });
    let args = flags::of_args(&words, &arguments);
    // In a container its files differ from ours of the same name; the system shows them below its root.
    let mounted = |pid: &str| tree.link(&Path::new("/proc").join(pid).join("ns/mnt"));
    let apart = mounted(&pid.to_string()).is_some_and(|its| mounted("self").is_some_and(|ours| ours != its));
    let below = proc.join("root");
    let inner = tree.real(&below);
    let files = if apart { Tree(&inner) } else { tree };
    let mut its_reads = Vec::new();
    let mut reading = Reading { tree: files, host, here: &here, reads: &mut its_reads, notes: &mut notes };
    let flags = command_line::effective(args, variables, &mut reading);
    let (data_dir, wal_dir) = path_mapping::dirs(&flags, &here, &[]);
    let seen = |path: PathBuf| match apart {
        true => below.join(path.strip_prefix("/").unwrap_or(&path)),
        false => path,
    };
    let (data_dir, wal_dir) = (data_dir.map(seen), wal_dir.map(seen));
    let data = data_dir.as_deref().filter(|data| owner::may_have(tree, pid, &owner, data))?;
    match owner::lock(tree, pid, data, wal_dir.as_deref()) {
        Lock::Held => {}
        Lock::NotHeld => return None,
        Lock::Unknown => notes.push("unknown whether it has the lock of its data directory".into()),
    }
    reads.append(&mut its_reads);
    if apart {
        notes.push("it runs in a container; its directories are shown as this machine sees them".into());
    }
    Some(ConfigFacts {
        origin: Origin::Process(pid),
        kind: ConfigKind::Process,
        flags,
        data_dir,
        wal_dir,
        automation: Vec::new(),
        notes,
        runs: Default::default(),
    })
}
