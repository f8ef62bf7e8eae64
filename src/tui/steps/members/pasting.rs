//! What is pasted or typed in one go: an `--initial-cluster` value or a member list becomes the
//! table's rows, a paste only after a question.

use crate::text::join;
use crate::{
    domain::members::{
        cell::{Origin, Row},
        import,
        table::Column,
    },
    tui::{
        selectors::members::with_fix,
        state::{
            key::Action,
            members::State,
            model::{Model, Overlay},
            prompt::Ask,
        },
        steps::members::propose_rest,
        widgets::theme::Tone,
    },
};

/// The typed value replaces the table: its Enter was the confirmation.
pub(in crate::tui) fn set_cluster(model: &mut Model, typed: &str) -> Result<(), String> {
    let read = import::read(typed).map_err(|p| join::sentence(&with_fix(&p)))?;
    replace(model, read.rows);
    if !read.notes.is_empty() {
        model.say(Tone::Warn, join::sentence(&read.notes.join("; ")));
    }
    Ok(())
}

/// Text pasted on the step, or into the field for the cluster. True where it was taken here: a text
/// of one line goes into the field as any other does.
pub(in crate::tui) fn pasted(model: &mut Model, pasted: &str) -> bool {
    let in_field = match &model.prompt {
        Some(prompt) if prompt.ask == Ask::Cluster => true,
        Some(_) => return false,
        None => false,
    };
    if in_field && !pasted.trim().contains(['\n', '\r']) {
        return false;
    }
    match import::read(&pasted.replace("\r\n", "\n").replace('\r', "\n")) {
        Ok(read) => {
            model.prompt = None;
            model.status = None;
            model.members.pasted = Some(read);
            model.open(Overlay::Pasted);
        }
        Err(problem) => {
            let about = join::sentence(&with_fix(&problem));
            model.say(Tone::Warn, format!("The paste was ignored: {about}"));
        }
    }
    true
}

/// Yes to the question.
pub(in crate::tui) fn take_pasted(model: &mut Model) {
    if let Some(read) = model.members.pasted.take() {
        let count = read.rows.len();
        replace(model, read.rows);
        let members = if count == 1 { "member was" } else { "members were" };
        model.say(Tone::Plain, format!("{count} {members} pasted; u undoes it."));
        model.with_keys(&[Action::Undo]);
    }
}

/// New rows; what else the table knew of a member is kept.
fn replace(model: &mut Model, rows: Vec<Row>) {
    let state: &mut State = &mut model.members;
    state.keep();
    let old = std::mem::take(&mut state.rows);
    state.rows = rows
        .into_iter()
        .map(|new| {
            let name = new.text(Column::Name);
            let Some(known) = old.iter().find(|o| !name.is_empty() && o.text(Column::Name) == name) else { return new };
            let mut row = known.clone();
            for column in [Column::Peer, Column::Client] {
                if !new.text(column).is_empty() && new.text(column) != row.text(column) {
                    row.set(column, new.text(column), Origin::Typed);
                }
            }
            row
        })
        .collect();
    state.at = 0;
    for at in 0..model.members.rows.len() {
        propose_rest(model, at);
    }
}
