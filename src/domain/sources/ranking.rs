//! Every source that a restore could begin from, in one list: survivors, data directories, files. Ranked by what can be
//! shown: intact; of this cluster; then revision, and age. Term and index count among data directories of one cluster
//! only. Nothing is assumed beyond the facts: where it is unknown which cluster a file is of, that is reported.

#[cfg(test)]
mod tests;

use crate::domain::sources::{cluster_match, loss};

use super::data_loss::{Entries, Horizon, Loss};
pub use super::source::{
    Differing, HistoryMatch, Newest, Observed, Place, Relation, Saved, Source, SourceKind, SourceState, Survivor,
};
use super::source::{LogEnd, UNMEASURED};
use crate::domain::quorum::newest_dir;
pub use crate::domain::sources::catch_up::CatchUp;
use crate::domain::sources::cluster_match::Cluster;
use crate::{
    domain::model::{
        observations::{
            FileFacts, Health,
            disk::{BrokenPart, DataDirState, DirFacts, DirState, Held},
        },
        source_ref::is_object,
    },
    text::number::thousands,
};
use crate::{etcd::membership::Id, text::Shown};

/// All sources, best first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// The sources.
    pub sources: Vec<Source>,
    /// What the losses are measured against.
    pub newest: Option<Newest>,
    /// A log that goes on past everything that can be read or saved, in a sentence that says what to do first.
    pub ahead: Option<String>,
    /// Which sources of this cluster hold different data, in a sentence.
    pub differing: Option<String>,
    /// Whether the newest state known is the newest that there was.
    pub horizon: Horizon,
    /// The one that may be proposed; none where that is for the operator to decide.
    pub pick: Option<Place>,
}

impl List {
    /// The source at a place.
    pub fn get(&self, place: &Place) -> Option<&Source> {
        self.sources.iter().find(|s| &s.place == place)
    }
}

/// Puts everything that was seen into one list.
pub fn list(seen: &Observed<'_>) -> List {
    let cluster = Cluster::identify(seen);
    let mut sources: Vec<Source> = seen.survivors.iter().map(|s| survivor(s, &cluster, seen.now)).collect();
    sources.extend(seen.files.iter().map(|file| of_file(file, seen, &cluster)));
    let parted = cluster_match::by_history(&mut sources, seen);
    let differing = seen.differing.as_ref().map(|d| d.sentence.clone()).or(parted);
    for source in &mut sources {
        let Place::Member(endpoint) = &source.place else { continue };
        source.disagrees = seen.differing.as_ref().is_some_and(|d| d.endpoints.contains(endpoint));
    }
    let newest = loss::newest(&sources, seen);
    let ahead = loss::ahead(&sources, seen);
    let horizon = loss::horizon(seen, ahead.is_some());
    // the newest state known is then two states, and no source has both
    let against = if differing.is_some() && ahead.is_none() { Horizon::Differing } else { horizon };
    for at in 0..sources.len() {
        let loss = sources.get(at).map(|source| loss::loss(source, newest.as_ref(), &sources, seen, against));
        if let (Some(source), Some(loss)) = (sources.get_mut(at), loss) {
            source.loss = loss;
        }
    }
    loss::rank(&mut sources);
    let may = |s: &&Source| {
        let taken = matches!(s.standing, SourceState::ToSave | SourceState::Whole);
        taken && s.relation.ours() && s.loss.entries == Entries::None
    };
    let pick = sources.first().filter(may).filter(|_| differing.is_none() && ahead.is_none());
    let pick = pick.map(|s| s.place.clone());
    List { pick, newest, ahead: ahead.map(|(_, words)| words), differing, horizon, sources }
}

/// The revision of a store that nothing was written to.
const FIRST: i64 = 1;

fn survivor(survivor: &Survivor<'_>, cluster: &Cluster, now: i64) -> Source {
    let says = survivor.says;
    Source {
        place: Place::Member(survivor.endpoint.to_string()),
        kind: SourceKind::Survivor,
        name: format!("{}, over the network", survivor.name),
        bare_name: survivor.name.clone(),
        standing: SourceState::ToSave,
        relation: cluster.by_id(says.cluster_id, "it answers for"),
        revision: (says.revision > 0).then_some(says.revision),
        at: Some(now),
        loss: UNMEASURED,
        disagrees: false,
        warnings: Vec::new(),
        better: None,
        cluster: Some(says.cluster_id).filter(|id| *id != Id(0)),
        log: None,
        members: says.members.clone(),
    }
}

