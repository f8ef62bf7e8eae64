//! The framing of WAL records and their rolling checksum.
//!
//! ```text
//! u64le  low 56 bits: length of the record; with padding p > 0 the top byte is 0x80 | p
//! bytes  walpb.Record { 1 type, 2 crc, 3 data }
//! zeros  padding to a multiple of 8
//! ```
//! The crc of a record is CRC-32C over the `data` of all records so far, its own included. A crc
//! record opens a segment with the value so far and leaves it unchanged. A length field of zero,
//! or the end of the file, ends the segment.
//!
//! Source: etcd `server/storage/wal/encoder.go`, `decoder.go`.

use prost::Message;

use super::message::Record;

/// The types of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// The member and cluster of the log.
    Metadata = 1,
    /// A raft entry.
    Entry = 2,
    /// A hard state.
    State = 3,
    /// The running checksum at the start of a segment.
    Crc = 4,
    /// A snapshot was taken.
    Snapshot = 5,
}

impl RecordKind {
    /// The type with number `n`.
    pub fn from_number(n: i64) -> Option<RecordKind> {
        [RecordKind::Metadata, RecordKind::Entry, RecordKind::State, RecordKind::Crc, RecordKind::Snapshot]
            .into_iter()
            .find(|k| *k as i64 == n)
    }
}

/// Writes records one after the other, keeping the checksum.
#[derive(Debug, Default)]
pub struct Encoder {
    crc: u32,
    out: Vec<u8>,
}

impl Encoder {
    /// Starts a log: its first record is the checksum zero.
    pub fn begin() -> Self {
        let mut encoder = Encoder::default();
        encoder.frame(&Record { kind: Some(RecordKind::Crc as i64), crc: Some(0), data: None });
        encoder
    }

    /// Appends a record.
    pub fn record(&mut self, kind: RecordKind, payload: &impl Message) {
        let data = payload.encode_to_vec();
        self.crc = crc32c::crc32c_append(self.crc, &data);
        self.frame(&Record { kind: Some(kind as i64), crc: Some(self.crc), data: Some(data) });
    }

    /// Ends the segment, starts the next one with the checksum so far, and returns the bytes of the ended one.
    pub fn cut(&mut self) -> Vec<u8> {
        let ended = std::mem::take(&mut self.out);
        self.frame(&Record { kind: Some(RecordKind::Crc as i64), crc: Some(self.crc), data: None });
        ended
    }

    /// The bytes of all records.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    fn frame(&mut self, record: &Record) {
        let body = record.encode_to_vec();
        let padding = body.len().wrapping_neg() % 8;
        let mut field = body.len() as u64;
        if padding > 0 {
            field |= (0x80 | padding as u64) << 56;
        }
        self.out.extend_from_slice(&field.to_le_bytes());
        self.out.extend_from_slice(&body);
        self.out.resize(self.out.len().saturating_add(padding), 0);
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Length of the record in bytes.
    pub record: u64,
    /// Zero bytes after it.
    pub padding: u64,
}

impl Frame {
    /// Reads a length field; `None` for the zero that ends a segment.
    pub fn parse(field: [u8; 8]) -> Option<Frame> {
        let field = u64::from_le_bytes(field);
        if field == 0 {
            return None;
        }
        // The sign bit means that the top byte contains the padding, of which only the low three bits count.
        let padding = if field >> 63 == 1 { (field >> 56) & 7 } else { 0 };
        Some(Frame { record: field & (u64::MAX >> 8), padding })
    }

    /// The record with its padding.
    pub fn whole(&self) -> u64 {
        // 56 bits and three: it cannot overflow.
        self.record.saturating_add(self.padding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::message::Entry;

    #[test]
    fn every_padding_round_trips() {
        for extra in 0..16 {
            let mut encoder = Encoder::begin();
            let data = Some(vec![7; extra]);
            encoder.record(RecordKind::Entry, &Entry { kind: Some(0), term: Some(1), index: Some(1), data });
            let bytes = encoder.into_bytes();
            assert_eq!(bytes.len() % 8, 0);
            let field: [u8; 8] = bytes[16..24].try_into().unwrap();
            let frame = Frame::parse(field).unwrap();
            assert_eq!(24 + (frame.record + frame.padding) as usize, bytes.len(), "{extra} bytes more");
            assert!(frame.padding < 8);
        }
        assert_eq!(Frame::parse([0; 8]), None);
    }
}
