//! The door to standard output and standard error. Nothing else prints: a test reads the sources for that.

use std::io::{self, BufWriter, StdoutLock, Write};

use super::escape;

/// How what goes out is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines for people.
    Text,
    /// One or several JSON values.
    Json,
}

impl Form {
    fn safe(self, text: &str) -> std::borrow::Cow<'_, str> {
        match self {
            Form::Text => escape::page(text),
            Form::Json => escape::json(text),
        }
    }
}

/// Prints to standard output.
///
/// # Errors
/// When it does not take it.
pub fn print(form: Form, text: &str) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(form.safe(text).as_bytes())?;
    out.flush()
}

/// Prints a line to standard error. Where that takes nothing, there is no other place to say so.
pub fn warn(text: &str) {
    let _ = writeln!(stderr(), "{}", escape::page(text));
}

/// Prints to standard error without ending the line.
///
/// # Errors
/// When it does not take it.
pub fn ask(question: &str) -> io::Result<()> {
    stderr().write_all(escape::page(question).as_bytes())
}

/// Writes the terminal's last line on standard error anew; an empty one clears it.
pub fn status(line: &str) {
    let _ = write!(stderr(), "\r\x1b[K{}", escape::line(line));
}

/// Standard output for many lines, gathered before they are written.
pub struct Lines {
    out: BufWriter<StdoutLock<'static>>,
    form: Form,
}

impl Lines {
    /// Locks standard output.
    pub fn new(form: Form) -> Lines {
        Lines { out: BufWriter::new(stdout().lock()), form }
    }

    /// Adds text as it is but for what must not reach a terminal.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn put(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(self.form.safe(text).as_bytes())
    }

    /// Adds a line.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.put(text)?;
        self.out.write_all(b"\n")
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// When standard output does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Standard output as it is: for what draws on a terminal, and for the two ends of a protocol.
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
                let code = line.split("//").next().unwrap_or_default();
                let printing = words.iter().any(|word| code.contains(word)) && !code.contains("is_terminal()");
                let ours = file.ends_with("src/text/output.rs");
                if printing && !ours {
                    found.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                }
            }
        }
        assert_eq!(found, Vec::<String>::new(), "print by text::output, which escapes what others said");
    }
}
