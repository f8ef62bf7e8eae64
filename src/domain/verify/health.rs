//! Can it go on serving? Alarms, size, versions, a write, and watches from before a bump.

use super::{Case, Check, Ours, Outcome, Topic, names, shown};
use crate::{
    domain::model::{
        observations::{
            Alarm,
            started::{Canary, Queried, Watched},
        },
        plan::Member,
    },
    etcd::version::NOT_DECIDED,
    text::{join::all, number::plural, size::exact},
};

/// Checks alarms, as each member reports them and as the cluster lists them.
pub(super) fn alarms(case: Case<'_>) -> Check {
    let ours = case.ours();
    let mut raised: Vec<Alarm> = ours.iter().flat_map(|(_, _, says)| says.alarms.clone()).collect();
    if let Queried::Is(listed) = &case.seen.alarms {
        raised.extend(listed.clone());
    }
    raised.sort();
    raised.dedup();
    if !raised.is_empty() {
        // an alarm goes through the log, so that one that only some list is one more difference
        let listing = |alarm: &Alarm| {
            let (list, not): (Vec<&Ours<'_>>, Vec<&Ours<'_>>) =
                ours.iter().partition(|(_, _, says)| says.alarms.contains(alarm));
            let list: Vec<String> = list.iter().map(|(m, ..)| m.name.clone()).collect();
            match list.is_empty() || not.is_empty() {
                true => String::new(),
                false => format!(" (only {} {} it)", all(&list), plural(list.len(), "lists", "list")),
            }
        };
        let words: Vec<String> =
            raised.iter().map(|alarm| format!("{}{}", describe(case, alarm), listing(alarm))).collect();
        let corrupt = raised.iter().any(|alarm| alarm.kind == "CORRUPT");
        let what = if corrupt { "nearly every request" } else { "every put" };
        let check = Check::new(Topic::Alarms, Outcome::Fail, all(&words));
        let disarm = format!("etcdctl --endpoints={} alarm disarm", case.endpoints());
        return check.todo(match corrupt {
            true => format!("The cluster refuses {what}. Find out which member is damaged before `{disarm}`."),
            false => format!(
                "The cluster refuses {what} until the alarm is disarmed: free space where the quota is reached (compact, \
                 then defrag), then `{disarm}`."
            ),
        });
    }
    match (&case.seen.alarms, case.passed()) {
        (Queried::Is(_), Outcome::Pass) => Check::new(Topic::Alarms, Outcome::Pass, "none"),
        (Queried::Failed(why), Outcome::Pass) if case.seen.simulated => {
            Check::new(Topic::Alarms, Outcome::Pass, format!("none reported by the members; alarm list: {why}"))
        }
        (Queried::Failed(why), Outcome::Pass) => {
            Check::new(Topic::Alarms, Outcome::NotYet, format!("alarm list not available: {why}"))
        }
        _ => Check::new(Topic::Alarms, Outcome::NotYet, "not every member has answered"),
    }
}

fn describe(case: Case<'_>, alarm: &Alarm) -> String {
    match case.plan.members.iter().find(|m| m.id == alarm.member) {
        Some(member) => format!("{} is raised for {}", alarm.kind, member.name),
        None => {
            format!(
                "{} is raised for member {}, which no longer exists: it came with the snapshot",
                alarm.kind, alarm.member
            )
        }
    }
}

