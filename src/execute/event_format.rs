//! Formats each event on a host as one line: for people, for programs, and for the journal.

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
    text::{Foreign, Shown, size::size},
};

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct EventLine {
    /// The event's name for programs: `sent`.
    pub event: &'static str,
    /// The kind of its journal line; none for progress, which is not recorded.
    pub kind: Option<Event>,
    /// The text for people, without the host.
    pub text: String,
    /// The data for programs.
    pub data: Value,
}

impl EventLine {
    /// Returns the data with the host added.
    pub fn on(&self, host: &str) -> Value {
        let mut all = Map::from_iter([("host".to_string(), json!(host))]);
        all.extend(self.data.as_object().cloned().unwrap_or_default());
        Value::Object(all)
    }
}

impl HostEvent {
    /// Returns the member that the event is about; none if it is about the host.
    pub fn member(&self) -> Option<&str> {
        match self {
            HostEvent::MemberState(name, _)
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

    /// Formats the event.
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
            HostEvent::Unreachable(error) => {
                line("unreachable", Some(Event::Looked), error.to_string(), json!({"error": failed(error)}))
            }
            HostEvent::Program(at, of) => {
                let text = format!("sending the program: {} of {}", size(*at), size(*of));
                line("program", None, text, json!({"done": at, "total": of}))
            }
            HostEvent::Automation(active) => {
                let each = active.iter().map(|a| format!("{}; to pause it: {}", a.what, a.pause));
                let text = each.collect::<Vec<_>>().join("\n");
                line("automation", Some(Event::Warned), text, json!({"automation": active}))
            }
            HostEvent::MemberState(name, standing) => {
                let (kind, word, text) = match standing {
                    MemberState::Nothing => (None, "nothing", "is not built yet"),
                    MemberState::Staged(_) => {
                        (Some(Event::Looked), "built", "was built by an earlier run; waiting in staging")
                    }
                    MemberState::Moving(_) => {
                        (Some(Event::Looked), "moving", "was being installed when an earlier run was interrupted")
                    }
                    MemberState::Undoing => {
                        (Some(Event::Looked), "undoing", "was being rolled back when an earlier run was interrupted")
                    }
                    MemberState::InPlace(_) => (Some(Event::Looked), "in-place", "is already installed"),
                };
                line("standing", kind, format!("{name} {text}"), json!({"member": name, "standing": word}))
            }
            HostEvent::Runs(halt, _) => {
                let text = format!("an etcd is running on {}; to stop it: {}", halt.data_dir.shown(), commands(halt));
                line("runs", Some(Event::Warned), text, json!({"halt": halt}))
            }
            HostEvent::HadIt(path) => {
                let text = format!("snapshot already present: {}", path.shown());
                line("had-snapshot", Some(Event::Done), text, json!({"path": path}))
            }
            HostEvent::Step(at) => {
                let words = if at.phase == Phase::Receive { "sending the snapshot" } else { at.phase.words() };
                line("snapshot", None, amount(words, at), json!({"step": step(at)}))
            }
            HostEvent::Sent(sent) => {
                let on = match sent.from {
                    0 => String::new(),
                    from => format!(" after {} already present", size(from)),
                };
                let (bytes, packed) = (size(sent.bytes), size(sent.packed));
                let text = format!("snapshot sent and verified: {bytes}{on}, {packed} compressed");
                let data = json!({"from": sent.from, "bytes": sent.bytes, "packed": sent.packed});
                line("sent", Some(Event::Done), text, data)
            }
            HostEvent::Row(name, RowEvent::Step(at)) => {
                let text = format!("{name}: {}", amount(at.phase.words(), at));
                line("step", None, text, json!({"member": name, "step": step(at)}))
            }
            HostEvent::Row(name, RowEvent::Done(r)) => {
                let text = format!(
                    "{name}: built in staging for {}, revision {}, {} keys, member {} of cluster {}; verified",
                    r.data_dir.shown(),
                    r.revision,
                    r.keys,
                    r.member_id,
                    r.cluster_id
                );
                line("restored", Some(Event::Restored), text, json!({"member": name, "restored": r}))
            }
            HostEvent::Row(name, RowEvent::Failed(error)) => {
                let data = json!({"member": name, "error": failed(error)});
                line("member-failed", Some(Event::Failed), format!("{name}: {error}"), data)
            }
            HostEvent::Discarded(name) => {
                let text = format!("{name}: removed from staging");
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
                let mut text = format!("{}: installed and verified", swapped.name);
                for (from, to) in swapped.aside() {
                    text += &format!("; previous {} moved to {}", from.shown(), to.shown());
                }
                line("placed", Some(Event::Done), text, json!({"member": swapped.name, "swapped": swapped}))
            }
            HostEvent::Undone(name, went) => {
                let each: Vec<String> =
                    went.iter().map(|(from, to)| format!("{} → {}", from.shown(), to.shown())).collect();
                let text = format!("{name}: rolled back: {}", each.join(", "));
                line("undone", Some(Event::Done), text, json!({"member": name, "undone": went}))
            }
            HostEvent::UndoneBefore(name, went) => {
                let text = format!("{name}: was already rolled back; nothing was done");
                line("undone-before", Some(Event::Done), text, json!({"member": name, "undone": went}))
            }
            HostEvent::ByHand(name, proven) => {
                line("by-hand", Some(Event::Restored), format!("{proven}; restored by hand"), json!({"member": name}))
            }
            HostEvent::HandOver(name) => {
                let text = format!("{name}: run part 2 of its sheet there now; until then its old data stays in place");
                line("hand-over", Some(Event::Doing), text, json!({"member": name, "hand_over": true}))
            }
            HostEvent::Starting(name, commands) => {
                let text = format!("{name}: starting: {}", commands.join(" && "));
                line("starting", Some(Event::Doing), text, json!({"member": name, "commands": commands}))
            }
            HostEvent::Started { member, pid, already } => {
                let pid_text = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                let text = match already {
                    true => format!("{member}: already running{pid_text}; nothing was done"),
                    false => format!("{member}: started; it has locked its data directory{pid_text}"),
                };
                line("started", Some(Event::Done), text, json!({"member": member, "pid": pid, "already": already}))
            }
            HostEvent::Failed(error) => {
                line("failed", Some(Event::Failed), error.to_string(), json!({"error": failed(error)}))
            }
        }
    }
}

