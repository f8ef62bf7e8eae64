//! This machine's files and directories, and objects in a store: found, read, compared and created. It owns what requorum
//! reads and writes outside of members' directories, which [`MemberOps`](super::member_ops::MemberOps) builds and installs.

use std::path::{Path, PathBuf};

use super::journal_record::Record;
use crate::{
    domain::{
        members::certificates,
        model::{
            observations::{
                FileFacts, Hashed, KnownMember,
                disk::DirFacts,
                rows::StoredRows,
                started::{Data, PlannedHash},
            },
            plan::Plan,
            source_ref::ObjectUrl,
        },
        quorum::known::OldKey,
        sources::data_loss::{Difference, History},
    },
    engine::progress::ProgressFn,
    error::Result,
    etcd::membership::Id,
};

/// The files that this machine can read, and those that requorum creates. All calls block, and may be made from several
/// threads at once. No existing file is changed, except that a line is appended to a journal.
pub trait Files: Send + Sync {
    /// Lists the files below `places` that may be snapshots, without reading them. A place is a file, a directory, which is
    /// searched no deeper than a data directory's `member/snap/db`, or `s3://bucket/prefix`, whose objects are listed by
    /// their URLs.
    ///
    /// # Errors
    /// When a place cannot be read; the error names it.
    fn find_snapshots(&self, places: &[PathBuf]) -> Result<Vec<FileFacts>>;

    /// Reads one file through: its hash, its pages, its content. A damaged file is a fact
    /// ([`Health::Broken`](crate::domain::model::observations::Health::Broken)), not an error. An object in a store stays
    /// unread until it is [fetched](Files::fetch_object).
    ///
    /// # Errors
    /// Only `Stopped`, when `watch` says so.
    fn inspect_snapshot(&self, path: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts>;

    /// Returns the members that a snapshot lists, without reading it through.
    ///
    /// # Errors
    /// When the file cannot be read or is not a database.
    fn snapshot_members(&self, snapshot: &Path) -> Result<Vec<KnownMember>>;

    /// Returns the IDs of members that were removed from a snapshot's cluster; none where the file cannot be read.
    fn removed_members(&self, snapshot: &Path) -> Vec<Id>;

    /// Downloads an object to the new file `into`, by way of `into.part`, which a later call continues after a stop or a
    /// lost connection; then reads it through as [`Files::inspect_snapshot`] does.
    ///
    /// # Errors
    /// When the store does not answer or refuses, the object changed, or the file cannot be written.
    fn fetch_object(&self, url: &ObjectUrl, into: &Path, watch: &mut ProgressFn<'_>) -> Result<FileFacts>;

    /// Returns what a member's data directory and, if it is elsewhere, its WAL directory say: whose they are, their last
    /// entry, whether a process holds them. Nothing is written or locked; every defect is a fact.
    fn inspect_data_dir(&self, data_dir: &Path, wal_dir: Option<&Path>) -> DirFacts;

    /// Returns HashKV of a database file up to `revision`, as a member would that was compacted at `compacted`. Reads the
    /// whole file.
    fn hash_database(&self, database: &Path, revision: i64, compacted: i64) -> Hashed;

    /// Returns true if a database file holds all these keys at `revision` as they were written last.
    ///
    /// # Errors
    /// When the file cannot be read, or is compacted past the revision.
    fn has_keys(&self, database: &Path, revision: i64, keys: &[OldKey]) -> Result<bool>;

    /// Returns whether two database files share one history, judged by a few of their rows.
    ///
    /// # Errors
    /// When one of them cannot be read; the error names it.
    fn same_history(&self, first: &Path, second: &Path) -> Result<History>;

    /// Compares two whole database files: returns what the older one lacks, and true if `second` is the newer one.
    ///
    /// # Errors
    /// As for [`Files::same_history`]; `Stopped`, when `watch` says so.
    fn compare_databases(&self, first: &Path, second: &Path, watch: &mut ProgressFn<'_>) -> Result<(Difference, bool)>;

    /// Returns HashKV at the plan's revision as the plan's snapshot yields it, for a store that was compacted at
    /// `compacted`.
    ///
    /// # Errors
    /// When the snapshot is not on this machine, not the plan's, or cannot be hashed at that revision.
    fn planned_hash(&self, plan: &Plan, compacted: i64, watch: &mut ProgressFn<'_>) -> Result<PlannedHash>;

    /// Returns what the plan's snapshot holds besides keys, as the plan's restore writes it.
    ///
    /// # Errors
    /// When the snapshot is not on this machine, not the plan's, or cannot be read.
    fn planned_rows(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<StoredRows>;

    /// Returns what the data of the plan's snapshot causes once they are served again: leases that expire, clients that
    /// come back.
    ///
    /// # Errors
    /// When the snapshot is not on this machine, or not the plan's.
    fn post_restore(&self, plan: &Plan, watch: &mut ProgressFn<'_>) -> Result<Data>;

    /// Reads the certificates at these paths and tries them against each other. Nothing of a key is returned.
    fn read_certificates(&self, named: &[certificates::Named]) -> certificates::CertificateFacts;

    /// Creates a directory for requorum's own files, for this user alone, if it does not exist.
    ///
    /// # Errors
    /// When it cannot be created.
    fn create_dir(&self, dir: &Path) -> Result<()>;

    /// Writes a new file; never over an existing one.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    fn write_new(&self, path: &Path, text: &str) -> Result<()>;

    /// Returns the content of a text file; `None` if there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, or is longer than any file that requorum writes.
    fn read_text(&self, path: &Path) -> Result<Option<String>>;

    /// Returns the journals (`*.journal`) in a directory, each with its verified lines or why they cannot be verified; none
    /// if there is no such directory.
    fn journals(&self, dir: &Path) -> Vec<(PathBuf, Result<Vec<Record>>)>;

    /// Appends a line to a file, which is created if it does not exist. `line` receives the whole content while no other
    /// process writes; the line that it returns is on the disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be read or written, in which case nothing of the line remains; and any error of `line`.
    fn append_line(&self, path: &Path, line: &mut dyn FnMut(&str) -> Result<String>) -> Result<()>;
}
