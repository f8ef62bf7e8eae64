//! The journal of a recovery: what was begun, overridden, made and ended, a line of JSON each.
//!
//! Lines are only added, and each is on the disk before the next act. Each holds the SHA-256 of the line before it, so
//! that one that was changed, left out or put in later shows. (Who rewrites all of them is not found out by that.) A
//! journal holds no secret but the beginnings of hosts' journals: its records are made of plans, which hold none.
//!
//! ```json
//! {"at":"2026-11-22T03:12:00Z","kind":"begun","text":"…","data":{…},"prev":"9f3c…","hash":"77aa…"}
//! ```
//! `hash` is the SHA-256 of the same line without `hash`; `prev` of the first line is 64 zeros in the operator's journal.
//! In a host's, which may lie in a directory of somebody else, it is a secret that the operator's journal keeps ([`Start`]).

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    domain::model::plan::Plan,
    engine::{
        durable_fs,
        source::{hex, io_trouble},
    },
    error::{Error, ErrorKind, Result},
    text::{Shown, escape},
};

use super::World;

/// No journal is longer.
pub(super) const MOST_BYTES: u64 = 16 << 20;

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The carrying out of a plan was begun.
    Begun,
    /// Something was decided on the way to it, on this screen.
    Decided,
    /// Something was said that is only to be known.
    Warned,
    /// A fence was overridden.
    Override,
    /// A host was looked at, or could not be.
    Looked,
    /// Old members were asked again.
    Asked,
    /// An act is about to be done.
    Doing,
    /// It is done.
    Done,
    /// A member stands, as read back.
    Restored,
    /// A member does not.
    Failed,
    /// What the members that came up serve was held against the plan.
    Proof,
    /// It came to its end.
    Ended,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// What it is about.
    pub kind: Event,
    /// A sentence for people.
    pub text: String,
    /// The same for programs.
    pub data: Map<String, Value>,
    /// The hash of the line before.
    pub prev: String,
    /// This line's own, over all of the above.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
}

impl Record {
    fn sealed(mut self) -> Record {
        self.hash = String::new();
        self.hash = hex(&Sha256::digest(serde_json::to_vec(&self).unwrap_or_default()));
        self
    }
}

/// What the first line of a journal follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Nothing: the operator's.
    Zeros,
    /// This secret: a host's.
    Seal(String),
    /// What it says itself: a host's that is not known yet, or one that is only looked at.
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

/// Whether a text can be the beginning of a host's journal: 64 hex digits, not all zero.
pub fn is_seal(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) && text != zeros()
}

/// A journal in a world.
pub struct Journal<'a> {
    world: &'a dyn World,
    path: PathBuf,
    start: Start,
}

