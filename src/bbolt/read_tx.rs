//! A read-only view of a bbolt file: which meta page is in use, which buckets there are.
//!
//! Nothing in the file is trusted: a page is returned only after its id, type, overflow and
//! every element were checked against the page and the file.

use super::ReadAt;
use super::error::{Error, Fault};
use super::meta::{META_LEN, Meta, NO_FREELIST};
use super::page::{self, Header, Shape};
use super::page_buffer::PageBuffer;

/// The smallest file that bbolt opens.
const SMALLEST: u64 = 4096;
/// Levels of a tree, and of buckets in buckets. With two children a branch, 64 levels are more pages than any disk has.
pub(super) const MAX_DEPTH: usize = 64;

/// A row's key and value, copied.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// A bbolt file open for reading.
#[derive(Debug)]
pub struct View<R> {
    src: R,
    page_size: u32,
    metas: [Result<Meta, Error>; 2],
    meta: Meta,
    fell_back: bool,
}

/// Most bytes that a window reads at a time.
const WINDOW: u64 = 256 << 10;
/// Memory above which a window shrinks again after a large page.
const LARGE: usize = 4 << 20;
/// Most pages that a walk may skip and still count as sequential.
const GAP: u64 = 32;

/// Pages that were read together, since one often follows the other.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: PageBuffer,
    /// The first page in it, and how many there are.
    first: u64,
    pages: u64,
    /// The page after the one requested last.
    next: u64,
    /// How many pages to read next time.
    ahead: u64,
}

impl Window {
    /// Clears the window.
    fn clear(&mut self) {
        (self.pages, self.ahead) = (0, 0);
    }

    /// Returns its bytes from page `id` on.
    fn at(&self, id: u64, size: usize) -> &[u8] {
        let bytes = |pages: u64| usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(size);
        let span = bytes(id.saturating_sub(self.first))..bytes(self.pages);
        self.bytes.get(span).unwrap_or_default()
    }
}

/// A bucket: where its rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub(super) name: Vec<u8>,
    pub(super) sequence: u64,
    pub(super) rows: Rows,
}

/// Where a bucket's rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rows {
    /// In the tree below this page.
    Tree(u64),
    /// In this page image, stored inline in the bucket's value.
    Inline(Vec<u8>),
}

impl Bucket {
    /// Reads the header that is a bucket's value in its parent.
    /// `name` is kept for messages. Fails if the header or the inline page after it is truncated or damaged.
    pub fn parse(name: &[u8], value: &[u8]) -> Result<Self, Error> {
        let fail = |fault| Error::in_bucket(name, fault);
        let root = page::u64_at(value, 0).ok_or_else(|| fail(Fault::BucketHeader))?;
        let sequence = page::u64_at(value, 8).ok_or_else(|| fail(Fault::BucketHeader))?;
        let rows = if root == 0 {
            let image = value.get(16..).unwrap_or_default();
            page::inline_shape(image).map_err(fail)?;
            Rows::Inline(image.to_vec())
        } else {
            Rows::Tree(root)
        };
        Ok(Self { name: name.to_vec(), sequence, rows })
    }

    /// Returns the root page of its tree; `None` if it is inline in its parent's page.
    pub fn root_page(&self) -> Option<u64> {
        match self.rows {
            Rows::Tree(page) => Some(page),
            Rows::Inline(_) => None,
        }
    }

    /// Its sequence number (etcd leaves it at 0).
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

impl<R: ReadAt> View<R> {
    /// Opens a file. Reads the two meta pages and no more.
    ///
    /// The page size is found as bbolt does: from page 0 if that is valid, else from a valid meta page at one of the
    /// places where page 1 can be. Of two valid meta pages the one with the higher transaction ID is used.
    /// Fails with [`Error::NoMeta`] if neither is valid and [`Error::Truncated`] if the file ends before its pages.
    pub fn open(src: R) -> Result<Self, Error> {
        let has = src.len().map_err(|source| Error::Read { offset: 0, size: 0, source })?;
        if has < SMALLEST {
            return Err(Error::Short { has });
        }
        let (first, first_txid) = read_meta(&src, 0, 0)?;
        let (page_size, (second, second_txid)) = match &first {
            Ok(meta) => (meta.page_size, read_second(&src, meta.page_size, has)?),
            Err(_) => find_second(&src, has)?,
        };
        let (meta, fell_back) = match (&first, &second) {
            (Ok(a), Ok(b)) => (if b.txid > a.txid { *b } else { *a }, false),
            (Ok(a), Err(_)) => (*a, second_txid > a.txid),
            (Err(_), Ok(b)) => (*b, first_txid > b.txid),
            (Err(_), Err(_)) => {
                let (Err(first), Err(second)) = (first, second) else { return Err(Error::Short { has }) };
                return Err(Error::NoMeta { first: Box::new(first), second: Box::new(second) });
            }
        };
        // Before anything is allocated by the high-water mark: one of 2^60 must cost nothing.
        let impossible = || Error::at(0, b"", Fault::HighWater(meta.hwm));
        let needs = meta.hwm.checked_mul(u64::from(page_size)).ok_or_else(impossible)?;
        if needs > has {
            return Err(Error::Truncated { needs, has });
        }
        if meta.hwm < 3 {
            return Err(impossible());
        }
        Ok(Self { src, page_size, metas: [first, second], meta, fell_back })
    }

