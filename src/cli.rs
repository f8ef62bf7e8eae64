//! The command line: subcommands, flags, exit codes. Each subcommand is a few lines over the library.
//!
//! Flags of `etcdctl` and `etcdutl` keep their names and meaning.

pub mod args;
pub mod commands;
pub mod output;
mod typed;

use crate::cli::{
    args::connection_args,
    commands::{
        apply, bench, cluster as clusters, drill, guide, inspect, launch, man, manual, plan, probe, report, salvage,
        snapshot, start, v2store, verify, wizard,
    },
    output::{panic, remedies},
    typed::{Typed, Unusable, command_line, parsed},
};
use std::{
    env,
    ffi::OsString,
    io,
    path::{Component, PathBuf},
    process::ExitCode,
};

use clap::{
    Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};
use rustix::process::{Resource, getrlimit};

pub use self::output::panic::guarded;
use crate::{
    agent::build_note::VERSION,
    domain::members::table::{Column, Problem, Severity},
    error::{Error, ErrorKind, Result},
    system::DataDir,
    text::{
        Foreign, Shown,
        escape::{self, is_hostile},
        flow,
        stdio::{self, Detail, OutputFormat},
    },
};

const ABOUT: &str = "Restore an etcd cluster that has lost quorum";

const LONG_ABOUT: &str = "\
Restore an etcd cluster that has lost quorum.

Without a subcommand a wizard opens: it asks the members, helps you choose a snapshot and fill in the \
new cluster's members, restores every member on its host and prints the exact etcd commands. Nothing \
is written before you confirm the whole plan, and your existing data is never overwritten or deleted. With the name \
of a cluster of your configuration (`requorum cluster list`) it opens with that: `requorum prod-eu`.

First time here? `requorum drill` opens the same wizard on a practice cluster.";

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 invalid input, 2 wrong usage, 3 plan refused, 4 system error (no space, permission \
denied), 5 no member answered, 70 internal error, 75 stopped on request. In every case your existing data is kept: \
nothing is overwritten or deleted.";

/// How many files a run must be able to open at a time. Below a dozen nothing works, not even listening for signals;
/// the rest covers what a restore has open at once: a member's directory, its staging directory, its WAL and a few
/// connections.
const FILES: usize = 32;

/// How many threads a run must be able to start, and how much memory it must be able to allocate: a restore reads,
/// hashes, writes and listens for signals at the same time. Where memory runs out later, the allocator aborts without
/// a message.
const THREADS: usize = 8;
const MEMORY: usize = 32 << 20;

/// The least address space, in bytes. Far less is used; but the allocator reserves 64 MiB for each thread, so below
/// this a small allocation may fail at random.
const ADDRESSES: u64 = 2 << 30;

#[derive(Debug, Parser)]
#[command(name = "requorum", version = VERSION, about = ABOUT, long_about = LONG_ABOUT, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    wizard: wizard::WizardArgs,

    #[command(flatten)]
    connect: connection_args::ConnectArgs,

    #[command(flatten)]
    messages: MessageArgs,
}

/// How much is printed on the side.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Messages")]
struct MessageArgs {
    /// Print also what is read, asked and passed over
    #[arg(short, long, global = true, conflicts_with = "quiet", alias = "debug")]
    verbose: bool,
    /// Print no progress and no notes
    ///
    /// Results, warnings and errors are printed.
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// `-w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line, as etcdutl prints it
    Simple,
    /// A table
    Table,
    /// JSON
    Json,
    /// `"Name" : value` lines
    Fields,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask every member whether quorum is lost
    ///
    /// Asks for everything that a member answers without quorum. Prints text or JSON, with an exit code for scripts.
    Probe(probe::ProbeArgs),
    /// Save, inspect, compare and restore snapshot files
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// Make a snapshot from the directories of dead members
    ///
    /// For when etcd does not start and there is no good backup: the log of a member holds more than its database.
    Salvage(salvage::Args),
    /// Compute the HashKV of a file, as a server would
    ///
    /// The file is only read.
    Hashkv(inspect::HashkvArgs),
    /// List or export the keys of the v2 store, which snapshots do not hold
    #[command(subcommand)]
    V2(v2store::Command),
    /// Write a recovery plan for a whole cluster to one file
    ///
    /// `apply`, `restore`, `launch`, `start` and `verify` follow it.
    Plan(Box<plan::MakeArgs>),
    /// Restore the members of a plan on this machine
    Restore(apply::RestoreArgs),
    /// Restore the members of a plan on their hosts over SSH
    Apply(apply::Args),
    /// Resume an interrupted run from its first incomplete step
    Resume(apply::ResumeArgs),
    /// Roll back an apply: restore the previous data directories
    Undo(apply::UndoArgs),
    /// Print a recovery's journal as a report and verify its hash chain
    ///
    /// Prints Markdown, or JSON with -w json.
    Report(report::Args),
    /// Serve `apply` on a host: answer requests on standard input
    #[command(hide = true)]
    Agent,
    /// Print the commands that restore one member by hand
    ///
    /// For a host that runs no other program. With --result it checks the code that those commands printed there.
    Sheet(manual::Args),
    /// Print how to start each member of a plan
    ///
    /// As a shell command, a systemd unit, a container, a static pod or a runbook.
    Launch(launch::Args),
    /// Start installed members by the unit or static pod on their hosts
    ///
    /// Each command is shown and needs your consent.
    Start(start::Args),
    /// Verify the started cluster against its plan
    ///
    /// Watches the members come up and checks what they serve. The exit code is for scripts.
    Verify(verify::VerifyArgs),
    /// Practise a recovery on a simulated broken cluster
    Drill(drill::Args),
    /// Benchmark status and restore on this machine, against etcdutl
    Bench(bench::BenchArgs),
    /// Print a page of the guide: words, architecture, file formats, security
    Guide(guide::Args),
    /// List the clusters that your configuration names
    #[command(subcommand)]
    Cluster(clusters::Command),
    /// Print the version
    Version,
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of all commands into a directory
    Man(man::Args),
}

