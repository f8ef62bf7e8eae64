//! What a journal tells, for the post-mortem: as Markdown for people and as JSON for programs. It says what was observed,
//! and whether the journal's chain holds.

use serde::Serialize;
use serde_json::Value;

use crate::system::journal::{Event, Record, readable};
use crate::{
    engine::install::Swapped,
    text::{escape::is_hostile, number::size, phrase::plural},
};

/// A journal's content in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What the cluster is called.
    pub label: String,
    /// The plan's short ID.
    pub plan: String,
    /// Every carrying out, in order.
    pub runs: Vec<Run>,
    /// What was decided, warned of and overridden before and while it was carried out.
    pub said: Vec<JournalLine>,
    /// Each host with what happened there.
    pub hosts: Vec<Host>,
    /// How the old cluster was asked, and what came of it.
    pub asked: Vec<JournalLine>,
    /// What the restored members' proof said.
    pub proofs: Vec<JournalLine>,
    /// All lines.
    pub timeline: Vec<JournalLine>,
    /// How many lines the journal has whose chain holds.
    pub lines: usize,
    /// The last hash of the chain: whoever wrote it down can tell later whether lines are missing.
    pub head: String,
    /// Where and why the chain breaks.
    pub broken: Option<String>,
}

/// One carrying out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its ID.
    pub id: String,
    /// Who.
    pub operator: String,
    /// From when.
    pub begun: String,
    /// Until when; none where it was cut off.
    pub ended: Option<String>,
    /// How it ended, in a sentence.
    pub outcome: String,
    /// Whether all that was asked for was done.
    pub complete: bool,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JournalLine {
    /// When.
    pub at: String,
    /// What kind of line.
    pub kind: Event,
    /// The sentence.
    pub text: String,
    /// The operator's reason, where one was given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How long it took, in milliseconds, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Host {
    /// As the plan calls it.
    pub host: String,
    /// Bytes of the snapshot that were sent there, as they are and packed, over all runs.
    pub sent: u64,
    /// The same as they went over the wire.
    pub packed: u64,
    /// Members in place at the end, and where what was there before lies.
    pub placed: Vec<Swapped>,
    /// What was done there, and what failed.
    pub lines: Vec<JournalLine>,
}

/// Reads a journal.
///
/// # Errors
/// A sentence, when it is none at all.
pub fn report(text: &str) -> Result<Report, String> {
    let (records, broken) = readable(text);
    let Some(first) = records.first() else { return Err(broken.unwrap_or_else(|| "it is empty".into())) };
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
                outcome: "it was cut off: no line says how it ended".into(),
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
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# Recovery of {} by plan {}\n\n", cell(&self.label), cell(&self.plan));
        text += &match &self.broken {
            None => format!("The journal's chain holds: {} lines, the last hash is `{}`.\n", self.lines, self.head),
            Some(why) => format!(
                "**The journal's chain is broken: {}.** What follows is told by the {} {} before that.\n",
                cell(why),
                self.lines,
                plural(self.lines, "line", "lines")
            ),
        };
        text += "\n## Runs\n\n| run | who | from | until | how it ended |\n|---|---|---|---|---|\n";
        for run in &self.runs {
            let until = run.ended.as_deref().unwrap_or("–");
            let row = [&run.id, &run.operator, &run.begun, until, &run.outcome].map(cell);
            text += &format!("| {} |\n", row.join(" | "));
        }
        text += &listed("Decided, warned of, overridden", &self.said);
        text += &listed("The old cluster, asked", &self.asked);
        for host in &self.hosts {
            text += &format!("\n## Host {}\n\n", cell(&host.host));
            if host.sent > 0 {
                let (sent, packed) = (size(host.sent), size(host.packed));
                text += &format!("The snapshot: {sent} sent, {packed} over the wire.\n");
            }
            for placed in &host.placed {
                let r = &placed.restored;
                text += &format!(
                    "In place: {} in {}, member {} of cluster {}, {} keys at revision {}.\n",
                    cell(&placed.name),
                    cell(&r.data_dir.to_string_lossy()),
                    r.member_id,
                    r.cluster_id,
                    r.keys,
                    r.revision
                );
                for (from, to) in placed.aside() {
                    let (from, to) = (from.to_string_lossy().into_owned(), to.to_string_lossy().into_owned());
                    text += &format!("What was at {} before lies at {}.\n", cell(&from), cell(&to));
                }
            }
        }
        text += &listed("Proof", &self.proofs);
        text += &listed("What happened, in order", &self.timeline);
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

/// Text that comes from outside, on one line and without what Markdown would take for its own.
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
