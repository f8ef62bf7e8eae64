//! Columns, cells and rows: the text of a cell, where it came from, and what each source proposes for it.

use crate::domain::model::url::{self, Url};
use serde::{Deserialize, Serialize};

use crate::domain::model::host_address;

/// A column of the member table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// `--name`
    Name,
    /// Where it is restored: this machine (`local`), or an ssh destination.
    Host,
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
    pub const ALL: [Column; 7] =
        [Column::Name, Column::Host, Column::Peer, Column::Client, Column::DataDir, Column::WalDir, Column::Flags];

    /// The column's heading.
    pub fn heading(self) -> &'static str {
        match self {
            Column::Name => "name",
            Column::Host => "host",
            Column::Peer => "peer URL",
            Column::Client => "client URL",
            Column::DataDir => "data dir",
            Column::WalDir => "WAL dir",
            Column::Flags => "more etcd flags",
        }
    }
}

/// Where a cell's text came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The operator typed or pasted it.
    #[default]
    Typed,
    /// The snapshot's `members` bucket.
    Snapshot,
    /// A surviving member's answer.
    Answer,
    /// An etcd configuration that was found.
    Config,
    /// The operator's inventory file.
    Inventory,
    /// Proposed by requorum.
    Proposed,
}

/// What one source proposes for a cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Suggestion {
    /// The text.
    pub text: String,
    /// The kind of source.
    pub origin: Origin,
    /// The source by name: `the snapshot`, `m2's answer`, `/etc/etcd/etcd.conf.yml`.
    pub from: String,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// Where that came from.
    pub origin: Origin,
    /// What each source proposes, the most trusted first; empty where nothing was known of it.
    pub seen: Vec<Suggestion>,
}

impl Cell {
    /// The different texts that sources gave, each with all who gave it.
    pub fn choices(&self) -> Vec<(&Suggestion, Vec<&str>)> {
        let mut out: Vec<(&Suggestion, Vec<&str>)> = Vec::new();
        for candidate in &self.seen {
            match out.iter_mut().find(|(first, _)| same(&first.text, &candidate.text)) {
                Some((_, from)) if from.contains(&candidate.from.as_str()) => {}
                Some((_, from)) => from.push(&candidate.from),
                None => out.push((candidate, vec![&candidate.from])),
            }
        }
        out
    }

    /// Returns true where sources differ. A proposal of requorum is not a source.
    pub fn disputed(&self) -> bool {
        let seen: Vec<&Suggestion> = self.seen.iter().filter(|c| c.origin != Origin::Proposed).collect();
        seen.iter().skip(1).any(|c| seen.first().is_some_and(|first| !same(&first.text, &c.text)))
    }

    /// Returns the choice after the current one, the first one after the last; `None` where
    /// there is no other.
    pub fn other(&self) -> Option<&Suggestion> {
        let choices = self.choices();
        let now = choices.iter().position(|(c, _)| same(&c.text, &self.text));
        let next = now.map_or(0, |at| (at + 1) % choices.len());
        choices.get(next).map(|(c, _)| *c).filter(|c| !same(&c.text, &self.text))
    }
}

/// The same for etcd: URLs in any order, in the form in which it prints them.
fn same(a: &str, b: &str) -> bool {
    let printed = |text: &str| {
        let mut list: Vec<String> = urls(text)?.iter().map(|u| u.as_str().to_string()).collect();
        list.sort();
        Some(list)
    };
    a == b || printed(a).is_some_and(|a| printed(b) == Some(a))
}

/// One row: a member of the new cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    cells: [Cell; 7],
}

impl Default for Row {
    /// An empty row for this machine.
    fn default() -> Row {
        let mut row = Row { cells: Default::default() };
        row.set(Column::Host, host_address::LOCAL, Origin::Proposed);
        row
    }
}

impl Row {
    /// Where it is restored: `local`, or an ssh destination.
    pub fn host(&self) -> &str {
        self.text(Column::Host)
    }

    /// The cell in `column`.
    pub fn cell(&self, column: Column) -> &Cell {
        &self.cells[column as usize]
    }

