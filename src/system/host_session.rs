//! A session on one host: the same interface whether the work is done in this process or at the other end of a
//! connection.

use std::fs::File;

use super::{
    System,
    agent_server::AgentHandler,
    ssh::{Program, Sent, Session, Stop},
};
use crate::{
    agent::protocol::{Event, Have, Request, Wanted},
    domain::{model::observations::host::HostFacts, preflight::hosts::BinarySource},
    engine::progress::{Flow, Progress},
    error::{Error, ErrorKind, Result},
};

/// A session on one host.
pub trait HostSession: Send {
    /// Returns the facts found there before anything was written.
    fn facts(&self) -> &HostFacts;

    /// Sends the program there, if needed, and starts it. `on` receives the number of bytes sent so far.
    ///
    /// # Errors
    /// When the host does not accept it.
    fn start(&mut self, program: &Program, way: &BinarySource, stop: Stop<'_>, on: &mut dyn FnMut(u64)) -> Result<()>;

    /// Sends a request and waits for the answer; `on` receives the progress.
    ///
    /// # Errors
    /// The remote end's error, or a broken connection.
    fn ask(&mut self, request: &Request, stop: Stop<'_>, on: &mut dyn FnMut(Progress)) -> Result<Event>;

    /// Sends the rest of `file` that the host does not have yet, from byte `from` on.
    ///
    /// # Errors
    /// As [`HostSession::ask`]; what was received stays there.
    fn send(
        &mut self,
        wanted: &Wanted,
        file: &File,
        from: u64,
        stop: Stop<'_>,
        on: &mut dyn FnMut(Progress),
    ) -> Result<(Have, Sent)>;

    /// Ends the connection, after the remote end has cleaned up.
    fn close(self: Box<Self>);
}

impl HostSession for Session {
    fn facts(&self) -> &HostFacts {
        Session::facts(self)
    }

    fn start(&mut self, program: &Program, way: &BinarySource, stop: Stop<'_>, on: &mut dyn FnMut(u64)) -> Result<()> {
        Session::start(self, program, way, stop, on)
    }

    fn ask(&mut self, request: &Request, stop: Stop<'_>, on: &mut dyn FnMut(Progress)) -> Result<Event> {
        Session::ask(self, request, stop, on)
    }

    fn send(
        &mut self,
        wanted: &Wanted,
        file: &File,
        from: u64,
        stop: Stop<'_>,
        on: &mut dyn FnMut(Progress),
    ) -> Result<(Have, Sent)> {
        Session::send(self, wanted, file, from, stop, on)
    }

    fn close(self: Box<Self>) {
        Session::close(*self);
    }
}

/// This machine, in this process.
pub struct LocalHost<'a> {
    facts: HostFacts,
    deeds: AgentHandler<'a>,
}

impl<'a> LocalHost<'a> {
    /// Creates the session on the machine of `world`, with these facts.
    pub fn new(system: &'a dyn System, facts: HostFacts) -> LocalHost<'a> {
        LocalHost { facts, deeds: AgentHandler::new(system) }
    }
}

impl HostSession for LocalHost<'_> {
    fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn start(&mut self, _: &Program, _: &BinarySource, _: Stop<'_>, _: &mut dyn FnMut(u64)) -> Result<()> {
        Ok(())
    }

    fn ask(&mut self, request: &Request, stop: Stop<'_>, on: &mut dyn FnMut(Progress)) -> Result<Event> {
        self.deeds.answer(request.clone(), &mut |step| {
            on(step);
            if stop() { Flow::Stop } else { Flow::Go }
        })
    }

    fn send(&mut self, _: &Wanted, _: &File, _: u64, _: Stop<'_>, _: &mut dyn FnMut(Progress)) -> Result<(Have, Sent)> {
        Err(Error::new(ErrorKind::Bug, "sending a snapshot to its own machine"))
    }

    fn close(self: Box<Self>) {}
}
