//! Hashes a file once and finds the SHA-256 of a saved snapshot in it: at its end, or before bytes that do not belong to
//! the snapshot.
//!
//! `etcdctl snapshot save` writes the pages in use, up to the high-water mark, and their SHA-256. Bytes that were appended
//! later (a line end, a message of `kubectl exec`, padding by xmodem) leave both unchanged; so the hash is compared with
//! the file at the end of every page from the mark on, which costs one block of hashing each.

use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use super::{Digest, Shape, Source, TRAILER_BYTES, hex, io_trouble};
use crate::bbolt::PageBuffer;
use crate::error::{Error, Result};
use crate::text::{number::count, value::brief};

/// The most offsets that are tried.
const MOST: usize = 16 << 10;
/// The most bytes after a snapshot that are read to identify them; also the number of bytes read at a time.
const EXTRA_BYTES: u64 = 1 << 20;

/// Bytes after all pages that are shorter than a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutTrailer {
    /// The number of bytes.
    pub bytes: u64,
    /// Whether they are the beginning of the SHA-256 of the content. Otherwise they are part of the SHA-256 of content that
    /// was changed since, or do not belong to the snapshot.
    pub fits: bool,
}

/// Bytes that do not belong to the snapshot, or to any page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// The number of bytes.
    pub bytes: u64,
    /// Their kind.
    pub kind: ExtraKind,
}

/// The kind of bytes after a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraKind {
    /// Carriage returns and line feeds.
    LineEnds,
    /// 0x1A, with which xmodem fills its last block.
    Padding,
    /// Zeros.
    Zeros,
    /// A hole of a sparse file, which was not read.
    Hole {
        /// Whether there is data in or after it.
        data: bool,
    },
    /// A text.
    Text(String),
    /// Anything else.
    Bytes,
}

impl Extra {
    /// Describes them: `35 further bytes (the text "…")`.
    pub fn words(&self) -> String {
        let what = match &self.kind {
            ExtraKind::LineEnds if self.bytes <= 2 => " (a line end)".to_string(),
            ExtraKind::LineEnds => " (line ends)".to_string(),
            ExtraKind::Padding => " (padding with 0x1A, as added by xmodem)".to_string(),
            ExtraKind::Zeros => return count(self.bytes, "zero byte", "zero bytes"),
            ExtraKind::Hole { data: false } => " (a hole, which was not read)".to_string(),
            ExtraKind::Hole { data: true } => " (a hole with data in it, which was not read)".to_string(),
            ExtraKind::Text(text) => format!(" (the text \"{text}\")"),
            ExtraKind::Bytes => String::new(),
        };
        format!("{}{what}", count(self.bytes, "further byte", "further bytes"))
    }

    /// Returns a sentence: `35 further bytes (…) follow its SHA-256: they do not belong to the snapshot`.
    pub fn sentence(&self) -> String {
        let (follow, they) = if self.bytes == 1 { ("follows", "it does") } else { ("follow", "they do") };
        format!("{} {follow} its SHA-256: {they} not belong to the snapshot", self.words())
    }

    /// Returns a sentence: `35 further bytes (…) at its end belong to no page`.
    pub fn of_no_page(&self) -> String {
        format!("{} at its end {} to no page", self.words(), if self.bytes == 1 { "belongs" } else { "belong" })
    }

    /// Identifies the bytes from `from` to the end of the file.
    fn read(source: &Source, from: u64) -> Result<Extra> {
        let bytes = source.bytes.saturating_sub(from);
        if let Some(hole) = source.hole {
            return Ok(Extra { bytes, kind: ExtraKind::Hole { data: hole.data > 0 } });
        }
        let kind = match filling(source, from)? {
            Some(0x1a) => ExtraKind::Padding,
            Some(0) => ExtraKind::Zeros,
            _ if bytes > EXTRA_BYTES => ExtraKind::Bytes,
            _ => {
                let mut found = vec![0; usize::try_from(bytes).unwrap_or(0)];
                source.file().read_exact_at(&mut found, from).map_err(|e| io_trouble("read", &source.path, &e))?;
                let printable = |text: &str| !text.contains(|c: char| c.is_control() && !c.is_whitespace());
                match std::str::from_utf8(&found) {
                    Ok(text) if text.chars().all(|c| matches!(c, '\r' | '\n')) => ExtraKind::LineEnds,
                    Ok(text) if printable(text) => ExtraKind::Text(brief(text.trim().as_bytes(), 80)),
                    _ => ExtraKind::Bytes,
                }
            }
        };
        Ok(Extra { bytes, kind })
    }
}

