//! Everything that a database holds, for people: who was in the cluster, what hangs on which lease,
//! who may log in, and how the keys are spread. What `snapshot inspect` shows.

use std::collections::BTreeMap;

use prost::Message;
use serde::Serialize;

use super::{
    kubernetes::{self, Kubernetes},
    mvcc_check::{Findings, MetaRows},
    row_scan::{RowScan, look},
};
use crate::{
    bbolt::{ReadAt, View},
    domain::model::revisions::Client,
    error::Result,
    etcd::{
        membership::{Id, Member},
        proto::{AlarmMember, KeyValueRef, Lease, Permission, Role, User},
        revision::RevisionKey,
        schema,
    },
    text::escape::MOST,
};
use crate::{
    engine::{
        progress::{Phase, ProgressFn},
        source::{Digest, LEFTOVER, Source, Wrapping, step},
    },
    text::{
        number::{count, thousands},
        value::brief,
    },
};

/// What the file's SHA-256 trailer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trailer {
    /// It is there and right.
    Ok,
    /// There is none, as in a copy of `member/snap/db`.
    Missing,
    /// It is there and wrong.
    Wrong,
}

impl Trailer {
    /// What a reading of the file says.
    pub fn from_digest(digest: &Digest) -> Trailer {
        match digest.verified() {
            Ok(()) => Trailer::Ok,
            Err(_) if digest.is_wrong() => Trailer::Wrong,
            Err(_) => Trailer::Missing,
        }
    }
}

/// What a file is, in a sentence without its name: `a saved snapshot, its SHA-256 trailer is right`.
pub fn nature<R: ReadAt>(source: &Source, view: &View<R>, digest: &Digest) -> String {
    let copy = is_copy(view);
    let mut words = match (digest.trailer, digest.verified(), &digest.cut_trailer, &digest.extra) {
        (Some(_), Ok(()), _, None) => "a saved snapshot, its SHA-256 trailer is right".to_string(),
        (Some(_), Ok(()), _, Some(extra)) => {
            format!("a saved snapshot, its SHA-256 trailer is right; {}", extra.sentence())
        }
        (Some(_), Err(_), _, Some(extra)) => {
            let words = extra.words();
            let belong = if extra.bytes == 1 { "belongs" } else { "belong" };
            format!("a database, 32 bytes that could be its SHA-256 and do NOT fit, and {words} that {belong} to no page")
        }
        (Some(_), Err(_), ..) => "a saved snapshot, its SHA-256 trailer is WRONG".to_string(),
        // few bytes fit any hash by chance: one does in 256 files
        (None, _, Some(cut), _) if cut.fits && cut.bytes < 4 => format!(
            "a database and {}, which may be the beginning of its SHA-256 trailer or belong to no page",
            count(cut.bytes, "further byte", "further bytes")
        ),
        (None, _, Some(cut), _) if cut.fits => {
            format!("a saved snapshot that ends in its SHA-256 trailer, of which {} of 32 bytes are there", cut.bytes)
        }
        (None, _, Some(cut), _) => format!(
            "a database and {}, which {} or what is left of a SHA-256 that does NOT fit",
            count(cut.bytes, "further byte", "further bytes"),
            if cut.bytes == 1 { "belongs to no page" } else { "belong to no page" }
        ),
        (None, _, _, Some(extra)) => {
            let what = match copy {
                true => "a database (a copy of member/snap/db, or a saved snapshot)",
                false => "a database as etcd runs on it (member/snap/db)",
            };
            format!("{what}; {}, and there is no SHA-256 that fits its content", extra.of_no_page())
        }
        (None, ..) if copy && source.body_bytes() == view.used_bytes() => {
            match &source.wrapping {
                Wrapping::DataDir(_) => "a database without a SHA-256".to_string(),
                _ => "a database without a SHA-256: a copy of member/snap/db, or a saved snapshot whose SHA-256 was cut off, \
                      which of the two is not known"
                    .to_string(),
            }
        }
        (None, ..) => "a database as etcd runs on it (member/snap/db), without a SHA-256 trailer".to_string(),
    };
    match &source.wrapping {
        Wrapping::Plain => {}
        Wrapping::DataDir(_) => words = format!("a data directory; its member/snap/db is {words}"),
        Wrapping::Archive { format, name, .. } => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            words = format!("{}; in it{name} {words}", format.words());
        }
    }
    if source.is_part() {
        words = format!("{words}; {LEFTOVER}");
    }
    words
}

