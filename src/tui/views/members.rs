//! How the member table is drawn: rows with their problems under them, the options, the IDs as
//! they will be, and what Next waits for.

mod plain;

use ratatui::text::Span;

use crate::{
    domain::members::{
        build_plan::Draft,
        cell::{Origin, Row},
        table::{self, Column, Problem, Severity},
    },
    text::{
        columns,
        join::{self, all},
        number::{self, plural},
    },
    tui::widgets::remedies,
    tui::{
        selectors::{
            filter, hosts,
            members::{draft, offered_fix, place_words, problem_at, problems, with_fix},
            revision_bump::{offer_words, proposal},
        },
        state::{
            members::{Choice, Extra},
            model::Model,
            prompt::Ask,
        },
        widgets::{layout::Page, theme::Tone},
    },
};

/// The most columns that a cell takes in the table.
const WIDEST: usize = 40;

pub(crate) fn draw(model: &Model, page: &mut Page<'_>) {
    let draft = draft(model);
    let problems = problems(&draft);
    intro(model, &draft, &problems, page);
    // what is below the table is measured first: the table scrolls, the rest does not
    let mut below = Vec::new();
    for problem in problems.iter().filter(|p| p.row.is_none() && p.severity == Severity::Error) {
        // Of the whole only the token's IDs can be overridden, on Review.
        let (key, most) = if problem.lift.is_some() { ("; g makes one", 3) } else { ("", 2) };
        below.extend(page.flow(
            " ✖ ",
            &join::sentence(&format!("{}{key}", remedies::problem(problem))),
            Tone::Bad,
            most,
        ));
    }
    let warnings = problems.iter().filter(|p| p.row.is_none() && p.severity == Severity::Warning).count();
    if warnings > 0 {
        let words = if warnings == 1 { "1 warning".to_string() } else { format!("{warnings} warnings") };
        below.extend(page.flow(" ! ", &format!("{words} about the plan: see Review."), Tone::Warn, 1));
    }
    below.extend(waits(&draft, &problems, page));
    let offer = offered(model, &draft, page);
    let choices = &model.members.choices;
    let selected = model.members.at.checked_sub(draft.rows.len());
    let table = table_lines(model, &draft, &problems, page);
    // headings, a gap, the IDs
    let others = table.lines.len() + 3 + below.len() + offer.len();
    let seen = seen_choices(choices.len(), selected, page.left().saturating_sub(others));
    let hidden = choices.len() - seen.len();
    let fixed = seen.len() + usize::from(hidden > 0) + 1 + below.len() + offer.len();
    let spare = page.left().saturating_sub(fixed + 1 + table.lines.len());
    if spare > 6 {
        page.gap();
    }
    let most = page.left().saturating_sub(fixed + 2).max(2);
    if page.is_plain() && !draft.rows.is_empty() {
        plain::rows(model, &draft, &problems, page);
    } else {
        page.line(table.head);
        page.list(table.lines, table.focus, most);
    }
    if page.left() > fixed {
        page.gap();
    }
    for choice in choices.iter().skip(seen.start).take(seen.len()) {
        option(model, &draft, *choice, page);
        if *choice == Choice::Bump {
            for line in &offer {
                page.line(line.clone());
            }
        }
    }
    if hidden > 0 {
        page.say(&format!("   ↕ {hidden} more {}", plural(hidden, "option", "options")), Tone::Strong);
    }
    ids(&draft, page);
    for line in below {
        page.line(line);
    }
}

/// Which lines below the table are seen: all where there is room, else as many as fit and three at least, the selected
/// one among them.
fn seen_choices(count: usize, selected: Option<usize>, room: usize) -> std::ops::Range<usize> {
    let most = if room >= count { count } else { room.saturating_sub(1).clamp(3.min(count), count) };
    let from = selected.map_or(0, |at| (at + 1).saturating_sub(most)).min(count - most);
    from..from + most
}

fn mark(problem: &Problem) -> (&'static str, Tone) {
    match problem.severity {
        Severity::Error => ("✖", Tone::Bad),
        Severity::Warning => ("!", Tone::Warn),
    }
}

