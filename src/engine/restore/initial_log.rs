//! The log that a new cluster starts with: one WAL segment and one `.snap` file that define its members, as
//! `etcdutl snapshot restore` writes them.
//!
//! The WAL depends only on the member's ID, the table and the token; the `.snap` only on the
//! table and the token. Source: etcd `etcdutl/snapshot/v3_snapshot.go` (`saveWALAndSnap`).

use prost::Message;

use crate::{
    etcd::{
        membership::{Id, Member, cluster_id, member_id},
        v2store::json,
        version::Minor,
    },
    raft::{
        message::{ConfChange, ConfState, Entry, HardState, Metadata, RaftSnapshot, SnapshotMetadata, WalSnapshot},
        record::{Encoder, RecordKind},
        snap,
    },
};

/// The raft term in everything that a restore writes.
pub const TERM: u64 = 1;

/// The members of a new cluster with their IDs, in ascending order of ID: the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitialLog {
    /// The members as written into the log and the `members` bucket.
    pub members: Vec<Member>,
    /// The cluster's ID.
    pub cluster_id: Id,
}

impl InitialLog {
    /// Computes the IDs for a table of names and peer URLs (in the form in which etcd prints them).
    pub fn new<'a>(table: impl IntoIterator<Item = (&'a str, &'a [String])>, token: &str) -> InitialLog {
        let mut members: Vec<Member> = table
            .into_iter()
            .map(|(name, urls)| {
                let mut peer_urls = urls.to_vec();
                peer_urls.sort();
                Member { id: member_id(&peer_urls, token).0, peer_urls, name: name.into(), ..Member::default() }
            })
            .collect();
        members.sort_by_key(|m| m.id);
        let ids: Vec<Id> = members.iter().map(|m| Id(m.id)).collect();
        InitialLog { members, cluster_id: cluster_id(&ids) }
    }

    /// Returns the ID of the member `name`.
    pub fn id_of(&self, name: &str) -> Option<Id> {
        self.members.iter().find(|m| m.name == name).map(|m| Id(m.id))
    }

    /// Returns the raft index of the last entry, which is also the commit index and the consistent index.
    pub fn index(&self) -> u64 {
        self.members.len() as u64
    }

    /// Encodes the records of the WAL segment of member `node`, without the preallocated zeros.
    pub fn wal(&self, node: Id, target: Minor) -> Vec<u8> {
        let mut log = Encoder::begin();
        log.record(RecordKind::Metadata, &Metadata { node_id: Some(node.0), cluster_id: Some(self.cluster_id.0) });
        log.record(RecordKind::Snapshot, &WalSnapshot { index: Some(0), term: Some(0), conf_state: None });
        for (index, member) in (1u64..).zip(&self.members) {
            let change = ConfChange {
                // 3.7 omits zeros in this message, but not the type (it is proto2 there).
                id: zero_before(Minor::V3_7, target),
                kind: Some(0),
                node_id: Some(member.id),
                context: Some(member.to_json().into_bytes()),
            };
            let data = change.encode_to_vec();
            let entry = Entry { kind: Some(1), term: Some(TERM), index: Some(index), data: Some(data) };
            log.record(RecordKind::Entry, &entry);
        }
        let vote = self.members.first().map(|m| m.id);
        log.record(RecordKind::State, &HardState { term: Some(TERM), vote, commit: Some(self.index()) });
        let conf_state = (target >= Minor::V3_5).then(|| self.conf_state(target));
        log.record(RecordKind::Snapshot, &WalSnapshot { index: Some(self.index()), term: Some(TERM), conf_state });
        log.into_bytes()
    }

    /// Returns the name and the bytes of the `.snap` file.
    pub fn snap(&self, target: Minor) -> (String, Vec<u8>) {
        let members: Vec<(Id, Vec<String>)> = self.members.iter().map(|m| (Id(m.id), m.peer_urls.clone())).collect();
        let metadata =
            SnapshotMetadata { conf_state: Some(self.conf_state(target)), index: Some(self.index()), term: Some(TERM) };
        let data = json::genesis_json(&members, target).into_bytes();
        let snapshot = RaftSnapshot { data: Some(data), metadata: Some(metadata) };
        (snap::file_name(TERM, self.index()), snap::encode(&snapshot))
    }

    fn conf_state(&self, target: Minor) -> ConfState {
        let voters = self.members.iter().map(|m| m.id).collect();
        ConfState { voters, auto_leave: zero_before(Minor::V3_7, target).map(|_| false), ..ConfState::default() }
    }
}

