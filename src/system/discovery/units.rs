//! systemd units that start an etcd: the unit, its drop-ins, its environment, and what restarts it.
//!
//! Source: systemd.unit(5) for the directories of units and their precedence.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    command_line::{self, ParseContext, Reading, Started, Words},
    flags,
    host_names::{Host, OPEN},
    path_mapping,
    root_fs::Tree,
    systemd::{self, Variables},
};
use crate::{
    domain::model::observations::config::{Automation, ConfigFacts, ConfigKind, Origin},
    text::Shown,
};

/// The directories of units; earlier ones take precedence.
const HOMES: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// A unit that starts an etcd.
pub(super) struct Unit {
    pub facts: ConfigFacts,
    /// Files that its configuration comes from.
    pub reads: Vec<PathBuf>,
    restart: String,
}

/// Returns all of them, by name.
pub(super) fn find(tree: Tree<'_>, host: &Host) -> Vec<Unit> {
    // By name, with the template of an instance.
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for home in HOMES {
        for name in tree.names(Path::new(home)).into_iter().filter(|name| name.ends_with(".service")) {
            if !name.contains("@.") && !is_alias(tree, home, &name) {
                names.insert(name.clone(), template_of(&name).unwrap_or(name));
            }
        }
        // A template has as many instances as are enabled.
        for (_, name) in wanted(tree, home) {
            if let Some(template) = template_of(&name) {
                names.insert(name, template);
            }
        }
    }
    names.iter().filter_map(|(name, file)| read(tree, host, name, file)).collect()
}

/// Returns whether a unit is a link to a unit of another name, which is found under its own.
fn is_alias(tree: Tree<'_>, home: &str, name: &str) -> bool {
    let target = tree.link(&Path::new(home).join(name));
    let other = target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let found = |other: &str| HOMES.iter().any(|home| tree.text(&Path::new(home).join(other)).is_ok());
    other.is_some_and(|other| other != name && other.ends_with(".service") && !other.contains("@.") && found(other))
}

/// Returns the template of an instance: `etcd@m1.service` is made from `etcd@.service`.
fn template_of(name: &str) -> Option<String> {
    let (template, rest) = name.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{template}@.{kind}"))
}

/// Returns the links in the `.wants` directories of `home`: the directory, and the unit's name.
fn wanted(tree: Tree<'_>, home: &str) -> Vec<(PathBuf, String)> {
    let dirs = tree.names(Path::new(home)).into_iter().filter(|n| n.ends_with(".wants") || n.ends_with(".requires"));
    let dirs = dirs.map(|name| Path::new(home).join(name));
    dirs.flat_map(|dir| tree.names(&dir).into_iter().map(move |name| (dir.clone(), name))).collect()
}

/// The settings in effect of the unit and its drop-ins.
#[derive(Default)]
struct Merged {
    commands: Vec<String>,
    environment: Vec<(String, String)>,
    environment_files: Vec<String>,
    working_directory: String,
    /// `RootDirectory=` or `RootImage=`.
    root: String,
    restart: String,
    /// It names a user.
    user: bool,
}

