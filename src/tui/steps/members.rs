//! Members: who will the new cluster be? The table of rows, the options below it, and its problems, found again with
//! every character.

mod bumping;
mod certificates;
mod pasting;
mod state;

pub(in crate::tui) use self::{
    bumping::{bump_words, offer_words, proposal, seen, set_bump, set_token, too_small},
    certificates::{certificates, look_at_certificates},
    pasting::{paste_words, pasted, set_cluster, take_pasted},
};
pub use self::{
    certificates::Certificates,
    state::{Choice, Extra, State},
};
use super::{
    super::{
        app::{Model, Overlay, moved},
        dialogs::{Ask, Prompt},
        keymap::Action,
        messages::Effect,
        widgets::{text_input::Field, theme::Tone},
    },
    hosts,
};
use crate::{
    domain::{
        members::{
            build_plan::{self, Draft},
            cell::{Origin, Row},
            prefill,
            table::{self, Column, Problem},
        },
        model::{
            observations::{Health, config::ConfigFacts},
            options::Options,
        },
        quorum::scope::{self, Belongs},
    },
    etcd::version::Minor,
    text::{Foreign, join::all},
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
        old: bumping::old(model, made(model)),
        revisions: bumping::revisions(model),
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

pub(super) fn enter(model: &mut Model) {
    model.label_settled = true;
    if model.members.fresh_at == 0 {
        model.members.fresh_at = model.started;
    }
    label_changed(model);
    let (config, notes) = own_config(model);
    let filled = prefill::fill(&prefill::Sources {
        content: model.snapshot.content().as_ref(),
        cluster: super::snapshot::cluster_of_chosen(model),
        keep_learners: false,
        answers: &model.detect.facts(),
        config: &config,
        inventory: &model.options.inventory,
        base_dir: &model.options.base_dir,
    });
    model.members.learners = filled.learners;
    if !model.members.touched {
        (model.members.rows, model.members.notes) = (filled.rows, [filled.notes, notes].concat());
    }
    bumping::settle_bump(model);
    settle_choices(model);
    model.members.at = model.members.at.min(model.members.lines().saturating_sub(1));
}

/// The flags of configurations that were found, without those of etcds that are of another cluster than the chosen
/// snapshot, and which those are. One whose directory holds another cluster now, and which has the peer URL of a member
/// of the snapshot, is that member's all the same: its directory was restored, or begun with, since.
fn own_config(model: &Model) -> (Vec<prefill::Flag>, Vec<String>) {
    let Some(content) = model.snapshot.content() else { return (model.members.config.clone(), Vec::new()) };
    let cluster = super::snapshot::cluster_of_chosen(model);
    let peers: Vec<&str> = content.members.iter().flat_map(|m| &m.peer_urls).map(Foreign::as_str).collect();
    let scope = model.detect.scope();
    let foreign = |config: &&ConfigFacts| {
        let Some(says) = scope::dir_of(config, &model.detect.dirs).and_then(|dir| dir.state.says()) else {
            return false;
        };
        let ours = match (cluster, content.members.is_empty()) {
            (None, true) => scope.of_cluster(says.cluster_id) != Belongs::Other,
            _ => scope::same_cluster(cluster, &content.members, says.cluster_id, &says.members),
        };
        let own = config.get("initial-advertise-peer-urls").unwrap_or_default();
        !ours && !own.split(',').any(|url| peers.iter().any(|known| *known == url.trim()))
    };
    let places: Vec<String> = model.detect.configs.iter().filter(foreign).map(ConfigFacts::place).collect();
    let config = model.members.config.iter().filter(|flag| !places.contains(&flag.origin)).cloned().collect();
    let notes = match places.as_slice() {
        [] => Vec::new(),
        [one] => vec![format!("{one} starts an etcd of another cluster, so nothing is filled in from there")],
        many => vec![format!("{} start etcds of another cluster, so nothing is filled in from there", all(many))],
    };
    (config, notes)
}

/// The lines below the table: the four that are always there, and what can be done besides with this snapshot.
fn settle_choices(model: &mut Model) {
    let content = model.snapshot.content();
    let state = &mut model.members;
    let mut shown = vec![Choice::Token, Choice::Target, Choice::Bump, Choice::Compacted];
    if !state.learners.is_empty() {
        shown.push(Choice::Learners);
    }
    for extra in Extra::ALL {
        let applies = content.as_ref().is_some_and(|content| extra.applies(content, state.target));
        if applies || *extra.of(&mut state.extras) {
            shown.push(Choice::Extra(extra));
        }
    }
    state.choices = shown;
}

/// The proposed token starts with the label.
pub(in crate::tui) fn label_changed(model: &mut Model) {
    let state = &mut model.members;
    if !state.token_typed && !state.fresh.is_empty() {
        state.token = prefill::token(&model.label, state.fresh_at, &state.fresh);
    }
}

pub(in crate::tui) fn fresh(model: &mut Model, id: u64, now: i64, fresh: String) {
    if model.members.refreshing == Some(id) {
        model.members.refreshing = None;
        model.members.fresh = fresh;
        model.members.fresh_at = now;
        model.members.token_typed = false;
        label_changed(model);
        let token = model.members.token.clone();
        model.say(Tone::Good, format!("New token: {token}"));
    }
}

/// Whether the table is good enough for `act`, which its refusal names.
fn ready(model: &Model, act: &str) -> Result<(), String> {
    let draft = draft(model);
    let problems = problems(&draft);
    let waits: Vec<String> = problems.iter().filter(|p| p.is_final()).map(|p| place_words(&draft, p)).collect();
    match waits.first() {
        None => Ok(()),
        Some(first) if waits.len() == 1 => Err(format!("{act} waits for: {first}.")),
        Some(first) => Err(format!("{act} waits for: {first} and {} more.", waits.len() - 1)),
    }
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let state = &model.members;
    let on_row = state.at < state.rows.len();
    match action {
        Action::Next => ready(model, "Next"),
        Action::Remove if !on_row => Err("Select the member to remove; this line is about the whole cluster.".into()),
        Action::LookAtHosts => ready(model, "Checking the hosts"),
        Action::Details => match state.rows.get(state.at) {
            None => Err("Select a member; this line is about the whole cluster.".into()),
            Some(row) if model.hosts.of_row(state.at, row).is_none() => {
                Err("This row's host is not checked yet; press r.".into())
            }
            Some(_) => Ok(()),
        },
        Action::Undo if state.undo.is_empty() => Err("There is no change in the table to undo.".into()),
        Action::TakeFix if state.choice() == Some(Choice::Bump) => Ok(()),
        Action::Other => match state.rows.get(state.at) {
            Some(row) if row.cell(state.column()).other().is_some() => Ok(()),
            Some(_) => Err("No source has another value for this cell.".into()),
            None => Err("Select a cell of a member; sources differ only there.".into()),
        },
        Action::TakeFix => {
            fix(model, &draft(model)).map(|_| ()).ok_or_else(|| "There is no correction for the selected cell.".into())
        }
        Action::Left | Action::Right if !on_row => Err("This line has one cell only.".into()),
        _ => Ok(()),
    }
}

/// The correction of the selected cell.
fn fix(model: &Model, draft: &Draft) -> Option<String> {
    let state = &model.members;
    if state.at >= state.rows.len() {
        return None;
    }
    let problems = problems(draft);
    let mut here = problems.iter().filter(|p| p.row == Some(state.at) && p.column == Some(state.column()));
    here.find_map(|p| p.fix.clone())
}

/// Whether the keys that only work while a cell is typed can act.
pub(in crate::tui) fn can_typing(model: &Model, action: Action) -> Result<(), String> {
    let in_cell = model.prompt.as_ref().is_some_and(|p| matches!(p.ask, Ask::Cell(..)));
    match action {
        _ if !in_cell => Err("That works only while a cell of the member table is edited.".into()),
        Action::TakeFixTyping => {
            fix(model, &draft(model)).map(|_| ()).ok_or_else(|| "There is no correction for this text.".into())
        }
        _ => Ok(()),
    }
}

pub(in crate::tui) fn take_fix_typing(model: &mut Model) {
    let fixed = fix(model, &draft(model));
    if let (Some(fixed), Some(prompt)) = (fixed, &mut model.prompt) {
        prompt.field = Field::new(fixed);
    }
}

pub(in crate::tui) fn submit_next(model: &mut Model) -> Vec<Effect> {
    let effects = super::super::dialogs::submit(model);
    model.members.column = (model.members.column + 1) % Column::ALL.len();
    edit(model);
    effects
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let state = &mut model.members;
    match action {
        Action::Open => return open(model),
        Action::LookAtHosts => return hosts::look_at_table(model),
        Action::FillHosts => return hosts::fill(model),
        Action::Details => model.open(Overlay::Details),
        Action::Left => state.column = state.column.checked_sub(1).unwrap_or(Column::ALL.len() - 1),
        Action::Right => state.column = (state.column + 1) % Column::ALL.len(),
        Action::Add => {
            state.keep();
            let at = (state.at + 1).min(state.rows.len());
            state.rows.insert(at, Row::default());
            state.at = at;
            state.column = 0;
            edit(model);
        }
        Action::Remove => {
            state.keep();
            let gone = state.rows.remove(state.at);
            state.at = state.at.min(state.rows.len().saturating_sub(1));
            model.say(Tone::Plain, format!("{} was removed from the table; u undoes it.", gone.text(Column::Name)));
        }
        Action::Undo => {
            if let Some(rows) = state.undo.pop() {
                state.rows = rows;
                state.at = state.at.min(state.lines().saturating_sub(1));
            }
        }
        Action::TakeFix if state.choice() == Some(Choice::Bump) => {
            bumping::switch_bump(model);
        }
        Action::Other => {
            let (at, column) = (state.at, state.column());
            let other = state.rows.get(at).and_then(|row| row.cell(column).other().cloned());
            if let Some(other) = other {
                state.keep();
                if let Some(row) = state.rows.get_mut(at) {
                    row.take(column, &other);
                }
                model.say(Tone::Plain, format!("Taken from {}; u undoes it.", other.from));
            }
        }
        Action::TakeFix => {
            if let Some(fixed) = fix(model, &draft(model)) {
                let (row, column) = (model.members.at, model.members.column());
                set_cell(model, row, column, &fixed);
            }
        }
        Action::PasteCluster => {
            let pairs: Vec<String> = state
                .rows
                .iter()
                .flat_map(|r| {
                    let name = r.text(Column::Name).to_string();
                    table::items(r.text(Column::Peer)).map(move |u| format!("{name}={u}"))
                })
                .collect();
            model.ask(Ask::Cluster, pairs.join(","));
        }
        Action::FreshToken => model.open(Overlay::Token),
        action => state.at = moved(state.at, action, state.lines()),
    }
    Vec::new()
}

/// The operator agreed to a new token.
pub(in crate::tui) fn new_token(model: &mut Model) -> Vec<Effect> {
    let id = model.id();
    model.members.refreshing = Some(id);
    vec![Effect::Fresh { id }]
}

/// What is asked before the token is replaced.
pub(in crate::tui) fn token_words(model: &Model) -> (String, Vec<String>) {
    let state = &model.members;
    let mut lines = vec![
        format!("The token is now {}.", state.token),
        "A new token makes a different plan, with different member and cluster IDs. Members restored with the old \
         token do not join it."
            .into(),
    ];
    if state.token_typed {
        lines.push("The current one was typed; it is not kept.".into());
    }
    ("Generate a new cluster token?".into(), lines)
}

fn open(model: &mut Model) -> Vec<Effect> {
    let state = &mut model.members;
    match state.choice() {
        None => edit(model),
        Some(Choice::Token) => {
            let token = state.token.clone();
            model.ask(Ask::Token, token);
        }
        Some(Choice::Target) => {
            state.target = match state.target {
                None => Minor::ALL.first().copied(),
                Some(now) => Minor::ALL.into_iter().find(|m| *m > now),
            };
        }
        Some(Choice::Bump) => {
            let bump = state.bump.to_string();
            model.ask(Ask::Bump, bump);
        }
        Some(Choice::Compacted) => {
            state.mark_compacted = !state.mark_compacted;
            state.bump_typed = true;
        }
        Some(Choice::Learners) => {
            let before = state.rows.len();
            state.turn_learners();
            // the line stays selected, wherever the rows above move it
            state.at = (state.at + state.rows.len()).saturating_sub(before);
        }
        Some(Choice::Extra(extra)) => {
            let switch = extra.of(&mut state.extras);
            *switch = !*switch;
        }
    }
    settle_choices(model);
    let last = model.members.lines().saturating_sub(1);
    model.members.at = model.members.at.min(last);
    Vec::new()
}

/// Opens the selected cell.
fn edit(model: &mut Model) {
    let (at, column) = (model.members.at, model.members.column());
    if let Some(row) = model.members.rows.get(at) {
        let text = row.text(column).to_string();
        model.ask(Ask::Cell(at, column), text);
    }
}

pub(in crate::tui) fn set_cell(model: &mut Model, row: usize, column: Column, text: &str) {
    let state = &mut model.members;
    if state.rows.get(row).is_some_and(|r| r.text(column) != text) {
        state.keep();
        if let Some(row) = state.rows.get_mut(row) {
            row.set(column, text, Origin::Typed);
        }
        if matches!(column, Column::Name | Column::Peer) {
            propose_rest(model, row);
        }
    }
}

/// A new row's name brings a proposal for its data directory, its peer URLs one for its client URLs.
fn propose_rest(model: &mut Model, at: usize) {
    let base = model.options.base_dir.clone();
    let Some(row) = model.members.rows.get_mut(at) else { return };
    let name = row.text(Column::Name).to_string();
    if row.text(Column::DataDir).is_empty() && !name.is_empty() {
        row.set(Column::DataDir, prefill::default_dir(&base, &name).to_string_lossy(), Origin::Proposed);
    }
    if row.text(Column::Client).is_empty() {
        row.set(Column::Client, table::default_clients(row.text(Column::Peer)), Origin::Proposed);
    }
}

/// The row of the cell, and its problem, for the open field.
pub(in crate::tui) fn cell_words(model: &Model, row: usize, column: Column) -> (String, String) {
    let draft = draft(model);
    let name = draft.rows.get(row).map(|r| r.text(Column::Name).to_string()).filter(|n| !n.is_empty());
    let problems = problems(&draft);
    let about = match problem_at(&problems, row, column) {
        Some(problem) if problem.fix.is_some() => format!("{}  Ctrl-X takes it", with_fix(problem)),
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
