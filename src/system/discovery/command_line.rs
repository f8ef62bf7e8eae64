//! Finds etcd in a command line, also inside a shell's or a container runtime's: its arguments, the files it reads,
//! its mounts.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    flags,
    host_names::{Host, OPEN},
    path_mapping::Mount,
    root_fs::Tree,
    shell,
    wrappers::{self, base},
    yaml,
};
use crate::{
    domain::model::observations::config::{Runs, Setting},
    text::{Shown, join::all},
};

/// An etcd's own part of a command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// The arguments after the program.
    pub args: Vec<String>,
    /// `NAME=value` before the program, or set for its container.
    pub variables: Vec<(String, String)>,
    /// The mounts of its container.
    pub mounts: Vec<Mount>,
    /// What is unknown about it, each a sentence without a full stop.
    pub notes: Vec<String>,
    /// The programs that start it, each with its own arguments, the outermost last.
    pub through: Vec<Vec<String>>,
    /// The program that is run.
    pub runs: Runs,
}

impl Words {
    /// Notes on the programs that start it, which are not taken over, sentences without a full stop; `user` where its
    /// unit names one.
    pub fn dropped(&self, user: bool) -> Vec<String> {
        let each = self.through.iter().rev().map(|words| {
            let line: String = crate::text::quote::shell_line(words).replace(OPEN, "").chars().take(200).collect();
            let root = match words.first().is_some_and(|word| wrappers::changes_user(base(word))) && !user {
                true => "; without a User= in its unit etcd would run as root",
                false => "",
            };
            format!("etcd was started through {line}; this is not taken over{root}")
        });
        each.collect()
    }
}

/// What a command line starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Started {
    /// An etcd.
    Etcd(Words),
    /// An etcd that is not a member: `etcd gateway`, `etcd grpc-proxy`.
    Proxy,
    /// An etcd in its own root directory, this one: paths in its flags differ from the host's.
    Chroot(String),
    /// Something that may start an etcd, in a way that cannot be read.
    Unclear,
    /// Something else.
    Other,
}

/// The context in which a command line is read.
pub(super) struct ParseContext<'a> {
    pub host: &'a Host,
    /// Environment variables, for scripts.
    pub variables: BTreeMap<String, String>,
}

/// Finds etcd in a command line.
pub(super) fn etcd_in(words: &[String], around: &ParseContext<'_>) -> Started {
    let assigned = words.iter().take_while(|word| shell::is_assignment(word)).count();
    let (before, words) = words.split_at(assigned);
    let Some((program, args)) = words.split_first() else { return Started::Other };
    let started = match base(program) {
        "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" => script(args, around),
        "su" => through(script(args, around), &["su".to_string()]),
        name @ ("docker" | "podman" | "nerdctl") => runtime(args, name),
        "chroot" => chrooted(args, around),
        name if is_etcd(name) => match args.first() {
            Some(word) if !word.starts_with('-') => Started::Proxy,
            _ => etcd(program, args),
        },
        _ => match wrappers::unwrapped(words) {
            Some((variables, inner)) => {
                let own = words.get(..words.len() - inner.len()).unwrap_or_default();
                let own: Vec<String> = own.iter().filter(|word| !variables.contains(word)).cloned().collect();
                with(through(etcd_in(inner, around), &own), &variables)
            }
            None => Started::Other,
        },
    };
    with(started, before)
}

/// Parses `chroot [OPTION…] DIR COMMAND`.
fn chrooted(args: &[String], around: &ParseContext<'_>) -> Started {
    let mut rest = args.iter().skip_while(|word| word.starts_with("--") && *word != "--").peekable();
    rest.next_if(|word| *word == "--");
    let Some(root) = rest.next() else { return Started::Unclear };
    let inner: Vec<String> = rest.cloned().collect();
    match etcd_in(&inner, around) {
        Started::Etcd(_) => Started::Chroot(root.clone()),
        _ => Started::Unclear,
    }
}

