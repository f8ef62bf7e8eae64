//! The snapshot that is sent to hosts.

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

/// The plan's snapshot on this machine, hashed once, when the first host needs it.
pub(crate) struct Source<'a> {
    plan: &'a Plan,
    opened: Mutex<Option<Result<()>>>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Source<'a> {
        Source { plan, opened: Mutex::new(None) }
    }

    /// Opens the file, if it is the plan's snapshot. A later change is noticed at the receiving end.
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
        Error::new(ErrorKind::Refused, format!("{}: not the snapshot of the plan", plan.source.path.shown()))
            .why(format!("the plan requires SHA-256 {}, the file has {found}", plan.source.sha256))
            .hint("Provide the right file, or make a new plan from this one.")
    }
}
