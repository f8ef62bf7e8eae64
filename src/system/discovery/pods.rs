//! kubeadm's static pod of etcd: where the kubelet looks for it, and copies that were moved aside.
//!
//! Sources: kubeadm `cmd/kubeadm/app/constants/constants.go` (paths), kubelet `pkg/kubelet/config/file_linux.go` (which
//! files of the directory count).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    command_line::{self, ParseContext, Reading, Started, Words},
    flags,
    host_names::{Host, OPEN},
    path_mapping::{self, Mount},
    root_fs::Tree,
    yaml,
};
use crate::{
    domain::model::observations::config::{Automation, ConfigFacts, ConfigKind, Origin},
    text::{Shown, join::all},
};

const KUBELET: &str = "/var/lib/kubelet/config.yaml";
const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// The suffix of a manifest that is moved aside.
const PARKED: &str = ".parked";

/// Returns all manifests of an etcd, those in effect first.
pub(super) fn find(tree: Tree<'_>, host: &Host) -> Vec<ConfigFacts> {
    let home = home(tree);
    let mut found = Vec::new();
    // The kubelet runs every file there, whatever its extension.
    for name in tree.names(&home).into_iter().filter(|name| !name.starts_with('.')) {
        found.extend(read(tree, host, &home.join(name), true));
    }
    for dir in parked_in(tree).into_iter().filter(|dir| *dir != home) {
        for name in tree.names(&dir).into_iter().filter(|name| name.contains(".yaml") || name.contains(".yml")) {
            found.extend(read(tree, host, &dir.join(name), false));
        }
    }
    found
}

/// Returns the directory that the kubelet watches.
fn home(tree: Tree<'_>) -> PathBuf {
    let configured = tree.text(Path::new(KUBELET)).ok().and_then(|text| yaml::parse(&text).ok());
    let named = configured.as_ref().and_then(|c| c.get("staticPodPath")?.as_str()).map(PathBuf::from);
    named.unwrap_or_else(|| MANIFESTS.into())
}

/// The directories where people and `kubeadm upgrade` move manifests.
fn parked_in(tree: Tree<'_>) -> Vec<PathBuf> {
    let kubernetes = Path::new("/etc/kubernetes");
    let mut dirs = vec![kubernetes.to_path_buf()];
    dirs.extend(tree.names(kubernetes).iter().filter(|n| n.starts_with("manifests")).map(|n| kubernetes.join(n)));
    let upgrades = kubernetes.join("tmp");
    for name in tree.names(&upgrades) {
        dirs.push(upgrades.join(name));
    }
    dirs
}

/// Returns the manifest in one file, if it is a pod of etcd, or cannot be read and is named like one.
pub(super) fn read(tree: Tree<'_>, host: &Host, path: &Path, in_force: bool) -> Option<ConfigFacts> {
    let its_name = path.file_name().is_some_and(|name| name.to_string_lossy().contains("etcd"));
    let kind = if in_force { ConfigKind::StaticPod } else { ConfigKind::ParkedPod };
    let nothing = |note: String| ConfigFacts {
        origin: Origin::File(path.into()),
        kind,
        flags: Vec::new(),
        data_dir: None,
        wal_dir: None,
        automation: Vec::new(),
        notes: vec![note],
        runs: Default::default(),
    };
    let text = match tree.text(path) {
        Ok(text) => text,
        Err(e) => return its_name.then(|| nothing(format!("it cannot be read ({e})"))),
    };
    let pod = match yaml::parse(&text) {
        Ok(pod) => pod,
        Err(why) => return its_name.then(|| nothing(why)),
    };
    if pod.get("kind").and_then(Value::as_str) != Some("Pod") {
        return None;
    }
    let spec = pod.get("spec")?;
    let mut notes = Vec::new();
    let (container, env, words) = list(spec, "containers").find_map(|container| {
        let env = environment(container, &pod, host);
        let words = [texts(container, "command"), texts(container, "args")].concat();
        let words: Vec<String> = words.iter().map(|word| expanded(word, &env)).collect();
        let around = ParseContext { host, variables: env.iter().cloned().collect() };
        let called_so = container.get("name").and_then(Value::as_str) == Some("etcd");
        match command_line::etcd_in(&words, &around) {
            Started::Etcd(words) => Some((container, env, Some(words))),
            // Its variables count, whatever starts it.
            Started::Unclear if called_so => Some((container, env, None)),
            // Its image shows what runs.
            Started::Other if called_so && words.is_empty() => Some((container, env, None)),
            _ => None,
        }
    })?;
    let place = path.shown().to_string();
    let understood = words.is_some();
    let words = words.unwrap_or_else(|| {
        notes.push("the flags of etcd cannot be read from the command of its container".into());
        Words::default()
    });
    notes.extend(words.notes.iter().cloned());
    let from: Vec<String> = list(container, "envFrom")
        .flat_map(|from| from.as_object().into_iter().flatten())
        .filter_map(|(kind, of)| Some(format!("{} {}", kind.trim_end_matches("Ref"), of.get("name")?.as_str()?)))
        .collect();
    if !from.is_empty() {
        notes.push(format!("its variables from {} are unknown on this machine", all(&from)));
    }
    let mounts = mounts(spec, container);
    let here = Path::new(container.get("workingDir").and_then(Value::as_str).unwrap_or("/"));
    notes.extend(flags::beyond(&words.args));
    let args = flags::of_args(&words.args, &place);
    let given = env.iter().chain(&words.variables);
    let variables = flags::of_variables(given.map(|(n, v)| (n.as_str(), v.as_str(), place.as_str())), &mut notes);
    let mut reading = Reading { tree, host, here, reads: &mut Vec::new(), notes: &mut notes };
    let flags = command_line::effective(args, variables, &mut reading);
    let (data_dir, wal_dir) = path_mapping::dirs(&flags, here, &mounts);
    let data_dir = data_dir.filter(|_| understood || flags::get(&flags, "data-dir").is_some());
    let flags = flags::settled(flags, &mut notes);
    let mut automation: Vec<Automation> =
        if in_force { vec![automation(path)] } else { parked(tree, path).into_iter().collect() };
    automation.extend(operator(&pod).filter(|_| in_force));
    Some(ConfigFacts {
        origin: Origin::File(path.into()),
        kind,
        flags,
        data_dir,
        wal_dir,
        automation,
        notes,
        runs: Default::default(),
    })
}

