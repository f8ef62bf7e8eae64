//! Do members that are alike store what the restore must have put there? HashKV covers keys alone: leases, users, roles and
//! passwords are compared with the plan's snapshot here.
//!
//! What changed by operation since is no wrong recovery, and every such change is an entry of the log and, for users and
//! roles, raises the auth revision (`auth/store.go`, 3.4 to 3.7; only enabling authentication does not). A difference is
//! wrong where neither explains it, and only reported where operation may.

use std::collections::BTreeSet;

use super::Case;
use crate::{
    domain::model::{
        observations::{
            rows::{Part, RowKey, StoredRows, seconds},
            started::Queried,
        },
        plan::Member,
    },
    text::number::{plural, thousands},
};

/// What differs from the snapshot on all members alike.
#[derive(Debug, Default)]
pub(super) struct Against {
    /// What cannot have come about since the restore.
    pub wrong: Vec<String>,
    /// What may have, and would be the same after a restore from another snapshot.
    pub unshown: Vec<String>,
    /// What operation changes all the time.
    pub notes: Vec<String>,
}

/// The rows of the plan's snapshot as the restore puts them there, where it can be read.
pub(super) fn rows(case: Case<'_>) -> Option<&StoredRows> {
    match &case.seen.source {
        Queried::Is(rows) => Some(rows),
        _ => None,
    }
}

/// The value of a row in the snapshot, as a started member has it.
pub(super) fn value<'a>(source: &'a StoredRows, row: &RowKey) -> Option<&'a str> {
    match (row, source.rows.get(row).map(String::as_str)) {
        // a member that finds none begins with 1
        (RowKey::AuthRevision, None | Some("0")) => Some("1"),
        (_, value) => value,
    }
}

/// The auth revision among these rows.
pub(super) fn auth_revision(rows: &StoredRows) -> Option<u64> {
    value(rows, &RowKey::AuthRevision).filter(|_| rows.parts.contains(&Part::AuthRevision))?.parse().ok()
}

/// How many log entries since the restore can have changed something else than a key. The log begins with an entry for each
/// member; a leader begins with one of its own, and a member publishes itself with one before it serves clients
/// (`etcdserver/server.go`, `publish` and `ReadyNotify`, 3.4 to 3.7).
fn room(case: Case<'_>) -> u64 {
    let served = case.ours().len() as u64;
    let genesis = case.plan.members.len() as u64 + 1 + served;
    let free = |(member, seen, says): (&Member, &_, &crate::domain::model::observations::MemberStatus)| {
        let seen: &crate::domain::model::observations::started::ObservedMember = seen;
        let read = match &seen.stored {
            Queried::Is(rows) if super::own(case, member, rows) => rows.to,
            _ => 0,
        };
        let keys = says.revision.saturating_sub(case.plan.expected_revision()).max(0).unsigned_abs();
        match says.raft_applied.max(read) {
            0 => u64::MAX,
            applied => applied.saturating_sub(genesis).saturating_sub(keys),
        }
    };
    case.ours().into_iter().map(free).max().unwrap_or(u64::MAX)
}

fn entries(room: u64) -> String {
    match room {
        0 => "no log entry since the restore explains it".into(),
        n => format!(
            "the {} log {} since the restore {} too few to explain it",
            thousands(n),
            plural(usize::try_from(n).unwrap_or(usize::MAX), "entry", "entries"),
            plural(usize::try_from(n).unwrap_or(usize::MAX), "is", "are")
        ),
    }
}

/// Returns the member whose rows of this part represent all of them.
fn rows_of<'a>(reads: &[&'a StoredRows], part: Part) -> Option<&'a StoredRows> {
    reads.iter().copied().find(|rows| rows.parts.contains(&part))
}

fn keys(rows: &StoredRows, part: Part) -> BTreeSet<&RowKey> {
    rows.rows.keys().filter(|row| row.part() == part).collect()
}

fn name(row: &RowKey) -> String {
    match row {
        RowKey::Lease(id) | RowKey::LeaseTtl(id) => format!("{id:x}"),
        RowKey::User(name) | RowKey::Role(name) | RowKey::Password(name) => name.clone(),
        _ => String::new(),
    }
}

fn names<'r>(rows: impl IntoIterator<Item = &'r RowKey>) -> String {
    super::some(&rows.into_iter().map(name).collect::<Vec<_>>())
}

/// Leases of all members against the snapshot's.
pub(super) fn leases(case: Case<'_>, source: &StoredRows, reads: &[&StoredRows]) -> Against {
    let mut out = Against::default();
    let Some(now) = rows_of(reads, Part::Leases) else { return out };
    let (then, here) = (keys(source, Part::Leases), keys(now, Part::Leases));
    let (since, room) = (case.seen.since_made, room(case));
    let ttl = |row: &RowKey| match row {
        RowKey::Lease(id) => source.rows.get(&RowKey::LeaseTtl(*id)).and_then(|value| seconds(value)),
        _ => None,
    };
    // a plan is made before its members start
    let over = |row: &RowKey| ttl(row).zip(since).is_none_or(|(ttl, since)| ttl <= since);
    let (expired, lacking): (Vec<&RowKey>, Vec<&RowKey>) = then.difference(&here).copied().partition(|row| over(row));
    let more: Vec<&RowKey> = here.difference(&then).copied().collect();
    let changed: Vec<&RowKey> = keys(source, Part::LeaseTtls)
        .into_iter()
        .filter(|row| {
            let ttl = rows_of(reads, Part::LeaseTtls).and_then(|rows| rows.rows.get(row));
            ttl.is_some_and(|ttl| source.rows.get(row) != Some(ttl))
        })
        .collect();
    let lease = |count: usize| plural(count, "lease", "leases");
    let mut odd = Vec::new();
    if !lacking.is_empty() {
        odd.push(format!(
            "no member has {} {}, which the snapshot has and which cannot have expired yet",
            lease(lacking.len()),
            names(lacking.iter().copied())
        ));
    }
    if !changed.is_empty() {
        let count = changed.len();
        odd.push(format!("{} {} another TTL than in the snapshot", lease(count), names(changed.iter().copied())));
    }
    // to be granted again under its ID, a lease is revoked first
    let least = lacking.len() + more.len() + 2 * changed.len();
    if least as u64 > room {
        if !more.is_empty() {
            let count = more.len();
            odd.push(format!("{} {} the snapshot does not have", lease(count), names(more.iter().copied())));
        }
        out.wrong.push(format!("{}: {}", odd.join("; "), entries(room)));
        return out;
    }
    if !odd.is_empty() {
        out.unshown.push(format!("{}: revoked since, or restored from another snapshot", odd.join("; ")));
    }
    if !expired.is_empty() {
        let count = expired.len();
        let words =
            format!("{} of the snapshot {} missing and may have expired", lease(count), plural(count, "is", "are"));
        out.notes.push(format!("{} {words}", thousands(count as u64)));
    }
    if !more.is_empty() {
        let count = more.len();
        let words = format!("{} not in the snapshot, and may have been granted since", plural(count, "is", "are"));
        out.notes.push(format!("{} {words}", thousands(count as u64)));
    }
    out
}

