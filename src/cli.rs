//! What was typed: subcommands, flags, exit codes. Each subcommand is a few lines over the library.
//!
//! Flags of `etcdctl` and `etcdutl` keep their names and meaning, so that fingers that know them
//! are right here too.

pub mod args;
pub mod commands;
pub mod output;

use crate::cli::{
    args::{connection_args, surface},
    commands::{
        apply, bench, drill, guide, inspect, launch, manual, plan, probe, report, snapshot, start, v2store, verify,
        wizard,
    },
    output::panic,
};
use std::{
    io,
    path::{Component, PathBuf},
    process::ExitCode,
};

use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};
use rustix::process::{Resource, getrlimit};

pub use self::output::panic::guarded;
use crate::{
    domain::members::table::{Column, Problem, Severity},
    error::{Error, ErrorKind, Result},
    system::DataDir,
    text::{
        Foreign, Shown,
        escape::{self, is_hostile},
        stdio::{self, OutputFormat},
    },
};

const ABOUT: &str = "\
Leads from an etcd cluster that lost its quorum to one that serves again.

Without a subcommand a wizard opens: it asks the members, helps to choose a snapshot, to fill in the \
new cluster's table, restores every member on its host and prints the exact etcd commands. Nothing \
is written before you have confirmed the whole plan, and nothing of yours is ever written over or deleted.

First time here? `requorum drill` opens the same wizard on a practice cluster.";

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 a file, table or answer is not as it must be, 2 wrong usage, 3 the plan was refused, \
4 the machine did not do it (space, permission), 5 no member answered, 70 a defect of requorum, \
75 stopped on request. After any of them what was there before is still there.";

/// How many files a run must be able to open at a time. Below a dozen nothing works, not even to listen for signals; the
/// rest is what a restore beside a member's directory, its log and a few connections has open at once.
const FILES: usize = 32;

/// How many threads a run must be able to start, and how much memory it must be able to ask for: a restore reads, hashes,
/// writes and hears signals at the same time. Where memory ends later the allocator ends the process without a sentence.
const THREADS: usize = 8;
const MEMORY: usize = 32 << 20;

/// How many bytes of addresses a limit must leave. What is used is far less; but the allocator reserves 64 MiB for each
/// thread, so that below this it is chance whether the last small piece is still to be had.
const ADDRESSES: u64 = 2 << 30;

#[derive(Debug, Parser)]
#[command(name = "requorum", version, about = ABOUT, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    wizard: wizard::WizardArgs,

    #[command(flatten)]
    connect: connection_args::ConnectArgs,
}

/// `-w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line, as etcdutl prints it.
    Simple,
    /// A table.
    Table,
    /// JSON.
    Json,
    /// `"Name" : value` lines.
    Fields,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Is quorum lost? Asks every member what answers without one; text or JSON, with an exit code for scripts.
    Probe(probe::ProbeArgs),
    /// Save, look at, or restore from a snapshot file.
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// HashKV of a file, as a server would compute it; the file is only read.
    Hashkv(inspect::HashkvArgs),
    /// The keys of the v2 store, which snapshots do not hold: list them, write them out.
    #[command(subcommand)]
    V2(v2store::Command),
    /// Make a plan for a whole cluster: one file that `restore` and `launch` follow.
    Plan(Box<plan::MakeArgs>),
    /// Restore the members of a plan on this machine.
    Restore(apply::RestoreArgs),
    /// Restore the members of a plan on their hosts, by ssh.
    Apply(apply::Args),
    /// Go on with a run that was interrupted, at the first act whose result is not there.
    Resume(apply::ResumeArgs),
    /// Take what `apply` put in place out again, and put back what was there before.
    Undo(apply::UndoArgs),
    /// What a recovery's journal tells, as Markdown or JSON (-w json), with its chain verified.
    Report(report::Args),
    /// What `apply` runs beside the data: answers requests on standard input.
    #[command(hide = true)]
    Agent,
    /// Print what restores a member by hand, for a host that takes no program, and judge what it sends home.
    Sheet(manual::Args),
    /// Print how each member of a plan is started: a command, a systemd unit, a container, a static pod, a runbook.
    Launch(launch::Args),
    /// Start members that are in place, by what starts an etcd on their hosts: each command is shown and asked for.
    Start(start::Args),
    /// Did it work? Watches the members of a plan come up and proves what they serve; with an exit code for scripts.
    Verify(verify::VerifyArgs),
    /// Practise on a broken cluster that is made for you.
    Drill(drill::Args),
    /// Measure status and restore on this machine, side by side with etcdutl where there is one.
    Bench(bench::BenchArgs),
    /// Print a page of the guide: words, architecture, file formats, security.
    Guide(guide::Args),
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Runs what was typed and says how it went.
pub fn main() -> ExitCode {
    panic::hook();
    ExitCode::from(guarded(typed))
}