fn read(tree: Tree<'_>, host: &Host, name: &str, file: &str) -> Option<Unit> {
    let candidates = || HOMES.iter().flat_map(|home| [name, file].map(|name| Path::new(home).join(name)));
    let mut masked: Option<PathBuf> = None;
    let mut notes = Vec::new();
    let mut main = None;
    for path in candidates() {
        if tree.link(&path).is_some_and(|target| target == Path::new("/dev/null")) {
            // Its settings without the mask are worth knowing all the same.
            masked.get_or_insert(path);
            continue;
        }
        match tree.text(&path) {
            Ok(text) if !text.trim().is_empty() => {
                main = Some((path, text));
                break;
            }
            Ok(_) => drop(masked.get_or_insert(path)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => notes.push(format!("{} cannot be read ({e})", path.shown())),
        }
    }
    let (path, text) = main?;
    let mut merged = Merged::default();
    merged.take(&text, &path, name, host);
    for drop_in in drop_ins(tree, name, file) {
        match tree.text(&drop_in) {
            Ok(text) => merged.take(&text, &drop_in, name, host),
            Err(e) => notes.push(format!("{} cannot be read ({e})", drop_in.shown())),
        }
    }
    let mut unit = started(tree, host, &path, name, merged, notes)?;
    unit.facts.automation = vec![automation(tree, name, &path, &unit.restart, masked.as_deref())];
    Some(unit)
}

/// Reads a single unit file, which may be a copy from another host.
pub(super) fn alone(tree: Tree<'_>, host: &Host, path: &Path, name: &str, text: &str) -> Option<ConfigFacts> {
    let mut merged = Merged::default();
    merged.take(text, path, name, host);
    started(tree, host, path, name, merged, Vec::new()).map(|unit| unit.facts)
}

/// Returns whether a unit is etcd's by its name, so that one that starts it in an unknown way is reported.
fn is_etcds(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    ["etcd", "etcd2", "etcd3", "etcd-member"].contains(&stem.split('@').next().unwrap_or(stem))
}

/// Returns the configuration of a unit that starts an etcd.
fn started(
    tree: Tree<'_>,
    host: &Host,
    path: &Path,
    name: &str,
    merged: Merged,
    mut notes: Vec<String>,
) -> Option<Unit> {
    let mut variables = Variables::new();
    for (value, from) in &merged.environment {
        systemd::environment(value, from, &mut variables);
    }
    // If it is not a unit of this machine, its files may be another host's.
    let copy = !HOMES.iter().any(|home| path.starts_with(home));
    let mut reads = Vec::new();
    let mut unread = false;
    for named in &merged.environment_files {
        let (optional, named) = named.strip_prefix('-').map_or((false, named.as_str()), |rest| (true, rest));
        let shown = named.replace(OPEN, "");
        if !host.here || named.contains(OPEN) {
            unread = true;
            notes.push(format!("its settings in {shown} are unknown: that file is on its host; add it, too"));
            continue;
        }
        match tree.text(Path::new(named)) {
            Ok(text) => {
                let ignored = systemd::environment_file(&text, named, &mut variables);
                let ignored: Vec<String> = ignored.into_iter().filter(|name| name.contains("ETCD")).take(10).collect();
                if !ignored.is_empty() {
                    notes.push(format!(
                        "systemd ignores the lines of {named} for {}: only a shell accepts them",
                        crate::text::join::all(&ignored)
                    ));
                }
                if copy {
                    notes.push(format!("its environment file {named} was read on this machine; check it on the host"));
                }
            }
            Err(e) if optional && !copy && e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => {
                unread = true;
                notes.push(format!("the environment file {named} cannot be read ({e})"));
            }
        }
        reads.push(PathBuf::from(named));
    }
    let around =
        ParseContext { host, variables: variables.iter().map(|(n, (value, _))| (n.clone(), value.clone())).collect() };
    let mut unclear = None;
    let mut words = None;
    let mut chroot = Some(merged.root.clone()).filter(|root| !matches!(root.as_str(), "" | "/"));
    for line in &merged.commands {
        match command_line::etcd_in(&systemd::command(line, &variables), &around) {
            Started::Etcd(found) => {
                words.get_or_insert(found);
            }
            Started::Chroot(root) => {
                words.get_or_insert_with(Words::default);
                chroot.get_or_insert(root);
            }
            Started::Proxy => return None,
            Started::Unclear => drop(unclear.get_or_insert(line)),
            Started::Other if is_etcds(name) => drop(unclear.get_or_insert(line)),
            Started::Other => {}
        }
    }
    let put_in: Vec<(String, String)> = merged.commands.iter().flat_map(|line| systemd::put_in(line)).collect();
    notes.extend(flags::in_text(
        variables
            .iter()
            .filter(|(name, _)| !put_in.iter().any(|(known, _)| known == *name))
            .map(|(name, (value, _))| (name.as_str(), value.as_str())),
    ));
    for (name, word) in put_in.iter().filter(|(name, word)| {
        // systemd sets no variables with flags itself; a variable that is a word of its own may be empty on purpose
        !variables.contains_key(name) && (unread || word.starts_with('-'))
    }) {
        notes.push(match word.strip_prefix('-').and_then(|word| word.trim_start_matches('-').split_once('=')) {
            Some((flag, _)) => {
                format!("--{flag} is left out: its command takes it from ${name}, which is set in no known file")
            }
            None => format!("its command has ${name}, which is set in no known file: flags in it are unknown"),
        });
    }
    let named = variables.iter().map(|(name, (value, from))| (name.as_str(), value.as_str(), from.as_str()));
    // Nothing can be taken over if the paths are below another root.
    let chroot = chroot.filter(|_| words.is_some());
    if let Some(root) = &chroot {
        let root = root.replace(OPEN, "");
        notes.push(format!(
            "it starts etcd in its own root directory (chroot, {root}): paths in its flags are below that directory, \
             so none of its flags is taken over"
        ));
        words = Some(Words::default());
    }
    let understood = words.is_some() && chroot.is_none();
    let words = match (words, unclear) {
        (Some(words), _) => words,
        // Its variables count, whatever starts it; flags and default directory are unknown.
        (None, Some(line)) if is_etcds(name) => {
            let line: String = line.replace(OPEN, "").chars().take(200).collect();
            notes.push(format!("the flags of etcd cannot be read from its command: {line}"));
            Words::default()
        }
        _ => return None,
    };
    notes.extend(words.notes.iter().cloned());
    notes.extend(words.dropped(merged.user));
    notes.extend(flags::beyond(&words.args));
    let args = flags::of_args(&words.args, &format!("ExecStart of {}", path.shown()));
    let given = words.variables.iter().map(|(n, v)| (n.as_str(), v.as_str(), "ExecStart"));
    let named = named.filter(|_| chroot.is_none());
    let variables = flags::of_variables(named.chain(given), &mut notes);
    let here = match merged.working_directory.trim_start_matches('-') {
        "" | "~" => "/",
        dir => dir,
    };
    let mut reading = Reading { tree, host, here: Path::new(here), reads: &mut reads, notes: &mut notes };
    let flags = command_line::effective(args, variables, &mut reading);
    let (data_dir, wal_dir) = path_mapping::dirs(&flags, Path::new(here), &words.mounts);
    // Without its command its default directory is unknown, too.
    let data_dir = data_dir.filter(|_| understood || flags::get(&flags, "data-dir").is_some());
    let flags = flags::settled(flags, &mut notes);
    let (origin, automation) = (Origin::File(path.into()), Vec::new());
    let facts =
        ConfigFacts { origin, kind: ConfigKind::Unit, flags, data_dir, wal_dir, automation, notes, runs: words.runs };
    Some(Unit { facts, reads, restart: merged.restart })
}

/// Returns the drop-ins in the order of their names; of the same name only the first one found.
fn drop_ins(tree: Tree<'_>, name: &str, file: &str) -> Vec<PathBuf> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    for home in HOMES {
        for dir in [name, file, "service"].map(|name| Path::new(home).join(format!("{name}.d"))) {
            for name in tree.names(&dir).into_iter().filter(|name| name.ends_with(".conf")) {
                let path = dir.join(&name);
                found.entry(name).or_insert(path);
            }
        }
    }
    found.into_values().collect()
}