impl<'a> Journal<'a> {
    /// The journal at `path`, which is made with its first line.
    pub fn at(world: &'a dyn World, path: &Path) -> Journal<'a> {
        Journal { world, path: path.into(), start: Start::Zeros }
    }

    /// A host's journal at `path`, which begins so.
    pub fn on_host(world: &'a dyn World, path: &Path, start: Start) -> Journal<'a> {
        Journal { world, path: path.into(), start }
    }

    /// Every line, checked; none where there is no journal yet.
    ///
    /// # Errors
    /// When it cannot be read, or its chain is broken.
    pub fn read(&self) -> Result<Vec<Record>> {
        let text = self.world.read_text(&self.path)?.unwrap_or_default();
        verify_from(&text, &self.start).map_err(|why| {
            Error::new(ErrorKind::Input, format!("the journal {} is not whole", self.path.shown())).why(why)
        })
    }

    /// Adds a line; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it cannot be written, or what stands there is no journal of ours: nothing is added to that.
    pub fn add(&self, kind: Event, text: &str, data: Value) -> Result<()> {
        let data = if let Value::Object(map) = data { map } else { Map::new() };
        self.world.append(&self.path, &mut |before| {
            let first = match &self.start {
                Start::Seal(seal) => seal.clone(),
                Start::Zeros | Start::Any => zeros(),
            };
            let prev = verify_from(before, &self.start)
                .map_err(|why| {
                    Error::new(ErrorKind::Input, format!("nothing is added to the journal {}", self.path.shown()))
                        .why(why)
                        .hint("Move it aside and keep it; a new one is begun then.")
                })?
                .pop()
                .map_or(first, |record| record.hash);
            let at = at(self.world.now());
            let record = Record { at, kind, text: text.into(), data: data.clone(), prev, hash: String::new() }.sealed();
            // who looks at it with `cat` sees what is there; the meaning, and with it the hash, is the same
            let line = serde_json::to_string(&record).unwrap_or_default();
            Ok(format!("{}\n", escape::json(&line)))
        })
    }
}

/// Seconds since 1970 as RFC 3339 in UTC.
pub fn at(now: i64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.max(0).unsigned_abs());
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Where the journal of a plan file lies: beside it.
pub fn path_next_to(plan_file: &Path) -> PathBuf {
    let mut name = plan_file.as_os_str().to_os_string();
    name.push(".journal");
    name.into()
}

/// Where the wizard keeps the journal of a plan in its directory for journals.
pub fn of_plan(dir: &Path, plan: &Plan) -> PathBuf {
    dir.join(format!("plan-{}.journal", plan.short_id()))
}

/// The text of the journal at `path`, whoever wrote it: for who only shows what it tells.
///
/// # Errors
/// When it is no regular file of text, is longer than any journal, or as the system says.
pub fn text(path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = durable_fs::regular(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    match read.map_err(|e| io_trouble("read", path, &e))? as u64 {
        ..=MOST_BYTES => Ok(text),
        _ => Err(Error::new(ErrorKind::Input, format!("{} was not read", path.shown()))
            .why("it is longer than anything that requorum writes")),
    }
}

/// Reads a journal and checks its chain: every line whole, sealed, and bound to the one before.
///
/// # Errors
/// The first line that is not, and why.
pub fn verify(text: &str) -> std::result::Result<Vec<Record>, String> {
    verify_from(text, &Start::Zeros)
}

/// The same for one that begins so.
///
/// # Errors
/// As [`verify`].
pub fn verify_from(text: &str, start: &Start) -> std::result::Result<Vec<Record>, String> {
    match readable_from(text, start) {
        (records, None) => Ok(records),
        (_, Some(why)) => Err(why),
    }
}

/// The lines of a journal up to the first that is not as it must be, and why that is not. A host's is taken as it begins:
/// only the operator's journal could tell whether that is right.
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
        let cut = format!("its last line, {}, is cut off", text.lines().count());
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
        serde_json::from_str(line).map_err(|e| format!("line {number} is no record of a journal: {e}"))?;
    if record.clone().sealed().hash != record.hash {
        return Err(format!("line {number} was changed: its hash is another"));
    }
    if number == 1 && !start.fits(&record.prev) && matches!(start, Start::Seal(_)) {
        return Err("it does not begin as this plan's journal was begun here: another one has taken its place".into());
    }
    if !before.map_or_else(|| start.fits(&record.prev), |hash| record.prev == hash) {
        return Err(format!("line {number} does not follow the line before it: one was taken out, put in or moved"));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::system::{etcd_client::Members, local::Local};

    fn written(dir: &Path) -> (Local, PathBuf, String) {
        let world = Local::real(Members::new(Default::default()).unwrap());
        let path = dir.join("state/plan.yaml.journal");
        let journal = Journal::at(&world, &path);
        for (kind, text) in [(Event::Begun, "one"), (Event::Override, "two"), (Event::Ended, "three")] {
            journal.add(kind, text, serde_json::json!({"n": text.len()})).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        (world, path, text)
    }

    #[test]
    fn every_change_of_a_journal_shows() {
        let dir = tempfile::tempdir().unwrap();
        let (_, _, text) = written(dir.path());
        let records = verify(&text).unwrap();
        assert_eq!(records.iter().map(|r| r.text.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!(records.iter().map(|r| r.kind).collect::<Vec<_>>(), [Event::Begun, Event::Override, Event::Ended]);
        let lines: Vec<&str> = text.lines().collect();
        for (changed, why) in [
            (text.replace("\"two\"", "\"zwo\""), "line 2 was changed"),
            (text.replace("\"kind\":\"override\"", "\"kind\":\"restored\""), "line 2 was changed"),
            (format!("{}\n{}\n", lines[0], lines[2]), "line 2 does not follow"),
            (format!("{}\n{}\n{}\n", lines[0], lines[2], lines[1]), "line 2 does not follow"),
            (format!("{}\n{}\n", lines[1], lines[2]), "line 1 does not follow"),
            (text.trim_end().to_string(), "line, 3, is cut off"),
            (format!("{text}hello\n"), "line 4 is no record"),
        ] {
            let said = verify(&changed).unwrap_err();
            assert!(said.contains(why), "{why:?} is not in {said:?}");
        }
        assert_eq!(verify(""), Ok(Vec::new()));
    }

    #[test]
    fn a_hosts_journal_begins_with_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        let (world, _, own) = written(dir.path());
        let path = dir.path().join("host.journal");
        let seal = "5e".repeat(32);
        for (kind, text) in [(Event::Begun, "one"), (Event::Done, "two")] {
            Journal::on_host(&world, &path, Start::Seal(seal.clone())).add(kind, text, Value::Null).unwrap();
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
        let other = Journal::on_host(&world, &path, Start::Seal("5f".repeat(32)));
        assert!(other.read().is_err() && other.add(Event::Done, "three", Value::Null).is_err());
    }

    #[test]
    fn a_changed_journal_is_not_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let (world, path, text) = written(dir.path());
        let changed = text.replace("\"one\"", "\"eins\"");
        std::fs::write(&path, &changed).unwrap();
        let refused = Journal::at(&world, &path).add(Event::Ended, "x", Value::Null).unwrap_err();
        assert!(refused.to_string().contains("line 1"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), changed);
    }
}
