//! Do members store the same besides keys? Leases, authentication, and the rest of what changes through the log alone.
//!
//! Members are read one after the other while clients go on, so that two readings may differ where nothing is wrong. A
//! difference is asserted only where one member had a row before *and* after the other was read without it, by the log
//! indices of the readings (absent before and after is no such thing); until then it is open, and the members are read again.

mod rows;
mod words;

use std::collections::BTreeSet;

use super::{Case, Check, Outcome, Topic, data, names, source};
use crate::{
    domain::model::{
        observations::{
            Answer,
            rows::{Part, RowKey, StoredRows},
            started::{ObservedMember, Queried},
        },
        plan::Member,
    },
    error::Remedy,
    text::{join::all, number::plural},
};

use rows::{Difference, differences, read, salted, value};
use words::{counts, lacking, sentences};

/// What [`Topic::Leases`] is about.
const LEASES: [Part; 2] = [Part::Leases, Part::LeaseTtls];
/// What [`Topic::Auth`] is about.
const AUTH: [Part; 5] = [Part::AuthEnabled, Part::AuthRevision, Part::Users, Part::Roles, Part::Passwords];
/// What [`Topic::Rows`] is about.
const REST: [Part; 4] = [Part::Members, Part::Alarms, Part::Versions, Part::Compaction];

/// Without these there is no proof; the others cannot be asked for without the whole database.
fn needed(part: Part) -> bool {
    matches!(part, Part::Leases | Part::AuthEnabled | Part::Users | Part::Roles)
}

/// Returns true where no more can be learnt in this round about what members store.
pub(super) fn asked(case: Case<'_>) -> bool {
    case.members().all(|(_, seen)| seen.stored != Queried::Not)
}

/// The three checks, and what could not be compared of them.
pub(super) fn checks(case: Case<'_>) -> Vec<Check> {
    let parts = [(Topic::Leases, LEASES.as_slice()), (Topic::Auth, &AUTH), (Topic::Rows, &REST)];
    parts
        .into_iter()
        .flat_map(|(topic, parts)| {
            let check = part(case, topic, parts);
            let more = (check.outcome == Outcome::Pass).then(|| left_out(case, topic, parts)).flatten();
            [Some(check), more]
        })
        .flatten()
        .collect()
}

/// What was not compared of a check that passed otherwise. It does not prevent a proof, but is reported.
fn left_out(case: Case<'_>, topic: Topic, parts: &[Part]) -> Option<Check> {
    if case.plan.members.len() < 2 {
        return None;
    }
    let reads = read(case);
    let lack: Vec<Part> =
        parts.iter().copied().filter(|part| !reads.iter().all(|read| read.now.parts.contains(part))).collect();
    let check = |words| Some(Check::new(topic, Outcome::Unknown, words).aside());
    if !lack.is_empty() {
        let deep = reads.iter().any(|read| read.now.too_large);
        let check = check(lacking(&reads, &lack))?;
        return Some(if deep { check.by(Remedy::ReadWhole) } else { check });
    }
    match (topic, salted(&reads)) {
        (Topic::Auth, users) if !users.is_empty() => check(format!(
            "not compared: {} of {}, which were set since the restore; etcd 3.4 salts a password on each member for itself",
            plural(users.len(), "the password", "the passwords"),
            super::some(&users)
        )),
        _ => None,
    }
}

