//! Is a source of this cluster? A survivor and a log name their cluster's ID; a snapshot file does not, so only
//! its rows and its members are evidence.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

pub use super::source::Relation;
use super::source::{HistoryMatch, Observed, Place, Source};
use crate::{
    domain::{model::observations::KnownMember, sources::data_loss::History},
    etcd::membership::Id,
    text::{
        Shown,
        join::{all, natural},
        number::{plural, thousands},
    },
};

/// What is known of the cluster that is to be restored.
pub(crate) struct Cluster {
    /// Its ID, or why it is unknown.
    id: Result<Id, String>,
    /// The source of that ID.
    from: String,
    members: Vec<(Id, String)>,
}

impl Cluster {
    /// As what was seen settles it.
    pub fn identify(seen: &Observed<'_>) -> Cluster {
        let heard = || seen.survivors.iter().chain(&seen.closed).filter(|s| s.says.cluster_id != Id(0));
        let says = || seen.dirs.iter().filter_map(|d| Some((d, d.state.says()?)));
        let id = seen.scope.id().ok_or_else(|| seen.scope.why_open());
        let ours = |cluster: Id| id.as_ref().is_ok_and(|id| *id == cluster);
        let from = match heard().find(|s| ours(s.says.cluster_id)) {
            Some(survivor) => survivor.name.clone(),
            None => {
                let dir = says().find(|(_, s)| ours(s.cluster_id));
                dir.map(|(d, _)| d.data_dir.shown().to_string()).unwrap_or_default()
            }
        };
        let mut members: Vec<(Id, String)> = Vec::new();
        if let Ok(id) = id.clone() {
            let listed = heard().filter(|s| s.says.cluster_id == id).flat_map(|s| &s.says.members);
            let in_dirs = says().filter(|(_, s)| s.cluster_id == id).flat_map(|(_, s)| &s.members);
            for member in listed.chain(in_dirs) {
                if !members.iter().any(|(id, _)| *id == member.id) {
                    members.push((member.id, display_name(member)));
                }
            }
            members.sort_by(|(_, a), (_, b)| natural(a, b));
        }
        Cluster { id, from, members }
    }

    /// By a cluster ID that `how` it was learnt.
    pub fn by_id(&self, id: Id, how: &str) -> Relation {
        match &self.id {
            _ if id == Id(0) => Relation::CannotTell("it names no cluster ID".into()),
            Err(why) => Relation::CannotTell(why.clone()),
            Ok(ours) if *ours == id => Relation::Same(format!("{how} cluster {id}")),
            Ok(ours) => Relation::Other(format!("{how} cluster {id}; this one is {ours}, as {} says", self.from)),
        }
    }

    /// By the members in a file, which holds no cluster ID.
    pub fn by_members(&self, members: &[KnownMember]) -> Relation {
        if let Err(why) = &self.id {
            return Relation::CannotTell(why.clone());
        }
        let names = |list: Vec<&(Id, String)>| all(&list.into_iter().map(|(_, name)| name.clone()).collect::<Vec<_>>());
        let shared: Vec<&(Id, String)> =
            self.members.iter().filter(|(id, _)| members.iter().any(|m| m.id == *id)).collect();
        if !shared.is_empty() {
            let word = plural(shared.len(), "member", "members");
            return Relation::SharesMembers(format!(
                "it lists this cluster's {word} {} under the same IDs",
                names(shared)
            ));
        }
        Relation::CannotTell(match (members, self.members.as_slice()) {
            ([], _) => "it lists no members, and a snapshot file names no cluster".into(),
            (_, []) => "this cluster's members are not known, and a snapshot file names no cluster".into(),
            _ => format!(
                "none of its members is known here (no {}), and a snapshot file names no cluster",
                names(self.members.iter().collect())
            ),
        })
    }
}

fn display_name(member: &KnownMember) -> String {
    if member.name.is_empty() { member.id.to_string() } else { member.name.to_string() }
}

/// What was found between two files.
pub(crate) fn history(kin: &[HistoryMatch], a: &Path, b: &Path) -> Option<History> {
    let both = |k: &&HistoryMatch| (k.files[0] == a && k.files[1] == b) || (k.files[0] == b && k.files[1] == a);
    kin.iter().rev().find(both).map(|k| k.history)
}

/// Spreads the proofs from file to file: a file that shares the history of one of this cluster is of this cluster, too.
/// Reports where two of this cluster hold different data.
pub(crate) fn by_history(sources: &mut [Source], seen: &Observed<'_>) -> Option<String> {
    let places: HashMap<PathBuf, usize> =
        sources.iter().enumerate().filter_map(|(at, s)| Some((file(s)?.to_path_buf(), at))).collect();
    let pair = |kin: &HistoryMatch| Some(([*places.get(&kin.files[0])?, *places.get(&kin.files[1])?], kin.history));
    let pairs: Vec<([usize; 2], History)> = seen.kin.iter().filter_map(pair).collect();
    let is = |sources: &[Source], at: usize| sources.get(at).is_some_and(|s| matches!(s.relation, Relation::Same(_)));
    let name = |sources: &[Source], at: usize| sources.get(at).map(|s| s.name.clone()).unwrap_or_default();
    let both = |[a, b]: [usize; 2]| [(a, b), (b, a)];
    let mut spreads = true;
    while std::mem::take(&mut spreads) {
        for (files, history) in &pairs {
            let History::Same { until, .. } = history else { continue };
            for (known, open) in both(*files) {
                let strange = sources.get(open).is_none_or(|s| matches!(s.relation, Relation::Other(_)));
                if is(sources, known) && !is(sources, open) && !strange {
                    let until = thousands(until.unsigned_abs());
                    let proof = format!("its rows up to revision {until} are those of {}", name(sources, known));
                    if let Some(source) = sources.get_mut(open) {
                        source.relation = Relation::Same(proof);
                    }
                    spreads = true;
                }
            }
        }
    }
    let mut differing = None;
    for (files, history) in &pairs {
        let History::Parts { at } = history else { continue };
        let at = thousands(at.unsigned_abs());
        let [a, b] = *files;
        if is(sources, a) && is(sources, b) {
            let (one, other) = (name(sources, a), name(sources, b));
            differing.get_or_insert(format!(
                "{one} and {other} are of the same cluster but hold different data at revision {at}"
            ));
            files.iter().for_each(|at| sources.get_mut(*at).into_iter().for_each(|s| s.disagrees = true));
            continue;
        }
        for (known, open) in both(*files) {
            if is(sources, known) {
                let proof = format!("at revision {at} its rows differ from those of {}", name(sources, known));
                sources.get_mut(open).into_iter().for_each(|s| s.relation = Relation::Other(proof.clone()));
            }
        }
    }
    differing
}

fn file(source: &Source) -> Option<&Path> {
    match &source.place {
        Place::File(path) => Some(path),
        Place::Member(_) => None,
    }
}
