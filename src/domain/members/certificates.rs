//! Whether the certificates named in the table will do: for the hosts of their rows, for each other,
//! for today, and for what etcd uses them for. Pure evaluation of facts; the files are read elsewhere.
//!
//! The rules are those of Go's `crypto/x509` and of etcd's `client/pkg/transport`, 3.4 to 3.7: the
//! common name does not count, an address must be among the IP SANs, a wildcard replaces
//! one whole label, and a member shows its peer certificate both as a server and as a client: the member
//! it connects to checks the address that it comes from.

mod names;
#[cfg(test)]
mod tests;

use crate::text::Shown;
use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use super::{
    cell::Row,
    table::{self, Column, Problem},
    validate::{flag_value, has_flag},
};
use crate::text::join::{all, either};
pub use names::{Admission, Match, admit, evaluate};

/// A certificate that expires within so many seconds gets a warning.
const SOON: i64 = 14 * 86_400;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Between members.
    Peer,
    /// Towards clients.
    Client,
}

impl Role {
    /// The flags for certificate, key and CA.
    fn flags(self) -> [&'static str; 3] {
        match self {
            Role::Peer => ["peer-cert-file", "peer-key-file", "peer-trusted-ca-file"],
            Role::Client => ["cert-file", "key-file", "trusted-ca-file"],
        }
    }

    fn column(self) -> Column {
        if self == Role::Peer { Column::Peer } else { Column::Client }
    }
}

/// The files that a row names for one role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// The certificate, with its chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The CAs that the others are judged by.
    pub ca: Option<PathBuf>,
}

/// Why a file could not be checked, or that it is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It is not on this machine, or not readable: it may be right where it belongs.
    Elsewhere(String),
    /// It was read and is not valid.
    Wrong(String),
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cert {
    /// Its subject, for people to recognise it.
    pub subject: String,
    /// Who signed it, for people.
    pub issuer: String,
    /// DNS names among its subject alternative names.
    pub dns: Vec<String>,
    /// Addresses among them.
    pub ips: Vec<IpAddr>,
    /// Valid from, seconds since 1970.
    pub not_before: i64,
    /// Valid until, seconds since 1970.
    pub not_after: i64,
    /// It may be shown by a server.
    pub server_auth: bool,
    /// It may be shown by a client.
    pub client_auth: bool,
}

/// Whether a key matches its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// None is named, or there is no certificate to compare it with.
    Unjudged,
    /// They belong together.
    Matches,
    /// They do not.
    Differs,
    /// It could not be read.
    Unread(Unread),
}

/// What was read of one [`Named`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The paths.
    pub named: Named,
    /// The certificate.
    pub cert: Result<Cert, Unread>,
    /// The key.
    pub key: Key,
    /// Why the CA file could not be read; `None` where it was, or none is named.
    pub ca: Option<Unread>,
}

/// A CA file that does not vouch for a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distrust {
    /// The CA file.
    pub ca: PathBuf,
    /// The certificate.
    pub cert: PathBuf,
    /// Why, a sentence without a full stop that goes on from "…: ".
    pub why: String,
}

/// Everything that was read on one machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertificateFacts {
    /// Each set of paths once.
    pub files: Vec<Files>,
    /// Every pair of a CA and a certificate that does not hold; pairs of which one could not be read
    /// are not among them.
    pub distrust: Vec<Distrust>,
}

/// The files that the table names, each set of paths once: what has to be read.
pub fn named(rows: &[Row]) -> Vec<Named> {
    let mut out: Vec<Named> = Vec::new();
    for row in rows {
        for role in [Role::Peer, Role::Client] {
            if let Some(named) = of_row(row, role).filter(|n| !out.contains(n)) {
                out.push(named);
            }
        }
    }
    out
}

fn words_of(row: &Row) -> Vec<String> {
    shell_words::split(row.text(Column::Flags)).unwrap_or_default()
}

fn of_row(row: &Row, role: Role) -> Option<Named> {
    let words = words_of(row);
    let path = |flag| flag_value(&words, flag).filter(|v| !v.is_empty()).map(PathBuf::from);
    let [cert, key, ca] = role.flags();
    Some(Named { cert: path(cert)?, key: path(key), ca: path(ca) })
}

/// Every mistake of the certificates that `rows` name, as far as they were read; `now` in seconds
/// since 1970. Wrong ones are errors. What could not be read on this machine is a warning that says
/// so.
pub fn check(rows: &[Row], seen: &CertificateFacts, now: i64) -> Vec<Problem> {
    let mut out = Vec::new();
    for role in [Role::Peer, Role::Client] {
        for (at, row) in rows.iter().enumerate() {
            let Some(named) = of_row(row, role) else { continue };
            let Some(files) = seen.files.iter().find(|f| f.named == named) else { continue };
            Judge { rows, at, role, files, seen, now }.row(&mut out);
        }
    }
    out
}

