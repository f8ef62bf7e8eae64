//! What the last steps ask of the hosts: what they tell of themselves, how a member would be started there, and to do it.

use std::{collections::BTreeMap, path::Path, sync::Mutex};

use serde_json::{Value, json};

use super::AT_A_TIME;
use crate::{
    plan::{Plan, fence::Old, launch::HostKnown},
    recovery::{
        Cancel,
        hosts::{self, Consent, HostEvent, Job, Offer, Placement, Told, Until},
    },
    trouble::{Result, Trouble},
    world::World,
};

/// What hosts tell of themselves, and why some did not, with the host's name.
pub(super) fn known(
    plan: &Plan,
    names: &[String],
    world: &dyn World,
    cancel: &Cancel,
) -> (Vec<HostKnown>, Vec<(String, Trouble)>) {
    match hosts::known(plan, names, world, cancel) {
        Ok(learned) => (learned.hosts, learned.troubles),
        Err(trouble) => (Vec::new(), vec![(String::new(), trouble)]),
    }
}

/// How a member would be started.
pub(super) fn offer(plan: &Plan, name: &str, journal: &Path, world: &dyn World, cancel: &Cancel) -> Result<Vec<Offer>> {
    with_job(plan, name, journal, &[], world, |job| hosts::offers(job, cancel))
}

/// What was seen when the member was started, in a clause.
pub(super) fn start(
    plan: &Plan,
    name: &str,
    commands: &[String],
    journal: &Path,
    world: &dyn World,
    cancel: &Cancel,
) -> Result<String> {
    let data = json!({"member": name, "commands": commands, "by": "asked on Launch"});
    let decided = [(format!("{name} is to be started (asked on Launch): {}", commands.join(" && ")), data)];
    let seen = Mutex::new(String::new());
    let hear = |told: Told| {
        if let (Told::Host(_, event @ HostEvent::Started { .. }), Ok(mut seen)) = (told, seen.lock()) {
            *seen = event.line(plan).text;
        }
    };
    let orders = [(name.to_string(), commands.to_vec())];
    with_job(plan, name, journal, &decided, world, |job| hosts::start(job, &orders, cancel, &hear))?;
    Ok(seen.into_inner().unwrap_or_default())
}

fn with_job<T>(
    plan: &Plan,
    name: &str,
    journal: &Path,
    decisions: &[(String, Value)],
    world: &dyn World,
    work: impl FnOnce(&Job<'_>) -> Result<T>,
) -> Result<T> {
    work(&Job {
        plan,
        names: &[name.to_string()],
        placement: Placement::OnHosts,
        by_hand: &BTreeMap::new(),
        world,
        limit: AT_A_TIME,
        until: Until::InPlace,
        consent: Consent::No,
        old: &Old::default(),
        lifted: &[],
        reason: "",
        decisions,
        run: &hosts::run(plan, world),
        journal,
    })
}
