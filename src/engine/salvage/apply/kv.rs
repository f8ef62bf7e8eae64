//! Put, delete and transactions.
//!
//! Source: etcd `server/etcdserver/txn/{txn,put,delete,range}.go`.

use std::cmp::Ordering;

use super::super::{
    key_index::Live,
    store::{Store, StoreError},
};
use super::{ApplyError, Doubt, Outcome, Refusal, State};
use crate::etcd::{
    raft_request::request::{Compare, DeleteRange, Op, OpRequest, Operand, Put, Txn},
    version::Minor,
};

/// Which branch a transaction takes, and those of the transactions in that branch, in order. All of it is decided before any
/// of them changes anything.
#[derive(Debug)]
struct Path {
    holds: bool,
    nested: Vec<Path>,
}

impl State {
    pub(super) fn put(&mut self, put: &Put) -> Result<Outcome, ApplyError> {
        if let Some(refusal) = self.refuse_put(put) {
            return Ok(Outcome::Refused(refusal));
        }
        self.execute_put(put)?;
        self.store.end();
        Ok(Outcome::Changed)
    }

    pub(super) fn delete_range(&mut self, delete: &DeleteRange) -> Result<Outcome, ApplyError> {
        self.store.delete(&delete.key, &delete.range_end)?;
        Ok(if self.store.end() { Outcome::Changed } else { Outcome::Unchanged })
    }

    pub(super) fn txn(&mut self, mut txn: Txn) -> Result<Outcome, ApplyError> {
        // Reads change nothing of which branch is taken.
        let path = decide(&self.store, &txn)?;
        let with_reads = self.refuse_txn(&txn, &path);
        if self.rules.minor < Minor::V3_7 {
            drop_ranges(&mut txn);
        }
        let refusal = self.refuse_txn(&txn, &path);
        if with_reads.is_some() && refusal.is_none() && !(txn.success.is_empty() && txn.failure.is_empty()) {
            self.doubt(Doubt::Reads);
        }
        if let Some(refusal) = refusal {
            return Ok(Outcome::Refused(refusal));
        }
        self.execute(&txn, &path)?;
        Ok(if self.store.end() { Outcome::Changed } else { Outcome::Unchanged })
    }

    fn refuse_put(&self, put: &Put) -> Option<Refusal> {
        if put.lease != 0 && !self.leases.exists(put.lease) {
            return Some(Refusal::LeaseNotFound);
        }
        let needs_row = put.ignore_value || put.ignore_lease;
        (needs_row && self.store.get(&put.key).is_none()).then_some(Refusal::KeyNotFound)
    }

    /// Checks the branch that is taken against the store as it is before the transaction.
    fn refuse_txn(&self, txn: &Txn, path: &Path) -> Option<Refusal> {
        let mut nested = path.nested.iter();
        branch(txn, path.holds).iter().find_map(|op| match &op.request {
            Some(OpRequest::Range(range)) => match range.revision {
                0 => None,
                at if at > self.store.revision() => Some(Refusal::FutureRevision),
                // The first revision that can be read is the one after the compacted.
                at if at < self.store.compacted() => Some(Refusal::Compacted),
                _ => None,
            },
            Some(OpRequest::Put(put)) => self.refuse_put(put),
            Some(OpRequest::Txn(inner)) => nested.next().and_then(|path| self.refuse_txn(inner, path)),
            Some(OpRequest::DeleteRange(_)) | None => None,
        })
    }

    fn execute(&mut self, txn: &Txn, path: &Path) -> Result<(), ApplyError> {
        let mut nested = path.nested.iter();
        for op in branch(txn, path.holds) {
            match &op.request {
                Some(OpRequest::Put(put)) => self.execute_put(put)?,
                Some(OpRequest::DeleteRange(delete)) => {
                    self.store.delete(&delete.key, &delete.range_end)?;
                }
                Some(OpRequest::Txn(inner)) => {
                    if let Some(path) = nested.next() {
                        self.execute(inner, path)?;
                    }
                }
                Some(OpRequest::Range(_)) | None => {}
            }
        }
        Ok(())
    }

