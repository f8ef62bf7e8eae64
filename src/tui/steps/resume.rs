//! What earlier runs left to do, as their journals say: a restore that is not complete, to be resumed, or one that is
//! installed and was never verified, to be launched and verified. Shown at the start, and by a key on Detect.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    super::{
        app::{Model, Overlay, show_error},
        messages::Effect,
        widgets::theme::Tone,
    },
    Step, restore, review,
};
use crate::{
    domain::model::plan::Plan,
    error::Result,
    etcd::membership::Id,
    execute::{
        executor::Placement,
        resume::{self, Unfinished, Unverified},
    },
    system::journal::Record,
    text::{Shown, join},
};

/// What is known of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The effect that reads the journals.
    reading: Option<u64>,
    /// Those that are not complete, each with its journal, the one begun last first.
    pub runs: Vec<(PathBuf, Unfinished)>,
    /// Those that are installed and not verified, each with its journal, the one begun last first.
    pub unverified: Vec<(PathBuf, Unverified)>,
}

/// What is left to do of one plan.
#[derive(Debug, Clone, Copy)]
enum Left<'a> {
    Resume(&'a PathBuf, &'a Unfinished),
    Verify(&'a PathBuf, &'a Unverified),
}

impl State {
    /// True where an earlier run left something to do.
    pub fn any(&self) -> bool {
        self.first().is_some()
    }

    /// The plan that is installed according to its journal, where that is what was done last.
    pub fn in_place(&self) -> Option<&Plan> {
        match self.first()? {
            Left::Verify(_, left) => Some(&left.plan),
            Left::Resume(..) => None,
        }
    }

    /// What the journals call the cluster with one of these IDs, or that of this snapshot; where neither is known, the
    /// one of what was begun last.
    pub fn label(&self, ids: &[Id], sha256: Option<&str>) -> Option<&str> {
        let runs = self.runs.iter().map(|(_, run)| &run.plan);
        let plans = || runs.clone().chain(self.unverified.iter().map(|(_, left)| &left.plan));
        let last = self.first().map(|left| match left {
            Left::Resume(_, run) => &run.plan,
            Left::Verify(_, left) => &left.plan,
        });
        let is_it = |plan: &&Plan| ids.contains(&plan.cluster_id) || sha256 == Some(plan.source.sha256.as_str());
        let plan = plans().find(is_it).or(last.filter(|_| ids.is_empty() && sha256.is_none()))?;
        Some(&plan.label)
    }

    /// What was begun last.
    fn first(&self) -> Option<Left<'_>> {
        let resume = self.runs.first().map(|(path, run)| (&run.since, Left::Resume(path, run)));
        let verify = self.unverified.first().map(|(path, left)| (&left.since, Left::Verify(path, left)));
        resume.into_iter().chain(verify).max_by_key(|(since, _)| *since).map(|(_, left)| left)
    }

    fn count(&self) -> usize {
        self.runs.len() + self.unverified.len()
    }
}

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
                    show_error(model, &error);
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

/// What the key that resumes it does.
pub(in crate::tui) fn key_words(model: &Model) -> &'static str {
    match model.unfinished.first() {
        Some(Left::Verify(..)) => "launch commands",
        _ => "resume it",
    }
}

/// The question's heading and lines.
pub(in crate::tui) fn words(model: &Model) -> (String, Vec<String>) {
    let (title, mut lines, path) = match model.unfinished.first() {
        None => return (String::new(), Vec::new()),
        Some(Left::Resume(path, run)) => ("An earlier restore is not complete".to_string(), resumed(run), path),
        Some(Left::Verify(path, left)) => {
            (format!("Plan {} is restored but not verified", left.plan.short_id()), restored(left), path)
        }
    };
    lines.push(format!("Its journal: {}", path.shown()));
    match model.unfinished.count() {
        0 | 1 => {}
        2 => lines.push("1 more plan is not complete or not verified; its journal is in the same directory.".into()),
        many => lines.push(format!(
            "{} more plans are not complete or not verified; their journals are in the same directory.",
            many - 1
        )),
    }
    (title, lines)
}

fn at(since: &str) -> String {
    format!("{} UTC", since.replace('T', " ").trim_end_matches('Z'))
}

fn restored(left: &Unverified) -> Vec<String> {
    let plan = &left.plan;
    let mut lines = vec![
        format!("Plan {} of {} was restored by {}, {}.", plan.short_id(), plan.label, left.who, at(&left.since)),
        "According to its journal every member was installed and verified. The journal does not record whether the \
         members were started since."
            .into(),
    ];
    if let Some((sentence, when)) = &left.seen {
        lines.push(format!("Last verification {}, not passed: {}", at(when), join::sentence(sentence)));
    }
    lines.push(String::new());
    for member in &left.placed {
        lines.push(format!("{}  in {}", member.name, member.restored.data_dir.shown()));
    }
    lines.push(String::new());
    lines.push(
        "Press y for the commands that start them (Launch), then n to verify them (Proof). This writes nothing. To \
         roll back, press u on Restore."
            .into(),
    );
    lines
}

fn resumed(run: &Unfinished) -> Vec<String> {
    let what = if run.undoes() { "was being rolled back" } else { "was started" };
    let mut lines =
        vec![format!("Plan {} of {} {what} by {}, {}.", run.plan.short_id(), run.plan.label, run.who, at(&run.since))];
    lines.push(match &run.ended {
        Some(text) => format!("It ended: {text}."),
        None => "How it ended is not recorded: it was interrupted, or is still running elsewhere.".into(),
    });
    lines.push(String::new());
    for (name, last) in &run.members {
        let last = last.as_deref().and_then(|text| text.lines().next()).unwrap_or("nothing is recorded");
        lines.push(format!("{name}  {last}"));
    }
    lines.push(String::new());
    lines.push(match (run.goal(), run.undoes()) {
        (Err(error), _) => join::sentence(&format!("{}: {}", error.what, error.why)),
        (Ok(_), true) => "Resuming rolls its members back, after you type the label.".into(),
        (Ok(_), false) => {
            "Resuming checks every host again and continues from the first incomplete step. Nothing is done until you \
             type the label."
                .to_string()
        }
    });
    lines
}
