//! The report of a journal, for the post-mortem: as Markdown for people and as JSON for programs. It says what was
//! observed, and whether the journal's hash chain is intact.

use serde::Serialize;
use serde_json::Value;

use crate::system::journal::{Event, Record, readable};
use crate::{
    engine::install::Swapped,
    text::{escape::is_hostile, number::plural, size::size},
};

/// The content of a journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The cluster's label.
    pub label: String,
    /// The plan's short ID.
    pub plan: String,
    /// Every run, in order.
    pub runs: Vec<Run>,
    /// Decisions, warnings and overrides, before and during the runs.
    pub said: Vec<JournalLine>,
    /// Each host with its events.
    pub hosts: Vec<Host>,
    /// Each time the old cluster was asked, with the result.
    pub asked: Vec<JournalLine>,
    /// The results of verifying the restored members.
    pub proofs: Vec<JournalLine>,
    /// All lines.
    pub timeline: Vec<JournalLine>,
    /// How many lines the journal has before its hash chain breaks.
    pub lines: usize,
    /// The last hash of the chain: compared with a copy kept elsewhere, it shows whether lines are missing.
    pub head: String,
    /// Where and why the chain is broken.
    pub broken: Option<String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its ID.
    pub id: String,
    /// The operator.
    pub operator: String,
    /// When it started.
    pub begun: String,
    /// When it ended; none if it was interrupted.
    pub ended: Option<String>,
    /// How it ended, in a sentence.
    pub outcome: String,
    /// Whether it reached its goal.
    pub complete: bool,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JournalLine {
    /// The time.
    pub at: String,
    /// The kind of line.
    pub kind: Event,
    /// The text.
    pub text: String,
    /// The operator's reason, if one was given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The duration in milliseconds, if it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Host {
    /// Its name in the plan.
    pub host: String,
    /// Bytes of the snapshot that were sent there, uncompressed, over all runs.
    pub sent: u64,
    /// The same, compressed.
    pub packed: u64,
    /// The members that are installed at the end, and where the previous directories were moved.
    pub placed: Vec<Swapped>,
    /// What was done there, and what failed.
    pub lines: Vec<JournalLine>,
}

/// Reads a journal.
///
/// # Errors
/// A sentence, if the text is not a journal.
pub fn report(text: &str) -> Result<Report, String> {
    let (records, broken) = readable(text);
    let Some(first) = records.first() else { return Err(broken.unwrap_or_else(|| "the journal is empty".into())) };
    let begun = records.iter().find(|r| r.kind == Event::Begun).unwrap_or(first);
    let of = |kinds: &[Event]| records.iter().filter(|r| kinds.contains(&r.kind)).map(line).collect::<Vec<_>>();
    let label = begun.data.get("whole_plan").map_or_else(|| word(begun, "label"), |plan| text_of(plan.get("label")));
    Ok(Report {
        label,
        plan: word(begun, "plan"),
        runs: runs(&records),
        said: of(&[Event::Decided, Event::Warned, Event::Override]),
        hosts: hosts(&records),
        asked: of(&[Event::Asked]),
        proofs: of(&[Event::Proof]),
        timeline: records.iter().map(line).collect(),
        lines: records.len(),
        head: records.last().map(|r| r.hash.clone()).unwrap_or_default(),
        broken,
    })
}

fn text_of(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_string()
}

fn word(record: &Record, name: &str) -> String {
    text_of(record.data.get(name))
}

fn line(record: &Record) -> JournalLine {
    let took_ms = record.data.get("took_ms").and_then(Value::as_u64);
    JournalLine {
        at: record.at.clone(),
        kind: record.kind,
        text: record.text.clone(),
        reason: word(record, "reason"),
        took_ms,
    }
}

fn runs(records: &[Record]) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for record in records {
        match (record.kind, out.last_mut()) {
            (Event::Begun, _) => out.push(Run {
                id: word(record, "run"),
                operator: word(record, "operator"),
                begun: record.at.clone(),
                ended: None,
                outcome: "interrupted: no end is recorded".into(),
                complete: false,
            }),
            (Event::Ended, Some(run)) => {
                run.ended = Some(record.at.clone());
                run.outcome.clone_from(&record.text);
                run.complete = record.data.get("complete") == Some(&Value::Bool(true));
            }
            _ => {}
        }
    }
    out
}