fn intro(model: &Model, draft: &Draft, problems: &[Problem], page: &mut Page<'_>) {
    let has = |o: Origin| {
        draft.rows.iter().any(|r| Column::ALL.iter().any(|c| r.cell(*c).origin == o && !r.text(*c).is_empty()))
    };
    let known: Vec<&str> = [
        (Origin::Snapshot, "the snapshot (s)"),
        (Origin::Answer, "the survivors' answers (a)"),
        (Origin::Config, "configurations found (c)"),
        (Origin::Inventory, "the inventory (i)"),
        (Origin::Proposed, "proposals (p)"),
    ]
    .into_iter()
    .filter(|(o, _)| has(*o))
    .map(|(_, words)| words)
    .collect();
    let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
    // what the look at the hosts found is a problem, too
    let unready = model.hosts.looks.iter().filter(|look| !look.ready()).count();
    let found = match errors {
        0 if unready > 0 => format!("{unready} {} not ready.", plural(unready, "host is", "hosts are")),
        0 => "No problems.".to_string(),
        1 => "1 problem.".to_string(),
        n => format!("{n} problems."),
    };
    let filled = if known.is_empty() {
        "One row for each member of the new cluster.".into()
    } else {
        format!("Filled from {}.", known.join(", "))
    };
    let disputed = draft.rows.iter().flat_map(|r| Column::ALL.map(|c| r.cell(c))).filter(|c| c.disputed()).count();
    let differ = match disputed {
        0 => String::new(),
        1 => " Sources differ in 1 cell (≠).".into(),
        n => format!(" Sources differ in {n} cells (≠)."),
    };
    page.sentence(" ", &format!("{filled}{differ} {found}"), Tone::Strong, 2);
    for note in &model.members.notes {
        page.sentence(" ! ", &join::sentence(note), Tone::Warn, 2);
    }
}

fn letter(origin: Origin) -> &'static str {
    match origin {
        Origin::Typed => " ",
        Origin::Snapshot => "s",
        Origin::Answer => "a",
        Origin::Config => "c",
        Origin::Inventory => "i",
        Origin::Proposed => "p",
    }
}

/// Which columns besides the names, which are always seen: a run of them with the selected one in it.
fn window(widths: &[usize], selected: usize, room: usize) -> std::ops::Range<usize> {
    let selected = selected.max(1);
    let mut from = 1;
    let wide = |from: usize, to: usize| widths.iter().take(to).skip(from).map(|w| w + 3).sum::<usize>();
    while from < selected && wide(from, selected + 1) > room {
        from += 1;
    }
    let mut to = selected + 1;
    while to < widths.len() && wide(from, to + 1) <= room {
        to += 1;
    }
    from..to
}

/// The table as lines: its headings, the rows with what is below each, and which lines are of the selected row.
struct Table {
    head: Vec<Span<'static>>,
    lines: Lines,
    focus: std::ops::Range<usize>,
}

fn table_lines(model: &Model, draft: &Draft, problems: &[Problem], page: &Page<'_>) -> Table {
    let state = &model.members;
    let widths: Vec<usize> = Column::ALL
        .iter()
        .map(|c| {
            let most = draft.rows.iter().map(|r| columns::width(r.text(*c))).max().unwrap_or(0);
            most.max(columns::width(c.heading())).min(WIDEST)
        })
        .collect();
    let on_row = state.at < state.rows.len();
    let names = widths.first().copied().unwrap_or(0) + 3;
    let room = page.width().saturating_sub(4 + names);
    let seen = window(&widths, if on_row { state.column } else { 0 }, room);
    let shown = || {
        let all = Column::ALL.iter().enumerate();
        all.filter(|(i, _)| *i == 0 || seen.contains(i))
    };
    let mut head = vec![page.span("  ", Tone::Strong)];
    for (i, column) in shown() {
        let wide = widths.get(i).copied().unwrap_or(0);
        let heading =
            if i == seen.start && i > 1 { format!("← {}", column.heading()) } else { column.heading().into() };
        head.push(page.span(format!("{}   ", columns::pad(&heading, wide, columns::Align::Left)), Tone::Faint));
    }
    head.push(page.span(if seen.end < Column::ALL.len() { "→ more" } else { " " }, Tone::Strong));
    let mut lines: Lines = Vec::new();
    let mut focus = 0..1;
    let kept = filter::seen(model);
    for (at, row) in draft.rows.iter().enumerate().filter(|(at, _)| kept.contains(at)) {
        let here = at == state.at;
        let start = lines.len();
        let mut line = vec![page.span(if here { "▸ " } else { "  " }, Tone::Strong)];
        for (i, column) in shown() {
            let cell = row.cell(*column);
            let wide = widths.get(i).copied().unwrap_or(0);
            let words = if cell.text.is_empty() { "–" } else { &cell.text };
            let problem = problem_at(problems, at, *column);
            let tone = match problem.map(|p| p.severity) {
                _ if here && i == state.column => Tone::Chosen,
                Some(Severity::Error) => Tone::Bad,
                Some(Severity::Warning) => Tone::Warn,
                None if cell.text.is_empty() => Tone::Faint,
                None => Tone::Plain,
            };
            let words = columns::fit_middle(words, wide);
            line.push(page.span(columns::pad(&words, wide, columns::Align::Left), tone));
            let differs = cell.disputed();
            let (mark, tone) = if differs { ("≠", Tone::Warn) } else { (" ", Tone::Faint) };
            line.push(page.span(format!("{mark}{} ", letter(cell.origin)), tone));
        }
        lines.push(line);
        let (errors, others) = under(model, problems, at, page);
        lines.extend(errors);
        lines.extend(choices(model, row, at, page));
        lines.extend(host(model, row, at, page));
        lines.extend(others);
        if here {
            focus = start..lines.len();
        }
    }
    if lines.is_empty() {
        let words = match draft.rows.is_empty() {
            true => "The table is empty. + adds a member, p takes an --initial-cluster value.",
            false => "No member contains the filter's text. Esc shows all.",
        };
        lines = page.flow("   ", words, Tone::Plain, 2);
    }
    Table { head, lines, focus }
}