fn commands(halt: &RunningEtcd) -> String {
    halt.commands.join(" && ")
}

fn failed(error: &Error) -> Value {
    json!({"what": error.what, "why": error.why, "hint": error.hint, "remedies": error.remedies, "fault": error.fault})
}

fn step(at: &Progress) -> Value {
    json!({"phase": at.phase, "done": at.done, "total": at.total})
}

/// Returns each problem with the member that it is about.
fn said(plan: &Plan, problems: &[Problem]) -> Vec<Value> {
    let member = |p: &Problem| p.row.and_then(|row| plan.members.get(row)).map(|m| m.name.clone());
    let said = |p: &Problem| {
        let fault = (p.about == About::Space).then_some(Fault::NoSpace);
        json!({"error": p.severity == Severity::Error, "member": member(p), "text": p.text, "remedies": p.remedies, "fault": fault})
    };
    problems.iter().map(said).collect()
}

fn amount(words: &str, step: &Progress) -> String {
    match step.total {
        0 => words.to_string(),
        total => format!("{words}: {} of {}", size(step.done), size(total)),
    }
}

/// Formats a host in a few lines.
fn looked(plan: &Plan, facts: &HostFacts) -> String {
    let root = match facts.root {
        Root::Is => "",
        Root::Sudo => ", root via sudo",
        Root::No => ", no root",
    };
    let mut text = format!("{} {}, as {}{root}", facts.system, facts.machine, facts.user);
    // The last place is where the snapshot is received.
    let column =
        |path| plan.members.iter().flat_map(judged::dirs).find(|(_, dir)| *dir == path).map(|(column, _)| column);
    for (place, column) in facts.places.iter().filter_map(|place| Some((place, column(&place.path)?))) {
        let mut after = "";
        let state = match &place.state {
            PlaceState::Absent => "does not exist yet".to_string(),
            PlaceState::Dir(names) if names.is_empty() => "empty".into(),
            PlaceState::Dir(names) if judged::is_members(column, names) => {
                after = "; will be moved aside under a dated name, unless this plan installed it";
                "a member's directory".into()
            }
            PlaceState::Dir(names) => format!("contains {}", names.first().map(Foreign::as_str).unwrap_or_default()),
            PlaceState::Closed => "not readable".into(),
            PlaceState::File => "not a directory".into(),
        };
        let free = place.free.map(|free| format!(", {} free", size(free))).unwrap_or_default();
        let there = match place.there == place.path {
            true => String::new(),
            false => format!("; nearest existing directory {}", place.there.shown()),
        };
        let owner = if place.owner.is_empty() { String::new() } else { format!(", owner {}", place.owner) };
        text += &format!("\n  {}: {state}{there}{owner}{free}{after}", place.path.shown());
    }
    text
}
