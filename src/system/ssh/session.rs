//! A connection to one host, from start to end.

mod failures;
mod last_heard;
#[cfg(test)]
mod tests;
mod transfer;

use std::{
    io::{BufReader, Read, Write},
    process::{Child, Command},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    Stop, bootstrap_output, errors,
    pipe::{self, Input, Patient},
    self_binary::Program,
};
use crate::{
    agent::{
        codec,
        protocol::{CHUNK_BYTES, Event, PROTOCOL, Request},
    },
    bbolt::PageBuffer,
    domain::{
        model::{host_address, observations::host::HostFacts},
        preflight::hosts::BinarySource,
    },
    engine::{progress::Progress, source::io_trouble},
    error::{Error, ErrorKind, Remedy, Result},
    system::agent_server::other_version,
};

use failures::stopped;
pub use failures::unexpected;
use last_heard::{LastHeard, Listening};
pub use transfer::Sent;

/// How long a host may take to report its facts: `ssh` itself gives up connecting after 10 s, and a login or a dead
/// mount may take as long again.
const LOOK: Duration = Duration::from_secs(45);
/// How often stop requests are checked.
const GLANCE: Duration = Duration::from_millis(100);
/// How long the remote end may take to clean up, and how long if it has nothing to clean up.
const FAREWELL: Duration = Duration::from_secs(10);
const HANG_UP: Duration = Duration::from_millis(300);
/// How long the remote end may take to reach its next safe point after a stop request.
const PARTING: Duration = Duration::from_secs(60);
/// How long a host that is working may send nothing at all. It sends a heartbeat every few seconds, and `ssh`
/// notices a dead network by itself, earlier.
const DEAD: Duration = Duration::from_secs(60);
/// How much of a host's error output is kept for messages.
const SAID: usize = 16 << 10;
/// How many lines a login may print before the inspection begins.
const PREAMBLE: usize = 1000;
/// The largest number of lines of an inspection, and of bytes including a login's output before it.
const LOOK_LINES: usize = 20_000;
const LOOK_BYTES: usize = 4 << 20;
/// How many lines are buffered. Each may be as long as an answer.
const QUEUED: usize = 2;

/// One host, connected.
pub struct Session {
    host: String,
    facts: HostFacts,
    child: Child,
    /// Shared with the thread that sends signs of life.
    input: Input,
    lines: Receiver<Vec<u8>>,
    /// When something was last received, even part of a line.
    heard: Arc<LastHeard>,
    /// How long a working host may be silent.
    silence: Duration,
    /// What `ssh` and the shell printed on standard error.
    said: Arc<Mutex<Vec<u8>>>,
    /// Receives nothing, and ends when standard error does.
    silent: Receiver<()>,
    /// When the operator's stop request was passed on.
    stopped: Option<Instant>,
    /// How long to wait from then on.
    parting: Duration,
    /// Whether a program was started there, which may have something to clean up.
    working: bool,
}

impl Session {
    pub(super) fn begin(host: &str, mut command: Command, script: &str, stop: Stop<'_>) -> Result<Session> {
        let mut child = command.spawn().map_err(|e| {
            let program = command.get_program().to_string_lossy().into_owned();
            Error::new(ErrorKind::Failed, format!("{program}: cannot be run"))
                .why(e)
                .hint("Install the OpenSSH client.")
        })?;
        let (output, error) = (child.stdout.take(), child.stderr.take());
        let (send, lines) = sync_channel(QUEUED);
        let last = Arc::new(LastHeard::default());
        let hearing = Arc::clone(&last);
        thread::spawn(move || {
            let Some(output) = output else { return };
            let mut output = BufReader::new(Listening { output, heard: hearing });
            while let Ok(Some(line)) = codec::read_answer(&mut output) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let said = Arc::new(Mutex::new(Vec::new()));
        let (end, silent) = sync_channel(0);
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            let _end = end;
            let (Some(mut error), mut buffer) = (error, [0; 4096]) else { return };
            while let Ok(n @ 1..) = error.read(&mut buffer) {
                let mut said = heard.lock().unwrap_or_else(PoisonError::into_inner);
                let room = SAID.saturating_sub(said.len());
                said.extend(buffer.iter().take(n.min(room)));
            }
        });
        let input = pipe::input(child.stdin.take());
        let mut session = Session {
            host: host.into(),
            facts: HostFacts::default(),
            child,
            input,
            lines,
            heard: last,
            silence: DEAD,
            said,
            silent,
            stopped: None,
            parting: PARTING,
            working: false,
        };
        session.facts = session.look(script, stop)?;
        Ok(session)
    }

    /// Returns the facts found there before anything was written.
    pub fn facts(&self) -> &HostFacts {
        &self.facts
    }

