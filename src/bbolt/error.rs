//! What can be wrong with a bbolt file, as values: each names the page, the bucket or the offset.

use std::fmt;
use std::io;

/// Why a file cannot be read, or not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to read.
    #[error("{} at offset {offset} could not be read: {source}", number(*.size, "byte", "bytes"))]
    Read {
        /// Bytes from the start of the file.
        offset: u64,
        /// How many bytes were asked for.
        size: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused to write.
    #[error("the database file could not be written at offset {offset}: {source}")]
    Write {
        /// Bytes from the start of the file.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Shorter than the smallest file that bbolt opens.
    #[error("the file is too short to be a bbolt database: it has {has} bytes, the smallest one has 4096")]
    Short {
        /// The file's length in bytes.
        has: u64,
    },
    /// The file ends before the pages that its meta page counts.
    #[error("the file is truncated: it needs {needs} bytes, but has {has}; copy it again or take another one")]
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
        /// Where.
        place: Place,
        /// What.
        fault: Fault,
    },
    /// An edit or a build was asked for what the format cannot hold.
    #[error("bucket `{}`: {what}", .bucket.escape_ascii())]
    Refused {
        /// The bucket's name.
        bucket: Vec<u8>,
        /// Why, as the end of a sentence.
        what: &'static str,
    },
    /// The caller's `step` asked to stop.
    #[error("the check was stopped before it had seen every page")]
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

/// Where in a file: a page, the inline page of a bucket, or a page of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The page's number; none for the inline page of a small bucket.
    pub page: Option<u64>,
    /// The bucket's name (of nested ones the path, joined by `/`); empty for the list of buckets and for pages that
    /// belong to none.
    pub bucket: Box<[u8]>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.page, self.bucket.is_empty()) {
            (Some(page), true) => write!(f, "page {page}"),
            (Some(page), false) => write!(f, "page {page} of bucket `{}`", self.bucket.escape_ascii()),
            (None, true) => write!(f, "the list of buckets"),
            (None, false) => write!(f, "bucket `{}`", self.bucket.escape_ascii()),
        }
    }
}

/// What breaks the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says it")]
pub enum Fault {
    #[error("it has not bbolt's magic number, so it is no meta page")]
    Magic,
    #[error("its format version is {0}, only version 2 is known")]
    Version(u32),
    #[error("its checksum does not fit its content")]
    Checksum,
    #[error("its page size of {0} bytes is not a power of two from 512 to 65536, or not the other meta page's")]
    PageSize(u32),
    #[error("its high-water mark of {0} pages is impossible")]
    HighWater(u64),
    #[error("its transaction number cannot be counted on")]
    Txid,
    #[error("it lies outside the pages in use, which are 2 to {}", .hwm.saturating_sub(1))]
    OutOfBounds { hwm: u64 },
    #[error("it calls itself page {0}")]
    WrongId(u64),
    #[error("its type is {flags:#06x}, but {wanted} was expected")]
    WrongType { flags: u16, wanted: &'static str },
    #[error("it claims {overflow} further pages, which lie beyond the {hwm} pages in use")]
    Overflow { overflow: u32, hwm: u64 },
    #[error("its {count} elements do not fit into its {size} bytes")]
    Table { count: u64, size: u64 },
    #[error("element {0} points outside the page")]
    Element(u64),
    #[error(
        "element {0} does not begin where what stands before it ends, so its place, a size or the count was changed"
    )]
    Gap(u64),
    #[error("it has {has} pages for what needs {needed}, so a size or the count was changed")]
    Spare { has: u64, needed: u64 },
    #[error("{} its last row, so a size or the count was changed", number(*.0, "byte follows", "bytes follow"))]
    Rest(u64),
    #[error("it is a branch without children")]
    NoChildren,
    #[error("it is a page of its own without rows, as bbolt never writes one, so its count was changed")]
    NoRows,
    #[error("the key of element {0} is not greater than the one before it")]
    Order(u64),
    #[error("the key of element {0} is less than its parent's key for this page")]
    BelowParent(u64),
    #[error("the key of element {0} is not less than its parent's key for the next page")]
    AboveParent(u64),
    #[error("the key of element {0} is empty or longer than 32768 bytes")]
    KeyLength(u64),
    #[error("element {index} has the unknown flags {flags:#x}")]
    ElementFlags { index: u64, flags: u32 },
    #[error("element {0} of the list of buckets is not a bucket")]
    NotABucket(u64),
    #[error("its header is cut short")]
    BucketHeader,
    #[error("the tree is deeper than {0} levels, so pages point at each other in a circle")]
    Depth(usize),
    #[error("following the tree led through more pages than the file has, so pages are referenced twice")]
    Endless,
    #[error("it is referenced more than once")]
    Shared,
    #[error("it is in use, but the list of free pages has it too")]
    ReachableFreed,
    #[error("the list of free pages has it twice")]
    FreedTwice,
    #[error("the list of free pages has it out of order")]
    Unsorted,
    #[error("it is neither in use nor in the list of free pages")]
    Lost,
    #[error("{0} bytes of memory for it are not to be had")]
    Memory(u64),
}

/// `1 byte`, `2 bytes`.
fn number(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
