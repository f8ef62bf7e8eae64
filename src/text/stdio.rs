//! The door to standard output and standard error. Nothing else prints: a test reads the sources for that.

mod stream;

use std::{
    io::{self, IsTerminal},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use self::stream::{ERR, OUT};
pub(crate) use self::stream::{PATIENCE, hurried, hurry};
use super::escape;

/// Lines are gathered up to so many bytes.
const GATHERED: usize = 32 << 10;

/// What is said while screens are drawn is kept up to so many bytes.
const HELD: usize = 64 << 10;

/// True while screens are drawn: a line on the same terminal would spoil them.
static SCREEN: AtomicBool = AtomicBool::new(false);
static SAID_MEANWHILE: Mutex<String> = Mutex::new(String::new());

/// How what goes out is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Lines for people.
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
/// When it does not take it.
pub fn print(form: OutputFormat, text: &str) -> io::Result<()> {
    OUT.write(form.safe(text).as_bytes())
}

/// Prints a line to standard error; while screens are drawn on the terminal that is put off until their end. Where standard
/// error takes nothing, there is no other place to say so.
pub fn warn(text: &str) {
    let line = format!("{}\n", escape::page(text));
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

/// Says that screens are drawn from now on, or no longer; what was to be said meanwhile is said then.
pub(crate) fn screens(drawn: bool) {
    SCREEN.store(drawn, Ordering::SeqCst);
    if !drawn {
        let lines = std::mem::take(&mut *held());
        if !lines.is_empty() {
            let _ = ERR.write(lines.as_bytes());
        }
    }
}

/// Sends what acts on the terminal, as it is, in order with all that is printed.
///
/// # Errors
/// When the terminal is gone. One that is only not read gets it later.
pub(crate) fn control(bytes: &[u8]) -> io::Result<()> {
    OUT.write(bytes)
}

/// Sends a picture without waiting for the terminal.
///
/// # Errors
/// When the terminal is gone.
pub(crate) fn picture(bytes: Vec<u8>) -> io::Result<()> {
    OUT.send(bytes)
}

/// Whether the terminal has taken all that was sent to it, so that it is time for the next picture.
///
/// # Errors
/// When the terminal did not take a picture: it is gone.
pub(crate) fn taken() -> io::Result<bool> {
    OUT.free()
}

/// Waits until all that was printed was taken, or nothing was for `patience`; whether all was.
pub(crate) fn settled(patience: Duration) -> bool {
    OUT.settle(patience) && ERR.settle(patience)
}

/// Prints to standard error without ending the line.
///
/// # Errors
/// When it does not take it.
pub fn ask(question: &str) -> io::Result<()> {
    ERR.write(escape::page(question).as_bytes())
}

/// Writes the terminal's last line on standard error anew; an empty one clears it. A line that would only wait for a
/// terminal that is not read is left out.
pub fn status(line: &str) {
    if !ERR.behind() {
        let _ = ERR.write(format!("\r\x1b[K{}", escape::line(line)).as_bytes());
    }
}

/// Standard output for many lines, gathered before they are written.
pub struct Lines {
    gathered: Vec<u8>,
    form: OutputFormat,
}

impl Lines {
    /// None yet.
    pub fn new(form: OutputFormat) -> Lines {
        Lines { gathered: Vec::new(), form }
    }

    /// Adds text as it is but for what must not reach a terminal.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn put(&mut self, text: &str) -> io::Result<()> {
        self.gathered.extend_from_slice(self.form.safe(text).as_bytes());
        if self.gathered.len() < GATHERED { Ok(()) } else { self.flush() }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.gathered.extend_from_slice(self.form.safe(text).as_bytes());
        self.put("\n")
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        let written = OUT.write(&self.gathered);
        self.gathered.clear();
        written
    }
}

/// Standard output as it is: for the two ends of a protocol, and for what asks about the terminal.
pub fn stdout() -> io::Stdout {
    io::stdout()
}

/// Standard error as it is.
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
        assert_eq!(found, Vec::<String>::new(), "print by text::stdio, which escapes what others said");
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
