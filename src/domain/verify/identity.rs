//! Is it the planned cluster, and only that? IDs, the directories they run on, and the old cluster's URLs.

use super::{Case, Check, Outcome, Topic, says};
use crate::domain::model::observations::started::ObservedMember;
use crate::domain::model::old_cluster;
use crate::{
    domain::{
        model::{
            observations::{
                MemberStatus, Source,
                disk::{DirState, Held},
                started::Queried,
            },
            plan::{Member, Plan},
            url,
        },
        preflight::blockers,
    },
    etcd::membership::{Id, cluster_id, member_id},
    text::{Foreign, Shown, join::all, number::plural, quote::shell_word},
};

/// etcd's default of `--initial-cluster-token`.
const DEFAULT_TOKEN: &str = "etcd-cluster";
/// The peer URL of a member whose `--initial-…` flags were left out.
const DEFAULT_PEER: &str = "http://localhost:2380";

/// Whether a member is the one that the plan has in this place.
pub(super) fn planned(plan: &Plan, member: &Member, says: &MemberStatus) -> bool {
    says.cluster_id == plan.cluster_id && who(member, says) == Some(member.id)
}

/// Returns the member that answers. A peer port does not name its member, but lists the members with their URLs.
fn who(member: &Member, says: &MemberStatus) -> Option<Id> {
    if says.heard.iter().any(|source| *source != Source::Peer) {
        return Some(says.member_id).filter(|id| *id != Id(0));
    }
    let at = |urls: &[Foreign]| urls.iter().any(|url| member.peer_urls.iter().any(|own| own == url));
    says.members.iter().find(|m| at(&m.peer_urls)).map(|m| m.id)
}

/// Cluster and member IDs.
pub(super) fn ids(case: Case<'_>) -> Check {
    let (mut wrong, mut todo, mut silent, mut who_fails) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (member, seen) in case.members() {
        match says(seen) {
            Some(says) if planned(case.plan, member, says) => {
                // asked once more at the same URL
                if let Queried::Is(rows) = &seen.stored
                    && !super::own(case, member, rows)
                {
                    wrong.push(format!(
                        "two members answer alternately at {}'s URL {}: {} and member {} of cluster {}",
                        member.name, seen.endpoint, member.name, rows.member_id, rows.cluster_id
                    ));
                    who_fails.push(member.name.as_str());
                    todo.push(
                        "Find out what else listens there (`ss -ltnp`; a load balancer?), and stop it.".to_string(),
                    );
                }
            }
            // answered at a port that does not name its member
            Some(says) if says.cluster_id == Id(0) => silent.push(member.name.clone()),
            Some(says) if says.cluster_id == case.plan.cluster_id && who(member, says).is_none() => {
                silent.push(member.name.clone());
            }
            Some(says) => {
                let (what, what_now) = stranger(case, member, seen, says);
                wrong.push(what);
                who_fails.push(member.name.as_str());
                if !todo.contains(&what_now) {
                    todo.push(what_now);
                }
            }
            None => silent.push(member.name.clone()),
        }
    }
    if !wrong.is_empty() {
        return Check { todo, ..Check::new(Topic::Identity, Outcome::Fail, wrong.join("; ")).who(who_fails) };
    }
    if !silent.is_empty() {
        return Check::new(Topic::Identity, Outcome::NotYet, format!("no answer from {}", all(&silent)));
    }
    let words = format!("cluster {} and the IDs of all members as planned", case.plan.cluster_id);
    Check::new(Topic::Identity, Outcome::Pass, words)
}

