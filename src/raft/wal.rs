//! Reads a WAL directory: every segment, every record, every checksum; and finds a torn tail.
//!
//! Segments are named `%016x-%016x.wal` (sequence, first index) and follow each other without a
//! gap. Each begins with the running checksum and the metadata. Only the last may be torn:
//! truncated, or with a record whose sectors were never written (512 bytes of zeros). etcd repairs
//! that by truncating the tail; here it is only reported.
//!
//! Source: etcd `server/storage/wal/{wal,decoder,repair,util}.go`.

use crate::text::Shown;
use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use prost::Message;

use super::{
    Error,
    message::{Entry, HardState, Metadata, Record, WalSnapshot},
    record::{Frame, RecordKind},
};

/// The size to which etcd preallocates a segment, in bytes.
pub const SEGMENT_BYTES: u64 = 64_000_000;

/// No segment is longer: etcd starts the next one after the record that exceeds [`SEGMENT_BYTES`], and no request is so
/// long. A sparse file of terabytes would take hours to read.
const MOST_BYTES: u64 = 1 << 30;

/// A disk writes a sector as a whole; a torn record has one that is all zero.
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

/// The content of a WAL directory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Log {
    /// The member's ID.
    pub node_id: u64,
    /// The cluster's ID.
    pub cluster_id: u64,
    /// The entries in order and without a gap; overwritten ones are dropped.
    pub entries: Vec<Entry>,
    /// The last hard state.
    pub hard_state: HardState,
    /// Snapshot records, in order.
    pub snapshots: Vec<WalSnapshot>,
    /// Where and why the last segment is torn, if it is.
    pub torn: Option<String>,
}

/// A log without its entries' content: what is kept while the log is streamed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The member and cluster of the log; `None` before the first record is read.
    pub metadata: Option<Metadata>,
    /// Index of the first entry that the last one follows without a gap; 0 without entries.
    pub first: u64,
    /// Index of the last entry; 0 without entries.
    pub last: u64,
    /// The term of the last entry.
    pub last_term: u64,
    /// The last hard state.
    pub hard_state: HardState,
    /// Snapshot records, in order.
    pub snapshots: Vec<WalSnapshot>,
    /// Where and why the last segment is torn, if it is.
    pub torn: Option<String>,
}

/// A change made by a log's records while the log is streamed.
#[derive(Debug)]
pub enum Change {
    /// An entry: it drops all earlier entries from its index on, and follows the others without a gap unless
    /// it follows a snapshot record ([`Outline::first`] is its own index then).
    Entry(Entry),
    /// Entries up to this index are committed and will not be dropped.
    Committed(u64),
}

/// Reads a WAL directory from its oldest segment.
///
/// # Errors
/// Fails if there is no segment, one is missing, or a record that is not the torn tail is damaged; the
/// error names the file and the offset.
pub fn read(dir: &Path) -> Result<Log, Error> {
    let mut entries = Vec::new();
    let mut outline = Outline::default();
    follow(&segments(dir)?, &|path| File::open(path), &mut outline, &mut |outline, change| {
        collect(&mut entries, outline, change)
    })?;
    whose(outline, entries, dir)
}

/// Reads segments that are in memory, the oldest first; messages call them `segment 0` and so on.
///
/// # Errors
/// As [`read()`].
pub fn parse(segments: &[&[u8]]) -> Result<Log, Error> {
    let (mut entries, mut outline) = (Vec::new(), Outline::default());
    let mut each = |outline: &Outline, change| collect(&mut entries, outline, change);
    let mut reader = Reader { outline: &mut outline, each: &mut each, crc: None, nth: 0 };
    for (position, bytes) in segments.iter().enumerate() {
        let (name, last) = (format!("segment {position}"), position.saturating_add(1) == segments.len());
        reader.segment(Path::new(&name), &mut &**bytes, bytes.len() as u64, last)?;
    }
    whose(outline, entries, Path::new("the log"))
}

/// Opens a segment: in another user's directory it may be a pipe, a device or a link to a file of a third user.
pub type Open<'a> = &'a dyn Fn(&Path) -> std::io::Result<File>;

/// Reads `paths`, segments that follow each other, the oldest first, and passes every change to `each` with the outline
/// after it. One record at a time is in memory. After an error the outline covers the records before it.
///
/// # Errors
/// When a record that is not the torn tail is damaged, or a file cannot be read.
pub fn follow(
    paths: &[PathBuf],
    open: Open<'_>,
    outline: &mut Outline,
    each: &mut dyn FnMut(&Outline, Change),
) -> Result<(), Error> {
    let mut reader = Reader { outline, each, crc: None, nth: 0 };
    for (position, path) in paths.iter().enumerate() {
        let io = |source| Error::Io { path: path.into(), source };
        let file = open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        if length > MOST_BYTES {
            let what = format!("segment too long: {length} bytes, etcd starts another segment at {SEGMENT_BYTES}");
            return Err(Error::Damaged { path: path.into(), offset: 0, what });
        }
        let last = position.saturating_add(1) == paths.len();
        reader.segment(path, &mut BufReader::with_capacity(64 << 10, file), length, last)?;
    }
    Ok(())
}

