//! Reads one configuration from its file, whatever its kind. A file of another kind is identified and refused, since
//! its settings would be lost silently if it were read as something else.

#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use serde_json::Value;

use super::{
    CONFIG_FILES, ENVIRONMENT_FILES, alone, config_file, flags, host_names::Host, inspected, pods, shell, systemd,
};
use super::{
    command_line::{self, ParseContext, Started},
    root_fs::Tree,
    units, variables_in, yaml,
};
use crate::{
    domain::model::observations::config::{ConfigFacts, ConfigKind, Origin},
    engine::source::io_trouble,
    error::{Error, ErrorKind, Result},
    text::{Shown, join::all, number::plural},
};

/// What a file is instead of the configuration of one etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOne {
    /// Empty, or only comments.
    Empty,
    /// Not text.
    Binary,
    /// A Docker Compose file, with its services.
    Compose(Vec<String>),
    /// A shell script that does more than start one etcd.
    Script,
    /// A systemd unit that starts no etcd, or a drop-in without a command.
    Unit {
        /// It has a command.
        starts: bool,
    },
    /// A systemd unit that starts etcd in its own root directory.
    Chroot,
    /// A Kubernetes manifest of this kind, not a pod.
    Manifest(String),
    /// The manifest of a pod that starts no etcd.
    Pod,
    /// The output of `docker inspect` with this many containers, of which not exactly one runs etcd.
    Containers(usize),
    /// YAML or JSON of another kind; some of its keys.
    Keys(Vec<String>),
    /// Variables, except for a line that is not an assignment: its text before any value.
    Line(String),
    /// Text of no known kind.
    Text,
}

impl NotOne {
    /// Returns what to do instead.
    fn hint(&self) -> &'static str {
        match self {
            NotOne::Compose(_) => {
                "Use its container: docker inspect NAME > FILE (a stopped one works, too). Or write the ETCD_ \
                 variables of the member's service to a file, NAME=value on each line, and its flags \
                 (--quota-backend-bytes=…) as variables, too (ETCD_QUOTA_BACKEND_BYTES=…); use that file."
            }
            NotOne::Script => "Use the unit that runs it, or write its flags to a file of ETCD_ variables.",
            NotOne::Chroot => {
                "Write its flags to a file of ETCD_ variables (ETCD_NAME=…, one on each line), with the paths on the \
                 host; use that file."
            }
            NotOne::Unit { starts: false } => "Use the whole unit: systemctl cat etcd.service > FILE",
            NotOne::Manifest(_) => {
                "Use the manifest of one pod: kubectl get pod NAME -o yaml, or a file of ETCD_ variables."
            }
            NotOne::Containers(_) => "Use the output for one container: docker inspect NAME > FILE",
            _ => {
                "Supported: a systemd unit, a static pod's manifest, a file of ETCD_ variables, etcd's own YAML, a \
                 script that only starts etcd, and the output of docker inspect."
            }
        }
    }
}

impl fmt::Display for NotOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotOne::Empty => write!(f, "it is empty"),
            NotOne::Binary => write!(f, "it is not a text file"),
            NotOne::Compose(services) => {
                let (count, named) = (services.len(), all(services));
                write!(f, "it is a Docker Compose file ({} {named})", plural(count, "service", "services"))
            }
            NotOne::Script => {
                write!(f, "it is a shell script that does more than start one etcd, so its flags are unknown")
            }
            NotOne::Chroot => {
                write!(f, "it is a systemd unit that starts etcd in its own root directory (chroot)")
            }
            NotOne::Unit { starts: true } => {
                write!(f, "it is a systemd unit that starts no etcd, or in an unknown way")
            }
            NotOne::Unit { starts: false } => write!(f, "it is part of a systemd unit, without ExecStart"),
            NotOne::Manifest(kind) => write!(f, "it is a Kubernetes manifest of kind {kind}, not Pod"),
            NotOne::Pod => write!(f, "it is the manifest of a pod that starts no etcd"),
            NotOne::Containers(1) => {
                write!(f, "it is a container that does not run etcd, or in an unknown way")
            }
            NotOne::Containers(count) => write!(f, "it is the output of docker inspect for {count} containers"),
            NotOne::Keys(keys) if keys.is_empty() => write!(f, "it has no etcd settings"),
            NotOne::Keys(keys) => write!(
                f,
                "it is YAML or JSON, but {} {} no etcd configuration",
                all(keys),
                plural(keys.len(), "is", "are")
            ),
            NotOne::Line(line) => write!(f, "its line {line:?} is not an assignment (NAME=value, no spaces around =)"),
            NotOne::Text => write!(f, "it has no etcd flags in a known format"),
        }
    }
}

