//! Which rows differ between members, and what of it is known to be right.

use std::collections::BTreeSet;

use super::{AUTH, REST};
use crate::domain::{
    model::{
        observations::{
            rows::{Part, RowKey, StoredRows},
            started::{ObservedMember, Queried},
        },
        plan::Member,
    },
    verify::{Case, source},
};

/// A member with what it stores now and stored in the rounds before.
#[derive(Clone, Copy)]
pub(super) struct Read<'a> {
    pub(super) member: &'a Member,
    pub(super) now: &'a StoredRows,
    pub(super) before: &'a [StoredRows],
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

pub(super) fn read<'a>(case: Case<'a>) -> Vec<Read<'a>> {
    let of = |(member, seen): (&'a Member, &'a ObservedMember)| match &seen.stored {
        Queried::Is(now) if crate::domain::verify::own(case, member, now) => {
            Some(Read { member, now, before: &seen.stored_before })
        }
        _ => None,
    };
    case.members().filter_map(of).collect()
}

pub(super) fn value<'a>(rows: &'a StoredRows, row: &RowKey) -> Option<&'a str> {
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
pub(super) struct Difference<'a> {
    pub(super) row: RowKey,
    /// Those that have something else than most, or all where no value is that of most.
    pub(super) odd: Vec<(&'a Member, Option<&'a str>)>,
    /// The others; none where no value is that of most.
    pub(super) most: Vec<&'a Member>,
    /// What they have.
    pub(super) right: Option<&'a str>,
    /// Whether it is known that they are right; else they are only more.
    pub(super) known: bool,
}

/// All rows of `parts` in which members differ, and whether others are open.
pub(super) fn differences<'a>(
    case: Case<'a>,
    reads: &[Read<'a>],
    parts: &[Part],
) -> (Vec<Difference<'a>>, Vec<RowKey>) {
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
pub(super) fn salted(reads: &[Read<'_>]) -> Vec<String> {
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
pub(super) fn display_name(row: &RowKey, of: &[Read<'_>]) -> String {
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
