//! The state that etcd's servers keep in their database, and what each entry of a log does to it: the same as in etcd, row
//! for row, or an error.
//!
//! A replay follows what a member does that is started on these files: every entry without a waiting client. Where patch releases
//! differ, or flags that no file records, and an entry depends on it, that is noted as a [`Doubt`].
//!
//! Source: etcd `server/etcdserver/server.go` (`applyEntryNormal`), `apply/*.go` (3.6, 3.7), `apply.go`, `apply_auth.go`
//! (3.4, 3.5), `server/lease/lessor.go`, `server/auth/store.go`.

pub mod alarms;
pub mod auth;
pub mod buckets;
pub mod kv;
pub mod leases;
pub mod membership;
pub mod permissions;

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use self::{alarms::Applier, buckets::Buckets, leases::Leases, permissions::Permissions};
use super::store::{Store, StoreError};
use crate::{
    etcd::{
        raft_request::request::{Action, Header, Request},
        schema,
        version::Minor,
    },
    raft::message::Entry,
};

/// What the files do not record and a replay must assume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The minor version of the etcd that wrote the log.
    pub minor: Minor,
    /// Its patch release, where the operator says it.
    pub patch: Option<u32>,
    /// The least TTL of a lease in seconds: 1.5 times the election timeout, rounded up.
    pub least_ttl: i64,
    /// Whether remaining TTLs were stored before 3.6, where a flag decides.
    pub persist_checkpoints: bool,
}

impl Rules {
    /// The rules of a version with its default flags.
    pub fn new(minor: Minor) -> Rules {
        Rules { minor, patch: None, least_ttl: 2, persist_checkpoints: false }
    }

    /// The patch release to follow: the newest, but of 3.4 one from before its last few, which nearly all that run are.
    fn release(&self) -> u32 {
        self.patch.unwrap_or(if self.minor == Minor::V3_4 { 41 } else { u32::MAX - 1 })
    }

    /// Whether a change that came with these patch releases of 3.4 to 3.7 is followed.
    fn since(&self, first: [u32; 4]) -> bool {
        let at = Minor::ALL.iter().position(|minor| *minor == self.minor);
        at.and_then(|at| first.get(at)).is_some_and(|first| self.release() >= *first)
    }

    /// Whether transactions in transactions are checked for permissions.
    pub(in crate::engine::salvage) fn checks_nested(&self) -> bool {
        self.since([42, 28, 9, 0])
    }

    /// Whether lease and previous row of a put in a transaction are checked for permissions.
    pub(in crate::engine::salvage) fn checks_puts_in_txns(&self) -> bool {
        self.since([44, 30, 11, 0])
    }

    /// Whether puts in nested transactions count while space is short.
    pub(in crate::engine::salvage) fn counts_nested_puts(&self) -> bool {
        self.since([u32::MAX, 33, 14, 1])
    }

    /// Whether root may end any lease, whatever the auth revision of its request.
    pub(in crate::engine::salvage) fn root_ends_leases(&self) -> bool {
        self.since([27, 10, 0, 0])
    }
}

/// Why an entry had no effect, as in etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A NOSPACE alarm was raised.
    NoSpace,
    /// A CORRUPT alarm was raised.
    Corrupt,
    /// No user was given.
    NoUser,
    /// The user's permissions changed after the request was checked.
    OldAuthRevision,
    /// The user may not.
    PermissionDenied,
    /// There is no such lease.
    LeaseNotFound,
    /// There is such a lease already.
    LeaseExists,
    /// The TTL is longer than any.
    LeaseTtl,
    /// `ignore_value` or `ignore_lease` of a key that does not exist.
    KeyNotFound,
    /// The revision is compacted.
    Compacted,
    /// The revision was not reached yet.
    FutureRevision,
    /// A user or role that does not exist, exists already, or may not be changed so.
    Auth,
    /// A change of members that does not fit them.
    Membership,
}

/// What an entry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It changed the store.
    Changed,
    /// It was accepted and changed nothing.
    Unchanged,
    /// etcd refuses it, in every member alike.
    Refused(Refusal),
}

/// The kind of an entry, for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(pub &'static str);

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0)
    }
}

