//! Problems that only show when the hosts of several URLs are compared: one that only its own
//! host reaches, names mixed with addresses, http mixed with https, two hosts under one name.

use std::net::IpAddr;

use super::{PlacedUrl, all_urls, display_name};
use crate::domain::{
    members::{
        cell::{Origin, Row},
        table::{self, Column, Problem},
    },
    model::url::Url,
};

/// The mistakes of all hosts of the table.
pub(super) fn check(rows: &[Row], out: &mut Vec<Problem>) {
    let all = all_urls(rows);
    let peers: Vec<&PlacedUrl> = all.iter().filter(|p| p.column == Column::Peer).collect();
    // All on loopback is a cluster on one machine, as intended.
    if peers.iter().any(|p| !is_loopback(&p.url) && !p.url.scheme.is_unix()) {
        loopback(rows, &all, out);
    }
    kinds(rows, &peers, out);
    for column in [Column::Peer, Column::Client] {
        schemes(rows, column, &all, out);
    }
    merged(rows, &peers, out);
}

/// True for an address or name that is another host on every host.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.ip() {
        Some(IpAddr::V4(ip)) => ip.is_loopback(),
        Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        None => url.host.eq_ignore_ascii_case("localhost"),
    }
}

/// The host that the row's other column of URLs names, where others can reach it.
pub(super) fn on_other_port(row: &Row, column: Column) -> Option<String> {
    let other = if column == Column::Peer { Column::Client } else { Column::Peer };
    let urls = table::urls(row.text(other))?;
    let reached = |u: &&Url| !u.scheme.is_unix() && !is_loopback(u) && !u.ip().is_some_and(|ip| ip.is_unspecified());
    urls.iter().find(reached).map(|u| u.host.clone())
}

/// The cell's text with one of its URLs replaced; `None` where another row has that place already.
fn instead(rows: &[Row], placed: &PlacedUrl, new: &Url) -> Option<String> {
    if all_urls(rows).iter().any(|p| p.url.place() == new.place() && (p.row, p.column, p.item) != placed.at()) {
        return None;
    }
    let text = rows.get(placed.row)?.text(placed.column);
    let items = table::items(text).enumerate();
    Some(items.map(|(n, item)| if n == placed.item { new.as_str() } else { item }).collect::<Vec<_>>().join(","))
}

/// Checks for URLs that every host would resolve to itself. One of a row's client URLs may, if it has others.
fn loopback(rows: &[Row], all: &[PlacedUrl], out: &mut Vec<Problem>) {
    for placed in all.iter().filter(|p| is_loopback(&p.url)) {
        let mates = all.iter().filter(|p| (p.row, p.column) == (placed.row, placed.column));
        if placed.column == Column::Client && !mates.clone().all(|p| is_loopback(&p.url)) {
            continue;
        }
        let who = display_name(rows, placed.row);
        let host = &placed.url.host;
        let text = match placed.column {
            Column::Peer => format!("{host} is a different host for each member; the others cannot reach {who}"),
            _ => format!("{host} is a different host for each client; clients elsewhere cannot reach {who}"),
        };
        let fix = rows
            .get(placed.row)
            .and_then(|row| on_other_port(row, placed.column))
            .and_then(|host| instead(rows, placed, &placed.url.at(&host, placed.url.port)));
        out.push(Problem::warning(Some(placed.row), Some(placed.column), text).fixed(fix));
    }
}

/// Host names mixed with addresses. Both work, but an ID is made of the text: where one host is
/// given `host1` and another `10.0.0.1`, the cluster IDs differ.
fn kinds(rows: &[Row], peers: &[&PlacedUrl], out: &mut Vec<Problem>) {
    let placed: Vec<&&PlacedUrl> = peers.iter().filter(|p| !p.url.scheme.is_unix() && !is_loopback(&p.url)).collect();
    let addresses = placed.iter().filter(|p| p.url.ip().is_some()).count();
    if addresses == 0 || addresses == placed.len() {
        return;
    }
    let odd_is_address = addresses * 2 <= placed.len();
    for p in placed.iter().filter(|p| p.url.ip().is_some() == odd_is_address) {
        let (is, others) = if odd_is_address { ("an address", "host names") } else { ("a host name", "addresses") };
        let text = format!(
            "{} is {is}, others are {others}; IDs are computed from this exact text, so every host must be given the same",
            p.url.host
        );
        let fix = (addresses * 2 != placed.len())
            .then(|| on_other_port(rows.get(p.row)?, Column::Peer))
            .flatten()
            .map(|host| p.url.at(&host, p.url.port))
            .filter(|url| url.ip().is_some() != odd_is_address)
            .and_then(|url| instead(rows, p, &url));
        out.push(Problem::warning(Some(p.row), Some(Column::Peer), text).fixed(fix));
    }
}

/// http in one row and https in another.
fn schemes(rows: &[Row], column: Column, all: &[PlacedUrl], out: &mut Vec<Problem>) {
    // A row may offer clients both; then it is with those that offer https.
    let counts = |p: &PlacedUrl| {
        p.column == column
            && (column == Column::Peer
                || p.url.scheme.is_tls()
                || !all.iter().any(|o| (o.row, o.column) == (p.row, column) && o.url.scheme.is_tls()))
    };
    let seen: Vec<&PlacedUrl> = all.iter().filter(|p| counts(p)).collect();
    let tls = seen.iter().filter(|p| p.url.scheme.is_tls()).count();
    if tls == 0 || tls == seen.len() {
        return;
    }
    let odd_is_tls = tls * 2 <= seen.len();
    let others = if odd_is_tls { "http" } else { "https" };
    for p in seen.iter().filter(|p| p.url.scheme.is_tls() == odd_is_tls) {
        let to = if column == Column::Peer { "" } else { " for clients" };
        let text = format!("{} is {}{to}, others are {others}", display_name(rows, p.row), p.url.scheme.as_str());
        let fix = (tls * 2 != seen.len() && !p.url.scheme.is_unix())
            .then(|| p.url.over(!odd_is_tls))
            .and_then(|url| instead(rows, p, &url));
        out.push(Problem::warning(Some(p.row), Some(column), text).fixed(fix));
    }
}

/// Several hosts in one row where every other has one: etcd and its tools silently make one member
/// of a name that appears twice in `--initial-cluster`.
fn merged(rows: &[Row], peers: &[&PlacedUrl], out: &mut Vec<Problem>) {
    let hosts = |at: usize| {
        let mut hosts: Vec<String> = peers.iter().filter(|p| p.row == at).map(|p| p.url.place().0).collect();
        hosts.sort();
        hosts.dedup();
        hosts.len()
    };
    let counts: Vec<usize> = (0..rows.len()).map(hosts).collect();
    if counts.len() < 2 || counts.iter().filter(|n| **n > 1).count() != 1 {
        return;
    }
    // What a cluster knows of its member was never a text in which a name could appear twice.
    let typed = |at: usize| rows.get(at).is_some_and(|row| row.cell(Column::Peer).origin == Origin::Typed);
    for (at, count) in counts.iter().enumerate().filter(|(at, n)| **n > 1 && typed(*at)) {
        let text = format!(
            "{count} hosts in this cell, but one in every other; was the name {} given twice? etcd treats a repeated name as one member",
            display_name(rows, at)
        );
        out.push(Problem::warning(Some(at), Some(Column::Peer), text));
    }
}
