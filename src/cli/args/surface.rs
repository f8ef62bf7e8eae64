//! Which of the shared flags each command supports: the values of `-w`, and the connection flags. A flag that would be
//! ignored is refused, wherever it was typed; a variable of etcdctl is not, since it was not set for this command.
//!
//! `etcdutl` takes `-w` everywhere and no connection flag; so does what only reads and writes files here.

use std::env;

use clap::{
    Arg, ArgMatches, Args, Command, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};

use super::{connection_args::ConnectArgs, plan_arg::PlanArg};
use crate::{
    cli::{
        Format,
        commands::wizard::{Look, WizardArgs},
        note,
    },
    text::Foreign,
};

/// The ID of `-w`.
const WRITE_OUT: &str = "write_out";
/// etcdctl's variable for it.
const VARIABLE: &str = "ETCDCTL_WRITE_OUT";

const TEXT: &[Format] = &[Format::Simple];
const JSON: &[Format] = &[Format::Simple, Format::Json];
const ALL: &[Format] = &[Format::Simple, Format::Table, Format::Json, Format::Fields];

/// Returns the formats that a command prints, the default first; `given` are its arguments, where they decide.
fn formats(path: &[&str], given: Option<&ArgMatches>) -> &'static [Format] {
    let has = |id: &str| given.is_some_and(|given| was_typed(given, id));
    match path {
        ["snapshot", "status" | "inspect" | "keys"] | ["hashkv"] => ALL,
        ["snapshot", "compare"] => &[Format::Simple, Format::Json, Format::Fields],
        // manuals, files and runbooks are for people
        ["launch"] if has("manual") || has("output") || form_is_runbook(given) => TEXT,
        ["drill"] if has("play") => TEXT,
        // one object on each line, whatever is asked for
        ["v2", "export"] => &[Format::Json],
        ["probe" | "verify" | "apply" | "resume" | "undo" | "report" | "launch" | "start" | "drill" | "salvage"]
        | ["snapshot", "list"]
        | ["v2", "list"]
        | ["version"]
        | ["cluster", "list" | "show"]
        | ["drill", "list" | "host"] => JSON,
        _ => TEXT,
    }
}

fn form_is_runbook(given: Option<&ArgMatches>) -> bool {
    let form = given.and_then(|given| given.try_get_one::<String>("start_format").ok().flatten());
    form.is_some_and(|form| form.starts_with("runbook"))
}

/// Returns whether a command connects to members, by their client or peer URLs.
fn connects(path: &[&str], given: &ArgMatches) -> bool {
    match path {
        [] | ["probe" | "verify" | "apply" | "undo" | "restore"] | ["snapshot", "save" | "restore"] => true,
        ["plan"] => !was_typed(given, "again"),
        ["resume"] => !was_typed(given, "show"),
        _ => false,
    }
}

/// Adds `-w` to each command that has a choice of formats, with its own values. A hidden `-w` is accepted everywhere,
/// since etcdctl takes its flags before and after a subcommand; [`check`] refuses the values that a command does not
/// print.
pub(in crate::cli) fn declare(command: Command) -> Command {
    declare_in(command.arg(write_out(ALL).global(true).hide(true)), &[])
}

fn declare_in(command: Command, path: &[String]) -> Command {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    let list = formats(&names, None);
    let command = match list {
        _ if path.is_empty() => command,
        [_, _, ..] => command.arg(write_out(list)),
        _ => command.arg(write_out(ALL).hide(true)),
    };
    command.mut_subcommands(|sub| {
        let path = [path, &[sub.get_name().to_string()]].concat();
        declare_in(sub, &path)
    })
}

fn write_out(list: &'static [Format]) -> Arg {
    let values = list.iter().filter_map(ValueEnum::to_possible_value);
    Arg::new(WRITE_OUT)
        .short('w')
        .long("write-out")
        .value_name("FORMAT")
        .help("Output format [default: simple, or ETCDCTL_WRITE_OUT where supported]")
        .help_heading("Output")
        .value_parser(PossibleValuesParser::new(values).try_map(|text| Format::from_str(&text, false)))
}

