//! `requorum report`: what a journal tells.

use std::fs;

use super::{Format, plan_arg::PlanArg, print, print_json};
use crate::{
    engine::source::io_trouble,
    recovery::{journal, report},
    text::Shown,
    trouble::{Kind, Result, Trouble},
};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 1 means that the journal's chain does not hold: lines were changed, taken out or cut off."
)]
pub(super) struct Args {
    #[command(flatten)]
    plan: PlanArg,
}

pub(super) fn run(args: &Args, format: Format) -> Result<()> {
    let beside = journal::beside(args.plan.path());
    let path = if beside.is_file() { beside.as_path() } else { args.plan.path() };
    let text = fs::read_to_string(path).map_err(|e| io_trouble("read", path, &e))?;
    let wrong = |why: String| Trouble::new(Kind::Input, format!("{} is no whole journal", path.shown())).why(why);
    let report = report::report(&text).map_err(wrong)?;
    match format {
        Format::Json => print_json(&format!("{}\n", serde_json::to_value(&report).unwrap_or_default()))?,
        _ => print(&report.markdown())?,
    }
    report.broken.map_or(Ok(()), |why| Err(wrong(why)))
}
