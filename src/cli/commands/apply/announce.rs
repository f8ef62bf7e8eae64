//! What `apply` and `undo` will do, shown before they are agreed to.

use serde_json::{Value, json};

use crate::{
    domain::model::{host_address, plan::Plan},
    execute::{
        executor::Goal,
        preview::{Change, HostPreview},
    },
    text::{
        Shown,
        join::all,
        number::{plural, thousands},
    },
};

/// Returns what will be done, as lines for people; `stops` is whether running etcds are stopped.
pub(super) fn text(plan: &Plan, until: Goal, hosts: &[HostPreview], stops: bool) -> String {
    let undoes = until == Goal::Undone;
    let count = hosts.iter().flat_map(|host| &host.members).filter(|(_, change)| change.acts()).count();
    let members = format!("{} {}", count, plural(count, "member", "members"));
    let mut out = match undoes {
        true if count == 0 => format!("Plan {} of {}: nothing is rolled back.\n", plan.short_id(), plan.label),
        true => format!("Plan {} of {}: roll back {members}.\n", plan.short_id(), plan.label),
        false => format!(
            "Plan {} of {}: restore {members} from {} (revision {}, {} {}).\n",
            plan.short_id(),
            plan.label,
            plan.source.path.shown(),
            thousands(plan.source.revision.unsigned_abs()),
            thousands(plan.source.keys),
            plural(usize::try_from(plan.source.keys).unwrap_or(usize::MAX), "key", "keys"),
        ),
    };
    for host in hosts {
        let on = if host_address::is_local(&host.host) { String::new() } else { format!(" on {}", host.host) };
        for (name, change) in &host.members {
            out += &format!("  {name}{on}: {}\n", words(change));
        }
        for run in &host.runs {
            let command = run.commands.join(" && ");
            out += &match stops {
                true => format!("  The etcd on {}{on} is stopped first: {command}\n", run.data_dir.shown()),
                false => format!(
                    "  An etcd is running on {}{on}, so this is refused without --stop, which runs: {command}\n",
                    run.data_dir.shown()
                ),
            };
        }
    }
    out += match undoes {
        true if count == 0 => "",
        true => {
            "Nothing is deleted. Data written to the new cluster since the restore is only in the directories that are moved \
             away.\n"
        }
        false => {
            "Nothing is overwritten or deleted; `requorum undo` with this plan restores the previous directories.\n"
        }
    };
    out
}

fn words(change: &Change) -> String {
    let paths = |renames: &[(std::path::PathBuf, std::path::PathBuf)]| {
        all(&renames.iter().map(|(from, to)| format!("{} to {}", from.shown(), to.shown())).collect::<Vec<_>>())
    };
    match change {
        Change::Install { into, aside } if aside.is_empty() => {
            format!("build and verify the member, then install it as {}", into.shown())
        }
        Change::Install { into, aside } => format!(
            "build and verify the member, then install it as {}; {} {} there now, and moved aside under a dated name",
            into.shown(),
            all(&aside.iter().map(|dir| format!("the existing {}", dir.shown())).collect::<Vec<_>>()),
            plural(aside.len(), "is", "are"),
        ),
        Change::Installed => "already installed; nothing is done".into(),
        Change::Finish => "complete its installation, which was interrupted".into(),
        Change::RollBack { away, back } if back.is_empty() => {
            format!("move the restored {}; there was no previous directory", paths(away))
        }
        Change::RollBack { away, back } => {
            format!("move the restored {}, and the previous {} back", paths(away), paths(back))
        }
        Change::FinishRollBack => "complete its rollback, which was interrupted".into(),
        Change::Discard => "remove what was built in staging; it was not installed".into(),
        Change::HalfInstalled => {
            "its installation was interrupted: resume that run first; it cannot be rolled back yet".into()
        }
        Change::Nothing => "nothing to roll back".into(),
    }
}

/// Returns the same as JSON lines.
pub(super) fn json_lines(hosts: &[HostPreview]) -> String {
    let mut out = String::new();
    let mut put = |value: Value| out += &format!("{value}\n");
    for host in hosts {
        for (name, change) in &host.members {
            let (word, data) = match change {
                Change::Install { into, aside } => ("install", json!({ "data_dir": into, "moved_aside": aside })),
                Change::Installed => ("installed", Value::Null),
                Change::Finish => ("finish", Value::Null),
                Change::RollBack { away, back } => ("roll_back", json!({ "moved_away": away, "moved_back": back })),
                Change::FinishRollBack => ("finish_roll_back", Value::Null),
                Change::Discard => ("discard", Value::Null),
                Change::HalfInstalled => ("half_installed", Value::Null),
                Change::Nothing => ("nothing", Value::Null),
            };
            put(json!({
                "event": "would", "host": host.host, "member": name, "change": word, "acts": change.acts(), "data": data,
            }));
        }
        for run in &host.runs {
            put(
                json!({ "event": "would_stop", "host": host.host, "data_dir": run.data_dir, "commands": run.commands }),
            );
        }
    }
    out
}