/// What the result of a replay depends on and no file records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Patch releases differ in what they check of a transaction's operations.
    TxnPermissions,
    /// Up to 3.6 the member with the client refuses a transaction that reads at a revision out of range, and the others apply it.
    Reads,
    /// Patch releases differ in whether root's outdated requests may end a lease.
    RootLease,
    /// Patch releases differ in whether puts in nested transactions count when space is short.
    NestedPuts,
    /// 3.4 and 3.5 stop checking permissions while an alarm that was raised at run time lasts.
    UncheckedWhileAlarmed,
    /// A flag decides whether remaining TTLs are stored.
    Checkpoints,
    /// A flag decides how many learners there may be.
    Learners,
    /// The password is hashed again, with another salt than in other members.
    PasswordRehashed,
    /// An attribute of a member that is not known.
    UnknownMember,
    /// A lease's TTL at the lower bound, which the election timeout decides.
    LeastTtl,
}

/// The doubts met, each with the first entry and how many.
pub type Doubts = BTreeMap<Doubt, (u64, u64)>;

/// Why an entry cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entry is not one that can be replayed, as a clause.
    #[error("{0}")]
    Entry(String),
}

/// The state of a member.
pub struct State {
    /// What is assumed.
    pub rules: Rules,
    /// Bucket `key`.
    pub store: Store,
    /// Bucket `lease`.
    pub leases: Leases,
    /// The small buckets.
    pub buckets: Buckets,
    /// What was met that no file decides.
    pub doubts: Doubts,
    applier: Applier,
    permissions: Permissions,
    /// The entry being applied.
    index: u64,
}

impl State {
    /// Begins with what a database holds.
    pub fn new(rules: Rules, store: Store, leases: Leases, mut buckets: Buckets) -> State {
        // A server does this at its start.
        if buckets.number(schema::AUTH, schema::AUTH_REVISION).unwrap_or(0) == 0 {
            buckets.put(schema::AUTH, schema::AUTH_REVISION, &1u64.to_be_bytes());
        }
        let applier = Applier::restored(&buckets);
        let (doubts, permissions) = (Doubts::default(), Permissions::default());
        State { rules, store, leases, buckets, doubts, applier, permissions, index: 0 }
    }

    /// Applies an entry; returns its kind and what it did.
    ///
    /// # Errors
    /// If the store fails, or the entry is not one that etcd 3.4 to 3.7 writes.
    pub fn apply(&mut self, entry: &Entry) -> Result<(Kind, Outcome), ApplyError> {
        self.index = entry.index.unwrap_or_default();
        let data = entry.data.as_deref().unwrap_or_default();
        match entry.kind.unwrap_or_default() {
            1 => Ok((Kind("conf_change"), self.conf_change(data)?)),
            0 if data.is_empty() => Ok((Kind("empty"), Outcome::Unchanged)),
            0 => {
                let request = Request::decode(data).map_err(|why| ApplyError::Entry(why.to_string()))?;
                let kind = kind(&request.action);
                Ok((kind, self.request(request)?))
            }
            kind => Err(ApplyError::Entry(format!("its type is {kind}, which etcd 3.4 to 3.7 never writes"))),
        }
    }

    fn request(&mut self, request: Request) -> Result<Outcome, ApplyError> {
        let Request { header, action } = request;
        match action {
            Action::V2(request) => return self.v2(&request),
            Action::ClusterVersion(set) => return self.set_version(&set.version),
            Action::Attributes(set) => {
                let attributes = set.attributes.unwrap_or_default();
                return Ok(self.set_attributes(set.member_id, attributes.name, attributes.client_urls));
            }
            Action::Downgrade(set) => return Ok(self.set_downgrade(set.enabled, &set.version)),
            Action::Read => return Ok(Outcome::Unchanged),
            _ => {}
        }
        if let Some(refusal) = self.alarmed(&action) {
            return Ok(Outcome::Refused(refusal));
        }
        let who = header.unwrap_or_default();
        if let Some(refusal) = self.not_permitted(&who, &action)? {
            return Ok(Outcome::Refused(refusal));
        }
        self.permitted(action)
    }

