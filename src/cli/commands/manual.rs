//! `requorum sheet`: a member's restore by hand, for a host that takes no program, and what its result proves.

use super::{plan, plan_arg::PlanArg, print};
use crate::{
    engine::byhand as proof,
    plan::byhand,
    trouble::Result,
    world::{World, local::Local, members::Members},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// The member.
    #[arg(long, value_name = "NAME")]
    member: String,
    /// The code that part 1 printed on the host: says whether the member is as planned there.
    #[arg(long, value_name = "CODE")]
    result: Option<String>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let made = plan::read(args.plan.path())?;
    if let Some(code) = &args.result {
        return print(&format!("{}.\n", proof::judge(&made, &args.member, code)?));
    }
    let world = Local::real(Members::new(Default::default())?);
    let stamp = plan::timestamp(world.now()).replace([':', '-'], "");
    print(&byhand::sheet(&made, &args.member, &stamp)?.text())
}
