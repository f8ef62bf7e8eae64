//! The member table as a draft of the plan, and what is wrong in it.

use crate::{
    domain::{
        members::{
            build_plan::{self, Draft},
            cell::Origin,
            table::{Column, Problem},
        },
        model::{observations::Health, options::Options},
    },
    tui::{
        selectors::revision_bump,
        state::{
            model::Model,
            prompt::{Ask, Prompt},
        },
    },
};

/// The draft as it is now, the open field's text included: what is judged while typing.
pub fn draft(model: &Model) -> Draft {
    let state = &model.members;
    let mut draft = Draft {
        label: model.label.clone(),
        token: state.token.clone(),
        created: created(model),
        target: state.target,
        source: model.snapshot.source().cloned(),
        skip_hash_check: model.snapshot.chosen.as_ref().is_some_and(|c| {
            model.snapshot.agreed.contains(c) && model.snapshot.source().is_some_and(|s| s.health != Health::Verified)
        }),
        bump_revision: state.bump,
        mark_compacted: state.mark_compacted,
        options: Options { accept_damage: accepted_damage(model), ..state.extras.clone() },
        old: revision_bump::old(model, made(model)),
        revisions: revision_bump::revisions(model),
        rows: state.rows.clone(),
        certs: state.certs.seen.clone(),
        now: model.now(),
    };
    match &model.prompt {
        Some(Prompt { ask: Ask::Cell(row, column), field, .. }) => {
            if let Some(row) = draft.rows.get_mut(*row) {
                row.set(*column, field.text().trim(), Origin::Typed);
            }
        }
        Some(Prompt { ask: Ask::Token, field, .. }) => draft.token = field.text().trim().to_string(),
        _ => {}
    }
    draft
}

/// The revision at which the operator accepted the damage of the chosen file.
fn accepted_damage(model: &Model) -> Option<i64> {
    let source = model.snapshot.source().filter(|source| model.snapshot.agreed.contains(&source.path))?;
    match &source.health {
        Health::Limited(damage) => Some(damage.revision),
        _ => None,
    }
}

fn created(model: &Model) -> String {
    // One that is not changed is the plan that it was.
    if let Some(plan) = &model.options.plan {
        return plan.created.clone();
    }
    // of the start, not of now: the plan must not become another one by waiting
    let seconds = u64::try_from(model.started).unwrap_or(0);
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).to_string()
}

/// When the plan was made, seconds since 1970: what was written before that is not its own.
fn made(model: &Model) -> Option<i64> {
    match &model.options.plan {
        Some(plan) => plan.made(),
        None => Some(model.started),
    }
}

/// Everything that is wrong or worth a look, as the plan's builder sees it.
pub fn problems(draft: &Draft) -> Vec<Problem> {
    match build_plan::build(draft) {
        Ok(built) => built.warnings,
        Err(problems) => problems,
    }
}

/// The problem of a cell, errors first.
pub fn problem_at(problems: &[Problem], row: usize, column: Column) -> Option<&Problem> {
    let here = |p: &&Problem| p.row == Some(row) && p.column == Some(column);
    problems.iter().filter(here).max_by_key(|p| p.severity)
}

/// The correction that is offered now: that of the selected cell, or else the first of its row, errors before warnings.
/// While a cell is typed it is that cell's.
pub(in crate::tui) fn offered_fix(model: &Model, problems: &[Problem]) -> Option<(Column, String)> {
    let state = &model.members;
    if state.at >= state.rows.len() {
        return None;
    }
    let typing = model.prompt.as_ref().is_some_and(|p| matches!(p.ask, Ask::Cell(..)));
    let own = |p: &&Problem| p.column == Some(state.column());
    let mut here: Vec<&Problem> =
        problems.iter().filter(|p| p.row == Some(state.at) && p.fix.is_some() && (!typing || own(p))).collect();
    here.sort_by_key(|p| (!own(p), std::cmp::Reverse(p.severity)));
    here.first().and_then(|p| Some((p.column?, p.fix.clone()?)))
}

/// A problem with its correction, which its own words may have named already.
pub fn with_fix(problem: &Problem) -> String {
    match &problem.fix {
        Some(fix) if !problem.names_fix => format!("{}: {fix}?", problem.text),
        _ => problem.text.clone(),
    }
}

/// "m1's peer URL", or what it is about.
pub fn place_words(draft: &Draft, problem: &Problem) -> String {
    let row = problem.row.map(|r| {
        let name = draft.rows.get(r).map(|row| row.text(Column::Name)).filter(|n| !n.is_empty());
        name.map_or_else(|| format!("row {}", r + 1), str::to_string)
    });
    match (row, problem.column) {
        (Some(row), Some(column)) => format!("{row}'s {}", column.heading()),
        (Some(row), None) => row,
        _ => problem.text.clone(),
    }
}

/// The row of the cell, and its problem, for the open field.
pub(in crate::tui) fn cell_words(model: &Model, row: usize, column: Column) -> (String, String) {
    let draft = draft(model);
    let name = draft.rows.get(row).map(|r| r.text(Column::Name).to_string()).filter(|n| !n.is_empty());
    let problems = problems(&draft);
    let about = match problem_at(&problems, row, column) {
        Some(problem) if problem.fix.is_some() => format!("{}  ↓ takes it", with_fix(problem)),
        Some(problem) => problem.text.clone(),
        None => match column {
            Column::Host => "local is this machine. Otherwise an ssh destination: root@10.0.0.1, a Host of your ssh \
                             config, ssh://root@host:2222."
                .into(),
            Column::Peer | Column::Client => "Separate several URLs with commas.".into(),
            Column::WalDir => "Leave it empty to keep the WAL inside the data directory.".into(),
            Column::Flags => "Appended to this member's etcd command, such as --cert-file=….".into(),
            Column::Name | Column::DataDir => String::new(),
        },
    };
    (name.unwrap_or_else(|| format!("row {}", row + 1)), about)
}