fn etcd(program: &str, args: &[String]) -> Started {
    let runs = if program.starts_with('/') { Runs::Program(program.into()) } else { Runs::Untold };
    Started::Etcd(Words { args: args.to_vec(), runs, ..Words::default() })
}

/// Adds the program that starts it; `exec` and `env` are left out, they change nothing else.
fn through(started: Started, own: &[String]) -> Started {
    match started {
        Started::Etcd(mut words) if !own.first().is_some_and(|word| ["exec", "env"].contains(&base(word))) => {
            words.through.push(own.to_vec());
            Started::Etcd(words)
        }
        other => other,
    }
}

/// Adds variables that are set before it; those nearer to the program take precedence.
fn with(started: Started, assigned: &[String]) -> Started {
    match started {
        Started::Etcd(mut words) => {
            let pair = |word: &String| word.split_once('=').map(|(n, v)| (n.to_string(), v.to_string()));
            words.variables = assigned.iter().filter_map(pair).chain(words.variables).collect();
            Started::Etcd(words)
        }
        other => other,
    }
}

/// Returns whether a program is `etcd`, or `etcd` with its version, as `etcd-3.5.9`.
pub(super) fn is_etcd(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("etcd") else { return false };
    let version = rest.trim_start_matches(['-', '_']).trim_start_matches('v');
    rest.is_empty() || version.starts_with(|c: char| c.is_ascii_digit())
}

/// Returns what a shell starts: one etcd, by a script on its command line.
fn script(args: &[String], around: &ParseContext<'_>) -> Started {
    let Some(script) = args.iter().skip_while(|word| !is_minus_c(word)).nth(1) else { return Started::Unclear };
    let read = in_script(&shell::commands(script, &around.variables, around.host), around);
    match read {
        (1, started) => started,
        (0, _) => Started::Other,
        _ => Started::Unclear,
    }
}

/// Returns how many etcds a script starts, and the first of them, with the variables that the script exports before it.
pub(super) fn in_script(commands: &[shell::Command], around: &ParseContext<'_>) -> (usize, Started) {
    let (mut count, mut first) = (0, Started::Other);
    let (mut plain, mut exported) = (BTreeMap::new(), Vec::new());
    let mut sourced = Vec::new();
    for shell::Command { words, .. } in commands {
        match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["export", names @ ..] => {
                let value = |name: &&str| match name.split_once('=') {
                    Some(_) => Some((*name).to_string()),
                    None => plain.get(*name).map(|value| format!("{name}={value}")),
                };
                exported.extend(names.iter().filter_map(value));
            }
            ["source" | ".", file, ..] => sourced.push((*file).to_string()),
            words if words.iter().all(|word| shell::is_assignment(word)) => {
                plain.extend(
                    words.iter().filter_map(|word| word.split_once('=')).map(|(n, v)| (n.to_string(), v.to_string())),
                );
            }
            _ => match etcd_in(words, around) {
                Started::Other => {}
                started => {
                    count += 1;
                    if count == 1 {
                        first = with(started, &exported);
                    }
                }
            },
        }
    }
    if let (Started::Etcd(words), [_, ..]) = (&mut first, sourced.as_slice()) {
        let what = format!("its script reads {}; the variables of that file are not known", all(&sourced));
        words.notes.push(what.replace(OPEN, ""));
    }
    (count, first)
}

