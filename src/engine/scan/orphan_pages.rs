//! What the pages outside the tree still show. bbolt writes changed pages elsewhere and leaves the
//! old ones as they were, so a tree that lost its end leaves its rows behind on pages that nothing
//! points to any more.
//!
//! A newer row there is a hint, no proof: a snapshot saved while clients write legally holds newer
//! rows on pages that were free when it began, and so does a database whose last commit was cut off.
//! But revisions only rise, so every write that adds one writes the last leaf of `key` anew, and
//! every branch above it. A branch page that refers to a page on the tree's right edge and goes on
//! behind it is therefore older than the tree, and so were the rows it goes on with; above the
//! compaction mark no row is ever removed. Such a page proves that the tree's end is lost.

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

/// Why the look ended early.
#[derive(Debug)]
pub enum Ended {
    /// The file could not be read.
    Read(std::io::Error),
    /// The watcher said stop.
    Stopped(Error),
}

/// Whether pages outside the tree of `key` prove that its end is lost, in a sentence. `last` is the last revision
/// in the tree, `compacted` the compaction mark.
///
/// # Errors
/// When a page cannot be read.
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
                    "bucket key: page {page}, which is outside the tree, goes on from page {child} with revision {}, the \
                     tree ends there at {}: the end of the tree is lost",
                    thousands(next.main.unsigned_abs()),
                    thousands(last.main.unsigned_abs()),
                ));
            }
        }
        found.is_none()
    })?;
    Ok(found)
}

/// The newest revision that any leaf page with rows of `key` holds, reachable or not; `None` where
/// there is no such page.
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

/// The newest revision on the first bytes of the page `id`, where it is a leaf of `key`: its last
/// row that lies in them whole.
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

/// What newer rows outside the tree mean, in a sentence; none where there are none.
pub fn words(newest: Option<i64>, last: i64) -> Option<String> {
    let newest = newest.filter(|newest| *newest > last)?;
    Some(format!(
        "pages outside the tree hold rows up to revision {}, the tree ends at {}: usual for a snapshot saved while clients \
         were writing, else a sign that the end of the key tree is lost",
        thousands(newest.unsigned_abs()),
        thousands(last.unsigned_abs()),
    ))
}
