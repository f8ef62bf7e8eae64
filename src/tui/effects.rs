//! Carries effects out against the world, on threads, and sends back what came of them.
//!
//! A panic in an effect is caught and comes back as the effect's own failed answer: a defect of
//! requorum must not leave the screen waiting. Progress is thinned to one message in 50 ms.

mod launch;

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    domain::{
        members::certificates,
        model::{
            observations::{
                Answer, Hashed, MachineFacts,
                disk::{DirFacts, DirState, Held},
            },
            old_cluster::Old,
            plan::Plan,
            source_ref::Download,
        },
        preflight::blockers::{Blocker, Lift, Observations},
        quorum::known::{Match, Unknown},
    },
    engine::progress::{Flow, Phase, Progress},
    error::{Error, ErrorKind, Result},
    execute::{
        Cancel, RowEvent, blocker_checks,
        events::{ExecutionEvent, HostEvent},
        executor::{self, Consent, ExecutionSpec, Goal, Placement},
        preflight, resume, second_run, verify,
    },
    system::{Files, System, hash_compare, journal::Journal},
    tui::state::messages::{Effect, Msg, Orders},
};

/// How many hosts are worked on at a time.
const AT_A_TIME: usize = 5;

/// The least time between two progress messages of one piece of work.
const APART: Duration = Duration::from_millis(50);

/// How long the members of a restored plan may take to come up; after that they are asked again when a key says so.
const WATCHED: Duration = Duration::from_secs(600);

/// Threads that carry out effects have this name; the panic hook leaves the screen alone for them.
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

/// Where messages go; from several threads where one effect works on several hosts.
type Say<'a> = &'a mut (dyn FnMut(Msg) + Send);

/// Carries out one effect here and now; every message goes to `send`, the last one settles it. With `look_only` none that
/// writes is carried out: it is answered by that refusal.
pub fn perform(effect: &Effect, look_only: bool, system: &dyn System, cancel: &Cancel, send: Say<'_>) {
    if look_only && effect.writes() {
        let refused = Error::new(ErrorKind::Refused, "look only: not done, since it writes")
            .hint("requorum was started with --look. Start it without, to do this.");
        if let Some(msg) = failed(effect, refused) {
            send(msg);
        }
        return;
    }
    let caught = catch_unwind(AssertUnwindSafe(|| work(effect, system, cancel, &mut *send)));
    if let Err(panic) = caught {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        let bug = Error::new(ErrorKind::Bug, "internal error in requorum")
            .why(text)
            .hint("Trying again is safe; please report the error");
        if let Some(msg) = failed(effect, bug) {
            send(msg);
        }
    }
}

