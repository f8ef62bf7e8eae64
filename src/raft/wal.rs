//! A WAL directory read: every segment, every record, every checksum; and where its tail is torn.
//!
//! Segments are named `%016x-%016x.wal` (sequence, first index) and follow each other without a
//! gap. Each begins with the running checksum and the metadata. Only the last may be torn: cut
//! short, or with a record whose sectors were never written (512 bytes of zeros). etcd repairs
//! that by cutting the tail off; here it is told and nothing is touched.
//!
//! Source: etcd `server/storage/wal/{wal,decoder,repair,util}.go`.

use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use prost::Message;

use super::{
    Error,
    message::{Entry, HardState, Metadata, Record, WalSnapshot},
    record::{Frame, Kind},
};

/// The size to which etcd preallocates a segment, in bytes.
pub const SEGMENT_BYTES: u64 = 64_000_000;

/// Sectors are what a disk writes whole; a torn record has one that is all zero.
const SECTOR: u64 = 512;

/// `%016x-%016x.wal`.
pub fn file_name(sequence: u64, index: u64) -> String {
    format!("{sequence:016x}-{index:016x}.wal")
}

/// The sequence and first index in a segment's name; `None` for other files (`0.tmp`, `….broken`).
pub fn parse_file_name(name: &str) -> Option<(u64, u64)> {
    let (sequence, index) = name.strip_suffix(".wal")?.split_once('-')?;
    let hex = |s: &str| (s.len() == 16).then(|| u64::from_str_radix(s, 16).ok()).flatten();
    Some((hex(sequence)?, hex(index)?))
}

/// What a WAL directory holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log {
    /// The member's ID.
    pub node_id: u64,
    /// The cluster's ID.
    pub cluster_id: u64,
    /// The entries, rewritten ones already dropped, in order and without a gap.
    pub entries: Vec<Entry>,
    /// The last hard state.
    pub hard_state: HardState,
    /// Snapshot records, in order.
    pub snapshots: Vec<WalSnapshot>,
    /// Where and why the last segment ends before its time, if it does.
    pub torn: Option<String>,
}

/// Reads a WAL directory from its oldest segment.
///
/// # Errors
/// When there is no segment, one is missing, or a record that is not the torn tail is damaged; the
/// error names the file and the offset.
pub fn read(dir: &Path) -> Result<Log, Error> {
    let segments = segments(dir)?;
    let mut log = Log::default();
    let mut reader = Reader { log: &mut log, crc: None, metadata: None, nth: 0 };
    for (position, path) in segments.iter().enumerate() {
        let io = |source| Error::Io { path: path.into(), source };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let last = position + 1 == segments.len();
        reader.segment(path, &mut BufReader::with_capacity(64 << 10, file), length, last)?;
    }
    let metadata = reader.metadata;
    whose(log, metadata, dir)
}

/// Reads segments that are in memory, the oldest first; messages call them `segment 0` and so on.
///
/// # Errors
/// As [`read()`].
pub fn parse(segments: &[&[u8]]) -> Result<Log, Error> {
    let mut log = Log::default();
    let mut reader = Reader { log: &mut log, crc: None, metadata: None, nth: 0 };
    for (position, bytes) in segments.iter().enumerate() {
        let (name, last) = (format!("segment {position}"), position + 1 == segments.len());
        reader.segment(Path::new(&name), &mut &**bytes, bytes.len() as u64, last)?;
    }
    let metadata = reader.metadata;
    whose(log, metadata, Path::new("the log"))
}

fn whose(log: Log, metadata: Option<Metadata>, path: &Path) -> Result<Log, Error> {
    let Some(metadata) = metadata else {
        return Err(Error::NoLog { path: path.into(), what: "no segment says whose log this is".into() });
    };
    let (node_id, cluster_id) = (metadata.node_id.unwrap_or_default(), metadata.cluster_id.unwrap_or_default());
    Ok(Log { node_id, cluster_id, ..log })
}