/// Runs what was typed; the exit code.
fn typed() -> u8 {
    let parsed = quiet(surface::declare(Cli::command()))
        .try_get_matches()
        .and_then(|matches| Ok((surface::check(&matches)?, Cli::from_arg_matches(&matches)?)));
    let (format, cli) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = cleaned(error);
            // it repeats what arguments and variables hold: with its colours only where nothing of that acts on a terminal
            let text = error.render().to_string();
            let odd =
                text.contains(|c| c != '\n' && is_hostile(c)) || text.lines().any(|line| line.len() > escape::MOST);
            match (odd, error.use_stderr()) {
                (false, _) => drop(error.print()),
                (true, false) => drop(print(&text)),
                (true, true) => text.lines().for_each(|line| warn(&escape::line(line))),
            }
            return if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 };
        }
    };
    match files_enough().and_then(|()| threads_enough()).and_then(|()| run(cli, format)) {
        Ok(code) => code,
        Err(trouble) => {
            warn(&format!("Error: {trouble}"));
            trouble.kind.exit_code()
        }
    }
}

/// Help names the variables, not what they hold.
fn quiet(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(quiet)
}

/// An error of the command line, each text that it repeats on one line and cut.
fn cleaned(mut error: clap::Error) -> clap::Error {
    let safe = |text: &String| String::from(Foreign::new(text));
    let texts: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, ContextValue::String(safe(text)))),
            ContextValue::Strings(texts) => Some((kind, ContextValue::Strings(texts.iter().map(safe).collect()))),
            _ => None,
        })
        .collect();
    for (kind, value) in texts {
        error.insert(kind, value);
    }
    error
}

/// Whether as many files can be opened as a run may need at a time; that is found out before anything is begun, and by
/// opening some, since what is open already counts, too.
///
/// # Errors
/// `Failed` when the limit is lower.
fn files_enough() -> Result<()> {
    let pairs: io::Result<Vec<_>> = (0..FILES / 2).map(|_| std::os::unix::net::UnixStream::pair()).collect();
    pairs.map(drop).map_err(|e| {
        Error::new(ErrorKind::Failed, format!("fewer than {FILES} files can be opened at a time"))
            .why(e)
            .hint("Nothing was begun. Raise the limit first: ulimit -n 1024")
    })
}

