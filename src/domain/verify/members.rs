//! Who is a member, who leads, and whether the cluster serves.

use super::{Case, Check, MemberCheck, Outcome, Topic, data, identity, names, shown};
use crate::domain::model::observations::started::ObservedMember;
use crate::{
    domain::model::{
        observations::{Answer, Hashed, LeaderState, MemberStatus, NoAnswer, Read, disk::DirState},
        plan::Member,
    },
    etcd::membership::Id,
    text::{
        Shown,
        join::all,
        number::{plural, thousands},
    },
};

/// Checks one member, in a line.
pub(super) fn stand(case: Case<'_>, member: &Member, seen: &ObservedMember) -> MemberCheck {
    let (outcome, words) = match &seen.answer {
        Answer::Asking => (Outcome::NotYet, "is being asked".to_string()),
        Answer::Silent { why, .. } => (Outcome::NotYet, format!("no answer: {why}{}", on_disk(seen))),
        Answer::Says(says) if !identity::planned(case.plan, member, says) && says.cluster_id != Id(0) => {
            (Outcome::Fail, format!("answers as member {} of cluster {}", says.member_id, says.cluster_id))
        }
        Answer::Says(says) => match &says.closed {
            Some(why) => (Outcome::NotYet, shut(case, member, seen, says, why)),
            None if says.version.is_empty() => {
                let why = says.errors.first().map_or("", String::as_str);
                (
                    Outcome::NotYet,
                    format!("requires authentication ({why}): give --user and --password, or a client certificate"),
                )
            }
            None => (if says.has_leader() { Outcome::Pass } else { Outcome::NotYet }, running(says)),
        },
    };
    let ours = match &seen.answer {
        Answer::Says(says) if says.closed.is_none() && identity::planned(case.plan, member, says) => Some(says),
        _ => None,
    };
    MemberCheck {
        name: member.name.clone(),
        endpoint: seen.endpoint.clone(),
        outcome,
        words,
        brief: ours.map(|says| format!("{}, term {}, etcd {}", role(says), says.raft_term, says.version)),
        serves: ours.is_some_and(|says| says.read == Read::Served),
        revision: ours.map(|says| says.revision).filter(|revision| *revision > 0),
        hash: ours.and_then(|says| match says.hash {
            Hashed::Says { hash, .. } => Some(hash),
            _ => None,
        }),
    }
}

/// Describes a member that answers only at its peer port. etcd opens the client port once its own name went through the log
/// (`etcdserver/server.go`, `publish`, 3.4 to 3.7), so that it stays closed on a member that cannot follow the existing leader.
fn shut(case: Case<'_>, member: &Member, seen: &ObservedMember, says: &MemberStatus, why: &NoAnswer) -> String {
    let led: Vec<&Member> = case.ours().iter().filter(|(_, _, says)| says.has_leader()).map(|(m, ..)| *m).collect();
    let quorum = led.len() > case.plan.members.len() / 2;
    if !quorum || !case.seen.over {
        return format!("running, waiting for the others; client port: {why}");
    }
    let at = member.peer_urls.first().map_or("", String::as_str);
    let log = match seen.dir.as_ref().and_then(|dir| dir.state.says()) {
        Some(disk) => format!(", its log on disk is at {}/{}", disk.last_term, thousands(disk.last_index)),
        None => String::new(),
    };
    let ours = case.ours();
    let leaders = ours.iter().map(|(_, _, says)| (says.raft_term, says.raft_index)).max();
    let leaders = leaders.map_or_else(String::new, |(term, index)| format!(" (log {term}/{})", thousands(index)));
    format!(
        "running, waiting for the others; client port: {why}, although {} have a leader{leaders}; at its peer URL {at} it answers \
         as a member of cluster {}{log}: it cannot follow their log (left from another run of the plan, or restored \
         differently), or it listens elsewhere (--listen-client-urls); its own log shows which",
        names(&led),
        says.cluster_id,
    )
}

/// Returns what the disk shows about a member that does not answer.
fn on_disk(seen: &ObservedMember) -> String {
    match seen.dir.as_ref() {
        Some(dir) if dir.held.is_held() => "; a process uses its data directory".into(),
        Some(dir) if matches!(dir.state, DirState::Absent | DirState::Empty) => {
            format!("; {} {}", dir.data_dir.shown(), dir.words())
        }
        Some(_) => "; no process uses its data directory".into(),
        None => String::new(),
    }
}

fn role(says: &MemberStatus) -> &'static str {
    match says.leader_state() {
        _ if says.is_learner => "learner",
        LeaderState::Unknown => "leader unknown",
        LeaderState::None => "no leader",
        LeaderState::Named(id) if id == says.member_id => "leader",
        LeaderState::Named(_) | LeaderState::Unnamed => "follower",
    }
}

fn running(says: &MemberStatus) -> String {
    let role = role(says);
    format!(
        "{role}, term {}, log {}/{}, revision {}, etcd {}",
        says.raft_term,
        thousands(says.raft_applied),
        thousands(says.raft_index),
        shown(says.revision),
        says.version
    )
}