/// Returns what answers in a member's place, and what to do about it.
fn stranger(case: Case<'_>, member: &Member, seen: &ObservedMember, says: &MemberStatus) -> (String, String) {
    let (plan, old) = (case.plan, &case.seen.old);
    let name = &member.name;
    let id = who(member, says);
    let shown = id.map_or_else(|| "a member".to_string(), |id| format!("member {id}"));
    let found = format!("{shown} of cluster {}", says.cluster_id);
    let stop =
        |more: &str| format!("Stop it now: what clients read and write there is not in the plan's cluster. {more}");
    let again = stop(&format!("Then restore {name} from the plan and start it with the plan's own command."));
    let newer =
        |else_: &str| format!("Was a newer plan applied to this member? Then verify that plan. Otherwise: {else_}");
    let is = |peers: &[String], token: &str| id == Some(member_id(peers, token));
    let default_peer = [DEFAULT_PEER.to_string()];
    let alone = |id: Id| cluster_id(&[id]) == says.cluster_id;
    if says.cluster_id == plan.cluster_id {
        let other = plan.members.iter().find(|m| Some(m.id) == id);
        let who = other.map_or_else(|| found.clone(), |m| format!("{}, {found},", m.name));
        let what = format!("{who} answers at {name}'s URL {}", seen.endpoint);
        return (what, format!("Compare the listen and advertise URLs of both; {name} itself did not answer."));
    }
    if id.is_some_and(|id| old.members.iter().any(|m| m.id == id)) || old.clusters.contains(&says.cluster_id) {
        let what = format!("{name}'s place is taken by the old cluster: {found} answers at {}", seen.endpoint);
        let held = seen.dir.as_ref().is_some_and(|dir| dir.held.is_held());
        let log =
            seen.process.as_ref().and_then(|p| p.wal_dir.as_ref()).filter(|log| Some(*log) != member.wal_dir.as_ref());
        // the log in the directory itself is the old one
        let own = seen.dir.as_ref().and_then(|dir| dir.state.says()).map(|own| own.cluster_id);
        let more = match (held, log) {
            (true, None) if own == Some(says.cluster_id) => format!(
                "{} holds the old cluster's data and is in use: the plan was not applied to it, or was rolled back. Restore \
                 {name} from the plan once it is stopped.",
                member.data_dir.shown()
            ),
            (true, log) => format!(
                "The restored directory {} is in use with an old log{}: --wal-dir was left as it was. Restore {name} again, \
                 since the old log was replayed into it, and start it with the plan's own command.",
                member.data_dir.shown(),
                log.map(|log| format!(", {}", log.shown())).unwrap_or_default()
            ),
            (false, _) => format!(
                "Either the old etcd still runs there, or {name} was started with the old --data-dir or --wal-dir."
            ),
        };
        return (what, stop(&more));
    }
    if is(&default_peer, DEFAULT_TOKEN) {
        let what = format!(
            "{name} was restored with etcd's defaults ({found}): without --name, --initial-cluster, \
             --initial-advertise-peer-urls and --initial-cluster-token each member forms its own cluster"
        );
        return (what, again);
    }
    if is(&member.peer_urls, DEFAULT_TOKEN) {
        let what = format!(
            "{name} was restored with etcd's default token {DEFAULT_TOKEN}, not the plan's {} ({found})",
            plan.token
        );
        return (what, again);
    }
    if is(&member.peer_urls, &plan.token) {
        let what = match id.is_some_and(alone) {
            true => format!("{name} was restored with itself alone in --initial-cluster ({found})"),
            false => format!("{name} was restored with another --initial-cluster than the plan's ({found})"),
        };
        return (what, again);
    }
    if says.members.iter().any(|m| m.peer_urls.iter().any(|url| member.peer_urls.iter().any(|own| own == url))) {
        let what = format!("{name} was restored with another token than the plan's {} ({found})", plan.token);
        return (what, newer(&again));
    }
    (format!("another cluster answers at {name}'s URL {}: {found}", seen.endpoint), newer(&again))
}

/// Returns the old cluster's endpoints at addresses that the plan does not use: what answers at the plan's own is
/// recognised by its ID.
pub fn old_doors(plan: &Plan, old: &old_cluster::Old) -> Vec<old_cluster::Endpoint> {
    let urls = plan.members.iter().flat_map(|m| m.client_urls.iter().chain(&m.peer_urls));
    let own: Vec<_> = urls.filter_map(|url| url::place(url)).collect();
    let doors = old_cluster::doors(plan, old).into_iter().filter(|door| door.old);
    doors.filter(|door| url::place(&door.url).is_none_or(|at| !own.contains(&at))).collect()
}

