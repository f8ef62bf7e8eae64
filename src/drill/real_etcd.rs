//! Real etcd for an exercise: finds the program and its version, and checks whether a scenario can run on it.

pub mod allowed_flags;
pub mod process;
#[cfg(test)]
mod tests;

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::scenario::{self, Act, Damage, Scenario, State};
use crate::{
    domain::model::observations::{Answer, MemberStatus},
    error::{Error, ErrorKind, Result},
    etcd::version::Minor,
    system::etcd_client::Members,
    text::Shown,
};

/// The timeout until a real member answers, or has a leader.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A real etcd on this machine.
pub struct Etcd {
    /// The program.
    pub path: PathBuf,
    /// `3.6.14`
    pub version: String,
    /// `3.6`
    pub minor: Minor,
    /// Probes the running members.
    pub members: Members,
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd").field("path", &self.path).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Etcd {
    /// Returns the given etcd, else the first in PATH.
    ///
    /// # Errors
    /// If none is found, it does not print its version, or its version is not supported.
    pub fn find(named: Option<&Path>) -> Result<Etcd> {
        let on_path = || {
            let dirs = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&dirs).map(|dir| dir.join("etcd")).find(|path| path.is_file())
        };
        let path = named.map(Path::to_path_buf).or_else(on_path).ok_or_else(|| {
            Error::new(ErrorKind::Input, "--real: no etcd found in PATH")
                .hint("Give the program with --etcd PATH, or omit --real to use simulated members.")
        })?;
        // it runs in another directory
        let path = std::path::absolute(&path).unwrap_or(path);
        let output = Command::new(&path).arg("--version").stdin(Stdio::null()).output();
        let output = output.map_err(|e| no_etcd(&path).why(e))?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = printed.lines().find_map(|line| line.strip_prefix("etcd Version:")).map(str::trim);
        let version = version.ok_or_else(|| no_etcd(&path).why("it prints no version for --version"))?.to_string();
        let minor = version.split('.').take(2).collect::<Vec<_>>().join(".").parse::<Minor>();
        match minor {
            Ok(minor) if minor >= Minor::V3_5 => {
                Ok(Etcd { path, version, minor, members: Members::new(Default::default())?.without_guesses() })
            }
            _ => Err(Error::new(ErrorKind::Input, format!("{}: unsupported etcd version {version}", path.shown()))
                .why("drills support real etcd 3.5 to 3.7")
                .hint("Give another one with --etcd PATH.")),
        }
    }

    /// Adapts a scenario to this etcd: the old cluster has this version, too.
    ///
    /// # Errors
    /// If it needs a state that a real etcd of this version cannot be in; the cause names what it needs.
    pub fn fit(&self, mut scenario: Scenario) -> Result<Scenario> {
        if let Some(why) = self.cannot(&scenario) {
            return Err(Error::new(ErrorKind::Refused, format!("{}: cannot run on real etcd", scenario.name))
                .why(why)
                .hint("Omit --real to run it with simulated members."));
        }
        if scenario.cluster.target.is_none() {
            scenario.cluster.etcd = self.minor;
        }
        Ok(scenario)
    }

    /// Returns why a scenario cannot run on this etcd: what it needs.
    fn cannot(&self, scenario: &Scenario) -> Option<String> {
        let acts =
            scenario.actions.iter().map(|action| &action.act).chain(scenario.injects.iter().flat_map(|i| &i.acts));
        let started: Vec<&String> = acts
            .filter_map(|act| match act {
                Act::Start(name) | Act::Replay(name) => Some(name),
                _ => None,
            })
            .collect();
        let at_once = |state| matches!(state, State::Alone | State::Reset);
        if let Some(target) = scenario.cluster.target.filter(|target| *target != self.minor) {
            return Some(format!("its plan is for etcd {target}, and this is {}", self.version));
        }
        if scenario.cluster.tls {
            return Some(
                "its certificates are for one host each, so it needs hosts that connect from their own addresses; on \
                 loopback every etcd connects from 127.0.0.1, and etcd rejects a peer whose certificate is for another \
                 address"
                    .into(),
            );
        }
        let last = |member: &scenario::Member| member.log.or(member.revision);
        let mut alone = scenario.members.iter().filter(|member| member.state == State::Alone);
        if let Some(first) = alone.next()
            && let Some(other) = alone.find(|member| last(member) != last(first))
        {
            return Some(format!(
                "{} and {} run at different revisions; real members that start together catch up with each other",
                first.name, other.name
            ));
        }
        for member in &scenario.members {
            let (name, runs) = (&member.name, at_once(member.state));
            if !runs && !started.contains(&name) {
                continue;
            }
            if scenario.cluster.etcd != self.minor && scenario.cluster.target.is_some() {
                return Some(format!(
                    "it needs etcd {} for {name}, in addition to the version of its plan",
                    scenario.cluster.etcd
                ));
            }
            if member.damage == Some(Damage::FirstMeta) {
                return Some(format!(
                    "{name} needs its torn meta page repaired by a start without the others; a real etcd opens the file \
                     with the intact one, and repairs the torn one only with its next write"
                ));
            }
            if member.damage == Some(Damage::Page) {
                return Some(format!(
                    "{name} runs on a database with a damaged page; a real etcd needs an intact one to start"
                ));
            }
        }
        None
    }

    /// Waits until the answer of the member at `endpoint` satisfies `enough`; `ended` returns the last log line once its process
    /// has ended.
    ///
    /// # Errors
    /// If the process ends, or at the timeout, with the last answer.
    pub fn wait(
        &self,
        endpoint: &str,
        ended: &dyn Fn() -> Option<String>,
        enough: &dyn Fn(&MemberStatus) -> bool,
    ) -> Result<Box<MemberStatus>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let last = match self.members.member_status(endpoint) {
                Answer::Says(says) if enough(&says) => return Ok(says),
                Answer::Says(says) => says.errors.join("; "),
                Answer::Silent { details, .. } => details,
                Answer::Asking => String::new(),
            };
            let error = |what: &str| Error::new(ErrorKind::Failed, format!("{endpoint}: the real etcd {what}"));
            if let Some(log) = ended() {
                return Err(error("ended").why(log));
            }
            if Instant::now() > until {
                return Err(error("does not serve").why(last));
            }
            // there is no event to wait for: a port opens, a leader is elected
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn no_etcd(path: &Path) -> Error {
    Error::new(ErrorKind::Input, format!("{}: not an etcd program", path.shown()))
        .hint("Give the program with --etcd PATH.")
}
