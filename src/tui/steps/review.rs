//! Review: exactly what will happen, in order, and what stays untouched. From here the restore is
//! begun, by typing the label.

mod blockers;
mod plan_steps;

use std::path::PathBuf;

pub use self::blockers::Fences;
pub(super) use self::blockers::{ask_fences, old, on_blockers, orders};
pub(in crate::tui) use self::{
    blockers::{CONSENT, Gate, consent, consent_words, fenced, gate, lift, lift_for, note_asked, open},
    plan_steps::rehearsal,
};
use super::{
    super::{
        app::{Model, Overlay, moved},
        dialogs::Ask,
        keymap::{Action, Place, is_key},
        messages::Effect,
        widgets::{layout::Page, theme::Tone},
    },
    Step, hosts,
    members::{self, draft},
    snapshot::loss_warning,
};
use crate::tui::views::hosts as hosts_view;
use crate::{
    domain::{
        members::{build_plan, table::Problem},
        model::{plan::Plan, plan_yaml},
        preflight::stop::RunningEtcd,
    },
    system::journal,
    text::{Shown, join},
};

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The plan that is reviewed; the very value that is carried out.
    pub plan: Option<Plan>,
    /// What is worth a look in it.
    pub warnings: Vec<Problem>,
    /// The line that is kept in sight.
    pub at: usize,
    /// The effect that writes the plan.
    pub writing: Option<u64>,
    /// What blocks the restore.
    pub fences: Fences,
    /// The commands that may be run to stop an etcd, each on its host.
    pub consent: Vec<(String, RunningEtcd)>,
    /// True for a plan that an earlier run began: it is resumed as recorded.
    pub pinned: bool,
    /// What was asked to be typed for this plan, besides the label.
    pub asked: Vec<String>,
}

impl State {
    /// True while old members are being asked.
    pub fn asking(&self) -> bool {
        self.fences.asking.is_some()
    }
}

/// Builds the plan from what was chosen.
pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    model.review.pinned = false;
    match build_plan::build(&draft(model)) {
        Ok(built) => {
            if model.review.plan.as_ref() != Some(&built.plan) {
                model.review.at = 0;
                model.review.fences = Fences::default();
                model.review.consent.clear();
                model.review.asked.clear();
            }
            model.review.warnings = built.warnings;
            model.review.warnings.extend(used_token(model, &built.plan));
            model.review.warnings.extend(members::too_small(model).map(|text| Problem::warning(None, None, text)));
            model.review.warnings.extend(loss_warning(model).map(|text| Problem::warning(None, None, text)));
            model.review.plan = Some(built.plan);
        }
        Err(problems) => {
            // Members allows no error through, so this is a second line of defence
            model.review.plan = None;
            model.review.warnings = problems;
        }
    }
    if begun(model) { Vec::new() } else { ask(model) }
}

/// A token of its own for each attempt: members of a begun plan must not meet those of another.
fn used_token(model: &Model, plan: &Plan) -> Option<Problem> {
    // A dry run leaves nothing that could start.
    let left = model.restore.begun() || model.restore.built() || model.restore.placed() > 0;
    let begun = model.restore.plan.as_ref().filter(|b| left && *b != plan && b.token == plan.token)?;
    Some(Problem::warning(
        None,
        None,
        format!(
            "plan {} was started with the same token: press g on Members for a new one, or members of both could mix",
            begun.short_id()
        ),
    ))
}

/// Resumes a plan that an earlier run started.
pub(in crate::tui) fn go_on(model: &mut Model, plan: Plan) -> Vec<Effect> {
    model.label.clone_from(&plan.label);
    model.label_settled = true;
    model.restore = super::restore::State::default();
    model.review = State { warnings: build_plan::verify(&plan), plan: Some(plan), pinned: true, ..State::default() };
    model.step = Step::Review;
    ask(model)
}

/// A plan that an earlier run installed.
pub(super) fn restored(model: &mut Model, plan: Plan) {
    model.label.clone_from(&plan.label);
    model.label_settled = true;
    model.review = State { warnings: build_plan::verify(&plan), plan: Some(plan), pinned: true, ..State::default() };
}

/// Leaves a plan that an earlier run began.
pub(super) fn leave(model: &mut Model) {
    model.review = State::default();
    model.step = Step::Detect;
    model.say(Tone::Plain, "The earlier run is left as it is; u shows it again.");
}

/// True when this very plan was begun already.
fn begun(model: &Model) -> bool {
    model.review.plan.is_some() && model.restore.plan == model.review.plan && model.restore.begun()
}

/// Looks at the hosts, and then asks the old members that must not run any more.
pub(in crate::tui) fn ask(model: &mut Model) -> Vec<Effect> {
    match model.review.plan.clone() {
        Some(plan) => hosts::look(model, plan, false),
        None => Vec::new(),
    }
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    match action {
        Action::Rehearse if model.review.plan.is_none() => Err("There is no plan for a dry run.".into()),
        Action::Rehearse | Action::Closer | Action::AskAgain if begun(model) => {
            Err("This plan was started; n shows its progress.".into())
        }
        Action::Rehearse => model.hosts.in_the_way().map_or(Ok(()), Err),
        Action::Closer if model.hosts.unclear().is_empty() => {
            Err("No etcd that runs on these hosts needs a closer look.".into())
        }
        Action::Details if model.hosts.looks.is_empty() => Err("No host was checked yet.".into()),
        _ => Ok(()),
    }
}

