//! Handles the requests on the machine where the members are: each step is recorded in the plan's journal there before
//! and after it.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{super::DataDir, other_version};
use crate::{
    agent::{
        build_note,
        protocol::{Event, Have, MemberRequest, PROTOCOL, Request},
        snapshot_upload::{self, Incoming},
    },
    domain::model::observations::disk::Held,
    engine::{
        install::{
            MemberState, Renames, Swapped,
            run_lock::{Run, RunLock},
        },
        progress::{Phase, ProgressFn},
        source::step,
    },
    error::{Error, ErrorKind, Remedy, Result},
    system::{
        Files, System,
        journal::{Event as Line, Journal, Record, Start, is_seal},
        member_ops::{MemberOps, PlannedMember},
    },
    text::Shown,
};

/// How long an interrupted run may take to release its lock: longer than its remote end takes to notice.
const LETTING_GO: Duration = Duration::from_secs(45);
const GLANCE: Duration = Duration::from_millis(200);

/// The handler of one connection, from the first request to the last.
pub struct AgentHandler<'a> {
    system: &'a dyn System,
    incoming: Option<Incoming>,
    /// The snapshot that was found or received completely.
    snapshot: Option<PathBuf>,
    claimed: Option<Claimed>,
}

struct Claimed {
    run: Run,
    journal: PathBuf,
    /// The seal of the journal.
    seal: String,
    _claim: RunLock,
}

impl Claimed {
    fn journal<'w>(&self, system: &'w dyn System) -> Journal<'w, dyn System + 'w> {
        Journal::on_host(system, &self.journal, Start::Seal(self.seal.clone()))
    }
}

/// Returns the seal of the journal at `path`, existing or new: the operator's if it is `bound`, else the existing
/// journal's, if any.
fn start(system: &dyn Files, path: &Path, seal: String, bound: bool) -> Result<String> {
    if !is_seal(&seal) {
        return Err(Error::new(ErrorKind::Input, "protocol error: invalid request").why("the seal is invalid"));
    }
    let demanded = if bound { Start::Seal(seal.clone()) } else { Start::Any };
    let there = Journal::on_host(system, path, demanded).read().map_err(|error| {
        error.hint("Check who wrote it. To continue without it, move it aside and keep it; a new one is then created.")
    })?;
    let begins = there.into_iter().next().map_or(seal, |first| first.prev);
    if !is_seal(&begins) {
        return Err(Error::new(ErrorKind::Refused, format!("{}: journal not trusted", path.shown()))
            .why("it does not begin like a host's journal: another version or another program wrote it")
            .hint(
                "Check who wrote it. To continue without it, move it aside and keep it; a new one is then created.",
            ));
    }
    Ok(begins)
}

