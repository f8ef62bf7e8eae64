//! Restore: what is being done now, member by member; stop it, try a failed one again.

use super::{
    super::{
        app::{Effect, Model, Overlay, leave_when_safe, moved, trouble_said},
        keys::Action,
        page::{Head, Page, Spot},
        text,
        theme::Tone,
    },
    Step,
    meter::Meter,
};
use crate::{
    engine::restore::Restored,
    plan::Plan,
    recovery::RowEvent,
    trouble::{Kind, Result as Outcome, Trouble},
};

/// Where one member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// Its turn has not come.
    Waits,
    /// It is being restored.
    Works(Meter),
    /// It stands, as read back.
    Done(Restored),
    /// It does not.
    Failed(Trouble),
}

/// One member of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Its data directory.
    pub dir: String,
    /// Where it is.
    pub stand: Stand,
}

impl Row {
    /// How it ended, for the normal screen.
    pub fn ending(&self) -> String {
        match &self.stand {
            Stand::Done(r) => format!("{} restored, {} keys at revision {}", self.dir, r.keys, r.revision),
            Stand::Failed(trouble) if trouble.kind == Kind::Stopped => {
                format!("{} stopped, nothing left behind", self.dir)
            }
            Stand::Failed(trouble) => format!("{} failed: {}", self.dir, one_line(trouble)),
            Stand::Waits | Stand::Works(_) => format!("{} not finished", self.dir),
        }
    }
}

fn one_line(trouble: &Trouble) -> String {
    if trouble.why.is_empty() { trouble.what.clone() } else { format!("{}: {}", trouble.what, trouble.why) }
}

/// The step's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The effect that runs now.
    id: Option<u64>,
    /// The plan that was confirmed and begun.
    pub plan: Option<Plan>,
    /// Its members.
    pub rows: Vec<Row>,
    /// The selected one.
    pub at: usize,
    /// True once the operator asked to stop.
    pub stopping: bool,
}

impl State {
    /// The effect that runs now.
    pub fn id(&self) -> Option<u64> {
        self.id
    }

    /// True while data directories are being written.
    pub fn running(&self) -> bool {
        self.id.is_some()
    }

    /// True when every member stands.
    pub fn complete(&self) -> bool {
        !self.rows.is_empty() && self.done() == self.rows.len()
    }

    fn done(&self) -> usize {
        self.rows.iter().filter(|r| matches!(r.stand, Stand::Done(_))).count()
    }
}

/// Begins the restore of the reviewed plan. Called from one place: the label typed on Review.
pub(in crate::tui) fn begin(model: &mut Model) -> Vec<Effect> {
    let Some(plan) = model.review.plan.clone() else { return Vec::new() };
    let rows = plan.members.iter().map(|m| Row {
        name: m.name.clone(),
        dir: m.data_dir.to_string_lossy().into_owned(),
        stand: Stand::Waits,
    });
    model.restore = State { rows: rows.collect(), plan: Some(plan.clone()), ..State::default() };
    model.launch = super::launch::State::default();
    let stale = super::proof::begin_anew(model);
    model.step = Step::Restore;
    let names = plan.members.iter().map(|m| m.name.clone()).collect();
    stale.into_iter().chain([start(model, plan, names)]).collect()
}

fn start(model: &mut Model, plan: Plan, names: Vec<String>) -> Effect {
    let id = model.id();
    model.restore.id = Some(id);
    model.restore.stopping = false;
    let orders = Box::new(super::review::orders(model, &plan));
    Effect::Restore { id, plan: Box::new(plan), names, orders }
}

pub(in crate::tui) fn row(model: &mut Model, id: u64, name: &str, event: RowEvent) {
    let now_ms = model.now_ms;
    let state = &mut model.restore;
    if state.id != Some(id) {
        return;
    }
    let Some(row) = state.rows.iter_mut().find(|r| r.name == name) else { return };
    match event {
        RowEvent::Step(progress) => match &mut row.stand {
            Stand::Works(meter) => meter.step(progress, now_ms),
            stand => *stand = Stand::Works(Meter::new(progress, now_ms)),
        },
        RowEvent::Done(restored) => {
            model.written.push((restored.data_dir.clone(), format!("{name}'s data directory")));
            row.stand = Stand::Done(restored);
        }
        RowEvent::Failed(trouble) => row.stand = Stand::Failed(trouble),
    }
}

