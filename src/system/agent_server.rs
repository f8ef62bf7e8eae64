//! `requorum agent`: this machine as the far end of a pipe. It does what it is asked through the same [`System`] as a
//! run on this machine, and stops at the next safe point when the pipe ends.

mod handlers;

use std::{
    io::{self, BufReader, Read, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

pub use self::handlers::AgentHandler;
use super::System;
use crate::{
    agent::{
        codec,
        protocol::{Event, Request},
    },
    engine::progress::{Flow, Phase, Progress},
    error::{Error, ErrorKind, Result},
};

/// How often progress of one kind is reported.
const PACE: Duration = Duration::from_millis(100);

/// How long the other end may be silent before it counts as gone. After a network failure the input may stay open for
/// hours, and the locks must not be kept that long.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a heartbeat is sent during work, whatever progress that work reports. The other end treats a host that is
/// silent for a minute as dead.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_secs(1);

/// One request, with the bytes of a chunk.
type ReceivedRequest = io::Result<(Request, Vec<u8>)>;

/// Answers requests until `Bye` or the end of `input`.
///
/// # Errors
/// When the input is not a request, or the answers cannot be delivered. Work in progress was stopped at a safe point.
pub fn serve(system: &dyn System, input: impl Read + Send + 'static, output: impl Write + Send) -> Result<()> {
    serve_beating(system, input, output, HEARTBEAT)
}

fn serve_beating(
    system: &dyn System,
    input: impl Read + Send + 'static,
    output: impl Write + Send,
    beat: Duration,
) -> Result<()> {
    // Reads a few chunks ahead, so that the end of the input is noticed during other work.
    let (send, heard) = sync_channel(4);
    let gone = Arc::new(Gone::default());
    let ended = Arc::clone(&gone);
    thread::spawn(move || {
        let mut input = BufReader::new(input);
        loop {
            let next = hear(&mut input);
            ended.heard();
            if matches!(next, Some(Ok((Request::Still, _)))) {
                continue;
            }
            let last = !matches!(next, Some(Ok(_)));
            if let Some(next) = next
                && send.send(next).is_err()
            {
                return;
            }
            if last {
                ended.ended.store(true, Ordering::Relaxed);
                return;
            }
        }
    });
    let answers = Answers::new(output);
    thread::scope(|scope| {
        let (over, ended) = sync_channel::<()>(0);
        let (beating, hearer) = (&answers, Arc::clone(&gone));
        scope.spawn(move || {
            // Nothing is sent: the receiver ends when `over` is dropped.
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(beat) {
                if beating.beat().is_err() {
                    hearer.ended.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
        let done =
            Agent { out: Out { answers: &answers, gone, told: None }, deeds: AgentHandler::new(system) }.run(&heard);
        drop(over);
        done
    })
}

/// The pipe to the other end, shared by the work and the heartbeat.
struct Answers<W>(Mutex<AnswerPipe<W>>);

struct AnswerPipe<W> {
    output: W,
    /// True from a request to its last event: only then is a heartbeat useful, and read.
    working: bool,
}

impl<W: Write> Answers<W> {
    fn new(output: W) -> Answers<W> {
        Answers(Mutex::new(AnswerPipe { output, working: false }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut AnswerPipe<W>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets whether a request, or the bytes of a chunk, are being worked on.
    fn working(&self, working: bool) {
        self.with(|pipe| pipe.working = working);
    }

    /// Writes a line. No heartbeat follows the last line of an answer.
    fn write(&self, event: &Event) -> io::Result<()> {
        self.with(|pipe| {
            pipe.working &= matches!(event, Event::Progress(_) | Event::Heartbeat);
            codec::write(&mut pipe.output, event)
        })
    }

    fn beat(&self) -> io::Result<()> {
        self.with(|pipe| if pipe.working { codec::write(&mut pipe.output, &Event::Heartbeat) } else { Ok(()) })
    }
}

fn hear(input: &mut impl io::BufRead) -> Option<ReceivedRequest> {
    let request = match codec::read(input) {
        Ok(request) => request?,
        Err(e) => return Some(Err(e)),
    };
    let Request::Chunk { length, unpacked } = request else { return Some(Ok((request, Vec::new()))) };
    Some(codec::read_chunk(input, length, unpacked).map(|bytes| (request, bytes)))
}

/// Tracks whether the other end is still there.
struct Gone {
    begun: Instant,
    /// Milliseconds from `begun` until something was last received.
    last: AtomicU64,
    ended: AtomicBool,
}

impl Default for Gone {
    fn default() -> Gone {
        Gone { begun: Instant::now(), last: AtomicU64::new(0), ended: AtomicBool::new(false) }
    }
}

impl Gone {
    fn heard(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn is(&self) -> bool {
        self.ended.load(Ordering::Relaxed) || self.silent()
    }

    fn silent(&self) -> bool {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(last) > SILENCE
    }
}

/// Where answers are sent, and whether they are still received.
struct Out<'a, W> {
    answers: &'a Answers<W>,
    gone: Arc<Gone>,
    told: Option<(Phase, Instant)>,
}

impl<W: Write> Out<'_, W> {
    fn say(&mut self, event: &Event) -> Result<()> {
        self.answers.write(event).map_err(|e| {
            self.gone.ended.store(true, Ordering::Relaxed);
            Error::new(ErrorKind::Stopped, "the client disconnected").why(e)
        })
    }

    /// Reports progress, and returns whether to continue.
    fn step(&mut self, step: Progress) -> Flow {
        let now = Instant::now();
        let fresh = self.told.is_none_or(|(phase, last)| phase != step.phase || now - last >= PACE);
        if fresh {
            self.told = Some((step.phase, now));
        }
        let heard = !fresh || self.say(&Event::Progress(step)).is_ok();
        if heard && !self.gone.is() { Flow::Go } else { Flow::Stop }
    }
}

struct Agent<'a, W> {
    out: Out<'a, W>,
    deeds: AgentHandler<'a>,
}

impl<W: Write> Agent<'_, W> {
    fn run(mut self, heard: &Receiver<ReceivedRequest>) -> Result<()> {
        let mut greeted = false;
        loop {
            let next = match heard.recv_timeout(GLANCE) {
                Ok(next) => next,
                Err(RecvTimeoutError::Timeout) if !self.out.gone.silent() => continue,
                // What was received stays, and can be resumed.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let (request, bytes) =
                next.map_err(|e| Error::new(ErrorKind::Input, "protocol error: invalid request").why(e))?;
            greeted = greeted || matches!(request, Request::Hello { .. });
            if matches!(request, Request::Bye) {
                return Ok(());
            }
            if !greeted {
                return Err(
                    Error::new(ErrorKind::Input, "protocol error: invalid request").why("it did not begin with hello")
                );
            }
            let (deeds, out) = (&mut self.deeds, &mut self.out);
            out.answers.working(true);
            let answer = match request {
                Request::Chunk { .. } => deeds.chunk(&bytes, &mut |step| out.step(step)),
                other => deeds.answer(other, &mut |step| out.step(step)).map(Some),
            };
            match answer {
                Ok(None) => self.out.answers.working(false),
                Ok(Some(event)) => self.out.say(&event)?,
                Err(error) => {
                    self.deeds.give_up_receiving();
                    self.out.say(&Event::Failed(error))?;
                }
            }
        }
    }
}

/// Returns the error for two programs with different protocol versions.
pub fn other_version(one: u32, other: u32) -> Error {
    Error::new(ErrorKind::Failed, "requorum on the host has an incompatible version")
        .why(format!("protocol {one} here, {other} there"))
        .hint("Install the same version on both machines, or remove it from the host's PATH: then this one is sent.")
}

#[cfg(test)]
mod tests;
