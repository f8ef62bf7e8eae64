//! The clock of an exercise. It can be stopped, and moved forward for tests and for trainees who do not want to wait.

use std::time::{Duration, Instant};

/// A clock that starts when it is made.
#[derive(Debug)]
pub struct Clock {
    /// What it showed when it was last started.
    shown: Duration,
    /// When that was; none while it is stopped.
    since: Option<Instant>,
    /// By how much it was moved forward.
    forward: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { shown: Duration::ZERO, since: Some(Instant::now()), forward: Duration::ZERO }
    }
}

impl Clock {
    /// Returns the elapsed time.
    pub fn elapsed(&self) -> Duration {
        self.shown + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Returns by how much it was moved forward.
    pub fn forward(&self) -> Duration {
        self.forward
    }

    /// Stops it.
    pub fn stop(&mut self) {
        self.shown = self.elapsed();
        self.since = None;
    }

    /// Starts it again.
    pub fn go(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Returns whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        self.since.is_none()
    }

    /// Moves it forward.
    pub fn skip(&mut self, time: Duration) {
        self.shown += time;
        self.forward += time;
    }
}
