//! Carrying out a plan on many hosts: each is looked at before anything is written anywhere; then each gets the snapshot
//! once and makes its members, side by side.

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{Cancel, RowEvent};
use crate::{
    agent::{Event, Have, Request, Wanted, receive},
    engine::{
        progress::{Flow, Phase, Progress, Watch},
        source::io_trouble,
    },
    plan::{
        Plan,
        facts::{config::Automation, host::HostFacts},
        hosts::{self, Own, Way},
        table::{Problem, Severity},
        words::{all, plural},
    },
    trouble::{Kind, Result, Trouble},
    world::ssh::{Program, Sent, Session, Ssh},
};

/// How a plan is carried out on its hosts.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The members that are restored, by name.
    pub names: &'a [String],
    /// How hosts are reached.
    pub ssh: &'a Ssh,
    /// How many hosts are worked on at a time; at least 1.
    pub limit: usize,
    /// Look, and write nothing.
    pub dry_run: bool,
}

/// What happened on one host.
#[derive(Debug, Clone, PartialEq)]
pub enum HostEvent {
    /// It was looked at: what it is, and what is wrong with it for this plan.
    Looked(Box<HostFacts>, Vec<Problem>),
    /// It could not be looked at.
    Unreachable(Trouble),
    /// The program was sent there: so many of its bytes, of so many.
    Program(u64, u64),
    /// What starts an etcd there again, or fights with whoever changes its files.
    Automation(Vec<Automation>),
    /// The snapshot was there already, in this file.
    HadIt(PathBuf),
    /// The snapshot is being looked for, or sent.
    Snapshot(Progress),
    /// The snapshot was sent, and is right there.
    Sent(Sent),
    /// One of its members went on.
    Row(String, RowEvent),
    /// Its members were not begun, or not all.
    Failed(Trouble),
}

/// Where events go, from several threads: the host, and what happened there.
pub type Hear<'a> = &'a (dyn Fn(&str, HostEvent) + Sync);

/// One host and its members' places in the plan.
type Group = (String, Vec<usize>);

/// Looks at every host and, unless one of them has a problem, restores the members there.
///
/// # Errors
/// `Refused` when a host has a problem: then nothing was written. Otherwise the first failure, after the rest was tried.
pub fn apply(job: &Job<'_>, cancel: &Cancel, hear: Hear<'_>) -> Result<()> {
    let groups = hosts::groups(job.plan, job.names);
    let program = Program::running()?;
    let sessions = look(job, &groups, &program.own, cancel, hear)?;
    if job.dry_run {
        sessions.into_iter().for_each(Session::close);
        return Ok(());
    }
    let source = Source::new(job.plan);
    let sessions: Vec<Mutex<Option<Session>>> = sessions.into_iter().map(|s| Mutex::new(Some(s))).collect();
    let outcomes = side_by_side(job.limit, groups.len(), |at| {
        let session = sessions.get(at)?.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let group = groups.get(at)?;
        let outcome = work(job, group, session, &program, &source, cancel, hear);
        if let Err(trouble) = &outcome {
            hear(&group.0, HostEvent::Failed(trouble.clone()));
        }
        outcome.err()
    });
    outcomes.into_iter().flatten().next().map_or(Ok(()), Err)
}

/// Does `work` for 0 to `count`, at most `limit` at a time; what came of each, in order.
fn side_by_side<T: Send>(limit: usize, count: usize, work: impl Fn(usize) -> Option<T> + Sync) -> Vec<Option<T>> {
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..limit.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(slot) = done.get(at) else { return };
                    let made = work(at);
                    *slot.lock().unwrap_or_else(PoisonError::into_inner) = made;
                }
            });
        }
    });
    done.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Connects to all, and looks. The connections stay open: one for each host.
fn look(job: &Job<'_>, groups: &[Group], own: &Own, cancel: &Cancel, hear: Hear<'_>) -> Result<Vec<Session>> {
    let stop = || cancel.flow() == Flow::Stop;
    let looked = side_by_side(job.limit, groups.len(), |at| {
        let (host, members) = groups.get(at)?;
        Some(match job.ssh.open(host, &hosts::asked(job.plan, members), &stop) {
            Ok(session) => {
                let problems = hosts::judge(job.plan, members, own, session.facts());
                let bad = problems.iter().any(|p| p.severity == Severity::Error);
                hear(host, HostEvent::Looked(Box::new(session.facts().clone()), problems));
                if bad { Err(None) } else { Ok(session) }
            }
            Err(trouble) => {
                hear(host, HostEvent::Unreachable(trouble.clone()));
                Err(Some(trouble))
            }
        })
    });
    let (mut sessions, mut bad) = (Vec::new(), Vec::new());
    for (looked, (host, _)) in looked.into_iter().zip(groups) {
        match looked {
            Some(Ok(session)) => sessions.push(session),
            Some(Err(Some(trouble))) if trouble.kind == Kind::Stopped => return Err(trouble),
            _ => bad.push(host.clone()),
        }
    }
    if bad.is_empty() {
        return Ok(sessions);
    }
    let what = format!("the plan is not carried out: {} {} ready", all(&bad), plural(bad.len(), "is not", "are not"));
    Err(Trouble::new(Kind::Refused, what).hint("Nothing was written on any host."))
}

/// The plan's snapshot on this machine, hashed once, when the first host wants it.
struct Source<'a> {
    plan: &'a Plan,
    opened: Mutex<Option<Result<()>>>,
}