/// Whether the meta pages are those that bbolt writes at the head of a copy: the same but for the
/// transaction, which is one less in the second.
fn is_copy<R: ReadAt>(view: &View<R>) -> bool {
    match view.metas() {
        [Ok(a), Ok(b)] => a.txid == b.txid.wrapping_add(1) && a.root == b.root && a.hwm == b.hwm,
        _ => false,
    }
}

/// What a database holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// What the file is.
    pub kind: String,
    /// The file's length.
    pub file_size: u64,
    /// SHA-256 of the file, unpacked.
    pub sha256: String,
    /// What its trailer says.
    pub trailer: Trailer,
    /// The revision at which the file can be restored though a meta page or the list of free pages is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptable_revision: Option<i64>,
    /// etcdutl's status hash.
    pub hash: u32,
    /// The last revision in a row.
    pub revision: i64,
    /// The revision up to which it is compacted, -1 for none.
    pub compact_revision: i64,
    /// Where a compaction was ordered, but not finished.
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
    /// Those that hold nothing.
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
    /// Alarms in words.
    pub alarms: Vec<String>,
    /// Leases, by ID.
    pub leases: Vec<LeaseIn>,
    /// Whether authentication is on.
    pub auth_enabled: bool,
    /// Users with their roles.
    pub users: Vec<UserIn>,
    /// Roles with what they permit.
    pub roles: Vec<RoleIn>,
    /// The keys by prefix, in order.
    pub tree: Vec<Branch>,
    /// Clients that keep revisions and have data in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<Client>,
    /// What a Kubernetes API server keeps in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// What speaks against the file: damage and lost rows.
    pub problems: Vec<String>,
    /// What is odd and yet no damage.
    pub warnings: Vec<String>,
    /// What the rows prove.
    pub proven: Vec<String>,
    /// What they cannot prove.
    pub unproven: Vec<String>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberIn {
    /// Its ID.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its peer URLs.
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    /// Its client URLs.
    #[serde(rename = "clientURLs")]
    pub client_urls: Vec<String>,
    /// True for one that does not vote.
    pub is_learner: bool,
}

/// A lease and what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct LeaseIn {
    /// Its ID in hex, as etcdctl shows it.
    pub id: String,
    /// Seconds that it lives.
    pub ttl: i64,
    /// Seconds that were left at its last checkpoint, 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub remaining_ttl: i64,
    /// Live keys on it.
    pub keys: u64,
    /// The first of them, with control characters escaped.
    pub first_keys: Vec<String>,
    /// True where it has no row, only keys.
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
    /// What it permits, in words: `read and write /a/ to /a0`.
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

/// A live key while the rows are read.
#[derive(Debug, Clone, Copy, Default)]
struct Alive {
    bytes: u64,
    lease: i64,
    /// Which [`Kubernetes`] encryption its value has.
    sealed: Option<usize>,
    /// Whether only an API server writes such a value.
    written: bool,
}

/// The part of a key up to and with its `depth`th slash, a leading one not counted; of a key with
/// fewer slashes the part up to its last one.
pub fn prefix_of(key: &[u8], depth: usize) -> &[u8] {
    let slashes = key.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'/').map(|(at, _)| at);
    match slashes.take(depth).last() {
        Some(at) => key.get(..=at).unwrap_or(key),
        None if key.starts_with(b"/") => b"/",
        None => b"",
    }
}

/// Reads a file through and tells what it holds, with the key tree `depth` levels deep.
///
/// # Errors
/// When pages or rows cannot be read, or `watch` says stop; rows that make no sense together are in
/// the result.
pub fn contents(source: &Source, depth: usize, watch: &mut ProgressFn<'_>) -> Result<Contents> {
    let view = source.view()?;
    let digest = source.digest(watch)?;
    let walk = look(&view, watch).map_err(|halt| halt.into_trouble(source))?;
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
                // look() has decoded every row
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
                found.row(&name, row.key, row.value);
            }
        }
    }
    found.spread(&keys, depth, &mut kubernetes);
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

