//! What etcd configurations say about the members: flags of unit files, manifests and
//! `etcd.conf.yml`, as they were found.

use super::{Flag, by_name, note};
use crate::domain::members::cell;
use crate::{
    domain::members::{
        cell::{Origin, Row},
        etcd_flags,
        table::{self, Column},
    },
    text::quote::quoted_line,
};

/// The flags of one etcd.
struct Host<'a> {
    origin: &'a str,
    flags: Vec<(&'a str, &'a str)>,
}

impl Host<'_> {
    /// A flag's value; the last counts, as for etcd.
    fn flag(&self, name: &str) -> &str {
        self.flags.iter().rev().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }
}

/// Adds what configurations say. They make rows of their own only where nothing else made one: a
/// configuration names the members when the cluster was made, not those added later.
pub(super) fn add(rows: &mut Vec<Row>, found: &[Flag]) {
    let mut hosts: Vec<Host<'_>> = Vec::new();
    for flag in found {
        let pair = (flag.name.trim_start_matches('-'), flag.value.as_str());
        match hosts.iter_mut().find(|h| h.origin == flag.origin) {
            Some(host) => host.flags.push(pair),
            None => hosts.push(Host { origin: &flag.origin, flags: vec![pair] }),
        }
    }
    let may_add = rows.is_empty();
    // Of a member's own URLs its own configuration knows best.
    for host in &hosts {
        let Some(row) = own_row(rows, host, may_add) else { continue };
        for (column, flag) in [
            (Column::Name, "name"),
            (Column::Peer, "initial-advertise-peer-urls"),
            (Column::Client, "advertise-client-urls"),
        ] {
            note(row, column, host.flag(flag), Origin::Config, host.origin);
        }
        // These hold the old data; they are choices, and nothing is put there unasked.
        for (column, flag) in [(Column::DataDir, "data-dir"), (Column::WalDir, "wal-dir")] {
            let text = host.flag(flag).to_string();
            let origin = Origin::Config;
            row.saw(column, cell::Suggestion { text, origin, from: host.origin.into() });
        }
        note(row, Column::Flags, kept(host), Origin::Config, host.origin);
    }
    for host in &hosts {
        for named in table::parse_initial_cluster(host.flag("initial-cluster")).unwrap_or_default() {
            let name = named.text(Column::Name);
            let at = rows.iter().position(|r| r.text(Column::Name) == name);
            if at.is_none() && may_add {
                rows.push(Row::default().with(Column::Name, name, Origin::Config));
            }
            let at = at.or_else(|| rows.len().checked_sub(1).filter(|_| may_add));
            if let Some(row) = at.and_then(|at| rows.get_mut(at)) {
                note(row, Column::Name, name, Origin::Config, host.origin);
                note(row, Column::Peer, named.text(Column::Peer), Origin::Config, host.origin);
            }
        }
    }
    if may_add {
        by_name(rows);
    }
}

/// The row that a configuration is about: of its name, else of its peer URLs. `default` is the name
/// of every etcd that was given none, and identifies none.
fn own_row<'a>(rows: &'a mut Vec<Row>, host: &Host<'_>, may_add: bool) -> Option<&'a mut Row> {
    let name = Some(host.flag("name")).filter(|n| !n.is_empty() && *n != "default");
    let peers = table::urls(host.flag("initial-advertise-peer-urls")).unwrap_or_default();
    let at = name.and_then(|name| rows.iter().position(|r| r.text(Column::Name) == name)).or_else(|| {
        let shares =
            |row: &Row| table::urls(row.text(Column::Peer)).is_some_and(|of| of.iter().any(|u| peers.contains(u)));
        rows.iter().position(shares)
    });
    if at.is_none() && may_add && name.is_some() {
        rows.push(Row::default());
        return rows.last_mut();
    }
    rows.get_mut(at?)
}

/// The flags worth keeping, as the column of further flags has them.
fn kept(host: &Host<'_>) -> String {
    let words = etcd_flags::kept(&host.flags).into_iter().map(|(name, value)| format!("--{name}={value}"));
    quoted_line(words)
}