pub(in crate::tui) fn ended(model: &mut Model, id: u64, result: Outcome<()>) -> Vec<Effect> {
    if model.restore.id != Some(id) {
        return Vec::new();
    }
    model.restore.id = None;
    model.restore.stopping = false;
    if model.overlay == Some(Overlay::Stop) {
        model.overlay = None;
    }
    if let Err(trouble) = &result {
        let begun = model.restore.rows.iter().any(|row| row.stand != Stand::Waits);
        if !begun {
            // nothing was begun: the plan is still to be started, with what is in its way looked at anew
            model.restore = State::default();
            model.step = Step::Review;
            let effects = super::review::ask(model);
            trouble_said(model, &Trouble { hint: String::new(), ..trouble.clone() });
            let leaving = leave_when_safe(model);
            return if leaving.is_empty() { effects } else { leaving };
        }
        // one that was tried again and was not let through
        let ran = model.restore.rows.iter().any(|row| matches!(row.stand, Stand::Works(_) | Stand::Failed(_)));
        for row in model.restore.rows.iter_mut().filter(|row| !ran && row.stand == Stand::Waits) {
            row.stand = Stand::Failed(trouble.clone());
        }
    }
    // whatever has no word of its own yet shares the whole's fate, a defect of ours included
    let fate =
        result.err().unwrap_or_else(|| Trouble::new(Kind::Bug, "the restore ended without a word on this member"));
    for row in &mut model.restore.rows {
        if matches!(row.stand, Stand::Works(_)) {
            row.stand = Stand::Failed(fate.clone());
        }
    }
    if model.restore.complete() {
        model.say(
            Tone::Good,
            "Every member stands, as read back from the disk. n goes on to the commands that start them.",
        );
    } else if let Some(at) = model.restore.rows.iter().position(|r| matches!(r.stand, Stand::Failed(_))) {
        model.restore.at = at;
    }
    leave_when_safe(model)
}

/// The operator said yes to stopping.
pub(in crate::tui) fn stop(model: &mut Model) -> Vec<Effect> {
    let Some(id) = model.restore.id else { return Vec::new() };
    model.restore.stopping = true;
    vec![Effect::Cancel { id }]
}

fn selected(model: &Model) -> Option<&Row> {
    model.restore.rows.get(model.restore.at)
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let state = &model.restore;
    match action {
        Action::Next if state.running() => Err("Next waits for the members that are being restored.".into()),
        Action::Next if !state.complete() => {
            let missing: Vec<&str> =
                state.rows.iter().filter(|r| !matches!(r.stand, Stand::Done(_))).map(|r| r.name.as_str()).collect();
            Err(format!(
                "Next waits for {}: t tries the selected one again, Esc goes back to change the plan.",
                missing.join(", ")
            ))
        }
        Action::StopWork if !state.running() => Err("Nothing is running.".into()),
        Action::StopWork if state.stopping => Err("It is stopping already, at the next safe point.".into()),
        Action::Retry if state.running() => Err("Trying again waits until what runs now has ended.".into()),
        Action::Retry => match selected(model).map(|r| &r.stand) {
            Some(Stand::Failed(_) | Stand::Waits) => Ok(()),
            _ => Err("The selected member did not fail; select one that did.".into()),
        },
        Action::Details => match selected(model).map(|r| &r.stand) {
            Some(Stand::Failed(_)) => Ok(()),
            _ => Err("The selected member has no error.".into()),
        },
        _ => Ok(()),
    }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open | Action::Details => model.open(Overlay::Details),
        Action::StopWork => model.open(Overlay::Stop),
        Action::Retry => {
            let name = selected(model).map(|r| r.name.clone());
            if let (Some(name), Some(plan)) = (name, model.restore.plan.clone()) {
                if let Some(row) = model.restore.rows.get_mut(model.restore.at) {
                    row.stand = Stand::Waits;
                }
                return vec![start(model, plan, vec![name])];
            }
        }
        action => model.restore.at = moved(model.restore.at, action, model.restore.rows.len()),
    }
    Vec::new()
}

