//! Permissions of users, which servers check at every entry while authentication is enabled.
//!
//! Source: etcd `server/auth/range_perm_cache.go`, `store.go` (`isOpPermitted`, `IsAdminPermitted`), `pkg/adt/interval_tree.go`,
//! `server/etcdserver/apply/auth.go`.

use std::{cmp::Ordering, collections::BTreeMap};

use prost::Message;

use super::{
    ApplyError, Doubt, Refusal, State, Who,
    auth::{ROOT, User},
    kv::drop_ranges,
};
use crate::etcd::{
    proto::Role,
    raft_request::request::{Action, Op, OpRequest, Put, Txn},
    schema,
    version::Minor,
};

/// A range of keys; an empty end is after every key.
type Interval = (Vec<u8>, Vec<u8>);

/// What a user may read and write, merged over its roles and sorted.
#[derive(Debug, Default)]
struct Merged {
    read: Vec<Interval>,
    write: Vec<Interval>,
}

/// The merged permissions of users, until something changes them.
#[derive(Debug, Default)]
pub(super) struct Permissions(BTreeMap<Vec<u8>, Merged>);

impl Permissions {
    /// Forgets them, after a change of a user or role.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// What a patch release checks of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checks {
    /// Transactions in it.
    nested: bool,
    /// Lease and previous row of its puts.
    puts: bool,
}

impl State {
    fn auth_enabled(&self) -> bool {
        self.buckets.get(schema::AUTH, schema::AUTH_ENABLED).is_some_and(|row| row == &[1])
    }

    /// Returns why the user may not make a request, if so.
    pub(super) fn not_permitted(&mut self, who: &Who, action: &Action) -> Result<Option<Refusal>, ApplyError> {
        if !self.auth_enabled() {
            return Ok(None);
        }
        if !self.applier.checks_permissions {
            self.doubt(Doubt::UncheckedWhileAlarmed);
            return Ok(None);
        }
        match action {
            Action::AuthEnable
            | Action::AuthDisable
            | Action::UserAdd(_)
            | Action::UserDelete(_)
            | Action::UserChangePassword(_)
            | Action::UserGrantRole(_)
            | Action::UserRevokeRole(_)
            | Action::RoleAdd(_)
            | Action::RoleDelete(_)
            | Action::RoleGrantPermission(_)
            | Action::RoleRevokePermission(_) => Ok(self.not_admin(who)),
            Action::Put(put) => self.put_refused(who, put),
            Action::DeleteRange(delete) => {
                let write = self.refused(who, &delete.key, &delete.range_end, Access::Write);
                Ok(write.or_else(|| match delete.prev_kv {
                    true => self.refused(who, &delete.key, &delete.range_end, Access::Read),
                    false => None,
                }))
            }
            Action::Txn(whole) => {
                let mut txn = whole.clone();
                if self.rules.minor < Minor::V3_7 {
                    drop_ranges(&mut txn);
                }
                let checks = Checks { nested: self.rules.checks_nested(), puts: self.rules.checks_puts_in_txns() };
                let own = self.txn_refused(who, &txn, checks)?;
                let all = Checks { nested: true, puts: true };
                let least = Checks { nested: false, puts: false };
                if self.txn_refused(who, &txn, all)?.is_some() != self.txn_refused(who, &txn, least)?.is_some() {
                    self.patch_doubt(Doubt::TxnPermissions);
                }
                if own.is_none() && self.txn_refused(who, whole, checks)?.is_some() {
                    self.doubt(Doubt::Reads);
                }
                Ok(own)
            }
            Action::LeaseRevoke(revoke) => {
                let refused = self.lease_refused(who, revoke.id)?;
                if refused.is_none()
                    && who.auth_revision < self.auth_revision()
                    && !self.lease_keys(revoke.id)?.is_empty()
                {
                    self.patch_doubt(Doubt::RootLease);
                }
                Ok(refused)
            }
            _ => Ok(None),
        }
    }

    /// Returns why a user may not administer users and roles; the auth revision is not looked at.
    fn not_admin(&self, who: &Who) -> Option<Refusal> {
        if who.username.is_empty() {
            return Some(Refusal::NoUser);
        }
        (!self.user(&who.username).is_some_and(|user| user.has_root_role())).then_some(Refusal::PermissionDenied)
    }

    fn put_refused(&mut self, who: &Who, put: &Put) -> Result<Option<Refusal>, ApplyError> {
        if let Some(refusal) = self.refused(who, &put.key, b"", Access::Write) {
            return Ok(Some(refusal));
        }
        if let Some(refusal) = self.lease_refused(who, put.lease)? {
            return Ok(Some(refusal));
        }
        Ok(if put.prev_kv { self.refused(who, &put.key, b"", Access::Read) } else { None })
    }

