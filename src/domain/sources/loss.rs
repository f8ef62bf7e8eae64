//! What the sources are measured against, what each loses compared with it, and the resulting order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    catch_up::CatchUp,
    cluster_match,
    source::{HistoryMatch, LogEnd, Newest, Observed, Place, Relation, Source, SourceKind, SourceState, UNMEASURED},
};
use crate::{
    domain::{
        model::observations::{
            KnownMember, Read,
            disk::{DataDirState, DirFacts, DirState},
        },
        sources::data_loss::{History, Horizon, Loss},
    },
    etcd::membership::Id,
    text::number::thousands,
};

/// The newest revision among the sources of this cluster; where none is known to be, among all but the strangers. While it
/// is not known which cluster is meant, a source that names its cluster is not used: it may be of another.
pub(crate) fn newest(sources: &[Source], seen: &Observed<'_>) -> Option<Newest> {
    let settled = seen.scope.id().is_some();
    let readable = |s: &&Source| {
        s.revision.is_some() && !matches!(s.standing, SourceState::Broken(_) | SourceState::Unreadable(_))
    };
    let ours = sources.iter().any(|s| readable(&s) && s.relation.ours());
    let counts = |s: &&Source| match ours {
        true => s.relation.ours(),
        false => !matches!(s.relation, Relation::Other(_)) && (settled || s.cluster.is_none()),
    };
    let best = sources
        .iter()
        .filter(readable)
        .filter(counts)
        .max_by_key(|s| (s.revision, Reverse(s.kind), s.at, Reverse(&s.place)))?;
    let revision = best.revision?;
    let number = thousands(revision.unsigned_abs());
    let words = match &best.place {
        Place::Member(_) => format!("revision {number} ({} answers with it)", best.bare_name),
        Place::File(_) if best.kind == SourceKind::DataDir => format!("revision {number} ({})", best.name),
        Place::File(path) => {
            format!("revision {number} ({})", path.file_name().unwrap_or_default().to_string_lossy())
        }
    };
    Some(Newest { revision, at: best.at, place: best.place.clone(), words })
}

/// The log of this cluster's that goes furthest, where it goes on past every database and every survivor.
pub(super) fn ahead(sources: &[Source], seen: &Observed<'_>) -> Option<(LogEnd, String)> {
    let ours =
        |s: &&Source| s.kind == SourceKind::DataDir && s.relation.ours() && !matches!(s.standing, SourceState::Held(_));
    let (end, source) = sources.iter().filter(ours).filter_map(|s| Some((s.log?, s))).max_by_key(|(end, _)| *end)?;
    let reached = seen.survivors.iter().filter(|s| s.says.cluster_id == Id(end.cluster)).map(|s| s.says.raft_index);
    let in_files = seen.dirs.iter().filter_map(|d| d.state.says()).filter(|s| s.cluster_id == Id(end.cluster));
    let in_files = in_files.filter(|s| s.last_index >= s.consistent_index).map(|s| s.consistent_index);
    let reached = reached.chain(in_files).max()?;
    let more = end.index.checked_sub(reached).filter(|n| *n > 0)?;
    let place = &source.bare_name;
    let entries = if more == 1 { "entry" } else { "entries" };
    let of_it = |d: &DirFacts| d.state.says().is_some_and(|s| Place::File(s.database.path.clone()) == source.place);
    let dir = seen.dirs.iter().find(|d| of_it(d));
    let then = dir.and_then(|d| Some(CatchUp::among(d, d.state.says()?, seen).clause()));
    let then = then.unwrap_or_else(|| CatchUp::NotWhole.clause());
    let words =
        format!("The log of {place} goes {} {entries} past everything else that is known: {then}.", thousands(more));
    Some((end, words))
}

/// What a store that nothing was written to has, as one that began with an empty directory: it shows nothing of what its
/// member once acknowledged.
const FIRST: i64 = 1;

