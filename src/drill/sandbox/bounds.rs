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
    /// The same as it was named, where links lead to it.
    named: PathBuf,
    endpoints: Vec<String>,
}

impl Bounds {
    /// Everything in the directory `root`, and the members at `endpoints`.
    ///
    /// # Errors
    /// When `root` does not exist.
    pub fn new(root: &Path, endpoints: Vec<String>) -> Result<Bounds> {
        let real = root.canonicalize().map_err(|e| io_trouble("look at", root, &e))?;
        Ok(Bounds { root: real, named: root.into(), endpoints })
    }

    /// Refuses a path outside, symbolic links followed.
    ///
    /// # Errors
    /// When it is outside, or cannot be made absolute.
    pub(super) fn path(&self, path: &Path) -> Result<()> {
        let refusal = || {
            outside(path.shown().as_ref())
                .why(format!("a drill touches nothing but {}", self.root.shown()))
                .hint("Take a path in that directory; for real work leave the drill and start requorum.")
        };
        let absolute = std::path::absolute(path).map_err(|e| io_trouble("look at", path, &e))?;
        // What is plainly elsewhere is not even looked at.
        let near = [&self.root, &self.named].iter().any(|root| absolute.starts_with(root));
        if !near || absolute.components().any(|c| c == Component::ParentDir) {
            return Err(refusal());
        }
        // The deepest part that exists tells where the rest would come to lie.
        let existing = absolute.ancestors().find_map(|p| p.canonicalize().ok());
        if existing.is_some_and(|real| real.starts_with(&self.root)) { Ok(()) } else { Err(refusal()) }
    }

    /// Refuses a place next to which something would be built outside.
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

    /// The certificates all of whose files are inside.
    pub fn certificates(&self, named: &[certificates::Named]) -> Vec<certificates::Named> {
        let inside = |n: &&certificates::Named| {
            [Some(&n.cert), n.key.as_ref(), n.ca.as_ref()].into_iter().flatten().all(|path| self.path(path).is_ok())
        };
        named.iter().filter(inside).cloned().collect()
    }
}

/// The refusal of anything that is outside.
pub(super) fn outside(what: &str) -> Error {
    Error::new(ErrorKind::Input, format!("{what} is {OUTSIDE}"))
}
