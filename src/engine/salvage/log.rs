//! A member's WAL, read as far as anything in it can be read: a flipped bit is repaired, a damaged record is passed over where
//! the chain of checksums goes on after it, and each is named.
//!
//! The chain: each record stores the checksum over all data so far. After a damaged record it is entered again at a record
//! that is followed by one that continues it; that first record only seeds the chain and is not used itself.
//!
//! Source: etcd `server/storage/wal/{wal,decoder,encoder}.go`; drawn in `assets/guide/formats/wal.md`.

mod record;
mod repair;
mod runs;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use serde::Serialize;

pub use self::runs::{Place, Run, find, reach, slice};
use self::{
    record::{Content, HEAD_BYTES, Raw, RawEntry, frame},
    repair::flipped_bit,
    runs::Runs,
};
use crate::{
    engine::durable_fs,
    etcd::raft_request::decode::Asked,
    raft::{message::Entry, wal},
};

/// A disk writes a sector as a whole; a record whose write was cut short has one that is all zero.
const SECTOR: u64 = 512;
/// Bytes that are read at a time.
const WINDOW_BYTES: usize = 256 << 10;
/// Longer entries do not set a cluster version.
const VERSION_BYTES: usize = 256;
/// No segment is longer: etcd begins the next one at 64 MB.
const MOST_SEGMENT_BYTES: u64 = 1 << 30;

/// A segment.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    length: u64,
}

/// What is wrong at a place of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FaultKind {
    /// One bit was flipped, and is repaired.
    BitFlip {
        /// The offset of the byte in the file.
        byte: u64,
        /// The bit in it.
        bit: u8,
    },
    /// A damaged record was passed over.
    Record,
    /// Bytes with no readable record were passed over.
    Bytes,
    /// The last record's write was not complete: it was never acknowledged by this member.
    TornTail,
    /// The file ends inside a record.
    CutShort,
    /// Bytes after the last record are no records.
    Garbage,
    /// A segment does not continue the one before it.
    Broken,
    /// A segment is missing.
    MissingSegment,
    /// The file cannot be read from here on.
    Unreadable {
        /// The system's error.
        why: String,
    },
    /// The segment was written by another member.
    OtherMember,
    /// An entry contradicts one that is committed: nothing after it is used.
    Contradiction,
}

/// Damage of a log, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The segment's name.
    pub file: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes; 0 where that has no meaning.
    pub length: u64,
    /// What it is.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// The index of the entry that it may have held, where its record still shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}

/// A member's log: where its entries are.
#[derive(Debug)]
pub struct MemberLog {
    /// The WAL directory.
    pub dir: PathBuf,
    /// The member's ID.
    pub node: u64,
    /// The cluster's ID.
    pub cluster: u64,
    /// The index known to be committed.
    pub commit: u64,
    /// The term of the last hard state.
    pub term: u64,
    /// Index and term of the snapshot records.
    pub snapshots: Vec<(u64, u64)>,
    /// Whether a snapshot record names the voters, as 3.5 and later write it.
    pub names_voters: bool,
    /// The cluster versions that entries set, by index.
    pub versions: BTreeMap<u64, String>,
    /// What is damaged.
    pub faults: Vec<Fault>,
    /// Bytes of records that were read.
    pub bytes: u64,
    entries: Runs,
    segments: Vec<Segment>,
    fixes: Fixes,
}

/// Bits to flip when the files are read: by segment and byte.
type Fixes = BTreeMap<(usize, u64), u8>;

