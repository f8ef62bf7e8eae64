//! How Proof is drawn: the verdict, a line for each member, the checks, and the next steps.

use ratatui::text::Span;

use crate::{
    domain::verify::{Check, Outcome, Verification, VerifyResult},
    text::{columns, join},
    tui::widgets::remedies,
    tui::{
        state::model::Model,
        widgets::{layout::Page, theme::Tone},
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
    page.sentence(&format!(" {} ", proof.verdict.mark()), &proof.sentence, tone, 5);
    page.gap();
    let lines = flowed(proof, page);
    let room = page.left();
    // the last line that is to be seen
    let focus = (model.proof.at + room).saturating_sub(1);
    page.list(lines, focus..focus, room);
}

/// How many lines there are to go through, no fewer than on any screen.
pub(crate) fn lines(model: &Model) -> usize {
    let of = |check: &Check| 3 + 3 * (check.todo.len() + check.remedies.len());
    model
        .proof
        .proof
        .as_ref()
        .map_or(0, |proof| proof.members.len() + proof.checks.iter().map(of).sum::<usize>() + 4 * proof.next.len())
}

/// What to do about a check.
fn todo(check: &Check) -> impl Iterator<Item = String> {
    let remedies = check.remedies.iter().map(|remedy| remedies::advised("", std::slice::from_ref(remedy)));
    check.todo.iter().cloned().chain(remedies)
}

/// Everything below the verdict, as lines of the page's width.
fn flowed(proof: &Verification, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let mut lines = Vec::new();
    let names = proof.members.iter().map(|m| columns::width(&m.name)).max().unwrap_or_default().min(20);
    for member in &proof.members {
        let head = format!(" {} {}  ", member.outcome.mark(), columns::pad(&member.name, names, columns::Align::Left));
        lines.extend(page.flow(&head, &member.words, tone(member.outcome), 3));
    }
    lines.push(Vec::new());
    // what is wrong must not be out of sight
    let wrong = |check: &&Check| check.outcome == Outcome::Fail;
    let sorted = proof.checks.iter().filter(wrong).chain(proof.checks.iter().filter(|c| !wrong(c)));
    for check in sorted {
        let head =
            format!(" {} {} ", check.outcome.mark(), columns::pad(check.topic.title(), TITLE, columns::Align::Left));
        let words = if check.outcome == Outcome::Pass { Tone::Plain } else { tone(check.outcome) };
        lines.extend(page.flow(&head, &check.words, words, 8));
        for todo in todo(check) {
            let indent = " ".repeat(TITLE + 4);
            lines.extend(page.flow(&format!("{indent}→ "), &todo, Tone::Plain, 8));
        }
    }
    if !proof.next.is_empty() && proof.verdict != VerifyResult::Failed {
        lines.push(Vec::new());
        lines.push(vec![page.span(" Next steps:", Tone::Strong)]);
        for next in &proof.next {
            lines.extend(page.flow(" · ", &next.what, Tone::Plain, 6));
            if !next.command.is_empty() {
                lines.extend(page.flow("     ", &next.command, Tone::Faint, 4));
            }
        }
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
