//! `requorum drill record`: makes a scenario from a journal, writes it and checks it.

use std::path::{Path, PathBuf};

use super::{flowing, write_new};
use crate::{
    cli::{args::plan_arg::PlanArg, print},
    drill::{autoplay, from_journal, scenario},
    error::{Error, ErrorKind, Result},
    system::journal::{self, Record},
    text::{Shown, number::count},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Only the shape is used: how many members there were and what happened to them, the source of the restore, what went \
wrong, which blocker was overridden. Names, addresses, paths, keys, IDs and reasons are left out; numbers are those of a \
practice cluster. What the journal does not record is decided by the simplest assumption, and listed at the top of the \
file. The scenario is checked at once, as by `requorum drill check`.

  requorum drill record plan.yaml.journal -o our-night.yaml
  requorum drill our-night.yaml")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// The new file; its name without .yaml names the scenario
    ///
    /// Lowercase letters, digits and - only.
    #[arg(short, long, value_name = "NAME.yaml")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let output = args.output.as_deref().ok_or_else(|| {
        Error::new(ErrorKind::Usage, "--output: a file name is required")
            .why("the file names the scenario, and nothing of the journal's name is used")
            .hint("For example: -o our-night.yaml")
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
        "{} made where the journal has no record; see the top of the file.\n",
        count(made.assumed.len() as u64, "assumption was", "assumptions were")
    )))?;
    autoplay::prove(&scenario, None).map_err(|error| {
        let why = [error.what, error.why].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
        Error::new(ErrorKind::Failed, format!("{file}: written, but the scenario is not sound"))
            .why(why)
            .hint(format!("Edit it, then check it again: requorum drill check {file}"))
    })?;
    print(&flowing(&format!(
        "{name}: sound. It is not passed untouched nor by its wrong ways, and the expert's path passes.\nRead it before you \
         share it: it has none of the journal's names, addresses, paths, keys or text.\nPractise on it: requorum drill \
         {file}\n"
    )))
}

/// Returns the scenario's name: the file's, without its ending.
fn name(file: &Path) -> Result<String> {
    let text = file.to_string_lossy();
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match file.extension().is_some_and(|end| end == "yaml" || end == "yml") && scenario::check::is_name(&stem) {
        true => Ok(stem),
        false => Err(Error::new(ErrorKind::Usage, format!("{text:?}: invalid file name for a scenario"))
            .why("only lowercase letters, digits and - are allowed, then .yaml")
            .hint("For example: -o our-night.yaml")),
    }
}

/// Reads all records of a journal whose hash chain is intact.
fn read(path: &Path) -> Result<Vec<Record>> {
    let next_to = journal::path_next_to(path);
    let path = if next_to.is_file() { &next_to } else { path };
    let text = journal::text(path)?;
    let (records, broken) = journal::readable(&text);
    let Some(why) = broken else { return Ok(records) };
    let error = Error::new(ErrorKind::Input, format!("{}: not an intact journal", path.shown())).why(why);
    Err(match records.len() {
        0 => error.hint(
            "Name the operator's journal: it is next to the plan file as PLAN.yaml.journal; the wizard's are in \
             $XDG_STATE_HOME/requorum (else ~/.local/state/requorum).",
        ),
        whole => error.hint(format!(
            "The records before that can make a scenario: copy them with head -n {whole} to a new file, and record that."
        )),
    })
}
