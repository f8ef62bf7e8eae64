//! The member table as it is edited: rows of cells, and every problem of it by cell.

use std::fmt;

/// A column of the member table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// `--name`
    Name,
    /// Peer URLs, comma-separated.
    Peer,
    /// Client URLs, comma-separated.
    Client,
    /// The data directory.
    DataDir,
    /// A separate WAL directory, or empty.
    WalDir,
    /// Further `etcd` flags.
    Flags,
}

impl Column {
    /// From left to right.
    pub const ALL: [Column; 6] =
        [Column::Name, Column::Peer, Column::Client, Column::DataDir, Column::WalDir, Column::Flags];

    /// The column's heading.
    pub fn heading(self) -> &'static str {
        match self {
            Column::Name => "name",
            Column::Peer => "peer URL",
            Column::Client => "client URL",
            Column::DataDir => "data dir",
            Column::WalDir => "WAL dir",
            Column::Flags => "more etcd flags",
        }
    }
}

/// Where a cell's text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// The operator typed it.
    #[default]
    Typed,
    /// The snapshot's `members` bucket.
    Snapshot,
    /// A surviving member's answer.
    Answer,
    /// Proposed by requorum.
    Proposed,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// Where that came from.
    pub origin: Origin,
}

/// One row: a member of the new cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    cells: [Cell; 6],
}

impl Row {
    /// The cell in `column`.
    pub fn cell(&self, column: Column) -> &Cell {
        &self.cells[column as usize]
    }

    /// The text in `column`.
    pub fn text(&self, column: Column) -> &str {
        &self.cell(column).text
    }

    /// Puts `text` into `column`.
    pub fn set(&mut self, column: Column, text: impl Into<String>, origin: Origin) {
        self.cells[column as usize] = Cell { text: text.into(), origin };
    }

    /// The row with `text` in `column`.
    #[must_use]
    pub fn with(mut self, column: Column, text: impl Into<String>, origin: Origin) -> Self {
        self.set(column, text, origin);
        self
    }
}

/// Whether a problem stops the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look, does not stop.
    Warning,
    /// Nothing is built while it stands.
    Error,
}

/// One thing that is wrong with the table, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The row, from 0; `None` when it is about the whole table.
    pub row: Option<usize>,
    /// The column, where it is about one cell.
    pub column: Option<Column>,
    /// Whether it stops the plan.
    pub severity: Severity,
    /// The mistake by name, in a sentence without a full stop.
    pub text: String,
    /// The whole cell's text with the mistake corrected, where that can be told.
    pub fix: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
