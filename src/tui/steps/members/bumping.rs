//! The token and the revision bump: typed, or the bump taken as it is proposed.

use super::Model;
use crate::{
    plan::{
        bump::{self, Known, Point, Proposal},
        facts::{Answer, FileFacts, Health},
    },
    tui::text,
};

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
    model.members.bump = number(typed)?;
    // watchers would wait for revisions that never were: the two belong together
    model.members.mark_compacted = model.members.bump > 0;
    Ok(())
}

/// `1,000,000,000`, `1_000_000_000`, `1e9` or nothing.
fn number(typed: &str) -> Result<u64, String> {
    let plain: String = typed.chars().filter(|c| !matches!(c, ',' | '_' | ' ')).collect();
    if plain.is_empty() {
        return Ok(0);
    }
    let number = match plain.split_once(['e', 'E']) {
        Some((head, zeros)) => head
            .parse::<u64>()
            .ok()
            .zip(zeros.parse::<u32>().ok())
            .and_then(|(h, z)| 10u64.checked_pow(z).and_then(|p| h.checked_mul(p))),
        None => plain.parse().ok(),
    };
    number.ok_or_else(|| format!("{typed:?} is not a number of revisions, such as 1000000000 or 1e9."))
}

/// What a bump means, while it is typed.
pub(in crate::tui) fn bump_words(model: &Model, typed: &str) -> String {
    match number(typed) {
        Err(why) => why,
        Ok(0) => "0: the restored cluster starts at the snapshot's own revision.".into(),
        Ok(n) => {
            let from = model.snapshot.content().map_or(0, |c| c.revision);
            format!("The restored cluster starts at {}.", text::thousands(i128::from(from) + i128::from(n)))
        }
    }
}

/// What is proposed for the chosen snapshot; `None` while none is chosen.
pub(in crate::tui) fn proposal(model: &Model) -> Option<Proposal> {
    let source = model.snapshot.source()?;
    let content = source.content.as_ref()?;
    let name = |file: &FileFacts| file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let point = |file: &FileFacts| {
        let revision = file.content.as_ref()?.revision;
        Some(Point { revision, at: file.modified, from: name(file) })
    };
    // Only states of the same cluster tell anything: its members have the same IDs.
    let same = |file: &&FileFacts| {
        let members = file.content.as_ref().map(|c| c.members.as_slice()).unwrap_or_default();
        file.path != source.path
            && matches!(file.health, Health::Verified | Health::Unhashed)
            && members.iter().any(|m| content.members.iter().any(|known| known.id == m.id))
    };
    let files = model.snapshot.files.iter().filter(same).filter_map(point);
    let facts = model.detect.facts();
    let answers = facts.iter().filter_map(|f| match &f.answer {
        Answer::Says(says) => {
            let own = says.members.iter().find(|m| m.id == says.member_id).map(|m| m.name.as_str());
            let who = own.filter(|n| !n.is_empty()).unwrap_or(&f.endpoint);
            Some(Point { revision: says.revision, at: None, from: who.to_string() })
        }
        _ => None,
    });
    Some(bump::propose(&Known {
        kubernetes: content.kubernetes,
        snapshot: point(source)?,
        others: files.chain(answers).collect(),
        writes_ended: None,
        now: model.started,
    }))
}

/// The amount that can be taken with a key, unless it is set already.
pub(in crate::tui) fn offer(model: &Model) -> Option<u64> {
    match proposal(model)? {
        Proposal::Amount { revisions, .. } => Some(revisions).filter(|n| *n != model.members.bump),
        Proposal::Nothing { .. } => None,
    }
}

/// The proposal in sentences, for the lines below the option. Empty where no bump is needed.
pub(in crate::tui) fn offer_words(model: &Model) -> Vec<String> {
    match proposal(model) {
        Some(Proposal::Amount { revisions, why, assumed }) => {
            let take = if model.members.bump == revisions { "is set" } else { "is proposed (x takes it)" };
            vec![
                format!("{} {take}: {}", text::thousands(revisions), text::sentence(&why)),
                format!("Assumed: {}.", assumed.join("; ")),
            ]
        }
        Some(Proposal::Nothing { why, look }) if !look.is_empty() => {
            vec![text::sentence(&capital(&why)), format!("To look at: {}.", look.join("; "))]
        }
        Some(Proposal::Nothing { why, .. }) => vec![text::sentence(&capital(&why))],
        None => Vec::new(),
    }
}

/// A warning for Review where Kubernetes data is restored without a bump.
pub(in crate::tui) fn unbumped(model: &Model) -> Option<String> {
    if model.members.bump > 0 {
        return None;
    }
    match proposal(model)? {
        Proposal::Amount { revisions, .. } => Some(format!(
            "Kubernetes data is restored without a revision bump, and its clients may keep stale caches for hours; {} is proposed on Members (bump revision), with its reasons",
            text::thousands(revisions)
        )),
        Proposal::Nothing { why, look } if !look.is_empty() => {
            Some(format!("no revision bump is set, and {why}; what to look at stands on Members (bump revision)"))
        }
        Proposal::Nothing { .. } => None,
    }
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
