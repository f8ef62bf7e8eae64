//! The content of a database as `snapshot inspect` shows it: members, leases with their keys, users and roles, and the
//! keys by prefix.

mod file_kind;
mod rows;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::file_kind::{Trailer, nature};
pub(in crate::engine) use self::rows::permission;
use super::{
    kubernetes::{self, Kubernetes},
    mvcc_check::{Findings, MetaRows},
    row_scan::{RowScan, inspect},
};
use crate::{
    bbolt::{ReadAt, View},
    domain::model::revisions::Client,
    error::Result,
    etcd::{membership::Id, proto::KeyValueRef, revision::RevisionKey, schema},
    text::escape::MOST,
};
use crate::{
    engine::{
        progress::{Phase, ProgressFn},
        source::{Digest, Source, step},
    },
    text::{number::thousands, value::brief},
};

/// The content of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// What the file is.
    pub kind: String,
    /// The file's length.
    pub file_size: u64,
    /// SHA-256 of the file, uncompressed.
    pub sha256: String,
    /// Whether its trailer matches.
    pub trailer: Trailer,
    /// The revision at which the file can be restored although a meta page or the freelist is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptable_revision: Option<i64>,
    /// etcdutl's status hash.
    pub hash: u32,
    /// The last revision in a row.
    pub revision: i64,
    /// The compacted revision, -1 for none.
    pub compact_revision: i64,
    /// Whether a compaction is scheduled and not finished.
    pub compaction_pending: bool,
    /// Live keys.
    pub keys: u64,
    /// Rows of all buckets.
    pub rows: u64,
    /// Rows by bucket.
    pub buckets: BTreeMap<String, u64>,
    /// Bytes per page.
    pub page_size: u32,
    /// Pages up to the high-water mark.
    pub pages: u64,
    /// The free ones.
    pub free_pages: u64,
    /// `cluster/clusterVersion`.
    pub cluster_version: String,
    /// `meta/storageVersion`.
    pub storage_version: String,
    /// The target of a downgrade in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downgrade_to: Option<String>,
    /// The last applied raft index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistent_index: Option<u64>,
    /// Its term.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// The members.
    pub members: Vec<MemberIn>,
    /// IDs of members that were removed.
    pub removed_members: Vec<String>,
    /// Alarms, as text.
    pub alarms: Vec<String>,
    /// Leases, by ID.
    pub leases: Vec<LeaseIn>,
    /// Whether authentication is enabled.
    pub auth_enabled: bool,
    /// Users with their roles.
    pub users: Vec<UserIn>,
    /// Roles with what they permit.
    pub roles: Vec<RoleIn>,
    /// The keys by prefix, in order.
    pub tree: Vec<Branch>,
    /// Clients that depend on revisions and have data in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Client>,
    /// The objects of a Kubernetes API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// What is wrong with the file: damage and lost rows.
    pub problems: Vec<String>,
    /// What is unusual, but not damage.
    pub warnings: Vec<String>,
    /// What the rows prove.
    pub proven: Vec<String>,
    /// What they cannot prove.
    pub unproven: Vec<String>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberIn {
    /// Its ID.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its peer URLs.
    pub peer_urls: Vec<String>,
    /// Its client URLs.
    pub client_urls: Vec<String>,
    /// Whether it is a learner.
    pub is_learner: bool,
}

/// A lease and its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct LeaseIn {
    /// Its ID in hex, as etcdctl shows it.
    pub id: String,
    /// Its TTL in seconds.
    pub ttl: i64,
    /// The remaining TTL in seconds at its last checkpoint, 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub remaining_ttl: i64,
    /// Live keys that are attached to it.
    pub keys: u64,
    /// The first of them, with control characters escaped.
    pub first_keys: Vec<String>,
    /// True if it has no row, only keys.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserIn {
    /// The name.
    pub name: String,
    /// The roles.
    pub roles: Vec<String>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoleIn {
    /// The name.
    pub name: String,
    /// Its permissions, as text: `read and write /a/ to /a0`.
    pub permits: Vec<String>,
}

/// The keys under one prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// The prefix, with control characters escaped; empty for keys without a slash.
    pub prefix: String,
    /// Live keys.
    pub keys: u64,
    /// Bytes of those keys and their values.
    pub bytes: u64,
}

/// A live key during the scan.
#[derive(Debug, Clone, Copy, Default)]
struct Alive {
    bytes: u64,
    lease: i64,
    /// The index of its value's encryption in [`Kubernetes`].
    sealed: Option<usize>,
    /// Whether only an API server writes such a value.
    written: bool,
}

