//! Parses the command line: words that other tools have, clusters of the configuration in the place of a command, and
//! variables that are not read.

use std::{env, ffi::OsString};

use clap::{
    CommandFactory, FromArgMatches,
    error::{ContextKind, ContextValue},
};

use super::{
    Cli, Format,
    args::{cluster, connection_args, pointers, surface},
};
use crate::{domain::model::cluster_profile::Cluster, error::Error};

/// What was typed, as far as it can be run.
pub(super) struct Typed {
    pub(super) cli: Cli,
    pub(super) format: Format,
    /// The cluster of the configuration that it is about.
    pub(super) cluster: Option<Cluster>,
}

/// Why a command line cannot be run.
pub(super) enum Unusable {
    /// It cannot be parsed, or it asks for help.
    Line(Box<clap::Error>),
    /// Something that it names.
    Named(Error),
}

impl From<clap::Error> for Unusable {
    fn from(error: clap::Error) -> Unusable {
        Unusable::Line(Box::new(error))
    }
}

/// Parses a command line. A word in the place of a command may name a cluster of the configuration.
pub(super) fn parsed(args: &[OsString]) -> std::result::Result<Typed, Unusable> {
    let (mut error, mut command) = match parsed_as_is(args) {
        Err((Unusable::Line(error), command)) => (*error, command),
        parsed => return parsed.map_err(|(error, _)| error),
    };
    let words: Vec<String> = args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    command.build();
    if let (clap::error::ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidSubcommand))
        && pointers::is_first(&command, &words, word)
        && cluster::is_named(word)
    {
        let word = word.clone();
        for line in cluster::by_flag(args, &word) {
            match parsed_as_is(&line) {
                Err((Unusable::Line(other), _)) if other.kind() == clap::error::ErrorKind::InvalidSubcommand => {
                    let named = other.get(ContextKind::InvalidSubcommand);
                    if named != Some(&ContextValue::String(word.clone())) {
                        error = *other;
                    }
                }
                parsed => return parsed.map_err(|(error, _)| error),
            }
        }
    }
    let clusters = cluster::all();
    let names: Vec<String> = clusters.iter().flatten().map(|cluster| cluster.name.clone()).collect();
    let mut error = pointers::explained(error, &command, &words, &names);
    let unknown = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if error.get(ContextKind::Suggested).is_none() => word.clone(),
        _ => return Err(error.into()),
    };
    let clusters = if pointers::is_first(&command, &words, &unknown) { clusters } else { Ok(Vec::new()) };
    match clusters {
        // it may be the name of a cluster
        Err(broken) => Err(Unusable::Named(broken)),
        Ok(all) if !all.is_empty() => Err(Unusable::Named(cluster::unknown_word(&unknown, &all))),
        Ok(_) => {
            pointers::with_tips(&mut error, vec!["`requorum --help` lists the commands".to_string()]);
            Err(error.into())
        }
    }
}

/// Parses a command line whose words are commands.
fn parsed_as_is(args: &[OsString]) -> std::result::Result<Typed, (Unusable, Box<clap::Command>)> {
    let mut command = command_line(&[]);
    let mut read = || -> std::result::Result<Typed, Unusable> {
        let mut matches = command.try_get_matches_from_mut(args)?;
        let cluster = cluster::asked(&matches).map_err(Unusable::Named)?;
        if cluster.is_some() {
            // it is not mixed with another one that variables name
            command = command_line(&connection_args::REPLACED_BY_CLUSTER);
            matches = command.try_get_matches_from_mut(args)?;
        }
        Ok(Typed { format: surface::check(&matches)?, cli: Cli::from_arg_matches(&matches)?, cluster })
    };
    read().map_err(|error| (error, Box::new(command)))
}

/// Returns the whole command line, as it is parsed, completed and printed; variables of these names are not read.
pub(super) fn command_line(unread: &[&str]) -> clap::Command {
    tidy(surface::declare(Cli::command()), unread)
}

/// Makes help name the environment variables without their values, and empty ones count as not set, as for etcdctl.
fn tidy(command: clap::Command, unread: &[&str]) -> clap::Command {
    let is_unread = |arg: &clap::Arg| {
        let name = arg.get_env().unwrap_or_default();
        unread.iter().any(|unread| *unread == name) || env::var_os(name).is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|arg| match arg.get_env().is_some() && is_unread(&arg) {
            true => arg.env(None::<&'static str>),
            false => arg.hide_env_values(true),
        })
        .mut_subcommands(|sub| tidy(sub, unread))
}
