//! Carries out a plan on its hosts: every host is inspected before anything is written; each gets the snapshot once and
//! builds its members in staging, hosts in parallel; when all are verified and the old cluster is still down, they are
//! installed, host by host.
//!
//! Every step leaves its result on the host, so running again resumes an interrupted run.

use crate::{
    domain::model::old_cluster,
    execute::{build, build_claims, install, prepare},
};
use std::collections::BTreeSet;

use serde_json::json;

use super::{
    Cancel,
    blocker_checks::{self, Blockers},
    second_run::{self, Now},
};
pub use crate::execute::{
    discover::known,
    event_format::EventLine,
    events::{EventSink, ExecutionEvent, HostEvent},
    preflight::preflight,
    spec::{Consent, ExecutionSpec, Goal, Placement},
    start::{StartOption, offers, start},
};
use crate::execute::{
    events::EventReporter,
    prepare::{PreparedHost, each},
    side_by_side::side_by_side,
    snapshot_source::Source,
};
use crate::system::journal::{self, Event};
use crate::{
    domain::{
        model::{
            host_address,
            observations::EndpointFacts,
            old_cluster::EndpointKind as DoorKind,
            plan::{Member, Plan},
        },
        preflight::{
            blockers::{self, Blocker},
            final_check::{self, Asked},
        },
        quorum::{
            known::KnownState,
            verdict::{Evidence, QuorumReport, verdict},
        },
    },
    engine::{
        install::{MemberState, run_lock::Run},
        restore::manual_proof,
    },
    error::{Error, ErrorKind, Remedy, Result},
    etcd::membership::Id,
    system::{Clock, Hosts, hash_compare, journal::Journal, probe},
    text::Shown,
};

/// A new carrying out of a plan, by this machine's operator, from now on.
pub fn run(plan: &Plan, system: &(impl Clock + Hosts + ?Sized)) -> Run {
    Run {
        id: system.random_suffix(),
        plan: plan.short_id(),
        label: plan.label.clone(),
        operator: system.operator(),
        since: journal::at(system.now()),
    }
}

/// Carries out a plan, or resumes it.
///
/// # Errors
/// `Refused` when a host is not ready, a blocker is not overridden, or a running etcd must be stopped without consent;
/// nothing was installed then. Otherwise the first failure, after the other hosts were tried.
pub fn apply(job: &ExecutionSpec<'_>, cancel: &Cancel, hear: EventSink<'_>) -> Result<()> {
    // a plan names its members as endpoints
    job.system.trust_endpoints(&job.plan.client_urls());
    let reporter = EventReporter::new(job, hear);
    if job.until == Goal::Looked {
        prepare::look(job, cancel, &reporter).map(|_| ())
    } else {
        reporter.run(|| execute(job, cancel, &reporter))
    }
}

fn execute(job: &ExecutionSpec<'_>, cancel: &Cancel, reporter: &EventReporter<'_>) -> Result<()> {
    by_hand(job, reporter)?;
    let looked = prepare::look(job, cancel, reporter)?;
    let mut ready = prepare::ready(job, looked, cancel, reporter)?;
    let blockers = blockers(job, &ready, reporter);
    // Members in staging affect nothing in use, so they need no clearance.
    let clearance = match job.until {
        Goal::InPlace => Some(blockers.cleared(job.overridden)?),
        Goal::Looked | Goal::DryRun | Goal::Built | Goal::Undone => None,
    };
    prepare::all_vacant(job, &ready)?;
    clearance.iter().try_for_each(|clearance| reporter.overridden(clearance))?;
    let before = baseline(job, reporter)?;

    let source = Source::new(job.plan);
    let built: Vec<Option<Result<()>>> =
        each(job.limit, &mut ready, |host| build::build(job, host, &source, cancel, reporter));
    let failed = built.into_iter().flatten().find_map(Result::err);
    if let Some(error) = failed {
        return Err(error);
    }
    job.stop(cancel)?;
    build_claims::all(job, &ready)?;
    let late = final_check(job, &before, reporter)?;
    if let Some(clearance) = clearance {
        let clearance = clearance.with(late, job.overridden)?;
        install::exchange(job, &mut ready, &clearance, cancel, reporter)?;
        for (member, host) in hand_members(job) {
            reporter.host(host, HostEvent::HandOver(member.name.clone()));
        }
    } else if job.until == Goal::DryRun {
        let gone = each(job.limit, &mut ready, |host| build::discard(job, host, cancel, reporter));
        gone.into_iter().flatten().collect::<Result<()>>()?;
    }
    ready.into_iter().for_each(PreparedHost::close);
    Ok(())
}

