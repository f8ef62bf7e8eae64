//! The clock of an exercise. It can stand still, and for tests and impatient trainees it can be put forward.

use std::time::{Duration, Instant};

/// A clock that was started when it was made.
#[derive(Debug)]
pub struct Clock {
    /// What it showed when it last began to go.
    shown: Duration,
    /// When that was; none while it stands.
    since: Option<Instant>,
    /// By how much it was put forward.
    forward: Duration,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { shown: Duration::ZERO, since: Some(Instant::now()), forward: Duration::ZERO }
    }
}

impl Clock {
    /// What it shows.
    pub fn elapsed(&self) -> Duration {
        self.shown + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// By how much it was put forward: so much later it is in the exercise's world.
    pub fn forward(&self) -> Duration {
        self.forward
    }

    /// Lets it stand still.
    pub fn stop(&mut self) {
        self.shown = self.elapsed();
        self.since = None;
    }

    /// Lets it go on.
    pub fn go(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// True while it stands still.
    pub fn stands(&self) -> bool {
        self.since.is_none()
    }

    /// Puts it forward.
    pub fn skip(&mut self, time: Duration) {
        self.shown += time;
        self.forward += time;
    }
}
