//! Validation problems of a member table, each with its cell and its correction.
//!
//! [`check`] runs on every keystroke. This file covers single rows, and names and URLs across
//! rows; `hosts` is about hosts seen together, `dirs` about directories, `flags` about the
//! column of further flags.

mod dirs;
mod flags;
mod hosts;
#[cfg(test)]
mod tests;

pub(crate) use flags::{flag_name, flag_value, has as has_flag};

use super::{
    cell::Row,
    table::{self, About, Column, MOST_MEMBERS, Problem},
};
use crate::etcd::membership::Id;
use crate::{
    domain::model::url::{self, CLIENT_PORT, Guess, PEER_PORT, Scheme, Url},
    text::{confusables, template},
};
use crate::{
    domain::model::{host_address, observations::KnownMember},
    text::number::plural,
};

/// The token that etcd uses when none is given.
const DEFAULT_TOKEN: &str = "etcd-cluster";
/// The member ID of every etcd that was started without flags: of `http://localhost:2380` and that
/// token; and the ID of the cluster that it makes (etcd `server/embed/config.go`, 3.4 to 3.7).
const DEFAULT_MEMBER: Id = Id(0x8e9e_05c5_2164_694d);
const DEFAULT_CLUSTER: Id = Id(0xcdf8_1819_4e3a_8c32);

/// Returns every problem of the table, by cell: errors stop the plan, warnings do not. In the order of the
/// rows, each row from left to right, problems of the whole table last.
pub fn check(rows: &[Row], token: &str) -> Vec<Problem> {
    if rows.len() > MOST_MEMBERS {
        // each row is compared with all others, which is not worthwhile for so many
        let text = format!("the table has {} members; requorum restores at most {MOST_MEMBERS}", rows.len());
        return vec![Problem::error(None, None, text)];
    }
    let mut out = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        name(rows, at, row.text(Column::Name), &mut out);
        urls(rows, at, Column::Peer, &mut out);
        urls(rows, at, Column::Client, &mut out);
        dirs::check(rows, at, &mut out);
        flags::check(at, row, &mut out);
        out.extend(host_address::slip(row.host()).map(|text| Problem::error(Some(at), Some(Column::Host), text)));
    }
    places(rows, &mut out);
    hosts::check(rows, &mut out);
    out.sort_by_key(|p| (p.row.is_none(), p.row, p.column));
    whole(rows, token, &mut out);
    out
}

/// Returns the name of a row in a message about another one.
fn display_name(rows: &[Row], at: usize) -> String {
    match rows.get(at).map(|row| row.text(Column::Name).trim()) {
        Some(name) if !name.is_empty() => name.to_string(),
        _ => format!("row {}", at + 1),
    }
}

fn name(rows: &[Row], at: usize, name: &str, out: &mut Vec<Problem>) {
    let mut error = |text: String, fix: Option<String>| {
        out.push(Problem::error(Some(at), Some(Column::Name), text).fixed(fix));
    };
    if name.trim().is_empty() {
        return error("the name is empty; etcd needs one for each member".into(), None);
    }
    if let Some(text) = template::slip(name, "the member's own name") {
        return error(text, None);
    }
    let fixed = confusables::clean(name).trim().replace([' ', ',', '='], "-");
    let fix = Some(fixed).filter(|f| !f.is_empty() && f != name);
    if let Some(stray) = confusables::find_hidden(name) {
        error(format!("{} in the name", stray.name), fix);
    } else if name.trim() != name {
        error(format!("leading or trailing space in the name: it is {name:?}, not {:?}", name.trim()), fix);
    } else if let Some(c) = name.chars().find(|c| [' ', ',', '='].contains(c)) {
        let what = if c == ' ' { "a space".to_string() } else { format!("{:?}", c.to_string()) };
        error(format!("{what} in the name would split --initial-cluster"), fix);
    }
    if let Some(first) = rows.iter().take(at).position(|row| row.text(Column::Name).trim() == name.trim()) {
        let text =
            format!("duplicate name {:?} (row {}): etcd would treat both rows as one member", name.trim(), first + 1);
        error(text, next_name(rows, name.trim()));
    }
}

/// `m2` for a second `m1`: the next number that no row has. Names that do not count have none.
fn next_name(rows: &[Row], name: &str) -> Option<String> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number: u32 = name.strip_prefix(stem)?.parse().ok()?;
    let taken = |name: &str| rows.iter().any(|row| row.text(Column::Name).trim() == name);
    let mut next = (1..).map(|n| number.checked_add(n).map(|n| format!("{stem}{n}")));
    next.find(|name| name.as_deref().is_none_or(|name| !taken(name)))?
}

