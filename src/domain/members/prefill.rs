//! Proposals: the member table, the cluster's label and the token, from what was seen.

mod config;
mod inventory;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    cell::{Origin, Row, Suggestion},
    inventory::InventoryHost,
    table::{self, Column},
};
use crate::etcd::membership::{Id, cluster_id};
use crate::{
    domain::{
        model::observations::{
            Answer, Content, EndpointFacts, KnownMember, MemberStatus,
            config::{ConfigFacts, WITHHELD},
        },
        quorum::scope,
    },
    text::join::natural,
};

/// What the table is filled from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// What the chosen snapshot holds.
    pub content: Option<&'a Content>,
    /// The cluster that the snapshot is of, where its origin shows it: the file itself names none.
    pub cluster: Option<Id>,
    /// True where learners of the snapshot are to be voters of the new cluster.
    pub keep_learners: bool,
    /// What members answered.
    pub answers: &'a [EndpointFacts],
    /// Flags of etcd configurations that were found.
    pub config: &'a [Flag],
    /// The operator's inventory.
    pub inventory: &'a [InventoryHost],
    /// Data directories are proposed as `base_dir/NAME.etcd`.
    pub base_dir: &'a Path,
}

/// One flag of an etcd configuration that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Where: the same words for all flags of one etcd, such as `10.0.0.1:/etc/etcd/etcd.conf.yml`.
    pub origin: String,
    /// The flag's name without dashes.
    pub name: String,
    /// Its value as it was written.
    pub value: String,
}

/// The flags of configurations that were found, secrets left out.
pub fn flags(configs: &[ConfigFacts]) -> Vec<Flag> {
    let of = |config: &ConfigFacts| {
        let origin = config.place();
        let told = config.flags.iter().filter(|setting| setting.value != WITHHELD);
        told.map(|s| Flag { origin: origin.clone(), name: s.flag.clone(), value: s.value.clone() }).collect::<Vec<_>>()
    };
    configs.iter().flat_map(of).collect()
}

/// A filled table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    /// One row for each member.
    pub rows: Vec<Row>,
    /// What the rows do not show, sentences without a full stop: the members left out.
    pub notes: Vec<String>,
    /// The learners, one row each, whether they are among `rows` or not.
    pub learners: Vec<Row>,
}

/// Returns the table, each cell with what every source proposes for it.
///
/// Its members: those of the inventory, where there is one; else those of the snapshot and
/// the answers; else those that configurations name. The text of a cell: what the inventory has,
/// else the answer with the highest term and index, else the snapshot, else a configuration. Answers
/// of another cluster than the snapshot's fill no cell. A data directory is the inventory's or a
/// proposal; that of a configuration holds the old data and is only a choice. Learners are left out
/// unless they are to be kept, as a restore makes every row a voter. A member without a name (it
/// never started) gets the first free `m1`, `m2`, …; one without client URLs gets its peer hosts with
/// port 2379.
pub fn fill(sources: &Sources<'_>) -> Filled {
    let (said, mut notes) = own(sources);
    let (mut rows, mut learners) = known(sources.content, said);
    let named = |row: &Row| sources.inventory.iter().any(|e| !e.name.is_empty() && e.name == row.text(Column::Name));
    rows.extend(learners.iter().filter(|row| sources.keep_learners || named(row)).cloned());
    by_name(&mut rows);
    config::add(&mut rows, sources.config);
    propose(&mut rows, sources.base_dir);
    propose(&mut learners, sources.base_dir);
    if !sources.inventory.is_empty() {
        let left_out;
        (rows, left_out) = inventory::choose(rows, sources.inventory);
        notes.extend(left_out);
        propose(&mut rows, sources.base_dir);
    }
    Filled { rows, notes, learners }
}