/// Returns the format to print in.
///
/// # Errors
/// When a flag was typed that would be ignored.
pub(in crate::cli) fn check(matches: &ArgMatches) -> Result<Format, clap::Error> {
    let (mut path, mut levels) = (Vec::new(), vec![matches]);
    let mut leaf = matches;
    while let Some((name, below)) = leaf.subcommand() {
        path.push(name);
        levels.push(below);
        leaf = below;
    }
    let refused = |why: String| Err(clap::Error::raw(ErrorKind::ArgumentConflict, format!("{why}\n")));
    let command = format!("`requorum {}`", path.join(" "));
    if !path.is_empty()
        && let Some(flag) = typed_of_those::<WizardArgs>(matches, |id| !(path == ["drill"] && is_of::<Look>(id)))
    {
        return refused(format!(
            "{flag} is a flag of the wizard and has no effect on {command}; put the command's own flags after it"
        ));
    }
    if !connects(&path, leaf)
        && let Some(flag) = levels.iter().find_map(|level| typed_of::<ConnectArgs>(level))
    {
        return refused(format!("{flag} has no effect: {command} does not connect to members"));
    }
    if let (Some(plan), Some(flag)) = (typed_path(leaf, PlanArg::POSITIONAL), typed_path(leaf, PlanArg::FLAG)) {
        return refused(format!("the plan was given twice: {plan} and --plan {flag}; use only one"));
    }
    let list = formats(&path, Some(leaf));
    let typed = matches.try_get_one::<Format>(WRITE_OUT).ok().flatten().copied();
    match typed {
        Some(format) if list.contains(&format) => Ok(format),
        Some(format) => Err(not_one_of(format, list)),
        None => Ok(by_variable(&command, list, env::var(VARIABLE).ok().as_deref())),
    }
}

/// Returns the format that etcdctl's variable names, where this command prints it.
fn by_variable(command: &str, list: &[Format], value: Option<&str>) -> Format {
    let default = list.first().copied().unwrap_or(Format::Simple);
    let Some(value) = value.filter(|value| !value.is_empty() && list.len() > 1) else { return default };
    match Format::from_str(value, false).ok().filter(|format| list.contains(format)) {
        Some(format) => format,
        None => {
            let names: Vec<String> = list.iter().map(Format::name).collect();
            note(&format!("{VARIABLE}={} is ignored: {command} prints {}.", Foreign::new(value), names.join(", ")));
            default
        }
    }
}

fn not_one_of(format: Format, list: &[Format]) -> clap::Error {
    let mut error = clap::Error::new(ErrorKind::InvalidValue);
    error.insert(ContextKind::InvalidArg, ContextValue::String("--write-out <FORMAT>".into()));
    error.insert(ContextKind::InvalidValue, ContextValue::String(format.name()));
    error.insert(ContextKind::ValidValue, ContextValue::Strings(list.iter().map(Format::name).collect()));
    error
}

impl Format {
    fn name(&self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
    }
}

/// Returns whether it was typed: neither a default nor from a variable.
fn was_typed(given: &ArgMatches, id: &str) -> bool {
    // whoever asks for an ID that a command has not would be stopped by clap
    given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine)
}

/// Returns the values of a flag that were typed, before and after the command.
pub(super) fn leaf_values(matches: &ArgMatches, id: &str) -> Vec<String> {
    let (mut out, mut level) = (Vec::new(), Some(matches));
    while let Some(here) = level {
        let typed = was_typed(here, id).then(|| here.try_get_one::<String>(id).ok().flatten().cloned()).flatten();
        out.extend(typed);
        level = here.subcommand().map(|(_, below)| below);
    }
    out
}

/// Returns the first flag of `A` that was typed.
fn typed_of<A: Args>(given: &ArgMatches) -> Option<String> {
    typed_of_those::<A>(given, |_| true)
}