/// The usual port of a column, and that of the other one.
fn ports(column: Column) -> (u16, u16) {
    if column == Column::Peer { (PEER_PORT, CLIENT_PORT) } else { (CLIENT_PORT, PEER_PORT) }
}

/// What the rest of the column shows about an incomplete URL.
fn guess(rows: &[Row], column: Column) -> Guess {
    let tls = rows
        .iter()
        .flat_map(|row| table::items(row.text(column)))
        .filter_map(|item| url::parse(item).ok())
        .any(|u| u.scheme == Scheme::Https);
    Guess { scheme: if tls { Scheme::Https } else { Scheme::Http }, port: Some(ports(column).0) }
}

/// The mistakes inside one cell of URLs. Only the first problem of each item is reported; its correction
/// holds the whole cell with every problem corrected that can be.
fn urls(rows: &[Row], at: usize, column: Column, out: &mut Vec<Problem>) {
    let Some(row) = rows.get(at) else { return };
    let text = row.text(column);
    let heading = column.heading();
    if table::items(text).next().is_none() {
        let why =
            if column == Column::Peer { "other members could not reach it" } else { "clients could not reach it" };
        out.push(
            Problem::error(Some(at), Some(column), format!("the {heading} is missing; {why}")).about(About::Missing),
        );
        return;
    }
    let guess = guess(rows, column);
    let (usual, other) = ports(column);
    let pieces: Vec<&str> = text.split(',').collect();
    let parsed: Vec<Result<Url, url::UrlSlip>> = pieces.iter().map(|p| url::parse_with(p, guess)).collect();
    let corrected: Vec<Option<String>> = pieces
        .iter()
        .zip(&parsed)
        .map(|(piece, parsed)| match parsed {
            _ if piece.trim().is_empty() => Some(String::new()),
            Ok(url) => Some(url.as_str().to_string()),
            Err(slip) => slip.fix.clone(),
        })
        .collect();
    // With `instead`, that piece reads so; other mistakes without a correction keep their text.
    let cell = |instead: Option<(usize, &str)>| -> String {
        let items = pieces.iter().zip(&corrected).enumerate().map(|(n, (piece, fixed))| match instead {
            Some((m, text)) if m == n => text.to_string(),
            _ => fixed.clone().unwrap_or_else(|| piece.trim().to_string()),
        });
        items.filter(|item| !item.is_empty()).collect::<Vec<_>>().join(",")
    };
    for (n, (piece, parsed)) in pieces.iter().zip(&parsed).enumerate() {
        match parsed {
            _ if piece.trim().is_empty() => {
                let what = if n + 1 == pieces.len() { "trailing comma" } else { "nothing before a comma" };
                let text = format!("{what}; etcd reads that as an empty URL");
                out.push(Problem::error(Some(at), Some(column), text).fixed(Some(cell(None))));
            }
            Err(slip) => {
                let fix = slip.fix.as_ref().map(|_| cell(None));
                let named = fix.is_some() && fix == slip.fix;
                out.push(Problem::error(Some(at), Some(column), slip.text.clone()).fixed(fix).naming(named));
            }
            Ok(url) if url.ip().is_some_and(|ip| ip.is_unspecified()) => {
                let text = format!("{} is not an address that others can reach; give the host's own", url.host);
                let right = hosts::on_other_port(row, column).map(|host| url.at(&host, url.port));
                let fix = right.map(|right| cell(Some((n, right.as_str()))));
                out.push(Problem::error(Some(at), Some(column), text).fixed(fix));
            }
            Ok(url) if url.port == other => {
                let right = url.at(&url.host, usual);
                let text = format!(
                    "{other} is etcd's port for {}: {}?",
                    if column == Column::Peer { "clients" } else { "peers" },
                    right.as_str()
                );
                let fix = cell(Some((n, right.as_str())));
                let named = fix == right.as_str();
                out.push(Problem::warning(Some(at), Some(column), text).fixed(Some(fix)).naming(named));
            }
            Ok(_) if n > 0 && piece.starts_with(' ') => {
                let text = "space after the comma; the plan leaves it out";
                out.push(Problem::warning(Some(at), Some(column), text).fixed(Some(cell(None))));
            }
            Ok(_) => {}
        }
    }
    let tls = parsed.iter().flatten().any(|u| u.scheme.is_tls());
    if tls {
        flags::tls(at, row, column, out);
    }
}

/// A URL of the table that etcd accepts, and its place.
struct PlacedUrl {
    row: usize,
    column: Column,
    /// Its number among the cell's items.
    item: usize,
    url: Url,
}

impl PlacedUrl {
    fn at(&self) -> (usize, Column, usize) {
        (self.row, self.column, self.item)
    }
}