/// What the sources say of the selected cell, side by side, where they say different things.
fn choices(model: &Model, row: &Row, at: usize, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let state = &model.members;
    let cell = row.cell(state.column());
    let Some(other) = cell.other().filter(|_| at == state.at && model.prompt.is_none()) else { return Vec::new() };
    let heading = state.column().heading();
    if !cell.disputed() {
        let words = format!("{heading}: {} of {}; o takes it", other.text, other.from);
        return page.flow("     ≠ ", &words, Tone::Plain, 2);
    }
    let each: Vec<String> = cell
        .choices()
        .iter()
        .map(|(choice, from)| {
            let mark = if choice.text == cell.text { "▸ " } else { "" };
            format!("{mark}{} ({})", choice.text, from.join(", "))
        })
        .collect();
    page.flow("     ≠ ", &format!("{heading}: {}; o takes the next", each.join(" or ")), Tone::Warn, 4)
}

/// What was seen of a row's host: in full for the selected row, and wherever something is wrong with it.
fn host(model: &Model, row: &Row, at: usize, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let state = &model.hosts;
    let (Some(plan), Some(look)) = (&state.plan, state.of_row(at, row)) else {
        return match state.asking() {
            true => page.flow("     … ", "checking its host", Tone::Faint, 1),
            false => Vec::new(),
        };
    };
    let (mark, tone, words) = hosts::row_words(plan, look, at, model.now());
    let most = if at == model.members.at || mark == "✖" { 3 } else { 1 };
    page.flow(&format!("     {mark} "), &format!("{}: {words}", look.host), tone, most)
}

/// Everything known about the selected row's host.
pub(crate) fn details(model: &Model) -> (String, Vec<String>) {
    let at = model.members.at;
    let look = model.members.rows.get(at).and_then(|row| model.hosts.of_row(at, row));
    let lines = match (&model.hosts.plan, look) {
        (Some(plan), Some(look)) => hosts::lines(plan, look, model.now()),
        _ => Vec::new(),
    };
    ("The host, as checked".into(), lines)
}

type Lines = Vec<Vec<Span<'static>>>;

/// A row's problems, in the lines below it: all of the selected row, only the errors of others.
/// Errors of the selected cell come apart from the rest.
fn under(model: &Model, problems: &[Problem], at: usize, page: &Page<'_>) -> (Lines, Lines) {
    let state = &model.members;
    let typing = model.prompt.as_ref().is_some_and(|p| matches!(p.ask, Ask::Cell(..)));
    let mut here: Vec<&Problem> = problems
        .iter()
        .filter(|p| p.row == Some(at) && (p.severity == Severity::Error || (at == state.at && !typing)))
        .collect();
    // the selected cell's own first, errors before warnings
    here.sort_by_key(|p| (p.column != Some(state.column()), std::cmp::Reverse(p.severity)));
    let fix = offered_fix(model, problems);
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for problem in here {
        let (glyph, tone) = mark(problem);
        let about = problem.column.map_or_else(String::new, |c| format!("{}: ", c.heading()));
        let selected = at == state.at && problem.column == Some(state.column());
        let offered = at == state.at
            && fix.as_ref().is_some_and(|(c, f)| Some(*c) == problem.column && Some(f) == problem.fix.as_ref());
        let take = match offered {
            true if typing => "  ↓ takes it",
            true => "  x takes it",
            false => "",
        };
        // The rows' hosts shall be visible together.
        let most = if selected || problem.severity == Severity::Error || model.hosts.looks.is_empty() { 3 } else { 1 };
        let lines = page.flow(&format!("     {glyph} "), &format!("{about}{}{take}", with_fix(problem)), tone, most);
        let to = if selected && problem.severity == Severity::Error { &mut first } else { &mut rest };
        to.extend(lines);
    }
    (first, rest)
}

