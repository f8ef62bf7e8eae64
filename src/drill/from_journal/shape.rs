//! What a journal tells of a recovery, as numbers and yes or no. None of the journal's words is kept: no field here can hold
//! one. Only of journals from before the fields are words looked at, in [`old`].

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::old_journals;
use crate::{
    domain::{
        members::{cell::Origin, table::Column},
        model::{host_address, plan::Plan},
    },
    error::Fault,
    etcd::version::Minor,
    execute::executor::Goal,
    system::journal::{Event, Record},
};

/// From what the members were restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A snapshot that was saved from a member that answered.
    Survivor,
    /// A file with its checksum, saved earlier.
    File,
    /// A copy without a checksum.
    Raw,
    /// A member's data directory.
    Disk,
}

/// How far the recovery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every member was put in place.
    Done,
    /// It was begun; its end is not there, or is not the one that it was begun for.
    Unfinished,
    /// It was taken back, and nothing came after.
    TakenBack,
}

/// A recovery without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// True where the whole plan is told; else only the members that were restored on one machine.
    pub planned: bool,
    /// Voting members of the old cluster; none where that is not told.
    pub voters: Option<usize>,
    /// Members of the new one.
    pub members: usize,
    /// Old members that answered.
    pub alone: usize,
    /// True where it is told who answered.
    pub asked: bool,
    /// Old members that did not answer and whose disks were there.
    pub stopped: usize,
    /// From what it was restored.
    pub source: Source,
    /// Whether the chosen source lacked writes that another one had; none where that is not told.
    pub lost: Option<bool>,
    /// Whether a log went on past the database that was chosen; none where that is not told.
    pub log: Option<bool>,
    /// The etcd that was to run on the result.
    pub target: Option<Minor>,
    /// New members at addresses that the old cluster did not have; none where that is not told.
    pub moved: Option<usize>,
    /// Whether new members bore new names.
    pub renamed: bool,
    /// Whether the peers spoke TLS.
    pub tls: bool,
    /// Whether revisions were skipped.
    pub bumped: bool,
    /// Whether logs lay in directories of their own.
    pub wal_apart: bool,
    /// Whether alarms were left out.
    pub alarms: bool,
    /// Whether passwords were switched off, or a downgrade ended.
    pub other_options: bool,
    /// Whether a fence was overridden.
    pub overridden: bool,
    /// Whether an old member came back after it was taken for dead.
    pub came_back: bool,
    /// Whether a disk was full.
    pub full: bool,
    /// Whether something else failed on the way.
    pub failed: bool,
    /// Whether a host could not be reached.
    pub unreachable: bool,
    /// Members that were restored on other hosts.
    pub hosts: usize,
    /// Members that were restored by hand.
    pub by_hand: usize,
    /// How often it was begun.
    pub runs: usize,
    /// Whether members were taken out of their places again.
    pub undone: bool,
    /// How it ended.
    pub end: End,
    /// Whether the proof held, where one was made.
    pub proven: Option<bool>,
}

impl Shape {
    /// What these lines tell.
    ///
    /// # Errors
    /// A sentence, when they are of no recovery.
    pub(super) fn from_records(records: &[Record]) -> Result<Shape, String> {
        let told = JournalView(records);
        let begun: Vec<&Record> = told.of_kind(Event::Begun).collect();
        let plans: Vec<Plan> = begun.iter().filter_map(|record| plan(record)).collect();
        let Some(plan) = plans.last() else { return Shape::of_restore(&told, &begun) };
        let detect = told.decided("detect", "voters").next_back();
        let (alone, stopped) = living(&told, detect);
        let chosen = told.decided("snapshot", "loses").next_back();
        let lost = chosen.map(lost);
        let log = chosen.map(beyond);
        let names = cells(&told, Column::Name).iter().any(|cell| replaced(cell));
        let peers = cells(&told, Column::Peer);
        Ok(Shape {
            planned: true,
            voters: detect.and_then(|data| number(data.get("voters"))).filter(|n| *n > 0),
            members: plan.members.len(),
            alone,
            asked: detect.is_some() || told.of_kind(Event::Asked).any(|r| r.data.contains_key("raft_index")),
            stopped,
            source: source(plan, alone, lost == Some(true)),
            lost,
            log,
            target: plan.target,
            moved: (!peers.is_empty()).then(|| peers.iter().filter(|cell| replaced(cell)).count()),
            renamed: names,
            tls: plan.members.iter().flat_map(|m| &m.peer_urls).any(|url| url.starts_with("https://")),
            bumped: plan.bump_revision > 0,
            wal_apart: plan.members.iter().any(|m| m.wal_dir.is_some()),
            alarms: plan.options.clear_alarms,
            other_options: plan.options.disable_auth || plan.options.finish_downgrade,
            hosts: plan.members.iter().filter(|m| !host_address::is_local(&m.host)).count(),
            end: told.end(),
            ..told.on_the_way(begun.len())
        })
    }

