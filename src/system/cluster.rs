//! What is asked of members over the network: their status, hashes and stored rows, a snapshot, and the one write that a
//! verification may make. It owns no file and no decision: an answer is a value, and silence is one too.

use std::path::Path;

use crate::{
    domain::{
        model::{
            observations::{
                Alarm, Answer, FileFacts, Hashed, KnownMember,
                rows::StoredRows,
                started::{Canary, Queried, Watched},
            },
            old_cluster::{Endpoint, ProbeResult},
        },
        quorum::known::OldKey,
    },
    engine::progress::ProgressFn,
    error::Result,
};

/// The members of etcd clusters, as reached from this machine. All calls block until a configured deadline at the latest,
/// whatever a member does, and may be made from several threads at once.
pub trait Cluster: Send + Sync {
    /// Marks these client URLs as named by the operator: user and password are sent to no others, except to servers whose
    /// certificate the given CA verifies.
    fn trust_endpoints(&self, endpoints: &[String]);

    /// Returns everything that one member answers without quorum and, where it names a leader, the result of one
    /// linearizable read.
    fn member_status(&self, endpoint: &str) -> Answer;

    /// Returns whether `member`, which is silent at its client URL `endpoint`, is alive at the peer URLs that its cluster
    /// lists.
    fn peer_status(&self, endpoint: &str, member: &KnownMember) -> Answer;

    /// Returns a member's HashKV up to `revision`; 0 means its newest, which the answer names. The member reads its whole
    /// store for it, which takes longer than a status.
    fn hash_kv(&self, endpoint: &str, revision: i64) -> Hashed;

    /// Returns keys that a member wrote last at or before `revision`, from its own store, some of them with their values;
    /// where there are many, a part of them.
    ///
    /// # Errors
    /// Why there is no answer, in a few words.
    fn old_keys(&self, endpoint: &str, revision: i64) -> std::result::Result<Vec<OldKey>, String>;

    /// Returns the alarms that a member lists; that takes a quorum.
    fn alarms(&self, endpoint: &str) -> Queried<Vec<Alarm>>;

    /// Returns what a member stores besides keys, read from that member alone, and the offset of its clock. Its database
    /// is streamed if it is at most `most` bytes long; otherwise only single calls are made.
    ///
    /// # Errors
    /// Why nothing could be read, in a few words.
    fn stored_rows(
        &self,
        endpoint: &str,
        most: u64,
        watch: &mut ProgressFn<'_>,
    ) -> std::result::Result<StoredRows, String>;

    /// Opens a watch at `revision` and returns how the member answers it.
    fn watch_from(&self, endpoint: &str, revision: i64) -> Watched;

    /// Puts `key` through the first of `endpoints`, reads it through each, and deletes it through the last: the only write
    /// to a cluster, made only when the operator asks for it.
    fn write_canary(&self, endpoints: &[String], key: &str, value: &str) -> Canary;

    /// Probes all these endpoints at once for anything that still answers; returns the results in the same order.
    fn probe_endpoints(&self, endpoints: &[Endpoint]) -> Vec<ProbeResult>;

    /// Saves a snapshot from a member to the new file `into`, by way of `into.part`, and verifies it.
    ///
    /// # Errors
    /// When the member does not answer, the hash is wrong, or the file cannot be written; no part of it remains.
    fn save_snapshot(&self, endpoint: &str, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts>;

    /// Returns true if the members are simulated, so that their answers prove nothing.
    fn is_simulated(&self) -> bool {
        false
    }
}
