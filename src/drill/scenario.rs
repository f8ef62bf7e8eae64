//! A scenario: the cluster that was, how it is broken, what happens meanwhile, what the coach says, what must have come
//! of it, and the ways through it, right and wrong. One YAML file; those in `assets/scenarios` are part of the program.
//!
//! What is said in words there (conditions, acts, strides) is read by [`grammar`]; what one field means for another is
//! checked by [`check`].

pub mod check;
pub mod grammar;
pub mod library;
mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::grammar::{Act, Condition, Fact, StepName, Stride};
use crate::{
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    yaml,
};

/// The form of the files that this requorum reads.
pub const VERSION: u32 = 2;

/// A practice cluster and what is practised on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The form of this file: 2.
    pub version: u32,
    /// What it is called on the command line.
    pub name: String,
    /// What it is called on the screen.
    pub title: String,
    /// From 1, for a first time, to 5.
    pub difficulty: u8,
    /// How long it takes somebody who knows the wizard.
    pub minutes: u32,
    /// The symptoms, as a pager would tell them.
    pub brief: String,
    /// The cluster that was.
    pub cluster: Cluster,
    /// Its members.
    pub members: Vec<Member>,
    /// The files in the backup directory.
    #[serde(default)]
    pub backups: Vec<Backup>,
    /// Data directories besides those of the members that run or stand still.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// Further files: configurations, certificates, keys.
    #[serde(default)]
    pub files: Vec<File>,
    /// Who shall be in the new cluster, as somebody else typed it.
    #[serde(default)]
    pub inventory: Vec<InventoryRow>,
    /// What the trainee can have done at the hosts.
    #[serde(default)]
    pub hands: Vec<TraineeAction>,
    /// What happens meanwhile.
    #[serde(default)]
    pub injects: Vec<Inject>,
    /// What the coach says at each step, always: for a first time.
    #[serde(default)]
    pub notes: BTreeMap<StepName, String>,
    /// What the coach says at each step when asked, one after the other.
    #[serde(default)]
    pub tips: BTreeMap<StepName, Vec<String>>,
    /// What the coach says when a mistake shows.
    #[serde(default)]
    pub hints: Vec<Hint>,
    /// What cannot be undone.
    #[serde(default)]
    pub fails: Vec<Check>,
    /// What must have come of it.
    pub goals: Vec<Check>,
    /// The expert's path.
    pub path: Vec<Leg>,
    /// Ways that must not lead there.
    #[serde(default)]
    pub wrong: Vec<Wrong>,
    /// What is to be learnt from it.
    pub debrief: String,
    /// Where it really happened.
    #[serde(default)]
    pub links: Vec<String>,
}

/// The cluster that was.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// What its operators call it.
    pub label: String,
    /// The token from which its IDs were made.
    pub token: String,
    /// The etcd that ran on it.
    pub etcd: Minor,
    /// The etcd that will run on the result; the same where it is not named.
    #[serde(default)]
    pub target: Option<Minor>,
    /// A snapshot in `assets/scenarios`: the history's beginning.
    pub database: String,
    /// Decides what is made up: the writes, the ports.
    #[serde(default)]
    pub seed: u64,
    /// What was written behind it.
    #[serde(default)]
    pub writes: Vec<Writes>,
    /// The newest revision that can be had; the history's last where it is not named.
    #[serde(default)]
    pub best: Option<i64>,
    /// Members that have raised NOSPACE.
    #[serde(default)]
    pub nospace: Vec<String>,
    /// Members of a former cluster that an old restore left in the database.
    #[serde(default)]
    pub zombies: Vec<Zombie>,
    /// Hosts that stand ready for new members, each with an address of its own.
    #[serde(default)]
    pub spares: Vec<String>,
    /// True where the peer URLs are https.
    #[serde(default)]
    pub tls: bool,
    /// True where the members' peer URLs are names that have to be looked up.
    #[serde(default)]
    pub by_name: bool,
}

/// A run of writes, each a revision of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writes {
    /// How many.
    pub count: u32,
    /// What their keys begin with; a number follows.
    pub prefix: String,
    /// How many different keys, over which they go round; one for each write where it is not named.
    #[serde(default)]
    pub keys: Option<u32>,
    /// What their values begin with; something made up follows.
    #[serde(default)]
    pub value: String,
}

/// A member of a former cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zombie {
    /// Its name.
    pub name: String,
    /// Its peer URL.
    pub peer: String,
    /// Its client URL.
    pub client: String,
}

/// A member of the cluster that was.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub state: State,
    /// The last revision that it has; the cluster's where it is not named.
    #[serde(default)]
    pub revision: Option<i64>,
    /// The last revision in its log, where that goes on past its database.
    #[serde(default)]
    pub log: Option<i64>,
    /// The revision at which it holds another value than the others.
    #[serde(default)]
    pub differs_at: Option<i64>,
    /// True for one that does not vote.
    #[serde(default)]
    pub learner: bool,
    /// True where its log lies in a directory of its own, `old/NAME.wal`.
    #[serde(default)]
    pub wal_apart: bool,
    /// What is wrong with its database.
    #[serde(default)]
    pub damage: Option<Damage>,
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Host and disk are gone.
    Gone,
    /// It runs, and knows no leader.
    Alone,
    /// It does not run; its disk is there.
    Stopped,
    /// It runs as a new cluster of its own, which somebody made by a reset.
    Reset,
}

