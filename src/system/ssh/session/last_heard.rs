//! When something was last received from a host.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Records when something was last received.
pub(super) struct LastHeard {
    begun: Instant,
    /// Milliseconds since then.
    last: AtomicU64,
}

impl Default for LastHeard {
    fn default() -> LastHeard {
        LastHeard { begun: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl LastHeard {
    pub(super) fn now(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

/// Reads a host's output, and records when something was received.
pub(super) struct Listening<R> {
    pub(super) output: R,
    pub(super) heard: Arc<LastHeard>,
}

impl<R: Read> Read for Listening<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.output.read(buffer)?;
        self.heard.now();
        Ok(n)
    }
}
