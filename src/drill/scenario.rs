//! A scenario: the old cluster, how it is broken, the injects, the coach's hints, the objectives, the expert's path and the
//! wrong ways. One YAML file; those in `assets/scenarios` are part of the program.
//!
//! Phrases (conditions, acts, strides) are parsed by [`grammar`]; [`check`] checks fields against each other.

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

/// The version of scenario files that this requorum reads.
pub const VERSION: u32 = 2;

/// A practice cluster and what is practised on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The version of the file format: 2.
    pub version: u32,
    /// The name on the command line.
    pub name: String,
    /// The title on the screen.
    pub title: String,
    /// From 1 (beginner) to 5.
    pub difficulty: u8,
    /// How long it takes a person who knows the wizard.
    pub minutes: u32,
    /// The symptoms, as a pager would report them.
    pub brief: String,
    /// The old cluster.
    pub cluster: Cluster,
    /// Its members.
    pub members: Vec<Member>,
    /// The files in the backup directory.
    #[serde(default)]
    pub backups: Vec<Backup>,
    /// Data directories besides those of the old members.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// Further files: configurations, certificates, keys.
    #[serde(default)]
    pub files: Vec<File>,
    /// A prepared inventory of the new members.
    #[serde(default)]
    pub inventory: Vec<InventoryRow>,
    /// What the trainee can have done at the hosts.
    #[serde(default, alias = "hands")]
    pub actions: Vec<TraineeAction>,
    /// Events during the exercise.
    #[serde(default)]
    pub injects: Vec<Inject>,
    /// The coach's note at each step, always shown: for beginners.
    #[serde(default)]
    pub notes: BTreeMap<StepName, String>,
    /// The coach's note at each step once what the other one asks for is done: a source that loses nothing is chosen, the
    /// plan only waits for its label, all members are installed, the verification has ended.
    #[serde(default)]
    pub after: BTreeMap<StepName, String>,
    /// The hints that the trainee can ask for at each step, one after the other.
    #[serde(default)]
    pub tips: BTreeMap<StepName, Vec<String>>,
    /// The hints that are shown when a mistake is visible.
    #[serde(default)]
    pub hints: Vec<Hint>,
    /// Unsafe acts, which cannot be undone and fail the exercise.
    #[serde(default)]
    pub fails: Vec<Check>,
    /// The objectives.
    pub goals: Vec<Check>,
    /// The expert's path.
    pub path: Vec<Leg>,
    /// Ways that must not pass.
    #[serde(default)]
    pub wrong: Vec<Wrong>,
    /// The lesson.
    pub debrief: String,
    /// Links to real incidents.
    #[serde(default)]
    pub links: Vec<String>,
}

/// The old cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The label.
    pub label: String,
    /// The token from which its IDs are computed.
    pub token: String,
    /// The etcd version of the old members.
    pub etcd: Minor,
    /// The etcd version of the new members; the same if unset.
    #[serde(default)]
    pub target: Option<Minor>,
    /// A snapshot in `assets/scenarios`: the start of the history.
    pub database: String,
    /// The seed of the generated writes and of the ports.
    #[serde(default)]
    pub seed: u64,
    /// What was written after it.
    #[serde(default)]
    pub writes: Vec<Writes>,
    /// The newest recoverable revision; the history's last if unset.
    #[serde(default)]
    pub best: Option<i64>,
    /// Members that have raised NOSPACE.
    #[serde(default)]
    pub nospace: Vec<String>,
    /// Members of an earlier cluster that an old restore left in the database.
    #[serde(default)]
    pub zombies: Vec<Zombie>,
    /// Spare hosts for new members, each with its own address.
    #[serde(default)]
    pub spares: Vec<String>,
    /// True if the peer URLs are https.
    #[serde(default)]
    pub tls: bool,
    /// True if the members' peer URLs are host names.
    #[serde(default)]
    pub by_name: bool,
}

/// A series of writes, one revision each.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writes {
    /// How many.
    pub count: u32,
    /// The prefix of their keys; a number follows.
    pub prefix: String,
    /// The number of different keys, written in turn; one for each write if unset.
    #[serde(default)]
    pub keys: Option<u32>,
    /// The prefix of their values; generated text follows.
    #[serde(default)]
    pub value: String,
}

