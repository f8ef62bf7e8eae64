//! Every request that etcd 3.4 to 3.7 writes into a raft entry, decoded strictly: a field that is not known here is an
//! error, since whatever it means would be lost silently.
//!
//! Source: etcd `api/etcdserverpb/raft_internal.proto`, `rpc.proto`, `api/membershippb/membership.proto`,
//! `api/authpb/auth.proto`. Names and passwords are bytes: the servers up to 3.6 do not ask for UTF-8.

use std::fmt;

use prost::Message;

use super::decode::{Attributes, V2Request};
use crate::etcd::proto::Permission;

/// Who made a request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Header {
    /// The request's ID.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The user's name; empty without authentication.
    #[prost(bytes = "vec", tag = "2")]
    pub username: Vec<u8>,
    /// The auth revision at which the user's permissions were checked.
    #[prost(uint64, tag = "3")]
    pub auth_revision: u64,
}

/// `RangeRequest`, for its place in a transaction. The fields that only shape its answer are here so that it decodes strictly.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Range {
    /// The key, or where the range begins.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Where the range ends: empty for the one key, one zero byte for everything from `key` on.
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    #[prost(int64, tag = "3")]
    limit: i64,
    /// The revision to read at; 0 for the newest.
    #[prost(int64, tag = "4")]
    pub revision: i64,
    #[prost(int32, tag = "5")]
    sort_order: i32,
    #[prost(int32, tag = "6")]
    sort_target: i32,
    #[prost(bool, tag = "7")]
    serializable: bool,
    #[prost(bool, tag = "8")]
    keys_only: bool,
    #[prost(bool, tag = "9")]
    count_only: bool,
    #[prost(int64, tag = "10")]
    min_mod_revision: i64,
    #[prost(int64, tag = "11")]
    max_mod_revision: i64,
    #[prost(int64, tag = "12")]
    min_create_revision: i64,
    #[prost(int64, tag = "13")]
    max_create_revision: i64,
}

/// `PutRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Put {
    /// The key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Its new value.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
    /// The lease to attach it to; 0 for none.
    #[prost(int64, tag = "3")]
    pub lease: i64,
    /// Whether the answer has the previous row, for which the user must be allowed to read it.
    #[prost(bool, tag = "4")]
    pub prev_kv: bool,
    /// Whether the value stays as it is.
    #[prost(bool, tag = "5")]
    pub ignore_value: bool,
    /// Whether the lease stays as it is.
    #[prost(bool, tag = "6")]
    pub ignore_lease: bool,
}

/// `DeleteRangeRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeleteRange {
    /// The key, or where the range begins.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// Where the range ends, as in [`Range`].
    #[prost(bytes = "vec", tag = "2")]
    pub range_end: Vec<u8>,
    /// Whether the answer has the previous rows, for which the user must be allowed to read them.
    #[prost(bool, tag = "3")]
    pub prev_kv: bool,
}

/// `Compare`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Compare {
    /// 0 equal, 1 greater, 2 less, 3 not equal.
    #[prost(int32, tag = "1")]
    pub result: i32,
    /// 0 version, 1 create revision, 2 mod revision, 3 value, 4 lease.
    #[prost(int32, tag = "2")]
    pub target: i32,
    /// The key, or where the range begins.
    #[prost(bytes = "vec", tag = "3")]
    pub key: Vec<u8>,
    /// What to compare with.
    #[prost(oneof = "Operand", tags = "4, 5, 6, 7, 8")]
    pub operand: Option<Operand>,
    /// Where the range ends, as in [`Range`].
    #[prost(bytes = "vec", tag = "64")]
    pub range_end: Vec<u8>,
}

/// What a comparison compares with; zero or empty where it is of another kind than the target.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum Operand {
    /// The number of changes since the key was created.
    #[prost(int64, tag = "4")]
    Version(i64),
    /// The revision at which it was created.
    #[prost(int64, tag = "5")]
    Create(i64),
    /// The revision of its newest change.
    #[prost(int64, tag = "6")]
    Mod(i64),
    /// Its value.
    #[prost(bytes, tag = "7")]
    Value(Vec<u8>),
    /// Its lease.
    #[prost(int64, tag = "8")]
    Lease(i64),
}

