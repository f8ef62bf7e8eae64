//! Real etcd for an exercise: where the program lies, which it is, and whether a scenario can be played on it.

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

/// How long a real member may take until it answers, or has a leader. Nothing waits so long unless something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A real etcd on this machine.
pub struct Etcd {
    /// The program.
    pub path: PathBuf,
    /// `3.6.14`
    pub version: String,
    /// `3.6`
    pub minor: Minor,
    /// Asks the members that run.
    pub members: Members,
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd").field("path", &self.path).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Etcd {
    /// The one that was named, else the first of the PATH.
    ///
    /// # Errors
    /// When there is none, it does not say its version, or it is one that no exercise runs on.
    pub fn find(named: Option<&Path>) -> Result<Etcd> {
        let on_path = || {
            let dirs = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&dirs).map(|dir| dir.join("etcd")).find(|path| path.is_file())
        };
        let path = named.map(Path::to_path_buf).or_else(on_path).ok_or_else(|| {
            Error::new(ErrorKind::Input, "--real needs an etcd, and there is none on the PATH")
                .hint("Name the program with --etcd PATH, or leave --real out: then members are simulated.")
        })?;
        // it runs elsewhere than here
        let path = std::path::absolute(&path).unwrap_or(path);
        let told = Command::new(&path).arg("--version").stdin(Stdio::null()).output();
        let told = told.map_err(|e| no_etcd(&path).why(e))?;
        let said = String::from_utf8_lossy(&told.stdout).into_owned();
        let version = said.lines().find_map(|line| line.strip_prefix("etcd Version:")).map(str::trim);
        let version = version.ok_or_else(|| no_etcd(&path).why("asked for --version, it names none"))?.to_string();
        let minor = version.split('.').take(2).collect::<Vec<_>>().join(".").parse::<Minor>();
        match minor {
            Ok(minor) if minor >= Minor::V3_5 => {
                Ok(Etcd { path, version, minor, members: Members::new(Default::default())?.without_guesses() })
            }
            _ => Err(Error::new(ErrorKind::Input, format!("{} is etcd {version}", path.shown()))
                .why("exercises run on real processes from etcd 3.5 to 3.7")
                .hint("Name another one with --etcd PATH.")),
        }
    }

    /// The scenario as it is played on this etcd: the cluster that was ran on this version, too.
    ///
    /// # Errors
    /// When it needs a state that a real etcd of this version cannot be in; the sentence names what it would need.
    pub fn fit(&self, mut scenario: Scenario) -> Result<Scenario> {
        if let Some(why) = self.cannot(&scenario) {
            return Err(Error::new(ErrorKind::Refused, format!("{} cannot be played on real etcd", scenario.name))
                .why(why)
                .hint("Without --real it is played with simulated members."));
        }
        if scenario.cluster.target.is_none() {
            scenario.cluster.etcd = self.minor;
        }
        Ok(scenario)
    }

    /// Why not: what it would need.
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
            return Some(format!(
                "it would need etcd {target}, for which its plan is written, and this is {}",
                self.version
            ));
        }
        if scenario.cluster.tls {
            return Some(
                "its certificates are for one host each, and it would need hosts that dial from an address of their own; \
                 on loopback every etcd dials from 127.0.0.1, and etcd refuses a peer whose certificate is for another \
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
                "{} and {} run with unlike revisions; they would need to have been parted from each other while they \
                 ran, as real members that start together even out",
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
                    "it would need etcd {} for {name} beside the one of its plan",
                    scenario.cluster.etcd
                ));
            }
            if member.damage == Some(Damage::FirstMeta) {
                return Some(format!(
                    "{name} would need its torn meta page mended by a start without the others; a real etcd opens the \
                     file by the whole one, and mends the torn one only when it writes on"
                ));
            }
            if member.damage == Some(Damage::Page) {
                return Some(format!(
                    "{name} runs on a database with a damaged page; it would need a whole one to start"
                ));
            }
        }
        None
    }

    /// Waits until the member at `endpoint` answers so that `enough` is satisfied; `ended` tells that its process is gone.
    ///
    /// # Errors
    /// When it ends or the patience does, with what was heard last.
    pub fn wait(
        &self,
        endpoint: &str,
        ended: &dyn Fn() -> Option<String>,
        enough: &dyn Fn(&MemberStatus) -> bool,
    ) -> Result<Box<MemberStatus>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let heard = match self.members.ask(endpoint) {
                Answer::Says(says) if enough(&says) => return Ok(says),
                Answer::Says(says) => says.errors.join("; "),
                Answer::Silent { details, .. } => details,
                Answer::Asking => String::new(),
            };
            let trouble = |what: &str| Error::new(ErrorKind::Failed, format!("the real etcd at {endpoint} {what}"));
            if let Some(log) = ended() {
                return Err(trouble("ended").why(log));
            }
            if Instant::now() > until {
                return Err(trouble("does not serve").why(heard));
            }
            // there is no event to wait for: a port opens, a leader is elected
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn no_etcd(path: &Path) -> Error {
    Error::new(ErrorKind::Input, format!("{} is not an etcd", path.shown())).hint("Name the program with --etcd PATH.")
}
