//! `requorum drill`: practice on a cluster that is made for it, and the tools of those who write scenarios.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
};

use super::{print, wizard::Look};
use crate::{
    drill::{
        Drill,
        coach::Coach,
        debrief, play,
        scenario::{self, library},
    },
    engine::source::io_trouble,
    trouble::{Kind, Result, Trouble},
    tui,
};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The scenario, by name or by the path of its file [default: first-night].
    scenario: Option<String>,
    /// Walk the expert's path without a terminal and print every step.
    #[arg(long)]
    play: bool,
    /// A directory with scenarios of your own [default: requorum/scenarios in your directory for configuration].
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    look: Look,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write a template for a scenario, with every field explained, to NAME.yaml.
    New {
        /// What the scenario is called: small letters, digits, -.
        name: String,
    },
    /// Read a scenario file and prove it: not passed untouched nor by its wrong ways, passed by the expert's path.
    Check {
        /// The file, or a scenario's name.
        file: String,
    },
}

pub(super) fn run(args: &Args) -> Result<()> {
    let dir = args.dir.clone().or_else(own_dir);
    match &args.command {
        Some(Command::New { name }) => new(name),
        Some(Command::Check { file }) => check(file, dir.as_deref()),
        None => practise(args, dir.as_deref()),
    }
}

fn practise(args: &Args, dir: Option<&Path>) -> Result<()> {
    let name = args.scenario.as_deref().unwrap_or(library::FIRST);
    let drill = Drill::set_up(library::find(name, dir)?, args.look.options())?;
    print(&drill.brief())?;
    if args.play {
        return play::play(&drill, &mut |text| print(text));
    }
    let mut model = drill.model();
    let mut coach = Coach::new(drill.exercise.clone());
    tui::go_on(&mut model, drill.world(), Some(&mut coach))?;
    let found = debrief::debrief(&drill.exercise.lock());
    print(&format!("\n{}", debrief::print::text(&found)))
}

fn new(name: &str) -> Result<()> {
    let text = library::template(name);
    // read before it is written: a name that no scenario can have is said now
    scenario::parse(&format!("{name}.yaml"), &text)?;
    let path = PathBuf::from(format!("{name}.yaml"));
    let mut file = fs::File::create_new(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Trouble::new(Kind::Input, format!("{} exists", path.display()))
            .why("requorum never writes over a file")
            .hint("Take another name."),
        _ => io_trouble("write", &path, &e),
    })?;
    file.write_all(text.as_bytes()).map_err(|e| io_trouble("write", &path, &e))?;
    print(&format!(
        "Written: {0}. It can be practised on as it is: requorum drill {0}\nrequorum drill check {0} proves it after every change.\n",
        path.display()
    ))
}

fn check(file: &str, dir: Option<&Path>) -> Result<()> {
    let scenario = library::find(file, dir)?;
    play::prove(&scenario)?;
    let ways = match scenario.wrong.len() {
        0 => "it names no wrong way".to_string(),
        1 => "its wrong way does not lead there".to_string(),
        n => format!("none of its {n} wrong ways leads there"),
    };
    print(&format!("{}: sound. It is not passed untouched, {ways}, and the expert's path passes.\n", scenario.name))
}

/// A team's own scenarios.
fn own_dir() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("requorum/scenarios"))
}
