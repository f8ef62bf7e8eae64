//! Rows on pages that are neither in the trees nor in the freelist, and that the trees lack. Each was either deleted
//! later or is lost; a page does not show which, so the rows are reported by bucket.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::text::number::{count, thousands};
use crate::{
    bbolt::{Error, PageSet, ReadAt, View, stray_rows},
    etcd::{
        membership::Member,
        proto::{KeyValueRef, Lease, User},
        revision::{Revision, RevisionKey},
        schema,
    },
};

/// The most rows that are collected; there may be more.
const MOST: usize = 10_000;

/// The bucket that a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowKind {
    /// `key`.
    Key,
    /// `lease`.
    Lease,
    /// `authUsers`, `authRoles` or `auth`.
    Auth,
    /// `members` or `members_removed`.
    Members,
    /// Any other one.
    Other,
}

impl RowKind {
    fn words(self, rows: u64) -> String {
        match self {
            RowKind::Key => count(rows, "revision", "revisions"),
            RowKind::Lease => count(rows, "lease", "leases"),
            RowKind::Auth => count(rows, "user or role", "users or roles"),
            RowKind::Members => count(rows, "member", "members"),
            RowKind::Other => count(rows, "other row", "other rows"),
        }
    }
}

/// The buckets for each kind of row.
const HOMES: &[(RowKind, &[&[u8]])] = &[
    (RowKind::Key, &[schema::KEY]),
    (RowKind::Lease, &[schema::LEASE]),
    (RowKind::Auth, &[schema::AUTH_USERS, schema::AUTH_ROLES, schema::AUTH]),
    (RowKind::Members, &[schema::MEMBERS, schema::MEMBERS_REMOVED]),
    (RowKind::Other, &[schema::META, schema::CLUSTER, schema::ALARM]),
];

/// Rows that exist only on such pages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutsideRows {
    /// Their number by kind, without those of bucket `key`.
    pub rows: BTreeMap<RowKind, u64>,
    /// The newest revision among them after the last compaction that the tree should have: it is lost.
    pub lost: Option<i64>,
}

/// Finds the rows on `pages` that the trees of `view` lack. `last` is the tree's last revision, `compacted` the
/// compacted revision.
///
/// # Errors
/// If a page cannot be read.
pub fn find_rows<R: ReadAt>(
    view: &View<R>,
    pages: &PageSet,
    last: Revision,
    compacted: i64,
) -> Result<OutsideRows, Error> {
    let mut found: BTreeSet<(RowKind, Vec<u8>)> = BTreeSet::new();
    stray_rows(view, pages, &mut |_, bucket, key, value| {
        found.extend(bucket_of(bucket, key, value).map(|of| (of, key.to_vec())));
        found.len() < MOST
    })?;
    // No row after the compacted revision is ever removed, earlier ones are; rows after the last belong to a newer
    // state.
    let main = |key: &[u8]| RevisionKey::parse(key).map_or(0, |at| at.revision.main);
    found.retain(|(of, key)| *of != RowKind::Key || (main(key) > compacted && main(key) <= last.main));
    // Each bucket is read once: a search for every row would read its pages again and again.
    for (of, names) in HOMES {
        if !found.iter().any(|(other, _)| other == of) {
            continue;
        }
        for name in *names {
            let Some(bucket) = view.bucket(name)? else { continue };
            let mut rows = view.cursor(&bucket);
            while let Some(row) = rows.next()? {
                found.remove(&(*of, row.key.to_vec()));
            }
        }
    }
    let mut out = OutsideRows::default();
    for (of, key) in found {
        match of {
            RowKind::Key => out.lost = out.lost.max(Some(main(&key))),
            of => {
                let rows = out.rows.entry(of).or_default();
                *rows = rows.saturating_add(1);
            }
        }
    }
    Ok(out)
}

