//! The verification of a built member: everything that was written is read back and compared with the source and the
//! plan, independently of the code that wrote it.
//!
//! The edit only appends pages after the old ones and writes a meta page. So if the old pages are byte for byte those
//! that were hashed and checked, a bucket with an unchanged root page has its previous rows, and little is left to
//! check: the list of buckets and the edited ones. After a revision bump (which edits `key`) or a compaction (which
//! moves every page) the database is scanned in full.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io::{self, Read},
    path::Path,
};

use super::{
    RestoreSpec, Restored, db_copy,
    expected::{LOG_BYTES, log_sha256, members},
    restore_edits::{self, Change},
    rewritten,
};
use crate::engine::{
    durable_fs::{Dir, DiskFile},
    progress::{Phase, Progress, ProgressFn},
    scan::row_scan::{RowScan, ScanError, check_and_walk},
    source::{io_trouble, verified_source::VerifiedSource},
};
use crate::{
    bbolt::{self, Bucket, ReadAt, View},
    error::{Error, ErrorKind, Result},
    etcd::{membership::Id, revision::Revision, schema},
    raft::{snap, wal},
    text::Shown,
};

/// A member that was built and is not installed yet.
pub struct BuiltMember<'a> {
    /// The database.
    pub db: &'a DiskFile,
    /// The directory with the `.snap` file.
    pub snap_dir: &'a Dir,
    /// The directory with the WAL segment.
    pub wal_dir: &'a Dir,
    /// The member's ID.
    pub member: Id,
    /// The bump row, if one was written.
    pub bump: Option<Revision>,
    /// The changes to the database.
    pub changes: &'a [Change],
}

/// Reads all of it back and compares. `brief` skips the comparison of the whole copy.
///
/// # Errors
/// `Failed` with the first difference: the disk or requorum is at fault. `Input` if the source changed.
pub fn verify(
    job: &RestoreSpec<'_>,
    made: &BuiltMember<'_>,
    prepared: &VerifiedSource,
    brief: bool,
    watch: &mut ProgressFn<'_>,
) -> Result<Restored> {
    let wrong = |what: String| {
        Error::new(ErrorKind::Failed, format!("{}: verification failed", job.name))
            .why(what)
            .hint("What was built is removed. If the disk is healthy, this is a defect of requorum; please report it.")
    };

    let source = &prepared.checked.walk;
    let view = View::open(made.db).map_err(|e| wrong(format!("cannot open its database: {e}")))?;
    let anew = rewritten(job, source);
    let in_full = anew || made.bump.is_some();
    let (mut last, mut keys) = (source.last, source.keys);
    if in_full && !brief {
        let mut as_verification = |step: Progress| watch(Progress { phase: Phase::Prove, ..step });
        let walk = check_and_walk(&view, &mut as_verification).map_err(|halt| match halt {
            ScanError::Stopped(trouble) => trouble,
            ScanError::Damaged(why) | ScanError::Foreign(why) | ScanError::Limited { why, .. } => {
                wrong(format!("its database is damaged: {why}"))
            }
        })?;
        same_sums(&walk, source, made).map_err(wrong)?;
        (last, keys) = (walk.last, walk.keys);
    } else if let Some(bump) = made.bump {
        (last, keys) = (bump, keys.saturating_add(1));
    }
    if !anew {
        if !brief {
            db_copy::verify(prepared, made.db, watch)?;
        }
        same_roots(&view, &prepared.checked.view, made)
            .map_err(|e| wrong(e.to_string()))?
            .map_or(Ok(()), |why| Err(wrong(why)))?;
    }
    edited_rows(&view, &prepared.checked.view, made)
        .map_err(|e| wrong(e.to_string()))?
        .map_or(Ok(()), |why| Err(wrong(why)))?;

    let (_, bytes) = only(made.wal_dir, "wal", LOG_BYTES.max(job.genesis.wal(made.member, job.target).len()))?;
    let log = wal::parse(&[&bytes]).map_err(|e| wrong(format!("its WAL is damaged: {e}")))?;
    let commit = log.hard_state.commit.unwrap_or_default();
    if (Id(log.node_id), Id(log.cluster_id)) != (made.member, job.genesis.cluster_id)
        || log.entries.len() as u64 != job.genesis.index()
        || commit != job.genesis.index()
        || log.torn.is_some()
    {
        return Err(wrong("its WAL differs from the plan".into()));
    }
    let (_, snap_bytes) = only(made.snap_dir, "snap", SNAP_BYTES)?;
    let snapshot = snap::decode(&snap_bytes).map_err(|e| wrong(format!("its .snap file is damaged: {e}")))?;
    let index = snapshot.metadata.and_then(|m| m.index);
    if index != Some(job.genesis.index()) {
        return Err(wrong("its .snap file has another raft index".into()));
    }

    Ok(Restored {
        name: job.name.into(),
        member_id: Id(log.node_id),
        cluster_id: Id(log.cluster_id),
        data_dir: made.db.path().into(),
        revision: last.main,
        keys,
        bytes: view.used_bytes(),
        members: members(&view).map_err(|e| wrong(e.to_string()))?,
        source_sha256: prepared.digest.file_sha256.clone(),
        log_sha256: log_sha256(&bytes),
    })
}

