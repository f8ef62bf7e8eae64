//! A scenario: what the practice cluster looks like, how it is broken, and what the coach says.
//!
//! A file in `assets/scenarios`, part of the program. One of the two files that import serde_yaml.

use serde::Deserialize;

use crate::{
    etcd::version::Minor,
    trouble::{Kind, Result, Trouble},
};

/// A practice cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The form of this file: 1.
    pub version: u32,
    /// What it is called on the command line.
    pub name: String,
    /// What it is called on the screen.
    pub title: String,
    /// The symptoms, as a pager would tell them.
    pub brief: String,
    /// The cluster that was.
    pub cluster: Cluster,
    /// Its members.
    pub members: Vec<Member>,
    /// The files in the backup directory.
    pub backups: Vec<Backup>,
    /// What the coach says at each step.
    pub notes: Notes,
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
    /// A snapshot in `assets/scenarios`: what the survivors hold.
    pub database: String,
}

/// One of its members.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub state: State,
}

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Host and disk are gone.
    Gone,
    /// It runs, and knows no leader.
    Alone,
}

/// A file in the backup directory: the survivors' state as it was at an older revision.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The file's name.
    pub file: String,
    /// The last revision in it.
    pub revision: i64,
    /// Its age.
    pub minutes_old: u64,
    /// The length to which it is cut, in bytes: a transfer that broke off.
    #[serde(default)]
    pub cut_to: Option<u64>,
}

/// What the coach says at each step of the wizard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// At Detect.
    pub detect: String,
    /// At Snapshot.
    pub snapshot: String,
    /// At Members.
    pub members: String,
    /// At Review.
    pub review: String,
    /// At Restore.
    pub restore: String,
    /// At Launch.
    pub launch: String,
}

/// The scenario that every copy of the program carries.
///
/// # Errors
/// Only when the program was built from a broken file, which its tests refuse.
pub fn first_night() -> Result<Scenario> {
    parse(include_str!("../../assets/scenarios/first-night.yaml"))
}

/// The bytes of a database in `assets/scenarios`.
pub fn database(name: &str) -> Option<&'static [u8]> {
    match name {
        "first-night.db" => Some(include_bytes!("../../assets/scenarios/first-night.db")),
        _ => None,
    }
}

/// Reads a scenario file.
///
/// # Errors
/// In a sentence with the line.
pub fn parse(text: &str) -> Result<Scenario> {
    let wrong = |why: String| Trouble::new(Kind::Input, "this is not a scenario").why(why);
    let scenario: Scenario = serde_yaml::from_str(text).map_err(|e| wrong(e.to_string()))?;
    if scenario.version != 1 {
        return Err(wrong(format!("its version is {}, this requorum reads 1", scenario.version)));
    }
    if database(&scenario.cluster.database).is_none() {
        return Err(wrong(format!("there is no database called {:?}", scenario.cluster.database)));
    }
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_scenario_is_sound() {
        let scenario = first_night().unwrap();
        assert_eq!(scenario.members.iter().filter(|m| m.state == State::Alone).count(), 1);
        assert!(scenario.backups.iter().all(|b| b.revision < 274));
    }

    #[test]
    fn a_stranger_in_the_file_is_named() {
        let text = include_str!("../../assets/scenarios/first-night.yaml").replace("minutes_old: 72", "age: 72");
        assert!(parse(&text).unwrap_err().to_string().contains("age"));
    }
}