    /// Returns the same file as of its other meta page: the state before the last transaction, whose pages that transaction
    /// left as they were. `None` if that meta page is damaged, has the same state, or pages after the end of the file.
    pub fn older(mut self) -> Option<Self> {
        let [Ok(first), Ok(second)] = &self.metas else { return None };
        let other = if first.txid == self.meta.txid { *second } else { *first };
        let needs = other.hwm.checked_mul(u64::from(self.page_size))?;
        let fits = other.hwm >= 3 && self.src.len().is_ok_and(|has| needs <= has);
        if !fits || other.root == self.meta.root {
            return None;
        }
        self.meta = other;
        Some(self)
    }

    /// Bytes per page.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }

    /// Returns the meta page in use.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Both meta pages, as found.
    pub fn metas(&self) -> &[Result<Meta, Error>; 2] {
        &self.metas
    }

    /// Returns whether the newer meta page is damaged, so that the state before the last transaction is read.
    /// (That a page is the newer one is then known only from its damaged content.)
    pub fn fell_back(&self) -> bool {
        self.fell_back
    }

    /// Whether the damaged one of two meta pages names the same root and the same high-water mark as the other: that
    /// both do is usual for a copy (`snapshot save` writes one state into both), and no transaction is lost with it.
    pub fn damaged_meta_agrees(&self) -> bool {
        let Some(id) = (0u64..).zip(&self.metas).find(|(_, meta)| meta.is_err()).map(|(id, _)| id) else {
            return false;
        };
        let mut bytes = [0; META_LEN];
        let read = self.src.read_exact_at(&mut bytes, id.saturating_mul(u64::from(self.page_size)));
        let field = |at: usize| page::u64_at(&bytes, page::HEADER.saturating_add(at));
        read.is_ok() && field(16) == Some(self.meta.root) && field(40) == Some(self.meta.hwm)
    }

    /// Returns whether a freelist is stored in the file.
    pub fn keeps_free_list(&self) -> bool {
        self.meta.freelist != NO_FREELIST
    }

    /// Checks that the freelist page, if one is stored, has the right type, as bbolt does when it opens the
    /// file. The content of the list is checked by [`super::check()`].
    pub fn free_list(&self) -> Result<(), Error> {
        let id = self.meta.freelist;
        if id == NO_FREELIST {
            return Ok(());
        }
        match self.load_raw(id, b"", &mut PageBuffer::default())?.flags {
            page::FREELIST => Ok(()),
            flags => Err(Error::at(id, b"", Fault::WrongType { flags, wanted: "a freelist" })),
        }
    }

    /// Bytes up to the high-water mark; what etcd calls the total size.
    pub fn used_bytes(&self) -> u64 {
        self.meta.hwm.saturating_mul(u64::from(self.page_size))
    }

    /// What is read.
    pub fn source(&self) -> &R {
        &self.src
    }

    /// Returns the root bucket, whose rows are the top-level buckets.
    pub fn root(&self) -> Bucket {
        Bucket { name: Vec::new(), sequence: self.meta.sequence, rows: Rows::Tree(self.meta.root) }
    }

    /// Reads page `id` with its overflow pages into `bytes`, whose memory is reused. `bucket` is for messages.
    /// Checks bounds, id, type and every element.
    pub(super) fn load(&self, id: u64, bucket: &[u8], bytes: &mut PageBuffer) -> Result<Shape, Error> {
        self.load_raw(id, bucket, bytes)?;
        page::file_shape(bytes, self.page_size).map_err(|fault| Error::at(id, bucket, fault))
    }

    /// As [`Self::load`], for pages of any type.
    pub(super) fn load_raw(&self, id: u64, bucket: &[u8], bytes: &mut PageBuffer) -> Result<Header, Error> {
        let hwm = self.meta.hwm;
        let fail = |fault| Error::at(id, bucket, fault);
        if id < 2 || id >= hwm {
            return Err(fail(Fault::OutOfBounds { hwm }));
        }
        let size = page::narrow(self.page_size);
        bytes.reset(size);
        let offset = id.saturating_mul(u64::from(self.page_size));
        self.read(bytes, offset)?;
        let header = Header::parse(bytes).ok_or_else(|| fail(Fault::OutOfBounds { hwm }))?;
        if header.id != id {
            return Err(fail(Fault::WrongId(header.id)));
        }
        if header.overflow > 0 {
            let overflow = header.overflow;
            if hwm.saturating_sub(id) <= u64::from(overflow) {
                return Err(fail(Fault::Overflow { overflow, hwm }));
            }
            // No more than the file's length, by the line above.
            let more = page::narrow(overflow).saturating_mul(size);
            bytes.try_resize(size.saturating_add(more)).map_err(|_| fail(Fault::Memory(page::wide(more))))?;
            let rest = bytes.get_mut(size..).unwrap_or_default();
            self.read(rest, offset.saturating_add(u64::from(self.page_size)))?;
        }
        Ok(header)
    }

