//! Waits for the members of a plan to come up: all are asked in rounds, until the restore is verified or the time is
//! over. The questions and the conclusions come from [`crate::domain::verify`].

use std::{path::Path, sync::mpsc, thread, time::Duration};

use serde_json::json;

use super::Cancel;
use crate::{
    domain::{
        model::{
            host_address,
            observations::{
                Answer, Hashed, KnownMember, MemberStatus,
                config::{ConfigFacts, ConfigKind, Origin},
                disk::DirFacts,
                rows::StoredRows,
                started::{Canary, Data, Observed, ObservedMember, PlannedHash, Process, Queried, Reached, Watched},
            },
            old_cluster::{Endpoint, Old, ProbeResult},
            plan::{Member, Plan},
        },
        quorum::probe_rounds,
        verify::{self, Outcome, Question, Topic, Verification, VerifyResult},
    },
    engine::progress::Flow,
    error::{Error, ErrorKind, Result},
    etcd::membership::Id,
    system::{
        Clock, Cluster, Files, System,
        journal::{Event, Journal},
    },
    text::Foreign,
};

/// The pause between two rounds.
const REST: Duration = Duration::from_secs(1);
/// The pause is slept in pieces, so that a stop is noticed at once.
const PIECE: Duration = Duration::from_millis(100);

/// What is to be verified, and how.
#[derive(Debug, Clone, Copy)]
pub struct VerifySpec<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What is known of the old cluster.
    pub old: &'a Old,
    /// The time limit for members to come up.
    pub timeout: Duration,
    /// Whether a key may be written, read and deleted.
    pub canary: bool,
    /// Whether members' databases are streamed and compared regardless of size.
    pub deep: bool,
}

/// A database up to this size is streamed from each member by default; on a usual network that takes a few
/// seconds.
const STREAMED: u64 = 64_000_000;

/// Asks until the restore is verified, something is certainly wrong, or the time is over. `on` receives the state after
/// each round.
///
/// # Errors
/// Only `Stopped`.
pub fn verify(
    job: &VerifySpec<'_>,
    system: &dyn System,
    cancel: &Cancel,
    on: &mut dyn FnMut(&Verification),
) -> Result<Verification> {
    // a plan names its members as endpoints
    system.trust_endpoints(&job.plan.client_urls());
    let end = system.monotonic() + job.timeout;
    // the follow-up steps are read from the whole snapshot, which may take longer than the members
    let (send, told) = mpsc::channel::<Queried<Data>>();
    thread::scope(|scope| {
        let reading = cancel.clone();
        scope.spawn(move || {
            let read = system.post_restore(job.plan, &mut |_| reading.flow());
            let _ = send.send(read.map_or_else(|error| Queried::Failed(brief(&error)), Queried::Is));
        });
        let mut rounds = Rounds::new(job, system);
        let mut data = Queried::Not;
        let mut before: Option<Verification> = None;
        loop {
            rounds.ask(cancel);
            if cancel.flow() == Flow::Stop {
                return Err(Error::new(ErrorKind::Stopped, "verification stopped before it was complete"));
            }
            rounds.seen.over = system.monotonic() >= end;
            if data == Queried::Not {
                data = told.try_recv().unwrap_or(Queried::Not);
            }
            let proof = verify::check(job.plan, &rounds.seen, &data);
            on(&proof);
            // members change while they are asked: a failure must be seen twice
            let twice = before.as_ref().is_some_and(|b| b.verdict == proof.verdict && wrong(b) == wrong(&proof));
            if rounds.seen.over || proof.settled() && (proof.verdict != VerifyResult::Failed || twice) {
                if data == Queried::Not {
                    data = told.recv().unwrap_or(Queried::Not);
                }
                return Ok(verify::check(job.plan, &rounds.seen, &data));
            }
            before = Some(proof);
            let next = system.monotonic() + REST;
            while system.monotonic() < next && cancel.flow() == Flow::Go {
                system.sleep(PIECE);
            }
        }
    })
}

