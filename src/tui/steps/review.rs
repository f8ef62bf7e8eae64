//! Review: exactly what will happen, in order, and what stays untouched. From here the restore is
//! begun, by typing the label.

use std::path::PathBuf;

use crate::{
    domain::{
        members::{build_plan, table::Problem},
        model::{plan::Plan, plan_yaml},
    },
    tui::{
        keymap::moved,
        selectors::{members::draft, review::begun, revision_bump::too_small, snapshot::loss_warning},
        state::{
            key::Action,
            messages::Effect,
            model::{Model, Overlay},
            prompt::Ask,
            restore,
            review::{Fences, Group, State},
            step::Step,
        },
        steps::{blockers::open, hosts},
        views::review::{lines, paged},
        widgets::theme::Tone,
    },
};

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
            // what is lost comes first
            let loss = loss_warning(model).map(|text| Problem::warning(None, None, text));
            model.review.warnings = loss.into_iter().chain(built.warnings).collect();
            model.review.warnings.extend(used_token(model, &built.plan));
            model.review.warnings.extend(too_small(model).map(|text| Problem::warning(None, None, text)));
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
    model.restore = restore::State::default();
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
    model.with_keys(&[Action::Unfinished]);
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

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => {
            let line = model.review.plan.as_ref().and_then(|plan| lines(model, plan).get(model.review.at).cloned());
            match line {
                Some(line) => fold(model, line.group),
                None => return next(model),
            }
        }
        Action::PageUp | Action::PageDown => {
            let to = model.review.plan.as_ref().map(|plan| paged(model, plan, action == Action::PageDown));
            model.review.at = to.unwrap_or(0);
        }
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

/// Opens or folds a group; its heading is selected then.
fn fold(model: &mut Model, group: Group) {
    model.review.turn(group);
    if let Some(plan) = &model.review.plan {
        let head = lines(model, plan).iter().position(|line| line.head && line.group == group);
        model.review.at = head.unwrap_or(0);
    }
}

pub(in crate::tui) fn write(model: &mut Model, path: PathBuf) -> Result<Vec<Effect>, String> {
    let Some(plan) = &model.review.plan else { return Err("There is no plan to save.".into()) };
    let yaml = plan_yaml::to_yaml(plan);
    let id = model.id();
    model.review.writing = Some(id);
    Ok(vec![Effect::Write { id, path, text: yaml }])
}
