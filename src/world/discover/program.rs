//! A command line that starts etcd, also from inside a shell's or a container runtime's: its arguments, what it reads,
//! what is mounted where.

use std::path::{Path, PathBuf};

use super::{flags, on_host::Mount, tree::Tree, yaml};
use crate::plan::facts::config::Setting;

/// An etcd's own part of a command line.
pub(super) struct Words {
    /// What follows the program.
    pub args: Vec<String>,
    /// `NAME=value` before the program, or given to its container.
    pub variables: Vec<(String, String)>,
    /// What its container sees of this machine.
    pub mounts: Vec<Mount>,
}

/// Finds etcd in a command line; none where it starts something else.
pub(super) fn etcd_in(words: Vec<String>) -> Option<Words> {
    let first = base(words.first()?);
    if ["sh", "bash", "dash"].contains(&first) {
        let script = words.iter().skip_while(|word| !is_minus_c(word)).nth(1)?;
        return etcd_in(shell_words::split(script).ok()?);
    }
    let is_etcd = |at: usize| {
        words.get(at).is_some_and(|word| base(word) == "etcd")
            && (at == 0 || words.get(at + 1).is_none_or(|next| next.starts_with('-')))
    };
    // Before the program stand `exec` and variables, or the arguments of a container's runtime, which may bear its name.
    let runtime = ["docker", "podman", "nerdctl"].contains(&first);
    let mut places = 0..words.len();
    let at = if runtime { places.rfind(|at| is_etcd(*at)) } else { places.find(|at| is_etcd(*at)) }?;
    let (before, from) = words.split_at(at);
    let plain = before.iter().all(|word| word.contains('=') || ["exec", "env", "nice", "ionice"].contains(&base(word)));
    if !runtime && !plain {
        return None;
    }
    let options = |short: &str, long: &str| option_values(before, short, long);
    let assigned = if runtime { options("-e", "--env") } else { before.to_vec() };
    let pair = |word: &String| word.split_once('=').map(|(n, v)| (n.to_string(), v.to_string()));
    Some(Words {
        args: from.get(1..).unwrap_or_default().to_vec(),
        variables: assigned.iter().filter_map(pair).collect(),
        mounts: if runtime { options("-v", "--volume").iter().filter_map(|v| mount(v)).collect() } else { Vec::new() },
    })
}

fn is_minus_c(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
}

/// The last part of a path.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// `-v X`, `--volume X` and `--volume=X`.
fn option_values(words: &[String], short: &str, long: &str) -> Vec<String> {
    let with = format!("{long}=");
    let apart = words.windows(2).filter_map(|pair| match pair {
        [option, value] if option == short || option == long => Some(value.clone()),
        _ => None,
    });
    apart.chain(words.iter().filter_map(|word| word.strip_prefix(&with).map(String::from))).collect()
}

/// `HOST:CONTAINER[:OPTIONS]`.
fn mount(volume: &str) -> Option<Mount> {
    let mut parts = volume.split(':');
    let (host, inside) = (parts.next()?, parts.next()?);
    host.starts_with('/').then(|| Mount { inside: inside.into(), host: host.into() })
}

/// The flags that are in effect: those of the configuration file alone where there is one, else arguments before
/// variables.
pub(super) fn effective(
    tree: Tree<'_>,
    args: Vec<Setting>,
    variables: Vec<Setting>,
    here: &Path,
    reads: &mut Vec<PathBuf>,
    notes: &mut Vec<String>,
) -> Vec<Setting> {
    let flags = flags::merged(args, variables);
    let Some(named) = flags::get(&flags, "config-file") else { return flags };
    let path = here.join(named);
    reads.push(path.clone());
    let place = path.display().to_string();
    match tree.text(&path).map_err(|e| format!("it cannot be read ({e})")).and_then(|text| yaml::parse(&text)) {
        Ok(document) => {
            let others = flags.len() - 1;
            if others > 0 {
                notes.push(format!("{others} other flags and variables are without effect: etcd takes {place} alone"));
            }
            let itself = flags.into_iter().filter(|s| s.flag == "config-file");
            itself.chain(flags::of_file(&document, &place)).collect()
        }
        Err(why) => {
            notes.push(format!("the configuration file {place} names everything, and {why}"));
            flags.into_iter().filter(|s| s.flag == "config-file").collect()
        }
    }
}
