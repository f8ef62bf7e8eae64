//! A file that may be a snapshot: opened, identified, and read once for its checksums. Nothing here writes.
//!
//! `etcdctl snapshot save` writes the database followed by 32 bytes of SHA-256; the length of a database file is a
//! multiple of 512 bytes, so a length of 32 more shows that the trailer is there. A copy of `member/snap/db` has none.
//! Source: etcd `etcdutl/snapshot/v3_snapshot.go` (`hasChecksum`). If other bytes follow the trailer,
//! [`super::source::trailer`] finds it.
//!
//! ```
//! use requorum::engine::{progress::Flow, source::Source};
//!
//! let path = std::path::Path::new("tests/fixtures/snapshots/seed-3.5.16.db");
//! let source = Source::open_any(path, &mut |_| Flow::Go)?;
//! let digest = source.digest(&mut |_| Flow::Go)?;
//! assert_eq!(digest.verified(), Ok(()));
//! assert!(source.view()?.bucket(b"key").unwrap().is_some());
//! # Ok::<(), requorum::error::Error>(())
//! ```

pub mod archive;
pub mod filetype;
pub mod holes;
pub mod trailer;
pub mod verified_source;

use std::{
    fs::{self, File},
    io::{self, Read},
    num::NonZeroU64,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use rustix::fs::{Advice, fadvise};

use super::{
    durable_fs,
    progress::{Flow, Phase, Progress, ProgressFn},
    source::{
        archive::Archive,
        filetype::{Identified, altered::LineEnds},
        holes::Hole,
        trailer::{CutTrailer, Extra, Sealer},
    },
};
use crate::text::{number::thousands, size::byte_count};
use crate::{
    bbolt::{self, PageBuffer, View},
    error::{Error, ErrorKind, Fault, Remedy, Result},
    text::Shown,
};

/// Length in bytes of the SHA-256 at the end of a saved snapshot.
pub const TRAILER_BYTES: u64 = 32;
/// Block size in bytes for comparing the copy with what was hashed.
pub const BLOCK_BYTES: usize = 1 << 20;
/// Bytes read at a time: as fast as whole blocks, in a quarter of their memory. A block is a multiple of this, and this is
/// a multiple of every page size (bbolt's largest page is 64 KiB).
pub(super) const PIECE_BYTES: usize = 256 << 10;
/// Bytes of a damaged file that are read to detect whether a transfer changed it.
const ALTERED_BYTES: u64 = 64 << 20;

/// An open file that looks like a database.
#[derive(Debug)]
pub struct Source {
    /// Its path; for a data directory, the path of the database in it.
    pub path: PathBuf,
    /// How it was supplied.
    pub wrapping: Wrapping,
    /// The length in bytes, after unpacking.
    pub bytes: u64,
    /// The time of the last modification, seconds since 1970.
    pub modified: Option<i64>,
    /// True if its length shows that a SHA-256 follows the database.
    pub has_trailer: bool,
    /// A hole after the pages in use that is not read.
    pub hole: Option<Hole>,
    shape: Option<Shape>,
    file: Arc<File>,
}

/// The size of a database, from its meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The page size in bytes.
    pub page: u64,
    /// The high-water mark: bytes before the first page that was never in use.
    pub mark: u64,
}

impl Shape {
    /// Returns the number of pages up to the mark.
    pub fn pages(&self) -> u64 {
        self.mark.checked_div(self.page).unwrap_or_default()
    }

    /// Returns the bytes of an incomplete page at the end of a file of this length.
    pub fn partial_page_bytes(&self, length: u64) -> u64 {
        length.saturating_sub(self.mark).checked_rem(self.page).unwrap_or_default()
    }
}

/// How a database was supplied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrapping {
    /// The file itself was named.
    Plain,
    /// This data directory was named; its `member/snap/db` is used.
    DataDir(PathBuf),
    /// An archive, unpacked into a temporary file.
    Archive {
        /// Its format.
        format: Archive,
        /// The archive's own length in bytes.
        bytes: u64,
        /// The snapshot's name in the archive, if the format has one.
        name: Option<String>,
    },
}

/// The database in a [`Source`], without the trailer: what [`View`] reads.
#[derive(Debug, Clone)]
pub struct Body {
    file: Arc<File>,
    bytes: u64,
    /// Whether the file is sparse.
    sparse: bool,
}

/// Reads of at least this many bytes check for a hole first.
const HOLE_READ: usize = 256 << 10;

impl Body {
    /// Advises the kernel to read ahead these bytes; the kernel may ignore it.
    pub(super) fn will_need(&self, offset: u64, bytes: u64) {
        let _ = fadvise(&self.file, offset, NonZeroU64::new(bytes), Advice::WillNeed);
    }
}