/// Returns the value of all bytes from `from` to the end of the file if they are equal.
fn filling(source: &Source, from: u64) -> Result<Option<u8>> {
    let (mut block, mut at, mut all) = (PageBuffer::new(EXTRA_BYTES as usize), from, None);
    while at < source.bytes {
        let part = block.split_at_mut(source.bytes.saturating_sub(at).min(EXTRA_BYTES) as usize).0;
        source.file().read_exact_at(part, at).map_err(|e| io_trouble("read", &source.path, &e))?;
        let fill = *all.get_or_insert(part.first().copied().unwrap_or_default());
        if part.iter().any(|byte| *byte != fill) {
            return Ok(None);
        }
        at = at.saturating_add(part.len() as u64);
    }
    Ok(all)
}

/// Returns whether these bytes could be (part of) a SHA-256 of other content: after all pages, any that are neither text nor
/// filling; in the place of a page, only bytes that look random.
fn could_be_hash(bytes: &[u8], after_pages: bool) -> bool {
    let text =
        std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
    let filling = [0, 0x1a].iter().any(|fill| bytes.iter().all(|byte| byte == fill));
    let different = bytes.iter().collect::<std::collections::BTreeSet<_>>().len();
    !text && !filling && (after_pages || different >= 20)
}

/// An offset, the hash of all bytes before it, and the 32 bytes there.
type Claimed = (u64, [u8; 32], [u8; 32]);

/// Hashes a file from start to end.
pub(in crate::engine) struct Sealer<'s> {
    source: &'s Source,
    sha: Sha256,
    at: u64,
    /// The next offset where the hash of all bytes before it may be.
    next: u64,
    step: u64,
    tried: Vec<(u64, [u8; 32])>,
}

impl<'s> Sealer<'s> {
    pub fn new(source: &'s Source) -> Self {
        let shape = source.shape();
        // A file of exactly this length can have its hash only at its end, and one that ends at the mark has none.
        let usual = |mark: u64| source.bytes <= mark || (source.has_trailer && source.body_bytes() == mark);
        let next = shape.map_or(u64::MAX, |shape| if usual(shape.mark) { u64::MAX } else { shape.mark });
        let step = shape.map_or(u64::MAX, |shape| shape.page);
        Self { source, sha: Sha256::new(), at: 0, next, step, tried: Vec::new() }
    }

    pub fn update(&mut self, block: &[u8]) {
        let mut rest = block;
        loop {
            let until = self.next.checked_sub(self.at).and_then(|until| usize::try_from(until).ok());
            let Some((before, after)) = until.and_then(|until| rest.split_at_checked(until)) else { break };
            self.sha.update(before);
            (self.at, rest) = (self.next, after);
            self.tried.push((self.at, self.sha.clone().finalize().into()));
            self.next = match self.tried.len() {
                MOST.. => u64::MAX,
                _ if self.source.hole.is_some() => u64::MAX,
                _ => self.next.saturating_add(self.step),
            };
        }
        self.sha.update(rest);
        self.at = self.at.saturating_add(rest.len() as u64);
    }

