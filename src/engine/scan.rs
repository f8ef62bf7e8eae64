//! Reading a whole database: its rows, its checksums, whether they are consistent, and what they contain.

pub(crate) mod clients;
pub mod diff;
pub mod examine;
pub mod hashkv;
pub mod key_loss;
pub mod keys;
pub mod kubernetes;
pub mod live_keys;
pub mod mvcc_check;
pub mod orphan_pages;
pub mod outside;
pub mod row_scan;
pub mod same_history;
pub mod snapshot_members;
pub mod status;
pub mod status_formats;
pub mod stored_rows;
pub mod summary;
pub mod walker;
