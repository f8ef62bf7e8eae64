//! The plan: everything that a recovery will do, as one value, and the pure functions around it.
//!
//! The wizard edits it, `plan.yaml` holds it, the command line applies it, every launch command is
//! printed from it. It pins the snapshot by SHA-256 and each member by its predicted ID; it never
//! holds a secret. Nothing in this room reads a file, a socket, the environment or a clock.

use crate::domain::model::host_address;
use std::path::PathBuf;

pub use crate::domain::model::options::Options;
pub use crate::domain::model::revision_clients::Revisions;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, ErrorKind, Result},
    etcd::{membership::Id, version::Minor},
};

/// A whole recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The form of this file: 1.
    pub version: u32,
    /// What the operator calls the cluster, and types to confirm.
    pub label: String,
    /// `--initial-cluster-token`, new for each attempt.
    pub token: String,
    /// When the plan was made, RFC 3339 in UTC.
    pub created: String,
    /// The etcd minor version that will run on the result; `None` writes the forms of 3.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Minor>,
    /// The snapshot.
    pub source: Source,
    /// How many revisions the restored cluster starts later than the snapshot; 0 for none.
    #[serde(default)]
    pub bump_revision: u64,
    /// Mark everything up to the bumped revision as compacted, so that watchers relist.
    #[serde(default)]
    pub mark_compacted: bool,
    /// What is known of the revisions that the old cluster gave out.
    #[serde(default, skip_serializing_if = "Revisions::is_unknown")]
    pub revisions: Revisions,
    /// What is done beyond a plain restore.
    #[serde(default, skip_serializing_if = "Options::is_plain")]
    pub options: Options,
    /// The new cluster's ID, as it follows from the members' IDs.
    pub cluster_id: Id,
    /// The new members, in the order of the table.
    pub members: Vec<Member>,
}

/// The snapshot that every member is restored from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its path.
    pub path: PathBuf,
    /// The whole file's length in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, hex.
    pub sha256: String,
    /// Its last revision.
    pub revision: i64,
    /// Its live keys.
    pub keys: u64,
    /// True for a file without a SHA-256 trailer (a copy of `member/snap/db`), or with one that the
    /// operator chose to pass over: used on the operator's request.
    #[serde(default)]
    pub skip_hash_check: bool,
    /// How many bytes of the file are the snapshot, where others follow that do not belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_bytes: Option<u64>,
}

/// One row of the new cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// `--name`.
    pub name: String,
    /// Where it is restored: `local`, or an ssh destination (`[user@]host`, a Host of ssh's configuration, `ssh://…`).
    #[serde(default = "host_address::local", skip_serializing_if = "host_address::is_local")]
    pub host: String,
    /// The member's ID, as it follows from its peer URLs and the token.
    pub id: Id,
    /// `--initial-advertise-peer-urls`, as etcd prints them.
    pub peer_urls: Vec<String>,
    /// `--advertise-client-urls`.
    pub client_urls: Vec<String>,
    /// `--data-dir`, absolute.
    pub data_dir: PathBuf,
    /// `--wal-dir`, absolute, where it is not inside the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_dir: Option<PathBuf>,
    /// Further `etcd` flags for this member, such as its certificates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub etcd_flags: Vec<String>,
}

impl Plan {
    /// Returns the member called `name`.
    ///
    /// # Errors
    /// `Usage` for an unknown name, with the known names.
    pub fn member(&self, name: &str) -> Result<&Member> {
        self.members.iter().find(|member| member.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
            Error::new(ErrorKind::Usage, format!("no member of the plan is called {name:?}"))
                .hint(format!("It has {}.", names.join(", ")))
        })
    }

    /// The client URLs of all its members.
    pub fn client_urls(&self) -> Vec<String> {
        self.members.iter().flat_map(|member| member.client_urls.iter().cloned()).collect()
    }

    /// The plan's short ID: the first eight hex digits of the SHA-256 of its JSON. It changes with
    /// every change of the plan and is printed on each sheet made from it.
    pub fn short_id(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(json).iter().take(4).map(|b| format!("{b:02x}")).collect()
    }

    /// When it was made, seconds since 1970.
    pub fn made(&self) -> Option<i64> {
        let made = humantime::parse_rfc3339_weak(&self.created).ok()?;
        made.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs().try_into().ok()
    }

    /// The value of `--initial-cluster`: `m1=URL,m1=URL2,m2=URL`, in the order of the table.
    pub fn initial_cluster(&self) -> String {
        let pairs: Vec<String> =
            self.members.iter().flat_map(|m| m.peer_urls.iter().map(move |url| format!("{}={url}", m.name))).collect();
        pairs.join(",")
    }

    /// How many members must be up for the new cluster to serve: more than half of them.
    pub fn quorum(&self) -> usize {
        self.members.len() / 2 + 1
    }

    /// The revision at which the restored cluster starts.
    pub fn expected_revision(&self) -> i64 {
        self.source.revision.saturating_add_unsigned(self.bump_revision)
    }

    /// The last revision that the old cluster is known to have given out: the snapshot's, where nothing newer is known.
    pub fn last_known_revision(&self) -> i64 {
        let newest = self.revisions.newest.as_ref().map(|known| known.revision);
        newest.unwrap_or_default().max(self.source.revision)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::members::build_plan;

    #[test]
    fn members_are_found_by_their_exact_names() {
        let plan = build_plan::build(&build_plan::tests::draft()).unwrap().plan;
        for member in &plan.members {
            assert_eq!(plan.member(&member.name).unwrap(), member);
        }
        for stranger in ["", "m9", "M1", " m1", "m1 "] {
            let error = plan.member(stranger).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage, "{stranger:?}");
            assert!(plan.members.iter().all(|member| error.hint.contains(&member.name)), "{}", error.hint);
        }
    }
}
