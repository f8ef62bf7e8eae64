//! etcd's raft files: WAL segments and `.snap` files, written and read. Nothing about keys.
//!
//! Sources: etcd `server/storage/wal` (encoder.go, decoder.go, wal.go), `server/etcdserver/api/snap`
//! and `raftpb`, 3.4 to 3.7; drawn in `assets/guide/formats/wal.md` and `assets/guide/formats/snap.md`.
//!
//! ```
//! use requorum::raft::{message::Entry, message::Metadata, record::{Encoder, RecordKind}, wal};
//!
//! let mut log = Encoder::begin();
//! log.record(RecordKind::Metadata, &Metadata { node_id: Some(7), cluster_id: Some(9) });
//! log.record(RecordKind::Entry, &Entry { kind: Some(0), term: Some(1), index: Some(1), data: Some(b"put".to_vec()) });
//! let log = wal::parse(&[&log.into_bytes()])?;
//! assert_eq!((log.node_id, log.cluster_id, log.entries.len()), (7, 9, 1));
//! assert_eq!(wal::file_name(0, 0), "0000000000000000-0000000000000000.wal");
//! # Ok::<(), requorum::raft::Error>(())
//! ```

#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod message;
pub mod record;
pub mod snap;
pub mod wal;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

/// An error of a raft file or WAL directory.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or directory could not be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The bytes do not match the format.
    #[error("{path}, byte {offset}: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The offset in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The directory does not contain a complete log.
    #[error("{path}: {what}")]
    NoLog {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}
