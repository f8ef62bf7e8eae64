//! Several directories of one member: which one is the newest, by the end of its log and then by its revision. Only the
//! newest holds what the member acknowledged; an etcd started on an older one loses acknowledged writes.

#[cfg(test)]
mod tests;

use crate::{
    domain::model::observations::disk::{DataDirState, DirFacts, DirState},
    text::number::thousands,
};
use crate::{etcd::membership::Id, text::Shown};

/// How one directory compares with another one of the same member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Age {
    /// Its log ends before the other's.
    Older,
    /// Both go equally far.
    Same,
    /// Its log goes on past the other's.
    Newer,
    /// How far one of them goes could not be read.
    Unknown,
}

impl Age {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Age::Older => "older",
            Age::Same => "same",
            Age::Newer => "newest",
            Age::Unknown => "not_known",
        }
    }
}

/// How far a directory goes. The term and the index of the log's last entry count first, as for raft itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LogExtent {
    term: u64,
    index: u64,
    revision: i64,
}

/// None where the end of the log could not be read. A log that was read to its end and holds nothing is known: it is
/// older than everything.
fn reach(dir: &DirFacts) -> Option<LogExtent> {
    let says = dir.state.says()?;
    let read =
        says.last_index > 0 || says.revision <= 1 && says.torn.is_none() && matches!(dir.state, DirState::Whole(_));
    read.then_some(LogExtent { term: says.last_term, index: says.last_index, revision: says.revision })
}

/// How `dir` compares with `other`, which is of the same member.
pub fn compare(dir: &DirFacts, other: &DirFacts) -> Age {
    match reach(dir).zip(reach(other)) {
        None => Age::Unknown,
        Some((own, its)) if own < its => Age::Older,
        Some((own, its)) if own > its => Age::Newer,
        Some(_) => Age::Same,
    }
}

/// The directories of a member, the newest first, whatever order they come in. Those whose end is not known come last.
/// Where `cluster` is given, only those of it.
pub fn of_member(member: Id, cluster: Option<Id>, dirs: &[DirFacts]) -> Vec<&DirFacts> {
    let of_it =
        |says: &DataDirState| says.member_id == member && cluster.is_none_or(|cluster| cluster == says.cluster_id);
    let mut found: Vec<&DirFacts> = dirs.iter().filter(|dir| dir.state.says().is_some_and(of_it)).collect();
    found.sort_by(|a, b| {
        let key = |dir: &DirFacts| {
            let whole = matches!(dir.state, DirState::Whole(_));
            (std::cmp::Reverse(reach(dir)), !whole)
        };
        key(a).cmp(&key(b)).then_with(|| a.data_dir.cmp(&b.data_dir))
    });
    found.dedup_by(|a, b| a.data_dir == b.data_dir);
    found
}

/// How a directory compares with the other directories of its member that were looked at; none where there is no other.
/// `Older` where one of them goes further, `Newer` where none does and all could be read.
pub fn among(dir: &DirFacts, dirs: &[DirFacts]) -> Option<Age> {
    let says = dir.state.says().filter(|says| says.member_id != Id(0))?;
    let others = of_member(says.member_id, Some(says.cluster_id), dirs);
    let ages: Vec<Age> =
        others.into_iter().filter(|other| other.data_dir != dir.data_dir).map(|other| compare(dir, other)).collect();
    [Age::Older, Age::Unknown, Age::Same, Age::Newer].into_iter().find(|age| ages.contains(age))
}

/// The directory of the same member that goes furthest past this one.
pub fn newer<'a>(dir: &DirFacts, dirs: &'a [DirFacts]) -> Option<&'a DirFacts> {
    let says = dir.state.says().filter(|says| says.member_id != Id(0))?;
    let newest = of_member(says.member_id, Some(says.cluster_id), dirs).into_iter().next()?;
    (compare(dir, newest) == Age::Older).then_some(newest)
}

/// How a directory compares with its member's others, in parentheses to append to its path; empty if it has no others.
pub fn clause(dir: &DirFacts, dirs: &[DirFacts]) -> String {
    match (among(dir, dirs), newer(dir, dirs)) {
        (_, Some(newer)) => format!(" (an OLDER copy: {} is newer)", newer.data_dir.shown()),
        (Some(Age::Newer), _) => " (the newest copy)".into(),
        (Some(Age::Same), _) => " (another directory holds the same)".into(),
        (Some(Age::Unknown), _) => " (unknown whether another copy is newer)".into(),
        _ => String::new(),
    }
}

/// `log up to 7/120, revision 84,000`.
pub fn reach_words(dir: &DirFacts) -> String {
    match reach(dir) {
        None => "the end of its log is unreadable".into(),
        Some(LogExtent { term, index, revision }) if revision > 0 => {
            format!("log up to {term}/{index}, revision {}", thousands(revision.unsigned_abs()))
        }
        Some(LogExtent { term, index, .. }) => format!("log up to {term}/{index}"),
    }
}