struct Judge<'a> {
    rows: &'a [Row],
    at: usize,
    role: Role,
    files: &'a Files,
    seen: &'a CertificateFacts,
    now: i64,
}

impl Judge<'_> {
    fn error(&self, text: String) -> Problem {
        Problem::error(Some(self.at), Some(Column::Flags), text)
    }

    fn warning(&self, text: String) -> Problem {
        Problem::warning(Some(self.at), Some(Column::Flags), text)
    }

    fn flag(&self, which: usize) -> String {
        format!("--{}", self.role.flags().get(which).unwrap_or(&""))
    }

    fn unread(&self, which: usize, path: &Path, unread: &Unread) -> Problem {
        let flag = self.flag(which);
        match unread {
            Unread::Elsewhere(why) => self.warning(format!("{flag} {}: not checked, {why}", path.shown())),
            Unread::Wrong(why) => self.error(format!("{flag} {}: {why}", path.shown())),
        }
    }

    fn row(&self, out: &mut Vec<Problem>) {
        let Files { named, cert, key, ca } = self.files;
        match (key, &named.key) {
            (Key::Unread(why), Some(path)) => out.push(self.unread(1, path, why)),
            (Key::Differs, Some(path)) => out.push(self.error(format!(
                "{} {} is not the key of the certificate {}",
                self.flag(1),
                path.shown(),
                named.cert.shown()
            ))),
            _ => {}
        }
        if let (Some(why), Some(path)) = (ca, &named.ca) {
            out.push(self.unread(2, path, why));
        }
        match cert {
            Err(why) => out.push(self.unread(0, &named.cert, why)),
            Ok(cert) => {
                self.dates(cert, out);
                self.usage(cert, out);
                self.hosts(cert, out);
                if self.role == Role::Peer {
                    self.admission(cert, out);
                    self.trust(cert, out);
                }
            }
        }
    }

    fn called(&self, cert: &Cert) -> String {
        let subject = if cert.subject.is_empty() { String::new() } else { format!(" ({})", cert.subject) };
        format!("the certificate {}{subject}", self.files.named.cert.shown())
    }

    fn dates(&self, cert: &Cert, out: &mut Vec<Problem>) {
        let left = cert.not_after.saturating_sub(self.now);
        if self.now > cert.not_after {
            out.push(self.error(format!("{} expired {}", self.called(cert), ago(left.saturating_neg()))));
        } else if self.now < cert.not_before {
            let wait = cert.not_before.saturating_sub(self.now);
            out.push(self.error(format!(
                "{} is not valid yet (valid in {}); is this machine's clock right?",
                self.called(cert),
                span(wait)
            )));
        } else if left < SOON {
            out.push(self.warning(format!("{} expires in {}", self.called(cert), span(left))));
        }
    }

    fn usage(&self, cert: &Cert, out: &mut Vec<Problem>) {
        if !cert.server_auth {
            out.push(self.error(format!(
                "{} is not valid for servers (no serverAuth in its extended key usage)",
                self.called(cert)
            )));
        }
        if cert.client_auth {
            return;
        }
        let words = self.rows.get(self.at).map(words_of).unwrap_or_default();
        let [.., ca] = self.role.flags();
        match self.role {
            // With a CA named, etcd asks every peer for a certificate; it may have one of its own for that.
            Role::Peer if flag_value(&words, "peer-client-cert-file").is_none() && flag_value(&words, ca).is_some() => {
                let text = "is not valid for clients (no clientAuth in its extended key usage), but each member is a client of the others";
                out.push(self.error(format!("{} {text}", self.called(cert))));
            }
            Role::Client
                if has_flag(&words, "client-cert-auth") && flag_value(&words, "client-cert-file").is_none() =>
            {
                let text = "is not valid for clients (no clientAuth in its extended key usage): etcd's own HTTP gateway cannot use it with --client-cert-auth";
                out.push(self.warning(format!("{} {text}", self.called(cert))));
            }
            _ => {}
        }
    }

    /// The hosts of the row against the certificate's names.
    fn hosts(&self, cert: &Cert, out: &mut Vec<Problem>) {
        let hosts = tls_hosts(self.rows, self.at, self.role);
        let missing: Vec<String> = hosts.into_iter().filter(|host| !covers(cert, host)).collect();
        if missing.is_empty() {
            return;
        }
        let mut text =
            format!("{} is not valid for {}; it is valid for {}", self.called(cert), all(&missing), names(cert));
        for why in missing.iter().filter_map(|host| because(cert, host)) {
            text.push_str(&format!("; {why}"));
        }
        // The same path in several rows may be a file of its own on each host.
        let mates: Vec<usize> = (0..self.rows.len())
            .filter(|n| {
                *n != self.at
                    && self
                        .rows
                        .get(*n)
                        .and_then(|row| of_row(row, self.role))
                        .is_some_and(|n| n.cert == self.files.named.cert)
            })
            .collect();
        let fits = mates.iter().find(|n| {
            let hosts = tls_hosts(self.rows, **n, self.role);
            !hosts.is_empty() && hosts.iter().all(|host| covers(cert, host))
        });
        out.push(match fits.and_then(|n| self.rows.get(*n)) {
            Some(row) => self.warning(format!(
                "{text}: it matches {}, which names the same path; fine if each host has its own file there (not checked)",
                row.text(Column::Name)
            )),
            None => self.error(text),
        });
    }

    /// Checks whether the other members accept connections from this one with its peer certificate.
    fn admission(&self, cert: &Cert, out: &mut Vec<Problem>) {
        let own = self.rows.get(self.at).map(words_of).unwrap_or_default();
        let asks = |row: &Row| {
            let words = words_of(row);
            let skips = ["peer-skip-client-san-verification", "experimental-peer-skip-client-san-verification"];
            let wants =
                flag_value(&words, "peer-trusted-ca-file").is_some() || has_flag(&words, "peer-client-cert-auth");
            wants && !skips.iter().any(|flag| has_flag(&words, flag))
        };
        let asked = self.rows.iter().enumerate().any(|(at, row)| at != self.at && asks(row));
        // With a certificate of its own for connecting, this one is not shown.
        if !asked || flag_value(&own, "peer-client-cert-file").is_some() {
            return;
        }
        if let Admission::ReverseOnly(wildcards) = admit(cert, &tls_hosts(self.rows, self.at, self.role)) {
            let ends: Vec<String> = wildcards.iter().map(|name| name.trim_start_matches('*').to_string()).collect();
            out.push(self.warning(format!(
                "{} has no name or address of this member, only {}: the other members accept a connection from it only if the \
                 reverse DNS lookup (PTR) of its address gives a name that ends in {}, which is not checked here",
                self.called(cert),
                all(&wildcards),
                either(&ends)
            )));
        }
    }

    /// Every other row's CA must vouch for this row's certificate.
    fn trust(&self, cert: &Cert, out: &mut Vec<Problem>) {
        let faults = |ca: &Path| self.seen.distrust.iter().find(|d| d.ca == ca && d.cert == self.files.named.cert);
        let mut told: Vec<PathBuf> = Vec::new();
        for (n, row) in self.rows.iter().enumerate().filter(|(n, _)| *n != self.at) {
            let Some(ca) = of_row(row, Role::Peer).and_then(|n| n.ca) else { continue };
            if told.contains(&ca) {
                continue;
            }
            if let Some(fault) = faults(&ca) {
                let name = Some(row.text(Column::Name)).filter(|n| !n.is_empty());
                out.push(self.error(format!(
                    "{} does not trust {}, signed by {}: {} (CA file {})",
                    name.map_or_else(|| format!("row {}", n + 1), String::from),
                    self.called(cert),
                    cert.issuer,
                    fault.why,
                    ca.shown()
                )));
                told.push(ca);
            }
        }
    }
}

