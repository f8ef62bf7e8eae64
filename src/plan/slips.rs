//! The mistakes of a member table, each by name, in its cell, with its correction.
//!
//! [`check`] runs on every keystroke. What stands here is about one row and about names and URLs
//! across rows; [`dirs`] is about directories, [`flags`] about the column of further flags.

mod dirs;
mod flags;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub(crate) use flags::flag_name;

use super::{
    glyphs,
    table::{self, Column, Problem, Row},
    url::{self, Guess, Scheme, Url},
    words::plural,
};
use crate::etcd::membership::Id;

/// The token that etcd takes when none is given.
const DEFAULT_TOKEN: &str = "etcd-cluster";

/// Every mistake of the table, by cell: errors stop the plan, warnings do not. In the order of the
/// rows, each row from left to right, what is about the whole table last.
pub fn check(rows: &[Row], token: &str) -> Vec<Problem> {
    let mut out = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        name(rows, at, row.text(Column::Name), &mut out);
        urls(rows, at, Column::Peer, &mut out);
        urls(rows, at, Column::Client, &mut out);
        dirs::check(rows, at, &mut out);
        flags::check(at, row, &mut out);
    }
    places(rows, &mut out);
    hosts(rows, &mut out);
    out.sort_by_key(|p| (p.row.is_none(), p.row, p.column));
    whole(rows, token, &mut out);
    out
}

/// How a row is called in a sentence about another one.
fn called(rows: &[Row], at: usize) -> String {
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
        return error("the name is empty; etcd wants one for each member".into(), None);
    }
    let fixed = glyphs::clean(name).trim().replace([' ', ',', '='], "-");
    let fix = Some(fixed).filter(|f| !f.is_empty() && f != name);
    if let Some(stray) = glyphs::find_hidden(name) {
        error(format!("{} stands in the name", stray.name), fix);
    } else if name.trim() != name {
        error(format!("a space stands at the edge of the name, so that it is {name:?} and not {:?}", name.trim()), fix);
    } else if let Some(c) = name.chars().find(|c| [' ', ',', '='].contains(c)) {
        let what = if c == ' ' { "a space".to_string() } else { format!("{:?}", c.to_string()) };
        error(format!("{what} stands in the name, where --initial-cluster would be cut"), fix);
    }
    if let Some(first) = rows.iter().take(at).position(|row| row.text(Column::Name).trim() == name.trim()) {
        error(
            format!(
                "the name {:?} stands in row {} already; etcd would make one member of both",
                name.trim(),
                first + 1
            ),
            None,
        );
    }
}

/// The usual port of a column, and that of the other one.
fn ports(column: Column) -> (u16, u16) {
    if column == Column::Peer { (2380, 2379) } else { (2379, 2380) }
}

/// What the rest of the column tells about a URL that is not whole.
fn guess(rows: &[Row], column: Column) -> Guess {
    let tls = rows
        .iter()
        .flat_map(|row| table::items(row.text(column)))
        .filter_map(|item| url::parse(item).ok())
        .any(|u| u.scheme == Scheme::Https);
    Guess { scheme: if tls { Scheme::Https } else { Scheme::Http }, port: Some(ports(column).0) }
}

