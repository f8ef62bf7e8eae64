//! The key-value store that a log is replayed into: the rows of the database that the replay begins from, which stay in
//! their file, the rows that it adds, in a temporary file, and the live keys in memory.
//!
//! Source: etcd `server/storage/mvcc/kvstore.go`, `kvstore_txn.go`, `key_index.go`.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use prost::Message;

use super::key_index::{KeyIndex, Live, RowRef};
use crate::{
    bbolt::{self, ReadAt, View},
    etcd::{
        proto::{KeyValue, KeyValueRef},
        revision::{Revision, RevisionKey},
        schema,
    },
};

/// The database that a replay begins from.
pub type Base = View<Arc<dyn ReadAt + Send + Sync>>;

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database that the replay began from.
    #[error(transparent)]
    Base(#[from] bbolt::Error),
    /// The temporary file.
    #[error("temporary file: {0}")]
    Rows(#[from] io::Error),
    /// A row that must be there is not.
    #[error("row {0} of bucket `key` is missing")]
    Missing(i64),
    /// A row is not one of etcd's.
    #[error("row {0} of bucket `key` does not have etcd's form")]
    Row(i64),
    /// A row of bucket `lease` is not a lease.
    #[error("a row of bucket `lease` does not have etcd's form")]
    Lease,
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

/// Called with a live key; returns whether to continue.
pub type VisitKey<'v> = dyn FnMut(&[u8], Live) -> Result<bool, StoreError> + 'v;
/// Called with the key and the value of a row.
pub type VisitRow<'v, E> = dyn FnMut(&[u8], &[u8]) -> Result<(), E> + 'v;

/// Keys that are visited at a time in a range.
const CHUNK: usize = 1024;

/// The store.
pub struct Store {
    base: Option<Arc<Base>>,
    index: KeyIndex,
    rows: RowFile,
    /// The last revision.
    current: i64,
    /// The revision up to which it is compacted; -1 for none.
    compacted: i64,
    /// Changes in the transaction that is open.
    changes: i64,
}

impl Store {
    /// Begins from a database, or from nothing. `scratch` is an empty file for the rows to come; `step` is called with the
    /// bytes read so far and returns whether to continue.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn begin(
        base: Option<Arc<Base>>,
        scratch: File,
        step: &mut dyn FnMut(u64) -> bool,
    ) -> Result<Store, StoreError> {
        let mut store = Store {
            base: base.clone(),
            index: KeyIndex::default(),
            rows: RowFile { file: scratch, pending: Vec::new(), written: 0, count: 0 },
            current: 1,
            compacted: -1,
            changes: 0,
        };
        let Some(base) = base else { return Ok(store) };
        if let Some(meta) = base.bucket(schema::META)? {
            for mark in [schema::FINISHED_COMPACT, schema::SCHEDULED_COMPACT] {
                let row = base.get(&meta, mark)?;
                let at = row.as_deref().and_then(RevisionKey::parse).map_or(-1, |key| key.revision.main);
                store.compacted = store.compacted.max(at);
            }
        }
        if let Some(bucket) = base.bucket(schema::KEY)? {
            let (mut cursor, mut read, mut told) = (base.cursor(&bucket), 0u64, 0u64);
            while let Some(row) = cursor.next()? {
                let at = RevisionKey::parse(row.key).ok_or(StoreError::Row(store.current))?;
                let kv = KeyValueRef::parse(row.value).ok_or(StoreError::Row(at.revision.main))?;
                store.load(at, &kv, 0);
                read = read.saturating_add(row.both.len() as u64);
                if read.saturating_sub(told) >= 1 << 20 {
                    told = read;
                    if !step(read) {
                        return Err(StoreError::Stopped);
                    }
                }
            }
        }
        store.current = store.current.max(store.compacted);
        Ok(store)
    }

    /// Takes a row into the index, as a start of etcd does.
    fn load(&mut self, at: RevisionKey, kv: &KeyValueRef<'_>, place: u64) {
        self.current = self.current.max(at.revision.main);
        if at.tombstone {
            self.index.remove(kv.key);
            return;
        }
        let row = RowRef { main: at.revision.main, sub: at.revision.sub, place };
        let live = Live { create: kv.create_revision, version: kv.version, lease: kv.lease, row };
        self.index.insert(kv.key, live);
    }

    /// The last revision.
    pub fn revision(&self) -> i64 {
        self.current
    }

    /// The revision up to which it is compacted; -1 for none.
    pub fn compacted(&self) -> i64 {
        self.compacted
    }

    /// How many keys are alive.
    pub fn live(&self) -> u64 {
        self.index.count()
    }

    /// How many rows were added.
    pub fn added(&self) -> u64 {
        self.rows.count
    }

    /// The bytes of the rows that were added.
    pub fn added_bytes(&self) -> u64 {
        self.rows.written.saturating_add(self.rows.pending.len() as u64)
    }

    /// What is known of a key.
    pub fn get(&self, key: &[u8]) -> Option<Live> {
        self.index.get(key)
    }

    /// Returns up to `most` live keys of a range, in order; `range_end` is as in a request.
    pub fn range(&self, key: &[u8], range_end: &[u8], most: usize) -> Vec<(Vec<u8>, Live)> {
        match range_end {
            [] => self.get(key).map(|live| (key.to_vec(), live)).into_iter().collect(),
            [0] => self.index.range(key, None, most),
            end => self.index.range(key, Some(end), most),
        }
    }

    /// Visits every live key of a range, in order, until `visit` returns false.
    ///
    /// # Errors
    /// Those of `visit`.
    pub fn each(&self, key: &[u8], range_end: &[u8], visit: &mut VisitKey<'_>) -> Result<(), StoreError> {
        let mut from = key.to_vec();
        loop {
            let found = self.range(&from, range_end, CHUNK);
            for (key, live) in &found {
                if !visit(key, *live)? {
                    return Ok(());
                }
            }
            let Some((last, _)) = found.last().filter(|_| found.len() == CHUNK && !range_end.is_empty()) else {
                return Ok(());
            };
            from.clone_from(last);
            from.push(0);
        }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// If it cannot be read, or is not one.
    pub fn read(&self, row: RowRef) -> Result<KeyValue, StoreError> {
        let bytes = match (row.place.checked_sub(1), &self.base) {
            (Some(offset), _) => self.rows.read(offset)?,
            (None, Some(base)) => {
                let bucket = base.bucket(schema::KEY)?.ok_or(StoreError::Missing(row.main))?;
                let key = Revision { main: row.main, sub: row.sub }.to_bytes();
                base.get(&bucket, &key)?.ok_or(StoreError::Missing(row.main))?
            }
            (None, None) => return Err(StoreError::Missing(row.main)),
        };
        KeyValue::decode(&*bytes).map_err(|_| StoreError::Row(row.main))
    }

    /// Puts a key in the open transaction, and returns its row.
    ///
    /// # Errors
    /// If the temporary file cannot be written.
    pub fn put(&mut self, key: &[u8], value: Vec<u8>, lease: i64) -> Result<RowRef, StoreError> {
        let main = self.current.saturating_add(1);
        let before = self.index.get(key);
        let create = before.map_or(main, |live| live.create);
        let version = before.map_or(0, |live| live.version).saturating_add(1);
        let kv = KeyValue { key: key.into(), create_revision: create, mod_revision: main, version, value, lease };
        let revision = Revision { main, sub: self.changes };
        let offset = self.rows.append(&revision.to_bytes(), &kv.encode_to_vec())?;
        let row = RowRef { main, sub: self.changes, place: offset.saturating_add(1) };
        self.index.insert(key, Live { create, version, lease, row });
        self.changes = self.changes.saturating_add(1);
        Ok(row)
    }

    /// Deletes the keys of a range in the open transaction, and returns how many there were.
    ///
    /// # Errors
    /// If the temporary file cannot be written.
    pub fn delete(&mut self, key: &[u8], range_end: &[u8]) -> Result<u64, StoreError> {
        let mut deleted = 0u64;
        loop {
            // Those that were deleted are gone, so a range begins again where it began.
            let found = self.range(key, range_end, CHUNK);
            for (key, _) in &found {
                let revision = Revision { main: self.current.saturating_add(1), sub: self.changes };
                let kv = KeyValue { key: key.clone(), ..KeyValue::default() };
                let tombstone = [&revision.to_bytes()[..], b"t"].concat();
                self.rows.append(&tombstone, &kv.encode_to_vec())?;
                self.index.remove(key);
                self.changes = self.changes.saturating_add(1);
                deleted = deleted.saturating_add(1);
            }
            if found.len() < CHUNK {
                return Ok(deleted);
            }
        }
    }

    /// Ends the open transaction: it made a revision if it changed anything.
    pub fn end(&mut self) -> bool {
        let changed = self.changes > 0;
        self.current = self.current.saturating_add(changed.into());
        self.changes = 0;
        changed
    }

    /// Sets the revision up to which the server is to compact; false if it is compacted already or not reached yet.
    pub fn compact(&mut self, revision: i64) -> bool {
        let fits = revision > self.compacted && revision <= self.current;
        if fits {
            self.compacted = revision;
        }
        fits
    }

    /// Visits the rows that were added, in the order of their revisions.
    ///
    /// # Errors
    /// If the temporary file cannot be read, and those of `visit`.
    pub fn each_added<E: From<StoreError>>(&mut self, visit: &mut VisitRow<'_, E>) -> Result<(), E> {
        self.rows.flush().map_err(StoreError::Rows)?;
        let mut offset = 0u64;
        while offset < self.rows.written {
            let (key, value, next) = self.rows.row(offset).map_err(StoreError::Rows)?;
            visit(&key, &value)?;
            offset = next;
        }
        Ok(())
    }
}

/// Rows that are only appended: the length of the key, the key, the length of the value, the value.
#[derive(Debug)]
struct RowFile {
    file: File,
    /// Rows that are not in the file yet.
    pending: Vec<u8>,
    written: u64,
    count: u64,
}

/// Bytes that are gathered before they are written.
const PENDING_BYTES: usize = 1 << 20;
/// Bytes of a row's header: the lengths of key and value.
const HEADER: u64 = 5;

impl RowFile {
    /// Appends a row and returns its offset.
    fn append(&mut self, key: &[u8], value: &[u8]) -> io::Result<u64> {
        let offset = self.written.saturating_add(self.pending.len() as u64);
        let length = u32::try_from(value.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.pending.push(key.len() as u8);
        self.pending.extend_from_slice(&length.to_le_bytes());
        self.pending.extend_from_slice(key);
        self.pending.extend_from_slice(value);
        self.count = self.count.saturating_add(1);
        if self.pending.len() >= PENDING_BYTES {
            self.flush()?;
        }
        Ok(offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.written)?;
        self.written = self.written.saturating_add(self.pending.len() as u64);
        self.pending.clear();
        Ok(())
    }

    fn bytes(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_sub(self.written) {
            Some(at) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let found = self.pending.get(at..at.saturating_add(buf.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
                buf.copy_from_slice(found);
                Ok(())
            }
            None => FileExt::read_exact_at(&self.file, buf, offset),
        }
    }

    /// Returns the key and the value at an offset, and the offset of the next row.
    fn row(&self, offset: u64) -> io::Result<(Vec<u8>, Vec<u8>, u64)> {
        let mut header = [0; HEADER as usize];
        self.bytes(&mut header, offset)?;
        let [key, length @ ..] = header;
        let (mut key, mut value) = (vec![0; key.into()], vec![0; u32::from_le_bytes(length) as usize]);
        let at = offset.saturating_add(HEADER);
        self.bytes(&mut key, at)?;
        let at = at.saturating_add(key.len() as u64);
        self.bytes(&mut value, at)?;
        let next = at.saturating_add(value.len() as u64);
        Ok((key, value, next))
    }

    fn read(&self, offset: u64) -> io::Result<Vec<u8>> {
        self.row(offset).map(|(_, value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_etcds() {
        let mut store = Store::begin(None, tempfile::tempfile().unwrap(), &mut |_| true).unwrap();
        store.put(b"a", b"1".to_vec(), 0).unwrap();
        store.put(b"b", b"2".to_vec(), 7).unwrap();
        assert!(store.end());
        store.put(b"a", b"3".to_vec(), 0).unwrap();
        store.end();
        assert_eq!(store.delete(b"a", &[0]).unwrap(), 2);
        store.end();
        // A deletion of nothing makes no revision.
        assert_eq!(store.delete(b"a", b"").unwrap(), 0);
        assert!(!store.end());
        store.put(b"a", b"4".to_vec(), 0).unwrap();
        store.end();
        assert_eq!((store.revision(), store.live(), store.added()), (5, 1, 6));
        let live = store.get(b"a").unwrap();
        assert_eq!((live.create, live.version), (5, 1));
        assert_eq!(store.read(live.row).unwrap().value, b"4");
        let mut rows = Vec::new();
        store
            .each_added::<StoreError>(&mut |key, value| {
                let kv = KeyValue::decode(value).unwrap();
                rows.push((RevisionKey::parse(key).unwrap(), kv.key, kv.create_revision, kv.version));
                Ok(())
            })
            .unwrap();
        let at = |main, sub, tombstone| RevisionKey { revision: Revision { main, sub }, tombstone };
        let expected = [
            (at(2, 0, false), b"a".to_vec(), 2, 1),
            (at(2, 1, false), b"b".to_vec(), 2, 1),
            (at(3, 0, false), b"a".to_vec(), 2, 2),
            (at(4, 0, true), b"a".to_vec(), 0, 0),
            (at(4, 1, true), b"b".to_vec(), 0, 0),
            (at(5, 0, false), b"a".to_vec(), 5, 1),
        ];
        assert_eq!(rows, expected);
        assert!(!store.compact(6) && store.compact(3) && !store.compact(3));
    }
}