/// Reads one configuration from its file: a unit, a static pod's manifest, a file of `ETCD_…` variables, etcd's own
/// YAML, the output of `docker inspect`, or a script that does nothing but start etcd. A copy from another host (`here`
/// is false) is read as the file in its usual place there; files that it names are on that host, and not read.
///
/// # Errors
/// `Input` if it cannot be read, or is something else.
pub fn one(path: &Path, here: bool) -> Result<ConfigFacts> {
    let wrong = |why: &str| {
        Error::new(ErrorKind::Input, format!("{}: not the configuration of one etcd", path.shown())).why(why)
    };
    path.to_str().ok_or_else(|| wrong("its name is not UTF-8"))?;
    let tree = Tree(Path::new("/"));
    let text = tree.text(path).map_err(|e| io_trouble("read", path, &e))?;
    let host = if here { Host::this(tree) } else { Host::elsewhere() };
    read(tree, &host, path, &text).map_err(|not| wrong(&not.to_string()).hint(not.hint()))
}

/// Reads the configuration in a text, from any source.
pub(super) fn read(tree: Tree<'_>, host: &Host, path: &Path, text: &str) -> std::result::Result<ConfigFacts, NotOne> {
    let base = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.contains('\0') || text.chars().filter(|c| *c == '\u{fffd}').count() > text.len() / 50 {
        return Err(NotOne::Binary);
    }
    let said = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(said).collect();
    if lines.is_empty() {
        return Err(NotOne::Empty);
    }
    let first_of = |places: &[&str]| places.first().map(ToString::to_string).unwrap_or_default();
    let (mut facts, usual) = if lines.contains(&"[Service]") || base.ends_with(".service") {
        let name = if base.ends_with(".service") { base } else { "etcd.service".into() };
        (unit(tree, host, path, &name, text)?, format!("/etc/systemd/system/{name}"))
    } else if text.starts_with("#!") {
        (script(host, path, text)?, path.shown().to_string())
    } else if lines.iter().all(|line| shell::is_assignment(line.strip_prefix("export ").unwrap_or(line).trim_start())) {
        let facts = variables_in(text, &path.shown()).ok_or(NotOne::Keys(Vec::new()))?;
        (facts, first_of(&ENVIRONMENT_FILES))
    } else {
        match yaml::parse(text) {
            Ok(document) if document.is_object() || document.is_array() => {
                structured(tree, host, path, &document, &first_of)?
            }
            _ => match script(host, path, text) {
                Ok(facts) => (facts, path.shown().to_string()),
                // What is neither is a file of variables with values over several lines, or unknown.
                Err(_) if !text.contains("exec ") && lines.iter().any(|line| line.starts_with("ETCD_")) => {
                    let facts = variables_in(text, &path.shown()).ok_or(NotOne::Text)?;
                    (
                        only_assignments(text).then_some(facts).ok_or_else(|| odd_line(&lines))?,
                        first_of(&ENVIRONMENT_FILES),
                    )
                }
                Err(not) => return Err(if looks_like_script(&lines) { not } else { NotOne::Text }),
            },
        }
    };
    if !path.starts_with("/etc") && facts.kind != ConfigKind::Process {
        facts.origin = Origin::File(usual.into());
    }
    Ok(facts)
}

/// Returns whether every line is an assignment; continued lines count as one.
fn only_assignments(text: &str) -> bool {
    let mut variables = systemd::Variables::new();
    systemd::shell_file(text, "", &mut variables);
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    !variables.is_empty()
        && lines.into_iter().all(|line| shell::is_assignment(line.strip_prefix("export ").unwrap_or(line)))
}

/// Returns the first line of a file of variables that is not an assignment, without its value.
fn odd_line(lines: &[&str]) -> NotOne {
    let is_odd = |line: &&&str| !shell::is_assignment(line.strip_prefix("export ").unwrap_or(line).trim_start());
    let odd = lines.iter().find(is_odd).map(|line| line.split_once('=').map_or(*line, |(name, _)| name));
    odd.map_or(NotOne::Text, |name| NotOne::Line(name.chars().take(60).collect()))
}

fn looks_like_script(lines: &[&str]) -> bool {
    let starts =
        ["exec ", "export ", "if ", "set ", "source ", ". ", "etcd ", "/usr/bin/etcd", "/usr/local/bin/etcd", "sudo "];
    lines.iter().any(|line| starts.iter().any(|start| line.starts_with(start)))
}

