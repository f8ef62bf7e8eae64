//! What must not keep running next to a restored cluster: old members that still answer, directories in use, and what
//! would start an old etcd again: what blocks by the answers ([`fences`]).
//!
//! A member that was declared lost but still runs keeps serving the old data to its clients, and may mix with the new
//! members where they share a token. So every such answer blocks until what answers is stopped, or until a text that is
//! not typed by habit overrides it.

#[cfg(test)]
pub(crate) mod tests;

use crate::domain::members::token::Shared;
use std::path::Path;

pub use crate::domain::preflight::blocker::{Blocker, Lift};
use crate::{
    domain::model::{
        observations::{
            config::{ConfigFacts, ConfigKind, Origin},
            disk::{DirFacts, DirState, Held},
        },
        old_cluster::{Endpoint, EndpointKind, Old, ProbeResult},
        plan::{Member, Plan},
        revisions, url,
    },
    error::Remedy,
    text::{join::all, quote::shell_word},
};
use crate::{etcd::membership::Id, text::Shown};

/// Everything observed before a plan is executed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observations {
    /// Every endpoint and its probe result.
    pub doors: Vec<(Endpoint, ProbeResult)>,
    /// The plan's directories on this machine.
    pub targets: Vec<DirFacts>,
    /// How etcds are started on this machine, each with its directory where one is known.
    pub configs: Vec<(ConfigFacts, Option<DirFacts>)>,
    /// Old members that are stopped before anything is installed.
    pub halted: Vec<Id>,
    /// Clients that keep revisions and have data in the snapshot.
    pub clients: Vec<revisions::Client>,
}

/// Returns what follows from the observations: blockers first, then warnings.
pub fn fences(plan: &Plan, old: &Old, seen: &Observations) -> Vec<Blocker> {
    // With the old token and the old URLs the IDs are the old ones: then an ID shows nothing.
    let same_ids =
        old.clusters.contains(&plan.cluster_id) || plan.members.iter().any(|m: &Member| old.has_member(m.id));
    let new = if same_ids { None } else { Some(plan.cluster_id) };
    let (living, mut out): (Vec<Vec<Id>>, Vec<Blocker>) =
        households(&seen.doors).iter().filter_map(|house| Some((house.members(), house.fence(new)?))).unzip();
    for (_, fence) in living.iter().zip(&mut out).filter(|(ids, _)| is_halted(ids, &seen.halted)) {
        fence.lift = "It is stopped before anything is installed, and then checked again.".into();
        fence.typed = None;
    }
    for dir in &seen.targets {
        out.extend(held(dir, "where a member is to be restored"));
    }
    for (config, dir) in &seen.configs {
        let dir = dir.as_ref();
        let said = dir.and_then(|d| d.state.says());
        let is_new = said.is_some_and(|s| Some(s.cluster_id) == new);
        let is_old =
            said.is_some_and(|s| old.has_member(s.member_id) || old.clusters.contains(&s.cluster_id)) && !is_new;
        let target = dir.is_some_and(|d| touches(plan, &d.data_dir));
        if let Some(fence) = dir.filter(|_| is_old && !target).and_then(|dir| held(dir, "an old member's")) {
            // one that answers is one blocker, with its process as further evidence
            let known = living.iter().position(|ids| said.is_some_and(|s| ids.contains(&s.member_id)));
            match known.and_then(|at| out.get_mut(at)) {
                Some(same) => same.evidence.push(format!("{}: {}", fence.what, fence.evidence.join("; "))),
                None => out.push(fence),
            }
        }
        // another cluster's etcd on the same machine does not matter here
        let other = said.is_some() && !is_old && !target;
        if config.kind != ConfigKind::Process && !other && !is_new {
            out.extend(automation(config));
        }
    }
    // What is wrong with the plan itself comes first.
    out.splice(0..0, shared_ids(&Shared::of_plan(plan, old)).into_iter().chain(reused(plan, new, seen)));
    out.sort_by_key(|fence| fence.typed.is_none());
    let mut met: Vec<(String, Option<String>)> = Vec::new();
    out.retain(|fence| {
        let key = (fence.what.clone(), fence.typed.clone());
        let first = !met.contains(&key);
        met.push(key);
        first
    });
    out
}

/// Returns the revisions that the old cluster is known to have issued and that the new one issues again: by the plan, and
/// by the members' current answers.
fn reused(plan: &Plan, new: Option<Id>, seen: &Observations) -> Option<Blocker> {
    let answers = seen.doors.iter().filter(|(door, _)| door.old).filter_map(|(door, heard)| match heard {
        ProbeResult::Etcd { cluster, revision: Some(revision), .. } if new.is_none() || *cluster != new => {
            Some(revisions::KnownRevision { revision: *revision, from: door.whose.clone() })
        }
        _ => None,
    });
    let newest = answers.chain(plan.revisions.newest.clone()).max_by_key(|known| known.revision)?;
    twice(plan, &seen.clients, &newest)
}