/// Checks how full each database is.
pub(super) fn quota(case: Case<'_>) -> Check {
    let ours = case.ours();
    let (mut full, mut tight, mut untold, mut most) = (Vec::new(), Vec::new(), Vec::new(), (0, 0));
    for (member, _, says) in &ours {
        let Some(quota) = says.quota_bytes else {
            untold.push(member.name.clone());
            continue;
        };
        let percent = says.db_bytes.saturating_mul(100) / quota.max(1);
        match percent {
            100.. => full.push(member.name.clone()),
            80..100 => tight.push(format!("{} {percent} %", member.name)),
            _ => {}
        }
        if percent >= most.0 {
            most = (percent, quota);
        }
    }
    let check = |outcome, words: String| Check::new(Topic::Quota, outcome, words).aside();
    if !full.is_empty() {
        return check(Outcome::Fail, format!("the database of {} has reached its quota", all(&full))).todo(
            "The next put raises NOSPACE and stops all writes: start it with a larger --quota-backend-bytes, or compact \
             and defrag.",
        );
    }
    if !untold.is_empty() || ours.is_empty() {
        return check(
            Outcome::Unknown,
            match ours.is_empty() {
                true => "no member answers".into(),
                false => format!("{} {} not report the quota", all(&untold), plural(untold.len(), "does", "do")),
            },
        );
    }
    let differ = odd_ones(&ours, |(_, _, says)| says.quota_bytes.map(|quota| (quota, exact(quota))));
    let (quota, each) = match differ {
        None => (exact(most.1), String::new()),
        Some((_, all)) if planned(&ours) => ("its quota".into(), format!("; the plan sets a quota for each: {all}")),
        Some((odd, all)) => {
            return check(Outcome::Fail, format!("different quotas: {all}"))
                .who(odd.iter().map(|m| m.name.as_str()))
                .todo(
                    "The first quota reached stops all writes: start every member with the same \
                     --quota-backend-bytes.",
                );
        }
    };
    check(
        Outcome::Pass,
        match tight.is_empty() {
            true => format!("at most {} % of {quota} used{each}", most.0),
            false => format!("almost full ({quota}): {}; compact and defrag soon{each}", all(&tight)),
        },
    )
}

/// `--quota-backend-bytes` of the plan's own flags for a member.
fn planned_quota(member: &Member) -> Option<&str> {
    let mut flags = member.etcd_flags.iter().map(|flag| flag.trim_start_matches('-'));
    while let Some(flag) = flags.next() {
        match flag.split_once('=') {
            Some(("quota-backend-bytes", value)) => return Some(value),
            None if flag == "quota-backend-bytes" => return flags.next(),
            _ => {}
        }
    }
    None
}

/// Whether the plan sets a quota for each of them, and each runs with that.
fn planned(ours: &[Ours<'_>]) -> bool {
    ours.iter().all(|(member, _, says)| {
        planned_quota(member).and_then(|value| value.parse().ok()).is_some_and(|quota| says.quota_bytes == Some(quota))
    })
}

/// Returns the members that differ from the majority in something (all of them where there is no majority), and which
/// has what, in words.
fn odd_ones<'a, K: PartialEq>(
    ours: &[Ours<'a>],
    of: impl Fn(&Ours<'a>) -> Option<(K, String)>,
) -> Option<(Vec<&'a Member>, String)> {
    let told: Vec<(&Member, K, String)> =
        ours.iter().map(|our| of(our).map(|(key, words)| (our.0, key, words))).collect::<Option<_>>()?;
    apart(told, |told| told)
}

/// The same of members of which everything is known.
pub(super) fn apart<'a, T, K: PartialEq>(
    told: impl IntoIterator<Item = T>,
    of: impl Fn(T) -> (&'a Member, K, String),
) -> Option<(Vec<&'a Member>, String)> {
    let mut groups: Vec<(K, String, Vec<&'a Member>)> = Vec::new();
    for (member, key, words) in told.into_iter().map(of) {
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, _, who)) => who.push(member),
            None => groups.push((key, words, vec![member])),
        }
    }
    if groups.len() < 2 {
        return None;
    }
    let most = groups.iter().map(|(_, _, who)| who.len()).max().unwrap_or_default();
    let lone = groups.iter().filter(|(_, _, who)| who.len() == most).count() == 1;
    groups.sort_by_key(|(_, _, who)| who.len());
    let said: Vec<String> = groups.iter().map(|(_, words, who)| format!("{} {words}", names(who))).collect();
    let odd = groups.iter().filter(|(_, _, who)| !lone || who.len() < most).flat_map(|(_, _, who)| who.clone());
    Some((odd.collect(), said.join(", ")))
}