impl Contents {
    /// One row of a bucket other than `key`; what does not decode was said by the check.
    fn row(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        match bucket {
            schema::MEMBERS => {
                if let Ok(m) = Member::from_json(value) {
                    self.members.push(MemberIn {
                        id: Id(m.id),
                        name: shown(m.name.as_bytes()),
                        peer_urls: m.peer_urls.iter().map(|url| shown(url.as_bytes())).collect(),
                        client_urls: m.client_urls.iter().map(|url| shown(url.as_bytes())).collect(),
                        is_learner: m.is_learner,
                    });
                }
            }
            schema::MEMBERS_REMOVED => self.removed_members.push(shown(key)),
            schema::ALARM => self.alarms.extend(AlarmMember::decode(key).map(|alarm| alarm.words())),
            schema::LEASE => {
                if let Ok(lease) = Lease::decode(value) {
                    let (id, remaining_ttl) = (format!("{:x}", lease.id), lease.remaining_ttl);
                    self.leases.push(LeaseIn { id, ttl: lease.ttl, remaining_ttl, ..LeaseIn::default() });
                }
            }
            schema::AUTH_USERS => {
                if let Ok(user) = User::decode(value) {
                    let roles = user.roles.iter().map(|role| shown(role.as_bytes())).collect();
                    self.users.push(UserIn { name: shown(key), roles });
                }
            }
            schema::AUTH_ROLES => {
                if let Ok(role) = Role::decode(value) {
                    let permits = role.permissions.iter().map(permission).collect();
                    self.roles.push(RoleIn { name: shown(key), permits });
                }
            }
            schema::CLUSTER if key == schema::DOWNGRADE => {
                let json: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
                if json.get("enabled").and_then(|on| on.as_bool()).unwrap_or_default() {
                    let target = json.get("target-version").and_then(|v| v.as_str()).unwrap_or("an unknown version");
                    self.downgrade_to = Some(shown(target.as_bytes()));
                }
            }
            _ => {}
        }
    }

    fn spread(&mut self, keys: &BTreeMap<Box<[u8]>, Alive>, depth: usize, kubernetes: &mut Kubernetes) {
        let mut leases: BTreeMap<i64, (u64, Vec<String>)> = BTreeMap::new();
        let mut branch: Option<(&[u8], u64, u64)> = None;
        let prefixes = kubernetes::Prefixes::new(keys.keys().map(|key| &**key));
        // sorting by key does not bring one prefix together: /a/ may lie between /a and /a/b
        let mut tree: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        for (key, alive) in keys {
            let prefix = prefix_of(key, depth);
            match &mut branch {
                Some((last, keys, bytes)) if *last == prefix => {
                    *keys = keys.saturating_add(1);
                    *bytes = bytes.saturating_add(alive.bytes);
                }
                _ => {
                    add(&mut tree, branch.replace((prefix, 1, alive.bytes)));
                }
            }
            if alive.lease != 0 {
                let (count, first) = leases.entry(alive.lease).or_default();
                *count = count.saturating_add(1);
                if first.len() < 3 {
                    first.push(brief(key, 80));
                }
            }
            kubernetes.key(&prefixes, key, alive.written, alive.sealed);
        }
        add(&mut tree, branch);
        self.tree =
            tree.into_iter().map(|(prefix, (keys, bytes))| Branch { prefix: shown(prefix), keys, bytes }).collect();
        for (id, (keys, first_keys)) in leases {
            let id = format!("{id:x}");
            match self.leases.iter_mut().find(|lease| lease.id == id) {
                Some(lease) => (lease.keys, lease.first_keys) = (keys, first_keys),
                None => self.leases.push(LeaseIn { id, keys, first_keys, missing: true, ..LeaseIn::default() }),
            }
        }
    }
}

fn add<'k>(tree: &mut BTreeMap<&'k [u8], (u64, u64)>, branch: Option<(&'k [u8], u64, u64)>) {
    if let Some((prefix, keys, bytes)) = branch {
        let sum = tree.entry(prefix).or_default();
        *sum = (sum.0.saturating_add(keys), sum.1.saturating_add(bytes));
    }
}

pub(in crate::engine) fn permission(permission: &Permission) -> String {
    let may = match permission.kind {
        0 => "read",
        1 => "write",
        _ => "read and write",
    };
    let (from, to) = (&permission.key, &permission.range_end);
    match (from.as_slice(), to.as_slice()) {
        (key, []) => format!("{may} {}", shown(key)),
        ([] | [0], [0]) => format!("{may} everything"),
        (from, [0]) => format!("{may} from {} on", shown(from)),
        (from, to) if after(from) == to => format!("{may} {}…", shown(from)),
        (from, to) => format!("{may} from {} to {}", shown(from), shown(to)),
    }
}

/// A name or key of the file as it may be shown; those of a whole megabyte are legal.
fn shown(bytes: &[u8]) -> String {
    brief(bytes, MOST)
}

/// The first key behind all that begin with `prefix`, as `--prefix` makes it.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

impl Contents {
    /// What speaks against taking the file, in a sentence.
    pub fn damage(&self) -> Option<String> {
        match self.problems.as_slice() {
            [] if self.trailer == Trailer::Wrong => Some("its SHA-256 trailer is wrong".into()),
            [] => None,
            [one] => Some(one.clone()),
            [first, rest @ ..] => Some(format!("{first} (and {} more)", thousands(rest.len() as u64))),
        }
    }
}