fn hosts(records: &[Record]) -> Vec<Host> {
    let mut out: Vec<Host> = Vec::new();
    for record in records {
        let name = word(record, "host");
        if name.is_empty() {
            continue;
        }
        let at = out.iter().position(|known| known.host == name).unwrap_or_else(|| {
            out.push(Host { host: name, sent: 0, packed: 0, placed: Vec::new(), lines: Vec::new() });
            out.len() - 1
        });
        let Some(host) = out.get_mut(at) else { continue };
        let number = |field: &str| record.data.get(field).and_then(Value::as_u64).unwrap_or(0);
        host.sent += number("bytes");
        host.packed += number("packed");
        let placed = record.data.get("swapped").and_then(|value| serde_json::from_value(value.clone()).ok());
        let gone = if record.data.contains_key("undone") { Some(word(record, "member")) } else { None };
        host.placed.retain(|known: &Swapped| {
            gone.as_ref() != Some(&known.name) && placed.as_ref().is_none_or(|new: &Swapped| new.name != known.name)
        });
        host.placed.extend(placed);
        host.lines.push(line(record));
    }
    out
}

impl Report {
    /// Formats the report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# Recovery of {} by plan {}\n\n", cell(&self.label), cell(&self.plan));
        text += &match &self.broken {
            None => format!("The journal's hash chain is intact: {} lines, last hash `{}`.\n", self.lines, self.head),
            Some(why) => format!(
                "**The journal's hash chain is broken: {}.** This report covers the {} {} before that.\n",
                cell(why),
                self.lines,
                plural(self.lines, "line", "lines")
            ),
        };
        text += "\n## Runs\n\n| run | operator | started | ended | result |\n|---|---|---|---|---|\n";
        for run in &self.runs {
            let until = run.ended.as_deref().unwrap_or("–");
            let row = [&run.id, &run.operator, &run.begun, until, &run.outcome].map(cell);
            text += &format!("| {} |\n", row.join(" | "));
        }
        text += &listed("Decisions, warnings, overrides", &self.said);
        text += &listed("Checks of the old cluster", &self.asked);
        for host in &self.hosts {
            text += &format!("\n## Host {}\n\n", cell(&host.host));
            if host.sent > 0 {
                let (sent, packed) = (size(host.sent), size(host.packed));
                text += &format!("Snapshot: {sent} sent, {packed} compressed.\n");
            }
            for placed in &host.placed {
                let r = &placed.restored;
                text += &format!(
                    "Installed: {} in {}, member {} of cluster {}, {} keys at revision {}.\n",
                    cell(&placed.name),
                    cell(&r.data_dir.to_string_lossy()),
                    r.member_id,
                    r.cluster_id,
                    r.keys,
                    r.revision
                );
                for (from, to) in placed.aside() {
                    let (from, to) = (from.to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
                    text += &format!("Previous {} moved to {}.\n", cell(&from), cell(&to));
                }
            }
        }
        text += &listed("Verification", &self.proofs);
        text += &listed("Timeline", &self.timeline);
        text
    }
}

fn listed(title: &str, lines: &[JournalLine]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n## {title}\n\n");
    lines.iter().for_each(|line| text += &bullet(line));
    text
}

fn bullet(line: &JournalLine) -> String {
    let kind = serde_json::to_value(line.kind).ok();
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    let reason = if line.reason.is_empty() { String::new() } else { format!(" (reason: {})", cell(&line.reason)) };
    let took = line.took_ms.map(|ms| format!(" ({:.1} s)", ms as f64 / 1000.0)).unwrap_or_default();
    format!("- {} {kind}: {}{took}{reason}\n", line.at, cell(&line.text))
}

/// Escapes foreign text for Markdown and puts it on one line.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' | '`' | '*' | '<' | '>' | '[' | ']' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c if is_hostile(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
