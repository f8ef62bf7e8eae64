//! How Review is drawn: what is in the way, what is done in order, and what is to be typed.

mod plan_steps;

use ratatui::{buffer::Buffer, layout::Rect, text::Span};

use crate::{
    domain::{
        members::table::Problem,
        model::plan::Plan,
        preflight::blockers::{self, Blocker},
    },
    system::journal,
    text::{Shown, join, number::plural},
    tui::widgets::remedies,
    tui::{
        keymap::is_key,
        selectors::{
            filter, hosts as hosts_view,
            review::{CONSENT, Gate, begun, command_key, gate, wanted},
        },
        state::{
            key::Place,
            model::{Focus, Model},
            review::{Fences, Group},
        },
        widgets::{layout::Page, theme::Tone},
    },
};

impl Fences {
    /// Lines for the screen: mark, sentence, tone; `again` is the key that asks again.
    fn lines(&self, again: &str) -> Vec<(&'static str, String, Tone)> {
        if self.asking.is_some() {
            return vec![(" … ", "Asking whether anything of the old cluster still answers.".into(), Tone::Plain)];
        }
        let again = format!("{again} asks again");
        let lift = |fence: &Blocker| remedies::advised(&fence.lift.words(&again), fence.lift.remedies());
        let line = |fence: &Blocker| {
            let what = join::sentence(&fence.sentence());
            match (&fence.typed, fence.blocks(&self.overridden)) {
                (_, true) => (" ✖ ", format!("{what} {}", lift(fence)), Tone::Bad),
                (Some(_), false) => (" ! ", format!("Overridden: {what}"), Tone::Warn),
                (None, _) => (" ! ", format!("{what} {}", lift(fence)), Tone::Warn),
            }
        };
        self.found.iter().map(line).collect()
    }

    /// What was asked, where nothing of it is in the way.
    fn summary(&self) -> Option<String> {
        (self.asking.is_none() && !self.seen.doors.is_empty() && self.in_the_way().is_none())
            .then(|| join::sentence(&blockers::summary(&self.seen, &self.found, &self.overridden)))
    }
}

/// How the field that is asked for is opened.
fn opens_field(model: &Model) -> String {
    let first = wanted(model).and_then(|text| text.chars().next());
    // in the text Enter opens and folds; n and the button below open the field as well
    let enter = if model.focus == Focus::Body { "n" } else { "Enter" };
    match first {
        None => format!("{enter} shows what to do first."),
        Some(first) if is_key(Place::Review, first) => {
            format!("Its first letter or {enter} opens the field (the command {first} is Alt-{first} here).")
        }
        Some(_) => format!("Its first letter or {enter} opens the field."),
    }
}

/// What is to be typed, and what it does.
fn asks(model: &Model, plan: &Plan) -> String {
    if model.options.look_only {
        return "This is what would be done. requorum was started with --look, so it ends here.".into();
    }
    let opens = opens_field(model);
    match gate(model) {
        Gate::Consent(_) => format!(
            "Type {CONSENT} to agree that the commands above are run just before the install. {opens} The label comes \
             next."
        ),
        Gate::Override(typed, _) => {
            format!("To override the blocker, type {typed}. {opens} The label comes next.")
        }
        _ => format!("Nothing is changed until you type the cluster label, {}, here. {opens}", plan.label),
    }
}

/// All hosts as they were seen.
pub(in crate::tui) fn details(model: &Model) -> (String, Vec<String>) {
    let lines = model.hosts.plan.as_ref().map_or_else(Vec::new, |plan| {
        let each = model.hosts.looks.iter().map(|look| hosts_view::lines(plan, look, model.now()));
        each.collect::<Vec<_>>().join(&String::new())
    });
    ("The hosts, as checked".into(), lines)
}

/// One sentence of the review, or the heading of a group of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tui) struct Line {
    /// The group.
    pub group: Group,
    /// True for the group's heading.
    pub head: bool,
    /// What is before it.
    pub mark: String,
    /// The sentence.
    pub words: String,
    /// How it looks.
    pub tone: Tone,
}