impl Merged {
    fn take(&mut self, text: &str, path: &Path, name: &str, host: &Host) {
        for (section, key, value) in systemd::lines(text) {
            if section != "Service" {
                continue;
            }
            let value = specified(&value, name, host);
            match key.as_str() {
                // An empty assignment resets all before it.
                "ExecStart" if value.is_empty() => self.commands.clear(),
                "ExecStart" => self.commands.push(value),
                "Environment" if value.is_empty() => self.environment.clear(),
                "Environment" => self.environment.push((value, format!("Environment of {}", path.shown()))),
                "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
                "EnvironmentFile" => self.environment_files.push(value),
                "WorkingDirectory" => self.working_directory = value,
                "RootDirectory" | "RootImage" => self.root = value,
                "Restart" => self.restart = value,
                "User" => self.user = !value.is_empty(),
                "DynamicUser" => self.user |= ["1", "yes", "true", "on"].contains(&value.as_str()),
                _ => {}
            }
        }
    }
}

/// Expands `%i` and the other specifiers: by the unit's name, and by the host.
///
/// Source: systemd.unit(5), "Specifiers".
fn specified(value: &str, name: &str, host: &Host) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let last = prefix.rsplit('-').next().unwrap_or(prefix);
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let letter = chars.clone().next().filter(|_| c == '%');
        let value = letter.and_then(|letter| match letter {
            'n' => Some(name.to_string()),
            'N' => Some(stem.to_string()),
            'p' => Some(prefix.to_string()),
            'P' => Some(unescaped(prefix)),
            'i' => Some(instance.to_string()),
            'I' => Some(unescaped(instance)),
            'j' => Some(last.to_string()),
            'J' => Some(unescaped(last)),
            'f' => Some(format!("/{}", unescaped(if instance.is_empty() { prefix } else { instance }))),
            '%' => Some("%".into()),
            letter => host.specifier(letter),
        });
        match value {
            Some(value) => {
                chars.next();
                out.push_str(&value);
            }
            None => out.push(c),
        }
    }
    out
}

