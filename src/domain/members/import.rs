//! What an operator pastes, as rows: an `--initial-cluster` value in whatever form it was copied,
//! or the output of `etcdctl member list` in any of its formats.
//!
//! Source of the formats: etcd `etcdctl/ctlv3/command/printer*.go`, 3.4 to 3.7. Simple and table have
//! the columns ID, STATUS, NAME, PEER ADDRS, CLIENT ADDRS, IS LEARNER (the last since 3.4); JSON has
//! decimal IDs, or hexadecimal ones with `--hex`; fields has one quoted `"Name" : value` a line.

#[cfg(test)]
mod tests;
mod value;

use serde_json::Value;

use super::{
    cell::{Origin, Row},
    table::{self, Column, Problem},
};
use crate::text::confusables;
use crate::text::join::all;

/// No paste is longer.
const MAX_BYTES: usize = 1 << 18;

/// What a paste was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasteFormat {
    /// `m1=URL,m2=URL`.
    InitialCluster,
    /// `etcdctl member list`.
    MemberList,
}

impl PasteFormat {
    /// What it is called.
    pub fn words(self) -> &'static str {
        match self {
            PasteFormat::InitialCluster => "an --initial-cluster value",
            PasteFormat::MemberList => "the output of etcdctl member list",
        }
    }
}

/// What was read from pasted text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pasted {
    /// What it was taken for.
    pub form: PasteFormat,
    /// The members: name and peer URLs, and from a member list client URLs.
    pub rows: Vec<Row>,
    /// What was left out or changed, sentences without a full stop.
    pub notes: Vec<String>,
}

/// Reads a paste. URLs are not judged here; the table does that by cell.
///
/// # Errors
/// When it is in no known format, or has a mistake beyond quoting and layout; by name, with the whole text
/// corrected where that is known.
pub fn read(text: &str) -> Result<Pasted, Problem> {
    if text.len() > MAX_BYTES {
        return Err(Problem::error(None, None, "the pasted text is longer than any member list; it was ignored"));
    }
    let mut notes = Vec::new();
    let plain = cleaned(text, &mut notes);
    let listed = json(&plain).or_else(|| fields(&plain)).or_else(|| columns(&plain)).or_else(|| version_2(&plain));
    let (form, rows) = match listed {
        Some(list) => (PasteFormat::MemberList, members(list, &mut notes)),
        None => (PasteFormat::InitialCluster, initial_cluster(&plain, &mut notes)?),
    };
    if rows.is_empty() {
        return Err(Problem::error(None, None, "the pasted text has no voting member"));
    }
    Ok(Pasted { form, rows, notes })
}