    /// What `requorum restore --plan` wrote before it was an apply, which names its members and little else.
    fn of_restore(told: &JournalView<'_>, begun: &[&Record]) -> Result<Shape, String> {
        let Some(first) = begun.last() else { return Err(told.why_not()) };
        let members = texts(first.data.get("members")).count();
        if members == 0 {
            return Err(told.why_not());
        }
        Ok(Shape { members, end: told.end(), ..told.on_the_way(begun.len()) })
    }
}

fn plan(record: &Record) -> Option<Plan> {
    serde_json::from_value(record.data.get("whole_plan")?.clone()).ok()
}

fn number(value: Option<&Value>) -> Option<usize> {
    value.and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Whether the chosen source was known to lack revisions.
fn lost(chosen: &Data) -> bool {
    match chosen.get("loss") {
        Some(Value::Object(loss)) => loss.get("revisions").and_then(Value::as_u64).is_some_and(|n| n > 0),
        Some(_) => false,
        None => old_journals::lost(texts(chosen.get("loses"))),
    }
}

/// Whether the chosen source's log held entries that are not in its database.
fn beyond(chosen: &Data) -> bool {
    match chosen.get("loss") {
        Some(Value::Object(loss)) => loss.contains_key("log_entries"),
        Some(_) => false,
        None => old_journals::beyond(texts(chosen.get("loses"))),
    }
}

/// The kind of source, as path and checksum tell it; a saved snapshot is a survivor's where one answered and nothing
/// newer was known.
fn source(plan: &Plan, alone: usize, lost: bool) -> Source {
    match () {
        () if plan.source.path.ends_with("member/snap/db") => Source::Disk,
        () if plan.source.skip_hash_check => Source::Raw,
        () if alone > 0 && !lost => Source::Survivor,
        () => Source::File,
    }
}

/// How many old members answered, and how many more had their disks there.
fn living(told: &JournalView<'_>, detect: Option<&Data>) -> (usize, usize) {
    let halts = told.each("halt", |data| data.pointer("/halt/data_dir").map(Value::to_string));
    let aside = told.each("swapped", |data| {
        let places = data.pointer("/swapped/places").and_then(Value::as_array)?;
        places.iter().any(|place| !place["aside"].is_null()).then(|| data["swapped"]["name"].to_string())
    });
    let first = told.of_kind(Event::Asked).find_map(|r| r.data.get("raft_index")).and_then(Value::as_array);
    let alone = match detect {
        Some(data) => number(data.get("answering")).unwrap_or(0),
        None => first.map_or(0, Vec::len).max(halts),
    };
    (alone, aside.saturating_sub(alone))
}

type Data = serde_json::Map<String, Value>;

/// The cells of a column in the member table that was decided on last.
fn cells<'a>(told: &JournalView<'a>, column: Column) -> Vec<&'a Value> {
    let rows = told.decided("members", "rows").next_back().and_then(|data| data.get("rows")?.as_array());
    rows.into_iter().flatten().filter_map(|row| row.get(column.heading())).collect()
}

/// Whether a cell was changed from what the old cluster said.
fn replaced(cell: &Value) -> bool {
    let origin = |value: &Value| Origin::deserialize(&value["origin"]).ok();
    let before = |other: &Value| match origin(other) {
        Some(origin) => matches!(origin, Origin::Snapshot | Origin::Answer),
        None => texts(other.get("from")).any(old_journals::of_old_cluster),
    };
    let new = match origin(cell) {
        Some(origin) => matches!(origin, Origin::Typed | Origin::Inventory),
        None => cell["from"].as_str().is_some_and(old_journals::of_operator),
    };
    new && cell["instead_of"].as_array().is_some_and(|other| other.iter().any(before))
}

/// Whether a member that stands was built by hand: its host took no program that could have read it back.
fn by_hand(data: &Data) -> bool {
    data.contains_key("member") && !data.contains_key("restored")
}

