//! Which cluster is meant, where more than one was seen: the operator's choice, a member that answers, an etcd of this
//! machine that listens on an endpoint that was asked, the member list of a directory that names one, `--data-dir`.
//! What belongs to another cluster is kept apart: it is not compared with this one, and fills none of its cells.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{known::DEFAULT_CLUSTER, misplaced::of_given, probe_rounds::at};
use crate::{
    domain::model::{
        observations::{
            Answer, EndpointFacts, KnownMember, MemberStatus,
            config::{ConfigFacts, ConfigKind},
            disk::DirFacts,
        },
        url,
    },
    text::{
        join::{all, natural},
        number::plural,
    },
};
use crate::{etcd::membership::Id, text::Shown};

/// Everything that can show which cluster is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence<'a> {
    /// What endpoints answered.
    pub facts: &'a [EndpointFacts],
    /// True where the operator named these endpoints.
    pub typed: bool,
    /// The endpoints that were given; the others were found in answers. Empty where all were given.
    pub given: &'a [String],
    /// Directories that were looked at.
    pub dirs: &'a [DirFacts],
    /// Configurations that were found on this machine.
    pub configs: &'a [ConfigFacts],
    /// This machine's addresses.
    pub addresses: &'a [IpAddr],
    /// Directories that the operator named.
    pub named: &'a [PathBuf],
    /// The cluster that the operator chose among those seen.
    pub chosen: Option<Id>,
}

/// How it is known which cluster is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The operator chose it.
    Choice,
    /// A member of it answers.
    Answer,
    /// An etcd of it on this machine is configured to listen on an endpoint that was asked.
    Listens,
    /// A directory of it lists a member at an endpoint that was asked.
    Listed,
    /// The operator named a directory of it.
    DataDir,
    /// It is the only one that was seen, and no endpoint was named.
    Alone,
}

/// Why it is not known which cluster is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Open {
    /// No cluster was seen.
    #[default]
    Nothing,
    /// Members of several clusters answer.
    Answers,
    /// Directories of several clusters fit equally well.
    Several,
    /// Directories were seen, and nothing links them to the endpoints that were asked.
    Unlinked,
    /// The endpoints and the directories that were named are of different clusters.
    Conflict,
}

/// Where something belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Belongs {
    /// To the cluster that is meant.
    Meant,
    /// To another one.
    Other,
    /// It is not known which cluster is meant, or of which cluster it is.
    Open,
}

/// A cluster that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its ID.
    pub id: Id,
    /// Its members, by name where one is known, of those that answer or have a directory here.
    pub members: Vec<String>,
    /// Endpoints at which it answers.
    pub endpoints: Vec<String>,
    /// Its directories.
    pub dirs: Vec<PathBuf>,
}

impl Found {
    fn new(id: Id) -> Found {
        Found { id, members: Vec::new(), endpoints: Vec::new(), dirs: Vec::new() }
    }

    /// Notes the name of one of its members.
    fn name(&mut self, member: Id, listed: &[KnownMember]) {
        let name = listed.iter().find(|m| m.id == member).map(|m| m.name.to_string()).filter(|n| !n.is_empty());
        self.members.extend(name.filter(|name| !self.members.contains(name)));
    }

    /// `4f1c… (m1 in /srv/a, m2 at http://…)`.
    pub fn words(&self) -> String {
        let mut places: Vec<String> = self.endpoints.clone();
        places.extend(self.dirs.iter().map(|dir| dir.shown().to_string()));
        let names = if self.members.is_empty() { String::new() } else { format!("{}: ", all(&self.members)) };
        format!("{} ({names}{})", self.id, places.join(", "))
    }
}

/// The cluster that is meant, and the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The cluster that is meant, and how that is known; else why it is not.
    meant: Meant,
    /// Every cluster that was seen, in the order of their IDs.
    pub clusters: Vec<Found>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meant {
    Is(Id, By),
    Open(Open),
}

impl Default for Meant {
    fn default() -> Self {
        Meant::Open(Open::Nothing)
    }
}

impl Scope {
    /// Settles it, as far as what was seen does.
    pub fn new(seen: &Evidence<'_>) -> Scope {
        let clusters = clusters(seen);
        let meant = match seen.chosen.filter(|id| clusters.iter().any(|c| c.id == *id)) {
            Some(id) => Meant::Is(id, By::Choice),
            None => meant(seen, &clusters),
        };
        Scope { meant, clusters }
    }

    /// The ID of the cluster that is meant.
    pub fn id(&self) -> Option<Id> {
        match self.meant {
            Meant::Is(id, _) => Some(id),
            Meant::Open(_) => None,
        }
    }

    /// Returns how it is known.
    pub fn by(&self) -> Option<By> {
        match self.meant {
            Meant::Is(_, by) => Some(by),
            Meant::Open(_) => None,
        }
    }

