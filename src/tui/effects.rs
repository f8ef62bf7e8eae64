//! Carries effects out against the world, on threads, and sends back what came of them.
//!
//! A panic in an effect is caught and comes back as the effect's own failed answer: a defect of
//! requorum must not leave the screen waiting. Progress is thinned to one message in 50 ms.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::app::{Effect, Msg};
use crate::{
    engine::progress::{Flow, Phase, Progress},
    plan::{
        certs,
        facts::{
            Answer, Around, Hashed,
            disk::{DirFacts, DirState, Held},
        },
        fence::{Fence, Seen},
    },
    recovery::{
        Cancel, Passed, RowEvent, carry_out, fences,
        verify::{Job, verify},
    },
    trouble::{Kind, Trouble},
    world::World,
};

/// The least time between two progress messages of one piece of work.
const APART: Duration = Duration::from_millis(50);

/// How long the members of a restored plan may take to come up; after that they are asked again when a key says so.
const WATCHED: Duration = Duration::from_secs(600);

/// Threads that carry out effects bear this name; the panic hook leaves the screen alone for them.
pub(super) const THREAD: &str = "requorum-effect";

/// Lets a step through when enough time has passed or the phase is a new one.
#[derive(Default)]
struct Thin(Option<(Instant, Phase)>);

impl Thin {
    fn lets(&mut self, progress: Progress) -> bool {
        let now = Instant::now();
        let pass = self.0.is_none_or(|(at, phase)| phase != progress.phase || now.duration_since(at) >= APART);
        if pass {
            self.0 = Some((now, progress.phase));
        }
        pass
    }
}

/// Carries out one effect here and now; every message goes to `send`, the last one settles it.
pub fn perform(effect: &Effect, world: &dyn World, cancel: &Cancel, send: &mut dyn FnMut(Msg)) {
    let caught = catch_unwind(AssertUnwindSafe(|| work(effect, world, cancel, send)));
    if let Err(panic) = caught {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        let bug = Trouble::new(Kind::Bug, "this is a defect of requorum").why(text).hint("Trying again does no harm");
        if let Some(msg) = failed(effect, bug) {
            send(msg);
        }
    }
}

fn work(effect: &Effect, world: &dyn World, cancel: &Cancel, send: &mut dyn FnMut(Msg)) {
    match effect {
        Effect::Ask { id, endpoint } => send(Msg::Answered { id: *id, answer: world.ask(endpoint) }),
        Effect::AskPeer { id, endpoint, member } => {
            send(Msg::Answered { id: *id, answer: world.ask_peer(endpoint, member) });
        }
        Effect::Hash { id, endpoint, revision } => {
            send(Msg::Hashed { id: *id, hash: world.hash_at(endpoint, *revision) });
        }
        Effect::LookAround { id, named } => {
            send(Msg::LookedAround { id: *id, around: world.look_around(named) });
        }
        Effect::Find { id, places } => send(Msg::Found { id: *id, result: world.find(places) }),
        Effect::Inspect { id, path } => {
            let result = world.inspect(path, &mut watch(*id, cancel, send));
            send(Msg::Inspected { id: *id, result });
        }
        Effect::Look { id, data_dir, wal_dir } => {
            let facts = Box::new(world.look_at_dir(data_dir, wal_dir.as_deref()));
            send(Msg::Looked { id: *id, facts });
        }
        Effect::Relate { id, files: [first, second] } => {
            send(Msg::Related { id: *id, result: world.same_history(first, second) });
        }
        Effect::Compare { id, files: [first, second] } => {
            let result = world.compare(first, second, &mut watch(*id, cancel, send));
            send(Msg::Compared { id: *id, result });
        }
        Effect::Save { id, endpoint, into } => {
            let result = match endpoint.starts_with("s3://") {
                true => world.fetch(endpoint, into, &mut watch(*id, cancel, send)),
                false => world.save_snapshot(endpoint, into, &mut watch(*id, cancel, send)),
            };
            send(Msg::Saved { id: *id, result });
        }
        Effect::Fences { id, plan, old } => {
            let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
            let (seen, fences) = fences::look(plan, &names, old, world);
            send(Msg::Fenced { id: *id, seen, fences });
        }
        Effect::Restore { id, plan, names, orders } => {
            let mut thin: HashMap<String, Thin> = HashMap::new();
            // Much can have been started since they were looked at for the screen.
            let (_, found) = fences::look(plan, names, &orders.old, world);
            let mut report = |name: &str, event: RowEvent| {
                let pass = match &event {
                    RowEvent::Step(progress) => thin.entry(name.to_string()).or_default().lets(*progress),
                    _ => true,
                };
                if pass {
                    send(Msg::Row { id: *id, name: name.to_string(), event });
                }
            };
            let result = Passed::new(found, &orders.lifted)
                .and_then(|passed| carry_out(plan, names, &passed, &orders.journal, world, cancel, &mut report));
            send(Msg::RestoreEnded { id: *id, result });
        }
        Effect::Verify { id, plan, old, canary } => {
            let job = Job { plan, old, timeout: WATCHED, canary: *canary };
            let result = verify(&job, world, cancel, &mut |proof| {
                send(Msg::Seen { id: *id, proof: Box::new(proof.clone()) });
            });
            send(Msg::Verified { id: *id, result: result.map(Box::new) });
        }
        Effect::Write { id, path, text } => {
            send(Msg::Written { id: *id, path: path.clone(), result: world.write_new(path, text) });
        }
        Effect::Certificates { id, named } => {
            send(Msg::Certificates { id: *id, seen: world.certificates(named) });
        }
        Effect::Fresh { id } => send(Msg::Fresh { id: *id, now: world.now(), fresh: world.fresh() }),
        // the shell's own
        Effect::Cancel { .. } | Effect::Copy { .. } | Effect::Note | Effect::Suspend | Effect::Quit => {}
    }
}