/// Every such URL, row by row.
fn all_urls(rows: &[Row]) -> Vec<PlacedUrl> {
    let mut out = Vec::new();
    for (row, cells) in rows.iter().enumerate() {
        for column in [Column::Peer, Column::Client] {
            let parsed = table::items(cells.text(column)).map(url::parse).enumerate();
            out.extend(parsed.filter_map(|(item, url)| Some(PlacedUrl { row, column, item, url: url.ok()? })));
        }
    }
    out
}

/// Checks for the same host and port twice: etcd rejects a repeated peer URL, and a port has one listener.
fn places(rows: &[Row], out: &mut Vec<Problem>) {
    let mut seen: std::collections::HashMap<(String, u16), (usize, Column)> = std::collections::HashMap::new();
    for PlacedUrl { row: at, column, url, .. } in all_urls(rows) {
        match seen.entry(url.place()) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert((at, column));
            }
            std::collections::hash_map::Entry::Occupied(first) => {
                let (first, its_column) = *first.get();
                let text = if (first, its_column) == (at, column) {
                    format!("{} appears twice in this cell", url.as_str())
                } else {
                    format!("{} is already the {} of {}", url.as_str(), its_column.heading(), display_name(rows, first))
                };
                out.push(Problem::error(Some(at), Some(column), text));
            }
        }
    }
}

/// Checks the table as a whole.
fn whole(rows: &[Row], token: &str, out: &mut Vec<Problem>) {
    if token.is_empty() {
        out.push(
            Problem::error(None, None, "the token is empty; it separates the new cluster from the old one")
                .about(About::Token),
        );
    } else if let Some(text) = template::slip(token, "a token that no other cluster has") {
        out.push(Problem::error(None, None, format!("the token: {text}")).about(About::Token));
    } else if let Some(stray) = confusables::find(token) {
        out.push(Problem::error(None, None, format!("the token contains {}", stray.name)).about(About::Token));
    } else if token.contains(' ') {
        out.push(Problem::error(None, None, format!("the token {token:?} contains a space")).about(About::Token));
    }
    if rows.is_empty() {
        out.push(Problem::error(None, None, "the table is empty; a cluster needs at least one member"));
        return;
    }
    let (ids, cluster) = table::ids(rows, token);
    if cluster == Some(DEFAULT_CLUSTER) {
        let text = "one member at http://localhost:2380 with the token etcd-cluster is what etcd uses by default: \
                    member 8e9e05c52164694d of cluster cdf818194e3a8c32, the same on every host";
        out.push(Problem::warning(None, None, text));
    } else if token == DEFAULT_TOKEN {
        let text = "etcd-cluster is etcd's default token; with a new token no leftover member can join by mistake";
        out.push(Problem::warning(None, None, text).about(About::Token));
    }
    if let Some(at) = ids.iter().position(|id| *id == Some(DEFAULT_MEMBER)).filter(|_| rows.len() > 1) {
        let text = "the member ID would be 8e9e05c52164694d, that of every etcd started without flags; use the host's own address and a new token";
        out.push(Problem::warning(Some(at), Some(Column::Peer), text));
    }
    if rows.len().is_multiple_of(2) {
        let lost = rows.len() / 2 - 1;
        let lost = match lost {
            0 => "no failure".to_string(),
            1 => "1 failure".to_string(),
            n => format!("{n} failures"),
        };
        let fewer = rows.len() - 1;
        let text = format!(
            "a {}-member cluster tolerates {lost}, the same as {fewer} {}",
            rows.len(),
            plural(fewer, "member", "members")
        );
        out.push(Problem::warning(None, None, text));
    }
    for (at, id) in ids.iter().enumerate().filter_map(|(at, id)| Some((at, (*id)?))) {
        if id == Id(0) {
            let text = format!(
                "the member ID of {} would be 0, which etcd rejects; use another token",
                display_name(rows, at)
            );
            out.push(Problem::error(Some(at), None, text));
        }
        if let Some(first) = ids.iter().take(at).position(|other| *other == Some(id)) {
            let text = format!(
                "{} and {} would have the same member ID {id}",
                display_name(rows, first),
                display_name(rows, at)
            );
            out.push(Problem::error(Some(at), None, text));
        }
    }
}

/// Returns the warning about etcd's defaults among members that a snapshot holds or a survivor lists, a
/// sentence without a full stop: such an etcd was started without its flags, mostly by mistake, and
/// is rarely the intended cluster.
pub fn defaults_seen(members: &[KnownMember]) -> Option<String> {
    members.iter().any(|m| m.id == DEFAULT_MEMBER).then(|| {
        "member 8e9e05c52164694d (cluster cdf818194e3a8c32) is the ID of every etcd started without flags; is this the data of the lost cluster, or of an etcd started by mistake?".into()
    })
}
