//! What becomes of a panic: exit code 70 and a message that says whose fault it is, on every way in.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use crate::{text::output, trouble::Kind};

/// How often it is looked whether a reader that stopped reads again.
const LOOK: Duration = Duration::from_millis(100);

/// True once any thread panicked whose panic is not shown elsewhere: no run ends well after that, whoever waited for it.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// What is printed after the panic's own lines.
const REPORT: &str = "\
requorum: internal error. This is a bug in requorum, not a mistake of yours.
  Please report it to whoever publishes requorum: the lines above, `requorum --version`, and what was done before it.
  What was there before is still there; what was begun stays where it is, and the same command can be run again.
  A backtrace for the report: set RUST_BACKTRACE=1.";

/// Makes panics speak through the door that all goes through: a panic's message may repeat what a file or host said. A
/// closed standard error does not make a second panic of it.
pub(super) fn hook() {
    panic::set_hook(Box::new(|info| {
        BROKEN.store(true, Ordering::SeqCst);
        let thread = thread::current();
        let mut text = format!("\nthread '{}' {info}", thread.name().unwrap_or("<unnamed>"));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            text += &format!("\nstack backtrace:\n{trace}");
        }
        output::warn(&text);
    }));
}

/// Runs `work`, and returns its exit code; 70 where it panics, or a thread that it began. By then the panic hook has given
/// the terminal back and spoken, and everything that `work` held is dropped.
pub fn guarded(work: impl FnOnce() -> u8) -> u8 {
    let code = match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) if !BROKEN.load(Ordering::SeqCst) => code,
        Ok(_) | Err(_) => {
            output::warn(REPORT);
            Kind::Bug.exit_code()
        }
    };
    read_out();
    code
}

/// Waits for a reader that stopped reading (Ctrl-S, a pager) to take what was printed, as any program does; a signal ends
/// that, and where one asked for the end already it is not begun.
fn read_out() {
    if output::settled(output::PATIENCE) || output::hurried() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let ears = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = ears else { return };
        while !output::settled(Duration::ZERO) && !output::hurried() {
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
    fn a_panic_is_exit_code_70_and_drops_what_was_held() {
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
}
