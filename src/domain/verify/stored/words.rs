//! Sentences about rows that differ, and counts of those that do not.

use std::collections::BTreeSet;

use super::rows::{Difference, Read, display_name};
use crate::{
    domain::{
        model::{
            observations::rows::{Part, RowKey},
            plan::Member,
        },
        verify::{self, NAMED, names, some},
    },
    text::{
        join::all,
        number::{plural, thousands},
    },
};

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
pub(super) fn sentences(reads: &[Read<'_>], found: &[Difference<'_>], part: Part) -> Vec<String> {
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
                out.push(format!("{name} lacks {} {}, {has}", plural(lacks.len(), one, several), some(&lacks)));
            }
            if !adds.is_empty() {
                let lack = match most.is_empty() {
                    true => "which not every member has".to_string(),
                    false => format!("which {others} {do_not} have"),
                };
                out.push(format!("{name} has {} {}, {lack}", plural(adds.len(), one, several), some(&adds)));
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
                        Some(at) => format!("compacted up to revision {}", verify::shown(at)),
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

pub(super) fn counts(reads: &[Read<'_>], part: Part) -> String {
    let count = reads.first().map_or(0, |read| read.now.rows.keys().filter(|row| row.part() == part).count());
    let (one, several) = counted(part).unwrap_or_default();
    format!("{} {}", thousands(count as u64), plural(count, one, several))
}

/// What was not compared, and why.
pub(super) fn lacking(reads: &[Read<'_>], parts: &[Part]) -> String {
    let list = all(&parts.iter().map(|part| part.words().to_string()).collect::<Vec<_>>());
    let why: BTreeSet<&str> = reads.iter().flat_map(|read| read.now.missing.iter().map(String::as_str)).collect();
    let why: Vec<String> = why.into_iter().map(str::to_string).collect();
    match (reads.iter().any(|read| read.now.too_large), why.is_empty()) {
        (true, _) => {
            format!("not compared, since it takes the whole database: {list}")
        }
        (false, true) => format!("not compared: {list}"),
        (false, false) => format!("not compared ({}): {list}", all(&why)),
    }
}
