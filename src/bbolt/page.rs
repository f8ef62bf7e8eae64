//! Pages: the header, leaf and branch elements, and packing elements into a page.
//!
//! A page with overflow is one area of several page sizes; "bytes" below is always that whole area.

use super::error::Fault;
use std::cmp::Ordering;

/// Bytes of a page's header, and of one element of its table.
pub(super) const HEADER: usize = 16;
pub(super) const ELEMENT: usize = 16;
/// Page types.
pub(super) const BRANCH: u16 = 0x01;
pub(super) const LEAF: u16 = 0x02;
pub(super) const META: u16 = 0x04;
pub(super) const FREELIST: u16 = 0x10;
/// Element flag: the value is a bucket's header.
pub(super) const IS_BUCKET: u32 = 1;
/// Longest key; bbolt refuses to write longer ones.
pub(super) const MAX_KEY: usize = 32768;
/// Longest value; bbolt refuses to write longer ones.
pub(super) const MAX_VALUE: usize = 0x7FFF_FFFE;

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// A length as the number that errors carry; no machine has a wider `usize`.
pub(super) fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// A `u32` as a length; on a machine where it does not fit, no data is that long.
pub(super) fn narrow(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The 16 bytes before a page's elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub id: u64,
    pub flags: u16,
    pub count: u16,
    pub overflow: u32,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            id: u64_at(bytes, 0)?,
            flags: u16_at(bytes, 8)?,
            count: u16_at(bytes, 10)?,
            overflow: u32_at(bytes, 12)?,
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.overflow.to_le_bytes());
    }
}

/// The kind of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub leaf: bool,
    pub count: usize,
    /// Where its last element's data ends.
    pub end: usize,
}

/// Checks the table of a leaf or branch page: the first element's data begins where the table ends, each other's where
/// the one before it ends, and the last one's ends inside the page. bbolt has never written a page otherwise, so
/// this detects a changed count or size, and with it rows that would be lost silently. It also bounds
/// what a walk over the file can yield by the file's length.
pub(super) fn shape(bytes: &[u8]) -> Result<Shape, Fault> {
    let header = Header::parse(bytes).ok_or(Fault::Table { count: 0, size: wide(bytes.len()) })?;
    let leaf = match header.flags {
        LEAF => true,
        BRANCH => false,
        flags => return Err(Fault::WrongType { flags, wanted: "a branch or leaf page" }),
    };
    let count = usize::from(header.count);
    let table = HEADER.saturating_add(count.saturating_mul(ELEMENT));
    let elements = bytes.get(HEADER..table).ok_or(Fault::Table { count: wide(count), size: wide(bytes.len()) })?;
    let mut end = wide(table);
    let mut start = wide(HEADER);
    for (index, element) in elements.chunks_exact(ELEMENT).enumerate() {
        let (pos, size) = spans(element, leaf).ok_or(Fault::Element(wide(index)))?;
        let from = start.saturating_add(pos);
        if from.saturating_add(size) > wide(bytes.len()) {
            return Err(Fault::Element(wide(index)));
        }
        if from != end {
            return Err(Fault::Gap(wide(index)));
        }
        end = from.saturating_add(size);
        start = start.saturating_add(wide(ELEMENT));
    }
    Ok(Shape { leaf, count, end: usize::try_from(end).unwrap_or(usize::MAX) })
}

/// As [`shape`], for a page of the file: it has no more pages than its elements need. (bbolt before 1.3.4
/// took one more when they filled the last one exactly.)
pub(super) fn file_shape(bytes: &[u8], page_size: u32) -> Result<Shape, Fault> {
    let shape = shape(bytes)?;
    let needed = shape.end.checked_div(narrow(page_size)).unwrap_or(0).saturating_add(1);
    let has = bytes.len().checked_div(narrow(page_size)).unwrap_or(0);
    if has > needed { Err(Fault::Spare { has: wide(has), needed: wide(needed) }) } else { Ok(shape) }
}