/// Returns the members that are restored by hand, each with its host.
fn hand_members<'p>(job: &ExecutionSpec<'p>) -> impl Iterator<Item = (&'p Member, &'p str)> {
    let names = job.names.iter().filter(|name| job.by_hand.contains_key(*name));
    let members = names.filter_map(|name| job.plan.member(name).ok());
    members.map(|m| (m, if host_address::is_local(&m.host) { host_address::LOCAL } else { m.host.as_str() }))
}

/// Verifies the codes that the manual scripts printed.
///
/// # Errors
/// `Input` for a code that does not prove its member.
fn by_hand(job: &ExecutionSpec<'_>, reporter: &EventReporter<'_>) -> Result<()> {
    for (member, host) in hand_members(job) {
        let code = job.by_hand.get(&member.name).map(String::as_str).unwrap_or_default();
        let proven = manual_proof::verify_code(job.plan, &member.name, code)?;
        reporter.host(host, HostEvent::ByHand(member.name.clone(), proven));
    }
    Ok(())
}

/// Rolls installed members back, host by host, and restores what was there before. Returns false if all of them were
/// rolled back before.
///
/// # Errors
/// As [`apply`].
pub fn undo(job: &ExecutionSpec<'_>, cancel: &Cancel, hear: EventSink<'_>) -> Result<bool> {
    let reporter = EventReporter::new(job, hear);
    let mut some = false;
    reporter.run(|| {
        let looked = prepare::look_for_undo(job, cancel, &reporter)?;
        let mut ready = prepare::ready(job, looked, cancel, &reporter)?;
        some = install::undo(job, &mut ready, cancel, &reporter)?;
        ready.into_iter().for_each(PreparedHost::close);
        Ok(())
    })?;
    Ok(some)
}

/// Evaluates the blockers: asks every old member, except those that are stopped by consent, and inspects this machine
/// if all members are installed here.
fn blockers(job: &ExecutionSpec<'_>, ready: &[PreparedHost<'_>], reporter: &EventReporter<'_>) -> Blockers {
    let mut old = job.old.clone();
    ready.iter().flat_map(|host| &host.configs).for_each(|config| old.configured(config));
    let halted: Vec<Id> = ready.iter().flat_map(|host| host.halts.iter().filter_map(|(_, member)| *member)).collect();
    let there = |standing: &MemberState| !matches!(standing, MemberState::Nothing | MemberState::Staged(_));
    let placed = ready.iter().any(|host| host.rows(job).iter().any(|(_, standing)| there(standing)));
    let fresh = !placed && job.by_hand.is_empty() && job.names.len() == job.plan.members.len();
    let found = match job.placement {
        Placement::OnHosts => blocker_checks::ask(job.plan, &old, halted, fresh, job.system),
        Placement::Here => blocker_checks::look(job.plan, job.names, &old, &halted, job.system).1,
    };
    let found = found.after(second_time(job, ready));
    reporter.tell(ExecutionEvent::Blockers(found.all().to_vec()));
    found
}

/// Returns the blocker for members that an earlier run installed and that this run would install again.
fn second_time(job: &ExecutionSpec<'_>, ready: &[PreparedHost<'_>]) -> Option<Blocker> {
    let now = ready.iter().flat_map(|host| host.rows(job).into_iter().map(move |row| (host, row)));
    let now = now.map(|(host, (member, standing))| {
        let now = match standing {
            MemberState::InPlace(_) | MemberState::Moving(_) => Now::Same,
            _ if host.holds.contains(&member.name) => Now::Holds,
            _ => Now::Open,
        };
        (member.name.clone(), now)
    });
    second_run::fence(job.plan, &now.collect::<Vec<_>>(), job.journal, job.system)
}

/// Returns the client URLs of the old cluster.
fn old_clients(job: &ExecutionSpec<'_>) -> Vec<String> {
    let doors = old_cluster::doors(job.plan, job.old).into_iter();
    doors.filter(|door| door.old && door.kind == DoorKind::Client).map(|door| door.url).collect()
}