/// Checks the member lists of all that answer against the plan.
pub(super) fn members(case: Case<'_>) -> Check {
    let plan = case.plan;
    let (mut wrong, mut todo, mut waits, mut untold) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut locked, mut who) = (false, Vec::new());
    for (teller, _, says) in case.ours() {
        if says.members.is_empty() {
            locked |= says.list_refused;
            untold.push(teller.name.clone());
            continue;
        }
        let say = |list: &mut Vec<String>, what: String| {
            if !list.contains(&what) {
                list.push(what);
            }
        };
        // with the plan's cluster ID only --force-new-cluster makes such a list (`etcdserver/bootstrap.go`)
        let alone = plan.members.len() > 1 && says.members.iter().all(|m| m.id == teller.id);
        if alone {
            who.push(teller.name.as_str());
            say(&mut wrong, format!("{} lists itself alone: it was started with --force-new-cluster", teller.name));
            say(&mut todo, data::STOP.into());
            say(
                &mut todo,
                "Members that reach it consider themselves removed: make the plan again (`requorum plan --again`), apply the \
                 new plan, and start all members with its own commands."
                    .into(),
            );
            continue;
        }
        for member in &plan.members {
            let name = &member.name;
            let Some(listed) = says.members.iter().find(|m| m.id == member.id) else {
                say(&mut wrong, format!("{} does not list {name}", teller.name));
                continue;
            };
            let (mut theirs, mut planned) = (listed.peer_urls.clone(), member.peer_urls.clone());
            theirs.sort();
            planned.sort();
            match () {
                () if listed.is_learner => {
                    say(&mut wrong, format!("{name} is a learner and has no vote"));
                    say(&mut todo, format!("`etcdctl --endpoints={} member promote {}`", case.endpoints(), member.id));
                }
                () if theirs != planned => {
                    say(&mut wrong, format!("{name} is listed at {}, not at {}", theirs.join(","), planned.join(",")));
                }
                () if listed.name.is_empty() => say(&mut waits, format!("{name} has not started")),
                () if listed.name != *name => {
                    say(&mut wrong, format!("{name} calls itself {}", listed.name));
                    say(&mut todo, format!("Start it with --name={name}, as the plan has it."));
                }
                () => {}
            }
        }
        for extra in says.members.iter().filter(|m| !plan.members.iter().any(|p| p.id == m.id)) {
            say(&mut wrong, format!("member {} at {} is not in the plan", extra.id, extra.peer_urls.join(",")));
            say(&mut todo, format!("If you did not add it since the restore: `etcdctl member remove {}`", extra.id));
        }
    }
    let count = plan.members.len();
    let (outcome, words) = match () {
        () if !wrong.is_empty() => (Outcome::Fail, wrong.join("; ")),
        () if !waits.is_empty() => (Outcome::NotYet, waits.join("; ")),
        () if !untold.is_empty() => (
            Outcome::NotYet,
            format!(
                "{} {} not report the member list{}",
                all(&untold),
                plural(untold.len(), "does", "do"),
                if locked { ": authentication is enabled, give --user and --password of root" } else { "" }
            ),
        ),
        () => match case.passed() {
            Outcome::Pass => {
                (Outcome::Pass, format!("{count} of {count} started, voters, named and reached as planned"))
            }
            other => (other, format!("no member list from {}", all(&case.others()))),
        },
    };
    Check { todo, ..Check::new(Topic::Members, outcome, words).who(who) }
}

/// Checks that all name the same leader.
pub(super) fn leader(case: Case<'_>) -> Check {
    let ours = case.ours();
    // Whom each names, and whether it has one at all: metrics report that much without a password.
    let mut named: Vec<(LeaderState, Vec<&Member>)> = Vec::new();
    for (member, _, says) in &ours {
        let whom = says.leader_state();
        match named.iter_mut().find(|(known, _)| *known == whom) {
            Some((_, who)) => who.push(member),
            None => named.push((whom, vec![member])),
        }
    }
    let name =
        |id: Id| case.plan.members.iter().find(|m| m.id == id).map_or_else(|| id.to_string(), |m| m.name.clone());
    let words = |whom: LeaderState, who: &[&Member]| match whom {
        LeaderState::Unknown => format!("{} {} not report it", names(who), plural(who.len(), "does", "do")),
        LeaderState::None => format!("{} {} none", names(who), plural(who.len(), "knows", "know")),
        LeaderState::Unnamed => format!(
            "{} {} one but {} not report which",
            names(who),
            plural(who.len(), "has", "have"),
            plural(who.len(), "does", "do")
        ),
        LeaderState::Named(id) => format!("{} {} {}", names(who), plural(who.len(), "names", "name"), name(id)),
    };
    match named.as_slice() {
        [] => Check::new(Topic::Leader, Outcome::NotYet, "no member that could name one answers"),
        [(LeaderState::Named(id), _)] => {
            let terms: Vec<u64> = ours.iter().map(|(_, _, says)| says.raft_term).collect();
            let term = terms.iter().max().copied().unwrap_or_default();
            Check::new(
                Topic::Leader,
                case.passed(),
                match case.passed() {
                    Outcome::Pass => format!("{}, term {term}, named by all", name(*id)),
                    _ => format!("{}, term {term}; no answer yet: {}", name(*id), all(&case.others())),
                },
            )
        }
        several => {
            let said = several.iter().map(|(whom, who)| words(*whom, who));
            Check::new(Topic::Leader, Outcome::NotYet, said.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Checks a linearizable read through each member.
pub(super) fn reads(case: Case<'_>) -> Check {
    let mut failed = Vec::new();
    for (member, _, says) in case.ours() {
        match &says.read {
            Read::Served => {}
            Read::NotAsked => failed.push(format!("{}: no leader to ask for it", member.name)),
            Read::Failed(why) => failed.push(format!("{}: {why}", member.name)),
        }
    }
    match (failed.is_empty(), case.passed()) {
        (true, Outcome::Pass) => Check::new(Topic::Reads, Outcome::Pass, "a linearizable read through each member"),
        (true, other) => Check::new(Topic::Reads, other, format!("no answer yet: {}", all(&case.others()))),
        (false, _) => Check::new(Topic::Reads, Outcome::NotYet, failed.join("; ")),
    }
}
