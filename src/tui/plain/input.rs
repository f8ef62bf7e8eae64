//! Lines of standard input, one at a time: what comes after a line stays for whoever reads next, such as the menu of a
//! paused drill.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    stdio,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// How long the reader may take to notice that it is to end.
const NOTICE: Duration = Duration::from_millis(50);

/// The longest line that is taken; what is beyond is left out.
const LONGEST: usize = 64 << 10;

/// Reads one line and nothing after it; `None` at the end of the input.
///
/// # Errors
/// When standard input cannot be read.
pub(crate) fn read_line() -> io::Result<Option<String>> {
    read_until(&AtomicBool::new(false))
}

fn read_until(ended: &AtomicBool) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(NOTICE.subsec_nanos()) };
    loop {
        if ended.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let stdin = stdio::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&limit)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut byte = [0];
        match rustix::io::read(stdin, &mut byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte == [b'\n'] => break,
            Ok(_) if line.len() < LONGEST => line.extend(byte),
            Ok(_) | Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches('\r').to_string()))
}

/// Reads lines on a thread of its own, each only when it is asked for.
pub(super) struct Lines {
    ask: mpsc::Sender<()>,
    ready: UnboundedReceiver<Option<String>>,
    asked: bool,
    ended: Arc<AtomicBool>,
}

impl Lines {
    /// Starts the thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn new() -> io::Result<Lines> {
        let (ask, asked) = mpsc::channel::<()>();
        let (sender, ready) = unbounded_channel();
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        let read = move || {
            while asked.recv().is_ok() {
                // a terminal that is gone has no more lines
                let line = read_until(&end).unwrap_or(None);
                if sender.send(line).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("lines".into()).spawn(read)?;
        Ok(Lines { ask, ready, asked: false, ended })
    }

    /// The next line; none at the end of the input.
    pub(super) async fn next(&mut self) -> Option<String> {
        if !self.asked {
            self.ask.send(()).ok()?;
            self.asked = true;
        }
        let line = self.ready.recv().await.flatten();
        self.asked = false;
        line
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}
