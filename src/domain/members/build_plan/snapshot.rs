//! What the chosen snapshot means for the plan: whether it may be taken, and what it brings along.
//! What survives a restore, and which server starts on what, was tried with real servers of 3.4 to
//! 3.7.

use std::path::Path;

use super::Draft;
use crate::{
    domain::{
        members::{
            confusables,
            table::{Column, Problem},
            validate,
        },
        model::{
            observations::{Content, FileFacts, Health},
            options::Options,
        },
    },
    etcd::version::Minor,
    text::{
        Shown,
        number::{byte_count, thousands},
        phrase::{all, plural},
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
            let text = "the snapshot lies in this data dir, which therefore is not empty; take another";
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

/// Options that cannot be carried out as they stand.
pub(super) fn options(options: &Options, target: Option<Minor>) -> Vec<Problem> {
    let mut out = Vec::new();
    if options.set_version && target.is_none() {
        out.push(error(
            "the versions can only be set for an etcd version; choose the one that will run (--etcd-version)",
        ));
    }
    out.extend(options.mode_bits().err().map(error));
    for (flag, text) in [("owner", options.owner.as_deref()), ("mode", options.mode.as_deref())] {
        if let Some(stray) = text.and_then(confusables::find_hidden) {
            out.push(error(format!("{} stands in the {flag}", stray.name)));
        }
    }
    if options.like.as_deref().is_some_and(Path::is_relative) {
        out.push(error("the directory whose owner is taken (--like) must be given from / on"));
    }
    out
}

/// What the snapshot brings along with these options: whether the target starts on it, and what the
/// operator will meet afterwards.
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
    let text = match &source.health {
        Health::Limited(damage) if source.content.is_some() && accepted == Some(damage.revision) => {
            if damage.hashed || skip_hash_check {
                return Some(warning(format!("the snapshot is damaged, and accepted as it is: {}", damage.why)));
            }
            "the snapshot carries no SHA-256 (a copy of member/snap/db does not); say that it may be taken (--skip-hash-check), or take another".into()
        }
        Health::Limited(damage) => format!(
            "the snapshot is damaged: {}; take another, or accept that state (--accept-damage={})",
            damage.why, damage.revision
        ),
        Health::Verified if source.content.is_some() => {
            let bytes = source.content.as_ref()?.snapshot_bytes?;
            return Some(warning(format!(
                "the snapshot is the first {} of the file, and its SHA-256 is right; what follows does not belong to it and is not read",
                byte_count(bytes)
            )));
        }
        Health::Unhashed if skip_hash_check && source.content.is_some() => {
            return Some(warning(
                "the snapshot carries no SHA-256; its pages are sound, but a changed value in it would not be noticed",
            ));
        }
        Health::Unhashed if !skip_hash_check => {
            "the snapshot carries no SHA-256 (a copy of member/snap/db does not); say that it may be taken (--skip-hash-check), or take another".into()
        }
        Health::Packed(why) | Health::Broken(why) | Health::Unreadable(why) => format!("the snapshot cannot be restored: {why}"),
        _ => "the snapshot was not read through yet".to_string(),
    };
    Some(error(text))
}

/// A path that a plan file can hold and a person can read.
pub(super) fn path(path: &Path) -> Option<Problem> {
    match path.to_str() {
        None => Some(error(format!("the snapshot's path {} is not UTF-8; rename the file", path.shown()))),
        Some(text) if confusables::find_hidden(text).is_some() => {
            let stray = confusables::find_hidden(text).map(|s| s.name).unwrap_or_default();
            Some(error(format!("{stray} stands in the snapshot's path; rename the file")))
        }
        Some(_) if path.is_relative() => Some(warning(format!(
            "the snapshot's path {} holds only in this directory; give it from / on",
            path.shown()
        ))),
        Some(_) => None,
    }
}

/// The bounds of `--bump-revision`, and that it comes with `--mark-compacted`.
pub(super) fn bump(revision: i64, bump: u64, mark_compacted: bool) -> Option<Problem> {
    if bump > 0 && !mark_compacted {
        return Some(error(
            "a revision bump needs the mark as compacted, or watchers would wait for revisions that never were",
        ));
    }
    if bump == 0 && mark_compacted {
        return Some(error("the mark as compacted needs a revision bump; give one or leave both"));
    }
    if revision.checked_add_unsigned(bump).is_none() {
        let room = i64::MAX.abs_diff(revision);
        return Some(error(format!(
            "revision {} bumped by {} passes the largest revision that etcd can count to; {} is the most",
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
    // A database that was copied before its etcd had written the storage version tells only the cluster's.
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
                "etcd 3.6 does not start on a snapshot of {stored} (\"{why}\"); take etcd {stored}, or have its versions set for 3.6 (--set-version)"
            )));
        }
        Some(target) if stored > target => {
            format!(
                "the snapshot is of etcd {stored}; etcd {target} starts on it, but etcd's authors do not support that, and a later upgrade may fail unless its versions are set for {target} (--set-version)"
            )
        }
        None if stored > Minor::V3_6 => format!(
            "the snapshot is of etcd {stored}; etcd 3.6 does not start on it unless its versions are set (--etcd-version=3.6 --set-version)"
        ),
        _ => return None,
    };
    Some(warning(text))
}

/// What a restore carries over and the operator will meet afterwards.
fn brings(content: &Content, options: &Options) -> Vec<Problem> {
    let mut out: Vec<Problem> = validate::defaults_seen(&content.members).map(warning).into_iter().collect();
    if !content.alarms.is_empty() && !options.clear_alarms {
        out.push(warning(format!(
            "{} {} in the snapshot and will be in the new cluster: writes fail until `etcdctl alarm disarm`; --clear-alarms leaves them out",
            all(&content.alarms),
            plural(content.alarms.len(), "is an alarm", "are alarms"),
        )));
    }
    if content.auth_enabled && !options.disable_auth {
        out.push(warning(format!(
            "authentication is on in the snapshot ({} {}): have root's password ready, the new cluster asks for it; where it is lost, --disable-auth switches authentication off",
            content.users,
            plural(usize::try_from(content.users).unwrap_or(usize::MAX), "user", "users"),
        )));
    }
    if content.downgrading && !options.finish_downgrade {
        out.push(warning(
            "a downgrade is in progress in the snapshot and goes on in the new cluster; `etcdctl downgrade cancel` ends it, and so does --finish-downgrade",
        ));
    }
    if content.leases > 0 {
        out.push(warning(format!(
            "{} {} from its full time when the new cluster has a leader; keys vanish then unless their owners are back",
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