/// The mistakes inside one cell of URLs. Only the first slip of each item is told; its correction
/// holds the whole cell with every slip corrected that can be.
fn urls(rows: &[Row], at: usize, column: Column, out: &mut Vec<Problem>) {
    let Some(row) = rows.get(at) else { return };
    let text = row.text(column);
    let heading = column.heading();
    if table::items(text).next().is_none() {
        let why = if column == Column::Peer { "the others could not reach it" } else { "no client could reach it" };
        out.push(Problem::error(Some(at), Some(column), format!("the {heading} is missing; {why}")));
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
                let what =
                    if n + 1 == pieces.len() { "a comma stands at the end" } else { "nothing stands before a comma" };
                let text = format!("{what}; etcd reads that as an empty URL");
                out.push(Problem::error(Some(at), Some(column), text).fixed(Some(cell(None))));
            }
            Err(slip) => {
                let fix = slip.fix.as_ref().map(|_| cell(None));
                out.push(Problem::error(Some(at), Some(column), slip.text.clone()).fixed(fix));
            }
            Ok(url) if url.ip().is_some_and(|ip| ip.is_unspecified()) => {
                let text = format!("{} is no address that others can reach; give the host's own", url.host);
                out.push(Problem::error(Some(at), Some(column), text));
            }
            Ok(url) if url.port == other => {
                let right = url.at(&url.host, usual);
                let text = format!(
                    "{other} is etcd's port for {}: {}?",
                    if column == Column::Peer { "clients" } else { "peers" },
                    right.as_str()
                );
                out.push(Problem::warning(Some(at), Some(column), text).fixed(Some(cell(Some((n, right.as_str()))))));
            }
            Ok(_) if n > 0 && piece.starts_with(' ') => {
                let text = "a space stands after the comma; it is not taken into the plan";
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

/// Every URL of the table that etcd takes, with its row and column.
fn all_urls(rows: &[Row]) -> Vec<(usize, Column, Url)> {
    let mut out = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        for column in [Column::Peer, Column::Client] {
            let urls = table::items(row.text(column)).filter_map(|item| url::parse(item).ok());
            out.extend(urls.map(|u| (at, column, u)));
        }
    }
    out
}

/// The same host and port twice: etcd refuses the same peer URL, and nothing listens twice.
fn places(rows: &[Row], out: &mut Vec<Problem>) {
    let mut seen: std::collections::HashMap<(String, u16), (usize, Column)> = std::collections::HashMap::new();
    for (at, column, url) in all_urls(rows) {
        match seen.entry(url.place()) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert((at, column));
            }
            std::collections::hash_map::Entry::Occupied(first) => {
                let (first, its_column) = *first.get();
                let text = if (first, its_column) == (at, column) {
                    format!("{} stands twice in this cell", url.as_str())
                } else {
                    format!("{} is the {} of {} already", url.as_str(), its_column.heading(), called(rows, first))
                };
                out.push(Problem::error(Some(at), Some(column), text));
            }
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.ip() {
        Some(IpAddr::V4(ip)) => ip.is_loopback(),
        Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        None => url.host.eq_ignore_ascii_case("localhost"),
    }
}

/// Peer URLs seen together: one that only its own host reaches, and mixed schemes.
fn hosts(rows: &[Row], out: &mut Vec<Problem>) {
    let peers: Vec<(usize, Url)> =
        all_urls(rows).into_iter().filter(|(_, c, _)| *c == Column::Peer).map(|(at, _, u)| (at, u)).collect();
    // All on loopback is a cluster on one machine, which is what it says.
    if peers.iter().any(|(_, u)| !is_loopback(u) && !u.scheme.is_unix()) {
        for (at, url) in peers.iter().filter(|(_, u)| is_loopback(u)) {
            let text = format!(
                "{} is another host for each member; the others will not reach {}",
                url.host,
                called(rows, *at)
            );
            out.push(Problem::warning(Some(*at), Some(Column::Peer), text));
        }
    }
    let tls = peers.iter().filter(|(_, u)| u.scheme.is_tls()).count();
    let odd_is_tls = tls * 2 <= peers.len();
    if tls > 0 && tls < peers.len() {
        for (at, url) in peers.iter().filter(|(_, u)| u.scheme.is_tls() == odd_is_tls) {
            let others = if odd_is_tls { "http" } else { "https" };
            let text = format!("{} is {}, others are {others}", called(rows, *at), url.scheme.as_str());
            out.push(Problem::warning(Some(*at), Some(Column::Peer), text));
        }
    }
}

/// What is about the table as a whole.
fn whole(rows: &[Row], token: &str, out: &mut Vec<Problem>) {
    if token.is_empty() {
        out.push(Problem::error(None, None, "the token is empty; it keeps the new cluster apart from the old one"));
    } else if let Some(stray) = glyphs::find(token) {
        out.push(Problem::error(None, None, format!("{} stands in the token", stray.name)));
    } else if token.contains(' ') {
        out.push(Problem::error(None, None, format!("a space stands in the token {token:?}")));
    }
    if rows.is_empty() {
        out.push(Problem::error(None, None, "the table is empty; a cluster needs at least one member"));
        return;
    }
    let urls = all_urls(rows);
    let lone_localhost = matches!(urls.iter().filter(|(_, c, _)| *c == Column::Peer).collect::<Vec<_>>().as_slice(),
        [(_, _, only)] if only.as_str() == "http://localhost:2380");
    if token == DEFAULT_TOKEN && rows.len() == 1 && lone_localhost {
        let text = "one member at http://localhost:2380 with the token etcd-cluster is what etcd makes when it is given nothing: \
                    member 8e9e05c52164694d of cluster cdf818194e3a8c32, the same on every host";
        out.push(Problem::warning(None, None, text));
    } else if token == DEFAULT_TOKEN {
        let text = "the token etcd-cluster is etcd's own for every cluster; with a new one no leftover member can join by mistake";
        out.push(Problem::warning(None, None, text));
    }
    if rows.len().is_multiple_of(2) {
        let lost = rows.len() / 2 - 1;
        let lost = if lost == 0 { "none".to_string() } else { lost.to_string() };
        let fewer = rows.len() - 1;
        let text =
            format!("{} members survive the loss of {lost}, as {fewer} {}", rows.len(), plural(fewer, "does", "do"));
        out.push(Problem::warning(None, None, text));
    }
    let (ids, _) = table::ids(rows, token);
    for (at, id) in ids.iter().enumerate().filter_map(|(at, id)| Some((at, (*id)?))) {
        if id == Id(0) {
            let text =
                format!("the member ID of {} comes out as 0, which etcd refuses; take another token", called(rows, at));
            out.push(Problem::error(Some(at), None, text));
        }
        if let Some(first) = ids.iter().take(at).position(|other| *other == Some(id)) {
            let text =
                format!("{} and {} come out with the same member ID {id}", called(rows, first), called(rows, at));
            out.push(Problem::error(Some(at), None, text));
        }
    }
}
