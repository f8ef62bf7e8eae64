//! `requorum drill`: practice on a cluster that is made for it, and the tools of those who write scenarios.

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
use crate::cli::{Format, print, print_done, print_json, warn};
use crate::{
    bbolt::WriteAt,
    drill::{
        Drill, autoplay,
        coach::Coach,
        debrief::{self, Debrief},
        instructor::server::Server,
        lab::stale_dirs,
        pause_menu::{Choice, desk},
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
    /// The scenario, by name (`requorum drill list`) or by the path of its file [default: first-night].
    scenario: Option<String>,
    /// Walk the expert's path without a terminal and print every step.
    #[arg(long)]
    play: bool,
    /// Play it on real etcd processes, on loopback and in the drill's directory; otherwise members are simulated.
    #[arg(long)]
    real: bool,
    /// The etcd program for --real [default: the first on the PATH].
    #[arg(long, value_name = "PATH", requires = "real")]
    etcd: Option<PathBuf>,
    /// Write how it went to this new file, too: Markdown, JSON or text by its ending (.md, .json).
    #[arg(long, value_name = "FILE")]
    debrief: Option<PathBuf>,
    /// Make up the cluster from this number; the same number makes the same cluster.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// A directory with scenarios of your own [default: requorum/scenarios in your directory for configuration].
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    look: wizard::Look,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the scenarios: how hard, how long, whether you passed, your best.
    List,
    /// Write a template for a scenario, with every field explained, to NAME.yaml.
    New {
        /// What the scenario is called: small letters, digits, -.
        name: String,
    },
    /// Read a scenario file and prove it: not passed untouched nor by its wrong ways, passed by the expert's path.
    Check {
        /// The file, or a scenario's name.
        file: String,
        /// Prove it on real etcd processes.
        #[arg(long)]
        real: bool,
        /// The etcd program for --real [default: the first on the PATH].
        #[arg(long, value_name = "PATH", requires = "real")]
        etcd: Option<PathBuf>,
    },
    /// Follow an exercise from a second terminal, as its game master: see what the trainee does, let things happen, say
    /// something, end it.
    #[command(after_help = host::help())]
    Host(host::Args),
    /// Make a scenario of a real recovery's journal, without its data or names, and prove it.
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

/// The etcd for --real.
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
    // on the machine of a game day somebody may look on; an exercise needs nobody
    let server = wizard::state_dir().map(|dir| Server::listen(&dir)).transpose();
    let server = server.unwrap_or_else(|error| {
        warn(&format!("requorum drill host cannot look on: {error}"));
        None
    });
    let found = exercise(drill, &scenario, args, real.as_ref(), server.as_ref())?;
    if let Some(server) = server {
        server.over(&found);
    }
    // a file that cannot be written must not keep anybody from reading how it went
    let noted = note(&found);
    match format {
        Format::Json => print_json(&format!("{}\n", serde_json::to_string_pretty(&found).unwrap_or_default()))?,
        _ => print(&format!("\n{}\n{NEXT}", flowing(&debrief::print::text(&found))))?,
    }
    if let Some(path) = &args.debrief {
        save(path, &found)?;
    }
    noted
}

/// The exercise from the story to its end, with as many resets as it takes.
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
            tui::go_on(&mut model, drill.world(), Some(&mut coach))?;
            let found = debrief::debrief(&drill.exercise.lock());
            if found.passed || drill.exercise.lock().ended {
                break Choice::Done;
            }
            ear.sit(&drill.exercise);
            let choice = desk(&drill.exercise, model.step, &mut || ear.line(), &mut say)?;
            ear.rise(&drill.exercise);
            match choice {
                Choice::Back => {}
                choice => break choice,
            }
        };
        if choice == Choice::Done {
            return Ok(debrief::debrief(&drill.exercise.lock()));
        }
        // given back first: the same seed then leads to the same ports
        if let Some(server) = server {
            server.leave();
        }
        drop((model, coach, drill));
        drill = Drill::set_up_on(scenario.clone(), args.look.options(), real.cloned())?;
    }
}

/// Lets the story be read before the wizard takes the screen.
fn story(drill: &Drill, ear: &mut InputEvents, say: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    const WAIT: &str = "\nPress Enter when you have read it; the clock begins then. ";
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
                return Err(Error::new(ErrorKind::Stopped, "the drill was left before it began")
                    .hint("What was made for it is removed."));
            }
        }
    }
    ear.rise(&drill.exercise);
    Ok(())
}

/// What stands below every debrief.
const NEXT: &str = "What was made for this exercise is removed. `requorum drill list` shows all of them.\n";

/// Text broken at blanks where the terminal ends, the lines that go on indented as they began.
fn flowing(text: &str) -> String {
    let width = crossterm::terminal::size().map_or(100, |(columns, _)| usize::from(columns)).clamp(40, 100);
    let flow = |line: &str| columns::wrap(line, width).join("\n");
    // a prompt's last blank stays, and so does a line's end
    let ends = text.chars().last().filter(|c| [' ', '\n'].contains(c)).map(String::from).unwrap_or_default();
    text.lines().map(flow).collect::<Vec<_>>().join("\n") + &ends
}

/// Takes it down in the user's progress.
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
    print("\n`requorum drill NAME` begins one; the first is for a first time.\n")
}

fn new(name: &str) -> Result<()> {
    let text = library::template(name);
    // read before it is written: a name that no scenario can have is said now
    scenario::parse(&format!("{name}.yaml"), &text)?;
    let path = PathBuf::from(format!("{name}.yaml"));
    write_new(&path, &text)?;
    print(&format!(
        "Written: {0}. It can be practised on as it is: requorum drill {0}\nrequorum drill check {0} proves it after every change.\n",
        path.shown()
    ))
}

fn check(file: &str, dir: Option<&Path>, real: Option<&Arc<Etcd>>) -> Result<()> {
    let scenario = library::find(file, dir)?;
    autoplay::prove(&scenario, real)?;
    let ways = match scenario.wrong.len() {
        0 => "it names no wrong way".to_string(),
        1 => "its wrong way does not lead there".to_string(),
        n => format!("none of its {n} wrong ways leads there"),
    };
    let on = real.map_or_else(String::new, |etcd| format!(" Shown on real etcd {}.", etcd.version));
    print(&format!("{}: sound. It is not passed untouched, {ways}, and the expert's path passes.{on}\n", scenario.name))
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::Input, format!("{} exists", path.shown()))
        .why("requorum never writes over a file")
        .hint("Take another name.")
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    let file = Disk::default().create(path, 0o666).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => creation_trouble("write", path, &e),
    })?;
    file.write_all_at(text.as_bytes(), 0).map_err(|e| creation_trouble("write", path, &e))
}

/// Where the user's progress is kept.
fn progress_file() -> Option<PathBuf> {
    Some(wizard::state_dir()?.join(scores::FILE))
}

/// A team's own scenarios.
fn own_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("requorum/scenarios"))
}