/// Runs the command line and returns its exit code; errors are printed to standard error.
pub fn main() -> ExitCode {
    panic::hook();
    ExitCode::from(guarded(run_line))
}

/// Parses the command line and runs it; returns the exit code.
fn run_line() -> u8 {
    let args: Vec<OsString> = env::args_os().collect();
    let failed = |error: Error| {
        warn(&format!("Error: {}", remedies::error(&error)));
        error.kind.exit_code()
    };
    let typed = match parsed(&args) {
        Ok(typed) => typed,
        Err(Unusable::Named(error)) => return failed(error),
        Err(Unusable::Line(error)) => {
            let error = cleaned(*error);
            // it repeats what arguments and variables hold: with its colours only where nothing of that acts on a terminal
            let text = error.render().to_string();
            let odd =
                text.contains(|c| c != '\n' && is_hostile(c)) || text.lines().any(|line| line.len() > escape::MOST);
            let plain = odd || !stdio::is_utf8();
            let text = if stdio::is_utf8() { text.into() } else { flow::ascii(&text) };
            match (plain, error.use_stderr()) {
                (false, _) => drop(error.print()),
                (true, false) => drop(print(&text)),
                (true, true) => text.lines().for_each(|line| warn(&escape::line(line))),
            }
            return if error.use_stderr() { ErrorKind::Usage.exit_code() } else { 0 };
        }
    };
    let MessageArgs { verbose, quiet } = typed.cli.messages;
    stdio::set_detail(match (verbose, quiet) {
        (true, _) => Detail::All,
        (_, true) => Detail::Least,
        _ => Detail::Usual,
    });
    detail(&format!("requorum {VERSION}"));
    match files_enough().and_then(|()| threads_enough()).and_then(|()| run(typed)) {
        Ok(code) => code,
        Err(error) => failed(error),
    }
}

/// Returns the error with every text that it repeats escaped, cut and on one line.
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

/// Checks that [`FILES`] files can be opened at a time, before anything starts. It opens them, since files that are
/// open already count too.
///
/// # Errors
/// `Failed` when the limit is lower.
fn files_enough() -> Result<()> {
    let pairs: io::Result<Vec<_>> = (0..FILES / 2).map(|_| std::os::unix::net::UnixStream::pair()).collect();
    pairs.map(drop).map_err(|e| {
        Error::new(ErrorKind::Failed, format!("open files: the limit is below {FILES}"))
            .why(e)
            .hint("Nothing was started. Raise the limit first: ulimit -n 1024")
    })
}

/// Checks that [`THREADS`] threads can be started and [`MEMORY`] bytes allocated, before anything starts.
///
/// # Errors
/// `Failed` when a limit is lower.
fn threads_enough() -> Result<()> {
    let lacks = |what: String, why: String, hint: &str| {
        Error::new(ErrorKind::Failed, what).why(why).hint(format!("Nothing was started. Raise the limit first: {hint}"))
    };
    if let Some(limit) = getrlimit(Resource::As).current.filter(|limit| *limit < ADDRESSES) {
        let (what, least) = ("address space: the limit is too low".to_string(), ADDRESSES >> 20);
        return Err(lacks(what, format!("{} MiB; {least} MiB are needed", limit >> 20), "ulimit -v unlimited"));
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
        let hint = "ulimit -u 1024; ulimit -v unlimited";
        lacks(format!("failed to start {THREADS} threads"), e.to_string(), hint)
    })?;
    Vec::<u8>::new().try_reserve_exact(MEMORY).map_err(|e| {
        lacks(format!("failed to allocate {} MiB of memory", MEMORY >> 20), e.to_string(), "ulimit -v unlimited")
    })
}

