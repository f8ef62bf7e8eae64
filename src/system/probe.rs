//! Asks all members in parallel and in rounds, on threads: [`crate::domain::quorum::probe_rounds`] decides who is next,
//! a [`Cluster`] asks.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc,
    thread,
};

use super::Cluster;
use crate::domain::{
    model::observations::{Answer, EndpointFacts, Hashed},
    quorum::{
        probe_rounds::{self, Question},
        verdict::QuorumReport,
    },
};

/// A received answer.
enum Reply {
    Answer(Answer),
    Peer(Answer),
    Hash(Hashed),
}

/// Asks all `endpoints`, and those that their answers name; returns when each has answered or its deadline has passed.
/// Hashes, for which each member reads its whole store, are asked for only if `hashes` is true. `on` receives what is
/// known after each answer. Credentials are sent to `endpoints` only, not to those that the answers name.
pub fn survey(
    cluster: &dyn Cluster,
    endpoints: &[String],
    hashes: bool,
    on: &mut dyn FnMut(&[EndpointFacts]),
) -> Vec<EndpointFacts> {
    let mut facts: Vec<EndpointFacts> =
        endpoints.iter().map(|endpoint| EndpointFacts { endpoint: endpoint.clone(), answer: Answer::Asking }).collect();
    cluster.trust_endpoints(endpoints);
    let mut peered = BTreeSet::new();
    let (send, replies) = mpsc::channel::<(String, Option<Reply>)>();
    thread::scope(|scope| {
        let ask = |question: Question| {
            let send = send.clone();
            scope.spawn(move || {
                let (Question::Ask(endpoint) | Question::Peer { endpoint, .. } | Question::Hash { endpoint, .. }) =
                    &question;
                let reply = catch_unwind(AssertUnwindSafe(|| match &question {
                    Question::Ask(endpoint) => Reply::Answer(cluster.member_status(endpoint)),
                    Question::Peer { endpoint, member } => Reply::Peer(cluster.peer_status(endpoint, member)),
                    Question::Hash { endpoint, revision } => Reply::Hash(cluster.hash_kv(endpoint, *revision)),
                }));
                let (reply, panic) = match reply {
                    Ok(reply) => (Some(reply), None),
                    Err(panic) => (None, Some(panic)),
                };
                // The receiver is gone only if the survey itself failed; it must receive the failure of a thread as
                // well, or it would wait for ever.
                let _ = send.send((endpoint.clone(), reply));
                if let Some(panic) = panic {
                    resume_unwind(panic);
                }
            });
        };
        let mut waiting = 0_usize;
        for fact in &facts {
            ask(Question::Ask(fact.endpoint.clone()));
            waiting += 1;
        }
        while waiting > 0 {
            let Ok((endpoint, reply)) = replies.recv() else { break };
            waiting -= 1;
            if let (Some(fact), Some(reply)) = (facts.iter_mut().find(|f| f.endpoint == endpoint), reply) {
                take(&mut fact.answer, reply);
            }
            on(&facts);
            if waiting > 0 {
                continue;
            }
            for question in probe_rounds::next(&facts, endpoints.len(), &peered) {
                match &question {
                    Question::Ask(endpoint) => {
                        facts.push(EndpointFacts { endpoint: endpoint.clone(), answer: Answer::Asking });
                    }
                    Question::Peer { endpoint, .. } => {
                        peered.insert(endpoint.clone());
                    }
                    Question::Hash { .. } if !hashes => continue,
                    Question::Hash { endpoint, .. } => {
                        let fact = facts.iter_mut().find(|f| f.endpoint == *endpoint);
                        if let Some(EndpointFacts { answer: Answer::Says(says), .. }) = fact {
                            says.hash = Hashed::Asking;
                        }
                    }
                }
                ask(question);
                waiting += 1;
            }
        }
    });
    facts
}

/// Distinguishes several servers with one member's IDs from one server with several endpoints, by asking those again
/// whose answers are older.
fn twins(cluster: &dyn Cluster, facts: &mut [EndpointFacts]) {
    let before = facts.to_vec();
    for endpoint in probe_rounds::lagging_twins(&before) {
        let Answer::Says(mut now) = cluster.member_status(&endpoint) else { continue };
        now.went_back = probe_rounds::went_back(&now, &before);
        let fact = facts.iter_mut().find(|f| f.endpoint == endpoint);
        if let Some(EndpointFacts { answer: Answer::Says(says), .. }) = fact {
            now.hash = std::mem::take(&mut says.hash);
            *says = now;
        }
    }
}

