//! The files below one root: `/` on a real machine, a directory in tests. Only small files are read, completely.

use std::{
    fs,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use crate::engine::durable_fs;

/// The largest configuration file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Files below a root, named by their absolute paths as if the root were `/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tree<'r>(pub &'r Path);

impl Tree<'_> {
    /// Returns the real path of `path`. `..` is resolved as text: nothing leads out of the root.
    pub(super) fn real(self, path: &Path) -> PathBuf {
        let mut real = self.0.to_path_buf();
        let mut depth = 0;
        for component in path.components() {
            match component {
                Component::Normal(name) => {
                    real.push(name);
                    depth += 1;
                }
                Component::ParentDir if depth > 0 => {
                    real.pop();
                    depth -= 1;
                }
                _ => {}
            }
        }
        real
    }

    /// Returns a file's text; bytes that are not UTF-8 become replacement characters.
    pub(super) fn text(self, path: &Path) -> io::Result<String> {
        let real = self.real(path);
        // Opening a pipe may block, and a device may act: any user's process may name one as its configuration.
        let mut bytes = Vec::new();
        durable_fs::regular(&real)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(io::Error::other("it is too large for a configuration"));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the names in a directory, sorted; none if it does not exist.
    pub(super) fn names(self, dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(self.real(dir)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Returns the target of a symbolic link.
    pub(super) fn link(self, path: &Path) -> Option<PathBuf> {
        fs::read_link(self.real(path)).ok()
    }
}
