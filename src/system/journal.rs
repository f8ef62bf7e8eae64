//! The journal of a recovery: what was started, overridden, done and finished, one line of JSON each.
//!
//! Lines are only appended, and each is on disk before the next step. Each has the SHA-256 of the line before it, so
//! that a changed, missing or inserted line is detected. (Rewriting all of them is not detected by that.) A
//! journal has no secrets except the seals of hosts' journals: its records are made of plans, which have none.
//!
//! ```json
//! {"at":"2026-11-22T03:12:00Z","kind":"begun","text":"…","data":{…},"prev":"9f3c…","hash":"77aa…"}
//! ```
//!
//! `hash` is the SHA-256 of the same line without `hash`; `prev` of the first line is 64 zeros in the operator's
//! journal. In a host's, which may be in another user's directory, it is a secret that the operator's journal stores
//! ([`Start`]).

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{
    domain::model::plan::Plan,
    engine::{durable_fs, source::io_trouble},
    error::{Error, ErrorKind, Result},
    text::{Shown, escape},
};

use super::{Clock, Files};

pub use super::journal_record::{Event, Record};

/// The largest journal, in bytes.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// The format of the lines and their data; the first line of each run records it. Journals without it are of format 1.
const FORMAT: u32 = 1;

/// The hash that the first line of a journal follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Zeros: the operator's journal.
    Zeros,
    /// This secret, the seal: a host's journal.
    Seal(String),
    /// Its own, whatever it is: a host's journal whose seal is not known, or one that is only displayed.
    Any,
}

impl Start {
    fn fits(&self, prev: &str) -> bool {
        match self {
            Start::Zeros => prev == zeros(),
            Start::Seal(seal) => is_seal(seal) && prev == seal,
            Start::Any => true,
        }
    }
}

fn zeros() -> String {
    "0".repeat(64)
}

/// Returns whether a text can be a seal: 64 hex digits, not all zero.
pub fn is_seal(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) && text != zeros()
}

/// A journal on this machine, read and written through `S`.
pub struct Journal<'a, S: ?Sized> {
    system: &'a S,
    path: PathBuf,
    start: Start,
}

impl<'a, S: Files + ?Sized> Journal<'a, S> {
    /// Returns the journal at `path`, which is created with its first line.
    pub fn at(system: &'a S, path: &Path) -> Self {
        Journal { system, path: path.into(), start: Start::Zeros }
    }

    /// Returns a host's journal at `path`, with this start.
    pub fn on_host(system: &'a S, path: &Path, start: Start) -> Self {
        Journal { system, path: path.into(), start }
    }

    /// Reads and verifies every line; none if there is no journal yet.
    ///
    /// # Errors
    /// When it cannot be read, or its chain is broken.
    pub fn read(&self) -> Result<Vec<Record>> {
        let text = self.system.read_text(&self.path)?.unwrap_or_default();
        verify_from(&text, &self.start).map_err(|why| {
            Error::new(ErrorKind::Input, format!("{}: the journal is damaged", self.path.shown())).why(why)
        })
    }

    /// Appends a line; it is on disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written, or the file is not one of our journals: nothing is appended to that.
    pub fn add(&self, kind: Event, text: &str, data: Value) -> Result<()>
    where
        S: Clock,
    {
        let mut data = if let Value::Object(map) = data { map } else { Map::new() };
        if kind == Event::Begun {
            data.insert("format".into(), FORMAT.into());
        }
        self.system.append_line(&self.path, &mut |before| {
            let first = match &self.start {
                Start::Seal(seal) => seal.clone(),
                Start::Zeros | Start::Any => zeros(),
            };
            let prev = verify_from(before, &self.start)
                .map_err(|why| {
                    Error::new(ErrorKind::Input, format!("{}: cannot append to the journal", self.path.shown()))
                        .why(why)
                        .hint("Move it aside and keep it; a new one is then created.")
                })?
                .pop()
                .map_or(first, |record| record.hash);
            let at = at(self.system.now());
            let record = Record { at, kind, text: text.into(), data: data.clone(), prev, hash: String::new() }.sealed();
            // shown as it is by `cat`; the meaning, and with it the hash, is the same
            let line = serde_json::to_string(&record).unwrap_or_default();
            Ok(format!("{}\n", escape::json(&line)))
        })
    }
}

