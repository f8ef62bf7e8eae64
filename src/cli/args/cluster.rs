//! `requorum NAME` and `--cluster NAME`: a cluster that the operator's configuration names.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, CommandFactory};

use super::surface::leaf_values;
use crate::{
    cli::Cli,
    domain::model::cluster_profile::Cluster,
    error::{Error, ErrorKind, Result},
    system::cluster_profiles,
    text::{Foreign, Shown, join::either, nearest::candidates},
};

/// The ID of `--cluster`.
const FLAG: &str = "cluster";

/// Returns `requorum` in the user's configuration directory.
pub(in crate::cli) fn config_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("requorum"))
}

/// Returns the file that names the clusters; none without a home directory.
pub(in crate::cli) fn file() -> Option<PathBuf> {
    config_dir().map(|dir| dir.join("config.yaml"))
}

/// Returns the clusters that the configuration names.
///
/// # Errors
/// As [`cluster_profiles::read`].
pub(in crate::cli) fn all() -> Result<Vec<Cluster>> {
    // a cluster is asked for in the place of a command
    let reserved: Vec<String> = Cli::command()
        .get_subcommands()
        .flat_map(|sub| {
            [sub.get_name()].into_iter().chain(sub.get_all_aliases()).map(str::to_string).collect::<Vec<_>>()
        })
        .chain(["help".to_string()])
        .collect();
    file().map_or(Ok(Vec::new()), |file| cluster_profiles::read(&file, &reserved))
}

/// Returns the cluster of that name.
///
/// # Errors
/// `Usage` where no cluster has it, with those that may have been meant.
pub(in crate::cli) fn find(name: &str) -> Result<Cluster> {
    let all = all()?;
    let names: Vec<String> = all.iter().map(|cluster| cluster.name.clone()).collect();
    all.into_iter().find(|cluster| cluster.name == name).ok_or_else(|| unknown(name, &names))
}

/// Returns the error for a word that is neither a command nor the name of one of these clusters.
pub(in crate::cli) fn unknown_word(word: &str, all: &[Cluster]) -> Error {
    let names: Vec<String> = all.iter().map(|cluster| cluster.name.clone()).collect();
    let error = unknown(word, &names);
    Error { what: format!("{}: neither a command nor a cluster", Foreign::new(word)), ..error }
}

fn unknown(name: &str, names: &[String]) -> Error {
    let place = file().map_or_else(|| "the configuration".into(), |file| file.shown().to_string());
    let error = Error::new(ErrorKind::Usage, format!("no cluster is called {}", Foreign::new(name)));
    if names.is_empty() {
        return error
            .why(format!("{place} names none"))
            .hint("`requorum guide commands` shows how one is written there.");
    }
    let meant: Vec<String> = candidates(name, names.iter().map(String::as_str)).into_iter().map(String::from).collect();
    match meant.as_slice() {
        [] => error.why(format!("{place} names {}", names.join(", "))),
        meant => error.hint(format!("Did you mean {}? `requorum cluster list` lists all.", either(meant))),
    }
}

/// Returns the cluster that was asked for by `--cluster`, before or after the command.
///
/// # Errors
/// `Usage` where two are named, or one that does not exist.
pub(in crate::cli) fn asked(matches: &ArgMatches) -> Result<Option<Cluster>> {
    let mut names = leaf_values(matches, FLAG);
    names.dedup();
    match names.as_slice() {
        [] => Ok(None),
        [name] => find(name).map(Some),
        names => Err(Error::new(ErrorKind::Usage, format!("--cluster: {} clusters were named", names.len()))
            .why(names.join(", "))),
    }
}

/// Returns the command line with the name of a cluster, where a command would be, as `--cluster`; one for each place
/// where the name is.
pub(in crate::cli) fn by_flag(args: &[OsString], name: &str) -> Vec<Vec<OsString>> {
    let places = args.iter().enumerate().skip(1).filter(|(_, arg)| *arg == name).map(|(at, _)| at);
    let flag = OsString::from(format!("--{FLAG}={name}"));
    places
        .map(|place| args.iter().enumerate().map(|(at, arg)| if at == place { &flag } else { arg }.clone()).collect())
        .collect()
}

/// Returns whether a word is the name of a cluster. A configuration that cannot be read names none.
pub(in crate::cli) fn is_named(word: &str) -> bool {
    all().is_ok_and(|all| all.iter().any(|cluster| cluster.name == word))
}

/// Returns the path for a message, absolute as the configuration has it.
pub(in crate::cli) fn shown(path: &Path) -> String {
    path.shown().to_string()
}
