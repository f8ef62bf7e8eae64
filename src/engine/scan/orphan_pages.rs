//! Evidence on pages outside the tree that its end is lost. bbolt writes changed pages elsewhere and leaves the old
//! ones unchanged, so if a tree lost its end, its rows remain on pages that nothing refers to.
//!
//! A newer row there is a hint, not a proof: a snapshot saved while clients write can validly contain newer rows on
//! pages that were free when it began, and so can a database whose last commit was interrupted. But revisions only
//! increase, so every write that adds one rewrites the last leaf of `key` and every branch above it. A branch page that
//! refers to a page on the tree's right edge and has a further child after it is therefore older than the tree, and so
//! are the rows of that child; above the compacted revision no row is ever removed. Such a page proves that the end of
//! the tree is lost.

use crate::{
    bbolt::{self, PageBuffer, PageSet, ReadAt, View, right_edge, stray_branches},
    error::Error,
    etcd::{
        proto::KeyValueRef,
        revision::{Revision, RevisionKey},
        schema,
    },
};
use crate::{
    engine::{
        progress::{Phase, ProgressFn},
        source::{BLOCK_BYTES, step},
    },
    text::number::thousands,
};

/// Why the search failed.
#[derive(Debug)]
pub enum Ended {
    /// The file could not be read.
    Read(std::io::Error),
    /// `watch` requested a stop.
    Stopped(Error),
}

/// Returns a sentence if pages outside the tree of `key` prove that its end is lost. `last` is the last revision in the
/// tree, `compacted` the compacted revision.
///
/// # Errors
/// If a page cannot be read.
pub fn lost_end<R: ReadAt>(
    view: &View<R>,
    in_use: &PageSet,
    last: Revision,
    compacted: i64,
) -> Result<Option<String>, bbolt::Error> {
    let Some(bucket) = view.bucket(schema::KEY)? else { return Ok(None) };
    let (edge, mut found) = (right_edge(view, &bucket)?, None);
    if edge.is_empty() {
        return Ok(None);
    }
    stray_branches(view, in_use, &mut |page, children| {
        for pair in children.windows(2) {
            let [(_, child), (key, _)] = pair else { continue };
            let next =
                RevisionKey::parse(key).map(|at| at.revision).filter(|next| *next > last && next.main > compacted);
            if let Some(next) = next.filter(|_| edge.contains(child)) {
                found = Some(format!(
                    "bucket key: after page {child}, page {page} outside the tree continues with revision {}, but the tree ends \
                     there at {}: the end of the tree is lost",
                    thousands(next.main.unsigned_abs()),
                    thousands(last.main.unsigned_abs()),
                ));
            }
        }
        found.is_none()
    })?;
    Ok(found)
}

/// Returns the newest revision on any leaf page with rows of `key`, reachable or not; `None` if there is no such page.
///
/// # Errors
/// See [`Ended`].
pub fn newest<R: ReadAt>(view: &View<R>, watch: &mut ProgressFn<'_>) -> Result<Option<i64>, Ended> {
    let (size, total) = (view.page_size() as usize, view.used_bytes());
    let mut block = PageBuffer::new(BLOCK_BYTES.max(size));
    let (mut offset, mut newest) = ((size as u64).saturating_mul(2), None);
    while offset < total {
        let length = total.saturating_sub(offset).min(block.len() as u64) as usize;
        let Some(bytes) = block.get_mut(..length) else { break };
        view.source().read_exact_at(bytes, offset).map_err(Ended::Read)?;
        let first = offset.checked_div(size as u64).unwrap_or(0);
        for (id, page) in (first..).zip(bytes.chunks_exact(size)) {
            newest = newest.max(last_revision(page, id));
        }
        offset = offset.saturating_add(length as u64);
        step(watch, Phase::Check, offset, total).map_err(Ended::Stopped)?;
    }
    Ok(newest)
}

/// Returns the newest revision in the first bytes of page `id` if it is a leaf of `key`: that of the last row that is
/// completely in them.
fn last_revision(page: &[u8], id: u64) -> Option<i64> {
    let u16_at = |at: usize| page.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes);
    let u32_at = |at: usize| page.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes);
    let says = page.get(..8)?.try_into().ok().map(u64::from_le_bytes)?;
    if says != id || u16_at(8)? != 2 {
        return None;
    }
    let count = usize::from(u16_at(10)?);
    let row = |index: usize| -> Option<i64> {
        let element = index.checked_mul(16)?.checked_add(16)?;
        let [flags, pos, keys, values] = [0, 4, 8, 12].map(|at| u32_at(element.checked_add(at)?));
        let from = element.checked_add(pos? as usize)?;
        let middle = from.checked_add(keys? as usize)?;
        let (key, value) = (page.get(from..middle)?, page.get(middle..middle.checked_add(values? as usize)?)?);
        let (at, kv) = (RevisionKey::parse(key)?, KeyValueRef::parse(value)?);
        let fits = flags? == 0 && (at.tombstone || kv.mod_revision == at.revision.main) && !kv.key.is_empty();
        fits.then_some(at.revision.main)
    };
    (0..count).rev().take(64).find_map(row)
}

/// Returns a sentence on what newer rows outside the tree mean; `None` without such rows.
pub fn newer_rows(newest: Option<i64>, last: i64) -> Option<String> {
    let newest = newest.filter(|newest| *newest > last)?;
    Some(format!(
        "pages outside the tree hold rows up to revision {}, the tree ends at {}: normal for a snapshot saved while clients \
         were writing, otherwise a sign that the end of the key tree is lost",
        thousands(newest.unsigned_abs()),
        thousands(last.unsigned_abs()),
    ))
}
