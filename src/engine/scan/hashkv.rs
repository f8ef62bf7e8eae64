//! HashKV as the server computes it, at any revision, without touching the file (etcdutl's own
//! `hashkv` opens it for writing and changes it).
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

/// HashKV's answer: equal on all members that hold the same keys and were compacted at the same
/// revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HashKv {
    /// CRC-32C over all rows that belong to the revision.
    pub hash: u32,
    /// The revision up to which it goes.
    #[serde(rename = "hashRevision")]
    pub revision: i64,
    /// The compact revision, -1 for none.
    #[serde(rename = "compactRevision")]
    pub compacted: i64,
}

/// Why there is no hash.
#[derive(Debug)]
pub enum Refused {
    /// The revision was compacted away; it was compacted up to this one.
    Compacted(i64),
    /// The revision is not there yet; this is the newest.
    Future(i64),
    /// The file could not be read; the sentence names the place.
    Damaged(String),
    /// The watcher said stop.
    Stopped(Error),
}

impl From<bbolt::Error> for Refused {
    fn from(error: bbolt::Error) -> Self {
        Refused::Damaged(error.to_string())
    }
}

/// Up to which revision a database was compacted, and which is its newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RevisionRange {
    /// The compact revision: the later of the scheduled and the finished one, -1 for none.
    pub compacted: i64,
    /// The newest revision, at least 1.
    pub revision: i64,
}

impl RevisionRange {
    /// Reads it from `meta` and from the last row of `key`.
    ///
    /// # Errors
    /// When a page cannot be read or a row is not a revision.
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

    /// The revision that a question for `at` means: 0 or less is the newest.
    ///
    /// # Errors
    /// When it is compacted or in the future.
    pub fn asked(self, at: i64) -> Result<i64, Refused> {
        match at {
            at if at > self.revision => Err(Refused::Future(self.revision)),
            at if at <= 0 => Ok(self.revision),
            at if at < self.compacted => Err(Refused::Compacted(self.compacted)),
            at => Ok(at),
        }
    }
}

/// What happens to a database between the file that is read and the store that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct After {
    /// The row that a restore with a bump adds behind all others; it marks all up to it as compacted.
    pub bump: Option<Revision>,
    /// The revision up to which the store was compacted meanwhile; below the file's own it counts for nothing.
    pub compacted: i64,
}

/// HashKV of a database up to revision `at` (0 or less: the newest).
///
/// A row up to the compact revision counts only where its key is alive at `at` with that row: that
/// is what etcd's `keep` comes to, which it works out from generations.
///
/// # Errors
/// See [`Refused`].
pub fn hash_kv<R: ReadAt>(view: &View<R>, at: i64, watch: &mut ProgressFn<'_>) -> Result<HashKv, Refused> {
    hash_kv_after(view, at, After::default(), watch)
}

/// HashKV up to revision `at` of the store that becomes of this database.
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
            // both ascend, so one look at the next kept row is enough
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

/// The rows up to a revision, with that of the bump behind them.
struct Rows<'a, R: ReadAt> {
    view: &'a View<R>,
    bucket: &'a Bucket,
    bump: Option<Revision>,
    at: i64,
}

/// Takes a row: its key decoded, and as it is; its value.
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

    /// The rows with which keys are alive at the end, of those up to revision `until`.
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

/// The rows up to the compact revision whose keys are alive at the end with them, ascending; `None`
/// where every row counts: nothing was compacted, or no key at all is alive at the end (etcd drops
/// nothing where it keeps nothing).
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
    Refused::Damaged(format!("bucket key: row {} does not decode", row.escape_ascii()))
}

/// Tells the watcher how far a walk has come.
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
    /// etcdutl's one line: hash, revision, compact revision.
    pub fn simple(&self) -> String {
        format!("{}, {}, {}\n", self.hash, self.revision, self.compacted)
    }

    /// etcdutl's JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// etcdutl's `"Name" : value` lines.
    pub fn fields(&self) -> String {
        format!(
            "\"Hash\" : {}\n\"Hash revision\" : {}\n\"Compact revision\" : {}\n",
            self.hash, self.revision, self.compacted
        )
    }

    /// etcdutl's table.
    pub fn table(&self) -> String {
        let row = [self.hash.to_string(), self.revision.to_string(), self.compacted.to_string()];
        crate::text::table::table(&["HASH", "HASH REVISION", "COMPACT REVISION"], &[row.to_vec()])
    }
}
