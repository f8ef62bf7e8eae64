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
    engine::{
        claim::{Claim, Run},
        progress::Watch,
        restore::Restored,
        swap::{Record, Standing, Swapped, Went},
    },
    plan::{
        Plan, certs,
        facts::{
            Answer, FileFacts, Hashed, KnownMember,
            config::ConfigFacts,
            disk::DirFacts,
            started::{Data, PlannedHash},
        },
        fence::{Door, Heard},
        halt::Halt,
        ledger::{Difference, History},
    },
    trouble::Result,
    world::{
        World,
        hand::{Hand, Near},
        journal,
        local::Local,
        site::{Site, Work},
        ssh::Stop,
    },
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

impl DrillWorld {
    /// Notes that a member is in place; when all of a plan are, they come up.
    fn stands(&self, plan: &Plan, name: &str) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if standing.0 != plan.token {
            *standing = (plan.token.clone(), BTreeSet::new());
        }
        standing.1.insert(name.to_string());
        if plan.members.iter().all(|m| standing.1.contains(&m.name)) {
            self.range.lock().unwrap_or_else(PoisonError::into_inner).bring_up(plan);
        }
    }
}

impl Site for DrillWorld {
    fn claim(&self, run: &Run, targets: &[PathBuf]) -> Result<Claim> {
        self.inner.claim(run, targets)
    }

    fn journal(&self, target: &Path, plan: &str) -> PathBuf {
        self.inner.journal(target, plan)
    }

    fn standing(&self, work: &Work<'_>) -> Result<Standing> {
        Site::standing(&self.inner, work)
    }

    fn stage(&self, work: &Work<'_>, watch: &mut Watch<'_>) -> Result<Restored> {
        self.inner.stage(work, watch)
    }

    fn swap(&self, work: &Work<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped> {
        let swapped = self.inner.swap(work, stamp, record)?;
        self.stands(work.plan, work.name);
        Ok(swapped)
    }

    fn undo(&self, work: &Work<'_>, swapped: &Swapped, stamp: &str, record: Record<'_, Went>) -> Result<Went> {
        self.inner.undo(work, swapped, stamp, record)
    }

    fn discard(&self, work: &Work<'_>) -> Result<()> {
        self.inner.discard(work)
    }

    fn halt(&self, halt: &Halt) -> Result<()> {
        self.inner.halt(halt)
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

    fn operator(&self) -> String {
        self.inner.operator()
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

    fn simulated(&self) -> bool {
        true
    }

    fn planned_hash(&self, plan: &Plan, compacted: i64, watch: &mut Watch<'_>) -> Result<PlannedHash> {
        self.inner.planned_hash(plan, compacted, watch)
    }

    fn aftermath(&self, plan: &Plan, watch: &mut Watch<'_>) -> Result<Data> {
        self.inner.aftermath(plan, watch)
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
        self.stands(plan, name);
        Ok(restored)
    }

    fn site(&self) -> &dyn Site {
        self
    }

    fn open(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Box<dyn Hand + '_>> {
        // The same hand, but what it does passes here.
        let facts = self.inner.open(host, dirs, stop)?.facts().clone();
        Ok(Box::new(Near::new(self, facts)))
    }

    fn certificates(&self, named: &[certs::Named]) -> certs::Seen {
        self.inner.certificates(named)
    }

    fn write_new(&self, path: &Path, text: &str) -> Result<()> {
        self.inner.write_new(path, text)
    }

    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        self.inner.read_text(path)
    }

    fn journals(&self, dir: &Path) -> Vec<(PathBuf, Result<Vec<journal::Record>>)> {
        self.inner.journals(dir)
    }

    fn append(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()> {
        self.inner.append(path, line)
    }
}
