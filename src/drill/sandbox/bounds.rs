//! What an exercise may touch: one directory, and the URLs of its own members.

use std::path::{Component, Path, PathBuf};

use crate::{
    domain::members::certificates,
    engine::{install::staging, source::io_trouble},
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// Why something is not reached, in a few words.
pub(super) const OUTSIDE: &str = "outside this exercise";

/// A directory and endpoints, and nothing else.
#[derive(Debug, Clone)]
pub struct Bounds {
    root: PathBuf,
    /// The same path as it was given, where links lead to it.
    named: PathBuf,
    endpoints: Vec<String>,
}

impl Bounds {
    /// Returns the bounds of the directory `root` and the members at `endpoints`.
    ///
    /// # Errors
    /// If `root` does not exist.
    pub fn new(root: &Path, endpoints: Vec<String>) -> Result<Bounds> {
        let real = root.canonicalize().map_err(|e| io_trouble("look at", root, &e))?;
        Ok(Bounds { root: real, named: root.into(), endpoints })
    }

    /// Refuses a path outside, symbolic links followed.
    ///
    /// # Errors
    /// If it is outside, or cannot be made absolute.
    pub(super) fn path(&self, path: &Path) -> Result<()> {
        let refusal = || {
            outside(path.shown().as_ref())
                .why(format!("a drill uses nothing but {}", self.root.shown()))
                .hint("Choose a path in that directory; for real work leave the drill and start requorum.")
        };
        let absolute = std::path::absolute(path).map_err(|e| io_trouble("look at", path, &e))?;
        // An obviously outside path is not even accessed.
        let near = [&self.root, &self.named].iter().any(|root| absolute.starts_with(root));
        if !near || absolute.components().any(|c| c == Component::ParentDir) {
            return Err(refusal());
        }
        // The deepest existing part shows where the rest would be created.
        let existing = absolute.ancestors().find_map(|p| p.canonicalize().ok());
        if existing.is_some_and(|real| real.starts_with(&self.root)) { Ok(()) } else { Err(refusal()) }
    }

    /// Refuses a path whose staging directory would be outside.
    ///
    /// # Errors
    /// As [`Bounds::path`].
    pub(super) fn build(&self, dir: &Path) -> Result<()> {
        self.path(dir)?;
        self.path(staging::parent(dir))
    }

    /// Refuses an endpoint that is not one of the exercise's members.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn endpoint(&self, endpoint: &str) -> Result<()> {
        match self.endpoints.iter().any(|e| e == endpoint) {
            true => Ok(()),
            false => Err(outside(endpoint)
                .why("a drill asks only its own members")
                .hint(format!("Its members are {}.", self.endpoints.join(", ")))),
        }
    }

    /// Returns the certificates all of whose files are inside.
    pub fn certificates(&self, named: &[certificates::Named]) -> Vec<certificates::Named> {
        let inside = |n: &&certificates::Named| {
            [Some(&n.cert), n.key.as_ref(), n.ca.as_ref()].into_iter().flatten().all(|path| self.path(path).is_ok())
        };
        named.iter().filter(inside).cloned().collect()
    }
}

/// Returns the error for anything outside.
pub(super) fn outside(what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{what}: {OUTSIDE}"))
}
