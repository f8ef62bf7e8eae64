//! `requorum drill`: practice on a simulated cluster, and the tools for writing scenarios.

mod host;
mod input_events;
mod record;

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
};

use self::input_events::InputEvents;
use super::wizard;
use crate::cli::{Format, args::cluster, print, print_done, print_json, warn};
use crate::{
    bbolt::WriteAt,
    drill::{
        Drill, autoplay,
        coach::Coach,
        debrief::{self, Debrief},
        instructor::server::Server,
        lab::stale_dirs,
        pause_menu::{self, Choice},
        real_etcd::Etcd,
        scenario::{self, Scenario, library},
        scores::{self, Progress},
        session::TraineeInput,
    },
    engine::{durable_fs::Disk, source::creation_trouble},
    error::{Error, ErrorKind, Result},
    text::{
        Shown,
        columns::{self, Align},
        escape,
        number::thousands,
    },
    tui,
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The scenario: a name or the path of its file [default: first-night]
    ///
    /// `requorum drill list` lists the names.
    scenario: Option<String>,
    /// Play the expert's path without a terminal and print every step
    #[arg(long)]
    play: bool,
    /// Use real etcd processes instead of simulated members
    ///
    /// They listen on loopback and write only to the drill's directory.
    #[arg(long)]
    real: bool,
    /// The etcd program for --real [default: the first in PATH]
    #[arg(long, value_name = "PATH", requires = "real")]
    etcd: Option<PathBuf>,
    /// Also write the debrief to this new file
    ///
    /// The ending decides the format: Markdown (.md), JSON (.json) or text.
    #[arg(long, value_name = "FILE")]
    debrief: Option<PathBuf>,
    /// Seed of the cluster; the same seed makes the same cluster
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Directory of your own scenarios
    ///
    /// The default is requorum/scenarios in your configuration directory.
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    look: wizard::Look,
}

impl Args {
    /// The same, drawn as was typed before the subcommand, too.
    pub(in crate::cli) fn drawn(self, before: &wizard::Look) -> Args {
        Args { look: self.look.with(before), ..self }
    }
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the scenarios with difficulty, duration and your results
    List,
    /// Write a scenario template, with every field explained, to NAME.yaml
    New {
        /// Name of the scenario: lowercase letters, digits and -
        name: String,
    },
    /// Check that a scenario is sound
    ///
    /// It must not be passed untouched nor by its wrong ways, and the expert's path must pass.
    Check {
        /// The scenario: a file or a name
        file: String,
        /// Check it on real etcd processes
        #[arg(long)]
        real: bool,
        /// The etcd program for --real [default: the first in PATH]
        #[arg(long, value_name = "PATH", requires = "real")]
        etcd: Option<PathBuf>,
    },
    /// Watch and control an exercise from a second terminal, as instructor
    ///
    /// See what the trainee does, trigger events, send messages, end the exercise.
    #[command(after_help = host::help())]
    Host(host::Args),
    /// Make a scenario from a recovery's journal, without its data or names
    ///
    /// The scenario is checked at once.
    Record(record::Args),
}

pub(in crate::cli) fn run(args: &Args, format: Format) -> Result<()> {
    let dir = args.dir.clone().or_else(own_dir);
    match &args.command {
        Some(Command::List) => list(dir.as_deref(), format),
        Some(Command::New { name }) => new(name),
        Some(Command::Check { file, real, etcd }) => {
            check(file, dir.as_deref(), etcd_for(*real, etcd.as_deref())?.as_ref())
        }
        Some(Command::Host(args)) => host::run(args, format),
        Some(Command::Record(args)) => record::run(args),
        None => practise(args, dir.as_deref(), format),
    }
}

/// Returns the etcd for --real.
fn etcd_for(real: bool, etcd: Option<&Path>) -> Result<Option<Arc<Etcd>>> {
    Ok(real.then(|| Etcd::find(etcd)).transpose()?.map(Arc::new))
}

