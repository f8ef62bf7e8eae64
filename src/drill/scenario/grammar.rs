//! The phrases of a scenario: conditions (`every key is back and not m5 runs`), acts (`start m1`) and strides of a path
//! (`save from m2`). Each is parsed from its phrase; phrases of earlier versions are still read.

use std::{fmt, str::FromStr, time::Duration};

use crate::{
    domain::members::table::Column,
    etcd::version::Minor,
    tui::{
        Step,
        state::members::{Choice, Extra},
    },
};

/// Deserializes a phrase in place, so that an error names its own line, not that of its parent.
macro_rules! phrases {
    ($($phrase:ty),*) => {$(
        impl<'de> serde::Deserialize<'de> for $phrase {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Read;
                impl serde::de::Visitor<'_> for Read {
                    type Value = $phrase;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a phrase")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$phrase, E> {
                        <$phrase>::try_from(text.to_string()).map_err(E::custom)
                    }
                }
                from.deserialize_str(Read)
            }
        }
    )*};
}
phrases!(Condition, Act, Stride, StepName);

/// A step of the wizard by its name, such as `detect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepName(pub Step);

impl TryFrom<String> for StepName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        step(&text).map(StepName)
    }
}

/// A fact, which is true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Every member of a plan was restored.
    Restored,
    /// The new members are these.
    Members(Vec<String>),
    /// Every recoverable key is served.
    EveryKey,
    /// The new revision is at least this; `None` for the newest recoverable one.
    Revision(Option<i64>),
    /// All new members hold the same data.
    OneSnapshot,
    /// No old directory or backup was changed.
    OldUntouched,
    /// The restored members have the IDs of the plan.
    AsPlanned,
    /// No alarm is in the new data.
    NoAlarm,
    /// All revisions before the new one are marked as compacted.
    Compacted,
    /// No peer URL has a host name.
    ByAddress,
    /// Every new member has a WAL directory outside its data directory.
    LogsApart,
    /// Every new member is started with this flag.
    Flag(String),
    /// Every certificate named in the plan is valid for its member.
    Certificates,
    /// Every secret is encrypted with a key that this file has.
    Secrets(String),
    /// A majority of the old members runs and has a leader.
    Quorum,
    /// This old member runs.
    Runs(String),
    /// The plan's target is this etcd version.
    WrittenFor(Minor),
    /// The restore was made from this file.
    Source(String),
    /// A restore was started.
    Begun,
    /// A restore was started while this old member ran.
    BegunWhile(String),
    /// A blocker was overridden.
    Overridden,
    /// This file is chosen.
    Chosen(String),
    /// No file is chosen.
    NothingChosen,
    /// The chosen file lacks writes that another source has.
    ChosenLoses,
    /// Two rows of the table have the same name.
    NamesRepeat,
    /// The table has a problem that blocks the plan.
    Problems,
    /// A blocker is open.
    Fenced,
    /// The wizard is at this step.
    Step(Step),
    /// The members were probed this many times.
    Asked(u32),
    /// The old members were probed before the restore.
    Probed,
    /// A snapshot was saved from a member.
    Saved,
    /// This much time has passed.
    After(Duration),
    /// This much time has passed without a key press.
    Idle(Duration),
    /// This inject has happened.
    Came(String),
    /// Never true.
    Never,
}

/// Phrases without parameters.
const PLAIN: [(&str, Fact); 21] = [
    ("restored", Fact::Restored),
    ("every key is back", Fact::EveryKey),
    ("all from one snapshot", Fact::OneSnapshot),
    ("old data is untouched", Fact::OldUntouched),
    ("ids are as planned", Fact::AsPlanned),
    ("no alarm is left", Fact::NoAlarm),
    ("old revisions are compacted", Fact::Compacted),
    ("peer urls are addresses", Fact::ByAddress),
    ("WAL directories are separate", Fact::LogsApart),
    ("certificates fit", Fact::Certificates),
    ("quorum is back", Fact::Quorum),
    ("a restore was started", Fact::Begun),
    ("a blocker was overridden", Fact::Overridden),
    ("nothing is chosen", Fact::NothingChosen),
    ("the chosen file loses writes", Fact::ChosenLoses),
    ("two rows have the same name", Fact::NamesRepeat),
    ("the table has problems", Fact::Problems),
    ("a blocker is open", Fact::Fenced),
    ("a snapshot was saved", Fact::Saved),
    ("old members were probed", Fact::Probed),
    ("never", Fact::Never),
];

