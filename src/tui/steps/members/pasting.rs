//! What is pasted or typed in one go: an `--initial-cluster` value or a member list becomes the
//! table's rows, a paste only after a question.

use super::{State, propose_rest, with_fix};
use crate::{
    domain::members::{
        cell::{Origin, Row},
        import::{self, Pasted},
        table::Column,
    },
    tui::{app::Overlay, dialogs::Ask, widgets::theme::Tone},
};
use crate::{text::join, tui::app::Model};

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

/// The question's heading and lines.
pub(in crate::tui) fn paste_words(model: &Model) -> (String, Vec<String>) {
    let title = "Replace the table by what was pasted?".to_string();
    let Some(Pasted { form, rows, notes }) = &model.members.pasted else { return (title, Vec::new()) };
    let count = if rows.len() == 1 { "1 member".into() } else { format!("{} members", rows.len()) };
    let mut lines = vec![format!("It was read as {}: {count}.", form.words()), String::new()];
    lines.extend(rows.iter().map(|row| {
        let name = if row.text(Column::Name).is_empty() { "(no name)" } else { row.text(Column::Name) };
        let (peer, client) = (row.text(Column::Peer), row.text(Column::Client));
        format!("{name}  {peer}{}{client}", if client.is_empty() { "" } else { "  clients " })
    }));
    let known = |name: &str| rows.iter().any(|r| r.text(Column::Name) == name);
    let gone: Vec<String> = model
        .members
        .rows
        .iter()
        .map(|r| r.text(Column::Name).to_string())
        .filter(|name| !name.is_empty() && !known(name))
        .collect();
    lines.push(String::new());
    lines.extend(notes.iter().map(|note| format!("! {}", join::sentence(note))));
    if !gone.is_empty() {
        let verb = if gone.len() == 1 { "is" } else { "are" };
        lines.push(format!("! {} {verb} not in it and will be removed from the table.", crate::text::join::all(&gone)));
    }
    lines.push("Other known values of a member are kept. u undoes the change.".into());
    (title, lines)
}

/// Yes to the question.
pub(in crate::tui) fn take_pasted(model: &mut Model) {
    if let Some(read) = model.members.pasted.take() {
        let count = read.rows.len();
        replace(model, read.rows);
        let members = if count == 1 { "member was" } else { "members were" };
        model.say(Tone::Plain, format!("{count} {members} pasted; u undoes it."));
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
