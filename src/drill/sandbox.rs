//! The sandbox of an exercise: this machine, confined to the lab, and the lab's own members.
//!
//! It differs from the real one in the surroundings of the wizard: the lab's hosts have configurations and running members,
//! the clock is the exercise's, the disk may be full, and once every member of a plan is installed, members start on the new
//! directories as real ones would with their launch commands. What is done through it is recorded in the exercise.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    scenario::Act,
    session::{Exercise, What},
};
use crate::{
    domain::{
        members::certificates,
        model::{
            observations::{
                Alarm, Answer, FileFacts, Hashed, KnownMember,
                config::{ConfigFacts, Origin},
                disk::{DirFacts, Held},
                rows::StoredRows,
                started::{Canary, Data, PlannedHash, Queried, Watched},
            },
            plan::Plan,
        },
        preflight::{
            blockers::{Endpoint, ProbeResult},
            space::{self, Needed},
            stop::RunningEtcd,
        },
        quorum::known::OldKey,
        sources::data_loss::{Difference, History},
    },
    engine::{
        install::{
            MemberState, Record, Renames, Swapped,
            run_lock::{NotClaimed, Run, RunLock},
        },
        progress::ProgressFn,
        restore::Restored,
    },
    error::Result,
    system::{
        World, discovery,
        host_session::{HostSession, LocalHost},
        journal,
        local::Local,
        member_ops::{MemberOps, PlannedMember},
        ssh::Stop,
    },
    text::Shown,
};

/// The free space on the lab's disk while it is full, in bytes.
const FREE_OF_A_FULL_DISK: u64 = 12_000_000;

/// A sandbox around a lab.
#[derive(Debug)]
pub struct DrillWorld {
    inner: Arc<Local>,
    exercise: Arc<Exercise>,
}

impl DrillWorld {
    /// Makes the sandbox of `exercise`; `inner` is confined to its directory.
    pub fn new(inner: Arc<Local>, exercise: Arc<Exercise>) -> DrillWorld {
        DrillWorld { inner, exercise }
    }
}

impl DrillWorld {
    /// Records that a member's directory is about to be built.
    ///
    /// # Errors
    /// If the exercise's disk is full.
    fn begins(&self, plan: &Plan, name: &str) -> Result<()> {
        let mut exercise = self.exercise.lock();
        exercise.begun();
        let place = plan.member(name)?.data_dir.clone();
        if !exercise.range.disk_is_full() || !place.starts_with(exercise.range.base_dir()) {
            return Ok(());
        }
        exercise.note(What::Restore, format!("{name} could not be built: the disk is full"));
        space::check(&place, FREE_OF_A_FULL_DISK, Needed::of_plan(plan).total())
    }

    /// Records that a member is installed; once all members of a plan are, they start.
    fn stands(&self, plan: &Plan, name: &str) {
        let mut exercise = self.exercise.lock();
        if exercise.standing.0 != plan.token {
            exercise.standing = (plan.token.clone(), BTreeSet::new());
        }
        exercise.standing.1.insert(name.to_string());
        exercise.note(What::Restore, format!("{name} installed and verified"));
        let all = plan.members.iter().all(|m| exercise.standing.1.contains(&m.name));
        let rising = if all { exercise.range.bring_up(plan) } else { None };
        exercise.stir();
        drop(exercise);
        // real members take time to start, and the coach continues meanwhile
        if let Some(rising) = rising {
            let risen = rising.wait();
            let mut exercise = self.exercise.lock();
            exercise.range.came_up(risen);
            exercise.stir();
        }
    }
}

impl MemberOps for DrillWorld {
    fn claim(&self, run: &Run, targets: &[PathBuf]) -> std::result::Result<RunLock, NotClaimed> {
        self.inner.claim(run, targets)
    }

    fn journal(&self, target: &Path, plan: &str) -> PathBuf {
        self.inner.journal(target, plan)
    }

    fn standing(&self, work: &PlannedMember<'_>) -> Result<MemberState> {
        MemberOps::standing(self.inner.as_ref(), work)
    }

    fn stage(&self, work: &PlannedMember<'_>, watch: &mut ProgressFn<'_>) -> Result<Restored> {
        self.begins(work.plan, work.name)?;
        self.inner.stage(work, watch)
    }

    fn swap(&self, work: &PlannedMember<'_>, stamp: &str, record: Record<'_, Swapped>) -> Result<Swapped> {
        let swapped = self.inner.swap(work, stamp, record)?;
        self.stands(work.plan, work.name);
        Ok(swapped)
    }

    fn undo(
        &self,
        work: &PlannedMember<'_>,
        swapped: &Swapped,
        stamp: &str,
        record: Record<'_, Renames>,
    ) -> Result<Renames> {
        let mut exercise = self.exercise.lock();
        exercise.standing.1.remove(work.name);
        exercise.range.take_down();
        exercise.note(What::Restore, format!("{} rolled back", work.name));
        drop(exercise);
        self.inner.undo(work, swapped, stamp, record)
    }

    fn discard(&self, work: &PlannedMember<'_>) -> Result<()> {
        self.inner.discard(work)
    }

    fn halt(&self, halt: &RunningEtcd) -> Result<()> {
        // no command is run in an exercise: its members are not run by a service manager
        let mut exercise = self.exercise.lock();
        match exercise.range.runner_of(&halt.data_dir) {
            Some(name) => exercise.range.act(&Act::Stop(name)),
            None => Ok(()),
        }
    }

    fn start(&self, work: &PlannedMember<'_>, commands: &[String], watch: &mut ProgressFn<'_>) -> Result<Option<u32>> {
        self.inner.start(work, commands, watch)
    }
}

