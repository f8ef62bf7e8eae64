//! Meta pages: the two pages at the start of a file that refer to everything else.

use super::error::{Error, Fault};
use super::page::{self, HEADER};

/// The first bytes of a meta page's body, as bbolt writes them.
const MAGIC: u32 = 0xED0C_DAED;
/// The one format version.
const VERSION: u32 = 2;
/// Bytes of a meta page that are used: header and body.
pub(super) const META_LEN: usize = 80;
/// The freelist page ID if the freelist is not stored (bbolt's `PgidNoFreelist`).
pub(super) const NO_FREELIST: u64 = u64::MAX;

/// The body of a valid meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Bytes per page.
    pub page_size: u32,
    /// Root page of the root bucket.
    pub root: u64,
    /// Sequence number of the root bucket; stored, never used.
    pub sequence: u64,
    /// Page of the freelist; `u64::MAX` if it is not stored in the file.
    pub freelist: u64,
    /// High-water mark: the first page that was never in use.
    pub hwm: u64,
    /// ID of the transaction that wrote it.
    pub txid: u64,
}

impl Meta {
    /// Reads the meta page `page` (0 or 1) from its first [`META_LEN`] bytes.
    pub(super) fn parse(page: u64, bytes: &[u8]) -> Result<Self, Error> {
        let fail = |fault| Error::at(page, b"", fault);
        let cut = || fail(Fault::Table { count: 0, size: u64::try_from(bytes.len()).unwrap_or(u64::MAX) });
        let body = bytes.get(HEADER..META_LEN).ok_or_else(cut)?;
        let u32_at = |at| page::u32_at(body, at).ok_or_else(cut);
        let u64_at = |at| page::u64_at(body, at).ok_or_else(cut);
        if u32_at(0)? != MAGIC {
            return Err(fail(Fault::Magic));
        }
        if u32_at(4)? != VERSION {
            return Err(fail(Fault::Version(u32_at(4)?)));
        }
        if u64_at(56)? != fnv1a(body.get(..56).ok_or_else(cut)?) {
            return Err(fail(Fault::Checksum));
        }
        let meta = Self {
            page_size: u32_at(8)?,
            root: u64_at(16)?,
            sequence: u64_at(24)?,
            freelist: u64_at(32)?,
            hwm: u64_at(40)?,
            txid: u64_at(48)?,
        };
        if !valid_page_size(meta.page_size) {
            return Err(fail(Fault::PageSize(meta.page_size)));
        }
        Ok(meta)
    }

    /// Returns the whole page `page` (0 or 1): header, body, checksum, zeros.
    pub fn encode(&self, page: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(usize::try_from(self.page_size).unwrap_or(META_LEN));
        page::Header { id: page, flags: page::META, count: 0, overflow: 0 }.write(&mut out);
        let mut body = Vec::with_capacity(64);
        for word in [MAGIC, VERSION, self.page_size, 0] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.root, self.sequence, self.freelist, self.hwm, self.txid] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        let sum = fnv1a(&body);
        out.extend_from_slice(&body);
        out.extend_from_slice(&sum.to_le_bytes());
        out.resize(usize::try_from(self.page_size).unwrap_or(META_LEN), 0);
        out
    }
}

/// Returns whether bbolt writes files with this page size.
pub(super) fn valid_page_size(size: u32) -> bool {
    size.is_power_of_two() && (512..=65536).contains(&size)
}

/// FNV-1a, 64 bits.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