/// `TxnRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Txn {
    /// The conditions, all of which must hold for the first branch.
    #[prost(message, repeated, tag = "1")]
    pub compare: Vec<Compare>,
    /// The first branch.
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<Op>,
    /// The other branch.
    #[prost(message, repeated, tag = "3")]
    pub failure: Vec<Op>,
}

/// `RequestOp`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Op {
    /// The operation; none in an empty one, which does nothing.
    #[prost(oneof = "OpRequest", tags = "1, 2, 3, 4")]
    pub request: Option<OpRequest>,
}

/// An operation of a transaction.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub enum OpRequest {
    /// A read.
    #[prost(message, tag = "1")]
    Range(Range),
    /// A put.
    #[prost(message, tag = "2")]
    Put(Put),
    /// A deletion.
    #[prost(message, tag = "3")]
    DeleteRange(DeleteRange),
    /// A transaction in it.
    #[prost(message, tag = "4")]
    Txn(Txn),
}

/// `CompactionRequest`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Compaction {
    /// The revision up to which superseded rows go.
    #[prost(int64, tag = "1")]
    pub revision: i64,
    #[prost(bool, tag = "2")]
    physical: bool,
}

/// `LeaseGrantRequest`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct LeaseGrant {
    /// Seconds to live.
    #[prost(int64, tag = "1")]
    pub ttl: i64,
    /// The lease's ID.
    #[prost(int64, tag = "2")]
    pub id: i64,
}

/// `LeaseRevokeRequest`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct LeaseRevoke {
    /// The lease's ID.
    #[prost(int64, tag = "1")]
    pub id: i64,
}

/// `LeaseCheckpointRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LeaseCheckpoints {
    /// The leases.
    #[prost(message, repeated, tag = "1")]
    pub checkpoints: Vec<LeaseCheckpoint>,
}

/// `LeaseCheckpoint`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct LeaseCheckpoint {
    /// The lease's ID.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// The seconds that it had left.
    #[prost(int64, tag = "2")]
    pub remaining_ttl: i64,
}

/// `AlarmRequest`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Alarm {
    /// 0 get, 1 activate, 2 deactivate.
    #[prost(int32, tag = "1")]
    pub action: i32,
    /// The member that raised it.
    #[prost(uint64, tag = "2")]
    pub member_id: u64,
    /// 0 none, 1 NOSPACE, 2 CORRUPT.
    #[prost(int32, tag = "3")]
    pub alarm: i32,
}

/// `AuthUserAddRequest`. A password is never part of the debug output.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct UserAdd {
    /// The user's name.
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
    /// The password itself, as 3.4 stores it.
    #[prost(bytes = "vec", tag = "2")]
    pub password: Vec<u8>,
    /// Whether the user has a password.
    #[prost(message, optional, tag = "3")]
    pub options: Option<UserOptions>,
    /// base64 of its bcrypt hash (3.5 and later).
    #[prost(bytes = "vec", tag = "4")]
    pub hashed: Vec<u8>,
}

/// `authpb.UserAddOptions`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct UserOptions {
    /// True for a user who is known by a certificate alone.
    #[prost(bool, tag = "1")]
    pub no_password: bool,
}

/// `AuthUserChangePasswordRequest`. A password is never part of the debug output.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct ChangePassword {
    /// The user's name.
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
    /// The password itself, as 3.4 stores it.
    #[prost(bytes = "vec", tag = "2")]
    pub password: Vec<u8>,
    /// base64 of its bcrypt hash (3.5 and later).
    #[prost(bytes = "vec", tag = "3")]
    pub hashed: Vec<u8>,
}

impl fmt::Debug for UserAdd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAdd").field("name", &self.name.escape_ascii().to_string()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ChangePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangePassword").field("name", &self.name.escape_ascii().to_string()).finish_non_exhaustive()
    }
}

/// A request with one name: `AuthUserDeleteRequest`, `AuthRoleAddRequest` and `AuthRoleDeleteRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Named {
    /// The user or role.
    #[prost(bytes = "vec", tag = "1")]
    pub name: Vec<u8>,
}

/// `AuthUserGrantRoleRequest` and `AuthUserRevokeRoleRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct UserRole {
    /// The user.
    #[prost(bytes = "vec", tag = "1")]
    pub user: Vec<u8>,
    /// The role.
    #[prost(bytes = "vec", tag = "2")]
    pub role: Vec<u8>,
}

/// `AuthRoleGrantPermissionRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GrantPermission {
    /// The role.
    #[prost(bytes = "vec", tag = "1")]
    pub role: Vec<u8>,
    /// The permission.
    #[prost(message, optional, tag = "2")]
    pub permission: Option<Permission>,
}

/// `AuthRoleRevokePermissionRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RevokePermission {
    /// The role.
    #[prost(bytes = "vec", tag = "1")]
    pub role: Vec<u8>,
    /// The key, or where the range begins.
    #[prost(bytes = "vec", tag = "2")]
    pub key: Vec<u8>,
    /// Where the range ends.
    #[prost(bytes = "vec", tag = "3")]
    pub range_end: Vec<u8>,
}

/// `ClusterVersionSetRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SetVersion {
    /// `3.6.0`.
    #[prost(string, tag = "1")]
    pub version: String,
}

/// `ClusterMemberAttrSetRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SetAttributes {
    /// The member's ID.
    #[prost(uint64, tag = "1")]
    pub member_id: u64,
    /// Its name and client URLs.
    #[prost(message, optional, tag = "2")]
    pub attributes: Option<Attributes>,
}

/// `DowngradeInfoSetRequest`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SetDowngrade {
    /// Whether a downgrade is under way.
    #[prost(bool, tag = "1")]
    pub enabled: bool,
    /// The version to go down to.
    #[prost(string, tag = "2")]
    pub version: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Nothing {}

/// `InternalRaftRequest`. What has no effect on the store stays undecoded.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
struct Internal {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, optional, tag = "2")]
    v2: Option<V2Request>,
    #[prost(bytes = "vec", optional, tag = "3")]
    range: Option<Vec<u8>>,
    #[prost(message, optional, tag = "4")]
    put: Option<Put>,
    #[prost(message, optional, tag = "5")]
    delete_range: Option<DeleteRange>,
    #[prost(message, optional, tag = "6")]
    txn: Option<Txn>,
    #[prost(message, optional, tag = "7")]
    compaction: Option<Compaction>,
    #[prost(message, optional, tag = "8")]
    lease_grant: Option<LeaseGrant>,
    #[prost(message, optional, tag = "9")]
    lease_revoke: Option<LeaseRevoke>,
    #[prost(message, optional, tag = "10")]
    alarm: Option<Alarm>,
    #[prost(message, optional, tag = "11")]
    lease_checkpoint: Option<LeaseCheckpoints>,
    #[prost(message, optional, tag = "100")]
    header: Option<Header>,
    #[prost(message, optional, tag = "1000")]
    auth_enable: Option<Nothing>,
    #[prost(message, optional, tag = "1011")]
    auth_disable: Option<Nothing>,
    #[prost(bytes = "vec", optional, tag = "1012")]
    authenticate: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "1013")]
    auth_status: Option<Vec<u8>>,
    #[prost(message, optional, tag = "1100")]
    user_add: Option<UserAdd>,
    #[prost(message, optional, tag = "1101")]
    user_delete: Option<Named>,
    #[prost(bytes = "vec", optional, tag = "1102")]
    user_get: Option<Vec<u8>>,
    #[prost(message, optional, tag = "1103")]
    user_change_password: Option<ChangePassword>,
    #[prost(message, optional, tag = "1104")]
    user_grant_role: Option<UserRole>,
    #[prost(message, optional, tag = "1105")]
    user_revoke_role: Option<UserRole>,
    #[prost(bytes = "vec", optional, tag = "1106")]
    user_list: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "1107")]
    role_list: Option<Vec<u8>>,
    #[prost(message, optional, tag = "1200")]
    role_add: Option<Named>,
    #[prost(message, optional, tag = "1201")]
    role_delete: Option<Named>,
    #[prost(bytes = "vec", optional, tag = "1202")]
    role_get: Option<Vec<u8>>,
    #[prost(message, optional, tag = "1203")]
    role_grant_permission: Option<GrantPermission>,
    #[prost(message, optional, tag = "1204")]
    role_revoke_permission: Option<RevokePermission>,
    #[prost(message, optional, tag = "1300")]
    cluster_version_set: Option<SetVersion>,
    #[prost(message, optional, tag = "1301")]
    cluster_member_attr_set: Option<SetAttributes>,
    #[prost(message, optional, tag = "1302")]
    downgrade_info_set: Option<SetDowngrade>,
    #[prost(bytes = "vec", optional, tag = "9900")]
    downgrade_version_test: Option<Vec<u8>>,
}

