//! The plan in sentences, host by host and in order, with what is known of each host; and what of it is in the way.

use crate::{
    domain::{
        members::{table::Severity, token::Shared},
        model::{
            host_address,
            plan::{Member, Plan},
        },
        preflight::{host_report::Look, hosts},
        render::plan_steps,
    },
    text::{Shown, join, number::plural, size},
    tui::{
        selectors::{
            hosts::{self as hosts_view, size_and_age},
            review::old,
        },
        state::{hosts::display_name, model::Model},
        widgets::theme::Tone,
    },
};

/// What keeps a host from being begun, or needs the operator's word: mark, sentence, tone.
pub(super) fn of_hosts(model: &Model) -> Vec<(&'static str, String, Tone)> {
    let state = &model.hosts;
    let Some(plan) = &state.plan else { return Vec::new() };
    if state.asking() {
        let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
        let (seen, all) = (state.looks.len(), hosts::groups(plan, &names).len());
        let words = format!("Checking the {}: {seen} of {all} done.", plural(all, "host", "hosts"));
        return vec![(" … ", words, Tone::Plain)];
    }
    let mut out = Vec::new();
    for look in &state.looks {
        let host = display_name(&look.host);
        if !look.ready() {
            let at = look.members.first().copied().unwrap_or_default();
            let each = look.members.iter().map(|at| hosts_view::row_words(plan, look, *at, model.now()));
            let bad = each.into_iter().find(|(mark, ..)| *mark == "✖");
            let (_, _, words) = bad.unwrap_or_else(|| hosts_view::row_words(plan, look, at, model.now()));
            out.push((" ✖ ", join::sentence(&format!("{host} is not ready: {words}")), Tone::Bad));
        }
        let warnings = look.problems.iter().filter(|p| p.severity == Severity::Warning).map(|p| p.text.as_str());
        let warnings: Vec<&str> = warnings.collect();
        if !warnings.is_empty() {
            out.push((" ! ", join::sentence(&format!("{host}: {}", warnings.join("; "))), Tone::Warn));
        }
        for running in &look.runs {
            let halt = &running.halt;
            let (dir, commands) = (halt.data_dir.shown(), halt.commands.join(" && "));
            let agreed = model.review.consent.iter().any(|(at, known)| *at == look.host && known == halt);
            out.push(match agreed {
                true => {
                    (" ! ", format!("Agreed: on {host} this is run just before {dir} is moved: {commands}"), Tone::Warn)
                }
                false => (
                    " ✖ ",
                    format!(
                        "An etcd runs on {dir} on {host}. With your consent it is stopped just before that directory \
                         is moved, by: {commands}"
                    ),
                    Tone::Bad,
                ),
            });
        }
        if look.unclear() {
            let words = format!(
                "An etcd runs on {host}. How to stop it can be found out only on that host: press c to copy requorum \
                 there briefly, into a directory of its own that is removed at once."
            );
            out.push((" ✖ ", words, Tone::Bad));
        }
        for automation in &look.automation {
            let words = format!("On {host}: {}. This pauses it: {}", automation.what, automation.pause);
            out.push((" ! ", words, Tone::Warn));
        }
    }
    out
}

/// All that is done, in order. Sentences without a full stop.
pub(super) fn course(model: &Model, plan: &Plan) -> Vec<String> {
    let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
    let groups = hosts::groups(plan, &names);
    let of = |host: &str| {
        model.hosts.looks.iter().find(|look| look.host == host).filter(|_| model.hosts.plan.as_ref() == Some(plan))
    };
    let mut out = plan_steps::beginning(plan);
    let which =
        if groups.len() == 1 { display_name(&groups[0].0).to_string() } else { format!("all {} hosts", groups.len()) };
    out.push(format!(
        "Check {which} again: user, sudo, space, directories, clock, running etcds. A host that is not ready stops it \
         before anything is written"
    ));
    for (host, members) in &groups {
        let far = !host_address::is_local(host);
        if far {
            out.push(format!(
                "{host}: the snapshot is sent there once ({}, compressed where that helps) and used only if its \
                 SHA-256 matches",
                size::size(plan.source.bytes)
            ));
        }
        for member in members.iter().filter_map(|at| plan.members.get(*at)) {
            let by =
                of(host).and_then(|look| look.facts.as_ref().ok()).map(|facts| format!(", {}", hosts_view::who(facts)));
            let on = if far { format!(" on {host}") } else { String::new() };
            out.push(format!(
                "{}{on}{}: build {} (member ID {}) in staging and verify it",
                member.name,
                by.unwrap_or_default(),
                plan_steps::dirs(member),
                member.id
            ));
        }
    }
    let proven = if plan.members.len() == 1 { "it is" } else { "all of them are" };
    out.push(format!(
        "When {proven} verified, run the final check: ask every client URL of the old cluster again. A leader, or a \
         raft index that moved since, stops it here. Up to here no old data is touched"
    ));
    for (host, members) in &groups {
        let look = of(host);
        let on = if host_address::is_local(host) { String::new() } else { format!(" on {host}") };
        for running in look.iter().flat_map(|look| &look.runs) {
            let commands = running.halt.commands.join(" && ");
            out.push(format!("Stop the etcd that runs on {}{on}: {commands}", running.halt.data_dir.shown()));
        }
        for member in members.iter().filter_map(|at| plan.members.get(*at)) {
            out.push(format!("{}{on}: {}", member.name, exchange(member, look, model.now())));
        }
    }
    out.extend(plan_steps::outcome(plan, &Shared::of_plan(plan, &old(model))));
    out
}

