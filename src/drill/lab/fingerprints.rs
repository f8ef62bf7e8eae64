//! The original files of an exercise, to show afterwards that they are unchanged.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    engine::source::{hex, io_trouble},
    error::Result,
};

/// The SHA-256 of each file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints(BTreeMap<PathBuf, String>);

impl Fingerprints {
    /// Records all files below these directories of `root`.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn record(root: &Path, dirs: &[&str]) -> Result<Fingerprints> {
        let mut prints = Fingerprints::default();
        for dir in dirs {
            prints.take(&root.join(dir))?;
        }
        Ok(prints)
    }

    /// Records the files at `path` again, after the lab itself changed them.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn take(&mut self, path: &Path) -> Result<()> {
        self.0.retain(|known, _| !known.starts_with(path));
        let mut files = Vec::new();
        list(path, &mut files).map_err(|e| io_trouble("look in", path, &e))?;
        for file in files {
            let print = print(&file).map_err(|e| io_trouble("read", &file, &e))?;
            self.0.insert(file, print);
        }
        Ok(())
    }

    /// Returns the files that are missing or changed.
    ///
    /// # Errors
    /// If an existing one cannot be read.
    pub fn changed(&self) -> Result<Vec<PathBuf>> {
        let mut changed = Vec::new();
        for (file, before) in &self.0 {
            match print(file) {
                Ok(now) if now == *before => {}
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_trouble("read", file, &e)),
                _ => changed.push(file.clone()),
            }
        }
        Ok(changed)
    }
}

fn print(file: &Path) -> io::Result<String> {
    Ok(hex(&Sha256::digest(fs::read(file)?)))
}

fn list(path: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    if !path.is_dir() {
        into.push(path.into());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        list(&entry?.path(), into)?;
    }
    Ok(())
}