fn ask_old(job: &ExecutionSpec<'_>) -> (Vec<Asked>, QuorumReport) {
    let urls = old_clients(job);
    let answers = side_by_side(urls.len(), urls.len(), |at| urls.get(at).map(|url| job.system.member_status(url)));
    let asked = urls.into_iter().zip(answers);
    let asked: Vec<Asked> = asked.filter_map(|(url, answer)| Some(Asked { url, answer: answer? })).collect();
    let new = job.plan.cluster_id;
    let mut facts = final_check::old_facts(&asked, new);
    let known = [KnownState {
        from: job.plan.source.path.shown().to_string(),
        cluster_id: None,
        members: job.system.snapshot_members(&job.plan.source.path).unwrap_or_default(),
        revision: job.plan.source.revision,
    }];
    let gone = BTreeSet::new();
    let compared = hash_compare::with_members(job.system, &facts, &[], &known);
    let judge = |facts: &[EndpointFacts]| {
        verdict(&Evidence { facts, given: &[], dirs: &[], known: &known, compared: &compared, gone: &gone })
    };
    let finding = probe::confirm(job.system, &mut facts, &judge);
    // the second answer counts
    let again = |asked: Asked| {
        let fact = facts.iter().find(|f| f.endpoint == asked.url);
        fact.map_or(asked, |f| Asked { url: f.endpoint.clone(), answer: f.answer.clone() })
    };
    (asked.into_iter().map(again).collect(), finding)
}

/// Returns the raft indexes of old members when the plan was started: from the journal, else as they are now.
fn baseline(job: &ExecutionSpec<'_>, reporter: &EventReporter<'_>) -> Result<Vec<(String, u64)>> {
    let known = Journal::at(job.system, job.journal).read()?;
    let of_plan = |r: &&crate::system::journal::Record| {
        r.kind == Event::Asked && r.data.get("plan") == Some(&json!(job.run.plan))
    };
    let first = known.iter().find(of_plan).and_then(|r| r.data.get("raft_index")).cloned();
    if let Some(known) = first.and_then(|value| serde_json::from_value(value).ok()) {
        return Ok(known);
    }
    let (asked, finding) = ask_old(job);
    let indexes: Vec<(String, u64)> =
        asked.iter().filter_map(|asked| Some((asked.url.clone(), asked.raft_index(job.plan.cluster_id)?))).collect();
    let text = final_check::summary(&asked, job.plan.cluster_id, &finding);
    let newest = final_check::newest(job.plan, &asked);
    reporter.note(Event::Asked, &text, json!({"plan": job.run.plan, "raft_index": indexes, "newest": newest}))?;
    Ok(indexes)
}

/// Runs the final check when all members are built: the old cluster must not be back. Returns the blockers that it
/// found.
fn final_check(
    job: &ExecutionSpec<'_>,
    before: &[(String, u64)],
    reporter: &EventReporter<'_>,
) -> Result<Vec<Blocker>> {
    let (now, finding) = ask_old(job);
    let judged = final_check::evaluate(before, &now, job.plan.cluster_id, &job.old.clusters, &finding);
    let text = match &judged {
        Ok(()) => final_check::summary(&now, job.plan.cluster_id, &finding),
        Err(why) => why.clone(),
    };
    reporter.note(
        Event::Asked,
        &text,
        json!({"barrier": judged.is_ok(), "newest": final_check::newest(job.plan, &now)}),
    )?;
    reporter.tell(ExecutionEvent::FinalCheck(text));
    judged.map_err(|why| {
        Error::new(ErrorKind::Refused, "final check failed: nothing is installed")
            .why(why)
            .hint(
                "To give the old cluster up anyway, stop its members and apply the plan again; the built members wait in \
                 staging.",
            )
            .remedies(&[Remedy::AskOldCluster])
    })?;
    Ok(reused(job, &now, reporter))
}

/// Returns a blocker if old members have revisions that the restored cluster would issue again.
fn reused(job: &ExecutionSpec<'_>, now: &[Asked], reporter: &EventReporter<'_>) -> Vec<Blocker> {
    let Some(known) = final_check::beyond(job.plan, now) else { return Vec::new() };
    let clients = blocker_checks::clients_of(job.plan, job.system);
    let found: Vec<Blocker> = blockers::twice(job.plan, &clients, &known).into_iter().collect();
    // Those found and overridden before were reported then.
    if found.iter().any(|fence| fence.blocks(job.overridden)) {
        reporter.tell(ExecutionEvent::Blockers(found.clone()));
    }
    found
}
