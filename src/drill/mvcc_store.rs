//! The store of a simulated member: a data directory, read-only. An index of revisions is in memory, the rows stay in the file.
//! Later writes are kept in memory, too ([`written`]).
//!
//! The semantics are etcd's: `server/storage/mvcc` for ranges at a revision and for HashKV.

#[cfg(test)]
mod tests;
pub mod written;

use std::{
    collections::BTreeMap,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use etcd_client::proto::{PbEvent, PbKeyValue};
use prost::Message;

use self::written::Written;
use crate::{
    bbolt::{self, Bucket, Meta, ReadAt, View},
    engine::{
        progress::Flow,
        scan::hashkv::{self, HashKv},
        source::{Body, Source},
    },
    error::{Error, ErrorKind, Result},
    etcd::{
        membership::{Id, Member},
        proto::{AlarmMember, KeyValueRef, Lease},
        revision::{Revision, RevisionKey},
        schema,
    },
    raft::wal,
    text::Shown,
};

/// A member's identity and the end of its log, from the WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// The cluster's ID.
    pub cluster: Id,
    /// The member's own ID.
    pub member: Id,
    /// The raft term.
    pub raft_term: u64,
    /// The committed raft index.
    pub raft_index: u64,
}

/// One change of a key.
#[derive(Debug, Clone, Copy)]
struct Change {
    at: Revision,
    tombstone: bool,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The revision is compacted.
    Compacted,
    /// The revision is in the future.
    Future,
    /// The file could not be read; the text names the place.
    Damaged(String),
}

impl From<bbolt::Error> for Refused {
    fn from(error: bbolt::Error) -> Self {
        Refused::Damaged(error.to_string())
    }
}

/// The keys of a range at one revision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The number of keys, whatever the limit.
    pub count: usize,
    /// The rows, sorted by key, up to the limit.
    pub rows: Vec<PbKeyValue>,
}

/// A member's database with its identity.
pub struct Store {
    view: View<Body>,
    key: Option<Bucket>,
    /// Where each key changed in the file.
    index: BTreeMap<Box<[u8]>, Vec<Change>>,
    /// Writes after the file.
    written: RwLock<Written>,
    db: PathBuf,
    db_bytes: u64,
    identity: Identity,
    revision: i64,
    compacted: i64,
    consistent_index: u64,
    storage_version: String,
    members: Vec<Member>,
    leases: Vec<Lease>,
    alarms: Vec<AlarmMember>,
}

impl Store {
    /// Opens a data directory, with the identity from its WAL; `wal_dir` is the WAL directory, if separate.
    ///
    /// # Errors
    /// If the database or the WAL is missing or damaged; the error names the file.
    pub fn open(data_dir: &Path, wal_dir: Option<&Path>) -> Result<Store> {
        let inside = data_dir.join("member/wal");
        let log = wal::read(wal_dir.unwrap_or(&inside)).map_err(|e| {
            Error::new(ErrorKind::Input, format!("{}: failed to read the WAL", data_dir.shown())).why(e)
        })?;
        let identity = Identity {
            cluster: Id(log.cluster_id),
            member: Id(log.node_id),
            raft_term: log.hard_state.term.unwrap_or_default(),
            raft_index: log.hard_state.commit.unwrap_or_default(),
        };
        Store::from_file(&data_dir.join("member/snap/db"), identity)
    }

    /// Opens a database file or a snapshot, for a member with that identity.
    ///
    /// # Errors
    /// If it is not a database or is damaged; the error names the file and the place.
    pub fn from_file(db: &Path, identity: Identity) -> Result<Store> {
        let source = Source::open(db)?;
        let view = source.view()?;
        let damaged = |refused| {
            let error = Error::new(ErrorKind::Input, format!("{}: damaged database", db.shown()));
            match refused {
                Refused::Damaged(why) => error.why(why),
                _ => error,
            }
        };
        let mut store = Store {
            key: view.bucket(schema::KEY).map_err(|e| damaged(e.into()))?,
            view,
            index: BTreeMap::new(),
            written: RwLock::default(),
            db: db.to_owned(),
            db_bytes: source.body_bytes(),
            identity,
            revision: 1,
            compacted: -1,
            consistent_index: 0,
            storage_version: String::new(),
            members: Vec::new(),
            leases: Vec::new(),
            alarms: Vec::new(),
        };
        store.load().map_err(damaged)?;
        Ok(store)
    }