/// A member of an earlier cluster.
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

/// A member of the old cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// The last revision in its database; the cluster's if unset.
    #[serde(default)]
    pub revision: Option<i64>,
    /// The last revision in its WAL, if that is newer than its database.
    #[serde(default)]
    pub log: Option<i64>,
    /// The revision at which its value differs from the others'.
    #[serde(default)]
    pub differs_at: Option<i64>,
    /// True for a learner.
    #[serde(default)]
    pub learner: bool,
    /// True if it has a WAL directory, `old/NAME.wal`.
    #[serde(default, alias = "wal_apart")]
    pub separate_wal: bool,
    /// What is wrong with its database.
    #[serde(default)]
    pub damage: Option<Damage>,
}

/// The state of an old member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Host and disk are lost.
    Gone,
    /// Running, without a leader.
    Alone,
    /// Not running; its disk is there.
    Stopped,
    /// Restarted as a new, empty cluster of one.
    Reset,
}

/// What is wrong with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// A page in the middle has wrong content.
    Page,
    /// The first of the two meta pages is torn.
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
    /// The member whose data it is; the cluster's if unset.
    #[serde(default)]
    pub of: Option<String>,
    /// True for a copy of `member/snap/db`, which has no checksum.
    #[serde(default)]
    pub raw: bool,
    /// The length to which it is truncated, in bytes: an interrupted transfer.
    #[serde(default)]
    pub cut_to: Option<u64>,
    /// What is wrong with it.
    #[serde(default)]
    pub damage: Option<Damage>,
    /// The archive that it is in.
    #[serde(default)]
    pub pack: Option<Pack>,
    /// True if it is not there at the start; an act places it.
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
    /// The member that it belongs to.
    pub of: String,
    /// The last revision in its database.
    pub revision: i64,
    /// True if it belongs to the new cluster that a reset made.
    #[serde(default)]
    pub reset: bool,
    /// True if it is not there at the start; an act places it.
    #[serde(default)]
    pub later: bool,
}

/// A file of the exercise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path in the exercise's directory.
    pub path: String,
    /// Its content.
    #[serde(default)]
    pub text: Option<String>,
    /// The file of `assets/scenarios` with its content.
    #[serde(default)]
    pub from: Option<String>,
    /// True if it is not there at the start; an act places it, and replaces a file with the same path.
    #[serde(default)]
    pub later: bool,
}

/// A row of the inventory, its cells as typed.
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

/// An action at a host that the trainee can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraineeAction {
    /// What is done.
    #[serde(rename = "do")]
    pub act: Act,
    /// The description.
    pub says: String,
    /// The answer.
    pub gives: String,
    /// True if nothing happens but the answer.
    #[serde(default, alias = "in_vain")]
    pub no_effect: bool,
}

/// An inject: an event during the exercise, once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// The name by which the instructor triggers it.
    pub name: String,
    /// When it is triggered automatically; never if unset.
    #[serde(default = "Condition::never")]
    pub when: Condition,
    /// What happens.
    #[serde(rename = "do", default)]
    pub acts: Vec<Act>,
    /// What the trainee is shown; nothing if empty.
    #[serde(default)]
    pub says: String,
}

/// A hint for a certain mistake.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    /// The mistake.
    #[serde(rename = "if")]
    pub when: Condition,
    /// The hint.
    pub says: String,
}

/// An objective or an unsafe act: a condition and its description.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The condition.
    #[serde(rename = "if")]
    pub when: Condition,
    /// The description.
    pub says: String,
}

/// A part of the expert's path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leg {
    /// What is done.
    #[serde(rename = "do")]
    pub strides: Vec<Stride>,
    /// Why.
    pub why: String,
}

/// A wrong way, which must not pass.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrong {
    /// The mistake.
    pub name: String,
    /// What is done.
    #[serde(rename = "do")]
    pub strides: Vec<Stride>,
    /// The condition of the objective that is missed, or of the unsafe act.
    pub because: Condition,
}

/// Parses a scenario; `file` is its name in messages.
///
/// # Errors
/// Names the file, the line and the field that is wrong.
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
    Error::new(ErrorKind::Input, format!("{place}: invalid scenario"))
        .why(why)
        .hint("`requorum drill new NAME` writes a template in which every field is explained.")
}