    /// Why it is not known.
    pub fn open(&self) -> Option<Open> {
        match self.meant {
            Meant::Is(..) => None,
            Meant::Open(why) => Some(why),
        }
    }

    /// The clusters that are not meant; none while that is not known.
    pub fn others(&self) -> impl Iterator<Item = &Found> {
        let meant = self.id();
        self.clusters.iter().filter(move |c| meant.is_some_and(|id| id != c.id))
    }

    /// Where what is of this cluster belongs.
    pub fn of_cluster(&self, id: Id) -> Belongs {
        match self.id() {
            Some(meant) if meant == id => Belongs::Meant,
            Some(_) if id != Id(0) => Belongs::Other,
            _ => Belongs::Open,
        }
    }

    /// Where a directory belongs. One that says nothing of a cluster (it is empty, or not there) is open.
    pub fn of_dir(&self, dir: &DirFacts) -> Belongs {
        dir.state.says().map_or(Belongs::Open, |says| self.of_cluster(says.cluster_id))
    }

    /// Where a configuration belongs, by the directory that it names.
    pub fn of_config(&self, config: &ConfigFacts, dirs: &[DirFacts]) -> Belongs {
        dir_of(config, dirs).map_or(Belongs::Open, |dir| self.of_dir(dir))
    }

    /// The directories from which something follows for the cluster that is meant: its own, and while nothing is known of
    /// which cluster is meant, none that is any cluster's.
    pub fn dirs(&self, dirs: &[DirFacts]) -> Vec<DirFacts> {
        let counts = |dir: &&DirFacts| match self.of_dir(dir) {
            Belongs::Meant => true,
            Belongs::Other => false,
            Belongs::Open => dir.state.says().is_none_or(|says| says.cluster_id == Id(0)),
        };
        dirs.iter().filter(counts).cloned().collect()
    }

    /// The answers that count for the cluster that is meant. Where the operator chose it, those of another
    /// cluster do not; where not, all do, and the verdict reports that they are of several.
    pub fn facts(&self, facts: &[EndpointFacts], typed: bool) -> Vec<EndpointFacts> {
        let settled = match self.by() {
            Some(By::Choice) => true,
            Some(By::DataDir) => !typed,
            _ => false,
        };
        let counts = |fact: &&EndpointFacts| {
            !settled || says(fact).is_none_or(|says| self.of_cluster(says.cluster_id) != Belongs::Other)
        };
        facts.iter().filter(counts).cloned().collect()
    }

    /// Why it is not known which cluster is meant, in a sentence; none where it is known or nothing was seen.
    pub fn sentence(&self) -> Option<String> {
        let each: Vec<String> = self.clusters.iter().map(Found::words).collect();
        let count = self.clusters.len();
        Some(match self.open()? {
            Open::Nothing => return None,
            Open::Answers => {
                format!(
                    "It is not known which cluster is meant: members of several clusters answer: {}.",
                    each.join("; ")
                )
            }
            Open::Several => format!(
                "It is not known which cluster is meant: this machine has data of {count} clusters, and no endpoint distinguishes them: {}.",
                each.join("; ")
            ),
            Open::Unlinked => format!(
                "It is not known which cluster is meant: nothing links the {} seen on this machine to the endpoints asked: {}.",
                plural(count, "cluster", "clusters"),
                each.join("; ")
            ),
            Open::Conflict => format!(
                "It is not known which cluster is meant: the endpoints and the data directories given are of different clusters: {}.",
                each.join("; ")
            ),
        })
    }

    /// Why nothing says which cluster is meant, in a clause.
    pub fn why_open(&self) -> String {
        match self.open() {
            None => String::new(),
            Some(Open::Nothing) => {
                "no member answers and no data directory is known, so it is not known which cluster is meant".into()
            }
            Some(Open::Unlinked) => {
                "nothing links the data directories seen to the endpoints asked, so it is not known which cluster is meant"
                    .into()
            }
            Some(Open::Answers) => format!(
                "the members that answer are of {} clusters, and it is not known which one is meant",
                self.clusters.iter().filter(|c| !c.endpoints.is_empty()).count()
            ),
            Some(Open::Several | Open::Conflict) => format!(
                "the data directories are of {} clusters, and it is not known which one is meant",
                self.clusters.len()
            ),
        }
    }
}

/// The directory that a configuration names, among those that were looked at.
pub fn dir_of<'a>(config: &ConfigFacts, dirs: &'a [DirFacts]) -> Option<&'a DirFacts> {
    let data = config.data_dir.as_deref()?;
    dirs.iter().find(|dir| dir.data_dir == data)
}

fn says(fact: &EndpointFacts) -> Option<&MemberStatus> {
    match &fact.answer {
        Answer::Says(says) => Some(says),
        _ => None,
    }
}