pub(super) fn details(model: &Model) -> (String, Vec<String>) {
    let Some(row) = selected(model) else { return (String::new(), Vec::new()) };
    let lines = match &row.stand {
        Stand::Waits => vec!["Its turn has not come; nothing was written for it.".into()],
        Stand::Works(meter) => vec![meter.words(model.now_ms)],
        Stand::Done(r) => vec![
            "It stands. Read back from the disk:".into(),
            format!("member ID {}   cluster ID {}", r.member_id, r.cluster_id),
            format!("revision {}   {} keys", text::thousands(r.revision), text::thousands(r.keys)),
            format!("database {}", text::bytes(r.bytes)),
        ],
        Stand::Failed(trouble) => {
            let mut lines = vec![format!("{}.", trouble.what)];
            if !trouble.why.is_empty() {
                lines.push(format!("Why: {}", trouble.why));
            }
            if !trouble.hint.is_empty() {
                lines.push(format!("What to do: {}", trouble.hint));
            }
            lines.push(String::new());
            lines.push("What was made for it is removed, and what was there before is untouched.".into());
            lines.push("t tries this member again, alone.".into());
            lines
        }
    };
    (format!("{}  {}", row.name, row.dir), lines)
}

const HEADS: [Head; 5] = [
    Head { title: "member", right: false, most: 16 },
    Head { title: "phase", right: false, most: 60 },
    Head { title: "done", right: true, most: 24 },
    Head { title: "rate", right: true, most: 10 },
    Head { title: "left", right: true, most: 14 },
];

pub(super) fn draw(model: &Model, page: &mut Page<'_>) {
    let state = &model.restore;
    let (done, all) = (state.done(), state.rows.len());
    let (mark, tone, words) = if state.complete() {
        (" ✔ ", Tone::Good, format!("All {all} members are restored and read back."))
    } else if state.stopping {
        (" ! ", Tone::Warn, format!("Stopping at the next safe point. {done} of {all} members stand."))
    } else if state.running() {
        (" ", Tone::Strong, format!("Restoring: {done} of {all} members stand."))
    } else {
        (" ✖ ", Tone::Bad, format!("Not complete: {done} of {all} members stand."))
    };
    page.sentence(mark, &words, tone, 2);
    page.gap();
    let rows: Vec<Vec<Spot>> = state.rows.iter().map(|r| cells(r, model.now_ms)).collect();
    let widths = page.widths(&HEADS, &rows);
    page.heads(&HEADS, &widths);
    let lines = rows.iter().enumerate().map(|(i, r)| page.row(&HEADS, &widths, r, i == state.at)).collect();
    let most = page.left().saturating_sub(7).max(3);
    page.list(lines, state.at..state.at + 1, most);
    page.gap();
    if let Some(row) = selected(model) {
        page.sentence(" ", &format!("{} in {}", row.name, row.dir), Tone::Strong, 2);
        match &row.stand {
            Stand::Failed(trouble) => {
                page.sentence(" ✖ ", &one_line(trouble), Tone::Bad, 3);
                page.sentence("   ", &trouble.hint, Tone::Plain, 3);
            }
            Stand::Done(r) => {
                let words = format!(
                    "member {}, cluster {}, revision {}, {} keys, {}",
                    r.member_id,
                    r.cluster_id,
                    text::thousands(r.revision),
                    text::thousands(r.keys),
                    text::bytes(r.bytes)
                );
                page.sentence(" ", &words, Tone::Plain, 3);
            }
            Stand::Waits | Stand::Works(_) => {}
        }
        page.gap();
    }
    if state.running() {
        page.sentence(
            " ",
            "Each directory is built beside its place and takes it only when it was read back. Stopping before that \
             leaves the place as it was; members that stand stay.",
            Tone::Faint,
            3,
        );
    }
}

fn cells(row: &Row, now_ms: u64) -> Vec<Spot> {
    let plain = |t: String| (t, Tone::Plain);
    let rest = || [plain(String::new()), plain(String::new()), plain(String::new())];
    let mut cells = vec![plain(row.name.clone())];
    match &row.stand {
        Stand::Waits => {
            cells.push(("waits".into(), Tone::Faint));
            cells.extend(rest());
        }
        Stand::Works(meter) => cells.extend([
            (meter.phase().words().to_string(), Tone::Strong),
            plain(meter.done()),
            plain(meter.rate_words(now_ms)),
            plain(meter.left_words(now_ms)),
        ]),
        Stand::Done(r) => {
            cells.push((format!("✔ stands, {} keys", text::thousands(r.keys)), Tone::Good));
            cells.push(plain(text::bytes(r.bytes)));
            cells.extend([plain(String::new()), plain(String::new())]);
        }
        Stand::Failed(trouble) => {
            let words = match trouble.kind {
                Kind::Stopped => ("! stopped".to_string(), Tone::Warn),
                _ => (format!("✖ {}", one_line(trouble)), Tone::Bad),
            };
            cells.push(words);
            cells.extend(rest());
        }
    }
    cells
}