/// Old members at URLs that the plan does not have.
pub(super) fn old(case: Case<'_>) -> Option<Check> {
    if case.seen.doors.is_empty() {
        return None;
    }
    let seen = blockers::Observations { doors: case.seen.doors.clone(), ..blockers::Observations::default() };
    let fences = blockers::fences(case.plan, &case.seen.old, &seen);
    let (alive, dim): (Vec<_>, Vec<_>) = fences.iter().partition(|fence| fence.typed.is_some());
    let words = |list: &[&blockers::Blocker]| list.iter().map(|f| f.sentence()).collect::<Vec<_>>().join("; ");
    if !alive.is_empty() {
        return Some(
            Check::new(Topic::Old, Outcome::Fail, words(&alive))
                .todo("Stop it for good: it serves old data to every client that still uses its URL.")
                .todo(
                    "`systemctl disable --now etcd`; a static pod: move its manifest out of /etc/kubernetes/manifests.",
                ),
        );
    }
    if !dim.is_empty() {
        return Some(Check::new(Topic::Old, Outcome::Unknown, words(&dim)).aside());
    }
    let words = "nothing answers at the URLs that only the old cluster had";
    Some(Check::new(Topic::Old, Outcome::Pass, words).aside())
}

/// Checks whether members run on the restored directories, where these are on this machine.
pub(super) fn directories(case: Case<'_>) -> Option<Check> {
    if case.seen.simulated || case.seen.members.iter().all(|seen| seen.dir.is_none()) {
        return None;
    }
    let (mut wrong, mut todo, mut unknown, mut waits, mut right) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut who, mut elsewhere_up) = (Vec::new(), Vec::new());
    for (member, seen) in case.members() {
        let Some(dir) = &seen.dir else { continue };
        let (name, path) = (&member.name, member.data_dir.shown());
        let up = says(seen).is_some_and(|says| planned(case.plan, member, says));
        let whose = dir.state.says().map(|s| (s.cluster_id, s.member_id));
        let elsewhere = seen.process.as_ref().filter(|process| process.data_dir != member.data_dir);
        if let Some(process) = elsewhere.filter(|_| !dir.held.is_held()) {
            who.push(name.as_str());
            wrong.push(format!(
                "{name} (process {}) runs on {}, not on its restored directory {path}",
                process.pid,
                process.data_dir.shown()
            ));
            todo.push(format!(
                "If its data is right, put that directory into its start command. Otherwise stop all members and start them \
                 together, {name} with --data-dir={}: started alone it would return with fewer log entries than the others \
                 rely on, and panic.",
                shell_word(&member.data_dir.to_string_lossy())
            ));
            continue;
        }
        match &dir.held {
            _ if whose.is_some_and(|ids| ids == Default::default()) => {
                who.push(name.as_str());
                wrong.push(format!("{name}'s directory {path} is not what was restored: its log names no member"));
                todo.push(format!(
                    "etcd was started on it while it was empty. Move it aside and restore {name} from the plan."
                ));
            }
            _ if whose.is_some_and(|ids| ids != (case.plan.cluster_id, member.id)) => {
                let (cluster, id) = whose.unwrap_or_default();
                who.push(name.as_str());
                wrong.push(format!(
                    "{name}'s directory {path} holds member {id} of cluster {cluster}, not what the plan restores"
                ));
                todo.push(format!("Stop what runs on it, move it aside and restore {name} from the plan."));
            }
            Held::By { .. } => right.push(name.clone()),
            Held::Unknown(why) => unknown.push(format!("{name}: {why}")),
            Held::No if up => elsewhere_up.push(name.clone()),
            Held::No if matches!(dir.state, DirState::Absent | DirState::Empty) => {
                waits.push(format!("{name}'s directory {path} {}", dir.words()));
            }
            Held::No => waits.push(format!("nothing runs on {name}'s directory {path}")),
        }
    }
    if !elsewhere_up.is_empty() {
        let many = elsewhere_up.len();
        let (answers, its) = (plural(many, "answers", "answer"), plural(many, "its directory", "their directories"));
        unknown.push(format!("{} {answers}, and no process on this machine holds {its}", all(&elsewhere_up)));
    }
    let (outcome, words) = match () {
        () if !wrong.is_empty() => (Outcome::Fail, wrong.join("; ")),
        () if !waits.is_empty() => (Outcome::NotYet, waits.join("; ")),
        () if !unknown.is_empty() => (Outcome::Unknown, unknown.join("; ")),
        () => (
            Outcome::Pass,
            format!("{} on the restored {}", all(&right), if right.len() == 1 { "one" } else { "ones" }),
        ),
    };
    Some(Check { todo, ..Check::new(Topic::Directories, outcome, words).who(who).aside() })
}