fn clusters(seen: &Evidence<'_>) -> Vec<Found> {
    let mut found: BTreeMap<u64, Found> = BTreeMap::new();
    for (fact, says) in seen.facts.iter().filter_map(|f| Some((f, says(f)?))).filter(|(_, s)| s.cluster_id != Id(0)) {
        let cluster = found.entry(says.cluster_id.0).or_insert_with(|| Found::new(says.cluster_id));
        cluster.name(says.member_id, &says.members);
        cluster.endpoints.push(fact.endpoint.clone());
    }
    let read = seen.dirs.iter().filter_map(|d| Some((d, d.state.says()?)));
    for (dir, says) in read.filter(|(_, s)| s.cluster_id != Id(0)) {
        let cluster = found.entry(says.cluster_id.0).or_insert_with(|| Found::new(says.cluster_id));
        cluster.name(says.member_id, &says.members);
        if !cluster.dirs.contains(&dir.data_dir) {
            cluster.dirs.push(dir.data_dir.clone());
        }
    }
    let mut all: Vec<Found> = found.into_values().collect();
    for cluster in &mut all {
        cluster.members.sort_by(|a, b| natural(a, b));
        cluster.endpoints.sort();
        cluster.dirs.sort();
    }
    all
}

fn meant(seen: &Evidence<'_>, clusters: &[Found]) -> Meant {
    let facts = &*of_given(seen.facts, seen.given);
    let answering = ids(facts.iter().filter_map(says).map(|says| says.cluster_id));
    let named_dirs = || seen.dirs.iter().filter(|dir| seen.named.contains(&dir.data_dir));
    let named = ids(named_dirs().filter_map(|d| Some(d.state.says()?.cluster_id)));
    let one = |ids: &BTreeSet<u64>| if ids.len() == 1 { ids.first().map(|id| Id(*id)) } else { None };
    if clusters.is_empty() {
        return Meant::Open(Open::Nothing);
    }
    // An endpoint that was found weighs less than a directory that was named.
    if !seen.typed
        && let Some(id) = one(&named)
    {
        return Meant::Is(id, By::DataDir);
    }
    match (answering.len(), one(&answering), one(&named)) {
        (0, ..) => {}
        (_, Some(id), _) => return meant_by_list(seen, facts, id).unwrap_or(Meant::Is(id, By::Answer)),
        (_, None, Some(id)) if answering.contains(&id.0) => return Meant::Is(id, By::DataDir),
        _ => return Meant::Open(Open::Answers),
    }
    let (linked, by) = linked(seen);
    match (one(&linked), one(&named)) {
        (Some(id), _) if named.is_empty() || named.contains(&id.0) => Meant::Is(id, by),
        (_, Some(id)) if linked.is_empty() || linked.contains(&id.0) => Meant::Is(id, By::DataDir),
        (Some(_), _) | (_, Some(_)) => Meant::Open(Open::Conflict),
        (None, None) if linked.len() + named.len() > 1 => Meant::Open(Open::Several),
        (None, None) => alone(seen),
    }
}

/// Where one cluster answers, and a directory of another one lists endpoints that were asked: the directory's, where it
/// lists more of them, or as many and the operator named it. An etcd without flags lists its own only by chance, so the
/// directory's goes before it in any case.
fn meant_by_list(seen: &Evidence<'_>, facts: &[EndpointFacts], answers: Id) -> Option<Meant> {
    let given = |e: &str| seen.given.is_empty() || seen.given.iter().any(|g| g == e);
    let asked: Vec<&str> = facts.iter().map(|f| f.endpoint.as_str()).filter(|e| given(e)).collect();
    let listed = |lists: Vec<&KnownMember>| -> BTreeSet<&str> {
        asked.iter().copied().filter(|e| lists.iter().any(|m| at(m, e))).collect()
    };
    let own: Vec<&KnownMember> =
        facts.iter().filter_map(says).filter(|s| s.cluster_id == answers).flat_map(|s| &s.members).collect();
    // where it answers it is at home, however that is spelled, unless it is an etcd without flags
    let home = facts.iter().filter(|f| says(f).is_some_and(|s| s.cluster_id == answers)).map(|f| f.endpoint.as_str());
    let mut own = listed(own);
    if answers == DEFAULT_CLUSTER {
        own.clear();
    } else {
        own.extend(home.filter(|e| asked.contains(e)));
    }
    let of = |id: Id| {
        let says = seen.dirs.iter().filter_map(|d| d.state.says()).filter(|s| s.cluster_id == id);
        listed(says.flat_map(|s| &s.members).collect())
    };
    let others = ids(seen.dirs.iter().filter_map(|d| Some(d.state.says()?.cluster_id))).into_iter().map(Id);
    let named = |id: Id| {
        let mut dirs = seen.dirs.iter().filter(|dir| seen.named.contains(&dir.data_dir));
        dirs.any(|dir| dir.state.says().is_some_and(|s| s.cluster_id == id))
    };
    let more = |count: usize, id: Id| count > own.len() || count > 0 && count == own.len() && named(id);
    let counted = others.filter(|id| *id != answers).map(|id| (of(id).len(), id));
    let further: Vec<(usize, Id)> = counted.filter(|(count, id)| more(*count, *id)).collect();
    let (most, found) = further.iter().max()?;
    let only = further.iter().filter(|(count, _)| count == most).count() == 1;
    only.then_some(Meant::Is(*found, By::Listed))
}