fn segments(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let io = |source| Error::Io { path: dir.into(), source };
    let mut named = Vec::new();
    for file in fs::read_dir(dir).map_err(io)? {
        let path = file.map_err(io)?.path();
        if let Some((sequence, _)) = path.file_name().and_then(|n| n.to_str()).and_then(parse_file_name) {
            named.push((sequence, path));
        }
    }
    named.sort();
    let no_log = |what: String| Error::NoLog { path: dir.into(), what };
    let Some((mut expected, _)) = named.first().cloned() else {
        return Err(no_log("no WAL segment in it".into()));
    };
    for (sequence, _) in &named {
        if *sequence != expected {
            return Err(no_log(format!("segment {expected:016x} is missing")));
        }
        expected = expected.saturating_add(1);
    }
    Ok(named.into_iter().map(|(_, path)| path).collect())
}

struct Reader<'a> {
    log: &'a mut Log,
    /// The running checksum; `None` before the first crc record of the oldest segment, which seeds it.
    crc: Option<u32>,
    metadata: Option<Metadata>,
    /// Records of the segment so far.
    nth: u64,
}

/// Why a record could not be taken: it may be a torn tail, or it may not.
enum Bad {
    /// The file ends inside it.
    Short,
    /// Its bytes are there and wrong.
    Wrong(String),
    /// The system failed.
    Io(std::io::Error),
}

impl Reader<'_> {
    fn segment(&mut self, path: &Path, input: &mut impl Read, length: u64, last: bool) -> Result<(), Error> {
        let io = |source| Error::Io { path: path.into(), source };
        let mut offset = 0;
        self.nth = 0;
        while length > offset {
            if length - offset < 8 {
                return self.cut_off(path, offset, last);
            }
            let mut field = [0; 8];
            input.read_exact(&mut field).map_err(io)?;
            let Some(frame) = Frame::parse(field) else {
                if last && something_follows(input).map_err(io)? {
                    let path = path.display();
                    self.log.torn = Some(format!("{path}: nothing was written at byte {offset}, but behind it"));
                    return Ok(());
                }
                break;
            };
            let mut body = Vec::new();
            let result = read_body(input, frame, length - offset - 8, &mut body).and_then(|()| self.record(&body));
            match result {
                Ok(()) => offset += 8 + frame.record + frame.padding,
                Err(Bad::Io(source)) => return Err(io(source)),
                Err(Bad::Short) => return self.cut_off(path, offset, last),
                Err(Bad::Wrong(_)) if last && never_written(offset + 8, &body) => {
                    self.log.torn =
                        Some(format!("{}: the record at byte {offset} was never written whole", path.display()));
                    return Ok(());
                }
                Err(Bad::Wrong(what)) => return Err(Error::Damaged { path: path.into(), offset, what }),
            }
        }
        // etcd gives a segment its name when its beginning is on the disk.
        if self.nth < 2 { self.cut_off(path, offset, last) } else { Ok(()) }
    }

    /// The file ends inside the record at `offset`.
    fn cut_off(&mut self, path: &Path, offset: u64, last: bool) -> Result<(), Error> {
        if last {
            self.log.torn = Some(format!("{}: cut off inside the record at byte {offset}", path.display()));
            return Ok(());
        }
        Err(Error::Damaged { path: path.into(), offset, what: "a record runs past the end".into() })
    }

    fn record(&mut self, body: &[u8]) -> Result<(), Bad> {
        let record = Record::decode(body).map_err(|e| Bad::Wrong(format!("not a WAL record ({e})")))?;
        let (data, stored) = (record.data.unwrap_or_default(), record.crc.unwrap_or_default());
        let nth = self.nth;
        self.nth += 1;
        let kind = Kind::from_number(record.kind.unwrap_or_default())
            .ok_or_else(|| Bad::Wrong(format!("record type {} is unknown", record.kind.unwrap_or_default())))?;
        // The checksum does not cover a record's type: that a flipped bit in it makes no other log, the order of the
        // records and the form of their content must tell.
        if (nth == 0) != (kind == Kind::Crc) || (nth == 1) != (kind == Kind::Metadata) {
            return Err(Bad::Wrong("a segment begins with a checksum and with whose log it is, once each".into()));
        }
        if kind == Kind::Crc {
            if !data.is_empty() {
                return Err(Bad::Wrong("a checksum record has a content".into()));
            }
            if self.crc.is_some_and(|crc| crc != stored) {
                return Err(Bad::Wrong("the checksum does not go on from the segment before".into()));
            }
            self.crc = Some(stored);
            return Ok(());
        }
        let crc = crc32c::crc32c_append(self.crc.unwrap_or_default(), &data);
        if crc != stored {
            return Err(Bad::Wrong(format!("checksum {crc:08x} instead of {stored:08x}")));
        }
        self.crc = Some(crc);
        match kind {
            Kind::Metadata => self.metadata(decode(&data)?),
            Kind::Entry => self.entry(decode(&data)?),
            Kind::State => self.state(decode(&data)?),
            Kind::Snapshot => {
                self.log.snapshots.push(decode(&data)?);
                Ok(())
            }
            Kind::Crc => Ok(()),
        }
    }

    fn metadata(&mut self, metadata: Metadata) -> Result<(), Bad> {
        if self.metadata.is_some_and(|first| first != metadata) {
            return Err(Bad::Wrong("the segments were written by different members".into()));
        }
        self.metadata = Some(metadata);
        Ok(())
    }

    fn state(&mut self, state: HardState) -> Result<(), Bad> {
        if state.term.unwrap_or_default() == 0 && state.commit.unwrap_or_default() > 0 {
            return Err(Bad::Wrong("a hard state of term 0 has committed something".into()));
        }
        self.log.hard_state = state;
        Ok(())
    }

    /// A new leader may rewrite the end of the log: an entry drops all from its index on.
    fn entry(&mut self, entry: Entry) -> Result<(), Bad> {
        let index = entry.index.unwrap_or_default();
        match entry.kind.unwrap_or_default() {
            0 => {}
            1 if entry.data.as_ref().is_some_and(|data| !data.is_empty()) => {}
            kind => return Err(Bad::Wrong(format!("entry {index} is none that etcd writes (type {kind})"))),
        }
        if let Some(first) = self.log.entries.first().map(|e| e.index.unwrap_or_default()) {
            let keep = index.saturating_sub(first);
            if keep > self.log.entries.len() as u64 {
                return Err(Bad::Wrong(format!("entry {index} comes after a gap")));
            }
            self.log.entries.truncate(if index < first { 0 } else { keep as usize });
        }
        self.log.entries.push(entry);
        Ok(())
    }
}