    /// As [`Self::load_raw`], but through a window, which reads ahead when a walk is sequential.
    pub(super) fn page<'w>(&self, id: u64, bucket: &[u8], window: &'w mut Window) -> Result<&'w [u8], Error> {
        let size = page::narrow(self.page_size);
        let usable = id >= 2 && id < self.meta.hwm && self.fill(id, 1, window);
        let header = if usable { Header::parse(window.at(id, size)) } else { None };
        let pages = header.filter(|header| header.id == id).map(|header| u64::from(header.overflow).saturating_add(1));
        match pages {
            Some(pages) if self.fill(id, pages, window) => {
                window.next = id.saturating_add(pages);
                let length = usize::try_from(pages).unwrap_or(usize::MAX).saturating_mul(size);
                Ok(window.at(id, size).get(..length).unwrap_or_default())
            }
            // Too large for a window, or damaged: read on its own, so that the error is about it.
            _ => {
                window.clear();
                self.load_raw(id, bucket, &mut window.bytes)?;
                let pages = window.bytes.len().checked_div(size).unwrap_or(1);
                window.next = id.saturating_add(page::wide(pages));
                Ok(&window.bytes)
            }
        }
    }

    /// Ensures that `pages` pages from `id` on are in the window. Returns false if they are
    /// too many for it, or cannot be read.
    fn fill(&self, id: u64, pages: u64, window: &mut Window) -> bool {
        let has = id >= window.first && id.saturating_add(pages) <= window.first.saturating_add(window.pages);
        if has {
            return true;
        }
        let size = u64::from(self.page_size);
        let left = self.meta.hwm.saturating_sub(id);
        let most = WINDOW.checked_div(size).unwrap_or(1);
        if pages > left || pages > most {
            return false;
        }
        let near = id.checked_sub(window.next).is_some_and(|gap| gap <= GAP);
        window.ahead = if near { window.ahead.saturating_mul(2).max(4).min(most) } else { 1 };
        let count = window.ahead.max(pages).min(left);
        let Ok(length) = usize::try_from(count.saturating_mul(size)) else { return false };
        if window.bytes.capacity() > LARGE {
            window.bytes = PageBuffer::default();
        }
        window.bytes.reset(length.max(window.bytes.len()));
        (window.first, window.pages) = (id, 0);
        let bytes = window.bytes.get_mut(..length).unwrap_or_default();
        if self.read(bytes, id.saturating_mul(size)).is_ok() {
            window.pages = count;
            return true;
        }
        false
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), Error> {
        let size = page::wide(bytes.len());
        self.src.read_exact_at(bytes, offset).map_err(|source| Error::Read { offset, size, source })
    }
}

/// A meta page and the transaction ID in it, even if the page is not valid.
type MetaRead = (Result<Meta, Error>, u64);

fn read_meta(src: &impl ReadAt, page: u64, offset: u64) -> Result<MetaRead, Error> {
    let mut bytes = [0; META_LEN];
    src.read_exact_at(&mut bytes, offset).map_err(|source| Error::Read {
        offset,
        size: page::wide(META_LEN),
        source,
    })?;
    Ok((Meta::parse(page, &bytes), page::u64_at(&bytes, 64).unwrap_or(0)))
}

/// Page 1 where page 0 says it is; one with another page size is ignored.
fn read_second(src: &impl ReadAt, page_size: u32, has: u64) -> Result<MetaRead, Error> {
    let offset = u64::from(page_size);
    if has.saturating_sub(offset) < page::wide(META_LEN) {
        return Ok((Err(Error::Truncated { needs: offset.saturating_mul(2), has }), 0));
    }
    let (meta, txid) = read_meta(src, 1, offset)?;
    Ok((
        meta.and_then(|meta| {
            let same = meta.page_size == page_size;
            if same { Ok(meta) } else { Err(Error::at(1, b"", Fault::PageSize(meta.page_size))) }
        }),
        txid,
    ))
}

/// Page 1 where its own page size says that it is.
fn find_second(src: &impl ReadAt, has: u64) -> Result<(u32, MetaRead), Error> {
    let mut size = 512u32;
    while size <= 65536 {
        if has.saturating_sub(u64::from(size)) >= page::wide(META_LEN) {
            let found = read_second(src, size, has)?;
            if found.0.is_ok() {
                return Ok((size, found));
            }
        }
        size = size.saturating_mul(2);
    }
    Ok((4096, (Err(Error::at(1, b"", Fault::Magic)), 0)))
}
