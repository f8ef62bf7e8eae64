//! Another cluster that answers where a cluster has its member: at a client URL that was not given, but found in a member list.

use std::borrow::Cow;

use crate::{
    domain::{
        model::observations::{Answer, EndpointFacts, KnownMember, MemberStatus},
        quorum::probe_rounds::at,
    },
    etcd::membership::Id,
};

/// An answer of another cluster at the client URL of a cluster's member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misplaced {
    /// The client URL.
    pub endpoint: String,
    /// The member that lists this URL.
    pub member: KnownMember,
    /// The cluster that lists it.
    pub cluster: Id,
    /// The cluster that answers.
    pub other: Id,
    /// That cluster's revision.
    pub revision: i64,
}

fn says(facts: &[EndpointFacts]) -> impl Iterator<Item = (&str, &MemberStatus)> {
    let status = facts.iter().filter_map(|f| match &f.answer {
        Answer::Says(says) => Some((f.endpoint.as_str(), says.as_ref())),
        _ => None,
    });
    status.filter(|(_, s)| s.cluster_id != Id(0))
}

/// The cluster that answers at the endpoints that were given; none where those are of several, or none answers.
fn given_cluster(facts: &[EndpointFacts], given: &[String]) -> Option<Id> {
    let mut ids = says(facts).filter(|(e, _)| given.iter().any(|g| g == e)).map(|(_, s)| s.cluster_id);
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// Returns the answers, those of other clusters at endpoints that were not given turned into silence: there the listed
/// member does not answer. Endpoints that only another cluster lists are left out. All count where all endpoints were
/// given, or where those that were do not settle it.
pub fn of_given<'a>(facts: &'a [EndpointFacts], given: &[String]) -> Cow<'a, [EndpointFacts]> {
    let Some(cluster) = given_cluster(facts, given) else { return Cow::Borrowed(facts) };
    let strange = |e: &str, id: Id| id != cluster && !given.iter().any(|g| g == e);
    if !says(facts).any(|(e, s)| strange(e, s.cluster_id)) {
        return Cow::Borrowed(facts);
    }
    let listed: Vec<&KnownMember> =
        says(facts).filter(|(_, s)| s.cluster_id == cluster).flat_map(|(_, s)| &s.members).collect();
    let kept = |f: &&EndpointFacts| {
        let own = matches!(&f.answer, Answer::Says(s) if s.cluster_id == cluster);
        own || given.contains(&f.endpoint) || listed.iter().any(|m| at(m, &f.endpoint))
    };
    let mut own: Vec<EndpointFacts> = facts.iter().filter(kept).cloned().collect();
    for fact in &mut own {
        if let Answer::Says(says) = &fact.answer
            && says.cluster_id != Id(0)
            && strange(&fact.endpoint, says.cluster_id)
        {
            let details = format!("Another cluster answers there (ID {}).", says.cluster_id);
            fact.answer = Answer::Silent { why: "another cluster answers".into(), details };
        }
    }
    Cow::Owned(own)
}

/// Returns every answer of one cluster at an endpoint at which another one that answers has a member, and of which that
/// cluster does not say the same.
pub(crate) fn misplaced(facts: &[EndpointFacts]) -> Vec<Misplaced> {
    let lists = |id: Id, endpoint: &str| {
        let members = says(facts).filter(move |(_, s)| s.cluster_id == id).flat_map(|(_, s)| &s.members);
        members.into_iter().find(|m| at(m, endpoint)).cloned()
    };
    let mut found: Vec<Misplaced> = Vec::new();
    for (endpoint, other) in says(facts) {
        let listing = says(facts).filter(|(_, s)| s.cluster_id != other.cluster_id);
        for (place, listing) in listing {
            let Some(member) = lists(listing.cluster_id, endpoint) else { continue };
            // where each has its member at the other's URL, it is unknown which of them is in the wrong place
            let both = lists(other.cluster_id, place).is_some();
            if !both && !found.iter().any(|f| f.endpoint == endpoint) {
                found.push(Misplaced {
                    endpoint: endpoint.to_string(),
                    member,
                    cluster: listing.cluster_id,
                    other: other.cluster_id,
                    revision: other.revision,
                });
            }
        }
    }
    found
}