/// Returns the blocker for a plan whose IDs are those of the old cluster.
fn shared_ids(ids: &Shared) -> Option<Blocker> {
    Some(Blocker {
        what: ids.sentence()?,
        evidence: Vec::new(),
        lift: Lift::from("Make the plan with another token.").by(Remedy::NewToken),
        typed: ids.override_text(),
    })
}

/// Returns the blocker for a revision of the old cluster that the restored one issues again. Where no client is known to keep
/// revisions, it only warns.
pub fn twice(plan: &Plan, clients: &[revisions::Client], known: &revisions::KnownRevision) -> Option<Blocker> {
    let count = revisions::twice(plan, known.revision)?;
    let what = revisions::twice_words(&known.from, known.revision, count);
    Some(match clients.is_empty() {
        true => Blocker {
            what,
            evidence: vec!["the snapshot holds no data of a client known to keep revisions".into()],
            lift: Lift::from("Restart clients that watch.").by(Remedy::BumpRevision),
            typed: None,
        },
        false => Blocker {
            what,
            evidence: vec![revisions::consequence(clients)],
            lift: Lift::from("Make the plan again with that bump.").by(Remedy::TakeBump),
            typed: Some(revisions::override_text(plan)),
        },
    })
}

/// Whether all who answered there are stopped.
fn is_halted(ids: &[Id], halted: &[Id]) -> bool {
    !ids.is_empty() && ids.iter().all(|id| halted.contains(id))
}

fn touches(plan: &Plan, dir: &Path) -> bool {
    plan.members.iter().any(|m| m.data_dir == dir || m.wal_dir.as_deref() == Some(dir))
}

/// The endpoints of one member, under any name.
struct EndpointGroup<'a> {
    whose: &'a str,
    old: bool,
    doors: Vec<(&'a Endpoint, &'a ProbeResult)>,
}

/// Endpoints that belong together: of one name, or at one place.
fn households(doors: &[(Endpoint, ProbeResult)]) -> Vec<EndpointGroup<'_>> {
    let mut out: Vec<EndpointGroup<'_>> = Vec::new();
    for (door, heard) in doors {
        let at = url::place(&door.url);
        let same_place = |house: &EndpointGroup<'_>| house.doors.iter().any(|(d, _)| url::place(&d.url) == at);
        let same_name = |house: &EndpointGroup<'_>| house.whose == door.whose && house.old == door.old;
        let found = out.iter().position(same_place).or_else(|| out.iter().position(same_name));
        match found.and_then(|i| out.get_mut(i)) {
            Some(house) => {
                house.old |= door.old;
                house.doors.push((door, heard));
            }
            None => out.push(EndpointGroup { whose: &door.whose, old: door.old, doors: vec![(door, heard)] }),
        }
    }
    out
}

impl EndpointGroup<'_> {
    /// Returns the members that answered at these endpoints.
    fn members(&self) -> Vec<Id> {
        let of = |heard: &ProbeResult| if let ProbeResult::Etcd { member, .. } = heard { *member } else { None };
        self.doors.iter().filter_map(|(_, heard)| of(heard)).collect()
    }

    /// Returns the blocker at these endpoints; `new` is the planned cluster's ID where it differs from the old one's.
    fn fence(&self, new: Option<Id>) -> Option<Blocker> {
        let etcd = |wanted: &dyn Fn(Option<Id>) -> bool| {
            self.doors.iter().any(|(_, heard)| matches!(heard, ProbeResult::Etcd { cluster, .. } if wanted(*cluster)))
        };
        // A member that an earlier run restored and that was started since: an answer that shows less does not speak against it.
        if etcd(&|cluster| cluster.is_some() && cluster == new) && !etcd(&|cluster| cluster.is_some() && cluster != new)
        {
            return None;
        }
        let lives = |heard: &ProbeResult| matches!(heard, ProbeResult::Etcd { .. } | ProbeResult::Unidentified(_));
        let living: Vec<_> = self.doors.iter().filter(|(_, heard)| lives(heard)).collect();
        if let Some((first, _)) = living.first() {
            let host = host(&first.url);
            let what = if self.old {
                format!("{} of the old cluster still answers on {host}", self.whose)
            } else {
                format!("something already answers on {host}, where {} is to listen", self.whose)
            };
            return Some(Blocker {
                what,
                evidence: living.iter().map(|(door, heard)| said(door, heard)).collect(),
                lift: Lift::then_ask(
                    "Stop it there for good (`systemctl disable --now etcd`; a static pod: move its manifest out of \
                     /etc/kubernetes/manifests)",
                ),
                typed: Some(format!("{}@{host}", self.whose)),
            });
        }
        let dim: Vec<String> = self
            .doors
            .iter()
            .filter(|(_, heard)| matches!(heard, ProbeResult::Unclear(_) | ProbeResult::Stranger(_)))
            .map(|(door, heard)| said(door, heard))
            .collect();
        // At addresses that only the plan uses, silence is fine: only what answers there is in its way.
        (self.old && !dim.is_empty()).then(|| Blocker {
            what: format!("it is unknown from here whether {} of the old cluster still runs", self.whose),
            evidence: dim,
            lift: "Make sure that its host is off, or that etcd is stopped there and stays stopped.".into(),
            typed: None,
        })
    }
}

