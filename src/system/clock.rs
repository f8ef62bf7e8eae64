//! Time, and what sets one attempt apart from another: the wall clock, the monotonic clock, sleeping, a random suffix.

use std::time::Duration;

/// The clocks of this machine. Nothing else reads the time that a decision depends on, so that a
/// wrapped system can have a clock of its own.
pub trait Clock: Send + Sync {
    /// Returns the seconds since 1970.
    fn now(&self) -> i64;

    /// Returns the time since an arbitrary start, which never goes back: for deadlines.
    fn monotonic(&self) -> Duration;

    /// Sleeps for this long.
    fn sleep(&self, time: Duration);

    /// Returns a few random hex digits that no other attempt has, for the cluster token and for run IDs.
    fn random_suffix(&self) -> String;
}