fn work(effect: &Effect, system: &dyn System, cancel: &Cancel, send: Say<'_>) {
    match effect {
        Effect::Ask { id, endpoint, named } => {
            if *named {
                system.trust_endpoints(std::slice::from_ref(endpoint));
            }
            send(Msg::Answered { id: *id, answer: system.member_status(endpoint) });
        }
        Effect::AskPeer { id, endpoint, member } => {
            send(Msg::Answered { id: *id, answer: system.peer_status(endpoint, member) });
        }
        Effect::Hash { id, endpoint, revision } => {
            send(Msg::Hashed { id: *id, hash: system.hash_kv(endpoint, *revision) });
        }
        Effect::HoldAgainst { id, pairs } => {
            send(Msg::HeldAgainst { id: *id, compared: hash_compare::each(system, pairs) });
        }
        Effect::LookAround { id, named } => {
            send(Msg::LookedAround { id: *id, around: system.inspect_machine(named) });
        }
        Effect::Find { id, places } => send(Msg::Found { id: *id, result: system.find_snapshots(places) }),
        Effect::Inspect { id, path } => {
            let result = system.inspect_snapshot(path, &mut watch(*id, cancel, send));
            send(Msg::Inspected { id: *id, result });
        }
        Effect::Look { id, data_dir, wal_dir } => {
            let facts = Box::new(system.inspect_data_dir(data_dir, wal_dir.as_deref()));
            send(Msg::Looked { id: *id, facts });
        }
        Effect::Relate { id, files: [first, second] } => {
            send(Msg::Related { id: *id, result: system.same_history(first, second) });
        }
        Effect::Compare { id, files: [first, second] } => {
            let result = system.compare_databases(first, second, &mut watch(*id, cancel, send));
            send(Msg::Compared { id: *id, result });
        }
        Effect::Save { id, from, into, makes_dir } => {
            let made = match into.parent() {
                Some(dir) if *makes_dir => system.create_dir(dir),
                _ => Ok(()),
            };
            let mut watch = watch(*id, cancel, send);
            let result = made.and_then(|()| match from {
                Download::Object(url) => system.fetch_object(url, into, &mut watch),
                Download::Member(endpoint) => system.save_snapshot(endpoint, into, &mut watch),
            });
            drop(watch);
            send(Msg::Saved { id: *id, result });
        }
        Effect::Fences { id, plan, old, halted, journal } => {
            // The members' own directories are looked at with their hosts.
            let (seen, found) = blocker_checks::look(plan, &[], &known(old, plan, system), halted, system);
            let now = second_run::here(plan, journal, system);
            let fences = found.after(second_run::fence(plan, &now, journal, system)).into_vec();
            send(Msg::Fenced { id: *id, seen, fences });
        }
        Effect::LookAtHosts { id, plan, closer } => {
            let out = Mutex::new(&mut *send);
            preflight::preflight(plan, *closer, AT_A_TIME, system, cancel, &|look| {
                say(&out, Msg::HostSeen { id: *id, look: Box::new(look) });
            });
            send(Msg::HostsSeen { id: *id });
        }
        Effect::Here { id, hosts } => {
            let here = hosts.iter().filter(|host| system.is_this_machine(host)).cloned().collect();
            send(Msg::Here { id: *id, here });
        }
        Effect::Journals { id, dir } => send(Msg::Journals { id: *id, found: system.journals(dir) }),
        Effect::Apply { id, plan, orders } => {
            let result = apply(
                plan,
                orders,
                system,
                cancel,
                &Mutex::new(&mut |told| {
                    send(Msg::Told { id: *id, told: Box::new(told) });
                }),
            );
            send(Msg::ApplyEnded { id: *id, result });
        }
        Effect::Verify { id, plan, old, canary, journal, records } => {
            let mut old = known(old, plan, system);
            let earlier = Journal::at(system, journal).read().unwrap_or_default();
            old.newest = resume::newest_seen(&earlier, plan);
            let job = verify::VerifySpec { plan, old: &old, timeout: WATCHED, canary: *canary, deep: false };
            let result = verify::verify(&job, system, cancel, &mut |proof| {
                send(Msg::Seen { id: *id, proof: Box::new(proof.clone()) });
            });
            if let Ok(proof) = result.as_ref()
                && *records
            {
                // What was seen holds whether or not it can be recorded.
                let _ = verify::record(proof, system, journal);
            }
            send(Msg::Verified { id: *id, result: result.map(Box::new) });
        }
        Effect::KnowHosts { id, plan, names } => {
            let (hosts, troubles) = launch::known(plan, names, system, cancel);
            send(Msg::HostsKnown { id: *id, hosts, troubles });
        }
        Effect::Offer { id, plan, name, journal } => {
            send(Msg::Offered { id: *id, result: launch::offer(plan, name, journal, system, cancel) });
        }
        Effect::Start { id, plan, name, commands, journal } => {
            let result = launch::start(plan, name, commands, journal, system, cancel);
            send(Msg::Started { id: *id, result });
        }
        Effect::Write { id, path, text } => {
            send(Msg::Written { id: *id, path: path.clone(), result: system.write_new(path, text) });
        }
        Effect::Certificates { id, named } => {
            send(Msg::Certificates { id: *id, seen: system.read_certificates(named) });
        }
        Effect::Fresh { id } => send(Msg::Fresh { id: *id, now: system.now(), fresh: system.random_suffix() }),
        // the shell's own
        Effect::Cancel { .. } | Effect::Copy { .. } | Effect::Note | Effect::Suspend | Effect::Quit => {}
    }
}

/// What is known of the old cluster; where the wizard knows nothing of it, as when it opens on an earlier run's plan,
/// what the plan's own snapshot says.
fn known(old: &Old, plan: &Plan, files: &dyn Files) -> Old {
    let mut known = old.clone();
    if known.members.is_empty() {
        let told = blocker_checks::of_snapshot(plan, &[], files);
        told.members.iter().for_each(|member| known.knows(member));
        known.clusters.extend(told.clusters);
    }
    known
}

