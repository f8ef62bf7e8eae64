//! `requorum start`: starts installed members by what starts etcd on their hosts, with your consent for each.

use crate::execute::start;
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
};

use serde_json::{Value, json};

use super::{apply::ConsoleReporter, plan};
use crate::cli::{
    Format,
    args::{plan_arg::PlanArg, ssh_args::SshArgs},
    output::{progress::interruptible, question::agreed},
    print, print_done, print_json, warn,
};
use crate::{
    domain::{model::old_cluster::Old, preflight::start::Start},
    error::{Error, ErrorKind, Result},
    execute::{
        executor::{self, Consent, ExecutionSpec, Goal, Placement},
        start::StartOption,
    },
    system::{etcd_client::Members, local::Local},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A member is started by the systemd unit of its data directory, or by its static pod's manifest that was moved away, if \
that matches the plan; otherwise the reason is printed, and `requorum launch` prints how to start it by hand. Members are \
started in parallel, since the first waits for the second. Then `requorum verify` checks what they serve.")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    plan: PlanArg,
    /// Start only this member; repeatable [default: all]
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
    /// Run the commands that are shown, without asking
    #[arg(long)]
    yes: bool,
    /// Number of hosts worked on in parallel
    #[arg(long, default_value_t = 5, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    ssh: SshArgs,
}

/// Shows how each member is started, and starts those that were agreed to.
pub(in crate::cli) fn run(args: &Args, format: Format) -> Result<()> {
    let made = plan::read(args.plan.path())?;
    let names = plan::chosen(&made, &args.member)?;
    let ssh = args.ssh.ssh()?;
    let system = Local::new(Members::new(Default::default())?).by(ssh);
    let run = executor::run(&made, &system);
    let job = ExecutionSpec {
        plan: &made,
        names: &names,
        placement: Placement::OnHosts,
        by_hand: &BTreeMap::new(),
        system: &system,
        limit: args.limit,
        until: Goal::InPlace,
        consent: Consent::No,
        old: &Old::default(),
        overridden: &[],
        reason: "",
        decisions: &[],
        run: &run,
        journal: &plan::journal_of(args.plan.path())?,
    };
    let offers = interruptible(|cancel| start::offers(&job, cancel))?;
    offers.iter().try_for_each(|offer| show(offer, format))?;
    let mut asked = Asked::default();
    for offer in &offers {
        asked.ask(offer, args.yes)?;
    }
    let file = args.plan.word();
    if !asked.orders.is_empty() {
        let job = ExecutionSpec { decisions: &asked.decisions, ..job };
        let reporter = ConsoleReporter::new(&made, &[], format);
        interruptible(|cancel| start::start(&job, &asked.orders, cancel, &|told| reporter.tell(told)))?;
    }
    if let Some((name, why)) = asked.left.first() {
        let who: Vec<String> = asked.left.iter().map(|(name, _)| name.clone()).collect();
        let error = Error::new(ErrorKind::Refused, format!("not started: {}", who.join(", "))).why(why);
        return Err(match asked.no_terminal {
            true => error.hint("To run the commands that are shown: --yes"),
            false => error.hint(format!("By hand: requorum launch {file} --format auto --member {name}")),
        });
    }
    match format {
        Format::Json => Ok(()),
        _ => print_done(&format!("Next: requorum verify {file}\n")),
    }
}

/// The answers of the operator.
#[derive(Default)]
struct Asked {
    orders: Vec<(String, Vec<String>)>,
    decisions: Vec<(String, Value)>,
    /// Members that are not started, and why.
    left: Vec<(String, String)>,
    /// True where standard input is no terminal.
    no_terminal: bool,
}

impl Asked {
    fn ask(&mut self, StartOption { host, member, how }: &StartOption, yes: bool) -> Result<()> {
        let commands = match how {
            Ok(Start::By(commands)) => commands,
            Ok(Start::Runs(_)) => return Ok(()),
            Err(why) => {
                self.left.push((member.clone(), why.clone()));
                return Ok(());
            }
        };
        let by = if yes {
            "--yes"
        } else if !io::stdin().is_terminal() {
            self.no_terminal = true;
            self.left.push((member.clone(), "standard input is not a terminal, so you cannot be asked".into()));
            return Ok(());
        } else if agreed(&format!("Start {member} on {host} with this command? [y/N] "))? {
            "asked on the terminal"
        } else {
            self.left.push((member.clone(), "you did not agree".into()));
            return Ok(());
        };
        let data = json!({"host": host, "member": member, "commands": commands, "by": by});
        self.decisions.push((format!("{member} is to be started on {host} ({by}): {}", commands.join(" && ")), data));
        self.orders.push((member.clone(), commands.clone()));
        Ok(())
    }
}

fn show(StartOption { host, member, how }: &StartOption, format: Format) -> Result<()> {
    if format == Format::Json {
        let (commands, runs, why) = match how {
            Ok(Start::By(commands)) => (Some(commands), false, None),
            Ok(Start::Runs(_)) => (None, true, None),
            Err(why) => (None, false, Some(why)),
        };
        let line =
            json!({"event": "offer", "host": host, "member": member, "commands": commands, "runs": runs, "why": why});
        return print_json(&format!("{line}\n"));
    }
    match how {
        Ok(Start::By(commands)) => print(&format!("{host}: {member}: {}\n", commands.join(" && "))),
        Ok(Start::Runs(pid)) => {
            let pid = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
            print(&format!("{host}: {member} is already running{pid}.\n"))
        }
        Err(why) => {
            warn(&format!("{host}: {member} cannot be started from here: {why}."));
            Ok(())
        }
    }
}
