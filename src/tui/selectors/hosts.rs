//! A host in words: one sentence for its row, and all that was seen of it.

use crate::{
    domain::{
        members::table::{Column, Severity},
        model::{
            observations::host::{HostFacts, PlaceState, Root},
            plan::Plan,
        },
        preflight::{host_report::Look, hosts},
    },
    text::{Foreign, Shown, size, time},
    tui::widgets::remedies,
    tui::{state::hosts::display_name, widgets::theme::Tone},
};

/// Whether the host of a member can take it, in one sentence, with its mark.
pub(crate) fn row_words(plan: &Plan, look: &Look, at: usize, now: i64) -> (&'static str, Tone, String) {
    let facts = match &look.facts {
        Ok(facts) => facts,
        Err(error) => return ("✖", Tone::Bad, error.sentence()),
    };
    let mine = |row: Option<usize>| row.is_none_or(|row| row == at);
    let errors: Vec<String> = look.errors().filter(|p| mine(p.row)).map(remedies::problem).collect();
    if !errors.is_empty() {
        return ("✖", Tone::Bad, errors.join("; "));
    }
    let Some(member) = plan.members.get(at) else { return ("", Tone::Plain, String::new()) };
    let mut words = vec![format!("ready, {}", who(facts))];
    if let Some(free) = look.place(&member.data_dir).and_then(|place| place.free) {
        words.push(format!("{} free", size::size(free)));
    }
    let warnings: Vec<String> = look
        .problems
        .iter()
        .filter(|p| p.severity == Severity::Warning && mine(p.row))
        .map(remedies::problem)
        .collect();
    let old = hosts::dirs(member).any(|(column, dir)| look.is_old(column, dir));
    if old {
        let about = size_and_age(look, &member.data_dir, now).map(|words| format!(" ({words})")).unwrap_or_default();
        words.push(format!("the old member there{about} is moved aside"));
    }
    words.extend(warnings.iter().cloned());
    let runs = look.runs.iter().find(|running| running.halt.data_dir == member.data_dir);
    if let Some(running) = runs {
        words.push(format!("an etcd runs on it, which this stops: {}", running.halt.commands.join(" && ")));
    }
    match warnings.is_empty() && runs.is_none() && !look.unclear() {
        true => ("✔", Tone::Good, words.join("; ")),
        false => ("!", Tone::Warn, words.join("; ")),
    }
}

/// As whom the work is done: `as ops, root by sudo`.
pub(crate) fn who(facts: &HostFacts) -> String {
    let root = match facts.root {
        Root::Is => "",
        Root::Sudo => ", root by sudo",
        Root::No => ", not root",
    };
    format!("as {}{root}", facts.user)
}

/// Everything known about a host.
pub(crate) fn lines(plan: &Plan, look: &Look, now: i64) -> Vec<String> {
    let names: Vec<&str> = look.members.iter().filter_map(|at| Some(plan.members.get(*at)?.name.as_str())).collect();
    let host = display_name(&look.host);
    let mut out = vec![format!("{host}: {}", names.join(", "))];
    let facts = match &look.facts {
        Ok(facts) => facts,
        Err(error) => {
            out.push(format!("  ✖ {}", error.sentence()));
            out.extend(remedies::advice(error).lines().map(|line| format!("    {}", line.trim())));
            return out;
        }
    };
    let clock = match facts.skew {
        0 => "its clock is right".to_string(),
        ahead @ 1.. => format!("its clock is {ahead} s ahead"),
        behind => format!("its clock is {} s behind", behind.unsigned_abs()),
    };
    out.push(format!("  {} {}, {}; {clock}", facts.system, facts.machine, who(facts)));
    for problem in &look.problems {
        let mark = if problem.severity == Severity::Error { "✖" } else { "!" };
        let member =
            problem.row.and_then(|row| plan.members.get(row)).map(|m| format!("{}: ", m.name)).unwrap_or_default();
        out.push(format!("  {mark} {member}{}", remedies::problem(problem)));
    }
    let dirs = look.members.iter().filter_map(|at| plan.members.get(*at)).flat_map(hosts::dirs);
    for (column, dir) in dirs {
        out.extend(place(look, column, dir, now));
    }
    for (pid, line) in &facts.etcds {
        out.push(format!("  an etcd runs there, process {pid}: {line}"));
    }
    for running in &look.runs {
        out.push(format!("  the one on {} is stopped by:", running.halt.data_dir.shown()));
        out.extend(running.halt.commands.iter().map(|command| format!("    {command}")));
    }
    for automation in &look.automation {
        out.push(format!("  ! {}; this pauses it: {}", automation.what, automation.pause));
    }
    out
}

fn place(look: &Look, column: Column, dir: &std::path::Path, now: i64) -> Option<String> {
    let place = look.place(dir)?;
    let state = match &place.state {
        PlaceState::Absent => "not there yet".to_string(),
        PlaceState::Dir(names) if names.is_empty() => "empty".into(),
        PlaceState::Dir(_) if look.is_old(column, dir) => {
            let about = size_and_age(look, dir, now).map(|words| format!(" ({words})")).unwrap_or_default();
            format!("an old member's{about}; it is moved aside")
        }
        PlaceState::Dir(names) => format!("holds {}", names.first().map(Foreign::as_str).unwrap_or_default()),
        PlaceState::Closed => "permission denied".into(),
        PlaceState::File => "not a directory".into(),
    };
    let free = place.free.map(|free| format!(", {} free on {}", size::size(free), place.mount)).unwrap_or_default();
    let owner = if place.owner.is_empty() { String::new() } else { format!(" of {}", place.owner) };
    Some(format!("  {}: {state}; {}{owner}{free}", dir.shown(), place.there.shown()))
}

/// What a text says of sizes and ages of what is in a directory, where it was looked at closely: `41 MB, written 3 h
/// ago`.
pub(crate) fn size_and_age(look: &Look, dir: &std::path::Path, now: i64) -> Option<String> {
    let says = look.found.iter().find(|found| found.data_dir == dir)?.state.says()?;
    let age = says.written.map(|at| format!(", written {} ago", time::age(now.saturating_sub(at)))).unwrap_or_default();
    Some(format!("{}{age}", size::size(says.database.bytes)))
}