pub(super) fn next(model: &mut Model) -> Vec<Effect> {
    if begun(model) {
        model.step = Step::Restore;
    } else if model.review.plan.is_none() {
        model.say(Tone::Bad, "There is no plan to carry out: Members has problems.");
    } else {
        return open(model);
    }
    Vec::new()
}

/// What is to be typed now: a field that is asked for opens with its first character.
fn wanted(model: &Model) -> Option<String> {
    if model.review.plan.is_none() || begun(model) {
        return None;
    }
    match gate(model) {
        Gate::Label | Gate::Asking(_) => Some(model.label.clone()),
        Gate::Consent(_) => Some(CONSENT.to_string()),
        Gate::Override(typed, _) => Some(typed),
        Gate::Shut(_) => None,
    }
}

/// Whether a character begins what is to be typed now.
pub(in crate::tui) fn begins_answer(model: &Model, letter: char) -> bool {
    wanted(model).is_some_and(|text| text.starts_with(letter))
}

/// Whether a character begins what was asked for before, while it is not known yet whether that is asked for again.
pub(in crate::tui) fn may_begin_answer(model: &Model, letter: char) -> bool {
    matches!(gate(model), Gate::Asking(_))
        && model.review.asked.iter().any(|text| text.starts_with(letter))
        && !begins_answer(model, letter)
}

/// Opens the field that is asked for with its first character.
pub(in crate::tui) fn type_answer(model: &mut Model, letter: char) -> Vec<Effect> {
    model.status = None;
    let effects = open(model);
    if let Some(prompt) = &mut model.prompt {
        prompt.field.paste(&letter.to_string());
        prompt.touched_ms = model.now_ms;
    }
    effects
}

/// The key of a command, where its letter may begin what is to be typed.
pub(in crate::tui) fn command_key(model: &Model, letter: char) -> String {
    if begins_answer(model, letter) { format!("Alt-{letter}") } else { letter.to_string() }
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

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => return next(model),
        Action::AskAgain => return ask(model),
        Action::Closer => {
            let plan = model.review.plan.clone();
            return plan.map_or_else(Vec::new, |plan| hosts::look(model, plan, true));
        }
        Action::Rehearse => model.open(Overlay::Rehearse),
        Action::Details => model.open(Overlay::Details),
        Action::SavePlan => match &model.review.plan {
            Some(plan) => {
                let name = format!("plan-{}-{}.yaml", plan.label, plan.short_id());
                let path = model.options.here.join(name);
                model.ask(Ask::PlanFile, path.to_string_lossy());
            }
            None => model.say(Tone::Bad, "There is no plan to save: Members has problems."),
        },
        action => {
            let count = model.review.plan.as_ref().map_or(0, |plan| lines(model, plan).len());
            model.review.at = moved(model.review.at, action, count);
        }
    }
    Vec::new()
}

pub(in crate::tui) fn write(model: &mut Model, path: PathBuf) -> Result<Vec<Effect>, String> {
    let Some(plan) = &model.review.plan else { return Err("There is no plan to save.".into()) };
    let yaml = plan_yaml::to_yaml(plan);
    let id = model.id();
    model.review.writing = Some(id);
    Ok(vec![Effect::Write { id, path, text: yaml }])
}

/// All hosts as they were seen.
pub(super) fn details(model: &Model) -> (String, Vec<String>) {
    let lines = model.hosts.plan.as_ref().map_or_else(Vec::new, |plan| {
        let each = model.hosts.looks.iter().map(|look| hosts_view::lines(plan, look, model.now()));
        each.collect::<Vec<_>>().join(&String::new())
    });
    ("The hosts, as checked".into(), lines)
}

/// One line of the review: its mark, its words, its tone, and how many lines of the screen it may take.
type PageLine = (String, String, Tone, usize);

/// What the review says, from top to bottom; what is in the way first.
fn lines(model: &Model, plan: &Plan) -> Vec<PageLine> {
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

pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
    let Some(plan) = &model.review.plan else {
        page.say(" ✖ There is no plan yet.", Tone::Bad);
        for problem in &model.review.warnings {
            page.sentence("   ", &problem.text, Tone::Plain, 2);
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
    let mut shared: Vec<(&str, Vec<&str>)> = Vec::new();
    for problem in problems {
        let name = problem.row.and_then(|r| plan.members.get(r)).map(|m| m.name.as_str());
        match shared.iter_mut().find(|(text, _)| *text == problem.text) {
            Some((_, names)) => names.extend(name),
            None => shared.push((&problem.text, name.into_iter().collect())),
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