/// Evaluates the answers, and asks those members again whose answers may just be older than what they are compared
/// with; their second answer was received after everything else was known.
pub fn confirm(
    cluster: &dyn Cluster,
    facts: &mut [EndpointFacts],
    judge: &dyn Fn(&[EndpointFacts]) -> QuorumReport,
) -> QuorumReport {
    twins(cluster, facts);
    let first = judge(facts);
    if first.ask_again.is_empty() {
        return first;
    }
    thread::scope(|scope| {
        for fact in facts.iter_mut().filter(|f| first.ask_again.contains(&f.endpoint)) {
            scope.spawn(|| {
                let mut answer = cluster.member_status(&fact.endpoint);
                // a hash belongs to one revision and does not change
                if let (Answer::Says(before), Answer::Says(now)) = (&fact.answer, &mut answer) {
                    now.hash = before.hash.clone();
                    now.went_back = before.went_back;
                }
                fact.answer = answer;
            });
        }
    });
    judge(facts)
}

fn take(answer: &mut Answer, reply: Reply) {
    match (&mut *answer, reply) {
        (Answer::Says(says), Reply::Hash(hash)) => says.hash = hash,
        (_, Reply::Answer(new)) => *answer = new,
        (_, Reply::Peer(peer)) => {
            let before = std::mem::replace(answer, Answer::Asking);
            *answer = probe_rounds::with_peer(before, peer);
        }
        (_, Reply::Hash(_)) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::{path::Path, sync::Mutex, time::Duration};

    use super::*;
    use crate::{
        domain::{
            model::{
                observations::{
                    Alarm, FileFacts, KnownMember, MemberStatus,
                    rows::StoredRows,
                    started::{Canary, Queried, Watched},
                },
                old_cluster::{Endpoint, ProbeResult},
            },
            quorum::known::OldKey,
        },
        engine::progress::ProgressFn,
        error::Result,
        etcd::membership::Id,
    };

    /// Two members that answer, a third that is silent until the others' answers were seen.
    struct Slow(Mutex<mpsc::Receiver<()>>, Option<Defect>);

    /// Which question's thread panics.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Defect {
        Ask,
        Peer,
        Hash,
    }

    impl Slow {
        fn breaks(&self, at: Defect) {
            assert_ne!(self.1, Some(at), "made up");
        }
    }

    fn member(n: u64) -> KnownMember {
        KnownMember {
            id: Id(n),
            peer_urls: vec![format!("http://10.0.0.{n}:2380").into()],
            client_urls: vec![format!("http://10.0.0.{n}:2379").into()],
            ..KnownMember::default()
        }
    }

    impl Cluster for Slow {
        fn trust_endpoints(&self, _: &[String]) {}
        fn member_status(&self, endpoint: &str) -> Answer {
            let member_id = match endpoint {
                "http://10.0.0.1:2379" => {
                    self.breaks(Defect::Ask);
                    Id(1)
                }
                "http://10.0.0.2:2379" => Id(2),
                _ => {
                    let seen = self.0.lock().unwrap().recv_timeout(Duration::from_secs(20));
                    let why = if seen.is_ok() { "late" } else { "the others waited for me" };
                    return Answer::Silent { why: why.into(), details: String::new() };
                }
            };
            let revision = 5 + i64::from(member_id == Id(1));
            let members = vec![member(1), member(2), member(3)];
            Answer::Says(Box::new(MemberStatus { member_id, revision, members, ..MemberStatus::default() }))
        }
        fn peer_status(&self, _: &str, member: &KnownMember) -> Answer {
            self.breaks(Defect::Peer);
            let heard = MemberStatus { member_id: member.id, ..MemberStatus::default() };
            Answer::Says(Box::new(heard))
        }
        fn hash_kv(&self, _: &str, revision: i64) -> Hashed {
            self.breaks(Defect::Hash);
            Hashed::Says { hash: 7, revision, compacted: 0 }
        }
        fn old_keys(&self, _: &str, _: i64) -> std::result::Result<Vec<OldKey>, String> {
            unreachable!()
        }
        fn alarms(&self, _: &str) -> Queried<Vec<Alarm>> {
            unreachable!()
        }
        fn stored_rows(&self, _: &str, _: u64, _: &mut ProgressFn<'_>) -> std::result::Result<StoredRows, String> {
            unreachable!()
        }
        fn watch_from(&self, _: &str, _: i64) -> Watched {
            unreachable!()
        }
        fn write_canary(&self, _: &[String], _: &str, _: &str) -> Canary {
            unreachable!()
        }
        fn probe_endpoints(&self, _: &[Endpoint]) -> Vec<ProbeResult> {
            unreachable!()
        }
        fn save_snapshot(&self, _: &str, _: &Path, _: &mut ProgressFn<'_>) -> Result<FileFacts> {
            unreachable!()
        }
    }

    #[test]
    fn a_slow_member_delays_no_other_member() {
        let (seen, wait) = mpsc::channel();
        let system = Slow(Mutex::new(wait), None);
        let endpoints = [3, 1, 2].map(|n| format!("http://10.0.0.{n}:2379"));
        let mut told = false;
        let facts = survey(&system, &endpoints, true, &mut |facts| {
            if !told && facts.iter().filter(|f| matches!(f.answer, Answer::Says(_))).count() == 2 {
                told = true;
                seen.send(()).unwrap();
            }
        });
        let [third, first, second] = facts.as_slice() else { panic!("{facts:?}") };
        let says = |fact: &EndpointFacts| match &fact.answer {
            Answer::Says(says) => says.as_ref().clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(says(third).closed, Some("late".into()), "and its peer port was asked");
        let hash = Hashed::Says { hash: 7, revision: 5, compacted: 0 };
        assert_eq!((says(first).hash, says(second).hash), (hash.clone(), hash), "at the revision that both have");
        assert_eq!(says(third).hash, Hashed::NotAsked);
    }

    /// Every other question is answered first, and then whoever asked has the panic: no answer that never comes is
    /// waited for.
    #[test]
    fn a_panicked_probe_is_not_awaited() {
        for defect in [Defect::Ask, Defect::Peer, Defect::Hash] {
            let (seen, wait) = mpsc::channel();
            drop(seen);
            let system = Slow(Mutex::new(wait), Some(defect));
            let endpoints = [3, 1, 2].map(|n| format!("http://10.0.0.{n}:2379"));
            let mut known = Vec::new();
            let asked = catch_unwind(AssertUnwindSafe(|| {
                survey(&system, &endpoints, true, &mut |facts| known = facts.to_vec());
            }));
            assert!(asked.is_err(), "{defect:?}");
            let [third, first, second] = known.as_slice() else { panic!("{known:?}") };
            assert!(matches!(third.answer, Answer::Silent { .. } | Answer::Says(_)), "{defect:?}: {third:?}");
            assert_eq!(first.answer == Answer::Asking, defect == Defect::Ask, "{first:?}");
            assert!(matches!(second.answer, Answer::Says(_)), "{defect:?}: {second:?}");
        }
    }

    /// A directory is read while the members write on: it is ahead of an answer from before, and of none from after.
    #[test]
    fn a_member_seeming_behind_is_asked_again() {
        let (_seen, wait) = mpsc::channel();
        let system = Slow(Mutex::new(wait), None);
        let served = |revision| MemberStatus {
            cluster_id: Id(9),
            member_id: Id(1),
            revision,
            members: vec![member(1)],
            read: crate::domain::model::observations::Read::Served,
            hash: Hashed::Says { hash: 7, revision: 2, compacted: 0 },
            ..MemberStatus::default()
        };
        let fact =
            |says| EndpointFacts { endpoint: "http://10.0.0.1:2379".into(), answer: Answer::Says(Box::new(says)) };
        for (ahead, asked) in [(1, false), (2, false), (5, true)] {
            let known = [crate::domain::quorum::known::KnownState {
                from: "a.db".into(),
                cluster_id: Some(Id(9)),
                members: vec![member(1)],
                revision: ahead,
            }];
            let gone = BTreeSet::new();
            let judge = |facts: &[EndpointFacts]| {
                let seen = crate::domain::quorum::verdict::Evidence {
                    facts,
                    given: &[],
                    dirs: &[],
                    known: &known,
                    compared: &[],
                    gone: &gone,
                };
                crate::domain::quorum::verdict::verdict(&seen)
            };
            let mut facts = [fact(served(2))];
            assert_eq!(judge(&facts).verdict == crate::domain::quorum::verdict::QuorumVerdict::Forked, asked);
            let finding = confirm(&system, &mut facts, &judge);
            assert_ne!(finding.verdict, crate::domain::quorum::verdict::QuorumVerdict::Forked, "it is at 6 by now");
            let Answer::Says(says) = &facts[0].answer else { panic!("{facts:?}") };
            assert_eq!(says.revision, if asked { 6 } else { 2 });
            assert!(matches!(says.hash, Hashed::Says { revision: 2, .. }), "a hash is not lost by it");
        }
    }
}