/// The longest `.snap` file that is read, in bytes: it contains the member table.
const SNAP_BYTES: usize = 16 << 20;

/// Reads the only file with this extension in an open directory: its name and its first `most` bytes.
fn only(dir: &Dir, ending: &str, most: usize) -> Result<(String, Vec<u8>)> {
    let fail = |e: io::Error| io_trouble("read back", dir.path(), &e);
    let names = dir.names().map_err(fail)?;
    let mut fitting = names.iter().filter(|name| Path::new(name).extension() == Some(OsStr::new(ending)));
    let (Some(name), None) = (fitting.next(), fitting.next()) else {
        return Err(Error::new(ErrorKind::Failed, format!("{}: not exactly one .{ending} file", dir.path().shown())));
    };
    let mut bytes = Vec::new();
    dir.read(name).and_then(|file| file.take(most as u64).read_to_end(&mut bytes)).map_err(fail)?;
    Ok((name.to_string_lossy().into_owned(), bytes))
}

/// Checks that buckets that were not edited are unchanged, including their root pages; returns the first difference.
fn same_roots<A: ReadAt, B: ReadAt>(
    view: &View<A>,
    source: &View<B>,
    made: &BuiltMember<'_>,
) -> std::result::Result<Option<String>, bbolt::Error> {
    if let Some(Err(error)) = view.metas().iter().find(|meta| meta.is_err()) {
        return Ok(Some(format!("a meta page is damaged: {error}")));
    }
    let edited: BTreeSet<&[u8]> = made.changes.iter().map(Change::bucket).collect();
    let kept = |buckets: Vec<(Vec<u8>, Bucket)>| -> Vec<(Vec<u8>, Bucket)> {
        buckets.into_iter().filter(|(name, _)| !edited.contains(name.as_slice())).collect()
    };
    let (ours, theirs) = (kept(view.buckets()?), kept(source.buckets()?));
    Ok((ours != theirs).then(|| "its list of buckets differs from the snapshot's".to_string()))
}

/// Checks that the edited buckets have the source's rows with the changes applied; returns the first that does not.
/// `key` is too large for that and was scanned.
fn edited_rows<A: ReadAt, B: ReadAt>(
    view: &View<A>,
    source: &View<B>,
    made: &BuiltMember<'_>,
) -> std::result::Result<Option<String>, bbolt::Error> {
    let edited: BTreeSet<&[u8]> = made.changes.iter().map(Change::bucket).filter(|name| *name != schema::KEY).collect();
    for bucket in edited {
        let expected = restore_edits::expected(made.changes, bucket, restore_edits::rows(source, bucket)?);
        if view.bucket(bucket)?.is_none() || restore_edits::rows(view, bucket)? != expected {
            return Ok(Some(format!("its bucket {} does not have the planned rows", bucket.escape_ascii())));
        }
    }
    Ok(None)
}

/// Checks that every bucket that a restore does not change has the source's rows; `key` has one more after a bump.
fn same_sums(walk: &RowScan, source: &RowScan, made: &BuiltMember<'_>) -> std::result::Result<(), String> {
    let edited = |name: &[u8]| name != schema::KEY && made.changes.iter().any(|change| change.bucket() == name);
    for bucket in source.buckets.iter().filter(|b| !edited(&b.name)) {
        let name = bucket.name.escape_ascii();
        let Some(ours) = walk.buckets.iter().find(|b| b.name == bucket.name) else {
            return Err(format!("its bucket {name} is missing"));
        };
        let mut expected = bucket.clone();
        if let Some(revision) = made.bump.filter(|_| bucket.name == schema::KEY) {
            expected.rows = expected.rows.saturating_add(1);
            expected.crc = crc32c::crc32c_append(expected.crc, &revision.to_bytes());
        }
        if *ours != expected {
            return Err(format!(
                "its bucket {name} has {} rows with checksum {:08x}, the snapshot's has {} with {:08x}",
                ours.rows, ours.crc, expected.rows, expected.crc
            ));
        }
    }
    let last = made.bump.unwrap_or(source.last);
    if walk.last != last {
        return Err(format!("its last revision is {}, not {}", walk.last.main, last.main));
    }
    Ok(())
}