/// Where neither an endpoint nor a name says anything: the only cluster that was seen, unless endpoints were named, which
/// then belong to no cluster that was seen.
fn alone(seen: &Evidence<'_>) -> Meant {
    let of = |dirs: Vec<&DirFacts>| ids(dirs.into_iter().filter_map(|d| Some(d.state.says()?.cluster_id)));
    let installed = of(seen.dirs.iter().filter(|dir| !dir.learned_from.is_empty()).collect());
    let ids = if installed.is_empty() { of(seen.dirs.iter().collect()) } else { installed };
    match ids.first() {
        _ if seen.typed && !seen.facts.is_empty() => Meant::Open(Open::Unlinked),
        Some(id) if ids.len() == 1 => Meant::Is(Id(*id), By::Alone),
        _ => Meant::Open(Open::Several),
    }
}

fn ids(ids: impl Iterator<Item = Id>) -> BTreeSet<u64> {
    ids.filter(|id| *id != Id(0)).map(|id| id.0).collect()
}

/// The clusters that an endpoint that was asked points to: what runs and listens there goes before what would be started
/// there, and that before a member list; what is installed or named before what a search found.
fn linked(seen: &Evidence<'_>) -> (BTreeSet<u64>, By) {
    let endpoints: Vec<&str> = seen.facts.iter().map(|f| f.endpoint.as_str()).collect();
    let listens = |runs: bool| {
        let configs = seen.configs.iter().filter(|c| (c.kind == ConfigKind::Process) == runs);
        let here = configs.filter(|c| endpoints.iter().any(|e| serves(c, e, seen.addresses)));
        ids(here.filter_map(|c| Some(dir_of(c, seen.dirs)?.state.says()?.cluster_id)))
    };
    let lists = |known: bool| {
        let known_dir = |d: &&DirFacts| (!d.learned_from.is_empty() || seen.named.contains(&d.data_dir)) == known;
        let says = seen.dirs.iter().filter(known_dir).filter_map(|d| d.state.says());
        ids(says.filter(|s| s.members.iter().any(|m| endpoints.iter().any(|e| at(m, e)))).map(|s| s.cluster_id))
    };
    let found = [
        (listens(true), By::Listens),
        (lists(true), By::Listed),
        (listens(false), By::Listens),
        (lists(false), By::Listed),
    ];
    found.into_iter().find(|(ids, _)| !ids.is_empty()).unwrap_or((BTreeSet::new(), By::Listed))
}

/// Whether an etcd with this configuration serves clients at this endpoint on this machine.
fn serves(config: &ConfigFacts, endpoint: &str, addresses: &[IpAddr]) -> bool {
    let Some((host, port)) = url::place(endpoint) else { return false };
    let here = |host: &str| match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || addresses.contains(&ip),
        Err(_) => host == "localhost",
    };
    let same_host = |own: &str| match own.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => here(&host),
        Ok(ip) if ip.is_loopback() => host == "localhost" || host == own,
        Err(_) if own == "localhost" => host.parse::<IpAddr>().map_or(host == own, |ip| ip.is_loopback()),
        _ => own == host,
    };
    let listen = config.get("listen-client-urls").unwrap_or(url::DEFAULT_CLIENT_URL);
    let urls = listen.split(',').chain(config.get("advertise-client-urls").unwrap_or_default().split(','));
    urls.filter_map(|text| url::place(text.trim())).any(|(own, own_port)| own_port == port && same_host(&own))
}

/// Whether a snapshot's members and a cluster may be the same cluster's: by its ID, where that of the snapshot is known
/// or follows from its voters; else by members with the same IDs.
pub fn same_cluster(source: Option<Id>, members: &[KnownMember], cluster: Id, listed: &[KnownMember]) -> bool {
    match source {
        Some(source) if cluster != Id(0) => source == cluster,
        _ => members.is_empty() || members.iter().any(|m| listed.iter().any(|known| known.id == m.id)),
    }
}

/// True for the database of a data directory.
pub fn is_database(path: &Path) -> bool {
    path.ends_with("member/snap/db")
}
