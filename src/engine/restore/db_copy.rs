//! Copies the database in runs of pages, and verifies that the copy is what was hashed.
//!
//! Free pages are not copied: they become holes, so that a half-free database costs only its live pages, and every page
//! keeps its number. The verification assembles each block from the copy's live pages and the source's other bytes; its
//! checksum must be the one that was computed while hashing.

use std::{io, os::unix::fs::FileExt};

use crate::engine::{
    durable_fs::{DiskFile, Flusher},
    progress::{Phase, ProgressFn},
    scan::row_scan::RowScan,
    source::{
        BLOCK_BYTES, PIECE_BYTES, creation_trouble, io_trouble, step,
        verified_source::{Checked, VerifiedSource, changed},
    },
};
use crate::{
    bbolt::{Build, Error, PageBuffer, ReadAt, WriteAt},
    error::Result,
};

/// Bytes that are copied in one call, between two progress steps.
const STRIDE: u64 = 16 << 20;
/// Bytes between two flushes: enough that what a sync costs besides the writing does not count.
const FLUSH: u64 = 64 << 20;

/// Returns the size of a copy of the live pages in bytes, at most.
pub fn live_bytes(checked: &Checked) -> u64 {
    checked.walk.in_use.count().saturating_mul(u64::from(checked.view.page_size())).min(checked.view.used_bytes())
}

/// Copies the pages in use to the same offsets; the rest are holes. Returns what writes them to the disk meanwhile, and
/// goes on when this returns: the copy is durable when that is finished.
///
/// # Errors
/// If reading or writing fails, the source is shorter than before, or `watch` requests a stop.
pub fn copy(checked: &Checked, db: &DiskFile, watch: &mut ProgressFn<'_>) -> Result<Flusher> {
    let (view, source) = (&checked.view, &checked.source);
    let fail = |e: io::Error| match e.kind() {
        io::ErrorKind::UnexpectedEof => changed(&source.path),
        _ => creation_trouble("write", db.path(), &e),
    };
    let (page, used) = (u64::from(view.page_size()), view.used_bytes());
    let total = live_bytes(checked);
    // A database is opened only if all its pages up to the high-water mark are in the file: no page offset overflows.
    let place = |id: u64| id.saturating_mul(page);
    // If the filesystem can share blocks, the copy costs nothing, free pages or not.
    let shared = db.share(source.file(), source.bytes).map_err(fail)?;
    db.set_len(used).map_err(fail)?;
    let flusher = Flusher::start(db).map_err(fail)?;
    let (mut done, mut reported, mut flushed) = (0u64, 0u64, 0u64);
    for (first, end_page) in checked.walk.in_use.runs(0, view.meta().hwm, true).filter(|_| !shared) {
        let (mut at, end) = (place(first), place(end_page));
        while at < end {
            let length = end.saturating_sub(at).min(STRIDE);
            db.copy(source.file(), at, length).map_err(fail)?;
            (at, done) = (at.saturating_add(length), done.saturating_add(length));
            if done.saturating_sub(flushed) >= FLUSH {
                flushed = done;
                flusher.flush();
            }
            if done.saturating_sub(reported) >= STRIDE / 4 {
                reported = done;
                step(watch, Phase::Copy, done, total)?;
            }
        }
    }
    flusher.flush();
    step(watch, Phase::Copy, total, total)?;
    Ok(flusher)
}

/// Compares the copy's live pages, except the two meta pages, with what was hashed.
///
/// # Errors
/// If they differ: the source changed between hashing and copying, or the disk returns wrong data.
pub fn verify(prepared: &VerifiedSource, db: &DiskFile, watch: &mut ProgressFn<'_>) -> Result<()> {
    let Checked { source, view, walk, .. } = &prepared.checked;
    let (page, used) = (u64::from(view.page_size()), view.used_bytes());
    // A piece is a multiple of the page size (at most 64 KiB); pages after the high-water mark are not in use.
    let pages = |from: u64, to: u64| (from.checked_div(page).unwrap_or(0), to.div_ceil(page));
    let mut buffer = PageBuffer::new(PIECE_BYTES);
    for (number, expected) in (0u64..).zip(&prepared.digest.blocks) {
        let start = number.saturating_mul(BLOCK_BYTES as u64);
        let end = start.saturating_add(BLOCK_BYTES as u64).min(source.body_bytes());
        let (first, end_page) = pages(start, end);
        if start >= used || walk.in_use.runs(first.max(2), end_page, true).next().is_none() {
            continue;
        }
        let (mut at, mut sum) = (start, 0);
        while at < end {
            let until = at.saturating_add(PIECE_BYTES as u64).min(end);
            let (first, end_page) = pages(at, until);
            let piece = buffer.split_at_mut(until.saturating_sub(at) as usize).0;
            let whole = until <= used && first >= 2 && walk.in_use.runs(first, end_page, false).next().is_none();
            if whole {
                db.read_exact_at(piece, at).map_err(|e| io_trouble("read back", db.path(), &e))?;
            } else {
                FileExt::read_exact_at(source.file(), piece, at).map_err(|e| io_trouble("read", &source.path, &e))?;
                for (from, to) in walk.in_use.runs(first.max(2), end_page, true) {
                    let [from, to] = [from, to].map(|id| id.saturating_mul(page).min(until).saturating_sub(at));
                    let pages = piece.get_mut(from as usize..to as usize).unwrap_or_default();
                    db.read_exact_at(pages, at.saturating_add(from))
                        .map_err(|e| io_trouble("read back", db.path(), &e))?;
                }
            }
            sum = crc32c::crc32c_append(sum, piece);
            at = until;
        }
        if sum != *expected {
            return Err(changed(&source.path));
        }
        step(watch, Phase::Prove, end.min(used), used)?;
    }
    Ok(())
}

/// Writes a compacted copy: the rows of every bucket, and no free pages.
///
/// # Errors
/// If reading or writing fails, or `watch` requests a stop.
pub fn compact(checked: &Checked, db: &DiskFile, watch: &mut ProgressFn<'_>) -> Result<()> {
    let (view, RowScan { rows, .. }) = (&checked.view, &checked.walk);
    let mut stopped = None;
    let mut written = 0u64;
    let mut write = || {
        let mut build = Build::begin(db, view.page_size())?;
        for (name, bucket) in view.buckets()? {
            build.bucket(&name)?;
            let mut cursor = view.cursor(&bucket);
            while let Some(row) = cursor.next()? {
                if row.is_bucket {
                    return Err(Error::Refused {
                        bucket: name,
                        what: "it contains a bucket, which etcd never creates",
                    });
                }
                build.put(row.key, row.value)?;
                written = written.saturating_add(1);
                if written.is_multiple_of(4096) {
                    stopped = step(watch, Phase::Copy, written, *rows).err();
                    if stopped.is_some() {
                        return Err(Error::Stopped);
                    }
                }
            }
        }
        build.finish(view.meta().txid.max(1)).map(|_| ())
    };
    let outcome = write();
    match (outcome, stopped) {
        (_, Some(trouble)) => Err(trouble),
        (Err(Error::Write { source, .. }), _) => Err(creation_trouble("write", db.path(), &source)),
        (Err(error), _) => Err(checked.source.damaged(&error)),
        (Ok(()), None) => Ok(()),
    }
}