/// What is wrong with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// A page in the middle holds something else.
    Page,
    /// The first of the two meta pages was torn while it was written.
    FirstMeta,
}

/// A file in the backup directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The file's name.
    pub file: String,
    /// The last revision in it.
    pub revision: i64,
    /// Its age.
    pub minutes_old: u64,
    /// Whose data it is, where that matters; else the cluster's.
    #[serde(default)]
    pub of: Option<String>,
    /// True for a copy of `member/snap/db`, which carries no checksum.
    #[serde(default)]
    pub raw: bool,
    /// The length to which it is cut, in bytes: a transfer that broke off.
    #[serde(default)]
    pub cut_to: Option<u64>,
    /// What is wrong with it.
    #[serde(default)]
    pub damage: Option<Damage>,
    /// The archive that it is in.
    #[serde(default)]
    pub pack: Option<Pack>,
    /// True where it is not there from the beginning; an act places it.
    #[serde(default)]
    pub later: bool,
}

/// An archive around a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pack {
    /// zip.
    Zip,
    /// gzip.
    Gzip,
}

/// A data directory that no member runs on, `old/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The directory's name.
    pub name: String,
    /// Whose it is.
    pub of: String,
    /// The last revision in its database.
    pub revision: i64,
    /// True where it is of a cluster of its own that somebody made by a reset.
    #[serde(default)]
    pub reset: bool,
    /// True where it is not there from the beginning; an act places it.
    #[serde(default)]
    pub later: bool,
}

/// A file of the exercise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in the exercise's directory.
    pub path: String,
    /// What stands in it.
    #[serde(default)]
    pub text: Option<String>,
    /// A file of `assets/scenarios` whose content it has.
    #[serde(default)]
    pub from: Option<String>,
    /// True where it is not there from the beginning; an act places it, if need be over the one of the same path.
    #[serde(default)]
    pub later: bool,
}

/// A line of the inventory, its cells as they were typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventoryRow {
    /// The name.
    pub name: String,
    /// The peer URL.
    #[serde(default)]
    pub peer: String,
    /// The client URL.
    #[serde(default)]
    pub client: String,
    /// The data directory.
    #[serde(default)]
    pub dir: String,
}

/// Something that the trainee can have done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraineeAction {
    /// What is done.
    #[serde(rename = "do")]
    pub act: Act,
    /// What it is, in words.
    pub says: String,
    /// What came of it, in words.
    pub gives: String,
    /// True where nothing but the words comes of it.
    #[serde(default)]
    pub in_vain: bool,
}

/// Something that happens meanwhile, once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// What the game master calls it.
    pub name: String,
    /// When it comes by itself; never where it is not named.
    #[serde(default = "Condition::never")]
    pub when: Condition,
    /// What happens.
    #[serde(rename = "do", default)]
    pub acts: Vec<Act>,
    /// What the trainee hears of it; nothing where it is empty.
    #[serde(default)]
    pub says: String,
}

/// A sentence for those who make a certain mistake.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// The mistake.
    #[serde(rename = "if")]
    pub when: Condition,
    /// The sentence.
    pub says: String,
}

/// A condition that decides, with a sentence for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The condition.
    #[serde(rename = "if")]
    pub when: Condition,
    /// What it means, in words.
    pub says: String,
}

/// A leg of the expert's path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// What is done.
    #[serde(rename = "do")]
    pub strides: Vec<Stride>,
    /// Why.
    pub why: String,
}

/// A way that must not lead to the goals.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrong {
    /// What the mistake is.
    pub name: String,
    /// What is done.
    #[serde(rename = "do")]
    pub strides: Vec<Stride>,
    /// The goal that is missed, or what cannot be undone: the condition as it stands there.
    pub because: Condition,
}

/// Reads a scenario; `file` is what messages call it.
///
/// # Errors
/// In a sentence that names the file, the line and the field.
pub fn parse(file: &str, text: &str) -> Result<Scenario> {
    let scenario: Scenario = yaml::from_str(text).map_err(|e| {
        let line = e.line.map(|line| format!(", line {line}")).unwrap_or_default();
        wrong(format!("{file}{line}"), yaml::Error { line: None, ..e }.to_string())
    })?;
    match check::check(&scenario, text) {
        None => Ok(scenario),
        Some(found) => Err(wrong(format!("{file}, line {}", found.line), format!("{}: {}", found.field, found.why))),
    }
}

fn wrong(place: String, why: String) -> Error {
    Error::new(ErrorKind::Input, format!("{place}: this is not a scenario"))
        .why(why)
        .hint("`requorum drill new NAME` writes a template in which every field is explained.")
}
