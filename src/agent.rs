//! Two requorums at the ends of one pipe: what they say to each other, and how a snapshot is uploaded.

pub mod codec;
pub mod protocol;
pub mod snapshot_upload;
