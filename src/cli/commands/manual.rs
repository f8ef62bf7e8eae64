//! `requorum sheet`: the commands that restore a member by hand, and the check of their result.

use super::plan;
use crate::cli::{args::plan_arg::PlanArg, print};
use crate::{
    domain::render::manual,
    engine::restore::manual_proof as proof,
    error::Result,
    system::{Clock, etcd_client::Members, local::Local},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// The member
    #[arg(long, value_name = "NAME")]
    member: String,
    /// Check the code that part 1 printed on the host
    #[arg(long, value_name = "CODE")]
    result: Option<String>,
}

pub(in crate::cli) fn run(args: &Args) -> Result<()> {
    let made = plan::read(args.plan.path())?;
    if let Some(code) = &args.result {
        return print(&format!("{}.\n", proof::verify_code(&made, &args.member, code)?));
    }
    let system = Local::new(Members::new(Default::default())?);
    let stamp = plan::timestamp(system.now()).replace([':', '-'], "");
    print(&manual::sheet(&made, &args.member, &stamp)?.text())
}