/// What an entry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the request that its content is named after")]
pub enum Action {
    Put(Put),
    DeleteRange(DeleteRange),
    Txn(Txn),
    Compaction(Compaction),
    LeaseGrant(LeaseGrant),
    LeaseRevoke(LeaseRevoke),
    LeaseCheckpoint(LeaseCheckpoints),
    Alarm(Alarm),
    AuthEnable,
    AuthDisable,
    UserAdd(UserAdd),
    UserDelete(Named),
    UserChangePassword(ChangePassword),
    UserGrantRole(UserRole),
    UserRevokeRole(UserRole),
    RoleAdd(Named),
    RoleDelete(Named),
    RoleGrantPermission(GrantPermission),
    RoleRevokePermission(RevokePermission),
    ClusterVersion(SetVersion),
    Attributes(SetAttributes),
    Downgrade(SetDowngrade),
    V2(V2Request),
    /// A read, a login or a test: nothing changes.
    Read,
}

/// The request of a normal entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who made it; `None` in a request to the v2 store, and of etcd before 3.0.
    pub header: Option<Header>,
    /// What it asks for.
    pub action: Action,
}

/// Why the data of an entry is not a request that etcd 3.4 to 3.7 writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// It does not decode.
    #[error("it is not a request of etcd 3.4 to 3.7")]
    NotARequest,
    /// It has fields of a later version.
    #[error("it has fields that etcd 3.4 to 3.7 does not have")]
    Fields,
    /// No request is set in it.
    #[error("it holds no request of etcd 3.4 to 3.7")]
    Empty,
}

impl Request {
    /// Reads the data of a normal entry that is not empty.
    ///
    /// # Errors
    /// If it is not a request, or not completely known here.
    pub fn decode(data: &[u8]) -> Result<Request, Unknown> {
        let Ok(internal) = Internal::decode(data) else {
            // The method of a request to the v2 store is not a message, so the two cannot be confused.
            let request = V2Request::decode(data).map_err(|_| Unknown::NotARequest)?;
            return Ok(Request { header: None, action: Action::V2(request) });
        };
        // Fields that are not known are not encoded again. A request to the v2 store has such that no server uses.
        if internal.v2.is_none() && internal.encoded_len() != data.len() {
            return Err(Unknown::Fields);
        }
        let header = internal.header.clone();
        internal.action().map(|action| Request { header, action }).ok_or(Unknown::Empty)
    }
}

