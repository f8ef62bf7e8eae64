//! How much of an archive may be unpacked: what it announces, held against the largest database and the free space.

use std::{fs::File, os::unix::fs::FileExt};

/// The most that is unpacked: four times the largest quota that etcd's documentation advises.
pub(super) const MOST_BYTES: u64 = 32 << 30;
/// What must stay free on the disk that it is unpacked to.
pub(super) const KEEP_FREE: u64 = 256 << 20;
/// What is not larger is unpacked into memory: no disk is touched for it.
pub(super) const IN_MEMORY: u64 = 8 << 20;
/// What an archive says of the length of its content, before anything is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// Exactly so much: more is a lie.
    Exactly(u64),
    /// So much or more: the first of several frames.
    AtLeast(u64),
    /// Perhaps so much: gzip's last four bytes, which are those of the length only where nothing follows them and the
    /// content has less than 4 GiB.
    Perhaps(u64),
    /// Nothing.
    Nothing,
}

/// How much may be unpacked, and what that comes from.
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
    /// The disk has no more room to give to an archive that does not say how much it needs.
    Room,
}

/// Why an archive is not unpacked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    TooLarge(u64),
    NoRoom(u64),
}

impl Bound {
    /// Holds what is announced against the largest database and the free space. What announces nothing gets half of the
    /// space: an archive of a few megabytes must not fill a disk by being looked at.
    pub(super) fn new(announced: Announced, free: u64) -> std::result::Result<Bound, Refused> {
        let room = free.saturating_sub(KEEP_FREE).max(IN_MEMORY);
        let fits = |bytes: u64| match bytes {
            bytes if bytes > MOST_BYTES => Err(Refused::TooLarge(bytes)),
            bytes if bytes > room => Err(Refused::NoRoom(bytes)),
            bytes => Ok(bytes),
        };
        let half = (free / 2).max(IN_MEMORY).min(room);
        let most = match announced {
            Announced::Exactly(bytes) => return Ok(Bound { most: fits(bytes)?, from: Limit::Announced }),
            Announced::AtLeast(bytes) => half.max(fits(bytes)?),
            Announced::Perhaps(bytes) => half.max(bytes.min(room)),
            Announced::Nothing => half,
        };
        Ok(match most < MOST_BYTES {
            true => Bound { most, from: Limit::Room },
            false => Bound { most: MOST_BYTES, from: Limit::Database },
        })
    }
}

/// The last four bytes of a gzip archive: its content's length without the multiples of 4 GiB.
pub(super) fn gzip_length(file: &File) -> Announced {
    let length = file.metadata().map_or(0, |meta| meta.len());
    let mut last = [0; 4];
    match length.checked_sub(4).map(|at| file.read_exact_at(&mut last, at)) {
        Some(Ok(())) => Announced::Perhaps(u32::from_le_bytes(last).into()),
        _ => Announced::Nothing,
    }
}

/// The length in the header of a zstd archive's first frame.
pub(super) fn zstd_length(file: &File) -> Announced {
    let mut head = [0; 18];
    let read = file.read_at(&mut head, 0).unwrap_or_default();
    let mut decoder = ruzstd::decoding::FrameDecoder::new();
    match decoder.reset(head.get(..read).unwrap_or_default()) {
        Ok(()) if decoder.content_size() > 0 => Announced::AtLeast(decoder.content_size()),
        _ => Announced::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is announced is held against the largest database and the free space before anything is unpacked, and what
    /// announces nothing gets half of the space.
    #[test]
    fn what_an_archive_may_take() {
        use Announced::{AtLeast, Exactly, Nothing, Perhaps};
        const GIB: u64 = 1 << 30;
        let (room, database, announced) = (Limit::Room, Limit::Database, Limit::Announced);
        for (says, free, want) in [
            (Exactly(GIB), 10 * GIB, Ok((GIB, announced))),
            (Exactly(8 * GIB), 10 * GIB, Ok((8 * GIB, announced))),
            (Exactly(10 * GIB), 10 * GIB, Err(Refused::NoRoom(10 * GIB))),
            (Exactly(33 * GIB), 100 * GIB, Err(Refused::TooLarge(33 * GIB))),
            (Exactly(u64::MAX), 100 * GIB, Err(Refused::TooLarge(u64::MAX))),
            (Exactly(u64::MAX), 0, Err(Refused::TooLarge(u64::MAX))),
            (Exactly(IN_MEMORY), 0, Ok((IN_MEMORY, announced))),
            (Exactly(0), 0, Ok((0, announced))),
            (AtLeast(8 * GIB), 10 * GIB, Ok((8 * GIB, room))),
            (AtLeast(GIB), 10 * GIB, Ok((5 * GIB, room))),
            (AtLeast(11 * GIB), 10 * GIB, Err(Refused::NoRoom(11 * GIB))),
            (AtLeast(1 << 62), u64::MAX, Err(Refused::TooLarge(1 << 62))),
            (Perhaps(3 * GIB), 4 * GIB, Ok((3 * GIB, room))),
            (Perhaps(GIB), 4 * GIB, Ok((2 * GIB, room))),
            (Perhaps(4 * GIB - 1), GIB, Ok((GIB - KEEP_FREE, room))),
            (Nothing, 10 * GIB, Ok((5 * GIB, room))),
            (Nothing, 0, Ok((IN_MEMORY, room))),
            (Nothing, 200 * GIB, Ok((MOST_BYTES, database))),
            (Nothing, u64::MAX, Ok((MOST_BYTES, database))),
        ] {
            let got = Bound::new(says, free).map(|bound| (bound.most, bound.from));
            assert_eq!(got, want, "{says:?} with {free} free");
        }
    }
}