/// The answers of the snapshot's own cluster, the newest first, and who else answered.
fn own<'a>(sources: &Sources<'a>) -> (Vec<(&'a MemberStatus, &'a str)>, Vec<String>) {
    let mut said = said(sources.answers);
    said.sort_by_key(|(s, _)| std::cmp::Reverse((s.raft_term, s.raft_index)));
    let members = sources.content.map(|c| c.members.as_slice()).unwrap_or_default();
    // a cluster whose members are those that it began with has the ID that follows from theirs
    let voters: Vec<Id> = members.iter().filter(|m| !m.is_learner).map(|m| m.id).collect();
    let follows = Some(cluster_id(&voters)).filter(|_| !voters.is_empty());
    let follows = follows.filter(|id| said.iter().any(|(s, _)| s.cluster_id == *id));
    let cluster = sources.cluster.or(follows);
    let shared = |says: &MemberStatus| members.iter().filter(|m| says.members.iter().any(|k| k.id == m.id)).count();
    let most = said.iter().map(|(says, _)| shared(says)).max().unwrap_or(0);
    let best: BTreeSet<u64> =
        said.iter().filter(|(says, _)| shared(says) == most).map(|(says, _)| says.cluster_id.0).collect();
    let is_own = |says: &MemberStatus| {
        scope::same_cluster(cluster, members, says.cluster_id, &says.members)
            // of several clusters that share members with the snapshot, that which shares most
            && (cluster.is_some() || members.is_empty() || (best.len() == 1 && best.contains(&says.cluster_id.0)))
    };
    let (own, others): (Vec<_>, Vec<_>) = said.into_iter().partition(|(says, _)| is_own(says));
    let notes = others.iter().map(|(says, endpoint)| {
        format!(
            "{endpoint} is of another cluster than the snapshot ({}), so nothing is filled in from it",
            says.cluster_id
        )
    });
    (own, notes.collect())
}

/// The learners of a snapshot that no row of a table is about, by name where they have one.
pub fn left_out(content: &Content, rows: &[Row]) -> Vec<String> {
    let learners = content.members.iter().filter(|m| m.is_learner);
    let in_table = |m: &&KnownMember| {
        rows.iter().any(|row| {
            let same_name = !m.name.is_empty() && row.text(Column::Name).trim() == m.name;
            same_name || table::items(row.text(Column::Peer)).any(|url| m.peer_urls.iter().any(|known| known == url))
        })
    };
    learners
        .filter(|m| !in_table(m))
        .map(|m| if m.name.is_empty() { m.id.to_string() } else { m.name.to_string() })
        .collect()
}

/// [`fill`] from the snapshot and the survivors' answers alone.
pub fn rows(content: Option<&Content>, answers: &[EndpointFacts], base_dir: &Path) -> Vec<Row> {
    let sources =
        Sources { content, cluster: None, keep_learners: false, answers, config: &[], inventory: &[], base_dir };
    fill(&sources).rows
}

/// A member and its row as far as it is known.
#[derive(Default)]
struct KnownRow {
    member: KnownMember,
    /// True when a survivor knows it.
    current: bool,
    row: Row,
}

/// The members of the snapshot and of the answers, one row each, in natural order of their names; the learners apart.
fn known(content: Option<&Content>, said: Vec<(&MemberStatus, &str)>) -> (Vec<Row>, Vec<Row>) {
    let mut members: BTreeMap<Id, KnownRow> = BTreeMap::new();
    for (says, endpoint) in said {
        let own = says.members.iter().find(|m| m.id == says.member_id).map(|m| m.name.as_str());
        let from = format!("{}'s answer", own.filter(|n| !n.is_empty()).unwrap_or(endpoint));
        for member in &says.members {
            see(&mut members, member, Origin::Answer, &from);
        }
    }
    for member in content.iter().flat_map(|c| &c.members) {
        see(&mut members, member, Origin::Snapshot, "the snapshot");
    }
    // A member that was replaced since the snapshot has a new ID, but its name or place: the one
    // that answers know of is kept.
    let current: Vec<KnownMember> = members.values().filter(|s| s.current).map(|s| s.member.clone()).collect();
    members.retain(|id, seen| {
        seen.current
            || !current.iter().any(|now| {
                let same_name = !now.name.is_empty() && now.name == seen.member.name;
                now.id != *id && (same_name || now.peer_urls.iter().any(|url| seen.member.peer_urls.contains(url)))
            })
    });
    let (learners, voters): (Vec<KnownRow>, Vec<KnownRow>) = members.into_values().partition(|s| s.member.is_learner);
    let rows_of = |seen: Vec<KnownRow>| seen.into_iter().map(|s| s.row).collect::<Vec<Row>>();
    let (mut rows, mut learners) = (rows_of(voters), rows_of(learners));
    by_name(&mut rows);
    let count = rows.len();
    rows.append(&mut learners);
    name_the_nameless(&mut rows);
    let mut learners = rows.split_off(count);
    by_name(&mut rows);
    by_name(&mut learners);
    (rows, learners)
}