/// The phrases of earlier versions.
const EARLIER: [(&str, Fact); 6] = [
    ("logs lie apart", Fact::LogsApart),
    ("a restore was begun", Fact::Begun),
    ("a fence was overridden", Fact::Overridden),
    ("two rows bear one name", Fact::NamesRepeat),
    ("a fence is in the way", Fact::Fenced),
    ("it was knocked", Fact::Probed),
];

impl FromStr for Fact {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, fact)) = PLAIN.iter().chain(&EARLIER).find(|(phrase, _)| *phrase == text) {
            return Ok(fact.clone());
        }
        let after = |lead: &str| text.strip_prefix(lead).map(str::trim).filter(|rest| !rest.is_empty());
        if let Some(names) = after("members are ") {
            return Ok(Fact::Members(names.split(',').map(|n| n.trim().to_string()).collect()));
        }
        if let Some(floor) = after("revision at least ") {
            let floor = match floor {
                "the best" => None,
                number => Some(number.parse().map_err(|_| format!("{number:?} is neither a number nor \"the best\""))?),
            };
            return Ok(Fact::Revision(floor));
        }
        if let Some(flag) = after("every member has ") {
            return Ok(Fact::Flag(flag.into()));
        }
        if let Some(file) = after("secrets open with ") {
            return Ok(Fact::Secrets(file.into()));
        }
        if let Some(version) = after("written for ") {
            return Ok(Fact::WrittenFor(version.parse().map_err(|e| format!("{version:?}: {e}"))?));
        }
        if let Some(file) = after("restored from ") {
            return Ok(Fact::Source(file.into()));
        }
        if let Some(name) =
            after("started while ").or_else(|| after("begun while ")).and_then(|rest| rest.strip_suffix(" ran"))
        {
            return Ok(Fact::BegunWhile(name.into()));
        }
        if let Some(file) = after("chosen is ") {
            return Ok(Fact::Chosen(file.into()));
        }
        if let Some(name) = after("step is ") {
            return Ok(Fact::Step(step(name)?));
        }
        if let Some(times) = after("asked ").and_then(|rest| rest.strip_suffix(" times")) {
            return Ok(Fact::Asked(times.parse().map_err(|_| format!("{times:?} is not a number"))?));
        }
        if let Some(time) = after("after ") {
            return Ok(Fact::After(duration(time)?));
        }
        if let Some(time) = after("idle ") {
            return Ok(Fact::Idle(duration(time)?));
        }
        if let Some(name) =
            after("inject ").and_then(|rest| rest.strip_suffix(" happened").or(rest.strip_suffix(" came")))
        {
            return Ok(Fact::Came(name.into()));
        }
        if let Some(name) = text.strip_suffix(" runs").filter(|name| !name.contains(' ')) {
            return Ok(Fact::Runs(name.into()));
        }
        let plain: Vec<&str> = PLAIN.iter().map(|(phrase, _)| *phrase).collect();
        Err(format!(
            "{text:?} is not a condition. Conditions: {}; members are A, B; revision at least N (or: the best); \
             every member has --FLAG; secrets open with FILE; written for 3.6; restored from FILE; started while A ran; \
             chosen is FILE; step is members; asked 2 times; after 5m; idle 2m; inject NAME happened; A runs",
            plain.join("; ")
        ))
    }
}

/// Facts that must all hold, each as it is or negated. Equal where the facts are, whatever the wording.
#[derive(Debug, Clone)]
pub struct Condition {
    text: String,
    /// Each fact, and whether it must be true.
    pub facts: Vec<(Fact, bool)>,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.facts == other.facts
    }
}

impl Eq for Condition {}

impl Condition {
    /// Returns the condition that is never true.
    pub fn never() -> Condition {
        Condition { text: "never".into(), facts: vec![(Fact::Never, true)] }
    }
}

impl TryFrom<String> for Condition {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let part = |part: &str| match part.trim().strip_prefix("not ") {
            Some(rest) => Ok((rest.trim().parse()?, false)),
            None => Ok((part.trim().parse()?, true)),
        };
        let facts = text.split(" and ").map(part).collect::<Result<_, String>>()?;
        Ok(Condition { text, facts })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Something done to the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Starts an old member's etcd.
    Start(String),
    /// Stops an old member's etcd for good.
    Stop(String),
    /// Starts an old member, lets it apply its log, and stops it.
    Replay(String),
    /// Loses a member's host, with the disk.
    Lose(String),
    /// Puts a backup, a disk or a file in place.
    Place(String),
    /// Unpacks a snapshot from its archive.
    Unpack(String),
    /// Fills the disk of the new directories.
    FillDisk,
    /// Frees space on that disk.
    FreeDisk,
}

