//! Do members store the same besides keys? Leases, authentication, and the rest of what changes through the log alone.
//!
//! Members are read one after the other while clients go on, so that two readings may differ where nothing is wrong. A
//! difference is asserted only where one member had a row before *and* after the other was read without it, by the log
//! indices of the readings (absent before and after is no such thing); until then it is open, and the members are read again.

use std::collections::BTreeSet;

use super::{Case, Check, NAMED, Outcome, Topic, data, names, source};
use crate::{
    domain::model::{
        observations::{
            Answer,
            rows::{Part, RowKey, StoredRows},
            started::{ObservedMember, Queried},
        },
        plan::Member,
    },
    text::{
        join::all,
        number::{plural, thousands},
    },
};

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

/// A member with what it stores now and stored in the rounds before.
#[derive(Clone, Copy)]
struct Read<'a> {
    member: &'a Member,
    now: &'a StoredRows,
    before: &'a [StoredRows],
}

impl<'a> Read<'a> {
    fn all(self) -> impl Iterator<Item = &'a StoredRows> {
        self.before.iter().chain([self.now])
    }
}

/// How two members compare in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Same,
    /// They differ and may yet be the same.
    Open,
    /// They differ, and no order of what was read explains it.
    Differs,
}

fn read<'a>(case: Case<'a>) -> Vec<Read<'a>> {
    let of = |(member, seen): (&'a Member, &'a ObservedMember)| match &seen.stored {
        Queried::Is(now) if super::own(case, member, now) => Some(Read { member, now, before: &seen.stored_before }),
        _ => None,
    };
    case.members().filter_map(of).collect()
}

/// Returns true where no more can be learnt in this round about what members store.
pub(super) fn asked(case: Case<'_>) -> bool {
    case.members().all(|(_, seen)| seen.stored != Queried::Not)
}

fn value<'a>(rows: &'a StoredRows, row: &RowKey) -> Option<&'a str> {
    rows.rows.get(row).map(String::as_str)
}

/// Whether `a` had a row before and after `b` was read without it, or with another value. That a row was absent before and
/// after shows nothing of the time between: a lease may have come and gone.
fn through(a: Read<'_>, b: Read<'_>, row: &RowKey) -> bool {
    let has = |rows: &StoredRows| rows.parts.contains(&row.part());
    b.all().filter(|rows| has(rows)).any(|other| {
        let differs =
            |rows: &&StoredRows| has(rows) && value(rows, row).is_some() && value(rows, row) != value(other, row);
        let mut before = a.all().filter(|rows| rows.to <= other.from).filter(differs);
        let after: Vec<&StoredRows> = a.all().filter(|rows| rows.from >= other.to).filter(differs).collect();
        before.any(|first| after.iter().any(|last| value(first, row) == value(last, row)))
    })
}

/// Whether a difference of this round is only of this round: the members agreed before, or one is now where the other was.
fn moves(a: Read<'_>, b: Read<'_>, row: &RowKey) -> bool {
    let (Some(first), Some(other)) = (a.before.last(), b.before.last()) else { return false };
    let has = |rows: &StoredRows| rows.parts.contains(&row.part());
    has(first)
        && has(other)
        && (value(first, row) == value(other, row)
            || value(a.now, row) == value(other, row)
            || value(b.now, row) == value(first, row))
}

fn compare(a: Read<'_>, b: Read<'_>, row: &RowKey) -> Found {
    match () {
        () if value(a.now, row) == value(b.now, row) => Found::Same,
        () if through(a, b, row) || through(b, a, row) => Found::Differs,
        () if moves(a, b, row) => Found::Same,
        () => Found::Open,
    }
}

/// A row in which members differ, with what they have in it.
struct Difference<'a> {
    row: RowKey,
    /// Those that have something else than most, or all where no value is that of most.
    odd: Vec<(&'a Member, Option<&'a str>)>,
    /// The others; none where no value is that of most.
    most: Vec<&'a Member>,
    /// What they have.
    right: Option<&'a str>,
    /// Whether it is known that they are right; else they are only more.
    known: bool,
}

