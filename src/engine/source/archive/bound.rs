//! How much of an archive may be unpacked: its announced size, compared with the largest database and the free space.

use std::{fs::File, os::unix::fs::FileExt};

/// The most bytes that are unpacked: four times the largest quota that etcd's documentation suggests.
pub(super) const MOST_BYTES: u64 = 32 << 30;
/// Bytes that must stay free on the filesystem that it is unpacked to.
pub(super) const KEEP_FREE: u64 = 256 << 20;
/// Content of up to this many bytes is unpacked into memory, without using the disk.
pub(super) const IN_MEMORY: u64 = 8 << 20;

/// The size of the content as the archive announces it, before anything is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnnouncedSize {
    /// Exactly this size; more is invalid.
    Exactly(u64),
    /// This size or more: the first of several frames.
    AtLeast(u64),
    /// Perhaps this size: the last four bytes of gzip, which are the length only if nothing follows them and the content
    /// is smaller than 4 GiB.
    Perhaps(u64),
    /// No size.
    Nothing,
}

/// How much may be unpacked, and why no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) most: u64,
    pub(super) from: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// No etcd database is larger.
    Database,
    /// The archive announced no more.
    Announced,
    /// The share of the free space for an archive that does not announce its size.
    Room,
}

/// Why an archive is not unpacked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitError {
    TooLarge(u64),
    NoRoom(u64),
}

impl Bound {
    /// Compares the announced size with the largest database and the free space. Without an announced size it allows half
    /// of the space: reading an archive of a few megabytes must not fill a disk.
    pub(super) fn new(announced: AnnouncedSize, free: u64) -> std::result::Result<Bound, LimitError> {
        let room = free.saturating_sub(KEEP_FREE).max(IN_MEMORY);
        let fits = |bytes: u64| match bytes {
            bytes if bytes > MOST_BYTES => Err(LimitError::TooLarge(bytes)),
            bytes if bytes > room => Err(LimitError::NoRoom(bytes)),
            bytes => Ok(bytes),
        };
        let half = (free / 2).max(IN_MEMORY).min(room);
        let most = match announced {
            AnnouncedSize::Exactly(bytes) => return Ok(Bound { most: fits(bytes)?, from: Limit::Announced }),
            AnnouncedSize::AtLeast(bytes) => half.max(fits(bytes)?),
            AnnouncedSize::Perhaps(bytes) => half.max(bytes.min(room)),
            AnnouncedSize::Nothing => half,
        };
        Ok(match most < MOST_BYTES {
            true => Bound { most, from: Limit::Room },
            false => Bound { most: MOST_BYTES, from: Limit::Database },
        })
    }
}

/// Reads the last four bytes of a gzip archive: the length of its content modulo 4 GiB (RFC 1952).
pub(super) fn gzip_length(file: &File) -> AnnouncedSize {
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut last = [0; 4];
    match length.checked_sub(4).map(|at| file.read_exact_at(&mut last, at)) {
        Some(Ok(())) => AnnouncedSize::Perhaps(u32::from_le_bytes(last).into()),
        _ => AnnouncedSize::Nothing,
    }
}

/// Reads the content size in the header of a zstd archive's first frame.
pub(super) fn zstd_length(file: &File) -> AnnouncedSize {
    let mut head = [0; 18];
    let read = file.read_at(&mut head, 0).unwrap_or_default();
    let mut decoder = ruzstd::decoding::FrameDecoder::new();
    match decoder.reset(head.get(..read).unwrap_or_default()) {
        Ok(()) if decoder.content_size() > 0 => AnnouncedSize::AtLeast(decoder.content_size()),
        _ => AnnouncedSize::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The announced size is compared with the largest database and the free space before anything is unpacked; without
    /// one, half of the space is allowed.
    #[test]
    fn limits_follow_announced_size_and_free_space() {
        use AnnouncedSize::{AtLeast, Exactly, Nothing, Perhaps};
        const GIB: u64 = 1 << 30;
        let (room, database, announced) = (Limit::Room, Limit::Database, Limit::Announced);
        for (announced_size, free, want) in [
            (Exactly(GIB), 10 * GIB, Ok((GIB, announced))),
            (Exactly(8 * GIB), 10 * GIB, Ok((8 * GIB, announced))),
            (Exactly(10 * GIB), 10 * GIB, Err(LimitError::NoRoom(10 * GIB))),
            (Exactly(33 * GIB), 100 * GIB, Err(LimitError::TooLarge(33 * GIB))),
            (Exactly(u64::MAX), 100 * GIB, Err(LimitError::TooLarge(u64::MAX))),
            (Exactly(u64::MAX), 0, Err(LimitError::TooLarge(u64::MAX))),
            (Exactly(IN_MEMORY), 0, Ok((IN_MEMORY, announced))),
            (Exactly(0), 0, Ok((0, announced))),
            (AtLeast(8 * GIB), 10 * GIB, Ok((8 * GIB, room))),
            (AtLeast(GIB), 10 * GIB, Ok((5 * GIB, room))),
            (AtLeast(11 * GIB), 10 * GIB, Err(LimitError::NoRoom(11 * GIB))),
            (AtLeast(1 << 62), u64::MAX, Err(LimitError::TooLarge(1 << 62))),
            (Perhaps(3 * GIB), 4 * GIB, Ok((3 * GIB, room))),
            (Perhaps(GIB), 4 * GIB, Ok((2 * GIB, room))),
            (Perhaps(4 * GIB - 1), GIB, Ok((GIB - KEEP_FREE, room))),
            (Nothing, 10 * GIB, Ok((5 * GIB, room))),
            (Nothing, 0, Ok((IN_MEMORY, room))),
            (Nothing, 200 * GIB, Ok((MOST_BYTES, database))),
            (Nothing, u64::MAX, Ok((MOST_BYTES, database))),
        ] {
            let got = Bound::new(announced_size, free).map(|bound| (bound.most, bound.from));
            assert_eq!(got, want, "{announced_size:?} with {free} free");
        }
    }
}