fn practise(args: &Args, dir: Option<&Path>, format: Format) -> Result<()> {
    let name = args.scenario.as_deref().unwrap_or(library::FIRST);
    let mut scenario = library::find(name, dir)?;
    if let Some(seed) = args.seed {
        scenario.cluster.seed = seed;
    }
    if args.debrief.as_ref().is_some_and(|path| path.exists()) {
        return Err(exists(args.debrief.as_deref().unwrap_or(Path::new(""))));
    }
    stale_dirs::sweep(&env::temp_dir());
    let real = etcd_for(args.real, args.etcd.as_deref())?;
    let drill = Drill::set_up_on(scenario.clone(), args.look.options(), real.clone())?;
    if args.play {
        print(&flowing(&drill.brief()))?;
        autoplay::play(&drill, &mut |text| print(text))?;
        let found = debrief::debrief(&drill.exercise.lock());
        return args.debrief.as_ref().map_or(Ok(()), |path| save(path, &found));
    }
    // an instructor may connect; an exercise does not need one
    let server = wizard::state_dir().map(|dir| Server::listen(&dir)).transpose();
    let server = server.unwrap_or_else(|error| {
        warn(&format!("Warning: no instructor can connect (requorum drill host): {error}"));
        None
    });
    let found = exercise(drill, &scenario, args, real.as_ref(), server.as_ref())?;
    if let Some(server) = server {
        server.over(&found);
    }
    // the debrief is printed even where a file cannot be written
    let noted = note(&found);
    match format {
        Format::Json => print_json(&format!("{}\n", serde_json::to_string_pretty(&found).unwrap_or_default()))?,
        _ => print(&format!("\n{}\n{}", flowing(&debrief::print::text(&found)), flowing(NEXT)))?,
    }
    if let Some(path) = &args.debrief {
        save(path, &found)?;
    }
    noted
}

/// Runs the exercise from the story to its end, with as many resets as it takes.
fn exercise(
    mut drill: Drill,
    scenario: &Scenario,
    args: &Args,
    real: Option<&Arc<Etcd>>,
    server: Option<&Server>,
) -> Result<Debrief> {
    let mut ear = InputEvents::open()?;
    let mut say = |text: &str| print(&flowing(text));
    loop {
        let mut model = drill.model();
        let mut coach = Coach::new(drill.exercise.clone());
        if let Some(server) = server {
            server.begin(&drill.exercise);
        }
        say(&drill.brief())?;
        story(&drill, &mut ear, &mut say)?;
        let choice = loop {
            if drill.exercise.lock().ended {
                break Choice::Done;
            }
            tui::go_on(&mut model, drill.system(), Some(&mut coach))?;
            let found = debrief::debrief(&drill.exercise.lock());
            if found.passed || drill.exercise.lock().ended {
                break Choice::Done;
            }
            ear.sit(&drill.exercise);
            let choice = pause_menu::run(&drill.exercise, model.step, &mut || ear.line(), &mut say)?;
            ear.rise(&drill.exercise);
            match choice {
                Choice::Back => {}
                choice => break choice,
            }
        };
        if choice == Choice::Done {
            return Ok(debrief::debrief(&drill.exercise.lock()));
        }
        // released first, so that the same seed leads to the same ports
        if let Some(server) = server {
            server.leave();
        }
        drop((model, coach, drill));
        drill = Drill::set_up_on(scenario.clone(), args.look.options(), real.cloned())?;
    }
}

/// Waits until the story was read, before the wizard takes the screen.
fn story(drill: &Drill, ear: &mut InputEvents, say: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    const WAIT: &str = "\nPress Enter when you have read this; the clock starts then. ";
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Ok(());
    }
    drill.exercise.lock().clock.stop();
    ear.sit(&drill.exercise);
    say(WAIT)?;
    loop {
        match ear.line()? {
            TraineeInput::Typed(_) => break drill.exercise.lock().clock.go(),
            TraineeInput::Told(words) => say(&format!("\n{words}\n{WAIT}"))?,
            TraineeInput::Ended => break,
            TraineeInput::Hung => {
                say("\n")?;
                return Err(Error::new(ErrorKind::Stopped, "the drill was left before it started")
                    .hint("All files made for it are removed."));
            }
        }
    }
    ear.rise(&drill.exercise);
    Ok(())
}

/// The line after every debrief.
const NEXT: &str = "All files made for this exercise are removed. `requorum drill list` lists the scenarios.\n";

/// Wraps text at the terminal's width, each continuation indented as its line.
fn flowing(text: &str) -> String {
    let width = crossterm::terminal::size().map_or(100, |(columns, _)| usize::from(columns)).clamp(40, 100);
    let flow = |line: &str| columns::wrap(line, width).join("\n");
    // a prompt's last blank stays, and so does a line's end
    let ends = text.chars().last().filter(|c| [' ', '\n'].contains(c)).map(String::from).unwrap_or_default();
    text.lines().map(flow).collect::<Vec<_>>().join("\n") + &ends
}

