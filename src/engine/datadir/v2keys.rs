//! User keys of the v2 store: read from a member's `.snap` file and WAL, to be listed or exported. A snapshot of the v3
//! store does not contain them, so a restore does not recover them.

use std::path::{Path, PathBuf};

use super::log;
use crate::{
    engine::source::io_trouble,
    text::{number::count, value::shown},
};
use crate::{
    error::{Error, ErrorKind, Result},
    etcd::v2store::{
        expiration::to_rfc3339,
        state::{Node, Store},
    },
    raft,
    text::Shown,
};

/// The v2 store of a member as of the end of its WAL.
#[derive(Debug)]
pub struct V2Keys {
    store: Store,
    /// The last entry of the WAL.
    pub last_index: u64,
    /// The number of entries after the last index known to be committed; they are applied too.
    pub undecided: u64,
    /// Where and why the WAL ends early, if it does.
    pub torn: Option<String>,
}

/// Reads the v2 store in a data directory.
///
/// # Errors
/// If there is no WAL, it is damaged, or its beginning is missing: an incomplete list would look like a complete one.
pub fn read(data_dir: &Path, wal_dir: Option<&Path>) -> Result<V2Keys> {
    let wal = wal_dir.map_or_else(|| data_dir.join("member/wal"), PathBuf::from);
    let cannot = || Error::new(ErrorKind::Input, format!("{}: cannot read the v2 keys", data_dir.shown()));
    let log = log::read(&data_dir.join("member/snap"), &wal).map_err(|error| match error {
        raft::Error::Io { path, source } => io_trouble("read", &path, &source).hint(
            "Specify the data directory, which contains member/; if etcd was run with --wal-dir, specify that too.",
        ),
        other => cannot().why(other).hint("If etcd was run with --wal-dir, specify that directory too."),
    })?;
    if let Some(problem) = log.problem {
        return Err(cannot().why(problem).hint("Use the data directory of another member."));
    }
    let (last_index, commit) = (log.last().index, log.commit());
    let store = log.store.ok_or_else(|| {
        cannot()
            .why(format!(
                "its WAL begins with entry {}, and no .snap file covers the entries before it",
                log.outline.first
            ))
            .hint("etcd 3.7 has no v2 store; for an earlier version, use the data directory of another member.")
    })?;
    Ok(V2Keys { store, last_index, undecided: last_index.saturating_sub(commit), torn: log.outline.torn })
}

impl V2Keys {
    /// Returns keys and directories in the order of their paths.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.store.users()
    }

    /// Returns a summary with what is uncertain: `3 keys in 1 directory, up to entry 812 of the WAL`.
    pub fn summary(&self) -> String {
        let keys = self.store.user_keys();
        let directories = (self.nodes().count() as u64).saturating_sub(keys);
        let undecided = match self.undecided {
            0 => String::new(),
            n => format!(", {} of which are not known to be committed", count(n, "entry", "entries")),
        };
        format!(
            "{} in {}, up to entry {} of the WAL{undecided}",
            count(keys, "key", "keys"),
            count(directories, "directory", "directories"),
            self.last_index
        )
    }

    /// Returns a line for each node: its path, for a directory with a slash at the end.
    pub fn list(&self) -> String {
        let line =
            |(path, node): (&str, &Node)| format!("{}{}\n", shown(path.as_bytes()), if node.dir { "/" } else { "" });
        self.nodes().map(line).collect()
    }

    /// Returns a JSON object a line for each node, with the names of etcd's v2 API: `key`, `value` or `dir`, `createdIndex`,
    /// `modifiedIndex`, and `expiration` (RFC 3339, UTC) if it has one.
    pub fn json_lines(&self) -> String {
        let line = |(path, node): (&str, &Node)| {
            let mut object = serde_json::Map::new();
            object.insert("key".into(), path.into());
            match node.dir {
                true => object.insert("dir".into(), true.into()),
                false => object.insert("value".into(), node.value.clone().into()),
            };
            if let Some(at) = node.expires {
                object.insert("expiration".into(), to_rfc3339(at).into());
            }
            object.insert("createdIndex".into(), node.created.into());
            object.insert("modifiedIndex".into(), node.modified.into());
            format!("{}\n", serde_json::Value::Object(object))
        };
        self.nodes().map(line).collect()
    }
}
