//! What went wrong, as a value: what, why, what to do, and the exit code that follows.
//!
//! Every room above the file formats reports failures as [`Error`]. The formats keep their own
//! error types (they name pages and offsets); they are turned into a `Error` where the file's
//! path is known.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::escape;

/// The kind decides the exit code, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// What was typed is not a command that exists. Exit code 2.
    Usage,
    /// A file, directory or answer is not what it would have to be. Exit code 1.
    Input,
    /// The plan has problems and is not carried out. Exit code 3.
    Refused,
    /// The machine did not do what was asked: no space, no permission. Exit code 4.
    Failed,
    /// No member answered. Exit code 5.
    NoAnswer,
    /// A defect of requorum. Exit code 70.
    Bug,
    /// The operator or a signal stopped it at a safe point. Exit code 75.
    Stopped,
}

impl ErrorKind {
    /// The process exit code of this kind.
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

/// A way on from a failure, which each front end names in its own words: a command, or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// The run is resumed.
    Resume,
    /// It is taken back.
    Undo,
    /// The run of another plan is resumed first.
    FinishOther,
}

/// What a program may ask of a failure; the sentences are for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A filesystem has not enough room.
    NoSpace,
}

/// One failure in words: `what` happened, `why`, and a `hint` that says what to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// Decides the exit code.
    pub kind: ErrorKind,
    /// A sentence without a full stop: what could not be done, naming the file or URL.
    pub what: String,
    /// The cause, may be empty when `what` says it all.
    pub why: String,
    /// What to do now, may be empty.
    pub hint: String,
    /// The remedies, besides the hint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
    /// Which fault it was, where a program asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl Error {
    /// A failure whose sentence needs no cause.
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

    /// Says which fault it was.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// The hint and the remedies, a line each; `name` says how the way is gone here.
    pub fn advice(&self, name: impl Fn(Remedy) -> String) -> String {
        let way = |way: &Remedy| match way {
            Remedy::Resume => format!("{} goes on.", name(*way)),
            Remedy::Undo => format!("{} rolls it back.", name(*way)),
            Remedy::FinishOther => format!("Finish the other plan first: {}.", name(*way)),
        };
        let remedies = self.remedies.iter().map(way).collect::<Vec<_>>().join(" ");
        [self.hint.as_str(), &remedies].into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n  ")
    }
}

/// A text of another machine, file or user as it may be shown, kept and compared: of bounded length, and without what a
/// terminal acts on or what turns the direction of text; line ends stay.
pub use crate::text::escape::lines as harmless;

impl Error {
    /// What happened and why, without what to do: for a line that has its own place for that.
    pub fn sentence(&self) -> String {
        if self.why.is_empty() { self.what.clone() } else { format!("{}: {}", self.what, self.why) }
    }

    /// All of it on one line: what happened and why, and the hint as a sentence of its own.
    pub fn on_one_line(&self) -> String {
        let said = escape::line(&self.sentence());
        match self.hint.as_str() {
            "" => said,
            hint => format!("{}. {}", said.trim_end_matches('.'), escape::line(&hint.replace("\n  ", " "))),
        }
    }

    /// The same failure as another machine reports it: its texts are not ours, so they are escaped and cut. A sentence has
    /// one line; a hint may have several.
    #[must_use]
    pub fn from_elsewhere(self) -> Error {
        Error {
            what: escape::line(&self.what),
            why: escape::line(&self.why),
            hint: indented(&escape::lines(&self.hint)),
            ..self
        }
    }
}

/// `text` with every line but the first set in, as the lines of a hint are: none of them can pass for a line of ours.
fn indented(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_string();
    lines.fold(first, |all, line| format!("{all}\n{}{line}", if line.starts_with("  ") { "" } else { "  " }))
}

impl fmt::Display for Error {
    /// `what: why` on the first line, the hint on the second, the remedies on the third. Names, paths and answers of others
    /// stand in the sentences, so both are escaped and cut to one line; only a hint has lines of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::line(&self.what))?;
        if !self.why.is_empty() {
            write!(f, ": {}", escape::line(&self.why))?;
        }
        let advice = self.advice(|way| match way {
            Remedy::Resume => "`requorum resume`".into(),
            Remedy::Undo => "`requorum undo`".into(),
            Remedy::FinishOther => "`requorum resume` with that plan's journal".into(),
        });
        if !advice.is_empty() {
            write!(f, "\n  {}", escape::page(&advice))?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Shorthand of the rooms that report [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests;