/// Returns the first flag of `A` that was typed and counts.
fn typed_of_those<A: Args>(given: &ArgMatches, counts: impl Fn(&str) -> bool) -> Option<String> {
    let flags = A::augment_args(Command::new(""));
    let counted = |arg: &&Arg| was_typed(given, arg.get_id().as_str()) && counts(arg.get_id().as_str());
    flags.get_arguments().find(counted)?.get_long().map(|long| format!("--{long}"))
}

/// Returns whether an argument is one of `A`.
fn is_of<A: Args>(id: &str) -> bool {
    A::augment_args(Command::new("")).get_arguments().any(|arg| arg.get_id() == id)
}

/// Returns the connection flag that an argument as typed is, if it is one: `--cacert` of `--cacert=FILE`.
pub(super) fn connection_flag(typed: &str) -> Option<String> {
    let name = typed.split(['=', ' ']).next()?.strip_prefix("--")?;
    let flags = ConnectArgs::augment_args(Command::new(""));
    flags.get_arguments().any(|arg| arg.get_long() == Some(name)).then(|| format!("--{name}"))
}

fn typed_path(given: &ArgMatches, id: &str) -> Option<String> {
    use crate::text::Shown;
    let path = given.try_get_one::<std::path::PathBuf>(id).ok().flatten()?;
    Some(path.shown().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// The leaves of the command line, each with its path.
    fn leaves(command: &Command, path: &[String], out: &mut Vec<(Vec<String>, Command)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = [path, &[sub.get_name().to_string()]].concat();
            out.push((path.clone(), sub.clone()));
            leaves(sub, &path, out);
        }
    }

    fn parse(line: &str) -> Result<Format, clap::Error> {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let matches = declare(Cli::command()).try_get_matches_from(["requorum"].into_iter().chain(words))?;
        check(&matches)
    }

    #[test]
    fn help_shows_the_formats_that_a_command_prints() {
        let mut command = declare(Cli::command());
        command.build();
        let mut all = Vec::new();
        leaves(&command, &[], &mut all);
        assert!(all.len() > 25, "{}", all.len());
        for (path, leaf) in all {
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            let list = formats(&names, None);
            let shown = leaf.get_arguments().find(|arg| arg.get_id() == WRITE_OUT && !arg.is_hide_set());
            let values = shown.map(|arg| arg.get_possible_values().iter().map(|v| v.get_name().to_string()).collect());
            let wanted = (list.len() > 1).then(|| list.iter().map(Format::name).collect::<Vec<_>>());
            assert_eq!(values, wanted, "{path:?}");
        }
    }

    #[test]
    fn formats_are_taken_where_they_are_honoured() {
        for (command, honoured) in [
            ("probe", "simple json"),
            ("verify p", "simple json"),
            ("apply p", "simple json"),
            ("resume p", "simple json"),
            ("undo p", "simple json"),
            ("report p", "simple json"),
            ("start p", "simple json"),
            ("launch p", "simple json"),
            ("launch p --format auto", "simple json"),
            ("launch p --manual", "simple"),
            ("launch p --format runbook", "simple"),
            ("launch p --format runbook:pod", "simple"),
            ("launch p --format pod -o d", "simple"),
            // their earlier names
            ("launch p --form auto", "simple json"),
            ("launch p --sheet", "simple"),
            ("launch p --form runbook", "simple"),
            ("launch p --form pod -o d", "simple"),
            ("restore p", "simple"),
            ("sheet p --member m", "simple"),
            ("plan --snapshot f", "simple"),
            ("snapshot save f", "simple"),
            ("snapshot restore f", "simple"),
            ("snapshot fetch s3://b/k f", "simple"),
            ("snapshot list s3://b", "simple json"),
            ("snapshot status f", "simple table json fields"),
            ("snapshot inspect f", "simple table json fields"),
            ("snapshot keys f", "simple table json fields"),
            ("snapshot compare f g", "simple json fields"),
            ("hashkv f", "simple table json fields"),
            ("v2 list d", "simple json"),
            ("v2 export d", "json"),
            ("version", "simple json"),
            ("cluster list", "simple json"),
            ("cluster show c", "simple json"),
            ("drill", "simple json"),
            ("drill --play", "simple"),
            ("drill list", "simple json"),
            ("drill host", "simple json"),
            ("drill new n", "simple"),
            ("drill check n", "simple"),
            ("drill record p", "simple"),
            ("bench", "simple"),
            ("guide", "simple"),
            ("guide wal", "simple"),
            ("completions bash", "simple"),
            ("", "simple"),
        ] {
            for format in ["simple", "table", "json", "fields"] {
                // etcdctl takes its flags on either side
                for line in [format!("-w {format} {command}"), format!("{command} -w {format}")] {
                    let taken = parse(&line);
                    let wanted = honoured.split(' ').find(|word| *word == format).map(String::from);
                    assert_eq!(taken.ok().map(|format| format.name()), wanted, "{line}");
                }
            }
        }
    }

    #[test]
    fn a_variable_sets_only_a_supported_format() {
        for (list, value, format) in [
            (ALL, Some("table"), Format::Table),
            (JSON, Some("json"), Format::Json),
            (JSON, Some("table"), Format::Simple),
            (JSON, Some("protobuf"), Format::Simple),
            (JSON, Some(""), Format::Simple),
            (TEXT, Some("json"), Format::Simple),
            (ALL, None, Format::Simple),
        ] {
            assert_eq!(by_variable("`requorum x`", list, value), format, "{value:?}");
        }
    }

    #[test]
    fn flags_that_would_do_nothing_are_refused() {
        let refused = |line: &str| parse(line).err().map(|error| error.kind());
        for line in [
            "--endpoints a:1 probe",
            "probe --endpoints a:1 --user u:p",
            "--cacert c --cert c --key k verify p",
            "verify p --dial-timeout 1s",
            "--endpoints a:1 plan --snapshot f",
            "--cacert c snapshot restore f",
            "--endpoints a:1 snapshot save f",
            "--command-timeout 1s resume p",
            "restore p --insecure-skip-tls-verify",
            "--endpoints a:1 --label l",
            "--plain --ascii --no-color drill two-truths",
            "drill two-truths --plain",
            "--plain --look",
            "--cluster c",
            "--cluster c probe",
            "plan --snapshot f --cluster c",
            "snapshot restore f --cacert c --cert d --key e --endpoints a:1",
        ] {
            assert_eq!(refused(line), None, "{line}");
        }
        for line in [
            "--endpoints a:1 snapshot status f",
            "--cacert c hashkv f",
            "--user u:p snapshot list s3://b",
            "--password p snapshot fetch s3://b/k f",
            "--insecure-transport launch p",
            "--endpoints a:1 start p",
            "--dial-timeout 1s report p",
            "--endpoints a:1 drill list",
            "--cluster c drill list",
            "--cluster c cluster list",
            "--cluster c launch p",
            "--endpoints a:1 guide",
            "--endpoints a:1 completions bash",
            "resume p --show --endpoints a:1",
            "plan --again p --endpoints a:1",
            "--label l probe",
            "--plan p verify p",
            "--ascii drill list",
            "--plain probe",
            "--look drill",
        ] {
            assert_eq!(refused(line), Some(ErrorKind::ArgumentConflict), "{line}");
        }
        assert_eq!(refused("snapshot status f --endpoints a:1"), Some(ErrorKind::UnknownArgument));
    }

    #[test]
    fn a_plan_is_named_once() {
        for command in [
            "apply",
            "undo",
            "resume",
            "verify",
            "launch",
            "start",
            "report",
            "restore",
            "sheet --member m",
            "drill record",
        ] {
            for line in [format!("{command} p"), format!("{command} --plan p"), format!("{command} --plan=p")] {
                assert!(parse(&line).is_ok(), "{line}");
            }
            let kind = |line: String| parse(&line).unwrap_err().kind();
            assert_eq!(kind(format!("{command} p --plan q")), ErrorKind::ArgumentConflict);
            assert_eq!(kind(command.to_string()), ErrorKind::MissingRequiredArgument);
        }
    }
}
