//! How a plan is carried out on its hosts: the goal, the machines, and the operator's consent.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Cancel;
use crate::{
    domain::{
        model::{host_address, old_cluster::Old, plan::Plan},
        preflight::stop::RunningEtcd,
    },
    engine::install::run_lock::Run,
    error::{Error, ErrorKind, Result},
    system::System,
};

/// The goal of a run. The names in journals are set here and stay as they are, independent of the variants' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Every host is inspected; nothing is written.
    #[serde(rename = "Looked")]
    Looked,
    /// A dry run: all members are built and verified, then removed from staging.
    #[serde(rename = "Rehearsed")]
    DryRun,
    /// All members are built and verified, and wait in staging.
    #[serde(rename = "Built")]
    Built,
    /// All members are installed.
    #[serde(rename = "InPlace")]
    InPlace,
    /// All members are rolled back.
    #[serde(rename = "Undone")]
    Undone,
}

/// On which machines members are installed. The names in journals stay as they are, independent of the variants' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Placement {
    /// Each on its host in the plan; existing data is moved aside.
    #[default]
    #[serde(rename = "hosts")]
    OnHosts,
    /// All on this machine, regardless of the hosts in the plan, and only into empty places: `requorum restore`.
    #[serde(rename = "here")]
    Here,
}

/// One execution of a plan on its hosts.
pub struct ExecutionSpec<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The members that are restored, by name.
    pub names: &'a [String],
    /// On which machines they are installed.
    pub placement: Placement,
    /// The system through which hosts and old members are reached.
    pub system: &'a dyn System,
    /// Members that are built by hand on hosts that accept no program, each with the code that part 1 of its sheet
    /// printed.
    pub by_hand: &'a BTreeMap<String, String>,
    /// The number of hosts that are worked on in parallel; at least 1.
    pub limit: usize,
    /// The goal.
    pub until: Goal,
    /// Which etcds on members' directories may be stopped.
    pub consent: Consent<'a>,
    /// What is known of the old cluster.
    pub old: &'a Old,
    /// The texts that were typed to override blockers.
    pub overridden: &'a [String],
    /// The operator's reason.
    pub reason: &'a str,
    /// The decisions before the run, each as a sentence and as data; they are recorded first.
    pub decisions: &'a [(String, Value)],
    /// This run.
    pub run: &'a Run,
    /// The operator's journal.
    pub journal: &'a Path,
}

/// What the operator agreed to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent<'a> {
    /// Nothing: a running etcd stops the plan.
    No,
    /// These commands, each on its host, as they were shown.
    To(&'a [(String, RunningEtcd)]),
    /// Every etcd that is in the way.
    All,
}

impl Consent<'_> {
    pub(super) fn covers(self, host: &str, halt: &RunningEtcd) -> bool {
        match self {
            Consent::No => false,
            Consent::To(known) => known.iter().any(|(at, known)| at == host && known == halt),
            Consent::All => true,
        }
    }
}

/// A host and the indexes of its members in the plan.
pub(super) type Group = (String, Vec<usize>);

impl ExecutionSpec<'_> {
    /// Returns the plan with the hosts that are really used: this machine for all members if all are installed here.
    pub(super) fn located(&self) -> Cow<'_, Plan> {
        let mut plan = Cow::Borrowed(self.plan);
        if self.placement == Placement::Here {
            let named = plan.to_mut().members.iter_mut().filter(|m| self.names.contains(&m.name));
            named.for_each(|member| member.host = host_address::LOCAL.into());
        }
        plan
    }

    pub(super) fn stop(&self, cancel: &Cancel) -> Result<()> {
        match cancel.flow() {
            crate::engine::progress::Flow::Go => Ok(()),
            crate::engine::progress::Flow::Stop => {
                Err(Error::new(ErrorKind::Stopped, "stopped on request, at a safe point")
                    .hint("What was built waits in staging on its host. Run the same command again to resume."))
            }
        }
    }
}
