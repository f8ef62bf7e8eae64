//! Reads the output of `docker inspect` and `podman inspect` for a container that runs etcd.

use std::path::Path;

use serde_json::Value;

use super::{
    command_line::{self, ParseContext, Reading, Started},
    flags,
    host_names::Host,
    path_mapping::{self, Mount},
    root_fs::Tree,
};
use crate::{
    domain::model::observations::config::{ConfigFacts, ConfigKind, Origin},
    text::Shown,
};

/// Returns the containers in the output; `None` if it is something else.
pub(super) fn containers(document: &Value) -> Option<&[Value]> {
    let list = document.as_array()?;
    let is_container = |item: &Value| item.get("Config").is_some_and(Value::is_object) && item.get("Path").is_some();
    (!list.is_empty() && list.iter().all(is_container)).then_some(list)
}

/// Returns the etcd in a container; `None` if it runs something else.
pub(super) fn read(tree: Tree<'_>, host: &Host, path: &Path, container: &Value) -> Option<ConfigFacts> {
    let texts = |value: Option<&Value>| -> Vec<String> {
        let list = value.and_then(Value::as_array).into_iter().flatten();
        list.filter_map(|item| item.as_str().map(String::from)).collect()
    };
    let config = container.get("Config")?;
    let env: Vec<(String, String)> = texts(config.get("Env"))
        .iter()
        .filter_map(|pair| pair.split_once('=').map(|(n, v)| (n.to_string(), v.to_string())))
        .collect();
    let mut words = vec![container.get("Path")?.as_str()?.to_string()];
    words.extend(texts(container.get("Args")));
    let around = ParseContext { host, variables: env.iter().cloned().collect() };
    let Started::Etcd(words) = command_line::etcd_in(&words, &around) else { return None };
    let mount = |mount: &Value| {
        let text = |key: &str| mount.get(key)?.as_str().map(Into::into);
        Some(Mount { inside: text("Destination")?, host: text("Source")? })
    };
    let mounts: Vec<Mount> =
        container.get("Mounts").and_then(Value::as_array).into_iter().flatten().filter_map(mount).collect();
    let place = path.shown().to_string();
    let here = config.get("WorkingDir").and_then(Value::as_str).filter(|dir| !dir.is_empty()).unwrap_or("/");
    let mut notes = words.notes.clone();
    let given = env.iter().chain(&words.variables);
    let variables = flags::of_variables(given.map(|(n, v)| (n.as_str(), v.as_str(), place.as_str())), &mut notes);
    notes.extend(flags::beyond(&words.args));
    let args = flags::of_args(&words.args, &place);
    // A configuration file is inside the container, where it cannot be read.
    let inside = Host { here: false, ..host.clone() };
    let mut reads = Vec::new();
    let mut reading = Reading { tree, host: &inside, here: Path::new(here), reads: &mut reads, notes: &mut notes };
    let flags = command_line::effective(args, variables, &mut reading);
    let (data_dir, wal_dir) = path_mapping::dirs(&flags, Path::new(here), &mounts);
    Some(ConfigFacts {
        origin: Origin::File(path.into()),
        kind: ConfigKind::Process,
        flags: flags::settled(flags, &mut notes),
        data_dir,
        wal_dir,
        automation: Vec::new(),
        notes,
        runs: Default::default(),
    })
}