/// Why a log cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directory cannot be listed.
    #[error("{0}")]
    List(#[from] crate::raft::Error),
    /// There is no segment.
    #[error("no WAL segment found")]
    Empty,
    /// No segment has the record that names the member.
    #[error("no segment names the member that wrote it")]
    NoMetadata,
    /// Only a file made for it has so many.
    #[error("its terms change more often than in any log that etcd writes")]
    TooManyRuns,
    /// It is no longer what it was.
    #[error("{path}, byte {offset}: changed while it was read")]
    Changed {
        /// The segment.
        path: PathBuf,
        /// Where, in bytes.
        offset: u64,
    },
    /// A read failed.
    #[error("{path}: {source}")]
    Io {
        /// The segment.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

impl MemberLog {
    /// Reads the log in a WAL directory. `step` is called with the bytes read so far and returns whether to continue.
    ///
    /// # Errors
    /// Only if nothing can be read; all damage is in the result.
    pub fn read(dir: &Path, step: &mut dyn FnMut(u64) -> bool) -> Result<MemberLog, LogError> {
        let named = wal::list(dir)?;
        if named.is_empty() {
            return Err(LogError::Empty);
        }
        let mut log = MemberLog {
            dir: dir.into(),
            node: 0,
            cluster: 0,
            commit: 0,
            term: 0,
            snapshots: Vec::new(),
            names_voters: false,
            versions: BTreeMap::new(),
            faults: Vec::new(),
            bytes: 0,
            entries: Runs::default(),
            segments: Vec::new(),
            fixes: Fixes::new(),
        };
        let mut expected = named.first().map_or(0, |(sequence, ..)| *sequence);
        let mut broken = Vec::new();
        for (sequence, _, path) in named {
            if sequence != expected {
                let name = format!("{expected:016x}-….wal");
                broken.push((log.segments.len(), Fault::new(name, 0, FaultKind::MissingSegment)));
            }
            expected = sequence.saturating_add(1);
            let opened = durable_fs::readable(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
            match opened {
                Ok((length, file)) => {
                    let length = length.min(MOST_SEGMENT_BYTES);
                    log.segments.push(Segment { path, file, length });
                }
                Err(e) => {
                    let kind = FaultKind::Unreadable { why: e.to_string() };
                    broken.push((log.segments.len(), Fault::new(name(&path), 0, kind)));
                }
            }
        }
        let (mut scan, mut metadata) = (Scan { chain: None, before: 0 }, None);
        for at in 0..log.segments.len() {
            let mine = broken.iter().filter(|(segment, _)| *segment == at);
            let faults: Vec<Fault> = mine.map(|(_, fault)| fault.clone()).collect();
            if !faults.is_empty() {
                scan.chain = None;
                log.entries.close();
                log.faults.extend(faults);
            }
            if !scan.segment(&mut log, at, &mut metadata, step)? {
                break;
            }
        }
        let end = log.segments.len();
        log.faults.extend(broken.into_iter().filter(|(segment, _)| *segment >= end).map(|(_, fault)| fault));
        // Lost with the start of the log; entries may be there still.
        if metadata.is_none() && log.entries.all().is_empty() {
            return Err(LogError::NoMetadata);
        }
        Ok(log)
    }

    /// The runs of entries, in the order of their indices.
    pub fn runs(&self) -> &[Run] {
        self.entries.all()
    }

    /// The last entry's term and index; zeros without one.
    pub fn last(&self) -> (u64, u64) {
        self.entries.last()
    }

    /// The term of the entry with an index.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        self.entries.term(index)
    }

    /// How many entries were rewritten by a later leader.
    pub fn rewritten(&self) -> u64 {
        self.entries.rewritten()
    }

    /// How many segments it has.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Visits the entries of a run.
    ///
    /// # Errors
    /// If the files are not what they were when the log was read, and those of `visit`.
    pub fn each<E: From<LogError>>(&self, run: &Run, visit: &mut dyn FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        let (mut place, mut wanted) = (run.place, run.first);
        let mut window = Window::default();
        while wanted <= run.last {
            let Some(segment) = self.segments.get(place.segment) else {
                let path = self.segments.last().map(|segment| segment.path.clone()).unwrap_or_default();
                return Err(LogError::Changed { path, offset: place.offset }.into());
            };
            let io = |source| LogError::Io { path: segment.path.clone(), source };
            let found = self.frame_at(place, &mut window).map_err(io)?;
            let Framed::Body(body, next) = found else {
                place = Place { segment: place.segment.saturating_add(1), offset: 0 };
                window = Window::default();
                continue;
            };
            if let Some(Content::Entry(entry)) = Raw::parse(body).and_then(|raw| raw.content())
                && (entry.index, entry.term) == (wanted, run.term)
            {
                visit(entry.owned())?;
                wanted = wanted.saturating_add(1);
            }
            place.offset = next;
        }
        Ok(())
    }

    /// Reads the frame at a place, with the bits that are repaired.
    fn frame_at<'w>(&self, place: Place, window: &'w mut Window) -> io::Result<Framed<'w>> {
        let Some(segment) = self.segments.get(place.segment) else { return Ok(Framed::End) };
        let left = segment.length.saturating_sub(place.offset);
        if left == 0 {
            return Ok(Framed::End);
        }
        let fixes = (&self.fixes, place.segment);
        if left < 8 {
            return Ok(Framed::Short);
        }
        let field = window.get(segment, fixes, place.offset, 8)?;
        let Some(field) = field.first_chunk::<8>().copied() else { return Ok(Framed::Short) };
        if field == [0; 8] {
            return Ok(Framed::Zero);
        }
        let Some(frame) = frame(field) else { return Ok(Framed::Invalid) };
        let body = place.offset.saturating_add(8);
        if frame.whole() > left.saturating_sub(8) {
            return Ok(Framed::Short);
        }
        let bytes = window.get(segment, fixes, body, usize::try_from(frame.record).unwrap_or(usize::MAX))?;
        Ok(Framed::Body(bytes, body.saturating_add(frame.whole())))
    }
}

