//! What the step knows: the table, the lines below it, and what a restore can do besides.

use super::options::Options;
use crate::{
    domain::{
        members::{build_plan, cell::Row, certificates, import::Pasted, prefill, table::Column},
        model::{observations::Content, options::Options as Extras},
    },
    etcd::version::Minor,
};

/// How many changes of the table can be undone.
const UNDO: usize = 100;

/// The lines below the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The cluster token.
    Token,
    /// The etcd version that will run on the result.
    Target,
    /// How many revisions to skip.
    Bump,
    /// Whether what was skipped is marked as compacted.
    Compacted,
    /// Whether learners of the snapshot become voters.
    Learners,
    /// Something beyond a plain restore.
    Extra(Extra),
}

/// What a restore can do besides, each off until it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// Leave out the alarms.
    Alarms,
    /// End a downgrade.
    Downgrade,
    /// Switch authentication off.
    Auth,
    /// Set the versions for the target.
    Versions,
    /// Live pages only.
    Compact,
}

impl Extra {
    pub(in crate::tui) const ALL: [Extra; 5] =
        [Extra::Alarms, Extra::Downgrade, Extra::Auth, Extra::Versions, Extra::Compact];

    /// Its switch.
    pub fn of(self, options: &mut Extras) -> &mut bool {
        match self {
            Extra::Alarms => &mut options.clear_alarms,
            Extra::Downgrade => &mut options.finish_downgrade,
            Extra::Auth => &mut options.disable_auth,
            Extra::Versions => &mut options.set_version,
            Extra::Compact => &mut options.compact,
        }
    }

    /// Whether the snapshot has what it is about.
    pub(in crate::tui) fn applies(self, content: &Content, target: Option<Minor>) -> bool {
        match self {
            Extra::Alarms => !content.alarms.is_empty(),
            Extra::Downgrade => content.downgrading,
            Extra::Auth => content.auth_enabled,
            Extra::Versions => {
                let stored = content.storage_version.parse::<Minor>().or_else(|_| content.cluster_version.parse());
                target.is_some_and(|target| stored.is_ok_and(|stored| stored != target))
            }
            Extra::Compact => true,
        }
    }
}

/// What is known of the certificates that the table names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificates {
    /// What was asked for last.
    pub named: Vec<certificates::Named>,
    /// The effect that reads it.
    pub reading: Option<u64>,
    /// What was read.
    pub seen: certificates::CertificateFacts,
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The table.
    pub rows: Vec<Row>,
    /// The cluster token; follows the label until it was typed.
    pub token: String,
    /// True once the token was typed or came with a plan.
    pub token_typed: bool,
    /// The world's fresh digits for the token.
    pub fresh: String,
    /// When those digits were made, seconds since 1970; 0 for the start.
    pub fresh_at: i64,
    /// The etcd version that will run on the result.
    pub target: Option<Minor>,
    /// Revisions to skip; as proposed until it was chosen.
    pub bump: u64,
    /// True once the bump was chosen, or came with a plan.
    pub bump_typed: bool,
    /// Mark what was skipped as compacted.
    pub mark_compacted: bool,
    /// What is done beyond a plain restore.
    pub extras: Extras,
    /// The lines below the table, from top to bottom.
    pub choices: Vec<Choice>,
    /// The selected line: the rows, then the choices.
    pub at: usize,
    /// The selected column.
    pub column: usize,
    /// Tables as they were, the latest last.
    pub undo: Vec<Vec<Row>>,
    /// True once a row was changed by hand: it is not filled in again.
    pub touched: bool,
    /// The effect that fetches fresh digits.
    pub refreshing: Option<u64>,
    /// The certificates that the table names.
    pub certs: Certificates,
    /// Flags of etcd configurations that were found: they fill the table, too.
    pub config: Vec<prefill::Flag>,
    /// What filling the table left to say.
    pub notes: Vec<String>,
    /// The learners of the snapshot, each with its row.
    pub learners: Vec<Row>,
    /// What was pasted and waits for a yes.
    pub pasted: Option<Pasted>,
}

impl State {
    pub(in crate::tui) fn new(options: &Options) -> Self {
        let mut state = State { target: options.target, ..State::default() };
        if let Some(plan) = &options.plan {
            state.rows = build_plan::rows(plan);
            state.token.clone_from(&plan.token);
            state.token_typed = true;
            state.target = options.target.or(plan.target);
            state.bump = plan.bump_revision;
            state.bump_typed = true;
            state.mark_compacted = plan.mark_compacted;
            state.extras = plan.options.clone();
            state.touched = true;
        }
        state
    }

    /// The selected column.
    pub fn column(&self) -> Column {
        Column::ALL.get(self.column).copied().unwrap_or(Column::Name)
    }

    /// The choice that is selected, when no row is.
    pub fn choice(&self) -> Option<Choice> {
        self.choices.get(self.at.checked_sub(self.rows.len())?).copied()
    }

    /// True while every learner of the snapshot has a row.
    pub fn keeps_learners(&self) -> bool {
        self.learners.iter().all(|learner| self.rows.iter().any(|row| same_member(row, learner)))
    }

    /// Puts the learners of the snapshot into the table, or takes them out of it again.
    pub(in crate::tui) fn turn_learners(&mut self) {
        let keeps = self.keeps_learners();
        self.keep();
        let learners = std::mem::take(&mut self.learners);
        self.rows.retain(|row| !learners.iter().any(|learner| same_member(row, learner)));
        if !keeps {
            self.rows.extend(learners.iter().cloned());
        }
        self.learners = learners;
    }

    pub(in crate::tui) fn lines(&self) -> usize {
        self.rows.len() + self.choices.len()
    }

    pub(in crate::tui) fn keep(&mut self) {
        self.undo.push(self.rows.clone());
        if self.undo.len() > UNDO {
            self.undo.remove(0);
        }
        self.touched = true;
    }
}

/// Whether two rows are of one member: by its name.
fn same_member(row: &Row, other: &Row) -> bool {
    row.text(Column::Name) == other.text(Column::Name)
}
