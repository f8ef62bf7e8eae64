//! HashKV as the server computes it, at any revision, without changing the file (etcdutl's `hashkv` opens it for
//! writing and changes it).
//!
//! Source: etcd `server/storage/mvcc/hash.go` and `key_index.go` (`keep`), the same in 3.4 to 3.7.

use std::collections::HashMap;

use serde::Serialize;

use crate::engine::{
    progress::{Phase, ProgressFn},
    source::step,
};
use crate::{
    bbolt::{self, Bucket, ReadAt, View},
    error::Error,
    etcd::{
        proto::KeyValueRef,
        revision::{Revision, RevisionKey},
        schema,
    },
};

/// The result of HashKV: equal on all members that have the same keys and were compacted at the same revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HashKv {
    /// CRC-32C over all rows that count at the revision.
    pub hash: u32,
    /// The revision that it is computed at.
    #[serde(rename = "hashRevision")]
    pub revision: i64,
    /// The compacted revision, -1 for none.
    #[serde(rename = "compactRevision")]
    pub compacted: i64,
}

/// Why a file cannot be read at a revision.
#[derive(Debug)]
pub enum Refused {
    /// The revision is compacted; the value is the compacted revision.
    Compacted(i64),
    /// The revision is in the future; the value is the newest one.
    Future(i64),
    /// The file is damaged or cannot be read; the sentence names the place.
    Damaged(String),
    /// `watch` requested a stop.
    Stopped(Error),
}

impl From<bbolt::Error> for Refused {
    fn from(error: bbolt::Error) -> Self {
        Refused::Damaged(error.to_string())
    }
}

/// The compacted and the newest revision of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RevisionRange {
    /// The compacted revision: the later of the scheduled and the finished one, -1 for none.
    pub compacted: i64,
    /// The newest revision, at least 1.
    pub revision: i64,
}

impl RevisionRange {
    /// Reads it from `meta` and from the last row of `key`.
    ///
    /// # Errors
    /// If a page cannot be read or a row is not a revision.
    pub fn read<R: ReadAt>(view: &View<R>) -> Result<RevisionRange, Refused> {
        let damaged = |what: &str| Refused::Damaged(format!("bucket {what} is not a revision"));
        let mut compacted = -1;
        if let Some(meta) = view.bucket(schema::META)? {
            for name in [schema::SCHEDULED_COMPACT, schema::FINISHED_COMPACT] {
                if let Some(value) = view.get(&meta, name)? {
                    let at = RevisionKey::parse(&value).ok_or_else(|| damaged("meta: a compaction mark"))?;
                    compacted = compacted.max(at.revision.main);
                }
            }
        }
        let mut revision = compacted.max(1);
        if let Some(key) = view.bucket(schema::KEY)?
            && let Some((row, _)) = view.last(&key)?
        {
            let at = RevisionKey::parse(&row).ok_or_else(|| damaged("key: the last row's key"))?;
            revision = revision.max(at.revision.main);
        }
        Ok(RevisionRange { compacted, revision })
    }

    /// Returns the revision that a request for `at` means: 0 or less is the newest.
    ///
    /// # Errors
    /// If it is compacted or in the future.
    pub fn asked(self, at: i64) -> Result<i64, Refused> {
        match at {
            at if at > self.revision => Err(Refused::Future(self.revision)),
            at if at <= 0 => Ok(self.revision),
            at if at < self.compacted => Err(Refused::Compacted(self.compacted)),
            at => Ok(at),
        }
    }
}

/// What changes a database after the file that is read was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct After {
    /// The row that a restore with a revision bump adds after all others; it marks everything up to it as compacted.
    pub bump: Option<Revision>,
    /// The revision at which the store was compacted later; ignored if it is below the file's own.
    pub compacted: i64,
}

/// Computes HashKV of a database at revision `at` (0 or less: the newest).
///
/// A row up to the compacted revision counts only if its key is live at `at` with that row: the same result as etcd's
/// `keep`, which derives it from generations.
///
/// # Errors
/// See [`Refused`].
pub fn hash_kv<R: ReadAt>(view: &View<R>, at: i64, watch: &mut ProgressFn<'_>) -> Result<HashKv, Refused> {
    hash_kv_after(view, at, After::default(), watch)
}

/// Computes HashKV at revision `at` of the store that this database becomes after `after`.
///
/// # Errors
/// See [`Refused`].
pub fn hash_kv_after<R: ReadAt>(
    view: &View<R>,
    at: i64,
    after: After,
    watch: &mut ProgressFn<'_>,
) -> Result<HashKv, Refused> {
    let mut reach = RevisionRange::read(view)?;
    if after.compacted > 0 {
        reach.compacted = reach.compacted.max(after.compacted);
    }
    if let Some(bump) = after.bump {
        reach = RevisionRange { compacted: reach.compacted.max(bump.main), revision: reach.revision.max(bump.main) };
    }
    let (at, compacted) = (reach.asked(at)?, reach.compacted);
    let mut hash = crc32c::crc32c(schema::KEY);
    let Some(bucket) = view.bucket(schema::KEY)? else { return Ok(HashKv { hash, revision: at, compacted }) };
    let rows = Rows { view, bucket: &bucket, bump: after.bump, at };
    let keep = keep(&rows, reach, watch)?;
    let mut kept = keep.iter().flatten().peekable();
    rows.each(watch, &mut |key, row, value| {
        if key.revision.main <= compacted && keep.is_some() {
            // both ascend, so comparing with the next kept row is enough
            if kept.next_if(|kept| **kept == key.revision).is_none() {
                return Ok(());
            }
        }
        if key.revision.main != compacted || !key.tombstone {
            hash = crc32c::crc32c_append(crc32c::crc32c_append(hash, row), value);
        }
        Ok(())
    })?;
    Ok(HashKv { hash, revision: at, compacted })
}

