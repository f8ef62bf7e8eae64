//! The names of a certificate against a host, as etcd judges them: by the one who connects (Go's `VerifyHostname`), and by a
//! member that is connected to by another (etcd's `checkCertSAN`).
//!
//! Sources: Go 1.26 `crypto/x509/verify.go`; etcd `client/pkg/transport/listener_tls.go` of 3.5 to 3.7, `pkg/transport` of 3.4;
//! compared with the programs by the case `certificates_as_etcd_judges_them` of `tests/cases/real_etcd.rs`.

use std::net::IpAddr;

use super::Cert;

/// How a client that connects to a host judges its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// The address is among the IP addresses.
    Address,
    /// The name is among the DNS names.
    Name,
    /// A name with a wildcard covers it.
    Wildcard,
    /// It is refused, though one of its DNS names looks right: an address there, which only counts as an IP address.
    AddressAsName(String),
    /// It is refused, though one of its DNS names looks right: one with a port or a scheme.
    UrlAsName(String),
    /// It is refused, though one of its DNS names looks right: a wildcard replaces one label, the first.
    OtherLabels(String),
    /// It is refused.
    No,
}

impl Match {
    /// Whether the connection is made.
    pub fn holds(&self) -> bool {
        matches!(self, Match::Address | Match::Name | Match::Wildcard)
    }
}

/// Returns how a client that connects to `host` judges the certificate presented there.
pub fn evaluate(cert: &Cert, host: &str) -> Match {
    if let Ok(ip) = host.parse::<IpAddr>() {
        if cert.ips.iter().any(|own| own.to_canonical() == ip.to_canonical()) {
            return Match::Address;
        }
        let as_name =
            cert.dns.iter().find(|name| address_in(name).is_some_and(|own| own.to_canonical() == ip.to_canonical()));
        return as_name.map_or(Match::No, |name| Match::AddressAsName(name.clone()));
    }
    let fits = |name: &&String| name_fits(name, host);
    match cert.dns.iter().find(fits) {
        Some(name) if name.starts_with("*.") => {
            // One of its own goes before.
            let own = cert.dns.iter().any(|name| !name.starts_with("*.") && name_fits(name, host));
            if own { Match::Name } else { Match::Wildcard }
        }
        Some(_) => Match::Name,
        None => almost(cert, host),
    }
}

fn name_fits(name: &str, host: &str) -> bool {
    let plain = |text: &str, pattern: bool| {
        text.split('.').enumerate().all(|(at, label)| {
            (pattern && at == 0 && label == "*" && text != "*")
                || !label.is_empty()
                    && !label.starts_with('-')
                    && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
    };
    let bare = host.strip_suffix('.').unwrap_or(host);
    if !plain(bare, false) || !plain(name, true) {
        return !name.is_empty() && name != "." && name.eq_ignore_ascii_case(host);
    }
    match name.strip_prefix("*.") {
        Some(rest) => bare.split_once('.').is_some_and(|(_, tail)| tail.eq_ignore_ascii_case(rest)),
        None => name.eq_ignore_ascii_case(bare),
    }
}

/// The DNS name that was likely meant for the host.
fn almost(cert: &Cert, host: &str) -> Match {
    let bare = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    for name in &cert.dns {
        let lower = name.to_ascii_lowercase();
        let rest = lower.split_once("://").map_or(lower.as_str(), |(_, rest)| rest);
        let named = rest.split(['/', ':']).next().unwrap_or(rest);
        if named == bare && named != lower {
            return Match::UrlAsName(name.clone());
        }
        if lower.strip_prefix("*.").is_some_and(|rest| bare == rest || bare.ends_with(&format!(".{rest}"))) {
            return Match::OtherLabels(name.clone());
        }
    }
    Match::No
}

/// The address that a DNS name is, with a port and brackets or without.
pub(super) fn address_in(name: &str) -> Option<IpAddr> {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    let inside = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    inside.and_then(bare).or_else(|| bare(rest)).or_else(|| bare(rest.rsplit_once(':')?.0))
}

/// How a member judges the certificate with which another connects to it, before any name is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It has no names: none are looked at.
    Nameless,
    /// It is taken from this address.
    Address,
    /// It depends on what a name of it, or the address, resolves to.
    Resolved,
    /// Only if the address resolves back to a name below one of these wildcards: these are not looked up themselves.
    ReverseOnly(Vec<String>),
}

/// Returns how a member judges the certificate of one whose peer URLs have these hosts. A connection comes from an address, not from
/// a name, and from which is known only where the URL has one.
pub fn admit(cert: &Cert, hosts: &[String]) -> Admission {
    if cert.ips.is_empty() && cert.dns.is_empty() {
        return Admission::Nameless;
    }
    let from: Vec<IpAddr> = hosts.iter().filter_map(|host| host.parse().ok()).collect();
    let known = |ip: &IpAddr| from.iter().any(|from| from.to_canonical() == ip.to_canonical());
    // A name that is an address resolves to itself.
    let literal = |name: &String| name.parse::<IpAddr>().ok();
    if cert.ips.iter().any(known) || cert.dns.iter().filter_map(literal).any(|ip| known(&ip)) {
        return Admission::Address;
    }
    let wildcards: Vec<String> = cert.dns.iter().filter(|name| name.starts_with("*.")).cloned().collect();
    let elsewhere = |ip: &IpAddr| !ip.is_loopback() && from.is_empty();
    let resolves = |name: &&String| {
        !name.starts_with("*.")
            && literal(name).is_none()
            && !name.eq_ignore_ascii_case("localhost")
            && !name.is_empty()
    };
    match wildcards.is_empty() || cert.ips.iter().any(elsewhere) || cert.dns.iter().any(|name| resolves(&name)) {
        true => Admission::Resolved,
        false => Admission::ReverseOnly(wildcards),
    }
}