/// Runs the parsed command; returns the exit code where nothing failed.
fn run(typed: Typed) -> Result<u8> {
    let Typed { cli: Cli { command, wizard, connect, messages: _ }, format: write_out, cluster } = typed;
    let connect = match &cluster {
        Some(cluster) => connect.or(&connection_args::ConnectArgs::of_cluster(cluster)),
        None => connect,
    };
    let done = match command {
        Some(Command::Probe(args)) => return probe::run(args, &connect, write_out),
        Some(Command::Verify(args)) => return verify::run(args, &connect, write_out),
        None => wizard::real(wizard, &connect, cluster),
        Some(Command::Snapshot(command)) => snapshot::run(command, &connect, write_out),
        Some(Command::Salvage(args)) => salvage::run(&args, write_out),
        Some(Command::Hashkv(args)) => inspect::hashkv(&args, write_out),
        Some(Command::V2(command)) => v2store::run(&command, write_out),
        Some(Command::Plan(args)) => plan::make(*args, &connect, cluster),
        Some(Command::Restore(args)) => apply::restore(args, &connect, write_out),
        Some(Command::Apply(args)) => apply::run(args, &connect, write_out),
        Some(Command::Resume(args)) => apply::resume(args, &connect, write_out),
        Some(Command::Undo(args)) => apply::undo(args, &connect, write_out),
        Some(Command::Report(args)) => report::run(&args, write_out),
        Some(Command::Agent) => apply::agent(),
        Some(Command::Sheet(args)) => manual::run(&args),
        Some(Command::Launch(args)) => launch::run(&args, write_out),
        Some(Command::Start(args)) => start::run(&args, write_out),
        Some(Command::Drill(args)) => drill::run(&args.drawn(&wizard.look), write_out),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Guide(args)) => guide::run(&args),
        Some(Command::Man(args)) => man::run(&args, command_line(&[])),
        Some(Command::Cluster(command)) => clusters::run(&command, write_out),
        Some(Command::Version) => version(write_out),
        Some(Command::Completions { shell }) => {
            // Into memory first: written straight to a full disk it would panic.
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut command_line(&[]), "requorum", &mut text);
            if shell == clap_complete::Shell::Fish {
                text.extend_from_slice(guide::fish_completions().as_bytes());
            }
            print(&String::from_utf8_lossy(&text))
        }
    };
    done.map(|()| 0)
}

/// Prints the version.
fn version(format: Format) -> Result<()> {
    match format {
        Format::Json => print_json(&format!("{}\n", serde_json::json!({ "version": VERSION }))),
        _ => print(&format!("requorum {VERSION}\n")),
    }
}

/// Prints as [`print`] does, for the report of work that is complete by then; the error says so.
fn print_done(text: &str) -> Result<()> {
    print_sentences(text).map_err(|error| {
        error.hint("Only this report is missing: the command itself succeeded. Do not run it again for that reason.")
    })
}

/// Prints to standard output; a closed pipe is not an error.
fn print(text: &str) -> Result<()> {
    printed(stdio::print(OutputFormat::Text, text))
}

/// Prints sentences as [`print`] prints text, laid out for a terminal.
fn print_sentences(text: &str) -> Result<()> {
    printed(stdio::print_sentences(text))
}

/// Prints JSON as [`print`] prints text.
fn print_json(text: &str) -> Result<()> {
    printed(stdio::print(OutputFormat::Json, text))
}

/// Turns a failed write into an error, except that of a closed pipe.
fn printed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Failed, "standard output: write failed").why(e))
        }
        _ => Ok(()),
    }
}

/// Prints a line to standard error.
fn warn(text: &str) {
    stdio::warn(text);
}

/// Prints a note to standard error, unless the operator wants none.
fn note(text: &str) {
    if stdio::detail() != Detail::Least {
        warn(&format!("Note: {text}"));
    }
}

/// Prints to standard error what the operator asked to see as well.
fn detail(text: &str) {
    if stdio::detail() == Detail::All {
        warn(&format!("- {text}"));
    }
}

