//! A pseudo-terminal with a program in it: send keys, wait until the screen shows something.
//! Waiting is for events (new output, the program's end), never for time to pass.

use std::{
    io::{Read, Write},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tempfile::TempDir;

use super::callers_variables;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(50);
/// ECHO and ICANON of Linux' `c_lflag`: both on outside of raw mode.
const COOKED: u32 = 0o12;

struct Shown {
    parser: vt100::Parser,
    ended: bool,
}

/// A program in a pseudo-terminal; ended with the test.
pub struct Pty {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    child: Box<dyn Child + Send + Sync>,
    /// True while the terminal is not read.
    stalled: Arc<(Mutex<bool>, Condvar)>,
    _home: TempDir,
}

impl Pty {
    /// Starts `argv` with `env` added, in a terminal of this size. Its home is empty: a run that another test has not
    /// ended yet would be offered to it otherwise.
    pub fn spawn(argv: &[&str], env: &[(&str, &str)], cols: u16, rows: u16) -> Pty {
        let pair = native_pty_system().openpty(size(cols, rows)).unwrap();
        let mut command = CommandBuilder::new(argv[0]);
        command.args(&argv[1..]);
        command.env("TERM", "xterm-256color");
        for unset in ["NO_COLOR", "TMUX", "SSH_CONNECTION", "RUST_BACKTRACE"] {
            command.env_remove(unset);
        }
        for unset in callers_variables() {
            command.env_remove(unset);
        }
        let home = tempfile::tempdir().unwrap();
        command.env("HOME", home.path());
        for (name, value) in env {
            command.env(name, value);
        }
        command.cwd(std::env::temp_dir());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shown =
            Arc::new((Mutex::new(Shown { parser: vt100::Parser::new(rows, cols, 0), ended: false }), Condvar::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let fed = shown.clone();
        let stalled = Arc::new((Mutex::new(false), Condvar::new()));
        let held = stalled.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                drop(held.1.wait_while(held.0.lock().unwrap(), |stalled| *stalled).unwrap());
                let n = output.read(&mut bytes).unwrap_or(0);
                let Ok(mut shown) = fed.0.lock() else { return };
                shown.parser.process(&bytes[..n]);
                shown.ended = n == 0;
                fed.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Pty { master: pair.master, keys, shown, child, stalled, _home: home }
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows `text`.
    pub fn wait(&self, text: &str) {
        let (shown, changed) = &*self.shown;
        let mut shown = shown.lock().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !shown.parser.screen().contents().contains(text) {
            let contents = shown.parser.screen().contents();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !shown.ended, "waiting for {text:?}, seeing:\n{contents}");
            shown = changed.wait_timeout(shown, left).unwrap().0;
        }
    }

    /// True as soon as the screen shows `text`; false when it does not within `limit`.
    pub fn shows(&self, text: &str, limit: Duration) -> bool {
        let (shown, changed) = &*self.shown;
        let shown = shown.lock().unwrap();
        let missing = |shown: &mut Shown| !shown.parser.screen().contents().contains(text);
        !changed.wait_timeout_while(shown, limit, missing).unwrap().1.timed_out()
    }

    /// Waits until the screen shows one of `texts`; which.
    pub fn wait_any(&self, texts: &[&str]) -> usize {
        let mut found = None;
        self.wait_until(&format!("one of {texts:?} is shown"), |pty| {
            let screen = pty.screen();
            found = texts.iter().position(|text| screen.contains(text));
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until something holds that has no event of its own.
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&Pty) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "waiting until {what}: {}\n{}", self.modes(), self.screen());
            let (shown, changed) = &*self.shown;
            drop(changed.wait_timeout(shown.lock().unwrap(), Duration::from_millis(20)).unwrap());
        }
    }

    /// The screen's text.
    pub fn screen(&self) -> String {
        self.shown.0.lock().unwrap().parser.screen().contents()
    }

    fn modes(&self) -> String {
        let shown = self.shown.0.lock().unwrap();
        let screen = shown.parser.screen();
        format!(
            "alternate screen {}, bracketed paste {}, cursor hidden {}, cooked {}, ended {}",
            screen.alternate_screen(),
            screen.bracketed_paste(),
            screen.hide_cursor(),
            self.cooked(),
            shown.ended
        )
    }

    /// True while the terminal is the wizard's.
    pub fn taken(&self) -> bool {
        let shown = self.shown.0.lock().unwrap();
        let screen = shown.parser.screen();
        screen.alternate_screen() && screen.bracketed_paste() && screen.hide_cursor() && !self.cooked()
    }

    /// True when the terminal is as it was.
    pub fn given_back(&self) -> bool {
        let shown = self.shown.0.lock().unwrap();
        let screen = shown.parser.screen();
        !screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor() && self.cooked()
    }

    fn cooked(&self) -> bool {
        self.master.get_termios().unwrap().local_flags.bits() & COOKED == COOKED
    }

    /// Changes the terminal's size.
    pub fn resize(&self, cols: u16, rows: u16) {
        self.shown.0.lock().unwrap().parser.screen_mut().set_size(rows, cols);
        self.master.resize(size(cols, rows)).unwrap();
    }

    /// From now on the terminal is not read, as where a connection stalls, and it is full.
    pub fn stall(&self) {
        *self.stalled.0.lock().unwrap() = true;
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = open(self.master.tty_name().unwrap(), flags, Mode::empty()).unwrap();
        // what is under way may still be read: full twice in a row is full
        let mut full = 0;
        while full < 2 {
            match rustix::io::write(&terminal, &[0; 64]) {
                Ok(_) => full = 0,
                Err(Errno::AGAIN) => {
                    full += 1;
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(e) => panic!("the terminal: {e}"),
            }
        }
    }

    /// The terminal is read again.
    pub fn read_on(&self) {
        *self.stalled.0.lock().unwrap() = false;
        self.stalled.1.notify_all();
    }

    /// Waits for the program's end while the terminal is not read.
    pub fn code_unread(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "it does not end while its terminal is not read");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|p| Pid::from_raw(i32::try_from(p).unwrap())).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the program's end and for its last output.
    pub fn exit_code(&mut self) -> u32 {
        let (shown, changed) = &*self.shown;
        let mut shown = shown.lock().unwrap();
        let deadline = Instant::now() + PATIENCE;
        while !shown.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waiting for its end, seeing:\n{}", shown.parser.screen().contents());
            shown = changed.wait_timeout(shown, left).unwrap().0;
        }
        drop(shown);
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.read_on();
        let _ = self.child.kill();
    }
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
