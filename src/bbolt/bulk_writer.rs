//! Writes a compacted file from sorted rows, front to back, in constant memory.

use super::WriteAt;
use super::error::{Error, Fault};
use super::meta::{Meta, NO_FREELIST, valid_page_size};
use super::page::{ELEMENT, IS_BUCKET};
use super::page_writer::{ChildRef, Pack, Pages, branch_groups, bucket_header, check_row, fits_inline};

/// Length of a run of free pages in a file with stale ones.
const STALE_RUN: u64 = 16;

/// A file being written. Until [`Build::finish`] it has no meta page, so that an incomplete file is never opened.
#[derive(Debug)]
pub struct Build<W> {
    pages: Pages<W>,
    page_size: u32,
    root: Tree,
    /// The bucket that rows go to, and its name.
    bucket: Option<(Vec<u8>, Tree)>,
    last_key: Vec<u8>,
    stale: bool,
}

impl<W: WriteAt> Build<W> {
    /// Starts a file of this page size (a power of two from 512 to 65536; etcd's own is 4096 on most machines).
    /// `out` is truncated.
    pub fn begin(out: W, page_size: u32) -> Result<Self, Error> {
        if !valid_page_size(page_size) {
            return Err(Error::at(0, b"", Fault::PageSize(page_size)));
        }
        out.set_len(0).map_err(|source| Error::Write { offset: 0, source })?;
        let pages = Pages::new(out, page_size, 2);
        Ok(Self { pages, page_size, root: Tree::default(), bucket: None, last_key: Vec::new(), stale: false })
    }

    /// For test files: leaves a free page with stale content for each page written from now on, in runs of
    /// `STALE_RUN`, as in a database that was overwritten and compacted for a while.
    pub fn leave_stale_pages(&mut self, stale: bool) {
        self.stale = stale;
    }

    /// Returns the bytes of the pages so far.
    pub fn written(&self) -> u64 {
        self.pages.next_page().saturating_mul(u64::from(self.page_size))
    }

    /// Starts the next bucket. Names must come in strictly increasing order.
    pub fn bucket(&mut self, name: &[u8]) -> Result<(), Error> {
        check_row(name, name, b"")?;
        if self.bucket.as_ref().is_some_and(|(before, _)| before.as_slice() >= name) {
            return Err(Error::refused(name, "bucket names must be in strictly increasing order"));
        }
        self.close()?;
        self.bucket = Some((name.to_vec(), Tree::default()));
        self.last_key.clear();
        Ok(())
    }

    /// Adds a row to the bucket started last. Keys must come in strictly increasing order.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let Some((name, tree)) = &mut self.bucket else {
            return Err(Error::refused(b"", "no bucket was started"));
        };
        check_row(name, key, value)?;
        if self.last_key.as_slice() >= key {
            return Err(Error::refused(name, "keys must be in strictly increasing order"));
        }
        key.clone_into(&mut self.last_key);
        let before = self.pages.next_page();
        tree.push(&mut self.pages, 0, key, value)?;
        if self.stale {
            self.pages.stale(before, STALE_RUN)?;
        }
        Ok(())
    }

    /// Writes the rest, with `txid` (at least 1) as the last transaction ID, and returns once all of it is
    /// on disk.
    pub fn finish(mut self, txid: u64) -> Result<W, Error> {
        let before = txid.checked_sub(1).ok_or_else(|| Error::at(0, b"", Fault::Txid))?;
        self.close()?;
        let root = self.root.finish(&mut self.pages)?;
        let (out, hwm) = self.pages.finish()?;
        let meta = Meta { page_size: self.page_size, root, sequence: 0, freelist: NO_FREELIST, hwm, txid };
        let len = hwm.saturating_mul(u64::from(self.page_size)).max(4096);
        let fail = |offset| move |source| Error::Write { offset, source };
        out.set_len(len).map_err(fail(len))?;
        out.sync_data().map_err(fail(len))?;
        // As in a snapshot: both are equal, and the first one is the newer.
        out.write_all_at(&meta.encode(0), 0).map_err(fail(0))?;
        let second = u64::from(self.page_size);
        out.write_all_at(&Meta { txid: before, ..meta }.encode(1), second).map_err(fail(second))?;
        out.sync_data().map_err(fail(0))?;
        Ok(out)
    }

    /// Adds the open bucket to the root bucket.
    fn close(&mut self) -> Result<(), Error> {
        let Some((name, tree)) = self.bucket.take() else { return Ok(()) };
        let value = match tree.inline(self.pages.page_size()) {
            Some(value) => value,
            None => bucket_header(tree.finish(&mut self.pages)?, 0),
        };
        self.root.push(&mut self.pages, IS_BUCKET, &name, &value)
    }
}

/// A tree growing to the right: one leaf, and what will be the right end of each level of branches.
#[derive(Debug)]
struct Tree {
    leaf: Pack,
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    entries: Vec<ChildRef>,
    size: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self { leaf: Pack::new(true), levels: Vec::new() }
    }
}

impl Tree {
    fn push<W: WriteAt>(&mut self, pages: &mut Pages<W>, flags: u32, key: &[u8], value: &[u8]) -> Result<(), Error> {
        // A tenth is left free, so that the first changes do not split every page.
        let fill = pages.page_size().saturating_div(10).saturating_mul(9);
        if !self.leaf.is_empty() && self.leaf.size_with(key.len().saturating_add(value.len())) > fill {
            self.flush(pages)?;
        }
        self.leaf.push_row(flags, key, value);
        Ok(())
    }

    /// The bucket's value if it is small enough to be stored inline.
    fn inline(&self, page_size: usize) -> Option<Vec<u8>> {
        (self.levels.is_empty() && fits_inline(self.leaf.size(), page_size)).then(|| self.leaf.inline_bucket(0))
    }

    fn flush<W: WriteAt>(&mut self, pages: &mut Pages<W>) -> Result<(), Error> {
        let mut entry = (self.leaf.first_key(), pages.append(&self.leaf)?);
        self.leaf.clear();
        let mut at = 0usize;
        loop {
            if self.levels.len() <= at {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(at) else { return Ok(()) };
            level.size = level.size.saturating_add(ELEMENT).saturating_add(entry.0.len());
            level.entries.push(entry);
            if level.size <= pages.page_size().saturating_mul(3) {
                return Ok(());
            }
            // The first group is final once two more have begun: the last two may still share their entries.
            let groups = branch_groups(&level.entries, pages.page_size());
            let (3.., Some(first)) = (groups.len(), groups.first()) else { return Ok(()) };
            let group: Vec<ChildRef> = level.entries.drain(..*first).collect();
            let gone = group.iter().map(|(key, _)| key.len().saturating_add(ELEMENT)).fold(0, usize::saturating_add);
            level.size = level.size.saturating_sub(gone);
            entry = pages.append_group(&group)?;
            at = at.saturating_add(1);
        }
    }

    /// Writes the remaining pages and returns the root page.
    fn finish<W: WriteAt>(mut self, pages: &mut Pages<W>) -> Result<u64, Error> {
        if !self.leaf.is_empty() || self.levels.is_empty() {
            self.flush(pages)?;
        }
        let (mut entries, top) = (Vec::new(), self.levels.len());
        for (depth, level) in (1..).zip(self.levels) {
            // Entries from the level below come after those of this level.
            entries = level.entries.into_iter().chain(entries).collect();
            if depth < top {
                entries = pages.append_branches(&entries)?;
            }
        }
        pages.append_roof(entries)
    }
}
