//! The instructor's end of the socket, and the search for running drills.

use std::{
    fs,
    io::{self, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use super::{Command, Message, line, read};
use crate::{
    engine::source::io_trouble,
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// Returns the name of a drill's socket.
pub fn socket_name(process: u32) -> String {
    format!("drill-{process}.sock")
}

/// A connection to a running drill.
#[derive(Debug)]
pub struct Connection {
    /// The process that runs it.
    pub process: u32,
    reader: BufReader<UnixStream>,
}

/// Connects to all running drills in `dir`. Removes sockets that no process listens on any more.
///
/// # Errors
/// If the directory cannot be read.
pub fn running(dir: &Path) -> Result<Vec<Connection>> {
    let fail = |e| io_trouble("look in", dir, &e);
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        let Some(process) = process_of(&path) else { continue };
        match UnixStream::connect(&path) {
            Ok(stream) => found.push(Connection { process, reader: BufReader::new(stream) }),
            // a drill that was killed left it
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                let _ = fs::remove_file(&path);
            }
            Err(_) => {}
        }
    }
    found.sort_by_key(|connection| connection.process);
    Ok(found)
}

fn process_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("drill-")?.strip_suffix(".sock")?.parse().ok()
}

/// Returns the drill to connect to: the only one, or the one with process ID `wanted`.
///
/// # Errors
/// If no drill is running, none has that ID, or several run and no ID is given.
pub fn choose(mut running: Vec<Connection>, wanted: Option<u32>, dir: &Path) -> Result<Connection> {
    let numbers: Vec<String> = running.iter().map(|c| c.process.to_string()).collect();
    let at = match wanted {
        Some(wanted) => running.iter().position(|c| c.process == wanted),
        None if running.len() > 1 => {
            return Err(Error::new(ErrorKind::Usage, "several drills are running")
                .why(format!("process IDs: {}", numbers.join(", ")))
                .hint("Choose one: requorum drill host PROCESS"));
        }
        None => (!running.is_empty()).then_some(0),
    };
    match at {
        Some(at) => Ok(running.swap_remove(at)),
        None if running.is_empty() => Err(Error::new(ErrorKind::NoAnswer, "no drill is running")
            .why(format!("no drill of this user has a socket in {}", dir.shown()))
            .hint("Start one in another terminal, as the same user: requorum drill. Then run this again.")),
        None => Err(Error::new(ErrorKind::NoAnswer, format!("no drill has process ID {}", wanted.unwrap_or(0)))
            .hint(format!("Running drills: {}", numbers.join(", ")))),
    }
}

impl Connection {
    /// Returns the next message; `None` once the drill is gone.
    ///
    /// # Errors
    /// If it does not parse.
    fn receive(&mut self) -> Result<Option<Message>> {
        use io::ErrorKind::{InvalidData, Other};
        let word = match read(&mut self.reader) {
            // a killed drill leaves a broken connection
            Err(e) if !matches!(e.kind(), InvalidData | Other) => Ok(None),
            word => word,
        };
        word.map_err(|e| {
            Error::new(ErrorKind::Failed, "the drill sent an unknown message")
                .why(e)
                .hint("Use the same requorum in both terminals: compare `requorum --version`.")
        })
    }

    /// Receives on a separate thread; `tell` takes each message and returns whether to continue. A drill that is over sends
    /// [`Message::Over`], so a closed connection without it is an error, which is passed on as the last one.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn listen(mut self, mut tell: impl FnMut(Result<Message>) -> bool + Send + 'static) -> Result<()> {
        let receive = move || loop {
            let word = self.receive().and_then(|word| {
                word.ok_or_else(|| {
                    Error::new(ErrorKind::Failed, "the connection to the drill is lost")
                        .why("its process ended without a debrief")
                })
            });
            let ends = word.is_err();
            if !tell(word) || ends {
                return;
            }
        };
        std::thread::Builder::new().name("drill".into()).spawn(receive).map(drop).map_err(gone)
    }

    /// Returns the sender for commands.
    ///
    /// # Errors
    /// If the socket cannot be duplicated.
    pub fn sender(&self) -> Result<Sender> {
        self.reader.get_ref().try_clone().map(Sender).map_err(gone)
    }
}

/// Sends commands to a drill.
#[derive(Debug)]
pub struct Sender(UnixStream);

impl Sender {
    /// Sends a command; its answer is among the drill's messages.
    ///
    /// # Errors
    /// If the drill is gone.
    pub fn send(&mut self, command: &Command) -> Result<()> {
        self.0.write_all(&line(command)).map_err(gone)
    }

    /// Closes the sending side; commands already sent are still answered.
    pub fn close(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }
}

fn gone(error: io::Error) -> Error {
    Error::new(ErrorKind::Failed, "the connection to the drill is lost").why(error)
}
