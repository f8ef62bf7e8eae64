//! Errors of a bbolt file; each names the page, the bucket or the offset.

use std::fmt;
use std::io;

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The read failed.
    #[error("failed to read {} at offset {offset}: {source}", number(*.size, "byte", "bytes"))]
    Read {
        /// Bytes from the start of the file.
        offset: u64,
        /// Number of bytes requested.
        size: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The write failed.
    #[error("failed to write the database file at offset {offset}: {source}")]
    Write {
        /// Bytes from the start of the file.
        offset: u64,
        /// The system's error.
        source: io::Error,
    },
    /// Shorter than the smallest file that bbolt opens.
    #[error("the file is too short to be a bbolt database: {has} bytes, at least 4096 are needed")]
    Short {
        /// The file's length in bytes.
        has: u64,
    },
    /// The file ends before the high-water mark in its meta page.
    #[error("the file is truncated: it has {has} bytes, but needs {needs}; copy it again or use another one")]
    Truncated {
        /// Bytes up to the high-water mark.
        needs: u64,
        /// The file's length in bytes.
        has: u64,
    },
    /// Neither meta page can be used.
    #[error("this is not a bbolt database, or both of its meta pages are damaged: {first}; {second}")]
    NoMeta {
        /// What is wrong with page 0.
        first: Box<Error>,
        /// What is wrong with page 1.
        second: Box<Error>,
    },
    /// Something on a page, or in an inline bucket, breaks the format.
    #[error("{place}: {fault}")]
    Damaged {
        /// The page or bucket.
        place: Place,
        /// What is wrong there.
        fault: Fault,
    },
    /// An edit or a build was given something that the format cannot hold.
    #[error("bucket `{}`: {what}", .bucket.escape_ascii())]
    Refused {
        /// The bucket's name.
        bucket: Vec<u8>,
        /// Why, as the end of a sentence.
        what: &'static str,
    },
    /// The caller's `step` asked to stop.
    #[error("the check was stopped before every page was read")]
    Stopped,
}

impl Error {
    pub(super) fn at(page: u64, bucket: &[u8], fault: Fault) -> Self {
        Self::Damaged { place: Place { page: Some(page), bucket: bucket.into() }, fault }
    }

    pub(super) fn in_bucket(bucket: &[u8], fault: Fault) -> Self {
        Self::Damaged { place: Place { page: None, bucket: bucket.into() }, fault }
    }

    pub(super) fn refused(bucket: &[u8], what: &'static str) -> Self {
        Self::Refused { bucket: bucket.into(), what }
    }
}

/// A location in a file: a page, the inline page of a bucket, or a page of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The page's number; none for the inline page of a small bucket.
    pub page: Option<u64>,
    /// The bucket's name (of nested ones the path, joined by `/`); empty for the root bucket and for pages that
    /// belong to no bucket.
    pub bucket: Box<[u8]>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.page, self.bucket.is_empty()) {
            (Some(page), true) => write!(f, "page {page}"),
            (Some(page), false) => write!(f, "page {page} of bucket `{}`", self.bucket.escape_ascii()),
            (None, true) => write!(f, "the root bucket"),
            (None, false) => write!(f, "bucket `{}`", self.bucket.escape_ascii()),
        }
    }
}

/// A violation of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says it")]
pub enum Fault {
    #[error("not a meta page: bad magic number")]
    Magic,
    #[error("unsupported format version {0}, expected 2")]
    Version(u32),
    #[error("checksum mismatch")]
    Checksum,
    #[error("invalid page size {0}: not a power of two from 512 to 65536, or different from the other meta page's")]
    PageSize(u32),
    #[error("invalid high-water mark: {0} pages")]
    HighWater(u64),
    #[error("transaction ID out of range")]
    Txid,
    #[error("page number out of bounds: valid pages are 2 to {}", .hwm.saturating_sub(1))]
    OutOfBounds { hwm: u64 },
    #[error("wrong page number {0} in its header")]
    WrongId(u64),
    #[error("wrong page type {flags:#06x}: expected {wanted}")]
    WrongType { flags: u16, wanted: &'static str },
    #[error("overflow of {overflow} pages exceeds the high-water mark of {hwm} pages")]
    Overflow { overflow: u32, hwm: u64 },
    #[error("{count} elements do not fit into {size} bytes")]
    Table { count: u64, size: u64 },
    #[error("element {0} points outside the page")]
    Element(u64),
    #[error("element {0} does not begin where the data before it ends: its offset, a size or the count was changed")]
    Gap(u64),
    #[error("it spans {has} pages but its elements need {needed}: a size or the count was changed")]
    Spare { has: u64, needed: u64 },
    #[error("{} its last row: a size or the count was changed", number(*.0, "byte follows", "bytes follow"))]
    Rest(u64),
    #[error("branch page without children")]
    NoChildren,
    #[error("leaf page without rows, which bbolt never writes: its count was changed")]
    NoRows,
    #[error("the key of element {0} is not greater than the key before it")]
    Order(u64),
    #[error("the key of element {0} is less than its parent's key for this page")]
    BelowParent(u64),
    #[error("the key of element {0} is not less than its parent's key for the next page")]
    AboveParent(u64),
    #[error("the key of element {0} is empty or longer than 32768 bytes")]
    KeyLength(u64),
    #[error("element {index} has unknown flags {flags:#x}")]
    ElementFlags { index: u64, flags: u32 },
    #[error("element {0} of the root bucket is not a bucket")]
    NotABucket(u64),
    #[error("truncated bucket header")]
    BucketHeader,
    #[error("the tree is deeper than {0} levels: pages refer to each other in a cycle")]
    Depth(usize),
    #[error("the tree has more pages than the file: pages are referenced twice")]
    Endless,
    #[error("referenced more than once")]
    Shared,
    #[error("in use, but also in the freelist")]
    ReachableFreed,
    #[error("twice in the freelist")]
    FreedTwice,
    #[error("out of order in the freelist")]
    Unsorted,
    #[error("neither in use nor in the freelist")]
    Lost,
    #[error("failed to allocate {0} bytes")]
    Memory(u64),
}

/// `1 byte`, `2 bytes`.
fn number(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
