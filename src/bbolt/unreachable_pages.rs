//! Branch pages that nothing refers to any more. bbolt changes a tree by writing new pages and
//! leaves the old ones as they were, so these show an earlier state of the tree; where a tree lost
//! its end, they show what it should be.

use super::error::Error;
use super::page::IS_BUCKET;
use super::page::{self, BRANCH, Header};
use super::page_buffer::PageBuffer;
use super::page_set::PageSet;
use super::read_tx::{Bucket, MAX_DEPTH, Rows, View};
use super::{ReadAt, page::wide};

/// Bytes that are read at a time.
const BLOCK: u64 = 256 << 10;

/// The pages of a bucket's tree from its root to its last leaf; none if the bucket is inline.
///
/// # Errors
/// Fails if one of them cannot be read.
pub fn right_edge<R: ReadAt>(view: &View<R>, bucket: &Bucket) -> Result<Vec<u64>, Error> {
    let (mut pages, mut bytes) = (Vec::new(), PageBuffer::default());
    let Rows::Tree(mut id) = bucket.rows else { return Ok(pages) };
    while pages.len() < MAX_DEPTH {
        let shape = view.load(id, &bucket.name, &mut bytes)?;
        pages.push(id);
        let Some(last) = shape.count.checked_sub(1).filter(|_| !shape.leaf) else { break };
        id = page::branch_row(&bytes, last).map_err(|fault| Error::at(id, &bucket.name, fault))?.1;
    }
    Ok(pages)
}

/// A branch page's children: each one's first key and its page.
pub type Children<'p> = [(&'p [u8], u64)];

/// Passes the children of every intact branch page of one page's length that is not in `in_use`, with that page's
/// number, to `visit`. `visit` returns whether to continue.
///
/// # Errors
/// When the file cannot be read.
pub fn stray_branches<R: ReadAt>(
    view: &View<R>,
    in_use: &PageSet,
    visit: &mut dyn FnMut(u64, &Children<'_>) -> bool,
) -> Result<(), Error> {
    let (size, mut block) = (u64::from(view.page_size()), PageBuffer::default());
    let most = BLOCK.checked_div(size).unwrap_or(1).max(1);
    for (first, behind) in in_use.runs(2, view.meta().hwm, false) {
        let mut at = first;
        while at < behind {
            let pages = behind.saturating_sub(at).min(most);
            block.reset(usize::try_from(pages.saturating_mul(size)).unwrap_or(0));
            let offset = at.saturating_mul(size);
            let read = view.source().read_exact_at(&mut block, offset);
            read.map_err(|source| Error::Read { offset, size: wide(block.len()), source })?;
            for (id, bytes) in (at..).zip(block.chunks_exact(page::narrow(view.page_size()))) {
                let header = Header::parse(bytes);
                if header.is_none_or(|is| is.id != id || is.flags != BRANCH || is.overflow != 0) {
                    continue;
                }
                let Ok(shape) = page::shape(bytes) else { continue };
                let children: Result<Vec<_>, _> = (0..shape.count).map(|n| page::branch_row(bytes, n)).collect();
                if children.is_ok_and(|children| !visit(id, &children)) {
                    return Ok(());
                }
            }
            at = at.saturating_add(pages);
        }
    }
    Ok(())
}

/// Called with a row: its page, its bucket if known, its key and value; returns whether to continue.
pub type VisitRow<'v> = dyn FnMut(u64, Option<&[u8]>, &[u8], &[u8]) -> bool + 'v;

/// Passes the rows of every intact leaf page in `pages` to `visit`, with the page's number and, where the page holds an
/// inline bucket, that bucket's name; the bucket of any other page is not known. `visit` returns whether to continue.
///
/// # Errors
/// When the file cannot be read.
pub fn stray_rows<R: ReadAt>(view: &View<R>, pages: &PageSet, visit: &mut VisitRow<'_>) -> Result<(), Error> {
    let mut bytes = PageBuffer::default();
    for (first, behind) in pages.runs(2, view.meta().hwm, true) {
        let mut id = first;
        while id < behind {
            let (page, shape) = (id, view.load(id, b"", &mut bytes));
            id = id.saturating_add(1);
            let shape = match shape {
                Ok(shape) if shape.leaf => shape,
                Err(error @ Error::Read { .. }) => return Err(error),
                _ => continue,
            };
            // Its overflow pages are not separate pages.
            let own = wide(bytes.len()).checked_div(u64::from(view.page_size())).unwrap_or(1).max(1);
            id = page.saturating_add(own);
            for row in (0..shape.count).map_while(|index| page::leaf_row(&bytes, index).ok()) {
                if row.flags & IS_BUCKET == 0 {
                    if !visit(page, None, row.key, row.value) {
                        return Ok(());
                    }
                    continue;
                }
                let Ok(Bucket { rows: Rows::Inline(image), .. }) = Bucket::parse(row.key, row.value) else { continue };
                let count = page::inline_shape(&image).map_or(0, |shape| shape.count);
                for inner in (0..count).map_while(|index| page::leaf_row(&image, index).ok()) {
                    if inner.flags & IS_BUCKET == 0 && !visit(page, Some(row.key), inner.key, inner.value) {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}
