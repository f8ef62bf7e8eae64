//! Detect: is quorum lost, and must I restore? Every member is asked at once, each answer is shown as it comes, and the
//! verdict is shown above them.

mod rounds;

pub(in crate::tui) use self::rounds::{
    answered, ask_all, compare, confirm, forget_compared, hashed, held_against, look_again, look_around, looked_around,
};
use crate::{
    domain::{model::observations::Answer, quorum::verdict::Gate},
    text::Shown,
    tui::{
        selectors::filter,
        state::{
            detect::{Asked, asked},
            key::Action,
            messages::Effect,
            model::{Model, Overlay},
            prompt::Ask,
        },
        widgets::theme::Tone,
    },
};

/// Marks the selected silent member as gone for good, once its name was typed.
pub(in crate::tui) fn mark_gone(model: &mut Model, endpoint: &str, typed: &str) -> Result<(), String> {
    let Some(at) = model.detect.rows.iter().position(|r| r.facts.endpoint == endpoint) else { return Ok(()) };
    let wanted = gone_word(model, endpoint);
    if typed != wanted {
        return Err(format!("That is not {wanted}. Type {wanted} to confirm, or cancel."));
    }
    if let Some(row) = model.detect.rows.get_mut(at) {
        row.gone = true;
        model.detect.passed = false;
    }
    Ok(())
}

/// What is typed to mark a member: its name, or «gone» where its name is unknown.
pub(in crate::tui) fn gone_word(model: &Model, endpoint: &str) -> String {
    let row = model.detect.rows.iter().find(|r| r.facts.endpoint == endpoint);
    match row.map(|r| model.detect.name(&r.facts)) {
        Some(name) if name != "?" => name,
        _ => "gone".to_string(),
    }
}

pub(in crate::tui) fn set_endpoints(model: &mut Model, typed: &str) -> Result<Vec<Effect>, String> {
    let list: Vec<&str> = typed.split([',', ' ']).map(str::trim).filter(|e| !e.is_empty()).collect();
    let Some(first) = list.first() else { return Err("At least one client URL is needed.".into()) };
    if let Some(bad) = list.iter().find(|e| e.contains("://") && !e.starts_with("http")) {
        return Err(format!("{bad} does not begin with http:// or https://, as client URLs do."));
    }
    let _ = first;
    model.detect.rows = list.iter().map(|e| asked(e, false)).collect();
    model.detect.at = 0;
    Ok(ask_all(model))
}

/// True when going on takes typing the label.
pub(super) fn gated(model: &Model) -> bool {
    !model.detect.passed && model.detect.finding().gate() == Gate::TypeLabel && !model.detect.rows.is_empty()
}

pub(super) fn can(model: &Model, action: Action) -> Result<(), String> {
    let rows = &model.detect.rows;
    match action {
        Action::Open if rows.is_empty() => Err("There is no member in the table. Press e to enter client URLs.".into()),
        Action::AskAgain if rows.is_empty() => {
            Err("There is no member to ask yet. Press e to enter client URLs.".into())
        }
        Action::Cluster => {
            let scope = model.detect.scope();
            match scope.clusters.len() {
                0 => Err("No cluster was seen yet in an answer or a data directory.".into()),
                1 if scope.id().is_some() && model.detect.meant.is_none() => {
                    Err("Only one cluster was seen, and it is already chosen.".into())
                }
                _ => Ok(()),
            }
        }
        Action::Back => Err("This is the first step.".into()),
        Action::Unfinished if !model.unfinished.any() => {
            Err("No journal shows an incomplete or unverified restore.".into())
        }
        Action::Gone => match rows.get(model.detect.at) {
            None => Err("There is no member in the table.".into()),
            Some(row) if row.gone || matches!(row.facts.answer, Answer::Silent { .. }) => Ok(()),
            Some(row) if row.waits() => Err("It is still being asked.".into()),
            Some(row) => Err(format!("{} is alive: only a silent member can be gone for good.", row.facts.endpoint)),
        },
        Action::Next if model.detect.asking() > 0 => {
            let waiting: Vec<&str> = rows.iter().filter(|r| r.waits()).map(|r| r.facts.endpoint.as_str()).collect();
            Err(format!("Next waits for {} to answer or time out.", waiting.join(", ")))
        }
        _ => Ok(()),
    }
}

/// Whether `action` waits for answers.
pub(super) fn awaits(model: &Model, action: Action) -> bool {
    match action {
        Action::Next => model.detect.asking() > 0,
        Action::Gone => model.detect.rows.get(model.detect.at).is_some_and(Asked::waits),
        _ => false,
    }
}

/// What is asked before an action: which cluster is meant decides what a snapshot and a table are about.
pub(super) fn question(model: &Model, action: Action) -> Option<(String, Vec<String>)> {
    let chosen = model.snapshot.chosen.as_ref();
    let (edited, plan) = (model.members.touched, model.review.plan.as_ref());
    if action != Action::Cluster || (chosen.is_none() && !edited && plan.is_none()) {
        return None;
    }
    let mut lines = Vec::new();
    lines.extend(chosen.map(|path| {
        format!(
            "The chosen snapshot, {}, stays chosen; Snapshot shows whether it belongs to the other cluster.",
            path.shown()
        )
    }));
    lines.push(match edited {
        true => "The table on Members was edited and stays as it is: check that its rows belong to the other \
             cluster."
            .into(),
        false => "The table on Members is filled in again.".to_string(),
    });
    lines.extend(plan.map(|plan| {
        format!("Plan {} was made for the cluster chosen before; Review makes it again.", plan.short_id())
    }));
    Some(("Choose another cluster?".into(), lines))
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open => model.open(Overlay::Details),
        Action::AskAgain => {
            let mut effects = ask_all(model);
            effects.push(look_around(model));
            return effects;
        }
        Action::Unfinished => model.open(Overlay::Unfinished),
        Action::Cluster => choose_cluster(model),
        Action::Gone => {
            let at = model.detect.at;
            let Some(row) = model.detect.rows.get_mut(at) else { return Vec::new() };
            if row.gone {
                row.gone = false;
                model.say(Tone::Plain, "No longer marked: this member may come back.");
            } else {
                let endpoint = row.facts.endpoint.clone();
                model.ask(Ask::Gone(endpoint), "");
            }
        }
        Action::Endpoints => {
            let typed: Vec<String> =
                model.detect.rows.iter().filter(|r| !r.discovered).map(|r| r.facts.endpoint.clone()).collect();
            let typed = if typed.is_empty() { model.detect.configured() } else { typed };
            model.ask(Ask::Endpoints, typed.join(","));
        }
        action => model.detect.at = filter::moved(model, model.detect.at, action),
    }
    Vec::new()
}

/// Takes the next of the clusters that were seen for the one that is meant; after the last, what the answers and the
/// directories say counts again.
fn choose_cluster(model: &mut Model) {
    let clusters = model.detect.scope().clusters;
    let now = model.detect.meant.and_then(|id| clusters.iter().position(|c| c.id == id));
    let next = clusters.get(now.map_or(0, |at| at + 1));
    model.detect.meant = next.map(|c| c.id);
    model.detect.passed = false;
    match next {
        Some(cluster) => {
            let more = if clusters.len() > 1 { " c chooses the next one." } else { "" };
            model.say(Tone::Good, format!("Cluster chosen: {}.{more}", cluster.words()));
        }
        None => {
            model.say(Tone::Plain, "Your choice is cleared; answers and directories decide again which cluster it is.")
        }
    }
}
