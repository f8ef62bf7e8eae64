//! Which endpoints to ask next. Each endpoint is asked on its own and waits for no other; what one answer makes worth
//! asking of others comes in later rounds: members that were not typed, the peer ports of silent ones, and hashes at a
//! revision that every member has.

use std::collections::BTreeSet;

use crate::domain::model::{
    observations::{Answer, EndpointFacts, Hashed, KnownMember, MemberStatus},
    url,
};
use crate::etcd::membership::Id;
use crate::text::Foreign;

/// No more discovered members than this are asked in all; typed ones always are.
const MOST_DISCOVERED: usize = 16;

/// A question to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Everything, at a client URL that an answer names and that was not typed: a new endpoint.
    Ask(String),
    /// Whether the member at a silent endpoint is alive, at the peer URLs that its cluster lists.
    Peer {
        /// The silent endpoint.
        endpoint: String,
        /// Its member.
        member: KnownMember,
    },
    /// The hash of the keys up to a revision.
    Hash {
        /// The endpoint that answers.
        endpoint: String,
        /// The lowest of the revisions of the cluster's members that answer.
        revision: i64,
    },
}

/// The next round of questions, none while an endpoint is still being asked: a member may be listed under another URL
/// than the one at which it is asked. The first `typed` of `facts` are the endpoints that the operator named; `peered`
/// are those whose peer ports were asked already.
pub fn next(facts: &[EndpointFacts], typed: usize, peered: &BTreeSet<String>) -> Vec<Question> {
    if facts.iter().any(|f| f.answer == Answer::Asking) {
        return Vec::new();
    }
    let found = discovered(facts, typed);
    if !found.is_empty() {
        return found;
    }
    let peers = silent(facts, peered);
    if peers.is_empty() { hashes(facts) } else { peers }
}

/// What `facts` say at client ports and elsewhere.
fn says(facts: &[EndpointFacts]) -> impl Iterator<Item = (&str, &MemberStatus)> {
    facts.iter().filter_map(|f| match &f.answer {
        Answer::Says(says) => Some((f.endpoint.as_str(), says.as_ref())),
        _ => None,
    })
}

fn discovered(facts: &[EndpointFacts], typed: usize) -> Vec<Question> {
    // each answer may name others, which may name others
    let most = MOST_DISCOVERED.saturating_sub(facts.len().saturating_sub(typed));
    let heard: Vec<Id> = says(facts).map(|(_, s)| s.member_id).collect();
    let mut found: Vec<&Foreign> = Vec::new();
    for member in says(facts).flat_map(|(_, s)| &s.members) {
        if found.len() >= most {
            break;
        }
        let known = facts.iter().any(|f| at(member, &f.endpoint)) || found.iter().any(|f| at(member, f));
        if !heard.contains(&member.id) && !known {
            found.extend(member.client_urls.first());
        }
    }
    found.into_iter().map(|url| Question::Ask(url.to_string())).collect()
}

fn silent(facts: &[EndpointFacts], peered: &BTreeSet<String>) -> Vec<Question> {
    let heard: Vec<Id> = says(facts).map(|(_, s)| s.member_id).collect();
    let mute = facts.iter().filter(|f| matches!(f.answer, Answer::Silent { .. }) && !peered.contains(&f.endpoint));
    mute.filter_map(|f| {
        let mut known = says(facts).flat_map(|(_, s)| &s.members);
        let member = known.find(|m| !heard.contains(&m.id) && !m.peer_urls.is_empty() && at(m, &f.endpoint))?;
        Some(Question::Peer { endpoint: f.endpoint.clone(), member: member.clone() })
    })
    .collect()
}

