//! Leases. A lease ends by an entry in the log, never by a clock.
//!
//! Source: etcd `server/lease/lessor.go`.

use std::collections::BTreeMap;

use prost::Message;

use super::super::{
    key_index::RowRef,
    store::{Base, Store, StoreError, VisitRow},
};
use super::{ApplyError, Doubt, Outcome, Refusal, State};
use crate::{
    bbolt,
    etcd::{proto, raft_request::request::LeaseCheckpoints, schema, version::Minor},
};

/// The longest TTL, in seconds.
const MAX_TTL: i64 = 9_000_000_000;

/// A lease.
#[derive(Debug, Clone, Default)]
struct Lease {
    ttl: i64,
    remaining: i64,
    /// The rows that named it. Those of keys that were changed since are in it until they are many.
    rows: Vec<RowRef>,
    /// How many rows it had when the outdated ones were last removed.
    kept: usize,
}

/// All leases, by ID in the order of their rows.
#[derive(Debug, Clone, Default)]
pub struct Leases(BTreeMap<u64, Lease>);

impl Leases {
    /// Reads the leases of a database, and attaches the keys of its store.
    ///
    /// # Errors
    /// If a page cannot be read, or a row is not a lease.
    pub fn read(base: &Base, store: &Store, least_ttl: i64) -> Result<Leases, StoreError> {
        let mut leases = Leases::default();
        if let Some(bucket) = base.bucket(schema::LEASE)? {
            let mut rows = base.cursor(&bucket);
            while let Some(row) = rows.next()? {
                let lease = proto::Lease::decode(row.value).map_err(|_| StoreError::Lease)?;
                let own = Lease { ttl: lease.ttl.max(least_ttl), remaining: lease.remaining_ttl, ..Lease::default() };
                leases.0.insert(lease.id.cast_unsigned(), own);
            }
        }
        store.each(b"", &[0], &mut |_, live| {
            leases.attach(live.lease, live.row);
            Ok(true)
        })?;
        Ok(leases)
    }

    /// Returns whether there is such a lease.
    pub fn exists(&self, id: i64) -> bool {
        self.0.contains_key(&id.cast_unsigned())
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns whether a lease has a remaining TTL, which shows that they are stored.
    pub fn any_checkpoint(&self) -> bool {
        self.0.values().any(|lease| lease.remaining != 0)
    }

    /// Attaches the key of a row.
    fn attach(&mut self, id: i64, row: RowRef) {
        if id != 0
            && let Some(lease) = self.0.get_mut(&id.cast_unsigned())
        {
            lease.rows.push(row);
        }
    }

    /// Visits the rows of bucket `lease` in their order.
    ///
    /// # Errors
    /// Those of `visit`.
    pub fn each_row(&self, visit: &mut VisitRow<'_, bbolt::Error>) -> Result<(), bbolt::Error> {
        for (id, lease) in &self.0 {
            let row = proto::Lease { id: id.cast_signed(), ttl: lease.ttl, remaining_ttl: lease.remaining };
            visit(&id.to_be_bytes(), &row.encode_to_vec())?;
        }
        Ok(())
    }
}

impl State {
    /// Attaches a key to a lease after its row was put.
    pub(super) fn attach(&mut self, id: i64, row: RowRef) -> Result<(), StoreError> {
        self.leases.attach(id, row);
        let Some(lease) = self.leases.0.get(&id.cast_unsigned()) else { return Ok(()) };
        if lease.rows.len() < lease.kept.saturating_mul(2).saturating_add(256) {
            return Ok(());
        }
        let rows = self.current_rows(id)?.into_values().collect::<Vec<_>>();
        if let Some(lease) = self.leases.0.get_mut(&id.cast_unsigned()) {
            (lease.kept, lease.rows) = (rows.len(), rows);
        }
        Ok(())
    }

    /// The keys that are attached to a lease, in order, each with its row.
    fn current_rows(&self, id: i64) -> Result<BTreeMap<Vec<u8>, RowRef>, StoreError> {
        let mut keys = BTreeMap::new();
        let Some(lease) = self.leases.0.get(&id.cast_unsigned()) else { return Ok(keys) };
        for row in &lease.rows {
            let key = self.store.read(*row)?.key;
            if self.store.get(&key).is_some_and(|live| live.row == *row && live.lease == id) {
                keys.insert(key, *row);
            }
        }
        Ok(keys)
    }

    /// The keys that are attached to a lease, in order.
    pub(super) fn lease_keys(&self, id: i64) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.current_rows(id)?.into_keys().collect())
    }

    pub(super) fn grant(&mut self, id: i64, ttl: i64) -> Outcome {
        if id == 0 {
            return Outcome::Refused(Refusal::LeaseNotFound);
        }
        if ttl > MAX_TTL {
            return Outcome::Refused(Refusal::LeaseTtl);
        }
        if self.leases.exists(id) {
            return Outcome::Refused(Refusal::LeaseExists);
        }
        if ttl < self.rules.least_ttl {
            self.doubt(Doubt::LeastTtl);
        }
        let lease = Lease { ttl: ttl.max(self.rules.least_ttl), ..Lease::default() };
        self.leases.0.insert(id.cast_unsigned(), lease);
        Outcome::Changed
    }

    /// Ends a lease: its keys are deleted in one revision.
    pub(super) fn revoke(&mut self, id: i64) -> Result<Outcome, ApplyError> {
        if !self.leases.exists(id) {
            return Ok(Outcome::Refused(Refusal::LeaseNotFound));
        }
        for key in self.lease_keys(id)? {
            self.store.delete(&key, b"")?;
        }
        self.store.end();
        self.leases.0.remove(&id.cast_unsigned());
        Ok(Outcome::Changed)
    }

    pub(super) fn checkpoint(&mut self, request: &LeaseCheckpoints) -> Outcome {
        // The cluster version decides at each entry: an upgrade may be in the log.
        let version = self.buckets.get(schema::CLUSTER, schema::CLUSTER_VERSION);
        let version = version.and_then(|row| std::str::from_utf8(row).ok()?.parse::<Minor>().ok());
        if !self.rules.persist_checkpoints && version.is_none_or(|version| version < Minor::V3_6) {
            self.doubt(Doubt::Checkpoints);
            return Outcome::Unchanged;
        }
        for checkpoint in &request.checkpoints {
            if let Some(lease) = self.leases.0.get_mut(&checkpoint.id.cast_unsigned()) {
                lease.remaining = checkpoint.remaining_ttl;
            }
        }
        Outcome::Changed
    }
}