/// The text with look-alikes replaced, line by line, and colour codes taken out.
fn cleaned(text: &str, notes: &mut Vec<String>) -> String {
    let lines: Vec<String> = without_escapes(text)
        .lines()
        .map(|line| {
            let line = line.replace('\t', " ");
            // Box characters belong to a table, not to a name.
            let line: String =
                line.chars().map(|c| if ('\u{2500}'..='\u{257f}').contains(&c) { '|' } else { c }).collect();
            if let Some(stray) = confusables::find_hidden(&line) {
                let note = format!("{} is replaced by the character meant", stray.name);
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            confusables::clean(&line)
        })
        .collect();
    lines.join("\n")
}

/// Without terminal escapes (`ESC [ … letter`), as a copied coloured prompt has them.
fn without_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.peek() == Some(&'[') {
            chars.next();
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() || c == '~' {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// A member as the list has it.
#[derive(Default)]
struct Listed {
    id: String,
    name: String,
    peers: String,
    clients: String,
    learner: bool,
}

/// Rows of the voters. Learners and members that never started are reported.
fn members(list: Vec<Listed>, notes: &mut Vec<String>) -> Vec<Row> {
    let learners: Vec<String> = list
        .iter()
        .filter(|m| m.learner)
        .map(|m| if m.name.is_empty() { m.id.clone() } else { m.name.clone() })
        .collect();
    if !learners.is_empty() {
        notes.push(format!(
            "left out as {}: {}",
            if learners.len() == 1 { "a learner" } else { "learners" },
            all(&learners)
        ));
    }
    let voters = list.into_iter().filter(|m| !m.learner);
    voters
        .map(|m| {
            if m.name.is_empty() {
                notes.push(format!("member {} never started and has no name; give it one", m.id));
            }
            Row::default().with(Column::Name, m.name, Origin::Typed).with(Column::Peer, m.peers, Origin::Typed).with(
                Column::Client,
                m.clients,
                Origin::Typed,
            )
        })
        .collect()
}

/// The JSON of `member list -w json`, wherever it begins in the text.
fn json(text: &str) -> Option<Vec<Listed>> {
    let from = text.find('{')?;
    let mut values = serde_json::Deserializer::from_str(text.get(from..)?).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let list = value.get("members")?.as_array()?;
    list.iter()
        .map(|m| {
            let urls = |key: &str| {
                let list = m.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            };
            let id = m.get("ID").map(|id| match id.as_u64() {
                Some(number) => format!("{number:x}"),
                None => id.as_str().unwrap_or_default().to_string(),
            });
            Some(Listed {
                id: id?,
                name: m.get("name").and_then(Value::as_str).unwrap_or_default().to_string(),
                peers: urls("peerURLs"),
                clients: urls("clientURLs"),
                learner: m.get("isLearner").and_then(Value::as_bool).unwrap_or_default(),
            })
        })
        .collect()
}

/// The lines of `member list -w fields`.
fn fields(text: &str) -> Option<Vec<Listed>> {
    let mut out: Vec<Listed> = Vec::new();
    for line in text.lines() {
        let Some((key, value)) = line.trim().strip_prefix('"').and_then(|rest| rest.split_once("\" :")) else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        if key == "ID" {
            let id = value.parse::<u64>().map_or_else(|_| value.to_string(), |n| format!("{n:x}"));
            out.push(Listed { id, ..Listed::default() });
            continue;
        }
        let Some(member) = out.last_mut() else { continue };
        let add = |list: &mut String| {
            *list = [list.as_str(), value].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(",")
        };
        match key {
            "Name" => member.name = value.to_string(),
            "PeerURL" => add(&mut member.peers),
            "ClientURL" => add(&mut member.clients),
            "IsLearner" => member.learner = value == "true",
            _ => {}
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The lines of the simple format, and the rows of a table: those that begin with an ID and a
/// state. There may be a prompt, borders or a heading around them.
fn columns(text: &str) -> Option<Vec<Listed>> {
    let out: Vec<Listed> = text.lines().filter_map(|line| boxed(line).or_else(|| simple(line))).collect();
    (!out.is_empty()).then_some(out)
}

fn boxed(line: &str) -> Option<Listed> {
    let inner = line.trim().strip_prefix('|')?;
    let cells: Vec<&str> = inner.trim_end_matches('|').split('|').map(str::trim).collect();
    let [id, state, name, peers, clients, rest @ ..] = cells.as_slice() else { return None };
    listed(id, state, name, peers, clients, rest.first().copied())
}

/// `8e9e05c52164694d, started, m1, http://a:2380,http://b:2380, http://a:2379, false`: a comma and a
/// space between columns, a comma alone between the URLs of one.
fn simple(line: &str) -> Option<Listed> {
    let cells: Vec<&str> = line.trim().split(", ").map(str::trim).collect();
    let [id, state, name, peers, clients, rest @ ..] = cells.as_slice() else { return None };
    listed(id, state, name, peers, clients.trim_end_matches(','), rest.first().copied())
}

/// `504ffa3d42ead29c: name=a1 peerURLs=http://a:2380 clientURLs=http://a:2379 isLeader=true`, as etcdctl prints it with
/// `ETCDCTL_API=2`; `504ffa3d42ead29c[unstarted]: peerURLs=http://a:2380` for one that never started.
fn version_2(text: &str) -> Option<Vec<Listed>> {
    let line = |line: &str| {
        let (id, rest) = line.trim().split_once(": ")?;
        let id = id.trim_end_matches("[unstarted]");
        let is_id = !id.is_empty() && id.len() <= 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let value = |key: &str| {
            let mut words = rest.split_whitespace();
            words.find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default().to_string()
        };
        let (name, peers, clients) = (value("name"), value("peerURLs"), value("clientURLs"));
        (is_id && !peers.is_empty()).then(|| Listed { id: id.into(), name, peers, clients, learner: false })
    };
    let out: Vec<Listed> = text.lines().filter_map(line).collect();
    (!out.is_empty()).then_some(out)
}

fn listed(id: &str, state: &str, name: &str, peers: &str, clients: &str, learner: Option<&str>) -> Option<Listed> {
    let is_id = !id.is_empty() && id.len() <= 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_id || !["started", "unstarted"].contains(&state) {
        return None;
    }
    let (name, peers, clients) = (name.to_string(), peers.to_string(), clients.to_string());
    Some(Listed { id: id.to_string(), name, peers, clients, learner: learner == Some("true") })
}

/// An `--initial-cluster` value: by itself, with its flag or variable, in quotes, in the middle of a
/// command, over several lines.
fn initial_cluster(text: &str, notes: &mut Vec<String>) -> Result<Vec<Row>, Problem> {
    let value = value::value(text, notes)?;
    let mut value = value.as_str();
    // Taken in passing where there is one thing only that can have been meant.
    let mut fixed;
    for _ in 0..8 {
        match table::parse_initial_cluster(value) {
            Ok(rows) => {
                repeated(value, notes);
                return Ok(rows);
            }
            Err(Problem { fix: Some(fix), text, .. }) => {
                notes.push(text);
                fixed = fix;
                value = fixed.as_str();
            }
            Err(problem) => return Err(problem),
        }
    }
    table::parse_initial_cluster(value)
}

/// Reports names that appear more than once: etcd treats each as one member.
fn repeated(value: &str, notes: &mut Vec<String>) {
    for name in table::repeated_names(value) {
        notes.push(format!(
            "{name} appears more than once; etcd treats that as one member with several URLs, and so does the table"
        ));
    }
}
