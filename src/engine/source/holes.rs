//! Holes in sparse files: the apparent size says nothing about the content, and reading a large hole wastes time.

use std::{
    fs::File,
    os::unix::fs::{FileExt, MetadataExt},
};

use rustix::fs::{SeekFrom, seek};

use super::{Source, filetype};
use crate::text::{
    number::{count, thousands},
    size::byte_count,
};

use crate::text::size::exact;

/// A hole after the pages in use of at least this many bytes is not read. (bbolt grows a file by 16 MiB at a time.)
const HOLE_BYTES: u64 = 256 << 20;
/// bbolt's largest page size: if data begins only after it, there is no meta page.
const LARGEST_PAGE: u64 = 64 << 10;
/// The most extents of a sparse file that are examined.
const EXTENTS: usize = 4096;

/// A hole at the end of a sparse file that is too large to be worth reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Bytes of holes.
    pub bytes: u64,
    /// Bytes of data between and after the holes.
    pub data: u64,
}

impl Hole {
    /// Describes the file as a clause: `it is a sparse file: apparent size 69 GB (68,719,476,736 bytes), allocated size 37 kB
    /// (36,864 bytes); 9 pages of it are in use (36,864 bytes), and the rest is a hole`.
    pub fn words(&self, source: &Source) -> String {
        let (pages, mark) = source.shape().map_or((0, 0), |shape| (shape.pages(), shape.mark));
        let rest = match self.data {
            0 => "the rest is a hole".to_string(),
            1 => "in the rest, 1 byte is data that belongs to no page; the remainder is a hole".to_string(),
            data => format!(
                "in the rest, {} bytes are data that belong to no page; the remainder is a hole",
                thousands(data)
            ),
        };
        let pages = count(pages, "page of it is in use", "pages of it are in use");
        format!("it is {}; {pages} ({}), and {rest}", sizes(source.file()), byte_count(mark))
    }
}

/// `a sparse file: apparent size 69 GB (68,719,476,736 bytes), allocated size 37 kB (36,864 bytes)`.
fn sizes(file: &File) -> String {
    let (apparent, allocated) = file.metadata().map_or((0, 0), |meta| (meta.len(), meta.blocks().saturating_mul(512)));
    format!("a sparse file: apparent size {}, allocated size {}", exact(apparent), exact(allocated))
}

/// Describes a sparse file in which no database begins: it has no data, or its data begins too late.
pub(in crate::engine) fn without_start(file: &File) -> Option<String> {
    let end = file.metadata().ok()?.len();
    match seek(file, SeekFrom::Data(0)) {
        Err(rustix::io::Errno::NXIO) if end > 0 => Some(format!("{}; it holds no data", sizes(file))),
        Ok(begins) if begins >= LARGEST_PAGE => {
            Some(format!("{}; its first {}, where a database begins, are a hole", sizes(file), byte_count(begins)))
        }
        _ => None,
    }
}

/// Returns whether this range is within the file and has no data.
pub(in crate::engine) fn is_hole(file: &File, offset: u64, length: u64) -> bool {
    let until = offset.saturating_add(length);
    file.metadata().is_ok_and(|meta| until <= meta.len())
        && match seek(file, SeekFrom::Data(offset)) {
            Ok(begins) => begins >= until,
            Err(error) => error == rustix::io::Errno::NXIO,
        }
}

/// Returns the holes after `from` if they are too large to be worth reading.
pub(in crate::engine) fn find(file: &File, from: u64, end: u64) -> Option<Hole> {
    if end.saturating_sub(from) < HOLE_BYTES {
        return None;
    }
    let (mut at, mut bytes) = (from, 0u64);
    for _ in 0..EXTENTS {
        let begins = match seek(file, SeekFrom::Data(at)) {
            Ok(begins) => begins.clamp(at, end),
            Err(rustix::io::Errno::NXIO) => end,
            // This filesystem does not report holes.
            Err(_) => return None,
        };
        bytes = bytes.saturating_add(begins.saturating_sub(at));
        if begins >= end {
            break;
        }
        let ends = seek(file, SeekFrom::Hole(begins)).map_or(end, |ends| ends.clamp(begins, end));
        // The block that holds the end of the last page in use and what follows it.
        let first = ends.saturating_sub(from);
        if begins == from && first <= filetype::HEAD_BYTES as u64 {
            let mut rest = vec![0; first as usize];
            let zero = file.read_exact_at(&mut rest, from).is_ok() && rest.iter().all(|byte| *byte == 0);
            bytes = bytes.saturating_add(if zero { first } else { 0 });
        }
        at = ends;
    }
    (bytes >= HOLE_BYTES).then(|| Hole { bytes, data: end.saturating_sub(from).saturating_sub(bytes) })
}
