//! `requorum apply` and `requorum agent`: a plan on its hosts, and what runs on them.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::json;

use super::{Format, connect, plan, print, progress::interruptible, warn};
use crate::{
    engine::{progress::Progress, status::human_size},
    plan::{
        Plan, destination,
        facts::host::{HostFacts, PlaceState, Root},
        hosts as judged,
        table::{Problem, Severity},
    },
    recovery::{
        self, RowEvent,
        hosts::{self, HostEvent, Job},
        journal,
    },
    trouble::{Result, Trouble},
    world::{agent, local::Local, members::Members, ssh::Ssh},
};

/// How often one host tells that it goes on.
const PACE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = "Every host is looked at before anything is written on any of them.")]
pub(super) struct Args {
    /// The plan file; each member's host stands in it.
    plan: PathBuf,
    /// Only this member; may be repeated [default: all of them].
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
    /// How many hosts are worked on at a time.
    #[arg(long, default_value_t = 5, value_name = "N")]
    limit: usize,
    /// Look at every host, say what is wrong, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// The configuration file for ssh, as its -F.
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
    /// Go on although something is in the way: the text that its refusal names; may be repeated. It is written to the
    /// journal.
    #[arg(long = "override", value_name = "TEXT")]
    overrides: Vec<String>,
    #[command(flatten)]
    connect: connect::ConnectArgs,
}

/// Carries out a plan on its hosts.
pub(super) fn run(args: Args, outer: &connect::ConnectArgs, format: Format) -> Result<()> {
    let made = plan::read(&args.plan)?;
    let names = plan::chosen(&made, &args.member)?;
    let ssh = Ssh { config: args.ssh_config.as_deref().map(super::absolute).transpose()? };
    let job = Job { plan: &made, names: &names, ssh: &ssh, limit: args.limit, dry_run: args.dry_run };
    let teller = Teller { plan: &made, json: format == Format::Json, told: Mutex::default() };
    interruptible(|cancel| {
        if args.dry_run {
            return hosts::apply(&job, cancel, &|host, event| teller.tell(host, event));
        }
        let connect = args.connect.clone().or(outer);
        let world = Local::real(connect.members()?);
        // The directories of other hosts are looked at there; the old cluster's URLs are asked from here.
        let here: Vec<String> =
            made.members.iter().filter(|m| destination::is_local(&m.host)).map(|m| m.name.clone()).collect();
        let here: Vec<String> = names.iter().filter(|name| here.contains(name)).cloned().collect();
        let passed = plan::fenced(&args.overrides, &made, &here, &connect.endpoints(), &world)?;
        let journal = journal::beside(&super::absolute(&args.plan)?);
        recovery::recorded(&made, &names, &passed, &journal, &world, |journal| {
            hosts::apply(&job, cancel, &|host, event| {
                if let HostEvent::Row(name, row) = &event {
                    recovery::note(journal, &made, name, row);
                }
                teller.tell(host, event);
            })
        })
    })?;
    if format == Format::Json {
        return Ok(());
    }
    let file = shell_words::quote(&args.plan.to_string_lossy()).into_owned();
    print(&match args.dry_run {
        true => format!("Every host is ready; nothing was written. Next: requorum apply {file}\n"),
        false => format!("Next: requorum launch --plan {file}\n"),
    })
}

/// Answers requests on standard input until it ends.
pub(super) fn agent() -> Result<()> {
    let world = Local::real(Members::new(Default::default())?);
    agent::serve(&world, io::stdin(), io::stdout())
}

/// Prints what happens on each host, a line at a time.
struct Teller<'a> {
    plan: &'a Plan,
    json: bool,
    /// What was told last of each host, and when.
    told: Mutex<BTreeMap<String, (String, Instant)>>,
}

impl Teller<'_> {
    fn tell(&self, host: &str, event: HostEvent) {
        // One at a time: hosts speak from threads of their own.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(phase) = passing(&event) {
            let now = Instant::now();
            if told.get(host).is_some_and(|(last, when)| *last == phase && now - *when < PACE) {
                return;
            }
            told.insert(host.into(), (phase, now));
        }
        if self.json {
            // A reader that went away is met at the end.
            let _ = print(&format!("{}\n", json_line(self.plan, host, &event)));
            return;
        }
        match event {
            HostEvent::Looked(facts, problems) => {
                let _ = print(&looked(self.plan, host, &facts));
                for problem in problems {
                    warn(&format!("{host}: {}", placed(self.plan, &problem)));
                }
            }
            HostEvent::Unreachable(trouble) | HostEvent::Failed(trouble) => warn(&format!("{host}: {trouble}")),
            HostEvent::Row(name, RowEvent::Failed(trouble)) => warn(&format!("{host}: {name}: {trouble}")),
            HostEvent::Row(_, RowEvent::Done(restored)) => {
                let _ = print(&format!("{host}: {}", plan::restored_line(&restored)));
            }
            HostEvent::Row(name, RowEvent::Step(step)) => {
                let _ = print(&format!("{host}: {name}: {}\n", amount(step.phase.words(), step)));
            }
            HostEvent::Snapshot(step) => {
                let _ = print(&format!("{host}: {}\n", amount(hosts::sending(step), step)));
            }
            HostEvent::Program(at, of) => {
                let _ = print(&format!("{host}: sending the program: {} of {}\n", human_size(at), human_size(of)));
            }
            HostEvent::Automation(active) => {
                for automation in active {
                    warn(&format!("{host}: {}; this pauses it: {}", automation.what, automation.pause));
                }
            }
            HostEvent::HadIt(path) => {
                let _ = print(&format!("{host}: the snapshot is there already, {}\n", path.display()));
            }
            HostEvent::Sent(sent) => {
                let on = if sent.from > 0 {
                    format!(" after {} that were there", human_size(sent.from))
                } else {
                    String::new()
                };
                let (bytes, packed) = (human_size(sent.bytes), human_size(sent.packed));
                let _ = print(&format!(
                    "{host}: the snapshot was sent, {bytes}{on}, packed {packed}, and is right there\n"
                ));
            }
        }
    }
}

