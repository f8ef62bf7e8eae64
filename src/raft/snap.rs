//! `.snap` files: a raft snapshot around the v2 store's JSON, with a checksum.
//!
//! Source: etcd `server/etcdserver/api/snap/snapshotter.go`.

use prost::Message;

use super::message::{RaftSnapshot, SnapFile};

/// The file's name: `%016x-%016x.snap` of term and index.
pub fn file_name(term: u64, index: u64) -> String {
    format!("{term:016x}-{index:016x}.snap")
}

/// The bytes of a `.snap` file.
pub fn encode(snapshot: &RaftSnapshot) -> Vec<u8> {
    let data = snapshot.encode_to_vec();
    SnapFile { crc: Some(crc32c::crc32c(&data)), data: Some(data) }.encode_to_vec()
}

/// Reads a `.snap` file, as strictly as etcd does.
///
/// # Errors
/// Returns a message if it is not a `.snap` file, is empty, or its checksum is wrong.
pub fn decode(bytes: &[u8]) -> Result<RaftSnapshot, String> {
    let file = SnapFile::decode(bytes).map_err(|e| format!("not a .snap file ({e})"))?;
    let data = file.data.unwrap_or_default();
    let stored = file.crc.unwrap_or_default();
    if data.is_empty() || stored == 0 {
        return Err("empty .snap file".into());
    }
    let computed = crc32c::crc32c(&data);
    if stored != computed {
        return Err(format!("checksum mismatch: computed {computed:08x}, stored {stored:08x}"));
    }
    RaftSnapshot::decode(&*data).map_err(|e| format!("invalid raft snapshot ({e})"))
}
