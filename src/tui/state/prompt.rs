//! The one text field that can be open: its text, and what it asks for.

use crate::{
    domain::{members::table::Column, model::source_ref::Download},
    tui::widgets::text_input::Field,
};

/// How long after the last character a confirming Enter counts, in milliseconds: a paste with a
/// line end in it arrives within a few, a finger takes longer.
const ARMED_AFTER_MS: u64 = 150;

/// What a field asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Client URLs, separated by commas.
    Endpoints,
    /// What the cluster is called.
    Label,
    /// The name of the member behind this endpoint, typed to say that it is gone for good.
    Gone(String),
    /// The label, typed to continue although quorum is not clearly lost.
    Gate,
    /// A file or a directory.
    OpenFile,
    /// The file into which a snapshot is saved from this member, or an object fetched.
    SaveFrom(Download),
    /// The label, typed to start the restore.
    Confirm,
    /// The word that lets requorum stop what runs on members' directories.
    Consent,
    /// The text that overrides the first blocker.
    Override(String),
    /// The reason for overriding the blocker with this text.
    Reason(String),
    /// The label, typed to roll back.
    Undo,
    /// The file for the plan.
    PlanFile,
    /// The file for the launch commands.
    SheetFile,
    /// The file for the runbook.
    RunbookFile,
    /// A cell of the member table.
    Cell(usize, Column),
    /// The cluster token.
    Token,
    /// How many revisions to skip.
    Bump,
    /// An `--initial-cluster` value.
    Cluster,
    /// What the step's list is filtered by.
    Filter,
}

impl Ask {
    /// True for the fields whose Enter confirms something.
    pub fn confirms(&self) -> bool {
        matches!(self, Ask::Gate | Ask::Confirm | Ask::Consent | Ask::Override(_) | Ask::Undo)
    }
}

/// An open field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What it asks for.
    pub ask: Ask,
    /// The text.
    pub field: Field,
    /// When the text last changed, milliseconds since the start.
    pub touched_ms: u64,
}

impl Prompt {
    /// True when an Enter now is a separate one, not the end of a paste.
    pub fn armed(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.touched_ms) >= ARMED_AFTER_MS
    }

    /// What the text amounts to.
    pub fn text(&self) -> &str {
        self.field.text().trim()
    }
}