impl<'a> Source<'a> {
    fn new(plan: &'a Plan) -> Source<'a> {
        Source { plan, opened: Mutex::new(None) }
    }

    /// Opens it, if it is the plan's. A change after that is met at the far end.
    fn open(&self, watch: &mut Watch<'_>) -> Result<File> {
        let source = &self.plan.source;
        let mut file = File::open(&source.path).map_err(|e| io_trouble("read", &source.path, &e))?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let judged = match &*opened {
            Some(known) => known.clone(),
            None => {
                let found = receive::sha256(&mut file, &source.path, source.bytes, watch)?;
                let judged = if found == source.sha256 { Ok(()) } else { Err(self.another(&found)) };
                opened.insert(judged).clone()
            }
        };
        judged.map(|()| file)
    }

    fn another(&self, found: &str) -> Trouble {
        let Self { plan, .. } = self;
        Trouble::new(
            Kind::Refused,
            format!("{} is not the file that the plan was made for", plan.source.path.display()),
        )
        .why(format!("the plan pins SHA-256 {}, the file has {found}", plan.source.sha256))
        .hint("Bring the right file, or make a new plan from this one.")
    }
}

/// All that is done on one host.
fn work(
    job: &Job<'_>,
    (host, members): &Group,
    mut session: Session,
    program: &Program,
    source: &Source<'_>,
    cancel: &Cancel,
    hear: Hear<'_>,
) -> Result<()> {
    let plan = job.plan;
    let stop = || cancel.flow() == Flow::Stop;
    if stop() {
        return Err(Trouble::new(Kind::Stopped, format!("{host} was not begun: stopped on request")));
    }
    let way = hosts::way(&program.own, session.facts()).unwrap_or(Way::Send);
    session.start(program, &way, &stop, &mut |at| hear(host, HostEvent::Program(at, program.bytes)))?;
    if let Event::Configs(configs) = session.ask(&Request::DiscoverConfigs, &stop, &mut |_| {})? {
        let active: Vec<Automation> = configs.into_iter().flat_map(|c| c.automation).filter(|a| a.active).collect();
        if !active.is_empty() {
            hear(host, HostEvent::Automation(active));
        }
    }
    let wanted = Wanted {
        sha256: plan.source.sha256.clone(),
        bytes: plan.source.bytes,
        at: plan.source.path.clone(),
        depot: hosts::depot(plan, members).unwrap_or_default(),
    };
    snapshot(host, &mut session, &wanted, source, cancel, hear)?;
    let mut first = None;
    for member in members.iter().filter_map(|at| plan.members.get(*at)) {
        let row = |event| hear(host, HostEvent::Row(member.name.clone(), event));
        let request = Request::Restore { plan: Box::new(plan.clone()), name: member.name.clone() };
        let answer = session.ask(&request, &stop, &mut |step| row(RowEvent::Step(step)));
        match answer {
            Ok(Event::Restored(restored)) => row(RowEvent::Done(restored)),
            Ok(other) => {
                return Err(Trouble::new(Kind::Bug, format!("{host} gave an odd answer")).why(format!("{other:?}")));
            }
            Err(trouble) => {
                row(RowEvent::Failed(trouble.clone()));
                first.get_or_insert(trouble);
            }
        }
    }
    match first {
        // What was sent stays for the next try.
        Some(trouble) => Err(trouble),
        None => {
            session.ask(&Request::Forget(wanted), &stop, &mut |_| {})?;
            session.close();
            Ok(())
        }
    }
}

/// Sees to it that the host has the snapshot: as it is, the rest of it, or, where what it had was not the beginning of
/// this one, all of it.
fn snapshot(
    host: &str,
    session: &mut Session,
    wanted: &Wanted,
    source: &Source<'_>,
    cancel: &Cancel,
    hear: Hear<'_>,
) -> Result<()> {
    let stop = || cancel.flow() == Flow::Stop;
    let mut step = |step: Progress| hear(host, HostEvent::Snapshot(step));
    let mut from = match session.have(wanted, &stop, &mut step)? {
        Have::All(path) => {
            hear(host, HostEvent::HadIt(path));
            return Ok(());
        }
        Have::Part(there) => there,
        Have::Nothing | Have::Wrong(_) => 0,
    };
    let file = source.open(&mut |_| cancel.flow())?;
    loop {
        let (have, sent) = session.send(wanted, &file, from, &stop, &mut step)?;
        match have {
            Have::All(_) => {
                hear(host, HostEvent::Sent(sent));
                return Ok(());
            }
            _ if from > 0 => from = 0,
            _ => {
                return Err(Trouble::new(Kind::Failed, format!("the snapshot did not arrive at {host} as it is here"))
                    .why("its SHA-256 there is another; what arrived was removed")
                    .hint("Look whether the snapshot is being written to, then try again."));
            }
        }
    }
}

/// The phase in which a snapshot is sent, in the words of the one who sends it.
pub fn sending(step: Progress) -> &'static str {
    match step.phase {
        Phase::Receive => "sending the snapshot",
        other => other.words(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn never_more_than_the_limit_at_a_time() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = std::sync::Barrier::new(2);
        let done = side_by_side(2, 6, |at| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Passes only when two are at it.
            barrier.wait();
            now.fetch_sub(1, Ordering::SeqCst);
            (at != 3).then_some(at)
        });
        assert_eq!(done, [Some(0), Some(1), Some(2), None, Some(4), Some(5)]);
        assert_eq!(most.into_inner(), 2);
        assert!(side_by_side(0, 0, Some).is_empty());
    }
}
