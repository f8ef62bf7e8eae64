//! The rows of a database outside bucket `key`, for a comparison between members: leases, users, roles, alarms, the
//! member table. All of them change only through the raft log, so members with the same log have the same rows.

use std::collections::BTreeMap;

use prost::Message;
use sha2::{Digest, Sha256};

use super::summary::permission;
use crate::engine::source::hex;
use crate::{
    bbolt::{self, ReadAt, View},
    domain::model::observations::rows::RowKey,
    etcd::{
        membership::{Id, Member},
        proto::{AlarmMember, Lease, Permission, Role, User},
        revision::RevisionKey,
        schema,
    },
};

/// A user as in etcd's `authpb.User`, with the fields that are compared and never shown.
#[derive(Clone, PartialEq, Eq, Message)]
struct Secret {
    /// The bcrypt hash.
    #[prost(bytes = "vec", tag = "2")]
    password: Vec<u8>,
    /// `UserAddOptions`, not decoded.
    #[prost(bytes = "vec", tag = "4")]
    options: Vec<u8>,
}

/// The result of [`read`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// The rows.
    pub rows: BTreeMap<RowKey, String>,
    /// `meta/consistent_index`; 0 if it is missing.
    pub consistent_index: u64,
}

/// Renders the roles of a user in one line.
pub fn roles_in_words(mut roles: Vec<String>) -> String {
    roles.sort();
    match roles.is_empty() {
        true => "no role".into(),
        false => roles.join(", "),
    }
}

/// Renders the permissions of a role in one line. Those of `root` are always the same, whatever is stored; 3.6 and
/// later generate them in the response.
pub fn permissions_in_words<'p>(role: &str, permissions: impl IntoIterator<Item = &'p Permission>) -> String {
    if role == "root" {
        return "everything".into();
    }
    let mut words: Vec<String> = permissions.into_iter().map(permission).collect();
    words.sort();
    match words.is_empty() {
        true => "nothing".into(),
        false => words.join(", "),
    }
}

/// Reads the rows of all buckets except `key` and `members_removed`.
///
/// # Errors
/// If a page cannot be read or a row does not have etcd's form; the sentence names the bucket.
pub fn read<R: ReadAt>(view: &View<R>) -> Result<Read, String> {
    let mut out = Read::default();
    let damaged = |e: bbolt::Error| e.to_string();
    for name in [schema::ALARM, schema::AUTH_ROLES, schema::AUTH_USERS, schema::CLUSTER, schema::LEASE, schema::MEMBERS]
    {
        let Some(bucket) = view.bucket(name).map_err(damaged)? else { continue };
        let mut rows = view.cursor(&bucket);
        while let Some(row) = rows.next().map_err(damaged)? {
            for (key, value) in decoded(name, row.key, row.value)
                .ok_or_else(|| format!("bucket {}: a row does not have etcd's form", String::from_utf8_lossy(name)))?
            {
                out.rows.insert(key, value);
            }
        }
    }
    let (mut enabled, mut revision) = (false, 0);
    if let Some(auth) = view.bucket(schema::AUTH).map_err(damaged)? {
        enabled = view.get(&auth, schema::AUTH_ENABLED).map_err(damaged)?.is_some_and(|row| row == [1]);
        revision = number(view.get(&auth, schema::AUTH_REVISION).map_err(damaged)?);
    }
    out.rows.insert(RowKey::AuthEnabled, enabled_in_words(enabled).into());
    out.rows.insert(RowKey::AuthRevision, revision.to_string());
    if let Some(meta) = view.bucket(schema::META).map_err(damaged)? {
        out.consistent_index = number(view.get(&meta, schema::CONSISTENT_INDEX).map_err(damaged)?);
        if let Some(row) = view.get(&meta, schema::SCHEDULED_COMPACT).map_err(damaged)? {
            let at = RevisionKey::parse(&row).ok_or("bucket meta: a compacted revision is not a revision")?;
            out.rows.insert(RowKey::Compacted, at.revision.main.to_string());
        }
    }
    Ok(out)
}

/// Returns `enabled` or `disabled`, the value of the row for authentication.
pub fn enabled_in_words(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}

fn number(row: Option<Vec<u8>>) -> u64 {
    row.and_then(|row| <[u8; 8]>::try_from(row.as_slice()).ok()).map_or(0, u64::from_be_bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Converts a row of one of the buckets into what is compared.
fn decoded(bucket: &[u8], key: &[u8], value: &[u8]) -> Option<Vec<(RowKey, String)>> {
    Some(match bucket {
        schema::LEASE => {
            let id = u64::from_be_bytes(key.try_into().ok()?);
            let lease = Lease::decode(value).ok()?;
            // the remaining time is local to each server before 3.6
            vec![(RowKey::Lease(id), String::new()), (RowKey::LeaseTtl(id), format!("{} s", lease.ttl))]
        }
        schema::AUTH_USERS => {
            let (user, secret) = (User::decode(value).ok()?, Secret::decode(value).ok()?);
            let digest = Sha256::new().chain_update(&secret.password).chain_update([0]).chain_update(&secret.options);
            let digest = hex(digest.finalize().get(..16)?);
            vec![(RowKey::User(text(key)), roles_in_words(user.roles)), (RowKey::Password(text(key)), digest)]
        }
        schema::AUTH_ROLES => {
            let role = Role::decode(value).ok()?;
            vec![(RowKey::Role(text(key)), permissions_in_words(&text(key), &role.permissions))]
        }
        schema::ALARM => vec![(RowKey::Alarm(AlarmMember::decode(key).ok()?.words()), String::new())],
        schema::MEMBERS => {
            let member = Member::from_json(value).ok()?;
            let mut urls = member.peer_urls.clone();
            urls.sort();
            let learner = if member.is_learner { ", learner" } else { "" };
            vec![(RowKey::Member(Id(member.id)), format!("{}{learner}", urls.join(",")))]
        }
        schema::CLUSTER if key == schema::CLUSTER_VERSION => vec![(RowKey::ClusterVersion, text(value))],
        schema::CLUSTER if key == schema::DOWNGRADE => vec![(RowKey::Downgrade, text(value))],
        _ => Vec::new(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_compared_and_not_shown() {
        // authpb.User: name, password, roles, options
        let row = |password: &str| {
            let mut out = vec![10, 3, b'a', b'n', b'n', 18, u8::try_from(password.len()).unwrap()];
            out.extend_from_slice(password.as_bytes());
            out.extend_from_slice(&[26, 1, b'r', 34, 0]);
            out
        };
        let of = |password: &str| decoded(schema::AUTH_USERS, b"ann", &row(password)).unwrap();
        assert_eq!(of("hush"), of("hush"));
        assert_eq!(of("hush").first(), of("other").first(), "name and roles are the same");
        assert_ne!(of("hush").last(), of("other").last());
        assert!(!format!("{:?}", of("hush")).contains("hush"));
    }

    #[test]
    fn the_rows_of_a_fixture() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/snapshots/3.4.23-lease.db");
        let view = View::open(std::fs::File::open(file).unwrap()).unwrap();
        let read = read(&view).unwrap();
        assert!(read.rows.keys().any(|row| matches!(row, RowKey::Lease(_))), "{read:?}");
        assert!(read.rows.keys().any(|row| matches!(row, RowKey::Member(_))), "{read:?}");
        assert_eq!(read.rows.get(&RowKey::AuthEnabled).map(String::as_str), Some("disabled"));
        assert!(read.consistent_index > 0);
    }
}
