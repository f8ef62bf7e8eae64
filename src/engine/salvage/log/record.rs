//! Records of a WAL segment, read where they are and as strictly as a repair needs: a record that was damaged must not pass for
//! another one.

use crate::raft::record::{Frame, RecordKind};

/// A record, borrowed from its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Its type.
    pub kind: RecordKind,
    /// The running checksum that it stores.
    pub crc: u32,
    /// Its content.
    pub data: &'a [u8],
}

/// A raft entry, borrowed from its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEntry<'a> {
    /// 0 normal, 1 a change of members.
    pub kind: u64,
    /// Its term.
    pub term: u64,
    /// Its index.
    pub index: u64,
    /// The request.
    pub data: &'a [u8],
}

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// The start of a segment: the running checksum.
    Crc,
    /// The member and cluster of the log.
    Metadata {
        /// The member's ID.
        node: u64,
        /// The cluster's ID.
        cluster: u64,
    },
    /// An entry.
    Entry(RawEntry<'a>),
    /// A hard state.
    State {
        /// The term.
        term: u64,
        /// The member that this member voted for.
        vote: u64,
        /// The index known to be committed.
        commit: u64,
    },
    /// A snapshot was taken.
    Snapshot {
        /// The index it covers.
        index: u64,
        /// The term of that index.
        term: u64,
        /// Whether it names the voters (3.5 and later).
        has_voters: bool,
    },
}

/// The longest record that is read: requests have 1.5 MiB unless a flag allows more.
pub const MOST_BYTES: u64 = 64 << 20;

/// The bytes after the length field that a record may have in front of its content: type and checksum, and their tags.
pub const HEAD_BYTES: usize = 24;

/// Reads the length field of a frame with the padding that belongs to it; `None` for one that etcd would not write.
pub fn frame(field: [u8; 8]) -> Option<Frame> {
    let frame = Frame::parse(field)?;
    let padding = frame.record.wrapping_neg() % 8;
    let top = if padding == 0 { 0 } else { 0x80 | padding as u8 };
    let [.., last] = field;
    (frame.record >= 4 && frame.record <= MOST_BYTES && frame.padding == padding && last == top).then_some(frame)
}

impl<'a> Raw<'a> {
    /// Reads a record's body.
    pub fn parse(mut body: &'a [u8]) -> Option<Raw<'a>> {
        let (mut kind, mut crc, mut data): (u64, u64, &[u8]) = (0, 0, &[]);
        let mut last = 0;
        while !body.is_empty() {
            let tag = varint(&mut body)?;
            // In order, and each once.
            if tag >> 3 <= last {
                return None;
            }
            last = tag >> 3;
            match tag {
                0x08 => kind = varint(&mut body)?,
                0x10 => crc = varint(&mut body)?,
                0x1a => data = bytes(&mut body)?,
                _ => return None,
            }
        }
        let kind = RecordKind::from_number(i64::try_from(kind).ok()?)?;
        Some(Raw { kind, crc: u32::try_from(crc).ok()?, data })
    }

    /// Reads its content; `None` if that is of another type, or not what etcd writes.
    pub fn content(&self) -> Option<Content<'a>> {
        let (numbers, rest) = fields(self.data)?;
        let [one, two, three] = numbers;
        match self.kind {
            RecordKind::Crc => self.data.is_empty().then_some(Content::Crc),
            RecordKind::Metadata => (three.is_none() && rest.is_none())
                .then(|| Content::Metadata { node: one.unwrap_or_default(), cluster: two.unwrap_or_default() }),
            RecordKind::Entry => {
                let (kind, term, index) = (one.unwrap_or_default(), two.unwrap_or_default(), three.unwrap_or_default());
                let data = match rest {
                    None => &[][..],
                    Some((4, data)) => data,
                    Some(_) => return None,
                };
                let fits = index > 0 && (kind == 0 || (kind == 1 && !data.is_empty()));
                fits.then_some(Content::Entry(RawEntry { kind, term, index, data }))
            }
            RecordKind::State => {
                let (term, vote, commit) =
                    (one.unwrap_or_default(), two.unwrap_or_default(), three.unwrap_or_default());
                (rest.is_none() && (term > 0 || commit == 0)).then_some(Content::State { term, vote, commit })
            }
            RecordKind::Snapshot => {
                let has_voters = match rest {
                    None => false,
                    Some((3, _)) => true,
                    Some(_) => return None,
                };
                let (index, term) = (one.unwrap_or_default(), two.unwrap_or_default());
                three.is_none().then_some(Content::Snapshot { index, term, has_voters })
            }
        }
    }
}

/// The numbers 1 to 3 of a message, and the bytes after them with their field's number, if there are some.
type Fields<'a> = ([Option<u64>; 3], Option<(u64, &'a [u8])>);

fn fields(mut data: &[u8]) -> Option<Fields<'_>> {
    let (mut numbers, mut rest) = ([None; 3], None);
    while !data.is_empty() {
        let tag = varint(&mut data)?;
        match (tag >> 3, tag & 7) {
            (field @ 1..=3, 0) => {
                let number = numbers.get_mut(usize::try_from(field.checked_sub(1)?).ok()?)?;
                if number.is_some() || rest.is_some() {
                    return None;
                }
                *number = Some(varint(&mut data)?);
            }
            (field @ 3..=4, 2) if rest.is_none() => rest = Some((field, bytes(&mut data)?)),
            _ => return None,
        }
    }
    Some((numbers, rest))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, more) = rest.split_first()?;
        *rest = more;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint(rest)?).ok()?;
    let (bytes, more) = rest.split_at_checked(length)?;
    *rest = more;
    Some(bytes)
}