fn unit(tree: Tree<'_>, host: &Host, path: &Path, name: &str, text: &str) -> std::result::Result<ConfigFacts, NotOne> {
    let starts = systemd::lines(text).iter().any(|(_, key, value)| key == "ExecStart" && !value.is_empty());
    let found = units::alone(tree, host, path, name, text).filter(|_| starts);
    match found {
        Some(_) if is_chroot(host, text) => Err(NotOne::Chroot),
        found => found.ok_or(NotOne::Unit { starts }),
    }
}

/// Returns whether a unit starts its etcd in its own root directory.
fn is_chroot(host: &Host, text: &str) -> bool {
    let around = ParseContext { host, variables: Default::default() };
    systemd::lines(text).iter().any(|(_, key, value)| match key.as_str() {
        "RootDirectory" | "RootImage" => !matches!(value.as_str(), "" | "/"),
        "ExecStart" => {
            let words = systemd::command(value, &systemd::Variables::new());
            matches!(command_line::etcd_in(&words, &around), Started::Chroot(_))
        }
        _ => false,
    })
}

/// Reads a script that sets variables and always starts one etcd.
fn script(host: &Host, path: &Path, text: &str) -> std::result::Result<ConfigFacts, NotOne> {
    let commands = shell::commands(text, &Default::default(), host);
    let harmless = |words: &[String]| {
        let first = words.first().map(String::as_str).unwrap_or_default();
        ["set", "export", "ulimit", "umask", "echo", ":"].contains(&first)
            || words.iter().all(|word| shell::is_assignment(word))
    };
    let around = ParseContext { host, variables: Default::default() };
    let (count, Started::Etcd(words)) = command_line::in_script(&commands, &around) else { return Err(NotOne::Script) };
    let plain = commands.iter().all(|command| {
        command.always && (harmless(&command.words) || command_line::etcd_in(&command.words, &around) != Started::Other)
    });
    if count != 1 || !plain || !words.notes.is_empty() {
        return Err(NotOne::Script);
    }
    let place = path.shown().to_string();
    let mut notes = Vec::new();
    let given = words.variables.iter().map(|(n, v)| (n.as_str(), v.as_str(), place.as_str()));
    let variables = flags::of_variables(given, &mut notes);
    let flags = flags::merged(flags::of_args(&words.args, &place), variables);
    if flags::get(&flags, "config-file").is_some() {
        notes.push("it names a configuration file, which has all settings: use that file".into());
    }
    notes.extend(words.dropped(false));
    notes.extend(flags::beyond(&words.args));
    let mut facts = alone(&place, ConfigKind::Process, flags, notes);
    facts.origin = Origin::File(path.into());
    Ok(facts)
}

/// Reads YAML or JSON.
fn structured(
    tree: Tree<'_>,
    host: &Host,
    path: &Path,
    document: &Value,
    first_of: &dyn Fn(&[&str]) -> String,
) -> std::result::Result<(ConfigFacts, String), NotOne> {
    if let Some(containers) = inspected::containers(document) {
        let etcds: Vec<ConfigFacts> =
            containers.iter().filter_map(|container| inspected::read(tree, host, path, container)).collect();
        let [facts] = etcds.as_slice() else { return Err(NotOne::Containers(containers.len())) };
        return Ok((facts.clone(), path.shown().to_string()));
    }
    let keys: Vec<String> = document.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    if let Some(services) = document.get("services").and_then(Value::as_object) {
        return Err(NotOne::Compose(services.keys().cloned().collect()));
    }
    match text("kind") {
        Some("Pod") => {
            let pod = pods::read(tree, host, path, true).filter(|pod| !pod.flags.is_empty() || !pod.notes.is_empty());
            return pod.map(|pod| (pod, "/etc/kubernetes/manifests/etcd.yaml".into())).ok_or(NotOne::Pod);
        }
        Some(kind) if document.get("apiVersion").is_some() => return Err(NotOne::Manifest(kind.into())),
        _ => {}
    }
    // A name alone, or keys that programs of any kind have, are not a configuration of etcd.
    let telling = |key: &&String| {
        flags::is_key(key)
            && !["name", "debug", "version", "logger", "metrics", "discovery", "proxy", "cors"].contains(&key.as_str())
    };
    let (own, others): (Vec<&String>, Vec<&String>) = keys.iter().partition(|key| flags::is_key(key));
    let is_etcds = own.iter().any(telling) || (others.is_empty() && !own.is_empty());
    if document.is_array() || !is_etcds {
        return Err(NotOne::Keys(others.into_iter().take(3).cloned().collect()));
    }
    let facts = config_file(tree, &path.shown()).ok_or(NotOne::Keys(Vec::new()))?;
    Ok((facts, first_of(&CONFIG_FILES)))
}
