//! Users, roles and whether authentication is enabled.
//!
//! Source: etcd `server/auth/store.go`, 3.4 `auth/store.go`.

use base64::{Engine, prelude::BASE64_STANDARD};
use prost::Message;

use super::{ApplyError, Doubt, Outcome, Refusal, State};
use crate::etcd::{
    proto::{Permission, Role},
    raft_request::request::{ChangePassword, GrantPermission, RevokePermission, UserAdd, UserOptions},
    schema,
    version::Minor,
};

/// The user and the role of this name may do everything.
pub(super) const ROOT: &[u8] = b"root";

/// The work factor of bcrypt in etcd, unless `--bcrypt-cost` sets another.
const COST: u32 = 10;

/// `authpb.User`: a row of the `authUsers` bucket. The password's hash is never part of the debug output.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub(super) struct User {
    #[prost(bytes = "vec", tag = "1")]
    name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    password: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub(super) roles: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "4")]
    options: Option<UserOptions>,
}

impl State {
    pub(super) fn auth_revision(&self) -> u64 {
        self.buckets.number(schema::AUTH, schema::AUTH_REVISION).unwrap_or(0)
    }

    pub(super) fn user(&self, name: &[u8]) -> Option<User> {
        User::decode(&**self.buckets.get(schema::AUTH_USERS, name)?).ok()
    }

    fn role(&self, name: &[u8]) -> Option<Role> {
        Role::decode(&**self.buckets.get(schema::AUTH_ROLES, name)?).ok()
    }

    fn enabled(&self) -> bool {
        self.buckets.get(schema::AUTH, schema::AUTH_ENABLED).is_some_and(|row| row == &[1])
    }

    fn put_user(&mut self, user: &User) {
        self.buckets.put(schema::AUTH_USERS, &user.name, &user.encode_to_vec());
    }

    fn put_role(&mut self, role: &Role) {
        self.buckets.put(schema::AUTH_ROLES, &role.name, &role.encode_to_vec());
    }

    /// Ends a change: the auth revision grows.
    fn auth_changed(&mut self) -> Outcome {
        let revision = self.auth_revision().saturating_add(1);
        self.buckets.put(schema::AUTH, schema::AUTH_REVISION, &revision.to_be_bytes());
        self.permissions.clear();
        Outcome::Changed
    }

    pub(super) fn auth_enable(&mut self) -> Outcome {
        if self.enabled() {
            return Outcome::Unchanged;
        }
        if !self.user(ROOT).is_some_and(|root| root.has_root_role()) {
            return Outcome::Refused(Refusal::Auth);
        }
        self.buckets.put(schema::AUTH, schema::AUTH_ENABLED, &[1]);
        self.permissions.clear();
        Outcome::Changed
    }

    pub(super) fn auth_disable(&mut self) -> Outcome {
        if !self.enabled() {
            return Outcome::Unchanged;
        }
        self.buckets.put(schema::AUTH, schema::AUTH_ENABLED, &[0]);
        self.auth_changed()
    }

    /// Returns the hash to store, or none where the hash in the entry is not base64, as etcd refuses it.
    fn password(&mut self, plain: &[u8], hashed: &[u8]) -> Result<Option<Vec<u8>>, ApplyError> {
        if !hashed.is_empty() || (plain.is_empty() && self.rules.minor >= Minor::V3_5) {
            return Ok(BASE64_STANDARD.decode(hashed).ok());
        }
        self.doubt(Doubt::PasswordRehashed);
        let hash = bcrypt::hash_with_result(plain, COST)
            .map_err(|e| ApplyError::Entry(format!("the password in it cannot be hashed ({e})")))?;
        // The form of Go's bcrypt.
        Ok(Some(hash.format_for_version(bcrypt::Version::TwoA).into_bytes()))
    }

    pub(super) fn user_add(&mut self, add: UserAdd) -> Result<Outcome, ApplyError> {
        if add.name.is_empty() || self.user(&add.name).is_some() {
            return Ok(Outcome::Refused(Refusal::Auth));
        }
        let options = add.options.unwrap_or_default();
        let mut password = Vec::new();
        if !options.no_password {
            let Some(hash) = self.password(&add.password, &add.hashed)? else {
                return Ok(Outcome::Refused(Refusal::Auth));
            };
            password = hash;
        }
        self.put_user(&User { name: add.name, password, roles: Vec::new(), options: Some(options) });
        Ok(self.auth_changed())
    }

