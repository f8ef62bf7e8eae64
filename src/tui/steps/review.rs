//! Review: exactly what will happen, in order, and what stays untouched. From here the restore is
//! begun, by typing the label.

mod fencing;

use std::path::PathBuf;

pub use self::fencing::Fences;
pub(super) use self::fencing::orders;
pub(in crate::tui) use self::fencing::{ask, fenced, lift};
use super::{
    super::{
        app::{Effect, Model, moved},
        keys::Action,
        page::Page,
        prompt::Ask,
        text,
        theme::Tone,
    },
    Step,
    members::{self, draft},
};
use crate::{
    plan::{Plan, build, destination, file, table::Problem},
    recovery::journal,
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
    /// What must not live on.
    pub fences: Fences,
}

impl State {
    /// True while old members are being asked.
    pub fn asking(&self) -> bool {
        self.fences.asking.is_some()
    }
}

/// Builds the plan from what was chosen.
pub(super) fn enter(model: &mut Model) -> Vec<Effect> {
    match build::build(&draft(model)) {
        Ok(built) => {
            if model.review.plan.as_ref() != Some(&built.plan) {
                model.review.at = 0;
                model.review.fences = Fences::default();
            }
            model.review.warnings = built.warnings;
            model.review.warnings.extend(used_token(model, &built.plan));
            model.review.warnings.extend(members::unbumped(model).map(|text| Problem::warning(None, None, text)));
            model.review.plan = Some(built.plan);
        }
        Err(problems) => {
            // Members lets nobody through with an error, so this is a second line of defence
            model.review.plan = None;
            model.review.warnings = problems;
        }
    }
    if begun(model) { Vec::new() } else { ask(model) }
}

/// A token of its own for each attempt: members of a begun plan must not meet those of another.
fn used_token(model: &Model, plan: &Plan) -> Option<Problem> {
    let begun = model.restore.plan.as_ref().filter(|b| *b != plan && b.token == plan.token)?;
    Some(Problem::warning(
        None,
        None,
        format!(
            "plan {} was begun with the same token: press g on Members for a new one, or members of both could mix",
            begun.short_id()
        ),
    ))
}

/// True when this very plan was begun already.
fn begun(model: &Model) -> bool {
    model.review.plan.is_some() && model.restore.plan == model.review.plan
}

/// A member of the plan that belongs on another host, and that host.
fn far_member(model: &Model) -> Option<(String, String)> {
    let members = &model.review.plan.as_ref()?.members;
    let far = members.iter().find(|m| !destination::is_local(&m.host))?;
    Some((far.name.clone(), far.host.clone()))
}

pub(super) fn next(model: &mut Model) -> Vec<Effect> {
    if begun(model) {
        model.step = Step::Restore;
    } else if let Some(far) = far_member(model) {
        let words = format!(
            "{} belongs on {}: save the plan with s and run requorum apply; the wizard restores on this machine only.",
            far.0, far.1
        );
        model.say(Tone::Bad, words);
    } else if model.review.plan.is_none() {
        model.say(Tone::Bad, "There is no plan to carry out: Members has problems.");
    } else {
        return fencing::open(model);
    }
    Vec::new()
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => return next(model),
        Action::AskAgain if begun(model) => model.say(Tone::Warn, "This plan was begun; a retry asks by itself."),
        Action::AskAgain => return ask(model),
        Action::SavePlan => match &model.review.plan {
            Some(plan) => {
                let name = format!("plan-{}-{}.yaml", plan.label, plan.short_id());
                let path = model.options.here.join(name);
                model.ask(Ask::PlanFile, path.to_string_lossy());
            }
            None => model.say(Tone::Bad, "There is no plan to save: Members has problems."),
        },
        action => {
            let count = model.review.plan.as_ref().map_or(0, |p| {
                let closing = usize::from(!model.options.journals.as_os_str().is_empty());
                let fences = if begun(model) { 0 } else { model.review.fences.lines().len() };
                build::sentences(p).len() + warnings(p, &model.review.warnings).len() + fences + closing
            });
            model.review.at = moved(model.review.at, action, count);
        }
    }
    Vec::new()
}

pub(in crate::tui) fn write(model: &mut Model, path: PathBuf) -> Result<Vec<Effect>, String> {
    let Some(plan) = &model.review.plan else { return Err("There is no plan to save.".into()) };
    let yaml = file::to_yaml(plan);
    let id = model.id();
    model.review.writing = Some(id);
    Ok(vec![Effect::Write { id, path, text: yaml }])
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
    let opening = if begun(model) {
        format!("Plan {} was begun. n goes on to Restore.", plan.short_id())
    } else {
        format!("Plan {} restores {members} members. Read it through: nothing is written yet.", plan.short_id())
    };
    page.sentence(" ", &opening, Tone::Strong, 2);
    page.gap();
    let mut lines = Vec::new();
    let mut starts = Vec::new();
    if !begun(model) {
        for (mark, words, tone) in model.review.fences.lines() {
            starts.push(lines.len());
            lines.extend(page.flow(mark, &words, tone, 8));
        }
    }
    for words in warnings(plan, &model.review.warnings) {
        starts.push(lines.len());
        lines.extend(page.flow(" ! ", &words, Tone::Warn, 4));
    }
    if !lines.is_empty() {
        lines.push(Vec::new());
    }
    lines.push(vec![page.span(" This is all that it does, in order:", Tone::Strong)]);
    for (i, sentence) in build::sentences(plan).iter().enumerate() {
        starts.push(lines.len());
        lines.extend(page.flow(&format!("{:>3}  ", i + 1), sentence, Tone::Plain, 6));
    }
    if !model.options.journals.as_os_str().is_empty() {
        starts.push(lines.len());
        let path = journal::of_plan(&model.options.journals, plan);
        let words = format!("What is done is written to the journal {}", path.display());
        lines.extend(page.flow("  •  ", &words, Tone::Plain, 4));
    }
    let focus = match model.review.at {
        // the last wish is the end of the last sentence
        at if at + 1 >= starts.len() => lines.len().saturating_sub(1),
        at => starts.get(at).copied().unwrap_or(0),
    };
    let focus = if model.review.at == 0 { 0 } else { focus };
    let most = page.left().saturating_sub(4);
    page.list(lines, focus..focus + 1, most);
    page.gap();
    if !begun(model) {
        let asked = model.review.fences.summary().map(|words| format!("{words} ")).unwrap_or_default();
        let words = format!(
            "{asked}Nothing is written before you type the cluster label, {}, here. Enter opens the field.",
            plan.label
        );
        page.sentence(" ", &words, Tone::Strong, 3);
    }
}

/// The warnings in words, those that several members share said once.
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
            text::sentence(&format!("{who}{text}"))
        })
        .collect()
}