/// Returns the variables of a container, with references to earlier ones expanded.
///
/// Source: Kubernetes' API reference, `EnvVar` and `EnvVarSource`.
fn environment(container: &Value, pod: &Value, host: &Host) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::new();
    for var in list(container, "env") {
        let Some(name) = var.get("name").and_then(Value::as_str) else { continue };
        let field = || var.get("valueFrom")?.get("fieldRef")?.get("fieldPath")?.as_str();
        let meta = |key: &str| pod.get("metadata")?.get(key)?.as_str().map(String::from);
        let value = match (var.get("value").and_then(Value::as_str), var.get("valueFrom")) {
            (Some(text), _) => Some(expanded(text, &env)),
            (None, None) => Some(String::new()),
            (None, Some(_)) => match field() {
                Some("spec.nodeName") => host.node.clone(),
                Some("metadata.namespace") => Some(meta("namespace").unwrap_or_else(|| "default".into())),
                // The kubelet adds the node's name to that of a static pod.
                Some("metadata.name") => host.node.as_ref().and_then(|node| Some(format!("{}-{node}", meta("name")?))),
                _ => None,
            },
        };
        env.push((name.into(), value.unwrap_or_else(|| format!("{OPEN}$({name})"))));
    }
    env
}

/// Expands `$(NAME)` like the kubelet; an unknown name stays, and `$$(` is `$(`.
fn expanded(text: &str, env: &[(String, String)]) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let named = after.strip_prefix("$(").and_then(|inner| inner.split_once(')'));
        let value = named.and_then(|(name, _)| env.iter().rev().find(|(n, _)| n == name));
        if let Some(more) = after.strip_prefix("$$") {
            out.push('$');
            rest = more;
        } else if let (Some((_, more)), Some((_, value))) = (named, value) {
            out.push_str(value);
            rest = more;
        } else {
            out.push('$');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    out + rest
}

fn automation(path: &Path) -> Automation {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join(format!("{name}{PARKED}"));
    Automation {
        what: format!("the kubelet starts the pod in {} again whenever it ends, and at boot", path.shown()),
        names_file: true,
        active: true,
        pause: format!("mv {} {}", quoted(path), quoted(&aside)),
        resume: format!("mv {} {}", quoted(&aside), quoted(path)),
    }
}

/// Returns the automation of a manifest that was moved aside as [`automation`] says.
fn parked(tree: Tree<'_>, path: &Path) -> Option<Automation> {
    let name = path.file_name()?.to_str()?.strip_suffix(PARKED)?;
    let home = home(tree);
    (path.parent() == home.parent()).then(|| Automation {
        what: format!("{} is moved aside: the kubelet does not start it", path.shown()),
        names_file: true,
        active: false,
        pause: String::new(),
        resume: format!("mv {} {}", quoted(path), quoted(&home.join(name))),
    })
}

/// Returns OpenShift's etcd operator, which writes the manifests of its pods.
fn operator(pod: &Value) -> Option<Automation> {
    let namespace = pod.get("metadata")?.get("namespace")?.as_str()?;
    let scale = |to: u8| format!("oc scale deployment/etcd-operator --replicas={to} -n openshift-etcd-operator");
    (namespace == "openshift-etcd").then(|| Automation {
        what: "OpenShift's etcd operator rewrites this manifest as soon as the API answers".into(),
        names_file: false,
        active: true,
        pause: scale(0),
        resume: scale(1),
    })
}

fn quoted(path: &Path) -> String {
    crate::text::quote::shell_word(&path.to_string_lossy()).into_owned()
}

fn mounts(spec: &Value, container: &Value) -> Vec<Mount> {
    let host = |name: &str| {
        let volume = list(spec, "volumes").find(|v| v.get("name").and_then(Value::as_str) == Some(name))?;
        volume.get("hostPath")?.get("path")?.as_str().map(PathBuf::from)
    };
    let of = |mount: &Value| {
        let sub = mount.get("subPath").and_then(Value::as_str).unwrap_or_default();
        let inside = mount.get("mountPath")?.as_str()?.into();
        let host = host(mount.get("name")?.as_str()?)?;
        Some(Mount { inside, host: if sub.is_empty() { host } else { host.join(sub) } })
    };
    list(container, "volumeMounts").filter_map(of).collect()
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    list(value, key).filter_map(|v| v.as_str().map(String::from)).collect()
}