/// Whether a line says that a filesystem had not enough room.
fn ran_out(record: &Record) -> bool {
    let is = |value: &Value| Fault::deserialize(value).is_ok_and(|fault| fault == Fault::NoSpace);
    let problems = record.data.get("problems").and_then(Value::as_array).into_iter().flatten();
    let mut parts = record.data.get("error").into_iter().chain(problems);
    let known = record.data.get("fault").is_some_and(is) || parts.any(|part| part.get("fault").is_some_and(is));
    known || old_journals::ran_out(record)
}

/// A journal's lines, to be asked.
#[derive(Clone, Copy)]
struct JournalView<'a>(&'a [Record]);

impl<'a> JournalView<'a> {
    fn of_kind(&self, kind: Event) -> impl DoubleEndedIterator<Item = &'a Record> + use<'a> {
        self.0.iter().filter(move |record| record.kind == kind)
    }

    /// What was decided at a step, where it says `what`.
    fn decided(&self, step: &'static str, what: &'static str) -> impl DoubleEndedIterator<Item = &'a Data> + use<'a> {
        let here = move |data: &&Data| data.get("step").and_then(Value::as_str) == Some(step);
        self.of_kind(Event::Decided).map(|r| &r.data).filter(here).filter(move |data| data.contains_key(what))
    }

    /// How many different things lines with the field `name` are about.
    fn each(&self, name: &str, about: impl Fn(&Value) -> Option<String>) -> usize {
        let lines = self.0.iter().filter(|record| record.data.contains_key(name));
        let host = |r: &Record| r.data.get("host").map(Value::to_string).unwrap_or_default();
        let all: BTreeSet<_> = lines.filter_map(|r| Some((host(r), about(&Value::Object(r.data.clone()))?))).collect();
        all.len()
    }

    /// What happened on the way, whatever was restored; the rest is as where nothing is told.
    fn on_the_way(&self, runs: usize) -> Shape {
        let failed = |r: &&Record| r.kind == Event::Failed;
        let ran_out = |r: &&Record| ran_out(r);
        Shape {
            planned: false,
            voters: None,
            members: 0,
            alone: 0,
            asked: false,
            stopped: 0,
            source: Source::File,
            lost: None,
            log: None,
            target: None,
            moved: None,
            renamed: false,
            tls: false,
            bumped: false,
            wal_apart: false,
            alarms: false,
            other_options: false,
            overridden: self.of_kind(Event::Override).next().is_some(),
            came_back: self.of_kind(Event::Asked).any(|r| r.data.get("barrier") == Some(&Value::Bool(false))),
            full: self.0.iter().any(|r| ran_out(&r)),
            failed: self.0.iter().filter(failed).any(|r| !ran_out(&r)),
            unreachable: self.of_kind(Event::Looked).any(|r| r.data.contains_key("error")),
            hosts: 0,
            by_hand: self.of_kind(Event::Restored).filter(|r| by_hand(&r.data)).count(),
            runs,
            undone: self.0.iter().any(|r| r.data.contains_key("undone")),
            end: End::Unfinished,
            proven: self.of_kind(Event::Proof).next_back().map(|r| r.data.get("exit_code") == Some(&Value::from(0))),
        }
    }

    fn end(&self) -> End {
        let until = |r: &Record| r.data.get("until").and_then(|v| Goal::deserialize(v).ok()) == Some(Goal::Undone);
        let undoes = self.of_kind(Event::Begun).next_back().is_some_and(until);
        let last = self.0.iter().rev().find(|r| matches!(r.kind, Event::Begun | Event::Ended));
        let whole = last.is_some_and(|r| r.kind == Event::Ended && r.data.get("complete") == Some(&Value::Bool(true)));
        match (whole, undoes) {
            (true, true) => End::TakenBack,
            (true, false) => End::Done,
            (false, _) => End::Unfinished,
        }
    }

    /// Why no recovery is told by these lines.
    fn why_not(&self) -> String {
        let of_host = |r: &Record| r.data.contains_key("run") && !r.data.contains_key("until");
        match self.0 {
            [] => "it is empty".into(),
            all if all.iter().any(|r| r.kind == Event::Begun && of_host(r)) => {
                "it is the journal that a host keeps of what was done on it; the whole recovery is told by the operator's".into()
            }
            all if all.iter().any(|r| r.data.contains_key("whole_plan")) => {
                "the plan in it is of a form that this requorum does not read".into()
            }
            _ => "no recovery was begun in it".into(),
        }
    }
}