/// Returns what a container runtime starts: an etcd named after the image.
fn runtime(args: &[String], name: &str) -> Started {
    let runs = |word: &String| ["run", "create", "exec"].contains(&word.as_str());
    let Some(at) = args.iter().position(runs) else { return Started::Unclear };
    let (_, args) = args.split_at(at + 1);
    // The image is before it; a word after an option may be the container's name.
    let is_program = |n: &usize| {
        args.get(*n).is_some_and(|word| is_etcd(base(word)))
            && n.checked_sub(1).and_then(|n| args.get(n)).is_some_and(|before| !before.starts_with('-'))
            && args.get(n + 1).is_none_or(|next| next.starts_with('-'))
    };
    let Some(program) = (0..args.len()).find(is_program) else { return Started::Unclear };
    let (before, from) = args.split_at(program);
    let pair = |word: &String| word.split_once('=').map(|(n, v)| (n.to_string(), v.to_string()));
    Started::Etcd(Words {
        args: from.get(1..).unwrap_or_default().to_vec(),
        variables: option_values(before, "-e", "--env").iter().filter_map(pair).collect(),
        mounts: option_values(before, "-v", "--volume").iter().filter_map(|v| mount(v)).collect(),
        runs: Runs::Container(name.into()),
        ..Words::default()
    })
}

fn is_minus_c(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
}

/// Parses `-v X`, `--volume X` and `--volume=X`.
fn option_values(words: &[String], short: &str, long: &str) -> Vec<String> {
    let with = format!("{long}=");
    let apart = words.windows(2).filter_map(|pair| match pair {
        [option, value] if option == short || option == long => Some(value.clone()),
        _ => None,
    });
    apart.chain(words.iter().filter_map(|word| word.strip_prefix(&with).map(String::from))).collect()
}

/// Parses `HOST:CONTAINER[:OPTIONS]`.
fn mount(volume: &str) -> Option<Mount> {
    let mut parts = volume.split(':');
    let (host, inside) = (parts.next()?, parts.next()?);
    host.starts_with('/').then(|| Mount { inside: inside.into(), host: host.into() })
}

/// Where flags are read from, and the notes so far.
pub(super) struct Reading<'a> {
    pub tree: Tree<'a>,
    pub host: &'a Host,
    /// The working directory of the program.
    pub here: &'a Path,
    /// Files that were read.
    pub reads: &'a mut Vec<PathBuf>,
    pub notes: &'a mut Vec<String>,
}