impl bbolt::ReadAt for Body {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        if self.sparse && buf.len() >= HOLE_READ && holes::is_hole(&self.file, offset, buf.len() as u64) {
            buf.fill(0);
            return Ok(());
        }
        self.file.read_exact_at(buf, offset)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes)
    }
}

/// The result of reading the whole file once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// SHA-256 of the whole file, hex: what a plan pins. For a file with a large hole, of its first `hashed` bytes.
    pub file_sha256: String,
    /// The number of bytes that this SHA-256 covers.
    pub hashed: u64,
    /// SHA-256 of the database alone.
    pub body_sha256: [u8; 32],
    /// The trailer, if there is one.
    pub trailer: Option<[u8; 32]>,
    /// The length of the snapshot with its trailer; the whole file if nothing follows it.
    pub snapshot_bytes: u64,
    /// Bytes after a matching trailer; in a file without one, bytes at its end that belong to no page.
    pub extra: Option<Extra>,
    /// Fewer bytes after the pages than a trailer has, which are or could be the beginning of one.
    pub cut_trailer: Option<CutTrailer>,
    /// CRC-32C of each [`BLOCK_BYTES`] of the database; the last block may be shorter.
    pub blocks: Vec<u32>,
}

impl Digest {
    /// Returns whether a trailer, or bytes that could be the rest of one, does not match the content.
    pub fn is_wrong(&self) -> bool {
        let cut = self.cut_trailer.is_some_and(|cut| !cut.fits);
        cut || self.trailer.is_some_and(|trailer| trailer != self.body_sha256)
    }

    /// Returns `Ok` if the trailer is the SHA-256 of the database, otherwise the reason as a sentence.
    ///
    /// # Errors
    /// If the trailer is missing or does not match.
    pub fn verified(&self) -> std::result::Result<(), String> {
        match self.trailer {
            None => Err(match (&self.cut_trailer, &self.extra) {
                (Some(CutTrailer { bytes, fits: true }), _) => format!(
                    "its SHA-256 trailer is truncated: only {bytes} of its 32 bytes {}",
                    if *bytes == 1 { "is present, and it matches" } else { "are present, and they match" }
                ),
                (Some(CutTrailer { bytes, fits: false }), _) => {
                    let pages = self.hashed.saturating_sub(*bytes);
                    let (follow, may, they) = match bytes {
                        1 => ("1 further byte follows", "it may be", "it does"),
                        _ => ("further bytes follow", "they may be", "they do"),
                    };
                    let number = if *bytes == 1 { String::new() } else { format!("{bytes} ") };
                    format!(
                        "{number}{follow} its pages: {may} the rest of a SHA-256 trailer, in which case the content was changed or \
                         damaged; or {they} not belong to the snapshot (head -c {pages} FILE > NEW.db removes that)"
                    )
                }
                (None, Some(extra)) => format!(
                    "it has no SHA-256 that matches its content, and its length is not that of a database: {}",
                    extra.of_no_page()
                ),
                (None, None) => "it has no SHA-256 trailer (a copy of member/snap/db has none either)".into(),
            }),
            Some(trailer) if trailer == self.body_sha256 => Ok(()),
            Some(trailer) => {
                let (stored, computed) = distinct_hex(&trailer, &self.body_sha256);
                Err(match &self.extra {
                    None => format!(
                        "its SHA-256 trailer is {stored}, but its content hashes to {computed}: it was changed or damaged after \
                         it was saved"
                    ),
                    // Its exact place is known only if it matches.
                    Some(extra) => format!(
                        "bytes that could be its SHA-256 follow its pages and do not match them (they are {stored}, its content \
                         hashes to {computed}), then {}: it may be a saved snapshot that was changed or damaged",
                        extra.words()
                    ),
                })
            }
        }
    }
}

/// Returns the first bytes of two hashes as hex, or the whole hashes if those are equal.
fn distinct_hex(one: &[u8; 32], other: &[u8; 32]) -> (String, String) {
    let short = |hash: &[u8; 32]| hex(hash.first_chunk::<6>().unwrap_or(&[0; 6])) + "…";
    match short(one) == short(other) {
        true => (hex(one), hex(other)),
        false => (short(one), short(other)),
    }
}

/// Formats bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Turns a system error on `path`, which must exist for the operation, into an error with a hint. For operations that
/// create `path`, use [`creation_trouble`].
pub fn io_trouble(what: &str, path: &Path, error: &io::Error) -> Error {
    system_error(what, path, error, "it does not exist")
}