impl World for DrillWorld {
    fn label(&self) -> &str {
        self.inner.label()
    }

    fn now(&self) -> i64 {
        let forward = self.exercise.lock().clock.forward().as_secs();
        self.inner.now().saturating_add_unsigned(forward)
    }

    fn fresh(&self) -> String {
        self.inner.fresh()
    }

    fn operator(&self) -> String {
        self.inner.operator()
    }

    fn name_endpoints(&self, endpoints: &[String]) {
        self.inner.name_endpoints(endpoints);
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

    fn hash_of(&self, database: &Path, revision: i64, compacted: i64) -> Hashed {
        self.inner.hash_of(database, revision, compacted)
    }

    fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String> {
        self.inner.old_keys(endpoint, revision)
    }

    fn has_keys(&self, database: &Path, revision: i64, keys: &[OldKey]) -> Result<bool> {
        self.inner.has_keys(database, revision, keys)
    }

    fn simulated(&self) -> bool {
        !self.exercise.lock().range.is_real()
    }

    fn clock(&self) -> Duration {
        self.inner.clock() + self.exercise.lock().clock.forward()
    }

    fn pause(&self, time: Duration) {
        let mut exercise = self.exercise.lock();
        // moving the clock forward does not speed up a real member
        match exercise.hurried && !exercise.range.is_real() {
            true => exercise.clock.skip(time),
            false => {
                drop(exercise);
                self.inner.pause(time);
            }
        }
    }

    fn alarms(&self, endpoint: &str) -> Queried<Vec<Alarm>> {
        self.inner.alarms(endpoint)
    }

    fn stored_rows(
        &self,
        endpoint: &str,
        most: u64,
        watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String> {
        self.inner.stored_rows(endpoint, most, watch)
    }

    fn watch_from(&self, endpoint: &str, revision: i64) -> Watched {
        self.inner.watch_from(endpoint, revision)
    }

    fn canary(&self, endpoints: &[String], key: &str, value: &str) -> Canary {
        self.inner.canary(endpoints, key, value)
    }

    fn planned_hash(&self, plan: &Plan, compacted: i64, watch: &mut ProgressFn<'_>) -> Result<PlannedHash> {
        self.inner.planned_hash(plan, compacted, watch)
    }

    fn planned_rows(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<StoredRows> {
        self.inner.planned_rows(plan, watch)
    }

    fn aftermath(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<Data> {
        self.inner.aftermath(plan, watch)
    }

    fn knock(&self, doors: &[Endpoint]) -> Vec<ProbeResult> {
        let heard = self.inner.knock(doors);
        let mut exercise = self.exercise.lock();
        exercise.knocked = true;
        exercise.note(What::Asked, "the old members were probed");
        exercise.stir();
        heard
    }

    fn removed(&self, snapshot: &Path) -> Vec<crate::etcd::membership::Id> {
        self.inner.removed(snapshot)
    }

    fn listed(&self, snapshot: &Path) -> Result<Vec<KnownMember>> {
        self.inner.listed(snapshot)
    }

    fn find(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>> {
        self.inner.find(places)
    }

    fn inspect(&self, path: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        self.inner.inspect(path, watch)
    }

    fn look_at_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts {
        let facts = self.inner.look_at_dir(data_dir, wal_dir);
        // a simulated member has no file lock, but its directory is in use
        let exercise = self.exercise.lock();
        match exercise.range.runner_of(data_dir).filter(|_| !exercise.range.is_real()) {
            Some(_) => DirFacts { held: Held::By { pid: None, program: "etcd".into() }, ..facts },
            None => facts,
        }
    }

    fn discover(&self) -> Vec<ConfigFacts> {
        // this machine's own etcds are not part of an exercise; the lab's hosts are
        let root = self.exercise.lock().range.root().to_path_buf();
        let mut found = Vec::new();
        for host in std::fs::read_dir(root.join("hosts")).into_iter().flatten().flatten() {
            let name = host.file_name().to_string_lossy().into_owned();
            for config in discovery::discover(&host.path()) {
                let origin = match &config.origin {
                    Origin::File(path) => Origin::File(format!("{name}:{}", path.shown()).into()),
                    Origin::Process(pid) => Origin::Process(*pid),
                };
                found.push(ConfigFacts { origin, ..config });
            }
        }
        found.sort_by_key(ConfigFacts::place);
        found
    }

    fn same_history(&self, first: &Path, second: &Path) -> Result<History> {
        self.inner.same_history(first, second)
    }

    fn compare(&self, first: &Path, second: &Path, watch: &mut ProgressFn<'_>) -> Result<(Difference, bool)> {
        self.inner.compare(first, second, watch)
    }

    fn make_dir(&self, dir: &Path) -> Result<()> {
        self.inner.make_dir(dir)
    }

    fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts> {
        let saved = self.inner.save_snapshot(endpoint, into, watch);
        let mut exercise = self.exercise.lock();
        if saved.is_err() {
            exercise.note(What::Source, format!("failed to save a snapshot from {endpoint}"));
            return saved;
        }
        exercise.saved = true;
        exercise.note(What::Source, format!("a snapshot was saved from {endpoint}"));
        exercise.stir();
        saved
    }

    fn site(&self) -> &dyn MemberOps {
        self
    }

    fn open(&self, host: &str, dirs: &[PathBuf], stop: Stop<'_>) -> Result<Box<dyn HostSession + '_>> {
        // the same session, but its acts go through the sandbox
        let facts = self.inner.open(host, dirs, stop)?.facts().clone();
        Ok(Box::new(LocalHost::new(self, facts)))
    }

    fn certificates(&self, named: &[certificates::Named]) -> certificates::CertificateFacts {
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
