//! What the last steps ask of the hosts: facts about themselves, how a member would be started there, and to start it.

use crate::execute::{discover, start};
use std::{collections::BTreeMap, path::Path, sync::Mutex};

use serde_json::{Value, json};

use super::AT_A_TIME;
use crate::{
    domain::{
        model::{old_cluster::Old, plan::Plan},
        render::start::HostKnown,
    },
    error::{Error, Result},
    execute::{
        Cancel,
        events::{ExecutionEvent, HostEvent},
        executor::{self, Consent, ExecutionSpec, Goal, Placement},
        start::StartOption,
    },
    system::System,
};

/// What hosts report about themselves, and why some did not, with the host's name.
pub(super) fn known(
    plan: &Plan,
    names: &[String],
    system: &dyn System,
    cancel: &Cancel,
) -> (Vec<HostKnown>, Vec<(String, Error)>) {
    match discover::known(plan, names, system, cancel) {
        Ok(learned) => (learned.hosts, learned.troubles),
        Err(error) => (Vec::new(), vec![(String::new(), error)]),
    }
}

/// How a member would be started.
pub(super) fn offer(
    plan: &Plan,
    name: &str,
    journal: &Path,
    system: &dyn System,
    cancel: &Cancel,
) -> Result<Vec<StartOption>> {
    with_job(plan, name, journal, &[], system, |job| start::offers(job, cancel))
}

/// What was seen when the member was started, in a clause.
pub(super) fn start(
    plan: &Plan,
    name: &str,
    commands: &[String],
    journal: &Path,
    system: &dyn System,
    cancel: &Cancel,
) -> Result<String> {
    let data = json!({"member": name, "commands": commands, "by": "asked on Launch"});
    let decided = [(format!("{name} is to be started (asked on Launch): {}", commands.join(" && ")), data)];
    let seen = Mutex::new(String::new());
    let hear = |told: ExecutionEvent| {
        if let (ExecutionEvent::Host(_, event @ HostEvent::Started { .. }), Ok(mut seen)) = (told, seen.lock()) {
            *seen = event.line(plan).text;
        }
    };
    let orders = [(name.to_string(), commands.to_vec())];
    with_job(plan, name, journal, &decided, system, |job| start::start(job, &orders, cancel, &hear))?;
    Ok(seen.into_inner().unwrap_or_default())
}

fn with_job<T>(
    plan: &Plan,
    name: &str,
    journal: &Path,
    decisions: &[(String, Value)],
    system: &dyn System,
    work: impl FnOnce(&ExecutionSpec<'_>) -> Result<T>,
) -> Result<T> {
    work(&ExecutionSpec {
        plan,
        names: &[name.to_string()],
        placement: Placement::OnHosts,
        by_hand: &BTreeMap::new(),
        system,
        limit: AT_A_TIME,
        until: Goal::InPlace,
        consent: Consent::No,
        old: &Old::default(),
        overridden: &[],
        reason: "",
        decisions,
        run: &executor::run(plan, system),
        journal,
    })
}