/// What the review says, in groups: what is in the way, what is moved or stopped, what is worth a look, all steps, the
/// rest. Folded groups show their heading only; a filter looks into them.
pub(in crate::tui) fn lines(model: &Model, plan: &Plan) -> Vec<Line> {
    let filter = filter::text(model);
    let mut out = Vec::new();
    for (group, heading, tone, sentences) in groups(model, plan) {
        let kept: Vec<_> =
            sentences.into_iter().filter(|(_, words, _)| filter::keeps(filter.as_deref(), [words.as_str()])).collect();
        if kept.is_empty() {
            continue;
        }
        // as lines nothing is folded
        let open = model.look.plain || model.review.is_open(group) || filter.is_some();
        let mark = if open { "[-] " } else { "[+] " };
        out.push(Line { group, head: true, mark: mark.into(), words: heading, tone });
        let line = |(mark, words, tone)| Line { group, head: false, mark, words, tone };
        out.extend(kept.into_iter().filter(|_| open).map(line));
    }
    out
}

/// A group with its heading, its tone, and its sentences with their marks and tones.
type Grouped = (Group, String, Tone, Vec<(String, String, Tone)>);

fn groups(model: &Model, plan: &Plan) -> Vec<Grouped> {
    let mut found: Vec<(String, String, Tone)> = Vec::new();
    if !begun(model) {
        found.extend(plan_steps::of_hosts(model).into_iter().map(|(mark, words, tone)| (mark.into(), words, tone)));
        // What was found before the hosts are checked again counts no longer.
        let fences =
            if model.hosts.asking() { Vec::new() } else { model.review.fences.lines(&command_key(model, 'r')) };
        found.extend(fences.into_iter().map(|(mark, words, tone)| (mark.into(), words, tone)));
    }
    let (blocks, mut warn): (Vec<_>, Vec<_>) = found.into_iter().partition(|(.., tone)| *tone != Tone::Warn);
    // What is a blocker already, with its override, is not repeated.
    let fenced = |p: &&Problem| p.lift.is_some() && model.review.fences.found.iter().any(|f| f.typed == p.lift);
    let open: Vec<Problem> = model.review.warnings.iter().filter(|p| !fenced(p)).cloned().collect();
    warn.extend(warnings(plan, &open).into_iter().map(|words| (" ! ".into(), words, Tone::Warn)));
    let plain = |words: String| ("  • ".to_string(), words, Tone::Plain);
    let moves: Vec<_> = plan_steps::moves(model, plan).into_iter().map(plain).collect();
    let steps = plan_steps::course(model, plan).into_iter().enumerate();
    let steps: Vec<_> = steps.map(|(at, words)| (format!("{:>3}  ", at + 1), words, Tone::Plain)).collect();
    let mut rest: Vec<_> = plan_steps::rest().map(plain).into();
    if !model.options.journals.as_os_str().is_empty() {
        let path = journal::of_plan(&model.options.journals, plan);
        let words = format!("Decisions, actions and observations are recorded in the journal {}", path.shown());
        rest.push(plain(words));
    }
    let asked = blocks.iter().filter(|(.., tone)| *tone == Tone::Bad).count();
    let blocks_words = match asked {
        0 => "Being checked".to_string(),
        count => format!("In the way: {count}"),
    };
    let blocks_tone = if asked == 0 { Tone::Plain } else { Tone::Bad };
    let count = |count: usize, one: &str, many: &str| format!("{count} {}", plural(count, one, many));
    let (warned, stepped) = (count(warn.len(), "warning", "warnings"), count(steps.len(), "step", "steps"));
    vec![
        (Group::Blocks, blocks_words, blocks_tone, blocks),
        (Group::Moves, "What is moved aside or stopped".into(), Tone::Strong, moves),
        (Group::Warnings, warned, Tone::Warn, warn),
        (Group::Steps, format!("What it does, in order: {stepped}"), Tone::Strong, steps),
        (Group::Rest, "What stays untouched, how to roll back".into(), Tone::Strong, rest),
    ]
}

/// The sentences as they are wrapped on a page, and where each of them begins.
fn flowed(model: &Model, lines: &[Line], page: &Page<'_>) -> (Vec<Vec<Span<'static>>>, Vec<usize>) {
    let in_body = model.focus == Focus::Body && model.prompt.is_none();
    let (mut shown, mut starts) = (Vec::new(), Vec::new());
    for (at, line) in lines.iter().enumerate() {
        let here = in_body && at == model.review.at;
        starts.push(shown.len());
        let cursor = if here { "▸" } else { " " };
        let mark = if line.head { format!("{cursor}{}", line.mark) } else { format!("{cursor}  {}", line.mark) };
        shown.extend(page.flow(&mark, &line.words, line.tone, usize::MAX));
    }
    (shown, starts)
}