    /// Applies a request that neither an alarm nor a lack of permissions refuses.
    fn permitted(&mut self, action: Action) -> Result<Outcome, ApplyError> {
        match action {
            Action::Put(put) => self.put(&put),
            Action::DeleteRange(delete) => self.delete_range(&delete),
            Action::Txn(txn) => self.txn(txn),
            Action::Compaction(compaction) => Ok(self.compact(compaction.revision)),
            Action::LeaseGrant(grant) => Ok(self.grant(grant.id, grant.ttl)),
            Action::LeaseRevoke(revoke) => self.revoke(revoke.id),
            Action::LeaseCheckpoint(checkpoints) => Ok(self.checkpoint(&checkpoints)),
            Action::Alarm(alarm) => Ok(self.alarm(alarm)),
            Action::AuthEnable => Ok(self.auth_enable()),
            Action::AuthDisable => Ok(self.auth_disable()),
            Action::UserAdd(add) => self.user_add(add),
            Action::UserDelete(user) => Ok(self.user_delete(&user.name)),
            Action::UserChangePassword(change) => self.user_change_password(change),
            Action::UserGrantRole(grant) => Ok(self.user_grant_role(&grant.user, &grant.role)),
            Action::UserRevokeRole(revoke) => Ok(self.user_revoke_role(&revoke.user, &revoke.role)),
            Action::RoleAdd(role) => Ok(self.role_add(&role.name)),
            Action::RoleDelete(role) => Ok(self.role_delete(&role.name)),
            Action::RoleGrantPermission(grant) => self.role_grant_permission(grant),
            Action::RoleRevokePermission(revoke) => Ok(self.role_revoke_permission(&revoke)),
            Action::ClusterVersion(_) | Action::Attributes(_) | Action::Downgrade(_) | Action::V2(_) | Action::Read => {
                Ok(Outcome::Unchanged)
            }
        }
    }

    fn compact(&mut self, revision: i64) -> Outcome {
        if revision <= self.store.compacted() {
            return Outcome::Refused(Refusal::Compacted);
        }
        if !self.store.compact(revision) {
            return Outcome::Refused(Refusal::FutureRevision);
        }
        // The server deletes the rows at its start; a compaction that is scheduled and not finished is resumed.
        let row = crate::etcd::revision::Revision { main: revision, sub: 0 }.to_bytes();
        self.buckets.put(schema::META, schema::SCHEDULED_COMPACT, &row);
        Outcome::Changed
    }

    /// Notes a doubt that the patch release would decide.
    fn patch_doubt(&mut self, doubt: Doubt) {
        if self.rules.patch.is_none() {
            self.doubt(doubt);
        }
    }

    /// Notes a doubt about the entry being applied.
    fn doubt(&mut self, doubt: Doubt) {
        let (_, count) = self.doubts.entry(doubt).or_insert((self.index, 0));
        *count = count.saturating_add(1);
    }

    /// Records the last entry that was applied.
    pub fn applied(&mut self, index: u64, term: u64) {
        self.buckets.put(schema::META, schema::CONSISTENT_INDEX, &index.to_be_bytes());
        if self.rules.minor >= Minor::V3_5 || self.buckets.get(schema::META, schema::TERM).is_some() {
            self.buckets.put(schema::META, schema::TERM, &term.to_be_bytes());
        }
    }
}

/// Who made a request: the name, and the auth revision of its check.
type Who = Header;

/// Returns the kind of a request.
fn kind(action: &Action) -> Kind {
    Kind(match action {
        Action::Put(_) => "put",
        Action::DeleteRange(_) => "delete_range",
        Action::Txn(_) => "txn",
        Action::Compaction(_) => "compaction",
        Action::LeaseGrant(_) => "lease_grant",
        Action::LeaseRevoke(_) => "lease_revoke",
        Action::LeaseCheckpoint(_) => "lease_checkpoint",
        Action::Alarm(_) => "alarm",
        Action::AuthEnable => "auth_enable",
        Action::AuthDisable => "auth_disable",
        Action::UserAdd(_) => "user_add",
        Action::UserDelete(_) => "user_delete",
        Action::UserChangePassword(_) => "user_change_password",
        Action::UserGrantRole(_) => "user_grant_role",
        Action::UserRevokeRole(_) => "user_revoke_role",
        Action::RoleAdd(_) => "role_add",
        Action::RoleDelete(_) => "role_delete",
        Action::RoleGrantPermission(_) => "role_grant_permission",
        Action::RoleRevokePermission(_) => "role_revoke_permission",
        Action::ClusterVersion(_) => "cluster_version",
        Action::Attributes(_) => "member_attributes",
        Action::Downgrade(_) => "downgrade",
        Action::V2(_) => "v2",
        Action::Read => "read",
    })
}

/// Returns whether a kind of entry changes keys: each makes one revision at most.
pub fn writes(kind: Kind) -> bool {
    matches!(kind.0, "put" | "delete_range" | "txn" | "lease_revoke")
}