impl<'a> AgentHandler<'a> {
    /// Creates a handler that works through `world`.
    pub fn new(system: &'a dyn System) -> AgentHandler<'a> {
        AgentHandler { system, incoming: None, snapshot: None, claimed: None }
    }

    /// Stops waiting for an incoming snapshot. What was received stays.
    pub(super) fn give_up_receiving(&mut self) {
        self.incoming = None;
    }

    /// Takes a chunk: returns an event for the last one only. Chunks that were in transit when the upload failed are
    /// dropped.
    pub(super) fn chunk(&mut self, bytes: &[u8], watch: &mut ProgressFn<'_>) -> Result<Option<Event>> {
        let Some(incoming) = &mut self.incoming else { return Ok(None) };
        if !incoming.take(bytes)? {
            return Ok(None);
        }
        let Some(whole) = self.incoming.take() else { return Ok(None) };
        let have = whole.finish(watch)?;
        Ok(Some(self.has(have)))
    }

    fn has(&mut self, have: Have) -> Event {
        if let Have::All(path) = &have {
            self.snapshot = Some(path.clone());
        }
        Event::Snapshot(have)
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// In a sentence.
    pub fn answer(&mut self, request: Request, watch: &mut ProgressFn<'_>) -> Result<Event> {
        let site = self.system.member_ops();
        Ok(match request {
            Request::Hello { protocol: PROTOCOL } => {
                Event::Hello { protocol: PROTOCOL, version: build_note::VERSION.into() }
            }
            Request::Hello { protocol } => return Err(other_version(protocol, PROTOCOL)),
            Request::LookAround { dirs } => {
                let dirs: Vec<DataDir> = dirs.into_iter().map(|(data, wal)| DataDir { data, wal }).collect();
                Event::Around(Box::new(self.system.inspect_machine(&dirs)))
            }
            Request::DiscoverConfigs => Event::Configs(self.system.discover_configs()),
            Request::HaveSnapshot(wanted) => {
                let have = site.have(&wanted, watch)?;
                self.has(have)
            }
            Request::Receive { snapshot, from } => {
                let incoming = Incoming::begin(snapshot, from)?;
                // The part may be complete already.
                if incoming.whole() {
                    let have = incoming.finish(watch)?;
                    return Ok(self.has(have));
                }
                let have = Have::Part(incoming.at());
                self.incoming = Some(incoming);
                Event::Snapshot(have)
            }
            Request::Claim { run, targets, seal, bound } => {
                // Releases the own lock of a moment ago.
                self.claimed = None;
                let _claim = claim(site, &run, &targets, watch)?;
                let first =
                    targets.first().ok_or_else(|| Error::new(ErrorKind::Bug, "a lock request without directories"))?;
                let journal = site.journal(first, &run.plan);
                let start = start(self.system, &journal, seal, bound)?;
                let text = format!("plan {} of {}: started by {}", run.plan, run.label, run.operator);
                Journal::on_host(self.system, &journal, Start::Seal(start.clone())).add(
                    Line::Begun,
                    &text,
                    json!({"plan": run.plan, "run": run.id, "operator": run.operator}),
                )?;
                self.claimed = Some(Claimed { run, journal, seal: start.clone(), _claim });
                Event::Claimed { seal: start }
            }
            Request::Standing(of) => Event::Standing(self.member_state(&of)?),
            Request::Stage(of) => {
                let (of, name) = (self.here(of)?, json!({"act": "stage"}));
                let made = self.act(&of, "building in staging", name, |work, _| site.stage(work, watch))?;
                Event::Restored(made)
            }
            Request::Swap { of, stamp } => {
                let data = json!({"act": "swap", "stamp": stamp});
                let swapped = self.act(&of, "installing", data, |work, record| {
                    site.swap(work, &stamp, &mut |swapped| record(json!({"swapped": swapped})))
                })?;
                Event::Swapped(swapped)
            }
            Request::Undo { of, stamp } => {
                let swapped = match self.member_state(&of)? {
                    MemberState::InPlace(swapped) => swapped,
                    MemberState::Undoing => self.recorded(&of)?.ok_or_else(|| not_in_place(&of.name))?,
                    // repeated after a lost answer
                    MemberState::Nothing => {
                        return self.undone(&of)?.map(Event::Undone).ok_or_else(|| not_in_place(&of.name));
                    }
                    _ => return Err(not_in_place(&of.name)),
                };
                let data = json!({"act": "undo", "stamp": stamp});
                let went = self.act(&of, "rolling back", data, |work, record| {
                    site.undo(work, &swapped, &stamp, &mut |went| record(json!({"undone": went})))
                })?;
                Event::Undone(went)
            }
            Request::Discard(of) => {
                self.act(&of, "removing it from staging", json!({"act": "discard"}), |work, _| site.discard(work))?;
                Event::Done
            }
            Request::Halt(halt) => {
                let claimed = self.claimed()?;
                let journal = claimed.journal(self.system);
                let text = format!("stopping the etcd on {}: {}", halt.data_dir.shown(), halt.commands.join("; "));
                journal.add(Line::Doing, &text, json!({"act": "halt", "run": claimed.run.id, "halt": halt}))?;
                site.halt(&halt).map_err(|t| failed(&journal, &text, json!({"act": "halt", "why": t.why}), t))?;
                journal.add(Line::Done, &format!("{text}: done"), json!({"act": "halt", "run": claimed.run.id}))?;
                Event::Done
            }
            Request::Start { of, commands } => self.start(&of, &commands, watch)?,
            Request::Forget(wanted) => {
                self.snapshot = None;
                snapshot_upload::forget(&wanted)?;
                Event::Done
            }
            Request::Chunk { .. } | Request::Still | Request::Bye => Event::Done,
        })
    }

    /// Starts a member that this plan installed. One that is running already is left alone.
    fn start(&self, of: &MemberRequest, commands: &[String], watch: &mut ProgressFn<'_>) -> Result<Event> {
        let MemberState::InPlace(_) = self.member_state(of)? else {
            return Err(not_in_place(&of.name).hint("Nothing was started.").remedies(&[Remedy::Install]));
        };
        let run = &self.claimed()?.run;
        let member = PlannedMember { plan: &of.plan, plan_id: &run.plan, name: &of.name, run: &run.id }.member()?;
        if let Held::By { pid, .. } = self.system.inspect_data_dir(&member.data_dir, member.wal_dir.as_deref()).held {
            return Ok(Event::Started { pid, already: true });
        }
        let (text, about) =
            (format!("starting: {}", commands.join("; ")), json!({"act": "start", "commands": commands}));
        let pid = self.act(of, &text, about, |work, record| {
            let pid = self.system.member_ops().start(work, commands, watch)?;
            record(json!({"pid": pid}))?;
            Ok(pid)
        })?;
        Ok(Event::Started { pid, already: false })
    }

    fn claimed(&self) -> Result<&Claimed> {
        self.claimed.as_ref().ok_or_else(|| Error::new(ErrorKind::Bug, "a change was requested before the lock"))
    }

    /// Returns the plan with the snapshot's path on this machine.
    fn here(&self, mut of: MemberRequest) -> Result<MemberRequest> {
        let path = self
            .snapshot
            .clone()
            .ok_or_else(|| Error::new(ErrorKind::Bug, format!("{}: build requested before its snapshot", of.name)))?;
        of.plan.source.path = path;
        Ok(of)
    }

    /// Runs `work` between two lines of the journal. `work` writes the second line itself, with its result, if a kill
    /// just after it must be distinguished from a kill just before it.
    fn act<T>(
        &self,
        of: &MemberRequest,
        text: &str,
        about: Value,
        work: impl FnOnce(&PlannedMember<'_>, &mut dyn FnMut(Value) -> Result<()>) -> Result<T>,
    ) -> Result<T> {
        let claimed = self.claimed()?;
        let (run, journal, name, begun) = (&claimed.run, claimed.journal(self.system), &of.name, Instant::now());
        let text = format!("{name}: {text}");
        let data = |more: Value| {
            let mut all = Map::from_iter([("name".to_string(), json!(name)), ("run".to_string(), json!(run.id))]);
            all.extend(
                [&about, &more].into_iter().filter_map(Value::as_object).flatten().map(|(k, v)| (k.clone(), v.clone())),
            );
            Value::Object(all)
        };
        journal.add(Line::Doing, &text, data(Value::Null))?;
        let told = Cell::new(false);
        let mut done = |more: Value| {
            told.set(true);
            let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let mut data = data(more);
            data["took_ms"] = json!(took);
            journal.add(Line::Done, &format!("{text}: done"), data)
        };
        let work = work(&PlannedMember { plan: &of.plan, plan_id: &run.plan, name, run: &run.id }, &mut done);
        let outcome = match work {
            Ok(made) if told.get() => return Ok(made),
            Ok(made) => done(Value::Null).map(|()| made),
            Err(error) => Err(error),
        };
        outcome.map_err(|error| failed(&journal, &text, data(json!({"why": error.why})), error))
    }

    /// Returns a member's state. It is also asked for before the lock, by who only wants to know.
    fn member_state(&self, of: &MemberRequest) -> Result<MemberState> {
        let own = of.plan.short_id();
        let (plan_id, run) =
            self.claimed.as_ref().map_or((own.as_str(), ""), |claimed| (&claimed.run.plan, &claimed.run.id));
        let work = PlannedMember { plan: &of.plan, plan_id, name: &of.name, run };
        Ok(match self.system.member_ops().member_state(&work)? {
            MemberState::Nothing => match self.recorded(of)?.filter(Swapped::still) {
                Some(swapped) => MemberState::InPlace(swapped),
                None => MemberState::Nothing,
            },
            other => other,
        })
    }

    /// Returns the plan's journal on this machine as it is, without the lock: it is next to the first member's directory
    /// of those that a run works on.
    fn unlocked_journal(&self, of: &MemberRequest) -> Result<(PathBuf, Vec<Record>)> {
        let site = self.system.member_ops();
        let paths = of.plan.members.iter().map(|member| site.journal(&member.data_dir, &of.plan.short_id()));
        match paths.into_iter().find(|path| path.exists()) {
            Some(path) => Journal::on_host(self.system, &path, Start::Any).read().map(|records| (path, records)),
            None => Ok((PathBuf::new(), Vec::new())),
        }
    }

    /// Returns what was installed last according to the journal, unless it was rolled back.
    fn recorded(&self, of: &MemberRequest) -> Result<Option<Swapped>> {
        self.last(of, "swapped")
    }

    /// Returns the renames of a member's rollback, if that is its last step in the journal.
    fn undone(&self, of: &MemberRequest) -> Result<Option<Renames>> {
        self.last(of, "undone")
    }

    /// Returns the result of a member's last install or rollback in the journal, if it was this act: "swapped" or
    /// "undone".
    fn last<T: DeserializeOwned>(&self, of: &MemberRequest, act: &str) -> Result<Option<T>> {
        let (path, records) = match &self.claimed {
            Some(claimed) => (claimed.journal.clone(), claimed.journal(self.system).read()?),
            None => self.unlocked_journal(of)?,
        };
        let mine = records.iter().rev().filter(|r| r.kind == Line::Done && r.data.get("name") == Some(&json!(of.name)));
        let acts = mine.filter(|r| r.data.contains_key("swapped") || r.data.contains_key("undone"));
        let last = acts.map(|r| r.data.get(act)).next().flatten();
        last.map(|came| serde_json::from_value(came.clone())).transpose().map_err(|e| {
            Error::new(ErrorKind::Input, format!("{}: the journal has an unknown format", path.shown())).why(e)
        })
    }
}

/// Takes the lock, and waits a while if an earlier run of the same operator is just ending: an interrupted remote end
/// takes a moment to notice.
fn claim(site: &dyn MemberOps, run: &Run, targets: &[PathBuf], watch: &mut ProgressFn<'_>) -> Result<RunLock> {
    let deadline = Instant::now() + LETTING_GO;
    loop {
        match site.claim(run, targets) {
            Err(refused)
                if refused.by.as_ref().is_some_and(|by| by.operator == run.operator) && Instant::now() < deadline =>
            {
                step(watch, Phase::Wait, 0, 0)?;
                // There is no event for the release of a lock.
                thread::sleep(GLANCE);
            }
            other => return other.map_err(Error::from),
        }
    }
}

/// Records a failure. A journal that cannot be written does not hide the cause.
fn failed(journal: &Journal<'_, dyn System + '_>, text: &str, data: Value, error: Error) -> Error {
    let _ = journal.add(Line::Failed, &format!("{text}: {}", error.what), data);
    error
}

fn not_in_place(name: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{name}: not installed by this plan"))
        .why("the plan's journal on this host does not record its install, or the directory has changed since")
        .hint("There is nothing to roll back on this host.")
}
