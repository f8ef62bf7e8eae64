//! The seal of a host's journal: a secret that its first line depends on and that only the operator's journal stores,
//! so that a journal that another user put in its place does not verify.
//!
//! The first run on a host passes it a new seal, and records the seal that the journal there really has: a journal that
//! was started from another operator's machine is known from then on. Later runs require the recorded seal.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{events::EventReporter, spec::ExecutionSpec};
use crate::{
    agent::protocol::{Event, Request},
    domain::model::host_address,
    engine::{progress::Progress, source::hex},
    error::{Error, ErrorKind, Result},
    system::{
        host_session::HostSession,
        journal::{self, Journal, is_seal},
        ssh::Stop,
    },
};

/// The fields of the operator's journal that hold the seal and its host.
const SEAL: &str = "seal";
const HOST: &str = "journal_on";

/// Locks members' directories on a host, whose journal must have the recorded seal.
///
/// # Errors
/// When another run has the lock, the host's journal has another seal, or the operator's journal cannot be read or
/// written.
pub(crate) fn claim(
    job: &ExecutionSpec<'_>,
    (host, session): (&str, &mut (dyn HostSession + '_)),
    targets: Vec<std::path::PathBuf>,
    reporter: &EventReporter<'_>,
    stop: Stop<'_>,
    on: &mut dyn FnMut(Progress),
) -> Result<()> {
    let known = known(job, host)?;
    let fresh = || hex(&Sha256::digest((0..8).map(|_| job.system.random_suffix()).collect::<String>()));
    let (seal, bound) = (known.clone().unwrap_or_else(fresh), known.is_some());
    let request = Request::Claim { run: job.run.clone(), targets, seal, bound };
    match session.ask(&request, stop, on)? {
        Event::Claimed { seal } if known.as_ref() == Some(&seal) => Ok(()),
        Event::Claimed { seal } if known.is_none() && is_seal(&seal) => {
            let text = format!("{host}: recorded the seal of its journal of plan {}", job.run.plan);
            reporter.note(journal::Event::Looked, &text, json!({"plan": job.run.plan, HOST: here(host), SEAL: seal}))
        }
        other => Err(Error::new(ErrorKind::Refused, format!("{host}: its journal was replaced"))
            .why(match other {
                Event::Claimed { .. } => "its seal is not the one that the operator's journal has recorded",
                _ => "protocol error: unexpected response",
            })
            .hint("Check who has access to that host. Nothing was changed there.")),
    }
}

fn here(host: &str) -> &str {
    if host_address::is_local(host) { host_address::LOCAL } else { host }
}

/// Returns the seal that the operator's journal has recorded for this host.
fn known(job: &ExecutionSpec<'_>, host: &str) -> Result<Option<String>> {
    let records = Journal::at(job.system, job.journal).read()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_string);
    let mine = records.iter().rev().filter(|r| {
        text(r.data.get("plan")).as_deref() == Some(&job.run.plan)
            && text(r.data.get(HOST)).as_deref() == Some(here(host))
    });
    Ok(mine.filter_map(|r| text(r.data.get(SEAL))).find(|seal| is_seal(seal)))
}
