//! The terminal, taken and given back: raw mode, alternate screen, bracketed paste. Given back
//! exactly once, on every way out: return, error, panic, signal.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
    time::{Duration, Instant},
};

use crossterm::{
    cursor, event, queue,
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
        disable_raw_mode, enable_raw_mode,
    },
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::{effects::THREAD, state::messages::Clipboard, widgets::layout};
use crate::text::stdio;

/// True while the terminal is ours. One per process, as the terminal is.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The thread that holds it.
static HOLDER: Mutex<Option<ThreadId>> = Mutex::new(None);

/// What draws on the terminal: a picture at a time, each handed over whole. Where the terminal does not take one,
/// because its connection stalled, the next waits and whoever draws does not.
pub(crate) struct Canvas {
    terminal: Terminal<CrosstermBackend<Gathered>>,
    bytes: Gathered,
    /// Since when a picture has been waiting for the one before.
    late: Option<Instant>,
}

/// The bytes of one picture.
#[derive(Clone, Default)]
struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Gathered {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Gathered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Canvas {
    /// One on standard output.
    ///
    /// # Errors
    /// When the terminal does not say how large it is.
    pub(crate) fn new() -> io::Result<Canvas> {
        let bytes = Gathered::default();
        let terminal = Terminal::new(CrosstermBackend::new(bytes.clone()))?;
        Ok(Canvas { terminal, bytes, late: None })
    }

    /// Draws one picture, as one update so that no terminal shows half of it. False where the terminal has not taken
    /// the one before yet; after a long wait for that the next one is drawn from nothing.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(crate) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        if !stdio::taken()? {
            self.late.get_or_insert_with(Instant::now);
            return Ok(false);
        }
        queue!(self.bytes, BeginSynchronizedUpdate)?;
        if self.late.take().is_some_and(|since| since.elapsed() >= stdio::PATIENCE) {
            // not `clear`, which asks the terminal where its cursor is: the answer is among the keys, that another
            // thread reads
            queue!(self.bytes, Clear(ClearType::All))?;
            self.terminal = Terminal::new(CrosstermBackend::new(self.bytes.clone()))?;
        }
        self.terminal.draw(|frame| {
            picture(frame);
            layout::disarm(frame.buffer_mut());
        })?;
        queue!(self.bytes, EndSynchronizedUpdate)?;
        stdio::picture(self.bytes.take()).map(|()| true)
    }
}

/// The terminal as long as it is ours; dropping it gives the terminal back.
pub(crate) struct Guard;

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When the terminal does not let itself be set up; it is given back then.
    pub(crate) fn take() -> io::Result<Guard> {
        let guard = Guard;
        take()?;
        Ok(guard)
    }

    /// Gives the terminal back, stops this process as Ctrl-Z does, and takes the terminal again
    /// when it goes on.
    ///
    /// # Errors
    /// When the terminal cannot be taken again.
    pub(super) async fn suspend(&self) -> io::Result<()> {
        // the stop reaches a process with several threads a moment later: only the signal to go on
        // tells that it was stopped
        let mut goes_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        give_back();
        kill_process(getpid(), Signal::STOP)?;
        goes_on.recv().await;
        take()
    }
}

/// Whether the terminal was hung up. crossterm does not notice: a read of such a terminal returns nothing, at once,
/// forever; and SIGHUP reaches the leader of the session only, which may not pass it on.
pub(super) fn hung_up() -> bool {
    matches!(rustix::termios::tcgetattr(stdio::stdout()), Err(rustix::io::Errno::IO))
}

fn take() -> io::Result<()> {
    TAKEN.store(true, Ordering::SeqCst);
    *HOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
    stdio::screens(true);
    enable_raw_mode()?;
    let mut bytes = Vec::new();
    queue!(bytes, EnterAlternateScreen, Clear(ClearType::All), event::EnableBracketedPaste, cursor::Hide)?;
    stdio::control(&bytes)
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back if it is ours. Errors are of no use here: there is nowhere to report them.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut bytes = Vec::new();
        let _ = queue!(bytes, EndSynchronizedUpdate, event::DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        // one that is not read gets it when it is, if this process still runs by then
        let _ = stdio::control(&bytes);
        let _ = disable_raw_mode();
        stdio::screens(false);
    }
}