/// Records the result in the run's journal.
///
/// # Errors
/// When it cannot be written.
pub fn record(proof: &Verification, system: &(impl Files + Clock + ?Sized), journal: &Path) -> Result<()> {
    let data = json!({"plan": proof.plan, "exit_code": proof.verdict.exit_code(), "proof": proof});
    Journal::at(system, journal).add(Event::Proof, &proof.sentence, data)
}

fn wrong(proof: &Verification) -> Vec<Topic> {
    proof.checks.iter().filter(|check| check.outcome == Outcome::Fail).map(|check| check.topic).collect()
}

fn brief(error: &Error) -> String {
    if error.why.is_empty() { error.what.clone() } else { format!("{} ({})", error.what, error.why) }
}

/// What was observed so far.
struct Rounds<'a> {
    plan: &'a Plan,
    system: &'a dyn System,
    seen: Observed,
    doors: Vec<Endpoint>,
    /// The largest database that is streamed, in bytes.
    most: u64,
}

/// A result of a round.
enum Reply {
    Member(usize, String, Answer),
    Dir(usize, DirFacts),
    Doors(Vec<ProbeResult>),
    Processes(Vec<ConfigFacts>),
}

/// An answer to a question.
enum Answered {
    Hash(usize, Hashed),
    Common(usize, Hashed),
    Stored(usize, Queried<StoredRows>),
    Advertised(usize, String, Reached),
    Planned(Queried<PlannedHash>),
    Source(Queried<StoredRows>),
    Alarms(Queried<Vec<crate::domain::model::observations::Alarm>>),
    Watch(Watched),
    Canary(Canary),
}