/// All rows of `parts` in which members differ, and whether others are open.
fn differences<'a>(case: Case<'a>, reads: &[Read<'a>], parts: &[Part]) -> (Vec<Difference<'a>>, Vec<RowKey>) {
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for part in parts {
        let here: Vec<Read<'a>> = reads.iter().copied().filter(|read| read.now.parts.contains(part)).collect();
        let rows: BTreeSet<&RowKey> =
            here.iter().flat_map(|read| read.now.rows.keys()).filter(|row| row.part() == *part).collect();
        for row in rows {
            let pairs = here.iter().enumerate().flat_map(|(at, a)| here.iter().skip(at + 1).map(move |b| (*a, *b)));
            if salted_apart(&here, row) {
                continue;
            }
            match pairs.map(|(a, b)| compare(a, b, row)).max() {
                Some(Found::Differs) => found.push(difference(case, &here, row)),
                Some(Found::Open) => open.push(row.clone()),
                _ => {}
            }
        }
    }
    (found, open)
}

/// Returns true for a password that differs where each member salts it for itself: whether it is the same is unknown
/// then. One that all have alike came from one file and was not changed since.
fn salted_apart(here: &[Read<'_>], row: &RowKey) -> bool {
    let mut values = here.iter().filter_map(|read| value(read.now, row));
    let first = values.next();
    row.part() == Part::Passwords && here.iter().any(|read| read.now.salted) && values.any(|other| Some(other) != first)
}

/// The users whose passwords cannot be compared for that reason.
fn salted(reads: &[Read<'_>]) -> Vec<String> {
    let rows = reads.iter().flat_map(|read| read.now.rows.keys());
    let users: BTreeSet<String> =
        rows.filter(|row| salted_apart(reads, row)).map(|row| display_name(row, reads)).collect();
    users.into_iter().collect()
}

/// What the snapshot shows of a row in which members differ: the value of those that are right, where that is known.
///
/// With one log all of them change alike. Who has what the restore put there is right, unless the others have more of what
/// can have been made since: then either may be of another run.
fn right<'a>(
    case: Case<'a>,
    here: &[Read<'a>],
    row: &RowKey,
    more: Option<Option<&'a str>>,
) -> Option<Option<&'a str>> {
    if REST.contains(&row.part()) {
        return more;
    }
    let snapshot = source::rows(case).filter(|rows| rows.parts.contains(&row.part()))?;
    let planned = source::value(snapshot, row);
    let others = || here.iter().filter(|read| value(read.now, row) != planned);
    if others().count() == here.len() {
        return None;
    }
    let then = source::auth_revision(snapshot);
    // changes of users and roles raise the auth revision
    let since = |read: &Read<'_>| source::auth_revision(read.now).zip(then).is_none_or(|(now, then)| now > then);
    let decided = match more == Some(planned) {
        true => true,
        false if AUTH.contains(&row.part()) => !others().any(since),
        false => planned.is_some(),
    };
    decided.then_some(planned)
}

fn difference<'a>(case: Case<'a>, here: &[Read<'a>], row: &RowKey) -> Difference<'a> {
    let mut groups: Vec<(Option<&'a str>, Vec<&'a Member>)> = Vec::new();
    for read in here {
        let has = read.now.rows.get(row).map(String::as_str);
        match groups.iter_mut().find(|(known, _)| *known == has) {
            Some((_, who)) => who.push(read.member),
            None => groups.push((has, vec![read.member])),
        }
    }
    let most = groups.iter().map(|(_, who)| who.len()).max().unwrap_or_default();
    let lone = groups.iter().filter(|(_, who)| who.len() == most).count() == 1;
    let more = groups.iter().find(|(_, who)| lone && who.len() == most);
    let planned = right(case, here, row, more.map(|(has, _)| *has));
    let right = groups.iter().find(|(has, _)| Some(*has) == planned).or(more);
    let odd = groups.iter().filter(|group| right.is_none_or(|right| right.0 != group.0));
    Difference {
        row: row.clone(),
        odd: odd.flat_map(|(has, who)| who.iter().map(|member| (*member, *has))).collect(),
        most: right.map(|(_, who)| who.clone()).unwrap_or_default(),
        right: right.and_then(|(has, _)| *has),
        known: planned.is_some(),
    }
}

/// What a row is called.
fn display_name(row: &RowKey, of: &[Read<'_>]) -> String {
    match row {
        RowKey::Lease(id) | RowKey::LeaseTtl(id) => format!("{id:x}"),
        RowKey::User(name) | RowKey::Role(name) | RowKey::Password(name) => name.clone(),
        RowKey::Member(id) => {
            of.iter().find(|read| read.member.id == *id).map_or_else(|| id.to_string(), |read| read.member.name.clone())
        }
        RowKey::Alarm(words) => words.clone(),
        RowKey::AuthEnabled | RowKey::AuthRevision | RowKey::ClusterVersion | RowKey::Downgrade | RowKey::Compacted => {
            String::new()
        }
    }
}

/// Rows that are there or not, counted: one word, and several.
fn counted(part: Part) -> Option<(&'static str, &'static str)> {
    match part {
        Part::Leases => Some(("lease", "leases")),
        Part::Users => Some(("user", "users")),
        Part::Roles => Some(("role", "roles")),
        Part::Alarms => Some(("alarm", "alarms")),
        Part::Members => Some(("member", "members")),
        _ => None,
    }
}

/// Describes what `member` has in rows of one part; `others` differ.
fn sentences(reads: &[Read<'_>], found: &[Difference<'_>], part: Part) -> Vec<String> {
    let mut out = Vec::new();
    let mut odd: Vec<(&Member, Vec<&Member>)> = Vec::new();
    for difference in found.iter().filter(|d| d.row.part() == part) {
        for (member, _) in &difference.odd {
            if !odd.iter().any(|(known, most)| known.name == member.name && *most == difference.most) {
                odd.push((member, difference.most.clone()));
            }
        }
    }
    for (member, most) in odd {
        let its = found.iter().filter(|d| d.row.part() == part && d.most == most).filter_map(|difference| {
            let (_, has) = difference.odd.iter().find(|(odd, _)| odd.name == member.name)?;
            Some((difference, *has))
        });
        let its: Vec<(&Difference<'_>, Option<&str>)> = its.collect();
        let others = match most.is_empty() {
            true => "not every other member".to_string(),
            false => names(&most),
        };
        let do_not = if most.len() == 1 { "does not" } else { "do not" };
        let name = &member.name;
        let rows = |list: Vec<&Difference<'_>>| list.iter().map(|d| display_name(&d.row, reads)).collect::<Vec<_>>();
        if let Some((one, several)) = counted(part) {
            let lacks = rows(its.iter().filter(|(_, has)| has.is_none()).map(|(d, _)| *d).collect());
            let adds = its.iter().filter(|(d, has)| has.is_some() && d.right.is_none()).map(|(d, _)| *d).collect();
            let adds = rows(adds);
            if !lacks.is_empty() {
                let has = match most.is_empty() {
                    true => "which another member has".to_string(),
                    false => format!("which {others} {}", plural(most.len(), "has", "have")),
                };
                out.push(format!("{name} lacks {} {}, {has}", plural(lacks.len(), one, several), super::some(&lacks)));
            }
            if !adds.is_empty() {
                let lack = match most.is_empty() {
                    true => "which not every member has".to_string(),
                    false => format!("which {others} {do_not} have"),
                };
                out.push(format!("{name} has {} {}, {lack}", plural(adds.len(), one, several), super::some(&adds)));
            }
        }
        let other: Vec<_> = its
            .iter()
            .filter(|(d, has)| counted(part).is_none() || has.is_some() && d.right.is_some())
            .filter(|(d, _)| !is_on_page(found, d))
            .collect();
        let more = other.len().saturating_sub(NAMED);
        for (difference, has) in other.into_iter().take(NAMED) {
            let against = match most.is_empty() {
                true => String::new(),
                false => format!("; {others} {} {}", plural(most.len(), "has", "have"), shown(difference.right)),
            };
            let what = display_name(&difference.row, reads);
            out.push(match &difference.row {
                RowKey::AuthEnabled => format!(
                    "authentication is {} on {name}{}",
                    has.unwrap_or("disabled"),
                    match most.is_empty() {
                        true => String::new(),
                        false => format!(" and {} on {others}", difference.right.unwrap_or("disabled")),
                    }
                ),
                RowKey::AuthRevision => format!("{name} has auth revision {}{against}", shown(*has)),
                RowKey::LeaseTtl(_) => format!("{name} has a TTL of {} for lease {what}{against}", shown(*has)),
                RowKey::User(_) => format!("{name} has other roles for user {what}: {}{against}", shown(*has)),
                RowKey::Role(_) => format!("{name} has other permissions for role {what}: {}{against}", shown(*has)),
                RowKey::Password(_) => match most.is_empty() {
                    true => format!("{name} has another password for user {what} than another member"),
                    false => format!("{name} has another password for user {what} than {others}"),
                },
                RowKey::Member(_) => format!("{name} has {what} at {}{against}", shown(*has)),
                RowKey::ClusterVersion => format!("{name} has cluster version {}{against}", shown(*has)),
                RowKey::Downgrade => format!("{name} has a downgrade row {}{against}", shown(*has)),
                RowKey::Compacted => {
                    let up_to = |value: Option<&str>| match value.and_then(|v| v.parse::<i64>().ok()) {
                        Some(at) => format!("compacted up to revision {}", super::shown(at)),
                        None => "not compacted".into(),
                    };
                    let against = match most.is_empty() {
                        true => String::new(),
                        false => format!("; {others} {} {}", plural(most.len(), "is", "are"), up_to(difference.right)),
                    };
                    format!("{name} is {}{against}", up_to(*has))
                }
                RowKey::Lease(_) | RowKey::Alarm(_) => format!("{name} differs in {what}{against}"),
            });
        }
        if more > 0 {
            out.push(format!("{name} differs in {} more", thousands(more as u64)));
        }
    }
    out
}

/// Whether a row only follows from one that is there or not, which is reported already: the TTL of a lease, the password of a
/// user.
fn is_on_page(found: &[Difference<'_>], difference: &Difference<'_>) -> bool {
    let leading = match &difference.row {
        RowKey::LeaseTtl(id) => RowKey::Lease(*id),
        RowKey::Password(name) => RowKey::User(name.clone()),
        _ => return false,
    };
    let absent = |d: &Difference<'_>| d.right.is_none() || d.odd.iter().any(|(_, has)| has.is_none());
    found.iter().any(|d| d.row == leading && absent(d))
}

fn shown(value: Option<&str>) -> &str {
    value.filter(|value| !value.is_empty()).unwrap_or("none")
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
        return check(lacking(&reads, &lack));
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
        return if denied { check.todo("Give --user and --password of root, who may read all of it.") } else { check };
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
        return check(Outcome::Unknown, lacking(&reads, &lack)).aside();
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
const UNDECIDED: &str = "Do not stop any of them yet: run `requorum verify` where the plan's snapshot can be read, or find \
                         out which file each was restored from.";
/// What to do where all members are of another snapshot.
const ALL: &str = "Stop all members, move their directories aside, restore all of them from the plan, and start them \
                   together.";
/// What to do where a change may be the operator's own.
const SHOWN: &str = "If no client changed this since the start, the members were restored from another file: restore \
                     them again from the plan.";

fn counts(reads: &[Read<'_>], part: Part) -> String {
    let count = reads.first().map_or(0, |read| read.now.rows.keys().filter(|row| row.part() == part).count());
    let (one, several) = counted(part).unwrap_or_default();
    format!("{} {}", thousands(count as u64), plural(count, one, several))
}

/// What was not compared, and why.
fn lacking(reads: &[Read<'_>], parts: &[Part]) -> String {
    let list = all(&parts.iter().map(|part| part.words().to_string()).collect::<Vec<_>>());
    let why: BTreeSet<&str> = reads.iter().flat_map(|read| read.now.missing.iter().map(String::as_str)).collect();
    let why: Vec<String> = why.into_iter().map(str::to_string).collect();
    match (reads.iter().any(|read| read.now.too_large), why.is_empty()) {
        (true, _) => format!("not compared, since it takes the whole database (--deep streams it): {list}"),
        (false, true) => format!("not compared: {list}"),
        (false, false) => format!("not compared ({}): {list}", all(&why)),
    }
}

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
