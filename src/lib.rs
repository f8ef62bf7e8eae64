//! requorum restores an etcd cluster that has lost quorum.
//!
//! The rooms, from the ground up; a room uses those above it in this list and none below (`assets/guide/architecture.md`, or
//! `requorum guide architecture`):
//!
//! - [`text`], [`error`]: escaping of untrusted text, formatting of values, the error value.
//! - [`yaml`]: bounded reading of YAML from other sources.
//! - [`bbolt`], [`raft`], [`etcd`]: the file formats.
//! - [`domain`]: pure decisions from observations; [`domain::model::plan::Plan`] is the value they all share.
//! - [`engine`]: work on one machine's files.
//! - [`agent`]: the protocol between two requorum processes.
//! - [`system`]: the only access to the outside.
//! - [`execute`]: carries a plan out.
//! - [`tui`], [`drill`], [`cli`]: the wizard, practice, the command line.
//!
//! Meant for use by other programs: [`bbolt`], [`raft`], [`etcd`], [`engine::source`], [`engine::restore`]; the rest is
//! public for the tests and may change at any time.
//!
//! # Examples
//!
//! Status of a snapshot, as `etcdutl snapshot status` prints it:
//!
//! ```
//! use requorum::engine::{progress::Flow, scan::status::status};
//!
//! let path = std::path::Path::new("tests/fixtures/snapshots/s35.db");
//! let status = status(path, &mut |_| Flow::Go)?;
//! assert_eq!(status.simple().trim_end(), "94a13e62, 8, 4, 20 kB,");
//! # Ok::<(), requorum::error::Error>(())
//! ```

pub mod agent;
pub mod bbolt;
pub mod cli;
pub mod domain;
pub mod drill;
pub mod engine;
pub mod error;
pub mod etcd;
pub mod execute;
pub mod raft;
pub mod system;
pub mod text;
pub mod tui;
pub mod yaml;
