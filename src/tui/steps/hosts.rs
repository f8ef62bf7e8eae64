//! The hosts of the table: looked at when asked and before Review, in words below each row. What they report goes into
//! no plan; it decides whether one can be carried out.

use crate::{
    domain::{
        members::{
            build_plan,
            cell::{Origin, Row},
            table::{self, Column},
        },
        model::{host_address, plan::Plan},
        preflight::host_report::{Look, Running},
    },
    text::number::plural,
    tui::{
        selectors::members::draft,
        state::{key::Action, messages::Effect, model::Model, step::Step},
        steps::blockers::{ask_fences, note_asked},
        widgets::theme::Tone,
    },
};

/// Looks at the hosts of `plan`.
pub(super) fn look(model: &mut Model, plan: Plan, closer: bool) -> Vec<Effect> {
    let id = model.id();
    let before = model.hosts.asking.replace(id).map(|id| Effect::Cancel { id });
    model.hosts.looks.clear();
    model.hosts.plan = Some(plan.clone());
    let look = Effect::LookAtHosts { id, plan: Box::new(plan), closer };
    before.into_iter().chain([look]).collect()
}

/// Looks at the hosts of the table as it is now.
pub(super) fn look_at_table(model: &mut Model) -> Vec<Effect> {
    match build_plan::build(&draft(model)) {
        Ok(built) => look(model, built.plan, false),
        Err(_) => Vec::new(),
    }
}

pub(in crate::tui) fn seen(model: &mut Model, id: u64, mut look: Look) {
    let state = &mut model.hosts;
    if state.asking != Some(id) {
        return;
    }
    recall(&state.known, &mut look);
    state.looks.push(look);
    state.looks.sort_by(|a, b| a.members.cmp(&b.members));
}

pub(in crate::tui) fn all_seen(model: &mut Model, id: u64) -> Vec<Effect> {
    if model.hosts.asking != Some(id) {
        return Vec::new();
    }
    model.hosts.asking = None;
    match model.step {
        Step::Members => {
            let bad = model.hosts.looks.iter().filter(|look| !look.ready()).count();
            match (bad, model.hosts.looks.len()) {
                (0, 1) => model.say(Tone::Good, "The host is ready. i shows the details."),
                (0, many) => model.say(Tone::Good, format!("All {many} hosts are ready. i shows the details.")),
                (bad, many) => {
                    let are = plural(bad, "is", "are");
                    model.say(Tone::Warn, format!("{bad} of {many} hosts {are} not ready; each row says why."));
                }
            }
            model.with_keys(&[Action::Details]);
            Vec::new()
        }
        _ => {
            note_asked(model);
            ask_fences(model)
        }
    }
}

/// Keeps what a run found out about etcds that run.
pub(super) fn learnt(model: &mut Model) {
    let (run, state) = (&model.restore, &mut model.hosts);
    for host in run.hosts.iter().filter(|host| host.close) {
        let here = run.runs.iter().filter(|(name, _)| *name == host.name).map(|(_, running)| running.clone());
        state.known.retain(|(name, _)| *name != host.name);
        state.known.push((host.name.clone(), here.collect()));
    }
    state.looks.iter_mut().for_each(|look| recall(&state.known, look));
}

/// What is known holds as long as an etcd runs there at all.
fn recall(known: &[(String, Vec<Running>)], look: &mut Look) {
    if look.unclear()
        && let Some((_, runs)) = known.iter().find(|(host, _)| *host == look.host)
    {
        (look.close, look.runs) = (true, runs.clone());
    }
}

/// The host in a row's first peer URL.
fn peer_host(row: &Row) -> Option<String> {
    table::urls(row.text(Column::Peer))?.first().map(|url| url.host.clone())
}

/// Finds out which rows are not this machine, to propose where they are reached.
pub(super) fn fill(model: &mut Model) -> Vec<Effect> {
    let mut hosts: Vec<String> = model.members.rows.iter().filter_map(peer_host).collect();
    hosts.sort();
    hosts.dedup();
    let id = model.id();
    model.hosts.filling = Some(id);
    vec![Effect::Here { id, hosts }]
}

/// Proposes `root@HOST` for the rows that are elsewhere and have no host yet, or whoever another row is reached as.
pub(in crate::tui) fn filled(model: &mut Model, id: u64, here: &[String]) {
    if model.hosts.filling != Some(id) {
        return;
    }
    model.hosts.filling = None;
    let user = model.members.rows.iter().find_map(|row| row.host().split_once('@')).map(|(user, _)| user);
    let user = user.filter(|user| !user.contains("//")).unwrap_or("root").to_string();
    let proposed: Vec<(usize, String)> = model
        .members
        .rows
        .iter()
        .enumerate()
        .filter(|(_, row)| host_address::is_local(row.host()))
        .filter_map(|(at, row)| Some((at, peer_host(row).filter(|host| !here.contains(host))?)))
        .collect();
    if proposed.is_empty() {
        model.say(Tone::Plain, "Nothing to fill in: every row without a host is this machine.");
        return;
    }
    let count = proposed.len();
    model.members.keep();
    for (at, host) in proposed {
        if let Some(row) = model.members.rows.get_mut(at) {
            row.set(Column::Host, format!("{user}@{host}"), Origin::Proposed);
        }
    }
    let rows = if count == 1 { "1 row" } else { &format!("{count} rows") };
    model.say(Tone::Plain, format!("{rows} filled in; u undoes it, r checks the hosts."));
    model.with_keys(&[Action::Undo, Action::LookAtHosts]);
}
