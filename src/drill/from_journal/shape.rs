//! The shape of a recovery: what a journal records of it, as numbers and booleans. No field can hold text of the journal. Only
//! in journals of earlier versions, which lack some fields, is text matched, in [`old_journals`].

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

/// The kind of source that was restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A snapshot saved from a survivor.
    Survivor,
    /// A saved snapshot with a checksum.
    File,
    /// A copy without a checksum.
    Raw,
    /// A member's data directory.
    Disk,
}

/// How the recovery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every member was installed.
    Done,
    /// It was started, but did not end or did not reach its goal.
    Unfinished,
    /// It was rolled back, and nothing came after.
    RolledBack,
}

/// A recovery without its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// True if the whole plan is recorded; else only the members restored on one machine.
    pub planned: bool,
    /// Voting members of the old cluster; none if not recorded.
    pub voters: Option<usize>,
    /// Members of the new cluster.
    pub members: usize,
    /// Old members that answered.
    pub alone: usize,
    /// True if it is recorded which members answered.
    pub asked: bool,
    /// Old members that did not answer but had their disks.
    pub stopped: usize,
    /// The source.
    pub source: Source,
    /// Whether the chosen source lacked writes that another one had; none if not recorded.
    pub lost: Option<bool>,
    /// Whether a log was newer than the chosen database; none if not recorded.
    pub log: Option<bool>,
    /// The target etcd version.
    pub target: Option<Minor>,
    /// New members at new addresses; none if not recorded.
    pub moved: Option<usize>,
    /// Whether new members had new names.
    pub renamed: bool,
    /// Whether the peers used TLS.
    pub tls: bool,
    /// Whether the revision was bumped.
    pub bumped: bool,
    /// Whether members had WAL directories.
    pub wal_apart: bool,
    /// Whether alarms were cleared.
    pub alarms: bool,
    /// Whether authentication was disabled, or a downgrade finished.
    pub other_options: bool,
    /// Whether a blocker was overridden.
    pub overridden: bool,
    /// Whether an old member that was reported lost came back.
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
    /// How often it was started.
    pub runs: usize,
    /// Whether members were rolled back.
    pub undone: bool,
    /// How it ended.
    pub end: End,
    /// Whether the verification succeeded, if there was one.
    pub proven: Option<bool>,
}

impl Shape {
    /// Returns the shape of these records.
    ///
    /// # Errors
    /// If they are not those of a recovery, with the reason.
    pub(super) fn from_records(records: &[Record]) -> Result<Shape, String> {
        let journal = JournalView(records);
        let begun: Vec<&Record> = journal.of_kind(Event::Begun).collect();
        let plans: Vec<Plan> = begun.iter().filter_map(|record| plan(record)).collect();
        let Some(plan) = plans.last() else { return Shape::of_restore(&journal, &begun) };
        let detect = journal.decided("detect", "voters").next_back();
        let (alone, stopped) = living(&journal, detect);
        let chosen = journal.decided("snapshot", "loses").next_back();
        let lost = chosen.map(lost);
        let log = chosen.map(beyond);
        let names = cells(&journal, Column::Name).iter().any(|cell| replaced(cell));
        let peers = cells(&journal, Column::Peer);
        Ok(Shape {
            planned: true,
            voters: detect.and_then(|data| number(data.get("voters"))).filter(|n| *n > 0),
            members: plan.members.len(),
            alone,
            asked: detect.is_some() || journal.of_kind(Event::Asked).any(|r| r.data.contains_key("raft_index")),
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
            end: journal.end(),
            ..journal.on_the_way(begun.len())
        })
    }