    /// Returns the result; `blocks` is left empty.
    pub fn finish(mut self) -> Result<Digest> {
        let source = self.source;
        let body = source.body_bytes();
        let body_sha256: [u8; 32] = self.sha.clone().finalize().into();
        let mut trailer = None;
        if source.has_trailer {
            let bytes = self.read(body)?;
            self.sha.update(bytes);
            trailer = Some(bytes);
        }
        let hashed = body.saturating_add(if source.has_trailer { TRAILER_BYTES } else { 0 });
        let mut digest = Digest {
            file_sha256: hex(&self.sha.clone().finalize()),
            hashed,
            body_sha256,
            trailer,
            snapshot_bytes: hashed,
            extra: None,
            cut_trailer: None,
            blocks: Vec::new(),
        };
        if trailer == Some(body_sha256) {
            return Ok(digest);
        }
        for (at, hash) in &self.tried {
            let left = source.bytes.saturating_sub(*at);
            if left < TRAILER_BYTES {
                let mut found = vec![0; left as usize];
                source.file().read_exact_at(&mut found, *at).map_err(|e| io_trouble("read", &source.path, &e))?;
                // One or two bytes may match by chance: a line end is more likely.
                let line_end = found.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                if hash.starts_with(&found) && !line_end {
                    digest.cut_trailer = Some(CutTrailer { bytes: left, fits: true });
                    return Ok(digest);
                }
                if left > 0 && could_be_hash(&found, true) {
                    digest.cut_trailer = Some(CutTrailer { bytes: left, fits: false });
                }
                break;
            }
            if self.read(*at)? == *hash {
                (digest.body_sha256, digest.trailer) = (*hash, Some(*hash));
                digest.snapshot_bytes = at.saturating_add(TRAILER_BYTES);
                digest.extra = Some(Extra::read(source, digest.snapshot_bytes)?).filter(|extra| extra.bytes > 0);
                return Ok(digest);
            }
        }
        if let (None, Some(shape), None) = (trailer, source.shape(), source.hole) {
            if let Some((at, hash, claimed)) = self.claimed(shape)? {
                (digest.body_sha256, digest.trailer) = (hash, Some(claimed));
                digest.extra = Some(Extra::read(source, at.saturating_add(TRAILER_BYTES))?);
                return Ok(digest);
            }
            let partial = shape.partial_page_bytes(source.bytes);
            if partial > 0 && source.bytes > shape.mark {
                digest.extra = Some(Extra::read(source, source.bytes.saturating_sub(partial))?);
            }
        }
        Ok(digest)
    }

    /// Finds bytes that could be a SHA-256 after the pages and are followed by others. If the length of the file is that of
    /// a database, they must be in a page that holds nothing else.
    fn claimed(&self, shape: Shape) -> Result<Option<Claimed>> {
        let end = self.source.bytes;
        let partial = shape.partial_page_bytes(end);
        for (at, hash) in &self.tried {
            let left = end.saturating_sub(*at);
            if left <= TRAILER_BYTES {
                continue;
            }
            let last = partial > 0 && *at == end.saturating_sub(partial);
            let anywhere = partial > 0 && *at == shape.mark;
            let bytes = self.read(*at)?;
            // A page begins with its own number.
            let page = bytes.first_chunk().map(|id| u64::from_le_bytes(*id)) == at.checked_div(shape.page);
            let alone = || Ok::<_, Error>(!page && could_be_hash(&bytes, false) && self.padded(*at, shape.page)?);
            if ((last || anywhere) && could_be_hash(&bytes, last)) || alone()? {
                return Ok(Some((*at, *hash, bytes)));
            }
        }
        Ok(None)
    }

    /// Returns whether the rest of the page after a SHA-256 at `at` is one repeated byte.
    fn padded(&self, at: u64, page: u64) -> Result<bool> {
        let from = at.saturating_add(TRAILER_BYTES);
        let rest = self.source.bytes.saturating_sub(from).min(page.saturating_sub(TRAILER_BYTES));
        let mut rest = vec![0; rest as usize];
        let read = self.source.file().read_exact_at(&mut rest, from);
        read.map_err(|e| io_trouble("read", &self.source.path, &e))?;
        Ok(rest.windows(2).all(|pair| pair.first() == pair.last()))
    }

    fn read(&self, at: u64) -> Result<[u8; 32]> {
        let mut bytes = [0; 32];
        self.source.file().read_exact_at(&mut bytes, at).map_err(|e| io_trouble("read", &self.source.path, &e))?;
        Ok(bytes)
    }
}
