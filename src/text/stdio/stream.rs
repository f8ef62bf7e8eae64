//! Standard output and standard error, each written by a thread of its own where its reader may stall: a terminal
//! whose connection stalled, a pager, a pipe. Printing waits at most [`PATIENCE`] for such a reader; what it has not
//! taken by then is kept in order and is written as soon as it reads again.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{FileType, fstat},
    io::Errno,
};

/// The time without progress after which a reader counts as stalled.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// The most bytes kept for a stalled reader; beyond that printing waits.
const MOST: usize = 4 << 20;

/// The bytes of one write: few enough to notice the progress of a slow reader.
const PIECE: usize = 4096;

/// The most errors kept of writes that were not waited for; older ones are forgotten.
const FAILURES: usize = 8;

/// True once the process was asked to end: from then on nothing waits for a stalled reader.
static HURRIED: AtomicBool = AtomicBool::new(false);

pub(super) static OUT: Stream = Stream::new(Target::Output);
pub(super) static ERR: Stream = Stream::new(Target::Error);

#[derive(Debug, Clone, Copy)]
enum Target {
    Output,
    Error,
    #[cfg(test)]
    Pipe(&'static std::os::fd::OwnedFd),
}

impl Target {
    fn with<T>(self, act: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        match self {
            Target::Output => act(super::stdout().as_fd()),
            Target::Error => act(super::stderr().as_fd()),
            #[cfg(test)]
            Target::Pipe(fd) => act(fd.as_fd()),
        }
    }
}

/// One stream.
pub(super) struct Stream {
    target: Target,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Whether a thread writes; unset until something was printed.
    writer: Option<bool>,
    waiting: VecDeque<Vec<u8>>,
    /// Bytes that were taken, and bytes that are left.
    taken: u64,
    left: usize,
    /// Numbers of texts: the last that was queued, the last that was written or failed.
    last: u64,
    done: u64,
    stalled: bool,
    failures: Vec<(u64, io::Error)>,
}

impl Stream {
    const fn new(target: Target) -> Stream {
        let state = State {
            writer: None,
            waiting: VecDeque::new(),
            taken: 0,
            left: 0,
            last: 0,
            done: 0,
            stalled: false,
            failures: Vec::new(),
        };
        Stream { target, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all of it. For a stalled reader it is kept for later, and that is no error.
    pub(super) fn write(&'static self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        if !self.by_thread(&mut state) {
            drop(state);
            return self.target.with(|fd| write_all(fd, bytes, &mut |_| {}));
        }
        while state.stalled && state.left > MOST {
            if HURRIED.load(Ordering::SeqCst) {
                // the process is ending; the rest is not read
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let number = self.hand_over(&mut state, bytes.to_vec());
        if state.stalled {
            return Ok(());
        }
        let (mut since, mut taken) = (Instant::now(), state.taken);
        while state.done < number {
            if state.taken != taken {
                (since, taken) = (Instant::now(), state.taken);
            }
            let Some(left) = PATIENCE.checked_sub(since.elapsed()) else {
                state.stalled = true;
                return Ok(());
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        match state.failures.iter().position(|(at, _)| *at == number) {
            Some(at) => Err(state.failures.swap_remove(at).1),
            None => Ok(()),
        }
    }

    /// Queues it without waiting.
    pub(super) fn send(&'static self, bytes: Vec<u8>) -> io::Result<()> {
        let mut state = self.lock();
        if self.by_thread(&mut state) {
            self.hand_over(&mut state, bytes);
            return Ok(());
        }
        drop(state);
        self.target.with(|fd| write_all(fd, &bytes, &mut |_| {}))
    }

    /// Returns whether everything was taken.
    ///
    /// # Errors
    /// The error of an earlier write.
    pub(super) fn free(&self) -> io::Result<bool> {
        let mut state = self.lock();
        match state.failures.pop() {
            Some((_, error)) => Err(error),
            None => Ok(state.left == 0),
        }
    }

    /// Returns true while something is queued: then a line that the next one replaces is not worth keeping.
    pub(super) fn is_backlogged(&self) -> bool {
        self.lock().left > 0
    }

    /// Waits until everything was taken, or nothing was for `patience`; returns whether everything was.
    pub(super) fn settle(&self, patience: Duration) -> bool {
        let mut state = self.lock();
        let (mut since, mut taken) = (Instant::now(), state.taken);
        while state.left > 0 {
            if state.taken != taken {
                (since, taken) = (Instant::now(), state.taken);
            }
            let Some(left) = patience.checked_sub(since.elapsed()) else { return false };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn hand_over(&self, state: &mut State, bytes: Vec<u8>) -> u64 {
        state.last += 1;
        state.left = state.left.saturating_add(bytes.len());
        state.waiting.push_back(bytes);
        self.changed.notify_all();
        state.last
    }

    /// Returns whether a thread writes to it; the first text starts one. A file takes everything at once, and where no
    /// thread can be started the caller writes.
    fn by_thread(&'static self, state: &mut State) -> bool {
        *state.writer.get_or_insert_with(|| {
            self.target.with(may_stall)
                && thread::Builder::new().name("output".into()).spawn(move || self.write_what_comes()).is_ok()
        })
    }

    fn write_what_comes(&self) {
        let mut state = self.lock();
        loop {
            let Some(bytes) = state.waiting.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let mut rest = bytes.len();
            let written = self.target.with(|fd| {
                write_all(fd, &bytes, &mut |taken| {
                    rest = rest.saturating_sub(taken);
                    let mut state = self.lock();
                    state.taken = state.taken.wrapping_add(taken as u64);
                    state.left = state.left.saturating_sub(taken);
                    self.changed.notify_all();
                })
            });
            state = self.lock();
            state.left = state.left.saturating_sub(rest);
            state.done += 1;
            let number = state.done;
            if let Err(error) = written {
                // whoever waits now hears of the newest
                if state.failures.len() == FAILURES {
                    state.failures.remove(0);
                }
                state.failures.push((number, error));
            }
            state.stalled &= state.left > 0;
            self.changed.notify_all();
        }
    }
}

/// Makes nothing wait for a stalled reader from now on: the process was asked to end.
pub(crate) fn hurry() {
    HURRIED.store(true, Ordering::SeqCst);
    OUT.changed.notify_all();
    ERR.changed.notify_all();
}

/// Returns whether [`hurry`] was called.
pub(crate) fn hurried() -> bool {
    HURRIED.load(Ordering::SeqCst)
}

/// Returns whether writing may block: files and most devices never do.
fn may_stall(fd: BorrowedFd<'_>) -> bool {
    let kind = fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket)) || rustix::termios::isatty(fd)
}

fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8], on: &mut dyn FnMut(usize)) -> io::Result<()> {
    while !bytes.is_empty() {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        match rustix::io::write(fd, piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => {
                bytes = bytes.get(taken..).unwrap_or_default();
                on(taken);
            }
            Err(Errno::INTR) => {}
            // another process that shares it made it non-blocking
            Err(Errno::AGAIN) => {
                let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None);
            }
            // a shell closed it, so there is no reader
            Err(Errno::BADF) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs::File, io::Read, os::fd::OwnedFd};

    use super::*;

    fn piped() -> (File, &'static Stream) {
        // no process that another test starts inherits an end
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let fd: &'static OwnedFd = Box::leak(Box::new(writer));
        (File::from(reader), Box::leak(Box::new(Stream::new(Target::Pipe(fd)))))
    }

    #[test]
    fn a_paused_reader_gets_everything_in_order() {
        let (mut reader, stream) = piped();
        stream.write(b"first").unwrap();
        let mut begin = [0; 5];
        reader.read_exact(&mut begin).unwrap();
        assert_eq!((&begin, stream.free().unwrap()), (b"first", true));
        // more than a pipe holds
        let long = vec![b'x'; 1 << 20];
        stream.write(&long).unwrap();
        assert!(stream.is_backlogged() && !stream.free().unwrap(), "kept, and who printed goes on");
        for _ in 0..100 {
            stream.write(b"y").unwrap();
        }
        assert!(!stream.settle(Duration::ZERO));
        let mut all = vec![0; (1 << 20) + 100];
        reader.read_exact(&mut all).unwrap();
        assert!(stream.settle(Duration::from_secs(50)));
        let (xs, ys) = all.split_at(1 << 20);
        assert!(xs == long && ys.iter().all(|byte| *byte == b'y'));
        // as before: whoever prints knows what came of it
        drop(reader);
        let printed = || {
            let printed = stream.write(b"z");
            stream.settle(Duration::from_secs(50));
            printed
        };
        let failed = std::iter::repeat_with(printed).find_map(Result::err).unwrap();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
        while stream.free().is_err() {}
        // more failures than are kept, none of them heard of: the next is
        for _ in 0..2 * FAILURES {
            stream.send(b"z".to_vec()).unwrap();
        }
        assert!(stream.settle(Duration::from_secs(50)));
        assert_eq!(std::iter::repeat_with(printed).find_map(Result::err).unwrap().kind(), io::ErrorKind::BrokenPipe);
        while stream.free().is_err() {}
        stream.send(b"z".to_vec()).unwrap();
        assert!(stream.settle(Duration::from_secs(50)));
        let failed = std::iter::repeat_with(|| stream.free()).find_map(Result::err).unwrap();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe, "of what nobody waited for");
    }

    #[test]
    fn a_slow_reader_is_waited_for() {
        let (mut reader, stream) = piped();
        let read = thread::spawn(move || {
            let (mut all, mut piece) = (0, [0; 1 << 15]);
            while all < 1 << 20 {
                all += reader.read(&mut piece).unwrap();
            }
        });
        stream.write(&vec![b'x'; 1 << 20]).unwrap();
        assert!(!stream.is_backlogged(), "all of it went out before this came back");
        read.join().unwrap();
    }

    #[test]
    fn files_and_devices_are_written_at_once() {
        for path in ["/dev/null", "/dev/full", "/proc/self/exe"] {
            assert!(!may_stall(File::open(path).unwrap().as_fd()), "{path}");
        }
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(write_all(full.as_fd(), b"x", &mut |_| {}).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