/// The hosts of the row's URLs of this role that speak TLS.
fn tls_hosts(rows: &[Row], at: usize, role: Role) -> Vec<String> {
    let urls = rows.get(at).and_then(|row| table::urls(row.text(role.column()))).unwrap_or_default();
    let mut out: Vec<String> = Vec::new();
    for url in urls.into_iter().filter(|u| u.scheme.is_tls() && !u.scheme.is_unix()) {
        if !out.contains(&url.host) {
            out.push(url.host);
        }
    }
    out
}

/// Whether a certificate is for this host, as Go's `VerifyHostname` judges.
pub fn covers(cert: &Cert, host: &str) -> bool {
    evaluate(cert, host).holds()
}

/// Why a certificate is not for a host, where one of its names looks as if it were.
fn because(cert: &Cert, host: &str) -> Option<String> {
    match evaluate(cert, host) {
        Match::AddressAsName(name) => Some(format!(
            "{name} is among its DNS names, but an address counts only as an IP SAN (IP:{host}), so clients of {host} \
             reject it"
        )),
        Match::UrlAsName(name) => {
            Some(format!("{name} is among its DNS names, but DNS names have no scheme and no port"))
        }
        Match::OtherLabels(name) => Some(format!("{name} matches only names with exactly one label in place of the *")),
        _ => None,
    }
}

/// Returns what a certificate is valid for, in words.
fn names(cert: &Cert) -> String {
    let name = |name: &String| match names::address_in(name) {
        Some(_) => format!("{name} (a DNS name)"),
        None => name.clone(),
    };
    let mut list: Vec<String> = cert.dns.iter().map(name).chain(cert.ips.iter().map(ToString::to_string)).collect();
    let more = list.len().saturating_sub(6);
    list.truncate(6);
    match (list.is_empty(), more) {
        (true, _) => "no host at all: it has no subject alternative names, and the common name does not count".into(),
        (false, 0) => all(&list),
        (false, more) => format!("{} and {more} more", list.join(", ")),
    }
}

fn ago(seconds: i64) -> String {
    format!("{} ago", span(seconds))
}

fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}