/// Whether as many threads can be started, and as much memory is there, as a small run may need; found out as the files are.
///
/// # Errors
/// `Failed` when a limit is lower.
fn threads_enough() -> Result<()> {
    let lacks = |what: String, why: String, hint: &str| {
        Error::new(ErrorKind::Failed, what).why(why).hint(format!("Nothing was begun. Raise the limit first: {hint}"))
    };
    if let Some(limit) = getrlimit(Resource::As).current.filter(|limit| *limit < ADDRESSES) {
        let (what, least) = ("the limit of the address space is too low".to_string(), ADDRESSES >> 20);
        return Err(lacks(
            what,
            format!("it is {} MiB, and {least} MiB are needed", limit >> 20),
            "ulimit -v unlimited",
        ));
    }
    // all at the same time: each waits until the last was started
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let begun = std::thread::scope(|scope| {
        let begun = (0..THREADS).try_for_each(|_| {
            let held = || drop(wait.lock().map(|wait| wait.recv()));
            std::thread::Builder::new().spawn_scoped(scope, held).map(drop)
        });
        drop(go);
        begun
    });
    begun.map_err(|e| {
        let hint = "ulimit -u 1024, or ulimit -v unlimited where that one is low";
        lacks(format!("fewer than {THREADS} threads can be started"), e.to_string(), hint)
    })?;
    Vec::<u8>::new().try_reserve_exact(MEMORY).map_err(|e| {
        lacks(format!("less than {} MiB of memory can be had", MEMORY >> 20), e.to_string(), "ulimit -v unlimited")
    })
}

/// Does what was typed; the exit code where nothing failed.
fn run(cli: Cli, write_out: Format) -> Result<u8> {
    let Cli { command, wizard, connect } = cli;
    let done = match command {
        Some(Command::Probe(args)) => return probe::run(args, &connect, write_out),
        Some(Command::Verify(args)) => return verify::run(args, &connect, write_out),
        None => wizard::real(wizard, &connect),
        Some(Command::Snapshot(command)) => snapshot::run(command, &connect, write_out),
        Some(Command::Hashkv(args)) => inspect::hashkv(&args, write_out),
        Some(Command::V2(command)) => v2store::run(&command, write_out),
        Some(Command::Plan(args)) => plan::make(*args, &connect),
        Some(Command::Restore(args)) => apply::restore(args, &connect, write_out),
        Some(Command::Apply(args)) => apply::run(args, &connect, write_out),
        Some(Command::Resume(args)) => apply::resume(args, &connect, write_out),
        Some(Command::Undo(args)) => apply::undo(args, &connect, write_out),
        Some(Command::Report(args)) => report::run(&args, write_out),
        Some(Command::Agent) => apply::agent(),
        Some(Command::Sheet(args)) => manual::run(&args),
        Some(Command::Launch(args)) => launch::run(&args, write_out),
        Some(Command::Start(args)) => start::run(&args, write_out),
        Some(Command::Drill(args)) => drill::run(&args, write_out),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Guide(args)) => guide::run(&args),
        Some(Command::Completions { shell }) => {
            // Into memory first: written straight to a full disk it would panic.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut surface::declare(Cli::command()), "requorum", &mut text);
            if shell == clap_complete::Shell::Fish {
                text.extend_from_slice(guide::fish_completions().as_bytes());
            }
            print(&String::from_utf8_lossy(&text))
        }
    };
    done.map(|()| 0)
}

/// As [`print`], the result of something that is done by then: a failure says so.
fn print_done(text: &str) -> Result<()> {
    print(text).map_err(|trouble| {
        trouble.hint("Only its report is missing: what was asked for is done. Do not repeat it for that reason.")
    })
}

/// Prints to standard output; a reader that went away is not an error.
fn print(text: &str) -> Result<()> {
    printed(stdio::print(OutputFormat::Text, text))
}

/// The same of JSON.
fn print_json(text: &str) -> Result<()> {
    printed(stdio::print(OutputFormat::Json, text))
}

/// A reader that went away is not an error.
fn printed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Failed, "cannot print the result").why(e))
        }
        _ => Ok(()),
    }
}

/// A line on standard error.
fn warn(text: &str) {
    stdio::warn(text);
}