/// Checks for members that require a login while others do not: authentication is enabled on some alone.
fn doors(case: Case<'_>) -> Option<Check> {
    let planned = |(member, seen): (&'_ Member, &'_ ObservedMember)| match &seen.answer {
        Answer::Says(says) => (says.cluster_id, says.member_id) == (case.plan.cluster_id, member.id),
        _ => false,
    };
    let (mut shut, mut free) = (Vec::new(), Vec::new());
    for (member, seen) in case.members().filter(|(member, seen)| planned((member, seen))) {
        match &seen.answer {
            Answer::Says(says) if says.list_refused => shut.push(member),
            Answer::Says(says) if super::open(says) && !says.members.is_empty() => free.push(member),
            _ => {}
        }
    }
    if shut.is_empty() || free.is_empty() {
        return None;
    }
    let words = format!(
        "authentication is enabled on {}, which {} a user, but disabled on {}",
        names(&shut),
        plural(shut.len(), "requires", "require"),
        names(&free)
    );
    let enabled = source::rows(case).and_then(|rows| source::value(rows, &RowKey::AuthEnabled)).map(source::is_enabled);
    let (wrong, words) = match enabled {
        Some(true) => (free, format!("{words}; the plan enables it")),
        Some(false) => (shut, format!("{words}; the plan disables it")),
        None => {
            shut.extend(free);
            (shut, format!("{words}; which is right is not known: the snapshot cannot be read here"))
        }
    };
    let check = Check::new(Topic::Auth, Outcome::Fail, words);
    let check = check.who(wrong.iter().map(|m| m.name.as_str()));
    Some(if enabled.is_some() { check.todo(data::STOP).todo(data::AGAIN) } else { check.todo(UNDECIDED) })
}

