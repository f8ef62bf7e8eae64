//! The world of a drill: this machine, fenced in to the range, and the range's own members.
//!
//! It differs from the real one in two ways: a survivor that was met before a restore is stopped by somebody else, and once every member of a plan is restored, simulated
//! members come up on the new directories, as real ones would when their commands are run.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::range::Range;
use crate::{
    engine::{progress::Watch, restore::Restored},
    plan::{
        Plan, certs,
        facts::{Answer, FileFacts, Hashed, KnownMember, config::ConfigFacts, disk::DirFacts},
        fence::{Door, Heard},
        ledger::{Difference, History},
    },
    trouble::Result,
    world::{World, local::Local},
};

/// A fenced world over a range.
#[derive(Debug)]
pub struct DrillWorld {
    inner: Local,
    range: Arc<Mutex<Range>>,
    /// The token of the plan that is being carried out, and who of it stands.
    standing: Mutex<(String, BTreeSet<String>)>,
}

impl DrillWorld {
    /// The world of `range`; `inner` is fenced to its directory.
    pub fn new(inner: Local, range: Arc<Mutex<Range>>) -> DrillWorld {
        DrillWorld { inner, range, standing: Mutex::default() }
    }
}

impl World for DrillWorld {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn now(&self) -> i64 {
        self.inner.now()
    }

    fn fresh(&self) -> String {
        self.inner.fresh()
    }

    fn ask(&self, endpoint: &str) -> Answer {
        self.inner.ask(endpoint)
    }

    fn ask_peer(&self, endpoint: &str, member: &KnownMember) -> Answer {
        self.inner.ask_peer(endpoint, member)
    }

    fn hash_at(&self, endpoint: &str, revision: i64) -> Hashed {
        self.inner.hash_at(endpoint, revision)
    }

    fn knock(&self, doors: &[Door]) -> Vec<Heard> {
        let heard = self.inner.knock(doors);
        // The colleague at the survivor's host does what the fence asks for; whoever asks again finds it done.
        self.range.lock().unwrap_or_else(PoisonError::into_inner).stop_survivors();
        heard
    }

    fn listed(&self, snapshot: &Path) -> Result<Vec<KnownMember>> {
        self.inner.listed(snapshot)
    }

    fn find(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>> {
        self.inner.find(places)
    }

    fn inspect(&self, path: &Path, watch: &mut Watch<'_>) -> Result<FileFacts> {
        self.inner.inspect(path, watch)
    }

    fn look_at_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
        self.inner.look_at_dir(data_dir, wal_dir)
    }

    fn discover(&self) -> Vec<ConfigFacts> {
        self.inner.discover()
    }

    fn same_history(&self, first: &Path, second: &Path) -> Result<History> {
        self.inner.same_history(first, second)
    }

    fn compare(&self, first: &Path, second: &Path, watch: &mut Watch<'_>) -> Result<(Difference, bool)> {
        self.inner.compare(first, second, watch)
    }

    fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut Watch<'_>) -> Result<FileFacts> {
        self.inner.save_snapshot(endpoint, into, watch)
    }

    fn restore(&self, plan: &Plan, name: &str, watch: &mut Watch<'_>) -> Result<Restored> {
        let restored = self.inner.restore(plan, name, watch)?;
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.0 != plan.token {
            *standing = (plan.token.clone(), BTreeSet::new());
        }
        standing.1.insert(name.to_string());
        if plan.members.iter().all(|m| standing.1.contains(&m.name)) {
            self.range.lock().unwrap_or_else(PoisonError::into_inner).bring_up(plan);
        }
        Ok(restored)
    }

    fn certificates(&self, named: &[certs::Named]) -> certs::Seen {
        self.inner.certificates(named)
    }

    fn write_new(&self, path: &Path, text: &str) -> Result<()> {
        self.inner.write_new(path, text)
    }

    fn append(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()> {
        self.inner.append(path, line)
    }
}