/// A zero that is written in full by versions before `version` and left out from it on.
fn zero_before(version: Minor, target: Minor) -> Option<u64> {
    (target < version).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::source::hex;
    use sha2::{Digest, Sha256};

    fn worked() -> InitialLog {
        let urls: Vec<Vec<String>> = (31..34).map(|n| vec![format!("http://127.0.0.{n}:2380")]).collect();
        InitialLog::new(["m1", "m2", "m3"].into_iter().zip(urls.iter().map(Vec::as_slice)), "spec-token")
    }

    /// SHA-256 of what etcdutl of each version wrote for the same table and token.
    #[test]
    fn wal_is_etcdutls_byte_for_byte() {
        let golden = [
            (Minor::V3_4, "m1", 496, "b208db1565794ceedaff99ac785fb1ca28eb2a666e6aae7d11c2c7fbbf5cf89d"),
            (Minor::V3_5, "m1", 536, "54359aab8a00589baabdb183b7134eb5dc39e9250d9a0b037123eabf6b956e1c"),
            (Minor::V3_5, "m2", 536, "d00e332fb024baed74dbd9181a5034d9ceec6dea3380dbae9f4eac6d4e1c67c4"),
            (Minor::V3_6, "m3", 536, "88066748c862bb57dec781fadfe7945ed570efbe75101c2697a71d1319839762"),
            (Minor::V3_7, "m1", 528, "809f844d0381edea21473f2da90758fce5a22e30fe41c052aac44aae8a769b9d"),
            (Minor::V3_7, "m2", 528, "ad6e52b3df80f385b246d7a9bf8a016e16b5efe848190a30424a8f6b1d7bc352"),
            (Minor::V3_7, "m3", 528, "04aa1bfcf85a20c82850166a361da779c839989fe3908d0c25b7ff256fdd682b"),
        ];
        let genesis = worked();
        for (target, name, length, sha256) in golden {
            let wal = genesis.wal(genesis.id_of(name).unwrap(), target);
            assert_eq!((wal.len(), hex(&Sha256::digest(&wal)).as_str()), (length, sha256), "{target} {name}");
        }
    }

    #[test]
    fn snap_is_etcdutls_byte_for_byte() {
        let golden = [
            (Minor::V3_4, 7571, "b01ed6722f6fbedf89153748a903502080224611419139d393b9f5510aa42747"),
            (Minor::V3_5, 7571, "b01ed6722f6fbedf89153748a903502080224611419139d393b9f5510aa42747"),
            (Minor::V3_6, 7571, "b0d3d27eab304f1f1ba6a1910afb28bf8b9ad047aa2b726a64f4b7a3b59a7b29"),
            (Minor::V3_7, 7569, "03d79f12991d451f2231933259cdd716142ca10e77f8411bcf8ddf0cef1f4774"),
        ];
        for (target, length, sha256) in golden {
            let (name, bytes) = worked().snap(target);
            assert_eq!(name, "0000000000000001-0000000000000003.snap");
            assert_eq!((bytes.len(), hex(&Sha256::digest(&bytes)).as_str()), (length, sha256), "{target}");
        }
    }

    #[test]
    fn members_are_ordered_by_id_not_row() {
        let genesis = worked();
        let names: Vec<&str> = genesis.members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!((names, genesis.cluster_id), (vec!["m2", "m3", "m1"], Id(0xe88e_3c40_b93f_9f54)));
    }
}
