//! Our end of a host's standard input. A host that does not read must not keep us in a call that no wish to stop ends: the
//! pipe never blocks, and while it is full that wish and the time are looked at.

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

/// How long the far end may take nothing of what is sent. `ssh` notices a dead network by itself, earlier.
pub(super) const DEAF: Duration = Duration::from_secs(60);
/// How often the far end is told that we are still there.
const STILL: Duration = Duration::from_secs(5);
/// How often the wish to stop is looked at while the pipe is full.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The pipe, shared with the one who says that we are still there; none once nothing more is to be said.
pub(super) type Input = Arc<Mutex<Option<ChildStdin>>>;

/// The pipe, from now on without blocking. The other process has an end of its own, which is left as it is.
pub(super) fn input(pipe: Option<ChildStdin>) -> Input {
    let free = |pipe: &ChildStdin| fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK);
    Arc::new(Mutex::new(pipe.filter(|pipe| free(pipe).is_ok())))
}

/// The pipe to itself.
pub(super) fn hold(input: &Input) -> MutexGuard<'_, Option<ChildStdin>> {
    input.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to a pipe as long as the far end reads.
pub(super) struct Patient<'a> {
    pipe: &'a mut ChildStdin,
    stop: Stop<'a>,
    /// True once it was given up, because of a wish to stop or of [`DEAF`].
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
            // What it came to shows in the next try.
            let _ = poll(&mut [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::OUT)], Some(&GLANCE));
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says from time to time that we are still there, as long as the connection is. Where the pipe is full, something else of
/// ours is on its way; the line is so short that it is taken whole or not at all (pipe(7), PIPE_BUF).
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
