//! How far leaving has come, and what this session wrote.

use std::fmt;

/// What a path is that this session wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenPath {
    /// A snapshot from a member.
    Snapshot,
    /// A member's installed data directory.
    DataDir(String),
    /// A member's previous data, moved aside.
    Before(String),
    /// A member's new data directory, rolled back.
    TakenBack(String),
    /// A file of this name for people: `the plan`.
    File(&'static str),
}

impl fmt::Display for WrittenPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrittenPath::Snapshot => f.write_str("a snapshot"),
            WrittenPath::DataDir(name) => write!(f, "{name}'s data directory"),
            WrittenPath::Before(name) => write!(f, "{name}'s previous data"),
            WrittenPath::TakenBack(name) => write!(f, "{name}'s data directory, rolled back"),
            WrittenPath::File(what) => f.write_str(what),
        }
    }
}

/// How far leaving has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leaving {
    /// Not asked for.
    #[default]
    No,
    /// As soon as what runs has reached a safe point.
    WhenSafe,
    /// Now.
    Now,
}
