//! The error value: kind, message, cause, hint, remedies, and the exit code that follows from the kind.
//!
//! Every room above the file formats reports failures as [`Error`]. The formats keep their own error types (they name
//! pages and offsets); they are turned into an `Error` where the file's path is known.

pub mod remedy;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::remedy::Remedy;
use crate::text::escape;

/// The kind of an error; it decides the exit code, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// Wrong usage of the command line. Exit code 2.
    Usage,
    /// Invalid input: a file, a directory or an answer. Exit code 1.
    Input,
    /// The plan was refused. Exit code 3.
    Refused,
    /// System error: no space, permission denied. Exit code 4.
    Failed,
    /// No member answered. Exit code 5.
    NoAnswer,
    /// Internal error: a bug in requorum. Exit code 70.
    Bug,
    /// Stopped at a safe point by the operator or a signal. Exit code 75.
    Stopped,
}

impl ErrorKind {
    /// Returns the process exit code of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            ErrorKind::Input => 1,
            ErrorKind::Usage => 2,
            ErrorKind::Refused => 3,
            ErrorKind::Failed => 4,
            ErrorKind::NoAnswer => 5,
            ErrorKind::Bug => 70,
            ErrorKind::Stopped => 75,
        }
    }
}

/// The fault as a value, for programs: sentences are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A filesystem has not enough free space.
    NoSpace,
    /// Something is already where a directory is to be made.
    Taken,
    /// A process uses the directory or the file.
    InUse,
    /// The member was not built, so nothing can be installed.
    NotBuilt,
    /// It is no longer what was read or installed before.
    Changed,
    /// The journal names other directories than the member's.
    NotItsPlace,
    /// A run of another plan has not finished there.
    OtherRun,
}

/// One error: what failed, why, and a hint that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Decides the exit code.
    pub kind: ErrorKind,
    /// `<object>: <what is wrong>`, without a full stop; the object is the file, URL, host or flag.
    pub what: String,
    /// The cause; empty when `what` is enough.
    pub why: String,
    /// What to do now; may be empty.
    pub hint: String,
    /// The remedies, in addition to the hint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    /// The fault, where a program needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl Error {
    /// Creates an error without a cause.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Error { kind, what: what.into(), why: String::new(), hint: String::new(), remedies: Vec::new(), fault: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = why.to_string();
        self
    }

    /// Adds what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds the remedies.
    #[must_use]
    pub fn remedies(mut self, remedies: &[Remedy]) -> Self {
        self.remedies = remedies.to_vec();
        self
    }

    /// Sets the fault.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Returns the hint and the remedies, a line each; `words` returns a remedy as the front end words it.
    pub fn advice(&self, words: impl Fn(&Remedy) -> String) -> String {
        let remedies = remedy::sentences("", &self.remedies, words);
        [self.hint.as_str(), &remedies].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n  ")
    }
}

/// Returns foreign text as it may be shown, kept and compared: of bounded length, without characters that a terminal acts
/// on or that change the direction of text; line ends stay.
pub use crate::text::escape::lines as harmless;

impl Error {
    /// Returns what failed and why, without the hint: for a line that has its own place for hints.
    pub fn sentence(&self) -> String {
        if self.why.is_empty() { self.what.clone() } else { format!("{}: {}", self.what, self.why) }
    }

    /// Returns the error on one line: what failed and why, and the hint as a sentence of its own. The remedies are left
    /// to the front ends.
    pub fn on_one_line(&self) -> String {
        let sentence = escape::line(&self.sentence());
        match self.hint.as_str() {
            "" => sentence,
            hint => format!("{}. {}", sentence.trim_end_matches('.'), escape::line(&hint.replace("\n  ", " "))),
        }
    }

    /// Returns the error of another machine with its texts escaped and cut, since they are foreign. A message has one
    /// line; a hint may have several.
    #[must_use]
    pub fn from_elsewhere(self) -> Error {
        Error {
            what: escape::line(&self.what),
            why: escape::line(&self.why),
            hint: indented(&escape::lines(&self.hint)),
            remedies: self.remedies.into_iter().map(Remedy::escaped).collect(),
            ..self
        }
    }
}

/// Indents every line of `text` but the first, as the lines of a hint are, so that none can pass for a line of ours.
fn indented(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_string();
    lines.fold(first, |all, line| format!("{all}\n{}{line}", if line.starts_with("  ") { "" } else { "  " }))
}

impl fmt::Display for Error {
    /// Writes `what: why` on the first line and the hint on the second; the remedies are left to the front ends. Messages
    /// quote foreign names, paths and answers, so both are escaped and cut to one line; only a hint has lines of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::line(&self.what))?;
        if !self.why.is_empty() {
            write!(f, ": {}", escape::line(&self.why))?;
        }
        if !self.hint.is_empty() {
            write!(f, "\n  {}", escape::page(&self.hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// The result of functions that report [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests;