    /// Reads the journal of an earlier `requorum restore --plan`, which has little more than the members.
    fn of_restore(journal: &JournalView<'_>, begun: &[&Record]) -> Result<Shape, String> {
        let Some(first) = begun.last() else { return Err(journal.why_not()) };
        let members = texts(first.data.get("members")).count();
        if members == 0 {
            return Err(journal.why_not());
        }
        Ok(Shape { members, end: journal.end(), ..journal.on_the_way(begun.len()) })
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

/// Returns whether the chosen source was known to lack revisions.
fn lost(chosen: &Data) -> bool {
    match chosen.get("loss") {
        Some(Value::Object(loss)) => loss.get("revisions").and_then(Value::as_u64).is_some_and(|n| n > 0),
        Some(_) => false,
        None => old_journals::lost(texts(chosen.get("loses"))),
    }
}

/// Returns whether the chosen source's log had entries that are not in its database.
fn beyond(chosen: &Data) -> bool {
    match chosen.get("loss") {
        Some(Value::Object(loss)) => loss.contains_key("log_entries"),
        Some(_) => false,
        None => old_journals::beyond(texts(chosen.get("loses"))),
    }
}

/// Returns the kind of source, from its path and checksum. A saved snapshot counts as a survivor's if one answered and nothing
/// newer was known.
fn source(plan: &Plan, alone: usize, lost: bool) -> Source {
    match () {
        () if plan.source.path.ends_with("member/snap/db") => Source::Disk,
        () if plan.source.skip_hash_check => Source::Raw,
        () if alone > 0 && !lost => Source::Survivor,
        () => Source::File,
    }
}

/// Returns how many old members answered, and how many others had their disks.
fn living(journal: &JournalView<'_>, detect: Option<&Data>) -> (usize, usize) {
    let halts = journal.each("halt", |data| data.pointer("/halt/data_dir").map(Value::to_string));
    let aside = journal.each("swapped", |data| {
        let places = data.pointer("/swapped/places").and_then(Value::as_array)?;
        places.iter().any(|place| !place["aside"].is_null()).then(|| data["swapped"]["name"].to_string())
    });
    let first = journal.of_kind(Event::Asked).find_map(|r| r.data.get("raft_index")).and_then(Value::as_array);
    let alone = match detect {
        Some(data) => number(data.get("answering")).unwrap_or(0),
        None => first.map_or(0, Vec::len).max(halts),
    };
    (alone, aside.saturating_sub(alone))
}

type Data = serde_json::Map<String, Value>;

/// Returns the cells of a column in the last accepted member table.
fn cells<'a>(journal: &JournalView<'a>, column: Column) -> Vec<&'a Value> {
    let rows = journal.decided("members", "rows").next_back().and_then(|data| data.get("rows")?.as_array());
    rows.into_iter().flatten().filter_map(|row| row.get(column.heading())).collect()
}

/// Returns whether a cell differs from the old cluster's value.
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

/// Returns whether an installed member was built by hand: no program on its host could verify it.
fn by_hand(data: &Data) -> bool {
    data.contains_key("member") && !data.contains_key("restored")
}

/// Returns whether a record reports a full filesystem.
fn ran_out(record: &Record) -> bool {
    let is = |value: &Value| Fault::deserialize(value).is_ok_and(|fault| fault == Fault::NoSpace);
    let problems = record.data.get("problems").and_then(Value::as_array).into_iter().flatten();
    let mut parts = record.data.get("error").into_iter().chain(problems);
    let known = record.data.get("fault").is_some_and(is) || parts.any(|part| part.get("fault").is_some_and(is));
    known || old_journals::ran_out(record)
}

/// A view of a journal's records.
#[derive(Clone, Copy)]
struct JournalView<'a>(&'a [Record]);

impl<'a> JournalView<'a> {
    fn of_kind(&self, kind: Event) -> impl DoubleEndedIterator<Item = &'a Record> + use<'a> {
        self.0.iter().filter(move |record| record.kind == kind)
    }

    /// Returns what was decided at a step, if it has the field `what`.
    fn decided(&self, step: &'static str, what: &'static str) -> impl DoubleEndedIterator<Item = &'a Data> + use<'a> {
        let here = move |data: &&Data| data.get("step").and_then(Value::as_str) == Some(step);
        self.of_kind(Event::Decided).map(|r| &r.data).filter(here).filter(move |data| data.contains_key(what))
    }

    /// Counts the distinct subjects of records with the field `name`.
    fn each(&self, name: &str, about: impl Fn(&Value) -> Option<String>) -> usize {
        let lines = self.0.iter().filter(|record| record.data.contains_key(name));
        let host = |r: &Record| r.data.get("host").map(Value::to_string).unwrap_or_default();
        let all: BTreeSet<_> = lines.filter_map(|r| Some((host(r), about(&Value::Object(r.data.clone()))?))).collect();
        all.len()
    }

    /// Returns what happened during the recovery; all other fields are as if nothing was recorded.
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
            (true, true) => End::RolledBack,
            (true, false) => End::Done,
            (false, _) => End::Unfinished,
        }
    }

    /// Returns why these records are not those of a recovery.
    fn why_not(&self) -> String {
        let of_host = |r: &Record| r.data.contains_key("run") && !r.data.contains_key("until");
        match self.0 {
            [] => "the journal is empty".into(),
            all if all.iter().any(|r| r.kind == Event::Begun && of_host(r)) => {
                "this is a host's own journal; the whole recovery is in the operator's journal".into()
            }
            all if all.iter().any(|r| r.data.contains_key("whole_plan")) => {
                "its plan has a version that this requorum does not read".into()
            }
            _ => "it records no start of a recovery".into(),
        }
    }
}