fn by_name(rows: &mut [Row]) {
    rows.sort_by(|a, b| natural(a.text(Column::Name), b.text(Column::Name)));
}

/// Those that answered, with the endpoint that each was asked at.
fn said(answers: &[EndpointFacts]) -> Vec<(&MemberStatus, &str)> {
    let says = answers.iter().filter_map(|f| match &f.answer {
        Answer::Says(says) => Some((says.as_ref(), f.endpoint.as_str())),
        _ => None,
    });
    says.collect()
}

/// Adds what one source says. The more trusted sources come first: later ones fill what is
/// empty, and become further choices where it is not.
fn see(members: &mut BTreeMap<Id, KnownRow>, now: &KnownMember, origin: Origin, from: &str) {
    let seen = members.entry(now.id).or_insert_with(|| KnownRow { member: now.clone(), ..KnownRow::default() });
    seen.current |= origin == Origin::Answer;
    for (column, text) in [
        (Column::Name, now.name.to_string()),
        (Column::Peer, now.peer_urls.join(",")),
        (Column::Client, now.client_urls.join(",")),
    ] {
        note(&mut seen.row, column, text, origin, from);
    }
}

/// Adds what a source proposes for a cell, and fills it where it is empty.
fn note(row: &mut Row, column: Column, text: impl Into<String>, origin: Origin, from: &str) {
    let candidate = Suggestion { text: text.into(), origin, from: from.into() };
    if row.text(column).is_empty() && !candidate.text.is_empty() {
        row.take(column, &candidate);
    }
    row.saw(column, candidate);
}

fn name_the_nameless(rows: &mut [Row]) {
    let mut taken: Vec<String> = rows.iter().map(|r| r.text(Column::Name).to_string()).collect();
    for row in rows.iter_mut().filter(|r| r.text(Column::Name).is_empty()) {
        let free = (1..).map(|n| format!("m{n}")).find(|name| !taken.contains(name)).unwrap_or_default();
        taken.push(free.clone());
        row.set(Column::Name, free, Origin::Proposed);
    }
}

/// Fills what no source has: client URLs next to the peer URLs, and a new data directory.
fn propose(rows: &mut [Row], base_dir: &Path) {
    for at in 0..rows.len() {
        let clients = table::proposed_clients(rows, at);
        if let Some(row) = rows.get_mut(at) {
            propose_one(row, clients, base_dir);
        }
    }
}

fn propose_one(row: &mut Row, clients: String, base_dir: &Path) {
    if row.text(Column::Client).is_empty() {
        row.set(Column::Client, clients, Origin::Proposed);
    }
    if row.text(Column::DataDir).is_empty() && !row.text(Column::Name).is_empty() {
        let text = default_dir(base_dir, row.text(Column::Name)).to_string_lossy().into_owned();
        row.set(Column::DataDir, text.clone(), Origin::Proposed);
        row.saw(Column::DataDir, Suggestion { text, origin: Origin::Proposed, from: "a proposal".into() });
    }
}

/// Returns the data directory that is proposed for a member: `NAME.etcd`, as `etcdutl` names it. A slash in a name would
/// make two directories of it.
pub fn default_dir(base_dir: &Path, name: &str) -> PathBuf {
    base_dir.join(format!("{}.etcd", name.replace('/', "-")))
}

/// The cluster's label as it is proposed: the one given, else the first four digits of the cluster
/// ID that members answered with, else of the one that follows from the snapshot's voters (the old
/// cluster's own, unless members were added since), else `etcd`.
pub fn label(given: Option<&str>, answers: &[EndpointFacts], content: Option<&Content>) -> String {
    if let Some(given) = given.map(str::trim).filter(|g| !g.is_empty()) {
        return given.to_string();
    }
    let answered = said(answers).iter().map(|(s, _)| s.cluster_id).find(|id| *id != Id(0));
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