/// Returns the kind of a row: by its bucket if that is known, otherwise by the form of its key and value.
fn bucket_of(bucket: Option<&[u8]>, key: &[u8], value: &[u8]) -> Option<RowKind> {
    match bucket {
        Some(schema::KEY) => return Some(RowKind::Key),
        Some(schema::LEASE) => return Some(RowKind::Lease),
        Some(schema::AUTH | schema::AUTH_USERS | schema::AUTH_ROLES) => return Some(RowKind::Auth),
        Some(schema::MEMBERS | schema::MEMBERS_REMOVED) => return Some(RowKind::Members),
        Some(name) => return schema::is_known(name).then_some(RowKind::Other),
        None => {}
    }
    if RevisionKey::parse(key).is_some() && KeyValueRef::parse(value).is_some_and(|kv| !kv.key.is_empty()) {
        return Some(RowKind::Key);
    }
    if Lease::decode(value).is_ok_and(|lease| lease.id != 0 && key == lease.id.to_be_bytes()) {
        return Some(RowKind::Lease);
    }
    let id = key.len() == 16 && key.iter().all(u8::is_ascii_hexdigit);
    if id && (value == b"removed" || Member::from_json(value).is_ok()) {
        return Some(RowKind::Members);
    }
    // Users and roles both start with their name.
    let named = |name: &[u8]| {
        !key.is_empty()
            && value.get(..2) == Some(&[0x0a, name.len() as u8])
            && value.get(2..).is_some_and(|rest| rest.starts_with(name))
    };
    let user = !key.is_empty() && User::decode(value).is_ok_and(|user| user.name == key);
    if user || named(key) || [schema::AUTH_ENABLED, schema::AUTH_REVISION].contains(&key) {
        return Some(RowKind::Auth);
    }
    let known = [schema::META, schema::CLUSTER].iter().any(|name| schema::is_row(name, key));
    known.then_some(RowKind::Other)
}

impl OutsideRows {
    /// Describes them: `they contain 1 lease that the trees lack: deleted later, or lost`; `None` without such rows.
    pub fn words(&self) -> Option<String> {
        let named: Vec<String> = self.rows.iter().map(|(of, rows)| of.words(*rows)).collect();
        self.rows.values().any(|rows| *rows > 0).then(|| {
            format!("they contain {} that the trees lack: deleted later, or lost", crate::text::join::all(&named),)
        })
    }

    /// Returns why the trees are not the complete data, as a sentence; `auth` is whether authentication is enabled.
    pub fn refusal(&self, auth: bool) -> Option<String> {
        if let Some(revision) = self.lost {
            return Some(format!(
                "bucket key: a page outside the tree holds revision {}, which is not compacted, and the tree lacks it: rows are \
                 lost",
                thousands(revision.unsigned_abs())
            ));
        }
        let users = self.rows.get(&RowKind::Auth).filter(|_| auth)?;
        Some(format!(
            "authentication is enabled, and pages outside the trees hold {} that the trees lack: deleted later, or lost",
            RowKind::Auth.words(*users)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proven_loss_is_refused() {
        let outside = |of, rows, lost| OutsideRows { rows: BTreeMap::from([(of, rows)]), lost };
        for (found, auth, refused) in [
            (outside(RowKind::Auth, 2, None), true, true),
            (outside(RowKind::Auth, 2, None), false, false),
            (outside(RowKind::Lease, 2, None), true, false),
            (outside(RowKind::Key, 1, Some(8)), false, true),
            (OutsideRows::default(), true, false),
        ] {
            assert_eq!(found.refusal(auth).is_some(), refused, "{found:?}");
        }
        assert_eq!(OutsideRows::default().words(), None);
    }

    #[test]
    fn a_row_shows_its_bucket() {
        let lease = Lease { id: 5, ttl: 1, remaining_ttl: 0 }.encode_to_vec();
        let user = User { name: b"eve".to_vec(), roles: Vec::new() }.encode_to_vec();
        for (bucket, key, value, wanted) in [
            (None, &5_i64.to_be_bytes()[..], &lease[..], Some(RowKind::Lease)),
            (None, &6_i64.to_be_bytes()[..], &lease[..], None),
            (None, b"eve", &user, Some(RowKind::Auth)),
            (None, b"eva", &user, None),
            (Some(schema::AUTH_ROLES), b"eva", b"", Some(RowKind::Auth)),
            (None, b"authEnabled", b"\x01", Some(RowKind::Auth)),
            (None, b"8e9e05c52164694d", b"removed", Some(RowKind::Members)),
            (None, b"consistent_index", b"12345678", Some(RowKind::Other)),
            (Some(&b"strange"[..]), b"eve", &user, None),
            (None, b"", b"", None),
        ] {
            assert_eq!(bucket_of(bucket, key, value), wanted, "{bucket:?} {key:?}");
        }
    }
}