/// Whether the newest state known is the newest that there was. Acknowledged is what a majority of the voters has in its
/// logs, so it takes the logs of so many voters that no majority is without one of them. What is in a log to its end only
/// its files show: an answer names the index up to which the member knows entries to be committed, and what came after may
/// have been acknowledged by a leader that is gone. And only a directory that an etcd is set up to start on is the
/// member's last one; any other may be a copy that was taken earlier.
pub(crate) fn horizon(seen: &Observed<'_>, ahead: bool) -> Horizon {
    if ahead {
        return Horizon::LogAhead;
    }
    let heard = || seen.survivors.iter().chain(&seen.closed).map(|s| s.says);
    let Some(cluster) = seen.scope.id() else {
        let nobody = heard().next().is_none() && seen.dirs.iter().all(|d| d.state.says().is_none());
        return if nobody { Horizon::Files } else { Horizon::Unsettled };
    };
    let ours = |says: &&DataDirState| says.cluster_id == cluster;
    let dirs = || seen.dirs.iter().filter_map(|d| Some((d, d.state.says().filter(ours)?)));
    let lists = heard().filter(|s| s.cluster_id == cluster).map(|s| ((s.raft_term, s.raft_index), &s.members));
    let lists = lists.chain(dirs().map(|(_, s)| ((s.last_term, s.last_index), &s.members)));
    let newest = lists.filter(|(_, list)| !voters(list).is_empty()).max_by_key(|(end, _)| *end);
    let all = newest.map(|(_, list)| voters(list)).unwrap_or_default();
    let counts =
        |id: Id, list: &[KnownMember], revision: i64| revision > FIRST && all.contains(&id.0) && voters(list) == all;
    let answering = || seen.survivors.iter().map(|s| s.says).filter(|s| s.cluster_id == cluster);
    let answering = || answering().filter(|s| counts(s.member_id, &s.members, s.revision));
    if answering().any(|s| s.read == Read::Served) {
        return Horizon::Complete;
    }
    let mut known: BTreeSet<u64> = answering().map(|s| s.member_id.0).collect();
    let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
    for (dir, says) in dirs().filter(|(_, s)| counts(s.member_id, &s.members, s.revision)) {
        known.insert(says.member_id.0);
        let to_its_end = says.last_index >= says.consistent_index && says.last_index > 0;
        if matches!(dir.state, DirState::Whole(_)) && !dir.learned_from.is_empty() && to_its_end {
            let end = ends.entry(says.member_id.0).or_default();
            *end = says.last_index.max(*end);
        }
    }
    // every majority of the voters has one of so many among it
    let needed = all.len().div_ceil(2);
    let in_files = dirs().filter(|(d, _)| !d.held.is_held()).map(|(_, s)| s.consistent_index);
    let applied = answering().map(|s| if s.raft_applied > 0 { s.raft_applied } else { s.raft_index });
    let reached = in_files.chain(applied).max().unwrap_or(0);
    let last = ends.values().max().copied().unwrap_or(0);
    match known.len() {
        _ if needed > 0 && ends.len() >= needed && last <= reached => Horizon::Complete,
        0 if dirs().next().is_none() && heard().next().is_none() => Horizon::Files,
        n if needed > 0 && n >= needed => Horizon::LogEnds,
        n => Horizon::Partial { known: n, voters: all.len() },
    }
}

fn voters(list: &[KnownMember]) -> BTreeSet<u64> {
    list.iter().filter(|m| !m.is_learner).map(|m| m.id.0).collect()
}

pub(crate) fn loss(
    source: &Source,
    newest: Option<&Newest>,
    all: &[Source],
    seen: &Observed<'_>,
    horizon: Horizon,
) -> Loss {
    let entries = source.loss.entries;
    let unmeasured = Loss { entries, horizon, ..UNMEASURED };
    let Some((newest, of)) = newest.and_then(|n| Some((n, all.iter().find(|s| s.place == n.place)?))) else {
        return unmeasured;
    };
    if !comparable(source, of, seen.kin) {
        return unmeasured;
    }
    let revisions = source.revision.and_then(|r| u64::try_from(newest.revision.saturating_sub(r).max(0)).ok());
    let seconds = newest.at.zip(source.at).and_then(|(n, s)| u64::try_from(n.saturating_sub(s)).ok());
    Loss { revisions, seconds, entries, horizon }
}

/// Whether revisions of two sources count the same writes.
fn comparable(a: &Source, b: &Source, kin: &[HistoryMatch]) -> bool {
    if a.place == b.place || (a.relation.ours() && b.relation.ours()) {
        return true;
    }
    let other = |s: &Source| matches!(s.relation, Relation::Other(_));
    if other(a) || other(b) || a.cluster.zip(b.cluster).is_some_and(|(a, b)| a != b) {
        return false;
    }
    let (Place::File(x), Place::File(y)) = (&a.place, &b.place) else { return false };
    match cluster_match::history(kin, x, y) {
        Some(History::Same { .. }) => true,
        Some(History::Parts { .. }) => false,
        _ => a.members.iter().any(|m| b.members.iter().any(|n| n.id == m.id)),
    }
}

/// Sorts best first, in one total order. A directory ranks at least as high as every directory of its cluster whose log ends
/// before its own: started, it has all that those have.
pub(crate) fn rank(sources: &mut Vec<Source>) {
    let reach: Vec<Option<i64>> = sources
        .iter()
        .map(|s| {
            let Some(end) = s.log else { return s.revision };
            let alike =
                |t: &&Source| t.standing.class() == s.standing.class() && t.relation.class() == s.relation.class();
            let before = |t: &&Source| t.log.is_some_and(|e| e.cluster == end.cluster && e <= end);
            sources.iter().filter(alike).filter(before).map(|t| t.revision).max().flatten()
        })
        .collect();
    let mut ranked: Vec<(Option<i64>, Source)> = reach.into_iter().zip(std::mem::take(sources)).collect();
    ranked.sort_by(|(r, a), (q, b)| {
        let key = |reach: &Option<i64>, s: &Source| {
            (s.standing.class(), s.relation.class(), Reverse(*reach), s.kind, Reverse(s.log), Reverse(s.at))
        };
        key(r, a).cmp(&key(q, b)).then_with(|| a.place.cmp(&b.place))
    });
    sources.extend(ranked.into_iter().map(|(_, source)| source));
}
