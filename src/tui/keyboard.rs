//! Keys from the terminal, read on a thread of their own. crossterm is never asked from the event loop's thread: it reads a
//! terminal that hung up, or one that sent half an escape sequence, until an event comes of it, and that may be never.

use std::{
    io,
    os::fd::IntoRawFd,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crossterm::event::{self, Event};
use rustix::{pipe, stdio};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::terminal::hung_up;

/// How long the reader may take to notice that it is to pause or to end.
const NOTICE: Duration = Duration::from_millis(50);

const READING: u8 = 0;
const PAUSED: u8 = 1;
/// An event is in crossterm's queue, and the reader waits until it was taken.
const READY: u8 = 2;
const ENDED: u8 = 3;

/// The keys of the terminal; dropping it ends the reading, so that who reads the terminal next gets every key.
pub(crate) struct Keyboard {
    ready: UnboundedReceiver<io::Result<()>>,
    state: Arc<AtomicU8>,
    reader: thread::Thread,
    /// Closed once the reader has ended.
    ended: mpsc::Receiver<()>,
}

impl Keyboard {
    /// Starts reading keys.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn new() -> io::Result<Keyboard> {
        let (sender, ready) = unbounded_channel();
        let state = Arc::new(AtomicU8::new(READING));
        let seen = state.clone();
        let (alive, ended) = mpsc::channel::<()>();
        let read = move || {
            let _alive = alive;
            read(&seen, &sender);
        };
        let reader = thread::Builder::new().name("keys".into()).spawn(read)?;
        Ok(Keyboard { ready, state, reader: reader.thread().clone(), ended })
    }

    /// The next event; none once the terminal cannot be read any more. What is not asked for stays for the next keyboard.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Event>> {
        Some(match self.ready.recv().await? {
            Ok(()) => {
                // in the queue already: this does not look at the terminal
                let event = event::read();
                self.change(READY, READING);
                event
            }
            Err(error) => Err(error),
        })
    }

    /// Leaves the keys to others until [`Self::resume`].
    pub(crate) fn pause(&self) {
        // a reader whose event was not taken yet pauses by itself
        self.change(READING, PAUSED);
    }

    /// Reads again.
    pub(crate) fn resume(&self) {
        self.change(PAUSED, READING);
    }

    fn change(&self, from: u8, to: u8) {
        let _ = self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        self.reader.unpark();
    }

    /// Ends the reading of a terminal that went away. Where crossterm is reading it at this moment it would use a processor
    /// until the process ends, so standard input becomes a pipe that is empty: that one it leaves.
    pub(crate) fn hang_up(&self) {
        self.end();
        if hung_up()
            && let Ok((empty, writer)) = pipe::pipe_with(pipe::PipeFlags::NONBLOCK | pipe::PipeFlags::CLOEXEC)
        {
            // without a writer the pipe would be at its end, which crossterm does not leave either
            let _ = writer.into_raw_fd();
            let _ = stdio::dup2_stdin(empty);
        }
    }

    fn end(&self) {
        self.state.store(ENDED, Ordering::SeqCst);
        self.reader.unpark();
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.end();
        // one that crossterm holds in half an escape sequence does not end, and is not waited for
        let _ = self.ended.recv_timeout(2 * NOTICE);
    }
}

/// Waits for events until it is to end or there is nothing to read from.
fn read(state: &AtomicU8, ready: &UnboundedSender<io::Result<()>>) {
    loop {
        match state.load(Ordering::SeqCst) {
            READING => {}
            PAUSED | READY => {
                thread::park();
                continue;
            }
            _ => return,
        }
        match event::poll(NOTICE) {
            Ok(false) => {}
            Ok(true) => {
                let still = state.compare_exchange(READING, READY, Ordering::SeqCst, Ordering::SeqCst).is_ok();
                if still && ready.send(Ok(())).is_err() {
                    return;
                }
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        }
    }
}
