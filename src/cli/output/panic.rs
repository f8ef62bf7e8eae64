//! Panic handling: exit code 70 and a message that says it is a bug, from every command.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{error::ErrorKind, text::stdio};

/// How often a stalled reader is checked.
const LOOK: Duration = Duration::from_millis(100);

/// True once any thread panicked whose panic is not shown elsewhere: such a run does not succeed, whichever thread
/// waited for it.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// What is printed after the panic's own lines.
const REPORT: &str = "\
requorum: internal error. This is a bug in requorum, not a mistake of yours.
  Please report it to the publisher of requorum: the lines above, `requorum --version`, and what you did before.
  Your existing data is kept; unfinished work stays where it is, and the same command can be run again.
  A backtrace for the report: set RUST_BACKTRACE=1.";

/// Installs the panic hook: the message is escaped as all output is, since it may repeat foreign text. A closed
/// standard error does not cause a second panic.
pub(in crate::cli) fn hook() {
    panic::set_hook(Box::new(|info| {
        BROKEN.store(true, Ordering::SeqCst);
        let thread = thread::current();
        let mut text = format!("\nthread '{}' {info}", thread.name().unwrap_or("<unnamed>"));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            text += &format!("\nstack backtrace:\n{trace}");
        }
        stdio::warn(&text);
    }));
}

/// Runs `work` and returns its exit code; 70 where it, or a thread that it started, panics. By then the panic hook has
/// restored the terminal and printed the message, and everything that `work` held is dropped.
pub fn guarded(work: impl FnOnce() -> u8) -> u8 {
    let code = match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) if !BROKEN.load(Ordering::SeqCst) => code,
        Ok(_) | Err(_) => {
            stdio::warn(REPORT);
            ErrorKind::Bug.exit_code()
        }
    };
    read_out();
    code
}

/// Waits for a stalled reader (Ctrl-S, a pager) to take what was printed, as any program does. A signal ends the wait;
/// after an earlier signal it does not wait.
fn read_out() {
    if stdio::settled(stdio::PATIENCE) || stdio::hurried() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let ears = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = ears else { return };
        while !stdio::settled(Duration::ZERO) && !stdio::hurried() {
            tokio::select! {
                _ = interrupt.recv() => return,
                _ = terminate.recv() => return,
                _ = hangup.recv() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    });
}

#[cfg(test)]
#[allow(clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_exits_70_and_drops_everything_held() {
        struct Held<'a>(&'a std::cell::Cell<bool>);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let dropped = std::cell::Cell::new(false);
        let code = guarded(|| {
            let _held = Held(&dropped);
            panic!("made up")
        });
        assert_eq!((code, dropped.get()), (70, true));
        assert_eq!(guarded(|| 5), 5, "every other code stays as it is");
    }

    /// Which of the ways to panic a child of the test below takes.
    const WAY: &str = "REQUORUM_TEST_PANIC";

    fn panics(way: &str) -> u8 {
        let defect = || panic!("made \u{1b}[2J up");
        match way {
            "itself" => defect(),
            "caught" => drop(panic::catch_unwind(defect)),
            "joined" => drop(thread::spawn(defect).join()),
            "scoped" => thread::scope(|scope| drop(scope.spawn(defect).join())),
            "detached" => {
                let (held, ended) = std::sync::mpsc::channel::<()>();
                thread::spawn(move || {
                    let _held = held;
                    defect();
                });
                // the panic has been spoken of before it drops what its thread holds
                assert!(ended.recv().is_err());
            }
            "pooled" => {
                let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                let runtime = runtime.unwrap_or_else(|e| panic!("{e}"));
                assert!(runtime.block_on(runtime.spawn_blocking(defect)).is_err());
            }
            other => assert_eq!(other, "not at all"),
        }
        5
    }

    /// No run that a thread panicked in ends with a code of its own, whoever waited for that thread. In processes of their
    /// own: the hook, and what it remembers, are the whole process's.
    #[test]
    fn a_panic_in_any_thread_exits_70() {
        if let Ok(way) = std::env::var(WAY) {
            hook();
            std::process::exit(guarded(|| panics(&way)).into());
        }
        for way in ["not at all", "itself", "caught", "joined", "scoped", "detached", "pooled"] {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap_or_default());
            let (_, room) = module_path!().split_once("::").unwrap_or_default();
            child.args(["--exact", &format!("{room}::a_panic_in_any_thread_exits_70"), "--nocapture"]);
            let output = child.env(WAY, way).output().unwrap_or_else(|e| panic!("{e}"));
            let text = String::from_utf8_lossy(&output.stderr);
            let wants = if way == "not at all" { 5 } else { 70 };
            assert_eq!(output.status.code(), Some(wants), "{way}: {text}");
            assert_eq!(text.matches(REPORT).count(), usize::from(wants == 70), "{way}: {text}");
            assert_eq!(text.contains("made \\u{1b}[2J up"), wants == 70, "{way}: {text}");
        }
    }
}