fn say(out: &Mutex<&mut (dyn FnMut(Msg) + Send + '_)>, msg: Msg) {
    (out.lock().unwrap_or_else(PoisonError::into_inner))(msg);
}

/// Carries a plan out; what only goes on is thinned, host by host and member by member.
fn apply(
    plan: &Plan,
    orders: &Orders,
    system: &dyn System,
    cancel: &Cancel,
    out: &Mutex<&mut (dyn FnMut(ExecutionEvent) + Send)>,
) -> Result<()> {
    let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
    let run = executor::run(plan, system);
    let job = ExecutionSpec {
        plan,
        names: &names,
        placement: Placement::OnHosts,
        by_hand: &BTreeMap::new(),
        system,
        limit: AT_A_TIME,
        until: orders.until,
        consent: Consent::To(&orders.consent),
        old: &known(&orders.old, plan, system),
        overridden: &orders.overridden,
        reason: &orders.reason,
        decisions: &orders.decisions,
        run: &run,
        journal: &orders.journal,
    };
    let thin: Mutex<HashMap<(String, String), Thin>> = Mutex::default();
    let hear = |told: ExecutionEvent| {
        let pass = passing(&told).is_none_or(|(whose, step)| {
            thin.lock().unwrap_or_else(PoisonError::into_inner).entry(whose).or_default().lets(step)
        });
        if pass {
            (out.lock().unwrap_or_else(PoisonError::into_inner))(told);
        }
    };
    match orders.until {
        Goal::Undone => executor::undo(&job, cancel, &hear).map(drop),
        _ => executor::apply(&job, cancel, &hear),
    }
}

/// Progress events, which repeat: the member they are about, and how far it is.
fn passing(told: &ExecutionEvent) -> Option<((String, String), Progress)> {
    let ExecutionEvent::Host(host, event) = told else { return None };
    let (member, step) = match event {
        HostEvent::Program(done, total) => ("", Progress { phase: Phase::Receive, done: *done, total: *total }),
        HostEvent::Step(step) => ("", *step),
        HostEvent::Row(member, RowEvent::Step(step)) => (member.as_str(), *step),
        _ => return None,
    };
    Some(((host.clone(), member.into()), step))
}

fn watch<'a>(id: u64, cancel: &'a Cancel, send: Say<'a>) -> impl FnMut(Progress) -> Flow + 'a {
    let mut thin = Thin::default();
    move |progress| {
        if thin.lets(progress) {
            send(Msg::Stepped { id, progress });
        }
        cancel.flow()
    }
}

/// The answer of an effect that broke down.
fn failed(effect: &Effect, bug: Error) -> Option<Msg> {
    Some(match effect {
        Effect::Ask { id, .. } | Effect::AskPeer { id, .. } => {
            let answer = Answer::Silent { why: "internal error".into(), details: bug.to_string() };
            Msg::Answered { id: *id, answer }
        }
        Effect::Hash { id, .. } => Msg::Hashed { id: *id, hash: Hashed::Failed(bug.to_string().into()) },
        Effect::HoldAgainst { id, pairs } => {
            let failed = || Match::Unknown(Unknown::Failed(bug.to_string().into()));
            Msg::HeldAgainst { id: *id, compared: pairs.iter().map(|pair| pair.came_to(failed())).collect() }
        }
        Effect::LookAround { id, .. } => Msg::LookedAround { id: *id, around: MachineFacts::default() },
        Effect::Find { id, .. } => Msg::Found { id: *id, result: Err(bug) },
        Effect::Inspect { id, .. } => Msg::Inspected { id: *id, result: Err(bug) },
        Effect::Look { id, data_dir, wal_dir } => {
            let state = DirState::Unreadable(bug.on_one_line());
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
        Effect::Apply { id, .. } => Msg::ApplyEnded { id: *id, result: Err(bug) },
        Effect::LookAtHosts { id, .. } => Msg::HostsSeen { id: *id },
        Effect::Here { id, .. } => Msg::Here { id: *id, here: Vec::new() },
        Effect::Journals { id, .. } => Msg::Journals { id: *id, found: Vec::new() },
        Effect::Verify { id, .. } => Msg::Verified { id: *id, result: Err(bug) },
        Effect::Write { id, path, .. } => Msg::Written { id: *id, path: path.clone(), result: Err(bug) },
        Effect::Fences { id, .. } => {
            let fence = Blocker {
                what: "could not check whether an old member still answers".into(),
                evidence: vec![bug.to_string()],
                lift: Lift::then_ask(""),
                typed: Some("not looked at".into()),
            };
            Msg::Fenced { id: *id, seen: Observations::default(), fences: vec![fence] }
        }
        Effect::KnowHosts { id, .. } => {
            Msg::HostsKnown { id: *id, hosts: Vec::new(), troubles: vec![(String::new(), bug)] }
        }
        Effect::Offer { id, .. } => Msg::Offered { id: *id, result: Err(bug) },
        Effect::Start { id, .. } => Msg::Started { id: *id, result: Err(bug) },
        Effect::Certificates { id, .. } => {
            Msg::Certificates { id: *id, seen: certificates::CertificateFacts::default() }
        }
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
        | Effect::LookAtHosts { id, .. }
        | Effect::Verify { id, .. }
        | Effect::Start { id, .. }
        | Effect::Apply { id, .. } => Some(*id),
        _ => None,
    }
}

/// Effects under way on threads.
pub(super) struct Workers<F> {
    look_only: bool,
    system: Arc<dyn System>,
    send: F,
    cancels: HashMap<u64, Cancel>,
}

impl<F: Fn(Msg) + Clone + Send + 'static> Workers<F> {
    /// Workers on `system` whose messages go to `send`.
    pub(super) fn new(look_only: bool, system: Arc<dyn System>, send: F) -> Self {
        Workers { look_only, system, send, cancels: HashMap::new() }
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
        let (look_only, system, send) = (self.look_only, self.system.clone(), self.send.clone());
        let job = effect.clone();
        let spawned = std::thread::Builder::new()
            .name(THREAD.into())
            .spawn(move || perform(&job, look_only, system.as_ref(), &cancel, &mut move |msg| send(msg)));
        if let Err(error) = spawned {
            let no_thread = Error::new(ErrorKind::Failed, "failed to start a thread").why(error);
            if let Some(msg) = failed(&effect, no_thread) {
                (self.send)(msg);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::{
        system::{etcd_client::Members, local::Local},
        tui::tests::at_review,
    };

    /// Each of the effects that write, on real files: nothing is there afterwards, and each is answered.
    #[test]
    fn who_only_looks_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let local = Local::new(Members::new(Default::default()).unwrap());
        let mut plan = at_review().review.plan.unwrap();
        for member in &mut plan.members {
            member.data_dir = dir.path().join(&member.name);
        }
        let (id, plan) = (1, Box::new(plan));
        let (old, journal, path) = (Old::default(), dir.path().join("journal"), dir.path().join("file"));
        let name = plan.members.first().unwrap().name.clone();
        let orders = Box::new(Orders {
            until: Goal::DryRun,
            old: old.clone(),
            consent: Vec::new(),
            overridden: Vec::new(),
            reason: String::new(),
            decisions: Vec::new(),
            journal: journal.clone(),
        });
        let verify = |canary, records| Effect::Verify {
            id,
            plan: plan.clone(),
            old: old.clone(),
            canary,
            journal: journal.clone(),
            records,
        };
        let touch = vec![format!("touch {}", path.display())];
        let effects = [
            Effect::Write { id, path: path.clone(), text: "text".into() },
            Effect::Save {
                id,
                from: Download::Member("http://127.0.0.1:1".into()),
                into: dir.path().join("new/file.db"),
                makes_dir: true,
            },
            Effect::Apply { id, plan: plan.clone(), orders },
            Effect::Start { id, plan: plan.clone(), name: name.clone(), commands: touch, journal: journal.clone() },
            Effect::Offer { id, plan: plan.clone(), name: name.clone(), journal: journal.clone() },
            Effect::KnowHosts { id, plan: plan.clone(), names: vec![name] },
            Effect::LookAtHosts { id, plan: plan.clone(), closer: true },
            verify(true, false),
            verify(false, true),
        ];
        for effect in effects {
            assert!(effect.writes(), "{effect:?}");
            let mut answers = Vec::new();
            perform(&effect, true, &local, &Cancel::default(), &mut |msg| answers.push(msg));
            let [answer] = answers.as_slice() else { panic!("{answers:?}") };
            assert_eq!(answer.settles(), Some(id), "{effect:?}");
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{effect:?}");
        }
        let mut answers = Vec::new();
        let write = Effect::Write { id, path, text: "text".into() };
        perform(&write, false, &local, &Cancel::default(), &mut |msg| answers.push(msg));
        assert!(matches!(answers[..], [Msg::Written { result: Ok(()), .. }]));
    }
}
