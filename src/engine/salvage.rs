//! Salvage: what the files of dead members still hold, made into an ordinary snapshot.
//!
//! The log of a member is ahead of its database, and may be whole where the database is gone. So the entries of the log that raft
//! would elect are applied, as etcd applies them, to the database from which they lead furthest. The result is a snapshot like
//! any other, with a report on what it holds, from where, and what is missing.
//!
//! Sources are only read. Which file does what: `sources` reads directories, `log` a WAL through damage, `merge` makes one log of
//! several, `choose` finds the database to begin from, `replay` and `apply` carry the entries out on the `store`, `write` writes
//! the result.

pub mod apply;
pub mod choose;
pub mod key_index;
pub mod log;
pub mod merge;
pub mod replay;
pub mod report;
pub mod report_text;
pub mod sources;
pub mod store;
pub mod write;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::report::{REPORT, REPORT_JSON};
use self::{
    choose::{Choice, Start, Verdict},
    log::{MemberLog, find},
    merge::{Disagreement, Merged},
    report::{BaseReport, Plain, Report, Stop},
    sources::{Database, DatabaseKind, Dir},
    write::{Target, joined},
};
use super::{durable_fs::Disk, progress::ProgressFn, scan::key_loss, source::creation_trouble};
use crate::{
    bbolt::WriteAt,
    error::{Error, ErrorKind, Remedy, Result},
    etcd::version::Minor,
    text::{Shown, number::thousands},
};

/// What is to be salvaged.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Directories of members.
    pub dirs: Vec<PathBuf>,
    /// Snapshots of the same cluster.
    pub older: Vec<PathBuf>,
    /// The file to make.
    pub output: PathBuf,
    /// Whether entries are left out that no member recorded as committed.
    pub committed_only: bool,
    /// The etcd that wrote the logs, with its patch release: where releases differ, no file records which it was.
    pub version: Option<(Minor, u32)>,
}

/// Salvages, and writes the snapshot and its report.
///
/// # Errors
/// If nothing can be salvaged, an entry cannot be applied as etcd would, or the result cannot be written. `Stopped`. Nothing is
/// left then.
pub fn salvage(spec: &Spec, disk: &Disk, watch: &mut ProgressFn<'_>) -> Result<Report> {
    let mut target = Target::begin(disk, &spec.output, &[REPORT, REPORT_JSON])?;
    let mut dirs = Vec::new();
    for path in &spec.dirs {
        dirs.push(Dir::read(path, watch)?);
    }
    sources::one_cluster(&dirs)?;
    let logs: Vec<(usize, &MemberLog)> =
        dirs.iter().enumerate().filter_map(|(at, dir)| Some((at, dir.log.as_ref().ok()?))).collect();
    let merged = merge::merge(&logs).map_err(|disagreement| disagree(&dirs, disagreement))?.unwrap_or_default();
    let mut databases: Vec<Database> = dirs.iter().enumerate().flat_map(|(at, dir)| dir.databases(at)).collect();
    databases.extend(spec.older.iter().flat_map(|path| Database::states(path, DatabaseKind::Snapshot, None)));
    let end = merged.runs.last().map_or(0, |run| run.last);
    let limit = if spec.committed_only { merged.commit.min(end) } else { end };
    let Choice { start, verdicts, no_beginning } = choose::choose(&databases, &dirs, &merged, limit, watch)?;
    let Some(start) = start else {
        return Err(nothing(&databases, &verdicts, &dirs, no_beginning));
    };
    let chosen = start.database.and_then(|at| databases.get(at));
    let facts = chosen.and_then(|database| database.facts.as_ref().ok());
    let minor = choose::version(&dirs, &merged, start, facts).map_err(|version| {
        Error::new(ErrorKind::Input, format!("the log was written by etcd {version}"))
            .why("requorum knows what the entries of 3.4 to 3.7 do")
            .hint("A later version of requorum may know it.")
    })?;
    let patch = spec.version.map(|(_, patch)| patch);
    let minor = spec.version.map_or(minor, |(minor, _)| minor);
    let base = chosen.map(Database::open).transpose()?.map(Arc::new);
    let mut state = replay::begin(base.as_ref(), (minor, patch), target.scratch()?, watch)?;
    let applied = replay::run(&mut state, &dirs, &merged, start, watch)?;
    let written = target.write(&mut state, base.as_deref(), watch)?;
    let result = Database::snapshot(&target.hidden());
    if let Some(why) = result.damage(watch)? {
        return Err(Error::new(ErrorKind::Bug, "the result is not an intact snapshot").why(why));
    }
    let members = state.members();
    let stop = stop(&merged, start, limit, end, spec.committed_only);
    let doubts = report::doubts(&state.doubts);
    let plain = plain(&databases, &verdicts, state.store.revision(), &target.hidden(), watch)?;
    let index = start.reached.max(start.index);
    let report = Report {
        file: spec.output.clone(),
        bytes: written.bytes,
        sha256: written.sha256,
        etcd: minor,
        revision: state.store.revision(),
        keys: state.store.live(),
        index,
        term: find(&merged.runs, index).map(|run| run.term).or(facts.and_then(|facts| facts.term)).unwrap_or(0),
        sources: report::sources(&dirs, &databases, &verdicts, &members),
        base: chosen.zip(facts).map(|(database, facts)| BaseReport {
            path: database.path.clone(),
            kind: database.kind,
            before_last_transaction: database.unproven(),
            index: facts.consistent_index,
            revision: facts.revision,
        }),
        chosen: dirs.get(merged.chosen).filter(|_| !merged.runs.is_empty()).map(|dir| dir.path.clone()),
        commit: merged.commit,
        filled: merged.filled.clone(),
        dropped: merged.dropped.clone(),
        applied,
        stopped: stop,
        acknowledged: report::acknowledged(
            &dirs,
            &merged,
            &members,
            stop,
            chosen.is_some_and(Database::unproven),
            &doubts,
        ),
        doubts,
        plain,
    };
    publish(target, &spec.output, &report)?;
    Ok(report)
}

