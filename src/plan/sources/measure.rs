//! What the sources are measured against, what each loses by it, and the order that follows.

use std::cmp::Reverse;

use super::{Kin, Kind, LogEnd, Newest, Place, Relation, Seen, Source, Standing, UNMEASURED, relate};
use crate::{
    etcd::membership::Id,
    plan::{
        facts::disk::DirState,
        ledger::{Entries, History, Loss},
        words::thousands,
    },
};

/// The newest revision among the sources of this cluster; where none is known to be, among all but the strangers.
pub(super) fn newest(sources: &[Source]) -> Option<Newest> {
    let readable =
        |s: &&Source| s.revision.is_some() && !matches!(s.standing, Standing::Broken(_) | Standing::Unreadable(_));
    let ours = sources.iter().any(|s| readable(&s) && s.relation.ours());
    let counts = |s: &&Source| if ours { s.relation.ours() } else { !matches!(s.relation, Relation::Other(_)) };
    let best = sources
        .iter()
        .filter(readable)
        .filter(counts)
        .max_by_key(|s| (s.revision, Reverse(s.kind), s.at, Reverse(&s.place)))?;
    let revision = best.revision?;
    let number = thousands(revision.unsigned_abs());
    let words = match &best.place {
        Place::Member(_) => {
            format!("revision {number} ({} answers with it)", best.name.trim_end_matches(", over the network"))
        }
        Place::File(_) if best.kind == Kind::DataDir => format!("revision {number} ({})", best.name),
        Place::File(path) => {
            format!("revision {number} ({})", path.file_name().unwrap_or_default().to_string_lossy())
        }
    };
    Some(Newest { revision, at: best.at, place: best.place.clone(), words })
}

/// The log of this cluster's that goes furthest, where it goes on past every database and every survivor.
pub(super) fn ahead(sources: &[Source], seen: &Seen<'_>) -> Option<(LogEnd, String)> {
    let ours = |s: &&Source| s.kind == Kind::DataDir && s.relation.ours() && !matches!(s.standing, Standing::Held(_));
    let (end, source) = sources.iter().filter(ours).filter_map(|s| Some((s.log?, s))).max_by_key(|(end, _)| *end)?;
    let reached = seen.survivors.iter().filter(|s| s.says.cluster_id == Id(end.cluster)).map(|s| s.says.raft_index);
    let in_files = seen.dirs.iter().filter_map(|d| d.state.says()).filter(|s| s.cluster_id == Id(end.cluster));
    let in_files = in_files.filter(|s| s.last_index >= s.consistent_index).map(|s| s.consistent_index);
    let reached = reached.chain(in_files).max()?;
    let more = end.index.checked_sub(reached).filter(|n| *n > 0)?;
    let place = source.name.trim_end_matches(", data dir");
    let entries = if more == 1 { "entry" } else { "entries" };
    let dir =
        seen.dirs.iter().find(|d| d.state.says().is_some_and(|s| Place::File(s.database.path.clone()) == source.place));
    let then = match dir.map(|d| &d.state) {
        Some(DirState::Broken { .. }) => "an etcd would not start on it as it is; keep it",
        _ => "start that member's own etcd once, stop it again and look again",
    };
    let words =
        format!("The log of {place} goes {} {entries} past everything else that is known: {then}.", thousands(more));
    Some((end, words))
}

pub(super) fn loss(source: &Source, newest: Option<&Newest>, all: &[Source], seen: &Seen<'_>, ahead: bool) -> Loss {
    let entries = source.loss.entries;
    let Some((newest, of)) = newest.and_then(|n| Some((n, all.iter().find(|s| s.place == n.place)?))) else {
        return Loss { entries, ..UNMEASURED };
    };
    if !comparable(source, of, seen.kin) {
        return Loss { entries, ..UNMEASURED };
    }
    let revisions = source.revision.and_then(|r| u64::try_from(newest.revision.saturating_sub(r).max(0)).ok());
    let seconds = newest.at.zip(source.at).and_then(|(n, s)| u64::try_from(n.saturating_sub(s)).ok());
    Loss { revisions, seconds, entries, at_least: ahead && entries == Entries::None }
}

/// Whether revisions of two sources count the same writes.
fn comparable(a: &Source, b: &Source, kin: &[Kin]) -> bool {
    if a.place == b.place || (a.relation.ours() && b.relation.ours()) {
        return true;
    }
    if matches!(a.relation, Relation::Other(_)) || matches!(b.relation, Relation::Other(_)) {
        return false;
    }
    let (Place::File(x), Place::File(y)) = (&a.place, &b.place) else { return false };
    match relate::history(kin, x, y) {
        Some(History::Same { .. }) => true,
        Some(History::Parts { .. }) => false,
        _ => a.members.iter().any(|m| b.members.iter().any(|n| n.id == m.id)),
    }
}

/// Best first, in one total order. A directory stands at least as high as every directory of its cluster whose log ends
/// before its own: started, it has all that those have.
pub(super) fn rank(sources: &mut Vec<Source>) {
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
