//! The game master's end of the socket, and which drills there are.

use std::{
    fs,
    io::{self, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use super::{Order, Word, line, read};
use crate::{
    engine::source::io_trouble,
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// What a drill's socket is called.
pub fn socket_name(process: u32) -> String {
    format!("drill-{process}.sock")
}

/// A drill under way.
#[derive(Debug)]
pub struct Connection {
    /// The process that runs it.
    pub process: u32,
    reader: BufReader<UnixStream>,
}

/// The drills that are under way in `dir`, connected. A socket on which nobody listens any more is removed.
///
/// # Errors
/// When the directory cannot be looked at.
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

/// The drill to look at: the only one, or the one of process `wanted`.
///
/// # Errors
/// When there is none, or none with that number, or several and none is named.
pub fn choose(mut running: Vec<Connection>, wanted: Option<u32>, dir: &Path) -> Result<Connection> {
    let numbers: Vec<String> = running.iter().map(|c| c.process.to_string()).collect();
    let at = match wanted {
        Some(wanted) => running.iter().position(|c| c.process == wanted),
        None if running.len() > 1 => {
            return Err(Error::new(ErrorKind::Usage, "several drills are under way")
                .why(format!("their process numbers are {}", numbers.join(", ")))
                .hint("Name one: requorum drill host NUMBER"));
        }
        None => (!running.is_empty()).then_some(0),
    };
    match at {
        Some(at) => Ok(running.swap_remove(at)),
        None if running.is_empty() => Err(Error::new(ErrorKind::NoAnswer, "no drill is under way")
            .why(format!("none of this user's listens in {}", dir.shown()))
            .hint("Start one in another terminal, as this user: requorum drill. Then run this again.")),
        None => {
            Err(Error::new(ErrorKind::NoAnswer, format!("no drill has the process number {}", wanted.unwrap_or(0)))
                .hint(format!("There is: {}", numbers.join(", "))))
        }
    }
}

impl Connection {
    /// The next word of the drill; nothing once it is gone.
    ///
    /// # Errors
    /// When it cannot be understood.
    fn hear(&mut self) -> Result<Option<Word>> {
        use io::ErrorKind::{InvalidData, Other};
        let word = match read(&mut self.reader) {
            // killed, it leaves a connection that is cut
            Err(e) if !matches!(e.kind(), InvalidData | Other) => Ok(None),
            word => word,
        };
        word.map_err(|e| {
            Error::new(ErrorKind::Failed, "the drill cannot be understood")
                .why(e)
                .hint("Are both terminals at the same requorum? Compare `requorum --version`.")
        })
    }

    /// Hears on a thread of its own; `tell` takes each word and says whether to go on. The last is what ended it: a drill
    /// that is over says so in a word of its own, so that its mere going away is a failure.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn listen(mut self, mut tell: impl FnMut(Result<Word>) -> bool + Send + 'static) -> Result<()> {
        let hear = move || loop {
            let word = self.hear().and_then(|word| {
                word.ok_or_else(|| {
                    Error::new(ErrorKind::Failed, "the drill is gone")
                        .why("its process ended without a word of how it went")
                })
            });
            let ends = word.is_err();
            if !tell(word) || ends {
                return;
            }
        };
        std::thread::Builder::new().name("drill".into()).spawn(hear).map(drop).map_err(gone)
    }

    /// What orders go through.
    ///
    /// # Errors
    /// When the connection cannot be shared.
    pub fn mouth(&self) -> Result<Sender> {
        self.reader.get_ref().try_clone().map(Sender).map_err(gone)
    }
}

/// Where orders are said.
#[derive(Debug)]
pub struct Sender(UnixStream);

impl Sender {
    /// Says an order; its answer comes among the drill's words.
    ///
    /// # Errors
    /// When the drill is gone.
    pub fn say(&mut self, order: &Order) -> Result<()> {
        self.0.write_all(&line(order)).map_err(gone)
    }

    /// No further order comes; what was said is still answered.
    pub fn close(&self) {
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }
}

fn gone(error: io::Error) -> Error {
    Error::new(ErrorKind::Failed, "the drill is gone").why(error)
}