/// Prints the warnings among `problems` and returns the errors as one. `names` are the rows' names.
fn refuse_problems(what: &str, problems: &[Problem], names: &[&str]) -> Result<()> {
    let placed = |problem: &Problem| {
        let row = problem.row.and_then(|row| names.get(row)).filter(|name| !name.is_empty());
        let column = problem.column.filter(|column| *column != Column::Name).map(Column::heading);
        let place: Vec<&str> = row.into_iter().copied().chain(column).collect();
        let text = remedies::problem(problem);
        if place.is_empty() { text } else { format!("{}: {text}", place.join(", ")) }
    };
    for problem in problems.iter().filter(|p| p.severity == Severity::Warning) {
        warn(&format!("Warning: {}", placed(problem)));
    }
    let mut errors = problems.iter().filter(|p| p.severity == Severity::Error).map(placed);
    let Some(first) = errors.next() else { return Ok(()) };
    let error = Error::new(ErrorKind::Input, what).why(first);
    let more: Vec<String> = errors.map(|error| format!("also: {error}")).collect();
    Err(if more.is_empty() { error } else { error.hint(more.join("\n  ")) })
}

/// Returns a typed data directory as an absolute path. One with `..` is refused, as in a plan: what it means depends
/// on symbolic links, which others may change between the check and the use.
fn typed_dir(path: &std::path::Path, flag: &str) -> Result<PathBuf> {
    if path.components().all(|part| part != Component::ParentDir) {
        return absolute(path);
    }
    let refused = Error::new(ErrorKind::Usage, format!("{flag}: path contains \"..\": {}", path.shown()))
        .why("its meaning depends on symbolic links, which others may change");
    Err(match absolute(path) {
        Ok(resolved) => refused.hint(format!("It resolves to {0} now. If you mean that, type {0}.", resolved.shown())),
        Err(_) => refused.hint("It does not resolve now. Type the path without \"..\"."),
    })
}

/// Refuses `..` in each of several data directories.
fn typed_dirs(dirs: &[DataDir]) -> Result<()> {
    dirs.iter().try_for_each(|dir| {
        typed_dir(&dir.data, "--data-dir")?;
        dir.wal.as_deref().map_or(Ok(()), |wal| typed_dir(wal, "the WAL directory of --data-dir").map(|_| ()))
    })
}

/// Returns the absolute form of `path`, without `.`, `..`, doubled slashes and one at the end. Links are kept, but
/// everything up to a `..` is resolved, since the `..` of the link's target is meant, and a plan has no `..`.
fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    let unknown = |e: io::Error| Error::new(ErrorKind::Input, format!("{}: cannot resolve path", path.shown())).why(e);
    let whole = std::path::absolute(path).map_err(unknown)?;
    let parts: Vec<Component<'_>> = whole.components().collect();
    match parts.iter().rposition(|part| *part == Component::ParentDir) {
        None => Ok(parts.into_iter().collect()),
        Some(last) => {
            let (before, rest) = parts.split_at(last + 1);
            let before = before.iter().collect::<PathBuf>().canonicalize().map_err(unknown)?;
            Ok(before.join(rest.iter().collect::<PathBuf>()))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::{args::surface, *};

    #[test]
    fn paths_are_cleaned() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::os::unix::fs::symlink(root.join("a/b"), root.join("link")).unwrap();
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("broken")).unwrap();
        for (typed, clean) in [
            ("a/../c", Some("c")),
            ("a/b/../../c", Some("c")),
            ("./a//b/", Some("a/b")),
            ("a/./b", Some("a/b")),
            ("not/there/../here", None),
            ("not/../a/b", None),
            ("link/../c", Some("a/c")),
            ("link/c", Some("link/c")),
            ("broken/../c", None),
        ] {
            let found = absolute(&root.join(typed)).ok();
            assert_eq!(found, clean.map(|clean| root.join(clean)), "{typed}");
            let dots = found.iter().flat_map(|path| path.components()).filter(|part| *part == Component::ParentDir);
            assert_eq!(dots.count(), 0, "{typed}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        surface::declare(Cli::command()).debug_assert();
    }

    /// The first line of each command's and flag's help: at most 72 characters, without a full stop.
    #[test]
    fn help_summaries_are_short() {
        let mut command = surface::declare(Cli::command());
        command.build();
        let (mut open, mut long) = (vec![&command], Vec::new());
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands().filter(|sub| sub.get_name() != "help"));
            let helps = command.get_arguments().filter_map(|arg| Some((arg.get_id().to_string(), arg.get_help()?)));
            let about = command.get_about().map(|about| (String::new(), about));
            for (id, help) in about.into_iter().chain(helps) {
                let help = help.to_string();
                if help.chars().count() > 72 || help.ends_with('.') {
                    long.push(format!("{} {id}: {help}", command.get_name()));
                }
            }
        }
        assert!(long.is_empty(), "{}", long.join("\n"));
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
