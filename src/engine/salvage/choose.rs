//! Which database a replay begins from: the one from which the log leads furthest.

use super::{
    log::{find, reach},
    merge::Merged,
    sources::{Database, DatabaseKind, Dir, Facts},
};
use crate::{
    engine::progress::ProgressFn,
    error::Result,
    etcd::{membership::Id, version::Minor},
};

/// Where a replay begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The database, by position; none where the log begins with the first entry of the cluster.
    pub database: Option<usize>,
    /// The last entry that is in it.
    pub index: u64,
    /// The last entry that is reached from it.
    pub reached: u64,
}

/// What became of a database as a place to begin from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The replay begins from it.
    Chosen,
    /// Another one leads further, so it was not read.
    NotNeeded,
    /// It is not used, as a clause says.
    Rejected(String),
}

/// The result of the choice.
#[derive(Debug)]
pub struct Choice {
    /// Where the replay begins; none if it cannot.
    pub start: Option<Start>,
    /// What became of each database.
    pub verdicts: Vec<Verdict>,
    /// Why the log alone does not do, as a clause; none if it was not needed.
    pub no_beginning: Option<String>,
}

/// Chooses, and reads all of each database before it is chosen.
///
/// # Errors
/// Only `Stopped`.
pub fn choose(
    databases: &[Database],
    dirs: &[Dir],
    merged: &Merged,
    limit: u64,
    watch: &mut ProgressFn<'_>,
) -> Result<Choice> {
    let mut verdicts = vec![Verdict::NotNeeded; databases.len()];
    let mut starts = Vec::new();
    for (at, database) in databases.iter().enumerate() {
        let fits = match &database.facts {
            Err(why) => Err(why.clone()),
            Ok(facts) => belongs(database, facts, databases, dirs, merged).map(|()| facts.consistent_index),
        };
        match fits {
            Ok(index) => starts.push((start(Some(at), index, merged, limit), database.kind, database.unproven())),
            Err(why) => set(&mut verdicts, at, Verdict::Rejected(why)),
        }
    }
    let no_beginning = no_beginning(dirs, merged);
    if no_beginning.is_none() {
        starts.push((start(None, 0, merged, limit), DatabaseKind::Own, false));
    }
    // The furthest; then one that is proven to be whole; then the one with the fewest entries to apply; then the member's own.
    starts.sort_by_key(|(start, kind, unproven)| {
        (
            std::cmp::Reverse(start.reached),
            *unproven,
            std::cmp::Reverse(start.index),
            start.database.is_none(),
            *kind != DatabaseKind::Own,
        )
    });
    for (start, ..) in starts {
        let Some(at) = start.database else { return Ok(Choice { start: Some(start), verdicts, no_beginning }) };
        let Some(database) = databases.get(at) else { continue };
        match database.damage(watch)? {
            None => {
                set(&mut verdicts, at, Verdict::Chosen);
                return Ok(Choice { start: Some(start), verdicts, no_beginning });
            }
            Some(why) => set(&mut verdicts, at, Verdict::Rejected(why)),
        }
    }
    Ok(Choice { start: None, verdicts, no_beginning })
}

fn set(verdicts: &mut [Verdict], at: usize, verdict: Verdict) {
    if let Some(place) = verdicts.get_mut(at) {
        *place = verdict;
    }
}

fn start(database: Option<usize>, index: u64, merged: &Merged, limit: u64) -> Start {
    let reached = if index >= limit { index } else { reach(&merged.runs, index).min(limit) };
    Start { database, index, reached }
}

/// Returns why a database is not one of this cluster's states, as a clause.
fn belongs(
    database: &Database,
    facts: &Facts,
    databases: &[Database],
    dirs: &[Dir],
    merged: &Merged,
) -> std::result::Result<(), String> {
    let in_log = find(&merged.runs, facts.consistent_index).map(|run| run.term);
    let terms = in_log.zip(facts.term);
    if let Some((log, own)) = terms.filter(|(log, own)| log != own) {
        return Err(format!(
            "it ends at raft index {} of term {own}, where the log has term {log}: it is of another history",
            facts.consistent_index
        ));
    }
    if facts.consistent_index == 0 && facts.revision > 1 {
        return Err("it does not record how far the log is applied in it".into());
    }
    if database.dir.is_some() || dirs.is_empty() {
        return Ok(());
    }
    // A snapshot from elsewhere: its members show whose it is.
    let nodes = dirs.iter().filter_map(|dir| Some(dir.log.as_ref().ok()?.node)).filter(|node| *node != 0);
    let stored = databases.iter().filter(|other| other.dir.is_some()).filter_map(|other| other.facts.as_ref().ok());
    let known: Vec<u64> = nodes.chain(stored.flat_map(|facts| facts.members.iter().map(|member| member.id))).collect();
    let shared = facts.members.iter().any(|member| known.contains(&member.id));
    // Where nothing names the members, the same term at the same index is what is left to go by.
    match (shared, facts.members.is_empty() || known.is_empty(), terms.is_some()) {
        (true, ..) | (false, true, true) => Ok(()),
        (false, true, false) => Err("nothing shows whether it is of this cluster".into()),
        (false, false, _) => {
            let ids: Vec<String> = facts.members.iter().map(|member| Id(member.id).to_string()).collect();
            Err(format!("none of its members ({}) is in the directories: it is of another cluster", ids.join(", ")))
        }
    }
}

/// Returns why the log cannot be applied to an empty store, as a clause.
fn no_beginning(dirs: &[Dir], merged: &Merged) -> Option<String> {
    if merged.runs.is_empty() {
        return Some("no entry of a log can be read".into());
    }
    let first = merged.runs.first().map_or(0, |run| run.first);
    if first != 1 {
        return Some(format!("the log begins with entry {first}"));
    }
    // Only the entries that a cluster begins with are of term 1; a snapshot among them is that of a restore.
    let logs = dirs.iter().filter_map(|dir| dir.log.as_ref().ok());
    let restored = logs.flat_map(|log| &log.snapshots).any(|(index, term)| *index > 0 && *term == 1);
    restored.then(|| "the cluster began with a restored snapshot, whose data is in the database alone".into())
}

/// Returns the version of the etcd that wrote the files.
///
/// # Errors
/// The version, if it is not one that is known here.
pub fn version(
    dirs: &[Dir],
    merged: &Merged,
    start: Start,
    facts: Option<&Facts>,
) -> std::result::Result<Minor, String> {
    let chosen = dirs.get(merged.chosen).and_then(|dir| dir.log.as_ref().ok());
    let set = chosen.and_then(|log| log.versions.range(..=start.reached).next_back());
    let set = set.map(|(_, version)| version.clone());
    let stored = facts.and_then(|facts| facts.cluster_version.clone());
    match set.or(stored) {
        Some(version) => version.parse().map_err(|_| version),
        None => {
            let names_voters = chosen.is_some_and(|log| log.names_voters);
            let by_format = if names_voters { Minor::V3_5 } else { Minor::V3_4 };
            Ok(facts.and_then(Facts::version).unwrap_or(by_format).max(by_format))
        }
    }
}
