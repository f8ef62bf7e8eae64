//! With what a host's journal begins: a secret that only the operator's journal keeps, so that what somebody else put in
//! the place of that journal does not verify.
//!
//! The first run on a host hands it a new one, and writes down what the journal there really begins with: one that an
//! operator on another machine began is known from then on. Later runs demand what was written down.

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

/// Under which name a line of the operator's journal keeps it, and the host.
const SEAL: &str = "seal";
const HOST: &str = "journal_on";

/// Claims a member's directories on a host, whose journal has to be the one that the operator's knows.
///
/// # Errors
/// When another run works there, the journal there is another, or the operator's cannot be read or written.
pub(crate) fn claim(
    job: &ExecutionSpec<'_>,
    (host, hand): (&str, &mut (dyn HostSession + '_)),
    targets: Vec<std::path::PathBuf>,
    teller: &EventReporter<'_>,
    stop: Stop<'_>,
    on: &mut dyn FnMut(Progress),
) -> Result<()> {
    let known = known(job, host)?;
    let fresh = || hex(&Sha256::digest((0..8).map(|_| job.system.random_suffix()).collect::<String>()));
    let (seal, bound) = (known.clone().unwrap_or_else(fresh), known.is_some());
    let request = Request::Claim { run: job.run.clone(), targets, seal, bound };
    match hand.ask(&request, stop, on)? {
        Event::Claimed { seal } if known.as_ref() == Some(&seal) => Ok(()),
        Event::Claimed { seal } if known.is_none() && is_seal(&seal) => {
            let text = format!("{host}: its journal of plan {} is known by its beginning", job.run.plan);
            teller.note(journal::Event::Looked, &text, json!({"plan": job.run.plan, HOST: here(host), SEAL: seal}))
        }
        other => {
            Err(Error::new(ErrorKind::Refused, format!("the journal on {host} is not the one that was begun there"))
                .why(match other {
                    Event::Claimed { .. } => {
                        "it begins with something else than this plan's journal here has written down"
                    }
                    _ => "the host gave an answer to another question",
                })
                .hint("Look at who works on that host. Nothing was changed there."))
        }
    }
}

fn here(host: &str) -> &str {
    if host_address::is_local(host) { host_address::LOCAL } else { host }
}

/// What the operator's journal has written down of this host.
fn known(job: &ExecutionSpec<'_>, host: &str) -> Result<Option<String>> {
    let records = Journal::at(job.system, job.journal).read()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_string);
    let mine = records.iter().rev().filter(|r| {
        text(r.data.get("plan")).as_deref() == Some(&job.run.plan)
            && text(r.data.get(HOST)).as_deref() == Some(here(host))
    });
    Ok(mine.filter_map(|r| text(r.data.get(SEAL))).find(|seal| is_seal(seal)))
}
