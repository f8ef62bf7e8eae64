//! A snapshot of a simulated member, as `Maintenance.Snapshot` streams it.

use std::sync::Arc;

use etcd_client::proto::PbSnapshotResponse;
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::drill::mvcc_store::Store;

/// The size of a message's blob in bytes, as in etcd.
const BLOB: u64 = 32 * 1024;

/// The messages of a snapshot's stream, read from the file on demand: the two meta pages, the rest unchanged, and the SHA-256
/// of all of it.
pub(in crate::drill::simulated_member) struct Copy {
    store: Arc<Store>,
    head: Vec<u8>,
    sent: u64,
    hash: Option<Sha256>,
}

impl Copy {
    /// Makes a snapshot of a store.
    pub fn new(store: Arc<Store>) -> Self {
        let head = store.copy_head();
        Copy { store, head, sent: 0, hash: Some(Sha256::new()) }
    }

    fn message(&self, blob: Vec<u8>, remaining_bytes: u64) -> PbSnapshotResponse {
        let version = self.store.storage_version().to_owned();
        PbSnapshotResponse { header: None, remaining_bytes, blob, version }
    }

    fn blob(&mut self, length: u64) -> Result<Vec<u8>, String> {
        let from = usize::try_from(self.sent).map_err(|e| e.to_string())?;
        let length = usize::try_from(length).map_err(|e| e.to_string())?;
        let head = self.head.get(from..).unwrap_or_default();
        let mut blob: Vec<u8> = head.iter().copied().take(length).collect();
        let (begun, offset) = (blob.len(), self.sent + blob.len() as u64);
        blob.resize(length, 0);
        self.store.copy_tail(blob.get_mut(begun..).unwrap_or_default(), offset)?;
        Ok(blob)
    }
}

impl Iterator for Copy {
    type Item = Result<PbSnapshotResponse, Status>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.store.copy_bytes().saturating_sub(self.sent);
        if left == 0 {
            // taken, so that the stream ends after the checksum
            let hash = self.hash.take()?;
            return Some(Ok(self.message(hash.finalize().to_vec(), 0)));
        }
        let length = left.min(BLOB);
        match self.blob(length) {
            Ok(blob) => {
                if let Some(hash) = &mut self.hash {
                    hash.update(&blob);
                }
                self.sent += length;
                Some(Ok(self.message(blob, left - length)))
            }
            Err(why) => {
                self.hash = None;
                self.sent = self.store.copy_bytes();
                Some(Err(Status::data_loss(why)))
            }
        }
    }
}