/// The rows up to a revision, followed by the row of the revision bump.
struct Rows<'a, R: ReadAt> {
    view: &'a View<R>,
    bucket: &'a Bucket,
    bump: Option<Revision>,
    at: i64,
}

/// Receives a row: its decoded key, its raw key, its value.
type Take<'a> = &'a mut dyn FnMut(RevisionKey, &[u8], &[u8]) -> Result<(), Refused>;

impl<R: ReadAt> Rows<'_, R> {
    fn each(&self, watch: &mut ProgressFn<'_>, take: Take<'_>) -> Result<(), Refused> {
        let mut told = WalkProgress::new(self.view);
        let mut rows = self.view.cursor(self.bucket);
        while let Some(row) = rows.next()? {
            told.row(row.key.len().saturating_add(row.value.len()), watch)?;
            let key = RevisionKey::parse(row.key).ok_or_else(|| undecoded(row.key))?;
            if key.revision.main > self.at {
                return Ok(());
            }
            take(key, row.key, row.value)?;
        }
        match self.bump.filter(|bump| bump.main <= self.at) {
            Some(revision) => take(RevisionKey { revision, tombstone: false }, &revision.to_bytes(), &[]),
            None => Ok(()),
        }
    }

    /// Returns the rows up to revision `until` that are a key's live row at the end.
    fn alive(&self, until: i64, watch: &mut ProgressFn<'_>) -> Result<Vec<Revision>, Refused> {
        let mut alive: HashMap<Box<[u8]>, Revision> = HashMap::new();
        self.each(watch, &mut |key, row, value| {
            let kv = KeyValueRef::parse(value).ok_or_else(|| undecoded(row))?;
            if key.tombstone || key.revision.main > until {
                alive.remove(kv.key);
            } else if let Some(revision) = alive.get_mut(kv.key) {
                *revision = key.revision;
            } else {
                alive.insert(kv.key.into(), key.revision);
            }
            Ok(())
        })?;
        Ok(alive.into_values().collect())
    }
}

/// Returns the rows up to the compacted revision that are a key's live row at the end, ascending; `None` if every row
/// counts: nothing was compacted, or no key is live at the end (etcd then drops nothing).
fn keep<R: ReadAt>(
    rows: &Rows<'_, R>,
    reach: RevisionRange,
    watch: &mut ProgressFn<'_>,
) -> Result<Option<Vec<Revision>>, Refused> {
    if reach.compacted < 0 {
        return Ok(None);
    }
    let mut keep: Vec<Revision> = rows.alive(reach.compacted, watch)?;
    if keep.is_empty() && rows.alive(i64::MAX, watch)?.is_empty() {
        return Ok(None);
    }
    keep.sort_unstable();
    Ok(Some(keep))
}

fn undecoded(row: &[u8]) -> Refused {
    Refused::Damaged(format!("bucket key: cannot decode row {}", row.escape_ascii()))
}

/// Reports the progress of a scan.
struct WalkProgress {
    total: u64,
    read: u64,
    told: u64,
}

impl WalkProgress {
    fn new<R: ReadAt>(view: &View<R>) -> WalkProgress {
        WalkProgress { total: view.used_bytes(), read: 0, told: 0 }
    }

    fn row(&mut self, bytes: usize, watch: &mut ProgressFn<'_>) -> Result<(), Refused> {
        self.read = self.read.saturating_add(bytes as u64);
        if self.read.saturating_sub(self.told) < 4 << 20 {
            return Ok(());
        }
        self.told = self.read;
        step(watch, Phase::Hash, self.read.min(self.total), self.total).map_err(Refused::Stopped)
    }
}

impl HashKv {
    /// Renders etcdutl's line: hash, revision, compacted revision.
    pub fn simple(&self) -> String {
        format!("{}, {}, {}\n", self.hash, self.revision, self.compacted)
    }

    /// Renders etcdutl's JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Renders etcdutl's `"Name" : value` lines.
    pub fn fields(&self) -> String {
        format!(
            "\"Hash\" : {}\n\"Hash revision\" : {}\n\"Compact revision\" : {}\n",
            self.hash, self.revision, self.compacted
        )
    }

    /// Renders etcdutl's table.
    pub fn table(&self) -> String {
        let row = [self.hash.to_string(), self.revision.to_string(), self.compacted.to_string()];
        crate::text::table::table(&["HASH", "HASH REVISION", "COMPACT REVISION"], &[row.to_vec()])
    }
}
