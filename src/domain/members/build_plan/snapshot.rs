//! What the chosen snapshot means for the plan: whether it may be used, and what it carries over.
//! What survives a restore, and which server starts on what, was tried with real servers of 3.4 to
//! 3.7.

use std::path::Path;

use super::Draft;
use crate::{
    domain::{
        members::{
            table::{Column, Problem},
            validate,
        },
        model::{
            observations::{Content, FileFacts, Health},
            options::Options,
        },
    },
    error::Remedy,
    etcd::version::Minor,
    text::{
        Shown, confusables,
        join::all,
        number::{plural, thousands},
        size::byte_count,
    },
};

/// Every problem with the source of a draft.
pub(super) fn check(draft: &Draft) -> Vec<Problem> {
    let mut out = Vec::new();
    let Some(source) = &draft.source else {
        return vec![error("no snapshot is chosen yet")];
    };
    out.extend(health(source, draft.skip_hash_check, draft.options.accept_damage));
    out.extend(path(&source.path));
    for (at, row) in draft.rows.iter().enumerate() {
        let dir = row.text(Column::DataDir).trim();
        if dir.starts_with('/') && source.path.starts_with(dir) {
            let text = "the snapshot is in this data dir, so the data dir is not empty; choose another";
            out.push(Problem::error(Some(at), Some(Column::DataDir), text));
        }
    }
    if let Some(content) = &source.content {
        out.extend(bump(content.revision, draft.bump_revision, draft.mark_compacted));
        out.extend(brought(content, draft.target, &draft.options));
    }
    out.extend(options(&draft.options, draft.target));
    out
}

/// Returns the problems of the options.
pub(super) fn options(options: &Options, target: Option<Minor>) -> Vec<Problem> {
    let mut out = Vec::new();
    if options.set_version && target.is_none() {
        out.push(error("setting the versions needs a target etcd version").by(Remedy::NameVersion));
    }
    out.extend(options.mode_bits().err().map(error));
    for (flag, text) in [("owner", options.owner.as_deref()), ("mode", options.mode.as_deref())] {
        if let Some(stray) = text.and_then(confusables::find_hidden) {
            out.push(error(format!("{} in the {flag}", stray.name)));
        }
    }
    if options.like.as_deref().is_some_and(Path::is_relative) {
        out.push(error("the directory to copy the owner from must be an absolute path"));
    }
    out
}

/// Returns what the snapshot carries over with these options: whether the target starts on it, and what
/// follows afterwards.
pub fn brought(content: &Content, target: Option<Minor>, options: &Options) -> Vec<Problem> {
    versions(content, target, options).into_iter().chain(brings(content, options)).collect()
}

fn error(text: impl Into<String>) -> Problem {
    Problem::error(None, None, text)
}

fn warning(text: impl Into<String>) -> Problem {
    Problem::warning(None, None, text)
}

fn health(source: &FileFacts, skip_hash_check: bool, accepted: Option<i64>) -> Option<Problem> {
    const UNHASHED: &str =
        "the snapshot has no SHA-256 (a copy of member/snap/db has none); allow it, or choose another";
    let text = match &source.health {
        Health::Limited(damage) if source.content.is_some() && accepted == Some(damage.revision) => {
            if damage.hashed || skip_hash_check {
                return Some(warning(format!("the snapshot is damaged; accepted as it is: {}", damage.why)));
            }
            return Some(error(UNHASHED).by(Remedy::AcceptUnhashed));
        }
        Health::Limited(damage) => {
            let text = format!("the snapshot is damaged: {}; choose another, or accept that state", damage.why);
            return Some(error(text).by(Remedy::AcceptDamage { revision: damage.revision }));
        }
        Health::Verified if source.content.is_some() => {
            let bytes = source.content.as_ref()?.snapshot_bytes?;
            return Some(warning(format!(
                "the snapshot is the first {} of the file, and its SHA-256 matches; the rest does not belong to it and is not read",
                byte_count(bytes)
            )));
        }
        Health::Unhashed if skip_hash_check && source.content.is_some() => {
            return Some(warning(
                "the snapshot has no SHA-256; its pages are intact, but a changed value in it would not be noticed",
            ));
        }
        Health::Unhashed if !skip_hash_check => return Some(error(UNHASHED).by(Remedy::AcceptUnhashed)),
        Health::Packed(why) | Health::Broken(why) | Health::Unreadable(why) => {
            format!("the snapshot cannot be restored: {why}")
        }
        _ => "the snapshot has not been read in full yet".to_string(),
    };
    Some(error(text))
}

