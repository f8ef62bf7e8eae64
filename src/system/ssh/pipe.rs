//! Our end of a host's standard input. A host that does not read must not block a call beyond a requested stop: the
//! pipe is non-blocking, and while it is full, stop requests and the time limit are checked.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    process::ChildStdin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
};

use super::Stop;
use crate::agent::{codec, protocol::Request};

/// How long the remote end may read nothing of what is sent. `ssh` notices a dead network by itself, earlier.
pub(super) const DEAF: Duration = Duration::from_secs(60);
/// How often a sign of life is sent to the remote end.
const STILL: Duration = Duration::from_secs(5);
/// How often stop requests are checked while the pipe is full.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The pipe, shared with the thread that sends signs of life; none once nothing more is sent.
pub(super) type Input = Arc<Mutex<Option<ChildStdin>>>;

/// Sets the pipe to non-blocking. The other process's end is not affected.
pub(super) fn input(pipe: Option<ChildStdin>) -> Input {
    let free = |pipe: &ChildStdin| fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK);
    Arc::new(Mutex::new(pipe.filter(|pipe| free(pipe).is_ok())))
}

/// Locks the pipe.
pub(super) fn hold(input: &Input) -> MutexGuard<'_, Option<ChildStdin>> {
    input.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to a pipe as long as the remote end reads.
pub(super) struct Patient<'a> {
    pipe: &'a mut ChildStdin,
    stop: Stop<'a>,
    /// True once it was abandoned, because of a stop request or of [`DEAF`].
    pub(super) deaf: bool,
}

impl<'a> Patient<'a> {
    pub(super) fn new(pipe: &'a mut ChildStdin, stop: Stop<'a>) -> Patient<'a> {
        Patient { pipe, stop, deaf: false }
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let since = Instant::now();
        loop {
            match self.pipe.write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            self.deaf = (self.stop)() || since.elapsed() > DEAF;
            if self.deaf {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // The next attempt shows the result.
            let _ = poll(&mut [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::OUT)], Some(&GLANCE));
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends a sign of life from time to time, as long as the connection exists. If the pipe is full, something else is in
/// transit; the line is so short that it is written completely or not at all (pipe(7), PIPE_BUF).
pub(super) fn stay(input: &Input) {
    let weak = Arc::downgrade(input);
    thread::spawn(move || {
        loop {
            thread::sleep(STILL);
            let Some(input) = weak.upgrade() else { return };
            match hold(&input).as_mut().map(|input| codec::write(input, &Request::Still)) {
                Some(Ok(())) => {}
                Some(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    });
}
