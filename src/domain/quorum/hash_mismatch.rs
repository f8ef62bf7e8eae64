//! Do the members hold the same data? Their hashes at one revision, compared.

use crate::{
    domain::model::observations::{Answer, EndpointFacts, Hashed},
    etcd::membership::Id,
    text::join::all,
};

/// Members of one cluster whose keys differ up to one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The revision up to which the keys were hashed.
    pub revision: i64,
    /// Each hash with the endpoints that gave it, in the order of the endpoints.
    pub parts: Vec<(u32, Vec<String>)>,
}

impl Disagreement {
    /// `m1 (9f3c11aa) and m2 (77aa02c1) hold different data at revision 84,211`, where `name` gives an endpoint's name.
    pub fn words(&self, name: impl Fn(&str) -> String) -> String {
        let part = |(hash, who): &(u32, Vec<String>)| {
            format!("{} ({hash:08x})", all(&who.iter().map(|e| name(e)).collect::<Vec<_>>()))
        };
        let parts: Vec<String> = self.parts.iter().map(part).collect();
        let revision = crate::text::number::thousands(self.revision.unsigned_abs());
        format!("{} hold different data at revision {revision}", parts.join(" and "))
    }
}

/// Looks for members of one cluster whose hashes differ. Only those count that were made of the same revision over the
/// same compact revision: what is below it drops out of the hash (etcd `mvcc/hash.go`).
pub fn disagreement(facts: &[EndpointFacts]) -> Option<Disagreement> {
    let mut groups: Vec<((Id, i64, i64), Disagreement)> = Vec::new();
    for fact in facts {
        let Answer::Says(says) = &fact.answer else { continue };
        let Hashed::Says { hash, revision, compacted } = says.hash else { continue };
        let key = (says.cluster_id, revision, compacted);
        let group = match groups.iter_mut().position(|(k, _)| *k == key) {
            Some(at) => at,
            None => {
                groups.push((key, Disagreement { revision, parts: Vec::new() }));
                groups.len() - 1
            }
        };
        let Some((_, group)) = groups.get_mut(group) else { continue };
        match group.parts.iter_mut().find(|(h, _)| *h == hash) {
            Some((_, who)) => who.push(fact.endpoint.clone()),
            None => group.parts.push((hash, vec![fact.endpoint.clone()])),
        }
    }
    groups.into_iter().map(|(_, group)| group).find(|group| group.parts.len() > 1)
}
