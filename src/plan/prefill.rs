//! Proposals: the member table, the cluster's label and the token, from what was seen.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use super::{
    facts::{Answer, Content, EndpointFacts, KnownMember, MemberSays},
    table::{Column, Origin, Row},
    url::{self, Url},
    words::natural,
};
use crate::etcd::membership::{Id, cluster_id};

/// A member with where its name, peer and client URLs were seen.
struct Seen {
    member: KnownMember,
    name: Origin,
    peer: Origin,
    client: Origin,
}

/// The members of the snapshot and of the survivors' answers, one row each, in natural order of
/// their names. Where both know a member, the answer with the highest term and index counts.
/// Learners are left out: a restore makes every row a voter. A member without a name (it never
/// started) gets the first free `m1`, `m2`, …; one without client URLs gets its peer hosts with
/// port 2379. Data directories are proposed as `base_dir/NAME.etcd`.
pub fn rows(content: Option<&Content>, answers: &[EndpointFacts], base_dir: &Path) -> Vec<Row> {
    let mut members: BTreeMap<Id, Seen> = BTreeMap::new();
    for member in content.iter().flat_map(|c| &c.members) {
        see(&mut members, member, Origin::Snapshot);
    }
    let mut said = said(answers);
    said.sort_by_key(|s| (s.raft_term, s.raft_index));
    for member in said.iter().flat_map(|s| &s.members) {
        see(&mut members, member, Origin::Answer);
    }
    // A member that was replaced since the snapshot has a new ID, but its name or place: the one
    // that answers know of stands.
    let current: Vec<KnownMember> =
        members.values().filter(|s| s.peer == Origin::Answer).map(|s| s.member.clone()).collect();
    members.retain(|id, seen| {
        seen.peer == Origin::Answer
            || !current.iter().any(|now| {
                let same_name = !now.name.is_empty() && now.name == seen.member.name;
                now.id != *id && (same_name || now.peer_urls.iter().any(|url| seen.member.peer_urls.contains(url)))
            })
    });
    let mut seen: Vec<Seen> = members.into_values().filter(|s| !s.member.is_learner).collect();
    seen.sort_by(|a, b| natural(&a.member.name, &b.member.name));
    name_the_nameless(&mut seen);
    seen.sort_by(|a, b| natural(&a.member.name, &b.member.name));
    seen.into_iter().map(|s| row(s, base_dir)).collect()
}

fn said(answers: &[EndpointFacts]) -> Vec<&MemberSays> {
    let says = answers.iter().filter_map(|f| match &f.answer {
        Answer::Says(says) => Some(says.as_ref()),
        _ => None,
    });
    says.collect()
}

/// Takes in what one source says; what it leaves empty stays as it was.
fn see(members: &mut BTreeMap<Id, Seen>, now: &KnownMember, origin: Origin) {
    let seen = members.entry(now.id).or_insert_with(|| Seen {
        member: KnownMember { id: now.id, ..KnownMember::default() },
        name: origin,
        peer: origin,
        client: origin,
    });
    seen.member.is_learner = now.is_learner;
    if !now.name.is_empty() {
        (seen.member.name, seen.name) = (now.name.clone(), origin);
    }
    if !now.peer_urls.is_empty() {
        (seen.member.peer_urls, seen.peer) = (now.peer_urls.clone(), origin);
    }
    if !now.client_urls.is_empty() {
        (seen.member.client_urls, seen.client) = (now.client_urls.clone(), origin);
    }
}

fn name_the_nameless(seen: &mut [Seen]) {
    let mut taken: Vec<String> = seen.iter().map(|s| s.member.name.clone()).collect();
    for seen in seen.iter_mut().filter(|s| s.member.name.is_empty()) {
        let free = (1..).map(|n| format!("m{n}")).find(|name| !taken.contains(name)).unwrap_or_default();
        taken.push(free.clone());
        (seen.member.name, seen.name) = (free, Origin::Proposed);
    }
}

fn row(seen: Seen, base_dir: &Path) -> Row {
    let Seen { member, name, peer, client } = seen;
    let (clients, client) = if member.client_urls.is_empty() {
        (beside(&member.peer_urls), Origin::Proposed)
    } else {
        (member.client_urls, client)
    };
    // A slash in a name would make two directories of it.
    let dir = base_dir.join(format!("{}.etcd", member.name.replace('/', "-")));
    Row::default()
        .with(Column::Name, member.name, name)
        .with(Column::Peer, member.peer_urls.join(","), peer)
        .with(Column::Client, clients.join(","), client)
        .with(Column::DataDir, dir.to_string_lossy(), Origin::Proposed)
}

/// Client URLs on the hosts of these peer URLs.
fn beside(peer_urls: &[String]) -> Vec<String> {
    let peers = peer_urls.iter().filter_map(|text| url::parse(text).ok()).filter(|u| !u.scheme.is_unix());
    let mut out: Vec<Url> = Vec::new();
    for url in peers.map(|u| u.at(&u.host, 2379)) {
        if !out.contains(&url) {
            out.push(url);
        }
    }
    out.iter().map(|u| u.as_str().to_string()).collect()
}

/// The cluster's label as it is proposed: the one given, else the first four digits of the cluster
/// ID that members answered with, else of the one that follows from the snapshot's voters (the old
/// cluster's own, unless members were added since), else `etcd`.
pub fn label(given: Option<&str>, answers: &[EndpointFacts], content: Option<&Content>) -> String {
    if let Some(given) = given.map(str::trim).filter(|g| !g.is_empty()) {
        return given.to_string();
    }
    let answered = said(answers).iter().map(|s| s.cluster_id).find(|id| *id != Id(0));
    let id = answered.or_else(|| {
        let voters: Vec<Id> = content?.members.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
        (!voters.is_empty()).then(|| cluster_id(&voters))
    });
    id.map_or_else(|| "etcd".to_string(), |id| id.to_string().chars().take(4).collect())
}

/// A token that no other attempt has: label, UTC date and time (`now` in seconds since 1970), and
/// a few random digits: `prod-eu-20261122-0312-7f3a`. What a token cannot hold becomes `-`.
pub fn token(label: &str, now: i64, fresh: &str) -> String {
    let plain: String =
        label.trim().chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let plain = if plain.is_empty() { "etcd" } else { plain.as_str() };
    let (year, month, day) = civil(now.div_euclid(86_400));
    let minutes = now.rem_euclid(86_400) / 60;
    format!("{plain}-{year:04}{month:02}{day:02}-{:02}{:02}-{fresh}", minutes / 60, minutes % 60)
}

/// The Gregorian date of a day counted from 1970-01-01. Years begin in March here, so that the
/// leap day comes last, and are counted in spans of 400 (146,097 days).
fn civil(day: i64) -> (i64, i64, i64) {
    // 719,468 days from 0000-03-01 to 1970-01-01.
    let shifted = day.saturating_add(719_468);
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}