fn watch<'a>(id: u64, cancel: &'a Cancel, send: &'a mut dyn FnMut(Msg)) -> impl FnMut(Progress) -> Flow + 'a {
    let mut thin = Thin::default();
    move |progress| {
        if thin.lets(progress) {
            send(Msg::Stepped { id, progress });
        }
        cancel.flow()
    }
}

/// The answer of an effect that broke down.
fn failed(effect: &Effect, bug: Trouble) -> Option<Msg> {
    Some(match effect {
        Effect::Ask { id, .. } | Effect::AskPeer { id, .. } => {
            let answer = Answer::Silent { why: "a defect of requorum".into(), details: bug.to_string() };
            Msg::Answered { id: *id, answer }
        }
        Effect::Hash { id, .. } => Msg::Hashed { id: *id, hash: Hashed::Failed(bug.to_string()) },
        Effect::LookAround { id, .. } => Msg::LookedAround { id: *id, around: Around::default() },
        Effect::Find { id, .. } => Msg::Found { id: *id, result: Err(bug) },
        Effect::Inspect { id, .. } => Msg::Inspected { id: *id, result: Err(bug) },
        Effect::Look { id, data_dir, wal_dir } => {
            let state = DirState::Unreadable(bug.to_string());
            let held = Held::Unknown(bug.what);
            let facts = DirFacts {
                data_dir: data_dir.clone(),
                wal_dir: wal_dir.clone(),
                learned_from: String::new(),
                held,
                state,
            };
            Msg::Looked { id: *id, facts: Box::new(facts) }
        }
        Effect::Relate { id, .. } => Msg::Related { id: *id, result: Err(bug) },
        Effect::Compare { id, .. } => Msg::Compared { id: *id, result: Err(bug) },
        Effect::Save { id, .. } => Msg::Saved { id: *id, result: Err(bug) },
        Effect::Restore { id, .. } => Msg::RestoreEnded { id: *id, result: Err(bug) },
        Effect::Verify { id, .. } => Msg::Verified { id: *id, result: Err(bug) },
        Effect::Write { id, path, .. } => Msg::Written { id: *id, path: path.clone(), result: Err(bug) },
        Effect::Fences { id, .. } => {
            let fence = Fence {
                what: "whether an old member still answers could not be looked at".into(),
                evidence: vec![bug.to_string()],
                lift: "r asks again.".into(),
                typed: Some("not looked at".into()),
            };
            Msg::Fenced { id: *id, seen: Seen::default(), fences: vec![fence] }
        }
        Effect::Certificates { id, .. } => Msg::Certificates { id: *id, seen: certs::Seen::default() },
        Effect::Fresh { .. }
        | Effect::Cancel { .. }
        | Effect::Copy { .. }
        | Effect::Note
        | Effect::Suspend
        | Effect::Quit => {
            return None;
        }
    })
}

/// The ID under which an effect can be cancelled.
pub(super) fn cancellable(effect: &Effect) -> Option<u64> {
    match effect {
        Effect::Inspect { id, .. }
        | Effect::Compare { id, .. }
        | Effect::Save { id, .. }
        | Effect::Verify { id, .. }
        | Effect::Restore { id, .. } => Some(*id),
        _ => None,
    }
}

/// Effects under way on threads.
pub(super) struct Workers<F> {
    world: Arc<dyn World>,
    send: F,
    cancels: HashMap<u64, Cancel>,
}

impl<F: Fn(Msg) + Clone + Send + 'static> Workers<F> {
    /// Workers on `world` whose messages go to `send`.
    pub(super) fn new(world: Arc<dyn World>, send: F) -> Self {
        Workers { world, send, cancels: HashMap::new() }
    }

    /// Begins an effect, or stops one.
    pub(super) fn begin(&mut self, effect: Effect) {
        if let Effect::Cancel { id } = effect {
            if let Some(cancel) = self.cancels.get(&id) {
                cancel.stop();
            }
            return;
        }
        let cancel = Cancel::default();
        if let Some(id) = cancellable(&effect) {
            self.cancels.insert(id, cancel.clone());
        }
        let (world, send) = (self.world.clone(), self.send.clone());
        let job = effect.clone();
        let spawned = std::thread::Builder::new()
            .name(THREAD.into())
            .spawn(move || perform(&job, world.as_ref(), &cancel, &mut |msg| send(msg)));
        if let Err(error) = spawned {
            let no_thread = Trouble::new(Kind::Failed, "no thread could be started").why(error);
            if let Some(msg) = failed(&effect, no_thread) {
                (self.send)(msg);
            }
        }
    }
}
