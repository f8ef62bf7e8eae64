//! What earlier runs left to do, as their journals say: a restore that is not complete, to be resumed, or one that is
//! installed and was never verified, to be launched and verified. Shown at the start, and by a key on Detect.

use std::{collections::BTreeSet, path::PathBuf};

use crate::{
    domain::model::plan::Plan,
    error::Result,
    execute::{
        executor::Placement,
        resume::{self, Unfinished, Unverified},
    },
    system::journal::Record,
    text::join,
    tui::{
        state::{
            messages::Effect,
            model::{Model, Overlay},
            resume::Left,
            step::Step,
        },
        steps::{restore, review},
        widgets::theme::Tone,
    },
};

/// Reads the journals.
pub(in crate::tui) fn look(model: &mut Model) -> Option<Effect> {
    let dir = model.options.journals.clone();
    if dir.as_os_str().is_empty() {
        return None;
    }
    let id = model.id();
    model.unfinished.reading = Some(id);
    Some(Effect::Journals { id, dir })
}

/// What they show. The question opens over nothing else: once the operator is on the way, a key on Detect shows it.
pub(in crate::tui) fn found(model: &mut Model, id: u64, found: Vec<(PathBuf, Result<Vec<Record>>)>) {
    if model.unfinished.reading != Some(id) {
        return;
    }
    model.unfinished.reading = None;
    let mut runs = Vec::new();
    let mut unverified: Vec<(PathBuf, Unverified)> = Vec::new();
    let mut begun: Vec<(String, Plan)> = Vec::new();
    for (path, records) in found {
        match records {
            Ok(records) => {
                begun.extend(resume::last_begun(&records));
                unverified.extend(resume::unverified(&records).map(|left| (path.clone(), left)));
                // One of `requorum restore` is resumed by that: the wizard installs on the plan's hosts.
                let open = resume::standing(&records).filter(|run| run.placement == Placement::OnHosts);
                runs.extend(open.map(|run| (path, run)));
            }
            Err(error) => {
                let words = format!("{}: {}", error.what, error.why);
                model.say(Tone::Warn, join::sentence(&words));
            }
        }
    }
    // whose directories a later plan used since is not installed any more
    unverified.retain(|(_, left)| {
        !begun.iter().any(|(since, plan)| *since > left.since && *plan != left.plan && shares(plan, &left.plan))
    });
    runs.sort_by(|a: &(PathBuf, Unfinished), b| b.1.since.cmp(&a.1.since));
    unverified.sort_by(|a, b| b.1.since.cmp(&a.1.since));
    (model.unfinished.runs, model.unfinished.unverified) = (runs, unverified);
    model.propose_label();
    let idle = model.step == Step::Detect && model.overlay.is_none() && model.prompt.is_none();
    if idle && model.unfinished.any() {
        model.open(Overlay::Unfinished);
    }
}

/// Whether two plans use a directory in common.
fn shares(one: &Plan, other: &Plan) -> bool {
    let dirs = |plan: &Plan| -> BTreeSet<(String, PathBuf)> {
        let of = |m: &crate::domain::model::plan::Member| {
            [Some(m.data_dir.clone()), m.wal_dir.clone()].into_iter().flatten()
        };
        plan.members.iter().flat_map(|m| of(m).map(|dir| (m.host.clone(), dir)).collect::<Vec<_>>()).collect()
    };
    !dirs(one).is_disjoint(&dirs(other))
}

/// Resumes what was started last: a run on Review, an installed restore on Launch.
pub(in crate::tui) fn go_on(model: &mut Model) -> Vec<Effect> {
    match model.unfinished.first() {
        None => Vec::new(),
        Some(Left::Verify(_, left)) => {
            let left = left.clone();
            review::restored(model, left.plan.clone());
            restore::in_place(model, left.plan, left.placed);
            super::enter(model, Step::Launch)
        }
        Some(Left::Resume(_, run)) => {
            let run = run.clone();
            match run.goal() {
                Err(error) => {
                    model.say_error(&error);
                    Vec::new()
                }
                Ok(_) if !run.undoes() => review::go_on(model, run.plan),
                Ok(_) => {
                    model.label.clone_from(&run.plan.label);
                    model.label_settled = true;
                    restore::taking_back(model, run.plan);
                    Vec::new()
                }
            }
        }
    }
}
