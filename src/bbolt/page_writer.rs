//! Packs elements into pages, and appends pages to a file.
//!
//! Pages are only ever appended after the high-water mark, so one buffer serves for all writes.

use super::WriteAt;
use super::error::{Error, Fault};
use super::page::{self, ELEMENT, HEADER, Header, wide};

/// Bytes buffered before they are written.
const BATCH: usize = 1 << 20;
/// Largest file in bytes: the system's offsets are signed.
const MAX_FILE: u64 = i64::MAX.unsigned_abs();

/// A parent's reference to a page: its first key and its number.
pub(super) type ChildRef = (Vec<u8>, u64);

/// The elements of one page being built: a table, and keys and values in the order of the table, as bbolt writes them.
#[derive(Debug)]
pub(super) struct Pack {
    leaf: bool,
    table: Vec<Element>,
    data: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Element {
    flags: u32,
    key: u32,
    value: u32,
    child: u64,
}

impl Pack {
    pub fn new(leaf: bool) -> Self {
        Self { leaf, table: Vec::new(), data: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub fn clear(&mut self) {
        self.table.clear();
        self.data.clear();
    }

    /// Bytes of the page, before it is padded.
    pub fn size(&self) -> usize {
        HEADER.saturating_add(self.table.len().saturating_mul(ELEMENT)).saturating_add(self.data.len())
    }

    /// Bytes of the page with one more element whose key and value have `data` bytes together.
    pub fn size_with(&self, data: usize) -> usize {
        self.size().saturating_add(ELEMENT).saturating_add(data)
    }

    /// Returns the first element's key; empty if there are no elements.
    pub fn first_key(&self) -> Vec<u8> {
        let len = self.table.first().map_or(0, |element| page::narrow(element.key));
        self.data.get(..len).unwrap_or_default().to_vec()
    }

    /// Adds a row of a leaf. Lengths were checked by [`check_row`].
    pub fn push_row(&mut self, flags: u32, key: &[u8], value: &[u8]) {
        self.table.push(Element { flags, key: short(key.len()), value: short(value.len()), child: 0 });
        self.data.extend_from_slice(key);
        self.data.extend_from_slice(value);
    }

    /// Adds a child of a branch.
    pub fn push_child(&mut self, key: &[u8], child: u64) {
        self.table.push(Element { flags: 0, key: short(key.len()), value: 0, child });
        self.data.extend_from_slice(key);
    }

    /// The page's bytes, not padded, as page `id`.
    pub fn write(&self, id: u64, overflow: u32, out: &mut Vec<u8>) {
        let flags = if self.leaf { page::LEAF } else { page::BRANCH };
        // Pages are cut long before 65535 elements: the largest has room for 4095.
        let count = u16::try_from(self.table.len()).unwrap_or(u16::MAX);
        Header { id, flags, count, overflow }.write(out);
        let mut pos = short(self.table.len().saturating_mul(ELEMENT));
        for element in &self.table {
            if self.leaf {
                for word in [element.flags, pos, element.key, element.value] {
                    out.extend_from_slice(&word.to_le_bytes());
                }
            } else {
                out.extend_from_slice(&pos.to_le_bytes());
                out.extend_from_slice(&element.key.to_le_bytes());
                out.extend_from_slice(&element.child.to_le_bytes());
            }
            // The offset from this element to its data: one element less each time, plus the data before it.
            pos = pos.saturating_sub(16).saturating_add(element.key).saturating_add(element.value);
        }
        out.extend_from_slice(&self.data);
    }

    /// The value of an inline bucket: no page number, a sequence number and this page.
    pub fn inline_bucket(&self, sequence: u64) -> Vec<u8> {
        let mut value = bucket_header(0, sequence);
        self.write(0, 0, &mut value);
        value
    }
}

/// A bucket's header: the value of its row in the root bucket.
pub(super) fn bucket_header(root: u64, sequence: u64) -> Vec<u8> {
    let mut value = root.to_le_bytes().to_vec();
    value.extend_from_slice(&sequence.to_le_bytes());
    value
}

/// Whether bbolt keeps a bucket inline whose page has `size` bytes.
pub(super) fn fits_inline(size: usize, page_size: usize) -> bool {
    size <= page_size.saturating_div(4)
}

/// Refuses rows that bbolt would refuse.
pub(super) fn check_row(bucket: &[u8], key: &[u8], value: &[u8]) -> Result<(), Error> {
    match () {
        () if key.is_empty() => Err(Error::refused(bucket, "a key must not be empty")),
        () if key.len() > page::MAX_KEY => Err(Error::refused(bucket, "a key must not be longer than 32768 bytes")),
        () if value.len() > page::MAX_VALUE => {
            Err(Error::refused(bucket, "a value must not be longer than 2147483646 bytes"))
        }
        () => Ok(()),
    }
}

fn short(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// How many entries go into each branch page, so that none exceeds its page if possible and none has a
/// single child: bbolt panics when it deletes below a branch with one child.
pub(super) fn branch_groups(entries: &[ChildRef], page_size: usize) -> Vec<usize> {
    let mut groups: Vec<usize> = Vec::new();
    let (mut count, mut size) = (0usize, HEADER);
    for (key, _) in entries {
        let more = ELEMENT.saturating_add(key.len());
        if count >= 2 && size.saturating_add(more) > page_size {
            groups.push(count);
            (count, size) = (0, HEADER);
        }
        count = count.saturating_add(1);
        size = size.saturating_add(more);
    }
    match groups.last_mut() {
        // A single last child takes the last child of the neighbour, or joins it.
        Some(before) if count == 1 && *before > 2 => {
            *before = before.saturating_sub(1);
            count = 2;
        }
        Some(before) if count == 1 => {
            *before = before.saturating_add(1);
            count = 0;
        }
        _ => {}
    }
    if count > 0 {
        groups.push(count);
    }
    groups
}

/// Appends pages to a file, from a first page number on.
#[derive(Debug)]
pub(super) struct Pages<W> {
    out: W,
    page_size: usize,
    next: u64,
    /// Pages not written yet; the last byte belongs to page `next - 1`.
    batch: Vec<u8>,
    written: u64,
    /// Written pages for which stale pages are still to follow.
    owed: u64,
}

impl<W: WriteAt> Pages<W> {
    pub fn new(out: W, page_size: u32, first: u64) -> Self {
        let written = first.saturating_mul(u64::from(page_size));
        Self { out, page_size: page::narrow(page_size), next: first, batch: Vec::new(), written, owed: 0 }
    }

    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// The number of the page that will be written next.
    pub fn next_page(&self) -> u64 {
        self.next
    }

    /// Notes the pages written since `before`; once there are `run` of them, as many pages follow to which nothing
    /// refers: old leaves with a row of the same length.
    pub fn stale(&mut self, before: u64, run: u64) -> Result<(), Error> {
        self.owed = self.owed.saturating_add(self.next.saturating_sub(before));
        if self.owed < run {
            return Ok(());
        }
        let mut old = Pack::new(true);
        old.push_row(0, b"old", &vec![b'.'; self.page_size.saturating_div(2)]);
        while self.owed > 0 {
            self.append(&old)?;
            self.owed = self.owed.saturating_sub(1);
        }
        Ok(())
    }

    /// Writes one page, with overflow if it takes more than one, and returns its number.
    pub fn append(&mut self, pack: &Pack) -> Result<u64, Error> {
        let id = self.next;
        let pages = wide(pack.size().div_ceil(self.page_size));
        let impossible = || Error::at(id, b"", Fault::HighWater(u64::MAX));
        let next = id.checked_add(pages).ok_or_else(impossible)?;
        next.checked_mul(wide(self.page_size)).filter(|end| *end <= MAX_FILE).ok_or_else(impossible)?;
        let overflow = u32::try_from(pages.saturating_sub(1)).map_err(|_| impossible())?;
        pack.write(id, overflow, &mut self.batch);
        self.batch.resize(self.batch.len().next_multiple_of(self.page_size), 0);
        self.next = next;
        if self.batch.len() >= BATCH { self.flush() } else { Ok(()) }?;
        Ok(id)
    }

    /// Writes branch pages over `entries` and returns the references to them.
    pub fn append_branches(&mut self, entries: &[ChildRef]) -> Result<Vec<ChildRef>, Error> {
        let mut above = Vec::new();
        let mut rest = entries;
        for count in branch_groups(entries, self.page_size) {
            let Some((group, more)) = rest.split_at_checked(count) else { break };
            above.push(self.append_group(group)?);
            rest = more;
        }
        Ok(above)
    }

    /// Writes one branch page over `group` and returns the reference to it.
    pub fn append_group(&mut self, group: &[ChildRef]) -> Result<ChildRef, Error> {
        let mut pack = Pack::new(false);
        for (key, child) in group {
            pack.push_child(key, *child);
        }
        Ok((pack.first_key(), self.append(&pack)?))
    }

    /// Writes branch pages over `entries` until there is one page, the root; without entries an empty leaf.
    pub fn append_roof(&mut self, mut entries: Vec<ChildRef>) -> Result<u64, Error> {
        while entries.len() > 1 {
            entries = self.append_branches(&entries)?;
        }
        match entries.pop() {
            Some((_, root)) => Ok(root),
            None => self.append(&Pack::new(true)),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let offset = self.written;
        self.out.write_all_at(&self.batch, offset).map_err(|source| Error::Write { offset, source })?;
        self.written = offset.saturating_add(wide(self.batch.len()));
        self.batch.clear();
        Ok(())
    }

    /// Flushes and returns the target and the high-water mark. Nothing is synced.
    pub fn finish(mut self) -> Result<(W, u64), Error> {
        self.flush()?;
        Ok((self.out, self.next))
    }
}
