//! [`Contents`] in etcdutl's four output formats.

use serde_json::{Map, Value};

use super::{
    status::Trailer,
    summary::{Branch, Contents, LeaseIn},
};
use crate::text::{
    number::{count, thousands},
    size::byte_count,
    table::table,
};

use crate::text::size::size;

/// The most leases and prefixes in text output; JSON has them all.
const SHOWN: usize = 50;

/// Renders the `"Name" : value` lines of a flat object; lists and objects are JSON.
pub fn fields_of(object: &Map<String, Value>) -> String {
    object
        .iter()
        .map(|(name, value)| {
            // as etcdctl writes names in this format: `DbSize`
            let word = |word: &str| {
                let mut letters = word.chars();
                letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
            };
            format!("\"{}\" : {value}\n", name.split('_').map(word).collect::<String>())
        })
        .collect()
}

impl Contents {
    fn object(&self, path: &str) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("file".into(), path.into());
        if let Ok(Value::Object(rest)) = serde_json::to_value(self) {
            object.extend(rest);
        }
        object
    }

    /// Renders one JSON object on one line.
    pub fn json(&self, path: &str) -> String {
        format!("{}\n", Value::Object(self.object(path)))
    }

    /// Renders `"Name" : value` lines.
    pub fn fields(&self, path: &str) -> String {
        fields_of(&self.object(path))
    }

    /// Renders sections of lines, for people.
    pub fn simple(&self, path: &str) -> String {
        let mut out = self.head(path);
        section(
            &mut out,
            "Members",
            self.members.iter().map(|m| {
                let name = if m.name.is_empty() { "(never started)" } else { &m.name };
                let clients = if m.client_urls.is_empty() {
                    String::new()
                } else {
                    format!(", clients {}", m.client_urls.join(" "))
                };
                let learner = if m.is_learner { ", learner" } else { "" };
                format!("{name} {} peers {}{clients}{learner}", m.id, m.peer_urls.join(" "))
            }),
        );
        section(&mut out, "Removed members", self.removed_members.iter().cloned());
        section(&mut out, "Alarms", self.alarms.iter().cloned());
        section(&mut out, "Leases", shortened(&self.leases, lease));
        section(
            &mut out,
            "Users",
            self.users.iter().map(|user| match user.roles.as_slice() {
                [] => format!("{} (no role)", user.name),
                roles => format!("{}: {}", user.name, roles.join(", ")),
            }),
        );
        section(
            &mut out,
            "Roles",
            self.roles.iter().map(|role| match role.permits.as_slice() {
                [] => format!("{} (permits nothing)", role.name),
                permits => format!("{}: {}", role.name, permits.join("; ")),
            }),
        );
        self.kubernetes(&mut out);
        section(
            &mut out,
            "Keys by prefix",
            shortened(&self.tree, |branch| {
                format!("{} {}, {}", prefix(branch), count(branch.keys, "key", "keys"), size(branch.bytes))
            }),
        );
        self.findings(&mut out);
        out
    }

    /// Renders the same with members and prefixes in tables, for people.
    pub fn table(&self, path: &str) -> String {
        let mut out = self.head(path);
        let members: Vec<Vec<String>> = self
            .members
            .iter()
            .map(|m| {
                let learner = m.is_learner.to_string();
                vec![m.id.to_string(), m.name.clone(), m.peer_urls.join(","), m.client_urls.join(","), learner]
            })
            .collect();
        out += &table(&["ID", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"], &members);
        if !self.leases.is_empty() {
            let rows: Vec<Vec<String>> = self
                .leases
                .iter()
                .map(|l| vec![l.id.clone(), l.ttl.to_string(), l.remaining_ttl.to_string(), l.keys.to_string()])
                .collect();
            out += &table(&["LEASE", "TTL", "REMAINING", "KEYS"], &rows);
        }
        let tree: Vec<Vec<String>> =
            self.tree.iter().map(|b| vec![prefix(b).to_string(), thousands(b.keys), size(b.bytes)]).collect();
        out += &table(&["PREFIX", "KEYS", "SIZE"], &tree);
        self.findings(&mut out);
        out
    }

    fn head(&self, path: &str) -> String {
        let mut out = format!("{path}: {}\n", self.kind);
        let mut line = |name: &str, text: String| out += &format!("  {name:<17} {text}\n");
        let trailer = match self.trailer {
            Trailer::Ok => "ok",
            Trailer::Missing => "missing",
            Trailer::Wrong => "WRONG",
        };
        line("size", format!("{} ({})", size(self.file_size), byte_count(self.file_size)));
        line("SHA-256", format!("{} (trailer {trailer})", self.sha256));
        line("hash", format!("{:x}", self.hash));
        let compacted = match self.compact_revision {
            ..=0 => "never compacted".to_string(),
            at if self.compaction_pending => format!("compaction up to {} not finished", thousands(at.unsigned_abs())),
            at => format!("compacted up to {}", thousands(at.unsigned_abs())),
        };
        line("revision", format!("{}, {compacted}", thousands(self.revision.unsigned_abs())));
        line("keys", format!("{} in {}", thousands(self.keys), count(self.rows, "row", "rows")));
        let pages = count(self.pages, "page", "pages");
        line(
            "pages",
            format!("{pages} of {} bytes, {} free", thousands(self.page_size.into()), thousands(self.free_pages)),
        );
        let or_none = |text: &str| if text.is_empty() { "none".to_string() } else { text.to_string() };
        line("cluster version", or_none(&self.cluster_version));
        line("storage version", or_none(&self.storage_version));
        if let Some(target) = &self.downgrade_to {
            line("downgrade", format!("to {target} in progress"));
        }
        let number = |n: Option<u64>| n.map_or("none".to_string(), thousands);
        line("consistent index", format!("{}, term {}", number(self.consistent_index), number(self.term)));
        line("authentication", if self.auth_enabled { "on" } else { "off" }.into());
        out
    }

    fn kubernetes(&self, out: &mut String) {
        let Some(found) = &self.kubernetes else { return };
        let objects = count(found.objects, "object", "objects");
        let prefixes = found.prefixes.join(", ");
        *out += &format!("Kubernetes: {objects} under {prefixes}\n");
        let list = |counts: &std::collections::BTreeMap<String, u64>| {
            counts.iter().map(|(name, n)| format!("{name} {}", thousands(*n))).collect::<Vec<_>>().join(", ")
        };
        *out += &format!("  kinds: {}\n", list(&found.kinds));
        if !found.namespaces.is_empty() {
            *out += &format!("  namespaces: {}\n", list(&found.namespaces));
        }
        for sealed in &found.encrypted {
            let kinds: Vec<&str> = sealed.kinds.iter().map(String::as_str).collect();
            *out += &format!(
                "  encrypted: {} ({}) need {} {} key \"{}\" of the API server's encryption configuration\n",
                count(sealed.objects, "object", "objects"),
                kinds.join(", "),
                sealed.provider,
                sealed.version,
                sealed.key
            );
        }
        if found.plain_secrets > 0 {
            *out += &format!("  not encrypted: {}\n", count(found.plain_secrets, "secret", "secrets"));
        }
    }

    fn findings(&self, out: &mut String) {
        section(out, "PROBLEMS", self.problems.iter().cloned());
        section(out, "Warnings", self.warnings.iter().cloned());
        section(out, "Proven", self.proven.iter().cloned());
        section(out, "Not provable", self.unproven.iter().cloned());
    }
}

fn prefix(branch: &Branch) -> &str {
    if branch.prefix.is_empty() { "(no slash)" } else { &branch.prefix }
}

fn lease(lease: &LeaseIn) -> String {
    let ttl = match (lease.missing, lease.remaining_ttl) {
        (true, _) => "no lease row".to_string(),
        (false, 0) => format!("{} s", lease.ttl),
        (false, left) => format!("{} s, {left} s left", lease.ttl),
    };
    let more = if lease.keys > lease.first_keys.len() as u64 { ", …" } else { "" };
    let names = if lease.keys == 0 { String::new() } else { format!(": {}{more}", lease.first_keys.join(", ")) };
    format!("{} ({ttl}) {}{names}", lease.id, count(lease.keys, "key", "keys"))
}

fn shortened<T>(items: &[T], words: impl Fn(&T) -> String) -> impl Iterator<Item = String> {
    let more = items.len().saturating_sub(SHOWN);
    let rest = (more > 0).then(|| format!("… and {} more; -w json lists all", thousands(more as u64)));
    items.iter().take(SHOWN).map(words).chain(rest).collect::<Vec<_>>().into_iter()
}

fn section(out: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        *out += &format!("{name}:\n");
        for line in lines {
            *out += &format!("  {line}\n");
        }
    }
}
