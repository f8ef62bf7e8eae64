//! How Review is drawn: what is in the way, what is done in order, and what is to be typed.

mod plan_steps;

use crate::{
    domain::{
        members::table::Problem,
        model::plan::Plan,
        preflight::blockers::{self, Blocker},
    },
    system::journal,
    text::{Shown, join},
    tui::widgets::remedies,
    tui::{
        keymap::is_key,
        selectors::{
            hosts as hosts_view,
            review::{CONSENT, Gate, begun, command_key, gate, wanted},
        },
        state::{key::Place, model::Model, review::Fences},
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
    match first {
        None => "Enter shows what to do first.".into(),
        Some(first) if is_key(Place::Review, first) => {
            format!("Its first letter or Enter opens the field (the command {first} is Alt-{first} here).")
        }
        Some(_) => "Its first letter or Enter opens the field.".into(),
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

/// One line of the review: its mark, its words, its tone, and how many lines of the screen it may take.
pub(in crate::tui) type PageLine = (String, String, Tone, usize);

/// What the review says, from top to bottom; what is in the way first.
pub(in crate::tui) fn lines(model: &Model, plan: &Plan) -> Vec<PageLine> {
    let mut out: Vec<PageLine> = Vec::new();
    if !begun(model) {
        out.extend(plan_steps::of_hosts(model).into_iter().map(|(mark, words, tone)| (mark.into(), words, tone, 4)));
        // What was found before the hosts are checked again counts no longer.
        let fences =
            if model.hosts.asking() { Vec::new() } else { model.review.fences.lines(&command_key(model, 'r')) };
        out.extend(fences.into_iter().map(|(mark, words, tone)| (mark.into(), words, tone, 8)));
    }
    // What is a blocker already, with its override, is not repeated.
    let fenced = |p: &&Problem| p.lift.is_some() && model.review.fences.found.iter().any(|f| f.typed == p.lift);
    let open: Vec<Problem> = model.review.warnings.iter().filter(|p| !fenced(p)).cloned().collect();
    out.extend(warnings(plan, &open).into_iter().map(|words| (" ! ".into(), words, Tone::Warn, 4)));
    if !out.is_empty() {
        out.push((String::new(), String::new(), Tone::Plain, 1));
    }
    out.push((" ".into(), "What it does, in order:".into(), Tone::Strong, 1));
    for (at, words) in plan_steps::course(model, plan).into_iter().enumerate() {
        out.push((format!("{:>3}  ", at + 1), words, Tone::Plain, 6));
    }
    if !model.options.journals.as_os_str().is_empty() {
        let path = journal::of_plan(&model.options.journals, plan);
        let words = format!("Decisions, actions and observations are recorded in the journal {}", path.shown());
        out.push(("  •  ".into(), words, Tone::Plain, 4));
    }
    out
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
        (false, false) => {
            format!("Plan {} restores {members} members. Read it through: nothing is written yet.", plan.short_id())
        }
    };
    page.sentence(" ", &opening, Tone::Strong, 2);
    page.gap();
    let mut shown = Vec::new();
    let mut starts = Vec::new();
    for (mark, words, tone, most) in lines(model, plan) {
        starts.push(shown.len());
        shown.extend(page.flow(&mark, &words, tone, most));
    }
    let focus = match model.review.at {
        // the last wish is the end of the last sentence
        at if at + 1 >= starts.len() => shown.len().saturating_sub(1),
        at => starts.get(at).copied().unwrap_or(0),
    };
    let focus = if model.review.at == 0 { 0 } else { focus };
    let most = page.left().saturating_sub(4);
    page.list(shown, focus..focus + 1, most);
    page.gap();
    if !begun(model) {
        let asked = model.review.fences.summary().filter(|_| !model.hosts.asking());
        let asked = asked.map(|words| format!("{words} ")).unwrap_or_default();
        let words = format!("{asked}{}", asks(model, plan));
        page.sentence(" ", &words, Tone::Strong, 3);
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