    pub(super) fn user_delete(&mut self, name: &[u8]) -> Outcome {
        if (self.enabled() && name == ROOT) || !self.buckets.delete(schema::AUTH_USERS, name) {
            return Outcome::Refused(Refusal::Auth);
        }
        self.auth_changed()
    }

    pub(super) fn user_change_password(&mut self, change: ChangePassword) -> Result<Outcome, ApplyError> {
        let Some(user) = self.user(&change.name) else { return Ok(Outcome::Refused(Refusal::Auth)) };
        let none = user.options.is_some_and(|options| options.no_password) && self.rules.minor >= Minor::V3_5;
        let mut password = Vec::new();
        if !none {
            let Some(hash) = self.password(&change.password, &change.hashed)? else {
                return Ok(Outcome::Refused(Refusal::Auth));
            };
            password = hash;
        }
        self.put_user(&User { name: change.name, password, ..user });
        Ok(self.auth_changed())
    }

    pub(super) fn user_grant_role(&mut self, name: &[u8], role: &[u8]) -> Outcome {
        let Some(mut user) = self.user(name) else { return Outcome::Refused(Refusal::Auth) };
        if role != ROOT && self.role(role).is_none() {
            return Outcome::Refused(Refusal::Auth);
        }
        if user.roles.iter().any(|own| own == role) {
            return Outcome::Unchanged;
        }
        user.roles.push(role.to_vec());
        user.roles.sort();
        self.put_user(&user);
        self.auth_changed()
    }

    pub(super) fn user_revoke_role(&mut self, name: &[u8], role: &[u8]) -> Outcome {
        if self.enabled() && name == ROOT && role == ROOT {
            return Outcome::Refused(Refusal::Auth);
        }
        let Some(mut user) = self.user(name) else { return Outcome::Refused(Refusal::Auth) };
        let before = user.roles.len();
        user.roles.retain(|own| own != role);
        if user.roles.len() == before {
            return Outcome::Refused(Refusal::Auth);
        }
        self.put_user(&user);
        self.auth_changed()
    }

    pub(super) fn role_add(&mut self, name: &[u8]) -> Outcome {
        if name.is_empty() || self.role(name).is_some() {
            return Outcome::Refused(Refusal::Auth);
        }
        self.put_role(&Role { name: name.to_vec(), permissions: Vec::new() });
        self.auth_changed()
    }

    pub(super) fn role_delete(&mut self, name: &[u8]) -> Outcome {
        if (self.enabled() && name == ROOT) || !self.buckets.delete(schema::AUTH_ROLES, name) {
            return Outcome::Refused(Refusal::Auth);
        }
        let users: Vec<User> =
            self.buckets.rows(schema::AUTH_USERS).filter_map(|(_, row)| User::decode(&**row).ok()).collect();
        for mut user in users {
            let before = user.roles.len();
            user.roles.retain(|own| own != name);
            if user.roles.len() < before {
                self.put_user(&user);
            }
        }
        self.auth_changed()
    }

    pub(super) fn role_grant_permission(&mut self, grant: GrantPermission) -> Result<Outcome, ApplyError> {
        let Some(new) = grant.permission.filter(valid) else { return Ok(Outcome::Refused(Refusal::Auth)) };
        let Some(mut role) = self.role(&grant.role) else { return Ok(Outcome::Refused(Refusal::Auth)) };
        // etcd looks at the first permission whose key is not less.
        let at = role.permissions.partition_point(|own| own.key < new.key);
        match role.permissions.get_mut(at) {
            Some(own) if own.key == new.key && own.range_end == new.range_end => own.kind = new.kind,
            _ => {
                role.permissions.push(new);
                role.permissions.sort_by(|a, b| a.key.cmp(&b.key));
            }
        }
        self.put_role(&role);
        Ok(self.auth_changed())
    }

    pub(super) fn role_revoke_permission(&mut self, revoke: &RevokePermission) -> Outcome {
        let Some(mut role) = self.role(&revoke.role) else { return Outcome::Refused(Refusal::Auth) };
        let before = role.permissions.len();
        role.permissions.retain(|own| own.key != revoke.key || own.range_end != revoke.range_end);
        if role.permissions.len() == before {
            return Outcome::Refused(Refusal::Auth);
        }
        self.put_role(&role);
        self.auth_changed()
    }
}

/// Returns whether a permission's range can hold a key.
fn valid(permission: &Permission) -> bool {
    let Permission { key, range_end, .. } = permission;
    !key.is_empty() && (range_end.is_empty() || key < range_end || range_end == &[0])
}
