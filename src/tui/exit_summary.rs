//! How the wizard ended, and what is printed to the normal screen then: where things lie.

use std::fmt;

use super::app::Model;
use crate::{domain::render::start, error::ErrorKind, system::journal, text::Shown};

/// What a path is that this session wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenPath {
    /// A snapshot from a member.
    Snapshot,
    /// A member's data directory in its place.
    DataDir(String),
    /// What was in a member's place before.
    Before(String),
    /// A member's data directory out of its place again.
    TakenBack(String),
    /// A file of this name for people: `the plan`.
    File(&'static str),
}

impl fmt::Display for WrittenPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrittenPath::Snapshot => f.write_str("a snapshot"),
            WrittenPath::DataDir(name) => write!(f, "{name}'s data directory"),
            WrittenPath::Before(name) => write!(f, "what was there before {name}"),
            WrittenPath::TakenBack(name) => write!(f, "{name}'s data directory, rolled back"),
            WrittenPath::File(what) => f.write_str(what),
        }
    }
}

/// How far leaving has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Leaving {
    /// Nobody wants to.
    #[default]
    No,
    /// As soon as what runs has reached a safe point.
    WhenSafe,
    /// Now.
    Now,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No restore was begun.
    Looked,
    /// A restore was begun, and not every member stands.
    Partly,
    /// Every member of the plan stands.
    Restored,
}

/// How the wizard ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What came of it.
    pub outcome: Outcome,
    /// For the normal screen: what was written and where it lies, what to do next.
    pub lines: Vec<String>,
}

impl Ending {
    /// The process exit code: 0, or 75 where a restore was begun and is not complete.
    pub fn exit_code(&self) -> u8 {
        match self.outcome {
            Outcome::Looked | Outcome::Restored => 0,
            Outcome::Partly => ErrorKind::Stopped.exit_code(),
        }
    }
}

/// The ending as it follows from what was observed.
pub fn ending(model: &Model) -> Ending {
    let mut lines: Vec<String> = Vec::new();
    let rows = &model.restore.rows;
    let outcome = match () {
        () if model.restore.complete() => Outcome::Restored,
        () if model.restore.begun() || model.restore.built() || model.restore.placed() > 0 => Outcome::Partly,
        () => Outcome::Looked,
    };
    for row in rows {
        lines.push(format!("{}: {}", row.name, row.ending()));
    }
    for (path, what) in &model.written {
        lines.push(format!("{what}: {}", path.shown()));
    }
    if let Some(plan) = model.restore.plan.as_ref().filter(|_| !model.options.journals.as_os_str().is_empty()) {
        let path = journal::of_plan(&model.options.journals, plan);
        let journal = crate::text::phrase::shell_word(&path.to_string_lossy()).into_owned();
        lines.push(format!("the journal: {}", path.shown()));
        if outcome == Outcome::Restored {
            lines.push(format!("did it work: requorum verify {journal}"));
            lines.push(format!("the way back: requorum undo {journal}"));
        }
    }
    if let Some(proof) = &model.proof.proof {
        lines.push(String::new());
        lines.push(format!("{} {}", proof.verdict.mark(), proof.sentence));
    }
    match (&model.restore.plan, outcome) {
        (Some(plan), Outcome::Restored) => {
            lines.push(String::new());
            lines.push(start::sheet_on(plan, &super::steps::launch::known(model)));
        }
        (Some(plan), Outcome::Partly) => lines.push(format!(
            "The restore of plan {} is not complete. What was there before is untouched or lies aside. The next start of \
             requorum goes on where it stands.",
            plan.short_id()
        )),
        (Some(_), Outcome::Looked) => lines.push("No member is in place by requorum.".into()),
        (None, _) if model.written.is_empty() => lines.push("Nothing was written.".into()),
        (None, _) => lines.push("No data directory was written.".into()),
    }
    Ending { outcome, lines }
}