/// Hashes of every member that can return one and was not asked, at the lowest revision in each cluster.
fn hashes(facts: &[EndpointFacts]) -> Vec<Question> {
    let able = |says: &MemberStatus| says.closed.is_none() && says.revision > 0;
    let lowest = |cluster: Id| {
        says(facts).filter(|(_, s)| s.cluster_id == cluster && able(s)).map(|(_, s)| s.revision).min().unwrap_or(0)
    };
    says(facts)
        .filter(|(_, s)| able(s) && s.hash == Hashed::NotAsked)
        .map(|(endpoint, s)| Question::Hash { endpoint: endpoint.to_string(), revision: lowest(s.cluster_id) })
        .collect()
}

/// What is known of a member whose client port is silent once its peer port was asked: alive where that answers,
/// as silent as before where not.
pub fn with_peer(before: Answer, peer: Answer) -> Answer {
    match (before, peer) {
        (Answer::Silent { why, details }, Answer::Says(says)) => {
            let mut errors = vec![details];
            errors.extend(says.errors);
            errors.retain(|error| !error.is_empty());
            Answer::Says(Box::new(MemberStatus { closed: Some(why), errors, ..*says }))
        }
        (Answer::Silent { why, details }, Answer::Silent { details: more, .. }) => {
            let details = [details, more].into_iter().filter(|d| !d.is_empty()).collect::<Vec<_>>().join("\n");
            Answer::Silent { why, details }
        }
        (before, _) => before,
    }
}

/// Where several endpoints answer as one member that is its cluster's only voter: those that are not at the furthest of
/// their states. One server is there by the time it is asked again; another one need not be.
pub fn lagging_twins(facts: &[EndpointFacts]) -> Vec<String> {
    let lone = says(facts).filter(|(_, s)| s.closed.is_none() && s.raft_index > 0 && alone(s));
    let lone: Vec<(&str, &MemberStatus)> = lone.collect();
    let behind = |own: &MemberStatus| lone.iter().any(|(_, other)| is_behind(own, other));
    lone.iter().filter(|(_, s)| behind(s)).map(|(endpoint, _)| endpoint.to_string()).collect()
}

/// Whether `now`, which was asked after the others had answered, is older than what one of them reported as the same
/// member.
pub fn went_back(now: &MemberStatus, others: &[EndpointFacts]) -> bool {
    now.closed.is_none() && now.raft_index > 0 && alone(now) && says(others).any(|(_, s)| alone(s) && is_behind(now, s))
}

fn alone(says: &MemberStatus) -> bool {
    says.members.len() == 1
}

fn is_behind(own: &MemberStatus, other: &MemberStatus) -> bool {
    let same = (own.cluster_id, own.member_id) == (other.cluster_id, other.member_id);
    let earlier = own.raft_index < other.raft_index || own.revision < other.revision || own.raft_term < other.raft_term;
    same && other.closed.is_none() && earlier
}

/// True where `endpoint` is one of the member's client URLs, however it is written.
pub fn at(member: &KnownMember, endpoint: &str) -> bool {
    let asked = url::place(endpoint);
    member.client_urls.iter().any(|url| url == endpoint || asked.is_some() && url::place(url) == asked)
}