impl Act {
    /// Returns the member that it is about.
    pub fn member(&self) -> Option<&str> {
        match self {
            Act::Start(name) | Act::Stop(name) | Act::Replay(name) | Act::Lose(name) => Some(name),
            _ => None,
        }
    }
}

impl TryFrom<String> for Act {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ').map(|(verb, what)| (verb, what.trim())) {
            Some(("fill", "disk")) => Ok(Act::FillDisk),
            Some(("free", "disk")) => Ok(Act::FreeDisk),
            Some(("start", name)) => Ok(Act::Start(name.into())),
            Some(("stop", name)) => Ok(Act::Stop(name.into())),
            Some(("replay", name)) => Ok(Act::Replay(name.into())),
            Some(("lose", name)) => Ok(Act::Lose(name.into())),
            Some(("place", name)) => Ok(Act::Place(name.into())),
            Some(("unpack", name)) => Ok(Act::Unpack(name.into())),
            _ => Err(format!(
                "{text:?} is not an act. Acts: start A, stop A, replay A, lose A (A is a member's name), place FILE, \
                 unpack FILE, fill disk, free disk"
            )),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Act::Start(name) => write!(f, "start {name}"),
            Act::Stop(name) => write!(f, "stop {name}"),
            Act::Replay(name) => write!(f, "replay {name}"),
            Act::Lose(name) => write!(f, "lose {name}"),
            Act::Place(name) => write!(f, "place {name}"),
            Act::Unpack(name) => write!(f, "unpack {name}"),
            Act::FillDisk => f.write_str("fill disk"),
            Act::FreeDisk => f.write_str("free disk"),
        }
    }
}

/// One stride of a path: one or a few keys, or something outside the wizard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stride {
    /// Goes to the next step.
    Next,
    /// Goes to the step before.
    Back,
    /// Probes, or searches, again.
    Again,
    /// Marks a silent member as gone for good.
    Gone(String),
    /// Saves a snapshot from a member.
    Save(String),
    /// Chooses a file, and accepts it without a checksum if it has none.
    Choose(String),
    /// Types into a cell: row (from 1), column, text.
    Set(usize, Column, String),
    /// Applies the suggested correction of a cell.
    Fix(usize, Column),
    /// Takes the next source's value of a cell.
    Other(usize, Column),
    /// Removes a row.
    Remove(usize),
    /// Changes an option below the table.
    Switch(Choice),
    /// Sets the revision bump; `None` for the suggested one.
    Bump(Option<u64>),
    /// Types the label to confirm.
    Confirm,
    /// Types the override text of a blocker.
    Override,
    /// Has something done at a host.
    At(Act),
    /// Lets time pass.
    Wait(Duration),
}

impl TryFrom<String> for Stride {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "next" => return Ok(Stride::Next),
            "back" => return Ok(Stride::Back),
            "again" => return Ok(Stride::Again),
            "confirm" => return Ok(Stride::Confirm),
            "override" => return Ok(Stride::Override),
            "bump as proposed" => return Ok(Stride::Bump(None)),
            _ => {}
        }
        let after = |lead: &str| text.strip_prefix(lead).map(str::trim).filter(|rest| !rest.is_empty());
        if let Some(name) = after("gone ") {
            return Ok(Stride::Gone(name.into()));
        }
        if let Some(name) = after("save from ") {
            return Ok(Stride::Save(name.into()));
        }
        if let Some(file) = after("choose ") {
            return Ok(Stride::Choose(file.into()));
        }
        if let Some(rest) = after("set ") {
            let (row, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            let (column, text) = rest.split_once(' ').unwrap_or((rest, ""));
            return Ok(Stride::Set(row_of(row)?, column_of(column)?, text.trim().into()));
        }
        for (lead, stride) in
            [("fix ", Stride::Fix as fn(usize, Column) -> Stride), ("other source of ", Stride::Other)]
        {
            if let Some((row, column)) = after(lead).and_then(|rest| rest.split_once(' ')) {
                return Ok(stride(row_of(row)?, column_of(column)?));
            }
        }
        if let Some(row) = after("remove row ") {
            return Ok(Stride::Remove(row_of(row)?));
        }
        if let Some(option) = after("switch ") {
            return Ok(Stride::Switch(option_of(option)?));
        }
        if let Some(amount) = after("bump ") {
            return amount.parse().map(|n| Stride::Bump(Some(n))).map_err(|_| format!("{amount:?} is not a number"));
        }
        if let Some(act) = after("at the hosts: ") {
            return Act::try_from(act.to_string()).map(Stride::At);
        }
        if let Some(time) = after("wait ") {
            return duration(time).map(Stride::Wait);
        }
        Err(format!(
            "{text:?} is not a stride. Strides: next, back, again, confirm, override, gone A, save from A, choose FILE, set ROW \
             COLUMN TEXT, fix ROW COLUMN, other source of ROW COLUMN, remove row N, switch OPTION, bump as proposed, bump N, \
             at the hosts: ACT, wait 5m; columns are name, peer, client, dir, wal, flags; rows count from 1"
        ))
    }
}