/// Reads a content that has nothing in it but what etcd writes.
fn decode<M: Message + Default>(data: &[u8]) -> Result<M, Bad> {
    let read = M::decode(data).map_err(|e| Bad::Wrong(format!("the record's content does not decode ({e})")))?;
    if read.encoded_len() == data.len() {
        Ok(read)
    } else {
        Err(Bad::Wrong("the record's content is of another type".into()))
    }
}

/// Reads record and padding; never more than the file still has.
fn read_body(input: &mut impl Read, frame: Frame, left: u64, body: &mut Vec<u8>) -> Result<(), Bad> {
    let whole = frame.record + frame.padding;
    let there = whole.min(left);
    input.take(there).read_to_end(body).map_err(Bad::Io)?;
    if there < whole {
        return Err(Bad::Short);
    }
    body.truncate(frame.record as usize);
    Ok(())
}

/// Whether anything but zeros is left to read. Compared by blocks: 64 MB of zeros are the rule.
fn something_follows(input: &mut impl Read) -> std::io::Result<bool> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    let mut block = ZEROS;
    loop {
        match input.read(&mut block)? {
            0 => return Ok(false),
            n if block.get(..n) != ZEROS.get(..n) => return Ok(true),
            _ => {}
        }
    }
}

/// True when one of the sectors that the record covers is all zero.
fn never_written(start: u64, body: &[u8]) -> bool {
    let mut rest = body;
    let mut offset = start;
    while !rest.is_empty() {
        let to_boundary = (SECTOR - offset % SECTOR).min(rest.len() as u64);
        let (sector, after) = rest.split_at(to_boundary as usize);
        if sector.iter().all(|b| *b == 0) {
            return true;
        }
        offset += to_boundary;
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::record::Encoder;

    fn entry(index: u64, term: u64) -> Entry {
        Entry { kind: Some(0), term: Some(term), index: Some(index), data: Some(vec![index as u8 + 1; 700]) }
    }

    fn encoder() -> Encoder {
        let mut log = Encoder::begin();
        log.record(Kind::Metadata, &Metadata { node_id: Some(7), cluster_id: Some(9) });
        log.record(Kind::Snapshot, &WalSnapshot { index: Some(0), term: Some(0), conf_state: None });
        log
    }

    fn written(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file_name(0, 0));
        fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    #[test]
    fn rewritten_entries_are_dropped() {
        let mut log = encoder();
        for e in [entry(1, 1), entry(2, 1), entry(3, 1), entry(2, 2)] {
            log.record(Kind::Entry, &e);
        }
        log.record(Kind::State, &HardState { term: Some(2), vote: Some(7), commit: Some(2) });
        let mut bytes = log.into_bytes();
        bytes.resize(bytes.len() + 4096, 0);
        let (dir, _) = written(&bytes);
        let log = read(dir.path()).unwrap();
        assert_eq!((log.node_id, log.cluster_id, log.torn.clone()), (7, 9, None));
        assert_eq!(log.entries, [entry(1, 1), entry(2, 2)]);
        assert_eq!(log.hard_state.commit, Some(2));
    }

    #[test]
    fn a_gap_in_the_entries_is_named() {
        let mut log = encoder();
        log.record(Kind::Entry, &entry(1, 1));
        log.record(Kind::Entry, &entry(3, 1));
        let (dir, _) = written(&log.into_bytes());
        assert!(read(dir.path()).unwrap_err().to_string().contains("entry 3 comes after a gap"));
    }

    #[test]
    fn torn_tails_are_told_and_other_damage_is_refused() {
        let mut log = encoder();
        log.record(Kind::Entry, &entry(1, 1));
        log.record(Kind::Entry, &entry(2, 1));
        let bytes = log.into_bytes();

        let (dir, path) = written(&bytes[..bytes.len() - 37]);
        let log = read(dir.path()).unwrap();
        assert_eq!(log.entries, [entry(1, 1)]);
        assert!(log.torn.unwrap().contains("cut off inside the record"));

        let mut zeroed = bytes.clone();
        zeroed[1024..].fill(0);
        fs::write(&path, &zeroed).unwrap();
        let log = read(dir.path()).unwrap();
        assert_eq!((log.entries.len(), log.torn.is_some()), (1, true));

        let mut flipped = bytes.clone();
        flipped[400] ^= 1;
        fs::write(&path, &flipped).unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("checksum"));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_ends_in_a_value() {
        let mut log = encoder();
        log.record(Kind::Entry, &entry(1, 1));
        let bytes = log.into_bytes();
        let (dir, path) = written(&bytes);
        for cut in 0..bytes.len() {
            fs::write(&path, &bytes[..cut]).unwrap();
            let _ = read(dir.path());
            let mut flipped = bytes.clone();
            flipped[cut] ^= 0x80;
            fs::write(&path, &flipped).unwrap();
            if let Ok(log) = read(dir.path()) {
                assert!(log.entries.is_empty() || log.entries == [entry(1, 1)], "byte {cut}");
            }
        }
    }

    #[test]
    fn missing_segments_and_strangers() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("0.tmp"), b"").unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("no WAL segment"));
        fs::write(dir.path().join(file_name(0, 0)), encoder().into_bytes()).unwrap();
        fs::write(dir.path().join(file_name(2, 9)), b"").unwrap();
        assert!(read(dir.path()).unwrap_err().to_string().contains("segment 0000000000000001 is missing"));
        assert_eq!(parse_file_name("0000000000000001-000000000000000a.wal"), Some((1, 10)));
        assert_eq!(parse_file_name("0000000000000001-000000000000000a.wal.broken"), None);
    }
}