/// Formats seconds since 1970 as RFC 3339 in UTC.
pub fn at(now: i64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.max(0).unsigned_abs());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Returns the path of a plan file's journal: next to it.
pub fn path_next_to(plan_file: &Path) -> PathBuf {
    let mut name = plan_file.as_os_str().to_os_string();
    name.push(".journal");
    name.into()
}

/// Returns where the wizard keeps a plan's journal in its journal directory.
pub fn of_plan(dir: &Path, plan: &Plan) -> PathBuf {
    dir.join(format!("plan-{}.journal", plan.short_id()))
}

/// Reads the text of the journal at `path`, whoever wrote it: for callers that only display it.
///
/// # Errors
/// When it is not a regular text file, is larger than any journal, or as the system reports.
pub fn text(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = durable_fs::regular(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    match read.map_err(|e| io_trouble("read", path, &e))? as u64 {
        ..=MOST_BYTES => Ok(text),
        _ => Err(Error::new(ErrorKind::Input, format!("{}: not read", path.shown()))
            .why("it is larger than any file that requorum writes")),
    }
}

/// Parses a journal and verifies its chain: every line is complete, has its hash, and follows the one before.
///
/// # Errors
/// The first line that does not, and why.
pub fn verify(text: &str) -> std::result::Result<Vec<Record>, String> {
    verify_from(text, &Start::Zeros)
}

/// Does the same for a journal with this start.
///
/// # Errors
/// As [`verify`].
pub fn verify_from(text: &str, start: &Start) -> std::result::Result<Vec<Record>, String> {
    match readable_from(text, start) {
        (records, None) => Ok(records),
        (_, Some(why)) => Err(why),
    }
}

/// Returns the lines of a journal before the first invalid one, and why that is invalid. A host's journal is accepted
/// with any start: only the operator's journal could say whether it is right.
pub fn readable(text: &str) -> (Vec<Record>, Option<String>) {
    let first = text.lines().next().and_then(|line| serde_json::from_str::<Record>(line).ok());
    let hosts = first
        .is_some_and(|first| is_seal(&first.prev) && first.kind == Event::Begun && !first.data.contains_key("members"));
    readable_from(text, if hosts { &Start::Any } else { &Start::Zeros })
}

fn readable_from(text: &str, start: &Start) -> (Vec<Record>, Option<String>) {
    let mut records: Vec<Record> = Vec::new();
    if !text.is_empty() && !text.ends_with('\n') {
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let (records, why) = readable_from(&format!("{whole}{}", if whole.is_empty() { "" } else { "\n" }), start);
        let cut = format!("its last line, {}, is incomplete", text.lines().count());
        return (records, Some(why.unwrap_or(cut)));
    }
    for (at, line) in text.lines().enumerate() {
        match sound(line, at + 1, records.last().map(|before| before.hash.as_str()), start) {
            Ok(record) => records.push(record),
            Err(why) => return (records, Some(why)),
        }
    }
    (records, None)
}

fn sound(line: &str, number: usize, before: Option<&str>, start: &Start) -> std::result::Result<Record, String> {
    let record: Record =
        serde_json::from_str(line).map_err(|e| format!("line {number} is not a journal record: {e}"))?;
    if record.clone().sealed().hash != record.hash {
        return Err(format!("line {number} was changed: its hash does not match"));
    }
    if let Some(format) = record.data.get("format").filter(|format| record.kind == Event::Begun && **format != FORMAT) {
        let format = escape::line(&format.to_string());
        return Err(format!(
            "line {number} begins a run in journal format {format}, and this requorum reads format {FORMAT}: use the \
             version that wrote it"
        ));
    }
    if number == 1 && !start.fits(&record.prev) && matches!(start, Start::Seal(_)) {
        return Err("its seal does not match this plan's journal: it was replaced".into());
    }
    if !before.map_or_else(|| start.fits(&record.prev), |hash| record.prev == hash) {
        return Err(format!("line {number} does not follow the line before it: a line was removed, inserted or moved"));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::system::{etcd_client::Members, local::Local};

    fn written(dir: &Path) -> (Local, PathBuf, String) {
        let system = Local::new(Members::new(Default::default()).unwrap());
        let path = dir.join("state/plan.yaml.journal");
        let journal = Journal::at(&system, &path);
        for (kind, text) in [(Event::Begun, "one"), (Event::Override, "two"), (Event::Ended, "three")] {
            journal.add(kind, text, serde_json::json!({"n": text.len()})).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        (system, path, text)
    }

    #[test]
    fn every_change_of_a_journal_shows() {
        let dir = tempfile::tempdir().unwrap();
        let (_, _, text) = written(dir.path());
        let records = verify(&text).unwrap();
        assert_eq!(records.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!(records.iter().map(|r| r.kind).collect::<Vec<_>>(), [Event::Begun, Event::Override, Event::Ended]);
        let lines: Vec<&str> = text.lines().collect();
        let mut messages = Vec::new();
        for (changed, what) in [
            (text.replace("\"two\"", "\"zwo\""), "another text"),
            (text.replace("\"kind\":\"override\"", "\"kind\":\"restored\""), "another kind"),
            (format!("{}\n{}\n", lines[0], lines[2]), "a line less"),
            (format!("{}\n{}\n{}\n", lines[0], lines[2], lines[1]), "2 lines exchanged"),
            (format!("{}\n{}\n", lines[1], lines[2]), "without the first line"),
            (text.trim_end().to_string(), "cut in the last line"),
            (format!("{text}hello\n"), "a line of something else"),
        ] {
            messages.push((what, verify(&changed).unwrap_err()));
        }
        crate::text::messages::hold("journal-changed", &messages);
        assert_eq!(verify(""), Ok(Vec::new()));
    }

    #[test]
    fn a_hosts_journal_begins_with_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        let (system, _, own) = written(dir.path());
        let path = dir.path().join("host.journal");
        let seal = "5e".repeat(32);
        for (kind, text) in [(Event::Begun, "one"), (Event::Done, "two")] {
            Journal::on_host(&system, &path, Start::Seal(seal.clone())).add(kind, text, Value::Null).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (text, start, right) in [
            (text.clone(), Start::Seal(seal.clone()), true),
            (text.clone(), Start::Any, true),
            (String::new(), Start::Seal(seal.clone()), true),
            (text.clone(), Start::Zeros, false),
            (text.clone(), Start::Seal("5f".repeat(32)), false),
            (text.clone(), Start::Seal("0".repeat(64)), false),
            (text.replace("two", "zwo"), Start::Any, false),
            (format!("{}\n", lines[1]), Start::Seal(seal.clone()), false),
            (own.clone(), Start::Seal(seal.clone()), false),
        ] {
            assert_eq!(verify_from(&text, &start).is_ok(), right, "{start:?}: {text}");
        }
        assert_eq!((readable(&text).1, readable(&own).1), (None, None));
        let rest = own.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>();
        assert!(readable(&rest).1.is_some(), "an operator's journal without its first line");
        let other = Journal::on_host(&system, &path, Start::Seal("5f".repeat(32)));
        assert!(other.read().is_err() && other.add(Event::Done, "three", Value::Null).is_err());
    }

    #[test]
    fn a_run_in_another_format_is_refused() {
        let first = |data: Value| {
            let Value::Object(data) = data else { unreachable!() };
            let (at, text) = ("2026-11-22T03:12:00Z".to_string(), "x".to_string());
            let record = Record { at, kind: Event::Begun, text, data, prev: zeros(), hash: String::new() }.sealed();
            verify(&format!("{}\n", serde_json::to_string(&record).unwrap()))
        };
        assert!(first(serde_json::json!({"format": 1})).is_ok() && first(serde_json::json!({})).is_ok());
        let mut messages = Vec::new();
        for format in [serde_json::json!(2), serde_json::json!("1"), serde_json::json!(null)] {
            messages.push((format.to_string(), first(serde_json::json!({"format": format})).unwrap_err()));
        }
        crate::text::messages::hold("journal-format", &messages);
        let dir = tempfile::tempdir().unwrap();
        let (_, _, text) = written(dir.path());
        assert_eq!(verify(&text).unwrap()[0].data["format"], FORMAT);
    }

    #[test]
    fn a_changed_journal_is_not_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let (system, path, text) = written(dir.path());
        let changed = text.replace("\"one\"", "\"eins\"");
        std::fs::write(&path, &changed).unwrap();
        let refused = Journal::at(&system, &path).add(Event::Ended, "x", Value::Null).unwrap_err();
        assert!(refused.to_string().contains("line 1"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), changed);
    }
}