/// What is told again and again: by what it is known as the same.
fn passing(event: &HostEvent) -> Option<String> {
    match event {
        HostEvent::Program(..) => Some("program".into()),
        HostEvent::Snapshot(step) => Some(format!("snapshot {:?}", step.phase)),
        HostEvent::Row(name, RowEvent::Step(step)) => Some(format!("{name} {:?}", step.phase)),
        _ => None,
    }
}

fn amount(words: &str, step: Progress) -> String {
    match step.total {
        0 => words.to_string(),
        total => format!("{words}: {} of {}", human_size(step.done), human_size(total)),
    }
}

/// A host in a few lines.
fn looked(plan: &Plan, host: &str, facts: &HostFacts) -> String {
    let root = match facts.root {
        Root::Is => "",
        Root::Sudo => ", root by sudo",
        Root::No => ", no root",
    };
    let mut text = format!("{host}: {} {}, as {}{root}\n", facts.system, facts.machine, facts.user);
    // The last one is where the snapshot is received.
    let of_members = |path: &PathBuf| plan.members.iter().any(|m| judged::dirs(m).any(|(_, dir)| dir == path));
    for place in facts.places.iter().filter(|place| of_members(&place.path)) {
        let state = match &place.state {
            PlaceState::Absent => "not there yet".to_string(),
            PlaceState::Dir(names) if names.is_empty() => "empty".into(),
            PlaceState::Dir(names) => format!("holds {}", names.first().map(String::as_str).unwrap_or_default()),
            PlaceState::Closed => "closed".into(),
            PlaceState::File => "no directory".into(),
        };
        let free = place.free.map(|free| format!(", {} free", human_size(free))).unwrap_or_default();
        let owner = if place.owner.is_empty() { String::new() } else { format!(" of {}", place.owner) };
        text += &format!("  {}: {state}; {}{owner}{free}\n", place.path.display(), place.there.display());
    }
    text
}

/// A problem with the member that it is about.
fn placed(plan: &Plan, problem: &Problem) -> String {
    let warning = if problem.severity == Severity::Warning { "Warning: " } else { "" };
    match problem.row.and_then(|row| plan.members.get(row)) {
        Some(member) => format!("{warning}{}: {problem}", member.name),
        None => format!("{warning}{problem}"),
    }
}

fn json_line(plan: &Plan, host: &str, event: &HostEvent) -> serde_json::Value {
    let failed = |trouble: &Trouble| json!({"what": trouble.what, "why": trouble.why, "hint": trouble.hint});
    let step = |step: &Progress| json!({"phase": step.phase, "done": step.done, "total": step.total});
    match event {
        HostEvent::Looked(facts, problems) => {
            let problems: Vec<_> = problems
                .iter()
                .map(|p| {
                    let member = p.row.and_then(|row| plan.members.get(row)).map(|m| &m.name);
                    json!({"error": p.severity == Severity::Error, "member": member, "text": p.text})
                })
                .collect();
            json!({
                "host": host, "event": "looked", "system": facts.system, "machine": facts.machine, "user": facts.user,
                "root": facts.root != Root::No, "skew": facts.skew, "problems": problems,
            })
        }
        HostEvent::Unreachable(trouble) => json!({"host": host, "event": "unreachable", "error": failed(trouble)}),
        HostEvent::Failed(trouble) => json!({"host": host, "event": "failed", "error": failed(trouble)}),
        HostEvent::Program(at, of) => json!({"host": host, "event": "program", "done": at, "total": of}),
        HostEvent::Automation(active) => json!({"host": host, "event": "automation", "automation": active}),
        HostEvent::HadIt(path) => json!({"host": host, "event": "had-snapshot", "path": path}),
        HostEvent::Snapshot(at) => json!({"host": host, "event": "snapshot", "step": step(at)}),
        HostEvent::Sent(sent) => {
            json!({"host": host, "event": "sent", "from": sent.from, "bytes": sent.bytes, "packed": sent.packed})
        }
        HostEvent::Row(name, RowEvent::Step(at)) => {
            json!({"host": host, "event": "step", "member": name, "step": step(at)})
        }
        HostEvent::Row(name, RowEvent::Done(restored)) => {
            json!({"host": host, "event": "restored", "member": name, "restored": restored})
        }
        HostEvent::Row(name, RowEvent::Failed(trouble)) => {
            json!({"host": host, "event": "member-failed", "member": name, "error": failed(trouble)})
        }
    }
}
