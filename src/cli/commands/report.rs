//! `requorum report`: what a journal tells.

use crate::cli::{Format, args::plan_arg::PlanArg, print, print_json, warn};
use crate::{
    error::{Error, ErrorKind, Result},
    execute::report,
    system::{journal, local::strange_journal},
    text::Shown,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 1 means that the journal's chain does not hold: lines were changed, taken out or cut off."
)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
}

pub(in crate::cli) fn run(args: &Args, format: Format) -> Result<()> {
    let beside = journal::path_next_to(args.plan.path());
    let path = if beside.is_file() { beside.as_path() } else { args.plan.path() };
    let text = journal::text(path)?;
    if let Some(why) = strange_journal(path) {
        warn(&format!("Warning: another user may have written what {} tells: {why}.", path.shown()));
    }
    let wrong = |why: String| Error::new(ErrorKind::Input, format!("{} is no whole journal", path.shown())).why(why);
    let report = report::report(&text).map_err(wrong)?;
    match format {
        Format::Json => print_json(&format!("{}\n", serde_json::to_value(&report).unwrap_or_default()))?,
        _ => print(&report.markdown())?,
    }
    report.broken.map_or(Ok(()), |why| Err(wrong(why)))
}
