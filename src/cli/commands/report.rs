//! `requorum report`: a journal as a report.

use crate::cli::{Format, args::plan_arg::PlanArg, print, print_json, warn};
use crate::{
    error::{Error, ErrorKind, Result},
    execute::report,
    system::{journal, local::strange_journal},
    text::Shown,
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 1 means that the journal's hash chain is broken: lines were changed, removed or truncated."
)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
}

pub(in crate::cli) fn run(args: &Args, format: Format) -> Result<()> {
    let next_to = journal::path_next_to(args.plan.path());
    let path = if next_to.is_file() { next_to.as_path() } else { args.plan.path() };
    let text = journal::text(path)?;
    if let Some(why) = strange_journal(path) {
        warn(&format!("Warning: {}: another user may have written to it: {why}.", path.shown()));
    }
    let wrong = |why: String| Error::new(ErrorKind::Input, format!("{}: not an intact journal", path.shown())).why(why);
    let report = report::report(&text).map_err(wrong)?;
    match format {
        Format::Json => print_json(&format!("{}\n", serde_json::to_value(&report).unwrap_or_default()))?,
        _ => print(&report.markdown())?,
    }
    report.broken.map_or(Ok(()), |why| Err(wrong(why)))
}
