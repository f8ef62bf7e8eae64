//! How an etcd that runs on a directory is stopped: by whatever started it, so that nothing starts it again, and then by
//! its process.

use crate::text::Shown;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::domain::model::observations::{
    config::{ConfigFacts, ConfigKind},
    disk::{DirFacts, Held},
};

/// An etcd that has to be stopped before its directory is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningEtcd {
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Its WAL directory, where that is elsewhere.
    pub wal_dir: Option<PathBuf>,
    /// Its process, where this user may see it.
    pub pid: Option<u32>,
    /// The commands that stop it, in this order, as a shell takes them.
    pub commands: Vec<String>,
    /// The commands that undo what these disable of a unit, and start it again: afterwards the unit no longer shows that it
    /// was enabled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resume: Vec<String>,
}

/// Returns how to stop the process that uses this directory; `None` where none does.
///
/// # Errors
/// A sentence, where it is in use and it is not known how to stop that.
pub fn halt(dir: &DirFacts, configs: &[ConfigFacts]) -> Result<Option<RunningEtcd>, String> {
    let Held::By { pid, .. } = &dir.held else { return Ok(None) };
    let ours =
        |config: &&ConfigFacts| config.kind != ConfigKind::Process && config.data_dir.as_ref() == Some(&dir.data_dir);
    let (mut commands, mut resume): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for config in configs.iter().filter(ours) {
        for active in config.automation.iter().filter(|a| a.active && !a.pause.is_empty()) {
            if commands.contains(&active.pause) {
                continue;
            }
            commands.push(active.pause.clone());
            if config.kind == ConfigKind::Unit {
                resume.push(active.resume.clone());
            }
        }
    }
    // Whatever starts it also stops it; otherwise only the process itself can be signalled.
    if let (true, Some(pid)) = (commands.is_empty(), pid) {
        commands.push(format!("kill -TERM {pid}"));
    }
    if commands.is_empty() {
        return Err(format!(
            "{} is in use by a process that this user cannot see, and it is not known how it was started: stop it by hand",
            dir.data_dir.shown()
        ));
    }
    Ok(Some(RunningEtcd { data_dir: dir.data_dir.clone(), wal_dir: dir.wal_dir.clone(), pid: *pid, commands, resume }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::model::observations::{
        config::{Automation, Origin},
        disk::DirState,
    };

    fn dir(held: Held) -> DirFacts {
        DirFacts {
            data_dir: "/var/lib/etcd".into(),
            wal_dir: None,
            learned_from: String::new(),
            held,
            state: DirState::Empty,
        }
    }

    fn config(kind: ConfigKind, data_dir: &str, active: bool) -> ConfigFacts {
        ConfigFacts {
            origin: Origin::File("/etc/systemd/system/etcd.service".into()),
            kind,
            flags: Vec::new(),
            data_dir: Some(data_dir.into()),
            wal_dir: None,
            automation: vec![Automation {
                names_file: false,
                what: "systemd starts etcd.service again whenever it ends".into(),
                active,
                pause: if active { "systemctl stop etcd.service".into() } else { String::new() },
                resume: "systemctl start etcd.service".into(),
            }],
            notes: Vec::new(),
            runs: Default::default(),
        }
    }

    #[test]
    fn stopped_by_its_starter_else_by_its_process() {
        let by = |pid| Held::By { pid, program: "etcd".into() };
        let unit = [config(ConfigKind::Unit, "/var/lib/etcd", true)];
        let other = [config(ConfigKind::Unit, "/srv/etcd", true), config(ConfigKind::Unit, "/var/lib/etcd", false)];
        let commands = |dir: &DirFacts, configs: &[ConfigFacts]| halt(dir, configs).map(|halt| halt.unwrap().commands);
        assert_eq!(halt(&dir(Held::No), &unit), Ok(None));
        assert_eq!(commands(&dir(by(Some(812))), &unit).unwrap(), ["systemctl stop etcd.service"]);
        assert_eq!(commands(&dir(by(None)), &unit).unwrap(), ["systemctl stop etcd.service"]);
        assert_eq!(commands(&dir(by(Some(812))), &other).unwrap(), ["kill -TERM 812"]);
        assert!(commands(&dir(by(None)), &other).is_err(), "how it is stopped is not known");
        let resume = |configs: &[ConfigFacts]| halt(&dir(by(Some(812))), configs).unwrap().unwrap().resume;
        assert_eq!(resume(&unit), ["systemctl start etcd.service"]);
        assert!(resume(&other).is_empty());
    }
}