fn of_file(file: &FileFacts, seen: &Observed<'_>, cluster: &Cluster) -> Source {
    let dir =
        seen.dirs.iter().find_map(|dir| Some((dir, dir.state.says()?)).filter(|(_, s)| s.database.path == file.path));
    let content = file.content.as_ref();
    let members = match (content, dir) {
        (Some(content), _) => content.members.clone(),
        (None, Some((_, says))) => says.members.clone(),
        (None, None) => Vec::new(),
    };
    let saved = seen.saved.iter().find(|s| s.path == file.path);
    let relation = match (saved, dir) {
        (Some(saved), _) => {
            cluster.by_id(saved.cluster_id, &format!("it was saved from {}, which answers for", saved.member))
        }
        (None, Some((_, says))) if says.cluster_id != Id(0) => cluster.by_id(says.cluster_id, "its log names"),
        _ if content.is_none() && dir.is_none() => Relation::CannotTell("it was not read".into()),
        _ => cluster.by_members(&members),
    };
    let cluster_id = saved.map(|s| s.cluster_id).or(dir.map(|(_, says)| says.cluster_id));
    let (entries, log) = match (&file.health, dir) {
        (_, Some((_, says))) => of_log(says),
        (Health::Verified, None) => (Entries::None, None),
        (_, None) => (Entries::Unknown, None),
    };
    let revision = content.map(|c| c.revision.max(FIRST));
    let revision = revision.or(dir.map(|(_, says)| says.revision).filter(|r| *r > 0));
    let bare_name = dir.map_or(&file.path, |(dir, _)| &dir.data_dir).shown().to_string();
    Source {
        place: Place::File(file.path.clone()),
        kind: if dir.is_some() { SourceKind::DataDir } else { SourceKind::File },
        name: if dir.is_some() { format!("{bare_name}, data dir") } else { bare_name.clone() },
        bare_name,
        standing: standing(file, dir.map(|(dir, _)| dir)),
        relation,
        revision,
        at: dir.map_or(file.modified, |(_, says)| says.written.or(file.modified)),
        loss: Loss { entries, ..UNMEASURED },
        disagrees: false,
        warnings: dir.map_or_else(Vec::new, |(dir, says)| of_dir(dir, says, seen.dirs)),
        better: dir.filter(|_| log.is_some()).map(|(dir, says)| CatchUp::among(dir, says, seen).sentence()),
        cluster: cluster_id.filter(|id| *id != Id(0)),
        log,
        members,
    }
}

fn standing(file: &FileFacts, dir: Option<&DirFacts>) -> SourceState {
    if let Some(Held::By { pid, program }) = dir.map(|d| &d.held) {
        let program = if program.is_empty() { "a process" } else { program };
        let pid = pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        return SourceState::Held(format!("{program}{pid} is using it; save a snapshot from that member instead"));
    }
    match &file.health {
        Health::Unread if is_object(&file.path) => SourceState::Remote,
        _ if file.is_unread() => SourceState::Unread,
        Health::Verified => SourceState::Whole,
        Health::Unhashed => SourceState::Sound,
        Health::Unread => SourceState::Unread,
        Health::Packed(how) => SourceState::Packed(how.clone()),
        Health::Limited(damage) => SourceState::Limited(damage.clone()),
        Health::Broken(why) => SourceState::Broken(why.clone()),
        Health::Unreadable(why) => SourceState::Unreadable(why.clone()),
    }
}

/// What the log holds beyond the database. A log that ends before it cannot be its own, or was not read.
fn of_log(says: &DataDirState) -> (Entries, Option<LogEnd>) {
    if says.last_index == 0 || says.last_index < says.consistent_index {
        return (Entries::Unknown, None);
    }
    let entries = match says.entries_beyond() {
        0 => Entries::None,
        all => Entries::Beyond { all, committed: says.committed_beyond() },
    };
    (entries, Some(LogEnd { cluster: says.cluster_id.0, term: says.last_term, index: says.last_index }))
}

fn of_dir(dir: &DirFacts, says: &DataDirState, all: &[DirFacts]) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(newer) = newest_dir::newer(dir, all) {
        out.push(format!(
            "It is an OLDER copy of its member's data ({}): {} is newer ({}).",
            newest_dir::reach_words(dir),
            newer.data_dir.shown(),
            newest_dir::reach_words(newer)
        ));
    }
    // where the database itself is what is wrong, the standing says so
    if let DirState::Broken { why, part: BrokenPart::Log | BrokenPart::Member, .. } = &dir.state {
        out.push(format!("Its directory is not intact, so do not start etcd on it as it is: {why}."));
    }
    if let Held::Unknown(why) = &dir.held {
        out.push(format!("It is not known whether etcd is running on it: {why}. Make sure that none is."));
    }
    if !says.log_reaches_database() {
        out.push("Its log begins after the end of its database: the entries between them are lost.".into());
    }
    if says.v2_keys > 0 {
        out.push(format!(
            "It holds {} of the v2 store, which no restore carries over: export them too.",
            if says.v2_keys == 1 { "1 key".to_string() } else { format!("{} keys", thousands(says.v2_keys)) }
        ));
    }
    out.extend(says.warnings.iter().cloned());
    out
}