fn collect(entries: &mut Vec<Entry>, outline: &Outline, change: Change) {
    if let Change::Entry(entry) = change {
        let keep = entry.index.unwrap_or_default().saturating_sub(outline.first);
        if keep == 0 {
            entries.clear();
        }
        entries.truncate(keep as usize);
        entries.push(entry);
    }
}

fn whose(outline: Outline, entries: Vec<Entry>, path: &Path) -> Result<Log, Error> {
    let Some(metadata) = outline.metadata else {
        return Err(Error::NoLog { path: path.into(), what: "no metadata record found".into() });
    };
    let (node_id, cluster_id) = (metadata.node_id.unwrap_or_default(), metadata.cluster_id.unwrap_or_default());
    let Outline { hard_state, snapshots, torn, .. } = outline;
    Ok(Log { node_id, cluster_id, entries, hard_state, snapshots, torn })
}

/// The segments of a WAL directory, each with its sequence and its first index, the oldest first; the caller checks for
/// gaps.
///
/// # Errors
/// When the directory cannot be listed.
pub fn list(dir: &Path) -> Result<Vec<(u64, u64, PathBuf)>, Error> {
    let io = |source| Error::Io { path: dir.into(), source };
    let mut named = Vec::new();
    for file in fs::read_dir(dir).map_err(io)? {
        let path = file.map_err(io)?.path();
        if let Some((sequence, index)) = path.file_name().and_then(|n| n.to_str()).and_then(parse_file_name) {
            named.push((sequence, index, path));
        }
    }
    named.sort();
    Ok(named)
}

fn segments(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let named = list(dir)?;
    let no_log = |what: String| Error::NoLog { path: dir.into(), what };
    let Some((mut expected, ..)) = named.first().cloned() else {
        return Err(no_log("no WAL segment found".into()));
    };
    for (sequence, ..) in &named {
        if *sequence != expected {
            return Err(no_log(format!("segment {expected:016x} is missing")));
        }
        expected = expected.saturating_add(1);
    }
    Ok(named.into_iter().map(|(.., path)| path).collect())
}

struct Reader<'a> {
    outline: &'a mut Outline,
    each: &'a mut dyn FnMut(&Outline, Change),
    /// The running checksum; `None` before the first crc record of the oldest segment, which seeds it.
    crc: Option<u32>,
    /// Records of the segment so far.
    nth: u64,
}

/// Why a record could not be read: it may be a torn tail, or not.
enum Bad {
    /// The file ends inside it.
    Short,
    /// Its bytes are complete but invalid.
    Wrong(String),
    /// The read failed.
    Io(std::io::Error),
}

