//! The protocol between two requorum processes over one pipe, and the upload of a snapshot.

pub mod build_note;
pub mod codec;
pub mod protocol;
pub mod snapshot_upload;
