//! How the wizard ended, and what is printed to the normal screen then: where the files are.

use crate::{
    domain::render::start,
    error::ErrorKind,
    system::journal,
    text::Shown,
    tui::{
        selectors::launch::known,
        state::{
            model::Model,
            restore::{Row, RowState},
        },
    },
};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No restore was begun.
    Looked,
    /// A restore was started, and not every member is installed.
    Partly,
    /// Every member of the plan is installed.
    Restored,
}

/// How the wizard ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// What came of it.
    pub outcome: Outcome,
    /// For the normal screen: what was written and where it is, what to do next.
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

impl Row {
    /// How it ended, for the normal screen.
    pub fn ending(&self) -> String {
        match &self.stand {
            RowState::Placed(swapped) => {
                let r = &swapped.restored;
                format!("{} restored, {} keys at revision {}", self.dir, r.keys, r.revision)
            }
            RowState::Built(_) => format!("{} is not installed; it is built and waits in staging", self.dir),
            RowState::Moving => format!("{} was being installed", self.dir),
            RowState::Undoing => format!("{} was being rolled back", self.dir),
            RowState::Out(_) => format!("{} rolled back: the previous state is restored", self.dir),
            RowState::Discarded => format!("{} can be built; what the dry run built is removed", self.dir),
            RowState::Failed(error) if error.kind == ErrorKind::Stopped => {
                format!("{} stopped, your previous data is untouched", self.dir)
            }
            RowState::Failed(error) => format!("{} failed: {}", self.dir, error.sentence()),
            RowState::Waits | RowState::Works(_) => format!("{} not finished", self.dir),
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
        let journal = crate::text::quote::shell_word(&path.to_string_lossy()).into_owned();
        lines.push(format!("the journal: {}", path.shown()));
        if outcome == Outcome::Restored {
            lines.push(format!("verify: requorum verify {journal}"));
            lines.push(format!("roll back: requorum undo {journal}"));
        }
    }
    if let Some(proof) = &model.proof.proof {
        lines.push(String::new());
        lines.push(format!("{} {}", proof.verdict.mark(), proof.sentence));
    }
    match (&model.restore.plan, outcome) {
        (Some(plan), Outcome::Restored) => {
            lines.push(String::new());
            lines.push(start::sheet_on(plan, &known(model)));
        }
        (Some(plan), Outcome::Partly) => lines.push(format!(
            "The restore of plan {} is not complete. Your previous data is untouched or moved aside. Start requorum \
             again to resume.",
            plan.short_id()
        )),
        (Some(_), Outcome::Looked) => lines.push("requorum installed no member.".into()),
        (None, _) if model.written.is_empty() => lines.push("Nothing was written.".into()),
        (None, _) => lines.push("No data directory was written.".into()),
    }
    Ending { outcome, lines }
}
