//! The plan as sentences, in execution order: what Review shows before the label is typed.

use crate::{
    domain::{
        members::token::Shared,
        model::{
            host_address,
            plan::{Member, Plan},
        },
    },
    etcd::version::Minor,
    text::{
        Shown,
        join::all,
        number::{plural, thousands},
    },
};

/// The plan in words, in order: what is read, what is written, what is left untouched. Sentences
/// without a full stop.
pub fn sentences(plan: &Plan, ids: &Shared) -> Vec<String> {
    let mut out = beginning(plan);
    for m in &plan.members {
        out.push(format!(
            "{}{}: build {} (member ID {}) in staging, verify it, rename it into place; existing data is never overwritten",
            m.name,
            if host_address::is_local(&m.host) { String::new() } else { format!(" on {}", m.host) },
            dirs(m),
            m.id,
        ));
    }
    out.extend(outcome(plan, ids));
    out.push(
        "Everything else on this machine stays untouched: the snapshot, old data directories, running processes".into(),
    );
    out.push("No etcd is started or stopped by requorum; the exact commands follow in Launch. Stop whatever is left of the old cluster before you run them".into());
    out
}

/// A member's directories: `/var/lib/etcd and its log /wal`.
pub fn dirs(member: &Member) -> String {
    let wal = member.wal_dir.as_ref().map(|wal| format!(" and its log {}", wal.shown())).unwrap_or_default();
    format!("{}{wal}", member.data_dir.shown())
}

/// What is read, and in which form it is written. Sentences without a full stop.
pub fn beginning(plan: &Plan) -> Vec<String> {
    let source = &plan.source;
    let mut out = vec![format!(
        "Read {} (SHA-256 {}, revision {}, {} {}) and verify it again; it is only read",
        source.path.shown(),
        short(&source.sha256),
        number(source.revision),
        thousands(source.keys),
        plural(usize::try_from(source.keys).unwrap_or(usize::MAX), "key", "keys"),
    )];
    if source.skip_hash_check {
        out.push(
            "It has no SHA-256 of its own: its pages and rows are checked, but a changed value in it would not be noticed"
                .into(),
        );
    }
    if plan.bump_revision > 0 {
        out.push(format!(
            "Begin at revision {}, {} after the snapshot's, and mark all before it as compacted: clients that know a revision up to {} list again",
            number(plan.expected_revision()),
            thousands(plan.bump_revision),
            number(plan.expected_revision()),
        ));
    } else if plan.revisions.complete && !plan.revisions.clients.is_empty() {
        out.push(
            "Begin at the snapshot's own revision: no write after it can have been acknowledged, so clients know no later one"
                .into(),
        );
    }
    out.push(match plan.target {
        Some(minor) => format!("Write it for etcd {minor}"),
        None => "Write it in the format of etcd 3.5, which etcd 3.4 to 3.7 can start from".into(),
    });
    out.extend(options(plan));
    out
}

/// What the result is, and what is not in it; `ids` is what comparing its IDs with the old cluster's showed. Sentences
/// without a full stop.
pub fn outcome(plan: &Plan, ids: &Shared) -> Vec<String> {
    let source = &plan.source;
    let names: Vec<String> = plan.members.iter().map(|m| m.name.clone()).collect();
    let apart = match ids {
        Shared::None => "; its token is its own, so members of the old cluster cannot join it",
        // Nothing of the old cluster's IDs is known, so nothing is asserted about them.
        Shared::Unknown => "",
        Shared::Cluster(_) | Shared::Members { .. } => {
            "; its token is the old one, so a member that comes back with its old data can join it"
        }
    };
    let result = format!(
        "The result is a new cluster {} (token {}) of {}: {} {}, {} needed to serve{apart}",
        plan.cluster_id,
        plan.token,
        all(&names),
        names.len(),
        plural(names.len(), "member", "members"),
        plan.quorum(),
    );
    let carried = if plan.options.clear_alarms { "keys, leases and users" } else { "keys, leases, users and alarms" };
    let missing = format!(
        "Writes that the old cluster took after revision {} are not in it; {carried} of the snapshot are",
        number(source.revision),
    );
    vec![result, missing]
}

/// What is done beyond a plain restore, one sentence each.
fn options(plan: &Plan) -> Vec<String> {
    let chosen = &plan.options;
    let mut out = Vec::new();
    let mut say = |asked: bool, text: &str| {
        if asked {
            out.push(text.to_string());
        }
    };
    say(chosen.clear_alarms, "Leave out the alarms in the snapshot: the members that raised them are gone");
    say(chosen.finish_downgrade, "End the downgrade that was in progress when the snapshot was taken");
    say(
        chosen.disable_auth,
        "Disable authentication: until `etcdctl auth enable` anyone who can reach the cluster can read and write; users and roles are kept",
    );
    if let (true, Some(target)) = (chosen.set_version, plan.target) {
        let text = match target < Minor::V3_6 {
            true => format!(
                "Set the cluster version to {target}.0 and remove the storage version, which etcd {target} does not know"
            ),
            false => format!("Set storage and cluster version to {target}.0"),
        };
        say(true, &text);
    }
    say(chosen.compact, "Write the database compacted: live pages only, renumbered");
    if let Some(revision) = chosen.accept_damage {
        let text = format!(
            "Take the state of revision {} though a meta page or the freelist of the file is damaged, and rebuild the database from its rows",
            number(revision)
        );
        say(true, &text);
    }
    match (&chosen.owner, &chosen.like) {
        (Some(owner), _) => say(true, &format!("Set the owner of everything created to {owner}")),
        (None, Some(like)) => say(true, &format!("Set the owner of everything created to that of {}", like.shown())),
        (None, None) => {}
    }
    if let Some(mode) = &chosen.mode {
        say(true, &format!("Set the mode of the new directories to {mode}"));
    }
    out
}

fn number(revision: i64) -> String {
    thousands(revision.unsigned_abs())
}

/// The first digits of a hash, enough to compare by eye.
fn short(sha256: &str) -> String {
    let digits: String = sha256.chars().take(8).collect();
    if digits.len() < sha256.len() { format!("{digits}…") } else { digits }
}
