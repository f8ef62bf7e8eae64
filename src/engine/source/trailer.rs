//! Hashing a file once, and on the way finding where the SHA-256 of a saved snapshot is in it: at its end, or before
//! bytes that do not belong to it.
//!
//! `etcdctl snapshot save` writes the pages in use, up to the high-water mark, and their SHA-256. Whatever came to be
//! behind that (a line end, a message of `kubectl exec`, padding by xmodem) leaves both as they were; so the hash is
//! held against the file at every page's end from the mark on, which costs a block of hashing each.

use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use super::{Digest, Shape, Source, TRAILER_BYTES, hex, io_trouble};
use crate::bbolt::PageBuffer;
use crate::error::{Error, Result};
use crate::text::{number::count, value::brief};

/// Most places that are tried.
const MOST: usize = 16 << 10;
/// Bytes behind a snapshot that are read to say what they are; how many are read at a time.
const LOOK: u64 = 1 << 20;

/// Less than a SHA-256 after all pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutTrailer {
    /// How many bytes there are.
    pub bytes: u64,
    /// Whether they are the beginning of the SHA-256 that the content gives. Else they are of another one, of content that
    /// was changed since, or nothing of the snapshot.
    pub fits: bool,
}

/// Bytes that do not belong to the snapshot, or to any page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// How many.
    pub bytes: u64,
    /// What they are.
    pub kind: ExtraKind,
}

/// What such bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraKind {
    /// Carriage returns and line feeds.
    LineEnds,
    /// 0x1A, as xmodem fills its last block.
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
    /// `35 further bytes (the text "…")`.
    pub fn words(&self) -> String {
        let what = match &self.kind {
            ExtraKind::LineEnds if self.bytes <= 2 => " (a line end)".to_string(),
            ExtraKind::LineEnds => " (line ends)".to_string(),
            ExtraKind::Padding => " (padding with 0x1A, as xmodem adds it)".to_string(),
            ExtraKind::Zeros => return count(self.bytes, "zero byte", "zero bytes"),
            ExtraKind::Hole { data: false } => " (a hole, which was not read)".to_string(),
            ExtraKind::Hole { data: true } => " (a hole with data in it, which were not read)".to_string(),
            ExtraKind::Text(text) => format!(" (the text \"{text}\")"),
            ExtraKind::Bytes => String::new(),
        };
        format!("{}{what}", count(self.bytes, "further byte", "further bytes"))
    }

    /// `35 further bytes (…) follow it: they do not belong to it`.
    pub fn sentence(&self) -> String {
        let (follow, they) = if self.bytes == 1 { ("follows", "it does") } else { ("follow", "they do") };
        format!("{} {follow} its SHA-256: {they} not belong to the snapshot", self.words())
    }

    /// `35 further bytes (…) at its end belong to no page`.
    pub fn of_no_page(&self) -> String {
        format!("{} at its end {} to no page", self.words(), if self.bytes == 1 { "belongs" } else { "belong" })
    }

    /// Of what is from `from` to the end of the file.
    fn read(source: &Source, from: u64) -> Result<Extra> {
        let bytes = source.bytes.saturating_sub(from);
        if let Some(hole) = source.hole {
            return Ok(Extra { bytes, kind: ExtraKind::Hole { data: hole.data > 0 } });
        }
        let kind = match filling(source, from)? {
            Some(0x1a) => ExtraKind::Padding,
            Some(0) => ExtraKind::Zeros,
            _ if bytes > LOOK => ExtraKind::Bytes,
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

/// The one byte that all bytes from `from` to the file's end are, if so.
fn filling(source: &Source, from: u64) -> Result<Option<u8>> {
    let (mut block, mut at, mut all) = (PageBuffer::new(LOOK as usize), from, None);
    while at < source.bytes {
        let part = block.split_at_mut(source.bytes.saturating_sub(at).min(LOOK) as usize).0;
        source.file().read_exact_at(part, at).map_err(|e| io_trouble("read", &source.path, &e))?;
        let fill = *all.get_or_insert(part.first().copied().unwrap_or_default());
        if part.iter().any(|byte| *byte != fill) {
            return Ok(None);
        }
        at = at.saturating_add(part.len() as u64);
    }
    Ok(all)
}

/// Whether these bytes could be (a part of) a SHA-256 that was changed: after all pages, any that are no text and no filling;
/// where a page could be, only such as look random.
fn could_be_hash(bytes: &[u8], after_pages: bool) -> bool {
    let text =
        std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()));
    let filling = [0, 0x1a].iter().any(|fill| bytes.iter().all(|byte| byte == fill));
    let different = bytes.iter().collect::<std::collections::BTreeSet<_>>().len();
    !text && !filling && (after_pages || different >= 20)
}

/// A place, the hash of all before it, and the bytes there.
type Claimed = (u64, [u8; 32], [u8; 32]);

/// Hashes a file front to back.
pub(in crate::engine) struct Sealer<'s> {
    source: &'s Source,
    sha: Sha256,
    at: u64,
    /// The next place where the hash of all before it may be.
    next: u64,
    step: u64,
    tried: Vec<(u64, [u8; 32])>,
}

impl<'s> Sealer<'s> {
    pub fn new(source: &'s Source) -> Self {
        let shape = source.shape();
        // A file of exactly this length has its hash at its end, if anywhere, and one that ends at the mark has none.
        let usual = |mark: u64| source.bytes <= mark || (source.has_trailer && source.body_bytes() == mark);
        let next = shape.map_or(u64::MAX, |shape| if usual(shape.mark) { u64::MAX } else { shape.mark });
        let step = shape.map_or(u64::MAX, |shape| shape.page);
        Self { source, sha: Sha256::new(), at: 0, next, step, tried: Vec::new() }
    }

    pub fn update(&mut self, block: &[u8]) {
        let mut rest = block;
        loop {
            let until = self.next.checked_sub(self.at).and_then(|until| usize::try_from(until).ok());
            let Some((before, behind)) = until.and_then(|until| rest.split_at_checked(until)) else { break };
            self.sha.update(before);
            (self.at, rest) = (self.next, behind);
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

    /// What all of it says; `blocks` is left empty.
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
                let mut some = vec![0; left as usize];
                source.file().read_exact_at(&mut some, *at).map_err(|e| io_trouble("read", &source.path, &e))?;
                // A byte or two may fit by chance: a line end is rather one.
                let line_end = some.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
                if hash.starts_with(&some) && !line_end {
                    digest.cut_trailer = Some(CutTrailer { bytes: left, fits: true });
                    return Ok(digest);
                }
                if left > 0 && could_be_hash(&some, true) {
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
            let odd = shape.odd_bytes(source.bytes);
            if odd > 0 && source.bytes > shape.mark {
                digest.extra = Some(Extra::read(source, source.bytes.saturating_sub(odd))?);
            }
        }
        Ok(digest)
    }

    /// Where bytes that could be a SHA-256 follow the pages with others after them: the place, the hash of all before it, and
    /// these bytes. In a file whose length is that of a database they would have to be in a page that holds nothing else.
    fn claimed(&self, shape: Shape) -> Result<Option<Claimed>> {
        let end = self.source.bytes;
        let odd = shape.odd_bytes(end);
        for (at, hash) in &self.tried {
            let left = end.saturating_sub(*at);
            if left <= TRAILER_BYTES {
                continue;
            }
            let last = odd > 0 && *at == end.saturating_sub(odd);
            let anywhere = odd > 0 && *at == shape.mark;
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

    /// Whether what follows a SHA-256 at `at` in the same page is one byte again and again.
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