    fn execute_put(&mut self, put: &Put) -> Result<(), ApplyError> {
        let before = self.store.get(&put.key);
        let (mut value, mut lease) = (None, put.lease);
        if put.ignore_value || put.ignore_lease {
            // It was there before the transaction. etcd refuses such transactions before they are proposed.
            let why = "a transaction deletes a key and then keeps its value or lease: etcd panics";
            let live = before.ok_or_else(|| ApplyError::Entry(why.into()))?;
            if put.ignore_value {
                value = Some(self.store.read(live.row)?.value);
            }
            if put.ignore_lease {
                lease = live.lease;
            }
        }
        let row = self.store.put(&put.key, value.unwrap_or_else(|| put.value.clone()), lease)?;
        self.attach(lease, row)?;
        Ok(())
    }
}

/// The operations of a branch.
fn branch(txn: &Txn, holds: bool) -> &[Op] {
    if holds { &txn.success } else { &txn.failure }
}

/// Drops the reads of both branches, but not those of transactions in them: up to 3.6 a server without a waiting client does
/// that before it checks the revisions of the reads.
pub(super) fn drop_ranges(txn: &mut Txn) {
    for ops in [&mut txn.success, &mut txn.failure] {
        ops.retain(|op| !matches!(op.request, Some(OpRequest::Range(_))));
    }
}

fn decide(store: &Store, txn: &Txn) -> Result<Path, StoreError> {
    let mut holds = true;
    for compare in &txn.compare {
        if !condition(store, compare)? {
            holds = false;
            break;
        }
    }
    let mut nested = Vec::new();
    for op in branch(txn, holds) {
        if let Some(OpRequest::Txn(inner)) = &op.request {
            nested.push(decide(store, inner)?);
        }
    }
    Ok(Path { holds, nested })
}

/// The targets of a comparison.
const CREATE: i32 = 1;
const MOD: i32 = 2;
const VALUE: i32 = 3;
const LEASE: i32 = 4;
const VERSION: i32 = 0;

fn condition(store: &Store, compare: &Compare) -> Result<bool, StoreError> {
    let (mut any, mut all) = (false, true);
    store.each(&compare.key, &compare.range_end, &mut |_, live| {
        any = true;
        all = holds(store, compare, live)?;
        Ok(all)
    })?;
    if any {
        return Ok(all);
    }
    // The value of a key that does not exist equals and differs from nothing.
    if compare.target == VALUE {
        return Ok(false);
    }
    holds(store, compare, Live::default())
}

fn holds(store: &Store, compare: &Compare, live: Live) -> Result<bool, StoreError> {
    let operand = |wanted: Option<i64>| wanted.unwrap_or(0);
    let order = match (compare.target, &compare.operand) {
        (VALUE, operand) => {
            let wanted: &[u8] = match operand {
                Some(Operand::Value(value)) => value,
                _ => b"",
            };
            store.read(live.row)?.value.as_slice().cmp(wanted)
        }
        (VERSION, wanted) => live.version.cmp(&operand(match wanted {
            Some(Operand::Version(n)) => Some(*n),
            _ => None,
        })),
        (CREATE, wanted) => live.create.cmp(&operand(match wanted {
            Some(Operand::Create(n)) => Some(*n),
            _ => None,
        })),
        (MOD, wanted) => live.row.main.cmp(&operand(match wanted {
            Some(Operand::Mod(n)) => Some(*n),
            _ => None,
        })),
        (LEASE, wanted) => live.lease.cmp(&operand(match wanted {
            Some(Operand::Lease(n)) => Some(*n),
            _ => None,
        })),
        _ => Ordering::Equal,
    };
    Ok(match compare.result {
        0 => order == Ordering::Equal,
        1 => order == Ordering::Greater,
        2 => order == Ordering::Less,
        3 => order != Ordering::Equal,
        _ => true,
    })
}