/// Returns the same for an operation that creates `path`: what is missing then is its parent directory.
pub fn creation_trouble(what: &str, path: &Path, error: &io::Error) -> Error {
    system_error(what, path, error, "its parent directory does not exist")
}

fn system_error(what: &str, path: &Path, error: &io::Error, missing: &str) -> Error {
    let trouble = |kind, why: &str| Error::new(kind, format!("cannot {what} {}", path.shown())).why(why);
    match error.kind() {
        io::ErrorKind::NotFound => trouble(ErrorKind::Input, missing),
        io::ErrorKind::PermissionDenied => trouble(ErrorKind::Failed, "permission denied")
            .hint("Run requorum as its owner (often etcd or root), for example with sudo."),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            trouble(ErrorKind::Failed, "no space left on device")
                .fault(Fault::NoSpace)
                .hint("Free some space, or choose a directory on another filesystem.")
        }
        io::ErrorKind::ReadOnlyFilesystem => trouble(ErrorKind::Failed, "read-only filesystem"),
        _ => trouble(ErrorKind::Failed, &error.to_string()),
    }
}

impl Source {
    /// Opens anything that holds a database: a file as [`Source::open`] does, `member/snap/db` in a data directory, and
    /// the snapshot in an archive, which is unpacked into a temporary file first. For reading only: a restore needs the
    /// file itself.
    ///
    /// # Errors
    /// As for [`Source::open`], and if an archive cannot be unpacked or holds something else.
    pub fn open_any(path: &Path, watch: &mut ProgressFn<'_>) -> Result<Source> {
        let db = path.join("member/snap/db");
        if path.is_dir() && db.exists() {
            let source = Source::open(&db)?;
            return Ok(Source { wrapping: Wrapping::DataDir(path.into()), ..source });
        }
        // Checked before it is opened: opening a named pipe would block.
        if path.is_file()
            && let Ok(file) = durable_fs::readable(path)
        {
            let mut head = Vec::new();
            let packed = file.metadata().map_err(|e| io_trouble("read", path, &e))?;
            if (&file).take(16).read_to_end(&mut head).is_ok()
                && let Some(format) = Archive::from_head(&head)
            {
                let unpacked = archive::unpack(format, &file, path, watch)?;
                let wrapping = Wrapping::Archive { format, bytes: packed.len(), name: unpacked.name };
                let shape = shape(&unpacked.file).unwrap_or_default();
                let (bytes, modified) = (unpacked.bytes, modified(&packed));
                return Ok(Source::new(path, wrapping, (bytes, modified), unpacked.file, shape));
            }
        }
        Source::open(path)
    }

    /// Opens `path` and reads its first bytes.
    ///
    /// # Errors
    /// If it does not exist, cannot be read, is a directory or empty, or has the magic number of another format.
    pub fn open(path: &Path) -> Result<Source> {
        let meta = fs::metadata(path).map_err(|e| io_trouble("read", path, &e))?;
        let refuse = |why: &str| Error::new(ErrorKind::Input, format!("{}: not a snapshot", path.shown())).why(why);
        if meta.is_dir() {
            let db = path.join("member/snap/db");
            return Err(match db.exists() {
                true => refuse("it is a data directory")
                    .hint(format!("Use its database, {}, which has no checksum.", db.shown()))
                    .remedies(&[Remedy::AcceptUnhashed]),
                false => {
                    let (name, hint) = filetype::directory::identify(path);
                    refuse(&format!("it is {name}")).hint(hint)
                }
            });
        }
        if !meta.is_file() {
            return Err(refuse("it is not a regular file"));
        }
        if meta.len() == 0 {
            return Err(refuse("it is empty (0 bytes)").hint(
                "Nothing was written to it. Check the output of the program that should have written it, and take another snapshot.",
            ));
        }
        let file = durable_fs::readable(path).map_err(|e| io_trouble("read", path, &e))?;
        let meta = file.metadata().map_err(|e| io_trouble("read", path, &e))?;
        let shape = match shape(&file) {
            Ok(shape) => shape,
            Err(bbolt::Error::NoMeta { .. } | bbolt::Error::Short { .. }) => {
                if let Some(sparse) = holes::without_start(&file) {
                    return Err(refuse(&format!("it is {sparse}")).hint(
                        "The program that created it reserved the space and did not write it, or was stopped. Take another \
                         copy, or another snapshot.",
                    ));
                }
                let mut head = Vec::new();
                let most = filetype::HEAD_BYTES as u64;
                (&file).take(most).read_to_end(&mut head).map_err(|e| io_trouble("read", path, &e))?;
                let mut found = filetype::identify(&head, path);
                if filetype::is_tar(&head) {
                    found = found.map(|found| filetype::tar::with_content(found, &file, path));
                }
                if let Some(Identified { name, hint, .. }) = found {
                    return Err(refuse(&format!("it is {name}")).hint(hint));
                }
                None
            }
            Err(_) => None,
        };
        Ok(Source::new(path, Wrapping::Plain, (meta.len(), modified(&meta)), file, shape))
    }