/// Authentication, users and roles of all members against the snapshot's.
pub(super) fn auth(case: Case<'_>, source: &StoredRows, reads: &[&StoredRows]) -> Against {
    let mut out = Against::default();
    let mut odd: Vec<String> = Vec::new();
    let enabled = rows_of(reads, Part::AuthEnabled).and_then(|rows| value(rows, &RowKey::AuthEnabled));
    let planned = value(source, &RowKey::AuthEnabled);
    let switched = enabled.is_some() && enabled != planned;
    let state = |value: Option<&str>| value.unwrap_or("disabled").to_string();
    if switched {
        odd.push(format!("authentication is {} on every member and {} by the plan", state(enabled), state(planned)));
    }
    for (part, one, several) in [(Part::Users, "user", "users"), (Part::Roles, "role", "roles")] {
        let Some(now) = rows_of(reads, part) else { continue };
        let (then, here) = (keys(source, part), keys(now, part));
        let lacking: Vec<&RowKey> = then.difference(&here).copied().collect();
        let more: Vec<&RowKey> = here.difference(&then).copied().collect();
        // of many, single calls read the names alone
        let other = |row: &&RowKey| {
            now.rows.get(row).is_some_and(|v| !v.is_empty()) && now.rows.get(row) != source.rows.get(row)
        };
        let other: Vec<&RowKey> = then.intersection(&here).copied().filter(other).collect();
        let word = |count: usize| plural(count, one, several);
        for (rows, which, how) in [
            (lacking, "that the snapshot has ", "on no member"),
            (more, "that the snapshot does not have ", "on every member"),
            (other, "", "not as in the snapshot"),
        ] {
            if !rows.is_empty() {
                let are = plural(rows.len(), "is", "are");
                odd.push(format!("{} {} {which}{are} {how}", word(rows.len()), names(rows.iter().copied())));
            }
        }
    }
    if let Some(now) = rows_of(reads, Part::Passwords) {
        let others = |row: &&RowKey| now.rows.get(row).is_some_and(|digest| source.rows.get(row) != Some(digest));
        let known = |row: &&RowKey| source.rows.contains_key(row);
        let rows: Vec<&RowKey> = keys(source, Part::Passwords).into_iter().filter(known).filter(others).collect();
        if !rows.is_empty() {
            let word = plural(rows.len(), "the password of user", "the passwords of users");
            odd.push(format!(
                "{word} {} {} not the snapshot's",
                names(rows.iter().copied()),
                plural(rows.len(), "is", "are")
            ));
        }
    }
    let then = auth_revision(source);
    let now = rows_of(reads, Part::AuthRevision).and_then(auth_revision);
    let room = room(case);
    match then.zip(now) {
        Some((then, now)) if now < then => {
            odd.push(format!(
                "the auth revision is {}, but {} in the snapshot; it never decreases",
                thousands(now),
                thousands(then)
            ));
            out.wrong = odd;
        }
        Some((then, now)) if now - then > room => {
            odd.push(format!("the auth revision is {}, but {} in the snapshot", thousands(now), thousands(then)));
            out.wrong.push(format!("{}: {}", odd.join("; "), entries(room)));
        }
        // only enabling it leaves the auth revision as it is
        Some((then, now)) if now == then && !odd.is_empty() => {
            let since = switched && odd.len() == 1 && planned != Some(ENABLED) && room > 0;
            let words = format!("{} (auth revision {}, the snapshot's)", odd.join("; "), thousands(now));
            match since {
                true => out.unshown.push(format!("{words}: enabled since, or restored from another snapshot")),
                false => out.wrong.push(words),
            }
        }
        Some((then, now)) if now > then => {
            odd.push(format!("auth revision {}, {} in the snapshot", thousands(now), thousands(then)));
            let words = "changed since the restore, or restored from another snapshot";
            out.unshown.push(format!("{}: {words}", odd.join("; ")));
        }
        None if !odd.is_empty() => {
            let words = "changed since the restore, or restored from another snapshot";
            out.unshown.push(format!("{}: {words}", odd.join("; ")));
        }
        _ => {}
    }
    out
}

/// Whether this is the value of [`RowKey::AuthEnabled`] where it is.
pub(super) fn is_enabled(value: &str) -> bool {
    value == ENABLED
}

/// The value of [`RowKey::AuthEnabled`] where it is.
const ENABLED: &str = "enabled";
