//! Each event on a host as one line: for people, for programs, and for the journal.

use serde_json::{Map, Value, json};

use super::events::HostEvent;
use crate::{
    domain::{
        members::table::{About, Problem, Severity},
        model::{
            observations::host::{HostFacts, PlaceState, Root},
            plan::Plan,
        },
        preflight::{hosts as judged, stop::RunningEtcd},
    },
    engine::{
        install::MemberState,
        progress::{Phase, Progress},
    },
    error::{Error, Fault},
    execute::RowEvent,
    system::journal::Event,
    text::{Foreign, Shown, number::size},
};

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLine {
    /// What happened, as programs know it: `sent`.
    pub event: &'static str,
    /// As what it enters the journal; none where it only goes on.
    pub kind: Option<Event>,
    /// For people, without the host.
    pub text: String,
    /// For programs.
    pub data: Value,
}

impl EventLine {
    /// The data with the host.
    pub fn on(&self, host: &str) -> Value {
        let mut all = Map::from_iter([("host".to_string(), json!(host))]);
        all.extend(self.data.as_object().cloned().unwrap_or_default());
        Value::Object(all)
    }
}

impl HostEvent {
    /// The member that it is about; none for what is about the host.
    pub fn member(&self) -> Option<&str> {
        match self {
            HostEvent::Standing(name, _)
            | HostEvent::Row(name, _)
            | HostEvent::Discarded(name)
            | HostEvent::Undone(name, _)
            | HostEvent::UndoneBefore(name, _)
            | HostEvent::ByHand(name, _)
            | HostEvent::HandOver(name)
            | HostEvent::Starting(name, _)
            | HostEvent::Started { member: name, .. } => Some(name),
            HostEvent::Placed(swapped) => Some(&swapped.name),
            _ => None,
        }
    }

    /// The event as a line.
    pub fn line(&self, plan: &Plan) -> EventLine {
        let line = |event, kind, text: String, data| EventLine { event, kind, text, data };
        match self {
            HostEvent::Looked(facts, problems) => {
                let data = json!({
                    "system": facts.system, "machine": facts.machine, "user": facts.user,
                    "root": facts.root != Root::No, "skew": facts.skew, "problems": said(plan, problems),
                    "addresses": facts.addresses, "etcds": facts.etcds.iter().map(|(pid, _)| pid).collect::<Vec<_>>(),
                });
                line("looked", Some(Event::Looked), looked(plan, facts), data)
            }
            HostEvent::Unreachable(trouble) => {
                line("unreachable", Some(Event::Looked), trouble.to_string(), json!({"error": failed(trouble)}))
            }
            HostEvent::Program(at, of) => {
                let text = format!("sending the program: {} of {}", size(*at), size(*of));
                line("program", None, text, json!({"done": at, "total": of}))
            }
            HostEvent::Automation(active) => {
                let each = active.iter().map(|a| format!("{}; this pauses it: {}", a.what, a.pause));
                let text = each.collect::<Vec<_>>().join("\n");
                line("automation", Some(Event::Warned), text, json!({"automation": active}))
            }
            HostEvent::Standing(name, standing) => {
                let (kind, word, text) = match standing {
                    MemberState::Nothing => (None, "nothing", "is not built yet"),
                    MemberState::Staged(_) => (Some(Event::Looked), "built", "was built by an earlier run, and waits"),
                    MemberState::Moving(_) => {
                        (Some(Event::Looked), "moving", "was being put in place when an earlier run ended")
                    }
                    MemberState::Undoing => {
                        (Some(Event::Looked), "undoing", "was being taken out of its place when an earlier run ended")
                    }
                    MemberState::InPlace(_) => (Some(Event::Looked), "in-place", "is in place already"),
                };
                line("standing", kind, format!("{name} {text}"), json!({"member": name, "standing": word}))
            }
            HostEvent::Runs(halt, _) => {
                let text = format!("an etcd runs on {}; this stops it: {}", halt.data_dir.shown(), commands(halt));
                line("runs", Some(Event::Warned), text, json!({"halt": halt}))
            }
            HostEvent::HadIt(path) => {
                let text = format!("the snapshot is there already, {}", path.shown());
                line("had-snapshot", Some(Event::Done), text, json!({"path": path}))
            }
            HostEvent::Step(at) => {
                let words = if at.phase == Phase::Receive { "sending the snapshot" } else { at.phase.words() };
                line("snapshot", None, amount(words, at), json!({"step": step(at)}))
            }
            HostEvent::Sent(sent) => {
                let on = match sent.from {
                    0 => String::new(),
                    from => format!(" after {} that were there", size(from)),
                };
                let (bytes, packed) = (size(sent.bytes), size(sent.packed));
                let text = format!("the snapshot was sent, {bytes}{on}, packed {packed}, and is right there");
                let data = json!({"from": sent.from, "bytes": sent.bytes, "packed": sent.packed});
                line("sent", Some(Event::Done), text, data)
            }
            HostEvent::Row(name, RowEvent::Step(at)) => {
                let text = format!("{name}: {}", amount(at.phase.words(), at));
                line("step", None, text, json!({"member": name, "step": step(at)}))
            }
            HostEvent::Row(name, RowEvent::Done(r)) => {
                let text = format!(
                    "{name}: built beside {}, revision {}, {} keys, member {} of cluster {}, read back and right",
                    r.data_dir.shown(),
                    r.revision,
                    r.keys,
                    r.member_id,
                    r.cluster_id
                );
                line("restored", Some(Event::Restored), text, json!({"member": name, "restored": r}))
            }
            HostEvent::Row(name, RowEvent::Failed(trouble)) => {
                let data = json!({"member": name, "error": failed(trouble)});
                line("member-failed", Some(Event::Failed), format!("{name}: {trouble}"), data)
            }
            HostEvent::Discarded(name) => {
                let text = format!("{name}: what was built beside its place is removed");
                line("discarded", Some(Event::Done), text, json!({"member": name}))
            }
            HostEvent::Halting(halt) => {
                let text = format!("stopping the etcd on {}: {}", halt.data_dir.shown(), commands(halt));
                line("halting", Some(Event::Doing), text, json!({"halt": halt}))
            }
            HostEvent::Halted(halt) => {
                let text = format!("the etcd on {} is stopped", halt.data_dir.shown());
                line("halted", Some(Event::Done), text, json!({"halt": halt}))
            }
            HostEvent::Placed(swapped) => {
                let mut text = format!("{}: in place, looked at again", swapped.name);
                for (from, to) in swapped.aside() {
                    text += &format!("; what was at {} is now {}", from.shown(), to.shown());
                }
                line("placed", Some(Event::Done), text, json!({"member": swapped.name, "swapped": swapped}))
            }
            HostEvent::Undone(name, went) => {
                let each: Vec<String> =
                    went.iter().map(|(from, to)| format!("{} → {}", from.shown(), to.shown())).collect();
                let text = format!("{name}: out of its place again: {}", each.join(", "));
                line("undone", Some(Event::Done), text, json!({"member": name, "undone": went}))
            }
            HostEvent::UndoneBefore(name, went) => {
                let text = format!("{name}: was taken out of its place before; nothing was done");
                line("undone-before", Some(Event::Done), text, json!({"member": name, "undone": went}))
            }
            HostEvent::ByHand(name, proven) => {
                line("by-hand", Some(Event::Restored), format!("{proven}, by hand"), json!({"member": name}))
            }
            HostEvent::HandOver(name) => {
                let text = format!("{name}: now run part 2 of its sheet there; its old data is in place until then");
                line("hand-over", Some(Event::Doing), text, json!({"member": name, "hand_over": true}))
            }
            HostEvent::Starting(name, commands) => {
                let text = format!("{name}: starting it: {}", commands.join(" && "));
                line("starting", Some(Event::Doing), text, json!({"member": name, "commands": commands}))
            }
            HostEvent::Started { member, pid, already } => {
                let pid_text = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                let text = match already {
                    true => format!("{member}: runs already{pid_text}; nothing was done"),
                    false => format!("{member}: started; it holds its directory{pid_text}"),
                };
                line("started", Some(Event::Done), text, json!({"member": member, "pid": pid, "already": already}))
            }
            HostEvent::Failed(trouble) => {
                line("failed", Some(Event::Failed), trouble.to_string(), json!({"error": failed(trouble)}))
            }
        }
    }
}

