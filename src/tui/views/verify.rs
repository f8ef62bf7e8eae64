//! How Proof is drawn: the verdict, a line for each member, the checks, and the next steps.

use ratatui::text::Span;

use crate::{
    domain::verify::{Check, Outcome, Verification, VerifyResult},
    text::{columns, join, number},
    tui::widgets::remedies,
    tui::{
        state::model::Model,
        widgets::{
            layout::{Head, Page, Spot},
            theme::Tone,
        },
    },
};

/// The columns of a check's heading.
const TITLE: usize = 11;

fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Fail => Tone::Bad,
        Outcome::NotYet => Tone::Faint,
        Outcome::Unknown => Tone::Warn,
    }
}

pub(crate) fn draw(model: &Model, page: &mut Page<'_>) {
    let Some(proof) = &model.proof.proof else {
        page.sentence(" … ", "Asking every member who it is and what data it holds.", Tone::Strong, 2);
        return;
    };
    let tone = match proof.verdict {
        VerifyResult::Proven | VerifyResult::Agree => Tone::Good,
        VerifyResult::Failed => Tone::Bad,
        VerifyResult::Unproven => Tone::Warn,
        VerifyResult::Waiting => Tone::Strong,
    };
    let head = format!(" {} ", proof.verdict.mark());
    // with something wrong, that is what has to be read first
    if proof.verdict == VerifyResult::Failed {
        page.sentence(&head, &proof.sentence, tone, 5);
    } else {
        page.sentence(&head, &proof.service(), tone, 2);
        if proof.verdict != VerifyResult::Waiting || proof.serving() == 0 {
            page.sentence("   ", &proof.sentence, tone, 5);
        }
    }
    page.gap();
    let lines = flowed(proof, page);
    page.text(lines, model.below);
}

const HEADS: [Head; 4] = [
    Head { title: "member", right: false, most: 20 },
    Head { title: "revision", right: true, most: 16 },
    Head { title: "HashKV", right: false, most: 10 },
    Head { title: "state", right: false, most: 200 },
];

/// The members with their revisions and hashes side by side.
fn members(proof: &Verification, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let rows: Vec<Vec<Spot>> = proof
        .members
        .iter()
        .map(|m| {
            let tone = tone(m.outcome);
            vec![
                (format!("{} {}", m.outcome.mark(), m.name), tone),
                (or_dash(m.revision.map(number::signed)), Tone::Plain),
                (or_dash(m.hash.map(|hash| format!("{hash:08x}"))), Tone::Plain),
                // a member that is not as planned is described in full
                (m.brief.clone().filter(|_| m.outcome == Outcome::Pass).unwrap_or_else(|| m.words.clone()), tone),
            ]
        })
        .collect();
    let mut widths = page.widths(&HEADS, &rows);
    // what a member says is wrapped in its column
    let before: usize = widths.iter().take(3).map(|w| w + 2).sum();
    let room = page.width().saturating_sub(before + 3).max(10);
    if let Some(last) = widths.last_mut() {
        *last = room;
    }
    let heads: Vec<Spot> = HEADS.iter().map(|h| (h.title.to_string(), Tone::Faint)).collect();
    let mut out = vec![page.row(&HEADS, &widths, &heads, false)];
    for row in rows {
        let (words, tone) = row.last().cloned().unwrap_or_default();
        for (i, piece) in columns::wrap(&words, room).into_iter().enumerate() {
            let mut cells: Vec<Spot> = match i {
                0 => row.iter().take(3).cloned().collect(),
                _ => vec![Spot::default(); 3],
            };
            cells.push((piece, tone));
            out.push(page.row(&HEADS, &widths, &cells, false));
        }
    }
    out
}

/// Everything below the verdict, as lines of the page's width: the members, what to do next, what was checked.
fn flowed(proof: &Verification, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let mut lines = members(proof, page);
    lines.push(Vec::new());
    // what is wrong must not be out of sight
    let (wrong, right): (Vec<&Check>, Vec<&Check>) =
        proof.checks.iter().partition(|check| check.outcome == Outcome::Fail);
    lines.extend(wrong.into_iter().flat_map(|c| check(c, page)));
    if !proof.next.is_empty() && proof.verdict != VerifyResult::Failed {
        lines.push(vec![page.span(" Next steps:", Tone::Strong)]);
        for next in &proof.next {
            lines.extend(page.flow(" · ", &next.what, Tone::Plain, usize::MAX));
            if !next.command.is_empty() {
                lines.extend(page.flow("     ", &next.command, Tone::Faint, usize::MAX));
            }
        }
        lines.push(Vec::new());
    }
    lines.push(vec![page.span(" What was checked:", Tone::Strong)]);
    lines.extend(right.into_iter().flat_map(|c| check(c, page)));
    lines
}

/// What to do about a check.
fn todo(check: &Check) -> impl Iterator<Item = String> {
    let remedies = check.remedies.iter().map(|remedy| remedies::advised("", std::slice::from_ref(remedy)));
    check.todo.iter().cloned().chain(remedies)
}

/// One check, with what to do about it.
fn check(check: &Check, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let head = format!(" {} {} ", check.outcome.mark(), columns::pad(check.topic.title(), TITLE, columns::Align::Left));
    let words = if check.outcome == Outcome::Pass { Tone::Plain } else { tone(check.outcome) };
    let mut lines = page.flow(&head, &check.words, words, usize::MAX);
    let indent = " ".repeat(TITLE + 4);
    for todo in todo(check) {
        lines.extend(page.flow(&format!("{indent}→ "), &todo, Tone::Plain, usize::MAX));
    }
    lines
}

/// The same for the details window, with the members' URLs and every command in one line.
pub(crate) fn details(model: &Model) -> (String, Vec<String>) {
    let Some(proof) = &model.proof.proof else { return (String::new(), Vec::new()) };
    let mut lines = vec![proof.sentence.clone(), String::new()];
    for member in &proof.members {
        lines.push(format!("{} {}  {}  {}", member.outcome.mark(), member.name, member.endpoint, member.words));
    }
    for check in &proof.checks {
        lines.push(String::new());
        lines.push(format!("{} {}: {}", check.outcome.words(), check.topic.title(), join::sentence(&check.words)));
        lines.extend(todo(check).map(|todo| format!("  → {todo}")));
    }
    for next in &proof.next {
        lines.push(String::new());
        lines.push(format!("· {}", next.what));
        if !next.command.is_empty() {
            lines.push(next.command.clone());
        }
    }
    (format!("Plan {} of {}", proof.plan, proof.label), lines)
}
