//! Members: who will the new cluster be? The table of rows, the options below it, and its problems, found again with
//! every character.

mod certificates;
mod pasting;

pub(in crate::tui) use self::{
    certificates::{certificates, look_at_certificates},
    pasting::{pasted, set_cluster, take_pasted},
};
use crate::{
    domain::{
        members::{
            build_plan::Draft,
            cell::{Origin, Row},
            prefill,
            table::{self, Column},
        },
        model::observations::config::ConfigFacts,
        quorum::scope::{self, Belongs},
    },
    etcd::version::Minor,
    text::{Foreign, join::all},
    tui::{
        selectors::{
            filter,
            members::{draft, offered_fix, place_words, problems},
            revision_bump::{number, other_bump, proposal},
            snapshot,
        },
        state::{
            key::Action,
            members::{Choice, Extra},
            messages::Effect,
            model::{Model, Overlay},
            prompt::Ask,
        },
        steps::hosts,
        widgets::{text_input::Field, theme::Tone},
    },
};

pub(super) fn enter(model: &mut Model) {
    model.label_settled = true;
    if model.members.fresh_at == 0 {
        model.members.fresh_at = model.started;
    }
    label_changed(model);
    let (config, notes) = own_config(model);
    let filled = prefill::fill(&prefill::Sources {
        content: model.snapshot.content().as_ref(),
        cluster: snapshot::cluster_of_chosen(model),
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
    settle_bump(model);
    settle_choices(model);
    model.members.at = model.members.at.min(model.members.lines().saturating_sub(1));
}

/// The flags of configurations that were found, without those of etcds that are of another cluster than the chosen
/// snapshot, and which those are. One whose directory holds another cluster now, and which has the peer URL of a member
/// of the snapshot, is that member's all the same: its directory was restored, or begun with, since.
fn own_config(model: &Model) -> (Vec<prefill::Flag>, Vec<String>) {
    let Some(content) = model.snapshot.content() else { return (model.members.config.clone(), Vec::new()) };
    let cluster = snapshot::cluster_of_chosen(model);
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
            fix(model, &draft(model)).map(|_| ()).ok_or_else(|| "There is no correction for the selected row.".into())
        }
        Action::Left | Action::Right if !on_row => Err("This line has one cell only.".into()),
        _ => Ok(()),
    }
}

/// The correction that is offered now, with its column.
fn fix(model: &Model, draft: &Draft) -> Option<(Column, String)> {
    offered_fix(model, &problems(draft))
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
    if let (Some((_, fixed)), Some(prompt)) = (fixed, &mut model.prompt) {
        prompt.field = Field::new(fixed);
    }
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
            model.with_keys(&[Action::Undo]);
        }
        Action::Undo => {
            if let Some(rows) = state.undo.pop() {
                state.rows = rows;
                state.at = state.at.min(state.lines().saturating_sub(1));
            }
        }
        Action::TakeFix if state.choice() == Some(Choice::Bump) => {
            switch_bump(model);
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
                model.with_keys(&[Action::Undo]);
            }
        }
        Action::TakeFix => {
            if let Some((column, fixed)) = fix(model, &draft(model)) {
                let row = model.members.at;
                model.members.column = Column::ALL.iter().position(|c| *c == column).unwrap_or(0);
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
        action => model.members.at = filter::moved(model, model.members.at, action),
    }
    Vec::new()
}

/// The operator agreed to a new token.
pub(in crate::tui) fn new_token(model: &mut Model) -> Vec<Effect> {
    let id = model.id();
    model.members.refreshing = Some(id);
    vec![Effect::Fresh { id }]
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
pub(in crate::tui) fn edit(model: &mut Model) {
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

pub(in crate::tui) fn set_token(model: &mut Model, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("A token is needed; g makes a new one.".into());
    }
    if model.members.token != text {
        model.members.token = text.to_string();
        model.members.token_typed = true;
    }
    Ok(())
}

pub(in crate::tui) fn set_bump(model: &mut Model, typed: &str) -> Result<(), String> {
    take_bump(model, number(typed)?);
    model.members.bump_typed = true;
    Ok(())
}

/// Sets the bump. Watchers would wait for revisions that never were: it comes with the mark as compacted.
fn take_bump(model: &mut Model, revisions: u64) {
    model.members.bump = revisions;
    model.members.mark_compacted = revisions > 0;
}

/// Sets the bump that is proposed, unless one was chosen.
pub(super) fn settle_bump(model: &mut Model) {
    if !model.members.bump_typed
        && let Some(proposed) = proposal(model)
    {
        take_bump(model, proposed.revisions);
    }
}

pub(super) fn switch_bump(model: &mut Model) {
    let other = other_bump(model);
    take_bump(model, other);
    model.members.bump_typed = true;
}