/// The proposed bump and its reasons, below its line while that is selected.
fn offered(model: &Model, draft: &Draft, page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    if model.members.choice() != Some(Choice::Bump) || model.prompt.is_some() {
        return Vec::new();
    }
    offer_words(model, draft.bump_revision).iter().flat_map(|words| page.flow("     ", words, Tone::Plain, 6)).collect()
}

fn option(model: &Model, draft: &Draft, choice: Choice, page: &mut Page<'_>) {
    let (name, value, about) = match choice {
        Choice::Token => ("token", draft.token.clone(), "new for this attempt"),
        Choice::Target => (
            "etcd version",
            draft.target.map_or_else(|| "not set".to_string(), |t| t.to_string()),
            if draft.target.is_some() { "writes its format" } else { "3.5 format, which 3.4–3.7 can start from" },
        ),
        Choice::Bump => (
            "bump revision",
            number::signed(draft.bump_revision),
            match proposal(model).is_some_and(|p| p.revisions > 0 && draft.bump_revision == 0) {
                true => "revisions skipped; a bump is suggested: press x",
                false => "revisions skipped",
            },
        ),
        Choice::Compacted => (
            "mark compacted",
            if draft.mark_compacted { "yes" } else { "no" }.to_string(),
            "yes makes watchers list again",
        ),
        Choice::Learners => {
            let names: Vec<String> =
                model.members.learners.iter().map(|row| row.text(Column::Name).to_string()).collect();
            let kept = if model.members.keeps_learners() { "kept" } else { "left out" };
            ("learners", format!("{}: {kept}", all(&names)), "kept, they become voters like the others")
        }
        Choice::Extra(extra) => {
            let (name, about) = match extra {
                Extra::Alarms => ("clear alarms", "of members that are gone; they block writes"),
                Extra::Downgrade => ("end downgrade", "the one in progress in the snapshot"),
                Extra::Auth => ("disable auth", "where root's password is lost; users and roles stay"),
                Extra::Versions => ("set versions", "storage and cluster version of the etcd named above"),
                Extra::Compact => ("compact", "write live pages only, renumbered"),
            };
            (name, if *extra.of(&mut draft.options.clone()) { "yes" } else { "no" }.to_string(), about)
        }
    };
    let chosen = model.members.choice() == Some(choice);
    let line = vec![
        page.span(if chosen { "▸ " } else { "  " }, Tone::Strong),
        page.span(columns::pad(name, 16, columns::Align::Left), Tone::Faint),
        page.span(value, if chosen { Tone::Chosen } else { Tone::Plain }),
        page.span(format!("  ({about})"), Tone::Faint),
    ];
    page.line(line);
}

fn ids(draft: &Draft, page: &mut Page<'_>) {
    let (ids, cluster) = table::ids(&draft.rows, &draft.token);
    let each: Vec<String> = draft
        .rows
        .iter()
        .zip(&ids)
        .map(|(row, id)| {
            let id = id.map_or_else(|| "–".to_string(), |id| short(&id.to_string()));
            format!("{} {id}", row.text(Column::Name))
        })
        .collect();
    let cluster = cluster.map_or_else(|| "–".to_string(), |c| short(&c.to_string()));
    let words = format!("{}  cluster {cluster}", each.join("  "));
    let line = vec![
        page.span("  ", Tone::Plain),
        page.span(columns::pad("new IDs", 16, columns::Align::Left), Tone::Faint),
        page.span(columns::fit(&words, page.width().saturating_sub(18)), Tone::Plain),
    ];
    page.line(line);
}

fn short(id: &str) -> String {
    match (id.get(..4), id.get(id.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if id.len() > 9 => format!("{head}…{tail}"),
        _ => id.to_string(),
    }
}

/// What Next waits for, or that it does not.
fn waits(draft: &Draft, problems: &[Problem], page: &Page<'_>) -> Vec<Vec<Span<'static>>> {
    let waits: Vec<String> = problems.iter().filter(|p| p.is_final()).map(|p| place_words(draft, p)).collect();
    let members = draft.rows.len();
    if waits.is_empty() {
        let words = format!(
            "{members} {}, {} needed for quorum. Press n for Review.",
            plural(members, "member", "members"),
            members / 2 + 1
        );
        page.flow(" ✔ ", &words, Tone::Good, 2)
    } else {
        page.flow(" ", &join::sentence(&format!("Next waits for: {}", waits.join("; "))), Tone::Strong, 2)
    }
}