    /// A user may attach a key to a lease, and end it, only with the right to write all its keys.
    fn lease_refused(&mut self, who: &Who, lease: i64) -> Result<Option<Refusal>, ApplyError> {
        if !self.leases.exists(lease) || (self.rules.root_ends_leases() && self.not_admin(who).is_none()) {
            return Ok(None);
        }
        for key in self.lease_keys(lease)? {
            if let Some(refusal) = self.refused(who, &key, b"", Access::Write) {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    fn txn_refused(&mut self, who: &Who, txn: &Txn, checks: Checks) -> Result<Option<Refusal>, ApplyError> {
        for compare in &txn.compare {
            if let Some(refusal) = self.refused(who, &compare.key, &compare.range_end, Access::Read) {
                return Ok(Some(refusal));
            }
        }
        for op in txn.success.iter().chain(&txn.failure) {
            if let Some(refusal) = self.op_refused(who, op, checks)? {
                return Ok(Some(refusal));
            }
        }
        Ok(None)
    }

    fn op_refused(&mut self, who: &Who, op: &Op, checks: Checks) -> Result<Option<Refusal>, ApplyError> {
        match &op.request {
            Some(OpRequest::Range(range)) => Ok(self.refused(who, &range.key, &range.range_end, Access::Read)),
            Some(OpRequest::Put(put)) if checks.puts => self.put_refused(who, put),
            Some(OpRequest::Put(put)) => Ok(self.refused(who, &put.key, b"", Access::Write)),
            Some(OpRequest::DeleteRange(delete)) => {
                let read = match delete.prev_kv {
                    true => self.refused(who, &delete.key, &delete.range_end, Access::Read),
                    false => None,
                };
                Ok(read.or_else(|| self.refused(who, &delete.key, &delete.range_end, Access::Write)))
            }
            Some(OpRequest::Txn(inner)) if checks.nested => self.txn_refused(who, inner, checks),
            Some(OpRequest::Txn(_)) | None => Ok(None),
        }
    }

    /// Returns why a user has no access to a range.
    fn refused(&mut self, who: &Who, key: &[u8], range_end: &[u8], access: Access) -> Option<Refusal> {
        if who.auth_revision == 0 {
            return Some(Refusal::NoUser);
        }
        if who.auth_revision < self.auth_revision() {
            return Some(Refusal::OldAuthRevision);
        }
        let Some(user) = self.user(&who.username) else { return Some(Refusal::PermissionDenied) };
        if user.has_root_role() {
            return None;
        }
        if !self.permissions.0.contains_key(&who.username) {
            let merged = self.merged(&user);
            self.permissions.0.insert(who.username.clone(), merged);
        }
        let merged = self.permissions.0.get(&who.username);
        let permitted = merged.is_some_and(|merged| {
            let own = if access == Access::Read { &merged.read } else { &merged.write };
            match range_end {
                [] => own.iter().any(|own| order(&point(key), own) == Ordering::Equal),
                [0] => contains(own, &(key.to_vec(), Vec::new())),
                end => contains(own, &(key.to_vec(), end.to_vec())),
            }
        });
        (!permitted).then_some(Refusal::PermissionDenied)
    }

    fn merged(&self, user: &User) -> Merged {
        let mut merged = Merged::default();
        for role in &user.roles {
            let row = self.buckets.get(schema::AUTH_ROLES, role);
            let Some(role) = row.and_then(|row| Role::decode(&**row).ok()) else { continue };
            for permission in role.permissions {
                let interval = match permission.range_end.as_slice() {
                    [] => point(&permission.key),
                    [0] => (permission.key, Vec::new()),
                    end => (permission.key, end.to_vec()),
                };
                match permission.kind {
                    0 => merged.read.push(interval),
                    1 => merged.write.push(interval),
                    2 => {
                        merged.read.push(interval.clone());
                        merged.write.push(interval);
                    }
                    _ => {}
                }
            }
        }
        for intervals in [&mut merged.read, &mut merged.write] {
            intervals.sort_by(|a, b| bound(&a.0, &b.0));
        }
        merged
    }
}

impl User {
    pub(super) fn has_root_role(&self) -> bool {
        self.roles.iter().any(|role| role == ROOT)
    }
}

/// The interval of one key.
fn point(key: &[u8]) -> Interval {
    (key.to_vec(), [key, &[0]].concat())
}

/// Compares two bounds: an empty one is after all others.
fn bound(a: &[u8], b: &[u8]) -> Ordering {
    a.is_empty().cmp(&b.is_empty()).then_with(|| a.cmp(b))
}

/// Compares two intervals: less if `a` is left of `b`, equal if they overlap.
fn order(a: &Interval, b: &Interval) -> Ordering {
    if bound(&a.0, &b.0) == Ordering::Less && bound(&a.1, &b.0) != Ordering::Greater {
        return Ordering::Less;
    }
    if bound(&a.0, &b.1) == Ordering::Less { Ordering::Equal } else { Ordering::Greater }
}

/// Returns whether sorted intervals together cover `wanted`.
fn contains(intervals: &[Interval], wanted: &Interval) -> bool {
    let mut overlapping = intervals.iter().filter(|own| order(wanted, own) == Ordering::Equal);
    let Some((begin, mut end)) = overlapping.next().map(|first| (&first.0, &first.1)) else { return false };
    for next in overlapping {
        if bound(end, &next.0) == Ordering::Less {
            return false;
        }
        if bound(&next.1, end) == Ordering::Greater {
            end = &next.1;
        }
    }
    bound(end, &wanted.1) != Ordering::Less && bound(begin, &wanted.0) != Ordering::Greater
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(from: &str, end: &str) -> Interval {
        (from.into(), end.into())
    }

    #[test]
    fn intervals_cover_a_range_together() {
        let own = [interval("a", "c"), interval("c", "f"), interval("g", "")];
        for (from, end, covered) in [
            ("a", "c", true),
            ("a", "f", true),
            ("b", "e", true),
            ("a", "g", false),
            ("f", "g", false),
            ("0", "b", false),
            ("h", "", true),
            ("e", "", false),
            ("g", "z", true),
        ] {
            assert_eq!(contains(&own, &interval(from, end)), covered, "{from}..{end}");
        }
        for (key, inside) in [("a", true), ("b\u{0}", true), ("f", false), ("zzz", true), ("0", false)] {
            let any = own.iter().any(|own| order(&point(key.as_bytes()), own) == Ordering::Equal);
            assert_eq!(any, inside, "{key}");
        }
    }
}