/// What holds whatever happens. Sentences without a full stop.
pub(super) fn rest() -> [String; 2] {
    [
        "Everything else on these machines stays untouched: the snapshot, other directories, other processes. Nothing \
         that requorum did not make is deleted"
            .into(),
        "No etcd is started by this; the exact commands follow on Launch. To roll back: u on Restore, or requorum undo"
            .into(),
    ]
}

/// What is moved aside or stopped on each host, as far as it was looked at. Sentences without a full stop.
pub(super) fn moves(model: &Model, plan: &Plan) -> Vec<String> {
    let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
    let of = |host: &str| {
        model.hosts.looks.iter().find(|look| look.host == host).filter(|_| model.hosts.plan.as_ref() == Some(plan))
    };
    let (mut out, mut unknown, mut free) = (Vec::new(), Vec::new(), 0);
    for (host, members) in &hosts::groups(plan, &names) {
        let look = of(host).filter(|look| look.facts.is_ok());
        let on = if host_address::is_local(host) { String::new() } else { format!(" on {host}") };
        for running in look.iter().flat_map(|look| &look.runs) {
            let commands = running.halt.commands.join(" && ");
            out.push(format!("Stopped{on}: the etcd that runs on {}, by: {commands}", running.halt.data_dir.shown()));
        }
        for member in members.iter().filter_map(|at| plan.members.get(*at)) {
            let Some(look) = look else {
                unknown.push(member.name.clone());
                continue;
            };
            let old = old_dirs(member, look, model.now());
            match old.is_empty() {
                true => free += 1,
                false => out.push(format!(
                    "Moved aside{on}: {} becomes {}.old-DATE, for {}",
                    old.join(" and "),
                    member.data_dir.shown(),
                    member.name
                )),
            }
        }
    }
    if !unknown.is_empty() {
        out.push(format!(
            "Not known yet for {}: anything in {} place is moved aside under a dated name",
            join::all(&unknown),
            plural(unknown.len(), "its", "their")
        ));
    }
    if out.is_empty() && free > 0 {
        out.push("Nothing: the places of the new directories are empty, and no etcd is stopped".into());
    }
    out
}

/// What is in a member's places now, each with its size and age.
fn old_dirs(member: &Member, look: &Look, now: i64) -> Vec<String> {
    hosts::dirs(member)
        .filter(|(column, dir)| look.is_old(*column, dir))
        .map(|(_, dir)| {
            let about = size_and_age(look, dir, now).map(|words| format!(" ({words})")).unwrap_or_default();
            format!("{}{about}", dir.shown())
        })
        .collect()
}

/// How a member is installed.
fn exchange(member: &Member, look: Option<&Look>, now: i64) -> String {
    let dir = member.data_dir.shown();
    let Some(look) = look.filter(|look| look.facts.is_ok()) else {
        return format!(
            "move anything at {dir} aside under a dated name, rename the new one into place and check it there"
        );
    };
    let old = old_dirs(member, look, now);
    match old.as_slice() {
        [] => format!("rename the new {dir} into place, where nothing is, and check it there"),
        old => format!(
            "move {} aside as {dir}.old-DATE, rename the new one into place and check it there",
            old.join(" and ")
        ),
    }
}
