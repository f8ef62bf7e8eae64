//! What a member listens on. etcd takes addresses there that its host has, and no names.

use std::net::IpAddr;

use crate::domain::model::{
    plan::{Member, Plan},
    url::{self, Url},
};

/// What the host of a member has.
pub(super) struct Own<'a> {
    /// Addresses that the host itself reported; empty where that is not known.
    pub addresses: &'a [IpAddr],
    /// Ports on which other members on the same host listen: there every address is too many.
    pub shared: Vec<u16>,
}

impl<'a> Own<'a> {
    pub(super) fn new(plan: &Plan, member: &Member, addresses: &'a [IpAddr]) -> Own<'a> {
        let others = plan.members.iter().filter(|other| other.name != member.name && other.host == member.host);
        let urls = others.flat_map(|other| other.peer_urls.iter().chain(&other.client_urls));
        Own { addresses, shared: urls.filter_map(|text| url::parse(text).ok()).map(|url| url.port).collect() }
    }

    /// Addresses in these URLs that the host does not have, where it is known which it has.
    pub(super) fn strangers<'s>(&'s self, urls: &'s str) -> impl Iterator<Item = IpAddr> + 's {
        let ips = urls.split(',').filter_map(|text| url::parse(text).ok()?.ip());
        ips.filter(|ip| {
            !(self.addresses.is_empty() || ip.is_loopback() || ip.is_unspecified() || self.addresses.contains(ip))
        })
    }
}

/// What to listen on for these URLs: an address that the host has as its own is kept, `localhost` is 127.0.0.1, any other
/// name or address becomes 0.0.0.0 or [::], with a note.
pub(super) fn listen(urls: &[String], own: &Own<'_>, notes: &mut Vec<String>) -> String {
    let mut out: Vec<Url> = Vec::new();
    for url in urls.iter().filter_map(|text| url::parse(text).ok()) {
        let bind = match url.ip() {
            _ if url.scheme.is_unix() => url,
            _ if url.host.eq_ignore_ascii_case("localhost") => url.at("127.0.0.1", url.port),
            Some(ip) if ip.is_loopback() || ip.is_unspecified() || own.addresses.contains(&ip) => url,
            Some(_) if own.shared.contains(&url.port) => url,
            ip => {
                let every = if ip.is_some_and(|ip| ip.is_ipv6()) { "::" } else { "0.0.0.0" };
                let note = because(&url.host, ip.is_some(), own, every);
                if !notes.contains(&note) {
                    notes.push(note);
                }
                url.at(every, url.port)
            }
        };
        if !out.contains(&bind) {
            out.push(bind);
        }
    }
    // Each of these takes the port on every address ([::] on those of IPv4, too); a second socket would be
    // refused.
    for every in ["0.0.0.0", "::"] {
        let taken: Vec<(url::Scheme, u16)> =
            out.iter().filter(|u| u.host == every).map(|u| (u.scheme, u.port)).collect();
        let within = |u: &Url| u.ip().is_some_and(|ip| ip.is_ipv4() || every == "::");
        out.retain(|u| u.host == every || !within(u) || !taken.contains(&(u.scheme, u.port)));
    }
    out.iter().map(Url::as_str).collect::<Vec<_>>().join(",")
}

fn because(host: &str, is_address: bool, own: &Own<'_>, every: &str) -> String {
    let (every, kind) = if every == "::" { ("[::]", "every address") } else { (every, "every IPv4 address") };
    if !is_address {
        return format!("etcd cannot listen on a host name, so {host} becomes {every}, {kind} of its host");
    }
    match own.addresses {
        [] => format!("It is not known whether its host has the address {host}, so it listens on {every}, {kind}"),
        _ => format!("{host} is not an address of its host, so it listens on {every}, {kind}"),
    }
}
