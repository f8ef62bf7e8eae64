//! What becomes of a panic: exit code 70 and a message that says whose fault it is, on every way in.

use std::{
    io::{self, Write},
    panic::{self, AssertUnwindSafe},
};

use crate::trouble::Kind;

/// What is printed after the panic's own lines.
const REPORT: &str = "\
requorum: internal error. This is a bug in requorum, not a mistake of yours.
  Please report it to whoever publishes requorum: the lines above, `requorum --version`, and what was done before it.
  What was there before is still there; what was begun stays where it is, and the same command can be run again.
  A backtrace for the report: set RUST_BACKTRACE=1.";

/// Runs `work`, and returns its exit code; 70 where it panics. By then the panic hook has given the terminal back and
/// spoken, and everything that `work` held is dropped.
pub fn guarded(work: impl FnOnce() -> u8) -> u8 {
    match panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) => code,
        Err(_) => {
            // a closed standard error must not make a second panic of it
            let _ = writeln!(io::stderr(), "{REPORT}");
            Kind::Bug.exit_code()
        }
    }
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