impl<'a> Rounds<'a> {
    fn new(job: &VerifySpec<'a>, system: &'a dyn System) -> Rounds<'a> {
        let member = |member: &Member| ObservedMember {
            endpoint: member.client_urls.first().cloned().unwrap_or_default(),
            answer: Answer::Asking,
            common: Hashed::NotAsked,
            stored: Queried::Not,
            stored_before: Vec::new(),
            level_before: None,
            advertised: Vec::new(),
            dir: None,
            process: None,
        };
        let seen = Observed {
            members: job.plan.members.iter().map(member).collect(),
            canary: if job.canary { Canary::Waits } else { Canary::NotAsked },
            simulated: system.is_simulated(),
            old: job.old.clone(),
            ..Observed::default()
        };
        let doors = verify::old_doors(job.plan, &seen.old);
        let most = if job.deep { u64::MAX } else { STREAMED };
        Rounds { plan: job.plan, system, seen, doors, most }
    }

    /// Runs one round: asks all members at once, then the questions that follow from the answers.
    fn ask(&mut self, cancel: &Cancel) {
        let (plan, system, doors) = (self.plan, self.system, &self.doors);
        let here = |member: &Member| host_address::is_local(&member.host) && !system.is_simulated();
        let mut work: Vec<Box<dyn FnOnce() -> Reply + Send + '_>> = Vec::new();
        for (at, member) in plan.members.iter().enumerate() {
            work.push(Box::new(move || {
                let (endpoint, answer) = answer(plan, member, system);
                Reply::Member(at, endpoint, answer)
            }));
            if here(member) {
                work.push(Box::new(move || {
                    Reply::Dir(at, system.inspect_data_dir(&member.data_dir, member.wal_dir.as_deref()))
                }));
            }
        }
        if plan.members.iter().any(here) {
            work.push(Box::new(move || Reply::Processes(system.discover_configs())));
        }
        if !doors.is_empty() {
            work.push(Box::new(move || Reply::Doors(system.probe_endpoints(doors))));
        }
        let replies: Vec<Reply> = thread::scope(|scope| {
            let begun: Vec<_> = work.into_iter().map(|work| scope.spawn(work)).collect();
            begun.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        let mut answers: Vec<(String, Answer)> =
            self.seen.members.iter().map(|m| (m.endpoint.clone(), Answer::Asking)).collect();
        for reply in replies {
            match reply {
                Reply::Member(at, endpoint, answer) => {
                    if let Some(slot) = answers.get_mut(at) {
                        *slot = (endpoint, answer);
                    }
                }
                Reply::Dir(at, facts) => {
                    if let Some(member) = self.seen.members.get_mut(at) {
                        member.dir = Some(facts);
                    }
                }
                Reply::Doors(heard) => self.seen.doors = self.doors.iter().cloned().zip(heard).collect(),
                Reply::Processes(configs) => {
                    for (member, seen) in plan.members.iter().zip(&mut self.seen.members) {
                        seen.process = process(member, &configs);
                    }
                }
            }
        }
        verify::again(&mut self.seen, answers);
        self.seen.since_made = plan.made().map(|made| system.now().saturating_sub(made));
        loop {
            let questions = verify::questions(plan, &self.seen);
            if questions.is_empty() || cancel.flow() == Flow::Stop {
                return;
            }
            for told in self.put(questions, cancel) {
                self.take(told);
            }
        }
    }

    /// Asks these questions, all at once.
    fn put(&self, questions: Vec<Question>, cancel: &Cancel) -> Vec<Answered> {
        thread::scope(|scope| {
            let asked: Vec<_> =
                questions.into_iter().map(|question| scope.spawn(move || self.answer(question, cancel))).collect();
            asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
        })
    }

    fn answer(&self, question: Question, cancel: &Cancel) -> Answered {
        let (plan, system) = (self.plan, self.system);
        match question {
            Question::Hash(at) => Answered::Hash(at, self.hash(at, plan.expected_revision())),
            Question::Common(at, revision) => Answered::Common(at, self.hash(at, revision)),
            Question::Stored(at) => Answered::Stored(
                at,
                match plan.members.get(at).and(self.seen.members.get(at)) {
                    Some(member) => match system.stored_rows(&member.endpoint, self.most, &mut |_| cancel.flow()) {
                        Ok(rows) => Queried::Is(rows),
                        Err(why) => Queried::Failed(why),
                    },
                    None => Queried::Not,
                },
            ),
            Question::Advertised(at, url) => {
                let reached = reached(plan.members.get(at), &system.member_status(&url), plan.cluster_id);
                Answered::Advertised(at, url, reached)
            }
            Question::Planned(compacted) => {
                let planned = system.planned_hash(plan, compacted, &mut |_| cancel.flow());
                Answered::Planned(planned.map_or_else(|error| Queried::Failed(brief(&error)), Queried::Is))
            }
            Question::Source => {
                let source = system.planned_rows(plan, &mut |_| cancel.flow());
                Answered::Source(source.map_or_else(|error| Queried::Failed(brief(&error)), Queried::Is))
            }
            Question::Alarms(endpoint) => Answered::Alarms(system.alarms(&endpoint)),
            Question::Watch(endpoint, revision) => Answered::Watch(system.watch_from(&endpoint, revision)),
            Question::Canary(endpoints) => {
                let id = plan.short_id();
                let key = format!("requorum/canary/{id}-{}", system.random_suffix());
                Answered::Canary(system.write_canary(&endpoints, &key, &id))
            }
        }
    }

    /// Returns a member's hash up to `revision`. etcd 3.4 refuses the revision that it is compacted at, but not as the
    /// newest revision.
    fn hash(&self, at: usize, revision: i64) -> Hashed {
        let Some(member) = self.seen.members.get(at) else { return Hashed::NotAsked };
        let hash = self.system.hash_kv(&member.endpoint, revision);
        let newest = matches!(&member.answer, Answer::Says(says) if says.revision == revision);
        match &hash {
            Hashed::Compacted(_) if newest => match self.system.hash_kv(&member.endpoint, 0) {
                says @ Hashed::Says { .. } if revision_of(&says) == Some(revision) => says,
                _ => hash,
            },
            _ => hash,
        }
    }

    fn take(&mut self, told: Answered) {
        let seen = &mut self.seen;
        match told {
            Answered::Hash(at, hash) => {
                if let Some(ObservedMember { answer: Answer::Says(says), .. }) = seen.members.get_mut(at) {
                    says.hash = hash;
                }
            }
            Answered::Common(at, hash) => {
                if let Some(member) = seen.members.get_mut(at) {
                    member.common = hash;
                }
            }
            Answered::Stored(at, stored) => {
                if let Some(member) = seen.members.get_mut(at) {
                    member.stored = stored;
                }
            }
            Answered::Advertised(at, url, reached) => {
                if let Some(member) = seen.members.get_mut(at) {
                    member.advertised.push((url, reached));
                }
            }
            Answered::Planned(planned) => seen.planned = planned,
            Answered::Source(source) => seen.source = source,
            Answered::Alarms(alarms) => seen.alarms = alarms,
            Answered::Watch(watched) => seen.old_watch = watched,
            Answered::Canary(canary) => seen.canary = canary,
        }
    }
}

/// Returns which member answers at a URL that `member` advertises.
fn reached(member: Option<&Member>, answer: &Answer, cluster: Id) -> Reached {
    match answer {
        Answer::Says(says) if says.member_id == Id(0) => Reached::Silent("it does not report its member ID".into()),
        Answer::Says(says) if says.cluster_id == cluster && member.is_some_and(|m| m.id == says.member_id) => {
            Reached::Itself
        }
        Answer::Says(says) => Reached::Other { member: says.member_id, cluster: says.cluster_id },
        Answer::Silent { why, .. } => Reached::Silent(why.to_string()),
        Answer::Asking => Reached::Silent("not asked".into()),
    }
}

fn revision_of(hash: &Hashed) -> Option<i64> {
    if let Hashed::Says { revision, .. } = hash { Some(*revision) } else { None }
}

/// Asks a member at its client URLs in turn, until it answers as itself; if none does, at its peer URLs.
fn answer(plan: &Plan, member: &Member, cluster: &dyn Cluster) -> (String, Answer) {
    let mut first: Option<(String, Answer)> = None;
    for url in &member.client_urls {
        let answer = cluster.member_status(url);
        let says = |answer: &Answer| matches!(answer, Answer::Says(_));
        if is_itself(plan, member, &answer) {
            return (url.clone(), answer);
        }
        if first.as_ref().is_none_or(|(_, known)| says(&answer) && !says(known)) {
            first = Some((url.clone(), answer));
        }
    }
    let silent = Answer::Silent { why: "it has no client URL".into(), details: String::new() };
    let (endpoint, before) = first.unwrap_or((String::new(), silent));
    if matches!(before, Answer::Says(_)) {
        return (endpoint, before);
    }
    let known = KnownMember {
        id: member.id,
        name: member.name.as_str().into(),
        peer_urls: member.peer_urls.iter().map(Foreign::from).collect(),
        client_urls: member.client_urls.iter().map(Foreign::from).collect(),
        is_learner: false,
    };
    let peer = cluster.peer_status(&endpoint, &known);
    (endpoint, probe_rounds::with_peer(before, peer))
}

fn is_itself(plan: &Plan, member: &Member, answer: &Answer) -> bool {
    let itself = |says: &MemberStatus| (says.cluster_id, says.member_id) == (plan.cluster_id, member.id);
    matches!(answer, Answer::Says(says) if itself(says))
}

/// Returns the process that runs with the member's name and one of its peer URLs.
fn process(member: &Member, configs: &[ConfigFacts]) -> Option<Process> {
    configs.iter().filter(|config| config.kind == ConfigKind::Process).find_map(|config| {
        let advertised = config.get("initial-advertise-peer-urls").unwrap_or_default();
        let its = config.get("name") == Some(member.name.as_str())
            && advertised.split(',').any(|url| member.peer_urls.iter().any(|own| own == url.trim()));
        let Origin::Process(pid) = config.origin else { return None };
        let data_dir = config.data_dir.clone().filter(|_| its)?;
        Some(Process { pid, data_dir, wal_dir: config.wal_dir.clone() })
    })
}
