//! What is reported of a connection that failed.

use std::{sync::PoisonError, time::Duration};

use super::Session;
use crate::{
    agent::protocol::Event,
    error::{Error, ErrorKind},
    system::{
        agent_server::HEARTBEAT,
        ssh::{errors, pipe},
    },
    text::Foreign,
};

impl Session {
    /// Gives up on a host that sends nothing any more, though the connection still exists: nothing more is sent, nor
    /// waited for.
    pub(super) fn dead(&mut self) -> Error {
        self.gave_up();
        Error::new(ErrorKind::NoAnswer, format!("{}: no answer any more", self.host))
            .why(format!(
                "it has sent nothing for {} s, although requorum sends a heartbeat every {} s while it works; whether \
                 the last step was completed there is unknown",
                self.silence.as_secs(),
                HEARTBEAT.as_secs()
            ))
            .hint(
                "Check whether that host hangs: a dead mount, a full disk, a suspended machine. What was received \
                 there stays; running the same command again checks the host first.",
            )
    }

    /// Returns a failure that the host reported. Whether a stop was requested is known here.
    pub(super) fn theirs(&self, error: Error) -> Error {
        match error.kind {
            ErrorKind::Stopped if self.stopped.is_none() => Error { kind: ErrorKind::Failed, ..error },
            _ => error,
        }
    }

    /// Returns everything printed on standard error, after it ended or nothing waits for it.
    pub(super) fn said(&mut self) -> String {
        *pipe::hold(&self.input) = None;
        let _ = self.silent.recv_timeout(Duration::from_secs(3));
        String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    pub(super) fn unreachable(&mut self, printed: &[String]) -> Error {
        let said = self.said();
        let error = errors::explain(&self.host, &said);
        match printed.iter().rev().find(|line| !line.trim().is_empty()) {
            // Connected, but the login shell does something else: `This account is currently not available.`
            Some(line) if said.trim().is_empty() => error.why(format!("it only prints: {}", errors::last_line(line))),
            _ => error,
        }
    }

    pub(super) fn broken(&mut self) -> Error {
        let said = errors::last_line(&self.said());
        let error = Error::new(ErrorKind::Failed, format!("{}: connection lost", self.host))
            .hint("Run the same command again: what was received stays, and a partly built member is removed there.");
        if said.is_empty() { error } else { error.why(said) }
    }

    pub(super) fn unexpected_response(&self, event: &Event) -> Error {
        unexpected(&self.host, event)
    }
}

/// Returns the error for an answer that does not fit the request.
pub fn unexpected(host: &str, event: &Event) -> Error {
    Error::new(ErrorKind::Failed, format!("protocol error: unexpected response from {host}"))
        .why(Foreign::new(format!("{event:?}")))
        .hint("Check that host, and the requorum that is installed there.")
}

pub(super) fn stopped(host: &str) -> Error {
    Error::new(ErrorKind::Stopped, format!("{host}: stopped on request"))
        .hint("What was received there stays, and is not sent again; a partly built member is removed.")
}
