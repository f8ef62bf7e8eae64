//! The only module that writes to standard output and standard error; a test checks the sources for that.

mod stream;

use std::{
    io::{self, IsTerminal},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use self::stream::{ERR, OUT};
pub(crate) use self::stream::{PATIENCE, hurried, hurry};
use super::{escape, flow};

/// The most bytes of lines that are buffered.
const GATHERED: usize = 32 << 10;

/// The most bytes of warnings that are kept while the screen is in use.
const HELD: usize = 64 << 10;

/// How much is printed besides results, warnings and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing: no progress, no notes.
    Least,
    /// Progress and notes.
    Usual,
    /// Also what is read, asked and passed over.
    All,
}

static DETAIL: AtomicU8 = AtomicU8::new(Detail::Usual as u8);

/// Sets how much is printed besides results, warnings and errors.
pub fn set_detail(detail: Detail) {
    DETAIL.store(detail as u8, Ordering::Relaxed);
}

/// Returns how much is printed besides results, warnings and errors.
pub fn detail() -> Detail {
    match DETAIL.load(Ordering::Relaxed) {
        0 => Detail::Least,
        1 => Detail::Usual,
        _ => Detail::All,
    }
}

/// True while the screen is in use: a line on the same terminal would damage it.
static SCREEN: AtomicBool = AtomicBool::new(false);
static SAID_MEANWHILE: Mutex<String> = Mutex::new(String::new());

/// The format of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Text for people.
    Text,
    /// One or several JSON values.
    Json,
}

impl OutputFormat {
    fn safe(self, text: &str) -> std::borrow::Cow<'_, str> {
        match self {
            OutputFormat::Text => escape::page(text),
            OutputFormat::Json => escape::json(text),
        }
    }
}

/// Prints to standard output.
///
/// # Errors
/// When the write fails.
pub fn print(form: OutputFormat, text: &str) -> io::Result<()> {
    OUT.write(form.safe(text).as_bytes())
}

/// Returns whether the locale has more than ASCII; an unset one has.
pub fn is_utf8() -> bool {
    static UTF8: OnceLock<bool> = OnceLock::new();
    *UTF8.get_or_init(|| {
        let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        locale.is_none_or(|locale| locale.to_lowercase().replace('-', "").contains("utf8"))
    })
}

/// Returns sentences as they are printed on a stream: wrapped to a terminal, in ASCII where the locale has nothing else.
fn laid_out(text: &str, fd: BorrowedFd<'_>) -> String {
    let text = if is_utf8() { text.into() } else { flow::ascii(text) };
    match columns_of(fd) {
        Some(width) => flow::flow(&text, width.min(flow::WIDEST)),
        None => text.into_owned(),
    }
}