    /// The text in `column`.
    pub fn text(&self, column: Column) -> &str {
        &self.cell(column).text
    }

    /// Puts `text` into `column`. The sources' proposals are kept; a host that is left empty is this machine.
    pub fn set(&mut self, column: Column, text: impl Into<String>, origin: Origin) {
        let mut text: String = text.into();
        if column == Column::Host && host_address::is_local(&text) {
            text = host_address::LOCAL.into();
        }
        let cell = &mut self.cells[column as usize];
        (cell.text, cell.origin) = (text, origin);
    }

    /// Adds what a source proposes for `column`, after those added before.
    pub fn saw(&mut self, column: Column, candidate: Suggestion) {
        let seen = &mut self.cells[column as usize].seen;
        if !candidate.text.is_empty() && !seen.contains(&candidate) {
            seen.push(candidate);
        }
    }

    /// Removes what sources of this kind proposed for `column`.
    pub(crate) fn forget(&mut self, column: Column, origin: Origin) {
        self.cells[column as usize].seen.retain(|c| c.origin != origin);
    }

    /// Adds what a source proposes for `column`, before everything added so far.
    pub(crate) fn saw_first(&mut self, column: Column, candidate: Suggestion) {
        self.cells[column as usize].seen.insert(0, candidate);
    }

    /// Puts a candidate into its cell.
    pub fn take(&mut self, column: Column, candidate: &Suggestion) {
        self.set(column, &candidate.text, candidate.origin);
    }

    /// The row with `text` in `column`.
    #[must_use]
    pub fn with(mut self, column: Column, text: impl Into<String>, origin: Origin) -> Self {
        self.set(column, text, origin);
        self
    }
}

/// The items of a cell of URLs, trimmed as etcd trims them. An empty cell has none.
pub fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The URLs of a cell in the form in which etcd prints them; `None` while one of them is wrong or
/// the cell is empty.
pub fn urls(text: &str) -> Option<Vec<Url>> {
    let urls: Vec<Url> = items(text).map(|item| url::parse(item).ok()).collect::<Option<_>>()?;
    (!urls.is_empty()).then_some(urls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(list: &[(&str, Origin, &str)]) -> Cell {
        let mut row = Row::default();
        for (text, origin, from) in list {
            row.saw(Column::Peer, Suggestion { text: (*text).into(), origin: *origin, from: (*from).into() });
        }
        row.cell(Column::Peer).clone()
    }

    #[test]
    fn sources_that_differ_stand_side_by_side() {
        use Origin::{Answer, Config, Proposed, Snapshot};
        let mut cell = seen(&[
            ("http://new:2380", Answer, "m2's answer"),
            ("HTTP://new:2380", Config, "/etc/etcd.conf"),
            ("http://old:2380", Snapshot, "the snapshot"),
            ("", Config, "x"),
        ]);
        let shown: Vec<(&str, Vec<&str>)> = cell.choices().iter().map(|(c, f)| (c.text.as_str(), f.clone())).collect();
        assert_eq!(
            shown,
            [("http://new:2380", vec!["m2's answer", "/etc/etcd.conf"]), ("http://old:2380", vec!["the snapshot"])]
        );
        assert!(cell.disputed());
        // Taking the next goes round; a typed text is left for the first.
        for (now, next) in
            [("http://new:2380", "http://old:2380"), ("http://old:2380", "http://new:2380"), ("x", "http://new:2380")]
        {
            cell.text = now.into();
            assert_eq!(cell.other().map(|c| c.text.as_str()), Some(next), "{now}");
        }
        let agreed = seen(&[("http://a:1,http://b:1", Answer, "a"), ("http://b:1,http://a:1", Snapshot, "b")]);
        assert!(!agreed.disputed() && agreed.choices().len() == 1);
        let mut proposed = seen(&[("/new/m1", Proposed, "a proposal"), ("/old", Config, "c")]);
        proposed.text = "/new/m1".into();
        assert!(!proposed.disputed() && proposed.other().is_some_and(|c| c.text == "/old"));
        assert_eq!(Cell::default().other(), None);
    }
}
