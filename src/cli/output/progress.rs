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
    text::{number::size, stdio},
};

/// True while an answer is waited for.
static QUESTION: AtomicBool = AtomicBool::new(false);

/// Waits for the answer to a question. Once there was [`interruptible`] work signals stay caught, and nothing else than they
/// themselves ends a wait for what may never be typed.
///
/// # Errors
/// `Stopped` when a signal came before it; else what `answer` says.
pub(in crate::cli) fn answered<T>(answer: impl FnOnce() -> Result<T>) -> Result<T> {
    QUESTION.store(true, Ordering::SeqCst);
    // a signal from now on sees that there is a question, and one from before is seen here
    let answer = match stdio::hurried() {
        true => Err(Error::new(ErrorKind::Stopped, "stopped before it was asked")),
        false => answer(),
    };
    QUESTION.store(false, Ordering::SeqCst);
    answer
}

/// Shows steps on a terminal, at most ten a second; says nothing elsewhere.
pub(in crate::cli) struct Meter {
    cancel: Cancel,
    shown: bool,
    phase: Option<(Phase, Instant)>,
    last: Option<Instant>,
}

impl Meter {
    /// A meter that answers with `cancel`'s wish.
    pub(in crate::cli) fn new(cancel: Cancel) -> Meter {
        Meter { cancel, shown: io::stderr().is_terminal(), phase: None, last: None }
    }

    /// Takes one step.
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

/// `copying the database: 21 MB of 38 MB, 9.0 MB/s, 2 s left`; the time only after three seconds.
fn line(step: Progress, since: Duration) -> String {
    let words = step.phase.words();
    if step.total == 0 {
        return words.to_string();
    }
    format!("{words}: {} of {}{}", size(step.done), size(step.total), rate(step, since))
}

/// `, 9.0 MB/s, 2 s left`; nothing in the first three seconds, in which it would jump.
pub(in crate::cli) fn rate(step: Progress, since: Duration) -> String {
    if since < Duration::from_secs(3) || step.done == 0 || step.total == 0 {
        return String::new();
    }
    let rate = step.done as f64 / since.as_secs_f64();
    let left = step.total.saturating_sub(step.done) as f64 / rate;
    format!(", {}/s, {left:.0} s left", size(rate as u64))
}

/// Runs `work` while Ctrl-C and TERM ask it to stop at its next safe point. Who asks twice is not kept waiting for
/// that point, which a disk or a network that hangs may never let come: whatever is under way is left as a power cut
/// leaves it, and the next run clears up; only the part of a snapshot that is being saved is removed at once.
pub(in crate::cli) fn interruptible<T>(work: impl FnOnce(&Cancel) -> Result<T>) -> Result<T> {
    let cancel = Cancel::default();
    if stdio::hurried() {
        // asked for between two pieces of work
        cancel.stop();
    }
    let deaf = |e: io::Error| Error::new(ErrorKind::Failed, "cannot listen for signals").why(e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(deaf)?;
    let hand = cancel.clone();
    // Before the work begins, so that no signal finds the process without an ear.
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
                stdio::warn("\nStopping at the next safe point; Ctrl-C once more ends at once.");
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
        assert_eq!(line(Progress { phase: Phase::Place, done: 0, total: 0 }, Duration::ZERO), "putting it in place");
    }
}