/// Prints the warnings among `problems`; the errors become one failure. `names` are the rows' names.
fn refuse_problems(what: &str, problems: &[Problem], names: &[&str]) -> Result<()> {
    let placed = |problem: &Problem| {
        let row = problem.row.and_then(|row| names.get(row)).filter(|name| !name.is_empty());
        let column = problem.column.filter(|column| *column != Column::Name).map(Column::heading);
        let place: Vec<&str> = row.into_iter().copied().chain(column).collect();
        if place.is_empty() { problem.text.clone() } else { format!("{}: {problem}", place.join(", ")) }
    };
    for problem in problems.iter().filter(|p| p.severity == Severity::Warning) {
        warn(&format!("Warning: {}", placed(problem)));
    }
    let mut errors = problems.iter().filter(|p| p.severity == Severity::Error).map(placed);
    let Some(first) = errors.next() else { return Ok(()) };
    let trouble = Error::new(ErrorKind::Input, what).why(first);
    let more: Vec<String> = errors.map(|error| format!("also: {error}")).collect();
    Err(if more.is_empty() { trouble } else { trouble.hint(more.join("\n  ")) })
}

/// A data directory that was typed, made absolute. One with `..` is refused, as in a plan: where that leads depends on
/// links, which others may change between the look at it and the use of it.
fn typed_dir(path: &std::path::Path, flag: &str) -> Result<PathBuf> {
    if path.components().all(|part| part != Component::ParentDir) {
        return absolute(path);
    }
    let refused = Error::new(ErrorKind::Usage, format!("{flag} contains \"..\": {}", path.shown()))
        .why("where that leads depends on symbolic links, which others may change");
    Err(match absolute(path) {
        Ok(resolved) => refused.hint(format!("It leads to {0} now. If that is meant, type {0}.", resolved.shown())),
        Err(_) => refused.hint("It leads nowhere now. Type the path without \"..\"."),
    })
}

/// Refuses the same in data directories of which several may be typed.
fn typed_dirs(dirs: &[DataDir]) -> Result<()> {
    dirs.iter().try_for_each(|dir| {
        typed_dir(&dir.data, "--data-dir")?;
        dir.wal.as_deref().map_or(Ok(()), |wal| typed_dir(wal, "the WAL directory of --data-dir").map(|_| ()))
    })
}

/// An absolute form of `path`: links are kept as they are, but what stands before a `..` is resolved, since the `..` of a
/// link's target is meant, and a plan holds none.
fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    let unknown = |e: io::Error| Error::new(ErrorKind::Input, format!("cannot resolve {}", path.shown())).why(e);
    let whole = std::path::absolute(path).map_err(unknown)?;
    let parts: Vec<Component<'_>> = whole.components().collect();
    match parts.iter().rposition(|part| *part == Component::ParentDir) {
        None => Ok(whole),
        Some(last) => {
            let (before, rest) = parts.split_at(last + 1);
            let before = before.iter().collect::<PathBuf>().canonicalize().map_err(unknown)?;
            Ok(before.join(rest.iter().collect::<PathBuf>()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        surface::declare(Cli::command()).debug_assert();
    }

    /// `--help` prints the value of a variable that an argument is taken from: of none that may hold a secret.
    #[test]
    fn help_prints_no_secret_of_the_environment() {
        // What these hold is no secret: addresses, names of files, switches, times.
        const PLAIN: [&str; 8] = [
            "ETCDCTL_ENDPOINTS",
            "ETCDCTL_CACERT",
            "ETCDCTL_CERT",
            "ETCDCTL_KEY",
            "ETCDCTL_INSECURE_SKIP_TLS_VERIFY",
            "ETCDCTL_INSECURE_TRANSPORT",
            "ETCDCTL_DIAL_TIMEOUT",
            "ETCDCTL_COMMAND_TIMEOUT",
        ];
        let mut command = surface::declare(Cli::command());
        command.build();
        let (mut open, mut hidden) = (vec![&command], 0);
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands());
            for arg in command.get_arguments() {
                let Some(variable) = arg.get_env().map(|name| name.to_string_lossy().into_owned()) else { continue };
                assert!(
                    arg.is_hide_env_values_set() || PLAIN.contains(&variable.as_str()),
                    "{}: {variable} is either hidden or among those without secrets",
                    command.get_name()
                );
                hidden += usize::from(arg.is_hide_env_values_set());
            }
        }
        assert!(hidden >= 2, "user and password");
    }
}
