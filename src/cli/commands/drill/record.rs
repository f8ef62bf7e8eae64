//! `requorum drill record`: a journal read, the scenario that it makes written and proven.

use std::path::{Path, PathBuf};

use super::{flowing, write_new};
use crate::{
    cli::{args::plan_arg::PlanArg, print},
    drill::{autoplay, from_journal, scenario},
    error::{Error, ErrorKind, Result},
    system::journal::{self, Record},
    text::Shown,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only the shape is taken: how many members there were and what became of them, from what they were restored, what \
happened on the way, where a fence was overridden. Names, addresses, paths, keys, IDs and reasons stay behind; numbers \
are those of a practice cluster. What the journal does not tell is decided by the simplest assumption, and stands at the \
file's beginning. The scenario is proven at once, as by `requorum drill check`.

  requorum drill record plan.yaml.journal -o our-night.yaml
  requorum drill our-night.yaml")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// The new file; the scenario is called as it is, without .yaml: small letters, digits, -.
    #[arg(short, long, value_name = "NAME.yaml")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let output = args.output.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "the scenario needs a file, whose name is its own")
            .why("a journal is called by its plan, and nothing of that goes into the scenario")
            .hint("Such as: -o our-night.yaml")
    })?;
    let name = name(output)?;
    if output.exists() {
        return Err(super::exists(output));
    }
    let made = from_journal::record(&read(args.plan.path())?, &name)?;
    let file = output.shown();
    let scenario = scenario::parse(&file, &made.text)?;
    write_new(output, &made.text)?;
    print(&format!("Written: {file}\n"))?;
    made.became.iter().try_for_each(|sentence| print(&format!("{}\n", flowing(sentence))))?;
    print(&flowing(&format!(
        "What the journal does not tell, {} things, was assumed; they stand at the file's beginning.\n",
        made.assumed.len()
    )))?;
    autoplay::prove(&scenario, None).map_err(|trouble| {
        let why =
            [trouble.what, trouble.why].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        Error::new(ErrorKind::Failed, format!("{file} is written, and is not sound"))
            .why(why)
            .hint(format!("Edit it, then prove it again: requorum drill check {file}"))
    })?;
    print(&flowing(&format!(
        "{name}: sound. It is not passed untouched nor by its wrong ways, and the expert's path passes.\nRead it before you \
         share it: it holds none of the names, addresses, paths or keys of the journal, and none of its text.\nPractise on \
         it: requorum drill {file}\n"
    )))
}

/// The scenario's name: the file's, without its ending.
fn name(file: &Path) -> Result<String> {
    let text = file.to_string_lossy();
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match file.extension().is_some_and(|end| end == "yaml" || end == "yml") && scenario::check::is_name(&stem) {
        true => Ok(stem),
        false => Err(Error::new(ErrorKind::Usage, format!("{text:?} cannot be a scenario's file"))
            .why("its name is typed on a command line: small letters, digits and - only, and .yaml behind them")
            .hint("Such as: -o our-night.yaml")),
    }
}

/// All lines of a journal whose chain holds.
fn read(path: &Path) -> Result<Vec<Record>> {
    let beside = journal::path_next_to(path);
    let path = if beside.is_file() { &beside } else { path };
    let text = journal::text(path)?;
    let (records, broken) = journal::readable(&text);
    let Some(why) = broken else { return Ok(records) };
    let trouble = Error::new(ErrorKind::Input, format!("{} is not a whole journal", path.shown())).why(why);
    Err(match records.len() {
        0 => trouble.hint(
            "Name the operator's journal: it lies beside the plan file as PLAN.yaml.journal; the wizard's are in \
             $XDG_STATE_HOME/requorum (else ~/.local/state/requorum).",
        ),
        whole => trouble.hint(format!(
            "What is told up to there makes a scenario, too: head -n {whole} of it into a new file, and record that."
        )),
    })
}