impl Internal {
    /// Picks the request in the order of the servers' dispatchers.
    fn action(self) -> Option<Action> {
        if let Some(request) = self.v2 {
            return Some(Action::V2(request));
        }
        let reads = [self.authenticate, self.auth_status, self.user_get, self.user_list, self.role_list, self.role_get];
        let first = self.cluster_version_set.map(Action::ClusterVersion);
        let first = first.or(self.cluster_member_attr_set.map(Action::Attributes));
        let first = first.or(self.downgrade_info_set.map(Action::Downgrade));
        let first = first.or(self.downgrade_version_test.or(self.range).map(|_| Action::Read));
        let first = first.or(self.put.map(Action::Put)).or(self.delete_range.map(Action::DeleteRange));
        let first = first.or(self.txn.map(Action::Txn)).or(self.compaction.map(Action::Compaction));
        let first = first.or(self.lease_grant.map(Action::LeaseGrant)).or(self.lease_revoke.map(Action::LeaseRevoke));
        let first = first.or(self.lease_checkpoint.map(Action::LeaseCheckpoint)).or(self.alarm.map(Action::Alarm));
        let first = first.or(self.auth_enable.map(|_| Action::AuthEnable));
        let first = first.or(self.auth_disable.map(|_| Action::AuthDisable));
        let first = first.or(self.user_add.map(Action::UserAdd)).or(self.user_delete.map(Action::UserDelete));
        let first = first.or(self.user_change_password.map(Action::UserChangePassword));
        let first = first.or(self.user_grant_role.map(Action::UserGrantRole));
        let first = first.or(self.user_revoke_role.map(Action::UserRevokeRole));
        let first = first.or(self.role_add.map(Action::RoleAdd)).or(self.role_delete.map(Action::RoleDelete));
        let first = first.or(self.role_grant_permission.map(Action::RoleGrantPermission));
        let first = first.or(self.role_revoke_permission.map(Action::RoleRevokePermission));
        first.or(reads.into_iter().flatten().next().map(|_| Action::Read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_of_real_servers_decode() {
        // A put of key "a" as etcd 3.5 writes it.
        let put = Request::decode(b"\x22\x06\x0a\x01a\x12\x01b\xa2\x06\x02\x08\x07").unwrap();
        assert_eq!(put.header.unwrap().id, 7);
        assert!(matches!(put.action, Action::Put(put) if put.key == b"a" && put.value == b"b"));
        let v2 = V2Request { id: 7, method: "PUT".into(), path: "/0/version".into(), ..V2Request::default() };
        assert!(matches!(Request::decode(&v2.encode_to_vec()).unwrap().action, Action::V2(read) if read == v2));
        // A read of key "a".
        assert_eq!(Request::decode(b"\x1a\x03\x0a\x01a\xa2\x06\x02\x08\x07").unwrap().action, Action::Read);
        // auth_enable
        assert_eq!(Request::decode(b"\xa2\x06\x02\x08\x07\xc2\x3e\x00").unwrap().action, Action::AuthEnable);
    }

    #[test]
    fn fields_of_a_later_version_are_refused() {
        let put = b"\x22\x03\x0a\x01a\xa2\x06\x02\x08\x07";
        let cases: [(&[u8], Unknown); 5] = [
            // field 7 of a put, field 12 and field 2000 of the request
            (b"\x22\x05\x0a\x01a\x38\x01\xa2\x06\x02\x08\x07", Unknown::Fields),
            (b"\x22\x03\x0a\x01a\x60\x01\xa2\x06\x02\x08\x07", Unknown::Fields),
            (b"\x22\x03\x0a\x01a\xa2\x06\x02\x08\x07\x80\x7d\x01", Unknown::Fields),
            (b"\xa2\x06\x02\x08\x07", Unknown::Empty),
            (b"\xff\xff\xff", Unknown::NotARequest),
        ];
        assert!(Request::decode(put).is_ok());
        for (data, why) in cases {
            assert_eq!(Request::decode(data), Err(why), "{}", data.escape_ascii());
        }
        // in an operation of a transaction of a transaction
        let inner = Txn { success: vec![Op { request: Some(OpRequest::Put(Put::default())) }], ..Txn::default() };
        let outer = Txn { failure: vec![Op { request: Some(OpRequest::Txn(inner)) }], ..Txn::default() };
        let data = Internal { txn: Some(outer), ..Internal::default() }.encode_to_vec();
        assert!(matches!(Request::decode(&data).unwrap().action, Action::Txn(_)));
        // the innermost put gets field 9; all lengths around it grow by two
        let mut more: Vec<u8> = data.clone();
        more.extend([0x48, 1]);
        for length in more.iter_mut().take(10).skip(1).step_by(2) {
            *length += 2;
        }
        assert_eq!(Request::decode(&more), Err(Unknown::Fields), "{}", more.escape_ascii());
    }

    #[test]
    fn passwords_are_not_in_debug_output() {
        let (name, password) = (b"alice".to_vec(), b"hunter2".to_vec());
        let add = UserAdd { name: name.clone(), password: password.clone(), hashed: password.clone(), options: None };
        let change = ChangePassword { name, password: password.clone(), hashed: password };
        for text in [format!("{:?}", Action::UserAdd(add)), format!("{:?}", Action::UserChangePassword(change))] {
            assert!(text.contains("alice") && !text.contains("hunter2") && !text.contains("104, 117"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_value(bytes: Vec<u8>, flip: usize, bit in 0u8..8) {
            let _ = Request::decode(&bytes);
            let mut near = b"\x32\x1b\x0a\x0a\x10\x01\x1a\x01k:\x01v\x08\x02\x12\x07\x12\x05\x0a\x01a\x12\x00\x1a\x04\x1a\x02\x0a\x00\xa2\x06\x02\x08\x07".to_vec();
            let at = flip % near.len();
            near[at] ^= 1 << bit;
            let _ = Request::decode(&near);
        }
    }
}
