//! The log shared by all simulated members of a cluster: a sequencer instead of raft. Writes are applied by every member in one
//! order, so that all have the same data.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use etcd_client::proto::*;
use tokio::sync::broadcast;

use super::services::range;
use crate::drill::mvcc_store::{Refused, Store, written::Change};

/// The number of events that a slow watch may lag.
const LAG: usize = 1024;

/// One order for all writes.
pub struct Sequencer {
    stores: Vec<Arc<Store>>,
    order: Mutex<()>,
    news: broadcast::Sender<Arc<Vec<PbEvent>>>,
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequencer").field("members", &self.stores.len()).finish_non_exhaustive()
    }
}

impl Sequencer {
    /// Makes a log for the members with these stores.
    pub fn new(stores: Vec<Arc<Store>>) -> Sequencer {
        Sequencer { stores, order: Mutex::default(), news: broadcast::channel(LAG).0 }
    }

    /// Subscribes to all writes from now on.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Vec<PbEvent>>> {
        self.news.subscribe()
    }

    /// Applies a write on every member. Returns the responses of `at`.
    ///
    /// # Errors
    /// If a row that it changes cannot be read.
    pub fn order(&self, at: &Store, op: PbTxnOpRequest) -> Result<Vec<PbTxnOpResponse>, Refused> {
        let _one = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        self.apply(at, &[op])
    }

    /// Applies a transaction: its comparisons select the branch. Returns whether they succeeded, and the responses.
    ///
    /// # Errors
    /// As [`Sequencer::order`].
    pub fn decide(&self, at: &Store, txn: &PbTxnRequest) -> Result<(bool, Vec<PbTxnOpResponse>), Refused> {
        let _one = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let mut holds = true;
        for compare in &txn.compare {
            holds &= held(at, compare)?;
        }
        let branch = if holds { &txn.success } else { &txn.failure };
        let ops: Vec<PbTxnOpRequest> = branch.iter().filter_map(|op| op.request.clone()).collect();
        Ok((holds, self.apply(at, &ops)?))
    }

    fn apply(&self, at: &Store, ops: &[PbTxnOpRequest]) -> Result<Vec<PbTxnOpResponse>, Refused> {
        let mut out = Vec::new();
        let mut changes: Vec<Change> = Vec::new();
        for op in ops {
            out.push(match op {
                PbTxnOpRequest::RequestRange(ask) => PbTxnOpResponse::ResponseRange(range(at, ask)?),
                PbTxnOpRequest::RequestPut(put) => {
                    let before = at.range(&put.key, &[], 0, 1)?.rows.pop();
                    changes.push(Change::Put { key: put.key.clone(), value: put.value.clone(), lease: put.lease });
                    PbTxnOpResponse::ResponsePut(PbPutResponse {
                        header: None,
                        prev_kv: before.filter(|_| put.prev_kv),
                    })
                }
                PbTxnOpRequest::RequestDeleteRange(delete) => {
                    let gone = at.range(&delete.key, &delete.range_end, 0, usize::MAX)?;
                    changes.extend(gone.rows.iter().map(|row| Change::Delete { key: row.key.clone() }));
                    PbTxnOpResponse::ResponseDeleteRange(PbDeleteResponse {
                        header: None,
                        deleted: i64::try_from(gone.count).unwrap_or(i64::MAX),
                        prev_kvs: if delete.prev_kv { gone.rows } else { Vec::new() },
                    })
                }
                PbTxnOpRequest::RequestTxn(_) => {
                    return Err(Refused::Damaged("nested transactions are not supported".into()));
                }
            });
        }
        if changes.is_empty() {
            return Ok(out);
        }
        let mut news = Vec::new();
        for store in &self.stores {
            let events = store.write(&changes)?;
            if std::ptr::eq(store.as_ref(), at) {
                news = events;
            }
        }
        // there may be no watch
        let _ = self.news.send(Arc::new(news));
        Ok(out)
    }
}

/// Returns whether `candidate` is in `key..end`, with etcd's conventions for ranges.
pub fn within(candidate: &[u8], key: &[u8], end: &[u8]) -> bool {
    match end {
        [] => candidate == key,
        [0] => candidate >= key,
        end => candidate >= key && candidate < end,
    }
}

fn held(at: &Store, compare: &PbCompare) -> Result<bool, Refused> {
    let rows = at.range(&compare.key, &compare.range_end, 0, usize::MAX)?.rows;
    // a missing key has version, revisions and lease 0, and no value
    let none = [PbKeyValue::default()];
    let absent = rows.is_empty();
    let rows = if absent { &none[..] } else { &rows };
    Ok(rows.iter().all(|row| {
        let order = match &compare.target_union {
            Some(PbTargetUnion::Version(wanted)) => row.version.cmp(wanted),
            Some(PbTargetUnion::CreateRevision(wanted)) => row.create_revision.cmp(wanted),
            Some(PbTargetUnion::ModRevision(wanted)) => row.mod_revision.cmp(wanted),
            Some(PbTargetUnion::Lease(wanted)) => row.lease.cmp(wanted),
            Some(PbTargetUnion::Value(_)) if absent => return false,
            Some(PbTargetUnion::Value(wanted)) => row.value.cmp(wanted),
            None => return false,
        };
        match compare.result {
            0 => order.is_eq(),
            1 => order.is_gt(),
            2 => order.is_lt(),
            _ => order.is_ne(),
        }
    }))
}