/// Unescapes a part of a unit's name: `-` is `/`, `\x2d` is `-`.
fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let byte = rest.strip_prefix("\\x").and_then(|hex| u8::from_str_radix(hex.get(..2)?, 16).ok());
        if let Some(byte) = byte {
            out.push(byte);
            rest = rest.get(4..).unwrap_or_default();
        } else {
            out.extend_from_slice(if c == '-' { "/" } else { rest.get(..c.len_utf8()).unwrap_or_default() }.as_bytes());
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns what systemd does with the unit automatically, and how that is paused and resumed.
fn automation(tree: Tree<'_>, name: &str, path: &Path, restart: &str, masked: Option<&Path>) -> Automation {
    let enabled = HOMES.iter().any(|home| wanted(tree, home).iter().any(|(_, wanted)| wanted == name));
    let again = match restart {
        "" | "no" => None,
        "always" => Some(format!("starts {name} again whenever it ends (Restart=always)")),
        other => Some(format!("starts {name} again after a failure (Restart={other})")),
    };
    let boot = enabled.then(|| format!("starts {name} at boot"));
    let acts: Vec<String> = [again, boot].into_iter().flatten().collect();
    let (active, what) = match (masked.is_some(), acts.as_slice()) {
        (true, _) => (false, format!("{name} is masked: systemd does not start it")),
        (_, []) => (false, format!("systemd starts {name} only on request")),
        (_, acts) => (true, format!("systemd {}", acts.join(", and "))),
    };
    // A unit below /etc takes precedence over a mask below /run, which would have no effect. The start does not block:
    // etcd reports readiness only when other members are up, too.
    let (hold, release) = match (enabled, path.starts_with("/etc")) {
        (false, _) => (String::new(), format!("systemctl start --no-block {name}")),
        (true, true) => (format!(" && systemctl disable {name}"), format!("systemctl enable --now --no-block {name}")),
        (true, false) => (
            format!(" && systemctl mask --runtime {name}"),
            format!("systemctl unmask --runtime {name} && systemctl start --no-block {name}"),
        ),
    };
    let (pause, resume) = match (active, masked) {
        (true, _) => (format!("systemctl stop {name}{hold}"), release),
        (_, Some(mask)) => {
            let runtime = if mask.starts_with("/run") { "--runtime " } else { "" };
            (String::new(), format!("systemctl unmask {runtime}{name} && systemctl start --no-block {name}"))
        }
        _ => (String::new(), format!("systemctl start --no-block {name}")),
    };
    Automation { what, names_file: false, active, pause, resume }
}