impl Fault {
    fn new(file: String, offset: u64, kind: FaultKind) -> Fault {
        Fault { file, offset, length: 0, kind, entry: None }
    }

    /// Whether something is lost, unless another log has it.
    pub fn loses(&self) -> bool {
        !matches!(self.kind, FaultKind::BitFlip { .. } | FaultKind::TornTail)
    }
}

impl RawEntry<'_> {
    fn owned(&self) -> Entry {
        let data = (!self.data.is_empty()).then(|| self.data.to_vec());
        Entry { kind: Some(i32::from(self.kind == 1)), term: Some(self.term), index: Some(self.index), data }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is at a place where a frame may be.
enum Framed<'w> {
    /// The end of the file.
    End,
    /// A length of zero, which ends a segment.
    Zero,
    /// The file ends before the frame does.
    Short,
    /// A length that etcd would not write.
    Invalid,
    /// A record's body, and the offset after its frame.
    Body(&'w [u8], u64),
}

/// A part of a segment in memory.
#[derive(Debug)]
struct Window {
    bytes: Vec<u8>,
    start: u64,
    /// Bytes to read at a time.
    ahead: usize,
}

impl Default for Window {
    fn default() -> Window {
        Window { bytes: Vec::new(), start: 0, ahead: WINDOW_BYTES }
    }
}

impl Window {
    /// A window for a single record.
    fn small() -> Window {
        Window { ahead: 512, ..Window::default() }
    }

    /// Returns `length` bytes at an offset, which the segment has.
    fn get(
        &mut self,
        segment: &Segment,
        (fixes, position): (&Fixes, usize),
        offset: u64,
        length: usize,
    ) -> io::Result<&[u8]> {
        let end = offset.saturating_add(length as u64);
        let has = offset >= self.start && end <= self.start.saturating_add(self.bytes.len() as u64);
        if !has {
            let most = segment.length.saturating_sub(offset);
            let want = (length.max(self.ahead) as u64).min(most);
            self.bytes.resize(usize::try_from(want).unwrap_or(usize::MAX), 0);
            // Not what was there before, if the read fails.
            self.start = u64::MAX;
            segment.file.read_exact_at(&mut self.bytes, offset)?;
            self.start = offset;
            for ((_, byte), mask) in fixes.range((position, offset)..(position, offset.saturating_add(want))) {
                let at = usize::try_from(byte.saturating_sub(offset)).unwrap_or(usize::MAX);
                if let Some(byte) = self.bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
        }
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.bytes.get(from..from.saturating_add(length)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// The state of reading a log from its first segment to its last.
struct Scan {
    /// The running checksum; none where it is not known.
    chain: Option<u32>,
    /// Bytes of the segments before.
    before: u64,
}

impl Scan {
    /// Reads a segment; returns false if nothing after it is to be read.
    fn segment(
        &mut self,
        log: &mut MemberLog,
        segment: usize,
        metadata: &mut Option<(u64, u64)>,
        step: &mut dyn FnMut(u64) -> bool,
    ) -> Result<bool, LogError> {
        let last = segment.saturating_add(1) == log.segments.len();
        let (mut place, mut window) = (Place { segment, offset: 0 }, Window::default());
        let (mut told, mut begun) = (0u64, false);
        loop {
            if place.offset.saturating_sub(told) >= 1 << 20 {
                told = place.offset;
                if !step(self.before.saturating_add(told)) {
                    return Err(LogError::Stopped);
                }
            }
            let found = match log.frame_at(place, &mut window) {
                Ok(Framed::End) => break,
                Ok(Framed::Zero) => None,
                Ok(Framed::Short) => Some(None),
                Ok(Framed::Invalid) => Some(None),
                Ok(Framed::Body(body, next)) => {
                    let checked = Raw::parse(body).and_then(|raw| Some((raw, raw.content()?)));
                    match checked.filter(|(raw, _)| fits(raw, self.chain, begun)) {
                        Some((raw, content)) => {
                            if raw.kind == crate::raft::record::RecordKind::Crc
                                && self.chain.is_some_and(|chain| chain != raw.crc)
                            {
                                log.faults.push(Fault::new(name_of(log, segment), place.offset, FaultKind::Broken));
                                log.entries.close();
                            }
                            self.chain = Some(raw.crc);
                            begun = true;
                            match take(content, place) {
                                Taken::Entry { index, term, version } => {
                                    if !log.agrees(index, term) {
                                        let kind = FaultKind::Contradiction;
                                        let fault = Fault::new(name_of(log, segment), place.offset, kind);
                                        log.faults.push(Fault { entry: Some(index), ..fault });
                                        return Ok(false);
                                    }
                                    if !log.entries.push(index, term, place) {
                                        return Err(LogError::TooManyRuns);
                                    }
                                    drop(log.versions.split_off(&index));
                                    log.versions.extend(version.map(|version| (index, version)));
                                }
                                Taken::Metadata(node, cluster) => {
                                    let first = *metadata.get_or_insert((node, cluster));
                                    (log.node, log.cluster) = first;
                                    if first != (node, cluster) {
                                        let kind = FaultKind::OtherMember;
                                        log.faults.push(Fault::new(name_of(log, segment), place.offset, kind));
                                        return Ok(false);
                                    }
                                }
                                Taken::State { term, commit } => {
                                    (log.term, log.commit) = (log.term.max(term), log.commit.max(commit));
                                }
                                Taken::Snapshot { index, term, has_voters } => {
                                    log.snapshots.push((index, term));
                                    log.names_voters |= has_voters;
                                    log.commit = log.commit.max(if index > 0 { index } else { 0 });
                                }
                                Taken::Nothing => {}
                            }
                            log.bytes = log.bytes.saturating_add(next.saturating_sub(place.offset));
                            place.offset = next;
                            continue;
                        }
                        None => Some(Some(next)),
                    }
                }
                Err(e) => {
                    let kind = FaultKind::Unreadable { why: e.to_string() };
                    log.faults.push(Fault::new(name_of(log, segment), place.offset, kind));
                    (self.chain, _) = (None, log.entries.close());
                    break;
                }
            };
            window = Window::default();
            match self.after_damage(log, place, found, begun, last) {
                // A bit that is repaired leaves the place as it is: the record there begins the segment or not.
                Some(next) => (place.offset, begun) = (next, begun || next > place.offset),
                None => break,
            }
        }
        self.before = self.before.saturating_add(log.segments.get(segment).map_or(0, |segment| segment.length));
        Ok(true)
    }

    /// Decides how to go on at a place without a usable record. `found`: `None` at a length of zero, otherwise the offset after
    /// the frame if that is intact. Returns the offset to go on at, `None` at the end of the segment.
    fn after_damage(
        &mut self,
        log: &mut MemberLog,
        place: Place,
        found: Option<Option<u64>>,
        begun: bool,
        last: bool,
    ) -> Option<u64> {
        let file = name_of(log, place.segment);
        let length = log.segments.get(place.segment).map_or(0, |segment| segment.length);
        let rest = length.saturating_sub(place.offset);
        let Some(frame_end) = found else {
            // The end, unless records follow the zeros.
            log.entries.close();
            if !nonzero_after(log, place) {
                return None;
            }
            let next = self.resync(log, place);
            let (end, kind) = match next {
                Some((at, _)) => (at, FaultKind::Bytes),
                None => (length, FaultKind::Garbage),
            };
            let fault = Fault::new(file, place.offset, kind);
            log.faults.push(Fault { length: end.saturating_sub(place.offset), ..fault });
            return self.seeded(next);
        };
        // A write that was cut short leaves a sector of zeros: nothing to repair.
        let torn = last && frame_end.is_some_and(|end| never_written(log, place, end));
        if torn && self.resync(log, place).is_none() {
            let length = frame_end.map_or(rest, |end| end.saturating_sub(place.offset));
            log.faults.push(Fault { length, ..Fault::new(file, place.offset, FaultKind::TornTail) });
            return None;
        }
        if !torn && let Some((byte, bit)) = self.flip(log, place, begun) {
            log.fixes.insert((place.segment, byte), 1 << bit);
            log.faults.push(Fault::new(file, place.offset, FaultKind::BitFlip { byte, bit }));
            return Some(place.offset);
        }
        let entry = frame_end.and_then(|_| entry_of(log, place));
        log.entries.close();
        if let Some(end) = frame_end
            && let Some(chain) = stored(log, place)
            && continues(log, Place { offset: end, ..place }, chain)
        {
            self.chain = Some(chain);
            let fault = Fault::new(file, place.offset, FaultKind::Record);
            log.faults.push(Fault { length: end.saturating_sub(place.offset), entry, ..fault });
            return Some(end);
        }
        let next = self.resync(log, place);
        let (end, kind) = match next {
            Some((at, _)) => (at, FaultKind::Bytes),
            None if frame_end.is_none() && last => (length, FaultKind::CutShort),
            None if last => (length, FaultKind::Garbage),
            None => (length, FaultKind::Bytes),
        };
        log.faults.push(Fault {
            length: end.saturating_sub(place.offset),
            entry,
            ..Fault::new(file, place.offset, kind)
        });
        if next.is_none() {
            self.chain = None;
        }
        self.seeded(next)
    }

    fn seeded(&mut self, next: Option<(u64, u32)>) -> Option<u64> {
        let (at, chain) = next?;
        self.chain = Some(chain);
        Some(at)
    }

    /// Finds the bit of a record whose flip makes it fit, and the record after it too. None where two would.
    fn flip(&self, log: &mut MemberLog, place: Place, begun: bool) -> Option<(u64, u8)> {
        let chain = self.chain?;
        let head = place.offset..place.offset.saturating_add(8).saturating_add(HEAD_BYTES as u64);
        let mut candidates: Vec<(u64, u8)> = head.flat_map(|byte| (0..8).map(move |bit| (byte, bit))).collect();
        let mut window = Window::small();
        if let Ok(Framed::Body(body, _)) = log.frame_at(place, &mut window)
            && let Some(raw) = Raw::parse(body)
            && let Some((at, bit)) = flipped_bit(crc32c::crc32c_append(chain, raw.data) ^ raw.crc, raw.data.len())
        {
            let start = body.len().saturating_sub(raw.data.len()).saturating_add(at);
            candidates.push((place.offset.saturating_add(8).saturating_add(start as u64), bit));
        }
        let mut found = Vec::new();
        for (byte, bit) in candidates {
            // A bit that was repaired once is not it.
            if log.fixes.contains_key(&(place.segment, byte)) {
                continue;
            }
            log.fixes.insert((place.segment, byte), 1 << bit);
            let mut window = Window::small();
            let next = match log.frame_at(place, &mut window) {
                Ok(Framed::Body(body, next)) => Raw::parse(body)
                    .filter(|raw| raw.content().is_some() && fits(raw, Some(chain), begun))
                    .filter(|raw| raw.kind != crate::raft::record::RecordKind::Crc)
                    .map(|raw| (next, raw.crc)),
                _ => None,
            };
            if let Some((next, crc)) = next {
                let after = Place { offset: next, ..place };
                let mut window = Window::small();
                let ends = matches!(log.frame_at(after, &mut window), Ok(Framed::End | Framed::Zero));
                if ends || continues(log, after, crc) {
                    found.push((byte, bit));
                }
            }
            log.fixes.remove(&(place.segment, byte));
        }
        found.dedup();
        match found.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Finds the next place after a damaged one where a record is followed by one that continues its checksum; returns the
    /// place of that second one and the checksum before it.
    fn resync(&self, log: &MemberLog, place: Place) -> Option<(u64, u32)> {
        let segment = log.segments.get(place.segment)?;
        let fixes = (&log.fixes, place.segment);
        let mut window = Window::default();
        let mut offset = place.offset.checked_add(8)?;
        while offset.saturating_add(24) <= segment.length {
            let left = (segment.length.saturating_sub(offset).min(WINDOW_BYTES as u64) as usize) & !7;
            let bytes = window.get(segment, fixes, offset, left).ok()?;
            // A frame begins with its length and then the tag of the record's type.
            let mut chunks = bytes.chunks_exact(8).zip(bytes.get(8..)?.chunks_exact(8));
            let at = chunks.position(|(field, body)| {
                let field: Option<[u8; 8]> = field.try_into().ok();
                matches!(body, [8, 1..=5, ..]) && field.and_then(frame).is_some()
            });
            let Some(at) = at else {
                offset = offset.saturating_add(left.saturating_sub(8).max(8) as u64);
                continue;
            };
            offset = offset.saturating_add((at as u64).saturating_mul(8));
            let here = Place { offset, ..place };
            let mut own = Window::small();
            if let Ok(Framed::Body(body, next)) = log.frame_at(here, &mut own)
                && let Some(raw) = Raw::parse(body).filter(|raw| raw.content().is_some())
                && continues(log, Place { offset: next, ..place }, raw.crc)
            {
                return Some((next, raw.crc));
            }
            offset = offset.saturating_add(8);
        }
        None
    }
}

impl MemberLog {
    /// Returns whether an entry agrees with what is committed: those are never replaced.
    fn agrees(&self, index: u64, term: u64) -> bool {
        index > self.commit || self.entries.term(index).is_none_or(|before| before == term)
    }
}

fn name_of(log: &MemberLog, segment: usize) -> String {
    log.segments.get(segment).map(|segment| name(&segment.path)).unwrap_or_default()
}

/// Returns whether a record follows the checksum so far. The first record of a segment only sets it.
fn fits(raw: &Raw<'_>, chain: Option<u32>, begun: bool) -> bool {
    let is_crc = raw.kind == crate::raft::record::RecordKind::Crc;
    match chain {
        _ if is_crc => !begun,
        _ if !begun => false,
        Some(chain) => crc32c::crc32c_append(chain, raw.data) == raw.crc,
        None => false,
    }
}

/// Returns whether the record at a place continues a checksum.
fn continues(log: &MemberLog, place: Place, chain: u32) -> bool {
    let mut window = Window::small();
    match log.frame_at(place, &mut window) {
        Ok(Framed::Body(body, _)) => Raw::parse(body).is_some_and(|raw| {
            raw.kind != crate::raft::record::RecordKind::Crc
                && raw.content().is_some()
                && crc32c::crc32c_append(chain, raw.data) == raw.crc
        }),
        _ => false,
    }
}

/// The checksum that the record at a place stores.
fn stored(log: &MemberLog, place: Place) -> Option<u32> {
    let mut window = Window::small();
    match log.frame_at(place, &mut window) {
        Ok(Framed::Body(body, _)) => Raw::parse(body).map(|raw| raw.crc),
        _ => None,
    }
}

/// The index of the entry that the damaged record at a place seems to hold.
fn entry_of(log: &MemberLog, place: Place) -> Option<u64> {
    let mut window = Window::small();
    match log.frame_at(place, &mut window) {
        Ok(Framed::Body(body, _)) => match Raw::parse(body)?.content()? {
            Content::Entry(entry) => Some(entry.index),
            _ => None,
        },
        _ => None,
    }
}

/// What is kept of a record while a log is read.
enum Taken {
    Entry { index: u64, term: u64, version: Option<String> },
    Metadata(u64, u64),
    State { term: u64, commit: u64 },
    Snapshot { index: u64, term: u64, has_voters: bool },
    Nothing,
}

fn take(content: Content<'_>, _place: Place) -> Taken {
    match content {
        Content::Crc => Taken::Nothing,
        Content::Metadata { node, cluster } => Taken::Metadata(node, cluster),
        Content::State { term, commit, .. } => Taken::State { term, commit },
        Content::Snapshot { index, term, has_voters } => Taken::Snapshot { index, term, has_voters },
        Content::Entry(RawEntry { kind, term, index, data }) => {
            let version = (kind == 0 && data.len() <= VERSION_BYTES).then(|| Asked::decode(data));
            let version = match version {
                Some(Asked::ClusterVersion(version)) => Some(version),
                Some(Asked::V2(request)) if request.path == b"/0/version" => {
                    Some(String::from_utf8_lossy(&request.value).into_owned())
                }
                _ => None,
            };
            Taken::Entry { index, term, version }
        }
    }
}

/// Returns whether a sector that a record covers is all zero.
fn never_written(log: &MemberLog, place: Place, end: u64) -> bool {
    let Some(segment) = log.segments.get(place.segment) else { return false };
    let mut at = place.offset.saturating_add(8);
    let mut window = Window::small();
    while at < end {
        let next = at.saturating_sub(at % SECTOR).saturating_add(SECTOR).min(end);
        let length = next.saturating_sub(at) as usize;
        // A few bytes of zeros are usual: padding, and the end of a value.
        match window.get(segment, (&Fixes::new(), place.segment), at, length) {
            Ok(bytes) if length >= 64 && bytes.iter().all(|byte| *byte == 0) => return true,
            Ok(_) => at = next,
            Err(_) => return false,
        }
    }
    false
}

/// Returns whether anything but zeros follows a place.
fn nonzero_after(log: &MemberLog, place: Place) -> bool {
    static ZEROS: [u8; WINDOW_BYTES] = [0; WINDOW_BYTES];
    let Some(segment) = log.segments.get(place.segment) else { return false };
    let (mut at, mut window) = (place.offset, Window::default());
    while at < segment.length {
        let length = segment.length.saturating_sub(at).min(WINDOW_BYTES as u64) as usize;
        match window.get(segment, (&Fixes::new(), place.segment), at, length) {
            // Compared as blocks: 64 MB of zeros are usual.
            Ok(bytes) if Some(bytes) != ZEROS.get(..length) => return true,
            Ok(_) => at = at.saturating_add(length as u64),
            Err(_) => return false,
        }
    }
    false
}