    fn new(
        path: &Path,
        wrapping: Wrapping,
        (bytes, modified): (u64, Option<i64>),
        file: File,
        shape: Option<Shape>,
    ) -> Source {
        let after = shape.and_then(|shape| shape.mark.checked_add(TRAILER_BYTES)).filter(|after| *after < bytes);
        let hole = after.and_then(|after| holes::find(&file, after, bytes));
        let has_trailer = bytes % 512 == TRAILER_BYTES && hole.is_none();
        Source { path: path.into(), wrapping, bytes, modified, has_trailer, hole, shape, file: Arc::new(file) }
    }

    /// Returns the size from its meta page; `None` without a valid one.
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// Returns the length of the file that was named: for an archive, the packed length.
    pub fn given_bytes(&self) -> u64 {
        match self.wrapping {
            Wrapping::Archive { bytes, .. } => bytes,
            _ => self.bytes,
        }
    }

    /// Returns how to restore from it as a clause: a restore takes only the file itself, whose SHA-256 a plan pins. Empty if
    /// it is that file.
    pub fn to_restore(&self) -> String {
        match &self.wrapping {
            Wrapping::Plain => String::new(),
            Wrapping::DataDir(_) => format!("it is a data directory; use its database, {}", self.path.shown()),
            Wrapping::Archive { format, .. } => {
                format!(
                    "it is {} of a snapshot; to restore from it, unpack it first: {}",
                    format.words(),
                    format.command()
                )
            }
        }
    }

    /// Returns whether it is left over from `etcdctl snapshot save`, which renames `FILE.part` once it is complete.
    pub fn is_part(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "part")
    }

    /// Returns the length of the database without the trailer, as far as it is read.
    pub fn body_bytes(&self) -> u64 {
        match (self.hole, self.shape) {
            // holes are searched for only after this
            (Some(_), Some(shape)) => shape.mark.saturating_add(TRAILER_BYTES),
            _ if self.has_trailer => self.bytes.saturating_sub(TRAILER_BYTES),
            _ => self.bytes,
        }
    }

    /// Returns the database without the trailer.
    pub fn body(&self) -> Body {
        let on_disk = self.file.metadata().map_or(u64::MAX, |meta| meta.blocks().saturating_mul(512));
        let sparse = on_disk.saturating_add(HOLE_READ as u64) < self.bytes;
        Body { file: Arc::clone(&self.file), bytes: self.body_bytes(), sparse }
    }

    /// Returns the open file: for its metadata, and to copy from.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Opens the database.
    ///
    /// # Errors
    /// If it is not a bbolt database or is truncated; the cause says which.
    pub fn view(&self) -> Result<View<Body>> {
        View::open(self.body()).map_err(|e| self.damaged(&e))
    }

    /// Turns damage of the database into an error that names the file.
    pub fn damaged(&self, error: &bbolt::Error) -> Error {
        let what = format!("{}: not an intact snapshot", self.path.shown());
        let part = if self.is_part() { format!("{LEFTOVER}; ") } else { String::new() };
        let why = match error {
            bbolt::Error::Truncated { needs, has } => {
                // in a truncated file the last bytes are not a trailer
                let has = if self.hole.is_none() && *has == self.body_bytes() { self.bytes } else { *has };
                format!("it is truncated: it needs {}, but has {}", byte_count(*needs), thousands(has))
            }
            bbolt::Error::Short { has } => {
                format!("it is too short to be a database: it has {}, the minimum is 4,096", byte_count(*has))
            }
            other => other.to_string(),
        };
        match self.altered() {
            Some(Identified { name, hint, .. }) => {
                let why = if matches!(error, bbolt::Error::NoMeta { .. }) { String::new() } else { why + "; " };
                Error::new(ErrorKind::Input, what).why(format!("{part}{why}it is {name}")).hint(hint)
            }
            None => Error::new(ErrorKind::Input, what).why(part + &why).hint("Take another copy, or another snapshot."),
        }
    }

    /// Detects, in a file that was found damaged, whether a transfer in text mode changed it or it has only zeros.
    pub fn altered(&self) -> Option<Identified> {
        let mut ends = LineEnds::default();
        let mut buffer = PageBuffer::new(PIECE_BYTES);
        let (mut offset, until) = (0u64, self.bytes.min(ALTERED_BYTES));
        if self.bytes < 4096 {
            return None;
        }
        while offset < until {
            let block = buffer.split_at_mut(until.saturating_sub(offset).min(PIECE_BYTES as u64) as usize).0;
            self.file.read_exact_at(block, offset).ok()?;
            ends.add(block);
            offset = offset.saturating_add(block.len() as u64);
        }
        // In a longer file the rest may hold other bytes.
        let found = ends.verdict(self.shape.is_some()).filter(|_| until == self.bytes || ends.filled > 0)?;
        Some(Identified { hint: found.hint.replace("{}", &filetype::quoted(&self.path)), ..found })
    }

    /// Reads the whole file once and computes its checksums.
    ///
    /// # Errors
    /// If reading fails, the file shrinks meanwhile, or `watch` returns stop.
    pub fn digest(&self, watch: &mut ProgressFn<'_>) -> Result<Digest> {
        let body = self.body_bytes();
        let mut sealer = Sealer::new(self);
        let mut blocks = Sums::default();
        let mut buffer = PageBuffer::new(PIECE_BYTES);
        let mut offset = 0u64;
        while offset < body {
            let length = body.saturating_sub(offset).min(PIECE_BYTES as u64);
            let piece = buffer.split_at_mut(length as usize).0;
            self.file.read_exact_at(piece, offset).map_err(|e| io_trouble("read", &self.path, &e))?;
            sealer.update(piece);
            blocks.add(offset, piece);
            offset = offset.saturating_add(length);
            step(watch, Phase::Hash, offset, body)?;
        }
        Ok(Digest { blocks: blocks.0, ..sealer.finish()? })
    }

    /// Returns why a plan cannot restore from it as it is, and what to do, if it has a hole that its SHA-256 does not cover.
    pub fn to_cut(&self, digest: &Digest) -> Option<String> {
        let (hole, shape) = (self.hole?, self.shape?);
        let bytes = if digest.trailer.is_some() { digest.snapshot_bytes } else { shape.mark };
        let path = filetype::quoted(&self.path);
        Some(format!("{}; to restore from it, copy the part in use: head -c {bytes} {path} > NEW.db", hole.words(self)))
    }
}

