//! The proof of a restore: all that was written is reopened with the readers, and compared with
//! the source and the plan. It trusts nothing that the writers believe.

use std::{fs, fs::File, path::Path};

use super::{
    inspect::{Halt, Walk, check_and_walk},
    progress::{Phase, Progress, Watch},
    restore::{Job, Restored, snap_files},
    source::io_trouble,
};
use crate::{
    bolt::View,
    etcd::{membership::Id, revision::Revision, schema},
    raft::{snap, wal},
    trouble::{Kind, Result, Trouble},
};

/// What was made, not yet in its place.
pub struct Made<'a> {
    /// The database.
    pub db: &'a Path,
    /// The directory with the `.snap` file.
    pub snap_dir: &'a Path,
    /// The directory with the WAL segment.
    pub wal_dir: &'a Path,
    /// The ID that the member must have.
    pub member: Id,
    /// The bump row, if one was written.
    pub bump: Option<Revision>,
}

/// Reads all of it back and compares.
///
/// # Errors
/// `Failed`, naming the first thing that is not as it must be: the disk or requorum is at fault.
pub fn prove(job: &Job<'_>, made: &Made<'_>, source: &Walk, watch: &mut Watch<'_>) -> Result<Restored> {
    let wrong = |what: String| {
        Trouble::new(Kind::Failed, format!("the restored {} is not right", job.name))
            .why(what)
            .hint("What was made is removed. If the disk is healthy this is a defect of requorum; please report it.")
    };

    let file = File::open(made.db).map_err(|e| io_trouble("read back", made.db, &e))?;
    let view = View::open(file).map_err(|e| wrong(format!("its database does not open: {e}")))?;
    let mut as_proof = |step: Progress| watch(Progress { phase: Phase::Prove, ..step });
    let walk = check_and_walk(&view, &mut as_proof).map_err(|halt| match halt {
        Halt::Stopped(trouble) => trouble,
        Halt::Damaged(why) => wrong(format!("its database reads back damaged: {why}")),
    })?;
    same_rows(&walk, source, made.bump).map_err(wrong)?;

    let mut ids: Vec<(Id, &str, &[String])> =
        walk.members.iter().map(|m| (m.id, m.name.as_str(), m.peer_urls.as_slice())).collect();
    ids.sort_unstable();
    let planned: Vec<(Id, &str, &[String])> =
        job.genesis.members.iter().map(|m| (Id(m.id), m.name.as_str(), m.peer_urls.as_slice())).collect();
    if ids != planned {
        return Err(wrong("its database does not list the planned members".into()));
    }
    let meta = view.bucket(schema::META).map_err(|e| wrong(e.to_string()))?;
    let index = match &meta {
        Some(meta) => view.get(meta, schema::CONSISTENT_INDEX).map_err(|e| wrong(e.to_string()))?,
        None => None,
    };
    if index.as_deref() != Some(&job.genesis.index().to_be_bytes()[..]) {
        return Err(wrong("its consistent index is not that of the new log".into()));
    }

    let log = wal::read(made.wal_dir).map_err(|e| wrong(format!("its WAL does not read back: {e}")))?;
    let commit = log.hard_state.commit.unwrap_or_default();
    if (Id(log.node_id), Id(log.cluster_id)) != (made.member, job.genesis.cluster_id)
        || log.entries.len() as u64 != job.genesis.index()
        || commit != job.genesis.index()
        || log.torn.is_some()
    {
        return Err(wrong("its WAL does not say what was planned".into()));
    }
    let snaps = snap_files(made.snap_dir)?;
    let [path] = snaps.as_slice() else { return Err(wrong(format!("it has {} .snap files", snaps.len()))) };
    let bytes = fs::read(path).map_err(|e| io_trouble("read back", path, &e))?;
    let snapshot = snap::decode(&bytes).map_err(|e| wrong(format!("its .snap file: {e}")))?;
    let index = snapshot.metadata.and_then(|m| m.index);
    if index != Some(job.genesis.index()) {
        return Err(wrong("its .snap file stands at another index".into()));
    }

    Ok(Restored {
        name: job.name.into(),
        member_id: Id(log.node_id),
        cluster_id: Id(log.cluster_id),
        data_dir: made.db.into(),
        revision: walk.last.main,
        keys: walk.keys,
        bytes: view.used_bytes(),
    })
}

/// Every bucket that a restore leaves alone must hold the source's rows; `key` may have one more.
fn same_rows(walk: &Walk, source: &Walk, bump: Option<Revision>) -> std::result::Result<(), String> {
    let edited = [schema::MEMBERS, schema::MEMBERS_REMOVED, schema::META];
    for bucket in source.buckets.iter().filter(|b| !edited.contains(&&*b.name)) {
        let name = bucket.name.escape_ascii();
        let Some(ours) = walk.buckets.iter().find(|b| b.name == bucket.name) else {
            return Err(format!("its bucket {name} is gone"));
        };
        let mut expected = bucket.clone();
        if let Some(revision) = bump.filter(|_| bucket.name == schema::KEY) {
            expected.rows += 1;
            expected.crc = crc32c::crc32c_append(expected.crc, &revision.to_bytes());
        }
        if *ours != expected {
            return Err(format!(
                "its bucket {name} has {} rows with checksum {:08x}, the snapshot's has {} with {:08x}",
                ours.rows, ours.crc, expected.rows, expected.crc
            ));
        }
    }
    let last = bump.unwrap_or(source.last);
    if walk.last != last {
        return Err(format!("its last revision is {}, not {}", walk.last.main, last.main));
    }
    Ok(())
}
