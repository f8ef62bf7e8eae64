//! How a plan is carried out on its hosts, as its caller says: how far, where, and with whose consent.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Cancel;
use crate::{
    domain::{
        model::{host_address, plan::Plan},
        preflight::{old_cluster::Old, stop::RunningEtcd},
    },
    engine::install::run_lock::Run,
    error::{Error, ErrorKind, Result},
    system::System,
};

/// How far a plan is carried out: the goal of a run. The names in journals are given here and stay, whatever the variants
/// are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// Every host is looked at; nothing is written.
    #[serde(rename = "Looked")]
    Looked,
    /// All members are built and proven; then what was built is removed again.
    #[serde(rename = "Rehearsed")]
    Rehearsed,
    /// All members are built and proven, and wait beside their places.
    #[serde(rename = "Built")]
    Built,
    /// All members are in place.
    #[serde(rename = "InPlace")]
    InPlace,
    /// All members are out of their places again.
    #[serde(rename = "Undone")]
    Undone,
}

/// On which machines members are installed. The names in journals stay, whatever the variants are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Placement {
    /// Each on the host that the plan names; what is there before is moved aside.
    #[default]
    #[serde(rename = "hosts")]
    OnHosts,
    /// All on this machine, whatever host the plan names, and only where nothing is before: `requorum restore`.
    #[serde(rename = "here")]
    Here,
}

/// How a plan is carried out on its hosts.
pub struct ExecutionSpec<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The members that are restored, by name.
    pub names: &'a [String],
    /// On which machines.
    pub placement: Placement,
    /// Through which hosts and old members are reached.
    pub system: &'a dyn System,
    /// Members that are built by hand on hosts that take no program: the code that each sheet's first part printed there.
    pub by_hand: &'a BTreeMap<String, String>,
    /// How many hosts are worked on at a time; at least 1.
    pub limit: usize,
    /// How far.
    pub until: Goal,
    /// Whether an etcd on a member's directory may be stopped.
    pub consent: Consent<'a>,
    /// What is known of the old cluster.
    pub old: &'a Old,
    /// The texts that were typed to go on in spite of fences.
    pub lifted: &'a [String],
    /// Why, in the operator's words.
    pub reason: &'a str,
    /// What was decided on the way to it, each in a sentence and for programs; the journal says it before all else.
    pub decisions: &'a [(String, Value)],
    /// This carrying out.
    pub run: &'a Run,
    /// The operator's journal.
    pub journal: &'a Path,
}

/// To what the operator said yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent<'a> {
    /// To nothing: an etcd that runs stops the plan.
    No,
    /// To these commands, each on its host, as they were shown.
    To(&'a [(String, RunningEtcd)]),
    /// To whatever stops the etcds that run.
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

/// One host and its members' places in the plan.
pub(super) type Group = (String, Vec<usize>);

impl ExecutionSpec<'_> {
    /// The plan as far as hosts go: where all are installed here, this machine is the host of each of them.
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
                    .hint("What was built waits on its host. Run the same again to go on."))
            }
        }
    }
}
