//! The header around every step: the cluster, where the wizard acts, what was written, and the steps.

use crate::{
    domain::{model::plan::Plan, verify::VerifyResult},
    execute::executor::Goal,
    text::columns,
    tui::{
        state::{leaving::Leaving, model::Model, restore::RowState, step::Step},
        widgets::{layout::Page, theme::Tone},
    },
};

/// What the wizard acts on, and what it is doing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    /// Real machines, nothing being written.
    Real,
    /// Real machines or those of a practice run, while something is written.
    Writing,
    /// A practice run.
    Practice,
    /// Nothing can be written.
    Looking,
}

impl World {
    fn of(model: &Model) -> World {
        match () {
            () if model.restore.running() => World::Writing,
            () if model.options.look_only => World::Looking,
            () if !model.is_practice() => World::Real,
            () => World::Practice,
        }
    }

    /// The rule below the header, which differs at a glance.
    fn rule(self) -> &'static str {
        match self {
            World::Real => "──",
            World::Writing => "══",
            World::Practice => "─ ",
            World::Looking => "· ",
        }
    }
}

/// What was written so far, in the header's words.
pub(in crate::tui) fn written(model: &Model) -> String {
    match () {
        () if model.options.look_only => "nothing is written".into(),
        () if model.leaving == Leaving::WhenSafe => "STOPPING".into(),
        () if model.restore.running() => match model.restore.until {
            Some(Goal::DryRun) => "DRY RUN".into(),
            Some(Goal::Undone) => "ROLLING BACK".into(),
            _ => "WRITING DATA DIRECTORIES".into(),
        },
        () if model.restore.complete() => "data directories installed".into(),
        () if model.restore.placed() > 0 => "partly installed".into(),
        () if model.restore.until == Some(Goal::Undone) && model.restore.failed.is_none() => "rolled back".into(),
        () if model.restore.built() => "built, nothing installed".into(),
        () if model.snapshot.saving.is_some() => "saving a snapshot".into(),
        // what an earlier run wrote counts, too
        () if model.unfinished.in_place().is_some() => {
            let id = model.unfinished.in_place().map(Plan::short_id).unwrap_or_default();
            format!("plan {id} restored, not verified")
        }
        () if model.unfinished.any() => "an earlier restore is not complete".into(),
        () => match model.written.as_slice() {
            [] => "nothing written yet".into(),
            [(_, what)] => format!("only {what} written"),
            files => format!("only {} files written", files.len()),
        },
    }
}

/// Where it acts, and whether it acts at all: the word that must never be overlooked.
pub(in crate::tui) fn environment(model: &Model) -> &str {
    if model.options.look_only { "LOOK ONLY" } else { &model.environment }
}

/// The same as the header shows it: each is another shape, so that no colour is needed to tell them apart.
fn badge(model: &Model) -> (String, Tone) {
    let words = environment(model);
    match (model.options.look_only, model.is_practice()) {
        (true, _) => (format!("[{words}]"), Tone::Looks),
        (false, true) => (format!("<{words}>"), Tone::Practice),
        (false, false) => (format!(" {words} "), Tone::Chosen),
    }
}

pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
    let tone = if model.restore.running() { Tone::BarLive } else { Tone::Bar };
    let label = if model.label.is_empty() { "not named yet" } else { &model.label };
    let (badge, badge_tone) = badge(model);
    let left = format!(" requorum   cluster {label}");
    let right = format!("  {} ", written(model));
    let room = page.width().saturating_sub(columns::width(&right) + columns::width(&badge) + 1);
    page.line(vec![
        page.span(format!("{} ", columns::pad(&left, room, columns::Align::Left)), tone),
        page.span(badge, badge_tone),
        page.span(right, tone),
    ]);
    stepper(model, page);
    let world = World::of(model);
    let rule: String = world.rule().chars().cycle().take(page.width()).collect();
    page.say(rule.trim_end(), if world == World::Writing { Tone::Strong } else { Tone::Faint });
}

fn stepper(model: &Model, page: &mut Page<'_>) {
    let furthest = furthest(model);
    let failed = |step: Step| match step {
        Step::Restore => {
            model.restore.failed.is_some() || model.restore.rows.iter().any(|r| matches!(r.stand, RowState::Failed(_)))
        }
        Step::Proof => model.proof.proof.as_ref().is_some_and(|proof| proof.verdict == VerifyResult::Failed),
        _ => false,
    };
    // where there is no room for every name, the steps that are not selected are numbers
    let narrow = page.width() < 74;
    let mut line = vec![page.span(" ", Tone::Plain)];
    for step in Step::ALL {
        if step != Step::Detect {
            line.push(page.span("──", Tone::Faint));
        }
        let name = |number: String| if narrow { number } else { format!("{number} {}", step.title()) };
        let number = step.number().to_string();
        let mark = if failed(step) { "✖" } else { "✔" };
        let (words, tone) = match () {
            () if step == model.step => (format!("[{} {}]", step.number(), step.title()), Tone::Chosen),
            () if failed(step) && step <= furthest => {
                (name(if narrow { format!("{mark}{number}") } else { mark.into() }), Tone::Bad)
            }
            () if step < furthest => (name(if narrow { format!("{mark}{number}") } else { mark.into() }), Tone::Plain),
            () => (name(number), Tone::Faint),
        };
        line.push(page.span(words, tone));
    }
    page.line(line);
}

/// The first step that is not settled yet.
fn furthest(model: &Model) -> Step {
    match () {
        () if model.restore.complete() => model.step.max(Step::Launch),
        () if model.restore.begun() => Step::Restore,
        () => model.step.max(match () {
            () if model.review.plan.is_some() => Step::Review,
            () if model.snapshot.source().is_some() => Step::Members,
            () if model.snapshot.entered => Step::Snapshot,
            () => Step::Detect,
        }),
    }
}