fn part(case: Case<'_>, topic: Topic, parts: &[Part]) -> Check {
    // what is never asked for by single calls keeps no proof from being one, but an open difference does
    let check = |outcome, words: String| {
        let check = Check::new(topic, outcome, words);
        let told = outcome != Outcome::Unknown || parts.iter().any(|part| needed(*part));
        if told { check } else { check.aside() }
    };
    if let Some(check) = (topic == Topic::Auth).then(|| doors(case)).flatten() {
        return check;
    }
    let reads = read(case);
    let (found, open) = differences(case, &reads, parts);
    if !found.is_empty() {
        let mut said: Vec<String> = parts.iter().flat_map(|part| sentences(&reads, &found, *part)).collect();
        said.dedup();
        if topic != Topic::Rows && !found.iter().any(|difference| difference.known) {
            let why = match &case.seen.source {
                Queried::Failed(why) => format!("the snapshot cannot be read here ({why})"),
                Queried::Not => "the snapshot is not read yet".into(),
                Queried::Is(_) => "the snapshot does not show it".into(),
            };
            let words = format!("{}; which is right is not known: {why}", said.join("; "));
            let odd = |d: &Difference<'_>| d.odd.iter().map(|(m, _)| m.name.clone()).collect::<Vec<_>>();
            let who = found.iter().flat_map(|d| odd(d).into_iter().chain(d.most.iter().map(|m| m.name.clone())));
            let who: BTreeSet<String> = who.collect();
            return Check::new(topic, Outcome::Fail, words)
                .who(case.plan.members.iter().map(|m| m.name.as_str()).filter(|name| who.contains(*name)))
                .todo(UNDECIDED);
        }
        let who: BTreeSet<&str> =
            found.iter().filter(|d| d.known).flat_map(|d| d.odd.iter().map(|(m, _)| m.name.as_str())).collect();
        return Check::new(topic, Outcome::Fail, said.join("; "))
            .who(case.plan.members.iter().map(|m| m.name.as_str()).filter(|name| who.contains(name)))
            .todo(data::STOP)
            .todo(data::AGAIN);
    }
    let lone = case.plan.members.len() == 1;
    if lone && topic == Topic::Rows {
        return check(Outcome::Pass, "one member: there is nothing to compare it with".into()).aside();
    }
    let (mut untold, mut again): (Vec<String>, bool) = (Vec::new(), false);
    let mut denied = false;
    for (member, seen) in case.members() {
        match &seen.stored {
            Queried::Not => {}
            Queried::Failed(why) => {
                again = true;
                untold.push(format!("{}: {why}", member.name));
            }
            Queried::Is(rows) if !super::own(case, member, rows) => {
                untold.push(format!("{}: another member answered in its place", member.name));
            }
            Queried::Is(rows) => {
                let lacks = parts.iter().any(|part| needed(*part) && !rows.parts.contains(part));
                let why = match rows.missing.is_empty() {
                    true => "not reported".into(),
                    false => rows.missing.join(", "),
                };
                if lacks {
                    denied |= rows.denied;
                    again |= !rows.denied && !rows.missing.is_empty();
                    untold.push(format!("{}: {why}", member.name));
                }
            }
        }
    }
    let whole = case.passed() == Outcome::Pass;
    if !whole || !asked(case) {
        let words = if whole { "compared once nothing else is open" } else { "compared once every member answers" };
        return check(Outcome::NotYet, words.into());
    }
    if !untold.is_empty() {
        let outcome = if again { Outcome::NotYet } else { Outcome::Unknown };
        let check = check(outcome, format!("not compared: {}", untold.join("; ")));
        return if denied { check.todo("Only root may read all of it.").by(Remedy::LogIn) } else { check };
    }
    if !open.is_empty() {
        let rows: Vec<String> = open.iter().map(|row| row.part().words().to_string()).collect();
        let rows: BTreeSet<String> = rows.into_iter().collect();
        let rows: Vec<String> = rows.into_iter().collect();
        return check(Outcome::NotYet, format!("{} changed while the members were read; reading again", all(&rows)));
    }
    let compared = |part: &&Part| reads.iter().all(|read| read.now.parts.contains(part));
    let (here, lack): (Vec<Part>, Vec<Part>) = parts.iter().partition(|part| compared(part));
    if here.is_empty() {
        let check = check(Outcome::Unknown, lacking(&reads, &lack)).aside();
        return if reads.iter().any(|read| read.now.too_large) { check.by(Remedy::ReadWhole) } else { check };
    }
    let words = match topic {
        Topic::Leases => counts(&reads, Part::Leases),
        Topic::Auth => {
            let enabled = reads.first().and_then(|read| value(read.now, &RowKey::AuthEnabled)).unwrap_or_default();
            format!("authentication {enabled}, {}, {}", counts(&reads, Part::Users), counts(&reads, Part::Roles))
        }
        _ => all(&here.iter().map(|part| part.words().to_string()).collect::<Vec<_>>()),
    };
    let alike = match lone {
        true => "one member: there is nothing to compare it with",
        false => "the same on every member",
    };
    let words = format!("{words}: {alike}");
    let rows: Vec<&StoredRows> = reads.iter().map(|read| read.now).collect();
    let against = match (topic, source::rows(case)) {
        (Topic::Leases, Some(snapshot)) => source::leases(case, snapshot, &rows),
        (Topic::Auth, Some(snapshot)) => source::auth(case, snapshot, &rows),
        (Topic::Leases | Topic::Auth, None) => {
            return check(Outcome::Pass, format!("{words}; not compared with the snapshot"));
        }
        _ => return check(Outcome::Pass, words),
    };
    if !against.wrong.is_empty() {
        let what = format!("{}: restored from another snapshot", against.wrong.join("; "));
        return check(Outcome::Fail, what).who(case.plan.members.iter().map(|m| m.name.as_str())).todo(ALL);
    }
    if !against.unshown.is_empty() {
        return check(Outcome::Unknown, against.unshown.join("; ")).todo(SHOWN);
    }
    let notes = match against.notes.is_empty() {
        true => ", and as in the snapshot".to_string(),
        false => format!("; {}", against.notes.join("; ")),
    };
    check(Outcome::Pass, format!("{words}{notes}"))
}

/// What to do where it is not known which of several members is right.
const UNDECIDED: &str = "Do not stop any of them yet: verify where the plan's snapshot can be read, or find out which file each was \
                         restored from.";
/// What to do where all members are of another snapshot.
const ALL: &str = "Stop all members, move their directories aside, restore all of them from the plan, and start them \
                   together.";
/// What to do where a change may be the operator's own.
const SHOWN: &str = "If no client changed this since the start, the members were restored from another file: restore \
                     them again from the plan.";

/// What was not compared on all members, for the verdict's sentence.
pub(super) fn not_compared(case: Case<'_>) -> Vec<&'static str> {
    if case.plan.members.len() < 2 {
        return Vec::new();
    }
    let reads = read(case);
    let salted = !salted(&reads).is_empty();
    let lacks =
        |part: &&Part| **part == Part::Passwords && salted || !reads.iter().all(|read| read.now.parts.contains(part));
    Part::ALL.iter().filter(lacks).map(|part| part.words()).collect()
}