/// Makes panics give the terminal back before they speak. A panic in an effect's thread is caught there and shown by
/// the wizard; its message must not land on the screen. A message of any other thread that does not hold the terminal
/// comes after the screens: the wizard goes on, or ends by itself where it needed that thread.
pub(crate) fn hook_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let (this, taken) = (thread::current(), TAKEN.load(Ordering::SeqCst));
        if taken && this.name() == Some(THREAD) {
            return;
        }
        let holder = *HOLDER.lock().unwrap_or_else(PoisonError::into_inner);
        if holder.is_none_or(|holder| holder == this.id()) {
            give_back();
        }
        before(info);
    }));
}

/// What a terminal is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Screens.
    Screens,
    /// Lines, one after the other.
    Lines,
    /// Nothing: it is a pipe or a file.
    Nothing,
}

/// What can be shown here; `terminal` says whether both ends are one, `name` is TERM.
pub(super) fn fit(terminal: bool, name: Option<&OsStr>) -> Fit {
    match () {
        () if !terminal => Fit::Nothing,
        () if name.is_some_and(|name| name == "dumb") => Fit::Lines,
        () => Fit::Screens,
    }
}

/// How long tmux may take to take a text.
const TMUX: Duration = Duration::from_secs(3);

/// Copies a text: by tmux where this runs in one that takes it, which also reaches the clipboard of the terminal around it;
/// else by the escape sequence of terminals. May take a moment.
///
/// # Errors
/// When the terminal is gone.
pub(super) fn copy(text: &str) -> io::Result<Clipboard> {
    let in_tmux = env::var_os("TMUX").is_some_and(|value| !value.is_empty());
    if in_tmux && into_tmux(text) {
        return Ok(Clipboard::Tmux);
    }
    stdio::control(copy_sequence(text, in_tmux).as_bytes()).map(|()| Clipboard::Terminal)
}

/// Gives a text to tmux. False where there is no `tmux` in PATH, or one that is too old for this (before 3.2).
pub(super) fn into_tmux(text: &str) -> bool {
    let mut command = Command::new("tmux");
    command.args(["load-buffer", "-w", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    // one that does not read ends by itself or below, and then this ends, too
    let text = text.to_string();
    let input = child.stdin.take().map(|mut input| thread::spawn(move || input.write_all(text.as_bytes()).is_ok()));
    let deadline = Instant::now() + TMUX;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break false;
            }
        }
    };
    ended && input.is_some_and(|input| input.join().unwrap_or(false))
}

/// The escape sequence (OSC 52) that asks the terminal to put `text` on its clipboard; inside tmux
/// wrapped so that tmux passes it on.
pub(super) fn copy_sequence(text: &str, in_tmux: bool) -> String {
    let plain = format!("\x1b]52;c;{}\x07", base64(text.as_bytes()));
    if in_tmux { format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")) } else { plain }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * i) & 63) as usize).copied().unwrap_or(b'A');
            out.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumb_terminals_get_lines() {
        for (terminal, name, wanted) in [
            (false, Some("xterm"), Fit::Nothing),
            (false, Some("dumb"), Fit::Nothing),
            (true, Some("dumb"), Fit::Lines),
            (true, Some("vt100"), Fit::Screens),
            (true, None, Fit::Screens),
        ] {
            assert_eq!(fit(terminal, name.map(AsRef::as_ref)), wanted, "{terminal} {name:?}");
        }
    }

    #[test]
    fn base64_of_rfc_4648() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn tmux_gets_the_sequence_wrapped() {
        assert_eq!(copy_sequence("f", false), "\x1b]52;c;Zg==\x07");
        assert_eq!(copy_sequence("f", true), "\x1bPtmux;\x1b\x1b]52;c;Zg==\x07\x1b\\");
    }
}