/// Gives the snapshot its name and writes the report next to it.
fn publish(target: Target, output: &Path, report: &Report) -> Result<()> {
    let dir = target.publish()?;
    let json = serde_json::to_string_pretty(report).unwrap_or_default() + "\n";
    for (end, text) in [(REPORT, report.markdown()), (REPORT_JSON, json)] {
        let path = PathBuf::from(joined(output.as_os_str(), end));
        let name = joined(output.file_name().unwrap_or_default(), end);
        let made = dir.create(&name, 0o600);
        let written = made.and_then(|file| {
            file.write_all_at(text.as_bytes(), 0)?;
            file.sync()
        });
        written.and_then(|()| dir.sync()).map_err(|e| {
            let hint = "The snapshot itself is complete; only this report of it is missing.";
            creation_trouble("write", &path, &e).hint(hint)
        })?;
    }
    Ok(())
}

/// Why a replay ended before the end of the log, if it did.
fn stop(merged: &Merged, start: Start, limit: u64, end: u64, committed_only: bool) -> Option<Stop> {
    if start.reached < limit {
        let after = merged.runs.iter().find(|run| run.first > start.reached);
        let first = start.reached.saturating_add(1);
        let last = after.map_or(limit, |run| run.first.saturating_sub(1));
        let runs = merged.runs.iter().filter(|run| run.first > last);
        let after = runs.map(|run| run.last.saturating_sub(run.first).saturating_add(1)).fold(0, u64::saturating_add);
        return Some(Stop::Gap { first, last, after });
    }
    let left_out = end.saturating_sub(start.reached);
    (committed_only && left_out > 0).then_some(Stop::CommittedOnly { left_out })
}

/// What the best of the databases lacks: the one with the highest revision that is intact as it is.
fn plain(
    databases: &[Database],
    verdicts: &[Verdict],
    revision: i64,
    result: &Path,
    watch: &mut ProgressFn<'_>,
) -> Result<Option<Plain>> {
    let mut usable: Vec<(&Database, i64, bool)> = databases
        .iter()
        .zip(verdicts)
        .filter(|(database, verdict)| !database.older && !matches!(verdict, Verdict::Rejected(_)))
        .filter_map(|(database, verdict)| {
            Some((database, database.facts.as_ref().ok()?.revision, *verdict == Verdict::Chosen))
        })
        .collect();
    usable.sort_by_key(|(_, revision, _)| std::cmp::Reverse(*revision));
    for (database, own, checked) in usable {
        if !checked && database.damage(watch)?.is_some() {
            continue;
        }
        let writes = u64::try_from(revision.saturating_sub(own)).unwrap_or(0);
        // What cannot be compared is still counted.
        let difference = match key_loss::difference(&database.path, result, watch) {
            Ok((difference, true)) => Some(difference),
            Ok(_) => None,
            Err(e) if e.kind == ErrorKind::Stopped => return Err(e),
            Err(_) => None,
        };
        let lacks = difference.as_ref().map(report_text::lacks);
        return Ok(Some(Plain { path: database.path.clone(), revision: own, writes, difference, lacks }));
    }
    Ok(None)
}

/// The error of logs that contradict each other.
fn disagree(dirs: &[Dir], disagreement: Disagreement) -> Error {
    let [(a, first), (b, second)] = disagreement.logs;
    let path = |at: usize| dirs.get(at).map(|dir| dir.path.shown()).unwrap_or_default();
    Error::new(ErrorKind::Input, "the logs contradict each other")
        .why(format!(
            "entry {} is committed in both, with term {first} in {} and term {second} in {}",
            thousands(disagreement.index),
            path(a),
            path(b)
        ))
        .hint(
            "They are of different histories, for example before and after a restore or --force-new-cluster. Salvage each on \
             its own.",
        )
        .remedies(&[Remedy::CompareSnapshots])
}

/// The error of directories from which nothing can be made.
fn nothing(databases: &[Database], verdicts: &[Verdict], dirs: &[Dir], no_beginning: Option<String>) -> Error {
    let mut why: Vec<String> = databases
        .iter()
        .zip(verdicts)
        .filter_map(|(database, verdict)| match verdict {
            Verdict::Rejected(why) => Some(format!("{}: {why}", database.path.shown())),
            _ => None,
        })
        .collect();
    if databases.is_empty() {
        why.push("there is no database".into());
    }
    why.extend(dirs.iter().filter_map(|dir| Some(format!("{}: {}", dir.path.shown(), dir.log.as_ref().err()?))));
    why.extend(no_beginning);
    Error::new(ErrorKind::Input, "nothing can be salvaged").why(why.join("; ")).hint(
        "Give the directories of more members, or an older snapshot of this cluster with --older-snapshot: the log is then applied \
         to it, where it reaches back far enough.",
    )
}

#[cfg(test)]
mod tests;