fn commands(halt: &RunningEtcd) -> String {
    halt.commands.join(" && ")
}

fn failed(trouble: &Error) -> Value {
    json!({"what": trouble.what, "why": trouble.why, "hint": trouble.hint, "remedies": trouble.remedies, "fault": trouble.fault})
}

fn step(at: &Progress) -> Value {
    json!({"phase": at.phase, "done": at.done, "total": at.total})
}

/// Each problem with the member that it is about.
fn said(plan: &Plan, problems: &[Problem]) -> Vec<Value> {
    let member = |p: &Problem| p.row.and_then(|row| plan.members.get(row)).map(|m| m.name.clone());
    let said = |p: &Problem| {
        let fault = (p.about == About::Space).then_some(Fault::NoSpace);
        json!({"error": p.severity == Severity::Error, "member": member(p), "text": p.text, "fault": fault})
    };
    problems.iter().map(said).collect()
}

fn amount(words: &str, step: &Progress) -> String {
    match step.total {
        0 => words.to_string(),
        total => format!("{words}: {} of {}", size(step.done), size(total)),
    }
}

/// A host in a few lines.
fn looked(plan: &Plan, facts: &HostFacts) -> String {
    let root = match facts.root {
        Root::Is => "",
        Root::Sudo => ", root by sudo",
        Root::No => ", no root",
    };
    let mut text = format!("{} {}, as {}{root}", facts.system, facts.machine, facts.user);
    // The last one is where the snapshot is received.
    let column =
        |path| plan.members.iter().flat_map(judged::dirs).find(|(_, dir)| *dir == path).map(|(column, _)| column);
    for (place, column) in facts.places.iter().filter_map(|place| Some((place, column(&place.path)?))) {
        let mut after = "";
        let state = match &place.state {
            PlaceState::Absent => "not there yet".to_string(),
            PlaceState::Dir(names) if names.is_empty() => "empty".into(),
            PlaceState::Dir(names) if judged::is_members(column, names) => {
                after = "; moved aside under a dated name, unless it is this plan's already";
                "a member's directory".into()
            }
            PlaceState::Dir(names) => format!("holds {}", names.first().map(Foreign::as_str).unwrap_or_default()),
            PlaceState::Closed => "closed".into(),
            PlaceState::File => "no directory".into(),
        };
        let free = place.free.map(|free| format!(", {} free", size(free))).unwrap_or_default();
        let there = if place.there == place.path { String::new() } else { format!("; {}", place.there.shown()) };
        let owner = if place.owner.is_empty() { String::new() } else { format!(" of {}", place.owner) };
        text += &format!("\n  {}: {state}{there}{owner}{free}{after}", place.path.shown());
    }
    text
}
