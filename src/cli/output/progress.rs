//! Progress of long work on standard error, and Ctrl-C as a request to stop at a safe point.

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    engine::progress::{Flow, Phase, Progress},
    error::{Error, ErrorKind, Result},
    execute::Cancel,
    system::etcd_client::abandon,
    text::{
        size::size,
        stdio::{self, Detail},
    },
};

/// True while a question is open.
static QUESTION: AtomicBool = AtomicBool::new(false);

/// Waits for the answer to a question. After [`interruptible`] work signals stay caught, so only the signal handler
/// can end a wait for an answer that never comes.
///
/// # Errors
/// `Stopped` when a signal came before it; else as `answer`.
pub(in crate::cli) fn answered<T>(answer: impl FnOnce() -> Result<T>) -> Result<T> {
    QUESTION.store(true, Ordering::SeqCst);
    // a later signal sees the question, an earlier one is seen here
    let answer = match stdio::hurried() {
        true => Err(Error::new(ErrorKind::Stopped, "stopped before the question")),
        false => answer(),
    };
    QUESTION.store(false, Ordering::SeqCst);
    answer
}

/// Shows progress on a terminal, at most ten times a second; prints nothing elsewhere.
pub(in crate::cli) struct Meter {
    cancel: Cancel,
    shown: bool,
    phase: Option<(Phase, Instant)>,
    last: Option<Instant>,
}

impl Meter {
    /// Creates a meter that returns `cancel`'s state at each step.
    pub(in crate::cli) fn new(cancel: Cancel) -> Meter {
        Meter { cancel, shown: io::stderr().is_terminal() && stdio::detail() != Detail::Least, phase: None, last: None }
    }

    /// Shows one step.
    pub(in crate::cli) fn step(&mut self, who: &str, step: Progress) -> Flow {
        let now = Instant::now();
        if self.phase.is_none_or(|(phase, _)| phase != step.phase) {
            self.phase = Some((step.phase, now));
            self.last = None;
        }
        if self.shown && self.last.is_none_or(|last| now - last >= Duration::from_millis(100)) {
            self.last = Some(now);
            let since = self.phase.map_or(Duration::ZERO, |(_, start)| now - start);
            stdio::status(&format!("{who}{}", line(step, since)));
        }
        self.cancel.flow()
    }

    /// Clears the line.
    pub(in crate::cli) fn done(&mut self) {
        if self.shown && self.phase.take().is_some() {
            stdio::status("");
        }
    }
}

/// Returns `copying the database: 21 MB of 38 MB, 9.0 MB/s, 2 s left`; rate and time only after three seconds.
fn line(step: Progress, since: Duration) -> String {
    let words = step.phase.words();
    if step.total == 0 {
        return words.to_string();
    }
    format!("{words}: {} of {}{}", size(step.done), size(step.total), rate(step, since))
}

/// Returns `, 9.0 MB/s, 2 s left`; nothing in the first three seconds, in which it would jump.
pub(in crate::cli) fn rate(step: Progress, since: Duration) -> String {
    if since < Duration::from_secs(3) || step.done == 0 || step.total == 0 {
        return String::new();
    }
    let rate = step.done as f64 / since.as_secs_f64();
    let left = step.total.saturating_sub(step.done) as f64 / rate;
    format!(", {}/s, {left:.0} s left", size(rate as u64))
}

/// Runs `work`; Ctrl-C, TERM and HUP stop it at its next safe point. A second signal ends the process at once, since a
/// disk or network that hangs may never let that point come: the work is left as a power cut leaves it, and the next
/// run cleans up; only the part of a snapshot that is being saved is removed.
pub(in crate::cli) fn interruptible<T>(work: impl FnOnce(&Cancel) -> Result<T>) -> Result<T> {
    let cancel = Cancel::default();
    if stdio::hurried() {
        // a signal came between two pieces of work
        cancel.stop();
    }
    let deaf = |e: io::Error| Error::new(ErrorKind::Failed, "signals: cannot listen").why(e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(deaf)?;
    let hand = cancel.clone();
    // Before the work starts, so that no signal is missed.
    let ears = {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    if let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = ears {
        let listen = async move {
            let mut again = false;
            loop {
                let heard = tokio::select! {
                    heard = interrupt.recv() => heard,
                    heard = terminate.recv() => heard,
                    heard = hangup.recv() => heard,
                };
                if heard.is_none() {
                    return;
                }
                stdio::hurry();
                if QUESTION.load(Ordering::SeqCst) {
                    stdio::warn("");
                    std::process::exit(ErrorKind::Stopped.exit_code().into());
                }
                // signals stay caught as long as the process lives, and what it still prints may wait for its reader
                if ended.load(Ordering::SeqCst) {
                    continue;
                }
                if again {
                    abandon();
                    std::process::exit(ErrorKind::Stopped.exit_code().into());
                }
                again = true;
                hand.stop();
                stdio::warn("\nStopping at the next safe point. Press Ctrl-C again to end at once.");
            }
        };
        // on a thread of its own, since a runtime's own threads panic where none can be started
        let hear = move || runtime.block_on(listen);
        std::thread::Builder::new().name("signals".into()).spawn(hear).map_err(deaf)?;
    }
    let outcome = work(&cancel);
    over.store(true, Ordering::SeqCst);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_comes_late_and_from_bytes() {
        let step = Progress { phase: Phase::Copy, done: 21_000_000, total: 38_000_000 };
        assert_eq!(line(step, Duration::from_secs(1)), "copying the database: 21 MB of 38 MB");
        assert_eq!(line(step, Duration::from_secs(3)), "copying the database: 21 MB of 38 MB, 7.0 MB/s, 2 s left");
        assert_eq!(line(Progress { phase: Phase::Place, done: 0, total: 0 }, Duration::ZERO), "installing");
    }
}