/// Returns the flags in effect: those of the configuration file alone if there is one, else arguments before
/// variables.
pub(super) fn effective(args: Vec<Setting>, variables: Vec<Setting>, reading: &mut Reading<'_>) -> Vec<Setting> {
    let flags = flags::merged(args, variables);
    let Some(named) = flags::get(&flags, "config-file") else { return flags };
    let path = reading.here.join(named);
    reading.reads.push(path.clone());
    let place = path.shown().to_string();
    let read = if reading.host.here && !named.contains(OPEN) {
        let text = reading.tree.text(&path).map_err(|e| format!("it cannot be read ({e})"));
        text.and_then(|text| yaml::parse(&text))
    } else {
        Err("it is not on this machine: add that file, too".into())
    };
    match read {
        Ok(document) => {
            let others = flags.len() - 1;
            if others > 0 {
                let what = format!("{others} other flags and variables have no effect: etcd uses {place} alone");
                reading.notes.push(what);
            }
            let itself = flags.into_iter().filter(|s| s.flag == "config-file");
            itself.chain(flags::of_file(&document, &place, reading.notes)).collect()
        }
        Err(why) => {
            let place = place.replace(OPEN, "");
            reading.notes.push(format!("the configuration file {place} has all settings, and {why}"));
            flags.into_iter().filter(|s| s.flag == "config-file").collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Started {
        let variables = [("N".to_string(), "m1".to_string())].into();
        let host = Host { here: true, name: Some("h1".into()), ..Host::default() };
        let words: Vec<String> = shell_words::split(line).unwrap_or_default();
        etcd_in(&words, &ParseContext { host: &host, variables })
    }

    #[test]
    fn wrappers_are_named_and_etcds_path_kept() {
        for (line, dropped, root, runs) in [
            ("/usr/local/bin/etcd --a", vec![], false, Runs::Program("/usr/local/bin/etcd".into())),
            (
                "nice -n -10 ionice -c2 /opt/etcd --a",
                vec!["nice -n -10", "ionice -c2"],
                false,
                Runs::Program("/opt/etcd".into()),
            ),
            ("env A=1 etcd --a", vec![], false, Runs::Untold),
            ("sudo -u etcd A=1 etcd --a", vec!["sudo -u etcd;"], true, Runs::Untold),
            (
                "su -s /bin/sh etcd -c 'exec /usr/bin/etcd --a'",
                vec!["su;"],
                true,
                Runs::Program("/usr/bin/etcd".into()),
            ),
            (
                "flock -n /run/lock /usr/bin/etcd --a",
                vec!["flock -n /run/lock"],
                false,
                Runs::Program("/usr/bin/etcd".into()),
            ),
            ("docker run --net host img etcd --a", vec![], false, Runs::Container("docker".into())),
        ] {
            let Started::Etcd(words) = read(line) else { panic!("{line}") };
            let notes = words.dropped(false);
            assert_eq!((notes.len(), &words.runs), (dropped.len(), &runs), "{line}: {notes:?}");
            assert!(notes.iter().zip(&dropped).all(|(note, words)| note.contains(words)), "{line}: {notes:?}");
            assert_eq!(notes.iter().any(|note| note.contains("root")), root, "{line}");
            assert!(words.dropped(true).iter().all(|note| !note.contains("root")), "{line}");
        }
        for line in
            ["chroot /srv etcd --a", "chroot --userspec=etcd:etcd -- /srv /usr/bin/etcd", "nice chroot /srv etcd"]
        {
            assert_eq!(read(line), Started::Chroot("/srv".into()), "{line}");
        }
        assert_eq!(read("chroot /srv run"), Started::Unclear);
    }

    #[test]
    fn what_command_lines_start() {
        for (line, expected) in [
            ("/usr/bin/etcd --a", "--a"),
            ("/usr/local/bin/etcd-3.5.9 --a", "--a"),
            ("etcd-v3.4.1 --a", "--a"),
            ("A=1 etcd --a", "--a A"),
            ("/usr/bin/nice -n 5 ionice -c2 etcd --a", "--a"),
            ("sudo -u etcd A=1 /usr/bin/etcd --a", "--a A"),
            ("bash -c 'exec etcd --name=$N'", "--name=m1"),
            ("/bin/sh -ec 'export ETCD_X=1; exec nice etcd --a >>/log 2>&1'", "--a ETCD_X"),
            ("bash -c 'source /e && exec etcd --a'", "--a (1)"),
            ("bash -c 'if [ -e /x ]; then /x; fi; exec etcd --a'", "--a"),
            (
                "docker run --name etcd --net host -v /s:/d -e A=1 quay.io/coreos/etcd:v3.5 /usr/local/bin/etcd --a",
                "--a A",
            ),
            ("docker run --name etcd --net host bitnami/etcd:3.5", "unclear"),
            ("docker start -a etcd", "unclear"),
            ("bash -c 'if x; then etcd --a; else etcd --b; fi'", "unclear"),
            ("/bin/sh /opt/run-etcd.sh", "unclear"),
            ("etcd gateway start --endpoints=a:2379", "proxy"),
            ("/usr/bin/etcd grpc-proxy start", "proxy"),
            ("nice etcd gateway", "proxy"),
            ("etcdctl snapshot save /b", "other"),
            ("rsync /var/lib/etcd host:etcd", "other"),
            ("bash -c 'etcdctl defrag'", "other"),
            ("etcd-exporter --a", "other"),
            ("", "other"),
        ] {
            let found = match read(line) {
                Started::Etcd(words) => {
                    let names = words.variables.iter().map(|(name, _)| name.clone());
                    let notes = Some(format!("({})", words.notes.len())).filter(|_| !words.notes.is_empty());
                    words.args.iter().cloned().chain(names).chain(notes).collect::<Vec<_>>().join(" ")
                }
                Started::Proxy => "proxy".into(),
                Started::Chroot(root) => format!("chroot {root}"),
                Started::Unclear => "unclear".into(),
                Started::Other => "other".into(),
            };
            assert_eq!(found, expected, "{line}");
        }
    }
}