/// Returns a sentence about a member, prefixed with its name or, where that is not known (`?`), its URL, unless the
/// sentence has it.
pub fn about(name: &str, endpoint: &str, sentence: &str) -> String {
    let bare = endpoint.split_once("://").map_or(endpoint, |(_, bare)| bare);
    match name {
        "?" if sentence.contains(bare) => sentence.into(),
        "?" => format!("{endpoint}: {sentence}"),
        name => format!("{name}: {sentence}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(n: u64) -> KnownMember {
        KnownMember {
            id: Id(n),
            name: format!("m{n}").into(),
            peer_urls: vec![format!("http://10.0.0.{n}:2380").into()],
            client_urls: vec![format!("http://10.0.0.{n}:2379").into()],
            is_learner: false,
        }
    }

    fn fact(n: u64, answer: Answer) -> EndpointFacts {
        EndpointFacts { endpoint: format!("10.0.0.{n}:2379"), answer }
    }

    fn said(n: u64, revision: i64) -> EndpointFacts {
        let members = vec![member(1), member(2), member(3)];
        let says = MemberStatus { cluster_id: Id(9), member_id: Id(n), revision, members, ..MemberStatus::default() };
        fact(n, Answer::Says(Box::new(says)))
    }

    fn silent(n: u64) -> EndpointFacts {
        fact(n, Answer::Silent { why: "connection refused".into(), details: "It is off.".into() })
    }

    #[test]
    fn rounds_follow_each_other() {
        let nobody = BTreeSet::new();
        assert_eq!(next(&[said(1, 7), fact(2, Answer::Asking)], 9, &nobody), [], "first everybody is heard out");
        let first = [said(1, 7), said(2, 5)];
        assert_eq!(next(&first, 9, &nobody), [Question::Ask("http://10.0.0.3:2379".into())]);
        let second = [said(1, 7), said(2, 5), silent(3)];
        let peer = Question::Peer { endpoint: "10.0.0.3:2379".into(), member: member(3) };
        assert_eq!(next(&second, 9, &nobody), [peer], "however the endpoint is written");
        let peered = BTreeSet::from(["10.0.0.3:2379".to_string()]);
        let hash = |n| Question::Hash { endpoint: format!("10.0.0.{n}:2379"), revision: 5 };
        assert_eq!(next(&second, 9, &peered), [hash(1), hash(2)]);
        let mut third = second;
        for fact in &mut third {
            if let Answer::Says(says) = &mut fact.answer {
                says.hash = Hashed::Asking;
            }
        }
        assert_eq!(next(&third, 9, &peered), []);
        assert_eq!(next(&[silent(1), silent(2)], 9, &nobody), [], "nobody knows whose these are");
    }

    /// Each of those that were found names the next: sixteen are asked, however many rounds it takes.
    #[test]
    fn found_members_do_not_extend_probing_forever() {
        let names = |n: u64, count: u64| {
            let members = (n + 1..=n + count).map(member).collect();
            let says = MemberStatus { cluster_id: Id(9), member_id: Id(n), members, ..MemberStatus::default() };
            fact(n, Answer::Says(Box::new(says)))
        };
        for step in [1, 3, 200] {
            let mut facts = vec![names(1, step)];
            for _ in 0..100 {
                let found = next(&facts, 1, &BTreeSet::new());
                let asked = found.iter().filter_map(|q| if let Question::Ask(url) = q { Some(url) } else { None });
                let numbers: Vec<u64> = asked
                    .map(|url| url.trim_start_matches("http://10.0.0.").trim_end_matches(":2379").parse().unwrap_or(0))
                    .collect();
                facts.extend(numbers.into_iter().map(|n| names(n, step)));
            }
            assert_eq!(facts.len(), 1 + MOST_DISCOVERED, "{step} at a time");
        }
    }

    #[test]
    fn a_member_heard_at_its_peer_port_lives() {
        let Answer::Says(says) = with_peer(silent(3).answer, said(3, 0).answer) else { unreachable!() };
        assert_eq!((says.closed, says.errors), (Some("connection refused".into()), vec!["It is off.".to_string()]));
        let more = Answer::Silent { why: "x".into(), details: "Its peer port is off.".into() };
        let both =
            Answer::Silent { why: "connection refused".into(), details: "It is off.\nIts peer port is off.".into() };
        assert_eq!(with_peer(silent(3).answer, more.clone()), both);
        assert_eq!(with_peer(said(3, 1).answer, more), said(3, 1).answer, "an answer that came meanwhile stands");
    }

    #[test]
    fn nameless_members_are_called_by_url() {
        assert_eq!(about("m1", "10.0.0.1:2379", "It is off."), "m1: It is off.");
        assert_eq!(about("?", "10.0.0.1:2379", "It is off."), "10.0.0.1:2379: It is off.");
        assert_eq!(about("?", "https://10.0.0.1:2379", "http://10.0.0.1:2379 is off."), "http://10.0.0.1:2379 is off.");
    }
}