/// Records the result in the user's progress.
fn note(found: &Debrief) -> Result<()> {
    let Some(path) = progress_file() else { return Ok(()) };
    let mut progress = Progress::read(&path)?;
    progress.add(found);
    progress.write(&path)
}

fn save(path: &Path, found: &Debrief) -> Result<()> {
    let text = match path.extension().and_then(|x| x.to_str()) {
        Some("json") => escape::json(&serde_json::to_string_pretty(found).unwrap_or_default()).into_owned(),
        Some("md") => escape::page(&debrief::print::markdown(found)).into_owned(),
        _ => escape::page(&debrief::print::text(found)).into_owned(),
    };
    write_new(path, &text)?;
    print_done(&format!("Written: {}\n", path.shown()))
}

fn list(dir: Option<&Path>, format: Format) -> Result<()> {
    let scenarios = library::all(dir)?;
    let progress = progress_file().map(|path| Progress::read(&path)).transpose()?.unwrap_or_default();
    let tried = |s: &Scenario| progress.0.get(&s.name).cloned().unwrap_or_default();
    if format == Format::Json {
        let rows: Vec<serde_json::Value> = scenarios
            .iter()
            .map(|s| {
                serde_json::json!({
                    "name": s.name, "title": s.title, "difficulty": s.difficulty, "minutes": s.minutes, "progress": tried(s),
                })
            })
            .collect();
        return print_json(&format!("{}\n", serde_json::to_string_pretty(&rows).unwrap_or_default()));
    }
    let mut rows = vec![["name", "hard", "min", "passed", "best", "title"].map(String::from)];
    rows.extend(scenarios.iter().map(|s| {
        let tried = tried(s);
        let best = tried.best.map_or_else(String::new, |best| {
            let lost =
                if best.lost == 0 { String::new() } else { format!(", {} lost", thousands(best.lost.unsigned_abs())) };
            format!("{}{lost}", debrief::print::time(best.seconds))
        });
        let passed = match (tried.passed, tried.ended) {
            (0, 0) => "-".to_string(),
            (0, _) => "not yet".into(),
            (n, _) => n.to_string(),
        };
        let hard = "*".repeat(usize::from(s.difficulty));
        [s.name.clone(), hard, s.minutes.to_string(), passed, best, s.title.clone()]
    }));
    let (left, right) = (Align::Left, Align::Right);
    print(&columns::rows(&rows, [left, left, right, left, left, left]))?;
    print("\n`requorum drill NAME` starts one; begin with the first.\n")
}

fn new(name: &str) -> Result<()> {
    let text = library::template(name);
    // parsed before it is written, so that an invalid name is refused now
    scenario::parse(&format!("{name}.yaml"), &text)?;
    let path = PathBuf::from(format!("{name}.yaml"));
    write_new(&path, &text)?;
    print(&format!(
        "Written: {0}. Practise on it: requorum drill {0}\nCheck it after every change: requorum drill check {0}\n",
        path.shown()
    ))
}

fn check(file: &str, dir: Option<&Path>, real: Option<&Arc<Etcd>>) -> Result<()> {
    let scenario = library::find(file, dir)?;
    autoplay::prove(&scenario, real)?;
    let ways = match scenario.wrong.len() {
        0 => "it has no wrong ways".to_string(),
        1 => "its wrong way does not pass".to_string(),
        n => format!("none of its {n} wrong ways passes"),
    };
    let on = real.map_or_else(String::new, |etcd| format!(" Checked on real etcd {}.", etcd.version));
    print(&format!("{}: sound. It is not passed untouched, {ways}, and the expert's path passes.{on}\n", scenario.name))
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Input, format!("{}: file exists", path.shown()))
        .why("requorum never overwrites a file")
        .hint("Choose another name.")
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let file = Disk::default().create(path, 0o666).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => creation_trouble("write", path, &e),
    })?;
    file.write_all_at(text.as_bytes(), 0).map_err(|e| creation_trouble("write", path, &e))
}

/// Returns the path of the user's progress file.
fn progress_file() -> Option<PathBuf> {
    Some(wizard::state_dir()?.join(scores::FILE))
}

/// Returns the directory of the user's own scenarios.
fn own_dir() -> Option<PathBuf> {
    Some(cluster::config_dir()?.join("scenarios"))
}