/// The checksums of the blocks of a file that is read from start to end.
#[derive(Debug, Default)]
pub(super) struct Sums(pub(super) Vec<u32>);

impl Sums {
    /// Adds the piece at `offset`, which is within one block.
    pub(super) fn add(&mut self, offset: u64, piece: &[u8]) {
        match self.0.last_mut() {
            Some(sum) if !offset.is_multiple_of(BLOCK_BYTES as u64) => *sum = crc32c::crc32c_append(*sum, piece),
            _ => self.0.push(crc32c::crc32c(piece)),
        }
    }
}

/// Returns the size of the database from its valid meta page.
fn shape(file: &File) -> std::result::Result<Option<Shape>, bbolt::Error> {
    let view = View::open(file)?;
    Ok(Some(Shape { page: view.page_size().into(), mark: view.used_bytes() }))
}

/// What a file whose name ends in `.part` is, as a clause.
pub const LEFTOVER: &str = "it is left over from a `snapshot save` that did not finish (.part)";

fn modified(meta: &fs::Metadata) -> Option<i64> {
    let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Reports progress; a stop becomes an error, which unwinds to the code that cleans up.
///
/// # Errors
/// `Stopped`, if `watch` returns stop.
pub fn step(watch: &mut ProgressFn<'_>, phase: Phase, done: u64, total: u64) -> Result<()> {
    match watch(Progress { phase, done, total }) {
        Flow::Go => Ok(()),
        Flow::Stop => Err(Error::new(ErrorKind::Stopped, format!("stopped on request while {}", phase.words()))
            .hint("Unfinished work was removed; nothing else was changed.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The function called decides what is missing, not the verb.
    #[test]
    fn missing_part_follows_from_the_function() {
        let gone = io::Error::from(io::ErrorKind::NotFound);
        let (read, made) = ("it does not exist", "its parent directory does not exist");
        for verb in ["read", "write", "make", "rename"] {
            assert_eq!(io_trouble(verb, Path::new("/x"), &gone).why, read, "{verb}");
            assert_eq!(creation_trouble(verb, Path::new("/x"), &gone).why, made, "{verb}");
        }
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for trouble in [io_trouble("read", Path::new("/x"), &full), creation_trouble("write", Path::new("/x"), &full)] {
            assert_eq!((trouble.kind, trouble.fault), (ErrorKind::Failed, Some(Fault::NoSpace)));
        }
    }
}