/// As [`shape`], for the page in a bucket's value, which ends with its last row.
pub(super) fn inline_shape(image: &[u8]) -> Result<Shape, Fault> {
    let shape = shape(image)?;
    if !shape.leaf {
        return Err(Fault::WrongType { flags: BRANCH, wanted: "a leaf page" });
    }
    let spare = image.len().saturating_sub(shape.end);
    if spare > 0 { Err(Fault::Rest(wide(spare))) } else { Ok(shape) }
}

/// Where an element's data starts, from the element, and how long it is.
fn spans(element: &[u8], leaf: bool) -> Option<(u64, u64)> {
    let word = |at| u32_at(element, at).map(u64::from);
    if leaf { Some((word(4)?, word(8)?.saturating_add(word(12)?))) } else { Some((word(0)?, word(4)?)) }
}

/// One row, borrowed from its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value; for a nested bucket its header ([`super::Bucket::parse`] reads it).
    pub value: &'a [u8],
    /// Both, adjacent as in the file.
    pub both: &'a [u8],
    /// Whether the row is a nested bucket.
    pub is_bucket: bool,
}

/// A row of a leaf page.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafRow<'a> {
    pub flags: u32,
    pub key: &'a [u8],
    pub value: &'a [u8],
    pub both: &'a [u8],
}

impl<'a> LeafRow<'a> {
    /// Converts it to the public form.
    pub fn shown(&self) -> Row<'a> {
        Row { key: self.key, value: self.value, both: self.both, is_bucket: self.flags & IS_BUCKET != 0 }
    }
}

/// Element `index` of a leaf page.
pub(super) fn leaf_row(bytes: &[u8], index: usize) -> Result<LeafRow<'_>, Fault> {
    let read = || {
        let start = HEADER.checked_add(index.checked_mul(ELEMENT)?)?;
        let element = bytes.get(start..)?;
        let (pos, ksize) = (narrow(u32_at(element, 4)?), narrow(u32_at(element, 8)?));
        let both = element.get(pos..)?.get(..ksize.checked_add(narrow(u32_at(element, 12)?))?)?;
        let (key, value) = both.split_at_checked(ksize)?;
        Some(LeafRow { flags: u32_at(element, 0)?, key, value, both })
    };
    read().ok_or(Fault::Element(wide(index)))
}

/// Element `index` of a branch page: key and child page.
pub(super) fn branch_row(bytes: &[u8], index: usize) -> Result<(&[u8], u64), Fault> {
    let read = || {
        let start = HEADER.checked_add(index.checked_mul(ELEMENT)?)?;
        let element = bytes.get(start..)?;
        let key = element.get(narrow(u32_at(element, 0)?)..)?.get(..narrow(u32_at(element, 4)?))?;
        Some((key, u64_at(element, 8)?))
    };
    read().ok_or(Fault::Element(wide(index)))
}

/// The first element whose key is not less than `key`, by binary search; `count` if all are less.
pub(super) fn lower_bound(bytes: &[u8], shape: Shape, key: &[u8]) -> Result<usize, Fault> {
    let (mut low, mut high) = (0usize, shape.count);
    while low < high {
        let middle = low.midpoint(high);
        let found = if shape.leaf { leaf_row(bytes, middle)?.key } else { branch_row(bytes, middle)?.0 };
        if found.cmp(key) == Ordering::Less { low = middle.saturating_add(1) } else { high = middle }
    }
    Ok(low)
}

/// The child of a branch page that covers `key`: the last one whose key is not greater, else the first.
pub(super) fn child_for(bytes: &[u8], shape: Shape, key: &[u8]) -> Result<usize, Fault> {
    let at = lower_bound(bytes, shape, key)?;
    let exact = at < shape.count && branch_row(bytes, at)?.0 == key;
    Ok(if exact { at } else { at.saturating_sub(1) })
}
