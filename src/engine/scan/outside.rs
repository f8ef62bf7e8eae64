//! What pages hold that are neither in the trees nor in the list of free pages: rows that the trees lack. Each was removed
//! since, or is lost; which of the two a page does not tell, so they are named by their bucket.

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

/// Rows that are noted; there may be more.
const MOST: usize = 10_000;

/// Of which bucket a row can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
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

impl Of {
    fn words(self, rows: u64) -> String {
        match self {
            Of::Key => count(rows, "revision", "revisions"),
            Of::Lease => count(rows, "lease", "leases"),
            Of::Auth => count(rows, "user or role", "users or roles"),
            Of::Members => count(rows, "member", "members"),
            Of::Other => count(rows, "other row", "other rows"),
        }
    }
}

/// The buckets in which a row of each kind can be.
const HOMES: &[(Of, &[&[u8]])] = &[
    (Of::Key, &[schema::KEY]),
    (Of::Lease, &[schema::LEASE]),
    (Of::Auth, &[schema::AUTH_USERS, schema::AUTH_ROLES, schema::AUTH]),
    (Of::Members, &[schema::MEMBERS, schema::MEMBERS_REMOVED]),
    (Of::Other, &[schema::META, schema::CLUSTER, schema::ALARM]),
];

/// Rows that only such pages hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// How many, by what they are; without those of `key`.
    pub rows: BTreeMap<Of, u64>,
    /// A revision among them after the last compaction that the tree should have: it is lost.
    pub lost: Option<i64>,
}

/// Reads `pages` for rows that the trees of `view` lack. `last` is the tree's last revision, `compacted` the compaction mark.
///
/// # Errors
/// When a page cannot be read.
pub fn look<R: ReadAt>(view: &View<R>, pages: &PageSet, last: Revision, compacted: i64) -> Result<Outside, Error> {
    let mut found: BTreeSet<(Of, Vec<u8>)> = BTreeSet::new();
    stray_rows(view, pages, &mut |_, bucket, key, value| {
        found.extend(bucket_of(bucket, key, value).map(|of| (of, key.to_vec())));
        found.len() < MOST
    })?;
    // No row after the mark is ever removed; those before it are, and those after the last are of a newer state.
    let main = |key: &[u8]| RevisionKey::parse(key).map_or(0, |at| at.revision.main);
    found.retain(|(of, key)| *of != Of::Key || (main(key) > compacted && main(key) <= last.main));
    // Each bucket is walked over once, whatever is looked for: a look for every row would read its pages again and again.
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
    let mut out = Outside::default();
    for (of, key) in found {
        match of {
            Of::Key => out.lost = out.lost.max(Some(main(&key))),
            of => {
                let rows = out.rows.entry(of).or_default();
                *rows = rows.saturating_add(1);
            }
        }
    }
    Ok(out)
}

/// Of which bucket a row is, by its own bucket where that is known, else by its looks.
fn bucket_of(bucket: Option<&[u8]>, key: &[u8], value: &[u8]) -> Option<Of> {
    match bucket {
        Some(schema::KEY) => return Some(Of::Key),
        Some(schema::LEASE) => return Some(Of::Lease),
        Some(schema::AUTH | schema::AUTH_USERS | schema::AUTH_ROLES) => return Some(Of::Auth),
        Some(schema::MEMBERS | schema::MEMBERS_REMOVED) => return Some(Of::Members),
        Some(name) => return schema::is_known(name).then_some(Of::Other),
        None => {}
    }
    if RevisionKey::parse(key).is_some() && KeyValueRef::parse(value).is_some_and(|kv| !kv.key.is_empty()) {
        return Some(Of::Key);
    }
    if Lease::decode(value).is_ok_and(|lease| lease.id != 0 && key == lease.id.to_be_bytes()) {
        return Some(Of::Lease);
    }
    let id = key.len() == 16 && key.iter().all(u8::is_ascii_hexdigit);
    if id && (value == b"removed" || Member::from_json(value).is_ok()) {
        return Some(Of::Members);
    }
    // A user and a role both begin with their name.
    let named = |name: &[u8]| {
        !key.is_empty()
            && value.get(..2) == Some(&[0x0a, name.len() as u8])
            && value.get(2..).is_some_and(|rest| rest.starts_with(name))
    };
    let user = !key.is_empty() && User::decode(value).is_ok_and(|user| user.name == key);
    if user || named(key) || [schema::AUTH_ENABLED, schema::AUTH_REVISION].contains(&key) {
        return Some(Of::Auth);
    }
    let known = [schema::META, schema::CLUSTER].iter().any(|name| schema::is_row(name, key));
    known.then_some(Of::Other)
}

impl Outside {
    /// `1 lease and 2 users or roles are in them that the trees lack: removed since, or lost`; none where there is nothing.
    pub fn words(&self) -> Option<String> {
        let named: Vec<String> = self.rows.iter().map(|(of, rows)| of.words(*rows)).collect();
        let all: u64 = self.rows.values().sum();
        (all > 0).then(|| {
            format!(
                "{} {} in them that the trees lack: removed since, or lost",
                crate::text::join::all(&named),
                if all == 1 { "is" } else { "are" }
            )
        })
    }

    /// Why the rest must not be taken for the whole, a sentence: `auth` is whether authentication is on.
    pub fn refusal(&self, auth: bool) -> Option<String> {
        if let Some(revision) = self.lost {
            return Some(format!(
                "bucket key: a page outside the tree holds revision {}, which the tree lacks, and it is not compacted: rows are \
                 lost",
                thousands(revision.unsigned_abs())
            ));
        }
        let users = self.rows.get(&Of::Auth).filter(|_| auth)?;
        Some(format!(
            "authentication is on, and pages outside the trees hold {} that the trees lack: removed since, or lost",
            Of::Auth.words(*users)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradiction_differs_from_mere_possibility() {
        let outside = |of, rows, lost| Outside { rows: BTreeMap::from([(of, rows)]), lost };
        for (found, auth, refused) in [
            (outside(Of::Auth, 2, None), true, true),
            (outside(Of::Auth, 2, None), false, false),
            (outside(Of::Lease, 2, None), true, false),
            (outside(Of::Key, 1, Some(8)), false, true),
            (Outside::default(), true, false),
        ] {
            assert_eq!(found.refusal(auth).is_some(), refused, "{found:?}");
        }
        assert_eq!(Outside::default().words(), None);
    }

    #[test]
    fn a_row_shows_its_bucket() {
        let lease = Lease { id: 5, ttl: 1, remaining_ttl: 0 }.encode_to_vec();
        let user = User { name: b"eve".to_vec(), roles: Vec::new() }.encode_to_vec();
        for (bucket, key, value, wanted) in [
            (None, &5_i64.to_be_bytes()[..], &lease[..], Some(Of::Lease)),
            (None, &6_i64.to_be_bytes()[..], &lease[..], None),
            (None, b"eve", &user, Some(Of::Auth)),
            (None, b"eva", &user, None),
            (Some(schema::AUTH_ROLES), b"eva", b"", Some(Of::Auth)),
            (None, b"authEnabled", b"\x01", Some(Of::Auth)),
            (None, b"8e9e05c52164694d", b"removed", Some(Of::Members)),
            (None, b"consistent_index", b"12345678", Some(Of::Other)),
            (Some(&b"strange"[..]), b"eve", &user, None),
            (None, b"", b"", None),
        ] {
            assert_eq!(bucket_of(bucket, key, value), wanted, "{bucket:?} {key:?}");
        }
    }
}
