//! The snapshot that hosts are sent.

use std::{
    fs::File,
    sync::{Mutex, PoisonError},
};

use crate::{
    agent::snapshot_upload,
    domain::model::plan::Plan,
    engine::{durable_fs, progress::ProgressFn, source::io_trouble},
    error::{Error, ErrorKind, Result},
    text::Shown,
};

/// The plan's snapshot on this machine, hashed once, when the first host wants it.
pub(crate) struct Source<'a> {
    plan: &'a Plan,
    opened: Mutex<Option<Result<()>>>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Source<'a> {
        Source { plan, opened: Mutex::new(None) }
    }

    /// Opens it, if it is the plan's. A change after that is met at the far end.
    pub(crate) fn open(&self, watch: &mut ProgressFn<'_>) -> Result<File> {
        let source = &self.plan.source;
        let file = durable_fs::readable(&source.path).map_err(|e| io_trouble("read", &source.path, &e))?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let judged = match &*opened {
            Some(known) => known.clone(),
            None => {
                let found = snapshot_upload::sha256(&file, &source.path, source.bytes, watch)?;
                let judged = if found == source.sha256 { Ok(()) } else { Err(self.another(&found)) };
                opened.insert(judged).clone()
            }
        };
        judged.map(|()| file)
    }

    fn another(&self, found: &str) -> Error {
        let Self { plan, .. } = self;
        Error::new(
            ErrorKind::Refused,
            format!("{} is not the file that the plan was made for", plan.source.path.shown()),
        )
        .why(format!("the plan pins SHA-256 {}, the file has {found}", plan.source.sha256))
        .hint("Bring the right file, or make a new plan from this one.")
    }
}