    fn load(&mut self) -> std::result::Result<(), Refused> {
        let bad = |bucket: &str| Refused::Damaged(format!("bucket {bucket}: invalid row"));
        for (name, bucket) in self.view.buckets()? {
            let mut rows = self.view.cursor(&bucket);
            while let Some(row) = rows.next()? {
                match name.as_slice() {
                    schema::KEY => {
                        let at = RevisionKey::parse(row.key).ok_or_else(|| bad("key"))?;
                        let kv = KeyValueRef::parse(row.value).ok_or_else(|| bad("key"))?;
                        let change = Change { at: at.revision, tombstone: at.tombstone };
                        self.revision = self.revision.max(at.revision.main);
                        match self.index.get_mut(kv.key) {
                            Some(changes) => changes.push(change),
                            None => {
                                self.index.insert(kv.key.into(), vec![change]);
                            }
                        }
                    }
                    schema::META => match row.key {
                        schema::FINISHED_COMPACT | schema::SCHEDULED_COMPACT => {
                            let at = RevisionKey::parse(row.value).ok_or_else(|| bad("meta"))?.revision.main;
                            self.compacted = self.compacted.max(at);
                            self.revision = self.revision.max(at);
                        }
                        schema::CONSISTENT_INDEX => {
                            let bytes = row.value.try_into().map_err(|_| bad("meta"))?;
                            self.consistent_index = u64::from_be_bytes(bytes);
                        }
                        schema::STORAGE_VERSION => {
                            self.storage_version = String::from_utf8_lossy(row.value).into_owned();
                        }
                        _ => {}
                    },
                    schema::MEMBERS => self.members.push(Member::from_json(row.value).map_err(Refused::Damaged)?),
                    schema::LEASE => self.leases.push(Lease::decode(row.value).map_err(|_| bad("lease"))?),
                    schema::ALARM => self.alarms.push(AlarmMember::decode(row.key).map_err(|_| bad("alarm"))?),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Returns the identity.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    fn later(&self) -> RwLockReadGuard<'_, Written> {
        self.written.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the newest revision.
    pub fn revision(&self) -> i64 {
        self.later().last().unwrap_or(self.revision)
    }

    /// Returns the number of writes after the file.
    pub fn written(&self) -> u64 {
        self.later().count()
    }

    /// Returns the compact revision, -1 for none.
    pub fn compacted(&self) -> i64 {
        self.compacted
    }

    /// Returns the consistent index.
    pub fn consistent_index(&self) -> u64 {
        self.consistent_index
    }

    /// Returns the storage version: `3.6.0` from 3.6 on, empty before.
    pub fn storage_version(&self) -> &str {
        &self.storage_version
    }

    /// Returns the members of the `members` bucket.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the leases.
    pub fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// Returns the alarms.
    pub fn alarms(&self) -> &[AlarmMember] {
        &self.alarms
    }

    /// Returns the size of the database file in bytes, without a checksum.
    pub fn db_bytes(&self) -> u64 {
        self.db_bytes
    }

    /// Returns the size of the used pages in bytes.
    pub fn used_bytes(&self) -> u64 {
        self.view.used_bytes()
    }

    /// Returns the keys from `key` to `end` (empty: only `key`; one zero byte: all from `key` on) at revision `at` (0 or less:
    /// the newest), and at most `most` of their rows.
    ///
    /// # Errors
    /// If the revision is compacted or in the future, or a row cannot be read.
    pub fn range(&self, key: &[u8], end: &[u8], at: i64, most: usize) -> std::result::Result<Found, Refused> {
        let at = self.revision_asked(at)?;
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = match end {
            [] => (Bound::Included(key), Bound::Included(key)),
            [0] => (Bound::Included(key), Bound::Unbounded),
            // BTreeMap panics on such bounds
            end if end <= key => return Ok(Found::default()),
            end => (Bound::Included(key), Bound::Excluded(end)),
        };
        let later = self.later();
        let mut rows: BTreeMap<&[u8], Option<Change>> = BTreeMap::new();
        for (key, changes) in self.index.range::<[u8], _>(bounds) {
            rows.insert(key, changes.iter().rev().find(|change| change.at.main <= at).copied());
        }
        for (key, change) in later.changes(bounds, at) {
            rows.insert(key, Some(change));
        }
        let mut found = Found::default();
        for change in rows.into_values().flatten().filter(|change| !change.tombstone) {
            found.count += 1;
            if found.rows.len() < most {
                found.rows.push(match later.row(change.at) {
                    Some(row) => row.clone(),
                    None => self.row(change.at)?,
                });
            }
        }
        Ok(found)
    }

    fn revision_asked(&self, at: i64) -> std::result::Result<i64, Refused> {
        match at {
            at if at > self.revision() => Err(Refused::Future),
            at if at <= 0 => Ok(self.revision()),
            at if at < self.compacted => Err(Refused::Compacted),
            at => Ok(at),
        }
    }

    fn row(&self, at: Revision) -> std::result::Result<PbKeyValue, Refused> {
        let gone = || Refused::Damaged(format!("failed to read the row of revision {}.{}", at.main, at.sub));
        let bucket = self.key.as_ref().ok_or_else(gone)?;
        let value = self.view.get(bucket, &at.to_bytes())?.ok_or_else(gone)?;
        PbKeyValue::decode(value.as_slice()).map_err(|_| gone())
    }

    /// Returns etcd's HashKV up to revision `at` (0 or less: the newest).
    ///
    /// # Errors
    /// As [`Store::range`].
    pub fn hash_kv(&self, at: i64) -> std::result::Result<HashKv, Refused> {
        let at = self.revision_asked(at)?;
        let of_file = self.hash_of_file(at.min(self.revision))?;
        // later rows are hashed after those of the file
        Ok(HashKv { hash: self.later().hash(of_file.hash, at), revision: at, ..of_file })
    }

    fn hash_of_file(&self, at: i64) -> std::result::Result<HashKv, Refused> {
        hashkv::hash_kv(&self.view, at, &mut |_| Flow::Go).map_err(|refused| match refused {
            hashkv::Refused::Compacted(_) => Refused::Compacted,
            hashkv::Refused::Future(_) => Refused::Future,
            hashkv::Refused::Damaged(why) => Refused::Damaged(why),
            hashkv::Refused::Stopped(error) => Refused::Damaged(error.to_string()),
        })
    }

    /// Writes these changes at the next revision. Returns the events that a watch receives.
    ///
    /// # Errors
    /// If a row that they change cannot be read.
    pub fn write(&self, changes: &[written::Change]) -> std::result::Result<Vec<PbEvent>, Refused> {
        let main = self.revision() + 1;
        let mut rows = Vec::new();
        for change in changes {
            let before = self.range(change.key(), &[], 0, 1)?.rows.pop();
            rows.push((change.clone(), before));
        }
        Ok(self.written.write().unwrap_or_else(PoisonError::into_inner).add(main, rows))
    }

    /// Returns the size of a snapshot in bytes, without the checksum.
    pub fn copy_bytes(&self) -> u64 {
        self.view.used_bytes()
    }

    /// Returns the first two pages of a snapshot, as bbolt's `Tx.WriteTo` writes them: both meta pages are the same, the second
    /// with the transaction ID before. All pages after them are as in the file.
    pub fn copy_head(&self) -> Vec<u8> {
        let meta = *self.view.meta();
        let mut head = meta.encode(0);
        head.extend(Meta { txid: meta.txid.saturating_sub(1), ..meta }.encode(1));
        head
    }

    /// Fills `into` with the file's bytes at `offset`.
    ///
    /// # Errors
    /// If the file cannot be read; the error names it.
    pub fn copy_tail(&self, into: &mut [u8], offset: u64) -> std::result::Result<(), String> {
        self.view
            .source()
            .read_exact_at(into, offset)
            .map_err(|e| format!("{}: failed to read {} bytes at offset {offset}: {e}", self.db.shown(), into.len()))
    }
}
