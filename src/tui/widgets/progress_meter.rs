//! How far a piece of work is: bytes, rate and time left, in words. The time comes from outside.

use crate::{
    engine::progress::{Phase, Progress},
    text::size,
};

use crate::text::time;

/// A rate is only shown after this much data-taking, in milliseconds: earlier ones jump about.
const TRUSTED_AFTER_MS: u64 = 3000;

/// How far one piece of work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meter {
    last: Progress,
    /// When its phase began, and with how many bytes already done.
    since_ms: u64,
    since_done: u64,
}

impl Meter {
    /// A meter at the first step of the work.
    pub fn new(progress: Progress, now_ms: u64) -> Self {
        Meter { last: progress, since_ms: now_ms, since_done: progress.done }
    }

    /// Takes a step; a new phase is measured afresh.
    pub fn step(&mut self, progress: Progress, now_ms: u64) {
        if progress.phase != self.last.phase || progress.done < self.last.done {
            *self = Meter::new(progress, now_ms);
        }
        self.last = progress;
    }

    /// The phase.
    pub fn phase(&self) -> Phase {
        self.last.phase
    }

    /// How much of its phase is done, in percent; 0 where that is not known.
    pub fn percent(&self) -> u64 {
        let part = u128::from(self.last.done) * 100 / u128::from(self.last.total.max(1));
        if self.last.total == 0 { 0 } else { u64::try_from(part).unwrap_or(100).min(100) }
    }

    /// Bytes done: `21 MB of 38 MB`; work that has moved all its bytes and is still at it says so.
    pub fn done(&self) -> String {
        match self.last {
            Progress { total: 0, done: 0, .. } => String::new(),
            Progress { total: 0, done, .. } => size::size(done),
            Progress { total, done, .. } if done >= total => format!("{}, finishing", size::size(total)),
            Progress { total, done, .. } => format!("{} of {}", size::size(done), size::size(total)),
        }
    }

    /// Bytes a second, once it is known.
    pub fn rate(&self, now_ms: u64) -> Option<u64> {
        let took = now_ms.saturating_sub(self.since_ms);
        if took < TRUSTED_AFTER_MS {
            return None;
        }
        let moved = self.last.done.saturating_sub(self.since_done);
        Some(u64::try_from(u128::from(moved) * 1000 / u128::from(took)).unwrap_or(u64::MAX))
    }

    /// The rate in words: `9.0 MB/s`, or nothing.
    pub fn rate_words(&self, now_ms: u64) -> String {
        self.rate(now_ms).map_or_else(String::new, |r| format!("{}/s", size::size(r)))
    }

    /// The time left in this phase for a column of that heading: `2 s`, `no estimate`, or nothing.
    pub fn left(&self, now_ms: u64) -> String {
        self.time_left(now_ms, "")
    }

    /// The time left in this phase in words: `2 s left`, `no estimate`, or nothing.
    pub fn left_words(&self, now_ms: u64) -> String {
        self.time_left(now_ms, " left")
    }

    fn time_left(&self, now_ms: u64, after: &str) -> String {
        let left = self.last.total.saturating_sub(self.last.done);
        match self.rate(now_ms) {
            _ if self.last.total == 0 || left == 0 => String::new(),
            None => String::new(),
            Some(0) => "no estimate".into(),
            Some(rate) => format!("{}{after}", time::age(i64::try_from(left.div_ceil(rate)).unwrap_or(i64::MAX))),
        }
    }

    /// All of it in one line.
    pub fn words(&self, now_ms: u64) -> String {
        let parts = [self.phase().words().to_string(), self.done(), self.rate_words(now_ms), self.left_words(now_ms)];
        parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(phase: Phase, done: u64, total: u64) -> Progress {
        Progress { phase, done, total }
    }

    #[test]
    fn a_rate_needs_three_seconds_per_phase() {
        let mb = 1_000_000;
        let mut meter = Meter::new(at(Phase::Copy, 0, 40 * mb), 1000);
        meter.step(at(Phase::Copy, 10 * mb, 40 * mb), 3900);
        assert_eq!(meter.words(3900), "copying the database, 10 MB of 40 MB");
        meter.step(at(Phase::Copy, 20 * mb, 40 * mb), 5000);
        assert_eq!(meter.words(5000), "copying the database, 20 MB of 40 MB, 5.0 MB/s, 4 s left");
        meter.step(at(Phase::Prove, 0, 40 * mb), 6000);
        assert_eq!(meter.rate(6500), None);
    }

    #[test]
    fn work_that_goes_on_is_never_complete() {
        let meter = Meter::new(at(Phase::Copy, 40, 40), 0);
        assert_eq!(meter.words(9000), "copying the database, 40 B, finishing, 0 B/s");
        let unknown = Meter::new(at(Phase::Receive, 4096, 0), 0);
        assert_eq!(unknown.words(0), "receiving, 4.1 kB");
    }

    #[test]
    fn a_standstill_gives_no_estimate() {
        let meter = Meter::new(at(Phase::Copy, 10, 40), 0);
        assert_eq!(meter.left_words(4000), "no estimate");
    }
}