    fn look(&mut self, script: &str, stop: Stop<'_>) -> Result<HostFacts> {
        // A refused connection is reported by ssh, not by the pipe.
        let _ = self.write(script.as_bytes(), stop);
        let deadline = Instant::now() + LOOK;
        let (mut seen, mut begun, mut bytes) = (Vec::new(), false, 0_usize);
        loop {
            let Some(line) = self.line(stop, Some(deadline))? else {
                return Err(self.unreachable(&seen));
            };
            bytes = bytes.saturating_add(line.len());
            if bytes > LOOK_BYTES || seen.len() > LOOK_LINES {
                return Err(Error::new(ErrorKind::NoAnswer, format!("{}: too much output", self.host))
                    .why(format!("more than {LOOK_LINES} lines or {LOOK_BYTES} bytes were received before the facts"))
                    .hint(format!("Check that host by hand: ssh {} true", self.host)));
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            match (begun, line.as_str()) {
                (false, bootstrap_output::BEGIN) => (begun, seen) = (true, Vec::new()),
                (true, bootstrap_output::END) => break,
                (false, _) if seen.len() > PREAMBLE => return Err(self.unreachable(&seen)),
                _ => seen.push(line),
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|t| i64::try_from(t.as_secs()).ok());
        bootstrap_output::read(&seen, now.unwrap_or(0)).map_err(|why| {
            Error::new(ErrorKind::NoAnswer, format!("{}: unexpected output", self.host))
                .why(why)
                .hint(format!("Try by hand: ssh {} uname -a", self.host))
        })
    }

    /// Sends the program there, if needed, and starts it. `on` receives the number of bytes sent so far.
    ///
    /// # Errors
    /// When the host does not accept it, or it has another protocol.
    pub fn start(
        &mut self,
        program: &Program,
        way: &BinarySource,
        stop: Stop<'_>,
        on: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let path = program.path.to_string_lossy();
        self.working = true;
        match way {
            _ if host_address::is_local(&self.host) => self.write(format!("use {path}\n").as_bytes(), stop)?,
            BinarySource::Installed(there) => self.write(format!("use {there}\n").as_bytes(), stop)?,
            BinarySource::Send => {
                self.write(format!("send {} {}\n", program.bytes, program.own.sha256).as_bytes(), stop)?;
                self.expect("go", stop)?;
                let (mut at, mut buffer) = (0, PageBuffer::new(CHUNK_BYTES));
                while at < program.bytes && !stop() {
                    let n = program.read_at(&mut buffer, at).map_err(|e| io_trouble("read", &program.path, &e))?;
                    let bytes = buffer
                        .get(..n)
                        .filter(|bytes| !bytes.is_empty())
                        .ok_or_else(|| Error::new(ErrorKind::Failed, format!("{path}: truncated while it was sent")))?;
                    // A host that gives up reports why before it closes the connection.
                    match self.write(bytes, stop) {
                        Ok(()) => {}
                        Err(error) if matches!(error.kind, ErrorKind::Stopped | ErrorKind::NoAnswer) => {
                            return Err(error);
                        }
                        Err(_) => break,
                    }
                    at += n as u64;
                    on(at);
                }
            }
        }
        self.expect("ready", stop)?;
        match self.ask(&Request::Hello { protocol: PROTOCOL }, stop, &mut |_| {})? {
            Event::Hello { protocol: PROTOCOL, .. } => {
                pipe::stay(&self.input);
                Ok(())
            }
            Event::Hello { protocol, .. } => Err(other_version(PROTOCOL, protocol)),
            other => Err(self.unexpected_response(&other)),
        }
    }

    /// Sends a request and waits for the answer; `on` receives the progress. When `stop` returns true, the input ends,
    /// and the answer says where the host stopped.
    ///
    /// # Errors
    /// The remote end's error, or a broken connection.
    pub fn ask(&mut self, request: &Request, stop: Stop<'_>, on: &mut dyn FnMut(Progress)) -> Result<Event> {
        self.tell(request, stop)?;
        self.answer(stop, on)
    }

    /// Ends the connection, after the remote end has cleaned up.
    pub fn close(mut self) {
        // A remote end that still does not read is not waited for.
        let _ = self.tell(&Request::Bye, &|| true);
    }

    fn tell(&mut self, request: &Request, stop: Stop<'_>) -> Result<()> {
        let mut line = Vec::new();
        codec::write(&mut line, request)
            .map_err(|e| Error::new(ErrorKind::Bug, "failed to encode a request").why(e))?;
        self.write(&line, stop)
    }

    fn write(&mut self, bytes: &[u8], stop: Stop<'_>) -> Result<()> {
        self.put(stop, |input| input.write_all(bytes))
    }

    /// Writes to the remote end, which may read slowly or not at all.
    ///
    /// # Errors
    /// `Stopped` when that is requested while it does not read, `NoAnswer` when it never does, or a broken connection.
    fn put<T>(&mut self, stop: Stop<'_>, write: impl FnOnce(&mut Patient<'_>) -> std::io::Result<T>) -> Result<T> {
        let (written, deaf) = match pipe::hold(&self.input).as_mut() {
            Some(input) => {
                let mut input = Patient::new(input, stop);
                (write(&mut input), input.deaf)
            }
            None => return Err(stopped(&self.host)),
        };
        match written {
            Ok(written) => Ok(written),
            Err(_) if deaf && stop() => {
                self.gave_up();
                Err(stopped(&self.host))
            }
            Err(_) if deaf => {
                self.gave_up();
                Err(Error::new(ErrorKind::NoAnswer, format!("{}: stopped reading", self.host))
                    .why(format!("it has read nothing for {} s", pipe::DEAF.as_secs()))
                    .hint("Check whether that host hangs: a dead mount, a full disk."))
            }
            Err(_) => Err(self.broken()),
        }
    }

    /// Abandons the connection with half a message in transit that is not read: nothing more can be sent, nor is waited
    /// for.
    fn gave_up(&mut self) {
        *pipe::hold(&self.input) = None;
        self.working = false;
    }

    /// Returns the next line; none when the connection has ended. A stop ends our input, and what is sent after it is
    /// still received; before the program runs there is nothing to wait for. Without a deadline the host is waited for
    /// as long as it sends anything.
    fn line(&mut self, stop: Stop<'_>, deadline: Option<Instant>) -> Result<Option<Vec<u8>>> {
        let since = Instant::now();
        loop {
            // Checked before every line, too: a host that never falls silent can be stopped as well.
            if stop() {
                *pipe::hold(&self.input) = None;
                let since = *self.stopped.get_or_insert_with(Instant::now);
                if deadline.is_some() || since.elapsed() > self.parting {
                    return Err(stopped(&self.host));
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err(Error::new(ErrorKind::NoAnswer, format!("{}: no answer", self.host))
                    .why(format!("connected, but its facts were not complete within {} s", LOOK.as_secs()))
                    .hint("Check whether its login hangs: a dead mount, a full disk."));
            }
            match self.lines.recv_timeout(GLANCE) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Buffered lines come first: they may have arrived long ago, while nothing was requested.
            if deadline.is_none() && since.elapsed().min(self.heard.elapsed()) > self.silence {
                return Err(self.dead());
            }
        }
    }

    fn answer(&mut self, stop: Stop<'_>, on: &mut dyn FnMut(Progress)) -> Result<Event> {
        loop {
            let Some(line) = self.line(stop, None)? else {
                return Err(if stop() { stopped(&self.host) } else { self.broken() });
            };
            match self.event(&line)? {
                Event::Heartbeat => {}
                Event::Progress(step) => on(step),
                Event::Failed(error) => return Err(error),
                event => return Ok(event),
            }
        }
    }

    fn event(&self, line: &[u8]) -> Result<Event> {
        let event = codec::parse_foreign(line).map(|event| match event {
            Event::Failed(error) => Event::Failed(self.theirs(error.from_elsewhere())),
            event => event,
        });
        event.map_err(|e| {
            Error::new(ErrorKind::Failed, format!("protocol error: invalid message from {}", self.host))
                .why(e)
                .hint("Install the same requorum on both machines, or none on the host: then this one is sent.")
        })
    }

    /// Waits for one word of the shell there, before the program runs.
    fn expect(&mut self, word: &str, stop: Stop<'_>) -> Result<()> {
        let deadline = Instant::now() + LOOK;
        match self.line(stop, Some(deadline))? {
            Some(line) if line == word.as_bytes() => Ok(()),
            Some(line) => {
                let line = errors::last_line(&String::from_utf8_lossy(&line));
                let why = line.strip_prefix("refused ").unwrap_or(&line);
                Err(Error::new(ErrorKind::Failed, format!("{}: the host does not accept the program", self.host))
                    .why(why)
                    .hint("Install requorum of this version there.")
                    .remedies(&[Remedy::RestoreByHand]))
            }
            None => Err(self.broken()),
        }
    }
}

impl Drop for Session {
    /// Ends the input, and waits, for a limited time, until the remote end has cleaned up and closed.
    fn drop(&mut self) {
        *pipe::hold(&self.input) = None;
        let deadline = Instant::now() + if self.working { FAREWELL } else { HANG_UP };
        // There is little output during cleanup.
        for _ in 0..LOOK_LINES {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            if self.lines.recv_timeout(left).is_err() {
                break;
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
