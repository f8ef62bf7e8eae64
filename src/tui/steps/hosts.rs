//! The hosts of the table: looked at when asked and before Review, in words below each row. What they report goes into
//! no plan; it decides whether one can be carried out.

use super::{
    super::{app::Model, messages::Effect, widgets::theme::Tone},
    Step, members, review,
};
use crate::text::{join, size};
use crate::tui::views::hosts;
use crate::{
    domain::{
        members::{
            build_plan,
            cell::{Origin, Row},
            table::{self, Column},
        },
        model::{host_address, plan::Plan},
        preflight::{
            host_report::{Look, Running},
            stop::RunningEtcd,
        },
    },
    text::{number::plural, time},
};

/// What is known of the hosts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The effect that looks, while it does.
    asking: Option<u64>,
    /// For which plan.
    pub plan: Option<Plan>,
    /// What was seen, in the order of the table.
    pub looks: Vec<Look>,
    /// Etcds that a run found, from the host itself, on hosts that are checked from elsewhere.
    known: Vec<(String, Vec<Running>)>,
    /// The effect that finds out which rows are this machine.
    filling: Option<u64>,
}

impl State {
    /// True while hosts are being looked at.
    pub fn asking(&self) -> bool {
        self.asking.is_some()
    }

    /// What was seen of the host of a row, if it was looked at for what the row says now.
    pub fn of_row(&self, at: usize, row: &Row) -> Option<&Look> {
        let member = self.plan.as_ref()?.members.get(at)?;
        let wal = member.wal_dir.as_ref().map(|dir| dir.to_string_lossy()).unwrap_or_default();
        let same = member.host == row.host()
            && member.data_dir.to_string_lossy() == row.text(Column::DataDir)
            && wal == row.text(Column::WalDir);
        self.looks.iter().find(|look| same && look.members.contains(&at))
    }

    /// Every etcd that runs on a member's directory, with its host.
    pub fn runs(&self) -> impl Iterator<Item = (&str, &Running)> {
        self.looks.iter().flat_map(|look| look.runs.iter().map(|running| (look.host.as_str(), running)))
    }

    /// How those are stopped.
    pub fn halts(&self) -> Vec<(String, RunningEtcd)> {
        self.runs().map(|(host, running)| (host.to_string(), running.halt.clone())).collect()
    }

    /// What keeps the plan from being begun, in a sentence.
    pub fn in_the_way(&self) -> Option<String> {
        if self.asking() {
            return Some("The hosts are still being checked.".into());
        }
        let bad: Vec<&Look> = self.looks.iter().filter(|look| !look.ready()).collect();
        let first = bad.first()?;
        let why = match &first.facts {
            Err(error) => error.sentence(),
            Ok(_) => first.errors().map(|problem| problem.text.as_str()).collect::<Vec<_>>().join("; "),
        };
        let why = join::sentence(&format!("{} is not ready: {why}", hosts::display_name(&first.host)));
        Some(match bad.len() - 1 {
            0 => format!("{why} r checks again."),
            1 => format!("{why} 1 more host is not ready. r checks again."),
            more => format!("{why} {more} more hosts are not ready. r checks again."),
        })
    }

    /// Hosts where an etcd runs of which more must be known.
    pub fn unclear(&self) -> Vec<&Look> {
        self.looks.iter().filter(|look| look.unclear()).collect()
    }
}

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
    match build_plan::build(&members::draft(model)) {
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
            Vec::new()
        }
        _ => {
            review::note_asked(model);
            review::ask_fences(model)
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
}

/// What a text says of sizes and ages of what is in a directory, where it was looked at closely: `41 MB, written 3 h
/// ago`.
pub(crate) fn size_and_age(look: &Look, dir: &std::path::Path, now: i64) -> Option<String> {
    let says = look.found.iter().find(|found| found.data_dir == dir)?.state.says()?;
    let age = says.written.map(|at| format!(", written {} ago", time::age(now.saturating_sub(at)))).unwrap_or_default();
    Some(format!("{}{age}", size::size(says.database.bytes)))
}