impl fmt::Display for Stride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stride::Next => f.write_str("next step"),
            Stride::Back => f.write_str("previous step"),
            Stride::Again => f.write_str("ask again"),
            Stride::Gone(name) => write!(f, "mark {name} as gone"),
            Stride::Save(name) => write!(f, "save a snapshot from {name}"),
            Stride::Choose(file) => write!(f, "choose {file}"),
            Stride::Set(row, column, text) => write!(f, "row {row}, {}: type {text}", column.heading()),
            Stride::Fix(row, column) => write!(f, "row {row}, {}: apply the correction", column.heading()),
            Stride::Other(row, column) => write!(f, "row {row}, {}: use the other source", column.heading()),
            Stride::Remove(row) => write!(f, "remove row {row}"),
            Stride::Switch(option) => write!(f, "change {}", option_name(*option)),
            Stride::Bump(None) => f.write_str("bump the revision as suggested"),
            Stride::Bump(Some(amount)) => write!(f, "bump the revision by {amount}"),
            Stride::Confirm => f.write_str("type the label"),
            Stride::Override => f.write_str("override the blocker"),
            Stride::At(act) => write!(f, "at the hosts: {act}"),
            Stride::Wait(time) => write!(f, "wait {}", humantime::format_duration(*time)),
        }
    }
}

/// Parses a step's name in lower case.
fn step(name: &str) -> Result<Step, String> {
    let all = Step::ALL.map(|step| step.title().to_lowercase());
    let found = Step::ALL.into_iter().find(|step| step.title().to_lowercase() == name);
    found.ok_or_else(|| format!("{name:?} is not a step; the steps are {}", all.join(", ")))
}

fn row_of(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|row| *row > 0).ok_or_else(|| format!("{text:?} is not a row; the first row is 1"))
}

/// The lines below the member table that a path can change, by their names in scenarios.
const OPTIONS: [(&str, Choice); 8] = [
    ("target", Choice::Target),
    ("compacted", Choice::Compacted),
    ("learners", Choice::Learners),
    ("alarms", Choice::Extra(Extra::Alarms)),
    ("downgrade", Choice::Extra(Extra::Downgrade)),
    ("auth", Choice::Extra(Extra::Auth)),
    ("versions", Choice::Extra(Extra::Versions)),
    ("compact", Choice::Extra(Extra::Compact)),
];

fn option_of(text: &str) -> Result<Choice, String> {
    let found = OPTIONS.iter().find(|(name, _)| *name == text).map(|(_, option)| *option);
    let names: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
    found.ok_or_else(|| format!("{text:?} is not an option; the options are {}", names.join(", ")))
}

fn option_name(option: Choice) -> &'static str {
    OPTIONS.iter().find(|(_, known)| *known == option).map_or("another option", |(name, _)| name)
}

fn column_of(text: &str) -> Result<Column, String> {
    Ok(match text {
        "name" => Column::Name,
        "peer" => Column::Peer,
        "client" => Column::Client,
        "dir" => Column::DataDir,
        "wal" => Column::WalDir,
        "flags" => Column::Flags,
        _ => return Err(format!("{text:?} is not a column; the columns are name, peer, client, dir, wal, flags")),
    })
}

/// The longest duration: an exercise's clock moves forward by it, and the result must be a valid date.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

fn duration(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|e| format!("{text:?}: invalid duration; use for example 90s or 5m ({e})"))?;
    if time > LONGEST { Err(format!("{text:?} is longer than a week")) } else { Ok(time) }
}