/// Checks the running versions, the cluster version and the storage version.
pub(super) fn version(case: Case<'_>) -> Check {
    let ours = case.ours();
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for (member, _, says) in &ours {
        let storage = match says.storage_version.as_str() {
            "" => String::new(),
            storage => format!(", storage {storage}"),
        };
        let cluster = match says.cluster_version.as_str() {
            "" => ", cluster version unknown".to_string(),
            cluster => format!(", cluster {cluster}"),
        };
        let words = format!("etcd {}{cluster}{storage}", says.version);
        match told.iter_mut().find(|(known, _)| *known == words) {
            Some((_, who)) => who.push(member.name.clone()),
            None => told.push((words, vec![member.name.clone()])),
        }
    }
    let check = |outcome, words: String| Check::new(Topic::Version, outcome, words).aside();
    let undecided = ours.iter().any(|(_, _, says)| says.cluster_version == NOT_DECIDED);
    let planned = case.plan.target.map(|minor| minor.to_string());
    let other = |version: &str| planned.as_ref().is_some_and(|minor| !version.starts_with(&format!("{minor}.")));
    let strays: Vec<String> =
        ours.iter().filter(|(_, _, says)| other(&says.version)).map(|(m, _, _)| m.name.clone()).collect();
    let remark = match (strays.is_empty(), &planned) {
        (false, Some(minor)) => format!("; the plan was made for {minor}"),
        _ => String::new(),
    };
    let minors = odd_ones(&ours, |(_, _, says)| {
        let minor: Vec<&str> = says.version.splitn(3, '.').take(2).collect();
        Some((minor.join("."), format!("etcd {}", says.version)))
    });
    match told.as_slice() {
        [] => check(Outcome::NotYet, "no member answers".into()),
        _ if minors.is_some() => {
            let (odd, all) = minors.unwrap_or_default();
            check(Outcome::Fail, format!("different minor versions: {all}{remark}"))
                .who(odd.iter().map(|m| m.name.as_str()))
                .todo("Unless an upgrade is under way, start every member with the same minor version.")
        }
        _ if undecided => check(Outcome::NotYet, "the cluster version is not decided yet".into()),
        [(words, _)] => check(case.passed(), format!("{words}{remark}")),
        several => {
            let said: Vec<String> = several.iter().map(|(words, who)| format!("{}: {words}", all(who))).collect();
            check(case.passed(), format!("{}{remark}", said.join("; ")))
        }
    }
}

/// Checks put, get and delete; nothing is written while something else is wrong.
pub(super) fn canary(case: Case<'_>, wrong: bool) -> Option<Check> {
    let check = |outcome, words: String| Some(Check::new(Topic::Canary, outcome, words));
    match &case.seen.canary {
        Canary::NotAsked => {
            check(Outcome::Unknown, "no key was written: the write test was not allowed".into()).map(Check::aside)
        }
        Canary::Waits if wrong => check(Outcome::Unknown, "no key was written: something else is wrong".into()),
        Canary::Waits => check(Outcome::NotYet, "a key is written once everything else is right".into()),
        Canary::Done { key, revision, read, watched: true } => check(
            Outcome::Pass,
            format!(
                "{key} was put at revision {}, read through {} {}, seen by a watch, deleted",
                shown(*revision),
                read.len(),
                plural(read.len(), "member", "members")
            ),
        ),
        Canary::Done { key, .. } => {
            check(Outcome::Fail, format!("{key} was put, read and deleted, but a watch opened before did not see it"))
                .map(|check| check.todo("Clients that watch will miss changes: check the members' logs."))
        }
        // a denied write proves nothing about the cluster
        Canary::Denied { key, why } => check(Outcome::Unknown, format!("this user may not write {key}: {why}")),
        Canary::Failed { key, why, left } => {
            let check = Check::new(Topic::Canary, Outcome::Fail, format!("writing {key} failed: {why}"));
            Some(match left {
                true => {
                    check.todo(format!("It may still be there: `etcdctl --endpoints={} del {key}`", case.endpoints()))
                }
                false => check.todo("The key was not left in the cluster."),
            })
        }
    }
}

/// Checks whether a watch from the last known revision of the old cluster is made to list again.
pub(super) fn watch(case: Case<'_>) -> Option<Check> {
    if case.plan.bump_revision == 0 || !case.plan.mark_compacted {
        return None;
    }
    let from = shown(case.plan.last_known_revision());
    let check = |outcome, words: String| Some(Check::new(Topic::Watch, outcome, words).aside());
    match &case.seen.old_watch {
        Watched::NotAsked => check(Outcome::NotYet, format!("no watch from revision {from} was tried")),
        Watched::Compacted(at) => check(
            Outcome::Pass,
            format!("a watch from revision {from} is canceled, compacted up to {}: such clients list again", shown(*at)),
        ),
        Watched::Open => check(
            Outcome::Fail,
            format!(
                "a watch from revision {from}, the last known revision of the old cluster, is accepted as if nothing had happened"
            ),
        )
        .map(|check| check.todo("Clients that know that revision do not list again.")),
        Watched::Failed(why) => check(Outcome::Unknown, format!("a watch from revision {from} was refused: {why}")),
    }
}