impl Reader<'_> {
    fn segment(&mut self, path: &Path, input: &mut impl Read, length: u64, last: bool) -> Result<(), Error> {
        let io = |source| Error::Io { path: path.into(), source };
        let mut offset = 0u64;
        self.nth = 0;
        while length > offset {
            let Some(left) = length.saturating_sub(offset).checked_sub(8) else {
                return self.cut_off(path, offset, last);
            };
            let begin = offset.saturating_add(8);
            let mut field = [0; 8];
            input.read_exact(&mut field).map_err(io)?;
            let Some(frame) = Frame::parse(field) else {
                if last && something_follows(input).map_err(io)? {
                    let path = path.shown();
                    self.outline.torn = Some(format!("{path}: zeros at byte {offset}, followed by other data"));
                    return Ok(());
                }
                break;
            };
            let mut body = Vec::new();
            let result = read_body(input, frame, left, &mut body).and_then(|()| self.record(&body));
            match result {
                Ok(()) => offset = begin.saturating_add(frame.whole()),
                Err(Bad::Io(source)) => return Err(io(source)),
                Err(Bad::Short) => return self.cut_off(path, offset, last),
                Err(Bad::Wrong(_)) if last && never_written(begin, &body) => {
                    self.outline.torn =
                        Some(format!("{}: incomplete write of the record at byte {offset}", path.shown()));
                    return Ok(());
                }
                Err(Bad::Wrong(what)) => return Err(Error::Damaged { path: path.into(), offset, what }),
            }
        }
        // etcd renames a segment once its start is on the disk.
        if self.nth < 2 { self.cut_off(path, offset, last) } else { Ok(()) }
    }

    /// The file ends inside the record at `offset`.
    fn cut_off(&mut self, path: &Path, offset: u64, last: bool) -> Result<(), Error> {
        if last {
            self.outline.torn = Some(format!("{}: truncated inside the record at byte {offset}", path.shown()));
            return Ok(());
        }
        Err(Error::Damaged { path: path.into(), offset, what: "a record extends past the end of the file".into() })
    }

    fn record(&mut self, body: &[u8]) -> Result<(), Bad> {
        let record = Record::decode(body).map_err(|e| Bad::Wrong(format!("not a WAL record ({e})")))?;
        let (data, stored) = (record.data.unwrap_or_default(), record.crc.unwrap_or_default());
        let nth = self.nth;
        self.nth = self.nth.saturating_add(1);
        let kind = RecordKind::from_number(record.kind.unwrap_or_default())
            .ok_or_else(|| Bad::Wrong(format!("unknown record type {}", record.kind.unwrap_or_default())))?;
        // The checksum does not cover a record's type: a flipped bit in it is detected by the order of the records and
        // the form of their content.
        if (nth == 0) != (kind == RecordKind::Crc) || (nth == 1) != (kind == RecordKind::Metadata) {
            return Err(Bad::Wrong("a segment must begin with one checksum record and one metadata record".into()));
        }
        if kind == RecordKind::Crc {
            if !data.is_empty() {
                return Err(Bad::Wrong("a checksum record has data".into()));
            }
            if self.crc.is_some_and(|crc| crc != stored) {
                return Err(Bad::Wrong("the checksum does not continue the previous segment's".into()));
            }
            self.crc = Some(stored);
            return Ok(());
        }
        let crc = crc32c::crc32c_append(self.crc.unwrap_or_default(), &data);
        if crc != stored {
            return Err(Bad::Wrong(format!("checksum mismatch: computed {crc:08x}, stored {stored:08x}")));
        }
        self.crc = Some(crc);
        match kind {
            RecordKind::Metadata => self.metadata(decode(&data)?),
            RecordKind::Entry => self.entry(decode(&data)?),
            RecordKind::State => self.state(decode(&data)?),
            RecordKind::Snapshot => {
                self.outline.snapshots.push(decode(&data)?);
                Ok(())
            }
            RecordKind::Crc => Ok(()),
        }
    }

    fn metadata(&mut self, metadata: Metadata) -> Result<(), Bad> {
        if self.outline.metadata.is_some_and(|first| first != metadata) {
            return Err(Bad::Wrong("the segments were written by different members".into()));
        }
        self.outline.metadata = Some(metadata);
        Ok(())
    }

    fn state(&mut self, state: HardState) -> Result<(), Bad> {
        let commit = state.commit.unwrap_or_default();
        if state.term.unwrap_or_default() == 0 && commit > 0 {
            return Err(Bad::Wrong("a hard state of term 0 has a commit index".into()));
        }
        self.outline.hard_state = state;
        (self.each)(self.outline, Change::Committed(commit));
        Ok(())
    }

    /// A new leader may rewrite the end of the log: an entry drops all from its index on. A member that lags too
    /// far gets a snapshot instead of entries; its log continues after the snapshot's index.
    fn entry(&mut self, entry: Entry) -> Result<(), Bad> {
        let index = entry.index.unwrap_or_default();
        match entry.kind.unwrap_or_default() {
            0 => {}
            1 if entry.data.as_ref().is_some_and(|data| !data.is_empty()) => {}
            kind => return Err(Bad::Wrong(format!("entry {index} has type {kind}, which etcd never writes"))),
        }
        let outline = &mut *self.outline;
        let goes_on = outline.first > 0 && index <= outline.last.saturating_add(1);
        let after_snapshot =
            || outline.snapshots.iter().rev().any(|s| s.index.unwrap_or_default().checked_add(1) == Some(index));
        if outline.first > 0 && !goes_on && !after_snapshot() {
            return Err(Bad::Wrong(format!("entry {index} follows a gap")));
        }
        if !goes_on || index < outline.first {
            outline.first = index;
        }
        (outline.last, outline.last_term) = (index, entry.term.unwrap_or_default());
        (self.each)(self.outline, Change::Entry(entry));
        Ok(())
    }
}

/// Decodes a record's data and rejects anything that etcd would not write.
fn decode<M: Message + Default>(data: &[u8]) -> Result<M, Bad> {
    let read = M::decode(data).map_err(|e| Bad::Wrong(format!("the record's data cannot be decoded ({e})")))?;
    if read.encoded_len() == data.len() {
        Ok(read)
    } else {
        Err(Bad::Wrong("the record's data is of another type".into()))
    }
}

/// Reads the record and its padding; never more than the rest of the file.
fn read_body(input: &mut impl Read, frame: Frame, left: u64, body: &mut Vec<u8>) -> Result<(), Bad> {
    let whole = frame.whole();
    let there = whole.min(left);
    input.take(there).read_to_end(body).map_err(Bad::Io)?;
    if there < whole {
        return Err(Bad::Short);
    }
    body.truncate(frame.record as usize);
    Ok(())
}

/// Returns whether the rest has anything but zeros. Compared by blocks: 64 MB of zeros are usual.
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
        let to_boundary = SECTOR.saturating_sub(offset % SECTOR).min(rest.len() as u64);
        let (sector, after) = rest.split_at(to_boundary as usize);
        if sector.iter().all(|b| *b == 0) {
            return true;
        }
        offset = offset.saturating_add(to_boundary);
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests;