/// Checks that the path can be written to a plan file and read by people.
pub(super) fn path(path: &Path) -> Option<Problem> {
    match path.to_str() {
        None => Some(error(format!("the snapshot's path {} is not UTF-8; rename the file", path.shown()))),
        Some(text) if confusables::find_hidden(text).is_some() => {
            let stray = confusables::find_hidden(text).map(|s| s.name).unwrap_or_default();
            Some(error(format!("{stray} in the snapshot's path; rename the file")))
        }
        Some(_) if path.is_relative() => {
            Some(warning(format!("the snapshot's path {} is relative; give an absolute path", path.shown())))
        }
        Some(_) => None,
    }
}

/// The bounds of `--bump-revision`, and that it comes with `--mark-compacted`.
pub(super) fn bump(revision: i64, bump: u64, mark_compacted: bool) -> Option<Problem> {
    if bump > 0 && !mark_compacted {
        return Some(error(
            "a revision bump without marking the skipped revisions compacted: watchers would wait for revisions that never \
             existed",
        )
        .by(Remedy::MarkCompacted));
    }
    if bump == 0 && mark_compacted {
        return Some(error("marking compacted needs a revision bump").by(Remedy::MarkCompacted));
    }
    if revision.checked_add_unsigned(bump).is_none() {
        let room = i64::MAX.abs_diff(revision);
        return Some(error(format!(
            "revision {} bumped by {} exceeds the largest revision etcd supports; the largest possible bump is {}",
            thousands(revision.unsigned_abs()),
            thousands(bump),
            thousands(room)
        )));
    }
    None
}

/// Whether the target's servers start on the snapshot's schema.
fn versions(content: &Content, target: Option<Minor>, options: &Options) -> Option<Problem> {
    if options.set_version {
        return None;
    }
    // A database that was copied before its etcd had written the storage version holds only the cluster's.
    let storage: Option<Minor> = content.storage_version.parse().ok();
    let stored = storage.max(content.cluster_version.parse().ok())?;
    let text = match target {
        // 3.6 checks `meta/storageVersion` before anything else and exits, and panics on a cluster version later than
        // its own; 3.4 and 3.5 look at neither.
        Some(Minor::V3_6) if stored > Minor::V3_6 => {
            let why = match storage {
                Some(storage) if storage > Minor::V3_6 => {
                    format!("version \\\"{}\\\" is not supported", content.storage_version)
                }
                _ => "invalid downgrade; server version is lower than determined cluster version".into(),
            };
            return Some(error(format!(
                "etcd 3.6 does not start on a snapshot of {stored} (\"{why}\"); use etcd {stored}, or set its versions for 3.6"
            ))
            .by(Remedy::SetVersions));
        }
        Some(target) if stored > target => {
            format!(
                "the snapshot is of etcd {stored}; etcd {target} starts on it, but that is not supported by etcd, and a later upgrade may fail unless its versions are set for {target}"
            )
        }
        None if stored > Minor::V3_6 => {
            format!("the snapshot is of etcd {stored}; etcd 3.6 does not start on it unless its versions are set")
        }
        _ => return None,
    };
    Some(warning(text).by(Remedy::SetVersions))
}

/// Returns what a restore carries over and what follows afterwards.
fn brings(content: &Content, options: &Options) -> Vec<Problem> {
    let mut out: Vec<Problem> = validate::defaults_seen(&content.members).map(warning).into_iter().collect();
    if !content.alarms.is_empty() && !options.clear_alarms {
        out.push(
            warning(format!(
                "{} {} in the snapshot and will be active in the new cluster: writes fail until `etcdctl alarm disarm`",
                all(&content.alarms),
                plural(content.alarms.len(), "is an alarm", "are alarms"),
            ))
            .by(Remedy::ClearAlarms),
        );
    }
    if content.auth_enabled && !options.disable_auth {
        out.push(warning(format!(
            "authentication is enabled in the snapshot ({} {}): have root's password ready, the new cluster requires it",
            content.users,
            plural(usize::try_from(content.users).unwrap_or(usize::MAX), "user", "users"),
        ))
        .by(Remedy::DisableAuth));
    }
    if content.downgrading && !options.finish_downgrade {
        let text = "a downgrade is in progress in the snapshot and continues in the new cluster, until `etcdctl downgrade \
                    cancel`";
        out.push(warning(text).by(Remedy::FinishDowngrade));
    }
    if content.leases > 0 {
        out.push(warning(format!(
            "{} {} with its full TTL when the new cluster has a leader; its keys are deleted when it expires unless their owners are back",
            thousands(content.leases),
            plural(
                usize::try_from(content.leases).unwrap_or(usize::MAX),
                "lease starts again",
                "leases start again, each"
            ),
        )));
    }
    out
}