fn host(url: &str) -> String {
    url::place(url).map_or_else(|| url.to_string(), |(host, _)| host)
}

/// `client URL http://…: member 3c50 of cluster 4f1c, etcd 3.5.30`.
fn said(door: &Endpoint, heard: &ProbeResult) -> String {
    let words = match heard {
        ProbeResult::Refused => "connection refused".to_string(),
        ProbeResult::Unclear(why) => why.clone(),
        ProbeResult::Stranger(what) => format!("not etcd: {what}"),
        ProbeResult::Unidentified(what) => format!("accepts connections, {what}"),
        ProbeResult::Etcd { cluster, member, version, .. } => {
            let mut parts = Vec::new();
            match (member, cluster) {
                (Some(member), Some(cluster)) => parts.push(format!("member {member} of cluster {cluster}")),
                (None, Some(cluster)) => parts.push(format!("a member of cluster {cluster}")),
                _ => parts.push("a member that does not report its cluster".into()),
            }
            if !version.is_empty() {
                parts.push(format!("etcd {version}"));
            }
            parts.join(", ")
        }
    };
    let kind = match door.kind {
        EndpointKind::Client => "client",
        EndpointKind::Peer => "peer",
    };
    format!("{kind} URL {}: {words}", door.url)
}

/// Returns the blocker for a directory that a process uses.
fn held(dir: &DirFacts, which: &str) -> Option<Blocker> {
    let path = dir.data_dir.shown().to_string();
    match &dir.held {
        Held::No => None,
        Held::By { pid, program } => {
            let program = if program.is_empty() { "a process" } else { program };
            let who = match pid {
                Some(pid) => format!("{program}, process {pid}"),
                None => format!("{program} that this user cannot see"),
            };
            let end = pid.map_or_else(
                || {
                    format!(
                        "`fuser -v {}` as root names it",
                        shell_word(&dir.data_dir.join("member/snap/db").to_string_lossy())
                    )
                },
                |pid| format!("`kill {pid}` ends it where nothing starts it again"),
            );
            Some(Blocker {
                what: format!("{path} is in use by a process, {which}"),
                evidence: vec![who],
                lift: Lift::then_ask(format!("Stop the etcd that runs on it: {end}")),
                typed: Some(path),
            })
        }
        Held::Unknown(_) if dir.state == DirState::Absent => None,
        Held::Unknown(why) => Some(Blocker {
            what: format!("it is unknown whether {path} is in use by a process, {which}"),
            evidence: vec![why.clone()],
            lift: "Make sure that no etcd runs on it.".into(),
            typed: None,
        }),
    }
}

/// Returns the warning about what would start an etcd again.
fn automation(config: &ConfigFacts) -> Vec<Blocker> {
    let place = match &config.origin {
        Origin::File(path) => path.shown().to_string(),
        Origin::Process(pid) => format!("process {pid}"),
    };
    let active = config.automation.iter().filter(|a| a.active);
    active
        .map(|a| Blocker {
            what: a.what.clone(),
            evidence: if a.names_file { Vec::new() } else { vec![place.clone()] },
            lift: if a.pause.is_empty() { Lift::default() } else { format!("Pause it: `{}`", a.pause).into() },
            typed: None,
        })
        .collect()
}

/// Returns the result in one sentence: `m1, m2 and m3 of the old cluster: none answers`.
pub fn summary(seen: &Observations, fences: &[Blocker], overridden: &[String]) -> String {
    let mut whose: Vec<String> = Vec::new();
    for (door, _) in seen.doors.iter().filter(|(door, _)| door.old) {
        if !whose.contains(&door.whose) {
            whose.push(door.whose.clone());
        }
    }
    let blocking = fences.iter().filter(|fence| fence.blocks(overridden)).count();
    let halted =
        |heard: &ProbeResult| matches!(heard, ProbeResult::Etcd { member: Some(id), .. } if seen.halted.contains(id));
    let result = match (blocking, fences.iter().filter(|f| f.typed.is_some()).count()) {
        (0, 0) if seen.doors.iter().any(|(_, heard)| halted(heard)) => {
            "none answers, except what is stopped first".to_string()
        }
        (0, 0) => "none answers".to_string(),
        (0, 1) => "one blocker was overridden".to_string(),
        (0, many) => format!("{many} blockers were overridden"),
        (1, _) => "1 blocker".to_string(),
        (many, _) => format!("{many} blockers"),
    };
    if whose.is_empty() {
        return format!("No old member is known; {result}");
    }
    format!("{} of the old cluster: {result}", all(&whose))
}