/// Where the selection lands a page further: as many lines of the screen as are seen, less what shows that nothing was
/// left out.
pub(in crate::tui) fn paged(model: &Model, plan: &Plan, down: bool) -> usize {
    let (columns, rows) = (model.size.0.clamp(20, 140), model.size.1);
    let mut scratch = Buffer::empty(Rect::new(0, 0, columns, 1));
    let page = Page::new(&mut scratch, Rect::new(0, 0, columns, 1), model.look);
    let (_, starts) = flowed(model, &lines(model, plan), &page);
    // the header, the heading, what is asked for and the keys
    let step = usize::from(rows).saturating_sub(14).max(1);
    let at = model.review.at.min(starts.len().saturating_sub(1));
    let from = starts.get(at).copied().unwrap_or(0);
    match down {
        true => {
            let to = starts.iter().rposition(|start| *start <= from + step).unwrap_or(at);
            to.max((at + 1).min(starts.len().saturating_sub(1)))
        }
        false => {
            let to = starts.iter().position(|start| start + step >= from).unwrap_or(0);
            to.min(at.saturating_sub(1))
        }
    }
}

/// Draws the step.
pub(in crate::tui) fn draw(model: &Model, page: &mut Page<'_>) {
    let Some(plan) = &model.review.plan else {
        page.say(" ✖ There is no plan yet.", Tone::Bad);
        for problem in &model.review.warnings {
            page.sentence("   ", &remedies::problem(problem), Tone::Plain, 2);
        }
        return;
    };
    let members = plan.members.len();
    let opening = match (begun(model), model.review.pinned) {
        (true, _) => format!("Plan {} was started. Press n for Restore.", plan.short_id()),
        (false, true) => format!(
            "Plan {} was started by an earlier run and is resumed as recorded. Read it through.",
            plan.short_id()
        ),
        (false, false) => format!(
            "Plan {}: {members} {}; no data directory is written yet. ⏎ opens a [+].",
            plan.short_id(),
            plural(members, "member", "members")
        ),
    };
    page.sentence(" ", &opening, Tone::Strong, 2);
    page.gap();
    let asked = (!begun(model)).then(|| {
        let asked = model.review.fences.summary().filter(|_| !model.hosts.asking());
        let asked = asked.map(|words| format!("{words} ")).unwrap_or_default();
        page.flow(" ", &format!("{asked}{}", asks(model, plan)), Tone::Strong, 4)
    });
    let asked = asked.unwrap_or_default();
    let lines = lines(model, plan);
    let (shown, starts) = flowed(model, &lines, page);
    let at = model.review.at.min(starts.len().saturating_sub(1));
    let from = starts.get(at).copied().unwrap_or(0);
    let upto = starts.get(at + 1).copied().unwrap_or(shown.len()).max(from + 1);
    let most = page.left().saturating_sub(asked.len() + 1);
    // all of the selected sentence, or as much of its beginning as there is room for
    page.list(shown, from..upto.min(from + most.saturating_sub(2).max(1)), most);
    if page.left() > asked.len() {
        page.gap();
    }
    for line in asked {
        page.line(line);
    }
}

/// The warnings in words, those that several members share only once.
fn warnings(plan: &Plan, problems: &[Problem]) -> Vec<String> {
    let mut shared: Vec<(String, Vec<&str>)> = Vec::new();
    for problem in problems {
        let name = problem.row.and_then(|r| plan.members.get(r)).map(|m| m.name.as_str());
        let words = remedies::problem(problem);
        match shared.iter_mut().find(|(text, _)| *text == words) {
            Some((_, names)) => names.extend(name),
            None => shared.push((words, name.into_iter().collect())),
        }
    }
    shared
        .into_iter()
        .map(|(text, mut names)| {
            names.dedup();
            let who = if names.is_empty() { String::new() } else { format!("{}: ", names.join(", ")) };
            join::sentence(&format!("{who}{text}"))
        })
        .collect()
}
