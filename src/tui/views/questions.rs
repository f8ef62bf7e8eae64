//! What the windows say that ask before something is done.

use crate::{
    domain::{
        members::{import::Pasted, table::Column},
        model::host_address,
        sources::ranking::{SourceKind, SourceState},
    },
    text::{
        join::{self, sentence},
        number::thousands,
        size,
    },
    tui::{selectors::snapshot::selected, state::model::Model},
};

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

/// What the operator accepts with the selected file, besides the missing checksum.
fn risks(model: &Model) -> Vec<String> {
    let Some(source) = selected(model) else { return Vec::new() };
    let damage = match &source.standing {
        SourceState::Limited(damage) => vec![sentence(&damage.why)],
        _ => Vec::new(),
    };
    let mut lines = match source.kind {
        SourceKind::DataDir => source.loses(model.snapshot.list.newest.as_ref()),
        _ => Vec::new(),
    };
    lines.splice(..0, damage);
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// What the selected file is asked about: the title, and what accepting it means.
pub(in crate::tui) fn accept_words(model: &Model) -> (String, Vec<String>) {
    let unhashed = [
        "A saved snapshot ends with its own SHA-256. This file has none, like a copy of member/snap/db.",
        "Its pages were checked and are sound. A value changed on disk would still go unnoticed, and a copy taken \
         while etcd was writing may hold an older state than its age suggests.",
        "",
        "The plan will carry skip_hash_check, as `etcdutl snapshot restore --skip-hash-check` does.",
    ];
    let Some(SourceState::Limited(damage)) = selected(model).map(|source| &source.standing) else {
        let lines = risks(model).into_iter().chain(unhashed.map(String::from)).collect();
        return ("Accept this file without a checksum?".into(), lines);
    };
    let mut lines = risks(model);
    if !damage.hashed {
        lines.extend(unhashed.map(String::from));
    }
    lines.push(format!(
        "The plan will carry accept_damage: {}, and each member's database is rebuilt from the rows.",
        damage.revision
    ));
    ("Accept this damaged file?".into(), lines)
}

/// What a dry run does, for its question.
pub(in crate::tui) fn dry_run_words(model: &Model) -> Vec<String> {
    let Some(plan) = &model.review.plan else { return Vec::new() };
    let bytes = plan.source.bytes.saturating_mul(plan.members.len() as u64);
    vec![
        "Every member is built in staging on its host and verified, the old cluster is asked again, and then what was \
         built is removed. None of your directories is moved and nothing is stopped."
            .into(),
        String::new(),
        format!(
            "It writes about {} in all ({} bytes for each member) and sends the snapshot to hosts that do not have it.",
            size::size(bytes),
            thousands(plan.source.bytes)
        ),
    ]
}

/// What is asked before a member is started.
pub(in crate::tui) fn start_words(model: &Model) -> (String, Vec<String>) {
    let Some((offer, commands)) = &model.launch.started.offer else { return (String::new(), Vec::new()) };
    let host = if host_address::is_local(&offer.host) { "this machine" } else { &offer.host };
    let mut lines = vec![format!("This is run on {host}, now:"), String::new()];
    lines.extend(commands.iter().map(|command| format!("  {command}")));
    lines.push(String::new());
    lines.push(
        "The first member waits for the second; that is normal. Start the others within a minute, then see on Proof \
         what they serve."
            .into(),
    );
    (format!("Start {} on {host}?", offer.member), lines)
}

/// What is asked before a key is written.
pub(in crate::tui) fn canary_words(model: &Model) -> Vec<String> {
    let id = model.restore.plan.as_ref().map_or_else(String::new, |plan| plan.short_id());
    vec![
        format!(
            "One key, requorum/canary/{id}-…, is put through the first member, read through each, and deleted through \
             the last. A watch that is opened before must see both. It takes two revisions."
        ),
        String::new(),
        "It is the only thing that requorum ever writes to a cluster, and it is not done while anything else is wrong."
            .into(),
    ]
}
