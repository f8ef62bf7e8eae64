//! The operator's inventory on top of what is known: it says who is in the new cluster.

use crate::{
    domain::{
        members::{
            cell::{Origin, Row, Suggestion},
            inventory::InventoryHost,
            table::{self, Column},
        },
        model::url::{self, CLIENT_PORT, PEER_PORT, Scheme, Url},
    },
    text::join::all,
};

const FROM: &str = "the inventory";

/// One row for each entry, in the inventory's order, with what is known of that member, and a note
/// on known members that no entry names.
pub(super) fn choose(mut known: Vec<Row>, entries: &[InventoryHost]) -> (Vec<Row>, Vec<String>) {
    let tls = known.iter().flat_map(|r| table::urls(r.text(Column::Peer)).unwrap_or_default()).map(|u| u.scheme);
    let schemes: Vec<Scheme> = tls.filter(|s| !s.is_unix()).collect();
    // With two schemes about, or none, the table asks.
    let scheme = schemes.first().copied().filter(|first| schemes.iter().all(|s| s == first));
    let ats: Vec<Option<usize>> = {
        let mut free: Vec<bool> = known.iter().map(|_| true).collect();
        let mut take = |at: Option<usize>| {
            let at = at.filter(|at| free.get(*at) == Some(&true))?;
            *free.get_mut(at)? = false;
            Some(at)
        };
        // Names first: a host that was given another member's address must not take its row.
        let mut ats: Vec<Option<usize>> = entries.iter().map(|e| take(named(&known, e))).collect();
        for (at, entry) in ats.iter_mut().zip(entries) {
            if at.is_none() {
                *at = take(reached(&known, entry));
            }
        }
        ats
    };
    let rows = ats
        .iter()
        .zip(entries)
        .map(|(at, entry)| {
            let row = at.and_then(|at| known.get_mut(at)).map(std::mem::take).unwrap_or_default();
            filled(row, entry, scheme)
        })
        .collect();
    let left: Vec<String> =
        known.iter().map(|r| r.text(Column::Name).to_string()).filter(|name| !name.is_empty()).collect();
    let notes = match left.len() {
        0 => Vec::new(),
        1 => vec![format!("{} is not in the inventory and is left out of the table", all(&left))],
        _ => vec![format!("{} are not in the inventory and are left out of the table", all(&left))],
    };
    (rows, notes)
}

fn named(known: &[Row], entry: &InventoryHost) -> Option<usize> {
    known.iter().position(|r| !entry.name.is_empty() && r.text(Column::Name) == entry.name)
}

/// The row whose peer URLs are on the entry's host, or are the entry's own.
fn reached(known: &[Row], entry: &InventoryHost) -> Option<usize> {
    let own: Vec<String> = table::items(&entry.peer_urls)
        .filter_map(|u| url::parse(u).ok())
        .map(|u| u.host)
        .chain(Some(entry.host.clone()).filter(|h| !h.is_empty()))
        .collect();
    let here = |u: &Url| own.iter().any(|host| host.eq_ignore_ascii_case(&u.host));
    known.iter().position(|r| table::urls(r.text(Column::Peer)).is_some_and(|urls| urls.iter().any(here)))
}

/// Returns a known row, overridden by the entry.
fn filled(mut row: Row, entry: &InventoryHost, scheme: Option<Scheme>) -> Row {
    // An Ansible host is called as its host; the member on it keeps the name that it has.
    let keeps_name = entry.host_name_only && !row.text(Column::Name).is_empty();
    if !keeps_name {
        put(&mut row, Column::Name, entry.name.clone());
    }
    let peer = match entry.peer_urls.as_str() {
        "" => on_host(&row, Column::Peer, &entry.host, scheme, PEER_PORT),
        urls => urls.to_string(),
    };
    let moved = !peer.is_empty() && hosts(&peer) != hosts(row.text(Column::Peer));
    put(&mut row, Column::Peer, peer);
    let client = match entry.client_urls.as_str() {
        // Client URLs of the old host are no use to a member that moved.
        "" if moved => on_host(&row, Column::Client, &entry.host, scheme, CLIENT_PORT),
        urls => urls.to_string(),
    };
    if client.is_empty() && moved && row.cell(Column::Client).origin != Origin::Typed {
        row.set(Column::Client, "", Origin::Proposed);
    }
    put(&mut row, Column::Client, client);
    // The proposal contains the name, which may be another one now.
    if row.cell(Column::DataDir).origin == Origin::Proposed {
        row.set(Column::DataDir, "", Origin::Proposed);
        row.forget(Column::DataDir, Origin::Proposed);
    }
    put(&mut row, Column::DataDir, entry.data_dir.clone());
    put(&mut row, Column::WalDir, entry.wal_dir.clone());
    row
}

fn hosts(text: &str) -> Option<Vec<String>> {
    table::urls(text).map(|urls| urls.into_iter().map(|u| u.host).collect())
}

/// What the row has on this host, else a URL made of scheme, host and port; the bare host where the
/// scheme is not known, for the table to ask.
fn on_host(row: &Row, column: Column, host: &str, scheme: Option<Scheme>, port: u16) -> String {
    if host.is_empty() {
        return String::new();
    }
    let known = table::urls(row.text(column)).unwrap_or_default();
    if known.iter().any(|u| u.host.eq_ignore_ascii_case(host)) {
        return String::new();
    }
    match (known.first().filter(|u| !u.scheme.is_unix()), scheme) {
        (Some(url), _) => url.at(host, url.port).as_str().to_string(),
        (None, Some(scheme)) => Url::new(scheme, host, port).as_str().to_string(),
        (None, None) if column == Column::Peer => host.to_string(),
        (None, None) => String::new(),
    }
}

/// Puts the inventory's text into the cell, first among the sources.
fn put(row: &mut Row, column: Column, text: String) {
    if text.is_empty() {
        return;
    }
    let candidate = Suggestion { text, origin: Origin::Inventory, from: FROM.into() };
    row.take(column, &candidate);
    row.saw_first(column, candidate);
}