/// Returns the part of a key up to and including its `depth`th slash, not counting a leading one; of a key with fewer
/// slashes the part up to its last one.
pub fn prefix_of(key: &[u8], depth: usize) -> &[u8] {
    let slashes = key.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'/').map(|(at, _)| at);
    match slashes.take(depth).last() {
        Some(at) => key.get(..=at).unwrap_or(key),
        None if key.starts_with(b"/") => b"/",
        None => b"",
    }
}

/// Reads a whole file and returns its content, with the key tree `depth` levels deep.
///
/// # Errors
/// If pages or rows cannot be read, or `watch` requests a stop; inconsistent rows are part of the result.
pub fn contents(source: &Source, depth: usize, watch: &mut ProgressFn<'_>) -> Result<Contents> {
    let view = source.view()?;
    let digest = source.digest(watch)?;
    let walk = inspect(&view, watch).map_err(|halt| halt.into_trouble(source))?;
    let marks = MetaRows::read(&view).map_err(|e| source.damaged(&e))?;
    let mut found = begin(source, &view, &digest, walk, &marks);
    let mut keys: BTreeMap<Box<[u8]>, Alive> = BTreeMap::new();
    let mut kubernetes = Kubernetes::default();
    let damaged = |e| source.damaged(&e);
    let mut seen = 0u64;
    for (name, bucket) in view.buckets().map_err(damaged)? {
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next().map_err(damaged)? {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(1 << 16) {
                step(watch, Phase::Check, 0, 0)?;
            }
            if name == schema::KEY {
                // inspect() has decoded every row
                let (Some(at), Some(kv)) = (RevisionKey::parse(row.key), KeyValueRef::parse(row.value)) else {
                    continue;
                };
                if at.tombstone || kv.key.is_empty() {
                    keys.remove(kv.key);
                    continue;
                }
                let alive = Alive {
                    bytes: kv.key.len().saturating_add(kv.value.len()) as u64,
                    lease: kv.lease,
                    sealed: kubernetes.sealed(kv.value),
                    written: kubernetes::wrote(kv.value),
                };
                match keys.get_mut(kv.key) {
                    Some(old) => *old = alive,
                    None => {
                        keys.insert(kv.key.into(), alive);
                    }
                }
            } else {
                found.add_row(&name, row.key, row.value);
            }
        }
    }
    found.add_keys(&keys, depth, &mut kubernetes);
    found.kubernetes = kubernetes.finish();
    Ok(found)
}

fn begin<R: ReadAt>(source: &Source, view: &View<R>, digest: &Digest, walk: RowScan, marks: &MetaRows) -> Contents {
    let acceptable_revision = walk.acceptable(false).map(|damage| damage.revision);
    let mut problems: Vec<String> = walk.damage_of_parts().collect();
    let Findings { errors, mut warnings, proven, unproven } = walk.findings;
    problems.extend(errors);
    warnings.extend(source.hole.map(|hole| hole.words(source)));
    Contents {
        kind: nature(source, view, digest),
        file_size: source.given_bytes(),
        sha256: digest.file_sha256.clone(),
        trailer: Trailer::from_digest(digest),
        acceptable_revision,
        hash: walk.hash,
        revision: walk.last.main,
        compact_revision: marks.compacted(),
        compaction_pending: marks.scheduled > marks.finished,
        keys: walk.keys,
        rows: walk.rows,
        buckets: walk.buckets.iter().map(|b| (shown(&b.name), b.rows)).collect(),
        page_size: walk.pages.bytes,
        pages: walk.pages.all,
        free_pages: walk.pages.free,
        cluster_version: walk.content.cluster_version,
        storage_version: walk.content.storage_version,
        downgrade_to: None,
        consistent_index: marks.consistent_index,
        term: marks.term,
        members: Vec::new(),
        removed_members: Vec::new(),
        alarms: Vec::new(),
        leases: Vec::new(),
        auth_enabled: walk.content.auth_enabled,
        users: Vec::new(),
        roles: Vec::new(),
        tree: Vec::new(),
        clients: walk.content.clients,
        kubernetes: None,
        problems,
        warnings,
        proven,
        unproven,
    }
}

/// Renders a name or key of the file, shortened: a megabyte is valid.
fn shown(bytes: &[u8]) -> String {
    brief(bytes, MOST)
}

impl Contents {
    /// Returns what is wrong with the file, in a sentence.
    pub fn damage(&self) -> Option<String> {
        match self.problems.as_slice() {
            [] if self.trailer == Trailer::Wrong => Some("its SHA-256 trailer is wrong".into()),
            [] => None,
            [one] => Some(one.clone()),
            [first, rest @ ..] => Some(format!("{first} (and {} more)", thousands(rest.len() as u64))),
        }
    }
}