/// Returns the columns of a terminal; none for what is no terminal, or does not know.
fn columns_of(fd: BorrowedFd<'_>) -> Option<usize> {
    if !rustix::termios::isatty(fd) {
        return None;
    }
    rustix::termios::tcgetwinsize(fd).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Returns the columns for sentences on standard output, where that is a terminal.
pub fn output_columns() -> Option<usize> {
    columns_of(io::stdout().as_fd())
}

/// Returns the columns for sentences on standard error, where that is a terminal.
pub fn error_columns() -> Option<usize> {
    columns_of(io::stderr().as_fd())
}

/// Prints sentences to standard output, laid out for a terminal.
///
/// # Errors
/// When the write fails.
pub fn print_sentences(text: &str) -> io::Result<()> {
    print(OutputFormat::Text, &laid_out(text, io::stdout().as_fd()))
}

/// Prints a line to standard error; while the screen is in use that is deferred. A failed write is ignored, since
/// there is no other place to report it.
pub fn warn(text: &str) {
    let line = format!("{}\n", escape::page(&laid_out(text, io::stderr().as_fd())));
    if SCREEN.load(Ordering::SeqCst) && stderr().is_terminal() {
        let mut held = held();
        if held.len().saturating_add(line.len()) <= HELD {
            held.push_str(&line);
        }
        return;
    }
    let _ = ERR.write(line.as_bytes());
}

fn held() -> MutexGuard<'static, String> {
    SAID_MEANWHILE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets whether the screen is in use; warnings that were deferred are printed when it no longer is.
pub(crate) fn screens(drawn: bool) {
    SCREEN.store(drawn, Ordering::SeqCst);
    if !drawn {
        let lines = std::mem::take(&mut *held());
        if !lines.is_empty() {
            let _ = ERR.write(lines.as_bytes());
        }
    }
}

/// Sends terminal control sequences unescaped, in order with all other output.
///
/// # Errors
/// When the terminal is gone. A stalled one gets them later.
pub(crate) fn control(bytes: &[u8]) -> io::Result<()> {
    OUT.write(bytes)
}

/// Sends a frame without waiting for the terminal.
///
/// # Errors
/// When the terminal is gone.
pub(crate) fn picture(bytes: Vec<u8>) -> io::Result<()> {
    OUT.send(bytes)
}

/// Returns whether the terminal has taken everything, so that the next frame can be drawn.
///
/// # Errors
/// When the terminal did not take a frame: it is gone.
pub(crate) fn taken() -> io::Result<bool> {
    OUT.free()
}

/// Waits until everything printed was taken, or nothing was for `patience`; returns whether everything was.
pub(crate) fn settled(patience: Duration) -> bool {
    OUT.settle(patience) && ERR.settle(patience)
}

/// Prints to standard error without ending the line.
///
/// # Errors
/// When the write fails.
pub fn ask(question: &str) -> io::Result<()> {
    ERR.write(escape::page(question).as_bytes())
}

/// Replaces the status line on standard error; an empty one clears it. A line that would only wait for a stalled
/// terminal is left out.
pub fn status(line: &str) {
    if !ERR.is_backlogged() {
        let _ = ERR.write(format!("\r\x1b[K{}", escape::line(line)).as_bytes());
    }
}

/// Buffered standard output for many lines.
pub struct Lines {
    gathered: Vec<u8>,
    form: OutputFormat,
}

impl Lines {
    /// None yet.
    pub fn new(form: OutputFormat) -> Lines {
        Lines { gathered: Vec::new(), form }
    }

    /// Adds text, escaped as a whole page.
    ///
    /// # Errors
    /// When standard output fails.
    pub fn put(&mut self, text: &str) -> io::Result<()> {
        self.gathered.extend_from_slice(self.form.safe(text).as_bytes());
        if self.gathered.len() < GATHERED { Ok(()) } else { self.flush() }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When standard output fails.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.gathered.extend_from_slice(self.form.safe(text).as_bytes());
        self.put("\n")
    }

    /// Writes the buffer.
    ///
    /// # Errors
    /// When standard output fails.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = OUT.write(&self.gathered);
        self.gathered.clear();
        written
    }
}

/// Returns raw standard output: for the two ends of a protocol, and to query the terminal.
pub fn stdout() -> io::Stdout {
    io::stdout()
}

/// Returns raw standard error.
fn stderr() -> io::Stderr {
    io::stderr()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => sources(&entry.path(), out),
                false => out.push(entry.path()),
            }
        }
    }

    /// Files that hold nothing but tests may print as they like; of the others, what is above their tests may not.
    #[test]
    fn only_this_file_prints() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        sources(&root, &mut files);
        assert!(files.len() > 300, "the sources were found");
        let words = [
            "println!(",
            "eprintln!(",
            "print!(",
            "eprint!(",
            "dbg!(",
            "io::stdout(",
            "io::stderr(",
            "Stdio::inherit(",
        ];
        let mut found = Vec::new();
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let own = own.split("#[cfg(test)]\n#[allow(clippy::panic)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in own.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default().replace("stdio::", "");
                let printing = words.iter().any(|word| code.contains(word)) && !code.contains("is_terminal()");
                let ours = file.ends_with("src/text/stdio.rs");
                if printing && !ours {
                    found.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                }
            }
        }
        assert_eq!(found, Vec::<String>::new(), "print by text::stdio, which escapes foreign text");
    }

    #[test]
    fn one_file_counts_columns() {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        files.retain(|file| fs::read_to_string(file).unwrap_or_default().contains(concat!("unicode", "_width")));
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/text/columns.rs");
        assert_eq!(files, [own], "cut and fill by text::columns, which knows what is shown escaped");
    }
}
